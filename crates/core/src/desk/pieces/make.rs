//! Making all parts of an appointment, taking back those that stand when one is refused, and watching for
//! those that surface after all.

use std::collections::BTreeSet;

use super::super::answer::{Ended, Made};
use super::super::attempt::{APPROVAL_PACE, LEASE, Settled, Turn, WATCH, who};
use super::{Pieces, Stop};
use crate::booking::PartState;
use crate::ports::{Refusal, Settlement, Standing};

/// What the calendar is told about a part that is taken back.
const TAKE_BACK: &str = "Another part of this appointment could not be booked";
/// What the calendar is told about a part that surfaced.
const SURFACED: &str = "Stored after the caller had been told that it could not be booked";

impl Pieces<'_> {
    /// Asks for each part that does not stand yet. Done only when all do.
    pub(super) async fn make_all(&mut self) -> Result<Settled, Stop> {
        let mut people = BTreeSet::new();
        for index in 0..self.parts.len() {
            let made = match self.parts[index].state {
                // Somebody may have cancelled it since: an attempt that goes on later looks.
                PartState::Standing if self.turn == Turn::Later => self.agreed(index).await,
                PartState::Standing => continue,
                // The process died between that answer and what follows from it.
                PartState::Absent | PartState::Gone => {
                    let detail = self.intent.last_error.clone().unwrap_or_else(|| "a part was refused".to_owned());
                    Made::Refused { refusal: Refusal::Taken, detail }
                }
                PartState::Awaiting => self.agreed(index).await,
                PartState::Wanted => self.make_one(index).await,
            };
            match made {
                // Moved by people meanwhile: it may not be ours to cancel.
                Made::There(booking)
                    if booking.start != self.parts[index].start
                        && matches!(booking.standing, Standing::Accepted | Standing::AwaitsApproval) =>
                {
                    let left: Vec<usize> = self.standing().into_iter().chain([index]).collect();
                    self.give_up("one stands at another time than asked", &left).await?;
                    return Ok(Settled::Open);
                }
                Made::There(booking) => {
                    people.extend(who(self.tenant, &booking.hosts));
                    if self.record_booking(index, &booking).await? == PartState::Gone {
                        return self.refuse(Refusal::Taken, "the business did not agree".to_owned()).await;
                    }
                }
                Made::Refused { refusal, detail } => {
                    if self.parts[index].state == PartState::Wanted {
                        self.record(index, |part| part.state = PartState::Absent).await?;
                    }
                    return self.refuse(refusal, detail).await;
                }
                Made::Unknown(why) if !self.given_up() => return self.later(&why).await,
                Made::Unknown(_) if self.standing().is_empty() => return self.hand_over().await,
                Made::Unknown(why) => return self.refuse(Refusal::Other, why).await,
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
        // Known only when all parts name the same person.
        let staff = if people.len() == 1 { people.pop_first() } else { None };
        self.done(staff).await
    }

    async fn make_one(&self, index: usize) -> Made {
        let wanted = self.wanted(index);
        if self.turn == Turn::Later {
            match self.desk.parts.calendar.find(self.tenant, &wanted, self.deadline).await {
                Ok(Some(found)) => return Made::There(found),
                Ok(None) if self.given_up() => return Made::Unknown("too late to ask again".to_owned()),
                Ok(None) => {}
                Err(error) => return Made::Unknown(error.to_string()),
            }
        }
        self.desk.make(self.tenant, &wanted, self.deadline).await
    }

    /// What the business has decided about a part.
    pub(super) async fn agreed(&self, index: usize) -> Made {
        let Some(uid) = self.parts[index].uid.as_deref() else { return Made::Unknown("the part has no uid yet".to_owned()) };
        match self.desk.parts.calendar.get(self.tenant, uid, self.deadline).await {
            Ok(Some(booking)) => Made::There(booking),
            Ok(None) => Made::Refused { refusal: Refusal::Taken, detail: "the part is gone".to_owned() },
            Err(error) => Made::Unknown(error.to_string()),
        }
    }

    async fn refuse(&mut self, refusal: Refusal, why: String) -> Result<Settled, Stop> {
        if self.intent.attempts > 0 {
            // The caller was told that it would be confirmed: somebody has to call.
            self.desk.queue_for(self.tenant, &self.appointment).await?;
        }
        self.turn_back(why).await?;
        self.take_back(refusal).await
    }

    /// Cancels what stands, the last first. Nothing is booked from here on, whatever happens.
    pub(super) async fn take_back(&mut self, refusal: Refusal) -> Result<Settled, Stop> {
        let mut trouble = None;
        for index in (0..self.tried()).rev() {
            if self.parts[index].state == PartState::Wanted {
                match self.desk.parts.calendar.find(self.tenant, &self.wanted(index), self.deadline).await {
                    Ok(Some(found)) => _ = self.record_booking(index, &found).await?,
                    Ok(None) => self.record(index, |part| part.state = PartState::Absent).await?,
                    Err(error) => trouble = Some(error.to_string()),
                }
            }
            let part = &self.parts[index];
            let Some(uid) = part.uid.clone().filter(|_| part.state.is_there()) else { continue };
            match self.desk.end(self.tenant, &uid, TAKE_BACK, self.deadline).await {
                Ended::Gone => self.record(index, |part| part.state = PartState::Gone).await?,
                Ended::Stands(error) | Ended::Unknown(error) => trouble = Some(error.to_string()),
            }
        }
        match trouble {
            None => {
                let why = self.intent.last_error.clone().unwrap_or_default();
                self.settle(&Settlement::Watch { until: self.desk.now() + WATCH, why }).await?;
            }
            Some(why) => self.undo_later(why, &self.standing()).await?,
        }
        Ok(Settled::Refused(refusal))
    }

    /// How many parts may have been asked for: they are, in order, and nothing is after a no.
    fn tried(&self) -> usize {
        let first = |state| self.parts.iter().position(|part| part.state == state);
        match (first(PartState::Absent), first(PartState::Wanted)) {
            (Some(absent), _) => absent,
            (None, Some(wanted)) => wanted + 1,
            (None, None) => self.parts.len(),
        }
    }

    /// We said no; parts that surface all the same are cancelled.
    pub(super) async fn watch(&mut self) -> Result<Settled, Stop> {
        let refused = self.parts.iter().position(|part| part.state == PartState::Absent);
        let asked_for = refused.map_or(self.parts.len(), |index| index + 1);
        let mut trouble = None;
        for index in 0..asked_for {
            match self.desk.parts.calendar.find(self.tenant, &self.wanted(index), self.deadline).await {
                Ok(Some(found)) if matches!(found.standing, Standing::Accepted | Standing::AwaitsApproval) => {
                    match self.desk.end(self.tenant, &found.uid, SURFACED, self.deadline).await {
                        Ended::Gone => {}
                        Ended::Stands(error) | Ended::Unknown(error) => trouble = Some(error.to_string()),
                    }
                }
                Ok(_) => {}
                Err(error) => trouble = Some(error.to_string()),
            }
        }
        if let Some(why) = trouble {
            return self.later(&why).await;
        }
        if self.intent.watch_until.is_none_or(|until| until <= self.desk.now()) {
            let why = self.intent.last_error.clone().unwrap_or_default();
            self.settle(&Settlement::Refused { why }).await?;
            return Ok(Settled::Refused(Refusal::Other));
        }
        let not_before = self.desk.now() + LEASE;
        self.settle(&Settlement::Again { not_before, why: "watched".to_owned() }).await?;
        Ok(Settled::Open)
    }
}
