//! An old answer never says more than the outcome does.

use frontdesk_core::booking::AppointmentState;
use frontdesk_core::call::{CallContext, Caller};
use frontdesk_core::hours::OpeningHours;
use frontdesk_core::ids::{BookingId, CallbackId, SlotId, TenantId};
use frontdesk_core::outcome::{
    Answer, CallerInfo, Change, Choice, Confirm, Denial, Missed, Need, Offer, Promise, Question, Shown, WhyNothing, WhyOffered,
};
use frontdesk_core::sensitive::Sensitive;
use frontdesk_core::tenant::{CalendarKind, Language, Notify, Policy, Service, TenantSecrets, Zone};
use jiff::SignedDuration;
use jiff::civil::date;

use super::*;
use crate::answer;

const NOW: &str = "2026-03-12T09:00:00Z";

fn at(text: &str) -> Timestamp {
    text.parse().expect("a timestamp")
}

fn tenant() -> Tenant {
    let cut = Service {
        name: "Haarschnitt".to_owned(),
        synonyms: Vec::new(),
        minutes: 55,
        calcom_event_type_id: None,
        buffer_before: 0,
        buffer_after: 0,
        segments: Vec::new(),
    };
    Tenant {
        slug: TenantId::new("salon"),
        name: "Salon Emma".to_owned(),
        time_zone: Zone::named("Europe/Berlin").expect("a zone"),
        language: Language::De,
        agent_ids: Vec::new(),
        phone_numbers: Vec::new(),
        calendar: CalendarKind::Builtin,
        services: vec![cut],
        staff: Vec::new(),
        hours: None::<OpeningHours>,
        closures: Vec::new(),
        policy: Policy { cancel_notice: SignedDuration::from_hours(24), ..Policy::default() },
        notify: Notify::default(),
        rate_limit: Default::default(),
        secrets: TenantSecrets::default(),
    }
}

fn offer() -> Offer {
    Offer {
        slot: Some(SlotId::new("s_1")),
        start: at("2026-03-13T13:00:00Z"),
        end: at("2026-03-13T13:55:00Z"),
        service: "Haarschnitt".to_owned(),
        staff: Some("Emma".to_owned()),
        held_until: Some(at("2026-03-12T09:05:00Z")),
    }
}

fn shown(state: AppointmentState) -> Shown {
    let Offer { start, end, service, staff, .. } = offer();
    Shown { booking: BookingId::new("b_1"), start, end, service, staff, state }
}

fn promise() -> Promise {
    Promise { callback: CallbackId::new("c_1"), due: at("2026-03-12T13:00:00Z") }
}

/// One of each kind.
fn outcomes() -> Vec<Outcome> {
    let booked = || shown(AppointmentState::Booked);
    let caller = CallerInfo { known: true, name: Some(Sensitive::new("Anna Schmidt".to_owned())), ..CallerInfo::default() };
    vec![
        Outcome::Available(offer()),
        Outcome::Offered { slots: vec![offer()], why: WhyOffered::Fits },
        Outcome::Offered { slots: vec![offer()], why: WhyOffered::NotFree { wished: at("2026-03-13T12:00:00Z") } },
        Outcome::Offered { slots: vec![offer()], why: WhyOffered::Full },
        Outcome::Unavailable(WhyNothing::Full),
        Outcome::Booked { appointment: booked(), already: false },
        Outcome::Booked { appointment: booked(), already: true },
        Outcome::Pending { appointment: shown(AppointmentState::Pending), change: Change::Book, promise: Some(promise()) },
        Outcome::NeedsConfirmation(Confirm::Book(offer())),
        Outcome::NeedsConfirmation(Confirm::Move { appointment: booked(), to: offer() }),
        Outcome::NeedsConfirmation(Confirm::Cancel(booked())),
        Outcome::NeedsInput { missing: vec![Need::Time], question: Question::Missing(Need::Time) },
        Outcome::NeedsInput { missing: vec![Need::Name], question: Question::NotAName },
        Outcome::NeedsInput { missing: vec![Need::Date], question: Question::InThePast { date: None, time: None } },
        Outcome::NeedsInput { missing: vec![Need::NewTime], question: Question::Missing(Need::NewTime) },
        Outcome::Ambiguous(Choice::Services(vec!["A".to_owned(), "B".to_owned()])),
        Outcome::Ambiguous(Choice::Appointments(vec![booked(), booked()])),
        Outcome::Cancelled(shown(AppointmentState::Cancelled)),
        Outcome::Rescheduled { appointment: booked(), from: at("2026-03-13T10:00:00Z") },
        Outcome::Denied { denial: Denial::NoticeTooShort { earliest: at("2026-03-12T12:00:00Z") }, slots: vec![offer()] },
        Outcome::Denied { denial: Denial::Closed { date: date(2026, 3, 15), reason: String::new() }, slots: Vec::new() },
        Outcome::Denied {
            denial: Denial::DeadlineMissed { change: Change::Cancel, deadline: at("2026-03-12T08:00:00Z") },
            slots: Vec::new(),
        },
        Outcome::Denied {
            denial: Denial::StaffCannot { staff: "Emma".to_owned(), service: "Haarschnitt".to_owned() },
            slots: Vec::new(),
        },
        Outcome::Ok(Answer::Services(Vec::new())),
        Outcome::Ok(Answer::Hours(Vec::new())),
        Outcome::Ok(Answer::Date { from: date(2026, 3, 13), to: date(2026, 3, 13), time: None }),
        Outcome::Ok(Answer::Date { from: date(2026, 3, 16), to: date(2026, 3, 22), time: None }),
        Outcome::Ok(Answer::Caller(caller.clone())),
        Outcome::Ok(Answer::Welcome { caller, next: vec![offer()] }),
        Outcome::Ok(Answer::Appointments(vec![booked()])),
        Outcome::Ok(Answer::Released),
        Outcome::Ok(Answer::Held(offer())),
        Outcome::NotFound(Missed::Appointment),
        Outcome::NotFound(Missed::Service(vec!["Haarschnitt".to_owned()])),
        Outcome::NotFound(Missed::Function),
        Outcome::Taken(vec![offer()]),
        Outcome::CallbackQueued(promise()),
        Outcome::RateLimited { retry_after: SignedDuration::from_secs(3) },
        Outcome::TemporarilyUnavailable(Some(promise())),
        Outcome::Invalid { field: "date".to_owned() },
        Outcome::Error(None),
    ]
}

const NAMES: [&str; 16] = [
    "initialize_call",
    "check_customer",
    "list_services",
    "get_opening_hours",
    "parse_date",
    "check_availability_v17",
    "get_alternatives",
    "find_next_available",
    "start_booking",
    "collect_appointment_data",
    "query_appointment",
    "reschedule_appointment",
    "cancel_appointment",
    "request_callback",
    "reserve_slot",
    "release_slot_reservation",
];

fn said(route: &'static OldRoute, name: &str, outcome: &Outcome) -> Value {
    let (tenant, now) = (tenant(), at(NOW));
    let call = CallContext { caller: Caller::from_envelope(Some("+4915123456789")), ..CallContext::none() };
    let old = Old { route, function: Function::named(name), name, call: &call, tenant: &tenant, now, took_ms: 3 };
    let modern = answer::render(outcome, &tenant, now, "r1");
    reshape(&old, outcome, &modern)
}

fn route(path: &str) -> &'static OldRoute {
    OLD_ROUTES.iter().find(|route| route.path == path).expect("an old path")
}

#[test]
fn only_what_is_booked_is_called_booked_on_any_old_path() {
    for route in OLD_ROUTES {
        let names: &[&str] = match &route.function {
            Some(function) => std::slice::from_ref(function),
            None => &NAMES,
        };
        for name in names {
            for outcome in outcomes() {
                let answer = said(route, name, &outcome);
                let context = format!("{} {name} {}: {answer}", route.path, outcome.status());
                assert_eq!(answer["outcome"], outcome.status(), "{context}");
                assert!(answer["message"].as_str().is_some_and(|text| !text.is_empty()), "{context}");
                let claims = [&answer["booked"], &answer["data"]["booked"]].iter().any(|it| **it == true)
                    || answer["status"] == "booked"
                    || (route.shape == Shape::Book && answer["status"] == "success");
                if claims {
                    assert!(matches!(outcome, Outcome::Booked { .. }), "{context}");
                }
                let named = [&answer["appointment_id"], &answer["data"]["appointment_id"]].iter().any(|it| it.is_string());
                let has_one = matches!(
                    outcome,
                    Outcome::Booked { .. } | Outcome::Cancelled(_) | Outcome::Rescheduled { .. } | Outcome::Pending { .. }
                );
                assert!(!named || has_one, "{context}");
                let free = answer["available"] == true || answer["data"]["available"] == true;
                assert!(!free || matches!(outcome, Outcome::Available(_) | Outcome::Offered { .. }), "{context}");
            }
        }
    }
}

#[test]
fn the_two_steps_answer_in_their_own_words() {
    let collect = route("/api/retell/collect-appointment");
    let free = said(collect, "collect_appointment", &Outcome::Available(offer()));
    assert_eq!((free["status"].as_str(), free["awaiting_confirmation"].as_bool()), (Some("available"), Some(true)));
    assert_eq!(free["slots"][0]["slot_id"], "s_1");
    let booked =
        said(collect, "collect_appointment", &Outcome::Booked { appointment: shown(AppointmentState::Booked), already: false });
    assert_eq!((booked["status"].as_str(), booked["appointment_id"].as_str()), (Some("booked"), Some("b_1")));
    let invalid = said(collect, "collect_appointment", &Outcome::Invalid { field: "date".to_owned() });
    assert!(invalid["errors"]["args.date"][0].is_string(), "{invalid}");
}

#[test]
fn the_dispatcher_answers_under_data_or_flat_as_it_did() {
    let dispatch = route("/api/webhooks/retell/function");
    let checked = said(dispatch, "check_availability_v17", &Outcome::Available(offer()));
    assert_eq!(checked["data"]["available"], true);
    assert_eq!(checked["data"]["requested_time"], "2026-03-13 14:00");
    let notice = Outcome::Denied { denial: Denial::NoticeTooShort { earliest: at("2026-03-12T12:00:00Z") }, slots: Vec::new() };
    let denied = said(dispatch, "check_availability", &notice);
    assert_eq!(denied["reason"], "booking_notice_violation");
    assert_eq!(denied["earliest_bookable"], "2026-03-12 13:00");
    let cancelled = said(dispatch, "cancel_appointment", &Outcome::Cancelled(shown(AppointmentState::Cancelled)));
    assert_eq!((cancelled["status"].as_str(), cancelled["appointment_id"].as_str()), (Some("cancelled"), Some("b_1")));
    let by_path = said(
        route("/api/retell/cancel-appointment"),
        "cancel_appointment",
        &Outcome::Cancelled(shown(AppointmentState::Cancelled)),
    );
    assert_eq!(by_path["cancelled_booking"]["time"], "14:00");
    let day = Outcome::Ok(Answer::Date { from: date(2026, 3, 13), to: date(2026, 3, 13), time: None });
    let short = said(route("/api/webhooks/retell/datetime"), "resolve_date", &day);
    assert_eq!(
        (short["t"].as_str(), short["wd"].as_str(), short["df"].as_i64(), short["wdn"].as_i64()),
        (Some("single"), Some("Fr"), Some(1), Some(5))
    );
}

#[test]
fn the_clock_and_the_variables_are_those_of_the_business() {
    assert_eq!(zeitinfo(at(NOW))["date"], "12.03.2026");
    assert_eq!(current_time_berlin(at("2026-07-01T10:00:00Z"))["time"], "12:00");
    let variables = old_dynamic_variables(&CallerInfo::default(), &[offer()], &tenant(), None, at(NOW));
    assert_eq!(variables["naechster_montag"], "16.03.2026");
    assert_eq!(variables["verfuegbare_termine_morgen"], "14:00");
    assert!(variables.values().all(Value::is_string));
}
