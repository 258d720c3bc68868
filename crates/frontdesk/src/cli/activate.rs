//! `frontdesk activate`: another configuration for gateways that serve, in stages, each said with its milliseconds;
//! rolled back by itself where it does harm.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use frontdesk_core::ids::random_text;
use frontdesk_http::{Finding, Pick, Severity};
use frontdesk_store::{Command as ForAll, Made, NewRevision, RevisionOrigin, Store};
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch as channel;
use tokio::task::JoinSet;
use tokio::time::interval;

use super::upgrade::{self, Upgraded};
use super::{CommandError, Context, who};
use crate::activation::canary;
use crate::activation::contents::{body, diff, read, told};
use crate::activation::file::{self, Rewritten};
use crate::activation::synthetic::{Conversation, Prober};
use crate::activation::watch::{self, Trial};
use crate::config::deployment::DeploymentConfig;
use crate::config::deployment::live::Live;
use crate::config::durations::{parse_duration, render_duration};
use crate::health::{self, Selection};
use crate::system;
use crate::vitals::{self, Vitals};
use crate::wiring::{World, open_store};

/// How often what callers meet is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// Synthetic calls are repeated this often at most, and at least so often in a window.
const CALL_EVERY: Duration = Duration::from_secs(10);
const LEAST_CALLS: u32 = 4;
/// Longer than everything but the window itself may take.
const ALL_ELSE: Duration = Duration::from_secs(120);

#[derive(Debug, clap::Args)]
pub(super) struct Options {
    /// The new configuration.
    #[arg(value_name = "NEW.toml", required_unless_present = "upgrade")]
    file: Option<PathBuf>,
    /// Another binary instead: gateways of this machine are renewed from the one on disk; one that fails leaves the
    /// old process serving.
    #[arg(long, conflicts_with_all = ["file", "watch", "url", "why"])]
    upgrade: bool,
    /// How long it is watched before it counts as good.
    #[arg(long, value_name = "DURATION", default_value = "60s", value_parser = span)]
    watch: Duration,
    /// Call gateways here instead of where they say that they listen; may be given several times.
    #[arg(long, value_name = "URL")]
    url: Vec<String>,
    /// For the audit.
    #[arg(long, value_name = "TEXT")]
    why: Option<String>,
}

fn span(text: &str) -> Result<Duration, String> {
    parse_duration(text).ok_or_else(|| "a duration such as 60s or 5min".to_owned())
}

/// How far it came.
enum End {
    /// Nothing was changed: it was refused before.
    Refused(String),
    /// It holds.
    Active(i64),
    /// Another binary serves.
    Upgraded,
    /// It does not.
    NotUpgraded(String),
    /// It was taken back.
    RolledBack { revision: i64, back: Option<i64>, reason: String },
}

/// Says each stage when it is over, and keeps it for the answer in JSON.
pub(super) struct Report<'c> {
    context: &'c mut Context,
    world: World,
    began: Timestamp,
    stages: Vec<Value>,
}

impl Report<'_> {
    pub(super) fn stage(&mut self, name: &str, is_well: bool, says: &str) -> Result<(), CommandError> {
        let now = self.world.clock.now();
        let ms = i64::try_from((now - self.began).as_millis()).unwrap_or(i64::MAX);
        self.began = now;
        if !self.context.json {
            let word = if is_well { "ok" } else { "failed" };
            self.context.out.line(&format!("{name:<10} {word:<7} {ms:>6} ms  {says}"))?;
        }
        self.stages.push(json!({ "stage": name, "ok": is_well, "ms": ms, "says": says }));
        Ok(())
    }
}

pub(super) async fn run(context: &mut Context, options: Options) -> Result<ExitCode, CommandError> {
    let (config, _) = super::load_with_revision(context.config.as_deref())?;
    let world = World::real();
    let own_file = super::file(context.config.as_deref());
    let mut report = Report { began: world.clock.now(), world: world.clone(), stages: Vec::new(), context };
    let Some(file) = options.file.clone() else {
        let store = open_store(&config, &world).await?;
        let upgraded = upgrade::run(&mut report, &store, &world).await;
        store.close().await;
        let end = match upgraded? {
            Upgraded::Refused(why) => End::Refused(why),
            Upgraded::Done => End::Upgraded,
            Upgraded::Failed(why) => End::NotUpgraded(why),
        };
        return answer(&mut report, end);
    };
    let new = match read_new(&config, &file) {
        Ok(new) => new,
        Err(why) => {
            report.stage("validate", false, &why)?;
            return answer(&mut report, End::Refused(why));
        }
    };
    let store = open_store(&config, &world).await?;
    let end = Activation { store: store.clone(), config, new, file, own_file, options, world }.run(&mut report).await;
    store.close().await;
    answer(&mut report, end?)
}

/// The new configuration, if a running gateway can take it up.
fn read_new(config: &DeploymentConfig, file: &Path) -> Result<DeploymentConfig, String> {
    let new = DeploymentConfig::load_with_revision(Some(file)).map_err(|problems| problems.to_string())?.0;
    let fixed = config.needs_restart(&new);
    if !fixed.is_empty() {
        let advice = "gateways take these up when they start only: change the file, then restart or upgrade (SIGUSR2)";
        return Err(format!("{} differ: {advice}", fixed.join(", ")));
    }
    Ok(new)
}

fn answer(report: &mut Report<'_>, end: End) -> Result<ExitCode, CommandError> {
    let (outcome, revision, back, why) = match &end {
        End::Refused(why) => ("refused", None, None, Some(why)),
        End::Active(revision) => ("active", Some(*revision), None, None),
        End::Upgraded => ("upgraded", None, None, None),
        End::NotUpgraded(why) => ("rolled_back", None, None, Some(why)),
        End::RolledBack { revision, back, reason } => ("rolled_back", Some(*revision), *back, Some(reason)),
    };
    if report.context.json {
        let stages = std::mem::take(&mut report.stages);
        let json = json!({ "outcome": outcome, "revision": revision, "rolled_back_to": back, "reason": why, "stages": stages });
        report.context.out.json(&json)?;
    } else {
        let line = match &end {
            End::Refused(_) => "refused: nothing was changed".to_owned(),
            End::Active(revision) => format!("active: revision {revision}"),
            End::Upgraded => "active: the binary on disk serves".to_owned(),
            End::NotUpgraded(why) => format!("rolled back: the old process goes on: {why}"),
            End::RolledBack { revision, reason, .. } => format!("rolled back: revision {revision} is not in force: {reason}"),
        };
        report.context.out.line(&line)?;
    }
    Ok(if matches!(end, End::Active(_) | End::Upgraded) { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// A revision that is on trial.
struct Applied {
    number: i64,
    at: Timestamp,
    /// What held before.
    over: Live,
    /// Every gateway at that moment.
    base: Vec<Vitals>,
}

struct Activation {
    store: Store,
    config: DeploymentConfig,
    new: DeploymentConfig,
    file: PathBuf,
    own_file: Option<PathBuf>,
    options: Options,
    world: World,
}

impl Activation {
    async fn run(&self, report: &mut Report<'_>) -> Result<End, CommandError> {
        let newest = self.store.newest_revision().await?;
        let first = watch::running(&self.store, &self.world).await?;
        let Some(newest) = newest.filter(|_| !first.is_empty()) else {
            let why = "no gateway runs on this store: start one, it takes up its file".to_owned();
            report.stage("validate", false, &why)?;
            return Ok(End::Refused(why));
        };
        let was = read(&newest.body).map_err(CommandError::Failed)?;
        let changes = diff(&was, &self.new.live);
        report.stage("validate", true, &format!("changes {}", told(&changes)))?;
        if changes.is_empty() {
            self.keep_file(report, &was)?;
            return Ok(End::Active(newest.number));
        }
        let (is_fit, says) = preflight(&self.config, &self.new, &self.world).await;
        report.stage("preflight", is_fit, &says)?;
        if !is_fit {
            return Ok(End::Refused(says));
        }
        let base = vitals::all(&self.store, self.world.clock.now()).await?;
        let token = random_text(&*self.world.dice);
        let wanted = NewRevision {
            after: newest.number,
            body: body(&self.new.live)?,
            diff: serde_json::to_string(&changes).unwrap_or_default(),
            origin: RevisionOrigin::Activate,
            restores: None,
            author: who(),
            why: self.options.why.clone(),
            token: Some(token.clone()),
        };
        let applied_at = self.world.clock.now();
        let number = match self.store.make_revision(&wanted, applied_at).await? {
            Made::Done(number) => number,
            refused => {
                let why = match refused {
                    Made::Watched(other) => format!("revision {other} is being watched by somebody else"),
                    _ => "somebody else changed the configuration just now".to_owned(),
                };
                report.stage("apply", false, &why)?;
                return Ok(End::Refused(why));
            }
        };
        let (decide, decided) = channel::channel(false);
        let mut beating = JoinSet::new();
        beating.spawn(watch::beat(self.store.clone(), number, self.options.watch + ALL_ELSE, decide));
        let slow = was.alerts.response_time;
        let applied = Applied { number, at: applied_at, over: was, base: base.clone() };
        let trial = Trial::new(self.store.clone(), self.world.clone(), first, base, slow);
        let tried = tokio::select! {
            // Whatever it is: what was applied has to be taken back in the open.
            tried = self.trial(report, number, &token, trial) => tried.unwrap_or_else(|error| Err(error.to_string())),
            () = decided_elsewhere(decided) => Err("it was decided elsewhere".to_owned()),
            () = stopped() => Err("whoever activated it stopped watching".to_owned()),
        };
        beating.shutdown().await;
        match tried {
            Ok(says) => {
                let now = self.world.clock.now();
                if self.store.confirm_revision(number, &who(), self.options.why.as_deref(), &says, now).await? {
                    self.keep_file(report, &self.new.live)?;
                    return Ok(End::Active(number));
                }
                self.back(report, &applied, "it was decided elsewhere").await
            }
            Err(reason) => self.back(report, &applied, &reason).await,
        }
    }

    /// Everything between applying it and the verdict: what speaks for it, or why it is taken back.
    async fn trial(
        &self,
        report: &mut Report<'_>,
        number: i64,
        token: &str,
        mut trial: Trial,
    ) -> Result<Result<String, String>, CommandError> {
        match watch::taken_up(&self.store, &self.world, number).await {
            Ok(0) => {
                let why = "no gateway is left that could take it up".to_owned();
                report.stage("apply", false, &why)?;
                return Ok(Err(why));
            }
            Ok(gateways) => {
                trial.applied(gateways);
                report.stage("apply", true, &format!("revision {number}, taken up by gateways: {gateways}"))?;
            }
            Err(why) => {
                report.stage("apply", false, &why)?;
                return Ok(Err(why));
            }
        }
        let urls = match self.options.url.is_empty() {
            false => self.options.url.iter().map(|url| url.trim_end_matches('/').to_owned()).collect(),
            true => watch::targets(&trial.base, &system::host(), &self.config.server.public_url),
        };
        let prober = Prober::new(canary::key(&self.store, token)?, self.world.clone()).map_err(CommandError::Failed)?;
        for url in &urls {
            let conversation = twice(&prober, url).await;
            let steps = steps(&conversation);
            report.stage("verify", conversation.trouble.is_none(), &conversation.trouble.clone().unwrap_or(steps))?;
            if let Some(trouble) = conversation.trouble {
                return Ok(Err(format!("a synthetic call failed: {trouble}")));
            }
        }
        let watched = self.watch(&mut trial, &prober, &urls).await?;
        let says = watched.as_ref().unwrap_or_else(|harm| harm);
        report.stage("watch", watched.is_ok(), says)?;
        Ok(watched)
    }

    /// The window.
    async fn watch(&self, trial: &mut Trial, prober: &Prober, urls: &[String]) -> Result<Result<String, String>, CommandError> {
        let window = self.options.watch;
        let began = self.world.clock.now();
        let mut looks = interval(LOOK_EVERY);
        let mut calls = interval((window / LEAST_CALLS).clamp(LOOK_EVERY, CALL_EVERY));
        calls.reset();
        let (mut made, mut unseen, mut conversations) = (0, 0, JoinSet::new());
        loop {
            tokio::select! {
                _ = looks.tick() => {}
                _ = calls.tick() => {
                    let (prober, url) = (prober.clone(), urls[made % urls.len().max(1)].clone());
                    made += 1;
                    conversations.spawn(async move { twice(&prober, &url).await });
                    continue;
                }
                Some(Ok(conversation)) = conversations.join_next() => {
                    if let Some(trouble) = conversation.trouble {
                        return Ok(Err(format!("a synthetic call failed: {trouble}")));
                    }
                    continue;
                }
            }
            let (look, harm) = match trial.look().await {
                Ok(seen) => seen,
                // A store that is busy for a moment says nothing about the revision.
                Err(_) if unseen < MOST_UNSEEN => {
                    unseen += 1;
                    continue;
                }
                Err(error) => return Ok(Err(format!("how it goes cannot be read: {}", error.with_causes()))),
            };
            unseen = 0;
            if let Some(harm) = harm {
                return Ok(Err(harm));
            }
            let is_over = self.world.clock.now().duration_since(began).unsigned_abs() >= window;
            if is_over && conversations.is_empty() {
                let counts = look.since.counts;
                return Ok(Ok(format!(
                    "{}: answers {}, errors {}, refused by limits {}, 95 % within {} ms; synthetic calls {made}; gateways {}",
                    render_duration(window),
                    counts.answers,
                    counts.errors,
                    counts.refused,
                    counts.within_ms(95).map_or_else(|| "-".to_owned(), |ms| ms.to_string()),
                    look.gateways,
                )));
            }
        }
    }

    /// Brings back the revision before, or finds out who did.
    async fn back(&self, report: &mut Report<'_>, applied: &Applied, reason: &str) -> Result<End, CommandError> {
        let Applied { number, at: applied_at, over: was, base } = applied;
        let number = *number;
        let back = self.store.roll_back_pending(number, &who(), reason, self.world.clock.now()).await?;
        let all = self.store.revisions(50).await?;
        let reason = match back {
            Some(_) => reason.to_owned(),
            // Somebody was quicker: their reason counts.
            None => all.iter().find(|it| it.number == number).and_then(|it| it.reason.clone()).unwrap_or(reason.to_owned()),
        };
        let back = all.first().map(|it| it.number);
        let says = match back {
            Some(back) => match watch::taken_up(&self.store, &self.world, back).await {
                Ok(gateways) => {
                    let ms = (self.world.clock.now() - *applied_at).as_millis();
                    format!("revision {back}, taken up by gateways: {gateways}; {ms} ms after {number} was applied")
                }
                Err(why) => format!("revision {back}: {why}"),
            },
            None => "there is none to bring back".to_owned(),
        };
        report.stage("roll back", true, &says)?;
        let now = self.world.clock.now();
        if watch::between(base, &vitals::all(&self.store, now).await?).opened > 0 {
            // They opened by rules that hold no more. One whose calendar is away opens again.
            self.store.command(&ForAll::ResetBreaker(String::new()), &who(), now).await?;
            report.stage("breakers", true, "those that opened meanwhile are closed")?;
        }
        // Where the new file is the one that gateways start with, it must not say what did harm.
        let (new, own) = (self.file.canonicalize().ok(), self.own_file.as_ref().and_then(|own| own.canonicalize().ok()));
        if let Some(own) = own.filter(|own| new.as_ref() == Some(own)) {
            note(report, &file::bring_to(&own, was))?;
        }
        Ok(End::RolledBack { revision: number, back, reason })
    }

    /// The file of the next start says what holds now.
    fn keep_file(&self, report: &mut Report<'_>, live: &Live) -> Result<(), CommandError> {
        let Some(own) = &self.own_file else { return note(report, &Rewritten::Absent) };
        let text = match system::read(&self.file) {
            Ok(text) if DeploymentConfig::parse("", &text).is_ok_and(|read| diff(&read.live, live).is_empty()) => text,
            _ => return note(report, &Rewritten::Kept(format!("{} was changed meanwhile", self.file.display()))),
        };
        note(report, &file::replace(own, &text))?;
        let mut later: Vec<_> = self.config.changes(&self.new).into_iter().filter(|it| NOT_LIVE.contains(it)).collect();
        let told = |config: &DeploymentConfig| (config.live.alerts.webhook_url.clone(), config.live.alerts.email.clone());
        if told(&self.config) != told(&self.new) {
            later.push("who is told of alerts");
        }
        if !later.is_empty() {
            let says = format!("{} changed too: send SIGHUP to every gateway for that", later.join(", "));
            report.stage("file", true, &says)?;
        }
        Ok(())
    }
}

/// So many looks in a row may fail.
const MOST_UNSEEN: u32 = 5;

/// Sections that a gateway takes up at SIGHUP and no revision holds.
const NOT_LIVE: [&str; 5] = ["smtp", "outbox", "retention", "health", "log"];

fn note(report: &mut Report<'_>, rewritten: &Rewritten) -> Result<(), CommandError> {
    match rewritten {
        Rewritten::Done => report.stage("file", true, "the configuration file says so as well"),
        Rewritten::Same => Ok(()),
        Rewritten::Absent => report.stage("file", true, "there is no configuration file; the store keeps what holds"),
        Rewritten::Kept(why) => report.stage("file", false, &format!("{why}; the store keeps what holds")),
    }
}

/// A conversation, and once more where it failed: a single lost packet is no verdict.
async fn twice(prober: &Prober, url: &str) -> Conversation {
    let first = prober.converse(url).await;
    if first.trouble.is_none() { first } else { prober.converse(url).await }
}

fn steps(conversation: &Conversation) -> String {
    conversation.steps.iter().map(|step| format!("{} {} ms", step.name, step.ms)).collect::<Vec<_>>().join(", ")
}

async fn decided_elsewhere(mut decided: channel::Receiver<bool>) {
    if decided.wait_for(|it| *it).await.is_err() {
        std::future::pending::<()>().await;
    }
}

/// Somebody wants to stop watching.
async fn stopped() {
    let (Ok(mut interrupt), Ok(mut terminate)) = (signal(SignalKind::interrupt()), signal(SignalKind::terminate())) else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
}

/// Looks at everything as the new configuration has it. What prevents serving blocks, and what needs a person where it
/// does not today.
async fn preflight(config: &DeploymentConfig, new: &DeploymentConfig, world: &World) -> (bool, String) {
    let (today, then) = futures_util::future::join(examine(config, world), examine(new, world)).await;
    let known = |finding: &Finding| today.iter().any(|it| (it.check, bare(&it.says)) == (finding.check, bare(&finding.says)));
    let blocking: Vec<String> = then
        .iter()
        .filter(|it| it.severity == Severity::Fail || (it.severity == Severity::Warn && !known(it)))
        .map(|it| format!("{}: {} {}", it.check, it.says, it.advice))
        .collect();
    let warned = then.iter().filter(|it| it.severity == Severity::Warn).count();
    match blocking.is_empty() {
        true if warned == 0 => (true, "healthy".to_owned()),
        true => (true, format!("findings that need a person, today as well: {warned}; see `frontdesk health`")),
        false => (false, blocking.join("; ")),
    }
}

/// What a finding says without its figures.
fn bare(says: &str) -> String {
    says.chars().filter(|letter| !letter.is_ascii_digit()).collect()
}

async fn examine(config: &DeploymentConfig, world: &World) -> Vec<Finding> {
    let (subject, mut findings) = health::before_start(config, world).await;
    if let (Some(subject), Ok(all)) = (subject, Selection::of(&Pick::default())) {
        findings.extend(health::look(&subject, &all).await);
        if let Some(store) = &subject.store {
            let _ = tokio::time::timeout(LOOK_EVERY, store.close()).await;
        }
    }
    findings
}
