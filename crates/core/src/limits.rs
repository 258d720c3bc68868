//! May it? The one place where requests are admitted.
//!
//! A request asks every bucket that it belongs to at once and takes room in all of them or in none. The
//! answer is an [`Admission`], which nothing else can make, or a refusal that knows when it ends.

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use jiff::{SignedDuration, Timestamp};

use crate::clock::Clock;
use crate::ids::CallId;
use crate::meter;
use crate::protection::{Mode, Protection, Switches};
use crate::shared::{Bucket, SharedState};
use crate::tenant::Tenant;
use crate::window::Standing;

/// Every limit is per minute.
pub const SPAN: i64 = 60_000_000;
/// This many refusals of one bucket within [`ABUSE_WITHIN`] are abuse.
const ABUSE_AFTER: usize = 10;
/// Microseconds.
const ABUSE_WITHIN: i64 = 3_600_000_000;
/// More buckets with refusals than this are not followed; the oldest give way.
const MOST_OFFENDERS: usize = 10_000;

/// What kind of request it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Class {
    /// Bookings.
    Booking,
    /// Questions about free times.
    Availability,
    /// Moves.
    Reschedule,
    /// Cancellations.
    Cancel,
    /// Events.
    Webhooks,
    /// Administrators.
    Admin,
    /// Health, per client address.
    Health,
    /// One phone call, all functions.
    Call,
    /// All else.
    Default,
}

impl Class {
    /// All of them, in the order of the contract.
    pub const ALL: [Self; 9] = [
        Self::Booking,
        Self::Availability,
        Self::Reschedule,
        Self::Cancel,
        Self::Webhooks,
        Self::Admin,
        Self::Health,
        Self::Call,
        Self::Default,
    ];

    /// The name as configured.
    pub fn name(self) -> &'static str {
        match self {
            Self::Booking => "booking",
            Self::Availability => "availability",
            Self::Reschedule => "reschedule",
            Self::Cancel => "cancel",
            Self::Webhooks => "webhooks",
            Self::Admin => "admin",
            Self::Health => "health",
            Self::Call => "call",
            Self::Default => "default",
        }
    }
}

/// Admissions per minute and class.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits([u32; 9]);

impl Limits {
    /// In the order of [`Class::ALL`].
    pub fn new(per_minute: [u32; 9]) -> Self {
        Self(per_minute)
    }

    /// The deployment's limit of a class, or the tenant's own.
    pub fn of(&self, class: Class, tenant: Option<&Tenant>) -> u32 {
        let own = tenant.filter(|tenant| !tenant.rate_limit.is_empty()).and_then(|tenant| tenant.rate_limit.get(class.name()));
        own.copied().unwrap_or(self.0[class as usize])
    }
}

impl Default for Limits {
    /// The contract's.
    fn default() -> Self {
        Self([30, 60, 10, 10, 100, 200, 30, 60, 60])
    }
}

/// Who asks.
#[derive(Debug, Clone, Copy)]
pub enum Asker<'a> {
    /// A voice agent of a tenant, in a call where there is one.
    Voice {
        /// Whose agent.
        tenant: &'a Tenant,
        /// The call.
        call: Option<&'a CallId>,
    },
    /// Events of a tenant's platforms.
    Events {
        /// Whose.
        tenant: &'a Tenant,
    },
    /// A tenant's own software.
    Key {
        /// Whose.
        tenant: &'a Tenant,
        /// What its key is called.
        id: &'a str,
    },
    /// An administrator by name.
    Administrator(&'a str),
    /// Somebody unknown at an address.
    Address(IpAddr),
}

/// How the buckets of a request stand, and what was decided.
#[derive(Debug, Clone)]
pub struct Verdict {
    /// How the protection stood.
    pub mode: Mode,
    /// Each bucket: its class and how it stands now.
    pub standings: Vec<(Class, Standing)>,
    /// The bucket that had no room the longest, and the microseconds until all have.
    refusal: Option<(String, i64)>,
    /// The refusal makes its bucket one of abuse: said once an hour.
    pub abuse: bool,
    /// Served in spite of it, such as a signed event.
    waived: bool,
}

impl Verdict {
    /// The bucket without room and how long until the same request is admitted, also where the protection
    /// only watches.
    pub fn refusal(&self) -> Option<(&str, SignedDuration)> {
        self.refusal.as_ref().map(|(key, wait)| (key.as_str(), SignedDuration::from_micros(*wait)))
    }

    /// Whether the request is refused for it.
    pub fn refuses(&self) -> bool {
        self.mode == Mode::On && !self.waived && self.refusal.is_some()
    }
}

/// The proof that a request may be served. Only a [`Gate`] makes one.
#[derive(Debug)]
pub struct Admission(());

/// It may not be served now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refused {
    /// Until the same request is admitted if no other is meanwhile.
    pub retry_after: SignedDuration,
}

impl Refused {
    /// Whole seconds, rounded up, at least 1.
    pub fn retry_after_s(&self) -> u64 {
        whole_seconds(i64::try_from(self.retry_after.as_micros()).unwrap_or(i64::MAX)).max(1).unsigned_abs()
    }
}

/// Microseconds as whole seconds, rounded up.
pub fn whole_seconds(micros: i64) -> i64 {
    micros.max(0).saturating_add(999_999) / 1_000_000
}

/// A bucket whose requests were refused within the hour.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offender {
    /// The bucket.
    pub key: String,
    /// How often, up to ten.
    pub refusals: usize,
    /// Ten within an hour.
    pub is_abuse: bool,
}

/// What a request wants of the buckets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ask {
    /// Room, or a refusal.
    Take,
    /// To be counted; it is served anyway.
    Count,
    /// Nothing; only how they stand.
    Show,
}

/// Admits requests.
pub struct Gate {
    state: Arc<dyn SharedState>,
    switches: Arc<Switches>,
    clock: Arc<dyn Clock>,
    limits: Limits,
    ledger: Arc<Ledger>,
}

/// Who was refused; it outlives a change of the limits.
#[derive(Default)]
struct Ledger {
    offenders: Mutex<HashMap<String, Refusals>>,
    refused: AtomicU64,
    abuses: AtomicU64,
}

#[derive(Default)]
struct Refusals {
    last: VecDeque<i64>,
    told_at: Option<i64>,
}

impl Gate {
    /// A gate over `state`.
    pub fn new(state: Arc<dyn SharedState>, switches: Arc<Switches>, clock: Arc<dyn Clock>, limits: Limits) -> Self {
        Self { state, switches, clock, limits, ledger: Arc::default() }
    }

    /// A gate with other limits over the same state; what was counted counts on.
    #[must_use]
    pub fn renewed(&self, limits: Limits) -> Self {
        Self {
            state: Arc::clone(&self.state),
            switches: Arc::clone(&self.switches),
            clock: Arc::clone(&self.clock),
            limits,
            ledger: Arc::clone(&self.ledger),
        }
    }

    /// The deployment's limits.
    pub fn limits(&self) -> Limits {
        self.limits
    }

    /// Admits one request, or says when it will be.
    ///
    /// # Errors
    /// [`Refused`] when a bucket has no room and the protection acts.
    pub async fn admit(&self, asker: Asker<'_>, class: Class) -> Result<Admission, Refused> {
        match self.decide(asker, class, Ask::Take).await {
            Some(verdict) if verdict.refuses() => {
                let wait = verdict.refusal.as_ref().map_or(0, |(_, wait)| *wait);
                Err(Refused { retry_after: SignedDuration::from_micros(wait) })
            }
            _ => Ok(Admission(())),
        }
    }

    /// Counts something that is never refused, such as a signed event; `false` when it is over its limit.
    pub async fn count(&self, asker: Asker<'_>, class: Class) -> bool {
        self.decide(asker, class, Ask::Count).await.is_none_or(|verdict| verdict.refusal.is_none())
    }

    /// Shows how the buckets stand without taking room: for an answer that is given again.
    pub async fn show(&self, asker: Asker<'_>, class: Class) {
        let _ = self.decide(asker, class, Ask::Show).await;
    }

    /// A request that costs nothing because it was served before.
    pub async fn replayed(&self, asker: Asker<'_>, class: Class) -> Admission {
        self.show(asker, class).await;
        Admission(())
    }

    async fn decide(&self, asker: Asker<'_>, class: Class, ask: Ask) -> Option<Verdict> {
        let consume = ask != Ask::Show;
        let now = self.clock.now();
        let mode = self.switches.mode(Protection::RateLimit, asker.tenant().map(|tenant| &tenant.slug), now);
        if mode == Mode::Off {
            return None;
        }
        let limits = self.limits();
        let (classes, buckets) = buckets(asker, class, &limits);
        let decision = self.state.admit(&buckets, consume).await;
        let mut refusal: Option<(String, i64)> = None;
        if consume && !decision.admitted {
            for (bucket, standing) in buckets.iter().zip(&decision.standings) {
                if standing.wait > refusal.as_ref().map_or(0, |(_, wait)| *wait) {
                    refusal = Some((bucket.key.clone(), standing.wait));
                }
            }
        }
        // A synthetic call that is refused is told by whoever made it.
        let is_counted = !asker.tenant().is_some_and(|tenant| tenant.slug.is_canary());
        if consume && is_counted {
            self.switches.count(Protection::RateLimit, refusal.is_none(), mode);
        }
        let abuse = is_counted && refusal.as_ref().is_some_and(|(key, _)| self.is_abuse(key, now.as_microsecond()));
        let verdict = Verdict {
            mode,
            standings: classes.into_iter().zip(decision.standings).collect(),
            refusal,
            abuse,
            waived: ask == Ask::Count,
        };
        meter::note(|meter| meter.decided(verdict.clone()));
        Some(verdict)
    }

    /// Remembers a refusal; true when it is the one that makes abuse of it.
    fn is_abuse(&self, key: &str, now: i64) -> bool {
        self.ledger.refused.fetch_add(1, Ordering::Relaxed);
        let mut offenders = self.ledger.offenders.lock().unwrap_or_else(PoisonError::into_inner);
        if offenders.len() >= MOST_OFFENDERS && !offenders.contains_key(key) {
            offenders.retain(|_, refusals| refusals.last.back().is_some_and(|at| now - at < ABUSE_WITHIN));
            if offenders.len() >= MOST_OFFENDERS {
                let oldest = offenders.iter().min_by_key(|(_, refusals)| refusals.last.back().copied());
                if let Some(oldest) = oldest.map(|(key, _)| key.clone()) {
                    offenders.remove(&oldest);
                }
            }
        }
        let refusals = offenders.entry(key.to_owned()).or_default();
        refusals.last.push_back(now);
        while refusals.last.len() > ABUSE_AFTER {
            refusals.last.pop_front();
        }
        let abuse = refusals.is_abuse(now);
        if abuse && refusals.told_at.is_none_or(|told| now - told >= ABUSE_WITHIN) {
            refusals.told_at = Some(now);
            self.ledger.abuses.fetch_add(1, Ordering::Relaxed);
            return true;
        }
        false
    }

    /// Who was refused within the hour.
    pub fn offenders(&self) -> Vec<Offender> {
        let now = self.clock.now().as_microsecond();
        let offenders = self.ledger.offenders.lock().unwrap_or_else(PoisonError::into_inner);
        let mut rows: Vec<Offender> = offenders
            .iter()
            .map(|(key, refusals)| Offender {
                key: key.clone(),
                refusals: refusals.last.iter().filter(|at| now - **at < ABUSE_WITHIN).count(),
                is_abuse: refusals.is_abuse(now),
            })
            .filter(|row| row.refusals > 0)
            .collect();
        rows.sort_by(|one, other| other.refusals.cmp(&one.refusals).then_with(|| one.key.cmp(&other.key)));
        rows
    }

    /// How many requests found no room so far, watched ones included, and how often that became abuse.
    pub fn refusals(&self) -> (u64, u64) {
        (self.ledger.refused.load(Ordering::Relaxed), self.ledger.abuses.load(Ordering::Relaxed))
    }
}

impl Refusals {
    fn is_abuse(&self, now: i64) -> bool {
        self.last.len() >= ABUSE_AFTER && self.last.front().is_some_and(|first| now - first < ABUSE_WITHIN)
    }
}

impl<'a> Asker<'a> {
    fn tenant(self) -> Option<&'a Tenant> {
        match self {
            Self::Voice { tenant, .. } | Self::Events { tenant } | Self::Key { tenant, .. } => Some(tenant),
            Self::Administrator(_) | Self::Address(_) => None,
        }
    }
}

fn buckets(asker: Asker<'_>, class: Class, limits: &Limits) -> (Vec<Class>, Vec<Bucket>) {
    let bucket = |class: Class, key: String| Bucket { key, limit: limits.of(class, asker.tenant()), span: SPAN };
    let name = class.name();
    let mut classes = vec![class];
    let mut buckets = match asker {
        // Each synthetic call stands for one caller under the deployment's limits, however many are made.
        Asker::Voice { tenant, call: Some(call) } if tenant.slug.is_canary() => {
            vec![bucket(class, format!("rate_limit:{}:{}:{name}", tenant.slug.as_str(), call.as_str()))]
        }
        Asker::Voice { tenant, .. } | Asker::Events { tenant } => {
            vec![bucket(class, format!("rate_limit:{}:{name}", tenant.slug.as_str()))]
        }
        Asker::Key { id, .. } | Asker::Administrator(id) => vec![bucket(class, format!("rate_limit:{id}:{name}"))],
        Asker::Address(address) => vec![bucket(class, format!("rate_limit:{}:{name}", network(address)))],
    };
    if let Asker::Voice { tenant, call: Some(call) } = asker {
        classes.push(Class::Call);
        buckets.push(bucket(Class::Call, format!("rate_limit:{}:call:{}", tenant.slug.as_str(), call.as_str())));
    }
    (classes, buckets)
}

/// An address as somebody who can be limited: of IPv6 the /64 that one customer has to himself.
fn network(address: IpAddr) -> String {
    match address.to_canonical() {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            format!("{a:x}:{b:x}:{c:x}:{d:x}::/64")
        }
    }
}

/// When a standing resets, as the Unix second that headers name.
pub fn reset_second(standing: &Standing, now: Timestamp) -> i64 {
    whole_seconds(now.as_microsecond().saturating_add(standing.resets_in))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_customer_of_a_network_is_one_asker() {
        assert_eq!(network("2001:db8:1:2:3:4:5:6".parse().expect("an address")), "2001:db8:1:2::/64");
        assert_eq!(network("::ffff:203.0.113.9".parse().expect("an address")), "203.0.113.9");
    }

    #[test]
    fn waiting_is_rounded_up() {
        assert_eq!(Refused { retry_after: SignedDuration::from_micros(1) }.retry_after_s(), 1);
        assert_eq!(Refused { retry_after: SignedDuration::from_micros(30_000_001) }.retry_after_s(), 31);
        assert_eq!(whole_seconds(60_000_000), 60);
    }

    #[test]
    fn classes_stand_in_their_order() {
        for (index, class) in Class::ALL.into_iter().enumerate() {
            assert_eq!(class as usize, index);
        }
    }
}
