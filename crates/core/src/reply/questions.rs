//! The one question: what is missing, what was not clear, which of several is meant.

use jiff::civil::Date;

use super::Talk;
use super::fit::{fitting, known};
use crate::outcome::{Need, Question, Shown};
use crate::spoken;

/// More names than these are not listened to.
pub(super) const SAID_NAMES: usize = 6;
/// More appointments than these are not listened to.
pub(super) const SAID_APPOINTMENTS: usize = 3;

/// What an unusable argument was meant to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Field {
    Need(Need),
    Email,
    Staff,
    Other,
}

impl Field {
    /// The argument by any of the names that agents send it under.
    fn named(field: &str) -> Self {
        match field.rsplit('.').next().unwrap_or(field).to_lowercase().as_str() {
            "service" | "dienstleistung" | "service_name" | "service_type" | "service_id" => Self::Need(Need::Service),
            "date" | "datum" | "preferred_date" | "appointment_date" | "date_string" | "zeitangabe" | "old_date" => {
                Self::Need(Need::Date)
            }
            "time" | "uhrzeit" | "zeitraum" | "preferred_time" | "appointment_time" | "start" => Self::Need(Need::Time),
            "name" | "customer_name" => Self::Need(Need::Name),
            "phone" | "customer_phone" => Self::Need(Need::Phone),
            "new_date" | "new_datum" => Self::Need(Need::NewDate),
            "new_time" | "new_uhrzeit" => Self::Need(Need::NewTime),
            "slot" | "slot_id" => Self::Need(Need::Slot),
            "email" | "customer_email" => Self::Email,
            "staff" | "mitarbeiter" | "preferred_staff_id" => Self::Staff,
            _ => Self::Other,
        }
    }
}

// === impl Talk ===

impl Talk<'_> {
    pub(super) fn question(&self, question: &Question) -> String {
        let lang = self.lang;
        match question {
            Question::Missing(need) => say!(lang, ask(*need)),
            Question::WhichDay { next } => say!(lang, do_you_mean(&self.moment(*next))),
            Question::InThePast { date, time } => match (date, time) {
                (Some(date), Some(time)) if *date == self.today => say!(lang, time_is_past(&spoken::time(lang, *time))),
                (Some(date), _) => say!(lang, day_is_past(&spoken::date_as_subject(lang, *date, self.today))),
                (None, Some(time)) => say!(lang, time_is_past(&spoken::time(lang, *time))),
                (None, None) => say!(lang, past()),
            },
            Question::Contradiction { date, said, candidates } => {
                let day = spoken::day(lang, *date, self.today);
                let is = spoken::weekday(lang, date.weekday());
                let lead = say!(lang, contradiction(&day, is, spoken::weekday(lang, *said)));
                self.which_date(Some(&lead), candidates)
            }
            Question::WhichDate(dates) => self.which_date(None, dates),
            Question::WhichClock(times) if times.is_empty() => say!(lang, which_time()),
            Question::WhichClock(times) => {
                let times: Vec<String> = times.iter().take(SAID_NAMES).map(|time| spoken::time(lang, *time)).collect();
                say!(lang, do_you_mean(&spoken::any_of(lang, &times)))
            }
            Question::NoSuchDate => say!(lang, no_such_date()),
            Question::NoSuchTime { date, time } => say!(lang, no_such_time(&self.date(*date), &spoken::time(lang, *time))),
            Question::TimeTwice { date, time } => say!(lang, time_twice(&self.date(*date), &spoken::time(lang, *time))),
            Question::NotUnderstood(need) => self.not_understood(Field::Need(*need)),
            Question::NotAName => say!(lang, not_a_name()),
            Question::NotANumber => say!(lang, not_a_number()),
            Question::UsualService { service } => match self.service(service) {
                Some(service) => say!(lang, usual_service(&service)),
                None => say!(lang, ask(Need::Service)),
            },
        }
    }

    pub(super) fn invalid(&self, field: &str) -> String {
        self.not_understood(Field::named(field))
    }

    fn not_understood(&self, field: Field) -> String {
        format!("{} {}", say!(self.lang, not_understood()), say!(self.lang, ask_field(field)))
    }

    fn which_date(&self, lead: Option<&str>, dates: &[Date]) -> String {
        let after = |question: String| lead.map_or_else(|| question.clone(), |lead| format!("{lead} {question}"));
        let open = after(say!(self.lang, which_day()));
        if dates.is_empty() {
            return open;
        }
        let dates: Vec<String> = dates.iter().map(|date| self.date(*date)).collect();
        fitting(vec![after(say!(self.lang, do_you_mean(&spoken::any_of(self.lang, &dates))))], vec![open])
    }

    pub(super) fn choose_service(&self, names: &[String]) -> String {
        let names = clean(names);
        if names.is_empty() {
            return say!(self.lang, ask(Need::Service));
        }
        self.choose(&names, &|list| say!(self.lang, choose_service(list)))
    }

    pub(super) fn choose_staff(&self, names: &[String]) -> String {
        let names = clean(names);
        if names.is_empty() {
            return say!(self.lang, ask_field(Field::Staff));
        }
        self.choose(&names, &|list| say!(self.lang, choose_staff(list)))
    }

    fn choose(&self, names: &[String], of: &dyn Fn(&str) -> String) -> String {
        let reduced = (1..=SAID_NAMES.min(names.len())).rev().map(|count| of(&self.listed(names, count))).collect();
        let whole = match names.len() {
            0..=SAID_APPOINTMENTS => vec![say!(self.lang, do_you_mean(&spoken::any_of(self.lang, names)))],
            _ => Vec::new(),
        };
        fitting(whole, reduced)
    }

    pub(super) fn choose_appointment(&self, appointments: &[Shown]) -> String {
        let few = appointments.get(..SAID_APPOINTMENTS).unwrap_or(appointments);
        match few {
            [] => return say!(self.lang, choose_appointment_unnamed()),
            [only] => return say!(self.lang, do_you_mean(&self.moment(only.start))),
            _ => {}
        }
        let more = appointments.len() > few.len();
        let said = |labels: Vec<String>| say!(self.lang, choose_appointment(&self.all_of(labels, more)));
        let with_services = said(few.iter().map(|it| self.with_service(it)).collect());
        let times = said(few.iter().map(|it| self.moment(it.start)).collect());
        // Two services at one time cannot be told apart by the time.
        let distinct = few.iter().enumerate().all(|(at, it)| few[..at].iter().all(|before| before.start != it.start));
        let whole = match (distinct, few.len()) {
            (false, _) => vec![with_services],
            (true, 2) => vec![with_services, times],
            (true, _) => vec![times],
        };
        fitting(whole, vec![say!(self.lang, choose_appointment_unnamed())])
    }

    pub(super) fn with_service(&self, appointment: &Shown) -> String {
        let moment = self.moment(appointment.start);
        match self.service(&appointment.service) {
            Some(service) => say!(self.lang, service_at(&service, &moment)),
            None => moment,
        }
    }

    /// The first `count` names, and that there are more if there are.
    pub(super) fn listed(&self, names: &[String], count: usize) -> String {
        let few = names.get(..count).unwrap_or(names);
        self.all_of(few.to_vec(), few.len() < names.len())
    }

    fn all_of(&self, mut parts: Vec<String>, more: bool) -> String {
        if more {
            parts.push(say!(self.lang, and_more()));
        }
        spoken::all_of(self.lang, &parts)
    }
}

/// The names that can be said, each once.
pub(super) fn clean(names: &[String]) -> Vec<String> {
    let mut clean: Vec<String> = Vec::with_capacity(names.len());
    for name in names.iter().filter_map(|name| known(Some(name))) {
        if !clean.contains(&name) {
            clean.push(name);
        }
    }
    clean
}
