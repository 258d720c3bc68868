//! The process dies between two parts; the next one goes on, or puts back.

use std::sync::Arc;
use std::time::Duration;

use frontdesk::config::deployment::DeploymentConfig;
use frontdesk::config::secrets::SecretSource;
use frontdesk_core::clock::ManualClock;
use frontdesk_core::sensitive::Secret;
use frontdesk_testkit::calcom::{ErrorAnswer, ErrorShape, Fault, FaultKind, Route, SimulatedCalCom};
use serde_json::Value;
use tokio::runtime::Runtime;

use super::moves::{ask_to_move, at_three};
use super::{
    PATIENT, TENANT, ask_for_a_perm, asked, at_ten, eventually, intents, settle, simulated, standing, starts, state_of,
    ten_is_free,
};
use crate::house::{House, NOW};

fn short(config: &mut DeploymentConfig) {
    config.live.deadlines.write = Duration::from_secs(3);
    config.live.deadlines.check = PATIENT;
    config.server.admin_key = Some(SecretSource::Literal(Secret::new("operator")));
}

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime")
}

/// Asks for a perm whose third part meets `fault`, dies, and comes up again after `then`; how many parts stand
/// at last.
fn survives(fault: Fault, then: impl FnOnce(&SimulatedCalCom)) -> usize {
    let outside = runtime();
    let clock = Arc::new(ManualClock::new(NOW.parse().expect("a timestamp")));
    let calendar = outside.block_on(SimulatedCalCom::start(simulated(&clock)));
    let tenant = TENANT.replace("BASE_URL", &calendar.base_url());
    let before = runtime();
    let ruin = before.block_on(async {
        let house = House::at(clock, &[&tenant], short).await;
        calendar.fault(fault);
        let answer: Value = ask_for_a_perm(&house).await;
        assert_eq!(answer["status"], "pending", "{answer}");
        eventually(async || asked(&calendar, Route::Create) == 3).await;
        house.die()
    });
    before.shutdown_background();
    then(&calendar);
    outside.block_on(async {
        let house = House::rise(ruin, short).await;
        let id = intents(&house).await[0]["booking_id"].clone();
        assert_eq!(state_of(&house, &id).await, "pending", "it is still known");
        assert!(!ten_is_free(&house).await, "its time is still blocked");
        settle(&house).await;
        let parts = standing(&calendar).len();
        match parts {
            4 => assert_eq!((state_of(&house, &id).await.as_str(), starts(&calendar)), ("booked", at_ten())),
            _ => assert_eq!(state_of(&house, &id).await, "refused"),
        }
        parts
    })
}

fn third(kind: FaultKind) -> Fault {
    Fault::on(Route::Create, kind).after(2)
}

fn refused() -> FaultKind {
    FaultKind::Status(ErrorAnswer::new(400, ErrorShape::A))
}

#[test]
fn a_death_before_the_third_part_arrives_ends_with_all_four() {
    assert_eq!(survives(third(FaultKind::Hang), |_| {}), 4);
}

#[test]
fn a_death_after_the_third_part_was_stored_ends_with_all_four() {
    assert_eq!(survives(third(FaultKind::StoreThenHang), |_| {}), 4);
}

#[test]
fn a_death_before_a_part_that_is_refused_afterwards_ends_with_none() {
    let parts = survives(third(FaultKind::Hang), |calendar| {
        calendar.fault(Fault::on(Route::Create, refused()));
    });
    assert_eq!(parts, 0);
}

#[test]
fn a_death_while_parts_are_taken_back_ends_with_none() {
    // The answer to the refusal took longer than the caller waited, and the cancellation never came back.
    for cancel in [FaultKind::Hang, FaultKind::StoreThenHang] {
        let parts = survives_taking_back(cancel);
        assert_eq!(parts, 0);
    }
}

/// Like [`survives`], dying while the second part is cancelled: by then it is refused for good.
fn survives_taking_back(cancel: FaultKind) -> usize {
    let outside = runtime();
    let clock = Arc::new(ManualClock::new(NOW.parse().expect("a timestamp")));
    let calendar = outside.block_on(SimulatedCalCom::start(simulated(&clock)));
    let tenant = TENANT.replace("BASE_URL", &calendar.base_url());
    let before = runtime();
    let ruin = before.block_on(async {
        let house = House::at(clock, &[&tenant], short).await;
        calendar.fault(third(refused()));
        calendar.fault(Fault::on(Route::Cancel, cancel));
        let answer: Value = ask_for_a_perm(&house).await;
        assert_ne!(answer["status"], "booked", "{answer}");
        eventually(async || asked(&calendar, Route::Cancel) == 1).await;
        assert_eq!(intents(&house).await[0]["state"], "undoing");
        house.die()
    });
    before.shutdown_background();
    outside.block_on(async {
        let house = House::rise(ruin, short).await;
        assert!(!ten_is_free(&house).await, "its time is still blocked");
        settle(&house).await;
        assert_eq!(intents(&house).await[0]["state"], "refused");
        assert!(ten_is_free(&house).await);
        standing(&calendar).len()
    })
}

/// Anna's perm is on its way from ten to three when the process dies, before the third part has moved.
fn survives_a_move(then: impl FnOnce(&SimulatedCalCom)) -> (Vec<jiff::Timestamp>, String) {
    let outside = runtime();
    let clock = Arc::new(ManualClock::new(NOW.parse().expect("a timestamp")));
    let calendar = outside.block_on(SimulatedCalCom::start(simulated(&clock)));
    let tenant = TENANT.replace("BASE_URL", &calendar.base_url());
    let long = |config: &mut DeploymentConfig| {
        short(config);
        // Long enough for the booking that comes first.
        config.live.deadlines.write = Duration::from_secs(3);
    };
    let before = runtime();
    let (ruin, id) = before.block_on(async {
        let house = House::at(clock, &[&tenant], long).await;
        let silence = Fault::on(Route::Reschedule, FaultKind::Hang).after(2);
        let (id, answer) = ask_to_move(&house, || calendar.fault(silence)).await;
        assert_eq!(answer["status"], "pending", "{answer}");
        eventually(async || asked(&calendar, Route::Reschedule) == 3).await;
        (house.die(), id)
    });
    before.shutdown_background();
    assert_eq!(starts(&calendar)[..2], at_ten()[2..], "two parts have moved, two have not");
    then(&calendar);
    outside.block_on(async {
        let house = House::rise(ruin, long).await;
        settle(&house).await;
        let state = intents(&house).await[0]["state"].as_str().unwrap_or("").to_owned();
        assert_eq!(state_of(&house, &id).await, "booked");
        (starts(&calendar), state)
    })
}

#[test]
fn a_death_in_the_middle_of_a_move_ends_with_all_parts_at_one_time() {
    assert_eq!(survives_a_move(|_| {}), (at_three(), "done".to_owned()));
    let in_the_way = |calendar: &SimulatedCalCom| {
        let begins = at_three()[2];
        calendar.add_busy(7, begins, begins + jiff::SignedDuration::from_mins(5));
    };
    assert_eq!(survives_a_move(in_the_way), (at_ten(), "refused".to_owned()));
}
