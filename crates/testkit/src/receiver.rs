//! Somebody's software that webhooks are posted to, with scripted answers.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::task::{JoinHandle, JoinSet};

/// What the next request is answered with.
#[derive(Clone, Debug)]
pub enum Reply {
    /// A status and a body.
    Status(u16, String),
    /// A redirect.
    Redirect(String),
    /// It is taken down and never answered.
    Hang,
}

/// A request as it arrived.
#[derive(Clone, Debug)]
pub struct Posted {
    pub path: String,
    pub headers: Vec<(String, String)>,
    pub body: String,
    /// The same, where it is no text.
    pub bytes: Bytes,
}

#[derive(Default)]
struct State {
    posted: Vec<Posted>,
    script: VecDeque<Reply>,
    always: Option<Reply>,
}

/// The software; it ends when it is dropped.
pub struct WebhookReceiver {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
    task: JoinHandle<()>,
}

impl WebhookReceiver {
    #[expect(clippy::disallowed_methods, reason = "the simulation owns its listener; it is aborted with it")]
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let state = Arc::new(Mutex::new(State::default()));
        let shared = Arc::clone(&state);
        let task = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                let Ok((stream, _)) = listener.accept().await else { continue };
                let shared = Arc::clone(&shared);
                connections.spawn(async move {
                    let service = service_fn(move |request| answer(Arc::clone(&shared), request));
                    let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
                });
                while connections.try_join_next().is_some() {}
            }
        });
        Self { address, state, task }
    }

    pub fn url(&self) -> String {
        format!("http://{}/hook", self.address)
    }

    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// Answers the next request with this, before what [`Self::always`] says.
    pub fn next(&self, reply: Reply) {
        lock(&self.state).script.push_back(reply);
    }

    /// Answers every request with this; `None` is 200.
    pub fn always(&self, reply: Option<Reply>) {
        lock(&self.state).always = reply;
    }

    /// Everything that arrived, in order.
    pub fn posted(&self) -> Vec<Posted> {
        lock(&self.state).posted.clone()
    }
}

impl Drop for WebhookReceiver {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Posted {
    pub fn header(&self, name: &str) -> &str {
        self.headers.iter().find(|(it, _)| it.eq_ignore_ascii_case(name)).map_or("", |(_, value)| value)
    }

    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_default()
    }

    /// What happened, as the body says.
    pub fn event(&self) -> String {
        self.json()["type"].as_str().unwrap_or("").to_owned()
    }
}

async fn answer(state: Arc<Mutex<State>>, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let (parts, body) = request.into_parts();
    let body = body.collect().await.map(|body| body.to_bytes()).unwrap_or_default();
    let text = |value: &hyper::header::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let headers = parts.headers.iter().map(|(name, value)| (name.as_str().to_owned(), text(value))).collect();
    let reply = {
        let mut state = lock(&state);
        let (bytes, body) = (body.clone(), String::from_utf8_lossy(&body).into_owned());
        state.posted.push(Posted { path: parts.uri.path().to_owned(), headers, body, bytes });
        state.script.pop_front().or_else(|| state.always.clone())
    };
    let builder = Response::builder();
    let response = match reply {
        None => builder.body(Full::default()),
        Some(Reply::Status(status, body)) => builder.status(status).body(Full::from(body)),
        Some(Reply::Redirect(to)) => builder.status(302).header("location", to).body(Full::default()),
        Some(Reply::Hang) => std::future::pending().await,
    };
    Ok(response.unwrap_or_default())
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}
