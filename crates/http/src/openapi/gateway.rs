//! The operations of voice platforms, calendars, probes and operators.

use serde_json::{Value, json};

use super::{Operation, Who};
use crate::problem::Code;

const SIGNED: &[Code] = &[Code::Unauthorized, Code::MalformedJson, Code::PayloadTooLarge, Code::Internal];
const OPERATOR: &[Code] = &[Code::Unauthorized, Code::NotFound, Code::Internal];

pub(super) fn operations() -> Vec<Operation> {
    let mut all = voice();
    all.extend(calendar());
    all.extend(health());
    all.extend(admin());
    all
}

fn spoken() -> Value {
    json!({
        "success": true,
        "status": "available",
        "message": "Am Freitag, den 13. März um 14 Uhr ist frei. Soll ich das buchen?",
        "slots": [{
            "slot_id": "s_0000000000000000000000000a",
            "start": "2026-03-13T14:00:00+01:00",
            "end": "2026-03-13T14:55:00+01:00",
            "service": "Herrenhaarschnitt",
            "staff": "Emma",
            "spoken": "Freitag, den 13. März um 14 Uhr",
            "held_until": "2026-03-12T10:05:00+01:00",
        }],
        "next_action": "confirm_with_caller",
        "request_id": "01j0example",
    })
}

fn voice() -> Vec<Operation> {
    const SAID: &str = "Once the signature is believed every outcome is 200 with a sentence to speak: the caller is on the line.";
    let call =
        json!({ "call_id": "call_1", "agent_id": "agent_salon", "from_number": "+491701234567", "to_number": "+4930111111" });
    let arguments = json!({ "service": "Herrenhaarschnitt", "date": "Freitag", "time": "14 Uhr" });
    vec![
        Operation::new("voice", "post", "/api/t/{tenant}/retell/functions", "callFunction", "A function of a voice agent")
            .about(SAID)
            .by(Who::Retell)
            .takes("FunctionCall", json!({ "name": "check_availability", "args": arguments, "call": call }))
            .answers("200", "What to say", "Spoken", spoken())
            .fails(SIGNED),
        Operation::new(
            "voice",
            "post",
            "/api/t/{tenant}/retell/functions/{name}",
            "callFunctionByName",
            "A function of a voice agent, named in the address",
        )
        .about("The body is the arguments alone, or the whole envelope.")
        .by(Who::Retell)
        .takes("FunctionArguments", arguments)
        .answers("200", "What to say", "Spoken", spoken())
        .fails(SIGNED),
        Operation::new("voice", "post", "/api/t/{tenant}/retell/events", "reportCall", "An event of the voice platform")
            .about("call_started, call_ended and call_analyzed are stored once; call_inbound is answered with dynamic variables before the first word.")
            .by(Who::Retell)
            .takes("VoiceEvent", json!({ "event": "call_started", "call": call }))
            .answers("200", "Taken down, or the dynamic variables", "Anything", json!({ "received": true }))
            .fails(SIGNED),
    ]
}

fn calendar() -> Vec<Operation> {
    vec![
        Operation::new("calendar", "get", "/api/t/{tenant}/calcom/events", "pingCalendarEvents", "Whether somebody is there")
            .answers("200", "Yes", "Anything", json!({ "ping": "ok" })),
        Operation::new("calendar", "post", "/api/t/{tenant}/calcom/events", "reportCalendar", "An event of Cal.com")
            .by(Who::Calcom)
            .takes("CalendarEvent", json!({ "triggerEvent": "BOOKING_CANCELLED", "payload": { "uid": "abc" } }))
            .answers("200", "Taken down", "Anything", json!({ "received": true, "status": "processed" }))
            .fails(&[Code::Unauthorized, Code::PayloadTooLarge, Code::Internal]),
    ]
}

fn health() -> Vec<Operation> {
    let state = json!({ "status": "healthy", "version": "0.1.0", "build": "unknown", "timestamp": "2026-03-12T09:00:00Z" });
    let with =
        |path, id, summary, about| {
            Operation::new("health", "get", path, id, summary)
                .about(about)
                .answers("200", "Serves", "Health", state.clone())
                .answers("503", "Cannot serve", "Health", state.clone())
        };
    let probe = |path, id, summary| Operation::new("health", "get", path, id, summary).about("Plain text.");
    vec![
        with("/api/health", "health", "The state", "With an admin key also the checks."),
        with(
            "/api/health/detailed",
            "healthDetailed",
            "Everything that can be looked at",
            "With an admin key only: each finding with its evidence and what to do, the tenants' calendars among them.",
        )
        .query("only", "Only these checks, separated by commas.", json!({ "type": "string" }))
        .query("skip", "Not these checks.", json!({ "type": "string" }))
        .fails(&[Code::ValidationFailed]),
        with("/api/health/calcom", "healthCalcom", "The calendar accounts", "The accounts are shown to an admin key only."),
        probe("/livez", "livez", "Whether the process runs").plain("200", "Yes"),
        probe("/readyz", "readyz", "Whether to send traffic here").plain("200", "Yes").plain("503", "No"),
    ]
}

fn outbox_row() -> Value {
    json!({
        "id": 42, "tenant": "salon", "event": "appointment.booked", "channel": "webhook", "to": "business",
        "about": "b_0000000000000000000000000a", "key": "evt_0123456789abcdef0123456789abcdef", "state": "dead",
        "attempts": 14, "created_at": "2026-03-12T09:00:00Z", "not_before": "2026-03-12T16:00:00Z",
        "done_at": "2026-03-12T16:00:00Z", "last_error": "answered 500",
    })
}

fn alert_row() -> Value {
    json!({
        "rule": "breaker_open", "subject": "https://api.cal.com#1f0c", "state": "firing", "level": "CRITICAL",
        "evidence": "the breaker is open", "advice": "The calendar fails; callers hear that somebody confirms.",
        "fired_at": "2026-03-12T09:00:00Z", "last_seen": "2026-03-12T09:04:00Z", "resolved_at": null, "silenced_until": null,
    })
}

fn admin() -> Vec<Operation> {
    let listed = |path, id, summary, item: Value| {
        Operation::new("admin", "get", path, id, summary)
            .by(Who::Admin)
            .query("tenant", "Only this tenant's.", json!({ "type": "string" }))
            .query("limit", "At most this many.", json!({ "type": "integer", "minimum": 1, "maximum": 200, "default": 50 }))
            .answers("200", "The newest first, callbacks by due time", "Items", json!({ "items": [item] }))
            .fails(OPERATOR)
    };
    let call = json!({
        "call_id": "call_1", "tenant": "salon", "state": "ended",
        "started_at": "2026-03-12T10:00:00+01:00", "ended_at": "2026-03-12T10:02:00+01:00",
        "duration_ms": 120_000, "cost": { "amount": "0.3445", "micros": 344_500, "currency": "USD" },
        "disposition": "booked", "platform_says_successful": true,
    });
    let mut timeline = call.clone();
    timeline["items"] = json!([{ "at": "2026-03-12T10:00:04+01:00", "function": "check_availability", "status": "available", "duration_ms": 84 }]);
    timeline["events"] = json!([{ "at": "2026-03-12T10:02:01+01:00", "event": "call_ended", "kept": {} }]);
    vec![
        listed("/api/admin/calls", "listCalls", "Calls", call),
        Operation::new("admin", "get", "/api/admin/calls/{call_id}", "showCall", "A call with its timeline")
            .by(Who::Admin)
            .query(
                "tenant",
                "Call ids are the platform's: where two tenants have the same one, this decides.",
                json!({ "type": "string" }),
            )
            .answers("200", "The call", "Call", timeline)
            .fails(OPERATOR),
        listed(
            "/api/admin/tenants",
            "listTenants",
            "Tenants, without their secrets",
            json!({ "slug": "salon", "name": "Salon Emma" }),
        ),
        listed(
            "/api/admin/intents",
            "listIntents",
            "What calendars were asked to do",
            json!({ "kind": "create", "state": "done" }),
        ),
        Operation::new("admin", "get", "/api/admin/alerts", "listAlerts", "What fires and what did")
            .by(Who::Admin)
            .answers("200", "Those that fire first, then the newest", "Items", json!({ "items": [alert_row()] }))
            .fails(OPERATOR),
        Operation::new("admin", "get", "/api/admin/outbox", "listOutbox", "What others are told, and how each delivery stands")
            .by(Who::Admin)
            .query("tenant", "Only this tenant's.", json!({ "type": "string" }))
            .query("state", "Only in this state.", json!({ "enum": ["waiting", "done", "dead", "superseded"] }))
            .answers("200", "The newest first", "Items", json!({ "items": [outbox_row()] }))
            .fails(&[Code::Unauthorized, Code::NotFound, Code::ValidationFailed, Code::Internal]),
        Operation::new("admin", "post", "/api/admin/outbox/{id}/retry", "retryDelivery", "Try a dead delivery again")
            .by(Who::Admin)
            .answers("200", "It waits again", "Anything", json!({ "id": 42, "state": "waiting" }))
            .fails(OPERATOR),
        listed("/api/admin/callbacks", "listAllCallbacks", "Open callbacks", json!({ "tenant": "salon", "state": "pending" })),
    ]
}
