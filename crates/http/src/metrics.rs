//! What requests cost, for Prometheus.

use std::collections::HashSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use frontdesk_core::alert::Rule;
use frontdesk_core::breaker::State as BreakerState;
use frontdesk_core::ids::TenantId;
use frontdesk_core::meter::{About, Reading};
use frontdesk_core::vitals::Pulse;
use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue, LabelValueEncoder};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

use crate::admin::administrator;
use crate::edge::{Edge, EdgeParts};
use crate::problem::{Code, Problem};

/// Tenants beyond this many share one label.
const MOST_TENANTS: usize = 100;
/// Seconds; from far below a warm answer to past the hard stop of a write.
const BUCKETS: [f64; 12] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1.0, 2.5, 6.0, 10.0];

/// Words that come from a closed list, or from a tenant's slug.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Word {
    Fixed(&'static str),
    Owned(Arc<str>),
}

impl EncodeLabelValue for Word {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> Result<(), std::fmt::Error> {
        match self {
            Self::Fixed(word) => EncodeLabelValue::encode(word, encoder),
            Self::Owned(word) => EncodeLabelValue::encode(&&**word, encoder),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Request {
    route: Word,
    status: Word,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Function {
    function: Word,
    outcome: Word,
    tenant: Word,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Decision {
    protection: Word,
    decision: Word,
    mode: Word,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Account {
    account: Word,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Business {
    tenant: Word,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Alarm {
    rule: Word,
}

/// Everything that is counted.
pub(crate) struct Metrics {
    registry: Mutex<Registry>,
    requests: Family<Request, Histogram, fn() -> Histogram>,
    functions: Family<Function, Histogram, fn() -> Histogram>,
    decisions: Family<Decision, Counter>,
    breakers: Family<Account, Gauge>,
    polls: Family<Business, Gauge>,
    alerts: Family<Alarm, Gauge>,
    rejections: Counter,
    store_calls: Counter,
    store_seconds: Counter<f64, AtomicU64>,
    calendar_calls: Counter,
    calendar_seconds: Counter<f64, AtomicU64>,
    slow: Counter,
    abuses: Counter,
    alone: Counter,
    log_lost: Counter,
    away: Gauge,
    resident: Gauge,
    outbox_waiting: Gauge,
    outbox_dead: Gauge,
    outbox_oldest: Gauge,
    tenants: Mutex<HashSet<TenantId>>,
    pub(crate) pulse: Pulse,
    pub(crate) rejected: AtomicU64,
    pub(crate) refused: AtomicU64,
}

fn histogram() -> Histogram {
    Histogram::new(BUCKETS)
}

/// A counter that is told its value instead of being counted up.
fn raise(counter: &Counter, to: u64) {
    counter.inc_by(to.saturating_sub(counter.get()));
}

impl Metrics {
    pub(crate) fn new(parts: &EdgeParts) -> Self {
        let metrics = Self {
            registry: Mutex::new(Registry::with_prefix("frontdesk")),
            requests: Family::new_with_constructor(histogram as fn() -> Histogram),
            functions: Family::new_with_constructor(histogram as fn() -> Histogram),
            decisions: Family::default(),
            breakers: Family::default(),
            polls: Family::default(),
            alerts: Family::default(),
            rejections: Counter::default(),
            store_calls: Counter::default(),
            store_seconds: Counter::default(),
            calendar_calls: Counter::default(),
            calendar_seconds: Counter::default(),
            slow: Counter::default(),
            abuses: Counter::default(),
            alone: Counter::default(),
            log_lost: Counter::default(),
            away: Gauge::default(),
            resident: Gauge::default(),
            outbox_waiting: Gauge::default(),
            outbox_dead: Gauge::default(),
            outbox_oldest: Gauge::default(),
            tenants: Mutex::default(),
            pulse: Pulse::default(),
            rejected: AtomicU64::new(0),
            refused: AtomicU64::new(0),
        };
        metrics.register(parts);
        metrics
    }

    fn register(&self, parts: &EdgeParts) {
        let mut registry = self.registry.lock().unwrap_or_else(PoisonError::into_inner);
        let seconds = || Unit::Seconds;
        registry.register_with_unit("http_request_duration", "Requests by route and status", seconds(), self.requests.clone());
        registry.register_with_unit("function_duration", "Voice functions by outcome", seconds(), self.functions.clone());
        registry.register("protection_decisions", "What the protections decided", self.decisions.clone());
        registry.register("breaker_state", "0 closed, 1 half open, 2 open, by calendar account", self.breakers.clone());
        let polls = "When a calendar last said what changed in it, as a Unix time";
        registry.register_with_unit("calendar_last_poll", polls, seconds(), self.polls.clone());
        registry.register("alerts_firing", "Alerts that fire, by rule", self.alerts.clone());
        let rejected = "Requests of platforms and calendars whose signature or key is not right";
        registry.register("requests_rejected", rejected, self.rejections.clone());
        registry.register("store_calls", "Visits to the store", self.store_calls.clone());
        registry.register_with_unit("store_time", "Time spent on the store", seconds(), self.store_seconds.clone());
        registry.register("calendar_calls", "Requests to calendars", self.calendar_calls.clone());
        registry.register_with_unit("calendar_time", "Time spent on calendars", seconds(), self.calendar_seconds.clone());
        registry.register("slow_requests", "Requests over the threshold", self.slow.clone());
        registry.register("rate_limit_abuses", "Buckets that were refused ten times in an hour", self.abuses.clone());
        registry.register("decided_alone", "Decisions made while the shared state was away", self.alone.clone());
        registry.register("log_lines_lost", "Lines that the log could not take", self.log_lost.clone());
        registry.register("shared_state_away", "1 while the shared state does not answer", self.away.clone());
        registry.register_with_unit("process_resident_memory", "Memory of the process", Unit::Bytes, self.resident.clone());
        registry.register("outbox_waiting", "Deliveries that wait", self.outbox_waiting.clone());
        registry.register("outbox_dead", "Deliveries that were given up", self.outbox_dead.clone());
        let oldest = "How long the oldest delivery has been waiting";
        registry.register_with_unit("outbox_oldest_waiting", oldest, seconds(), self.outbox_oldest.clone());
        let build = Family::<Vec<(String, String)>, Gauge>::default();
        let facts = [("version", parts.settings.version), ("build", parts.settings.build)];
        build.get_or_create(&facts.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec()).set(1);
        registry.register("build_info", "The build that runs", build);
    }

    /// Counts one answered request.
    pub(crate) fn observe(&self, route: Option<&str>, status: u16, took: Duration, reading: &Reading, about: &About) {
        let status = match status / 100 {
            2 => "2xx",
            3 => "3xx",
            4 => "4xx",
            _ => "5xx",
        };
        let route = route.map_or(Word::Fixed("none"), |route| Word::Owned(Arc::from(route)));
        let labels = Request { route, status: Word::Fixed(status) };
        self.requests.get_or_create(&labels).observe(took.as_secs_f64());
        if let (Some(function), Some(outcome)) = (about.function, about.status) {
            let labels = Function {
                function: Word::Fixed(function),
                outcome: Word::Fixed(outcome),
                tenant: about.tenant.as_ref().map_or(Word::Fixed("none"), |tenant| self.tenant(tenant)),
            };
            self.functions.get_or_create(&labels).observe(took.as_secs_f64());
        }
        self.store_calls.inc_by(u64::from(reading.store_calls));
        self.store_seconds.inc_by(reading.store_us as f64 / 1e6);
        self.calendar_calls.inc_by(u64::from(reading.calendar_calls));
        self.calendar_seconds.inc_by(reading.calendar_us as f64 / 1e6);
    }

    pub(crate) fn slow(&self) {
        self.slow.inc();
    }

    /// The first so many tenants have a label of their own.
    fn tenant(&self, tenant: &TenantId) -> Word {
        let mut known = self.tenants.lock().unwrap_or_else(PoisonError::into_inner);
        if known.contains(tenant) || known.len() < MOST_TENANTS {
            known.insert(tenant.clone());
            return Word::Owned(Arc::from(tenant.as_str()));
        }
        Word::Fixed("other")
    }

    async fn gather(&self, parts: &EdgeParts) {
        for (protection, decision, mode, count) in parts.switches.decisions() {
            let labels = Decision {
                protection: Word::Fixed(protection.name()),
                decision: Word::Fixed(decision),
                mode: Word::Fixed(mode.as_str()),
            };
            raise(&self.decisions.get_or_create(&labels), count);
        }
        for row in parts.operations.breakers().await {
            let value = match row.state {
                BreakerState::Closed => 0,
                BreakerState::HalfOpen => 1,
                BreakerState::Open => 2,
            };
            self.breakers.get_or_create(&Account { account: Word::Owned(Arc::from(row.account)) }).set(value);
        }
        for row in parts.operations.polls().await {
            if let Some(answered) = row.answered
                && parts.recognition.tenant(row.tenant.as_str()).is_some()
            {
                self.polls.get_or_create(&Business { tenant: self.tenant(&row.tenant) }).set(answered.as_second());
            }
        }
        raise(&self.rejections, self.rejected.load(Ordering::Relaxed));
        if let Ok((alerts, _)) = parts.operations.alerts().await {
            for rule in Rule::ALL {
                let firing = alerts.iter().filter(|it| it.rule == rule && it.is_firing()).count();
                let labels = Alarm { rule: Word::Fixed(rule.as_str()) };
                self.alerts.get_or_create(&labels).set(i64::try_from(firing).unwrap_or(i64::MAX));
            }
        }
        let (away, alone) = parts.operations.shared_state();
        self.away.set(i64::from(away));
        raise(&self.alone, alone);
        raise(&self.log_lost, parts.operations.log_lines_lost());
        raise(&self.abuses, parts.gate.refusals().1);
        let now = parts.clock.now();
        // A store that does not answer keeps the last figures; health says that it is away.
        if let Ok(standing) = parts.outbox.outbox_standing(now).await {
            let whole = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
            self.outbox_waiting.set(whole(standing.waiting));
            self.outbox_dead.set(whole(standing.dead));
            self.outbox_oldest.set(standing.oldest.map_or(0, |at| now.duration_since(at).as_secs().max(0)));
        }
        self.resident.set(i64::try_from(parts.operations.resident_bytes()).unwrap_or(i64::MAX));
    }
}

pub(crate) fn router() -> Router<Edge> {
    Router::new().route("/metrics", get(metrics))
}

/// `GET /metrics`, for administrators.
async fn metrics(State(edge): State<Edge>, headers: HeaderMap) -> Result<Response, Problem> {
    administrator(&edge, &headers)?;
    edge.metrics().gather(&edge).await;
    let mut text = String::new();
    let registry = edge.metrics().registry.lock().unwrap_or_else(PoisonError::into_inner);
    encode(&mut text, &registry).map_err(|_| Problem::new(Code::Internal, "The metrics could not be written."))?;
    drop(registry);
    Ok(([(header::CONTENT_TYPE, "application/openmetrics-text; version=1.0.0; charset=utf-8")], text).into_response())
}
