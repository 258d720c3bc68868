//! The figures of ARCHITECTURE.md: parts in microseconds, and the real binary with all protections on, Redis
//! for its state and its log in a file, under load beside a bare axum route and, where installed, nginx that
//! proxies to the same simulated calendar. `cargo bench -p frontdesk`; with `-- bookings`, `-- warm`, `-- cold`,
//! `-- health` or `-- events` only that load, for as long as a profiler needs. Quote ratios: machines are noisy.

use std::fmt::Write as _;
use std::hint::black_box;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use frontdesk_core::breaker::{Ending, Rules};
use frontdesk_core::clock::ManualClock;
use frontdesk_core::redact::{Depth, Redactor};
use frontdesk_core::sensitive::Secret;
use frontdesk_core::shared::{Bucket, MemoryState, SharedState as _};
use frontdesk_core::speech::when::{WhenText, understand};
use frontdesk_core::tenant::Language;
use frontdesk_testkit::TempDir;
use frontdesk_testkit::calcom::{Config, Fault, FaultKind, RateLimit, Route, SimulatedCalCom};
use frontdesk_testkit::redis::RedisServer;
use jiff::civil::date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

const CONNECTIONS: [usize; 2] = [16, 64];
const RUN: Duration = Duration::from_secs(3);
const KEY: &str = "key_bench";
/// People of one practice whose calendar is our own.
const STAFF: usize = 8;

fn main() {
    // `cargo test --benches` starts this too: there it only has to compile.
    if std::env::args().any(|argument| argument == "--test") {
        return;
    }
    let only = std::env::args().find_map(|argument| Only::named(&argument));
    if only.is_none() {
        parts();
        protections();
    }
    tokio::runtime::Runtime::new().expect("a runtime").block_on(whole(only));
}

/// One load, without the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Only {
    Bookings,
    Warm,
    Cold,
    Health,
    Events,
    Crowd,
}

impl Only {
    fn named(word: &str) -> Option<Self> {
        match word {
            "bookings" => Some(Self::Bookings),
            "warm" => Some(Self::Warm),
            "cold" => Some(Self::Cold),
            "health" => Some(Self::Health),
            "events" => Some(Self::Events),
            "crowd" => Some(Self::Crowd),
            _ => None,
        }
    }
}

#[expect(clippy::disallowed_macros, reason = "a benchmark prints its figures")]
fn say(text: &str) {
    println!("{text}");
}

#[expect(clippy::disallowed_methods, reason = "a benchmark measures the wall clock")]
fn now() -> Instant {
    Instant::now()
}

fn micros(name: &str, rounds: u32, mut work: impl FnMut()) {
    for _ in 0..rounds / 10 {
        work();
    }
    let began = now();
    for _ in 0..rounds {
        work();
    }
    say(&format!("{name:<44} {:>9.2} us", began.elapsed().as_secs_f64() * 1e6 / f64::from(rounds)));
}

fn parts() {
    let body =
        envelope("c1", "t1", "check_availability", &json!({"service": "Herrenhaarschnitt", "date": "morgen", "time": "14 Uhr"}));
    let key = Secret::new(KEY);
    let at = Timestamp::from_second(1_800_000_000).expect("in range");
    let header = frontdesk_http::sign(&key, body.as_bytes(), at.as_millisecond());
    micros("signature of a function call", 50_000, || {
        assert!(frontdesk_http::verify(black_box(&header), body.as_bytes(), [&key], at));
    });
    let large = body.replace("\"to_number\"", &format!("\"transcript\":\"{}\",\"to_number\"", "x".repeat(200_000)));
    let large_header = frontdesk_http::sign(&key, large.as_bytes(), at.as_millisecond());
    micros("signature with a transcript of 200 kB", 2_000, || {
        assert!(frontdesk_http::verify(black_box(&large_header), large.as_bytes(), [&key], at));
    });
    let zone = TimeZone::get("Europe/Berlin").expect("bundled");
    let today = date(2026, 3, 12).at(10, 0, 0, 0).to_zoned_datetime(zone).expect("exists");
    for (day, time) in
        [("2026-03-13", "14:00"), ("nächste Woche Dienstag", "halb drei"), ("Freitag, den 13. März", "viertel nach neun")]
    {
        micros(&format!("understanding {day}, {time}"), 20_000, || {
            let text = WhenText { date: Some(day), time: Some(time), words: None };
            black_box(understand(&text, &today, Language::De).is_ok());
        });
    }
}

/// The decisions of the protections, and redaction beside ten expressions in sequence.
fn protections() {
    let clock = Arc::new(ManualClock::new(Timestamp::from_second(1_800_000_000).expect("in range")));
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let state = MemoryState::new(clock.clone());
    let rules =
        Rules { failure_threshold: 5, recovery: 60_000_000, success_threshold: 2, trials: 2, trial_lease: 1, bad_percent: 0 };
    let buckets = ["rate_limit:salon:availability", "rate_limit:salon:call:c1"].map(|key| Bucket {
        key: key.to_owned(),
        limit: u32::MAX,
        span: 60_000_000,
    });
    runtime.block_on(async {
        let rounds = 200_000;
        let began = now();
        for _ in 0..rounds {
            black_box(state.admit(&buckets, true).await);
        }
        per_call("two buckets asked at once, in memory", began, rounds);
        let began = now();
        for _ in 0..rounds {
            let (_, _) = black_box(state.enter("acct_1", &rules).await);
            black_box(state.exit("acct_1", &rules, false, Ending::Answered).await);
        }
        per_call("a breaker around a call, in memory", began, rounds);
    });
    let redactor = Redactor::new(b"bench");
    let clean = "availability served for the salon in 12 ms, three starts were offered and one of them is held until five past ten, nothing else happened here and nobody was told about it twice";
    let dirty = "call +4915123456789 or anna.schmidt@example.org with cal_live_0a1b2c3d4e5f, IBAN DE89 3704 0044 0532 0130 00, card 4111 1111 1111 1111, Bearer abc123def456ghi789 and password=hunter2";
    let expressions: Vec<regex::Regex> = [
        r"(?i)bearer\s+[a-z0-9._~+/-]+=*",
        r"\b[0-9a-fA-F]{32,}\b",
        r"[A-Za-z0-9._%+-]+@[A-Za-z0-9.-]+\.[A-Za-z]{2,}",
        r"(\+\d{1,3}[ -]?)?\(?\d{2,4}\)?[ -]?\d{3,4}[ -]?\d{3,4}",
        r"\b(?:cal|key|fd|sk)_[A-Za-z0-9_]{8,}\b",
        r"\b(?:\d[ -]?){13,19}\b",
        r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){3,7}\b",
        r"(?i)password\s*=\s*\S+",
        r"(?i)cookie:\s*.+",
        r"://[^/@\s]+:[^/@\s]+@",
    ]
    .iter()
    .map(|text| regex::Regex::new(text).expect("an expression"))
    .collect();
    for (name, line) in [("clean", clean), ("dirty", dirty)] {
        let rounds = 20_000;
        let began = now();
        for _ in 0..rounds {
            black_box(redactor.text(black_box(line), Depth::Everything));
        }
        let ours = began.elapsed();
        let began = now();
        for _ in 0..rounds {
            let mut text = std::borrow::Cow::Borrowed(black_box(line));
            for expression in &expressions {
                text = std::borrow::Cow::Owned(expression.replace_all(&text, "[REDACTED]").into_owned());
            }
            black_box(text);
        }
        let theirs = began.elapsed();
        let speed = |took: Duration| line.len() as f64 * f64::from(rounds) / took.as_secs_f64() / 1e6;
        say(&format!(
            "redaction of a {name} line{:>22.0} MB/s; ten expressions in sequence {:.0} MB/s",
            speed(ours),
            speed(theirs)
        ));
    }
}

fn per_call(name: &str, began: Instant, rounds: u32) {
    say(&format!("{name:<44} {:>9.0} ns", began.elapsed().as_secs_f64() * 1e9 / f64::from(rounds)));
}

fn envelope(call: &str, tool: &str, function: &str, args: &serde_json::Value) -> String {
    json!({
        "name": function, "args": args,
        "call": { "call_id": call, "from_number": "+4915123456789", "to_number": "+4930111111", "agent_id": "agent_bench",
            "transcript_with_tool_calls": [{"role": "tool_call_invocation", "tool_call_id": tool, "name": function, "arguments": args.to_string()}] },
    })
    .to_string()
}

/// No limit is reached: what is measured is that all of them are asked.
const LIMITS: &str = "[rate_limit]\nbooking = \"1000000/min\"\navailability = \"1000000/min\"\nhealth = \"1000000/min\"\ncall = \"1000000/min\"\ndefault = \"1000000/min\"\ncalendar = \"1000000/min\"\n";

/// The real binary, stopped when dropped.
struct Gateway {
    child: Child,
    folder: TempDir,
    address: String,
}

impl Drop for Gateway {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Gateway {
    async fn start(state: &str, tenants: &[(String, String)]) -> Self {
        let folder = frontdesk_testkit::folder("bench");
        let port = TcpListener::bind("127.0.0.1:0").await.expect("a port").local_addr().expect("an address").port();
        let address = format!("127.0.0.1:{port}");
        let config = format!(
            "[server]\nlisten = \"{address}\"\npublic_url = \"http://{address}\"\n[store]\nurl = \"sqlite:{0}/frontdesk.db\"\n[secrets]\nmaster_key = \"file:{0}/master.key\"\n[state]\nurl = \"{state}\"\n{LIMITS}",
            folder.path().display()
        );
        std::fs::write(folder.path().join("frontdesk.toml"), config).expect("written");
        let binary = env!("CARGO_BIN_EXE_frontdesk");
        for (name, text) in tenants {
            std::fs::write(folder.path().join(name), text).expect("written");
            let applied = Command::new(binary)
                .args(["tenant", "apply"])
                .arg(folder.path().join(name))
                .arg("--config")
                .arg(folder.path().join("frontdesk.toml"))
                .stdout(Stdio::null())
                .status();
            assert!(applied.is_ok_and(|status| status.success()), "{name} is applied");
        }
        let log = std::fs::File::create(folder.path().join("log")).expect("a log");
        let began = now();
        let child = Command::new(binary)
            .arg("serve")
            .arg("--config")
            .arg(folder.path().join("frontdesk.toml"))
            .stderr(log)
            .spawn()
            .expect("started");
        let gateway = Self { child, folder, address };
        while TcpStream::connect(&gateway.address).await.is_err() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        say(&format!(
            "start to accepting connections{:>15} ms, {:.1} MiB resident",
            began.elapsed().as_millis(),
            gateway.resident()
        ));
        gateway
    }

    /// MiB.
    fn resident(&self) -> f64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap_or_default();
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap_or("");
        line.split_whitespace().nth(1).and_then(|kib| kib.parse::<f64>().ok()).unwrap_or(0.0) / 1024.0
    }

    /// Seconds of processor time so far, at the usual 100 ticks a second.
    fn cpu(&self) -> f64 {
        cpu_of(self.child.id())
    }

    /// Switches everything that can be, and waits until that is known.
    async fn switch_all(&self, state: &str) {
        for name in ["cache_isolation", "log_sanitizer", "circuit_breaker", "rate_limit", "performance", "business_hours"] {
            self.switch(name, state).await;
        }
    }

    async fn switch(&self, name: &str, state: &str) {
        {
            let set = Command::new(env!("CARGO_BIN_EXE_frontdesk"))
                .args(["feature", "set", name, state, "--config"])
                .arg(self.folder.path().join("frontdesk.toml"))
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .status();
            assert!(set.is_ok_and(|status| status.success()), "{name} is switched");
        }
        tokio::time::sleep(Duration::from_millis(600)).await;
    }
}

/// Seconds of processor time of a process so far, at the usual 100 ticks a second.
fn cpu_of(process: u32) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or("").split_whitespace().collect();
    let ticks = |index: usize| fields.get(index).and_then(|ticks| ticks.parse::<f64>().ok()).unwrap_or(0.0);
    (ticks(11) + ticks(12)) / 100.0
}

/// A practice of eight with the built-in calendar, open at all times.
fn builtin(number: usize) -> String {
    let mut text = format!(
        "slug = \"builtin{number}\"\nname = \"Bench\"\ntime_zone = \"Europe/Berlin\"\nlanguage = \"de\"\n[retell]\napi_key = \"{KEY}\"\n[calendar]\nkind = \"builtin\"\n[hours]\n{}\n[policy]\nhorizon = \"700d\"\n[[services]]\nname = \"Beratung\"\nminutes = 15\n",
        ["mon", "tue", "wed", "thu", "fri", "sat", "sun"].map(|day| format!("{day} = [\"00:00-24:00\"]")).join("\n")
    );
    for person in 0..STAFF {
        let _ = write!(text, "[[staff]]\nname = \"Person {person}\"\nservices = [\"Beratung\"]\n");
    }
    text
}

async fn whole(only: Option<Only>) {
    let calendar = SimulatedCalCom::start(Config::salon().rate_limit(Some(RateLimit::of(100_000_000)))).await;
    let calcom = |slug: &str, verify_after: &str| {
        format!(
            "slug = \"{slug}\"\nname = \"Bench\"\ntime_zone = \"Europe/Berlin\"\nlanguage = \"de\"\n[retell]\napi_key = \"{KEY}\"\n[calendar]\nkind = \"calcom\"\nbase_url = \"{}\"\napi_key = \"cal_test_salon\"\nverify_after = \"{verify_after}\"\nwebhook_secret = \"whsec_bench\"\n[[services]]\nname = \"Herrenhaarschnitt\"\nminutes = 55\ncalcom_event_type_id = 102\n",
            calendar.base_url()
        )
    };
    let most = CONNECTIONS.into_iter().max().unwrap_or(1);
    let mut tenants = vec![("warm.toml".to_owned(), calcom("warm", "60s")), ("cold.toml".to_owned(), calcom("cold", "0s"))];
    // What is told of a calendar stays: nobody else's figures are to find it.
    tenants.push(("storm.toml".to_owned(), calcom("storm", "60s")));
    for number in 0..most.div_ceil(STAFF) {
        tenants.push((format!("builtin{number}.toml"), builtin(number)));
    }
    let redis = RedisServer::start();
    let gateway = Gateway::start(&redis.url(), &tenants).await;
    let floor = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let floor_address = floor.local_addr().expect("an address").to_string();
    let bare = axum::Router::new()
        .route("/", axum::routing::post(|body: bytes::Bytes| async move { format!("{{\"n\":{}}}", body.len()) }));
    #[expect(clippy::disallowed_methods, reason = "the floor of the comparison runs beside the load")]
    tokio::spawn(async move { axum::serve(floor, bare).await });
    let nginx = Nginx::start(&calendar.base_url()).await;

    let tomorrow = Timestamp::now_in_berlin().tomorrow().expect("in range");
    let availability = |tenant: &'static str| {
        move |connection: usize, round: u64| {
            let day = weekday_after(tomorrow, connection / 8);
            let args =
                json!({"service": "Herrenhaarschnitt", "date": day.to_string(), "time": format!("{:02}:00", 9 + connection % 8)});
            let call = format!("call{connection}");
            request(
                &format!("/api/t/{tenant}/retell/functions"),
                &envelope(&call, &format!("{tenant}{connection}-{round}"), "check_availability", &args),
            )
        }
    };
    let mut first = tomorrow;
    for connections in CONNECTIONS {
        match only {
            None => {}
            Some(Only::Bookings) => {
                bookings(&gateway, first, connections).await;
                first = first.saturating_add(100.days());
                continue;
            }
            Some(Only::Warm) => {
                load_of(connections, "availability, warm", &gateway.address, Some(&gateway), availability("warm")).await;
                continue;
            }
            Some(Only::Cold) => {
                load_of(connections, "availability, cold", &gateway.address, Some(&gateway), availability("cold")).await;
                continue;
            }
            Some(Only::Crowd) => continue,
            Some(Only::Events) => {
                events(&gateway, connections).await;
                continue;
            }
            Some(Only::Health) => {
                load_of(connections, "health", &gateway.address, Some(&gateway), |_, _| {
                    b"GET /api/health HTTP/1.1\r\nhost: x\r\n\r\n".to_vec()
                })
                .await;
                continue;
            }
        }
        say(&format!(
            "\n{connections} keep-alive connections, {} s each{:>12} req/s    p50 ms    p99 ms   CPU s per 1,000",
            RUN.as_secs(),
            ""
        ));
        load_of(connections, "bare axum route", &floor_address, None, |connection, round| {
            request("/", &envelope(&format!("c{connection}"), &format!("t{round}"), "x", &json!({})))
        })
        .await;
        if let Some(nginx) = &nginx {
            let day = format!("{}T00:00:00Z", tomorrow);
            let end = format!("{}T00:00:00Z", tomorrow.tomorrow().expect("in range"));
            let ask = format!(
                "GET /v2/slots?eventTypeId=102&start={day}&end={end}&timeZone=Europe%2FBerlin HTTP/1.1\r\nhost: x\r\ncal-api-version: 2024-09-04\r\nauthorization: Bearer cal_test_salon\r\n\r\n"
            );
            load_with(connections, "nginx proxying to the same calendar", &nginx.address, &|| nginx.cpu(), |_, _| {
                ask.clone().into_bytes()
            })
            .await;
        }
        load_of(connections, "health", &gateway.address, Some(&gateway), |_, _| {
            b"GET /api/health HTTP/1.1\r\nhost: x\r\n\r\n".to_vec()
        })
        .await;
        load_of(connections, "availability, warm", &gateway.address, Some(&gateway), availability("warm")).await;
        load_of(connections, "availability, cold, calendar at 0 ms", &gateway.address, Some(&gateway), availability("cold"))
            .await;
        calendar.fault(Fault::on(Route::Slots, FaultKind::DelayBefore(Duration::from_millis(20))).standing());
        load_of(connections, "availability, cold, calendar at 20 ms", &gateway.address, Some(&gateway), availability("cold"))
            .await;
        calendar.clear_faults();
        bookings(&gateway, first, connections).await;
        first = first.saturating_add(100.days());
        events(&gateway, connections).await;
    }
    if only == Some(Only::Crowd) {
        crowd(&gateway, &availability("warm")).await;
    }
    if only.is_some() {
        return;
    }
    say("");
    let alone = |_: usize, round: u64| {
        let args = json!({"service": "Herrenhaarschnitt", "date": weekday_after(tomorrow, 3).to_string(), "time": "11:00"});
        let call = format!("alone{}", Timestamp::now_ms() / 1000);
        request("/api/t/warm/retell/functions", &envelope(&call, &format!("{call}-{round}"), "check_availability", &args))
    };
    load_of(1, "warm, one caller, all protections on", &gateway.address, Some(&gateway), alone).await;
    gateway.switch_all("off").await;
    load_of(1, "warm, one caller, all off (each call asks the calendar)", &gateway.address, Some(&gateway), alone).await;
    gateway.switch("cache_isolation", "on").await;
    load_of(1, "warm, one caller, all off but the cache", &gateway.address, Some(&gateway), alone).await;
    gateway.switch_all("on").await;
    load_of(1, "warm, one caller, all protections on again", &gateway.address, Some(&gateway), alone).await;
    bookings(&gateway, tomorrow.saturating_add(400.days()), 1).await;
    crowd(&gateway, &availability("warm")).await;
    say(&format!("resident after the load: {:.1} MiB", gateway.resident()));
}

/// A thousand phone calls at once, each with a connection of its own, asking every two seconds as people do.
async fn crowd(gateway: &Gateway, make: &impl Fn(usize, u64) -> Vec<u8>) {
    const CALLS: usize = 1000;
    const TURNS: u64 = 6;
    let mut tasks = tokio::task::JoinSet::new();
    let began = now();
    for call in 0..CALLS {
        let requests: Vec<Vec<u8>> = (0..TURNS).map(|turn| make(10_000 + call, turn)).collect();
        let mut stream = TcpStream::connect(&gateway.address).await.expect("connected");
        tasks.spawn(async move {
            let mut took = Vec::new();
            for (turn, request) in requests.into_iter().enumerate() {
                let at = Duration::from_millis(call as u64 * 2 + turn as u64 * 2000);
                tokio::time::sleep_until(tokio::time::Instant::from_std(began) + at + Duration::from_secs(1)).await;
                let asked = now();
                let answer = exchange(&mut stream, &request).await;
                took.push(asked.elapsed());
                assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
            }
            took
        });
    }
    tokio::time::sleep(Duration::from_secs(8)).await;
    let resident = gateway.resident();
    let all: Vec<Duration> = tasks.join_all().await.into_iter().flatten().collect();
    report("a thousand calls at once, 500 questions a second", all, began.elapsed(), None);
    say(&format!("resident with a thousand calls at once: {resident:.1} MiB"));
}

/// Ten thousand webhooks, a tenth of them twice and none in order, beside a route that only commits one row.
async fn events(gateway: &Gateway, connections: usize) {
    const EVENTS: usize = 10_000;
    let begin = Timestamp::now_ms() / 1000 + 86_400 * 20;
    let mut luck = 7_u64;
    let mut below = move |end: u64| {
        luck = luck.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (luck >> 33) % end
    };
    let mut order: Vec<usize> = (0..EVENTS * 10 / 11).collect();
    order.extend((0..EVENTS / 11).map(|_| below(EVENTS as u64 * 10 / 11) as usize));
    for at in (1..order.len()).rev() {
        order.swap(at, below(at as u64 + 1) as usize);
    }
    let event = |number: usize| {
        // A booking is made, moved and cancelled; every fourth event is the next booking's first.
        let (booking, step) = (number / 3, number % 3);
        let start = begin + booking as i64 * 3600 + step as i64 * 900;
        let at = |second: i64| Timestamp::from_second(second).expect("in range").to_string();
        let trigger = ["BOOKING_CREATED", "BOOKING_RESCHEDULED", "BOOKING_CANCELLED"][step];
        json!({"triggerEvent": trigger, "createdAt": at(begin + number as i64), "payload": {
            "uid": format!("u{connections}-{booking}-{}", step.min(1)), "rescheduleUid": (step == 1).then(|| format!("u{connections}-{booking}-0")),
            "iCalUID": format!("i{connections}-{booking}@Cal.com"), "iCalSequence": step, "eventTypeId": 102,
            "startTime": at(start), "endTime": at(start + 3300), "organizer": {"id": 7},
            "attendees": [{"name": "Ada Byron", "email": "ada@example.org", "phoneNumber": "+4915123456789"}]}})
        .to_string()
    };
    let bodies: Vec<String> = order.into_iter().map(event).collect();
    let bodies = Arc::new(bodies);
    let share = |connection: usize| bodies.iter().skip(connection).step_by(connections).cloned().collect::<Vec<_>>();

    let row = OneRow::start(gateway.folder.path()).await;
    let all: Vec<Vec<String>> = (0..connections).map(share).collect();
    let address = row.address.clone();
    storm("a bare route that commits one row", &address, None, all.clone(), |body| request("/", body)).await;
    storm("calendar events, a tenth twice, shuffled", &gateway.address, Some(gateway), all, |body| {
        let signature = frontdesk_testkit::calcom::sign_webhook("whsec_bench", body.as_bytes());
        format!(
            "POST /api/t/storm/calcom/events HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\nx-cal-signature-256: {signature}\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        )
        .into_bytes()
    })
    .await;
}

/// Sends all of `bodies`, one list a connection.
async fn storm(name: &str, address: &str, gateway: Option<&Gateway>, bodies: Vec<Vec<String>>, make: impl Fn(&str) -> Vec<u8>) {
    let mut tasks = tokio::task::JoinSet::new();
    let cpu = || gateway.map_or(f64::NAN, Gateway::cpu);
    let prepared: Vec<Vec<Vec<u8>>> = bodies.iter().map(|all| all.iter().map(|body| make(body)).collect()).collect();
    let (began_cpu, began) = (cpu(), now());
    for requests in prepared {
        let address = address.to_owned();
        tasks.spawn(async move {
            let mut stream = TcpStream::connect(address).await.expect("connected");
            let mut took = Vec::with_capacity(requests.len());
            for request in requests {
                let asked = now();
                let answer = exchange(&mut stream, &request).await;
                took.push(asked.elapsed());
                assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
            }
            took
        });
    }
    let all: Vec<Duration> = tasks.join_all().await.into_iter().flatten().collect();
    let spent = cpu() - began_cpu;
    report(name, all, began.elapsed(), (!spent.is_nan()).then_some(spent));
}

/// The floor of an acknowledgement: one row on the disk, one answer.
struct OneRow {
    address: String,
}

impl OneRow {
    async fn start(folder: &std::path::Path) -> Self {
        let connection = rusqlite::Connection::open(folder.join("one-row.db")).expect("opened");
        connection.pragma_update(None, "journal_mode", "wal").expect("set");
        connection.pragma_update(None, "synchronous", "full").expect("set");
        connection.execute_batch("CREATE TABLE IF NOT EXISTS event (body TEXT NOT NULL) STRICT").expect("made");
        let connection = Arc::new(std::sync::Mutex::new(connection));
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address").to_string();
        let commit = move |body: String| {
            let connection = Arc::clone(&connection);
            async move {
                let write = move || {
                    let connection = connection.lock().expect("not poisoned");
                    connection.execute("INSERT INTO event (body) VALUES (?)", [&body]).expect("written")
                };
                tokio::task::spawn_blocking(write).await.expect("written").to_string()
            }
        };
        let bare = axum::Router::new().route("/", axum::routing::post(commit));
        #[expect(clippy::disallowed_methods, reason = "the floor of the comparison runs beside the load")]
        tokio::spawn(async move { axum::serve(listener, bare).await });
        Self { address }
    }
}

/// A proxy that does nothing else, for comparison; `None` where it is not installed.
struct Nginx {
    child: Child,
    _folder: TempDir,
    address: String,
}

impl Nginx {
    async fn start(upstream: &str) -> Option<Self> {
        let port = TcpListener::bind("127.0.0.1:0").await.expect("a port").local_addr().expect("an address").port();
        let folder = frontdesk_testkit::folder("bench-nginx");
        let (folder_name, upstream) = (folder.path().display().to_string(), upstream.trim_start_matches("http://"));
        let config = format!(
            "daemon off;\nmaster_process off;\npid {folder_name}/pid;\nerror_log {folder_name}/error.log;\nevents {{ worker_connections 1024; }}\nhttp {{\n access_log {folder_name}/access.log;\n client_body_temp_path {folder_name}/a; proxy_temp_path {folder_name}/b; fastcgi_temp_path {folder_name}/c; uwsgi_temp_path {folder_name}/d; scgi_temp_path {folder_name}/e;\n keepalive_requests 1000000;\n upstream calendar {{ server {upstream}; keepalive 64; keepalive_requests 1000000; }}\n server {{ listen 127.0.0.1:{port}; location / {{ proxy_pass http://calendar; proxy_http_version 1.1; proxy_set_header Connection \"\"; }} }}\n}}\n"
        );
        std::fs::write(folder.path().join("nginx.conf"), config).expect("written");
        let child = Command::new("nginx")
            .arg("-p")
            .arg(folder.path())
            .arg("-c")
            .arg(folder.path().join("nginx.conf"))
            .stderr(Stdio::null())
            .spawn();
        let Ok(child) = child else {
            say("nginx is not installed: its line is left out");
            return None;
        };
        let nginx = Self { child, _folder: folder, address: format!("127.0.0.1:{port}") };
        for _ in 0..500 {
            if TcpStream::connect(&nginx.address).await.is_ok() {
                return Some(nginx);
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        say("nginx did not start: its line is left out");
        None
    }

    fn cpu(&self) -> f64 {
        cpu_of(self.child.id())
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Every connection is one caller after another: first all check and have a slot held, then all book.
async fn bookings(gateway: &Gateway, first: jiff::civil::Date, connections: usize) {
    let path = |connection: usize| format!("/api/t/builtin{}/retell/functions", connection / STAFF);
    let body = |function: &str, args: &serde_json::Value, call: &str| {
        json!({"name": function, "args": args, "call": {"call_id": call}}).to_string()
    };
    let held = phase(gateway, "check of the built-in calendar, held", (0..connections).map(|_| ()).collect(), move |connection, (), mut stream| async move {
        let mut slots = Vec::new();
        let mut took = Vec::new();
        let began = now();
        while began.elapsed() < RUN {
            let number = slots.len() as i32;
            let day = first.checked_add((number / 90).days()).expect("in range");
            let minute = (number % 90) * 15;
            let call = format!("b{connections}-{connection}-{number}");
            let args = json!({"service": "Beratung", "staff": format!("Person {}", connection % STAFF), "date": day.to_string(), "time": format!("{:02}:{:02}", minute / 60, minute % 60)});
            let check = request(&path(connection), &body("check_availability", &args, &call));
            let asked = now();
            let answer = exchange(&mut stream, &check).await;
            took.push(asked.elapsed());
            let id = answer.split("\"slot_id\":\"").nth(1).and_then(|rest| rest.split('"').next());
            slots.push((call, id.unwrap_or_else(|| panic!("{answer}")).to_owned()));
        }
        (took, slots)
    })
    .await;
    let name = if connections == 1 { "booking, one caller at a time" } else { "booking, built-in calendar" };
    phase(gateway, name, held, move |connection, slots, mut stream| async move {
        let mut took = Vec::new();
        for (call, id) in slots {
            let args = json!({"slot_id": id, "name": "Ada Byron"});
            let book = request(&path(connection), &body("book_appointment", &args, &call));
            let asked = now();
            let answer = exchange(&mut stream, &book).await;
            took.push(asked.elapsed());
            assert!(answer.contains("\"status\":\"booked\""), "{answer}");
        }
        (took, ())
    })
    .await;
}

/// All connections do `work`, each with what it brought; reports it under `name` and gives what they made.
async fn phase<B, M, F>(gateway: &Gateway, name: &str, brought: Vec<B>, work: impl Fn(usize, B, TcpStream) -> F) -> Vec<M>
where
    M: Send + 'static,
    F: Future<Output = (Vec<Duration>, M)> + Send + 'static,
{
    let mut tasks = tokio::task::JoinSet::new();
    let (began_cpu, began) = (gateway.cpu(), now());
    for (connection, brought) in brought.into_iter().enumerate() {
        let stream = TcpStream::connect(&gateway.address).await.expect("connected");
        let work = work(connection, brought, stream);
        tasks.spawn(async move { (connection, work.await) });
    }
    let mut all = tasks.join_all().await;
    all.sort_by_key(|(connection, _)| *connection);
    let (elapsed, spent) = (began.elapsed(), gateway.cpu() - began_cpu);
    let mut took = Vec::new();
    let mut made = Vec::new();
    for (_, (times, of_one)) in all {
        took.extend(times);
        made.push(of_one);
    }
    report(name, took, elapsed, Some(spent));
    made
}

async fn load_of(
    connections: usize,
    name: &str,
    address: &str,
    gateway: Option<&Gateway>,
    make: impl Fn(usize, u64) -> Vec<u8>,
) -> f64 {
    match gateway {
        Some(gateway) => load_with(connections, name, address, &|| gateway.cpu(), make).await,
        None => load_with(connections, name, address, &|| f64::NAN, make).await,
    }
}

async fn load_with(
    connections: usize,
    name: &str,
    address: &str,
    cpu: &dyn Fn() -> f64,
    make: impl Fn(usize, u64) -> Vec<u8>,
) -> f64 {
    let per_connection = (96_000 / connections as u64).min(6_000);
    let mut tasks = tokio::task::JoinSet::new();
    let mut prepared = Vec::new();
    for connection in 0..connections {
        prepared.push((0..per_connection).map(|round| make(connection, round)).collect::<Vec<_>>());
    }
    let began_cpu = cpu();
    let began = now();
    for requests in prepared {
        let address = address.to_owned();
        tasks.spawn(async move {
            let mut stream = TcpStream::connect(address).await.expect("connected");
            let mut took = Vec::new();
            for request in requests {
                if began.elapsed() > RUN {
                    break;
                }
                let asked = now();
                let answer = exchange(&mut stream, &request).await;
                took.push(asked.elapsed());
                assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
            }
            took
        });
    }
    let all: Vec<Duration> = tasks.join_all().await.into_iter().flatten().collect();
    let spent = cpu() - began_cpu;
    report(name, all, began.elapsed(), (!spent.is_nan()).then_some(spent))
}

fn report(name: &str, mut took: Vec<Duration>, elapsed: Duration, cpu: Option<f64>) -> f64 {
    took.sort_unstable();
    let at = |share: f64| took.get((took.len() as f64 * share) as usize).copied().unwrap_or_default().as_secs_f64() * 1e3;
    let rate = took.len() as f64 / elapsed.as_secs_f64();
    let cpu = cpu.map_or("-".to_owned(), |cpu| format!("{:.4}", cpu * 1000.0 / took.len() as f64));
    say(&format!("{name:<44} {rate:>13.0} {:>9.2} {:>9.2} {cpu:>17}", at(0.5), at(0.99)));
    rate
}

fn request(path: &str, body: &str) -> Vec<u8> {
    let signature = frontdesk_http::sign(&Secret::new(KEY), body.as_bytes(), Timestamp::now_ms());
    format!(
        "POST {path} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\nx-retell-signature: {signature}\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

/// One request, one answer with a content length.
async fn exchange(stream: &mut TcpStream, request: &[u8]) -> String {
    stream.write_all(request).await.expect("sent");
    let mut answer = Vec::with_capacity(2048);
    let mut buffer = [0_u8; 4096];
    loop {
        let read = stream.read(&mut buffer).await.expect("read");
        assert!(read > 0, "the connection ended");
        answer.extend_from_slice(&buffer[..read]);
        let text = String::from_utf8_lossy(&answer);
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| {
                line.to_ascii_lowercase().strip_prefix("content-length:").map(|it| it.trim().parse::<usize>().unwrap_or(0))
            });
            if length.is_none_or(|length| body.len() >= length) {
                return text.into_owned();
            }
        }
    }
}

/// The `index`-th weekday from `day` on that is no Sunday.
fn weekday_after(day: jiff::civil::Date, index: usize) -> jiff::civil::Date {
    let mut day = day;
    let mut left = index;
    loop {
        if day.weekday() != jiff::civil::Weekday::Sunday {
            if left == 0 {
                return day;
            }
            left -= 1;
        }
        day = day.tomorrow().expect("in range");
    }
}

/// The wall clock, for signatures that have to be fresh.
trait WallClock {
    fn now_ms() -> i64;
    fn now_in_berlin() -> jiff::civil::Date;
}

impl WallClock for Timestamp {
    #[expect(clippy::disallowed_methods, reason = "a benchmark signs with the wall clock")]
    fn now_ms() -> i64 {
        Timestamp::now().as_millisecond()
    }

    #[expect(clippy::disallowed_methods, reason = "a benchmark asks for real days")]
    fn now_in_berlin() -> jiff::civil::Date {
        Timestamp::now().to_zoned_datetime(TimeZone::get("Europe/Berlin").expect("bundled")).date()
    }
}
