//! Asks every Cal.com calendar now and then what changed, for those changes whose webhook got lost. Any gateway
//! may do it; a lease says who does.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use frontdesk_core::calendar_news::Applied;
use frontdesk_core::caught::caught;
use frontdesk_core::clock::{Clock, Dice};
use frontdesk_core::desk::{CatchUpError, CaughtUp, Desk};
use frontdesk_core::ports::{CalendarError, PollEnd, Polls, StoreError};
use frontdesk_core::tenant::{CalendarKind, Tenant};
use frontdesk_http::Recognition;
use futures_util::future::join_all;
use jiff::{SignedDuration, Timestamp};

use crate::standing::Standing;

/// Nobody else asks the same calendar for so long; longer than a calendar may take.
const LEASE: SignedDuration = SignedDuration::from_secs(120);
/// So far back a calendar is asked that was never asked before.
const FIRST: SignedDuration = SignedDuration::from_hours(24);
/// So many calendars are asked at once.
const AT_ONCE: usize = 8;

/// What asking needs.
pub(crate) struct CatchUp {
    pub(crate) polls: Arc<dyn Polls>,
    pub(crate) desk: Desk,
    pub(crate) tenants: Arc<dyn Recognition>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) dice: Arc<dyn Dice>,
    pub(crate) standing: Arc<Standing>,
    /// `None` asks never.
    pub(crate) every: Option<Duration>,
}

impl CatchUp {
    /// Asks every calendar whose turn it is; returns how many answered.
    pub(crate) async fn round(&self) -> Result<usize, StoreError> {
        let Some(every) = self.every.and_then(|every| SignedDuration::try_from(every).ok()) else { return Ok(0) };
        let now = self.clock.now();
        let resting: HashMap<_, _> = self.polls.polls().await?.into_iter().map(|row| (row.tenant, row.next)).collect();
        let is_due = |tenant: &Arc<Tenant>| {
            matches!(tenant.calendar, CalendarKind::Calcom { .. })
                && resting.get(&tenant.slug).is_none_or(|until| *until <= now || *until > now + furthest(every))
        };
        let due: Vec<_> = self.tenants.tenants().into_iter().filter(is_due).collect();
        let (mut answered, mut trouble) = (0, None);
        for some in due.chunks(AT_ONCE) {
            let asking = some.iter().map(|tenant| async move { (tenant, caught(self.ask(tenant, every)).await) });
            for (tenant, asked) in join_all(asking).await {
                match asked {
                    Ok(Ok(has_answered)) => answered += usize::from(has_answered),
                    // One tenant's trouble keeps no other waiting; its turn ends with its lease.
                    Ok(Err(error)) => trouble = Some(error),
                    Err(_) => {
                        self.standing.panicked("asking a calendar for changes", self.clock.now());
                        tracing::error!(channel = "calcom", critical = true, tenant = %tenant.slug, "what a calendar listed broke it");
                    }
                }
            }
        }
        trouble.map_or(Ok(answered), Err)
    }

    /// Asks one calendar, if nobody else does; whether it answered.
    async fn ask(&self, tenant: &Tenant, every: SignedDuration) -> Result<bool, StoreError> {
        let now = self.clock.now();
        let Some(turn) = self.polls.take_poll(tenant.scope(), now - FIRST, now, LEASE, furthest(every)).await? else {
            return Ok(false);
        };
        let caught = self.desk.catch_up(tenant, turn.since.min(now)).await;
        let now = self.clock.now();
        let usual = now + self.pause(every);
        let end = match &caught {
            Ok(caught) => {
                self.tell(tenant, caught);
                let goes_on = caught.more && caught.next_since > turn.since;
                PollEnd { since: caught.next_since, next: if goes_on { now } else { usual }, answered: Some(now) }
            }
            Err(error) => PollEnd { since: turn.since, next: self.after(error, now, usual), answered: None },
        };
        self.polls.end_poll(tenant.scope(), &turn, &end).await?;
        match caught {
            Ok(_) => Ok(true),
            // Nothing was sent: the breaker or the budget had its reasons, and has said so.
            Err(CatchUpError::Calendar(CalendarError::Open { .. } | CalendarError::Throttled { .. })) => Ok(false),
            Err(CatchUpError::Calendar(error)) => {
                tracing::warn!(channel = "calcom", tenant = %tenant.slug, %error, "the calendar did not say what changed");
                Ok(false)
            }
            Err(CatchUpError::Store(error)) => Err(error),
        }
    }

    fn tell(&self, tenant: &Tenant, caught: &CaughtUp) {
        let applied = &caught.applied;
        for error in &caught.failed {
            tracing::error!(
                channel = "calcom",
                critical = true,
                tenant = %tenant.slug,
                error = error.with_causes(),
                "a change that the calendar listed could not be kept"
            );
        }
        if applied.iter().any(|it| !matches!(it, Applied::Stale)) {
            self.tenants.calendar_changed(tenant);
        }
        let missed = applied.iter().filter(|it| !matches!(it, Applied::Nothing | Applied::Stale)).count();
        if missed > 0 {
            tracing::warn!(
                channel = "calcom",
                tenant = %tenant.slug,
                missed,
                "the calendar had changes whose webhooks never came; is the subscription there?"
            );
        }
        for it in applied.iter().filter(|it| it.needs_a_person()) {
            tracing::warn!(channel = "calcom", tenant = %tenant.slug, what = it.word(), "the calendar and we differ: a work item was made");
        }
    }

    /// When to ask again that did not answer.
    fn after(&self, error: &CatchUpError, now: Timestamp, usual: Timestamp) -> Timestamp {
        match error {
            CatchUpError::Calendar(CalendarError::Open { retry_after } | CalendarError::Throttled { retry_after }) => {
                (now + *retry_after).min(usual)
            }
            CatchUpError::Calendar(_) | CatchUpError::Store(_) => usual,
        }
    }

    /// A tenth more or less, so that many calendars are not asked in the same second for ever.
    fn pause(&self, every: SignedDuration) -> SignedDuration {
        let mut byte = [0];
        self.dice.fill(&mut byte);
        every * 9 / 10 + every / 5 * i32::from(byte[0]) / 256
    }
}

/// No turn lasts and no pause goes further ahead than this: one that does is from before our clock was set back.
fn furthest(every: SignedDuration) -> SignedDuration {
    every.max(LEASE) * 2
}
