//! Cancelling and moving, as the dispatcher and as the single addresses answered.

use frontdesk_core::outcome::{Choice, Confirm, Missed, Need, Outcome};
use serde_json::{Map, Value, json};

use super::{CLOCK, DAY, Fields, MOMENT, View, flat};

pub(super) fn cancelled(said: &View<'_>) -> Fields {
    let fields = base(said);
    match said.outcome {
        Outcome::Cancelled(shown) => {
            fields.with("status", "cancelled").with("fee", 0).with("appointment_id", json!(shown.booking))
        }
        other => common(said, fields, other),
    }
}

pub(super) fn moved(said: &View<'_>) -> Fields {
    let fields = base(said);
    match said.outcome {
        Outcome::Rescheduled { appointment, from } => fields
            .with("status", "rescheduled")
            .with("fee", 0)
            .with("appointment_id", json!(appointment.booking))
            .with("old_time", said.format(*from, MOMENT))
            .with("new_time", said.format(appointment.start, MOMENT)),
        Outcome::NeedsConfirmation(Confirm::Move { to, .. }) => fields
            .with("status", "ready_for_confirmation")
            .with("new_appointment", json!({ "date": said.format(to.start, DAY), "time": said.format(to.start, CLOCK) })),
        Outcome::NeedsInput { missing, .. } if missing.iter().any(|need| matches!(need, Need::NewDate | Need::NewTime)) => {
            fields.with("status", "needs_new_time")
        }
        Outcome::NeedsInput { .. } => fields.with("status", "invalid_date"),
        Outcome::Offered { .. } | Outcome::Taken(_) | Outcome::Unavailable(_) => {
            fields.with("status", "unavailable").with("alternatives", said.clock_alternatives())
        }
        other => common(said, fields, other),
    }
}

fn base(said: &View<'_>) -> Fields {
    Fields::new().with("success", said.outcome.is_success()).with("message", said.message())
}

fn common(said: &View<'_>, fields: Fields, outcome: &Outcome) -> Fields {
    match outcome {
        Outcome::NeedsConfirmation(Confirm::Cancel(shown)) => {
            fields.with("status", "ready_for_confirmation").with("appointment", said.appointment(shown))
        }
        Outcome::NotFound(Missed::Appointment) => fields.with("status", "not_found"),
        Outcome::Ambiguous(Choice::Appointments(several)) => {
            let several: Vec<Value> = several.iter().map(|shown| said.appointment(shown)).collect();
            fields.with("status", "multiple_found").with("appointment_count", several.len()).with("appointments", json!(several))
        }
        Outcome::Denied { denial, .. } => fields
            .with("status", "denied")
            .with("reason", denial.reason())
            .with("details", details(said))
            .with("alternatives", said.clock_alternatives()),
        Outcome::CallbackQueued(promise) => fields
            .with("status", "callback_queued")
            .with("callback_request_id", json!(promise.callback))
            .with("estimated_callback_time", said.format(promise.due, MOMENT)),
        // Neither done nor lost: a word that the old answers lacked.
        Outcome::Pending { appointment, .. } => {
            fields.with("status", "pending").with("appointment_id", json!(appointment.booking))
        }
        Outcome::NeedsInput { .. } => fields.with("status", "not_found"),
        _ => fields.with("status", "error"),
    }
}

fn details(said: &View<'_>) -> Value {
    let policy = &said.tenant().policy;
    let moves = matches!(said.old.function, Some(crate::arguments::Function::RescheduleAppointment));
    let required = if moves { policy.reschedule_notice } else { policy.cancel_notice };
    json!({ "required_hours": required.as_hours() })
}

/// `/retell/cancel-appointment`: other words for the same endings.
pub(super) fn cancel_by_path(said: &View<'_>) -> Map<String, Value> {
    let fields = renamed(cancelled(said), "cancelled");
    flat(match said.outcome {
        Outcome::Cancelled(shown) => fields.with("cancelled_booking", Value::Object(said.brief(shown).with("fee", 0).0)),
        _ => fields,
    })
}

/// `/retell/reschedule-appointment`: other words for the same endings.
pub(super) fn move_by_path(said: &View<'_>) -> Map<String, Value> {
    let fields = renamed(moved(said), "rescheduled");
    flat(match said.outcome {
        Outcome::Rescheduled { appointment, from } => fields
            .with(
                "rescheduled_booking",
                Value::Object(said.brief(appointment).with("old_time", said.format(*from, MOMENT)).with("fee", 0).0),
            )
            .with("warnings", json!([])),
        _ => fields,
    })
}

fn renamed(fields: Fields, done: &str) -> Fields {
    match fields.0.get("status").and_then(Value::as_str) {
        Some(status) if status == done => fields.with("status", "success"),
        Some("denied") => fields.with("status", "policy_violation"),
        _ => fields,
    }
}
