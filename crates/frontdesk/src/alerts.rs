//! Looks whether a person has to be told of something: one gateway at a time, for all that share the store, over
//! what each of them files there. What fires is written down together with its deliveries; the outbox brings them.

mod filing;
mod sight;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use frontdesk_calendar::Guard;
use frontdesk_core::alert::{Alert, Change, History, Rule, Thresholds, judge, next};
use frontdesk_core::clock::Clock;
use frontdesk_core::ports::StoreError;
use frontdesk_core::protection::Mode;
use frontdesk_core::shared::SharedState;
use frontdesk_http::Edge;
use frontdesk_store::{AlertChange, Store};
use jiff::{SignedDuration, Timestamp};
use tokio::sync::Mutex;

use crate::config::deployment::DeploymentConfig;
use crate::tenants::Tenants;
use crate::wiring::{Arrangement, Current};

pub(crate) use filing::Filed;
use sight::Known;

/// Nobody else looks for this long.
const TURN: SignedDuration = SignedDuration::from_secs(15);
/// The longest window of a rule, and a little more.
const COUNTED: SignedDuration = SignedDuration::from_mins(6 * 60 + 5);
/// What others count of the last slots may come late.
const LATE: SignedDuration = SignedDuration::from_mins(1);
/// How long what was over is remembered.
const OVER: SignedDuration = SignedDuration::from_hours(30 * 24);
/// What is over is let go of this often.
const FORGET: SignedDuration = SignedDuration::from_mins(10);

/// Looks.
pub(crate) struct Lookout {
    pub(crate) store: Store,
    pub(crate) state: Arc<dyn SharedState>,
    pub(crate) tenants: Arc<Tenants>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) arrangement: Arc<Current<Arrangement>>,
    /// Who looks.
    pub(crate) gateway: String,
    pub(crate) edge: Edge,
    pub(crate) guard: Arc<Guard>,
    pub(crate) memory: Mutex<Memory>,
    pub(crate) filed: Mutex<Filed>,
}

/// What whose turn it is remembers from one look to the next.
#[derive(Default)]
pub(crate) struct Memory {
    turn_until: Option<Timestamp>,
    history: History,
    read_until: Option<Timestamp>,
    known: Known,
    forgotten_at: Option<Timestamp>,
}

/// From where on rules fire.
pub(crate) fn bounds(config: &DeploymentConfig) -> Thresholds {
    let (alerts, span) = (&config.live.alerts, |span| SignedDuration::try_from(span).unwrap_or(SignedDuration::MAX));
    Thresholds {
        errors_5m: u64::from(alerts.errors_5m),
        refusals_1h: u64::from(alerts.rate_limited_1h),
        rejected_5m: u64::from(alerts.rejected_5m),
        response_time: alerts.response_time,
        budget_ppm: alerts.budget_ppm,
        outbox_age: span(config.health.outbox_age),
        unconfirmed: span(alerts.unconfirmed),
        longest_call: span(alerts.longest_call),
        absences: alerts.absences == Mode::On,
    }
}

impl Lookout {
    /// Files what this gateway counted; looks, if it is its turn. Returns what fires now and what is over now.
    pub(crate) async fn round(&self) -> Result<Vec<Alert>, StoreError> {
        self.file().await?;
        self.look().await
    }

    async fn look(&self) -> Result<Vec<Alert>, StoreError> {
        let now = self.clock.now();
        // As the store keeps it.
        let now = Timestamp::from_millisecond(now.as_millisecond()).unwrap_or(now);
        let mut memory = self.memory.lock().await;
        if !self.has_turn(&mut memory, now).await? {
            // What was learned of tenants is worth as much at the next turn.
            *memory = Memory { known: std::mem::take(&mut memory.known), ..Memory::default() };
            return Ok(Vec::new());
        }
        let arrangement = self.arrangement.now();
        self.remember(&mut memory, now).await?;
        let tenants = self.tenants();
        memory.known.refresh(&self.store, &tenants, now).await?;
        let sight = sight::sight(self, &arrangement, &memory.known, &memory.history, &tenants, now).await?;
        let verdicts = judge(&sight, &arrangement.bounds);
        let mut before: HashMap<(Rule, String), Alert> = HashMap::new();
        before.extend(self.store.alerts().await?.into_iter().map(|it| ((it.rule, it.subject.clone()), it)));
        let silences = self.store.silences(now).await?;
        let mut said: BTreeMap<(Rule, String), _> = BTreeMap::new();
        said.extend(before.values().filter(|it| it.is_firing()).map(|it| ((it.rule, it.subject.clone()), None)));
        said.extend(verdicts.iter().map(|it| ((it.rule, it.subject.clone()), Some(it))));
        let mut changes = Vec::new();
        for (key, verdict) in &said {
            let silenced = silences.iter().any(|it| it.covers(key.0, &key.1, now));
            let told = |alert: &Alert| match alert.told && !silenced {
                true => arrangement.courier.receivers_of(&alert.notice()),
                false => Vec::new(),
            };
            changes.extend(match next(before.get(key), *verdict, silenced, now) {
                Change::None => None,
                Change::Keep(alert) => Some((false, AlertChange { alert, deliveries: Vec::new() })),
                Change::Fire(alert) | Change::Resolve(alert) => Some((true, AlertChange { deliveries: told(&alert), alert })),
            });
        }
        if changes.is_empty() {
            return Ok(Vec::new());
        }
        let written: Vec<AlertChange> = changes.iter().map(|(_, change)| change.clone()).collect();
        let written = self.store.change_alerts(&self.gateway, &written, now).await?;
        let is_written = |alert: &Alert| written.iter().any(|it| it.alert == *alert);
        let news: Vec<Alert> =
            changes.into_iter().filter(|(is_news, it)| *is_news && is_written(&it.alert)).map(|(_, it)| it.alert).collect();
        news.iter().for_each(tell);
        Ok(news)
    }

    async fn has_turn(&self, memory: &mut Memory, now: Timestamp) -> Result<bool, StoreError> {
        // Half of it is left: a write less for every other look.
        if memory.turn_until.is_some_and(|until| until.duration_since(now) > TURN / 2) {
            return Ok(true);
        }
        let taken = self.store.take_alert_turn(&self.gateway, now, TURN).await?;
        memory.turn_until = taken.then(|| now + TURN);
        Ok(taken)
    }

    /// Takes up what gateways counted since the last look, and lets go of what is over.
    async fn remember(&self, memory: &mut Memory, now: Timestamp) -> Result<(), StoreError> {
        let since = History::slot(memory.read_until.map_or(now - COUNTED, |until| until - LATE));
        let slots = self.store.observations(since).await?;
        memory.history.replace(since, &slots);
        memory.read_until = Some(now);
        if memory.forgotten_at.is_none_or(|at| now.duration_since(at) >= FORGET) {
            self.store.forget_alerts(now - COUNTED, now - OVER, now).await?;
            memory.forgotten_at = Some(now);
        }
        Ok(())
    }
}

/// Says in the log what fires and what is over. Lines of this channel are no errors that are counted.
fn tell(alert: &Alert) {
    let (rule, subject, evidence) = (alert.rule.as_str(), alert.subject.as_str(), alert.evidence.as_str());
    if let Some(over) = alert.resolved_at {
        let after_s = over.duration_since(alert.fired_at).as_secs();
        tracing::warn!(channel = "alerts", rule, subject, after_s, "Alert RESOLVED");
    } else if alert.told {
        let critical = alert.rule.level() == frontdesk_core::alert::Level::Critical;
        tracing::error!(channel = "alerts", critical, rule, subject, evidence, advice = alert.rule.advice(), "Alert FIRING");
    } else {
        tracing::info!(channel = "alerts", rule, subject, evidence, "Alert FIRING, and nobody is told: it is silenced");
    }
}
