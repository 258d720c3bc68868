//! Another configuration for a house that serves: got ready first, which can fail, and taken up in one step, which
//! cannot.

use std::sync::Arc;

use frontdesk_core::sensitive::Secret;
use frontdesk_http::{AdminKey, Edge};

use super::{Arrangement, House, admin_keys, budgets, guard_rules, open_mail, open_webhook, problem, retention, settings};
use crate::alerts::bounds;
use crate::config::deployment::live::{Alerts, Live};
use crate::config::deployment::{DeploymentConfig, StateUrl, StoreUrl};
use crate::config::problems::{Problem, Problems};
use crate::config::secrets::SecretSource;
use crate::courier::{Courier, Receivers};
use crate::operations::HouseOperations;
use crate::system;

impl House {
    /// Gets another configuration ready, or says everything that is wrong with it. Nothing changes yet.
    pub fn prepare(&self, config: &DeploymentConfig) -> Result<Next, Problems> {
        let (before, in_force) = (self.arrangement.now(), self.config.now());
        let text_changed = in_force.needs_restart(config);
        let mut problems: Vec<Problem> = text_changed.iter().copied().map(fixed).collect();
        match secrets_of_the_start(config) {
            // A key whose text changed is told already.
            Ok(now) => problems.extend(
                now.iter()
                    .filter(|it| !self.fixed.contains(it) && !text_changed.iter().any(|told| it.0.starts_with(told)))
                    .map(|(key, _)| fixed(key)),
            ),
            Err(problem) => problems.push(problem),
        }
        let admin_keys = admin_keys(config).map_err(|problem| problems.push(problem)).unwrap_or_default();
        let mail = open_mail(config).map_err(|problem| problems.push(problem)).unwrap_or_default();
        let receivers = Receivers::of(config, mail.is_some()).map_err(|problem| problems.push(problem));
        let webhook = match config.private_targets == in_force.private_targets {
            true => before.courier.webhook(),
            false => {
                open_webhook(config, &self.store).map_err(|error| problem("outbox", error.to_string(), "a client of webhooks"))?
            }
        };
        let receivers = match receivers {
            Ok(receivers) => receivers,
            // INVARIANT: what failed is among the problems, so that this returns.
            Err(()) => return Err(Problems::from(problems)),
        };
        Problems::from(problems).into_result(())?;
        let courier = Arc::new(before.courier.renewed(webhook, mail, receivers));
        Ok(self.next(config.clone(), admin_keys, courier))
    }

    /// Gets other live sections ready. Nothing outside of them is looked at, so nothing can be wrong with them.
    pub(crate) fn prepare_live(&self, live: Live) -> Next {
        let in_force = self.config.now();
        // A revision holds no secret: where alerts go is this gateway's own.
        let own = &in_force.live.alerts;
        let alerts = Alerts { webhook_url: own.webhook_url.clone(), email: own.email.clone(), ..live.alerts };
        let config = DeploymentConfig { live: Live { alerts, ..live }, ..DeploymentConfig::clone(&in_force) };
        self.next(config, self.edge.settings.admin_keys.clone(), Arc::clone(&self.arrangement.now().courier))
    }

    /// The live sections that are in force.
    pub(crate) fn live(&self) -> Live {
        self.config.now().live.clone()
    }

    fn next(&self, config: DeploymentConfig, admin_keys: Vec<AdminKey>, courier: Arc<Courier>) -> Next {
        let (before, in_force, config) = (self.arrangement.now(), self.config.now(), &config);
        let gate = Arc::new(before.gate.renewed(config.live.rate_limit.limits()));
        let desk = self.desk.renewed(Arc::clone(&gate), budgets(config));
        let operations = Arc::new(HouseOperations {
            store: self.store.clone(),
            state: Arc::clone(&self.state.shared),
            clock: Arc::clone(&self.clock),
            rules: config.live.circuit_breaker.rules(),
        });
        let edge = self.edge.renewed(|parts| {
            parts.desk = desk.clone();
            parts.gate = Arc::clone(&gate);
            parts.operations = operations;
            parts.settings = settings(config, admin_keys);
        });
        let (rules, retention) = (config.live.circuit_breaker.rules(), retention(config));
        let arrangement = Arrangement { desk, gate, courier, rules, retention, bounds: bounds(config) };
        Next { changes: in_force.changes(config), config: config.clone(), edge, arrangement }
    }

    /// Takes up what was got ready; nothing here can fail or wait. Requests that run keep the desk, the gate and
    /// the edge that they began with.
    pub fn take_up(&mut self, next: Next) {
        let Next { config, edge, arrangement, changes: _ } = next;
        self.guard.set_rules(guard_rules(&config));
        self.switches.configure(config.live.protections.modes());
        (self.edge, self.desk) = (edge, arrangement.desk.clone());
        self.arrangement.replace(arrangement);
        self.config.replace(config);
    }
}

/// A configuration that is ready to be taken up.
pub struct Next {
    config: DeploymentConfig,
    /// What answers by it.
    pub edge: Edge,
    arrangement: Arrangement,
    /// The sections in which it differs from the one in force.
    pub changes: Vec<&'static str>,
}

/// A key that a running gateway cannot take up.
fn fixed(key: &'static str) -> Problem {
    let advice = match key {
        "server.listen" => "the one that the gateway runs with; restart it to listen elsewhere",
        _ => "the one that the gateway runs with; restart or upgrade it (SIGUSR2) to take another one up",
    };
    problem(key, "another value".to_owned(), advice)
}

/// What stands behind the keys that only a start takes up: their text may stay while a file changes.
pub(super) fn secrets_of_the_start(config: &DeploymentConfig) -> Result<Vec<(&'static str, Option<Secret>)>, Problem> {
    let mut sources = vec![("secrets.master_key", &config.master_key)];
    if let StoreUrl::Postgres { url, migrate_url } = &config.store {
        sources.push(("store.url", url));
        sources.extend(migrate_url.as_ref().map(|url| ("store.migrate_url", url)));
    }
    if let StateUrl::Redis(url) = &config.state {
        sources.push(("state.url", url));
    }
    let resolve =
        |(key, source): (&'static str, &SecretSource)| Ok((key, source.resolve(key, &system::env, &system::read)?.into_value()));
    sources.into_iter().map(resolve).collect()
}
