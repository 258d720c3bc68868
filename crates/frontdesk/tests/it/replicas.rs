//! Three gateways on one PostgreSQL and one Redis, and more callers than there are times. One gateway is
//! killed, another is cut off from both: no time is given away twice, and every yes is true.
//! `FRONTDESK_CALLERS=500 FRONTDESK_TIMES=100` is the large form; with `FRONTDESK_LOAD_SECONDS=60` they go on
//! for so long, moving and giving up what they have, so that times are free and taken again and again.

use std::collections::{BTreeMap, BTreeSet};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use frontdesk_testkit::calcom::{Config, EventType, Host, Key, RateLimit, Schedule, SimulatedCalCom, Status};
use frontdesk_testkit::http_client::{Request, Response};
use frontdesk_testkit::postgres::PostgresServer;
use frontdesk_testkit::redis::RedisServer;
use frontdesk_testkit::retell::sign;
use frontdesk_testkit::wire::Wire;
use jiff::ToSpan as _;
use jiff::civil::{Date, time};
use serde_json::{Value, json};
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::binary::{BINARY, Folder};
use crate::patience::{now_ms, this_moment};

const KEY: &str = "key_practice";
const STAFF: usize = 5;
const FIRST_EVENT_TYPE: usize = 300;
/// A caller who got nothing rings again, this often at most.
const RINGS: usize = 60;

struct Gateway {
    child: Child,
    address: String,
}

impl Drop for Gateway {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn setting(name: &str, usual: usize) -> usize {
    #[expect(clippy::disallowed_methods, reason = "how long a test runs is asked for from outside")]
    let given = std::env::var(name);
    given.ok().and_then(|text| text.parse().ok()).unwrap_or(usual)
}

/// People with `times` quarter hours between them, all on `day`: it is open on that weekday only, and the
/// next one is too far away.
fn practice(times: usize, day: Date, calendar: Option<&SimulatedCalCom>) -> String {
    let end = 9 * 60 + times.div_ceil(STAFF) * 15;
    let weekday =
        ["mon", "tue", "wed", "thu", "fri", "sat", "sun"][day.weekday().to_monday_zero_offset().unsigned_abs() as usize];
    let hours = format!("{weekday} = [\"09:00-{:02}:{:02}\"]\n[policy]\nhorizon = \"6d\"\n", end / 60, end % 60);
    let kind = match calendar {
        None => "kind = \"builtin\"\n".to_owned(),
        Some(it) => format!("kind = \"calcom\"\nbase_url = \"{}\"\napi_key = \"cal_test_practice\"\n", it.base_url()),
    };
    let mut text = format!(
        "slug = \"practice\"\nname = \"Practice\"\ntime_zone = \"Europe/Berlin\"\nlanguage = \"en\"\n[retell]\napi_key = \"{KEY}\"\n[calendar]\n{kind}[hours]\n{hours}[[services]]\nname = \"Checkup\"\nminutes = 15\n"
    );
    for person in 1..=STAFF {
        text.push_str(&format!("[[staff]]\nname = \"Person {person}\"\nservices = [\"Checkup\"]\n"));
        if calendar.is_some() {
            let event_type = FIRST_EVENT_TYPE + person;
            text.push_str(&format!("calcom_host_id = {person}\ncalcom_event_types = {{ \"Checkup\" = {event_type} }}\n"));
        }
    }
    text
}

fn calendar(day: Date) -> Config {
    let open = Schedule::new(1, "Europe/Berlin").open(&[day.weekday()], time(8, 0, 0, 0), time(23, 0, 0, 0));
    let mut config = Config::empty().rate_limit(Some(RateLimit::of(1_000_000))).key(Key::new("cal_test_practice", 1));
    for person in 1..=STAFF as u64 {
        let event_type =
            EventType::new(FIRST_EVENT_TYPE as u64 + person, &format!("checkup-{person}"), 15, &[person], open.clone());
        config = config.host(Host::new(person, &format!("Person {person}"))).event_type(event_type.by_phone().every(15));
    }
    config
}

fn config(store: &str, state: &str, folder: &Folder, port: u16) -> String {
    format!(
        "[server]\nlisten = \"127.0.0.1:{port}\"\n[store]\nurl = \"{store}\"\n[state]\nurl = \"{state}\"\n[secrets]\nmaster_key = \"file:{}/master.key\"\n[rate_limit]\nbooking = \"1000000/min\"\navailability = \"1000000/min\"\nreschedule = \"1000000/min\"\ncancel = \"1000000/min\"\nwebhooks = \"1000000/min\"\ncalendar = \"1000000/min\"\ncall = \"1000000/min\"\ndefault = \"1000000/min\"\n[deadlines]\ncheck = \"20s\"\nwrite = \"20s\"\n",
        folder.path().display()
    )
}

fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").expect("a free port").local_addr().expect("its address").port()
}

async fn start(folder: &Folder, name: &str, store: &str, state: &str) -> Gateway {
    let port = free_port();
    let file = folder.write(&format!("{name}.toml"), &config(store, state, folder, port));
    let child = Command::new(BINARY)
        .args(["serve", "--config"])
        .arg(file)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("it starts");
    let gateway = Gateway { child, address: format!("http://127.0.0.1:{port}") };
    let mut looks = tokio::time::interval(Duration::from_millis(20));
    for _ in 0..1500 {
        looks.tick().await;
        if Request::get(&format!("{}/livez", gateway.address)).send().await.is_ok_and(|answer| answer.status == 200) {
            return gateway;
        }
    }
    panic!("{name} did not come up");
}

/// What a caller has by what was heard last.
#[derive(Debug, Clone, PartialEq)]
enum Has {
    Nothing,
    Appointment {
        call: String,
        id: String,
        start: String,
    },
    /// The answer was none, or did not say.
    Unclear {
        call: String,
    },
}

/// More callers than times, at several gateways.
struct Rush {
    gateways: Vec<String>,
    times: usize,
    day: String,
    is_elsewhere: bool,
    began: Instant,
    /// How long callers go on when they have an appointment.
    load: Duration,
    tools: AtomicUsize,
    unclear: Mutex<BTreeSet<String>>,
    booked: AtomicUsize,
    moved: AtomicUsize,
    cancelled: AtomicUsize,
}

impl Rush {
    fn goes_on(&self) -> bool {
        self.began.elapsed() < self.load
    }

    /// One function of one call, at whichever gateway answers; `None` when none did.
    async fn say(&self, first: usize, call: &str, function: &str, args: &Value) -> Option<Value> {
        let tool = format!("t{}", self.tools.fetch_add(1, Ordering::Relaxed));
        let body = json!({"name": function, "args": args, "call": {"call_id": call, "from_number": phone(call),
            "transcript_with_tool_calls": [{"role": "tool_call_invocation", "tool_call_id": tool, "name": function, "arguments": args.to_string()}]}});
        let answer = self.send(first, "functions", &body.to_string()).await?;
        (answer.status == 200).then(|| answer.json())
    }

    async fn hang_up(&self, first: usize, call: &str) {
        let body = json!({"event": "call_ended", "call": {"call_id": call, "from_number": phone(call)}}).to_string();
        self.send(first, "events", &body).await;
    }

    async fn send(&self, first: usize, path: &str, body: &str) -> Option<Response> {
        for turn in 0..self.gateways.len() {
            let gateway = &self.gateways[(first + turn) % self.gateways.len()];
            let request = Request::post(&format!("{gateway}/api/t/practice/retell/{path}"))
                .header("content-type", "application/json")
                .header("x-retell-signature", &sign(KEY, body.as_bytes(), now_ms()))
                .body(body.to_owned())
                .timeout(Duration::from_secs(30));
            if let Ok(answer) = request.send().await
                && answer.status < 300
            {
                return Some(answer);
            }
        }
        None
    }

    /// Rings until there is an appointment, no time is left or the load is over; what the caller has then.
    async fn caller(&self, number: usize) -> Has {
        let mut luck = number as u64 + 1;
        let mut below = move |end: u64| {
            luck = luck.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (luck >> 33) % end
        };
        let quarters = self.times.div_ceil(STAFF) as u64;
        let (mut has, mut rings) = (Has::Nothing, 0);
        loop {
            let first = below(self.gateways.len() as u64) as usize;
            let minute = 9 * 60 + below(quarters) * 15;
            let time = format!("{:02}:{:02}", minute / 60, minute % 60);
            has = match has {
                Has::Unclear { call } => match self.asks(first, &call).await {
                    Some(has) => has,
                    None => {
                        // It rings again under another number; whatever that call left is looked for in the end.
                        self.hang_up(first, &call).await;
                        self.unclear.lock().await.insert(call);
                        Has::Nothing
                    }
                },
                Has::Appointment { .. } if !self.goes_on() => return has,
                Has::Appointment { call, id, start } if below(2) == 0 => self.moves(first, call, id, start, &time).await,
                Has::Appointment { call, .. } => self.gives_up(first, &call).await,
                Has::Nothing if self.goes_on() || rings < RINGS && self.is_left().await => {
                    rings += 1;
                    self.books(first, &format!("call-{number}-{rings}"), &time).await
                }
                Has::Nothing => return Has::Nothing,
            };
        }
    }

    async fn books(&self, first: usize, call: &str, time: &str) -> Has {
        let args = json!({"service": "Checkup", "date": self.day, "time": time});
        let offered = self.say(first, call, "check_availability", &args).await;
        let slot = offered.as_ref().and_then(|it| it["slots"].get(0)).map(|slot| slot["slot_id"].clone());
        let mut has = Has::Nothing;
        if let Some(slot) = slot {
            let answer = self.say(first, call, "book_appointment", &json!({"slot_id": slot, "name": "Anna Schmidt"})).await;
            has = match answer.as_ref().and_then(|it| it["status"].as_str()) {
                Some("booked") => Has::of(call, answer.as_ref()),
                Some("taken" | "not_found" | "offered" | "available" | "unavailable") => Has::Nothing,
                _ => Has::Unclear { call: call.to_owned() },
            };
        }
        match &has {
            Has::Appointment { .. } => _ = self.booked.fetch_add(1, Ordering::Relaxed),
            Has::Nothing => self.hang_up(first, call).await,
            Has::Unclear { .. } => {}
        }
        has
    }

    /// What became of it, as far as a gateway knows.
    async fn asks(&self, first: usize, call: &str) -> Option<Has> {
        let found = self.say(first, call, "find_appointments", &json!({})).await?;
        let own = found["appointments"].get(0).filter(|it| it["status"] == "booked")?;
        Some(Has::of(call, Some(own)))
    }

    async fn moves(&self, first: usize, call: String, id: String, start: String, time: &str) -> Has {
        let args = json!({"new_date": self.day, "new_time": time, "confirm": true});
        let answer = self.say(first, &call, "reschedule_appointment", &args).await;
        match answer.as_ref().and_then(|it| it["status"].as_str()) {
            Some("rescheduled") => {
                self.moved.fetch_add(1, Ordering::Relaxed);
                Has::of(&call, answer.as_ref())
            }
            // The time that it has, or by a repeat at another gateway the one that it was moved to.
            Some("booked") => Has::of(&call, answer.as_ref()),
            Some("taken" | "offered" | "unavailable") => Has::Appointment { call, id, start },
            _ => Has::Unclear { call },
        }
    }

    async fn gives_up(&self, first: usize, call: &str) -> Has {
        let answer = self.say(first, call, "cancel_appointment", &json!({"confirm": true})).await;
        if answer.is_none_or(|it| it["status"] != "cancelled") {
            return Has::Unclear { call: call.to_owned() };
        }
        self.cancelled.fetch_add(1, Ordering::Relaxed);
        self.hang_up(first, call).await;
        Has::Nothing
    }

    /// Whether a time may be left. A calendar elsewhere makes each look dear: what had no clear answer counts as
    /// given away there.
    async fn is_left(&self) -> bool {
        let booked = self.booked.load(Ordering::Relaxed);
        booked + if self.is_elsewhere { self.unclear.lock().await.len() } else { 0 } < self.times
    }

    /// Waits until that share of the times is given away and that share of the load over.
    async fn reach(&self, share: u32) {
        let mut looks = tokio::time::interval(Duration::from_millis(20));
        loop {
            let given = self.booked.load(Ordering::Relaxed) + self.unclear.lock().await.len();
            let is_there = given >= self.times * share as usize / 100 && self.began.elapsed() >= self.load * share / 100;
            if is_there || self.began.elapsed() > self.load + Duration::from_secs(60) {
                return;
            }
            looks.tick().await;
        }
    }
}

impl Has {
    fn of(call: &str, answer: Option<&Value>) -> Self {
        let word = |key: &str| answer.and_then(|it| it[key].as_str()).unwrap_or_else(|| panic!("{key}: {answer:?}")).to_owned();
        Self::Appointment { call: call.to_owned(), id: word("booking_id"), start: word("start") }
    }
}

/// A number for each call of each caller.
fn phone(call: &str) -> String {
    let mut numbers = call.split('-').skip(1).map(|part| part.parse::<u64>().expect("a number"));
    let (caller, ring) = (numbers.next().expect("a caller"), numbers.next().expect("a ring"));
    format!("+49151{:08}", 10_000_000 + caller * 10_000 + ring)
}

async fn rush(usual: (usize, usize), calendar: Option<SimulatedCalCom>) {
    let (callers, times) = (setting("FRONTDESK_CALLERS", usual.0), setting("FRONTDESK_TIMES", usual.1));
    let load = Duration::from_secs(setting("FRONTDESK_LOAD_SECONDS", 0) as u64);
    let (postgres, redis) = (PostgresServer::start(), RedisServer::start());
    let store = postgres.database();
    let folder = Folder::new();
    let day = a_day_to_come();
    let tenant = folder.write("practice.toml", &practice(times, day, calendar.as_ref()));
    let file = folder.write("apply.toml", &config(&store, "memory:", &folder, free_port()));
    let applied = folder.run(&["tenant", "apply", tenant.to_str().expect("a path"), "--config", file.to_str().expect("a path")]);
    assert!(applied.status.success(), "{}", String::from_utf8_lossy(&applied.stderr));

    let authority = |url: &str| {
        let rest = url.split_once("://").expect("an address").1;
        let rest = rest.rsplit_once('@').map_or(rest, |(_, rest)| rest);
        rest.split('/').next().expect("a host").to_owned()
    };
    let to_store = Wire::to(&authority(&store)).await;
    let to_state = Wire::to(&authority(&redis.url())).await;
    let through = |url: &str, wire: &Wire| url.replace(&authority(url), &format!("127.0.0.1:{}", wire.port()));
    let one = start(&folder, "one", &store, &redis.url()).await;
    let mut two = start(&folder, "two", &store, &redis.url()).await;
    let three = start(&folder, "three", &through(&store, &to_store), &through(&redis.url(), &to_state)).await;

    let rush = Arc::new(Rush {
        gateways: vec![one.address.clone(), two.address.clone(), three.address.clone()],
        times,
        day: day.to_string(),
        is_elsewhere: calendar.is_some(),
        began: this_moment(),
        load,
        tools: AtomicUsize::new(0),
        unclear: Mutex::default(),
        booked: AtomicUsize::new(0),
        moved: AtomicUsize::new(0),
        cancelled: AtomicUsize::new(0),
    });
    let mut ringing = tokio::task::JoinSet::new();
    for number in 0..callers {
        let rush = Arc::clone(&rush);
        ringing.spawn(async move { rush.caller(number).await });
    }
    rush.reach(25).await;
    two.child.kill().expect("killed");
    rush.reach(50).await;
    to_store.cut();
    to_state.cut();
    rush.reach(80).await;
    to_store.mend();
    to_state.mend();
    let heard = ringing.join_all().await;
    let took = rush.began.elapsed();

    let ask = |sql: &str| postgres.run(&store, sql).trim().to_owned();
    let count = |sql: &str| ask(sql).parse::<usize>().expect("a number");
    let mut looks = tokio::time::interval(Duration::from_millis(250));
    for _ in 0..240 {
        if count("SELECT COUNT(*) FROM intents WHERE state IN ('open', 'undoing')") == 0 {
            break;
        }
        looks.tick().await;
    }
    assert_eq!(ask("SELECT * FROM intents WHERE state IN ('open', 'undoing')"), "", "all is settled");
    let here: BTreeMap<String, i64> = ask("SELECT id || ' ' || start_ms FROM appointments WHERE state = 'booked'")
        .lines()
        .map(|line| line.split_once(' ').expect("two columns"))
        .map(|(id, start)| (id.to_owned(), start.parse().expect("a number")))
        .collect();
    let mut known = BTreeSet::new();
    for it in &heard {
        if let Has::Appointment { id, start, .. } = it {
            assert!(known.insert(id.clone()), "two callers have one appointment: {it:?}");
            let start = start.parse::<jiff::Timestamp>().expect("a time").as_millisecond();
            assert_eq!(here.get(id), Some(&start), "heard and not so here: {it:?}");
        }
    }
    let unclear = rush.unclear.lock().await;
    for line in ask("SELECT id || ' ' || call_id FROM appointments WHERE state = 'booked'").lines() {
        let (id, call) = line.split_once(' ').expect("two columns");
        assert!(known.contains(id) || unclear.contains(call), "{id} stands here, and {call} was told something else");
    }
    if load.is_zero() && calendar.is_none() {
        assert_eq!(here.len(), times, "every time is given away; heard {}, after {took:?}", known.len());
    }
    if let Some(calendar) = &calendar {
        let standing = calendar.bookings().into_iter().filter(|it| it.status == Status::Accepted);
        let there: Vec<(String, i64)> = standing
            .map(|it| (it.metadata["frontdesk_booking"].as_str().unwrap_or("").to_owned(), it.start.as_millisecond()))
            .collect();
        assert_eq!(there.len(), here.len(), "once each");
        assert_eq!(there.into_iter().collect::<BTreeMap<_, _>>(), here, "upstream as it is here");
    }
    let overlaps = "SELECT COUNT(*) FROM occupancy a JOIN occupancy b ON a.tenant = b.tenant AND a.resource = b.resource AND a.id < b.id \
         AND a.kind = 'appointment' AND b.kind = 'appointment' AND a.from_ms < b.to_ms AND b.from_ms < a.to_ms";
    assert_eq!(count(overlaps), 0);
    assert_eq!(
        count("SELECT COUNT(*) - COUNT(DISTINCT (resource, start_ms)) FROM appointments WHERE state = 'booked'"),
        0,
        "one time twice"
    );
    let end = 9 * 60 + times.div_ceil(STAFF) * 15;
    let outside = format!(
        "SELECT COUNT(*) FROM appointments WHERE (to_timestamp(start_ms / 1000) AT TIME ZONE 'Europe/Berlin')::time < '09:00' \
         OR (to_timestamp(end_ms / 1000) AT TIME ZONE 'Europe/Berlin')::time > '{:02}:{:02}'",
        end / 60,
        end % 60
    );
    assert_eq!(count(&outside), 0, "nobody is booked outside the hours");
    let text = format!(
        "{callers} callers, {times} times, {took:?}: heard booked {}, moved {}, cancelled {}; in the end heard {}, here {}, no clear answer {}\n",
        rush.booked.load(Ordering::Relaxed),
        rush.moved.load(Ordering::Relaxed),
        rush.cancelled.load(Ordering::Relaxed),
        known.len(),
        here.len(),
        unclear.len(),
    );
    std::io::Write::write_all(&mut std::io::stderr(), text.as_bytes()).expect("written");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_gateways_give_every_time_away_once_while_one_dies_and_one_is_cut_off() {
    rush((60, 25), None).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_gateways_give_every_time_of_a_calendar_away_once_while_one_dies_and_one_is_cut_off() {
    rush((30, 15), Some(SimulatedCalCom::start(calendar(a_day_to_come())).await)).await;
}

/// In three days, so that no midnight falls into the test.
fn a_day_to_come() -> Date {
    #[expect(clippy::disallowed_methods, reason = "real gateways live in real time")]
    let now = jiff::Timestamp::now();
    let zone = jiff::tz::TimeZone::get("Europe/Berlin").expect("bundled");
    now.to_zoned_datetime(zone).date().saturating_add(3.days())
}
