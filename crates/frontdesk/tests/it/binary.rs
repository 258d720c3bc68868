//! The real binary, as a newcomer and an engineer use it.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use frontdesk_testkit::TempDir;
use serde_json::Value;

pub(crate) const BINARY: &str = env!("CARGO_BIN_EXE_frontdesk");

/// A folder of its own, removed at the end.
pub(crate) struct Folder(TempDir);

impl Folder {
    pub(crate) fn new() -> Self {
        Self(frontdesk_testkit::folder("binary"))
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    pub(crate) fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path().join(name);
        std::fs::write(&path, text).expect("written");
        path
    }

    /// Runs a command here, without the environment's secrets.
    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        Command::new(BINARY).args(arguments).current_dir(self.path()).stdin(Stdio::null()).output().expect("it runs")
    }
}

/// A gateway that is stopped at the end.
struct Running(Child);

impl Running {
    /// Starts it and reads its answers until one begins with `last`.
    fn start(folder: &Path, arguments: &[&str], last: &str) -> (Self, Vec<String>) {
        let mut child = Command::new(BINARY)
            .args(arguments)
            .current_dir(folder)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("it starts");
        let out = child.stdout.take().expect("a pipe");
        let mut lines = Vec::new();
        for line in BufReader::new(out).lines() {
            let line = line.expect("text");
            let is_last = line.starts_with(last);
            lines.push(line);
            if is_last {
                break;
            }
        }
        (Self(child), lines)
    }
}

impl Running {
    /// Asks it to stop and waits until it has.
    fn stop(&mut self) {
        let asked = Command::new("kill").args(["-TERM", &self.0.id().to_string()]).status().expect("kill is there");
        assert!(asked.success() && self.0.wait().expect("it ends").success());
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The statuses of the JSON answers in a text, in order.
fn statuses(answers: &str) -> Vec<String> {
    let status = |line: &str| serde_json::from_str::<Value>(line).ok()?["status"].as_str().map(str::to_owned);
    answers.lines().filter_map(status).collect()
}

#[test]
fn the_demo_prints_a_snippet_that_books_as_printed() {
    let folder = Folder::new();
    let (_running, lines) = Running::start(folder.path(), &["demo", "--listen", "127.0.0.1:0"], "# REST key of practice");
    let snippet = folder.write("snippet.sh", &lines.join("\n"));
    let pasted = Command::new("bash").arg(snippet).output().expect("bash, openssl and curl are there");
    let answers = text(&pasted.stdout);
    assert_eq!(
        statuses(&answers),
        ["available", "booked", "ok", "rescheduled", "cancelled"],
        "{answers}{}",
        text(&pasted.stderr)
    );
}

#[test]
fn a_wrong_tenant_file_is_told_all_at_once_and_changes_nothing() {
    let folder = Folder::new();
    let file = folder.write(
        "salon.toml",
        "slug = \"Salon!\"\nname = \"Salon\"\ntime_zone = \"Europe/Berlinn\"\nlanguage = \"fr\"\ncolour = \"red\"\n[calendar]\nkind = \"builtin\"\n",
    );
    let applied = folder.run(&["tenant", "apply", file.to_str().expect("a path")]);
    assert_eq!(applied.status.code(), Some(2));
    let said = text(&applied.stderr);
    for what in ["slug", "time_zone", "language", "colour", "services"] {
        assert!(said.contains(what), "{what} is told: {said}");
    }
    assert_eq!(text(&folder.run(&["tenant", "list"]).stdout).trim(), "");
}

#[test]
fn a_tenant_is_applied_shown_rotated_and_removed() {
    let folder = Folder::new();
    let file = folder.write("salon.toml", include_str!("tenants/salon.toml"));
    let file = file.to_str().expect("a path");
    let dry = text(&folder.run(&["tenant", "apply", file, "--dry-run"]).stdout);
    assert!(dry.contains("salon"), "{dry}");
    assert_eq!(text(&folder.run(&["tenant", "list"]).stdout).trim(), "", "a dry run changes nothing");
    let first = text(&folder.run(&["tenant", "apply", file]).stdout);
    assert!(first.contains("fd_"), "a new tenant's key is printed: {first}");
    let again = text(&folder.run(&["tenant", "apply", file]).stdout);
    assert!(!again.contains("fd_"), "once: {again}");
    let shown = text(&folder.run(&["tenant", "show", "salon"]).stdout);
    assert!(shown.contains("Herrenhaarschnitt") && !shown.contains("key_salon"), "{shown}");
    assert!(text(&folder.run(&["tenant", "rotate-key", "salon"]).stdout).contains("fd_"));
    let tools: Value = serde_json::from_slice(&folder.run(&["agent", "tools", "--tenant", "salon"]).stdout).expect("JSON");
    assert!(tools.to_string().contains("/api/t/salon/retell/functions"), "{tools}");
    assert_eq!(folder.run(&["health"]).status.code(), Some(0));
    assert_eq!(folder.run(&["tenant", "remove", "salon"]).status.code(), Some(0));
    assert_eq!(text(&folder.run(&["tenant", "list"]).stdout).trim(), "");
}

#[test]
fn operators_see_the_outbox_and_tenants_their_secret() {
    let folder = Folder::new();
    let salon = format!("{}[notify]\nemail = [\"empfang@salon.example\"]\n", include_str!("tenants/salon.toml"));
    let file = folder.write("salon.toml", &salon);
    let applied = folder.run(&["tenant", "apply", file.to_str().expect("a path")]);
    assert!(text(&applied.stderr).contains("[notify] email has no effect without [smtp]"), "{}", text(&applied.stderr));
    let secret = text(&folder.run(&["tenant", "show", "salon", "--webhook-secret"]).stdout);
    assert!(secret.starts_with("whsec_") && secret.trim().len() == 50, "{secret}");
    assert_eq!(secret, text(&folder.run(&["tenant", "show", "salon", "--webhook-secret"]).stdout), "it stays the same");
    let listed = folder.run(&["outbox", "list", "--tenant", "salon", "--state", "dead", "--json"]);
    let listed: Value = serde_json::from_slice(&listed.stdout).expect("JSON");
    assert_eq!(listed["items"], serde_json::json!([]));
    assert_eq!(text(&folder.run(&["outbox", "retry", "--all-dead"]).stdout).trim(), "to be tried again: 0");
    for wrong in
        [&["outbox", "retry", "7"][..], &["outbox", "list", "--state", "lost"], &["outbox", "list", "--tenant", "nobody"]]
    {
        assert_eq!(folder.run(wrong).status.code(), Some(1), "{wrong:?}");
    }
    assert_eq!(folder.run(&["outbox", "retry"]).status.code(), Some(2));
}

#[test]
fn health_before_anything_is_initialised_says_so_and_creates_nothing() {
    let folder = Folder::new();
    let health = folder.run(&["health", "--json"]);
    assert_eq!(health.status.code(), Some(2), "{}", text(&health.stdout));
    assert_eq!(std::fs::read_dir(folder.path()).expect("a folder").count(), 0, "it creates nothing");
}

#[test]
fn the_commands_work_on_postgres_and_never_show_its_password() {
    let server = frontdesk_testkit::postgres::PostgresServer::shared();
    let url = server.database().replace('@', ":geheim@");
    let folder = Folder::new();
    folder.write("frontdesk.toml", "[store]\nurl = \"file:store.url\"\n");
    folder.write("store.url", &url);
    let mut said = String::new();
    let mut run = |arguments: &[&str], code: i32| {
        let output = folder.run(arguments);
        let told = text(&output.stdout) + &text(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {told}");
        said += &told;
        told
    };
    assert!(run(&["health"], 2).contains("nothing is initialised"));
    assert!(!folder.path().join("data").exists(), "it creates nothing");
    assert_eq!(server.run(&server_name(&url), "SELECT to_regclass('meta')"), "", "neither there");
    let file = folder.write("salon.toml", include_str!("tenants/salon.toml"));
    let applied = run(&["tenant", "apply", file.to_str().expect("a path")], 0);
    assert!(applied.contains("fd_") && applied.contains("store.migrate_url"), "{applied}");
    run(&["health"], 0);
    assert!(run(&["tenant", "list"], 0).contains("salon"));
    run(&["feature", "set", "rate_limit", "shadow", "--why", "a test"], 0);
    std::fs::remove_file(folder.path().join("data/master.key")).expect("lost");
    assert!(run(&["tenant", "list"], 2).contains("master key"), "no new key over sealed secrets");
    folder.write("store.url", &url.replace(":geheim@", ":geheim@nowhere.invalid,"));
    run(&["tenant", "list"], 2);
    folder.write("store.url", &url.replace(":geheim@", ":ge@heim@"));
    run(&["tenant", "list"], 2);
    assert!(!said.contains("geheim") && !said.contains("heim@"), "{said}");
}

/// The address without the password, as the test server knows it.
fn server_name(url: &str) -> String {
    url.replace(":geheim", "")
}

#[test]
fn a_whole_call_is_played_from_a_script_and_ends_as_scripted_or_not() {
    let folder = Folder::new();
    let (running, lines) =
        Running::start(folder.path(), &["demo", "--listen", "127.0.0.1:0", "--data", "data"], "# REST key of practice");
    let value = |name: &str| lines.iter().find_map(|line| line.strip_prefix(name)).expect("printed").to_owned();
    let (url, key) = (value("URL="), value("KEY="));
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/calls");
    for (tenant, script) in [("salon", "german.call"), ("practice", "english.call")] {
        let script = examples.join(script);
        let script = script.to_str().expect("a path");
        let played = folder.run(&["call", "--tenant", tenant, "--script", script, "--url", &url, "--key", &key]);
        assert_eq!(played.status.code(), Some(0), "{tenant}: {}{}", text(&played.stdout), text(&played.stderr));
    }
    let wrong = folder.write("wrong.call", "check_availability {\"service\": \"Beratung\"} => booked\n");
    let wrong = wrong.to_str().expect("a path");
    let played = folder.run(&["call", "--tenant", "salon", "--script", wrong, "--url", &url, "--key", &key]);
    assert_eq!(played.status.code(), Some(1), "{}", text(&played.stdout));
    drop(running);
}

#[test]
fn a_terminated_gateway_drains_and_ends_well() {
    let folder = Folder::new();
    let config = folder.write("frontdesk.toml", "[server]\nlisten = \"127.0.0.1:0\"\n");
    let mut child = Command::new(BINARY)
        .args(["serve", "--config", config.to_str().expect("a path")])
        .current_dir(folder.path())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it starts");
    let mut log = BufReader::new(child.stderr.take().expect("a pipe"));
    let mut line = String::new();
    while !line.contains("listening") {
        line.clear();
        assert!(log.read_line(&mut line).expect("text") > 0, "it ended before it listened");
    }
    let stopped = Command::new("kill").args(["-TERM", &child.id().to_string()]).status().expect("kill is there");
    assert!(stopped.success());
    let mut rest = String::new();
    std::io::Read::read_to_string(&mut log, &mut rest).expect("text");
    assert_eq!(child.wait().expect("ended").code(), Some(0), "{rest}");
    std::io::stderr().write_all(rest.as_bytes()).expect("written");
}

#[tokio::test]
async fn a_sender_of_too_much_is_there_for_the_answer() {
    let folder = Folder::new();
    let (_running, lines) = Running::start(folder.path(), &["demo", "--listen", "127.0.0.1:0"], "# REST key of practice");
    let url = lines.iter().find_map(|line| line.strip_prefix("URL=")).expect("printed");
    for (path, most) in [("/api/t/salon/retell/functions", 4), ("/api/t/salon/retell/events", 8)] {
        let body = vec![b'x'; most * 1024 * 1024 + 1];
        let answer =
            frontdesk_testkit::http_client::Request::post(&format!("{url}{path}")).body(body).send().await.expect("an answer");
        assert_eq!(answer.status, 413, "{path}");
    }
}

#[test]
fn calls_are_listed_and_one_of_them_is_shown_step_by_step() {
    let folder = Folder::new();
    let (mut running, lines) =
        Running::start(folder.path(), &["demo", "--listen", "127.0.0.1:0", "--data", "data"], "# REST key of practice");
    let value = |name: &str| lines.iter().find_map(|line| line.strip_prefix(name)).expect("printed").to_owned();
    let script = folder.write("one.call", "check_availability {\"service\": \"Beratung\", \"date\": \"morgen\"}\n");
    let script = script.to_str().expect("a path");
    folder.run(&["call", "--tenant", "salon", "--script", script, "--url", &value("URL="), "--key", &value("KEY=")]);
    // What a call was is written behind its answers.
    running.stop();
    folder.write(
        "frontdesk.toml",
        "[store]\nurl = \"sqlite:data/frontdesk.db\"\n[secrets]\nmaster_key = \"file:data/master.key\"\n",
    );
    let listed: Value = serde_json::from_slice(&folder.run(&["calls", "list", "--json"]).stdout).expect("JSON");
    let id = listed["items"][0]["call_id"].as_str().unwrap_or_else(|| panic!("a call: {listed}"));
    let shown = folder.run(&["calls", "show", id]);
    let told = text(&shown.stdout);
    assert_eq!(shown.status.code(), Some(0), "{told}{}", text(&shown.stderr));
    for part in ["of salon", "check_availability -> ", "input    {\"date\":\"morgen\"", "decided  limits: admitted", "request  "]
    {
        assert!(told.contains(part), "{part}: {told}");
    }
    assert_eq!(folder.run(&["calls", "show", "nobody"]).status.code(), Some(1));
}
