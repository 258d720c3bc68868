//! What must be shared and fast: windows and breakers, in this process or over all replicas.

mod memory;

pub use memory::{HandedState, KeptWindow, MemoryState, fullest};

use async_trait::async_trait;

use crate::breaker::{Ending, Pass, Rules, State};
use crate::window::Standing;

/// One bucket that is asked for room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bucket {
    /// Its name, such as `rate_limit:salon:booking`.
    pub key: String,
    /// The most within the span.
    pub limit: u32,
    /// Microseconds.
    pub span: i64,
}

/// What was decided about several buckets at once: all have room, or nothing is counted anywhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// Whether all had room.
    pub admitted: bool,
    /// How each stands afterwards, in the order asked. `wait` of one that had no room is until it has.
    pub standings: Vec<Standing>,
    /// Whether the state that all replicas share decided, and not this process for itself.
    pub shared: bool,
}

/// A bucket as operators see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BucketRow {
    /// Its name.
    pub key: String,
    /// How many count now.
    pub used: u32,
}

/// A breaker as operators see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BreakerRow {
    /// Whose.
    pub account: String,
    /// Where it stands.
    pub state: State,
    /// Faults in a row.
    pub failures: u32,
    /// Good trials in a row.
    pub successes: u32,
    /// Microseconds since it opened; `None` while closed.
    pub open_for: Option<i64>,
}

/// Windows and breakers. No method fails: with the shared state away each process decides for itself,
/// which [`SharedState::is_away`] tells.
#[async_trait]
pub trait SharedState: Send + Sync {
    /// Asks all buckets for room and takes it in all of them or in none. With `consume` false nothing is
    /// taken.
    async fn admit(&self, buckets: &[Bucket], consume: bool) -> Decision;

    /// The fullest buckets.
    async fn buckets(&self, most: usize) -> Vec<BucketRow>;

    /// Empties a bucket; `false` when there was nothing.
    async fn empty(&self, key: &str) -> bool;

    /// Asks a breaker to let a request pass; the second value is where it stands now.
    async fn enter(&self, account: &str, rules: &Rules) -> (Pass, State);

    /// Says how a request ended; answers where the breaker stood before and stands now.
    async fn exit(&self, account: &str, rules: &Rules, trial: bool, ending: Ending) -> (State, State);

    /// All breakers that were ever asked, by account.
    async fn breakers(&self, rules: &Rules) -> Vec<BreakerRow>;

    /// Closes a breaker, or all of them; returns how many were not closed.
    async fn close(&self, account: Option<&str>) -> usize;

    /// What has to be done from time to time, several times a second: looking whether the shared state is
    /// back, letting go of what is over.
    async fn tend(&self);

    /// Whether replicas decide for themselves because the state that they share does not answer.
    fn is_away(&self) -> bool;

    /// How often this process decided for itself.
    fn decided_alone(&self) -> u64;

    /// The clock of the state that replicas share; `None` where there is none, or while it is away.
    async fn clock(&self) -> Option<jiff::Timestamp> {
        None
    }
}
