//! The figures of ARCHITECTURE.md: parts in microseconds, and the real binary with all protections on, Redis
//! for its state and its log in a file, under load beside a bare axum route and, where installed, nginx that
//! proxies to the same simulated calendar. `cargo bench -p frontdesk`; with `-- bookings`, `-- warm`, `-- another`, `-- cold`, `-- slow`,
//! `-- health`, `-- events` or `-- crowd` only that load, for as long as a profiler needs; with `-- ratios` short rounds of all in turn and
//! the medians of their ratios, which travel best. Quote ratios: machines are noisy.

mod floors;
mod gateway;
mod load;
mod paired;
mod parts;

use std::sync::Arc;
use std::time::Duration;

use frontdesk_testkit::calcom::{Config, Fault, FaultKind, RateLimit, Route, SimulatedCalCom};
use frontdesk_testkit::redis::RedisServer;
use jiff::{Timestamp, ToSpan as _};
use serde_json::json;
use tokio::net::{TcpListener, TcpStream};

use floors::{Nginx, OneRow};
use gateway::{Gateway, builtin};
use load::{KEY, RUN, WallClock as _, envelope, exchange, load_for, load_of, now, phase, report, request, say, storm};
use paired::{Around, another, ratios};
use parts::{parts, protections};

const CONNECTIONS: [usize; 2] = [16, 64];

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
    Slow,
    Health,
    Events,
    Crowd,
    Ratios,
    Another,
}

impl Only {
    fn named(word: &str) -> Option<Self> {
        match word {
            "bookings" => Some(Self::Bookings),
            "warm" => Some(Self::Warm),
            "cold" => Some(Self::Cold),
            "slow" => Some(Self::Slow),
            "health" => Some(Self::Health),
            "events" => Some(Self::Events),
            "crowd" => Some(Self::Crowd),
            "ratios" => Some(Self::Ratios),
            "another" => Some(Self::Another),
            _ => None,
        }
    }
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
            check(tenant, connection, round, weekday_after(tomorrow, connection / 8), 9 + connection % 8)
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
            Some(Only::Another) => {
                let make = |connection: usize, round: u64| another(tomorrow, connection, round);
                load_of(connections, "availability, another wish each time", &gateway.address, Some(&gateway), make).await;
                continue;
            }
            Some(Only::Cold | Only::Slow) => {
                if only == Some(Only::Slow) {
                    calendar.fault(Fault::on(Route::Slots, FaultKind::DelayBefore(Duration::from_millis(20))).standing());
                }
                load_of(connections, "availability, cold", &gateway.address, Some(&gateway), availability("cold")).await;
                continue;
            }
            Some(Only::Crowd | Only::Ratios) => continue,
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
            let ask = slots_of(tomorrow);
            load_for(RUN, connections, "nginx proxying to the same calendar", &nginx.address, &|| nginx.cpu(), |_, _| {
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
    if only == Some(Only::Ratios) {
        let nginx = nginx.as_ref().expect("nginx is what it is compared to");
        ratios(&Around { calendar: &calendar, gateway: &gateway, nginx, first: tomorrow }).await;
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

/// Asks for an hour of a day.
fn check(tenant: &str, connection: usize, round: u64, day: jiff::civil::Date, hour: usize) -> Vec<u8> {
    let args = json!({"service": "Herrenhaarschnitt", "date": day.to_string(), "time": format!("{hour:02}:00")});
    request(
        &format!("/api/t/{tenant}/retell/functions"),
        &envelope(&format!("call{connection}"), &format!("{tenant}{connection}-{round}"), "check_availability", &args),
    )
}

/// What nginx passes on.
fn slots_of(day: jiff::civil::Date) -> String {
    let next = day.tomorrow().expect("in range");
    format!(
        "GET /v2/slots?eventTypeId=102&start={day}T00:00:00Z&end={next}T00:00:00Z&timeZone=Europe%2FBerlin HTTP/1.1\r\nhost: x\r\ncal-api-version: 2024-09-04\r\nauthorization: Bearer cal_test_salon\r\n\r\n"
    )
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

/// Every connection is one caller after another: first all check and have a slot held, then all book.
async fn bookings(gateway: &Gateway, first: jiff::civil::Date, connections: usize) -> f64 {
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
    let booked: usize = held.iter().map(Vec::len).sum();
    let before = gateway.cpu();
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
    (gateway.cpu() - before) * 1000.0 / booked as f64
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
