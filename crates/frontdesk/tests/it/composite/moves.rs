//! Moving and cancelling all parts.

use std::time::Duration;

use frontdesk_testkit::calcom::{ErrorAnswer, ErrorShape, Fault, FaultKind, Route};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::{AT_TEN, PATIENT, ask_for_a_perm, at, at_ten, intents, salon, settle, standing, starts, state_of, ten_is_free};
use crate::house::{ANNA, House};

fn broken() -> FaultKind {
    FaultKind::Status(ErrorAnswer::new(500, ErrorShape::C))
}

/// Long enough for the booking that comes first; silence lasts longer than anybody waits.
fn patience(kind: &FaultKind) -> Duration {
    if matches!(kind, FaultKind::Hang | FaultKind::StoreThenHang) { Duration::from_secs(3) } else { PATIENT }
}

/// Where the parts stand when the whole is moved to three in the afternoon.
pub(super) fn at_three() -> Vec<Timestamp> {
    at_ten().into_iter().map(|start| start + SignedDuration::from_hours(5)).collect()
}

/// Anna has a perm at ten and asks for three; the answer to her yes is what comes back of `ready`.
pub(super) async fn ask_to_move(house: &House, ready: impl FnOnce()) -> (Value, Value) {
    let booked = ask_for_a_perm(house).await;
    assert_eq!(booked["status"], "booked", "{booked}");
    let call = house.call("salon", "c1", ANNA);
    let asked = call.say("reschedule_appointment", json!({"new_time": "15 Uhr"})).await;
    assert_eq!(asked["status"], "needs_confirmation", "{asked}");
    ready();
    let moved = call.say("reschedule_appointment", json!({"slot_id": asked["slots"][0]["slot_id"]})).await;
    (booked["booking_id"].clone(), moved)
}

#[tokio::test]
async fn a_move_moves_all_parts_and_a_cancellation_cancels_all() {
    let (house, calendar) = salon(PATIENT).await;
    let (id, moved) = ask_to_move(&house, || {}).await;
    assert_eq!((&moved["status"], &moved["booking_id"]), (&json!("rescheduled"), &id), "{moved}");
    assert_eq!(starts(&calendar), at_three());
    assert!(ten_is_free(&house).await);
    let cancelled = house.call("salon", "c1", ANNA).say("cancel_appointment", json!({"confirm": true})).await;
    assert_eq!(cancelled["status"], "cancelled", "{cancelled}");
    assert_eq!(standing(&calendar).len(), 0);
    assert_eq!(state_of(&house, &id).await, "cancelled");
    assert_eq!(calendar.violations(), Vec::<String>::new());
}

#[tokio::test]
async fn a_move_that_is_refused_half_way_leaves_all_parts_at_the_old_time() {
    let (house, calendar) = salon(PATIENT).await;
    let in_the_way = at_three()[2];
    let (id, answer) = ask_to_move(&house, || calendar.add_busy(7, in_the_way, in_the_way + SignedDuration::from_mins(5))).await;
    assert_eq!(answer["status"], "taken", "{answer}");
    assert_eq!(starts(&calendar), at_ten());
    assert_eq!(state_of(&house, &id).await, "booked");
    assert!(!ten_is_free(&house).await);
    settle(&house).await;
    assert_eq!(starts(&calendar), at_ten());
    let cancelled = house.call("salon", "c1", ANNA).say("cancel_appointment", json!({"confirm": true})).await;
    assert_eq!(cancelled["status"], "cancelled", "the parts are still known: {cancelled}");
    assert_eq!(standing(&calendar).len(), 0);
}

#[tokio::test]
async fn whatever_befalls_a_move_ends_with_all_parts_at_one_time() {
    for (what, kind) in [
        ("500", broken()),
        ("broken off", FaultKind::DropBefore),
        ("silence", FaultKind::Hang),
        ("stored, then 500", FaultKind::StoreThenStatus(ErrorAnswer::new(500, ErrorShape::C))),
        ("stored, then 400", FaultKind::StoreThenStatus(ErrorAnswer::new(400, ErrorShape::A))),
        ("stored, then broken off", FaultKind::StoreThenDrop),
        ("stored, then silence", FaultKind::StoreThenHang),
    ] {
        let (house, calendar) = salon(patience(&kind)).await;
        let (id, answer) = ask_to_move(&house, || calendar.fault(Fault::on(Route::Reschedule, kind).after(2))).await;
        assert!(["rescheduled", "pending"].contains(&answer["status"].as_str().unwrap_or("")), "{what}: {answer}");
        settle(&house).await;
        assert_eq!(starts(&calendar), at_three(), "{what}");
        let (_, booking) =
            house.rest("salon", "GET", &format!("/api/v2/bookings/{}", id.as_str().expect("an id")), Value::Null).await;
        assert_eq!((&booking["status"], &booking["start"]), (&json!("booked"), &json!("2026-03-16T15:00:00+01:00")), "{what}");
    }
}

#[tokio::test]
async fn moving_back_that_fails_for_a_while_is_pending_and_finished_by_itself() {
    let (house, calendar) = salon(PATIENT).await;
    let in_the_way = at_three()[2];
    let (id, answer) = ask_to_move(&house, || {
        calendar.add_busy(7, in_the_way, in_the_way + SignedDuration::from_mins(5));
        calendar.fault(Fault::on(Route::Reschedule, broken()).after(3).times(4));
    })
    .await;
    assert_eq!(answer["status"], "pending", "{answer}");
    assert_ne!(starts(&calendar), at_ten());
    assert_eq!(intents(&house).await[0]["state"], "undoing");
    let meanwhile = house.call("salon", "c1", ANNA).say("cancel_appointment", json!({"confirm": true})).await;
    assert_eq!(meanwhile["status"], "callback_queued", "nothing else is begun meanwhile: {meanwhile}");
    settle(&house).await;
    assert_eq!(starts(&calendar), at_ten());
    assert_eq!(state_of(&house, &id).await, "booked");
    assert_eq!(intents(&house).await[0]["state"], "refused");
}

#[tokio::test]
async fn moving_back_that_fails_for_good_is_loud_and_a_persons() {
    let (house, calendar) = salon(PATIENT).await;
    let three = at_three();
    let (id, _) = ask_to_move(&house, || {
        calendar.add_busy(7, three[2], three[2] + SignedDuration::from_mins(5));
        calendar.fault(Fault::on(Route::Reschedule, broken()).after(3).standing());
    })
    .await;
    // Somebody takes the old time of the first part.
    calendar.add_busy(7, at(AT_TEN[0]), at(AT_TEN[0]) + SignedDuration::from_mins(5));
    house.wait(SignedDuration::from_hours(5));
    settle(&house).await;
    let intent = &intents(&house).await[0];
    assert_eq!(intent["state"], "compensation_failed", "{intent}");
    let why = intent["last_error"].as_str().expect("a reason");
    assert!(why.starts_with("2 of 4 parts left in the calendar: 1 (Wickeln), 2 (Fixieren); "), "{why}");
    assert_eq!(state_of(&house, &id).await, "needs_person");
    assert!(house.callbacks("salon").await.iter().any(|item| item["priority"] == "urgent"));
    assert!(!ten_is_free(&house).await, "both times stay blocked");
}

#[tokio::test]
async fn a_cancellation_that_stops_half_way_goes_on_by_itself() {
    for kind in [broken(), FaultKind::Hang, FaultKind::StoreThenDrop, FaultKind::StoreThenHang] {
        let (house, calendar) = salon(patience(&kind)).await;
        let booked = ask_for_a_perm(&house).await;
        assert_eq!(booked["status"], "booked", "{booked}");
        let what = format!("{kind:?}");
        calendar.fault(Fault::on(Route::Cancel, kind).after(2));
        let answer = house.call("salon", "c1", ANNA).say("cancel_appointment", json!({"confirm": true})).await;
        assert!(["pending", "cancelled"].contains(&answer["status"].as_str().unwrap_or("")), "{what}: {answer}");
        if answer["status"] == "cancelled" {
            assert_eq!(standing(&calendar).len(), 0, "{what}");
        }
        settle(&house).await;
        assert_eq!(standing(&calendar).len(), 0, "{what}");
        assert_eq!(state_of(&house, &booked["booking_id"]).await, "cancelled", "{what}");
        assert!(ten_is_free(&house).await, "{what}");
    }
}

#[tokio::test]
async fn a_cancellation_that_is_refused_for_one_part_for_good_is_loud() {
    let (house, calendar) = salon(PATIENT).await;
    let booked = ask_for_a_perm(&house).await;
    calendar.fault(Fault::on(Route::Cancel, broken()).after(2).standing());
    let answer = house.call("salon", "c1", ANNA).say("cancel_appointment", json!({"confirm": true})).await;
    assert_eq!(answer["status"], "pending", "{answer}");
    assert_eq!(standing(&calendar).len(), 2);
    house.wait(SignedDuration::from_hours(5));
    settle(&house).await;
    assert_eq!(intents(&house).await[0]["state"], "compensation_failed");
    assert_eq!(state_of(&house, &booked["booking_id"]).await, "needs_person");
}
