//! One change, one fault of the calendar: what the caller heard is so in the end, here and upstream.

use std::sync::Arc;

use frontdesk_core::clock::{Clock as _, ManualClock};
use frontdesk_testkit::calcom::{
    Booking, Config, ErrorAnswer, ErrorShape, Fault, FaultKind, RateLimit, Route, SimulatedCalCom, Status,
};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::house::{ANNA, House, NOW};

#[derive(Clone, Copy, Debug, PartialEq)]
enum Change {
    Book,
    Move,
    Cancel,
}

/// What goes wrong; `None` is a calendar that nobody can connect to.
type Befalls = Option<FaultKind>;

fn monday(hour: i64) -> Timestamp {
    "2026-03-16T00:00:00+01:00".parse::<Timestamp>().expect("a timestamp") + SignedDuration::from_hours(hour)
}

fn standing(calendar: &SimulatedCalCom) -> Vec<Booking> {
    calendar.bookings().into_iter().filter(|it| it.status == Status::Accepted).collect()
}

async fn befalls(change: Change, fault: Befalls) {
    let clock = Arc::new(ManualClock::new(NOW.parse().expect("a timestamp")));
    let for_calendar = Arc::clone(&clock);
    let config = Config::salon().clock(Arc::new(move || for_calendar.now())).rate_limit(Some(RateLimit::of(10_000)));
    let calendar = SimulatedCalCom::start(config).await;
    let tenant = include_str!("tenants/calcom.toml").replace("BASE_URL", &calendar.base_url());
    let house = House::at(clock, &[&tenant], |_| {}).await;
    let call = house.call("salon", "c1", ANNA);
    let what = format!("{change:?} and {fault:?}");
    let (function, args, route) = match change {
        Change::Book => {
            let slot = call.slot("Herrenhaarschnitt", "Montag", "14 Uhr").await;
            ("book_appointment", json!({"slot_id": slot, "name": "Anna Schmidt"}), Route::Create)
        }
        Change::Move | Change::Cancel => {
            call.booked("Herrenhaarschnitt", "Montag", "14 Uhr", "Anna Schmidt").await;
            let to = json!({"new_date": "Montag", "new_time": "16 Uhr", "confirm": true});
            match change {
                Change::Cancel => ("cancel_appointment", json!({"confirm": true}), Route::Cancel),
                Change::Book | Change::Move => {
                    // The question whether it is free is another one.
                    let slot = json!({"new_date": "Montag", "new_time": "16 Uhr"});
                    assert_eq!(call.say("reschedule_appointment", slot).await["status"], "needs_confirmation");
                    ("reschedule_appointment", to, Route::Reschedule)
                }
            }
        }
    };
    match &fault {
        Some(kind) => calendar.fault(Fault::on(route, kind.clone())),
        None => calendar.down().await,
    }
    let heard = call.say(function, args).await;
    assert_eq!(calendar.faults_waiting(), 0, "{what}: it happened");
    if fault.is_none() {
        calendar.up().await;
    }
    for _ in 0..8 {
        house.wait(SignedDuration::from_secs(31));
        house.inner.settle().await.expect("settled");
    }
    let there = standing(&calendar);
    let is_at = |hour: i64| there.len() == 1 && there[0].start == monday(hour);
    let found = call.say("find_appointments", json!({})).await;
    let here: Vec<(Value, Option<Timestamp>)> = found["appointments"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|it| (it["status"].clone(), it["start"].as_str().and_then(|start| start.parse().ok())))
        .collect();
    let is_listed = !house.callbacks("salon").await.is_empty();
    let is_true = match (change, heard["status"].as_str().unwrap_or("")) {
        (Change::Book, "booked") => is_at(14),
        (Change::Book, "pending") => is_at(14) || is_listed,
        (Change::Move, "rescheduled") => is_at(16),
        (Change::Move, "pending") => is_at(16) || is_listed,
        (Change::Cancel, "cancelled") => there.is_empty(),
        (Change::Cancel, "pending") => there.is_empty() || is_listed,
        // A no leaves all as it was, and a caller who got nothing is on the list or hears of other times.
        (Change::Book, "taken" | "temporarily_unavailable" | "invalid" | "denied") => there.is_empty(),
        (Change::Move | Change::Cancel, "taken" | "temporarily_unavailable") => is_at(14),
        _ => false,
    };
    assert!(is_true, "{what}: heard {heard}, upstream {there:?}, listed {is_listed}");
    let upstream: Vec<(Value, Option<Timestamp>)> = there.iter().map(|it| (json!("booked"), Some(it.start))).collect();
    assert!(here == upstream || is_listed, "{what}: here {found}, upstream {there:?}");
}

fn refusal(status: u16) -> ErrorAnswer {
    ErrorAnswer::new(status, ErrorShape::A)
}

async fn each_befalls(change: Change) {
    for fault in [
        None,
        Some(FaultKind::Status(refusal(400))),
        Some(FaultKind::Status(refusal(500))),
        Some(FaultKind::StoreThenStatus(refusal(400))),
        Some(FaultKind::StoreThenStatus(refusal(500))),
        Some(FaultKind::StoreThenDrop),
        Some(FaultKind::DropBefore),
    ] {
        befalls(change, fault).await;
    }
}

#[tokio::test]
async fn whatever_befalls_one_booking_it_is_the_same_here_and_there() {
    each_befalls(Change::Book).await;
}

#[tokio::test]
async fn whatever_befalls_one_move_it_is_the_same_here_and_there() {
    each_befalls(Change::Move).await;
}

#[tokio::test]
async fn whatever_befalls_one_cancellation_it_is_the_same_here_and_there() {
    each_befalls(Change::Cancel).await;
}

#[tokio::test]
async fn a_calendar_that_asks_for_a_rest_loses_no_booking_move_or_cancellation() {
    for change in [Change::Book, Change::Move, Change::Cancel] {
        befalls(change, Some(FaultKind::Status(refusal(429)))).await;
    }
}

#[tokio::test]
async fn an_answer_that_is_garbage_is_looked_up_and_not_believed() {
    for change in [Change::Book, Change::Move, Change::Cancel] {
        befalls(change, Some(FaultKind::Garbage)).await;
    }
}

#[tokio::test]
async fn a_move_that_answers_another_start_is_not_called_done_unless_it_is() {
    befalls(Change::Move, Some(FaultKind::WrongStart)).await;
}
