//! Where lines go: standard error, or files that a thread of their own writes. Who logs never waits for a disk; a
//! line that finds no room is counted and let go.

use std::io::{self, IsTerminal as _, Write as _};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, OnceLock, PoisonError, RwLock};
use std::thread::Thread;
use std::time::Duration;

use jiff::Timestamp;
use tracing::Level;

use super::rotation::{LogFile, Rules};
use crate::config::deployment::log::{Channel, Form, Log};
use crate::config::problems::Problem;

/// So many lines may wait for the disk.
const MOST_WAITING: usize = 8192;
/// So long a line waits for others, so that the disk and the thread that writes are not called for each.
const COMPANY: Duration = Duration::from_millis(5);
/// How long a process that ends waits for its last lines.
const LAST_LINES: Duration = Duration::from_secs(2);
/// A disk that takes nothing is complained of this often.
const COMPLAIN_EVERY_MS: i64 = 60_000;

static NOW: OnceLock<RwLock<Arc<Outlet>>> = OnceLock::new();
static LOST: AtomicU64 = AtomicU64::new(0);

fn place() -> &'static RwLock<Arc<Outlet>> {
    NOW.get_or_init(|| RwLock::new(Arc::new(Outlet::standard_error())))
}

/// Where lines go now.
pub(super) fn now() -> Arc<Outlet> {
    Arc::clone(&place().read().unwrap_or_else(PoisonError::into_inner))
}

/// How many lines were let go since the process began.
pub(crate) fn lost() -> u64 {
    LOST.load(Ordering::Relaxed)
}

/// Takes the files that are in their places now, for who moves them away.
pub(crate) fn reopen() {
    now().tell(Message::Reopen);
}

/// Waits until what was logged is written.
pub(crate) fn finish() {
    now().flush();
}

/// What becomes of lines.
pub(crate) struct Outlet {
    pub(super) is_human: bool,
    levels: [Level; 4],
    /// Which file a channel's lines go to; `None` is standard error.
    routes: [Option<usize>; 4],
    to: Option<SyncSender<Message>>,
    /// Who writes files.
    writer: Option<Thread>,
}

enum Message {
    Line { file: usize, at: Timestamp, text: String },
    Reopen,
    Flush(SyncSender<()>),
}

impl Outlet {
    fn standard_error() -> Self {
        let is_human = io::stderr().is_terminal();
        Self { is_human, levels: [Level::INFO; 4], routes: [None; 4], to: None, writer: None }
    }

    /// Opens the files that the configuration names; lines go there once it is taken up.
    pub(crate) fn open(log: &Log) -> Result<Self, Problem> {
        let mut paths: Vec<&Path> = Vec::new();
        let routes = Channel::ALL.map(|channel| {
            let path = log.channels.get(&channel).or(log.file.as_ref())?;
            Some(paths.iter().position(|known| known == path).unwrap_or_else(|| {
                paths.push(path);
                paths.len() - 1
            }))
        });
        let mut files = Vec::with_capacity(paths.len());
        for path in paths {
            files.push(LogFile::open(path, Rules::of(log)).map_err(|error| unwritable(path, &error))?);
        }
        let (to, writer) = match files.is_empty() {
            true => (None, None),
            false => {
                let (to, from) = sync_channel(MOST_WAITING);
                let started = std::thread::Builder::new().name("log-writer".to_owned()).spawn(move || write(files, &from));
                let started = started.map_err(|error| unwritable(Path::new("the thread that writes"), &error))?;
                (Some(to), Some(started.thread().clone()))
            }
        };
        let is_human = match log.format {
            Form::Auto => routes.iter().all(Option::is_none) && io::stderr().is_terminal(),
            Form::Json => false,
            Form::Human => true,
        };
        Ok(Self { is_human, levels: Channel::ALL.map(|channel| log.level_of(channel)), routes, to, writer })
    }

    /// From here on lines go here; those from before are written first.
    pub(crate) fn take_up(self) {
        let before = std::mem::replace(&mut *place().write().unwrap_or_else(PoisonError::into_inner), Arc::new(self));
        before.flush();
        // What is wanted of each place in the code is asked anew.
        tracing::callsite::rebuild_interest_cache();
    }

    /// The most that is written down of any channel.
    pub(super) fn most(&self) -> Level {
        self.levels.iter().copied().max().unwrap_or(Level::INFO)
    }

    /// What is written down of that channel.
    pub(super) fn level(&self, channel: Channel) -> Level {
        self.levels[channel as usize]
    }

    /// Writes a line, whole; one that tells of trouble does not wait for others.
    pub(super) fn line(&self, channel: Channel, level: Level, at: Timestamp, text: &str) {
        match self.routes[channel as usize] {
            Some(file) => {
                self.tell(Message::Line { file, at, text: text.to_owned() });
                if level <= Level::WARN {
                    self.hurry();
                }
            }
            None => {
                if io::stderr().lock().write_all(text.as_bytes()).is_err() {
                    LOST.fetch_add(1, Ordering::Relaxed);
                }
            }
        }
    }

    fn tell(&self, message: Message) {
        let Some(to) = &self.to else { return };
        if let Err(TrySendError::Full(Message::Line { .. }) | TrySendError::Disconnected(Message::Line { .. })) =
            to.try_send(message)
        {
            LOST.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn hurry(&self) {
        self.writer.iter().for_each(Thread::unpark);
    }

    fn flush(&self) {
        let Some(to) = &self.to else { return };
        let (done, over) = sync_channel(1);
        // Behind everything that was logged before. A disk that hangs keeps that thread, and nobody else.
        let (to, writer) = (to.clone(), self.writer.clone());
        let ask = move || {
            let _ = to.send(Message::Flush(done));
            writer.iter().for_each(Thread::unpark);
        };
        if std::thread::Builder::new().name("log-flush".to_owned()).spawn(ask).is_ok() {
            let _ = over.recv_timeout(LAST_LINES);
        }
    }
}

/// The thread that writes.
fn write(files: Vec<LogFile>, from: &Receiver<Message>) {
    let mut pen = Pen { files, last: Timestamp::UNIX_EPOCH, complained: i64::MIN };
    while let Ok(first) = from.recv() {
        if matches!(first, Message::Line { .. }) {
            // What comes meanwhile wakes nobody, and all of it is written together.
            std::thread::park_timeout(COMPANY);
        }
        pen.take(first);
        while let Ok(message) = from.try_recv() {
            pen.take(message);
        }
        pen.write();
    }
}

/// Who writes, and how far.
struct Pen {
    files: Vec<LogFile>,
    /// When the last line was logged.
    last: Timestamp,
    complained: i64,
}

impl Pen {
    fn take(&mut self, message: Message) {
        match message {
            Message::Line { file, at, text } => {
                self.last = at;
                let lost = self.files.get_mut(file).map_or(0, |file| file.push(at, &text));
                self.count(lost);
            }
            Message::Reopen => {
                self.write();
                for file in &mut self.files {
                    // Otherwise it goes on with the one that it has.
                    let _ = file.reopen();
                }
            }
            Message::Flush(done) => {
                self.write();
                let _ = done.send(());
            }
        }
    }

    fn write(&mut self) {
        let lost = self.files.iter_mut().map(LogFile::write).sum();
        self.count(lost);
    }

    fn count(&mut self, lost: u64) {
        if lost == 0 {
            return;
        }
        let all = LOST.fetch_add(lost, Ordering::Relaxed) + lost;
        let now = self.last.as_millisecond();
        if now >= self.complained.saturating_add(COMPLAIN_EVERY_MS) {
            self.complained = now;
            // Not a line of the log: that is what cannot be written.
            let _ = writeln!(io::stderr().lock(), "frontdesk: the log cannot be written; lines lost so far: {all}");
        }
    }
}

fn unwritable(path: &Path, error: &io::Error) -> Problem {
    Problem {
        file: "frontdesk.toml".to_owned(),
        line: None,
        path: "log".to_owned(),
        found: format!("{} ({error})", path.display()),
        expected: "files that can be written".to_owned(),
    }
}
