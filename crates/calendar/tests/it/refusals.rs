//! The five shapes of errors, and what their words mean.

use frontdesk_core::ports::{Calendar, CalendarError, Refusal};
use jiff::SignedDuration;
use serde_json::json;

use crate::double::{Double, Say, shape_a};
use crate::people::{calcom, ida, on_calcom, soon};

fn b(status: u16, code: &str, message: &str) -> Say {
    Say::Json(status, json!({"status": "error", "error": {"code": code, "message": message}}))
}

fn c(status: u16, message: &str) -> Say {
    Say::Json(status, json!({"statusCode": status, "message": message}))
}

async fn error_of(say: Say) -> CalendarError {
    let double = Double::saying([say]).await;
    calcom().create(&on_calcom("a", &double.base_url), &ida(), soon()).await.expect_err("an error")
}

#[tokio::test]
async fn refusals_are_known_by_their_words_in_every_shape() {
    let too_soon = "The event type can't be booked at the \"start\" time provided. This could be because it's too soon (violating the minimum booking notice) or too far in the future.";
    let limit = "Attendee with this email can't book because the maximum number of active bookings has been reached.";
    let cases = [
        (shape_a(400, "One of the hosts either already has booking at this time or is not available"), Refusal::Taken),
        (shape_a(400, too_soon), Refusal::OutOfBounds),
        (shape_a(400, "Attempting to book a meeting in the past."), Refusal::OutOfBounds),
        (shape_a(400, limit), Refusal::BookerLimit),
        (shape_a(400, "Missing required booking field response: color - it is required"), Refusal::Attendee),
        (shape_a(400, "This event type does not allow cancellations"), Refusal::NotAllowed),
        (shape_a(401, "User not a host of this event"), Refusal::NotAllowed),
        (shape_a(400, "Something new"), Refusal::Other),
        (b(409, "booking_conflict_error", "conflict"), Refusal::Taken),
        (b(409, "no_available_users_found_error", ""), Refusal::Taken),
        (b(400, "booking_time_out_of_bounds_error", "out of bounds"), Refusal::OutOfBounds),
        (c(500, "round_robin_host_unavailable_for_booking"), Refusal::Taken),
        (c(500, "fixed_hosts_unavailable_for_booking"), Refusal::Taken),
        (c(400, "Cancellation reason is required when you are the host"), Refusal::Other),
        (b(409, "CONFLICT", "Invalid Input: Trying to create a record that already exists."), Refusal::Taken),
        (b(400, "BAD_REQUEST", "responses - {title}error_required_field, "), Refusal::Attendee),
        (b(200, "BadRequestException", "No more seats left at this seated booking."), Refusal::Taken),
    ];
    for (say, expected) in cases {
        let error = error_of(say).await;
        assert!(matches!(&error, CalendarError::Refused { refusal, .. } if *refusal == expected), "{expected:?}: {error:?}");
    }
}

#[tokio::test]
async fn a_refused_form_is_read_from_its_details() {
    let details = json!({"message": "Bad Request Exception", "errors": [{
        "property": "attendee", "target": {"name": "Ida Caller"}, "value": "ida@example.com",
        "children": [{"property": "phoneNumber", "constraints": {"isPhone": "attendee.phoneNumber must be valid"}}],
    }]});
    let body = json!({"status": "error", "error": {"code": "BadRequestException", "message": "Bad Request Exception", "details": details}});
    let double = Double::saying([Say::Json(422, body), shape_a(400, "Attempting to book a meeting in the past.")]).await;
    let error = calcom().create(&on_calcom("a", &double.base_url), &ida(), soon()).await.expect_err("refused");
    assert!(matches!(error, CalendarError::Refused { refusal: Refusal::OutOfBounds, .. }), "{error:?}");
    assert_eq!(double.asked()[1].body["attendee"].get("phoneNumber"), None);
}

#[tokio::test]
async fn trouble_is_unavailable_and_accounts_to_mend_are_named() {
    for say in [
        c(500, "Internal server error"),
        b(500, "INTERNAL_SERVER_ERROR", "There was an error, please try again later."),
        b(408, "TRPCError", "TIMEOUT"),
        Say::Raw(502, "<html>bad gateway</html>".into()),
        Say::Raw(400, "<html>bad request</html>".into()),
    ] {
        let error = error_of(say).await;
        assert!(matches!(error, CalendarError::Unavailable { .. }), "{error:?}");
    }
    for say in [
        shape_a(401, "ApiAuthStrategy - api key - Your api key is not valid"),
        shape_a(403, "Forbidden"),
        shape_a(404, "Event type with id 4711 not found."),
        shape_a(404, "Cannot POST /v2/bookings"),
        shape_a(422, "Can't book this team event type because it has no hosts"),
        shape_a(400, "lengthInMinutes property is wrong,property lengthInMinutes should not exist "),
        Say::Raw(404, "<html>not here</html>".into()),
    ] {
        let error = error_of(say).await;
        assert!(matches!(error, CalendarError::Misconfigured { .. }), "{error:?}");
    }
}

#[tokio::test]
async fn too_many_requests_say_when_to_ask_again() {
    let body = json!({"status": "error", "error": {"code": "ThrottlerException", "message": "Too many requests."}});
    let say = |reset: Option<&str>| {
        let headers = reset.map(|reset| ("x-ratelimit-reset-default", reset.to_owned())).into_iter().collect();
        Say::Headers(429, headers, body.clone())
    };
    // The clock of the tests stands at 1893553200.
    for (reset, seconds) in [(Some("17"), 17), (Some("1893553230"), 30), (Some("9999"), 60), (Some("0"), 1), (None, 60)] {
        let expected = CalendarError::Throttled { retry_after: SignedDuration::from_secs(seconds) };
        assert_eq!(error_of(say(reset)).await, expected, "{reset:?}");
    }
}

#[tokio::test]
async fn no_persons_data_is_in_an_error() {
    let message = "Attendee ida@example.com (Ida Caller, +49 151 23456789) has the maximum number of active bookings. UID x9KfQ2mLpZt7VnB4cR8wYs";
    let text = format!("{:?}", error_of(shape_a(400, message)).await);
    for gone in ["ida@", "Ida", "Caller", "23456789", "x9KfQ2"] {
        assert!(!text.contains(gone), "{text}");
    }
    assert!(text.contains("BookerLimit"), "{text}");
}
