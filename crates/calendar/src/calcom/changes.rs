//! Bookings that changed, for those whose webhooks got lost.

use std::collections::BTreeMap;

use jiff::Timestamp;
use ring::digest::{Context, SHA256};
use serde_json::value::RawValue;

use frontdesk_core::calendar_news::{CalendarNews, Changes, NewsKind, attendee, told_by};
use frontdesk_core::clock::Clock;
use frontdesk_core::deadline::Deadline;
use frontdesk_core::ids::IntentId;
use frontdesk_core::ports::CalendarError;
use frontdesk_core::tenant::Tenant;

use super::exchange::{Account, Exchange, Request, Route, TOO_LONG};
use super::wire;

/// How many bookings a page holds.
const PAGE: usize = 100;
/// So many rows and bytes are read in one turn, by so many requests; the next turn goes on.
const MOST_ROWS: usize = 1000;
const MOST_BYTES: usize = 8 * 1024 * 1024;
const MOST_REQUESTS: usize = 40;
/// No uid is longer.
const MOST: usize = 200;

/// What is asked for.
///
/// QUIRK: a booking that nobody touched since it was made may have no time of a change, so the new ones are asked
/// for as well.
#[derive(Clone, Copy)]
enum By {
    Change,
    Birth,
}

pub(super) async fn list(
    exchange: &Exchange,
    account: &Account,
    tenant: &Tenant,
    since: Timestamp,
    clock: &dyn Clock,
    deadline: Deadline,
) -> Result<Changes, CalendarError> {
    let mut listing = Listing {
        exchange,
        account,
        tenant,
        // What comes after the list was begun may be in it or not.
        listed_at: clock.now(),
        news: BTreeMap::new(),
    };
    let mut complete_until: Option<Timestamp> = None;
    for by in [By::Change, By::Birth] {
        if let Some(until) = listing.pages(by, since, deadline).await? {
            complete_until = Some(complete_until.map_or(until, |known| known.min(until)));
        }
    }
    let mut news: Vec<CalendarNews> = listing.news.into_values().collect();
    news.sort_by_key(|it| (it.told_at, it.kind));
    let until = complete_until.or_else(|| news.last().map(|it| it.told_at));
    Ok(Changes { news, until, more: complete_until.is_some() })
}

/// What is listed in one turn. A page is read row by row, and only what becomes news is kept of it.
struct Listing<'l> {
    exchange: &'l Exchange,
    account: &'l Account,
    tenant: &'l Tenant,
    listed_at: Timestamp,
    /// By the uid; the latest word counts.
    news: BTreeMap<String, CalendarNews>,
}

impl Listing<'_> {
    /// Reads the rows since then; where there are more, until when all of them are read.
    async fn pages(&mut self, by: By, since: Timestamp, deadline: Deadline) -> Result<Option<Timestamp>, CalendarError> {
        let (mut after, mut skip, mut take) = (since, 0, PAGE);
        let (mut rows, mut bytes, mut furthest) = (0, 0, None);
        for _ in 0..MOST_REQUESTS {
            if rows >= MOST_ROWS || bytes >= MOST_BYTES {
                break;
            }
            let page = match self.page(by, after, skip, take, deadline).await {
                Err(CalendarError::Unavailable { detail }) if detail == TOO_LONG && take > 1 => {
                    take /= 2;
                    continue;
                }
                Err(CalendarError::Unavailable { detail }) if detail == TOO_LONG => {
                    tracing::error!(channel = "calcom", tenant = %self.tenant.slug, "a listed booking is too long to be read; it is passed over");
                    skip += 1;
                    continue;
                }
                page => page?,
            };
            bytes += page.iter().map(|row| row.get().len()).sum::<usize>();
            rows += page.len();
            let last = page.iter().filter_map(|row| self.take_up(row, by)).max();
            furthest = furthest.max(last);
            // QUIRK: some builds list one less or one more than was asked for.
            if page.is_empty() || page.len() + 1 < take {
                return Ok(None);
            }
            // WHY NOT skip alone: a booking that changes meanwhile goes to the end, and another one slips from the
            // next page to this one.
            match last {
                Some(last) if last.as_second() > after.as_second() => (after, skip) = (last, 0),
                Some(_) | None => skip += page.len(),
            }
        }
        Ok(Some(match furthest {
            Some(until) if until.as_second() > since.as_second() => until,
            // The next turn would begin with the same rows, and hear of nothing else for ever.
            Some(_) => {
                tracing::error!(
                    channel = "calcom",
                    critical = true,
                    tenant = %self.tenant.slug,
                    rows,
                    second = %since,
                    "more bookings changed in one second than are listed at once; the rest of them is passed over"
                );
                Timestamp::from_second(since.as_second() + 1).unwrap_or(since)
            }
            None => since,
        }))
    }

    async fn page(
        &self,
        by: By,
        after: Timestamp,
        skip: usize,
        take: usize,
        deadline: Deadline,
    ) -> Result<Vec<Box<RawValue>>, CalendarError> {
        let query = vec![
            (by.after(), wire::utc(after)),
            (by.sort(), "asc".to_owned()),
            ("take", take.to_string()),
            ("skip", skip.to_string()),
        ];
        let request = Request::get(Route::Bookings, query).browsing(true);
        Ok(self.exchange.ask(self.account, request, deadline).await?)
    }

    /// Keeps what the row tells; when it changed.
    fn take_up(&mut self, row: &RawValue, by: By) -> Option<Timestamp> {
        // A stranger's odd booking spoils no list.
        let row: wire::Changed = serde_json::from_str(row.get()).ok()?;
        let at = by.time_of(&row);
        if (1..=MOST).contains(&row.uid.len()) {
            let uid = row.uid.clone();
            match read(row, self.tenant, self.listed_at) {
                Some(news) => drop(self.news.insert(uid, news)),
                None => drop(self.news.remove(&uid)),
            }
        }
        at
    }
}

impl By {
    fn after(self) -> &'static str {
        match self {
            Self::Change => "afterUpdatedAt",
            Self::Birth => "afterCreatedAt",
        }
    }

    fn sort(self) -> &'static str {
        match self {
            Self::Change => "sortUpdatedAt",
            Self::Birth => "sortCreated",
        }
    }

    fn time_of(self, row: &wire::Changed) -> Option<Timestamp> {
        let text = match self {
            Self::Change => &row.updated_at,
            Self::Birth => &row.created_at,
        };
        text.as_deref().and_then(wire::instant)
    }
}

/// One row as the news that was lost; `None` where it says nothing that can be used, or is the trace of a booking
/// that was moved: where that went has a row of its own.
fn read(row: wire::Changed, tenant: &Tenant, listed_at: Timestamp) -> Option<CalendarNews> {
    let filled = |text: Option<String>| text.filter(|text| (1..=MOST).contains(&text.len()));
    let former_uid = filled(row.rescheduled_from_uid);
    if row.rescheduled_to_uid.is_some_and(|uid| !uid.is_empty()) {
        return None;
    }
    let kind = match row.status.to_ascii_lowercase().as_str() {
        "accepted" if former_uid.is_some() => NewsKind::Rescheduled,
        "accepted" => NewsKind::Created,
        "pending" => NewsKind::Requested,
        "cancelled" => NewsKind::Cancelled,
        "rejected" => NewsKind::Rejected,
        _ => return None,
    };
    let time = |text: &Option<String>| text.as_deref().and_then(wire::instant);
    let told_at = time(&row.updated_at).into_iter().chain(time(&row.created_at)).max()?;
    let person = row.attendee;
    Some(CalendarNews {
        digest: digest(&[
            &row.uid,
            kind.as_str(),
            row.start.as_deref().unwrap_or(""),
            row.end.as_deref().unwrap_or(""),
            &told_at.to_string(),
        ]),
        kind,
        former_uid,
        ical_uid: filled(row.ics_uid),
        sequence: None,
        told_at: told_by(told_at, listed_at),
        event_type: row.event_type_id.or_else(|| row.event_type.and_then(|it| it.id)),
        start: time(&row.start),
        end: time(&row.end),
        is_endless: false,
        host: row.host.and_then(|host| host.id),
        intent: filled(row.metadata.and_then(|marks| marks.intent)).map(IntentId::new),
        attendee: person.map(|it| attendee(it.name.as_deref(), it.email.as_deref(), it.phone_number.as_deref(), tenant)),
        listed_at: Some(listed_at),
        uid: row.uid,
    })
}

/// By what a row is known that was listed before. It is never that of a webhook's body.
fn digest(parts: &[&str]) -> String {
    let mut context = Context::new(&SHA256);
    context.update(b"listed");
    for part in parts {
        context.update(b"\n");
        context.update(part.as_bytes());
    }
    context.finish().as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}
