//! Work items: every wish that could not be met is on somebody's list.

use jiff::SignedDuration;

use super::{CallbackWish, Desk, Session, Visit};
use crate::booking::{Appointment, Callback, CallbackCause, CallbackState, Priority};
use crate::call::{CallContext, Memory, Phone};
use crate::ids::{BookingId, CallbackId};
use crate::outcome::{Need, Outcome, Promise, Question};
use crate::ports::{AppointmentFilter, CallbackFilter, StoreError};
use crate::sensitive::Sensitive;
use crate::speech::person::clean_name;
use crate::tenant::Tenant;

use super::understand::ask;

impl Desk {
    pub(super) async fn request_callback(&self, session: &mut Session<'_>, wish: &CallbackWish) -> Result<Outcome, StoreError> {
        if let Some(name) = wish.name.as_ref().and_then(|name| clean_name(name.expose()).ok()) {
            session.memory.name = Some(Sensitive::new(name));
        }
        if let Some(said) = wish.phone.as_ref().filter(|said| !said.expose().trim().is_empty()) {
            match Phone::parse(said.expose(), session.tenant().home_number()) {
                Some(phone) => session.memory.phone = Some(phone),
                None if session.visit.call.caller.phone().is_none() => {
                    return Ok(ask(&[Need::Phone], Question::NotANumber));
                }
                None => {}
            }
        }
        if self.contact(session).is_none() {
            return Ok(ask(&[Need::Phone], Question::Missing(Need::Phone)));
        }
        let priority =
            wish.priority.as_deref().map(str::to_lowercase).as_deref().and_then(Priority::parse).unwrap_or(Priority::Normal);
        let service = session.memory.service.clone();
        let notes = wish.reason.clone().or_else(|| session.memory.wish.clone());
        let mut callback = self.item(session, CallbackCause::Requested, priority);
        callback.service = service;
        callback.notes = notes;
        callback.preferred_time = wish.preferred_time.clone();
        let kept = self.parts.callbacks.add(session.tenant().scope(), &callback).await?;
        Ok(Outcome::CallbackQueued(Promise { callback: kept.id, due: kept.due_at }))
    }

    /// A change that needs a verified number: a person takes over.
    pub(super) async fn for_a_person(&self, session: &mut Session<'_>) -> Result<Outcome, StoreError> {
        let mut callback = self.item(session, CallbackCause::AnonymousChange, Priority::High);
        callback.notes = session.memory.wish.clone();
        let kept = self.parts.callbacks.add(session.tenant().scope(), &callback).await?;
        Ok(Outcome::CallbackQueued(Promise { callback: kept.id, due: kept.due_at }))
    }

    /// Puts the wish of this call on the list.
    pub(super) async fn queue(
        &self,
        session: &Session<'_>,
        cause: CallbackCause,
        service: Option<&str>,
        appointment: Option<&BookingId>,
    ) -> Result<Option<Promise>, StoreError> {
        let priority = match cause {
            CallbackCause::Requested | CallbackCause::NothingFree => Priority::Normal,
            CallbackCause::CalendarDown
            | CallbackCause::Provisional
            | CallbackCause::AnonymousChange
            | CallbackCause::OverLimit
            | CallbackCause::Fault => Priority::High,
            CallbackCause::Unfinished => Priority::Normal,
            CallbackCause::Unsettled => Priority::Urgent,
        };
        let mut callback = self.item(session, cause, priority);
        callback.service = service.map(str::to_owned);
        callback.appointment = appointment.cloned();
        callback.notes = session.memory.wish.clone();
        let kept = self.parts.callbacks.add(session.tenant().scope(), &callback).await?;
        Ok(Some(Promise { callback: kept.id, due: kept.due_at }))
    }

    /// An appointment that no machine could settle: a person decides, soon.
    pub(super) async fn queue_for(&self, tenant: &Tenant, appointment: &Appointment) -> Result<(), StoreError> {
        let callback = Callback::about(appointment, CallbackId::fresh(&*self.parts.dice, self.now()), self.now());
        self.parts.callbacks.add(tenant.scope(), &callback).await.map(|_| ())
    }

    /// Something of ours broke: the caller hears a sentence, and is on the list if that much works.
    pub(super) async fn fault(&self, visit: &Visit, memory: &Memory) -> Outcome {
        Outcome::Error(self.list_without_session(visit, memory, CallbackCause::Fault).await)
    }

    /// A limit refused somebody who wanted something: a person takes over, should they not try again.
    pub(super) async fn over_limit(&self, visit: &Visit) {
        let memory = self.parts.calls.open(visit.tenant.scope(), &visit.call, self.now()).await.unwrap_or_default();
        let _ = self.list_without_session(visit, &memory, CallbackCause::OverLimit).await;
    }

    /// A work item where there is no session; the promise only where somebody can be called.
    async fn list_without_session(&self, visit: &Visit, memory: &Memory, cause: CallbackCause) -> Option<Promise> {
        let now = self.now();
        let callback = Callback {
            id: CallbackId::fresh(&*self.parts.dice, self.now()),
            call: visit.call.id.clone(),
            appointment: None,
            name: memory.name.clone(),
            phone: memory.phone.clone().or_else(|| visit.call.caller.phone().cloned()),
            cause,
            service: memory.service.clone(),
            notes: memory.wish.clone(),
            preferred_time: None,
            priority: Priority::High,
            due_at: now + SignedDuration::from_hours(Priority::High.hours()),
            state: CallbackState::Pending,
            assigned_to: None,
            created_at: now,
            updated_at: now,
        };
        let reachable = callback.phone.is_some();
        match self.parts.callbacks.add(visit.tenant.scope(), &callback).await {
            Ok(kept) if reachable => Some(Promise { callback: kept.id, due: kept.due_at }),
            Ok(_) | Err(_) => None,
        }
    }

    /// The call ended. Who asked for a time in it and got neither an appointment nor a place on the list
    /// gets one there now.
    pub async fn call_is_over(&self, tenant: &Tenant, call: &CallContext) -> Result<(), StoreError> {
        let Some(id) = &call.id else { return Ok(()) };
        let (scope, now) = (tenant.scope(), self.now());
        let memory = self.parts.calls.open(scope, call, now).await?;
        let asked = memory.wish.is_some() || !memory.offered.is_empty();
        if !asked || memory.served {
            return Ok(());
        }
        let filter = AppointmentFilter { call: Some(id.clone()), standing_only: true, limit: 1, ..AppointmentFilter::default() };
        let wanted = CallbackFilter { call: Some(id.clone()), ..CallbackFilter::default() };
        let listed = self.parts.callbacks.callbacks(scope, &wanted).await?;
        // One that closed itself did so for something that stands, or stood; a person's word is the last.
        if listed.iter().any(|it| it.state != CallbackState::Resolved)
            || !self.parts.diary.appointments(scope, &filter).await?.is_empty()
        {
            return Ok(());
        }
        let callback = Callback {
            id: CallbackId::fresh(&*self.parts.dice, self.now()),
            call: Some(id.clone()),
            appointment: None,
            name: memory.name.clone(),
            phone: memory.phone.clone().or_else(|| call.caller.phone().cloned()),
            cause: CallbackCause::Unfinished,
            service: memory.service.clone(),
            notes: memory.wish.clone(),
            preferred_time: None,
            priority: Priority::Normal,
            due_at: now + SignedDuration::from_hours(Priority::Normal.hours()),
            state: CallbackState::Pending,
            assigned_to: None,
            created_at: now,
            updated_at: now,
        };
        self.parts.callbacks.add(scope, &callback).await.map(drop)
    }

    fn item(&self, session: &Session<'_>, cause: CallbackCause, priority: Priority) -> Callback {
        Callback {
            id: CallbackId::fresh(&*self.parts.dice, self.now()),
            call: session.visit.call.id.clone(),
            appointment: None,
            name: session.memory.name.clone(),
            phone: self.contact(session),
            cause,
            service: session.memory.service.clone(),
            notes: None,
            preferred_time: None,
            priority,
            due_at: session.now + SignedDuration::from_hours(priority.hours()),
            state: CallbackState::Pending,
            assigned_to: None,
            created_at: session.now,
            updated_at: session.now,
        }
    }
}
