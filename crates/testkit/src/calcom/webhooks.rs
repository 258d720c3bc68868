//! What the real one tells subscribers: the payloads of its webhooks, and what people do in its web page.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::signature::hmac_hex;

use super::state::{Attendee, Booking, State, Status, utc};

/// `X-Cal-Signature-256` of a webhook's exact bytes.
pub fn sign_webhook(secret: &str, body: &[u8]) -> String {
    hmac_hex(secret.as_bytes(), &[body])
}

impl State {
    /// Tells of a booking that is remembered.
    pub(crate) fn tell_of(&mut self, uid: &str, trigger: &str) {
        if let Some(booking) = self.booking(uid).cloned() {
            self.tell(trigger, &booking);
        }
    }

    pub(crate) fn tell(&mut self, trigger: &str, booking: &Booking) {
        let host = booking.hosts.first().and_then(|id| self.host(*id));
        let former = booking.rescheduled_from.clone().filter(|_| trigger == "BOOKING_RESCHEDULED");
        let mut payload = json!({
            "uid": booking.uid,
            "bookingId": booking.id,
            "eventTypeId": booking.event_type,
            "startTime": utc(booking.start),
            "endTime": utc(booking.end),
            "status": booking.status.as_str().to_uppercase(),
            "organizer": host.map(|host| json!({ "id": host.id, "name": host.name, "email": host.email })),
            "attendees": [{
                "name": booking.attendee.name,
                "email": booking.attendee.email,
                "phoneNumber": booking.attendee.phone,
                "timeZone": booking.attendee.time_zone,
            }],
            "iCalUID": booking.ical_uid,
            "iCalSequence": booking.sequence,
            "metadata": booking.metadata,
        });
        if let Some(former) = former {
            payload["rescheduleUid"] = json!(former);
        }
        let told = json!({ "triggerEvent": trigger, "createdAt": utc(self.now()), "payload": payload });
        self.told.push(told);
    }

    pub(crate) fn book_in_the_page(&mut self, event_type: u64, start: Timestamp, name: &str, phone: Option<&str>) -> String {
        let event_type = self.event_type(event_type).cloned().expect("an event type of this calendar");
        let hosts = self.hosts_for(&event_type, start, event_type.minutes, None).expect("somebody is free then");
        let attendee = Attendee {
            name: name.to_owned(),
            email: "web@example.org".to_owned(),
            phone: phone.map(str::to_owned),
            time_zone: "Europe/Berlin".to_owned(),
            language: "de".to_owned(),
        };
        let booking = self.fresh_booking(
            &event_type,
            hosts,
            start,
            event_type.minutes,
            Status::Accepted,
            attendee,
            json!({}),
            Value::Object(serde_json::Map::new()),
        );
        let uid = booking.uid.clone();
        self.tell("BOOKING_CREATED", &booking);
        self.bookings.push(booking);
        uid
    }

    pub(crate) fn move_in_the_page(&mut self, uid: &str, start: Timestamp) -> String {
        let old = self.booking(uid).cloned().expect("a booking of this calendar");
        let length: SignedDuration = old.end - old.start;
        let (id, fresh) = self.fresh();
        let now = self.now();
        let moved = Booking {
            id,
            uid: fresh.clone(),
            start,
            end: start + length,
            created_at: now,
            updated_at: (!self.config.quirks.untouched_without_update).then_some(now),
            rescheduled_from: Some(uid.to_owned()),
            sequence: old.sequence + 1,
            ..old
        };
        if let Some(old) = self.booking_mut(uid) {
            old.status = Status::Cancelled;
            old.rescheduled_to = Some(fresh.clone());
            old.updated_at = Some(now);
        }
        self.tell("BOOKING_RESCHEDULED", &moved);
        self.bookings.push(moved);
        fresh
    }
}
