//! The voice agents: whether their events come, and whether the secrets are there that prove who sends them.

use frontdesk_core::tenant::{CalendarKind, Tenant};
use frontdesk_http::Finding;
use frontdesk_store::AgentSeen;
use jiff::{SignedDuration, Timestamp};

use super::database::unreadable;
use super::{Check, Subject, span};

/// Calls that began earlier do not say whether an agent is in use.
const LATELY: SignedDuration = SignedDuration::from_hours(30 * 24);
/// The platform tells that a call began at once; this is for slow lines and clocks.
const EVENTS_WITHIN: SignedDuration = SignedDuration::from_mins(15);

/// When each agent was heard of last.
pub(super) async fn agents(subject: &Subject) -> Vec<Finding> {
    let Some(store) = &subject.store else { return Vec::new() };
    let now = subject.clock.now();
    let mut found = Vec::new();
    for tenant in &subject.tenants {
        let seen = match store.agents_seen(tenant.scope(), now - LATELY).await {
            Ok(seen) => seen,
            Err(error) => return vec![unreadable(Check::Agents, &error)],
        };
        let silent_after = SignedDuration::try_from(subject.config.health.silent_agent).unwrap_or(SignedDuration::MAX);
        let events = format!("{}/api/t/{}/retell/events", subject.config.server.public_url, tenant.slug);
        for agent in &tenant.agent_ids {
            let heard = seen.iter().find(|it| it.agent == *agent);
            found.push(agent_finding(agent, heard, silent_after, &events, now).of(&tenant.slug));
        }
    }
    if found.is_empty() {
        found.push(Finding::ok(Check::Agents.name(), "There are no agents yet."));
    }
    found
}

fn agent_finding(agent: &str, heard: Option<&AgentSeen>, silent_after: SignedDuration, events: &str, now: Timestamp) -> Finding {
    let name = Check::Agents.name();
    let Some(AgentSeen { calls, last_call, last_event, .. }) = heard else {
        return Finding::ok(name, format!("Agent {agent} had no calls in the last 30 days."));
    };
    let ago = |at: Timestamp| span(now.duration_since(at).as_secs().max(0));
    let event = last_event.map_or_else(|| "none".to_owned(), |at| format!("{} ago", ago(at)));
    let seen = format!("calls in the last 30 days: {calls}; last call {} ago; last event: {event}", ago(*last_call));
    let misses_events = last_event.is_none_or(|at| last_call.duration_since(at) > EVENTS_WITHIN);
    if misses_events && now.duration_since(*last_call) > EVENTS_WITHIN {
        let advice =
            format!("set the agent's webhook URL on the voice platform to {events}: without events calls never end here");
        return Finding::warn(name, format!("Agent {agent} has calls, but its events do not come."), seen, advice);
    }
    let newest = last_event.map_or(*last_call, |at| at.max(*last_call));
    if now.duration_since(newest) >= silent_after {
        let advice = "call its number: if nobody answers, look at the agent on the voice platform; [health] silent_agent says \
                      how long silence is usual";
        let says = format!("Nothing was heard of agent {agent} for {}.", ago(newest));
        return Finding::warn(name, says, seen, advice);
    }
    Finding::ok(name, format!("Agent {agent} is heard.")).seen(seen)
}

/// What has to be there so that requests can be believed and made.
pub(super) async fn secrets(subject: &Subject) -> Vec<Finding> {
    let mut found: Vec<Finding> = subject.tenants.iter().flat_map(|tenant| missing(tenant)).collect();
    if found.is_empty() {
        let says = format!("Every tenant has the secrets that it needs; tenants: {}.", subject.tenants.len());
        found.push(Finding::ok(Check::Secrets.name(), says));
    }
    found
}

fn missing(tenant: &Tenant) -> Vec<Finding> {
    let is_on_calcom = matches!(tenant.calendar, CalendarKind::Calcom { .. });
    let secrets = &tenant.secrets;
    let none = |key: &Option<_>| key.is_none();
    let apply = "then frontdesk tenant apply its file";
    let cases = [
        (
            none(&secrets.retell_api_key),
            "The key of the voice platform",
            "calls of its agents cannot be believed",
            "[retell] api_key: give it the platform's key with the webhook badge",
        ),
        (
            is_on_calcom && none(&secrets.calcom_api_key),
            "The calendar's key",
            "nothing can be booked",
            "[calendar] api_key: make a key in Cal.com under Settings, Developer, API keys",
        ),
        (
            is_on_calcom && none(&secrets.calcom_webhook_secret),
            "The webhook secret of the calendar",
            "what is changed in Cal.com is not heard of here",
            "[calendar] webhook_secret: set the secret of the webhook in Cal.com, the same in both",
        ),
    ];
    let lacking = cases.into_iter().filter(|(is_missing, ..)| *is_missing);
    lacking
        .map(|(_, what, so, advice)| {
            let says = format!("{what} is missing for {}: {so}.", tenant.slug);
            Finding::warn(Check::Secrets.name(), says, "the store holds none", format!("{advice}, {apply}")).of(&tenant.slug)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use frontdesk_http::Severity;

    use super::*;

    #[test]
    fn an_agent_with_calls_and_without_events_is_told_apart_from_a_silent_and_a_new_one() {
        let now: Timestamp = "2026-03-12T09:00:00Z".parse().expect("a time");
        let ago = |minutes: i64| now - SignedDuration::from_mins(minutes);
        let seen = |call: i64, event: Option<i64>| AgentSeen {
            agent: "a".to_owned(),
            calls: 3,
            last_call: ago(call),
            last_event: event.map(ago),
        };
        let day = 24 * 60;
        let cases = [
            (None, Severity::Ok, "had no calls"),
            (Some(seen(5, None)), Severity::Ok, "is heard"),
            (Some(seen(60, None)), Severity::Warn, "its events do not come"),
            (Some(seen(60, Some(3 * day))), Severity::Warn, "its events do not come"),
            (Some(seen(60, Some(58))), Severity::Ok, "is heard"),
            (Some(seen(8 * day, Some(8 * day))), Severity::Warn, "Nothing was heard of agent a for 8 days"),
        ];
        for (heard, severity, says) in cases {
            let found = agent_finding("a", heard.as_ref(), SignedDuration::from_hours(7 * 24), "https://x/events", now);
            assert_eq!(found.severity, severity, "{found:?}");
            assert!(found.says.contains(says), "{found:?}");
        }
    }
}
