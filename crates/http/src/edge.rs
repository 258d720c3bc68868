//! What the edge is made of.

use std::net::IpAddr;
use std::sync::Arc;

use async_trait::async_trait;
use frontdesk_core::alert::{Alert, Silence};
use frontdesk_core::clock::{Clock, Dice};
use frontdesk_core::desk::Desk;
use frontdesk_core::ids::{CallId, TenantId};
use frontdesk_core::limits::Gate;
use frontdesk_core::policy::HoursRule;
use frontdesk_core::ports::{Callbacks, Calls, Claims, Diary, Exchange, Heard, Outbox, PollRow, StoreError};
use frontdesk_core::protection::{Mode, Protection, Switch, Switches};
use frontdesk_core::redact::Redactor;
use frontdesk_core::sensitive::Secret;
use frontdesk_core::shared::{BreakerRow, BucketRow};
use frontdesk_core::spans::Spans;
use frontdesk_core::tenant::{Scope, Tenant};
use frontdesk_core::vitals::Counts;
use jiff::Timestamp;

use crate::health::Health;
use crate::metrics::Metrics;

/// Who may use the admin surface.
#[derive(Debug, Clone)]
pub struct AdminKey {
    /// Who did what is written down under this name.
    pub name: String,
    /// The key itself.
    pub key: Secret,
}

/// Tells proxies whose word is believed from strangers.
#[derive(Clone)]
pub struct Trusts(Arc<dyn Fn(IpAddr) -> bool + Send + Sync>);

impl Trusts {
    /// Those for which `is_proxy` holds.
    pub fn new(is_proxy: impl Fn(IpAddr) -> bool + Send + Sync + 'static) -> Self {
        Self(Arc::new(is_proxy))
    }

    /// Nobody's word is believed.
    pub fn nobody() -> Self {
        Self::new(|_| false)
    }

    pub(crate) fn trusts(&self, address: IpAddr) -> bool {
        (self.0)(address)
    }
}

impl std::fmt::Debug for Trusts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Trusts")
    }
}

/// What the configuration says about the edge.
#[derive(Debug, Clone)]
pub struct Settings {
    /// What platforms call, without a trailing slash.
    pub public_url: String,
    /// Whether an address is a proxy whose `X-Forwarded-For` is believed.
    pub trusts: Trusts,
    /// A slower answer is worth a line.
    pub slow_after: std::time::Duration,
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

    /// The tenant of synthetic calls, while there are any; it is none of the above.
    fn canary(&self) -> Option<Arc<Tenant>> {
        None
    }

    /// Something changed in a tenant's calendar: what is remembered of it is out of date.
    fn calendar_changed(&self, tenant: &Tenant);

    /// The owner of a REST key.
    async fn key_owner(&self, key: &str) -> Result<Option<KeyOwner>, StoreError>;
}

/// The configuration that is in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InForce {
    /// Which one: the beginning of the file's SHA-256.
    pub revision: String,
    /// Its number among the stored revisions of the live sections; 0 is none.
    pub stored: i64,
    /// Since when.
    pub loaded_at: Timestamp,
    /// When one was refused last, and why.
    pub refused: Option<(Timestamp, String)>,
}

/// Something an operator did, for the list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Done {
    /// When.
    pub at: Timestamp,
    /// Who.
    pub who: String,
    /// What.
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

/// What operators see and do beside tenants' data. Everything that changes something is written down
/// under the operator's name and reaches every gateway on the store within a second.
#[async_trait]
pub trait Operations: Send + Sync {
    /// The switches that are set.
    async fn features(&self) -> Result<Vec<Switch>, StoreError>;

    /// Sets a switch.
    async fn set_feature(&self, switch: &Switch, who: &str, why: Option<&str>) -> Result<(), StoreError>;

    /// All breakers.
    async fn breakers(&self) -> Vec<BreakerRow>;

    /// Closes one breaker, or all.
    async fn reset_breaker(&self, account: Option<&str>, who: &str) -> Result<(), StoreError>;

    /// The fullest buckets.
    async fn buckets(&self, most: usize) -> Vec<BucketRow>;

    /// Empties a bucket.
    async fn reset_bucket(&self, key: &str, who: &str) -> Result<(), StoreError>;

    /// What a request said to calendars and what they answered, redacted.
    async fn exchanges(&self, scope: Scope<'_>, request: &str) -> Result<Vec<Exchange>, StoreError>;

    /// The events of a call, in the order in which they came.
    async fn call_events(&self, scope: Scope<'_>, call: &CallId) -> Result<Vec<Heard>, StoreError>;

    /// What operators did, newest first.
    async fn audit(&self, most: u32) -> Result<Vec<Done>, StoreError>;

    /// The revisions of the configuration, newest first.
    async fn revisions(&self, most: u32) -> Result<Vec<serde_json::Value>, StoreError>;

    /// How calendars answer when they are asked for what changed; none where the store does not say.
    async fn polls(&self) -> Vec<PollRow>;

    /// What fires and what did, and who is silenced.
    async fn alerts(&self) -> Result<(Vec<Alert>, Vec<Silence>), StoreError>;

    /// Whether the state that replicas share is away, and how often this one decided for itself.
    fn shared_state(&self) -> (bool, u64);

    /// Memory of this process, bytes; 0 where it cannot be told.
    fn resident_bytes(&self) -> u64;

    /// Lines of the log that could not be written since this process began.
    fn log_lines_lost(&self) -> u64 {
        0
    }
}

/// The parts.
#[derive(Clone)]
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
    /// What others are told, for operators.
    pub outbox: Arc<dyn Outbox>,
    /// Health.
    pub health: Arc<dyn Health>,
    /// What operators see and do.
    pub operations: Arc<dyn Operations>,
    /// Keeps secrets and people out of error bodies.
    pub redactor: Arc<Redactor>,
    /// Who may ask.
    pub gate: Arc<Gate>,
    /// How the protections stand.
    pub switches: Arc<Switches>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Request ids.
    pub dice: Arc<dyn Dice>,
    /// Who collects spans, if anybody does.
    pub spans: Option<Arc<dyn Spans>>,
    /// The configuration.
    pub settings: Settings,
}

/// The edge, shared by all requests.
#[derive(Clone)]
pub struct Edge(Arc<Inner>);

struct Inner {
    parts: EdgeParts,
    metrics: Arc<Metrics>,
}

impl Edge {
    /// Puts it together.
    pub fn new(parts: EdgeParts) -> Self {
        let metrics = Arc::new(Metrics::new(&parts));
        Self(Arc::new(Inner { parts, metrics }))
    }

    /// The edge for requests that come from now on, with what `change` makes of the parts; what was counted
    /// counts on.
    #[must_use]
    pub fn renewed(&self, change: impl FnOnce(&mut EdgeParts)) -> Self {
        let mut parts = self.0.parts.clone();
        change(&mut parts);
        Self(Arc::new(Inner { parts, metrics: Arc::clone(&self.0.metrics) }))
    }

    pub(crate) fn metrics(&self) -> &Metrics {
        &self.0.metrics
    }

    /// What callers met so far, whatever the configuration was.
    pub fn counts(&self) -> Counts {
        self.0.metrics.pulse.counts()
    }

    /// How many requests of platforms and calendars could not prove whose they are.
    pub fn rejected(&self) -> u64 {
        self.0.metrics.rejected.load(std::sync::atomic::Ordering::Relaxed)
    }

    /// How many requests a limit refused, whoever sent them.
    pub fn refused(&self) -> u64 {
        self.0.metrics.refused.load(std::sync::atomic::Ordering::Relaxed)
    }

    /// How a protection stands for a tenant, or for requests without one.
    pub(crate) fn mode(&self, protection: Protection, tenant: Option<&TenantId>) -> Mode {
        self.switches.mode(protection, tenant, self.clock.now())
    }

    /// Whether business hours refuse.
    pub(crate) fn hours(&self, tenant: &Tenant) -> HoursRule {
        match self.mode(Protection::BusinessHours, Some(&tenant.slug)) {
            Mode::On => HoursRule::Enforced,
            Mode::Shadow => HoursRule::Watched,
            Mode::Off => HoursRule::Ignored,
        }
    }
}

impl std::ops::Deref for Edge {
    type Target = EdgeParts;

    fn deref(&self) -> &EdgeParts {
        &self.0.parts
    }
}

/// What an unknown tenant looks like from outside: nothing at all.
pub(crate) fn find_tenant(edge: &Edge, slug: &str) -> Option<Arc<Tenant>> {
    if TenantId::is_slug(slug) { edge.recognition.tenant(slug) } else { None }
}
