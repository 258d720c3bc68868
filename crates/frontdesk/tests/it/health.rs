//! Health with faults that were planted: each is named, with what was seen and what to do.

use std::process::Output;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::{Request, StatusCode};
use frontdesk::config::secrets::SecretSource;
use frontdesk_core::clock::{Clock as _, ManualClock};
use frontdesk_core::sensitive::Secret;
use frontdesk_testkit::calcom::{Config, Fault, FaultKind, Quirks, RateLimit, Route, SimulatedCalCom};
use frontdesk_testkit::clock;
use jiff::SignedDuration;
use serde_json::Value;

use crate::binary::Folder;
use crate::house::{ANNA, House, NOW, SALON};

/// What depends on the machine that the tests run on.
const MACHINE: &str = "disk,memory,load";

fn calcom(slug: &str, calendar: &SimulatedCalCom, key: &str, extra: &str, services: &str) -> String {
    format!(
        "slug = \"{slug}\"\nname = \"Salon {slug}\"\ntime_zone = \"Europe/Berlin\"\nlanguage = \"de\"\n\
         [retell]\napi_key = \"key_{slug}\"\nagent_ids = [\"agent_{slug}\"]\n\
         [calendar]\nkind = \"calcom\"\nbase_url = \"{}\"\napi_key = \"{key}\"\n{extra}\n{services}",
        calendar.base_url()
    )
}

fn service(name: &str, minutes: u32, event_type: u32) -> String {
    format!("[[services]]\nname = \"{name}\"\nminutes = {minutes}\ncalcom_event_type_id = {event_type}\n")
}

const SECRET: &str = "webhook_secret = \"geheim\"";
const KEY: &str = "cal_test_salon";

fn printed(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// The finding of that check, for that tenant, and of that severity.
fn finding<'f>(report: &'f Value, check: &str, tenant: Option<&str>, severity: &str) -> &'f Value {
    let all = report["findings"].as_array().expect("findings");
    let fits = |it: &&Value| it["check"] == check && it["severity"] == severity && tenant.is_none_or(|slug| it["tenant"] == slug);
    all.iter().find(fits).unwrap_or_else(|| panic!("no {severity} of {check} for {tenant:?} in {report:#}"))
}

fn assert_names(report: &Value, check: &str, tenant: Option<&str>, severity: &str, says: &str, seen: &str, advice: &str) {
    let found = finding(report, check, tenant, severity);
    for (part, wanted) in [("says", says), ("evidence", seen), ("advice", advice)] {
        let text = found[part].as_str().unwrap_or("");
        assert!(text.contains(wanted), "{part} of {check} names {wanted:?}: {text}");
    }
}

/// Dozens of things can be wrong at once, and each is said as if it were the only one.
#[tokio::test(flavor = "multi_thread")]
async fn eleven_planted_faults_are_all_named_with_what_to_do() {
    let good = SimulatedCalCom::start(Config::salon()).await;
    let old_zones = Quirks { zones_behind: 60, ..Quirks::default() };
    let old = SimulatedCalCom::start(Config::salon().quirks(old_zones)).await;
    let fast: clock::Clock = Arc::new(|| clock::system()() + SignedDuration::from_secs(270));
    let fast = SimulatedCalCom::start(Config::salon().clock(fast)).await;
    let haircut = service("Haarschnitt", 55, 101);

    let folder = Folder::new();
    // Faults of the machine: a threshold that any disk is over, a Redis that is not there.
    let config = "[state]\nurl = \"redis://127.0.0.1:1\"\n[health]\ndisk_percent = 1\n";
    folder.write("frontdesk.toml", config);
    let tenants = [
        // Its key was taken back.
        calcom("locked", &good, "cal_test_revoked", SECRET, &haircut),
        // One event type was deleted, another has another length.
        calcom("changed", &good, KEY, SECRET, &(service("Bart", 30, 103) + &service("Färben", 90, 999))),
        // Nobody gave it the webhook's secret.
        calcom("deaf", &good, KEY, "", &haircut),
        // Its calendar has an old database of time zones.
        calcom("shifted", &old, KEY, SECRET, &haircut),
        // The clock of its calendar is wrong, or ours.
        calcom("early", &fast, KEY, SECRET, &haircut),
    ];
    for (number, text) in tenants.iter().enumerate() {
        let file = folder.write(&format!("{number}.toml"), text);
        let applied = folder.run(&["tenant", "apply", file.to_str().expect("a path")]);
        assert!(applied.status.success(), "{}", String::from_utf8_lossy(&applied.stderr));
    }
    let now = clock::system()().as_millisecond();
    let database = rusqlite::Connection::open(folder.path().join("data/frontdesk.db")).expect("the store");
    // A call an hour ago, and no event of it; a delivery that was given up; a promise that was taken away.
    let planted = format!(
        "INSERT INTO calls (tenant, call_id, state, agent_id, started_at, memory)
         VALUES ('deaf', 'c1', 'ongoing', 'agent_deaf', {}, '{{}}');
         INSERT INTO outbox (tenant, kind, subject, body, state, not_before, created_at, channel, ordering, target)
         VALUES ('deaf', 'appointment.booked', 'b1', '{{}}', 'dead', {now}, {now}, 'webhook', 'b1', 'business');
         DROP TRIGGER occupancy_excludes_overlap;",
        now - 3_600_000
    );
    database.execute_batch(&planted).expect("planted");
    drop(database);

    let began = clock::system()();
    let detailed = folder.run(&["health", "--detailed", "--skip", "load,memory"]);
    let took = clock::system()().duration_since(began);
    let report = folder.run(&["health", "--json", "--skip", "load,memory"]);
    std::io::Write::write_all(&mut std::io::stdout(), &detailed.stdout).expect("written");
    assert!(took < SignedDuration::from_secs(10), "{took}");
    assert_eq!((detailed.status.code(), report.status.code()), (Some(1), Some(1)), "a schema that was changed cannot serve");
    assert!(printed(&detailed).starts_with("unhealthy"), "{}", printed(&detailed));
    let report: Value = serde_json::from_slice(&report.stdout).expect("JSON");
    assert_eq!(report["status"], "unhealthy");

    let locked = Some("locked");
    assert_names(&report, "calendars", locked, "warn", "refuses the key of locked", "Invalid API Key", "frontdesk tenant apply");
    let changed = report["findings"].as_array().expect("findings").iter().filter(|it| it["tenant"] == "changed");
    let changed: String = changed.map(ToString::to_string).collect();
    assert!(changed.contains("Event type 999 of changed, for Färben, is not in the account."), "{changed}");
    assert!(changed.contains("Event type 103 of changed takes 45 min, its service Bart 30 min."), "{changed}");
    assert!(changed.contains("put the id of the right one into the tenant's file"), "{changed}");
    assert!(changed.contains("make both the same"), "{changed}");
    assert_names(&report, "secrets", Some("deaf"), "warn", "webhook secret of the calendar", "none", "[calendar] webhook_secret");
    let events = "http://127.0.0.1:8080/api/t/deaf/retell/events";
    assert_names(&report, "agents", Some("deaf"), "warn", "agent_deaf has calls, but its events", "last event: none", events);
    assert_names(
        &report,
        "time_zones",
        Some("shifted"),
        "warn",
        "60 min off in Europe/Berlin",
        "our database is 2",
        "bring the older",
    );
    assert_names(&report, "clock", None, "warn", "calendar of early is 4 min ahead of ours", "warned of from 5 s", "time server");
    assert_names(&report, "shared_state", None, "warn", "shared state is away", "Redis", "[state] url");
    assert_names(&report, "schema", None, "fail", "not the one", "missing trigger occupancy", "undo what was changed by hand");
    assert_names(&report, "outbox", None, "warn", "given up: 1", "dead letters: 1", "frontdesk outbox retry");
    assert_names(&report, "disk", None, "warn", "% full", "warned of from 1 % on", "make room");
    // Nobody else is blamed.
    let blamed = report["findings"].as_array().expect("findings").iter().filter(|it| it["severity"] != "ok").count();
    assert_eq!(blamed, 11, "{report:#}");
    assert_eq!(good.violations(), Vec::<String>::new());
    assert!(good.requests().iter().all(|it| it.method == "GET"), "it only looks");
    let told = printed(&detailed) + &report.to_string();
    for secret in [KEY, "cal_test_revoked", "geheim", "key_deaf"] {
        assert!(!told.contains(secret), "{told}");
    }

    // Chosen checks only, and the exit code is theirs.
    let one = |arguments: &[&str]| folder.run(&[&["health"], arguments].concat());
    assert_eq!(one(&["--only", "outbox"]).status.code(), Some(2));
    assert_eq!(one(&["--only", "config,secrets", "--skip", "secrets"]).status.code(), Some(0));
    let unknown = one(&["--only", "everything"]);
    assert_eq!(unknown.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&unknown.stderr).contains("there are config, store"), "it says which there are");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_in_order_is_healthy_and_nothing_is_written_by_looking() {
    let calendar = SimulatedCalCom::start(Config::salon()).await;
    let folder = Folder::new();
    folder.write("frontdesk.toml", "");
    let file = folder.write("salon.toml", &calcom("salon", &calendar, KEY, SECRET, &service("Haarschnitt", 55, 101)));
    assert!(folder.run(&["tenant", "apply", file.to_str().expect("a path")]).status.success());
    let database = folder.path().join("data/frontdesk.db");
    let look = || {
        let healthy = folder.run(&["health", "--detailed", "--skip", MACHINE]);
        assert_eq!(healthy.status.code(), Some(0), "{}", printed(&healthy));
        (printed(&healthy), std::fs::read(&database).expect("the store"))
    };
    // The first one also brings over what was still in the log of the database.
    let (said, before) = look();
    assert!(said.contains("requests left in this minute") && said.contains("and is sound"), "{said}");
    let (_, after) = look();
    assert!(before == after, "not a byte changes");

    // Without its key it cannot serve; a wrong one is told apart from none.
    let key = folder.path().join("data/master.key");
    let right = std::fs::read(&key).expect("the key");
    std::fs::write(&key, "ab".repeat(32)).expect("another");
    let wrong = folder.run(&["health", "--only", "master_key"]);
    assert_eq!(wrong.status.code(), Some(1), "{}", printed(&wrong));
    assert!(printed(&wrong).contains("not the one that this store was sealed with"), "{}", printed(&wrong));
    std::fs::remove_file(&key).expect("lost");
    let lost = folder.run(&["health", "--only", "master_key"]);
    assert_eq!(lost.status.code(), Some(1), "{}", printed(&lost));
    assert!(!key.exists(), "it makes none");
    std::fs::write(&key, right).expect("back");

    // A page that holds nonsense, a file that is no database, and a configuration that is none.
    let mut torn = before.clone();
    let page = torn.len() - 4096;
    torn[page..].fill(0xff);
    std::fs::write(&database, torn).expect("torn");
    let damaged = folder.run(&["health", "--only", "store"]);
    assert_eq!(damaged.status.code(), Some(1), "{}", printed(&damaged));
    assert!(printed(&damaged).contains("The store is damaged."), "{}", printed(&damaged));
    std::fs::write(&database, "this is a letter").expect("overwritten");
    let broken = folder.run(&["health", "--skip", MACHINE]);
    assert_eq!(broken.status.code(), Some(1), "{}", printed(&broken));
    folder.write("frontdesk.toml", "[store]\nurl = \"nowhere\"\n");
    let invalid = folder.run(&["health"]);
    assert_eq!(invalid.status.code(), Some(1), "{}", printed(&invalid));
    assert!(printed(&invalid).contains("store.url"), "{}", printed(&invalid));
}

// --- a running gateway ----------------------------------------------------------------------------

async fn get(house: &House, path: &str, key: Option<&str>) -> (StatusCode, Value) {
    let mut request = Request::get(path);
    if let Some(key) = key {
        request = request.header("authorization", format!("Bearer {key}"));
    }
    let (status, answer, _) = house.send(request.body(Body::empty()).expect("a request")).await;
    (status, answer)
}

#[tokio::test]
async fn one_tenant_whose_calendar_is_away_makes_nobody_unready_and_strangers_learn_nothing_of_it() {
    let clock = Arc::new(ManualClock::new(NOW.parse().expect("a timestamp")));
    let for_calendar = Arc::clone(&clock);
    let config = Config::salon().clock(Arc::new(move || for_calendar.now())).rate_limit(Some(RateLimit::of(10_000)));
    let calendar = SimulatedCalCom::start(config).await;
    let away = calcom("away", &calendar, KEY, SECRET, &service("Haarschnitt", 55, 101));
    let house = House::at(clock, &[SALON, &away], |config| {
        config.server.admin_key = Some(SecretSource::Literal(Secret::new("operator")));
    })
    .await;
    let skip = format!("/api/health/detailed?skip={MACHINE}");
    let (status, report) = get(&house, &skip, Some("operator")).await;
    assert_eq!((status, &report["status"]), (StatusCode::OK, &Value::from("healthy")), "{report:#}");
    assert_eq!(report["checks"]["calendars"]["status"], "healthy", "{report:#}");
    let asked = calendar.requests().len();
    let (_, again) = get(&house, "/api/health/calcom", Some("operator")).await;
    assert_eq!(again["checks"]["calendars"]["status"], "healthy", "{again:#}");
    assert_eq!(calendar.requests().len(), asked, "what was seen a moment ago is believed");

    calendar.down().await;
    house.wait(SignedDuration::from_secs(31));
    let (status, report) = get(&house, &skip, Some("operator")).await;
    assert_eq!((status, &report["status"]), (StatusCode::OK, &Value::from("degraded")), "{report:#}");
    assert_names(&report, "calendars", Some("away"), "warn", "of away does not answer", "no connection", "base_url");
    assert_eq!(get(&house, "/readyz", None).await, (StatusCode::OK, Value::from("ready")));
    for path in ["/api/health", "/api/health/detailed", "/api/health/calcom"] {
        for key in [None, Some("wrong")] {
            let (status, answer) = get(&house, path, key).await;
            let mut names: Vec<&str> = answer.as_object().expect("an object").keys().map(String::as_str).collect();
            names.sort();
            assert_eq!((status, names), (StatusCode::OK, vec!["build", "status", "timestamp", "version"]), "{path}: {answer}");
        }
    }
    // The other tenant is served.
    assert_eq!(house.call("salon", "c1", ANNA).say("list_services", Value::Null).await["success"], true);
    let (status, problem) = get(&house, "/api/health/detailed?only=everything", Some("operator")).await;
    assert_eq!((status.as_u16(), &problem["code"]), (422, &Value::from("validation_failed")), "{problem}");
}

#[tokio::test]
async fn a_calendar_that_says_nothing_does_not_hold_the_others_up() {
    let clock = Arc::new(ManualClock::new(NOW.parse().expect("a timestamp")));
    let calendar = SimulatedCalCom::start(Config::salon()).await;
    calendar.fault(Fault::on(Route::Me, FaultKind::Hang).standing());
    let silent = calcom("silent", &calendar, KEY, SECRET, &service("Haarschnitt", 55, 101));
    let house = House::at(clock, &[SALON, &silent], |config| {
        config.server.admin_key = Some(SecretSource::Literal(Secret::new("operator")));
    })
    .await;
    let look = get(&house, "/api/health/detailed", Some("operator"));
    let (_, report) = tokio::time::timeout(Duration::from_secs(10), look).await.expect("in time");
    assert_names(&report, "calendars", Some("silent"), "warn", "does not answer", "no answer in time", "base_url");
    assert_eq!(report["checks"]["schema"]["status"], "healthy", "{report:#}");
}
