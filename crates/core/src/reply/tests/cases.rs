//! Every ending, with short, long and hostile names.

use jiff::civil::{Date, Weekday, date, time};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use crate::booking::AppointmentState;
use crate::hours::{MinuteOfDay, Span};
use crate::ids::{BookingId, CallbackId, SlotId, TenantId};
use crate::outcome::{
    Answer, CallerInfo, Change, Choice, Confirm, DayInfo, Denial, Missed, Need, Offer, Outcome, Promise, Question, ServiceInfo,
    Shown, WhyNothing, WhyOffered,
};
use crate::sensitive::Sensitive;
use crate::tenant::{CalendarKind, Language, Notify, Policy, Tenant, TenantSecrets, Zone};

/// What the names of services, people and closures look like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Names {
    Short,
    Long,
    Hostile,
}

impl Names {
    pub(super) const ALL: [Self; 3] = [Self::Short, Self::Long, Self::Hostile];

    fn service(self) -> &'static str {
        match self {
            Self::Short => "Herrenhaarschnitt",
            Self::Long => "Dauerwelle mit Haarschnitt, Föhnen, Pflege und Beratung für sehr lange und sehr dicke Haare",
            Self::Hostile => "{{service_name}} <b>Schnitt</b>? null error s_7f3a9q2k1x8m4 030 123456 \u{7}!",
        }
    }

    fn person(self) -> &'static str {
        match self {
            Self::Short => "Emma",
            Self::Long => "Maximiliane Josephine Freifrau von und zu Hohenlohe Waldenburg Schillingsfürst",
            Self::Hostile => "__proto__ {name} +49 151 23456789 a@b.example?",
        }
    }

    fn reason(self) -> &'static str {
        match self {
            Self::Short => "Betriebsferien",
            Self::Long => {
                "Wegen eines Rohrbruchs im Erdgeschoss und der anschließenden Renovierung bleibt das Geschäft leider zu"
            }
            Self::Hostile => "[reason] undefined 030 1234567",
        }
    }
}

pub(super) fn at(text: &str) -> Timestamp {
    text.parse().expect("an instant")
}

pub(super) fn tenant(language: Language, names: Names) -> Tenant {
    Tenant {
        slug: TenantId::new("salon"),
        name: match names {
            Names::Short => "Salon Schmidt".into(),
            Names::Long => "Friseur- und Kosmetiksalon Schmidt und Töchter am alten Markt neben der großen Kirche".into(),
            Names::Hostile => "{{business_name}}".into(),
        },
        time_zone: Zone::named("Europe/Berlin").expect("bundled"),
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

pub(super) fn offer(names: Names, start: &str) -> Offer {
    let start = at(start);
    Offer {
        slot: Some(SlotId::new("s_7f3a9q2k1x8m4z0000")),
        start,
        end: start + SignedDuration::from_mins(55),
        service: names.service().into(),
        staff: Some(names.person().into()),
        held_until: Some(start),
    }
}

pub(super) fn shown(names: Names, start: &str) -> Shown {
    let Offer { start, end, service, staff, .. } = offer(names, start);
    Shown { booking: BookingId::new("b_7f3a9q2k1x8m4z0000"), start, end, service, staff, state: AppointmentState::Booked }
}

pub(super) fn day(date: Date, open: &[&str], reason: &str) -> DayInfo {
    let zone = TimeZone::get("Europe/Berlin").expect("bundled");
    let on = |minute: MinuteOfDay| minute.on(date, &zone).expect("a time");
    let spans = open.iter().map(|span| Span::parse(span).expect("a span"));
    DayInfo { date, open: spans.map(|span| (on(span.from), on(span.to))).collect(), reason: reason.into() }
}

fn promise() -> Promise {
    Promise { callback: CallbackId::new("c_7f3a9q2k1x8m4z0000"), due: at("2026-03-13T10:00+01:00") }
}

fn several<T>(names: Names, count: usize, of: impl Fn(String) -> T) -> Vec<T> {
    (0..count).map(|number| of(format!("{} {}", ["Alpha", "Beta", "Gamma", "Delta"][number % 4], &names.service()))).collect()
}

const SPREAD: [&str; 4] =
    ["2026-03-16T09:15+01:00", "2026-03-17T10:45+01:00", "2027-09-18T11:30+02:00", "2027-12-19T11:30+01:00"];
const SAME_DAY: [&str; 3] = ["2026-03-13T09:15+01:00", "2026-03-13T10:45+01:00", "2026-03-13T11:30+01:00"];

/// Slots from none to three, on one day and on several.
fn slot_sets(names: Names) -> Vec<Vec<Offer>> {
    let of = |times: &[&str]| times.iter().map(|time| offer(names, time)).collect::<Vec<_>>();
    vec![
        of(&[]),
        of(&SAME_DAY[..1]),
        of(&SPREAD[..1]),
        of(&SAME_DAY),
        of(&SPREAD[..2]),
        of(&SPREAD[..3]),
        of(&[SAME_DAY[0], SPREAD[0], SPREAD[1]]),
    ]
}

fn weeks(names: Names) -> Vec<Vec<DayInfo>> {
    let monday = date(2026, 3, 16);
    let on = |offset: i8| Date::new(2026, 3, monday.day() + offset).expect("a date");
    let full = ["09:30-12:30", "13:30-18:30"];
    let plain = (0..7).map(|offset| day(on(offset), if offset < 6 { &["09:00-18:00"] } else { &[] }, "")).collect();
    let all_different = (0..7).map(|offset| day(on(offset), &[&format!("{}:30-12:30", offset + 5), "13:30-18:15"], ""));
    let holidays =
        (0..7).map(|offset| day(on(offset), if offset < 4 { &full } else { &[] }, if offset < 4 { "" } else { names.reason() }));
    let shut = (0..7).map(|offset| day(on(offset), &[], names.reason())).collect();
    vec![
        vec![],
        vec![day(on(0), &full, "")],
        vec![day(on(0), &[], names.reason())],
        vec![day(on(6), &[], "")],
        plain,
        all_different.collect(),
        holidays.collect(),
        shut,
    ]
}

fn denials(names: Names) -> Vec<Denial> {
    let friday = date(2026, 3, 13);
    let mut denials = vec![
        Denial::NoticeTooShort { earliest: at("2026-03-12T11:00+01:00") },
        Denial::NoticeTooShort { earliest: at("2026-03-20T11:00+01:00") },
        Denial::HorizonExceeded { latest: at("2026-05-11T10:00+02:00") },
        Denial::OutsideBusinessHours { date: date(2026, 3, 14), open: Vec::new() },
        Denial::OutsideBusinessHours { date: friday, open: day(friday, &["09:30-12:30", "13:30-18:30"], "").open },
        Denial::Closed { date: friday, reason: names.reason().into() },
        Denial::Closed { date: friday, reason: String::new() },
        Denial::StaffCannot { staff: names.person().into(), service: names.service().into() },
    ];
    denials.extend(
        [Change::Book, Change::Move, Change::Cancel].map(|change| Denial::DeadlineMissed { change, deadline: at(super::NOW) }),
    );
    denials
}

fn questions(names: Names) -> Vec<Question> {
    let (thursday, friday) = (date(2026, 3, 12), date(2026, 3, 13));
    let needs = [Need::Service, Need::Date, Need::Time, Need::Name, Need::Phone, Need::NewDate, Need::NewTime, Need::Slot];
    let mut questions = vec![
        Question::WhichDay { next: at("2026-03-13T14:00+01:00") },
        Question::InThePast { date: Some(date(2023, 6, 13)), time: None },
        Question::InThePast { date: Some(thursday), time: Some(time(9, 0, 0, 0)) },
        Question::InThePast { date: None, time: Some(time(9, 0, 0, 0)) },
        Question::InThePast { date: None, time: None },
        Question::Contradiction { date: friday, said: Weekday::Thursday, candidates: vec![friday, thursday] },
        Question::Contradiction { date: date(2027, 3, 12), said: Weekday::Thursday, candidates: vec![date(2027, 3, 12); 5] },
        Question::Contradiction { date: friday, said: Weekday::Thursday, candidates: Vec::new() },
        Question::WhichDate(vec![friday, date(2026, 3, 20)]),
        Question::WhichDate(Vec::new()),
        Question::WhichClock(vec![time(8, 0, 0, 0), time(20, 0, 0, 0)]),
        Question::WhichClock(Vec::new()),
        Question::NoSuchDate,
        Question::NoSuchTime { date: date(2026, 3, 29), time: time(2, 30, 0, 0) },
        Question::TimeTwice { date: date(2026, 10, 25), time: time(2, 30, 0, 0) },
        Question::NotAName,
        Question::NotANumber,
        Question::UsualService { service: names.service().into() },
    ];
    questions.extend(needs.map(Question::Missing));
    questions.extend(needs.map(Question::NotUnderstood));
    questions
}

fn answers(names: Names) -> Vec<Answer> {
    let caller = |name: Option<&str>| CallerInfo {
        known: true,
        name: name.map(|name| Sensitive::new(name.into())),
        ..CallerInfo::default()
    };
    let callers = [caller(None), caller(Some("Anna Müller")), caller(Some("Anna")), caller(Some(names.person()))];
    let mut answers: Vec<Answer> = [0, 1, 2, 7, 30]
        .map(|count| Answer::Services(several(names, count, |name| ServiceInfo { name, minutes: 55 })))
        .into_iter()
        .collect();
    answers.extend(weeks(names).into_iter().map(Answer::Hours));
    answers.extend(callers.iter().cloned().map(Answer::Caller));
    answers.extend(callers.map(|caller| Answer::Welcome { caller, next: vec![offer(names, SPREAD[0])] }));
    answers.extend((1..=4).map(|count| Answer::Appointments(SPREAD[..count].iter().map(|time| shown(names, time)).collect())));
    for state in [AppointmentState::Pending, AppointmentState::NeedsPerson, AppointmentState::Refused] {
        answers.push(Answer::Appointments(SPREAD.iter().map(|time| Shown { state, ..shown(names, time) }).collect()));
        answers.push(Answer::Appointments(vec![Shown { state, ..shown(names, SPREAD[0]) }]));
    }
    let friday = date(2026, 3, 13);
    answers.push(Answer::Date { from: friday, to: friday, time: Some(time(14, 0, 0, 0)) });
    answers.push(Answer::Date { from: date(2026, 3, 16), to: date(2026, 3, 22), time: None });
    answers.push(Answer::Released);
    answers.push(Answer::Held(offer(names, SPREAD[0])));
    answers
}

/// Every ending there is, most of them in several shapes.
pub(super) fn every_outcome(names: Names) -> Vec<Outcome> {
    let (old, new) = (shown(names, "2026-03-13T14:30+01:00"), offer(names, SPREAD[2]));
    let people = |count: usize| (0..count).map(|number| format!("{} {number}", names.person())).collect::<Vec<_>>();
    let mut outcomes = vec![
        Outcome::Available(offer(names, "2026-03-13T14:00+01:00")),
        Outcome::Unavailable(WhyNothing::Full),
        Outcome::Booked { appointment: old.clone(), already: false },
        Outcome::Booked { appointment: old.clone(), already: true },
        Outcome::NeedsConfirmation(Confirm::Book(new.clone())),
        Outcome::NeedsConfirmation(Confirm::Move { appointment: old.clone(), to: new }),
        Outcome::NeedsConfirmation(Confirm::Cancel(old.clone())),
        Outcome::Cancelled(old.clone()),
        Outcome::Rescheduled { appointment: shown(names, SPREAD[2]), from: old.start },
        Outcome::NotFound(Missed::Appointment),
        Outcome::NotFound(Missed::Slot),
        Outcome::NotFound(Missed::Function),
        Outcome::CallbackQueued(promise()),
        Outcome::TemporarilyUnavailable(None),
        Outcome::TemporarilyUnavailable(Some(promise())),
        Outcome::Error(None),
        Outcome::Error(Some(promise())),
    ];
    for change in [Change::Book, Change::Move, Change::Cancel] {
        outcomes.extend([None, Some(promise())].map(|promise| Outcome::Pending { appointment: old.clone(), change, promise }));
    }
    for slots in slot_sets(names) {
        let reasons = [WhyOffered::Fits, WhyOffered::Full, WhyOffered::NotFree { wished: at("2026-03-13T14:15+01:00") }];
        outcomes.extend(reasons.map(|why| Outcome::Offered { slots: slots.clone(), why }));
        outcomes.extend(denials(names).into_iter().map(|denial| Outcome::Denied { denial, slots: slots.clone() }));
        outcomes.push(Outcome::Taken(slots));
    }
    for count in [0, 1, 2, 4, 7, 30] {
        outcomes.push(Outcome::Ambiguous(Choice::Services(several(names, count, |name| name))));
        outcomes.push(Outcome::Ambiguous(Choice::Staff(people(count))));
        outcomes.push(Outcome::NotFound(Missed::Service(several(names, count, |name| name))));
        outcomes.push(Outcome::NotFound(Missed::Staff(people(count))));
        let own: Vec<Shown> = SPREAD.iter().cycle().take(count).map(|time| shown(names, time)).collect();
        outcomes.push(Outcome::Ambiguous(Choice::Appointments(own)));
    }
    for field in ["args.datum", "uhrzeit", "email", "mitarbeiter", "customer_name", "bestaetigung", "", "{{x}}"] {
        outcomes.push(Outcome::Invalid { field: field.into() });
    }
    outcomes.extend([0, 1, 30, 60, 600].map(|seconds| Outcome::RateLimited { retry_after: SignedDuration::from_secs(seconds) }));
    outcomes.extend(questions(names).into_iter().map(|question| Outcome::NeedsInput { missing: vec![Need::Date], question }));
    outcomes.extend(answers(names).into_iter().map(Outcome::Ok));
    outcomes
}
