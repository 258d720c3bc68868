//! Finding bookings again.

use frontdesk_core::ports::{Calendar, CalendarError, Standing};
use serde_json::{Value, json};

use crate::double::{Double, good, shape_a};
use crate::people::{calcom, ida, on_calcom, ours, soon, stored};

const START: &str = "2030-01-07T09:00:00.000Z";

#[tokio::test]
async fn a_lookup_goes_by_our_intent_alone_over_all_pages() {
    let strangers: Vec<Value> =
        (0..100).map(|n| stored(&format!("s{n}"), START, json!({"frontdesk_intent": "i_other"}))).collect();
    let double = Double::saying([good(json!(strangers)), good(json!([{"odd": true}, stored("u1", START, ours())]))]).await;
    let found = calcom().find(&on_calcom("a", &double.base_url), &ida(), soon()).await.expect("an answer");
    assert_eq!(found.map(|booking| booking.uid).as_deref(), Some("u1"));
    let asked = double.asked();
    assert_eq!(
        asked[0].line(),
        "GET /v2/bookings?eventTypeId=4711&afterStart=2030-01-07T08%3A59%3A00Z&beforeEnd=2030-01-07T17%3A30%3A00Z\
         &sortStart=asc&take=100&skip=0"
    );
    assert!(asked[1].line().ends_with("&skip=100"));
    assert_eq!(asked[0].header("cal-api-version"), "2024-08-13");
}

#[tokio::test]
async fn a_standing_booking_is_preferred_to_the_one_it_replaced() {
    let mut old = stored("u1", START, ours());
    old["status"] = json!("cancelled");
    old["rescheduledToUid"] = json!("u2");
    let double = Double::saying([good(json!([old, stored("u2", START, ours())])), good(json!([old])), good(json!([]))]).await;
    let tenant = on_calcom("a", &double.base_url);
    let found = calcom().find(&tenant, &ida(), soon()).await.expect("an answer").expect("found");
    assert_eq!((found.uid.as_str(), found.standing), ("u2", Standing::Accepted));
    let found = calcom().find(&tenant, &ida(), soon()).await.expect("an answer").expect("found");
    assert_eq!((found.standing, found.moved_to.as_deref()), (Standing::Cancelled, Some("u2")));
    assert!(calcom().find(&tenant, &ida(), soon()).await.expect("an answer").is_none());
}

#[tokio::test]
async fn only_a_missing_booking_is_none() {
    let says = [
        shape_a(404, "Booking with uid=u1 was not found in the database"),
        shape_a(404, "Cannot GET /v2/bookings/u1"),
        good(json!([stored("u1", START, ours())])),
    ];
    let double = Double::saying(says).await;
    let tenant = on_calcom("a", &double.base_url);
    assert!(calcom().get(&tenant, "u1", soon()).await.expect("an answer").is_none());
    let error = calcom().get(&tenant, "u1", soon()).await.expect_err("a wrong route");
    assert!(matches!(error, CalendarError::Misconfigured { .. }), "{error:?}");
    let series = calcom().get(&tenant, "u1", soon()).await.expect("an answer").expect("the first of a series");
    assert_eq!(series.uid, "u1");
}

#[tokio::test]
async fn a_part_is_found_by_intent_and_number() {
    let part = |uid: &str, number: &str| {
        stored(uid, START, json!({"frontdesk_intent": crate::people::INTENT, "frontdesk_part": number}))
    };
    let listed = json!([stored("u0", START, ours()), part("u1", "0"), part("u2", "1")]);
    let double = Double::saying([good(listed.clone()), good(listed.clone()), good(listed)]).await;
    let tenant = on_calcom("a", &double.base_url);
    for (wanted, uid) in [(None, Some("u0")), (Some(1), Some("u2")), (Some(2), None)] {
        let wanted = frontdesk_core::ports::NewBooking { part: wanted, ..ida() };
        let found = calcom().find(&tenant, &wanted, soon()).await.expect("an answer");
        assert_eq!(found.as_ref().map(|booking| booking.uid.as_str()), uid);
    }
}
