//! One effect per idempotency key: the first answer is given again, also to a repeat that comes while
//! the first is still running.
//!
//! Everything that writes runs here, detached from its connection: a client that hangs up neither stops
//! what it has begun nor leaves its key claimed.

use std::time::Duration;

use axum::Json;
use axum::http::header::{CONTENT_TYPE, LOCATION};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use frontdesk_core::deadline::Deadline;
use frontdesk_core::meter;
use frontdesk_core::ports::Claimed;
use serde_json::{Map, Value};

use super::access::{Access, Asked};
use crate::edge::Edge;
use crate::problem::{Code, Problem};

pub(super) const KEY_HEADER: &str = "idempotency-key";
const REPLAYED: &str = "idempotency-replayed";
/// Longest key, in bytes of visible ASCII.
const LONGEST: usize = 255;
/// How long a repeat waits for the first answer: past the budget of a write.
const PATIENCE: Duration = Duration::from_secs(7);
/// Between two looks at a running request; each look is a transaction, so they become rarer.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_millis(400);

/// What a write answers.
pub(crate) type Answer = Result<(StatusCode, Value), Problem>;

/// Does `work` once per key. The work reads the fields itself, so that a repeat gets its first answer
/// even where the same fields would not be accepted any more.
pub(crate) async fn once<F>(
    edge: &Edge,
    asked: Asked,
    work: impl FnOnce(Edge, Asked) -> F + Send + 'static,
) -> Result<Response, Problem>
where
    F: Future<Output = Answer> + Send + 'static,
{
    let edge = edge.clone();
    match key(&asked.access)? {
        None => detached(work(edge, asked)).await.map(fresh),
        Some(key) => detached(async move { keyed(&edge, &key, asked, work).await }).await,
    }
}

async fn keyed<F>(edge: &Edge, key: &str, asked: Asked, work: impl FnOnce(Edge, Asked) -> F) -> Result<Response, Problem>
where
    F: Future<Output = Answer> + Send + 'static,
{
    let access = asked.access.clone();
    let fingerprint = fingerprint(&access, &asked.body);
    let patience = Deadline::within(PATIENCE);
    let mut pause = FIRST_PAUSE;
    loop {
        match edge.claims.claim(access.tenant().scope(), key, &fingerprint, edge.clock.now()).await? {
            Claimed::First => break,
            Claimed::Done { status, body } => {
                edge.gate.show(access.asker(), access.class).await;
                return Ok(replayed(status, body));
            }
            Claimed::Mismatch => {
                return Err(Problem::new(Code::IdempotencyMismatch, "The key came with another method, path or body before."));
            }
            Claimed::Running if patience.has_passed() => {
                return Err(Problem::new(Code::StillRunning, "Ask again with the same key.").retry_after(1));
            }
            Claimed::Running => {
                tokio::time::sleep(pause.min(patience.remaining())).await;
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
        }
    }
    if let Err(refused) = access.admit(edge).await {
        // Nothing was decided: the key is free for the next attempt.
        edge.claims.conclude(access.tenant().scope(), key, None, edge.clock.now()).await?;
        return Err(refused);
    }
    // A task of its own: should it panic, the key is given free all the same.
    let answer = detached(work(edge.clone(), asked)).await;
    let kept = kept(&access, &answer);
    let kept = kept.as_ref().map(|(status, body)| (*status, body.as_str()));
    if let Err(error) = edge.claims.conclude(access.tenant().scope(), key, kept, edge.clock.now()).await {
        // What was done is done, and its client has to hear so; only a repeat will not.
        tracing::error!(error = %error, request_id = access.request.0, "the answer to an idempotency key was not kept");
    }
    answer.map(fresh)
}

/// What a repeat is given: what was decided. A fault of ours, and a request that was never understood,
/// decide nothing.
fn kept(access: &Access, answer: &Answer) -> Option<(u16, String)> {
    match answer {
        Ok((status, body)) => Some((status.as_u16(), body.to_string())),
        Err(problem) if decides(problem.code) => {
            let body = problem.body(&access.request.0, &access.path).to_string();
            Some((problem.code.facts().0.as_u16(), body))
        }
        Err(_) => None,
    }
}

fn decides(code: Code) -> bool {
    match code {
        Code::SlotTaken
        | Code::OutsideBusinessHours
        | Code::Closed
        | Code::NoticeTooShort
        | Code::HorizonExceeded
        | Code::DeadlineMissed
        | Code::StateConflict => true,
        Code::Unauthorized
        | Code::NotFound
        | Code::MethodNotAllowed
        | Code::PayloadTooLarge
        | Code::MalformedJson
        | Code::ValidationFailed
        | Code::UnknownService
        | Code::IdempotencyMismatch
        | Code::StillRunning
        | Code::CalendarUnavailable
        | Code::RateLimitExceeded
        | Code::UnsupportedMediaType
        | Code::Timeout
        | Code::Internal => false,
    }
}

#[expect(clippy::disallowed_methods, reason = "the one place where the edge detaches work; each ends by the desk's own deadline")]
async fn detached<T>(work: impl Future<Output = Result<T, Problem>> + Send + 'static) -> Result<T, Problem>
where
    T: Send + 'static,
{
    // The text of a panic may hold a person's data: only that it happened is written down.
    tokio::spawn(meter::carried(work)).await.unwrap_or_else(|error| {
        tracing::error!(panicked = error.is_panic(), "a write broke");
        Err(Problem::new(Code::Internal, "The request may or may not have been carried out; look before you repeat it."))
    })
}

fn fresh((status, body): (StatusCode, Value)) -> Response {
    let location = match (status, body.get("booking_id"), body.get("callback_id")) {
        (StatusCode::CREATED | StatusCode::ACCEPTED, _, Some(Value::String(id))) => Some(format!("/api/v1/callbacks/{id}")),
        (StatusCode::CREATED | StatusCode::ACCEPTED, Some(Value::String(id)), None) => Some(format!("/api/v2/bookings/{id}")),
        _ => None,
    };
    let mut response = (status, Json(body)).into_response();
    if let Some(location) = location.and_then(|location| HeaderValue::from_str(&location).ok()) {
        response.headers_mut().insert(LOCATION, location);
    }
    response
}

fn replayed(status: u16, body: String) -> Response {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::OK);
    let kind = if status.is_success() { "application/json" } else { "application/problem+json" };
    let mut response = match serde_json::from_str(&body) {
        Ok(body) if status.is_success() => fresh((status, body)),
        _ => (status, body).into_response(),
    };
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
    response
}

fn key(access: &Access) -> Result<Option<String>, Problem> {
    let Some(value) = access.headers.get(KEY_HEADER) else { return Ok(None) };
    let usable = |text: &&str| (1..=LONGEST).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
    match value.to_str().ok().filter(usable) {
        Some(text) => Ok(Some(text.to_owned())),
        None => {
            let detail = format!("The Idempotency-Key has 1 to {LONGEST} visible ASCII characters.");
            Err(Problem::new(Code::ValidationFailed, detail))
        }
    }
}

/// The same request has the same fingerprint, whatever the order and spacing of its fields.
fn fingerprint(access: &Access, body: &Map<String, Value>) -> String {
    let body = Value::Object(body.clone()).to_string();
    let text = format!("{} {}\n{body}", access.method, access.path);
    let digest = ring::digest::digest(&ring::digest::SHA256, text.as_bytes());
    digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}
