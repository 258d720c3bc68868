//! What every request passes, outermost first: its id, its clock and its meter, then a net for panics,
//! then the limit on its body. Problems get their id and path here, limits and costs their headers and
//! their lines in the log, so that no handler can forget them.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::Extension;
use axum::body::Body;
use axum::extract::{MatchedPath, Request, State};
use axum::http::header::{CONTENT_TYPE, HeaderName};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use bytes::{Bytes, BytesMut};
use frontdesk_core::caught::{Panicked, caught};
use frontdesk_core::ids::{TenantId, random_text};
use frontdesk_core::limits::{Asker, Class, Verdict};
use frontdesk_core::meter::{Meter, measured};
use frontdesk_core::protection::{Mode, Protection};
use frontdesk_core::redact::Depth;
use frontdesk_core::spans::{self, Served, Span};
use frontdesk_core::vitals::Limited;
use futures_util::StreamExt as _;
use jiff::Timestamp;

use crate::edge::Edge;
use crate::limits;
use crate::peer::{Peer, peer};
use crate::problem::{Code, Problem};

/// The id of a request, as answered and logged.
#[derive(Debug, Clone)]
pub(crate) struct RequestId(pub(crate) String);

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const RESPONSE_TIME: HeaderName = HeaderName::from_static("x-response-time");
const SERVER_TIMING: HeaderName = HeaderName::from_static("server-timing");

/// Gives the request its id, catches what falls, and completes the answer.
pub(crate) async fn outermost(State(edge): State<Edge>, mut request: Request, next: Next) -> Response {
    let began = edge.clock.now();
    let id = request
        .headers()
        .get(&REQUEST_ID)
        .and_then(|value| value.to_str().ok())
        .filter(|text| is_well_formed(text))
        .map_or_else(|| random_text(&*edge.dice), str::to_owned);
    let path = request.uri().path().to_owned();
    let peer = peer(request.headers(), request.extensions(), &edge.settings.trusts);
    request.extensions_mut().insert(peer);
    request.extensions_mut().insert(RequestId(id.clone()));
    let route = request.extensions().get::<MatchedPath>().cloned();
    let method = spans::method(request.method().as_str());
    let meter = Arc::new(Meter::of(&id).within(begun(&edge, &path, request.headers())));
    measured(Arc::clone(&meter), async {
        let mut response = match caught(next.run(request)).await {
            Ok(response) => response,
            Err(Panicked) => {
                tracing::error!(request_id = id, "a request panicked");
                Problem::new(Code::Internal, "The request was not understood by us. It is written down.").into_response()
            }
        };
        if problem_of(&response).is_some_and(|problem| problem.code == Code::Unauthorized) {
            if route.as_ref().is_some_and(|route| is_of_a_platform(route.as_str())) {
                edge.metrics().rejected.fetch_add(1, Ordering::Relaxed);
            }
            response = limit_strangers(&edge, peer, &path, response).await;
        }
        respond(
            &edge,
            response,
            &Answered { id: &id, path: &path, method, route: route.as_ref().map(MatchedPath::as_str), began, meter: &meter },
        )
    })
    .await
}

/// The span of a request, where somebody collects them. Who looks whether we live is no traffic.
fn begun(edge: &Edge, path: &str, headers: &HeaderMap) -> Option<Arc<dyn Span>> {
    let spans = edge.spans.as_ref().filter(|_| !["/livez", "/readyz", "/metrics"].contains(&path))?;
    Some(spans.received(&|name| headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned)))
}

/// What is known of a request once it is answered.
struct Answered<'a> {
    id: &'a str,
    path: &'a str,
    method: &'static str,
    route: Option<&'a str>,
    began: Timestamp,
    meter: &'a Meter,
}

/// Completes an answer: the one place where problems become bodies and costs become headers.
fn respond(edge: &Edge, mut response: Response, of: &Answered<'_>) -> Response {
    if response.status() == StatusCode::METHOD_NOT_ALLOWED && problem_of(&response).is_none() {
        let allow = response.headers().get("allow").cloned();
        response = Problem::new(Code::MethodNotAllowed, "See the Allow header.").into_response();
        if let Some(allow) = allow {
            response.headers_mut().insert("allow", allow);
        }
    }
    if let Some(problem) = response.extensions_mut().remove::<Box<Problem>>() {
        let path = edge.redactor.address(of.path, Depth::Everything);
        *response.body_mut() = Body::from(problem.body(of.id, &path).to_string());
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        response.headers_mut().remove("content-length");
    }
    let now = edge.clock.now();
    let took = Duration::from_micros(u64::try_from((now - of.began).as_micros()).unwrap_or(0));
    let about = of.meter.about();
    let detail = edge.switches.mode(Protection::Performance, about.tenant.as_ref(), now);
    let reading = of.meter.read();
    let verdict = of.meter.verdict();
    let is_synthetic = about.tenant.as_ref().is_some_and(TenantId::is_canary);
    if !is_synthetic && verdict.as_ref().is_some_and(Verdict::refuses) {
        edge.metrics().refused.fetch_add(1, Ordering::Relaxed);
    }
    if !is_synthetic && of.route.is_none_or(is_for_callers) {
        let limited = match &verdict {
            Some(verdict) if verdict.refuses() => Limited::Refused,
            Some(verdict) if verdict.mode == Mode::Shadow && verdict.refusal().is_some() => Limited::Watched,
            _ => Limited::No,
        };
        edge.metrics().pulse.answered(response.status().as_u16(), limited, &about, took);
    }
    if let Some(verdict) = verdict {
        limits::show(&verdict, now, response.headers_mut());
        limits::tell(&verdict, of.id, &edge.redactor.address(of.path, Depth::Everything));
    }
    if let Some(protection) = of.meter.would_be_refused_by() {
        let tenant = about.tenant.as_ref().map_or("", TenantId::as_str);
        tracing::info!(
            request_id = of.id,
            tenant,
            protection = protection.name(),
            mode = "shadow",
            "a protection in shadow would have refused"
        );
    }
    if let Some(span) = of.meter.span() {
        span.served(&Served {
            method: of.method,
            route: of.route,
            status: response.status().as_u16(),
            tenant: about.tenant.as_ref(),
            function: about.function,
            outcome: about.status,
            store_calls: reading.store_calls,
            took,
        });
    }
    let headers = response.headers_mut();
    let mut put = |name: HeaderName, text: &str| {
        if let Ok(value) = HeaderValue::from_str(text) {
            headers.insert(name, value);
        }
    };
    let millis = |micros: u64| format!("{}.{:03}", micros / 1000, micros % 1000);
    let total = millis(u64::try_from(took.as_micros()).unwrap_or(u64::MAX));
    put(REQUEST_ID, of.id);
    put(RESPONSE_TIME, &total);
    if detail == Mode::Off {
        put(SERVER_TIMING, &format!("total;dur={total}"));
        return response;
    }
    let (db, calendar) = (millis(reading.store_us), millis(reading.calendar_us));
    put(SERVER_TIMING, &format!("total;dur={total}, db;dur={db}, calendar;dur={calendar}"));
    if is_synthetic {
        return response;
    }
    edge.metrics().observe(of.route, response.status().as_u16(), took, &reading, &about);
    let is_slow = took >= edge.settings.slow_after;
    edge.switches.count(Protection::Performance, !is_slow, detail);
    if is_slow {
        edge.metrics().slow();
        let (duration_ms, route) = (u64::try_from(took.as_millis()).unwrap_or(u64::MAX), of.route.unwrap_or("none"));
        let tenant = about.tenant.as_ref().map_or("", TenantId::as_str);
        macro_rules! line {
            ($level:ident) => {
                tracing::$level!(
                    request_id = of.id,
                    tenant,
                    route,
                    function = about.function.unwrap_or(""),
                    duration_ms,
                    store_ms = reading.store_us / 1000,
                    store_calls = reading.store_calls,
                    calendar_ms = reading.calendar_us / 1000,
                    calendar_calls = reading.calendar_calls,
                    mode = detail.as_str(),
                    "Response time over the threshold"
                )
            };
        }
        match detail {
            Mode::On if took >= edge.settings.slow_after * CRITICAL_FACTOR => line!(error),
            Mode::On => line!(warn),
            Mode::Shadow | Mode::Off => line!(info),
        }
    }
    response
}

/// Whether a route is there for callers, their platforms and tenants' software: operators and probes are no measure
/// of how they are served.
fn is_for_callers(route: &str) -> bool {
    let others = ["/livez", "/readyz", "/metrics", "/docs", "/api/health", "/api/admin", "/api/openapi"];
    !others.iter().any(|other| route.starts_with(other))
}

/// Whether voice platforms or calendars ask it, and prove by a signature who they are.
fn is_of_a_platform(route: &str) -> bool {
    let others = ["/api/v1/callbacks", "/api/v2/availability", "/api/v2/bookings"];
    is_for_callers(route) && !others.iter().any(|other| route.starts_with(other))
}

/// An answer this many times slower than worth a line is an error of ours: 3 s where the line is at 1 s.
const CRITICAL_FACTOR: u32 = 3;

fn problem_of(response: &Response) -> Option<&Problem> {
    response.extensions().get::<Box<Problem>>().map(|problem| &**problem)
}

/// Requests that failed to prove whose they are count per client address.
async fn limit_strangers(edge: &Edge, Peer(address): Peer, path: &str, response: Response) -> Response {
    let is_event = path.ends_with("/events") || path.contains("webhook");
    let class = if is_event { Class::Webhooks } else { Class::Default };
    match edge.gate.admit(Asker::Address(address), class).await {
        Ok(_) => response,
        Err(refused) => limits::problem(&refused).into_response(),
    }
}

/// Limits a route that anybody may ask, per client address.
pub(crate) async fn limit_by_address(
    State((edge, class)): State<(Edge, Class)>,
    Extension(Peer(address)): Extension<Peer>,
    request: Request,
    next: Next,
) -> Response {
    match edge.gate.admit(Asker::Address(address), class).await {
        Ok(_) => next.run(request).await,
        Err(refused) => limits::problem(&refused).into_response(),
    }
}

/// 8 to 128 of letters, digits, `-`, `_`, `.`, `:`.
fn is_well_formed(text: &str) -> bool {
    (8..=128).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b':'))
}

/// How much of a body that is too large is still read, so that its sender is there for the answer: one
/// that is cut off in the middle of sending sees a broken connection instead.
const READ_AWAY: usize = 16 * 1024 * 1024;
/// How long a body may take to arrive.
const BODY_WITHIN: Duration = Duration::from_secs(20);
/// How long that may take.
const READ_AWAY_WITHIN: Duration = Duration::from_secs(5);

/// Reads a body of at most `most` bytes.
pub(crate) async fn read_body(body: Body, most: usize) -> Result<Bytes, Problem> {
    match tokio::time::timeout(BODY_WITHIN, read(body, most)).await {
        Ok(read) => read,
        Err(_) => Err(Problem::new(Code::Timeout, "The body did not arrive in time.")),
    }
}

async fn read(body: Body, most: usize) -> Result<Bytes, Problem> {
    let mut chunks = body.into_data_stream();
    let mut read = BytesMut::new();
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.map_err(|_| Problem::new(Code::MalformedJson, "The body broke off."))?;
        if read.len() + chunk.len() > most {
            let mut left = READ_AWAY.saturating_sub(read.len() + chunk.len());
            let read_away = async {
                while let Some(Ok(chunk)) = chunks.next().await {
                    let Some(rest) = left.checked_sub(chunk.len()) else { break };
                    left = rest;
                }
            };
            let _ = tokio::time::timeout(READ_AWAY_WITHIN, read_away).await;
            return Err(Problem::new(Code::PayloadTooLarge, format!("At most {most} bytes are read here.")));
        }
        read.extend_from_slice(&chunk);
    }
    Ok(read.freeze())
}
