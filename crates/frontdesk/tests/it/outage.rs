//! What the gateway stands on goes away in the middle of calls and comes back: the calendar, the database, the
//! disk, what is in Redis.

use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use frontdesk::config::deployment::{StateUrl, StoreUrl};
use frontdesk::config::secrets::SecretSource;
use frontdesk_core::clock::{Clock as _, ManualClock};
use frontdesk_core::sensitive::Secret;
use frontdesk_testkit::calcom::{Config, ErrorShape, Fault, RateLimit, Route, SimulatedCalCom, Status};
use frontdesk_testkit::http_client::Request;
use frontdesk_testkit::postgres::PostgresServer;
use frontdesk_testkit::redis::RedisServer;
use frontdesk_testkit::retell::{SIGNATURE_HEADER, SimulatedAgent};
use jiff::civil::Weekday;
use jiff::{SignedDuration, ToSpan as _};
use serde_json::{Value, json};

use crate::binary::{BINARY, Folder};
use crate::house::{ANNA, BERND, House, NOW, SALON};
use crate::kill::{Gateway, apply, configuration};

/// Hourly starts of both people, from Monday, 16 March.
fn wishes() -> Vec<Value> {
    let days = ["2026-03-16", "2026-03-17", "2026-03-18", "2026-03-19", "2026-03-20", "2026-03-23"];
    let people = [("Herrenhaarschnitt", "Emma"), ("Damenhaarschnitt", "Fabio")];
    let all =
        days.iter().flat_map(|day| (9..18).flat_map(move |hour| people.map(|(service, staff)| (day, hour, service, staff))));
    all.take(100)
        .map(|(day, hour, service, staff)| json!({"service": service, "staff": staff, "date": day, "time": format!("{hour}:00")}))
        .collect()
}

#[tokio::test]
async fn a_calendar_that_is_down_for_ten_minutes_of_a_hundred_calls_leaves_nothing_to_people() {
    let clock = Arc::new(ManualClock::new(NOW.parse().expect("a timestamp")));
    let for_calendar = Arc::clone(&clock);
    let config = Config::salon().clock(Arc::new(move || for_calendar.now())).rate_limit(Some(RateLimit::of(100_000)));
    let calendar = SimulatedCalCom::start(config).await;
    let tenant = include_str!("tenants/calcom.toml").replace("BASE_URL", &calendar.base_url());
    let house = House::at(clock, &[&tenant], |config| {
        config.live.deadlines.write = Duration::from_secs(6);
        let limits = &mut config.live.rate_limit;
        (limits.booking, limits.availability, limits.default, limits.calendar) = (100_000, 100_000, 100_000, 100_000);
    })
    .await;
    let standing = || calendar.bookings().iter().filter(|it| it.status == Status::Accepted).count();
    let wishes = wishes();
    let calls: Vec<(String, String)> =
        (0..wishes.len()).map(|number| (format!("c{number}"), format!("+49151{:08}", 20_000_000 + number))).collect();
    let mut slots = Vec::new();
    for (wish, (id, phone)) in wishes.iter().zip(&calls) {
        let answer = house.call("salon", id, phone).say("check_availability", wish.clone()).await;
        assert_eq!(answer["status"], "available", "{wish}: {answer}");
        slots.push(answer["slots"][0]["slot_id"].clone());
    }
    let mut ids = Vec::new();
    for (number, (slot, (id, phone))) in slots.iter().zip(&calls).enumerate() {
        if number == 50 {
            calendar.down().await;
        }
        let wish = json!({"slot_id": slot, "name": "Anna Schmidt"});
        let answer = house.call("salon", id, phone).say("book_appointment", wish).await;
        let expected = if number < 50 { "booked" } else { "pending" };
        assert_eq!(answer["status"], expected, "{number}: {answer}");
        let said = answer["message"].as_str().unwrap_or("");
        assert!(number < 50 || !said.contains("gebucht"), "provisional: {said}");
        ids.push(answer["booking_id"].as_str().expect("an id").to_owned());
    }
    assert_eq!((standing(), house.callbacks("salon").await.len()), (50, 50));
    for _ in 0..20 {
        house.wait(SignedDuration::from_secs(30));
        house.inner.settle().await.expect("settled");
    }
    assert_eq!(house.callbacks("salon").await.len(), 50, "the operator's list is right meanwhile");
    calendar.up().await;
    house.wait(SignedDuration::from_secs(61));
    for wish in [&wishes[60], &wishes[99]] {
        let other = house.call("salon", "other", BERND).say("check_availability", wish.clone()).await;
        assert_ne!(other["status"], "available", "it stays blocked: {other}");
    }
    for _ in 0..20 {
        house.wait(SignedDuration::from_secs(31));
        house.inner.settle().await.expect("settled");
    }
    for id in &ids {
        let (_, booking) = house.rest("salon", "GET", &format!("/api/v2/bookings/{id}"), Value::Null).await;
        assert_eq!(booking["status"], "booked", "{booking}");
    }
    assert_eq!((standing(), calendar.bookings().len()), (100, 100), "nothing is there twice");
    let left = house.callbacks("salon").await;
    assert!(left.iter().all(|it| it["cause"] != "provisional" && it["cause"] != "unsettled"), "{left:?}");
}

#[tokio::test]
async fn a_database_that_restarts_under_use_is_an_error_that_passes() {
    let mut server = PostgresServer::that_syncs();
    let url = server.database();
    let house = House::with(&[SALON], |config| {
        config.store = StoreUrl::Postgres { url: SecretSource::Literal(Secret::new(&url)), migrate_url: None };
    })
    .await;
    let booked = house.call("salon", "c1", ANNA).booked("Beratung", "Montag", "10 Uhr", "Anna Schmidt").await;
    let other = house.call("salon", "c2", BERND);
    let slot = other.slot("Beratung", "Montag", "12 Uhr").await;
    server.stop();
    let answer = other.say("book_appointment", json!({"slot_id": slot, "name": "Bernd"})).await;
    assert!(["error", "temporarily_unavailable"].contains(&answer["status"].as_str().unwrap_or("")), "{answer}");
    server.start_again();
    // Each broken connection is noticed by whoever meets it, and there are twelve. Holds may be lost.
    let mut said = Value::Null;
    for _ in 0..13 {
        house.wait(SignedDuration::from_secs(3));
        let wish = json!({"service": "Beratung", "date": "Montag", "time": "12 Uhr"});
        let found = other.say("check_availability", wish).await;
        said = other.say("book_appointment", json!({"slot_id": found["slots"][0]["slot_id"], "name": "Bernd"})).await;
        if said["status"] == "booked" {
            break;
        }
    }
    assert_eq!(said["status"], "booked", "{said}");
    let id = booked["booking_id"].as_str().expect("an id");
    let (_, there) = house.rest("salon", "GET", &format!("/api/v2/bookings/{id}"), Value::Null).await;
    assert_eq!(there["status"], "booked", "{there}");
}

/// A function call to the real binary.
async fn say(gateway: &Gateway, agent: &SimulatedAgent, function: &str, args: &Value) -> Value {
    let now = frontdesk_testkit::clock::system()();
    let signed = agent.sign(agent.function_body(function, args), now.as_millisecond());
    let request = Request::post(&format!("{}/api/t/salon/retell/functions", gateway.url))
        .header("content-type", "application/json")
        .header(SIGNATURE_HEADER, &signed.signature)
        .body(signed.body);
    let answer = request.send().await.expect("an answer");
    assert_eq!(answer.status, 200);
    let said: Value = serde_json::from_slice(&answer.body).expect("JSON");
    assert!(said["message"].as_str().is_some_and(|message| !message.is_empty()), "a sentence: {said}");
    said
}

fn at_most(gateway: &Gateway, bytes: &str) {
    let limit = format!("--fsize={bytes}:unlimited");
    let set = Command::new("prlimit").args(["--pid", &gateway.id().to_string(), &limit]).status().expect("prlimit is there");
    assert!(set.success());
}

#[tokio::test]
async fn with_the_disk_full_nobody_hears_booked_and_all_is_well_once_there_is_space() {
    let folder = Folder::new();
    folder.write("frontdesk.toml", &configuration("sqlite:data/frontdesk.db"));
    apply(&folder, SALON);
    let serve = format!("trap '' XFSZ; exec '{BINARY}' serve --config frontdesk.toml");
    let gateway = Gateway::from(Command::new("sh").args(["-c", &serve]).current_dir(folder.path()));
    let agent = |number: u32| {
        let phone = format!("+49151{:08}", 30_000_000 + number);
        SimulatedAgent::new("key_salon", &format!("full_{number}")).from(&phone).to("+4930111111")
    };
    let zone = jiff::tz::TimeZone::get("Europe/Berlin").expect("known");
    let mut day = frontdesk_testkit::clock::system()().to_zoned_datetime(zone).date() + 3.days();
    while [Weekday::Saturday, Weekday::Sunday, Weekday::Monday].contains(&day.weekday()) {
        day += 1.days();
    }
    let wish_at = |time: &str| json!({"service": "Beratung", "date": day.to_string(), "time": time});
    let caller = agent(1);
    let found = say(&gateway, &caller, "check_availability", &wish_at("10:00")).await;
    let wish = json!({"slot_id": found["slots"][0]["slot_id"], "name": "Anna Schmidt"});
    assert!(wish["slot_id"].is_string(), "{found}");
    let owner = agent(3);
    let theirs = say(&gateway, &owner, "check_availability", &wish_at("15:00")).await;
    let booking = json!({"slot_id": theirs["slots"][0]["slot_id"], "name": "Bernd Maier"});
    assert_eq!(say(&gateway, &owner, "book_appointment", &booking).await["status"], "booked");
    let to = json!({"new_date": day.to_string(), "new_time": "16:00", "confirm": true});
    at_most(&gateway, "1024");
    for (who, function, args) in [
        (&caller, "book_appointment", &wish),
        (&agent(2), "check_availability", &wish_at("12:00")),
        (&owner, "reschedule_appointment", &to),
        (&owner, "cancel_appointment", &json!({"confirm": true})),
    ] {
        let said = say(&gateway, who, function, args).await;
        assert!(["error", "temporarily_unavailable"].contains(&said["status"].as_str().unwrap_or("")), "{function}: {said}");
    }
    let health = Request::get(&format!("{}/api/health", gateway.url)).send().await.expect("an answer");
    assert_eq!((health.status, &health.json()["status"]), (200, &json!("healthy")), "it reads, and reading works");
    at_most(&gateway, "unlimited");
    let said = say(&gateway, &caller, "book_appointment", &wish).await;
    assert_eq!(said["status"], "booked", "{said}");
    let found = say(&gateway, &owner, "find_appointments", &json!({})).await;
    assert_eq!(found["appointments"][0]["start"], theirs["slots"][0]["start"], "neither moved nor cancelled: {found}");
    let said = say(&gateway, &owner, "reschedule_appointment", &to).await;
    assert_eq!(said["status"], "rescheduled", "{said}");
    let said = say(&gateway, &owner, "cancel_appointment", &json!({"confirm": true, "reason": "ill"})).await;
    assert_eq!(said["status"], "cancelled", "{said}");
    drop(gateway);
    let health = folder.run(&["health", "--config", "frontdesk.toml"]);
    assert_eq!(health.status.code(), Some(0), "nothing is half-written");
}

/// Limits count from then on: what was admitted before is forgotten with everything else in there.
#[tokio::test]
async fn a_redis_that_is_emptied_in_use_costs_no_call_and_no_hold_and_what_it_keeps_is_there_again() {
    let server = RedisServer::start();
    let url = server.url();
    let calendar = SimulatedCalCom::start(Config::salon().rate_limit(Some(RateLimit::of(100_000)))).await;
    let studio = [("BASE_URL", calendar.base_url().as_str()), ("\"salon\"", "\"studio\""), ("key_salon", "key_studio")]
        .iter()
        .fold(include_str!("tenants/calcom.toml").to_owned(), |text, (from, to)| text.replace(from, to));
    let house =
        House::with(&[SALON, &studio], |config| config.state = StateUrl::Redis(SecretSource::Literal(Secret::new(url)))).await;
    let anna = house.call("salon", "held", ANNA);
    let slot = anna.slot("Beratung", "Montag", "10 Uhr").await;
    let admitted = async |numbers: std::ops::Range<usize>| {
        let mut admitted = 0;
        for number in numbers {
            let wish = json!({"slot_id": "s_x", "name": "Bernd"});
            let answer = house.call("salon", &format!("c{number}"), BERND).say("book_appointment", wish).await;
            admitted += usize::from(answer["status"] != "rate_limited");
        }
        admitted
    };
    let break_it = async |name: &str| {
        for number in 0..5 {
            let at = format!("{}:00", 9 + number);
            let wish = json!({"service": "Herrenhaarschnitt", "date": "2026-03-17", "time": at});
            house.call("studio", &format!("{name}{number}"), BERND).say("check_availability", wish).await;
        }
        server.cli(&["GET", "circuit_breaker:calcom_api:state"])
    };
    calendar.fault(Fault::status(Route::Slots, 500, ErrorShape::A).standing());
    assert_eq!(admitted(0..10).await, 10);
    assert_eq!(break_it("before").await, "open");
    assert_eq!(server.cli(&["FLUSHALL"]), "OK");
    let booked = anna.say("book_appointment", json!({"slot_id": slot, "name": "Anna Schmidt"})).await;
    assert_eq!(booked["status"], "booked", "holds are not kept there: {booked}");
    assert_eq!(admitted(10..60).await, 29, "thirty, with that one");
    assert_eq!(server.cli(&["LLEN", "rate_limit:salon:booking"]), "30");
    assert_eq!(break_it("after").await, "open", "it opens again by what it meets");
    assert!(!house.inner.state.shared.is_away(), "it was there all the time");
}
