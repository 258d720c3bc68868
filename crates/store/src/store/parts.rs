//! Parts of appointments that are booked piece by piece.

use frontdesk_core::booking::{Appointment, Intent, Part};
use frontdesk_core::ids::{BookingId, TenantId};
use frontdesk_core::ports::StoreError;
use jiff::Timestamp;

use super::diary_rows;
use crate::engine::{Tx, args};
use crate::rows::ms;

pub(super) fn of(tx: &mut Tx<'_>, tenant: &TenantId, appointment: &BookingId) -> Result<Vec<Part>, StoreError> {
    let rows = tx.all(
        "SELECT * FROM appointment_parts WHERE tenant = ? AND appointment = ? ORDER BY part",
        args![tenant.as_str(), appointment.as_str()],
    )?;
    rows.iter().map(diary_rows::part).collect()
}

pub(super) fn insert(
    tx: &mut Tx<'_>,
    tenant: &TenantId,
    appointment: &BookingId,
    parts: &[Part],
    now: Timestamp,
) -> Result<(), StoreError> {
    for part in parts {
        tx.run(
            "INSERT INTO appointment_parts (tenant, appointment, part, event_type, after_ms, start_ms, end_ms, state,
                                            calendar_uid, updated_at)
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            args![
                tenant.as_str(),
                appointment.as_str(),
                i64::from(part.index),
                part.event_type,
                i64::try_from(part.after.as_millis()).unwrap_or(i64::MAX),
                ms(part.start),
                ms(part.end),
                part.state.as_str(),
                &part.uid,
                ms(now)
            ],
        )?;
    }
    Ok(())
}

/// Nothing is written for one whose lease somebody else has taken: what they know is younger.
pub(super) fn record(
    tx: &mut Tx<'_>,
    tenant: &TenantId,
    intent: &Intent,
    part: &Part,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let is_ours = tx.exists(
        "SELECT EXISTS (SELECT 1 FROM intents WHERE tenant = ? AND id = ? AND lease_until = ?)",
        args![tenant.as_str(), intent.id.as_str(), ms(intent.lease_until)],
    )?;
    if is_ours {
        tx.run(
            "UPDATE appointment_parts SET start_ms = ?, end_ms = ?, state = ?, calendar_uid = ?, updated_at = ?
             WHERE tenant = ? AND appointment = ? AND part = ?",
            args![
                ms(part.start),
                ms(part.end),
                part.state.as_str(),
                &part.uid,
                ms(now),
                tenant.as_str(),
                intent.appointment.as_str(),
                i64::from(part.index)
            ],
        )?;
    }
    Ok(is_ours)
}

pub(super) fn appointment_of_uid(tx: &mut Tx<'_>, tenant: &TenantId, uid: &str) -> Result<Option<Appointment>, StoreError> {
    let whole = tx.first("SELECT * FROM appointments WHERE tenant = ? AND calendar_uid = ?", args![tenant.as_str(), uid])?;
    if let Some(row) = whole {
        return diary_rows::appointment(&row).map(Some);
    }
    let row = tx.first(
        "SELECT appointments.* FROM appointment_parts
         JOIN appointments ON appointments.tenant = appointment_parts.tenant AND appointments.id = appointment_parts.appointment
         WHERE appointment_parts.tenant = ? AND appointment_parts.calendar_uid = ?",
        args![tenant.as_str(), uid],
    )?;
    row.as_ref().map(diary_rows::appointment).transpose()
}
