//! Parts of an appointment: durable with it, and written by nobody who has lost the lease.

use frontdesk_core::booking::{Appointment, AppointmentState, IntentState, Part, PartState};
use frontdesk_core::ports::{Beginning, Begun, Diary as _, Settlement};
use frontdesk_core::slot::Resource;
use frontdesk_core::tenant::Tenant;
use jiff::SignedDuration;

use crate::house::{Base, Stored, at, beginning, on_both, tenant};

fn part(index: u32, after: i64, minutes: i64) -> Part {
    Part {
        index,
        event_type: 300 + i64::from(index),
        after: SignedDuration::from_mins(after),
        start: at(600 + after),
        end: at(600 + after + minutes),
        state: PartState::Wanted,
        uid: None,
    }
}

/// An appointment of two parts that was begun, by whoever took its lease at minute one.
async fn begun(stored: &Stored, salon: &Tenant) -> (Appointment, frontdesk_core::booking::Intent) {
    let wanted =
        Beginning { parts: vec![part(0, 0, 30), part(1, 45, 15)], ..beginning("1", &Resource::house(), 600, 60, None, false) };
    assert_eq!(stored.store.begin(salon.scope(), &wanted, at(0)).await.expect("answered"), Begun::Yes);
    stored.store.take_due(at(1), SignedDuration::from_secs(30), 1).await.expect("taken");
    let intent = stored.store.intent(salon.scope(), &wanted.intent.id).await.expect("read").expect("there");
    (wanted.appointment, intent)
}

async fn what_became_of_a_part_outlives_the_process(base: Base) {
    let stored = Stored::open(base).await;
    let salon = tenant("salon");
    let (appointment, intent) = begun(&stored, &salon).await;
    let made = Part { state: PartState::Standing, uid: Some("u1".to_owned()), ..part(0, 0, 30) };
    assert!(stored.store.record_part(salon.scope(), &intent, &made, at(1)).await.expect("answered"));
    let stored = stored.reopened().await;
    let parts = stored.store.parts(salon.scope(), &appointment.id).await.expect("read");
    assert_eq!(parts, [made, part(1, 45, 15)]);
    let found = stored.store.appointment_of_uid(salon.scope(), "u1").await.expect("read").expect("there");
    assert_eq!(found.id, appointment.id);
    let other = tenant("other");
    assert!(stored.store.appointment_of_uid(other.scope(), "u1").await.expect("read").is_none());
    assert!(stored.store.parts(other.scope(), &appointment.id).await.expect("read").is_empty());
}

async fn whoever_lost_the_lease_writes_nothing(base: Base) {
    let stored = Stored::open(base).await;
    let salon = tenant("salon");
    let (appointment, late) = begun(&stored, &salon).await;
    assert_eq!(stored.store.take_due(at(2), SignedDuration::from_secs(30), 1).await.expect("taken").len(), 1);
    let made = Part { state: PartState::Standing, uid: Some("u1".to_owned()), ..part(0, 0, 30) };
    assert!(!stored.store.record_part(salon.scope(), &late, &made, at(2)).await.expect("answered"));
    let parts = stored.store.parts(salon.scope(), &appointment.id).await.expect("read");
    assert_eq!(parts, [part(0, 0, 30), part(1, 45, 15)]);
}

async fn an_intent_that_is_undone_keeps_its_time_until_it_is_over(base: Base) {
    undone(base, false).await;
}

async fn an_intent_that_could_not_be_undone_keeps_its_time_for_a_person(base: Base) {
    undone(base, true).await;
}

async fn undone(base: Base, fails: bool) {
    let stored = Stored::open(base).await;
    let salon = tenant("salon");
    let (appointment, intent) = begun(&stored, &salon).await;
    let settle = async |settlement: Settlement| {
        let intent = stored.store.intent(salon.scope(), &intent.id).await.expect("read").expect("there");
        stored.store.settle(salon.scope(), &intent, &settlement, at(2)).await.expect("settled");
        let now = stored.store.intent(salon.scope(), &intent.id).await.expect("read").expect("there").state;
        let state = stored.store.appointment(salon.scope(), &appointment.id).await.expect("read").expect("there").state;
        (
            now,
            state,
            stored
                .store
                .busy(salon.scope(), std::slice::from_ref(&appointment.resource), at(0), at(2000), at(2))
                .await
                .expect("read")
                .len(),
        )
    };
    let undo = Settlement::Undo { until: at(200), why: "refused".to_owned() };
    assert_eq!(settle(undo).await, (IntentState::Undoing, AppointmentState::Refused, 1));
    let due = stored.store.take_due(at(3), SignedDuration::from_secs(30), 1).await.expect("taken");
    assert_eq!(due.len(), 1, "whoever comes next goes on with it");
    if fails {
        let failed = Settlement::CompensationFailed { why: "1 of 2 parts left".to_owned() };
        let expected = (IntentState::CompensationFailed, AppointmentState::NeedsPerson, 1);
        assert_eq!(settle(failed).await, expected);
        assert!(stored.store.take_due(at(500), SignedDuration::from_secs(30), 1).await.expect("taken").is_empty());
        let watch = Settlement::Watch { until: at(300), why: "refused".to_owned() };
        assert_eq!(settle(watch).await, expected, "it is a person's now");
    } else {
        let watch = Settlement::Watch { until: at(300), why: "refused".to_owned() };
        assert_eq!(settle(watch).await, (IntentState::Watched, AppointmentState::Refused, 0));
    }
}

on_both! {
    what_became_of_a_part_outlives_the_process,
    whoever_lost_the_lease_writes_nothing,
    an_intent_that_is_undone_keeps_its_time_until_it_is_over,
    an_intent_that_could_not_be_undone_keeps_its_time_for_a_person,
}
