//! The store with a meter: what each request spent here, for its `Server-Timing`.

use async_trait::async_trait;
use frontdesk_core::booking::{Appointment, Callback, Intent, Part};
use frontdesk_core::calendar_news::{Applied, CalendarNews, Placed};
use frontdesk_core::call::{CallContext, Memory, Phone};
use frontdesk_core::ids::{BookingId, CallId, CallbackId, IntentId, SlotId, TenantId};
use frontdesk_core::meter::timed;
use frontdesk_core::ports::{
    AppointmentFilter, Beginning, Begun, Busy, CallRow, CallbackFilter, Callbacks, Calls, Claimed, Claims, Diary, Settlement,
    Step, StoreError, VoiceEvent,
};
use frontdesk_core::slot::{Hold, HoldWish, Resource};
use frontdesk_core::tenant::Scope;
use jiff::{SignedDuration, Timestamp};

/// Every visit to the store inside is told to the meter of the request that makes it.
#[derive(Clone)]
pub struct Metered<S>(S);

impl<S> Metered<S> {
    /// Puts a meter before `store`.
    pub fn new(store: S) -> Self {
        Self(store)
    }
}

macro_rules! metered {
    ($port:ident { $(fn $name:ident($($argument:ident: $type:ty),*) -> $out:ty;)* }) => {
        #[async_trait]
        impl<S: $port> $port for Metered<S> {
            $(async fn $name(&self, $($argument: $type),*) -> Result<$out, StoreError> {
                timed(self.0.$name($($argument),*)).await
            })*
        }
    };
}

metered!(Diary {
    fn busy(scope: Scope<'_>, resources: &[Resource], from: Timestamp, to: Timestamp, now: Timestamp) -> Vec<Busy>;
    fn busy_and_held(scope: Scope<'_>, call: &CallId, resources: &[Resource], from: Timestamp, to: Timestamp, now: Timestamp) -> (Vec<Busy>, Vec<Hold>);
    fn hold(scope: Scope<'_>, call: Option<&CallId>, wishes: &[HoldWish], most: usize, now: Timestamp) -> Vec<Hold>;
    fn find_hold(scope: Scope<'_>, id: &SlotId) -> Option<Hold>;
    fn renew_hold(scope: Scope<'_>, id: &SlotId, now: Timestamp) -> bool;
    fn release(scope: Scope<'_>, call: Option<&CallId>, id: Option<&SlotId>) -> ();
    fn begin(scope: Scope<'_>, beginning: &Beginning, now: Timestamp) -> Begun;
    fn begin_change(scope: Scope<'_>, intent: &Intent, hold: Option<&SlotId>, now: Timestamp) -> Begun;
    fn settle(scope: Scope<'_>, intent: &Intent, settlement: &Settlement, now: Timestamp) -> bool;
    fn parts(scope: Scope<'_>, appointment: &BookingId) -> Vec<Part>;
    fn record_part(scope: Scope<'_>, intent: &Intent, part: &Part, now: Timestamp) -> bool;
    fn appointment_of_uid(scope: Scope<'_>, uid: &str) -> Option<Appointment>;
    fn appointment(scope: Scope<'_>, id: &BookingId) -> Option<Appointment>;
    fn appointments(scope: Scope<'_>, filter: &AppointmentFilter) -> Vec<Appointment>;
    fn intent_of(scope: Scope<'_>, appointment: &BookingId) -> Option<Intent>;
    fn apply_news(scope: Scope<'_>, news: &CalendarNews, placed: Option<&Placed>, item: &CallbackId, now: Timestamp) -> Applied;
    fn take_due(now: Timestamp, lease: SignedDuration, most: u32) -> Vec<(TenantId, IntentId)>;
    fn intent(scope: Scope<'_>, id: &IntentId) -> Option<Intent>;
    fn intents(scope: Scope<'_>, most: u32) -> Vec<Intent>;
});

metered!(Calls {
    fn open(scope: Scope<'_>, call: &CallContext, now: Timestamp) -> Memory;
    fn open_with(scope: Scope<'_>, call: &CallContext, now: Timestamp) -> (Memory, Vec<Appointment>);
    fn remember(scope: Scope<'_>, call: &CallId, memory: &Memory) -> ();
    fn apply(scope: Scope<'_>, call: &CallContext, event: &VoiceEvent, now: Timestamp) -> bool;
    fn note(scope: Scope<'_>, call: &CallId, step: Step) -> ();
    fn list(scope: Scope<'_>, most: u32) -> Vec<CallRow>;
    fn timeline(scope: Scope<'_>, call: &CallId) -> Option<(CallRow, Vec<Step>)>;
});

metered!(Callbacks {
    fn add(scope: Scope<'_>, callback: &Callback) -> Callback;
    fn callback(scope: Scope<'_>, id: &CallbackId) -> Option<Callback>;
    fn callbacks(scope: Scope<'_>, filter: &CallbackFilter) -> Vec<Callback>;
    fn update(scope: Scope<'_>, callback: &Callback, seen: Timestamp) -> bool;
    fn resolve(scope: Scope<'_>, appointment: Option<&BookingId>, call: Option<&CallId>, phone: Option<&Phone>, now: Timestamp) -> ();
});

metered!(Claims {
    fn claim(scope: Scope<'_>, key: &str, fingerprint: &str, now: Timestamp) -> Claimed;
    fn conclude(scope: Scope<'_>, key: &str, answer: Option<(u16, &str)>, now: Timestamp) -> ();
});
