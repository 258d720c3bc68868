//! What does the caller have? Only appointments of the number in the envelope, or of this very call.

use super::understand::ask_when;
use super::{Desk, FindWish, Session, WhenWords};
use crate::booking::{Appointment, AppointmentState};
use crate::ids::BookingId;
use crate::outcome::{Answer, Choice, Missed, Outcome, Shown};
use crate::ports::{AppointmentFilter, StoreError};
use crate::speech::when::DateWish;

impl Desk {
    pub(super) async fn find(&self, session: &mut Session<'_>, wish: &FindWish) -> Result<Outcome, StoreError> {
        let mut own = self.own_appointments(session).await?;
        if let Some(call) = &session.visit.call.id {
            let filter = AppointmentFilter {
                call: Some(call.clone()),
                ending_after: Some(session.now),
                standing_only: true,
                ..AppointmentFilter::default()
            };
            for made_here in self.parts.diary.appointments(session.tenant().scope(), &filter).await? {
                if !own.iter().any(|it| it.id == made_here.id) {
                    own.push(made_here);
                }
            }
        }
        own.sort_by_key(|it| it.start);
        if let Err(outcome) = keep_day(session, &mut own, wish.date.as_deref()) {
            return Ok(outcome);
        }
        if let Some(said) = wish.service.as_deref().filter(|said| !said.trim().is_empty()) {
            match session.service(Some(said)) {
                Ok(service) => own.retain(|it| it.service == service.name),
                Err(outcome) => return Ok(outcome),
            }
        }
        if own.is_empty() {
            return Ok(Outcome::NotFound(Missed::Appointment));
        }
        Ok(Outcome::Ok(Answer::Appointments(own.iter().map(Shown::from).collect())))
    }

    /// The one appointment of this caller that is meant, or the question which.
    pub(super) async fn meant(
        &self,
        session: &Session<'_>,
        booking: Option<&BookingId>,
        date: Option<&str>,
    ) -> Result<Result<Appointment, Outcome>, StoreError> {
        let mut own = self.own_appointments(session).await?;
        own.retain(|it| matches!(it.state, AppointmentState::Booked | AppointmentState::Pending));
        if let Some(booking) = booking {
            own.retain(|it| it.id == *booking);
        } else if let Err(outcome) = keep_day(session, &mut own, date) {
            return Ok(Err(outcome));
        }
        Ok(match own.as_slice() {
            [] => Err(Outcome::NotFound(Missed::Appointment)),
            [one] => Ok(one.clone()),
            several => Err(Outcome::Ambiguous(Choice::Appointments(several.iter().map(Shown::from).collect()))),
        })
    }
}

/// Keeps the appointments of the day that is named, if one is.
pub(super) fn keep_day(session: &Session<'_>, own: &mut Vec<Appointment>, date: Option<&str>) -> Result<(), Outcome> {
    let words = WhenWords { date: date.map(str::to_owned), ..WhenWords::default() };
    let zone = session.tenant().zone().clone();
    let local = |it: &Appointment| it.start.to_zoned_datetime(zone.clone()).date();
    match session.when(&words).map_err(ask_when)?.date {
        DateWish::Any => {}
        DateWish::On(date) => own.retain(|it| local(it) == date),
        DateWish::Between { from, to } => own.retain(|it| (from..=to).contains(&local(it))),
    }
    Ok(())
}
