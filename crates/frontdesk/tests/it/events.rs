//! The platform's events: in any order, more than once, and the pre-load before the first word.

use axum::http::StatusCode;
use serde_json::{Value, json};

use crate::house::{ANNA, House, key_of};

fn event(name: &str, call: &Value, more: Value) -> String {
    let mut call = call.clone();
    if let (Value::Object(call), Value::Object(more)) = (&mut call, more) {
        call.extend(more);
    }
    json!({ "event": name, "call": call }).to_string()
}

#[tokio::test]
async fn events_make_one_call_in_any_order() {
    let house = House::with(&[crate::house::SALON], |config| {
        config.server.admin_key =
            Some(frontdesk::config::secrets::SecretSource::Literal(frontdesk_core::sensitive::Secret::new("admin")));
    })
    .await;
    let call = house.call("salon", "c1", ANNA);
    let ended = event(
        "call_ended",
        &call.envelope(),
        json!({"start_timestamp": 1_773_306_000_000_i64, "end_timestamp": 1_773_306_063_000_i64}),
    );
    let analyzed = event("call_analyzed", &call.envelope(), json!({"call_analysis": {"call_successful": false}}));
    let started = event("call_started", &call.envelope(), json!({}));
    for body in [&analyzed, &ended, &ended, &started, &analyzed] {
        let (status, answer) = house.signed(&key_of("salon"), "/api/t/salon/retell/events", body.as_str()).await;
        assert!(status.is_success(), "{status} {answer}");
    }
    let request = axum::http::Request::get("/api/admin/calls?tenant=salon")
        .header("authorization", "Bearer admin")
        .body(axum::body::Body::empty())
        .expect("a request");
    let (status, calls, _) = house.send(request).await;
    assert_eq!(status, StatusCode::OK, "{calls}");
    assert_eq!(calls["items"].as_array().map(Vec::len), Some(1), "{calls}");
    assert_eq!(calls["items"][0]["state"], "analyzed", "{calls}");
}

#[tokio::test]
async fn the_end_of_a_call_lets_its_holds_go() {
    let house = House::open().await;
    let call = house.call("salon", "c1", ANNA);
    call.slot("Beratung", "Montag", "10 Uhr").await;
    let ended = event("call_ended", &call.envelope(), json!({}));
    house.signed(&key_of("salon"), "/api/t/salon/retell/events", ended).await;
    let other = house
        .call("salon", "c2", ANNA)
        .say("check_availability", json!({"service": "Beratung", "date": "Montag", "time": "10 Uhr"}))
        .await;
    assert_eq!(other["status"], "available", "{other}");
}

#[tokio::test]
async fn the_preload_knows_the_caller_and_the_day_in_strings_only() {
    let house = House::open().await;
    house.call("salon", "c1", ANNA).booked("Beratung", "Montag", "10 Uhr", "Anna Schmidt").await;
    let body = json!({"event": "call_inbound", "call_inbound": {"agent_id": "agent_salon", "from_number": ANNA, "to_number": "+4930111111"}});
    for path in ["/api/t/salon/retell/events", "/api/webhooks/retell"] {
        let (status, answer) = house.signed(&key_of("salon"), path, body.to_string()).await;
        assert_eq!(status, StatusCode::OK, "{answer}");
        let variables = &answer["call_inbound"]["dynamic_variables"];
        assert!(variables.as_object().is_some_and(|all| all.values().all(Value::is_string)), "{answer}");
        assert_eq!(variables["caller_known"], "true", "{answer}");
        assert_eq!(variables["caller_name"], "Anna Schmidt", "{answer}");
        assert_eq!(variables["weekday"], "Donnerstag", "{answer}");
        assert_eq!(variables["time_zone"], "Europe/Berlin", "{answer}");
    }
}

#[tokio::test]
async fn the_conversation_begins_with_who_and_what() {
    let house = House::open().await;
    house.call("salon", "c1", ANNA).booked("Beratung", "Montag", "10 Uhr", "Anna Schmidt").await;
    let hello = house.call("salon", "c2", ANNA).say("start_call", json!({})).await;
    assert_eq!(hello["status"], "ok", "{hello}");
    assert_eq!(hello["caller"]["known"], true, "{hello}");
    assert!(hello["slots"].as_array().is_some_and(|slots| slots.iter().all(|slot| slot["unverified"] == true)), "{hello}");
    let who = house.call("salon", "c2", ANNA).say("identify_caller", json!({})).await;
    assert_eq!(who["caller"]["name"], "Anna Schmidt", "{who}");
}

async fn hang_up(house: &House, call: &str) {
    let ended = event("call_ended", &house.call("salon", call, ANNA).envelope(), json!({}));
    for _ in 0..2 {
        let (status, answer) = house.signed(&key_of("salon"), "/api/t/salon/retell/events", ended.as_str()).await;
        assert!(status.is_success(), "{answer}");
    }
}

#[tokio::test]
async fn who_asked_and_hung_up_is_on_the_list_once_and_off_it_after_booking() {
    let house = House::open().await;
    house.call("salon", "c1", ANNA).slot("Beratung", "Montag", "10 Uhr").await;
    hang_up(&house, "c1").await;
    let list = house.callbacks("salon").await;
    assert_eq!(list.len(), 1, "{list:?}");
    assert_eq!(list[0]["cause"], "unfinished");
    assert_eq!(list[0]["phone"], ANNA);
    assert_eq!(list[0]["service"], "Beratung");
    house.call("salon", "c2", ANNA).booked("Beratung", "Montag", "10 Uhr", "Anna Schmidt").await;
    hang_up(&house, "c2").await;
    assert!(house.callbacks("salon").await.is_empty(), "the same caller has it now, and the second call was served");
}

#[tokio::test]
async fn who_named_a_time_far_off_while_booking_is_on_the_list_as_well() {
    let house = House::open().await;
    let wish = json!({"service": "Beratung", "date": "Sonntag", "time": "10 Uhr", "name": "Anna Schmidt"});
    let call = house.call("salon", "c1", ANNA);
    assert_eq!(call.say("book_appointment", wish).await["status"], "denied");
    call.say("release_slot", json!({})).await;
    call.say("book_appointment", json!({"service": "Beratung", "date": "2031-06-02", "time": "10 Uhr"})).await;
    hang_up(&house, "c1").await;
    let list = house.callbacks("salon").await;
    assert_eq!(list.len(), 1, "{list:?}");
    assert_eq!(list[0]["cause"], "unfinished");
}

#[tokio::test]
async fn who_only_asked_for_the_hours_is_on_no_list() {
    let house = House::open().await;
    house.call("salon", "c1", ANNA).say("opening_hours", json!({})).await;
    house.call("salon", "c1", ANNA).say("start_call", json!({})).await;
    hang_up(&house, "c1").await;
    assert!(house.callbacks("salon").await.is_empty());
}

#[tokio::test]
async fn a_wish_in_a_call_whose_end_is_never_told_is_on_the_list_as_well() {
    let house = House::open().await;
    house.call("salon", "c1", ANNA).slot("Beratung", "Montag", "10 Uhr").await;
    house.wait(jiff::SignedDuration::from_hours(3));
    assert_eq!(house.inner.close_abandoned().await.expect("closed"), 1);
    assert_eq!(house.inner.close_abandoned().await.expect("closed"), 0);
    assert_eq!(house.callbacks("salon").await.len(), 1);
}

#[tokio::test]
async fn a_call_is_not_closed_over_a_store_that_could_not_say_what_it_left_open() {
    let house = House::open().await;
    house.call("salon", "c1", ANNA).slot("Beratung", "Montag", "10 Uhr").await;
    house.wait(jiff::SignedDuration::from_hours(3));
    house.alter("ALTER TABLE callbacks RENAME TO callbacks_away");
    assert_eq!(house.inner.close_abandoned().await.expect("answered"), 0);
    house.alter("ALTER TABLE callbacks_away RENAME TO callbacks");
    assert_eq!(house.inner.close_abandoned().await.expect("closed"), 1);
    assert_eq!(house.callbacks("salon").await.len(), 1);
}

#[tokio::test]
async fn a_second_wish_that_came_to_nothing_is_on_the_list_although_the_first_was_met() {
    let house = House::open().await;
    let call = house.call("salon", "c1", ANNA);
    call.booked("Beratung", "Montag", "10 Uhr", "Anna Schmidt").await;
    call.say("cancel_appointment", json!({"date": "Montag", "confirm": true})).await;
    call.slot("Beratung", "Dienstag", "11 Uhr").await;
    hang_up(&house, "c1").await;
    assert_eq!(house.callbacks("salon").await.len(), 1);
}

#[tokio::test]
async fn who_only_asked_whether_the_appointment_stands_is_on_no_list() {
    let house = House::open().await;
    house.call("salon", "c1", ANNA).booked("Beratung", "Montag", "10 Uhr", "Anna Schmidt").await;
    let wish = json!({"service": "Beratung", "date": "Montag", "time": "10 Uhr"});
    let still = house.call("salon", "c2", ANNA).say("check_availability", wish).await;
    assert_eq!(still["status"], "booked", "{still}");
    hang_up(&house, "c2").await;
    assert!(house.callbacks("salon").await.is_empty());
}

#[tokio::test]
async fn the_analysis_of_a_call_whose_end_was_lost_finds_the_wish_as_well() {
    let house = House::open().await;
    house.call("salon", "c1", ANNA).slot("Beratung", "Montag", "10 Uhr").await;
    let analyzed = event("call_analyzed", &house.call("salon", "c1", ANNA).envelope(), json!({}));
    let (status, answer) = house.signed(&key_of("salon"), "/api/t/salon/retell/events", analyzed).await;
    assert!(status.is_success(), "{answer}");
    assert_eq!(house.callbacks("salon").await.len(), 1);
}

async fn listed(house: &House) -> Vec<Value> {
    let request = axum::http::Request::get("/api/admin/calls?tenant=salon")
        .header("authorization", "Bearer admin")
        .body(axum::body::Body::empty())
        .expect("a request");
    let (status, calls, _) = house.send(request).await;
    assert_eq!(status, StatusCode::OK, "{calls}");
    calls["items"].as_array().cloned().expect("a list")
}

async fn administered() -> House {
    House::with(&[crate::house::SALON], |config| {
        config.server.admin_key =
            Some(frontdesk::config::secrets::SecretSource::Literal(frontdesk_core::sensitive::Secret::new("admin")));
    })
    .await
}

#[tokio::test]
async fn what_a_call_took_and_cost_is_in_the_right_units_whatever_the_order() {
    let cost = |cents: f64| json!({"combined_cost": cents, "total_duration_seconds": 63, "product_costs": []});
    let ended = json!({"start_timestamp": 1_773_306_000_000_i64, "end_timestamp": 1_773_306_063_000_i64, "duration_ms": 63_000, "call_cost": cost(30.0)});
    let analyzed = json!({"duration_ms": 63_000, "call_cost": cost(34.45), "call_analysis": {"call_successful": false}});
    for order in [["call_ended", "call_analyzed"], ["call_analyzed", "call_ended"]] {
        let house = administered().await;
        let call = house.call("salon", "c1", ANNA);
        for name in order.iter().chain(&order) {
            let more = if *name == "call_ended" { ended.clone() } else { analyzed.clone() };
            let body = event(name, &call.envelope(), more);
            assert!(house.signed(&key_of("salon"), "/api/t/salon/retell/events", body).await.0.is_success());
        }
        let row = listed(&house).await.remove(0);
        assert_eq!(row["duration_ms"], 63_000, "{row}");
        assert_eq!(row["cost"], json!({"amount": "0.3445", "micros": 344_500, "currency": "USD"}), "counted once: {row}");
    }
    // Nothing but the cost knows how long it took.
    let house = administered().await;
    let body = event("call_ended", &house.call("salon", "c1", ANNA).envelope(), json!({"call_cost": cost(1.5)}));
    house.signed(&key_of("salon"), "/api/t/salon/retell/events", body).await;
    assert_eq!(listed(&house).await[0]["duration_ms"], 63_000);
}

#[tokio::test]
async fn every_call_has_what_came_of_it_and_no_analysis_changes_that() {
    let house = administered().await;
    let call = |id: &'static str| house.call("salon", id, ANNA);
    let booked = call("booked").booked("Beratung", "Montag", "10 Uhr", "Anna Schmidt").await;
    let id = &booked["booking_id"];
    let wish = json!({"booking_id": id, "new_date": "Montag", "new_time": "15 Uhr", "confirm": true});
    assert_eq!(call("moved").say("reschedule_appointment", wish).await["status"], "rescheduled");
    let cancelled = call("cancelled").say("cancel_appointment", json!({"booking_id": id, "confirm": true})).await;
    assert_eq!(cancelled["status"], "cancelled");
    call("callback").say("request_callback", json!({"name": "Anna Schmidt"})).await;
    call("answered").say("list_services", json!({})).await;
    call("unserved").slot("Beratung", "Montag", "16 Uhr").await;
    let ids = ["booked", "moved", "cancelled", "callback", "answered", "unserved", "none"];
    for id in ids {
        for (name, more) in
            [("call_ended", json!({})), ("call_analyzed", json!({"call_analysis": {"call_successful": id != "booked"}}))]
        {
            let body = event(name, &call(id).envelope(), more);
            assert!(house.signed(&key_of("salon"), "/api/t/salon/retell/events", body).await.0.is_success());
        }
    }
    let rows = listed(&house).await;
    assert_eq!(rows.len(), ids.len());
    for row in rows {
        assert_eq!(row["disposition"], row["call_id"], "{row}");
        assert_eq!(row["platform_says_successful"], row["call_id"] != "booked", "its opinion stands beside: {row}");
    }
}
