//! What Cal.com says when it says no, in five shapes, and what that means.
//!
//! QUIRK: conflicts come as 400, 409 or 500, and a wrong version as 404: the words decide, the status
//! only where there are no known words.

use serde::Deserialize;
use serde_json::Value;

use frontdesk_core::ports::{CalendarError, Refusal};

use super::mask::mask;

/// A no, with its words in lower case. Its text may hold a person's data and stays inside.
pub(super) struct Rejection {
    status: u16,
    code: String,
    message: String,
    /// Everything that was said, for recognition.
    words: String,
}

/// What known words mean.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Meaning {
    Refused(Refusal),
    Mend,
}

/// The first line whose words are all there decides; particular ones stand before general ones.
const MEANINGS: &[(&[&str], Meaning)] = &[
    (&["cancelled already"], Meaning::Refused(Refusal::AlreadyCancelled)),
    (&["already cancelled"], Meaning::Refused(Refusal::AlreadyCancelled)),
    (&["has been cancelled"], Meaning::Refused(Refusal::AlreadyCancelled)),
    (&["already been cancelled"], Meaning::Refused(Refusal::AlreadyCancelled)),
    (&["cancelled_bookings_cannot_be_rescheduled"], Meaning::Refused(Refusal::AlreadyCancelled)),
    (&["event type", "not found"], Meaning::Mend),
    (&["event_type_not_found"], Meaning::Mend),
    (&["booking_not_found"], Meaning::Refused(Refusal::NoSuchBooking)),
    (&["booking with", "not found"], Meaning::Refused(Refusal::NoSuchBooking)),
    (&["already has booking at this time or is not available"], Meaning::Refused(Refusal::Taken)),
    (&["someone else reserved this booking time slot"], Meaning::Refused(Refusal::Taken)),
    (&["no more seats left"], Meaning::Refused(Refusal::Taken)),
    (&["booking_conflict_error"], Meaning::Refused(Refusal::Taken)),
    (&["trying to create a record that already exists"], Meaning::Refused(Refusal::Taken)),
    (&["no_available_users"], Meaning::Refused(Refusal::Taken)),
    (&["hosts_unavailable_for_booking"], Meaning::Refused(Refusal::Taken)),
    (&["host_unavailable_for_booking"], Meaning::Refused(Refusal::Taken)),
    (&["already_signed_up_for_this_booking"], Meaning::Refused(Refusal::Taken)),
    (&["booking_seats_full"], Meaning::Refused(Refusal::Taken)),
    (&["not_enough_available_seats"], Meaning::Refused(Refusal::Taken)),
    (&["availability_not_found_in_schedule"], Meaning::Refused(Refusal::Taken)),
    (&["booking_not_allowed_by_restriction_schedule"], Meaning::Refused(Refusal::Taken)),
    (&["can't be booked at the \"start\" time"], Meaning::Refused(Refusal::OutOfBounds)),
    (&["booking_time_out_of_bounds"], Meaning::Refused(Refusal::OutOfBounds)),
    (&["attempting to book a meeting in the past"], Meaning::Refused(Refusal::OutOfBounds)),
    (&["maximum number of active bookings"], Meaning::Refused(Refusal::BookerLimit)),
    (&["booker_limit_exceeded"], Meaning::Refused(Refusal::BookerLimit)),
    (&["does not allow cancel"], Meaning::Refused(Refusal::NotAllowed)),
    (&["does not allow reschedul"], Meaning::Refused(Refusal::NotAllowed)),
    (&["not a host of this event"], Meaning::Refused(Refusal::NotAllowed)),
    (&["lengthinminutes"], Meaning::Mend),
    (&["booking location", "not valid for event type"], Meaning::Mend),
    (&["parent managed event type"], Meaning::Mend),
    (&["has no hosts"], Meaning::Mend),
    (&["event_type_no_hosts"], Meaning::Mend),
    (&["payment_not_created"], Meaning::Mend),
    (&["checkbookingrequiresauthentication"], Meaning::Mend),
    (&["apiauthstrategy"], Meaning::Mend),
    (&["invalid api key"], Meaning::Mend),
    (&["user with username", "not found"], Meaning::Mend),
    (&["team with slug", "not found"], Meaning::Mend),
    (&["organization with slug", "not found"], Meaning::Mend),
    (&["cannot post /"], Meaning::Mend),
    (&["cannot get /"], Meaning::Mend),
    (&["should not exist"], Meaning::Mend),
    (&["missing attendee"], Meaning::Refused(Refusal::Attendee)),
    (&["missing required booking field"], Meaning::Refused(Refusal::Attendee)),
    (&["invalid option", "booking field"], Meaning::Refused(Refusal::Attendee)),
    (&["invalid type for booking field"], Meaning::Refused(Refusal::Attendee)),
    (&["error_required_field"], Meaning::Refused(Refusal::Attendee)),
    (&["invalid phone number"], Meaning::Refused(Refusal::Attendee)),
    (&["invalid_number"], Meaning::Refused(Refusal::Attendee)),
    (&["email_validation_error"], Meaning::Refused(Refusal::Attendee)),
    (&["booker_email_"], Meaning::Refused(Refusal::Attendee)),
    (&["invalid_verification_code"], Meaning::Refused(Refusal::Attendee)),
    (&["attendee", "property is wrong"], Meaning::Refused(Refusal::Attendee)),
    (&["attendee", "must be"], Meaning::Refused(Refusal::Attendee)),
];

/// Words that say a number is not liked, beside `phone`.
const PHONE_REFUSED: [&str; 5] = ["invalid", "not valid", "must be", "property is wrong", "international format"];
/// Words that say an address is missing, beside `email`.
const EMAIL_WANTED: [&str; 5] = ["required", "missing", "should not be empty", "must be", "property is wrong"];

/// All shapes in one: `error` is an object, a text, or absent.
#[derive(Deserialize)]
struct Body {
    #[serde(default)]
    error: Value,
    #[serde(default)]
    message: Value,
}

// === impl Rejection ===

impl Rejection {
    pub(super) fn read(status: u16, body: &[u8]) -> Self {
        let Ok(body) = serde_json::from_slice::<Body>(body) else {
            return Self { status, code: String::new(), message: String::new(), words: String::new() };
        };
        let inner = |name: &str| body.error.get(name).unwrap_or(&Value::Null);
        let mut said = Vec::new();
        collect(inner("message"), &mut said);
        collect(&body.message, &mut said);
        let code = inner("code").as_str().or(body.error.as_str()).unwrap_or_default().to_owned();
        let mut message = said.first().cloned().unwrap_or_default();
        let mut reasons = Vec::new();
        collect(inner("details"), &mut reasons);
        // QUIRK: for a refused form the message says nothing and the reasons stand in `details`.
        if message == "Bad Request Exception" {
            message = reasons.join(" ");
        }
        said.append(&mut reasons);
        said.push(code.clone());
        Self { status, code, message, words: said.join(" · ").to_lowercase() }
    }

    pub(super) fn verdict(&self) -> CalendarError {
        let detail = self.detail();
        let known =
            MEANINGS.iter().find(|(all, _)| all.iter().all(|words| self.words.contains(words))).map(|(_, meaning)| *meaning);
        match (known, self.status) {
            (Some(Meaning::Refused(refusal)), _) => CalendarError::Refused { refusal, detail },
            (Some(Meaning::Mend), _) | (None, 401 | 403 | 404 | 405) => CalendarError::Misconfigured { detail },
            (None, 400..=499) if self.speaks() && !matches!(self.status, 408 | 425) => {
                CalendarError::Refused { refusal: Refusal::Other, detail }
            }
            (None, _) => CalendarError::Unavailable { detail },
        }
    }

    /// Whether the number is what the form was refused for.
    pub(super) fn phone_is_refused(&self) -> bool {
        let named = self.words.contains("phone") && PHONE_REFUSED.iter().any(|words| self.words.contains(words));
        self.is_about_the_form() && (named || self.words.contains("invalid_number")) && !self.words.contains("missing")
    }

    /// Whether the lack of an address is what the form was refused for.
    pub(super) fn email_is_wanted(&self) -> bool {
        self.is_about_the_form()
            && self.words.contains("email")
            && !self.words.contains("booker_email_")
            && EMAIL_WANTED.iter().any(|words| self.words.contains(words))
    }

    /// A form is refused before anything is stored; what is refused later has other words.
    fn is_about_the_form(&self) -> bool {
        matches!(self.status, 400 | 422)
            && matches!(self.verdict(), CalendarError::Refused { refusal: Refusal::Attendee | Refusal::Other, .. })
    }

    fn speaks(&self) -> bool {
        !self.words.trim_matches([' ', '·']).is_empty()
    }

    fn detail(&self) -> String {
        let text = [self.code.as_str(), self.message.as_str()].into_iter().filter(|text| !text.is_empty()).collect::<Vec<_>>();
        mask(&format!("{} {}", self.status, text.join(": ")))
    }
}

/// All texts in a value, in order, but for what we sent ourselves and get back.
fn collect(value: &Value, said: &mut Vec<String>) {
    match value {
        Value::String(text) if !text.trim().is_empty() => said.push(text.trim().to_owned()),
        Value::Array(items) => items.iter().for_each(|item| collect(item, said)),
        Value::Object(fields) => {
            let theirs = fields.iter().filter(|(name, _)| !matches!(name.as_str(), "value" | "target"));
            theirs.for_each(|(_, item)| collect(item, said));
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
