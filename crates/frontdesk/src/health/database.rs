//! The store: whether it can be read and written, is sound, and has this release's schema; what waits in it.

use frontdesk_core::outbox::{Outbox as _, OutboxStanding};
use frontdesk_core::ports::StoreError;
use frontdesk_http::Finding;
use frontdesk_store::{Examined, Place, SchemaLook};
use jiff::Timestamp;

use super::{ANSWER_WITHIN, Check, Subject, cut, span};
use crate::config::deployment::HealthRules;

/// The database as it is.
pub(super) async fn database(subject: &Subject) -> Vec<Finding> {
    if subject.store.is_none() {
        // Why is told where it was tried to open it.
        return Vec::new();
    }
    match subject.place.examine(ANSWER_WITHIN).await {
        Err(error) => vec![store_away(&subject.config.store.to_string(), &error.with_causes())],
        Ok(Examined { schema, unwritable, damage, unsure }) => {
            vec![store(subject, unwritable, damage, unsure), self::schema(&schema)]
        }
    }
}

/// The store does not answer.
pub(crate) fn store_away(place: &str, error: &str) -> Finding {
    Finding::fail(
        Check::Store.name(),
        "The store does not answer.",
        cut(&format!("{place}: {error}")),
        "see that [store] url is right, that the file may be read or the server is up and lets this role in",
    )
}

fn store(subject: &Subject, unwritable: Option<String>, damage: Option<String>, unsure: Option<String>) -> Finding {
    let name = Check::Store.name();
    let place = subject.config.store.to_string();
    if let Some(damage) = damage {
        let advice = "stop the gateways, keep a copy of what is there, and restore the newest backup";
        return Finding::fail(name, "The store is damaged.", cut(&format!("{place}: {damage}")), advice);
    }
    if let Some(error) = unwritable {
        let advice = match subject.place {
            Place::File(_) => {
                "let the user of the gateway write the file and its folder, and see that the disk has room and is not read-only"
            }
            Place::Server { .. } => "connect to the server that may write, not to a standby, and check the rights of the role",
        };
        return Finding::fail(name, "The store cannot be written.", cut(&format!("{place}: {error}")), advice);
    }
    let seen = format!("{place}; tenants: {}", subject.tenants.len());
    match unsure {
        None => Finding::ok(name, "The store answers, can be written and is sound.").seen(seen),
        Some(why) => Finding::ok(name, "The store answers and can be written; whether it is sound was not found out in time.")
            .seen(format!("{seen}; {}", cut(&why))),
    }
}

fn schema(look: &SchemaLook) -> Finding {
    let name = Check::Schema.name();
    let SchemaLook { applied, pending, strange, fingerprint } = look;
    let seen = format!("fingerprint {fingerprint}; migrations: {applied}");
    if !strange.is_empty() {
        let advice = "undo what was changed by hand, line by line, or restore a backup: no gateway starts on this schema";
        let says = "The schema is not the one that this release makes and knows.";
        // The beginning of a line says which thing it is about.
        let lines: Vec<String> = strange.iter().map(|line| shortened(line)).collect();
        return Finding::fail(name, says, cut(&format!("{}; {seen}", lines.join("; "))), advice);
    }
    if !pending.is_empty() {
        let says = format!("Migrations that the next start applies: {}.", pending.len());
        let advice = "make a backup, then start this release; older gateways may go on meanwhile";
        return Finding::warn(name, says, cut(&format!("{}; {seen}", pending.join(", "))), advice);
    }
    Finding::ok(name, "The schema is the one that this release makes.").seen(seen)
}

fn shortened(line: &str) -> String {
    const MOST: usize = 100;
    match line.char_indices().nth(MOST) {
        None => line.to_owned(),
        Some((end, _)) => format!("{} …", &line[..end]),
    }
}

/// What others are told.
pub(super) async fn outbox(subject: &Subject) -> Vec<Finding> {
    let Some(store) = &subject.store else { return Vec::new() };
    let now = subject.clock.now();
    match store.outbox_standing(now).await {
        Ok(standing) => vec![outbox_finding(&standing, &subject.config.health, now)],
        Err(error) => vec![unreadable(Check::Outbox, &error)],
    }
}

/// How the outbox stands: what was given up needs a person, and so does what waits for long.
pub(crate) fn outbox_finding(standing: &OutboxStanding, rules: &HealthRules, now: Timestamp) -> Finding {
    let name = Check::Outbox.name();
    let age = standing.oldest.map_or(0, |oldest| now.duration_since(oldest).as_secs().max(0));
    let seen = format!("waiting: {}, the oldest for {}; dead letters: {}", standing.waiting, span(age), standing.dead);
    if standing.dead > 0 {
        let says = format!("Deliveries that were given up: {}.", standing.dead);
        let advice = "frontdesk outbox list --state dead shows them with their errors; mend the receiver, then \
                      frontdesk outbox retry --all-dead";
        return Finding::warn(name, says, seen, advice);
    }
    if u64::try_from(age).unwrap_or(0) >= rules.outbox_age.as_secs() {
        let says = format!("A delivery waits for {}.", span(age));
        let advice = "see that a gateway runs, and with frontdesk outbox list --state waiting what its receiver answers";
        return Finding::warn(name, says, seen, advice);
    }
    Finding::ok(name, "What others have to hear of is delivered.").seen(seen)
}

/// The store could not be asked.
pub(super) fn unreadable(check: Check, error: &StoreError) -> Finding {
    let says = format!("{} could not be looked at: the store did not say.", check.name());
    Finding::warn(check.name(), says, cut(&error.with_causes()), "see what the checks store and schema say")
}
