//! Another configuration for real gateways: activated, watched, and where it does harm rolled back by itself, also
//! when whoever activated it is gone.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use frontdesk_testkit::calcom::{Config, ErrorShape, EventType, Fault, Host, Key, RateLimit, Route, Schedule, SimulatedCalCom};
use frontdesk_testkit::http_client::{Request, Response};
use frontdesk_testkit::postgres::PostgresServer;
use frontdesk_testkit::retell::sign;
use jiff::civil::{Weekday, time};
use serde_json::{Value, json};
use tokio::time::{Instant, interval};

use crate::binary::{BINARY, Folder};
use crate::house::is_on_postgres;
use crate::kill::configuration;
use crate::patience::{PATIENCE, now_ms, this_moment, until, until_so};

const ADMIN: &str = "operator";
const KEY: &str = "key_practice";

/// A figure for whoever runs these tests to see it.
fn tell(figure: &str) {
    std::io::Write::write_all(&mut std::io::stdout(), format!("{figure}\n").as_bytes()).expect("written");
}

/// A store with one tenant, and the operator's desk.
struct Ground {
    folder: Folder,
    store: String,
    _server: Option<Arc<PostgresServer>>,
}

impl Ground {
    fn new() -> Self {
        Self::on(is_on_postgres())
    }

    fn on(postgres: bool) -> Self {
        let server = postgres.then(PostgresServer::shared);
        let store = server.as_ref().map_or("sqlite:data/frontdesk.db".to_owned(), |server| server.database());
        let ground = Self { folder: Folder::new(), store, _server: server };
        ground.write("frontdesk.toml", &[]);
        let tenant = "slug = \"practice\"\nname = \"Practice\"\ntime_zone = \"Europe/Berlin\"\nlanguage = \"en\"\n[retell]\n\
             api_key = \"key_practice\"\n[calendar]\nkind = \"builtin\"\n[hours]\nmon = [\"09:00-18:00\"]\n[[services]]\n\
             name = \"Checkup\"\nminutes = 15\n";
        let file = ground.folder.write("practice.toml", tenant);
        let applied = ground.run(&["tenant", "apply", file.to_str().expect("a path")]);
        assert!(applied.status.success(), "{}", String::from_utf8_lossy(&applied.stderr));
        ground
    }

    /// The configuration with other values for some keys.
    fn text(&self, changes: &[(&str, &str)]) -> String {
        let mut text = format!("# ours\n{}", configuration(&self.store));
        for (key, value) in changes {
            let line = text.lines().find(|line| line.starts_with(&format!("{key} = "))).expect("a key").to_owned();
            text = text.replace(&line, &format!("{key} = \"{value}\""));
        }
        text
    }

    fn write(&self, name: &str, changes: &[(&str, &str)]) {
        let next = self.folder.write("next.tmp", &self.text(changes));
        std::fs::rename(next, self.folder.path().join(name)).expect("in its place");
    }

    fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.folder.path().join(name)).expect("a text")
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.folder.run(arguments)
    }

    /// Runs a command that answers in JSON, without holding up what else this test does.
    async fn json(&self, arguments: &[&str]) -> (i32, Value) {
        let mut command = Command::new(BINARY);
        command.args(arguments).arg("--json").current_dir(self.folder.path()).stdin(Stdio::null());
        let output = tokio::task::spawn_blocking(move || command.output().expect("it runs")).await.expect("it ends");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        (output.status.code().expect("a code"), serde_json::from_str(&text).unwrap_or_else(|_| panic!("{text}{said}")))
    }

    async fn activate(&self, file: &str, watch: &str) -> (i32, Value) {
        self.json(&["activate", file, "--watch", watch, "--why", "a test"]).await
    }

    async fn revisions(&self) -> Vec<Value> {
        let (code, list) = self.json(&["rollback", "--list"]).await;
        assert_eq!(code, 0);
        list["items"].as_array().expect("rows").clone()
    }

    async fn gateway(&self, file: &str) -> Gateway {
        self.gateway_of(BINARY.as_ref(), file).await
    }

    async fn gateway_of(&self, binary: &std::path::Path, file: &str) -> Gateway {
        let mut child = Command::new(binary)
            .args(["serve", "--config", file])
            .current_dir(self.folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("it starts");
        let log = BufReader::new(child.stderr.take().expect("a pipe"));
        let said: Arc<Mutex<Vec<String>>> = Arc::default();
        let heard = Arc::clone(&said);
        std::thread::spawn(move || {
            for line in log.lines().map_while(Result::ok) {
                heard.lock().unwrap_or_else(PoisonError::into_inner).push(line);
            }
        });
        let mut gateway = Gateway { child, said, authority: String::new() };
        let line = gateway.hears(0, &["\"listening\""]).await;
        gateway.authority = line["address"].as_str().expect("an address").to_owned();
        gateway
    }
}

struct Gateway {
    child: Child,
    said: Arc<Mutex<Vec<String>>>,
    authority: String,
}

impl Drop for Gateway {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Gateway {
    fn lines(&self) -> Vec<String> {
        self.said.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    async fn hears(&self, mark: usize, words: &[&str]) -> Value {
        let began = this_moment();
        let mut looks = interval(Duration::from_millis(10));
        loop {
            looks.tick().await;
            let lines = self.lines();
            if let Some(found) = lines[mark..].iter().find(|line| words.iter().all(|word| line.contains(word))) {
                return serde_json::from_str(found).expect("JSON");
            }
            assert!(began.elapsed() < PATIENCE, "{words:?} was never said: {lines:#?}");
        }
    }

    fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([&format!("-{name}"), &self.child.id().to_string()]).status();
        assert!(sent.expect("kill is there").success());
    }

    async fn stop(mut self) {
        self.signal("TERM");
        let child = &mut self.child;
        until("it ends", async || child.try_wait().expect("a child")).await;
    }

    async fn get(&self, path: &str) -> Response {
        let request = Request::get(&format!("http://{}{path}", self.authority)).bearer(ADMIN);
        request.timeout(Duration::from_secs(30)).send().await.expect("an answer")
    }

    async fn booking_limit(&self) -> i64 {
        self.get("/api/admin/limits").await.json()["per_minute"]["booking"].as_i64().expect("a number")
    }

    /// One question of a caller; its status.
    async fn ask(&self, call: &str) -> String {
        self.ask_of("practice", call).await
    }

    async fn ask_of(&self, tenant: &str, call: &str) -> String {
        let args = json!({"service": "Checkup", "date": "next monday", "time": "10:00"});
        let body =
            json!({"name": "check_availability", "args": args, "call": {"call_id": call, "from_number": "+4915112345678"}});
        let body = body.to_string();
        let request = Request::post(&format!("http://{}/api/t/{tenant}/retell/functions", self.authority))
            .header("content-type", "application/json")
            .header("x-retell-signature", &sign(KEY, body.as_bytes(), now_ms()))
            .body(body)
            .timeout(Duration::from_secs(30));
        request.send().await.expect("an answer").json()["status"].as_str().expect("a status").to_owned()
    }
}

#[tokio::test]
async fn a_good_configuration_holds_everywhere_and_its_synthetic_calls_leave_nothing() {
    let ground = Ground::new();
    let gateway = ground.gateway("frontdesk.toml").await;
    assert_eq!(gateway.booking_limit().await, 100_000);
    ground.write("new.toml", &[("booking", "77/min")]);
    let (code, told) = ground.activate("new.toml", "1s").await;
    assert_eq!((code, &told["outcome"], &told["revision"]), (0, &json!("active"), &json!(2)), "{told:#}");
    let stages: Vec<&str> = told["stages"].as_array().expect("stages").iter().filter_map(|it| it["stage"].as_str()).collect();
    assert_eq!(stages, ["validate", "preflight", "apply", "verify", "watch", "file"]);
    let ms = |stage: usize| told["stages"][stage]["ms"].as_i64().expect("milliseconds");
    tell(&format!("taken up {} ms after it was made, tried out in {} ms, {}", ms(2), ms(3), told["stages"][3]["says"]));
    assert_eq!(gateway.booking_limit().await, 77);
    assert_eq!(ground.read("frontdesk.toml"), ground.read("new.toml"));
    assert_eq!(gateway.get("/api/health").await.json()["configuration"]["stored_revision"], 2);

    let revisions = ground.revisions().await;
    let newest = &revisions[0];
    assert_eq!((&newest["outcome"], &newest["origin"], &newest["why"]), (&json!("active"), &json!("activate"), &json!("a test")));
    assert_eq!(newest["changes"], json!([{"key": "rate_limit.booking", "was": "100000/min", "now": "77/min"}]));
    assert_eq!(newest["gateways"].as_array().map(Vec::len), Some(1));
    let audit = gateway.get("/api/admin/audit").await.json();
    let what: Vec<&str> = audit["items"].as_array().expect("rows").iter().filter_map(|row| row["what"].as_str()).collect();
    assert_eq!(what, ["activated", "activate"]);

    assert_eq!(gateway.get("/api/admin/revisions").await.json()["items"][0]["changes"], newest["changes"]);

    // Nobody sees who was called.
    for (path, seen) in
        [("/api/admin/tenants", 1), ("/api/admin/calls", 0), ("/api/admin/intents", 0), ("/api/admin/callbacks", 0)]
    {
        assert_eq!(gateway.get(path).await.json()["items"].as_array().map(Vec::len), Some(seen), "{path}");
    }
    assert_eq!(gateway.get("/api/admin/calls?tenant=_canary").await.status, 404);
    assert!(!gateway.get("/metrics").await.text().contains("_canary"));
    assert_eq!(String::from_utf8_lossy(&ground.run(&["tenant", "list"]).stdout).lines().count(), 1);
    let stranger = Request::post(&format!("http://{}/api/t/_canary/retell/functions", gateway.authority)).body("{}");
    assert_eq!(stranger.send().await.expect("an answer").status, 401);
    if !is_on_postgres() {
        let store = rusqlite::Connection::open(ground.folder.path().join("data/frontdesk.db")).expect("opens");
        for table in
            ["calls", "call_steps", "holds", "occupancy", "appointments", "appointment_history", "intents", "outbox", "claims"]
        {
            let count = format!("SELECT COUNT(*) FROM {table} WHERE tenant = '_canary'");
            // The gateway lets go of them when it sees that the revision is not watched any more.
            let nothing = async || store.query_row(&count, [], |row| row.get::<_, i64>(0)).expect("a number") == 0;
            until_so(&format!("nothing is left in {table}"), nothing).await;
        }
    }
}

#[tokio::test]
async fn what_is_not_right_is_refused_before_anything_changes() {
    let ground = Ground::new();
    ground.write("new.toml", &[("booking", "77/min")]);
    let (code, told) = ground.activate("new.toml", "1s").await;
    assert_eq!((code, &told["outcome"]), (1, &json!("refused")), "no gateway runs: {told:#}");
    let gateway = ground.gateway("frontdesk.toml").await;
    let before = ground.read("frontdesk.toml");
    let wrong = [
        (ground.text(&[("write", "soon")]), "deadlines.write"),
        (ground.text(&[("booking", "77/min")]).replace("127.0.0.1:0", "127.0.0.1:1"), "restart or upgrade"),
        (ground.text(&[("booking", "77/min")]) + "[state]\nurl = \"redis://127.0.0.1:1\"\n", "state.url"),
        ("nonsense".to_owned(), "new.toml"),
        (ground.text(&[("booking", "77/min")]) + "[health]\ndisk_percent = 1\nmemory_percent = 1\n", "preflight"),
    ];
    for (text, words) in wrong {
        ground.folder.write("new.toml", &text);
        let (code, told) = ground.activate("new.toml", "1s").await;
        assert_eq!((code, &told["outcome"]), (1, &json!("refused")), "{told:#}");
        assert!(told.to_string().contains(words), "{words}: {told:#}");
    }
    assert_eq!((gateway.booking_limit().await, ground.read("frontdesk.toml")), (100_000, before));
    assert_eq!(ground.revisions().await.len(), 1);
}

#[tokio::test]
async fn a_limit_that_no_caller_could_live_with_is_met_without_a_caller() {
    let ground = Ground::new();
    let gateway = ground.gateway("frontdesk.toml").await;
    ground.write("new.toml", &[("availability", "1/min")]);
    let began = this_moment();
    let (code, told) = ground.activate("new.toml", "60s").await;
    assert_eq!((code, &told["outcome"], &told["rolled_back_to"]), (1, &json!("rolled_back"), &json!(3)), "{told:#}");
    assert!(told["reason"].as_str().expect("a reason").contains("rate_limited"), "{told:#}");
    tell(&format!("a limit of one a minute: activated and rolled back in {} ms", began.elapsed().as_millis()));
    let revisions = ground.revisions().await;
    assert_eq!((&revisions[1]["outcome"], &revisions[0]["restores"]), (&json!("rolled_back"), &json!(1)));
    assert_eq!(ground.read("frontdesk.toml"), ground.text(&[]), "the file stays good");
    for call in 0..5 {
        assert_ne!(gateway.ask(&format!("call-{call}")).await, "rate_limited");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_limit_that_refuses_real_callers_is_rolled_back_while_they_call() {
    let ground = Ground::new();
    let gateway = Arc::new(ground.gateway("frontdesk.toml").await);
    let over = Arc::new(AtomicBool::new(false));
    let met: Arc<Mutex<Vec<(Instant, bool)>>> = Arc::default();
    let callers = {
        let (gateway, over, met) = (Arc::clone(&gateway), Arc::clone(&over), Arc::clone(&met));
        async move {
            let mut pace = interval(Duration::from_millis(20));
            pace.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
            for turn in 0.. {
                pace.tick().await;
                if over.load(Ordering::Relaxed) {
                    return;
                }
                let is_served = gateway.ask(&format!("call-{turn}")).await != "rate_limited";
                met.lock().expect("whole").push((this_moment(), is_served));
            }
        }
    };
    let activated = async {
        until("callers call", async || (met.lock().expect("whole").len() > 30).then_some(())).await;
        // Enough for one call, and so for a synthetic one; not for all of them.
        ground.write("new.toml", &[("availability", "5/min")]);
        let answer = ground.activate("new.toml", "60s").await;
        let served = met.lock().expect("whole").len();
        until("callers go on", async || (met.lock().expect("whole").len() > served + 20).then_some(())).await;
        over.store(true, Ordering::Relaxed);
        answer
    };
    let ((code, told), ()) = tokio::join!(activated, callers);
    assert_eq!((code, &told["outcome"]), (1, &json!("rolled_back")), "{told:#}");
    assert!(told["reason"].as_str().expect("a reason").contains("callers refused by limits"), "{told:#}");
    let met = met.lock().expect("whole");
    let first = met.iter().position(|(_, is_served)| !is_served).expect("somebody was refused");
    let last = met.iter().rposition(|(_, is_served)| !is_served).expect("somebody was refused");
    assert!(met.len() - last > 20, "everybody is served again");
    tell(&format!(
        "a limit that refuses callers: {} refused, from harm to healthy {} ms",
        met[first..=last].iter().filter(|(_, is_served)| !is_served).count(),
        (met[last + 1].0 - met[first].0).as_millis()
    ));
}

#[tokio::test]
async fn a_breaker_that_opens_too_soon_is_rolled_back_and_closed_again() {
    let ground = Ground::new();
    let weekdays = [Weekday::Monday, Weekday::Tuesday, Weekday::Wednesday, Weekday::Thursday, Weekday::Friday];
    let open = Schedule::new(1, "Europe/Berlin").open(&weekdays, time(9, 0, 0, 0), time(18, 0, 0, 0));
    let checkup = EventType::new(301, "checkup", 15, &[1], open).by_phone().every(15);
    let config = Config::empty().rate_limit(Some(RateLimit::of(1_000_000))).key(Key::new("cal_test_clinic", 1));
    let calendar = SimulatedCalCom::start(config.host(Host::new(1, "Anna")).event_type(checkup)).await;
    let tenant = format!(
        "slug = \"clinic\"\nname = \"Clinic\"\ntime_zone = \"Europe/Berlin\"\nlanguage = \"en\"\n[retell]\napi_key = \"{KEY}\"\n\
         [calendar]\nkind = \"calcom\"\nbase_url = \"{}\"\napi_key = \"cal_test_clinic\"\n[hours]\nmon = [\"09:00-18:00\"]\n\
         [[services]]\nname = \"Checkup\"\nminutes = 15\ncalcom_event_type_id = 301\n",
        calendar.base_url()
    );
    let file = ground.folder.write("clinic.toml", &tenant);
    let applied = ground.run(&["tenant", "apply", file.to_str().expect("a path")]);
    assert!(applied.status.success(), "{}", String::from_utf8_lossy(&applied.stderr));
    let gateway = ground.gateway("frontdesk.toml").await;
    assert_eq!(gateway.ask_of("clinic", "call-1").await, "available");
    ground.folder.write("new.toml", &(ground.text(&[]) + "[circuit_breaker]\nfailure_threshold = 1\n"));
    // One bad answer, which is nothing by the rules of before.
    let harmed = async {
        gateway.hears(0, &["a revision of the configuration is taken up"]).await;
        calendar.fault(Fault::status(Route::Slots, 500, ErrorShape::A).standing());
        until("it opens", async || {
            gateway.ask_of("clinic", "call-2").await;
            gateway.lines().iter().any(|line| line.contains("Circuit breaker OPEN")).then_some(())
        })
        .await;
        calendar.clear_faults();
    };
    let ((code, told), ()) = tokio::join!(ground.activate("new.toml", "60s"), harmed);
    assert_eq!((code, &told["outcome"]), (1, &json!("rolled_back")), "{told:#}");
    assert!(told["reason"].as_str().expect("a reason").contains("breakers"), "{told:#}");
    // The time itself is held for the first call.
    let began = this_moment();
    until("callers are served again", async || (gateway.ask_of("clinic", "call-3").await == "offered").then_some(())).await;
    assert!(began.elapsed() < Duration::from_secs(50), "without the minute that it would have stayed open");
}

#[tokio::test]
async fn whoever_activates_may_die_and_the_gateways_take_it_back() {
    let ground = Ground::new();
    let gateway = ground.gateway("frontdesk.toml").await;
    ground.write("new.toml", &[("booking", "77/min")]);
    let mut activator = Command::new(BINARY)
        .args(["activate", "new.toml", "--watch", "10min"])
        .current_dir(ground.folder.path())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("it starts");
    gateway.hears(0, &["a revision of the configuration is taken up"]).await;
    assert_eq!(gateway.booking_limit().await, 77);
    // Nobody changes anything beside what is being watched.
    let (code, other) = ground.activate("frontdesk.toml", "1s").await;
    assert_eq!((code, &other["outcome"]), (1, &json!("refused")), "{other:#}");
    activator.kill().expect("killed");
    activator.wait().expect("it ends");
    let began = this_moment();
    until("it is taken back", async || (gateway.booking_limit().await == 100_000).then_some(())).await;
    tell(&format!("whoever watched was killed: taken back after {} ms", began.elapsed().as_millis()));
    let revisions = ground.revisions().await;
    assert_eq!(revisions[1]["outcome"], "rolled_back");
    assert!(revisions[1]["reason"].as_str().expect("a reason").contains("does not watch it any more"), "{}", revisions[1]);
    assert!(revisions[0]["author"].as_str().expect("an author").starts_with("gateway "));
    assert_eq!(ground.read("frontdesk.toml"), ground.text(&[]));
    // And whoever stops by hand does so at once.
    let mut activator = Command::new(BINARY)
        .args(["activate", "new.toml", "--watch", "10min"])
        .current_dir(ground.folder.path())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .expect("it starts");
    until("it holds", async || (gateway.booking_limit().await == 77).then_some(())).await;
    let sent = Command::new("kill").args(["-INT", &activator.id().to_string()]).status();
    assert!(sent.expect("kill is there").success());
    let ended = until("it ends", async || activator.try_wait().expect("a child")).await;
    assert_eq!((ended.code(), gateway.booking_limit().await), (Some(1), 100_000));
}

#[tokio::test]
async fn an_older_file_is_refused_and_an_edited_one_is_a_revision() {
    let ground = Ground::new();
    let gateway = ground.gateway("frontdesk.toml").await;
    ground.write("other.toml", &[]);
    ground.write("new.toml", &[("booking", "77/min")]);
    let (code, told) = ground.json(&["--config", "other.toml", "activate", "new.toml", "--watch", "1s"]).await;
    assert_eq!(code, 0, "{told:#}");
    assert_eq!(gateway.booking_limit().await, 77);
    let shown = ground.run(&["limits", "show"]);
    assert!(String::from_utf8_lossy(&shown.stdout).contains("limit booking 77/min"), "operators see what holds");
    let mark = gateway.lines().len();
    gateway.signal("HUP");
    gateway.hears(mark, &["SIGHUP: not right", "older than revision 2", "rate_limit.booking 77/min -> 100000/min"]).await;
    gateway.hears(mark, &["SIGHUP: the configuration is refused"]).await;
    assert_eq!(gateway.booking_limit().await, 77);
    assert_eq!(gateway.get("/api/health").await.json()["status"], "degraded");
    ground.write("frontdesk.toml", &[("booking", "78/min")]);
    let mark = gateway.lines().len();
    gateway.signal("HUP");
    gateway.hears(mark, &["SIGHUP: the configuration is taken up"]).await;
    assert_eq!(gateway.booking_limit().await, 78);
    assert_eq!(gateway.get("/api/health").await.json()["status"], "healthy");
    let revisions = ground.revisions().await;
    assert_eq!((&revisions[0]["revision"], &revisions[0]["origin"]), (&json!(3), &json!("reload")));
    // What is said again is no revision.
    gateway.signal("HUP");
    gateway.hears(mark, &["SIGHUP: the configuration is taken up", "\"changed\":\"\""]).await;
    assert_eq!(ground.revisions().await.len(), 3);
}

#[tokio::test]
async fn a_start_holds_the_newest_revision_unless_its_file_was_edited_since() {
    let ground = Ground::new();
    let gateway = ground.gateway("frontdesk.toml").await;
    ground.write("other.toml", &[]);
    ground.write("new.toml", &[("booking", "77/min")]);
    let (code, told) = ground.json(&["--config", "other.toml", "activate", "new.toml", "--watch", "1s"]).await;
    assert_eq!(code, 0, "{told:#}");
    gateway.stop().await;
    let gateway = ground.gateway("frontdesk.toml").await;
    assert_eq!(gateway.booking_limit().await, 77, "the file is older");
    gateway.hears(0, &["the newest revision holds, not the file"]).await;
    gateway.stop().await;
    ground.write("frontdesk.toml", &[("booking", "78/min")]);
    let gateway = ground.gateway("frontdesk.toml").await;
    assert_eq!(gateway.booking_limit().await, 78, "the file was edited");
    assert_eq!(ground.revisions().await[0]["origin"], "start");
    if is_on_postgres() {
        until("it tells of itself", async || {
            (!ground.json(&["limits", "show"]).await.1["items"].as_array()?.is_empty()).then_some(())
        })
        .await;
        ground.write("late.toml", &[("booking", "79/min")]);
        let late = ground.gateway("late.toml").await;
        assert_eq!(late.booking_limit().await, 78, "who joins others changes nothing for them");
    }
}

#[tokio::test]
async fn a_configuration_and_a_feature_are_brought_back_by_hand() {
    let ground = Ground::new();
    let gateway = ground.gateway("frontdesk.toml").await;
    assert_eq!(ground.run(&["rollback", "--to", "7"]).status.code(), Some(1), "there is none");
    for limit in ["71/min", "72/min"] {
        ground.write("new.toml", &[("booking", limit)]);
        let (code, told) = ground.activate("new.toml", "0s").await;
        assert_eq!(code, 0, "{told:#}");
    }
    let (code, told) = ground.json(&["rollback", "--why", "callers complain"]).await;
    assert_eq!((code, &told["revision"], &told["restores"], &told["gateways"]), (0, &json!(4), &json!(2), &json!(1)), "{told:#}");
    tell(&format!("rolled back by hand, everywhere: {} ms", told["ms"]));
    assert_eq!(gateway.booking_limit().await, 71);
    assert_eq!(ground.read("frontdesk.toml"), ground.text(&[("booking", "71/min")]), "the file along with it, comments and all");
    let (code, told) = ground.json(&["rollback"]).await;
    assert_eq!((code, &told["restores"]), (0, &json!(1)), "further back: {told:#}");
    assert_eq!(gateway.booking_limit().await, 100_000);
    assert_eq!(ground.run(&["rollback"]).status.code(), Some(1), "there is nothing before that");
    let (code, _) = ground.json(&["rollback", "--to", "3"]).await;
    assert_eq!((code, gateway.booking_limit().await), (0, 72));
    let audit = gateway.get("/api/admin/audit").await.json();
    assert_eq!(audit["items"][2]["why"], "callers complain", "{audit:#}");

    for state in ["shadow", "off"] {
        assert!(ground.run(&["feature", "set", "rate_limit", state]).status.success());
    }
    let (code, told) = ground.json(&["rollback", "--feature", "rate_limit"]).await;
    assert_eq!((code, &told["was"], &told["state"]), (0, &json!("off"), &json!("shadow")), "{told}");
    let (_, features) = ground.json(&["feature", "list"]).await;
    let state = features["items"].as_array().expect("rows").iter().find(|it| it["name"] == "rate_limit").map(|it| &it["state"]);
    assert_eq!(state, Some(&json!("shadow")));
    for wrong in [&["rollback", "--feature", "performance"][..], &["rollback", "--feature", "nonsense"]] {
        assert_eq!(ground.run(wrong).status.code(), Some(1), "{wrong:?}");
    }
}

#[tokio::test]
async fn a_new_binary_that_crashes_at_its_start_leaves_the_old_one_and_a_good_one_serves() {
    use std::os::unix::fs::PermissionsExt as _;
    let ground = Ground::new();
    let binary = ground.folder.path().join("frontdesk");
    let put = |lines: &str| {
        let next = ground.folder.write("next.tmp", &format!("#!/bin/sh\n{lines}\n"));
        std::fs::set_permissions(&next, std::fs::Permissions::from_mode(0o755)).expect("executable");
        std::fs::rename(next, &binary).expect("in its place");
    };
    let (code, told) = ground.json(&["activate", "--upgrade"]).await;
    assert_eq!((code, &told["outcome"]), (1, &json!("refused")), "{told:#}");
    std::os::unix::fs::symlink(BINARY, &binary).expect("a link");
    let gateway = ground.gateway_of(&binary, "frontdesk.toml").await;
    put("exit 3");
    let began = this_moment();
    let (code, told) = ground.json(&["activate", "--upgrade"]).await;
    assert_eq!((code, &told["outcome"]), (1, &json!("rolled_back")), "{told:#}");
    assert!(told["reason"].as_str().expect("a reason").contains("exit status: 3"), "{told:#}");
    tell(&format!("a binary that crashes at its start: told after {} ms, the old one serves", began.elapsed().as_millis()));
    assert_ne!(gateway.ask("call-1").await, "");
    put(&format!("exec {BINARY} \"$@\""));
    let (code, told) = ground.json(&["activate", "--upgrade"]).await;
    assert_eq!((code, &told["outcome"]), (0, &json!("upgraded")), "{told:#}");
    let new = gateway.hears(0, &["handed over"]).await["successor"].as_u64().expect("a process");
    assert!(told["stages"][1]["says"].as_str().expect("words").contains(&format!("process {new} serves")), "{told:#}");
    assert_ne!(gateway.ask("call-2").await, "");
    let _ = Command::new("kill").args(["-KILL", &new.to_string()]).status();
}

#[tokio::test]
async fn the_file_that_gateways_start_with_never_keeps_what_did_harm() {
    let ground = Ground::new();
    let gateway = ground.gateway("frontdesk.toml").await;
    ground.write("frontdesk.toml", &[("availability", "1/min")]);
    let (code, told) = ground.activate("frontdesk.toml", "60s").await;
    assert_eq!((code, &told["outcome"]), (1, &json!("rolled_back")), "{told:#}");
    assert_eq!(ground.read("frontdesk.toml"), ground.text(&[]));
    gateway.stop().await;
    let gateway = ground.gateway("frontdesk.toml").await;
    for call in 0..5 {
        assert_ne!(gateway.ask(&format!("call-{call}")).await, "rate_limited");
    }
}

#[tokio::test]
async fn a_gateway_that_dies_while_it_is_watched_speaks_against_the_configuration() {
    let ground = Ground::new();
    let mut gateway = ground.gateway("frontdesk.toml").await;
    ground.write("new.toml", &[("booking", "77/min")]);
    let killed = async {
        until("it holds", async || (gateway.booking_limit().await == 77).then_some(())).await;
        gateway.child.kill().expect("killed");
    };
    let ((code, told), ()) = tokio::join!(ground.activate("new.toml", "60s"), killed);
    assert_eq!((code, &told["outcome"]), (1, &json!("rolled_back")), "{told:#}");
    let gateway = ground.gateway("frontdesk.toml").await;
    assert_eq!(gateway.booking_limit().await, 100_000, "the next one starts with what was good");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_gateways_on_one_store_take_up_what_one_command_says() {
    let ground = Ground::on(true);
    let mut gateways = Vec::new();
    for name in ["a.toml", "b.toml", "c.toml"] {
        ground.write(name, &[]);
        gateways.push(ground.gateway(name).await);
    }
    let state = async |wanted: &str| {
        assert!(ground.run(&["feature", "set", "rate_limit", wanted]).status.success());
        for gateway in &gateways {
            let is_so = async || {
                let shown = gateway.get("/api/health").await.header("x-ratelimit-limit").is_some();
                (shown == (wanted == "on")).then_some(())
            };
            until("it is switched", is_so).await;
        }
        let seen = now_ms();
        let audit = gateways[0].get("/api/admin/audit").await.json();
        let at: jiff::Timestamp = audit["items"][0]["at"].as_str().expect("a time").parse().expect("a timestamp");
        seen - at.as_millisecond()
    };
    let mut took = Vec::new();
    for round in 0..50 {
        took.push(state(if round % 2 == 0 { "off" } else { "on" }).await);
    }
    took.sort_unstable();
    tell(&format!(
        "feature set, seen by three gateways after the time in the audit: median {} ms, worst of 50 {} ms",
        took[25], took[49]
    ));
    ground.write("new.toml", &[("booking", "77/min")]);
    let (code, told) = ground.activate("new.toml", "2s").await;
    assert_eq!(code, 0, "{told:#}");
    tell(&format!("a revision, taken up by three gateways: {} ms", told["stages"][2]["ms"]));
    for gateway in &gateways {
        assert_eq!(gateway.booking_limit().await, 77);
    }
    let verified = told["stages"].as_array().expect("stages").iter().filter(|it| it["stage"] == "verify").count();
    assert_eq!(verified, 3, "each was called: {told:#}");
    assert_eq!(ground.revisions().await[0]["gateways"].as_array().map(Vec::len), Some(3));
    let (code, told) = ground.json(&["rollback"]).await;
    assert_eq!((code, &told["gateways"]), (0, &json!(3)), "{told:#}");
    for gateway in &gateways {
        assert_eq!(gateway.booking_limit().await, 100_000);
    }
}
