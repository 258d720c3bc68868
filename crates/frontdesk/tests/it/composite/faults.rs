//! What goes wrong while the parts are made.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use frontdesk_testkit::calcom::{Config, ErrorAnswer, ErrorShape, Fault, FaultKind, Route, SimulatedCalCom, Status};
use jiff::SignedDuration;
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};

use super::{
    AT_TEN, PATIENT, ask_for_a_perm, at, at_ten, eventually, intents, salon, salon_with, settle, settle_for, standing, starts,
    state_of, ten_is_free,
};
use crate::house::{ANNA, House};

fn refused() -> FaultKind {
    FaultKind::Status(ErrorAnswer::new(400, ErrorShape::A))
}

fn broken() -> FaultKind {
    FaultKind::Status(ErrorAnswer::new(500, ErrorShape::C))
}

fn stored_then(status: u16) -> FaultKind {
    FaultKind::StoreThenStatus(ErrorAnswer::new(status, if status < 500 { ErrorShape::A } else { ErrorShape::C }))
}

/// The third create: two parts stand by then.
fn third(kind: FaultKind) -> Fault {
    Fault::on(Route::Create, kind).after(2)
}

/// Upstream and here say the same: all parts and a booking, or none and no booking.
async fn all_or_none(house: &House, calendar: &SimulatedCalCom, answer: &Value, what: &str) {
    let state = state_of(house, &booking_of(house, answer).await).await;
    match standing(calendar).len() {
        4 => {
            assert_eq!((state.as_str(), starts(calendar)), ("booked", at_ten()), "{what}");
        }
        0 => {
            assert_eq!(state, "refused", "{what}");
            assert!(ten_is_free(house).await, "{what}: its time is free again");
        }
        some => panic!("{what}: {some} parts stand, and it is {state}: {answer}"),
    }
}

/// The appointment that was begun; a refusal does not name it.
async fn booking_of(house: &House, answer: &Value) -> Value {
    if answer["booking_id"].is_string() { answer["booking_id"].clone() } else { intents(house).await[0]["booking_id"].clone() }
}

#[tokio::test]
async fn a_refused_part_takes_the_others_with_it_and_the_caller_hears_taken() {
    let (house, calendar) = salon(PATIENT).await;
    calendar.fault(third(refused()));
    let answer = ask_for_a_perm(&house).await;
    assert_eq!(answer["status"], "taken", "{answer}");
    let slots = answer["slots"].as_array().expect("alternatives");
    assert!(!slots.is_empty() && slots.iter().all(|slot| slot["start"] != AT_TEN[0]), "{answer}");
    assert_eq!(standing(&calendar).len(), 0);
    assert_eq!(calendar.bookings().len(), 2, "the fourth was never asked for");
    let cancelled: Vec<String> = calendar
        .requests()
        .iter()
        .filter(|request| request.route == Route::Cancel)
        .map(|request| request.target.clone())
        .collect();
    let made: Vec<String> = calendar.bookings().iter().map(|part| format!("/v2/bookings/{}/cancel", part.uid)).collect();
    assert_eq!(cancelled, [made[1].clone(), made[0].clone()], "the last first");
    // The alternatives are held for her; but for those, ten is as free as before.
    house.call("salon", "c1", ANNA).slot("Dauerwelle", "Montag", "10 Uhr").await;
    settle(&house).await;
    assert_eq!(standing(&calendar).len(), 0);
    assert_eq!(calendar.violations(), Vec::<String>::new());
}

#[tokio::test]
async fn whatever_befalls_a_part_ends_with_all_or_none() {
    let cases = [
        ("stored, then 400", stored_then(400), "booked"),
        ("stored, then 500", stored_then(500), "booked"),
        ("stored, then broken off", FaultKind::StoreThenDrop, "booked"),
        ("stored, then nonsense", FaultKind::Garbage, "booked"),
        ("stored, then silence", FaultKind::StoreThenHang, "pending"),
        ("silence", FaultKind::Hang, "pending"),
        ("broken off", FaultKind::DropBefore, "pending"),
        ("500", broken(), "pending"),
        ("refused", refused(), "taken"),
        ("another start", FaultKind::WrongStart, "taken"),
    ];
    for (what, kind, said) in cases {
        // Silence lasts longer than anybody waits.
        let is_silent = matches!(kind, FaultKind::Hang | FaultKind::StoreThenHang);
        let (house, calendar) = salon(if is_silent { Duration::from_millis(1000) } else { PATIENT }).await;
        calendar.fault(third(kind));
        let answer = ask_for_a_perm(&house).await;
        assert_eq!(answer["status"], said, "{what}: {answer}");
        settle(&house).await;
        all_or_none(&house, &calendar, &answer, what).await;
        if said == "booked" || said == "pending" {
            assert_eq!(standing(&calendar).len(), 4, "{what}");
        }
    }
}

#[tokio::test]
async fn a_part_that_surfaces_after_the_no_is_cancelled() {
    let (house, calendar) = salon(PATIENT).await;
    calendar.fault(third(stored_then(400)));
    calendar.fault(Fault::on(Route::List, FaultKind::StaleList).times(2));
    let answer = ask_for_a_perm(&house).await;
    assert_eq!(answer["status"], "taken", "{answer}");
    assert_eq!(standing(&calendar).len(), 1, "the third was stored all the same");
    settle(&house).await;
    assert_eq!(standing(&calendar).len(), 0);
}

#[tokio::test]
async fn taking_back_that_fails_for_a_while_is_finished_by_itself() {
    let (house, calendar) = salon(PATIENT).await;
    calendar.fault(third(refused()));
    calendar.fault(Fault::on(Route::Cancel, broken()).times(5));
    let answer = ask_for_a_perm(&house).await;
    assert_eq!(answer["status"], "taken", "{answer}");
    assert_eq!(standing(&calendar).len(), 2, "they could not be cancelled yet");
    assert_eq!(intents(&house).await[0]["state"], "undoing");
    assert!(!ten_is_free(&house).await, "and keep their time until they are");
    settle(&house).await;
    assert_eq!(standing(&calendar).len(), 0);
    assert!(ten_is_free(&house).await);
    assert_eq!(intents(&house).await[0]["state"], "refused");
    assert!(house.callbacks("salon").await.is_empty(), "nobody has to do anything");
}

/// What was logged on this thread.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().expect("not poisoned").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn taking_back_that_fails_for_good_is_loud_and_a_persons() {
    let (house, calendar) = salon(PATIENT).await;
    calendar.fault(third(refused()));
    calendar.fault(Fault::on(Route::Cancel, broken()).standing());
    let answer = ask_for_a_perm(&house).await;
    assert_eq!(answer["status"], "taken", "{answer}");
    settle(&house).await;
    assert_eq!(intents(&house).await[0]["state"], "undoing", "it is tried for hours");
    house.wait(SignedDuration::from_hours(4));
    let lines = Lines::default();
    let writer = lines.clone();
    let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(move || writer.clone()).finish();
    {
        let _listening = tracing::subscriber::set_default(subscriber);
        settle(&house).await;
    }
    let log = String::from_utf8(lines.0.lock().expect("not poisoned").clone()).expect("text");
    let loud = log.lines().find(|line| line.contains("compensation failed: ")).unwrap_or_else(|| panic!("{log}"));
    assert!(loud.contains("ERROR") && loud.contains("critical=true"), "{loud}");
    let intent = &intents(&house).await[0];
    assert_eq!(intent["state"], "compensation_failed");
    let why = intent["last_error"].as_str().expect("a reason");
    assert!(why.starts_with("2 of 4 parts left in the calendar: 1 (Wickeln), 2 (Fixieren); "), "{why}");
    assert_eq!(state_of(&house, &intent["booking_id"]).await, "needs_person");
    let items = house.callbacks("salon").await;
    let item = items.iter().find(|item| item["cause"] == "unsettled").expect("a work item");
    assert_eq!(item["priority"], "urgent", "{item}");
    assert!(!ten_is_free(&house).await, "until somebody has looked, nobody else gets that time");
    assert_eq!(standing(&calendar).len(), 2);
}

#[tokio::test]
async fn parts_that_the_business_has_to_confirm_are_booked_when_all_are() {
    let confirmed = |config: &mut Config| {
        for event_type in config.event_types.iter_mut().filter(|it| it.id == 301 || it.id == 303) {
            event_type.requires_confirmation = true;
        }
    };
    for says_no in [false, true] {
        let (house, calendar) = salon_with(PATIENT, confirmed).await;
        let answer = ask_for_a_perm(&house).await;
        assert_eq!(answer["status"], "pending", "{answer}");
        settle(&house).await;
        let parts = standing(&calendar);
        assert_eq!((parts.len(), calendar.bookings().len()), (4, 4), "none is made again");
        calendar.set_status(&parts[0].uid, Status::Accepted);
        settle(&house).await;
        assert_eq!(state_of(&house, &answer["booking_id"]).await, "pending", "one has not been agreed to");
        calendar.set_status(&parts[2].uid, if says_no { Status::Rejected } else { Status::Accepted });
        settle(&house).await;
        all_or_none(&house, &calendar, &answer, if says_no { "no" } else { "yes" }).await;
        assert_eq!(standing(&calendar).len(), if says_no { 0 } else { 4 });
    }
}

#[tokio::test]
async fn a_calendar_that_fails_one_part_for_hours_ends_with_none_and_a_call_back() {
    let (house, calendar) = salon(PATIENT).await;
    calendar.fault(third(broken()).standing());
    let answer = ask_for_a_perm(&house).await;
    assert_eq!(answer["status"], "pending", "{answer}");
    settle_for(&house, 3).await;
    assert_eq!(state_of(&house, &answer["booking_id"]).await, "pending");
    house.wait(SignedDuration::from_hours(4));
    settle(&house).await;
    all_or_none(&house, &calendar, &answer, "given up").await;
    assert_eq!(standing(&calendar).len(), 0);
    let causes: Vec<Value> = house.callbacks("salon").await.iter().map(|item| item["cause"].clone()).collect();
    assert!(causes.contains(&json!("unsettled")), "the caller was told that it would be confirmed: {causes:?}");
}

#[tokio::test]
async fn a_part_that_people_moved_meanwhile_is_a_persons() {
    let (house, calendar) = salon(Duration::from_millis(400)).await;
    calendar.fault(third(FaultKind::StoreThenHang));
    let answer = ask_for_a_perm(&house).await;
    assert_eq!(answer["status"], "pending", "{answer}");
    eventually(async || calendar.bookings().len() == 3).await;
    let third = calendar.bookings()[2].uid.clone();
    calendar.set_start(&third, at("2026-03-16T14:00:00+01:00"));
    settle(&house).await;
    assert_eq!(state_of(&house, &answer["booking_id"]).await, "needs_person");
    assert_eq!(intents(&house).await[0]["state"], "compensation_failed");
}

/// What befalls one create, as a word that a failing case shows.
#[derive(Debug, Clone, Copy)]
enum Fate {
    Fine,
    Refused,
    Broken,
    DropBefore,
    Stored400,
    Stored500,
    StoredDrop,
    Garbage,
    WrongStart,
}

impl Fate {
    fn fault(self) -> Option<FaultKind> {
        match self {
            Self::Fine => None,
            Self::Refused => Some(refused()),
            Self::Broken => Some(broken()),
            Self::DropBefore => Some(FaultKind::DropBefore),
            Self::Stored400 => Some(stored_then(400)),
            Self::Stored500 => Some(stored_then(500)),
            Self::StoredDrop => Some(FaultKind::StoreThenDrop),
            Self::Garbage => Some(FaultKind::Garbage),
            Self::WrongStart => Some(FaultKind::WrongStart),
        }
    }
}

/// A run of bad luck: the creates in order, failing cancellations, lists that lag behind.
#[derive(Debug, Clone)]
struct Luck {
    creates: Vec<Fate>,
    cancels: u32,
    lists: (u32, u32),
}

fn luck() -> impl Strategy<Value = Luck> {
    let fate = prop_oneof![
        6 => Just(Fate::Fine),
        1 => Just(Fate::Refused),
        2 => Just(Fate::Broken),
        2 => Just(Fate::DropBefore),
        2 => Just(Fate::Stored400),
        2 => Just(Fate::Stored500),
        2 => Just(Fate::StoredDrop),
        1 => Just(Fate::Garbage),
        1 => Just(Fate::WrongStart),
    ];
    (proptest::collection::vec(fate, 4..9), 0..4u32, (0..3u32, 0..4u32)).prop_map(|(creates, cancels, lists)| {
        // A part at another time that cannot be taken back at once looks as if people had moved it, and is theirs.
        let elsewhere = creates.iter().any(|fate| matches!(fate, Fate::WrongStart));
        Luck { creates, cancels: if elsewhere { 0 } else { cancels }, lists }
    })
}

async fn try_luck(luck: Luck) {
    let (house, calendar) = salon(PATIENT).await;
    let mut happened = 0;
    for (number, fate) in (0..).zip(&luck.creates) {
        if let Some(kind) = fate.fault() {
            // A fault does not see the requests that an earlier one befell.
            calendar.fault(Fault::on(Route::Create, kind).after(number - happened));
            happened += 1;
        }
    }
    calendar.fault(Fault::on(Route::Cancel, broken()).times(luck.cancels));
    calendar.fault(Fault::on(Route::List, FaultKind::StaleList).after(luck.lists.0).times(luck.lists.1));
    let answer = ask_for_a_perm(&house).await;
    if answer["status"] == "booked" {
        assert_eq!(starts(&calendar), at_ten(), "{luck:?}: {answer}");
    }
    let mut rounds = 0;
    while !settled(&house).await {
        settle_for(&house, 8).await;
        rounds += 1;
        assert!(rounds < 30, "{luck:?}: it never ends: {:?}", intents(&house).await);
    }
    all_or_none(&house, &calendar, &answer, &format!("{luck:?}")).await;
}

async fn settled(house: &House) -> bool {
    ["done", "refused"].contains(&intents(house).await[0]["state"].as_str().unwrap_or(""))
}

#[tokio::test]
async fn however_the_creates_end_all_parts_stand_or_none() {
    let mut runner = TestRunner::default();
    for _ in 0..4 {
        let cases = (0..5).map(|_| luck().new_tree(&mut runner).expect("a case").current());
        futures_util::future::join_all(cases.map(try_luck)).await;
    }
}
