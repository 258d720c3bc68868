//! Calls, what was said in them, what the platform reports, and their timeline.

use async_trait::async_trait;
use frontdesk_core::call::{CallContext, CallState, Memory};
use frontdesk_core::ids::{CallId, TenantId};
use frontdesk_core::ports::{CallRow, Calls, Step, StoreError, VoiceEvent};
use frontdesk_core::tenant::Scope;
use jiff::Timestamp;
use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;

use super::diary::Tx;
use super::{Durability, SqliteStore};
use crate::rows::{Reading, failed, ms, to_json};

#[async_trait]
impl Calls for SqliteStore {
    async fn open(&self, scope: Scope<'_>, call: &CallContext, now: Timestamp) -> Result<Memory, StoreError> {
        let Some(id) = &call.id else { return Ok(Memory::default()) };
        // Most requests belong to a call that is known: no write for those.
        let row = sqlx::query("SELECT memory FROM calls WHERE tenant = ? AND call_id = ?")
            .bind(scope.tenant().as_str())
            .bind(id.as_str())
            .fetch_optional(&self.readers)
            .await
            .map_err(failed)?;
        if let Some(row) = row {
            return Reading { table: "calls", row: &row }.json("memory");
        }
        let mut tx = self.write(Durability::Process).await?;
        make_known(&mut tx, scope.tenant(), id, call, now, now).await?;
        tx.commit().await.map_err(failed)?;
        Ok(Memory::default())
    }

    async fn remember(&self, scope: Scope<'_>, call: &CallId, memory: &Memory) -> Result<(), StoreError> {
        let mut writer = self.writer(Durability::Process).await?;
        sqlx::query("UPDATE calls SET memory = ? WHERE tenant = ? AND call_id = ?")
            .bind(to_json(memory)?)
            .bind(scope.tenant().as_str())
            .bind(call.as_str())
            .execute(&mut *writer)
            .await
            .map_err(failed)?;
        Ok(())
    }

    async fn apply(&self, scope: Scope<'_>, call: &CallContext, event: &VoiceEvent, now: Timestamp) -> Result<bool, StoreError> {
        let tenant = scope.tenant();
        let mut tx = self.write(Durability::Power).await?;
        let inserted = sqlx::query(
            "INSERT INTO call_events (tenant, call_id, name, digest, kept, at) VALUES (?, ?, ?, ?, ?, ?)
             ON CONFLICT (tenant, call_id, name) DO NOTHING",
        )
        .bind(tenant.as_str())
        .bind(event.call.as_str())
        .bind(&event.name)
        .bind(&event.digest)
        .bind(&event.kept)
        .bind(ms(now))
        .execute(&mut *tx)
        .await
        .map_err(failed)?
        .rows_affected();
        if inserted == 0 {
            return Ok(false);
        }
        make_known(&mut tx, tenant, &event.call, call, event.started_at.unwrap_or(now), now).await?;
        let state = match event.name.as_str() {
            "call_ended" => Some(CallState::Ended),
            "call_analyzed" => Some(CallState::Analyzed),
            _ => None,
        };
        // Forward only: the order of the states is the order of their words' ranks below.
        sqlx::query(
            "UPDATE calls SET
                state = CASE WHEN ?3 IS NULL THEN state
                             WHEN state = 'analyzed' THEN state
                             ELSE ?3 END,
                started_at = COALESCE(?4, started_at),
                ended_at = COALESCE(?5, ended_at),
                ended_why = COALESCE(?6, ended_why)
             WHERE tenant = ?1 AND call_id = ?2",
        )
        .bind(tenant.as_str())
        .bind(event.call.as_str())
        .bind(state.map(word))
        .bind(event.started_at.map(ms))
        .bind(event.ended_at.map(ms))
        .bind(&event.disconnection_reason)
        .execute(&mut *tx)
        .await
        .map_err(failed)?;
        if state.is_some() {
            sqlx::query("DELETE FROM occupancy WHERE tenant = ? AND kind = 'hold' AND call_id = ?")
                .bind(tenant.as_str())
                .bind(event.call.as_str())
                .execute(&mut *tx)
                .await
                .map_err(failed)?;
        }
        tx.commit().await.map_err(failed)?;
        Ok(true)
    }

    async fn note(&self, scope: Scope<'_>, call: &CallId, step: &Step) -> Result<(), StoreError> {
        let mut writer = self.writer(Durability::Process).await?;
        sqlx::query(
            "INSERT INTO call_steps (tenant, call_id, request, function, status, input, output, at, took_ms)
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        )
        .bind(scope.tenant().as_str())
        .bind(call.as_str())
        .bind(&step.request)
        .bind(&step.function)
        .bind(&step.status)
        .bind(&step.input)
        .bind(&step.output)
        .bind(ms(step.at))
        .bind(i64::try_from(step.took_ms).unwrap_or(i64::MAX))
        .execute(&mut *writer)
        .await
        .map_err(failed)?;
        Ok(())
    }

    async fn list(&self, scope: Scope<'_>, most: u32) -> Result<Vec<CallRow>, StoreError> {
        let rows = sqlx::query("SELECT * FROM calls WHERE tenant = ? ORDER BY started_at DESC LIMIT ?")
            .bind(scope.tenant().as_str())
            .bind(i64::from(most))
            .fetch_all(&self.readers)
            .await
            .map_err(failed)?;
        rows.iter().map(read).collect()
    }

    async fn timeline(&self, scope: Scope<'_>, call: &CallId) -> Result<Option<(CallRow, Vec<Step>)>, StoreError> {
        let row = sqlx::query("SELECT * FROM calls WHERE tenant = ? AND call_id = ?")
            .bind(scope.tenant().as_str())
            .bind(call.as_str())
            .fetch_optional(&self.readers)
            .await
            .map_err(failed)?;
        let Some(row) = row else { return Ok(None) };
        let steps = sqlx::query("SELECT * FROM call_steps WHERE tenant = ? AND call_id = ? ORDER BY id LIMIT 1000")
            .bind(scope.tenant().as_str())
            .bind(call.as_str())
            .fetch_all(&self.readers)
            .await
            .map_err(failed)?
            .iter()
            .map(|row| {
                let reading = Reading { table: "call_steps", row };
                Ok(Step {
                    request: reading.text("request")?,
                    function: reading.text("function")?,
                    status: reading.text("status")?,
                    input: reading.text("input")?,
                    output: reading.text("output")?,
                    at: reading.instant("at")?,
                    took_ms: row.try_get::<i64, _>("took_ms").map_err(|_| reading.corrupt("took_ms"))?.unsigned_abs(),
                })
            })
            .collect::<Result<_, StoreError>>()?;
        Ok(Some((read(&row)?, steps)))
    }
}

async fn make_known(
    tx: &mut Tx,
    tenant: &TenantId,
    id: &CallId,
    call: &CallContext,
    started_at: Timestamp,
    now: Timestamp,
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO calls (tenant, call_id, state, from_number, to_number, agent_id, agent_version, started_at, memory)
         VALUES (?, ?, 'ongoing', ?, ?, ?, ?, ?, ?) ON CONFLICT (tenant, call_id) DO NOTHING",
    )
    .bind(tenant.as_str())
    .bind(id.as_str())
    .bind(call.caller.phone().map(|phone| phone.e164()))
    .bind(&call.to_number)
    .bind(&call.agent_id)
    .bind(call.agent_version)
    .bind(ms(started_at.min(now)))
    .bind(to_json(&Memory::default())?)
    .execute(&mut **tx)
    .await
    .map_err(failed)?;
    Ok(())
}

impl SqliteStore {
    /// Closes the calls of all tenants that began before `before` and whose end was never reported; returns
    /// how many. An end that is reported later still counts.
    pub async fn close_abandoned(&self, before: Timestamp) -> Result<u64, StoreError> {
        let mut writer = self.writer(Durability::Process).await?;
        let closed = sqlx::query("UPDATE calls SET state = 'abandoned' WHERE state = 'ongoing' AND started_at < ?")
            .bind(ms(before))
            .execute(&mut *writer)
            .await
            .map_err(failed)?;
        Ok(closed.rows_affected())
    }
}

fn word(state: CallState) -> &'static str {
    match state {
        CallState::Ongoing => "ongoing",
        CallState::Abandoned => "abandoned",
        CallState::Ended => "ended",
        CallState::Analyzed => "analyzed",
    }
}

fn read(row: &SqliteRow) -> Result<CallRow, StoreError> {
    let reading = Reading { table: "calls", row };
    let parse = |text: &str| {
        [CallState::Ongoing, CallState::Abandoned, CallState::Ended, CallState::Analyzed]
            .into_iter()
            .find(|state| word(*state) == text)
    };
    Ok(CallRow {
        id: CallId::new(reading.text("call_id")?),
        state: reading.parsed("state", parse)?,
        started_at: reading.instant("started_at")?,
        ended_at: reading.instant_or_none("ended_at")?,
    })
}
