//! A Cal.com webhook taken apart leniently: what is of the wrong type is as good as absent.

use frontdesk_core::booking::Attendee;
use frontdesk_core::calendar_news::{self, CalendarNews, INTENT_MARK, NewsKind, told_by};
use frontdesk_core::ids::IntentId;
use frontdesk_core::tenant::Tenant;
use jiff::Timestamp;
use serde_json::Value;

/// No uid is longer.
const MOST: usize = 200;

/// The news in a body; `None` where it tells nothing about a booking.
pub(crate) fn read(body: &[u8], digest: String, tenant: &Tenant, now: Timestamp) -> Option<CalendarNews> {
    let body: Value = serde_json::from_slice(body).ok()?;
    let trigger = body.get("triggerEvent")?.as_str()?;
    let kind = match trigger {
        "BOOKING_REQUESTED" => NewsKind::Requested,
        "BOOKING_CREATED" | "BOOKING_PAID" => NewsKind::Created,
        "BOOKING_RESCHEDULED" => NewsKind::Rescheduled,
        "BOOKING_CANCELLED" => NewsKind::Cancelled,
        "BOOKING_REJECTED" => NewsKind::Rejected,
        "BOOKING_NO_SHOW_UPDATED" => NewsKind::NoShow,
        "MEETING_ENDED" => NewsKind::Ended,
        _ => return None,
    };
    // QUIRK: some events are flat, the booking itself; newer builds wrap it once more.
    let payload = body.get("payload").filter(|payload| payload.is_object()).unwrap_or(&body);
    let text = |name: &str| payload.get(name).and_then(Value::as_str).map(str::trim).filter(|it| (1..=MOST).contains(&it.len()));
    let instant = |value: Option<&str>| value.and_then(calendar_news::instant);
    let uid = text("uid").or_else(|| text("bookingUid"))?.to_owned();
    let attendee = payload.get("attendees").and_then(Value::as_array).and_then(|all| all.first());
    let host = payload.get("organizer").and_then(|it| it.get("id")).or_else(|| payload.get("userId")).and_then(Value::as_i64);
    // QUIRK: the `createdAt` of a flat event is the booking's, so such an event is told now.
    let told_at = match kind {
        NewsKind::Ended | NewsKind::NoShow => now,
        _ => told_by(instant(body.get("createdAt").and_then(Value::as_str)).unwrap_or(now), now),
    };
    Some(CalendarNews {
        digest,
        kind,
        uid,
        former_uid: text("rescheduleUid").or_else(|| text("fromReschedule")).map(str::to_owned),
        ical_uid: text("iCalUID").map(str::to_owned),
        sequence: payload.get("iCalSequence").and_then(Value::as_i64),
        told_at,
        event_type: payload.get("eventTypeId").and_then(Value::as_i64),
        start: instant(text("startTime")),
        end: instant(text("endTime")),
        is_endless: false,
        host,
        intent: payload.get("metadata").and_then(|it| it.get(INTENT_MARK)).and_then(Value::as_str).map(IntentId::new),
        attendee: attendee.map(|attendee| person(attendee, tenant)),
        listed_at: None,
    })
}

fn person(attendee: &Value, tenant: &Tenant) -> Attendee {
    let text = |name: &str| attendee.get(name).and_then(Value::as_str);
    calendar_news::attendee(text("name"), text("email"), text("phoneNumber"), tenant)
}
