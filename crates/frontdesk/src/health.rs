//! Everything that can be looked at from here, each look with its own patience, all at once. What is found is
//! one sentence, what was seen, and what to do.
//!
//! A tenant's fault is never more than a warning: the others are served.

mod agents;
mod backups;
mod calendars;
mod certificates;
mod database;
mod gateways;
mod machine;
mod open;
mod polls;

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use frontdesk_core::account::Accounts;
use frontdesk_core::clock::Clock;
use frontdesk_core::shared::SharedState;
use frontdesk_core::tenant::Tenant;
use frontdesk_http::{Finding, Pick, Severity};
use frontdesk_store::{Place, Store};
use futures_util::future::join_all;

pub(crate) use self::calendars::Lately;
pub(crate) use self::database::{outbox_finding, store_away};
pub(crate) use self::gateways::shared_state_away;
pub(crate) use self::machine::open_files;
pub(crate) use self::open::before_start;
pub(crate) use self::polls::polls_finding;

use crate::config::deployment::DeploymentConfig;

/// No look takes longer. With the four seconds that opening may take, all are over within ten.
const PATIENCE: Duration = Duration::from_secs(5);
/// Within its patience a look has to have time to say what it found.
const ANSWER_WITHIN: Duration = Duration::from_secs(4);

/// A check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Check {
    Config,
    Store,
    Schema,
    MasterKey,
    SharedState,
    Disk,
    Memory,
    Load,
    OpenFiles,
    Clock,
    TimeZones,
    Calendars,
    CalendarPolls,
    Secrets,
    Agents,
    Outbox,
    Certificates,
    Gateways,
    Backups,
}

/// What is looked at.
pub(crate) struct Subject {
    pub(crate) config: DeploymentConfig,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) place: Place,
    /// `None` where there is none, or where it cannot be opened.
    pub(crate) store: Option<Store>,
    pub(crate) state: Arc<dyn SharedState>,
    pub(crate) accounts: Arc<dyn Accounts>,
    pub(crate) tenants: Vec<Arc<Tenant>>,
    /// What is remembered of accounts; `None` asks them each time.
    pub(crate) lately: Option<Arc<Lately>>,
    pub(crate) from: Vantage,
}

/// From where it is looked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Vantage {
    /// A gateway looks at itself.
    Gateway,
    /// An operator looks, whether a gateway runs or not.
    Operator,
}

/// The checks that are made.
#[derive(Debug, Clone)]
pub(crate) struct Selection(Vec<Check>);

type Looking<'s> = Pin<Box<dyn Future<Output = Vec<Finding>> + Send + 's>>;

/// Makes the checks that are selected.
pub(crate) async fn look(subject: &Subject, selection: &Selection) -> Vec<Finding> {
    let looks: [(&[Check], Looking<'_>); 12] = [
        (&[Check::Store, Check::Schema], Box::pin(database::database(subject))),
        (&[Check::Outbox], Box::pin(database::outbox(subject))),
        (&[Check::SharedState], Box::pin(gateways::shared_state(subject))),
        (&[Check::Disk, Check::Memory, Check::Load, Check::OpenFiles], Box::pin(machine::machine(subject))),
        (&[Check::Clock, Check::TimeZones, Check::Calendars], Box::pin(calendars::calendars(subject, selection))),
        (&[Check::CalendarPolls], Box::pin(polls::polls(subject))),
        (&[Check::Secrets], Box::pin(agents::secrets(subject))),
        (&[Check::Agents], Box::pin(agents::agents(subject))),
        (&[Check::Certificates], Box::pin(certificates::certificates(subject))),
        (&[Check::Gateways], Box::pin(gateways::gateways(subject))),
        (&[Check::Backups], Box::pin(backups::backups(subject))),
        (&[Check::Config], Box::pin(async { vec![Finding::ok(Check::Config.name(), "The configuration is valid.")] })),
    ];
    let wanted = looks.into_iter().filter(|(checks, _)| checks.iter().any(|check| selection.has(*check)));
    let found = join_all(wanted.map(|(checks, looking)| async move {
        match tokio::time::timeout(PATIENCE, looking).await {
            Ok(found) => found,
            Err(_) => checks.iter().filter(|check| selection.has(**check)).map(|check| late(*check)).collect(),
        }
    }));
    let mut found: Vec<Finding> = found.await.into_iter().flatten().collect();
    found.retain(|finding| selection.names(finding.check));
    in_order(&mut found);
    found
}

/// In the order of the checks, the worst of each first.
pub(crate) fn in_order(found: &mut [Finding]) {
    found.sort_by_key(|it| (Check::named(it.check), std::cmp::Reverse(it.severity)));
}

fn late(check: Check) -> Finding {
    let severity = if check == Check::Store { Severity::Fail } else { Severity::Warn };
    let says = format!("{} could not be looked at within {} s.", check.name(), PATIENCE.as_secs());
    Finding { severity, ..Finding::warn(check.name(), says, "", "see what the others say; look again with --only of this one") }
}

// === impl Check ===

impl Check {
    /// In the order in which they are told.
    pub(crate) const ALL: [Self; 19] = [
        Self::Config,
        Self::Store,
        Self::Schema,
        Self::MasterKey,
        Self::SharedState,
        Self::Disk,
        Self::Memory,
        Self::Load,
        Self::OpenFiles,
        Self::Clock,
        Self::TimeZones,
        Self::Calendars,
        Self::CalendarPolls,
        Self::Secrets,
        Self::Agents,
        Self::Outbox,
        Self::Certificates,
        Self::Gateways,
        Self::Backups,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Config => "config",
            Self::Store => "store",
            Self::Schema => "schema",
            Self::MasterKey => "master_key",
            Self::SharedState => "shared_state",
            Self::Disk => "disk",
            Self::Memory => "memory",
            Self::Load => "load",
            Self::OpenFiles => "open_files",
            Self::Clock => "clock",
            Self::TimeZones => "time_zones",
            Self::Calendars => "calendars",
            Self::CalendarPolls => "calendar_polls",
            Self::Secrets => "secrets",
            Self::Agents => "agents",
            Self::Outbox => "outbox",
            Self::Certificates => "certificates",
            Self::Gateways => "gateways",
            Self::Backups => "backups",
        }
    }

    fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|check| check.name() == name)
    }
}

// === impl Selection ===

impl Selection {
    /// The checks that `pick` names; the error is the sentence about a name that none has.
    pub(crate) fn of(pick: &Pick) -> Result<Self, String> {
        let known = |names: &[String]| -> Result<Vec<Check>, String> {
            let unknown =
                |name: &String| format!("no check is called {name:?}; there are {}", Check::ALL.map(Check::name).join(", "));
            names.iter().map(|name| Check::named(name).ok_or_else(|| unknown(name))).collect()
        };
        let (only, skip) = (known(&pick.only)?, known(&pick.skip)?);
        let chosen = |check: &Check| (only.is_empty() || only.contains(check)) && !skip.contains(check);
        Ok(Self(Check::ALL.into_iter().filter(chosen).collect()))
    }

    pub(crate) fn has(&self, check: Check) -> bool {
        self.0.contains(&check)
    }

    pub(crate) fn names(&self, name: &str) -> bool {
        Check::named(name).is_some_and(|check| self.has(check))
    }
}

/// At most so much of a text that others wrote.
fn cut(text: &str) -> String {
    const MOST: usize = 600;
    match text.char_indices().nth(MOST) {
        None => text.to_owned(),
        Some((end, _)) => format!("{} …", &text[..end]),
    }
}

/// A span as people say it, in whole seconds, minutes, hours or days.
fn span(seconds: i64) -> String {
    match seconds.abs() {
        few @ 0..120 => format!("{few} s"),
        some @ 120..7200 => format!("{} min", some / 60),
        many @ 7200..172_800 => format!("{} h", many / 3600),
        more => format!("{} days", more / 86_400),
    }
}
