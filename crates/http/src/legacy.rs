//! Agents that were configured for the gateway that we replace: its addresses, and its answers.
//!
//! An old answer keeps its shape and its words, with their errors corrected; our own word stands beside
//! in `outcome`, and so do `message` and `slots`. Everything here is a view of an [`Outcome`]: no old
//! path decides anything that the new ones would not.

use frontdesk_core::call::CallContext;
use frontdesk_core::outcome::Outcome;
use frontdesk_core::tenant::Tenant;
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use crate::arguments::Function;

mod calendar_words;
mod changes;
mod dispatch;
mod facts;
mod paths;
mod times;

pub(crate) use times::{current_time_berlin, old_call_started, old_dynamic_variables, zeitinfo};

/// An address of the old gateway.
pub(crate) struct OldRoute {
    /// The whole path.
    pub(crate) path: &'static str,
    /// The function that it stands for; `None` reads it from the body.
    pub(crate) function: Option<&'static str>,
    /// How it answers.
    pub(crate) shape: Shape,
    /// Whether it books or only checks, whatever the body says.
    pub(crate) consent: Option<bool>,
    /// Whether a cancellation is done without asking first.
    pub(crate) acts_at_once: bool,
}

/// How an old address answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    /// As the dispatcher by name did: under `data`, some functions flat.
    Dispatch,
    /// The recognition of a caller.
    Customer,
    /// The combined context at the beginning of a call.
    Context,
    /// A single time checked.
    Check,
    /// A booking in one step.
    Book,
    /// The German function of two steps.
    Collect,
    /// A cancellation by date.
    Cancel,
    /// A move by date.
    Move,
    /// The caller's own appointments.
    Appointments,
    /// A date understood, with short names.
    Datetime,
    /// The list of services.
    Services,
}

/// A request in the old dialect.
pub(crate) struct Old<'a> {
    /// The address it came to.
    pub(crate) route: &'static OldRoute,
    /// The function, if there is one by that name.
    pub(crate) function: Option<Function>,
    /// The name as said.
    pub(crate) name: &'a str,
    /// The call.
    pub(crate) call: &'a CallContext,
    /// The business.
    pub(crate) tenant: &'a Tenant,
    /// The time of the answer.
    pub(crate) now: Timestamp,
    /// How long it took.
    pub(crate) took_ms: u64,
}

const fn old(path: &'static str, function: &'static str, shape: Shape) -> OldRoute {
    OldRoute { path, function: Some(function), shape, consent: None, acts_at_once: true }
}

const fn by_name(path: &'static str) -> OldRoute {
    OldRoute { path, function: None, shape: Shape::Dispatch, consent: None, acts_at_once: true }
}

const fn step(path: &'static str, consent: bool) -> OldRoute {
    OldRoute { path, function: Some("collect_appointment"), shape: Shape::Collect, consent: Some(consent), acts_at_once: true }
}

/// Every address that answers to a function call.
pub(crate) const OLD_ROUTES: &[OldRoute] = &[
    by_name("/api/webhooks/retell/function"),
    by_name("/api/webhooks/retell/function-call"),
    by_name("/api/retell/function-call"),
    old("/api/webhooks/retell/collect-appointment", "collect_appointment", Shape::Collect),
    old("/api/retell/collect-appointment", "collect_appointment", Shape::Collect),
    old("/api/webhooks/retell/check-availability", "check_availability", Shape::Check),
    old("/api/retell/check-availability", "check_availability", Shape::Check),
    old("/api/webhooks/retell/datetime", "resolve_date", Shape::Datetime),
    old("/api/webhooks/retell/current-context", "start_call", Shape::Context),
    old("/api/retell/initialize-call", "start_call", Shape::Context),
    old("/api/retell/initialize-call-v4", "start_call", Shape::Context),
    old("/api/webhooks/retell/check-customer", "identify_caller", Shape::Customer),
    old("/api/retell/check-customer", "identify_caller", Shape::Customer),
    old("/api/retell/book-appointment", "book_appointment", Shape::Book),
    old("/api/retell/cancel-appointment", "cancel_appointment", Shape::Cancel),
    old("/api/retell/cancel-appointment-v4", "cancel_appointment", Shape::Dispatch),
    old("/api/retell/reschedule-appointment", "reschedule_appointment", Shape::Move),
    old("/api/retell/reschedule-appointment-v4", "reschedule_appointment", Shape::Dispatch),
    old("/api/retell/get-customer-appointments", "find_appointments", Shape::Appointments),
    old("/api/retell/get-appointments-v4", "find_appointments", Shape::Appointments),
    step("/api/retell/v17/check-availability", false),
    step("/api/retell/v17/book-appointment", true),
    old("/api/retell/get-services-v4", "list_services", Shape::Services),
    old("/api/retell/get-available-services", "list_services", Shape::Services),
];

/// The old answer to `outcome`; `modern` is how we would say it ourselves.
pub(crate) fn reshape(old: &Old<'_>, outcome: &Outcome, modern: &Value) -> Value {
    let said = View { old, outcome, modern };
    let mut answer = match old.route.shape {
        Shape::Dispatch => dispatch::answer(&said),
        Shape::Customer => paths::customer(&said),
        Shape::Context => paths::context(&said),
        Shape::Check => paths::check(&said),
        Shape::Book => paths::book(&said),
        Shape::Collect => paths::collect(&said),
        Shape::Cancel => changes::cancel_by_path(&said),
        Shape::Move => changes::move_by_path(&said),
        Shape::Appointments => facts::appointments_by_path(&said),
        Shape::Datetime => facts::datetime(&said),
        Shape::Services => flat(facts::services(&said)),
    };
    // Ours stand beside, and win only where the old answer had no such word.
    answer.insert("outcome".to_owned(), json!(outcome.status()));
    for name in ["success", "message", "slots", "booking_id", "callback_id", "already", "next_action", "request_id", "reason"] {
        if let (false, Some(value)) = (answer.contains_key(name), modern.get(name)) {
            answer.insert(name.to_owned(), value.clone());
        }
    }
    if !outcome.is_success() && !answer.contains_key("error") {
        answer.insert("error".to_owned(), json!(said.message()));
    }
    Value::Object(answer)
}

fn flat(fields: Fields) -> Map<String, Value> {
    fields.0
}

/// What an old answer is made from.
struct View<'a> {
    old: &'a Old<'a>,
    outcome: &'a Outcome,
    modern: &'a Value,
}

impl View<'_> {
    fn tenant(&self) -> &Tenant {
        self.old.tenant
    }

    fn message(&self) -> &str {
        self.modern.get("message").and_then(Value::as_str).unwrap_or("")
    }

    /// The function's name as the old gateway knew it, without its version.
    fn is_called(&self, name: &str) -> bool {
        self.old.name.trim().to_ascii_lowercase().replace('-', "_").starts_with(name)
    }

    fn local(&self, at: Timestamp) -> jiff::ZonedDateTime {
        at.to_zoned_datetime(self.tenant().zone().clone())
    }

    fn format(&self, at: Timestamp, pattern: &str) -> String {
        self.local(at).strftime(pattern).to_string()
    }
}

/// The date and time of the old answers.
const MOMENT: &str = "%Y-%m-%d %H:%M";
const DAY: &str = "%Y-%m-%d";
const CLOCK: &str = "%H:%M";
const GERMAN_DAY: &str = "%d.%m.%Y";

/// An object being filled.
#[derive(Default)]
struct Fields(Map<String, Value>);

impl Fields {
    fn new() -> Self {
        Self::default()
    }

    fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.0.insert(name.to_owned(), value.into());
        self
    }

    fn with_some(self, name: &str, value: Option<impl Into<Value>>) -> Self {
        match value {
            Some(value) => self.with(name, value),
            None => self,
        }
    }
}

#[cfg(test)]
mod tests;
