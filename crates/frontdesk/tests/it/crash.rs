//! The process dies between two writes. What was acknowledged is there afterwards, and what was open is
//! settled without anybody.

use std::sync::Arc;
use std::time::Duration;

use frontdesk::config::deployment::DeploymentConfig;
use frontdesk_core::clock::{Clock as _, ManualClock};
use frontdesk_testkit::calcom::{Config, Fault, FaultKind, RateLimit, Route, SimulatedCalCom, Status};
use jiff::SignedDuration;
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use crate::house::{ANNA, BERND, House, NOW, Ruin};

fn short(config: &mut DeploymentConfig) {
    config.live.deadlines.write = Duration::from_millis(400);
}

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime")
}

/// Books into a calendar that does `fault` and never answers, and dies.
fn died_while_booking(outside: &Runtime, clock: &Arc<ManualClock>, fault: FaultKind) -> (SimulatedCalCom, Ruin, String) {
    let for_calendar = Arc::clone(clock);
    let config = Config::salon().clock(Arc::new(move || for_calendar.now())).rate_limit(Some(RateLimit::of(10_000)));
    let calendar = outside.block_on(SimulatedCalCom::start(config));
    let tenant = include_str!("tenants/calcom.toml").replace("BASE_URL", &calendar.base_url());

    let before = runtime();
    let (ruin, id) = before.block_on(async {
        let house = House::at(Arc::clone(clock), &[&tenant], short).await;
        let call = house.call("salon", "c1", ANNA);
        let slot = call.slot("Herrenhaarschnitt", "Montag", "14 Uhr").await;
        calendar.fault(Fault::on(Route::Create, fault));
        let answer = call.say("book_appointment", json!({"slot_id": slot, "name": "Anna Schmidt"})).await;
        assert_eq!(answer["status"], "pending", "{answer}");
        (house.die(), answer["booking_id"].as_str().expect("an id").to_owned())
    });
    before.shutdown_background();
    (calendar, ruin, id)
}

/// And comes up again.
fn survives(fault: FaultKind) {
    let outside = runtime();
    let clock = Arc::new(ManualClock::new(NOW.parse().expect("a timestamp")));
    let (calendar, ruin, id) = died_while_booking(&outside, &clock, fault);
    outside.block_on(async {
        let house = House::rise(ruin, short).await;
        let state = async || house.rest("salon", "GET", &format!("/api/v2/bookings/{id}"), Value::Null).await.1["status"].clone();
        assert_eq!(state().await, "pending", "it is still known");
        assert_eq!(house.callbacks("salon").await.len(), 1, "and so is who waits for it");
        let other = house.call("salon", "c2", BERND);
        let wish = json!({"service": "Herrenhaarschnitt", "staff": "Emma", "date": "Montag", "time": "14 Uhr"});
        assert_ne!(other.say("check_availability", wish).await["status"], "available", "its time is still blocked");
        for _ in 0..6 {
            house.wait(SignedDuration::from_secs(31));
            house.inner.settle().await.expect("settled");
        }
        assert_eq!(state().await, "booked");
        assert!(house.callbacks("salon").await.is_empty(), "nobody has to call any more");
        let standing = calendar.bookings().into_iter().filter(|booking| booking.status == Status::Accepted).count();
        assert_eq!(standing, 1);
    });
}

#[test]
fn a_booking_that_the_calendar_stored_before_the_process_died_is_found() {
    survives(FaultKind::StoreThenHang);
}

#[test]
fn a_booking_that_never_reached_the_calendar_is_made_once_the_process_is_back() {
    survives(FaultKind::Hang);
}

/// Asking twice is harmless only where the calendar happens to refuse the second time.
#[test]
fn a_process_that_died_after_asking_looks_before_it_asks_again() {
    let outside = runtime();
    let clock = Arc::new(ManualClock::new(NOW.parse().expect("a timestamp")));
    let (calendar, ruin, _) = died_while_booking(&outside, &clock, FaultKind::StoreThenHang);
    outside.block_on(async {
        let house = House::rise(ruin, short).await;
        for _ in 0..3 {
            house.wait(SignedDuration::from_secs(31));
            house.inner.settle().await.expect("settled");
        }
        let asked = calendar.requests().into_iter().filter(|request| request.route == Route::Create).count();
        assert_eq!(asked, 1, "it was there and was found");
    });
}

/// What the call remembers of a change may die with the process; the diary has it.
#[test]
fn a_cancellation_that_was_done_when_the_process_died_is_answered_again_and_not_done_again() {
    let outside = runtime();
    let clock = Arc::new(ManualClock::new(NOW.parse().expect("a timestamp")));
    let for_calendar = Arc::clone(&clock);
    let config = Config::salon().clock(Arc::new(move || for_calendar.now())).rate_limit(Some(RateLimit::of(10_000)));
    let calendar = outside.block_on(SimulatedCalCom::start(config));
    let tenant = include_str!("tenants/calcom.toml").replace("BASE_URL", &calendar.base_url());
    let cancel = json!({"confirm": true});

    let before = runtime();
    let (ruin, id) = before.block_on(async {
        let house = House::at(Arc::clone(&clock), &[&tenant], |_| {}).await;
        let call = house.call("salon", "c1", ANNA);
        let booked = call.booked("Herrenhaarschnitt", "Montag", "14 Uhr", "Anna Schmidt").await;
        for (route, fault) in [(Route::Cancel, FaultKind::StoreThenDrop), (Route::Get, FaultKind::DropBefore)] {
            calendar.fault(Fault::on(route, fault).standing());
        }
        let answer = call.say("cancel_appointment", cancel.clone()).await;
        assert_eq!(answer["status"], "pending", "{answer}");
        (house.die(), booked["booking_id"].clone())
    });
    before.shutdown_background();
    calendar.clear_faults();
    outside.block_on(async {
        let house = House::rise(ruin, |_| {}).await;
        for _ in 0..3 {
            house.wait(SignedDuration::from_secs(31));
            house.inner.settle().await.expect("settled");
        }
        let asked = || calendar.requests().into_iter().filter(|request| request.route == Route::Cancel).count();
        let before = asked();
        let call = house.call("salon", "c1", ANNA);
        let again = call.say("cancel_appointment", cancel.clone()).await;
        assert_eq!((&again["status"], &again["booking_id"]), (&json!("cancelled"), &id), "{again}");
        let of_that_day = call.say("cancel_appointment", json!({"date": "Montag", "confirm": true})).await;
        assert_eq!((&of_that_day["status"], &of_that_day["booking_id"]), (&json!("cancelled"), &id), "{of_that_day}");
        assert_eq!(asked(), before, "the calendar is not asked again");
        let of_another = call.say("cancel_appointment", json!({"date": "Dienstag", "confirm": true})).await;
        assert_eq!(of_another["status"], "not_found", "nothing was there on that day: {of_another}");
        for (call, phone) in [("c2", ANNA), ("c3", BERND)] {
            let other = house.call("salon", call, phone).say("cancel_appointment", cancel.clone()).await;
            assert_eq!(other["status"], "not_found", "another call or caller: {other}");
        }
    });
}
