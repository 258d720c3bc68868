//! `frontdesk rollback`: a configuration or one feature as it was before, at once, on every gateway. For whoever is in
//! a hurry: nothing is watched.

use std::process::ExitCode;

use frontdesk_core::ids::TenantId;
use frontdesk_core::protection::{Mode, Protection};
use frontdesk_store::{Made, NewRevision, RevisionOrigin, Store};
use serde_json::json;

use super::{CommandError, Context, who};
use crate::activation::contents::{before, changes_of, diff, is_same, read, row, told};
use crate::activation::file::{self, Rewritten};
use crate::activation::watch;
use crate::wiring::{World, open_store};

/// As many revisions are looked through.
const MOST: u32 = 1000;

#[derive(Debug, clap::Args)]
pub(super) struct Options {
    /// Bring back this revision; the good one before the one that holds if not given.
    #[arg(long, value_name = "REVISION", conflicts_with = "feature")]
    to: Option<i64>,
    /// Bring back this feature's state before its last change.
    #[arg(long, value_name = "NAME")]
    feature: Option<String>,
    /// That feature of this tenant.
    #[arg(long, value_name = "TENANT", requires = "feature")]
    tenant: Option<String>,
    /// Only show the revisions.
    #[arg(long, conflicts_with_all = ["to", "feature"])]
    list: bool,
    /// For the audit.
    #[arg(long, value_name = "TEXT")]
    why: Option<String>,
}

pub(super) async fn run(context: &mut Context, options: Options) -> Result<ExitCode, CommandError> {
    let config = context.load()?;
    let world = World::real();
    let store = open_store(&config, &world).await?;
    let result = match &options.feature {
        Some(name) => feature(context, &store, &world, name, &options).await,
        None if options.list => list(context, &store).await,
        None => configuration(context, &store, &world, &options).await,
    };
    store.close().await;
    result
}

fn failed<T>(text: impl Into<String>) -> Result<T, CommandError> {
    Err(CommandError::Failed(text.into()))
}

async fn list(context: &mut Context, store: &Store) -> Result<ExitCode, CommandError> {
    let all = store.revisions(MOST).await?;
    let newest = all.first().map(|it| it.number);
    let mut items = Vec::new();
    for it in &all {
        let gateways = store.revision_uptakes(it.number).await?;
        let mut row = row(it);
        row["in_force"] = json!(Some(it.number) == newest);
        row["gateways"] = json!(gateways.iter().map(|it| it.replica.as_str()).collect::<Vec<_>>());
        items.push(row);
        if !context.json {
            let mark = if Some(it.number) == newest { '*' } else { ' ' };
            let restores = it.restores.map_or(String::new(), |number| format!(" (is {number} again)"));
            let (origin, outcome) = (it.origin.as_str(), it.outcome.as_str());
            context
                .out
                .line(&format!("{mark}{:<4} {} {outcome:<11} {origin}{restores} by {}", it.number, it.made_at, it.author))?;
            context.out.line(&format!("      {}", told(&changes_of(it))))?;
            for (word, text) in [("why", &it.why), ("outcome", &it.reason)] {
                if let Some(text) = text {
                    context.out.line(&format!("      {word}: {text}"))?;
                }
            }
        }
    }
    match (context.json, all.is_empty()) {
        (true, _) => context.out.json(&json!({ "items": items }))?,
        (false, true) => context.out.line("there are no revisions: no gateway has started on this store")?,
        (false, false) => {}
    }
    Ok(ExitCode::SUCCESS)
}

async fn configuration(context: &mut Context, store: &Store, world: &World, options: &Options) -> Result<ExitCode, CommandError> {
    let began = world.clock.now();
    let all = store.revisions(MOST).await?;
    let Some(newest) = all.first() else { return failed("there are no revisions: no gateway has started on this store") };
    let wanted = match options.to {
        Some(number) => match all.iter().find(|it| it.number == number) {
            Some(it) => it,
            None => return failed(format!("there is no revision {number}; see `frontdesk rollback --list`")),
        },
        None => match before(&all) {
            Some(it) => it,
            None => return failed("there is no good revision before the one that holds; see `frontdesk rollback --list`"),
        },
    };
    let (was, live) = (read(&newest.body).map_err(CommandError::Failed)?, read(&wanted.body).map_err(CommandError::Failed)?);
    let changes = diff(&was, &live);
    let number = if is_same(&was, &live) && newest.token.is_none() {
        newest.number
    } else {
        let back = NewRevision {
            after: newest.number,
            body: wanted.body.clone(),
            diff: serde_json::to_string(&changes).unwrap_or_default(),
            origin: RevisionOrigin::Rollback,
            restores: Some(wanted.restores.unwrap_or(wanted.number)),
            author: who(),
            why: options.why.clone(),
            token: None,
        };
        match store.make_revision(&back, began).await? {
            Made::Done(number) => number,
            Made::Overtaken | Made::Watched(_) => return failed("somebody else changed the configuration just now; look again"),
        }
    };
    let (gateways, trouble) = match watch::taken_up(store, world, number).await {
        Ok(gateways) => (gateways, None),
        Err(why) => (0, Some(why)),
    };
    let ms = i64::try_from((world.clock.now() - began).as_millis()).unwrap_or(i64::MAX);
    let rewritten = match super::file(context.config.as_deref()) {
        Some(file) => file::bring_to(&file, &live),
        None => Rewritten::Absent,
    };
    let kept = match &rewritten {
        Rewritten::Kept(why) => Some(format!("{why}; the store keeps what holds")),
        Rewritten::Done | Rewritten::Same | Rewritten::Absent => None,
    };
    if context.json {
        context.out.json(&json!({
            "revision": number, "restores": wanted.number, "changes": changes, "gateways": gateways, "ms": ms,
            "trouble": trouble, "file": kept.as_deref().unwrap_or("as it should be"),
        }))?;
    } else {
        context.out.line(&format!("revision {number} is {} again: {}", wanted.number, told(&changes)))?;
        match &trouble {
            None => context.out.line(&format!("taken up by gateways: {gateways}, within {ms} ms"))?,
            Some(why) => context.out.line(why)?,
        }
        if let Some(kept) = kept {
            context.out.line(&kept)?;
        }
    }
    Ok(if trouble.is_none() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn feature(
    context: &mut Context,
    store: &Store,
    world: &World,
    name: &str,
    options: &Options,
) -> Result<ExitCode, CommandError> {
    let Some(protection) = Protection::named(name) else {
        let names = Protection::ALL.map(Protection::name).join(", ");
        return failed(format!("no protection is called {name:?}; there are {names}"));
    };
    let tenant = options.tenant.as_ref().map(TenantId::new);
    let restored = store.restore_feature(protection, tenant.as_ref(), &who(), options.why.as_deref(), world.clock.now()).await?;
    let Some(restored) = restored else { return failed(format!("{name} was never changed here")) };
    let word = |mode: Option<Mode>| mode.map_or("not switched", Mode::as_str);
    let (was, now, until) = (word(restored.was), word(restored.now), restored.until.map(|until| until.to_string()));
    if context.json {
        context.out.json(&json!({ "name": name, "tenant": tenant, "was": was, "state": now, "until": until }))?;
    } else {
        let scope = tenant.map_or(String::new(), |tenant| format!(" for {tenant}"));
        let until = until.map_or(String::new(), |until| format!(" until {until}"));
        context.out.line(&format!("{name}{scope}: {was} -> {now}{until}"))?;
    }
    Ok(ExitCode::SUCCESS)
}
