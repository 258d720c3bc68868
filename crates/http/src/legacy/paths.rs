//! Addresses that stood for one function each, and answered flat.

use frontdesk_core::outcome::{Answer, CallerInfo, Need, Outcome, Question, WhyOffered};
use frontdesk_core::spoken;
use serde_json::{Map, Value, json};

use super::{CLOCK, DAY, Fields, MOMENT, View, dispatch, flat};
use crate::answer::rfc3339;

/// The old system's own aim for the first answer of a call.
const TARGET_MS: u64 = 300;

pub(super) fn customer(said: &View<'_>) -> Map<String, Value> {
    let mut person = dispatch::customer(said);
    let known = person.0.get("found").and_then(Value::as_bool).unwrap_or(false);
    person = person.with("id", Value::Null).with("notes", Value::Null);
    let status = match (said.outcome.is_success(), known) {
        (false, _) => "error",
        (true, true) => "found",
        (true, false) => "new_customer",
    };
    flat(
        Fields::new()
            .with("status", status)
            .with("customer", Value::Object(person.0))
            .with("customer_exists", known)
            .with("customer_found", known),
    )
}

pub(super) fn context(said: &View<'_>) -> Map<String, Value> {
    let tenant = said.tenant();
    let local = said.local(said.old.now);
    let weekday = spoken::weekday(tenant.language, local.weekday());
    let nobody = CallerInfo::default();
    let caller = match said.outcome {
        Outcome::Ok(Answer::Welcome { caller, .. } | Answer::Caller(caller)) => caller,
        _ => &nobody,
    };
    let status = match (caller.known, said.old.call.caller.phone()) {
        (true, _) => "found",
        (false, Some(_)) => "new_customer",
        (false, None) => "anonymous",
    };
    let customer = dispatch::customer(said).with("status", status);
    let hours: Vec<String> = frontdesk_core::policy::day_info(tenant, local.date())
        .map(|day| {
            day.open.iter().map(|(from, to)| format!("{}-{}", said.format(*from, CLOCK), said.format(*to, CLOCK))).collect()
        })
        .unwrap_or_default();
    flat(
        Fields::new()
            .with("call_id", json!(said.old.call.id))
            .with("customer", Value::Object(customer.0))
            .with(
                "current_time",
                json!({
                    "iso": rfc3339(said.old.now, tenant),
                    "date": said.format(said.old.now, DAY),
                    "time": said.format(said.old.now, CLOCK),
                    "weekday": weekday,
                    "weekday_short": weekday.chars().take(2).collect::<String>(),
                    "timezone": tenant.time_zone.name(),
                }),
            )
            .with(
                "policies",
                json!({
                    "reschedule_hours": tenant.policy.reschedule_notice.as_hours(),
                    "cancel_hours": tenant.policy.cancel_notice.as_hours(),
                    "office_hours": hours,
                }),
            )
            .with("performance", json!({ "latency_ms": said.old.took_ms, "target_ms": TARGET_MS })),
    )
}

pub(super) fn check(said: &View<'_>) -> Map<String, Value> {
    let fields = Fields::new()
        .with_some("requested_time", said.requested_time())
        .with("available_slots", said.starts())
        .with("alternatives", said.alternatives());
    let available = matches!(said.outcome, Outcome::Available(_) | Outcome::Offered { why: WhyOffered::Fits, .. });
    let known = available
        || matches!(said.outcome, Outcome::Offered { .. } | Outcome::Unavailable(_) | Outcome::Taken(_) | Outcome::Denied { .. });
    let status = match (known, available) {
        (false, _) => "error",
        (true, true) => "available",
        (true, false) => "unavailable",
    };
    flat(fields.with("status", status).with("available", available))
}

pub(super) fn book(said: &View<'_>) -> Map<String, Value> {
    let fields = dispatch::booking(said);
    flat(match said.outcome {
        Outcome::Booked { appointment, .. } => {
            fields.with("status", "success").with("booking", Value::Object(said.brief(appointment).0))
        }
        Outcome::Pending { .. } => fields.with("status", "pending"),
        outcome if dispatch::awaits_yes(outcome) => fields.with("status", "needs_confirmation"),
        _ => fields.with("status", "error"),
    })
}

/// The German function of two steps: a first call checks, a second one with `bestaetigung` books.
pub(super) fn collect(said: &View<'_>) -> Map<String, Value> {
    let fields = Fields::new();
    flat(match said.outcome {
        outcome if dispatch::awaits_yes(outcome) => fields
            .with("status", "available")
            .with("awaiting_confirmation", true)
            .with("bestaetigung_status", "ausstehend")
            .with_some("requested_time", said.outcome.offers().first().map(|offer| said.format(offer.start, MOMENT))),
        Outcome::Offered { .. } => fields.with("status", "unavailable").with("alternatives", said.clock_alternatives()),
        Outcome::Unavailable(_) => fields.with("status", "no_availability").with("alternatives", json!([])),
        Outcome::Booked { appointment, .. } => fields
            .with("status", "booked")
            .with("appointment_id", json!(appointment.booking))
            .with("appointment_time", said.format(appointment.start, MOMENT))
            .with("confirmation_email_sent", false),
        Outcome::Taken(_) => fields.with("status", "slot_taken").with("alternatives", said.clock_alternatives()),
        Outcome::NeedsInput { question: Question::InThePast { .. }, .. } => fields.with("status", "past_time"),
        Outcome::NeedsInput { question: Question::NotAName | Question::Missing(Need::Name), .. } => {
            fields.with("status", "missing_customer_name")
        }
        Outcome::NeedsInput { missing, .. } => {
            let missing: Vec<&str> = missing.iter().map(|need| need.word()).collect();
            fields.with("status", "missing_required_fields").with("missing", json!(missing))
        }
        Outcome::Ambiguous(_) | Outcome::NotFound(_) => {
            fields.with("status", "missing_required_fields").with_some("candidates", said.modern.get("candidates").cloned())
        }
        Outcome::Denied { .. } => fields.with("status", "unavailable").with("alternatives", said.clock_alternatives()),
        Outcome::Invalid { field } => {
            let mut errors = Map::new();
            errors.insert(format!("args.{field}"), json!([said.message()]));
            fields.with("status", "error").with("errors", Value::Object(errors))
        }
        // Words that the old function lacked: it said booked, or nothing at all.
        Outcome::Pending { .. } | Outcome::CallbackQueued(_) | Outcome::RateLimited { .. } => {
            fields.with("status", said.outcome.status())
        }
        _ => fields.with("status", "error"),
    })
}
