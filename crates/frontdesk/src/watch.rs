//! How a deployment does from one moment on: the numbers that operators watch, over all gateways on the store, and at
//! the end whether what has to hold did.

mod criteria;
mod log;
mod screen;

use std::collections::{BTreeMap, BTreeSet};

use frontdesk_core::alert::{History, Thresholds};
use frontdesk_core::breaker::State;
use frontdesk_core::outbox::{Outbox as _, OutboxStanding};
use frontdesk_core::ports::StoreError;
use frontdesk_core::vitals::Counts;
use frontdesk_store::Store;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::operations::SNAPSHOT;
use crate::vitals::{self, Vitals};

pub(crate) use criteria::{Criterion, Holds, judge};
pub(crate) use log::Log;
pub(crate) use screen::Screen;

/// What the view compares with: criteria of the old runbook.
pub(crate) const RESPONSE_MS: u64 = 500;

/// What is seen at one moment.
#[derive(Debug, Clone, Default)]
pub(crate) struct Look {
    pub(crate) at: Timestamp,
    /// Since when it is counted.
    pub(crate) since: Timestamp,
    /// How many gateways told of themselves.
    pub(crate) gateways: usize,
    /// What callers met.
    pub(crate) counts: Counts,
    /// Refusals by the limits, and those that they only would have made.
    pub(crate) limited: (u64, u64),
    /// How often breakers opened.
    pub(crate) opened: u64,
    /// The accounts whose breaker is not closed now.
    pub(crate) breakers: Vec<(String, State)>,
    /// Gateways that do not reach the shared state.
    pub(crate) away: usize,
    /// Buckets of tenants, their keys and their calls that were refused, and how often more than at the beginning.
    pub(crate) refused: BTreeMap<String, u64>,
    pub(crate) outbox: OutboxStanding,
    /// Calls, and bookings that they made.
    pub(crate) calls: u64,
    pub(crate) bookings: u64,
    /// What fires: rules with their subjects.
    pub(crate) firing: Vec<String>,
}

/// Looks again and again, from a beginning on.
pub(crate) struct Watcher {
    store: Store,
    /// What each gateway had counted at the beginning.
    base: BTreeMap<String, Vitals>,
    /// The newest of every gateway, those that are gone among them.
    newest: BTreeMap<String, Vitals>,
    /// Refusals of the slot in which it begins, from before.
    limited_before: u64,
    refused_before: BTreeMap<String, u64>,
    refused: BTreeMap<String, u64>,
    not_closed: BTreeSet<String>,
    since: Timestamp,
}

impl Watcher {
    /// Begins now; with `all`, what was counted since the gateways began counts as well.
    pub(crate) async fn begin(store: Store, all: bool, now: Timestamp) -> Result<Self, StoreError> {
        let mut watcher = Self {
            store,
            base: BTreeMap::new(),
            newest: BTreeMap::new(),
            limited_before: 0,
            refused_before: BTreeMap::new(),
            refused: BTreeMap::new(),
            not_closed: BTreeSet::new(),
            since: now,
        };
        for vitals in vitals::all(&watcher.store, now).await? {
            if all {
                watcher.since = watcher.since.min(vitals.started_at);
                watcher.base.insert(
                    vitals.gateway.clone(),
                    Vitals { counts: Counts::default(), refusals: BTreeMap::new(), breakers_opened: 0, ..vitals },
                );
            } else {
                watcher.base.insert(vitals.gateway.clone(), vitals);
            }
        }
        if !all {
            watcher.limited_before = watcher.limited().await?;
            watcher.refused_before = watcher.snapshots(now).await?.refused;
        }
        Ok(watcher)
    }

    /// One look.
    pub(crate) async fn look(&mut self, now: Timestamp) -> Result<Look, StoreError> {
        let living = vitals::all(&self.store, now).await?;
        let gateways = living.len();
        self.newest.extend(living.into_iter().map(|it| (it.gateway.clone(), it)));
        let mut look = Look { at: now, since: self.since, gateways, ..Look::default() };
        for (gateway, newest) in &self.newest {
            let base = self.base.get(gateway);
            let shadow = |it: &Vitals| it.refusals.get("rate_limit").map_or(0, |it| it.shadow);
            look.counts = look.counts.plus(&base.map_or(newest.counts, |base| newest.counts.since(&base.counts)));
            look.limited.1 += shadow(newest).saturating_sub(base.map_or(0, shadow));
            look.opened += newest.breakers_opened.saturating_sub(base.map_or(0, |base| base.breakers_opened));
        }
        look.limited.0 = self.limited().await?.saturating_sub(self.limited_before);
        let seen = self.snapshots(now).await?;
        for (key, count) in seen.refused {
            let more = count.saturating_sub(self.refused_before.get(&key).copied().unwrap_or(0));
            let known = self.refused.entry(key).or_default();
            *known = more.max(*known);
        }
        self.refused.retain(|_, count| *count > 0);
        look.refused = self.refused.clone();
        self.not_closed.extend(seen.breakers.iter().map(|(account, _)| account.clone()));
        (look.breakers, look.away) = (seen.breakers, seen.away);
        look.outbox = self.store.outbox_standing(now).await?;
        for tenant in self.store.tenants().await?.iter().filter(|it| !it.slug.is_canary()) {
            let (calls, bookings) = self.store.calls_and_bookings(tenant.scope(), self.since).await?;
            (look.calls, look.bookings) = (look.calls + calls, look.bookings + bookings);
        }
        let firing = self.store.alerts().await?.into_iter().filter(|it| it.is_firing());
        look.firing = firing.map(|it| it.notice().ordering()).collect();
        Ok(look)
    }

    /// Refusals by the limits since the slot in which it begins: those that gateways have filed.
    async fn limited(&self) -> Result<u64, StoreError> {
        let slots = self.store.observations(History::slot(self.since)).await?;
        Ok(slots.iter().map(|(_, counts)| counts.refused).sum())
    }

    /// The accounts whose breaker was seen to be not closed.
    pub(crate) fn not_closed(&self) -> &BTreeSet<String> {
        &self.not_closed
    }

    /// The processes whose log may be read, on this machine.
    pub(crate) fn processes(&self, host: &str) -> Vec<u32> {
        let all = self.newest.values().chain(self.base.values());
        all.filter(|it| it.host == host).map(|it| it.process).collect::<BTreeSet<u32>>().into_iter().collect()
    }

    async fn snapshots(&self, now: Timestamp) -> Result<Seen, StoreError> {
        let mut seen = Seen::default();
        let mut worst: BTreeMap<String, State> = BTreeMap::new();
        for snapshot in self.store.snapshots(SNAPSHOT, now).await? {
            let body: Value = serde_json::from_str(&snapshot.body).unwrap_or_default();
            seen.away += usize::from(body["shared_state_away"] == true);
            for row in body["breakers"].as_array().into_iter().flatten() {
                if let (Some(account), Some(state)) = (row["account"].as_str(), row["state"].as_str().and_then(State::parse)) {
                    let known = worst.entry(account.to_owned()).or_insert(State::Closed);
                    *known = known.worse(state);
                }
            }
            for row in body["refused"].as_array().into_iter().flatten() {
                let (Some(key), Some(count)) = (row["key"].as_str(), row["refusals_1h"].as_u64()) else { continue };
                if is_of_a_caller(key) {
                    *seen.refused.entry(key.to_owned()).or_default() += count;
                }
            }
        }
        seen.breakers = worst.into_iter().filter(|(_, state)| *state != State::Closed).collect();
        Ok(seen)
    }
}

/// What snapshots of gateways say.
#[derive(Default)]
struct Seen {
    breakers: Vec<(String, State)>,
    away: usize,
    refused: BTreeMap<String, u64>,
}

/// Whether who was refused had proven who he is: a tenant's bucket, one of its keys, one of its calls. Who asks for
/// health or proves nothing counts per address, and administrators are no callers.
fn is_of_a_caller(key: &str) -> bool {
    let Some(rest) = key.strip_prefix("rate_limit:") else { return false };
    let Some((whose, class)) = rest.rsplit_once(':') else { return false };
    let address = whose.trim_start_matches('[').split(['/', ']']).next().unwrap_or(whose);
    class != "admin" && class != "calcom" && address.parse::<std::net::IpAddr>().is_err()
}

impl Look {
    /// For programs.
    pub(crate) fn json(&self) -> Value {
        json!({
            "at": self.at.to_string(),
            "since": self.since.to_string(),
            "gateways": self.gateways,
            "answers": self.counts.answers,
            "errors": self.counts.errors,
            "unavailable": self.counts.unavailable,
            "refused": self.limited.0,
            "would_be_refused": self.limited.1,
            "p95_ms": self.counts.within_ms(95),
            "breakers_opened": self.opened,
            "breakers": self.breakers.iter().map(|(account, state)| json!({ "account": account, "state": state.as_str() })).collect::<Vec<_>>(),
            "shared_state_away": self.away > 0,
            "outbox": { "waiting": self.outbox.waiting, "dead": self.outbox.dead, "oldest_s": self.oldest().as_secs() },
            "calls": self.calls,
            "bookings": self.bookings,
            "alerts": self.firing,
        })
    }

    /// In one line, for logs and pipes.
    pub(crate) fn line(&self) -> String {
        let rows: Vec<String> =
            self.rows(&Thresholds::default()).into_iter().map(|row| format!("{}={}", row.key, row.value)).collect();
        let at = Timestamp::from_second(self.at.as_second()).unwrap_or(self.at);
        format!("{at} {}", rows.join(" "))
    }

    fn oldest(&self) -> SignedDuration {
        self.outbox.oldest.map_or(SignedDuration::ZERO, |at| self.at.duration_since(at))
    }

    /// Every number with its bound.
    pub(crate) fn rows(&self, bounds: &Thresholds) -> Vec<Row> {
        let row = |key, value: String, bound: String, is_over| Row { key, value, bound, is_over };
        let p95 = self.counts.within_ms(95);
        let breaker = match self.breakers.iter().map(|(_, state)| *state).reduce(State::worse) {
            None => "closed".to_owned(),
            Some(state) => state.as_str().to_owned(),
        };
        let minutes = u64::try_from(self.at.duration_since(self.since).as_mins()).unwrap_or(0).max(1);
        let failed = self.counts.errors + self.counts.unavailable;
        let allowed = bounds.errors_5m * minutes.div_ceil(5);
        let refusals = bounds.refusals_1h * minutes.div_ceil(60);
        let age = self.oldest();
        let slow = bounds.response_time.as_millis();
        vec![
            row("gateways", self.gateways.to_string(), "1 at least".to_owned(), self.gateways == 0),
            row("answers", self.counts.answers.to_string(), String::new(), false),
            row("failed", failed.to_string(), format!("{} in 5 min", bounds.errors_5m), failed > allowed),
            row("refused", self.limited.0.to_string(), format!("{} in 1 h", bounds.refusals_1h), self.limited.0 > refusals),
            row("breaker", breaker.clone(), "closed".to_owned(), breaker != "closed"),
            row("p95", p95.map_or("-".to_owned(), ms), format!("{slow} ms"), p95.is_some_and(|it| u128::from(it) > slow)),
            row("outbox", self.outbox.waiting.to_string(), String::new(), false),
            row("oldest", format!("{}s", age.as_secs()), format!("{}s", bounds.outbox_age.as_secs()), age > bounds.outbox_age),
            row("dead", self.outbox.dead.to_string(), "0".to_owned(), self.outbox.dead > 0),
            row("calls", self.calls.to_string(), String::new(), false),
            row("bookings", self.bookings.to_string(), String::new(), false),
            row(
                "alerts",
                if self.firing.is_empty() { "-".to_owned() } else { self.firing.join(",").replace(' ', ":") },
                "-".to_owned(),
                !self.firing.is_empty(),
            ),
        ]
    }
}

/// A number on the screen.
pub(crate) struct Row {
    pub(crate) key: &'static str,
    pub(crate) value: String,
    pub(crate) bound: String,
    pub(crate) is_over: bool,
}

fn ms(bound: u64) -> String {
    if bound == u64::MAX { "over the last bucket".to_owned() } else { format!("{bound}ms") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_a_callers_when_he_had_proven_who_he_is() {
        for key in ["rate_limit:salon:booking", "rate_limit:salon:call:call_1", "rate_limit:k_1:availability"] {
            assert!(is_of_a_caller(key), "{key}");
        }
        for key in [
            "rate_limit:127.0.0.1:health",
            "rate_limit:2001:db8::/64:default",
            "rate_limit:::1:health",
            "rate_limit:anna:admin",
            "cache:x",
        ] {
            assert!(!is_of_a_caller(key), "{key}");
        }
    }
}
