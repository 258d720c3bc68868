//! A call as operators see it afterwards: what was asked, answered, decided and told, and nobody in it.

use std::sync::Arc;

use axum::body::Body;
use axum::http::Request;
use frontdesk::config::secrets::SecretSource;
use frontdesk_core::clock::{Clock as _, ManualClock};
use frontdesk_core::sensitive::Secret;
use frontdesk_testkit::calcom::{Config, RateLimit, SimulatedCalCom};
use serde_json::{Value, json};

use crate::house::{ANNA, House, NOW, key_of};

#[tokio::test]
async fn a_call_is_told_with_its_inputs_decisions_exchanges_and_events_and_without_people() {
    let clock = Arc::new(ManualClock::new(NOW.parse().expect("a timestamp")));
    let for_calendar = Arc::clone(&clock);
    let config = Config::salon().clock(Arc::new(move || for_calendar.now())).rate_limit(Some(RateLimit::of(10_000)));
    let calendar = SimulatedCalCom::start(config).await;
    let tenant = include_str!("tenants/calcom.toml").replace("BASE_URL", &calendar.base_url());
    let house = House::at(clock, &[&tenant], |config| {
        config.server.admin_key = Some(SecretSource::Literal(Secret::new("operator")));
    })
    .await;
    let call = house.call("salon", "c1", ANNA);
    let slot = call.slot("Herrenhaarschnitt", "2026-03-13", "14:00").await;
    let wish =
        json!({"slot_id": slot, "name": "Anna Schmidt", "email": "anna@example.com", "notes": "Meine Mutter Erika kommt mit"});
    assert_eq!(call.say("book_appointment", wish).await["status"], "booked");
    let ended = json!({"event": "call_ended", "call": call.envelope()}).to_string();
    assert_eq!(house.signed(&key_of("salon"), "/api/t/salon/retell/events", ended).await.0, 204);
    house.inner.write_down().await.expect("written");

    let request = Request::get("/api/admin/calls/c1").header("authorization", "Bearer operator");
    let (_, told, _) = house.send(request.body(Body::empty()).expect("a request")).await;
    let [check, book] = told["items"].as_array().expect("items").as_slice() else { panic!("two functions: {told:#}") };
    assert_eq!(check["input"], json!({"service": "Herrenhaarschnitt", "date": "2026-03-13", "time": "14:00"}));
    assert_eq!(check["output"]["slots"][0], "2026-03-13T13:00:00Z", "{check:#}");
    let decided = |step: &Value| -> Vec<String> {
        let all = step["decisions"].as_array().expect("decisions").iter();
        all.map(|it| format!("{} {}", it["by"].as_str().unwrap_or(""), it["decision"].as_str().unwrap_or(""))).collect()
    };
    for wanted in ["limits admitted", "cache miss", "breaker closed", "budget admitted"] {
        assert!(decided(check).iter().any(|it| it == wanted), "{wanted}: {check:#}");
    }
    assert_eq!(check["exchanges"][0]["route"], "/v2/slots", "{check:#}");
    assert_eq!(book["input"]["notes"], "[PII_REDACTED]", "{book:#}");
    assert!(book["exchanges"].as_array().expect("exchanges").iter().any(|it| it["route"] == "/v2/bookings"), "{book:#}");
    assert_eq!(told["events"][0]["event"], "call_ended", "{told:#}");
    let text = told.to_string();
    for person in ["Anna", "Schmidt", "anna@example.com", "Erika", "5123456789"] {
        assert!(!text.contains(person), "{person}: {told:#}");
    }
}
