//! What operators switch, ask for and see: features with their audit, commands, snapshots.

use frontdesk_core::ids::TenantId;
use frontdesk_core::ports::StoreError;
use frontdesk_core::protection::{Mode, Protection, Switch};
use frontdesk_core::shared::KeptWindow;
use jiff::{SignedDuration, Timestamp};

use super::Store;
use crate::engine::{Durability, Tx, args};
use crate::rows::{Reading, ms, to_json};

/// A snapshot that was not renewed for so long is of a gateway that is gone.
const GONE_AFTER: SignedDuration = SignedDuration::from_secs(10);
/// Commands are remembered this long, for replicas that were busy.
const COMMANDS_KEPT: SignedDuration = SignedDuration::from_hours(1);

/// Something that an operator did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditRow {
    /// When.
    pub at: Timestamp,
    /// Who.
    pub who: String,
    /// What: `feature rate_limit`, `breaker reset`, …
    pub what: String,
    /// For which tenant; `None` is the deployment.
    pub tenant: Option<String>,
    /// How it was.
    pub was: Option<String>,
    /// How it is.
    pub now: Option<String>,
    /// Until when.
    pub until: Option<Timestamp>,
    /// Why.
    pub why: Option<String>,
}

/// What running gateways are to do once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Close the breaker of an account, or of all (empty).
    ResetBreaker(String),
    /// Empty a bucket.
    ResetLimit(String),
}

/// Where the changes of others stand: cheap to ask for, several times a second.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Versions {
    /// Grows with every change to tenants or their keys.
    pub tenants: i64,
    /// Grows with every switch.
    pub features: i64,
    /// The newest command.
    pub commands: i64,
    /// The newest revision of the configuration.
    pub revision: i64,
    /// Grows while somebody watches it; 0 when it is not watched.
    pub beat: i64,
}

/// A gateway as it described itself last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// Which gateway.
    pub replica: String,
    /// JSON.
    pub body: String,
    /// When.
    pub at: Timestamp,
}

impl Store {
    /// Where the changes of others stand.
    pub async fn versions(&self) -> Result<Versions, StoreError> {
        self.engine
            .peek(move |tx| {
                let found = tx.first(
                    "SELECT COALESCE((SELECT CAST(value AS BIGINT) FROM meta WHERE key = 'tenants_version'), 0) AS tenants,
                            COALESCE((SELECT CAST(value AS BIGINT) FROM meta WHERE key = 'features_version'), 0) AS features,
                            COALESCE((SELECT MAX(id) FROM commands), 0) AS commands,
                            COALESCE((SELECT MAX(number) FROM revisions), 0) AS revision,
                            COALESCE((SELECT MAX(beat) FROM revisions WHERE outcome = 'pending'), 0) AS beat",
                    args![],
                )?;
                let Some(row) = found else { return Ok(Versions::default()) };
                let reading = Reading { table: "meta", row: &row };
                Ok(Versions {
                    tenants: reading.number("tenants")?,
                    features: reading.number("features")?,
                    commands: reading.number("commands")?,
                    revision: reading.number("revision")?,
                    beat: reading.number("beat")?,
                })
            })
            .await
    }

    /// Sets a switch and writes down who did it; returns how it stood before, `None` when nobody had set it.
    pub async fn set_feature(
        &self,
        switch: &Switch,
        who: &str,
        why: Option<&str>,
        now: Timestamp,
    ) -> Result<Option<Mode>, StoreError> {
        let (switch, who, why) = (switch.clone(), who.to_owned(), why.map(str::to_owned));
        self.engine
            .write(Durability::Power, move |tx| {
                let tenant = switch.tenant.as_ref().map_or("", TenantId::as_str);
                let name = switch.protection.name();
                let was = tx.first(
                    "SELECT state FROM features WHERE name = ? AND tenant = ? AND (until_ms IS NULL OR until_ms > ?)",
                    args![name, tenant, ms(now)],
                )?;
                let was = was.map(|row| Reading { table: "features", row: &row }.text("state")).transpose()?;
                tx.run(
                    "INSERT INTO features (name, tenant, state, until_ms) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT (name, tenant) DO UPDATE SET state = ?3, until_ms = ?4",
                    args![name, tenant, switch.mode.as_str(), switch.until.map(ms)],
                )?;
                let row = AuditRow {
                    at: now,
                    who: who.clone(),
                    what: format!("feature {name}"),
                    tenant: switch.tenant.as_ref().map(ToString::to_string),
                    was: was.clone(),
                    now: Some(switch.mode.as_str().to_owned()),
                    until: switch.until,
                    why: why.clone(),
                };
                audit(tx, &row)?;
                tx.run(
                    "INSERT INTO meta (key, value) VALUES ('features_version', '1')
             ON CONFLICT (key) DO UPDATE SET value = CAST(CAST(meta.value AS BIGINT) + 1 AS TEXT)",
                    args![],
                )?;
                Ok(was.as_deref().and_then(Mode::parse))
            })
            .await
    }

    /// All switches that are set; those whose time is over are among them.
    pub async fn features(&self) -> Result<Vec<Switch>, StoreError> {
        self.engine
            .read(move |tx| {
                let rows = tx.all("SELECT name, tenant, state, until_ms FROM features ORDER BY name, tenant", args![])?;
                rows.iter()
                    .map(|row| {
                        let reading = Reading { table: "features", row };
                        let tenant = reading.text("tenant")?;
                        Ok(Switch {
                            protection: reading.parsed("name", Protection::named)?,
                            tenant: (!tenant.is_empty()).then(|| TenantId::new(tenant)),
                            mode: reading.parsed("state", Mode::parse)?,
                            until: reading.instant_or_none("until_ms")?,
                        })
                    })
                    .collect()
            })
            .await
    }

    /// Writes down something that was done to this gateway.
    pub async fn audited(&self, row: &AuditRow) -> Result<(), StoreError> {
        let row = row.clone();
        self.engine.write(Durability::Power, move |tx| audit(tx, &row)).await
    }

    /// The newest of what operators did.
    pub async fn audit(&self, most: u32) -> Result<Vec<AuditRow>, StoreError> {
        self.engine
            .read(move |tx| {
                let rows = tx.all("SELECT * FROM audit ORDER BY id DESC LIMIT ?", args![i64::from(most)])?;
                rows.iter()
                    .map(|row| {
                        let reading = Reading { table: "audit", row };
                        Ok(AuditRow {
                            at: reading.instant("at")?,
                            who: reading.text("who")?,
                            what: reading.text("what")?,
                            tenant: reading.text_or_none("tenant")?,
                            was: reading.text_or_none("was")?,
                            now: reading.text_or_none("now")?,
                            until: reading.instant_or_none("until_ms")?,
                            why: reading.text_or_none("why")?,
                        })
                    })
                    .collect()
            })
            .await
    }

    /// Tells every running gateway to do something once.
    pub async fn command(&self, command: &Command, who: &str, now: Timestamp) -> Result<(), StoreError> {
        let (command, who) = (command.clone(), who.to_owned());
        self.engine
            .write(Durability::Power, move |tx| {
                let (kind, target) = match &command {
                    Command::ResetBreaker(account) => ("breaker reset", account),
                    Command::ResetLimit(key) => ("limits reset", key),
                };

                tx.run(
                    "DELETE FROM commands WHERE at < ? AND id < (SELECT MAX(id) FROM commands)",
                    args![ms(now - COMMANDS_KEPT)],
                )?;
                tx.run("INSERT INTO commands (at, kind, target) VALUES (?, ?, ?)", args![ms(now), kind, target])?;
                let row = AuditRow {
                    at: now,
                    who: who.to_owned(),
                    what: kind.to_owned(),
                    tenant: None,
                    was: None,
                    now: (!target.is_empty()).then(|| target.clone()),
                    until: None,
                    why: None,
                };
                audit(tx, &row)?;
                Ok(())
            })
            .await
    }

    /// The commands after `id`, oldest first.
    pub async fn commands_after(&self, id: i64) -> Result<Vec<(i64, Command)>, StoreError> {
        self.engine
            .read(move |tx| {
                let rows = tx.all("SELECT id, kind, target FROM commands WHERE id > ? ORDER BY id", args![id])?;
                rows.iter()
                    .map(|row| {
                        let reading = Reading { table: "commands", row };
                        let target = reading.text("target")?;
                        let command = match reading.text("kind")?.as_str() {
                            "breaker reset" => Command::ResetBreaker(target),
                            "limits reset" => Command::ResetLimit(target),
                            _ => return Err(reading.corrupt("kind")),
                        };
                        Ok((reading.number("id")?, command))
                    })
                    .collect()
            })
            .await
    }

    /// Describes this gateway to operators.
    pub async fn show(&self, replica: &str, kind: &str, body: &str, now: Timestamp) -> Result<(), StoreError> {
        let (replica, kind, body) = (replica.to_owned(), kind.to_owned(), body.to_owned());
        self.engine
            .write(Durability::Process, move |tx| {
                tx.run(
                    "INSERT INTO snapshots (replica, kind, body, at) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT (replica, kind) DO UPDATE SET body = ?3, at = ?4",
                    args![&replica, &kind, &body, ms(now)],
                )?;
                Ok(())
            })
            .await
    }

    /// How running gateways described themselves, by name.
    pub async fn snapshots(&self, kind: &str, now: Timestamp) -> Result<Vec<Snapshot>, StoreError> {
        let kind = kind.to_owned();
        self.engine
            .read(move |tx| {
                let rows = tx.all(
                    "SELECT replica, body, at FROM snapshots WHERE kind = ? AND at > ? ORDER BY replica",
                    args![&kind, ms(now - GONE_AFTER)],
                )?;
                rows.iter()
                    .map(|row| {
                        let reading = Reading { table: "snapshots", row };
                        Ok(Snapshot {
                            replica: reading.text("replica")?,
                            body: reading.text("body")?,
                            at: reading.instant("at")?,
                        })
                    })
                    .collect()
            })
            .await
    }

    /// Takes a gateway's descriptions away: it stops.
    pub async fn hide(&self, replica: &str) -> Result<(), StoreError> {
        let replica = replica.to_owned();
        self.engine
            .write(Durability::Process, move |tx| {
                tx.run("DELETE FROM snapshots WHERE replica = ?", args![&replica])?;
                Ok(())
            })
            .await
    }

    /// Keeps windows for the next process.
    pub async fn keep_windows(&self, windows: &[KeptWindow]) -> Result<(), StoreError> {
        let windows = windows.to_vec();
        self.engine
            .write(Durability::Power, move |tx| {
                tx.run("DELETE FROM kept_windows", args![])?;
                tx.run("INSERT INTO kept_windows (body) VALUES (?)", args![to_json(&windows)?])?;
                Ok(())
            })
            .await
    }

    /// What the process before kept.
    pub async fn kept_windows(&self) -> Result<Vec<KeptWindow>, StoreError> {
        self.engine
            .read(move |tx| {
                let row = tx.first("SELECT body FROM kept_windows", args![])?;
                row.map_or(Ok(Vec::new()), |row| Reading { table: "kept_windows", row: &row }.json("body"))
            })
            .await
    }
}

pub(super) fn audit(tx: &mut Tx<'_>, row: &AuditRow) -> Result<(), StoreError> {
    tx.run(
        "INSERT INTO audit (at, who, what, tenant, was, now, until_ms, why) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        args![ms(row.at), &row.who, &row.what, &row.tenant, &row.was, &row.now, row.until.map(ms), &row.why],
    )?;
    Ok(())
}
