//! What a revision says: the live sections as JSON, and how two of them differ.

use std::time::Duration;

use frontdesk_core::ports::StoreError;
use frontdesk_store::{ConfigRevision, RevisionOutcome, Store};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::config::deployment::DeploymentConfig;
use crate::config::deployment::live::Live;
use crate::config::durations::render_duration;

/// A setting that differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Change {
    /// Section and key, such as `rate_limit.booking`.
    pub(crate) key: String,
    /// As it was; `None` is not set.
    pub(crate) was: Option<String>,
    /// As it is.
    pub(crate) now: Option<String>,
}

/// The JSON that is stored; secrets are not in it.
pub(crate) fn body(live: &Live) -> Result<String, StoreError> {
    serde_json::to_string(live).map_err(|error| StoreError::Broken(Box::new(error)))
}

/// Reads it. What a release before did not know has its default.
pub(crate) fn read(body: &str) -> Result<Live, String> {
    let broken = |error: serde_json::Error| format!("a revision cannot be read: {error}");
    let mut whole = serde_json::to_value(DeploymentConfig::default().live).map_err(broken)?;
    lay_over(&mut whole, serde_json::from_str(body).map_err(broken)?);
    serde_json::from_value(whole).map_err(broken)
}

fn lay_over(under: &mut Value, over: Value) {
    match (under, over) {
        (Value::Object(under), Value::Object(over)) => {
            for (key, value) in over {
                lay_over(under.entry(key).or_insert(Value::Null), value);
            }
        }
        (under, over) => *under = over,
    }
}

/// The live sections that hold: the newest revision's, or those of a file that no gateway took up yet.
pub(crate) async fn in_force(store: &Store, of_file: &Live) -> Result<Live, StoreError> {
    match store.newest_revision().await? {
        None => Ok(of_file.clone()),
        Some(newest) => read(&newest.body).map_err(|why| StoreError::Broken(why.into())),
    }
}

/// Whether both say the same, as far as a revision holds it.
pub(crate) fn is_same(one: &Live, other: &Live) -> bool {
    settings(one) == settings(other)
}

/// Every setting with its section and its value as it stands in a file; `None` is not set.
pub(crate) fn settings(live: &Live) -> Vec<(String, Option<String>)> {
    let Ok(Value::Object(sections)) = serde_json::to_value(live) else { return Vec::new() };
    let mut settings = Vec::new();
    for (section, keys) in sections {
        for (key, value) in keys.as_object().into_iter().flatten() {
            settings.push((format!("{section}.{key}"), written(&section, key, value)));
        }
    }
    settings
}

/// A value as TOML has it.
fn written(section: &str, key: &str, value: &Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::Number(number) if section == "rate_limit" => Some(format!("\"{number}/min\"")),
        Value::Object(_) => {
            let span = serde_json::from_value::<Duration>(value.clone()).ok()?;
            Some(format!("\"{}\"", render_duration(span)))
        }
        // No percent of anything is how the rule is switched off, and what its absence means.
        Value::Number(number) if key == "failure_rate" && number.as_u64() == Some(0) => None,
        other => Some(other.to_string()),
    }
}

/// What differs.
pub(crate) fn diff(was: &Live, now: &Live) -> Vec<Change> {
    let (was, now) = (settings(was), settings(now));
    let of = |settings: &[(String, Option<String>)], key: &str| {
        settings.iter().find(|(name, _)| name == key).and_then(|(_, value)| value.clone())
    };
    let keys = now.iter().map(|(key, _)| key);
    let bare = |value: Option<String>| value.map(|text| text.trim_matches('"').to_owned());
    keys.filter_map(|key| {
        let (was, now) = (of(&was, key), of(&now, key));
        (was != now).then(|| Change { key: key.clone(), was: bare(was), now: bare(now) })
    })
    .collect()
}

/// In one line: `rate_limit.booking 30/min -> 60/min`.
pub(crate) fn told(changes: &[Change]) -> String {
    let value = |value: &Option<String>| value.clone().unwrap_or_else(|| "not set".to_owned());
    let one = |change: &Change| format!("{} {} -> {}", change.key, value(&change.was), value(&change.now));
    if changes.is_empty() { "nothing".to_owned() } else { changes.iter().map(one).collect::<Vec<_>>().join(", ") }
}

/// What differed when it was made.
pub(crate) fn changes_of(revision: &ConfigRevision) -> Vec<Change> {
    serde_json::from_str(&revision.diff).unwrap_or_default()
}

/// A revision as operators list it.
pub(crate) fn row(revision: &ConfigRevision) -> Value {
    json!({
        "revision": revision.number,
        "origin": revision.origin.as_str(),
        "restores": revision.restores,
        "author": revision.author,
        "why": revision.why,
        "made_at": revision.made_at.to_string(),
        "outcome": revision.outcome.as_str(),
        "reason": revision.reason,
        "decided_at": revision.ended_at.map(|at| at.to_string()),
        "changes": changes_of(revision),
    })
}

/// The one that a rollback without a number brings back: the last good one before what holds, whatever was rolled back
/// in between. `revisions` are all, newest first.
pub(crate) fn before(revisions: &[ConfigRevision]) -> Option<&ConfigRevision> {
    let newest = revisions.first()?;
    let place = newest.restores.unwrap_or(newest.number);
    revisions.iter().find(|it| it.number < place && it.outcome == RevisionOutcome::Active && it.body != newest.body)
}

#[cfg(test)]
mod tests {
    use frontdesk_store::RevisionOrigin;
    use jiff::Timestamp;

    use super::*;

    fn live(text: &str) -> Live {
        DeploymentConfig::parse("frontdesk.toml", text).unwrap_or_else(|problems| panic!("{problems}")).live
    }

    #[test]
    fn a_revision_is_read_back_and_holds_no_secret() {
        let live = live("[alerts]\nwebhook_url = \"https://hooks.example/secret\"\n[circuit_breaker]\nslow_call = \"2500ms\"\n");
        let body = body(&live).expect("JSON");
        assert!(!body.contains("secret"), "{body}");
        assert!(is_same(&read(&body).expect("read"), &live));
    }

    #[test]
    fn a_revision_of_an_older_release_has_the_defaults_for_what_it_did_not_know() {
        let old = r#"{"rate_limit":{"booking":7},"something":{"else":1}}"#;
        let read = read(old).expect("read");
        assert_eq!((read.rate_limit.booking, read.rate_limit.availability), (7, 60));
        assert!(super::read("[").is_err() && super::read(r#"{"rate_limit":{"booking":"many"}}"#).is_err());
    }

    #[test]
    fn what_differs_is_told_as_it_stands_in_a_file() {
        let now = live(
            "[rate_limit]\nbooking = \"60/min\"\n[protections]\nbusiness_hours = \"shadow\"\n[circuit_breaker]\nslow_call = \"2s\"\n",
        );
        let changes = diff(&live(""), &now);
        assert_eq!(
            told(&changes),
            "circuit_breaker.slow_call not set -> 2s, protections.business_hours on -> shadow, rate_limit.booking 30/min -> 60/min"
        );
        assert_eq!(told(&diff(&now, &now)), "nothing");
    }

    fn revision(
        number: i64,
        body: &str,
        origin: RevisionOrigin,
        restores: Option<i64>,
        outcome: RevisionOutcome,
    ) -> ConfigRevision {
        ConfigRevision {
            number,
            body: body.to_owned(),
            diff: String::new(),
            origin,
            restores,
            author: String::new(),
            why: None,
            made_at: Timestamp::UNIX_EPOCH,
            outcome,
            reason: None,
            ended_at: None,
            token: None,
        }
    }

    #[test]
    fn going_back_goes_further_back_each_time_and_never_to_what_was_bad() {
        use RevisionOrigin::{Activate, Rollback, Start};
        use RevisionOutcome::{Active, RolledBack};
        let mut all = vec![
            revision(1, "A", Start, None, Active),
            revision(2, "B", Activate, None, Active),
            revision(3, "C", Activate, None, RolledBack),
            revision(4, "B", Rollback, Some(2), Active),
            revision(5, "D", Activate, None, Active),
        ];
        let back = |all: &[ConfigRevision]| {
            let newest_first: Vec<_> = all.iter().rev().cloned().collect();
            before(&newest_first).map(|it| it.number)
        };
        assert_eq!(back(&all), Some(4), "what was brought back is what held before");
        all[4].outcome = RolledBack;
        all.push(revision(6, "B", Rollback, Some(4), Active));
        assert_eq!(back(&all), Some(1));
        all.push(revision(7, "A", Rollback, Some(1), Active));
        assert_eq!(back(&all), None);
        assert_eq!(back(&[]), None);
        // C was taken back, was not to blame, and was brought back by its number.
        let all = [
            revision(1, "A", Start, None, Active),
            revision(2, "B", Activate, None, Active),
            revision(3, "C", Activate, None, RolledBack),
            revision(4, "B", Rollback, Some(2), RolledBack),
            revision(5, "C", Rollback, Some(3), Active),
            revision(6, "D", Activate, None, Active),
        ];
        assert_eq!(back(&all), Some(5));
    }
}
