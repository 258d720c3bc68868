//! What mailboxes read: a subject and plain text in the tenant's language, for the business and for the
//! one an appointment is for. Times are said in the tenant's zone, in the words that callers hear.

mod de;
mod en;

use jiff::Timestamp;

use crate::booking::{Appointment, Callback, Priority};
use crate::outbox::{Event, Facts, Wanted};
use crate::sensitive::Sensitive;
use crate::spoken;
use crate::tenant::{Language, Tenant};

/// The sentence of the tenant's language. Both languages have all of them, or this does not compile.
macro_rules! word {
    ($lang:expr, $text:ident($($part:expr),*)) => {
        match $lang {
            Language::De => de::$text($($part),*),
            Language::En => en::$text($($part),*),
        }
    };
}

/// A letter without its envelope.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Letter {
    /// One line.
    pub subject: Sensitive<String>,
    /// Lines ended by LF.
    pub body: Sensitive<String>,
}

/// What a letter is about.
pub struct Subject<'a> {
    /// Whose.
    pub tenant: &'a Tenant,
    /// What happened.
    pub event: Event,
    /// When, and what else is known without asking.
    pub facts: &'a Facts,
    /// The appointment, where it is about one.
    pub appointment: Option<&'a Appointment>,
    /// The work item, where it is about one.
    pub callback: Option<&'a Callback>,
    /// The day that letters written today say no year on.
    pub now: Timestamp,
}

/// For the one the appointment is for; `None` where there is nothing to say.
pub fn to_caller(about: &Subject<'_>) -> Option<Letter> {
    let (lang, tenant) = (about.tenant.language, &*about.tenant.name);
    let appointment = about.appointment?;
    let start = about.facts.start.unwrap_or(appointment.start);
    let (when, service) = (about.moment(start), served(lang, appointment));
    let name = appointment.attendee.name.expose();
    let (subject, lines) = match about.event {
        Event::Booked => word!(lang, booked(tenant, &when, &service)),
        Event::Rescheduled => {
            let before = about.facts.old_start.map(|at| about.moment(at));
            word!(lang, rescheduled(tenant, &when, before.as_deref(), &service))
        }
        Event::Cancelled => word!(lang, cancelled(tenant, &when, &service)),
        Event::Pending => word!(lang, pending(tenant, &when, &service, about.wanted())),
        Event::CallbackQueued | Event::AlertFired | Event::AlertResolved => return None,
    };
    let hello = word!(lang, hello(name));
    Some(letter(subject, [vec![hello, String::new()], lines, vec![String::new(), tenant.to_owned()]].concat()))
}

/// For a mailbox of the business; `None` where there is nothing to say.
pub fn to_business(about: &Subject<'_>) -> Option<Letter> {
    let lang = about.tenant.language;
    match about.event {
        Event::CallbackQueued => {
            let callback = about.callback?;
            let who = callback.name.as_ref().map_or_else(|| word!(lang, somebody()).to_owned(), |name| name.expose().clone());
            let subject = word!(lang, callback_subject(&who, callback.priority == Priority::Urgent));
            Some(letter(subject, [vec![word!(lang, callback_intro(callback.cause)).to_owned()], about.work_item()].concat()))
        }
        Event::Pending => {
            let appointment = about.appointment?;
            let (when, service) = (about.moment(about.facts.start.unwrap_or(appointment.start)), served(lang, appointment));
            let (subject, lines) = word!(lang, pending_business(&when, &service, about.wanted()));
            let item = if about.callback.is_some() { about.work_item() } else { about.who(appointment) };
            Some(letter(subject, [lines, item].concat()))
        }
        Event::Booked => {
            let appointment = about.appointment?;
            let (when, service) = (about.moment(about.facts.start.unwrap_or(appointment.start)), served(lang, appointment));
            let (subject, lines) = word!(lang, late_business(&when, &service));
            Some(letter(subject, [lines, about.who(appointment)].concat()))
        }
        Event::Rescheduled | Event::Cancelled | Event::AlertFired | Event::AlertResolved => None,
    }
}

impl Subject<'_> {
    fn moment(&self, at: Timestamp) -> String {
        let zone = self.tenant.zone();
        let today = self.now.to_zoned_datetime(zone.clone()).date();
        spoken::moment(self.tenant.language, &at.to_zoned_datetime(zone.clone()), today)
    }

    fn wanted(&self) -> Wanted {
        self.facts.wanted.unwrap_or(Wanted::Booking)
    }

    /// Who, where to call, by when, what was wanted: a line each where it is known.
    fn work_item(&self) -> Vec<String> {
        let Some(callback) = self.callback else { return Vec::new() };
        let lang = self.tenant.language;
        let labels = word!(lang, labels());
        let text = |value: &Option<Sensitive<String>>| value.as_ref().map(|it| it.expose().clone());
        let rows = [
            (labels.name, text(&callback.name)),
            (labels.phone, callback.phone.as_ref().map(|phone| phone.e164().to_owned())),
            (labels.service, callback.service.clone()),
            (labels.wish, text(&callback.notes)),
            (labels.preferred, text(&callback.preferred_time)),
            (labels.priority, Some(word!(lang, priority(callback.priority)).to_owned())),
            (labels.due, Some(self.moment(callback.due_at))),
        ];
        table(rows)
    }

    fn who(&self, appointment: &Appointment) -> Vec<String> {
        let labels = word!(self.tenant.language, labels());
        let phone = appointment.attendee.phone.as_ref().or(appointment.owner.as_ref());
        table([
            (labels.name, Some(appointment.attendee.name.expose().clone())),
            (labels.phone, phone.map(|phone| phone.e164().to_owned())),
        ])
    }
}

/// The names of the lines of a work item.
struct Labels {
    name: &'static str,
    phone: &'static str,
    service: &'static str,
    wish: &'static str,
    preferred: &'static str,
    priority: &'static str,
    due: &'static str,
}

/// The service as it is said, with who serves.
pub fn served(lang: Language, appointment: &Appointment) -> String {
    match (lang, &appointment.staff) {
        (_, None) => appointment.service.clone(),
        (Language::De, Some(staff)) => format!("{} bei {staff}", appointment.service),
        (Language::En, Some(staff)) => format!("{} with {staff}", appointment.service),
    }
}

fn table<const N: usize>(rows: [(&str, Option<String>); N]) -> Vec<String> {
    let known = rows.into_iter().filter_map(|(label, value)| Some(format!("{label}: {}", one_line(&value?))));
    [String::new()].into_iter().chain(known).collect()
}

fn letter(subject: String, lines: Vec<String>) -> Letter {
    Letter { subject: Sensitive::new(one_line(&subject)), body: Sensitive::new(lines.join("\n") + "\n") }
}

/// Without what would end a header or a line.
fn one_line(text: &str) -> String {
    text.split(|letter: char| letter.is_control()).filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests;
