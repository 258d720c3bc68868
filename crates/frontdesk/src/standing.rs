//! How this process stands: which configuration is in force, whether its own work panicked, and whether it is about
//! to leave.

use std::sync::{Mutex, MutexGuard, PoisonError};

use frontdesk_http::{Finding, InForce};
use jiff::{SignedDuration, Timestamp};

/// A panic is told for so long.
const PANIC_SHOWN: SignedDuration = SignedDuration::from_hours(24);

/// What health is told of the process itself.
#[derive(Default)]
pub(crate) struct Standing(Mutex<Inner>);

#[derive(Default)]
struct Inner {
    in_force: Option<InForce>,
    /// The number of the stored revision.
    stored: i64,
    /// Whether the last one that was read is the one in force.
    refused: bool,
    leaving: bool,
    /// How often work in the background panicked; which one last, and when.
    panics: u64,
    panicked: Option<(&'static str, Timestamp)>,
}

impl Standing {
    /// A configuration was taken up.
    pub(crate) fn loaded(&self, revision: String, now: Timestamp) {
        let mut inner = self.inner();
        let refused = inner.in_force.take().and_then(|before| before.refused);
        let stored = inner.stored;
        inner.in_force = Some(InForce { revision, stored, loaded_at: now, refused });
        inner.refused = false;
    }

    /// That stored revision is in force.
    pub(crate) fn holds(&self, number: i64) {
        let mut inner = self.inner();
        inner.stored = number;
        if let Some(in_force) = &mut inner.in_force {
            in_force.stored = number;
        }
    }

    /// One was refused; the one before stays in force.
    pub(crate) fn refused(&self, why: String, now: Timestamp) {
        let mut inner = self.inner();
        if let Some(in_force) = &mut inner.in_force {
            in_force.refused = Some((now, why));
        }
        inner.refused = true;
    }

    /// A piece of `work` panicked; the rest of it goes on.
    pub(crate) fn panicked(&self, work: &'static str, now: Timestamp) {
        tracing::error!(critical = true, work, "a piece of work in the background panicked; the rest of it goes on");
        let mut inner = self.inner();
        inner.panics += 1;
        inner.panicked = Some((work, now));
    }

    /// From now on nobody should be sent here.
    pub(crate) fn leaving(&self) {
        self.inner().leaving = true;
    }

    /// The configuration that is in force.
    pub(crate) fn in_force(&self) -> Option<InForce> {
        self.inner().in_force.clone()
    }

    /// The revision that is in force; empty where none was read.
    pub(crate) fn revision(&self) -> String {
        self.in_force().map(|it| it.revision).unwrap_or_default()
    }

    /// What health makes of it.
    pub(crate) fn findings(&self, now: Timestamp) -> Vec<Finding> {
        let inner = self.inner();
        let mut findings = Vec::new();
        if let Some(InForce { revision, loaded_at, refused, .. }) = &inner.in_force {
            let in_force = format!("revision {revision}, in force since {loaded_at}");
            findings.push(match refused {
                Some((at, why)) if inner.refused => Finding::warn(
                    "configuration",
                    format!("The configuration file that was read at {at} was refused."),
                    format!("{why}; {in_force}"),
                    "mend what it says and send SIGHUP again; until then the one before stays in force",
                ),
                _ => Finding::ok("configuration", format!("The configuration is {in_force}.")),
            });
        }
        if let Some((work, at)) = inner.panicked.filter(|(_, at)| now.duration_since(*at) < PANIC_SHOWN) {
            findings.push(Finding::warn(
                "process",
                "Work in the background panicked; the rest of it goes on.",
                format!("{} since the start, the last at {at} while {work}", inner.panics),
                "report it with the line of the log that says where; what it worked on is tried again",
            ));
        }
        if inner.leaving {
            let advice = "send nobody here: another gateway serves, or this one is started again";
            findings.push(Finding::fail("process", "This gateway finishes what runs and stops.", "", advice));
        }
        findings
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
