//! Opens what is looked at before a gateway starts, or beside one that runs. Makes nothing.

use std::sync::Arc;

use frontdesk_calendar::{Guard, GuardRules};
use frontdesk_core::account::Accounts;
use frontdesk_core::ports::{NoJournal, StoreError};
use frontdesk_core::protection::Switches;
use frontdesk_http::Finding;
use frontdesk_store::{MasterKey, Place, Store, StoreSettings};

use super::{ANSWER_WITHIN, Check, Subject, Vantage, cut, store_away};
use crate::cli::chain;
use crate::config::deployment::DeploymentConfig;
use crate::config::secrets::{Resolved, SecretSource};
use crate::system;
use crate::wiring::{World, open_state, place_of_store, reach};

/// What can be looked at of the deployment that `config` describes, and what was found while opening it.
pub(crate) async fn before_start(config: &DeploymentConfig, world: &World) -> (Option<Subject>, Vec<Finding>) {
    let mut found = Vec::new();
    let unusable = |found: &mut Vec<Finding>, what: &str, error: &dyn std::error::Error| {
        let advice = "mend what is named here in the configuration, or set the variable or file that it names";
        found.push(Finding::fail(Check::Config.name(), format!("{what} cannot be set up."), cut(&chain(error)), advice));
    };
    let place = match place_of_store(config) {
        Ok(place) => place,
        Err(error) => {
            unusable(&mut found, "The store", &error);
            return (None, found);
        }
    };
    let state = match open_state(config, world) {
        Ok(state) => state.shared,
        Err(error) => {
            unusable(&mut found, "The shared state", &error);
            return (None, found);
        }
    };
    let breaker = &config.live.circuit_breaker;
    let rules = GuardRules { breaker: breaker.rules(), slow_call: breaker.slow_call, budget: config.live.rate_limit.calendar };
    let switches = Arc::new(Switches::new(config.live.protections.modes()));
    let guard = Guard::new(Arc::clone(&state), Arc::clone(&switches), Arc::clone(&world.clock), rules);
    let accounts: Arc<dyn Accounts> =
        match frontdesk_calendar::open(Arc::clone(&world.clock), switches, Arc::new(guard), Arc::new(NoJournal), reach(config)) {
            Ok(calendars) => calendars,
            Err(error) => {
                unusable(&mut found, "The client for calendars", &error);
                return (None, found);
            }
        };
    // Before accounts are asked: with the shared state there, its budget counts.
    let (opened, ()) =
        futures_util::future::join(tokio::time::timeout(ANSWER_WITHIN, store(config, &place, world, &mut found)), state.tend())
            .await;
    let store = match opened {
        Ok(store) => store,
        Err(_) => {
            found.push(store_away(&config.store.to_string(), "no answer in time"));
            None
        }
    };
    let mut tenants = Vec::new();
    if let Some(store) = &store {
        match store.tenants().await {
            Ok(read) => tenants = read,
            // A schema that waits for a migration, or a key that does not fit, is told of by its own check.
            Err(error) => tracing::debug!(error = error.with_causes(), "tenants could not be read"),
        }
    }
    let subject = Subject {
        config: config.clone(),
        clock: Arc::clone(&world.clock),
        place,
        store,
        state,
        accounts,
        tenants,
        lately: None,
        from: Vantage::Operator,
    };
    (Some(subject), found)
}

/// The store as it is, with its master key if that is there.
async fn store(config: &DeploymentConfig, place: &Place, world: &World, found: &mut Vec<Finding>) -> Option<Store> {
    let named = config.store.to_string();
    let away = |error: &StoreError| store_away(&named, &error.with_causes());
    match place.is_there().await {
        Ok(true) => {}
        Ok(false) => {
            let says = "There is no store: nothing is initialised yet.";
            let advice = "start the gateway or apply a tenant: that makes it";
            found.push(Finding::warn(Check::Store.name(), says, format!("{named} is not there"), advice));
            return None;
        }
        Err(error) => {
            found.push(away(&error));
            return None;
        }
    }
    let key = match master_key(config) {
        Ok(key) => key.map(Arc::new),
        Err(finding) => {
            found.push(finding);
            None
        }
    };
    let settings = StoreSettings { place: place.clone(), master_key: key.clone(), dice: Arc::clone(&world.dice) };
    let store = match Store::look(settings).await {
        Ok(store) => store,
        Err(error) => {
            found.push(away(&error));
            return None;
        }
    };
    found.extend(fits(config, &store, key.as_deref()).await);
    Some(store)
}

/// The master key; `None` where none was made yet.
fn master_key(config: &DeploymentConfig) -> Result<Option<MasterKey>, Finding> {
    let source = &config.master_key;
    let fail = |seen: String| {
        let advice = "bring the key back from its copy and let the user of the gateway read it: without it no secret opens";
        Finding::fail(Check::MasterKey.name(), "The master key cannot be read.", seen, advice)
    };
    match source.resolve("secrets.master_key", &system::env, &system::read) {
        Ok(Resolved::Value(key)) => {
            MasterKey::from_hex(key.expose()).map(Some).map_err(|error| fail(format!("{source}: {error}")))
        }
        Ok(Resolved::Unset { .. }) if matches!(source, SecretSource::File(path) if !path.exists()) => Ok(None),
        Ok(Resolved::Unset { warning }) => Err(fail(warning)),
        Err(problem) => Err(fail(problem.to_string())),
    }
}

/// Whether the key is the one that the store was sealed with.
async fn fits(config: &DeploymentConfig, store: &Store, key: Option<&MasterKey>) -> Option<Finding> {
    let name = Check::MasterKey.name();
    let source = &config.master_key;
    let Some(key) = key else {
        return match store.holds_secrets().await {
            Ok(true) if matches!(source, SecretSource::File(path) if !path.exists()) => {
                let advice = "bring the key back from its copy; a new one is never made over a store that holds secrets";
                let says = "The store holds secrets, and the master key that sealed them is not there.";
                Some(Finding::fail(name, says, source.to_string(), advice))
            }
            // It could not be read, and that is told already.
            Ok(true) | Err(_) => None,
            Ok(false) => Some(Finding::ok(name, "There is no master key yet; the first start makes it.")),
        };
    };
    let seen = format!("{source}, fingerprint {}", key.fingerprint());
    match store.knows_master_key().await {
        Ok(Some(false)) => {
            let advice = "bring back the key that this store was made with: all gateways of a store share one";
            Some(Finding::fail(name, "The master key is not the one that this store was sealed with.", seen, advice))
        }
        Ok(Some(true) | None) => Some(Finding::ok(name, "The master key opens what the store holds.").seen(seen)),
        Err(_) => None,
    }
}
