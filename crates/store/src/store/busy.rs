//! What is blocked of what can serve, and what of it a call holds itself.

use frontdesk_core::ids::{BookingId, CallId, TenantId};
use frontdesk_core::ports::{Busy, StoreError};
use frontdesk_core::slot::{Hold, Resource};
use jiff::Timestamp;

use super::diary_rows;
use super::holds::LONGEST_MS;
use crate::engine::{Arg, Row, Tx, Value, args};
use crate::rows::{Reading, ms};

/// So many resources are asked for with one statement.
const MOST_AT_ONCE: usize = 8;

macro_rules! busy_of {
    ($resources:literal) => {
        concat!(
            "SELECT resource AS place, from_ms, to_ms, CASE WHEN kind = 'hold' THEN call_id END AS held_by,
                    CASE WHEN kind = 'hold' THEN replaces ELSE owner END AS appointment FROM occupancy
             WHERE tenant = ?1 AND from_ms < ?2 AND from_ms > ?3 AND to_ms > ?4 AND (until_ms IS NULL OR until_ms > ?5)
               AND resource ",
            $resources
        )
    };
}
const BUSY_OF_ONE: &str = busy_of!("= ?6");
const BUSY_OF_SEVERAL: &str = busy_of!("IN (?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)");

/// The same, and with each stretch that the call `?7` (or `?14`) holds the hold itself.
macro_rules! busy_and_held_of {
    ($resources:literal, $call:literal) => {
        concat!(
            "SELECT occupancy.resource AS place, occupancy.from_ms, occupancy.to_ms,
                    CASE WHEN occupancy.kind = 'hold' THEN occupancy.call_id END AS held_by,
                    CASE WHEN occupancy.kind = 'hold' THEN occupancy.replaces ELSE occupancy.owner END AS appointment,
                    occupancy.until_ms AS kept_ms, holds.* FROM occupancy
             LEFT JOIN holds ON occupancy.kind = 'hold' AND occupancy.call_id = ",
            $call,
            " AND holds.tenant = occupancy.tenant AND holds.id = occupancy.owner
             WHERE occupancy.tenant = ?1 AND occupancy.from_ms < ?2 AND occupancy.from_ms > ?3 AND occupancy.to_ms > ?4
               AND (occupancy.until_ms IS NULL OR occupancy.until_ms > ?5) AND occupancy.resource ",
            $resources
        )
    };
}
const BUSY_AND_HELD_OF_ONE: &str = busy_and_held_of!("= ?6", "?7");
const BUSY_AND_HELD_OF_SEVERAL: &str = busy_and_held_of!("IN (?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)", "?14");

/// What is blocked of `resources`.
pub(super) fn of(
    tx: &mut Tx<'_>,
    tenant: &TenantId,
    resources: &[Resource],
    window: (Timestamp, Timestamp),
    now: Timestamp,
) -> Result<Vec<Busy>, StoreError> {
    blocked(tx, tenant, resources, None, window, now, read)
}

/// The same, and the holds of `call` among it.
pub(super) fn and_held(
    tx: &mut Tx<'_>,
    tenant: &TenantId,
    call: &CallId,
    resources: &[Resource],
    window: (Timestamp, Timestamp),
    now: Timestamp,
) -> Result<(Vec<Busy>, Vec<Hold>), StoreError> {
    let mut held: Vec<Hold> = Vec::new();
    let busy = blocked(tx, tenant, resources, Some(call), window, now, |row| {
        if !matches!(row.get("id"), Some(Value::Null)) {
            let hold = diary_rows::hold(row)?;
            match held.iter_mut().find(|known| known.id == hold.id) {
                // Several stretches of one hold: it is kept until the last of them ends.
                Some(known) => known.kept_until = known.kept_until.max(hold.kept_until),
                None => held.push(hold),
            }
        }
        read(row)
    })?;
    Ok((busy, held))
}

/// Reads what is blocked of `resources`, each row by `each`; for a call together with its holds.
fn blocked(
    tx: &mut Tx<'_>,
    tenant: &TenantId,
    resources: &[Resource],
    call: Option<&CallId>,
    (from, to): (Timestamp, Timestamp),
    now: Timestamp,
    mut each: impl FnMut(&Row) -> Result<Busy, StoreError>,
) -> Result<Vec<Busy>, StoreError> {
    let mut found = Vec::new();
    for some in resources.chunks(MOST_AT_ONCE) {
        let last = some.last().map_or("", Resource::as_str);
        let at = |place: usize| some.get(place).map_or(last, Resource::as_str);
        let mut args: Vec<Arg<'_>> = args![tenant.as_str(), ms(to), ms(from) - LONGEST_MS, ms(from), ms(now)].to_vec();
        // A statement for each number would be many: of several the last one stands in for those that are not there.
        let sql = match (some.len(), call) {
            (1, None) => BUSY_OF_ONE,
            (1, Some(_)) => BUSY_AND_HELD_OF_ONE,
            (_, None) => BUSY_OF_SEVERAL,
            (_, Some(_)) => BUSY_AND_HELD_OF_SEVERAL,
        };
        args.extend((0..if some.len() == 1 { 1 } else { MOST_AT_ONCE }).map(|place| Arg::from(at(place))));
        args.extend(call.map(|call| Arg::from(call.as_str())));
        for row in &tx.all(sql, &args)? {
            found.push(each(row)?);
        }
    }
    Ok(found)
}

fn read(row: &Row) -> Result<Busy, StoreError> {
    let reading = Reading { table: "occupancy", row };
    Ok(Busy {
        resource: Resource::from_stored(reading.text("place")?),
        from: reading.instant("from_ms")?,
        to: reading.instant("to_ms")?,
        held_by: reading.text_or_none("held_by")?.map(CallId::new),
        appointment: reading.text_or_none("appointment")?.map(BookingId::new),
    })
}
