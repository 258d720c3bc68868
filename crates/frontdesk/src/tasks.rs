//! What runs without being asked: taking up what others changed, settling what calendars left open,
//! asking them what they told in vain, looking after the shared state, delivering what is in the outbox, telling operators how this gateway
//! stands.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use frontdesk_core::caught::{Panicked, caught};
use frontdesk_core::clock::Clock;
use frontdesk_core::desk::{Desk, Round, Torn};
use frontdesk_core::ports::StoreError;
use frontdesk_store::Store;
use jiff::SignedDuration;
use tokio::sync::watch;
use tokio::task::{JoinError, JoinSet};
use tokio::time::{MissedTickBehavior, interval};

use crate::operations::{PROCESS, SNAPSHOT, describe, describe_process};
use crate::standing::Standing;
use crate::vitals;
use crate::wiring::{Arrangement, Current, House};

/// A change by another process is taken up within this.
const REFRESH_EVERY: Duration = Duration::from_millis(100);
/// How long the shared state may be back before it is noticed.
const TEND_EVERY: Duration = Duration::from_millis(250);
/// Exchanges with calendars wait this long to be written down.
const WRITE_EVERY: Duration = Duration::from_millis(500);
/// What is kept for a time only is looked for this often.
const FORGET_EVERY: Duration = Duration::from_secs(600);
/// Open intents are looked for this often.
const SETTLE_EVERY: Duration = Duration::from_millis(1000);
/// The outbox is looked at this often.
const DELIVER_EVERY: Duration = Duration::from_millis(1000);
/// Which calendars are to be asked what changed is looked at this often.
const CATCH_UP_EVERY: Duration = Duration::from_secs(5);
/// How long what was delivered is remembered.
const DELIVERIES_KEPT: SignedDuration = SignedDuration::from_hours(14 * 24);
/// How old what operators see of this gateway may be.
const DESCRIBE_EVERY: Duration = Duration::from_millis(1000);
/// A description that did not change is renewed after so many rounds, to show that the gateway lives.
const RENEW_AFTER: u32 = 5;
/// What is counted is filed this often, and looked at.
const LOOK_EVERY: Duration = Duration::from_millis(2000);
/// Calls that nobody ended are looked for this often.
const CLOSE_EVERY: Duration = Duration::from_secs(60);
/// A call that ended is looked at again for so long.
const JUST_ENDED: SignedDuration = SignedDuration::from_mins(5);
/// Past this a call without an end is taken for over.
const LONGEST_CALL: SignedDuration = SignedDuration::from_hours(2);

/// The background work; it ends when `stop` says so.
pub(crate) fn start(house: &House, address: SocketAddr, stop: watch::Receiver<bool>) -> JoinSet<()> {
    let mut tasks = JoinSet::new();
    let net = |work| Net { work, standing: Arc::clone(&house.standing), clock: Arc::clone(&house.clock) };
    // The first booking does not wait for them.
    tasks.spawn_blocking(frontdesk_core::call::load_numbering_plans);
    let (arrangement, store) = (Arc::clone(&house.arrangement), house.store.clone());
    tasks.spawn(every(CLOSE_EVERY, net("closing abandoned calls"), stop.clone(), move || {
        let (store, desk) = (store.clone(), arrangement.now().desk.clone());
        async move {
            match close_abandoned(&store, &desk).await {
                Ok(0) => {}
                Ok(closed) => {
                    tracing::warn!(closed, "calls whose end was never reported are closed; are the agents' webhooks set?")
                }
                Err(error) => tracing::error!(error = error.with_causes(), "abandoned calls could not be closed"),
            }
        }
    }));
    let news = Arc::clone(&house.news);
    tasks.spawn(every(REFRESH_EVERY, net("taking up changes"), stop.clone(), move || {
        let news = Arc::clone(&news);
        async move {
            if let Err(error) = news.take_up().await {
                tracing::error!(error = error.with_causes(), "changes could not be read; what is known stays in force");
            }
        }
    }));
    let journal = Arc::clone(&house.journal);
    tasks.spawn(every(WRITE_EVERY, net("writing exchanges down"), stop.clone(), move || {
        let journal = Arc::clone(&journal);
        async move {
            if let Err(error) = journal.write().await {
                tracing::error!(error = error.with_causes(), "exchanges with calendars could not be written down");
            }
        }
    }));
    let (arrangement, store) = (Arc::clone(&house.arrangement), house.store.clone());
    tasks.spawn(every(FORGET_EVERY, net("letting old rows go"), stop.clone(), move || {
        let (store, arrangement) = (store.clone(), arrangement.now());
        let (retention, now) = (arrangement.retention, arrangement.desk.now());
        let delivered_before = now - DELIVERIES_KEPT;
        async move {
            if let Err(error) = store.forget_old(&retention, now).await {
                tracing::error!(error = error.with_causes(), "what is over could not be let go");
            }
            if let Err(error) = store.forget_outbox(delivered_before).await {
                tracing::error!(error = error.with_causes(), "old deliveries could not be let go");
            }
        }
    }));
    let state = Arc::clone(&house.state.shared);
    tasks.spawn(every(TEND_EVERY, net("tending the shared state"), stop.clone(), move || {
        let state = Arc::clone(&state);
        async move { state.tend().await }
    }));
    let catch_up = Arc::clone(&house.catch_up);
    tasks.spawn(every(CATCH_UP_EVERY, net("asking calendars for changes"), stop.clone(), move || {
        let catch_up = Arc::clone(&catch_up);
        async move {
            if let Err(error) = catch_up.round().await {
                tracing::error!(channel = "calcom", error = error.with_causes(), "what calendars changed could not be kept");
            }
        }
    }));
    tasks.spawn(deliver(Arc::clone(&house.arrangement), net("delivering"), stop.clone()));
    tasks.spawn(every(DESCRIBE_EVERY, net("telling operators how it stands"), stop.clone(), describer(house)));
    tasks.spawn(every(DESCRIBE_EVERY, net("telling how it does"), stop.clone(), vitals::teller(house, address)));
    let lookout = Arc::clone(&house.lookout);
    tasks.spawn(every(LOOK_EVERY, net("looking for what is wrong"), stop.clone(), move || {
        let lookout = Arc::clone(&lookout);
        async move {
            if let Err(error) = lookout.round().await {
                tracing::error!(channel = "alerts", error = error.with_causes(), "nobody looks whether something is wrong");
            }
        }
    }));
    let (arrangement, panicked) = (Arc::clone(&house.arrangement), net("settling an intent"));
    tasks.spawn(every(SETTLE_EVERY, net("settling open intents"), stop, move || {
        let (desk, panicked) = (arrangement.now().desk.clone(), panicked.clone());
        async move {
            match desk.settle_due().await {
                Ok(round) => {
                    tell(&round);
                    round.panicked.iter().for_each(|_| panicked.tell());
                    if let Some(error) = &round.trouble {
                        tracing::error!(error = error.with_causes(), "an open intent could not be worked on");
                    }
                }
                Err(error) => tracing::error!(error = error.with_causes(), "open intents could not be worked on"),
            }
        }
    }));
    tasks
}

/// Closes calls that nobody ended; who wanted something in one of them is on the list first.
pub(crate) async fn close_abandoned(store: &Store, desk: &Desk) -> Result<u64, StoreError> {
    let before = desk.now() - LONGEST_CALL;
    let mut closed = 0;
    for (slug, call) in store.overdue_calls(before).await? {
        if let Some(tenant) = desk.tenant(&slug)
            && let Err(error) = desk.call_is_over(&tenant, &call).await
        {
            tracing::error!(tenant = %slug, error = error.with_causes(), "what a call left open could not be found out");
            // What passes is tried again the next time: once closed, nobody looks for the wish any more. One that
            // cannot be read will never be, and keeps no other waiting.
            if !matches!(error, StoreError::Corrupt { .. }) {
                continue;
            }
        }
        if let Some(id) = &call.id {
            closed += u64::from(store.abandon(&slug, id).await?);
        }
    }
    // What was still under way when the caller hung up has come to something, or to nothing, by now.
    for (slug, call) in store.calls_ended(desk.now() - JUST_ENDED, desk.now()).await? {
        if let Some(tenant) = desk.tenant(&slug)
            && let Err(error) = desk.call_is_over(&tenant, &call).await
        {
            tracing::error!(tenant = %slug, error = error.with_causes(), "what a call left open could not be found out");
        }
    }
    Ok(closed)
}

/// Says what a round of settling did.
pub(crate) fn tell(round: &Round) {
    if round.taken > 0 {
        tracing::info!(taken = round.taken, "intents were worked on");
    }
    for (tenant, intent) in &round.panicked {
        tracing::error!(critical = true, %tenant, %intent, "working on an intent panicked; it comes up again");
    }
    for Torn { tenant, booking, intent, why } in &round.torn {
        tracing::error!(critical = true, %tenant, %booking, %intent, "compensation failed: {why}");
    }
}

/// Works on the outbox, every second and whenever a delivery has ended: what it made room for, or what
/// waited behind it, comes at once. A receiver that is slow is waited for by nobody else. When the gateway
/// stops, what runs may end; what does not comes up again when its lease is over.
async fn deliver(arrangement: Arc<Current<Arrangement>>, net: Net, mut stop: watch::Receiver<bool>) {
    let mut running = JoinSet::new();
    let mut ticks = interval(DELIVER_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            Some(ended) = running.join_next() => net.look_at(&ended),
            () = async { let _ = stop.wait_for(|stop| *stop).await; } => break,
        }
        while let Some(ended) = running.try_join_next() {
            net.look_at(&ended);
        }
        let courier = Arc::clone(&arrangement.now().courier);
        match caught(courier.take()).await {
            Err(Panicked) => net.tell(),
            Ok(Ok(taken)) => {
                for row in taken {
                    let courier = Arc::clone(&courier);
                    running.spawn(async move { courier.carry(row).await });
                }
            }
            Ok(Err(error)) => tracing::error!(channel = "outbox", error = error.with_causes(), "the outbox could not be read"),
        }
    }
    while running.join_next().await.is_some() {}
}

/// Tells the store how this gateway stands, where that changed or has not been said for a while.
fn describer(house: &House) -> impl FnMut() -> std::pin::Pin<Box<dyn Future<Output = ()> + Send>> + Send + use<> {
    let (store, state, replica) = (house.store.clone(), Arc::clone(&house.state.shared), house.replica.clone());
    let arrangement = Arc::clone(&house.arrangement);
    let told = Arc::new(tokio::sync::Mutex::new((String::new(), 0u32)));
    move || {
        let (store, state, replica) = (store.clone(), Arc::clone(&state), replica.clone());
        let (arrangement, told) = (arrangement.now(), Arc::clone(&told));
        Box::pin(async move {
            let body = describe(&*state, &arrangement.gate, &arrangement.rules).await.to_string();
            let mut told = told.lock().await;
            let (last, rounds) = &mut *told;
            *rounds += 1;
            if *last == body && *rounds < RENEW_AFTER {
                return;
            }
            let shown = async {
                store.show(&replica, SNAPSHOT, &body, arrangement.desk.now()).await?;
                store.show(&replica, PROCESS, &describe_process().to_string(), arrangement.desk.now()).await
            };
            match shown.await {
                Ok(()) => (*last, *rounds) = (body, 0),
                Err(error) => tracing::warn!(error = error.with_causes(), "operators cannot see how this gateway stands"),
            }
        })
    }
}

/// Under every piece of work that comes back: one panic ends that round, and is told.
#[derive(Clone)]
struct Net {
    work: &'static str,
    standing: Arc<Standing>,
    clock: Arc<dyn Clock>,
}

impl Net {
    fn tell(&self) {
        self.standing.panicked(self.work, self.clock.now());
    }

    /// What ran as a task of its own has its own end.
    fn look_at(&self, ended: &Result<(), JoinError>) {
        if ended.as_ref().is_err_and(JoinError::is_panic) {
            self.tell();
        }
    }
}

async fn every<F>(period: Duration, net: Net, mut stop: watch::Receiver<bool>, mut work: impl FnMut() -> F + Send)
where
    F: Future<Output = ()> + Send,
{
    let mut ticks = interval(period);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = ticks.tick() => if caught(async { work().await }).await.is_err() {
                net.tell();
            },
            () = async { let _ = stop.wait_for(|stop| *stop).await; } => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use frontdesk_core::clock::ManualClock;
    use frontdesk_http::Severity;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn one_round_that_panics_ends_no_loop_and_is_told() {
        let now: jiff::Timestamp = "2026-03-12T09:00:00Z".parse().expect("a time");
        let standing = Arc::new(Standing::default());
        let net = Net { work: "testing", standing: Arc::clone(&standing), clock: Arc::new(ManualClock::new(now)) };
        let (stop, stopped) = watch::channel(false);
        let mut rounds = 0;
        every(SETTLE_EVERY, net, stopped, || {
            rounds += 1;
            // Once before there is any work to wait for, once in the middle of it.
            assert_ne!(rounds, 1, "the first");
            let (stop, round) = (stop.clone(), rounds);
            async move {
                tokio::task::yield_now().await;
                assert_ne!(round, 2, "the second");
                stop.send_replace(round == 4);
            }
        })
        .await;
        assert_eq!(rounds, 4);
        let findings = standing.findings(now);
        let told = findings.iter().find(|it| it.check == "process").expect("it is told");
        assert_eq!((told.severity, told.evidence.contains("2 since the start")), (Severity::Warn, true), "{told:?}");
        assert!(standing.findings(now + SignedDuration::from_hours(25)).iter().all(|it| it.check != "process"), "for a day");
    }
}
