//! Free times: what is sent, and what is made of the answer.

use frontdesk_core::ports::{Calendar, CalendarError};
use frontdesk_core::tenant::TenantSecrets;
use serde_json::json;

use crate::double::{Double, Say, good, shape_a};
use crate::people::{ask, at, calcom, cut, line, on_calcom, soon};

#[tokio::test]
async fn a_question_for_slots_carries_exactly_what_the_route_takes() {
    let double = Double::saying([good(json!({}))]).await;
    let (service, line) = (cut(), line(None, Some(4711)));
    let mut ask = ask(&service, &line, "2030-01-06T23:00:00Z", "2030-01-07T23:00:00Z");
    ask.replaces = Some("old/uid?");
    calcom().slots(&on_calcom("a", &double.base_url), &ask, soon()).await.expect("slots");
    let asked = double.only();
    assert_eq!(
        asked.line(),
        "GET /v2/slots?eventTypeId=4711&start=2030-01-06T23%3A00%3A00Z&end=2030-01-07T23%3A00%3A00Z\
         &timeZone=Europe%2FBerlin&bookingUidToReschedule=old%2Fuid%3F"
    );
    assert_eq!(asked.header("cal-api-version"), "2024-09-04");
    assert_eq!(asked.header("authorization"), "Bearer cal_live_x");
    assert!(asked.header("user-agent").starts_with("frontdesk/"));
}

#[tokio::test]
async fn an_end_at_midnight_utc_is_sent_a_second_earlier() {
    let double = Double::saying([good(json!({}))]).await;
    let (service, line) = (cut(), line(None, Some(1)));
    let ask = ask(&service, &line, "2030-01-07T12:00:00Z", "2030-01-08T00:00:00Z");
    calcom().slots(&on_calcom("a", &double.base_url), &ask, soon()).await.expect("slots");
    assert!(double.only().line().contains("&end=2030-01-07T23%3A59%3A59Z&"));
}

#[tokio::test]
async fn slots_are_instants_in_the_range_once_and_in_order() {
    let data = json!({
        "2030-01-07": [
            {"start": "2030-01-07T10:30:00.000+01:00"}, {"start": "2030-01-07T10:00:00.000+01:00"},
            {"start": "2030-01-07T09:00:00.000Z"}, {"start": "2030-01-07T08:59:00Z"}, {"start": "2030-01-07T11:00:00.000+01:00"},
        ],
    });
    let double = Double::saying([good(data)]).await;
    let (service, line) = (cut(), line(None, Some(1)));
    let ask = ask(&service, &line, "2030-01-07T09:00:00Z", "2030-01-07T10:00:00Z");
    let free = calcom().slots(&on_calcom("a", &double.base_url), &ask, soon()).await.expect("slots");
    assert_eq!(*free.starts, [at("2030-01-07T09:00:00Z"), at("2030-01-07T09:30:00Z")]);
}

#[tokio::test]
async fn a_slot_without_an_offset_is_not_guessed_at() {
    let double = Double::saying([good(json!({"2030-01-07": [{"start": "2030-01-07T10:00:00"}]}))]).await;
    let (service, line) = (cut(), line(None, Some(1)));
    let ask = ask(&service, &line, "2030-01-07T00:00:00Z", "2030-01-08T00:00:00Z");
    let error = calcom().slots(&on_calcom("a", &double.base_url), &ask, soon()).await.expect_err("refused");
    assert_eq!(error, CalendarError::Unavailable { detail: "a slot without an offset".into() });
}

#[tokio::test]
async fn a_missing_event_type_or_key_needs_mending() {
    let double = Double::saying([shape_a(404, "Event Type not found"), Say::Raw(301, String::new())]).await;
    let (service, line) = (cut(), line(None, Some(1)));
    let ask = ask(&service, &line, "2030-01-07T00:00:00Z", "2030-01-08T00:00:00Z");
    let mut tenant = on_calcom("a", &double.base_url);
    for _ in 0..2 {
        let error = calcom().slots(&tenant, &ask, soon()).await.expect_err("refused");
        assert!(matches!(error, CalendarError::Misconfigured { .. }), "{error:?}");
    }
    tenant.secrets = TenantSecrets::default();
    let error = calcom().slots(&tenant, &ask, soon()).await.expect_err("refused");
    assert!(matches!(error, CalendarError::Misconfigured { .. }), "{error:?}");
    assert_eq!(double.asked().len(), 2);
}

#[tokio::test]
async fn nonsense_and_endless_answers_are_no_answers() {
    let long = format!("{{\"status\":\"success\",\"data\":{{}},\"x\":\"{}\"}}", "x".repeat(3 << 20));
    let says = [Say::Raw(200, "<html>".into()), Say::Raw(200, long), Say::Json(200, json!({"status": "success", "data": null}))];
    let double = Double::saying(says).await;
    let (service, line) = (cut(), line(None, Some(1)));
    let ask = ask(&service, &line, "2030-01-07T00:00:00Z", "2030-01-08T00:00:00Z");
    for _ in 0..3 {
        let error = calcom().slots(&on_calcom("a", &double.base_url), &ask, soon()).await.expect_err("no answer");
        assert!(matches!(error, CalendarError::Unavailable { .. }), "{error:?}");
    }
}
