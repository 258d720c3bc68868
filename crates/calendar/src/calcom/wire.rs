//! Cal.com's JSON, as far as it is used: what is sent is complete, what is read is only what is needed.

use std::collections::BTreeMap;
use std::fmt;

use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;

use frontdesk_core::ports::{CalendarBooking, CalendarError, Standing};

use super::exchange::unavailable;

/// The key of our intent id in the metadata.
pub(super) const INTENT: &str = frontdesk_core::calendar_news::INTENT_MARK;
/// The key of the part's number in the metadata of a composite's parts.
pub(super) const PART: &str = "frontdesk_part";
/// The key of our booking id in the metadata.
pub(super) const BOOKING: &str = "frontdesk_booking";
/// The key of the call in the metadata.
pub(super) const CALL: &str = "call_id";
/// The longest value in the metadata, characters.
pub(super) const METADATA_CHARS: usize = 500;
/// The longest reason that is sent, characters.
pub(super) const REASON_CHARS: usize = 500;
/// The longest note that is sent, characters.
pub(super) const NOTES_CHARS: usize = 1000;

/// What every answer is wrapped in.
#[derive(Deserialize)]
pub(super) struct Envelope<'a> {
    #[serde(borrow)]
    pub(super) status: &'a str,
    #[serde(borrow)]
    pub(super) data: Option<&'a RawValue>,
}

/// Free times by local day.
pub(super) type Slots = BTreeMap<String, Vec<Slot>>;

/// QUIRK: an object, although the published schema says text.
#[derive(Deserialize)]
pub(super) struct Slot {
    pub(super) start: String,
}

/// An event type, as far as its length goes.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct EventType {
    pub(super) id: i64,
    pub(super) length_in_minutes: u32,
}

/// QUIRK: a property that is not known is refused, so there is nothing here that a plain event type
/// does not take: no length, no end, no title.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct CreateBooking<'a> {
    pub(super) start: String,
    pub(super) event_type_id: i64,
    pub(super) attendee: Attendee<'a>,
    pub(super) metadata: BTreeMap<&'static str, String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) booking_fields_responses: Option<FieldResponses>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Attendee<'a> {
    pub(super) name: &'a str,
    pub(super) time_zone: &'a str,
    pub(super) language: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) email: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) phone_number: Option<&'a str>,
}

#[derive(Serialize)]
pub(super) struct FieldResponses {
    pub(super) notes: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Reschedule {
    pub(super) start: String,
    pub(super) rescheduling_reason: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Cancel {
    pub(super) cancellation_reason: String,
}

/// A booking; a recurring event type answers with a list of them.
#[derive(Deserialize)]
#[serde(untagged)]
pub(super) enum OneOrMany {
    One(Box<Booking>),
    Many(Vec<Booking>),
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Booking {
    uid: String,
    status: String,
    start: String,
    #[serde(default)]
    hosts: Option<Vec<Host>>,
    #[serde(default)]
    created_at: Option<String>,
    #[serde(default)]
    metadata: Option<Value>,
    #[serde(default)]
    rescheduled_to_uid: Option<String>,
    #[serde(default)]
    ics_uid: Option<String>,
}

/// A booking in a list of changes.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Changed {
    pub(super) uid: String,
    pub(super) status: String,
    #[serde(default)]
    pub(super) start: Option<String>,
    #[serde(default)]
    pub(super) end: Option<String>,
    #[serde(default)]
    pub(super) event_type_id: Option<i64>,
    #[serde(default)]
    pub(super) event_type: Option<Numbered>,
    #[serde(rename = "hosts", default, deserialize_with = "first_of")]
    pub(super) host: Option<Host>,
    #[serde(rename = "attendees", default, deserialize_with = "first_of")]
    pub(super) attendee: Option<Listed>,
    #[serde(default)]
    pub(super) created_at: Option<String>,
    #[serde(default)]
    pub(super) updated_at: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) metadata: Option<Marks>,
    #[serde(default)]
    pub(super) rescheduled_from_uid: Option<String>,
    #[serde(default)]
    pub(super) rescheduled_to_uid: Option<String>,
    #[serde(default)]
    pub(super) ics_uid: Option<String>,
}

/// What of a booking's metadata is ours.
#[derive(Deserialize)]
pub(super) struct Marks {
    #[serde(rename = "frontdesk_intent", default, deserialize_with = "lenient")]
    pub(super) intent: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct Numbered {
    #[serde(default)]
    pub(super) id: Option<i64>,
}

/// Who comes, as a list shows it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Listed {
    #[serde(default)]
    pub(super) name: Option<String>,
    #[serde(default)]
    pub(super) email: Option<String>,
    #[serde(default)]
    pub(super) phone_number: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct Host {
    #[serde(default)]
    pub(super) id: Option<i64>,
}

// === impl OneOrMany ===

impl OneOrMany {
    /// The booking; of a series the first.
    pub(super) fn first(self) -> Result<Booking, CalendarError> {
        match self {
            Self::One(booking) => Ok(*booking),
            Self::Many(bookings) => bookings.into_iter().next().ok_or_else(|| unavailable("the answer holds no booking")),
        }
    }
}

// === impl Booking ===

impl Booking {
    /// When it was made, where that can be read.
    pub(super) fn created_at(&self) -> Option<Timestamp> {
        instant(self.created_at.as_deref()?)
    }
}

impl TryFrom<Booking> for CalendarBooking {
    type Error = CalendarError;

    fn try_from(booking: Booking) -> Result<Self, CalendarError> {
        let standing = match booking.status.to_ascii_lowercase().as_str() {
            "accepted" => Standing::Accepted,
            "pending" => Standing::AwaitsApproval,
            "cancelled" => Standing::Cancelled,
            "rejected" => Standing::Rejected,
            _ => return Err(unavailable("a booking has an unknown status")),
        };
        if booking.uid.is_empty() {
            return Err(unavailable("a booking has no uid"));
        }
        Ok(Self {
            standing,
            start: instant(&booking.start).ok_or_else(|| unavailable("a booking starts at no instant"))?,
            hosts: booking.hosts.unwrap_or_default().into_iter().filter_map(|host| host.id).collect(),
            intent: booking.metadata.as_ref().and_then(intent_in),
            part: booking.metadata.as_ref().and_then(part_in),
            moved_to: booking.rescheduled_to_uid.filter(|uid| !uid.is_empty()),
            ical_uid: booking.ics_uid.filter(|uid| !uid.is_empty()),
            uid: booking.uid,
        })
    }
}

impl fmt::Debug for Booking {
    /// Without the uid and the people.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Booking").field("status", &self.status).field("start", &self.start).finish_non_exhaustive()
    }
}

/// The first of a list; the others are passed over without being kept.
fn first_of<'de, D: Deserializer<'de>, T: DeserializeOwned>(from: D) -> Result<Option<T>, D::Error> {
    let all = Option::<Vec<Box<RawValue>>>::deserialize(from)?.unwrap_or_default();
    Ok(all.first().and_then(|first| serde_json::from_str(first.get()).ok()))
}

/// What is of another type is as good as absent.
fn lenient<'de, D: Deserializer<'de>, T: DeserializeOwned>(from: D) -> Result<Option<T>, D::Error> {
    let raw = Box::<RawValue>::deserialize(from)?;
    Ok(serde_json::from_str(raw.get()).ok())
}

/// Our intent id in a metadata object.
pub(super) fn intent_in(metadata: &Value) -> Option<String> {
    metadata.get(INTENT)?.as_str().map(str::to_owned)
}

/// Which part of a composite a metadata object is about.
pub(super) fn part_in(metadata: &Value) -> Option<u32> {
    metadata.get(PART)?.as_str()?.parse().ok()
}

/// An instant with an offset; a wall time without one is not guessed at, and what is centuries off is not believed.
pub(super) fn instant(text: &str) -> Option<Timestamp> {
    frontdesk_core::calendar_news::instant(text)
}

/// An instant as Cal.com wants it: UTC, whole seconds.
pub(super) fn utc(instant: Timestamp) -> String {
    instant.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// At most `limit` characters of `text`, trimmed.
pub(super) fn cut(text: &str, limit: usize) -> String {
    text.trim().chars().take(limit).collect()
}
