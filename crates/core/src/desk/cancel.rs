//! Give it up: one appointment of this caller, after a yes.

use super::attempt::{Settled, is_open};
use super::book::existing;
use super::{CancelWish, Desk, Session, Visit};
use crate::booking::{Appointment, AppointmentState, CallbackCause, Intent, IntentKind};
use crate::call::Caller;
use crate::deadline::Deadline;
use crate::outcome::{Change, Confirm, Missed, Outcome, Shown};
use crate::policy::refuses_change;
use crate::ports::{Begun, StoreError};

/// What the calendar is told when the caller gives no reason; it insists on one.
const DEFAULT_REASON: &str = "Cancelled by the caller on the phone";

impl Desk {
    pub(super) async fn cancel(&self, session: &mut Session<'_>, wish: &CancelWish) -> Result<Outcome, StoreError> {
        if session.visit.call.caller == Caller::Anonymous {
            return self.for_a_person(session).await;
        }
        let appointment = match self.meant(session, wish.booking.as_ref(), wish.date.as_deref()).await? {
            Ok(appointment) => appointment,
            Err(Outcome::NotFound(Missed::Appointment)) => return self.cancelled_before(session, wish).await,
            Err(outcome) => return Ok(outcome),
        };
        if is_open(&appointment) {
            return Ok(existing(&appointment).unwrap_or(Outcome::NotFound(Missed::Appointment)));
        }
        if let Some(denial) = refuses_change(session.tenant(), Change::Cancel, appointment.start, session.now) {
            return Ok(Outcome::Denied { denial, slots: Vec::new() });
        }
        if !wish.confirm && !self.is_consent(session, &appointment) {
            return Ok(self.confirm(session, Confirm::Cancel(Shown::from(&appointment))));
        }
        let reason = wish.reason.as_ref().map_or(DEFAULT_REASON, |reason| reason.expose().as_str());
        match self.give_up(session.visit, &appointment, reason, session.deadline).await? {
            Some(Settled::Done(gone)) => {
                self.remember_effect(session, &appointment);
                Ok(Outcome::Cancelled(Shown::from(&gone)))
            }
            Some(Settled::Refused(_)) => {
                let promise =
                    self.queue(session, CallbackCause::Unsettled, Some(&appointment.service), Some(&appointment.id)).await?;
                Ok(Outcome::TemporarilyUnavailable(promise))
            }
            Some(Settled::Open) => self.pending(session, Shown::from(&appointment), Change::Cancel).await,
            None => match self.parts.diary.intent_of(session.tenant().scope(), &appointment.id).await? {
                Some(Intent { kind: IntentKind::Cancel { .. }, .. }) => {
                    self.pending(session, Shown::from(&appointment), Change::Cancel).await
                }
                // Another change of it is not settled yet. Its work item ends with that change, so this wish
                // gets one of its own.
                _ => self.after_the_open_change(session, &appointment).await,
            },
        }
    }

    /// An appointment that this caller gave up already is answered again, not done again.
    async fn cancelled_before(&self, session: &Session<'_>, wish: &CancelWish) -> Result<Outcome, StoreError> {
        let before = self.effect(session).map(|done| done.booking.clone());
        let Some(booking) = wish.booking.as_ref().or(before.as_ref()) else {
            return Ok(Outcome::NotFound(Missed::Appointment));
        };
        let before = self.parts.diary.appointment(session.tenant().scope(), booking).await?;
        let own = before.filter(|it| it.owner.is_some() && it.owner.as_ref() == session.visit.call.caller.phone());
        Ok(match own {
            Some(own) if own.state == AppointmentState::Cancelled => Outcome::Cancelled(Shown::from(&own)),
            _ => Outcome::NotFound(Missed::Appointment),
        })
    }

    pub(super) async fn give_up(
        &self,
        visit: &Visit,
        appointment: &Appointment,
        reason: &str,
        deadline: Deadline,
    ) -> Result<Option<Settled>, StoreError> {
        let now = self.now();
        let kind = IntentKind::Cancel { reason: reason.to_owned() };
        let intent = self.fresh_intent(&visit.tenant, &appointment.id, kind, now);
        match self.parts.diary.begin_change(visit.tenant.scope(), &intent, None, now).await? {
            Begun::Blocked => Ok(None),
            Begun::Yes => self.attempt_or_done(visit, appointment, &intent, deadline).await.map(Some),
        }
    }
}
