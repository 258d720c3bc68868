//! Bookings that changed, for those whose webhooks got lost.

use std::collections::BTreeMap;

use jiff::Timestamp;
use ring::digest::{Context, SHA256};
use serde_json::Value;

use frontdesk_core::calendar_news::{CalendarNews, Changes, NewsKind, attendee};
use frontdesk_core::clock::Clock;
use frontdesk_core::deadline::Deadline;
use frontdesk_core::ids::IntentId;
use frontdesk_core::ports::CalendarError;
use frontdesk_core::tenant::Tenant;

use super::exchange::{Account, Exchange, Request, Route};
use super::wire;

/// How many bookings a page holds.
const PAGE: usize = 100;
/// So many pages are asked for at once; the next turn goes on.
const MOST_PAGES: usize = 10;

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
    // What comes after the list was begun may be in it or not.
    let listed_at = clock.now();
    let mut all = BTreeMap::new();
    let mut complete_until: Option<Timestamp> = None;
    for by in [By::Change, By::Birth] {
        let (rows, more) = pages(exchange, account, by, since, deadline).await?;
        if more {
            let until = rows.iter().filter_map(|row| by.time_of(row)).max().unwrap_or(since);
            complete_until = Some(complete_until.map_or(until, |known| known.min(until)));
        }
        all.extend(rows.into_iter().map(|row| (row.uid.clone(), row)));
    }
    let mut news: Vec<CalendarNews> = all.into_values().filter_map(|row| read(row, tenant, listed_at)).collect();
    news.sort_by_key(|it| (it.told_at, it.kind));
    let until = complete_until.or_else(|| news.last().map(|it| it.told_at));
    Ok(Changes { news, until, more: complete_until.is_some() })
}

/// The rows since then, and whether there are more.
async fn pages(
    exchange: &Exchange,
    account: &Account,
    by: By,
    since: Timestamp,
    deadline: Deadline,
) -> Result<(Vec<wire::Changed>, bool), CalendarError> {
    let (mut after, mut skip) = (since, 0);
    let mut rows = Vec::new();
    for _ in 0..MOST_PAGES {
        let query = vec![
            (by.after(), wire::utc(after)),
            (by.sort(), "asc".to_owned()),
            ("take", PAGE.to_string()),
            ("skip", skip.to_string()),
        ];
        let request = Request::get(Route::Bookings, query).browsing(true);
        let page: Vec<Value> = exchange.ask(account, request, deadline).await?;
        let listed = page.len();
        // A stranger's odd booking spoils no list.
        let page: Vec<wire::Changed> = page.into_iter().filter_map(|row| serde_json::from_value(row).ok()).collect();
        let last = page.iter().filter_map(|row| by.time_of(row)).max();
        rows.extend(page);
        // QUIRK: some builds list one less or one more than was asked for.
        if listed + 1 < PAGE {
            return Ok((rows, false));
        }
        // WHY NOT skip alone: a booking that changes meanwhile goes to the end, and another one slips from the
        // next page to this one.
        match last {
            Some(last) if last.as_second() > after.as_second() => (after, skip) = (last, 0),
            Some(_) | None => skip += listed,
        }
    }
    Ok((rows, true))
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
    let filled = |text: Option<String>| text.filter(|text| !text.is_empty());
    let former_uid = filled(row.rescheduled_from_uid);
    if row.uid.is_empty() || filled(row.rescheduled_to_uid).is_some() {
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
    let person = row.attendees.as_ref().and_then(|all| all.first());
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
        told_at,
        event_type: row.event_type_id.or_else(|| row.event_type.and_then(|it| it.id)),
        start: time(&row.start),
        end: time(&row.end),
        is_endless: false,
        host: row.hosts.as_deref().and_then(<[_]>::first).and_then(|host| host.id),
        intent: row.metadata.as_ref().and_then(wire::intent_in).map(IntentId::new),
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
