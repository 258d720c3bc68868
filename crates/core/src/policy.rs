//! The rules that say no to a start: notice, horizon, hours, closures. One predicate, used by check,
//! alternatives, booking and moving, on every channel.

use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp};

use crate::hours::{Day, bounds_of};
use crate::outcome::{Change, DayInfo, Denial};
use crate::tenant::{Language, Staff, Tenant};

/// Whether business hours refuse, or only count what they would have refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HoursRule {
    /// Outside the hours nothing is offered or booked.
    Enforced,
    /// Hours are looked at, and what they would refuse is counted and served.
    Watched,
    /// Hours are not looked at.
    Ignored,
}

/// Why `start` cannot be booked, or `None` if the rules allow it. The calendar may still say no.
pub fn refuses_start(
    tenant: &Tenant,
    staff: Option<&Staff>,
    start: Timestamp,
    length: SignedDuration,
    hours: HoursRule,
    now: Timestamp,
) -> Option<Denial> {
    let refusal = refuses_moment(tenant, start, now);
    if refusal.is_some() || hours != HoursRule::Enforced {
        return refusal;
    }
    refuses_hours(tenant, staff, start, length)
}

/// Why `start` is too soon or too far away, or `None`.
fn refuses_moment(tenant: &Tenant, start: Timestamp, now: Timestamp) -> Option<Denial> {
    let earliest = now + tenant.policy.min_notice;
    if start < earliest || start <= now {
        return Some(Denial::NoticeTooShort { earliest });
    }
    let latest = now + tenant.policy.horizon;
    (start > latest).then_some(Denial::HorizonExceeded { latest })
}

/// [`refuses_start`] for many starts of one length, in order: what a day looks like is found out once.
#[derive(Debug)]
pub struct Rules<'a> {
    /// Whose rules.
    pub tenant: &'a Tenant,
    /// Whose own hours count, where there are any.
    pub staff: Option<&'a Staff>,
    /// How long each is.
    pub length: SignedDuration,
    /// What the hours do.
    pub hours: HoursRule,
    /// The instant of asking.
    pub now: Timestamp,
    /// The day looked at last, from when to when, exclusive; `None` to begin with.
    pub seen: Option<(Timestamp, Timestamp, Option<Day>)>,
}

impl Rules<'_> {
    /// Whether the rules allow `start`.
    pub fn allow(&mut self, start: Timestamp) -> bool {
        if refuses_moment(self.tenant, start, self.now).is_some() {
            return false;
        }
        if self.hours != HoursRule::Enforced {
            return true;
        }
        if !self.seen.as_ref().is_some_and(|(from, to, _)| *from <= start && start < *to) {
            let date = start.to_zoned_datetime(self.tenant.zone().clone()).date();
            let (from, to) = bounds_of(date, self.tenant.zone()).unwrap_or((start, start));
            self.seen = Some((from, to, day(self.tenant, self.staff, date)));
        }
        match &self.seen {
            Some((_, _, Some(Day::Open(spans)))) => fits(spans, start, self.length),
            Some((_, _, Some(_))) => false,
            Some((_, _, None)) | None => true,
        }
    }
}

fn fits(spans: &[(Timestamp, Timestamp)], start: Timestamp, length: SignedDuration) -> bool {
    let end = start + length;
    spans.iter().any(|(from, to)| *from <= start && end <= *to)
}

/// Why the hours do not allow `start`, or `None`; a tenant without hours follows its calendar's.
pub fn refuses_hours(tenant: &Tenant, staff: Option<&Staff>, start: Timestamp, length: SignedDuration) -> Option<Denial> {
    let date = start.to_zoned_datetime(tenant.zone().clone()).date();
    match day(tenant, staff, date)? {
        Day::Open(spans) => (!fits(&spans, start, length)).then_some(Denial::OutsideBusinessHours { date, open: spans }),
        Day::NoHours => Some(Denial::OutsideBusinessHours { date, open: Vec::new() }),
        Day::Closure(reason) => Some(Denial::Closed { date, reason }),
        Day::Holiday { de, en } => Some(Denial::Closed { date, reason: holiday_name(tenant.language, de, en) }),
    }
}

/// What a day looks like for the business or one of its people; `None` where only closures are known
/// and the calendar's own schedule decides the rest.
pub fn day(tenant: &Tenant, staff: Option<&Staff>, date: Date) -> Option<Day> {
    let own = staff.and_then(|staff| staff.hours.as_ref());
    match &tenant.hours {
        Some(hours) => Some(hours.day(date, &tenant.closures, own, tenant.zone())),
        None => tenant
            .closures
            .iter()
            .find(|closure| closure.from <= date && date <= closure.to)
            .map(|closure| Day::Closure(closure.reason.clone())),
    }
}

/// A day's hours as callers hear of them.
pub fn day_info(tenant: &Tenant, date: Date) -> Option<DayInfo> {
    let (open, reason) = match day(tenant, None, date)? {
        Day::Open(spans) => (spans, String::new()),
        Day::NoHours => (Vec::new(), String::new()),
        Day::Closure(reason) => (Vec::new(), reason),
        Day::Holiday { de, en } => (Vec::new(), holiday_name(tenant.language, de, en)),
    };
    Some(DayInfo { date, open, reason })
}

/// Why an appointment that starts at `start` can no longer be changed, or `None`. Real hours: a
/// change of the clocks in between does not lengthen or shorten the notice.
pub fn refuses_change(tenant: &Tenant, change: Change, start: Timestamp, now: Timestamp) -> Option<Denial> {
    let notice = match change {
        Change::Cancel => tenant.policy.cancel_notice,
        Change::Move => tenant.policy.reschedule_notice,
        Change::Book => return None,
    };
    let deadline = start - notice;
    (now > deadline).then_some(Denial::DeadlineMissed { change, deadline })
}

fn holiday_name(language: Language, de: &str, en: &str) -> String {
    match language {
        Language::De => de.to_owned(),
        Language::En => en.to_owned(),
    }
}
