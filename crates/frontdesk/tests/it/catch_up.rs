//! Webhooks that never come: the calendar is asked now and then what changed in it.

use std::sync::Arc;

use axum::body::Body;
use axum::http::Request;
use frontdesk::config::deployment::DeploymentConfig;
use frontdesk::config::secrets::SecretSource;
use frontdesk_core::clock::{Clock as _, ManualClock};
use frontdesk_core::ids::{BookingId, TenantId};
use frontdesk_core::sensitive::Secret;
use frontdesk_testkit::calcom::{Config, Fault, FaultKind, Quirks, RateLimit, Route, SimulatedCalCom, Status};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::house::{ANNA, BERND, House, NOW};

const TENANT: &str = include_str!("tenants/calcom.toml");

async fn salon() -> (House, SimulatedCalCom) {
    salon_with(|_| {}).await
}

/// A salon whose calendar's webhooks go nowhere. Bookings that nobody touched have no time of a change there.
async fn salon_with(configure: impl FnOnce(&mut DeploymentConfig)) -> (House, SimulatedCalCom) {
    let clock = Arc::new(ManualClock::new(NOW.parse().expect("a timestamp")));
    let for_calendar = Arc::clone(&clock);
    let mut config = Config::salon().clock(Arc::new(move || for_calendar.now())).rate_limit(Some(RateLimit::of(100_000)));
    config.quirks = Quirks { untouched_without_update: true, ..Quirks::default() };
    let calendar = SimulatedCalCom::start(config).await;
    let tenant = TENANT.replace("BASE_URL", &calendar.base_url());
    let house = House::at(clock, &[&tenant], |config| {
        config.live.rate_limit.default = 100_000;
        config.live.rate_limit.calendar = 100_000;
        config.server.admin_key = Some(SecretSource::Literal(Secret::new("the admin key")));
        configure(config);
    })
    .await;
    (house, calendar)
}

/// The usual pause, and what it may be longer.
const PAUSE: SignedDuration = SignedDuration::from_secs(400);

async fn asked(house: &House) -> usize {
    house.inner.catch_up().await.expect("asked")
}

fn lists(calendar: &SimulatedCalCom) -> usize {
    calendar.requests().iter().filter(|it| it.route == Route::List).count()
}

fn monday(hour: i64) -> Timestamp {
    "2026-03-16T00:00:00+01:00".parse::<Timestamp>().expect("a timestamp") + SignedDuration::from_hours(hour)
}

async fn state(house: &House, id: &str) -> Value {
    house.rest("salon", "GET", &format!("/api/v2/bookings/{id}"), Value::Null).await.1
}

async fn admin(house: &House, path: &str) -> Value {
    let request = Request::get(path).header("authorization", "Bearer the admin key").body(Body::empty()).expect("a request");
    house.send(request).await.1
}

#[tokio::test]
async fn a_booking_made_moved_and_cancelled_elsewhere_is_so_here_though_no_webhook_ever_came() {
    let (house, calendar) = salon().await;
    let uid = calendar.book_in_the_page(102, monday(14), "Anna Schmidt", Some(ANNA));
    assert_eq!(asked(&house).await, 1);
    let found = house.call("salon", "c1", ANNA).say("find_appointments", json!({})).await;
    assert_eq!(found["appointments"][0]["start"], "2026-03-16T14:00:00+01:00", "{found}");
    let id = found["appointments"][0]["booking_id"].as_str().expect("an id").to_owned();

    house.wait(PAUSE);
    let uid = calendar.move_in_the_page(&uid, monday(16));
    assert_eq!(asked(&house).await, 1);
    assert_eq!(state(&house, &id).await["start"], "2026-03-16T16:00:00+01:00");
    let wish = json!({"service": "Herrenhaarschnitt", "staff": "Emma", "date": "Montag", "time": "14 Uhr"});
    let free = house.call("salon", "c2", BERND).say("check_availability", wish).await;
    assert_eq!(free["status"], "available", "{free}");

    house.wait(PAUSE);
    calendar.set_status(&uid, Status::Cancelled);
    assert_eq!(asked(&house).await, 1);
    assert_eq!(state(&house, &id).await["status"], "cancelled");
    let tenant = house.inner.desk.tenant(&TenantId::new("salon")).expect("a tenant");
    house.wait(PAUSE);
    assert_eq!(asked(&house).await, 1, "and once more, with nothing new in it");
    let history = house.inner.store.history(tenant.scope(), &BookingId::new(&*id)).await.expect("read");
    assert_eq!(history, ["booked", "rescheduled", "cancelled"], "each once");
    assert!(house.callbacks("salon").await.is_empty(), "nothing of it is anybody's work");
    assert!(calendar.violations().is_empty(), "{:?}", calendar.violations());
}

#[tokio::test]
async fn what_people_do_to_our_own_booking_is_so_here_though_no_webhook_ever_came() {
    let (house, calendar) = salon().await;
    let booked = house.call("salon", "c1", ANNA).booked("Herrenhaarschnitt", "Montag", "14 Uhr", "Anna Schmidt").await;
    let id = booked["booking_id"].as_str().expect("an id");
    house.wait(PAUSE);
    let uid = calendar.bookings()[0].uid.clone();
    let uid = calendar.move_in_the_page(&calendar.move_in_the_page(&uid, monday(15)), monday(17));
    asked(&house).await;
    assert_eq!(state(&house, id).await["start"], "2026-03-16T17:00:00+01:00", "moved twice between two lists");
    house.wait(PAUSE);
    calendar.set_status(&uid, Status::Cancelled);
    asked(&house).await;
    assert_eq!(state(&house, id).await["status"], "cancelled");
    assert!(house.callbacks("salon").await.is_empty());
}

#[tokio::test]
async fn a_list_says_nothing_against_what_was_changed_around_it() {
    let (house, calendar) = salon().await;
    let booked = house.call("salon", "c1", ANNA).booked("Herrenhaarschnitt", "Montag", "14 Uhr", "Anna Schmidt").await;
    let id = booked["booking_id"].as_str().expect("an id");
    house.wait(SignedDuration::from_secs(20));
    // The list is from before the cancellation, and read after it.
    calendar.fault(Fault::on(Route::Cancel, FaultKind::DropBefore).standing());
    calendar.fault(Fault::on(Route::Get, FaultKind::DropBefore).standing());
    let cancelled = house.call("salon", "c2", ANNA).say("cancel_appointment", json!({"booking_id": id, "confirm": true})).await;
    assert_eq!(cancelled["status"], "pending", "{cancelled}");
    asked(&house).await;
    calendar.clear_faults();
    house.wait(SignedDuration::from_secs(40));
    house.inner.settle().await.expect("settled");
    assert_eq!(state(&house, id).await["status"], "cancelled");
    let uid = calendar.bookings()[0].uid.clone();
    calendar.set_status(&uid, Status::Accepted);
    house.wait(SignedDuration::from_secs(400));
    asked(&house).await;
    assert_eq!(state(&house, id).await["status"], "booked", "what is told later counts");
}

#[tokio::test]
async fn a_stale_list_right_after_our_own_cancellation_brings_nothing_back() {
    let (house, calendar) = salon().await;
    let booked = house.call("salon", "c1", ANNA).booked("Herrenhaarschnitt", "Montag", "14 Uhr", "Anna Schmidt").await;
    let id = booked["booking_id"].as_str().expect("an id");
    house.wait(SignedDuration::from_secs(20));
    let cancelled = house.call("salon", "c2", ANNA).say("cancel_appointment", json!({"booking_id": id, "confirm": true})).await;
    assert_eq!(cancelled["status"], "cancelled", "{cancelled}");
    // As a list shows it that was read a moment before.
    let uid = calendar.bookings()[0].uid.clone();
    let (made, cancelled_at) = (calendar.bookings()[0].created_at, calendar.bookings()[0].updated_at);
    calendar.pretend(&uid, Status::Accepted, None);
    asked(&house).await;
    assert_eq!(state(&house, id).await["status"], "cancelled", "made at {made}");
    calendar.pretend(&uid, Status::Cancelled, cancelled_at);
    house.wait(PAUSE);
    asked(&house).await;
    assert_eq!(state(&house, id).await["status"], "cancelled");
    assert!(house.callbacks("salon").await.is_empty(), "and nobody has to look");
}

#[tokio::test]
async fn more_changes_than_pages_are_all_heard_of() {
    let (house, calendar) = salon().await;
    let mut made = 0;
    for day in 0..60 {
        let morning = monday(24 * day);
        if morning.to_zoned_datetime(jiff::tz::TimeZone::get("Europe/Berlin").expect("bundled")).weekday()
            == jiff::civil::Weekday::Sunday
        {
            continue;
        }
        // Whole groups fall into one second, and some groups are larger than a page.
        if day % 20 == 0 {
            house.wait(SignedDuration::from_secs(1));
        }
        for hour in 10..17 {
            calendar.book_in_the_page(102, morning + SignedDuration::from_hours(hour), "Anna Schmidt", Some(ANNA));
            made += 1;
        }
    }
    assert!(made > 300);
    asked(&house).await;
    let tenant = house.inner.desk.tenant(&TenantId::new("salon")).expect("a tenant");
    let filter = frontdesk_core::ports::AppointmentFilter { limit: 10_000, ..Default::default() };
    let all = frontdesk_core::ports::Diary::appointments(&house.inner.store, tenant.scope(), &filter).await.expect("read");
    assert_eq!(all.len(), made);
    assert!(calendar.violations().is_empty(), "{:?}", calendar.violations());
}

#[tokio::test]
async fn a_change_from_the_future_keeps_none_of_now_from_being_heard() {
    let (house, calendar) = salon().await;
    let uid = calendar.book_in_the_page(102, monday(14), "Anna Schmidt", Some(ANNA));
    calendar.pretend(&uid, Status::Accepted, Some("2100-01-01T00:00:00Z".parse().expect("a timestamp")));
    asked(&house).await;
    house.wait(PAUSE);
    calendar.book_in_the_page(102, monday(16), "Bernd Maier", Some(BERND));
    asked(&house).await;
    let found = house.call("salon", "c1", BERND).say("find_appointments", json!({})).await;
    assert_eq!(found["appointments"][0]["start"], "2026-03-16T16:00:00+01:00", "{found}");
    // And the one that came from there is not as it was then for ever.
    house.wait(PAUSE);
    calendar.set_status(&uid, Status::Cancelled);
    asked(&house).await;
    let found = house.call("salon", "c2", ANNA).say("find_appointments", json!({})).await;
    assert_eq!(found["status"], "not_found", "{found}");
}

#[tokio::test]
async fn a_clock_that_was_ahead_for_a_while_makes_nobody_deaf() {
    let (house, calendar) = salon().await;
    let now = house.now();
    house.wait(SignedDuration::from_hours(24 * 30));
    assert_eq!(asked(&house).await, 1);
    house.set_clock(&now.to_string());
    calendar.book_in_the_page(102, monday(14), "Anna Schmidt", Some(ANNA));
    assert_eq!(asked(&house).await, 1, "nobody waits for what is a month ahead");
    let found = house.call("salon", "c1", ANNA).say("find_appointments", json!({})).await;
    assert_eq!(found["appointments"].as_array().map(Vec::len), Some(1), "{found}");
    assert_eq!(asked(&house).await, 0, "and then it is as ever");
}

#[tokio::test]
async fn a_change_that_cannot_be_kept_keeps_no_later_one_from_being_heard() {
    let (house, calendar) = salon().await;
    let uid = calendar.book_in_the_page(102, monday(14), "Anna Schmidt", Some(ANNA));
    asked(&house).await;
    house.wait(PAUSE);
    house.alter(&format!("UPDATE appointments SET state = 'upside down' WHERE calendar_uid = '{uid}'"));
    calendar.set_status(&uid, Status::Cancelled);
    house.wait(SignedDuration::from_secs(60));
    calendar.book_in_the_page(102, monday(16), "Bernd Maier", Some(BERND));
    assert_eq!(asked(&house).await, 1);
    let found = house.call("salon", "c1", BERND).say("find_appointments", json!({})).await;
    assert_eq!(found["appointments"][0]["start"], "2026-03-16T16:00:00+01:00", "{found}");
    house.alter("UPDATE appointments SET state = 'booked' WHERE state = 'upside down'");
    for _ in 0..5 {
        house.wait(PAUSE);
        asked(&house).await;
    }
    let found = house.call("salon", "c2", ANNA).say("find_appointments", json!({})).await;
    assert_eq!(found["status"], "not_found", "it was listed again: {found}");
}

#[tokio::test]
async fn one_of_two_gateways_asks_and_not_before_it_is_time() {
    let (house, calendar) = salon().await;
    let other = house.beside(|_| {}).await;
    let (here, there) = futures_util::future::join(house.inner.catch_up(), other.catch_up()).await;
    assert_eq!(here.expect("asked") + there.expect("asked"), 1);
    let once = lists(&calendar);
    assert_eq!(asked(&house).await + other.catch_up().await.expect("asked"), 0, "it is not time");
    assert_eq!(lists(&calendar), once);
    house.wait(PAUSE);
    assert_eq!(other.catch_up().await.expect("asked"), 1, "anybody goes on where the other was");
}

#[tokio::test]
async fn a_calendar_that_is_left_alone_is_not_asked_and_nothing_is_skipped_over_it() {
    let (house, calendar) = salon_with(|config| config.live.circuit_breaker.failure_threshold = 1).await;
    asked(&house).await;
    house.wait(PAUSE);
    calendar.fault(Fault::on(Route::List, FaultKind::DropBefore));
    assert_eq!(asked(&house).await, 0, "and the breaker opens");
    calendar.book_in_the_page(102, monday(14), "Anna Schmidt", Some(ANNA));
    let before = lists(&calendar);
    house.wait(SignedDuration::from_secs(30));
    assert_eq!(asked(&house).await, 0);
    assert_eq!(lists(&calendar), before, "nothing is sent");
    house.wait(PAUSE);
    assert_eq!(asked(&house).await, 1);
    let found = house.call("salon", "c1", ANNA).say("find_appointments", json!({})).await;
    assert_eq!(found["appointments"].as_array().map(Vec::len), Some(1), "{found}");
}

#[tokio::test]
async fn asking_for_changes_takes_nothing_from_what_is_kept_for_bookings() {
    // Six of ten are for browsing.
    let (house, calendar) = salon_with(|config| config.live.rate_limit.calendar = 10).await;
    let call = house.call("salon", "c1", ANNA);
    let mut hours = 10..17;
    while calendar.requests().len() < 6 {
        let time = format!("{} Uhr", hours.next().expect("another hour"));
        call.say("check_availability", json!({"service": "Herrenhaarschnitt", "date": "Montag", "time": time})).await;
    }
    let before = lists(&calendar);
    assert_eq!(asked(&house).await, 0);
    assert_eq!(lists(&calendar), before, "nothing is sent");
    house.wait(SignedDuration::from_secs(62));
    assert_eq!(asked(&house).await, 1, "as soon as there is room");
}

#[tokio::test]
async fn a_calendar_that_says_nothing_for_long_is_a_finding() {
    let (house, calendar) = salon().await;
    asked(&house).await;
    let health = admin(&house, "/api/health/detailed").await;
    assert_eq!(health["checks"]["calendar_polls"]["status"], "healthy", "{health}");
    let calendars = admin(&house, "/api/health/calcom").await;
    let polls = calendars["findings"].as_array().and_then(|all| all.iter().find(|it| it["check"] == "calendar_polls"));
    assert_eq!(polls.map(|it| &it["evidence"]), Some(&json!("salon: 2026-03-12T09:00:00Z")), "{calendars}");
    calendar.fault(Fault::on(Route::List, FaultKind::DropBefore).standing());
    for _ in 0..3 {
        house.wait(PAUSE);
        assert_eq!(asked(&house).await, 0);
    }
    let health = admin(&house, "/api/health/detailed").await;
    assert_eq!(health["checks"]["calendar_polls"]["status"], "degraded", "{health}");
    let metrics = admin(&house, "/metrics").await;
    let at = NOW.parse::<Timestamp>().expect("a timestamp").as_second();
    let line = format!("frontdesk_calendar_last_poll_seconds{{tenant=\"salon\"}} {at}");
    assert!(metrics.as_str().is_some_and(|text| text.contains(&line)), "{metrics}");
}

#[tokio::test]
async fn a_deployment_may_do_without() {
    let (house, calendar) = salon_with(|config| config.calendar.poll_every = None).await;
    assert_eq!(asked(&house).await, 0);
    assert_eq!(lists(&calendar), 0);
    let health = admin(&house, "/api/health/detailed").await;
    assert!(health["checks"]["calendar_polls"].is_null(), "{health}");
}
