//! `frontdesk health`: can it serve, and what needs a person? It looks at what the configuration names,
//! whether a gateway runs or not, and creates nothing.

use std::process::ExitCode;
use std::time::Duration;

use frontdesk_http::{Finding, HealthReport, Pick, Severity};
use serde_json::{Value, json};

use super::{CommandError, Context};
use crate::health::{self, Check, Selection};
use crate::wiring::World;

/// A look that was given up may still hold the store for so long.
const CLOSE_WITHIN: Duration = Duration::from_millis(500);

#[derive(Debug, clap::Args)]
pub(super) struct Options {
    /// Also what is as it should be, with what was seen.
    #[arg(long)]
    detailed: bool,
    /// Only these checks, separated by commas: config, store, schema, master_key, shared_state, disk, memory,
    /// load, open_files, clock, time_zones, calendars, secrets, agents, outbox, certificates, gateways.
    #[arg(long, value_name = "CHECKS", value_delimiter = ',')]
    only: Vec<String>,
    /// Not these checks.
    #[arg(long, value_name = "CHECKS", value_delimiter = ',')]
    skip: Vec<String>,
}

pub(super) async fn run(context: &mut Context, options: Options) -> Result<ExitCode, CommandError> {
    let Options { detailed, only, skip } = options;
    let selection = Selection::of(&Pick { only, skip }).map_err(CommandError::Failed)?;
    let mut findings = match context.load() {
        Err(problems) => {
            let advice = "mend the lines that are named; examples/frontdesk.toml has every key";
            vec![Finding::fail(Check::Config.name(), "The configuration is not valid.", problems.to_string(), advice)]
        }
        Ok(config) => {
            let (subject, mut findings) = health::before_start(&config, &World::real()).await;
            findings.retain(|it| it.severity == Severity::Fail || selection.names(it.check));
            if let Some(subject) = subject {
                findings.extend(health::look(&subject, &selection).await);
                if let Some(store) = &subject.store {
                    let _ = tokio::time::timeout(CLOSE_WITHIN, store.close()).await;
                }
            }
            findings
        }
    };
    // What is wrong with the configuration says that it is not valid.
    if findings.iter().any(|it| it.check == Check::Config.name() && it.severity == Severity::Fail) {
        findings.retain(|it| it.check != Check::Config.name() || it.severity == Severity::Fail);
    }
    health::in_order(&mut findings);
    let report = HealthReport { findings, configuration: None };
    let severity = report.severity();
    if context.json {
        let mut answer = report.to_json();
        answer.insert("status".to_owned(), json!(severity.state()));
        context.out.json(&Value::Object(answer))?;
    } else {
        for line in lines(&report, detailed) {
            context.out.line(&line)?;
        }
    }
    Ok(match severity {
        Severity::Ok => ExitCode::SUCCESS,
        Severity::Fail => ExitCode::FAILURE,
        Severity::Warn => ExitCode::from(2),
    })
}

fn lines(report: &HealthReport, detailed: bool) -> Vec<String> {
    let count = |severity| report.findings.iter().filter(|it| it.severity == severity).count();
    let mut lines = vec![match (count(Severity::Fail), count(Severity::Warn)) {
        (0, 0) => report.severity().state().to_owned(),
        (0, warned) => format!("degraded: it serves; findings that need a person: {warned}"),
        (failed, 0) => format!("unhealthy: it cannot serve; findings that prevent it: {failed}"),
        (failed, warned) => {
            format!("unhealthy: it cannot serve; findings that prevent it: {failed}; that need a person: {warned}")
        }
    }];
    for it in report.findings.iter().filter(|it| detailed || it.severity != Severity::Ok) {
        lines.push(format!("  {:<5} {:<13} {}", it.severity.as_str(), it.check, it.says));
        if !it.evidence.is_empty() {
            lines.push(format!("{:22}seen: {}", "", it.evidence));
        }
        if !it.advice.is_empty() {
            lines.push(format!("{:22}do:   {}", "", it.advice));
        }
    }
    lines
}
