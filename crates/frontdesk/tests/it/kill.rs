//! The real gateway, killed again and again while callers are served and the calendar misbehaves. Whatever a
//! caller heard is true in the end, here and upstream.
//!
//! `FRONTDESK_KILLS=200` is the long run, `FRONTDESK_SEED=7` throws other dice.

mod verdict;

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use frontdesk::config::deployment::{DeploymentConfig, StoreUrl};
use frontdesk::config::secrets::SecretSource;
use frontdesk::wiring::{self, World};
use frontdesk_core::sensitive::Secret;
use frontdesk_testkit::calcom::{
    Config, ErrorAnswer, ErrorShape, EventType, Fault, FaultKind, Host, Key, MONDAY_TO_SATURDAY, RateLimit, Route, Schedule,
    SimulatedCalCom,
};
use frontdesk_testkit::http_client::{Request, Response};
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
/// A life ends after fewer answers than this.
const ANSWERS: u64 = 64;
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

    /// Waits until it has ended, and whether it ended well.
    pub(crate) fn ended(&mut self) -> bool {
        self.child.wait().is_ok_and(|status| status.success())
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
    /// Moves and cancellations, and how each was answered.
    changes: Vec<(&'static str, String)>,
    /// Where it was moved to, or was to be.
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

/// The person and the start of the place with that number.
fn place(number: u64) -> (u64, DateTime) {
    let (person, index) = (number % PEOPLE, number / PEOPLE);
    let mut day = now().to_zoned_datetime(berlin()).date() + 3.days();
    for left in (0..=index / STARTS_A_DAY).rev() {
        if day.weekday() == Weekday::Sunday {
            day += 1.days();
        }
        if left > 0 {
            day += 1.days();
        }
    }
    let minutes = i64::try_from(30 * (index % STARTS_A_DAY)).expect("small");
    (person, day.to_datetime(time(9, 0, 0, 0)) + minutes.minutes())
}

fn berlin() -> TimeZone {
    TimeZone::get("Europe/Berlin").expect("known")
}

fn in_berlin(local: DateTime) -> Timestamp {
    local.to_zoned_datetime(berlin()).expect("a time").timestamp()
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

/// Budgets that leave time for a process that has just begun, and no limits: many callers here are one address.
pub(crate) fn configuration(store: &str) -> String {
    let classes =
        ["booking", "availability", "reschedule", "cancel", "webhooks", "admin", "health", "call", "default", "calendar"];
    let limits: String = classes.iter().map(|class| format!("{class} = \"100000/min\"\n")).collect();
    format!(
        "[server]\nlisten = \"127.0.0.1:0\"\nadmin_key = \"{ADMIN}\"\n[store]\nurl = \"{store}\"\n\
         [deadlines]\ncheck = \"2s\"\nwrite = \"4s\"\n[outbox]\nprivate_targets = [\"127.0.0.0/8\"]\n[rate_limit]\n{limits}"
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
    let once = [Route::Create, Route::Reschedule, Route::Cancel, Route::Get, Route::List, Route::Slots];
    for route in once.into_iter().chain(once) {
        let kind = match chance.below(12) {
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
        let spare = u32::try_from(chance.below(12)).expect("small");
        calendar.fault(Fault::on(route, kind).after(spare));
    }
}

impl Line {
    /// Sends it again, as the platform does, until somebody answers.
    async fn send(&self, agent: &SimulatedAgent, path: &str, body: Bytes) -> Option<Response> {
        let mut gateway = self.gateway.clone();
        for _ in 0..100 {
            let url = gateway.wait_for(Option::is_some).await.ok()?.clone()?;
            let signed = agent.sign(body.clone(), now().as_millisecond());
            let request = Request::post(&format!("{url}/api/t/salon/retell/{path}"))
                .header("content-type", "application/json")
                .header(SIGNATURE_HEADER, &signed.signature)
                .body(signed.body);
            if let Ok(answer) = request.send().await {
                self.answered.fetch_add(1, Ordering::Relaxed);
                return Some(answer);
            }
            let dead = url;
            gateway.wait_for(|now| now.as_ref() != Some(&dead)).await.ok()?;
        }
        panic!("nobody ever answered");
    }

    async fn say(&self, agent: &SimulatedAgent, function: &str, args: &Value) -> Option<Value> {
        let answer = self.send(agent, "functions", agent.function_body(function, args)).await?;
        assert_eq!(answer.status, 200, "once signed, everything is 200");
        let said: Value = serde_json::from_slice(&answer.body).expect("JSON");
        assert!(said["message"].as_str().is_some_and(|message| !message.is_empty()), "a sentence: {said}");
        Some(said)
    }

    /// One whole phone call.
    async fn call(&self, chance: &mut Chance) -> Option<()> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let phone = format!("+49151{:08}", 10_000_000 + number);
        let agent = SimulatedAgent::new("key_salon", &format!("call_{number}")).from(&phone).to("+4930111111");
        let began = now().as_millisecond();
        let heard = self.talk(&agent, phone, chance).await?;
        self.heard.lock().await.push(heard);
        // Whoever hangs up lets go of what was offered.
        let ended = self.send(&agent, "events", agent.call_ended(began, now().as_millisecond())).await?;
        assert!(ended.status < 300, "{}", ended.status);
        Some(())
    }

    /// A time that nobody asked for before, or, sometimes, one that somebody did.
    fn some_place(&self, chance: &mut Chance) -> (&'static str, DateTime) {
        let next = self.places.fetch_add(1, Ordering::Relaxed);
        let (person, local) = place(if chance.below(4) == 0 { chance.below(next + 1) } else { next });
        (NAMES[usize::try_from(person).expect("small")], local)
    }

    async fn talk(&self, agent: &SimulatedAgent, phone: String, chance: &mut Chance) -> Option<Heard> {
        let mut heard = Heard { number: phone, ..Heard::default() };
        let (person, local) = self.some_place(chance);
        let wish = json!({"service": "Haarschnitt", "staff": person, "date": local.date().to_string(),
            "time": local.time().strftime("%H:%M").to_string()});
        let mut offer = None;
        for _ in 0..3 {
            let said = self.say(agent, "check_availability", &wish).await?;
            word(&said).clone_into(&mut heard.book);
            // Where the time is taken, the first of the others will do.
            offer = first_of(&said);
            if offer.is_some() {
                break;
            }
        }
        let Some((slot, start)) = offer else {
            heard.book = format!("not tried: {}", heard.book);
            return Some(heard);
        };
        heard.start = start;
        let said = self.say(agent, "book_appointment", &json!({"slot_id": slot, "name": "Anna Schmidt"})).await?;
        word(&said).clone_into(&mut heard.book);
        heard.booking = said["booking_id"].as_str().map(str::to_owned);
        if heard.book != "booked" {
            return Some(heard);
        }
        assert!(heard.booking.is_some(), "{said}");
        let plan = chance.below(6);
        if plan == 1 || plan == 2 {
            self.change_time(agent, &mut heard, chance).await?;
        }
        if plan == 0 || plan == 2 {
            let said = self.say(agent, "cancel_appointment", &json!({"confirm": true})).await?;
            heard.changes.push(("cancel", word(&said).to_owned()));
        }
        Some(heard)
    }

    /// To another time, or to the first that is offered instead.
    async fn change_time(&self, agent: &SimulatedAgent, heard: &mut Heard, chance: &mut Chance) -> Option<()> {
        let (_, local) = self.some_place(chance);
        let wish = json!({"new_date": local.date().to_string(), "new_time": local.time().strftime("%H:%M").to_string(), "confirm": true});
        let mut said = self.say(agent, "reschedule_appointment", &wish).await?;
        heard.then = Some(in_berlin(local));
        if said["status"] == "offered"
            && let Some((slot, start)) = first_of(&said)
        {
            heard.then = Some(start);
            said = self.say(agent, "reschedule_appointment", &json!({"slot_id": slot, "confirm": true})).await?;
        }
        heard.changes.push(("move", word(&said).to_owned()));
        Some(())
    }
}

fn word(said: &Value) -> &str {
    said["status"].as_str().unwrap_or("")
}

/// The first time of an answer, and its start.
fn first_of(said: &Value) -> Option<(Value, Timestamp)> {
    let slot = said["slots"].get(0)?;
    Some((slot["slot_id"].clone(), slot["start"].as_str()?.parse().ok()?))
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

/// One gateway, killed so often, on that store.
async fn killed(store: String, kills: u64, seed: u64) {
    let began = now();
    let mut chance = Chance(seed);
    let calendar = SimulatedCalCom::start(calendar()).await;
    let software = WebhookReceiver::start().await;
    let folder = Folder::new();
    folder.write("frontdesk.toml", &configuration(&store));
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
                if line.call(&mut chance).await.is_none() {
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
        let enough = line.answered.load(Ordering::Relaxed) + chance.below(ANSWERS);
        for _ in 0..8000 {
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
    // The lists of operators end after two hundred; this is the same store without an end.
    let books = books(&folder, &store).await;
    let left = verdict::open(&books).await;
    let running = Gateway::start(&folder);
    let up = now();
    let _ = tell.send(Some(running.url.clone()));
    while let Some(ended) = callers.join_next().await {
        ended.expect("a caller heard nothing wrong");
    }
    within(ROUNDS, "intents stay open", async || {
        let open = verdict::open(&books).await;
        open.first().map(|one| format!("{} open, one is {one:?}", open.len()))
    })
    .await;
    let settled = now().duration_since(up).as_secs();
    let heard = std::mem::take(&mut *line.heard.lock().await);
    let house = verdict::House { url: &running.url, key: &key, calendar: &calendar, software: &software, books: &books };
    let figures = format!(
        "{kills} kills, seed {seed}: {} calls, {} answers, heard {:?}, {} standing upstream, {} left open by the last kill, all settled {settled} s after it, {} s",
        line.next.load(Ordering::Relaxed),
        line.answered.load(Ordering::Relaxed),
        verdict::tally(&heard),
        verdict::standing(&calendar).len(),
        left.len(),
        now().duration_since(began).as_secs()
    );
    let wrong = house.wrong(&heard, &left).await;
    assert!(wrong.is_empty(), "{figures}; {} violations:\n{}", wrong.len(), wrong.join("\n"));
    house.told(&heard).await;
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

/// So many kills at each of the seeds, all at once: most of the time is spent waiting for leases.
async fn killed_at(kills: u64, seeds: &[u64], store: impl Fn() -> String) {
    let kills = number_from("FRONTDESK_KILLS").unwrap_or(kills);
    let given = number_from("FRONTDESK_SEED").map(|seed| vec![seed]);
    let seeds = given.as_deref().unwrap_or(seeds);
    futures_util::future::join_all(seeds.iter().map(|seed| killed(store(), kills, *seed))).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_callers_heard_is_true_however_often_the_gateway_is_killed_on_sqlite() {
    killed_at(6, &[20, 21], || "sqlite:data/frontdesk.db".to_owned()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_callers_heard_is_true_however_often_the_gateway_is_killed_on_postgres() {
    let server = PostgresServer::shared();
    killed_at(6, &[22], || server.database()).await;
}
