//! `frontdesk outbox`: what others are told, what was given up, trying it again or laying it to rest. It works on the store,
//! with the gateway running or not.

use std::process::ExitCode;

use clap::Subcommand;
use frontdesk_core::ids::TenantId;
use frontdesk_core::outbox::{Outbox as _, OutboxFilter, OutboxRow, Revival, RowState};
use frontdesk_http::outbox_row;
use frontdesk_store::Store;
use serde_json::{Value, json};

use super::{CommandError, Context, who};
use crate::wiring::{World, open_store};

/// At most so many rows.
const MOST: u32 = 1000;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Deliveries, the newest first.
    List {
        /// Of this tenant only.
        #[arg(long, value_name = "TENANT")]
        tenant: Option<String>,
        /// waiting, dead, done or superseded.
        #[arg(long, value_name = "STATE")]
        state: Option<String>,
    },
    /// Tries a dead delivery again, at once and from the first attempt.
    Retry {
        /// The number that `list` shows.
        #[arg(required_unless_present = "all_dead", conflicts_with = "all_dead")]
        id: Option<i64>,
        /// All that are dead.
        #[arg(long)]
        all_dead: bool,
        /// With --all-dead: of this tenant only.
        #[arg(long, value_name = "TENANT", requires = "all_dead")]
        tenant: Option<String>,
    },
    /// Lays a dead delivery to rest: nobody has to hear it any more.
    Dismiss {
        /// The number that `list` shows.
        id: i64,
        /// Why, for the audit; nobody's name or number.
        #[arg(long, value_name = "TEXT")]
        reason: String,
    },
}

pub(super) async fn run(context: &mut Context, command: Command) -> Result<ExitCode, CommandError> {
    let config = context.load()?;
    let world = World::real();
    let store = open_store(&config, &world).await?;
    let result = match command {
        Command::List { tenant, state } => list(context, &store, tenant.as_deref(), state.as_deref()).await,
        Command::Retry { id, all_dead: _, tenant } => retry(context, &store, &world, id, tenant.as_deref()).await,
        Command::Dismiss { id, reason } => dismiss(context, &store, &world, id, &reason).await,
    };
    store.close().await;
    result
}

async fn list(context: &mut Context, store: &Store, tenant: Option<&str>, state: Option<&str>) -> Result<ExitCode, CommandError> {
    let state = match state {
        Some(word) => {
            let wrong = || CommandError::Failed(format!("{word:?} is not waiting, dead, done or superseded"));
            Some(RowState::parse(word).ok_or_else(wrong)?)
        }
        None => None,
    };
    let filter = OutboxFilter { tenant: known(store, tenant).await?, state, limit: MOST };
    let rows = store.outbox(&filter).await?;
    if context.json {
        context.out.json(&json!({ "items": rows.iter().map(outbox_row).collect::<Vec<Value>>() }))?;
    } else {
        for row in &rows {
            context.out.line(&line(row))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn line(it: &OutboxRow) -> String {
    if let Some(column) = it.unreadable {
        let why = "a newer release wrote it, or it is damaged";
        return format!("{} {} {} unreadable {column}: {why}", it.row.id, it.state.as_str(), it.row.tenant);
    }
    let to = if it.row.target.is_empty() {
        it.row.channel.as_str().to_owned()
    } else {
        format!("{} {}", it.row.channel.as_str(), it.row.target)
    };
    // An alert is the deployment's.
    let whose = if it.row.tenant.as_str().is_empty() { "-" } else { it.row.tenant.as_str() };
    let why = it.last_error.as_deref().map_or(String::new(), |why| format!(" {why:?}"));
    format!(
        "{} {} {whose} {} {to} attempts={} {}{why}",
        it.row.id,
        it.state.as_str(),
        it.row.event,
        it.row.attempts,
        it.row.created_at
    )
}

async fn retry(
    context: &mut Context,
    store: &Store,
    world: &World,
    id: Option<i64>,
    tenant: Option<&str>,
) -> Result<ExitCode, CommandError> {
    let which = match id {
        Some(id) => Revival::One(id),
        None => Revival::AllDead(known(store, tenant).await?),
    };
    let count = store.revive(&which, &who(), world.clock.now()).await?;
    if let (Some(id), 0) = (id, count) {
        return Err(CommandError::Failed(format!("there is no dead delivery {id}")));
    }
    if context.json {
        context.out.json(&json!({ "retried": count }))?;
    } else {
        context.out.line(&format!("to be tried again: {count}"))?;
    }
    Ok(ExitCode::SUCCESS)
}

async fn dismiss(context: &mut Context, store: &Store, world: &World, id: i64, reason: &str) -> Result<ExitCode, CommandError> {
    let reason = reason.trim();
    if reason.is_empty() || reason.chars().count() > 500 {
        return Err(CommandError::Failed("--reason takes 1 to 500 characters".to_owned()));
    }
    if !store.dismiss_delivery(id, &who(), reason, world.clock.now()).await? {
        return Err(CommandError::Failed(format!("there is no dead delivery {id}")));
    }
    if context.json {
        context.out.json(&json!({ "dismissed": id }))?;
    } else {
        context.out.line(&format!("nobody is told any more: {id}"))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// The tenant of that name; rows of one that was removed are listed all the same, without a name.
async fn known(store: &Store, tenant: Option<&str>) -> Result<Option<TenantId>, CommandError> {
    let Some(slug) = tenant else { return Ok(None) };
    let tenants = store.tenants().await?;
    let found = tenants.iter().find(|tenant| tenant.slug.as_str() == slug).map(|tenant| tenant.slug.clone());
    found.map(Some).ok_or_else(|| CommandError::Failed(format!("there is no tenant {slug:?}")))
}
