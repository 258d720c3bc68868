//! What others hear of what happened: each of them once, in order, whatever fails in between.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::{Request, StatusCode};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use frontdesk::config::addresses::Network;
use frontdesk::config::deployment::{DeploymentConfig, Sender, Smtp};
use frontdesk::config::secrets::SecretSource;
use frontdesk_core::clock::{Clock as _, ManualClock};
use frontdesk_core::outbox::{Outbox as _, OutboxFilter, OutboxRow, RowState};
use frontdesk_core::sensitive::Secret;
use frontdesk_testkit::calcom::{Config, Fault, FaultKind, RateLimit, Route, SimulatedCalCom};
use frontdesk_testkit::receiver::{Reply, WebhookReceiver};
use frontdesk_testkit::smtp::MailServer;
use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::house::{ANNA, BERND, House, NOW, SALON};

const MAIL: &str = "anna@mail.example";
const OFFICE: &str = "empfang@salon.example";
/// Longer than the longest pause between two attempts.
const AN_HOUR_AND_MORE: SignedDuration = SignedDuration::from_mins(80);

/// Somebody's mailbox, somebody's software.
struct World {
    mail: MailServer,
    software: WebhookReceiver,
}

impl World {
    async fn open() -> Self {
        Self { mail: MailServer::start().await, software: WebhookReceiver::start().await }
    }

    fn configure(&self) -> impl FnOnce(&mut DeploymentConfig) + use<> {
        let url = self.mail.url();
        move |config| {
            let from = Sender::parse("Frontdesk <noreply@desk.example>");
            config.smtp = Some(Smtp { url: SecretSource::Literal(Secret::new(url)), from });
            config.private_targets = vec![Network::parse("127.0.0.0/8").expect("a network")];
            config.server.admin_key = Some(SecretSource::Literal(Secret::new("operator")));
            config.live.rate_limit.default = 100_000;
            config.live.deadlines.write = Duration::from_millis(400);
        }
    }

    fn notify(&self) -> String {
        format!("\n[notify]\nemail = [\"{OFFICE}\"]\nwebhook_url = \"{}\"\n", self.software.url())
    }

    async fn salon(&self) -> House {
        House::with(&[&format!("{SALON}{}", self.notify())], self.configure()).await
    }

    /// A salon on Cal.com.
    async fn calcom(&self) -> (House, SimulatedCalCom) {
        let clock = Arc::new(ManualClock::new(NOW.parse().expect("a timestamp")));
        let for_calendar = Arc::clone(&clock);
        let config = Config::salon().clock(Arc::new(move || for_calendar.now())).rate_limit(Some(RateLimit::of(10_000)));
        let calendar = SimulatedCalCom::start(config).await;
        let tenant = include_str!("tenants/calcom.toml").replace("BASE_URL", &calendar.base_url());
        (House::at(clock, &[&format!("{tenant}{}", self.notify())], self.configure()).await, calendar)
    }

    fn events(&self) -> Vec<String> {
        self.software.posted().iter().map(frontdesk_testkit::receiver::Posted::event).collect()
    }
}

async fn booked(house: &House, call: &str, time: &str) -> Value {
    let call = house.call("salon", call, ANNA);
    let slot = call.slot("Beratung", "Montag", time).await;
    let answer = call.say("book_appointment", json!({"slot_id": slot, "name": "Anna Schmidt", "email": MAIL})).await;
    assert_eq!(answer["status"], "booked", "{answer}");
    answer
}

async fn moved(house: &House, to: &str) {
    let moved = house.call("salon", "m", ANNA).say("reschedule_appointment", json!({"new_time": to, "confirm": true})).await;
    assert_eq!(moved["status"], "rescheduled", "{moved}");
    house.wait(SignedDuration::from_secs(20));
}

async fn cancelled(house: &House) {
    let gone = house.call("salon", "x", ANNA).say("cancel_appointment", json!({"confirm": true})).await;
    assert_eq!(gone["status"], "cancelled", "{gone}");
}

async fn rows(house: &House, state: RowState) -> Vec<OutboxRow> {
    house.inner.store.outbox(&OutboxFilter { state: Some(state), ..OutboxFilter::default() }).await.expect("read")
}

async fn operator(house: &House, method: &str, path: &str) -> (StatusCode, Value) {
    let request = Request::builder().method(method).uri(path).header("authorization", "Bearer operator");
    let (status, value, _) = house.send(request.body(Body::empty()).expect("a request")).await;
    (status, value)
}

#[tokio::test]
async fn an_effect_that_cannot_be_looked_up_holds_back_its_own_appointments_news_alone() {
    let world = World::open().await;
    let house = world.salon().await;
    let first = booked(&house, "c1", "10 Uhr").await;
    let id = first["booking_id"].as_str().expect("an id");
    moved(&house, "11 Uhr").await;
    let second = house.call("salon", "c2", BERND);
    let slot = second.slot("Beratung", "Montag", "14 Uhr").await;
    second.say("book_appointment", json!({"slot_id": slot, "name": "Bernd Maier"})).await;
    house.alter(&format!("UPDATE appointments SET state = 'upside down' WHERE id = '{id}'"));
    house.deliver().await;
    assert_eq!(world.events(), ["appointment.booked"], "the other one's");
    let waiting = rows(&house, RowState::Waiting).await;
    let told: Vec<_> = waiting.iter().map(|it| (it.row.ordering.as_str(), it.last_error.is_some())).collect();
    assert_eq!(told, [(id, false), (id, true)], "the move waits behind the booking, which says why it waits");
    assert!(waiting[1].not_before > house.now(), "and is not looked up every second");
    house.alter(&format!("UPDATE appointments SET state = 'booked' WHERE id = '{id}'"));
    house.wait(SignedDuration::from_mins(11));
    house.deliver().await;
    assert_eq!(world.events(), ["appointment.booked", "appointment.booked", "appointment.rescheduled"], "in their order");
}

#[tokio::test]
async fn an_effect_that_cannot_be_read_stops_no_delivery_and_is_shown() {
    let world = World::open().await;
    let house = world.salon().await;
    booked(&house, "c1", "10 Uhr").await;
    house.alter("UPDATE outbox SET kind = 'appointment.waved'");
    let second = house.call("salon", "c2", BERND);
    let slot = second.slot("Beratung", "Montag", "14 Uhr").await;
    second.say("book_appointment", json!({"slot_id": slot, "name": "Bernd Maier"})).await;
    house.deliver().await;
    assert_eq!(world.events(), ["appointment.booked"], "the other one's");
    let (status, list) = operator(&house, "GET", "/api/admin/outbox?state=waiting").await;
    let row = (&list["items"][0]["tenant"], &list["items"][0]["event"], &list["items"][0]["last_error"]);
    assert_eq!((status, row), (StatusCode::OK, (&json!("salon"), &json!("unreadable"), &json!("unreadable: kind"))), "{list}");
}

#[tokio::test]
async fn a_booking_a_move_and_a_cancellation_are_one_letter_each() {
    let world = World::open().await;
    let house = world.salon().await;
    let booking = booked(&house, "c1", "10 Uhr").await;
    house.deliver().await;
    moved(&house, "11 Uhr").await;
    house.deliver().await;
    cancelled(&house).await;
    for _ in 0..3 {
        house.deliver().await;
        house.wait(AN_HOUR_AND_MORE);
    }
    let letters = world.mail.letters_to(MAIL);
    let subjects: Vec<String> = letters.iter().map(frontdesk_testkit::smtp::Letter::subject).collect();
    assert_eq!(
        subjects,
        [
            "Ihr Termin bei Salon Emma: Montag, den 16. März um 10 Uhr",
            "Ihr Termin bei Salon Emma ist verschoben: Montag, den 16. März um 11 Uhr",
            "Ihr Termin bei Salon Emma ist storniert"
        ]
    );
    assert!(letters[1].text().contains("verschoben"), "{}", letters[1].text());
    let files: Vec<String> = letters.iter().map(|letter| letter.calendar().expect("a calendar file")).collect();
    let uid = format!("UID:{}\r\n", booking["booking_id"].as_str().expect("an id"));
    for (number, (file, method)) in files.iter().zip(["REQUEST", "REQUEST", "CANCEL"]).enumerate() {
        for line in [uid.clone(), format!("METHOD:{method}\r\n"), format!("SEQUENCE:{number}\r\n")] {
            assert!(file.contains(&line), "{line}{file}");
        }
    }
    assert!(files[1].contains("DTSTART:20260316T100000Z\r\n"), "{}", files[1]);
    assert!(world.mail.letters_to(OFFICE).is_empty(), "ordinary bookings stand in the calendar");
    assert_eq!(world.events(), ["appointment.booked", "appointment.rescheduled", "appointment.cancelled"]);
    let first = world.software.posted()[0].json();
    assert_eq!((&first["data"]["name"], &first["data"]["late"]), (&json!("Anna Schmidt"), &json!(false)), "{first}");
    assert_eq!(first["data"]["start"], "2026-03-16T10:00:00+01:00");
}

#[tokio::test]
async fn a_caller_hears_that_it_is_cancelled_whatever_mail_and_software_do() {
    let world = World::open().await;
    let house = world.salon().await;
    booked(&house, "c1", "10 Uhr").await;
    house.deliver().await;
    world.mail.refuse("*", 451);
    world.software.always(Some(Reply::Status(500, String::new())));
    cancelled(&house).await;
    for _ in 0..4 {
        house.deliver().await;
        house.wait(SignedDuration::from_mins(2));
    }
    assert_eq!(world.mail.letters_to(MAIL).len(), 1, "the booking alone");
    // The software is back before the mail is: its delivery is not repeated while mail is tried on.
    world.software.always(None);
    house.wait(AN_HOUR_AND_MORE);
    house.deliver().await;
    let posted = world.software.posted().len();
    world.mail.mend();
    for _ in 0..3 {
        house.wait(AN_HOUR_AND_MORE);
        house.deliver().await;
    }
    assert_eq!(world.mail.letters_to(MAIL).len(), 2);
    assert_eq!(world.software.posted().len(), posted);
}

#[tokio::test]
async fn a_mailbox_that_is_gone_is_given_up_at_once_and_holds_up_nobody() {
    let world = World::open().await;
    let house = world.salon().await;
    world.mail.refuse_about("RCPT", MAIL, 550);
    booked(&house, "c1", "10 Uhr").await;
    house.call("salon", "c2", BERND).say("request_callback", json!({"name": "Bernd", "reason": "Farbe"})).await;
    house.deliver().await;
    let dead = rows(&house, RowState::Dead).await;
    assert_eq!(dead.len(), 1, "{dead:?}");
    assert_eq!(dead[0].last_error.as_deref(), Some("the mail server refused: 550"));
    let office = world.mail.letters_to(OFFICE);
    assert_eq!(office.len(), 1);
    assert_eq!(office[0].subject(), "Rückruf an Bernd");
    for line in ["Telefon: +4915198765432", "Anliegen: Farbe", "Dringlichkeit: normal"] {
        assert!(office[0].text().contains(line), "{}", office[0].text());
    }
}

#[tokio::test]
async fn an_error_under_a_good_status_is_tried_again_then_given_up_until_an_operator_revives_it() {
    let world = World::open().await;
    let house = world.salon().await;
    world.software.always(Some(Reply::Status(200, r#"{"error":"no such thing"}"#.to_owned())));
    booked(&house, "c1", "10 Uhr").await;
    for _ in 0..20 {
        house.deliver().await;
        house.wait(AN_HOUR_AND_MORE);
    }
    assert_eq!(world.software.posted().len(), 14);
    let (_, health) = operator(&house, "GET", "/api/health").await;
    assert_eq!(health["status"], "degraded", "{health}");
    let (status, listed) = operator(&house, "GET", "/api/admin/outbox?tenant=salon&state=dead").await;
    assert_eq!((status, listed["items"].as_array().map(Vec::len)), (StatusCode::OK, Some(1)), "{listed}");
    assert_eq!(listed["items"][0]["last_error"], "answered 200 with an error inside");
    let (_, metrics) = operator(&house, "GET", "/metrics").await;
    assert!(metrics.as_str().is_some_and(|text| text.contains("frontdesk_outbox_dead 1\n")), "{metrics}");

    world.software.always(None);
    let path = format!("/api/admin/outbox/{}/retry", listed["items"][0]["id"]);
    assert_eq!(operator(&house, "POST", &path).await.0, StatusCode::OK);
    assert_eq!(operator(&house, "POST", &path).await.0, StatusCode::NOT_FOUND, "it is not dead any more");
    house.deliver().await;
    let posted = world.software.posted();
    assert_eq!(posted.len(), 15);
    assert!(posted.iter().all(|it| it.header("webhook-id") == posted[0].header("webhook-id")));
    house.wait(SignedDuration::from_secs(2));
    assert_eq!(operator(&house, "GET", "/api/health").await.1["status"], "healthy");
    let (_, audit) = operator(&house, "GET", "/api/admin/audit").await;
    assert_eq!((&audit["items"][0]["who"], &audit["items"][0]["was"]), (&json!("admin"), &json!("dead")), "{audit}");
}

#[tokio::test]
async fn software_that_is_down_for_ten_minutes_hears_it_once_afterwards() {
    let world = World::open().await;
    let house = world.salon().await;
    world.software.always(Some(Reply::Status(503, String::new())));
    booked(&house, "c1", "10 Uhr").await;
    for _ in 0..60 {
        house.deliver().await;
        house.wait(SignedDuration::from_secs(10));
    }
    let failed = world.software.posted().len();
    assert!((6..=9).contains(&failed), "it is tried less and less often: {failed}");
    world.software.always(None);
    for _ in 0..3 {
        house.wait(AN_HOUR_AND_MORE);
        house.deliver().await;
    }
    assert_eq!(world.software.posted().len(), failed + 1);
}

#[tokio::test]
async fn gone_for_good_is_not_tried_again() {
    let world = World::open().await;
    let house = world.salon().await;
    world.software.next(Reply::Status(410, String::new()));
    booked(&house, "c1", "10 Uhr").await;
    moved(&house, "11 Uhr").await;
    house.deliver().await;
    house.deliver().await;
    assert_eq!(rows(&house, RowState::Dead).await.len(), 1);
    assert_eq!(world.events(), ["appointment.booked", "appointment.rescheduled"], "what is dead blocks nothing");
}

#[tokio::test]
async fn what_happened_to_one_appointment_is_told_in_order() {
    let world = World::open().await;
    let house = world.salon().await;
    for _ in 0..3 {
        world.software.next(Reply::Status(500, String::new()));
    }
    booked(&house, "c1", "10 Uhr").await;
    house.deliver().await;
    moved(&house, "11 Uhr").await;
    cancelled(&house).await;
    for _ in 0..8 {
        house.deliver().await;
        house.wait(SignedDuration::from_mins(2));
    }
    let booked = "appointment.booked".to_owned();
    let expected = [&booked, &booked, &booked, &booked, "appointment.rescheduled", "appointment.cancelled"];
    assert_eq!(world.events(), expected.map(|it| it.to_owned()));
}

#[test]
fn a_delivery_whose_process_died_is_repeated_under_the_same_id() {
    let runtime = || tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
    let outside = runtime();
    let world = outside.block_on(World::open());
    world.software.next(Reply::Hang);
    let before = runtime();
    let ruin = before.block_on(async {
        let house = world.salon().await;
        booked(&house, "c1", "10 Uhr").await;
        // It arrives, and the process dies before it knows.
        let mut looks = tokio::time::interval(Duration::from_millis(5));
        let watch = async {
            while world.software.posted().is_empty() {
                looks.tick().await;
            }
        };
        tokio::select! {
            _ = house.inner.deliver() => panic!("it was answered"),
            () = watch => {}
        }
        house.die()
    });
    before.shutdown_background();
    outside.block_on(async {
        let house = House::rise(ruin, world.configure()).await;
        house.deliver().await;
        assert_eq!(world.software.posted().len(), 1, "its lease still runs");
        house.wait(SignedDuration::from_secs(61));
        house.deliver().await;
        let posted = world.software.posted();
        assert_eq!(posted.len(), 2);
        assert_eq!(posted[0].header("webhook-id"), posted[1].header("webhook-id"));
        assert_eq!(posted[0].body, posted[1].body);
    });
}

#[tokio::test]
async fn webhooks_reach_public_addresses_only_and_follow_nowhere() {
    let world = World::open().await;
    let port = world.software.port();
    for host in ["127.0.0.1", "localhost", "[::ffff:127.0.0.1]", "2130706433", "169.254.169.254"] {
        let notify = format!("\n[notify]\nwebhook_url = \"http://{host}:{port}/hook?key=hidden\"\n");
        let house = House::with(&[&format!("{SALON}{notify}")], |_| {}).await;
        booked(&house, "c1", "10 Uhr").await;
        house.deliver().await;
        let dead = rows(&house, RowState::Dead).await;
        assert_eq!(dead.len(), 1, "{host}");
        assert_eq!(dead[0].last_error.as_deref(), Some("the address is not a public one"), "{host}");
    }
    assert!(world.software.posted().is_empty());

    let elsewhere = WebhookReceiver::start().await;
    let house = world.salon().await;
    world.software.always(Some(Reply::Redirect(elsewhere.url())));
    booked(&house, "c1", "10 Uhr").await;
    house.deliver().await;
    assert!(elsewhere.posted().is_empty());
    let waiting = rows(&house, RowState::Waiting).await;
    assert_eq!(waiting[0].last_error.as_deref(), Some("answered 302: redirects are not followed"));
}

#[tokio::test]
async fn the_signature_is_made_with_the_tenants_own_secret() {
    let world = World::open().await;
    let house = world.salon().await;
    booked(&house, "c1", "10 Uhr").await;
    house.deliver().await;
    let posted = &world.software.posted()[0];
    let (id, timestamp) = (posted.header("webhook-id"), posted.header("webhook-timestamp"));
    assert_eq!(timestamp, house.now().as_second().to_string());
    let text = format!("{id}.{timestamp}.{}", posted.body);
    let signature = posted.header("webhook-signature").strip_prefix("v1,").expect("a version");
    let signature = STANDARD.decode(signature).expect("base64");
    let verifies = |tenant: &str| {
        let key = house.inner.store.derived_key(&format!("webhook signatures of {tenant}")).expect("a key");
        let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, &key);
        ring::hmac::verify(&key, text.as_bytes(), &signature).is_ok()
    };
    assert!(verifies("salon") && !verifies("practice"));
}

/// Books where the calendar does not answer.
async fn provisional(house: &House, calendar: &SimulatedCalCom) {
    let call = house.call("salon", "c1", ANNA);
    let slot = call.slot("Herrenhaarschnitt", "Montag", "14 Uhr").await;
    calendar.fault(Fault::on(Route::Create, FaultKind::StoreThenHang));
    let answer = call.say("book_appointment", json!({"slot_id": slot, "name": "Anna Schmidt", "email": MAIL})).await;
    assert_eq!(answer["status"], "pending", "{answer}");
}

#[tokio::test]
async fn a_doubt_that_is_mended_within_a_minute_alarms_nobody() {
    let world = World::open().await;
    let (house, calendar) = world.calcom().await;
    provisional(&house, &calendar).await;
    house.deliver().await;
    house.wait(SignedDuration::from_secs(31));
    house.inner.settle().await.expect("settled");
    for _ in 0..3 {
        house.deliver().await;
        house.wait(SignedDuration::from_secs(61));
    }
    assert!(world.mail.letters().is_empty(), "{:?}", world.mail.letters());
    assert_eq!(world.events(), ["appointment.booked"]);
    assert_eq!(world.software.posted()[0].json()["data"]["late"], true);
    assert_eq!(rows(&house, RowState::Superseded).await.len(), 2);
}

#[tokio::test]
async fn a_doubt_that_stays_is_told_and_so_is_its_end() {
    let world = World::open().await;
    let (house, calendar) = world.calcom().await;
    provisional(&house, &calendar).await;
    house.wait(SignedDuration::from_secs(61));
    house.deliver().await;
    let office = world.mail.letters_to(OFFICE);
    assert_eq!(office.len(), 1, "one letter for one doubt");
    assert_eq!(office[0].subject(), "Noch nicht bestätigt: Buchung, Montag, den 16. März um 14 Uhr");
    assert!(office[0].text().contains("Telefon: +4915123456789"), "{}", office[0].text());
    let caller = world.mail.letters_to(MAIL);
    assert_eq!(caller.len(), 1);
    assert!(!caller[0].text().contains("gebucht") && caller[0].calendar().is_none(), "{}", caller[0].text());

    house.inner.settle().await.expect("settled");
    house.deliver().await;
    let office = world.mail.letters_to(OFFICE);
    assert_eq!(office.len(), 2);
    assert_eq!(office[1].subject(), "Jetzt bestätigt: Montag, den 16. März um 14 Uhr");
    assert_eq!(world.mail.letters_to(MAIL).len(), 1, "Cal.com writes the confirmation itself");
    assert_eq!(world.events(), ["appointment.pending", "callback.queued", "appointment.booked"]);
}

#[tokio::test]
async fn two_gateways_deliver_each_thing_once() {
    let world = World::open().await;
    let house = world.salon().await;
    let other = house.beside(world.configure()).await;
    for (number, time) in ["9 Uhr", "10 Uhr", "11 Uhr", "12 Uhr", "13 Uhr", "14 Uhr", "15 Uhr", "16 Uhr"].iter().enumerate() {
        booked(&house, &format!("c{number}"), time).await;
    }
    for _ in 0..20 {
        let (one, two) = tokio::join!(house.inner.deliver(), other.deliver());
        if one.expect("delivered") + two.expect("delivered") == 0 {
            break;
        }
    }
    let mut ids: Vec<String> = world.software.posted().iter().map(|it| it.header("webhook-id").to_owned()).collect();
    assert_eq!(ids.len(), 8);
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 8);
    assert_eq!(world.mail.letters_to(MAIL).len(), 8);
}

#[tokio::test]
async fn software_that_never_answers_holds_up_nobody_else() {
    let world = World::open().await;
    let practice = include_str!("tenants/practice.toml");
    let slow = WebhookReceiver::start().await;
    slow.always(Some(Reply::Hang));
    let salon = format!("{SALON}\n[notify]\nwebhook_url = \"{}\"\n", slow.url());
    let practice = format!("{practice}{}", world.notify());
    let house = House::with(&[&salon, &practice], world.configure()).await;
    for (number, time) in ["9 Uhr", "10 Uhr", "11 Uhr", "12 Uhr", "13 Uhr", "14 Uhr"].iter().enumerate() {
        let call = format!("c{number}");
        house.call("salon", &call, ANNA).booked("Beratung", "Montag", time, "Anna Schmidt").await;
    }
    house.call("practice", "p1", ANNA).booked("Checkup", "Monday", "10 am", "Anna Schmidt").await;
    for _ in 0..2 {
        // Six effects are expanded, four of a tenant at a time.
        house.inner.deliver().await.expect("expanded");
        if rows(&house, RowState::Waiting).await.iter().all(|it| !it.row.target.is_empty()) {
            break;
        }
    }
    let mut looks = tokio::time::interval(Duration::from_millis(5));
    let told = async {
        while world.software.posted().is_empty() {
            looks.tick().await;
        }
    };
    tokio::select! {
        _ = house.inner.deliver() => {}
        () = told => {}
    }
    assert_eq!(world.events(), ["appointment.booked"]);
    assert!(slow.posted().len() <= 4, "{}", slow.posted().len());
}

#[tokio::test]
async fn the_outbox_holds_nobodys_data() {
    let world = World::open().await;
    let house = world.salon().await;
    world.mail.refuse("RCPT", 550);
    world.software.always(Some(Reply::Status(500, "Anna Schmidt <anna@mail.example>".to_owned())));
    booked(&house, "c1", "10 Uhr").await;
    let wish = json!({"name": "Bernd Beispiel", "reason": "wegen Anna Schmidt", "preferred_time": "mittags"});
    house.call("salon", "c2", BERND).say("request_callback", wish).await;
    house.deliver().await;
    let all = house.inner.store.outbox(&OutboxFilter::default()).await.expect("read");
    assert!(all.len() >= 6, "{all:?}");
    let text = format!("{all:?}");
    for word in ["Anna", "Schmidt", "Bernd", "mail.example", "salon.example", "+49", "mittags", "/hook"] {
        assert!(!text.contains(word), "{word}: {text}");
    }
}

#[tokio::test]
async fn without_smtp_nothing_waits_for_mail_that_comes_later() {
    let world = World::open().await;
    let house = House::with(&[&format!("{SALON}{}", world.notify())], |config| {
        config.private_targets = vec![Network::parse("127.0.0.0/8").expect("a network")];
    })
    .await;
    booked(&house, "c1", "10 Uhr").await;
    house.call("salon", "c2", BERND).say("request_callback", json!({"name": "Bernd"})).await;
    house.deliver().await;
    // In order about one thing; about two, whichever is quicker.
    let mut events = world.events();
    events.sort();
    assert_eq!(events, ["appointment.booked", "callback.queued"]);
    let later = house.beside(world.configure()).await;
    house.wait(AN_HOUR_AND_MORE);
    assert_eq!(later.deliver().await.expect("delivered"), 0);
    assert!(world.mail.letters().is_empty());
}
