//! What the edge is made of.

use std::net::IpAddr;
use std::sync::Arc;

use async_trait::async_trait;
use frontdesk_core::clock::{Clock, Dice};
use frontdesk_core::desk::Desk;
use frontdesk_core::ids::TenantId;
use frontdesk_core::ports::{Callbacks, Calls, Claims, Diary, StoreError};
use frontdesk_core::sensitive::Secret;
use frontdesk_core::tenant::Tenant;

/// Who may use the admin surface.
#[derive(Debug, Clone)]
pub struct AdminKey {
    /// Who did what is written down under this name.
    pub name: String,
    /// The key itself.
    pub key: Secret,
}

/// What the configuration says about the edge.
#[derive(Debug, Clone)]
pub struct Settings {
    /// What platforms call, without a trailing slash.
    pub public_url: String,
    /// Empty: the admin surface is off.
    pub admin_keys: Vec<AdminKey>,
    /// The version of this build.
    pub version: &'static str,
    /// The commit of this build, or `unknown`.
    pub build: &'static str,
}

/// Whose REST key it is.
#[derive(Debug, Clone)]
pub struct KeyOwner {
    /// The tenant.
    pub tenant: Arc<Tenant>,
    /// What the key is called in limits and logs.
    pub key_id: String,
}

/// The tenants of this deployment, and who their keys and agents belong to.
#[async_trait]
pub trait Recognition: Send + Sync {
    /// All tenants.
    fn tenants(&self) -> Vec<Arc<Tenant>>;

    /// The tenant with that slug.
    fn tenant(&self, slug: &str) -> Option<Arc<Tenant>>;

    /// Something changed in a tenant's calendar: what is remembered of it is out of date.
    fn calendar_changed(&self, tenant: &Tenant);

    /// The owner of a REST key.
    async fn key_owner(&self, key: &str) -> Result<Option<KeyOwner>, StoreError>;
}

/// Overall health.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum HealthState {
    /// Everything works.
    Healthy,
    /// Serves, but something needs a person.
    Degraded,
    /// Cannot serve.
    Unhealthy,
}

impl HealthState {
    /// The contract's word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Healthy => "healthy",
            Self::Degraded => "degraded",
            Self::Unhealthy => "unhealthy",
        }
    }
}

/// What health finds.
#[derive(Debug, Clone)]
pub struct HealthReport {
    /// The worst of the checks.
    pub state: HealthState,
    /// Name, state, one sentence.
    pub checks: Vec<(&'static str, HealthState, String)>,
}

/// Looks at the process's own parts, quickly.
#[async_trait]
pub trait Health: Send + Sync {
    /// The state now.
    async fn report(&self) -> HealthReport;
}

/// The parts.
pub struct EdgeParts {
    /// The use cases.
    pub desk: Desk,
    /// Whose request is it?
    pub recognition: Arc<dyn Recognition>,
    /// Calls and their events.
    pub calls: Arc<dyn Calls>,
    /// Work items.
    pub callbacks: Arc<dyn Callbacks>,
    /// Appointments, for operators.
    pub diary: Arc<dyn Diary>,
    /// Idempotency keys.
    pub claims: Arc<dyn Claims>,
    /// Health.
    pub health: Arc<dyn Health>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Request ids.
    pub dice: Arc<dyn Dice>,
    /// The configuration.
    pub settings: Settings,
}

/// The edge, shared by all requests.
#[derive(Clone)]
pub struct Edge(Arc<EdgeParts>);

impl Edge {
    /// Puts it together.
    pub fn new(parts: EdgeParts) -> Self {
        Self(Arc::new(parts))
    }
}

impl std::ops::Deref for Edge {
    type Target = EdgeParts;

    fn deref(&self) -> &EdgeParts {
        &self.0
    }
}

/// The address a request came from, as far as the listener knows.
#[derive(Debug, Clone, Copy)]
pub struct Peer(pub IpAddr);

/// What an unknown tenant looks like from outside: nothing at all.
pub(crate) fn find_tenant(edge: &Edge, slug: &str) -> Option<Arc<Tenant>> {
    if TenantId::is_slug(slug) { edge.recognition.tenant(slug) } else { None }
}
