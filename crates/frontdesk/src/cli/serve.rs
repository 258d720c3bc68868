//! `frontdesk serve`: the gateway, and what signals make of it.

use std::io;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use frontdesk_core::shared::MemoryState;
use frontdesk_store::{AuditRow, Store};
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Interval, MissedTickBehavior, interval};

use super::{CommandError, Context, Given, chain};
use crate::config::deployment::DeploymentConfig;
use crate::config::durations::parse_duration;
use crate::config::problems::{Problem, Problems};
use crate::handover::{HandoverError, Predecessor, Program, Successor};
use crate::serving::{Door, Latch, Origin};
use crate::systemd;
use crate::tasks;
use crate::wiring::{House, World, build};

/// How long deliveries, and writes to calendars that nobody waits for any more, may take after the last request.
const LAST_WORK: Duration = Duration::from_secs(5);
/// While both processes answer, the new one is told this often what the old one admitted.
const TELL_EVERY: Duration = Duration::from_millis(50);
/// What is written down of a refusal, bytes at most.
const MOST_WORDS: usize = 500;

#[derive(Debug, clap::Args)]
pub(super) struct Options {
    /// Listen here instead of where the configuration says.
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<SocketAddr>,
    /// How long a new process may take to be ready at an upgrade (SIGUSR2).
    #[arg(long, value_name = "DURATION", default_value = "30s", value_parser = span)]
    ready_within: Duration,
}

fn span(text: &str) -> Result<Duration, String> {
    let span = parse_duration(text).filter(|span| !span.is_zero());
    span.ok_or_else(|| "a duration such as 30s or 2min".to_owned())
}

/// What a running gateway can be renewed from.
pub(super) struct Renewal {
    program: Program,
    ready_within: Duration,
    read: Box<dyn Fn() -> Result<(DeploymentConfig, String), Problems> + Send>,
}

pub(super) async fn run(context: &mut Context, options: Options) -> Result<ExitCode, CommandError> {
    let read = reader(context, options.listen);
    let (config, revision) = read()?;
    let program = Program::own()?;
    let (listener, origin, predecessor) = match context.given.take() {
        Some(Given::Inheritance(inheritance)) => {
            let (listener, predecessor) = inheritance.split()?;
            let (address, wanted) = (listener.local_addr()?, config.server.listen);
            if wanted.port() != 0 && wanted != address {
                tracing::warn!(%address, %wanted, "this is the socket that was handed over; restart to listen where the configuration says");
            }
            (adopt(listener)?, Origin::Own, Some(predecessor))
        }
        Some(Given::Socket(listener)) => (adopt(listener)?, Origin::Given, None),
        None => (bind(config.server.listen).await?, Origin::Own, None),
    };
    let house = build(&config, &World::real()).await?;
    house.standing.loaded(revision, house.clock.now());
    let renewal = Renewal { program, ready_within: options.ready_within, read: Box::new(read) };
    serve(house, listener, origin, predecessor, Some(renewal)).await
}

/// Reads the configuration, now and whenever it is asked to.
fn reader(
    context: &Context,
    listen: Option<SocketAddr>,
) -> impl Fn() -> Result<(DeploymentConfig, String), Problems> + Send + use<> {
    let file = context.config.clone();
    move || {
        let (mut config, revision) = super::load_with_revision(file.as_deref())?;
        if let Some(listen) = listen {
            config.server.listen = listen;
        }
        Ok((config, revision))
    }
}

/// Binds before anything else is opened: a taken port fails at once.
pub(super) async fn bind(listen: SocketAddr) -> Result<TcpListener, CommandError> {
    TcpListener::bind(listen).await.map_err(|error| CommandError::Failed(format!("failed to listen on {listen}: {error}")))
}

/// Takes on a socket that somebody else opened.
fn adopt(listener: std::net::TcpListener) -> io::Result<TcpListener> {
    listener.set_nonblocking(true)?;
    TcpListener::from_std(listener)
}

/// Serves until SIGTERM or SIGINT, or until another process does.
pub(super) async fn serve(
    house: House,
    listener: TcpListener,
    origin: Origin,
    mut predecessor: Option<Predecessor>,
    renewal: Option<Renewal>,
) -> Result<ExitCode, CommandError> {
    let address = listener.local_addr()?;
    // Before anybody is told that we listen: a signal that comes at once must not kill.
    let mut signals = Signals::listen()?;
    if let Some(predecessor) = &mut predecessor {
        let Some(handed) = predecessor.prepared().await? else {
            return Err(CommandError::Failed("the gateway that was to be replaced goes on; this one is not needed".to_owned()));
        };
        if let Some(own) = &house.state.own {
            own.inherit(handed);
        }
        house.store.share().await?;
    }
    let (stop, stopped) = watch::channel(false);
    let background = tasks::start(&house, address, stopped);
    let door = Door::open(listener, origin, frontdesk_http::app(house.edge.clone()))?;
    let mut following = JoinSet::new();
    if let Some(mut predecessor) = predecessor {
        predecessor.serving().await?;
        let (store, own) = (house.store.clone(), house.state.own.clone());
        following.spawn(async move {
            while let Some(admitted) = predecessor.admitted().await {
                if let Some(own) = &own {
                    own.take_over(admitted);
                }
            }
            store.alone();
            tracing::info!("the gateway before this one has left");
        });
    }
    tracing::info!(%address, process = std::process::id(), revision = house.standing.revision(), "listening");
    systemd::ready(&house.standing.revision());
    let mut gateway = Gateway { house, door, renewal, following };
    let end = gateway.live(&mut signals).await;
    let Gateway { house, door, .. } = gateway;
    leave(house, door, end, (stop, background)).await
}

/// How a gateway's life ends.
enum End {
    /// It was told to stop.
    Stopped,
    /// Another process serves.
    Replaced(Successor),
}

/// The signals that mean something.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
    upgrade: Signal,
}

impl Signals {
    fn listen() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
            upgrade: signal(SignalKind::user_defined2())?,
        })
    }
}

/// A gateway that serves.
struct Gateway {
    house: House,
    door: Door,
    renewal: Option<Renewal>,
    /// Follows the gateway before this one until it has left.
    following: JoinSet<()>,
}

type Upgrade = std::pin::Pin<Box<dyn Future<Output = Result<Successor, HandoverError>> + Send>>;

impl Gateway {
    /// Serves until there is an end to it.
    async fn live(&mut self, signals: &mut Signals) -> End {
        let mut upgrade: Option<Upgrade> = None;
        let mut looks = looks();
        loop {
            tokio::select! {
                _ = signals.terminate.recv() => return End::Stopped,
                _ = signals.interrupt.recv() => return End::Stopped,
                Some(()) = signals.hangup.recv() => match &upgrade {
                    None => self.reload().await,
                    Some(_) => tracing::warn!("SIGHUP: an upgrade is under way; the new process reads the configuration"),
                },
                Some(()) = signals.upgrade.recv() => match &upgrade {
                    None => upgrade = self.begin_upgrade(),
                    Some(_) => tracing::warn!("SIGUSR2: an upgrade is under way already"),
                },
                result = async { match &mut upgrade { Some(upgrade) => upgrade.await, None => std::future::pending().await } } => {
                    upgrade = None;
                    match result {
                        Ok(successor) => {
                            systemd::handed_over(successor.id());
                            tracing::info!(successor = successor.id(), "handed over: the new process serves, this one leaves");
                            let now = Some(format!("process {}", successor.id()));
                            self.note("upgrade", Some(format!("process {}", std::process::id())), now, None).await;
                            return End::Replaced(successor);
                        }
                        Err(error) => {
                            let why = chain(&error);
                            tracing::error!(error = why, "the upgrade failed: this process goes on as before");
                            self.note("upgrade refused", None, None, Some(why)).await;
                        }
                    }
                }
                _ = looks.tick() => {
                    if self.door.is_shut() {
                        tracing::error!(critical = true, "nobody is let in any more");
                        return End::Stopped;
                    }
                    if systemd::watchdog().is_some() {
                        systemd::alive();
                    }
                }
            }
        }
    }

    /// SIGHUP: the file as it is now, or, where anything about it is wrong, everything as it was.
    async fn reload(&mut self) {
        let Some(renewal) = &self.renewal else {
            tracing::warn!("SIGHUP: a demonstration has no configuration to read");
            return;
        };
        systemd::reloading();
        let was = self.house.standing.revision();
        let taken = (renewal.read)().and_then(|(config, revision)| {
            let next = self.house.prepare(&config)?;
            let changes = next.changes.clone();
            self.door.answer_with(frontdesk_http::app(next.edge.clone()), || self.house.take_up(next));
            Ok((changes, revision))
        });
        let now = self.house.clock.now();
        match taken {
            Ok((changes, revision)) => {
                self.house.standing.loaded(revision.clone(), now);
                let changed = changes.join(", ");
                tracing::warn!(channel = "audit", was, revision, changed, "SIGHUP: the configuration is taken up");
                let why = if changed.is_empty() { "nothing changed".to_owned() } else { format!("changed: {changed}") };
                self.note("configuration", Some(was), Some(revision), Some(why)).await;
            }
            Err(problems) => {
                for Problem { file, line, path, found, expected } in problems.iter() {
                    // Apart, because the redactor takes what follows the name of a key in a text for the key.
                    let line = line.unwrap_or_default();
                    tracing::error!(channel = "audit", file, line, setting = path, found, expected, "SIGHUP: not right");
                }
                tracing::error!(
                    channel = "audit",
                    problems = problems.len(),
                    revision = was,
                    "SIGHUP: the configuration is refused; the one before stays in force"
                );
                let why = brief(&problems.to_string().replace('\n', "; "));
                self.house.standing.refused(why.clone(), now);
                self.note("configuration refused", Some(was.clone()), Some(was), Some(why)).await;
            }
        }
        systemd::ready(&self.house.standing.revision());
    }

    /// SIGUSR2: a new process of the binary on disk.
    fn begin_upgrade(&mut self) -> Option<Upgrade> {
        let Some(renewal) = &self.renewal else {
            tracing::warn!("SIGUSR2: a demonstration is not upgraded");
            return None;
        };
        while self.following.try_join_next().is_some() {}
        if !self.following.is_empty() {
            tracing::warn!("SIGUSR2: the gateway before this one has not left yet; try again in a moment");
            return None;
        }
        tracing::info!("SIGUSR2: starting the binary on disk");
        let socket = self.door.socket();
        let (program, within, latch) = (renewal.program.clone(), renewal.ready_within, self.door.latch());
        let (store, own) = (self.house.store.clone(), self.house.state.own.clone());
        Some(Box::pin(async move {
            let mut successor = Successor::start(&program, socket.map_err(HandoverError::Start)?, within).await?;
            let mut pause = Pause::of(latch, store.clone(), own.clone());
            // From here on what is answered is on the disk first: the next word may reach the new process.
            store.share().await?;
            successor.let_serve(&own.map(|own| own.hand_over()).unwrap_or_default()).await?;
            pause.is_for_good = true;
            Ok(successor)
        }))
    }

    /// Writes down what was done to this gateway.
    async fn note(&self, what: &str, was: Option<String>, now: Option<String>, why: Option<String>) {
        let row = AuditRow {
            at: self.house.clock.now(),
            who: "signal".to_owned(),
            what: what.to_owned(),
            tenant: None,
            was,
            now,
            until: None,
            why: why.map(|why| brief(&why)),
        };
        if let Err(error) = self.house.store.audited(&row).await {
            tracing::error!(error = chain(&error), "what a signal did could not be written to the audit");
        }
    }
}

/// While a new process takes over nobody is let in; when nothing comes of it, all is as before.
struct Pause {
    latch: Latch,
    store: Store,
    own: Option<Arc<MemoryState>>,
    is_for_good: bool,
}

impl Pause {
    fn of(latch: Latch, store: Store, own: Option<Arc<MemoryState>>) -> Self {
        latch.pause();
        Self { latch, store, own, is_for_good: false }
    }
}

impl Drop for Pause {
    fn drop(&mut self) {
        if !self.is_for_good {
            self.latch.resume();
            self.store.alone();
            if let Some(own) = &self.own {
                own.keep_on();
            }
        }
    }
}

/// Serves whom is in, stops the background work, writes down what waits.
async fn leave(
    house: House,
    door: Door,
    mut end: End,
    (stop, mut background): (watch::Sender<bool>, JoinSet<()>),
) -> Result<ExitCode, CommandError> {
    let is_replaced = matches!(end, End::Replaced(_));
    if !is_replaced {
        house.standing.leaving();
        systemd::stopping();
    }
    tracing::info!(is_replaced, "draining");
    let _ = stop.send(true);
    let mut closing = std::pin::pin!(door.close(is_replaced));
    let mut turns = interval(TELL_EVERY);
    turns.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let drained = loop {
        tokio::select! {
            drained = &mut closing => break drained,
            _ = turns.tick() => tell(&mut end, &house).await,
        }
    };
    tell(&mut end, &house).await;
    // A delivery that is cut off is one that is repeated, a write to a calendar one that is settled.
    let last_work = async {
        house.desk.drain().await;
        while background.join_next().await.is_some() {}
    };
    let _ = tokio::time::timeout(LAST_WORK, last_work).await;
    background.shutdown().await;
    if let Err(error) = house.write_down().await {
        tracing::warn!(error = error.with_causes(), "the last exchanges with calendars were not written down");
    }
    if let (Some(own), false) = (&house.state.own, is_replaced)
        && let Err(error) = house.store.keep_windows(&own.keep()).await
    {
        tracing::warn!(error = error.with_causes(), "limits could not be kept; the next process counts anew");
    }
    if let Err(error) = house.store.hide(&house.replica).await {
        tracing::debug!(error = error.with_causes(), "operators see this gateway for some seconds more");
    }
    house.store.close().await;
    tracing::info!(drained, process = std::process::id(), "stopped");
    Ok(if drained { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Tells the new process what was admitted here since it took over.
async fn tell(end: &mut End, house: &House) {
    let (End::Replaced(successor), Some(own)) = (end, &house.state.own) else { return };
    let admitted = own.admitted_since();
    if !admitted.is_empty()
        && let Err(error) = successor.tell(&admitted).await
    {
        tracing::warn!(%error, "the new process could not be told what was admitted here");
    }
}

/// When the gateway looks after itself: as often as systemd asks for, or every second.
fn looks() -> Interval {
    let mut looks = interval(systemd::watchdog().unwrap_or(Duration::from_secs(1)));
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    looks
}

/// The beginning of a text.
fn brief(text: &str) -> String {
    let end = (0..=MOST_WORDS.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    text.get(..end).unwrap_or_default().to_owned()
}
