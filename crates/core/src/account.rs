//! The account that a tenant's appointments are kept in, as it answers when nobody books: what health asks.

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};

use crate::deadline::Deadline;
use crate::ports::CalendarError;
use crate::tenant::Tenant;

/// What is asked of an account.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AccountAsk {
    /// Event types that have to be there.
    pub event_types: Vec<i64>,
    /// The stretches in which free times are listed, to see which offsets the calendar's time zones have.
    pub offsets_in: Vec<(Timestamp, Timestamp)>,
}

/// How an account answered.
#[derive(Debug, Clone)]
pub struct AccountReport {
    /// What the account is called in limits, breakers and logs.
    pub account: String,
    /// Whether its key is accepted.
    pub key: Result<(), CalendarError>,
    /// How far the calendar's clock is ahead of ours, if it said what time it is; to a second.
    pub ahead: Option<SignedDuration>,
    /// What the calendar says is left of the minute's requests, and of how many.
    pub budget: Option<(u32, u32)>,
    /// The event types that were asked for, with their length in minutes; `None` is one that is not there.
    pub event_types: Result<Vec<(i64, Option<u32>)>, CalendarError>,
    /// Free times with the calendar's offset from UTC there, seconds.
    pub offsets: Result<Vec<(Timestamp, i32)>, CalendarError>,
}

/// Looks at accounts. Nothing is changed there, and what is asked gives way to callers.
#[async_trait]
pub trait Accounts: Send + Sync {
    /// Asks the tenant's account; `None` where the calendar is our own.
    async fn examine(&self, tenant: &Tenant, ask: &AccountAsk, deadline: Deadline) -> Option<AccountReport>;
}
