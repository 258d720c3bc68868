//! What is seen at one moment: by all gateways, in the store, of calls and bookings.

use std::collections::BTreeMap;
use std::sync::Arc;

use frontdesk_core::alert::{AgentSight, Baseline, Breaker, History, Sight, TenantSight};
use frontdesk_core::breaker::State;
use frontdesk_core::ids::TenantId;
use frontdesk_core::outbox::Outbox as _;
use frontdesk_core::ports::StoreError;
use frontdesk_core::tenant::Tenant;
use frontdesk_http::Recognition as _;
use frontdesk_store::{AgentUsual, CallSeen, Store};
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::Lookout;
use crate::operations::SNAPSHOT;
use crate::wiring::Arrangement;

/// What is usual is learned from so long.
const WEEKS: SignedDuration = SignedDuration::from_hours(28 * 24);
/// And anew this often.
const LEARN: SignedDuration = SignedDuration::from_hours(1);
/// Calls are looked at this often.
const CALLS: SignedDuration = SignedDuration::from_secs(15);
/// Of so many tenants at one look.
const AT_ONCE: usize = 100;
/// Older calls say nothing about now.
const LATELY: SignedDuration = SignedDuration::from_hours(24);
/// Calls that began longer ago are looked at no more for their end.
const UNFINISHED: SignedDuration = SignedDuration::from_hours(6);

/// What is known of calls, renewed from time to time.
#[derive(Default)]
pub(super) struct Known {
    tenants: BTreeMap<TenantId, OfTenant>,
}

#[derive(Default)]
struct OfTenant {
    agents: BTreeMap<String, (AgentUsual, Baseline)>,
    calls: Vec<CallSeen>,
    /// Calls since the newest booking.
    since_booking: u64,
    /// Calls and bookings of the last weeks.
    usual: (u64, u64),
    learned_at: Option<Timestamp>,
    looked_at: Option<Timestamp>,
}

impl Lookout {
    pub(super) fn tenants(&self) -> Vec<Arc<Tenant>> {
        self.tenants.tenants().into_iter().filter(|it| !it.slug.is_canary()).collect()
    }
}

impl Known {
    /// Asks the store again for what is old, of so many tenants at once that the turn is not over meanwhile; those
    /// that were not looked at for longest come first. What cannot be read of one tenant hides no other.
    pub(super) async fn refresh(&mut self, store: &Store, tenants: &[Arc<Tenant>], now: Timestamp) -> Result<(), StoreError> {
        self.tenants.retain(|slug, _| tenants.iter().any(|tenant| tenant.slug == *slug));
        let looked_at = |tenant: &Tenant| self.tenants.get(&tenant.slug).and_then(|it| it.looked_at);
        let mut due: Vec<_> =
            tenants.iter().map(|tenant| (looked_at(tenant), tenant)).filter(|it| is_old(it.0, CALLS, now)).collect();
        due.sort_by_key(|it| it.0);
        for (_, tenant) in due.into_iter().take(AT_ONCE) {
            let known = self.tenants.entry(tenant.slug.clone()).or_default();
            match known.refresh(store, tenant, now).await {
                Ok(()) => {}
                Err(error @ StoreError::Busy(_)) => return Err(error),
                Err(error) => {
                    let (tenant, error) = (tenant.slug.as_str(), error.with_causes());
                    tracing::warn!(channel = "alerts", tenant, error, "what is usual for a tenant cannot be read");
                }
            }
        }
        Ok(())
    }
}

fn is_old(at: Option<Timestamp>, span: SignedDuration, now: Timestamp) -> bool {
    at.is_none_or(|at| now.duration_since(at) >= span)
}

impl OfTenant {
    async fn refresh(&mut self, store: &Store, tenant: &Tenant, now: Timestamp) -> Result<(), StoreError> {
        self.looked_at = Some(now);
        if is_old(self.learned_at, LEARN, now) {
            let usual = store.agents_usual(tenant.scope(), now - WEEKS).await?;
            let learned = |usual: AgentUsual| {
                let baseline = Baseline::learn(tenant, &usual.by_hour, now - WEEKS, now);
                (usual, baseline)
            };
            self.usual = store.calls_and_bookings(tenant.scope(), now - WEEKS).await?;
            self.agents = usual.into_iter().map(|(agent, usual)| (agent, learned(usual))).collect();
            self.learned_at = Some(now);
        }
        self.calls = store.calls_seen(tenant.scope(), now - LATELY).await?;
        self.since_booking = store.calls_since_booking(tenant.scope(), now - WEEKS).await?;
        Ok(())
    }

    fn agent(&self, agent: &str) -> AgentSight {
        let (usual, baseline) = self.agents.get(agent).cloned().unwrap_or_default();
        let calls = || self.calls.iter().filter(|it| it.agent == agent);
        let told = calls().filter_map(|it| it.told_at).max();
        let silent = || calls().filter(|it| it.told_at.is_none() && told.is_none_or(|told| it.started_at > told));
        AgentSight {
            agent: agent.to_owned(),
            last_heard: calls().map(|it| it.started_at).max().max(told).max(usual.last_heard),
            calls_with_events: usual.with_events,
            silent_calls: silent().count() as u64,
            silent_since: silent().map(|it| it.started_at).min(),
            usual: baseline,
        }
    }
}

/// What is seen now.
pub(super) async fn sight<'a>(
    lookout: &Lookout,
    arrangement: &Arrangement,
    known: &Known,
    history: &'a History,
    tenants: &'a [Arc<Tenant>],
    now: Timestamp,
) -> Result<Sight<'a>, StoreError> {
    let store = &lookout.store;
    let (breakers, away) = of_gateways(lookout, arrangement, now).await?;
    let unsettled = store.unsettled().await?;
    let nothing = OfTenant::default();
    let of_tenant = |tenant: &'a Arc<Tenant>| {
        let known = known.tenants.get(&tenant.slug).unwrap_or(&nothing);
        let open = unsettled.iter().find(|it| it.tenant == tenant.slug);
        let ended_by = (now - UNFINISHED, now - arrangement.bounds.longest_call);
        let over = || known.calls.iter().filter(|it| it.started_at >= ended_by.0 && it.started_at < ended_by.1);
        TenantSight {
            tenant,
            agents: tenant.agent_ids.iter().map(|agent| known.agent(agent)).collect(),
            unconfirmed: open.and_then(|it| it.open),
            torn: open.map_or(0, |it| it.torn),
            should_be_over: (over().count() as u64, over().filter(|it| !it.is_over).count() as u64),
            ended: known.agents.values().map(|(usual, _)| usual.ended).sum(),
            usual: known.usual,
            calls_since_booking: known.since_booking,
        }
    };
    Ok(Sight {
        now,
        history,
        breakers,
        away,
        outbox: store.outbox_standing(now).await?,
        tenants: tenants.iter().map(of_tenant).collect(),
    })
}

/// Where the breakers stand, the worst that any gateway says, and how many do not reach the shared state. What this one
/// knows itself is not asked of the store.
async fn of_gateways(lookout: &Lookout, arrangement: &Arrangement, now: Timestamp) -> Result<(Vec<Breaker>, u64), StoreError> {
    let mut worst: BTreeMap<String, State> = BTreeMap::new();
    let mut put = |account: String, state: State| {
        let known = worst.entry(account).or_insert(State::Closed);
        *known = known.worse(state);
    };
    for row in lookout.state.breakers(&arrangement.rules).await {
        put(row.account, row.state);
    }
    let mut away = u64::from(lookout.state.is_away());
    for snapshot in lookout.store.snapshots(SNAPSHOT, now).await?.iter().filter(|it| it.replica != lookout.gateway) {
        let body: Value = serde_json::from_str(&snapshot.body).unwrap_or_default();
        away += u64::from(body["shared_state_away"] == true);
        for row in body["breakers"].as_array().into_iter().flatten() {
            if let (Some(account), Some(state)) = (row["account"].as_str(), row["state"].as_str().and_then(State::parse)) {
                put(account.to_owned(), state);
            }
        }
    }
    Ok((worst.into_iter().map(|(account, state)| Breaker { account, state }).collect(), away))
}
