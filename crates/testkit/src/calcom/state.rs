//! What the simulation remembers.

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::config::{Config, EventType, Host, Key, Sees};
use super::fault::{Faults, Route};
use super::limiter::Limiter;

/// Where a booking stands.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Status {
    Accepted,
    Pending,
    Cancelled,
    Rejected,
}

impl Status {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Pending => "pending",
            Self::Cancelled => "cancelled",
            Self::Rejected => "rejected",
        }
    }

    /// Whether it keeps its time.
    pub(crate) fn stands(self) -> bool {
        matches!(self, Self::Accepted | Self::Pending)
    }
}

#[derive(Clone, Debug)]
pub struct Attendee {
    pub name: String,
    pub email: String,
    pub phone: Option<String>,
    pub time_zone: String,
    pub language: String,
}

#[derive(Clone, Debug)]
pub struct Booking {
    pub id: u64,
    pub uid: String,
    pub event_type: u64,
    pub hosts: Vec<u64>,
    pub start: Timestamp,
    pub end: Timestamp,
    pub status: Status,
    pub attendee: Attendee,
    pub metadata: Value,
    pub responses: Value,
    pub location: String,
    pub created_at: Timestamp,
    /// `None` until it is touched for the first time, where the configuration says so.
    pub updated_at: Option<Timestamp>,
    pub cancellation_reason: Option<String>,
    pub rescheduling_reason: Option<String>,
    pub rescheduled_from: Option<String>,
    pub rescheduled_to: Option<String>,
    /// Kept over every move.
    pub ical_uid: String,
    /// Rises with every move and cancellation.
    pub sequence: u32,
}

/// A request as it came.
#[derive(Clone, Debug)]
pub struct Logged {
    pub route: Route,
    pub method: String,
    pub target: String,
    pub version: Option<String>,
    /// The trace that it belongs to, if it says.
    pub traceparent: Option<String>,
    pub body: Value,
    pub at: Timestamp,
}

/// A slot that is hidden from listings for a while.
#[derive(Clone, Debug)]
pub(crate) struct Reservation {
    pub(crate) uid: String,
    pub(crate) event_type: u64,
    pub(crate) start: Timestamp,
    pub(crate) end: Timestamp,
    pub(crate) until: Timestamp,
}

pub(crate) struct State {
    pub(crate) config: Config,
    pub(crate) bookings: Vec<Booking>,
    pub(crate) reservations: Vec<Reservation>,
    pub(crate) busy: Vec<(u64, Timestamp, Timestamp)>,
    pub(crate) faults: Faults,
    pub(crate) limiter: Limiter,
    pub(crate) requests: Vec<Logged>,
    pub(crate) violations: Vec<String>,
    pub(crate) own_violations: Vec<String>,
    pub(crate) told: Vec<Value>,
    count: u64,
    begun: i64,
}

impl State {
    pub(crate) fn new(config: Config) -> Self {
        Self {
            begun: (config.clock)().as_millisecond(),
            config,
            bookings: Vec::new(),
            reservations: Vec::new(),
            busy: Vec::new(),
            faults: Faults::default(),
            limiter: Limiter::default(),
            requests: Vec::new(),
            violations: Vec::new(),
            own_violations: Vec::new(),
            told: Vec::new(),
            count: 900,
        }
    }

    pub(crate) fn now(&self) -> Timestamp {
        (self.config.clock)()
    }

    /// A number that was not given out before, and a uid made of it.
    pub(crate) fn fresh(&mut self) -> (u64, String) {
        self.count += 1;
        // A simulation that is started anew gives out other uids than the one before.
        (self.count, format!("sim{:x}u{:05}", self.begun, self.count))
    }

    pub(crate) fn event_type(&self, id: u64) -> Option<&EventType> {
        self.config.event_types.iter().find(|event_type| event_type.id == id)
    }

    pub(crate) fn host(&self, id: u64) -> Option<&Host> {
        self.config.hosts.iter().find(|host| host.id == id)
    }

    pub(crate) fn booking(&self, uid: &str) -> Option<&Booking> {
        self.bookings.iter().find(|booking| booking.uid == uid)
    }

    pub(crate) fn booking_mut(&mut self, uid: &str) -> Option<&mut Booking> {
        self.bookings.iter_mut().find(|booking| booking.uid == uid)
    }

    /// Whether the owner of `key` is shown `booking` in a list.
    pub(crate) fn sees(&self, key: &Key, booking: &Booking) -> bool {
        key.sees == Sees::Everything || booking.hosts.contains(&key.user)
    }

    pub(crate) fn to_json(&self, booking: &Booking) -> Value {
        let event_type = self.event_type(booking.event_type);
        let zone = event_type.map_or("UTC", |event_type| event_type.schedule.zone_name());
        let hosts: Vec<Value> = booking
            .hosts
            .iter()
            .filter_map(|id| self.host(*id))
            .map(|host| {
                json!({
                    "id": host.id,
                    "name": host.name,
                    "email": host.email,
                    "displayEmail": host.email,
                    "username": host.username,
                    "timeZone": zone,
                })
            })
            .collect();
        let attendee = &booking.attendee;
        let mut attendees = json!([{
            "name": attendee.name,
            "email": attendee.email,
            "displayEmail": attendee.email,
            "timeZone": attendee.time_zone,
            "language": attendee.language,
            "absent": false,
        }]);
        if let Some(phone) = &attendee.phone {
            attendees[0]["phoneNumber"] = json!(phone);
        }
        let mut fields = Map::new();
        let mut put = |name: &str, value: Value| fields.insert(name.to_owned(), value);
        put("id", json!(booking.id));
        put("uid", json!(booking.uid));
        put("title", json!(format!("Appointment with {}", attendee.name)));
        put("description", json!(""));
        put("hosts", json!(hosts));
        put("status", json!(booking.status.as_str()));
        put("start", json!(utc(booking.start)));
        put("end", json!(utc(booking.end)));
        put("duration", json!((booking.end - booking.start).as_mins()));
        put("eventTypeId", json!(booking.event_type));
        put("eventType", json!({ "id": booking.event_type, "slug": event_type.map_or("", |it| it.slug.as_str()) }));
        put("location", json!(booking.location));
        put("meetingUrl", json!(booking.location));
        put("absentHost", json!(false));
        put("createdAt", json!(exactly(booking.created_at)));
        put("updatedAt", json!(booking.updated_at.map(exactly)));
        put("metadata", booking.metadata.clone());
        put("icsUid", json!(booking.ical_uid));
        put("attendees", attendees);
        put("guests", json!([]));
        put("bookingFieldsResponses", booking.responses.clone());
        for (name, value) in [
            ("cancellationReason", &booking.cancellation_reason),
            ("reschedulingReason", &booking.rescheduling_reason),
            ("rescheduledFromUid", &booking.rescheduled_from),
            ("rescheduledToUid", &booking.rescheduled_to),
        ] {
            if let Some(value) = value {
                put(name, json!(value));
            }
        }
        Value::Object(fields)
    }
}

/// An instant as the real one writes it.
pub(crate) fn utc(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%S.000Z").to_string()
}

/// An instant to the millisecond.
pub(crate) fn exactly(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string()
}
