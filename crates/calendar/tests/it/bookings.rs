//! Making, moving and cancelling: what is sent, and which answers are believed.

use frontdesk_core::ports::{Calendar, CalendarError, Refusal, Standing};
use frontdesk_core::sensitive::Sensitive;
use serde_json::{Value, json};

use crate::double::{Double, Say, good, shape_a};
use crate::people::{INTENT, at, attendee, calcom, ida, on_calcom, ours, soon, stored, wish};

const START: &str = "2030-01-07T09:00:00.000Z";
const DERIVED: &str = "b_0000000000000000000000000b@noreply.frontdesk.invalid";

fn refusal(error: CalendarError) -> (Refusal, String) {
    match error {
        CalendarError::Refused { refusal, detail } => (refusal, detail),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_booking_carries_the_attendee_our_ids_and_nothing_else() {
    let double = Double::saying([good(stored("u1", START, ours()))]).await;
    let mut new = ida();
    new.notes = Some(Sensitive::new("n".repeat(1200)));
    let booking = calcom().create(&on_calcom("a", &double.base_url), &new, soon()).await.expect("booked");
    assert_eq!((booking.uid.as_str(), booking.standing, booking.hosts.as_slice()), ("u1", Standing::Accepted, [12].as_slice()));
    let asked = double.only();
    assert_eq!(asked.line(), "POST /v2/bookings");
    assert_eq!(asked.header("cal-api-version"), "2024-08-13");
    assert_eq!(asked.header("content-type"), "application/json");
    let expected = json!({
        "start": "2030-01-07T09:00:00Z", "eventTypeId": 4711,
        "attendee": {"name": "Ida Caller", "timeZone": "Europe/Berlin", "language": "de", "email": "ida@example.com", "phoneNumber": "+4915123456789"},
        "metadata": {"frontdesk_intent": INTENT, "frontdesk_booking": "b_0000000000000000000000000b", "call_id": "call_81"},
        "bookingFieldsResponses": {"notes": "n".repeat(1000)},
    });
    assert_eq!(asked.body, expected);
}

#[tokio::test]
async fn a_booking_that_needs_confirmation_is_not_called_accepted() {
    let mut pending = stored("u1", START, ours());
    pending["status"] = json!("pending");
    let double = Double::saying([good(pending)]).await;
    let booking = calcom().create(&on_calcom("a", &double.base_url), &ida(), soon()).await.expect("requested");
    assert_eq!(booking.standing, Standing::AwaitsApproval);
}

#[tokio::test]
async fn an_old_booking_of_somebody_else_is_refused_and_left_alone() {
    let theirs = good(stored("u0", START, json!({"frontdesk_intent": "i_other"})));
    let mut old = stored("u0", START, json!({}));
    old["createdAt"] = json!("2029-12-01T00:00:00Z");
    let double = Double::saying([theirs, good(old)]).await;
    for _ in 0..2 {
        let error = calcom().create(&on_calcom("a", &double.base_url), &ida(), soon()).await.expect_err("refused");
        assert_eq!(refusal(error), (Refusal::Taken, "the calendar returned another booking".into()));
    }
    assert_eq!(double.asked().len(), 2);
}

#[tokio::test]
async fn a_new_booking_without_our_intent_is_left_to_the_lookup() {
    let double = Double::saying([good(stored("u1", START, Value::Null))]).await;
    let error = calcom().create(&on_calcom("a", &double.base_url), &ida(), soon()).await.expect_err("unknown");
    assert!(matches!(error, CalendarError::Unavailable { .. }), "{error:?}");
}

#[tokio::test]
async fn another_start_than_asked_is_cancelled_and_refused() {
    let wrong = good(stored("u1", "2030-01-07T09:30:00.000Z", ours()));
    let double = Double::saying([wrong, good(json!({}))]).await;
    let error = calcom().create(&on_calcom("a", &double.base_url), &ida(), soon()).await.expect_err("refused");
    assert_eq!(refusal(error), (Refusal::Taken, "the calendar stored another start".into()));
    let asked = double.asked();
    assert_eq!(asked[1].line(), "POST /v2/bookings/u1/cancel");
    assert_eq!(asked[1].body, json!({"cancellationReason": "Stored at another time than asked"}));
}

#[tokio::test]
async fn another_start_that_cannot_be_cancelled_is_not_called_refused() {
    let wrong = good(stored("u1", "2030-01-07T09:30:00.000Z", ours()));
    let double = Double::saying([wrong, Say::Raw(500, String::new())]).await;
    let error = calcom().create(&on_calcom("a", &double.base_url), &ida(), soon()).await.expect_err("unknown");
    assert!(matches!(error, CalendarError::Unavailable { .. }), "{error:?}");
}

#[tokio::test]
async fn a_refusal_after_storing_is_reported_as_it_is_and_not_repeated() {
    let double = Double::saying([shape_a(400, "User either already has booking at this time or is not available")]).await;
    let error = calcom().create(&on_calcom("a", &double.base_url), &ida(), soon()).await.expect_err("refused");
    assert_eq!(refusal(error).0, Refusal::Taken);
    assert_eq!(double.asked().len(), 1);
}

#[tokio::test]
async fn a_caller_without_any_contact_gets_an_address_of_nobody_elses() {
    let double = Double::saying([good(stored("u1", START, ours()))]).await;
    let new = wish(attendee(None, None));
    calcom().create(&on_calcom("a", &double.base_url), &new, soon()).await.expect("booked");
    assert_eq!(double.only().body["attendee"]["email"], DERIVED);
}

#[tokio::test]
async fn a_number_alone_is_enough_until_an_address_is_wanted() {
    let wanted =
        Say::Json(400, json!({"error": {"code": "BAD_REQUEST", "message": "responses - {email}error_required_field, "}}));
    let double = Double::saying([wanted, good(stored("u1", START, ours()))]).await;
    let new = wish(attendee(None, Some("+4915123456789")));
    calcom().create(&on_calcom("a", &double.base_url), &new, soon()).await.expect("booked");
    let asked = double.asked();
    assert_eq!(asked[0].body["attendee"].get("email"), None);
    assert_eq!(asked[1].body["attendee"]["email"], DERIVED);
    assert_eq!(asked[1].body["attendee"]["phoneNumber"], "+4915123456789");
}

#[tokio::test]
async fn a_refused_number_is_left_out_once() {
    let message = "Invalid phone number format. Please use international format.";
    let double = Double::saying([shape_a(400, message), shape_a(400, message)]).await;
    let error = calcom().create(&on_calcom("a", &double.base_url), &ida(), soon()).await.expect_err("refused");
    assert_eq!(refusal(error).0, Refusal::Attendee);
    let asked = double.asked();
    assert_eq!(asked.len(), 2);
    assert_eq!(asked[1].body["attendee"].get("phoneNumber"), None);
    assert_eq!(asked[1].body["attendee"]["email"], "ida@example.com");
}

#[tokio::test]
async fn moving_gives_the_new_uid_and_checks_the_start() {
    let moved = stored("u2", "2030-01-08T09:00:00.000Z", ours());
    let double = Double::saying([Say::Json(201, json!({"status": "success", "data": moved})), good(moved.clone())]).await;
    let tenant = on_calcom("a", &double.base_url);
    let start = at("2030-01-08T09:00:00Z");
    let booking = calcom().reschedule(&tenant, "u 1/..", start, "caller asked", soon()).await.expect("moved");
    assert_eq!((booking.uid.as_str(), booking.start), ("u2", start));
    let asked = double.only();
    assert_eq!(asked.line(), "POST /v2/bookings/u%201%2F../reschedule");
    assert_eq!(asked.body, json!({"start": "2030-01-08T09:00:00Z", "reschedulingReason": "caller asked"}));
    let error = calcom().reschedule(&tenant, "u1", at("2030-01-08T10:00:00Z"), "", soon()).await.expect_err("another start");
    assert!(matches!(error, CalendarError::Unavailable { .. }), "{error:?}");
}

#[tokio::test]
async fn cancelling_gives_a_reason_and_twice_is_once() {
    let already =
        shape_a(400, "Can't cancel booking with uid=u1 because it has been cancelled already. Please provide a different uid.");
    let mut looked_up = stored("u1", "2030-01-07T09:00:00.000Z", ours());
    looked_up["status"] = json!("cancelled");
    let unknown = shape_a(404, "Booking with uid=u1 was not found in the database");
    let double = Double::saying([good(json!({})), already, good(looked_up), unknown]).await;
    let tenant = on_calcom("a", &double.base_url);
    calcom().cancel(&tenant, "u1", "  ", soon()).await.expect("cancelled");
    calcom().cancel(&tenant, "u1", &"r".repeat(600), soon()).await.expect("cancelled already");
    let error = calcom().cancel(&tenant, "u1", "r", soon()).await.expect_err("unknown");
    assert_eq!(
        refusal(error),
        (Refusal::NoSuchBooking, "404 BadRequestException: Booking with uid=[uid] was not found in the database".into())
    );
    let asked = double.asked();
    assert_eq!(asked[0].body, json!({"cancellationReason": "Requested by phone"}));
    assert_eq!(asked[1].body["cancellationReason"].as_str().map(str::len), Some(500));
}
