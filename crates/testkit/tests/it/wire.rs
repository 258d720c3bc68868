//! A client of this test's own.

use std::sync::Arc;

use frontdesk_testkit::calcom::{Config, SimulatedCalCom};
use frontdesk_testkit::http_client::{ClientError, Request};
use jiff::Timestamp;
use serde_json::{Value, json};

pub(crate) const BOOKINGS: &str = "2024-08-13";
pub(crate) const SLOTS: &str = "2024-09-04";

/// A Thursday at ten in Berlin.
pub(crate) async fn salon() -> SimulatedCalCom {
    let now: Timestamp = "2026-03-12T09:00:00Z".parse().expect("a timestamp");
    SimulatedCalCom::start(Config::salon().clock(Arc::new(move || now)).rate_limit(None)).await
}

pub(crate) fn booking(start: &str) -> Value {
    json!({"start": start, "eventTypeId": 102, "metadata": {"frontdesk_intent": "i_1"},
        "attendee": {"name": "Ada Byron", "timeZone": "Europe/Berlin", "phoneNumber": "+4915123456789"}})
}

pub(crate) async fn ask(
    calendar: &SimulatedCalCom,
    method: &str,
    path: &str,
    version: &str,
    body: Value,
) -> Result<(u16, Value), ClientError> {
    let mut request = Request::new(method, &format!("{}{path}", calendar.base_url())).bearer("cal_test_salon");
    if !version.is_empty() {
        request = request.header("cal-api-version", version);
    }
    if !body.is_null() {
        request = request.header("content-type", "application/json").body(body.to_string());
    }
    let response = request.send().await?;
    let body = serde_json::from_slice(&response.body).unwrap_or(Value::Null);
    Ok((response.status, body))
}

pub(crate) async fn create(calendar: &SimulatedCalCom, start: &str) -> (u16, Value) {
    ask(calendar, "POST", "/v2/bookings", BOOKINGS, booking(start)).await.expect("an answer")
}
