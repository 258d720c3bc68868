//! Two hundred planted secrets and people: after a busy hour they stand in no log, no metric, no error
//! body and nothing that operators see of exchanges and of the outbox, though everybody outside repeats them.

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Command, Stdio};

use frontdesk_testkit::calcom::{Config, ErrorAnswer, ErrorShape, Fault, FaultKind, RateLimit, Route, SimulatedCalCom};
use frontdesk_testkit::http_client::Request;
use frontdesk_testkit::receiver::{Reply, WebhookReceiver};
use frontdesk_testkit::retell::sign;
use frontdesk_testkit::smtp::MailServer;
use serde_json::{Value, json};

use crate::binary::{BINARY, Folder};
use crate::patience::now_ms;

/// Fifty of each kind.
const EACH: usize = 50;

struct Planted {
    name: String,
    phone: String,
    email: String,
    key: String,
}

fn planted() -> Vec<Planted> {
    let one = |number: usize| Planted {
        name: format!("Planta Versteckmann{}", ["a", "b", "c", "d", "e", "f", "g"][number % 7].repeat(number / 7 + 1)),
        phone: format!("+4915170{number:06}"),
        email: format!("verborgen.{number}.person@planted.example"),
        key: format!("cal_live_{number:02}f7e6d5c4b3a2"),
    };
    (0..EACH).map(one).collect()
}

#[tokio::test]
async fn two_hundred_planted_secrets_and_people_are_found_nowhere() {
    let calendar = SimulatedCalCom::start(Config::salon().rate_limit(Some(RateLimit::of(100_000)))).await;
    let folder = Folder::new();
    let (mail, software) = (MailServer::start().await, WebhookReceiver::start().await);
    // Both refuse and repeat what they were given; the mail server says whom it refuses.
    mail.refuse("RCPT", 550);
    let echo = planted().iter().map(|it| format!("{} {} {} {}", it.name, it.phone, it.email, it.key)).collect::<String>();
    software.always(Some(Reply::Status(500, echo)));
    let own = format!(
        "[smtp]\nurl = \"{}\"\nfrom = \"noreply@desk.example\"\n[outbox]\nprivate_targets = [\"127.0.0.0/8\"]\n",
        mail.url()
    );
    let config = folder.write(
        "frontdesk.toml",
        &format!("{own}{}", "[server]\nlisten = \"127.0.0.1:0\"\nadmin_key = \"operator\"\n[rate_limit]\ndefault = \"10000/min\"\nbooking = \"10000/min\"\navailability = \"10000/min\"\ncalendar = \"100000/min\"\n[circuit_breaker]\nfailure_threshold = 1000\n"),
    );
    let tenant = include_str!("tenants/calcom.toml").replace("BASE_URL", &calendar.base_url());
    let notify =
        format!("[notify]\nemail = [\"empfang@salon.example\"]\nwebhook_url = \"{}?key={}\"\n", software.url(), planted()[0].key);
    let tenant = format!("{tenant}{notify}");
    let file = folder.write("salon.toml", &tenant);
    let (config, file) = (config.to_str().expect("a path"), file.to_str().expect("a path"));
    let applied = folder.run(&["--config", config, "--json", "tenant", "apply", file]);
    assert!(applied.status.success(), "{}", String::from_utf8_lossy(&applied.stderr));
    let applied: Value = serde_json::from_slice(&applied.stdout).expect("JSON");
    let rest_key = find_key(&applied).expect("a key is printed");

    let mut child = Command::new(BINARY)
        .args(["serve", "--config", config])
        .current_dir(folder.path())
        .env("RUST_LOG", "debug")
        .stdin(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it starts");
    let mut lines = BufReader::new(child.stderr.take().expect("a pipe"));
    let mut log = String::new();
    let url = loop {
        let before = log.len();
        assert!(lines.read_line(&mut log).expect("text") > 0, "it ended before it listened: {log}");
        if let Some(line) = log.get(before..).filter(|line| line.contains("\"listening\"")) {
            let line: Value = serde_json::from_str(line).expect("JSON");
            break format!("http://{}", line["address"].as_str().expect("an address"));
        }
    };
    let rest = std::thread::spawn(move || {
        let mut rest = String::new();
        let _ = lines.read_to_string(&mut rest);
        rest
    });

    let mut seen = String::new();
    let mut request_ids = Vec::new();
    for (number, it) in planted().iter().enumerate() {
        // The calendar answers with the caller's data in its error, to this caller's booking and no other.
        calendar.clear_faults();
        let echo = format!("attendee {} <{}> {} key {} was not accepted", it.name, it.email, it.phone, it.key);
        let error = ErrorAnswer::new([400, 500, 422][number % 3], [ErrorShape::A, ErrorShape::C][number % 2]).message(&echo);
        // A 5xx that stored nothing is tried again behind the caller's back, where it may meet another
        // caller's booking: this one is stored, so that every error names its own caller.
        let kind = if number % 3 == 1 { FaultKind::StoreThenStatus(error) } else { FaultKind::Status(error) };
        calendar.fault(Fault::on(Route::Create, kind));
        let call = json!({"call_id": format!("call_{number}"), "agent_id": "agent_salon", "to_number": "+4930111111", "from_number": it.phone,
            "transcript": format!("Ich bin {} unter {}", it.name, it.phone)});
        for (function, args) in [
            ("check_availability", json!({"service": "Herrenhaarschnitt", "date": "morgen", "time": "14 Uhr"})),
            (
                "collect_appointment",
                json!({"dienstleistung": "Herrenhaarschnitt", "datum": "übermorgen", "uhrzeit": "15:00", "name": it.name, "email": it.email, "bestaetigung": true}),
            ),
            (
                "collect_appointment",
                json!({"dienstleistung": "Herrenhaarschnitt", "datum": "übermorgen", "uhrzeit": "15:00", "name": it.name, "email": it.email, "bestaetigung": true, "notes": it.key}),
            ),
            ("request_callback", json!({"name": it.name, "phone": it.phone, "reason": format!("{} {}", it.email, it.key)})),
            (it.key.as_str(), json!({it.name.as_str(): it.phone})),
        ] {
            let body = json!({"name": function, "args": args, "call": call}).to_string();
            let answer = Request::post(&format!(
                "{url}/api/t/salon/retell/functions?token={}&name={}",
                it.key,
                it.phone.trim_start_matches('+')
            ))
            .header("x-retell-signature", &sign("key_salon", body.as_bytes(), now_ms()))
            .header("cookie", &format!("session={}", it.key))
            .body(body)
            .send()
            .await
            .expect("an answer");
            assert_eq!(answer.status, 200, "{}", answer.text());
            request_ids.push(answer.header("x-request-id").unwrap_or("").to_owned());
        }
        // Strangers and mistakes: their error bodies are looked at.
        for (method, path, key) in [
            ("GET", format!("/api/v2/bookings/{}", it.phone.replace('+', "%2B")), it.key.clone()),
            ("GET", format!("/api/v2/bookings/{}", it.email), rest_key.clone()),
            ("GET", format!("/nothing/{}?email={}", it.key, it.email), it.key.clone()),
            ("POST", "/api/v2/bookings".to_owned(), rest_key.clone()),
            ("GET", format!("/api/admin/calls/{}", it.key), it.key.clone()),
        ] {
            let mut request = Request::new(method, &format!("{url}{path}")).bearer(&key).header("x-api-key", &it.key);
            if method == "POST" {
                request = request.json(
                    &json!({"service": it.name, "start": it.phone, "name": it.name, "email": it.key, it.email.as_str(): it.key}),
                );
            }
            let answer = request.send().await.expect("an answer");
            assert!((400..500).contains(&answer.status), "{path}: {}", answer.text());
            seen.push_str(&answer.text());
        }
        let body = format!(
            "{{\"event\":\"call_analyzed\",\"call\":{{\"call_id\":\"call_{number}\",\"agent_id\":\"agent_salon\",\"transcript\":\"{} {}\"}}}}",
            it.name, it.email
        );
        let signature = sign("key_salon", body.as_bytes(), now_ms());
        let event =
            Request::post(&format!("{url}/api/t/salon/retell/events")).header("x-retell-signature", &signature).body(body);
        assert_eq!(event.send().await.expect("an answer").status, 204);
    }
    // The outbox is looked at once a second.
    let mut ticks = tokio::time::interval(std::time::Duration::from_millis(100));
    while software.posted().is_empty() || mail.sessions() == 0 {
        ticks.tick().await;
    }
    // What operators read: metrics, limits, audit, exchanges with the calendar.
    let mut looked_at = 0;
    for path in [
        "/metrics",
        "/api/admin/limits",
        "/api/admin/audit",
        "/api/admin/breakers",
        "/api/admin/intents",
        "/api/admin/outbox",
        "/api/health",
    ] {
        let answer = Request::get(&format!("{url}{path}")).bearer("operator").send().await.expect("an answer");
        assert_eq!(answer.status, 200, "{path}");
        seen.push_str(&answer.text());
    }
    // Exchanges are written down twice a second: the last ones are there once the first are.
    for request in request_ids.iter().step_by(5).map(|_| &request_ids[1]).take(1) {
        loop {
            ticks.tick().await;
            let answer =
                Request::get(&format!("{url}/api/admin/exchanges/{request}")).bearer("operator").send().await.expect("an answer");
            if answer.json()["items"].as_array().is_some_and(|items| !items.is_empty()) {
                break;
            }
        }
    }
    for request in &request_ids {
        let answer =
            Request::get(&format!("{url}/api/admin/exchanges/{request}")).bearer("operator").send().await.expect("an answer");
        looked_at += answer.json()["items"].as_array().map_or(0, Vec::len);
        seen.push_str(&answer.text());
    }
    assert!(looked_at > EACH, "exchanges were kept: {looked_at}");

    let stopped = Command::new("kill").args(["-TERM", &child.id().to_string()]).status().expect("kill is there");
    assert!(stopped.success());
    child.wait().expect("ended");
    log.push_str(&rest.join().expect("read"));
    assert!(log.lines().count() > 500, "it said something: {}", log.lines().count());
    let mut leaks = Vec::new();
    for it in planted() {
        let surname = it.name.split(' ').next_back().expect("a name").to_owned();
        for secret in [&surname, &it.phone[1..].to_owned(), &it.email, &it.key] {
            for (place, text) in [("the log", &log), ("an answer", &seen)] {
                if let Some(at) = text.find(secret.as_str()) {
                    let from = text[..at].char_indices().rev().nth(160).map_or(0, |(index, _)| index);
                    leaks.push(format!("{secret} in {place}: {}", text[from..].chars().take(260).collect::<String>()));
                }
            }
        }
    }
    assert!(leaks.is_empty(), "{} leaks, the first: {:#?}", leaks.len(), &leaks[..leaks.len().min(5)]);
    assert!(log.contains("REDACTED]") || log.contains("function served"));
}

/// The REST key that `tenant apply` printed, wherever in the document it stands.
fn find_key(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => text.starts_with("fd_").then(|| text.clone()),
        Value::Array(items) => items.iter().find_map(find_key),
        Value::Object(fields) => fields.values().find_map(find_key),
        _ => None,
    }
}
