//! What others changed: tenants, switches, commands, the configuration. One cheap question to the store, several times
//! a second, so that a change by anybody holds on every gateway within the second.

use std::sync::{Arc, Mutex, PoisonError};

use frontdesk_core::clock::Clock;
use frontdesk_core::ids::TenantId;
use frontdesk_core::ports::StoreError;
use frontdesk_core::protection::{Switch, Switches};
use frontdesk_core::shared::SharedState;
use frontdesk_store::{RevisionOutcome, Store, Versions};
use tokio::sync::watch;

use crate::activation::canary;
use crate::operations::obey;
use crate::tenants::Tenants;

/// Nobody watches a revision any more that was not said to be watched for so many looks: some six seconds.
const LAPSED_AFTER: u32 = 60;

/// What it takes to follow the store.
pub(crate) struct Parts {
    pub(crate) store: Store,
    pub(crate) tenants: Arc<Tenants>,
    pub(crate) switches: Arc<Switches>,
    pub(crate) state: Arc<dyn SharedState>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) replica: String,
}

/// Follows the store.
pub(crate) struct News {
    parts: Parts,
    seen: Mutex<Versions>,
    features: Mutex<Vec<Switch>>,
    watched: Mutex<Watched>,
    revision: watch::Sender<i64>,
}

/// How it stands with a revision that is watched. Looks are counted, not the time: whoever watches may have another
/// clock.
#[derive(Debug, Clone, Copy, Default)]
struct Watched {
    revision: i64,
    beat: i64,
    silent: u32,
}

impl News {
    /// Takes up how things stand. Commands that were given before are not for this gateway.
    pub(crate) async fn open(parts: Parts) -> Result<Self, StoreError> {
        let seen = parts.store.versions().await?;
        let features = parts.store.features().await?;
        parts.switches.take_up(&features);
        // A revision that is watched is followed from the first look on.
        let (seen, features) = (Mutex::new(Versions { revision: 0, beat: 0, ..seen }), Mutex::new(features));
        Ok(Self { parts, seen, features, watched: Mutex::default(), revision: watch::Sender::new(0) })
    }

    /// The newest revision of the configuration, whenever there is another one.
    pub(crate) fn revision(&self) -> watch::Receiver<i64> {
        self.revision.subscribe()
    }

    /// Takes up what changed since the last look.
    pub(crate) async fn take_up(&self) -> Result<(), StoreError> {
        let Parts { store, tenants, switches, state, .. } = &self.parts;
        let now = store.versions().await?;
        if now.beat > 0 {
            self.look_after(&now).await?;
        }
        let before = *self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if now == before {
            return Ok(());
        }
        // What was taken up is noted step by step, so that a failure in between repeats the rest only.
        if now.tenants != before.tenants {
            tenants.refresh().await?;
            self.note(|seen| seen.tenants = now.tenants);
        }
        if now.features != before.features {
            let features = store.features().await?;
            switches.take_up(&features);
            self.note(|seen| seen.features = now.features);
            self.tell(features);
        }
        for (id, command) in store.commands_after(before.commands).await? {
            obey(&**state, &command).await;
            self.note(|seen| seen.commands = id);
        }
        if (now.revision, now.beat > 0) != (before.revision, before.beat > 0) {
            self.follow(&before).await?;
        }
        // After the synthetic calls are served: whoever waits for the uptake makes them at once.
        self.revision.send_if_modified(|revision| std::mem::replace(revision, now.revision) != now.revision);
        self.note(|seen| (seen.revision, seen.beat) = (now.revision, now.beat));
        Ok(())
    }

    /// Serves synthetic calls while a revision is watched, and lets go of what they left afterwards.
    async fn follow(&self, before: &Versions) -> Result<(), StoreError> {
        let Parts { store, tenants, .. } = &self.parts;
        let newest = store.newest_revision().await?.filter(|it| it.outcome == RevisionOutcome::Pending);
        match newest.and_then(|it| it.token) {
            Some(token) => tenants.set_canary(Some(canary::tenant(store, &token)?)),
            None => {
                tenants.set_canary(None);
                if before.beat > 0 {
                    let rows = store.forget_canary().await?;
                    tracing::debug!(rows, "what synthetic calls left is gone");
                }
            }
        }
        Ok(())
    }

    /// Takes back a revision that nobody watches any more.
    async fn look_after(&self, now: &Versions) -> Result<(), StoreError> {
        let Parts { store, clock, replica, .. } = &self.parts;
        let silent = {
            let mut watched = self.watched.lock().unwrap_or_else(PoisonError::into_inner);
            let is_same = (watched.revision, watched.beat) == (now.revision, now.beat);
            let silent = if is_same { watched.silent + 1 } else { 0 };
            *watched = Watched { revision: now.revision, beat: now.beat, silent };
            silent
        };
        if silent < LAPSED_AFTER {
            return Ok(());
        }
        let reason = "whoever activated it does not watch it any more";
        let who = format!("gateway {replica}");
        if let Some(back) = store.roll_back_pending(now.revision, &who, reason, clock.now()).await? {
            let revision = now.revision;
            tracing::error!(channel = "audit", critical = true, revision, back, reason, "the configuration is rolled back");
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
