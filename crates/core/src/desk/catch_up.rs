//! What the calendar told and nobody heard: it is asked for what changed, and that goes the way of its news.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::Desk;
use crate::calendar_news::Applied;
use crate::deadline::Deadline;
use crate::ports::{CalendarError, StoreError};
use crate::tenant::Tenant;

/// A calendar answers within this, all pages; shorter than a turn.
const WITHIN: Duration = Duration::from_secs(30);
/// The next list begins so long before the last change of this one: what was stored is not listed at once.
const OVERLAP: SignedDuration = SignedDuration::from_mins(10);

/// What the store cannot take is listed again for so long.
const TRIED_FOR: SignedDuration = SignedDuration::from_hours(24);

/// What came of asking.
#[derive(Debug)]
pub struct CaughtUp {
    /// How many changes were listed.
    pub listed: usize,
    /// What became of those that had not been heard before.
    pub applied: Vec<Applied>,
    /// What of it the store could not take.
    pub failed: Vec<StoreError>,
    /// From when on to ask the next time.
    pub next_since: Timestamp,
    /// Whether there is more to ask for at once.
    pub more: bool,
}

/// Why nothing, or not everything, came of it.
#[derive(Debug, thiserror::Error)]
pub enum CatchUpError {
    /// The calendar did not say.
    #[error(transparent)]
    Calendar(#[from] CalendarError),
    /// What it said could not be kept.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Desk {
    /// Asks the tenant's calendar what changed since `since`, and hears it.
    pub async fn catch_up(&self, tenant: &Tenant, since: Timestamp) -> Result<CaughtUp, CatchUpError> {
        let changes = self.parts.calendar.changes(tenant, since, Deadline::within(WITHIN)).await?;
        // By our own clock: a change from the future would keep those of now from being listed.
        let next_since = match changes.until.map(|until| until.min(self.now())) {
            None => since,
            Some(until) if changes.more => until.max(since),
            Some(until) => until.checked_sub(OVERLAP).map_or(since, |from| from.max(since)),
        };
        let (applied, failed) = (Vec::new(), Vec::new());
        let mut caught = CaughtUp { listed: changes.news.len(), applied, failed, next_since, more: changes.more };
        for news in &changes.news {
            let again = match self.hear(tenant, news).await {
                Ok(Applied::Repeated) => false,
                // It has to be listed again, after a while.
                Ok(Applied::TooEarly) => true,
                Ok(applied) => {
                    caught.applied.push(applied);
                    false
                }
                Err(error @ StoreError::Busy(_)) => return Err(error.into()),
                Err(error) => {
                    let is_lasting = matches!(error, StoreError::Corrupt { .. });
                    caught.failed.push(error);
                    // One that fails for good may not keep what comes after it from being listed.
                    let is_old = news.told_at.checked_add(TRIED_FOR).is_ok_and(|until| until < self.now());
                    !(is_old || is_lasting && changes.more)
                }
            };
            if again {
                caught.next_since = news.told_at.max(since).min(caught.next_since);
                caught.more = false;
            }
        }
        Ok(caught)
    }
}
