//! What an account says of itself, and what it costs to ask.

use frontdesk_core::account::{AccountAsk, Accounts as _};
use frontdesk_core::ports::CalendarError;
use jiff::SignedDuration;
use serde_json::json;

use crate::double::{Double, Say, good, shape_a};
use crate::people::{at, calcom, on_calcom, soon};

#[tokio::test]
async fn one_look_tells_of_key_clock_budget_event_types_and_offsets() {
    let headers = vec![
        ("date", "Wed, 02 Jan 2030 03:00:30 GMT".to_owned()),
        ("x-ratelimit-limit-default", "120".to_owned()),
        ("x-ratelimit-remaining-default", "7".to_owned()),
    ];
    let double = Double::saying([
        Say::Headers(200, headers, json!({"status": "success", "data": {"id": 7, "email": "emma@salon.example"}})),
        good(json!([{"id": 1, "lengthInMinutes": 30}, {"id": 9, "lengthInMinutes": 15}])),
        good(json!({"2030-01-03": [{"start": "2030-01-03T09:00:00.000+01:00"}]})),
    ])
    .await;
    let ask = AccountAsk { event_types: vec![1], offsets_in: vec![(at("2030-01-02T03:00:00Z"), at("2030-01-09T03:00:00Z"))] };
    let tenant = on_calcom("a", &double.base_url);
    let report = calcom().examine(&tenant, &ask, soon()).await.expect("on Cal.com");
    assert_eq!(report.key, Ok(()));
    assert_eq!(report.ahead, Some(SignedDuration::from_millis(30_500)), "the middle of the second");
    assert_eq!(report.budget, Some((7, 120)));
    assert_eq!(report.event_types, Ok(vec![(1, Some(30))]));
    assert!(report.account.starts_with("acct_"), "{}", report.account);
    let paths: Vec<String> = double.asked().iter().map(|it| it.uri.path().to_owned()).collect();
    assert_eq!(paths, ["/v2/me", "/v2/event-types", "/v2/slots"]);
}

#[tokio::test]
async fn event_types_that_are_not_listed_are_asked_for_and_offsets_are_the_calendars() {
    let double = Double::saying([
        good(json!({})),
        good(json!([])),
        good(json!({"id": 2, "lengthInMinutes": 45})),
        good(json!({"2030-01-03": [{"start": "2030-01-03T09:00:00.000+01:00"}, {"start": "2030-01-03T09:00:00.000Z"}]})),
    ])
    .await;
    let ask = AccountAsk { event_types: vec![2], offsets_in: vec![(at("2030-01-02T03:00:00Z"), at("2030-01-09T03:00:00Z"))] };
    let report = calcom().examine(&on_calcom("a", &double.base_url), &ask, soon()).await.expect("on Cal.com");
    assert_eq!(report.event_types, Ok(vec![(2, Some(45))]));
    assert_eq!(report.offsets, Ok(vec![(at("2030-01-03T08:00:00Z"), 3600), (at("2030-01-03T09:00:00Z"), 0)]));
    let gone = Double::saying([good(json!({})), good(json!([])), shape_a(404, "Event type with id 2 not found")]).await;
    let report = calcom().examine(&on_calcom("a", &gone.base_url), &ask, soon()).await.expect("on Cal.com");
    assert_eq!(
        (report.event_types, report.offsets),
        (Ok(vec![(2, None)]), Ok(vec![])),
        "nothing free is asked of what is not there"
    );
}

#[tokio::test]
async fn a_key_that_is_refused_ends_the_look() {
    let double = Double::saying([shape_a(401, "ApiAuthStrategy - api key - Your api key is not valid")]).await;
    let ask = AccountAsk { event_types: vec![2], offsets_in: Vec::new() };
    let report = calcom().examine(&on_calcom("a", &double.base_url), &ask, soon()).await.expect("on Cal.com");
    assert!(matches!(&report.key, Err(CalendarError::Misconfigured { detail }) if detail.contains("not valid")), "{report:?}");
    assert_eq!(double.asked().len(), 1);
}
