//! Who is free when, and reservations, which hide a slot from listings and nothing more.

use jiff::civil::Date;
use jiff::tz::{Offset, TimeZone};
use jiff::{SignedDuration, Timestamp, ToSpan as _};
use serde_json::{Map, Value, json};

use super::check::Fields;
use super::config::{EventType, Scheduling};
use super::refusal::Refusal;
use super::routes::{Asked, Data, Outcome};
use super::state::{Reservation, State, Status, utc};

const MIDNIGHT_S: i64 = 24 * 60 * 60;
/// How long a reservation lasts when nothing else is said.
const RESERVED_MINUTES: u64 = 5;
const ALREADY_BOOKED: &str = "Can't reserve a slot if the event is already booked.";
const ALREADY_RESERVED: &str = "This time slot is already reserved by another user. Please choose a different time.";

impl State {
    /// `GET /v2/slots`.
    pub(crate) fn list_slots(&self, asked: &Asked, without_offset: bool) -> Outcome {
        let query = asked.query();
        let mut fields = Fields::of(&query);
        let event_type = fields.number("eventTypeId", 1, u64::MAX);
        let start = bound(&mut fields, "start");
        let end = bound(&mut fields, "end");
        let zone = fields.zone("timeZone").unwrap_or(TimeZone::UTC);
        let minutes = fields.number("duration", 1, 1440);
        let format = fields.one_of("format", &["time", "range"]).unwrap_or("time").to_owned();
        let replaced = fields.string("bookingUidToReschedule").map(str::to_owned);
        if event_type.is_none() && !query.contains_key("eventTypeId") {
            fields.refuse("eventTypeId", "isInt", "eventTypeId must be an integer number");
        }
        if let Err(wrong) = fields.finish() {
            return Err(Refusal::by_pipe(&wrong));
        }
        let (Some((start, _)), Some((end, whole))) = (start, end) else {
            return Err(Refusal::bad("Invalid start date").malformed());
        };
        let end = if whole || end.as_second().rem_euclid(MIDNIGHT_S) == 0 {
            end + SignedDuration::from_secs(MIDNIGHT_S - 1)
        } else {
            end
        };
        if end < start {
            let message = "Invalid time range given - check the 'start' and 'end' query parameters.";
            return Err(Refusal::bad(message).malformed());
        }
        let id = event_type.unwrap_or(0);
        let event_type = self.event_type(id).ok_or_else(|| Refusal::not_found("Event Type not found"))?;
        let minutes = minutes.map_or(event_type.minutes, |minutes| u32::try_from(minutes).unwrap_or(u32::MAX));
        let mut days: Map<String, Value> = Map::new();
        for start in self.starts(event_type, minutes, start, end, replaced.as_deref()) {
            let local = start.to_zoned_datetime(zone.clone());
            let written = |at: Timestamp| -> String {
                let zone = self.as_it_knows(&zone, at);
                let local = at.to_zoned_datetime(zone.clone());
                match without_offset {
                    true => local.strftime("%Y-%m-%dT%H:%M:%S.000").to_string(),
                    false if zone == TimeZone::UTC => utc(at),
                    false => local.strftime("%Y-%m-%dT%H:%M:%S.000%:z").to_string(),
                }
            };
            let mut slot = json!({ "start": written(start) });
            if format == "range" {
                slot["end"] = json!(written(start + mins(minutes)));
            }
            let day = days.entry(local.date().to_string()).or_insert_with(|| json!([]));
            if let Value::Array(day) = day {
                day.push(slot);
            }
        }
        Ok((200, Data::Only(Value::Object(days))))
    }

    /// The zone as its database has it at that instant.
    fn as_it_knows(&self, zone: &TimeZone, at: Timestamp) -> TimeZone {
        match self.config.quirks.zones_behind {
            0 => zone.clone(),
            behind => {
                let offset = zone.to_offset(at).seconds() - behind * 60;
                TimeZone::fixed(Offset::from_seconds(offset).expect("an offset of less than a day"))
            }
        }
    }

    fn starts(
        &self,
        event_type: &EventType,
        minutes: u32,
        from: Timestamp,
        to: Timestamp,
        replaced: Option<&str>,
    ) -> Vec<Timestamp> {
        let now = self.now();
        let zone = &event_type.schedule.time_zone;
        let (mut day, last) = (from.to_zoned_datetime(zone.clone()).date(), to.to_zoned_datetime(zone.clone()).date());
        let mut starts = Vec::new();
        while day <= last {
            for host in &event_type.hosts {
                for (open, close) in self.open_spans(event_type, *host, day) {
                    let mut at = open;
                    while at + mins(minutes) <= close {
                        if at >= from && at <= to && self.may_be_booked(event_type, at, now).is_ok() {
                            starts.push(at);
                        }
                        at += mins(event_type.step_minutes(minutes));
                    }
                }
            }
            let Ok(next) = day.checked_add(1.day()) else { break };
            day = next;
        }
        starts.sort_unstable();
        starts.dedup();
        let is_reserved = |at: Timestamp| {
            self.reservations
                .iter()
                .any(|it| it.event_type == event_type.id && it.until > now && it.start < at + mins(minutes) && it.end > at)
        };
        starts.retain(|at| !is_reserved(*at) && self.hosts_for(event_type, *at, minutes, replaced).is_some());
        starts
    }

    fn open_spans(&self, event_type: &EventType, host: u64, day: Date) -> Vec<(Timestamp, Timestamp)> {
        let own = self.host(host).and_then(|host| host.schedule.as_ref());
        let schedule = own.unwrap_or(&event_type.schedule);
        let on = |time| day.to_datetime(time).to_zoned_datetime(schedule.time_zone.clone()).map(|at| at.timestamp()).ok();
        schedule.spans_on(day).into_iter().filter_map(|(from, to)| Some((on(from)?, on(to)?))).collect()
    }

    /// Notice and window, whoever serves.
    pub(crate) fn may_be_booked(&self, event_type: &EventType, start: Timestamp, now: Timestamp) -> Result<(), Refusal> {
        if start < now {
            return Err(Refusal::bad("Attempting to book a meeting in the past."));
        }
        let notice = SignedDuration::try_from(event_type.minimum_notice).unwrap_or(SignedDuration::MAX);
        let too_soon = start < now.saturating_add(notice).unwrap_or(Timestamp::MAX);
        let latest = event_type.window_days.map(|days| now + SignedDuration::from_hours(24 * i64::from(days)));
        if too_soon || latest.is_some_and(|latest| start > latest) {
            let message = "The event type can't be booked at the \"start\" time provided. This could be because it's too soon (violating the minimum booking notice) or too far in the future (outside the event's scheduling window).";
            return Err(Refusal::bad(message));
        }
        Ok(())
    }

    /// Who would serve at that time; `None` when it is taken or nobody is there.
    pub(crate) fn hosts_for(
        &self,
        event_type: &EventType,
        start: Timestamp,
        minutes: u32,
        replaced: Option<&str>,
    ) -> Option<Vec<u64>> {
        let free = |host: &&u64| self.is_free(event_type, **host, start, start + mins(minutes), replaced);
        match event_type.scheduling {
            Scheduling::Individual | Scheduling::RoundRobin => event_type.hosts.iter().find(free).map(|host| vec![*host]),
            Scheduling::Collective => event_type.hosts.iter().all(|host| free(&host)).then(|| event_type.hosts.clone()),
        }
    }

    fn is_free(&self, event_type: &EventType, host: u64, start: Timestamp, end: Timestamp, replaced: Option<&str>) -> bool {
        let day = start.to_zoned_datetime(event_type.schedule.time_zone.clone()).date();
        let is_open = self.open_spans(event_type, host, day).into_iter().any(|(open, close)| open <= start && end <= close);
        let before = SignedDuration::try_from(event_type.buffer_before).unwrap_or(SignedDuration::ZERO);
        let after = SignedDuration::try_from(event_type.buffer_after).unwrap_or(SignedDuration::ZERO);
        let (from, to) = (start - before, end + after);
        let is_busy = self.busy.iter().any(|(who, begin, finish)| *who == host && *begin < to && *finish > from);
        let is_booked = self.bookings.iter().any(|booking| {
            let counts = match booking.status {
                Status::Accepted => true,
                Status::Pending => event_type.blocks_unconfirmed,
                Status::Cancelled | Status::Rejected => false,
            };
            counts
                && booking.hosts.contains(&host)
                && Some(booking.uid.as_str()) != replaced
                && booking.start < to
                && booking.end > from
        });
        is_open && !is_busy && !is_booked
    }

    /// `/v2/slots/reservations`: check, then insert, for this event type alone.
    pub(crate) fn reserve(&mut self, asked: &Asked) -> Outcome {
        if let Some(uid) = &asked.uid {
            if asked.method == "DELETE" {
                self.reservations.retain(|it| it.uid != *uid);
                return Ok((200, Data::None));
            }
            let found = self.reservations.iter().find(|it| it.uid == *uid);
            return Ok((200, Data::Only(found.map_or(Value::Null, Reservation::to_json))));
        }
        let body = asked.object()?;
        let mut fields = Fields::of(&body);
        let event_type = fields.integer("eventTypeId", 1);
        let start = fields.required_instant("slotStart");
        let _ = fields.integer("slotDuration", 1);
        let minutes = fields.integer("reservationDuration", 1).unwrap_or(RESERVED_MINUTES);
        if event_type.is_none() && !body.contains_key("eventTypeId") {
            fields.refuse("eventTypeId", "isInt", "eventTypeId must be an integer number");
        }
        if let Err(wrong) = fields.finish() {
            return Err(Refusal::by_validation(&wrong));
        }
        let (Some(id), Some(start)) = (event_type, start) else { return Err(Refusal::bad("Invalid start date").malformed()) };
        let event_type = self.event_type(id).ok_or_else(|| Refusal::not_found(format!("Event Type with ID={id} not found")))?;
        let (length, end, now) = (event_type.minutes, start + mins(event_type.minutes), self.now());
        let booked = |booking: &super::state::Booking| {
            booking.event_type == id && booking.status.stands() && booking.start < end && booking.end > start
        };
        if self.bookings.iter().any(booked) {
            return Err(Refusal::unprocessable(ALREADY_BOOKED));
        }
        let reserved = |it: &Reservation| it.event_type == id && it.until > now && it.start < end && it.end > start;
        if self.reservations.iter().any(reserved) {
            return Err(Refusal::unprocessable(ALREADY_RESERVED));
        }
        let (_, uid) = self.fresh();
        let until = now + SignedDuration::from_mins(i64::try_from(minutes).unwrap_or(i64::MAX / 60_000));
        let reservation = Reservation { uid, event_type: id, start, end: start + mins(length), until };
        let mut data = reservation.to_json();
        data["reservationDuration"] = json!(minutes);
        self.reservations.push(reservation);
        Ok((201, Data::Only(data)))
    }
}

impl Reservation {
    fn to_json(&self) -> Value {
        json!({
            "eventTypeId": self.event_type,
            "slotStart": utc(self.start),
            "slotEnd": utc(self.end),
            "slotDuration": (self.end - self.start).as_mins(),
            "reservationUid": self.uid,
            "reservationUntil": utc(self.until),
        })
    }
}

/// A day or an instant, in UTC, and whether it was a day.
fn bound(fields: &mut Fields<'_>, name: &'static str) -> Option<(Timestamp, bool)> {
    let text = fields.required_string(name)?;
    let day = || text.parse::<Date>().ok().filter(|_| text.len() == 10)?.to_zoned_datetime(TimeZone::UTC).ok();
    if let Some(day) = day() {
        return Some((day.timestamp(), true));
    }
    let instant = super::check::instant(text);
    if instant.is_none() {
        fields.refuse_date(name);
    }
    Some((instant?, false))
}

pub(crate) fn mins(minutes: u32) -> SignedDuration {
    SignedDuration::from_mins(i64::from(minutes))
}
