//! Whose request is it? Only a signature under the tenant's own key opens its door.

use axum::http::StatusCode;
use serde_json::json;

use crate::house::{ANNA, House, key_of};

#[tokio::test]
async fn only_the_tenants_own_keys_are_believed() {
    let house = House::open().await;
    let body = json!({"name": "list_services", "args": {}, "call": house.call("salon", "c1", ANNA).envelope()}).to_string();
    for (key, status) in [
        ("key_salon", StatusCode::OK),
        ("key_salon_before", StatusCode::OK),
        ("key_practice", StatusCode::UNAUTHORIZED),
        ("", StatusCode::UNAUTHORIZED),
    ] {
        let (answered, answer) = house.signed(key, "/api/t/salon/retell/functions", body.clone()).await;
        assert_eq!(answered, status, "{key}: {answer}");
    }
    let (unknown, _) = house.signed("key_salon", "/api/t/nobody/retell/functions", body).await;
    assert_eq!(unknown, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn an_envelope_of_another_tenant_is_refused() {
    let house = House::open().await;
    let foreign = json!({"name": "list_services", "args": {}, "call": house.call("practice", "c1", ANNA).envelope()}).to_string();
    let (status, answer) = house.signed(&key_of("salon"), "/api/t/salon/retell/functions", foreign).await;
    assert_eq!(status, StatusCode::UNAUTHORIZED, "{answer}");
    assert_eq!(answer["code"], "unauthorized");
}

#[tokio::test]
async fn old_addresses_find_the_tenant_by_agent_and_prove_it_by_key() {
    let house = House::open().await;
    let body = json!({"name": "list_services", "args": {}, "call": house.call("practice", "c1", ANNA).envelope()}).to_string();
    let (status, answer) = house.signed("key_practice", "/api/webhooks/retell/function", body.clone()).await;
    assert_eq!(status, StatusCode::OK, "{answer}");
    assert!(answer.to_string().contains("Checkup"), "{answer}");
    let (status, _) = house.signed("key_salon", "/api/webhooks/retell/function", body).await;
    assert_eq!(status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_call_id_among_the_arguments_is_nobodys() {
    let house = House::open().await;
    let one = house.call("salon", "c1", ANNA);
    let slot = one.slot("Beratung", "Montag", "10 Uhr").await;
    for forged in ["c1", "1", "12345", "call_001", "None", ""] {
        let stolen = house
            .call("salon", "c2", "+4915100000000")
            .say("book_appointment", json!({"slot_id": slot, "name": "X Y", "call_id": forged}))
            .await;
        assert_eq!(stolen["status"], "not_found", "{forged}: {stolen}");
    }
}

#[tokio::test]
async fn the_same_number_and_the_same_call_id_in_two_tenants_never_meet() {
    let house = House::open().await;
    house.call("salon", "same", ANNA).booked("Beratung", "Montag", "10 Uhr", "Anna Schmidt").await;
    let elsewhere = house.call("practice", "same", ANNA).say("identify_caller", json!({})).await;
    assert_eq!(elsewhere["caller"]["known"], false, "{elsewhere}");
    assert!(!elsewhere.to_string().contains("Anna"), "{elsewhere}");
}

#[tokio::test]
async fn without_an_admin_key_there_is_no_admin_surface() {
    let house = House::open().await;
    let request = axum::http::Request::get("/api/admin/calls")
        .header("authorization", "Bearer x")
        .body(axum::body::Body::empty())
        .expect("a request");
    let (status, _, headers) = house.send(request).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    assert!(
        headers.contains_key("x-request-id") && headers.contains_key("x-response-time") && headers.contains_key("server-timing")
    );
}
