//! The dispatcher by name: `{success, data, message}`, some functions flat.

use frontdesk_core::outcome::{Answer, CallerInfo, Confirm, Denial, Missed, Need, Outcome, Question, WhyOffered};
use frontdesk_core::spoken;
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::{CLOCK, DAY, Fields, GERMAN_DAY, MOMENT, View, changes, facts, flat};
use crate::answer::rfc3339;
use crate::arguments::Function;

pub(super) fn answer(said: &View<'_>) -> Map<String, Value> {
    let Some(function) = said.old.function else { return unknown(said) };
    if failed(said.outcome) {
        return flat(Fields::new().with("success", false).with("error", said.message()));
    }
    match function {
        Function::StartCall => flat(welcome(said)),
        Function::IdentifyCaller => wrapped(said, customer(said)),
        Function::ListServices => wrapped(said, facts::services(said)),
        Function::OpeningHours => wrapped(said, facts::hours(said)),
        Function::ResolveDate => flat(facts::parsed_date(said)),
        Function::CheckAvailability if matches!(said.outcome, Outcome::Denied { denial: Denial::NoticeTooShort { .. }, .. }) => {
            flat(availability(said))
        }
        Function::CheckAvailability => wrapped(said, availability(said)),
        Function::FindNext if said.is_called("get_alternatives") => wrapped(said, alternatives(said)),
        Function::FindNext => flat(next_free(said)),
        Function::BookAppointment => wrapped(said, booking(said)),
        Function::CollectAppointment => super::paths::collect(said),
        Function::FindAppointments => flat(facts::appointments(said)),
        Function::CancelAppointment => flat(changes::cancelled(said)),
        Function::RescheduleAppointment => flat(changes::moved(said)),
        Function::RequestCallback => flat(callback(said)),
        Function::HoldSlot => wrapped(said, reserved(said)),
        Function::ReleaseSlot => {
            let released = matches!(said.outcome, Outcome::Ok(Answer::Released));
            wrapped(said, Fields::new().with("released", released).with("message", said.message()))
        }
    }
}

fn wrapped(said: &View<'_>, data: Fields) -> Map<String, Value> {
    flat(
        Fields::new()
            .with("success", said.outcome.is_success())
            .with("data", Value::Object(data.0))
            .with("message", said.message()),
    )
}

/// Endings that no old function had fields for.
fn failed(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Error(_) | Outcome::RateLimited { .. } | Outcome::NotFound(Missed::Function))
}

fn unknown(said: &View<'_>) -> Map<String, Value> {
    flat(Fields::new().with("success", false).with("error", said.message()))
}

/// A booking can only be claimed by an outcome that is one.
pub(super) fn booking(said: &View<'_>) -> Fields {
    let fields = Fields::new().with("message", said.message());
    match said.outcome {
        Outcome::Booked { appointment, already } => fields
            .with("booked", true)
            .with("appointment_id", json!(appointment.booking))
            .with("booking_id", json!(appointment.booking))
            .with("appointment_time", said.format(appointment.start, MOMENT))
            .with("confirmation", said.message())
            .with("sync_mode", "sync")
            .with_some("duplicate_detected", already.then_some(true)),
        Outcome::Pending { appointment, .. } => fields
            .with("booked", false)
            .with("pending", true)
            .with("booking_id", json!(appointment.booking))
            .with("appointment_time", said.format(appointment.start, MOMENT))
            .with("sync_mode", "async"),
        _ => fields.with("booked", false).with("reason", why_not(said.outcome)).with("alternatives", said.alternatives()),
    }
}

/// The old word for why nothing was booked, or ours where there was none.
fn why_not(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::NeedsInput { question: Question::NotAName | Question::Missing(Need::Name), .. } => "customer_name_required",
        Outcome::NeedsInput { .. } | Outcome::Ambiguous(_) | Outcome::Invalid { .. } => "missing_required_fields",
        Outcome::NeedsConfirmation(_) | Outcome::Available(_) => "confirmation_required",
        Outcome::Taken(_) | Outcome::Offered { .. } => "slot_taken_during_conversation",
        Outcome::Denied { denial, .. } => refusal(denial),
        _ => outcome.status(),
    }
}

fn refusal(denial: &Denial) -> &'static str {
    match denial {
        Denial::NoticeTooShort { .. } => "booking_notice_violation",
        Denial::StaffCannot { .. } => "staff_cannot_provide_service",
        _ => denial.reason(),
    }
}

fn availability(said: &View<'_>) -> Fields {
    let fields = Fields::new().with("message", said.message()).with_some("requested_time", said.requested_time());
    let closed = |fields: Fields, reason: &'static str| {
        fields.with("available", false).with("reason", reason).with("alternatives", said.alternatives())
    };
    match said.outcome {
        Outcome::Available(offer) => {
            fields.with("available", true).with("slot_time", said.format(offer.start, MOMENT)).with("alternatives", json!([]))
        }
        // An open wish that has free times is what the old answer called available, with a list.
        Outcome::Offered { why: WhyOffered::Fits, .. } => {
            fields.with("available", true).with("alternatives", said.alternatives()).with("intelligent_response", said.message())
        }
        Outcome::Offered { .. } | Outcome::Unavailable(_) => closed(fields, "unavailable"),
        Outcome::Taken(_) => closed(fields, "slot_just_taken"),
        Outcome::Booked { appointment, .. } => {
            closed(fields, "has_existing_appointment").with("appointment", said.appointment(appointment))
        }
        Outcome::NeedsInput { missing, .. } if missing.first() == Some(&Need::Time) => {
            fields.with("available", false).with("error", "time_required").with("alternatives", json!([]))
        }
        Outcome::Denied { denial, .. } => refused(said, closed(fields, refusal(denial)), denial),
        other => fields.with("available", false).with("reason", other.status()).with("alternatives", json!([])),
    }
}

fn refused(said: &View<'_>, fields: Fields, denial: &Denial) -> Fields {
    match denial {
        Denial::NoticeTooShort { earliest } => fields
            .with("success", false)
            .with("error", "booking_notice_violation")
            .with("minimum_notice_minutes", said.tenant().policy.min_notice.as_mins())
            .with("earliest_bookable", said.format(*earliest, MOMENT)),
        Denial::StaffCannot { staff, service } => {
            let others: Vec<&str> = said
                .tenant()
                .service(service)
                .map(|service| said.tenant().staff_for(service).map(|staff| staff.name.as_str()).collect())
                .unwrap_or_default();
            fields
                .with("requested_staff", staff.clone())
                .with("requested_service", service.clone())
                .with("alternative_staff", json!(others))
        }
        _ => fields,
    }
}

fn alternatives(said: &View<'_>) -> Fields {
    Fields::new()
        .with("found", !said.outcome.offers().is_empty())
        .with("message", said.message())
        .with("alternatives", said.alternatives())
}

fn next_free(said: &View<'_>) -> Fields {
    let fields = Fields::new().with("success", said.outcome.is_success()).with("message", said.message());
    match said.outcome.offers().first() {
        Some(offer) => {
            let local = said.local(offer.start);
            let today = said.local(said.old.now).date();
            fields
                .with("service", offer.service.clone())
                .with("next_available", rfc3339(offer.start, said.tenant()))
                .with("formatted_date", spoken::date(said.tenant().language, local.date(), today))
                .with("formatted_time", spoken::time(said.tenant().language, local.time()))
        }
        None if said.outcome.is_success() => fields.with("next_available", Value::Null),
        None => fields.with("error", "finder_error"),
    }
}

fn reserved(said: &View<'_>) -> Fields {
    let held = said.outcome.offers().first().filter(|_| said.outcome.is_success());
    let fields = Fields::new().with("message", said.message()).with("reserved", held.is_some());
    match held {
        Some(offer) => fields
            .with("reservation_uid", json!(offer.slot))
            .with_some("reservation_until", offer.held_until.map(|until| rfc3339(until, said.tenant())))
            .with("datetime", said.format(offer.start, MOMENT))
            .with("service", offer.service.clone()),
        None => fields.with("error", "reservation_failed").with("alternatives", said.alternatives()),
    }
}

fn callback(said: &View<'_>) -> Fields {
    let fields = Fields::new().with("success", said.outcome.is_success()).with("message", said.message());
    match said.outcome {
        Outcome::CallbackQueued(promise) => fields
            .with("callback_id", json!(promise.callback))
            .with("status", "pending")
            .with("assigned_to", Value::Null)
            .with("due", rfc3339(promise.due, said.tenant())),
        _ => fields.with("error", "callback_creation_failed"),
    }
}

fn welcome(said: &View<'_>) -> Fields {
    let local = said.local(said.old.now);
    let policy = &said.tenant().policy;
    let rule = |kind: &str, hours: i64| json!({ "type": kind, "value": hours, "description": format!("{hours} h") });
    let customer = match said.outcome {
        Outcome::Ok(Answer::Welcome { caller, .. } | Answer::Caller(caller)) => person(said, caller),
        _ => Value::Null,
    };
    Fields::new()
        .with("success", said.outcome.is_success())
        .with("current_time", rfc3339(said.old.now, said.tenant()))
        .with("current_date", said.format(said.old.now, GERMAN_DAY))
        .with("current_weekday", spoken::weekday(said.tenant().language, local.weekday()))
        .with("customer", customer)
        .with(
            "policies",
            json!([
                rule("cancellation", policy.cancel_notice.as_hours()),
                rule("reschedule", policy.reschedule_notice.as_hours())
            ]),
        )
        .with("message", said.message())
}

fn person(said: &View<'_>, caller: &CallerInfo) -> Value {
    json!({
        "customer_id": Value::Null,
        "name": caller.name.as_ref().map(|name| name.expose().clone()),
        "phone": said.old.call.caller.phone().map(|phone| phone.e164()),
        "is_known": caller.known,
        "message": said.message(),
    })
}

/// The caller as `check_customer` told of them; what we do not keep is null rather than guessed.
pub(super) fn customer(said: &View<'_>) -> Fields {
    let nobody = CallerInfo::default();
    let caller = match said.outcome {
        Outcome::Ok(Answer::Welcome { caller, .. } | Answer::Caller(caller)) => caller,
        _ => &nobody,
    };
    let name = caller.name.as_ref().map(|name| name.expose().as_str());
    let (first, last) = match name.and_then(|name| name.split_once(' ')) {
        Some((first, last)) => (Some(first), Some(last)),
        None => (name, None),
    };
    let day = |at: Timestamp| said.format(at, GERMAN_DAY);
    let history: Vec<Value> = caller
        .appointments
        .iter()
        .map(|shown| json!({ "date": said.format(shown.start, DAY), "time": said.format(shown.start, CLOCK), "service": shown.service, "staff": shown.staff }))
        .collect();
    Fields::new()
        .with("customer_id", Value::Null)
        .with("name", json!(name))
        .with("first_name", json!(first))
        .with("last_name", json!(last))
        .with("phone", json!(said.old.call.caller.phone().map(|phone| phone.e164())))
        .with("email", Value::Null)
        .with("found", caller.known)
        .with("status", if caller.known { "existing_customer" } else { "new_customer" })
        .with("last_visit", json!(caller.last_visit.map(day)))
        .with("total_appointments", caller.total)
        .with("predicted_service", json!(caller.usual_service))
        .with("service_confidence", Value::Null)
        .with("preferred_staff", Value::Null)
        .with("preferred_staff_id", Value::Null)
        .with("appointment_history", json!(history))
        .with("message", said.message())
}

/// Whether a held time waits for the caller's yes.
pub(super) fn awaits_yes(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Available(_) | Outcome::NeedsConfirmation(Confirm::Book(_)))
}
