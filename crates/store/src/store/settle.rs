//! Settling an intent: what the calendar did becomes what we know, with everything that hangs on it,
//! in one transaction. Settling twice changes nothing the second time.

use frontdesk_core::booking::{Intent, IntentKind, IntentState};
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

/// `worked_on` is the intent as it was read by whoever works on it; `None` where the calendar said so by itself.
/// `false` when the lease is somebody else's by now.
pub(super) fn settle(
    tx: &mut Tx<'_>,
    tenant: &TenantId,
    id: &IntentId,
    settlement: &Settlement,
    worked_on: Option<&Intent>,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let row = tx.first("SELECT * FROM intents WHERE tenant = ? AND id = ?", args![tenant.as_str(), id.as_str()])?;
    let Some(intent) = row.as_ref().map(diary_rows::intent).transpose()? else { return Ok(true) };
    let is_done = matches!(settlement, Settlement::Done { .. });
    // Who comes late has a verdict about a world that somebody else has changed since; and the lease that it would
    // set is the other's.
    if worked_on.is_some_and(|mine| !is_done && ms(mine.lease_until) != ms(intent.lease_until)) {
        return Ok(false);
    }
    let as_watched = worked_on.and_then(|mine| mine.watch_until).map(ms);
    if matches!(settlement, Settlement::Refused { .. })
        && worked_on.is_some()
        && intent.state == IntentState::Watched
        && intent.watch_until.map(ms) != as_watched
    {
        // Meanwhile the calendar told that it has the booking: whoever comes next finds it.
        tx.run("UPDATE intents SET lease_until = ? WHERE tenant = ? AND id = ?", args![ms(now), tenant.as_str(), id.as_str()])?;
        return Ok(true);
    }
    carry(tx, tenant, &intent, settlement, now)?;
    Ok(true)
}

fn carry(tx: &mut Tx<'_>, tenant: &TenantId, intent: &Intent, settlement: &Settlement, now: Timestamp) -> Result<(), StoreError> {
    let id = &intent.id;
    // What the calendar told by itself and what it answered may both end an attempt: the first one does.
    // Given to a person, it can still turn out to be done.
    let is_done = matches!(settlement, Settlement::Done { .. });
    match intent.state {
        IntentState::Open => {}
        // Its time was given away again: a booking that surfaces is taken back, not called done.
        IntentState::Watched | IntentState::Undoing if !is_done => {}
        IntentState::HandedOver if is_done => {}
        IntentState::Watched
        | IntentState::Undoing
        | IntentState::Done
        | IntentState::Refused
        | IntentState::HandedOver
        | IntentState::CompensationFailed => return Ok(()),
    }
    let appointment = &intent.appointment;
    match settlement {
        Settlement::Done { uid, staff, ical } => {
            if let Some(ical) = ical {
                name_in_calendar(tx, tenant, appointment, ical)?;
            }
            settle_done(tx, tenant, intent, uid.as_deref(), staff.as_deref(), now)
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
        Settlement::Undo { until, why } => {
            // The lease stays with whoever found it out: putting back begins at once.
            tx.run(
                "UPDATE intents SET state = ?, watch_until = ?, last_error = ? WHERE tenant = ? AND id = ?",
                args![IntentState::Undoing.as_str(), ms(*until), why, tenant.as_str(), id.as_str()],
            )?;
            match intent.kind {
                IntentKind::Create => set_state(tx, tenant, appointment, "refused", now),
                IntentKind::Move { .. } | IntentKind::Cancel { .. } => Ok(()),
            }
        }
        Settlement::CompensationFailed { why } => {
            close(tx, tenant, id, IntentState::CompensationFailed, None, Some(why), now)?;
            set_state(tx, tenant, appointment, "needs_person", now)
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

/// It was done: by a calendar, or here at once where the diary is the calendar.
pub(super) fn settle_done(
    tx: &mut Tx<'_>,
    tenant: &TenantId,
    intent: &Intent,
    uid: Option<&str>,
    staff: Option<&str>,
    now: Timestamp,
) -> Result<(), StoreError> {
    close(tx, tenant, &intent.id, IntentState::Done, None, None, now)?;
    done(tx, tenant, &intent.appointment, &intent.id, &intent.kind, uid, staff, now)
}

/// Keeps what the booking is called over every move.
pub(super) fn name_in_calendar(
    tx: &mut Tx<'_>,
    tenant: &TenantId,
    appointment: &BookingId,
    ical: &str,
) -> Result<(), StoreError> {
    tx.run(
        "UPDATE appointments SET ical_uid = COALESCE(ical_uid, ?) WHERE tenant = ? AND id = ?",
        args![ical, tenant.as_str(), appointment.as_str()],
    )?;
    Ok(())
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
            finished(tx, tenant, appointment, Event::Rescheduled, None, now)
        }
        IntentKind::Cancel { .. } => {
            delete_occupancy(tx, tenant, appointment.as_str())?;
            set_state(tx, tenant, appointment, "cancelled", now)?;
            finished(tx, tenant, appointment, Event::Cancelled, None, now)
        }
    }
}

/// What hangs on a booking that stands: history, the business's message, work items that are over.
pub(super) fn booked(tx: &mut Tx<'_>, tenant: &TenantId, appointment: &BookingId, now: Timestamp) -> Result<(), StoreError> {
    finished(tx, tenant, appointment, Event::Booked, None, now)?;
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
/// that are over with it. `by` says who did it, where that was not who asked for the appointment.
pub(super) fn finished(
    tx: &mut Tx<'_>,
    tenant: &TenantId,
    appointment: &BookingId,
    event: Event,
    by: Option<Origin>,
    now: Timestamp,
) -> Result<(), StoreError> {
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
            origin: Some(match (by, reading.text_or_none("call_id")?) {
                (Some(by), _) => by,
                (None, Some(_)) => Origin::Voice,
                (None, None) => Origin::Api,
            }),
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
    match by {
        // What people changed there is not what somebody here was promised.
        Some(Origin::Calendar) => Ok(()),
        Some(Origin::Voice | Origin::Api) | None => resolve_appointment(tx, tenant, appointment.as_str(), now),
    }
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

pub(super) fn set_state(
    tx: &mut Tx<'_>,
    tenant: &TenantId,
    appointment: &BookingId,
    state: &str,
    now: Timestamp,
) -> Result<(), StoreError> {
    tx.run(
        "UPDATE appointments SET state = ?, updated_at = ? WHERE tenant = ? AND id = ?",
        args![state, ms(now), tenant.as_str(), appointment.as_str()],
    )?;
    Ok(())
}
