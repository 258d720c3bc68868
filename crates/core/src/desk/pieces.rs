//! An appointment whose parts are bookings of their own in the calendar: all of them, or none.
//!
//! The parts are asked for in order, and what became of one is written down before the next is asked for.
//! From the first no on, the intent is undone: that too is written down first, so that no restart turns
//! back, and the parts that stand are put back in reverse order. What could not be put back in time is a
//! person's, loudly.

mod end;
mod make;
mod shift;

use super::Desk;
use super::attempt::{Settled, Turn};
use crate::booking::{Appointment, AppointmentState, Intent, IntentKind, IntentState, Part, PartState};
use crate::deadline::Deadline;
use crate::ports::{CalendarBooking, NewBooking, Refusal, Settlement, Standing, StoreError};
use crate::tenant::Tenant;

/// An intent about such an appointment, being carried out.
pub(super) struct Pieces<'a> {
    pub(super) desk: &'a Desk,
    pub(super) tenant: &'a Tenant,
    pub(super) intent: Intent,
    pub(super) appointment: Appointment,
    pub(super) parts: Vec<Part>,
    pub(super) deadline: Deadline,
    pub(super) turn: Turn,
}

/// Why it cannot be gone on with.
enum Stop {
    Store(StoreError),
    /// Somebody else has taken the intent over meanwhile, and knows more.
    LeaseLost,
}

impl From<StoreError> for Stop {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl Pieces<'_> {
    /// Carries the intent out as far as it goes now.
    pub(super) async fn carry_out(mut self) -> Result<Settled, StoreError> {
        let settled = match (self.intent.kind.clone(), self.intent.state) {
            (IntentKind::Create, IntentState::Watched) => self.watch().await,
            (IntentKind::Create, IntentState::Undoing) => self.take_back(Refusal::Other).await,
            (IntentKind::Create, _) => self.make_all().await,
            (IntentKind::Move { start, .. }, IntentState::Undoing) => self.move_back(start, Refusal::Other).await,
            (IntentKind::Move { start, reason, .. }, _) => self.move_all(start, &reason).await,
            (IntentKind::Cancel { reason }, _) => self.end_all(&reason).await,
        };
        match settled {
            Ok(settled) => Ok(settled),
            Err(Stop::LeaseLost) => Ok(Settled::Open),
            Err(Stop::Store(error)) => Err(error),
        }
    }

    /// Writes down what became of a part.
    async fn record(&mut self, index: usize, change: impl FnOnce(&mut Part)) -> Result<(), Stop> {
        let mut part = self.parts[index].clone();
        change(&mut part);
        let scope = self.tenant.scope();
        if !self.desk.parts.diary.record_part(scope, &self.intent, &part, self.desk.now()).await? {
            return Err(Stop::LeaseLost);
        }
        self.parts[index] = part;
        Ok(())
    }

    /// Writes down where the calendar says that a part is.
    async fn record_booking(&mut self, index: usize, booking: &CalendarBooking) -> Result<PartState, Stop> {
        let state = match booking.standing {
            Standing::Accepted => PartState::Standing,
            Standing::AwaitsApproval => PartState::Awaiting,
            Standing::Cancelled | Standing::Rejected => PartState::Gone,
        };
        self.record(index, |part| {
            let length = part.end.duration_since(part.start);
            part.end = booking.start.checked_add(length).unwrap_or(booking.start);
            part.start = booking.start;
            part.state = state;
            part.uid = Some(booking.uid.clone());
        })
        .await?;
        Ok(state)
    }

    /// From here on the parts are only put back as they were.
    async fn turn_back(&mut self, why: String) -> Result<(), Stop> {
        let until = self.desk.last_chance(self.desk.now(), &self.appointment);
        self.settle(&Settlement::Undo { until, why: why.clone() }).await?;
        self.intent.state = IntentState::Undoing;
        self.intent.watch_until = Some(until);
        self.intent.last_error = Some(why);
        Ok(())
    }

    /// Something could not be put back: again later, or given up.
    async fn undo_later(&self, why: String, left: &[usize]) -> Result<(), Stop> {
        if self.intent.watch_until.is_none_or(|until| until <= self.desk.now()) {
            return self.give_up(&why, left).await;
        }
        self.later(&why).await.map(|_| ())
    }

    /// Only a person can put this right. `left` are the parts that are not as they should be.
    async fn give_up(&self, why: &str, left: &[usize]) -> Result<(), Stop> {
        let left: Vec<String> = left.iter().map(|index| self.name_of(*index)).collect();
        let why = format!("{} of {} parts left in the calendar: {}; {why}", left.len(), self.parts.len(), left.join(", "));
        self.desk.queue_for(self.tenant, &self.appointment).await?;
        self.settle(&Settlement::CompensationFailed { why }).await
    }

    /// A part in words that operators know it by.
    fn name_of(&self, index: usize) -> String {
        let segments = self.tenant.service(&self.appointment.service).map(|service| service.segments.as_slice());
        match segments.filter(|segments| segments.len() == self.parts.len()).and_then(|segments| segments.get(index)) {
            Some(segment) => format!("{} ({})", index + 1, segment.name),
            None => format!("{}", index + 1),
        }
    }

    /// The request for one part.
    fn wanted(&self, index: usize) -> NewBooking {
        let part = &self.parts[index];
        NewBooking {
            part: Some(part.index),
            event_type: Some(part.event_type),
            start: part.start,
            end: part.end,
            ..super::attempt::new_booking(&self.intent, &self.appointment)
        }
    }

    /// The parts for which the calendar keeps a time.
    fn standing(&self) -> Vec<usize> {
        (0..self.parts.len()).filter(|index| self.parts[*index].state.is_there()).collect()
    }

    fn given_up(&self) -> bool {
        self.desk.given_up(&self.intent, &self.appointment)
    }

    async fn done(&self, staff: Option<String>) -> Result<Settled, Stop> {
        self.settle(&Settlement::Done { uid: None, staff, ical: None }).await?;
        if matches!(self.intent.kind, IntentKind::Cancel { .. }) {
            let current = self.desk.parts.diary.appointment(self.tenant.scope(), &self.appointment.id).await?;
            return Ok(current.filter(|it| it.state == AppointmentState::Cancelled).map_or(Settled::Open, Settled::Done));
        }
        Ok(self.desk.as_it_is_now(self.tenant, &self.appointment.id).await?)
    }

    async fn later(&self, why: &str) -> Result<Settled, Stop> {
        Ok(self.desk.later(self.tenant, &self.intent, why).await?)
    }

    async fn hand_over(&self) -> Result<Settled, Stop> {
        Ok(self.desk.hand_over(self.tenant, &self.intent, &self.appointment).await?)
    }

    async fn settle(&self, settlement: &Settlement) -> Result<(), Stop> {
        // Whoever comes back late must not undo what somebody else has finished.
        if self.desk.settle(self.tenant, &self.intent, settlement).await? { Ok(()) } else { Err(Stop::LeaseLost) }
    }
}
