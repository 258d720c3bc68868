//! Move it: one appointment of this caller, to one new time, as one change.

use jiff::Timestamp;

use super::attempt::{Settled, is_open};
use super::book::existing;
use super::check::Wish;
use super::understand::{ask, exact_time};
use super::{Desk, MoveWish, Session, Visit};
use crate::booking::{Appointment, CallbackCause, Intent, IntentKind, IntentState};
use crate::call::{Caller, Effect};
use crate::deadline::Deadline;
use crate::ids::BookingId;
use crate::outcome::{Change, Confirm, Missed, Need, Outcome, Question, Shown};
use crate::policy::refuses_change;
use crate::ports::{Begun, StoreError};
use crate::sensitive::Sensitive;
use crate::slot::Hold;
use crate::speech::when::{DateWish, TimeWish};
use crate::tenant::Tenant;

/// What the calendar is told when the caller gives no reason.
const DEFAULT_REASON: &str = "Moved by the caller on the phone";

impl Desk {
    pub(super) async fn reschedule(&self, session: &mut Session<'_>, wish: &MoveWish) -> Result<Outcome, StoreError> {
        if session.visit.call.caller == Caller::Anonymous {
            return self.for_a_person(session).await;
        }
        if let Some(slot) = &wish.slot {
            let Some(hold) = self.own_hold(session, slot).await? else { return Ok(Outcome::NotFound(Missed::Slot)) };
            if let Some(replaced) = hold.replaces.clone() {
                return self.move_to(session, &replaced, &hold, wish.reason.as_ref()).await;
            }
        }
        let appointment = match self.meant(session, wish.booking.as_ref(), wish.date.as_deref()).await? {
            Ok(appointment) => appointment,
            Err(outcome) => return Ok(outcome),
        };
        if is_open(&appointment) {
            return Ok(existing(&appointment).unwrap_or(Outcome::NotFound(Missed::Appointment)));
        }
        if let Some(denial) = refuses_change(session.tenant(), Change::Move, appointment.start, session.now) {
            return Ok(Outcome::Denied { denial, slots: Vec::new() });
        }
        let new = match self.new_wish(session, wish, &appointment) {
            Ok(new) => new,
            Err(outcome) => return Ok(outcome),
        };
        let exactly = match (&new.when.date, exact_time(&new.when.time)) {
            (DateWish::On(date), Some(time)) => Some(date.to_datetime(time)),
            _ => None,
        };
        let zone = session.tenant().zone().clone();
        let start = exactly.and_then(|local| local.to_zoned_datetime(zone.clone()).ok()).map(|at| at.timestamp());
        if let Some(outcome) = self.behind_another_change(session, &appointment, start).await? {
            return Ok(outcome);
        }
        if exactly.is_some_and(|local| appointment.start.to_zoned_datetime(zone).datetime() == local) {
            if let Some(done) = self.effect(session).filter(|done| done.booking == appointment.id) {
                return Ok(Outcome::Rescheduled { appointment: Shown::from(&appointment), from: done.from });
            }
            return Ok(Outcome::Booked { appointment: Shown::from(&appointment), already: true });
        }
        let agreed = wish.confirm || self.is_consent(session, &appointment);
        let held = match self.offered_at(session, &new).await? {
            Some(hold) if agreed => Some(hold),
            _ => None,
        };
        let hold = match held {
            Some(hold) => hold,
            None => match self.look(session, &new).await? {
                Outcome::Available(offer) => {
                    let hold = match &offer.slot {
                        Some(slot) if agreed => self.own_hold(session, slot).await?,
                        _ => None,
                    };
                    match hold {
                        Some(hold) => hold,
                        None => {
                            let appointment = Shown::from(&appointment);
                            return Ok(self.confirm(session, Confirm::Move { appointment, to: offer }));
                        }
                    }
                }
                other => return Ok(other),
            },
        };
        self.move_to(session, &appointment.id, &hold, wish.reason.as_ref()).await
    }

    /// The new time; a time without a day is the day the appointment has.
    fn new_wish<'a>(&self, session: &Session<'_>, wish: &MoveWish, appointment: &'a Appointment) -> Result<Wish<'a>, Outcome> {
        let tenant = session.tenant();
        let mut when = session.new_when(&wish.to).map_err(|question| {
            let need = match &question {
                Question::NotUnderstood(need) => *need,
                _ => Need::NewDate,
            };
            ask(&[need], question)
        })?;
        if when.date == DateWish::Any {
            match when.time {
                TimeWish::Any => return Err(ask(&[Need::NewDate, Need::NewTime], Question::Missing(Need::NewDate))),
                TimeWish::At(_) | TimeWish::Window { .. } => {
                    when.date = DateWish::On(appointment.start.to_zoned_datetime(tenant.zone().clone()).date());
                }
                TimeWish::Earliest => {}
            }
        }
        let Some(service) = tenant.service(&appointment.service).cloned() else {
            return Err(Outcome::NotFound(Missed::Service(tenant.services.iter().map(|it| it.name.clone()).collect())));
        };
        let staff = appointment.staff.as_deref().and_then(|name| tenant.staff_member(name)).cloned();
        Ok(Wish { service, staff, when, replaces: Some(appointment) })
    }

    /// Moves the appointment to a held time.
    pub(super) async fn move_to(
        &self,
        session: &mut Session<'_>,
        booking: &BookingId,
        hold: &Hold,
        reason: Option<&Sensitive<String>>,
    ) -> Result<Outcome, StoreError> {
        // Looking for the time took its time: what is changed is the appointment as it is now.
        session.own = None;
        let appointment = match self.meant(session, Some(booking), None).await? {
            Ok(appointment) => appointment,
            Err(outcome) => return Ok(outcome),
        };
        if is_open(&appointment) {
            return Ok(existing(&appointment).unwrap_or(Outcome::NotFound(Missed::Appointment)));
        }
        if let Some(outcome) = self.behind_another_change(session, &appointment, Some(hold.start)).await? {
            return Ok(outcome);
        }
        if appointment.start == hold.start {
            if let Some(done) = self.effect(session).filter(|done| done.booking == appointment.id) {
                return Ok(Outcome::Rescheduled { appointment: Shown::from(&appointment), from: done.from });
            }
            return Ok(Outcome::Booked { appointment: Shown::from(&appointment), already: true });
        }
        if let Some(denial) = refuses_change(session.tenant(), Change::Move, appointment.start, session.now) {
            return Ok(Outcome::Denied { denial, slots: Vec::new() });
        }
        if !self.is_kept(session, hold).await? {
            return self.look_again(session, hold).await;
        }
        let reason = reason.map_or(DEFAULT_REASON, |reason| reason.expose().as_str());
        match self.change_to(session.visit, &appointment, hold, reason, session.deadline, session.now).await? {
            // Either its time or itself was taken while we looked.
            None => match self.behind_another_change(session, &appointment, Some(hold.start)).await? {
                Some(outcome) => Ok(outcome),
                None => Ok(self.meant(session, Some(booking), None).await?.err().unwrap_or(Outcome::Taken(Vec::new()))),
            },
            Some(Settled::Done(moved)) => {
                self.remember_effect(session, &appointment);
                Ok(Outcome::Rescheduled { appointment: Shown::from(&moved), from: appointment.start })
            }
            Some(Settled::Refused(_)) => {
                let Outcome::Available(offer) = self.look_again(session, hold).await? else {
                    return Ok(Outcome::Taken(Vec::new()));
                };
                Ok(Outcome::Taken(vec![offer]))
            }
            Some(Settled::Open) => {
                let shown = Shown { start: hold.start, end: hold.end, ..Shown::from(&appointment) };
                self.pending(session, shown, Change::Move).await
            }
        }
    }

    /// A change of the appointment that is not settled with the calendar yet comes first: until then nobody
    /// can say when it is. Where it is a move to `start`, this wish is a repeat of that one.
    async fn behind_another_change(
        &self,
        session: &mut Session<'_>,
        appointment: &Appointment,
        start: Option<Timestamp>,
    ) -> Result<Option<Outcome>, StoreError> {
        let Some(open) = self.under_way(session.tenant(), &appointment.id).await? else { return Ok(None) };
        Ok(Some(match open.kind {
            IntentKind::Move { start: to, end, .. } if open.state == IntentState::Open && Some(to) == start => {
                let shown = Shown { start: to, end, ..Shown::from(appointment) };
                self.pending(session, shown, Change::Move).await?
            }
            _ => self.after_the_open_change(session, appointment).await?,
        }))
    }

    /// The change of it that is not settled yet, if there is one.
    pub(super) async fn under_way(&self, tenant: &Tenant, booking: &BookingId) -> Result<Option<Intent>, StoreError> {
        let last = self.parts.diary.intent_of(tenant.scope(), booking).await?;
        Ok(last.filter(|it| matches!(it.state, IntentState::Open | IntentState::Undoing)))
    }

    /// Another change of the appointment is not settled with the calendar yet, so this one cannot begin: a
    /// person takes it over. The work item names no appointment, because those end with the open change.
    pub(super) async fn after_the_open_change(
        &self,
        session: &mut Session<'_>,
        appointment: &Appointment,
    ) -> Result<Outcome, StoreError> {
        let promise = self.queue(session, CallbackCause::Unsettled, Some(&appointment.service), None).await?;
        Ok(promise.map_or(Outcome::TemporarilyUnavailable(None), Outcome::CallbackQueued))
    }

    /// Writes the intent to move and carries it out; `None` when the time or the appointment is in use.
    pub(super) async fn change_to(
        &self,
        visit: &Visit,
        appointment: &Appointment,
        hold: &Hold,
        reason: &str,
        deadline: Deadline,
        now: Timestamp,
    ) -> Result<Option<Settled>, StoreError> {
        let kind = IntentKind::Move {
            start: hold.start,
            end: hold.end,
            busy: hold.busy.clone(),
            resource: hold.resource.clone(),
            staff: hold.staff.clone(),
            reason: reason.to_owned(),
        };
        let intent = self.fresh_intent(&visit.tenant, &appointment.id, kind, now);
        match self.parts.diary.begin_change(visit.tenant.scope(), &intent, Some(&hold.id), now).await? {
            Begun::Blocked => Ok(None),
            Begun::Yes => self.attempt_or_done(visit, appointment, &intent, deadline).await.map(Some),
        }
    }

    /// Whether this very request was answered with a question about this appointment before, and comes
    /// again.
    pub(super) fn is_consent(&self, session: &Session<'_>, appointment: &Appointment) -> bool {
        session.memory.awaiting.as_ref().is_some_and(|awaiting| {
            awaiting.fingerprint == session.fingerprint && awaiting.booking.as_ref() == Some(&appointment.id)
        })
    }

    /// Keeps in mind what was done to `appointment`, as it was before.
    pub(super) fn remember_effect(&self, session: &mut Session<'_>, appointment: &Appointment) {
        let fingerprint = session.fingerprint.to_owned();
        session.memory.done = Some(Effect { fingerprint, booking: appointment.id.clone(), from: appointment.start });
    }

    /// What this very request did before in this call.
    pub(super) fn effect<'s>(&self, session: &'s Session<'_>) -> Option<&'s Effect> {
        session.memory.done.as_ref().filter(|done| done.fingerprint == session.fingerprint)
    }
}
