//! The memory: who shares an answer with whom, and for how long.

#![expect(clippy::disallowed_methods, reason = "a test owns its tasks: they end with its runtime")]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use frontdesk_calendar::{Cached, Calendars, open};
use frontdesk_core::clock::ManualClock;
use frontdesk_core::deadline::Deadline;
use frontdesk_core::ports::{Calendar, CalendarBooking, CalendarError, Free, NewBooking, NoJournal, SlotAsk};
use frontdesk_core::slot::Line;
use frontdesk_core::tenant::{Service, Tenant};
use jiff::{SignedDuration, Timestamp};
use tokio::sync::Semaphore;

use crate::people::{ask, at, builtin, clock, cut, guard, ida, line, on_calcom, soon};

/// Says one free start a day at 09:00 UTC, when it is let through.
struct Slow {
    asked: AtomicUsize,
    gate: Semaphore,
    windows: std::sync::Mutex<Vec<(Timestamp, Timestamp)>>,
}

impl Slow {
    fn new(open_for: usize) -> Arc<Self> {
        Arc::new(Self { asked: AtomicUsize::new(0), gate: Semaphore::new(open_for), windows: std::sync::Mutex::default() })
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    async fn was_asked(&self, times: usize) {
        while self.asked() < times {
            tokio::task::yield_now().await;
        }
    }
}

#[async_trait]
impl Calendar for Slow {
    async fn slots(&self, _: &Tenant, ask: &SlotAsk<'_>, deadline: Deadline) -> Result<Free, CalendarError> {
        self.windows.lock().expect("not poisoned").push((ask.from, ask.to));
        self.asked.fetch_add(1, Ordering::SeqCst);
        match tokio::time::timeout_at(deadline.instant(), self.gate.acquire()).await {
            Ok(permit) => permit.expect("open").forget(),
            Err(_) => return Err(CalendarError::Unavailable { detail: "slow".into() }),
        }
        Ok(Free { starts: vec![at("2030-01-07T09:00:00Z"), at("2030-01-07T15:00:00Z")].into(), age: SignedDuration::ZERO })
    }

    async fn create(&self, _: &Tenant, _: &NewBooking, _: Deadline) -> Result<CalendarBooking, CalendarError> {
        Err(CalendarError::Unavailable { detail: "lost".into() })
    }

    async fn find(&self, _: &Tenant, _: &NewBooking, _: Deadline) -> Result<Option<CalendarBooking>, CalendarError> {
        Ok(None)
    }

    async fn get(&self, _: &Tenant, _: &str, _: Deadline) -> Result<Option<CalendarBooking>, CalendarError> {
        Ok(None)
    }

    async fn reschedule(
        &self,
        _: &Tenant,
        _: &str,
        _: Timestamp,
        _: &str,
        _: Deadline,
    ) -> Result<CalendarBooking, CalendarError> {
        Err(CalendarError::Unavailable { detail: "lost".into() })
    }

    async fn cancel(&self, _: &Tenant, _: &str, _: &str, _: Deadline) -> Result<(), CalendarError> {
        Ok(())
    }
}

struct House {
    slow: Arc<Slow>,
    clock: Arc<ManualClock>,
    cached: Arc<Cached>,
    service: Service,
    line: Line,
}

impl House {
    fn letting_through(open_for: usize) -> Self {
        let (slow, clock) = (Slow::new(open_for), clock());
        let cached = Arc::new(Cached::over(slow.clone(), clock.clone(), Arc::default()));
        Self { slow, clock, cached, service: cut(), line: line(None, Some(4711)) }
    }

    async fn morning(&self, slug: &str, max_age_s: i64, deadline: Deadline) -> Result<Free, CalendarError> {
        let mut ask = ask(&self.service, &self.line, "2030-01-07T08:00:00Z", "2030-01-07T11:00:00Z");
        ask.max_age = SignedDuration::from_secs(max_age_s);
        self.cached.slots(&on_calcom(slug, "http://127.0.0.1:9"), &ask, deadline).await
    }
}

#[tokio::test]
async fn whole_local_days_are_asked_and_the_wish_is_cut_out_of_them() {
    let house = House::letting_through(2);
    let free = house.morning("a", 0, soon()).await.expect("slots");
    assert_eq!(*free.starts, [at("2030-01-07T09:00:00Z")]);
    let mut afternoon = ask(&house.service, &house.line, "2030-01-07T14:00:00Z", "2030-01-07T23:00:00Z");
    afternoon.max_age = SignedDuration::from_secs(60);
    house.clock.advance(SignedDuration::from_secs(30));
    let free = house.cached.slots(&on_calcom("a", "http://127.0.0.1:9"), &afternoon, soon()).await.expect("slots");
    assert_eq!((&*free.starts, free.age), ([at("2030-01-07T15:00:00Z")].as_slice(), SignedDuration::from_secs(30)));
    let windows = house.slow.windows.lock().expect("not poisoned").clone();
    assert_eq!(windows, [(at("2030-01-06T23:00:00Z"), at("2030-01-07T23:00:00Z"))]);
}

#[tokio::test]
async fn an_answer_is_used_while_it_is_young_enough_and_never_for_a_live_question() {
    let house = House::letting_through(10);
    house.morning("a", 60, soon()).await.expect("slots");
    house.clock.advance(SignedDuration::from_secs(60));
    assert_eq!(house.morning("a", 60, soon()).await.expect("slots").age, SignedDuration::from_secs(60));
    assert_eq!(house.slow.asked(), 1);
    house.clock.advance(SignedDuration::from_secs(1));
    assert_eq!(house.morning("a", 60, soon()).await.expect("slots").age, SignedDuration::ZERO);
    house.morning("a", 0, soon()).await.expect("slots");
    assert_eq!(house.slow.asked(), 3);
}

#[tokio::test]
async fn two_tenants_never_share_an_answer_about_the_same_event_type() {
    let house = House::letting_through(10);
    house.morning("a", 60, soon()).await.expect("slots");
    house.morning("b", 60, soon()).await.expect("slots");
    assert_eq!(house.slow.asked(), 2);
    house.cached.forget(on_calcom("a", "http://127.0.0.1:9").scope());
    house.morning("b", 60, soon()).await.expect("slots");
    assert_eq!(house.slow.asked(), 2);
    house.morning("a", 60, soon()).await.expect("slots");
    assert_eq!(house.slow.asked(), 3);
}

#[tokio::test]
async fn a_write_that_ends_badly_forgets_the_tenant_too() {
    let house = House::letting_through(10);
    house.morning("a", 60, soon()).await.expect("slots");
    let lost = house.cached.create(&on_calcom("a", "http://127.0.0.1:9"), &ida(), soon()).await;
    assert!(lost.is_err());
    house.morning("a", 60, soon()).await.expect("slots");
    assert_eq!(house.slow.asked(), 2);
}

#[tokio::test]
async fn the_same_question_at_the_same_time_is_asked_once() {
    let house = Arc::new(House::letting_through(0));
    let askers: Vec<_> = (0..20)
        .map(|_| {
            let house = Arc::clone(&house);
            tokio::spawn(async move { house.morning("a", 0, soon()).await })
        })
        .collect();
    house.slow.was_asked(1).await;
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    house.slow.gate.add_permits(1);
    for asker in askers {
        assert_eq!(asker.await.expect("no panic").expect("slots").age, SignedDuration::ZERO);
    }
    assert_eq!(house.slow.asked(), 1);
}

#[tokio::test]
async fn one_who_hangs_up_takes_no_answer_away() {
    let house = Arc::new(House::letting_through(0));
    let first = tokio::spawn({
        let house = Arc::clone(&house);
        async move { house.morning("a", 0, soon()).await }
    });
    house.slow.was_asked(1).await;
    let second = tokio::spawn({
        let house = Arc::clone(&house);
        async move { house.morning("a", 0, soon()).await }
    });
    tokio::task::yield_now().await;
    first.abort();
    assert!(first.await.expect_err("aborted").is_cancelled());
    house.slow.gate.add_permits(1);
    second.await.expect("no panic").expect("slots");
    assert_eq!(house.slow.asked(), 1);
}

#[tokio::test]
async fn a_patient_one_asks_again_when_an_impatient_one_gave_up() {
    let house = Arc::new(House::letting_through(0));
    let impatient = tokio::spawn({
        let house = Arc::clone(&house);
        async move { house.morning("a", 0, Deadline::within(Duration::from_millis(50))).await }
    });
    house.slow.was_asked(1).await;
    let patient = tokio::spawn({
        let house = Arc::clone(&house);
        async move { house.morning("a", 0, soon()).await }
    });
    assert!(impatient.await.expect("no panic").is_err());
    house.slow.was_asked(2).await;
    house.slow.gate.add_permits(1);
    patient.await.expect("no panic").expect("slots");
}

#[tokio::test]
async fn what_was_asked_before_a_change_is_not_kept_after_it() {
    let house = Arc::new(House::letting_through(0));
    let before = tokio::spawn({
        let house = Arc::clone(&house);
        async move { house.morning("a", 60, soon()).await }
    });
    house.slow.was_asked(1).await;
    house.cached.forget(on_calcom("a", "http://127.0.0.1:9").scope());
    house.slow.gate.add_permits(2);
    before.await.expect("no panic").expect("slots");
    house.morning("a", 60, soon()).await.expect("slots");
    assert_eq!(house.slow.asked(), 2);
}

#[tokio::test]
async fn each_tenant_gets_its_kind_of_calendar() {
    let slow = Slow::new(10);
    let calendars = Calendars::over(slow.clone(), clock(), Arc::default());
    let (service, line) = (cut(), line(None, Some(4711)));
    let ask = ask(&service, &line, "2030-01-07T00:00:00Z", "2030-01-08T00:00:00Z");
    assert_eq!(calendars.slots(&builtin(), &ask, soon()).await.expect("slots").starts.len(), 11);
    assert_eq!(slow.asked(), 0);
    assert_eq!(calendars.slots(&on_calcom("a", ""), &ask, soon()).await.expect("slots").starts.len(), 2);
    calendars.forget(on_calcom("a", "").scope());
    let as_port: Arc<dyn Calendar> =
        open(clock(), Arc::default(), guard(), Arc::new(NoJournal), frontdesk_calendar::Reach::new(|_| true)).expect("a client");
    assert!(as_port.slots(&on_calcom("a", "not a url"), &ask, soon()).await.is_err());
}
