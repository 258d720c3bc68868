//! Windows and breakers: the same tests for the form in memory and the form on Redis.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use frontdesk_core::breaker::{Ending, Pass, Rules, State};
use frontdesk_core::clock::{Clock, ManualClock};
use frontdesk_core::shared::{Bucket, MemoryState, SharedState};
use frontdesk_store::{RedisClock, RedisState};
use frontdesk_testkit::redis::RedisServer;
use jiff::SignedDuration;

const MINUTE: i64 = 60_000_000;
const RULES: Rules =
    Rules { failure_threshold: 5, recovery: MINUTE, success_threshold: 2, trials: 2, trial_lease: 30_000_000, bad_percent: 0 };

fn clock() -> Arc<ManualClock> {
    Arc::new(ManualClock::new("2026-03-12T09:00:00Z".parse().expect("a time")))
}

fn memory(clock: &Arc<ManualClock>) -> MemoryState {
    MemoryState::new(clock.clone())
}

/// One replica's view of `server`, on a clock that the test moves.
async fn replica(server: &RedisServer, clock: &Arc<ManualClock>) -> RedisState {
    let state = RedisState::open(&server.url(), RedisClock::Given(clock.clone()), clock.clone(), Duration::from_secs(60))
        .expect("an address");
    state.tend().await;
    assert!(!state.is_away(), "redis answers");
    state
}

fn bucket(key: &str, limit: u32) -> Bucket {
    Bucket { key: format!("rate_limit:{key}"), limit, span: MINUTE }
}

/// A random number that repeats from run to run.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % end
    }
}

/// Random requests over buckets that overlap, against a list of everything ever admitted. Nothing is
/// admitted that would make any trailing minute too full, nothing refused that would not, a refusal counts
/// nowhere, and waiting for as long as announced is enough.
async fn decides_as_a_full_log_would(state: &dyn SharedState, clock: &ManualClock, events: u64, seed: u64) {
    let limits = [3u32, 5, 9];
    let mut logs = [const { VecDeque::<i64>::new() }; 3];
    let mut numbers = Numbers(seed);
    let (mut admitted, mut refused) = (0u64, 0u64);
    for event in 0..events {
        clock.advance(SignedDuration::from_micros(i64::try_from(numbers.below(9_000_000)).expect("small")));
        let now = clock.now().as_microsecond();
        let chosen: Vec<usize> = match numbers.below(4) {
            0 => vec![0],
            1 => vec![1, 2],
            2 => vec![0, 2],
            _ => vec![0, 1, 2],
        };
        let buckets: Vec<Bucket> = chosen.iter().map(|index| bucket(&format!("b{index}"), limits[*index])).collect();
        let decision = state.admit(&buckets, true).await;
        let mut fits = true;
        for index in &chosen {
            while logs[*index].front().is_some_and(|at| now - at >= MINUTE) {
                logs[*index].pop_front();
            }
            fits &= logs[*index].len() < limits[*index] as usize;
        }
        assert_eq!(decision.admitted, fits, "event {event}");
        if fits {
            admitted += 1;
            for index in &chosen {
                logs[*index].push_back(now);
            }
        } else {
            refused += 1;
            let wait = decision.standings.iter().map(|standing| standing.wait).max().expect("some");
            if refused.is_multiple_of(16) {
                clock.advance(SignedDuration::from_micros(wait - 1));
                assert!(!state.admit(&buckets, false).await.admitted, "event {event}: before the announced time");
                clock.advance(SignedDuration::from_micros(1));
                assert!(state.admit(&buckets, false).await.admitted, "event {event}: at the announced time");
            }
        }
        for (index, standing) in chosen.iter().zip(&decision.standings) {
            assert_eq!(standing.used as usize, logs[*index].len(), "event {event}");
        }
    }
    assert!(admitted > events / 10 && refused > events / 10, "{admitted} admitted, {refused} refused");
}

/// How many events: `FRONTDESK_EVENTS`, for the long run; else as many as a test may take.
#[expect(clippy::disallowed_methods, reason = "how long a test runs is up to who starts it")]
fn events(usual: u64) -> u64 {
    std::env::var("FRONTDESK_EVENTS").ok().and_then(|number| number.parse().ok()).unwrap_or(usual)
}

#[tokio::test]
async fn the_window_in_memory_decides_as_a_full_log_would() {
    let clock = clock();
    decides_as_a_full_log_would(&memory(&clock), &clock, events(100_000), 1).await;
}

#[tokio::test]
async fn the_window_on_redis_decides_as_a_full_log_would() {
    let (server, clock) = (RedisServer::start(), clock());
    decides_as_a_full_log_would(&replica(&server, &clock).await, &clock, events(100_000).min(20_000), 2).await;
}

async fn walks_through_its_states(state: &dyn SharedState, clock: &ManualClock) {
    let go = |trial| Pass::Go { trial };
    for round in 0..5 {
        assert_eq!(state.enter("a", &RULES).await, (go(false), State::Closed), "{round}");
        let ending = state.exit("a", &RULES, false, Ending::Fault).await;
        assert_eq!(ending, (State::Closed, if round < 4 { State::Closed } else { State::Open }));
    }
    assert_eq!(state.enter("a", &RULES).await, (Pass::Refused { wait: MINUTE }, State::Open));
    assert_eq!(state.enter("other", &RULES).await, (go(false), State::Closed));
    clock.advance(SignedDuration::from_secs(60));
    assert_eq!(state.enter("a", &RULES).await, (go(true), State::HalfOpen));
    assert_eq!(state.enter("a", &RULES).await, (go(true), State::HalfOpen));
    assert!(matches!(state.enter("a", &RULES).await, (Pass::Refused { .. }, State::HalfOpen)));
    assert_eq!(state.exit("a", &RULES, true, Ending::Answered).await, (State::HalfOpen, State::HalfOpen));
    assert_eq!(state.exit("a", &RULES, true, Ending::Fault).await, (State::HalfOpen, State::Open));
    clock.advance(SignedDuration::from_secs(60));
    for after in [State::HalfOpen, State::Closed] {
        assert_eq!(state.enter("a", &RULES).await, (go(true), State::HalfOpen));
        assert_eq!(state.exit("a", &RULES, true, Ending::Answered).await, (State::HalfOpen, after));
    }
    let rows = state.breakers(&RULES).await;
    assert_eq!(
        rows.iter().map(|row| (row.account.as_str(), row.state)).collect::<Vec<_>>(),
        [("a", State::Closed), ("other", State::Closed)]
    );
}

#[tokio::test]
async fn a_breaker_in_memory_walks_through_its_states() {
    let clock = clock();
    walks_through_its_states(&memory(&clock), &clock).await;
}

#[tokio::test]
async fn a_breaker_on_redis_walks_through_its_states() {
    let (server, clock) = (RedisServer::start(), clock());
    walks_through_its_states(&replica(&server, &clock).await, &clock).await;
}

/// Two forms of one breaker, the same random events: they never differ.
#[tokio::test]
async fn both_forms_of_a_breaker_walk_the_same_way() {
    let (server, clock) = (RedisServer::start(), clock());
    let (one, other) = (memory(&clock), replica(&server, &clock).await);
    for (account, rules) in [("plain", RULES), ("rate", Rules { bad_percent: 40, failure_threshold: 9, ..RULES })] {
        let mut numbers = Numbers(7);
        let mut running: VecDeque<bool> = VecDeque::new();
        for step in 0..3000 {
            clock.advance(SignedDuration::from_millis(i64::try_from(numbers.below(6000)).expect("small")));
            if numbers.below(2) == 0 {
                let (memory, redis) = (one.enter(account, &rules).await, other.enter(account, &rules).await);
                assert_eq!(memory, redis, "step {step}");
                if let Pass::Go { trial } = memory.0 {
                    running.push_back(trial);
                }
            } else if let Some(trial) = running.pop_front() {
                let endings =
                    [Ending::Answered, Ending::Fault, Ending::Fault, Ending::Slow, Ending::Throttled, Ending::Abandoned];
                let ending = endings[usize::try_from(numbers.below(6)).expect("small")];
                let memory = one.exit(account, &rules, trial, ending).await;
                assert_eq!(memory, other.exit(account, &rules, trial, ending).await, "step {step}");
            }
        }
    }
}

#[tokio::test]
async fn the_old_runbooks_keys_tell_the_state() {
    let (mut server, clock) = (RedisServer::start(), clock());
    let state = replica(&server, &clock).await;
    let platform = |server: &RedisServer| server.cli(&["GET", "circuit_breaker:calcom_api:state"]);
    state.enter("acct_1", &RULES).await;
    state.enter("acct_2", &RULES).await;
    assert_eq!(platform(&server), "closed");
    for _ in 0..5 {
        state.exit("acct_1", &RULES, false, Ending::Fault).await;
    }
    assert_eq!(platform(&server), "open");
    assert_eq!(server.cli(&["GET", "circuit_breaker:calcom_api:acct_1:state"]), "open");
    assert_eq!(server.cli(&["GET", "circuit_breaker:calcom_api:acct_1:failures"]), "5");
    assert_eq!(server.cli(&["GET", "circuit_breaker:calcom_api:acct_1:opened_at"]), "1773306000.000000");
    assert_eq!(server.cli(&["GET", "circuit_breaker:calcom_api:acct_2:state"]), "closed");
    clock.advance(SignedDuration::from_secs(60));
    // Somebody looks once a second, a caller or the gateway itself.
    state.breakers(&RULES).await;
    assert_eq!(platform(&server), "half_open");
    assert_eq!(state.close(None).await, 1);
    assert_eq!(platform(&server), "closed");
    server.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_replicas_admit_exactly_as_many_as_one() {
    let (server, clock) = (RedisServer::start(), clock());
    let mut replicas = Vec::new();
    for _ in 0..3 {
        replicas.push(Arc::new(replica(&server, &clock).await));
    }
    let asked = (0..200).map(|number| {
        let replica = Arc::clone(&replicas[number % 3]);
        async move { replica.admit(&[bucket("salon:booking", 30), bucket("salon:call:c1", 60)], true).await }
    });
    let decisions = futures_util::future::join_all(asked).await;
    assert_eq!(decisions.iter().filter(|decision| decision.admitted).count(), 30);
    assert!(decisions.iter().all(|decision| decision.shared));
    assert_eq!(server.cli(&["LLEN", "rate_limit:salon:booking"]), "30");
    assert_eq!(server.cli(&["LLEN", "rate_limit:salon:call:c1"]), "30", "a refusal counts nowhere");
}

#[tokio::test]
async fn with_redis_away_each_replica_counts_for_itself_and_tells_when_it_is_back() {
    let (mut server, clock) = (RedisServer::start(), clock());
    let (one, other) = (replica(&server, &clock).await, replica(&server, &clock).await);
    let ask = async |state: &RedisState| state.admit(&[bucket("salon:booking", 30)], true).await;
    for _ in 0..10 {
        assert!(ask(&one).await.admitted);
    }
    server.stop();
    clock.advance(SignedDuration::from_secs(1));
    // Its own window knows what it has admitted before.
    let mut alone = 0;
    while ask(&one).await.admitted {
        alone += 1;
    }
    assert_eq!(alone, 20);
    assert!(one.is_away() && one.decided_alone() > 20);
    // The other one has admitted nothing yet and finds out by itself.
    other.tend().await;
    assert!(other.is_away());
    for _ in 0..4 {
        let decision = ask(&other).await;
        assert!(decision.admitted && !decision.shared);
    }
    server.start_again();
    one.tend().await;
    other.tend().await;
    assert!(!one.is_away() && !other.is_away());
    // Empty as it came back, Redis has been told what was admitted meanwhile: 20 and 4.
    let mut rest = 0;
    while ask(&one).await.admitted {
        rest += 1;
    }
    assert_eq!(rest, 6);
    assert!(!ask(&other).await.admitted);
}

#[tokio::test]
async fn a_decision_that_nobody_waited_for_disturbs_no_other() {
    let (server, clock) = (RedisServer::start(), clock());
    let state = replica(&server, &clock).await;
    for round in 0..200u32 {
        let (mine, theirs) = ([bucket(&format!("mine{round}"), 7)], [bucket("theirs", 1000)]);
        let asked = state.admit(&theirs, true);
        // Given up in the middle of it: what comes back belongs to nobody.
        let _ = tokio::time::timeout(std::time::Duration::from_micros(u64::from(round)), asked).await;
        let decision = state.admit(&mine, true).await;
        assert!(decision.shared);
        assert_eq!((decision.standings[0].limit, decision.standings[0].used), (7, 1), "round {round}");
    }
}

#[tokio::test]
async fn what_counts_outlives_the_process() {
    let clock = clock();
    let first = memory(&clock);
    for _ in 0..30 {
        assert!(first.admit(&[bucket("salon:booking", 30)], true).await.admitted);
    }
    clock.advance(SignedDuration::from_secs(59));
    let second = memory(&clock);
    second.take_over(first.keep());
    assert!(!second.admit(&[bucket("salon:booking", 30)], true).await.admitted);
    clock.advance(SignedDuration::from_secs(1));
    assert!(second.admit(&[bucket("salon:booking", 30)], true).await.admitted);
    assert_eq!(memory(&clock).keep(), []);
}

#[tokio::test]
async fn strangers_without_number_do_not_fill_the_memory() {
    let clock = clock();
    let state = memory(&clock);
    for number in 0..120_000 {
        state.admit(&[bucket(&format!("{number}:default"), 60)], true).await;
        clock.advance(SignedDuration::from_micros(1));
    }
    assert!(state.buckets(usize::MAX).await.len() <= 14_000);
}
