//! What is shared: the state of windows and breakers, and how the gateways on this store describe themselves.

use frontdesk_http::Finding;
use serde_json::Value;

use super::database::unreadable;
use super::machine::files_finding;
use super::{Check, Subject};
use crate::config::deployment::StateUrl;
use crate::operations::{PROCESS, SNAPSHOT};

/// Whether limits and breakers are decided where the configuration says.
pub(super) async fn shared_state(subject: &Subject) -> Vec<Finding> {
    let name = Check::SharedState.name();
    subject.state.tend().await;
    if subject.state.is_away() {
        return vec![shared_state_away()];
    }
    vec![match subject.config.state {
        StateUrl::Memory => Finding::ok(name, "Limits and breakers are in each gateway's own memory."),
        StateUrl::Redis(_) => Finding::ok(name, "The shared state answers and can be written."),
    }]
}

/// Replicas decide for themselves.
pub(crate) fn shared_state_away() -> Finding {
    Finding::warn(
        Check::SharedState.name(),
        "The shared state is away: limits and breakers are each gateway's own.",
        "Redis did not answer",
        "see that Redis runs, can be written, and is where [state] url says; gateways take it up again by themselves",
    )
}

/// How running gateways see themselves.
pub(super) async fn gateways(subject: &Subject) -> Vec<Finding> {
    let name = Check::Gateways.name();
    let Some(store) = &subject.store else { return Vec::new() };
    let now = subject.clock.now();
    let (said, processes) = match (store.snapshots(SNAPSHOT, now).await, store.snapshots(PROCESS, now).await) {
        (Ok(said), Ok(processes)) => (said, processes),
        (Err(error), _) | (_, Err(error)) => return vec![unreadable(Check::Gateways, &error)],
    };
    let mut found = Vec::new();
    for gateway in &said {
        let body: Value = serde_json::from_str(&gateway.body).unwrap_or_default();
        let who = &gateway.replica;
        if body["shared_state_away"] == true {
            let advice = "see that Redis can be reached from the machine of that gateway";
            found.push(Finding::warn(name, format!("Gateway {who} does not reach the shared state."), "its own word", advice));
        }
        for breaker in body["breakers"].as_array().into_iter().flatten().filter(|it| it["state"] != "closed") {
            let account = breaker["account"].as_str().unwrap_or("?");
            let says = format!("The circuit breaker of account {account} is {}.", breaker["state"].as_str().unwrap_or("?"));
            let advice =
                "see what the check calendars says; it is tried again by itself, or at once after frontdesk breaker reset";
            let seen = format!("failures: {}; gateway {who}", breaker["failures"]);
            found.push(Finding::warn(name, says, seen, advice));
        }
    }
    for gateway in &processes {
        let body: Value = serde_json::from_str(&gateway.body).unwrap_or_default();
        if let (Some(used), Some(most)) = (body["open_files"].as_u64(), body["open_files_most"].as_u64()) {
            let who = format!("Gateway {}", gateway.replica);
            let mut finding = files_finding(Check::Gateways, &who, used, most);
            finding.evidence = format!(
                "open files {}; memory {} MiB; version {}",
                finding.evidence,
                body["resident_bytes"].as_u64().unwrap_or(0) / (1024 * 1024),
                body["version"].as_str().unwrap_or("?")
            );
            found.push(finding);
        }
    }
    if said.is_empty() {
        found.push(Finding::ok(name, "No gateway runs on this store."));
    }
    found
}
