//! How a gateway does, in few numbers: cumulative counts of what callers met since its process began.
//!
//! Synthetic calls, probes and operators are not in them. Two readings of one process subtract; what several
//! gateways counted adds up.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::meter::About;

/// Upper bounds of the answers' times, milliseconds; what took longer is in one more.
pub const BOUNDS_MS: [u64; 14] = [1, 2, 5, 10, 25, 50, 100, 200, 350, 500, 750, 1000, 2500, 6000];

/// How many answers took how long: up to each of [`BOUNDS_MS`], and longer.
pub type Times = [u64; BOUNDS_MS.len() + 1];

/// What was counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Counts {
    /// Answers to callers, their platforms and tenants' software.
    pub answers: u64,
    /// Of these: a status of 5xx, or a voice function that ended in `error`.
    pub errors: u64,
    /// Of these: voice functions that got no answer of their calendar in time (`temporarily_unavailable`, `pending`).
    pub unavailable: u64,
    /// Of these: refused by a limit.
    pub refused: u64,
    /// Of these: let through because the limit only watches.
    pub watched: u64,
    /// How long all answers took.
    pub took: Times,
}

/// Counts while a process lives.
#[derive(Debug, Default)]
pub struct Pulse {
    answers: AtomicU64,
    errors: AtomicU64,
    unavailable: AtomicU64,
    refused: AtomicU64,
    watched: AtomicU64,
    took: [AtomicU64; BOUNDS_MS.len() + 1],
}

/// What the limits made of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limited {
    /// Nothing.
    No,
    /// It was refused.
    Refused,
    /// It would have been.
    Watched,
}

// === impl Pulse ===

impl Pulse {
    /// Counts one answer.
    pub fn answered(&self, status: u16, limited: Limited, about: &About, took: Duration) {
        let one = |count: &AtomicU64, holds: bool| count.fetch_add(u64::from(holds), Ordering::Relaxed);
        one(&self.answers, true);
        one(&self.errors, status >= 500 || about.status == Some("error"));
        one(&self.unavailable, matches!(about.status, Some("temporarily_unavailable" | "pending")));
        one(&self.refused, limited == Limited::Refused);
        one(&self.watched, limited == Limited::Watched);
        one(&self.took[place(took)], true);
    }

    /// What was counted so far.
    pub fn counts(&self) -> Counts {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        Counts {
            answers: read(&self.answers),
            errors: read(&self.errors),
            unavailable: read(&self.unavailable),
            refused: read(&self.refused),
            watched: read(&self.watched),
            took: std::array::from_fn(|index| read(&self.took[index])),
        }
    }
}

fn place(took: Duration) -> usize {
    let micros = took.as_micros();
    BOUNDS_MS.iter().position(|bound| micros <= u128::from(*bound) * 1000).unwrap_or(BOUNDS_MS.len())
}

// === impl Counts ===

impl Counts {
    /// What was counted after `before`, a reading of the same process.
    #[must_use]
    pub fn since(&self, before: &Self) -> Self {
        self.with(before, u64::saturating_sub)
    }

    /// Both together.
    #[must_use]
    pub fn plus(&self, other: &Self) -> Self {
        self.with(other, u64::saturating_add)
    }

    /// The time within which `percent` of the answers came, milliseconds, as the upper bound of its bucket; `None`
    /// without answers, `u64::MAX` past the last bound.
    pub fn within_ms(&self, percent: u64) -> Option<u64> {
        let all: u64 = self.took.iter().sum();
        let wanted = (all * percent).div_ceil(100).max(1);
        let mut seen = 0;
        let found = self.took.iter().position(|count| {
            seen += count;
            seen >= wanted
        });
        found.filter(|_| all > 0).map(|index| BOUNDS_MS.get(index).copied().unwrap_or(u64::MAX))
    }

    fn with(&self, other: &Self, of: impl Fn(u64, u64) -> u64) -> Self {
        Self {
            answers: of(self.answers, other.answers),
            errors: of(self.errors, other.errors),
            unavailable: of(self.unavailable, other.unavailable),
            refused: of(self.refused, other.refused),
            watched: of(self.watched, other.watched),
            took: std::array::from_fn(|index| of(self.took[index], other.took[index])),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ended(status: Option<&'static str>) -> About {
        About { tenant: None, function: Some("book_appointment"), status }
    }

    #[test]
    fn an_answer_is_counted_for_what_the_caller_met() {
        let pulse = Pulse::default();
        pulse.answered(200, Limited::No, &ended(Some("booked")), Duration::from_micros(900));
        pulse.answered(200, Limited::No, &ended(Some("error")), Duration::from_millis(2));
        pulse.answered(503, Limited::Watched, &About::default(), Duration::from_secs(7));
        let before = pulse.counts();
        pulse.answered(200, Limited::Refused, &ended(Some("rate_limited")), Duration::from_millis(3));
        pulse.answered(200, Limited::No, &ended(Some("pending")), Duration::from_millis(3));
        let all = pulse.counts();
        assert_eq!((all.answers, all.errors, all.refused, all.watched, all.unavailable), (5, 2, 1, 1, 1));
        let since = all.since(&before);
        assert_eq!((since.answers, since.errors, since.refused), (2, 0, 1));
        assert_eq!(before.plus(&since), all);
        assert_eq!((all.within_ms(20), all.within_ms(95), since.within_ms(95)), (Some(1), Some(u64::MAX), Some(5)));
        assert_eq!(Counts::default().within_ms(95), None);
    }
}
