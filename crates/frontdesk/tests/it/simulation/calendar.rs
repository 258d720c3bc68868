//! A simulated calendar behind the core's port: it stores bookings with our intents, takes its time, refuses,
//! falls silent before and after storing, looks things up in stale copies, and is changed by people.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use frontdesk_calendar::BuiltinCalendar;
use frontdesk_core::calendar_news::{CalendarNews, NewsKind};
use frontdesk_core::deadline::Deadline;
use frontdesk_core::ids::TenantId;
use frontdesk_core::ports::{Calendar, CalendarBooking, CalendarError, Free, NewBooking, Refusal, SlotAsk, Standing};
use frontdesk_core::tenant::{CalendarKind, Tenant};
use jiff::{SignedDuration, Timestamp};

use super::bookings::{Booked, Bookings, outgoing, starts_on_grid};
use super::chance::Chance;
use super::time::SimulatedClock;

/// A look-up may ask a copy that is this old.
const STALE: SignedDuration = SignedDuration::from_millis(300);
/// A listing of free times may be this old.
const STALE_LISTING: SignedDuration = SignedDuration::from_secs(60);

/// What goes wrong with one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Trouble {
    None,
    Refused,
    SilentBefore,
    SilentAfter,
    HangsBefore,
    HangsAfter,
    /// It is answered with a no, and was done all the same.
    RefusedAfter,
    Throttled,
    Stale,
    AwaitsApproval,
}

/// What the calendar did to the gateways.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Faults {
    pub(super) requests: u64,
    pub(super) injected: u64,
}

/// The calendars of all tenants.
pub(super) struct SimulatedCalendar {
    clock: Arc<SimulatedClock>,
    inner: Mutex<Inner>,
}

pub(super) struct Inner {
    chance: Chance,
    /// How many requests in a hundred meet trouble.
    pub(super) trouble: u64,
    pub(super) down: Vec<TenantId>,
    pub(super) bookings: Bookings,
    /// What nobody has been told yet.
    pub(super) news: Vec<(TenantId, CalendarNews)>,
    pub(super) faults: Faults,
}

impl SimulatedCalendar {
    pub(super) fn new(clock: Arc<SimulatedClock>, chance: Chance) -> Self {
        let inner = Inner {
            chance,
            trouble: 0,
            down: Vec::new(),
            bookings: Bookings::default(),
            news: Vec::new(),
            faults: Faults::default(),
        };
        Self { clock, inner: Mutex::new(inner) }
    }

    pub(super) fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Decides what becomes of a request, and lets the time pass before it is done.
    async fn begin(
        &self,
        tenant: &Tenant,
        troubles: &[Trouble],
        deadline: Deadline,
    ) -> Result<(Trouble, Duration), CalendarError> {
        let (trouble, before, after) = {
            let mut inner = self.inner();
            inner.faults.requests += 1;
            let percent = inner.trouble;
            let is_down = inner.down.contains(&tenant.slug);
            let mut trouble = Trouble::None;
            if is_down {
                trouble = if inner.chance.percent(50) { Trouble::SilentBefore } else { Trouble::HangsBefore };
            } else if inner.chance.percent(percent) {
                trouble = inner.chance.pick(troubles).copied().unwrap_or(Trouble::None);
            }
            if trouble != Trouble::None {
                inner.faults.injected += 1;
            }
            let slow = inner.chance.percent(percent / 3);
            let most = if slow { 4000 } else { 250 };
            (trouble, inner.chance.between(10, most), inner.chance.between(10, most))
        };
        match trouble {
            Trouble::HangsBefore => wait(Duration::from_secs(3600), deadline).await?,
            _ => wait(Duration::from_millis(before), deadline).await?,
        }
        match trouble {
            Trouble::SilentBefore => Err(unavailable("no answer")),
            Trouble::Throttled => Err(CalendarError::Throttled { retry_after: SignedDuration::from_secs(5) }),
            Trouble::HangsAfter => Ok((trouble, Duration::from_secs(3600))),
            _ => Ok((trouble, Duration::from_millis(after))),
        }
    }

    /// The way back.
    async fn end(&self, trouble: Trouble, after: Duration, deadline: Deadline) -> Result<(), CalendarError> {
        wait(after, deadline).await?;
        match trouble {
            Trouble::SilentAfter => Err(unavailable("no answer")),
            Trouble::RefusedAfter => Err(refused(Refusal::Other)),
            _ => Ok(()),
        }
    }

    /// Until when a look-up sees.
    fn sees(&self, trouble: Trouble) -> Timestamp {
        let now = self.clock.truth();
        if trouble == Trouble::Stale { now - STALE } else { now }
    }
}

async fn wait(for_long: Duration, deadline: Deadline) -> Result<(), CalendarError> {
    let left = deadline.remaining();
    tokio::time::sleep(for_long.min(left)).await;
    if for_long >= left { Err(unavailable("timed out")) } else { Ok(()) }
}

fn unavailable(detail: &str) -> CalendarError {
    CalendarError::Unavailable { detail: detail.to_owned() }
}

fn refused(refusal: Refusal) -> CalendarError {
    CalendarError::Refused { refusal, detail: "refused".to_owned() }
}

fn is_builtin(tenant: &Tenant) -> bool {
    matches!(tenant.calendar, CalendarKind::Builtin)
}

#[async_trait]
impl Calendar for SimulatedCalendar {
    async fn slots(&self, tenant: &Tenant, ask: &SlotAsk<'_>, deadline: Deadline) -> Result<Free, CalendarError> {
        if is_builtin(tenant) {
            return BuiltinCalendar.slots(tenant, ask, deadline).await;
        }
        let troubles = [Trouble::SilentBefore, Trouble::HangsBefore, Trouble::Stale, Trouble::Throttled];
        let (trouble, after) = self.begin(tenant, &troubles, deadline).await?;
        let now = self.clock.truth();
        let seen = if trouble == Trouble::Stale { now - STALE_LISTING } else { now };
        let starts: Vec<Timestamp> = {
            let inner = self.inner();
            let is_free = |start: Timestamp| match ask.line.event_type {
                Some(event_type) => {
                    let end = start + ask.service.duration();
                    inner.bookings.a_host(tenant, event_type, start, end, ask.replaces, seen).is_some()
                }
                None => ask.line.parts.iter().enumerate().all(|(index, part)| {
                    let begins = start + part.after;
                    let own = ask.part_uids.get(index).and_then(Option::as_deref);
                    inner.bookings.a_host(tenant, part.event_type, begins, begins + part.length, own, seen).is_some()
                }),
            };
            starts_on_grid(tenant, ask.from.max(now), ask.to).filter(|start| is_free(*start)).collect()
        };
        self.end(trouble, after, deadline).await?;
        Ok(Free { starts: starts.into(), age: now.duration_since(seen) })
    }

    async fn create(&self, tenant: &Tenant, new: &NewBooking, deadline: Deadline) -> Result<CalendarBooking, CalendarError> {
        if is_builtin(tenant) {
            return BuiltinCalendar.create(tenant, new, deadline).await;
        }
        let troubles = [
            Trouble::Refused,
            Trouble::SilentBefore,
            Trouble::SilentAfter,
            Trouble::SilentAfter,
            Trouble::HangsBefore,
            Trouble::HangsAfter,
            Trouble::RefusedAfter,
            Trouble::Throttled,
            Trouble::AwaitsApproval,
        ];
        let (trouble, after) = self.begin(tenant, &troubles, deadline).await?;
        let made = {
            let mut inner = self.inner();
            let now = self.clock.truth();
            if trouble == Trouble::Refused {
                let refusal = [Refusal::Taken, Refusal::Other, Refusal::Attendee, Refusal::OutOfBounds];
                let refusal = inner.chance.pick(&refusal).copied().unwrap_or(Refusal::Other);
                Err(refused(refusal))
            } else if new.start <= now {
                Err(refused(Refusal::OutOfBounds))
            } else {
                let event_type = new.event_type.unwrap_or_default();
                let standing = if trouble == Trouble::AwaitsApproval { Standing::AwaitsApproval } else { Standing::Accepted };
                match inner.bookings.a_host(tenant, event_type, new.start, new.end, None, now) {
                    None => Err(refused(Refusal::Taken)),
                    Some(host) => {
                        let booked = inner.bookings.store(tenant, new, host, standing, now);
                        let kind = if standing == Standing::Accepted { NewsKind::Created } else { NewsKind::Requested };
                        let news = outgoing(&booked, kind, None, now, &mut inner.chance);
                        inner.news.push((tenant.slug.clone(), news));
                        Ok(booked.shown())
                    }
                }
            }
        };
        self.end(if made.is_ok() { trouble } else { Trouble::None }, after, deadline).await?;
        made
    }

    async fn find(
        &self,
        tenant: &Tenant,
        wanted: &NewBooking,
        deadline: Deadline,
    ) -> Result<Option<CalendarBooking>, CalendarError> {
        if is_builtin(tenant) {
            return Ok(None);
        }
        let (trouble, after) =
            self.begin(tenant, &[Trouble::SilentBefore, Trouble::HangsBefore, Trouble::Stale], deadline).await?;
        let found = self.inner().bookings.of_intent(tenant, wanted, self.sees(trouble)).map(Booked::shown);
        self.end(trouble, after, deadline).await?;
        Ok(found)
    }

    async fn get(&self, tenant: &Tenant, uid: &str, deadline: Deadline) -> Result<Option<CalendarBooking>, CalendarError> {
        if is_builtin(tenant) {
            return Ok(None);
        }
        let (trouble, after) = self.begin(tenant, &[Trouble::SilentBefore, Trouble::HangsBefore], deadline).await?;
        let found = self.inner().bookings.of_uid(&tenant.slug, uid).map(Booked::shown);
        self.end(trouble, after, deadline).await?;
        Ok(found)
    }

    async fn reschedule(
        &self,
        tenant: &Tenant,
        uid: &str,
        start: Timestamp,
        _reason: &str,
        deadline: Deadline,
    ) -> Result<CalendarBooking, CalendarError> {
        let troubles = [
            Trouble::Refused,
            Trouble::SilentBefore,
            Trouble::SilentAfter,
            Trouble::HangsBefore,
            Trouble::HangsAfter,
            Trouble::RefusedAfter,
            Trouble::Throttled,
        ];
        let (trouble, after) = self.begin(tenant, &troubles, deadline).await?;
        let moved =
            if trouble == Trouble::Refused { Err(refused(Refusal::NotAllowed)) } else { self.shift(tenant, uid, start, false) };
        self.end(if moved.is_ok() { trouble } else { Trouble::None }, after, deadline).await?;
        moved
    }

    async fn cancel(&self, tenant: &Tenant, uid: &str, _reason: &str, deadline: Deadline) -> Result<(), CalendarError> {
        let troubles = [
            Trouble::Refused,
            Trouble::SilentBefore,
            Trouble::SilentAfter,
            Trouble::HangsBefore,
            Trouble::HangsAfter,
            Trouble::RefusedAfter,
        ];
        let (trouble, after) = self.begin(tenant, &troubles, deadline).await?;
        let gone = if trouble == Trouble::Refused {
            Err(refused(Refusal::NotAllowed))
        } else {
            self.revoke(&tenant.slug, uid, Standing::Cancelled, false)
        };
        self.end(if gone.is_ok() { trouble } else { Trouble::None }, after, deadline).await?;
        gone
    }
}

// --- what is done at once, for gateways and for people ---

impl SimulatedCalendar {
    /// Moves a booking.
    pub(super) fn shift(
        &self,
        tenant: &Tenant,
        uid: &str,
        start: Timestamp,
        by_people: bool,
    ) -> Result<CalendarBooking, CalendarError> {
        let now = self.clock.truth();
        let mut inner = self.inner();
        let Some(old) = inner.bookings.of_uid(&tenant.slug, uid).cloned() else {
            return Err(refused(Refusal::NoSuchBooking));
        };
        if old.standing != Standing::Accepted {
            return Err(refused(Refusal::AlreadyCancelled));
        }
        if start <= now {
            return Err(refused(Refusal::OutOfBounds));
        }
        let end = start + old.end.duration_since(old.start);
        let Some(host) = inner.bookings.a_host(tenant, old.event_type, start, end, Some(uid), now) else {
            return Err(refused(Refusal::Taken));
        };
        let moved = inner.bookings.replace(&old, host, start, by_people, now);
        let news = outgoing(&moved, NewsKind::Rescheduled, Some(uid), now, &mut inner.chance);
        inner.news.push((tenant.slug.clone(), news));
        Ok(moved.shown())
    }

    /// Cancels or rejects a booking; one that is gone already is a success.
    pub(super) fn revoke(&self, tenant: &TenantId, uid: &str, to: Standing, by_people: bool) -> Result<(), CalendarError> {
        let now = self.clock.truth();
        let mut inner = self.inner();
        let mut uid = uid.to_owned();
        // The adapter follows a booking that people moved, as the port says.
        while let Some(next) =
            inner.bookings.of_uid_mut(tenant, &uid).and_then(|it| if it.stands() { None } else { it.moved_to.clone() })
        {
            uid = next;
        }
        let Some(booked) = inner.bookings.of_uid_mut(tenant, &uid) else { return Err(refused(Refusal::NoSuchBooking)) };
        if !booked.stands() {
            return Ok(());
        }
        booked.standing = to;
        booked.sequence += 1;
        booked.by_people |= by_people;
        let gone = booked.clone();
        let kind = if to == Standing::Rejected { NewsKind::Rejected } else { NewsKind::Cancelled };
        let news = outgoing(&gone, kind, None, now, &mut inner.chance);
        inner.news.push((tenant.clone(), news));
        Ok(())
    }

    /// The business agrees.
    pub(super) fn approve(&self, tenant: &TenantId, uid: &str) {
        let now = self.clock.truth();
        let mut inner = self.inner();
        let Some(booked) = inner.bookings.of_uid_mut(tenant, uid) else { return };
        if booked.standing != Standing::AwaitsApproval {
            return;
        }
        booked.standing = Standing::Accepted;
        let agreed = booked.clone();
        let news = outgoing(&agreed, NewsKind::Created, None, now, &mut inner.chance);
        inner.news.push((tenant.clone(), news));
    }

    /// Somebody books in the calendar's own page.
    pub(super) fn book_elsewhere(&self, tenant: &Tenant, new: &NewBooking) -> bool {
        let now = self.clock.truth();
        let mut inner = self.inner();
        let event_type = new.event_type.unwrap_or_default();
        let Some(host) = inner.bookings.a_host(tenant, event_type, new.start, new.end, None, now) else { return false };
        let mut booked = inner.bookings.store(tenant, new, host, Standing::Accepted, now);
        booked.intent = None;
        if let Some(kept) = inner.bookings.of_uid_mut(&tenant.slug, &booked.uid) {
            kept.intent = None;
            kept.by_people = true;
        }
        let news = outgoing(&booked, NewsKind::Created, None, now, &mut inner.chance);
        inner.news.push((tenant.slug.clone(), news));
        true
    }
}
