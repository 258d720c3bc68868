//! The German letters, one function each. Readers are addressed as "Sie".

use super::Labels;
use crate::booking::{CallbackCause, Priority};
use crate::outbox::Wanted;

type Text = (String, Vec<String>);

pub(super) fn hello(name: &str) -> String {
    format!("Guten Tag {name},")
}

pub(super) fn booked(business: &str, when: &str, service: &str) -> Text {
    (
        format!("Ihr Termin bei {business}: {when}"),
        vec![format!("Ihr Termin ist gebucht: {service} am {when}."), "Wir freuen uns auf Sie.".to_owned()],
    )
}

pub(super) fn rescheduled(business: &str, when: &str, before: Option<&str>, service: &str) -> Text {
    let line = match before {
        Some(before) => format!("Ihr Termin ist verschoben: {service}, statt am {before} jetzt am {when}."),
        None => format!("Ihr Termin ist verschoben: {service}, jetzt am {when}."),
    };
    (format!("Ihr Termin bei {business} ist verschoben: {when}"), vec![line])
}

pub(super) fn cancelled(business: &str, when: &str, service: &str) -> Text {
    (format!("Ihr Termin bei {business} ist storniert"), vec![format!("Ihr Termin am {when} ({service}) ist storniert.")])
}

pub(super) fn pending(business: &str, when: &str, service: &str, wanted: Wanted) -> Text {
    let line = match wanted {
        Wanted::Booking => format!("wir haben Ihre Anfrage aufgenommen: {service} am {when}."),
        Wanted::Move => format!("wir haben Ihren Wunsch aufgenommen, den Termin am {when} ({service}) zu verschieben."),
        Wanted::Cancellation => format!("wir haben Ihren Wunsch aufgenommen, den Termin am {when} ({service}) abzusagen."),
    };
    let last = "Das ist noch nicht bestätigt: Eine Kollegin oder ein Kollege meldet sich bei Ihnen.";
    (format!("Ihre Anfrage bei {business} ist aufgenommen"), vec![line, last.to_owned()])
}

pub(super) fn pending_business(when: &str, service: &str, wanted: Wanted) -> Text {
    let what = match wanted {
        Wanted::Booking => "Buchung",
        Wanted::Move => "Verschiebung",
        Wanted::Cancellation => "Absage",
    };
    let line = format!("Der Kalender hat nicht geantwortet. Noch nicht bestätigt ist diese {what}: {service} am {when}.");
    let next = "Wir versuchen es weiter; Sie hören von uns, wenn die Buchung steht. Bitte behalten Sie es im Blick.";
    let next = if wanted == Wanted::Booking { next } else { "Wir versuchen es weiter. Bitte behalten Sie es im Blick." };
    (format!("Noch nicht bestätigt: {what}, {when}"), vec![line, next.to_owned()])
}

pub(super) fn late_business(when: &str, service: &str) -> Text {
    (
        format!("Jetzt bestätigt: {when}"),
        vec![format!("Die Buchung, die noch offen war, steht jetzt im Kalender: {service} am {when}.")],
    )
}

pub(super) fn somebody() -> &'static str {
    "jemanden, der anrief"
}

pub(super) fn callback_subject(who: &str, is_urgent: bool) -> String {
    if is_urgent { format!("Dringend: Rückruf an {who}") } else { format!("Rückruf an {who}") }
}

pub(super) fn callback_intro(cause: CallbackCause) -> &'static str {
    match cause {
        CallbackCause::Requested => "Um einen Rückruf wurde gebeten.",
        CallbackCause::NothingFree => "Es war nichts Passendes frei.",
        CallbackCause::CalendarDown => "Der Kalender hat keine Auskunft gegeben.",
        CallbackCause::Provisional => "Eine Buchung oder Änderung ist vom Kalender nicht bestätigt.",
        CallbackCause::Unsettled => "Eine Buchung oder Änderung konnte nicht von selbst geklärt werden. Bitte entscheiden Sie.",
        CallbackCause::AnonymousChange => "Eine Änderung wurde mit unterdrückter Nummer gewünscht.",
        CallbackCause::OverLimit => "Ein Wunsch wurde wegen zu vieler Anfragen nicht erfüllt.",
        CallbackCause::Fault => "Ein Wunsch konnte wegen eines Fehlers bei uns nicht erfüllt werden.",
        CallbackCause::Unfinished => "Ein Anruf endete ohne den gewünschten Termin.",
    }
}

pub(super) fn labels() -> Labels {
    Labels {
        name: "Name",
        phone: "Telefon",
        service: "Leistung",
        wish: "Anliegen",
        preferred: "Wunschzeit",
        priority: "Dringlichkeit",
        due: "Spätestens",
    }
}

pub(super) fn priority(priority: Priority) -> &'static str {
    match priority {
        Priority::Normal => "normal",
        Priority::High => "hoch",
        Priority::Urgent => "sehr hoch",
    }
}
