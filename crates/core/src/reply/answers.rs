//! Answers to what callers ask: services, dates, who they are to us, their appointments.

use jiff::civil::{Date, Time};

use super::Talk;
use super::fit::{fitting, known};
use super::questions::{SAID_APPOINTMENTS, SAID_NAMES, clean};
use crate::booking::AppointmentState;
use crate::outcome::{CallerInfo, ServiceInfo, Shown};
use crate::spoken;

/// Longer than this nobody is called.
const PERSON_WORDS: std::ops::RangeInclusive<usize> = 2..=5;

impl Talk<'_> {
    pub(super) fn services(&self, services: &[ServiceInfo]) -> String {
        if let [only] = services
            && let Some(service) = self.service(&only.name)
        {
            return say!(self.lang, one_service(&service, &spoken::length(self.lang, only.minutes)));
        }
        let names: Vec<String> = services.iter().map(|service| service.name.clone()).collect();
        let names = clean(&names);
        if names.is_empty() {
            return say!(self.lang, no_services());
        }
        self.shortest_list(&names, &|list| say!(self.lang, services(list)))
    }

    pub(super) fn service_unknown(&self, names: &[String]) -> String {
        match clean(names).as_slice() {
            [] => say!(self.lang, service_unknown_unlisted()),
            [only] => say!(self.lang, one_other_service(only)),
            names => self.shortest_list(names, &|list| say!(self.lang, service_unknown(list))),
        }
    }

    pub(super) fn staff_unknown(&self, names: &[String]) -> String {
        match clean(names).as_slice() {
            [] => say!(self.lang, staff_unknown_unlisted()),
            [only] => say!(self.lang, one_staff(only)),
            names => self.shortest_list(names, &|list| say!(self.lang, staff_unknown(list))),
        }
    }

    /// As many names as fit the aim, down to three; fewer only if the limit asks for it.
    fn shortest_list(&self, names: &[String], of: &dyn Fn(&str) -> String) -> String {
        let most = SAID_NAMES.min(names.len());
        let enough = most.min(3);
        let said = |count: usize| of(&self.listed(names, count));
        fitting((enough..=most).rev().map(said).collect(), (1..enough).rev().map(said).collect())
    }

    pub(super) fn understood(&self, from: Date, to: Date, time: Option<Time>) -> String {
        let lang = self.lang;
        let subject = |date| spoken::date_as_subject(lang, date, self.today);
        if from != to {
            return say!(lang, dates_are(&subject(from), &subject(to)));
        }
        let day = match time {
            Some(time) => spoken::at_time(lang, &subject(from), &spoken::time(lang, time)),
            None => subject(from),
        };
        match spoken::relation(lang, from, self.today) {
            Some(relation) => say!(lang, date_is(&format!("{relation}, {day}"))),
            None => say!(lang, date_is(&day)),
        }
    }

    pub(super) fn greeting(&self, caller: &CallerInfo) -> String {
        match person(caller) {
            Some(name) => say!(self.lang, greeting(&name)),
            None => say!(self.lang, greeting_unnamed()),
        }
    }

    pub(super) fn welcome(&self, caller: &CallerInfo) -> String {
        match (person(caller), known(Some(self.business))) {
            (Some(name), Some(business)) => say!(self.lang, welcome(&name, &business)),
            (None, Some(business)) => say!(self.lang, welcome_unnamed(&business)),
            (_, None) => self.greeting(caller),
        }
    }

    pub(super) fn appointments(&self, appointments: &[Shown]) -> String {
        let mut standing: Vec<&Shown> = appointments.iter().filter(|it| stands(it.state)).collect();
        standing.sort_by_key(|it| it.start);
        let label = |it: &Shown, label: String| if settled(it.state) { label } else { say!(self.lang, unsettled(&label)) };
        match standing.as_slice() {
            [] => say!(self.lang, appointment_unknown()),
            [only] => {
                let wordings = self.appointment(only.start, &only.service, only.staff.as_deref());
                let said = wordings.into_iter().map(|text| say!(self.lang, one_appointment(&label(only, text))));
                fitting(said.collect(), Vec::new())
            }
            several => {
                let count = several.len();
                let said = |labels: Vec<String>| {
                    let list = spoken::all_of(self.lang, &labels);
                    if labels.len() < count {
                        say!(self.lang, first_appointments(count, &list))
                    } else {
                        say!(self.lang, appointments(count, &list))
                    }
                };
                let first = |few: usize| said(several.iter().take(few).map(|it| label(it, self.moment(it.start))).collect());
                let detailed = (count == 2).then(|| said(several.iter().map(|it| label(it, self.with_service(it))).collect()));
                fitting(detailed.into_iter().chain([first(SAID_APPOINTMENTS)]).collect(), vec![first(2), first(1)])
            }
        }
    }
}

/// A caller is called by the full name only; a first name alone is too familiar, a last name alone rude.
fn person(caller: &CallerInfo) -> Option<String> {
    let name = known(caller.name.as_ref().map(|name| name.expose().as_str()))?;
    PERSON_WORDS.contains(&name.split_whitespace().count()).then_some(name)
}

fn stands(state: AppointmentState) -> bool {
    match state {
        AppointmentState::Pending | AppointmentState::Booked | AppointmentState::NeedsPerson => true,
        AppointmentState::Cancelled | AppointmentState::Refused => false,
    }
}

/// An appointment that the calendar has not accepted is never told as a certain one.
fn settled(state: AppointmentState) -> bool {
    match state {
        AppointmentState::Booked => true,
        AppointmentState::Pending | AppointmentState::NeedsPerson | AppointmentState::Cancelled | AppointmentState::Refused => {
            false
        }
    }
}
