//! The tenants as they are now, in memory; brought up to date within a second of a change by anybody.

use std::sync::{Arc, RwLock};

use async_trait::async_trait;
use frontdesk_calendar::Calendars;
use frontdesk_core::clock::Clock;
use frontdesk_core::ids::TenantId;
use frontdesk_core::ports::{Directory, StoreError};
use frontdesk_core::tenant::Tenant;
use frontdesk_http::{KeyOwner, Recognition};
use frontdesk_store::Store;

/// A snapshot that is replaced as a whole.
struct Snapshot {
    version: i64,
    tenants: Vec<Arc<Tenant>>,
}

/// All tenants of the store.
pub(crate) struct Tenants {
    store: Store,
    calendars: Arc<Calendars>,
    clock: Arc<dyn Clock>,
    now: RwLock<Arc<Snapshot>>,
    /// The tenant of synthetic calls, while there are any. It answers to its name and is in no list.
    canary: RwLock<Option<Arc<Tenant>>>,
}

impl Tenants {
    /// Reads them for the first time.
    pub(crate) async fn open(store: Store, calendars: Arc<Calendars>, clock: Arc<dyn Clock>) -> Result<Self, StoreError> {
        let version = store.tenants_version().await?;
        let tenants = store.tenants().await?;
        Ok(Self { store, calendars, clock, now: RwLock::new(Arc::new(Snapshot { version, tenants })), canary: RwLock::default() })
    }

    /// Reads them again if anybody changed one.
    pub(crate) async fn refresh(&self) -> Result<(), StoreError> {
        let version = self.store.tenants_version().await?;
        if self.snapshot().version == version {
            return Ok(());
        }
        let tenants = self.store.tenants().await?;
        for tenant in &tenants {
            // A key or an address may have changed: what the old one said does not count.
            self.calendars.forget(tenant.scope());
        }
        tracing::info!(tenants = tenants.len(), version, "tenants taken up");
        tell(&self.snapshot().tenants, &tenants);
        *self.now.write().unwrap_or_else(|poisoned| poisoned.into_inner()) = Arc::new(Snapshot { version, tenants });
        Ok(())
    }

    /// From now on synthetic calls are served, or not any more.
    pub(crate) fn set_canary(&self, canary: Option<Arc<Tenant>>) {
        *self.canary.write().unwrap_or_else(|poisoned| poisoned.into_inner()) = canary;
    }

    fn canary(&self) -> Option<Arc<Tenant>> {
        self.canary.read().unwrap_or_else(|poisoned| poisoned.into_inner()).clone()
    }

    fn snapshot(&self) -> Arc<Snapshot> {
        Arc::clone(&self.now.read().unwrap_or_else(|poisoned| poisoned.into_inner()))
    }
}

/// Writes down which tenants are others than before. What changed in them is told by `tenant history`.
fn tell(before: &[Arc<Tenant>], now: &[Arc<Tenant>]) {
    let find = |all: &[Arc<Tenant>], slug: &TenantId| all.iter().find(|tenant| tenant.slug == *slug).cloned();
    for tenant in now {
        let what = match find(before, &tenant.slug) {
            None => "added",
            Some(old) if is_same(&old, tenant) => continue,
            Some(_) => "changed",
        };
        tracing::warn!(channel = "audit", tenant = tenant.slug.as_str(), what, "a tenant was taken up");
    }
    for tenant in before.iter().filter(|tenant| find(now, &tenant.slug).is_none()) {
        tracing::warn!(channel = "audit", tenant = tenant.slug.as_str(), what = "removed", "a tenant was taken up");
    }
}

/// The same as stored, keys included, which a stored tenant does not show.
fn is_same(one: &Tenant, other: &Tenant) -> bool {
    let body = |tenant: &Tenant| serde_json::to_string(tenant).ok();
    body(one) == body(other) && one.secrets == other.secrets
}

impl Directory for Tenants {
    fn tenant(&self, id: &TenantId) -> Option<Arc<Tenant>> {
        if id.is_canary() {
            return self.canary();
        }
        self.snapshot().tenants.iter().find(|tenant| tenant.slug == *id).cloned()
    }
}

#[async_trait]
impl Recognition for Tenants {
    fn tenants(&self) -> Vec<Arc<Tenant>> {
        self.snapshot().tenants.clone()
    }

    fn tenant(&self, slug: &str) -> Option<Arc<Tenant>> {
        self.snapshot().tenants.iter().find(|tenant| tenant.slug.as_str() == slug).cloned()
    }

    fn canary(&self) -> Option<Arc<Tenant>> {
        self.canary()
    }

    fn calendar_changed(&self, tenant: &Tenant) {
        self.calendars.forget(tenant.scope());
    }

    async fn key_owner(&self, key: &str) -> Result<Option<KeyOwner>, StoreError> {
        if !key.starts_with("fd_") || key.len() > 200 {
            return Ok(None);
        }
        let Some((tenant, key_id)) = self.store.key_owner(key, self.clock.now()).await? else { return Ok(None) };
        Ok(Directory::tenant(self, &tenant).map(|tenant| KeyOwner { tenant, key_id }))
    }
}
