//! The calendar of each tenant: the only place that looks at the kind.

use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;

use frontdesk_core::account::{AccountAsk, AccountReport, Accounts};
use frontdesk_core::calendar_news::Changes;
use frontdesk_core::clock::Clock;
use frontdesk_core::deadline::Deadline;
use frontdesk_core::ports::{Calendar, CalendarBooking, CalendarError, Free, Journal, NewBooking, SlotAsk};
use frontdesk_core::protection::Switches;
use frontdesk_core::tenant::{CalendarKind, Scope, Tenant};

use crate::builtin::BuiltinCalendar;
use crate::cached::Cached;
use crate::calcom::{CalCom, OpenError};
use crate::guard::Guard;
use crate::parts;
use crate::reach::Reach;

/// All calendars behind one port.
pub struct Calendars {
    builtin: BuiltinCalendar,
    calcom: Cached,
    /// Where accounts are looked at; nowhere in a calendar of tests.
    accounts: Option<CalCom>,
}

/// The calendars as the service runs them: the built-in one, and Cal.com with a memory.
///
/// # Errors
/// When the HTTP client cannot be set up, such as on a host without root certificates.
pub fn open(
    clock: Arc<dyn Clock>,
    switches: Arc<Switches>,
    guard: Arc<Guard>,
    journal: Arc<dyn Journal>,
    reach: Reach,
) -> Result<Arc<Calendars>, OpenError> {
    let calcom = CalCom::open(Arc::clone(&clock), guard, journal, reach)?;
    let accounts = Some(calcom.clone());
    Ok(Arc::new(Calendars { accounts, ..Calendars::over(Arc::new(calcom), clock, switches) }))
}

// === impl Calendars ===

impl Calendars {
    /// Puts the memory over `calcom`, which may itself be guarded by limits or a breaker: what is
    /// answered from memory then costs neither.
    pub fn over(calcom: Arc<dyn Calendar>, clock: Arc<dyn Clock>, switches: Arc<Switches>) -> Self {
        Self { builtin: BuiltinCalendar, calcom: Cached::over(calcom, clock, switches), accounts: None }
    }

    /// Drops what is remembered of a tenant's free times: something has changed them.
    pub fn forget(&self, scope: Scope<'_>) {
        self.calcom.forget(scope);
    }

    fn of(&self, tenant: &Tenant) -> &dyn Calendar {
        match tenant.calendar {
            CalendarKind::Builtin => &self.builtin,
            CalendarKind::Calcom { .. } => &self.calcom,
        }
    }
}

#[async_trait]
impl Calendar for Calendars {
    async fn slots(&self, tenant: &Tenant, ask: &SlotAsk<'_>, deadline: Deadline) -> Result<Free, CalendarError> {
        let calendar = self.of(tenant);
        if ask.line.parts.is_empty() {
            calendar.slots(tenant, ask, deadline).await
        } else {
            parts::slots(calendar, tenant, ask, deadline).await
        }
    }

    async fn create(&self, tenant: &Tenant, new: &NewBooking, deadline: Deadline) -> Result<CalendarBooking, CalendarError> {
        self.of(tenant).create(tenant, new, deadline).await
    }

    async fn find(
        &self,
        tenant: &Tenant,
        wanted: &NewBooking,
        deadline: Deadline,
    ) -> Result<Option<CalendarBooking>, CalendarError> {
        self.of(tenant).find(tenant, wanted, deadline).await
    }

    async fn get(&self, tenant: &Tenant, uid: &str, deadline: Deadline) -> Result<Option<CalendarBooking>, CalendarError> {
        self.of(tenant).get(tenant, uid, deadline).await
    }

    async fn reschedule(
        &self,
        tenant: &Tenant,
        uid: &str,
        start: Timestamp,
        reason: &str,
        deadline: Deadline,
    ) -> Result<CalendarBooking, CalendarError> {
        self.of(tenant).reschedule(tenant, uid, start, reason, deadline).await
    }

    async fn cancel(&self, tenant: &Tenant, uid: &str, reason: &str, deadline: Deadline) -> Result<(), CalendarError> {
        self.of(tenant).cancel(tenant, uid, reason, deadline).await
    }
    async fn changes(&self, tenant: &Tenant, since: Timestamp, deadline: Deadline) -> Result<Changes, CalendarError> {
        self.of(tenant).changes(tenant, since, deadline).await
    }
}

#[async_trait]
impl Accounts for Calendars {
    async fn examine(&self, tenant: &Tenant, ask: &AccountAsk, deadline: Deadline) -> Option<AccountReport> {
        match (&tenant.calendar, &self.accounts) {
            (CalendarKind::Calcom { .. }, Some(accounts)) => accounts.examine(tenant, ask, deadline).await,
            (CalendarKind::Builtin, _) | (_, None) => None,
        }
    }
}
