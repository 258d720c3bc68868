//! The businesses and callers of the tests.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use frontdesk_calendar::{CalCom, Guard, GuardRules};
use frontdesk_core::booking::Attendee;
use frontdesk_core::breaker::Rules;
use frontdesk_core::call::Phone;
use frontdesk_core::clock::ManualClock;
use frontdesk_core::deadline::Deadline;
use frontdesk_core::hours::{Holidays, OpeningHours, Span, WeekHours};
use frontdesk_core::ids::{BookingId, CallId, IntentId, TenantId};
use frontdesk_core::ports::{NewBooking, NoJournal, SlotAsk};
use frontdesk_core::sensitive::{Secret, Sensitive};
use frontdesk_core::shared::MemoryState;
use frontdesk_core::slot::{Line, Resource};
use frontdesk_core::tenant::{CalendarKind, Language, Notify, Policy, Service, Staff, Tenant, TenantSecrets, Zone};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

pub(crate) const INTENT: &str = "i_0000000000000000000000000a";

pub(crate) fn at(text: &str) -> Timestamp {
    text.parse().expect("an instant")
}

pub(crate) fn soon() -> Deadline {
    Deadline::within(Duration::from_secs(5))
}

pub(crate) fn clock() -> Arc<ManualClock> {
    Arc::new(ManualClock::new(at("2030-01-02T03:00:00Z")))
}

pub(crate) fn calcom() -> CalCom {
    CalCom::open(clock(), guard(), Arc::new(NoJournal), frontdesk_calendar::Reach::new(|_| true)).expect("a client")
}

/// A guard that is never in the way.
pub(crate) fn guard() -> Arc<Guard> {
    let state = Arc::new(MemoryState::new(clock()));
    let breaker = Rules { failure_threshold: 1000, recovery: 1, success_threshold: 1, trials: 1, trial_lease: 1, bad_percent: 0 };
    let rules = GuardRules { breaker, slow_call: None, budget: 1_000_000 };
    Arc::new(Guard::new(state, Arc::default(), clock(), rules))
}

pub(crate) fn cut() -> Service {
    Service {
        name: "Cut".into(),
        synonyms: Vec::new(),
        minutes: 30,
        calcom_event_type_id: Some(4711),
        buffer_before: 0,
        buffer_after: 0,
        segments: Vec::new(),
    }
}

pub(crate) fn line(staff: Option<&str>, event_type: Option<i64>) -> Line {
    Line { staff: staff.map(str::to_owned), resources: vec![Resource::house()], event_type, parts: Vec::new() }
}

pub(crate) fn ask<'a>(service: &'a Service, line: &'a Line, from: &str, to: &str) -> SlotAsk<'a> {
    SlotAsk {
        service,
        line,
        from: at(from),
        to: at(to),
        replaces: None,
        part_uids: &[],
        max_age: SignedDuration::ZERO,
        also: None,
        browsing: false,
    }
}

pub(crate) fn tenant(slug: &str, calendar: CalendarKind) -> Tenant {
    Tenant {
        slug: TenantId::new(slug),
        name: "Salon".into(),
        time_zone: Zone::named("Europe/Berlin").expect("bundled"),
        language: Language::De,
        agent_ids: Vec::new(),
        phone_numbers: Vec::new(),
        calendar,
        services: vec![cut()],
        staff: Vec::new(),
        hours: None,
        closures: Vec::new(),
        policy: Policy::default(),
        notify: Notify::default(),
        rate_limit: BTreeMap::new(),
        secrets: TenantSecrets { calcom_api_key: Some(Secret::new("cal_live_x")), ..TenantSecrets::default() },
    }
}

pub(crate) fn on_calcom(slug: &str, base_url: &str) -> Tenant {
    tenant(slug, CalendarKind::Calcom { base_url: base_url.to_owned(), verify_after_ms: 0 })
}

/// Open 09:00-12:00 every day; Emma works 01:00-04:00 on Sundays.
pub(crate) fn builtin() -> Tenant {
    let span = |text: &str| Some(vec![Span::parse(text).expect("a span")]);
    let mut own = WeekHours::default();
    own.0[6] = span("01:00-04:00");
    let emma = Staff {
        name: "Emma".into(),
        services: vec!["Cut".into()],
        calcom_event_types: BTreeMap::new(),
        calcom_host_id: None,
        hours: Some(own),
    };
    let week = WeekHours(std::array::from_fn(|_| span("09:00-12:00")));
    let hours = Some(OpeningHours { week, holidays: Holidays::None });
    Tenant { hours, staff: vec![emma], ..tenant("house", CalendarKind::Builtin) }
}

pub(crate) fn attendee(email: Option<&str>, phone: Option<&str>) -> Attendee {
    Attendee {
        name: Sensitive::new("Ida Caller".into()),
        email: email.map(|email| Sensitive::new(email.to_owned())),
        phone: phone.map(|phone| Phone::parse(phone, None).expect("a number")),
    }
}

pub(crate) fn wish(attendee: Attendee) -> NewBooking {
    NewBooking {
        intent: IntentId::new(INTENT),
        part: None,
        booking: BookingId::new("b_0000000000000000000000000b"),
        call: Some(CallId::new("call_81")),
        event_type: Some(4711),
        start: at("2030-01-07T09:00:00Z"),
        end: at("2030-01-07T09:30:00Z"),
        attendee,
        notes: None,
        intended_at: at("2030-01-02T03:00:00Z"),
    }
}

pub(crate) fn ida() -> NewBooking {
    wish(attendee(Some("ida@example.com"), Some("+4915123456789")))
}

/// A stored booking of Ida's, as Cal.com shows it.
pub(crate) fn stored(uid: &str, start: &str, metadata: Value) -> Value {
    json!({
        "id": 901, "uid": uid, "title": "Cut", "hosts": [{"id": 12, "name": "Jo", "email": "jo@example.com", "username": "jo", "timeZone": "Europe/Rome"}],
        "status": "accepted", "start": start, "end": "2030-01-07T09:30:00.000Z", "duration": 30,
        "eventType": {"id": 4711, "slug": "cut"}, "absentHost": false, "createdAt": "2030-01-02T03:00:05.000Z",
        "metadata": metadata, "attendees": [],
    })
}

pub(crate) fn ours() -> Value {
    json!({"frontdesk_intent": INTENT})
}
