//! What operators switch, ask for and see: features with their audit, commands, snapshots.

use frontdesk_core::ids::TenantId;
use frontdesk_core::ports::StoreError;
use frontdesk_core::protection::{Mode, Protection, Switch};
use frontdesk_core::shared::KeptWindow;
use jiff::{SignedDuration, Timestamp};
use sqlx::{Row as _, SqliteConnection};

use super::{Durability, SqliteStore};
use crate::rows::{Reading, failed, ms, to_json};

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

impl SqliteStore {
    /// Where the changes of others stand.
    pub async fn versions(&self) -> Result<Versions, StoreError> {
        let row = sqlx::query(
            "SELECT COALESCE((SELECT CAST(value AS INTEGER) FROM meta WHERE key = 'tenants_version'), 0),
                    COALESCE((SELECT CAST(value AS INTEGER) FROM meta WHERE key = 'features_version'), 0),
                    COALESCE((SELECT MAX(id) FROM commands), 0)",
        )
        .fetch_one(&self.readers)
        .await
        .map_err(failed)?;
        Ok(Versions { tenants: row.get(0), features: row.get(1), commands: row.get(2) })
    }

    /// Sets a switch and writes down who did it; returns how it stood before, `None` when nobody had set it.
    pub async fn set_feature(
        &self,
        switch: &Switch,
        who: &str,
        why: Option<&str>,
        now: Timestamp,
    ) -> Result<Option<Mode>, StoreError> {
        let mut tx = self.write(Durability::Power).await?;
        let tenant = switch.tenant.as_ref().map_or("", TenantId::as_str);
        let name = switch.protection.name();
        let was: Option<String> =
            sqlx::query("SELECT state FROM features WHERE name = ? AND tenant = ? AND (until_ms IS NULL OR until_ms > ?)")
                .bind(name)
                .bind(tenant)
                .bind(ms(now))
                .fetch_optional(&mut *tx)
                .await
                .map_err(failed)?
                .map(|row| row.get(0));
        sqlx::query(
            "INSERT INTO features (name, tenant, state, until_ms) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT (name, tenant) DO UPDATE SET state = ?3, until_ms = ?4",
        )
        .bind(name)
        .bind(tenant)
        .bind(switch.mode.as_str())
        .bind(switch.until.map(ms))
        .execute(&mut *tx)
        .await
        .map_err(failed)?;
        let row = AuditRow {
            at: now,
            who: who.to_owned(),
            what: format!("feature {name}"),
            tenant: switch.tenant.as_ref().map(ToString::to_string),
            was: was.clone(),
            now: Some(switch.mode.as_str().to_owned()),
            until: switch.until,
            why: why.map(str::to_owned),
        };
        audit(&mut tx, &row).await?;
        sqlx::query(
            "INSERT INTO meta (key, value) VALUES ('features_version', '1')
             ON CONFLICT (key) DO UPDATE SET value = CAST(CAST(value AS INTEGER) + 1 AS TEXT)",
        )
        .execute(&mut *tx)
        .await
        .map_err(failed)?;
        tx.commit().await.map_err(failed)?;
        Ok(was.as_deref().and_then(Mode::parse))
    }

    /// All switches that are set; those whose time is over are among them.
    pub async fn features(&self) -> Result<Vec<Switch>, StoreError> {
        let rows = sqlx::query("SELECT name, tenant, state, until_ms FROM features ORDER BY name, tenant")
            .fetch_all(&self.readers)
            .await
            .map_err(failed)?;
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
    }

    /// The newest of what operators did.
    pub async fn audit(&self, most: u32) -> Result<Vec<AuditRow>, StoreError> {
        let rows = sqlx::query("SELECT * FROM audit ORDER BY id DESC LIMIT ?")
            .bind(i64::from(most))
            .fetch_all(&self.readers)
            .await
            .map_err(failed)?;
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
    }

    /// Tells every running gateway to do something once.
    pub async fn command(&self, command: &Command, who: &str, now: Timestamp) -> Result<(), StoreError> {
        let (kind, target) = match command {
            Command::ResetBreaker(account) => ("breaker reset", account),
            Command::ResetLimit(key) => ("limits reset", key),
        };
        let mut tx = self.write(Durability::Power).await?;
        sqlx::query("DELETE FROM commands WHERE at < ? AND id < (SELECT MAX(id) FROM commands)")
            .bind(ms(now - COMMANDS_KEPT))
            .execute(&mut *tx)
            .await
            .map_err(failed)?;
        sqlx::query("INSERT INTO commands (at, kind, target) VALUES (?, ?, ?)")
            .bind(ms(now))
            .bind(kind)
            .bind(target)
            .execute(&mut *tx)
            .await
            .map_err(failed)?;
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
        audit(&mut tx, &row).await?;
        tx.commit().await.map_err(failed)
    }

    /// The commands after `id`, oldest first.
    pub async fn commands_after(&self, id: i64) -> Result<Vec<(i64, Command)>, StoreError> {
        let rows = sqlx::query("SELECT id, kind, target FROM commands WHERE id > ? ORDER BY id")
            .bind(id)
            .fetch_all(&self.readers)
            .await
            .map_err(failed)?;
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
    }

    /// Describes this gateway to operators.
    pub async fn show(&self, replica: &str, kind: &str, body: &str, now: Timestamp) -> Result<(), StoreError> {
        let mut writer = self.writer(Durability::Process).await?;
        sqlx::query(
            "INSERT INTO snapshots (replica, kind, body, at) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT (replica, kind) DO UPDATE SET body = ?3, at = ?4",
        )
        .bind(replica)
        .bind(kind)
        .bind(body)
        .bind(ms(now))
        .execute(&mut *writer)
        .await
        .map_err(failed)?;
        Ok(())
    }

    /// How running gateways described themselves, by name.
    pub async fn snapshots(&self, kind: &str, now: Timestamp) -> Result<Vec<Snapshot>, StoreError> {
        let rows = sqlx::query("SELECT replica, body, at FROM snapshots WHERE kind = ? AND at > ? ORDER BY replica")
            .bind(kind)
            .bind(ms(now - GONE_AFTER))
            .fetch_all(&self.readers)
            .await
            .map_err(failed)?;
        rows.iter()
            .map(|row| {
                let reading = Reading { table: "snapshots", row };
                Ok(Snapshot { replica: reading.text("replica")?, body: reading.text("body")?, at: reading.instant("at")? })
            })
            .collect()
    }

    /// Takes a gateway's descriptions away: it stops.
    pub async fn hide(&self, replica: &str) -> Result<(), StoreError> {
        let mut writer = self.writer(Durability::Process).await?;
        sqlx::query("DELETE FROM snapshots WHERE replica = ?").bind(replica).execute(&mut *writer).await.map_err(failed)?;
        Ok(())
    }

    /// Keeps windows for the next process.
    pub async fn keep_windows(&self, windows: &[KeptWindow]) -> Result<(), StoreError> {
        let mut tx = self.write(Durability::Power).await?;
        sqlx::query("DELETE FROM kept_windows").execute(&mut *tx).await.map_err(failed)?;
        sqlx::query("INSERT INTO kept_windows (body) VALUES (?)")
            .bind(to_json(&windows)?)
            .execute(&mut *tx)
            .await
            .map_err(failed)?;
        tx.commit().await.map_err(failed)
    }

    /// What the process before kept.
    pub async fn kept_windows(&self) -> Result<Vec<KeptWindow>, StoreError> {
        let row = sqlx::query("SELECT body FROM kept_windows").fetch_optional(&self.readers).await.map_err(failed)?;
        row.map_or(Ok(Vec::new()), |row| Reading { table: "kept_windows", row: &row }.json("body"))
    }
}

async fn audit(connection: &mut SqliteConnection, row: &AuditRow) -> Result<(), StoreError> {
    sqlx::query("INSERT INTO audit (at, who, what, tenant, was, now, until_ms, why) VALUES (?, ?, ?, ?, ?, ?, ?, ?)")
        .bind(ms(row.at))
        .bind(&row.who)
        .bind(&row.what)
        .bind(&row.tenant)
        .bind(&row.was)
        .bind(&row.now)
        .bind(row.until.map(ms))
        .bind(&row.why)
        .execute(connection)
        .await
        .map_err(failed)?;
    Ok(())
}
