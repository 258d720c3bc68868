//! Work items for people.

use async_trait::async_trait;
use frontdesk_core::booking::{Callback, CallbackCause, CallbackState, Priority};
use frontdesk_core::call::Phone;
use frontdesk_core::ids::{BookingId, CallId, CallbackId, TenantId};
use frontdesk_core::outbox::{Event, Facts, GRACE, Origin};
use frontdesk_core::ports::{CallbackFilter, Callbacks, StoreError};
use frontdesk_core::sensitive::Sensitive;
use frontdesk_core::tenant::Scope;
use jiff::{SignedDuration, Timestamp};

use super::outbox::Effect;
use super::{Store, diary_rows, outbox};
use crate::engine::{Durability, Row, Tx, args};
use crate::rows::{Reading, ms};

/// The same wish of the same number within this time is one work item.
const SAME_WISH: SignedDuration = SignedDuration::from_mins(30);

#[async_trait]
impl Callbacks for Store {
    async fn add(&self, scope: Scope<'_>, callback: &Callback) -> Result<Callback, StoreError> {
        let (tenant, callback) = (scope.tenant().clone(), callback.clone());
        self.engine.write(Durability::Power, move |tx| add(tx, &tenant, &callback)).await
    }

    async fn callback(&self, scope: Scope<'_>, id: &CallbackId) -> Result<Option<Callback>, StoreError> {
        let (tenant, id) = (scope.tenant().clone(), id.clone());
        self.engine
            .peek(move |tx| {
                let row = tx.first("SELECT * FROM callbacks WHERE tenant = ? AND id = ?", args![tenant.as_str(), id.as_str()])?;
                row.as_ref().map(read).transpose()
            })
            .await
    }

    async fn callbacks(&self, scope: Scope<'_>, filter: &CallbackFilter) -> Result<Vec<Callback>, StoreError> {
        let (tenant, filter) = (scope.tenant().clone(), filter.clone());
        self.engine
            .read(move |tx| {
                let CallbackFilter { state, open_only, call, limit } = &filter;
                let rows = tx.all(
                    "SELECT * FROM callbacks
             WHERE tenant = ?1 AND (?2 = '' OR state = ?2)
               AND (?3 = 0 OR state IN ('pending', 'assigned', 'contacted'))
               AND (?4 = '' OR call_id = ?4)
             ORDER BY due_at, id LIMIT ?5",
                    args![
                        tenant.as_str(),
                        state.map_or("", CallbackState::as_str),
                        i64::from(*open_only),
                        call.as_ref().map_or("", CallId::as_str),
                        i64::from(if *limit == 0 { 100 } else { *limit })
                    ],
                )?;
                rows.iter().map(read).collect()
            })
            .await
    }

    async fn update(&self, scope: Scope<'_>, callback: &Callback, seen: Timestamp) -> Result<bool, StoreError> {
        let (tenant, callback) = (scope.tenant().clone(), callback.clone());
        self.engine
            .write(Durability::Power, move |tx| {
                let unchanged = tx.exists(
                    "SELECT EXISTS (SELECT 1 FROM callbacks WHERE tenant = ? AND id = ? AND updated_at = ?)",
                    args![tenant.as_str(), callback.id.as_str(), ms(seen)],
                )?;
                if unchanged {
                    write(tx, &tenant, &callback)?;
                }
                Ok(unchanged)
            })
            .await
    }

    async fn resolve(
        &self,
        scope: Scope<'_>,
        appointment: Option<&BookingId>,
        call: Option<&CallId>,
        phone: Option<&Phone>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let (tenant, appointment, call, phone) = (scope.tenant().clone(), appointment.cloned(), call.cloned(), phone.cloned());
        self.engine
            .write(Durability::Process, move |tx| {
                if let Some(appointment) = &appointment {
                    resolve_appointment(tx, &tenant, appointment.as_str(), now)?;
                }
                resolve_wishes(tx, &tenant, call.as_ref().map(CallId::as_str), phone.as_ref().map(Phone::e164), now)
            })
            .await
    }
}

/// Writes down that somebody has something to do. What a calendar left open often mends itself within a
/// minute, so that nobody is told of it before.
fn queued(tx: &mut Tx<'_>, tenant: &TenantId, callback: &Callback) -> Result<(), StoreError> {
    let now = callback.created_at;
    let origin = Some(if callback.call.is_some() { Origin::Voice } else { Origin::Api });
    let ids =
        Facts { booking_id: callback.appointment.clone(), callback_id: Some(callback.id.clone()), origin, ..Facts::default() };
    let is_provisional = callback.cause == CallbackCause::Provisional;
    let (subject, ordering) =
        (callback.id.as_str(), callback.appointment.as_ref().map_or(callback.id.as_str(), BookingId::as_str));
    let not_before = if is_provisional { now + GRACE } else { now };
    // The doubt about the appointment comes first: what is said of it decides what is said of the work item.
    if let Some(appointment) = callback.appointment.as_ref().filter(|_| is_provisional)
        && let Some(open) = outbox::open_change(tx, tenant, appointment)?
    {
        let facts = Facts { booking_id: ids.booking_id.clone(), callback_id: ids.callback_id.clone(), origin, ..open };
        let effect = Effect { event: Event::Pending, subject, ordering, facts: &facts, not_before };
        outbox::write_effect(tx, tenant, &effect, now)?;
    }
    let effect = Effect { event: Event::CallbackQueued, subject, ordering, facts: &ids, not_before };
    outbox::write_effect(tx, tenant, &effect, now)
}

/// Adds one, or to an open one that is about the same.
pub(super) fn add(tx: &mut Tx<'_>, tenant: &TenantId, callback: &Callback) -> Result<Callback, StoreError> {
    let earlier = tx.first(
        "SELECT * FROM callbacks
    WHERE tenant = ?1 AND cause = ?2 AND state IN ('pending', 'assigned', 'contacted')
      AND appointment IS NOT DISTINCT FROM ?3
      AND (call_id = ?4 OR (phone = ?5 AND created_at > ?6))
    ORDER BY created_at DESC LIMIT 1",
        args![
            tenant.as_str(),
            callback.cause.as_str(),
            callback.appointment.as_ref().map(BookingId::as_str),
            callback.call.as_ref().map(CallId::as_str),
            callback.phone.as_ref().map(Phone::e164),
            ms(callback.created_at - SAME_WISH)
        ],
    )?;
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
        write(tx, tenant, &kept)?;
        return Ok(kept);
    }
    write(tx, tenant, callback)?;
    queued(tx, tenant, callback)?;
    Ok(callback.clone())
}

/// Closes what waited for this appointment to be settled.
pub(super) fn resolve_appointment(
    tx: &mut Tx<'_>,
    tenant: &TenantId,
    appointment: &str,
    now: Timestamp,
) -> Result<(), StoreError> {
    tx.run(
        "UPDATE callbacks SET state = 'resolved', updated_at = ?
         WHERE tenant = ? AND appointment = ? AND state IN ('pending', 'assigned', 'contacted')
           AND cause IN ('provisional', 'unsettled')",
        args![ms(now), tenant.as_str(), appointment],
    )?;
    outbox::supersede_doubts(tx, tenant, appointment, now)
}

/// Closes unmet wishes of a caller who now has an appointment. What was asked for by name stays.
pub(super) fn resolve_wishes(
    tx: &mut Tx<'_>,
    tenant: &TenantId,
    call: Option<&str>,
    phone: Option<&str>,
    now: Timestamp,
) -> Result<(), StoreError> {
    tx.run(
        "UPDATE callbacks SET state = 'resolved', updated_at = ?1
         WHERE tenant = ?2 AND state IN ('pending', 'assigned', 'contacted')
           AND cause IN ('nothing_free', 'calendar_down', 'fault', 'over_limit', 'unfinished')
           AND (call_id = ?3 OR phone = ?4)",
        args![ms(now), tenant.as_str(), call, phone],
    )?;
    Ok(())
}

fn write(tx: &mut Tx<'_>, tenant: &TenantId, callback: &Callback) -> Result<(), StoreError> {
    tx.run(
        "INSERT INTO callbacks (tenant, id, call_id, appointment, name, phone, cause, service, notes, preferred_time,
                                priority, due_at, state, assigned_to, created_at, updated_at)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
         ON CONFLICT (tenant, id) DO UPDATE SET
            name = excluded.name, phone = excluded.phone, service = excluded.service, notes = excluded.notes,
            preferred_time = excluded.preferred_time, priority = excluded.priority, due_at = excluded.due_at,
            state = excluded.state, assigned_to = excluded.assigned_to, updated_at = excluded.updated_at",
        args![
            tenant.as_str(),
            callback.id.as_str(),
            callback.call.as_ref().map(CallId::as_str),
            callback.appointment.as_ref().map(BookingId::as_str),
            callback.name.as_ref().map(|name| name.expose()),
            callback.phone.as_ref().map(Phone::e164),
            callback.cause.as_str(),
            &callback.service,
            callback.notes.as_ref().map(|notes| notes.expose()),
            callback.preferred_time.as_ref().map(|time| time.expose()),
            callback.priority.as_str(),
            ms(callback.due_at),
            callback.state.as_str(),
            &callback.assigned_to,
            ms(callback.created_at),
            ms(callback.updated_at)
        ],
    )?;
    Ok(())
}

fn read(row: &Row) -> Result<Callback, StoreError> {
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
