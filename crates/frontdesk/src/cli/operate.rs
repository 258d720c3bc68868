//! `frontdesk feature`, `breaker`, `limits`: what operators switch and reset. They write to the store and
//! the shared state that the configuration names, so they work with the gateway running or not.

use std::process::ExitCode;
use std::sync::Arc;

use clap::Subcommand;
use frontdesk_core::ids::TenantId;
use frontdesk_core::protection::{Mode, Protection, Switch, Switches};
use frontdesk_core::shared::SharedState;
use frontdesk_store::{Command as ForAll, Store};
use jiff::SignedDuration;
use serde_json::{Value, json};

use super::{CommandError, Context, who};
use crate::activation::contents::in_force;
use crate::config::deployment::{DeploymentConfig, StateUrl};
use crate::config::durations::parse_duration;
use crate::operations::{SNAPSHOT, obey};
use crate::wiring::{World, open_state, open_store};

#[derive(Debug, Subcommand)]
pub(super) enum Feature {
    /// How every protection stands.
    List,
    /// Switches a protection, on every gateway within a second.
    Set {
        /// Which: cache_isolation, log_sanitizer, circuit_breaker, rate_limit, performance, business_hours.
        name: String,
        /// on, shadow or off.
        state: String,
        /// For this tenant only.
        #[arg(long, value_name = "TENANT")]
        tenant: Option<String>,
        /// For so long only, such as 2h; then as before.
        #[arg(long = "for", value_name = "DURATION")]
        span: Option<String>,
        /// For the audit.
        #[arg(long, value_name = "TEXT")]
        why: Option<String>,
    },
}

#[derive(Debug, Subcommand)]
pub(super) enum Breaker {
    /// Where every calendar account stands.
    Show,
    /// Closes a breaker, or all of them.
    Reset {
        /// The account as `show` lists it.
        account: Option<String>,
    },
}

#[derive(Debug, Subcommand)]
pub(super) enum Limits {
    /// The fullest buckets, and who was refused within the hour.
    Show,
    /// Empties a bucket.
    Reset {
        /// The key as `show` lists it.
        key: String,
    },
}

struct Desk<'c> {
    config: DeploymentConfig,
    store: Store,
    world: World,
    context: &'c mut Context,
}

impl<'c> Desk<'c> {
    async fn open(context: &'c mut Context) -> Result<Self, CommandError> {
        let mut config = context.load()?;
        let world = World::real();
        let store = open_store(&config, &world).await?;
        config.live = in_force(&store, &config.live).await?;
        Ok(Self { config, store, world, context })
    }

    /// Every gateway does it; where the state is shared it is done here as well, should none be running.
    async fn tell_all(&mut self, command: &ForAll) -> Result<(), CommandError> {
        self.store.command(command, &who(), self.world.clock.now()).await?;
        match &self.config.state {
            StateUrl::Memory => {
                if let ForAll::ResetLimit(key) = command {
                    let kept: Vec<_> = self.store.kept_windows().await?.into_iter().filter(|it| it.key != *key).collect();
                    self.store.keep_windows(&kept).await?;
                }
            }
            StateUrl::Redis(_) => {
                let state: Arc<dyn SharedState> = open_state(&self.config, &self.world)?.shared;
                state.tend().await;
                if state.is_away() {
                    let text = "the shared state does not answer; running gateways do it when it is back";
                    self.context.out.complain(text)?;
                } else {
                    obey(&*state, command).await;
                }
            }
        }
        Ok(())
    }

    /// What running gateways told of themselves.
    async fn snapshots(&self) -> Result<Vec<(String, Value)>, CommandError> {
        let rows = self.store.snapshots(SNAPSHOT, self.world.clock.now()).await?;
        Ok(rows.into_iter().map(|row| (row.replica, serde_json::from_str(&row.body).unwrap_or_default())).collect())
    }

    fn show(&mut self, json: &Value, lines: &[String]) -> Result<(), CommandError> {
        if self.context.json {
            self.context.out.json(json)?;
        } else {
            for line in lines {
                self.context.out.line(line)?;
            }
        }
        Ok(())
    }
}

pub(super) async fn feature(context: &mut Context, command: Feature) -> Result<ExitCode, CommandError> {
    let mut desk = Desk::open(context).await?;
    let result = match command {
        Feature::List => list_features(&mut desk).await,
        Feature::Set { name, state, tenant, span, why } => {
            set_feature(&mut desk, &name, &state, tenant.as_deref(), span.as_deref(), why.as_deref()).await
        }
    };
    desk.store.close().await;
    result
}

async fn list_features(desk: &mut Desk<'_>) -> Result<ExitCode, CommandError> {
    let now = desk.world.clock.now();
    let set = desk.store.features().await?;
    let switches = Switches::new(desk.config.live.protections.modes());
    switches.take_up(&set);
    let current = |it: &&Switch| it.until.is_none_or(|until| now < until);
    let mut rows: Vec<(Protection, Option<&TenantId>)> = Protection::ALL.into_iter().map(|it| (it, None)).collect();
    rows.extend(set.iter().filter(current).filter_map(|it| Some((it.protection, Some(it.tenant.as_ref()?)))));
    let mut lines = vec![format!("{:<18} {:<12} {:<7} until", "protection", "tenant", "state")];
    let mut items = Vec::new();
    for (protection, tenant) in rows {
        let state = switches.mode(protection, tenant, now).as_str();
        let switch = set.iter().filter(current).find(|it| it.protection == protection && it.tenant.as_ref() == tenant);
        let until = switch.and_then(|it| it.until).map(|until| until.to_string());
        let note = match protection.always_on() {
            Some(reason) => format!("always on: {reason}"),
            None => until.clone().unwrap_or_default(),
        };
        let line = format!("{:<18} {:<12} {state:<7} {note}", protection.name(), tenant.map_or("*", TenantId::as_str));
        lines.push(line.trim_end().to_owned());
        items.push(json!({ "name": protection.name(), "tenant": tenant, "state": state, "until": until }));
    }
    desk.show(&json!({ "items": items }), &lines)?;
    Ok(ExitCode::SUCCESS)
}

async fn set_feature(
    desk: &mut Desk<'_>,
    name: &str,
    state: &str,
    tenant: Option<&str>,
    span: Option<&str>,
    why: Option<&str>,
) -> Result<ExitCode, CommandError> {
    let failed = |text: String| CommandError::Failed(text);
    let names = || Protection::ALL.map(Protection::name).join(", ");
    let protection =
        Protection::named(name).ok_or_else(|| failed(format!("no protection is called {name:?}; there are {}", names())))?;
    let mode = Mode::parse(state).ok_or_else(|| failed(format!("{state:?} is not on, shadow or off")))?;
    if let (Some(reason), true) = (protection.always_on(), mode != Mode::On) {
        return Err(failed(format!("{name} is always on: {reason}")));
    }
    let now = desk.world.clock.now();
    let until = match span {
        None => None,
        Some(text) => {
            let span = parse_duration(text).and_then(|span| SignedDuration::try_from(span).ok());
            let until = span.filter(|span| !span.is_zero()).and_then(|span| now.checked_add(span).ok());
            Some(until.ok_or_else(|| failed(format!("{text:?} is not a duration such as 2h")))?)
        }
    };
    let tenant = match tenant {
        None => None,
        Some(slug) => {
            let known = desk.store.tenants().await?;
            let tenant = known.iter().find(|tenant| tenant.slug.as_str() == slug);
            Some(tenant.ok_or_else(|| failed(format!("there is no tenant {slug:?}")))?.slug.clone())
        }
    };
    let switch = Switch { protection, tenant, mode, until };
    let was = desk.store.set_feature(&switch, &who(), why, now).await?;
    let was = was.map_or("not switched", Mode::as_str);
    let scope = switch.tenant.as_ref().map_or(String::new(), |tenant| format!(" for {tenant}"));
    let for_a_while = until.map_or(String::new(), |until| format!(" until {until}"));
    let line = format!("{name}{scope}: {was} -> {state}{for_a_while}");
    let json =
        json!({ "name": name, "tenant": switch.tenant, "was": was, "state": state, "until": until.map(|it| it.to_string()) });
    desk.show(&json, &[line])?;
    Ok(ExitCode::SUCCESS)
}

pub(super) async fn breaker(context: &mut Context, command: Breaker) -> Result<ExitCode, CommandError> {
    let mut desk = Desk::open(context).await?;
    let result = match command {
        Breaker::Show => show_breakers(&mut desk).await,
        Breaker::Reset { account } => {
            let named = account.clone().unwrap_or_default();
            desk.tell_all(&ForAll::ResetBreaker(named)).await?;
            let what = account.unwrap_or_else(|| "all accounts".to_owned());
            desk.show(&json!({ "reset": what }), &[format!("closed: {what}")])?;
            Ok(ExitCode::SUCCESS)
        }
    };
    desk.store.close().await;
    result
}

async fn show_breakers(desk: &mut Desk<'_>) -> Result<ExitCode, CommandError> {
    let mut lines = Vec::new();
    let mut items = Vec::new();
    for (replica, body) in desk.snapshots().await? {
        for row in body["breakers"].as_array().into_iter().flatten() {
            let text = |name: &str| row[name].as_str().unwrap_or("").to_owned();
            lines.push(format!("{} {} failures={} gateway={replica}", text("account"), text("state"), row["failures"]));
            let mut row = row.clone();
            row["gateway"] = json!(replica);
            items.push(row);
        }
    }
    if lines.is_empty() {
        lines.push("no running gateway has asked a calendar yet".to_owned());
    }
    desk.show(&json!({ "items": items }), &lines)?;
    Ok(ExitCode::SUCCESS)
}

pub(super) async fn limits(context: &mut Context, command: Limits) -> Result<ExitCode, CommandError> {
    let mut desk = Desk::open(context).await?;
    let result = match command {
        Limits::Show => show_limits(&mut desk).await,
        Limits::Reset { key } if !key.starts_with("rate_limit:") => {
            Err(CommandError::Failed(format!("{key:?} is not a key as `limits show` lists it")))
        }
        Limits::Reset { key } => {
            desk.tell_all(&ForAll::ResetLimit(key.clone())).await?;
            desk.show(&json!({ "reset": key }), &[format!("emptied: {key}")])?;
            Ok(ExitCode::SUCCESS)
        }
    };
    desk.store.close().await;
    result
}

async fn show_limits(desk: &mut Desk<'_>) -> Result<ExitCode, CommandError> {
    let mut lines = Vec::new();
    let mut items = Vec::new();
    for (class, limit) in desk.config.live.rate_limit.each() {
        lines.push(format!("limit {class} {limit}/min"));
    }
    for (replica, body) in desk.snapshots().await? {
        if body["shared_state_away"] == true {
            lines.push(format!("gateway={replica}: the shared state is away; it decides for itself"));
        }
        for row in body["buckets"].as_array().into_iter().flatten() {
            lines.push(format!("{} used={} gateway={replica}", row["key"].as_str().unwrap_or(""), row["used"]));
        }
        for row in body["refused"].as_array().into_iter().flatten() {
            let abuse = if row["abuse"] == true { " ABUSE" } else { "" };
            let key = row["key"].as_str().unwrap_or("");
            lines.push(format!("{key} refused within the hour={}{abuse} gateway={replica}", row["refusals_1h"]));
        }
        let mut body = body;
        body["gateway"] = json!(replica);
        items.push(body);
    }
    desk.show(&json!({ "items": items }), &lines)?;
    Ok(ExitCode::SUCCESS)
}
