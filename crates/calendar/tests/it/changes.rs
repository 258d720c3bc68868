//! What changed in the calendar, page by page, whatever else stands in the rows.

use frontdesk_core::calendar_news::NewsKind;
use frontdesk_core::ports::Calendar;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::double::{Double, Say, good};
use crate::people::{INTENT, at, calcom, on_calcom, ours, soon, stored};

const START: &str = "2030-01-07T09:00:00.000Z";
/// When these tests happen.
const NOW: &str = "2030-01-02T03:00:00Z";

fn changed(uid: &str, updated_at: &str) -> Value {
    let mut row = stored(uid, START, ours());
    row["updatedAt"] = json!(updated_at);
    row
}

fn since() -> Timestamp {
    at(NOW) - SignedDuration::from_hours(1)
}

#[tokio::test]
async fn a_page_that_is_too_long_is_asked_for_in_halves() {
    let too_long = || Say::Raw(200, format!(r#"{{"status":"success","data":["{}"]}}"#, "x".repeat(3 << 20)));
    let double = Double::saying([too_long(), too_long(), good(json!([changed("u1", NOW)])), good(json!([]))]).await;
    let changes = calcom().changes(&on_calcom("a", &double.base_url), since(), soon()).await.expect("an answer");
    assert_eq!(changes.news.iter().map(|it| it.uid.as_str()).collect::<Vec<_>>(), ["u1"]);
    let takes: Vec<String> = double.asked().iter().filter_map(|it| it.line().split("take=").nth(1).map(str::to_owned)).collect();
    assert_eq!(takes, ["100&skip=0", "50&skip=0", "25&skip=0", "100&skip=0"]);
}

#[tokio::test]
async fn a_row_is_news_however_deep_or_odd_what_stands_around_it() {
    let deep = format!("{}1{}", r#"{"a":"#.repeat(500), "}".repeat(500));
    let mut marked = changed("u1", NOW).to_string().replace(r#""title":"Cut""#, &format!(r#""title":{deep}"#));
    marked = marked.replacen(r#""metadata":{"#, &format!(r#""metadata":{{"other":{deep},"#), 1);
    let mut odd = changed("u2", NOW);
    odd["metadata"] = json!("nothing");
    odd["attendees"] = json!([{"name": "Ida Caller", "phoneNumber": "+4915123456789"}, {"name": 7}]);
    let page = Say::Raw(200, format!(r#"{{"status":"success","data":[{marked},{odd},{{"uid":7}}]}}"#));
    let double = Double::saying([page, good(json!([]))]).await;
    let changes = calcom().changes(&on_calcom("a", &double.base_url), since(), soon()).await.expect("an answer");
    let [first, second] = changes.news.as_slice() else { panic!("{:?}", changes.news) };
    assert_eq!(
        (first.kind, first.host, first.intent.as_ref().map(|it| it.as_str())),
        (NewsKind::Created, Some(12), Some(INTENT))
    );
    assert_eq!((second.intent.as_ref(), second.attendee.is_some()), (None, true));
}

#[tokio::test]
async fn more_in_one_second_than_is_listed_at_once_keeps_nothing_later_from_being_listed() {
    let page = |number: usize| {
        let rows: Vec<Value> = (0..100).map(|row| changed(&format!("u{number}x{row}"), "2030-01-02T02:00:00.500Z")).collect();
        good(json!(rows))
    };
    let double = Double::saying((0..10).map(page).chain([good(json!([]))])).await;
    let changes = calcom().changes(&on_calcom("a", &double.base_url), since(), soon()).await.expect("an answer");
    assert_eq!((changes.news.len(), changes.more), (1000, true));
    assert_eq!(changes.until, Some(since() + SignedDuration::from_secs(1)), "the next turn does not begin where this one did");
    assert!(double.asked()[9].line().ends_with("skip=900"), "{}", double.asked()[9].line());
}

#[tokio::test]
async fn a_change_from_the_future_was_told_now_and_one_from_before_all_times_is_none() {
    let rows = [changed("u1", "2100-01-01T00:00:00Z"), changed("u2", "-009999-01-02T02:00:00Z")];
    let mut timeless = changed("u3", "-009999-01-02T02:00:00Z");
    timeless["createdAt"] = Value::Null;
    let double = Double::saying([good(json!([rows[0], rows[1], timeless])), good(json!([]))]).await;
    let changes = calcom().changes(&on_calcom("a", &double.base_url), since(), soon()).await.expect("an answer");
    let told: Vec<_> = changes.news.iter().map(|it| (it.uid.as_str(), it.told_at)).collect();
    assert_eq!(told, [("u2", at("2030-01-02T03:00:05Z")), ("u1", at("2030-01-02T03:01:00Z"))]);
}
