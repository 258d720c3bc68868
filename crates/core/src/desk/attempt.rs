//! Carrying out an intent: ask the calendar, and where its answer leaves a doubt, look before
//! concluding anything. What happens here goes on when nobody waits for it any more.

use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::sync::oneshot;

use super::answer::{Ended, Made};
use super::pieces::Pieces;
use super::{Desk, Visit};
use crate::booking::{Appointment, AppointmentState, Intent, IntentKind, IntentState};
use crate::deadline::Deadline;
use crate::ids::{BookingId, IntentId};
use crate::ports::{CalendarBooking, CalendarError, NewBooking, Refusal, Settlement, Standing, StoreError};
use crate::tenant::Tenant;

/// Nobody else works on an intent for this long.
pub(super) const LEASE: SignedDuration = SignedDuration::from_secs(30);
/// A request to the calendar ends by itself after this; shorter than the lease.
const PATIENCE: Duration = Duration::from_secs(25);
/// How long a refused intent is watched.
pub(super) const WATCH: SignedDuration = SignedDuration::from_mins(10);
/// Kept back of the caller's budget for the answer itself.
const FOR_THE_ANSWER: Duration = Duration::from_millis(100);
/// The business has to agree first: asked again after this.
pub(super) const APPROVAL_PACE: SignedDuration = SignedDuration::from_secs(60);

/// How an attempt ended, as far as anybody knows.
#[derive(Debug, Clone)]
pub(super) enum Settled {
    /// Done, here and in the calendar.
    Done(Appointment),
    /// Refused, and looked up: it is not there.
    Refused(Refusal),
    /// Not known yet.
    Open,
}

/// Who carries an intent out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turn {
    /// Whoever wrote it, right away: nothing was sent before.
    First,
    /// Somebody later. Even where no attempt is written down, the process may have died after sending it.
    Later,
}

impl Desk {
    /// Waits for the calendar within the caller's budget; on the built-in calendar it is done already.
    pub(super) async fn attempt_or_done(
        &self,
        visit: &Visit,
        appointment: &Appointment,
        intent: &Intent,
        deadline: Deadline,
    ) -> Result<Settled, StoreError> {
        if intent.state == IntentState::Done {
            if intent.kind == IntentKind::Create {
                // It stands as it was written.
                return Ok(Settled::Done(appointment.clone()));
            }
            let current = self.parts.diary.appointment(visit.tenant.scope(), &appointment.id).await?;
            return Ok(current.map_or(Settled::Open, Settled::Done));
        }
        let (tell, told) = oneshot::channel();
        let (desk, tenant, id) = (self.clone(), Arc::clone(&visit.tenant), intent.id.clone());
        let lease_until = intent.lease_until;
        self.spawn(async move {
            let settled = desk.carry_out(&tenant, &id, lease_until, Turn::First).await;
            // Nobody listening is the normal case for a slow calendar.
            let _ = tell.send(settled);
        });
        let budget = deadline.remaining().saturating_sub(FOR_THE_ANSWER);
        match tokio::time::timeout(budget, told).await {
            Ok(Ok(Ok(settled))) => Ok(settled),
            // A store that fails after the calendar was asked leaves the outcome open, not failed.
            Ok(Ok(Err(_)) | Err(_)) | Err(_) => Ok(Settled::Open),
        }
    }

    /// Carries out the intent once, and records how it went. `lease_until` is the lease under which it is done.
    pub(super) async fn carry_out(
        &self,
        tenant: &Tenant,
        id: &IntentId,
        lease_until: Timestamp,
        turn: Turn,
    ) -> Result<Settled, StoreError> {
        let scope = tenant.scope();
        let Some(intent) = self.parts.diary.intent(scope, id).await? else { return Ok(Settled::Open) };
        if intent.lease_until.as_millisecond() != lease_until.as_millisecond() {
            // Too late before it began: it is somebody else's.
            return Ok(Settled::Open);
        }
        let Some(appointment) = self.parts.diary.appointment(scope, &intent.appointment).await? else {
            return Ok(Settled::Open);
        };
        let deadline = Deadline::within(PATIENCE);
        // An appointment with an event type of its own is one booking; no need to look for parts.
        if appointment.event_type.is_none() {
            let parts = self.parts.diary.parts(scope, &appointment.id).await?;
            if !parts.is_empty() {
                return Pieces { desk: self, tenant, intent, appointment, parts, deadline, turn }.carry_out().await;
            }
        }
        match (&intent.kind, intent.state) {
            (IntentKind::Create, IntentState::Watched) => self.watch(tenant, &intent, &appointment, deadline).await,
            (_, IntentState::Watched) => self.end_watch(tenant, &intent).await,
            (IntentKind::Create, _) => self.create(tenant, &intent, &appointment, turn, deadline).await,
            (IntentKind::Move { start, reason, .. }, _) => {
                self.shift(tenant, &intent, &appointment, *start, reason, deadline).await
            }
            (IntentKind::Cancel { reason }, _) => self.revoke(tenant, &intent, &appointment, reason, deadline).await,
        }
    }

    // --- create ---

    async fn create(
        &self,
        tenant: &Tenant,
        intent: &Intent,
        appointment: &Appointment,
        turn: Turn,
        deadline: Deadline,
    ) -> Result<Settled, StoreError> {
        let new = new_booking(intent, appointment);
        if turn == Turn::Later {
            match self.parts.calendar.find(tenant, &new, deadline).await {
                Ok(Some(found)) => return self.found(tenant, intent, appointment, &found).await,
                Ok(None) if self.given_up(intent, appointment) => return self.hand_over(tenant, intent, appointment).await,
                Ok(None) => {}
                Err(error) if self.given_up(intent, appointment) => {
                    drop(error);
                    return self.hand_over(tenant, intent, appointment).await;
                }
                Err(error) => return self.later(tenant, intent, &error.to_string()).await,
            }
        }
        match self.make(tenant, &new, deadline).await {
            Made::There(booking) => self.found(tenant, intent, appointment, &booking).await,
            Made::Refused { refusal, detail } => {
                if intent.attempts > 0 {
                    // The caller was told that it would be confirmed: somebody has to call.
                    self.queue_for(tenant, appointment).await?;
                }
                let until = self.now() + WATCH;
                let is_kept = self.settle(tenant, intent, &Settlement::Watch { until, why: detail }).await?;
                Ok(refused(refusal, is_kept))
            }
            Made::Unknown(why) => self.later(tenant, intent, &why).await,
        }
    }

    /// A booking with our intent id is there.
    async fn found(
        &self,
        tenant: &Tenant,
        intent: &Intent,
        appointment: &Appointment,
        booking: &CalendarBooking,
    ) -> Result<Settled, StoreError> {
        let at_another_time = intent.kind == IntentKind::Create && booking.start != appointment.start;
        match booking.standing {
            // Stored wrongly, or moved by people meanwhile: nobody agreed to that time with the caller, and
            // it may not be ours to cancel.
            Standing::Accepted | Standing::AwaitsApproval if at_another_time => self.hand_over(tenant, intent, appointment).await,
            Standing::Accepted => {
                let staff = who(tenant, &booking.hosts);
                let (uid, ical) = (Some(booking.uid.clone()), booking.ical_uid.clone());
                self.settle(tenant, intent, &Settlement::Done { uid, staff, ical }).await?;
                self.as_it_is_now(tenant, &appointment.id).await
            }
            Standing::AwaitsApproval if self.given_up(intent, appointment) => self.hand_over(tenant, intent, appointment).await,
            Standing::AwaitsApproval => {
                let not_before = self.now() + APPROVAL_PACE;
                let why = "the business has to agree".to_owned();
                self.settle(tenant, intent, &Settlement::Again { not_before, why }).await?;
                Ok(Settled::Open)
            }
            Standing::Cancelled | Standing::Rejected => {
                if intent.attempts > 0 {
                    // The caller was told that it would be confirmed: somebody has to call.
                    self.queue_for(tenant, appointment).await?;
                }
                let why = "the business did not agree".to_owned();
                let is_kept = self.settle(tenant, intent, &Settlement::Refused { why }).await?;
                Ok(refused(Refusal::Taken, is_kept))
            }
        }
    }

    /// How an attempt ended by what stands here: the calendar may have told of more meanwhile.
    pub(super) async fn as_it_is_now(&self, tenant: &Tenant, id: &BookingId) -> Result<Settled, StoreError> {
        let current = self.parts.diary.appointment(tenant.scope(), id).await?;
        Ok(match current {
            Some(current) => match current.state {
                AppointmentState::Booked => Settled::Done(current),
                AppointmentState::Cancelled | AppointmentState::Refused => Settled::Refused(Refusal::Taken),
                AppointmentState::Pending | AppointmentState::NeedsPerson => Settled::Open,
            },
            None => Settled::Open,
        })
    }

    /// We said no; a booking that surfaces all the same is cancelled.
    async fn watch(
        &self,
        tenant: &Tenant,
        intent: &Intent,
        appointment: &Appointment,
        deadline: Deadline,
    ) -> Result<Settled, StoreError> {
        let new = new_booking(intent, appointment);
        match self.parts.calendar.find(tenant, &new, deadline).await {
            Ok(Some(found)) if matches!(found.standing, Standing::Accepted | Standing::AwaitsApproval) => {
                let reason = "Stored after the caller had been told that it could not be booked";
                match self.parts.calendar.cancel(tenant, &found.uid, reason, deadline).await {
                    Ok(()) => self.end_watch(tenant, intent).await,
                    Err(error) => self.later(tenant, intent, &error.to_string()).await,
                }
            }
            Ok(_) if intent.watch_until.is_none_or(|until| until <= self.now()) => self.end_watch(tenant, intent).await,
            Ok(_) => {
                let not_before = self.now() + LEASE;
                self.settle(tenant, intent, &Settlement::Again { not_before, why: "watched".to_owned() }).await?;
                Ok(Settled::Open)
            }
            Err(error) => self.later(tenant, intent, &error.to_string()).await,
        }
    }

    async fn end_watch(&self, tenant: &Tenant, intent: &Intent) -> Result<Settled, StoreError> {
        let why = intent.last_error.clone().unwrap_or_default();
        let is_kept = self.settle(tenant, intent, &Settlement::Refused { why }).await?;
        Ok(refused(Refusal::Other, is_kept))
    }

    // --- move and cancel ---

    async fn shift(
        &self,
        tenant: &Tenant,
        intent: &Intent,
        appointment: &Appointment,
        start: Timestamp,
        reason: &str,
        deadline: Deadline,
    ) -> Result<Settled, StoreError> {
        let Some(uid) = appointment.calendar_uid.as_deref() else {
            return self.later(tenant, intent, "the booking has no uid yet").await;
        };
        if intent.attempts > 0 {
            match self.moved(tenant, uid, start, deadline).await {
                Ok(Some(booking)) => return self.found(tenant, intent, appointment, &booking).await,
                Ok(None) | Err(_) if self.given_up(intent, appointment) => {
                    return self.hand_over(tenant, intent, appointment).await;
                }
                Ok(None) => {}
                Err(error) => return self.later(tenant, intent, &error.to_string()).await,
            }
        }
        match self.parts.calendar.reschedule(tenant, uid, start, reason, deadline).await {
            Ok(booking) => self.found(tenant, intent, appointment, &booking).await,
            Err(error) => match self.moved(tenant, uid, start, deadline).await {
                Ok(Some(booking)) => self.found(tenant, intent, appointment, &booking).await,
                Ok(None) => match error {
                    CalendarError::Refused { refusal, detail } => {
                        let is_kept = self.settle(tenant, intent, &Settlement::Refused { why: detail }).await?;
                        Ok(refused(refusal, is_kept))
                    }
                    other => self.later(tenant, intent, &other.to_string()).await,
                },
                Err(_) => self.later(tenant, intent, &error.to_string()).await,
            },
        }
    }

    async fn revoke(
        &self,
        tenant: &Tenant,
        intent: &Intent,
        appointment: &Appointment,
        reason: &str,
        deadline: Deadline,
    ) -> Result<Settled, StoreError> {
        let Some(uid) = appointment.calendar_uid.as_deref() else {
            return self.later(tenant, intent, "the booking has no uid yet").await;
        };
        match self.end(tenant, uid, reason, deadline).await {
            Ended::Gone => {
                self.settle(tenant, intent, &Settlement::Done { uid: None, staff: None, ical: None }).await?;
                let current = self.parts.diary.appointment(tenant.scope(), &appointment.id).await?;
                Ok(current.map_or(Settled::Open, Settled::Done))
            }
            Ended::Stands(CalendarError::Refused { refusal, detail }) => {
                let is_kept = self.settle(tenant, intent, &Settlement::Refused { why: detail }).await?;
                Ok(refused(refusal, is_kept))
            }
            Ended::Stands(_) | Ended::Unknown(_) if self.given_up(intent, appointment) => {
                self.hand_over(tenant, intent, appointment).await
            }
            Ended::Stands(error) | Ended::Unknown(error) => self.later(tenant, intent, &error.to_string()).await,
        }
    }

    // --- what all have in common ---

    /// `false` when somebody else has the lease by now, whose verdict counts.
    pub(super) async fn settle(&self, tenant: &Tenant, intent: &Intent, settlement: &Settlement) -> Result<bool, StoreError> {
        self.parts.diary.settle(tenant.scope(), intent, settlement, self.now()).await
    }

    /// Not settled: again after a pause that doubles, at most the lease. Taking an intent up counts as well as
    /// failing it does.
    pub(super) async fn later(&self, tenant: &Tenant, intent: &Intent, why: &str) -> Result<Settled, StoreError> {
        let pause = SignedDuration::from_secs(1 << (intent.attempts / 2).min(5)).min(LEASE);
        let not_before = self.now() + pause;
        self.settle(tenant, intent, &Settlement::Again { not_before, why: why.to_owned() }).await?;
        Ok(Settled::Open)
    }

    /// Until two hours before the start or four hours after the wish, at least ten minutes.
    pub(super) fn given_up(&self, intent: &Intent, appointment: &Appointment) -> bool {
        self.now() >= self.last_chance(intent.created_at, appointment)
    }

    /// Until when something about that appointment is tried that began at `since`.
    pub(super) fn last_chance(&self, since: Timestamp, appointment: &Appointment) -> Timestamp {
        let before = appointment.start.saturating_sub(SignedDuration::from_hours(2)).unwrap_or(appointment.start);
        let latest = before.min(since + SignedDuration::from_hours(4));
        latest.max(since + SignedDuration::from_mins(10))
    }

    pub(super) async fn hand_over(
        &self,
        tenant: &Tenant,
        intent: &Intent,
        appointment: &Appointment,
    ) -> Result<Settled, StoreError> {
        let why = intent.last_error.clone().unwrap_or_else(|| "the calendar gave no answer".to_owned());
        self.queue_for(tenant, appointment).await?;
        self.settle(tenant, intent, &Settlement::HandOver { why }).await?;
        Ok(Settled::Open)
    }
}

/// A refusal is one where it counts; else somebody else is still at it.
fn refused(refusal: Refusal, is_kept: bool) -> Settled {
    if is_kept { Settled::Refused(refusal) } else { Settled::Open }
}

pub(super) fn new_booking(intent: &Intent, appointment: &Appointment) -> NewBooking {
    NewBooking {
        intent: intent.id.clone(),
        part: None,
        booking: appointment.id.clone(),
        call: appointment.call.clone(),
        event_type: appointment.event_type,
        start: appointment.start,
        end: appointment.end,
        attendee: appointment.attendee.clone(),
        notes: appointment.notes.clone(),
        intended_at: intent.created_at,
    }
}

/// The one of our people whom the calendar named.
pub(super) fn who(tenant: &Tenant, hosts: &[i64]) -> Option<String> {
    let [host] = hosts else { return None };
    tenant.staff.iter().find(|staff| staff.calcom_host_id == Some(*host)).map(|staff| staff.name.clone())
}

/// Whether an appointment still waits for its calendar.
pub(super) fn is_open(appointment: &Appointment) -> bool {
    appointment.state == AppointmentState::Pending
}
