//! `frontdesk watch`: the numbers that matter against their thresholds, as long as it is asked to, and at the end what had
//! to hold, each with its evidence. All of it comes from the store, so it works from any machine that reaches it.

use std::io::IsTerminal as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use frontdesk_core::redact::Redactor;
use frontdesk_store::Store;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use tokio::time::{MissedTickBehavior, interval};

use super::{CommandError, Context};
use crate::alerts::bounds;
use crate::config::deployment::DeploymentConfig;
use crate::config::durations::parse_duration;
use crate::system;
use crate::watch::{Criterion, Holds, Log, Look, Screen, Watcher, judge};
use crate::wiring::{World, open_store};

/// How often a terminal is drawn, and keys are looked for.
const DRAWN: Duration = Duration::from_millis(500);
/// How often a line is written where nobody watches.
const WRITTEN: Duration = Duration::from_secs(10);

#[derive(Debug, clap::Args)]
pub(super) struct Options {
    /// For so long; without it until it is interrupted.
    #[arg(long = "for", value_name = "DURATION", value_parser = span)]
    span: Option<Duration>,
    /// One look at what was counted since the gateways began, and what it says.
    #[arg(long, conflicts_with_all = ["span", "every"])]
    once: bool,
    /// A line this often, where standard output is no terminal.
    #[arg(long, value_name = "DURATION", value_parser = span)]
    every: Option<Duration>,
    /// A log to look for secrets in, where the gateways' own is no file of this machine.
    #[arg(long, value_name = "FILE")]
    log: Vec<PathBuf>,
}

fn span(text: &str) -> Result<Duration, String> {
    let span = parse_duration(text).filter(|span| !span.is_zero());
    span.ok_or_else(|| "a duration such as 2h or 30s".to_owned())
}

pub(super) async fn run(context: &mut Context, options: Options) -> Result<ExitCode, CommandError> {
    let config = context.load()?;
    let world = World::real();
    let store = open_store(&config, &world).await?;
    let result = watch(context, &config, &store, &world, &options).await;
    store.close().await;
    let criteria = result?;
    say(context, &criteria)?;
    Ok(if criteria.iter().all(|it| it.holds == Holds::Yes) { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn watch(
    context: &mut Context,
    config: &DeploymentConfig,
    store: &Store,
    world: &World,
    options: &Options,
) -> Result<Vec<Criterion>, CommandError> {
    let now = || world.clock.now();
    let began = now();
    let mut watcher = Watcher::begin(store.clone(), options.once, began).await?;
    let mut look = watcher.look(now()).await?;
    let named = |watcher: &Watcher| match (options.log.is_empty(), config.log.files()) {
        (false, _) => options.log.clone(),
        (true, (files, true)) => files,
        (true, (files, false)) => [files, Log::files_of(&watcher.processes(&system::host()))].concat(),
    };
    let mut log = Log::of(named(&watcher), options.once);
    if options.once {
        show(context, &look)?;
    } else {
        let until = options.span.and_then(|span| SignedDuration::try_from(span).ok()).map(|span| began + span);
        let on_terminal = std::io::stdout().is_terminal() && !context.json;
        let mut screen = if on_terminal { Some(Screen::open(bounds(config))?) } else { None };
        let mut ticks = interval(if on_terminal { DRAWN } else { options.every.unwrap_or(WRITTEN) });
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = ticks.tick() => {}
                () = ends(until, now()) => {
                    look = watcher.look(now()).await?;
                    break;
                }
                _ = tokio::signal::ctrl_c() => break,
            }
            look = watcher.look(now()).await?;
            match &mut screen {
                Some(screen) => {
                    let left = until.and_then(|until| Duration::try_from(until.duration_since(now())).ok());
                    screen.show(&look, left)?;
                    if screen.is_left()? {
                        break;
                    }
                }
                None => show(context, &look)?,
            }
        }
    }
    let redactor = Redactor::new(&store.derived_key("pseudonyms in logs")?);
    log.read(&redactor, &store.tenants().await?);
    let not_closed: Vec<String> = watcher.not_closed().iter().cloned().collect();
    Ok(judge(&look, &not_closed, &log))
}

/// Is over when `until` is.
async fn ends(until: Option<Timestamp>, now: Timestamp) {
    match until {
        Some(until) => tokio::time::sleep(Duration::try_from(until.duration_since(now)).unwrap_or(Duration::ZERO)).await,
        None => std::future::pending().await,
    }
}

fn show(context: &mut Context, look: &Look) -> Result<(), CommandError> {
    if context.json {
        // A line each: whoever reads along has the whole of it.
        context.out.line(&look.json().to_string())?;
    } else {
        context.out.line(&look.line())?;
    }
    Ok(())
}

fn say(context: &mut Context, criteria: &[Criterion]) -> Result<(), CommandError> {
    let held = criteria.iter().all(|it| it.holds == Holds::Yes);
    if context.json {
        let item = |it: &Criterion| json!({ "criterion": it.name, "holds": it.holds.as_str(), "evidence": it.evidence });
        let items: Vec<Value> = criteria.iter().map(item).collect();
        context.out.line(&json!({ "criteria": items, "held": held }).to_string())?;
        return Ok(());
    }
    for it in criteria {
        context.out.line(&format!("{:<9} {}: {}", it.holds.as_str(), it.name, it.evidence))?;
    }
    let all = criteria.len();
    let count = criteria.iter().filter(|it| it.holds == Holds::Yes).count();
    context.out.line(&format!("{count} of {all} held"))?;
    Ok(())
}
