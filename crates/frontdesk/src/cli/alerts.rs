//! `frontdesk alerts`: what fires and what did, whether receivers hear of it, and when nobody is to be told. `list` and
//! `silence` work on the store, with the gateway running or not.

use std::process::ExitCode;

use clap::Subcommand;
use frontdesk_core::alert::{Alert, Notice, Rule, Silence};
use frontdesk_http::alert_row;
use frontdesk_store::Store;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::{CommandError, Context, who};
use crate::config::deployment::DeploymentConfig;
use crate::config::durations::parse_duration;
use crate::courier::Receivers;
use crate::wiring::{World, open_mail, open_store};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// What fires, then what did in the last 30 days.
    List {
        /// Only what fires.
        #[arg(long)]
        firing: bool,
    },
    /// Sends one to each receiver, and says what came of it.
    Test,
    /// Tells nobody of a rule for a while; its alerts go on being written down.
    Silence {
        /// The rule as `list` names it.
        rule: String,
        /// For so long; 0s ends a silence.
        #[arg(long = "for", value_name = "DURATION", default_value = "2h")]
        span: String,
        /// Only about this: an agent, an account, a tenant.
        #[arg(long, value_name = "SUBJECT")]
        subject: Option<String>,
    },
}

pub(super) async fn run(context: &mut Context, command: Command) -> Result<ExitCode, CommandError> {
    let config = context.load()?;
    let world = World::real();
    let now = world.clock.now();
    if let Command::Test = command {
        return test(context, &config, now).await;
    }
    let store = open_store(&config, &world).await?;
    let result = match command {
        Command::List { firing } => list(context, &store, firing, now).await,
        Command::Silence { rule, span, subject } => silence(context, &store, &rule, &span, subject, now).await,
        Command::Test => Ok(ExitCode::SUCCESS),
    };
    store.close().await;
    result
}

async fn list(context: &mut Context, store: &Store, firing: bool, now: Timestamp) -> Result<ExitCode, CommandError> {
    let silences = store.silences(now).await?;
    let mut alerts = store.alerts().await?;
    alerts.retain(|it| !firing || it.is_firing());
    if context.json {
        let items: Vec<Value> = alerts.iter().map(|it| alert_row(it, &silences, now)).collect();
        let silences: Vec<Value> = silences.iter().map(silence_row).collect();
        context.out.json(&json!({ "items": items, "silences": silences }))?;
        return Ok(ExitCode::SUCCESS);
    }
    for alert in &alerts {
        context.out.line(&line(alert, &silences, now))?;
    }
    for it in &silences {
        let about = it.subject.as_deref().map_or(String::new(), |subject| format!(" {subject}"));
        context.out.line(&format!("silenced {}{about} until {} by {}", it.rule.as_str(), it.until, it.who))?;
    }
    if alerts.is_empty() && silences.is_empty() {
        context.out.line("nothing fires")?;
    }
    Ok(ExitCode::SUCCESS)
}

fn line(it: &Alert, silences: &[Silence], now: Timestamp) -> String {
    let about = if it.subject.is_empty() { String::new() } else { format!(" {}", it.subject) };
    let silenced = silences.iter().any(|silence| silence.covers(it.rule, &it.subject, now));
    let state = match it.resolved_at {
        None => format!("{}{}", it.rule.level().as_str(), if silenced { " (silenced)" } else { "" }),
        Some(at) => format!("resolved {at}"),
    };
    format!("{state} {}{about}: {} since {}", it.rule.as_str(), it.evidence, it.fired_at)
}

fn silence_row(it: &Silence) -> Value {
    json!({ "rule": it.rule, "subject": it.subject, "until": it.until.to_string(), "who": it.who })
}

async fn test(context: &mut Context, config: &DeploymentConfig, now: Timestamp) -> Result<ExitCode, CommandError> {
    let mail = open_mail(config).map_err(crate::wiring::WiringError::from)?;
    let receivers = Receivers::of(config, mail.is_some()).map_err(crate::wiring::WiringError::from)?;
    let notice = Notice {
        rule: Rule::Errors,
        subject: "test".to_owned(),
        evidence: "this is a test: nothing is wrong".to_owned(),
        fired_at: now,
        resolved_at: None,
    };
    let told = receivers.test(&notice, mail.as_ref(), now).await;
    let failed = told.iter().any(|it| it.failed.is_some());
    if context.json {
        let item = |it: &crate::courier::Told| json!({ "receiver": it.whom, "delivered": it.failed.is_none(), "why": it.failed });
        context.out.json(&json!({ "items": told.iter().map(item).collect::<Vec<Value>>() }))?;
    } else if told.is_empty() {
        context.out.line("no receiver but the log: set [alerts] webhook_url or email")?;
    } else {
        for it in &told {
            let ending = it.failed.as_deref().map_or("delivered".to_owned(), |why| format!("failed: {why}"));
            context.out.line(&format!("{}: {ending}", it.whom))?;
        }
    }
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

async fn silence(
    context: &mut Context,
    store: &Store,
    rule: &str,
    span: &str,
    subject: Option<String>,
    now: Timestamp,
) -> Result<ExitCode, CommandError> {
    let names = || Rule::ALL.map(Rule::as_str).join(", ");
    let rule = Rule::named(rule).ok_or_else(|| CommandError::Failed(format!("{rule:?} is none of {}", names())))?;
    let wrong = || CommandError::Failed(format!("--for {span:?} is not a duration such as 2h or 30m"));
    let span = parse_duration(span).and_then(|span| SignedDuration::try_from(span).ok()).ok_or_else(wrong)?;
    let until = now.checked_add(span).map_err(|_| wrong())?;
    store.silence(&Silence { rule, subject: subject.clone(), until, who: who() }, now).await?;
    if context.json {
        context.out.json(&json!({ "rule": rule, "subject": subject, "silenced_until": until.to_string() }))?;
    } else if span.is_zero() {
        context.out.line(&format!("{} is told again", rule.as_str()))?;
    } else {
        context.out.line(&format!("nobody is told of {} until {until}", rule.as_str()))?;
    }
    Ok(ExitCode::SUCCESS)
}
