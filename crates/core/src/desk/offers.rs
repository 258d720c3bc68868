//! What is free: the calendar's word, minus what is blocked here, minus what the rules forbid; and the
//! choice of what to offer.

use std::collections::{BTreeMap, HashMap};

use jiff::{SignedDuration, Timestamp};

use super::Desk;
use crate::booking::Appointment;
use crate::call::CallContext;
use crate::deadline::Deadline;
use crate::hours::bounds_of;
use crate::ids::{BookingId, CallId, SlotId};
use crate::outcome::Offer;
use crate::policy::{HoursRule, Rules};
use crate::ports::{Busy, CalendarError, Free, SlotAsk, StoreError};
use crate::slot::{HOLDS_PER_CALL, Hold, HoldWish, Line, Resource, busy_stretches};
use crate::tenant::{CalendarKind, Service, Staff, Tenant};

/// Starts that are proposed together are at least this far apart, so that a choice is a choice.
const SPREAD: SignedDuration = SignedDuration::from_mins(60);

/// A search for free starts.
pub(super) struct Search<'a> {
    pub(super) tenant: &'a Tenant,
    pub(super) service: &'a Service,
    pub(super) staff: Option<&'a Staff>,
    /// The call whose own holds do not count against it.
    pub(super) call: Option<&'a CallId>,
    /// The appointment that would be moved, and does not count against it.
    pub(super) replaces: Option<&'a Appointment>,
    pub(super) from: Timestamp,
    pub(super) to: Timestamp,
    pub(super) hours: HoursRule,
    pub(super) now: Timestamp,
    pub(super) deadline: Deadline,
    /// How old the calendar's word may be.
    pub(super) max_age: SignedDuration,
    /// Nothing is promised by it.
    pub(super) browsing: bool,
    /// The start that was asked for, where one was.
    pub(super) exact: Option<Timestamp>,
}

/// What a search found: free starts, each with the lines that can serve it, in the order of the file.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) lines: Vec<Line>,
    pub(super) starts: BTreeMap<Timestamp, Vec<usize>>,
    /// What the call itself holds of the one start's time.
    pub(super) held: Vec<Hold>,
}

/// A free start that is shown without being held.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Browsed {
    /// When it begins.
    pub start: Timestamp,
    /// When it ends for the customer.
    pub end: Timestamp,
    /// Who, where known.
    pub staff: Option<String>,
}

/// Why a search found nothing out.
#[derive(Debug)]
pub(super) enum SearchError {
    Calendar(CalendarError),
    Store(StoreError),
    /// Nobody can be booked for this by name.
    NoLine,
}

impl From<StoreError> for SearchError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl Desk {
    /// Everything that is free.
    pub(super) async fn search(&self, search: &Search<'_>) -> Result<Found, SearchError> {
        let asked = self.ask(search).await?;
        self.all_of(search, asked).await
    }

    /// What is free of one start alone: most wishes name one, and most are free.
    pub(super) async fn only_of(&self, search: &Search<'_>, asked: &Asked, start: Timestamp) -> Result<Found, StoreError> {
        let stretches = busy_stretches(search.service, start);
        let (Some((from, _)), Some((_, to))) = (stretches.first(), stretches.last()) else { return Ok(Found::default()) };
        let (scope, resources, diary) = (search.tenant.scope(), asked.resources(), &self.parts.diary);
        let (busy, held) = match search.call {
            Some(call) => diary.busy_and_held(scope, call, &resources, *from, *to, search.now).await?,
            None => (diary.busy(scope, &resources, *from, *to, search.now).await?, Vec::new()),
        };
        let listed = |free: &Free| free.starts.binary_search(&start).is_ok();
        let starts = asked.free(search, &busy, |free| if listed(free) { vec![start] } else { Vec::new() });
        Ok(Found { lines: asked.lines.clone(), starts, held })
    }

    /// All that is free. One line that did not answer is left out; if nothing is free without it, that is
    /// an error.
    pub(super) async fn all_of(&self, search: &Search<'_>, asked: Asked) -> Result<Found, SearchError> {
        let day = SignedDuration::from_hours(24);
        let (from, to) = (search.from - day, search.to + day);
        let busy = self.parts.diary.busy(search.tenant.scope(), &asked.resources(), from, to, search.now).await?;
        let starts = asked.free(search, &busy, |free| free.starts.to_vec());
        match asked.answers.into_iter().find_map(Result::err) {
            Some(error) if starts.is_empty() => Err(SearchError::Calendar(error)),
            _ => Ok(Found { lines: asked.lines, starts, held: Vec::new() }),
        }
    }

    /// Asks the calendar for every line at once.
    pub(super) async fn ask(&self, search: &Search<'_>) -> Result<Asked, SearchError> {
        let Search { tenant, service, staff, replaces, from, to, hours, deadline, max_age, browsing, exact, .. } = *search;
        let lines = Line::of(tenant, service, staff.map(|staff| staff.name.as_str()));
        if lines.is_empty() {
            return Err(SearchError::NoLine);
        }
        let (lines, part_uids) = self.with_parts_of(tenant, replaces, lines).await?;
        let asks = lines.iter().map(|line| {
            let ask = SlotAsk {
                service,
                line,
                from,
                to,
                replaces: replaces.filter(|it| it.event_type == line.event_type).and_then(|it| it.calendar_uid.as_deref()),
                part_uids: if line.parts.is_empty() { &[] } else { &part_uids },
                max_age,
                also: exact.filter(|_| hours != HoursRule::Enforced),
                browsing,
            };
            async move { self.parts.calendar.slots(tenant, &ask, deadline).await }
        });
        let answers = join_all(asks.collect()).await;
        Ok(Asked { lines, answers })
    }

    /// The uids of the parts that would be moved, and the lines that they can be moved on: a part keeps its
    /// event type.
    async fn with_parts_of(
        &self,
        tenant: &Tenant,
        replaces: Option<&Appointment>,
        lines: Vec<Line>,
    ) -> Result<(Vec<Line>, Vec<Option<String>>), StoreError> {
        let Some(moved) = replaces.filter(|it| it.event_type.is_none() && lines.iter().any(|line| !line.parts.is_empty())) else {
            return Ok((lines, Vec::new()));
        };
        let parts = self.parts.diary.parts(tenant.scope(), &moved.id).await?;
        let is_theirs = |line: &Line| parts.iter().map(|part| part.event_type).eq(line.parts.iter().map(|part| part.event_type));
        Ok(match lines.iter().find(|line| is_theirs(line)) {
            Some(line) => (vec![line.clone()], parts.into_iter().map(|part| part.uid).collect()),
            None => (lines, Vec::new()),
        })
    }

    /// Holds what is still free of `starts`, in their order, at most `most`; earlier holds of the call
    /// are let go.
    pub(super) async fn hold(
        &self,
        search: &Search<'_>,
        found: &Found,
        starts: &[Timestamp],
        most: usize,
    ) -> Result<Vec<Hold>, StoreError> {
        let mut wishes = Vec::new();
        for start in starts {
            let lines = found.starts.get(start).map_or(&[][..], Vec::as_slice);
            // For one exact wish every line is tried; among several starts each is held once.
            let tried = if most == 1 { lines } else { lines.get(..1).unwrap_or(lines) };
            for line in tried {
                let Some(line) = found.lines.get(*line) else { continue };
                wishes.push(HoldWish {
                    id: SlotId::fresh(&*self.parts.dice, self.now()),
                    service: search.service.name.clone(),
                    line: line.clone(),
                    start: *start,
                    end: *start + search.service.duration(),
                    busy: busy_stretches(search.service, *start),
                    replaces: search.replaces.map(|it| it.id.clone()),
                });
            }
        }
        self.parts.diary.hold(search.tenant.scope(), search.call, &wishes, most.min(HOLDS_PER_CALL), search.now).await
    }

    /// Free starts to look at, nothing held; for browsing.
    pub async fn browse(
        &self,
        tenant: &Tenant,
        service: &Service,
        staff: Option<&Staff>,
        from: Timestamp,
        to: Timestamp,
        hours: HoursRule,
    ) -> Result<Vec<Browsed>, CalendarError> {
        let now = self.now();
        let search = Search {
            tenant,
            service,
            staff,
            call: None,
            replaces: None,
            from: from.max(now),
            to,
            hours,
            now,
            deadline: Deadline::within(self.budgets.check),
            max_age: BROWSE_AGE,
            browsing: true,
            exact: None,
        };
        let found = match self.search(&search).await {
            Ok(found) => found,
            Err(SearchError::NoLine) => return Ok(Vec::new()),
            Err(SearchError::Calendar(error)) => return Err(error),
            Err(SearchError::Store(_)) => return Err(CalendarError::Unavailable { detail: "the store failed".to_owned() }),
        };
        Ok(found.browsed(service))
    }
}

/// What the calendar said, before anything is made of it.
pub(super) struct Asked {
    lines: Vec<Line>,
    answers: Vec<Result<Free, CalendarError>>,
}

impl Asked {
    /// Whatever can serve any of the lines.
    fn resources(&self) -> Vec<Resource> {
        let mut all: Vec<Resource> = self.lines.iter().flat_map(|line| &line.resources).cloned().collect();
        all.sort_unstable();
        all.dedup();
        all
    }

    fn free(
        &self,
        search: &Search<'_>,
        busy: &[Busy],
        starts: impl Fn(&Free) -> Vec<Timestamp>,
    ) -> BTreeMap<Timestamp, Vec<usize>> {
        let Search { tenant, service, staff, call, replaces, from, to, hours, now, .. } = *search;
        let blocked = Blocked::of(busy, call, replaces.map(|it| &it.id));
        let origin = Timestamp::UNIX_EPOCH;
        let stretches: Vec<(SignedDuration, SignedDuration)> = busy_stretches(service, origin)
            .into_iter()
            .map(|(from, to)| (from.duration_since(origin), to.duration_since(origin)))
            .collect();
        let mut found: BTreeMap<Timestamp, Vec<usize>> = BTreeMap::new();
        for (index, (line, answer)) in self.lines.iter().zip(&self.answers).enumerate() {
            let Ok(free) = answer else { continue };
            let person = line.staff.as_deref().and_then(|name| tenant.staff_member(name)).or(staff);
            // The time that an appointment has is no time to move it to.
            let is_another = |start: Timestamp| replaces.is_none_or(|it| it.start != start);
            let mut rules = Rules { tenant, staff: person, length: service.duration(), hours, now, seen: None };
            for start in starts(free) {
                if from <= start
                    && start < to
                    && is_another(start)
                    && rules.allow(start)
                    && blocked.leave_open(line, &stretches, start)
                {
                    found.entry(start).or_default().push(index);
                }
            }
        }
        found
    }
}

/// How old the calendar's word may be where nothing is promised.
pub(super) const BROWSE_AGE: SignedDuration = SignedDuration::from_secs(300);

impl Found {
    /// What is taken to be free when the calendar gives no answer: the start that was asked for. What
    /// is blocked here still decides when it is held.
    pub(super) fn assumed(search: &Search<'_>) -> Self {
        let lines = Line::of(search.tenant, search.service, search.staff.map(|staff| staff.name.as_str()));
        let all = (0..lines.len()).collect();
        Self { lines, starts: BTreeMap::from([(search.from, all)]), held: Vec::new() }
    }

    /// Every start with everyone who can serve it.
    fn browsed(&self, service: &Service) -> Vec<Browsed> {
        self.starts
            .iter()
            .flat_map(|(start, lines)| {
                lines.iter().filter_map(|line| self.lines.get(*line)).map(|line| Browsed {
                    start: *start,
                    end: *start + service.duration(),
                    staff: line.staff.clone(),
                })
            })
            .collect()
    }

    /// The starts in order of their distance to `wish`.
    pub(super) fn nearest(&self, wish: Timestamp) -> Vec<Timestamp> {
        let mut starts: Vec<Timestamp> = self.starts.keys().copied().collect();
        starts.sort_by_key(|start| ((*start - wish).abs(), *start));
        spaced(&starts, SignedDuration::from_mins(15))
    }

    /// The earliest starts for which `fits` holds, an hour apart where there are enough.
    pub(super) fn earliest_of(&self, fits: &dyn Fn(Timestamp) -> bool) -> Vec<Timestamp> {
        let starts: Vec<Timestamp> = self.starts.keys().copied().filter(|start| fits(*start)).collect();
        spaced(&starts, SPREAD)
    }

    /// Starts for which `fits` holds.
    pub(super) fn only(mut self, fits: impl Fn(Timestamp) -> bool) -> Self {
        self.starts.retain(|start, _| fits(*start));
        self
    }
}

/// Puts starts that are at least `gap` from every one before them first, the rest behind.
fn spaced(starts: &[Timestamp], gap: SignedDuration) -> Vec<Timestamp> {
    let mut first: Vec<Timestamp> = Vec::new();
    let mut rest = Vec::new();
    for start in starts {
        if first.len() < HOLDS_PER_CALL && first.iter().all(|chosen| (*start - *chosen).abs() >= gap) {
            first.push(*start);
        } else {
            rest.push(*start);
        }
    }
    first.extend(rest);
    first
}

/// What is blocked of every place, each in order and without overlaps.
struct Blocked<'a>(HashMap<&'a Resource, Vec<(Timestamp, Timestamp)>>);

impl<'a> Blocked<'a> {
    /// Without what the call holds itself, and without the appointment that would be moved.
    fn of(busy: &'a [Busy], call: Option<&CallId>, replaces: Option<&BookingId>) -> Self {
        let mut places: HashMap<&Resource, Vec<(Timestamp, Timestamp)>> = HashMap::new();
        for block in busy {
            let own_hold = call.is_some() && block.held_by.as_ref() == call;
            let own_appointment = replaces.is_some() && block.appointment.as_ref() == replaces && block.held_by.is_none();
            if !own_hold && !own_appointment {
                places.entry(&block.resource).or_default().push((block.from, block.to));
            }
        }
        for stretches in places.values_mut() {
            stretches.sort_unstable();
            stretches.dedup_by(|next, before| {
                let touches = next.0 <= before.1;
                if touches {
                    before.1 = before.1.max(next.1);
                }
                touches
            });
        }
        Self(places)
    }

    /// Whether any place on the line is free for all `stretches`, counted from `start`.
    fn leave_open(&self, line: &Line, stretches: &[(SignedDuration, SignedDuration)], start: Timestamp) -> bool {
        line.resources.iter().any(|resource| {
            let Some(blocked) = self.0.get(resource) else { return true };
            stretches.iter().all(|(from, to)| {
                let (from, to) = (start + *from, start + *to);
                let first = blocked.partition_point(|(_, end)| *end <= from);
                blocked.get(first).is_none_or(|(begin, _)| *begin >= to)
            })
        })
    }
}

/// How old a promise's knowledge may be for this tenant.
pub(super) fn promise_age(tenant: &Tenant) -> SignedDuration {
    match tenant.calendar {
        CalendarKind::Builtin => SignedDuration::ZERO,
        CalendarKind::Calcom { verify_after_ms, .. } => {
            SignedDuration::from_millis(i64::try_from(verify_after_ms).unwrap_or(i64::MAX))
        }
    }
}

/// Offers out of holds.
pub(super) fn offers(holds: &[Hold]) -> Vec<Offer> {
    holds.iter().map(Offer::from).collect()
}

/// From the start of the local day of `at`, or `now` if that is later, to `days` days on.
pub(super) fn window(tenant: &Tenant, at: Timestamp, days: i64, now: Timestamp) -> (Timestamp, Timestamp) {
    let date = at.to_zoned_datetime(tenant.zone().clone()).date();
    let start = bounds_of(date, tenant.zone()).map_or(at, |(start, _)| start);
    let end = start + SignedDuration::from_hours(24 * days);
    (start.max(now), end.min(now + tenant.policy.horizon + SignedDuration::from_secs(1)).max(start.max(now)))
}

/// The call's id, for ownership of holds.
pub(super) fn owner(call: &CallContext) -> Option<&CallId> {
    call.id.as_ref()
}

/// Awaits all of `futures` at once, in this task.
pub(super) async fn join_all<T>(futures: Vec<impl Future<Output = T>>) -> Vec<T> {
    let mut pinned: Vec<_> = futures.into_iter().map(|future| (Box::pin(future), None)).collect();
    std::future::poll_fn(|context| {
        let mut waiting = false;
        for (future, answer) in &mut pinned {
            if answer.is_none() {
                match future.as_mut().poll(context) {
                    std::task::Poll::Ready(value) => *answer = Some(value),
                    std::task::Poll::Pending => waiting = true,
                }
            }
        }
        if waiting { std::task::Poll::Pending } else { std::task::Poll::Ready(()) }
    })
    .await;
    pinned.into_iter().filter_map(|(_, answer)| answer).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(minute: i64) -> Timestamp {
        Timestamp::from_second(minute * 60).expect("in range")
    }

    #[test]
    fn the_nearest_start_comes_first() {
        let mut found = Found::default();
        for minute in [450, 810, 1020] {
            found.starts.insert(at(minute), vec![0]);
        }
        assert_eq!(found.nearest(at(795)), [at(810), at(1020), at(450)]);
    }

    #[test]
    fn what_is_proposed_together_lies_apart() {
        let mut found = Found::default();
        for minute in [0, 15, 30, 60, 75, 120] {
            found.starts.insert(at(minute), vec![0]);
        }
        assert_eq!(found.earliest_of(&|_| true)[..3], [at(0), at(60), at(120)]);
    }
}
