//! The outbox: leases, order, and that nobody who lost a lease has the last word.

use std::collections::HashMap;

use frontdesk_core::booking::IntentKind;
use frontdesk_core::outbox::{
    Channel, Event, Expansion, Outbox, OutboxFilter, OutboxStanding, Receiver, Revival, Room, RowState, Taken, Unreadable,
};
use frontdesk_core::ports::{Diary as _, Settlement};
use frontdesk_core::slot::Resource;
use frontdesk_store::Store;
use jiff::SignedDuration;

use crate::house::{Base, Stored, at, beginning, intent, on_both, tenant};

const LEASE: SignedDuration = SignedDuration::from_mins(1);

fn room() -> Room {
    Room { most: 32, each: 4, running: HashMap::new() }
}

/// Effects that are due.
async fn effects(store: &Store, minute: i64) -> Vec<Taken> {
    store.effects_due(at(minute), 100).await.expect("read").0
}

/// Ends effects with a delivery to each of `receivers`.
async fn expand(store: &Store, effects: Vec<Taken>, receivers: &[Receiver]) {
    let expanded: Vec<_> = effects.into_iter().map(|it| (it, Expansion::To(receivers.to_vec()))).collect();
    store.expand(&expanded, at(0)).await.expect("expanded");
}

/// Deliveries that are due, among them the ones to software of all that has happened since.
async fn take(store: &Store, minute: i64) -> Vec<Taken> {
    expand(store, effects(store, minute).await, &[Receiver::Webhook]).await;
    Outbox::take_due(store, at(minute), LEASE, &room()).await.expect("taken")
}

/// Appointments that are booked at once, an hour each.
async fn book(stored: &Stored, slug: &str, count: i64) {
    for number in 0..count {
        let wanted = beginning(&format!("{number}"), &Resource::house(), 600 + number * 60, 60, None, true);
        stored.store.begin(tenant(slug).scope(), &wanted, at(0)).await.expect("begun");
    }
}

async fn a_row_is_taken_once_until_its_lease_is_over(base: Base) {
    let stored = Stored::open(base).await;
    book(&stored, "salon", 1).await;
    let first = take(&stored.store, 0).await;
    assert_eq!((first.len(), first[0].event, first[0].attempts), (1, Event::Booked, 1));
    assert!(take(&stored.store, 0).await.is_empty());
    let second = take(&stored.store, 2).await;
    assert_eq!(second[0].attempts, 2);
    // Who lost the lease cannot put it off or give it up for the one who has it.
    stored.store.again(&first[0], at(60), "late").await.expect("answered");
    stored.store.dead(&first[0], "late", at(2)).await.expect("answered");
    assert_eq!(take(&stored.store, 4).await.len(), 1);
    // But what was delivered is delivered.
    stored.store.done(&first[0], at(4)).await.expect("answered");
    assert!(take(&stored.store, 10).await.is_empty());
}

async fn later_rows_wait_for_earlier_ones_of_the_same_receiver_only(base: Base) {
    let stored = Stored::open(base).await;
    book(&stored, "salon", 1).await;
    let booked = beginning("0", &Resource::house(), 600, 60, None, true).appointment.id;
    let cancel = intent("i_c", &booked, IntentKind::Cancel { reason: "x".to_owned() }, true);
    stored.store.begin_change(tenant("salon").scope(), &cancel, None, at(0)).await.expect("begun");
    let both = [Receiver::Webhook, Receiver::Caller];
    let due = effects(&stored.store, 0).await;
    let events: Vec<_> = due.iter().map(|it| (it.event, it.channel)).collect();
    assert_eq!(events, [(Event::Booked, Channel::Event), (Event::Cancelled, Channel::Event)], "in their order");
    expand(&stored.store, due, &both).await;
    let deliveries = take(&stored.store, 0).await;
    assert_eq!(deliveries.iter().map(|it| it.event).collect::<Vec<_>>(), [Event::Booked; 2], "one for each receiver");
    assert!(take(&stored.store, 0).await.is_empty(), "both receivers are still busy with the booking");
    let webhook = deliveries.iter().find(|it| it.channel == Channel::Webhook).expect("a webhook");
    stored.store.done(webhook, at(0)).await.expect("done");
    let next = take(&stored.store, 0).await;
    assert_eq!((next.len(), next[0].event, next[0].channel), (1, Event::Cancelled, Channel::Webhook));
    let mail = deliveries.iter().find(|it| it.channel == Channel::Mail).expect("a mail");
    stored.store.dead(mail, "gone", at(0)).await.expect("dead");
    assert_eq!(take(&stored.store, 0).await.len(), 1, "what was given up blocks nothing");
}

async fn a_backlog_of_one_tenant_hides_no_other(base: Base) {
    let stored = Stored::open(base).await;
    book(&stored, "busy", 12).await;
    book(&stored, "other", 1).await;
    let taken = take(&stored.store, 0).await;
    let of = |slug: &str| taken.iter().filter(|it| it.tenant.as_str() == slug).count();
    assert_eq!((of("busy"), of("other")), (4, 1));
    let full = Room { running: HashMap::from([((tenant("busy").slug, Channel::Webhook), 4)]), ..room() };
    assert!(Outbox::take_due(&stored.store, at(0), LEASE, &full).await.expect("taken").is_empty());
}

async fn a_place_that_is_freed_goes_to_who_has_none(base: Base) {
    let stored = Stored::open(base).await;
    book(&stored, "slow", 12).await;
    expand(&stored.store, effects(&stored.store, 0).await, &[Receiver::Webhook]).await;
    book(&stored, "other", 2).await;
    expand(&stored.store, effects(&stored.store, 0).await, &[Receiver::Webhook]).await;
    stored.alter("UPDATE outbox SET not_before = not_before + 1000 WHERE tenant = 'other' AND channel = 'webhook'");
    let slow = HashMap::from([((tenant("slow").slug, Channel::Webhook), 3)]);
    let two_places = Room { most: 2, each: 4, running: slow };
    let taken = Outbox::take_due(&stored.store, at(1), LEASE, &two_places).await.expect("taken");
    assert_eq!(
        taken.iter().map(|it| it.tenant.as_str()).collect::<Vec<_>>(),
        ["other", "other"],
        "though the slow one's are older"
    );
}

async fn an_effect_that_was_overtaken_is_not_expanded(base: Base) {
    let stored = Stored::open(base).await;
    book(&stored, "salon", 1).await;
    let due = effects(&stored.store, 0).await;
    stored.store.expand(&[(due[0].clone(), Expansion::Superseded("settled"))], at(0)).await.expect("answered");
    expand(&stored.store, due, &[Receiver::Webhook]).await;
    let rows = stored.store.outbox(&OutboxFilter::default()).await.expect("read");
    assert_eq!((rows.len(), rows[0].state, rows[0].last_error.as_deref()), (1, RowState::Superseded, Some("settled")));
}

async fn an_effect_becomes_its_deliveries_once_whoever_expands_it(base: Base) {
    let stored = Stored::open(base).await;
    book(&stored, "salon", 3).await;
    let due = effects(&stored.store, 0).await;
    assert_eq!(due.len(), 3);
    let (one, other) = tokio::join!(
        expand(&stored.store, due.clone(), &[Receiver::Webhook, Receiver::Caller]),
        expand(&stored.store, due, &[Receiver::Webhook, Receiver::Caller])
    );
    assert_eq!((one, other), ((), ()));
    let rows = stored.store.outbox(&OutboxFilter::default()).await.expect("read");
    let of = |state| rows.iter().filter(|it| it.state == state).count();
    assert_eq!((of(RowState::Done), of(RowState::Waiting)), (3, 6), "{rows:?}");
    assert!(effects(&stored.store, 100).await.is_empty());
}

async fn dead_rows_are_counted_revived_by_name_and_kept_while_done_ones_are_forgotten(base: Base) {
    let stored = Stored::open(base).await;
    book(&stored, "salon", 2).await;
    let taken = take(&stored.store, 0).await;
    assert_eq!(stored.store.forget_outbox(at(1)).await.expect("forgotten"), 2, "the effects are over");
    stored.store.dead(&taken[0], "answered 500", at(1)).await.expect("dead");
    stored.store.done(&taken[1], at(1)).await.expect("done");
    let standing = stored.store.outbox_standing(at(1)).await.expect("read");
    assert_eq!(standing, OutboxStanding { waiting: 0, dead: 1, oldest: None });
    assert_eq!(stored.store.forget_outbox(at(2)).await.expect("forgotten"), 1);
    let other = Revival::AllDead(Some(tenant("other").slug));
    assert_eq!(stored.store.revive(&other, "anna", at(3)).await.expect("revived"), 0);
    assert_eq!(stored.store.revive(&Revival::One(taken[0].id), "anna", at(3)).await.expect("revived"), 1);
    let audit = stored.store.audit(10).await.expect("read");
    assert_eq!((audit.len(), &*audit[0].who, audit[0].tenant.as_deref()), (1, "anna", Some("salon")));
    let again = take(&stored.store, 3).await;
    assert_eq!((again[0].id, again[0].attempts), (taken[0].id, 1));
    let standing = stored.store.outbox_standing(at(3)).await.expect("read");
    assert_eq!(standing, OutboxStanding { waiting: 1, dead: 0, oldest: Some(at(0)) });
}

async fn a_dead_row_is_laid_to_rest_once_with_a_reason_in_the_audit(base: Base) {
    let stored = Stored::open(base).await;
    book(&stored, "salon", 1).await;
    let row = take(&stored.store, 0).await.remove(0);
    assert!(!stored.store.dismiss_delivery(row.id, "anna", "early", at(1)).await.expect("answered"), "it is not dead");
    stored.store.dead(&row, "answered 500", at(1)).await.expect("dead");
    assert!(stored.store.dismiss_delivery(row.id, "anna", "told by phone", at(2)).await.expect("answered"));
    assert!(!stored.store.dismiss_delivery(row.id, "anna", "again", at(2)).await.expect("answered"));
    assert_eq!(stored.store.outbox_standing(at(2)).await.expect("read").dead, 0);
    assert!(take(&stored.store, 60).await.is_empty());
    let audit = stored.store.audit(10).await.expect("read");
    assert_eq!((audit.len(), &*audit[0].who, audit[0].why.as_deref()), (1, "anna", Some("told by phone")));
    assert_eq!(stored.store.forget_outbox(at(3)).await.expect("forgotten"), 2, "the effect and its delivery");
}

async fn a_booking_is_told_when_the_calendar_has_confirmed_it(base: Base) {
    let stored = Stored::open(base).await;
    let salon = tenant("salon");
    let wanted = beginning("1", &Resource::house(), 600, 60, None, false);
    stored.store.begin(salon.scope(), &wanted, at(0)).await.expect("begun");
    assert!(effects(&stored.store, 0).await.is_empty(), "nothing has happened yet");
    let settled = Settlement::Done { uid: Some("u1".to_owned()), staff: None, ical: None };
    stored.store.settle(salon.scope(), &wanted.intent, &settled, at(1)).await.expect("settled");
    assert_eq!(effects(&stored.store, 1).await.len(), 1);
    // Somebody else found out as well, and the desk settles what it has settled before.
    stored.store.settle(salon.scope(), &wanted.intent, &settled, at(2)).await.expect("settled");
    let rows = stored.store.outbox(&OutboxFilter::default()).await.expect("read");
    assert_eq!(rows.len(), 1, "{rows:?}");

    let kind = IntentKind::Move {
        start: at(900),
        end: at(960),
        busy: vec![(at(900), at(960))],
        resource: Resource::house(),
        staff: None,
        reason: "x".to_owned(),
    };
    let moving = intent("i_m", &wanted.appointment.id, kind, false);
    stored.store.begin_change(salon.scope(), &moving, None, at(3)).await.expect("begun");
    for minute in [4, 5] {
        stored.store.settle(salon.scope(), &moving, &settled, at(minute)).await.expect("settled");
    }
    let busy = stored
        .store
        .busy(salon.scope(), std::slice::from_ref(&wanted.appointment.resource), at(0), at(2000), at(6))
        .await
        .expect("read");
    assert_eq!(busy.iter().map(|it| it.from).collect::<Vec<_>>(), [at(900)], "the new time stays blocked");
    let rows = stored.store.outbox(&OutboxFilter::default()).await.expect("read");
    assert_eq!((rows.len(), rows[0].row.facts.old_start), (2, Some(at(600))));
}

async fn a_row_that_cannot_be_read_is_set_aside_and_holds_up_nobody(base: Base) {
    let stored = Stored::open(base).await;
    book(&stored, "salon", 4).await;
    let due = effects(&stored.store, 0).await;
    stored.alter(&format!("UPDATE outbox SET kind = 'appointment.waved' WHERE id = {}", due[0].id));
    let (readable, unreadable) = stored.store.effects_due(at(0), 100).await.expect("read");
    assert_eq!((readable.len(), unreadable.clone()), (3, vec![Unreadable { id: due[0].id, column: "kind" }]));
    stored.store.set_aside(&unreadable, at(0)).await.expect("set aside");
    stored.store.set_aside(&unreadable, at(0)).await.expect("by another gateway as well, too late");
    assert_eq!(stored.store.effects_due(at(0), 100).await.expect("read").1, [], "for a while");
    expand(&stored.store, readable, &[Receiver::Webhook]).await;
    let waiting = OutboxFilter { state: Some(RowState::Waiting), ..OutboxFilter::default() };
    let rows = stored.store.outbox(&waiting).await.expect("read");
    let deliveries: Vec<i64> = rows.iter().filter(|it| it.unreadable.is_none()).map(|it| it.row.id).collect();
    assert_eq!(deliveries.len(), 3);
    stored.alter(&format!(
        "UPDATE outbox SET channel = 'pigeon' WHERE id = {}; UPDATE outbox SET body = 'x' WHERE id = {}",
        deliveries[2], deliveries[1]
    ));
    let one_place = Room { most: 1, ..room() };
    let taken = Outbox::take_due(&stored.store, at(0), LEASE, &one_place).await.expect("taken");
    assert_eq!(taken.iter().map(|it| it.id).collect::<Vec<_>>(), [deliveries[0]], "what cannot be read takes no place");
    let rows = stored.store.outbox(&waiting).await.expect("read");
    let shown = |id: i64| rows.iter().find(|it| it.row.id == id).expect("shown");
    for (id, column) in [(due[0].id, "kind"), (deliveries[2], "channel"), (deliveries[1], "body")] {
        let row = shown(id);
        assert_eq!((row.unreadable, row.row.tenant.as_str()), (Some(column), "salon"), "{row:?}");
        assert_eq!(row.last_error.as_deref(), Some(format!("unreadable: {column}").as_str()));
        assert_eq!(row.not_before, at(0) + SignedDuration::from_secs(5));
    }
    // A release that can read it has come.
    stored.alter(&format!("UPDATE outbox SET channel = 'webhook' WHERE id = {}", deliveries[2]));
    assert_eq!(Outbox::take_due(&stored.store, at(1), LEASE, &room()).await.expect("taken").len(), 2);
    // None came for the other, for hours.
    for hour in 1..=14 {
        let unreadable = stored.store.effects_due(at(hour * 61), 100).await.expect("read").1;
        stored.store.set_aside(&unreadable, at(hour * 61)).await.expect("set aside");
    }
    let dead = OutboxFilter { state: Some(RowState::Dead), ..OutboxFilter::default() };
    let rows = stored.store.outbox(&dead).await.expect("read");
    assert_eq!(rows.iter().map(|it| it.row.id).collect::<Vec<_>>(), [due[0].id], "given up after as many attempts as any");
}

async fn a_row_whose_attempts_cannot_be_read_is_given_up_at_once(base: Base) {
    let stored = Stored::open(base).await;
    book(&stored, "salon", 2).await;
    expand(&stored.store, effects(&stored.store, 0).await, &[Receiver::Webhook]).await;
    let rows = stored.store.outbox(&OutboxFilter::default()).await.expect("read");
    stored.alter(&format!("UPDATE outbox SET attempts = -5 WHERE id = {}", rows[0].row.id));
    let taken = Outbox::take_due(&stored.store, at(0), LEASE, &room()).await.expect("taken");
    assert_eq!(taken.iter().map(|it| it.id).collect::<Vec<_>>(), [rows[1].row.id]);
    assert_eq!(stored.store.outbox_standing(at(0)).await.expect("read").dead, 1);
}

on_both! {
    a_row_that_cannot_be_read_is_set_aside_and_holds_up_nobody,
    a_row_whose_attempts_cannot_be_read_is_given_up_at_once,
    a_row_is_taken_once_until_its_lease_is_over,
    later_rows_wait_for_earlier_ones_of_the_same_receiver_only,
    a_backlog_of_one_tenant_hides_no_other,
    a_place_that_is_freed_goes_to_who_has_none,
    an_effect_that_was_overtaken_is_not_expanded,
    an_effect_becomes_its_deliveries_once_whoever_expands_it,
    dead_rows_are_counted_revived_by_name_and_kept_while_done_ones_are_forgotten,
    a_booking_is_told_when_the_calendar_has_confirmed_it,
    a_dead_row_is_laid_to_rest_once_with_a_reason_in_the_audit,
}
