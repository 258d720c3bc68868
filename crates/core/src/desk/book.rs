//! Book it: a held slot becomes an intent, the intent a booking, and only then is it called one.

use jiff::Timestamp;

use super::attempt::Settled;
use super::check::Wish;
use super::offers::{Search, SearchError, offers, promise_age, window};
use super::understand::{ask, exact_time};
use super::{BookWish, Desk, Session, Visit};
use crate::booking::{Appointment, AppointmentState, Attendee, CallbackCause, Intent, IntentKind, IntentState, Part, PartState};
use crate::call::Phone;
use crate::ids::{BookingId, IntentId};
use crate::outcome::{Change, Choice, Confirm, Denial, Missed, Need, Offer, Outcome, Question, Shown};
use crate::ports::{AppointmentFilter, Beginning, Begun, Refusal, StoreError};
use crate::sensitive::Sensitive;
use crate::slot::{HOLDS_PER_CALL, Hold, PartWish};
use crate::speech::person::{clean_name, read_email};
use crate::speech::service::{Match, match_service};
use crate::speech::when::DateWish;
use crate::tenant::{CalendarKind, Service, Tenant};

impl Desk {
    pub(super) async fn book(&self, session: &mut Session<'_>, wish: &BookWish) -> Result<Outcome, StoreError> {
        if let Err(question) = self.take_down(session, wish) {
            return Ok(ask(&[Need::Name], question));
        }
        let hold = match &wish.slot {
            Some(slot) => match self.own_hold(session, slot).await? {
                Some(hold) => {
                    if let Some(outcome) = contradicts(session, wish, &hold) {
                        return Ok(outcome);
                    }
                    hold
                }
                None if wish.check.when.is_empty() => return Ok(Outcome::NotFound(Missed::Slot)),
                None => match self.slot_by_words(session, wish).await? {
                    Ok(hold) => hold,
                    Err(outcome) => return Ok(outcome),
                },
            },
            None => match self.slot_by_words(session, wish).await? {
                Ok(hold) => hold,
                Err(outcome) => return Ok(outcome),
            },
        };
        if let Some(replaced) = &hold.replaces {
            return self.move_to(session, &replaced.clone(), &hold, None).await;
        }
        if let Some(outcome) = self.stands_already(session, &hold).await? {
            return Ok(outcome);
        }
        let Some(name) = self.known_name(session).await? else {
            self.parts.diary.renew_hold(session.tenant().scope(), &hold.id, session.now).await?;
            return Ok(ask(&[Need::Name], Question::Missing(Need::Name)));
        };
        self.book_hold(session, &hold, name, wish).await
    }

    async fn book_hold(
        &self,
        session: &mut Session<'_>,
        hold: &Hold,
        name: Sensitive<String>,
        wish: &BookWish,
    ) -> Result<Outcome, StoreError> {
        let Some(service) = session.tenant().service(&hold.service).cloned() else {
            let names = session.tenant().services.iter().map(|it| it.name.clone()).collect();
            return Ok(Outcome::NotFound(Missed::Service(names)));
        };
        // A hold that was let go or ran out is worth nothing until the calendar has said yes again.
        if !self.is_kept(session, hold).await? {
            if hold.start <= session.now {
                return self.look_again(session, hold).await;
            }
            match self.look_again(session, hold).await? {
                Outcome::Available(offer) => {
                    let Some(slot) = &offer.slot else { return Ok(Outcome::Available(offer)) };
                    let Some(fresh) = self.own_hold(session, slot).await? else {
                        return Ok(Outcome::Taken(Vec::new()));
                    };
                    return self.give(session, &fresh, &service, name, wish).await;
                }
                Outcome::Offered { slots, .. } => return Ok(Outcome::Taken(slots)),
                Outcome::Unavailable(_) => return Ok(Outcome::Taken(Vec::new())),
                other => return Ok(other),
            }
        }
        self.give(session, hold, &service, name, wish).await
    }

    async fn give(
        &self,
        session: &mut Session<'_>,
        hold: &Hold,
        service: &Service,
        name: Sensitive<String>,
        wish: &BookWish,
    ) -> Result<Outcome, StoreError> {
        let phone = self.contact(session);
        let attendee = Attendee { name, email: session.memory.email.clone(), phone };
        let owner = session.visit.call.caller.phone().cloned();
        let appointment = self.appointment_of(hold, attendee, owner, wish.notes.clone(), session.visit, session.now);
        match self.begin(session.tenant(), hold, &appointment, session.now).await? {
            None => self.lost(session, hold, service).await,
            Some(intent) => match self.attempt_or_done(session.visit, &appointment, &intent, session.deadline).await? {
                Settled::Done(appointment) => Ok(Outcome::Booked { appointment: Shown::from(&appointment), already: false }),
                Settled::Refused(refusal) => self.refused(session, hold, service, refusal).await,
                Settled::Open => self.pending(session, Shown::from(&appointment), Change::Book).await,
            },
        }
    }

    /// The calendar said no, and looking it up confirmed that nothing is there.
    async fn refused(
        &self,
        session: &mut Session<'_>,
        hold: &Hold,
        service: &Service,
        refusal: Refusal,
    ) -> Result<Outcome, StoreError> {
        match refusal {
            Refusal::Taken => self.lost(session, hold, service).await,
            Refusal::OutOfBounds => {
                let earliest = session.now + session.tenant().policy.min_notice;
                let latest = session.now + session.tenant().policy.horizon;
                let half = session.now + session.tenant().policy.horizon / 2;
                let denial =
                    if hold.start < half { Denial::NoticeTooShort { earliest } } else { Denial::HorizonExceeded { latest } };
                let slots = self.others(session, hold, service).await?;
                Ok(Outcome::Denied { denial, slots })
            }
            Refusal::Attendee => Ok(Outcome::Invalid { field: "email".to_owned() }),
            Refusal::BookerLimit | Refusal::AlreadyCancelled | Refusal::NoSuchBooking | Refusal::NotAllowed | Refusal::Other => {
                let promise = self.queue(session, CallbackCause::Unsettled, Some(&service.name), None).await?;
                Ok(Outcome::TemporarilyUnavailable(promise))
            }
        }
    }

    /// The slot was lost in spite of all.
    async fn lost(&self, session: &mut Session<'_>, hold: &Hold, service: &Service) -> Result<Outcome, StoreError> {
        let slots = self.others(session, hold, service).await?;
        if slots.is_empty() {
            self.queue(session, CallbackCause::NothingFree, Some(&service.name), None).await?;
        }
        Ok(Outcome::Taken(slots))
    }

    async fn others(&self, session: &mut Session<'_>, hold: &Hold, service: &Service) -> Result<Vec<Offer>, StoreError> {
        let (from, to) = window(session.tenant(), hold.start, 7, session.now);
        let search = Search {
            tenant: session.tenant(),
            service,
            staff: None,
            call: session.visit.call.id.as_ref(),
            replaces: None,
            from,
            to,
            hours: session.visit.hours,
            now: session.now,
            deadline: session.deadline,
            max_age: promise_age(session.tenant()),
            browsing: false,
            exact: None,
        };
        let held = match self.search(&search).await {
            Ok(found) => {
                let found = found.only(|start| start != hold.start);
                self.hold(&search, &found, &found.nearest(hold.start), HOLDS_PER_CALL).await?
            }
            Err(SearchError::Store(error)) => return Err(error),
            Err(SearchError::Calendar(_) | SearchError::NoLine) => Vec::new(),
        };
        self.offered(session, &held);
        Ok(offers(&held))
    }

    /// Without a token: a time that was offered in this call is that slot; any other is checked and
    /// held first, and asked for.
    async fn slot_by_words(&self, session: &mut Session<'_>, wish: &BookWish) -> Result<Result<Hold, Outcome>, StoreError> {
        if wish.check.when.is_empty() {
            let mut live = Vec::new();
            for slot in session.memory.offered.clone() {
                if let Some(hold) = self.own_hold(session, &slot).await?
                    && hold.until > session.now
                {
                    live.push(hold);
                }
            }
            // One slot was offered and the caller says yes: that one.
            return Ok(match live.as_slice() {
                [only] if contradicts(session, wish, only).is_none() => Ok(only.clone()),
                _ => Err(ask(&[Need::Date, Need::Time], Question::Missing(Need::Date))),
            });
        }
        self.remember_wish(session, &wish.check);
        let understood = match self.understand_wish(session, &wish.check).await? {
            Ok(understood) => understood,
            Err(outcome) => return Ok(Err(outcome)),
        };
        if let Some(hold) = self.offered_at(session, &understood).await? {
            return Ok(Ok(hold));
        }
        Ok(Err(match self.look(session, &understood).await? {
            Outcome::Available(offer) => self.confirm(session, Confirm::Book(offer)),
            other => other,
        }))
    }

    /// The slot of this call for exactly that service and moment, whether it is still held or not.
    pub(super) async fn offered_at(&self, session: &Session<'_>, wish: &Wish<'_>) -> Result<Option<Hold>, StoreError> {
        let (DateWish::On(date), Some(time)) = (&wish.when.date, exact_time(&wish.when.time)) else { return Ok(None) };
        for slot in &session.memory.offered {
            let Some(hold) = self.own_hold(session, slot).await? else { continue };
            let local = hold.start.to_zoned_datetime(session.tenant().zone().clone());
            let same_person = wish.staff.is_none() || hold.staff == wish.staff.as_ref().map(|staff| staff.name.clone());
            let same_purpose = hold.replaces.as_ref() == wish.replaces.map(|it| &it.id);
            if hold.service == wish.service.name && local.date() == *date && local.time() == time && same_person && same_purpose {
                return Ok(Some(hold));
            }
        }
        Ok(None)
    }

    /// Whether this call, or this number, has exactly this appointment already.
    async fn stands_already(&self, session: &Session<'_>, hold: &Hold) -> Result<Option<Outcome>, StoreError> {
        let mut candidates = self.own_appointments(session).await?;
        if let Some(call) = &session.visit.call.id {
            let filter = AppointmentFilter { call: Some(call.clone()), standing_only: true, ..AppointmentFilter::default() };
            candidates.extend(self.parts.diary.appointments(session.tenant().scope(), &filter).await?);
        }
        Ok(candidates.iter().find(|it| it.start == hold.start && it.service == hold.service).and_then(existing))
    }

    /// Keeps name, address and number for this and later turns.
    fn take_down(&self, session: &mut Session<'_>, wish: &BookWish) -> Result<(), Question> {
        if let Some(name) = &wish.name {
            let said = name.expose().trim();
            if !said.is_empty() {
                let name = clean_name(said).map_err(|_| Question::NotAName)?;
                session.memory.name = Some(Sensitive::new(name));
            }
        }
        // An address that cannot be read never costs the booking; no mail is promised without one.
        if let Some(email) = wish.email.as_ref().and_then(|email| read_email(email.expose())) {
            session.memory.email = Some(Sensitive::new(email));
        }
        if let Some(phone) = wish.phone.as_ref().and_then(|phone| Phone::parse(phone.expose(), session.tenant().home_number())) {
            session.memory.phone = Some(phone);
        }
        Ok(())
    }

    /// The number to reach the caller: the one given, else the one in the envelope.
    pub(super) fn contact(&self, session: &Session<'_>) -> Option<Phone> {
        session.memory.phone.clone().or_else(|| session.visit.call.caller.phone().cloned())
    }

    pub(super) fn appointment_of(
        &self,
        hold: &Hold,
        attendee: Attendee,
        owner: Option<Phone>,
        notes: Option<Sensitive<String>>,
        visit: &Visit,
        now: Timestamp,
    ) -> Appointment {
        Appointment {
            id: BookingId::fresh(&*self.parts.dice, now),
            call: visit.call.id.clone(),
            owner,
            attendee,
            service: hold.service.clone(),
            staff: hold.staff.clone(),
            resource: hold.resource.clone(),
            event_type: hold.event_type,
            start: hold.start,
            end: hold.end,
            state: match visit.tenant.calendar {
                CalendarKind::Builtin => AppointmentState::Booked,
                CalendarKind::Calcom { .. } => AppointmentState::Pending,
            },
            calendar_uid: None,
            notes,
            created_at: now,
        }
    }

    /// Writes appointment and intent; `None` when something else blocks the time.
    pub(super) async fn begin(
        &self,
        tenant: &Tenant,
        hold: &Hold,
        appointment: &Appointment,
        now: Timestamp,
    ) -> Result<Option<Intent>, StoreError> {
        let intent = self.fresh_intent(tenant, &appointment.id, IntentKind::Create, now);
        let beginning = Beginning {
            appointment: appointment.clone(),
            parts: parts_of(hold),
            busy: hold.busy.clone(),
            hold: Some(hold.id.clone()),
            intent: intent.clone(),
        };
        Ok(match self.parts.diary.begin(tenant.scope(), &beginning, now).await? {
            Begun::Yes => Some(intent),
            Begun::Blocked => None,
        })
    }

    /// An intent; on the built-in calendar the diary is the calendar, so it is done when written.
    pub(super) fn fresh_intent(&self, tenant: &Tenant, appointment: &BookingId, kind: IntentKind, now: Timestamp) -> Intent {
        let state = match tenant.calendar {
            CalendarKind::Builtin => IntentState::Done,
            CalendarKind::Calcom { .. } => IntentState::Open,
        };
        Intent {
            id: IntentId::fresh(&*self.parts.dice, now),
            appointment: appointment.clone(),
            kind,
            state,
            attempts: 0,
            created_at: now,
            // From here on, not from when the caller began to wait: looking for the time took its time.
            lease_until: self.now() + super::attempt::LEASE,
            watch_until: None,
            last_error: None,
        }
    }
}

/// The parts that a hold becomes, none of them asked for yet.
fn parts_of(hold: &Hold) -> Vec<Part> {
    let part = |(index, wish): (u32, &PartWish)| Part {
        index,
        event_type: wish.event_type,
        after: wish.start.duration_since(hold.start),
        start: wish.start,
        end: wish.end,
        state: PartState::Wanted,
        uid: None,
    };
    (0..).zip(&hold.parts).map(part).collect()
}

/// What to say of an appointment that is there already.
pub(super) fn existing(appointment: &Appointment) -> Option<Outcome> {
    match appointment.state {
        AppointmentState::Booked => Some(Outcome::Booked { appointment: Shown::from(appointment), already: true }),
        AppointmentState::Pending | AppointmentState::NeedsPerson => {
            Some(Outcome::Pending { appointment: Shown::from(appointment), change: Change::Book, promise: None })
        }
        AppointmentState::Cancelled | AppointmentState::Refused => None,
    }
}

/// A token is for one service; other words beside it are a question, never a guess.
fn contradicts(session: &Session<'_>, wish: &BookWish, hold: &Hold) -> Option<Outcome> {
    let said = wish.check.service.as_deref().filter(|said| !said.trim().is_empty())?;
    match match_service(said, &session.tenant().services) {
        Match::One(service) if service.name == hold.service => None,
        Match::Several(several) if several.iter().any(|service| service.name == hold.service) => None,
        Match::One(service) => Some(Outcome::Ambiguous(Choice::Services(vec![hold.service.clone(), service.name.clone()]))),
        Match::Several(_) | Match::None => {
            Some(Outcome::NotFound(Missed::Service(session.tenant().services.iter().map(|it| it.name.clone()).collect())))
        }
    }
}
