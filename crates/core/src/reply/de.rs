//! The German sentences, one function each. Callers are addressed as "Sie"; what is inserted is clean.

use super::questions::Field;
use crate::outcome::{Change, Need};

pub(super) fn available(moment: &str) -> String {
    format!("Am {moment} ist frei. Soll ich das buchen?")
}

pub(super) fn held(moment: &str) -> String {
    format!("Ich halte Ihnen {moment} frei. Soll ich das buchen?")
}

pub(super) fn released() -> String {
    "Gut, ich halte die Zeit nicht länger frei. Kann ich sonst etwas für Sie tun?".to_owned()
}

pub(super) fn offer_one(slot: &str) -> String {
    format!("Frei wäre {slot}. Passt Ihnen das?")
}

pub(super) fn offer_some(slots: &str) -> String {
    format!("Frei wäre {slots}. Was passt Ihnen?")
}

pub(super) fn slots_on(day: &str, times: &str) -> String {
    format!("am {day} um {times}")
}

pub(super) fn at_hour(time: &str) -> String {
    format!("um {time}")
}

pub(super) fn not_free(time: &str) -> String {
    format!("Um {time} ist leider belegt.")
}

pub(super) fn not_free_then() -> String {
    "Das ist leider belegt.".to_owned()
}

pub(super) fn full() -> String {
    "Da ist leider alles belegt.".to_owned()
}

pub(super) fn taken() -> String {
    "Diese Zeit ist leider gerade vergeben worden.".to_owned()
}

pub(super) fn callback_question() -> String {
    "Dürfen wir Sie zurückrufen?".to_owned()
}

pub(super) fn served(service: &str, staff: Option<&str>) -> String {
    match staff {
        Some(staff) => format!("{service} bei {staff}"),
        None => service.to_owned(),
    }
}

pub(super) fn booked(appointment: &str) -> String {
    format!("Ihr Termin ist gebucht: {appointment}.")
}

pub(super) fn already_booked(appointment: &str) -> String {
    format!("Diesen Termin haben Sie bereits: {appointment}.")
}

pub(super) fn cancelled(moment: &str) -> String {
    format!("Ihr Termin am {moment} ist storniert.")
}

pub(super) fn rescheduled(from: &str, to: &str) -> String {
    format!("Ihr Termin ist verschoben: statt am {from} jetzt am {to}.")
}

pub(super) fn pending_booking(moment: &str) -> String {
    format!("Ihre Anfrage für {moment} ist aufgenommen; eine Kollegin oder ein Kollege bestätigt Ihnen das noch.")
}

pub(super) fn pending_move() -> String {
    "Ihr Wunsch, den Termin zu verlegen, ist aufgenommen; eine Kollegin oder ein Kollege bestätigt Ihnen das noch.".to_owned()
}

pub(super) fn pending_cancellation(moment: &str) -> String {
    format!(
        "Ihr Wunsch, den Termin am {moment} abzusagen, ist aufgenommen; eine Kollegin oder ein Kollege bestätigt Ihnen das noch."
    )
}

pub(super) fn confirm_booking(appointment: &str) -> String {
    format!("Ich hätte für Sie: {appointment}. Soll ich das buchen?")
}

pub(super) fn confirm_move(from: &str, to: &str) -> String {
    format!("Soll ich Ihren Termin am {from} auf {to} verlegen?")
}

pub(super) fn confirm_cancellation(moment: &str) -> String {
    format!("Soll ich Ihren Termin am {moment} absagen?")
}

pub(super) fn notice_too_short(earliest: &str) -> String {
    format!("So kurzfristig geht es leider nicht, frühestens {earliest}.")
}

pub(super) fn horizon_exceeded(date: &str) -> String {
    format!("Termine vergeben wir leider nur bis {date}.")
}

pub(super) fn open_that_day(date: &str, spans: &str) -> String {
    format!("Am {date} haben wir nur {spans} geöffnet.")
}

pub(super) fn weekday_closed(every: &str) -> String {
    format!("{every} haben wir leider geschlossen.")
}

pub(super) fn closed(date: &str) -> String {
    format!("Am {date} haben wir geschlossen.")
}

pub(super) fn closed_because(date: &str, reason: &str) -> String {
    format!("Am {date} haben wir geschlossen: {reason}.")
}

pub(super) fn deadline_missed(change: Change, deadline: &str) -> String {
    match change {
        Change::Book => format!("Das war leider nur bis {deadline} möglich."),
        Change::Move => format!("Verlegen konnten Sie diesen Termin leider nur bis {deadline}."),
        Change::Cancel => format!("Absagen konnten Sie diesen Termin leider nur bis {deadline}."),
    }
}

pub(super) fn staff_cannot(staff: &str, service: &str) -> String {
    format!("{service} ist bei {staff} leider nicht möglich.")
}

pub(super) fn staff_cannot_this(staff: &str) -> String {
    format!("Das ist bei {staff} leider nicht möglich.")
}

pub(super) fn ask(need: Need) -> String {
    match need {
        Need::Service => "Welche Leistung möchten Sie buchen?",
        Need::Date => "An welchem Tag möchten Sie kommen?",
        Need::Time => "Um wie viel Uhr möchten Sie kommen?",
        Need::Name => "Auf welchen Namen darf ich den Termin eintragen?",
        Need::Phone => "Unter welcher Nummer können wir Sie erreichen?",
        Need::NewDate => "Auf welchen Tag möchten Sie den Termin verlegen?",
        Need::NewTime => "Auf welche Uhrzeit möchten Sie den Termin verlegen?",
        Need::Slot => "Welche der genannten Zeiten passt Ihnen?",
    }
    .to_owned()
}

pub(super) fn not_understood() -> String {
    "Das habe ich leider nicht verstanden.".to_owned()
}

pub(super) fn not_a_name() -> String {
    "Den Namen habe ich leider nicht verstanden. Wie heißen Sie bitte?".to_owned()
}

pub(super) fn not_a_number() -> String {
    "Diese Nummer können wir leider nicht anrufen. Unter welcher Nummer erreichen wir Sie?".to_owned()
}

pub(super) fn do_you_mean(choice: &str) -> String {
    format!("Meinen Sie {choice}?")
}

pub(super) fn which_day() -> String {
    "Welchen Tag meinen Sie?".to_owned()
}

pub(super) fn which_time() -> String {
    "Welche Uhrzeit meinen Sie?".to_owned()
}

pub(super) fn day_is_past(date: &str) -> String {
    format!("{date} ist schon vorbei. Welchen Tag meinen Sie?")
}

pub(super) fn time_is_past(time: &str) -> String {
    format!("{time} ist heute schon vorbei. Wann möchten Sie kommen?")
}

pub(super) fn past() -> String {
    "Das liegt schon in der Vergangenheit. Wann möchten Sie kommen?".to_owned()
}

pub(super) fn contradiction(day: &str, is: &str, said: &str) -> String {
    format!("Der {day} ist ein {is}, kein {said}.")
}

pub(super) fn no_such_date() -> String {
    "Diesen Tag gibt es im Kalender nicht. Welchen Tag meinen Sie?".to_owned()
}

pub(super) fn no_such_time(date: &str, time: &str) -> String {
    format!("Am {date} gibt es {time} nicht, weil die Uhren umgestellt werden. Welche andere Uhrzeit passt Ihnen?")
}

pub(super) fn time_twice(date: &str, time: &str) -> String {
    format!("Am {date} gibt es {time} zweimal, weil die Uhren umgestellt werden. Welche andere Uhrzeit passt Ihnen?")
}

pub(super) fn usual_service(service: &str) -> String {
    format!("Darf es wieder {service} sein?")
}

pub(super) fn ask_field(field: Field) -> String {
    match field {
        Field::Need(need) => ask(need),
        Field::Email => "Wie lautet Ihre E-Mail-Adresse?".to_owned(),
        Field::Staff => "Zu wem möchten Sie?".to_owned(),
        Field::Other => "Können Sie das bitte anders sagen?".to_owned(),
    }
}

pub(super) fn choose_service(list: &str) -> String {
    format!("Möglich sind {list}. Welche Leistung meinen Sie?")
}

pub(super) fn choose_staff(list: &str) -> String {
    format!("Möglich sind {list}. Zu wem möchten Sie?")
}

pub(super) fn choose_appointment(list: &str) -> String {
    format!("Sie haben mehrere Termine: {list}. Welchen meinen Sie?")
}

pub(super) fn choose_appointment_unnamed() -> String {
    "Sie haben mehrere Termine. Welchen meinen Sie?".to_owned()
}

pub(super) fn and_more() -> String {
    "weitere".to_owned()
}

pub(super) fn services(list: &str) -> String {
    format!("Wir bieten {list} an. Was darf es sein?")
}

pub(super) fn one_service(service: &str, length: &str) -> String {
    format!("{service} dauert {length}. Möchten Sie einen Termin?")
}

pub(super) fn no_services() -> String {
    "Dazu habe ich leider nichts gefunden. Was möchten Sie buchen?".to_owned()
}

pub(super) fn open_on(date: &str, spans: &str) -> String {
    format!("Am {date} haben wir {spans} geöffnet.")
}

pub(super) fn closed_word() -> String {
    "geschlossen".to_owned()
}

pub(super) fn days_through(first: &str, last: &str) -> String {
    format!("{first} bis {last}")
}

pub(super) fn week(days: &str) -> String {
    format!("Unsere Öffnungszeiten: {days}.")
}

pub(super) fn open_days(days: &str) -> String {
    format!("Geöffnet haben wir {days}. Für welchen Tag möchten Sie die Uhrzeiten wissen?")
}

pub(super) fn closed_those_days() -> String {
    "An diesen Tagen haben wir leider geschlossen.".to_owned()
}

pub(super) fn hours_unknown() -> String {
    "Feste Öffnungszeiten kann ich Ihnen leider nicht nennen. Für welchen Tag soll ich nach freien Zeiten sehen?".to_owned()
}

pub(super) fn date_is(date: &str) -> String {
    format!("Das ist {date}.")
}

pub(super) fn dates_are(from: &str, to: &str) -> String {
    format!("Das ist {from} bis {to}.")
}

pub(super) fn greeting(name: &str) -> String {
    format!("Guten Tag, {name}. Wie kann ich Ihnen helfen?")
}

pub(super) fn greeting_unnamed() -> String {
    "Guten Tag. Wie kann ich Ihnen helfen?".to_owned()
}

pub(super) fn welcome(name: &str, business: &str) -> String {
    format!("Guten Tag, {name}, und willkommen bei {business}. Wie kann ich Ihnen helfen?")
}

pub(super) fn welcome_unnamed(business: &str) -> String {
    format!("Guten Tag und willkommen bei {business}. Wie kann ich Ihnen helfen?")
}

pub(super) fn service_at(service: &str, moment: &str) -> String {
    format!("{service} am {moment}")
}

pub(super) fn unsettled(appointment: &str) -> String {
    format!("{appointment}, noch unbestätigt")
}

pub(super) fn one_appointment(appointment: &str) -> String {
    format!("Sie haben einen Termin: {appointment}.")
}

pub(super) fn appointments(count: usize, list: &str) -> String {
    format!("Sie haben {count} Termine: {list}.")
}

pub(super) fn first_appointments(count: usize, list: &str) -> String {
    format!("Sie haben {count} Termine, als Nächstes: {list}.")
}

pub(super) fn service_unknown(list: &str) -> String {
    format!("Das bieten wir leider nicht an. Möglich sind {list}. Was darf es sein?")
}

pub(super) fn service_unknown_unlisted() -> String {
    "Das bieten wir leider nicht an. Was darf es stattdessen sein?".to_owned()
}

pub(super) fn staff_unknown(list: &str) -> String {
    format!("Diesen Namen finde ich bei uns nicht. Hier arbeiten {list}. Zu wem möchten Sie?")
}

pub(super) fn one_staff(name: &str) -> String {
    format!("Diesen Namen finde ich bei uns nicht. Möchten Sie zu {name}?")
}

pub(super) fn staff_unknown_unlisted() -> String {
    "Diesen Namen finde ich bei uns nicht. Passt es Ihnen auch ohne Wunschperson?".to_owned()
}

pub(super) fn one_other_service(service: &str) -> String {
    format!("Das bieten wir leider nicht an. Darf es {service} sein?")
}

pub(super) fn appointment_unknown() -> String {
    "Unter Ihrer Nummer finde ich keinen solchen Termin. Kann ich sonst etwas für Sie tun?".to_owned()
}

pub(super) fn slot_unknown() -> String {
    "Diese Zeit halte ich leider nicht mehr für Sie frei. Wann möchten Sie kommen?".to_owned()
}

pub(super) fn function_unknown() -> String {
    "Dabei kann ich Ihnen leider nicht helfen. Kann ich sonst etwas für Sie tun?".to_owned()
}

pub(super) fn callback_queued(due: &str) -> String {
    format!("Gern, wir rufen Sie bis {due} zurück.")
}

pub(super) fn unreachable() -> String {
    "Ich komme gerade leider nicht an den Kalender. Unter welcher Nummer dürfen wir Sie zurückrufen?".to_owned()
}

pub(super) fn unreachable_with_callback(due: &str) -> String {
    format!("Ich komme gerade leider nicht an den Kalender. Wir rufen Sie bis {due} zurück.")
}

pub(super) fn broken() -> String {
    "Das hat leider gerade nicht geklappt. Bitte rufen Sie später noch einmal an.".to_owned()
}

pub(super) fn broken_with_callback(due: &str) -> String {
    format!("Das hat leider gerade nicht geklappt. Wir rufen Sie bis {due} zurück.")
}

pub(super) fn wait_a_moment() -> String {
    "Einen Moment bitte, ich bin gleich wieder für Sie da.".to_owned()
}

pub(super) fn wait_seconds(seconds: u64) -> String {
    format!("Einen Moment bitte, gerade ist viel los. In etwa {seconds} Sekunden geht es weiter.")
}

pub(super) fn wait_minutes(minutes: u64) -> String {
    match minutes {
        1 => "Gerade ist sehr viel los. Bitte versuchen Sie es in einer Minute noch einmal.".to_owned(),
        many => format!("Gerade ist sehr viel los. Bitte versuchen Sie es in {many} Minuten noch einmal."),
    }
}

pub(super) fn unknown_business() -> String {
    "Guten Tag. Unter dieser Nummer kann ich leider keine Termine vergeben. Bitte wenden Sie sich direkt an das Geschäft."
        .to_owned()
}
