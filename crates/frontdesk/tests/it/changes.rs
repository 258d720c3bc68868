//! Callers find, move and cancel their own appointments; what cannot be met is on a list.

use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::house::{ANNA, BERND, House};

#[tokio::test]
async fn a_caller_hears_of_own_appointments_only() {
    let house = House::open().await;
    house.call("salon", "c1", ANNA).booked("Beratung", "Montag", "10 Uhr", "Anna Schmidt").await;
    house.call("salon", "c2", BERND).booked("Beratung", "Montag", "11 Uhr", "Bernd Beispiel").await;
    let own = house.call("salon", "c3", ANNA).say("find_appointments", json!({})).await;
    assert_eq!(own["status"], "ok", "{own}");
    assert_eq!(own["appointments"].as_array().map(Vec::len), Some(1), "{own}");
    assert_eq!(own["appointments"][0]["start"], "2026-03-16T10:00:00+01:00");
    assert!(!own.to_string().contains("Bernd"));
    let stranger = house.call("salon", "c4", "+4915100000000").say("find_appointments", json!({})).await;
    assert_eq!(stranger["status"], "not_found", "{stranger}");
    let elsewhere = house.call("practice", "c5", ANNA).say("find_appointments", json!({})).await;
    assert_eq!(elsewhere["status"], "not_found", "{elsewhere}");
}

#[tokio::test]
async fn cancelling_names_the_appointment_first_and_the_same_again_is_the_yes() {
    let house = House::open().await;
    let booked = house.call("salon", "c1", ANNA).booked("Beratung", "Montag", "10 Uhr", "Anna Schmidt").await;
    let call = house.call("salon", "c2", ANNA);
    let first = call.say("cancel_appointment", json!({"date": "Montag"})).await;
    assert_eq!(first["status"], "needs_confirmation", "{first}");
    house.wait(SignedDuration::from_secs(10));
    let second = call.say("cancel_appointment", json!({"date": "Montag"})).await;
    assert_eq!(second["status"], "cancelled", "{second}");
    assert_eq!(second["booking_id"], booked["booking_id"]);
    let free_again = house
        .call("salon", "c3", BERND)
        .say("check_availability", json!({"service": "Beratung", "date": "Montag", "time": "10 Uhr"}))
        .await;
    assert_eq!(free_again["status"], "available", "{free_again}");
}

#[tokio::test]
async fn moving_holds_the_new_time_and_moves_one_appointment() {
    let house = House::open().await;
    let monday = house.call("salon", "c1", ANNA).booked("Beratung", "Montag", "10 Uhr", "Anna Schmidt").await;
    house.call("salon", "c1", ANNA).booked("Beratung", "Dienstag", "11 Uhr", "Anna Schmidt").await;
    let call = house.call("salon", "c2", ANNA);
    let which = call.say("reschedule_appointment", json!({"new_date": "19.03.2026", "new_time": "10 Uhr"})).await;
    assert_eq!(which["status"], "ambiguous", "{which}");
    let ask = call.say("reschedule_appointment", json!({"date": "Montag", "new_date": "19.03.2026", "new_time": "10 Uhr"})).await;
    assert_eq!(ask["status"], "needs_confirmation", "{ask}");
    let moved = call
        .say("reschedule_appointment", json!({"booking_id": monday["booking_id"], "slot_id": ask["slots"][0]["slot_id"]}))
        .await;
    assert_eq!(moved["status"], "rescheduled", "{moved}");
    assert_eq!(moved["booking_id"], monday["booking_id"]);
    assert_eq!(
        (&moved["start"], &moved["old_start"]),
        (&json!("2026-03-19T10:00:00+01:00"), &json!("2026-03-16T10:00:00+01:00"))
    );
    let own = call.say("find_appointments", json!({})).await;
    assert_eq!(own["appointments"].as_array().map(Vec::len), Some(2), "{own}");
}

#[tokio::test]
async fn moving_into_the_own_old_time_is_no_conflict() {
    let house = House::open().await;
    house.call("salon", "c1", ANNA).booked("Herrenhaarschnitt", "Montag", "9 Uhr", "Anna Schmidt").await;
    let moved =
        house.call("salon", "c2", ANNA).say("reschedule_appointment", json!({"new_time": "09:30", "confirm": true})).await;
    assert_eq!(moved["status"], "rescheduled", "{moved}");
    assert_eq!(moved["start"], "2026-03-16T09:30:00+01:00");
}

#[tokio::test]
async fn deadlines_are_real_hours_over_a_change_of_the_clocks() {
    let house = House::open().await;
    house.call("salon", "c1", ANNA).booked("Beratung", "30.03.2026", "10 Uhr", "Anna Schmidt").await;
    // The clocks go forward on the 29th: 24 real hours before Monday 10:00 is Sunday 10:00.
    house.set_clock("2026-03-29T09:59:00+02:00");
    let in_time = house.call("salon", "c2", ANNA).say("cancel_appointment", json!({})).await;
    assert_eq!(in_time["status"], "needs_confirmation", "{in_time}");
    house.set_clock("2026-03-29T10:01:00+02:00");
    let late = house.call("salon", "c3", ANNA).say("cancel_appointment", json!({"confirm": true})).await;
    assert_eq!((late["status"].as_str(), late["reason"].as_str()), (Some("denied"), Some("deadline_missed")), "{late}");
}

#[tokio::test]
async fn an_anonymous_change_is_a_work_item() {
    let house = House::open().await;
    house.call("salon", "c1", ANNA).booked("Beratung", "Montag", "10 Uhr", "Anna Schmidt").await;
    for function in ["cancel_appointment", "reschedule_appointment"] {
        let answer = house
            .call("salon", function, "anonymous")
            .say(function, json!({"date": "Montag", "name": "Anna Schmidt", "confirm": true}))
            .await;
        assert_eq!(answer["status"], "callback_queued", "{answer}");
    }
    let list = house.callbacks("salon").await;
    assert_eq!(list.len(), 2, "{list:?}");
}

#[tokio::test]
async fn a_callback_is_asked_for_and_closed_when_the_caller_books() {
    let house = House::open().await;
    let call = house.call("salon", "c1", ANNA);
    let queued =
        call.say("request_callback", json!({"name": "Anna Schmidt", "reason": "Farbe", "preferred_time": "nachmittags"})).await;
    assert_eq!(queued["status"], "callback_queued", "{queued}");
    assert!(queued["callback_id"].as_str().is_some_and(|id| id.starts_with("c_")));
    let hidden = house.call("salon", "c2", "anonymous").say("request_callback", json!({"name": "Max"})).await;
    assert_eq!((hidden["status"].as_str(), &hidden["missing"]), (Some("needs_input"), &json!(["phone"])), "{hidden}");
    let reachable =
        house.call("salon", "c2", "anonymous").say("request_callback", json!({"name": "Max", "phone": "0151 98765432"})).await;
    assert_eq!(reachable["status"], "callback_queued", "{reachable}");
    assert_eq!(house.callbacks("salon").await.len(), 2);
    assert!(house.callbacks("practice").await.is_empty());
}

#[tokio::test]
async fn the_rest_surface_books_moves_and_cancels_under_the_same_rules() {
    let house = House::open().await;
    let wish =
        json!({"service": "Beratung", "start": "2026-03-16T10:00:00+01:00", "name": "Carla Test", "phone": "+4915111112222"});
    let (status, booked) = house.rest("salon", "POST", "/api/v2/bookings", wish.clone()).await;
    assert_eq!(status, 201, "{booked}");
    assert_eq!(booked["status"], "booked");
    let (status, taken) = house.rest("salon", "POST", "/api/v2/bookings", wish).await;
    assert_eq!((status.as_u16(), &taken["code"]), (409, &json!("slot_taken")), "{taken}");
    let id = booked["booking_id"].as_str().expect("an id");
    let (status, closed) = house
        .rest("salon", "PATCH", &format!("/api/v2/bookings/{id}/reschedule"), json!({"start": "2026-03-18T10:00:00+01:00"}))
        .await;
    assert_eq!((status.as_u16(), &closed["code"]), (422, &json!("closed")), "{closed}");
    let (status, moved) = house
        .rest("salon", "PATCH", &format!("/api/v2/bookings/{id}/reschedule"), json!({"start": "2026-03-17T10:00:00+01:00"}))
        .await;
    assert_eq!(status, 200, "{moved}");
    assert_eq!(moved["booking_id"], id);
    let (status, foreign) = house.rest("practice", "GET", &format!("/api/v2/bookings/{id}"), Value::Null).await;
    assert_eq!(status, 404, "{foreign}");
    let (status, gone) = house.rest("salon", "DELETE", &format!("/api/v2/bookings/{id}"), Value::Null).await;
    assert_eq!((status.as_u16(), &gone["status"]), (200, &json!("cancelled")), "{gone}");
}

#[tokio::test]
async fn an_idempotency_key_gives_the_first_answer_again() {
    let house = House::open().await;
    let wish =
        json!({"service": "Beratung", "start": "2026-03-16T10:00:00+01:00", "name": "Carla Test", "phone": "+4915111112222"});
    let key = [("idempotency-key", "abc-1")];
    let (_, one) = house.rest_with("salon", "POST", "/api/v2/bookings", wish.clone(), &key).await;
    let (status, two) = house.rest_with("salon", "POST", "/api/v2/bookings", wish, &key).await;
    assert_eq!((status.as_u16(), &one["booking_id"]), (201, &two["booking_id"]), "{two}");
    let other = json!({"service": "Beratung", "start": "2026-03-16T12:00:00+01:00", "name": "Carla Test"});
    let (status, mismatch) = house.rest_with("salon", "POST", "/api/v2/bookings", other, &key).await;
    assert_eq!(status, 422, "{mismatch}");
}

#[tokio::test]
async fn the_same_change_later_is_answered_again_and_not_done_again() {
    let house = House::open().await;
    let call = house.call("salon", "c1", ANNA);
    let booked = call.booked("Beratung", "Montag", "10 Uhr", "Anna Schmidt").await;
    let args = json!({"new_time": "11 Uhr", "confirm": true});
    let moved = call.say("reschedule_appointment", args.clone()).await;
    assert_eq!(moved["status"], "rescheduled", "{moved}");
    house.wait(SignedDuration::from_secs(10));
    let again = call.say("reschedule_appointment", args).await;
    assert_eq!((&again["status"], &again["old_start"]), (&json!("rescheduled"), &booked["start"]), "{again}");
    let gone = call.say("cancel_appointment", json!({"confirm": true})).await;
    assert_eq!(gone["status"], "cancelled", "{gone}");
    house.wait(SignedDuration::from_secs(10));
    let again = call.say("cancel_appointment", json!({"confirm": true})).await;
    assert_eq!((&again["status"], &again["booking_id"]), (&json!("cancelled"), &booked["booking_id"]), "{again}");
    let stranger = house.call("salon", "c2", BERND).say("cancel_appointment", json!({"confirm": true})).await;
    assert_eq!(stranger["status"], "not_found", "{stranger}");
}

#[tokio::test]
async fn a_yes_is_about_the_appointment_that_was_named_and_no_other() {
    let house = House::open().await;
    let call = house.call("salon", "c1", ANNA);
    let first = call.booked("Beratung", "Montag", "10 Uhr", "Anna Schmidt").await;
    let asked = call.say("cancel_appointment", json!({})).await;
    assert_eq!(asked["status"], "needs_confirmation", "{asked}");
    // The business cancels it meanwhile and puts another one in its place.
    let id = first["booking_id"].as_str().expect("an id");
    house.rest("salon", "DELETE", &format!("/api/v2/bookings/{id}"), Value::Null).await;
    let wish = json!({"service": "Beratung", "start": "2026-03-17T15:00:00+01:00", "name": "Anna Schmidt", "phone": ANNA});
    let (_, second) = house.rest("salon", "POST", "/api/v2/bookings", wish).await;
    house.wait(SignedDuration::from_secs(10));
    let answer = call.say("cancel_appointment", json!({})).await;
    assert_eq!(answer["status"], "needs_confirmation", "{answer}");
    assert_eq!(answer["appointment"]["booking_id"], second["booking_id"], "{answer}");
}
