//! Two clocks: the true one, by which the calendar goes, and the one on the gateways' wall, which is set.
//! While a gateway runs, both go on with the paused time of its runtime.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use frontdesk_core::clock::Clock;
use frontdesk_core::deadline::Deadline;
use jiff::{SignedDuration, Timestamp};

/// Longer than any slice.
const SPAN: Duration = Duration::from_secs(1_000_000);

/// The clock of a simulated world.
pub(super) struct SimulatedClock(Mutex<Face>);

struct Face {
    truth: Timestamp,
    skew: SignedDuration,
    slice: Option<Deadline>,
}

impl Face {
    fn truth(&self) -> Timestamp {
        let gone = self.slice.map_or(Duration::ZERO, |slice| SPAN.saturating_sub(slice.remaining()));
        self.truth + SignedDuration::try_from(gone).expect("a short slice")
    }
}

impl SimulatedClock {
    pub(super) fn at(truth: Timestamp) -> Self {
        Self(Mutex::new(Face { truth, skew: SignedDuration::ZERO, slice: None }))
    }

    fn face(&self) -> std::sync::MutexGuard<'_, Face> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn truth(&self) -> Timestamp {
        self.face().truth()
    }

    /// A gateway begins to run; only where its runtime's time is.
    pub(super) fn begin_slice(&self) {
        self.face().slice = Some(Deadline::within(SPAN));
    }

    /// It stops; the next one runs the same slice of time.
    pub(super) fn end_slice(&self) {
        self.face().slice = None;
    }

    /// Time that has passed for all.
    pub(super) fn advance(&self, by: SignedDuration) {
        self.face().truth += by;
    }

    /// Somebody sets the gateways' clock.
    pub(super) fn set_off(&self, by: SignedDuration) {
        self.face().skew += by;
    }
}

impl Clock for SimulatedClock {
    fn now(&self) -> Timestamp {
        let face = self.face();
        face.truth() + face.skew
    }
}
