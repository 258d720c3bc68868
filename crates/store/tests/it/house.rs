//! A store in a folder of its own, and the smallest things to put into it.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use frontdesk_core::booking::{Appointment, AppointmentState, Attendee, Intent, IntentKind, IntentState};
use frontdesk_core::call::Phone;
use frontdesk_core::clock::{CountingDice, Dice};
use frontdesk_core::hours::OpeningHours;
use frontdesk_core::ids::{BookingId, CallId, IntentId, SlotId, TenantId};
use frontdesk_core::ports::Beginning;
use frontdesk_core::sensitive::Sensitive;
use frontdesk_core::slot::{HoldWish, Line, Resource};
use frontdesk_core::tenant::{CalendarKind, Language, Notify, Policy, Tenant, TenantSecrets, Zone};
use frontdesk_store::{MasterKey, Store, StoreSettings};
use jiff::{SignedDuration, Timestamp};

/// A store that goes away with the test.
pub(crate) struct Stored {
    pub(crate) store: Store,
    pub(crate) dice: Arc<CountingDice>,
    folder: PathBuf,
}

impl Stored {
    pub(crate) async fn open() -> Self {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let name = format!("frontdesk-store-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let folder = std::env::temp_dir().join(name);
        let dice = Arc::new(CountingDice::default());
        let store = open(&folder, &dice).await;
        Self { store, dice, folder }
    }

    /// The same file, as the next process finds it.
    pub(crate) async fn reopened(mut self) -> Self {
        self.store.close().await;
        self.store = open(&self.folder, &self.dice).await;
        self
    }

    pub(crate) fn file(&self) -> PathBuf {
        self.folder.join("frontdesk.db")
    }
}

async fn open(folder: &std::path::Path, dice: &Arc<CountingDice>) -> Store {
    let master_key = MasterKey::from_hex(&"5a".repeat(32)).expect("a key");
    let dice: Arc<dyn Dice> = dice.clone();
    let settings = StoreSettings { file: folder.join("frontdesk.db"), master_key: Some(Arc::new(master_key)), dice };
    Store::open(settings).await.expect("opens")
}

impl Drop for Stored {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

pub(crate) fn tenant(slug: &str) -> Tenant {
    Tenant {
        slug: TenantId::new(slug),
        name: slug.to_owned(),
        time_zone: Zone::named("Europe/Berlin").expect("a zone"),
        language: Language::De,
        agent_ids: Vec::new(),
        phone_numbers: Vec::new(),
        calendar: CalendarKind::Builtin,
        services: Vec::new(),
        staff: Vec::new(),
        hours: None::<OpeningHours>,
        closures: Vec::new(),
        policy: Policy::default(),
        notify: Notify::default(),
        rate_limit: Default::default(),
        secrets: TenantSecrets::default(),
    }
}

/// Minutes after the beginning of these tests.
pub(crate) fn at(minutes: i64) -> Timestamp {
    let begin: Timestamp = "2026-03-12T09:00:00Z".parse().expect("a timestamp");
    begin + SignedDuration::from_mins(minutes)
}

pub(crate) fn call(number: u8) -> CallId {
    CallId::new(format!("call-{number}"))
}

pub(crate) fn phone() -> Phone {
    Phone::parse("+4915123456789", None).expect("a number")
}

pub(crate) fn wish(id: &str, resource: &Resource, from: i64, minutes: i64) -> HoldWish {
    HoldWish {
        id: SlotId::new(id),
        service: "cut".to_owned(),
        line: Line { staff: None, resources: vec![resource.clone()], event_type: None, parts: Vec::new() },
        start: at(from),
        end: at(from + minutes),
        busy: vec![(at(from), at(from + minutes))],
        replaces: None,
    }
}

pub(crate) fn beginning(id: &str, resource: &Resource, from: i64, minutes: i64, hold: Option<SlotId>, booked: bool) -> Beginning {
    let booking = BookingId::new(format!("b_{id}"));
    Beginning {
        appointment: Appointment {
            id: booking.clone(),
            call: None,
            owner: Some(phone()),
            attendee: Attendee { name: Sensitive::new("Ada".to_owned()), email: None, phone: None },
            service: "cut".to_owned(),
            staff: None,
            resource: resource.clone(),
            event_type: None,
            start: at(from),
            end: at(from + minutes),
            state: if booked { AppointmentState::Booked } else { AppointmentState::Pending },
            calendar_uid: None,
            notes: None,
            created_at: at(0),
        },
        parts: Vec::new(),
        busy: vec![(at(from), at(from + minutes))],
        hold,
        intent: intent(&format!("i_{id}"), &booking, IntentKind::Create, booked),
    }
}

pub(crate) fn intent(id: &str, booking: &BookingId, kind: IntentKind, done: bool) -> Intent {
    Intent {
        id: IntentId::new(id),
        appointment: booking.clone(),
        kind,
        state: if done { IntentState::Done } else { IntentState::Open },
        attempts: 0,
        created_at: at(0),
        lease_until: at(0),
        watch_until: None,
        last_error: None,
    }
}
