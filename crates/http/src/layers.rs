//! What every request passes, outermost first: its id and its clock, then a net for panics, then the
//! limit on its body. Problems get their id and path here, so that no handler can forget them.

use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header::{CONTENT_TYPE, HeaderName};
use axum::http::{HeaderValue, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use bytes::{Bytes, BytesMut};
use frontdesk_core::ids::random_text;
use futures_util::StreamExt as _;

use crate::edge::Edge;
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
    request.extensions_mut().insert(RequestId(id.clone()));
    let mut response = match CatchUnwind(AssertUnwindSafe(Box::pin(next.run(request)))).await {
        Ok(response) => response,
        Err(()) => {
            tracing::error!(request_id = id, "a request panicked");
            Problem::new(Code::Internal, "The request was not understood by us. It is written down.").into_response()
        }
    };
    if response.status() == StatusCode::METHOD_NOT_ALLOWED && response.extensions().get::<Box<Problem>>().is_none() {
        let allow = response.headers().get("allow").cloned();
        response = Problem::new(Code::MethodNotAllowed, "See the Allow header.").into_response();
        if let Some(allow) = allow {
            response.headers_mut().insert("allow", allow);
        }
    }
    if let Some(problem) = response.extensions_mut().remove::<Box<Problem>>() {
        *response.body_mut() = Body::from(problem.body(&id, &path).to_string());
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        response.headers_mut().remove("content-length");
    }
    let took = (edge.clock.now() - began).as_micros().max(0);
    let millis = format!("{}.{:03}", took / 1000, took % 1000);
    let headers = response.headers_mut();
    if let Ok(value) = HeaderValue::from_str(&id) {
        headers.insert(REQUEST_ID, value);
    }
    if let Ok(value) = HeaderValue::from_str(&millis) {
        headers.insert(RESPONSE_TIME, value);
    }
    if let Ok(value) = HeaderValue::from_str(&format!("total;dur={millis}")) {
        headers.insert(SERVER_TIMING, value);
    }
    response
}

/// 8 to 128 of letters, digits, `-`, `_`, `.`, `:`.
fn is_well_formed(text: &str) -> bool {
    (8..=128).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b':'))
}

/// Turns a panic while polling into an error.
struct CatchUnwind<F>(AssertUnwindSafe<Pin<Box<F>>>);

impl<F: Future> Future for CatchUnwind<F> {
    type Output = Result<F::Output, ()>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let inner = &mut self.0.0;
        match std::panic::catch_unwind(AssertUnwindSafe(|| inner.as_mut().poll(context))) {
            Ok(Poll::Ready(output)) => Poll::Ready(Ok(output)),
            Ok(Poll::Pending) => Poll::Pending,
            Err(_) => Poll::Ready(Err(())),
        }
    }
}

/// How much of a body that is too large is still read, so that its sender is there for the answer: one
/// that is cut off in the middle of sending sees a broken connection instead.
const READ_AWAY: usize = 16 * 1024 * 1024;
/// How long that may take.
const READ_AWAY_WITHIN: Duration = Duration::from_secs(5);

/// Reads a body of at most `most` bytes.
pub(crate) async fn read_body(body: Body, most: usize) -> Result<Bytes, Problem> {
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
