//! How the German sentences sound.

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
    assert_eq!(super::heard(Language::De, &outcome), text);
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
    says(Outcome::Available(slot("2026-03-13T14:00+01:00")), "Am Freitag, den 13. März um 14 Uhr ist frei. Soll ich das buchen?");
    let why = WhyOffered::NotFree { wished: at("2026-03-13T14:15+01:00") };
    let slots = vec![slot("2026-03-13T14:00+01:00"), slot("2026-03-13T14:30+01:00")];
    says(Outcome::Offered { slots, why }, "Um 14 Uhr 15 ist leider belegt. Frei wäre 14 Uhr oder 14 Uhr 30. Was passt Ihnen?");
    let slots = vec![slot("2026-03-16T09:00+01:00"), slot("2026-03-16T10:00+01:00"), slot("2026-03-16T11:30+01:00")];
    says(
        Outcome::Offered { slots: slots.clone(), why: WhyOffered::Fits },
        "Frei wäre am Montag, den 16. März um 9 Uhr, 10 Uhr oder 11 Uhr 30. Was passt Ihnen?",
    );
    says(
        Outcome::Taken(slots[..1].to_vec()),
        "Diese Zeit ist leider gerade vergeben worden. Frei wäre am Montag, den 16. März um 9 Uhr. Passt Ihnen das?",
    );
    says(Outcome::Unavailable(WhyNothing::Full), "Da ist leider alles belegt. Dürfen wir Sie zurückrufen?");
}

#[test]
fn what_is_done_is_said_with_its_time() {
    says(
        Outcome::Booked { appointment: friday(), already: false },
        "Ihr Termin ist gebucht: Freitag, den 13. März um 14 Uhr, Herrenhaarschnitt bei Emma.",
    );
    says(
        Outcome::Booked { appointment: friday(), already: true },
        "Diesen Termin haben Sie bereits: Freitag, den 13. März um 14 Uhr, Herrenhaarschnitt bei Emma.",
    );
    says(Outcome::Cancelled(friday()), "Ihr Termin am Freitag, den 13. März um 14 Uhr ist storniert.");
    says(
        Outcome::Rescheduled { appointment: shown(Names::Short, "2026-03-16T10:00+01:00"), from: friday().start },
        "Ihr Termin ist verschoben: statt am Freitag, den 13. März um 14 Uhr jetzt am Montag, den 16. März um 10 Uhr.",
    );
}

#[test]
fn what_is_not_done_yet_is_not_said_to_be() {
    says(
        Outcome::Pending { appointment: friday(), change: Change::Book, promise: Some(promise()) },
        "Ihre Anfrage für Freitag, den 13. März um 14 Uhr ist aufgenommen; eine Kollegin oder ein Kollege bestätigt Ihnen das noch.",
    );
    says(
        Outcome::NeedsConfirmation(Confirm::Book(slot("2026-03-13T14:00+01:00"))),
        "Ich hätte für Sie: Freitag, den 13. März um 14 Uhr, Herrenhaarschnitt bei Emma. Soll ich das buchen?",
    );
    says(
        Outcome::NeedsConfirmation(Confirm::Move { appointment: friday(), to: slot("2026-03-16T10:00+01:00") }),
        "Soll ich Ihren Termin am Freitag, den 13. März um 14 Uhr auf Montag, den 16. März um 10 Uhr verlegen?",
    );
    says(
        Outcome::NeedsConfirmation(Confirm::Cancel(friday())),
        "Soll ich Ihren Termin am Freitag, den 13. März um 14 Uhr absagen?",
    );
}

#[test]
fn a_no_comes_with_its_reason_and_with_what_is_possible() {
    let saturday = date(2026, 3, 14);
    denies(
        Denial::OutsideBusinessHours { date: saturday, open: Vec::new() },
        &["2026-03-16T09:00+01:00"],
        "Samstags haben wir leider geschlossen. Frei wäre am Montag, den 16. März um 9 Uhr. Passt Ihnen das?",
    );
    let friday = date(2026, 3, 13);
    denies(
        Denial::OutsideBusinessHours { date: friday, open: day(friday, &["09:00-18:00"], "").open },
        &["2026-03-13T17:00+01:00"],
        "Am Freitag, den 13. März haben wir nur von 9 bis 18 Uhr geöffnet. Frei wäre 17 Uhr. Passt Ihnen das?",
    );
    denies(
        Denial::Closed { date: friday, reason: "Betriebsferien".into() },
        &[],
        "Am Freitag, den 13. März haben wir geschlossen: Betriebsferien. Dürfen wir Sie zurückrufen?",
    );
    denies(
        Denial::NoticeTooShort { earliest: at("2026-03-12T11:00+01:00") },
        &[],
        "So kurzfristig geht es leider nicht, frühestens um 11 Uhr. Dürfen wir Sie zurückrufen?",
    );
    denies(
        Denial::NoticeTooShort { earliest: at("2026-03-13T11:00+01:00") },
        &[],
        "So kurzfristig geht es leider nicht, frühestens morgen um 11 Uhr. Dürfen wir Sie zurückrufen?",
    );
    denies(
        Denial::HorizonExceeded { latest: at("2026-05-11T10:00+02:00") },
        &[],
        "Termine vergeben wir leider nur bis Montag, den 11. Mai. Dürfen wir Sie zurückrufen?",
    );
    denies(
        Denial::DeadlineMissed { change: Change::Cancel, deadline: at("2026-03-12T09:00+01:00") },
        &[],
        "Absagen konnten Sie diesen Termin leider nur bis Donnerstag, den 12. März um 9 Uhr. Dürfen wir Sie zurückrufen?",
    );
    denies(
        Denial::StaffCannot { staff: "Emma".into(), service: "Färben".into() },
        &[],
        "Färben ist bei Emma leider nicht möglich. Dürfen wir Sie zurückrufen?",
    );
}

#[test]
fn one_thing_is_asked_at_a_time() {
    let friday = date(2026, 3, 13);
    asks(Question::Missing(Need::Time), "Um wie viel Uhr möchten Sie kommen?");
    asks(Question::NotUnderstood(Need::Date), "Das habe ich leider nicht verstanden. An welchem Tag möchten Sie kommen?");
    asks(Question::WhichDay { next: at("2026-03-13T14:00+01:00") }, "Meinen Sie Freitag, den 13. März um 14 Uhr?");
    asks(
        Question::InThePast { date: Some(date(2024, 6, 17)), time: None },
        "Montag, der 17. Juni 2024 ist schon vorbei. Welchen Tag meinen Sie?",
    );
    asks(
        Question::Contradiction { date: friday, said: Weekday::Thursday, candidates: vec![friday, date(2026, 3, 12)] },
        "Der 13. März ist ein Freitag, kein Donnerstag. Meinen Sie Freitag, den 13. März oder Donnerstag, den 12. März?",
    );
    asks(Question::WhichClock(vec![time(8, 0, 0, 0), time(20, 0, 0, 0)]), "Meinen Sie 8 Uhr oder 20 Uhr?");
    asks(
        Question::NoSuchTime { date: date(2026, 3, 29), time: time(2, 30, 0, 0) },
        "Am Sonntag, den 29. März gibt es 2 Uhr 30 nicht, weil die Uhren umgestellt werden. Welche andere Uhrzeit passt Ihnen?",
    );
    asks(Question::UsualService { service: "Herrenhaarschnitt".into() }, "Darf es wieder Herrenhaarschnitt sein?");
    says(Outcome::Invalid { field: "email".into() }, "Das habe ich leider nicht verstanden. Wie lautet Ihre E-Mail-Adresse?");
}

#[test]
fn a_choice_names_what_there_is() {
    says(Outcome::Ambiguous(Choice::Staff(vec!["Emma".into(), "Emil".into()])), "Meinen Sie Emma oder Emil?");
    let eight: Vec<String> = ["Schnitt", "Farbe", "Bart", "Kur", "Locken", "Zopf", "Pony", "Glanz"].map(str::to_owned).to_vec();
    says(
        Outcome::NotFound(Missed::Service(eight)),
        "Das bieten wir leider nicht an. Möglich sind Schnitt, Farbe, Bart, Kur, Locken, Zopf und weitere. Was darf es sein?",
    );
    let appointments = vec![friday(), shown(Names::Short, "2026-03-16T10:00+01:00")];
    says(
        Outcome::Ambiguous(Choice::Appointments(appointments)),
        "Sie haben mehrere Termine: Freitag, den 13. März um 14 Uhr und Montag, den 16. März um 10 Uhr. Welchen meinen Sie?",
    );
    says(
        Outcome::NotFound(Missed::Appointment),
        "Unter Ihrer Nummer finde ich keinen solchen Termin. Kann ich sonst etwas für Sie tun?",
    );
}

#[test]
fn questions_are_answered() {
    let services = ["Schnitt", "Farbe"].map(|name| ServiceInfo { name: name.into(), minutes: 55 }).to_vec();
    answers(Answer::Services(services[..1].to_vec()), "Schnitt dauert 55 Minuten. Möchten Sie einen Termin?");
    answers(Answer::Services(services), "Wir bieten Schnitt und Farbe an. Was darf es sein?");
    let monday = date(2026, 3, 16);
    answers(
        Answer::Hours(vec![day(monday, &["09:00-12:00", "13:00-17:00"], "")]),
        "Am Montag, den 16. März haben wir von 9 bis 12 Uhr und von 13 bis 17 Uhr geöffnet.",
    );
    let open: &[&str] = &["09:00-18:00"];
    let week =
        [(12, open, ""), (13, &[], "Feiertag"), (14, &[], ""), (15, &[], ""), (16, open, ""), (17, open, ""), (18, open, "")];
    let week = week.map(|(on, open, reason)| day(date(2026, 3, on), open, reason)).to_vec();
    answers(
        Answer::Hours(week),
        "Unsere Öffnungszeiten: Montag bis Donnerstag von 9 bis 18 Uhr, Samstag und Sonntag geschlossen. \
         Am Freitag, den 13. März haben wir geschlossen: Feiertag.",
    );
    let caller = CallerInfo { known: true, name: Some(Sensitive::new("Anna Müller".into())), ..CallerInfo::default() };
    answers(Answer::Caller(caller.clone()), "Guten Tag, Anna Müller. Wie kann ich Ihnen helfen?");
    answers(
        Answer::Welcome { caller, next: Vec::new() },
        "Guten Tag, Anna Müller, und willkommen bei Salon Schmidt. Wie kann ich Ihnen helfen?",
    );
    // A first name alone is too familiar.
    let familiar = CallerInfo { known: true, name: Some(Sensitive::new("Anna".into())), ..CallerInfo::default() };
    answers(Answer::Caller(familiar), "Guten Tag. Wie kann ich Ihnen helfen?");
    answers(Answer::Date { from: date(2026, 3, 17), to: date(2026, 3, 17), time: None }, "Das ist Dienstag, der 17. März.");
    answers(
        Answer::Date { from: date(2026, 3, 13), to: date(2026, 3, 13), time: Some(time(14, 0, 0, 0)) },
        "Das ist morgen, Freitag, der 13. März um 14 Uhr.",
    );
    answers(
        Answer::Appointments(vec![Shown { state: AppointmentState::Pending, ..friday() }]),
        "Sie haben einen Termin: Freitag, den 13. März um 14 Uhr, Herrenhaarschnitt bei Emma, noch unbestätigt.",
    );
    answers(
        Answer::Held(slot("2026-03-13T14:00+01:00")),
        "Ich halte Ihnen Freitag, den 13. März um 14 Uhr frei. Soll ich das buchen?",
    );
}

#[test]
fn a_fault_promises_only_what_is_written_down() {
    says(Outcome::CallbackQueued(promise()), "Gern, wir rufen Sie bis morgen um 10 Uhr zurück.");
    says(
        Outcome::TemporarilyUnavailable(None),
        "Ich komme gerade leider nicht an den Kalender. Unter welcher Nummer dürfen wir Sie zurückrufen?",
    );
    says(
        Outcome::TemporarilyUnavailable(Some(promise())),
        "Ich komme gerade leider nicht an den Kalender. Wir rufen Sie bis morgen um 10 Uhr zurück.",
    );
    says(Outcome::Error(None), "Das hat leider gerade nicht geklappt. Bitte rufen Sie später noch einmal an.");
    says(Outcome::Error(Some(promise())), "Das hat leider gerade nicht geklappt. Wir rufen Sie bis morgen um 10 Uhr zurück.");
    says(
        Outcome::RateLimited { retry_after: SignedDuration::from_secs(3) },
        "Einen Moment bitte, ich bin gleich wieder für Sie da.",
    );
    assert_eq!(
        unknown_business(Language::De),
        "Guten Tag. Unter dieser Nummer kann ich leider keine Termine vergeben. Bitte wenden Sie sich direkt an das Geschäft."
    );
}
