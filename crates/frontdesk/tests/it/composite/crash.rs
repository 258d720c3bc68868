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

use super::{TENANT, ask_for_a_perm, at_ten, intents, settle, simulated, standing, starts, state_of, ten_is_free};
use crate::house::{House, NOW};

fn short(config: &mut DeploymentConfig) {
    config.live.deadlines.write = Duration::from_millis(600);
    config.server.admin_key = Some(SecretSource::Literal(Secret::new("operator")));
}

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime")
}

/// Asks for a perm while `faults` are in force, dies, and comes up again with `then` in force; how many parts
/// stand at last.
fn survives(faults: &[Fault], said: &str, then: impl FnOnce(&SimulatedCalCom)) -> usize {
    let outside = runtime();
    let clock = Arc::new(ManualClock::new(NOW.parse().expect("a timestamp")));
    let calendar = outside.block_on(SimulatedCalCom::start(simulated(&clock)));
    let tenant = TENANT.replace("BASE_URL", &calendar.base_url());
    let before = runtime();
    let ruin = before.block_on(async {
        let house = House::at(clock, &[&tenant], short).await;
        for fault in faults {
            calendar.fault(fault.clone());
        }
        let answer: Value = ask_for_a_perm(&house).await;
        assert_eq!(answer["status"], said, "{answer}");
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
    assert_eq!(survives(&[third(FaultKind::Hang)], "pending", |_| {}), 4);
}

#[test]
fn a_death_after_the_third_part_was_stored_ends_with_all_four() {
    assert_eq!(survives(&[third(FaultKind::StoreThenHang)], "pending", |_| {}), 4);
}

#[test]
fn a_death_before_a_part_that_is_refused_afterwards_ends_with_none() {
    let parts = survives(&[third(FaultKind::Hang)], "pending", |calendar| {
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
    let long = |config: &mut DeploymentConfig| {
        short(config);
        config.live.deadlines.write = Duration::from_millis(1500);
    };
    let before = runtime();
    let ruin = before.block_on(async {
        let house = House::at(clock, &[&tenant], long).await;
        calendar.fault(third(refused()));
        calendar.fault(Fault::on(Route::Cancel, cancel));
        let answer: Value = ask_for_a_perm(&house).await;
        assert_eq!(answer["status"], "taken", "it will not be booked, whatever comes: {answer}");
        assert_eq!(intents(&house).await[0]["state"], "undoing");
        house.die()
    });
    before.shutdown_background();
    outside.block_on(async {
        let house = House::rise(ruin, long).await;
        assert!(!ten_is_free(&house).await, "its time is still blocked");
        settle(&house).await;
        assert_eq!(intents(&house).await[0]["state"], "refused");
        assert!(ten_is_free(&house).await);
        standing(&calendar).len()
    })
}
