//! Tenants, their revisions, their sealed secrets and their REST keys.

use std::sync::Arc;

use frontdesk_core::ids::{TenantId, random_text};
use frontdesk_core::ports::StoreError;
use frontdesk_core::sensitive::Secret;
use frontdesk_core::tenant::{Tenant, TenantSecrets};
use jiff::{SignedDuration, Timestamp};
use ring::digest::{SHA256, digest};
use sqlx::{Row as _, Sqlite, Transaction};

use super::{Durability, SqliteStore};
use crate::rows::{Reading, failed, ms, to_json};
use crate::vault::{MasterKey, VaultError};

/// The names that secrets are stored under.
const SECRETS: [&str; 4] = ["retell.api_key", "retell.previous_api_key", "calendar.api_key", "calendar.webhook_secret"];

/// What applying a tenant did.
#[derive(Debug, Clone)]
pub struct Applied {
    /// The tenant.
    pub tenant: TenantId,
    /// Its revision now.
    pub revision: i64,
    /// The body before, `None` for a new tenant.
    pub before: Option<String>,
    /// The body now.
    pub after: String,
    /// Names of secrets that were set anew.
    pub secrets_changed: Vec<&'static str>,
    /// The REST key of a new tenant; it is not stored and cannot be shown again.
    pub key: Option<KeyIssued>,
}

/// A REST key, once.
#[derive(Debug, Clone)]
pub struct KeyIssued {
    /// The key itself, `fd_…`.
    pub key: Secret,
    /// What it is called in limits and logs.
    pub id: String,
}

/// A stored revision of a tenant.
#[derive(Debug, Clone)]
pub struct Revision {
    /// Its number.
    pub number: i64,
    /// Who made it.
    pub author: String,
    /// When.
    pub made_at: Timestamp,
    /// The tenant as JSON, `None` when it was removed.
    pub body: Option<String>,
}

impl SqliteStore {
    /// Writes all of `tenants` in one transaction. Secrets that are `None` keep what is stored. With
    /// `dry_run` everything is done and then undone.
    pub async fn apply_tenants(
        &self,
        tenants: &[Tenant],
        author: &str,
        dry_run: bool,
        now: Timestamp,
    ) -> Result<Vec<Applied>, StoreError> {
        let mut tx = self.write(Durability::Power).await?;
        let mut applied = Vec::with_capacity(tenants.len());
        for tenant in tenants {
            applied.push(self.apply_tenant(&mut tx, tenant, author, now).await?);
        }
        if dry_run {
            tx.rollback().await.map_err(failed)?;
        } else {
            bump(&mut tx).await?;
            tx.commit().await.map_err(failed)?;
        }
        Ok(applied)
    }

    async fn apply_tenant(
        &self,
        tx: &mut Transaction<'static, Sqlite>,
        tenant: &Tenant,
        author: &str,
        now: Timestamp,
    ) -> Result<Applied, StoreError> {
        let after = to_json(tenant)?;
        let slug = tenant.slug.as_str();
        let before: Option<String> = sqlx::query("SELECT body FROM tenants WHERE slug = ?")
            .bind(slug)
            .fetch_optional(&mut **tx)
            .await
            .map_err(failed)?
            .map(|row| row.get(0));
        let last: i64 = sqlx::query("SELECT COALESCE(MAX(revision), 0) FROM tenant_revisions WHERE slug = ?")
            .bind(slug)
            .fetch_one(&mut **tx)
            .await
            .map_err(failed)?
            .get(0);
        let changed = before.as_deref() != Some(after.as_str());
        let revision = if changed { last + 1 } else { last };
        if changed {
            write_revision(tx, slug, revision, Some(&after), author, now).await?;
        }
        let secrets_changed = self.write_secrets(tx, tenant).await?;
        let key = match before {
            Some(_) => None,
            None => Some(self.issue_key(tx, &tenant.slug, now).await?),
        };
        Ok(Applied { tenant: tenant.slug.clone(), revision, before, after, secrets_changed, key })
    }

    async fn write_secrets(
        &self,
        tx: &mut Transaction<'static, Sqlite>,
        tenant: &Tenant,
    ) -> Result<Vec<&'static str>, StoreError> {
        let TenantSecrets { retell_api_key, retell_previous_api_key, calcom_api_key, calcom_webhook_secret } = &tenant.secrets;
        let given = [retell_api_key, retell_previous_api_key, calcom_api_key, calcom_webhook_secret];
        let stored = self.read_secrets(tx, &tenant.slug).await?;
        let known =
            [&stored.retell_api_key, &stored.retell_previous_api_key, &stored.calcom_api_key, &stored.calcom_webhook_secret];
        let mut changed = Vec::new();
        for ((name, secret), before) in SECRETS.into_iter().zip(given).zip(known) {
            let Some(secret) = secret else { continue };
            if before.as_ref() == Some(secret) {
                continue;
            }
            let sealed = self.vault()?.seal(&tenant.slug, name, secret, &*self.dice).map_err(broken)?;
            sqlx::query(
                "INSERT INTO tenant_secrets (tenant, name, sealed) VALUES (?, ?, ?)
                 ON CONFLICT (tenant, name) DO UPDATE SET sealed = excluded.sealed",
            )
            .bind(tenant.slug.as_str())
            .bind(name)
            .bind(sealed)
            .execute(&mut **tx)
            .await
            .map_err(failed)?;
            changed.push(name);
        }
        Ok(changed)
    }

    async fn read_secrets(&self, tx: &mut sqlx::SqliteConnection, slug: &TenantId) -> Result<TenantSecrets, StoreError> {
        let rows = sqlx::query("SELECT name, sealed FROM tenant_secrets WHERE tenant = ?")
            .bind(slug.as_str())
            .fetch_all(tx)
            .await
            .map_err(failed)?;
        let mut secrets = TenantSecrets::default();
        for row in rows {
            let (name, sealed): (String, Vec<u8>) = (row.get(0), row.get(1));
            let secret = Some(self.vault()?.open(slug, &name, &sealed).map_err(broken)?);
            match name.as_str() {
                "retell.api_key" => secrets.retell_api_key = secret,
                "retell.previous_api_key" => secrets.retell_previous_api_key = secret,
                "calendar.api_key" => secrets.calcom_api_key = secret,
                "calendar.webhook_secret" => secrets.calcom_webhook_secret = secret,
                _ => return Err(StoreError::Corrupt { table: "tenant_secrets", column: "name" }),
            }
        }
        Ok(secrets)
    }

    /// All tenants with their secrets, by slug.
    pub async fn tenants(&self) -> Result<Vec<Arc<Tenant>>, StoreError> {
        let mut connection = self.readers.acquire().await.map_err(failed)?;
        let rows = sqlx::query("SELECT body FROM tenants ORDER BY slug").fetch_all(&mut *connection).await.map_err(failed)?;
        let mut tenants = Vec::with_capacity(rows.len());
        for row in &rows {
            let mut tenant: Tenant = Reading { table: "tenants", row }.json("body")?;
            tenant.secrets = self.read_secrets(&mut connection, &tenant.slug).await?;
            tenants.push(Arc::new(tenant));
        }
        Ok(tenants)
    }

    /// A number that grows with every change to tenants or their keys.
    pub async fn tenants_version(&self) -> Result<i64, StoreError> {
        let row = sqlx::query("SELECT CAST(value AS INTEGER) FROM meta WHERE key = 'tenants_version'")
            .fetch_optional(&self.readers)
            .await
            .map_err(failed)?;
        Ok(row.map_or(0, |row| row.get(0)))
    }

    /// The revisions of a tenant, newest first.
    pub async fn tenant_revisions(&self, slug: &TenantId) -> Result<Vec<Revision>, StoreError> {
        let rows =
            sqlx::query("SELECT revision, author, made_at, body FROM tenant_revisions WHERE slug = ? ORDER BY revision DESC")
                .bind(slug.as_str())
                .fetch_all(&self.readers)
                .await
                .map_err(failed)?;
        rows.iter()
            .map(|row| {
                let reading = Reading { table: "tenant_revisions", row };
                Ok(Revision {
                    number: reading.number("revision")?,
                    author: reading.text("author")?,
                    made_at: reading.instant("made_at")?,
                    body: reading.text_or_none("body")?,
                })
            })
            .collect()
    }

    /// Takes a tenant away: its requests are refused from then on, its rows stay. `false` when there is
    /// no such tenant.
    pub async fn remove_tenant(&self, slug: &TenantId, author: &str, now: Timestamp) -> Result<bool, StoreError> {
        let mut tx = self.write(Durability::Power).await?;
        let Some(row) = sqlx::query("SELECT revision FROM tenants WHERE slug = ?")
            .bind(slug.as_str())
            .fetch_optional(&mut *tx)
            .await
            .map_err(failed)?
        else {
            return Ok(false);
        };
        let revision: i64 = row.get(0);
        write_revision(&mut tx, slug.as_str(), revision + 1, None, author, now).await?;
        for statement in ["DELETE FROM tenant_secrets WHERE tenant = ?", "DELETE FROM api_keys WHERE tenant = ?"] {
            sqlx::query(statement).bind(slug.as_str()).execute(&mut *tx).await.map_err(failed)?;
        }
        bump(&mut tx).await?;
        tx.commit().await.map_err(failed)?;
        Ok(true)
    }

    /// Makes another REST key; the ones before it end after `grace`.
    pub async fn rotate_key(&self, slug: &TenantId, grace: SignedDuration, now: Timestamp) -> Result<KeyIssued, StoreError> {
        let mut tx = self.write(Durability::Power).await?;
        sqlx::query("UPDATE api_keys SET expires_at = ? WHERE tenant = ? AND (expires_at IS NULL OR expires_at > ?)")
            .bind(ms(now + grace))
            .bind(slug.as_str())
            .bind(ms(now + grace))
            .execute(&mut *tx)
            .await
            .map_err(failed)?;
        let issued = self.issue_key(&mut tx, slug, now).await?;
        bump(&mut tx).await?;
        tx.commit().await.map_err(failed)?;
        Ok(issued)
    }

    async fn issue_key(
        &self,
        tx: &mut Transaction<'static, Sqlite>,
        slug: &TenantId,
        now: Timestamp,
    ) -> Result<KeyIssued, StoreError> {
        let key = Secret::new(format!("fd_{}{}", random_text(&*self.dice), random_text(&*self.dice)));
        let id = format!("k_{}", &random_text(&*self.dice)[..10]);
        sqlx::query("INSERT INTO api_keys (hash, tenant, key_id, created_at) VALUES (?, ?, ?, ?)")
            .bind(hash_of(key.expose()))
            .bind(slug.as_str())
            .bind(&id)
            .bind(ms(now))
            .execute(&mut **tx)
            .await
            .map_err(failed)?;
        Ok(KeyIssued { key, id })
    }

    /// Whose REST key this is, and what it is called.
    pub async fn key_owner(&self, key: &str, now: Timestamp) -> Result<Option<(TenantId, String)>, StoreError> {
        let row = sqlx::query(
            "SELECT api_keys.tenant, api_keys.key_id FROM api_keys JOIN tenants ON tenants.slug = api_keys.tenant
             WHERE api_keys.hash = ? AND (api_keys.expires_at IS NULL OR api_keys.expires_at > ?)",
        )
        .bind(hash_of(key))
        .bind(ms(now))
        .fetch_optional(&self.readers)
        .await
        .map_err(failed)?;
        Ok(row.map(|row| (TenantId::new(row.get::<String, _>(0)), row.get(1))))
    }

    /// Whether any secret is stored, so that a new master key must not be made.
    pub async fn holds_secrets(&self) -> Result<bool, StoreError> {
        let row = sqlx::query("SELECT EXISTS (SELECT 1 FROM tenant_secrets)").fetch_one(&self.readers).await.map_err(failed)?;
        Ok(row.get(0))
    }

    /// Checks that the master key is the one that the store was made with, and remembers it on a
    /// store without one.
    pub async fn check_master_key(&self) -> Result<(), StoreError> {
        let fingerprint = self.vault()?.fingerprint().to_owned();
        let mut tx = self.write(Durability::Power).await?;
        let stored: Option<String> = sqlx::query("SELECT value FROM meta WHERE key = 'master_key'")
            .fetch_optional(&mut *tx)
            .await
            .map_err(failed)?
            .map(|row| row.get(0));
        match stored {
            Some(stored) if stored == fingerprint => return Ok(()),
            Some(_) => return Err(broken(VaultError::OtherKey)),
            None => {}
        }
        sqlx::query("INSERT INTO meta (key, value) VALUES ('master_key', ?)")
            .bind(fingerprint)
            .execute(&mut *tx)
            .await
            .map_err(failed)?;
        tx.commit().await.map_err(failed)
    }

    /// A key for `purpose` that is the same after a restart and on every replica, derived from the master
    /// key.
    pub fn derived_key(&self, purpose: &str) -> Result<[u8; 32], StoreError> {
        Ok(self.vault()?.derive(purpose))
    }

    fn vault(&self) -> Result<&MasterKey, StoreError> {
        #[derive(Debug, thiserror::Error)]
        #[error("no master key is configured, and the store holds or needs secrets")]
        struct NoKey;
        self.master_key.as_deref().ok_or_else(|| StoreError::Broken(Box::new(NoKey)))
    }
}

async fn write_revision(
    tx: &mut Transaction<'static, Sqlite>,
    slug: &str,
    revision: i64,
    body: Option<&str>,
    author: &str,
    now: Timestamp,
) -> Result<(), StoreError> {
    sqlx::query("INSERT INTO tenant_revisions (slug, revision, body, author, made_at) VALUES (?, ?, ?, ?, ?)")
        .bind(slug)
        .bind(revision)
        .bind(body)
        .bind(author)
        .bind(ms(now))
        .execute(&mut **tx)
        .await
        .map_err(failed)?;
    let statement = match body {
        Some(_) => {
            "INSERT INTO tenants (slug, revision, body, updated_at) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT (slug) DO UPDATE SET revision = ?2, body = ?3, updated_at = ?4"
        }
        None => "DELETE FROM tenants WHERE slug = ?1 AND ?2 = ?2 AND ?3 IS NULL AND ?4 = ?4",
    };
    sqlx::query(statement).bind(slug).bind(revision).bind(body).bind(ms(now)).execute(&mut **tx).await.map_err(failed)?;
    Ok(())
}

async fn bump(tx: &mut Transaction<'static, Sqlite>) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO meta (key, value) VALUES ('tenants_version', '1')
         ON CONFLICT (key) DO UPDATE SET value = CAST(CAST(value AS INTEGER) + 1 AS TEXT)",
    )
    .execute(&mut **tx)
    .await
    .map_err(failed)?;
    Ok(())
}

fn hash_of(key: &str) -> Vec<u8> {
    digest(&SHA256, key.as_bytes()).as_ref().to_vec()
}

fn broken(error: VaultError) -> StoreError {
    StoreError::Broken(Box::new(error))
}
