//! The tenant's own software: no call, no caller, no consent to ask for, and the rules of every channel.

use jiff::Timestamp;

use super::attempt::Settled;
use super::offers::{Search, SearchError, promise_age};
use super::{Desk, Visit};
use crate::booking::{Appointment, AppointmentState, Attendee, IntentKind};
use crate::deadline::Deadline;
use crate::ids::BookingId;
use crate::outcome::{Change, Denial};
use crate::policy::refuses_change;
use crate::ports::{Refusal, StoreError};
use crate::sensitive::Sensitive;
use crate::slot::Hold;
use crate::tenant::{Service, Staff};

/// A booking by the tenant's own software: nothing is spoken, nothing is asked back.
#[derive(Debug, Clone)]
pub struct DirectBooking {
    /// The service.
    pub service: Service,
    /// The person wished for.
    pub staff: Option<Staff>,
    /// When.
    pub start: Timestamp,
    /// Who comes.
    pub attendee: Attendee,
    /// For the business.
    pub notes: Option<Sensitive<String>>,
}

/// How a direct request ended.
#[derive(Debug, Clone)]
pub enum DirectOutcome {
    /// Here and in the calendar.
    Done(Appointment),
    /// Durable here, the calendar has not answered.
    Pending(Appointment),
    /// A rule says no.
    Denied(Denial),
    /// The time is not free.
    Taken,
    /// The calendar does not accept the attendee's data.
    Attendee,
    /// An earlier change of the appointment is not settled with the calendar yet.
    Unsettled,
    /// The calendar does not let this appointment be changed like that.
    NotAllowed,
    /// There is no such appointment that stands.
    NotFound,
}

impl Desk {
    /// Books for the tenant's own software. Without an answer from the calendar about the time, what is
    /// known here decides, and the answer is pending.
    pub async fn book_direct(&self, visit: &Visit, wish: DirectBooking) -> Result<DirectOutcome, StoreError> {
        let now = self.now();
        let tenant = &*visit.tenant;
        if let Some(denial) = self.rules(visit, &wish.service, wish.staff.as_ref(), wish.start) {
            return Ok(DirectOutcome::Denied(denial));
        }
        let deadline = Deadline::within(self.budgets.write);
        let Some(hold) = self.direct_hold(visit, &wish.service, wish.staff.as_ref(), wish.start, None, deadline).await? else {
            return Ok(DirectOutcome::Taken);
        };
        let owner = wish.attendee.phone.clone();
        let appointment = self.appointment_of(&hold, wish.attendee, owner, wish.notes, visit, now);
        let Some(intent) = self.begin(tenant, &hold, &appointment, now).await? else { return Ok(DirectOutcome::Taken) };
        Ok(match self.attempt_or_done(visit, &appointment, &intent, deadline).await? {
            Settled::Done(appointment) => DirectOutcome::Done(appointment),
            Settled::Open => DirectOutcome::Pending(appointment),
            Settled::Refused(Refusal::Attendee) => DirectOutcome::Attendee,
            Settled::Refused(_) => DirectOutcome::Taken,
        })
    }

    /// Holds exactly that start for a request without a call.
    pub(super) async fn direct_hold(
        &self,
        visit: &Visit,
        service: &Service,
        staff: Option<&Staff>,
        start: Timestamp,
        replaces: Option<&Appointment>,
        deadline: Deadline,
    ) -> Result<Option<Hold>, StoreError> {
        let search = Search {
            tenant: &visit.tenant,
            service,
            staff,
            call: None,
            replaces,
            from: start,
            to: start + jiff::SignedDuration::from_mins(1),
            hours: visit.hours,
            now: self.now(),
            deadline: deadline.at_most(self.budgets.check),
            max_age: promise_age(&visit.tenant),
            browsing: false,
            exact: Some(start),
        };
        let found = match self.search(&search).await {
            Ok(found) => found,
            Err(SearchError::NoLine) => return Ok(None),
            Err(SearchError::Store(error)) => return Err(error),
            Err(SearchError::Calendar(_)) => super::offers::Found::assumed(&search),
        };
        Ok(self.hold(&search, &found, &[start], 1).await?.pop())
    }

    /// Moves for the tenant's own software, which may override the deadline.
    pub async fn move_direct(
        &self,
        visit: &Visit,
        booking: &BookingId,
        start: Timestamp,
        reason: Option<&str>,
        override_deadline: bool,
    ) -> Result<DirectOutcome, StoreError> {
        let now = self.now();
        let tenant = &*visit.tenant;
        let Some(appointment) = self.parts.diary.appointment(tenant.scope(), booking).await? else {
            return Ok(DirectOutcome::NotFound);
        };
        match appointment.state {
            AppointmentState::Booked => {}
            AppointmentState::Pending | AppointmentState::NeedsPerson => return Ok(DirectOutcome::Unsettled),
            AppointmentState::Cancelled | AppointmentState::Refused => return Ok(DirectOutcome::NotFound),
        }
        match self.under_way(tenant, booking).await?.map(|open| open.kind) {
            None => {}
            Some(IntentKind::Move { start: to, .. }) if to == start => return Ok(DirectOutcome::Pending(appointment)),
            Some(_) => return Ok(DirectOutcome::Unsettled),
        }
        if appointment.start == start {
            return Ok(DirectOutcome::Done(appointment));
        }
        let denial = if override_deadline { None } else { refuses_change(tenant, Change::Move, appointment.start, now) };
        if let Some(denial) = denial {
            return Ok(DirectOutcome::Denied(denial));
        }
        let Some(service) = tenant.service(&appointment.service).cloned() else { return Ok(DirectOutcome::NotFound) };
        let staff = appointment.staff.as_deref().and_then(|name| tenant.staff_member(name)).cloned();
        if let Some(denial) = self.rules(visit, &service, staff.as_ref(), start) {
            return Ok(DirectOutcome::Denied(denial));
        }
        let deadline = Deadline::within(self.budgets.write);
        let Some(hold) = self.direct_hold(visit, &service, staff.as_ref(), start, Some(&appointment), deadline).await? else {
            return Ok(DirectOutcome::Taken);
        };
        let reason = reason.unwrap_or("Moved by the business");
        Ok(match self.change_to(visit, &appointment, &hold, reason, deadline, now).await? {
            None | Some(Settled::Refused(Refusal::Taken | Refusal::OutOfBounds)) => DirectOutcome::Taken,
            Some(Settled::Refused(Refusal::NoSuchBooking | Refusal::AlreadyCancelled)) => DirectOutcome::NotFound,
            Some(Settled::Refused(_)) => DirectOutcome::NotAllowed,
            Some(Settled::Done(moved)) => DirectOutcome::Done(moved),
            Some(Settled::Open) => DirectOutcome::Pending(appointment),
        })
    }

    /// Cancels for the tenant's own software, which may override the deadline.
    pub async fn cancel_direct(
        &self,
        visit: &Visit,
        booking: &BookingId,
        reason: Option<&str>,
        override_deadline: bool,
    ) -> Result<DirectOutcome, StoreError> {
        let tenant = &*visit.tenant;
        let Some(appointment) = self.parts.diary.appointment(tenant.scope(), booking).await? else {
            return Ok(DirectOutcome::NotFound);
        };
        match appointment.state {
            AppointmentState::Booked => {}
            AppointmentState::Cancelled => return Ok(DirectOutcome::Done(appointment)),
            AppointmentState::Pending | AppointmentState::NeedsPerson => return Ok(DirectOutcome::Unsettled),
            AppointmentState::Refused => return Ok(DirectOutcome::NotFound),
        }
        let denial = if override_deadline { None } else { refuses_change(tenant, Change::Cancel, appointment.start, self.now()) };
        if let Some(denial) = denial {
            return Ok(DirectOutcome::Denied(denial));
        }
        let deadline = Deadline::within(self.budgets.write);
        let reason = reason.unwrap_or("Cancelled by the business");
        Ok(match self.give_up(visit, &appointment, reason, deadline).await? {
            Some(Settled::Done(gone)) => DirectOutcome::Done(gone),
            Some(Settled::Open) => DirectOutcome::Pending(appointment),
            None => DirectOutcome::Unsettled,
            Some(Settled::Refused(Refusal::NoSuchBooking)) => DirectOutcome::NotFound,
            Some(Settled::Refused(_)) => DirectOutcome::NotAllowed,
        })
    }

    /// The appointment, for the tenant's own software.
    pub async fn appointment(
        &self,
        tenant: &crate::tenant::Tenant,
        booking: &BookingId,
    ) -> Result<Option<Appointment>, StoreError> {
        self.parts.diary.appointment(tenant.scope(), booking).await
    }
}
