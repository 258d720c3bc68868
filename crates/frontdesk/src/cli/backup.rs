//! `frontdesk backup` and `frontdesk restore`: everything that the store holds in one file, and a store made of it.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use frontdesk_core::ids::random_text;
use frontdesk_store::{About, BackupError, Proof, Store, StoreSettings};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::{CommandError, Context, chain, who};
use crate::wiring::{World, master_key_that_is_there, place_of_store};

/// How files are called that nobody named.
const ENDING: &str = ".backup";
/// What nobody may find out only when it is needed.
const WITHOUT_KEY: &str =
    "the master key is NOT in it: keep a copy elsewhere, without it the tenants' secrets in this backup cannot be opened";

#[derive(Debug, clap::Args)]
pub(super) struct Take {
    /// Write it there: a file, or a folder, in which it is named after this moment.
    #[arg(long, value_name = "PATH", default_value = ".")]
    to: PathBuf,
    /// Of the backups in that folder that are named like this one, keep so many and remove the older ones.
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(1..))]
    keep: Option<u32>,
    /// Prove at once that a store can be made of it, as `restore --verify` does; older ones are removed after that.
    #[arg(long)]
    verify: bool,
}

#[derive(Debug, clap::Args)]
pub(super) struct Restore {
    /// The backup.
    file: PathBuf,
    /// Restore nothing: make a store of it in a temporary place, prove that it is whole, and take it away again.
    #[arg(long, conflicts_with = "force")]
    verify: bool,
    /// Put it in the place of a store that holds data: the old file is set aside, tables of a PostgreSQL are dropped.
    #[arg(long)]
    force: bool,
}

impl From<BackupError> for CommandError {
    fn from(error: BackupError) -> Self {
        Self::Failed(chain(&error))
    }
}

fn about(world: &World) -> About {
    let mark = random_text(&*world.dice).to_lowercase().chars().take(8).collect();
    About { release: env!("CARGO_PKG_VERSION"), now: world.clock.now(), mark, who: who() }
}

pub(super) async fn take(context: &mut Context, options: Take) -> Result<ExitCode, CommandError> {
    let config = context.load()?;
    let world = World::real();
    let about = about(&world);
    let folder = options.to.is_dir().then(|| options.to.clone());
    if options.keep.is_some() && folder.is_none() {
        return Err(CommandError::Failed("--keep needs --to to name a folder that is there".to_owned()));
    }
    let to = folder.as_ref().map_or_else(|| options.to.clone(), |folder| folder.join(name(about.now)));
    let place = place_of_store(&config)?;
    let taken = place.back_up(to.clone(), about.clone()).await?;
    if options.verify {
        place.prove(to.clone(), master_key_that_is_there(&config)?, about).await?;
        let settings = StoreSettings { place, master_key: None, dice: world.dice };
        let store = Store::look(settings).await?;
        let noted = store.backup_was_proved(taken.manifest.taken_at).await;
        store.close().await;
        noted?;
    }
    let removed = match (folder, options.keep) {
        (Some(folder), Some(keep)) => remove_older(&folder, keep)?,
        _ => Vec::new(),
    };
    if context.json {
        context.out.json(&json!({
            "file": to.display().to_string(), "bytes": taken.bytes, "sha256": taken.sha256, "rows": taken.manifest.rows(),
            "manifest": taken.manifest, "removed": removed, "verified": options.verify, "master_key_included": false,
        }))?;
    } else {
        let manifest = &taken.manifest;
        context.out.line(&format!(
            "{}: {} rows of {} tables at {}, {} bytes, sha256 {}",
            to.display(),
            manifest.rows(),
            manifest.tables.len(),
            manifest.taken_at,
            taken.bytes,
            taken.sha256
        ))?;
        if options.verify {
            context.out.line("verified: a store was made of it and taken away again")?;
        }
        for old in &removed {
            context.out.line(&format!("removed {old}"))?;
        }
        context.out.line(&format!("people's data is in it, readable for its owner only; {WITHOUT_KEY}"))?;
    }
    Ok(ExitCode::SUCCESS)
}

pub(super) async fn restore(context: &mut Context, options: Restore) -> Result<ExitCode, CommandError> {
    let config = context.load()?;
    let world = World::real();
    let place = place_of_store(&config)?;
    let key = master_key_that_is_there(&config)?;
    let Restore { file, verify, force } = options;
    let (proof, aside) = match verify {
        true => (place.prove(file.clone(), key, about(&world)).await?, None),
        false => place.restore(file.clone(), key, force, about(&world)).await?,
    };
    let aside = aside.map(|aside| aside.display().to_string());
    if context.json {
        let mut answer = told(&proof);
        answer["verified"] = json!(true);
        answer["restored"] = json!(!verify);
        answer["set_aside"] = json!(aside);
        context.out.json(&answer)?;
        return Ok(ExitCode::SUCCESS);
    }
    let word = if verify { "verified, nothing restored" } else { "restored" };
    context.out.line(&format!(
        "{word}: {} rows of {} tables as of {}",
        proof.manifest.rows(),
        proof.manifest.tables.len(),
        proof.manifest.taken_at
    ))?;
    context.out.line(&format!(
        "checksum, integrity, schema {} and the rows of every table are right; {} secrets open; {} tenants, newest revision {}",
        proof.schema,
        proof.secrets,
        proof.tenants,
        proof.newest_revision.as_deref().unwrap_or("none")
    ))?;
    if let Some(aside) = aside {
        context.out.line(&format!("the store before is {aside}"))?;
    }
    if !verify {
        context
            .out
            .line("what was booked after that moment is taken over from Cal.com; the built-in calendar does not know of it")?;
    }
    Ok(ExitCode::SUCCESS)
}

fn told(proof: &Proof) -> Value {
    json!({
        "manifest": proof.manifest, "rows": proof.manifest.rows(), "schema": proof.schema, "secrets": proof.secrets,
        "tenants": proof.tenants, "newest_revision": proof.newest_revision,
    })
}

/// Names in the order of time.
fn name(now: Timestamp) -> String {
    format!("frontdesk-{}{ENDING}", now.strftime("%Y%m%dT%H%M%SZ"))
}

/// Whether a name is one of those.
fn is_ours(name: &str) -> bool {
    let moment = name.strip_prefix("frontdesk-").and_then(|rest| rest.strip_suffix(ENDING));
    moment.is_some_and(|moment| {
        let form = "00000000T000000Z";
        moment.len() == form.len()
            && moment
                .bytes()
                .zip(form.bytes())
                .all(|(byte, like)| if like == b'0' { byte.is_ascii_digit() } else { byte == like })
    })
}

/// Removes the oldest until so many are left; returns which.
fn remove_older(folder: &Path, keep: u32) -> Result<Vec<String>, CommandError> {
    let mut names: Vec<String> = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        names.extend(entry?.file_name().into_string().ok().filter(|name| is_ours(name)));
    }
    names.sort();
    let most = usize::try_from(keep).unwrap_or(usize::MAX);
    names.truncate(names.len().saturating_sub(most));
    for name in &names {
        std::fs::remove_file(folder.join(name))?;
    }
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn backups_are_named_in_the_order_of_time_and_nothing_else_is_taken_for_one() {
        let at = |text: &str| name(text.parse().expect("a timestamp"));
        assert_eq!(at("2026-03-12T10:00:00+01:00"), "frontdesk-20260312T090000Z.backup");
        assert!(at("2026-03-12T10:00:00Z") < at("2026-11-02T09:00:00Z"));
        assert!(is_ours(&at("2026-03-12T10:00:00Z")));
        for other in
            ["frontdesk.db", "frontdesk-.backup", "frontdesk-20260312T0900000.backup", "frontdesk-yesterday.backup", "notes"]
        {
            assert!(!is_ours(other), "{other}");
        }
    }

    #[test]
    fn only_the_newest_are_kept() {
        let folder = frontdesk_testkit::folder("keep");
        for day in 1..=4 {
            std::fs::write(folder.path().join(format!("frontdesk-2026030{day}T090000Z.backup")), "x").expect("written");
        }
        std::fs::write(folder.path().join("other.backup"), "x").expect("written");
        let removed = remove_older(folder.path(), 3).unwrap_or_default();
        assert_eq!(removed, ["frontdesk-20260301T090000Z.backup"]);
        assert_eq!(std::fs::read_dir(folder.path()).expect("a folder").count(), 4);
    }
}
