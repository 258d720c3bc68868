//! A house to start in tests: the production wiring with another clock, other dice, a store of its own. With
//! `FRONTDESK_TEST_STORE=postgres` that store is a PostgreSQL, and every story has to end the same.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{Request, StatusCode};
use frontdesk::config::deployment::live::Deadlines;
use frontdesk::config::deployment::{DeploymentConfig, StoreUrl};
use frontdesk::config::secrets::SecretSource;
use frontdesk::config::tenant_file::TenantFile;
use frontdesk::wiring::{self, World};
use frontdesk_core::clock::{Clock as _, CountingDice, ManualClock};
use frontdesk_core::sensitive::Secret;
use frontdesk_testkit::TempDir;
use frontdesk_testkit::postgres::PostgresServer;
use jiff::SignedDuration;
use serde_json::{Value, json};
use tower::ServiceExt as _;

/// Thursday, 12 March 2026, 10:00 in Berlin.
pub(crate) const NOW: &str = "2026-03-12T10:00:00+01:00";
/// Longer than anything takes.
const PATIENT: Duration = Duration::from_secs(60);
/// The number that most callers call from.
pub(crate) const ANNA: &str = "+4915123456789";
/// Another caller.
pub(crate) const BERND: &str = "+4915198765432";

pub(crate) const SALON: &str = include_str!("tenants/salon.toml");
pub(crate) const PRACTICE: &str = include_str!("tenants/practice.toml");

/// A gateway, ready for requests.
pub(crate) struct House {
    pub(crate) inner: wiring::House,
    pub(crate) clock: Arc<ManualClock>,
    app: Router,
    ground: Arc<Ground>,
    rest_keys: Vec<(String, String)>,
}

/// What a house stands on; gone with the last house on it.
struct Ground {
    folder: TempDir,
    database: Option<(Arc<PostgresServer>, String)>,
}

impl Ground {
    fn new() -> Self {
        let folder = frontdesk_testkit::folder("it");
        let database = is_on_postgres().then(|| {
            let server = PostgresServer::shared();
            let url = server.database();
            (server, url)
        });
        Self { folder, database }
    }

    fn store(&self) -> StoreUrl {
        match &self.database {
            None => StoreUrl::Sqlite(self.folder.path().join("frontdesk.db")),
            Some((_, url)) => StoreUrl::Postgres { url: SecretSource::Literal(Secret::new(url)), migrate_url: None },
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "the one switch of these tests")]
pub(crate) fn is_on_postgres() -> bool {
    match std::env::var("FRONTDESK_TEST_STORE") {
        Err(_) => false,
        Ok(store) if store == "sqlite" => false,
        Ok(store) if store == "postgres" => true,
        Ok(store) => panic!("FRONTDESK_TEST_STORE is sqlite or postgres, not {store}"),
    }
}

/// What is left of a house whose process died: its files and what its owner wrote down.
pub(crate) struct Ruin {
    clock: Arc<ManualClock>,
    ground: Arc<Ground>,
    rest_keys: Vec<(String, String)>,
}

impl House {
    /// The process dies, as far as one process can show it: the caller drops the runtime as well, and with
    /// it everything that still ran.
    pub(crate) fn die(mut self) -> Ruin {
        Ruin { clock: Arc::clone(&self.clock), ground: Arc::clone(&self.ground), rest_keys: std::mem::take(&mut self.rest_keys) }
    }

    /// The next process on the same files.
    pub(crate) async fn rise(ruin: Ruin, configure: impl FnOnce(&mut DeploymentConfig)) -> Self {
        let Ruin { clock, ground, rest_keys } = ruin;
        // Other ids than before: the dice of a new process are not those of the dead one.
        let dice = CountingDice::from(1 << 40);
        Self::over(clock, dice, ground, rest_keys, configure).await
    }

    /// The salon and the practice, both on the built-in calendar.
    pub(crate) async fn open() -> Self {
        Self::with(&[SALON, PRACTICE], |_| {}).await
    }

    /// These tenants, and a configuration of the test's own.
    pub(crate) async fn with(tenants: &[&str], configure: impl FnOnce(&mut DeploymentConfig)) -> Self {
        Self::at(Arc::new(ManualClock::new(NOW.parse().expect("a timestamp"))), tenants, configure).await
    }

    /// Like [`Self::with`], on a clock that others look at as well.
    pub(crate) async fn at(clock: Arc<ManualClock>, tenants: &[&str], configure: impl FnOnce(&mut DeploymentConfig)) -> Self {
        let ground = Arc::new(Ground::new());
        let mut house = Self::over(clock, CountingDice::default(), ground, Vec::new(), configure).await;
        house.apply(tenants).await;
        house
    }

    async fn over(
        clock: Arc<ManualClock>,
        dice: CountingDice,
        ground: Arc<Ground>,
        rest_keys: Vec<(String, String)>,
        configure: impl FnOnce(&mut DeploymentConfig),
    ) -> Self {
        let world = World { clock: clock.clone(), dice: Arc::new(dice) };
        let mut config = config_on(&ground);
        configure(&mut config);
        let inner = wiring::build(&config, &world).await.expect("a house");
        Self { app: frontdesk_http::app(inner.edge.clone()), inner, clock, ground, rest_keys }
    }

    /// Applies tenant files as the command line would.
    pub(crate) async fn apply(&mut self, files: &[&str]) {
        let mut tenants = Vec::new();
        for text in files {
            let TenantFile { mut tenant, secrets } =
                TenantFile::parse("test.toml", text).unwrap_or_else(|problems| panic!("{problems}"));
            let unset = |_: &str| None;
            let absent = |_: &std::path::Path| Err(std::io::Error::from(std::io::ErrorKind::NotFound));
            let resolved = secrets.resolve(&unset, &absent).unwrap_or_else(|problems| panic!("{problems}"));
            tenant.secrets = resolved.over(&tenant.secrets).0;
            tenants.push(tenant);
        }
        let applied = self.inner.store.apply_tenants(&tenants, "test", false, self.clock.now()).await.expect("applied");
        for it in applied {
            if let Some(issued) = it.key {
                self.rest_keys.push((it.tenant.to_string(), issued.key.expose().to_owned()));
            }
        }
        self.inner.refresh().await.expect("refreshed");
    }

    /// Another gateway on the same store and the same clock.
    pub(crate) async fn beside(&self, configure: impl FnOnce(&mut DeploymentConfig)) -> wiring::House {
        self.beside_in(&World { clock: self.clock.clone(), dice: Arc::new(CountingDice::from(1 << 41)) }, configure).await
    }

    /// The same in a world of the test's own.
    pub(crate) async fn beside_in(&self, world: &World, configure: impl FnOnce(&mut DeploymentConfig)) -> wiring::House {
        let mut config = config_on(&self.ground);
        configure(&mut config);
        wiring::build(&config, world).await.expect("a house")
    }

    /// Somebody changes the database by hand.
    pub(crate) fn alter(&self, sql: &str) {
        match &self.ground.database {
            Some((server, url)) => drop(server.run(url, sql)),
            None => {
                let file = self.ground.folder.path().join("frontdesk.db");
                rusqlite::Connection::open(file).expect("opens").execute_batch(sql).expect("changed");
            }
        }
    }

    /// Works on the outbox until nothing is due.
    pub(crate) async fn deliver(&self) {
        while self.inner.deliver().await.expect("delivered") > 0 {}
    }

    pub(crate) fn rest_key(&self, tenant: &str) -> &str {
        self.rest_keys.iter().find(|(slug, _)| slug == tenant).map(|(_, key)| key.as_str()).expect("a key")
    }

    pub(crate) fn now(&self) -> jiff::Timestamp {
        self.clock.now()
    }

    /// Time goes on.
    pub(crate) fn wait(&self, by: SignedDuration) {
        self.clock.advance(by);
    }

    pub(crate) fn set_clock(&self, to: &str) {
        self.clock.set(to.parse().expect("a timestamp"));
    }

    /// A call from `from` to that tenant.
    pub(crate) fn call<'h>(&'h self, tenant: &'h str, call: &'h str, from: &'h str) -> Call<'h> {
        Call { house: self, tenant, call, from }
    }

    /// Sends any request.
    pub(crate) async fn send(&self, request: Request<Body>) -> (StatusCode, Value, axum::http::HeaderMap) {
        let response = self.app.clone().oneshot(request).await.expect("infallible");
        let (parts, body) = response.into_parts();
        let bytes = axum::body::to_bytes(body, usize::MAX).await.expect("a body");
        let value =
            serde_json::from_slice(&bytes).unwrap_or_else(|_| Value::String(String::from_utf8_lossy(&bytes).into_owned()));
        (parts.status, value, parts.headers)
    }

    /// Sends a signed body to any path.
    pub(crate) async fn signed(&self, key: &str, path: &str, body: impl Into<Vec<u8>>) -> (StatusCode, Value) {
        let body = body.into();
        let signature = frontdesk_http::sign(&Secret::new(key), &body, self.clock.now().as_millisecond());
        let request = Request::post(path)
            .header("content-type", "application/json")
            .header("x-retell-signature", signature)
            .body(Body::from(body))
            .expect("a request");
        let (status, value, _) = self.send(request).await;
        (status, value)
    }

    /// Sends a REST request with the tenant's key.
    pub(crate) async fn rest(&self, tenant: &str, method: &str, path: &str, body: Value) -> (StatusCode, Value) {
        self.rest_with(tenant, method, path, body, &[]).await
    }

    pub(crate) async fn rest_with(
        &self,
        tenant: &str,
        method: &str,
        path: &str,
        body: Value,
        headers: &[(&str, &str)],
    ) -> (StatusCode, Value) {
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header("authorization", format!("Bearer {}", self.rest_key(tenant)))
            .header("content-type", "application/json");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let body = if body.is_null() { Body::empty() } else { Body::from(body.to_string()) };
        let (status, value, _) = self.send(request.body(body).expect("a request")).await;
        (status, value)
    }

    /// What is on the tenant's list of callbacks.
    pub(crate) async fn callbacks(&self, tenant: &str) -> Vec<Value> {
        let (status, list) = self.rest(tenant, "GET", "/api/v1/callbacks?open=true", Value::Null).await;
        assert_eq!(status, StatusCode::OK, "{list}");
        list["items"].as_array().cloned().unwrap_or_default()
    }
}

fn config_on(ground: &Ground) -> DeploymentConfig {
    let mut config = DeploymentConfig {
        store: ground.store(),
        master_key: SecretSource::File(ground.folder.path().join("master.key")),
        ..DeploymentConfig::default()
    };
    // A story about something slow sets its own; the others do not depend on how fast this machine is.
    config.live.deadlines = Deadlines { inbound: PATIENT, check: PATIENT, write: PATIENT };
    config
}

/// A voice agent in the middle of a call.
#[derive(Clone, Copy)]
pub(crate) struct Call<'h> {
    house: &'h House,
    tenant: &'h str,
    call: &'h str,
    from: &'h str,
}

/// The signing key of a tenant in these tests.
pub(crate) fn key_of(tenant: &str) -> String {
    format!("key_{tenant}")
}

impl Call<'_> {
    /// The call object of the envelope.
    pub(crate) fn envelope(&self) -> Value {
        let (agent, number) = match self.tenant {
            "practice" => ("agent_practice", "+442071111111"),
            _ => ("agent_salon", "+4930111111"),
        };
        json!({ "call_id": self.call, "call_type": "phone_call", "direction": "inbound", "agent_id": agent, "from_number": self.from, "to_number": number })
    }

    /// Calls a function on the tenant's own path.
    pub(crate) async fn say(&self, function: &str, args: Value) -> Value {
        let body = json!({ "name": function, "args": args, "call": self.envelope() });
        self.post(&format!("/api/t/{}/retell/functions", self.tenant), &body).await
    }

    /// Calls a function with the platform's id of the tool call.
    pub(crate) async fn say_as(&self, tool_call: &str, function: &str, args: Value) -> Value {
        let mut call = self.envelope();
        call["transcript_with_tool_calls"] = json!([{ "role": "tool_call_invocation", "tool_call_id": tool_call, "name": function, "arguments": args.to_string() }]);
        let body = json!({ "name": function, "args": args, "call": call });
        self.post(&format!("/api/t/{}/retell/functions", self.tenant), &body).await
    }

    /// Posts a body of the test's own; once signed, everything is HTTP 200.
    pub(crate) async fn post(&self, path: &str, body: &Value) -> Value {
        let (status, answer) = self.house.signed(&key_of(self.tenant), path, body.to_string()).await;
        assert_eq!(status, StatusCode::OK, "{answer}");
        assert!(answer["message"].as_str().is_some_and(|message| !message.is_empty()), "a sentence: {answer}");
        answer
    }

    /// Finds a held slot for a wish that is expected to be free.
    pub(crate) async fn slot(&self, service: &str, date: &str, time: &str) -> String {
        let answer = self.say("check_availability", json!({ "service": service, "date": date, "time": time })).await;
        assert_eq!(answer["status"], "available", "{answer}");
        answer["slots"][0]["slot_id"].as_str().expect("a slot").to_owned()
    }

    /// Books a wish that is expected to be free.
    pub(crate) async fn booked(&self, service: &str, date: &str, time: &str, name: &str) -> Value {
        let slot = self.slot(service, date, time).await;
        let answer = self.say("book_appointment", json!({ "slot_id": slot, "name": name })).await;
        assert_eq!(answer["status"], "booked", "{answer}");
        answer
    }
}
