//! The wire: below axum, because a fault ends a connection without an answer.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::BodyExt as _;
use hyper::body::{Body, Frame, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{Sleep, sleep};

use super::Shared;
use super::fault::FaultKind;
use super::routes::{self, Answer, Asked};

/// The connection ends without an answer.
#[derive(Debug)]
struct Dropped;

impl std::fmt::Display for Dropped {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the connection is dropped on purpose")
    }
}

impl std::error::Error for Dropped {}

#[expect(clippy::disallowed_methods, reason = "the simulation owns its listener; it is aborted with it")]
pub(crate) fn listen(listener: TcpListener, shared: Arc<Shared>) -> JoinHandle<()> {
    tokio::spawn(async move {
        let mut connections = JoinSet::new();
        loop {
            let Ok((stream, _)) = listener.accept().await else { continue };
            let _ = stream.set_nodelay(true);
            let shared = Arc::clone(&shared);
            connections.spawn(async move {
                let service = service_fn(move |request| serve(Arc::clone(&shared), request));
                // A dropped connection is an error to the server and the point of the fault.
                let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
            });
            while connections.try_join_next().is_some() {}
        }
    })
}

#[expect(
    clippy::disallowed_methods,
    reason = "a request is carried out whether or not its client still waits, as the real one does"
)]
async fn serve(shared: Arc<Shared>, request: Request<Incoming>) -> Result<Response<Chunks>, Dropped> {
    let (parts, body) = request.into_parts();
    let body = body.collect().await.map_err(|_| Dropped)?.to_bytes();
    if parts.uri.path().starts_with("/sim") && shared.state().config.control {
        return respond(&routes::control(&mut shared.state(), parts.uri.path(), &body), Chunks::whole);
    }
    let asked = Asked::new(&parts, body);
    tokio::spawn(async move { act(&shared, asked).await }).await.unwrap_or(Err(Dropped))
}

async fn act(shared: &Shared, asked: Asked) -> Result<Response<Chunks>, Dropped> {
    let plan = {
        let mut state = shared.state();
        state.log(&asked);
        state.faults.plan(asked.route)
    };
    if !plan.before.is_zero() {
        sleep(plan.before).await;
    }
    match &plan.effect {
        Some(FaultKind::DropBefore) => return Err(Dropped),
        Some(FaultKind::Hang) => std::future::pending::<()>().await,
        _ => {}
    }
    let answer = routes::answer(&mut shared.state(), &asked, plan.effect.as_ref());
    if !plan.after.is_zero() {
        sleep(plan.after).await;
    }
    match plan.effect {
        Some(FaultKind::StoreThenDrop) => Err(Dropped),
        Some(FaultKind::StoreThenHang) => std::future::pending().await,
        Some(FaultKind::Garbage) => {
            let page = Bytes::from_static(b"<!doctype html><title>Just a moment...</title>");
            Ok(Response::builder().header("content-type", "text/html").body(Chunks::whole(page)).map_err(|_| Dropped)?)
        }
        Some(FaultKind::SlowTrickle { chunk_bytes, every }) => respond(&answer, |body| Chunks::trickle(body, chunk_bytes, every)),
        _ => respond(&answer, Chunks::whole),
    }
}

fn respond(answer: &Answer, body: impl FnOnce(Bytes) -> Chunks) -> Result<Response<Chunks>, Dropped> {
    let mut response = Response::builder().status(answer.status).header("content-type", "application/json; charset=utf-8");
    for (name, value) in &answer.headers {
        response = response.header(*name, value);
    }
    response.body(body(Bytes::from(answer.body.to_string()))).map_err(|_| Dropped)
}

/// A body that may come slowly.
struct Chunks {
    rest: Bytes,
    most: usize,
    every: Duration,
    pause: Option<Pin<Box<Sleep>>>,
}

impl Chunks {
    fn whole(rest: Bytes) -> Self {
        Self { rest, most: usize::MAX, every: Duration::ZERO, pause: None }
    }

    fn trickle(rest: Bytes, most: usize, every: Duration) -> Self {
        Self { rest, most: most.max(1), every, pause: None }
    }
}

impl Body for Chunks {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if let Some(pause) = &mut self.pause {
            std::task::ready!(pause.as_mut().poll(context));
            self.pause = None;
        }
        if self.rest.is_empty() {
            return Poll::Ready(None);
        }
        let size = self.most.min(self.rest.len());
        let chunk = self.rest.split_to(size);
        if !self.every.is_zero() {
            self.pause = Some(Box::pin(sleep(self.every)));
        }
        Poll::Ready(Some(Ok(Frame::data(chunk))))
    }
}
