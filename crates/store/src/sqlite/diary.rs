//! Holds, appointments and intents. The trigger on `occupancy` is the last word on overlap; the
//! question before each insert only turns it into a polite answer.

use async_trait::async_trait;
use frontdesk_core::booking::{Appointment, Intent, IntentKind, IntentState};
use frontdesk_core::ids::{BookingId, CallId, IntentId, SlotId, TenantId};
use frontdesk_core::ports::{AppointmentFilter, Beginning, Begun, Busy, Diary, Settlement, StoreError};
use frontdesk_core::slot::{HOLD_TTL, Hold, HoldWish, Resource};
use frontdesk_core::tenant::Scope;
use jiff::{SignedDuration, Timestamp};
use sqlx::{Row as _, Sqlite, Transaction};

use super::holds::{Claimant, delete_occupancy, forget_old_holds, occupy, read_hold, release, try_hold};
use super::{Durability, SqliteStore, diary_rows, settle};
use crate::rows::{Reading, failed, ms, to_json};

pub(super) type Tx = Transaction<'static, Sqlite>;

#[async_trait]
impl Diary for SqliteStore {
    async fn busy(&self, scope: Scope<'_>, from: Timestamp, to: Timestamp, now: Timestamp) -> Result<Vec<Busy>, StoreError> {
        let rows = sqlx::query(
            "SELECT resource, from_ms, to_ms, kind, owner, call_id, replaces FROM occupancy
             WHERE tenant = ? AND from_ms < ? AND to_ms > ? AND (until_ms IS NULL OR until_ms > ?)",
        )
        .bind(scope.tenant().as_str())
        .bind(ms(to))
        .bind(ms(from))
        .bind(ms(now))
        .fetch_all(&self.readers)
        .await
        .map_err(failed)?;
        rows.iter()
            .map(|row| {
                let reading = Reading { table: "occupancy", row };
                let is_hold = reading.text("kind")? == "hold";
                Ok(Busy {
                    resource: Resource::from_stored(reading.text("resource")?),
                    from: reading.instant("from_ms")?,
                    to: reading.instant("to_ms")?,
                    held_by: if is_hold { reading.text_or_none("call_id")?.map(CallId::new) } else { None },
                    appointment: if is_hold {
                        reading.text_or_none("replaces")?.map(BookingId::new)
                    } else {
                        Some(BookingId::new(reading.text("owner")?))
                    },
                })
            })
            .collect()
    }

    async fn hold(
        &self,
        scope: Scope<'_>,
        call: Option<&CallId>,
        wishes: &[HoldWish],
        most: usize,
        now: Timestamp,
    ) -> Result<Vec<Hold>, StoreError> {
        let tenant = scope.tenant();
        let mut tx = self.write(Durability::Process).await?;
        forget_old_holds(&mut tx, now).await?;
        if let Some(call) = call {
            release(&mut tx, tenant, Some(call), None).await?;
        }
        let mut held = Vec::new();
        for wish in wishes {
            if held.len() == most {
                break;
            }
            if let Some(hold) = try_hold(&mut tx, tenant, call, wish, now).await? {
                held.push(hold);
            }
        }
        tx.commit().await.map_err(failed)?;
        Ok(held)
    }

    async fn find_hold(&self, scope: Scope<'_>, id: &SlotId) -> Result<Option<Hold>, StoreError> {
        let row = sqlx::query("SELECT * FROM holds WHERE tenant = ? AND id = ?")
            .bind(scope.tenant().as_str())
            .bind(id.as_str())
            .fetch_optional(&self.readers)
            .await
            .map_err(failed)?;
        row.as_ref().map(diary_rows::hold).transpose()
    }

    async fn renew_hold(&self, scope: Scope<'_>, id: &SlotId, now: Timestamp) -> Result<bool, StoreError> {
        let tenant = scope.tenant();
        let mut tx = self.write(Durability::Process).await?;
        let Some(hold) = read_hold(&mut tx, tenant, id).await? else { return Ok(false) };
        delete_occupancy(&mut tx, tenant, id.as_str()).await?;
        let until = now + HOLD_TTL;
        let claimant = Claimant {
            kind: "hold",
            owner: id.as_str(),
            call: hold.call.as_ref(),
            until: Some(until),
            replaces: hold.replaces.as_ref(),
            intent: None,
        };
        if !occupy(&mut tx, tenant, &hold.resource, &hold.busy, &claimant, now).await? {
            return Ok(false);
        }
        sqlx::query("UPDATE holds SET until_ms = ? WHERE tenant = ? AND id = ?")
            .bind(ms(until))
            .bind(tenant.as_str())
            .bind(id.as_str())
            .execute(&mut *tx)
            .await
            .map_err(failed)?;
        tx.commit().await.map_err(failed)?;
        Ok(true)
    }

    async fn release(&self, scope: Scope<'_>, call: Option<&CallId>, id: Option<&SlotId>) -> Result<(), StoreError> {
        let mut tx = self.write(Durability::Process).await?;
        release(&mut tx, scope.tenant(), call, id).await?;
        tx.commit().await.map_err(failed)
    }

    async fn begin(&self, scope: Scope<'_>, beginning: &Beginning, now: Timestamp) -> Result<Begun, StoreError> {
        let tenant = scope.tenant();
        let Beginning { appointment, busy, hold, intent } = beginning;
        let mut tx = self.write(Durability::Power).await?;
        if let Some(hold) = hold {
            release(&mut tx, tenant, None, Some(hold)).await?;
        }
        if let Some(call) = &appointment.call {
            release(&mut tx, tenant, Some(call), None).await?;
        }
        let claimant = Claimant {
            kind: "appointment",
            owner: appointment.id.as_str(),
            call: None,
            until: None,
            replaces: None,
            intent: None,
        };
        if !occupy(&mut tx, tenant, &appointment.resource, busy, &claimant, now).await? {
            return Ok(Begun::Blocked);
        }
        insert_appointment(&mut tx, tenant, appointment, now).await?;
        insert_intent(&mut tx, tenant, intent).await?;
        if intent.state == IntentState::Done {
            settle::booked(&mut tx, tenant, &appointment.id, now).await?;
        }
        tx.commit().await.map_err(failed)?;
        Ok(Begun::Yes)
    }

    async fn begin_change(
        &self,
        scope: Scope<'_>,
        intent: &Intent,
        hold: Option<&SlotId>,
        now: Timestamp,
    ) -> Result<Begun, StoreError> {
        let tenant = scope.tenant();
        let mut tx = self.write(Durability::Power).await?;
        if open_intent_of(&mut tx, tenant, &intent.appointment).await? {
            return Ok(Begun::Blocked);
        }
        if let Some(hold) = hold {
            release(&mut tx, tenant, None, Some(hold)).await?;
        }
        if let IntentKind::Move { busy, resource, .. } = &intent.kind {
            let claimant = Claimant {
                kind: "appointment",
                owner: intent.appointment.as_str(),
                call: None,
                until: None,
                replaces: None,
                intent: Some(&intent.id),
            };
            if !occupy(&mut tx, tenant, resource, busy, &claimant, now).await? {
                return Ok(Begun::Blocked);
            }
        }
        insert_intent(&mut tx, tenant, intent).await?;
        if intent.state == IntentState::Done {
            settle::settle(&mut tx, tenant, &intent.id, &Settlement::Done { uid: None, staff: None }, now).await?;
        }
        tx.commit().await.map_err(failed)?;
        Ok(Begun::Yes)
    }

    async fn settle(
        &self,
        scope: Scope<'_>,
        intent: &IntentId,
        settlement: &Settlement,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let mut tx = self.write(Durability::Power).await?;
        settle::settle(&mut tx, scope.tenant(), intent, settlement, now).await?;
        tx.commit().await.map_err(failed)
    }

    async fn appointment(&self, scope: Scope<'_>, id: &BookingId) -> Result<Option<Appointment>, StoreError> {
        let row = sqlx::query("SELECT * FROM appointments WHERE tenant = ? AND id = ?")
            .bind(scope.tenant().as_str())
            .bind(id.as_str())
            .fetch_optional(&self.readers)
            .await
            .map_err(failed)?;
        row.as_ref().map(diary_rows::appointment).transpose()
    }

    async fn appointments(&self, scope: Scope<'_>, filter: &AppointmentFilter) -> Result<Vec<Appointment>, StoreError> {
        let AppointmentFilter { owner, call, ending_after, standing_only, limit } = filter;
        let rows = sqlx::query(
            "SELECT * FROM appointments
             WHERE tenant = ?1
               AND (?2 IS NULL OR owner = ?2)
               AND (?3 IS NULL OR call_id = ?3)
               AND (?4 IS NULL OR end_ms > ?4)
               AND (?5 = 0 OR state IN ('pending', 'booked', 'needs_person'))
             ORDER BY start_ms, id LIMIT ?6",
        )
        .bind(scope.tenant().as_str())
        .bind(owner.as_ref().map(|owner| owner.e164()))
        .bind(call.as_ref().map(CallId::as_str))
        .bind(ending_after.map(ms))
        .bind(i64::from(*standing_only))
        .bind(i64::from(if *limit == 0 { 100 } else { *limit }))
        .fetch_all(&self.readers)
        .await
        .map_err(failed)?;
        rows.iter().map(diary_rows::appointment).collect()
    }

    async fn intent_of(&self, scope: Scope<'_>, appointment: &BookingId) -> Result<Option<Intent>, StoreError> {
        let row = sqlx::query(
            "SELECT * FROM intents WHERE tenant = ? AND appointment = ? ORDER BY created_at DESC, rowid DESC LIMIT 1",
        )
        .bind(scope.tenant().as_str())
        .bind(appointment.as_str())
        .fetch_optional(&self.readers)
        .await
        .map_err(failed)?;
        row.as_ref().map(diary_rows::intent).transpose()
    }

    async fn take_due(&self, now: Timestamp, lease: SignedDuration, most: u32) -> Result<Vec<(TenantId, IntentId)>, StoreError> {
        let due = sqlx::query("SELECT EXISTS (SELECT 1 FROM intents WHERE state IN ('open', 'watched') AND lease_until <= ?)")
            .bind(ms(now))
            .fetch_one(&self.readers)
            .await
            .map_err(failed)?;
        if !due.get::<bool, _>(0) {
            return Ok(Vec::new());
        }
        let mut tx = self.write(Durability::Process).await?;
        let rows = sqlx::query(
            "UPDATE intents SET lease_until = ?1
             WHERE rowid IN (SELECT rowid FROM intents WHERE state IN ('open', 'watched') AND lease_until <= ?2
                             ORDER BY lease_until LIMIT ?3)
             RETURNING tenant, id",
        )
        .bind(ms(now + lease))
        .bind(ms(now))
        .bind(i64::from(most))
        .fetch_all(&mut *tx)
        .await
        .map_err(failed)?;
        tx.commit().await.map_err(failed)?;
        Ok(rows.iter().map(|row| (TenantId::new(row.get::<String, _>(0)), IntentId::new(row.get::<String, _>(1)))).collect())
    }

    async fn intent(&self, scope: Scope<'_>, id: &IntentId) -> Result<Option<Intent>, StoreError> {
        let row = sqlx::query("SELECT * FROM intents WHERE tenant = ? AND id = ?")
            .bind(scope.tenant().as_str())
            .bind(id.as_str())
            .fetch_optional(&self.readers)
            .await
            .map_err(failed)?;
        row.as_ref().map(diary_rows::intent).transpose()
    }

    async fn intents(&self, scope: Scope<'_>, most: u32) -> Result<Vec<Intent>, StoreError> {
        let rows = sqlx::query("SELECT * FROM intents WHERE tenant = ? ORDER BY created_at DESC, rowid DESC LIMIT ?")
            .bind(scope.tenant().as_str())
            .bind(i64::from(most))
            .fetch_all(&self.readers)
            .await
            .map_err(failed)?;
        rows.iter().map(diary_rows::intent).collect()
    }
}

// === holds ===

// === occupancy ===

// === appointments and intents ===

async fn insert_appointment(tx: &mut Tx, tenant: &TenantId, appointment: &Appointment, now: Timestamp) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO appointments (tenant, id, call_id, owner, name, email, phone, service, staff, resource, event_type,
                                   start_ms, end_ms, state, calendar_uid, notes, created_at, updated_at)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(tenant.as_str())
    .bind(appointment.id.as_str())
    .bind(appointment.call.as_ref().map(CallId::as_str))
    .bind(appointment.owner.as_ref().map(|phone| phone.e164()))
    .bind(appointment.attendee.name.expose())
    .bind(appointment.attendee.email.as_ref().map(|email| email.expose()))
    .bind(appointment.attendee.phone.as_ref().map(|phone| phone.e164()))
    .bind(&appointment.service)
    .bind(&appointment.staff)
    .bind(appointment.resource.as_str())
    .bind(appointment.event_type)
    .bind(ms(appointment.start))
    .bind(ms(appointment.end))
    .bind(appointment.state.as_str())
    .bind(&appointment.calendar_uid)
    .bind(appointment.notes.as_ref().map(|notes| notes.expose()))
    .bind(ms(appointment.created_at))
    .bind(ms(now))
    .execute(&mut **tx)
    .await
    .map_err(failed)?;
    Ok(())
}

async fn insert_intent(tx: &mut Tx, tenant: &TenantId, intent: &Intent) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO intents (tenant, id, appointment, kind, state, attempts, created_at, lease_until)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(tenant.as_str())
    .bind(intent.id.as_str())
    .bind(intent.appointment.as_str())
    .bind(to_json(&intent.kind)?)
    .bind(intent.state.as_str())
    .bind(i64::from(intent.attempts))
    .bind(ms(intent.created_at))
    .bind(ms(intent.lease_until))
    .execute(&mut **tx)
    .await
    .map_err(failed)?;
    Ok(())
}

async fn open_intent_of(tx: &mut Tx, tenant: &TenantId, appointment: &BookingId) -> Result<bool, StoreError> {
    let row = sqlx::query("SELECT EXISTS (SELECT 1 FROM intents WHERE tenant = ? AND appointment = ? AND state = 'open')")
        .bind(tenant.as_str())
        .bind(appointment.as_str())
        .fetch_one(&mut **tx)
        .await
        .map_err(failed)?;
    Ok(row.get(0))
}
