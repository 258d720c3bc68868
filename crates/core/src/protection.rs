//! The eight protections and how each stands: acting, watching, or away; per deployment and per tenant.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::ids::TenantId;

/// Whether a protection acts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// It acts.
    On,
    /// It decides, counts and logs, and does not act.
    Shadow,
    /// It is not there.
    Off,
}

/// A protection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Protection {
    /// Free times are remembered per tenant.
    CacheIsolation,
    /// Secrets and people are kept out of logs.
    LogSanitizer,
    /// A failing calendar account is left alone.
    CircuitBreaker,
    /// Nobody may ask without end.
    RateLimit,
    /// What a request cost is measured.
    Performance,
    /// Every failure is answered in one form.
    ErrorHandling,
    /// Only what is understood is let in.
    InputValidation,
    /// Nothing is booked outside the hours.
    BusinessHours,
}

impl Mode {
    /// Reads `on`, `shadow` or `off`.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::On, Self::Shadow, Self::Off].into_iter().find(|mode| mode.as_str() == text)
    }

    /// The word as configured.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::On => "on",
            Self::Shadow => "shadow",
            Self::Off => "off",
        }
    }
}

impl Protection {
    /// All of them, in the order of the contract.
    pub const ALL: [Self; 8] = [
        Self::CacheIsolation,
        Self::LogSanitizer,
        Self::CircuitBreaker,
        Self::RateLimit,
        Self::Performance,
        Self::ErrorHandling,
        Self::InputValidation,
        Self::BusinessHours,
    ];

    /// The name as configured.
    pub fn name(self) -> &'static str {
        match self {
            Self::CacheIsolation => "cache_isolation",
            Self::LogSanitizer => "log_sanitizer",
            Self::CircuitBreaker => "circuit_breaker",
            Self::RateLimit => "rate_limit",
            Self::Performance => "performance",
            Self::ErrorHandling => "error_handling",
            Self::InputValidation => "input_validation",
            Self::BusinessHours => "business_hours",
        }
    }

    /// The protection of that name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|protection| protection.name() == name)
    }

    /// Why it cannot be switched; `None` for those that can.
    pub fn always_on(self) -> Option<&'static str> {
        match self {
            Self::ErrorHandling => Some("without it a caller would hear silence"),
            Self::InputValidation => Some("without it anything a caller says would reach the calendar"),
            Self::CacheIsolation
            | Self::LogSanitizer
            | Self::CircuitBreaker
            | Self::RateLimit
            | Self::Performance
            | Self::BusinessHours => None,
        }
    }

    fn index(self) -> usize {
        self as usize
    }
}

/// A switch that somebody set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Switch {
    /// Which protection.
    pub protection: Protection,
    /// For this tenant; `None` is the deployment.
    pub tenant: Option<TenantId>,
    /// How it stands.
    pub mode: Mode,
    /// Until then; `None` is until it is set again.
    pub until: Option<Timestamp>,
}

/// How all protections stand now. One look costs a lock that is never held long and no allocation.
pub struct Switches {
    now: RwLock<Arc<Standing>>,
    decisions: [[[AtomicU64; 2]; 2]; 8],
}

struct Standing {
    configured: [Mode; 8],
    deployment: Set,
    tenants: HashMap<TenantId, Set>,
}

/// What is set, and until when, in the order of [`Protection::ALL`].
type Set = [Option<(Mode, Option<Timestamp>)>; 8];

impl Default for Switches {
    /// Everything on.
    fn default() -> Self {
        Self::new([Mode::On; 8])
    }
}

impl Switches {
    /// Everything as configured, nothing switched. What cannot be switched is on.
    pub fn new(configured: [Mode; 8]) -> Self {
        let standing = Standing { configured, deployment: [None; 8], tenants: HashMap::new() };
        Self { now: RwLock::new(Arc::new(standing)), decisions: Default::default() }
    }

    /// Takes up what was switched, as a whole.
    pub fn take_up(&self, switches: &[Switch]) {
        let mut standing = Standing { configured: self.standing().configured, deployment: [None; 8], tenants: HashMap::new() };
        for switch in switches {
            let slots = match &switch.tenant {
                None => &mut standing.deployment,
                Some(tenant) => standing.tenants.entry(tenant.clone()).or_insert([None; 8]),
            };
            slots[switch.protection.index()] = Some((switch.mode, switch.until));
        }
        *self.now.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(standing);
    }

    /// Takes up another configuration; what was switched stays switched.
    pub fn configure(&self, configured: [Mode; 8]) {
        let before = self.standing();
        let standing = Standing { configured, deployment: before.deployment, tenants: before.tenants.clone() };
        *self.now.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(standing);
    }

    /// How a protection stands for a tenant, or for requests without one: the tenant's switch, the
    /// deployment's, the configuration, in this order.
    pub fn mode(&self, protection: Protection, tenant: Option<&TenantId>, now: Timestamp) -> Mode {
        if protection.always_on().is_some() {
            return Mode::On;
        }
        let standing = self.now.read().unwrap_or_else(PoisonError::into_inner);
        let index = protection.index();
        let holds = |slot: &Option<(Mode, Option<Timestamp>)>| match slot {
            Some((mode, until)) if until.is_none_or(|until| now < until) => Some(*mode),
            _ => None,
        };
        let own = match tenant {
            Some(tenant) if !standing.tenants.is_empty() => standing.tenants.get(tenant).and_then(|slots| holds(&slots[index])),
            _ => None,
        };
        own.or_else(|| holds(&standing.deployment[index])).unwrap_or(standing.configured[index])
    }

    /// Counts a decision of a protection that is there.
    pub fn count(&self, protection: Protection, allowed: bool, mode: Mode) {
        if mode != Mode::Off {
            let [allow, refuse] = &self.decisions[protection.index()][usize::from(mode == Mode::Shadow)];
            (if allowed { allow } else { refuse }).fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Protection, decision (`allow`, `refuse`), mode, how often so far.
    pub fn decisions(&self) -> Vec<(Protection, &'static str, Mode, u64)> {
        let mut all = Vec::with_capacity(32);
        for protection in Protection::ALL {
            for (mode, counts) in [Mode::On, Mode::Shadow].into_iter().zip(&self.decisions[protection.index()]) {
                for (word, count) in ["allow", "refuse"].into_iter().zip(counts) {
                    all.push((protection, word, mode, count.load(Ordering::Relaxed)));
                }
            }
        }
        all
    }

    fn standing(&self) -> Arc<Standing> {
        Arc::clone(&self.now.read().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).expect("in range")
    }

    #[test]
    fn the_nearest_switch_decides_until_it_ends() {
        let switches = Switches::default();
        let salon = TenantId::new("salon");
        let limit = Protection::RateLimit;
        switches.take_up(&[
            Switch { protection: limit, tenant: None, mode: Mode::Shadow, until: None },
            Switch { protection: limit, tenant: Some(salon.clone()), mode: Mode::Off, until: Some(at(10)) },
        ]);
        assert_eq!(switches.mode(limit, Some(&salon), at(9)), Mode::Off);
        assert_eq!(switches.mode(limit, Some(&salon), at(10)), Mode::Shadow);
        assert_eq!(switches.mode(limit, Some(&TenantId::new("other")), at(9)), Mode::Shadow);
        assert_eq!(switches.mode(limit, None, at(9)), Mode::Shadow);
        assert_eq!(switches.mode(Protection::BusinessHours, Some(&salon), at(9)), Mode::On);
    }

    #[test]
    fn what_must_be_on_is_on_whatever_was_set() {
        let switches = Switches::new([Mode::Off; 8]);
        switches.take_up(&[Switch { protection: Protection::ErrorHandling, tenant: None, mode: Mode::Off, until: None }]);
        assert_eq!(switches.mode(Protection::ErrorHandling, None, at(0)), Mode::On);
        assert_eq!(switches.mode(Protection::InputValidation, None, at(0)), Mode::On);
        assert_eq!(switches.mode(Protection::RateLimit, None, at(0)), Mode::Off);
    }

    #[test]
    fn names_are_read_back() {
        for protection in Protection::ALL {
            assert_eq!(Protection::named(protection.name()), Some(protection));
        }
    }

    #[test]
    fn decisions_are_counted_by_mode() {
        let switches = Switches::default();
        switches.count(Protection::RateLimit, false, Mode::Shadow);
        switches.count(Protection::RateLimit, true, Mode::Off);
        let counted: Vec<_> = switches.decisions().into_iter().filter(|(_, _, _, count)| *count > 0).collect();
        assert_eq!(counted, [(Protection::RateLimit, "refuse", Mode::Shadow, 1)]);
    }
}
