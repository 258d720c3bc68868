//! Whether there is a backup that is young enough, and that was proved: one that nobody ever restored is a hope.

use frontdesk_http::Finding;
use jiff::{SignedDuration, Timestamp};

use super::database::unreadable;
use super::{Check, Subject, span};

pub(super) async fn backups(subject: &Subject) -> Vec<Finding> {
    // A store that is away is told by the check of the store.
    let (Some(store), Some(age)) = (&subject.store, subject.config.health.backup_age) else { return Vec::new() };
    let age = SignedDuration::try_from(age).unwrap_or(SignedDuration::MAX);
    match store.proved_backup().await {
        Ok(last) => vec![backup_finding(last, age, subject.clock.now())],
        Err(error) => vec![unreadable(Check::Backups, &error)],
    }
}

fn backup_finding(last: Option<Timestamp>, most: SignedDuration, now: Timestamp) -> Finding {
    let name = Check::Backups.name();
    let seen = format!(
        "the last one that was proved: {}; warned of from {} on",
        last.map_or_else(|| "never".to_owned(), |last| last.to_string()),
        span(most.as_secs())
    );
    match last {
        Some(last) if now.duration_since(last) < most => Finding::ok(name, "There is a young backup that was proved.").seen(seen),
        _ => Finding::warn(
            name,
            "There is no backup that is young enough and was proved.",
            seen,
            "run frontdesk backup --to FOLDER --verify, and see why whatever runs it every night did not",
        ),
    }
}
