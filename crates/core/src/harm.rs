//! Whether a change does harm: what callers meet since, beside what they met before.
//!
//! Each threshold is hard and has a least sample, so that one bad answer on a quiet day is no verdict. What is
//! as bad as it was before is not the change's doing. Where nobody calls, nothing can be counted: that is what
//! synthetic calls are for.

use std::fmt;

use crate::vitals::Counts;

/// Fewer answers than this say nothing.
pub const LEAST_ANSWERS: u64 = 20;
/// Fewer bad ones than this say nothing.
pub const LEAST_BAD: u64 = 3;
/// How many times the share of before is a rise.
const RISE: u64 = 3;
/// Answers that got slower by less than that are as slow as before.
const SLOWER: u64 = 2;

/// What is counted against a share of the answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sign {
    /// Errors of ours.
    Errors,
    /// Calendars that did not answer in time.
    Unavailable,
    /// Callers refused by a limit.
    Refusals,
}

/// What tripped, and the numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Harm {
    /// Too many bad answers.
    Bad {
        /// Which.
        sign: Sign,
        /// So many.
        bad: u64,
        /// Of so many.
        of: u64,
        /// Percent that were not worth a word.
        most_percent: u64,
    },
    /// Too slow.
    Slow {
        /// Nineteen of twenty came within this, milliseconds; `u64::MAX` is past the last bound.
        within_ms: u64,
        /// The threshold.
        most_ms: u64,
    },
    /// Breakers opened, so often.
    Opened(u64),
}

/// What was counted of all gateways together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Seen {
    /// What callers met.
    pub counts: Counts,
    /// How often breakers opened.
    pub opened: u64,
}

/// The first threshold that trips, if any: `since` the change, by what was `before`, where slower than `slow_ms` is
/// slow.
pub fn harm(before: &Seen, since: &Seen, slow_ms: u64) -> Option<Harm> {
    let (old, new) = (&before.counts, &since.counts);
    bad(Sign::Errors, (old.errors, old.answers), (new.errors, new.answers))
        .or_else(|| bad(Sign::Unavailable, (old.unavailable, old.answers), (new.unavailable, new.answers)))
        .or_else(|| bad(Sign::Refusals, (old.refused, old.answers), (new.refused, new.answers)))
        .or_else(|| slow(old, new, slow_ms))
        .or_else(|| (since.opened > 0).then_some(Harm::Opened(since.opened)))
}

/// Percent of the answers from which on it is harm.
fn most_percent(sign: Sign) -> u64 {
    match sign {
        Sign::Errors => 2,
        Sign::Unavailable | Sign::Refusals => 5,
    }
}

fn bad(sign: Sign, (bad_before, before): (u64, u64), (bad, of): (u64, u64)) -> Option<Harm> {
    let most_percent = most_percent(sign);
    let is_sampled = of >= LEAST_ANSWERS && bad >= LEAST_BAD;
    let is_high = bad.saturating_mul(100) > most_percent.saturating_mul(of);
    let has_risen = wide(bad) * wide(before) > wide(RISE) * wide(bad_before) * wide(of) || before == 0;
    (is_sampled && is_high && has_risen).then_some(Harm::Bad { sign, bad, of, most_percent })
}

fn wide(count: u64) -> u128 {
    u128::from(count.min(u64::from(u32::MAX)))
}

fn slow(before: &Counts, since: &Counts, most_ms: u64) -> Option<Harm> {
    if since.answers < LEAST_ANSWERS {
        return None;
    }
    let within_ms = since.within_ms(95)?;
    let was = before.within_ms(95).filter(|_| before.answers >= LEAST_ANSWERS).unwrap_or(0);
    let is_slower = within_ms > was.saturating_mul(SLOWER);
    (within_ms > most_ms && is_slower).then_some(Harm::Slow { within_ms, most_ms })
}

impl fmt::Display for Sign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Errors => "errors",
            Self::Unavailable => "calendars that did not answer in time",
            Self::Refusals => "callers refused by limits",
        })
    }
}

impl fmt::Display for Harm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bad { sign, bad, of, most_percent } => {
                write!(f, "{sign}: {bad} of {of} answers, more than {most_percent} % and than before")
            }
            Self::Slow { within_ms: u64::MAX, most_ms } => {
                write!(f, "slow answers: 95 % take longer than 6000 ms, more than {most_ms} ms and than before")
            }
            Self::Slow { within_ms, most_ms } => {
                write!(f, "slow answers: 95 % come within {within_ms} ms, more than {most_ms} ms and than before")
            }
            Self::Opened(times) => write!(f, "breakers of calendar accounts opened: {times}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn seen(answers: u64, errors: u64, refused: u64) -> Seen {
        let mut took = [0; 15];
        took[2] = answers;
        Seen { counts: Counts { answers, errors, refused, took, ..Counts::default() }, opened: 0 }
    }

    #[test]
    fn twenty_calls_a_day_are_enough_for_a_verdict_and_one_bad_answer_is_none() {
        let quiet = Seen::default();
        assert_eq!(harm(&quiet, &seen(19, 19, 0), 1000), None, "below the sample");
        assert_eq!(harm(&quiet, &seen(20, 2, 0), 1000), None);
        let three = harm(&quiet, &seen(20, 3, 0), 1000).expect("harm");
        assert_eq!(three.to_string(), "errors: 3 of 20 answers, more than 2 % and than before");
        assert!(matches!(harm(&quiet, &seen(20, 0, 3), 1000), Some(Harm::Bad { sign: Sign::Refusals, .. })));
        assert_eq!(harm(&quiet, &seen(100, 0, 5), 1000), None, "five of a hundred are at the threshold");
    }

    #[test]
    fn what_was_as_bad_before_is_not_the_changes_doing() {
        let before = seen(1000, 40, 100);
        assert_eq!(harm(&before, &seen(100, 4, 10), 1000), None);
        assert_eq!(harm(&before, &seen(100, 12, 30), 1000), None, "three times as many");
        assert!(harm(&before, &seen(100, 13, 0), 1000).is_some());
    }

    #[test]
    fn slowness_and_breakers_are_signs_of_their_own() {
        let mut slow = seen(40, 0, 0);
        slow.counts.took = [0; 15];
        slow.counts.took[12] = 40;
        assert_eq!(harm(&seen(40, 0, 0), &slow, 1000), Some(Harm::Slow { within_ms: 2500, most_ms: 1000 }));
        assert_eq!(harm(&slow, &slow, 1000), None, "it was so before");
        assert_eq!(harm(&seen(40, 0, 0), &slow, 2500), None);
        let opened = Seen { opened: 1, ..Seen::default() };
        assert_eq!(harm(&Seen::default(), &opened, 1000), Some(Harm::Opened(1)));
    }

    fn any_seen() -> impl Strategy<Value = Seen> {
        (0_u64..5000, 0_u64..=100, 0_u64..=100)
            .prop_map(|(answers, errors, refused)| seen(answers, answers * errors / 100, answers * refused / 100))
    }

    proptest! {
        #[test]
        fn nothing_below_the_least_sample_is_ever_harm(before in any_seen(), answers in 0..LEAST_ANSWERS, errors in 0_u64..20, refused in 0_u64..20) {
            let since = seen(answers, errors.min(answers), refused.min(answers));
            prop_assert_eq!(harm(&before, &since, 1000), None);
        }

        #[test]
        fn fewer_than_the_least_bad_are_never_harm(before in any_seen(), answers in 0_u64..5000, errors in 0..LEAST_BAD, refused in 0..LEAST_BAD) {
            let since = seen(answers, errors.min(answers), refused.min(answers));
            prop_assert_eq!(harm(&before, &since, 1000), None);
        }

        #[test]
        fn the_same_as_before_is_never_harm(before in any_seen()) {
            prop_assert_eq!(harm(&before, &before, 1000), None);
        }

        #[test]
        fn what_is_harm_stays_harm_when_more_of_the_answers_are_bad(before in any_seen(), since in any_seen(), more in 0_u64..100) {
            if matches!(harm(&before, &since, 1000), Some(Harm::Bad { .. })) {
                let errors = (since.counts.errors + more).min(since.counts.answers);
                let refused = (since.counts.refused + more).min(since.counts.answers);
                prop_assert!(harm(&before, &seen(since.counts.answers, errors, refused), 1000).is_some());
            }
        }
    }
}
