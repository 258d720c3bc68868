//! What others changed: tenants, switches, commands. One cheap question to the store, several times a
//! second, so that a change by anybody holds on every gateway within the second.

use std::sync::{Arc, Mutex, PoisonError};

use frontdesk_core::ids::TenantId;
use frontdesk_core::ports::StoreError;
use frontdesk_core::protection::{Switch, Switches};
use frontdesk_core::shared::SharedState;
use frontdesk_store::{Store, Versions};

use crate::operations::obey;
use crate::tenants::Tenants;

/// Follows the store.
pub(crate) struct News {
    store: Store,
    tenants: Arc<Tenants>,
    switches: Arc<Switches>,
    state: Arc<dyn SharedState>,
    seen: Mutex<Versions>,
    features: Mutex<Vec<Switch>>,
}

impl News {
    /// Takes up how things stand. Commands that were given before are not for this gateway.
    pub(crate) async fn open(
        store: Store,
        tenants: Arc<Tenants>,
        switches: Arc<Switches>,
        state: Arc<dyn SharedState>,
    ) -> Result<Self, StoreError> {
        let seen = store.versions().await?;
        let features = store.features().await?;
        switches.take_up(&features);
        Ok(Self { store, tenants, switches, state, seen: Mutex::new(seen), features: Mutex::new(features) })
    }

    /// Takes up what changed since the last look.
    pub(crate) async fn take_up(&self) -> Result<(), StoreError> {
        let now = self.store.versions().await?;
        let before = *self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if now == before {
            return Ok(());
        }
        // What was taken up is noted step by step, so that a failure in between repeats the rest only.
        if now.tenants != before.tenants {
            self.tenants.refresh().await?;
            self.note(|seen| seen.tenants = now.tenants);
        }
        if now.features != before.features {
            let features = self.store.features().await?;
            self.switches.take_up(&features);
            self.note(|seen| seen.features = now.features);
            self.tell(features);
        }
        for (id, command) in self.store.commands_after(before.commands).await? {
            obey(&*self.state, &command).await;
            self.note(|seen| seen.commands = id);
        }
        Ok(())
    }

    /// Writes down which switches stand otherwise than before.
    fn tell(&self, features: Vec<Switch>) {
        let mut before = self.features.lock().unwrap_or_else(PoisonError::into_inner);
        let whose = |it: &Switch| (it.protection, it.tenant.clone());
        for switch in features.iter().filter(|it| !before.contains(it)) {
            let (feature, tenant) = (switch.protection.name(), switch.tenant.as_ref().map_or("", TenantId::as_str));
            let (state, until) = (switch.mode.as_str(), switch.until.map_or_else(String::new, |until| until.to_string()));
            tracing::warn!(channel = "audit", feature, tenant, state, until, "a protection was switched");
        }
        for switch in before.iter().filter(|it| !features.iter().any(|other| whose(other) == whose(it))) {
            let (feature, tenant) = (switch.protection.name(), switch.tenant.as_ref().map_or("", TenantId::as_str));
            tracing::warn!(channel = "audit", feature, tenant, state = "as configured", "a protection was switched");
        }
        *before = features;
    }

    fn note(&self, change: impl FnOnce(&mut Versions)) {
        change(&mut self.seen.lock().unwrap_or_else(PoisonError::into_inner));
    }
}
