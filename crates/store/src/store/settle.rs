//! Settling an intent: what the calendar did becomes what we know, with everything that hangs on it,
//! in one transaction. Settling twice changes nothing the second time.

use frontdesk_core::booking::{IntentKind, IntentState};
use frontdesk_core::ids::{BookingId, IntentId, TenantId};
use frontdesk_core::outbox::{Event, Facts, Origin};
use frontdesk_core::ports::{Settlement, StoreError};
use jiff::Timestamp;

use super::callbacks::{resolve_appointment, resolve_wishes};
use super::holds::delete_occupancy;
use super::outbox::Effect;
use super::{diary_rows, outbox};
use crate::engine::{Tx, args};
use crate::rows::{Reading, ms};

pub(super) fn settle(
    tx: &mut Tx<'_>,
    tenant: &TenantId,
    id: &IntentId,
    settlement: &Settlement,
    now: Timestamp,
) -> Result<(), StoreError> {
    let row = tx.first("SELECT * FROM intents WHERE tenant = ? AND id = ?", args![tenant.as_str(), id.as_str()])?;
    let Some(row) = row else { return Ok(()) };
    let intent = diary_rows::intent(&row)?;
    // Two may have found out at once that the calendar did it; others hear of it once. One that was written
    // as done, on the built-in calendar, has no such instant yet.
    let was_settled = Reading { table: "intents", row: &row }.number_or_none("settled_at")?.is_some();
    if intent.state == IntentState::Done && was_settled {
        return Ok(());
    }
    let appointment = &intent.appointment;
    match settlement {
        Settlement::Done { uid, staff } => {
            close(tx, tenant, id, IntentState::Done, None, None, now)?;
            done(tx, tenant, appointment, id, &intent.kind, uid.as_deref(), staff.as_deref(), now)
        }
        Settlement::Watch { until, why } => {
            close(tx, tenant, id, IntentState::Watched, Some(*until), Some(why), now)?;
            undo(tx, tenant, appointment, id, &intent.kind, now)
        }
        Settlement::Refused { why } => {
            close(tx, tenant, id, IntentState::Refused, None, Some(why), now)?;
            if intent.state == IntentState::Watched { Ok(()) } else { undo(tx, tenant, appointment, id, &intent.kind, now) }
        }
        Settlement::Again { not_before, why } => {
            tx.run(
                "UPDATE intents SET attempts = attempts + 1, lease_until = ?, last_error = ? WHERE tenant = ? AND id = ?",
                args![ms(*not_before), why, tenant.as_str(), id.as_str()],
            )?;
            Ok(())
        }
        Settlement::HandOver { why } => {
            close(tx, tenant, id, IntentState::HandedOver, None, Some(why), now)?;
            if intent.kind == IntentKind::Create {
                set_state(tx, tenant, appointment, "needs_person", now)?;
            }
            Ok(())
        }
    }
}

fn close(
    tx: &mut Tx<'_>,
    tenant: &TenantId,
    id: &IntentId,
    state: IntentState,
    watch_until: Option<Timestamp>,
    why: Option<&str>,
    now: Timestamp,
) -> Result<(), StoreError> {
    tx.run(
        "UPDATE intents SET state = ?, attempts = attempts + 1, watch_until = ?, last_error = ?, settled_at = ?, lease_until = ?
         WHERE tenant = ? AND id = ?",
        args![state.as_str(), watch_until.map(ms), why, ms(now), ms(now), tenant.as_str(), id.as_str()],
    )?;
    Ok(())
}

fn done(
    tx: &mut Tx<'_>,
    tenant: &TenantId,
    appointment: &BookingId,
    id: &IntentId,
    kind: &IntentKind,
    uid: Option<&str>,
    staff: Option<&str>,
    now: Timestamp,
) -> Result<(), StoreError> {
    match kind {
        IntentKind::Create => {
            tx.run(
                "UPDATE appointments SET state = 'booked', calendar_uid = COALESCE(?, calendar_uid),
                        staff = COALESCE(?, staff), updated_at = ?
                 WHERE tenant = ? AND id = ?",
                args![uid, staff, ms(now), tenant.as_str(), appointment.as_str()],
            )?;
            booked(tx, tenant, appointment, now)
        }
        IntentKind::Move { start, end, busy: _, resource, staff: line_staff, reason: _ } => {
            // The old time is given back; the rows of the new time lose their mark.
            tx.run(
                "DELETE FROM occupancy WHERE tenant = ? AND owner = ? AND intent IS DISTINCT FROM ?",
                args![tenant.as_str(), appointment.as_str(), id.as_str()],
            )?;
            tx.run(
                "UPDATE occupancy SET intent = NULL WHERE tenant = ? AND owner = ?",
                args![tenant.as_str(), appointment.as_str()],
            )?;
            tx.run(
                "UPDATE appointments SET start_ms = ?, end_ms = ?, resource = ?, staff = COALESCE(?, ?, staff),
                        calendar_uid = COALESCE(?, calendar_uid), updated_at = ?
                 WHERE tenant = ? AND id = ?",
                args![
                    ms(*start),
                    ms(*end),
                    resource.as_str(),
                    staff,
                    line_staff,
                    uid,
                    ms(now),
                    tenant.as_str(),
                    appointment.as_str()
                ],
            )?;
            finished(tx, tenant, appointment, Event::Rescheduled, now)
        }
        IntentKind::Cancel { .. } => {
            delete_occupancy(tx, tenant, appointment.as_str())?;
            set_state(tx, tenant, appointment, "cancelled", now)?;
            finished(tx, tenant, appointment, Event::Cancelled, now)
        }
    }
}

/// What hangs on a booking that stands: history, the business's message, work items that are over.
pub(super) fn booked(tx: &mut Tx<'_>, tenant: &TenantId, appointment: &BookingId, now: Timestamp) -> Result<(), StoreError> {
    finished(tx, tenant, appointment, Event::Booked, now)?;
    let Some(row) = tx.first(
        "SELECT call_id, owner FROM appointments WHERE tenant = ? AND id = ?",
        args![tenant.as_str(), appointment.as_str()],
    )?
    else {
        return Ok(());
    };
    let reading = Reading { table: "appointments", row: &row };
    let (call, owner) = (reading.text_or_none("call_id")?, reading.text_or_none("owner")?);
    resolve_wishes(tx, tenant, call.as_deref(), owner.as_deref(), now)
}

/// Writes down that `event` happened to an appointment: history, the effect for others, work items and doubts
/// that are over with it.
fn finished(tx: &mut Tx<'_>, tenant: &TenantId, appointment: &BookingId, event: Event, now: Timestamp) -> Result<(), StoreError> {
    let before = tx.all(
        "SELECT start_ms FROM appointment_history WHERE tenant = ? AND appointment = ? ORDER BY id",
        args![tenant.as_str(), appointment.as_str()],
    )?;
    let what = event.as_str().trim_start_matches("appointment.");
    tx.run(
        "INSERT INTO appointment_history (tenant, appointment, what, start_ms, at)
         SELECT tenant, id, ?, start_ms, ? FROM appointments WHERE tenant = ? AND id = ?",
        args![what, ms(now), tenant.as_str(), appointment.as_str()],
    )?;
    let row = tx.first(
        "SELECT call_id, start_ms, end_ms FROM appointments WHERE tenant = ? AND id = ?",
        args![tenant.as_str(), appointment.as_str()],
    )?;
    if let Some(row) = row {
        let reading = Reading { table: "appointments", row: &row };
        let (late, announced) = match event {
            Event::Booked => outbox::doubts(tx, tenant, appointment.as_str())?,
            _ => (false, false),
        };
        let facts = Facts {
            booking_id: Some(appointment.clone()),
            start: Some(reading.instant("start_ms")?),
            end: Some(reading.instant("end_ms")?),
            old_start: match (event, before.last()) {
                (Event::Rescheduled, Some(row)) => Some(Reading { table: "appointment_history", row }.instant("start_ms")?),
                _ => None,
            },
            origin: Some(if reading.text_or_none("call_id")?.is_some() { Origin::Voice } else { Origin::Api }),
            late,
            announced,
            sequence: u32::try_from(before.len()).unwrap_or(u32::MAX),
            ..Facts::default()
        };
        // Numbered, because two changes may fall into one millisecond.
        let subject = format!("{}#{}", appointment.as_str(), before.len());
        let effect = Effect { event, subject: &subject, ordering: appointment.as_str(), facts: &facts, not_before: now };
        outbox::write_effect(tx, tenant, &effect, now)?;
    }
    resolve_appointment(tx, tenant, appointment.as_str(), now)
}

/// The calendar said no: what was blocked for it is free again, what stood before still stands.
fn undo(
    tx: &mut Tx<'_>,
    tenant: &TenantId,
    appointment: &BookingId,
    id: &IntentId,
    kind: &IntentKind,
    now: Timestamp,
) -> Result<(), StoreError> {
    match kind {
        IntentKind::Create => {
            delete_occupancy(tx, tenant, appointment.as_str())?;
            set_state(tx, tenant, appointment, "refused", now)
        }
        IntentKind::Move { .. } => {
            tx.run(
                "DELETE FROM occupancy WHERE tenant = ? AND owner = ? AND intent = ?",
                args![tenant.as_str(), appointment.as_str(), id.as_str()],
            )?;
            Ok(())
        }
        IntentKind::Cancel { .. } => Ok(()),
    }
}

fn set_state(tx: &mut Tx<'_>, tenant: &TenantId, appointment: &BookingId, state: &str, now: Timestamp) -> Result<(), StoreError> {
    tx.run(
        "UPDATE appointments SET state = ?, updated_at = ? WHERE tenant = ? AND id = ?",
        args![state, ms(now), tenant.as_str(), appointment.as_str()],
    )?;
    Ok(())
}
