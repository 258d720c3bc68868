//! `frontdesk activate --upgrade`: the binary on disk for the gateways of this machine, one after the other. What
//! fails leaves the old process serving: SIGUSR2 sees to that, and this waits and says what came of it.

use std::path::PathBuf;
use std::time::Duration;

use frontdesk_store::Store;
use jiff::Timestamp;
use rustix::process::{Pid, Signal, kill_process};
use tokio::time::interval;

use super::activate::Report;
use super::{CommandError, who};
use crate::activation::watch;
use crate::system;
use crate::vitals::{self, Vitals};
use crate::wiring::World;

/// Longer than a gateway waits for its successor, which is 30 s where nobody said otherwise.
const WITHIN: Duration = Duration::from_secs(90);
/// What a gateway writes to the audit when its successor failed.
const REFUSED: &str = "upgrade refused";

/// How an upgrade ended.
pub(super) enum Upgraded {
    /// Nothing was done.
    Refused(String),
    /// New processes serve.
    Done,
    /// An old one goes on.
    Failed(String),
}

pub(super) async fn run(report: &mut Report<'_>, store: &Store, world: &World) -> Result<Upgraded, CommandError> {
    let host = system::host();
    let all = watch::running(store, world).await?;
    let (here, elsewhere): (Vec<Vitals>, Vec<Vitals>) = all.into_iter().partition(|it| it.host == host && is_gateway(it.process));
    if here.is_empty() {
        let why = "no gateway runs on this machine".to_owned();
        report.stage("validate", false, &why)?;
        return Ok(Upgraded::Refused(why));
    }
    report.stage("validate", true, &format!("gateways here: {}, elsewhere, left alone: {}", here.len(), elsewhere.len()))?;
    for old in here {
        let began = world.clock.now();
        let sent = Pid::from_raw(i32::try_from(old.process).unwrap_or(0)).map(|process| kill_process(process, Signal::USR2));
        let ended = match sent {
            Some(Ok(())) => successor(store, world, &old, began).await?,
            Some(Err(error)) => Err(format!("process {} cannot be told: {error}; be its user, or root ({})", old.process, who())),
            None => Err("it has no process".to_owned()),
        };
        match ended {
            Ok(new) => {
                let says =
                    format!("process {} serves {} as version {}; {} leaves", new.process, new.address, new.version, old.process);
                report.stage("upgrade", true, &says)?;
            }
            Err(why) => {
                report.stage("upgrade", false, &format!("process {} goes on: {why}", old.process))?;
                return Ok(Upgraded::Failed(why));
            }
        }
    }
    Ok(Upgraded::Done)
}

/// Whether that process is a gateway still: numbers of processes are given again.
fn is_gateway(process: u32) -> bool {
    let told = system::read(&PathBuf::from(format!("/proc/{process}/cmdline"))).unwrap_or_default();
    told.split('\0').any(|word| word == "serve" || word == "demo")
}

/// Waits for the process that takes the place of `old`, or for why there is none.
async fn successor(store: &Store, world: &World, old: &Vitals, began: Timestamp) -> Result<Result<Vitals, String>, CommandError> {
    let mut looks = interval(watch::LOOK_EVERY);
    loop {
        looks.tick().await;
        let now = world.clock.now();
        let all = vitals::all(store, now).await?;
        let is_new = |it: &&Vitals| it.host == old.host && it.address == old.address && it.started_at > old.started_at;
        if let Some(new) = all.iter().find(is_new) {
            return Ok(Ok(new.clone()));
        }
        let audit = store.audit(20).await?;
        let refused = audit.into_iter().find(|row| row.what == REFUSED && row.at >= began);
        if let Some(row) = refused {
            return Ok(Err(row.why.unwrap_or_default()));
        }
        if now.duration_since(began).unsigned_abs() > WITHIN {
            return Ok(Err(format!("it did not say within {} s what came of it; see its log", WITHIN.as_secs())));
        }
    }
}
