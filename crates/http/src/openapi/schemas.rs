//! What goes in and comes out, as JSON Schema.

use serde_json::{Value, json};

use super::reference;
use crate::problem::Code;
use crate::rest::{EMAIL, NAME, NOTES, OTHER, SERVICE};

pub(super) fn all() -> Value {
    let mut schemas = json!({
        "Anything": { "type": "object" },
        "Items": {
            "type": "object", "required": ["items"],
            "properties": { "items": { "type": "array", "items": { "type": "object" } } },
        },
        "Health": {
            "type": "object", "required": ["status", "version", "build", "timestamp"],
            "properties": {
                "status": { "enum": ["healthy", "degraded", "unhealthy"] },
                "version": { "type": "string" },
                "build": { "type": "string" },
                "timestamp": time(),
                "healthy": { "type": "boolean" },
                "response_time_ms": { "type": "integer" },
                "checks": {
                    "type": "object",
                    "additionalProperties": {
                        "type": "object",
                        "properties": {
                            "status": { "enum": ["healthy", "degraded", "unhealthy"] },
                            "detail": { "type": "string" },
                        },
                    },
                },
                "findings": {
                    "type": "array",
                    "items": {
                        "type": "object", "required": ["check", "severity", "says"],
                        "properties": {
                            "check": { "type": "string" },
                            "tenant": nullable(json!({ "type": "string" })),
                            "severity": { "enum": ["ok", "warn", "fail"] },
                            "says": { "type": "string" },
                            "evidence": { "type": "string" },
                            "advice": { "type": "string" },
                        },
                    },
                },
            },
        },
        "Call": {
            "type": "object", "required": ["call_id", "tenant", "state", "started_at", "ended_at", "items"],
            "properties": {
                "call_id": { "type": "string" },
                "tenant": { "type": "string" },
                "state": { "enum": ["ongoing", "ended", "analyzed", "abandoned"] },
                "started_at": time(),
                "ended_at": nullable(time()),
                "duration_ms": { "type": ["integer", "null"] },
                "cost": {
                    "type": ["object", "null"],
                    "description": "What the platform charges; `micros` are millionths of the currency's unit.",
                    "properties": {
                        "amount": { "type": "string" }, "micros": { "type": "integer" }, "currency": { "type": "string" },
                    },
                },
                "disposition": {
                    "enum": ["none", "answered", "unserved", "callback", "pending", "cancelled", "moved", "booked"],
                },
                "platform_says_successful": { "type": ["boolean", "null"] },
                "items": { "type": "array", "items": { "type": "object" } },
                "events": { "type": "array", "items": { "type": "object" } },
            },
        },
    });
    for part in [problem(), availability(), bookings(), callbacks(), voice()] {
        if let (Value::Object(schemas), Value::Object(part)) = (&mut schemas, part) {
            schemas.extend(part);
        }
    }
    schemas
}

fn text(most: usize) -> Value {
    json!({ "type": "string", "maxLength": most })
}

fn time() -> Value {
    json!({ "type": "string", "format": "date-time" })
}

fn nullable(schema: Value) -> Value {
    json!({ "anyOf": [schema, { "type": "null" }] })
}

fn or_null() -> Value {
    json!({ "type": ["string", "null"] })
}

fn described(mut schema: Value, description: &str) -> Value {
    schema["description"] = json!(description);
    schema
}

fn problem() -> Value {
    let catalogue: Vec<String> = Code::ALL
        .iter()
        .map(|code| {
            let (status, word, title) = code.facts();
            format!("`{word}` ({}): {title}.", status.as_u16())
        })
        .collect();
    let words: Vec<&str> = Code::ALL.iter().map(|code| code.facts().1).collect();
    json!({
        "Problem": {
            "type": "object",
            "description": "RFC 9457 problem details, as application/problem+json.",
            "required": ["type", "title", "status", "detail", "instance", "code", "request_id", "errors"],
            "properties": {
                "type": { "type": "string", "format": "uri", "examples": ["urn:frontdesk:problem:slot_taken"] },
                "title": { "type": "string" },
                "status": { "type": "integer" },
                "detail": { "type": "string" },
                "instance": described(json!({ "type": "string" }), "The path of the request."),
                "code": { "enum": words, "description": catalogue.join(" ") },
                "request_id": { "type": "string" },
                "errors": described(json!({ "type": "array", "items": reference("Violation") }), "Every violation at once."),
            },
        },
        "Violation": {
            "type": "object", "required": ["pointer", "detail"],
            "properties": {
                "pointer": { "type": "string", "format": "json-pointer", "examples": ["/customer/email"] },
                "detail": { "type": "string" },
            },
        },
    })
}

fn availability() -> Value {
    let from = json!({ "type": "string", "description": "A day (in the tenant's zone) or a time in RFC 3339." });
    let slots = |slot: &str| {
        json!({
            "type": "object", "required": ["slots", "total", "time_zone"],
            "properties": {
                "slots": { "type": "array", "maxItems": 200, "items": reference(slot) },
                "total": { "type": "integer" },
                "time_zone": { "type": "string" },
            },
        })
    };
    let slot = json!({ "start": time(), "end": time(), "staff": or_null() });
    let mut composite = slot.clone();
    composite["segments"] = json!({ "type": "array", "minItems": 1, "items": reference("Segment") });
    json!({
        "AvailabilityWish": {
            "type": "object", "required": ["service", "from", "to"],
            "description": "The names service_id, staff_id, start_date and end_date are understood as well.",
            "properties": {
                "service": described(text(SERVICE), "Exact name or synonym."),
                "from": from,
                "to": described(json!({ "type": "string" }), "A day, meant to its end, or a time in RFC 3339; at most 31 days later."),
                "staff": described(text(NAME), "Exact name."),
                "timeZone": described(text(OTHER), "IANA name that days and wall times are read in."),
            },
        },
        "Slot": { "type": "object", "required": ["start", "end", "staff"], "properties": slot },
        "Slots": slots("Slot"),
        "Segment": {
            "type": "object", "required": ["name", "start", "end"],
            "properties": { "name": { "type": "string" }, "start": time(), "end": time() },
        },
        "CompositeSlot": { "type": "object", "required": ["start", "end", "staff", "segments"], "properties": composite },
        "CompositeSlots": slots("CompositeSlot"),
    })
}

fn bookings() -> Value {
    let flag = described(json!({ "type": "boolean", "default": false }), "Changes it although its deadline has passed.");
    let start =
        described(json!({ "type": "string" }), "RFC 3339; without an offset a wall time in timeZone or the tenant's zone.");
    let zone = described(text(OTHER), "IANA name that a wall time is read in.");
    json!({
        "NewBooking": {
            "type": "object",
            "required": ["service", "start", "name"],
            "description": "The old shape with service_id and customer {name, email, phone} is understood as well.",
            "properties": {
                "service": described(text(SERVICE), "Exact name or synonym."),
                "start": start,
                "name": text(NAME),
                "email": text(EMAIL),
                "phone": described(text(OTHER), "E.164, or as dialled in the country of the business."),
                "staff": described(text(NAME), "Exact name."),
                "notes": text(NOTES),
                "timeZone": zone,
            },
        },
        "Booking": {
            "type": "object",
            "required": ["booking_id", "status", "service", "staff", "start", "end", "time_zone"],
            "properties": {
                "booking_id": { "type": "string" },
                "status": {
                    "enum": ["pending", "booked", "cancelled", "refused", "needs_person"],
                    "description": "pending: the calendar has not answered. refused: it said no later. needs_person: a person decides, the time stays blocked.",
                },
                "service": { "type": "string" },
                "staff": or_null(),
                "start": time(),
                "end": time(),
                "time_zone": described(json!({ "type": "string" }), "The tenant's zone."),
            },
        },
        "Reschedule": {
            "type": "object", "required": ["start"],
            "properties": { "start": start, "timeZone": zone, "reason": text(NOTES), "override_deadline": flag },
        },
        "Cancel": { "type": "object", "properties": { "reason": text(NOTES), "override_deadline": flag } },
    })
}

fn callbacks() -> Value {
    let priority = json!({ "enum": ["normal", "high", "urgent"], "description": "Due within 24 hours, 4 hours, 1 hour." });
    let states = |more: &[&str]| {
        let all = [&["pending", "assigned", "contacted", "completed", "cancelled"], more].concat();
        json!({ "enum": all })
    };
    json!({
        "NewCallback": {
            "type": "object", "required": ["name", "phone"],
            "description": "The names customer_name, phone_number, notes and preferred_time_window are understood as well.",
            "properties": {
                "name": text(NAME),
                "phone": text(OTHER),
                "reason": text(NOTES),
                "preferred_time": text(OTHER),
                "priority": priority,
                "service": text(SERVICE),
            },
        },
        "CallbackChange": {
            "type": "object",
            "properties": {
                "state": states(&[]),
                "assignee": text(NAME),
                "priority": priority,
                "due": time(),
                "notes": text(NOTES),
                "preferred_time": text(OTHER),
            },
        },
        "Assignment": { "type": "object", "required": ["assignee"], "properties": { "assignee": text(NAME) } },
        "Note": { "type": "object", "properties": { "note": text(NOTES) } },
        "Callbacks": {
            "type": "object", "required": ["items", "total"],
            "properties": {
                "items": { "type": "array", "items": reference("Callback") },
                "total": described(json!({ "type": "integer" }), "How many there are, counted to 1000."),
            },
        },
        "Callback": {
            "type": "object",
            "required": ["callback_id", "state", "priority", "cause", "name", "phone", "due", "is_overdue", "created_at"],
            "properties": {
                "callback_id": { "type": "string" },
                "state": states(&["resolved"]),
                "priority": priority,
                "cause": {
                    "enum": ["requested", "nothing_free", "calendar_down", "provisional", "unsettled", "anonymous_change", "fault"],
                },
                "name": or_null(),
                "phone": or_null(),
                "service": or_null(),
                "reason": or_null(),
                "preferred_time": or_null(),
                "call_id": or_null(),
                "booking_id": or_null(),
                "assignee": or_null(),
                "due": time(),
                "is_overdue": { "type": "boolean" },
                "created_at": time(),
                "updated_at": time(),
            },
        },
    })
}

fn voice() -> Value {
    let statuses = [
        "available",
        "offered",
        "unavailable",
        "booked",
        "pending",
        "needs_confirmation",
        "needs_input",
        "ambiguous",
        "cancelled",
        "rescheduled",
        "denied",
        "ok",
        "not_found",
        "taken",
        "callback_queued",
        "rate_limited",
        "temporarily_unavailable",
        "invalid",
        "error",
    ];
    json!({
        "FunctionCall": {
            "type": "object", "required": ["name", "args", "call"],
            "properties": {
                "name": described(json!({ "type": "string" }), "start_call, identify_caller, list_services, opening_hours, resolve_date, check_availability, book_appointment, collect_appointment, find_appointments, reschedule_appointment, cancel_appointment, request_callback, hold_slot, release_slot."),
                "args": reference("FunctionArguments"),
                "call": described(json!({ "type": "object" }), "The platform's envelope: the only place where call, caller and agent are read."),
            },
        },
        "FunctionArguments": described(json!({ "type": "object", "maxProperties": 64 }), "Words of the caller, as they were said."),
        "VoiceEvent": {
            "type": "object", "required": ["event"],
            "properties": { "event": { "type": "string" }, "call": { "type": "object" } },
        },
        "CalendarEvent": {
            "type": "object", "required": ["triggerEvent"],
            "properties": { "triggerEvent": { "type": "string" }, "payload": { "type": "object" } },
        },
        "HeldSlot": {
            "type": "object", "required": ["start", "end", "service", "spoken"],
            "properties": {
                "slot_id": described(json!({ "type": "string" }), "The token to book it with; absent where it is only shown."),
                "start": time(),
                "end": time(),
                "service": { "type": "string" },
                "staff": or_null(),
                "spoken": { "type": "string" },
                "held_until": time(),
                "unverified": { "type": "boolean" },
            },
        },
        "Spoken": {
            "type": "object", "required": ["success", "status", "message", "slots", "request_id"],
            "properties": {
                "success": { "type": "boolean" },
                "status": { "enum": statuses },
                "message": described(json!({ "type": "string" }), "The sentence to speak, in the tenant's language."),
                "slots": { "type": "array", "maxItems": 3, "items": reference("HeldSlot") },
                "next_action": or_null(),
                "request_id": { "type": "string" },
            },
        },
    })
}
