//! Revisions of the configuration's live sections. The newest is the truth; nothing is ever changed in one but how
//! it ended.

use frontdesk_core::ids::TenantId;
use frontdesk_core::ports::StoreError;
use frontdesk_core::protection::{Mode, Protection};
use jiff::Timestamp;

use super::Store;
use super::operations::{AuditRow, audit};
use crate::engine::{Durability, Tx, args};
use crate::rows::{Reading, ms};

/// Where a revision came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// The file of a gateway that started.
    Start,
    /// The file of a gateway that was told to read it again.
    Reload,
    /// `frontdesk activate`.
    Activate,
    /// One before it was brought back.
    Rollback,
}

/// How a revision ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It holds, and is watched.
    Pending,
    /// It stood the test, or was not put to one.
    Active,
    /// Another one was brought back in its place.
    RolledBack,
}

/// A revision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigRevision {
    /// Its number.
    pub number: i64,
    /// What it says, JSON.
    pub body: String,
    /// What differs from the one before, JSON.
    pub diff: String,
    /// Where it came from.
    pub origin: Origin,
    /// The one that it brings back.
    pub restores: Option<i64>,
    /// Who made it.
    pub author: String,
    /// Why.
    pub why: Option<String>,
    /// When.
    pub made_at: Timestamp,
    /// How it ended.
    pub outcome: Outcome,
    /// Why so.
    pub reason: Option<String>,
    /// When that was decided.
    pub ended_at: Option<Timestamp>,
    /// While it is pending: what the key of its synthetic calls is derived from.
    pub token: Option<String>,
}

/// A revision to be made.
#[derive(Debug, Clone)]
pub struct NewRevision {
    /// The newest one as its author knew it; 0 is none. Another one in between, and it is not made.
    pub after: i64,
    /// What it says, JSON.
    pub body: String,
    /// What differs from the one before, JSON.
    pub diff: String,
    /// Where it comes from.
    pub origin: Origin,
    /// The one that it brings back.
    pub restores: Option<i64>,
    /// Who makes it.
    pub author: String,
    /// Why.
    pub why: Option<String>,
    /// With it, it begins as pending and is watched.
    pub token: Option<String>,
}

/// What became of making one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Made {
    /// It is there, under this number.
    Done(i64),
    /// Somebody else made one in between.
    Overtaken,
    /// That one is being watched; only a rollback may follow it.
    Watched(i64),
}

/// A gateway took up a revision, or could not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Uptake {
    /// Which gateway.
    pub replica: String,
    /// When.
    pub at: Timestamp,
    /// Why it could not.
    pub trouble: Option<String>,
}

/// What a feature's state before its last change was, and that it is so again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Restored {
    /// As it was until now; `None` is not switched.
    pub was: Option<Mode>,
    /// As it is now.
    pub now: Option<Mode>,
    /// Until then.
    pub until: Option<Timestamp>,
}

const TABLE: &str = "revisions";

impl Origin {
    /// The word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Reload => "reload",
            Self::Activate => "activate",
            Self::Rollback => "rollback",
        }
    }

    fn parse(text: &str) -> Option<Self> {
        [Self::Start, Self::Reload, Self::Activate, Self::Rollback].into_iter().find(|it| it.as_str() == text)
    }
}

impl Outcome {
    /// The word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Active => "active",
            Self::RolledBack => "rolled_back",
        }
    }

    fn parse(text: &str) -> Option<Self> {
        [Self::Pending, Self::Active, Self::RolledBack].into_iter().find(|it| it.as_str() == text)
    }
}

impl Store {
    /// The newest revisions, newest first.
    pub async fn revisions(&self, most: u32) -> Result<Vec<ConfigRevision>, StoreError> {
        self.engine
            .read(move |tx| {
                let rows = tx.all("SELECT * FROM revisions ORDER BY number DESC LIMIT ?", args![i64::from(most)])?;
                rows.iter().map(|row| revision(&Reading { table: TABLE, row })).collect()
            })
            .await
    }

    /// The one that holds.
    pub async fn newest_revision(&self) -> Result<Option<ConfigRevision>, StoreError> {
        Ok(self.revisions(1).await?.into_iter().next())
    }

    /// Makes a revision: from then on it is the truth.
    pub async fn make_revision(&self, wanted: &NewRevision, now: Timestamp) -> Result<Made, StoreError> {
        let wanted = wanted.clone();
        self.engine
            .write(Durability::Power, move |tx| {
                let newest = newest(tx)?;
                let number = newest.as_ref().map_or(0, |it| it.number);
                if number != wanted.after {
                    return Ok(Made::Overtaken);
                }
                if let Some(newest) = newest.filter(|it| it.outcome == Outcome::Pending || wanted.origin == Origin::Rollback) {
                    if wanted.origin != Origin::Rollback {
                        return Ok(Made::Watched(newest.number));
                    }
                    let reason = format!("rolled back by {}", wanted.author);
                    let reason = wanted.why.as_ref().map_or_else(|| reason.clone(), |why| format!("{reason}: {why}"));
                    end(tx, newest.number, Outcome::RolledBack, Some(&reason), now)?;
                }
                insert(tx, number + 1, &wanted, now)?;
                Ok(Made::Done(number + 1))
            })
            .await
    }

    /// Says that somebody still watches; `false` when there is nothing to watch any more.
    pub async fn watch_revision(&self, number: i64) -> Result<bool, StoreError> {
        self.engine
            .write(Durability::Process, move |tx| {
                let touched =
                    tx.run("UPDATE revisions SET beat = beat + 1 WHERE number = ? AND outcome = 'pending'", args![number])?;
                Ok(touched > 0)
            })
            .await
    }

    /// It stood the test; `false` when that was decided otherwise before.
    pub async fn confirm_revision(
        &self,
        number: i64,
        who: &str,
        why: Option<&str>,
        reason: &str,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let (who, why, reason) = (who.to_owned(), why.map(str::to_owned), reason.to_owned());
        self.engine
            .write(Durability::Power, move |tx| {
                if !end(tx, number, Outcome::Active, Some(&reason), now)? {
                    return Ok(false);
                }
                let row = AuditRow {
                    at: now,
                    who: who.clone(),
                    what: "activated".to_owned(),
                    tenant: None,
                    was: None,
                    now: Some(format!("revision {number}")),
                    until: None,
                    why: Some(why.clone().unwrap_or_else(|| reason.clone())),
                };
                audit(tx, &row)?;
                Ok(true)
            })
            .await
    }

    /// Brings back the one before a revision that is being watched; the number under which it is brought back, `None`
    /// when that was decided before. However many gateways and people do it at once, it is done once.
    pub async fn roll_back_pending(
        &self,
        number: i64,
        who: &str,
        reason: &str,
        now: Timestamp,
    ) -> Result<Option<i64>, StoreError> {
        let (who, reason) = (who.to_owned(), reason.to_owned());
        self.engine
            .write(Durability::Power, move |tx| {
                let Some(newest) = newest(tx)?.filter(|it| it.number == number && it.outcome == Outcome::Pending) else {
                    return Ok(None);
                };
                let good = tx.first(
                    "SELECT * FROM revisions WHERE number < ? AND outcome = 'active' ORDER BY number DESC LIMIT 1",
                    args![number],
                )?;
                let Some(good) = good else { return Ok(None) };
                let good = revision(&Reading { table: TABLE, row: &good })?;
                end(tx, number, Outcome::RolledBack, Some(&reason), now)?;
                let back = NewRevision {
                    after: number,
                    body: good.body,
                    diff: turned(&newest.diff),
                    origin: Origin::Rollback,
                    restores: Some(good.restores.unwrap_or(good.number)),
                    author: who.clone(),
                    why: Some(reason.clone()),
                    token: None,
                };
                insert(tx, number + 1, &back, now)?;
                Ok(Some(number + 1))
            })
            .await
    }

    /// A gateway took it up, or says why it could not.
    pub async fn took_up_revision(
        &self,
        number: i64,
        replica: &str,
        trouble: Option<&str>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let (replica, trouble) = (replica.to_owned(), trouble.map(str::to_owned));
        self.engine
            .write(Durability::Process, move |tx| {
                tx.run(
                    "INSERT INTO revision_uptakes (revision, replica, taken_at, trouble) VALUES (?1, ?2, ?3, ?4)
                     ON CONFLICT (revision, replica) DO UPDATE SET taken_at = ?3, trouble = ?4",
                    args![number, &replica, ms(now), &trouble],
                )?;
                Ok(())
            })
            .await
    }

    /// Which gateways took it up.
    pub async fn revision_uptakes(&self, number: i64) -> Result<Vec<Uptake>, StoreError> {
        self.engine
            .read(move |tx| {
                let rows = tx.all(
                    "SELECT replica, taken_at, trouble FROM revision_uptakes WHERE revision = ? ORDER BY taken_at, replica",
                    args![number],
                )?;
                rows.iter()
                    .map(|row| {
                        let reading = Reading { table: "revision_uptakes", row };
                        Ok(Uptake {
                            replica: reading.text("replica")?,
                            at: reading.instant("taken_at")?,
                            trouble: reading.text_or_none("trouble")?,
                        })
                    })
                    .collect()
            })
            .await
    }

    /// A feature as it was before its last change; `None` when it was never changed.
    pub async fn restore_feature(
        &self,
        protection: Protection,
        tenant: Option<&TenantId>,
        who: &str,
        why: Option<&str>,
        now: Timestamp,
    ) -> Result<Option<Restored>, StoreError> {
        let (who, why) = (who.to_owned(), why.map(str::to_owned));
        let tenant = tenant.map_or(String::new(), ToString::to_string);
        self.engine
            .write(Durability::Power, move |tx| {
                let what = format!("feature {}", protection.name());
                let changes = tx.all(
                    "SELECT * FROM audit WHERE what = ? AND COALESCE(tenant, '') = ? ORDER BY id DESC LIMIT 2",
                    args![&what, &tenant],
                )?;
                let Some(last) = changes.first() else { return Ok(None) };
                let mode = |reading: &Reading<'_>, column| reading.parsed_or_none(column, Mode::parse);
                let before = mode(&Reading { table: "audit", row: last }, "was")?;
                // How long the state before was to last stands where it was set.
                let until = match changes.get(1).map(|row| Reading { table: "audit", row }) {
                    Some(reading) if mode(&reading, "now")? == before => reading.instant_or_none("until_ms")?,
                    _ => None,
                };
                let before = before.filter(|_| until.is_none_or(|until| now < until));
                let set = tx.first(
                    "SELECT state FROM features WHERE name = ? AND tenant = ? AND (until_ms IS NULL OR until_ms > ?)",
                    args![protection.name(), &tenant, ms(now)],
                )?;
                let was = set.map(|row| Reading { table: "features", row: &row }.parsed("state", Mode::parse)).transpose()?;
                tx.run("DELETE FROM features WHERE name = ? AND tenant = ?", args![protection.name(), &tenant])?;
                if let Some(mode) = before {
                    tx.run(
                        "INSERT INTO features (name, tenant, state, until_ms) VALUES (?, ?, ?, ?)",
                        args![protection.name(), &tenant, mode.as_str(), until.map(ms)],
                    )?;
                }
                let row = AuditRow {
                    at: now,
                    who: who.clone(),
                    what,
                    tenant: (!tenant.is_empty()).then(|| tenant.clone()),
                    was: was.map(|mode| mode.as_str().to_owned()),
                    now: before.map(|mode| mode.as_str().to_owned()),
                    until,
                    why: Some(why.clone().map_or_else(|| "rollback".to_owned(), |why| format!("rollback: {why}"))),
                };
                audit(tx, &row)?;
                tx.run(
                    "INSERT INTO meta (key, value) VALUES ('features_version', '1')
                     ON CONFLICT (key) DO UPDATE SET value = CAST(CAST(meta.value AS BIGINT) + 1 AS TEXT)",
                    args![],
                )?;
                Ok(Some(Restored { was, now: before, until }))
            })
            .await
    }

    /// Takes away what synthetic calls left; returns how many rows.
    pub async fn forget_canary(&self) -> Result<u64, StoreError> {
        self.engine
            .write(Durability::Process, move |tx| {
                let mut gone = 0;
                for statement in CANARYS {
                    gone += tx.run(statement, args![TenantId::CANARY])?;
                }
                Ok(gone)
            })
            .await
    }
}

/// Every table that a call may leave something in.
const CANARYS: [&str; 14] = [
    "DELETE FROM outbox WHERE tenant = ?",
    "DELETE FROM callbacks WHERE tenant = ?",
    "DELETE FROM claims WHERE tenant = ?",
    "DELETE FROM exchanges WHERE tenant = ?",
    "DELETE FROM calendar_events WHERE tenant = ?",
    "DELETE FROM appointment_parts WHERE tenant = ?",
    "DELETE FROM intents WHERE tenant = ?",
    "DELETE FROM appointment_history WHERE tenant = ?",
    "DELETE FROM appointments WHERE tenant = ?",
    "DELETE FROM occupancy WHERE tenant = ?",
    "DELETE FROM holds WHERE tenant = ?",
    "DELETE FROM call_steps WHERE tenant = ?",
    "DELETE FROM call_events WHERE tenant = ?",
    "DELETE FROM calls WHERE tenant = ?",
];

fn newest(tx: &mut Tx<'_>) -> Result<Option<ConfigRevision>, StoreError> {
    let row = tx.first("SELECT * FROM revisions ORDER BY number DESC LIMIT 1", args![])?;
    row.map(|row| revision(&Reading { table: TABLE, row: &row })).transpose()
}

/// Ends one that is pending, or, at a rollback, takes back that it was active.
fn end(tx: &mut Tx<'_>, number: i64, outcome: Outcome, reason: Option<&str>, now: Timestamp) -> Result<bool, StoreError> {
    let touched = tx.run(
        "UPDATE revisions SET outcome = ?1, reason = ?2, ended_at = ?3, token = NULL
         WHERE number = ?4 AND (outcome = 'pending' OR (?1 = 'rolled_back' AND outcome = 'active'))",
        args![outcome.as_str(), reason, ms(now), number],
    )?;
    Ok(touched > 0)
}

fn insert(tx: &mut Tx<'_>, number: i64, wanted: &NewRevision, now: Timestamp) -> Result<(), StoreError> {
    let NewRevision { after, body, diff, origin, restores, author, why, token } = wanted;
    let outcome = if token.is_some() { Outcome::Pending } else { Outcome::Active };
    tx.run(
        "INSERT INTO revisions (number, body, diff, origin, restores, author, why, made_at, outcome, token, beat)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 1)",
        args![number, body, diff, origin.as_str(), *restores, author, why, ms(now), outcome.as_str(), token],
    )?;
    // What a gateway read from its file stands in the audit as what its signal did.
    if matches!(origin, Origin::Activate | Origin::Rollback) {
        let row = AuditRow {
            at: now,
            who: author.clone(),
            what: origin.as_str().to_owned(),
            tenant: None,
            was: Some(format!("revision {after}")),
            now: Some(match restores {
                Some(restored) => format!("revision {number}, which is {restored} again"),
                None => format!("revision {number}"),
            }),
            until: None,
            why: why.clone(),
        };
        audit(tx, &row)?;
    }
    Ok(())
}

/// A diff read backwards: `[{"key", "was", "now"}]`.
fn turned(diff: &str) -> String {
    let mut rows: Vec<serde_json::Map<String, serde_json::Value>> = serde_json::from_str(diff).unwrap_or_default();
    for row in &mut rows {
        let (was, now) = (row.remove("was").unwrap_or_default(), row.remove("now").unwrap_or_default());
        row.insert("was".to_owned(), now);
        row.insert("now".to_owned(), was);
    }
    serde_json::to_string(&rows).unwrap_or_else(|_| "[]".to_owned())
}

fn revision(reading: &Reading<'_>) -> Result<ConfigRevision, StoreError> {
    Ok(ConfigRevision {
        number: reading.number("number")?,
        body: reading.text("body")?,
        diff: reading.text("diff")?,
        origin: reading.parsed("origin", Origin::parse)?,
        restores: reading.number_or_none("restores")?,
        author: reading.text("author")?,
        why: reading.text_or_none("why")?,
        made_at: reading.instant("made_at")?,
        outcome: reading.parsed("outcome", Outcome::parse)?,
        reason: reading.text_or_none("reason")?,
        ended_at: reading.instant_or_none("ended_at")?,
        token: reading.text_or_none("token")?,
    })
}
