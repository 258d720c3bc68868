//! Which request is it, may it be made, and what is the answer.

use bytes::Bytes;
use hyper::http::request::Parts;
use serde_json::{Map, Value, json};

use super::config::Key;
use super::fault::{Fault, FaultKind, Route};
use super::limiter::{TOO_MANY, Toll};
use super::refusal::{Blame, ErrorShape, Refusal};
use super::state::{Logged, State, utc};
use crate::openapi;

/// The versions that exist; any other value is silently the oldest.
const VERSIONS: [&str; 6] = ["2024-04-15", "2024-06-11", "2024-06-14", "2024-08-13", "2024-09-04", "2026-02-25"];
const NO_AUTH: &str = "ApiAuthStrategy - No authentication method provided. Either pass an API key as 'Bearer' header or OAuth client credentials as 'x-cal-secret-key' and 'x-cal-client-id' headers";

/// A request, taken apart.
pub(crate) struct Asked {
    pub(crate) route: Route,
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) target: String,
    pub(crate) query: Vec<(String, String)>,
    pub(crate) uid: Option<String>,
    version: Option<String>,
    traceparent: Option<String>,
    bearer: Option<String>,
    body: Bytes,
}

/// An answer on its way out.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: Value,
}

impl Asked {
    pub(crate) fn new(parts: &Parts, body: Bytes) -> Self {
        let header = |name: &str| parts.headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let method = parts.method.as_str().to_owned();
        let path = parts.uri.path().to_owned();
        let (route, uid) = recognise(&method, &path);
        let bearer = header("authorization").and_then(|value| value.strip_prefix("Bearer ").map(str::to_owned));
        Self {
            route,
            uid,
            target: parts.uri.path_and_query().map_or_else(|| path.clone(), ToString::to_string),
            query: parts.uri.query().map(pairs).unwrap_or_default(),
            version: header("cal-api-version"),
            traceparent: header("traceparent"),
            bearer,
            method,
            path,
            body,
        }
    }

    /// The query as an object of texts.
    pub(crate) fn query(&self) -> Map<String, Value> {
        self.query.iter().map(|(name, value)| (name.clone(), json!(value))).collect()
    }

    /// The body as an object; none is an empty one.
    pub(crate) fn object(&self) -> Result<Map<String, Value>, Refusal> {
        if self.body.is_empty() {
            return Ok(Map::new());
        }
        match serde_json::from_slice(&self.body) {
            Ok(Value::Object(object)) => Ok(object),
            _ => Err(Refusal::bad("Unexpected token in JSON").malformed()),
        }
    }

    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or(Value::Null)
    }
}

fn recognise(method: &str, path: &str) -> (Route, Option<String>) {
    let parts: Vec<&str> = path.trim_start_matches('/').split('/').collect();
    let uid = |text: &str| Some(decode(text));
    match (method, parts.as_slice()) {
        ("GET", ["v2", "slots"]) => (Route::Slots, None),
        ("POST", ["v2", "slots", "reservations"]) => (Route::Reservations, None),
        ("GET" | "DELETE", ["v2", "slots", "reservations", id]) => (Route::Reservations, uid(id)),
        ("POST", ["v2", "bookings"]) => (Route::Create, None),
        ("GET", ["v2", "bookings"]) => (Route::List, None),
        ("GET", ["v2", "bookings", id]) => (Route::Get, uid(id)),
        ("POST", ["v2", "bookings", id, "reschedule"]) => (Route::Reschedule, uid(id)),
        ("POST", ["v2", "bookings", id, "cancel"]) => (Route::Cancel, uid(id)),
        ("POST", ["v2", "bookings", id, "confirm"]) => (Route::Confirm, uid(id)),
        ("POST", ["v2", "bookings", id, "decline"]) => (Route::Decline, uid(id)),
        ("GET", ["v2", "event-types"]) => (Route::EventTypes, None),
        ("GET", ["v2", "event-types", id]) => (Route::EventTypes, uid(id)),
        ("GET", ["v2", "me"]) => (Route::Me, None),
        _ => (Route::Unknown, None),
    }
}

/// The versions a route has; empty where none is asked for.
fn versions(route: Route) -> &'static [&'static str] {
    match route {
        Route::Slots | Route::Reservations => &["2024-09-04"],
        Route::Create | Route::List | Route::Get | Route::Reschedule | Route::Cancel | Route::Confirm | Route::Decline => {
            &["2024-08-13", "2026-02-25"]
        }
        Route::EventTypes => &["2024-06-14"],
        _ => &[],
    }
}

fn needs_key(route: Route) -> bool {
    matches!(route, Route::List | Route::Confirm | Route::Decline | Route::EventTypes | Route::Me)
}

impl State {
    pub(crate) fn log(&mut self, asked: &Asked) {
        let logged = Logged {
            route: asked.route,
            method: asked.method.clone(),
            target: asked.target.clone(),
            version: asked.version.clone(),
            traceparent: asked.traceparent.clone(),
            body: asked.json(),
            at: self.now(),
        };
        self.requests.push(logged);
    }

    fn violated(&mut self, asked: &Asked, what: &str) {
        self.violations.push(format!("{} {}: {what}", asked.method, asked.path));
    }
}

/// Carries the request out and says how it ended.
pub(crate) fn answer(state: &mut State, asked: &Asked, effect: Option<&FaultKind>) -> Answer {
    for what in openapi::objections(&asked.method, &asked.path, &asked.query(), asked.version.as_deref(), &asked.json()) {
        state.violated(asked, &what);
    }
    let (toll, outcome) = match admitted(state, asked) {
        Err((toll, refusal)) => (toll, Err(refusal)),
        Ok((toll, key)) => match effect {
            Some(FaultKind::Status(error)) => (toll, Err(error.to_refusal())),
            _ => (toll, carry_out(state, asked, key.as_ref(), effect)),
        },
    };
    let outcome = match effect {
        Some(FaultKind::StoreThenStatus(error)) => Err(error.to_refusal()),
        _ => outcome,
    };
    let date = state.now().strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
    let mut headers = vec![("x-request-id", format!("sim-{}", state.requests.len())), ("date", date)];
    if let Some(toll) = toll {
        headers.push(("x-ratelimit-limit-default", toll.limit.to_string()));
        headers.push(("x-ratelimit-remaining-default", toll.remaining.to_string()));
        headers.push(("x-ratelimit-reset-default", toll.reset_s.to_string()));
    }
    match outcome {
        Ok((status, data)) => {
            let body = match data {
                Data::Only(data) => json!({ "status": "success", "data": data }),
                Data::None => json!({ "status": "success" }),
                Data::Page(data, pagination) => json!({ "status": "success", "data": data, "pagination": pagination }),
            };
            if effect.is_none() {
                let own = openapi::objections_to_answer(&asked.method, &asked.path, status, &body);
                state.own_violations.extend(own.into_iter().map(|what| format!("{} {}: {what}", asked.method, asked.path)));
            }
            Answer { status, headers, body }
        }
        Err(refusal) => {
            if refusal.blame == Blame::Request {
                state.violated(asked, &refusal.sentence());
            }
            Answer { status: refusal.status, headers, body: refusal.body(&utc(state.now()), &asked.target) }
        }
    }
}

/// What a good answer carries.
pub(crate) enum Data {
    Only(Value),
    None,
    Page(Value, Value),
}

pub(crate) type Outcome = Result<(u16, Data), Refusal>;

fn carry_out(state: &mut State, asked: &Asked, key: Option<&Key>, effect: Option<&FaultKind>) -> Outcome {
    let uid = asked.uid.as_deref().unwrap_or("");
    match asked.route {
        Route::Slots => state.list_slots(asked, matches!(effect, Some(FaultKind::SlotsWithoutOffset))),
        Route::Reservations => state.reserve(asked),
        Route::Create => state.create(asked, key, effect),
        Route::List => state.list(asked, key, matches!(effect, Some(FaultKind::StaleList))),
        Route::Get => state.get(uid),
        Route::Reschedule => state.reschedule(asked, uid, effect),
        Route::Cancel => state.cancel(asked, uid, key),
        Route::Confirm => state.decide(uid, super::state::Status::Accepted),
        Route::Decline => state.decide(uid, super::state::Status::Rejected),
        Route::EventTypes => state.event_types(asked),
        Route::Me => state.me(key),
        _ => Err(Refusal::not_found(format!("Cannot {} {}", asked.method, asked.path)).malformed()),
    }
}

/// What a person who tries the simulation by hand wants to see, and `POST /sim/faults`.
pub(crate) fn control(state: &mut State, path: &str, body: &[u8]) -> Answer {
    let (status, body) = match path {
        "/sim/faults" => {
            let fault =
                serde_json::from_slice(body).map_err(|error| error.to_string()).and_then(|value: Value| Fault::from_json(&value));
            match fault {
                Ok(fault) => {
                    state.faults.add(fault);
                    (200, json!({ "waiting": state.faults.waiting() }))
                }
                Err(why) => (400, json!({ "error": why })),
            }
        }
        _ => {
            let bookings: Vec<Value> = state.bookings.iter().map(|booking| state.to_json(booking)).collect();
            (200, json!({ "bookings": bookings, "violations": state.violations, "requests": state.requests.len() }))
        }
    };
    Answer { status, headers: Vec::new(), body }
}

type Admitted = Result<(Option<Toll>, Option<Key>), (Option<Toll>, Refusal)>;

fn admitted(state: &mut State, asked: &Asked) -> Admitted {
    let key = asked.bearer.as_ref().and_then(|bearer| state.config.keys.iter().find(|key| key.secret == *bearer)).cloned();
    let mut toll = None;
    if let Some(limit) = state.config.rate_limit {
        // The throttler looks at keys before anything else does.
        if asked.bearer.as_ref().is_some_and(|bearer| bearer.starts_with("cal_")) && key.is_none() {
            return Err((None, Refusal::unauthorized("CustomThrottlerGuard - Invalid API Key")));
        }
        let tracker = asked.bearer.clone().unwrap_or_else(|| "address".to_owned());
        let now = state.now();
        let taken = state.limiter.take(&tracker, limit, now);
        toll = Some(taken);
        if !taken.passes {
            return Err((toll, Refusal::new(429, ErrorShape::A, TOO_MANY)));
        }
    }
    let known = versions(asked.route);
    if !known.is_empty() {
        let sent = asked.version.as_deref().filter(|version| VERSIONS.contains(version)).unwrap_or("2024-04-15");
        if !known.contains(&sent) {
            return Err((toll, Refusal::not_found(format!("Cannot {} {}", asked.method, asked.path)).malformed()));
        }
    }
    let refusal = match (&asked.bearer, &key) {
        (Some(_), Some(key)) if key.expired => Some("ApiAuthStrategy - api key - Your api key is expired"),
        (Some(bearer), None) if bearer.starts_with("cal_") => Some("ApiAuthStrategy - api key - Your api key is not valid"),
        (Some(_), None) => Some("ApiAuthStrategy - access token - Invalid Access Token."),
        (None, _) if needs_key(asked.route) => Some(NO_AUTH),
        _ => None,
    };
    match refusal {
        Some(message) => Err((toll, Refusal::unauthorized(message))),
        None => Ok((toll, key)),
    }
}

fn pairs(query: &str) -> Vec<(String, String)> {
    let pair = |part: &str| {
        let (name, value) = part.split_once('=').unwrap_or((part, ""));
        (decode(name), decode(value))
    };
    query.split('&').filter(|part| !part.is_empty()).map(pair).collect()
}

/// `%41+` is `A `.
fn decode(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let hex = |at: usize| after.get(at).and_then(|byte| char::from(*byte).to_digit(16));
        match (first, hex(0), hex(1)) {
            (b'%', Some(high), Some(low)) => {
                bytes.push((high * 16 + low) as u8);
                rest = &after[2..];
            }
            (b'+', ..) => {
                bytes.push(b' ');
                rest = after;
            }
            _ => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
