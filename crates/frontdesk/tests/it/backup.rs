//! A backup is taken while callers book; the store that is made of it elsewhere knows of everything that was heard
//! before. What is not whole, or lacks its key, is refused, and nothing is overwritten by accident.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Output;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;

use frontdesk_testkit::http_client::{Request, Response};
use frontdesk_testkit::postgres::PostgresServer;
use jiff::civil::{DateTime, Weekday, time};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _};
use serde_json::{Value, json};
use tokio::sync::Mutex;
use tokio::task::JoinSet;

use crate::binary::Folder;
use crate::house::is_on_postgres;
use crate::kill::{Gateway, apply, configuration};

const TENANT: &str = "slug = \"practice\"\nname = \"Practice\"\ntime_zone = \"Europe/Berlin\"\nlanguage = \"en\"\n[retell]\n\
     api_key = \"key_practice\"\n[calendar]\nkind = \"builtin\"\n[hours]\nmon = [\"09:00-18:00\"]\ntue = [\"09:00-18:00\"]\n\
     wed = [\"09:00-18:00\"]\nthu = [\"09:00-18:00\"]\nfri = [\"09:00-18:00\"]\n[[services]]\nname = \"Checkup\"\nminutes = 15\n\
     [[staff]]\nname = \"Anna\"\nservices = [\"Checkup\"]\n";
/// So many are booked before the backup is taken, and as many after it was begun.
const BOOKINGS: usize = 24;
/// A quarter of an hour each, from nine to six.
const STARTS_A_DAY: i64 = 36;

/// Where a store is, and the folder that its gateway and its commands run in.
struct Place {
    folder: Folder,
    store: String,
    /// Held, so that it lives as long.
    _server: Option<Arc<PostgresServer>>,
}

impl Place {
    /// On the database that these tests are told on.
    fn new() -> Self {
        Self::on(is_on_postgres())
    }

    fn on(postgres: bool) -> Self {
        let server = postgres.then(PostgresServer::shared);
        let store = server.as_ref().map_or_else(|| "sqlite:data/frontdesk.db".to_owned(), |server| server.database());
        let folder = Folder::new();
        folder.write("frontdesk.toml", &configuration(&store));
        Self { folder, store, _server: server }
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.folder.run(arguments)
    }

    /// Runs it and takes the JSON that it answers.
    fn json(&self, arguments: &[&str]) -> Value {
        let output = self.run(&[arguments, &["--json"]].concat());
        assert!(output.status.success(), "{arguments:?}: {}", said(&output));
        serde_json::from_slice(&output.stdout).expect("JSON")
    }

    /// Takes a backup into a file of that name.
    fn back_up(&self, name: &str) -> PathBuf {
        let file = self.folder.path().join(name);
        let taken = self.run(&["backup", "--to", file.to_str().expect("a path")]);
        assert!(taken.status.success(), "{}", said(&taken));
        file
    }

    fn take_key_from(&self, other: &Self) {
        std::fs::create_dir_all(self.folder.path().join("data")).expect("a folder");
        let key = |place: &Self| place.folder.path().join("data/master.key");
        std::fs::copy(key(other), key(self)).expect("copied");
    }

    /// What is in its data folder, by name.
    fn files(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.folder.path().join("data")).expect("a folder");
        let mut names: Vec<String> =
            entries.map(|entry| entry.expect("an entry").file_name().into_string().expect("text")).collect();
        names.sort();
        names
    }
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

fn refused(output: &Output, word: &str) {
    assert_eq!(output.status.code(), Some(1), "{}", said(output));
    assert!(said(output).contains(word), "{word}: {}", said(output));
}

/// The start of a place on the practice's days, from the next week on.
fn start(number: i64) -> Timestamp {
    let berlin = TimeZone::get("Europe/Berlin").expect("known");
    let mut day = frontdesk_testkit::clock::system()().to_zoned_datetime(berlin.clone()).date() + 3.days();
    let mut left = number / STARTS_A_DAY;
    loop {
        let is_open = !matches!(day.weekday(), Weekday::Saturday | Weekday::Sunday);
        if is_open && left == 0 {
            break;
        }
        left -= i64::from(is_open);
        day += 1.days();
    }
    let local: DateTime = day.to_datetime(time(9, 0, 0, 0)) + (15 * (number % STARTS_A_DAY)).minutes();
    local.to_zoned_datetime(berlin).expect("a time").timestamp()
}

async fn book(url: &str, key: &str, start: Timestamp) -> Response {
    Request::post(&format!("{url}/api/v2/bookings"))
        .bearer(key)
        .json(&json!({"service": "Checkup", "start": start, "name": "Anna Schmidt", "phone": "+4915112345678"}))
        .timeout(Duration::from_secs(30))
        .send()
        .await
        .expect("an answer")
}

/// Waits until as many are heard of.
async fn until(heard: &Mutex<Vec<(String, Timestamp)>>, count: usize) -> usize {
    let mut looks = tokio::time::interval(Duration::from_millis(5));
    loop {
        looks.tick().await;
        let now = heard.lock().await.len();
        if now >= count {
            return now;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_heard_booked_before_a_backup_is_in_the_store_that_is_made_of_it() {
    let (here, there) = (Place::new(), Place::new());
    let key = apply(&here.folder, TENANT);
    let gateway = Gateway::start(&here.folder);
    let (heard, next, over) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicI64::new(0)), Arc::new(AtomicBool::new(false)));
    let mut callers = JoinSet::new();
    for _ in 0..4 {
        let (url, key) = (gateway.url.clone(), key.clone());
        let (heard, next, over) = (Arc::clone(&heard), Arc::clone(&next), Arc::clone(&over));
        callers.spawn(async move {
            while !over.load(Ordering::Relaxed) {
                let start = start(next.fetch_add(1, Ordering::Relaxed));
                let answer = book(&url, &key, start).await;
                assert_eq!(answer.status, 201, "{}", answer.text());
                let id = answer.json()["booking_id"].as_str().expect("an id").to_owned();
                heard.lock().await.push((id, start));
            }
        });
    }
    let before = until(&heard, BOOKINGS).await;
    let (here, file) = tokio::task::spawn_blocking(move || {
        let file = here.back_up("the.backup");
        (here, file)
    })
    .await
    .expect("taken");
    until(&heard, before + BOOKINGS).await;
    over.store(true, Ordering::Relaxed);
    while let Some(ended) = callers.join_next().await {
        ended.expect("every caller was served while the backup was taken");
    }
    assert_eq!(std::fs::metadata(&file).expect("a file").permissions().mode() & 0o777, 0o600, "people's data is in it");
    refused(&there.run(&["restore", file.to_str().expect("a path")]), "no master key is there");
    there.take_key_from(&here);
    let proof = there.json(&["restore", file.to_str().expect("a path"), "--verify"]);
    assert_eq!((&proof["restored"], &proof["tenants"], &proof["secrets"]), (&json!(false), &json!(1), &json!(1)), "{proof}");
    assert_eq!(proof["newest_revision"], "practice 1");
    assert_eq!(there.files(), ["master.key"], "nothing is left of the trial");

    there.json(&["restore", file.to_str().expect("a path")]);
    let restored = Gateway::start(&there.folder);
    let heard = heard.lock().await;
    for (id, start) in &heard[..before] {
        let answer =
            Request::get(&format!("{}/api/v2/bookings/{id}", restored.url)).bearer(&key).send().await.expect("an answer");
        let booking = answer.json();
        assert_eq!((answer.status, &booking["status"]), (200, &json!("booked")), "{id}: {booking}");
        assert_eq!(booking["start"].as_str().expect("a start").parse::<Timestamp>().expect("a time"), *start);
        assert_eq!(book(&restored.url, &key, *start).await.status, 409, "the time is taken there too");
    }
    let fresh = start(next.load(Ordering::Relaxed) + 100);
    assert_eq!(book(&restored.url, &key, fresh).await.status, 201, "and it goes on");
    drop(gateway);
    let audit = Request::get(&format!("{}/api/admin/audit", restored.url)).bearer("operator").send().await.expect("an answer");
    assert!(audit.json().to_string().contains("\"restore\""), "{}", audit.text());
}

#[tokio::test]
async fn nothing_that_is_in_use_or_holds_data_is_replaced_unless_it_is_forced_and_idle() {
    let here = Place::new();
    apply(&here.folder, TENANT);
    let file = here.back_up("the.backup");
    let file = file.to_str().expect("a path");
    refused(&here.run(&["backup", "--to", file]), "there already");
    refused(&here.run(&["restore", file]), "holds data");
    here.run(&["tenant", "remove", "practice"]);
    {
        let gateway = Gateway::start(&here.folder);
        let seen = |url: String| async move {
            let gateways = Request::get(&format!("{url}/api/admin/limits")).bearer("operator").send().await.expect("an answer");
            gateways.status == 200
        };
        assert!(seen(gateway.url.clone()).await);
        let mut looks = tokio::time::interval(Duration::from_millis(20));
        loop {
            looks.tick().await;
            let output = here.run(&["health", "--only", "gateways", "--detailed"]);
            if !said(&output).contains("No gateway runs") {
                break;
            }
        }
        refused(&here.run(&["restore", file, "--force"]), "a gateway serves");
        let stopped = std::process::Command::new("kill").args(["-TERM", &gateway.id().to_string()]).status().expect("kill");
        assert!(stopped.success());
        let mut gateway = gateway;
        assert!(gateway.ended(), "it ends well");
    }
    refused(&here.run(&["restore", file]), "holds data");
    let answer = here.json(&["restore", file, "--force"]);
    assert!(said(&here.run(&["tenant", "list"])).contains("practice"), "the tenant is back");
    let aside = here.files().iter().filter(|name| name.contains("before-restore")).count();
    match here.store.starts_with("sqlite") {
        true => assert!(aside == 1 && answer["set_aside"].is_string(), "{answer}"),
        false => assert!(aside == 0 && answer["set_aside"].is_null(), "{answer}"),
    }
}

#[test]
fn a_backup_that_is_not_whole_or_has_another_key_is_refused_and_changes_nothing() {
    let (here, there) = (Place::new(), Place::new());
    apply(&here.folder, TENANT);
    let file = here.back_up("the.backup");
    let whole = std::fs::read(&file).expect("read");
    there.take_key_from(&here);
    let spoilt = there.folder.path().join("spoilt.backup");
    let try_with = |bytes: &[u8], word: &str| {
        std::fs::write(&spoilt, bytes).expect("written");
        for way in [&["restore", "spoilt.backup"][..], &["restore", "spoilt.backup", "--verify"]] {
            refused(&there.run(way), word);
        }
        assert_eq!(there.files(), ["master.key"], "nothing was made");
    };
    for keep in [whole.len() - 1, whole.len() - 40, whole.len() / 2, 200] {
        try_with(&whole[..keep], "damaged");
    }
    // A digit of the manifest, a row, the checksum itself.
    for at in [whole.len() / 3, whole.len() / 2, whole.len() - 100, whole.len() - 20] {
        let mut bytes = whole.clone();
        bytes[at] ^= 1;
        try_with(&bytes, "damaged");
    }
    try_with(b"SQLite format 3\0", "no backup of frontdesk");
    try_with(b"", "no backup of frontdesk");

    std::fs::write(there.folder.path().join("data/master.key"), "ab".repeat(32)).expect("written");
    try_with(&whole, "bring that key back");
    std::fs::remove_file(there.folder.path().join("data/master.key")).expect("removed");
    std::fs::write(&spoilt, &whole).expect("written");
    refused(&there.run(&["restore", "spoilt.backup"]), "no master key is there");
    refused(&there.run(&["backup"]), "there is no store yet");
    assert_eq!(there.files(), Vec::<String>::new(), "no key was made");
}

#[test]
fn a_folder_of_backups_stays_as_large_as_it_is_told() {
    let here = Place::new();
    apply(&here.folder, TENANT);
    std::fs::create_dir(here.folder.path().join("backups")).expect("a folder");
    for day in 1..=3 {
        here.folder.write(&format!("backups/frontdesk-2026010{day}T000000Z.backup"), "old");
    }
    let taken = here.json(&["backup", "--to", "backups", "--keep", "2", "--verify"]);
    assert_eq!(taken["removed"].as_array().map(Vec::len), Some(2), "{taken}");
    assert_eq!((&taken["master_key_included"], &taken["verified"]), (&json!(false), &json!(true)));
    // Only the one that was proved counts, and only as long as it is young.
    let watched = |age: &str| {
        here.folder.write("watched.toml", &format!("{}[health]\nbackup_age = \"{age}\"\n", configuration(&here.store)));
        here.run(&["health", "--only", "backups", "--config", "watched.toml"]).status.code()
    };
    assert_eq!(watched("26h"), Some(0));
    let other = Place::new();
    apply(&other.folder, TENANT);
    other.back_up("the.backup");
    other.folder.write("frontdesk.toml", &format!("{}[health]\nbackup_age = \"26h\"\n", configuration(&other.store)));
    let warned = other.run(&["health", "--only", "backups"]);
    assert_eq!(warned.status.code(), Some(2), "{}", said(&warned));
    assert!(said(&warned).contains("backup --to FOLDER --verify"), "{}", said(&warned));
    let file = taken["file"].as_str().expect("a name");
    let text = std::fs::read_to_string(here.folder.path().join(file)).expect("text");
    let manifest: Value = serde_json::from_str(text.lines().next().expect("a line")).expect("JSON");
    assert_eq!(manifest, taken["manifest"], "the manifest is in the file");
    let key = std::fs::read_to_string(here.folder.path().join("data/master.key")).expect("a key");
    assert!(!text.contains(key.trim()) && !text.contains("key_practice"), "no key is in it");
    assert!(said(&here.run(&["backup", "--to", "another.backup"])).contains("master key is NOT in it"));
    let ours = |path: &Path| path.extension().is_some_and(|it| it == "backup");
    let left = std::fs::read_dir(here.folder.path().join("backups")).expect("a folder");
    assert_eq!(left.filter(|entry| ours(&entry.as_ref().expect("an entry").path())).count(), 2);
}

#[test]
fn a_store_moves_from_one_database_to_the_other() {
    for (from, to) in [(false, true), (true, false)] {
        let (here, there) = (Place::on(from), Place::on(to));
        let key = apply(&here.folder, TENANT);
        assert!(key.starts_with("fd_"));
        let file = here.back_up("the.backup");
        there.take_key_from(&here);
        let proof = there.json(&["restore", file.to_str().expect("a path")]);
        assert_eq!((&proof["tenants"], &proof["secrets"]), (&json!(1), &json!(1)), "{proof}");
        assert_eq!(there.run(&["health", "--only", "store,schema,master_key"]).status.code(), Some(0));
        let shown = said(&there.run(&["tenant", "history", "practice"]));
        assert!(shown.contains('1'), "{shown}");
        let feature = there.run(&["feature", "set", "rate_limit", "shadow", "--why", "the numbers go on"]);
        assert!(feature.status.success(), "{}", said(&feature));
    }
}
