//! A Cal.com that says what it is told to say, in order, and remembers what it was asked.

#![expect(clippy::disallowed_methods, reason = "a test owns its tasks: they end with its runtime")]

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

/// One request as it arrived.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) method: Method,
    pub(crate) uri: Uri,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Value,
}

/// One answer to give.
pub(crate) enum Say {
    Json(u16, Value),
    Headers(u16, Vec<(&'static str, String)>, Value),
    Raw(u16, String),
    /// Accepts the request and never answers.
    Nothing,
}

#[derive(Default)]
struct Script {
    says: Mutex<VecDeque<Say>>,
    asked: Mutex<Vec<Asked>>,
}

pub(crate) struct Double {
    pub(crate) base_url: String,
    script: Arc<Script>,
}

impl Double {
    pub(crate) async fn saying(says: impl IntoIterator<Item = Say>) -> Self {
        let script = Arc::new(Script { says: Mutex::new(says.into_iter().collect()), asked: Mutex::default() });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let app = Router::new().fallback(answer).with_state(Arc::clone(&script));
        tokio::spawn(async move { axum::serve(listener, app).await });
        Self { base_url: format!("http://{address}"), script }
    }

    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.script.asked.lock().expect("not poisoned").clone()
    }

    pub(crate) fn only(&self) -> Asked {
        let asked = self.asked();
        assert_eq!(asked.len(), 1, "{asked:?}");
        asked[0].clone()
    }
}

impl Asked {
    pub(crate) fn line(&self) -> String {
        format!("{} {}", self.method, self.uri)
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().expect("text"))
    }
}

async fn answer(State(script): State<Arc<Script>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let body: Bytes = axum::body::to_bytes(body, 1 << 20).await.expect("a body");
    script.asked.lock().expect("not poisoned").push(Asked {
        method: parts.method,
        uri: parts.uri,
        headers: parts.headers,
        body: serde_json::from_slice(&body).unwrap_or(Value::Null),
    });
    let say = script.says.lock().expect("not poisoned").pop_front();
    let status = |code: u16| StatusCode::from_u16(code).expect("a status");
    match say {
        Some(Say::Json(code, body)) => (status(code), body.to_string()).into_response(),
        Some(Say::Headers(code, headers, body)) => {
            let mut response = (status(code), body.to_string()).into_response();
            for (name, value) in headers {
                response.headers_mut().insert(name, value.parse().expect("a header value"));
            }
            response
        }
        Some(Say::Raw(code, body)) => (status(code), body).into_response(),
        Some(Say::Nothing) => std::future::pending().await,
        None => (status(500), "nothing was scripted").into_response(),
    }
}

pub(crate) fn good(data: Value) -> Say {
    Say::Json(200, json!({"status": "success", "data": data}))
}

pub(crate) fn shape_a(status: u16, message: &str) -> Say {
    let error = json!({"code": "BadRequestException", "message": message, "details": {"message": message, "statusCode": status}});
    Say::Json(status, json!({"status": "error", "timestamp": "2030-01-01T00:00:00Z", "path": "/v2/x", "error": error}))
}
