//! Logs in files: each line on its channel and without people, files put away in time, none lost at the end, and a
//! disk that takes nothing in nobody's way.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use frontdesk_testkit::http_client::Request;
use frontdesk_testkit::retell::sign;
use serde_json::{Value, json};
use tokio::time::interval;

use crate::binary::{BINARY, Folder};
use crate::kill::{apply, configuration};

const TENANT: &str = "slug = \"practice\"\nname = \"Practice\"\ntime_zone = \"Europe/Berlin\"\nlanguage = \"en\"\n[retell]\n\
     api_key = \"key_practice\"\n[calendar]\nkind = \"builtin\"\n[hours]\nmon = [\"09:00-18:00\"]\n[[services]]\n\
     name = \"Checkup\"\nminutes = 15\n";
/// How long anything may take to happen on a busy machine, in looks ten milliseconds apart.
const LOOKS: usize = 6000;

/// A gateway that writes its log to files.
struct Desk {
    folder: Folder,
    child: Child,
    url: String,
}

impl Desk {
    /// Starts it with that `[log]`, whose `file` is `file`.
    async fn start(log: &str, file: &str) -> Self {
        let folder = Folder::new();
        folder.write("frontdesk.toml", &format!("{}[log]\n{log}", configuration("sqlite:data/frontdesk.db")));
        apply(&folder, TENANT);
        let child = Command::new(BINARY)
            .args(["serve", "--config", "frontdesk.toml"])
            .current_dir(folder.path())
            .env_remove("RUST_LOG")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(folder.path().join("stderr")).expect("a file"))
            .spawn()
            .expect("it starts");
        let mut desk = Self { folder, child, url: String::new() };
        let listening = desk.hears(file, "listening").await;
        desk.url = format!("http://{}", listening["address"].as_str().expect("an address"));
        desk
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn lines(&self, name: &str) -> Vec<Value> {
        let text = std::fs::read_to_string(self.path(name)).unwrap_or_default();
        // The last one may be on its way.
        text.split_inclusive('\n')
            .filter(|line| line.ends_with('\n'))
            .filter_map(|line| serde_json::from_str(line).ok())
            .collect()
    }

    /// The first line of the file in whose message that stands.
    async fn hears(&self, name: &str, words: &str) -> Value {
        self.hears_of(name, words, |_| true).await
    }

    /// The same, of which more is true.
    async fn hears_of(&self, name: &str, words: &str, is_it: impl Fn(&Value) -> bool) -> Value {
        let mut looks = interval(Duration::from_millis(10));
        for _ in 0..LOOKS {
            looks.tick().await;
            let heard = self
                .lines(name)
                .into_iter()
                .find(|line| line["message"].as_str().is_some_and(|it| it.contains(words)) && is_it(line));
            if let Some(heard) = heard {
                return heard;
            }
        }
        panic!("{words:?} is never in {name}: {:#?}", self.lines(name));
    }

    fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([&format!("-{name}"), &self.child.id().to_string()]).status();
        assert!(sent.expect("kill is there").success());
    }

    fn run(&self, arguments: &[&str]) {
        let output = self.folder.run(arguments);
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    }

    async fn asks(&self, name: &str, args: Value) {
        let body =
            json!({"name": name, "args": args, "call": {"call_id": "call_1", "from_number": "+4915123456789"}}).to_string();
        let now = frontdesk_testkit::clock::system()().as_millisecond();
        let answer = Request::post(&format!("{}/api/t/practice/retell/functions", self.url))
            .header("content-type", "application/json")
            .header("x-retell-signature", &sign("key_practice", body.as_bytes(), now))
            .body(body)
            .timeout(Duration::from_secs(30))
            .send()
            .await
            .expect("an answer");
        assert_eq!(answer.status, 200, "{}", answer.text());
    }

    /// Asks it to stop and waits until it has.
    fn stop(&mut self) {
        self.signal("TERM");
        assert!(self.child.wait().expect("it ends").success());
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[tokio::test]
async fn every_kind_of_line_is_in_the_file_of_its_channel_without_people_and_to_the_last() {
    let mut desk = Desk::start(
        "file = \"log/desk.log\"\nchannels = { audit = \"log/audit.log\", voice = \"log/voice.log\" }\n",
        "log/desk.log",
    )
    .await;
    desk.asks("request_callback", json!({"name": "Anna Schmidt", "phone": "+4915123456789", "reason": "anna@example.org"})).await;
    desk.asks("no_such_thing_for_+4915123456789", json!({})).await;
    desk.run(&["feature", "set", "rate_limit", "shadow", "--tenant", "practice", "--why", "a test"]);
    let switched = desk.hears("log/audit.log", "a protection was switched").await;
    assert_eq!(
        (&switched["feature"], &switched["tenant"], &switched["state"]),
        (&"rate_limit".into(), &"practice".into(), &"shadow".into())
    );
    let other = desk
        .folder
        .write("other.toml", &TENANT.replace("slug = \"practice\"", "slug = \"other\"").replace("key_practice", "key_other"));
    desk.run(&["tenant", "apply", other.to_str().expect("a path")]);
    let taken = desk.hears("log/audit.log", "a tenant was taken up").await;
    assert_eq!((&taken["tenant"], &taken["what"]), (&"other".into(), &"added".into()));
    desk.run(&["tenant", "remove", "other"]);
    desk.hears_of("log/audit.log", "a tenant was taken up", |line| line["what"] == "removed" && line["tenant"] == "other").await;
    desk.signal("HUP");
    desk.hears("log/audit.log", "SIGHUP: the configuration is taken up").await;
    desk.stop();
    assert_eq!(desk.lines("log/desk.log").last().expect("a line")["message"], "stopped", "nothing is lost at the end");
    assert!(!desk.lines("log/voice.log").is_empty());
    for (name, channels) in
        [("log/desk.log", &["gateway", "calcom"][..]), ("log/audit.log", &["audit"]), ("log/voice.log", &["voice"])]
    {
        let text = std::fs::read_to_string(desk.path(name)).expect("text");
        for line in text.lines() {
            let line: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
            assert!(channels.contains(&line["channel"].as_str().expect("a channel")), "{name}: {line}");
            assert!(line["timestamp"].is_string() && line["level"].is_string(), "{line}");
        }
        for secret in ["49151", "23456789", "Anna", "Schmidt", "anna@", "key_practice"] {
            assert!(!text.contains(secret), "{secret} in {name}: {text}");
        }
    }
    let said = std::fs::read_to_string(desk.path("stderr")).expect("text");
    assert!(!said.contains("listening") && !said.contains("stopped"), "what is in a file is not on standard error: {said}");
}

#[tokio::test]
async fn a_file_that_is_full_is_put_away_and_only_so_many_are_kept() {
    let mut desk = Desk::start(
        "file = \"desk.log\"\nrotate = \"size\"\nmax_size = \"64KiB\"\nkeep = 2\nlevels = { voice = \"trace\" }\n",
        "desk.log",
    )
    .await;
    let put_away = |folder: &Path| {
        let names = std::fs::read_dir(folder)
            .expect("a folder")
            .map(|entry| entry.expect("an entry").file_name().into_string().expect("text"));
        let mut names: Vec<String> = names.filter(|name| name.starts_with("desk.log.")).collect();
        names.sort();
        names
    };
    let (mut seen, mut asked) = (std::collections::BTreeSet::new(), 0);
    while seen.len() < 3 {
        assert!(asked < 20_000, "files are put away: {seen:?}");
        for _ in 0..50 {
            desk.asks("list_services", json!({})).await;
            asked += 1;
        }
        seen.extend(put_away(desk.folder.path()));
    }
    desk.stop();
    let kept = put_away(desk.folder.path());
    assert_eq!(kept.len(), 2, "{kept:?}");
    for name in &kept {
        let length = std::fs::metadata(desk.path(name)).expect("a file").len();
        assert!((60 * 1024..=64 * 1024).contains(&length), "{name} has {length} bytes");
    }
}

#[tokio::test]
async fn who_moves_files_away_sends_sighup_and_levels_are_taken_up_with_it() {
    let mut desk = Desk::start("file = \"desk.log\"\nrotate = \"never\"\n", "desk.log").await;
    std::fs::rename(desk.path("desk.log"), desk.path("moved.log")).expect("moved");
    let quiet = format!(
        "{}[log]\nfile = \"desk.log\"\nlevel = \"error\"\nlevels = {{ audit = \"info\" }}\n",
        configuration("sqlite:data/frontdesk.db")
    );
    desk.folder.write("frontdesk.toml", &quiet);
    desk.signal("HUP");
    let taken = desk.hears("desk.log", "SIGHUP: the configuration is taken up").await;
    assert_eq!(taken["changed"], "log");
    desk.asks("list_services", json!({})).await;
    // A log that cannot be is a configuration that is refused; lines go on where they went.
    desk.folder.write("frontdesk.toml", &quiet.replace("\"desk.log\"", "\"data/frontdesk.db/desk.log\""));
    desk.signal("HUP");
    let refused = desk.hears("desk.log", "SIGHUP: not right").await;
    assert_eq!(refused["setting"], "log", "{refused}");
    desk.stop();
    let lines = desk.lines("desk.log");
    assert!(lines.iter().all(|line| line["channel"] == "audit" || line["level"] == "ERROR"), "{lines:#?}");
}

#[tokio::test]
async fn a_disk_that_takes_no_line_is_in_nobodys_way_and_is_counted() {
    let desk = Desk::start("channels = { gateway = \"boot.log\", voice = \"/dev/full\" }\n", "boot.log").await;
    for _ in 0..20 {
        desk.asks("list_services", json!({})).await;
    }
    let mut looks = interval(Duration::from_millis(10));
    let mut lost = 0;
    for _ in 0..LOOKS {
        looks.tick().await;
        let metrics = Request::get(&format!("{}/metrics", desk.url)).bearer("operator").send().await.expect("an answer").text();
        let line = metrics.lines().find_map(|line| line.strip_prefix("frontdesk_log_lines_lost_total "));
        lost = line.and_then(|count| count.parse().ok()).unwrap_or(0);
        if lost >= 20 {
            break;
        }
    }
    assert!(lost >= 20, "{lost} lines are counted");
    let said = std::fs::read_to_string(desk.path("stderr")).expect("text");
    assert_eq!(said.matches("the log cannot be written").count(), 1, "{said}");
}

#[test]
fn a_log_that_cannot_be_opened_is_a_start_that_is_refused() {
    let folder = Folder::new();
    folder.write("frontdesk.toml", "[server]\nlisten = \"127.0.0.1:0\"\n[log]\nfile = \"/proc/no/such/desk.log\"\n");
    let output = folder.run(&["serve"]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("/proc/no/such/desk.log"), "{said}");
}
