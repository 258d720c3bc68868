//! Time and chance as values: both are passed in, never fetched.

use std::sync::Mutex;

use jiff::{SignedDuration, Timestamp};

/// Tells the present instant.
pub trait Clock: Send + Sync {
    /// The present instant.
    fn now(&self) -> Timestamp;
}

/// Gives unpredictable bytes.
pub trait Dice: Send + Sync {
    /// Fills the whole slice.
    fn fill(&self, bytes: &mut [u8]);
}

/// A clock that stands still until it is told to move; for tests and replays.
#[derive(Debug)]
pub struct ManualClock(Mutex<Timestamp>);

impl ManualClock {
    /// Stands at `now`.
    pub fn new(now: Timestamp) -> Self {
        Self(Mutex::new(now))
    }

    /// Moves by `by`, which may be negative.
    pub fn advance(&self, by: SignedDuration) {
        let mut now = self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        *now += by;
    }

    /// Jumps to `to`.
    pub fn set(&self, to: Timestamp) {
        *self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner()) = to;
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        *self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

/// Counts upwards, so that ids in tests differ and repeat from run to run.
#[derive(Debug, Default)]
pub struct CountingDice(Mutex<u64>);

impl From<u64> for CountingDice {
    /// Counts from `first` on.
    fn from(first: u64) -> Self {
        Self(Mutex::new(first))
    }
}

impl Dice for CountingDice {
    fn fill(&self, bytes: &mut [u8]) {
        let mut count = self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        *count += 1;
        let mut rest = *count;
        for byte in bytes.iter_mut().rev() {
            *byte = (rest & 31) as u8;
            rest >>= 5;
        }
    }
}
