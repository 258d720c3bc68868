//! Give it up: one appointment of this caller, after a yes.

use super::attempt::{Settled, is_open};
use super::book::existing;
use super::find::keep_day;
use super::{CancelWish, Desk, Session, Visit};
use crate::booking::{Appointment, AppointmentState, CallbackCause, Intent, IntentKind};
use crate::call::Caller;
use crate::deadline::Deadline;
use crate::outcome::{Change, Confirm, Missed, Outcome, Shown};
use crate::policy::refuses_change;
use crate::ports::{AppointmentFilter, Begun, StoreError};

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
        let remembered = self.effect(session).map(|done| done.booking.clone());
        let before = match wish.booking.as_ref().or(remembered.as_ref()) {
            Some(booking) => self.parts.diary.appointment(session.tenant().scope(), booking).await?,
            None => self.given_up_in_this_call(session, wish.date.as_deref()).await?,
        };
        let own = before.filter(|it| it.owner.is_some() && it.owner.as_ref() == session.visit.call.caller.phone());
        Ok(match own {
            Some(own) if own.state == AppointmentState::Cancelled => Outcome::Cancelled(Shown::from(&own)),
            _ => Outcome::NotFound(Missed::Appointment),
        })
    }

    /// What this caller gave up last since the call began. The call does not remember it where the calendar
    /// confirmed it only after the answer, or the process died between the change and the memory of it.
    async fn given_up_in_this_call(&self, session: &Session<'_>, date: Option<&str>) -> Result<Option<Appointment>, StoreError> {
        let scope = session.tenant().scope();
        let Some(call) = &session.visit.call.id else { return Ok(None) };
        let Some((call, _)) = self.parts.calls.timeline(scope, call).await? else { return Ok(None) };
        let filter = AppointmentFilter {
            owner: session.visit.call.caller.phone().cloned(),
            ending_after: Some(session.now),
            ..AppointmentFilter::default()
        };
        let mut gone = self.parts.diary.appointments(scope, &filter).await?;
        gone.retain(|it| it.state == AppointmentState::Cancelled);
        if keep_day(session, &mut gone, date).is_err() {
            return Ok(None);
        }
        let mut last = None;
        for appointment in gone {
            let intent = self.parts.diary.intent_of(scope, &appointment.id).await?;
            let Some(Intent { kind: IntentKind::Cancel { .. }, created_at, .. }) = intent else { continue };
            if created_at >= call.started_at && last.as_ref().is_none_or(|(at, _)| *at <= created_at) {
                last = Some((created_at, appointment));
            }
        }
        Ok(last.map(|(_, appointment)| appointment))
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
