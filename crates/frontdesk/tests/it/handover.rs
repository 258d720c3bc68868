//! The real gateway is given another configuration and another binary while callers are served: none of them
//! notices, and what is not right changes nothing.
//!
//! `FRONTDESK_RELOADS=100 FRONTDESK_UPGRADES=20` is the long run.

use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixDatagram;
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use frontdesk_testkit::http_client::{ClientError, Connection, Request, Response};
use frontdesk_testkit::retell::sign;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::task::JoinSet;
use tokio::time::interval;

use crate::binary::{BINARY, Folder};
use crate::kill::configuration;
use crate::patience::{PATIENCE, now_ms, this_moment, until};

const ADMIN: &str = "operator";
const KEY: &str = "key_practice";
/// Each caller asks this often.
const PACE: Duration = Duration::from_millis(8);
/// Callers who keep their connection, and as many who do not.
const CALLERS: usize = 3;

fn setting(name: &str, usual: usize) -> usize {
    #[expect(clippy::disallowed_methods, reason = "how long a test runs is asked for from outside")]
    let given = std::env::var(name);
    given.ok().and_then(|text| text.parse().ok()).unwrap_or(usual)
}

fn send_signal(name: &str, process: u32) {
    let sent = Command::new("kill").args([&format!("-{name}"), &process.to_string()]).stderr(Stdio::null()).status();
    assert!(sent.expect("kill is there").success(), "SIG{name} to {process}");
}

/// One tenant on the built-in calendar, and a gateway that serves it: a link to the binary, so that another one
/// can take its place.
struct Place {
    folder: Folder,
}

impl Place {
    fn new(configuration: &str) -> Self {
        let folder = Folder::new();
        folder.write("frontdesk.toml", configuration);
        let tenant = "slug = \"practice\"\nname = \"Practice\"\ntime_zone = \"Europe/Berlin\"\nlanguage = \"en\"\n[retell]\n\
             api_key = \"key_practice\"\n[calendar]\nkind = \"builtin\"\n[hours]\nmon = [\"09:00-18:00\"]\n\
             tue = [\"09:00-18:00\"]\nwed = [\"09:00-18:00\"]\n[[services]]\nname = \"Checkup\"\nminutes = 15\n\
             [[staff]]\nname = \"Anna\"\nservices = [\"Checkup\"]\n";
        let file = folder.write("practice.toml", tenant);
        let applied = folder.run(&["tenant", "apply", file.to_str().expect("a path")]);
        assert!(applied.status.success(), "{}", String::from_utf8_lossy(&applied.stderr));
        let place = Self { folder };
        place.put_binary();
        place
    }

    fn binary(&self) -> std::path::PathBuf {
        self.folder.path().join("frontdesk")
    }

    /// The real binary, by a link.
    fn put_binary(&self) {
        let next = self.folder.path().join("next");
        std::os::unix::fs::symlink(BINARY, &next).expect("a link");
        std::fs::rename(next, self.binary()).expect("in its place");
    }

    /// A shell script where the binary was.
    fn put_script(&self, lines: &str) {
        use std::os::unix::fs::PermissionsExt as _;
        let next = self.folder.write("next", &format!("#!/bin/sh\n{lines}\n"));
        std::fs::set_permissions(&next, std::fs::Permissions::from_mode(0o755)).expect("executable");
        std::fs::rename(next, self.binary()).expect("in its place");
    }

    fn command(&self) -> Command {
        let mut command = Command::new(self.binary());
        command.args(["serve", "--config", "frontdesk.toml", "--ready-within", "60s"]);
        self.prepared(&mut command);
        command
    }

    fn prepared(&self, command: &mut Command) {
        command.current_dir(self.folder.path()).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        for name in ["NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID", "LISTEN_FDS", "LISTEN_PID", "RUST_LOG"] {
            command.env_remove(name);
        }
    }

    fn configure(&self, configuration: &str) {
        let next = self.folder.write("next.toml", configuration);
        std::fs::rename(next, self.folder.path().join("frontdesk.toml")).expect("in its place");
    }
}

/// A gateway, in as many processes as it has needed so far.
struct Running {
    first: Child,
    said: Arc<Mutex<Vec<String>>>,
    authority: String,
}

impl Running {
    async fn start(command: &mut Command) -> Self {
        let mut first = command.spawn().expect("it starts");
        let log = BufReader::new(first.stderr.take().expect("a pipe"));
        let said: Arc<Mutex<Vec<String>>> = Arc::default();
        let heard = Arc::clone(&said);
        std::thread::spawn(move || {
            for line in log.lines().map_while(Result::ok) {
                heard.lock().unwrap_or_else(PoisonError::into_inner).push(line);
            }
        });
        let mut running = Self { first, said, authority: String::new() };
        let line = running.hears(0, &["listening"]).await;
        running.authority = line["address"].as_str().expect("an address").to_owned();
        running
    }

    /// How much was said so far.
    fn mark(&self) -> usize {
        self.lines().len()
    }

    fn lines(&self) -> Vec<String> {
        self.said.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The first line after `mark` in which all of that stands.
    async fn hears(&self, mark: usize, words: &[&str]) -> Value {
        let look = async || {
            let lines = self.lines();
            let found = lines[mark..].iter().find(|line| words.iter().all(|word| line.contains(word)))?;
            Some(serde_json::from_str(found).expect("JSON"))
        };
        let began = this_moment();
        let mut looks = interval(Duration::from_millis(10));
        loop {
            looks.tick().await;
            if let Some(found) = look().await {
                return found;
            }
            assert!(began.elapsed() < PATIENCE, "{words:?} was never said: {:#?}", self.lines());
        }
    }

    /// Every process so far, the last one serves.
    fn processes(&self) -> Vec<u32> {
        let listening = |line: &String| {
            let line: Value = serde_json::from_str(line).ok()?;
            (line["message"] == "listening").then(|| u32::try_from(line["process"].as_u64()?).ok())?
        };
        self.lines().iter().filter_map(listening).collect()
    }

    fn serving(&self) -> u32 {
        *self.processes().last().expect("one serves")
    }

    async fn get(&self, path: &str) -> Result<Response, ClientError> {
        Request::get(&format!("http://{}{path}", self.authority)).bearer(ADMIN).send().await
    }

    async fn health(&self) -> Value {
        self.get("/api/health").await.expect("an answer").json()
    }

    async fn booking_limit(&self) -> Value {
        self.get("/api/admin/limits").await.expect("an answer").json()["per_minute"]["booking"].clone()
    }

    /// Upgrades it and waits until the old process has left; the new one's id.
    async fn upgrade(&self) -> u32 {
        let (mark, old) = (self.mark(), self.serving());
        send_signal("USR2", old);
        let new = self.hears(mark, &["\"listening\""]).await["process"].as_u64().expect("an id");
        self.hears(mark, &["\"stopped\"", &format!("\"process\":{old}")]).await;
        self.hears(mark, &["the gateway before this one has left"]).await;
        u32::try_from(new).expect("an id")
    }

    /// How the first process ended.
    async fn ended(&mut self) -> ExitStatus {
        let first = &mut self.first;
        until("it ends", async || first.try_wait().expect("a child")).await
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        for process in self.processes() {
            let _ = Command::new("kill").args(["-KILL", &process.to_string()]).stderr(Stdio::null()).status();
        }
        let _ = self.first.kill();
        let _ = self.first.wait();
    }
}

fn function(authority: &str, call: &str, tool: usize, name: &str, args: &Value) -> Request {
    let body = json!({"name": name, "args": args, "call": {"call_id": call, "from_number": "+4915112345678",
        "transcript_with_tool_calls": [{"role": "tool_call_invocation", "tool_call_id": format!("tool-{tool}"), "name": name, "arguments": args.to_string()}]}})
    .to_string();
    Request::post(&format!("http://{authority}/api/t/practice/retell/functions"))
        .header("content-type", "application/json")
        .header("x-retell-signature", &sign(KEY, body.as_bytes(), now_ms()))
        .body(body)
        .timeout(Duration::from_secs(30))
}

/// What callers met.
#[derive(Default)]
struct Load {
    /// Whether something is done to the gateway now.
    is_during: AtomicBool,
    over: AtomicBool,
    sent: AtomicUsize,
    kept: AtomicUsize,
    failed: Mutex<Vec<String>>,
    /// Microseconds, before and during.
    took: [Mutex<Vec<u64>>; 2],
}

impl Load {
    /// One caller: a conversation of a function call, a look at what is free, and a probe, over and over.
    async fn call(self: Arc<Self>, authority: String, number: usize, keeps: bool) {
        let mut connection = Connection::to(&authority);
        let mut pace = interval(PACE);
        pace.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        for turn in 0.. {
            if self.over.load(Ordering::Relaxed) {
                return;
            }
            pace.tick().await;
            let call = format!("call-{number}-{}", turn / 30);
            let request = match turn % 3 {
                0 => function(&authority, &call, turn, "list_services", &json!({})),
                1 => function(
                    &authority,
                    &call,
                    turn,
                    "check_availability",
                    &json!({"service": "Checkup", "date": "next monday", "time": "10:00"}),
                ),
                _ => Request::get(&format!("http://{authority}/readyz")).timeout(Duration::from_secs(30)),
            };
            let (began, phase) = (this_moment(), usize::from(self.is_during.load(Ordering::Relaxed)));
            self.sent.fetch_add(1, Ordering::Relaxed);
            let was_open = keeps && connection.is_open();
            let answer = if keeps { connection.send(request).await } else { request.send().await };
            let took = u64::try_from(began.elapsed().as_micros()).expect("small");
            self.kept.fetch_add(usize::from(was_open), Ordering::Relaxed);
            self.took[phase].lock().expect("whole").push(took);
            let is_good = |answer: &Response| answer.status == 200 && (turn % 3 == 2 || answer.json()["message"].is_string());
            match answer {
                Ok(answer) if is_good(&answer) => {}
                Ok(answer) => self.fail(format!("turn {turn}: {} {}", answer.status, answer.text())),
                Err(error) => self.fail(format!("turn {turn}, kept {was_open}: {error}")),
            }
        }
    }

    fn fail(&self, why: String) {
        self.failed.lock().expect("whole").push(why);
    }

    fn quantile(&self, phase: usize, percent: usize) -> u64 {
        let mut took = self.took[phase].lock().expect("whole").clone();
        took.sort_unstable();
        took.get((took.len() * percent / 100).min(took.len().saturating_sub(1))).copied().unwrap_or(0)
    }

    async fn answered(&self, more: usize) {
        let before = self.sent.load(Ordering::Relaxed);
        until("callers go on", async || (self.sent.load(Ordering::Relaxed) >= before + more).then_some(())).await;
    }
}

fn with_booking(limit: usize) -> String {
    configuration("sqlite:data/frontdesk.db").replace("booking = \"100000/min\"", &format!("booking = \"{limit}/min\""))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reloads_and_upgrades_under_load_lose_no_request() {
    let (reloads, upgrades) = (setting("FRONTDESK_RELOADS", 5), setting("FRONTDESK_UPGRADES", 2));
    let place = Place::new(&with_booking(1000));
    let mut running = Running::start(&mut place.command()).await;
    let load = Arc::new(Load::default());
    let mut callers = JoinSet::new();
    for number in 0..CALLERS * 2 {
        callers.spawn(Arc::clone(&load).call(running.authority.clone(), number, number % 2 == 0));
    }
    load.answered(20 * reloads.max(20)).await;
    load.is_during.store(true, Ordering::Relaxed);
    let (mut reload_us, mut upgrade_us) = (Vec::new(), Vec::new());
    for round in 0..reloads.max(upgrades) {
        if round < reloads {
            let mark = running.mark();
            place.configure(&with_booking(1001 + round));
            let began = this_moment();
            send_signal("HUP", running.serving());
            running.hears(mark, &["SIGHUP: the configuration is taken up", "rate_limit"]).await;
            reload_us.push(began.elapsed().as_micros());
            assert_eq!(running.booking_limit().await, 1001 + round);
        }
        if round % (reloads / upgrades.max(1)).max(1) == 0 && upgrade_us.len() < upgrades {
            let began = this_moment();
            running.upgrade().await;
            upgrade_us.push(began.elapsed().as_micros());
            assert_eq!(
                running.booking_limit().await,
                1001 + round.min(reloads.saturating_sub(1)),
                "the new process reads the newest file"
            );
        }
        load.answered(50).await;
    }
    load.over.store(true, Ordering::Relaxed);
    while let Some(ended) = callers.join_next().await {
        ended.expect("a caller");
    }
    assert_eq!(running.processes().len(), upgrades + 1);
    if upgrades > 0 {
        assert_eq!(running.ended().await.code(), Some(0));
    }
    let (sent, kept) = (load.sent.load(Ordering::Relaxed), load.kept.load(Ordering::Relaxed));
    let failed = load.failed.lock().expect("whole").clone();
    reload_us.sort_unstable();
    upgrade_us.sort_unstable();
    let middle = |times: &[u128]| times.get(times.len() / 2).copied().unwrap_or(0);
    let told = format!(
        "{reloads} reloads, {upgrades} upgrades: {sent} requests, {kept} of them on kept connections, failed {}; p50 and p99 before {} and {} us, during {} and {} us, slowest during {} us; a reload took {} us, an upgrade until the old process had left {} us (medians)",
        failed.len(),
        load.quantile(0, 50),
        load.quantile(0, 99),
        load.quantile(1, 50),
        load.quantile(1, 99),
        load.quantile(1, 100),
        middle(&reload_us),
        middle(&upgrade_us),
    );
    std::io::Write::write_all(&mut std::io::stdout(), format!("{told}\n").as_bytes()).expect("written");
    assert!(failed.is_empty(), "{} of {sent} failed: {:#?}", failed.len(), &failed[..failed.len().min(10)]);
    assert!(kept > sent / 4, "connections were kept: {kept} of {sent}");
}

#[tokio::test]
async fn a_configuration_that_is_not_right_is_refused_whole() {
    let place = Place::new(&with_booking(1000));
    let mut running = Running::start(&mut place.command()).await;
    let first = running.health().await["configuration"].clone();
    assert_eq!(first["last_refusal"], Value::Null);

    let mark = running.mark();
    let wrong =
        with_booking(2000).replace("write = \"4s\"", "write = \"soon\"").replace("health = \"100000/min\"", "health = \"0/min\"");
    place.configure(&wrong);
    send_signal("HUP", running.serving());
    running.hears(mark, &["deadlines.write"]).await;
    running.hears(mark, &["rate_limit.health"]).await;
    running.hears(mark, &["is refused; the one before stays in force", "\"problems\":2"]).await;
    assert_eq!(running.booking_limit().await, 1000, "not the half of it is taken up");

    for (key, changed) in [
        ("store", with_booking(2000).replace("sqlite:data/frontdesk.db", "sqlite:data/other.db")),
        ("server.listen", with_booking(2000).replace("listen = \"127.0.0.1:0\"", "listen = \"127.0.0.1:1\"")),
        ("secrets.master_key", with_booking(2000) + "[secrets]\nmaster_key = \"file:other.key\"\n"),
        ("state.url", with_booking(2000) + "[state]\nurl = \"redis://127.0.0.1:1\"\n"),
    ] {
        let mark = running.mark();
        place.configure(&changed);
        send_signal("HUP", running.serving());
        running.hears(mark, &[key, "restart"]).await;
        running.hears(mark, &["is refused; the one before stays in force"]).await;
        assert_eq!(running.booking_limit().await, 1000, "{key}");
    }
    let health = running.health().await;
    assert_eq!(health["status"], "degraded", "{health}");
    let told = &health["configuration"];
    assert_eq!((&told["revision"], &told["loaded_at"]), (&first["revision"], &first["loaded_at"]));
    assert!(told["last_refusal"]["why"].as_str().expect("a reason").contains("state.url"), "{told}");

    let mark = running.mark();
    place.configure(&with_booking(2000));
    send_signal("HUP", running.serving());
    running.hears(mark, &["SIGHUP: the configuration is taken up"]).await;
    assert_eq!(running.booking_limit().await, 2000);
    let health = running.health().await;
    assert_eq!(health["status"], "healthy", "{health}");
    assert_ne!(health["configuration"]["revision"], first["revision"]);
    // It is written down after it is said.
    let audit = until("the audit has it", async || {
        let audit = running.get("/api/admin/audit").await.expect("an answer").json();
        (audit["items"][0]["what"] == "configuration").then_some(audit)
    })
    .await;
    let what: Vec<&str> = audit["items"].as_array().expect("rows").iter().filter_map(|row| row["what"].as_str()).collect();
    assert_eq!(what[1..6], ["configuration refused"; 5]);
    assert!(running.first.try_wait().expect("a child").is_none(), "one process did all that");
}

/// An upgrade to that script fails for that reason, and the old process serves.
async fn fails(place: &Place, running: &Running, script: &str, why: &str) {
    let mark = running.mark();
    place.put_script(script);
    send_signal("USR2", running.serving());
    running.hears(mark, &["the upgrade failed: this process goes on as before", why]).await;
    assert_eq!(running.get("/livez").await.expect("an answer").status, 200, "{script}");
}

#[tokio::test]
async fn a_new_binary_that_crashes_or_hangs_leaves_the_old_one_serving() {
    let place = Place::new(&with_booking(1000));
    let mut command = Command::new(place.binary());
    command.args(["serve", "--config", "frontdesk.toml", "--ready-within", "500ms"]);
    place.prepared(&mut command);
    let hurried = Running::start(&mut command).await;
    fails(&place, &hurried, "exec sleep 1000", "was not ready within 500ms").await;
    drop(hurried);

    place.put_binary();
    let mut running = Running::start(&mut place.command()).await;
    for (script, why) in [
        ("exit 3", "exit status: 3"),
        ("kill -SEGV $$", "signal: 11"),
        ("echo hello; exec sleep 1000", "something else"),
        ("echo prepared; read state <&1; exit 4", "exit status: 4"),
        ("echo prepared; exec sleep 1000", "was not ready within 5s"),
    ] {
        fails(&place, &running, script, why).await;
    }
    let old = running.serving();
    // The file is gone; then it is there, and its configuration is not right.
    std::fs::remove_file(place.binary()).expect("removed");
    let mark = running.mark();
    send_signal("USR2", old);
    running.hears(mark, &["the upgrade failed", "could not be started"]).await;
    place.put_binary();
    place.configure("nonsense = true\n");
    let mark = running.mark();
    send_signal("USR2", old);
    running.hears(mark, &["the upgrade failed", "exit status: 2"]).await;
    assert_eq!(running.get("/livez").await.expect("an answer").status, 200);
    assert_eq!(running.processes(), [old]);
    place.configure(&with_booking(1000));

    // The same path, another file: the new one is what stands there now.
    place.put_script(&format!("echo yes > new-one; exec {BINARY} \"$@\""));
    let new = running.upgrade().await;
    assert!(place.folder.path().join("new-one").exists());
    assert_eq!(running.get("/livez").await.expect("an answer").status, 200);
    assert_eq!(running.ended().await.code(), Some(0));
    assert_ne!(new, running.first.id());
    let audit = running.get("/api/admin/audit").await.expect("an answer").json();
    assert_eq!(audit["items"][0]["what"], "upgrade", "{audit}");
}

#[tokio::test]
async fn what_limits_count_and_calls_remember_goes_along() {
    let place = Place::new(&with_booking(1000).replace("availability = \"100000/min\"", "availability = \"3/min\""));
    let running = Running::start(&mut place.command()).await;
    let args = json!({"service": "Checkup", "date": "next monday", "time": "10:00"});
    let ask = async |call: &str, tool| {
        function(&running.authority, call, tool, "check_availability", &args).send().await.expect("an answer").json()
    };
    let offered = ask("call-1", 1).await;
    let slot = offered["slots"][0]["slot_id"].clone();
    assert!(slot.is_string(), "{offered}");
    ask("call-2", 1).await;
    running.upgrade().await;
    // The call goes on where it was, on the hold that it has.
    let booked = function(&running.authority, "call-1", 2, "book_appointment", &json!({"slot_id": slot, "name": "Anna Schmidt"}));
    let booked = booked.send().await.expect("an answer").json();
    assert_eq!(booked["status"], "booked", "{booked}");
    assert_ne!(ask("call-3", 1).await["status"], "rate_limited");
    assert_eq!(ask("call-4", 1).await["status"], "rate_limited", "three in a minute, whoever counted them");
}

#[tokio::test]
async fn a_terminated_gateway_finishes_what_runs() {
    let place = Place::new(&with_booking(1000));
    let mut running = Running::start(&mut place.command()).await;
    let body = json!({"name": "list_services", "args": {}, "call": {"call_id": "call-1"}}).to_string();
    let (first, rest) = body.split_at(20);
    let mut slow = tokio::net::TcpStream::connect(&running.authority).await.expect("connected");
    let head = format!(
        "POST /api/t/practice/retell/functions HTTP/1.1\r\nHost: x\r\nX-Retell-Signature: {}\r\nContent-Length: {}\r\n\r\n{first}",
        sign(KEY, body.as_bytes(), now_ms()),
        body.len()
    );
    slow.write_all(head.as_bytes()).await.expect("sent");
    let mut probe = Connection::to(&running.authority);
    let ready = || Request::get(&format!("http://{}/readyz", running.authority));
    assert_eq!(probe.send(ready()).await.expect("an answer").status, 200);

    send_signal("TERM", running.serving());
    running.hears(0, &["draining"]).await;
    let answer = probe.send(ready()).await.expect("an answer");
    assert_eq!((answer.status, answer.header("connection")), (503, Some("close")));
    until("nobody is let in", async || {
        matches!(Request::get(&format!("http://{}/livez", running.authority)).send().await, Err(ClientError::Refused))
            .then_some(())
    })
    .await;
    slow.write_all(rest.as_bytes()).await.expect("sent");
    let mut answer = String::new();
    slow.read_to_string(&mut answer).await.expect("an answer");
    assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("Checkup"), "{answer}");
    assert_eq!(running.ended().await.code(), Some(0));
    running.hears(0, &["stopped", "\"drained\":true"]).await;
}

#[tokio::test]
async fn a_socket_of_systemd_is_served_and_outlives_the_gateway() {
    let place = Place::new(&with_booking(1000));
    let listener = TcpListener::bind("127.0.0.1:0").expect("a socket");
    let authority = listener.local_addr().expect("its address").to_string();
    let command = || {
        let mut command = Command::new("sh");
        let script = "exec 3<&0 0</dev/null; LISTEN_FDS=1 LISTEN_PID=$$ exec ./frontdesk serve --config frontdesk.toml";
        command.args(["-c", script]);
        place.prepared(&mut command);
        command.stdin(Stdio::from(OwnedFd::from(listener.try_clone().expect("once more"))));
        command
    };
    let mut running = Running::start(&mut command()).await;
    assert_eq!(running.authority, authority, "not where the configuration says");
    assert_eq!(running.get("/livez").await.expect("an answer").status, 200);
    running.upgrade().await;
    assert_eq!(running.get("/livez").await.expect("an answer").status, 200);
    send_signal("TERM", running.serving());
    running.hears(0, &["\"stopped\"", &format!("\"process\":{}", running.serving())]).await;
    assert_eq!(running.ended().await.code(), Some(0));

    let mut waiting = JoinSet::new();
    waiting.spawn(Request::get(&format!("http://{authority}/livez")).timeout(PATIENCE).send());
    let _next = Running::start(&mut command()).await;
    let answer = waiting.join_next().await.expect("one").expect("whole");
    assert_eq!(answer.expect("an answer").status, 200, "who came between them waited");
}

#[tokio::test]
async fn systemd_is_told_how_it_stands() {
    let place = Place::new(&with_booking(1000));
    let path = place.folder.path().join("notify");
    let socket = UnixDatagram::bind(&path).expect("a socket");
    // Read by a thread of its own: who tells systemd waits until it is heard.
    let (tell, messages) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let mut bytes = [0; 4096];
        while let Ok(length) = socket.recv(&mut bytes) {
            if tell.send(String::from_utf8_lossy(&bytes[..length]).into_owned()).is_err() {
                break;
            }
        }
    });
    let told = |wanted: &str| {
        let mut seen = Vec::new();
        loop {
            let text = messages.recv_timeout(PATIENCE).unwrap_or_else(|_| panic!("{wanted} was not told: {seen:?}"));
            if text.lines().any(|line| line.starts_with(wanted)) {
                return text;
            }
            seen.push(text);
        }
    };
    let mut command = place.command();
    command.env("NOTIFY_SOCKET", &path).env("WATCHDOG_USEC", "400000");
    let mut running = Running::start(&mut command).await;
    told("READY=1");
    told("WATCHDOG=1");
    send_signal("HUP", running.serving());
    let reloading = told("RELOADING=1");
    let at = reloading.lines().find_map(|line| line.strip_prefix("MONOTONIC_USEC=")).expect("an instant");
    assert!(at.parse::<u64>().is_ok_and(|at| at > 0), "{reloading}");
    told("READY=1");
    let new = running.upgrade().await;
    assert_eq!(told("MAINPID=").trim(), format!("MAINPID={new}"));
    told("WATCHDOG=1");
    send_signal("TERM", new);
    told("STOPPING=1");
    running.hears(0, &["\"stopped\"", &format!("\"process\":{new}")]).await;
    assert_eq!(running.ended().await.signal(), None);
}
