//! A gateway and the revisions: what it holds when it starts, what its own file may change, and taking up what others
//! made.

use std::path::{Path, PathBuf};

use frontdesk_core::ports::StoreError;
use frontdesk_store::{ConfigRevision, Made, NewRevision, RevisionOrigin, Store};
use jiff::{SignedDuration, Timestamp};

use super::contents::{body, diff, is_same, read, told};
use crate::config::deployment::live::Live;
use crate::wiring::{House, Next};

/// A file system tells the time of a change less exactly than we count: a text that was not read before and is
/// younger than this by less was edited since.
const COARSE: SignedDuration = SignedDuration::from_secs(1);
/// Somebody else may make a revision between our look and ours, so often.
const ATTEMPTS: u32 = 5;

/// The file that a configuration was read from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Source {
    /// Its path; `None` where there is no file.
    pub(crate) file: Option<PathBuf>,
    /// What its text is known by.
    pub(crate) digest: String,
    /// When it was changed last.
    pub(crate) modified: Option<Timestamp>,
}

impl Source {
    /// When the file was changed last; asked before it is read.
    pub(crate) fn modified(file: &Path) -> Option<Timestamp> {
        let modified = std::fs::metadata(file).and_then(|about| about.modified()).ok()?;
        Timestamp::try_from(modified).ok()
    }

    /// Whether it was edited after `revision` was made. `read_before` is what its text was known by when this gateway
    /// read it last.
    fn is_edited_since(&self, revision: &ConfigRevision, read_before: &str) -> bool {
        let Some(modified) = self.modified else { return false };
        let unread = self.digest != read_before;
        modified > revision.made_at || (unread && modified > revision.made_at - COARSE)
    }
}

/// What a gateway's own file means for the deployment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Meaning {
    /// It says what the newest revision says.
    Same(i64),
    /// It was made a revision.
    Made(i64),
    /// The newest revision says otherwise and holds; why, in one sentence.
    Older(i64, String),
}

/// What `live`, read from `source`, means: it makes a revision where it was edited since the newest one, and
/// `may_make` allows.
pub(crate) async fn meaning(
    house: &House,
    (live, source): (&Live, &Source),
    origin: RevisionOrigin,
    may_make: bool,
) -> Result<Meaning, StoreError> {
    let read_before = house.standing.revision();
    for _ in 0..ATTEMPTS {
        let newest = house.store.newest_revision().await?;
        let was = match &newest {
            None => None,
            Some(newest) => match read(&newest.body) {
                Ok(was) if is_same(&was, live) => return Ok(Meaning::Same(newest.number)),
                Ok(was) => Some((newest, was)),
                Err(why) => return Err(StoreError::Broken(why.into())),
            },
        };
        if let Some((newest, was)) = &was {
            let instead = told(&diff(was, live));
            let ConfigRevision { number, made_at, author, .. } = newest;
            if !source.is_edited_since(newest, &read_before) {
                let why =
                    format!("the file is older than revision {number}, made {made_at} by {author}, and differs in {instead}");
                return Ok(Meaning::Older(*number, why));
            }
            if !may_make {
                let why = format!(
                    "revision {number}, made {made_at} by {author}, holds on other gateways; the file differs in {instead}"
                );
                return Ok(Meaning::Older(*number, why));
            }
        }
        let after = newest.as_ref().map_or(0, |it| it.number);
        let wanted = NewRevision {
            after,
            body: body(live)?,
            diff: serde_json::to_string(&was.as_ref().map(|(_, was)| diff(was, live)).unwrap_or_default()).unwrap_or_default(),
            origin,
            restores: None,
            author: format!("gateway {}", crate::system::host()),
            why: source.file.as_ref().map(|file| format!("{} {}", file.display(), source.digest)),
            token: None,
        };
        match house.store.make_revision(&wanted, house.clock.now()).await? {
            Made::Done(number) => return Ok(Meaning::Made(number)),
            Made::Watched(number) => {
                let why = format!("revision {number} is being watched; wait until it is decided, or `frontdesk rollback`");
                return Ok(Meaning::Older(number, why));
            }
            Made::Overtaken => {}
        }
    }
    Ok(Meaning::Older(0, "others make revisions at the same time; try again".to_owned()))
}

/// A gateway that starts holds the newest revision. Its file makes one only where it was edited since and no other
/// gateway runs: one that joins others changes nothing for them.
pub(crate) async fn begin(house: &mut House, source: &Source, joins: bool) -> Result<(), StoreError> {
    let live = house.live();
    let number = match meaning(house, (&live, source), RevisionOrigin::Start, !joins).await? {
        Meaning::Same(number) => number,
        Meaning::Made(number) => {
            tracing::info!(channel = "audit", number, "the file of this gateway is a revision of the configuration now");
            number
        }
        Meaning::Older(number, why) => {
            tracing::warn!(
                channel = "audit",
                number,
                why,
                "the newest revision holds, not the file: edit the file and send SIGHUP, or `frontdesk activate` it"
            );
            number
        }
    };
    match next(house).await? {
        Found::Next(revision, next) => {
            house.take_up(*next);
            house.held = revision;
        }
        Found::Held => house.held = number,
        Found::Unreadable(number, why) => tracing::error!(channel = "audit", number, why, "a revision cannot be taken up"),
    }
    house.standing.holds(house.held);
    report(&house.store, house.held, &house.replica, None, house.clock.now()).await
}

/// What there is to take up.
pub(crate) enum Found {
    /// Nothing: this gateway holds the newest.
    Held,
    /// That one, ready to be taken up.
    Next(i64, Box<Next>),
    /// One of a release that this one does not understand.
    Unreadable(i64, String),
}

/// The newest revision, ready to be taken up, where this gateway does not hold it.
pub(crate) async fn next(house: &House) -> Result<Found, StoreError> {
    let Some(newest) = house.store.newest_revision().await?.filter(|it| it.number != house.held) else {
        return Ok(Found::Held);
    };
    Ok(match read(&newest.body) {
        Ok(live) => Found::Next(newest.number, Box::new(house.prepare_live(live))),
        Err(why) => Found::Unreadable(newest.number, why),
    })
}

/// Tells whoever waits for it that this gateway took it up, or why not.
pub(crate) async fn report(
    store: &Store,
    number: i64,
    replica: &str,
    trouble: Option<&str>,
    now: Timestamp,
) -> Result<(), StoreError> {
    store.took_up_revision(number, replica, trouble, now).await
}

#[cfg(test)]
mod tests {
    use frontdesk_store::RevisionOutcome;

    use super::*;

    #[test]
    fn a_file_is_edited_since_by_its_time_and_its_text() {
        let at = |ms: i64| Timestamp::from_millisecond(1_800_000_000_000 + ms).expect("in range");
        let revision = ConfigRevision {
            number: 1,
            body: String::new(),
            diff: String::new(),
            origin: RevisionOrigin::Activate,
            restores: None,
            author: String::new(),
            why: None,
            made_at: at(0),
            outcome: RevisionOutcome::Active,
            reason: None,
            ended_at: None,
            token: None,
        };
        let source = |digest: &str, modified| Source { file: None, digest: digest.to_owned(), modified };
        assert!(source("a", Some(at(1))).is_edited_since(&revision, "a"), "saved again as it was");
        assert!(!source("a", Some(at(-1))).is_edited_since(&revision, "a"));
        assert!(source("b", Some(at(-1))).is_edited_since(&revision, "a"), "the same moment, another text");
        assert!(!source("b", Some(at(-1001))).is_edited_since(&revision, "a"));
        assert!(!source("b", None).is_edited_since(&revision, "a"));
    }
}
