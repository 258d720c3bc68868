//! What the calendar made of a request: every answer that leaves a doubt is looked up before anything is
//! concluded.

use std::time::Duration;

use jiff::Timestamp;

use super::Desk;
use crate::deadline::Deadline;
use crate::ports::{CalendarBooking, CalendarError, NewBooking, Refusal, Standing};
use crate::tenant::Tenant;

/// A look-up right after a write may ask a copy that has not seen it: look again after this.
const LOOK_AGAIN: Duration = Duration::from_millis(400);

/// What the calendar made of a request to create a booking, after every doubt was looked up.
pub(super) enum Made {
    /// It is there; its standing says how.
    There(CalendarBooking),
    /// It was refused and is not there.
    Refused { refusal: Refusal, detail: String },
    /// Not known.
    Unknown(String),
}

/// What the calendar made of a request to cancel a booking.
pub(super) enum Ended {
    /// It does not stand.
    Gone,
    /// It stands, for this reason.
    Stands(CalendarError),
    /// Not known.
    Unknown(CalendarError),
}

impl Desk {
    /// Asks for a booking once, and looks it up before any conclusion but a plain yes.
    pub(super) async fn make(&self, tenant: &Tenant, new: &NewBooking, deadline: Deadline) -> Made {
        match self.parts.calendar.create(tenant, new, deadline).await {
            Ok(booking) => Made::There(booking),
            Err(CalendarError::Refused { refusal, detail }) => match self.look_up(tenant, new, deadline).await {
                Ok(Some(found)) => Made::There(found),
                Ok(None) => Made::Refused { refusal, detail },
                Err(error) => Made::Unknown(error.to_string()),
            },
            Err(error) => match self.look_up(tenant, new, deadline).await {
                Ok(Some(found)) => Made::There(found),
                Ok(None) | Err(_) => Made::Unknown(error.to_string()),
            },
        }
    }

    /// Looks for the intent id, twice if it is not there at once.
    async fn look_up(
        &self,
        tenant: &Tenant,
        new: &NewBooking,
        deadline: Deadline,
    ) -> Result<Option<CalendarBooking>, CalendarError> {
        if let Some(found) = self.parts.calendar.find(tenant, new, deadline).await? {
            return Ok(Some(found));
        }
        tokio::time::sleep(LOOK_AGAIN.min(deadline.remaining())).await;
        self.parts.calendar.find(tenant, new, deadline).await
    }

    /// The successor of a booking, if it was moved to `start`.
    pub(super) async fn moved(
        &self,
        tenant: &Tenant,
        uid: &str,
        start: Timestamp,
        deadline: Deadline,
    ) -> Result<Option<CalendarBooking>, CalendarError> {
        let Some(booking) = self.parts.calendar.get(tenant, uid, deadline).await? else { return Ok(None) };
        if booking.start == start && booking.standing == Standing::Accepted {
            return Ok(Some(booking));
        }
        let Some(successor) = &booking.moved_to else { return Ok(None) };
        let next = self.parts.calendar.get(tenant, successor, deadline).await?;
        Ok(next.filter(|next| next.start == start))
    }

    /// Asks for a booking to be cancelled, and looks it up before any conclusion but a plain yes.
    pub(super) async fn end(&self, tenant: &Tenant, uid: &str, reason: &str, deadline: Deadline) -> Ended {
        match self.parts.calendar.cancel(tenant, uid, reason, deadline).await {
            Ok(()) | Err(CalendarError::Refused { refusal: Refusal::AlreadyCancelled | Refusal::NoSuchBooking, .. }) => {
                Ended::Gone
            }
            Err(error) => match self.parts.calendar.get(tenant, uid, deadline).await {
                Ok(None) => Ended::Gone,
                Ok(Some(booking)) if matches!(booking.standing, Standing::Cancelled | Standing::Rejected) => Ended::Gone,
                Ok(Some(_)) => Ended::Stands(error),
                Err(_) => Ended::Unknown(error),
            },
        }
    }
}
