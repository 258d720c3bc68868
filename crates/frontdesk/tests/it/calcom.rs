//! The same promises on Cal.com, with everything that can go wrong there.

use std::sync::Arc;
use std::time::Duration;

use frontdesk::config::secrets::SecretSource;
use frontdesk_core::clock::{Clock as _, ManualClock};
use frontdesk_core::sensitive::Secret;
use frontdesk_testkit::calcom::{Config, ErrorAnswer, ErrorShape, Fault, FaultKind, RateLimit, Route, SimulatedCalCom};
use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::house::{ANNA, BERND, House, NOW};

const TENANT: &str = include_str!("tenants/calcom.toml");

/// A salon whose calendar is the simulated one, with short budgets so that a slow calendar is slow soon.
async fn salon(write: Duration) -> (House, SimulatedCalCom) {
    salon_with(write, |_| {}).await
}

async fn salon_with(write: Duration, change: impl FnOnce(&mut Config)) -> (House, SimulatedCalCom) {
    let clock = Arc::new(ManualClock::new(NOW.parse().expect("a timestamp")));
    let for_calendar = Arc::clone(&clock);
    let mut config = Config::salon().clock(Arc::new(move || for_calendar.now())).rate_limit(Some(RateLimit::of(10_000)));
    change(&mut config);
    let calendar = SimulatedCalCom::start(config).await;
    let tenant = TENANT.replace("BASE_URL", &calendar.base_url());
    let house = House::at(clock, &[&tenant], |config| {
        config.live.deadlines.write = write;
        // The clock stands still while a story looks again and again.
        config.live.rate_limit.default = 100_000;
        config.server.admin_key = Some(SecretSource::Literal(Secret::new("operator")));
    })
    .await;
    (house, calendar)
}

/// Settles until nothing is due any more, moving the clock past every pause.
async fn settle(house: &House) {
    for _ in 0..12 {
        house.wait(SignedDuration::from_secs(31));
        house.inner.settle().await.expect("settled");
    }
}

/// Looks again and again until it is so, for half a minute at most.
async fn eventually(is_so: impl AsyncFn() -> bool) {
    let mut looks = tokio::time::interval(Duration::from_millis(5));
    for _ in 0..6000 {
        if is_so().await {
            return;
        }
        looks.tick().await;
    }
    panic!("it never became so");
}

fn standing(calendar: &SimulatedCalCom) -> usize {
    calendar.bookings().iter().filter(|booking| booking.status == frontdesk_testkit::calcom::Status::Accepted).count()
}

async fn booked_state(house: &House, id: &Value) -> String {
    let id = id.as_str().expect("an id");
    let (_, booking) = house.rest("salon", "GET", &format!("/api/v2/bookings/{id}"), Value::Null).await;
    booking["status"].as_str().unwrap_or("").to_owned()
}

#[tokio::test]
async fn a_whole_german_call_makes_one_booking_with_our_intent_and_breaks_no_rule() {
    let (house, calendar) = salon(Duration::from_secs(6)).await;
    let call = house.call("salon", "c1", ANNA);
    let booked = call.booked("Herrenhaarschnitt", "morgen", "14 Uhr", "Anna Schmidt").await;
    assert_eq!(booked["start"], "2026-03-13T14:00:00+01:00");
    assert_eq!(booked["staff"], "Emma");
    let bookings = calendar.bookings();
    assert_eq!(bookings.len(), 1, "{bookings:?}");
    assert!(bookings[0].metadata["frontdesk_intent"].as_str().is_some_and(|id| id.starts_with("i_")), "{bookings:?}");
    let moved = call.say("reschedule_appointment", json!({"new_date": "Montag", "new_time": "10 Uhr", "confirm": true})).await;
    assert_eq!(moved["status"], "rescheduled", "{moved}");
    assert_eq!(moved["booking_id"], booked["booking_id"]);
    assert_eq!(standing(&calendar), 1);
    let cancelled = call.say("cancel_appointment", json!({"confirm": true})).await;
    assert_eq!(cancelled["status"], "cancelled", "{cancelled}");
    assert_eq!(standing(&calendar), 0);
    assert_eq!(calendar.violations(), Vec::<String>::new());
}

#[tokio::test]
async fn what_the_calendar_does_not_offer_is_not_free() {
    let (house, calendar) = salon(Duration::from_secs(6)).await;
    calendar.add_busy(
        7,
        "2026-03-13T14:00:00+01:00".parse().expect("a start"),
        "2026-03-13T15:00:00+01:00".parse().expect("an end"),
    );
    let call = house.call("salon", "c1", ANNA);
    let answer = call
        .say("check_availability", json!({"service": "Herrenhaarschnitt", "staff": "Emma", "date": "morgen", "time": "14 Uhr"}))
        .await;
    assert_eq!(answer["status"], "offered", "{answer}");
}

#[tokio::test]
async fn fifty_callers_for_one_slot_have_one_winner() {
    let (house, calendar) = salon(Duration::from_secs(6)).await;
    let ids: Vec<String> = (0..50).map(|number| format!("c{number}")).collect();
    let asks = ids.iter().map(|id| {
        let call = house.call("salon", id, BERND);
        async move {
            (
                call,
                call.say("check_availability", json!({"service": "Damenhaarschnitt", "date": "Montag", "time": "10 Uhr"})).await,
            )
        }
    });
    let mut winners = 0;
    for (call, answer) in futures_util::future::join_all(asks).await {
        if answer["status"] == "available" {
            let done = call.say("book_appointment", json!({"slot_id": answer["slots"][0]["slot_id"], "name": "Bernd"})).await;
            assert_eq!(done["status"], "booked", "nobody is told free and then taken: {done}");
            winners += 1;
        }
    }
    assert_eq!((winners, standing(&calendar)), (1, 1));
}

#[tokio::test]
async fn a_refusal_after_storing_is_found_by_the_intent() {
    for fault in [Fault::store_then_status(Route::Create, 400), Fault::store_then_status(Route::Create, 500)] {
        let (house, calendar) = salon(Duration::from_secs(6)).await;
        calendar.fault(fault);
        let call = house.call("salon", "c1", ANNA);
        let slot = call.slot("Herrenhaarschnitt", "morgen", "14 Uhr").await;
        let answer = call.say("book_appointment", json!({"slot_id": slot, "name": "Anna Schmidt"})).await;
        assert_eq!(answer["status"], "booked", "{answer}");
        assert_eq!(standing(&calendar), 1);
    }
}

#[tokio::test]
async fn a_connection_that_breaks_after_storing_is_never_a_second_booking() {
    let (house, calendar) = salon(Duration::from_secs(6)).await;
    calendar.fault(Fault::on(Route::Create, FaultKind::StoreThenDrop));
    let call = house.call("salon", "c1", ANNA);
    let slot = call.slot("Herrenhaarschnitt", "morgen", "14 Uhr").await;
    let answer = call.say("book_appointment", json!({"slot_id": slot, "name": "Anna Schmidt"})).await;
    assert_eq!(answer["status"], "booked", "{answer}");
    settle(&house).await;
    assert_eq!(standing(&calendar), 1);
}

#[tokio::test]
async fn a_refused_request_is_never_booked_and_is_looked_for_afterwards() {
    let (house, calendar) = salon(Duration::from_secs(6)).await;
    let call = house.call("salon", "c1", ANNA);
    let slot = call.slot("Herrenhaarschnitt", "morgen", "14 Uhr").await;
    for host in [7, 8] {
        calendar.add_busy(
            host,
            "2026-03-13T14:00:00+01:00".parse().expect("a start"),
            "2026-03-13T15:00:00+01:00".parse().expect("an end"),
        );
    }
    let answer = call.say("book_appointment", json!({"slot_id": slot, "name": "Anna Schmidt"})).await;
    assert_eq!(answer["status"], "taken", "{answer}");
    assert!(answer["slots"].as_array().is_some_and(|slots| !slots.is_empty()), "{answer}");
    settle(&house).await;
    assert_eq!(standing(&calendar), 0);
}

#[tokio::test]
async fn a_calendar_that_is_down_means_pending_a_work_item_and_one_booking_later() {
    let (house, calendar) = salon(Duration::from_secs(6)).await;
    let call = house.call("salon", "c1", ANNA);
    let slot = call.slot("Herrenhaarschnitt", "Montag", "14 Uhr").await;
    calendar.down().await;
    let answer = call.say("book_appointment", json!({"slot_id": slot, "name": "Anna Schmidt"})).await;
    assert_eq!(answer["status"], "pending", "{answer}");
    assert!(!answer["message"].as_str().unwrap_or("").contains("gebucht"), "{answer}");
    assert_eq!(house.callbacks("salon").await.len(), 1);
    let (status, early) = house
        .rest("salon", "DELETE", &format!("/api/v2/bookings/{}", answer["booking_id"].as_str().expect("an id")), Value::Null)
        .await;
    assert_eq!(
        (status.as_u16(), early["code"].as_str()),
        (409, Some("state_conflict")),
        "nothing is promised of it yet: {early}"
    );
    settle(&house).await;
    calendar.up().await;
    // The breaker has opened meanwhile: from here on a few are let through again.
    house.wait(SignedDuration::from_secs(61));
    let meanwhile = house
        .call("salon", "c2", BERND)
        .say("check_availability", json!({"service": "Herrenhaarschnitt", "staff": "Emma", "date": "Montag", "time": "14 Uhr"}))
        .await;
    assert_ne!(meanwhile["status"], "available", "the slot stays blocked here: {meanwhile}");
    settle(&house).await;
    assert_eq!(booked_state(&house, &answer["booking_id"]).await, "booked");
    assert_eq!(standing(&calendar), 1);
    assert!(house.callbacks("salon").await.is_empty(), "the work item closes itself");
}

#[tokio::test]
async fn a_question_that_the_calendar_does_not_answer_is_said_and_put_on_the_list() {
    let (house, calendar) = salon(Duration::from_secs(6)).await;
    calendar.down().await;
    let answer = house
        .call("salon", "c1", ANNA)
        .say("check_availability", json!({"service": "Herrenhaarschnitt", "date": "Montag", "time": "14 Uhr"}))
        .await;
    assert_eq!(answer["status"], "temporarily_unavailable", "{answer}");
    assert!(answer["callback_id"].is_string(), "{answer}");
    assert_eq!(house.callbacks("salon").await.len(), 1);
}

#[tokio::test]
async fn a_slow_calendar_is_pending_within_the_budget_and_booked_once_it_settles() {
    let (house, calendar) = salon(Duration::from_millis(400)).await;
    let call = house.call("salon", "c1", ANNA);
    let slot = call.slot("Herrenhaarschnitt", "Montag", "14 Uhr").await;
    calendar.fault(Fault::on(Route::Create, FaultKind::DelayBefore(Duration::from_millis(700))));
    let args = json!({"slot_id": slot, "name": "Anna Schmidt"});
    let first = call.say_as("t1", "book_appointment", args.clone()).await;
    assert_eq!(first["status"], "pending", "{first}");
    let retry = call.say_as("t1", "book_appointment", args.clone()).await;
    assert_eq!(retry["status"], "pending", "the platform's retry gets the first answer: {retry}");
    house.wait(SignedDuration::from_secs(10));
    let second = call.say_as("t2", "book_appointment", args.clone()).await;
    assert!(["pending", "booked"].contains(&second["status"].as_str().unwrap_or("")), "{second}");
    eventually(async || {
        // Whoever looks this often without time going on meets the limit of the interface, and never sees it.
        house.wait(SignedDuration::from_secs(2));
        booked_state(&house, &first["booking_id"]).await == "booked"
    })
    .await;
    house.wait(SignedDuration::from_secs(10));
    let third = call.say_as("t3", "book_appointment", args).await;
    assert_eq!(third["status"], "booked", "{third}");
    assert_eq!(first["booking_id"], third["booking_id"]);
    assert_eq!(standing(&calendar), 1);
    assert!(house.callbacks("salon").await.is_empty(), "the work item closes itself");
}

#[tokio::test]
async fn another_start_than_asked_is_cancelled_and_not_called_booked() {
    let (house, calendar) = salon(Duration::from_secs(6)).await;
    calendar.fault(Fault::on(Route::Create, FaultKind::WrongStart));
    let call = house.call("salon", "c1", ANNA);
    let slot = call.slot("Herrenhaarschnitt", "Montag", "14 Uhr").await;
    let answer = call.say("book_appointment", json!({"slot_id": slot, "name": "Anna Schmidt"})).await;
    assert_ne!(answer["status"], "booked", "{answer}");
}

#[tokio::test]
async fn somebody_elses_booking_is_never_taken_for_ours() {
    let (house, calendar) = salon(Duration::from_secs(6)).await;
    house.call("salon", "c0", BERND).booked("Herrenhaarschnitt", "Montag", "10 Uhr", "Bernd").await;
    calendar.fault(Fault::on(Route::Create, FaultKind::OldBooking));
    let call = house.call("salon", "c1", ANNA);
    let slot = call.slot("Herrenhaarschnitt", "Montag", "14 Uhr").await;
    let answer = call.say("book_appointment", json!({"slot_id": slot, "name": "Anna Schmidt"})).await;
    assert_ne!(answer["status"], "booked", "{answer}");
}

#[tokio::test]
async fn a_cancellation_that_the_calendar_does_not_answer_is_pending_and_done_later() {
    let (house, calendar) = salon(Duration::from_secs(6)).await;
    let call = house.call("salon", "c1", ANNA);
    let booked = call.booked("Herrenhaarschnitt", "Montag", "14 Uhr", "Anna Schmidt").await;
    calendar.down().await;
    let answer = call.say("cancel_appointment", json!({"confirm": true})).await;
    assert_eq!(answer["status"], "pending", "{answer}");
    calendar.up().await;
    settle(&house).await;
    assert_eq!(booked_state(&house, &booked["booking_id"]).await, "cancelled");
    assert_eq!(standing(&calendar), 0);
}

#[tokio::test]
async fn slots_without_an_offset_are_not_guessed() {
    let (house, calendar) = salon(Duration::from_secs(6)).await;
    calendar.fault(Fault::on(Route::Slots, FaultKind::SlotsWithoutOffset).standing());
    let answer = house
        .call("salon", "c1", ANNA)
        .say("check_availability", json!({"service": "Herrenhaarschnitt", "date": "Montag", "time": "14 Uhr"}))
        .await;
    assert_eq!(answer["status"], "temporarily_unavailable", "{answer}");
}

#[tokio::test]
async fn a_booking_that_the_business_has_to_confirm_is_not_booked_before_it_does() {
    let confirmed = |config: &mut Config| {
        for event_type in &mut config.event_types {
            event_type.requires_confirmation = true;
        }
    };
    let (house, calendar) = salon_with(Duration::from_secs(6), confirmed).await;
    let call = house.call("salon", "c1", ANNA);
    let slot = call.slot("Herrenhaarschnitt", "Montag", "14 Uhr").await;
    let answer = call.say("book_appointment", json!({"slot_id": slot, "name": "Anna Schmidt"})).await;
    assert_eq!(answer["status"], "pending", "{answer}");
    settle(&house).await;
    assert_eq!(booked_state(&house, &answer["booking_id"]).await, "pending", "nobody has said yes");
    assert_eq!(calendar.bookings().len(), 1, "and it is not made again");
    let uid = calendar.bookings()[0].uid.clone();
    calendar.set_status(&uid, frontdesk_testkit::calcom::Status::Accepted);
    settle(&house).await;
    assert_eq!(booked_state(&house, &answer["booking_id"]).await, "booked");
}

#[tokio::test]
async fn a_lookup_that_lags_behind_makes_no_second_booking() {
    let (house, calendar) = salon(Duration::from_secs(6)).await;
    let call = house.call("salon", "c1", ANNA);
    let slot = call.slot("Herrenhaarschnitt", "Montag", "14 Uhr").await;
    calendar.fault(Fault::store_then_status(Route::Create, 500));
    calendar.fault(Fault::on(Route::List, FaultKind::StaleList).times(2));
    let answer = call.say("book_appointment", json!({"slot_id": slot, "name": "Anna Schmidt"})).await;
    assert!(["pending", "booked"].contains(&answer["status"].as_str().unwrap_or("")), "{answer}");
    settle(&house).await;
    assert_eq!(booked_state(&house, &answer["booking_id"]).await, "booked");
    assert_eq!(standing(&calendar), 1);
}

#[tokio::test]
async fn too_many_requests_is_said_and_nothing_is_lost() {
    let (house, calendar) = salon(Duration::from_secs(6)).await;
    let call = house.call("salon", "c1", ANNA);
    let slot = call.slot("Herrenhaarschnitt", "Montag", "14 Uhr").await;
    calendar.fault(Fault::status(Route::Create, 429, frontdesk_testkit::calcom::ErrorShape::A).times(2));
    let answer = call.say("book_appointment", json!({"slot_id": slot, "name": "Anna Schmidt"})).await;
    assert_eq!(answer["status"], "pending", "{answer}");
    settle(&house).await;
    assert_eq!(booked_state(&house, &answer["booking_id"]).await, "booked");
    assert_eq!(standing(&calendar), 1);
}

#[tokio::test]
async fn a_booking_that_turns_up_at_another_time_is_a_persons_and_never_called_booked() {
    let (house, calendar) = salon(Duration::from_millis(400)).await;
    let call = house.call("salon", "c1", ANNA);
    let slot = call.slot("Herrenhaarschnitt", "Montag", "14 Uhr").await;
    calendar.fault(Fault::on(Route::Create, FaultKind::StoreThenHang));
    let answer = call.say("book_appointment", json!({"slot_id": slot, "name": "Anna Schmidt"})).await;
    assert_eq!(answer["status"], "pending", "{answer}");
    calendar.set_start(&calendar.bookings()[0].uid, "2026-03-16T14:30:00+01:00".parse().expect("a start"));
    settle(&house).await;
    assert_eq!(booked_state(&house, &answer["booking_id"]).await, "needs_person");
    let causes: Vec<Value> = house.callbacks("salon").await.iter().map(|item| item["cause"].clone()).collect();
    assert!(causes.contains(&json!("unsettled")), "{causes:?}");
    assert_eq!(calendar.bookings().len(), 1, "and it is not made again");
}

#[tokio::test]
async fn a_business_that_never_confirms_or_says_no_leaves_a_work_item() {
    for (says_no, state) in [(true, "refused"), (false, "needs_person")] {
        let confirmed = |config: &mut Config| config.event_types.iter_mut().for_each(|it| it.requires_confirmation = true);
        let (house, calendar) = salon_with(Duration::from_secs(6), confirmed).await;
        let call = house.call("salon", "c1", ANNA);
        let slot = call.slot("Herrenhaarschnitt", "Montag", "14 Uhr").await;
        let answer = call.say("book_appointment", json!({"slot_id": slot, "name": "Anna Schmidt"})).await;
        assert_eq!(answer["status"], "pending", "{answer}");
        if says_no {
            calendar.set_status(&calendar.bookings()[0].uid, frontdesk_testkit::calcom::Status::Rejected);
        } else {
            house.wait(SignedDuration::from_hours(5));
        }
        settle(&house).await;
        assert_eq!(booked_state(&house, &answer["booking_id"]).await, state);
        let causes: Vec<Value> = house.callbacks("salon").await.iter().map(|item| item["cause"].clone()).collect();
        assert!(causes.contains(&json!("unsettled")), "{causes:?}");
    }
}

#[tokio::test]
async fn a_cancellation_while_a_move_is_open_is_a_work_item_that_outlives_the_move() {
    let (house, calendar) = salon(Duration::from_secs(6)).await;
    let call = house.call("salon", "c1", ANNA);
    let booked = call.booked("Herrenhaarschnitt", "Montag", "14 Uhr", "Anna Schmidt").await;
    let asked = call.say("reschedule_appointment", json!({"new_time": "16 Uhr"})).await;
    assert_eq!(asked["status"], "needs_confirmation", "{asked}");
    calendar.down().await;
    let moving = call.say("reschedule_appointment", json!({"slot_id": asked["slots"][0]["slot_id"]})).await;
    assert_eq!(moving["status"], "pending", "{moving}");
    let cancel = call.say("cancel_appointment", json!({"confirm": true})).await;
    assert_eq!(cancel["status"], "callback_queued", "{cancel}");
    let elsewhere = call.say("reschedule_appointment", json!({"new_time": "11 Uhr", "confirm": true})).await;
    assert_ne!(elsewhere["status"], "rescheduled", "{elsewhere}");
    assert_ne!(elsewhere["status"], "taken", "its time is not what is in the way: {elsewhere}");
    calendar.up().await;
    settle(&house).await;
    assert_eq!(booked_state(&house, &booked["booking_id"]).await, "booked");
    let waiting = house.callbacks("salon").await;
    let still = waiting.iter().any(|item| item["callback_id"] == cancel["callback_id"]);
    assert!(still, "somebody still has to call about the cancellation: {waiting:?}");
}

#[tokio::test]
async fn the_whole_error_of_the_calendar_is_on_the_calls_page_without_the_caller() {
    let (house, calendar) = salon(Duration::from_secs(6)).await;
    let call = house.call("salon", "c1", ANNA);
    let slot = call.slot("Herrenhaarschnitt", "Montag", "14 Uhr").await;
    let long = format!("{} for Anna Schmidt, anna@example.org: the end", "no ".repeat(35_000));
    calendar.fault(Fault::on(Route::Create, FaultKind::Status(ErrorAnswer::new(500, ErrorShape::A).message(&long))));
    call.say("book_appointment", json!({"slot_id": slot, "name": "Anna Schmidt"})).await;
    house.inner.write_down().await.expect("written");
    let request = axum::http::Request::get("/api/admin/calls/c1")
        .header("authorization", "Bearer operator")
        .body(axum::body::Body::empty())
        .expect("a request");
    let (status, page, _) = house.send(request).await;
    assert_eq!(status, 200, "{page}");
    let exchanges = page["items"][1]["exchanges"].as_array().expect("exchanges");
    let refused = exchanges.iter().find(|it| it["status"] == 500).expect("the error is there").to_string();
    assert!(refused.len() > 100_000 && refused.contains("the end"), "{} bytes", refused.len());
    assert!(!page.to_string().contains("anna@example.org") && !page.to_string().contains("+49151"), "no caller in it");
    assert!(exchanges.iter().filter(|it| it["route"] == "/v2/bookings").count() >= 2, "the lookup is there as well");
    let sent = exchanges.iter().find(|it| it["method"] == "POST").expect("the request is there");
    assert!(!sent["sent"].to_string().contains("Schmidt"), "{sent}");
}
