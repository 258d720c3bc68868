//! What one request cost and what was decided about it, gathered while it runs and read once at the edge.
//!
//! It travels with the task; work that is detached takes it along with [`carried`].

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::ids::TenantId;
use crate::limits::Verdict;
use crate::protection::Protection;
use crate::spans::Span;

/// The meter of one request.
#[derive(Debug, Default)]
pub struct Meter {
    request: String,
    span: Option<Arc<dyn Span>>,
    store_calls: AtomicU32,
    store_us: AtomicU64,
    calendar_calls: AtomicU32,
    calendar_us: AtomicU64,
    verdict: Mutex<Option<Verdict>>,
    about: Mutex<About>,
    watched: Mutex<Option<Protection>>,
    decisions: Mutex<Vec<Decided>>,
}

/// Who decided, and what: `("cache", "hit")`.
pub type Decided = (&'static str, &'static str);

/// A request that is decided about more often than that says so no more.
const MOST_DECISIONS: usize = 32;

/// What a request turned out to be.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct About {
    /// Whose it is.
    pub tenant: Option<TenantId>,
    /// The voice function.
    pub function: Option<&'static str>,
    /// How the function ended, the contract's word.
    pub status: Option<&'static str>,
}

/// What a meter shows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Reading {
    /// Visits to the store, each one transaction.
    pub store_calls: u32,
    /// Time spent on them, microseconds; visits at the same time count each.
    pub store_us: u64,
    /// Requests to calendars.
    pub calendar_calls: u32,
    /// Time spent waiting for calendars, microseconds.
    pub calendar_us: u64,
}

tokio::task_local! {
    static CURRENT: Arc<Meter>;
}

impl Meter {
    /// For the request with that id.
    pub fn of(request: &str) -> Self {
        Self { request: request.to_owned(), ..Self::default() }
    }

    /// The same, of which somebody collects spans.
    #[must_use]
    pub fn within(mut self, span: Option<Arc<dyn Span>>) -> Self {
        self.span = span;
        self
    }

    /// The span of this request, if anybody collects them.
    pub fn span(&self) -> Option<&Arc<dyn Span>> {
        self.span.as_ref()
    }

    /// Counts a visit to the store.
    pub fn store(&self, took: Duration) {
        self.store_calls.fetch_add(1, Ordering::Relaxed);
        self.store_us.fetch_add(micros(took), Ordering::Relaxed);
    }

    /// Counts a request to a calendar.
    pub fn calendar(&self, took: Duration) {
        self.calendar_calls.fetch_add(1, Ordering::Relaxed);
        self.calendar_us.fetch_add(micros(took), Ordering::Relaxed);
    }

    /// Notes what a limit decided; a refusal is never covered by a later admission.
    pub fn decided(&self, verdict: Verdict) {
        let mut noted = self.verdict.lock().unwrap_or_else(PoisonError::into_inner);
        if noted.as_ref().is_none_or(|before| before.refusal().is_none()) {
            *noted = Some(verdict);
        }
    }

    /// What was decided last.
    pub fn verdict(&self) -> Option<Verdict> {
        self.verdict.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Notes a refusal that a protection in shadow did not make.
    pub fn watched(&self, protection: Protection) {
        *self.watched.lock().unwrap_or_else(PoisonError::into_inner) = Some(protection);
    }

    /// The protection in shadow that would have refused.
    pub fn would_be_refused_by(&self) -> Option<Protection> {
        *self.watched.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes what stood between this request and a calendar: the cache, the breaker, the budget.
    pub fn decision(&self, who: &'static str, what: &'static str) {
        let mut decisions = self.decisions.lock().unwrap_or_else(PoisonError::into_inner);
        if decisions.len() < MOST_DECISIONS {
            decisions.push((who, what));
        }
    }

    /// What was decided, in order.
    pub fn decisions(&self) -> Vec<Decided> {
        self.decisions.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Notes whose request it is.
    pub fn belongs_to(&self, tenant: &TenantId) {
        self.about.lock().unwrap_or_else(PoisonError::into_inner).tenant = Some(tenant.clone());
    }

    /// Notes which function it was and how it ended.
    pub fn served(&self, function: &'static str, status: &'static str) {
        let mut about = self.about.lock().unwrap_or_else(PoisonError::into_inner);
        (about.function, about.status) = (Some(function), Some(status));
    }

    /// What it turned out to be.
    pub fn about(&self) -> About {
        self.about.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What it shows now.
    pub fn read(&self) -> Reading {
        Reading {
            store_calls: self.store_calls.load(Ordering::Relaxed),
            store_us: self.store_us.load(Ordering::Relaxed),
            calendar_calls: self.calendar_calls.load(Ordering::Relaxed),
            calendar_us: self.calendar_us.load(Ordering::Relaxed),
        }
    }
}

/// Runs `work` under `meter`.
pub async fn measured<T>(meter: Arc<Meter>, work: impl Future<Output = T>) -> T {
    CURRENT.scope(meter, work).await
}

/// `work` with the meter of the task that calls this, for a task of its own.
pub fn carried<T>(work: impl Future<Output = T>) -> impl Future<Output = T> {
    let meter = CURRENT.try_with(Arc::clone).ok();
    async move {
        match meter {
            Some(meter) => CURRENT.scope(meter, work).await,
            None => work.await,
        }
    }
}

/// The id of this request, empty where there is none.
pub fn request() -> String {
    CURRENT.try_with(|meter| meter.request.clone()).unwrap_or_default()
}

/// A span for what this request asks somebody else, if anybody collects them.
pub fn asking() -> Option<Arc<dyn Span>> {
    CURRENT.try_with(|meter| meter.span.as_ref().map(|span| span.asking())).ok().flatten()
}

/// The trace that this request belongs to, if anybody collects them.
pub fn trace() -> Option<String> {
    CURRENT.try_with(|meter| meter.span.as_ref().map(|span| span.trace())).ok().flatten()
}

/// Tells the meter of this request, if it has one.
pub fn note(tell: impl FnOnce(&Meter)) {
    let _ = CURRENT.try_with(|meter| tell(meter));
}

/// Runs a visit to the store and tells the meter of this request what it took.
#[expect(clippy::disallowed_methods, reason = "how long work takes is measured, never decided by")]
pub async fn timed<T>(visit: impl Future<Output = T>) -> T {
    if CURRENT.try_with(|_| ()).is_err() {
        return visit.await;
    }
    let began = Instant::now();
    let result = visit.await;
    note(|meter| meter.store(began.elapsed()));
    result
}

fn micros(took: Duration) -> u64 {
    u64::try_from(took.as_micros()).unwrap_or(u64::MAX)
}
