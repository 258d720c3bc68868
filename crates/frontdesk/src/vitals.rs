//! How each gateway does, in few numbers, told to the store once a second: whoever watches a deployment reads it
//! there, whichever state and however many gateways it has.
//!
//! Counts are cumulative since the process began. `gateway` is drawn anew for each process, so counts that begin
//! again are those of another gateway: what was counted between two looks is, for each gateway, the later counts
//! less the earlier ones of the same `gateway`, and all of them for one that was not there before.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use frontdesk_core::protection::Mode;
use frontdesk_core::vitals::Counts;
use frontdesk_store::Store;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tokio::sync::Mutex;

use crate::system;
use crate::wiring::House;

/// How they are filed in the store.
pub(crate) const VITALS: &str = "vitals";
/// Vitals that did not change are told again after so many rounds, to show that the gateway lives.
const RENEW_AFTER: u32 = 4;

/// How a gateway does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Vitals {
    /// Which gateway; another one after each start.
    pub(crate) gateway: String,
    /// Its process.
    pub(crate) process: u32,
    /// The machine that it runs on.
    pub(crate) host: String,
    /// Where it listens.
    pub(crate) address: SocketAddr,
    /// The version of its build.
    pub(crate) version: String,
    /// Since when it counts.
    pub(crate) started_at: Timestamp,
    /// When this was counted.
    pub(crate) taken_at: Timestamp,
    /// What callers met.
    pub(crate) counts: Counts,
    /// How often each protection said no, by its name.
    pub(crate) refusals: BTreeMap<String, Refusals>,
    /// How often the breaker of a calendar account opened.
    pub(crate) breakers_opened: u64,
}

/// How often a protection said no.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Refusals {
    /// And acted so.
    pub(crate) on: u64,
    /// And only watched.
    pub(crate) shadow: u64,
}

/// Tells the store, where something was counted or nothing was said for a while.
pub(crate) fn teller(
    house: &House,
    address: SocketAddr,
) -> impl FnMut() -> std::pin::Pin<Box<dyn Future<Output = ()> + Send>> + Send + use<> {
    let (store, edge, switches, guard) =
        (house.store.clone(), house.edge.clone(), Arc::clone(&house.switches), Arc::clone(&house.guard));
    let clock = Arc::clone(&house.clock);
    let first = Vitals {
        gateway: house.replica.clone(),
        process: std::process::id(),
        host: system::host(),
        address,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        started_at: clock.now(),
        taken_at: clock.now(),
        counts: Counts::default(),
        refusals: BTreeMap::new(),
        breakers_opened: 0,
    };
    let told = Arc::new(Mutex::new((first, RENEW_AFTER)));
    move || {
        let mut refusals: BTreeMap<String, Refusals> = BTreeMap::new();
        for (protection, decision, mode, count) in switches.decisions() {
            if decision == "refuse" {
                let refused = refusals.entry(protection.name().to_owned()).or_default();
                *(if mode == Mode::Shadow { &mut refused.shadow } else { &mut refused.on }) = count;
            }
        }
        let (counts, breakers_opened) = (edge.counts(), guard.opened());
        let (store, told, now) = (store.clone(), Arc::clone(&told), clock.now());
        Box::pin(async move {
            let mut told = told.lock().await;
            let (last, rounds) = &mut *told;
            let next = Vitals { counts, refusals, breakers_opened, taken_at: last.taken_at, ..last.clone() };
            *rounds += 1;
            if next == *last && *rounds < RENEW_AFTER {
                return;
            }
            let next = Vitals { taken_at: now, ..next };
            match tell(&store, &next).await {
                Ok(()) => (*last, *rounds) = (next, 0),
                Err(error) => tracing::warn!(error, "nobody can see how this gateway does"),
            }
        })
    }
}

async fn tell(store: &Store, vitals: &Vitals) -> Result<(), String> {
    let body = serde_json::to_string(vitals).map_err(|error| error.to_string())?;
    store.show(&vitals.gateway, VITALS, &body, vitals.taken_at).await.map_err(|error| error.with_causes())
}

/// How all running gateways do. What cannot be read is of another release, and is left out.
pub(crate) async fn all(store: &Store, now: Timestamp) -> Result<Vec<Vitals>, frontdesk_core::ports::StoreError> {
    let rows = store.snapshots(VITALS, now).await?;
    Ok(rows.into_iter().filter_map(|row| serde_json::from_str(&row.body).ok()).collect())
}
