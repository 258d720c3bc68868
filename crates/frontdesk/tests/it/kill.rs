//! The real gateway, killed again and again while callers are served and the calendar misbehaves. Whatever a
//! caller heard is true in the end, here and upstream.
//!
//! `FRONTDESK_KILLS=200` is the long run.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use frontdesk::config::deployment::{DeploymentConfig, StoreUrl};
use frontdesk::config::secrets::SecretSource;
use frontdesk::wiring::{self, World};
use frontdesk_core::booking::IntentState;
use frontdesk_core::outbox::{Outbox as _, OutboxFilter, RowState};
use frontdesk_core::ports::{CallbackFilter, Callbacks as _, Diary as _};
use frontdesk_core::sensitive::Secret;
use frontdesk_testkit::calcom::{
    Booking, Config, ErrorAnswer, ErrorShape, EventType, Fault, FaultKind, Host, Key, MONDAY_TO_SATURDAY, RateLimit, Route,
    Schedule, SimulatedCalCom, Status,
};
use frontdesk_testkit::http_client::Request;
use frontdesk_testkit::postgres::PostgresServer;
use frontdesk_testkit::receiver::WebhookReceiver;
use frontdesk_testkit::retell::{SIGNATURE_HEADER, SimulatedAgent};
use jiff::civil::{DateTime, Weekday, time};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _};
use serde_json::{Value, json};
use tokio::sync::{Mutex, watch};
use tokio::task::JoinSet;

use crate::binary::{BINARY, Folder};

const ADMIN: &str = "operator";
/// How many people the salon has, and how many callers are on the line at once.
const PEOPLE: u64 = 6;
const LINES: usize = 8;
/// Half an hour each, from nine to six.
const STARTS_A_DAY: u64 = 18;
/// Rounds of the reconciler, a second apart, within which all has to be settled after the last start: the
/// lease of a dead process is thirty seconds.
const ROUNDS: u32 = 55;

/// Chance that comes out the same again: splitmix64.
struct Chance(u64);

impl Chance {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)) % end
    }
}

/// A gateway that runs, killed at the end at the latest.
pub(crate) struct Gateway {
    child: Child,
    pub(crate) url: String,
}

impl Gateway {
    /// Starts it in that folder; `frontdesk.toml` is there.
    pub(crate) fn start(folder: &Folder) -> Self {
        Self::from(Command::new(BINARY).args(["serve", "--config", "frontdesk.toml"]).current_dir(folder.path()))
    }

    pub(crate) fn from(command: &mut Command) -> Self {
        let mut child = command.stdin(Stdio::null()).stderr(Stdio::piped()).spawn().expect("it starts");
        let mut log = BufReader::new(child.stderr.take().expect("a pipe"));
        let mut said = String::new();
        let address: SocketAddr = loop {
            let mut line = String::new();
            assert!(log.read_line(&mut line).expect("text") > 0, "it ended before it listened: {said}");
            said += &line;
            if line.contains("listening") {
                let address = line.split("127.0.0.1:").nth(1).expect("an address");
                let port: String = address.chars().take_while(char::is_ascii_digit).collect();
                break SocketAddr::from(([127, 0, 0, 1], port.parse().expect("a port")));
            }
        };
        // Nobody reads on: what it says must not fill the pipe.
        std::thread::spawn(move || std::io::copy(&mut log, &mut std::io::sink()));
        Self { child, url: format!("http://{address}") }
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Gateway {
    /// SIGKILL.
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What one caller was told.
#[derive(Debug, Default)]
struct Heard {
    number: String,
    booking: Option<String>,
    book: String,
    start: Timestamp,
    change: Option<(&'static str, String)>,
    then: Option<Timestamp>,
}

/// What all callers share.
struct Line {
    gateway: watch::Receiver<Option<String>>,
    answered: AtomicU64,
    next: AtomicU64,
    places: AtomicU64,
    heard: Mutex<Vec<Heard>>,
    over: watch::Receiver<bool>,
}

fn now() -> Timestamp {
    frontdesk_testkit::clock::system()()
}

/// The person and the start of a place that nobody else asks for.
fn place(number: u64) -> (u64, DateTime, Timestamp) {
    let (person, index) = (number % PEOPLE, number / PEOPLE);
    let zone = TimeZone::get("Europe/Berlin").expect("known");
    let mut day = now().to_zoned_datetime(zone.clone()).date() + 3.days();
    for _ in 0..index / STARTS_A_DAY {
        day += 1.days();
        if day.weekday() == Weekday::Sunday {
            day += 1.days();
        }
    }
    if day.weekday() == Weekday::Sunday {
        day += 1.days();
    }
    let minutes = i64::try_from(30 * (index % STARTS_A_DAY)).expect("small");
    let start = day.to_datetime(time(9, 0, 0, 0)) + minutes.minutes();
    (person, start, start.to_zoned_datetime(zone).expect("a time").timestamp())
}

fn calendar() -> Config {
    let open = Schedule::new(1, "Europe/Berlin").open(&MONDAY_TO_SATURDAY, time(9, 0, 0, 0), time(18, 0, 0, 0));
    let mut config = Config::empty().rate_limit(Some(RateLimit::of(1_000_000))).key(Key::new("cal_test_salon", 1));
    for person in 1..=PEOPLE {
        config = config
            .host(Host::new(person, &format!("Person{person}")))
            .event_type(EventType::new(200 + person, &format!("cut-{person}"), 30, &[person], open.clone()).by_phone().every(30));
    }
    config
}

const NAMES: [&str; PEOPLE as usize] = ["Emma", "Fabio", "Greta", "Hannes", "Ida", "Jonas"];

fn tenant(calendar: &SimulatedCalCom, software: &WebhookReceiver) -> String {
    let mut text = format!(
        "slug = \"salon\"\nname = \"Salon Emma\"\ntime_zone = \"Europe/Berlin\"\nlanguage = \"de\"\n\
         [retell]\napi_key = \"key_salon\"\nagent_ids = [\"agent_salon\"]\nphone_numbers = [\"+4930111111\"]\n\
         [calendar]\nkind = \"calcom\"\nbase_url = \"{}\"\napi_key = \"cal_test_salon\"\n\
         [policy]\nhorizon = \"300d\"\n[notify]\nwebhook_url = \"{}\"\n\
         [[services]]\nname = \"Haarschnitt\"\nminutes = 30\ncalcom_event_type_id = 201\n",
        calendar.base_url(),
        software.url()
    );
    for (name, person) in NAMES.iter().zip(1..) {
        text += &format!(
            "[[staff]]\nname = \"{name}\"\nservices = [\"Haarschnitt\"]\ncalcom_host_id = {person}\n\
             calcom_event_types = {{ \"Haarschnitt\" = {} }}\n",
            200 + person
        );
    }
    text += "[hours]\n";
    for day in ["mon", "tue", "wed", "thu", "fri", "sat"] {
        text += &format!("{day} = [\"09:00-18:00\"]\n");
    }
    text
}

/// Short budgets, and no limits: many callers here are one address.
pub(crate) fn configuration(store: &str) -> String {
    let classes =
        ["booking", "availability", "reschedule", "cancel", "webhooks", "admin", "health", "call", "default", "calendar"];
    let limits: String = classes.iter().map(|class| format!("{class} = \"100000/min\"\n")).collect();
    format!(
        "[server]\nlisten = \"127.0.0.1:0\"\nadmin_key = \"{ADMIN}\"\n[store]\nurl = \"{store}\"\n\
         [deadlines]\ncheck = \"2s\"\nwrite = \"1s\"\n[outbox]\nprivate_targets = [\"127.0.0.0/8\"]\n[rate_limit]\n{limits}"
    )
}

/// Applies a tenant and gives its REST key.
pub(crate) fn apply(folder: &Folder, tenant: &str) -> String {
    let file = folder.write("salon.toml", tenant);
    let applied = folder.run(&["tenant", "apply", file.to_str().expect("a path")]);
    let said = String::from_utf8_lossy(&applied.stdout).into_owned();
    let key = said.split_whitespace().find(|word| word.starts_with("fd_"));
    key.unwrap_or_else(|| panic!("a key: {said}{}", String::from_utf8_lossy(&applied.stderr))).to_owned()
}

/// Faults for the next life of the gateway: each kind of request meets some.
fn misbehave(calendar: &SimulatedCalCom, chance: &mut Chance) {
    calendar.clear_faults();
    for route in [Route::Create, Route::Create, Route::Reschedule, Route::Cancel, Route::List, Route::Slots] {
        let kind = match chance.below(9) {
            0 => FaultKind::StoreThenDrop,
            1 => FaultKind::StoreThenHang,
            2 => FaultKind::StoreThenStatus(ErrorAnswer::new(500, ErrorShape::C)),
            3 => FaultKind::Hang,
            4 => FaultKind::DropBefore,
            5 => FaultKind::DelayAfter(Duration::from_millis(30)),
            6 => FaultKind::DelayBefore(Duration::from_millis(30)),
            7 => FaultKind::StoreThenStatus(ErrorAnswer::new(400, ErrorShape::A)),
            _ => continue,
        };
        let spare = u32::try_from(chance.below(4)).expect("small");
        calendar.fault(Fault::on(route, kind).after(spare));
    }
}

impl Line {
    /// A function call, sent again as the platform does until somebody answers.
    async fn say(&self, agent: &SimulatedAgent, function: &str, args: &Value) -> Option<Value> {
        let body = agent.function_body(function, args);
        let mut gateway = self.gateway.clone();
        for _ in 0..100 {
            let url = gateway.wait_for(Option::is_some).await.ok()?.clone()?;
            let signed = agent.sign(body.clone(), now().as_millisecond());
            let request = Request::post(&format!("{url}/api/t/salon/retell/functions"))
                .header("content-type", "application/json")
                .header(SIGNATURE_HEADER, &signed.signature)
                .body(signed.body);
            if let Ok(answer) = request.send().await {
                assert_eq!(answer.status, 200, "once signed, everything is 200");
                let said: Value = serde_json::from_slice(&answer.body).expect("JSON");
                assert!(said["message"].as_str().is_some_and(|message| !message.is_empty()), "a sentence: {said}");
                self.answered.fetch_add(1, Ordering::Relaxed);
                return Some(said);
            }
            let dead = url;
            gateway.wait_for(|now| now.as_ref() != Some(&dead)).await.ok()?;
        }
        panic!("nobody ever answered");
    }

    /// One whole phone call.
    async fn call(&self, chance: u64) -> Option<()> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let phone = format!("+49151{:08}", 10_000_000 + number);
        let agent = SimulatedAgent::new("key_salon", &format!("call_{number}")).from(&phone).to("+4930111111");
        let (person, local, start) = place(self.places.fetch_add(1, Ordering::Relaxed));
        let (date, at) = (local.date().to_string(), local.time().strftime("%H:%M").to_string());
        let name = NAMES[usize::try_from(person).expect("small")];
        let wish = json!({"service": "Haarschnitt", "staff": name, "date": date, "time": at});
        let (mut slot, mut status) = (None, String::new());
        for _ in 0..3 {
            let said = self.say(&agent, "check_availability", &wish).await?;
            if said["status"] == "available" {
                slot = Some(said["slots"][0]["slot_id"].clone());
                break;
            }
            status = said["status"].as_str().unwrap_or("").to_owned();
        }
        let mut heard = Heard { number: phone, start, ..Heard::default() };
        let Some(slot) = slot else {
            heard.book = format!("not tried: {status}");
            self.heard.lock().await.push(heard);
            return Some(());
        };
        let said = self.say(&agent, "book_appointment", &json!({"slot_id": slot, "name": "Anna Schmidt"})).await?;
        heard.book = said["status"].as_str().unwrap_or("").to_owned();
        heard.booking = said["booking_id"].as_str().map(str::to_owned);
        if heard.book == "booked" {
            assert!(heard.booking.is_some(), "{said}");
            match chance {
                0 => {
                    let said = self.say(&agent, "cancel_appointment", &json!({"confirm": true})).await?;
                    heard.change = Some(("cancel", said["status"].as_str().unwrap_or("").to_owned()));
                }
                1 => {
                    // A place with the same person.
                    let places = self.places.fetch_add(PEOPLE, Ordering::Relaxed);
                    let ours = (places..places + PEOPLE).find(|it| it % PEOPLE == person).expect("one of them");
                    let (_, local, start) = place(ours);
                    let (date, at) = (local.date().to_string(), local.time().strftime("%H:%M").to_string());
                    let wish = json!({"new_date": date, "new_time": at, "confirm": true});
                    let said = self.say(&agent, "reschedule_appointment", &wish).await?;
                    heard.change = Some(("move", said["status"].as_str().unwrap_or("").to_owned()));
                    heard.then = Some(start);
                }
                _ => {}
            }
        }
        self.heard.lock().await.push(heard);
        Some(())
    }
}

/// What a GET as that bearer says.
pub(crate) async fn get(url: &str, bearer: &str) -> Value {
    let answer = Request::get(url).bearer(bearer).send().await.expect("an answer");
    serde_json::from_slice(&answer.body).unwrap_or_default()
}

/// Looks four times a second until it is so.
async fn within(rounds: u32, what: &str, is_so: impl AsyncFn() -> Option<String>) {
    let mut looks = tokio::time::interval(Duration::from_millis(250));
    let mut last = String::new();
    for _ in 0..rounds * 4 {
        match is_so().await {
            None => return,
            Some(why) => last = why,
        }
        looks.tick().await;
    }
    panic!("{what}: {last}");
}

#[expect(clippy::disallowed_methods, reason = "the length of the run and its dice are the operator's")]
fn number_from(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{variable} is a number")))
}

async fn killed(store: &str, kills: u64) {
    let kills = number_from("FRONTDESK_KILLS").unwrap_or(kills);
    let seed = number_from("FRONTDESK_SEED").unwrap_or(20);
    let began = now();
    let mut chance = Chance(seed);
    let calendar = SimulatedCalCom::start(calendar()).await;
    let software = WebhookReceiver::start().await;
    let folder = Folder::new();
    folder.write("frontdesk.toml", &configuration(store));
    let key = apply(&folder, &tenant(&calendar, &software));

    let (tell, gateway) = watch::channel(None);
    let (end, over) = watch::channel(false);
    let line = Arc::new(Line {
        gateway,
        answered: AtomicU64::new(0),
        next: AtomicU64::new(0),
        places: AtomicU64::new(0),
        heard: Mutex::default(),
        over,
    });
    let mut callers = JoinSet::new();
    for number in 0..LINES {
        let (line, mut chance) = (Arc::clone(&line), Chance(seed + 1000 + number as u64));
        callers.spawn(async move {
            while !*line.over.borrow() {
                if line.call(chance.below(5)).await.is_none() {
                    return;
                }
            }
        });
    }
    let mut ticks = tokio::time::interval(Duration::from_millis(1));
    for _ in 0..kills {
        misbehave(&calendar, &mut chance);
        let running = Gateway::start(&folder);
        let _ = tell.send(Some(running.url.clone()));
        let enough = line.answered.load(Ordering::Relaxed) + chance.below(16);
        for _ in 0..3000 {
            if line.answered.load(Ordering::Relaxed) >= enough {
                break;
            }
            ticks.tick().await;
        }
        for _ in 0..chance.below(40) {
            ticks.tick().await;
        }
        drop(running);
        let _ = tell.send(None);
    }
    calendar.clear_faults();
    let _ = end.send(true);
    let running = Gateway::start(&folder);
    let _ = tell.send(Some(running.url.clone()));
    while let Some(ended) = callers.join_next().await {
        ended.expect("a caller heard nothing wrong");
    }
    let url = running.url.clone();
    // The lists of operators end after two hundred; this is the same store without an end.
    let books = books(&folder, store).await;
    let tenant = books.store.tenants().await.expect("read").pop().expect("the salon");
    within(ROUNDS, "intents stay open", async || {
        let intents = books.store.intents(tenant.scope(), 1_000_000).await.expect("read");
        let open: Vec<_> = intents.iter().filter(|it| matches!(it.state, IntentState::Open | IntentState::Undoing)).collect();
        (!open.is_empty()).then(|| format!("{} open, one is {:?}", open.len(), open[0]))
    })
    .await;
    let list = get(&format!("{url}/api/admin/intents?limit=200"), ADMIN).await;
    let shown = list["items"].as_array().unwrap_or_else(|| panic!("{list}"));
    assert!(shown.iter().all(|it| it["state"] != "open"), "operators see none open: {list}");
    let filter = CallbackFilter { open_only: true, limit: 1_000_000, ..CallbackFilter::default() };
    let callbacks = books.store.callbacks(tenant.scope(), &filter).await.expect("read");
    let listed: BTreeSet<String> = callbacks.iter().filter_map(|it| Some(it.appointment.as_ref()?.to_string())).collect();
    let heard = std::mem::take(&mut *line.heard.lock().await);
    let wrong = violations(&url, &key, &calendar, &heard, &listed).await;
    let figures = format!(
        "{kills} kills, seed {seed}: {} calls, {} answers, heard {:?}, {} standing upstream, {} s",
        line.next.load(Ordering::Relaxed),
        line.answered.load(Ordering::Relaxed),
        tally(&heard),
        standing(&calendar).len(),
        now().duration_since(began).as_secs()
    );
    assert!(wrong.is_empty(), "{figures}; {} violations:\n{}", wrong.len(), wrong.join("\n"));
    told(&software, &books, &heard).await;
    let dead = OutboxFilter { tenant: None, state: Some(RowState::Dead), limit: 100 };
    let dead = books.store.outbox(&dead).await.expect("read");
    assert!(dead.is_empty(), "nothing was given up: {dead:?}");
    std::io::Write::write_all(&mut std::io::stderr(), format!("{figures}; 0 violations\n").as_bytes()).expect("written");
}

/// The gateway's own store, read without serving.
async fn books(folder: &Folder, store: &str) -> wiring::House {
    let store = match store.strip_prefix("sqlite:") {
        Some(file) => StoreUrl::Sqlite(folder.path().join(file)),
        None => StoreUrl::Postgres { url: SecretSource::Literal(Secret::new(store)), migrate_url: None },
    };
    let master_key = SecretSource::File(folder.path().join("data/master.key"));
    let config = DeploymentConfig { store, master_key, ..DeploymentConfig::default() };
    wiring::build(&config, &World::real()).await.expect("a store")
}

fn tally(heard: &[Heard]) -> BTreeMap<String, usize> {
    let mut tally = BTreeMap::new();
    for it in heard {
        *tally.entry(format!("book {}", it.book)).or_default() += 1;
        if let Some((change, status)) = &it.change {
            *tally.entry(format!("{change} {status}")).or_default() += 1;
        }
    }
    tally
}

fn standing(calendar: &SimulatedCalCom) -> Vec<Booking> {
    calendar.bookings().into_iter().filter(|it| matches!(it.status, Status::Accepted | Status::Pending)).collect()
}

/// Everything that is not as it was told, or not the same here and upstream.
async fn violations(url: &str, key: &str, calendar: &SimulatedCalCom, heard: &[Heard], listed: &BTreeSet<String>) -> Vec<String> {
    let mut wrong = calendar.violations();
    let upstream = standing(calendar);

    let (mut intents, mut ids, mut numbers) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    for it in &upstream {
        let (intent, id) = (it.metadata["frontdesk_intent"].as_str(), it.metadata["frontdesk_booking"].as_str());
        if !intent.is_some_and(|intent| intents.insert(intent)) || !id.is_some_and(|id| ids.insert(id)) {
            wrong.push(format!("an intent or a booking stands twice upstream: {it:?}"));
        }
        if !numbers.insert(it.attendee.phone.clone()) {
            wrong.push(format!("a caller has two upstream: {it:?}"));
        }
        let here = get(&format!("{url}/api/v2/bookings/{}", id.unwrap_or("none")), key).await;
        let start = here["start"].as_str().and_then(|start| start.parse::<Timestamp>().ok());
        let is_listed = id.is_some_and(|id| listed.contains(id));
        if it.status != Status::Accepted || (here["status"] != "booked" || start != Some(it.start)) && !is_listed {
            wrong.push(format!("upstream {it:?}, here {here}"));
        }
    }
    for (index, one) in upstream.iter().enumerate() {
        let meets = |other: &&Booking| one.hosts == other.hosts && one.start < other.end && other.start < one.end;
        if let Some(other) = upstream[index + 1..].iter().find(meets) {
            wrong.push(format!("two overlap: {one:?} and {other:?}"));
        }
    }
    for it in heard {
        let theirs: Vec<&Booking> =
            upstream.iter().filter(|booking| booking.attendee.phone.as_deref() == Some(it.number.as_str())).collect();
        let is_there = |start| theirs.len() == 1 && theirs[0].start == start;
        let here = match &it.booking {
            Some(id) => get(&format!("{url}/api/v2/bookings/{id}"), key).await,
            None => Value::Null,
        };
        let is_listed = it.booking.as_deref().is_some_and(|id| listed.contains(id));
        let change = it.change.as_ref().map(|(change, status)| (*change, status.as_str()));
        let is_right = match (it.book.as_str(), change) {
            ("booked", None) => here["status"] == "booked" && is_there(it.start),
            ("booked", Some(("cancel", "cancelled"))) => here["status"] == "cancelled" && theirs.is_empty(),
            ("booked", Some(("cancel", "pending"))) => here["status"] == "cancelled" && theirs.is_empty() || is_listed,
            ("booked", Some(("move", "rescheduled"))) => here["status"] == "booked" && it.then.is_some_and(is_there),
            ("booked", Some(("move", "pending"))) => here["status"] == "booked" && it.then.is_some_and(is_there) || is_listed,
            // Nothing was promised: the old one stands, or the change was made all the same.
            ("booked", Some(("cancel", _))) => ["booked", "cancelled"].iter().any(|state| here["status"] == *state),
            ("booked", Some(_)) => here["status"] == "booked" && theirs.len() == 1,
            ("pending", _) => here["status"] == "booked" && is_there(it.start) || is_listed,
            ("taken", _) => false,
            _ => theirs.len() <= 1,
        };
        if !is_right {
            wrong.push(format!("{it:?}: here {here}, upstream {theirs:?}"));
        }
    }
    wrong
}

/// The business's software hears of every booking under one key. What a dead process was carrying waits for
/// the end of its lease, a minute, and is still written down until then.
async fn told(software: &WebhookReceiver, books: &wiring::House, heard: &[Heard]) {
    let booked: BTreeSet<&str> = heard.iter().filter(|it| it.book == "booked").filter_map(|it| it.booking.as_deref()).collect();
    within(40, "the software was not told", async || {
        let posted = software.posted();
        let told: BTreeSet<String> = posted
            .iter()
            .filter(|it| it.event() == "appointment.booked")
            .filter_map(|it| it.json()["data"]["booking_id"].as_str().map(str::to_owned))
            .collect();
        let filter = OutboxFilter { tenant: None, state: Some(RowState::Waiting), limit: 100_000 };
        let waiting = format!("{:?}", books.store.outbox(&filter).await.expect("read"));
        let missed: Vec<_> = booked.iter().filter(|id| !told.contains(**id) && !waiting.contains(**id)).collect();
        (!missed.is_empty()).then(|| format!("of {missed:?}"))
    })
    .await;
    let mut keys: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for it in software.posted().iter().filter(|it| it.event() == "appointment.booked") {
        let id = it.json()["data"]["booking_id"].to_string();
        keys.entry(id).or_default().insert(it.header("webhook-id").to_owned());
    }
    assert!(keys.values().all(|keys| keys.len() == 1), "one booking, one key: {keys:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_callers_heard_is_true_however_often_the_gateway_is_killed_on_sqlite() {
    killed("sqlite:data/frontdesk.db", 12).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_callers_heard_is_true_however_often_the_gateway_is_killed_on_postgres() {
    let server = PostgresServer::shared();
    killed(&server.database(), 6).await;
}
