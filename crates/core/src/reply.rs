//! What callers hear: one sentence for every ending, in the tenant's language.
//!
//! Sentences aim at 25 words and never exceed 40, put at most one question, and only [`Outcome::Booked`],
//! [`Outcome::Cancelled`] and [`Outcome::Rescheduled`] say that something is done. Whatever is inserted
//! is cleaned first, so that nothing technical is ever read aloud.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, TimestampRound, Unit, ZonedDateTime};

use crate::outcome::{Answer, Change, Choice, Confirm, Missed, Offer, Outcome, Promise, Shown, WhyNothing};
use crate::spoken;
use crate::tenant::{Language, Tenant};

/// The sentence of the tenant's language. Both languages have all of them, or this does not compile.
macro_rules! say {
    ($lang:expr, $sentence:ident($($part:expr),*)) => {
        match $lang {
            $crate::tenant::Language::De => $crate::reply::de::$sentence($($part),*),
            $crate::tenant::Language::En => $crate::reply::en::$sentence($($part),*),
        }
    };
}

mod answers;
mod de;
mod en;
mod fit;
mod hours;
mod offers;
mod questions;
#[cfg(test)]
mod tests;

pub use fit::renderable;
use fit::{clipped, fitting, known};

/// Who is spoken to, where and when.
struct Talk<'a> {
    lang: Language,
    business: &'a str,
    zone: &'a TimeZone,
    now: Timestamp,
    today: Date,
}

/// What the caller hears about `outcome`.
pub fn sentence(outcome: &Outcome, tenant: &Tenant, now: Timestamp) -> String {
    let talk = Talk::with(tenant, now);
    let text = match outcome {
        Outcome::Available(offer) => say!(talk.lang, available(&talk.moment(offer.start))),
        Outcome::Offered { slots, why } => talk.offered(slots, why),
        Outcome::Unavailable(WhyNothing::Full) => talk.proposal(&[say!(talk.lang, full())], &[], None),
        Outcome::Booked { appointment, already } => talk.booked(appointment, *already),
        Outcome::Pending { appointment, change, promise: _ } => talk.pending(appointment, *change),
        Outcome::NeedsConfirmation(confirm) => talk.confirm(confirm),
        Outcome::NeedsInput { missing: _, question } => talk.question(question),
        Outcome::Ambiguous(choice) => talk.choice(choice),
        Outcome::Cancelled(appointment) => say!(talk.lang, cancelled(&talk.moment(appointment.start))),
        Outcome::Rescheduled { appointment, from } => {
            say!(talk.lang, rescheduled(&talk.moment(*from), &talk.moment(appointment.start)))
        }
        Outcome::Denied { denial, slots } => talk.denied(denial, slots),
        Outcome::Ok(answer) => talk.answer(answer),
        Outcome::NotFound(missed) => talk.missed(missed),
        Outcome::Taken(slots) => talk.proposal(&[say!(talk.lang, taken())], slots, None),
        Outcome::CallbackQueued(promise) => say!(talk.lang, callback_queued(&talk.due(promise))),
        Outcome::RateLimited { retry_after } => over_limit(talk.lang, *retry_after),
        Outcome::TemporarilyUnavailable(None) => say!(talk.lang, unreachable()),
        Outcome::TemporarilyUnavailable(Some(promise)) => say!(talk.lang, unreachable_with_callback(&talk.due(promise))),
        Outcome::Invalid { field } => talk.invalid(field),
        Outcome::Error(None) => say!(talk.lang, broken()),
        Outcome::Error(Some(promise)) => say!(talk.lang, broken_with_callback(&talk.due(promise))),
    };
    clipped(renderable(&text))
}

/// The label of an offer: "Freitag, den 13. März um 14 Uhr".
pub fn slot_spoken(offer: &Offer, tenant: &Tenant, now: Timestamp) -> String {
    Talk::with(tenant, now).moment(offer.start)
}

/// The label of an appointment: "Freitag, den 13. März um 14 Uhr".
pub fn shown_spoken(shown: &Shown, tenant: &Tenant, now: Timestamp) -> String {
    Talk::with(tenant, now).moment(shown.start)
}

/// What somebody hears who called a number that belongs to no tenant.
pub fn unknown_business(lang: Language) -> String {
    say!(lang, unknown_business())
}

/// What is heard when too much was asked for at once.
pub fn over_limit(lang: Language, retry_after: SignedDuration) -> String {
    let seconds = (retry_after.as_millis().max(0) as u64).div_ceil(1000);
    match seconds {
        0..=10 => say!(lang, wait_a_moment()),
        11..=55 => say!(lang, wait_seconds(seconds.div_ceil(5) * 5)),
        _ => say!(lang, wait_minutes(seconds.div_ceil(60))),
    }
}

// === impl Talk ===

impl<'a> Talk<'a> {
    fn with(tenant: &'a Tenant, now: Timestamp) -> Self {
        let zone = tenant.zone();
        let today = now.to_zoned_datetime(zone.clone()).date();
        Self { lang: tenant.language, business: &tenant.name, zone, now, today }
    }

    fn local(&self, at: Timestamp) -> ZonedDateTime {
        at.to_zoned_datetime(self.zone.clone())
    }

    fn moment(&self, at: Timestamp) -> String {
        spoken::moment(self.lang, &self.local(at), self.today)
    }

    fn date(&self, date: Date) -> String {
        spoken::date(self.lang, date, self.today)
    }

    fn time(&self, at: Timestamp) -> String {
        spoken::time(self.lang, self.local(at).time())
    }

    /// By when somebody calls; said five minutes exact, and rather too early than too late.
    fn due(&self, promise: &Promise) -> String {
        let early = rounded(promise.due, jiff::RoundMode::Floor);
        let due = if early > self.now { early } else { promise.due };
        spoken::soon(self.lang, &self.local(due), self.today)
    }

    fn service(&self, service: &str) -> Option<String> {
        known(Some(service))
    }

    /// Time, service and person, with less and less of it.
    fn appointment(&self, start: Timestamp, service: &str, staff: Option<&str>) -> [String; 3] {
        let moment = self.moment(start);
        let Some(service) = self.service(service) else {
            return [moment.clone(), moment.clone(), moment];
        };
        let with_staff = say!(self.lang, served(&service, known(staff).as_deref()));
        [format!("{moment}, {with_staff}"), format!("{moment}, {service}"), moment]
    }

    fn booked(&self, appointment: &Shown, already: bool) -> String {
        let wordings = self.appointment(appointment.start, &appointment.service, appointment.staff.as_deref());
        let said = wordings.iter().map(|appointment| {
            if already { say!(self.lang, already_booked(appointment)) } else { say!(self.lang, booked(appointment)) }
        });
        fitting(said.collect(), Vec::new())
    }

    fn pending(&self, appointment: &Shown, change: Change) -> String {
        match change {
            Change::Book => say!(self.lang, pending_booking(&self.moment(appointment.start))),
            // While a move is open, neither the old nor the new time can be promised.
            Change::Move => say!(self.lang, pending_move()),
            Change::Cancel => say!(self.lang, pending_cancellation(&self.moment(appointment.start))),
        }
    }

    fn confirm(&self, confirm: &Confirm) -> String {
        match confirm {
            Confirm::Book(offer) => {
                let wordings = self.appointment(offer.start, &offer.service, offer.staff.as_deref());
                fitting(wordings.iter().map(|appointment| say!(self.lang, confirm_booking(appointment))).collect(), Vec::new())
            }
            Confirm::Move { appointment, to } => {
                say!(self.lang, confirm_move(&self.moment(appointment.start), &self.moment(to.start)))
            }
            Confirm::Cancel(appointment) => say!(self.lang, confirm_cancellation(&self.moment(appointment.start))),
        }
    }

    fn choice(&self, choice: &Choice) -> String {
        match choice {
            Choice::Services(names) => self.choose_service(names),
            Choice::Staff(names) => self.choose_staff(names),
            Choice::Appointments(appointments) => self.choose_appointment(appointments),
        }
    }

    fn answer(&self, answer: &Answer) -> String {
        match answer {
            Answer::Services(services) => self.services(services),
            Answer::Hours(days) => self.hours(days),
            Answer::Date { from, to, time } => self.understood(*from, *to, *time),
            Answer::Caller(caller) => self.greeting(caller),
            // The next free times are unverified, so they are left to the agent and not said.
            Answer::Welcome { caller, next: _ } => self.welcome(caller),
            Answer::Appointments(appointments) => self.appointments(appointments),
            Answer::Released => say!(self.lang, released()),
            Answer::Held(offer) => say!(self.lang, held(&self.moment(offer.start))),
        }
    }

    fn missed(&self, missed: &Missed) -> String {
        match missed {
            Missed::Service(names) => self.service_unknown(names),
            Missed::Staff(names) => self.staff_unknown(names),
            Missed::Appointment => say!(self.lang, appointment_unknown()),
            Missed::Slot => say!(self.lang, slot_unknown()),
            Missed::Function => say!(self.lang, function_unknown()),
        }
    }
}

/// To full five minutes: nobody says "10 Uhr 7".
fn rounded(at: Timestamp, mode: jiff::RoundMode) -> Timestamp {
    at.round(TimestampRound::new().smallest(Unit::Minute).increment(5).mode(mode)).unwrap_or(at)
}
