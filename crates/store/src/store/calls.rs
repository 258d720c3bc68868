//! Calls, what was said in them, what the platform reports, and their timeline.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use frontdesk_core::booking::Appointment;
use frontdesk_core::call::{CallContext, CallState, Caller, Memory};
use frontdesk_core::call_facts::{Disposition, Figures, Money};
use frontdesk_core::ids::{CallId, TenantId};
use frontdesk_core::ports::{AppointmentFilter, CallRow, Calls, Heard, Step, StoreError, VoiceEvent};
use frontdesk_core::tenant::Scope;
use jiff::Timestamp;

use super::{Store, diary, dispositions};
use crate::engine::{Durability, Row, Tx, args};
use crate::rows::{Reading, ms, to_json};

/// What calls remember, from when it is handed over until it is written: who asks in between must not
/// find what was there before.
#[derive(Clone, Default)]
pub(crate) struct Unsaved(Arc<Mutex<Waiting>>);

#[derive(Default)]
struct Waiting {
    count: u64,
    memories: HashMap<(TenantId, CallId), (u64, Memory)>,
}

/// Takes an entry away when dropped, unless a newer one has replaced it.
struct Ticket {
    unsaved: Unsaved,
    key: (TenantId, CallId),
    number: u64,
}

impl Unsaved {
    fn of(&self, tenant: &TenantId, call: &CallId) -> Option<Memory> {
        let waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.memories.get(&(tenant.clone(), call.clone())).map(|(_, memory)| memory.clone())
    }

    fn keep(&self, tenant: &TenantId, call: &CallId, memory: Memory) -> Ticket {
        let key = (tenant.clone(), call.clone());
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.count += 1;
        let number = waiting.count;
        waiting.memories.insert(key.clone(), (number, memory));
        Ticket { unsaved: self.clone(), key, number }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let mut waiting = self.unsaved.0.lock().unwrap_or_else(PoisonError::into_inner);
        if waiting.memories.get(&self.key).is_some_and(|(number, _)| *number == self.number) {
            waiting.memories.remove(&self.key);
        }
    }
}

fn memory_of(tx: &mut Tx<'_>, tenant: &TenantId, call: &CallId) -> Result<Option<Memory>, StoreError> {
    let row = tx.first("SELECT memory FROM calls WHERE tenant = ? AND call_id = ?", args![tenant.as_str(), call.as_str()])?;
    row.map(|row| Reading { table: "calls", row: &row }.json("memory")).transpose()
}

impl Store {
    /// Nothing was said in it yet.
    async fn begin_call(&self, tenant: &TenantId, id: &CallId, call: &CallContext, now: Timestamp) -> Result<Memory, StoreError> {
        let (tenant, id, call) = (tenant.clone(), id.clone(), call.clone());
        let known = move |tx: &mut Tx<'_>| make_known(tx, &tenant, &id, &call, now, now);
        if self.engine.is_shared() {
            self.engine.write(Durability::Process, known).await?;
        } else {
            self.engine.write_later("a call that is new", known, || {}).await?;
        }
        Ok(Memory::default())
    }
}

#[async_trait]
impl Calls for Store {
    async fn open(&self, scope: Scope<'_>, call: &CallContext, now: Timestamp) -> Result<Memory, StoreError> {
        let Some(id) = &call.id else { return Ok(Memory::default()) };
        let tenant = scope.tenant();
        if let Some(memory) = self.unsaved.of(tenant, id) {
            return Ok(memory);
        }
        let (whose, which) = (tenant.clone(), id.clone());
        match self.engine.peek(move |tx| memory_of(tx, &whose, &which)).await? {
            Some(memory) => Ok(memory),
            None => self.begin_call(tenant, id, call, now).await,
        }
    }

    async fn open_with(
        &self,
        scope: Scope<'_>,
        call: &CallContext,
        now: Timestamp,
    ) -> Result<(Memory, Vec<Appointment>), StoreError> {
        let Some(owner) = call.caller.phone() else { return Ok((Calls::open(self, scope, call, now).await?, Vec::new())) };
        let (tenant, own) = (scope.tenant(), AppointmentFilter::of_caller(owner, now));
        let unsaved = call.id.as_ref().and_then(|id| self.unsaved.of(tenant, id));
        let (whose, which) = (tenant.clone(), call.id.clone().filter(|_| unsaved.is_none()));
        let read = self.engine.peek(move |tx| {
            let both = which.as_ref().map(|call| diary::memory_and_own(tx, &whose, call, &own)).transpose()?.flatten();
            Ok(match both {
                Some((memory, own)) => (Some(memory), own),
                None => (None, diary::appointments(tx, &whose, &own)?),
            })
        });
        let (known, own) = read.await?;
        let memory = match (unsaved.or(known), &call.id) {
            (Some(memory), _) => memory,
            (None, Some(id)) => self.begin_call(tenant, id, call, now).await?,
            (None, None) => Memory::default(),
        };
        Ok((memory, own))
    }

    async fn remember(&self, scope: Scope<'_>, call: &CallId, memory: &Memory) -> Result<(), StoreError> {
        let (tenant, call, text) = (scope.tenant().clone(), call.clone(), to_json(memory)?);
        let (whose, which) = (tenant.clone(), call.clone());
        let write = move |tx: &mut Tx<'_>| {
            let sql = "UPDATE calls SET memory = ? WHERE tenant = ? AND call_id = ?";
            tx.run(sql, args![&text, whose.as_str(), which.as_str()]).map(drop)
        };
        if self.engine.is_shared() {
            // The call's next word may reach another gateway.
            return self.engine.write(Durability::Process, write).await;
        }
        let ticket = self.unsaved.keep(&tenant, &call, memory.clone());
        self.engine.write_later("what a call remembers", write, move || drop(ticket)).await
    }

    async fn apply(&self, scope: Scope<'_>, call: &CallContext, event: &VoiceEvent, now: Timestamp) -> Result<bool, StoreError> {
        let (tenant, call, event) = (scope.tenant().clone(), call.clone(), event.clone());
        self.engine
            .write(Durability::Power, move |tx| {
                let inserted = tx.run(
                    "INSERT INTO call_events (tenant, call_id, name, digest, kept, at) VALUES (?, ?, ?, ?, ?, ?)
             ON CONFLICT (tenant, call_id, name) DO NOTHING",
                    args![tenant.as_str(), event.call.as_str(), &event.name, &event.digest, &event.kept, ms(now)],
                )?;
                if inserted == 0 {
                    return Ok(tx.undone(false));
                }
                make_known(tx, &tenant, &event.call, &call, event.started_at.unwrap_or(now), now)?;
                let state = match event.name.as_str() {
                    "call_ended" => Some(CallState::Ended),
                    "call_analyzed" => Some(CallState::Analyzed),
                    _ => None,
                };
                // Forward only: the order of the states is the order of their words' ranks below.
                tx.run(
                    "UPDATE calls SET
                state = CASE WHEN state = 'analyzed' THEN state ELSE COALESCE(?3, state) END,
                started_at = COALESCE(?4, started_at),
                ended_at = COALESCE(?5, ended_at),
                ended_why = COALESCE(?6, ended_why),
                -- What was said after the analysis was said before it: the analysis has the last word.
                duration_ms = CASE WHEN state = 'analyzed' THEN COALESCE(duration_ms, ?7) ELSE COALESCE(?7, duration_ms) END,
                cost_currency = CASE WHEN state = 'analyzed' THEN COALESCE(cost_currency, ?9) ELSE COALESCE(?9, cost_currency) END,
                cost_micros = CASE WHEN state = 'analyzed' THEN COALESCE(cost_micros, ?8) ELSE COALESCE(?8, cost_micros) END,
                said_successful = COALESCE(?10, said_successful)
             WHERE tenant = ?1 AND call_id = ?2",
                    args![
                        tenant.as_str(),
                        event.call.as_str(),
                        state.map(word),
                        event.started_at.map(ms),
                        event.ended_at.map(ms),
                        &event.disconnection_reason,
                        event.figures.duration_ms,
                        event.figures.cost.as_ref().map(|cost| cost.micros),
                        event.figures.cost.as_ref().map(|cost| cost.currency.as_str()),
                        event.figures.said_successful.map(i64::from)
                    ],
                )?;
                if state.is_some() {
                    tx.run(
                        "DELETE FROM occupancy WHERE tenant = ? AND kind = 'hold' AND call_id = ?",
                        args![tenant.as_str(), event.call.as_str()],
                    )?;
                }
                Ok(true)
            })
            .await
    }

    async fn note(&self, scope: Scope<'_>, call: &CallId, step: Step) -> Result<(), StoreError> {
        let (tenant, call) = (scope.tenant().clone(), call.clone());
        let write = move |tx: &mut Tx<'_>| {
            tx.run(
                "INSERT INTO call_steps (tenant, call_id, request, function, status, input, output, at, took_ms)
                     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                args![
                    tenant.as_str(),
                    call.as_str(),
                    &step.request,
                    &step.function,
                    &step.status,
                    &step.input,
                    &step.output,
                    ms(step.at),
                    i64::try_from(step.took_ms).unwrap_or(i64::MAX)
                ],
            )
            .map(drop)
        };
        self.engine.write_later("a step of a call", write, || {}).await
    }

    async fn list(&self, scope: Scope<'_>, most: u32) -> Result<Vec<CallRow>, StoreError> {
        let tenant = scope.tenant().clone();
        self.engine.settled().await?;
        self.engine
            .read(move |tx| {
                let rows = tx.all(
                    "SELECT * FROM calls WHERE tenant = ? ORDER BY started_at DESC LIMIT ?",
                    args![tenant.as_str(), i64::from(most)],
                )?;
                let facts = dispositions::of_newest(tx, &tenant, most)?;
                rows.iter().map(|row| read(row, &facts)).collect()
            })
            .await
    }

    async fn timeline(&self, scope: Scope<'_>, call: &CallId) -> Result<Option<(CallRow, Vec<Step>)>, StoreError> {
        let (tenant, call) = (scope.tenant().clone(), call.clone());
        self.engine.settled().await?;
        self.engine
            .read(move |tx| {
                let row =
                    tx.first("SELECT * FROM calls WHERE tenant = ? AND call_id = ?", args![tenant.as_str(), call.as_str()])?;
                let Some(row) = row else { return Ok(None) };
                let steps = tx
                    .all(
                        "SELECT * FROM call_steps WHERE tenant = ? AND call_id = ? ORDER BY id LIMIT 1000",
                        args![tenant.as_str(), call.as_str()],
                    )?
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
                            took_ms: reading.number("took_ms")?.unsigned_abs(),
                        })
                    })
                    .collect::<Result<_, StoreError>>()?;
                let facts = dispositions::of_call(tx, &tenant, &call)?;
                Ok(Some((read(&row, &facts)?, steps)))
            })
            .await
    }
}

fn make_known(
    tx: &mut Tx<'_>,
    tenant: &TenantId,
    id: &CallId,
    call: &CallContext,
    started_at: Timestamp,
    now: Timestamp,
) -> Result<(), StoreError> {
    tx.run(
        "INSERT INTO calls (tenant, call_id, state, from_number, to_number, agent_id, agent_version, started_at, memory)
         VALUES (?, ?, 'ongoing', ?, ?, ?, ?, ?, ?) ON CONFLICT (tenant, call_id) DO NOTHING",
        args![
            tenant.as_str(),
            id.as_str(),
            call.caller.phone().map(|phone| phone.e164()),
            &call.to_number,
            &call.agent_id,
            call.agent_version,
            ms(started_at.min(now)),
            to_json(&Memory::default())?
        ],
    )?;
    Ok(())
}

impl Store {
    /// The events of a call, in the order in which they came.
    pub async fn call_events(&self, scope: Scope<'_>, call: &CallId) -> Result<Vec<Heard>, StoreError> {
        let (tenant, call) = (scope.tenant().clone(), call.clone());
        self.engine
            .read(move |tx| {
                let rows = tx.all(
                    "SELECT name, at, kept FROM call_events WHERE tenant = ? AND call_id = ? ORDER BY at, name",
                    args![tenant.as_str(), call.as_str()],
                )?;
                rows.iter()
                    .map(|row| {
                        let reading = Reading { table: "call_events", row };
                        Ok(Heard { name: reading.text("name")?, at: reading.instant("at")?, kept: reading.text("kept")? })
                    })
                    .collect()
            })
            .await
    }

    /// The calls of all tenants that began before `before` and whose end was never reported, the oldest
    /// hundred.
    pub async fn overdue_calls(&self, before: Timestamp) -> Result<Vec<(TenantId, CallContext)>, StoreError> {
        self.engine.settled().await?;
        self.engine
            .read(move |tx| {
                let rows = tx.all(
                    "SELECT tenant, call_id, from_number FROM calls WHERE state = 'ongoing' AND started_at < ?
                     ORDER BY started_at LIMIT 100",
                    args![ms(before)],
                )?;
                rows.iter().map(context).collect()
            })
            .await
    }

    /// The calls of all tenants whose end was told in `[from, to)`.
    pub async fn calls_ended(&self, from: Timestamp, to: Timestamp) -> Result<Vec<(TenantId, CallContext)>, StoreError> {
        self.engine
            .read(move |tx| {
                let rows = tx.all(
                    "SELECT calls.tenant, calls.call_id, calls.from_number FROM call_events
                     JOIN calls ON calls.tenant = call_events.tenant AND calls.call_id = call_events.call_id
                     WHERE call_events.name = 'call_ended' AND call_events.at >= ? AND call_events.at < ?
                     ORDER BY call_events.at LIMIT 2000",
                    args![ms(from), ms(to)],
                )?;
                rows.iter().map(context).collect()
            })
            .await
    }

    /// Closes a call whose end was never reported; `false` when it was ended meanwhile. An end that is
    /// reported later still counts.
    pub async fn abandon(&self, tenant: &TenantId, call: &CallId) -> Result<bool, StoreError> {
        let (tenant, call) = (tenant.clone(), call.clone());
        self.engine
            .write(Durability::Process, move |tx| {
                let sql = "UPDATE calls SET state = 'abandoned' WHERE tenant = ? AND call_id = ? AND state = 'ongoing'";
                Ok(tx.run(sql, args![tenant.as_str(), call.as_str()])? > 0)
            })
            .await
    }
}

fn context(row: &Row) -> Result<(TenantId, CallContext), StoreError> {
    let reading = Reading { table: "calls", row };
    let caller = Caller::from_envelope(reading.text_or_none("from_number")?.as_deref());
    let id = Some(CallId::new(reading.text("call_id")?));
    Ok((TenantId::new(reading.text("tenant")?), CallContext { id, caller, ..CallContext::none() }))
}

fn word(state: CallState) -> &'static str {
    match state {
        CallState::Ongoing => "ongoing",
        CallState::Abandoned => "abandoned",
        CallState::Ended => "ended",
        CallState::Analyzed => "analyzed",
    }
}

fn read(row: &Row, facts: &HashMap<String, Disposition>) -> Result<CallRow, StoreError> {
    let reading = Reading { table: "calls", row };
    let parse = |text: &str| {
        [CallState::Ongoing, CallState::Abandoned, CallState::Ended, CallState::Analyzed]
            .into_iter()
            .find(|state| word(*state) == text)
    };
    let id = reading.text("call_id")?;
    let (started_at, ended_at) = (reading.instant("started_at")?, reading.instant_or_none("ended_at")?);
    let between = || ended_at.and_then(|end| i64::try_from(end.duration_since(started_at).as_millis()).ok());
    let cost = match (reading.number_or_none("cost_micros")?, reading.text_or_none("cost_currency")?) {
        (Some(micros), Some(currency)) => Some(Money { micros, currency }),
        _ => None,
    };
    Ok(CallRow {
        state: reading.parsed("state", parse)?,
        started_at,
        ended_at,
        figures: Figures {
            duration_ms: reading.number_or_none("duration_ms")?.or_else(between),
            cost,
            said_successful: reading.number_or_none("said_successful")?.map(|said| said != 0),
        },
        disposition: facts.get(&id).copied().unwrap_or(Disposition::None),
        id: CallId::new(id),
    })
}
