//! Holds, appointments and intents. The trigger on `occupancy` is the last word on overlap; the
//! question before each insert only turns it into a polite answer.

use std::sync::atomic::Ordering;

use async_trait::async_trait;
use frontdesk_core::booking::{Appointment, Intent, IntentKind, IntentState, Part};
use frontdesk_core::calendar_news::{Applied, CalendarNews, Placed};
use frontdesk_core::call::{Memory, Phone};
use frontdesk_core::ids::{BookingId, CallId, CallbackId, IntentId, SlotId, TenantId};
use frontdesk_core::ports::{AppointmentFilter, Beginning, Begun, Busy, Diary, Settlement, StoreError};
use frontdesk_core::slot::{HOLD_TTL, Hold, HoldWish, Resource};
use frontdesk_core::tenant::Scope;
use jiff::{SignedDuration, Timestamp};

use super::holds::{Claimant, delete_occupancy, forget_old_holds, occupy, read_hold, release, try_hold};
use super::{Store, busy, diary_rows, news, parts, settle};
use crate::engine::{Durability, Tx, Value, args};
use crate::rows::{Reading, ms, to_json};

/// How often holds that are over are swept out; until then they block nothing.
const SWEEP_EVERY_MS: i64 = 60_000;

#[async_trait]
impl Diary for Store {
    async fn busy(
        &self,
        scope: Scope<'_>,
        resources: &[Resource],
        from: Timestamp,
        to: Timestamp,
        now: Timestamp,
    ) -> Result<Vec<Busy>, StoreError> {
        let (tenant, resources) = (scope.tenant().clone(), resources.to_vec());
        self.engine.peek(move |tx| busy::of(tx, &tenant, &resources, (from, to), now)).await
    }

    async fn busy_and_held(
        &self,
        scope: Scope<'_>,
        call: &CallId,
        resources: &[Resource],
        from: Timestamp,
        to: Timestamp,
        now: Timestamp,
    ) -> Result<(Vec<Busy>, Vec<Hold>), StoreError> {
        let (tenant, resources, call) = (scope.tenant().clone(), resources.to_vec(), call.clone());
        self.engine.peek(move |tx| busy::and_held(tx, &tenant, &call, &resources, (from, to), now)).await
    }

    async fn hold(
        &self,
        scope: Scope<'_>,
        call: Option<&CallId>,
        wishes: &[HoldWish],
        most: usize,
        now: Timestamp,
    ) -> Result<Vec<Hold>, StoreError> {
        let (tenant, call, wishes) = (scope.tenant().clone(), call.cloned(), wishes.to_vec());
        let last = self.swept.load(Ordering::Relaxed);
        // A clock that was set back makes it due as well.
        let is_due = (ms(now) - last).abs() >= SWEEP_EVERY_MS;
        if is_due {
            self.swept.store(ms(now), Ordering::Relaxed);
        }
        self.engine
            .write(Durability::Process, move |tx| {
                if is_due {
                    forget_old_holds(tx, last, now)?;
                }
                if let Some(call) = &call {
                    release(tx, &tenant, Some(call), None)?;
                }
                let mut held = Vec::new();
                for wish in &wishes {
                    if held.len() == most {
                        break;
                    }
                    if let Some(hold) = try_hold(tx, &tenant, call.as_ref(), wish, now)? {
                        held.push(hold);
                    }
                }
                Ok(held)
            })
            .await
    }

    async fn find_hold(&self, scope: Scope<'_>, id: &SlotId) -> Result<Option<Hold>, StoreError> {
        let (tenant, id) = (scope.tenant().clone(), id.clone());
        self.engine.peek(move |tx| read_hold(tx, &tenant, &id)).await
    }

    async fn renew_hold(&self, scope: Scope<'_>, id: &SlotId, now: Timestamp) -> Result<bool, StoreError> {
        let (tenant, id) = (scope.tenant().clone(), id.clone());
        self.engine
            .write(Durability::Process, move |tx| {
                let Some(hold) = read_hold(tx, &tenant, &id)? else { return Ok(false) };
                delete_occupancy(tx, &tenant, id.as_str())?;
                let until = now + HOLD_TTL;
                let claimant = Claimant {
                    kind: "hold",
                    owner: id.as_str(),
                    call: hold.call.as_ref(),
                    until: Some(until),
                    replaces: hold.replaces.as_ref(),
                    intent: None,
                };
                if !occupy(tx, &tenant, &hold.resource, &hold.busy, &claimant, now)? {
                    return Ok(tx.undone(false));
                }
                tx.run(
                    "UPDATE holds SET until_ms = ? WHERE tenant = ? AND id = ?",
                    args![ms(until), tenant.as_str(), id.as_str()],
                )?;
                Ok(true)
            })
            .await
    }

    async fn release(&self, scope: Scope<'_>, call: Option<&CallId>, id: Option<&SlotId>) -> Result<(), StoreError> {
        let (tenant, call, id) = (scope.tenant().clone(), call.cloned(), id.cloned());
        self.engine.write(Durability::Process, move |tx| release(tx, &tenant, call.as_ref(), id.as_ref())).await
    }

    async fn begin(&self, scope: Scope<'_>, beginning: &Beginning, now: Timestamp) -> Result<Begun, StoreError> {
        let (tenant, beginning) = (scope.tenant().clone(), beginning.clone());
        self.engine
            .write(Durability::Power, move |tx| {
                let Beginning { appointment, parts: pieces, busy, hold, intent } = &beginning;
                if let Some(hold) = &hold {
                    release(tx, &tenant, None, Some(hold))?;
                }
                if let Some(call) = &appointment.call {
                    release(tx, &tenant, Some(call), None)?;
                }
                let claimant = Claimant {
                    kind: "appointment",
                    owner: appointment.id.as_str(),
                    call: None,
                    until: None,
                    replaces: None,
                    intent: None,
                };
                if !occupy(tx, &tenant, &appointment.resource, busy, &claimant, now)? {
                    return Ok(tx.undone(Begun::Blocked));
                }
                insert_appointment(tx, &tenant, appointment, now)?;
                parts::insert(tx, &tenant, &appointment.id, pieces, now)?;
                insert_intent(tx, &tenant, intent)?;
                if intent.state == IntentState::Done {
                    settle::booked(tx, &tenant, &appointment.id, now)?;
                }
                Ok(Begun::Yes)
            })
            .await
    }

    async fn begin_change(
        &self,
        scope: Scope<'_>,
        intent: &Intent,
        hold: Option<&SlotId>,
        now: Timestamp,
    ) -> Result<Begun, StoreError> {
        let (tenant, intent, hold) = (scope.tenant().clone(), intent.clone(), hold.cloned());
        self.engine
            .write(Durability::Power, move |tx| {
                if open_intent_of(tx, &tenant, &intent.appointment)? {
                    return Ok(Begun::Blocked);
                }
                if let Some(hold) = &hold {
                    release(tx, &tenant, None, Some(hold))?;
                }
                if let IntentKind::Move { busy, resource, .. } = &intent.kind {
                    let stands = tx.exists(
                        "SELECT EXISTS (SELECT 1 FROM appointments WHERE tenant = ? AND id = ?
                                        AND state NOT IN ('cancelled', 'refused'))",
                        args![tenant.as_str(), intent.appointment.as_str()],
                    )?;
                    if !stands {
                        return Ok(tx.undone(Begun::Blocked));
                    }
                    let claimant = Claimant {
                        kind: "appointment",
                        owner: intent.appointment.as_str(),
                        call: None,
                        until: None,
                        replaces: None,
                        intent: Some(&intent.id),
                    };
                    if !occupy(tx, &tenant, resource, busy, &claimant, now)? {
                        return Ok(tx.undone(Begun::Blocked));
                    }
                }
                insert_intent(tx, &tenant, &intent)?;
                if intent.state == IntentState::Done {
                    settle::settle_done(tx, &tenant, &intent, None, None, now)?;
                }
                Ok(Begun::Yes)
            })
            .await
    }

    async fn settle(
        &self,
        scope: Scope<'_>,
        intent: &Intent,
        settlement: &Settlement,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let (tenant, intent, settlement) = (scope.tenant().clone(), intent.clone(), settlement.clone());
        self.engine
            .write(Durability::Power, move |tx| settle::settle(tx, &tenant, &intent.id, &settlement, Some(&intent), now))
            .await
    }

    async fn parts(&self, scope: Scope<'_>, appointment: &BookingId) -> Result<Vec<Part>, StoreError> {
        let (tenant, appointment) = (scope.tenant().clone(), appointment.clone());
        self.engine.peek(move |tx| parts::of(tx, &tenant, &appointment)).await
    }

    async fn record_part(&self, scope: Scope<'_>, intent: &Intent, part: &Part, now: Timestamp) -> Result<bool, StoreError> {
        let (tenant, intent, part) = (scope.tenant().clone(), intent.clone(), part.clone());
        self.engine.write(Durability::Power, move |tx| parts::record(tx, &tenant, &intent, &part, now)).await
    }

    async fn appointment_of_uid(&self, scope: Scope<'_>, uid: &str) -> Result<Option<Appointment>, StoreError> {
        let (tenant, uid) = (scope.tenant().clone(), uid.to_owned());
        self.engine.peek(move |tx| parts::appointment_of_uid(tx, &tenant, &uid)).await
    }

    async fn appointment(&self, scope: Scope<'_>, id: &BookingId) -> Result<Option<Appointment>, StoreError> {
        let (tenant, id) = (scope.tenant().clone(), id.clone());
        self.engine
            .peek(move |tx| {
                let row =
                    tx.first("SELECT * FROM appointments WHERE tenant = ? AND id = ?", args![tenant.as_str(), id.as_str()])?;
                row.as_ref().map(diary_rows::appointment).transpose()
            })
            .await
    }

    async fn appointments(&self, scope: Scope<'_>, filter: &AppointmentFilter) -> Result<Vec<Appointment>, StoreError> {
        let (tenant, filter) = (scope.tenant().clone(), filter.clone());
        self.engine.peek(move |tx| appointments(tx, &tenant, &filter)).await
    }

    async fn intent_of(&self, scope: Scope<'_>, appointment: &BookingId) -> Result<Option<Intent>, StoreError> {
        let (tenant, appointment) = (scope.tenant().clone(), appointment.clone());
        self.engine
            .peek(move |tx| {
                let row = tx.first(
                    "SELECT * FROM intents WHERE tenant = ? AND appointment = ? ORDER BY created_at DESC, rowid DESC LIMIT 1",
                    args![tenant.as_str(), appointment.as_str()],
                )?;
                row.as_ref().map(diary_rows::intent).transpose()
            })
            .await
    }

    async fn apply_news(
        &self,
        scope: Scope<'_>,
        news: &CalendarNews,
        placed: Option<&Placed>,
        item: &CallbackId,
        now: Timestamp,
    ) -> Result<Applied, StoreError> {
        let (tenant, news, placed, item) = (scope.tenant().clone(), news.clone(), placed.cloned(), item.clone());
        self.engine.write(Durability::Power, move |tx| news::apply(tx, &tenant, &news, placed.as_ref(), &item, now)).await
    }

    async fn take_due(&self, now: Timestamp, lease: SignedDuration, most: u32) -> Result<Vec<(TenantId, IntentId)>, StoreError> {
        let open = "SELECT EXISTS (SELECT 1 FROM intents WHERE state IN ('open', 'watched', 'undoing') AND lease_until <= ?)";
        if !self.engine.read(move |tx| tx.exists(open, args![ms(now)])).await? {
            return Ok(Vec::new());
        }
        self.engine
            .write(Durability::Process, move |tx| {
                let rows = tx.all(
                    "UPDATE intents SET lease_until = ?1, attempts = attempts + 1
                     WHERE rowid IN (SELECT rowid FROM (
                                         SELECT rowid, lease_until,
                                                ROW_NUMBER() OVER (PARTITION BY tenant ORDER BY lease_until, rowid) AS place
                                         FROM intents WHERE state IN ('open', 'watched', 'undoing') AND lease_until <= ?2
                                     ) AS due ORDER BY place, lease_until LIMIT ?3)
                     RETURNING tenant, id",
                    args![ms(now + lease), ms(now), i64::from(most)],
                )?;
                rows.iter()
                    .map(|row| {
                        let reading = Reading { table: "intents", row };
                        Ok((TenantId::new(reading.text("tenant")?), IntentId::new(reading.text("id")?)))
                    })
                    .collect()
            })
            .await
    }

    async fn intent(&self, scope: Scope<'_>, id: &IntentId) -> Result<Option<Intent>, StoreError> {
        let (tenant, id) = (scope.tenant().clone(), id.clone());
        self.engine
            .peek(move |tx| {
                let row = tx.first("SELECT * FROM intents WHERE tenant = ? AND id = ?", args![tenant.as_str(), id.as_str()])?;
                row.as_ref().map(diary_rows::intent).transpose()
            })
            .await
    }

    async fn intents(&self, scope: Scope<'_>, most: u32) -> Result<Vec<Intent>, StoreError> {
        let tenant = scope.tenant().clone();
        self.engine
            .read(move |tx| {
                let rows = tx.all(
                    "SELECT * FROM intents WHERE tenant = ? ORDER BY created_at DESC, rowid DESC LIMIT ?",
                    args![tenant.as_str(), i64::from(most)],
                )?;
                rows.iter().map(diary_rows::intent).collect()
            })
            .await
    }
}

pub(super) fn insert_appointment(
    tx: &mut Tx<'_>,
    tenant: &TenantId,
    appointment: &Appointment,
    now: Timestamp,
) -> Result<(), StoreError> {
    tx.run(
        "INSERT INTO appointments (tenant, id, call_id, owner, name, email, phone, service, staff, resource, event_type,
                                   start_ms, end_ms, state, calendar_uid, notes, created_at, updated_at)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        args![
            tenant.as_str(),
            appointment.id.as_str(),
            appointment.call.as_ref().map(CallId::as_str),
            appointment.owner.as_ref().map(|phone| phone.e164()),
            appointment.attendee.name.expose(),
            appointment.attendee.email.as_ref().map(|email| email.expose()),
            appointment.attendee.phone.as_ref().map(|phone| phone.e164()),
            &appointment.service,
            &appointment.staff,
            appointment.resource.as_str(),
            appointment.event_type,
            ms(appointment.start),
            ms(appointment.end),
            appointment.state.as_str(),
            &appointment.calendar_uid,
            appointment.notes.as_ref().map(|notes| notes.expose()),
            ms(appointment.created_at),
            ms(now)
        ],
    )?;
    Ok(())
}

fn insert_intent(tx: &mut Tx<'_>, tenant: &TenantId, intent: &Intent) -> Result<(), StoreError> {
    tx.run(
        "INSERT INTO intents (tenant, id, appointment, kind, state, attempts, created_at, lease_until)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        args![
            tenant.as_str(),
            intent.id.as_str(),
            intent.appointment.as_str(),
            to_json(&intent.kind)?,
            intent.state.as_str(),
            i64::from(intent.attempts),
            ms(intent.created_at),
            ms(intent.lease_until)
        ],
    )?;
    Ok(())
}

fn open_intent_of(tx: &mut Tx<'_>, tenant: &TenantId, appointment: &BookingId) -> Result<bool, StoreError> {
    tx.exists(
        "SELECT EXISTS (SELECT 1 FROM intents WHERE tenant = ? AND appointment = ? AND state IN ('open', 'undoing'))",
        args![tenant.as_str(), appointment.as_str()],
    )
}

pub(super) fn appointments(
    tx: &mut Tx<'_>,
    tenant: &TenantId,
    filter: &AppointmentFilter,
) -> Result<Vec<Appointment>, StoreError> {
    let AppointmentFilter { owner, call, ending_after, standing_only, limit: _ } = filter;
    let after = ending_after.map_or(i64::MIN, ms);
    let standing_only = i64::from(*standing_only);
    let most = most(filter);
    // One statement per way in, so that each walks its own index. WHY NOT `IN`: SQLite builds a table for its words,
    // which takes as long as all the rest of the look. The order of an owner's is that of their index.
    let rows = match (owner, call) {
        (Some(owner), call) => tx.all(
            "SELECT * FROM appointments
             WHERE tenant = ?1 AND owner = ?2 AND end_ms > ?3
               AND (?4 = 0 OR state = 'pending' OR state = 'booked' OR state = 'needs_person')
               AND (?5 = '' OR call_id = ?5)
             ORDER BY start_ms, id LIMIT ?6",
            args![tenant.as_str(), owner.e164(), after, standing_only, call.as_ref().map_or("", CallId::as_str), most],
        ),
        (None, Some(call)) => tx.all(
            "SELECT * FROM appointments
             WHERE tenant = ?1 AND call_id = ?2 AND end_ms > ?3
               AND (?4 = 0 OR state IN ('pending', 'booked', 'needs_person'))
             ORDER BY start_ms, id LIMIT ?5",
            args![tenant.as_str(), call.as_str(), after, standing_only, most],
        ),
        (None, None) => tx.all(
            "SELECT * FROM appointments
             WHERE tenant = ?1 AND end_ms > ?2
               AND (?3 = 0 OR state IN ('pending', 'booked', 'needs_person'))
             ORDER BY start_ms, id LIMIT ?4",
            args![tenant.as_str(), after, standing_only, most],
        ),
    }?;
    rows.iter().map(diary_rows::appointment).collect()
}

/// What a call remembers and what its caller has, with one statement: `None` for a call that is not known yet. `own`
/// is [`AppointmentFilter::of_caller`].
pub(super) fn memory_and_own(
    tx: &mut Tx<'_>,
    tenant: &TenantId,
    call: &CallId,
    own: &AppointmentFilter,
) -> Result<Option<(Memory, Vec<Appointment>)>, StoreError> {
    let rows = tx.all(
        "SELECT calls.memory, appointments.* FROM calls
         LEFT JOIN appointments ON appointments.tenant = calls.tenant AND appointments.owner = ?3 AND appointments.end_ms > ?4
               AND (?5 = 0 OR appointments.state = 'pending' OR appointments.state = 'booked'
                           OR appointments.state = 'needs_person')
         WHERE calls.tenant = ?1 AND calls.call_id = ?2 ORDER BY appointments.start_ms, appointments.id LIMIT ?6",
        args![
            tenant.as_str(),
            call.as_str(),
            own.owner.as_ref().map_or("", Phone::e164),
            own.ending_after.map_or(i64::MIN, ms),
            i64::from(own.standing_only),
            most(own)
        ],
    )?;
    let Some(first) = rows.first() else { return Ok(None) };
    let memory = Reading { table: "calls", row: first }.json("memory")?;
    // A caller who has nothing is one row without an appointment.
    let has_any = !matches!(first.get("id"), Some(Value::Null));
    let own = rows.iter().filter(|_| has_any).map(diary_rows::appointment).collect::<Result<_, _>>()?;
    Ok(Some((memory, own)))
}

fn most(filter: &AppointmentFilter) -> i64 {
    i64::from(if filter.limit == 0 { 100 } else { filter.limit })
}
