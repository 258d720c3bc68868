//! When a person is told: rules over what is observed, and whether each of them fires.
//!
//! A rule is a pure function of observations and of the time that is passed in; [`judge()`] is all of them.
//! [`next`] turns its verdicts into alerts that fire once, hold while they are in doubt, and end when it has
//! been calm for a while. Counts alone decide where few call, ratios only where many do, and silence counts
//! only where sound is usual.
//!
//! An alert holds numbers, times and the names of agents, accounts and tenants: never a person's data.

mod absence;
mod counts;
mod judge;
mod state;
#[cfg(test)]
mod tests;
mod words;

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::outbox::Channel;

pub use absence::Baseline;
pub use counts::{Counts, History, SLOT};
pub use judge::{AgentSight, Breaker, Sight, TenantSight, judge};
pub use state::{Alert, Change, Silence, next};
pub use words::{letter, said};

/// How loud an alert is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Level {
    /// A fault of the service or of ours.
    Error,
    /// Callers are being lost, or data is at risk.
    Critical,
}

impl Level {
    /// The contract's word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Error => "ERROR",
            Self::Critical => "CRITICAL",
        }
    }
}

/// What is watched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rule {
    /// Too many errors within five minutes.
    Errors,
    /// Where few call: several failures within an hour, and a share of the answers that is no accident.
    Failing,
    /// Where many call: the month's allowance of failures would be gone in two days.
    BurnRateFast,
    /// Where many call: it would be gone in five.
    BurnRateSlow,
    /// Too many refusals by a limit within an hour.
    Refusals,
    /// Somebody ran into one limit again and again.
    Abuse,
    /// Requests that could not prove whose they are.
    Rejected,
    /// A calendar account is left alone.
    BreakerOpen,
    /// More than one answer of twenty is slower than it should be.
    ResponseTime,
    /// Replicas decide for themselves.
    SharedStateAway,
    /// A delivery waits for too long.
    OutboxOldest,
    /// Deliveries were given up.
    DeadLetters,
    /// A calendar has not said what became of a booking.
    Unconfirmed,
    /// A composite is half booked and could not be put back.
    CompensationFailed,
    /// Calls whose end is not told.
    CallsWithoutEnd,
    /// An agent's calls come, and its events do not.
    NoEvents,
    /// Nothing at all is heard of an agent that is usually busy.
    SilentAgent,
    /// Calls come as usual, and none of them ends in a booking.
    NoBookings,
}

impl Rule {
    /// All of them.
    pub const ALL: [Self; 18] = [
        Self::Errors,
        Self::Failing,
        Self::BurnRateFast,
        Self::BurnRateSlow,
        Self::Refusals,
        Self::Abuse,
        Self::Rejected,
        Self::BreakerOpen,
        Self::ResponseTime,
        Self::SharedStateAway,
        Self::OutboxOldest,
        Self::DeadLetters,
        Self::Unconfirmed,
        Self::CompensationFailed,
        Self::CallsWithoutEnd,
        Self::NoEvents,
        Self::SilentAgent,
        Self::NoBookings,
    ];

    /// The name, as stored, shown and silenced.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Errors => "errors",
            Self::Failing => "failing",
            Self::BurnRateFast => "burn_rate_fast",
            Self::BurnRateSlow => "burn_rate_slow",
            Self::Refusals => "refusals",
            Self::Abuse => "abuse",
            Self::Rejected => "rejected",
            Self::BreakerOpen => "breaker_open",
            Self::ResponseTime => "response_time",
            Self::SharedStateAway => "shared_state_away",
            Self::OutboxOldest => "outbox_oldest",
            Self::DeadLetters => "dead_letters",
            Self::Unconfirmed => "unconfirmed",
            Self::CompensationFailed => "compensation_failed",
            Self::CallsWithoutEnd => "calls_without_end",
            Self::NoEvents => "no_events",
            Self::SilentAgent => "silent_agent",
            Self::NoBookings => "no_bookings",
        }
    }

    /// The rule of that name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|rule| rule.as_str() == name)
    }

    /// How loud it is.
    pub fn level(self) -> Level {
        match self {
            Self::BreakerOpen
            | Self::BurnRateFast
            | Self::Abuse
            | Self::SharedStateAway
            | Self::CompensationFailed
            | Self::SilentAgent
            | Self::NoEvents => Level::Critical,
            Self::Errors
            | Self::Failing
            | Self::BurnRateSlow
            | Self::Refusals
            | Self::Rejected
            | Self::ResponseTime
            | Self::OutboxOldest
            | Self::DeadLetters
            | Self::Unconfirmed
            | Self::CallsWithoutEnd
            | Self::NoBookings => Level::Error,
        }
    }

    /// It has to have been calm for so long before it is over.
    pub fn calm(self) -> SignedDuration {
        match self {
            // What trickles is one alert and not one for each drop.
            Self::Errors
            | Self::Failing
            | Self::BurnRateFast
            | Self::BurnRateSlow
            | Self::Refusals
            | Self::Rejected
            | Self::ResponseTime => SignedDuration::from_mins(5),
            // A breaker tries and opens again, a network comes and goes.
            Self::BreakerOpen | Self::SharedStateAway | Self::OutboxOldest => SignedDuration::from_mins(2),
            Self::Abuse
            | Self::DeadLetters
            | Self::Unconfirmed
            | Self::CompensationFailed
            | Self::CallsWithoutEnd
            | Self::NoEvents
            | Self::SilentAgent
            | Self::NoBookings => SignedDuration::from_mins(1),
        }
    }
}

/// From where on a rule fires. The defaults are those of an empty configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Thresholds {
    /// More errors within five minutes.
    pub errors_5m: u64,
    /// More refusals within an hour.
    pub refusals_1h: u64,
    /// As many within five minutes.
    pub rejected_5m: u64,
    /// What is slower is slow; as fine as the buckets of [`crate::vitals::BOUNDS_MS`] are, rounded up.
    pub response_time: Duration,
    /// Failures per million answers that are allowed.
    pub budget_ppm: u32,
    /// How long a delivery may wait.
    pub outbox_age: SignedDuration,
    /// How long a calendar may leave a booking open.
    pub unconfirmed: SignedDuration,
    /// How long a call may last.
    pub longest_call: SignedDuration,
    /// Whether silence is looked at.
    pub absences: bool,
}

impl Default for Thresholds {
    fn default() -> Self {
        Self {
            errors_5m: 5,
            refusals_1h: 50,
            rejected_5m: 10,
            response_time: Duration::from_secs(1),
            budget_ppm: 1_000,
            outbox_age: SignedDuration::from_mins(15),
            unconfirmed: SignedDuration::from_mins(5),
            longest_call: SignedDuration::from_hours(1),
            absences: true,
        }
    }
}

/// What a rule says of a subject now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// Which rule.
    pub rule: Rule,
    /// About what; empty is the deployment. An agent, an account, a tenant.
    pub subject: String,
    /// Whether it is over its bound.
    pub stand: Stand,
    /// One sentence of numbers; what was seen.
    pub evidence: String,
}

/// Whether a rule is over its bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stand {
    /// It fires.
    Over,
    /// Whatever it did before, it does: nobody can say yet.
    Unsure,
    /// It does not fire.
    Under,
}

/// An alert as it travels to receivers, and as its delivery is written down.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notice {
    /// Which rule.
    pub rule: Rule,
    /// About what.
    pub subject: String,
    /// What was seen.
    pub evidence: String,
    /// When it fired.
    pub fired_at: Timestamp,
    /// When it was over; `None` while it is not.
    pub resolved_at: Option<Timestamp>,
}

impl Notice {
    /// What a receiver tells repeats by: the same alert, fired or over, to the same receiver has the same one.
    pub fn key(&self, channel: Channel, target: &str) -> String {
        let state = if self.resolved_at.is_some() { "resolved" } else { "fired" };
        let fired = self.fired_at.as_millisecond().to_string();
        let text = [self.rule.as_str(), &self.subject, &fired, state, channel.as_str(), target].join("\n");
        let digest = ring::digest::digest(&ring::digest::SHA256, text.as_bytes());
        let hex: String = digest.as_ref().iter().take(16).map(|byte| format!("{byte:02x}")).collect();
        format!("evt_{hex}")
    }

    /// What deliveries of one alert are kept in order by.
    pub fn ordering(&self) -> String {
        format!("{} {}", self.rule.as_str(), self.subject).trim_end().to_owned()
    }
}
