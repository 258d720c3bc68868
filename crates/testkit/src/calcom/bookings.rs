//! Bookings: made, moved, cancelled, confirmed. Nothing upstream knows a client's idempotency key; the
//! only one there is is made of start, end and host.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value, json};

use super::check::{Fields, is_e164};
use super::config::{EventType, Key, Scheduling};
use super::fault::FaultKind;
use super::refusal::{ErrorShape, Refusal};
use super::routes::{Asked, Data, Outcome};
use super::slots::mins;
use super::state::{Attendee, Booking, State, Status};

pub(crate) const TAKEN_BY_ONE: &str = "User either already has booking at this time or is not available";
const TAKEN_BY_TEAM: &str = "One of the hosts either already has booking at this time or is not available";
pub(crate) const RECORD_EXISTS: &str = "Invalid Input: Trying to create a record that already exists.";
const NO_EVENT_TYPE: &str = "Either eventTypeId or eventTypeSlug + username or eventTypeSlug + teamSlug must be provided";
const NO_PHONE: &str = "Missing attendee phone number - it is required by the event type. Pass it as \"attendee.phoneNumber\" string in the request.";
const NO_REASON: &str = "Cancellation reason is required when you are the host";
/// How late the fault of that name answers.
const HALF_AN_HOUR: SignedDuration = SignedDuration::from_mins(30);
const METADATA_KEYS: usize = 50;
const METADATA_KEY: usize = 40;
const METADATA_VALUE: usize = 500;

/// A create request that is well formed.
struct Wanted {
    event_type: u64,
    start: Timestamp,
    minutes: Option<u64>,
    attendee: Attendee,
    has_email: bool,
    metadata: Value,
    responses: Map<String, Value>,
}

impl State {
    /// `POST /v2/bookings`.
    pub(crate) fn create(&mut self, asked: &Asked, key: Option<&Key>, effect: Option<&FaultKind>) -> Outcome {
        let wanted = wanted(&asked.object()?)?;
        let event_type = self
            .event_type(wanted.event_type)
            .cloned()
            .ok_or_else(|| Refusal::not_found(format!("Event type with id {} not found.", wanted.event_type)))?;
        if event_type.requires_authentication && key.is_none() {
            return Err(Refusal::unauthorized("checkBookingRequiresAuthentication - booking requires authentication"));
        }
        let minutes = length(&event_type, wanted.minutes)?;
        let attendee = contact(&event_type, wanted.attendee, wanted.has_email)?;
        let mut responses = answers(&event_type, wanted.responses)?;
        responses.insert("name".to_owned(), json!(attendee.name));
        responses.insert("email".to_owned(), json!(attendee.email));

        if matches!(effect, Some(FaultKind::OldBooking)) {
            let old = self.bookings.last().cloned().ok_or_else(|| Refusal::new(500, ErrorShape::C, "Internal server error"))?;
            return Ok((201, Data::Only(self.to_json(&old))));
        }
        let now = self.now();
        self.may_be_booked(&event_type, wanted.start, now)?;
        if event_type.returns_existing()
            && let Some(existing) = self.bookings.iter().find(|it| {
                it.status.stands()
                    && it.event_type == event_type.id
                    && it.start == wanted.start
                    && it.attendee.email == attendee.email
            })
        {
            return Ok((201, Data::Only(self.to_json(existing))));
        }
        if let Some(most) = event_type.max_active_per_attendee {
            let active =
                self.bookings.iter().filter(|it| it.status.stands() && it.attendee.email == attendee.email && it.end > now);
            if active.count() >= most as usize {
                let message =
                    "Attendee with this email can't book because the maximum number of active bookings has been reached.";
                return Err(Refusal::bad(message));
            }
        }
        let late = if matches!(effect, Some(FaultKind::WrongStart)) { HALF_AN_HOUR } else { SignedDuration::ZERO };
        let start = wanted.start + late;
        let hosts = self.free_hosts(&event_type, start, minutes, None)?;
        let status = if event_type.requires_confirmation { Status::Pending } else { Status::Accepted };
        let booking =
            self.fresh_booking(&event_type, hosts, start, minutes, status, attendee, wanted.metadata, Value::Object(responses));
        let mut data = self.to_json(&booking);
        if !self.config.quirks.hosts_in_create
            && let Value::Object(fields) = &mut data
        {
            fields.remove("hosts");
        }
        self.tell(if status == Status::Pending { "BOOKING_REQUESTED" } else { "BOOKING_CREATED" }, &booking);
        self.bookings.push(booking);
        Ok((201, Data::Only(data)))
    }

    fn free_hosts(
        &self,
        event_type: &EventType,
        start: Timestamp,
        minutes: u32,
        replaced: Option<&str>,
    ) -> Result<Vec<u64>, Refusal> {
        let taken = match event_type.scheduling {
            Scheduling::Individual => TAKEN_BY_ONE,
            Scheduling::RoundRobin | Scheduling::Collective => TAKEN_BY_TEAM,
        };
        let hosts = self.hosts_for(event_type, start, minutes, replaced).ok_or_else(|| Refusal::bad(taken))?;
        let end = start + mins(minutes);
        let same_key = |it: &Booking| {
            it.start == start
                && it.end == end
                && it.hosts == hosts
                && (it.status.stands() || self.config.quirks.key_survives_cancel)
        };
        if self.bookings.iter().any(|it| same_key(it) && Some(it.uid.as_str()) != replaced) {
            return Err(Refusal::new(409, ErrorShape::E, RECORD_EXISTS));
        }
        Ok(hosts)
    }

    #[expect(clippy::too_many_arguments, reason = "a booking is made of this much")]
    pub(crate) fn fresh_booking(
        &mut self,
        event_type: &EventType,
        hosts: Vec<u64>,
        start: Timestamp,
        minutes: u32,
        status: Status,
        attendee: Attendee,
        metadata: Value,
        responses: Value,
    ) -> Booking {
        let (id, uid) = self.fresh();
        let now = self.now();
        Booking {
            id,
            ical_uid: format!("{uid}@Cal.com"),
            sequence: 0,
            uid,
            event_type: event_type.id,
            hosts,
            start,
            end: start + mins(minutes),
            status,
            attendee,
            metadata,
            responses,
            location: event_type.locations.first().cloned().unwrap_or_default(),
            created_at: now,
            updated_at: (!self.config.quirks.untouched_without_update).then_some(now),
            cancellation_reason: None,
            rescheduling_reason: None,
            rescheduled_from: None,
            rescheduled_to: None,
        }
    }

    /// `GET /v2/bookings/{uid}`.
    pub(crate) fn get(&self, uid: &str) -> Outcome {
        let booking = self.booking(uid).ok_or_else(|| unknown(uid))?;
        Ok((200, Data::Only(self.to_json(booking))))
    }

    /// `POST /v2/bookings/{uid}/reschedule`: a new booking, and the old one cancelled.
    pub(crate) fn reschedule(&mut self, asked: &Asked, uid: &str, effect: Option<&FaultKind>) -> Outcome {
        let body = asked.object()?;
        let mut fields = Fields::of(&body);
        let start = fields.required_instant("start");
        let reason = fields.string("reschedulingReason").map(str::to_owned);
        let _ = fields.email("rescheduledBy");
        let _ = fields.string("emailVerificationCode");
        let _ = fields.string("seatUid");
        if let Err(wrong) = fields.finish() {
            return Err(Refusal::by_pipe(&wrong));
        }
        let Some(start) = start else { return Err(Refusal::bad("Invalid start date").malformed()) };
        let old = self.booking(uid).cloned().ok_or_else(|| unknown(uid))?;
        if !old.status.stands() {
            let successor =
                old.rescheduled_to.map(|to| format!(" You can reschedule it using the new uid={to}")).unwrap_or_default();
            let message = format!("Can't reschedule booking with uid={uid} because it has been cancelled.{successor}");
            return Err(Refusal::bad(message));
        }
        let event_type = self.event_type(old.event_type).cloned().ok_or_else(|| unknown(uid))?;
        let now = self.now();
        self.may_be_booked(&event_type, start, now)?;
        let minutes = u32::try_from((old.end - old.start).as_mins()).unwrap_or(event_type.minutes);
        let late = if matches!(effect, Some(FaultKind::WrongStart)) { HALF_AN_HOUR } else { SignedDuration::ZERO };
        let hosts = self.free_hosts(&event_type, start + late, minutes, Some(uid))?;
        let status = if event_type.requires_confirmation { Status::Pending } else { Status::Accepted };
        let mut booking =
            self.fresh_booking(&event_type, hosts, start + late, minutes, status, old.attendee, old.metadata, old.responses);
        booking.rescheduled_from = Some(uid.to_owned());
        booking.rescheduling_reason = reason;
        booking.ical_uid = old.ical_uid;
        booking.sequence = old.sequence + 1;
        let data = self.to_json(&booking);
        if let Some(old) = self.booking_mut(uid) {
            old.status = Status::Cancelled;
            old.rescheduled_to = Some(booking.uid.clone());
            old.updated_at = Some(now);
        }
        self.tell("BOOKING_RESCHEDULED", &booking);
        self.bookings.push(booking);
        Ok((201, Data::Only(data)))
    }

    /// `POST /v2/bookings/{uid}/cancel`.
    pub(crate) fn cancel(&mut self, asked: &Asked, uid: &str, key: Option<&Key>) -> Outcome {
        let body = asked.object()?;
        let mut fields = Fields::of(&body);
        let reason = fields.string("cancellationReason").map(str::to_owned);
        let _ = fields.boolean("cancelSubsequentBookings");
        let _ = fields.string("seatUid");
        if let Err(wrong) = fields.finish() {
            return Err(Refusal::by_pipe(&wrong));
        }
        let booking = self.booking(uid).ok_or_else(|| unknown(uid))?;
        let disabled = self.event_type(booking.event_type).is_some_and(|event_type| event_type.cancelling_disabled);
        if !booking.status.stands() {
            let message = format!(
                "Can't cancel booking with uid={uid} because it has been cancelled already. Please provide uid of a booking that is not cancelled."
            );
            return Err(Refusal::bad(message));
        }
        if disabled {
            return Err(Refusal::bad("This event type does not allow cancellations"));
        }
        let is_host = key.is_some();
        if is_host && reason.as_ref().is_none_or(|reason| reason.trim().is_empty()) {
            return Err(Refusal::new(400, ErrorShape::C, NO_REASON).malformed());
        }
        let now = self.now();
        if let Some(booking) = self.booking_mut(uid) {
            booking.status = Status::Cancelled;
            booking.cancellation_reason = reason;
            booking.updated_at = Some(now);
            booking.sequence += 1;
        }
        self.tell_of(uid, "BOOKING_CANCELLED");
        self.get(uid)
    }

    /// Confirming and declining look at nothing: two pending ones can both be confirmed.
    pub(crate) fn decide(&mut self, uid: &str, status: Status) -> Outcome {
        let now = self.now();
        match self.booking_mut(uid) {
            Some(booking) if booking.status == Status::Pending => {
                booking.status = status;
                booking.updated_at = Some(now);
            }
            Some(_) => return Err(Refusal::new(400, ErrorShape::D, "Booking already confirmed")),
            None => return Err(unknown(uid)),
        }
        self.tell_of(uid, if status == Status::Accepted { "BOOKING_CREATED" } else { "BOOKING_REJECTED" });
        self.get(uid)
    }
}

fn unknown(uid: &str) -> Refusal {
    Refusal::not_found(format!("Booking with uid={uid} was not found in the database"))
}

fn wanted(body: &Map<String, Value>) -> Result<Wanted, Refusal> {
    let mut fields = Fields::of(body);
    let start = fields.required_instant("start");
    let event_type = fields.integer("eventTypeId", 1);
    let minutes = fields.integer("lengthInMinutes", 1);
    for name in ["eventTypeSlug", "username", "teamSlug", "organizationSlug", "emailVerificationCode", "meetingUrl"] {
        let _ = fields.string(name);
    }
    let _ = fields.array("guests");
    let _ = fields.any("location");
    let _ = fields.object("routing");
    for name in ["instant", "allowConflicts", "allowBookingOutOfBounds"] {
        let _ = fields.boolean(name);
    }
    let _ = fields.integer("recurrenceCount", 1);
    let metadata = fields.object("metadata").cloned().unwrap_or_default();
    let too_long = |(name, value): (&String, &Value)| {
        name.chars().count() > METADATA_KEY || value.as_str().is_none_or(|text| text.chars().count() > METADATA_VALUE)
    };
    if metadata.len() > METADATA_KEYS || metadata.iter().any(too_long) {
        fields.refuse(
            "metadata",
            "ValidateMetadata",
            "Metadata must have at most 50 keys, each key up to 40 characters, and string values up to 500 characters.",
        );
    }
    let responses = fields.object("bookingFieldsResponses").cloned().unwrap_or_default();
    let attendee = match fields.object("attendee") {
        None => {
            fields.refuse("attendee", "isDefined", "attendee should not be null or undefined");
            None
        }
        Some(object) => fields.nested("attendee", object, |inner| {
            let name = inner.required_string("name")?.to_owned();
            let zone = inner.zone("timeZone");
            if inner.any("timeZone").is_none() {
                inner.refuse("timeZone", "isTimeZone", "timeZone must be a valid IANA time-zone");
            }
            let email = inner.email("email").map(str::to_owned);
            let phone = inner.string("phoneNumber").map(str::to_owned);
            let language = inner.language("language").unwrap_or("en").to_owned();
            if phone.as_deref().is_some_and(|phone| !is_e164(phone)) {
                inner.refuse("phoneNumber", "isPhoneNumber", "Invalid phone number format. Please use international format.");
            }
            if email.is_none() && phone.is_none() {
                inner.refuse("email", "AtLeastOne", "At least one contact method (email or phoneNumber) must be provided");
            }
            let has_email = email.is_some();
            let of_phone =
                || phone.as_ref().map(|phone| format!("{}@sms.cal.com", phone.trim_start_matches('+'))).unwrap_or_default();
            let email = email.unwrap_or_else(of_phone);
            let time_zone = zone?.iana_name().unwrap_or("UTC").to_owned();
            Some((Attendee { name, email, phone, time_zone, language }, has_email))
        }),
    };
    if let Err(wrong) = fields.finish() {
        return Err(Refusal::by_pipe(&wrong));
    }
    let event_type = event_type.ok_or_else(|| Refusal::bad(NO_EVENT_TYPE).malformed())?;
    let (Some(start), Some((attendee, has_email))) = (start, attendee) else {
        return Err(Refusal::bad("Bad Request").malformed());
    };
    Ok(Wanted { event_type, start, minutes, attendee, has_email, metadata: Value::Object(metadata), responses })
}

fn length(event_type: &EventType, asked: Option<u64>) -> Result<u32, Refusal> {
    let Some(asked) = asked else { return Ok(event_type.minutes) };
    let asked = u32::try_from(asked).unwrap_or(u32::MAX);
    if event_type.length_options.is_empty() {
        let message = "Can't specify 'lengthInMinutes' because event type does not have multiple possible lengths. Please, remove the 'lengthInMinutes' field from the request.";
        return Err(Refusal::bad(message).malformed());
    }
    if !event_type.length_options.contains(&asked) {
        return Err(Refusal::bad("Provided 'lengthInMinutes' is not one of the possible lengths for the event type").malformed());
    }
    Ok(asked)
}

fn contact(event_type: &EventType, mut attendee: Attendee, has_email: bool) -> Result<Attendee, Refusal> {
    if event_type.phone_required && attendee.phone.is_none() {
        return Err(Refusal::bad(NO_PHONE));
    }
    if event_type.email_required && !has_email {
        let message = "attendee property is wrong,email must be an email, email is required by the event type";
        return Err(Refusal::bad(message));
    }
    if let (true, Some(phone)) = (event_type.email_hidden, &attendee.phone) {
        attendee.email = format!("{}@sms.cal.com", phone.trim_start_matches('+'));
    }
    Ok(attendee)
}

fn answers(event_type: &EventType, given: Map<String, Value>) -> Result<Map<String, Value>, Refusal> {
    let fields: BTreeMap<&str, _> = event_type.fields.iter().map(|field| (field.slug.as_str(), field)).collect();
    for (slug, field) in &fields {
        match given.get(*slug) {
            None if field.required => {
                let message = format!(
                    "Missing required booking field response: {slug} - it is required by the event type booking fields, but missing in the bookingFieldsResponses."
                );
                return Err(Refusal::bad(message));
            }
            Some(value)
                if !field.options.is_empty() && !value.as_str().is_some_and(|text| field.options.iter().any(|it| it == text)) =>
            {
                let message = format!(
                    "Invalid option '{}' for booking field '{slug}'. Allowed options are: {}",
                    value.as_str().unwrap_or(""),
                    field.options.join(", ")
                );
                return Err(Refusal::bad(message));
            }
            _ => {}
        }
    }
    Ok(given)
}
