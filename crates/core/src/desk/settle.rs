//! Settling what the calendar left open, without anybody asking; and the truth about it for those
//! who do.

use std::time::Duration;

use super::attempt::{LEASE, Turn};
use super::offers::join_all;
use super::{Desk, Session, Visit};
use crate::booking::{AppointmentState, CallbackCause, CallbackState, IntentState};
use crate::caught::caught;
use crate::deadline::Deadline;
use crate::ids::{BookingId, IntentId, TenantId};
use crate::outcome::{Change, Outcome, Promise, Shown};
use crate::ports::StoreError;
use crate::tenant::Tenant;

/// How many intents one round takes on.
const PER_ROUND: u32 = 20;
/// How often somebody who waits looks.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// What one round did.
#[derive(Debug, Default)]
pub struct Round {
    /// How many intents were taken on.
    pub taken: usize,
    /// Those that were given up with the calendar holding some parts and not others.
    pub torn: Vec<Torn>,
    /// Those that panicked: they keep their lease and come up again.
    pub panicked: Vec<(TenantId, IntentId)>,
    /// Where the store failed one of them; the others are not kept from being told.
    pub trouble: Option<StoreError>,
}

/// An appointment that only a person can put right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Torn {
    /// Whose.
    pub tenant: TenantId,
    /// The appointment.
    pub booking: BookingId,
    /// The intent that was given up.
    pub intent: IntentId,
    /// Which parts still stand and why; never a person's data.
    pub why: String,
}

impl Desk {
    /// One round: takes what is due and carries it out.
    pub async fn settle_due(&self) -> Result<Round, StoreError> {
        let now = self.now();
        let due = self.parts.diary.take_due(now, LEASE, PER_ROUND).await?;
        let taken = due.len();
        let work = due.into_iter().map(|(slug, intent)| async move {
            let done = caught(async {
                // A tenant that was removed keeps its rows; nobody may use its calendar any more.
                let Some(tenant) = self.parts.directory.tenant(&slug) else { return Ok(None) };
                self.carry_out(&tenant, &intent, now + LEASE, Turn::Later).await?;
                self.torn(&tenant, &intent).await
            });
            done.await.map_err(|_| (slug, intent.clone()))
        });
        // All at once: one calendar that hangs keeps nobody else's intents waiting. One that fails here
        // keeps its lease and comes up again.
        let results = join_all(work.collect()).await;
        let mut round = Round { taken, ..Round::default() };
        for result in results {
            match result {
                Ok(Ok(torn)) => round.torn.extend(torn),
                Ok(Err(error)) => round.trouble = Some(error),
                Err(which) => round.panicked.push(which),
            }
        }
        Ok(round)
    }

    /// Whether that was given up with parts in the calendar that should not be there.
    async fn torn(&self, tenant: &Tenant, id: &IntentId) -> Result<Option<Torn>, StoreError> {
        let intent = self.parts.diary.intent(tenant.scope(), id).await?;
        Ok(intent.filter(|intent| intent.state == IntentState::CompensationFailed).map(|intent| Torn {
            tenant: tenant.slug.clone(),
            booking: intent.appointment,
            intent: intent.id,
            why: intent.last_error.unwrap_or_default(),
        }))
    }

    /// Puts a change that was not confirmed in time on the list, unless it was settled meanwhile.
    pub(super) async fn pending(&self, session: &Session<'_>, shown: Shown, change: Change) -> Result<Outcome, StoreError> {
        let promise = self.queue(session, CallbackCause::Provisional, Some(&shown.service), Some(&shown.booking)).await?;
        match self.current(session.visit, &shown, change).await? {
            Some(outcome) => {
                // This one item; others about the appointment may say that somebody has to look.
                let scope = session.tenant().scope();
                if let Some(promise) = &promise
                    && let Some(mut item) = self.parts.callbacks.callback(scope, &promise.callback).await?
                    && item.cause == CallbackCause::Provisional
                    && !item.state.is_closed()
                {
                    let seen = item.updated_at;
                    item.state = CallbackState::Resolved;
                    self.parts.callbacks.update(scope, &item, seen).await?;
                }
                Ok(outcome)
            }
            None => Ok(Outcome::Pending { appointment: shown, change, promise }),
        }
    }

    /// A repeat of a request whose answer was "pending" hears how it is by now, waiting for its own
    /// budget if need be.
    pub(super) async fn truth_about(&self, visit: &Visit, shown: Shown, change: Change, promise: Option<Promise>) -> Outcome {
        let deadline = Deadline::within(self.budgets.write);
        loop {
            match self.current(visit, &shown, change).await {
                Ok(Some(outcome)) => return outcome,
                Ok(None) | Err(_) if deadline.remaining() <= LOOK_EVERY * 2 => {
                    return Outcome::Pending { appointment: shown, change, promise };
                }
                Ok(None) | Err(_) => tokio::time::sleep(LOOK_EVERY).await,
            }
        }
    }

    async fn current(&self, visit: &Visit, shown: &Shown, change: Change) -> Result<Option<Outcome>, StoreError> {
        let scope = visit.tenant.scope();
        let Some(appointment) = self.parts.diary.appointment(scope, &shown.booking).await? else { return Ok(None) };
        let now_shown = Shown::from(&appointment);
        match change {
            Change::Book => Ok(match appointment.state {
                AppointmentState::Booked => Some(Outcome::Booked { appointment: now_shown, already: false }),
                AppointmentState::Refused => Some(Outcome::Taken(Vec::new())),
                AppointmentState::Cancelled => Some(Outcome::Cancelled(now_shown)),
                AppointmentState::Pending | AppointmentState::NeedsPerson => None,
            }),
            Change::Move | Change::Cancel => {
                let intent = self.parts.diary.intent_of(scope, &shown.booking).await?;
                Ok(match intent.map(|intent| intent.state) {
                    Some(IntentState::Done) if change == Change::Cancel => Some(Outcome::Cancelled(now_shown)),
                    Some(IntentState::Done) => Some(Outcome::Rescheduled { appointment: now_shown, from: shown.start }),
                    Some(IntentState::Refused | IntentState::Watched) => Some(Outcome::Taken(Vec::new())),
                    Some(
                        IntentState::Open | IntentState::Undoing | IntentState::HandedOver | IntentState::CompensationFailed,
                    )
                    | None => None,
                })
            }
        }
    }
}
