//! Bookings: made, looked up, moved, cancelled. No answer is believed that does not fit what was asked.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde::de::IgnoredAny;
use serde_json::Value;
use tracing::Instrument;

use frontdesk_core::deadline::Deadline;
use frontdesk_core::ports::{CalendarBooking, CalendarError, NewBooking, Refusal, Standing};
use frontdesk_core::tenant::Tenant;

use super::contact::Contact;
use super::exchange::{Account, Exchange, Failure, Request, Route, misconfigured, refused, unavailable};
use super::{mask, wire};

/// How many bookings a page of a lookup holds.
const PAGE: usize = 100;
/// A lookup that needs more pages proves nothing.
const MOST_PAGES: usize = 20;
/// How often a booking that was moved is followed.
const MOST_MOVES: usize = 5;
/// How far before the start a lookup begins.
const LOOK_BEFORE: SignedDuration = SignedDuration::from_mins(1);
/// How far past the end a lookup goes: the event type may be longer than the service, and a booking
/// stored at a later start must be seen as well.
const LOOK_AFTER: SignedDuration = SignedDuration::from_hours(8);
/// How far the calendar's clock may be behind ours.
const CLOCKS_DIFFER: SignedDuration = SignedDuration::from_secs(60);
/// How long taking back a booking at another time may last.
const TAKE_BACK_WITHIN: Duration = Duration::from_secs(10);
/// Sent as the reason of a booking that is taken back.
const WRONG_START: &str = "Stored at another time than asked";
/// QUIRK: without a reason a host's cancellation is refused.
const NO_REASON: &str = "Requested by phone";

pub(super) async fn create(
    exchange: &Arc<Exchange>,
    account: &Account,
    tenant: &Tenant,
    new: &NewBooking,
    deadline: Deadline,
) -> Result<CalendarBooking, CalendarError> {
    let contact = Contact::of(new);
    let answer = match post(exchange, account, tenant, new, &contact, deadline).await {
        Err(Failure::Rejected(rejection)) => match contact.instead(&rejection) {
            Some(other) if !deadline.has_passed() => post(exchange, account, tenant, new, &other, deadline).await,
            Some(_) | None => Err(Failure::Rejected(rejection)),
        },
        answered => answered,
    };
    let answer = answer.map_err(|failure| without_attendee(failure.into(), new))?.first()?;

    let created_at = answer.created_at();
    let booking = CalendarBooking::try_from(answer)?;
    match booking.intent.as_deref() {
        Some(intent) if intent == new.intent.as_str() && booking.part == new.part => {}
        // QUIRK: the same attendee at the same start may get an old booking as if it were new.
        Some(_) => return Err(refused(Refusal::Taken, "the calendar returned another booking")),
        None if created_at.is_some_and(|at| at < new.intended_at - CLOCKS_DIFFER) => {
            return Err(refused(Refusal::Taken, "the calendar returned another booking"));
        }
        None => return Err(unavailable("the calendar returned a booking without our intent")),
    }
    if matches!(booking.standing, Standing::Cancelled | Standing::Rejected) {
        return Err(unavailable("the calendar returned a booking that does not stand"));
    }
    if booking.start.as_second() != new.start.as_second() {
        take_back(exchange, account, booking.uid, deadline).await?;
        return Err(refused(Refusal::Taken, "the calendar stored another start"));
    }
    Ok(booking)
}

/// The booking with our intent id and part, standing ones before others.
pub(super) async fn find(
    exchange: &Exchange,
    account: &Account,
    wanted: &NewBooking,
    deadline: Deadline,
) -> Result<Option<CalendarBooking>, CalendarError> {
    let event_type = event_type_of(wanted)?;
    let mut best: Option<CalendarBooking> = None;
    let mut skip = 0;
    for _ in 0..MOST_PAGES {
        // WHY NOT a filter by attendee: addresses are derived, overwritten or absent upstream; and
        // without a status every booking is listed, cancelled ones too.
        let query = vec![
            ("eventTypeId", event_type.to_string()),
            ("afterStart", wire::utc(wanted.start - LOOK_BEFORE)),
            ("beforeEnd", wire::utc(wanted.end + LOOK_AFTER)),
            ("sortStart", "asc".to_owned()),
            ("take", PAGE.to_string()),
            ("skip", skip.to_string()),
        ];
        let page: Vec<Value> = exchange.ask(account, Request::get(Route::Bookings, query), deadline).await?;
        let listed = page.len();
        for candidate in page {
            // Only ours is read in full, so that a stranger's odd booking spoils no lookup.
            let metadata = candidate.get("metadata");
            let is_ours = metadata.and_then(wire::intent_in).as_deref() == Some(wanted.intent.as_str());
            // The parts of one composite carry the same intent.
            if !is_ours || metadata.and_then(wire::part_in) != wanted.part {
                continue;
            }
            let booking = serde_json::from_value::<wire::Booking>(candidate)
                .map_err(|_| unavailable("our booking has an unknown shape"))
                .and_then(CalendarBooking::try_from)?;
            if best.as_ref().is_none_or(|known| weight(&booking) > weight(known)) {
                best = Some(booking);
            }
        }
        // QUIRK: some builds list one less or one more than was asked for; only a page that is shorter
        // than that is the last.
        if listed + 1 < PAGE || best.as_ref().is_some_and(|found| found.standing == Standing::Accepted) {
            return Ok(best);
        }
        skip += listed;
    }
    match best {
        Some(found) => Ok(Some(found)),
        None => Err(unavailable("too many bookings to look through")),
    }
}

pub(super) async fn get(
    exchange: &Exchange,
    account: &Account,
    uid: &str,
    deadline: Deadline,
) -> Result<Option<CalendarBooking>, CalendarError> {
    let answer = exchange.ask::<wire::OneOrMany>(account, Request::get(Route::Booking(uid), Vec::new()), deadline).await;
    match answer.map_err(CalendarError::from) {
        Ok(booking) => Ok(Some(booking.first()?.try_into()?)),
        // WHY NOT every 404: one for a wrong route or version proves no absence.
        Err(CalendarError::Refused { refusal: Refusal::NoSuchBooking, .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

pub(super) async fn reschedule(
    exchange: &Exchange,
    account: &Account,
    uid: &str,
    start: Timestamp,
    reason: &str,
    deadline: Deadline,
) -> Result<CalendarBooking, CalendarError> {
    let body = wire::Reschedule { start: wire::utc(start), rescheduling_reason: worded(reason) };
    let request = Request::post(Route::Reschedule(uid), &body)?;
    let moved = exchange.ask::<wire::OneOrMany>(account, request, deadline).await.map_err(not_the_attendee)?;
    let booking = CalendarBooking::try_from(moved.first()?)?;
    if booking.start.as_second() != start.as_second() {
        return Err(unavailable("the calendar moved the booking to another start"));
    }
    Ok(booking)
}

pub(super) async fn cancel(
    exchange: &Exchange,
    account: &Account,
    uid: &str,
    reason: &str,
    deadline: Deadline,
) -> Result<(), CalendarError> {
    let mut uid = uid.to_owned();
    for _ in 0..MOST_MOVES {
        let request = Request::post(Route::Cancel(&uid), &wire::Cancel { cancellation_reason: worded(reason) })?;
        match exchange.ask::<IgnoredAny>(account, request, deadline).await.map_err(CalendarError::from) {
            Ok(IgnoredAny) => return Ok(()),
            // Moved by people, it looks cancelled and stands where it went.
            Err(CalendarError::Refused { refusal: Refusal::AlreadyCancelled, .. }) => {
                match get(exchange, account, &uid, deadline).await?.and_then(|booking| booking.moved_to) {
                    Some(successor) => uid = successor,
                    None => return Ok(()),
                }
            }
            Err(error) => return Err(error),
        }
    }
    Err(unavailable("the booking was moved too often to follow"))
}

async fn post(
    exchange: &Exchange,
    account: &Account,
    tenant: &Tenant,
    new: &NewBooking,
    contact: &Contact<'_>,
    deadline: Deadline,
) -> Result<wire::OneOrMany, Failure> {
    let mut metadata =
        BTreeMap::from([(wire::INTENT, new.intent.as_str().to_owned()), (wire::BOOKING, new.booking.as_str().to_owned())]);
    if let Some(part) = new.part {
        metadata.insert(wire::PART, part.to_string());
    }
    if let Some(call) = &new.call {
        metadata.insert(wire::CALL, wire::cut(call.as_str(), wire::METADATA_CHARS));
    }
    let notes = new.notes.as_ref().map(|notes| wire::cut(notes.expose(), wire::NOTES_CHARS)).filter(|notes| !notes.is_empty());
    let body = wire::CreateBooking {
        start: wire::utc(new.start),
        event_type_id: event_type_of(new)?,
        attendee: wire::Attendee {
            name: new.attendee.name.expose(),
            time_zone: tenant.time_zone.name(),
            language: tenant.language.code(),
            email: contact.email(),
            phone_number: contact.phone(),
        },
        metadata,
        booking_fields_responses: notes.map(|notes| wire::FieldResponses { notes }),
    };
    exchange.ask(account, Request::post(Route::Bookings, &body)?, deadline).await
}

/// Cancels our booking that stands at a time nobody agreed to. An error says that it may still stand.
///
/// It runs detached and past the deadline: nobody else would find that booking, and leaving it would
/// block somebody's time. Only the waiting ends with the deadline.
async fn take_back(exchange: &Arc<Exchange>, account: &Account, uid: String, deadline: Deadline) -> Result<(), CalendarError> {
    let (exchange, account) = (Arc::clone(exchange), account.clone());
    let work = async move {
        let taken_back = cancel(&exchange, &account, &uid, WRONG_START, Deadline::within(TAKE_BACK_WITHIN)).await;
        if let Err(error) = &taken_back {
            tracing::warn!(%error, "a booking at another time than asked could not be taken back");
        }
        taken_back
    };
    #[expect(clippy::disallowed_methods, reason = "taking a booking back must outlive the request; it ends by its own deadline")]
    let taking_back = tokio::spawn(work.in_current_span());
    match tokio::time::timeout_at(deadline.instant(), taking_back).await {
        Ok(Ok(Ok(()))) => Ok(()),
        Ok(Ok(Err(_)) | Err(_)) | Err(_) => Err(unavailable("the calendar stored another start, and may still hold it")),
    }
}

fn event_type_of(new: &NewBooking) -> Result<i64, CalendarError> {
    new.event_type.ok_or_else(|| misconfigured("the service has no event type"))
}

fn worded(reason: &str) -> String {
    let reason = wire::cut(reason, wire::REASON_CHARS);
    if reason.is_empty() { NO_REASON.to_owned() } else { reason }
}

/// One that stands before one that may; one that was moved before one that is gone.
fn weight(booking: &CalendarBooking) -> u8 {
    match (booking.standing, &booking.moved_to) {
        (Standing::Accepted, _) => 4,
        (Standing::AwaitsApproval, _) => 3,
        (Standing::Cancelled | Standing::Rejected, Some(_)) => 2,
        (Standing::Cancelled | Standing::Rejected, None) => 1,
    }
}

/// QUIRK: moving copies the answers of the old booking; one that lacks a field which is required by
/// now cannot be moved, and asking the caller does not help.
fn not_the_attendee(failure: Failure) -> CalendarError {
    match failure.into() {
        CalendarError::Refused { refusal: Refusal::Attendee, detail } => {
            CalendarError::Refused { refusal: Refusal::NotAllowed, detail }
        }
        error => error,
    }
}

fn without_attendee(error: CalendarError, new: &NewBooking) -> CalendarError {
    match error {
        CalendarError::Refused { refusal, detail } => {
            CalendarError::Refused { refusal, detail: mask::without_name(&detail, new.attendee.name.expose()) }
        }
        error => error,
    }
}
