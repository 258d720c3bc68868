//! Windows and breakers of this process alone.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use super::{BreakerRow, Bucket, BucketRow, Decision, SharedState};
use crate::breaker::{Breaker, Ending, Pass, Rules, State};
use crate::clock::Clock;
use crate::window::Window;

/// Above this many buckets those that count nothing are dropped, and then those that were used least
/// recently: a flood of strangers must not fill the memory. Each takes some 150 bytes;
/// with a few more the table would double.
const MOST_BUCKETS: usize = 14_000;

/// Everything in memory.
pub struct MemoryState {
    clock: Arc<dyn Clock>,
    windows: Mutex<HashMap<String, Kept>>,
    breakers: Mutex<HashMap<String, Breaker>>,
    /// Whether somebody was handed the windows and has to hear of what is admitted since.
    is_handed: AtomicBool,
    /// What was admitted since.
    news: Mutex<Vec<KeptWindow>>,
}

#[derive(Default)]
struct Kept {
    window: Window,
    span: i64,
}

/// A window on its way over a restart.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptWindow {
    /// Its bucket.
    pub key: String,
    /// Microseconds.
    pub span: i64,
    /// What counts, microseconds since the epoch, oldest first.
    pub admitted: Vec<i64>,
}

/// All of it, on its way to a process that takes over while this one still answers.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HandedState {
    /// What the windows count.
    pub windows: Vec<KeptWindow>,
    /// The breakers by account.
    pub breakers: Vec<(String, Breaker)>,
}

// === impl MemoryState ===

impl MemoryState {
    /// Empty, on that clock.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        let (is_handed, news) = (AtomicBool::new(false), Mutex::default());
        Self { clock, windows: Mutex::default(), breakers: Mutex::default(), is_handed, news }
    }

    /// What counts now, to be handed to the next process.
    pub fn keep(&self) -> Vec<KeptWindow> {
        self.keep_of(&mut self.windows())
    }

    fn keep_of(&self, windows: &mut HashMap<String, Kept>) -> Vec<KeptWindow> {
        let now = self.now();
        let kept = windows.iter_mut().filter_map(|(key, kept)| {
            kept.window.standing(1, kept.span, now);
            let admitted: Vec<i64> = kept.window.admissions().collect();
            (!admitted.is_empty()).then(|| KeptWindow { key: key.clone(), span: kept.span, admitted })
        });
        kept.collect()
    }

    /// Takes over what another process kept.
    pub fn take_over(&self, kept: Vec<KeptWindow>) {
        let mut windows = self.windows();
        for KeptWindow { key, span, admitted } in kept {
            let kept = windows.entry(key).or_default();
            kept.span = span;
            kept.window.merge(admitted);
        }
    }

    /// All of it now, for the process that takes over; what is admitted from here on is in
    /// [`Self::admitted_since`].
    pub fn hand_over(&self) -> HandedState {
        let breakers = self.breakers().iter().map(|(account, breaker)| (account.clone(), breaker.clone())).collect();
        let mut windows = self.windows();
        // INVARIANT: under the lock of the windows, so that an admission is in one of the two and not in both.
        self.news().clear();
        self.is_handed.store(true, Ordering::Relaxed);
        HandedState { windows: self.keep_of(&mut windows), breakers }
    }

    /// Stands where the process before stood; what was known here is forgotten.
    pub fn inherit(&self, handed: HandedState) {
        self.windows().clear();
        self.take_over(handed.windows);
        *self.breakers() = handed.breakers.into_iter().collect();
    }

    /// What was admitted since it was handed over, or since this was asked last.
    pub fn admitted_since(&self) -> Vec<KeptWindow> {
        std::mem::take(&mut *self.news())
    }

    /// Nobody took over: what is admitted is told to nobody.
    pub fn keep_on(&self) {
        let _windows = self.windows();
        self.is_handed.store(false, Ordering::Relaxed);
        self.news().clear();
    }

    /// Counts what was admitted elsewhere, so that this process knows its own share.
    pub fn mirror(&self, buckets: &[Bucket]) {
        let now = self.now();
        let mut windows = self.windows();
        for bucket in buckets {
            let kept = kept(&mut windows, bucket, now);
            kept.window.standing(bucket.limit, bucket.span, now);
            kept.window.admit(now);
        }
    }

    /// The ages, in microseconds, of what was admitted here within the last `within`: bucket, span, ages.
    pub fn since(&self, within: i64) -> Vec<(String, i64, Vec<i64>)> {
        let now = self.now();
        let windows = self.windows();
        let recent = windows.iter().filter_map(|(key, kept)| {
            let ages: Vec<i64> =
                kept.window.admissions().map(|at| (now - at).max(0)).filter(|age| *age <= within && *age < kept.span).collect();
            (!ages.is_empty()).then(|| (key.clone(), kept.span, ages))
        });
        recent.collect()
    }

    /// Its clock, microseconds.
    pub fn now(&self) -> i64 {
        self.clock.now().as_microsecond()
    }

    fn windows(&self) -> MutexGuard<'_, HashMap<String, Kept>> {
        self.windows.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn news(&self) -> MutexGuard<'_, Vec<KeptWindow>> {
        self.news.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn breakers(&self) -> MutexGuard<'_, HashMap<String, Breaker>> {
        self.breakers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The window of a bucket, made if it is not there.
fn kept<'w>(windows: &'w mut HashMap<String, Kept>, bucket: &Bucket, now: i64) -> &'w mut Kept {
    // Most buckets are known: their names are not copied again.
    if !windows.contains_key(&bucket.key) {
        if windows.len() >= MOST_BUCKETS {
            sweep(windows, now);
        }
        windows.insert(bucket.key.clone(), Kept::default());
    }
    let kept = windows.get_mut(&bucket.key).expect("INVARIANT: it was there or has just been put there");
    kept.span = bucket.span;
    kept
}

fn sweep(windows: &mut HashMap<String, Kept>, now: i64) {
    windows.retain(|_, kept| kept.window.newest().is_some_and(|newest| now - newest < kept.span));
    if windows.len() >= MOST_BUCKETS {
        let mut newest: Vec<i64> = windows.values().filter_map(|kept| kept.window.newest()).collect();
        newest.sort_unstable();
        if let Some(middle) = newest.get(newest.len() / 2).copied() {
            windows.retain(|_, kept| kept.window.newest().is_some_and(|newest| newest > middle));
        }
    }
}

#[async_trait]
impl SharedState for MemoryState {
    async fn admit(&self, buckets: &[Bucket], consume: bool) -> Decision {
        let now = self.now();
        let mut windows = self.windows();
        let mut standings = Vec::with_capacity(buckets.len());
        for bucket in buckets {
            standings.push(kept(&mut windows, bucket, now).window.standing(bucket.limit, bucket.span, now));
        }
        let admitted = standings.iter().all(|standing| standing.has_room());
        if admitted && consume {
            for (bucket, standing) in buckets.iter().zip(&mut standings) {
                let window = &mut kept(&mut windows, bucket, now).window;
                window.admit(now);
                if self.is_handed.load(Ordering::Relaxed) {
                    self.news().push(KeptWindow { key: bucket.key.clone(), span: bucket.span, admitted: vec![now] });
                }
                // The wait stays that of this request: it was admitted.
                standing.used += 1;
                standing.resets_in = standing.resets_in.max(if standing.used == 1 { bucket.span } else { 0 });
            }
        }
        Decision { admitted, standings, shared: true }
    }

    async fn buckets(&self, most: usize) -> Vec<BucketRow> {
        let now = self.now();
        let mut windows = self.windows();
        let rows = windows.iter_mut().map(|(key, kept)| {
            let used = kept.window.standing(1, kept.span, now).used;
            BucketRow { key: key.clone(), used }
        });
        fullest(rows.filter(|row| row.used > 0).collect(), most)
    }

    async fn empty(&self, key: &str) -> bool {
        self.windows().remove(key).is_some()
    }

    async fn enter(&self, account: &str, rules: &Rules) -> (Pass, State) {
        let now = self.now();
        let mut breakers = self.breakers();
        let breaker = breakers.entry(account.to_owned()).or_default();
        let pass = breaker.enter(rules, now);
        (pass, breaker.look(rules, now))
    }

    async fn exit(&self, account: &str, rules: &Rules, trial: bool, ending: Ending) -> (State, State) {
        let now = self.now();
        let mut breakers = self.breakers();
        let breaker = breakers.entry(account.to_owned()).or_default();
        let before = breaker.look(rules, now);
        breaker.exit(rules, trial, ending, now);
        (before, breaker.look(rules, now))
    }

    async fn breakers(&self, rules: &Rules) -> Vec<BreakerRow> {
        let now = self.now();
        let mut breakers = self.breakers();
        let mut rows: Vec<BreakerRow> = breakers
            .iter_mut()
            .map(|(account, breaker)| BreakerRow {
                account: account.clone(),
                state: breaker.look(rules, now),
                failures: breaker.failures(),
                successes: breaker.successes(),
                open_for: breaker.opened_at().map(|at| now - at),
            })
            .collect();
        rows.sort_by(|one, other| one.account.cmp(&other.account));
        rows
    }

    async fn close(&self, account: Option<&str>) -> usize {
        let mut closed = 0;
        for (_, breaker) in self.breakers().iter_mut().filter(|(name, _)| account.is_none_or(|account| account == *name)) {
            closed += usize::from(breaker.opened_at().is_some());
            *breaker = Breaker::default();
        }
        closed
    }

    async fn tend(&self) {}

    fn is_away(&self) -> bool {
        false
    }

    fn decided_alone(&self) -> u64 {
        0
    }
}

/// The fullest first.
pub fn fullest(mut rows: Vec<BucketRow>, most: usize) -> Vec<BucketRow> {
    rows.sort_by(|one, other| other.used.cmp(&one.used).then_with(|| one.key.cmp(&other.key)));
    rows.truncate(most);
    rows
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::clock::ManualClock;

    const MINUTE: i64 = 60_000_000;

    fn state() -> MemoryState {
        MemoryState::new(Arc::new(ManualClock::new(Timestamp::from_second(1_800_000_000).expect("in range"))))
    }

    fn bucket(limit: u32) -> Bucket {
        Bucket { key: "rate_limit:salon:booking".to_owned(), limit, span: MINUTE }
    }

    async fn asks(state: &MemoryState, limit: u32) -> bool {
        state.admit(&[bucket(limit)], true).await.admitted
    }

    #[tokio::test]
    async fn the_next_process_counts_what_the_one_before_admitted_and_still_admits() {
        let (old, new) = (state(), state());
        assert!(asks(&old, 5).await && asks(&old, 5).await);
        assert!(asks(&new, 5).await, "what it counted before does not count twice");
        let handed = serde_json::to_string(&old.hand_over()).expect("JSON");
        new.inherit(serde_json::from_str(&handed).expect("the same"));
        assert_eq!(old.admitted_since(), []);
        assert!(asks(&old, 5).await && asks(&new, 5).await);
        new.take_over(old.admitted_since());
        assert_eq!(old.admitted_since(), [], "told once");
        assert_eq!(new.buckets(1).await, [BucketRow { key: bucket(5).key, used: 4 }]);
        assert!(asks(&new, 5).await && !asks(&new, 5).await);
    }

    #[tokio::test]
    async fn an_open_breaker_stays_open_in_the_next_process() {
        let (old, new) = (state(), state());
        let rules = Rules {
            failure_threshold: 1,
            recovery: MINUTE,
            success_threshold: 1,
            trials: 1,
            trial_lease: MINUTE,
            bad_percent: 0,
        };
        old.exit("account", &rules, false, Ending::Fault).await;
        new.inherit(old.hand_over());
        assert_eq!(new.enter("account", &rules).await.1, State::Open);
    }

    #[tokio::test]
    async fn a_process_that_goes_on_tells_nobody() {
        let state = state();
        state.hand_over();
        assert!(asks(&state, 5).await);
        state.keep_on();
        assert!(asks(&state, 5).await);
        assert_eq!(state.admitted_since(), []);
        assert_eq!(state.buckets(1).await[0].used, 2);
    }
}
