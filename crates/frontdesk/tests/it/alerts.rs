//! When something is wrong, the one who runs the deployment is told: once, whoever looks and whatever fails in between.

use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::{Request, StatusCode};
use frontdesk::config::addresses::Network;
use frontdesk::config::deployment::{DeploymentConfig, Sender, Smtp};
use frontdesk::config::secrets::SecretSource;
use frontdesk_core::alert::{Alert, Rule, Silence};
use frontdesk_core::clock::{Clock as _, ManualClock};
use frontdesk_core::outbox::{Outbox as _, OutboxFilter, RowState};
use frontdesk_core::sensitive::Secret;
use frontdesk_testkit::calcom::{Config, ErrorShape, Fault, RateLimit, Route, SimulatedCalCom};
use frontdesk_testkit::http_client;
use frontdesk_testkit::postgres::PostgresServer;
use frontdesk_testkit::receiver::{Reply, WebhookReceiver};
use frontdesk_testkit::smtp::MailServer;
use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::binary::{BINARY, Folder};
use crate::house::{ANNA, House, NOW, SALON};
use crate::patience::until_so;

const ON_CALL: &str = "oncall@desk.example";

/// Who is told: a chat and a mailbox.
struct OnCall {
    chat: WebhookReceiver,
    mail: MailServer,
}

impl OnCall {
    async fn there() -> Self {
        Self { chat: WebhookReceiver::start().await, mail: MailServer::start().await }
    }

    fn configure(&self) -> impl Fn(&mut DeploymentConfig) + use<> {
        let (chat, mail) = (self.chat.url(), self.mail.url());
        move |config| {
            let from = Sender::parse("Frontdesk <noreply@desk.example>");
            config.smtp = Some(Smtp { url: SecretSource::Literal(Secret::new(&mail)), from });
            config.server.admin_key = Some(SecretSource::Literal(Secret::new("operator")));
            config.private_targets = vec![Network::parse("127.0.0.0/8").expect("a network")];
            config.live.alerts.webhook_url = Some(SecretSource::Literal(Secret::new(&chat)));
            config.live.alerts.email = vec![ON_CALL.to_owned()];
            config.live.rate_limit.default = 2;
            config.live.alerts.rate_limited_1h = 3;
            config.live.deadlines.write = Duration::from_millis(400);
        }
    }

    async fn salon(&self) -> House {
        House::with(&[SALON], self.configure()).await
    }

    /// A salon on Cal.com.
    async fn calcom(&self) -> (House, SimulatedCalCom) {
        let clock = Arc::new(ManualClock::new(NOW.parse().expect("a timestamp")));
        let for_calendar = Arc::clone(&clock);
        let config = Config::salon().clock(Arc::new(move || for_calendar.now())).rate_limit(Some(RateLimit::of(10_000)));
        let calendar = SimulatedCalCom::start(config).await;
        let tenant = include_str!("tenants/calcom.toml").replace("BASE_URL", &calendar.base_url());
        (House::at(clock, &[&tenant], self.configure()).await, calendar)
    }

    fn said(&self) -> Vec<String> {
        let text = |body: &str| serde_json::from_str::<Value>(body).expect("JSON")["text"].as_str().expect("a text").to_owned();
        self.chat.posted().iter().map(|posted| text(&posted.body)).collect()
    }

    fn subjects(&self) -> Vec<String> {
        self.mail.letters_to(ON_CALL).iter().map(frontdesk_testkit::smtp::Letter::subject).collect()
    }
}

async fn looked(house: &House) -> Vec<(Rule, bool)> {
    brief(&house.inner.look_out().await.expect("looked"))
}

fn brief(alerts: &[Alert]) -> Vec<(Rule, bool)> {
    alerts.iter().map(|it| (it.rule, it.is_firing())).collect()
}

/// So many questions more than the limit lets through.
async fn refused(house: &House, times: usize) {
    for _ in 0..times + 2 {
        house.call("salon", "c1", ANNA).say("list_services", json!({})).await;
    }
}

#[tokio::test]
async fn what_fires_is_told_once_to_each_receiver_and_so_is_its_end() {
    let on_call = OnCall::there().await;
    let house = on_call.salon().await;
    assert!(looked(&house).await.is_empty(), "nothing is wrong");
    refused(&house, 4).await;
    assert_eq!(looked(&house).await, [(Rule::Refusals, true)]);
    for _ in 0..3 {
        house.wait(SignedDuration::from_secs(2));
        assert!(looked(&house).await.is_empty(), "it fires already");
        house.deliver().await;
    }
    let said = on_call.said();
    assert_eq!(said.len(), 1, "{said:?}");
    assert!(said[0].starts_with("ERROR refusals: refusals by a limit in 1 h: 4; more than 3 are too many."), "{}", said[0]);
    assert!(!said[0].contains(ANNA), "nobody's number");
    assert_eq!(on_call.subjects(), ["[frontdesk] ERROR refusals"]);
    let letter = on_call.mail.letters_to(ON_CALL)[0].text();
    assert!(letter.contains("frontdesk alerts silence refusals --for 2h"), "{letter}");

    house.wait(SignedDuration::from_mins(61));
    assert!(looked(&house).await.is_empty(), "it has to be calm for a while");
    house.wait(SignedDuration::from_mins(6));
    assert_eq!(looked(&house).await, [(Rule::Refusals, false)]);
    house.deliver().await;
    assert_eq!(on_call.said().len(), 2);
    assert!(on_call.said()[1].starts_with("RESOLVED refusals, after 67 min"), "{}", on_call.said()[1]);
    assert_eq!(on_call.subjects()[1], "[frontdesk] RESOLVED refusals");
}

#[tokio::test]
async fn a_calendar_that_fails_opens_its_breaker_and_both_are_told() {
    let on_call = OnCall::there().await;
    let (house, calendar) = on_call.calcom().await;
    calendar.fault(Fault::status(Route::Slots, 500, ErrorShape::A).standing());
    for number in 0..6 {
        let call = format!("c{number}");
        let wish = json!({"service": "Herrenhaarschnitt", "date": "Montag", "time": "10 Uhr"});
        let answer = house.call("salon", &call, ANNA).say("check_availability", wish).await;
        assert_eq!(answer["status"], "temporarily_unavailable", "{answer}");
    }
    let mut fired = looked(&house).await;
    fired.sort();
    assert_eq!(fired, [(Rule::Errors, true), (Rule::Failing, true), (Rule::BreakerOpen, true)]);
    let request = Request::get("/api/admin/alerts").header("authorization", "Bearer operator");
    let (status, list, _) = house.send(request.body(Body::empty()).expect("a request")).await;
    assert_eq!(status, StatusCode::OK);
    let items = list["items"].as_array().expect("items");
    let breaker = items.iter().find(|it| it["rule"] == "breaker_open").expect("listed");
    assert_eq!((&breaker["state"], &breaker["level"]), (&json!("firing"), &json!("CRITICAL")), "{breaker}");
    assert!(!list.to_string().contains("cal_test"), "no key: {list}");
    let request = Request::get("/metrics").header("authorization", "Bearer operator");
    let (_, metrics, _) = house.send(request.body(Body::empty()).expect("a request")).await;
    let metrics = metrics.as_str().expect("text").to_owned();
    for line in ["frontdesk_alerts_firing{rule=\"breaker_open\"} 1", "frontdesk_alerts_firing{rule=\"abuse\"} 0"] {
        assert!(metrics.contains(line), "{line}\n{metrics}");
    }
}

#[tokio::test]
async fn refusals_count_whoever_was_refused() {
    let on_call = OnCall::there().await;
    let house = on_call.salon().await;
    for _ in 0..34 {
        house.send(Request::get("/api/health").body(Body::empty()).expect("a request")).await;
    }
    assert_eq!(looked(&house).await, [(Rule::Refusals, true)], "thirty are let through, more than three are not");
}

#[tokio::test]
async fn a_silence_is_kept_and_what_fires_still_is_told_when_it_ends() {
    let on_call = OnCall::there().await;
    let house = on_call.salon().await;
    let until = house.now() + SignedDuration::from_mins(10);
    let silence = Silence { rule: Rule::Refusals, subject: None, until, who: "cli:anna".to_owned() };
    house.inner.store.silence(&silence, house.now()).await.expect("silenced");
    refused(&house, 4).await;
    assert_eq!(looked(&house).await, [(Rule::Refusals, true)], "it is written down");
    house.deliver().await;
    assert!(on_call.said().is_empty() && on_call.subjects().is_empty(), "and nobody is told");
    house.wait(SignedDuration::from_mins(10));
    assert_eq!(looked(&house).await, [(Rule::Refusals, true)]);
    house.deliver().await;
    assert_eq!((on_call.said().len(), on_call.subjects().len()), (1, 1));
}

#[tokio::test]
async fn a_chat_that_is_away_is_told_later_and_keeps_nobody_waiting() {
    let on_call = OnCall::there().await;
    let software = WebhookReceiver::start().await;
    let salon = format!("{SALON}\n[notify]\nwebhook_url = \"{}\"\n", software.url());
    let house = House::with(&[&salon], |config| {
        on_call.configure()(config);
        config.live.rate_limit.default = 1000;
        config.live.rate_limit.cancel = 1;
    })
    .await;
    on_call.chat.always(Some(Reply::Status(500, String::new())));
    for number in 0..5 {
        let why = format!("reason {number}");
        house.call("salon", "c1", ANNA).say("cancel_appointment", json!({ "reason": why })).await;
    }
    assert_eq!(looked(&house).await, [(Rule::Refusals, true)]);
    house.wait(SignedDuration::from_secs(61));
    house.call("salon", "c2", ANNA).booked("Beratung", "Montag", "10 Uhr", "Anna Schmidt").await;
    house.deliver().await;
    assert_eq!(software.posted().iter().filter(|it| it.event() == "appointment.booked").count(), 1);
    assert_eq!(on_call.subjects(), ["[frontdesk] ERROR refusals"]);
    on_call.chat.always(None);
    house.wait(SignedDuration::from_secs(10));
    house.deliver().await;
    let posted = on_call.chat.posted();
    assert_eq!(posted.len(), 2, "once in vain");
    assert_eq!(posted[0].header("webhook-id"), posted[1].header("webhook-id"));
}

#[tokio::test]
async fn who_dies_between_firing_and_telling_has_told_all_the_same() {
    let on_call = OnCall::there().await;
    let house = on_call.salon().await;
    refused(&house, 4).await;
    assert_eq!(looked(&house).await, [(Rule::Refusals, true)]);
    let ruin = house.die();
    let house = House::rise(ruin, on_call.configure()).await;
    assert!(looked(&house).await.is_empty(), "the turn is the dead one's for a while");
    house.deliver().await;
    assert_eq!((on_call.said().len(), on_call.subjects().len()), (1, 1));
    house.wait(SignedDuration::from_mins(1));
    assert!(looked(&house).await.is_empty(), "it fires already, whoever looks");
    house.deliver().await;
    assert_eq!(on_call.said().len(), 1);
    let dead = OutboxFilter { state: Some(RowState::Dead), ..OutboxFilter::default() };
    assert!(house.inner.store.outbox(&dead).await.expect("read").is_empty());
}

#[tokio::test]
async fn gateways_that_look_at_the_same_time_tell_once() {
    let on_call = OnCall::there().await;
    let house = on_call.salon().await;
    let other = house.beside(on_call.configure()).await;
    refused(&house, 4).await;
    let (one, two) = tokio::join!(house.inner.look_out(), other.look_out());
    let mut fired = brief(&one.expect("looked"));
    fired.extend(brief(&two.expect("looked")));
    for _ in 0..3 {
        house.wait(SignedDuration::from_secs(20));
        fired.extend(looked(&house).await);
        fired.extend(brief(&other.look_out().await.expect("looked")));
    }
    assert_eq!(fired, [(Rule::Refusals, true)]);
    house.deliver().await;
    assert_eq!(on_call.said().len(), 1);
}

#[tokio::test]
async fn a_gateway_without_the_receiver_leaves_the_telling_to_one_that_has_it() {
    let on_call = OnCall::there().await;
    let house = on_call.salon().await;
    let bare = house
        .beside(|config| {
            on_call.configure()(config);
            (config.live.alerts.webhook_url, config.live.alerts.email) = (None, Vec::new());
        })
        .await;
    refused(&house, 4).await;
    assert_eq!(looked(&house).await, [(Rule::Refusals, true)]);
    bare.deliver().await.expect("delivered");
    assert!(on_call.said().is_empty() && on_call.subjects().is_empty());
    house.wait(SignedDuration::from_mins(10));
    house.deliver().await;
    assert_eq!((on_call.said().len(), on_call.subjects().len()), (1, 1));
}

/// More than are learned of at one look.
#[tokio::test]
async fn of_many_tenants_the_last_one_is_seen_as_well() {
    let slug = |number: usize| format!("salon{number:03}");
    let of = |number: usize| {
        SALON
            .replace("slug = \"salon\"", &format!("slug = \"{}\"", slug(number)))
            .replace("key_salon", &format!("key_{}", slug(number)))
            .replace("agent_salon", &format!("agent_{number}"))
            .replace("+4930111111", &format!("+49301{number:05}"))
    };
    let files: Vec<String> = (0..130).map(of).collect();
    let house = House::with(&files.iter().map(String::as_str).collect::<Vec<_>>(), |_| {}).await;
    let last = slug(129);
    // Ten calls; the platform tells of the end of six.
    for number in 0..10 {
        let envelope =
            json!({ "call_id": format!("c{number}"), "agent_id": "agent_129", "from_number": ANNA, "to_number": "+4930100129" });
        let ask = json!({ "name": "list_services", "args": {}, "call": envelope }).to_string();
        let (key, path) = (format!("key_{last}"), format!("/api/t/{last}/retell"));
        let (status, answer) = house.signed(&key, &format!("{path}/functions"), ask).await;
        assert_eq!((status.as_u16(), &answer["status"]), (200, &json!("ok")), "{answer}");
        if number < 6 {
            let ended = json!({ "event": "call_ended", "call": envelope }).to_string();
            assert!(house.signed(&key, &format!("{path}/events"), ended).await.0.is_success());
        }
    }
    house.wait(SignedDuration::from_hours(3));
    let mut fired = Vec::new();
    for _ in 0..3 {
        fired.extend(house.inner.look_out().await.expect("looked"));
        house.wait(SignedDuration::from_secs(2));
    }
    let fired: Vec<_> = fired.iter().map(|it| (it.rule, it.subject.as_str())).collect();
    assert!(fired.contains(&(Rule::CallsWithoutEnd, &last)), "{fired:?}");
}

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

async fn start(folder: &Folder, name: &str, config: &str) -> Gateway {
    let port = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port").local_addr().expect("its address").port();
    let config = format!("[server]\nlisten = \"127.0.0.1:{port}\"\nadmin_key = \"\"\n{config}");
    let file = folder.write(&format!("{name}.toml"), &config);
    let child = Command::new(BINARY)
        .args(["serve", "--config"])
        .arg(file)
        .current_dir(folder.path())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("it starts");
    let gateway = Gateway { child, address: format!("http://127.0.0.1:{port}") };
    let livez = format!("{}/livez", gateway.address);
    until_so("a gateway", async || http_client::Request::get(&livez).send().await.is_ok_and(|it| it.status == 200)).await;
    gateway
}

/// Each of them sees too little for an alert; all of them together do not.
#[tokio::test]
async fn three_gateways_see_together_what_none_of_them_sees_and_one_tells_it() {
    let chat = WebhookReceiver::start().await;
    let server = PostgresServer::shared();
    let folder = Folder::new();
    let config = format!(
        "[store]\nurl = \"{}\"\n[secrets]\nmaster_key = \"file:{}/master.key\"\n[alerts]\nwebhook_url = \"{}\"\n",
        server.database(),
        folder.path().display(),
        chat.url()
    );
    let mut gateways = Vec::new();
    for name in ["one", "two", "three"] {
        gateways.push(start(&folder, name, &config).await);
    }
    for gateway in &gateways {
        for _ in 0..4 {
            let address = format!("{}/api/t/salon/retell/functions", gateway.address);
            let answer = http_client::Request::post(&address).json(&json!({"name": "list_services"})).send().await.expect("sent");
            assert_eq!(answer.status, 401);
        }
    }
    until_so("a message", async || !chat.posted().is_empty()).await;
    let text = chat.posted()[0].body.clone();
    assert!(text.contains("ERROR rejected") && text.contains("not right: 1"), "ten to twelve of them: {text}");
    // Whoever has the turn goes, and the next one has nothing to add.
    drop(gateways.remove(0));
    let listed = || folder.run(&["alerts", "list", "--firing", "--json", "--config", "two.toml"]);
    let seen = |output: &[u8]| serde_json::from_slice::<Value>(output).expect("JSON")["items"].clone();
    until_so("another look", async || {
        let items = seen(&listed().stdout);
        items[0]["rule"] == "rejected" && items.as_array().is_some_and(|it| it.len() == 1)
    })
    .await;
    assert_eq!(chat.posted().len(), 1);
}

#[tokio::test]
async fn a_test_says_what_each_receiver_answered_and_a_silence_is_listed() {
    let on_call = OnCall::there().await;
    let folder = Folder::new();
    let config = format!(
        "[alerts]\nwebhook_url = \"{}\"\nemail = [\"{ON_CALL}\"]\n[smtp]\nurl = \"{}\"\nfrom = \"noreply@desk.example\"\n",
        on_call.chat.url(),
        on_call.mail.url()
    );
    folder.write("frontdesk.toml", &config);
    let run = async |arguments: &'static [&'static str]| {
        let path = folder.path().to_owned();
        let output = tokio::process::Command::new(BINARY).args(arguments).current_dir(path).output().await.expect("it runs");
        (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned())
    };
    let (code, out) = run(&["alerts", "test"]).await;
    assert_eq!((code, out.as_str()), (Some(0), "webhook: delivered\nmail to oncall@desk.example: delivered\n"));
    assert!(on_call.said()[0].contains("this is a test"), "{:?}", on_call.said());
    assert_eq!(on_call.subjects(), ["[frontdesk] ERROR errors test"]);
    on_call.chat.always(Some(Reply::Status(404, String::new())));
    let (code, out) = run(&["alerts", "test"]).await;
    assert_eq!(code, Some(1));
    assert!(out.starts_with("webhook: failed: answered 404\n"), "{out}");

    assert_eq!(run(&["alerts", "list"]).await, (Some(0), "nothing fires\n".to_owned()));
    assert_eq!(run(&["alerts", "silence", "breaker_open", "--for", "2h", "--subject", "a"]).await.0, Some(0));
    let (_, out) = run(&["alerts", "list", "--json"]).await;
    let listed: Value = serde_json::from_str(&out).expect("JSON");
    assert_eq!(listed["items"], json!([]));
    assert_eq!((&listed["silences"][0]["rule"], &listed["silences"][0]["subject"]), (&json!("breaker_open"), &json!("a")));
    assert_eq!(run(&["alerts", "silence", "breaker_open", "--for", "0s", "--subject", "a"]).await.0, Some(0));
    assert_eq!(run(&["alerts", "list"]).await.1, "nothing fires\n");
    assert_eq!(run(&["alerts", "silence", "nonsense"]).await.0, Some(1));
}

/// Every name that begins like one of ours.
fn names(text: &str) -> std::collections::BTreeSet<String> {
    let is_part = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    let places = text.match_indices("frontdesk_").filter(|(at, _)| !text[..*at].ends_with(is_part));
    places.map(|(at, _)| text[at..].chars().take_while(|letter| is_part(*letter)).collect()).collect()
}

#[tokio::test]
async fn the_rules_and_the_dashboard_name_only_what_is_measured() {
    let on_call = OnCall::there().await;
    let (house, _calendar) = on_call.calcom().await;
    // What nobody has met yet is not among them.
    let wish = json!({"service": "Herrenhaarschnitt", "date": "Montag", "time": "10 Uhr"});
    house.call("salon", "c1", ANNA).say("check_availability", wish).await;
    house.inner.catch_up().await.expect("asked");
    let request = Request::get("/metrics").header("authorization", "Bearer operator");
    let (_, metrics, _) = house.send(request.body(Body::empty()).expect("a request")).await;
    let measured: std::collections::BTreeSet<String> = metrics
        .as_str()
        .expect("text")
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE "))
        .flat_map(|line| {
            let (name, kind) = line.split_once(' ').expect("a name and its kind");
            let ends: &[&str] = match kind {
                "counter" => &["_total"],
                "histogram" => &["_bucket", "_count", "_sum"],
                _ => &[""],
            };
            ends.iter().map(|end| format!("{name}{end}")).collect::<Vec<_>>()
        })
        .collect();
    assert!(measured.len() > 20, "{measured:?}");
    let rules = include_str!("../../../../deploy/prometheus/frontdesk.rules.yml");
    let dashboard = include_str!("../../../../deploy/grafana/frontdesk.json");
    serde_json::from_str::<Value>(dashboard).expect("JSON");
    for (file, text) in [("rules", rules), ("dashboard", dashboard)] {
        let named = names(text);
        assert!(named.len() > 10, "{named:?}");
        let unknown: Vec<_> = named.difference(&measured).collect();
        assert!(unknown.is_empty(), "{file} names what is not measured: {unknown:?}");
    }
}
