//! An account as it answers when nobody books: the key, the clock, the event types, the time zones.

use futures_util::future::join_all;
use jiff::fmt::rfc2822;
use jiff::fmt::temporal::Pieces;
use jiff::{SignedDuration, Timestamp};
use reqwest::header::{DATE, HeaderMap};
use serde::de::IgnoredAny;

use frontdesk_core::account::{AccountAsk, AccountReport};
use frontdesk_core::deadline::Deadline;
use frontdesk_core::ports::{CalendarError, Refusal};
use frontdesk_core::tenant::Tenant;

use super::exchange::{Account, Exchange, Request, Route, unavailable};
use super::wire;

/// So many event types that the list does not have are asked for one by one: those of teams are not listed.
const MOST_SINGLE: usize = 20;

/// Asks the tenant's account.
pub(super) async fn examine(exchange: &Exchange, tenant: &Tenant, ask: &AccountAsk, deadline: Deadline) -> AccountReport {
    let nothing = |error: CalendarError, account: &str| AccountReport {
        account: account.to_owned(),
        key: Err(error.clone()),
        ahead: None,
        budget: None,
        event_types: Err(error.clone()),
        offsets: Err(error),
    };
    let account = match Account::of(tenant) {
        Ok(account) => account,
        Err(error) => return nothing(error, ""),
    };
    let me = exchange.ask_aloud::<IgnoredAny>(&account, get(Route::Me), deadline).await;
    let headers = match me {
        Ok((headers, _)) => headers,
        Err(failure) => return nothing(failure.into(), account.id()),
    };
    let ahead = ahead(&headers, exchange.now());
    let event_types = event_types(exchange, &account, &ask.event_types, deadline).await;
    // One that is not there has no free times either.
    let there = event_types.as_ref().ok().and_then(|all| all.iter().find_map(|(id, length)| length.map(|_| *id)));
    let offsets = offsets(exchange, &account, tenant, there, &ask.offsets_in, deadline).await;
    AccountReport { account: account.id().to_owned(), key: Ok(()), ahead, budget: budget(&headers), event_types, offsets }
}

fn get(route: Route<'_>) -> Request<'_> {
    Request::get(route, Vec::new()).browsing(true)
}

/// The lengths of `wanted`; those that are not there have none.
async fn event_types(
    exchange: &Exchange,
    account: &Account,
    wanted: &[i64],
    deadline: Deadline,
) -> Result<Vec<(i64, Option<u32>)>, CalendarError> {
    if wanted.is_empty() {
        return Ok(Vec::new());
    }
    let listed: Vec<wire::EventType> = exchange.ask(account, get(Route::EventTypes), deadline).await?;
    let length = |id: i64| listed.iter().find(|it| it.id == id).map(|it| it.length_in_minutes);
    let missing: Vec<i64> = wanted.iter().copied().filter(|id| length(*id).is_none()).collect();
    let single = |id: i64| async move {
        match exchange.ask::<wire::EventType>(account, get(Route::EventType(id)), deadline).await.map_err(CalendarError::from) {
            Ok(found) => Ok((id, Some(found.length_in_minutes))),
            // An account of others' event types answers 403, one without it 404.
            Err(CalendarError::Misconfigured { .. } | CalendarError::Refused { refusal: Refusal::Other, .. }) => Ok((id, None)),
            Err(error) => Err(error),
        }
    };
    let found = join_all(missing.into_iter().take(MOST_SINGLE).map(single)).await;
    let found: Vec<(i64, Option<u32>)> = found.into_iter().collect::<Result<_, _>>()?;
    let known = wanted.iter().filter_map(|id| Some((*id, Some(length(*id)?))));
    Ok(known.chain(found).collect())
}

/// The offsets of free times, as the calendar writes them.
async fn offsets(
    exchange: &Exchange,
    account: &Account,
    tenant: &Tenant,
    event_type: Option<i64>,
    stretches: &[(Timestamp, Timestamp)],
    deadline: Deadline,
) -> Result<Vec<(Timestamp, i32)>, CalendarError> {
    let mut found = Vec::new();
    let Some(event_type) = event_type else { return Ok(found) };
    for (from, to) in stretches {
        let query = vec![
            ("eventTypeId", event_type.to_string()),
            ("start", wire::utc(*from)),
            ("end", wire::utc(*to)),
            ("timeZone", tenant.time_zone.name().to_owned()),
        ];
        let days: wire::Slots = exchange.ask(account, Request::get(Route::Slots, query).browsing(true), deadline).await?;
        for slot in days.values().flatten() {
            let start = wire::instant(&slot.start).ok_or_else(|| unavailable("a slot without an offset"))?;
            let offset = Pieces::parse(&slot.start).ok().and_then(|pieces| pieces.to_numeric_offset());
            found.extend(offset.map(|offset| (start, offset.seconds())));
        }
    }
    Ok(found)
}

/// How far the clock of the answer is ahead. It says whole seconds: the middle of one is the best guess.
fn ahead(headers: &HeaderMap, now: Timestamp) -> Option<SignedDuration> {
    let told = rfc2822::parse(headers.get(DATE)?.to_str().ok()?).ok()?.timestamp();
    Some((told + SignedDuration::from_millis(500)).duration_since(now))
}

/// What is left of the minute's requests.
fn budget(headers: &HeaderMap) -> Option<(u32, u32)> {
    let number = |name: &str| headers.get(name)?.to_str().ok()?.trim().parse().ok();
    Some((number("x-ratelimit-remaining-default")?, number("x-ratelimit-limit-default")?))
}
