//! Work items for people.

use async_trait::async_trait;
use frontdesk_core::booking::{Callback, CallbackCause, CallbackState, Priority};
use frontdesk_core::call::Phone;
use frontdesk_core::ids::{BookingId, CallId, CallbackId, TenantId};
use frontdesk_core::ports::{CallbackFilter, Callbacks, StoreError};
use frontdesk_core::sensitive::Sensitive;
use frontdesk_core::tenant::Scope;
use jiff::{SignedDuration, Timestamp};
use sqlx::sqlite::SqliteRow;

use super::diary::Tx;
use super::{Durability, SqliteStore, diary_rows};
use crate::rows::{Reading, failed, ms};

/// The same wish of the same number within this time is one work item.
const SAME_WISH: SignedDuration = SignedDuration::from_mins(30);

#[async_trait]
impl Callbacks for SqliteStore {
    async fn add(&self, scope: Scope<'_>, callback: &Callback) -> Result<Callback, StoreError> {
        let tenant = scope.tenant();
        let mut tx = self.write(Durability::Power).await?;
        let earlier = sqlx::query(
            "SELECT * FROM callbacks
             WHERE tenant = ?1 AND cause = ?2 AND state IN ('pending', 'assigned', 'contacted')
               AND (appointment IS ?3)
               AND ((call_id IS NOT NULL AND call_id IS ?4) OR (phone IS NOT NULL AND phone IS ?5 AND created_at > ?6))
             ORDER BY created_at DESC LIMIT 1",
        )
        .bind(tenant.as_str())
        .bind(callback.cause.as_str())
        .bind(callback.appointment.as_ref().map(BookingId::as_str))
        .bind(callback.call.as_ref().map(CallId::as_str))
        .bind(callback.phone.as_ref().map(Phone::e164))
        .bind(ms(callback.created_at - SAME_WISH))
        .fetch_optional(&mut *tx)
        .await
        .map_err(failed)?;
        if let Some(row) = earlier {
            let mut kept = read(&row)?;
            kept.name = callback.name.clone().or(kept.name);
            kept.phone = callback.phone.clone().or(kept.phone);
            kept.service = callback.service.clone().or(kept.service);
            kept.notes = callback.notes.clone().or(kept.notes);
            kept.preferred_time = callback.preferred_time.clone().or(kept.preferred_time);
            kept.priority = kept.priority.max(callback.priority);
            kept.due_at = kept.due_at.min(callback.due_at);
            kept.updated_at = callback.updated_at;
            write(&mut tx, tenant, &kept).await?;
            tx.commit().await.map_err(failed)?;
            return Ok(kept);
        }
        write(&mut tx, tenant, callback).await?;
        sqlx::query(
            "INSERT INTO outbox (tenant, kind, subject, body, state, not_before, created_at)
             VALUES (?, 'callback.queued', ?, ?, 'waiting', ?, ?) ON CONFLICT (tenant, kind, subject) DO NOTHING",
        )
        .bind(tenant.as_str())
        .bind(callback.id.as_str())
        .bind(format!(r#"{{"callback_id":"{}"}}"#, callback.id))
        .bind(ms(callback.created_at))
        .bind(ms(callback.created_at))
        .execute(&mut *tx)
        .await
        .map_err(failed)?;
        tx.commit().await.map_err(failed)?;
        Ok(callback.clone())
    }

    async fn callback(&self, scope: Scope<'_>, id: &CallbackId) -> Result<Option<Callback>, StoreError> {
        let row = sqlx::query("SELECT * FROM callbacks WHERE tenant = ? AND id = ?")
            .bind(scope.tenant().as_str())
            .bind(id.as_str())
            .fetch_optional(&self.readers)
            .await
            .map_err(failed)?;
        row.as_ref().map(read).transpose()
    }

    async fn callbacks(&self, scope: Scope<'_>, filter: &CallbackFilter) -> Result<Vec<Callback>, StoreError> {
        let CallbackFilter { state, open_only, limit } = filter;
        let rows = sqlx::query(
            "SELECT * FROM callbacks
             WHERE tenant = ?1 AND (?2 IS NULL OR state = ?2)
               AND (?3 = 0 OR state IN ('pending', 'assigned', 'contacted'))
             ORDER BY due_at, id LIMIT ?4",
        )
        .bind(scope.tenant().as_str())
        .bind(state.map(CallbackState::as_str))
        .bind(i64::from(*open_only))
        .bind(i64::from(if *limit == 0 { 100 } else { *limit }))
        .fetch_all(&self.readers)
        .await
        .map_err(failed)?;
        rows.iter().map(read).collect()
    }

    async fn update(&self, scope: Scope<'_>, callback: &Callback) -> Result<(), StoreError> {
        let mut tx = self.write(Durability::Power).await?;
        write(&mut tx, scope.tenant(), callback).await?;
        tx.commit().await.map_err(failed)
    }

    async fn resolve(
        &self,
        scope: Scope<'_>,
        appointment: Option<&BookingId>,
        call: Option<&CallId>,
        phone: Option<&Phone>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let mut tx = self.write(Durability::Process).await?;
        if let Some(appointment) = appointment {
            resolve_appointment(&mut tx, scope.tenant(), appointment.as_str(), now).await?;
        }
        resolve_wishes(&mut tx, scope.tenant(), call.map(CallId::as_str), phone.map(Phone::e164), now).await?;
        tx.commit().await.map_err(failed)
    }
}

/// Closes what waited for this appointment to be settled.
pub(super) async fn resolve_appointment(
    tx: &mut Tx,
    tenant: &TenantId,
    appointment: &str,
    now: Timestamp,
) -> Result<(), StoreError> {
    sqlx::query(
        "UPDATE callbacks SET state = 'resolved', updated_at = ?
         WHERE tenant = ? AND appointment = ? AND state IN ('pending', 'assigned', 'contacted')
           AND cause IN ('provisional', 'unsettled')",
    )
    .bind(ms(now))
    .bind(tenant.as_str())
    .bind(appointment)
    .execute(&mut **tx)
    .await
    .map_err(failed)?;
    Ok(())
}

/// Closes unmet wishes of a caller who now has an appointment. What was asked for by name stays.
pub(super) async fn resolve_wishes(
    tx: &mut Tx,
    tenant: &TenantId,
    call: Option<&str>,
    phone: Option<&str>,
    now: Timestamp,
) -> Result<(), StoreError> {
    sqlx::query(
        "UPDATE callbacks SET state = 'resolved', updated_at = ?1
         WHERE tenant = ?2 AND state IN ('pending', 'assigned', 'contacted')
           AND cause IN ('nothing_free', 'calendar_down', 'fault')
           AND ((?3 IS NOT NULL AND call_id = ?3) OR (?4 IS NOT NULL AND phone = ?4))",
    )
    .bind(ms(now))
    .bind(tenant.as_str())
    .bind(call)
    .bind(phone)
    .execute(&mut **tx)
    .await
    .map_err(failed)?;
    Ok(())
}

async fn write(tx: &mut Tx, tenant: &TenantId, callback: &Callback) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO callbacks (tenant, id, call_id, appointment, name, phone, cause, service, notes, preferred_time,
                                priority, due_at, state, assigned_to, created_at, updated_at)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
         ON CONFLICT (tenant, id) DO UPDATE SET
            name = excluded.name, phone = excluded.phone, service = excluded.service, notes = excluded.notes,
            preferred_time = excluded.preferred_time, priority = excluded.priority, due_at = excluded.due_at,
            state = excluded.state, assigned_to = excluded.assigned_to, updated_at = excluded.updated_at",
    )
    .bind(tenant.as_str())
    .bind(callback.id.as_str())
    .bind(callback.call.as_ref().map(CallId::as_str))
    .bind(callback.appointment.as_ref().map(BookingId::as_str))
    .bind(callback.name.as_ref().map(|name| name.expose()))
    .bind(callback.phone.as_ref().map(Phone::e164))
    .bind(callback.cause.as_str())
    .bind(&callback.service)
    .bind(callback.notes.as_ref().map(|notes| notes.expose()))
    .bind(callback.preferred_time.as_ref().map(|time| time.expose()))
    .bind(callback.priority.as_str())
    .bind(ms(callback.due_at))
    .bind(callback.state.as_str())
    .bind(&callback.assigned_to)
    .bind(ms(callback.created_at))
    .bind(ms(callback.updated_at))
    .execute(&mut **tx)
    .await
    .map_err(failed)?;
    Ok(())
}

fn read(row: &SqliteRow) -> Result<Callback, StoreError> {
    let reading = Reading { table: "callbacks", row };
    Ok(Callback {
        id: CallbackId::new(reading.text("id")?),
        call: reading.text_or_none("call_id")?.map(CallId::new),
        appointment: reading.text_or_none("appointment")?.map(BookingId::new),
        name: reading.text_or_none("name")?.map(Sensitive::new),
        phone: reading.parsed_or_none("phone", diary_rows::phone)?,
        cause: reading.parsed("cause", CallbackCause::from_stored)?,
        service: reading.text_or_none("service")?,
        notes: reading.text_or_none("notes")?.map(Sensitive::new),
        preferred_time: reading.text_or_none("preferred_time")?.map(Sensitive::new),
        priority: reading.parsed("priority", Priority::parse)?,
        due_at: reading.instant("due_at")?,
        state: reading.parsed("state", CallbackState::parse)?,
        assigned_to: reading.text_or_none("assigned_to")?,
        created_at: reading.instant("created_at")?,
        updated_at: reading.instant("updated_at")?,
    })
}
