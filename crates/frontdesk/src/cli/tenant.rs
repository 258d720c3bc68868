//! `frontdesk tenant`: declarative tenants, revisions kept.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Subcommand;
use frontdesk_core::ids::TenantId;
use frontdesk_core::tenant::{Tenant, TenantSecrets};
use frontdesk_store::{Applied, Store};
use jiff::SignedDuration;
use serde_json::{Value, json};

use super::{CommandError, Context};
use crate::config::durations::parse_duration;
use crate::config::problems::Problems;
use crate::config::tenant_file::{TenantFile, check_together};
use crate::courier::{WITHOUT_MAIL, webhook_secret};
use crate::system;
use crate::wiring::{World, open_store};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Reads files, prints what would change, and changes all of it in one transaction.
    Apply {
        /// One file per tenant.
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
        /// Change nothing.
        #[arg(long)]
        dry_run: bool,
    },
    /// Lists the tenants.
    List,
    /// Shows one tenant, without its secrets.
    Show {
        /// The slug.
        tenant: String,
        /// Show what its software verifies our webhooks with, and nothing else.
        #[arg(long)]
        webhook_secret: bool,
    },
    /// Shows the revisions of a tenant, newest first.
    History {
        /// The slug.
        tenant: String,
    },
    /// Brings an earlier revision back.
    Rollback {
        /// The slug.
        tenant: String,
        /// The revision; the one before the present one if not given.
        #[arg(long, value_name = "N")]
        to: Option<i64>,
    },
    /// Takes a tenant away; its rows stay.
    Remove {
        /// The slug.
        tenant: String,
    },
    /// Makes another REST key; the old one lives for the grace.
    RotateKey {
        /// The slug.
        tenant: String,
        /// How long the old one lives.
        #[arg(long, default_value = "24h")]
        grace: String,
    },
}

pub(super) async fn run(context: &mut Context, command: Command) -> Result<ExitCode, CommandError> {
    let config = context.load()?;
    if let Command::Apply { files, dry_run } = command {
        return apply(context, &config, &files, dry_run).await;
    }
    let world = World::real();
    let store = open_store(&config, &world).await?;
    let result = with_store(context, &store, &world, command).await;
    store.close().await;
    result
}

async fn with_store(context: &mut Context, store: &Store, world: &World, command: Command) -> Result<ExitCode, CommandError> {
    let now = world.clock.now();
    match command {
        Command::Apply { .. } => {}
        Command::List => {
            let tenants = store.tenants().await?;
            if context.json {
                let items: Vec<Value> =
                    tenants.iter().map(|tenant| json!({ "slug": tenant.slug, "name": tenant.name })).collect();
                context.out.json(&json!({ "items": items }))?;
            } else {
                for tenant in &tenants {
                    context.out.line(&format!("{}\t{}\t{}", tenant.slug, tenant.name, tenant.time_zone.name()))?;
                }
            }
        }
        Command::Show { tenant: slug, webhook_secret: true } => {
            let tenant = find(store, &slug).await?;
            let secret = webhook_secret(store, &tenant.slug)?;
            if context.json {
                context.out.json(&json!({ "tenant": slug, "webhook_secret": secret.expose() }))?;
            } else {
                context.out.line(secret.expose())?;
            }
        }
        Command::Show { tenant: slug, webhook_secret: false } => {
            let tenant = find(store, &slug).await?;
            let mut shown = serde_json::to_value(&tenant).unwrap_or_default();
            if let Value::Object(shown) = &mut shown {
                let TenantSecrets { retell_api_key, retell_previous_api_key, calcom_api_key, calcom_webhook_secret } =
                    &tenant.secrets;
                let is_set = json!({
                    "retell.api_key": retell_api_key.is_some(),
                    "retell.previous_api_key": retell_previous_api_key.is_some(),
                    "calendar.api_key": calcom_api_key.is_some(),
                    "calendar.webhook_secret": calcom_webhook_secret.is_some(),
                });
                shown.insert("secrets_set".to_owned(), is_set);
            }
            context.out.json(&shown)?;
        }
        Command::History { tenant: slug } => {
            let revisions = store.tenant_revisions(&TenantId::new(&slug)).await?;
            if context.json {
                let items: Vec<Value> = revisions
                    .iter()
                    .map(|it| json!({ "revision": it.number, "author": it.author, "made_at": it.made_at.to_string(), "removed": it.body.is_none() }))
                    .collect();
                context.out.json(&json!({ "items": items }))?;
            } else {
                for it in &revisions {
                    let what = if it.body.is_some() { "" } else { "\tremoved" };
                    context.out.line(&format!("{}\t{}\t{}{what}", it.number, it.made_at, it.author))?;
                }
            }
        }
        Command::Rollback { tenant: slug, to } => {
            let revisions = store.tenant_revisions(&TenantId::new(&slug)).await?;
            let wanted = match to {
                Some(number) => revisions.iter().find(|it| it.number == number),
                None => revisions.get(1),
            };
            let body = wanted
                .and_then(|it| it.body.as_deref())
                .ok_or_else(|| CommandError::Failed(format!("{slug} has no such revision to go back to")))?;
            let tenant: Tenant = serde_json::from_str(body).map_err(|_| {
                CommandError::Failed("that revision was written by a release that this one cannot read".to_owned())
            })?;
            let applied = store.apply_tenants(&[tenant], &author(), false, now).await?;
            report(context, &applied, false)?;
        }
        Command::Remove { tenant: slug } => {
            if !store.remove_tenant(&TenantId::new(&slug), &author(), now).await? {
                return Err(CommandError::Failed(format!("there is no tenant {slug}")));
            }
            context.out.line(&format!("{slug} is removed; its calls and appointments are kept"))?;
        }
        Command::RotateKey { tenant: slug, grace } => {
            let tenant = find(store, &slug).await?;
            let grace = parse_duration(&grace)
                .and_then(|grace| SignedDuration::try_from(grace).ok())
                .ok_or_else(|| CommandError::Failed(format!("{grace} is no duration; write 24h or 0s")))?;
            let issued = store.rotate_key(&tenant.slug, grace, now).await?;
            if context.json {
                context.out.json(&json!({ "tenant": slug, "key": issued.key.expose(), "key_id": issued.id }))?;
            } else {
                context.out.line(&format!("new REST key of {slug}, shown once: {}", issued.key.expose()))?;
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn find(store: &Store, slug: &str) -> Result<Tenant, CommandError> {
    let tenants = store.tenants().await?;
    let found = tenants.iter().find(|tenant| tenant.slug.as_str() == slug);
    found
        .map(|tenant| Tenant::clone(tenant))
        .ok_or_else(|| CommandError::Failed(format!("there is no tenant {slug}; `frontdesk tenant list` shows them")))
}

async fn apply(
    context: &mut Context,
    config: &crate::config::deployment::DeploymentConfig,
    files: &[PathBuf],
    dry_run: bool,
) -> Result<ExitCode, CommandError> {
    let mut problems = Problems::default();
    let mut read = Vec::new();
    for file in files {
        match TenantFile::load(file) {
            Ok(tenant) => read.push(tenant),
            Err(found) => problems.extend(found),
        }
    }
    if !problems.is_empty() {
        return Err(problems.into());
    }
    let world = World::real();
    let store = open_store(config, &world).await?;
    let stored = store.tenants().await?;
    let mut tenants = Vec::new();
    for TenantFile { mut tenant, secrets } in read {
        let before = stored.iter().find(|it| it.slug == tenant.slug).map(|it| it.secrets.clone()).unwrap_or_default();
        match secrets.resolve(&system::env, &system::read) {
            Ok(resolved) => {
                let (secrets, warnings) = resolved.over(&before);
                for warning in warnings {
                    context.out.complain(&format!("warning: {}: {warning}", tenant.slug))?;
                }
                tenant.secrets = secrets;
            }
            Err(found) => problems.extend(found),
        }
        tenants.push(tenant);
    }
    let standing = stored.iter().map(|it| &**it).filter(|it| !tenants.iter().any(|new| new.slug == it.slug));
    problems.extend(check_together(standing.chain(&tenants)));
    if !problems.is_empty() {
        return Err(problems.into());
    }
    if config.smtp.is_none() {
        for tenant in tenants.iter().filter(|tenant| !tenant.notify.email.is_empty()) {
            context.out.complain(&format!("warning: {}: {WITHOUT_MAIL}", tenant.slug))?;
        }
    }
    let applied = store.apply_tenants(&tenants, &author(), dry_run, world.clock.now()).await?;
    store.close().await;
    report(context, &applied, dry_run)?;
    Ok(ExitCode::SUCCESS)
}

fn report(context: &mut Context, applied: &[Applied], dry_run: bool) -> Result<(), CommandError> {
    if context.json {
        let items: Vec<Value> = applied
            .iter()
            .map(|it| {
                json!({
                    "tenant": it.tenant,
                    "revision": it.revision,
                    "new": it.before.is_none(),
                    "changes": changes(it),
                    "secrets_changed": it.secrets_changed,
                    "key": it.key.as_ref().filter(|_| !dry_run).map(|issued| issued.key.expose().to_owned()),
                })
            })
            .collect();
        context.out.json(&json!({ "items": items, "dry_run": dry_run }))?;
        return Ok(());
    }
    for it in applied {
        let what = match (&it.before, changes(it).as_slice()) {
            (None, _) => "new".to_owned(),
            (Some(_), []) => "unchanged".to_owned(),
            (Some(_), changes) => {
                format!("changed, revision {}", it.revision)
                    + &changes.iter().map(|line| format!("\n  {line}")).collect::<String>()
            }
        };
        context.out.line(&format!("{}: {what}", it.tenant))?;
        for name in &it.secrets_changed {
            context.out.line(&format!("  {name}: set"))?;
        }
        if let Some(issued) = it.key.as_ref().filter(|_| !dry_run) {
            context.out.line(&format!("  REST key, shown once: {}", issued.key.expose()))?;
        }
    }
    if dry_run {
        context.out.line("nothing was changed (dry run)")?;
    }
    Ok(())
}

/// What differs, path by path.
fn changes(applied: &Applied) -> Vec<String> {
    let read = |text: &str| serde_json::from_str::<Value>(text).unwrap_or_default();
    let before = applied.before.as_deref().map_or(Value::Null, read);
    let mut lines = Vec::new();
    differ("", &before, &read(&applied.after), &mut lines);
    lines
}

fn differ(path: &str, before: &Value, after: &Value, lines: &mut Vec<String>) {
    match (before, after) {
        (Value::Object(old), Value::Object(new)) => {
            let mut names: Vec<&String> = old.keys().chain(new.keys()).collect();
            names.sort();
            names.dedup();
            for name in names {
                let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                differ(&path, old.get(name).unwrap_or(&Value::Null), new.get(name).unwrap_or(&Value::Null), lines);
            }
        }
        (Value::Array(old), Value::Array(new)) => {
            for index in 0..old.len().max(new.len()) {
                let path = format!("{path}[{index}]");
                differ(&path, old.get(index).unwrap_or(&Value::Null), new.get(index).unwrap_or(&Value::Null), lines);
            }
        }
        (old, new) if old != new => lines.push(format!("{path}: {old} -> {new}")),
        _ => {}
    }
}

/// Who is at the keyboard, for the history.
fn author() -> String {
    system::env("SUDO_USER")
        .or_else(|| system::env("USER"))
        .filter(|name| !name.is_empty())
        .unwrap_or_else(|| "unknown".to_owned())
}
