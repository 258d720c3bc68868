//! A booking from its slot to its end, and faults in between.

use std::time::Duration;

use frontdesk_testkit::calcom::{Fault, FaultKind, Route, Status};
use frontdesk_testkit::http_client::ClientError;
use serde_json::{Value, json};

use crate::wire::{BOOKINGS, SLOTS, ask, booking, create, salon};

const DAY: &str =
    "/v2/slots?eventTypeId=102&start=2026-03-13T00%3A00%3A00Z&end=2026-03-13T22%3A59%3A59Z&timeZone=Europe%2FBerlin";

async fn starts(calendar: &frontdesk_testkit::calcom::SimulatedCalCom) -> Vec<String> {
    let (status, answer) = ask(calendar, "GET", DAY, SLOTS, Value::Null).await.expect("an answer");
    assert_eq!(status, 200, "{answer}");
    let day = answer["data"]["2026-03-13"].as_array().cloned().unwrap_or_default();
    day.iter().filter_map(|slot| slot["start"].as_str().map(str::to_owned)).collect()
}

#[tokio::test]
async fn a_booking_takes_its_slot_moves_and_ends() {
    let calendar = salon().await;
    let wanted = "2026-03-13T14:00:00.000+01:00".to_owned();
    assert!(starts(&calendar).await.contains(&wanted));
    let (status, made) = create(&calendar, "2026-03-13T13:00:00Z").await;
    assert_eq!((status, made["data"]["status"].as_str()), (201, Some("accepted")), "{made}");
    assert!(!starts(&calendar).await.contains(&wanted), "it is taken");
    let uid = made["data"]["uid"].as_str().expect("a uid").to_owned();

    let (_, listed) =
        ask(&calendar, "GET", "/v2/bookings?eventTypeId=102&take=10", BOOKINGS, Value::Null).await.expect("an answer");
    assert_eq!(listed["data"][0]["metadata"]["frontdesk_intent"], "i_1", "{listed}");
    let body = json!({"start": "2026-03-13T15:00:00Z", "reschedulingReason": "later"});
    let (status, moved) =
        ask(&calendar, "POST", &format!("/v2/bookings/{uid}/reschedule"), BOOKINGS, body).await.expect("an answer");
    assert_eq!(status, 201, "{moved}");
    assert_ne!(moved["data"]["uid"], made["data"]["uid"], "a move is a new booking");
    let (_, old) = ask(&calendar, "GET", &format!("/v2/bookings/{uid}"), BOOKINGS, Value::Null).await.expect("an answer");
    assert_eq!(old["data"]["rescheduledToUid"], moved["data"]["uid"], "{old}");
    let uid = moved["data"]["uid"].as_str().expect("a uid").to_owned();
    let body = json!({"cancellationReason": "no time"});
    let path = format!("/v2/bookings/{uid}/cancel");
    let (status, gone) = ask(&calendar, "POST", &path, BOOKINGS, body.clone()).await.expect("an answer");
    assert_eq!((status, gone["data"]["status"].as_str()), (200, Some("cancelled")), "{gone}");
    let (status, again) = ask(&calendar, "POST", &path, BOOKINGS, body).await.expect("an answer");
    assert!(status == 400 && again.to_string().contains("cancelled already"), "{again}");
    assert!(starts(&calendar).await.contains(&wanted), "its time is free again");
    assert_eq!(calendar.violations(), Vec::<String>::new());
    assert_eq!(calendar.own_violations(), Vec::<String>::new());
}

#[tokio::test]
async fn twenty_at_once_for_one_start_are_one_booking() {
    let calendar = salon().await;
    let answers = futures_util::future::join_all((0..20).map(|_| create(&calendar, "2026-03-13T13:00:00Z"))).await;
    for (status, answer) in &answers {
        assert!(*status == 201 || answer.to_string().contains("not available"), "{answer}");
    }
    let made = answers.iter().filter(|(status, _)| *status == 201).count();
    assert_eq!((made, calendar.bookings().len()), (1, 1));
}

#[tokio::test]
async fn faults_happen_where_they_are_put() {
    let calendar = salon().await;
    calendar.fault(Fault::store_then_status(Route::Create, 400));
    assert_eq!(create(&calendar, "2026-03-13T08:00:00Z").await.0, 400);
    assert_eq!(calendar.bookings().len(), 1, "it was stored all the same");
    for (fault, stored) in [(FaultKind::StoreThenDrop, 2), (FaultKind::DropBefore, 2)] {
        calendar.fault(Fault::on(Route::Create, fault));
        let lost = ask(&calendar, "POST", "/v2/bookings", BOOKINGS, booking("2026-03-13T10:00:00Z")).await;
        assert!(matches!(lost, Err(ClientError::Closed)), "{lost:?}");
        assert_eq!(calendar.bookings().len(), stored);
    }
    calendar.fault(Fault::on(Route::Create, FaultKind::WrongStart));
    let (_, late) = create(&calendar, "2026-03-13T13:00:00Z").await;
    assert_eq!(late["data"]["start"], "2026-03-13T13:30:00.000Z");
    calendar.fault(Fault::on(Route::Slots, FaultKind::SlotsWithoutOffset));
    assert!(starts(&calendar).await.iter().all(|start| start.ends_with(".000")));
    calendar.fault(Fault::on(Route::List, FaultKind::Garbage));
    let (status, page) = ask(&calendar, "GET", "/v2/bookings", BOOKINGS, Value::Null).await.expect("an answer");
    assert_eq!((status, page), (200, Value::Null));
    calendar.fault(Fault::on(Route::Get, FaultKind::SlowTrickle { chunk_bytes: 64, every: Duration::from_millis(1) }));
    let uid = calendar.bookings()[0].uid.clone();
    let (status, slow) = ask(&calendar, "GET", &format!("/v2/bookings/{uid}"), BOOKINGS, Value::Null).await.expect("an answer");
    assert_eq!((status, slow["data"]["uid"].as_str()), (200, Some(uid.as_str())));
    assert_eq!(calendar.faults_waiting(), 0);
}

#[tokio::test]
async fn down_is_refused_and_up_remembers() {
    let calendar = salon().await;
    create(&calendar, "2026-03-13T13:00:00Z").await;
    calendar.down().await;
    let refused = ask(&calendar, "GET", "/v2/me", "", Value::Null).await;
    assert!(matches!(refused, Err(ClientError::Refused)), "{refused:?}");
    calendar.up().await;
    let (status, me) = ask(&calendar, "GET", "/v2/me", "", Value::Null).await.expect("an answer");
    assert_eq!((status, me["data"]["name"].as_str()), (200, Some("Emma")));
    assert_eq!(calendar.bookings()[0].status, Status::Accepted);
}
