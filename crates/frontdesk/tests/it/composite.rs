//! A composite whose parts are bookings of their own on Cal.com: all of them stand, or none.

mod crash;
mod faults;
mod moves;

use std::sync::Arc;
use std::time::Duration;

use frontdesk::config::secrets::SecretSource;
use frontdesk_core::clock::{Clock as _, ManualClock};
use frontdesk_core::sensitive::Secret;
use frontdesk_testkit::calcom::{Booking, Config, EventType, RateLimit, Route, SimulatedCalCom, Status};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::house::{ANNA, BERND, House, NOW};

const TENANT: &str = include_str!("tenants/composite.toml");
/// When the parts of a perm on Monday at ten begin.
const AT_TEN: [&str; 4] =
    ["2026-03-16T10:00:00+01:00", "2026-03-16T11:05:00+01:00", "2026-03-16T11:20:00+01:00", "2026-03-16T11:35:00+01:00"];
const LENGTHS: [i64; 4] = [50, 5, 15, 40];
/// For what is not about being slow, on however busy a machine.
const PATIENT: Duration = Duration::from_secs(20);

fn at(text: &str) -> Timestamp {
    text.parse().expect("an instant")
}

/// A salon where every segment of a perm is an event type of Emma's.
fn simulated(clock: &Arc<ManualClock>) -> Config {
    let for_calendar = Arc::clone(clock);
    let config = Config::salon().clock(Arc::new(move || for_calendar.now())).rate_limit(Some(RateLimit::of(100_000)));
    let open = config.event_types[0].schedule.clone();
    let types = [(301, "wind", 50), (302, "fix", 5), (303, "rinse", 15), (304, "cut", 40), (305, "fringe", 15), (306, "dye", 90)];
    types.into_iter().fold(config, |config, (id, slug, minutes)| {
        config.event_type(EventType::new(id, slug, minutes, &[7], open.clone()).by_phone().every(5))
    })
}

async fn salon(write: Duration) -> (House, SimulatedCalCom) {
    salon_with(write, |_| {}).await
}

async fn salon_with(write: Duration, change: impl FnOnce(&mut Config)) -> (House, SimulatedCalCom) {
    let clock = Arc::new(ManualClock::new(NOW.parse().expect("a timestamp")));
    let mut config = simulated(&clock);
    change(&mut config);
    let calendar = SimulatedCalCom::start(config).await;
    let tenant = TENANT.replace("BASE_URL", &calendar.base_url());
    let house = House::at(clock, &[&tenant], |config| {
        config.live.deadlines.write = write;
        config.live.deadlines.check = PATIENT;
        config.server.admin_key = Some(SecretSource::Literal(Secret::new("operator")));
    })
    .await;
    (house, calendar)
}

/// Settles until nothing is due any more, moving the clock past every pause and past the watch.
async fn settle(house: &House) {
    settle_for(house, 30).await;
}

async fn settle_for(house: &House, rounds: u32) {
    for _ in 0..rounds {
        house.wait(SignedDuration::from_secs(31));
        house.inner.settle().await.expect("settled");
    }
}

/// Looks again and again until it is so; the test hangs, and fails by its runner, when it never is.
async fn eventually(is_so: impl AsyncFn() -> bool) {
    let mut looks = tokio::time::interval(Duration::from_millis(5));
    while !is_so().await {
        looks.tick().await;
    }
}

/// How often that was asked of the calendar.
fn asked(calendar: &SimulatedCalCom, route: Route) -> usize {
    calendar.requests().iter().filter(|request| request.route == route).count()
}

/// What stands upstream, by start.
fn standing(calendar: &SimulatedCalCom) -> Vec<Booking> {
    let mut bookings = calendar.bookings();
    bookings.retain(|booking| matches!(booking.status, Status::Accepted | Status::Pending));
    bookings.sort_by_key(|booking| booking.start);
    bookings
}

fn starts(calendar: &SimulatedCalCom) -> Vec<Timestamp> {
    standing(calendar).iter().map(|booking| booking.start).collect()
}

fn at_ten() -> Vec<Timestamp> {
    AT_TEN.iter().map(|start| at(start)).collect()
}

async fn state_of(house: &House, id: &Value) -> String {
    let id = id.as_str().expect("an id");
    let (_, booking) = house.rest("salon", "GET", &format!("/api/v2/bookings/{id}"), Value::Null).await;
    booking["status"].as_str().unwrap_or("").to_owned()
}

/// Anna asks for a perm on Monday at ten and says yes to it.
async fn ask_for_a_perm(house: &House) -> Value {
    let call = house.call("salon", "c1", ANNA);
    let slot = call.slot("Dauerwelle", "Montag", "10 Uhr").await;
    call.say("book_appointment", json!({"slot_id": slot, "name": "Anna Schmidt"})).await
}

/// Whether somebody else could have a perm on Monday at ten, as far as we and the calendar know.
async fn ten_is_free(house: &House) -> bool {
    let wish = json!({"service": "Dauerwelle", "date": "Montag", "time": "10 Uhr"});
    house.call("salon", "c9", BERND).say("check_availability", wish).await["status"] == "available"
}

/// The newest intents, as operators see them.
async fn intents(house: &House) -> Vec<Value> {
    let request = axum::http::Request::get("/api/admin/intents")
        .header("authorization", "Bearer operator")
        .body(axum::body::Body::empty())
        .expect("a request");
    let (status, page, _) = house.send(request).await;
    assert_eq!(status, 200, "{page}");
    page["items"].as_array().cloned().unwrap_or_default()
}

#[tokio::test]
async fn a_perm_is_four_bookings_with_one_intent_and_its_gaps_are_free_for_others() {
    let (house, calendar) = salon(PATIENT).await;
    let booked = ask_for_a_perm(&house).await;
    assert_eq!(booked["status"], "booked", "{booked}");
    assert_eq!((&booked["start"], &booked["end"]), (&json!(AT_TEN[0]), &json!("2026-03-16T12:15:00+01:00")));
    let parts = standing(&calendar);
    assert_eq!(parts.iter().map(|part| part.start).collect::<Vec<_>>(), at_ten());
    assert_eq!(parts.iter().map(|part| (part.end - part.start).as_mins()).collect::<Vec<_>>(), LENGTHS);
    assert_eq!(parts.iter().map(|part| part.event_type).collect::<Vec<_>>(), [301, 302, 303, 304]);
    let intent = parts[0].metadata["frontdesk_intent"].clone();
    assert!(intent.as_str().is_some_and(|id| id.starts_with("i_")), "{intent}");
    for (index, part) in parts.iter().enumerate() {
        assert_eq!(part.metadata["frontdesk_intent"], intent);
        assert_eq!(part.metadata["frontdesk_booking"], booked["booking_id"]);
        assert_eq!(part.metadata["frontdesk_part"], json!(index.to_string()));
    }
    let fringe = house.call("salon", "c2", BERND);
    let in_the_way = fringe.say("check_availability", json!({"service": "Pony", "date": "Montag", "time": "11:20"})).await;
    assert_eq!(in_the_way["status"], "offered", "Emma rinses then: {in_the_way}");
    fringe.booked("Pony", "Montag", "10:50", "Bernd Beispiel").await;
    assert_eq!(standing(&calendar).len(), 5);
    assert_eq!(calendar.violations(), Vec::<String>::new());
}

#[tokio::test]
async fn a_part_is_found_by_its_uid() {
    use frontdesk_core::ports::Diary as _;
    let (house, calendar) = salon(PATIENT).await;
    let booked = ask_for_a_perm(&house).await;
    let tenant = house.inner.store.tenants().await.expect("read").pop().expect("the salon");
    for part in standing(&calendar) {
        let found = house.inner.store.appointment_of_uid(tenant.scope(), &part.uid).await.expect("read").expect("found");
        assert_eq!(json!(found.id), booked["booking_id"]);
    }
    assert!(house.inner.store.appointment_of_uid(tenant.scope(), "another").await.expect("read").is_none());
}

#[tokio::test]
async fn a_composite_with_one_event_type_is_still_one_booking() {
    let (house, calendar) = salon(PATIENT).await;
    house.call("salon", "c1", ANNA).booked("Strähnen", "Montag", "10 Uhr", "Anna Schmidt").await;
    let bookings = standing(&calendar);
    assert_eq!(bookings.len(), 1);
    assert_eq!(bookings[0].event_type, 306);
    assert!(bookings[0].metadata["frontdesk_part"].is_null());
}

#[tokio::test]
async fn a_start_is_free_only_when_every_part_is_free_at_its_own_time() {
    for (part, minutes) in [(0, 0), (1, 65), (2, 80), (3, 95)] {
        let (house, calendar) = salon(PATIENT).await;
        let begins = at(AT_TEN[0]) + SignedDuration::from_mins(minutes);
        calendar.add_busy(7, begins, begins + SignedDuration::from_mins(5));
        assert!(!ten_is_free(&house).await, "part {part} is not free");
    }
    let (house, calendar) = salon(PATIENT).await;
    calendar.add_busy(7, at("2026-03-16T10:50:00+01:00"), at("2026-03-16T11:05:00+01:00"));
    calendar.add_busy(7, at("2026-03-16T11:10:00+01:00"), at("2026-03-16T11:20:00+01:00"));
    assert!(ten_is_free(&house).await, "what is busy in the gaps is in nobody's way");
}

#[tokio::test]
async fn the_parts_are_asked_for_at_once_and_one_without_an_answer_is_no_answer() {
    use frontdesk_testkit::calcom::{Fault, FaultKind};
    let (house, calendar) = salon(PATIENT).await;
    calendar.fault(Fault::on(Route::Slots, FaultKind::DropBefore).after(2));
    let wish = json!({"service": "Dauerwelle", "date": "Montag", "time": "10 Uhr"});
    let answer = house.call("salon", "c1", ANNA).say("check_availability", wish).await;
    assert_eq!(answer["status"], "temporarily_unavailable", "{answer}");
    assert_eq!(asked(&calendar, Route::Slots), 4, "one question for each part");
}

#[tokio::test]
async fn own_event_types_of_a_person_are_booked_for_that_person() {
    let clock = Arc::new(ManualClock::new(NOW.parse().expect("a timestamp")));
    let config = simulated(&clock);
    let open = config.event_types[0].schedule.clone();
    let own = [(401, "f-wind", 50), (402, "f-fix", 5), (403, "f-rinse", 15), (404, "f-cut", 40)];
    let config = own.into_iter().fold(config, |config, (id, slug, minutes)| {
        config.event_type(EventType::new(id, slug, minutes, &[8], open.clone()).by_phone().every(5))
    });
    let calendar = SimulatedCalCom::start(config).await;
    let fabio = "[[staff]]\nname = \"Fabio\"\nservices = [\"Dauerwelle\"]\ncalcom_host_id = 8\ncalcom_event_types = { \
                 \"Dauerwelle/Wickeln\" = 401, \"Dauerwelle/Fixieren\" = 402, \"Dauerwelle/Spülen\" = 403, \
                 \"Dauerwelle/Schneiden\" = 404 }\n[hours]";
    let tenant = TENANT.replace("BASE_URL", &calendar.base_url()).replace("[hours]", fabio);
    let house = House::at(clock, &[&tenant], |_| {}).await;
    let call = house.call("salon", "c1", ANNA);
    let wish = json!({"service": "Dauerwelle", "staff": "Fabio", "date": "Montag", "time": "10 Uhr"});
    let free = call.say("check_availability", wish).await;
    assert_eq!(free["status"], "available", "{free}");
    let booked = call.say("book_appointment", json!({"slot_id": free["slots"][0]["slot_id"], "name": "Anna Schmidt"})).await;
    assert_eq!((&booked["status"], &booked["staff"]), (&json!("booked"), &json!("Fabio")), "{booked}");
    assert_eq!(standing(&calendar).iter().map(|part| part.event_type).collect::<Vec<_>>(), [401, 402, 403, 404]);
}
