//! The operations of a tenant's own software.

use serde_json::{Value, json};

use super::{Operation, Who};
use crate::problem::Code;

const READ: &[Code] = &[Code::Unauthorized, Code::NotFound, Code::Internal];
const SEARCH: &[Code] = &[
    Code::Unauthorized,
    Code::MalformedJson,
    Code::PayloadTooLarge,
    Code::ValidationFailed,
    Code::UnknownService,
    Code::CalendarUnavailable,
    Code::Internal,
];
const BOOK: &[Code] = &[
    Code::Unauthorized,
    Code::MalformedJson,
    Code::PayloadTooLarge,
    Code::SlotTaken,
    Code::StillRunning,
    Code::ValidationFailed,
    Code::UnknownService,
    Code::OutsideBusinessHours,
    Code::Closed,
    Code::NoticeTooShort,
    Code::HorizonExceeded,
    Code::IdempotencyMismatch,
    Code::Internal,
];
const MOVE: &[Code] = &[
    Code::Unauthorized,
    Code::NotFound,
    Code::MalformedJson,
    Code::PayloadTooLarge,
    Code::SlotTaken,
    Code::StateConflict,
    Code::StillRunning,
    Code::ValidationFailed,
    Code::OutsideBusinessHours,
    Code::Closed,
    Code::NoticeTooShort,
    Code::HorizonExceeded,
    Code::DeadlineMissed,
    Code::IdempotencyMismatch,
    Code::Internal,
];
const CANCEL: &[Code] = &[
    Code::Unauthorized,
    Code::NotFound,
    Code::MalformedJson,
    Code::PayloadTooLarge,
    Code::StateConflict,
    Code::StillRunning,
    Code::ValidationFailed,
    Code::DeadlineMissed,
    Code::IdempotencyMismatch,
    Code::Internal,
];
const LIST: &[Code] = &[Code::Unauthorized, Code::ValidationFailed, Code::Internal];
const QUEUE: &[Code] = &[
    Code::Unauthorized,
    Code::MalformedJson,
    Code::PayloadTooLarge,
    Code::StillRunning,
    Code::ValidationFailed,
    Code::UnknownService,
    Code::IdempotencyMismatch,
    Code::Internal,
];
const CHANGE: &[Code] = &[
    Code::Unauthorized,
    Code::NotFound,
    Code::MalformedJson,
    Code::PayloadTooLarge,
    Code::StateConflict,
    Code::StillRunning,
    Code::ValidationFailed,
    Code::IdempotencyMismatch,
    Code::Internal,
];

pub(super) fn operations() -> Vec<Operation> {
    let mut all = availability();
    all.extend(bookings());
    all.extend(callbacks());
    all.into_iter().map(|operation| operation.by(Who::Tenant)).collect()
}

fn availability() -> Vec<Operation> {
    let wish = || json!({ "service": "Beratung", "from": "2026-03-16", "to": "2026-03-20" });
    let slot = json!({ "start": "2026-03-16T10:00:00+01:00", "end": "2026-03-16T10:30:00+01:00", "staff": "Emma" });
    let mut composite = slot.clone();
    composite["segments"] =
        json!([{ "name": "Beratung", "start": "2026-03-16T10:00:00+01:00", "end": "2026-03-16T10:30:00+01:00" }]);
    let answer = |slot: Value| json!({ "slots": [slot], "total": 1, "time_zone": "Europe/Berlin" });
    vec![
        Operation::new("availability", "post", "/api/v2/availability/simple", "findTimes", "Free times of a service")
            .about("At most 31 days and 200 slots; total counts all that were found. A day in `to` is meant to its end. Nothing is held.")
            .takes("AvailabilityWish", wish())
            .answers("200", "What is free", "Slots", answer(slot))
            .fails(SEARCH),
        Operation::new(
            "availability",
            "post",
            "/api/v2/availability/composite",
            "findCompositeTimes",
            "Free times of a service, with its stretches",
        )
        .about("As the simple one; each slot says when which part of the service is done. A plain service has one part.")
        .takes("AvailabilityWish", wish())
        .answers("200", "What is free", "CompositeSlots", answer(composite))
        .fails(SEARCH),
    ]
}

fn booking(status: &str, start: &str, end: &str) -> Value {
    json!({
        "booking_id": "b_0000000000000000000000000a",
        "status": status,
        "service": "Beratung",
        "staff": "Emma",
        "start": start,
        "end": end,
        "time_zone": "Europe/Berlin",
    })
}

fn bookings() -> Vec<Operation> {
    let at = |status| booking(status, "2026-03-16T10:00:00+01:00", "2026-03-16T10:30:00+01:00");
    let pending = "Durable here; the calendar has not answered yet. Ask again with GET.";
    vec![
        Operation::new("bookings", "post", "/api/v2/bookings", "book", "Book an appointment")
            .about("The service by its exact name or synonym. A start without an offset is a wall time in `timeZone`, or in the tenant's zone; one that the clocks skip or show twice is a violation.")
            .takes(
                "NewBooking",
                json!({ "service": "Beratung", "start": "2026-03-16T10:00:00+01:00", "name": "Carla Test", "phone": "+4915111112222" }),
            )
            .once()
            .answers("201", "Booked, here and in the calendar", "Booking", at("booked"))
            .answers("202", pending, "Booking", at("pending"))
            .fails(BOOK),
        Operation::new("bookings", "get", "/api/v2/bookings/{id}", "showBooking", "An appointment")
            .answers("200", "The appointment", "Booking", at("booked"))
            .fails(READ),
        Operation::new("bookings", "patch", "/api/v2/bookings/{id}/reschedule", "reschedule", "Move an appointment")
            .about("Keeps the booking_id. The business itself may pass its own deadline with override_deadline. Until a pending move is settled the appointment shows the time that stands.")
            .takes("Reschedule", json!({ "start": "2026-03-17T10:00:00+01:00", "reason": "Staff meeting" }))
            .once()
            .answers("200", "Moved, here and in the calendar", "Booking", booking("booked", "2026-03-17T10:00:00+01:00", "2026-03-17T10:30:00+01:00"))
            .answers("202", pending, "Booking", at("pending"))
            .fails(MOVE),
        Operation::new("bookings", "delete", "/api/v2/bookings/{id}", "cancel", "Cancel an appointment")
            .about("Its fields may stand in the query as well. Cancelling twice is cancelling once.")
            .query("reason", "What the calendar is told.", json!({ "type": "string", "maxLength": 1000 }))
            .query("override_deadline", "The business itself may pass its own deadline.", json!({ "type": "boolean" }))
            .may_take("Cancel", json!({ "reason": "Closed for renovation", "override_deadline": true }))
            .once()
            .answers("200", "Cancelled, here and in the calendar", "Booking", at("cancelled"))
            .answers("202", pending, "Booking", at("pending"))
            .fails(CANCEL),
    ]
}

fn callback(state: &str) -> Value {
    json!({
        "callback_id": "c_0000000000000000000000000a",
        "state": state,
        "priority": "high",
        "cause": "requested",
        "name": "Max Muster",
        "phone": "+4915198765432",
        "service": null,
        "reason": "Frage zur Rechnung",
        "preferred_time": "nachmittags",
        "call_id": null,
        "booking_id": null,
        "assignee": if state == "pending" { Value::Null } else { json!("Emma") },
        "due": "2026-03-16T14:00:00+01:00",
        "is_overdue": false,
        "created_at": "2026-03-16T10:00:00+01:00",
        "updated_at": "2026-03-16T10:00:00+01:00",
    })
}

fn callbacks() -> Vec<Operation> {
    let states = ["pending", "assigned", "contacted", "completed", "resolved", "cancelled"];
    let step = |path, id, summary| Operation::new("callbacks", "post", path, id, summary).once().fails(CHANGE);
    vec![
        Operation::new("callbacks", "get", "/api/v1/callbacks", "listCallbacks", "The callbacks, by due time")
            .query("state", "Only those in this state.", json!({ "enum": states }))
            .query("open", "Only those that are not done.", json!({ "type": "boolean" }))
            .query("limit", "At most this many.", json!({ "type": "integer", "minimum": 1, "maximum": 100, "default": 50 }))
            .answers("200", "The callbacks", "Callbacks", json!({ "items": [callback("pending")], "total": 1 }))
            .fails(LIST),
        Operation::new("callbacks", "post", "/api/v1/callbacks", "queueCallback", "Have somebody called back")
            .about("A wish that the same number had within the last half hour is brought up to date instead (200).")
            .takes(
                "NewCallback",
                json!({ "name": "Max Muster", "phone": "+4915198765432", "reason": "Frage zur Rechnung", "priority": "high" }),
            )
            .once()
            .answers("201", "On the list", "Callback", callback("pending"))
            .answers("200", "Was on the list", "Callback", callback("pending"))
            .fails(QUEUE),
        Operation::new("callbacks", "get", "/api/v1/callbacks/{id}", "showCallback", "A callback")
            .answers("200", "The callback", "Callback", callback("pending"))
            .fails(READ),
        Operation::new("callbacks", "patch", "/api/v1/callbacks/{id}", "changeCallback", "Change a callback")
            .about("A state only moves forward; one that would go back is state_conflict.")
            .takes("CallbackChange", json!({ "priority": "urgent" }))
            .once()
            .answers("200", "Changed", "Callback", callback("assigned"))
            .fails(CHANGE),
        step("/api/v1/callbacks/{id}/assign", "assignCallback", "Somebody takes it")
            .takes("Assignment", json!({ "assignee": "Emma" }))
            .answers("200", "Assigned", "Callback", callback("assigned")),
        step("/api/v1/callbacks/{id}/contact", "contactCallback", "The person was reached, or tried")
            .may_take("Note", json!({ "note": "Mailbox" }))
            .answers("200", "Contacted", "Callback", callback("contacted")),
        step("/api/v1/callbacks/{id}/complete", "completeCallback", "It is done")
            .may_take("Note", json!({ "note": "Termin vereinbart" }))
            .answers("200", "Completed", "Callback", callback("completed")),
    ]
}
