//! What is usual: how many calls a tenant's open hours bring, learned from the last weeks, so that silence can
//! be told from a quiet day.

use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp, ToSpan as _};

use crate::hours::Day;
use crate::tenant::Tenant;

/// Fewer in all say nothing about what is usual.
const FEWEST: u64 = 40;
/// Who is known for less time may still be trying things out.
const KNOWN_FOR: SignedDuration = SignedDuration::from_hours(14 * 24);
const HOUR: i64 = 3600;
const HOURS_OF_A_WEEK: usize = 168;

/// How much an open hour usually brings, by the hour of the tenant's week.
#[derive(Debug, Clone, PartialEq)]
pub struct Baseline {
    rates: Vec<f64>,
    total: u64,
    is_known: bool,
}

impl Default for Baseline {
    fn default() -> Self {
        Self { rates: vec![0.0; HOURS_OF_A_WEEK], total: 0, is_known: false }
    }
}

impl Baseline {
    /// Learns from how many came in each hour (its beginning, in Unix seconds) of `[from, to)`. Hours outside the
    /// opening times, holidays and closures count for nothing; a tenant without opening times has no baseline.
    pub fn learn(tenant: &Tenant, arrivals: &[(i64, u64)], from: Timestamp, to: Timestamp) -> Self {
        let mut open = vec![0.0; HOURS_OF_A_WEEK];
        for (begin, end) in openings(tenant, from, to) {
            each_hour(tenant, begin, end, |cell, share| open[cell] += share);
        }
        let mut came = vec![0.0; HOURS_OF_A_WEEK];
        let (mut total, mut first) = (0, to);
        for (hour, count) in arrivals {
            let Ok(at) = Timestamp::from_second(*hour) else { continue };
            if at < from || at >= to || *count == 0 {
                continue;
            }
            came[cell_of(tenant, at)] += *count as f64;
            total += count;
            first = first.min(at);
        }
        let rates = came.iter().zip(&open).map(|(came, open)| if *open > 0.0 { came / open } else { 0.0 }).collect();
        Self { rates, total, is_known: total >= FEWEST && to.duration_since(first) >= KNOWN_FOR }
    }

    /// How many came in all.
    pub fn total(&self) -> u64 {
        self.total
    }

    /// How many would usually have come in `[from, to)`; `None` where nothing is known to be usual.
    pub fn expected(&self, tenant: &Tenant, from: Timestamp, to: Timestamp) -> Option<f64> {
        if !self.is_known {
            return None;
        }
        let mut sum = 0.0;
        for (begin, end) in openings(tenant, from, to) {
            each_hour(tenant, begin, end, |cell, share| sum += self.rates[cell] * share);
        }
        Some(sum)
    }
}

/// Whether the tenant is open; `None` where it says nothing about its hours.
pub(super) fn is_open(tenant: &Tenant, now: Timestamp) -> Option<bool> {
    tenant.hours.as_ref()?;
    Some(!openings(tenant, now, now + SignedDuration::from_secs(1)).is_empty())
}

/// What of `[from, to)` is open, in order.
fn openings(tenant: &Tenant, from: Timestamp, to: Timestamp) -> Vec<(Timestamp, Timestamp)> {
    let Some(hours) = &tenant.hours else { return Vec::new() };
    let zone = tenant.zone();
    let day = |at: Timestamp| at.to_zoned_datetime(zone.clone()).date();
    let mut found = Vec::new();
    let mut date: Date = day(from);
    let last = day(to);
    while date <= last {
        if let Day::Open(spans) = hours.day(date, &tenant.closures, None, zone) {
            let cut = spans.into_iter().map(|(begin, end)| (begin.max(from), end.min(to)));
            found.extend(cut.filter(|(begin, end)| begin < end));
        }
        let Ok(next) = date.checked_add(1.day()) else { break };
        date = next;
    }
    found
}

/// Goes through a stretch hour by hour: the hour of the week, and which share of an hour it is.
fn each_hour(tenant: &Tenant, from: Timestamp, to: Timestamp, mut tell: impl FnMut(usize, f64)) {
    let mut at = from;
    while at < to {
        // Zones that are half an hour off are cut at full hours of UTC all the same; what is learned is asked alike.
        let next = (at.as_second().div_euclid(HOUR) + 1) * HOUR;
        let end = Timestamp::from_second(next).unwrap_or(to).min(to);
        tell(cell_of(tenant, at), end.duration_since(at).as_secs_f64() / HOUR as f64);
        at = end;
    }
}

/// The hour of the tenant's week, Monday's first hour being 0.
fn cell_of(tenant: &Tenant, at: Timestamp) -> usize {
    let local = at.to_zoned_datetime(tenant.zone().clone());
    let day = usize::try_from(local.weekday().to_monday_zero_offset()).unwrap_or(0);
    day * 24 + usize::try_from(local.hour()).unwrap_or(0)
}
