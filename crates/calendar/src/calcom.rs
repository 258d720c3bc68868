//! Cal.com, API v2: its slots and bookings as the core's calendar port. The tenant's key and address
//! come with each call, so one of these serves all tenants.
//!
//! WHY NOT reserve slots upstream: a reservation there is per event type and does not lock booking, it
//! would hide the slot from our own next question, and booking cannot present it. Our own holds are
//! the truth.
//!
//! WHY NOT repeat a request that failed: there is no idempotency key, and a repeated create looks like
//! "taken". Whoever wants to know what became of it looks the intent up. The one exception is an
//! attendee that was refused as such, see [`contact`].

mod account;
mod bookings;
mod changes;
mod contact;
mod exchange;
mod mask;
mod rejection;
mod slots;
mod wire;

use std::sync::Arc;

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};

use frontdesk_core::account::{AccountAsk, AccountReport, Accounts};
use frontdesk_core::calendar_news::Changes;
use frontdesk_core::clock::Clock;
use frontdesk_core::deadline::Deadline;
use frontdesk_core::ports::{Calendar, CalendarBooking, CalendarError, Free, Journal, NewBooking, SlotAsk};
use frontdesk_core::tenant::Tenant;

use self::exchange::{Account, Exchange};
use crate::guard::Guard;
use crate::reach::Reach;

/// The HTTP client could not be set up.
#[derive(Debug, thiserror::Error)]
#[error("failed to set up the client for calendars")]
pub struct OpenError(#[from] reqwest::Error);

/// Cal.com's calendars.
#[derive(Clone)]
pub struct CalCom {
    exchange: Arc<Exchange>,
    clock: Arc<dyn Clock>,
}

// === impl CalCom ===

impl CalCom {
    /// Sets up the one client that all requests go through; connects to nobody yet.
    ///
    /// # Errors
    /// When TLS cannot be set up, such as on a host without root certificates.
    pub fn open(clock: Arc<dyn Clock>, guard: Arc<Guard>, journal: Arc<dyn Journal>, reach: Reach) -> Result<Self, OpenError> {
        Ok(Self { exchange: Arc::new(Exchange::open(Arc::clone(&clock), guard, journal, reach)?), clock })
    }
}

#[async_trait]
impl Calendar for CalCom {
    /// Always asks; a memory is another calendar's business.
    async fn slots(&self, tenant: &Tenant, ask: &SlotAsk<'_>, deadline: Deadline) -> Result<Free, CalendarError> {
        let starts = slots::list(&self.exchange, &Account::of(tenant)?, tenant, ask, deadline).await?;
        Ok(Free { starts: starts.into(), age: SignedDuration::ZERO })
    }

    async fn create(&self, tenant: &Tenant, new: &NewBooking, deadline: Deadline) -> Result<CalendarBooking, CalendarError> {
        bookings::create(&self.exchange, &Account::of(tenant)?, tenant, new, deadline).await
    }

    async fn find(
        &self,
        tenant: &Tenant,
        wanted: &NewBooking,
        deadline: Deadline,
    ) -> Result<Option<CalendarBooking>, CalendarError> {
        bookings::find(&self.exchange, &Account::of(tenant)?, wanted, deadline).await
    }

    async fn get(&self, tenant: &Tenant, uid: &str, deadline: Deadline) -> Result<Option<CalendarBooking>, CalendarError> {
        bookings::get(&self.exchange, &Account::of(tenant)?, uid, deadline).await
    }

    async fn reschedule(
        &self,
        tenant: &Tenant,
        uid: &str,
        start: Timestamp,
        reason: &str,
        deadline: Deadline,
    ) -> Result<CalendarBooking, CalendarError> {
        bookings::reschedule(&self.exchange, &Account::of(tenant)?, uid, start, reason, deadline).await
    }

    async fn cancel(&self, tenant: &Tenant, uid: &str, reason: &str, deadline: Deadline) -> Result<(), CalendarError> {
        bookings::cancel(&self.exchange, &Account::of(tenant)?, uid, reason, deadline).await
    }
    async fn changes(&self, tenant: &Tenant, since: Timestamp, deadline: Deadline) -> Result<Changes, CalendarError> {
        changes::list(&self.exchange, &Account::of(tenant)?, tenant, since, &*self.clock, deadline).await
    }
}

#[async_trait]
impl Accounts for CalCom {
    async fn examine(&self, tenant: &Tenant, ask: &AccountAsk, deadline: Deadline) -> Option<AccountReport> {
        Some(account::examine(&self.exchange, tenant, ask, deadline).await)
    }
}
