//! What runs without being asked: taking up changed tenants, settling what calendars left open.

use std::sync::Arc;
use std::time::Duration;

use frontdesk_core::desk::Desk;
use frontdesk_store::SqliteStore;
use jiff::SignedDuration;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval};

use crate::tenants::Tenants;

/// A change by another process is taken up within this.
const REFRESH_EVERY: Duration = Duration::from_millis(250);
/// Open intents are looked for this often.
const SETTLE_EVERY: Duration = Duration::from_millis(1000);

/// Calls that nobody ended are looked for this often.
const CLOSE_EVERY: Duration = Duration::from_secs(60);
/// Past this a call without an end is taken for over.
const LONGEST_CALL: SignedDuration = SignedDuration::from_hours(2);

/// The background work; it ends when `stop` says so.
pub(crate) fn start(desk: Desk, tenants: Arc<Tenants>, store: SqliteStore, stop: watch::Receiver<bool>) -> JoinSet<()> {
    let mut tasks = JoinSet::new();
    let clock = desk.clone();
    tasks.spawn(every(CLOSE_EVERY, stop.clone(), move || {
        let (store, before) = (store.clone(), clock.now() - LONGEST_CALL);
        async move {
            match store.close_abandoned(before).await {
                Ok(0) => {}
                Ok(closed) => {
                    tracing::warn!(closed, "calls whose end was never reported are closed; are the agents' webhooks set?")
                }
                Err(error) => tracing::error!(error = error.with_causes(), "abandoned calls could not be closed"),
            }
        }
    }));
    tasks.spawn(every(REFRESH_EVERY, stop.clone(), move || {
        let tenants = Arc::clone(&tenants);
        async move {
            if let Err(error) = tenants.refresh().await {
                tracing::error!(error = error.with_causes(), "tenants could not be read; the ones known stay in force");
            }
        }
    }));
    tasks.spawn(every(SETTLE_EVERY, stop, move || {
        let desk = desk.clone();
        async move {
            match desk.settle_due().await {
                Ok(0) => {}
                Ok(taken) => tracing::info!(taken, "intents were worked on"),
                Err(error) => tracing::error!(error = error.with_causes(), "open intents could not be worked on"),
            }
        }
    }));
    tasks
}

async fn every<F>(period: Duration, mut stop: watch::Receiver<bool>, mut work: impl FnMut() -> F + Send)
where
    F: Future<Output = ()> + Send,
{
    let mut ticks = interval(period);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = ticks.tick() => work().await,
            () = async { let _ = stop.wait_for(|stop| *stop).await; } => return,
        }
    }
}
