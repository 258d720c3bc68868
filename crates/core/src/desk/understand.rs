//! From words to what they mean within a tenant, or to the one question to ask.

use jiff::ZonedDateTime;
use jiff::civil::{Date, Time};

use super::{Session, WhenWords};
use crate::outcome::{Choice, Missed, Need, Outcome, Question};
use crate::speech::service::{Match, match_service, match_staff};
use crate::speech::when::{Field, TimeWish, Unclear, When, WhenText, understand};
use crate::tenant::{Service, Staff};

impl Session<'_> {
    /// The present instant on the tenant's clock.
    pub(super) fn local_now(&self) -> ZonedDateTime {
        self.now.to_zoned_datetime(self.tenant().zone().clone())
    }

    /// What the words say about day and time.
    pub(super) fn when(&self, words: &WhenWords) -> Result<When, Question> {
        let text = WhenText { date: words.date.as_deref(), time: words.time.as_deref(), words: words.words.as_deref() };
        understand(&text, &self.local_now(), self.tenant().language).map_err(|unclear| question(unclear, Need::Date, Need::Time))
    }

    /// Like [`Self::when`], asking for the new day and time of a move.
    pub(super) fn new_when(&self, words: &WhenWords) -> Result<When, Question> {
        let text = WhenText { date: words.date.as_deref(), time: words.time.as_deref(), words: words.words.as_deref() };
        understand(&text, &self.local_now(), self.tenant().language)
            .map_err(|unclear| question(unclear, Need::NewDate, Need::NewTime))
    }

    /// The service meant; said earlier in the call counts.
    pub(super) fn service(&self, said: Option<&str>) -> Result<Service, Outcome> {
        let tenant = self.tenant();
        let Some(said) = said.filter(|said| !said.trim().is_empty()) else {
            return match self.memory.service.as_deref().and_then(|name| tenant.service(name)) {
                Some(service) => Ok(service.clone()),
                None => Err(ask(&[Need::Service], Question::Missing(Need::Service))),
            };
        };
        match match_service(said, &tenant.services) {
            Match::One(service) => Ok(service.clone()),
            Match::Several(several) => {
                Err(Outcome::Ambiguous(Choice::Services(several.iter().map(|service| service.name.clone()).collect())))
            }
            Match::None => {
                Err(Outcome::NotFound(Missed::Service(tenant.services.iter().map(|service| service.name.clone()).collect())))
            }
        }
    }

    /// The person meant, if one is named.
    pub(super) fn staff(&self, said: Option<&str>) -> Result<Option<Staff>, Outcome> {
        let tenant = self.tenant();
        let Some(said) = said.filter(|said| !said.trim().is_empty()) else { return Ok(None) };
        if is_anyone(said) {
            return Ok(None);
        }
        match match_staff(said, &tenant.staff) {
            Match::One(staff) => Ok(Some(staff.clone())),
            Match::Several(several) => {
                Err(Outcome::Ambiguous(Choice::Staff(several.iter().map(|staff| staff.name.clone()).collect())))
            }
            Match::None if tenant.staff.is_empty() => Ok(None),
            Match::None => Err(Outcome::NotFound(Missed::Staff(tenant.staff.iter().map(|staff| staff.name.clone()).collect()))),
        }
    }
}

/// One question, and everything that is still missing.
pub(super) fn ask(missing: &[Need], question: Question) -> Outcome {
    Outcome::NeedsInput { missing: missing.to_vec(), question }
}

/// The needs that a question about day and time leaves open.
pub(super) fn ask_when(question: Question) -> Outcome {
    let missing = match &question {
        Question::WhichClock(_) | Question::NoSuchTime { .. } | Question::TimeTwice { .. } => vec![Need::Time],
        Question::Missing(need) | Question::NotUnderstood(need) => vec![*need],
        _ => vec![Need::Date],
    };
    Outcome::NeedsInput { missing, question }
}

/// The next future instant at which the tenant's clocks show `time`.
pub(super) fn next_at(now: &ZonedDateTime, time: Time) -> Option<jiff::Timestamp> {
    let mut date: Date = now.date();
    for _ in 0..3 {
        let candidate = now.time_zone().to_ambiguous_zoned_datetime(date.to_datetime(time)).compatible().ok()?.timestamp();
        if candidate > now.timestamp() {
            return Some(candidate);
        }
        date = date.tomorrow().ok()?;
    }
    None
}

/// Whether a wish names one moment of the day.
pub(super) fn exact_time(wish: &TimeWish) -> Option<Time> {
    match wish {
        TimeWish::At(time) => Some(*time),
        TimeWish::Any | TimeWish::Window { .. } | TimeWish::Earliest => None,
    }
}

fn is_anyone(said: &str) -> bool {
    let said = said.trim().to_lowercase();
    ["egal", "niemand", "keine präferenz", "irgendwer", "jeder", "anyone", "any", "no preference", "none", "null", "-"]
        .contains(&said.as_str())
}

fn question(unclear: Unclear, date_need: Need, time_need: Need) -> Question {
    match unclear {
        Unclear::NotUnderstood { field: Field::Date } => Question::NotUnderstood(date_need),
        Unclear::NotUnderstood { field: Field::Time } => Question::NotUnderstood(time_need),
        Unclear::InThePast { date, time } => Question::InThePast { date, time },
        Unclear::Contradiction { date, said, candidates } => Question::Contradiction { date, said, candidates },
        Unclear::AmbiguousDate { candidates } => Question::WhichDate(candidates),
        Unclear::AmbiguousClock { candidates } => Question::WhichClock(candidates),
        Unclear::NonexistentDate => Question::NoSuchDate,
        Unclear::NonexistentTime { date, time } => Question::NoSuchTime { date, time },
        Unclear::AmbiguousTime { date, time } => Question::TimeTwice { date, time },
    }
}
