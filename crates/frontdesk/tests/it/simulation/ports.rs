//! The real store behind the ports, answering at once: the simulation's one thread waits for the store's, so
//! that no order of events depends on how fast this machine is. Here two bugs can be planted, to see that
//! they are found.

use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};

use async_trait::async_trait;
use frontdesk_core::booking::{Appointment, Callback, Intent, IntentState, Part};
use frontdesk_core::calendar_news::{Applied, CalendarNews, Placed};
use frontdesk_core::call::{CallContext, Memory, Phone};
use frontdesk_core::ids::{BookingId, CallId, CallbackId, IntentId, SlotId, TenantId};
use frontdesk_core::ports::{
    AppointmentFilter, Beginning, Begun, Busy, CallRow, CallbackFilter, Callbacks, Calls, Diary, Settlement, Step, StoreError,
    VoiceEvent,
};
use frontdesk_core::slot::{HOLD_TTL, Hold, HoldWish, Resource};
use frontdesk_core::tenant::Scope;
use frontdesk_store::Store;
use jiff::{SignedDuration, Timestamp};

/// A bug on purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Planted {
    Nothing,
    /// What other calls hold is not subtracted, and holding does not look either.
    HoldsForgotten,
    /// An intent is written once the calendar has answered.
    IntentLate,
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Waits for `future` without letting anything else of this thread run.
pub(super) fn at_once<F: Future>(future: F) -> F::Output {
    let mut future = pin!(tokio::task::unconstrained(future));
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(value) => return value,
            Poll::Pending => thread::park(),
        }
    }
}

/// The store as one life of a gateway sees it.
pub(super) struct Ports {
    store: Store,
    planted: Planted,
    phantoms: Mutex<BTreeMap<String, Hold>>,
    late: Mutex<BTreeMap<String, (Beginning, Timestamp)>>,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Ports {
    pub(super) fn over(store: Store, planted: Planted) -> Self {
        Self { store, planted, phantoms: Mutex::default(), late: Mutex::default() }
    }

    pub(super) fn store(&self) -> &Store {
        &self.store
    }

    /// What a gateway writes behind its answer is there before anybody else runs, as on a shared database.
    fn settled(&self, scope: Scope<'_>) -> Result<(), StoreError> {
        at_once(Calls::list(&self.store, scope, 1)).map(drop)
    }

    /// The late intent of `appointment` or with that id.
    fn late(&self, is_it: impl Fn(&Beginning) -> bool) -> Option<Beginning> {
        locked(&self.late).values().find(|(beginning, _)| is_it(beginning)).map(|(beginning, _)| beginning.clone())
    }

    fn write_late(&self, scope: Scope<'_>, intent: &IntentId) -> Result<(), StoreError> {
        let Some((beginning, now)) = locked(&self.late).remove(intent.as_str()) else { return Ok(()) };
        at_once(self.store.begin(scope, &beginning, now)).map(drop)
    }

    fn phantom(&self, call: Option<&CallId>, wish: &HoldWish, now: Timestamp) -> Option<Hold> {
        let hold = Hold {
            id: wish.id.clone(),
            call: call.cloned(),
            service: wish.service.clone(),
            staff: wish.line.staff.clone(),
            resource: wish.line.resources.first()?.clone(),
            event_type: wish.line.event_type,
            parts: wish.line.parts_at(wish.start),
            start: wish.start,
            end: wish.end,
            busy: wish.busy.clone(),
            until: now + HOLD_TTL,
            kept_until: Some(now + HOLD_TTL),
            replaces: wish.replaces.clone(),
        };
        locked(&self.phantoms).insert(hold.id.as_str().to_owned(), hold.clone());
        Some(hold)
    }
}

#[async_trait]
impl Diary for Ports {
    async fn busy(
        &self,
        scope: Scope<'_>,
        resources: &[Resource],
        from: Timestamp,
        to: Timestamp,
        now: Timestamp,
    ) -> Result<Vec<Busy>, StoreError> {
        let mut busy = at_once(self.store.busy(scope, resources, from, to, now))?;
        if self.planted == Planted::HoldsForgotten {
            busy.retain(|it| it.held_by.is_none());
        }
        Ok(busy)
    }

    async fn busy_and_held(
        &self,
        scope: Scope<'_>,
        call: &CallId,
        resources: &[Resource],
        from: Timestamp,
        to: Timestamp,
        now: Timestamp,
    ) -> Result<(Vec<Busy>, Vec<Hold>), StoreError> {
        let (mut busy, held) = at_once(self.store.busy_and_held(scope, call, resources, from, to, now))?;
        if self.planted == Planted::HoldsForgotten {
            busy.retain(|it| it.held_by.is_none());
        }
        Ok((busy, held))
    }

    async fn hold(
        &self,
        scope: Scope<'_>,
        call: Option<&CallId>,
        wishes: &[HoldWish],
        most: usize,
        now: Timestamp,
    ) -> Result<Vec<Hold>, StoreError> {
        let mut held = at_once(self.store.hold(scope, call, wishes, most, now))?;
        if self.planted == Planted::HoldsForgotten && held.is_empty() {
            held.extend(wishes.iter().take(most).filter_map(|wish| self.phantom(call, wish, now)));
        }
        Ok(held)
    }

    async fn find_hold(&self, scope: Scope<'_>, id: &SlotId) -> Result<Option<Hold>, StoreError> {
        if let Some(phantom) = locked(&self.phantoms).get(id.as_str()) {
            return Ok(Some(phantom.clone()));
        }
        at_once(self.store.find_hold(scope, id))
    }

    async fn renew_hold(&self, scope: Scope<'_>, id: &SlotId, now: Timestamp) -> Result<bool, StoreError> {
        if locked(&self.phantoms).contains_key(id.as_str()) {
            return Ok(true);
        }
        at_once(self.store.renew_hold(scope, id, now))
    }

    async fn release(&self, scope: Scope<'_>, call: Option<&CallId>, id: Option<&SlotId>) -> Result<(), StoreError> {
        at_once(self.store.release(scope, call, id))
    }

    async fn begin(&self, scope: Scope<'_>, beginning: &Beginning, now: Timestamp) -> Result<Begun, StoreError> {
        if self.planted == Planted::IntentLate && beginning.intent.state == IntentState::Open {
            locked(&self.late).insert(beginning.intent.id.as_str().to_owned(), (beginning.clone(), now));
            return Ok(Begun::Yes);
        }
        at_once(self.store.begin(scope, beginning, now))
    }

    async fn begin_change(
        &self,
        scope: Scope<'_>,
        intent: &Intent,
        hold: Option<&SlotId>,
        now: Timestamp,
    ) -> Result<Begun, StoreError> {
        at_once(self.store.begin_change(scope, intent, hold, now))
    }

    async fn settle(
        &self,
        scope: Scope<'_>,
        intent: &Intent,
        settlement: &Settlement,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        self.write_late(scope, &intent.id)?;
        at_once(self.store.settle(scope, intent, settlement, now))
    }

    async fn parts(&self, scope: Scope<'_>, appointment: &BookingId) -> Result<Vec<Part>, StoreError> {
        if let Some(late) = self.late(|it| it.appointment.id == *appointment) {
            return Ok(late.parts);
        }
        at_once(self.store.parts(scope, appointment))
    }

    async fn record_part(&self, scope: Scope<'_>, intent: &Intent, part: &Part, now: Timestamp) -> Result<bool, StoreError> {
        self.write_late(scope, &intent.id)?;
        at_once(self.store.record_part(scope, intent, part, now))
    }

    async fn appointment_of_uid(&self, scope: Scope<'_>, uid: &str) -> Result<Option<Appointment>, StoreError> {
        at_once(self.store.appointment_of_uid(scope, uid))
    }

    async fn appointment(&self, scope: Scope<'_>, id: &BookingId) -> Result<Option<Appointment>, StoreError> {
        if let Some(late) = self.late(|it| it.appointment.id == *id) {
            return Ok(Some(late.appointment));
        }
        at_once(self.store.appointment(scope, id))
    }

    async fn appointments(&self, scope: Scope<'_>, filter: &AppointmentFilter) -> Result<Vec<Appointment>, StoreError> {
        at_once(self.store.appointments(scope, filter))
    }

    async fn intent_of(&self, scope: Scope<'_>, appointment: &BookingId) -> Result<Option<Intent>, StoreError> {
        at_once(self.store.intent_of(scope, appointment))
    }

    async fn apply_news(
        &self,
        scope: Scope<'_>,
        news: &CalendarNews,
        placed: Option<&Placed>,
        item: &CallbackId,
        now: Timestamp,
    ) -> Result<Applied, StoreError> {
        at_once(self.store.apply_news(scope, news, placed, item, now))
    }

    async fn take_due(&self, now: Timestamp, lease: SignedDuration, most: u32) -> Result<Vec<(TenantId, IntentId)>, StoreError> {
        at_once(self.store.take_due(now, lease, most))
    }

    async fn intent(&self, scope: Scope<'_>, id: &IntentId) -> Result<Option<Intent>, StoreError> {
        if let Some(late) = self.late(|it| it.intent.id == *id) {
            return Ok(Some(late.intent));
        }
        at_once(self.store.intent(scope, id))
    }

    async fn intents(&self, scope: Scope<'_>, most: u32) -> Result<Vec<Intent>, StoreError> {
        at_once(self.store.intents(scope, most))
    }
}

#[async_trait]
impl Calls for Ports {
    async fn open(&self, scope: Scope<'_>, call: &CallContext, now: Timestamp) -> Result<Memory, StoreError> {
        let memory = at_once(Calls::open(&self.store, scope, call, now))?;
        self.settled(scope)?;
        Ok(memory)
    }

    async fn open_with(
        &self,
        scope: Scope<'_>,
        call: &CallContext,
        now: Timestamp,
    ) -> Result<(Memory, Vec<Appointment>), StoreError> {
        let opened = at_once(self.store.open_with(scope, call, now))?;
        self.settled(scope)?;
        Ok(opened)
    }

    async fn remember(&self, scope: Scope<'_>, call: &CallId, memory: &Memory) -> Result<(), StoreError> {
        at_once(self.store.remember(scope, call, memory))?;
        self.settled(scope)
    }

    async fn apply(&self, scope: Scope<'_>, call: &CallContext, event: &VoiceEvent, now: Timestamp) -> Result<bool, StoreError> {
        at_once(self.store.apply(scope, call, event, now))
    }

    async fn note(&self, scope: Scope<'_>, call: &CallId, step: Step) -> Result<(), StoreError> {
        at_once(self.store.note(scope, call, step))
    }

    async fn list(&self, scope: Scope<'_>, most: u32) -> Result<Vec<CallRow>, StoreError> {
        at_once(Calls::list(&self.store, scope, most))
    }

    async fn timeline(&self, scope: Scope<'_>, call: &CallId) -> Result<Option<(CallRow, Vec<Step>)>, StoreError> {
        at_once(self.store.timeline(scope, call))
    }
}

#[async_trait]
impl Callbacks for Ports {
    async fn add(&self, scope: Scope<'_>, callback: &Callback) -> Result<Callback, StoreError> {
        at_once(self.store.add(scope, callback))
    }

    async fn callback(&self, scope: Scope<'_>, id: &CallbackId) -> Result<Option<Callback>, StoreError> {
        at_once(self.store.callback(scope, id))
    }

    async fn callbacks(&self, scope: Scope<'_>, filter: &CallbackFilter) -> Result<Vec<Callback>, StoreError> {
        at_once(self.store.callbacks(scope, filter))
    }

    async fn update(&self, scope: Scope<'_>, callback: &Callback, seen: Timestamp) -> Result<bool, StoreError> {
        at_once(self.store.update(scope, callback, seen))
    }

    async fn resolve(
        &self,
        scope: Scope<'_>,
        appointment: Option<&BookingId>,
        call: Option<&CallId>,
        phone: Option<&Phone>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        at_once(self.store.resolve(scope, appointment, call, phone, now))
    }
}
