//! What came of calls, out of what is stored of them: appointments first, then what callers were told. It is read
//! and never written, so nobody's opinion of a call can take its place.

use std::collections::HashMap;

use frontdesk_core::call_facts::Disposition;
use frontdesk_core::ids::{CallId, TenantId};
use frontdesk_core::ports::StoreError;

use crate::engine::{Row, Tx, args};
use crate::rows::Reading;

/// Of the tenant's newest calls.
pub(super) fn of_newest(tx: &mut Tx<'_>, tenant: &TenantId, most: u32) -> Result<HashMap<String, Disposition>, StoreError> {
    let (slug, most) = (tenant.as_str(), i64::from(most));
    let made = tx.all(
        "SELECT call_id, state FROM appointments WHERE tenant = ?1 AND call_id IN (
             SELECT call_id FROM calls WHERE tenant = ?1 ORDER BY started_at DESC LIMIT ?2)",
        args![slug, most],
    )?;
    let told = tx.all(
        "SELECT DISTINCT call_id, status FROM call_steps WHERE tenant = ?1 AND call_id IN (
             SELECT call_id FROM calls WHERE tenant = ?1 ORDER BY started_at DESC LIMIT ?2)",
        args![slug, most],
    )?;
    gather(&made, &told)
}

/// Of one call.
pub(super) fn of_call(tx: &mut Tx<'_>, tenant: &TenantId, call: &CallId) -> Result<HashMap<String, Disposition>, StoreError> {
    let of_it = args![tenant.as_str(), call.as_str()];
    let made = tx.all("SELECT call_id, state FROM appointments WHERE tenant = ? AND call_id = ?", of_it)?;
    let told = tx.all("SELECT DISTINCT call_id, status FROM call_steps WHERE tenant = ? AND call_id = ?", of_it)?;
    gather(&made, &told)
}

fn gather(made: &[Row], told: &[Row]) -> Result<HashMap<String, Disposition>, StoreError> {
    let mut all: HashMap<String, Disposition> = HashMap::new();
    let mut bookings: HashMap<String, Disposition> = HashMap::new();
    for row in made {
        let reading = Reading { table: "appointments", row };
        let disposition = match reading.text("state")?.as_str() {
            // What was cancelled later was made in this call all the same.
            "booked" | "cancelled" => Disposition::Booked,
            "pending" | "needs_person" => Disposition::Pending,
            _ => Disposition::Unserved,
        };
        let known = bookings.entry(reading.text("call_id")?).or_insert(disposition);
        *known = disposition.max(*known);
    }
    for row in told {
        let reading = Reading { table: "call_steps", row };
        let (call, disposition) = (reading.text("call_id")?, Disposition::of_status(&reading.text("status")?));
        let known = all.entry(call).or_insert(disposition);
        *known = disposition.max(*known);
    }
    for (call, disposition) in bookings {
        let known = all.entry(call).or_insert(disposition);
        *known = match *known {
            // What was pending has come to something, or to nothing.
            Disposition::Pending => disposition,
            told => disposition.max(told),
        };
    }
    Ok(all)
}
