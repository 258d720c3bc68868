//! `frontdesk health`: can it serve, and what needs a person? It looks at what the configuration names,
//! whether a gateway runs or not, and creates nothing.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::process::ExitCode;
use std::time::Duration;

use frontdesk_http::{Finding, HealthReport, Pick, Severity};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::{CommandError, Context};
use crate::health::{self, Check, Selection};
use crate::wiring::World;

/// A look that was given up may still hold the store for so long.
const CLOSE_WITHIN: Duration = Duration::from_millis(500);
/// A gateway that takes longer to say that it is ready is not.
const PROBE_WITHIN: Duration = Duration::from_secs(4);

#[derive(Debug, clap::Args)]
pub(super) struct Options {
    /// Also what is as it should be, with what was seen.
    #[arg(long)]
    detailed: bool,
    /// Only these checks, separated by commas: config, store, schema, master_key, shared_state, disk, memory,
    /// load, open_files, clock, time_zones, calendars, secrets, agents, outbox, certificates, gateways,
    /// backups.
    #[arg(long, value_name = "CHECKS", value_delimiter = ',')]
    only: Vec<String>,
    /// Not these checks.
    #[arg(long, value_name = "CHECKS", value_delimiter = ',')]
    skip: Vec<String>,
    /// Only whether the gateway of this configuration serves: asks its /readyz, for containers without a shell.
    #[arg(long, conflicts_with_all = ["detailed", "only", "skip"])]
    probe: bool,
}

pub(super) async fn run(context: &mut Context, options: Options) -> Result<ExitCode, CommandError> {
    let Options { detailed, only, skip, probe } = options;
    if probe {
        return self::probe(context).await;
    }
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

/// Whether the gateway says that it is ready; exit code 0 or 1 and nothing else.
async fn probe(context: &mut Context) -> Result<ExitCode, CommandError> {
    let mut listen = context.load()?.server.listen;
    // An address that stands for all of them is nobody's.
    match listen {
        SocketAddr::V4(_) if listen.ip().is_unspecified() => listen.set_ip(Ipv4Addr::LOCALHOST.into()),
        SocketAddr::V6(_) if listen.ip().is_unspecified() => listen.set_ip(Ipv6Addr::LOCALHOST.into()),
        _ => {}
    }
    let answer = tokio::time::timeout(PROBE_WITHIN, async {
        let mut stream = TcpStream::connect(listen).await?;
        stream.write_all(format!("GET /readyz HTTP/1.1\r\nHost: {listen}\r\nConnection: close\r\n\r\n").as_bytes()).await?;
        let mut start = [0; 12];
        stream.read_exact(&mut start).await?;
        std::io::Result::Ok(start)
    });
    let (is_ready, says) = match answer.await {
        Ok(Ok(start)) if &start == b"HTTP/1.1 200" => (true, "ready".to_owned()),
        Ok(Ok(_)) => (false, "not ready".to_owned()),
        Ok(Err(error)) => (false, format!("no gateway answers at {listen}: {error}")),
        Err(_) => (false, format!("no gateway answers at {listen} in time")),
    };
    match context.json {
        true => context.out.json(&json!({ "ready": is_ready, "says": says }))?,
        false => context.out.line(&says)?,
    }
    Ok(if is_ready { ExitCode::SUCCESS } else { ExitCode::FAILURE })
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
