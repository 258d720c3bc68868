//! What `frontdesk watch` says of a gateway that runs: numbers, and what held, by the real binary.

use std::fs::File;
use std::io::Write as _;
use std::process::{Child, Command, Stdio};

use frontdesk_testkit::http_client::Request;
use frontdesk_testkit::retell::sign;
use serde_json::{Value, json};

use crate::binary::{BINARY, Folder};
use crate::house::SALON;
use crate::patience::{now_ms, until_so};

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

impl Gateway {
    /// A salon on the built-in calendar; its log is a file.
    async fn start(folder: &Folder) -> Self {
        let port = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port").local_addr().expect("its address").port();
        folder.write("frontdesk.toml", &format!("[server]\nlisten = \"127.0.0.1:{port}\"\nadmin_key = \"\"\n"));
        let file = folder.write("salon.toml", SALON);
        let applied = folder.run(&["tenant", "apply", file.to_str().expect("a path")]);
        assert!(applied.status.success(), "{}", String::from_utf8_lossy(&applied.stderr));
        let log = File::options().create(true).append(true).open(folder.path().join("gateway.log")).expect("a log");
        let child = Command::new(BINARY)
            .arg("serve")
            .current_dir(folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("it starts");
        let gateway = Self { child, address: format!("http://127.0.0.1:{port}") };
        let livez = format!("{}/livez", gateway.address);
        until_so("a gateway", async || Request::get(&livez).send().await.is_ok_and(|it| it.status == 200)).await;
        gateway
    }

    async fn say(&self, call: &str, function: &str) -> Value {
        let envelope = json!({ "call_id": call, "call_type": "phone_call", "direction": "inbound", "agent_id": "agent_salon",
                               "from_number": "+4915123456789", "to_number": "+4930111111" });
        let body = json!({ "name": function, "args": {}, "call": envelope }).to_string();
        let signature = sign("key_salon", body.as_bytes(), now_ms());
        let address = format!("{}/api/t/salon/retell/functions", self.address);
        let request = Request::post(&address).header("x-retell-signature", &signature);
        let answer = request.header("content-type", "application/json").body(body).send().await.expect("answered");
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.json()
    }

    /// As the old runbook has it: more than the limit of health.
    async fn stress(&self) -> usize {
        let mut refused = 0;
        for _ in 0..35 {
            let answer = Request::get(&format!("{}/api/health", self.address)).send().await.expect("answered");
            refused += usize::from(answer.status == 429);
        }
        refused
    }
}

/// The exit code, the looks, the verdict.
fn watched(folder: &Folder, more: &[&str]) -> (Option<i32>, Vec<Value>, Value) {
    let output = folder.run(&[&["watch", "--json"], more].concat());
    let out = String::from_utf8_lossy(&output.stdout).into_owned();
    let mut lines: Vec<Value> = out.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let verdict = lines.pop().unwrap_or_else(|| panic!("{}", String::from_utf8_lossy(&output.stderr)));
    (output.status.code(), lines, verdict)
}

fn holds(verdict: &Value) -> Vec<(&str, &str)> {
    let items = verdict["criteria"].as_array().expect("criteria");
    items.iter().map(|it| (it["criterion"].as_str().expect("a name"), it["holds"].as_str().expect("a word"))).collect()
}

#[tokio::test]
async fn what_held_is_said_with_its_evidence_and_what_had_no_sample_is_not_claimed() {
    let folder = Folder::new();
    let gateway = Gateway::start(&folder).await;
    for number in 0..3 {
        let answer = gateway.say(&format!("c{number}"), "list_services").await;
        assert_eq!(answer["status"], "ok", "{answer}");
    }
    assert_eq!(gateway.stress().await, 5);
    let mut last = Value::Null;
    until_so("the numbers in the store", async || {
        let (code, looks, verdict) = watched(&folder, &["--once"]);
        last = json!({ "looks": looks, "verdict": verdict });
        code == Some(0)
    })
    .await;
    let (look, verdict) = (&last["looks"][0], &last["verdict"]);
    assert_eq!(
        (&look["gateways"], &look["answers"], &look["refused"], &look["calls"]),
        (&json!(1), &json!(3), &json!(5), &json!(3))
    );
    assert_eq!(verdict["held"], true);
    let evidence: String =
        verdict["criteria"].as_array().expect("criteria").iter().map(|it| format!("{}\n", it["evidence"])).collect();
    for part in [
        "0 of 3 answers",
        "5 requests over a limit were refused",
        "no breaker was seen open",
        "lines read: none of 2 stored secrets",
    ] {
        assert!(evidence.contains(part), "{part}\n{evidence}");
    }

    // From now on nothing happens.
    let (code, looks, verdict) = watched(&folder, &["--for", "1s", "--every", "200ms"]);
    assert_eq!(code, Some(1));
    assert!(looks.len() >= 2 && looks.iter().all(|it| it["answers"] == 0), "{looks:?}");
    let words: Vec<&str> = holds(&verdict).iter().map(|(_, word)| *word).collect();
    assert_eq!(words, ["no sample", "no sample", "held", "no sample", "no sample", "no sample"]);
}

#[tokio::test]
async fn a_key_in_the_log_and_a_caller_that_was_refused_break_what_has_to_hold() {
    let folder = Folder::new();
    let gateway = Gateway::start(&folder).await;
    let mut log = File::options().append(true).open(folder.path().join("gateway.log")).expect("the log");
    writeln!(log, "somebody printed key_salon here").expect("written");
    for number in 0..65 {
        gateway.say(&format!("c{number}"), "opening_hours").await;
    }
    let mut words = Vec::new();
    until_so("a refusal in the store", async || {
        let (code, _, verdict) = watched(&folder, &["--once"]);
        words = holds(&verdict).into_iter().map(|(name, word)| format!("{name}: {word}")).collect();
        // Gateways file what they count and how they stand a moment apart.
        let seen = ["no legitimate caller refused: broken", "limits answer 429: held"];
        code == Some(1) && seen.iter().all(|it| words.contains(&(*it).to_owned()))
    })
    .await;
    assert!(words.contains(&"no secret in the logs: broken".to_owned()), "{words:?}");
    let output = folder.run(&["watch", "--once"]);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let first = text.lines().next().expect("a line");
    assert!(first.contains(" gateways=1 answers=65 failed=0 refused=5 breaker=closed p95="), "{text}");
    assert!(text.contains("rate_limit:salon:default") && text.ends_with("of 6 held\n"), "{text}");
    assert!(!text.contains("key_salon"), "what was found is not said");
}

#[test]
fn without_a_gateway_nothing_is_claimed() {
    let folder = Folder::new();
    let (code, looks, verdict) = watched(&folder, &["--once"]);
    assert_eq!((code, looks.len(), &looks[0]["gateways"]), (Some(1), 1, &json!(0)));
    assert!(holds(&verdict).iter().all(|(_, word)| *word == "no sample"), "{verdict}");
}
