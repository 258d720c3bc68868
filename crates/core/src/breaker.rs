//! A circuit breaker as a function of state and time.
//!
//! Consecutive faults open it, because at one call a minute no rate means anything; a rate over the last
//! answers may be configured beside that.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

/// Where a breaker stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum State {
    /// Requests pass.
    #[default]
    Closed,
    /// Nothing passes.
    Open,
    /// A few pass, to see.
    HalfOpen,
}

/// When it opens and closes. Times are microseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rules {
    /// Faults in a row that open it.
    pub failure_threshold: u32,
    /// How long it stays open before a trial.
    pub recovery: i64,
    /// Trials in a row that close it.
    pub success_threshold: u32,
    /// How many trials may run at once.
    pub trials: u32,
    /// How long a trial that never reports occupies its place.
    pub trial_lease: i64,
    /// Percent of the last [`SAMPLES`] answers that open it, faults and slow ones; 0 is never.
    pub bad_percent: u32,
}

/// How many answers the rate looks at.
pub const SAMPLES: usize = 20;
/// Fewer answers than this say nothing about a rate.
pub const FEWEST_SAMPLES: usize = 10;

/// How a request ended, as far as the service is concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// The service answered, be it with a no.
    Answered,
    /// It answered, later than it should.
    Slow,
    /// Timeout, connection, 5xx, nonsense.
    Fault,
    /// It asked to be left alone for a while (429): neither good nor bad, but no proof of health.
    Throttled,
    /// Nobody waited for the answer.
    Abandoned,
}

/// Whether a request may be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pass {
    /// It may; `trial` says that it decides about the state.
    Go {
        /// Report it with the ending.
        trial: bool,
    },
    /// It may not; ask again after so many microseconds.
    Refused {
        /// At least 1.
        wait: i64,
    },
}

/// One breaker.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Breaker {
    state: State,
    failures: u32,
    successes: u32,
    opened_at: i64,
    /// When each running trial is given up.
    trials: VecDeque<i64>,
    /// The last answers: bad or not.
    samples: VecDeque<bool>,
}

impl State {
    /// The contract's word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Open => "open",
            Self::HalfOpen => "half_open",
        }
    }

    /// Reads the word.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Closed, Self::Open, Self::HalfOpen].into_iter().find(|state| state.as_str() == text)
    }

    /// Of several accounts the worst is shown.
    pub fn worse(self, other: Self) -> Self {
        let rank = |state| match state {
            Self::Closed => 0,
            Self::HalfOpen => 1,
            Self::Open => 2,
        };
        if rank(self) >= rank(other) { self } else { other }
    }
}

impl Breaker {
    /// Where it stands at `now`; an open one whose time is over is half-open.
    pub fn look(&mut self, rules: &Rules, now: i64) -> State {
        // A clock that was set back must not keep it open for longer than it would have been.
        self.opened_at = self.opened_at.min(now);
        if self.state == State::Open && now - self.opened_at >= rules.recovery {
            self.state = State::HalfOpen;
            self.successes = 0;
            self.trials.clear();
        }
        self.state
    }

    /// Asks to send a request.
    pub fn enter(&mut self, rules: &Rules, now: i64) -> Pass {
        match self.look(rules, now) {
            State::Closed => Pass::Go { trial: false },
            State::Open => Pass::Refused { wait: (self.opened_at + rules.recovery - now).max(1) },
            State::HalfOpen => {
                self.trials.retain(|until| *until > now && *until - now <= rules.trial_lease);
                if self.trials.len() < rules.trials as usize {
                    self.trials.push_back(now + rules.trial_lease);
                    Pass::Go { trial: true }
                } else {
                    let first = self.trials.front().copied().unwrap_or(now);
                    Pass::Refused { wait: (first - now).clamp(1, 1_000_000) }
                }
            }
        }
    }

    /// Says how a request ended.
    pub fn exit(&mut self, rules: &Rules, trial: bool, ending: Ending, now: i64) {
        match self.look(rules, now) {
            State::Closed => self.exit_closed(rules, ending, now),
            // It ended after the breaker had opened: what it says is out of date.
            State::Open => {}
            State::HalfOpen if !trial => {}
            State::HalfOpen => {
                self.trials.pop_front();
                match ending {
                    Ending::Answered | Ending::Slow => {
                        self.successes += 1;
                        if self.successes >= rules.success_threshold {
                            *self = Self::default();
                        }
                    }
                    Ending::Fault | Ending::Throttled => self.open(now),
                    Ending::Abandoned => {}
                }
            }
        }
    }

    fn exit_closed(&mut self, rules: &Rules, ending: Ending, now: i64) {
        let bad = match ending {
            Ending::Answered => false,
            Ending::Slow | Ending::Fault => true,
            Ending::Throttled | Ending::Abandoned => return,
        };
        self.failures = if ending == Ending::Fault { self.failures + 1 } else { 0 };
        self.samples.push_back(bad);
        while self.samples.len() > SAMPLES {
            self.samples.pop_front();
        }
        let worst = self.samples.iter().filter(|bad| **bad).count() * 100;
        let by_rate = rules.bad_percent > 0
            && self.samples.len() >= FEWEST_SAMPLES
            && worst >= self.samples.len() * rules.bad_percent as usize;
        if self.failures >= rules.failure_threshold || by_rate {
            self.open(now);
        }
    }

    fn open(&mut self, now: i64) {
        let failures = self.failures.max(1);
        *self = Self { state: State::Open, failures, opened_at: now, ..Self::default() };
    }

    /// Faults in a row so far.
    pub fn failures(&self) -> u32 {
        self.failures
    }

    /// Trials in a row that went well.
    pub fn successes(&self) -> u32 {
        self.successes
    }

    /// When it opened last; `None` while closed.
    pub fn opened_at(&self) -> Option<i64> {
        (self.state != State::Closed).then_some(self.opened_at)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const RULES: Rules = Rules {
        failure_threshold: 5,
        recovery: 60_000_000,
        success_threshold: 2,
        trials: 2,
        trial_lease: 30_000_000,
        bad_percent: 0,
    };

    fn fails(breaker: &mut Breaker, times: usize, now: i64) {
        for _ in 0..times {
            assert_eq!(breaker.enter(&RULES, now), Pass::Go { trial: false });
            breaker.exit(&RULES, false, Ending::Fault, now);
        }
    }

    #[test]
    fn the_walk_through_its_states() {
        let mut breaker = Breaker::default();
        fails(&mut breaker, 4, 0);
        assert_eq!(breaker.look(&RULES, 0), State::Closed);
        breaker.exit(&RULES, false, Ending::Answered, 0);
        fails(&mut breaker, 5, 0);
        assert_eq!(breaker.enter(&RULES, 1), Pass::Refused { wait: 59_999_999 });
        assert_eq!(breaker.look(&RULES, 59_999_999), State::Open);
        assert_eq!(breaker.look(&RULES, 60_000_000), State::HalfOpen);
        assert_eq!(breaker.enter(&RULES, 60_000_000), Pass::Go { trial: true });
        breaker.exit(&RULES, true, Ending::Answered, 60_000_001);
        assert_eq!(breaker.look(&RULES, 60_000_001), State::HalfOpen);
        assert_eq!(breaker.enter(&RULES, 60_000_001), Pass::Go { trial: true });
        breaker.exit(&RULES, true, Ending::Fault, 60_000_002);
        assert_eq!(breaker.look(&RULES, 60_000_002), State::Open);
        for at in [120_000_002, 120_000_003] {
            assert_eq!(breaker.enter(&RULES, at), Pass::Go { trial: true });
            breaker.exit(&RULES, true, Ending::Answered, at);
        }
        assert_eq!(breaker.look(&RULES, 120_000_004), State::Closed);
    }

    #[test]
    fn only_so_many_trials_at_once_and_a_lost_one_gives_its_place_back() {
        let mut breaker = Breaker::default();
        fails(&mut breaker, 5, 0);
        let now = 60_000_000;
        assert_eq!(breaker.enter(&RULES, now), Pass::Go { trial: true });
        assert_eq!(breaker.enter(&RULES, now), Pass::Go { trial: true });
        assert!(matches!(breaker.enter(&RULES, now), Pass::Refused { .. }));
        breaker.exit(&RULES, true, Ending::Abandoned, now);
        assert_eq!(breaker.enter(&RULES, now), Pass::Go { trial: true });
        assert_eq!(breaker.enter(&RULES, now + 30_000_000), Pass::Go { trial: true });
    }

    #[test]
    fn being_throttled_opens_nothing_but_fails_a_trial() {
        let mut breaker = Breaker::default();
        for _ in 0..50 {
            breaker.exit(&RULES, false, Ending::Throttled, 0);
        }
        assert_eq!(breaker.look(&RULES, 0), State::Closed);
        fails(&mut breaker, 5, 0);
        assert_eq!(breaker.enter(&RULES, 60_000_000), Pass::Go { trial: true });
        breaker.exit(&RULES, true, Ending::Throttled, 60_000_000);
        assert_eq!(breaker.look(&RULES, 60_000_000), State::Open);
    }

    #[test]
    fn a_rate_over_the_last_answers_opens_it_too() {
        let rules = Rules { bad_percent: 50, ..RULES };
        let mut breaker = Breaker::default();
        for round in 0..5 {
            assert_eq!(breaker.look(&rules, 0), State::Closed, "{round}");
            breaker.exit(&rules, false, Ending::Answered, 0);
            breaker.exit(&rules, false, Ending::Slow, 0);
        }
        assert_eq!(breaker.look(&rules, 0), State::Open);
    }

    proptest! {
        /// However requests and times mix: open never lasts longer than its time, never more trials than
        /// allowed run at once, and closed needs as many good trials as asked for.
        #[test]
        fn it_keeps_its_word(steps in prop::collection::vec((0u8..6, 0i64..40_000_000), 1..200)) {
            let (mut breaker, mut now, mut running) = (Breaker::default(), 0i64, VecDeque::new());
            for (what, gap) in steps {
                now += gap;
                if what < 3 {
                    if let Pass::Go { trial } = breaker.enter(&RULES, now) {
                        running.push_back((trial, now));
                    }
                } else if let Some((trial, _)) = running.pop_front() {
                    let ending = [Ending::Answered, Ending::Fault, Ending::Throttled][usize::from(what - 3)];
                    breaker.exit(&RULES, trial, ending, now);
                }
                let state = breaker.look(&RULES, now);
                prop_assert!(breaker.trials.len() <= RULES.trials as usize);
                prop_assert!(state != State::Open || now - breaker.opened_at < RULES.recovery);
                prop_assert!(state != State::HalfOpen || breaker.successes < RULES.success_threshold);
            }
        }
    }
}
