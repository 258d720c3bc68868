//! Hostile and broken input: never a 5xx, never a lost wish, always a sentence.

use axum::http::StatusCode;
use serde_json::{Value, json};

use crate::house::{ANNA, House, key_of};

const FUNCTIONS: [&str; 15] = [
    "start_call",
    "identify_caller",
    "list_services",
    "opening_hours",
    "resolve_date",
    "check_availability",
    "find_next_available",
    "book_appointment",
    "collect_appointment",
    "find_appointments",
    "reschedule_appointment",
    "cancel_appointment",
    "request_callback",
    "hold_slot",
    "release_slot",
];

#[tokio::test]
async fn every_function_answers_every_kind_of_argument_with_a_sentence() {
    let house = House::open().await;
    let hostile: Vec<Value> = vec![
        json!(null),
        json!(5),
        json!(-1.5),
        json!(true),
        json!([]),
        json!({}),
        json!([[[[1]]]]),
        json!({"a": {"b": 1}}),
        json!(""),
        json!(" "),
        json!("\u{0}"),
        json!("\u{202e}drowssap"),
        json!("<script>alert(1)</script>"),
        json!("{{customer_name}}"),
        json!("'; DROP TABLE appointments; --"),
        json!("a".repeat(20_000)),
        json!("💇".repeat(300)),
        json!("2026-13-45"),
        json!("99:99"),
        json!("+"),
        json!("e9b1deb4-0000-0000-0000-000000000000"),
    ];
    let names = [
        "service",
        "date",
        "time",
        "staff",
        "name",
        "email",
        "phone",
        "notes",
        "slot_id",
        "booking_id",
        "new_date",
        "new_time",
        "reason",
        "confirm",
        "bestaetigung",
        "priority",
        "query",
        "call_id",
        "duration",
    ];
    for function in FUNCTIONS {
        for (number, value) in hostile.iter().enumerate() {
            let args: serde_json::Map<String, Value> = names.iter().map(|name| ((*name).to_owned(), value.clone())).collect();
            let id = format!("{function}{number}");
            let answer = house.call("salon", &id, ANNA).say(function, Value::Object(args)).await;
            let message = answer["message"].as_str().unwrap_or("");
            assert!(!message.contains(['{', '}', '_', '<', '>']), "{function} {value}: {message}");
            assert_ne!(answer["status"], "booked", "{function} {value}: {answer}");
        }
    }
}

#[tokio::test]
async fn one_hostile_argument_at_a_time_never_breaks_a_good_request() {
    let house = House::open().await;
    for (name, value) in
        [("service", json!([1])), ("date", json!({})), ("time", json!("x".repeat(21))), ("staff", json!("x".repeat(151)))]
    {
        let mut args = json!({"service": "Beratung", "date": "Montag", "time": "10 Uhr"});
        args[name] = value;
        let answer = house.call("salon", "c1", ANNA).say("check_availability", args).await;
        assert_eq!((answer["status"].as_str(), answer["field"].as_str()), (Some("invalid"), Some(name)), "{answer}");
    }
}

#[tokio::test]
async fn bodies_that_are_no_request_are_told_apart() {
    let house = House::open().await;
    let path = "/api/t/salon/retell/functions";
    for (body, status) in [
        ("{".to_owned(), StatusCode::BAD_REQUEST),
        (String::new(), StatusCode::BAD_REQUEST),
        ("[]".to_owned(), StatusCode::OK),
        ("\"x\"".to_owned(), StatusCode::OK),
        (json!({"name": "check_availability", "args": "not an object"}).to_string(), StatusCode::OK),
        (format!(r#"{{"name":"check_availability","args":{}1{}}}"#, "[".repeat(90), "]".repeat(90)), StatusCode::OK),
        (
            format!(r#"{{"name":"check_availability","args":{{"a":{}1{}}}}}"#, "[".repeat(20_000), "]".repeat(20_000)),
            StatusCode::OK,
        ),
        (json!({"name": "drop_everything", "args": {}}).to_string(), StatusCode::OK),
        (json!({"args": {}}).to_string(), StatusCode::OK),
        (json!({"name": 5, "args": null, "call": "x"}).to_string(), StatusCode::OK),
        (format!(r#"{{"name":"x","pad":"{}"}}"#, "a".repeat(4 * 1024 * 1024)), StatusCode::PAYLOAD_TOO_LARGE),
    ] {
        let shown: String = body.chars().take(60).collect();
        let (answered, answer) = house.signed(&key_of("salon"), path, body).await;
        assert_eq!(answered, status, "{shown}: {answer}");
        if answered == StatusCode::OK {
            assert!(answer["message"].as_str().is_some_and(|message| !message.is_empty()), "{shown}: {answer}");
        } else {
            assert!(answer["code"].is_string() && answer["request_id"].is_string(), "{shown}: {answer}");
        }
    }
}

#[tokio::test]
async fn a_large_transcript_is_skipped_and_the_request_served() {
    let house = House::open().await;
    let call = house.call("salon", "c1", ANNA);
    let mut envelope = call.envelope();
    envelope["transcript"] = json!("Agent: Hallo\n".repeat(100_000));
    let body = json!({"name": "check_availability", "args": {"service": "Beratung", "date": "Montag", "time": "10 Uhr"}, "call": envelope});
    let answer = call.post("/api/t/salon/retell/functions", &body).await;
    assert_eq!(answer["status"], "available", "{answer}");
}

#[tokio::test]
async fn rest_gets_all_violations_at_once() {
    let house = House::open().await;
    let (status, problem) =
        house.rest("salon", "POST", "/api/v2/bookings", json!({"start": "soon", "name": "", "service": 5})).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{problem}");
    assert!(problem["errors"].as_array().is_some_and(|errors| errors.len() >= 3), "{problem}");
}
