//! Letters, word for word.

use super::*;
use crate::booking::{AppointmentState, Attendee, CallbackCause, CallbackState};
use crate::call::Phone;
use crate::ids::{BookingId, CallbackId, TenantId};
use crate::slot::Resource;
use crate::tenant::{CalendarKind, Notify, Policy, TenantSecrets, Zone};

fn at(text: &str) -> Timestamp {
    text.parse().expect("an instant")
}

fn tenant(language: Language) -> Tenant {
    let zone = match language {
        Language::De => "Europe/Berlin",
        Language::En => "Europe/London",
    };
    Tenant {
        slug: TenantId::new("salon"),
        name: "Salon Emma".to_owned(),
        time_zone: Zone::named(zone).expect("a zone"),
        language,
        agent_ids: Vec::new(),
        phone_numbers: Vec::new(),
        calendar: CalendarKind::Builtin,
        services: Vec::new(),
        staff: Vec::new(),
        hours: None,
        closures: Vec::new(),
        policy: Policy::default(),
        notify: Notify::default(),
        rate_limit: Default::default(),
        secrets: TenantSecrets::default(),
    }
}

fn phone() -> Option<Phone> {
    Phone::parse("+4915123456789", None)
}

fn appointment() -> Appointment {
    Appointment {
        id: BookingId::new("b_1"),
        call: None,
        owner: None,
        attendee: Attendee { name: Sensitive::new("Anna Schmidt".to_owned()), email: None, phone: phone() },
        service: "Beratung".to_owned(),
        staff: Some("Emma".to_owned()),
        resource: Resource::from_stored("x".to_owned()),
        event_type: None,
        start: at("2026-03-16T09:00:00Z"),
        end: at("2026-03-16T09:30:00Z"),
        state: AppointmentState::Booked,
        calendar_uid: None,
        notes: None,
        created_at: at("2026-03-12T09:00:00Z"),
    }
}

fn callback() -> Callback {
    Callback {
        id: CallbackId::new("c_1"),
        call: None,
        appointment: None,
        name: Some(Sensitive::new("Anna\r\nBcc: x@y.example".to_owned())),
        phone: phone(),
        cause: CallbackCause::Requested,
        service: Some("Beratung".to_owned()),
        notes: Some(Sensitive::new("Farbe".to_owned())),
        preferred_time: None,
        priority: Priority::Urgent,
        due_at: at("2026-03-12T10:00:00Z"),
        state: CallbackState::Pending,
        assigned_to: None,
        created_at: at("2026-03-12T09:00:00Z"),
        updated_at: at("2026-03-12T09:00:00Z"),
    }
}

fn written(
    letter: fn(&Subject<'_>) -> Option<Letter>,
    language: Language,
    event: Event,
    facts: Facts,
) -> Option<(String, String)> {
    let (tenant, appointment, callback) = (tenant(language), appointment(), callback());
    let about = Subject {
        tenant: &tenant,
        event,
        facts: &facts,
        appointment: Some(&appointment),
        callback: Some(&callback),
        now: at("2026-03-12T09:00:00Z"),
    };
    letter(&about).map(|letter| (letter.subject.into_exposed(), letter.body.into_exposed()))
}

#[test]
fn callers_read_what_they_heard() {
    let say = |language, event, facts| written(to_caller, language, event, facts).expect("a letter");
    let (subject, body) = say(Language::De, Event::Booked, Facts::default());
    assert_eq!(subject, "Ihr Termin bei Salon Emma: Montag, den 16. März um 10 Uhr");
    assert_eq!(
        body,
        "Guten Tag Anna Schmidt,\n\nIhr Termin ist gebucht: Beratung bei Emma am Montag, den 16. März um 10 Uhr.\nWir freuen uns auf Sie.\n\nSalon Emma\n"
    );
    let moved =
        Facts { start: Some(at("2026-03-17T09:30:00Z")), old_start: Some(at("2026-03-16T09:00:00Z")), ..Facts::default() };
    let (subject, body) = say(Language::De, Event::Rescheduled, moved.clone());
    assert_eq!(subject, "Ihr Termin bei Salon Emma ist verschoben: Dienstag, den 17. März um 10 Uhr 30");
    assert!(body.contains("statt am Montag, den 16. März um 10 Uhr jetzt am Dienstag, den 17. März um 10 Uhr 30."), "{body}");
    let (subject, body) = say(Language::En, Event::Rescheduled, moved);
    assert_eq!(subject, "Your appointment at Salon Emma has been moved: Tuesday, March 17 at 9:30 am");
    assert!(body.contains("Beratung with Emma, from Monday, March 16 at 9 am to Tuesday, March 17 at 9:30 am."), "{body}");
    let (subject, _) = say(Language::De, Event::Cancelled, Facts::default());
    assert_eq!(subject, "Ihr Termin bei Salon Emma ist storniert");
}

#[test]
fn what_is_not_confirmed_is_never_called_booked() {
    for language in [Language::De, Language::En] {
        for wanted in [Wanted::Booking, Wanted::Move, Wanted::Cancellation] {
            let facts = Facts { wanted: Some(wanted), ..Facts::default() };
            for letter in [to_caller, to_business] {
                let (subject, body) = written(letter, language, Event::Pending, facts.clone()).expect("a letter");
                for word in ["gebucht", "ist storniert", "ist verschoben", "is booked", "is cancelled", "has been moved"] {
                    assert!(!subject.contains(word) && !body.contains(word), "{subject}\n{body}");
                }
            }
        }
    }
}

#[test]
fn the_business_reads_who_where_and_by_when() {
    let (subject, body) = written(to_business, Language::De, Event::CallbackQueued, Facts::default()).expect("a letter");
    assert_eq!(subject, "Dringend: Rückruf an Anna Bcc: x@y.example");
    assert_eq!(
        body,
        "Um einen Rückruf wurde gebeten.\n\nName: Anna Bcc: x@y.example\nTelefon: +4915123456789\nLeistung: Beratung\nAnliegen: Farbe\nDringlichkeit: sehr hoch\nSpätestens: Donnerstag, den 12. März um 11 Uhr\n"
    );
    let (subject, body) = written(to_business, Language::En, Event::Booked, Facts::default()).expect("a letter");
    assert_eq!(subject, "Now confirmed: Monday, March 16 at 9 am");
    assert!(body.contains("\nName: Anna Schmidt\nPhone: +4915123456789\n"), "{body}");
    assert_eq!(written(to_business, Language::De, Event::Cancelled, Facts::default()), None);
    assert_eq!(written(to_caller, Language::De, Event::CallbackQueued, Facts::default()), None);
}
