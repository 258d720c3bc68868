//! Three gateways on one PostgreSQL and one Redis, and more callers than there are times. One gateway is
//! killed, another is cut off from both: no time is given away twice, and every yes is true.
//! `FRONTDESK_CALLERS=500 FRONTDESK_TIMES=100` is the large form.

use std::collections::HashMap;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use frontdesk_testkit::http_client::Request;
use frontdesk_testkit::postgres::PostgresServer;
use frontdesk_testkit::redis::RedisServer;
use frontdesk_testkit::retell::sign;
use frontdesk_testkit::wire::Wire;
use jiff::ToSpan as _;
use jiff::civil::Date;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::binary::{BINARY, Folder};

const KEY: &str = "key_practice";
const STAFF: usize = 5;
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
fn practice(times: usize, day: Date) -> String {
    let end = 9 * 60 + times.div_ceil(STAFF) * 15;
    let weekday =
        ["mon", "tue", "wed", "thu", "fri", "sat", "sun"][day.weekday().to_monday_zero_offset().unsigned_abs() as usize];
    let hours = format!("{weekday} = [\"09:00-{:02}:{:02}\"]\n[policy]\nhorizon = \"6d\"\n", end / 60, end % 60);
    let mut text = format!(
        "slug = \"practice\"\nname = \"Practice\"\ntime_zone = \"Europe/Berlin\"\nlanguage = \"en\"\n[retell]\napi_key = \"{KEY}\"\n[calendar]\nkind = \"builtin\"\n[hours]\n{hours}[[services]]\nname = \"Checkup\"\nminutes = 15\n"
    );
    for person in 0..STAFF {
        text.push_str(&format!("[[staff]]\nname = \"Person {person}\"\nservices = [\"Checkup\"]\n"));
    }
    text
}

fn config(store: &str, state: &str, folder: &Folder, port: u16) -> String {
    format!(
        "[server]\nlisten = \"127.0.0.1:{port}\"\n[store]\nurl = \"{store}\"\n[state]\nurl = \"{state}\"\n[secrets]\nmaster_key = \"file:{}/master.key\"\n[rate_limit]\nbooking = \"1000000/min\"\navailability = \"1000000/min\"\ncall = \"1000000/min\"\ndefault = \"1000000/min\"\n[deadlines]\ncheck = \"20s\"\nwrite = \"20s\"\n",
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

#[expect(clippy::disallowed_methods, reason = "real gateways live in real time")]
fn this_moment() -> Instant {
    Instant::now()
}

#[expect(clippy::disallowed_methods, reason = "a signature is of this moment")]
fn now_ms() -> i64 {
    jiff::Timestamp::now().as_millisecond()
}

/// One function of one call, at whichever gateway answers; `None` when none did.
async fn say(gateways: &[String], first: usize, call: &str, tool: &str, function: &str, args: &Value) -> Option<Value> {
    let body = json!({"name": function, "args": args, "call": {"call_id": call, "from_number": format!("+49151{:08}", call_number(call)),
        "transcript_with_tool_calls": [{"role": "tool_call_invocation", "tool_call_id": tool, "name": function, "arguments": args.to_string()}]}})
    .to_string();
    for turn in 0..gateways.len() {
        let gateway = &gateways[(first + turn) % gateways.len()];
        let request = Request::post(&format!("{gateway}/api/t/practice/retell/functions"))
            .header("content-type", "application/json")
            .header("x-retell-signature", &sign(KEY, body.as_bytes(), now_ms()))
            .body(body.clone())
            .timeout(Duration::from_secs(30));
        if let Ok(answer) = request.send().await
            && answer.status == 200
        {
            return Some(answer.json());
        }
    }
    None
}

fn call_number(call: &str) -> u64 {
    call.bytes().fold(7_u64, |sum, byte| (sum * 31 + u64::from(byte)) % 100_000_000)
}

async fn hang_up(gateways: &[String], first: usize, call: &str) {
    let body = json!({"event": "call_ended", "call": {"call_id": call}}).to_string();
    for turn in 0..gateways.len() {
        let gateway = &gateways[(first + turn) % gateways.len()];
        let request = Request::post(&format!("{gateway}/api/t/practice/retell/events"))
            .header("x-retell-signature", &sign(KEY, body.as_bytes(), now_ms()))
            .body(body.clone());
        if request.send().await.is_ok_and(|answer| answer.status < 300) {
            return;
        }
    }
}

/// Rings until there is an appointment or no time is left; what the caller heard last.
async fn caller(gateways: Arc<Vec<String>>, number: usize, times: usize, day: String, booked: Arc<AtomicUsize>) -> Option<Value> {
    let mut luck = number as u64 + 1;
    let mut below = move |end: u64| {
        luck = luck.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (luck >> 33) % end
    };
    let quarters = times.div_ceil(STAFF) as u64;
    for ring in 0..RINGS {
        if booked.load(Ordering::Relaxed) >= times {
            return None;
        }
        let call = format!("call-{number}-{ring}");
        let first = below(gateways.len() as u64) as usize;
        let minute = 9 * 60 + below(quarters) * 15;
        let args = json!({"service": "Checkup", "date": day, "time": format!("{:02}:{:02}", minute / 60, minute % 60)});
        let offered = say(&gateways, first, &call, "t1", "check_availability", &args).await;
        let slots = offered.as_ref().and_then(|it| it["slots"].as_array().cloned()).unwrap_or_default();
        if let Some(slot) = slots.first() {
            let args = json!({"slot_id": slot["slot_id"], "name": format!("Caller {number}")});
            let answer = say(&gateways, first, &call, "t2", "book_appointment", &args).await;
            if let Some(answer) = answer.filter(|answer| answer["status"] == "booked") {
                booked.fetch_add(1, Ordering::Relaxed);
                return Some(answer);
            }
        }
        hang_up(&gateways, first, &call).await;
    }
    None
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_gateways_give_every_time_away_once_while_one_dies_and_one_is_cut_off() {
    let (callers, times) = (setting("FRONTDESK_CALLERS", 60), setting("FRONTDESK_TIMES", 25));
    let (postgres, redis) = (PostgresServer::start(), RedisServer::start());
    let store = postgres.database();
    let folder = Folder::new();
    let day = a_day_to_come();
    let tenant = folder.write("practice.toml", &practice(times, day));
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
    let gateways = Arc::new(vec![one.address.clone(), two.address.clone(), three.address.clone()]);

    let booked = Arc::new(AtomicUsize::new(0));
    let mut ringing = tokio::task::JoinSet::new();
    let began = this_moment();
    for number in 0..callers {
        ringing.spawn(caller(Arc::clone(&gateways), number, times, day.to_string(), Arc::clone(&booked)));
    }
    let reach = async |share: usize| {
        let mut looks = tokio::time::interval(Duration::from_millis(20));
        while booked.load(Ordering::Relaxed) < times * share / 100 && began.elapsed() < Duration::from_secs(180) {
            looks.tick().await;
        }
    };
    reach(25).await;
    two.child.kill().expect("killed");
    reach(50).await;
    to_store.cut();
    to_state.cut();
    reach(80).await;
    to_store.mend();
    to_state.mend();
    let answers: Vec<Value> = ringing.join_all().await.into_iter().flatten().collect();
    let took = began.elapsed();

    let mut heard: HashMap<(String, String), usize> = HashMap::new();
    for answer in &answers {
        let place = (answer["start"].as_str().unwrap_or("").to_owned(), answer["staff"].as_str().unwrap_or("").to_owned());
        *heard.entry(place).or_default() += 1;
    }
    assert!(heard.values().all(|count| *count == 1), "a time was given away twice: {heard:?}");
    let count = |sql: &str| postgres.run(&store, sql).trim().parse::<usize>().expect("a number");
    let here = count("SELECT COUNT(*) FROM appointments WHERE state = 'booked'");
    assert_eq!(here, times, "every time is given away; heard {}, after {took:?}", answers.len());
    for answer in &answers {
        let id = answer["booking_id"].as_str().expect("an id");
        assert_eq!(count(&format!("SELECT COUNT(*) FROM appointments WHERE id = '{id}' AND state = 'booked'")), 1, "{answer}");
    }
    let overlaps = "SELECT COUNT(*) FROM occupancy a JOIN occupancy b ON a.tenant = b.tenant AND a.resource = b.resource AND a.id < b.id \
         AND a.kind = 'appointment' AND b.kind = 'appointment' AND a.from_ms < b.to_ms AND b.from_ms < a.to_ms";
    assert_eq!(count(overlaps), 0);
    let end = 9 * 60 + times.div_ceil(STAFF) * 15;
    let outside = format!(
        "SELECT COUNT(*) FROM appointments WHERE (to_timestamp(start_ms / 1000) AT TIME ZONE 'Europe/Berlin')::time < '09:00' \
         OR (to_timestamp(end_ms / 1000) AT TIME ZONE 'Europe/Berlin')::time > '{:02}:{:02}'",
        end / 60,
        end % 60
    );
    assert_eq!(count(&outside), 0, "nobody is booked outside the hours");
    if callers >= 500 {
        let text = format!("{callers} callers, {times} times, heard booked {}, here {here}, {took:?}\n", answers.len());
        std::fs::write(std::env::temp_dir().join("frontdesk-replicas.txt"), text).expect("written");
    }
}

/// In three days, so that no midnight falls into the test.
fn a_day_to_come() -> Date {
    #[expect(clippy::disallowed_methods, reason = "real gateways live in real time")]
    let now = jiff::Timestamp::now();
    let zone = jiff::tz::TimeZone::get("Europe/Berlin").expect("bundled");
    now.to_zoned_datetime(zone).date().saturating_add(3.days())
}
