//! The protections as callers, tenants' software and operators meet them: on, in shadow, off.

use std::net::IpAddr;
use std::sync::Arc;

use axum::body::Body;
use axum::http::{HeaderMap, Request, StatusCode};
use frontdesk::config::deployment::{DeploymentConfig, StateUrl};
use frontdesk::config::secrets::SecretSource;
use frontdesk_core::clock::{Clock as _, ManualClock};
use frontdesk_core::ids::TenantId;
use frontdesk_core::protection::{Mode, Protection, Switch};
use frontdesk_core::sensitive::Secret;
use frontdesk_http::Peer;
use frontdesk_testkit::calcom::{Config, ErrorShape, Fault, RateLimit, Route, SimulatedCalCom};
use frontdesk_testkit::redis::RedisServer;
use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::house::{ANNA, House, NOW, PRACTICE, SALON};

const ADMIN: &str = "operator";
const MODES: [Mode; 3] = [Mode::On, Mode::Shadow, Mode::Off];

/// The salon and the practice, with an administrator.
async fn house() -> House {
    House::with(&[SALON, PRACTICE], |config| config.server.admin_key = Some(SecretSource::Literal(Secret::new(ADMIN)))).await
}

async fn switch(house: &House, protection: Protection, tenant: Option<&str>, mode: Mode) {
    let switch = Switch { protection, tenant: tenant.map(TenantId::new), mode, until: None };
    house.inner.store.set_feature(&switch, "test", None, house.now()).await.expect("set");
    house.inner.refresh().await.expect("taken up");
}

async fn get(house: &House, path: &str, from: &str) -> (StatusCode, Value, HeaderMap) {
    let mut request = Request::get(path).body(Body::empty()).expect("a request");
    request.extensions_mut().insert(Peer(from.parse::<IpAddr>().expect("an address")));
    house.send(request).await
}

async fn admin(house: &House, method: &str, path: &str, body: Value) -> (StatusCode, Value) {
    let body = if body.is_null() { Body::empty() } else { Body::from(body.to_string()) };
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header("authorization", format!("Bearer {ADMIN}"))
        .body(body)
        .expect("a request");
    let (status, value, _) = house.send(request).await;
    (status, value)
}

/// How often a protection decided so in that mode.
fn decided(house: &House, protection: Protection, decision: &str, mode: Mode) -> u64 {
    let all = house.inner.switches.decisions();
    all.iter().find(|(it, word, at, _)| *it == protection && *word == decision && *at == mode).map_or(0, |(.., count)| *count)
}

fn header<'h>(headers: &'h HeaderMap, name: &str) -> &'h str {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or("")
}

// --- rate limits --------------------------------------------------------------------------------

#[tokio::test]
async fn the_old_runbooks_loop_of_health_calls_ends_in_429() {
    let house = house().await;
    let mut answers = Vec::new();
    for _ in 0..35 {
        answers.push(get(&house, "/api/health", "203.0.113.9").await);
        house.wait(SignedDuration::from_secs(1));
    }
    let statuses: Vec<u16> = answers.iter().map(|(status, ..)| status.as_u16()).collect();
    assert_eq!(statuses[..30], [200; 30]);
    assert_eq!(statuses[30..], [429; 5]);
    let (_, _, first) = &answers[0];
    assert_eq!((header(first, "x-ratelimit-limit"), header(first, "x-ratelimit-remaining")), ("30", "29"));
    assert_eq!(header(first, "ratelimit-policy"), "\"health\";q=30;w=60");
    assert_eq!(header(first, "ratelimit"), "\"health\";r=29;t=60");
    // 30 s after the first one: it leaves the window in another 30.
    let (_, problem, refused) = &answers[30];
    assert_eq!(problem["code"], "rate_limit_exceeded", "{problem}");
    assert_eq!(header(refused, "content-type"), "application/problem+json");
    assert_eq!((header(refused, "retry-after"), header(refused, "x-ratelimit-remaining")), ("30", "0"));
    let reset: i64 = header(refused, "x-ratelimit-reset").parse().expect("a second");
    assert_eq!(reset, NOW.parse::<jiff::Timestamp>().expect("a time").as_second() + 60);
    // Somebody else is not touched; neither are the probes.
    assert_eq!(get(&house, "/api/health", "203.0.113.10").await.0, 200);
    assert_eq!(get(&house, "/readyz", "203.0.113.9").await.0, 200);
    // What was announced is kept: 35 s have passed, the first left the window after 60.
    house.wait(SignedDuration::from_secs(24));
    assert_eq!(get(&house, "/api/health", "203.0.113.9").await.0, 429);
    house.wait(SignedDuration::from_secs(1));
    assert_eq!(get(&house, "/api/health", "203.0.113.9").await.0, 200);
    assert_eq!(get(&house, "/api/health", "203.0.113.9").await.0, 429);
}

#[tokio::test]
async fn rest_refuses_with_a_problem_and_a_replay_costs_nothing() {
    let house = house().await;
    let body = json!({"service": "Herrenhaarschnitt", "start": "2026-03-13T14:00:00+01:00", "name": "Anna Schmidt"});
    let (status, first) =
        house.rest_with("salon", "POST", "/api/v2/bookings", body.clone(), &[("idempotency-key", "k-000001")]).await;
    assert_eq!(status, 201, "{first}");
    for _ in 0..40 {
        let (status, again) =
            house.rest_with("salon", "POST", "/api/v2/bookings", body.clone(), &[("idempotency-key", "k-000001")]).await;
        assert_eq!((status.as_u16(), &again), (201, &first));
    }
    for number in 0..29 {
        let (status, answer) = house.rest("salon", "POST", "/api/v2/bookings", json!({"service": "nothing"})).await;
        assert_eq!(status, 422, "{number}: {answer}");
    }
    let (status, problem) = house.rest("salon", "POST", "/api/v2/bookings", body.clone()).await;
    assert_eq!((status.as_u16(), problem["code"].as_str()), (429, Some("rate_limit_exceeded")), "{problem}");
    // A refusal does not use up the key.
    let (status, _) =
        house.rest_with("salon", "POST", "/api/v2/bookings", body.clone(), &[("idempotency-key", "k-000002")]).await;
    assert_eq!(status, 429);
    house.wait(SignedDuration::from_secs(60));
    let later = json!({"service": "Herrenhaarschnitt", "start": "2026-03-13T16:00:00+01:00", "name": "Anna Schmidt"});
    let (status, answer) = house.rest_with("salon", "POST", "/api/v2/bookings", later, &[("idempotency-key", "k-000002")]).await;
    assert_eq!(status, 201, "the key is free for whatever comes next: {answer}");
    let (status, answer) = house.rest_with("salon", "POST", "/api/v2/bookings", body, &[("idempotency-key", "k-000002")]).await;
    assert_eq!((status.as_u16(), answer["code"].as_str()), (422, Some("idempotency_key_reused")), "{answer}");
    // Other classes and other tenants have buckets of their own.
    assert_eq!(house.rest("practice", "GET", "/api/v1/callbacks", Value::Null).await.0, 200);
}

#[tokio::test]
async fn a_conversation_of_forty_functions_passes_and_an_endless_one_hears_a_sentence() {
    let house = house().await;
    let call = house.call("salon", "c1", ANNA);
    for round in 0..40 {
        let answer = call.say("opening_hours", json!({"date": format!("in {} Tagen", round % 20 + 1)})).await;
        assert_ne!(answer["status"], "rate_limited", "{answer}");
        house.wait(SignedDuration::from_secs(15));
    }
    let mut refused = 0;
    for round in 0..100 {
        let answer = call.say("opening_hours", json!({"date": format!("in {} Tagen", round % 20 + 1)})).await;
        if answer["status"] == "rate_limited" {
            refused += 1;
            assert_eq!(answer["success"], false);
            assert!(answer["retry_after_s"].is_number() || answer["message"].is_string(), "{answer}");
        }
    }
    assert!(refused >= 40, "{refused}");
    // A booking that is refused is a wish on somebody's list.
    let answer = call.say("book_appointment", json!({"slot_id": "s_x", "name": "Anna"})).await;
    assert_eq!(answer["status"], "rate_limited", "{answer}");
    let listed = house.callbacks("salon").await;
    assert_eq!(listed.len(), 1, "{listed:?}");
    assert_eq!(listed[0]["cause"], "over_limit");
}

#[tokio::test]
async fn exactly_thirty_of_thirty_five_bookings_of_a_tenant_pass() {
    let house = house().await;
    let mut refused = 0;
    for number in 0..35 {
        let call = format!("c{number}");
        let answer =
            house.call("salon", &call, ANNA).say("book_appointment", json!({"slot_id": "s_unknown", "name": "Anna"})).await;
        refused += usize::from(answer["status"] == "rate_limited");
        assert_eq!(answer["status"] == "rate_limited", number >= 30, "{number}: {answer}");
    }
    assert_eq!(refused, 5);
    // The tenant's own limit is the tenant's own.
    let answer = house.call("practice", "p1", ANNA).say("book_appointment", json!({"slot_id": "s_unknown", "name": "Ada"})).await;
    assert_ne!(answer["status"], "rate_limited", "{answer}");
}

#[tokio::test]
async fn the_platforms_retry_costs_nothing() {
    let house = house().await;
    let call = house.call("salon", "c1", ANNA);
    let wish = json!({"service": "Herrenhaarschnitt", "date": "morgen", "time": "14 Uhr"});
    for _ in 0..70 {
        let answer = call.say_as("tool_1", "check_availability", wish.clone()).await;
        assert_eq!(answer["status"], "available", "{answer}");
    }
}

#[tokio::test]
async fn signed_events_are_never_refused_and_unsigned_ones_are() {
    let house = house().await;
    for number in 0..120 {
        let call = format!("c{number}");
        let body = json!({"event": "call_ended", "call": {"call_id": call, "agent_id": "agent_salon"}}).to_string();
        let (status, _) = house.signed("key_salon", "/api/t/salon/retell/events", body).await;
        assert_eq!(status, 204, "{number}");
    }
    assert_eq!(decided(&house, Protection::RateLimit, "refuse", Mode::On), 20);
    let mut statuses = Vec::new();
    for _ in 0..105 {
        let (status, _) = house.signed("key_wrong", "/api/t/salon/retell/events", "{}").await;
        statuses.push(status.as_u16());
    }
    assert_eq!(statuses[..100], [401; 100]);
    assert_eq!(statuses[100..], [429; 5]);
}

#[tokio::test]
async fn strangers_are_limited_before_they_can_guess() {
    let house = house().await;
    let mut statuses = Vec::new();
    for _ in 0..65 {
        let request =
            Request::get("/api/v1/callbacks").header("authorization", "Bearer fd_guess").body(Body::empty()).expect("a request");
        let (status, _, headers) = house.send(request).await;
        assert!(!header(&headers, "x-ratelimit-limit").is_empty());
        statuses.push(status.as_u16());
    }
    assert_eq!(statuses[..60], [401; 60]);
    assert_eq!(statuses[60..], [429; 5]);
}

#[tokio::test]
async fn ten_refusals_within_an_hour_are_shown_to_the_operator_as_abuse() {
    let house = house().await;
    for _ in 0..41 {
        get(&house, "/api/health", "203.0.113.9").await;
    }
    let (_, limits) = admin(&house, "GET", "/api/admin/limits", Value::Null).await;
    let key = "rate_limit:203.0.113.9:health";
    let row = limits["items"].as_array().expect("rows").iter().find(|row| row["key"] == key).expect("the bucket").clone();
    assert_eq!((&row["used"], &row["refusals_1h"], &row["abuse"]), (&json!(30), &json!(10), &json!(true)), "{limits}");
    assert_eq!(limits["per_minute"]["booking"], 30);
    // The operator empties the bucket, on every gateway, under a name.
    let (status, _) = admin(&house, "POST", "/api/admin/limits/reset", json!({"key": key})).await;
    assert_eq!(status, 200);
    house.inner.refresh().await.expect("obeyed");
    assert_eq!(get(&house, "/api/health", "203.0.113.9").await.0, 200);
    let (_, audit) = admin(&house, "GET", "/api/admin/audit", Value::Null).await;
    assert_eq!((&audit["items"][0]["who"], &audit["items"][0]["what"]), (&json!("admin"), &json!("limits reset")), "{audit}");
}

#[tokio::test]
async fn the_limit_acts_watches_or_is_away() {
    for mode in MODES {
        let house = house().await;
        switch(&house, Protection::RateLimit, None, mode).await;
        let mut last = get(&house, "/api/health", "203.0.113.9").await;
        for _ in 0..34 {
            last = get(&house, "/api/health", "203.0.113.9").await;
        }
        let (status, _, headers) = last;
        assert_eq!(status.as_u16(), if mode == Mode::On { 429 } else { 200 }, "{mode:?}");
        assert_eq!(headers.contains_key("x-ratelimit-limit"), mode == Mode::On, "{mode:?}");
        let expected = if mode == Mode::Off { 0 } else { 5 };
        assert_eq!(decided(&house, Protection::RateLimit, "refuse", mode), expected, "{mode:?}");
    }
}

// --- switches -----------------------------------------------------------------------------------

#[tokio::test]
async fn a_switch_is_set_for_a_tenant_for_a_while_and_written_down() {
    let house = house().await;
    let (status, answer) = admin(
        &house,
        "PUT",
        "/api/admin/features/rate_limit",
        json!({"state": "off", "tenant": "salon", "for": "2h", "why": "fair"}),
    )
    .await;
    assert_eq!(status, 200, "{answer}");
    house.inner.refresh().await.expect("taken up");
    let ask = async |tenant: &str| {
        let mut refused = 0;
        for number in 0..35 {
            let call = format!("{tenant}{number}");
            let answer = house.call(tenant, &call, ANNA).say("book_appointment", json!({"slot_id": "s_x", "name": "Anna"})).await;
            refused += u32::from(answer["status"] == "rate_limited");
        }
        refused
    };
    assert_eq!(ask("salon").await, 0);
    assert_eq!(ask("practice").await, 5);
    house.wait(SignedDuration::from_hours(2));
    assert_eq!(ask("salon").await, 5, "its time is over");
    let (_, features) = admin(&house, "GET", "/api/admin/features", Value::Null).await;
    assert_eq!(features["items"].as_array().map(Vec::len), Some(8), "{features}");
    let (_, audit) = admin(&house, "GET", "/api/admin/audit", Value::Null).await;
    let row = &audit["items"][0];
    assert_eq!(
        (&row["who"], &row["what"], &row["tenant"], &row["now"], &row["why"]),
        (&json!("admin"), &json!("feature rate_limit"), &json!("salon"), &json!("off"), &json!("fair")),
        "{audit}"
    );
    assert!(row["until"].is_string());
}

#[tokio::test]
async fn what_must_stay_on_cannot_be_switched() {
    let house = house().await;
    for name in ["error_handling", "input_validation"] {
        let (status, problem) = admin(&house, "PUT", &format!("/api/admin/features/{name}"), json!({"state": "off"})).await;
        assert_eq!((status.as_u16(), problem["code"].as_str()), (422, Some("validation_failed")), "{problem}");
        assert!(problem["errors"][0]["detail"].as_str().unwrap_or("").contains("always on"), "{problem}");
    }
    let (status, _) = admin(&house, "PUT", "/api/admin/features/nothing", json!({"state": "off"})).await;
    assert_eq!(status, 404);
    let (_, problem) =
        admin(&house, "PUT", "/api/admin/features/rate_limit", json!({"state": "half", "for": "soon", "tenant": "x"})).await;
    assert_eq!(problem["errors"].as_array().map(Vec::len), Some(3), "{problem}");
}

#[tokio::test]
async fn with_everything_off_a_call_is_served_as_with_everything_on() {
    let mut answers = Vec::new();
    for mode in MODES {
        let house = house().await;
        for protection in Protection::ALL.into_iter().filter(|it| it.always_on().is_none()) {
            switch(&house, protection, None, mode).await;
        }
        let call = house.call("salon", "c1", ANNA);
        let booked = call.booked("Herrenhaarschnitt", "morgen", "14 Uhr", "Anna Schmidt").await;
        let found = call.say("find_appointments", json!({})).await;
        let (status, _, headers) = get(&house, "/api/health", "203.0.113.9").await;
        assert_eq!(status, 200);
        for name in ["x-request-id", "x-response-time", "server-timing"] {
            assert!(headers.contains_key(name), "{mode:?}: {name}");
        }
        answers.push((booked["message"].clone(), found["message"].clone()));
    }
    assert_eq!(answers[0], answers[1]);
    assert_eq!(answers[0], answers[2]);
}

// --- business hours -----------------------------------------------------------------------------

#[tokio::test]
async fn business_hours_act_watch_or_are_away() {
    for mode in MODES {
        let house = house().await;
        switch(&house, Protection::BusinessHours, Some("salon"), mode).await;
        // Monday at 22:00 is long after closing.
        let answer = house
            .call("salon", "c1", ANNA)
            .say("check_availability", json!({"service": "Herrenhaarschnitt", "date": "2026-03-16", "time": "22 Uhr"}))
            .await;
        let booking = json!({"service": "Herrenhaarschnitt", "start": "2026-03-17T22:00:00+01:00", "name": "Anna Schmidt"});
        let (status, rest) = house.rest("salon", "POST", "/api/v2/bookings", booking).await;
        if mode == Mode::On {
            assert_eq!((&answer["status"], &answer["reason"]), (&json!("denied"), &json!("outside_business_hours")), "{answer}");
            assert!(answer["slots"].as_array().is_some_and(|slots| !slots.is_empty()), "what would be possible: {answer}");
            assert_eq!((status.as_u16(), rest["code"].as_str()), (422, Some("outside_business_hours")), "{rest}");
        } else {
            assert_eq!(answer["status"], "available", "{mode:?}: {answer}");
            assert_eq!(status, 201, "{mode:?}: {rest}");
        }
        let refused = decided(&house, Protection::BusinessHours, "refuse", mode);
        assert_eq!(refused > 0, mode != Mode::Off, "{mode:?}");
        // Another tenant is not touched.
        let answer = house
            .call("practice", "p1", ANNA)
            .say("check_availability", json!({"service": "checkup", "date": "2026-03-16", "time": "22:00"}))
            .await;
        assert_eq!(answer["status"], "denied", "{answer}");
    }
}

// --- on Cal.com ---------------------------------------------------------------------------------

/// A salon whose calendar is simulated, with an administrator.
async fn calcom(verify_after: &str) -> (House, SimulatedCalCom) {
    let clock = Arc::new(ManualClock::new(NOW.parse().expect("a timestamp")));
    let for_calendar = Arc::clone(&clock);
    let config = Config::salon().clock(Arc::new(move || for_calendar.now())).rate_limit(Some(RateLimit::of(10_000)));
    let calendar = SimulatedCalCom::start(config).await;
    let tenant = include_str!("tenants/calcom.toml")
        .replace("BASE_URL", &calendar.base_url())
        .replace("kind = \"calcom\"", &format!("kind = \"calcom\"\nverify_after = \"{verify_after}\""));
    let house = House::at(clock, &[&tenant], |config| {
        config.server.admin_key = Some(SecretSource::Literal(Secret::new(ADMIN)));
        config.live.rate_limit.availability = 10_000;
    })
    .await;
    (house, calendar)
}

async fn check(house: &House, number: usize) -> Value {
    let call = format!("c{number}");
    let wish = json!({"service": "Herrenhaarschnitt", "date": "Montag", "time": "14 Uhr"});
    house.call("salon", &call, ANNA).say("check_availability", wish).await
}

async fn breaker_state(house: &House) -> String {
    let (_, breakers) = admin(house, "GET", "/api/admin/breakers", Value::Null).await;
    breakers["items"][0]["state"].as_str().unwrap_or("").to_owned()
}

#[tokio::test]
async fn the_breaker_opens_tries_and_closes_while_every_caller_hears_a_sentence() {
    let (house, calendar) = calcom("0s").await;
    assert_eq!(check(&house, 0).await["status"], "available");
    assert_eq!(breaker_state(&house).await, "closed");
    calendar.fault(Fault::status(Route::Slots, 500, ErrorShape::A).standing());
    for number in 1..=5 {
        assert_eq!(check(&house, number).await["status"], "temporarily_unavailable");
    }
    assert_eq!(breaker_state(&house).await, "open");
    let before = calendar.requests().len();
    for number in 6..26 {
        let answer = check(&house, number).await;
        assert_eq!(answer["status"], "temporarily_unavailable", "{answer}");
        assert!(answer["callback_id"].is_string(), "{answer}");
    }
    assert_eq!(calendar.requests().len(), before, "nothing is sent while it is open");
    let browse = json!({"service": "Herrenhaarschnitt", "from": "2026-03-23T08:00:00+01:00", "to": "2026-03-24T18:00:00+01:00"});
    let (status, problem) = house.rest("salon", "POST", "/api/v2/availability/simple", browse).await;
    assert_eq!((status.as_u16(), problem["code"].as_str()), (503, Some("calendar_unavailable")), "{problem}");
    // Half-open after a minute: one failure opens it again.
    house.wait(SignedDuration::from_secs(60));
    assert_eq!(breaker_state(&house).await, "half_open");
    check(&house, 30).await;
    assert_eq!(breaker_state(&house).await, "open");
    // Two that go well close it.
    calendar.clear_faults();
    house.wait(SignedDuration::from_secs(60));
    for number in [31, 32] {
        assert_ne!(check(&house, number).await["status"], "temporarily_unavailable");
    }
    assert_eq!(breaker_state(&house).await, "closed");
}

#[tokio::test]
async fn ordinary_refusals_and_the_platforms_own_limit_never_open_it() {
    let (house, calendar) = calcom("0s").await;
    calendar.fault(Fault::status(Route::Slots, 404, ErrorShape::A).standing());
    for number in 0..10 {
        check(&house, number).await;
    }
    assert_eq!(breaker_state(&house).await, "closed");
    calendar.clear_faults();
    calendar.fault(Fault::status(Route::Slots, 429, ErrorShape::A).standing());
    let before = calendar.requests().len();
    for number in 10..20 {
        assert_eq!(check(&house, number).await["status"], "temporarily_unavailable");
    }
    assert_eq!(calendar.requests().len(), before + 1, "an account that asks for a rest gets it");
    assert_eq!(breaker_state(&house).await, "closed");
}

#[tokio::test]
async fn the_breaker_acts_watches_or_is_away() {
    for mode in MODES {
        let (house, calendar) = calcom("0s").await;
        switch(&house, Protection::CircuitBreaker, None, mode).await;
        calendar.fault(Fault::status(Route::Slots, 500, ErrorShape::A).standing());
        for number in 0..5 {
            check(&house, number).await;
        }
        let before = calendar.requests().len();
        check(&house, 6).await;
        assert_eq!(calendar.requests().len() > before, mode != Mode::On, "{mode:?}");
        assert_eq!(decided(&house, Protection::CircuitBreaker, "refuse", mode) > 0, mode != Mode::Off, "{mode:?}");
    }
}

#[tokio::test]
async fn an_operator_closes_a_breaker() {
    let (house, calendar) = calcom("0s").await;
    calendar.fault(Fault::status(Route::Slots, 500, ErrorShape::A).standing());
    for number in 0..5 {
        check(&house, number).await;
    }
    assert_eq!(breaker_state(&house).await, "open");
    calendar.clear_faults();
    let (status, _) = admin(&house, "POST", "/api/admin/breakers/reset", Value::Null).await;
    assert_eq!(status, 200);
    house.inner.refresh().await.expect("obeyed");
    assert_eq!(breaker_state(&house).await, "closed");
    assert_ne!(check(&house, 9).await["status"], "temporarily_unavailable");
}

#[tokio::test]
async fn the_cache_acts_watches_or_is_away() {
    for mode in MODES {
        let (house, calendar) = calcom("60s").await;
        switch(&house, Protection::CacheIsolation, None, mode).await;
        check(&house, 0).await;
        let first = calendar.requests().len();
        for number in 1..5 {
            assert_ne!(check(&house, number).await["status"], "temporarily_unavailable");
        }
        let asked = calendar.requests().len() - first;
        assert_eq!(asked, if mode == Mode::On { 0 } else { 4 * first }, "{mode:?}");
        let hits = decided(&house, Protection::CacheIsolation, "allow", mode);
        assert_eq!(hits > 0, mode != Mode::Off, "{mode:?}");
    }
}

#[tokio::test]
async fn the_accounts_budget_is_kept_and_bookings_come_before_browsing() {
    let (house, calendar) = calcom("0s").await;
    for number in 0..200 {
        check(&house, number).await;
    }
    let asked = calendar.requests().len();
    assert!((95..=102).contains(&asked), "{asked}: a share is kept for bookings");
    let booking = json!({"service": "Herrenhaarschnitt", "start": "2026-03-31T10:00:00+02:00", "name": "Anna Schmidt", "phone": "+4915123456789"});
    let (status, answer) = house.rest("salon", "POST", "/api/v2/bookings", booking).await;
    assert_eq!(status, 201, "a booking goes through where questions do not any more: {answer}");
    assert!(calendar.requests().len() <= 120);
    house.wait(SignedDuration::from_secs(61));
    assert_ne!(check(&house, 300).await["status"], "temporarily_unavailable");
}

// --- shared -------------------------------------------------------------------------------------

/// Three gateways with one Redis; what each admits, all admit.
#[tokio::test]
async fn three_gateways_on_one_redis_admit_exactly_thirty() {
    let server = RedisServer::start();
    let mut houses = Vec::new();
    for _ in 0..3 {
        let url = server.url();
        let shared = |config: &mut DeploymentConfig| {
            config.state = StateUrl::Redis(SecretSource::Literal(Secret::new(url)));
            // On a machine that is busy with other tests its answers come late, and are answers all the same.
            config.state_within = std::time::Duration::from_secs(60);
        };
        houses.push(House::with(&[SALON], shared).await);
    }
    let mut asked = Vec::new();
    for number in 0..200usize {
        let house = &houses[number % 3];
        asked.push(async move {
            let call = format!("c{number}");
            let answer =
                house.call("salon", &call, ANNA).say("book_appointment", json!({"slot_id": "s_x", "name": "Anna"})).await;
            answer["status"] != "rate_limited"
        });
    }
    let admitted = futures_util::future::join_all(asked).await;
    assert_eq!(admitted.into_iter().filter(|admitted| *admitted).count(), 30);
    assert_eq!(server.cli(&["LLEN", "rate_limit:salon:booking"]), "30");
}

#[tokio::test]
async fn with_redis_gone_callers_are_served_health_says_so_and_limits_are_exact_again_later() {
    let mut server = RedisServer::start();
    let url = server.url();
    let house = House::with(&[SALON], |config| {
        config.state = StateUrl::Redis(SecretSource::Literal(Secret::new(url)));
        config.server.admin_key = Some(SecretSource::Literal(Secret::new(ADMIN)));
    })
    .await;
    let book = async |number: usize| {
        let call = format!("c{number}");
        let answer = house.call("salon", &call, ANNA).say("book_appointment", json!({"slot_id": "s_x", "name": "Anna"})).await;
        answer["status"] != "rate_limited"
    };
    for number in 0..10 {
        assert!(book(number).await);
    }
    server.stop();
    house.wait(SignedDuration::from_secs(1));
    for number in 10..20 {
        assert!(book(number).await, "calls keep being answered");
    }
    let (_, health) = admin(&house, "GET", "/api/health", Value::Null).await;
    assert_eq!(health["status"], "degraded", "{health}");
    assert_eq!(health["checks"]["shared_state"]["status"], "degraded", "{health}");
    server.start_again();
    house.inner.state.shared.tend().await;
    let mut rest = 0;
    for number in 20..60 {
        rest += usize::from(book(number).await);
    }
    assert_eq!(rest, 20, "what was admitted alone counts again");
}

// --- performance --------------------------------------------------------------------------------

#[tokio::test]
async fn what_a_request_cost_is_in_its_headers_and_in_the_metrics() {
    for mode in MODES {
        let (house, calendar) = calcom("0s").await;
        switch(&house, Protection::Performance, None, mode).await;
        assert_eq!(check(&house, 0).await["status"], "available");
        assert!(!calendar.requests().is_empty());
        let body = json!({"name": "list_services", "args": {}, "call": house.call("salon", "c9", ANNA).envelope()}).to_string();
        let signature = frontdesk_http::sign(&Secret::new("key_salon"), body.as_bytes(), house.now().as_millisecond());
        let request = Request::post("/api/t/salon/retell/functions")
            .header("x-retell-signature", signature)
            .body(Body::from(body))
            .expect("a request");
        let (_, _, headers) = house.send(request).await;
        let timing = header(&headers, "server-timing");
        assert!(timing.starts_with("total;dur="), "{timing}");
        assert_eq!(timing.contains("db;dur=") && timing.contains("calendar;dur="), mode != Mode::Off, "{mode:?}: {timing}");
        let request =
            Request::get("/metrics").header("authorization", format!("Bearer {ADMIN}")).body(Body::empty()).expect("a request");
        let (status, text, _) = house.send(request).await;
        assert_eq!(status, 200);
        let text = text.as_str().expect("a text");
        let function =
            "frontdesk_function_duration_seconds_count{function=\"check_availability\",outcome=\"available\",tenant=\"salon\"} 1";
        assert_eq!(text.contains(function), mode != Mode::Off, "{mode:?}: {text}");
        assert!(
            text.contains("frontdesk_protection_decisions_total{protection=\"rate_limit\",decision=\"allow\",mode=\"on\"}"),
            "{text}"
        );
        assert!(text.contains("frontdesk_breaker_state{account=\"acct_"), "{text}");
        assert!(text.contains("frontdesk_process_resident_memory_bytes"), "{text}");
        assert!(text.ends_with("# EOF\n"), "{text}");
        assert_eq!(text.contains("store_time_seconds_total 0.0\n"), mode == Mode::Off, "{mode:?}: {text}");
    }
}

#[tokio::test]
async fn metrics_are_for_administrators() {
    let house = house().await;
    let (status, problem, _) = get(&house, "/metrics", "203.0.113.9").await;
    assert_eq!((status.as_u16(), problem["code"].as_str()), (401, Some("unauthorized")), "{problem}");
}

// --- errors and input -----------------------------------------------------------------------------

#[tokio::test]
async fn every_failure_outside_voice_is_a_problem_with_its_id() {
    let house = house().await;
    let requests = [
        ("GET", "/nothing/here", "", 404, "not_found"),
        ("PUT", "/api/health", "", 405, "method_not_allowed"),
        ("POST", "/api/v2/bookings", "{", 400, "malformed_json"),
        ("POST", "/api/v2/bookings", "[]", 422, "validation_failed"),
        ("DELETE", "/api/v1/callbacks", "", 405, "method_not_allowed"),
        ("GET", "/api/v2/bookings/b_nothing", "", 404, "not_found"),
    ];
    for (method, path, body, status, code) in requests {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("authorization", format!("Bearer {}", house.rest_key("salon")))
            .header("x-request-id", "check-0001")
            .body(Body::from(body))
            .expect("a request");
        let (answered, problem, headers) = house.send(request).await;
        assert_eq!((answered.as_u16(), problem["code"].as_str()), (status, Some(code)), "{method} {path}: {problem}");
        assert_eq!(header(&headers, "content-type"), "application/problem+json", "{method} {path}");
        assert_eq!(problem["request_id"], "check-0001");
        assert_eq!(problem["status"], status);
    }
    let xml = Request::post("/api/v2/bookings")
        .header("authorization", format!("Bearer {}", house.rest_key("salon")))
        .header("content-type", "application/xml")
        .body(Body::from("<a/>"))
        .expect("a request");
    let (status, problem, _) = house.send(xml).await;
    assert_eq!((status.as_u16(), problem["code"].as_str()), (415, Some("unsupported_media_type")), "{problem}");
    let large = Request::post("/api/v2/bookings")
        .header("authorization", format!("Bearer {}", house.rest_key("salon")))
        .body(Body::from(vec![b' '; 70_000]))
        .expect("a request");
    let (status, problem, _) = house.send(large).await;
    assert_eq!((status.as_u16(), problem["code"].as_str()), (413, Some("payload_too_large")), "{problem}");
}
