//! `frontdesk calls`: the calls, and one of them as it went: every function with its answer and its time, what
//! was decided, what calendars were told. It reads the store, with the gateway running or not; nobody is named
//! in it.

use std::process::ExitCode;
use std::sync::Arc;

use clap::Subcommand;
use frontdesk_core::ids::CallId;
use frontdesk_core::ports::{CallRow, Calls as _};
use frontdesk_core::tenant::Tenant;
use frontdesk_http::{call_row, timeline};
use frontdesk_store::Store;
use serde_json::{Value, json};

use super::{CommandError, Context};
use crate::wiring::{World, open_store};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// The newest calls.
    List {
        /// Of this tenant only.
        #[arg(long, value_name = "TENANT")]
        tenant: Option<String>,
        /// At most so many.
        #[arg(long, value_name = "NUMBER", default_value_t = 50)]
        limit: u32,
    },
    /// One call, step by step.
    Show {
        /// The id, as the voice platform and `list` write it.
        id: String,
        /// Where two tenants have the same id.
        #[arg(long, value_name = "TENANT")]
        tenant: Option<String>,
    },
}

pub(super) async fn run(context: &mut Context, command: Command) -> Result<ExitCode, CommandError> {
    let config = context.load()?;
    let store = open_store(&config, &World::real()).await?;
    let result = match command {
        Command::List { tenant, limit } => list(context, &store, tenant.as_deref(), limit).await,
        Command::Show { id, tenant } => show(context, &store, &CallId::new(&id), tenant.as_deref()).await,
    };
    store.close().await;
    result
}

/// The tenant of that name, or all.
async fn tenants(store: &Store, slug: Option<&str>) -> Result<Vec<Arc<Tenant>>, CommandError> {
    let mut all = store.tenants().await?;
    if let Some(slug) = slug {
        all.retain(|tenant| tenant.slug.as_str() == slug);
        if all.is_empty() {
            return Err(CommandError::Failed(format!("there is no tenant {slug:?}")));
        }
    }
    Ok(all)
}

async fn list(context: &mut Context, store: &Store, tenant: Option<&str>, limit: u32) -> Result<ExitCode, CommandError> {
    let mut rows: Vec<(Arc<Tenant>, CallRow)> = Vec::new();
    for tenant in tenants(store, tenant).await? {
        let calls = store.list(tenant.scope(), limit).await?;
        rows.extend(calls.into_iter().map(|call| (Arc::clone(&tenant), call)));
    }
    rows.sort_by_key(|(_, call)| std::cmp::Reverse(call.started_at));
    rows.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
    let rows: Vec<Value> = rows.iter().map(|(tenant, call)| call_row(tenant, call)).collect();
    if context.json {
        context.out.json(&json!({ "items": rows }))?;
    } else {
        for row in &rows {
            let text = |name: &str| row[name].as_str().unwrap_or("-");
            context.out.line(&format!(
                "{} {} {} {} {}",
                text("started_at"),
                text("ended_at"),
                text("tenant"),
                text("state"),
                text("call_id")
            ))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn show(context: &mut Context, store: &Store, id: &CallId, tenant: Option<&str>) -> Result<ExitCode, CommandError> {
    for tenant in tenants(store, tenant).await? {
        let Some((row, steps)) = store.timeline(tenant.scope(), id).await? else { continue };
        let mut told = Vec::with_capacity(steps.len());
        for step in steps {
            let exchanges = store.exchanges(tenant.scope(), &step.request).await?;
            told.push((step, exchanges));
        }
        let call = timeline(&tenant, &row, &told, &store.call_events(tenant.scope(), id).await?);
        if context.json {
            context.out.json(&call)?;
        } else {
            for line in lines(&call) {
                context.out.line(&line)?;
            }
        }
        return Ok(ExitCode::SUCCESS);
    }
    Err(CommandError::Failed(format!("no call has the id {:?}", id.as_str())))
}

/// Functions and events in the order in which they came.
fn lines(call: &Value) -> Vec<String> {
    let text = |row: &Value, name: &str| row[name].as_str().unwrap_or("-").to_owned();
    let each = |name: &str| call[name].as_array().cloned().unwrap_or_default();
    let mut parts: Vec<(String, Vec<String>)> = Vec::new();
    for step in each("items") {
        let mut part = vec![
            format!(
                "{} {} -> {} ({} ms)",
                text(&step, "at"),
                text(&step, "function"),
                text(&step, "status"),
                step["duration_ms"]
            ),
            format!("    input    {}", step["input"]),
            format!("    output   {}", step["output"]),
        ];
        for it in step["decisions"].as_array().into_iter().flatten() {
            let used: Vec<&str> = it["used"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
            part.push(
                format!("    decided  {}: {} {}", text(it, "by"), text(it, "decision"), used.join(", ")).trim_end().to_owned(),
            );
        }
        for it in step["exchanges"].as_array().into_iter().flatten() {
            let answer = if it["status"].is_null() { text(it, "trouble") } else { it["status"].to_string() };
            part.push(format!(
                "    calendar {} {} -> {answer} ({} ms)",
                text(it, "method"),
                text(it, "route"),
                it["duration_ms"]
            ));
            for (name, word) in [("sent", "sent"), ("received", "got")] {
                if it[name].as_str() != Some("") {
                    part.push(format!("        {word:<5}{}", it[name]));
                }
            }
        }
        part.push(format!("    request  {}", text(&step, "request_id")));
        parts.push((text(&step, "at"), part));
    }
    for event in each("events") {
        parts.push((
            text(&event, "at"),
            vec![format!("{} event {} {}", text(&event, "at"), text(&event, "event"), event["kept"])],
        ));
    }
    let when = |at: &str| at.parse::<jiff::Timestamp>().unwrap_or_default();
    parts.sort_by_key(|(at, _)| when(at));
    let head = format!(
        "call {} of {}: {}, from {} to {}",
        text(call, "call_id"),
        text(call, "tenant"),
        text(call, "state"),
        text(call, "started_at"),
        text(call, "ended_at")
    );
    std::iter::once(head).chain(parts.into_iter().flat_map(|(_, part)| part)).collect()
}
