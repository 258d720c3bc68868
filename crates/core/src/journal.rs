//! What was said to calendars and what they answered, for the engineer who has to find out why.

use std::time::Duration;

use jiff::Timestamp;

use crate::ids::TenantId;

/// One exchange with a calendar, as it was.
#[derive(Debug)]
pub struct Told<'a> {
    /// On whose behalf.
    pub tenant: &'a TenantId,
    /// The id of the request that caused it; empty where none did.
    pub request: String,
    /// The account's name in logs.
    pub account: &'a str,
    /// The method.
    pub method: &'a str,
    /// The path without ids.
    pub route: &'a str,
    /// The status, if there was an answer.
    pub status: Option<u16>,
    /// Why there was none.
    pub trouble: Option<&'a str>,
    /// How long it took.
    pub took: Duration,
    /// The body sent, as it was.
    pub sent: &'a [u8],
    /// The body received, as it was.
    pub received: &'a [u8],
    /// A good answer holds nothing worth keeping.
    pub is_plain: bool,
    /// When.
    pub at: Timestamp,
}

/// The same, redacted and kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exchange {
    /// On whose behalf.
    pub tenant: TenantId,
    /// The id of the request that caused it; empty where none did.
    pub request: String,
    /// The account's name in logs.
    pub account: String,
    /// The method.
    pub method: String,
    /// The path without ids.
    pub route: String,
    /// The status, if there was an answer.
    pub status: Option<u16>,
    /// Why there was none.
    pub trouble: Option<String>,
    /// Milliseconds.
    pub took_ms: u64,
    /// The body sent.
    pub sent: String,
    /// The body received.
    pub received: String,
    /// When.
    pub at: Timestamp,
}

/// Keeps exchanges with calendars. It redacts them itself, and nobody waits for it.
pub trait Journal: Send + Sync {
    /// Keeps one.
    fn keep(&self, told: Told<'_>);
}

/// Keeps nothing.
#[derive(Debug, Default, Clone, Copy)]
pub struct NoJournal;

impl Journal for NoJournal {
    fn keep(&self, _told: Told<'_>) {}
}
