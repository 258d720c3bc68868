//! Cancelling all parts of an appointment.

use super::super::answer::Ended;
use super::super::attempt::Settled;
use super::{Pieces, Stop};
use crate::booking::PartState;
use crate::ports::{CalendarError, Settlement};

impl Pieces<'_> {
    /// Cancels each part that stands, the last first. Done only when none does.
    pub(super) async fn end_all(&mut self, reason: &str) -> Result<Settled, Stop> {
        let mut trouble = None;
        for index in (0..self.parts.len()).rev() {
            let part = &self.parts[index];
            let Some(uid) = part.uid.clone().filter(|_| part.state.is_there()) else { continue };
            match self.desk.end(self.tenant, &uid, reason, self.deadline).await {
                Ended::Gone => self.record(index, |part| part.state = PartState::Gone).await?,
                // While nothing is gone, a no leaves everything as it was.
                Ended::Stands(CalendarError::Refused { refusal, detail })
                    if trouble.is_none() && self.standing().len() == self.parts.len() =>
                {
                    self.settle(&Settlement::Refused { why: detail }).await?;
                    return Ok(Settled::Refused(refusal));
                }
                Ended::Stands(error) | Ended::Unknown(error) => trouble = Some(error.to_string()),
            }
        }
        let left = self.standing();
        match trouble {
            None => self.done(None).await,
            Some(why) if !self.given_up() => self.later(&why).await,
            Some(_) if left.len() == self.parts.len() => self.hand_over().await,
            Some(why) => self.give_up(&why, &left).await.map(|()| Settled::Open),
        }
    }
}
