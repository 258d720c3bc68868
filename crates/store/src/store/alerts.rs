//! Alerts, who is silenced, what gateways counted, and whose turn it is to look at all of it.

use std::collections::BTreeMap;

use frontdesk_core::alert::{Alert, Counts, Notice, Rule, Silence};
use frontdesk_core::ids::TenantId;
use frontdesk_core::outbox::{Channel, Event, Facts};
use frontdesk_core::ports::StoreError;
use frontdesk_core::tenant::Scope;
use jiff::{SignedDuration, Timestamp};

use super::Store;
use super::operations::{AuditRow, audit};
use crate::engine::{Durability, Row, Tx, args};
use crate::rows::{Reading, ms, to_json};

/// Under this name all gateways share one turn.
const TURN: &str = "alerts";
/// A silence over every subject.
const EVERY: &str = "*";

const CALLS_AFTER: &str = "SELECT COUNT(*) AS count FROM calls WHERE tenant = ? AND started_at > ? AND agent_id IS NOT NULL";

/// An alert that changes, and who is told.
#[derive(Debug, Clone)]
pub struct AlertChange {
    /// As it is from now on.
    pub alert: Alert,
    /// A delivery for each receiver; none where nobody is told.
    pub deliveries: Vec<AlertDelivery>,
}

/// One receiver of an alert.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AlertDelivery {
    /// Which way it goes.
    pub channel: Channel,
    /// To whom; a digest, never an address.
    pub target: String,
    /// What a receiver tells repeats by.
    pub key: String,
}

/// One call, for who asks whether the platform tells of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallSeen {
    /// Whose.
    pub agent: String,
    /// When it began.
    pub started_at: Timestamp,
    /// When something was told of it last.
    pub told_at: Option<Timestamp>,
    /// Whether its end was told.
    pub is_over: bool,
}

/// What is usual of an agent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AgentUsual {
    /// Its calls of which something was told.
    pub with_events: u64,
    /// Its calls whose end was told.
    pub ended: u64,
    /// When the newest began, or was told of.
    pub last_heard: Option<Timestamp>,
    /// How many began in each hour: its beginning in Unix seconds.
    pub by_hour: Vec<(i64, u64)>,
}

/// What calendars have not settled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unsettled {
    /// Whose.
    pub tenant: TenantId,
    /// How many are open, and since when the oldest; `None` where none is.
    pub open: Option<(u64, Timestamp)>,
    /// How many are half done and could not be put back.
    pub torn: u64,
}

impl Store {
    /// Takes or keeps the turn to look at alerts for all gateways.
    pub async fn take_alert_turn(&self, holder: &str, now: Timestamp, lease: SignedDuration) -> Result<bool, StoreError> {
        let (me, other) = (holder.to_owned(), holder.to_owned());
        // Who has to wait does not write.
        let taken = "SELECT EXISTS (SELECT 1 FROM turns WHERE name = ? AND holder <> ? AND lease_until > ?)";
        if self.engine.peek(move |tx| tx.exists(taken, args![TURN, &other, ms(now)])).await? {
            return Ok(false);
        }
        self.engine
            .write(Durability::Process, move |tx| {
                let row = tx.first(
                    "INSERT INTO turns (name, holder, lease_until) VALUES (?1, ?2, ?3)
                     ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, lease_until = excluded.lease_until
                     WHERE turns.holder = excluded.holder OR turns.lease_until <= ?4
                     RETURNING holder",
                    args![TURN, &me, ms(now + lease), ms(now)],
                )?;
                Ok(row.is_some())
            })
            .await
    }

    /// Files what this gateway counted in a slot; what it filed for it before is replaced.
    pub async fn observe(&self, gateway: &str, slot: Timestamp, counts: &Counts) -> Result<(), StoreError> {
        let (gateway, body) = (gateway.to_owned(), to_json(counts)?);
        self.engine
            .write(Durability::Process, move |tx| {
                tx.run(
                    "INSERT INTO observations (at, gateway, body) VALUES (?1, ?2, ?3)
                     ON CONFLICT (at, gateway) DO UPDATE SET body = excluded.body",
                    args![ms(slot), &gateway, &body],
                )
                .map(drop)
            })
            .await
    }

    /// What all gateways counted in the slots that begin at `since` or later, in order.
    pub async fn observations(&self, since: Timestamp) -> Result<Vec<(Timestamp, Counts)>, StoreError> {
        self.engine
            .read(move |tx| {
                let rows = tx.all("SELECT at, body FROM observations WHERE at >= ? ORDER BY at", args![ms(since)])?;
                let mut slots: BTreeMap<Timestamp, Counts> = BTreeMap::new();
                for row in &rows {
                    let reading = Reading { table: "observations", row };
                    let (at, counts): (Timestamp, Counts) = (reading.instant("at")?, reading.json("body")?);
                    let slot = slots.entry(at).or_default();
                    *slot = slot.plus(&counts);
                }
                Ok(slots.into_iter().collect())
            })
            .await
    }

    /// Lets go of what was counted before `counted`, of alerts that were over before `over`, and of silences that are.
    pub async fn forget_alerts(&self, counted: Timestamp, over: Timestamp, now: Timestamp) -> Result<(), StoreError> {
        self.engine
            .write(Durability::Process, move |tx| {
                tx.run("DELETE FROM observations WHERE at < ?", args![ms(counted)])?;
                tx.run("DELETE FROM alerts WHERE resolved_at < ?", args![ms(over)])?;
                tx.run("DELETE FROM alert_silences WHERE until_ms < ?", args![ms(now)]).map(drop)
            })
            .await
    }

    /// All alerts, those that fire first, then the newest.
    pub async fn alerts(&self) -> Result<Vec<Alert>, StoreError> {
        self.engine
            .read(|tx| {
                let rows = tx.all(
                    "SELECT * FROM alerts ORDER BY CASE WHEN resolved_at IS NULL THEN 0 ELSE 1 END, fired_at DESC, rule, subject
                     LIMIT 1000",
                    args![],
                )?;
                // One of another release is nobody's here.
                rows.iter().filter_map(|row| read(row).transpose()).collect()
            })
            .await
    }

    /// Writes down what became of alerts, with a delivery for everybody who is told, all in one transaction and only
    /// by the one whose turn it is; returns those that were written down. An alert that fires already does not fire again.
    pub async fn change_alerts(
        &self,
        holder: &str,
        changes: &[AlertChange],
        now: Timestamp,
    ) -> Result<Vec<AlertChange>, StoreError> {
        let (holder, changes) = (holder.to_owned(), changes.to_vec());
        self.engine
            .write(Durability::Power, move |tx| {
                let mine = "SELECT EXISTS (SELECT 1 FROM turns WHERE name = ? AND holder = ? AND lease_until > ?)";
                if !tx.exists(mine, args![TURN, &holder, ms(now)])? {
                    return Ok(tx.undone(Vec::new()));
                }
                let mut written = Vec::new();
                for change in &changes {
                    if put(tx, change)? {
                        let notice = change.alert.notice();
                        for delivery in &change.deliveries {
                            write_delivery(tx, &notice, delivery, now)?;
                        }
                        written.push(change.clone());
                    }
                }
                Ok(written)
            })
            .await
    }

    /// Nobody is told for a while, and it is written down who wanted it so; a time that is over ends a silence.
    pub async fn silence(&self, silence: &Silence, now: Timestamp) -> Result<(), StoreError> {
        let silence = silence.clone();
        self.engine
            .write(Durability::Power, move |tx| {
                let subject = silence.subject.as_deref().unwrap_or(EVERY);
                let is_on = silence.until > now;
                tx.run(
                    "INSERT INTO alert_silences (rule, subject, until_ms, who) VALUES (?1, ?2, ?3, ?4)
                     ON CONFLICT (rule, subject) DO UPDATE SET until_ms = excluded.until_ms, who = excluded.who",
                    args![silence.rule.as_str(), subject, ms(silence.until), &silence.who],
                )?;
                let row = AuditRow {
                    at: now,
                    who: silence.who.clone(),
                    what: format!("alerts silence {}", silence.rule.as_str()),
                    tenant: None,
                    was: None,
                    now: Some(if is_on { subject.to_owned() } else { "ended".to_owned() }),
                    until: is_on.then_some(silence.until),
                    why: None,
                };
                audit(tx, &row)
            })
            .await
    }

    /// The silences that hold.
    pub async fn silences(&self, now: Timestamp) -> Result<Vec<Silence>, StoreError> {
        self.engine
            .read(move |tx| {
                let sql = "SELECT * FROM alert_silences WHERE until_ms > ? ORDER BY rule, subject";
                let rows = tx.all(sql, args![ms(now)])?;
                let silence = |row: &Row| {
                    let reading = Reading { table: "alert_silences", row };
                    let Some(rule) = Rule::named(&reading.text("rule")?) else { return Ok(None) };
                    let subject = Some(reading.text("subject")?).filter(|it| it != EVERY);
                    Ok(Some(Silence { rule, subject, until: reading.instant("until_ms")?, who: reading.text("who")? }))
                };
                rows.iter().filter_map(|row| silence(row).transpose()).collect()
            })
            .await
    }

    /// What calendars have not settled, of every tenant with anything open.
    pub async fn unsettled(&self) -> Result<Vec<Unsettled>, StoreError> {
        self.engine
            .read(|tx| {
                let rows = tx.all(
                    "SELECT tenant, SUM(open) AS open, SUM(torn) AS torn, MIN(since) AS since FROM (
                         SELECT tenant, 1 AS open, 0 AS torn, created_at AS since FROM intents
                         -- As the index has it, or all that there ever was would be read.
                         WHERE state IN ('open', 'watched', 'undoing') AND state <> 'watched'
                         UNION ALL
                         SELECT tenant, 0, 1, NULL FROM intents WHERE state = 'compensation_failed'
                     ) AS it GROUP BY tenant ORDER BY tenant",
                    args![],
                )?;
                rows.iter()
                    .map(|row| {
                        let reading = Reading { table: "intents", row };
                        let open = reading.number("open")?.unsigned_abs();
                        Ok(Unsettled {
                            tenant: TenantId::new(reading.text("tenant")?),
                            open: reading.instant_or_none("since")?.map(|since| (open, since)),
                            torn: reading.number("torn")?.unsigned_abs(),
                        })
                    })
                    .collect()
            })
            .await
    }

    /// The tenant's calls that began at `since` or later, in that order, and what the platform told of them.
    pub async fn calls_seen(&self, scope: Scope<'_>, since: Timestamp) -> Result<Vec<CallSeen>, StoreError> {
        let tenant = scope.tenant().clone();
        self.engine.settled().await?;
        self.engine
            .read(move |tx| {
                let rows = tx.all(
                    "SELECT calls.agent_id AS agent, calls.started_at AS started_at, MAX(call_events.at) AS told_at,
                            MAX(CASE WHEN calls.state IN ('ended', 'analyzed') THEN 1 ELSE 0 END) AS is_over
                     FROM calls LEFT JOIN call_events ON call_events.tenant = calls.tenant AND call_events.call_id = calls.call_id
                     WHERE calls.tenant = ? AND calls.started_at >= ? AND calls.agent_id IS NOT NULL
                     GROUP BY calls.call_id, calls.agent_id, calls.started_at ORDER BY calls.started_at, calls.call_id",
                    args![tenant.as_str(), ms(since)],
                )?;
                rows.iter()
                    .map(|row| {
                        let reading = Reading { table: "calls", row };
                        Ok(CallSeen {
                            agent: reading.text("agent")?,
                            started_at: reading.instant("started_at")?,
                            told_at: reading.instant_or_none("told_at")?,
                            is_over: reading.number("is_over")? != 0,
                        })
                    })
                    .collect()
            })
            .await
    }

    /// How many of the tenant's calls there were since the newest booking that one of them made, not looking further
    /// back than `since`.
    pub async fn calls_since_booking(&self, scope: Scope<'_>, since: Timestamp) -> Result<u64, StoreError> {
        let tenant = scope.tenant().clone();
        self.engine.settled().await?;
        self.engine
            .read(move |tx| {
                let row = tx.first(
                    "SELECT created_at FROM appointments
                     WHERE tenant = ? AND created_at >= ? AND call_id IS NOT NULL AND state IN ('booked', 'cancelled')
                     ORDER BY created_at DESC LIMIT 1",
                    args![tenant.as_str(), ms(since)],
                )?;
                let newest = row.map(|row| Reading { table: "appointments", row: &row }.instant("created_at")).transpose()?;
                tx.number(CALLS_AFTER, args![tenant.as_str(), ms(newest.unwrap_or(since))]).map(i64::unsigned_abs)
            })
            .await
    }

    /// How many of the tenant's calls began after `since`, and how many bookings they made.
    pub async fn calls_and_bookings(&self, scope: Scope<'_>, since: Timestamp) -> Result<(u64, u64), StoreError> {
        let tenant = scope.tenant().clone();
        self.engine.settled().await?;
        self.engine
            .read(move |tx| {
                let made = "SELECT COUNT(*) AS count FROM appointments
                            WHERE tenant = ? AND created_at > ? AND call_id IS NOT NULL AND state IN ('booked', 'cancelled')";
                let bookings = tx.number(made, args![tenant.as_str(), ms(since)])?.unsigned_abs();
                let calls = tx.number(CALLS_AFTER, args![tenant.as_str(), ms(since)])?.unsigned_abs();
                Ok((calls, bookings))
            })
            .await
    }

    /// What is usual of the tenant's agents, by calls that began at `since` or later.
    pub async fn agents_usual(&self, scope: Scope<'_>, since: Timestamp) -> Result<BTreeMap<String, AgentUsual>, StoreError> {
        let tenant = scope.tenant().clone();
        self.engine.settled().await?;
        self.engine
            .read(move |tx| {
                let mut agents: BTreeMap<String, AgentUsual> = BTreeMap::new();
                let rows = tx.all(
                    "SELECT agent_id AS agent, started_at / 3600000 AS hour, COUNT(*) AS calls, MAX(started_at) AS newest,
                            SUM(CASE WHEN state IN ('ended', 'analyzed') THEN 1 ELSE 0 END) AS ended
                     FROM calls WHERE tenant = ? AND started_at >= ? AND agent_id IS NOT NULL
                     GROUP BY agent_id, started_at / 3600000 ORDER BY agent_id, started_at / 3600000",
                    args![tenant.as_str(), ms(since)],
                )?;
                for row in &rows {
                    let reading = Reading { table: "calls", row };
                    let agent = agents.entry(reading.text("agent")?).or_default();
                    agent.by_hour.push((reading.number("hour")? * 3600, reading.number("calls")?.unsigned_abs()));
                    agent.ended += reading.number("ended")?.unsigned_abs();
                    agent.last_heard = agent.last_heard.max(Some(reading.instant("newest")?));
                }
                let rows = tx.all(
                    "SELECT calls.agent_id AS agent, COUNT(DISTINCT calls.call_id) AS told, MAX(call_events.at) AS newest
                     FROM calls JOIN call_events ON call_events.tenant = calls.tenant AND call_events.call_id = calls.call_id
                     WHERE calls.tenant = ? AND calls.started_at >= ? AND calls.agent_id IS NOT NULL
                     GROUP BY calls.agent_id",
                    args![tenant.as_str(), ms(since)],
                )?;
                for row in &rows {
                    let reading = Reading { table: "calls", row };
                    let agent = agents.entry(reading.text("agent")?).or_default();
                    agent.with_events = reading.number("told")?.unsigned_abs();
                    agent.last_heard = agent.last_heard.max(reading.instant_or_none("newest")?);
                }
                Ok(agents)
            })
            .await
    }
}

/// Writes an alert as it is; `false` where somebody else did already.
fn put(tx: &mut Tx<'_>, change: &AlertChange) -> Result<bool, StoreError> {
    let it = &change.alert;
    let (rule, told) = (it.rule.as_str(), i64::from(it.told));
    let touched = if it.is_firing() {
        tx.run(
            "INSERT INTO alerts (rule, subject, evidence, fired_at, last_seen, calm_since, resolved_at, told)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, NULL, ?7)
             ON CONFLICT (rule, subject) DO UPDATE SET evidence = excluded.evidence, fired_at = excluded.fired_at,
                 last_seen = excluded.last_seen, calm_since = excluded.calm_since, resolved_at = NULL, told = excluded.told
             WHERE alerts.resolved_at IS NOT NULL OR alerts.fired_at = excluded.fired_at",
            args![rule, &it.subject, &it.evidence, ms(it.fired_at), ms(it.last_seen), it.calm_since.map(ms), told],
        )?
    } else {
        tx.run(
            "UPDATE alerts SET resolved_at = ?, calm_since = NULL WHERE rule = ? AND subject = ? AND fired_at = ?
             AND resolved_at IS NULL",
            args![it.resolved_at.map(ms), rule, &it.subject, ms(it.fired_at)],
        )?
    };
    Ok(touched > 0)
}

/// An alert is the deployment's: its deliveries belong to no tenant.
fn write_delivery(tx: &mut Tx<'_>, notice: &Notice, to: &AlertDelivery, now: Timestamp) -> Result<(), StoreError> {
    let event = if notice.resolved_at.is_some() { Event::AlertResolved } else { Event::AlertFired };
    let facts = Facts { alert: Some(notice.clone()), ..Facts::default() };
    let (channel, ordering) = (to.channel.as_str(), notice.ordering());
    let subject = format!("{ordering} {}>{channel}:{}", ms(notice.fired_at), to.target);
    tx.run(
        "INSERT INTO outbox (tenant, kind, subject, body, state, not_before, created_at, channel, target, ordering, delivery_key)
         VALUES ('', ?, ?, ?, 'waiting', ?, ?, ?, ?, ?, ?) ON CONFLICT (tenant, kind, subject) DO NOTHING",
        args![event.as_str(), &subject, to_json(&facts)?, ms(now), ms(now), channel, &to.target, &ordering, &to.key],
    )
    .map(drop)
}

/// `None` where the rule is not one of this release.
fn read(row: &Row) -> Result<Option<Alert>, StoreError> {
    let reading = Reading { table: "alerts", row };
    let Some(rule) = Rule::named(&reading.text("rule")?) else { return Ok(None) };
    Ok(Some(Alert {
        rule,
        subject: reading.text("subject")?,
        evidence: reading.text("evidence")?,
        fired_at: reading.instant("fired_at")?,
        last_seen: reading.instant("last_seen")?,
        calm_since: reading.instant_or_none("calm_since")?,
        resolved_at: reading.instant_or_none("resolved_at")?,
        told: reading.number("told")? != 0,
    }))
}
