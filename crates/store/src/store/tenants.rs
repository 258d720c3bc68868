//! Tenants, their revisions, their sealed secrets and their REST keys.

use std::sync::Arc;

use frontdesk_core::clock::Dice;
use frontdesk_core::ids::{TenantId, random_text};
use frontdesk_core::ports::StoreError;
use frontdesk_core::sensitive::Secret;
use frontdesk_core::tenant::{Tenant, TenantSecrets};
use jiff::{SignedDuration, Timestamp};
use ring::digest::{SHA256, digest};

use super::Store;
use crate::engine::{Durability, Tx, args};
use crate::rows::{Reading, ms, to_json};
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

impl Store {
    /// Writes all of `tenants` in one transaction. Secrets that are `None` keep what is stored. With
    /// `dry_run` everything is done and then undone.
    pub async fn apply_tenants(
        &self,
        tenants: &[Tenant],
        author: &str,
        dry_run: bool,
        now: Timestamp,
    ) -> Result<Vec<Applied>, StoreError> {
        let (safe, tenants, author) = (self.safe.clone(), tenants.to_vec(), author.to_owned());
        self.engine
            .write(Durability::Power, move |tx| {
                let applied = tenants
                    .iter()
                    .map(|tenant| safe.apply_tenant(tx, tenant, &author, now))
                    .collect::<Result<Vec<_>, StoreError>>()?;
                if dry_run {
                    return Ok(tx.undone(applied));
                }
                bump(tx)?;
                Ok(applied)
            })
            .await
    }

    /// All tenants with their secrets, by slug.
    pub async fn tenants(&self) -> Result<Vec<Arc<Tenant>>, StoreError> {
        let safe = self.safe.clone();
        self.engine
            .read(move |tx| {
                let rows = tx.all("SELECT body FROM tenants ORDER BY slug", args![])?;
                rows.iter()
                    .map(|row| {
                        let mut tenant: Tenant = Reading { table: "tenants", row }.json("body")?;
                        tenant.secrets = safe.read_secrets(tx, &tenant.slug)?;
                        Ok(Arc::new(tenant))
                    })
                    .collect()
            })
            .await
    }

    /// A number that grows with every change to tenants or their keys.
    pub async fn tenants_version(&self) -> Result<i64, StoreError> {
        self.engine
            .read(move |tx| tx.number("SELECT CAST(value AS BIGINT) FROM meta WHERE key = 'tenants_version'", args![]))
            .await
    }

    /// The revisions of a tenant, newest first.
    pub async fn tenant_revisions(&self, slug: &TenantId) -> Result<Vec<Revision>, StoreError> {
        let slug = slug.clone();
        self.engine
            .read(move |tx| {
                let rows = tx.all(
                    "SELECT revision, author, made_at, body FROM tenant_revisions WHERE slug = ? ORDER BY revision DESC",
                    args![slug.as_str()],
                )?;
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
            })
            .await
    }

    /// Takes a tenant away: its requests are refused from then on, its rows stay. `false` when there is
    /// no such tenant.
    pub async fn remove_tenant(&self, slug: &TenantId, author: &str, now: Timestamp) -> Result<bool, StoreError> {
        let (slug, author) = (slug.clone(), author.to_owned());
        self.engine
            .write(Durability::Power, move |tx| {
                let Some(row) = tx.first("SELECT revision FROM tenants WHERE slug = ?", args![slug.as_str()])? else {
                    return Ok(false);
                };
                let revision = Reading { table: "tenants", row: &row }.number("revision")?;
                write_revision(tx, slug.as_str(), revision + 1, None, &author, now)?;
                for statement in ["DELETE FROM tenant_secrets WHERE tenant = ?", "DELETE FROM api_keys WHERE tenant = ?"] {
                    tx.run(statement, args![slug.as_str()])?;
                }
                bump(tx)?;
                Ok(true)
            })
            .await
    }

    /// Makes another REST key; the ones before it end after `grace`.
    pub async fn rotate_key(&self, slug: &TenantId, grace: SignedDuration, now: Timestamp) -> Result<KeyIssued, StoreError> {
        let (safe, slug) = (self.safe.clone(), slug.clone());
        self.engine
            .write(Durability::Power, move |tx| {
                tx.run(
                    "UPDATE api_keys SET expires_at = ? WHERE tenant = ? AND (expires_at IS NULL OR expires_at > ?)",
                    args![ms(now + grace), slug.as_str(), ms(now + grace)],
                )?;
                let issued = safe.issue_key(tx, &slug, now)?;
                bump(tx)?;
                Ok(issued)
            })
            .await
    }

    /// Whose REST key this is, and what it is called.
    pub async fn key_owner(&self, key: &str, now: Timestamp) -> Result<Option<(TenantId, String)>, StoreError> {
        let key = key.to_owned();
        self.engine
            .peek(move |tx| {
                let row = tx.first(
                    "SELECT api_keys.tenant, api_keys.key_id FROM api_keys JOIN tenants ON tenants.slug = api_keys.tenant
             WHERE api_keys.hash = ? AND (api_keys.expires_at IS NULL OR api_keys.expires_at > ?)",
                    args![hash_of(&key), ms(now)],
                )?;
                row.map(|row| {
                    let reading = Reading { table: "api_keys", row: &row };
                    Ok((TenantId::new(reading.text("tenant")?), reading.text("key_id")?))
                })
                .transpose()
            })
            .await
    }

    /// Whether any secret is stored, so that a new master key must not be made.
    pub async fn holds_secrets(&self) -> Result<bool, StoreError> {
        self.engine.read(move |tx| tx.exists("SELECT EXISTS (SELECT 1 FROM tenant_secrets)", args![])).await
    }

    /// Checks that the master key is the one that the store was made with, and remembers it on a
    /// store without one.
    pub async fn check_master_key(&self) -> Result<(), StoreError> {
        let fingerprint = self.safe.key()?.fingerprint().to_owned();
        self.engine
            .write(Durability::Power, move |tx| {
                let stored = tx.first("SELECT value FROM meta WHERE key = 'master_key'", args![])?;
                match stored.map(|row| Reading { table: "meta", row: &row }.text("value")).transpose()? {
                    Some(stored) if stored == fingerprint => return Ok(()),
                    Some(_) => return Err(broken(VaultError::OtherKey)),
                    None => {}
                }
                tx.run("INSERT INTO meta (key, value) VALUES ('master_key', ?)", args![&fingerprint]).map(drop)
            })
            .await
    }

    /// Whether the master key is the one that the store was made with; `None` on a store without one.
    pub async fn knows_master_key(&self) -> Result<Option<bool>, StoreError> {
        let fingerprint = self.safe.key()?.fingerprint().to_owned();
        self.engine
            .read(move |tx| {
                let stored = tx.first("SELECT value FROM meta WHERE key = 'master_key'", args![])?;
                let stored = stored.map(|row| Reading { table: "meta", row: &row }.text("value")).transpose()?;
                Ok(stored.map(|stored| stored == fingerprint))
            })
            .await
    }

    /// A key for `purpose` that is the same after a restart and on every replica, derived from the master
    /// key.
    pub fn derived_key(&self, purpose: &str) -> Result<[u8; 32], StoreError> {
        Ok(self.safe.key()?.derive(purpose))
    }
}

/// The master key and the dice, for whatever seals, opens and issues.
#[derive(Clone)]
pub(crate) struct Safe {
    pub(crate) key: Option<Arc<MasterKey>>,
    pub(crate) dice: Arc<dyn Dice>,
}

impl Safe {
    fn apply_tenant(&self, tx: &mut Tx<'_>, tenant: &Tenant, author: &str, now: Timestamp) -> Result<Applied, StoreError> {
        let after = to_json(tenant)?;
        let slug = tenant.slug.as_str();
        let before = tx.first("SELECT body FROM tenants WHERE slug = ?", args![slug])?;
        let before = before.map(|row| Reading { table: "tenants", row: &row }.text("body")).transpose()?;
        let last = tx.number("SELECT COALESCE(MAX(revision), 0) FROM tenant_revisions WHERE slug = ?", args![slug])?;
        let changed = before.as_deref() != Some(after.as_str());
        let revision = if changed { last + 1 } else { last };
        if changed {
            write_revision(tx, slug, revision, Some(&after), author, now)?;
        }
        let secrets_changed = self.write_secrets(tx, tenant)?;
        let key = match before {
            Some(_) => None,
            None => Some(self.issue_key(tx, &tenant.slug, now)?),
        };
        Ok(Applied { tenant: tenant.slug.clone(), revision, before, after, secrets_changed, key })
    }

    fn write_secrets(&self, tx: &mut Tx<'_>, tenant: &Tenant) -> Result<Vec<&'static str>, StoreError> {
        let TenantSecrets { retell_api_key, retell_previous_api_key, calcom_api_key, calcom_webhook_secret } = &tenant.secrets;
        let given = [retell_api_key, retell_previous_api_key, calcom_api_key, calcom_webhook_secret];
        let stored = self.read_secrets(tx, &tenant.slug)?;
        let known =
            [&stored.retell_api_key, &stored.retell_previous_api_key, &stored.calcom_api_key, &stored.calcom_webhook_secret];
        let mut changed = Vec::new();
        for ((name, secret), before) in SECRETS.into_iter().zip(given).zip(known) {
            let Some(secret) = secret else { continue };
            if before.as_ref() == Some(secret) {
                continue;
            }
            let sealed = self.key()?.seal(&tenant.slug, name, secret, &*self.dice).map_err(broken)?;
            tx.run(
                "INSERT INTO tenant_secrets (tenant, name, sealed) VALUES (?, ?, ?)
                 ON CONFLICT (tenant, name) DO UPDATE SET sealed = excluded.sealed",
                args![tenant.slug.as_str(), name, sealed],
            )?;
            changed.push(name);
        }
        Ok(changed)
    }

    fn read_secrets(&self, tx: &mut Tx<'_>, slug: &TenantId) -> Result<TenantSecrets, StoreError> {
        let rows = tx.all("SELECT name, sealed FROM tenant_secrets WHERE tenant = ?", args![slug.as_str()])?;
        let mut secrets = TenantSecrets::default();
        for row in &rows {
            let reading = Reading { table: "tenant_secrets", row };
            let name = reading.text("name")?;
            let secret = Some(self.key()?.open(slug, &name, reading.bytes("sealed")?).map_err(broken)?);
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

    fn issue_key(&self, tx: &mut Tx<'_>, slug: &TenantId, now: Timestamp) -> Result<KeyIssued, StoreError> {
        let key = Secret::new(format!("fd_{}{}", random_text(&*self.dice), random_text(&*self.dice)));
        let id = format!("k_{}", &random_text(&*self.dice)[..10]);
        tx.run(
            "INSERT INTO api_keys (hash, tenant, key_id, created_at) VALUES (?, ?, ?, ?)",
            args![hash_of(key.expose()), slug.as_str(), &id, ms(now)],
        )?;
        Ok(KeyIssued { key, id })
    }

    fn key(&self) -> Result<&MasterKey, StoreError> {
        #[derive(Debug, thiserror::Error)]
        #[error("no master key is configured, and the store holds or needs secrets")]
        struct NoKey;
        self.key.as_deref().ok_or_else(|| StoreError::Broken(Box::new(NoKey)))
    }
}

fn write_revision(
    tx: &mut Tx<'_>,
    slug: &str,
    revision: i64,
    body: Option<&str>,
    author: &str,
    now: Timestamp,
) -> Result<(), StoreError> {
    tx.run(
        "INSERT INTO tenant_revisions (slug, revision, body, author, made_at) VALUES (?, ?, ?, ?, ?)",
        args![slug, revision, body, author, ms(now)],
    )?;
    match body {
        Some(body) => tx.run(
            "INSERT INTO tenants (slug, revision, body, updated_at) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT (slug) DO UPDATE SET revision = ?2, body = ?3, updated_at = ?4",
            args![slug, revision, body, ms(now)],
        ),
        None => tx.run("DELETE FROM tenants WHERE slug = ?", args![slug]),
    }
    .map(drop)
}

fn bump(tx: &mut Tx<'_>) -> Result<(), StoreError> {
    tx.run(
        "INSERT INTO meta (key, value) VALUES ('tenants_version', '1')
         ON CONFLICT (key) DO UPDATE SET value = CAST(CAST(meta.value AS BIGINT) + 1 AS TEXT)",
        args![],
    )?;
    Ok(())
}

fn hash_of(key: &str) -> Vec<u8> {
    digest(&SHA256, key.as_bytes()).as_ref().to_vec()
}

fn broken(error: VaultError) -> StoreError {
    StoreError::Broken(Box::new(error))
}
