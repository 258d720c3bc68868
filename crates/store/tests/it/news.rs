//! What a calendar tells and lists: what counts, what is an echo, and what is let go.

use frontdesk_core::booking::AppointmentState;
use frontdesk_core::calendar_news::{Applied, CalendarNews, NewsKind, Placed};
use frontdesk_core::ids::{BookingId, CallbackId};
use frontdesk_core::ports::{Diary as _, Settlement};
use frontdesk_core::slot::Resource;
use frontdesk_store::{Retention, Store};
use jiff::{SignedDuration, Timestamp};

use crate::house::{Base, Stored, at, beginning, call, on_both, tenant, wish};

/// What is told of one booking, at that minute.
fn news(uid: &str, kind: NewsKind, minute: i64) -> CalendarNews {
    CalendarNews {
        digest: format!("{uid} {} {minute}", kind.as_str()),
        kind,
        uid: uid.to_owned(),
        former_uid: None,
        ical_uid: Some("ical".to_owned()),
        sequence: None,
        told_at: at(minute),
        event_type: None,
        start: Some(at(600)),
        end: Some(at(660)),
        is_endless: false,
        host: None,
        intent: None,
        attendee: None,
        listed_at: None,
    }
}

fn listed(news: CalendarNews, minute: i64) -> CalendarNews {
    CalendarNews { listed_at: Some(at(minute)), ..news }
}

async fn hear(store: &Store, news: &CalendarNews, now: Timestamp) -> Applied {
    store.apply_news(tenant("salon").scope(), news, None, &CallbackId::new("c_1"), now).await.expect("applied")
}

/// Booked as `u1`, the calendar's word for it included.
async fn booked(store: &Store) -> BookingId {
    let wanted = beginning("1", &Resource::house(), 600, 60, None, false);
    store.begin(tenant("salon").scope(), &wanted, at(0)).await.expect("begun");
    let done = Settlement::Done { uid: Some("u1".to_owned()), staff: None, ical: Some("ical".to_owned()) };
    store.settle(tenant("salon").scope(), &wanted.intent, &done, at(1)).await.expect("settled");
    wanted.appointment.id
}

async fn state(store: &Store, id: &BookingId) -> AppointmentState {
    store.appointment(tenant("salon").scope(), id).await.expect("read").expect("there").state
}

async fn the_trace_of_a_move_cancels_nothing(base: Base) {
    let stored = Stored::open(base).await;
    let id = booked(&stored.store).await;
    let moved = CalendarNews { former_uid: Some("u1".to_owned()), ..news("u2", NewsKind::Rescheduled, 30) };
    assert!(matches!(hear(&stored.store, &moved, at(30)).await, Applied::Changed(_) | Applied::Nothing));
    // A list that does not say where the first one went.
    let trace = listed(news("u1", NewsKind::Cancelled, 40), 45);
    assert_eq!(hear(&stored.store, &trace, at(45)).await, Applied::Stale);
    let again = CalendarNews { former_uid: Some("u2".to_owned()), ..news("u3", NewsKind::Rescheduled, 50) };
    hear(&stored.store, &again, at(50)).await;
    let second = CalendarNews { former_uid: Some("u1".to_owned()), ..listed(news("u2", NewsKind::Cancelled, 50), 55) };
    assert_eq!(hear(&stored.store, &second, at(55)).await, Applied::Stale);
    assert_eq!(state(&stored.store, &id).await, AppointmentState::Booked);
    // Moved twice more, unheard, and then given up.
    let last = CalendarNews { former_uid: Some("u4".to_owned()), ..listed(news("u5", NewsKind::Cancelled, 90), 95) };
    assert_eq!(hear(&stored.store, &last, at(95)).await, Applied::Changed(id.clone()));
    assert_eq!(state(&stored.store, &id).await, AppointmentState::Cancelled);
}

async fn a_list_takes_no_sequence_away(base: Base) {
    let stored = Stored::open(base).await;
    let id = booked(&stored.store).await;
    let created = CalendarNews { sequence: Some(3), ..news("u1", NewsKind::Created, 10) };
    hear(&stored.store, &created, at(10)).await;
    hear(&stored.store, &listed(news("u1", NewsKind::Created, 20), 20), at(20)).await;
    // Late, and of before; but told after, by a clock that nobody set.
    let old = CalendarNews { sequence: Some(2), ..news("u1", NewsKind::Cancelled, 30) };
    assert_eq!(hear(&stored.store, &old, at(30)).await, Applied::Stale);
    assert_eq!(state(&stored.store, &id).await, AppointmentState::Booked);
}

async fn an_echo_of_our_own_request_in_a_list_is_heard_again(base: Base) {
    let stored = Stored::open(base).await;
    let mut wanted = beginning("1", &Resource::house(), 600, 60, None, false);
    wanted.appointment.event_type = Some(101);
    stored.store.begin(tenant("salon").scope(), &wanted, at(0)).await.expect("begun");
    let attendee = Some(wanted.appointment.attendee.clone());
    let echo = CalendarNews { event_type: Some(101), attendee, ..news("u1", NewsKind::Created, 1) };
    let in_a_list = CalendarNews { digest: "list".to_owned(), ..listed(echo.clone(), 2) };
    for _ in 0..2 {
        assert_eq!(hear(&stored.store, &in_a_list, at(2)).await, Applied::TooEarly, "nothing of it is kept");
    }
    assert_eq!(hear(&stored.store, &echo, at(2)).await, Applied::Nothing, "a webhook comes once");
    assert_eq!(hear(&stored.store, &echo, at(2)).await, Applied::Repeated);
}

async fn a_booking_made_there_takes_a_hold_in_its_way_as_a_whole(base: Base) {
    let stored = Stored::open(base).await;
    let salon = tenant("salon");
    let mut wanted = wish("s_1", &Resource::house(), 600, 30);
    wanted.busy.push((at(700), at(730)));
    let held = stored.store.hold(salon.scope(), Some(&call(1)), &[wanted], 3, at(0)).await.expect("answered");
    assert_eq!(held.len(), 1);
    let placed = Placed {
        booking: BookingId::new("b_there"),
        service: "Cut".to_owned(),
        staff: None,
        resources: vec![Resource::house()],
        busy: vec![(at(600), at(660))],
        usual_end: at(660),
    };
    let made = news("u1", NewsKind::Created, 1);
    let heard = stored.store.apply_news(salon.scope(), &made, Some(&placed), &CallbackId::new("c_1"), at(1)).await;
    heard.expect("applied");
    let hold = stored.store.find_hold(salon.scope(), &held[0].id).await.expect("read").expect("known");
    assert_eq!(hold.kept_until, None, "half of it is no time to give away");
    let busy = stored.store.busy(salon.scope(), &[Resource::house()], at(0), at(2000), at(2)).await.expect("read");
    assert_eq!(busy.iter().map(|it| it.from).collect::<Vec<_>>(), [at(600)], "the booking alone");
}

async fn what_is_known_of_old_news_is_let_go_with_the_bookings(base: Base) {
    let stored = Stored::open(base).await;
    booked(&stored.store).await;
    hear(&stored.store, &news("u1", NewsKind::Created, 10), at(10)).await;
    let day = SignedDuration::from_hours(24);
    let retention = Retention { calls: day * 30, appointments: day * 60, callbacks: day * 30, exchanges: day * 30 };
    let before = stored.store.forget_old(&retention, at(10) + day * 59).await.expect("forgotten");
    let echo = CalendarNews { digest: "once more".to_owned(), ..news("u1", NewsKind::Created, 10) };
    assert_eq!(hear(&stored.store, &echo, at(10) + day * 59).await, Applied::Stale, "{before}: it is known as old");
    let after = stored.store.forget_old(&retention, at(10) + day * 61).await.expect("forgotten");
    assert!(after >= 2, "the mark and whose appointment it was: {after}");
    let third = CalendarNews { digest: "a third time".to_owned(), ..echo };
    assert_ne!(hear(&stored.store, &third, at(10) + day * 61).await, Applied::Stale, "nothing of it is known");
}

on_both! {
    the_trace_of_a_move_cancels_nothing,
    a_list_takes_no_sequence_away,
    an_echo_of_our_own_request_in_a_list_is_heard_again,
    a_booking_made_there_takes_a_hold_in_its_way_as_a_whole,
    what_is_known_of_old_news_is_let_go_with_the_bookings,
}
