//! Asking calendars for what they told in vain: whose turn it is, and from when on.

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};

use crate::ids::TenantId;
use crate::ports::StoreError;
use crate::tenant::Scope;

/// Somebody's turn to ask a tenant's calendar for what changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PollTurn {
    /// Everything that changed before is known here.
    pub since: Timestamp,
    /// Until when the turn lasts; it is also what the turn is known by.
    pub lease_until: Timestamp,
}

/// How a turn ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PollEnd {
    /// From here on the next one asks.
    pub since: Timestamp,
    /// Nobody asks before.
    pub next: Timestamp,
    /// When the calendar answered, if it did.
    pub answered: Option<Timestamp>,
}

/// How a calendar answers when it is asked for what changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PollRow {
    /// Whose calendar.
    pub tenant: TenantId,
    /// Nobody asks before.
    pub next: Timestamp,
    /// When it was asked first.
    pub begun: Timestamp,
    /// When it last answered.
    pub answered: Option<Timestamp>,
}

/// How far the changes of each calendar are known. One gateway asks at a time.
#[async_trait]
pub trait Polls: Send + Sync {
    /// Takes a turn, if it is time for one and nobody has it; one that ends further ahead than `furthest` is nobody's.
    /// Of a calendar that was never asked it begins at `first`.
    async fn take_poll(
        &self,
        scope: Scope<'_>,
        first: Timestamp,
        now: Timestamp,
        lease: SignedDuration,
        furthest: SignedDuration,
    ) -> Result<Option<PollTurn>, StoreError>;

    /// Ends a turn; whose lease ran out has nothing to say any more.
    async fn end_poll(&self, scope: Scope<'_>, turn: &PollTurn, end: &PollEnd) -> Result<(), StoreError>;

    /// Who was ever asked, over all tenants.
    async fn polls(&self) -> Result<Vec<PollRow>, StoreError>;
}
