//! How much of the caller's patience is left.

use std::time::Duration;

use tokio::time::Instant;

/// An instant after which nobody listens any more. It travels with the request; no call to a calendar
/// and no retry outlives it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Deadline(Instant);

impl Deadline {
    /// `budget` from now on.
    #[expect(clippy::disallowed_methods, reason = "the one place where a budget starts to run; tests pause tokio's clock")]
    pub fn within(budget: Duration) -> Self {
        Self(Instant::now() + budget)
    }

    /// What is left; zero when it has passed.
    #[expect(clippy::disallowed_methods, reason = "the one place where a budget is read; tests pause tokio's clock")]
    pub fn remaining(&self) -> Duration {
        self.0.saturating_duration_since(Instant::now())
    }

    /// Whether nothing is left.
    pub fn has_passed(&self) -> bool {
        self.remaining().is_zero()
    }

    /// The earlier of this one and `budget` from now.
    #[must_use]
    pub fn at_most(&self, budget: Duration) -> Self {
        (*self).min(Self::within(budget))
    }

    /// The instant itself, for tokio's timers.
    pub fn instant(&self) -> Instant {
        self.0
    }
}
