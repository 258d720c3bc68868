//! A revision on trial, as whoever activated it sees it through the store: which gateways took it up, what callers
//! meet since, and that somebody still watches.

use std::collections::BTreeSet;
use std::time::Duration;

use frontdesk_core::harm::{LEAST_ANSWERS, Seen, harm};
use frontdesk_core::ports::StoreError;
use frontdesk_core::vitals::Counts;
use frontdesk_store::Store;
use tokio::sync::watch;
use tokio::time::interval;

use crate::vitals::{self, Vitals};
use crate::wiring::World;

/// That somebody watches is said this often.
const BEAT_EVERY: Duration = Duration::from_millis(500);
/// The store is looked at this often while something is waited for.
pub(crate) const LOOK_EVERY: Duration = Duration::from_millis(50);
/// How long gateways may take to take a revision up. One that was killed is in the list for ten seconds.
const TAKEN_UP_WITHIN: Duration = Duration::from_secs(15);
/// Within this a gateway that serves has told of itself.
const TOLD_WITHIN: Duration = Duration::from_secs(3);
/// So many looks in a row may miss a gateway that was there.
const MISSED: u32 = 3;

/// What is watched.
pub(crate) struct Trial {
    pub(crate) store: Store,
    pub(crate) world: World,
    /// All gateways when it was begun, so that what they met until it was applied is known.
    pub(crate) first: Vec<Vitals>,
    /// And when it was applied.
    pub(crate) base: Vec<Vitals>,
    /// How many gateways took it up.
    gateways: usize,
    /// Slower than this is slow, milliseconds.
    pub(crate) slow_ms: u64,
    /// Looks in a row that missed a gateway.
    missed: u32,
}

/// What was met until now.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Look {
    /// Since it was applied.
    pub(crate) since: Seen,
    /// How many gateways tell of themselves.
    pub(crate) gateways: usize,
}

impl Trial {
    pub(crate) fn new(store: Store, world: World, first: Vec<Vitals>, base: Vec<Vitals>, slow: Duration) -> Self {
        let slow_ms = u64::try_from(slow.as_millis()).unwrap_or(u64::MAX);
        Self { store, world, first, base, gateways: 0, slow_ms, missed: 0 }
    }

    /// So many gateways took it up. One that is in the list of before may have been gone already.
    pub(crate) fn applied(&mut self, gateways: usize) {
        self.gateways = gateways;
    }

    /// How it goes, and what goes wrong, if anything does.
    pub(crate) async fn look(&mut self) -> Result<(Look, Option<String>), StoreError> {
        let now = vitals::all(&self.store, self.world.clock.now()).await?;
        let since = between(&self.base, &now);
        let look = Look { since, gateways: now.len() };
        self.missed = if now.len() < self.gateways { self.missed + 1 } else { 0 };
        if self.missed >= MISSED {
            let (there, were) = (now.len(), self.gateways);
            return Ok((look, Some(format!("gateways that tell of themselves: {there} of {were}"))));
        }
        let (ever, lately) = (between(&[], &self.base), between(&self.first, &self.base));
        // What was as bad in the last moments before is not the revision's doing either.
        let was_so = |since: &Seen| lately.counts.answers >= LEAST_ANSWERS && harm(&lately, since, self.slow_ms).is_none();
        let found = harm(&ever, &since, self.slow_ms).filter(|_| !was_so(&since));
        Ok((look, found.map(|harm| harm.to_string())))
    }
}

/// What was met between two looks. Counts of a gateway that was not there before are all of them new.
pub(crate) fn between(before: &[Vitals], after: &[Vitals]) -> Seen {
    let mut seen = Seen::default();
    for now in after {
        let was = before.iter().find(|it| it.gateway == now.gateway);
        let counts = now.counts.since(&was.map_or(Counts::default(), |it| it.counts));
        seen.counts = seen.counts.plus(&counts);
        seen.opened += now.breakers_opened.saturating_sub(was.map_or(0, |it| it.breakers_opened));
    }
    seen
}

/// The gateways that run. One that started this very moment has not told of itself yet, so that is waited for.
pub(crate) async fn running(store: &Store, world: &World) -> Result<Vec<Vitals>, StoreError> {
    let mut looks = interval(LOOK_EVERY);
    let began = world.clock.now();
    loop {
        looks.tick().await;
        let now = world.clock.now();
        let all = vitals::all(store, now).await?;
        if !all.is_empty() || now.duration_since(began).unsigned_abs() > TOLD_WITHIN {
            return Ok(all);
        }
    }
}

/// Waits until every gateway that runs has taken `number` up; returns how many they are.
pub(crate) async fn taken_up(store: &Store, world: &World, number: i64) -> Result<usize, String> {
    let mut looks = interval(LOOK_EVERY);
    let began = world.clock.now();
    loop {
        looks.tick().await;
        let now = world.clock.now();
        let running = vitals::all(store, now).await.map_err(|error| error.with_causes())?;
        let uptakes = store.revision_uptakes(number).await.map_err(|error| error.with_causes())?;
        if let Some(trouble) = uptakes.iter().find_map(|it| it.trouble.as_ref()) {
            return Err(format!("a gateway cannot take it up: {trouble}"));
        }
        let missing = running.iter().filter(|it| !uptakes.iter().any(|uptake| uptake.replica == it.gateway)).count();
        if missing == 0 {
            return Ok(running.len());
        }
        if now.duration_since(began).unsigned_abs() > TAKEN_UP_WITHIN {
            return Err(format!("gateways that did not take it up within {} s: {missing}", TAKEN_UP_WITHIN.as_secs()));
        }
    }
}

/// Says that somebody watches until `decided` hears that there is nothing to watch any more, or for `at_most`.
pub(crate) async fn beat(store: Store, number: i64, at_most: Duration, decided: watch::Sender<bool>) {
    let mut beats = interval(BEAT_EVERY);
    for _ in 0..at_most.as_millis() / BEAT_EVERY.as_millis() {
        beats.tick().await;
        // A store that does not answer now may do so in time; gateways wait longer than one beat.
        if let Ok(false) = store.watch_revision(number).await {
            let _ = decided.send(true);
            return;
        }
    }
}

/// Where gateways are called: those of this machine themselves, all others where the platforms call.
pub(crate) fn targets(gateways: &[Vitals], host: &str, public_url: &str) -> Vec<String> {
    let mut urls = BTreeSet::new();
    for gateway in gateways {
        if gateway.host != host {
            urls.insert(public_url.trim_end_matches('/').to_owned());
            continue;
        }
        let mut address = gateway.address;
        if address.ip().is_unspecified() {
            address.set_ip(if address.is_ipv4() {
                std::net::Ipv4Addr::LOCALHOST.into()
            } else {
                std::net::Ipv6Addr::LOCALHOST.into()
            });
        }
        urls.insert(format!("http://{address}"));
    }
    urls.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use jiff::Timestamp;

    use super::*;

    fn vitals(gateway: &str, host: &str, address: &str, answers: u64) -> Vitals {
        Vitals {
            gateway: gateway.to_owned(),
            process: 1,
            host: host.to_owned(),
            address: address.parse().expect("an address"),
            version: String::new(),
            started_at: Timestamp::UNIX_EPOCH,
            taken_at: Timestamp::UNIX_EPOCH,
            counts: Counts { answers, ..Counts::default() },
            refusals: BTreeMap::new(),
            breakers_opened: answers,
        }
    }

    #[test]
    fn counts_of_a_gateway_that_began_again_are_not_less_than_nothing() {
        let before = [vitals("a", "h", "127.0.0.1:1", 10), vitals("b", "h", "127.0.0.1:2", 5)];
        let after = [vitals("a", "h", "127.0.0.1:1", 12), vitals("c", "h", "127.0.0.1:2", 3)];
        let seen = between(&before, &after);
        assert_eq!((seen.counts.answers, seen.opened), (5, 5));
    }

    #[test]
    fn gateways_here_are_called_themselves_and_others_where_platforms_call() {
        let all =
            [vitals("a", "here", "0.0.0.0:81", 0), vitals("b", "here", "[::]:82", 0), vitals("c", "there", "10.0.0.1:83", 0)];
        assert_eq!(
            targets(&all, "here", "https://desk.example"),
            ["http://127.0.0.1:81", "http://[::1]:82", "https://desk.example"]
        );
    }
}
