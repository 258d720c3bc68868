//! Traces: who asks us and whom we ask belong together, nobody is named in them, and a collector that is away is in
//! nobody's way. A binary that cannot says so.

use crate::binary::Folder;

#[test]
#[cfg(not(feature = "otlp"))]
fn a_binary_without_it_refuses_a_collector_and_says_why() {
    let folder = Folder::new();
    folder
        .write("frontdesk.toml", "[server]\nlisten = \"127.0.0.1:0\"\n[telemetry]\notlp_endpoint = \"http://127.0.0.1:4318\"\n");
    let output = folder.run(&["serve"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("--features otlp"));
}

#[cfg(feature = "otlp")]
mod with {
    use std::process::Command;
    use std::sync::Arc;
    use std::time::Duration;

    use frontdesk_testkit::calcom::{Config, RateLimit, Route, SimulatedCalCom};
    use frontdesk_testkit::http_client::Request;
    use frontdesk_testkit::otlp::{Span, metrics, spans};
    use frontdesk_testkit::receiver::{Reply, WebhookReceiver};
    use frontdesk_testkit::retell::sign;
    use serde_json::{Value, json};
    use tokio::task::JoinSet;
    use tokio::time::interval;

    use super::Folder;
    use crate::binary::BINARY;
    use crate::kill::{Gateway, apply, configuration};

    const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
    const CALLER: &str = "b7ad6b7169203331";
    const LOOKS: usize = 3000;

    /// A gateway of a tenant on that calendar, which sends what it collects to `collector`.
    fn start(folder: &Folder, calendar: &SimulatedCalCom, telemetry: &str, environment: &[(&str, &str)]) -> Gateway {
        let log = "[log]\nfile = \"desk.log\"\nchannels = { gateway = \"/dev/stderr\" }\n";
        folder.write("frontdesk.toml", &format!("{}{telemetry}{log}", configuration("sqlite:data/frontdesk.db")));
        apply(folder, &include_str!("tenants/calcom.toml").replace("BASE_URL", &calendar.base_url()));
        let mut command = Command::new(BINARY);
        command.args(["serve", "--config", "frontdesk.toml"]).current_dir(folder.path());
        command.env("OTEL_BSP_SCHEDULE_DELAY", "50").env("OTEL_METRIC_EXPORT_INTERVAL", "100");
        command.envs(environment.iter().copied());
        Gateway::from(&mut command)
    }

    async fn calendar() -> SimulatedCalCom {
        SimulatedCalCom::start(Config::salon().rate_limit(Some(RateLimit::of(100_000)))).await
    }

    async fn checks(gateway: &Gateway, headers: &[(&str, &str)]) -> Value {
        let args = json!({"service": "Herrenhaarschnitt", "staff": "Emma", "date": "nächsten Montag", "time": "14 Uhr", "name": "Anna Schmidt"});
        let body = json!({"name": "check_availability", "args": args, "call": {"call_id": "call_anna", "from_number": "+4915123456789"}}).to_string();
        let now = frontdesk_testkit::clock::system()().as_millisecond();
        let mut request = Request::post(&format!("{}/api/t/salon/retell/functions", gateway.url))
            .header("content-type", "application/json")
            .header("x-retell-signature", &sign("key_salon", body.as_bytes(), now))
            .timeout(Duration::from_secs(30));
        for (name, value) in headers {
            request = request.header(name, value);
        }
        let answer = request.body(body).send().await.expect("an answer");
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.json()
    }

    fn collected(collector: &WebhookReceiver) -> Vec<Span> {
        let posted = collector.posted();
        posted.iter().filter(|it| it.path == "/v1/traces").flat_map(|it| spans(&it.bytes)).collect()
    }

    async fn until(what: &str, mut is_so: impl FnMut() -> bool) {
        let mut looks = interval(Duration::from_millis(20));
        for _ in 0..LOOKS {
            looks.tick().await;
            if is_so() {
                return;
            }
        }
        panic!("it never came to this: {what}");
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_request_and_what_it_asks_the_calendar_are_one_trace_that_names_nobody() {
        let (folder, calendar, collector) = (Folder::new(), calendar().await, WebhookReceiver::start().await);
        let base = collector.url().replace("/hook", "");
        let gateway =
            start(&folder, &calendar, &format!("[telemetry]\notlp_endpoint = \"{base}\"\nservice_name = \"desk\"\n"), &[]);
        let theirs = format!("00-{TRACE}-{CALLER}-01");
        checks(&gateway, &[("traceparent", &theirs), ("tracestate", "vendor=1")]).await;
        let ours = |kind| move |span: &Span| span.trace == TRACE && span.kind == kind;
        until("both spans are there", || {
            let spans = collected(&collector);
            spans.iter().any(ours(2)) && spans.iter().any(ours(3))
        })
        .await;
        until("measurements are there", || {
            let names: Vec<String> =
                collector.posted().iter().filter(|it| it.path == "/v1/metrics").flat_map(|it| metrics(&it.bytes)).collect();
            ["http.server.request.duration", "http.client.request.duration", "frontdesk.function.duration"]
                .iter()
                .all(|wanted| names.iter().any(|name| name == wanted))
        })
        .await;
        let spans = collected(&collector);
        let served = spans.iter().find(|span| ours(2)(span)).expect("a server's");
        let asked = spans.iter().find(|span| ours(3)(span)).expect("a client's");
        assert_eq!((served.parent.as_str(), &asked.parent), (CALLER, &served.id), "{served:?} {asked:?}");
        let at = |span: &Span, name: &str| span.attributes.get(name).cloned().unwrap_or_default();
        assert_eq!(served.name, "POST /api/t/{tenant}/retell/functions");
        for (name, value) in [
            ("http.request.method", "POST"),
            ("http.route", "/api/t/{tenant}/retell/functions"),
            ("http.response.status_code", "200"),
            ("frontdesk.tenant", "salon"),
            ("frontdesk.function", "check_availability"),
            ("resource.service.name", "desk"),
        ] {
            assert_eq!(at(served, name), value, "{name}: {served:?}");
        }
        assert_eq!((asked.name.as_str(), at(asked, "url.template").as_str()), ("GET /v2/slots", "/v2/slots"));
        assert_eq!((at(asked, "server.address").as_str(), at(asked, "http.response.status_code").as_str()), ("127.0.0.1", "200"));
        // The calendar was told the trace, and that span of it.
        let told = calendar.requests().into_iter().find(|it| it.route == Route::Slots).and_then(|it| it.traceparent);
        let clients: Vec<&Span> = spans.iter().filter(|span| ours(3)(span)).collect();
        let told = told.expect("a trace");
        assert!(clients.iter().any(|span| told == format!("00-{TRACE}-{}-01", span.id)), "{told}: {clients:?}");
        for posted in collector.posted() {
            for secret in ["Anna", "Schmidt", "49151", "23456789", "call_anna", "key_salon", "cal_test", "Montag"] {
                assert!(!posted.body.contains(secret), "{secret} was sent to {}", posted.path);
            }
        }
        let log = folder.path().join("desk.log");
        until("the line of the function names the trace", || {
            std::fs::read_to_string(&log).unwrap_or_default().contains(&format!("\"trace_id\":\"{TRACE}\""))
        })
        .await;
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn without_a_trace_of_theirs_there_is_one_of_ours_and_the_environment_says_where_to() {
        let (folder, calendar, collector) = (Folder::new(), calendar().await, WebhookReceiver::start().await);
        let base = collector.url().replace("/hook", "");
        let environment = [
            ("OTEL_EXPORTER_OTLP_ENDPOINT", base.as_str()),
            ("OTEL_EXPORTER_OTLP_HEADERS", "x-api-key=collector"),
            ("OTEL_SERVICE_NAME", "from-outside"),
        ];
        let mut gateway = start(&folder, &calendar, "", &environment);
        // What is no trace is none.
        checks(&gateway, &[("traceparent", "00-Anna-Schmidt-01")]).await;
        let stopped = Command::new("kill").args(["-TERM", &gateway.id().to_string()]).status().expect("kill is there");
        assert!(stopped.success() && gateway.ended(), "it ends well");
        let spans = collected(&collector);
        let served = spans.iter().find(|span| span.kind == 2).expect("what is left is sent at the end");
        assert!(served.parent.is_empty() && served.trace.len() == 32, "{served:?}");
        assert_eq!(served.attributes["resource.service.name"], "from-outside");
        assert!(spans.iter().any(|span| span.kind == 3 && span.trace == served.trace && span.parent == served.id));
        assert_eq!(collector.posted()[0].header("x-api-key"), "collector");
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_collector_that_is_away_or_silent_is_in_nobodys_way() {
        let calendar = Arc::new(calendar().await);
        let silent = WebhookReceiver::start().await;
        silent.always(Some(Reply::Hang));
        let refuses = WebhookReceiver::start().await;
        refuses.always(Some(Reply::Status(503, "Anna".to_owned())));
        let mut desks = JoinSet::new();
        for base in ["http://127.0.0.1:9".to_owned(), silent.url().replace("/hook", ""), refuses.url().replace("/hook", "")] {
            let calendar = Arc::clone(&calendar);
            desks.spawn(async move {
                let folder = Folder::new();
                let mut gateway = start(&folder, &calendar, &format!("[telemetry]\notlp_endpoint = \"{base}\"\n"), &[]);
                for _ in 0..20 {
                    checks(&gateway, &[]).await;
                }
                let stopped = Command::new("kill").args(["-TERM", &gateway.id().to_string()]).status().expect("kill is there");
                let ended = tokio::task::spawn_blocking(move || gateway.ended()).await.expect("waited");
                assert!(stopped.success() && ended, "it ends well");
                let log = std::fs::read_to_string(folder.path().join("desk.log")).unwrap_or_default();
                assert!(!log.contains("\"level\":\"ERROR\"") && !log.contains("\"level\":\"CRITICAL\""), "{log}");
            });
        }
        while let Some(ended) = desks.join_next().await {
            ended.expect("callers were served");
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn the_environment_may_switch_it_off() {
        let (folder, calendar, collector) = (Folder::new(), calendar().await, WebhookReceiver::start().await);
        let base = collector.url().replace("/hook", "");
        let telemetry = format!("[telemetry]\notlp_endpoint = \"{base}\"\n");
        let gateway = start(&folder, &calendar, &telemetry, &[("OTEL_SDK_DISABLED", "true")]);
        checks(&gateway, &[("traceparent", &format!("00-{TRACE}-{CALLER}-01"))]).await;
        drop(gateway);
        assert!(collector.posted().is_empty());
        assert!(calendar.requests().iter().all(|it| it.traceparent.is_none()));
    }
}
