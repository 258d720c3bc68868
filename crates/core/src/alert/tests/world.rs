//! Businesses with callers, and what a gateway observes of them, by chance that repeats.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp};

use crate::alert::{
    AgentSight, Alert, Baseline, Breaker, Change, Counts, History, Rule, Sight, TenantSight, Thresholds, Verdict, judge, next,
};
use crate::breaker::State;
use crate::hours::{Closure, Holidays, OpeningHours, Span, WeekHours};
use crate::ids::TenantId;
use crate::meter::About;
use crate::outbox::OutboxStanding;
use crate::tenant::{CalendarKind, Language, Notify, Policy, Tenant, TenantSecrets, Zone};
use crate::vitals::{Limited, Pulse};

const DAY: SignedDuration = SignedDuration::from_hours(24);
/// The weeks that a baseline is learned from.
const WEEKS: SignedDuration = SignedDuration::from_hours(28 * 24);

/// Chance that repeats: splitmix64.
pub(super) struct Chance(pub(super) u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Between 0 and 1, never 0.
    pub(super) fn share(&mut self) -> f64 {
        ((self.next() >> 11) + 1) as f64 / (1_u64 << 53) as f64
    }

    pub(super) fn happens(&mut self, probability: f64) -> bool {
        self.share() <= probability
    }

    /// Seconds to the next of what comes `rate` times a second.
    fn gap(&mut self, rate: f64) -> f64 {
        -self.share().ln() / rate
    }

    /// Around 1, a third more or less.
    fn around_one(&mut self) -> f64 {
        let normal = (-2.0 * self.share().ln()).sqrt() * (std::f64::consts::TAU * self.share()).cos();
        (0.3 * normal).exp()
    }
}

pub(super) fn at(text: &str) -> Timestamp {
    text.parse().expect("a time")
}

/// A business that is open Monday to Friday from nine to six, on Saturdays until two, without holidays.
pub(super) fn business(slug: &str) -> Tenant {
    let span = |text| Span::parse(text).expect("a span");
    let day = Some(vec![span("09:00-12:30"), span("13:00-18:00")]);
    let mut week: [Option<Vec<Span>>; 7] = std::array::from_fn(|_| day.clone());
    week[5] = Some(vec![span("09:00-14:00")]);
    week[6] = Some(Vec::new());
    Tenant {
        slug: TenantId::new(slug),
        name: slug.to_owned(),
        time_zone: Zone::named("Europe/Berlin").expect("a zone"),
        language: Language::De,
        agent_ids: vec![format!("agent_{slug}")],
        phone_numbers: Vec::new(),
        calendar: CalendarKind::Builtin,
        services: Vec::new(),
        staff: Vec::new(),
        hours: Some(OpeningHours { week: WeekHours(week), holidays: Holidays::Region("DE-BE".to_owned()) }),
        closures: vec![Closure {
            from: "2026-04-07".parse().expect("a day"),
            to: "2026-04-08".parse().expect("a day"),
            reason: String::new(),
        }],
        policy: Policy::default(),
        notify: Notify { email: Vec::new(), webhook_url: String::new() },
        rate_limit: BTreeMap::new(),
        secrets: TenantSecrets::default(),
    }
}

/// What happens to a gateway.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Happening {
    Call {
        call: usize,
    },
    /// The platform told of it; whether of its end.
    Event {
        call: usize,
        end: bool,
    },
    Answer {
        took_ms: u64,
        failed: bool,
    },
    Rejected,
    Refused,
    /// The calendar took so many bookings; how long it left it open is with [`Happening::Asked`].
    Booked {
        call: usize,
    },
    /// A booking was asked of the calendar and not answered yet.
    Asked {
        call: usize,
    },
    Breaker(State),
    Away(bool),
    Outbox(OutboxStanding),
    Torn,
}

/// What goes wrong from a moment on.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Fault {
    None,
    /// Every function fails.
    EverythingFails,
    /// A share of the answers fails.
    SomeFail(f64),
    /// The calendar does not answer; the breaker opens and opens again.
    CalendarHangs,
    /// The calendar answers every request with a refusal; no breaker opens for that.
    AccountSuspended,
    /// The calendar takes no booking, and free times are still read.
    CreatesHang,
    EventsStop,
    EndsStop,
    /// The limit of the gateway is a fraction of what callers need.
    LimiterTooTight,
    /// Signatures do not fit any more.
    Unproven,
    MailAway,
    ReceiverGone,
    /// Bookings are said to fail without a fault: nobody gets one.
    NothingIsBooked,
    /// Answers take four times as long and some wait in a queue.
    Slow,
    StateAway,
    PlatformDead,
    HalfBooked,
}

/// A business and how many call it on a usual day.
pub(super) struct Shop {
    pub(super) tenant: Tenant,
    pub(super) per_day: f64,
}

impl Shop {
    pub(super) fn new(slug: &str, per_day: f64) -> Self {
        Self { tenant: business(slug), per_day }
    }
}

/// Everything that happens to a shop in `[from, to)`, in order.
fn happenings(
    shop: &Shop,
    chance: &mut Chance,
    from: Timestamp,
    to: Timestamp,
    fault: Fault,
    since: Timestamp,
    seen: Timestamp,
) -> Vec<(Timestamp, Happening)> {
    let mut begins = Vec::new();
    let zone = shop.tenant.zone();
    let mut date: Date = from.to_zoned_datetime(zone.clone()).date();
    let last = to.to_zoned_datetime(zone.clone()).date();
    while date <= last {
        let busy = chance.around_one();
        let open = match shop.tenant.hours.as_ref().expect("hours").day(date, &shop.tenant.closures, None, zone) {
            crate::hours::Day::Open(spans) => spans,
            _ => Vec::new(),
        };
        let (midnight, next) = crate::hours::bounds_of(date, zone).expect("a day");
        // Most call while it is open, more in the first hours; a few at night and on holidays.
        let mut stretches: Vec<(Timestamp, Timestamp, f64)> = vec![(midnight, next, shop.per_day * 0.03 / 86_400.0)];
        for (begin, end) in open {
            let middle = begin + SignedDuration::from_mins(90);
            stretches.push((begin, end, shop.per_day * busy / 32_400.0));
            stretches.push((begin, middle.min(end), shop.per_day * busy * 0.4 / 32_400.0));
        }
        for (begin, end, rate) in stretches {
            let mut when = begin;
            loop {
                when += SignedDuration::from_millis((chance.gap(rate) * 1000.0) as i64);
                if when >= end {
                    break;
                }
                if when >= from && when < to {
                    begins.push(when);
                }
            }
        }
        date = date.tomorrow().expect("a day");
    }
    begins.sort_unstable();
    let mut all = Vec::new();
    for (call, when) in begins.into_iter().enumerate() {
        let fault = if when >= since { fault } else { Fault::None };
        if fault != Fault::PlatformDead {
            one_call(&mut all, chance, call, when, fault, when >= seen);
        }
    }
    if fault == Fault::EventsStop {
        // Of calls that run already nothing is told either.
        all.retain(|(when, what)| *when < since || !matches!(what, Happening::Event { .. }));
    }
    all.sort_by_key(|(when, _)| *when);
    all
}

/// What nobody looks at is not made up: answers of the weeks before.
fn one_call(
    all: &mut Vec<(Timestamp, Happening)>,
    chance: &mut Chance,
    call: usize,
    begin: Timestamp,
    fault: Fault,
    is_seen: bool,
) {
    let after = |seconds: f64| begin + SignedDuration::from_millis((seconds * 1000.0) as i64);
    if fault == Fault::Unproven {
        // The platform tries each of them, and again.
        all.extend((0..6).map(|number| (after(f64::from(number) * 7.0), Happening::Rejected)));
        return;
    }
    all.push((begin, Happening::Call { call }));
    let lasted = 30.0 + chance.gap(1.0 / 120.0).min(1500.0);
    for (end, at) in [(false, 0.5), (true, lasted)] {
        // One of five hundred is lost, one of fifty comes with the platform's third attempt.
        let is_lost = chance.happens(0.002) || (end && fault == Fault::EndsStop);
        let late = if chance.happens(0.02) { 60.0 } else { 0.0 };
        if !is_lost {
            all.push((after(at + late), Happening::Event { call, end }));
        }
    }
    let turns = if is_seen { 2 + chance.next() % 5 } else { 0 };
    for turn in 0..turns {
        let mut took_ms = 20 + (chance.gap(1.0 / 120.0).min(900.0)) as u64;
        if chance.happens(0.005) {
            took_ms += 1200;
        }
        let asks_calendar = turn >= 1;
        let mut failed = chance.happens(0.0008);
        match fault {
            Fault::EverythingFails => failed = true,
            Fault::SomeFail(share) => failed |= chance.happens(share),
            Fault::CalendarHangs | Fault::AccountSuspended if asks_calendar => failed = true,
            Fault::Slow => took_ms = took_ms * 4 + if chance.happens(0.3) { 1500 } else { 0 },
            _ => {}
        }
        let when = after(lasted * (turn as f64 + 0.5) / turns as f64);
        all.push((when, Happening::Answer { took_ms, failed }));
        if chance.happens(0.0005) || (fault == Fault::LimiterTooTight && chance.happens(0.5)) {
            all.push((when, Happening::Refused));
        }
    }
    let fails = matches!(fault, Fault::EverythingFails | Fault::CalendarHangs | Fault::AccountSuspended | Fault::NothingIsBooked);
    if chance.happens(0.45) && !fails {
        let when = after(lasted * 0.9);
        // One of a hundred waits for the calendar for a while.
        let late = if chance.happens(0.01) { chance.share() * 90.0 } else { 0.3 };
        all.push((when, Happening::Asked { call }));
        if fault != Fault::CreatesHang {
            all.push((after(lasted * 0.9 + late), Happening::Booked { call }));
        }
    }
}

/// What happens to the gateway itself.
fn of_the_house(fault: Fault, since: Timestamp, to: Timestamp) -> Vec<(Timestamp, Happening)> {
    let after = |seconds: i64| since + SignedDuration::from_secs(seconds);
    match fault {
        Fault::CalendarHangs => {
            // Five faults in a row, then a trial each minute that fails again.
            let minutes = to.duration_since(since).as_secs() / 60;
            let trials = (1..minutes).flat_map(|minute| {
                [
                    (after(90 + minute * 60), Happening::Breaker(State::HalfOpen)),
                    (after(94 + minute * 60), Happening::Breaker(State::Open)),
                ]
            });
            [(after(90), Happening::Breaker(State::Open))].into_iter().chain(trials).collect()
        }
        Fault::StateAway => vec![(after(1), Happening::Away(true))],
        Fault::MailAway => vec![(after(20), Happening::Outbox(OutboxStanding { waiting: 4, dead: 0, oldest: Some(after(20)) }))],
        Fault::ReceiverGone => vec![(after(5), Happening::Outbox(OutboxStanding { waiting: 0, dead: 1, oldest: None }))],
        Fault::HalfBooked => vec![(after(30), Happening::Torn)],
        _ => Vec::new(),
    }
}

/// What is known of one shop.
#[derive(Default)]
struct Seen {
    /// When each call began, when something was told of it, whether its end was.
    calls: Vec<(Timestamp, bool, bool)>,
    last_event: Option<Timestamp>,
    since_booking: u64,
    bookings: Vec<Timestamp>,
    open: BTreeMap<usize, Timestamp>,
    learned_on: Option<Timestamp>,
    usual: Baseline,
    usual_calls: (u64, u64),
}

/// A gateway with shops, observed as time goes on.
pub(super) struct World {
    shops: Vec<Shop>,
    coming: Vec<(Timestamp, usize, Happening)>,
    done: usize,
    seen: Vec<Seen>,
    history: History,
    breaker: State,
    away: bool,
    outbox: OutboxStanding,
    torn: u64,
    bounds: Thresholds,
    alerts: BTreeMap<(Rule, String), Alert>,
}

impl World {
    /// From four weeks before `from` on, so that what is usual is known.
    pub(super) fn new(shops: Vec<Shop>, seed: u64, from: Timestamp, to: Timestamp, fault: Fault, since: Timestamp) -> Self {
        let mut coming: Vec<(Timestamp, usize, Happening)> = Vec::new();
        for (number, shop) in shops.iter().enumerate() {
            let mut chance = Chance(seed.wrapping_mul(1000) + number as u64);
            let mine = happenings(shop, &mut chance, from - WEEKS, to, fault, since, from - SignedDuration::from_hours(7));
            coming.extend(mine.into_iter().map(|(when, what)| (when, number, what)));
        }
        coming.extend(of_the_house(fault, since, to).into_iter().map(|(when, what)| (when, 0, what)));
        coming.sort_by_key(|(when, _, _)| *when);
        let seen = shops.iter().map(|_| Seen::default()).collect();
        let mut world = Self {
            shops,
            coming,
            done: 0,
            seen,
            history: History::default(),
            breaker: State::Closed,
            away: false,
            outbox: OutboxStanding::default(),
            torn: 0,
            bounds: Thresholds::default(),
            alerts: BTreeMap::new(),
        };
        world.live(from);
        world
    }

    /// Lets everything happen that happens before `now`.
    fn live(&mut self, now: Timestamp) {
        while let Some((when, shop, what)) = self.coming.get(self.done).filter(|(when, _, _)| *when < now) {
            self.done += 1;
            let seen = &mut self.seen[*shop];
            let mut counts = Counts::default();
            match what {
                Happening::Call { call } => {
                    // Calls of signatures that did not fit are not there.
                    seen.calls.resize(*call, (*when, true, true));
                    seen.calls.push((*when, false, false));
                    seen.since_booking += 1;
                }
                Happening::Event { call, end } => {
                    let known = &mut seen.calls[*call];
                    (known.1, known.2) = (true, known.2 || *end);
                    seen.last_event = Some(*when);
                }
                Happening::Answer { took_ms, failed } => {
                    let about = About { status: failed.then_some("temporarily_unavailable"), ..About::default() };
                    let pulse = Pulse::default();
                    pulse.answered(200, Limited::No, &about, Duration::from_millis(*took_ms));
                    counts.callers = pulse.counts();
                }
                Happening::Rejected => counts.rejected = 1,
                Happening::Refused => counts.refused = 1,
                Happening::Booked { call } => {
                    seen.open.remove(call);
                    seen.bookings.push(*when);
                    seen.since_booking = 0;
                }
                Happening::Asked { call } => drop(seen.open.insert(*call, *when)),
                Happening::Breaker(state) => self.breaker = *state,
                Happening::Away(away) => self.away = *away,
                Happening::Outbox(standing) => self.outbox = *standing,
                Happening::Torn => self.torn += 1,
            }
            if counts != Counts::default() {
                self.history.put(*when, counts);
            }
        }
    }

    /// One look at `now`: what fires that did not before.
    pub(super) fn look(&mut self, now: Timestamp) -> Vec<Alert> {
        self.live(now);
        let verdicts = self.verdicts(now);
        let mut fired = Vec::new();
        for verdict in &verdicts {
            let key = (verdict.rule, verdict.subject.clone());
            match next(self.alerts.get(&key), Some(verdict), false, now) {
                Change::None => {}
                Change::Fire(alert) => {
                    fired.push(alert.clone());
                    self.alerts.insert(key, alert);
                }
                Change::Keep(alert) | Change::Resolve(alert) => drop(self.alerts.insert(key, alert)),
            }
        }
        fired
    }

    fn verdicts(&mut self, now: Timestamp) -> Vec<Verdict> {
        for (shop, seen) in self.shops.iter().zip(&mut self.seen) {
            if seen.learned_on.is_some_and(|at| now.duration_since(at) < DAY) {
                continue;
            }
            let from = now - WEEKS;
            let mut hours: BTreeMap<i64, u64> = BTreeMap::new();
            for (begin, _, _) in seen.calls.iter().filter(|(begin, _, _)| *begin >= from) {
                *hours.entry(begin.as_second().div_euclid(3600) * 3600).or_default() += 1;
            }
            seen.usual = Baseline::learn(&shop.tenant, &hours.into_iter().collect::<Vec<_>>(), from, now);
            let bookings = seen.bookings.iter().filter(|at| **at >= from).count() as u64;
            seen.usual_calls = (seen.usual.total(), bookings);
            seen.learned_on = Some(now);
        }
        let tenants =
            self.shops.iter().zip(&self.seen).map(|(shop, seen)| seen.sight(shop, now, self.torn, &self.bounds)).collect();
        let sight = Sight {
            now,
            history: &self.history,
            breakers: vec![Breaker { account: "api.cal.example".to_owned(), state: self.breaker }],
            away: u64::from(self.away),
            outbox: self.outbox,
            tenants,
        };
        judge(&sight, &self.bounds)
    }
}

impl Seen {
    fn sight<'a>(&self, shop: &'a Shop, now: Timestamp, torn: u64, bounds: &Thresholds) -> TenantSight<'a> {
        let from = |at: Timestamp| self.calls.partition_point(|(begin, _, _)| *begin < at);
        let heard = self.last_event.unwrap_or(Timestamp::MIN);
        let silent: Vec<Timestamp> =
            self.calls[from(heard)..].iter().filter(|(_, told, _)| !told).map(|(begin, _, _)| *begin).collect();
        let over = &self.calls[from(now - SignedDuration::from_hours(6))..from(now - bounds.longest_call)];
        TenantSight {
            tenant: &shop.tenant,
            agents: vec![AgentSight {
                agent: format!("agent_{}", shop.tenant.slug),
                last_heard: self.calls.last().map(|(begin, _, _)| *begin).max(self.last_event),
                calls_with_events: self.calls.len() as u64,
                silent_calls: silent.len() as u64,
                silent_since: silent.iter().min().copied(),
                usual: self.usual.clone(),
            }],
            unconfirmed: self.open.values().min().map(|since| (self.open.len() as u64, *since)),
            torn,
            should_be_over: (over.len() as u64, over.iter().filter(|(_, _, ended)| !ended).count() as u64),
            ended: self.calls.len() as u64,
            usual: self.usual_calls,
            calls_since_booking: self.since_booking,
        }
    }
}
