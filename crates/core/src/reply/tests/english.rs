//! How the English sentences sound.

use jiff::SignedDuration;
use jiff::civil::{Weekday, date, time};

use super::cases::{Names, at, day, offer, shown};
use crate::booking::AppointmentState;
use crate::ids::CallbackId;
use crate::outcome::{
    Answer, CallerInfo, Change, Choice, Confirm, Denial, Missed, Need, Offer, Outcome, Promise, Question, ServiceInfo, Shown,
    WhyNothing, WhyOffered,
};
use crate::reply::unknown_business;
use crate::sensitive::Sensitive;
use crate::tenant::Language;

fn says(outcome: Outcome, text: &str) {
    assert_eq!(super::heard(Language::En, &outcome), text);
}

fn asks(question: Question, text: &str) {
    says(Outcome::NeedsInput { missing: Vec::new(), question }, text);
}

fn answers(answer: Answer, text: &str) {
    says(Outcome::Ok(answer), text);
}

fn denies(denial: Denial, slots: &[&str], text: &str) {
    says(Outcome::Denied { denial, slots: slots.iter().map(|time| slot(time)).collect() }, text);
}

fn slot(time: &str) -> Offer {
    offer(Names::Short, time)
}

fn friday() -> Shown {
    shown(Names::Short, "2026-03-13T14:00+01:00")
}

fn promise() -> Promise {
    Promise { callback: CallbackId::new("c_1"), due: at("2026-03-13T10:00+01:00") }
}

#[test]
fn free_times_are_offered_with_what_to_do_next() {
    says(Outcome::Available(slot("2026-03-13T14:00+01:00")), "Friday, March 13 at 2 pm is free. Shall I book it for you?");
    let why = WhyOffered::NotFree { wished: at("2026-03-13T14:15+01:00") };
    let slots = vec![slot("2026-03-13T14:00+01:00"), slot("2026-03-13T14:30+01:00")];
    says(
        Outcome::Offered { slots, why },
        "Unfortunately 2:15 pm is taken. I could offer you 2 pm or 2:30 pm. Which would suit you?",
    );
    let slots = vec![slot("2026-03-16T09:00+01:00"), slot("2026-03-16T10:00+01:00"), slot("2026-03-16T11:30+01:00")];
    says(
        Outcome::Offered { slots: slots.clone(), why: WhyOffered::Fits },
        "I could offer you Monday, March 16 at 9 am, 10 am or 11:30 am. Which would suit you?",
    );
    says(
        Outcome::Taken(slots[..1].to_vec()),
        "Unfortunately somebody else has just taken that time. I could offer you Monday, March 16 at 9 am. Would that suit you?",
    );
    says(Outcome::Unavailable(WhyNothing::Full), "Unfortunately everything is taken then. Shall we call you back?");
}

#[test]
fn what_is_done_is_said_with_its_time() {
    says(
        Outcome::Booked { appointment: friday(), already: false },
        "Your appointment is booked: Friday, March 13 at 2 pm, Herrenhaarschnitt with Emma.",
    );
    says(
        Outcome::Booked { appointment: friday(), already: true },
        "You already have this appointment: Friday, March 13 at 2 pm, Herrenhaarschnitt with Emma.",
    );
    says(Outcome::Cancelled(friday()), "Your appointment on Friday, March 13 at 2 pm is cancelled.");
    says(
        Outcome::Rescheduled { appointment: shown(Names::Short, "2026-03-16T10:00+01:00"), from: friday().start },
        "Your appointment has been moved from Friday, March 13 at 2 pm to Monday, March 16 at 10 am.",
    );
}

#[test]
fn what_is_not_done_yet_is_not_said_to_be() {
    says(
        Outcome::Pending { appointment: friday(), change: Change::Book, promise: Some(promise()) },
        "I have taken down your request for Friday, March 13 at 2 pm; a colleague will confirm it with you.",
    );
    says(
        Outcome::NeedsConfirmation(Confirm::Book(slot("2026-03-13T14:00+01:00"))),
        "I have this for you: Friday, March 13 at 2 pm, Herrenhaarschnitt with Emma. Shall I book it?",
    );
    says(
        Outcome::NeedsConfirmation(Confirm::Move { appointment: friday(), to: slot("2026-03-16T10:00+01:00") }),
        "Shall I move your appointment from Friday, March 13 at 2 pm to Monday, March 16 at 10 am?",
    );
    says(Outcome::NeedsConfirmation(Confirm::Cancel(friday())), "Shall I cancel your appointment on Friday, March 13 at 2 pm?");
}

#[test]
fn a_no_comes_with_its_reason_and_with_what_is_possible() {
    let saturday = date(2026, 3, 14);
    denies(
        Denial::OutsideBusinessHours { date: saturday, open: Vec::new() },
        &["2026-03-16T09:00+01:00"],
        "On Saturdays we are closed, I'm afraid. I could offer you Monday, March 16 at 9 am. Would that suit you?",
    );
    let friday = date(2026, 3, 13);
    denies(
        Denial::OutsideBusinessHours { date: friday, open: day(friday, &["09:00-18:00"], "").open },
        &["2026-03-13T17:00+01:00"],
        "On Friday, March 13 we are only open from 9 am to 6 pm. I could offer you 5 pm. Would that suit you?",
    );
    denies(
        Denial::Closed { date: friday, reason: "annual holiday".into() },
        &[],
        "We are closed on Friday, March 13: annual holiday. Shall we call you back?",
    );
    denies(
        Denial::NoticeTooShort { earliest: at("2026-03-12T11:00+01:00") },
        &[],
        "I'm afraid that is too soon; the earliest would be 11 am. Shall we call you back?",
    );
    denies(
        Denial::NoticeTooShort { earliest: at("2026-03-13T11:00+01:00") },
        &[],
        "I'm afraid that is too soon; the earliest would be 11 am tomorrow. Shall we call you back?",
    );
    denies(
        Denial::HorizonExceeded { latest: at("2026-05-11T10:00+02:00") },
        &[],
        "I'm afraid we only take appointments up to Monday, May 11. Shall we call you back?",
    );
    denies(
        Denial::DeadlineMissed { change: Change::Cancel, deadline: at("2026-03-12T09:00+01:00") },
        &[],
        "I'm afraid cancelling this appointment was only possible until Thursday, March 12 at 9 am. Shall we call you back?",
    );
    denies(
        Denial::StaffCannot { staff: "Emma".into(), service: "Colouring".into() },
        &[],
        "Colouring is not available with Emma, I'm afraid. Shall we call you back?",
    );
}

#[test]
fn one_thing_is_asked_at_a_time() {
    let friday = date(2026, 3, 13);
    asks(Question::Missing(Need::Time), "What time would you like to come?");
    asks(Question::NotUnderstood(Need::Date), "I'm sorry, I didn't catch that. Which day would you like to come?");
    asks(Question::WhichDay { next: at("2026-03-13T14:00+01:00") }, "Do you mean Friday, March 13 at 2 pm?");
    asks(
        Question::InThePast { date: Some(date(2024, 6, 17)), time: None },
        "Monday, June 17, 2024 has already passed. Which day do you mean?",
    );
    asks(
        Question::Contradiction { date: friday, said: Weekday::Thursday, candidates: vec![friday, date(2026, 3, 12)] },
        "March 13 is a Friday, not a Thursday. Do you mean Friday, March 13 or Thursday, March 12?",
    );
    asks(Question::WhichClock(vec![time(8, 0, 0, 0), time(20, 0, 0, 0)]), "Do you mean 8 am or 8 pm?");
    asks(
        Question::NoSuchTime { date: date(2026, 3, 29), time: time(2, 30, 0, 0) },
        "There is no 2:30 am on Sunday, March 29, because the clocks change. What other time would suit you?",
    );
    asks(Question::UsualService { service: "Herrenhaarschnitt".into() }, "Would you like Herrenhaarschnitt again?");
    says(Outcome::Invalid { field: "email".into() }, "I'm sorry, I didn't catch that. What is your e-mail address?");
}

#[test]
fn a_choice_names_what_there_is() {
    says(Outcome::Ambiguous(Choice::Staff(vec!["Emma".into(), "Emil".into()])), "Do you mean Emma or Emil?");
    let eight: Vec<String> = ["Schnitt", "Farbe", "Bart", "Kur", "Locken", "Zopf", "Pony", "Glanz"].map(str::to_owned).to_vec();
    says(
        Outcome::NotFound(Missed::Service(eight)),
        "I'm afraid we don't offer that. There is Schnitt, Farbe, Bart, Kur, Locken, Zopf and more. What would you like?",
    );
    let appointments = vec![friday(), shown(Names::Short, "2026-03-16T10:00+01:00")];
    says(
        Outcome::Ambiguous(Choice::Appointments(appointments)),
        "You have several appointments: Friday, March 13 at 2 pm and Monday, March 16 at 10 am. Which one do you mean?",
    );
    says(
        Outcome::NotFound(Missed::Appointment),
        "I can't find such an appointment under your number. Is there anything else I can do?",
    );
}

#[test]
fn questions_are_answered() {
    let services = ["Schnitt", "Farbe"].map(|name| ServiceInfo { name: name.into(), minutes: 55 }).to_vec();
    answers(Answer::Services(services[..1].to_vec()), "Schnitt takes 55 minutes. Would you like an appointment?");
    answers(Answer::Services(services), "We offer Schnitt and Farbe. What would you like?");
    let monday = date(2026, 3, 16);
    answers(
        Answer::Hours(vec![day(monday, &["09:00-12:00", "13:00-17:00"], "")]),
        "On Monday, March 16 we are open from 9 am to noon and from 1 pm to 5 pm.",
    );
    let open: &[&str] = &["09:00-18:00"];
    let week = [
        (12, open, ""),
        (13, &[], "public holiday"),
        (14, &[], ""),
        (15, &[], ""),
        (16, open, ""),
        (17, open, ""),
        (18, open, ""),
    ];
    let week = week.map(|(on, open, reason)| day(date(2026, 3, on), open, reason)).to_vec();
    answers(
        Answer::Hours(week),
        "Our opening hours: Monday to Thursday from 9 am to 6 pm, Saturday and Sunday closed. \
         We are closed on Friday, March 13: public holiday.",
    );
    let caller = CallerInfo { known: true, name: Some(Sensitive::new("Anna Müller".into())), ..CallerInfo::default() };
    answers(Answer::Caller(caller.clone()), "Hello, Anna Müller. How can I help you?");
    answers(
        Answer::Welcome { caller, next: Vec::new() },
        "Hello, Anna Müller, and welcome to Salon Schmidt. How can I help you?",
    );
    // A first name alone is too familiar.
    let familiar = CallerInfo { known: true, name: Some(Sensitive::new("Anna".into())), ..CallerInfo::default() };
    answers(Answer::Caller(familiar), "Hello. How can I help you?");
    answers(Answer::Date { from: date(2026, 3, 17), to: date(2026, 3, 17), time: None }, "That is Tuesday, March 17.");
    answers(
        Answer::Date { from: date(2026, 3, 13), to: date(2026, 3, 13), time: Some(time(14, 0, 0, 0)) },
        "That is tomorrow, Friday, March 13 at 2 pm.",
    );
    answers(
        Answer::Appointments(vec![Shown { state: AppointmentState::Pending, ..friday() }]),
        "You have one appointment: Friday, March 13 at 2 pm, Herrenhaarschnitt with Emma, still awaiting confirmation.",
    );
    answers(Answer::Held(slot("2026-03-13T14:00+01:00")), "I am keeping Friday, March 13 at 2 pm free for you. Shall I book it?");
}

#[test]
fn a_fault_promises_only_what_is_written_down() {
    says(Outcome::CallbackQueued(promise()), "Certainly, we will call you back by 10 am tomorrow.");
    says(
        Outcome::TemporarilyUnavailable(None),
        "I'm afraid I can't see the calendar right now. What number may we call you back on?",
    );
    says(
        Outcome::TemporarilyUnavailable(Some(promise())),
        "I'm afraid I can't see the calendar right now. We will call you back by 10 am tomorrow.",
    );
    says(Outcome::Error(None), "I'm afraid that didn't work just now. Please call again a little later.");
    says(Outcome::Error(Some(promise())), "I'm afraid that didn't work just now. We will call you back by 10 am tomorrow.");
    says(Outcome::RateLimited { retry_after: SignedDuration::from_secs(3) }, "One moment please, I will be right with you.");
    assert_eq!(
        unknown_business(Language::En),
        "Hello. I'm afraid I can't arrange appointments on this number. Please get in touch with the business directly."
    );
}
