//! Whether the calendars say what changes in them, for webhooks that never come.

use std::sync::Arc;

use frontdesk_core::polls::PollRow;
use frontdesk_core::ports::Polls as _;
use frontdesk_core::tenant::{CalendarKind, Tenant};
use frontdesk_http::Finding;
use jiff::{SignedDuration, Timestamp};

use super::{Check, Subject};
use crate::config::deployment::CalendarSettings;

/// So many turns a calendar may miss before somebody should look, and at least so long.
const MISSED: i32 = 3;
const SILENT_FOR: SignedDuration = SignedDuration::from_mins(15);

pub(super) async fn polls(subject: &Subject) -> Vec<Finding> {
    // A store that is away or fails is told by the check of the store.
    let Some(store) = &subject.store else { return Vec::new() };
    let Ok(polls) = store.polls().await else { return Vec::new() };
    Vec::from_iter(polls_finding(&polls, &subject.tenants, &subject.config.calendar, subject.clock.now()))
}

/// Which calendars have not said for long what changed there. One that was never asked is asked soon. `None` where
/// none is ever asked.
pub(crate) fn polls_finding(
    polls: &[PollRow],
    tenants: &[Arc<Tenant>],
    settings: &CalendarSettings,
    now: Timestamp,
) -> Option<Finding> {
    let every = SignedDuration::try_from(settings.poll_every?).ok()?;
    let before = now - (every * MISSED).max(SILENT_FOR);
    let is_calcom =
        |slug: &str| tenants.iter().any(|it| it.slug.as_str() == slug && matches!(it.calendar, CalendarKind::Calcom { .. }));
    let asked: Vec<&PollRow> = polls.iter().filter(|row| is_calcom(row.tenant.as_str())).collect();
    let told = |rows: &[&PollRow]| {
        let last = |row: &PollRow| row.answered.map_or_else(|| "never".to_owned(), |at| at.to_string());
        rows.iter().map(|row| format!("{}: {}", row.tenant, last(row))).collect::<Vec<_>>().join(", ")
    };
    let silent: Vec<&PollRow> = asked.iter().copied().filter(|row| row.answered.unwrap_or(row.begun) < before).collect();
    let check = Check::CalendarPolls.name();
    Some(match silent.as_slice() {
        [] => Finding::ok(check, "The calendars say what changes in them.").seen(told(&asked)),
        some => Finding::warn(
            check,
            "Calendars do not say what changes in them.",
            told(some),
            "look at the calendars check; until they answer, a booking whose webhook is lost is not known here",
        ),
    })
}
