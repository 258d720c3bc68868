//! What answers came to, in slots of ten seconds, and sums over any stretch of the last hours.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::vitals::{self, BOUNDS_MS};

/// How long a slot is.
pub const SLOT: SignedDuration = SignedDuration::from_secs(10);
/// The longest window of a rule, and a little more.
const KEPT: SignedDuration = SignedDuration::from_mins(6 * 60 + 5);

/// What is counted. Written by one release and read by another, so that what is not there is nothing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Counts {
    /// What callers met.
    pub callers: vitals::Counts,
    /// Requests that a limit refused, whoever sent them: also who asks for health, and who proves nothing.
    pub refused: u64,
    /// Lines of the level `ERROR` and above.
    pub lines: u64,
    /// Buckets that were refused ten times within an hour.
    pub abuses: u64,
    /// Requests of voice platforms and calendars that could not prove whose they are.
    pub rejected: u64,
    /// How often a breaker opened.
    pub opened: u64,
}

impl Counts {
    /// Answers without a result, because of us or of a calendar.
    pub fn failed(&self) -> u64 {
        self.callers.errors + self.callers.unavailable
    }

    /// Answers that took longer than `bound`, as far as the buckets of [`BOUNDS_MS`] tell.
    pub fn slower_than(&self, bound: Duration) -> u64 {
        let place = BOUNDS_MS.iter().position(|it| u128::from(*it) >= bound.as_millis()).unwrap_or(BOUNDS_MS.len());
        self.callers.took.iter().skip(place + 1).sum()
    }

    /// What was counted after `before`, a reading of the same process.
    #[must_use]
    pub fn since(&self, before: &Self) -> Self {
        self.with(before, u64::saturating_sub, vitals::Counts::since)
    }

    /// Both together.
    #[must_use]
    pub fn plus(&self, other: &Self) -> Self {
        self.with(other, u64::saturating_add, vitals::Counts::plus)
    }

    fn with(&self, it: &Self, of: fn(u64, u64) -> u64, all: fn(&vitals::Counts, &vitals::Counts) -> vitals::Counts) -> Self {
        Self {
            callers: all(&self.callers, &it.callers),
            refused: of(self.refused, it.refused),
            lines: of(self.lines, it.lines),
            abuses: of(self.abuses, it.abuses),
            rejected: of(self.rejected, it.rejected),
            opened: of(self.opened, it.opened),
        }
    }
}

/// The slots of the last hours, of all gateways together.
#[derive(Debug, Clone, Default)]
pub struct History {
    /// Each slot's beginning in seconds, what it held, and the sum of all up to its end.
    slots: Vec<(i64, Counts, Counts)>,
}

/// The beginning of the slot that `at` is in, as a Unix second.
fn slot_of(at: Timestamp) -> i64 {
    at.as_second().div_euclid(SLOT.as_secs()) * SLOT.as_secs()
}

impl History {
    /// The beginning of the slot that `at` is in.
    pub fn slot(at: Timestamp) -> Timestamp {
        Timestamp::from_second(slot_of(at)).unwrap_or(at)
    }

    /// Replaces what is known of the slots from `since` on; what is there before `since` stays.
    pub fn replace(&mut self, since: Timestamp, slots: &[(Timestamp, Counts)]) {
        let since = slot_of(since);
        self.slots.truncate(self.slots.partition_point(|(at, _, _)| *at < since));
        for (at, counts) in slots {
            self.put(*at, *counts);
        }
        if let Some((newest, _, _)) = self.slots.last() {
            let oldest = newest - KEPT.as_secs();
            let old = self.slots.partition_point(|(at, _, _)| *at < oldest);
            // Not for one slot: the rest would be moved each time.
            if old > 512 {
                self.slots.drain(..old);
            }
        }
    }

    /// Adds to the newest slot, or begins a later one.
    pub fn put(&mut self, at: Timestamp, counts: Counts) {
        let at = slot_of(at);
        match self.slots.last_mut() {
            Some((newest, own, sum)) if *newest >= at => {
                (*own, *sum) = (own.plus(&counts), sum.plus(&counts));
            }
            last => {
                let sum = last.map(|(_, _, sum)| *sum).unwrap_or_default().plus(&counts);
                self.slots.push((at, counts, sum));
            }
        }
    }

    /// The sum over the slots that touch the last `span`.
    pub fn window(&self, now: Timestamp, span: SignedDuration) -> Counts {
        let from = now.as_second() - span.as_secs();
        let first = self.slots.partition_point(|(at, _, _)| at + SLOT.as_secs() <= from);
        match (self.slots.get(first), self.slots.last()) {
            (Some((_, own, sum)), Some((_, _, all))) => all.since(&sum.since(own)),
            _ => Counts::default(),
        }
    }
}
