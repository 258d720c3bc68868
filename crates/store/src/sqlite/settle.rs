//! Settling an intent: what the calendar did becomes what we know, with everything that hangs on it,
//! in one transaction. Settling twice changes nothing the second time.

use frontdesk_core::booking::{IntentKind, IntentState};
use frontdesk_core::ids::{BookingId, IntentId, TenantId};
use frontdesk_core::ports::{Settlement, StoreError};
use jiff::Timestamp;
use sqlx::Row as _;

use super::callbacks::{resolve_appointment, resolve_wishes};
use super::diary::Tx;
use super::diary_rows;
use super::holds::delete_occupancy;
use crate::rows::{failed, ms, to_json};

pub(super) async fn settle(
    tx: &mut Tx,
    tenant: &TenantId,
    id: &IntentId,
    settlement: &Settlement,
    now: Timestamp,
) -> Result<(), StoreError> {
    let row = sqlx::query("SELECT * FROM intents WHERE tenant = ? AND id = ?")
        .bind(tenant.as_str())
        .bind(id.as_str())
        .fetch_optional(&mut **tx)
        .await
        .map_err(failed)?;
    let Some(intent) = row.as_ref().map(diary_rows::intent).transpose()? else { return Ok(()) };
    let appointment = &intent.appointment;
    match settlement {
        Settlement::Done { uid, staff } => {
            close(tx, tenant, id, IntentState::Done, None, None, now).await?;
            done(tx, tenant, appointment, id, &intent.kind, uid.as_deref(), staff.as_deref(), now).await
        }
        Settlement::Watch { until, why } => {
            close(tx, tenant, id, IntentState::Watched, Some(*until), Some(why), now).await?;
            undo(tx, tenant, appointment, id, &intent.kind, now).await
        }
        Settlement::Refused { why } => {
            close(tx, tenant, id, IntentState::Refused, None, Some(why), now).await?;
            if intent.state == IntentState::Watched { Ok(()) } else { undo(tx, tenant, appointment, id, &intent.kind, now).await }
        }
        Settlement::Again { not_before, why } => {
            sqlx::query(
                "UPDATE intents SET attempts = attempts + 1, lease_until = ?, last_error = ? WHERE tenant = ? AND id = ?",
            )
            .bind(ms(*not_before))
            .bind(why)
            .bind(tenant.as_str())
            .bind(id.as_str())
            .execute(&mut **tx)
            .await
            .map_err(failed)?;
            Ok(())
        }
        Settlement::HandOver { why } => {
            close(tx, tenant, id, IntentState::HandedOver, None, Some(why), now).await?;
            if intent.kind == IntentKind::Create {
                set_state(tx, tenant, appointment, "needs_person", now).await?;
            }
            Ok(())
        }
    }
}

async fn close(
    tx: &mut Tx,
    tenant: &TenantId,
    id: &IntentId,
    state: IntentState,
    watch_until: Option<Timestamp>,
    why: Option<&str>,
    now: Timestamp,
) -> Result<(), StoreError> {
    sqlx::query(
        "UPDATE intents SET state = ?, attempts = attempts + 1, watch_until = ?, last_error = ?, settled_at = ?, lease_until = ?
         WHERE tenant = ? AND id = ?",
    )
    .bind(state.as_str())
    .bind(watch_until.map(ms))
    .bind(why)
    .bind(ms(now))
    .bind(ms(now))
    .bind(tenant.as_str())
    .bind(id.as_str())
    .execute(&mut **tx)
    .await
    .map_err(failed)?;
    Ok(())
}

async fn done(
    tx: &mut Tx,
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
            sqlx::query(
                "UPDATE appointments SET state = 'booked', calendar_uid = COALESCE(?, calendar_uid),
                        staff = COALESCE(?, staff), updated_at = ?
                 WHERE tenant = ? AND id = ?",
            )
            .bind(uid)
            .bind(staff)
            .bind(ms(now))
            .bind(tenant.as_str())
            .bind(appointment.as_str())
            .execute(&mut **tx)
            .await
            .map_err(failed)?;
            booked(tx, tenant, appointment, now).await
        }
        IntentKind::Move { start, end, busy: _, resource, staff: line_staff, reason: _ } => {
            // The old time is given back; the rows of the new time lose their mark.
            sqlx::query("DELETE FROM occupancy WHERE tenant = ? AND owner = ? AND intent IS NOT ?")
                .bind(tenant.as_str())
                .bind(appointment.as_str())
                .bind(id.as_str())
                .execute(&mut **tx)
                .await
                .map_err(failed)?;
            sqlx::query("UPDATE occupancy SET intent = NULL WHERE tenant = ? AND owner = ?")
                .bind(tenant.as_str())
                .bind(appointment.as_str())
                .execute(&mut **tx)
                .await
                .map_err(failed)?;
            sqlx::query(
                "UPDATE appointments SET start_ms = ?, end_ms = ?, resource = ?, staff = COALESCE(?, ?, staff),
                        calendar_uid = COALESCE(?, calendar_uid), updated_at = ?
                 WHERE tenant = ? AND id = ?",
            )
            .bind(ms(*start))
            .bind(ms(*end))
            .bind(resource.as_str())
            .bind(staff)
            .bind(line_staff)
            .bind(uid)
            .bind(ms(now))
            .bind(tenant.as_str())
            .bind(appointment.as_str())
            .execute(&mut **tx)
            .await
            .map_err(failed)?;
            finished(tx, tenant, appointment, "rescheduled", now).await
        }
        IntentKind::Cancel { .. } => {
            delete_occupancy(tx, tenant, appointment.as_str()).await?;
            set_state(tx, tenant, appointment, "cancelled", now).await?;
            finished(tx, tenant, appointment, "cancelled", now).await
        }
    }
}

/// What hangs on a booking that stands: history, the business's message, work items that are over.
pub(super) async fn booked(tx: &mut Tx, tenant: &TenantId, appointment: &BookingId, now: Timestamp) -> Result<(), StoreError> {
    finished(tx, tenant, appointment, "booked", now).await?;
    let row = sqlx::query("SELECT call_id, owner FROM appointments WHERE tenant = ? AND id = ?")
        .bind(tenant.as_str())
        .bind(appointment.as_str())
        .fetch_one(&mut **tx)
        .await
        .map_err(failed)?;
    let (call, owner): (Option<String>, Option<String>) = (row.get(0), row.get(1));
    resolve_wishes(tx, tenant, call.as_deref(), owner.as_deref(), now).await
}

async fn finished(tx: &mut Tx, tenant: &TenantId, appointment: &BookingId, what: &str, now: Timestamp) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO appointment_history (tenant, appointment, what, start_ms, at)
         SELECT tenant, id, ?, start_ms, ? FROM appointments WHERE tenant = ? AND id = ?",
    )
    .bind(what)
    .bind(ms(now))
    .bind(tenant.as_str())
    .bind(appointment.as_str())
    .execute(&mut **tx)
    .await
    .map_err(failed)?;
    let body = to_json(&serde_json::json!({ "booking_id": appointment, "what": what }))?;
    sqlx::query(
        "INSERT INTO outbox (tenant, kind, subject, body, state, not_before, created_at)
         VALUES (?, ?, ?, ?, 'waiting', ?, ?) ON CONFLICT (tenant, kind, subject) DO NOTHING",
    )
    .bind(tenant.as_str())
    .bind(format!("appointment.{what}"))
    .bind(format!("{}@{}", appointment.as_str(), ms(now)))
    .bind(body)
    .bind(ms(now))
    .bind(ms(now))
    .execute(&mut **tx)
    .await
    .map_err(failed)?;
    resolve_appointment(tx, tenant, appointment.as_str(), now).await
}

/// The calendar said no: what was blocked for it is free again, what stood before still stands.
async fn undo(
    tx: &mut Tx,
    tenant: &TenantId,
    appointment: &BookingId,
    id: &IntentId,
    kind: &IntentKind,
    now: Timestamp,
) -> Result<(), StoreError> {
    match kind {
        IntentKind::Create => {
            delete_occupancy(tx, tenant, appointment.as_str()).await?;
            set_state(tx, tenant, appointment, "refused", now).await
        }
        IntentKind::Move { .. } => {
            sqlx::query("DELETE FROM occupancy WHERE tenant = ? AND owner = ? AND intent = ?")
                .bind(tenant.as_str())
                .bind(appointment.as_str())
                .bind(id.as_str())
                .execute(&mut **tx)
                .await
                .map_err(failed)?;
            Ok(())
        }
        IntentKind::Cancel { .. } => Ok(()),
    }
}

async fn set_state(
    tx: &mut Tx,
    tenant: &TenantId,
    appointment: &BookingId,
    state: &str,
    now: Timestamp,
) -> Result<(), StoreError> {
    sqlx::query("UPDATE appointments SET state = ?, updated_at = ? WHERE tenant = ? AND id = ?")
        .bind(state)
        .bind(ms(now))
        .bind(tenant.as_str())
        .bind(appointment.as_str())
        .execute(&mut **tx)
        .await
        .map_err(failed)?;
    Ok(())
}
