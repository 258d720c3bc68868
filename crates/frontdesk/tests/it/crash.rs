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

/// A salon with an appointment on Monday at two, and a change of it that the calendar did without answering;
/// then the process died.
fn died_while_changing(
    outside: &Runtime,
    clock: &Arc<ManualClock>,
    route: Route,
    function: &str,
    args: &Value,
) -> (SimulatedCalCom, Ruin, Value) {
    let for_calendar = Arc::clone(clock);
    let config = Config::salon().clock(Arc::new(move || for_calendar.now())).rate_limit(Some(RateLimit::of(10_000)));
    let calendar = outside.block_on(SimulatedCalCom::start(config));
    let tenant = include_str!("tenants/calcom.toml").replace("BASE_URL", &calendar.base_url());
    let before = runtime();
    let (ruin, id) = before.block_on(async {
        let house = House::at(Arc::clone(clock), &[&tenant], |_| {}).await;
        let call = house.call("salon", "c1", ANNA);
        let booked = call.booked("Herrenhaarschnitt", "Montag", "14 Uhr", "Anna Schmidt").await;
        for (route, fault) in [(route, FaultKind::StoreThenDrop), (Route::Get, FaultKind::DropBefore)] {
            calendar.fault(Fault::on(route, fault).standing());
        }
        let answer = call.say(function, args.clone()).await;
        assert_eq!(answer["status"], "pending", "{answer}");
        (house.die(), booked["booking_id"].clone())
    });
    before.shutdown_background();
    calendar.clear_faults();
    (calendar, ruin, id)
}

async fn settle(house: &House) {
    for _ in 0..3 {
        house.wait(SignedDuration::from_secs(31));
        house.inner.settle().await.expect("settled");
    }
}

fn asked(calendar: &SimulatedCalCom, route: Route) -> usize {
    calendar.requests().into_iter().filter(|request| request.route == route).count()
}

/// What the call remembers of a change may die with the process; the diary has it.
#[test]
fn a_cancellation_that_was_done_when_the_process_died_is_answered_again_and_not_done_again() {
    let outside = runtime();
    let clock = Arc::new(ManualClock::new(NOW.parse().expect("a timestamp")));
    let cancel = json!({"confirm": true});
    let (calendar, ruin, id) = died_while_changing(&outside, &clock, Route::Cancel, "cancel_appointment", &cancel);
    outside.block_on(async {
        let house = House::rise(ruin, |_| {}).await;
        settle(&house).await;
        let before = asked(&calendar, Route::Cancel);
        let call = house.call("salon", "c1", ANNA);
        let again = call.say("cancel_appointment", cancel.clone()).await;
        assert_eq!((&again["status"], &again["booking_id"]), (&json!("cancelled"), &id), "{again}");
        let of_that_day = call.say("cancel_appointment", json!({"date": "Montag", "confirm": true})).await;
        assert_eq!((&of_that_day["status"], &of_that_day["booking_id"]), (&json!("cancelled"), &id), "{of_that_day}");
        assert_eq!(asked(&calendar, Route::Cancel), before, "the calendar is not asked again");
        let of_another = call.say("cancel_appointment", json!({"date": "Dienstag", "confirm": true})).await;
        assert_eq!(of_another["status"], "not_found", "nothing was there on that day: {of_another}");
        for (call, phone) in [("c2", ANNA), ("c3", BERND)] {
            let other = house.call("salon", call, phone).say("cancel_appointment", cancel.clone()).await;
            assert_eq!(other["status"], "not_found", "another call or caller: {other}");
        }
    });
}

#[test]
fn while_a_move_is_not_settled_nobody_hears_that_it_stands_at_any_time() {
    let outside = runtime();
    let clock = Arc::new(ManualClock::new(NOW.parse().expect("a timestamp")));
    let to = |hour: i64| json!({"new_date": "Montag", "new_time": format!("{hour} Uhr"), "confirm": true});
    let (calendar, ruin, id) = died_while_changing(&outside, &clock, Route::Reschedule, "reschedule_appointment", &to(16));
    let id = id.as_str().expect("an id");
    outside.block_on(async {
        let house = House::rise(ruin, |_| {}).await;
        let call = house.call("salon", "c1", ANNA);
        let again = call.say("reschedule_appointment", to(16)).await;
        assert_eq!(again["status"], "pending", "the same once more: {again}");
        let back = call.say("reschedule_appointment", to(14)).await;
        assert_eq!(back["status"], "callback_queued", "where it was, and will not stay: {back}");
        let path = format!("/api/v2/bookings/{id}");
        let (status, direct) =
            house.rest("salon", "PATCH", &format!("{path}/reschedule"), json!({"start": "2026-03-16T14:00:00+01:00"})).await;
        assert_eq!(status, 409, "{direct}");
        settle(&house).await;
        let (_, there) = house.rest("salon", "GET", &path, Value::Null).await;
        assert_eq!((&there["status"], &there["start"]), (&json!("booked"), &json!("2026-03-16T16:00:00+01:00")), "{there}");
        assert_eq!(asked(&calendar, Route::Reschedule), 1, "it was there and was found");
    });
}

#[test]
fn the_time_that_an_appointment_has_is_not_offered_to_move_it_to() {
    let runtime = runtime();
    runtime.block_on(async {
        let house = House::open().await;
        house.call("salon", "c0", BERND).booked("Beratung", "Montag", "10:30", "Bernd Maier").await;
        let call = house.call("salon", "c1", ANNA);
        let booked = call.booked("Beratung", "Montag", "10 Uhr", "Anna Schmidt").await;
        let wish = json!({"new_date": "Montag", "new_time": "10:30", "confirm": true});
        let offered = call.say("reschedule_appointment", wish).await;
        let starts: Vec<&Value> = offered["slots"].as_array().into_iter().flatten().map(|slot| &slot["start"]).collect();
        assert!(!starts.is_empty() && !starts.contains(&&booked["start"]), "{offered}");
    });
}
