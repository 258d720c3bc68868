//! What stands between us and a calendar account: its breaker, its rest after it asked for one, its budget.
//!
//! An account is an address and a key: tenants that share a key share its fate, and nobody else does.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use frontdesk_core::breaker::{Ending, Pass, Rules, State};
use frontdesk_core::clock::Clock;
use frontdesk_core::ids::TenantId;
use frontdesk_core::meter;
use frontdesk_core::ports::CalendarError;
use frontdesk_core::protection::{Mode, Protection, Switches};
use frontdesk_core::shared::{Bucket, SharedState};
use jiff::{SignedDuration, Timestamp};

/// Cal.com counts a minute on its own clock as requests arrive; ours counts them as they leave, and so a
/// second longer. Microseconds.
const SPAN: i64 = 61_000_000;
/// Of the budget, in percent: what browsing may use, what questions with a caller on the line may use. The
/// rest is kept for bookings. The first is also where operators are told.
const FOR_BROWSING: u32 = 60;
const FOR_PROMISES: u32 = 85;

/// How much depends on a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Urgency {
    /// Free times to look at; nothing is promised.
    Browse,
    /// Free times for a caller on the line.
    Promise,
    /// A booking, or what became of one.
    Booking,
}

/// When accounts are left alone, and how much they may be asked.
#[derive(Debug, Clone, Copy)]
pub struct GuardRules {
    /// The breaker's.
    pub breaker: Rules,
    /// A slower answer counts as bad for the breaker's rate; `None` never does.
    pub slow_call: Option<Duration>,
    /// Requests per account and minute.
    pub budget: u32,
}

/// Guards all accounts.
pub struct Guard {
    state: Arc<dyn SharedState>,
    switches: Arc<Switches>,
    clock: Arc<dyn Clock>,
    rules: RwLock<GuardRules>,
    accounts: Mutex<HashMap<String, Seen>>,
    opened: AtomicU64,
}

/// What this process last knew of an account.
#[derive(Default)]
struct Seen {
    state: State,
    rests_until: Option<Timestamp>,
    budget_told_at: Option<Timestamp>,
}

/// A request that may be sent; its end is reported.
pub(crate) struct Ticket<'g> {
    guard: &'g Guard,
    account: String,
    trial: bool,
    /// Whether a breaker watches at all.
    is_watched: bool,
}

// === impl Guard ===

impl Guard {
    /// Guards with `rules` over `state`.
    pub fn new(state: Arc<dyn SharedState>, switches: Arc<Switches>, clock: Arc<dyn Clock>, rules: GuardRules) -> Self {
        Self { state, switches, clock, rules: RwLock::new(rules), accounts: Mutex::default(), opened: AtomicU64::new(0) }
    }

    /// How often a breaker was seen to open so far.
    pub fn opened(&self) -> u64 {
        self.opened.load(Ordering::Relaxed)
    }

    /// Guards by other rules from now on.
    pub fn set_rules(&self, rules: GuardRules) {
        *self.rules.write().unwrap_or_else(PoisonError::into_inner) = rules;
    }

    fn rules(&self) -> GuardRules {
        *self.rules.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks to send a request to `account` on behalf of `tenant`.
    pub(crate) async fn enter(&self, tenant: &TenantId, account: &str, urgency: Urgency) -> Result<Ticket<'_>, CalendarError> {
        let now = self.clock.now();
        let mode = self.switches.mode(Protection::CircuitBreaker, Some(tenant), now);
        let mut ticket = Ticket { guard: self, account: account.to_owned(), trial: false, is_watched: mode != Mode::Off };
        if mode != Mode::Off {
            let refusal = match self.rest(account, now) {
                Some(retry_after) => Some(CalendarError::Throttled { retry_after }),
                None => {
                    let (pass, state) = self.state.enter(account, &self.rules().breaker).await;
                    self.observe(account, state);
                    match pass {
                        Pass::Go { trial } => {
                            ticket.trial = trial;
                            None
                        }
                        Pass::Refused { wait } => Some(CalendarError::Open { retry_after: SignedDuration::from_micros(wait) }),
                    }
                }
            };
            self.switches.count(Protection::CircuitBreaker, refusal.is_none(), mode);
            let word = match &refusal {
                None if ticket.trial => "trial",
                None => "closed",
                Some(CalendarError::Throttled { .. }) => "rests",
                Some(_) => "open",
            };
            meter::note(|meter| meter.decision("breaker", word));
            match refusal {
                Some(refusal) if mode == Mode::On => return Err(refusal),
                Some(refusal) => {
                    tracing::info!(channel = "calcom", %tenant, account, mode = "shadow", error = %refusal, "Circuit breaker would have refused");
                }
                None => {}
            }
        }
        if let Err(refusal) = self.spend(tenant, account, urgency, now).await {
            ticket.end(Ending::Abandoned, Duration::ZERO).await;
            return Err(refusal);
        }
        Ok(ticket)
    }

    /// Takes one request out of the account's budget.
    async fn spend(&self, tenant: &TenantId, account: &str, urgency: Urgency, now: Timestamp) -> Result<(), CalendarError> {
        let mode = self.switches.mode(Protection::RateLimit, Some(tenant), now);
        if mode == Mode::Off {
            return Ok(());
        }
        let budget = self.rules().budget;
        let share = |percent: u32| (budget * percent / 100).max(1);
        let limit = match urgency {
            Urgency::Browse => share(FOR_BROWSING),
            Urgency::Promise => share(FOR_PROMISES),
            Urgency::Booking => budget,
        };
        let bucket = Bucket { key: format!("rate_limit:{account}:calcom"), limit, span: SPAN };
        let decision = self.state.admit(&[bucket], true).await;
        let standing = decision.standings.first().copied();
        let used = standing.map_or(0, |standing| standing.used);
        if used >= share(FOR_BROWSING) && self.is_news(account, now) {
            tracing::warn!(
                channel = "calcom",
                %tenant,
                account,
                used,
                budget,
                "the budget of a calendar account runs low: browsing is answered from memory"
            );
        }
        meter::note(|meter| meter.decision("budget", if decision.admitted { "admitted" } else { "refused" }));
        if decision.admitted {
            return Ok(());
        }
        self.switches.count(Protection::RateLimit, false, mode);
        if mode == Mode::Shadow {
            tracing::info!(channel = "calcom", %tenant, account, used, mode = "shadow", "Rate limit exceeded towards the calendar");
            return Ok(());
        }
        let wait = standing.map_or(1, |standing| standing.wait);
        Err(CalendarError::Throttled { retry_after: SignedDuration::from_micros(wait) })
    }

    /// How long the account still rests because it asked for it.
    fn rest(&self, account: &str, now: Timestamp) -> Option<SignedDuration> {
        let until = self.accounts().get(account).and_then(|seen| seen.rests_until)?;
        let left = until.duration_since(now);
        left.is_positive().then_some(left)
    }

    /// The account answered 429: nothing is sent to it before that time.
    pub(crate) fn cool_off(&self, account: &str, retry_after: SignedDuration) {
        let until = self.clock.now() + retry_after;
        self.accounts().entry(account.to_owned()).or_default().rests_until = Some(until);
        tracing::warn!(channel = "calcom", account, retry_after_s = retry_after.as_secs(), "a calendar account asked for a rest");
    }

    /// Says once a minute that the budget runs low.
    fn is_news(&self, account: &str, now: Timestamp) -> bool {
        let mut accounts = self.accounts();
        let seen = accounts.entry(account.to_owned()).or_default();
        let is_news = seen.budget_told_at.is_none_or(|told| now.duration_since(told).abs() >= SignedDuration::from_mins(1));
        if is_news {
            seen.budget_told_at = Some(now);
        }
        is_news
    }

    /// Says what changed, in the words that operators look for.
    fn observe(&self, account: &str, state: State) {
        let before = {
            let mut accounts = self.accounts();
            let seen = accounts.entry(account.to_owned()).or_default();
            std::mem::replace(&mut seen.state, state)
        };
        if before == state {
            return;
        }
        match state {
            State::Open => {
                // One whose trial failed was open all the while.
                if before == State::Closed {
                    self.opened.fetch_add(1, Ordering::Relaxed);
                }
                tracing::error!(channel = "calcom", critical = true, account, "Circuit breaker OPEN: the calendar is left alone");
            }
            State::HalfOpen => tracing::warn!(channel = "calcom", account, "Circuit breaker HALF_OPEN: a few requests are tried"),
            State::Closed => tracing::warn!(channel = "calcom", account, "Circuit breaker CLOSED: the calendar answers"),
        }
    }

    fn accounts(&self) -> MutexGuard<'_, HashMap<String, Seen>> {
        self.accounts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl Ticket ===

impl Ticket<'_> {
    /// Says how the request ended. One that never does gives its place back when its lease is over.
    pub(crate) async fn end(self, ending: Ending, took: Duration) {
        if !self.is_watched {
            return;
        }
        let Self { guard, account, trial, .. } = self;
        let is_slow = ending == Ending::Answered && guard.rules().slow_call.is_some_and(|limit| took >= limit);
        let ending = if is_slow { Ending::Slow } else { ending };
        let (before, after) = guard.state.exit(&account, &guard.rules().breaker, trial, ending).await;
        if before != after || after != State::Closed {
            guard.observe(&account, after);
        }
    }
}

#[cfg(test)]
mod tests {
    use frontdesk_core::clock::ManualClock;
    use frontdesk_core::shared::MemoryState;

    use super::*;

    #[tokio::test]
    async fn a_calendar_that_stays_away_opened_its_breaker_once() {
        let clock = Arc::new(ManualClock::new("2030-01-02T03:00:00Z".parse().expect("an instant")));
        let state = Arc::new(MemoryState::new(clock.clone()));
        let recovery = 60_000_000;
        let breaker =
            Rules { failure_threshold: 2, recovery, success_threshold: 1, trials: 1, trial_lease: 1_000_000, bad_percent: 0 };
        let guard = Guard::new(state, Arc::default(), clock.clone(), GuardRules { breaker, slow_call: None, budget: 1_000_000 });
        let tenant = TenantId::new("salon");
        let ask = async |ending| {
            let ticket = guard.enter(&tenant, "acct_1", Urgency::Booking).await.expect("let through");
            ticket.end(ending, Duration::ZERO).await;
        };
        for _ in 0..2 {
            ask(Ending::Fault).await;
        }
        for _ in 0..3 {
            clock.advance(SignedDuration::from_secs(61));
            ask(Ending::Fault).await;
        }
        assert_eq!(guard.opened(), 1, "a trial that fails is no news");
        clock.advance(SignedDuration::from_secs(61));
        ask(Ending::Answered).await;
        for _ in 0..2 {
            ask(Ending::Fault).await;
        }
        assert_eq!(guard.opened(), 2);
    }
}
