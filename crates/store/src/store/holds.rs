//! Holds, and the stretches that they and appointments block.

#[cfg(test)]
mod tests;

use frontdesk_core::ids::{BookingId, CallId, IntentId, SlotId, TenantId};
use frontdesk_core::ports::StoreError;
use frontdesk_core::slot::{HOLD_TTL, Hold, HoldWish, Resource};
use jiff::{SignedDuration, Timestamp};

use super::diary_rows;
use crate::engine::{Arg, Tx, args};
use crate::rows::{ms, to_json};

/// How long a hold that ended can still be looked up, so that a late yes is understood.
const MEMORY_OF_HOLDS: SignedDuration = SignedDuration::from_hours(2);

/// No row of `occupancy` is longer: what blocks for longer is several rows. So an overlap with a time begins less
/// than this before it, and looking for one reads a day's rows, not all that a resource ever served.
pub(super) const LONGEST_MS: i64 = 86_400_000;

/// So many rows one claimant is given at most: two months.
const MOST_PIECES: usize = 62;

/// Nobody blocks a resource for that long: whoever asks has misread something.
#[derive(Debug, thiserror::Error)]
#[error("a stretch of more than {MOST_PIECES} days cannot be blocked")]
struct TooLong;

/// Who asks for a stretch, and what it may overlap.
pub(super) struct Claimant<'a> {
    pub(super) kind: &'static str,
    pub(super) owner: &'a str,
    pub(super) call: Option<&'a CallId>,
    pub(super) until: Option<Timestamp>,
    pub(super) replaces: Option<&'a BookingId>,
    pub(super) intent: Option<&'a IntentId>,
}

pub(super) fn try_hold(
    tx: &mut Tx<'_>,
    tenant: &TenantId,
    call: Option<&CallId>,
    wish: &HoldWish,
    now: Timestamp,
) -> Result<Option<Hold>, StoreError> {
    let until = now + HOLD_TTL;
    let claimant = Claimant {
        kind: "hold",
        owner: wish.id.as_str(),
        call,
        until: Some(until),
        replaces: wish.replaces.as_ref(),
        intent: None,
    };
    for resource in &wish.line.resources {
        if !occupy(tx, tenant, resource, &wish.busy, &claimant, now)? {
            continue;
        }
        let hold = Hold {
            id: wish.id.clone(),
            call: call.cloned(),
            service: wish.service.clone(),
            staff: wish.line.staff.clone(),
            resource: resource.clone(),
            event_type: wish.line.event_type,
            parts: wish.line.parts_at(wish.start),
            start: wish.start,
            end: wish.end,
            busy: wish.busy.clone(),
            until,
            kept_until: Some(until),
            replaces: wish.replaces.clone(),
        };
        insert_hold(tx, tenant, &hold)?;
        return Ok(Some(hold));
    }
    Ok(None)
}

pub(super) fn insert_hold(tx: &mut Tx<'_>, tenant: &TenantId, hold: &Hold) -> Result<(), StoreError> {
    let parts = if hold.parts.is_empty() { None } else { Some(to_json(&hold.parts)?) };
    tx.run(
        "INSERT INTO holds (tenant, id, call_id, service, staff, resource, event_type, start_ms, end_ms, busy, until_ms,
                            replaces, parts)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        args![
            tenant.as_str(),
            hold.id.as_str(),
            hold.call.as_ref().map(CallId::as_str),
            &hold.service,
            &hold.staff,
            hold.resource.as_str(),
            hold.event_type,
            ms(hold.start),
            ms(hold.end),
            to_json(&hold.busy)?,
            ms(hold.until),
            hold.replaces.as_ref().map(BookingId::as_str),
            parts
        ],
    )?;
    Ok(())
}

pub(super) fn read_hold(tx: &mut Tx<'_>, tenant: &TenantId, id: &SlotId) -> Result<Option<Hold>, StoreError> {
    let sql =
        "SELECT holds.*, (SELECT MAX(until_ms) FROM occupancy WHERE tenant = ?1 AND owner = ?2 AND kind = 'hold') AS kept_ms
               FROM holds WHERE tenant = ?1 AND id = ?2";
    let row = tx.first(sql, args![tenant.as_str(), id.as_str()])?;
    row.as_ref().map(diary_rows::hold).transpose()
}

/// Lets holds go: what they block at once, their description after a while.
pub(super) fn release(tx: &mut Tx<'_>, tenant: &TenantId, call: Option<&CallId>, id: Option<&SlotId>) -> Result<(), StoreError> {
    let (call, id) = (call.map(CallId::as_str), id.map(SlotId::as_str));
    // One statement per way in, so that each walks its own index.
    match (call, id) {
        (None, None) => return Ok(()),
        (Some(call), None) => {
            tx.run("DELETE FROM occupancy WHERE tenant = ? AND call_id = ? AND kind = 'hold'", args![tenant.as_str(), call])
        }
        (None, Some(id)) => {
            tx.run("DELETE FROM occupancy WHERE tenant = ? AND owner = ? AND kind = 'hold'", args![tenant.as_str(), id])
        }
        (Some(call), Some(id)) => tx.run(
            "DELETE FROM occupancy WHERE tenant = ? AND owner = ? AND call_id = ? AND kind = 'hold'",
            args![tenant.as_str(), id, call],
        ),
    }?;
    Ok(())
}

/// Lets go what is over and was not at `last_ms`, when this was done before.
pub(super) fn forget_old_holds(tx: &mut Tx<'_>, last_ms: i64, now: Timestamp) -> Result<(), StoreError> {
    // Some of what ended shortly before may have been told of later: gateways' clocks differ by seconds.
    let since = last_ms.saturating_sub(2 * i64::try_from(HOLD_TTL.as_millis()).unwrap_or(0));
    let forgotten = ms(now - MEMORY_OF_HOLDS);
    // Also of those that are forgotten now: nothing else knows what they blocked, should it still be there.
    tx.run(
        "DELETE FROM occupancy WHERE kind = 'hold' AND until_ms <= ?2
           AND (tenant, owner) IN (SELECT tenant, id FROM holds WHERE until_ms > ?1 AND until_ms <= ?2
                                   UNION ALL SELECT tenant, id FROM holds WHERE until_ms < ?3)",
        args![since.min(ms(now)), ms(now), forgotten],
    )?;
    tx.run("DELETE FROM holds WHERE until_ms < ?", args![forgotten])?;
    Ok(())
}

/// Blocks all of `stretches` or none of them.
pub(super) fn occupy(
    tx: &mut Tx<'_>,
    tenant: &TenantId,
    resource: &Resource,
    stretches: &[(Timestamp, Timestamp)],
    claimant: &Claimant<'_>,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let pieces = || stretches.iter().flat_map(|(from, to)| day_by_day(ms(*from), ms(*to)));
    if pieces().nth(MOST_PIECES).is_some() {
        return Err(StoreError::Broken(Box::new(TooLong)));
    }
    // One row at once: the trigger's word is enough, and it is the same as that of the question.
    if let [(from, to)] = stretches
        && pieces().count() == 1
        && let piece = piece(tenant, resource, (ms(*from), ms(*to)), claimant, now)
        && let Some(is_free) = tx.run_unless_refused(OCCUPY, &piece, OCCUPIED)?
    {
        return Ok(is_free);
    }
    for (from, to) in stretches {
        let (from, to) = (ms(*from), ms(*to));
        let blocked = tx.exists(
            "SELECT EXISTS (SELECT 1 FROM occupancy
             WHERE tenant = ?1 AND resource = ?2 AND from_ms < ?4 AND from_ms > ?10 AND to_ms > ?3 AND owner <> ?5
               AND (until_ms IS NULL OR until_ms > ?6)
               AND NOT (kind = 'hold' AND ?7 = 'hold' AND COALESCE(call_id = ?8, FALSE))
               AND owner IS DISTINCT FROM ?9
               AND (replaces IS NULL OR replaces <> ?5))",
            args![
                tenant.as_str(),
                resource.as_str(),
                from,
                to,
                claimant.owner,
                ms(now),
                claimant.kind,
                claimant.call.map(CallId::as_str),
                claimant.replaces.map(BookingId::as_str),
                from - LONGEST_MS
            ],
        )?;
        if blocked {
            return Ok(false);
        }
    }
    for (from, to) in pieces() {
        tx.run(OCCUPY, &piece(tenant, resource, (from, to), claimant, now))?;
    }
    Ok(true)
}

const OCCUPY: &str =
    "INSERT INTO occupancy (tenant, resource, from_ms, to_ms, kind, owner, call_id, until_ms, replaces, intent, made_ms)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
/// What the trigger says to a row that would overlap.
const OCCUPIED: &str = "occupied";

fn piece<'a>(
    tenant: &'a TenantId,
    resource: &'a Resource,
    (from, to): (i64, i64),
    claimant: &Claimant<'a>,
    now: Timestamp,
) -> [Arg<'a>; 11] {
    [
        Arg::from(tenant.as_str()),
        Arg::from(resource.as_str()),
        Arg::from(from),
        Arg::from(to),
        Arg::from(claimant.kind),
        Arg::from(claimant.owner),
        Arg::from(claimant.call.map(CallId::as_str)),
        Arg::from(claimant.until.map(ms)),
        Arg::from(claimant.replaces.map(BookingId::as_str)),
        Arg::from(claimant.intent.map(IntentId::as_str)),
        Arg::from(ms(now)),
    ]
}

/// The stretch in rows that the table takes.
fn day_by_day(from: i64, to: i64) -> impl Iterator<Item = (i64, i64)> {
    let mut begin = from;
    std::iter::from_fn(move || {
        let piece = (begin, to.min(begin + LONGEST_MS));
        begin = piece.1;
        (piece.0 < to).then_some(piece)
    })
}

pub(super) fn delete_occupancy(tx: &mut Tx<'_>, tenant: &TenantId, owner: &str) -> Result<(), StoreError> {
    tx.run("DELETE FROM occupancy WHERE tenant = ? AND owner = ?", args![tenant.as_str(), owner])?;
    Ok(())
}
