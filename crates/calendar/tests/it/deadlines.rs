//! No answer takes longer than its deadline.

use std::time::Duration;

use frontdesk_core::call::load_numbering_plans;
use frontdesk_core::deadline::Deadline;
use frontdesk_core::ports::{Calendar, CalendarError};

use crate::double::{Double, Say, good};
use crate::people::{ask, calcom, cut, ida, line, on_calcom, ours, stored};

#[tokio::test]
async fn a_hanging_calendar_is_unavailable_at_the_deadline() {
    let double = Double::saying([Say::Nothing, Say::Nothing]).await;
    let tenant = on_calcom("a", &double.base_url);
    let (service, line) = (cut(), line(None, Some(1)));
    let ask = ask(&service, &line, "2030-01-07T00:00:00Z", "2030-01-08T00:00:00Z");
    let calcom = calcom();
    load_numbering_plans();
    let in_time = tokio::time::timeout(Duration::from_secs(2), async {
        let slots = calcom.slots(&tenant, &ask, Deadline::within(Duration::from_millis(100))).await;
        let create = calcom.create(&tenant, &ida(), Deadline::within(Duration::from_millis(100))).await;
        (slots.expect_err("no answer"), create.expect_err("no answer"))
    });
    let (slots, create) = in_time.await.expect("long before the test's own limit");
    assert_eq!(slots, CalendarError::Unavailable { detail: "no answer in time".into() });
    assert_eq!(create, slots);
}

#[tokio::test]
async fn nothing_is_asked_after_the_deadline() {
    let double = Double::saying([]).await;
    let error = calcom().create(&on_calcom("a", &double.base_url), &ida(), Deadline::within(Duration::ZERO)).await;
    assert!(matches!(error, Err(CalendarError::Unavailable { .. })));
    assert!(double.asked().is_empty());
}

#[tokio::test]
async fn a_refused_connection_is_unavailable() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("an address");
    drop(listener);
    let tenant = on_calcom("a", &format!("http://{address}"));
    let error = calcom().get(&tenant, "u1", Deadline::within(Duration::from_secs(2))).await.expect_err("nobody there");
    assert_eq!(error, CalendarError::Unavailable { detail: "no connection".into() });
}

#[tokio::test]
async fn taking_back_a_wrong_start_outlives_the_deadline_but_the_answer_does_not() {
    let wrong = good(stored("u1", "2030-01-07T09:30:00.000Z", ours()));
    let double = Double::saying([wrong, Say::Nothing]).await;
    let tenant = on_calcom("a", &double.base_url);
    load_numbering_plans();
    let error = calcom().create(&tenant, &ida(), Deadline::within(Duration::from_millis(200))).await.expect_err("unknown");
    assert!(matches!(error, CalendarError::Unavailable { .. }), "{error:?}");
    assert_eq!(double.asked()[1].line(), "POST /v2/bookings/u1/cancel");
}
