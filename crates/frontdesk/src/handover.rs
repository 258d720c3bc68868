//! A running gateway and the one that replaces it: one binary on disk, started by the other, on one socket.
//!
//! The new process finds the listening socket as its standard input, as servers of inetd did, and a line to
//! the old one as its standard output. On it they say, in this order:
//!
//! 1. new: `prepared`; its store is open, its tenants are read, it lacks only the word;
//! 2. old, which lets nobody in meanwhile: what its windows and breakers hold, as JSON;
//! 3. new: `serving`; from here on it lets people in, and the old one leaves;
//! 4. old, until it is gone: what it still admits, as JSON, so that a limit is one limit.
//!
//! Whatever else happens on the line, or nothing in time, is a failure: the new one is ended and the old one
//! goes on as if nothing had been. A process that crashes or hangs harms nobody.

use std::ffi::OsString;
use std::io;
use std::net::TcpListener;
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use frontdesk_core::shared::{HandedState, KeptWindow};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::{Child, Command};
use tokio::time::timeout;

use crate::system;

/// Tells a process that its standard input and output are not what they seem.
const MARK: &str = "FRONTDESK_HANDOVER";
/// While nobody is let in: from `prepared` to `serving`.
const TAKE_OVER_WITHIN: Duration = Duration::from_secs(5);
/// How long a process that has ended is waited for, to say how.
const END_WITHIN: Duration = Duration::from_secs(2);
/// No word of this line is longer: windows of fifty thousand buckets fit.
const LONGEST: u64 = 256 * 1024 * 1024;

const PREPARED: &str = "prepared";
const SERVING: &str = "serving";

/// Why there is no new process.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HandoverError {
    #[error("it could not be started: {0}")]
    Start(#[source] io::Error),
    #[error("it ended before it served ({0})")]
    Ended(String),
    #[error("it was not ready within {0:?}")]
    Late(Duration),
    #[error("it said something else than {0:?}")]
    Nonsense(&'static str),
    #[error("what was put off could not be written for it: {0}")]
    Store(#[from] frontdesk_core::ports::StoreError),
}

/// What to start.
#[derive(Debug, Clone)]
pub(crate) struct Program {
    path: PathBuf,
    arguments: Vec<OsString>,
}

/// The line between two processes.
struct Line {
    reader: BufReader<tokio::net::unix::OwnedReadHalf>,
    writer: tokio::net::unix::OwnedWriteHalf,
}

/// The process that comes after this one; ended when dropped before it was released.
pub(crate) struct Successor {
    child: Child,
    line: Line,
    is_released: bool,
}

/// The process that was before this one.
pub(crate) struct Predecessor(Line);

/// What a process finds that was started by another gateway.
pub(crate) struct Inheritance {
    /// The socket on which the other one listens.
    pub(crate) listener: TcpListener,
    line: UnixStream,
}

// === impl Program ===

impl Program {
    /// The binary that this process was started from, with the same arguments.
    pub(crate) fn own() -> io::Result<Self> {
        Ok(Self { path: system::program()?, arguments: system::arguments() })
    }
}

// === impl Line ===

impl Line {
    fn over(stream: UnixStream) -> io::Result<Self> {
        stream.set_nonblocking(true)?;
        let (reader, writer) = tokio::net::UnixStream::from_std(stream)?.into_split();
        Ok(Self { reader: BufReader::new(reader), writer })
    }

    /// The next word; `None` when the other side is gone.
    async fn hear(&mut self) -> io::Result<Option<String>> {
        let mut word = String::new();
        let read = (&mut self.reader).take(LONGEST).read_line(&mut word).await?;
        Ok((read > 0).then(|| word.trim_end().to_owned()))
    }

    async fn say(&mut self, word: &str) -> io::Result<()> {
        self.writer.write_all(word.as_bytes()).await?;
        self.writer.write_all(b"\n").await
    }

    async fn hear_json<T: DeserializeOwned>(&mut self) -> io::Result<Option<T>> {
        let word = self.hear().await?;
        word.map(|word| serde_json::from_str(&word).map_err(io::Error::other)).transpose()
    }

    async fn say_json<T: Serialize>(&mut self, value: &T) -> io::Result<()> {
        self.say(&serde_json::to_string(value).map_err(io::Error::other)?).await
    }
}

// === impl Successor ===

impl Successor {
    /// Starts it and waits until it lacks only the word, at most `within`.
    pub(crate) async fn start(program: &Program, socket: OwnedFd, within: Duration) -> Result<Self, HandoverError> {
        let (ours, theirs) = UnixStream::pair().map_err(HandoverError::Start)?;
        let child = Command::new(&program.path)
            .args(&program.arguments)
            .env(MARK, "1")
            // systemd's watchdog names the process that it watches; the new one is another.
            .env_remove("WATCHDOG_PID")
            .stdin(Stdio::from(socket))
            .stdout(Stdio::from(OwnedFd::from(theirs)))
            .spawn()
            .map_err(HandoverError::Start)?;
        let mut successor = Self { child, line: Line::over(ours).map_err(HandoverError::Start)?, is_released: false };
        successor.expect(PREPARED, within).await?;
        Ok(successor)
    }

    /// Which process it is.
    pub(crate) fn id(&self) -> u32 {
        self.child.id().unwrap_or_default()
    }

    /// Gives it the word, and waits until it serves. From then on it is on its own.
    pub(crate) async fn let_serve(&mut self, state: &HandedState) -> Result<(), HandoverError> {
        // One that has ended cannot hear it, and how it ended is said better below.
        let _ = self.line.say_json(state).await;
        self.expect(SERVING, TAKE_OVER_WITHIN).await?;
        self.is_released = true;
        Ok(())
    }

    /// Tells it what was admitted here meanwhile.
    pub(crate) async fn tell(&mut self, admitted: &[KeptWindow]) -> io::Result<()> {
        self.line.say_json(&admitted).await
    }

    async fn expect(&mut self, word: &'static str, within: Duration) -> Result<(), HandoverError> {
        match timeout(within, self.line.hear()).await {
            Err(_) => Err(HandoverError::Late(within)),
            Ok(Ok(Some(heard))) if heard == word => Ok(()),
            Ok(Ok(Some(_))) => Err(HandoverError::Nonsense(word)),
            Ok(Ok(None) | Err(_)) => {
                let status = timeout(END_WITHIN, self.child.wait()).await;
                let how = match status {
                    Ok(Ok(status)) => status.to_string(),
                    Ok(Err(error)) => error.to_string(),
                    Err(_) => "it closed the line".to_owned(),
                };
                Err(HandoverError::Ended(how))
            }
        }
    }
}

impl Drop for Successor {
    fn drop(&mut self) {
        if !self.is_released {
            // One that has ended by itself cannot be ended again.
            let _ = self.child.start_kill();
        }
    }
}

// === impl Inheritance ===

impl Inheritance {
    /// What another gateway left to this process, if it was started by one. Standard input and output are
    /// what they should be afterwards.
    pub(crate) fn take() -> Result<Option<Self>, io::Error> {
        if system::env(MARK).is_none() {
            return Ok(None);
        }
        let listener = TcpListener::from(io::stdin().as_fd().try_clone_to_owned()?);
        listener.local_addr()?;
        let line = UnixStream::from(io::stdout().as_fd().try_clone_to_owned()?);
        rustix::stdio::dup2_stdin(std::fs::File::open("/dev/null")?)?;
        rustix::stdio::dup2_stdout(io::stderr())?;
        Ok(Some(Self { listener, line }))
    }

    /// The two parts of it.
    pub(crate) fn split(self) -> io::Result<(TcpListener, Predecessor)> {
        Ok((self.listener, Predecessor(Line::over(self.line)?)))
    }
}

// === impl Predecessor ===

impl Predecessor {
    /// Says that only the word is lacking, and waits for it; with it comes how the other one stood. `None`
    /// when the other one has gone or thought better of it: then this process must not serve.
    pub(crate) async fn prepared(&mut self) -> io::Result<Option<HandedState>> {
        self.0.say(PREPARED).await?;
        self.0.hear_json().await
    }

    /// Says that people are let in here from now on.
    pub(crate) async fn serving(&mut self) -> io::Result<()> {
        self.0.say(SERVING).await
    }

    /// What the other one has admitted since; `None` once it has gone.
    pub(crate) async fn admitted(&mut self) -> Option<Vec<KeptWindow>> {
        self.0.hear_json().await.ok().flatten()
    }
}
