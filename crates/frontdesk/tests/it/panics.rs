//! One piece of work in the background panics: nobody else's waits for it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use frontdesk::wiring::World;
use frontdesk_calendar::BuiltinCalendar;
use frontdesk_core::booking::{Appointment, AppointmentState, Attendee, Intent, IntentKind, IntentState};
use frontdesk_core::clock::{CountingDice, Dice};
use frontdesk_core::desk::{Budgets, Desk, Parts};
use frontdesk_core::ids::{BookingId, IntentId, TenantId};
use frontdesk_core::limits::{Gate, Limits};
use frontdesk_core::ports::{Beginning, Diary as _, Directory};
use frontdesk_core::protection::{Mode, Switches};
use frontdesk_core::sensitive::Sensitive;
use frontdesk_core::shared::MemoryState;
use frontdesk_core::slot::Resource;
use frontdesk_core::tenant::Tenant;
use frontdesk_testkit::calcom::{Config, RateLimit, SimulatedCalCom};
use jiff::SignedDuration;

use crate::house::House;

/// Knows the practice, and breaks over the salon.
struct Fragile(Arc<Tenant>);

impl Directory for Fragile {
    fn tenant(&self, id: &TenantId) -> Option<Arc<Tenant>> {
        assert_ne!(id.as_str(), "salon", "it breaks");
        (self.0.slug == *id).then(|| Arc::clone(&self.0))
    }
}

/// Breaks once, where a pause is thrown for.
struct Loaded(CountingDice, AtomicBool);

impl Dice for Loaded {
    fn fill(&self, bytes: &mut [u8]) {
        assert!(bytes.len() != 1 || !self.1.swap(false, Ordering::SeqCst), "it breaks");
        self.0.fill(bytes);
    }
}

/// An appointment that its calendar has not heard of yet.
fn pending(house: &House) -> Beginning {
    let (now, id) = (house.now(), BookingId::new("b_1"));
    let (start, end) = (now + SignedDuration::from_hours(48), now + SignedDuration::from_hours(49));
    Beginning {
        appointment: Appointment {
            id: id.clone(),
            call: None,
            owner: None,
            attendee: Attendee { name: Sensitive::new("Ada".to_owned()), email: None, phone: None },
            service: "cut".to_owned(),
            staff: None,
            resource: Resource::house(),
            event_type: None,
            start,
            end,
            state: AppointmentState::Pending,
            calendar_uid: None,
            notes: None,
            created_at: now,
        },
        parts: Vec::new(),
        busy: vec![(start, end)],
        hold: None,
        intent: Intent {
            id: IntentId::new("i_1"),
            appointment: id,
            kind: IntentKind::Create,
            state: IntentState::Open,
            attempts: 0,
            created_at: now,
            lease_until: now,
            watch_until: None,
            last_error: None,
        },
    }
}

#[tokio::test]
async fn an_intent_that_panics_keeps_no_other_from_being_settled() {
    let house = House::open().await;
    let store = Arc::new(house.inner.store.clone());
    let tenants = ["salon", "practice"].map(|slug| house.inner.desk.tenant(&TenantId::new(slug)).expect("a tenant"));
    for tenant in &tenants {
        store.begin(tenant.scope(), &pending(&house), house.now()).await.expect("begun");
    }
    let switches = Arc::new(Switches::new([Mode::On; 8]));
    let memory = Arc::new(MemoryState::new(house.clock.clone()));
    let second = Duration::from_secs(1);
    let desk = Desk::new(Parts {
        clock: house.clock.clone(),
        dice: Arc::new(CountingDice::from(1 << 42)),
        calendar: Arc::new(BuiltinCalendar),
        diary: store.clone(),
        calls: store.clone(),
        callbacks: store.clone(),
        directory: Arc::new(Fragile(Arc::clone(&tenants[1]))),
        gate: Arc::new(Gate::new(memory, Arc::clone(&switches), house.clock.clone(), Limits::default())),
        switches,
        budgets: Budgets { inbound: second, check: second, write: second },
    });
    let round = desk.settle_due().await.expect("a round");
    assert_eq!((round.taken, round.panicked), (2, vec![(TenantId::new("salon"), IntentId::new("i_1"))]));
    let practice = store.intent(tenants[1].scope(), &IntentId::new("i_1")).await.expect("read").expect("an intent");
    assert_eq!(practice.state, IntentState::Done, "the other was carried out in the same round");
    assert_eq!(desk.settle_due().await.expect("a round").taken, 0, "the one that broke keeps its lease");
    house.wait(SignedDuration::from_secs(31));
    assert_eq!(desk.settle_due().await.expect("a round").taken, 1, "and comes up again");
}

#[tokio::test]
async fn a_calendar_that_breaks_its_turn_keeps_no_other_from_being_asked() {
    let calendar = SimulatedCalCom::start(Config::salon().rate_limit(Some(RateLimit::of(100_000)))).await;
    let salon = include_str!("tenants/calcom.toml").replace("BASE_URL", &calendar.base_url());
    let other = salon
        .replace("slug = \"salon\"", "slug = \"other\"")
        .replace("agent_salon", "agent_other")
        .replace("+4930111111", "+4930222222");
    let house = House::with(&[&salon, &other], |_| {}).await;
    let dice = Arc::new(Loaded(CountingDice::from(1 << 43), AtomicBool::new(true)));
    let gateway = house.beside_in(&World { clock: house.clock.clone(), dice }, |_| {}).await;
    assert_eq!(gateway.catch_up().await.expect("asked"), 1, "one broke, the other was asked");
    house.wait(SignedDuration::from_secs(121));
    assert_eq!(gateway.catch_up().await.expect("asked"), 1, "its turn has ended with its lease");
}
