//! What a business's software is told, as JSON.

use frontdesk_core::booking::{Appointment, Callback};
use frontdesk_core::call::Phone;
use frontdesk_core::outbox::{Event, Taken};
use frontdesk_core::tenant::Tenant;
use jiff::Timestamp;
use serde_json::{Map, Value, json};

/// The body of a webhook. The facts are those of the moment when it happened; names, numbers and addresses
/// are as they are now.
pub(super) fn payload(tenant: &Tenant, row: &Taken, appointment: Option<&Appointment>, callback: Option<&Callback>) -> Value {
    let at = |at: Timestamp| json!(at.to_zoned_datetime(tenant.zone().clone()).strftime("%Y-%m-%dT%H:%M:%S%:z").to_string());
    let mut data = Map::new();
    let mut put = |name: &str, value: Value| data.insert(name.to_owned(), value);
    put("tenant", json!(tenant.slug));
    put("origin", json!(row.facts.origin));
    if let Some(appointment) = appointment {
        let attendee = &appointment.attendee;
        put("booking_id", json!(appointment.id));
        put("start", at(row.facts.start.unwrap_or(appointment.start)));
        put("end", at(row.facts.end.unwrap_or(appointment.end)));
        put("service", json!(appointment.service));
        put("staff", json!(appointment.staff));
        put("name", json!(attendee.name.expose()));
        put("phone", json!(attendee.phone.as_ref().or(appointment.owner.as_ref()).map(Phone::e164)));
        put("email", json!(attendee.email.as_ref().map(|it| it.expose())));
        put("notes", json!(appointment.notes.as_ref().map(|it| it.expose())));
    }
    match row.event {
        Event::Booked => drop(put("late", json!(row.facts.late))),
        Event::Rescheduled => drop(put("old_start", json!(row.facts.old_start.map(at)))),
        Event::Pending => drop(put("wanted", json!(row.facts.wanted))),
        Event::Cancelled | Event::CallbackQueued | Event::AlertFired | Event::AlertResolved => {}
    }
    if let Some(callback) = callback {
        put("callback_id", json!(callback.id));
        put("cause", json!(callback.cause));
        put("priority", json!(callback.priority));
        put("due_at", at(callback.due_at));
    }
    if let (Event::CallbackQueued, Some(callback)) = (row.event, callback) {
        put("booking_id", json!(callback.appointment));
        put("service", json!(callback.service));
        put("name", json!(callback.name.as_ref().map(|it| it.expose())));
        put("phone", json!(callback.phone.as_ref().map(Phone::e164)));
        put("reason", json!(callback.notes.as_ref().map(|it| it.expose())));
        put("preferred_time", json!(callback.preferred_time.as_ref().map(|it| it.expose())));
    }
    json!({ "type": row.event.as_str(), "timestamp": at(row.created_at), "data": data })
}
