//! Is that free? A yes is always a hold; a no says why and what is free instead.

use jiff::civil::{Date, Time};
use jiff::{SignedDuration, Timestamp};

use super::book::existing;
use super::offers::{Found, Search, SearchError, offers, owner, promise_age, window};
use super::understand::{ask, ask_when, exact_time, next_at};
use super::{CheckWish, CollectWish, Desk, Session};
use crate::booking::{Appointment, CallbackCause};
use crate::call::Awaiting;
use crate::hours::{MinuteOfDay, bounds_of};
use crate::outcome::{Confirm, Denial, Missed, Need, Offer, Outcome, Question, WhyNothing, WhyOffered};
use crate::ports::StoreError;
use crate::sensitive::Sensitive;
use crate::slot::{HOLDS_PER_CALL, Hold, Line};
use crate::speech::person::clean_name;
use crate::speech::when::{DateWish, TimeWish, When};
use crate::tenant::{Service, Staff};

/// How many days on alternatives are looked for.
const REACH_DAYS: i64 = 7;
/// How many days an open wish ("as soon as possible") reaches.
const OPEN_DAYS: i64 = 14;

/// A wish whose words are understood.
pub(super) struct Wish<'a> {
    pub(super) service: Service,
    pub(super) staff: Option<Staff>,
    pub(super) when: When,
    /// The appointment that would be moved.
    pub(super) replaces: Option<&'a Appointment>,
}

impl Desk {
    pub(super) async fn check(&self, session: &mut Session<'_>, wish: &CheckWish) -> Result<Outcome, StoreError> {
        self.remember_wish(session, wish);
        let wish = match self.understand_wish(session, wish).await? {
            Ok(wish) => wish,
            Err(outcome) => return Ok(outcome),
        };
        self.look(session, &wish).await
    }

    /// Resolves the words of a wish, or ends in the question to ask.
    pub(super) async fn understand_wish<'a>(
        &self,
        session: &mut Session<'_>,
        wish: &CheckWish,
    ) -> Result<Result<Wish<'a>, Outcome>, StoreError> {
        let service = match session.service(wish.service.as_deref()) {
            Ok(service) => service,
            Err(Outcome::NeedsInput { missing, .. }) => return Ok(Err(self.ask_service(session, wish, missing).await?)),
            Err(outcome) => return Ok(Err(outcome)),
        };
        session.memory.service = Some(service.name.clone());
        let staff = match session.staff(wish.staff.as_deref()) {
            Ok(staff) => staff,
            Err(outcome) => return Ok(Err(outcome)),
        };
        session.memory.staff = staff.as_ref().map(|staff| staff.name.clone());
        let mut when = match session.when(&wish.when) {
            Ok(when) => when,
            Err(question) => return Ok(Err(ask_when(question))),
        };
        if wish.earliest && when.time == TimeWish::Any {
            when.time = TimeWish::Earliest;
        }
        if when.date == DateWish::Any {
            match when.time {
                TimeWish::Any => return Ok(Err(ask(&[Need::Date, Need::Time], Question::Missing(Need::Date)))),
                TimeWish::At(time) => {
                    let question = match next_at(&session.local_now(), time) {
                        Some(next) => Question::WhichDay { next },
                        None => Question::Missing(Need::Date),
                    };
                    return Ok(Err(ask(&[Need::Date], question)));
                }
                TimeWish::Window { .. } | TimeWish::Earliest => {}
            }
        }
        Ok(Ok(Wish { service, staff, when, replaces: None }))
    }

    async fn ask_service(&self, session: &Session<'_>, wish: &CheckWish, mut missing: Vec<Need>) -> Result<Outcome, StoreError> {
        if wish.when.is_empty() && !wish.earliest {
            missing.push(Need::Date);
        }
        let history = self.history(session).await?;
        let question = match usual_service(&history).filter(|name| session.tenant().service(name).is_some()) {
            Some(service) => Question::UsualService { service },
            None => Question::Missing(Need::Service),
        };
        Ok(Outcome::NeedsInput { missing, question })
    }

    /// Looks for an understood wish and holds what it finds.
    pub(super) async fn look(&self, session: &mut Session<'_>, wish: &Wish<'_>) -> Result<Outcome, StoreError> {
        if let Some(staff) = &wish.staff
            && (!staff.services.contains(&wish.service.name)
                || Line::of(session.tenant(), &wish.service, Some(&staff.name)).is_empty())
        {
            return self.staff_cannot(session, wish, staff).await;
        }
        match (&wish.when.date, exact_time(&wish.when.time)) {
            (DateWish::On(date), Some(time)) => self.look_exact(session, wish, *date, time).await,
            _ => self.look_open(session, wish).await,
        }
    }

    async fn look_exact(
        &self,
        session: &mut Session<'_>,
        wish: &Wish<'_>,
        date: Date,
        time: Time,
    ) -> Result<Outcome, StoreError> {
        let zone = session.tenant().zone().clone();
        let Ok(start) = zone.to_ambiguous_zoned_datetime(date.to_datetime(time)).compatible() else {
            return Ok(ask_when(Question::NoSuchDate));
        };
        let start = start.timestamp();
        if wish.replaces.is_none()
            && let Some(outcome) = self.has_it_already(session, wish, start).await?
        {
            return Ok(outcome);
        }
        if let Some(denial) = self.rules(session.visit, &wish.service, wish.staff.as_ref(), start) {
            return self.deny(session, wish, denial, start).await;
        }
        let (from, to) = window(session.tenant(), start, REACH_DAYS, session.now);
        let search = Search { exact: Some(start), ..self.a_search(session, wish, from, to) };
        let asked = match self.ask(&search).await {
            Ok(asked) => asked,
            Err(error) => return self.no_answer(session, wish, error).await,
        };
        let found = self.only_of(&search, &asked, start).await?;
        if found.starts.contains_key(&start) {
            if let Some(hold) = self.in_hand(session, &search, &found, start) {
                return Ok(Outcome::Available(Offer::from(&hold)));
            }
            let held = self.hold(&search, &found, &[start], 1).await?;
            if let Some(hold) = held.first() {
                let offer = Offer::from(hold);
                self.offered(session, &held);
                return Ok(Outcome::Available(offer));
            }
        }
        let others = match self.all_of(&search, asked).await {
            Ok(found) => found.only(|candidate| candidate != start),
            Err(error) => return self.no_answer(session, wish, error).await,
        };
        let nearest = others.nearest(start);
        self.propose(session, wish, &others, &nearest, WhyOffered::NotFree { wished: start }, from, to).await
    }

    async fn look_open(&self, session: &mut Session<'_>, wish: &Wish<'_>) -> Result<Outcome, StoreError> {
        let tenant = session.tenant();
        let zone = tenant.zone().clone();
        let (first, last, exact_day) = match &wish.when.date {
            DateWish::Any => {
                let (from, to) = window(tenant, session.now, OPEN_DAYS, session.now);
                (from, to, None)
            }
            DateWish::On(date) => {
                if let Some(denial) = self.day_is_refused(session, wish, *date) {
                    let wished = bounds_of(*date, &zone).map_or(session.now, |(start, _)| start);
                    return self.deny(session, wish, denial, wished).await;
                }
                let start = bounds_of(*date, &zone).map_or(session.now, |(start, _)| start);
                let (from, to) = window(tenant, start, REACH_DAYS, session.now);
                (from, to, Some(*date))
            }
            DateWish::Between { from, to } => {
                let start = bounds_of(*from, &zone).map_or(session.now, |(start, _)| start).max(session.now);
                let end = bounds_of(*to, &zone).map_or(session.now, |(_, end)| end);
                let latest = session.now + tenant.policy.horizon;
                if start > latest {
                    return self.deny(session, wish, Denial::HorizonExceeded { latest }, latest).await;
                }
                (start, end.min(start + SignedDuration::from_hours(24 * 31)), None)
            }
        };
        let search = self.a_search(session, wish, first, last);
        let found = match self.search(&search).await {
            Ok(found) => found,
            Err(error) => return self.no_answer(session, wish, error).await,
        };
        let fits = |start: Timestamp| {
            let local = start.to_zoned_datetime(zone.clone());
            exact_day.is_none_or(|day| local.date() == day) && time_fits(&wish.when.time, local.time())
        };
        let fitting: Vec<Timestamp> = found.earliest_of(&fits);
        if !fitting.is_empty() {
            return self.propose(session, wish, &found, &fitting, WhyOffered::Fits, first, last).await;
        }
        let wished = wished_moment(&wish.when, exact_day, &zone, session.now);
        let nearest = found.nearest(wished);
        self.propose(session, wish, &found, &nearest, WhyOffered::Full, first, last).await
    }

    /// Holds up to three of `starts`; with none left, a person takes over.
    async fn propose(
        &self,
        session: &mut Session<'_>,
        wish: &Wish<'_>,
        found: &Found,
        starts: &[Timestamp],
        why: WhyOffered,
        from: Timestamp,
        to: Timestamp,
    ) -> Result<Outcome, StoreError> {
        let search = self.a_search(session, wish, from, to);
        let held = self.hold(&search, found, starts, HOLDS_PER_CALL).await?;
        if held.is_empty() {
            self.queue(session, CallbackCause::NothingFree, Some(&wish.service.name), None).await?;
            return Ok(Outcome::Unavailable(WhyNothing::Full));
        }
        self.offered(session, &held);
        Ok(Outcome::Offered { slots: offers(&held), why })
    }

    /// A rule says no: says so, with what would be possible.
    pub(super) async fn deny(
        &self,
        session: &mut Session<'_>,
        wish: &Wish<'_>,
        denial: Denial,
        near: Timestamp,
    ) -> Result<Outcome, StoreError> {
        let latest = session.now + session.tenant().policy.horizon;
        let near = near.clamp(session.now, latest);
        let back = if matches!(denial, Denial::HorizonExceeded { .. }) {
            SignedDuration::from_hours(24 * REACH_DAYS)
        } else {
            SignedDuration::ZERO
        };
        let (from, to) = window(session.tenant(), near - back, REACH_DAYS + 1, session.now);
        let search = self.a_search(session, wish, from, to);
        let slots = match self.search(&search).await {
            Ok(found) => {
                let nearest = found.nearest(near);
                self.hold(&search, &found, &nearest, HOLDS_PER_CALL).await?
            }
            // The rule stands without the calendar; only the alternatives are missing.
            Err(SearchError::Calendar(_) | SearchError::NoLine) => Vec::new(),
            Err(SearchError::Store(error)) => return Err(error),
        };
        self.offered(session, &slots);
        Ok(Outcome::Denied { denial, slots: offers(&slots) })
    }

    async fn staff_cannot(&self, session: &mut Session<'_>, wish: &Wish<'_>, staff: &Staff) -> Result<Outcome, StoreError> {
        let denial = Denial::StaffCannot { staff: staff.name.clone(), service: wish.service.name.clone() };
        let anyone = Wish { service: wish.service.clone(), staff: None, when: wish.when.clone(), replaces: wish.replaces };
        let near = match &wish.when.date {
            DateWish::On(date) => wished_moment(&wish.when, Some(*date), session.tenant().zone(), session.now),
            DateWish::Any | DateWish::Between { .. } => session.now,
        };
        self.deny(session, &anyone, denial, near).await
    }

    /// No answer from the calendar in time: a person takes over where we know whom to call.
    pub(super) async fn no_answer(
        &self,
        session: &mut Session<'_>,
        wish: &Wish<'_>,
        error: SearchError,
    ) -> Result<Outcome, StoreError> {
        match error {
            SearchError::Store(error) => Err(error),
            SearchError::NoLine => {
                Ok(Outcome::NotFound(Missed::Service(session.tenant().services.iter().map(|it| it.name.clone()).collect())))
            }
            SearchError::Calendar(_) => {
                let promise = self.queue(session, CallbackCause::CalendarDown, Some(&wish.service.name), None).await?;
                let reachable = session.visit.call.caller.phone().is_some() || session.memory.phone.is_some();
                Ok(Outcome::TemporarilyUnavailable(promise.filter(|_| reachable)))
            }
        }
    }

    /// Someone who asks for the appointment that they already have hears so.
    async fn has_it_already(
        &self,
        session: &Session<'_>,
        wish: &Wish<'_>,
        start: Timestamp,
    ) -> Result<Option<Outcome>, StoreError> {
        let own = self.own_appointments(session).await?;
        Ok(own.iter().find(|it| it.start == start && it.service == wish.service.name).and_then(existing))
    }

    fn day_is_refused(&self, session: &Session<'_>, wish: &Wish<'_>, date: Date) -> Option<Denial> {
        use crate::hours::Day;
        use crate::policy::{HoursRule, day, refuses_hours};

        let tenant = session.tenant();
        let (start, end) = bounds_of(date, tenant.zone())?;
        let latest = session.now + tenant.policy.horizon;
        if start > latest {
            return Some(Denial::HorizonExceeded { latest });
        }
        let earliest = session.now + tenant.policy.min_notice;
        if end <= earliest {
            return Some(Denial::NoticeTooShort { earliest });
        }
        if session.visit.hours != HoursRule::Enforced {
            return None;
        }
        let closed = |staff: Option<&Staff>| match day(tenant, staff, date) {
            None | Some(Day::Open(_)) => None,
            Some(_) => refuses_hours(tenant, staff, start, SignedDuration::from_mins(1)),
        };
        match &wish.staff {
            Some(staff) => closed(Some(staff)),
            None => {
                let denial = closed(None)?;
                let somebody_works = tenant.staff_for(&wish.service).any(|staff| closed(Some(staff)).is_none());
                (!somebody_works).then_some(denial)
            }
        }
    }

    pub(super) fn a_search<'a>(
        &self,
        session: &'a Session<'_>,
        wish: &'a Wish<'_>,
        from: Timestamp,
        to: Timestamp,
    ) -> Search<'a> {
        Search {
            tenant: session.tenant(),
            service: &wish.service,
            staff: wish.staff.as_ref(),
            call: owner(&session.visit.call),
            replaces: wish.replaces,
            from,
            to,
            hours: session.visit.hours,
            now: session.now,
            deadline: session.deadline.at_most(self.budgets.check),
            max_age: promise_age(session.tenant()),
            browsing: false,
            exact: None,
        }
    }

    /// Keeps in mind what was offered; a later "yes" may name it by its time.
    pub(super) fn offered(&self, session: &mut Session<'_>, holds: &[Hold]) {
        session.memory.offered = holds.iter().map(|hold| hold.id.clone()).collect();
    }

    /// Keeps the words of a wish, for the person who may have to call back.
    pub(super) fn remember_wish(&self, session: &mut Session<'_>, wish: &CheckWish) {
        let words: Vec<&str> = [&wish.service, &wish.when.words, &wish.when.date, &wish.when.time, &wish.staff]
            .into_iter()
            .filter_map(|text| text.as_deref())
            .filter(|text| !text.trim().is_empty())
            .collect();
        if !words.is_empty() {
            session.memory.wish = Some(Sensitive::new(words.join(", ")));
        }
    }

    /// The old two-step function: what was said is kept, then it is a check or a booking.
    pub(super) async fn collect(&self, session: &mut Session<'_>, wish: CollectWish) -> Result<Outcome, StoreError> {
        if wish.consent {
            return self.book(session, &wish.book).await;
        }
        if let Some(name) = &wish.book.name
            && let Ok(name) = clean_name(name.expose())
        {
            session.memory.name = Some(Sensitive::new(name));
        }
        if let Some(email) = &wish.book.email {
            session.memory.email = Some(email.clone());
        }
        self.check(session, &wish.book.check).await
    }

    /// Turns a yes into the question whether it is meant, and keeps it in mind.
    pub(super) fn confirm(&self, session: &mut Session<'_>, confirm: Confirm) -> Outcome {
        let (slot, booking) = match &confirm {
            Confirm::Book(offer) => (offer.slot.clone(), None),
            Confirm::Move { appointment, to } => (to.slot.clone(), Some(appointment.booking.clone())),
            Confirm::Cancel(appointment) => (None, Some(appointment.booking.clone())),
        };
        let fingerprint = session.fingerprint.to_owned();
        session.memory.awaiting = Some(Awaiting { fingerprint, asked_at: session.now, slot, booking });
        Outcome::NeedsConfirmation(confirm)
    }
}

/// The service that a caller had most often.
pub(super) fn usual_service(history: &[Appointment]) -> Option<String> {
    let mut counts: Vec<(&str, usize)> = Vec::new();
    for appointment in history {
        match counts.iter_mut().find(|(name, _)| *name == appointment.service) {
            Some((_, count)) => *count += 1,
            None => counts.push((&appointment.service, 1)),
        }
    }
    counts.into_iter().max_by_key(|(_, count)| *count).map(|(name, _)| name.to_owned())
}

fn time_fits(wish: &TimeWish, time: Time) -> bool {
    match wish {
        TimeWish::Any | TimeWish::Earliest => true,
        TimeWish::At(exact) => *exact == time,
        TimeWish::Window { from, to } => {
            let minute = MinuteOfDay::new(time.hour().unsigned_abs().into(), time.minute().unsigned_abs().into());
            minute.is_some_and(|minute| *from <= minute && minute < *to)
        }
    }
}

/// The moment that a vague wish is nearest to.
fn wished_moment(when: &When, day: Option<Date>, zone: &jiff::tz::TimeZone, now: Timestamp) -> Timestamp {
    let date = match (&when.date, day) {
        (_, Some(day)) => day,
        (DateWish::On(day), None) => *day,
        (DateWish::Between { from, .. }, None) => *from,
        (DateWish::Any, None) => now.to_zoned_datetime(zone.clone()).date(),
    };
    let at = match &when.time {
        TimeWish::At(time) => MinuteOfDay::new(time.hour().unsigned_abs().into(), time.minute().unsigned_abs().into()),
        TimeWish::Window { from, .. } => Some(*from),
        TimeWish::Any | TimeWish::Earliest => MinuteOfDay::new(0, 0),
    };
    at.and_then(|minute| minute.on(date, zone)).unwrap_or(now).max(now)
}
