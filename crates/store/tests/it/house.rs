//! A store of its own on either database, and the smallest things to put into it.

use std::sync::Arc;

use frontdesk_core::booking::{Appointment, AppointmentState, Attendee, Intent, IntentKind, IntentState};
use frontdesk_core::call::Phone;
use frontdesk_core::clock::{CountingDice, Dice};
use frontdesk_core::hours::OpeningHours;
use frontdesk_core::ids::{BookingId, CallId, IntentId, SlotId, TenantId};
use frontdesk_core::ports::Beginning;
use frontdesk_core::sensitive::{Secret, Sensitive};
use frontdesk_core::slot::{HoldWish, Line, Resource};
use frontdesk_core::tenant::{CalendarKind, Language, Notify, Policy, Tenant, TenantSecrets, Zone};
use frontdesk_store::{MasterKey, Place, Store, StoreSettings};
use frontdesk_testkit::TempDir;
use frontdesk_testkit::postgres::PostgresServer;
use jiff::{SignedDuration, Timestamp};

/// What a store stands on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Base {
    Sqlite,
    Postgres,
}

/// Makes a test on each database of every `async fn name(base: Base)`.
macro_rules! on_both {
    ($($name:ident),+ $(,)?) => {
        mod on_sqlite {
            $(#[tokio::test] async fn $name() { super::$name(crate::house::Base::Sqlite).await; })+
        }
        mod on_postgres {
            $(#[tokio::test] async fn $name() { super::$name(crate::house::Base::Postgres).await; })+
        }
    };
}
pub(crate) use on_both;

/// A store that goes away with the test.
pub(crate) struct Stored {
    pub(crate) store: Store,
    pub(crate) dice: Arc<CountingDice>,
    pub(crate) place: Place,
    _folder: TempDir,
    server: Option<Arc<PostgresServer>>,
}

impl Stored {
    pub(crate) async fn open(base: Base) -> Self {
        let folder = frontdesk_testkit::folder("store");
        let server = (base == Base::Postgres).then(PostgresServer::shared);
        let place = match &server {
            None => Place::File(folder.path().join("frontdesk.db")),
            Some(server) => Place::Server { url: Secret::new(server.database()), migrate_url: None },
        };
        let dice = Arc::new(CountingDice::default());
        let store = open(&place, &dice).await;
        Self { store, dice, place, _folder: folder, server }
    }

    /// The same place, as the next process finds it.
    pub(crate) async fn reopened(mut self) -> Self {
        self.store.close().await;
        self.store = open(&self.place, &self.dice).await;
        self
    }

    /// Somebody changes the database by hand.
    pub(crate) fn alter(&self, sql: &str) {
        match (&self.place, &self.server) {
            (Place::File(file), _) => {
                rusqlite::Connection::open(file).expect("opens").execute_batch(sql).expect("changed");
            }
            (Place::Server { url, .. }, server) => drop(server.as_ref().expect("a server").run(url.expose(), sql)),
        }
    }

    /// What lies there of tenants and their secrets, as a thief would find it.
    pub(crate) fn as_it_lies(&self) -> Vec<u8> {
        match (&self.place, &self.server) {
            (Place::File(file), _) => {
                ["", "-wal"].map(|suffix| std::fs::read(format!("{}{suffix}", file.display())).unwrap_or_default()).concat()
            }
            (Place::Server { url, .. }, server) => {
                let sql = "SELECT encode(sealed, 'escape') FROM tenant_secrets;
                           SELECT tenants::text FROM tenants; SELECT tenant_revisions::text FROM tenant_revisions";
                server.as_ref().expect("a server").run(url.expose(), sql).into_bytes()
            }
        }
    }
}

pub(crate) async fn open(place: &Place, dice: &Arc<CountingDice>) -> Store {
    let master_key = MasterKey::from_hex(&"5a".repeat(32)).expect("a key");
    let dice: Arc<dyn Dice> = dice.clone();
    let settings = StoreSettings { place: place.clone(), master_key: Some(Arc::new(master_key)), dice };
    Store::open(settings).await.expect("opens")
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
