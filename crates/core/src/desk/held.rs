//! Slots that a call has in its hand: kept, looked at again, let go.

use jiff::{SignedDuration, Timestamp};

use super::check::Wish;
use super::offers::{Found, Search};
use super::{Desk, Session};
use crate::ids::SlotId;
use crate::outcome::{Answer, Missed, Offer, Outcome};
use crate::ports::StoreError;
use crate::slot::{Hold, busy_stretches};
use crate::speech::when::{DateWish, TimeWish, When};

/// A hold that lasts longer is given away as it is; a write for nothing would make the caller wait.
const ENOUGH: SignedDuration = SignedDuration::from_mins(1);
/// A hold that lasts so long is as good as a new one.
const FRESH: SignedDuration = SignedDuration::from_mins(4);

impl Desk {
    /// Keeps a slot for its full time again.
    pub(super) async fn hold_slot(&self, session: &mut Session<'_>, slot: &SlotId) -> Result<Outcome, StoreError> {
        let scope = session.tenant().scope();
        let Some(hold) = self.own_hold(session, slot).await? else { return Ok(Outcome::NotFound(Missed::Slot)) };
        if hold.until > session.now
            && self.parts.diary.renew_hold(scope, slot, session.now).await?
            && let Some(hold) = self.parts.diary.find_hold(scope, slot).await?
        {
            return Ok(Outcome::Ok(Answer::Held(Offer::from(&hold))));
        }
        self.look_again(session, &hold).await
    }

    /// Whether the slot is this call's for as long as it takes to give it away.
    pub(super) async fn is_kept(&self, session: &Session<'_>, hold: &Hold) -> Result<bool, StoreError> {
        let (scope, now) = (session.tenant().scope(), session.now);
        if hold.kept_until.is_some_and(|until| until > now + ENOUGH) {
            return Ok(true);
        }
        Ok(hold.until > now && self.parts.diary.renew_hold(scope, &hold.id, now).await?)
    }

    /// The slot that this call was given a moment ago for the same wish: asked again, it hears of it again, and
    /// nothing is written.
    pub(super) fn in_hand(&self, session: &Session<'_>, search: &Search<'_>, found: &Found, start: Timestamp) -> Option<Hold> {
        let [slot] = session.memory.offered.as_slice() else { return None };
        let hold = found.held.iter().find(|hold| hold.id == *slot)?;
        let lines = found.starts.get(&start).into_iter().flatten().filter_map(|at| found.lines.get(*at));
        let is_same = hold.kept_until.is_some_and(|until| until >= session.now + FRESH)
            && hold.service == search.service.name
            && hold.start == start
            && hold.end == start + search.service.duration()
            && hold.busy == busy_stretches(search.service, start)
            && hold.replaces.as_ref() == search.replaces.map(|it| &it.id)
            && lines.into_iter().any(|line| line.serves(hold));
        is_same.then(|| hold.clone())
    }

    /// A hold that ended is checked as if it were asked for anew.
    pub(super) async fn look_again(&self, session: &mut Session<'_>, hold: &Hold) -> Result<Outcome, StoreError> {
        let Some(service) = session.tenant().service(&hold.service).cloned() else {
            return Ok(Outcome::NotFound(Missed::Service(session.tenant().services.iter().map(|it| it.name.clone()).collect())));
        };
        let staff = hold.staff.as_deref().and_then(|name| session.tenant().staff_member(name)).cloned();
        let local = hold.start.to_zoned_datetime(session.tenant().zone().clone());
        let when = When { date: DateWish::On(local.date()), time: TimeWish::At(local.time()) };
        let moved = match &hold.replaces {
            Some(id) => self.parts.diary.appointment(session.tenant().scope(), id).await?,
            None => None,
        };
        self.look(session, &Wish { service, staff, when, replaces: moved.as_ref() }).await
    }

    /// Lets slots of this call go.
    pub(super) async fn release_slot(&self, session: &mut Session<'_>, slot: Option<&SlotId>) -> Result<Outcome, StoreError> {
        let scope = session.tenant().scope();
        match slot {
            Some(slot) => {
                if self.own_hold(session, slot).await?.is_none() {
                    return Ok(Outcome::NotFound(Missed::Slot));
                }
                self.parts.diary.release(scope, None, Some(slot)).await?;
            }
            None => self.parts.diary.release(scope, session.visit.call.id.as_ref(), None).await?,
        }
        Ok(Outcome::Ok(Answer::Released))
    }

    /// A hold of this call, or one that belongs to no call.
    pub(super) async fn own_hold(&self, session: &Session<'_>, slot: &SlotId) -> Result<Option<Hold>, StoreError> {
        let hold = self.parts.diary.find_hold(session.tenant().scope(), slot).await?;
        Ok(hold.filter(|hold| hold.call.is_none() || hold.call == session.visit.call.id))
    }
}
