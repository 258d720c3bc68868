//! Parsing: everything wrong at once, and never a fault of ours; one effect per idempotency key.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use axum::body::Body;
use axum::http::{Request, StatusCode};
use axum::response::Response;
use frontdesk_core::alert::{Alert, Silence};
use frontdesk_core::booking::{Appointment, Callback, Intent, Part};
use frontdesk_core::calendar_news::{Applied, CalendarNews, Placed};
use frontdesk_core::call::{CallContext, Memory, Phone};
use frontdesk_core::clock::{CountingDice, ManualClock};
use frontdesk_core::deadline::Deadline;
use frontdesk_core::desk::{Budgets, Desk, Parts};
use frontdesk_core::ids::{BookingId, CallId, CallbackId, IntentId, SlotId, TenantId};
use frontdesk_core::limits::{Gate, Limits};
use frontdesk_core::outbox::{Expansion, OutboxFilter, OutboxRow, OutboxStanding, Revival, Room, Taken, Unreadable};
use frontdesk_core::ports::{
    AppointmentFilter, Beginning, Begun, Busy, Calendar, CalendarBooking, CalendarError, CallRow, CallbackFilter, Callbacks,
    Calls, Claimed, Claims, Diary, Directory, Exchange, Free, Heard, NewBooking, Outbox, Settlement, SlotAsk, Step, StoreError,
    VoiceEvent,
};
use frontdesk_core::protection::{Switch, Switches};
use frontdesk_core::redact::Redactor;
use frontdesk_core::sensitive::Secret;
use frontdesk_core::shared::{BreakerRow, BucketRow, MemoryState};
use frontdesk_core::slot::{Hold, HoldWish, Resource};
use frontdesk_core::tenant::{
    CalendarKind, Language, Notify, Policy, Scope, Segment, Service, Staff, Tenant, TenantSecrets, Zone,
};
use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use serde_json::{Map, Value, json};
use tower::ServiceExt as _;

use super::access::Asked;
use super::{Fields, wishes};
use crate::edge::{AdminKey, Done, Edge, EdgeParts, KeyOwner, Operations, Recognition, Settings, Trusts};
use crate::health::{Health, HealthReport, Pick};
use crate::problem::Problem;

const KEY: &str = "fd_salon";

// --- a house without anything behind it -------------------------------------------------------

/// Claims and callbacks are kept in memory; calendar and diary are broken.
struct Stub {
    tenant: Arc<Tenant>,
    claims: Mutex<HashMap<String, Claim>>,
    callbacks: Mutex<Vec<Callback>>,
    /// Adding a callback panics.
    panics: AtomicBool,
    /// Adding a callback takes this long.
    slow: Mutex<Duration>,
}

type Stored<T> = Result<T, StoreError>;
/// A fingerprint, and the answer once there is one.
type Claim = (String, Option<(u16, String)>);

fn broken<T>() -> Stored<T> {
    Err(StoreError::Broken("there is no store".into()))
}

fn down<T>() -> Result<T, CalendarError> {
    Err(CalendarError::Unavailable { detail: "there is no calendar".to_owned() })
}

#[async_trait]
impl Calendar for Stub {
    async fn slots(&self, _: &Tenant, _: &SlotAsk<'_>, _: Deadline) -> Result<Free, CalendarError> {
        down()
    }
    async fn create(&self, _: &Tenant, _: &NewBooking, _: Deadline) -> Result<CalendarBooking, CalendarError> {
        down()
    }
    async fn find(&self, _: &Tenant, _: &NewBooking, _: Deadline) -> Result<Option<CalendarBooking>, CalendarError> {
        down()
    }
    async fn get(&self, _: &Tenant, _: &str, _: Deadline) -> Result<Option<CalendarBooking>, CalendarError> {
        down()
    }
    async fn reschedule(
        &self,
        _: &Tenant,
        _: &str,
        _: Timestamp,
        _: &str,
        _: Deadline,
    ) -> Result<CalendarBooking, CalendarError> {
        down()
    }
    async fn cancel(&self, _: &Tenant, _: &str, _: &str, _: Deadline) -> Result<(), CalendarError> {
        down()
    }
}

#[async_trait]
impl Diary for Stub {
    async fn busy(&self, _: Scope<'_>, _: &[Resource], _: Timestamp, _: Timestamp, _: Timestamp) -> Stored<Vec<Busy>> {
        Ok(Vec::new())
    }
    async fn busy_and_held(
        &self,
        _: Scope<'_>,
        _: &CallId,
        _: &[Resource],
        _: Timestamp,
        _: Timestamp,
        _: Timestamp,
    ) -> Stored<(Vec<Busy>, Vec<Hold>)> {
        broken()
    }
    async fn hold(&self, _: Scope<'_>, _: Option<&CallId>, _: &[HoldWish], _: usize, _: Timestamp) -> Stored<Vec<Hold>> {
        broken()
    }
    async fn find_hold(&self, _: Scope<'_>, _: &SlotId) -> Stored<Option<Hold>> {
        broken()
    }
    async fn renew_hold(&self, _: Scope<'_>, _: &SlotId, _: Timestamp) -> Stored<bool> {
        broken()
    }
    async fn release(&self, _: Scope<'_>, _: Option<&CallId>, _: Option<&SlotId>) -> Stored<()> {
        broken()
    }
    async fn begin(&self, _: Scope<'_>, _: &Beginning, _: Timestamp) -> Stored<Begun> {
        broken()
    }
    async fn begin_change(&self, _: Scope<'_>, _: &Intent, _: Option<&SlotId>, _: Timestamp) -> Stored<Begun> {
        broken()
    }
    async fn settle(&self, _: Scope<'_>, _: &Intent, _: &Settlement, _: Timestamp) -> Stored<bool> {
        broken()
    }
    async fn parts(&self, _: Scope<'_>, _: &BookingId) -> Stored<Vec<Part>> {
        Ok(Vec::new())
    }
    async fn record_part(&self, _: Scope<'_>, _: &Intent, _: &Part, _: Timestamp) -> Stored<bool> {
        broken()
    }
    async fn appointment_of_uid(&self, _: Scope<'_>, _: &str) -> Stored<Option<Appointment>> {
        Ok(None)
    }
    async fn appointment(&self, _: Scope<'_>, _: &BookingId) -> Stored<Option<Appointment>> {
        Ok(None)
    }
    async fn appointments(&self, _: Scope<'_>, _: &AppointmentFilter) -> Stored<Vec<Appointment>> {
        broken()
    }
    async fn intent_of(&self, _: Scope<'_>, _: &BookingId) -> Stored<Option<Intent>> {
        broken()
    }
    async fn apply_news(
        &self,
        _: Scope<'_>,
        _: &CalendarNews,
        _: Option<&Placed>,
        _: &CallbackId,
        _: Timestamp,
    ) -> Stored<Applied> {
        broken()
    }
    async fn take_due(&self, _: Timestamp, _: SignedDuration, _: u32) -> Stored<Vec<(TenantId, IntentId)>> {
        broken()
    }
    async fn intent(&self, _: Scope<'_>, _: &IntentId) -> Stored<Option<Intent>> {
        broken()
    }
    async fn intents(&self, _: Scope<'_>, _: u32) -> Stored<Vec<Intent>> {
        broken()
    }
}

#[async_trait]
impl Calls for Stub {
    async fn open(&self, _: Scope<'_>, _: &CallContext, _: Timestamp) -> Stored<Memory> {
        broken()
    }
    async fn open_with(&self, _: Scope<'_>, _: &CallContext, _: Timestamp) -> Stored<(Memory, Vec<Appointment>)> {
        broken()
    }
    async fn remember(&self, _: Scope<'_>, _: &CallId, _: &Memory) -> Stored<()> {
        broken()
    }
    async fn apply(&self, _: Scope<'_>, _: &CallContext, _: &VoiceEvent, _: Timestamp) -> Stored<bool> {
        broken()
    }
    async fn note(&self, _: Scope<'_>, _: &CallId, _: Step) -> Stored<()> {
        broken()
    }
    async fn list(&self, _: Scope<'_>, _: u32) -> Stored<Vec<CallRow>> {
        broken()
    }
    async fn timeline(&self, _: Scope<'_>, _: &CallId) -> Stored<Option<(CallRow, Vec<Step>)>> {
        broken()
    }
}

#[async_trait]
impl Callbacks for Stub {
    async fn add(&self, _: Scope<'_>, callback: &Callback) -> Stored<Callback> {
        assert!(!self.panics.load(Ordering::Relaxed), "as asked");
        let slow = *self.slow.lock().expect("not poisoned");
        tokio::time::sleep(slow).await;
        self.callbacks.lock().expect("not poisoned").push(callback.clone());
        Ok(callback.clone())
    }
    async fn callback(&self, _: Scope<'_>, id: &CallbackId) -> Stored<Option<Callback>> {
        Ok(self.callbacks.lock().expect("not poisoned").iter().find(|it| it.id == *id).cloned())
    }
    async fn callbacks(&self, _: Scope<'_>, _: &CallbackFilter) -> Stored<Vec<Callback>> {
        Ok(self.callbacks.lock().expect("not poisoned").clone())
    }
    async fn update(&self, _: Scope<'_>, callback: &Callback, seen: Timestamp) -> Stored<bool> {
        let mut kept = self.callbacks.lock().expect("not poisoned");
        let found = kept.iter_mut().find(|it| it.id == callback.id && it.updated_at == seen);
        Ok(found.map(|it| *it = callback.clone()).is_some())
    }
    async fn resolve(
        &self,
        _: Scope<'_>,
        _: Option<&BookingId>,
        _: Option<&CallId>,
        _: Option<&Phone>,
        _: Timestamp,
    ) -> Stored<()> {
        broken()
    }
}

#[async_trait]
impl Claims for Stub {
    async fn claim(&self, _: Scope<'_>, key: &str, fingerprint: &str, _: Timestamp) -> Stored<Claimed> {
        let mut claims = self.claims.lock().expect("not poisoned");
        Ok(match claims.get(key) {
            None => {
                claims.insert(key.to_owned(), (fingerprint.to_owned(), None));
                Claimed::First
            }
            Some((first, _)) if first != fingerprint => Claimed::Mismatch,
            Some((_, None)) => Claimed::Running,
            Some((_, Some((status, body)))) => Claimed::Done { status: *status, body: body.clone() },
        })
    }
    async fn conclude(&self, _: Scope<'_>, key: &str, answer: Option<(u16, &str)>, _: Timestamp) -> Stored<()> {
        let mut claims = self.claims.lock().expect("not poisoned");
        match answer {
            None => drop(claims.remove(key)),
            Some((status, body)) => claims.entry(key.to_owned()).or_default().1 = Some((status, body.to_owned())),
        }
        Ok(())
    }
}

impl Directory for Stub {
    fn tenant(&self, _: &TenantId) -> Option<Arc<Tenant>> {
        Some(Arc::clone(&self.tenant))
    }
}

#[async_trait]
impl Recognition for Stub {
    fn tenants(&self) -> Vec<Arc<Tenant>> {
        vec![Arc::clone(&self.tenant)]
    }
    fn tenant(&self, slug: &str) -> Option<Arc<Tenant>> {
        (slug == self.tenant.slug.as_str()).then(|| Arc::clone(&self.tenant))
    }
    fn calendar_changed(&self, _: &Tenant) {}
    async fn key_owner(&self, key: &str) -> Stored<Option<KeyOwner>> {
        Ok((key == KEY).then(|| KeyOwner { tenant: Arc::clone(&self.tenant), key_id: "k1".to_owned() }))
    }
}

#[async_trait]
impl Health for Stub {
    async fn report(&self) -> HealthReport {
        HealthReport::default()
    }

    async fn examine(&self, _pick: &Pick) -> Result<HealthReport, String> {
        Ok(HealthReport::default())
    }
}

#[async_trait]
impl Outbox for Stub {
    async fn take_due(&self, _now: Timestamp, _lease: SignedDuration, _room: &Room) -> Result<Vec<Taken>, StoreError> {
        Ok(Vec::new())
    }
    async fn set_aside(&self, _rows: &[Unreadable], _now: Timestamp) -> Result<(), StoreError> {
        broken()
    }
    async fn effects_due(&self, _now: Timestamp, _most: u32) -> Result<(Vec<Taken>, Vec<Unreadable>), StoreError> {
        Ok((Vec::new(), Vec::new()))
    }
    async fn expand(&self, _effects: &[(Taken, Expansion)], _now: Timestamp) -> Result<(), StoreError> {
        Ok(())
    }
    async fn done(&self, _row: &Taken, _now: Timestamp) -> Result<(), StoreError> {
        Ok(())
    }
    async fn superseded(&self, _row: &Taken, _why: &str, _now: Timestamp) -> Result<(), StoreError> {
        Ok(())
    }
    async fn again(&self, _row: &Taken, _not_before: Timestamp, _why: &str) -> Result<(), StoreError> {
        Ok(())
    }
    async fn dead(&self, _row: &Taken, _why: &str, _now: Timestamp) -> Result<(), StoreError> {
        Ok(())
    }
    async fn outbox(&self, _filter: &OutboxFilter) -> Result<Vec<OutboxRow>, StoreError> {
        Ok(Vec::new())
    }
    async fn revive(&self, _which: &Revival, _who: &str, _now: Timestamp) -> Result<u64, StoreError> {
        Ok(0)
    }
    async fn outbox_standing(&self, _now: Timestamp) -> Result<OutboxStanding, StoreError> {
        Ok(OutboxStanding::default())
    }
}

#[async_trait]
impl Operations for Stub {
    async fn features(&self) -> Result<Vec<Switch>, StoreError> {
        Ok(Vec::new())
    }
    async fn set_feature(&self, _switch: &Switch, _who: &str, _why: Option<&str>) -> Result<(), StoreError> {
        Ok(())
    }
    async fn breakers(&self) -> Vec<BreakerRow> {
        Vec::new()
    }
    async fn polls(&self) -> Vec<frontdesk_core::ports::PollRow> {
        Vec::new()
    }
    async fn reset_breaker(&self, _account: Option<&str>, _who: &str) -> Result<(), StoreError> {
        Ok(())
    }
    async fn buckets(&self, _most: usize) -> Vec<BucketRow> {
        Vec::new()
    }
    async fn reset_bucket(&self, _key: &str, _who: &str) -> Result<(), StoreError> {
        Ok(())
    }
    async fn exchanges(&self, _scope: Scope<'_>, _request: &str) -> Result<Vec<Exchange>, StoreError> {
        Ok(Vec::new())
    }
    async fn call_events(&self, _scope: Scope<'_>, _call: &CallId) -> Result<Vec<Heard>, StoreError> {
        Ok(Vec::new())
    }
    async fn revisions(&self, _most: u32) -> Result<Vec<Value>, StoreError> {
        Ok(Vec::new())
    }
    async fn audit(&self, _most: u32) -> Result<Vec<Done>, StoreError> {
        Ok(Vec::new())
    }
    async fn alerts(&self) -> Result<(Vec<Alert>, Vec<Silence>), StoreError> {
        Ok((Vec::new(), Vec::new()))
    }

    fn shared_state(&self) -> (bool, u64) {
        (false, 0)
    }
    fn resident_bytes(&self) -> u64 {
        0
    }
}

pub(crate) fn settings() -> Settings {
    let key = AdminKey { name: "anna".to_owned(), key: Secret::new("operator") };
    Settings {
        public_url: "https://desk.example".to_owned(),
        trusts: Trusts::nobody(),
        slow_after: Duration::from_secs(1),
        admin_keys: vec![key],
        version: "0.1.0",
        build: "test",
    }
}

fn service(name: &str, synonyms: &[&str], segments: Vec<Segment>) -> Service {
    Service {
        name: name.to_owned(),
        synonyms: synonyms.iter().map(|it| (*it).to_owned()).collect(),
        minutes: 30,
        calcom_event_type_id: None,
        buffer_before: 0,
        buffer_after: 0,
        segments,
    }
}

fn tenant() -> Tenant {
    Tenant {
        slug: TenantId::new("salon"),
        name: "Salon Emma".to_owned(),
        time_zone: Zone::named("Europe/Berlin").expect("a zone"),
        language: Language::De,
        agent_ids: Vec::new(),
        phone_numbers: Phone::parse("+4930111111", None).into_iter().collect(),
        calendar: CalendarKind::Builtin,
        services: vec![
            service("Beratung", &[], Vec::new()),
            service("Herrenhaarschnitt", &["Männerhaarschnitt"], Vec::new()),
            service("Färben", &[], Vec::new()),
        ],
        staff: ["Emma", "Fabio"]
            .map(|name| Staff {
                name: name.to_owned(),
                services: if name == "Emma" { vec!["Beratung".to_owned()] } else { Vec::new() },
                calcom_event_types: Default::default(),
                calcom_host_id: None,
                hours: None,
            })
            .to_vec(),
        hours: None,
        closures: Vec::new(),
        policy: Policy::default(),
        notify: Notify::default(),
        rate_limit: Default::default(),
        secrets: TenantSecrets::default(),
    }
}

fn house() -> (Edge, Arc<Stub>) {
    let stub = Arc::new(Stub {
        tenant: Arc::new(tenant()),
        claims: Mutex::default(),
        callbacks: Mutex::default(),
        panics: AtomicBool::new(false),
        slow: Mutex::default(),
    });
    let clock = Arc::new(ManualClock::new("2026-03-12T09:00:00Z".parse().expect("a time")));
    let dice = Arc::new(CountingDice::default());
    let switches = Arc::new(Switches::default());
    let gate = Arc::new(Gate::new(
        Arc::new(MemoryState::new(clock.clone())),
        switches.clone(),
        clock.clone(),
        Limits::new([1_000_000; 9]),
    ));
    let desk = Desk::new(Parts {
        clock: clock.clone(),
        dice: dice.clone(),
        calendar: stub.clone(),
        diary: stub.clone(),
        calls: stub.clone(),
        callbacks: stub.clone(),
        directory: stub.clone(),
        gate: gate.clone(),
        switches: switches.clone(),
        budgets: Budgets::default(),
    });
    let edge = Edge::new(EdgeParts {
        desk,
        recognition: stub.clone(),
        calls: stub.clone(),
        callbacks: stub.clone(),
        diary: stub.clone(),
        claims: stub.clone(),
        outbox: stub.clone(),
        health: stub.clone(),
        operations: stub.clone(),
        redactor: Arc::new(Redactor::new(b"test")),
        gate,
        switches,
        clock,
        dice,
        spans: None,
        settings: settings(),
    });
    (edge, stub)
}

pub(crate) fn edge() -> Edge {
    house().0
}

async fn send(edge: &Edge, method: &str, path: &str, body: &str, headers: &[(&str, &str)]) -> Response {
    let mut request = Request::builder().method(method).uri(path).header("authorization", format!("Bearer {KEY}"));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(Body::from(body.to_owned())).expect("a request");
    crate::routes::app(edge.clone()).oneshot(request).await.expect("an answer")
}

async fn read(response: Response) -> (u16, Value) {
    let status = response.status().as_u16();
    let body = axum::body::to_bytes(response.into_body(), usize::MAX).await.expect("a body");
    (status, serde_json::from_slice(&body).unwrap_or_default())
}

async fn ask(edge: &Edge, method: &str, path: &str, body: Value) -> (u16, Value) {
    read(send(edge, method, path, &body.to_string(), &[]).await).await
}

// --- parsing ------------------------------------------------------------------------------------

fn object(value: Value) -> Map<String, Value> {
    let Value::Object(object) = value else { panic!("an object") };
    object
}

fn pointers(problem: &Problem) -> (String, Vec<String>) {
    let body = problem.body("r", "/");
    let errors = body["errors"].as_array().cloned().unwrap_or_default();
    let pointers = errors.iter().filter_map(|error| error["pointer"].as_str()).map(str::to_owned).collect();
    (body["code"].as_str().unwrap_or_default().to_owned(), pointers)
}

fn refused(body: Value) -> (String, Vec<String>) {
    let (body, tenant) = (object(body), tenant());
    match wishes::booking(Fields::of(&body), &tenant) {
        Ok(_) => panic!("accepted"),
        Err(problem) => pointers(&problem),
    }
}

#[test]
fn all_violations_are_told_at_once() {
    let (code, wrong) =
        refused(json!({"start": "soon", "name": "", "service": 5, "email": "x", "phone": {}, "notes": "n".repeat(1001)}));
    assert_eq!(code, "validation_failed");
    assert_eq!(wrong, ["/service", "/start", "/notes", "/name", "/email", "/phone"]);
    let (_, wrong) = refused(json!({"service_id": "Beratung", "timeZone": "Mars/Base", "customer": {"email": 1}}));
    assert_eq!(wrong, ["/timeZone", "/start", "/customer/name", "/customer/email"]);
    let (_, wrong) = refused(json!({}));
    assert_eq!(wrong, ["/service", "/start", "/name"]);
    let (_, wrong) = refused(json!({"customer": "Anna", "service": "Beratung", "start": "2026-03-16T10:00:00+01:00"}));
    assert_eq!(wrong, ["/customer"]);
}

#[test]
fn the_old_shape_is_the_same_booking() {
    let tenant = tenant();
    let read = |body: Value| {
        let body = object(body);
        let wish = wishes::booking(Fields::of(&body), &tenant).unwrap_or_else(|problem| panic!("{problem:?}"));
        let wish = wish.booking;
        (wish.service.name, wish.start, wish.attendee, wish.staff.map(|staff| staff.name))
    };
    let ours = read(
        json!({"service": "Beratung", "start": "2026-03-16T10:00:00+01:00", "name": "Anna Schmidt", "phone": "030 1234567", "staff": "emma"}),
    );
    let old = read(json!({
        "service_id": "beratung", "timeZone": "Europe/London", "start": "2026-03-16T09:00:00", "staff_id": "Emma",
        "customer": {"name": "Anna Schmidt", "email": null, "phone": "+49301234567"},
    }));
    assert_eq!(ours, old);
    let wall = read(json!({"service": "Beratung", "start": "2026-03-16T10:00", "name": "Anna Schmidt"}));
    assert_eq!(wall.1, ours.1, "without a zone it is the tenant's");
}

#[test]
fn services_and_people_are_named_exactly_or_not_at_all() {
    let tenant = tenant();
    let named = |said: &str| {
        let body = object(json!({"service": said}));
        Fields::of(&body).service(&tenant).map(|service| service.name.clone())
    };
    for said in ["Herrenhaarschnitt", "herren-haarschnitt", "Maennerhaarschnitt", " HERRENHAARSCHNITT "] {
        assert_eq!(named(said).as_deref(), Some("Herrenhaarschnitt"), "{said}");
    }
    for said in ["Haarschnitt", "Herrenhaarschnit", "Haare färben", "-"] {
        assert_eq!(named(said), None, "{said}");
    }
    let at = json!("2026-03-16T10:00:00+01:00");
    let (code, wrong) = refused(json!({"service": "Massage", "start": at, "name": "Anna Schmidt"}));
    assert_eq!((code.as_str(), wrong), ("unknown_service", vec!["/service".to_owned()]));
    for staff in ["Fabio", "Nobody", "Em"] {
        let (code, wrong) = refused(json!({"service": "Beratung", "start": at, "name": "Anna Schmidt", "staff": staff}));
        assert_eq!((code.as_str(), wrong), ("validation_failed", vec!["/staff".to_owned()]), "{staff}");
    }
}

#[test]
fn a_search_is_bounded() {
    let tenant = tenant();
    let range = |body: Value| {
        let body = object(body);
        wishes::range(Fields::of(&body), &tenant).map(|range| (range.from, range.to)).map_err(|problem| pointers(&problem).1)
    };
    let (from, to) = range(json!({"service_id": "Beratung", "start_date": "2026-03-01", "end_date": "2026-03-31"}))
        .expect("31 days with a change of the clocks");
    assert_eq!((from.to_string(), to.to_string()), ("2026-02-28T23:00:00Z".to_owned(), "2026-03-31T22:00:00Z".to_owned()));
    assert!(range(json!({"service": "Beratung", "from": "2026-10-01", "to": "2026-10-31"})).is_ok());
    assert_eq!(range(json!({"service": "Beratung", "from": "2026-03-01", "to": "2026-04-01"})), Err(vec!["/to".to_owned()]));
    assert_eq!(range(json!({"service": "Beratung", "from": "2026-03-02", "to": "2026-03-01"})), Err(vec!["/to".to_owned()]));
    assert_eq!(range(json!({"service": "Beratung", "from": 7})), Err(vec!["/from".to_owned(), "/to".to_owned()]));
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        ".{0,40}".prop_map(Value::from),
        "[0-9+T:Z -]{0,30}".prop_map(Value::from),
        (0_i32..10_000, 0..14, 0..33, 0..26, 0..61)
            .prop_map(|(y, m, d, h, min)| Value::from(format!("{y:04}-{m:02}-{d:02}T{h:02}:{min:02}:00+01:00"))),
        prop::sample::select(vec![
            "Beratung",
            "Emma",
            "Europe/Berlin",
            "Anna Schmidt",
            "a@b.de",
            "2026-03-29",
            "2026-03-29T02:30"
        ])
        .prop_map(Value::from),
    ];
    let name = prop::sample::select(vec![
        "service",
        "service_id",
        "start",
        "name",
        "email",
        "phone",
        "staff",
        "notes",
        "customer",
        "timeZone",
        "from",
        "to",
        "start_date",
        "end_date",
        "reason",
        "override_deadline",
        "x",
    ]);
    leaf.prop_recursive(3, 24, 8, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::hash_map(name.clone(), inner, 0..10).prop_map(|fields| fields
                .into_iter()
                .map(|(name, value)| (name.to_owned(), value))
                .collect::<Map<_, _>>()
                .into()),
        ]
    })
}

proptest! {
    #[test]
    fn no_body_is_a_fault_of_ours(body in any_json()) {
        let tenant = tenant();
        let Value::Object(body) = body else { return Ok(()) };
        let problems = [
            wishes::booking(Fields::of(&body), &tenant).err(),
            wishes::to_move(Fields::of(&body), &tenant).err(),
            wishes::to_cancel(Fields::of(&body)).err(),
            wishes::range(Fields::of(&body), &tenant).err(),
        ];
        for problem in problems.into_iter().flatten() {
            prop_assert_eq!(problem.code.facts().0, StatusCode::UNPROCESSABLE_ENTITY);
            prop_assert!(!pointers(&problem).1.is_empty());
        }
    }
}

// --- the whole way -------------------------------------------------------------------------------

#[tokio::test]
async fn strangers_and_broken_bodies_are_told_apart() {
    let (edge, _) = house();
    let stranger = Request::post("/api/v2/bookings").body(Body::from("{")).expect("a request");
    let answer = read(crate::routes::app(edge.clone()).oneshot(stranger).await.expect("an answer")).await;
    assert_eq!((answer.0, &answer.1["code"]), (401, &json!("unauthorized")));
    for (body, status, code) in [
        ("{", 400, "malformed_json"),
        ("\u{1}", 400, "malformed_json"),
        ("[]", 422, "validation_failed"),
        ("null", 422, "validation_failed"),
        ("", 422, "validation_failed"),
    ] {
        let answer = read(send(&edge, "POST", "/api/v2/bookings", body, &[]).await).await;
        assert_eq!((answer.0, &answer.1["code"]), (status, &json!(code)), "{body}");
    }
    let large = format!("\"{}\"", "x".repeat(64 * 1024));
    assert_eq!(read(send(&edge, "POST", "/api/v2/bookings", &large, &[]).await).await.0, 413);
    for path in ["/api/v2/bookings/b_unknown", "/api/v2/bookings/%ff", "/api/v1/callbacks/c_unknown", "/api/v1/callbacks/a%20b"] {
        let answer = ask(&edge, "GET", path, Value::Null).await;
        assert_eq!((answer.0, &answer.1["code"]), (404, &json!("not_found")), "{path}");
    }
}

#[tokio::test]
async fn a_search_without_a_calendar_says_when_to_ask_again() {
    let (edge, _) = house();
    let body = json!({"service": "Beratung", "from": "2026-03-16", "to": "2026-03-16"}).to_string();
    for path in ["/api/v2/availability/simple", "/api/v2/availability/composite"] {
        let answer = send(&edge, "POST", path, &body, &[]).await;
        assert!(answer.headers().contains_key("retry-after"));
        let answer = read(answer).await;
        assert_eq!((answer.0, &answer.1["code"]), (503, &json!("calendar_unavailable")));
    }
    let past = json!({"service": "Beratung", "from": "2020-03-16", "to": "2020-03-16"});
    assert_eq!(ask(&edge, "POST", "/api/v2/availability/simple", past).await.1["total"], 0);
}

#[tokio::test(start_paused = true)]
async fn the_first_answer_is_given_again_also_while_it_runs() {
    let (edge, stub) = house();
    *stub.slow.lock().expect("not poisoned") = Duration::from_secs(3);
    let body = json!({"name": "Max Muster", "phone": "+4915198765432"}).to_string();
    let key = [("idempotency-key", "k-1")];
    let (one, two) = tokio::join!(
        send(&edge, "POST", "/api/v1/callbacks", &body, &key),
        send(&edge, "POST", "/api/v1/callbacks", &body, &key)
    );
    let replays = [&one, &two].iter().filter(|it| it.headers().contains_key("idempotency-replayed")).count();
    assert_eq!(replays, 1);
    assert_eq!(one.headers().get("location"), two.headers().get("location"));
    let (one, two) = (read(one).await, read(two).await);
    assert_eq!(one.0, 201, "{}", one.1);
    assert_eq!(one, two);
    assert_eq!(stub.callbacks.lock().expect("not poisoned").len(), 1);
    let other = json!({"name": "Eva Muster", "phone": "+4915198765432"}).to_string();
    let answer = read(send(&edge, "POST", "/api/v1/callbacks", &other, &key).await).await;
    assert_eq!((answer.0, &answer.1["code"]), (422, &json!("idempotency_key_reused")));
    *stub.slow.lock().expect("not poisoned") = Duration::from_secs(60);
    let key = [("idempotency-key", "k-2")];
    let (_, second) = tokio::join!(
        send(&edge, "POST", "/api/v1/callbacks", &body, &key),
        send(&edge, "POST", "/api/v1/callbacks", &body, &key)
    );
    let answer = read(second).await;
    assert_eq!((answer.0, &answer.1["code"]), (409, &json!("still_running")));
}

#[tokio::test(start_paused = true)]
async fn a_client_that_hangs_up_loses_nothing() {
    let (edge, stub) = house();
    *stub.slow.lock().expect("not poisoned") = Duration::from_secs(3);
    let body = json!({"name": "Max Muster", "phone": "+4915198765432"}).to_string();
    let key = [("idempotency-key", "k-1")];
    let left = tokio::time::timeout(Duration::from_secs(1), send(&edge, "POST", "/api/v1/callbacks", &body, &key)).await;
    assert!(left.is_err());
    let again = send(&edge, "POST", "/api/v1/callbacks", &body, &key).await;
    assert_eq!(again.headers().get("idempotency-replayed").map(|value| value.as_bytes()), Some(&b"true"[..]));
    assert_eq!((again.status().as_u16(), stub.callbacks.lock().expect("not poisoned").len()), (201, 1));
}

#[tokio::test]
async fn a_fault_and_a_violation_leave_the_key_free() {
    let (edge, stub) = house();
    let body = json!({"name": "Max Muster", "phone": "+4915198765432"}).to_string();
    let key = [("idempotency-key", "k-1")];
    stub.panics.store(true, Ordering::Relaxed);
    assert_eq!(send(&edge, "POST", "/api/v1/callbacks", &body, &key).await.status(), 500);
    stub.panics.store(false, Ordering::Relaxed);
    assert_eq!(send(&edge, "POST", "/api/v1/callbacks", "{}", &key).await.status(), 422);
    assert_eq!(send(&edge, "POST", "/api/v1/callbacks", &body, &key).await.status(), 201);
    let long = "k".repeat(256);
    for bad in ["", "a b", &long] {
        assert_eq!(send(&edge, "POST", "/api/v1/callbacks", &body, &[("idempotency-key", bad)]).await.status(), 422, "{bad}");
    }
}

#[tokio::test]
async fn a_callback_moves_forward_only() {
    let (edge, _) = house();
    let old = json!({"customer_name": "Max Muster", "phone_number": "0151 98765432", "preferred_time_window": {"from": "14:00", "to": "16:00"}, "priority": "high"});
    let (status, made) = ask(&edge, "POST", "/api/v1/callbacks", old).await;
    assert_eq!(status, 201, "{made}");
    assert_eq!((&made["phone"], &made["preferred_time"]), (&json!("+4915198765432"), &json!("14:00 - 16:00")));
    assert_eq!((&made["due"], &made["is_overdue"]), (&json!("2026-03-12T14:00:00+01:00"), &json!(false)));
    let path = format!("/api/v1/callbacks/{}", made["callback_id"].as_str().expect("an id"));
    let (status, nameless) = ask(&edge, "POST", &format!("{path}/assign"), json!({})).await;
    assert_eq!((status, &nameless["errors"][0]["pointer"]), (422, &json!("/assignee")));
    let (_, taken) = ask(&edge, "POST", &format!("{path}/assign"), json!({"assigned_to": "Emma"})).await;
    assert_eq!((&taken["state"], &taken["assignee"]), (&json!("assigned"), &json!("Emma")));
    let (_, tried) = read(send(&edge, "POST", &format!("{path}/contact"), "", &[]).await).await;
    assert_eq!(tried["state"], "contacted");
    let (status, back) = ask(&edge, "PATCH", &path, json!({"state": "pending"})).await;
    assert_eq!((status, &back["code"]), (409, &json!("state_conflict")));
    let (_, done) = ask(&edge, "POST", &format!("{path}/complete"), json!({"note": "erledigt"})).await;
    let (status, twice) = ask(&edge, "POST", &format!("{path}/complete"), json!({"note": "erledigt"})).await;
    assert_eq!((status, &twice["reason"], &done["reason"]), (200, &json!("erledigt"), &json!("erledigt")));
    let (status, _) = ask(&edge, "PATCH", &path, json!({"state": "cancelled"})).await;
    assert_eq!(status, 409);
    let (status, wrong) = ask(&edge, "POST", "/api/v1/callbacks", json!({"name": 1, "priority": "x"})).await;
    let wrong: Vec<&str> = wrong["errors"].as_array().into_iter().flatten().filter_map(|it| it["pointer"].as_str()).collect();
    assert_eq!((status, wrong), (422, vec!["/name", "/phone", "/priority"]));
    for query in ["state=x", "limit=0", "limit=101", "open=maybe"] {
        assert_eq!(ask(&edge, "GET", &format!("/api/v1/callbacks?{query}"), Value::Null).await.0, 422, "{query}");
    }
    assert_eq!(ask(&edge, "GET", "/api/v1/callbacks?open=true&limit=1", Value::Null).await.1["total"], 1);
}

#[tokio::test]
async fn a_cancellation_may_say_why_in_its_address() {
    use axum::extract::FromRequest as _;

    let (edge, _) = house();
    let address = "/api/v2/bookings/b_1?reason=ill&override_deadline=true";
    let request = Request::delete(address).header("authorization", format!("Bearer {KEY}"));
    let request = request.body(Body::from(r#"{"reason":"closed"}"#)).expect("a request");
    let asked = Asked::from_request(request, &edge).await.unwrap_or_else(|problem| panic!("{problem:?}"));
    assert_eq!(Value::Object(asked.body), json!({"reason": "closed", "override_deadline": true}));
}
