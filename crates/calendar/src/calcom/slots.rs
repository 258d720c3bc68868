//! Free times of one event type.

use jiff::{SignedDuration, Timestamp};

use frontdesk_core::deadline::Deadline;
use frontdesk_core::ports::{CalendarError, SlotAsk};
use frontdesk_core::tenant::Tenant;

use super::exchange::{Account, Exchange, Request, Route, misconfigured, unavailable};
use super::wire;

/// The free starts in `[from, to)`, ascending.
pub(super) async fn list(
    exchange: &Exchange,
    account: &Account,
    tenant: &Tenant,
    ask: &SlotAsk<'_>,
    deadline: Deadline,
) -> Result<Vec<Timestamp>, CalendarError> {
    let event_type = ask.line.event_type.ok_or_else(|| misconfigured("the service has no event type"))?;
    if ask.to <= ask.from {
        return Ok(Vec::new());
    }
    let mut query = vec![
        ("eventTypeId", event_type.to_string()),
        ("start", wire::utc(ask.from)),
        ("end", wire::utc(end_to_send(ask.to))),
        ("timeZone", tenant.time_zone.name().to_owned()),
    ];
    if let Some(uid) = ask.replaces {
        query.push(("bookingUidToReschedule", uid.to_owned()));
    }
    let days: wire::Slots = exchange.ask(account, Request::get(Route::Slots, query).browsing(ask.browsing), deadline).await?;
    let mut starts = Vec::new();
    for slot in days.values().flatten() {
        let start = wire::instant(&slot.start).ok_or_else(|| unavailable("a slot without an offset"))?;
        // QUIRK: slots outside the range that was asked are listed too.
        if ask.from <= start && start < ask.to {
            starts.push(start);
        }
    }
    starts.sort_unstable();
    starts.dedup();
    Ok(starts)
}

/// QUIRK: an end at exactly midnight UTC is taken for the whole of the day that begins there.
fn end_to_send(to: Timestamp) -> Timestamp {
    let whole = if to.subsec_nanosecond() == 0 { to } else { to + SignedDuration::from_secs(1) };
    if whole.as_second().rem_euclid(24 * 60 * 60) == 0 { whole - SignedDuration::from_secs(1) } else { whole }
}
