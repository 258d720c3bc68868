//! The English letters, one function each.

use super::Labels;
use crate::booking::{CallbackCause, Priority};
use crate::outbox::Wanted;

type Text = (String, Vec<String>);

pub(super) fn hello(name: &str) -> String {
    format!("Dear {name},")
}

pub(super) fn booked(business: &str, when: &str, service: &str) -> Text {
    (
        format!("Your appointment at {business}: {when}"),
        vec![format!("Your appointment is booked: {service} on {when}."), "We look forward to seeing you.".to_owned()],
    )
}

pub(super) fn rescheduled(business: &str, when: &str, before: Option<&str>, service: &str) -> Text {
    let line = match before {
        Some(before) => format!("Your appointment has been moved: {service}, from {before} to {when}."),
        None => format!("Your appointment has been moved: {service}, now on {when}."),
    };
    (format!("Your appointment at {business} has been moved: {when}"), vec![line])
}

pub(super) fn cancelled(business: &str, when: &str, service: &str) -> Text {
    (
        format!("Your appointment at {business} is cancelled"),
        vec![format!("Your appointment on {when} ({service}) is cancelled.")],
    )
}

pub(super) fn pending(business: &str, when: &str, service: &str, wanted: Wanted) -> Text {
    let line = match wanted {
        Wanted::Booking => format!("We have taken down your request: {service} on {when}."),
        Wanted::Move => format!("We have taken down your wish to move your appointment on {when} ({service})."),
        Wanted::Cancellation => format!("We have taken down your wish to cancel your appointment on {when} ({service})."),
    };
    let last = "This is not confirmed yet: a colleague will get back to you.";
    (format!("Your request at {business} has been taken down"), vec![line, last.to_owned()])
}

pub(super) fn pending_business(when: &str, service: &str, wanted: Wanted) -> Text {
    let what = match wanted {
        Wanted::Booking => "booking",
        Wanted::Move => "move",
        Wanted::Cancellation => "cancellation",
    };
    let line = format!("The calendar has not answered. This {what} is not confirmed yet: {service} on {when}.");
    let next = "We keep trying; you will hear from us when the booking stands. Please keep an eye on it.";
    let next = if wanted == Wanted::Booking { next } else { "We keep trying. Please keep an eye on it." };
    (format!("Not confirmed yet: {what}, {when}"), vec![line, next.to_owned()])
}

pub(super) fn late_business(when: &str, service: &str) -> Text {
    (
        format!("Now confirmed: {when}"),
        vec![format!("The booking that was still open now stands in the calendar: {service} on {when}.")],
    )
}

pub(super) fn somebody() -> &'static str {
    "somebody who called"
}

pub(super) fn callback_subject(who: &str, is_urgent: bool) -> String {
    if is_urgent { format!("Urgent: call back {who}") } else { format!("Call back {who}") }
}

pub(super) fn callback_intro(cause: CallbackCause) -> &'static str {
    match cause {
        CallbackCause::Requested => "A call back was asked for.",
        CallbackCause::NothingFree => "Nothing suitable was free.",
        CallbackCause::CalendarDown => "The calendar gave no answer.",
        CallbackCause::Provisional => "The calendar has not confirmed a booking or a change.",
        CallbackCause::Unsettled => "A booking or a change could not be settled by itself. Please decide.",
        CallbackCause::AnonymousChange => "Somebody with a withheld number wanted a change.",
        CallbackCause::OverLimit => "A wish was not met because there were too many requests.",
        CallbackCause::Fault => "A wish could not be met because something of ours broke.",
        CallbackCause::Unfinished => "A call ended without the appointment that was wanted.",
    }
}

pub(super) fn labels() -> Labels {
    Labels {
        name: "Name",
        phone: "Phone",
        service: "Service",
        wish: "Wish",
        preferred: "Preferred time",
        priority: "Priority",
        due: "Due",
    }
}

pub(super) fn priority(priority: Priority) -> &'static str {
    match priority {
        Priority::Normal => "normal",
        Priority::High => "high",
        Priority::Urgent => "urgent",
    }
}
