//! Lists: bookings by page, event types, the owner of a key.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::check::Fields;
use super::config::{EventType, Key};
use super::refusal::Refusal;
use super::routes::{Asked, Data, Outcome};
use super::state::{Booking, State, Status};

const PAGE: u64 = 100;
const DIRECTIONS: [&str; 2] = ["asc", "desc"];

impl State {
    /// `GET /v2/bookings`. There is no filter by phone and none by metadata.
    pub(crate) fn list(&self, asked: &Asked, key: Option<&Key>, stale: bool) -> Outcome {
        let query = asked.query();
        let mut fields = Fields::of(&query);
        let status = fields.string("status").map(str::to_owned);
        let email = fields.string("attendeeEmail").map(|text| text.replace(' ', "+"));
        let name = fields.string("attendeeName").map(str::to_owned);
        let uid = fields.string("bookingUid").map(str::to_owned);
        let event_type = fields.number("eventTypeId", 1, u64::MAX);
        let event_types: Option<Vec<u64>> =
            fields.string("eventTypeIds").map(|text| text.split(',').filter_map(|id| id.parse().ok()).collect());
        for ignored in ["teamsIds", "teamId"] {
            let _ = fields.string(ignored);
        }
        let mut bound = |name: &'static str| fields.instant(name);
        let (after_start, before_end) = (bound("afterStart"), bound("beforeEnd"));
        let (after_created, before_created) = (bound("afterCreatedAt"), bound("beforeCreatedAt"));
        let (after_updated, before_updated) = (bound("afterUpdatedAt"), bound("beforeUpdatedAt"));
        let sort: Vec<(&str, bool)> = ["sortStart", "sortEnd", "sortCreated", "sortUpdatedAt"]
            .into_iter()
            .filter_map(|name| Some((name, fields.one_of(name, &DIRECTIONS)? == "desc")))
            .collect();
        let take = fields.number("take", 1, 250).unwrap_or(PAGE);
        let skip = fields.number("skip", 0, u64::MAX).unwrap_or(0);
        if let Err(wrong) = fields.finish() {
            return Err(Refusal::by_validation(&wrong));
        }
        let now = self.now();
        let within = |at: Timestamp, from: Option<Timestamp>, to: Option<Timestamp>| {
            from.is_none_or(|from| at >= from) && to.is_none_or(|to| at <= to)
        };
        let newest = self.bookings.last().map(|booking| booking.id);
        let mut found: Vec<&Booking> = self
            .bookings
            .iter()
            .filter(|booking| key.is_some_and(|key| self.sees(key, booking)))
            .filter(|booking| !(stale && Some(booking.id) == newest))
            .filter(|booking| status.as_deref().is_none_or(|status| status.split(',').any(|word| is(booking, word, now))))
            .filter(|booking| email.as_ref().is_none_or(|email| booking.attendee.email == *email))
            .filter(|booking| name.as_ref().is_none_or(|name| booking.attendee.name == *name))
            .filter(|booking| uid.as_ref().is_none_or(|uid| booking.uid == *uid))
            .filter(|booking| event_type.is_none_or(|id| booking.event_type == id))
            .filter(|booking| event_types.as_ref().is_none_or(|ids| ids.contains(&booking.event_type)))
            .filter(|booking| within(booking.start, after_start, None) && within(booking.end, None, before_end))
            .filter(|booking| within(booking.created_at, after_created, before_created))
            // As in SQL: what has no such time is on neither side of any.
            .filter(|booking| match booking.updated_at {
                Some(at) => within(at, after_updated, before_updated),
                None => after_updated.is_none() && before_updated.is_none(),
            })
            .collect();
        for (name, descending) in sort.into_iter().rev() {
            found.sort_by_key(|booking| match name {
                "sortEnd" => booking.end,
                "sortCreated" => booking.created_at,
                "sortUpdatedAt" => booking.updated_at.unwrap_or(Timestamp::MAX),
                _ => booking.start,
            });
            if descending {
                found.reverse();
            }
        }
        let total = found.len() as u64;
        let page: Vec<Value> = found
            .into_iter()
            .skip(usize::try_from(skip).unwrap_or(usize::MAX))
            .take(usize::try_from(take).unwrap_or(usize::MAX))
            .map(|booking| self.to_json(booking))
            .collect();
        let returned = page.len() as u64;
        let pagination = json!({
            "totalItems": total,
            "remainingItems": total.saturating_sub(skip + returned),
            "returnedItems": returned,
            "itemsPerPage": take,
            "currentPage": skip / take + 1,
            "totalPages": total.div_ceil(take),
            "hasNextPage": skip + returned < total,
            "hasPreviousPage": skip > 0,
        });
        Ok((200, Data::Page(json!(page), pagination)))
    }

    /// `GET /v2/event-types` and `GET /v2/event-types/{id}`.
    pub(crate) fn event_types(&self, asked: &Asked) -> Outcome {
        let Some(id) = &asked.uid else {
            let all: Vec<Value> =
                self.config.event_types.iter().filter(|it| it.team.is_none() && !it.hidden).map(to_json).collect();
            return Ok((200, Data::Only(json!(all))));
        };
        let found = id.parse().ok().and_then(|id| self.event_type(id));
        let found = found.ok_or_else(|| Refusal::not_found(format!("Event type with id {id} not found")))?;
        Ok((200, Data::Only(to_json(found))))
    }

    /// `GET /v2/me`.
    pub(crate) fn me(&self, key: Option<&Key>) -> Outcome {
        let host = key.and_then(|key| self.host(key.user)).ok_or_else(|| Refusal::unauthorized("UserNotFound"))?;
        let data = json!({
            "id": host.id,
            "username": host.username,
            "email": host.email,
            "name": host.name,
            "timeZone": "Europe/Berlin",
            "timeFormat": 24,
            "weekStart": "Monday",
            "defaultScheduleId": 1,
            "organizationId": Value::Null,
        });
        Ok((200, Data::Only(data)))
    }
}

fn is(booking: &Booking, word: &str, now: Timestamp) -> bool {
    match word.trim() {
        "upcoming" => booking.status.stands() && booking.end > now,
        "past" => booking.status.stands() && booking.end <= now,
        "cancelled" => matches!(booking.status, Status::Cancelled | Status::Rejected),
        "unconfirmed" => booking.status == Status::Pending,
        _ => false,
    }
}

fn to_json(event_type: &EventType) -> Value {
    json!({
        "id": event_type.id,
        "slug": event_type.slug,
        "title": event_type.title,
        "lengthInMinutes": event_type.minutes,
        "minimumBookingNotice": event_type.minimum_notice.as_secs() / 60,
        "beforeEventBuffer": event_type.buffer_before.as_secs() / 60,
        "afterEventBuffer": event_type.buffer_after.as_secs() / 60,
        "hidden": event_type.hidden,
    })
}
