//! All rules, over what is observed at one moment.

use jiff::{SignedDuration, Timestamp};

use super::absence::{Baseline, is_open};
use super::counts::{Counts, History};
use super::{Rule, Stand, Thresholds, Verdict};
use crate::breaker::State;
use crate::outbox::OutboxStanding;
use crate::tenant::Tenant;

const MINUTE: SignedDuration = SignedDuration::from_mins(1);
const HOUR: SignedDuration = SignedDuration::from_hours(1);

/// Failures that are no accident where few call.
const FEW_FAILURES: u64 = 3;
/// The share of the answers that they have to be, percent: the shorter the window, the larger.
const FAILING: [(SignedDuration, u64); 3] =
    [(SignedDuration::from_mins(5), 60), (SignedDuration::from_mins(15), 40), (SignedDuration::from_hours(1), 20)];
/// Below these a ratio says nothing.
const ENOUGH_ANSWERS: u64 = 500;
const ENOUGH_FAILURES: u64 = 10;
/// So many slow answers at least; fewer are an accident.
const FEWEST_SLOW: u64 = 5;
/// How many calls have to be missing before silence is one: with a usual number of twenty, none at all comes once
/// in five hundred million; on a day that is half as busy still only once in twenty thousand.
const MISSING_CALLS: f64 = 20.0;
/// The same for bookings, given the calls that came.
const MISSING_BOOKINGS: f64 = 15.0;
/// So many bookings of the last weeks say how many are usual.
const KNOWN_BOOKINGS: u64 = 20;
/// So many calls with events show that an agent sends them.
const KNOWN_CALLS: u64 = 5;
/// Two calls without a word, the older one this old.
const TWO_SILENT: SignedDuration = SignedDuration::from_mins(3);
/// One call without a word.
const ONE_SILENT: SignedDuration = SignedDuration::from_mins(9);
/// So many calls without an end, and the share that they have to be, percent.
const UNFINISHED: u64 = 3;
const UNFINISHED_PERCENT: u64 = 10;

/// A calendar account's breaker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Breaker {
    /// Whose.
    pub account: String,
    /// The worst that any gateway sees.
    pub state: State,
}

/// What is seen of one voice agent.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct AgentSight {
    /// Its id.
    pub agent: String,
    /// When anything was heard of it last, a call or an event.
    pub last_heard: Option<Timestamp>,
    /// Calls of the last weeks of which events came.
    pub calls_with_events: u64,
    /// Calls that began after its newest event and of which none came.
    pub silent_calls: u64,
    /// When the oldest of these began.
    pub silent_since: Option<Timestamp>,
    /// How many calls are usual.
    pub usual: Baseline,
}

/// What is seen of one tenant.
#[derive(Debug, Clone)]
pub struct TenantSight<'a> {
    /// Whose.
    pub tenant: &'a Tenant,
    /// Its agents.
    pub agents: Vec<AgentSight>,
    /// Bookings whose calendar has not answered, and since when the oldest.
    pub unconfirmed: Option<(u64, Timestamp)>,
    /// Composites that could not be put back.
    pub torn: u64,
    /// Of the calls that began in the last hours and must be over by now: all, and those without an end.
    pub should_be_over: (u64, u64),
    /// Calls of the last weeks whose end was told.
    pub ended: u64,
    /// Calls and bookings of the last weeks.
    pub usual: (u64, u64),
    /// Calls since the newest booking.
    pub calls_since_booking: u64,
}

/// What is observed at one moment.
#[derive(Debug, Clone)]
pub struct Sight<'a> {
    /// The moment.
    pub now: Timestamp,
    /// What answers came to.
    pub history: &'a History,
    /// Where the breakers stand.
    pub breakers: Vec<Breaker>,
    /// How many gateways do not reach the shared state.
    pub away: u64,
    /// How the outbox stands.
    pub outbox: OutboxStanding,
    /// The tenants.
    pub tenants: Vec<TenantSight<'a>>,
}

/// What every rule says now.
pub fn judge(sight: &Sight<'_>, bounds: &Thresholds) -> Vec<Verdict> {
    let mut said = vec![
        errors(sight, bounds),
        failing(sight),
        burn(sight, bounds, Rule::BurnRateFast, 14.4, HOUR, MINUTE * 5),
        burn(sight, bounds, Rule::BurnRateSlow, 6.0, HOUR * 6, MINUTE * 30),
        refusals(sight, bounds),
        abuse(sight),
        rejected(sight, bounds),
        response_time(sight, bounds),
        outbox_oldest(sight, bounds),
        dead_letters(sight),
        verdict(Rule::SharedStateAway, "", over(sight.away > 0), || {
            format!("gateways that do not reach it and decide for themselves: {}", sight.away)
        }),
    ];
    for Breaker { account, state } in &sight.breakers {
        let stand = match state {
            State::Open => Stand::Over,
            State::HalfOpen => Stand::Unsure,
            State::Closed => Stand::Under,
        };
        said.push(verdict(Rule::BreakerOpen, account, stand, || format!("the breaker is {}", state.as_str())));
    }
    for it in &sight.tenants {
        said.extend([unconfirmed(sight, it, bounds), torn(it), without_end(it, bounds)]);
        if bounds.absences {
            said.extend(it.agents.iter().flat_map(|agent| [no_events(sight, it, agent), silent(sight, it, agent)]));
            said.push(no_bookings(sight, it));
        }
    }
    said
}

fn verdict(rule: Rule, subject: &str, stand: Stand, evidence: impl FnOnce() -> String) -> Verdict {
    // Nobody reads what there is to say of what is as it should be.
    let evidence = if stand == Stand::Under { String::new() } else { evidence() };
    Verdict { rule, subject: subject.to_owned(), stand, evidence }
}

fn over(is_over: bool) -> Stand {
    if is_over { Stand::Over } else { Stand::Under }
}

/// Over the bound; at most half of it is under it; between the two, what was stays.
fn beyond(found: u64, most: u64) -> Stand {
    match found {
        found if found > most => Stand::Over,
        found if found * 2 > most => Stand::Unsure,
        _ => Stand::Under,
    }
}

/// A duration as people say it.
fn span(span: SignedDuration) -> String {
    match span.as_secs().max(0) {
        seconds if seconds < 120 => format!("{seconds} s"),
        seconds if seconds < 120 * 60 => format!("{} min", seconds / 60),
        seconds if seconds < 48 * 3600 => format!("{} h", seconds / 3600),
        seconds => format!("{} days", seconds / 86_400),
    }
}

fn errors(sight: &Sight<'_>, bounds: &Thresholds) -> Verdict {
    let counts = sight.history.window(sight.now, MINUTE * 5);
    let (failed, lines) = (counts.failed(), counts.lines);
    // One fault is an answer that failed, or a line in the log, or both: it is not counted twice.
    verdict(Rule::Errors, "", beyond(failed.max(lines), bounds.errors_5m), || {
        format!("in 5 min: {failed} answers failed, {lines} lines of ERROR; more than {} are too many", bounds.errors_5m)
    })
}

fn failing(sight: &Sight<'_>) -> Verdict {
    let share = |it: &Counts| it.failed() * 100 / it.callers.answers.max(1);
    let windows = FAILING.map(|(long, percent)| (long, percent, sight.history.window(sight.now, long)));
    let found = windows.iter().find(|(_, percent, it)| it.failed() >= FEW_FAILURES && share(it) >= *percent);
    let [_, _, (_, _, all)] = &windows;
    let (long, _, counts) = found.unwrap_or(&windows[2]);
    let stand = match (found, all.failed()) {
        (Some(_), _) => Stand::Over,
        (None, 0 | 1) => Stand::Under,
        (None, _) if share(all) * 2 < FAILING[2].1 => Stand::Under,
        (None, _) => Stand::Unsure,
    };
    verdict(Rule::Failing, "", stand, || {
        let (failed, answers) = (counts.failed(), counts.callers.answers);
        format!("in {}: {failed} of {answers} answers failed ({} %)", span(*long), share(counts))
    })
}

/// The allowance of failures is used up `factor` times as fast as it may be, over a long window, and still over a
/// short one: the standard of the field, <https://sre.google/workbook/alerting-on-slos/>, chapter 5, whose first two
/// rows these are (2 % of a month's allowance in an hour, 5 % in six). It warns that ratios of few are none.
fn burn(sight: &Sight<'_>, bounds: &Thresholds, rule: Rule, factor: f64, long: SignedDuration, short: SignedDuration) -> Verdict {
    let (wide, near) = (sight.history.window(sight.now, long), sight.history.window(sight.now, short));
    let rate = |it: &Counts| it.failed() as f64 * 1e6 / it.callers.answers.max(1) as f64 / f64::from(bounds.budget_ppm.max(1));
    let (slow, fast) = (rate(&wide), rate(&near));
    let is_enough = wide.callers.answers >= ENOUGH_ANSWERS && wide.failed() >= ENOUGH_FAILURES;
    verdict(rule, "", over(is_enough && slow >= factor && fast >= factor), || {
        format!(
            "failures are {slow:.1} times as many as are allowed over {} ({} of {} answers), {fast:.1} times over {}; {factor} are too many",
            span(long),
            wide.failed(),
            wide.callers.answers,
            span(short)
        )
    })
}

fn refusals(sight: &Sight<'_>, bounds: &Thresholds) -> Verdict {
    let refused = sight.history.window(sight.now, HOUR).refused;
    verdict(Rule::Refusals, "", beyond(refused, bounds.refusals_1h), || {
        format!("refusals by a limit in 1 h: {refused}; more than {} are too many", bounds.refusals_1h)
    })
}

fn abuse(sight: &Sight<'_>) -> Verdict {
    let Counts { abuses, .. } = sight.history.window(sight.now, HOUR);
    verdict(Rule::Abuse, "", over(abuses > 0), || {
        format!(
            "limits that somebody ran into ten times within an hour, in the last hour: {abuses}; `frontdesk limits show` names them"
        )
    })
}

fn rejected(sight: &Sight<'_>, bounds: &Thresholds) -> Verdict {
    let Counts { rejected, .. } = sight.history.window(sight.now, MINUTE * 5);
    verdict(Rule::Rejected, "", beyond(rejected, bounds.rejected_5m.saturating_sub(1)), || {
        format!("requests of platforms and calendars in 5 min whose signature or key is not right: {rejected}")
    })
}

/// The 95th percentile is over the bound when more than one answer of twenty is slower. With few answers that is
/// said only where chance does not explain it: by the lower end of Wilson's interval, and five at least. Where there
/// are few the window is longer.
fn response_time(sight: &Sight<'_>, bounds: &Thresholds) -> Verdict {
    let near = sight.history.window(sight.now, MINUTE * 5);
    let (counts, minutes) = if near.callers.answers >= 20 { (near, 5) } else { (sight.history.window(sight.now, HOUR), 60) };
    let (slow, answers) = (counts.slower_than(bounds.response_time), counts.callers.answers);
    let stand = match slow {
        FEWEST_SLOW.. if lower_end(slow, answers) > 0.05 => Stand::Over,
        FEWEST_SLOW.. if slow * 20 > answers => Stand::Unsure,
        _ => Stand::Under,
    };
    verdict(Rule::ResponseTime, "", stand, || {
        let p95 = match counts.callers.within_ms(95) {
            Some(u64::MAX) | None => "longer than any bound".to_owned(),
            Some(ms) => format!("at most {ms} ms"),
        };
        let bound = bounds.response_time.as_millis();
        format!("in {minutes} min: {slow} of {answers} answers took longer than {bound} ms; 95 of 100 took {p95}")
    })
}

/// Wilson's 95 % interval for a share, its lower end.
fn lower_end(some: u64, all: u64) -> f64 {
    if all == 0 {
        return 0.0;
    }
    let (n, z) = (all as f64, 1.96);
    let share = some as f64 / n;
    let centre = share + z * z / (2.0 * n);
    let reach = z * (share * (1.0 - share) / n + z * z / (4.0 * n * n)).sqrt();
    (centre - reach) / (1.0 + z * z / n)
}

fn outbox_oldest(sight: &Sight<'_>, bounds: &Thresholds) -> Verdict {
    let age = sight.outbox.oldest.map_or(SignedDuration::ZERO, |at| sight.now.duration_since(at));
    verdict(Rule::OutboxOldest, "", over(age > bounds.outbox_age), || {
        format!("deliveries that wait: {}; the oldest for {}", sight.outbox.waiting, span(age))
    })
}

fn dead_letters(sight: &Sight<'_>) -> Verdict {
    let dead = sight.outbox.dead;
    verdict(Rule::DeadLetters, "", over(dead > 0), || format!("deliveries that were given up: {dead}"))
}

fn unconfirmed(sight: &Sight<'_>, it: &TenantSight<'_>, bounds: &Thresholds) -> Verdict {
    let age = it.unconfirmed.map_or(SignedDuration::ZERO, |(_, since)| sight.now.duration_since(since));
    verdict(Rule::Unconfirmed, it.tenant.slug.as_str(), over(age > bounds.unconfirmed), || {
        let count = it.unconfirmed.map_or(0, |(count, _)| count);
        format!("bookings and changes that the calendar has not confirmed: {count}; the oldest for {}", span(age))
    })
}

fn torn(it: &TenantSight<'_>) -> Verdict {
    verdict(Rule::CompensationFailed, it.tenant.slug.as_str(), over(it.torn > 0), || {
        format!("composites of which a part stands and another does not: {}", it.torn)
    })
}

fn without_end(it: &TenantSight<'_>, bounds: &Thresholds) -> Verdict {
    let (all, unfinished) = it.should_be_over;
    let share = unfinished * 100 / all.max(1);
    // Who never told of an end has nobody who could; `frontdesk health` says so.
    let is_over = it.ended >= KNOWN_CALLS && unfinished >= UNFINISHED && share >= UNFINISHED_PERCENT;
    verdict(Rule::CallsWithoutEnd, it.tenant.slug.as_str(), over(is_over), || {
        format!("of {all} calls that began more than {} ago, {unfinished} have no end", span(bounds.longest_call))
    })
}

/// Silence is none outside the opening times: what fires goes on, and nothing begins to.
fn in_hours(sight: &Sight<'_>, it: &TenantSight<'_>, stand: Stand) -> Stand {
    match (stand, is_open(it.tenant, sight.now)) {
        (Stand::Over, Some(false)) => Stand::Unsure,
        _ => stand,
    }
}

fn no_events(sight: &Sight<'_>, it: &TenantSight<'_>, agent: &AgentSight) -> Verdict {
    let age = agent.silent_since.map_or(SignedDuration::ZERO, |since| sight.now.duration_since(since));
    let stand = match agent.silent_calls {
        0 => Stand::Under,
        _ if agent.calls_with_events < KNOWN_CALLS => Stand::Under,
        1 if age < ONE_SILENT => Stand::Unsure,
        _ if age < TWO_SILENT => Stand::Unsure,
        _ => Stand::Over,
    };
    verdict(Rule::NoEvents, &agent.agent, in_hours(sight, it, stand), || {
        format!("calls of which the platform told nothing: {}, the first one {} ago", agent.silent_calls, span(age))
    })
}

fn silent(sight: &Sight<'_>, it: &TenantSight<'_>, agent: &AgentSight) -> Verdict {
    let since = agent.last_heard.unwrap_or(sight.now);
    // A call every few minutes makes the sum below needless.
    let is_recent = sight.now.duration_since(since) < MINUTE * 5;
    let is_closed = is_open(it.tenant, sight.now) == Some(false);
    let missing = if is_recent || is_closed { None } else { agent.usual.expected(it.tenant, since, sight.now) };
    let stand = match missing {
        None if is_closed && !is_recent => Stand::Unsure,
        Some(missing) if missing >= MISSING_CALLS => Stand::Over,
        Some(missing) if missing >= MISSING_CALLS / 2.0 => Stand::Unsure,
        _ => Stand::Under,
    };
    verdict(Rule::SilentAgent, &agent.agent, stand, || {
        let (ago, missing) = (span(sight.now.duration_since(since)), missing.unwrap_or_default());
        format!("nothing was heard for {ago}; in that time {missing:.0} calls are usual")
    })
}

fn no_bookings(sight: &Sight<'_>, it: &TenantSight<'_>) -> Verdict {
    let (calls, bookings) = it.usual;
    let usual = bookings as f64 / calls.max(1) as f64;
    let missing = it.calls_since_booking as f64 * usual.min(1.0);
    let stand = match missing {
        _ if bookings < KNOWN_BOOKINGS => Stand::Under,
        missing if missing >= MISSING_BOOKINGS => Stand::Over,
        missing if missing >= MISSING_BOOKINGS / 2.0 => Stand::Unsure,
        _ => Stand::Under,
    };
    verdict(Rule::NoBookings, it.tenant.slug.as_str(), in_hours(sight, it, stand), || {
        format!("{} calls since the newest booking; {missing:.0} of them usually book", it.calls_since_booking)
    })
}
