//! The outbox: effects, and deliveries taken under a lease, in order per receiver and subject.

use async_trait::async_trait;
use frontdesk_core::booking::IntentState;
use frontdesk_core::ids::{BookingId, TenantId};
use frontdesk_core::outbox::{
    Channel, Event, Expansion, Facts, Outbox, OutboxFilter, OutboxRow, OutboxStanding, Receiver, Revival, Room, RowState, Taken,
    Unreadable, delivery_key, usual_pause,
};
use frontdesk_core::ports::StoreError;
use jiff::{SignedDuration, Timestamp};

use super::operations::{AuditRow, audit};
use super::{Store, diary_rows};
use crate::engine::{Arg, Durability, Row, Tx, args};
use crate::rows::{Reading, ms, to_json};

/// So many due rows are looked at for a place at once.
const CANDIDATES: i64 = 1000;
/// So many rows are listed where nobody says how many.
const LISTED: u32 = 100;

#[async_trait]
impl Outbox for Store {
    async fn take_due(&self, now: Timestamp, lease: SignedDuration, room: &Room) -> Result<Vec<Taken>, StoreError> {
        let due = "SELECT EXISTS (SELECT 1 FROM outbox WHERE state = 'waiting' AND not_before <= ? AND channel <> 'event')";
        if room.most == 0 || !self.engine.read(move |tx| tx.exists(due, args![ms(now)])).await? {
            return Ok(Vec::new());
        }
        let room = room.clone();
        let (taken, unreadable) = self
            .engine
            .write(Durability::Process, move |tx| {
                // The oldest of every tenant and channel, so that no backlog hides the others.
                let rows = tx.all(
                    "SELECT id, tenant, channel, kind FROM (
                         SELECT id, tenant, channel, kind, not_before,
                                ROW_NUMBER() OVER (PARTITION BY tenant, channel ORDER BY not_before, id) AS place
                         FROM outbox AS it
                         WHERE state = 'waiting' AND not_before <= ?1 AND channel <> 'event'
                           AND NOT EXISTS (SELECT 1 FROM outbox AS earlier
                                           WHERE earlier.tenant = it.tenant AND earlier.ordering = it.ordering
                                             AND earlier.channel = it.channel AND earlier.target = it.target
                                             AND earlier.state = 'waiting' AND earlier.id < it.id)
                     ) AS due
                     WHERE place <= ?2 ORDER BY place, not_before, id LIMIT ?3",
                    args![ms(now), i64::try_from(room.each).unwrap_or(i64::MAX), CANDIDATES],
                )?;
                let mut running = room.running.clone();
                let (mut taken, mut unreadable) = (Vec::new(), Vec::new());
                // Who has the fewest places comes first: one that is freed is nobody's by habit.
                let (mut ahead, mut candidates) = (room.running.clone(), Vec::new());
                for row in &rows {
                    let id = Reading { table: "outbox", row }.number("id")?;
                    match readable(receiver(row))? {
                        Ok(receiver) => {
                            let ahead = ahead.entry(receiver.clone()).or_default();
                            candidates.push((*ahead, id, receiver));
                            *ahead += 1;
                        }
                        Err(column) => unreadable.extend(set_aside(tx, Unreadable { id, column }, false, now)?),
                    }
                }
                candidates.sort_by_key(|(ahead, _, _)| *ahead);
                for (_, id, receiver) in candidates {
                    if taken.len() >= room.most {
                        break;
                    }
                    let places = running.entry(receiver).or_default();
                    if *places >= room.each {
                        continue;
                    }
                    let leased = tx.first(
                        "UPDATE outbox SET attempts = attempts + 1, not_before = ? WHERE id = ? AND state = 'waiting' RETURNING *",
                        args![ms(now + lease), id],
                    )?;
                    let Some(leased) = leased else { continue };
                    match readable(read(&leased))? {
                        Ok(row) => {
                            *places += 1;
                            taken.push(row.row);
                        }
                        Err(column) => unreadable.extend(set_aside(tx, Unreadable { id, column }, true, now)?),
                    }
                }
                Ok((taken, unreadable))
            })
            .await?;
        tell(&unreadable);
        Ok(taken)
    }

    async fn effects_due(&self, now: Timestamp, most: u32) -> Result<(Vec<Taken>, Vec<Unreadable>), StoreError> {
        self.engine
            .read(move |tx| {
                // One that still waits for its grace holds back what came after it.
                let rows = tx.all(
                    "SELECT * FROM outbox AS it
                     WHERE state = 'waiting' AND not_before <= ?1 AND channel = 'event'
                       AND NOT EXISTS (SELECT 1 FROM outbox AS earlier
                                       WHERE earlier.tenant = it.tenant AND earlier.ordering = it.ordering
                                         AND earlier.channel = 'event' AND earlier.state = 'waiting'
                                         AND earlier.id < it.id AND earlier.not_before > ?1)
                     ORDER BY id LIMIT ?2",
                    args![ms(now), i64::from(most)],
                )?;
                let (mut due, mut unreadable) = (Vec::new(), Vec::new());
                for row in &rows {
                    let id = Reading { table: "outbox", row }.number("id")?;
                    match readable(read(row))? {
                        Ok(row) => due.push(row.row),
                        Err(column) => unreadable.push(Unreadable { id, column }),
                    }
                }
                Ok((due, unreadable))
            })
            .await
    }

    async fn set_aside(&self, rows: &[Unreadable], now: Timestamp) -> Result<(), StoreError> {
        let rows = rows.to_vec();
        let done = self.engine.write(Durability::Process, move |tx| {
            let mut done = Vec::new();
            for row in &rows {
                done.extend(set_aside(tx, *row, false, now)?);
            }
            Ok(done)
        });
        tell(&done.await?);
        Ok(())
    }

    async fn expand(&self, effects: &[(Taken, Expansion)], now: Timestamp) -> Result<(), StoreError> {
        let effects = effects.to_vec();
        self.engine
            // What is lost with the power is an effect again, and its deliveries have the same keys.
            .write(Durability::Process, move |tx| {
                for (effect, expansion) in &effects {
                    match expansion {
                        Expansion::Superseded(why) => drop(close(tx, effect, RowState::Superseded, Some(why), now)?),
                        Expansion::To(receivers) => expand(tx, effect, receivers, now)?,
                    }
                }
                Ok(())
            })
            .await
    }

    async fn done(&self, row: &Taken, now: Timestamp) -> Result<(), StoreError> {
        // WHY NOT ask whose lease it is: a delivery that was made is one, and who repeats it now may stop then.
        let row = row.clone();
        self.engine.write(Durability::Power, move |tx| close(tx, &row, RowState::Done, None, now).map(drop)).await
    }

    async fn superseded(&self, row: &Taken, why: &str, now: Timestamp) -> Result<(), StoreError> {
        let (row, why) = (row.clone(), why.to_owned());
        self.engine
            .write(Durability::Power, move |tx| {
                if holds(tx, &row)? {
                    close(tx, &row, RowState::Superseded, Some(&why), now)?;
                }
                Ok(())
            })
            .await
    }

    async fn again(&self, row: &Taken, not_before: Timestamp, why: &str) -> Result<(), StoreError> {
        let (row, why) = (row.clone(), why.to_owned());
        self.engine
            .write(Durability::Process, move |tx| {
                if holds(tx, &row)? {
                    let sql = "UPDATE outbox SET not_before = ?, last_error = ? WHERE id = ? AND state = 'waiting'";
                    tx.run(sql, args![ms(not_before), &why, row.id])?;
                }
                Ok(())
            })
            .await
    }

    async fn dead(&self, row: &Taken, why: &str, now: Timestamp) -> Result<(), StoreError> {
        let (row, why) = (row.clone(), why.to_owned());
        self.engine
            .write(Durability::Power, move |tx| {
                if holds(tx, &row)? {
                    close(tx, &row, RowState::Dead, Some(&why), now)?;
                }
                Ok(())
            })
            .await
    }

    async fn outbox(&self, filter: &OutboxFilter) -> Result<Vec<OutboxRow>, StoreError> {
        let filter = filter.clone();
        self.engine
            .read(move |tx| {
                let rows = tx.all(
                    "SELECT * FROM outbox WHERE (?1 = '' OR tenant = ?1) AND (?2 = '' OR state = ?2) ORDER BY id DESC LIMIT ?3",
                    args![
                        filter.tenant.as_ref().map_or("", TenantId::as_str),
                        filter.state.map_or("", RowState::as_str),
                        i64::from(if filter.limit == 0 { LISTED } else { filter.limit })
                    ],
                )?;
                rows.iter().map(shown).collect()
            })
            .await
    }

    async fn revive(&self, which: &Revival, who: &str, now: Timestamp) -> Result<u64, StoreError> {
        let (which, who) = (which.clone(), who.to_owned());
        self.engine
            .write(Durability::Power, move |tx| {
                let (rows, what, tenant) = match &which {
                    Revival::One(id) => {
                        let rows = tx.all("SELECT id, tenant FROM outbox WHERE state = 'dead' AND id = ?", args![*id])?;
                        let owner = rows.first().map(|row| Reading { table: "outbox", row }.text("tenant")).transpose()?;
                        (rows, format!("outbox retry {id}"), owner)
                    }
                    Revival::AllDead(tenant) => {
                        let slug = tenant.as_ref().map_or("", TenantId::as_str);
                        let sql = "SELECT id FROM outbox WHERE state = 'dead' AND (?1 = '' OR tenant = ?1)";
                        (tx.all(sql, args![slug])?, "outbox retry all".to_owned(), tenant.as_ref().map(ToString::to_string))
                    }
                };
                for row in &rows {
                    tx.run(
                        "UPDATE outbox SET state = 'waiting', attempts = 0, not_before = ?, done_at = NULL WHERE id = ?",
                        args![ms(now), Reading { table: "outbox", row }.number("id")?],
                    )?;
                }
                if !rows.is_empty() {
                    let row = AuditRow {
                        at: now,
                        who: who.clone(),
                        what,
                        tenant,
                        was: Some("dead".to_owned()),
                        now: Some("waiting".to_owned()),
                        until: None,
                        why: None,
                    };
                    audit(tx, &row)?;
                }
                Ok(u64::try_from(rows.len()).unwrap_or(u64::MAX))
            })
            .await
    }

    async fn outbox_standing(&self, now: Timestamp) -> Result<OutboxStanding, StoreError> {
        self.engine
            .read(move |tx| {
                let row = tx.first(
                    "SELECT COUNT(*) AS waiting, (SELECT COUNT(*) FROM outbox WHERE state = 'dead') AS dead,
                            MIN(CASE WHEN attempts > 0 OR last_error IS NOT NULL OR not_before <= ? THEN created_at END) AS oldest
                     FROM outbox WHERE state = 'waiting'",
                    args![ms(now)],
                )?;
                let Some(row) = row else { return Ok(OutboxStanding::default()) };
                let reading = Reading { table: "outbox", row: &row };
                Ok(OutboxStanding {
                    waiting: reading.number("waiting")?.unsigned_abs(),
                    dead: reading.number("dead")?.unsigned_abs(),
                    oldest: reading.instant_or_none("oldest")?,
                })
            })
            .await
    }
}

impl Store {
    /// Lays a dead delivery to rest: nobody has to hear it any more. `false` where there is none of that number.
    pub async fn dismiss_delivery(&self, id: i64, who: &str, why: &str, now: Timestamp) -> Result<bool, StoreError> {
        let (who, why) = (who.to_owned(), why.to_owned());
        self.engine
            .write(Durability::Power, move |tx| {
                let row = tx.first("SELECT tenant FROM outbox WHERE state = 'dead' AND id = ?", args![id])?;
                let Some(row) = row else { return Ok(false) };
                let tenant = Reading { table: "outbox", row: &row }.text("tenant")?;
                tx.run("UPDATE outbox SET state = 'superseded', done_at = ? WHERE id = ?", args![ms(now), id])?;
                let row = AuditRow {
                    at: now,
                    who: who.clone(),
                    what: format!("outbox dismiss {id}"),
                    tenant: Some(tenant),
                    was: Some("dead".to_owned()),
                    now: Some("superseded".to_owned()),
                    until: None,
                    why: Some(why.clone()),
                };
                audit(tx, &row)?;
                Ok(true)
            })
            .await
    }

    /// Lets go of what was over before `before`; what was given up stays until somebody has looked at it.
    pub async fn forget_outbox(&self, before: Timestamp) -> Result<u64, StoreError> {
        let sql = "DELETE FROM outbox WHERE state IN ('done', 'superseded') AND done_at < ?";
        self.engine.write(Durability::Process, move |tx| tx.run(sql, args![ms(before)])).await
    }
}

/// An effect to be written down with what causes it.
pub(super) struct Effect<'a> {
    pub(super) event: Event,
    /// One effect of a kind per subject.
    pub(super) subject: &'a str,
    pub(super) ordering: &'a str,
    pub(super) facts: &'a Facts,
    pub(super) not_before: Timestamp,
}

/// Writes an effect.
pub(super) fn write_effect(tx: &mut Tx<'_>, tenant: &TenantId, effect: &Effect<'_>, now: Timestamp) -> Result<(), StoreError> {
    tx.run(
        "INSERT INTO outbox (tenant, kind, subject, body, state, not_before, created_at, channel, ordering)
         VALUES (?, ?, ?, ?, 'waiting', ?, ?, 'event', ?) ON CONFLICT (tenant, kind, subject) DO NOTHING",
        args![
            tenant.as_str(),
            effect.event.as_str(),
            effect.subject,
            to_json(effect.facts)?,
            ms(effect.not_before),
            ms(now),
            effect.ordering
        ],
    )?;
    Ok(())
}

/// The appointment is settled: what was to be said of the doubt about it is not said any more.
pub(super) fn supersede_doubts(tx: &mut Tx<'_>, tenant: &TenantId, appointment: &str, now: Timestamp) -> Result<(), StoreError> {
    tx.run(
        "UPDATE outbox SET state = 'superseded', done_at = ?, last_error = 'settled meanwhile'
         WHERE tenant = ? AND ordering = ? AND channel = 'event' AND target = '' AND state = 'waiting'
           AND kind IN ('appointment.pending', 'callback.queued')",
        args![ms(now), tenant.as_str(), appointment],
    )?;
    Ok(())
}

/// Whether the appointment was provisional before, and whether anybody heard of that.
pub(super) fn doubts(tx: &mut Tx<'_>, tenant: &TenantId, appointment: &str) -> Result<(bool, bool), StoreError> {
    let any = "SELECT EXISTS (SELECT 1 FROM outbox WHERE tenant = ? AND ordering = ? AND channel = 'event' AND target = ''
                              AND kind = 'appointment.pending')";
    let told = "SELECT EXISTS (SELECT 1 FROM outbox WHERE tenant = ? AND ordering = ? AND channel = 'event' AND target = ''
                               AND kind = 'appointment.pending' AND state = 'done')";
    let args: &[Arg<'_>] = args![tenant.as_str(), appointment];
    Ok((tx.exists(any, args)?, tx.exists(told, args)?))
}

/// What of an appointment waits for its calendar, if anything does.
pub(super) fn open_change(tx: &mut Tx<'_>, tenant: &TenantId, appointment: &BookingId) -> Result<Option<Facts>, StoreError> {
    let intent = tx.first(
        "SELECT * FROM intents WHERE tenant = ? AND appointment = ? AND state IN ('open', 'handed_over')
         ORDER BY created_at DESC, id DESC LIMIT 1",
        args![tenant.as_str(), appointment.as_str()],
    )?;
    let Some(intent) = intent.as_ref().map(diary_rows::intent).transpose()? else { return Ok(None) };
    debug_assert!(matches!(intent.state, IntentState::Open | IntentState::HandedOver));
    let row = tx.first("SELECT * FROM appointments WHERE tenant = ? AND id = ?", args![tenant.as_str(), appointment.as_str()])?;
    let Some(appointment) = row.as_ref().map(diary_rows::appointment).transpose()? else { return Ok(None) };
    Ok(Some(Facts {
        start: Some(appointment.start),
        end: Some(appointment.end),
        wanted: Some((&intent.kind).into()),
        ..Facts::default()
    }))
}

/// Whether the row is still whose who took it: neither the lease of a successor nor what was revived meanwhile is
/// touched by somebody who comes late.
fn holds(tx: &mut Tx<'_>, row: &Taken) -> Result<bool, StoreError> {
    tx.exists(
        "SELECT EXISTS (SELECT 1 FROM outbox WHERE id = ? AND state = 'waiting' AND attempts = ? AND not_before = ?)",
        args![row.id, i64::from(row.attempts), ms(row.lease_until)],
    )
}

/// Ends a row that waits; `false` when it was over already.
fn close(tx: &mut Tx<'_>, row: &Taken, state: RowState, why: Option<&str>, now: Timestamp) -> Result<bool, StoreError> {
    let touched = tx.run(
        "UPDATE outbox SET state = ?, last_error = ?, done_at = ? WHERE id = ? AND tenant = ? AND state = 'waiting'",
        args![state.as_str(), why, ms(now), row.id, row.tenant.as_str()],
    )?;
    Ok(touched > 0)
}

/// Ends an effect with a delivery for each of its receivers, unless somebody else was first.
fn expand(tx: &mut Tx<'_>, effect: &Taken, receivers: &[Receiver], now: Timestamp) -> Result<(), StoreError> {
    if !close(tx, effect, RowState::Done, None, now)? || receivers.is_empty() {
        return Ok(());
    }
    let subject = subject_of(tx, effect.id)?;
    for receiver in receivers {
        let (channel, target) = (receiver.channel().as_str(), receiver.as_stored());
        tx.run(
            "INSERT INTO outbox (tenant, kind, subject, body, state, not_before, created_at,
                                 channel, target, ordering, delivery_key)
             VALUES (?, ?, ?, ?, 'waiting', ?, ?, ?, ?, ?, ?) ON CONFLICT (tenant, kind, subject) DO NOTHING",
            args![
                effect.tenant.as_str(),
                effect.event.as_str(),
                format!("{subject}>{channel}:{target}"),
                to_json(&effect.facts)?,
                ms(now),
                ms(effect.created_at),
                channel,
                &target,
                &effect.ordering,
                delivery_key(&effect.tenant, effect.event, &subject, receiver)
            ],
        )?;
    }
    Ok(())
}

fn subject_of(tx: &mut Tx<'_>, id: i64) -> Result<String, StoreError> {
    let row = tx.first("SELECT subject FROM outbox WHERE id = ?", args![id])?;
    row.map_or(Ok(String::new()), |row| Reading { table: "outbox", row: &row }.text("subject"))
}

fn read(row: &Row) -> Result<OutboxRow, StoreError> {
    let reading = Reading { table: "outbox", row };
    Ok(OutboxRow {
        row: Taken {
            id: reading.number("id")?,
            tenant: TenantId::new(reading.text("tenant")?),
            event: reading.parsed("kind", Event::from_stored)?,
            channel: reading.parsed("channel", Channel::from_stored)?,
            target: reading.text("target")?,
            ordering: reading.text("ordering")?,
            key: reading.text("delivery_key")?,
            facts: reading.json("body")?,
            attempts: u32::try_from(reading.number("attempts")?).map_err(|_| reading.corrupt("attempts"))?,
            created_at: reading.instant("created_at")?,
            lease_until: reading.instant("not_before")?,
        },
        state: reading.parsed("state", RowState::parse)?,
        not_before: reading.instant("not_before")?,
        last_error: reading.text_or_none("last_error")?,
        done_at: reading.instant_or_none("done_at")?,
        unreadable: None,
    })
}

/// Whose row it is and which way it goes.
fn receiver(row: &Row) -> Result<(TenantId, Channel), StoreError> {
    let reading = Reading { table: "outbox", row };
    Ok((TenantId::new(reading.text("tenant")?), reading.parsed("channel", Channel::from_stored)?))
}

/// What was read, or the column that could not be.
fn readable<T>(read: Result<T, StoreError>) -> Result<Result<T, &'static str>, StoreError> {
    match read {
        Ok(row) => Ok(Ok(row)),
        Err(StoreError::Corrupt { column, .. }) => Ok(Err(column)),
        Err(error) => Err(error),
    }
}

/// Puts a row off, unless somebody else was first; `is_counted` where this attempt is in the row already. Whether it
/// is given up.
///
/// WHY NOT give it up at once: while gateways are brought forward one by one, a newer one may have written it.
fn set_aside(
    tx: &mut Tx<'_>,
    which: Unreadable,
    is_counted: bool,
    now: Timestamp,
) -> Result<Option<(Unreadable, bool)>, StoreError> {
    let sql = "SELECT attempts FROM outbox WHERE id = ?1 AND state = 'waiting' AND (not_before <= ?2 OR ?3 = 1)";
    let Some(row) = tx.first(sql, args![which.id, ms(now), i64::from(is_counted)])? else { return Ok(None) };
    let attempts = Reading { table: "outbox", row: &row }.number("attempts").ok().and_then(|it| u32::try_from(it).ok());
    let attempts = attempts.map(|before| before.saturating_add(u32::from(!is_counted)));
    let pause = attempts.and_then(usual_pause);
    let why = format!("unreadable: {}", which.column);
    match (attempts, pause) {
        (Some(attempts), Some(pause)) => tx.run(
            "UPDATE outbox SET attempts = ?, not_before = ?, last_error = ? WHERE id = ?",
            args![i64::from(attempts), ms(now + pause), &why, which.id],
        )?,
        _ => {
            tx.run("UPDATE outbox SET state = 'dead', done_at = ?, last_error = ? WHERE id = ?", args![ms(now), &why, which.id])?
        }
    };
    Ok(Some((which, pause.is_none())))
}

fn tell(set_aside: &[(Unreadable, bool)]) {
    for (Unreadable { id, column }, is_dead) in set_aside {
        let then = if *is_dead { "it is given up" } else { "it is tried again later" };
        tracing::error!(channel = "outbox", critical = true, row = id, column, "a row of the outbox cannot be read; {then}");
    }
}

/// A row for operators, whatever of it can be read.
fn shown(row: &Row) -> Result<OutboxRow, StoreError> {
    let column = match readable(read(row))? {
        Ok(row) => return Ok(row),
        Err(column) => column,
    };
    let reading = Reading { table: "outbox", row };
    let text = |column| reading.text(column).unwrap_or_default();
    let instant = |column| reading.instant(column).unwrap_or(Timestamp::UNIX_EPOCH);
    Ok(OutboxRow {
        row: Taken {
            id: reading.number("id")?,
            tenant: TenantId::new(text("tenant")),
            event: Event::CallbackQueued,
            channel: Channel::Event,
            target: text("target"),
            ordering: text("ordering"),
            key: text("delivery_key"),
            facts: Facts::default(),
            attempts: 0,
            created_at: instant("created_at"),
            lease_until: instant("not_before"),
        },
        state: reading.parsed("state", RowState::parse).unwrap_or(RowState::Dead),
        not_before: instant("not_before"),
        last_error: reading.text_or_none("last_error").unwrap_or_default(),
        done_at: reading.instant_or_none("done_at").unwrap_or_default(),
        unreadable: Some(column),
    })
}
