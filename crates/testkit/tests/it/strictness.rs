//! What a sloppy client does is refused, and written down.

use frontdesk_testkit::calcom::{Config, RateLimit, SimulatedCalCom};
use frontdesk_testkit::http_client::Request;
use serde_json::{Value, json};

use crate::wire::{BOOKINGS, SLOTS, ask, booking, create, salon};

#[tokio::test]
async fn each_breach_of_the_contract_is_refused_and_written_down() {
    let with = |change: fn(&mut Value)| {
        let mut body = booking("2026-03-13T13:00:00Z");
        change(&mut body);
        body
    };
    let breaches = [
        ("no version", "", with(|_| {}), 404),
        ("another route's version", SLOTS, with(|_| {}), 404),
        ("an unknown property", BOOKINGS, with(|body| body["end"] = json!("2026-03-13T14:00:00Z")), 400),
        ("no event type", BOOKINGS, with(|body| body["eventTypeId"] = Value::Null), 400),
        ("a length", BOOKINGS, with(|body| body["lengthInMinutes"] = json!(30)), 400),
        ("no way to reach the attendee", BOOKINGS, with(|body| body["attendee"]["phoneNumber"] = Value::Null), 400),
        ("a number of one country", BOOKINGS, with(|body| body["attendee"]["phoneNumber"] = json!("0151 2345678")), 400),
        ("a long value", BOOKINGS, with(|body| body["metadata"]["x"] = json!("x".repeat(501))), 400),
        ("a number in the metadata", BOOKINGS, with(|body| body["metadata"]["x"] = json!(5)), 400),
        ("no instant", BOOKINGS, with(|body| body["start"] = json!("tomorrow")), 400),
    ];
    for (what, version, body, expected) in breaches {
        let calendar = salon().await;
        let (status, answer) = ask(&calendar, "POST", "/v2/bookings", version, body).await.expect("an answer");
        assert_eq!(status, expected, "{what}: {answer}");
        assert!(!calendar.violations().is_empty(), "{what} is written down");
        assert!(calendar.bookings().is_empty(), "{what}");
    }
}

#[tokio::test]
async fn a_host_gives_a_reason_for_cancelling() {
    let calendar = salon().await;
    let (_, made) = create(&calendar, "2026-03-13T13:00:00Z").await;
    let path = format!("/v2/bookings/{}/cancel", made["data"]["uid"].as_str().expect("a uid"));
    let (status, answer) = ask(&calendar, "POST", &path, BOOKINGS, json!({})).await.expect("an answer");
    assert_eq!((status, answer["statusCode"].as_u64()), (400, Some(400)), "the bare shape: {answer}");
    assert!(!calendar.violations().is_empty());
}

#[tokio::test]
async fn what_the_calendar_says_no_to_is_no_breach() {
    let calendar = salon().await;
    for (start, says) in [
        ("2026-03-15T13:00:00Z", "not available"),
        ("2026-03-13T05:00:00Z", "not available"),
        ("2026-03-11T13:00:00Z", "in the past"),
    ] {
        let (status, answer) = create(&calendar, start).await;
        assert!(status == 400 && answer.to_string().contains(says), "{start}: {answer}");
    }
    assert_eq!(calendar.violations(), Vec::<String>::new());
}

#[tokio::test]
async fn keys_are_looked_at_and_counted() {
    let calendar = SimulatedCalCom::start(Config::salon().rate_limit(Some(RateLimit::of(2)))).await;
    let me = |key: &'static str| Request::get(&format!("{}/v2/me", calendar.base_url())).bearer(key).send();
    assert_eq!(me("cal_unknown").await.expect("an answer").status, 401);
    assert_eq!(me("cal_test_salon").await.expect("an answer").status, 200);
    assert_eq!(me("cal_test_salon").await.expect("an answer").status, 200);
    let refused = me("cal_test_salon").await.expect("an answer");
    assert_eq!(refused.status, 429);
    assert!(
        refused.headers.iter().any(|(name, value)| name == "x-ratelimit-reset-default" && value == "60"),
        "{:?}",
        refused.headers
    );
}
