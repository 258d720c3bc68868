//! A world out of a seed: callers, two gateways on one store, a calendar, people. The seed decides what
//! happens next; after each thing that happens, what was promised is looked at.

use std::sync::Arc;
use std::time::Duration;

use frontdesk::config::tenant_file::TenantFile;
use frontdesk_core::booking::Attendee;
use frontdesk_core::calendar_news::CalendarNews;
use frontdesk_core::call::Phone;
use frontdesk_core::clock::Clock as _;
use frontdesk_core::desk::Command;
use frontdesk_core::ids::{BookingId, CallId, IntentId, TenantId};
use frontdesk_core::ports::{Calls as _, NewBooking, Standing, VoiceEvent};
use frontdesk_core::sensitive::Sensitive;
use frontdesk_core::tenant::Tenant;
use frontdesk_testkit::TempDir;
use jiff::{SignedDuration, Timestamp};
use tokio::task::JoinHandle;

use super::bookings::starts_on_grid;
use super::calendar::SimulatedCalendar;
use super::caller::{Caller, Line};
use super::chance::Chance;
use super::gateway::{Ended, Gateway, Surroundings, Tenants};
use super::ledger::Ledger;
use super::ports::Planted;
use super::time::SimulatedClock;

/// Tuesday, 10 March 2026, 08:00 in Berlin; clocks go forward in Berlin on the 29th.
const BEGIN: &str = "2026-03-10T07:00:00Z";
/// How finely the gateways' time is cut: within a slice one runs after the other.
const SLICE: Duration = Duration::from_millis(100);
const TENANTS: [&str; 3] =
    [include_str!("tenants/salon.toml"), include_str!("tenants/studio.toml"), include_str!("tenants/practice.toml")];
/// What only this tenant's callers are called.
pub(super) const SURNAMES: [&str; 3] = ["Sommer", "Stonefield", "Pritchard"];
const FIRST_NAMES: [&str; 10] = ["Anna", "Bernd", "Clara", "David", "Elena", "Frank", "Greta", "Henry", "Irene", "Jonas"];

/// What happened in one world.
#[derive(Debug, Clone, Default)]
pub(super) struct Run {
    pub(super) log: Vec<String>,
    pub(super) violation: Option<String>,
    pub(super) requests: u64,
    pub(super) faults: u64,
    pub(super) crashes: u64,
    pub(super) steps: u64,
    pub(super) booked: u64,
    pub(super) days: f64,
}

/// What a gateway is busy with.
enum Work {
    Step { caller: usize, command: Command },
    Settle,
    News(TenantId, CalendarNews),
    Over { caller: usize },
}

struct Job {
    on: usize,
    work: Work,
    task: JoinHandle<Ended>,
}

pub(super) struct World {
    pub(super) chance: Chance,
    pub(super) around: Surroundings,
    pub(super) folder: TempDir,
    pub(super) gateways: Vec<Option<Gateway>>,
    lives: u64,
    jobs: Vec<Job>,
    pub(super) callers: Vec<Caller>,
    pub(super) ledger: Ledger,
    pub(super) run: Run,
}

impl Drop for World {
    fn drop(&mut self) {
        // Before their folder goes.
        self.gateways.clear();
    }
}

impl World {
    pub(super) fn of(seed: u64, planted: Planted) -> Self {
        let folder = frontdesk_testkit::folder("sim");
        let mut chance = Chance::of(seed);
        let clock = Arc::new(SimulatedClock::at(BEGIN.parse().expect("a timestamp")));
        let calendar = Arc::new(SimulatedCalendar::new(clock.clone(), Chance::of(chance.next())));
        calendar.inner().trouble = [0, 5, 15, 30, 45][chance.below(5)];
        let tenants = TENANTS.map(|text| {
            let file = TenantFile::parse("simulation.toml", text).unwrap_or_else(|problems| panic!("{problems}"));
            Arc::new(file.tenant)
        });
        let around = Surroundings { clock, calendar, tenants: Arc::new(Tenants(tenants.to_vec())), planted };
        let callers = (0..chance.between(8, 30)).map(|number| {
            let tenant = chance.weighted(&[50, 25, 25]);
            // The same numbers call all tenants; some share one, and some withhold theirs.
            let line = chance.below(8);
            let phone = (line > 0).then(|| Phone::parse(&format!("+49151234567{line:02}"), None).expect("a number"));
            let first = FIRST_NAMES[usize::try_from(number).unwrap_or(0) % FIRST_NAMES.len()];
            Caller::new(tenant, phone, format!("{first} {}", SURNAMES[tenant]))
        });
        let callers = callers.collect();
        let mut world = Self {
            chance,
            around,
            folder,
            gateways: Vec::new(),
            lives: 0,
            jobs: Vec::new(),
            callers,
            ledger: Ledger::default(),
            run: Run::default(),
        };
        world.gateways = vec![Some(world.rise()), Some(world.rise())];
        world
    }

    fn rise(&mut self) -> Gateway {
        self.lives += 1;
        Gateway::start(self.folder.path(), &self.around, self.lives)
    }

    pub(super) fn truth(&self) -> Timestamp {
        self.around.clock.truth()
    }

    pub(super) fn tenant(&self, index: usize) -> Arc<Tenant> {
        Arc::clone(&self.around.tenants.0[index])
    }

    pub(super) fn note(&mut self, what: impl std::fmt::Display) {
        let line = format!("{:.3} {what}", self.truth());
        self.run.log.push(line);
    }

    /// The gateway at that place, or the other one while it is down.
    pub(super) fn gateway(&self, index: usize) -> Option<(usize, &Gateway)> {
        let other = 1 - index;
        match (&self.gateways[index], &self.gateways[other]) {
            (Some(gateway), _) => Some((index, gateway)),
            (None, Some(gateway)) => Some((other, gateway)),
            (None, None) => None,
        }
    }

    /// Everything that happens, up to the end, and what was promised of it.
    pub(super) fn live(mut self) -> Run {
        let began = self.truth();
        let events = self.chance.between(150, 400);
        for _ in 0..events {
            self.happen();
            if self.run.violation.is_none() {
                self.run.violation = self.look();
            }
            if self.run.violation.is_some() {
                break;
            }
        }
        if self.run.violation.is_none() {
            self.come_to_rest();
            self.run.violation = self.look().or_else(|| self.look_back());
        }
        self.run.days = self.truth().duration_since(began).as_secs_f64() / 86_400.0;
        let faults = self.around.calendar.inner().faults;
        (self.run.requests, self.run.faults) = (faults.requests, faults.injected);
        std::mem::take(&mut self.run)
    }

    fn happen(&mut self) {
        match self.chance.weighted(&[420, 130, 120, 90, 35, 80, 30, 60, 12, 15]) {
            0 => self.speak(),
            1 => {
                let millis = self.chance.between(50, 3000);
                self.pass(SignedDuration::from_millis(millis.cast_signed()));
            }
            2 => self.settle(),
            3 => {
                let seconds = match self.chance.weighted(&[70, 25, 5]) {
                    0 => self.chance.between(1, 120),
                    1 => self.chance.between(120, 3600),
                    _ => self.chance.between(3600, 12 * 3600),
                };
                self.note(format_args!("{seconds} s pass"));
                self.pass(SignedDuration::from_secs(seconds.cast_signed()));
            }
            4 => self.crash(),
            5 => self.tell(),
            6 => self.up_or_down(),
            7 => self.people(),
            8 => {
                let by = SignedDuration::from_secs(self.chance.between(1, 120).cast_signed() - 60);
                self.note(format_args!("the clock is set by {by:#}"));
                self.around.clock.set_off(by);
            }
            _ => self.report(),
        }
    }

    /// Time passes; what runs goes on.
    pub(super) fn pass(&mut self, time: SignedDuration) {
        let slice = SignedDuration::try_from(SLICE).expect("a short time");
        let mut left = time;
        while left > SignedDuration::ZERO {
            let step = if self.gateways.iter().flatten().any(Gateway::is_busy) { slice.min(left) } else { left };
            if step <= slice {
                for gateway in self.gateways.iter().flatten() {
                    gateway.run(step.unsigned_abs());
                }
            }
            self.around.clock.advance(step);
            left -= step;
            self.collect();
        }
    }

    fn collect(&mut self) {
        let mut index = 0;
        while index < self.jobs.len() {
            if self.jobs[index].task.is_finished() {
                let Job { on, work, task } = self.jobs.remove(index);
                let ended = self.gateways[on].as_ref().expect("jobs die with their gateway").take(task);
                self.ended(on, work, ended);
            } else {
                index += 1;
            }
        }
    }

    fn ended(&mut self, on: usize, work: Work, ended: Ended) {
        match (work, ended) {
            (Work::Step { caller: index, command }, Ended::Answered(outcome)) => {
                self.run.steps += 1;
                self.note(format_args!("g{on} caller {index} hears {}", super::ledger::told(&outcome)));
                let hears = self.callers[index].line == Line::Waiting;
                let now = self.around.clock.now();
                if hears {
                    self.callers[index].line = Line::Talking;
                    self.callers[index].hear(&command, &outcome);
                }
                let wrong = self.ledger.answered(&self.callers[index], &command, &outcome, hears, now);
                if matches!(outcome, frontdesk_core::outcome::Outcome::Booked { already: false, .. }) {
                    self.run.booked += 1;
                }
                let wrong = wrong.or_else(|| self.leaks(index, &outcome));
                self.run.violation = self.run.violation.take().or(wrong);
            }
            (Work::Settle, Ended::Settled(round)) => match round {
                Ok(round) => self.note(format_args!("g{on} settled {} torn {}", round.taken, round.torn.len())),
                Err(error) => self.run.violation = Some(format!("a settle round failed: {}", error.with_causes())),
            },
            (Work::News(tenant, news), Ended::Heard(heard)) => match heard {
                Ok(word) => {
                    self.note(format_args!("g{on} heard of {} {}: {word}", news.uid, news.kind.as_str()));
                    self.ledger.void(&tenant);
                }
                Err(error) => self.run.violation = Some(format!("news failed: {}", error.with_causes())),
            },
            (Work::Over { caller }, Ended::Over(over)) => {
                self.note(format_args!("g{on} knows that caller {caller} hung up"));
                match over {
                    Ok(()) => self.hung_up(caller),
                    Err(error) => self.run.violation = Some(format!("an end of a call failed: {}", error.with_causes())),
                }
            }
            _ => self.run.violation = Some("work ended as other work".to_owned()),
        }
    }

    fn hung_up(&mut self, index: usize) {
        let caller = &mut self.callers[index];
        caller.line = Line::Away;
        if let Some(story) = caller.story.take() {
            let (tenant, phone) = (caller.tenant, caller.phone.clone());
            self.ledger.told.push(super::ledger::Told { tenant, phone, story });
        }
    }

    fn begin(&mut self, on: usize, work: Work, task: JoinHandle<Ended>) {
        self.jobs.push(Job { on, work, task });
    }

    /// Some caller's next step: ringing, speaking, hanging up.
    fn speak(&mut self) {
        let index = self.chance.below(self.callers.len());
        let home = self.chance.below(2);
        match self.callers[index].line {
            Line::Waiting if self.chance.percent(10) => return self.hang_up(index),
            Line::Waiting | Line::HungUp | Line::Reporting => return self.pass(SignedDuration::from_millis(200)),
            Line::Away => {
                let call = format!("call-{}", self.run.log.len());
                let tenant = self.callers[index].tenant;
                self.note(format_args!("caller {index} of {tenant} rings as {call}"));
                self.callers[index].ring(call, home);
            }
            Line::Talking if self.chance.percent(9) => return self.hang_up(index),
            Line::Talking => {}
        }
        let wanted = if self.chance.percent(75) { self.callers[index].home } else { home };
        let Some((on, _)) = self.gateway(wanted) else { return };
        let tenant = self.tenant(self.callers[index].tenant);
        let now = self.around.clock.now();
        let command = self.callers[index].speak(&tenant, now, &mut self.chance);
        self.callers[index].line = Line::Waiting;
        self.ledger.asked(&self.callers[index]);
        self.note(format_args!("g{on} caller {index} says {}", super::ledger::asked(&command)));
        let visit = self.callers[index].visit(&tenant);
        let Some(gateway) = &self.gateways[on] else { return };
        let (desk, said) = (gateway.desk.clone(), command.clone());
        let task = gateway.begin(async move { Ended::Answered(desk.serve(Arc::new(visit), said).await) });
        self.begin(on, Work::Step { caller: index, command }, task);
        let millis = self.chance.between(0, 1200).cast_signed();
        self.pass(SignedDuration::from_millis(millis));
    }

    fn hang_up(&mut self, index: usize) {
        self.note(format_args!("caller {index} hangs up"));
        self.callers[index].line = Line::HungUp;
        self.ledger.asked(&self.callers[index]);
    }

    /// The platform tells of a call that is over; again if nobody has taken it.
    fn report(&mut self) {
        let over: Vec<usize> = (0..self.callers.len()).filter(|index| self.callers[*index].line == Line::HungUp).collect();
        let Some(index) = self.chance.pick(&over).copied() else { return };
        self.report_end_of(index);
    }

    fn report_end_of(&mut self, index: usize) {
        let place = self.chance.below(2);
        let Some((on, gateway)) = self.gateway(place) else { return };
        // A step may still run: the platform waits for its tools before it says that a call is over.
        if self.jobs.iter().any(|job| matches!(job.work, Work::Step { caller, .. } if caller == index)) {
            return;
        }
        let (tenant, context) = (self.tenant(self.callers[index].tenant), self.callers[index].context());
        let Some(call) = context.id.clone() else { return };
        let (desk, ports) = (gateway.desk.clone(), Arc::clone(&gateway.ports));
        let task = gateway.begin(async move {
            let over = async {
                desk.call_is_over(&tenant, &context).await?;
                ports.apply(tenant.scope(), &context, &call_ended(&call), desk.now()).await.map(drop)
            };
            Ended::Over(over.await)
        });
        self.callers[index].line = Line::Reporting;
        self.begin(on, Work::Over { caller: index }, task);
        self.pass(SignedDuration::from_millis(50));
    }

    fn settle(&mut self) {
        let place = self.chance.below(2);
        let Some((on, gateway)) = self.gateway(place) else { return };
        let desk = gateway.desk.clone();
        let task = gateway.begin(async move { Ended::Settled(desk.settle_due().await) });
        self.begin(on, Work::Settle, task);
        let millis = self.chance.between(0, 2000).cast_signed();
        self.pass(SignedDuration::from_millis(millis));
    }

    /// A gateway dies, with all that it was doing, or comes back.
    fn crash(&mut self) {
        let place = self.chance.below(2);
        if self.gateways[place].is_none() {
            self.note(format_args!("g{place} is back"));
            self.gateways[place] = Some(self.rise());
            return;
        }
        self.run.crashes += 1;
        self.note(format_args!("g{place} dies"));
        self.gateways[place] = None;
        for job in std::mem::take(&mut self.jobs) {
            if job.on != place {
                self.jobs.push(job);
                continue;
            }
            match job.work {
                Work::Step { caller, .. } => {
                    self.ledger.lost(&self.callers[caller]);
                    if self.callers[caller].line == Line::Waiting {
                        self.callers[caller].line = Line::Talking;
                    }
                }
                Work::Settle => {}
                // Nobody acknowledged it: it is sent again.
                Work::News(tenant, news) => self.around.calendar.inner().news.push((tenant, news)),
                Work::Over { caller } => self.callers[caller].line = Line::HungUp,
            }
        }
        if self.chance.percent(60) {
            self.gateways[place] = Some(self.rise());
        }
    }

    /// Some news reaches a gateway: in any order, some twice, some never.
    fn tell(&mut self) {
        let waiting = self.around.calendar.inner().news.len();
        if waiting == 0 {
            return;
        }
        let picked = self.chance.below(waiting);
        let (twice, never) = (self.chance.percent(20), self.chance.percent(6));
        self.tell_one(picked, twice, never);
    }

    fn tell_one(&mut self, picked: usize, twice: bool, never: bool) {
        let place = self.chance.below(2);
        let Some(on) = self.gateway(place).map(|(on, _)| on) else { return };
        let (slug, news) = {
            let mut inner = self.around.calendar.inner();
            let (slug, news) = inner.news.remove(picked);
            if twice {
                inner.news.push((slug.clone(), news.clone()));
            }
            if never {
                for booked in inner.bookings.all_mut().iter_mut() {
                    booked.untold |= booked.tenant == slug && Some(&booked.ical) == news.ical_uid.as_ref();
                }
            }
            (slug, news)
        };
        if never {
            return self.note(format_args!("{} {} is never told", news.uid, news.kind.as_str()));
        }
        let Some(gateway) = &self.gateways[on] else { return };
        let Some(tenant) = self.around.tenants.0.iter().find(|tenant| tenant.slug == slug).cloned() else { return };
        let (desk, told) = (gateway.desk.clone(), news.clone());
        let task = gateway.begin(async move { Ended::Heard(desk.hear(&tenant, &told).await.map(|applied| applied.word())) });
        self.begin(on, Work::News(slug, news), task);
        self.pass(SignedDuration::from_millis(20));
    }

    fn up_or_down(&mut self) {
        // A calendar is up most of the time.
        let down = self.around.calendar.inner().down.first().cloned();
        let index = match down {
            Some(slug) if self.chance.percent(85) => usize::from(slug != self.tenant(0).slug),
            _ => self.chance.below(2),
        };
        let slug = self.tenant(index).slug.clone();
        let is_down = {
            let mut inner = self.around.calendar.inner();
            let was_down = inner.down.contains(&slug);
            inner.down.retain(|down| *down != slug);
            if !was_down {
                inner.down.push(slug);
            }
            !was_down
        };
        self.note(format_args!("calendar {index} {}", if is_down { "is down" } else { "is up" }));
    }

    /// People work in the calendar.
    fn people(&mut self) {
        let index = self.chance.below(2);
        let tenant = self.tenant(index);
        let now = self.truth();
        let starts: Vec<Timestamp> = starts_on_grid(&tenant, now, now + SignedDuration::from_hours(96)).collect();
        let Some(start) = self.chance.pick(&starts).copied() else { return };
        let standing: Vec<(String, Standing)> = {
            let inner = self.around.calendar.inner();
            let of_tenant = inner.bookings.all().iter().filter(|it| it.tenant == tenant.slug && it.stands() && it.start > now);
            of_tenant.map(|it| (it.uid.clone(), it.standing)).collect()
        };
        let picked = self.chance.pick(&standing).cloned();
        let calendar = Arc::clone(&self.around.calendar);
        match (self.chance.weighted(&[25, 25, 25]), picked) {
            (_, Some((uid, Standing::AwaitsApproval))) => {
                if self.chance.percent(70) {
                    self.note(format_args!("people agree to {uid}"));
                    calendar.approve(&tenant.slug, &uid);
                } else {
                    self.note(format_args!("people reject {uid}"));
                    let _ = calendar.revoke(&tenant.slug, &uid, Standing::Rejected, false);
                }
            }
            (0, Some((uid, _))) => {
                self.note(format_args!("people cancel {uid}"));
                let _ = calendar.revoke(&tenant.slug, &uid, Standing::Cancelled, true);
            }
            (1, Some((uid, _))) => {
                let moved = calendar.shift(&tenant, &uid, start, true).is_ok();
                self.note(format_args!("people move {uid} to {start}: {moved}"));
            }
            _ => {
                let event_types = if index == 0 { [102, 103, 201] } else { [501, 502, 501] };
                let event_type = event_types[self.chance.below(3)];
                let minutes = [(102, 30), (103, 30), (201, 60), (501, 45), (502, 15)];
                let length = minutes.iter().find(|(id, _)| *id == event_type).map_or(30, |(_, minutes)| *minutes);
                let new = walk_in(event_type, start, start + SignedDuration::from_mins(length), now, SURNAMES[index]);
                let made = calendar.book_elsewhere(&tenant, &new);
                self.note(format_args!("people book {event_type} at {start}: {made}"));
            }
        }
    }

    /// Faults end, all are told, and the gateways work on until nothing is left to do.
    fn come_to_rest(&mut self) {
        self.note("faults end");
        {
            let mut inner = self.around.calendar.inner();
            inner.trouble = 0;
            inner.down.clear();
        }
        for place in 0..2 {
            if self.gateways[place].is_none() {
                self.gateways[place] = Some(self.rise());
            }
        }
        self.pass(SignedDuration::from_secs(40));
        for index in 0..self.callers.len() {
            if self.callers[index].line == Line::Talking {
                self.hang_up(index);
            }
            if self.callers[index].line == Line::HungUp {
                self.report_end_of(index);
            }
        }
        self.pass(SignedDuration::from_secs(1));
        let awaiting: Vec<(TenantId, String)> = {
            let inner = self.around.calendar.inner();
            let all = inner.bookings.all().iter().filter(|it| it.standing == Standing::AwaitsApproval);
            all.map(|it| (it.tenant.clone(), it.uid.clone())).collect()
        };
        for (slug, uid) in awaiting {
            self.around.calendar.approve(&slug, &uid);
        }
        // What is to be put back is tried for four hours.
        for round in 0..45 {
            while !self.around.calendar.inner().news.is_empty() {
                self.tell_one(0, false, false);
            }
            self.settle();
            self.pass(SignedDuration::from_secs(if round < 30 { 61 } else { 1801 }));
        }
    }
}

fn walk_in(event_type: i64, start: Timestamp, end: Timestamp, now: Timestamp, surname: &str) -> NewBooking {
    NewBooking {
        intent: IntentId::new("elsewhere"),
        part: None,
        booking: BookingId::new("elsewhere"),
        call: None,
        event_type: Some(event_type),
        start,
        end,
        attendee: Attendee { name: Sensitive::new(format!("Walter {surname}")), email: None, phone: None },
        notes: None,
        intended_at: now,
    }
}

fn call_ended(call: &CallId) -> VoiceEvent {
    VoiceEvent {
        name: "call_ended".to_owned(),
        call: call.clone(),
        started_at: None,
        ended_at: None,
        disconnection_reason: None,
        figures: Default::default(),
        kept: "{}".to_owned(),
        digest: call.as_str().to_owned(),
    }
}
