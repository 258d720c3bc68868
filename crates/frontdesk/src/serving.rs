//! The front door: takes connections in and says goodbye to them without cutting anybody off.
//!
//! WHY NOT axum's own loop: when it stops, it closes idle connections at once, and a client that sends at
//! that moment gets no answer. Here each connection is told in an answer (`Connection: close`), and only what
//! stays silent for a while is closed.

mod heads;

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd as _, OwnedFd};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::extract::ConnectInfo;
use axum::http::header::CONNECTION;
use axum::http::{HeaderValue, Request};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{MissedTickBehavior, interval, timeout};
use tower::ServiceExt as _;

/// How long a connection may be silent before it is closed by a door that closes: whoever sends within this
/// time is answered.
const LINGER: Duration = Duration::from_secs(5);
/// How long running requests may take to finish.
const DRAIN: Duration = Duration::from_secs(30);
/// A connection on which nothing was ever asked is left after this.
const SILENT: Duration = Duration::from_secs(1);
/// The head of a request arrives within this, from its first byte on; the first one from the connection on.
const HEAD_WITHIN: Duration = Duration::from_secs(30);
/// After the machine had no room for a connection.
const PAUSE: Duration = Duration::from_millis(100);

/// How the door stands; later ones never go back, except that a pause ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Phase {
    Open,
    /// Nobody is let in; who is in is served as ever.
    Paused,
    /// Others let people in; who is in is asked to come again.
    HandedOver,
    /// Nobody lets people in after us: who waits is let in, the last.
    Last,
    /// Silent connections are closed.
    Closing,
}

/// Who opened the socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Origin {
    /// This process, or one before it.
    Own,
    /// Somebody who keeps it open after us: who waits there is not lost.
    Given,
}

/// A door that is open.
pub(crate) struct Door {
    phase: watch::Sender<Phase>,
    app: watch::Sender<Router>,
    /// The socket, for who comes after us.
    socket: Option<OwnedFd>,
    origin: Origin,
    served: JoinHandle<()>,
}

impl Door {
    /// Opens it.
    pub(crate) fn open(listener: TcpListener, origin: Origin, app: Router) -> io::Result<Self> {
        let socket = listener.as_fd().try_clone_to_owned()?;
        let (phase, app) = (watch::Sender::new(Phase::Open), watch::Sender::new(app));
        let work = serve(listener, app.subscribe(), phase.subscribe());
        #[expect(clippy::disallowed_methods, reason = "the door owns it and waits for its end in `close`")]
        let served = tokio::spawn(work);
        Ok(Self { phase, app, socket: Some(socket), origin, served })
    }

    /// From the next request on, `next` answers; those that run keep what they began with. `change` happens
    /// while no request begins, and is over at once.
    pub(crate) fn answer_with(&self, next: Router, change: impl FnOnce()) {
        self.app.send_modify(|app| {
            change();
            *app = next;
        });
    }

    /// The socket once more, for another process.
    pub(crate) fn socket(&self) -> io::Result<OwnedFd> {
        self.socket.as_ref().ok_or_else(|| io::Error::other("the socket is closed already"))?.try_clone()
    }

    /// What pauses and resumes the door from elsewhere.
    pub(crate) fn latch(&self) -> Latch {
        Latch(self.phase.clone())
    }

    /// Whether it fell shut by itself, which it never should.
    pub(crate) fn is_shut(&self) -> bool {
        self.served.is_finished()
    }

    /// Lets nobody in any more, serves who is in, and returns once all have left; `false` when somebody had to
    /// be cut off. Somebody else lets people in if `handed_over`.
    pub(crate) async fn close(mut self, handed_over: bool) -> bool {
        let others = handed_over || self.origin == Origin::Given;
        self.phase.send_replace(if others { Phase::HandedOver } else { Phase::Last });
        self.socket = None;
        if timeout(LINGER, &mut self.served).await.is_ok() {
            return true;
        }
        self.phase.send_replace(Phase::Closing);
        let left = timeout(DRAIN.saturating_sub(LINGER), &mut self.served).await.is_ok();
        self.served.abort();
        left
    }
}

/// Pauses and resumes a door.
#[derive(Clone)]
pub(crate) struct Latch(watch::Sender<Phase>);

impl Latch {
    /// Nobody is let in for now; who comes waits.
    pub(crate) fn pause(&self) {
        self.turn(Phase::Open, Phase::Paused);
    }

    /// As before.
    pub(crate) fn resume(&self) {
        self.turn(Phase::Paused, Phase::Open);
    }

    fn turn(&self, from: Phase, to: Phase) {
        self.0.send_if_modified(|phase| {
            let turns = *phase == from;
            if turns {
                *phase = to;
            }
            turns
        });
    }
}

async fn serve(listener: TcpListener, app: watch::Receiver<Router>, mut phase: watch::Receiver<Phase>) {
    let mut open = JoinSet::new();
    loop {
        let now = *phase.borrow_and_update();
        if now >= Phase::HandedOver {
            break;
        }
        tokio::select! {
            turned = phase.changed() => if turned.is_err() { break },
            Some(_) = open.join_next(), if !open.is_empty() => {}
            came = listener.accept(), if now == Phase::Open => match came {
                Ok((stream, peer)) => drop(open.spawn(attend(stream, peer, app.clone(), phase.clone()))),
                Err(error) => refused(&error).await,
            }
        }
    }
    if *phase.borrow() == Phase::Last
        && let Ok(listener) = listener.into_std()
    {
        // What waits in the queue of a socket that closes would be reset.
        while let Ok((stream, peer)) = listener.accept() {
            if stream.set_nonblocking(true).is_ok()
                && let Ok(stream) = TcpStream::from_std(stream)
            {
                open.spawn(attend(stream, peer, app.clone(), phase.clone()));
            }
        }
    }
    while open.join_next().await.is_some() {}
}

/// A connection that broke before it was there is nobody's fault; anything else is told, and not at once again.
async fn refused(error: &io::Error) {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};

    if !matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset) {
        tracing::error!(%error, "a connection could not be accepted");
        tokio::time::sleep(PAUSE).await;
    }
}

/// One connection, to its end.
async fn attend(stream: TcpStream, peer: SocketAddr, app: watch::Receiver<Router>, mut phase: watch::Receiver<Phase>) {
    // Answers are one small write: waiting to fill a packet only adds silence.
    let _ = stream.set_nodelay(true);
    let (at_work, begun, door) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)), phase.clone());
    let stream = heads::Heads::on(stream, HEAD_WITHIN, Arc::clone(&begun), Arc::clone(&at_work));
    let service = service_fn({
        let at_work = Arc::clone(&at_work);
        move |mut request: Request<Incoming>| {
            request.extensions_mut().insert(ConnectInfo(peer));
            begun.fetch_add(1, Ordering::Relaxed);
            let (work, door, app) = (Working::on(&at_work), door.clone(), app.borrow().clone());
            async move {
                let mut response = app.oneshot(request).await?;
                if *door.borrow() >= Phase::HandedOver {
                    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
                }
                drop(work);
                Ok::<_, Infallible>(response)
            }
        }
    });
    let mut connection = pin!(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
    tokio::select! {
        // How a connection ends is the client's business.
        _ = connection.as_mut() => return,
        _ = phase.wait_for(|phase| *phase == Phase::Closing) => {}
    }
    connection.as_mut().graceful_shutdown();
    let mut looks = interval(SILENT);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    looks.tick().await;
    loop {
        tokio::select! {
            _ = connection.as_mut() => return,
            _ = looks.tick() => if at_work.load(Ordering::Relaxed) == 0 { return },
        }
    }
}

/// Counts a request while it is worked on, however it ends.
struct Working(Arc<AtomicUsize>);

impl Working {
    fn on(count: &Arc<AtomicUsize>) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(count))
    }
}

impl Drop for Working {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use axum::routing::get;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    const ASK: &[u8] = b"GET / HTTP/1.1\r\nhost: desk.example\r\n\r\n";

    async fn door() -> (Door, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let door = Door::open(listener, Origin::Own, Router::new().route("/", get(|| async { "here" }))).expect("open");
        (door, TcpStream::connect(address).await.expect("connected"))
    }

    async fn answer(stream: &mut TcpStream) -> String {
        let mut answer = vec![0; 4096];
        let length = stream.read(&mut answer).await.expect("read");
        String::from_utf8_lossy(&answer[..length]).into_owned()
    }

    /// Time jumps while nothing is under way, and runs while something is: a jump would outrun what is on the wire.
    async fn later(by: Duration) {
        tokio::time::pause();
        tokio::time::sleep(by).await;
        tokio::time::resume();
    }

    async fn is_left(stream: &mut TcpStream) {
        tokio::time::pause();
        assert_eq!(answer(stream).await, "", "the connection ends");
        tokio::time::resume();
    }

    #[tokio::test]
    async fn a_head_that_never_ends_is_not_waited_for() {
        for began in [&ASK[..20], b""] {
            let (_door, mut stream) = door().await;
            stream.write_all(began).await.expect("sent");
            is_left(&mut stream).await;
        }
        let (_door, mut stream) = door().await;
        stream.write_all(ASK).await.expect("sent");
        assert!(answer(&mut stream).await.ends_with("here"));
        stream.write_all(&ASK[..20]).await.expect("sent");
        is_left(&mut stream).await;
    }

    #[tokio::test]
    async fn a_connection_is_kept_for_minutes_between_the_functions_of_a_call() {
        let (_door, mut stream) = door().await;
        for _ in 0..3 {
            let (first, rest) = ASK.split_at(20);
            stream.write_all(first).await.expect("sent");
            later(Duration::from_secs(20)).await;
            stream.write_all(rest).await.expect("sent");
            assert!(answer(&mut stream).await.ends_with("here"));
            later(Duration::from_secs(600)).await;
        }
    }
}
