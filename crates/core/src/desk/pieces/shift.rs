//! Moving all parts of an appointment, or moving those back that were moved.

use jiff::Timestamp;

use super::super::answer::Made;
use super::super::attempt::{APPROVAL_PACE, Settled, Turn};
use super::{Pieces, Stop};
use crate::booking::PartState;
use crate::ports::{CalendarBooking, CalendarError, Refusal, Settlement, Standing};

/// What the calendar is told about a part that is moved back.
const MOVE_BACK: &str = "Another part of this appointment could not be moved";

impl Pieces<'_> {
    /// Moves each part that is not at its new time yet. Done only when all are.
    pub(super) async fn move_all(&mut self, start: Timestamp, reason: &str) -> Result<Settled, Stop> {
        for index in 0..self.parts.len() {
            let to = start + self.parts[index].after;
            let made = match (self.parts[index].start == to, self.parts[index].state) {
                (true, PartState::Awaiting) => self.agreed(index).await,
                (true, PartState::Standing) => continue,
                (_, PartState::Gone) => Made::Refused { refusal: Refusal::Taken, detail: "a part is gone".to_owned() },
                _ => self.move_one(index, to, reason).await,
            };
            match made {
                Made::There(booking) => {
                    if self.record_booking(index, &booking).await? == PartState::Gone {
                        return self.stay(start, Refusal::Taken, "the business did not agree".to_owned()).await;
                    }
                }
                Made::Refused { refusal, detail } => return self.stay(start, refusal, detail).await,
                Made::Unknown(why) if !self.given_up() => return self.later(&why).await,
                Made::Unknown(_) if self.displaced().is_empty() => return self.hand_over().await,
                Made::Unknown(why) => return self.stay(start, Refusal::Other, why).await,
            }
        }
        if self.parts.iter().any(|part| part.state == PartState::Awaiting) {
            if self.given_up() {
                return self.hand_over().await;
            }
            let not_before = self.desk.now() + APPROVAL_PACE;
            self.settle(&Settlement::Again { not_before, why: "the business has to agree".to_owned() }).await?;
            return Ok(Settled::Open);
        }
        self.done(None).await
    }

    /// Moves a part and looks it up before any conclusion but a plain yes.
    async fn move_one(&self, index: usize, to: Timestamp, reason: &str) -> Made {
        let Some(uid) = self.parts[index].uid.as_deref() else { return Made::Unknown("the part has no uid yet".to_owned()) };
        if self.turn == Turn::Later {
            match self.is_at(uid, to).await {
                Ok(Some(booking)) => return Made::There(booking),
                Ok(None) => {}
                Err(error) => return Made::Unknown(error.to_string()),
            }
        }
        match self.desk.parts.calendar.reschedule(self.tenant, uid, to, reason, self.deadline).await {
            Ok(booking) => Made::There(booking),
            Err(error) => match (self.is_at(uid, to).await, error) {
                (Ok(Some(booking)), _) => Made::There(booking),
                (Ok(None), CalendarError::Refused { refusal, detail }) => Made::Refused { refusal, detail },
                (Ok(None) | Err(_), error) => Made::Unknown(error.to_string()),
            },
        }
    }

    /// The booking that a part became, if it was moved to `to` and keeps that time.
    async fn is_at(&self, uid: &str, to: Timestamp) -> Result<Option<CalendarBooking>, CalendarError> {
        let moved = self.desk.moved(self.tenant, uid, to, self.deadline).await?;
        Ok(moved.filter(|booking| matches!(booking.standing, Standing::Accepted | Standing::AwaitsApproval)))
    }

    /// The move is refused: what was moved goes back.
    async fn stay(&mut self, start: Timestamp, refusal: Refusal, why: String) -> Result<Settled, Stop> {
        if self.displaced().is_empty() {
            self.settle(&Settlement::Refused { why }).await?;
            return Ok(Settled::Refused(refusal));
        }
        self.turn_back(why).await?;
        self.move_back(start, refusal).await
    }

    /// Moves what was moved back to where it stood, the last first. The old time stays blocked here all along,
    /// so what may be in the way comes from elsewhere.
    pub(super) async fn move_back(&mut self, start: Timestamp, refusal: Refusal) -> Result<Settled, Stop> {
        let mut trouble = None;
        let at_home = (0..self.parts.len()).find(|index| !self.displaced().contains(index));
        for index in (0..self.parts.len()).rev() {
            let part = &self.parts[index];
            let Some(uid) = part.uid.clone().filter(|_| part.state.is_there()) else { continue };
            // They are moved in order: only the first that was not may have been moved unseen.
            if self.turn == Turn::Later && Some(index) == at_home {
                match self.is_at(&uid, start + part.after).await {
                    Ok(Some(booking)) => _ = self.record_booking(index, &booking).await?,
                    Ok(None) => {}
                    Err(error) => trouble = Some(error.to_string()),
                }
            }
            if !self.displaced().contains(&index) {
                continue;
            }
            let home = self.appointment.start + self.parts[index].after;
            match self.move_one(index, home, MOVE_BACK).await {
                Made::There(booking) => _ = self.record_booking(index, &booking).await?,
                Made::Refused { detail, .. } => trouble = Some(detail),
                Made::Unknown(why) => trouble = Some(why),
            }
        }
        let left = self.displaced();
        match trouble {
            Some(why) => self.undo_later(why, &left).await?,
            // Nothing brings a booking back that the business gave up.
            None if !left.is_empty() => self.give_up("not all can be moved back", &left).await?,
            None => {
                let why = self.intent.last_error.clone().unwrap_or_default();
                self.settle(&Settlement::Refused { why }).await?;
                return Ok(Settled::Refused(refusal));
            }
        }
        // Until all are back nobody is told that the old time stands.
        Ok(Settled::Open)
    }

    /// The parts that are not where the appointment stood before.
    fn displaced(&self) -> Vec<usize> {
        let is_home = |index: &usize| {
            let part = &self.parts[*index];
            part.state.is_there() && part.start == self.appointment.start + part.after
        };
        (0..self.parts.len()).filter(|index| !is_home(index)).collect()
    }
}
