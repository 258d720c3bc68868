//! The built-in calendar: opening hours on a grid. The diary is its store, so it remembers nothing;
//! the desk subtracts what the diary blocks.

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};

use frontdesk_core::deadline::Deadline;
use frontdesk_core::hours::Day;
use frontdesk_core::policy;
use frontdesk_core::ports::{Calendar, CalendarBooking, CalendarError, Free, NewBooking, SlotAsk, Standing};
use frontdesk_core::tenant::Tenant;

/// The distance between two starts, from the opening of each span on.
const GRID: SignedDuration = SignedDuration::from_mins(15);
/// No question looks further than this; a longer one is cut.
const MOST_DAYS: usize = 400;

/// Agrees to everything: whether a time is taken is decided by the diary.
#[derive(Debug, Clone, Copy, Default)]
pub struct BuiltinCalendar;

#[async_trait]
impl Calendar for BuiltinCalendar {
    async fn slots(&self, tenant: &Tenant, ask: &SlotAsk<'_>, _deadline: Deadline) -> Result<Free, CalendarError> {
        Ok(Free { starts: grid(tenant, ask)?.into(), age: SignedDuration::ZERO })
    }

    async fn create(&self, _tenant: &Tenant, new: &NewBooking, _deadline: Deadline) -> Result<CalendarBooking, CalendarError> {
        Ok(CalendarBooking {
            uid: new.booking.as_str().to_owned(),
            standing: Standing::Accepted,
            start: new.start,
            hosts: Vec::new(),
            intent: Some(new.intent.as_str().to_owned()),
            part: new.part,
            moved_to: None,
            ical_uid: None,
        })
    }

    /// Always `None`: what stands is in the diary.
    async fn find(
        &self,
        _tenant: &Tenant,
        _wanted: &NewBooking,
        _deadline: Deadline,
    ) -> Result<Option<CalendarBooking>, CalendarError> {
        Ok(None)
    }

    /// Always `None`: what stands is in the diary.
    async fn get(&self, _tenant: &Tenant, _uid: &str, _deadline: Deadline) -> Result<Option<CalendarBooking>, CalendarError> {
        Ok(None)
    }

    async fn reschedule(
        &self,
        _tenant: &Tenant,
        uid: &str,
        start: Timestamp,
        _reason: &str,
        _deadline: Deadline,
    ) -> Result<CalendarBooking, CalendarError> {
        Ok(CalendarBooking {
            uid: uid.to_owned(),
            standing: Standing::Accepted,
            start,
            hosts: Vec::new(),
            intent: None,
            part: None,
            moved_to: None,
            ical_uid: None,
        })
    }

    async fn cancel(&self, _tenant: &Tenant, _uid: &str, _reason: &str, _deadline: Deadline) -> Result<(), CalendarError> {
        Ok(())
    }
}

fn grid(tenant: &Tenant, ask: &SlotAsk<'_>) -> Result<Vec<Timestamp>, CalendarError> {
    if tenant.hours.is_none() {
        return Err(CalendarError::Misconfigured { detail: "the built-in calendar needs opening hours".to_owned() });
    }
    let staff = ask.line.staff.as_deref().and_then(|name| tenant.staff_member(name));
    let length = ask.service.duration();
    let first = ask.from.to_zoned_datetime(tenant.zone().clone()).date();
    let last = ask.to.to_zoned_datetime(tenant.zone().clone()).date();
    let mut starts = Vec::new();
    for date in first.series(jiff::Span::new().days(1)).take_while(|date| *date <= last).take(MOST_DAYS) {
        let Some(Day::Open(spans)) = policy::day(tenant, staff, date) else { continue };
        for (opens, closes) in spans {
            let mut start = opens;
            while start + length <= closes {
                if ask.from <= start && start < ask.to {
                    starts.push(start);
                }
                start += GRID;
            }
        }
    }
    // Nobody enforces the hours: the start that was asked for is as good as one of the grid.
    if let Some(also) = ask.also.filter(|also| ask.from <= *also && *also < ask.to && also.as_second() % GRID.as_secs() == 0) {
        starts.push(also);
    }
    starts.sort_unstable();
    starts.dedup();
    Ok(starts)
}
