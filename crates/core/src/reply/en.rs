//! The English sentences, one function each. What is inserted is clean.

use super::questions::Field;
use crate::outcome::{Change, Need};

pub(super) fn available(moment: &str) -> String {
    format!("{moment} is free. Shall I book it for you?")
}

pub(super) fn held(moment: &str) -> String {
    format!("I am keeping {moment} free for you. Shall I book it?")
}

pub(super) fn released() -> String {
    "All right, I am no longer keeping that time for you. Is there anything else I can do?".to_owned()
}

pub(super) fn offer_one(slot: &str) -> String {
    format!("I could offer you {slot}. Would that suit you?")
}

pub(super) fn offer_some(slots: &str) -> String {
    format!("I could offer you {slots}. Which would suit you?")
}

pub(super) fn slots_on(day: &str, times: &str) -> String {
    format!("{day} at {times}")
}

pub(super) fn at_hour(time: &str) -> String {
    time.to_owned()
}

pub(super) fn not_free(time: &str) -> String {
    format!("Unfortunately {time} is taken.")
}

pub(super) fn not_free_then() -> String {
    "Unfortunately that is taken.".to_owned()
}

pub(super) fn full() -> String {
    "Unfortunately everything is taken then.".to_owned()
}

pub(super) fn taken() -> String {
    "Unfortunately somebody else has just taken that time.".to_owned()
}

pub(super) fn callback_question() -> String {
    "Shall we call you back?".to_owned()
}

pub(super) fn served(service: &str, staff: Option<&str>) -> String {
    match staff {
        Some(staff) => format!("{service} with {staff}"),
        None => service.to_owned(),
    }
}

pub(super) fn booked(appointment: &str) -> String {
    format!("Your appointment is booked: {appointment}.")
}

pub(super) fn already_booked(appointment: &str) -> String {
    format!("You already have this appointment: {appointment}.")
}

pub(super) fn cancelled(moment: &str) -> String {
    format!("Your appointment on {moment} is cancelled.")
}

pub(super) fn rescheduled(from: &str, to: &str) -> String {
    format!("Your appointment has been moved from {from} to {to}.")
}

pub(super) fn pending_booking(moment: &str) -> String {
    format!("I have taken down your request for {moment}; a colleague will confirm it with you.")
}

pub(super) fn pending_move() -> String {
    "I have taken down your request for another time; a colleague will confirm it with you.".to_owned()
}

pub(super) fn pending_cancellation(moment: &str) -> String {
    format!("I have taken down your request to cancel the appointment on {moment}; a colleague will confirm it with you.")
}

pub(super) fn confirm_booking(appointment: &str) -> String {
    format!("I have this for you: {appointment}. Shall I book it?")
}

pub(super) fn confirm_move(from: &str, to: &str) -> String {
    format!("Shall I move your appointment from {from} to {to}?")
}

pub(super) fn confirm_cancellation(moment: &str) -> String {
    format!("Shall I cancel your appointment on {moment}?")
}

pub(super) fn notice_too_short(earliest: &str) -> String {
    format!("I'm afraid that is too soon; the earliest would be {earliest}.")
}

pub(super) fn horizon_exceeded(date: &str) -> String {
    format!("I'm afraid we only take appointments up to {date}.")
}

pub(super) fn open_that_day(date: &str, spans: &str) -> String {
    format!("On {date} we are only open {spans}.")
}

pub(super) fn weekday_closed(every: &str) -> String {
    format!("{every} we are closed, I'm afraid.")
}

pub(super) fn closed(date: &str) -> String {
    format!("We are closed on {date}.")
}

pub(super) fn closed_because(date: &str, reason: &str) -> String {
    format!("We are closed on {date}: {reason}.")
}

pub(super) fn deadline_missed(change: Change, deadline: &str) -> String {
    match change {
        Change::Book => format!("I'm afraid that was only possible until {deadline}."),
        Change::Move => format!("I'm afraid this appointment could only be changed until {deadline}."),
        Change::Cancel => format!("I'm afraid cancelling this appointment was only possible until {deadline}."),
    }
}

pub(super) fn staff_cannot(staff: &str, service: &str) -> String {
    format!("{service} is not available with {staff}, I'm afraid.")
}

pub(super) fn staff_cannot_this(staff: &str) -> String {
    format!("That is not available with {staff}, I'm afraid.")
}

pub(super) fn ask(need: Need) -> String {
    match need {
        Need::Service => "Which service would you like to book?",
        Need::Date => "Which day would you like to come?",
        Need::Time => "What time would you like to come?",
        Need::Name => "What name may I put the appointment under?",
        Need::Phone => "What number can we reach you on?",
        Need::NewDate => "Which day would you like to move the appointment to?",
        Need::NewTime => "What time would you like to move the appointment to?",
        Need::Slot => "Which of those times would suit you?",
    }
    .to_owned()
}

pub(super) fn not_understood() -> String {
    "I'm sorry, I didn't catch that.".to_owned()
}

pub(super) fn not_a_name() -> String {
    "I'm sorry, I didn't catch the name. What is your name, please?".to_owned()
}

pub(super) fn not_a_number() -> String {
    "I'm afraid we can't call that number. What number can we reach you on?".to_owned()
}

pub(super) fn do_you_mean(choice: &str) -> String {
    format!("Do you mean {choice}?")
}

pub(super) fn which_day() -> String {
    "Which day do you mean?".to_owned()
}

pub(super) fn which_time() -> String {
    "What time do you mean?".to_owned()
}

pub(super) fn day_is_past(date: &str) -> String {
    format!("{date} has already passed. Which day do you mean?")
}

pub(super) fn time_is_past(time: &str) -> String {
    format!("It is already past {time} today. When would you like to come?")
}

pub(super) fn past() -> String {
    "That has already passed. When would you like to come?".to_owned()
}

pub(super) fn contradiction(day: &str, is: &str, said: &str) -> String {
    format!("{day} is a {is}, not a {said}.")
}

pub(super) fn no_such_date() -> String {
    "There is no such day in the calendar. Which day do you mean?".to_owned()
}

pub(super) fn no_such_time(date: &str, time: &str) -> String {
    format!("There is no {time} on {date}, because the clocks change. What other time would suit you?")
}

pub(super) fn time_twice(date: &str, time: &str) -> String {
    format!("There are two times {time} on {date}, because the clocks change. What other time would suit you?")
}

pub(super) fn usual_service(service: &str) -> String {
    format!("Would you like {service} again?")
}

pub(super) fn ask_field(field: Field) -> String {
    match field {
        Field::Need(need) => ask(need),
        Field::Email => "What is your e-mail address?".to_owned(),
        Field::Staff => "Who would you like to see?".to_owned(),
        Field::Other => "Could you put it another way?".to_owned(),
    }
}

pub(super) fn choose_service(list: &str) -> String {
    format!("There is {list}. Which service do you mean?")
}

pub(super) fn choose_staff(list: &str) -> String {
    format!("There are {list}. Who would you like to see?")
}

pub(super) fn choose_appointment(list: &str) -> String {
    format!("You have several appointments: {list}. Which one do you mean?")
}

pub(super) fn choose_appointment_unnamed() -> String {
    "You have several appointments. Which one do you mean?".to_owned()
}

pub(super) fn and_more() -> String {
    "more".to_owned()
}

pub(super) fn services(list: &str) -> String {
    format!("We offer {list}. What would you like?")
}

pub(super) fn one_service(service: &str, length: &str) -> String {
    format!("{service} takes {length}. Would you like an appointment?")
}

pub(super) fn no_services() -> String {
    "I'm afraid I found nothing like that. What would you like to book?".to_owned()
}

pub(super) fn open_on(date: &str, spans: &str) -> String {
    format!("On {date} we are open {spans}.")
}

pub(super) fn closed_word() -> String {
    "closed".to_owned()
}

pub(super) fn days_through(first: &str, last: &str) -> String {
    format!("{first} to {last}")
}

pub(super) fn week(days: &str) -> String {
    format!("Our opening hours: {days}.")
}

pub(super) fn open_days(days: &str) -> String {
    format!("We are open {days}. Which day would you like the hours for?")
}

pub(super) fn closed_those_days() -> String {
    "I'm afraid we are closed on those days.".to_owned()
}

pub(super) fn hours_unknown() -> String {
    "I'm afraid I have no fixed opening hours to tell you. Which day shall I check for free times?".to_owned()
}

pub(super) fn date_is(date: &str) -> String {
    format!("That is {date}.")
}

pub(super) fn dates_are(from: &str, to: &str) -> String {
    format!("That is {from} to {to}.")
}

pub(super) fn greeting(name: &str) -> String {
    format!("Hello, {name}. How can I help you?")
}

pub(super) fn greeting_unnamed() -> String {
    "Hello. How can I help you?".to_owned()
}

pub(super) fn welcome(name: &str, business: &str) -> String {
    format!("Hello, {name}, and welcome to {business}. How can I help you?")
}

pub(super) fn welcome_unnamed(business: &str) -> String {
    format!("Hello and welcome to {business}. How can I help you?")
}

pub(super) fn service_at(service: &str, moment: &str) -> String {
    format!("{service} on {moment}")
}

pub(super) fn unsettled(appointment: &str) -> String {
    format!("{appointment}, still awaiting confirmation")
}

pub(super) fn one_appointment(appointment: &str) -> String {
    format!("You have one appointment: {appointment}.")
}

pub(super) fn appointments(count: usize, list: &str) -> String {
    format!("You have {count} appointments: {list}.")
}

pub(super) fn first_appointments(count: usize, list: &str) -> String {
    format!("You have {count} appointments, the next ones being {list}.")
}

pub(super) fn service_unknown(list: &str) -> String {
    format!("I'm afraid we don't offer that. There is {list}. What would you like?")
}

pub(super) fn service_unknown_unlisted() -> String {
    "I'm afraid we don't offer that. What would you like instead?".to_owned()
}

pub(super) fn staff_unknown(list: &str) -> String {
    format!("I can't find that name here. There are {list}. Who would you like to see?")
}

pub(super) fn one_staff(name: &str) -> String {
    format!("I can't find that name here. Would you like to see {name}?")
}

pub(super) fn staff_unknown_unlisted() -> String {
    "I can't find that name here. Would anybody else suit you too?".to_owned()
}

pub(super) fn one_other_service(service: &str) -> String {
    format!("I'm afraid we don't offer that. Would you like {service}?")
}

pub(super) fn appointment_unknown() -> String {
    "I can't find such an appointment under your number. Is there anything else I can do?".to_owned()
}

pub(super) fn slot_unknown() -> String {
    "I'm afraid I am no longer keeping that time for you. When would you like to come?".to_owned()
}

pub(super) fn function_unknown() -> String {
    "I'm afraid I can't help with that. Is there anything else I can do?".to_owned()
}

pub(super) fn callback_queued(due: &str) -> String {
    format!("Certainly, we will call you back by {due}.")
}

pub(super) fn unreachable() -> String {
    "I'm afraid I can't see the calendar right now. What number may we call you back on?".to_owned()
}

pub(super) fn unreachable_with_callback(due: &str) -> String {
    format!("I'm afraid I can't see the calendar right now. We will call you back by {due}.")
}

pub(super) fn broken() -> String {
    "I'm afraid that didn't work just now. Please call again a little later.".to_owned()
}

pub(super) fn broken_with_callback(due: &str) -> String {
    format!("I'm afraid that didn't work just now. We will call you back by {due}.")
}

pub(super) fn wait_a_moment() -> String {
    "One moment please, I will be right with you.".to_owned()
}

pub(super) fn wait_seconds(seconds: u64) -> String {
    format!("One moment please, it is very busy. We can go on in about {seconds} seconds.")
}

pub(super) fn wait_minutes(minutes: u64) -> String {
    match minutes {
        1 => "It is very busy right now. Please try again in a minute.".to_owned(),
        many => format!("It is very busy right now. Please try again in {many} minutes."),
    }
}

pub(super) fn unknown_business() -> String {
    "Hello. I'm afraid I can't arrange appointments on this number. Please get in touch with the business directly.".to_owned()
}
