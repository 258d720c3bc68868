//! Two workers on one thing: who comes late changes nothing for the one who has it now.

use std::collections::HashMap;

use frontdesk_core::booking::{Intent, IntentState};
use frontdesk_core::calendar_news::{Applied, CalendarNews, NewsKind};
use frontdesk_core::ids::{CallbackId, IntentId, TenantId};
use frontdesk_core::outbox::{Expansion, Outbox, OutboxFilter, Receiver, Revival, Room, RowState, Taken};
use frontdesk_core::ports::{Diary, Settlement};
use frontdesk_core::slot::Resource;
use frontdesk_core::tenant::Tenant;
use frontdesk_store::Store;
use jiff::{SignedDuration, Timestamp};

use crate::house::{Base, Stored, at, beginning, on_both, tenant};

const LEASE: SignedDuration = SignedDuration::from_secs(30);

async fn due(store: &Store, now: Timestamp) -> Vec<(TenantId, IntentId)> {
    Diary::take_due(store, now, LEASE, 20).await.expect("taken")
}

async fn begun(store: &Store, salon: &Tenant, id: &str, from: i64) -> IntentId {
    let wanted = beginning(id, &Resource::house(), from, 60, None, false);
    store.begin(salon.scope(), &wanted, at(0)).await.expect("begun");
    wanted.intent.id
}

async fn read(store: &Store, salon: &Tenant, id: &IntentId) -> Intent {
    store.intent(salon.scope(), id).await.expect("read").expect("there")
}

fn why() -> String {
    "because".to_owned()
}

async fn a_late_worker_settles_no_intent_that_another_has(base: Base) {
    let stored = Stored::open(base).await;
    let (store, salon) = (&stored.store, tenant("salon"));
    let id = begun(store, &salon, "1", 600).await;
    assert_eq!(due(store, at(1)).await.len(), 1);
    let late = read(store, &salon, &id).await;
    assert_eq!(due(store, at(2)).await.len(), 1, "its lease is over");
    let current = read(store, &salon, &id).await;
    let verdicts = [
        Settlement::Again { not_before: at(2), why: why() },
        Settlement::Watch { until: at(20), why: why() },
        Settlement::Refused { why: why() },
        Settlement::Undo { until: at(20), why: why() },
        Settlement::HandOver { why: why() },
        Settlement::CompensationFailed { why: why() },
    ];
    for verdict in &verdicts {
        assert!(!store.settle(salon.scope(), &late, verdict, at(2)).await.expect("answered"), "{verdict:?}");
        let now = read(store, &salon, &id).await;
        assert_eq!((now.state, now.lease_until, now.attempts), (current.state, current.lease_until, current.attempts));
        assert!(due(store, at(2)).await.is_empty(), "the lease of the other is as long as it was: {verdict:?}");
    }
    let again = Settlement::Again { not_before: at(2), why: why() };
    assert!(store.settle(salon.scope(), &current, &again, at(2)).await.expect("settled"), "whose it is may");
    assert_eq!(due(store, at(2)).await.len(), 1);
}

async fn that_the_calendar_did_it_is_a_fact_whoever_says_so(base: Base) {
    let stored = Stored::open(base).await;
    let (store, salon) = (&stored.store, tenant("salon"));
    let id = begun(store, &salon, "1", 600).await;
    due(store, at(1)).await;
    let late = read(store, &salon, &id).await;
    due(store, at(2)).await;
    let current = read(store, &salon, &id).await;
    let done = Settlement::Done { uid: Some("u1".to_owned()), staff: None, ical: None };
    assert!(store.settle(salon.scope(), &late, &done, at(2)).await.expect("settled"));
    let refused = Settlement::Refused { why: "taken, by that very booking".to_owned() };
    assert!(!store.settle(salon.scope(), &current, &refused, at(2)).await.expect("answered"));
    assert_eq!(read(store, &salon, &id).await.state, IntentState::Done);
}

async fn news_of_a_watched_refusal_takes_nobodys_lease_and_the_watch_goes_on(base: Base) {
    let stored = Stored::open(base).await;
    let (store, salon) = (&stored.store, tenant("salon"));
    let id = begun(store, &salon, "1", 600).await;
    due(store, at(1)).await;
    let asking = read(store, &salon, &id).await;
    store.settle(salon.scope(), &asking, &Settlement::Watch { until: at(11), why: why() }, at(1)).await.expect("settled");
    assert_eq!(due(store, at(12)).await.len(), 1, "somebody looks for the last time");
    let looking = read(store, &salon, &id).await;
    let news = CalendarNews {
        digest: "d".to_owned(),
        kind: NewsKind::Created,
        uid: "u1".to_owned(),
        former_uid: None,
        ical_uid: Some("u1@Cal.com".to_owned()),
        sequence: Some(0),
        told_at: at(1),
        event_type: None,
        start: Some(at(600)),
        end: Some(at(660)),
        is_endless: false,
        host: None,
        intent: Some(id.clone()),
        attendee: None,
        listed_at: None,
    };
    let item = CallbackId::new("c_1");
    assert_eq!(store.apply_news(salon.scope(), &news, None, &item, at(12)).await.expect("applied"), Applied::Nothing);
    assert!(due(store, at(12)).await.is_empty(), "who looks keeps the lease");
    // And found nothing: it had looked a moment too early.
    store.settle(salon.scope(), &looking, &Settlement::Refused { why: why() }, at(12)).await.expect("settled");
    assert_eq!(read(store, &salon, &id).await.state, IntentState::Watched, "it is there after all");
    assert_eq!(due(store, at(12)).await.len(), 1, "and is looked for at once");
    let looking = read(store, &salon, &id).await;
    store.settle(salon.scope(), &looking, &Settlement::Refused { why: why() }, at(12)).await.expect("settled");
    assert_eq!(read(store, &salon, &id).await.state, IntentState::Refused);
    // Nobody watches any more: news begins the watch anew, at once.
    let again = CalendarNews { digest: "e".to_owned(), told_at: at(13), ..news };
    store.apply_news(salon.scope(), &again, None, &item, at(13)).await.expect("applied");
    assert_eq!(due(store, at(13)).await.len(), 1);
}

async fn a_backlog_of_open_intents_keeps_no_other_tenant_waiting(base: Base) {
    let stored = Stored::open(base).await;
    let store = &stored.store;
    let (busy, other, third) = (tenant("busy"), tenant("other"), tenant("third"));
    for number in 0..60 {
        begun(store, &busy, &format!("{number}"), 600 + 60 * number).await;
    }
    for (number, salon) in [(100, &other), (101, &other), (102, &third)] {
        let mut wanted = beginning(&format!("{number}"), &Resource::house(), 600 + 60 * number, 60, None, false);
        wanted.intent.lease_until = at(5);
        store.begin(salon.scope(), &wanted, at(5)).await.expect("begun");
    }
    let round = Diary::take_due(store, at(6), LEASE, 6).await.expect("taken");
    let of = |salon: &Tenant| round.iter().filter(|(slug, _)| *slug == salon.slug).count();
    assert_eq!((of(&busy), of(&other), of(&third)), (3, 2, 1), "the younger ones of the others as well");
    let next = Diary::take_due(store, at(6), LEASE, 6).await.expect("taken");
    assert_eq!(next.len(), 6, "who is alone uses the whole round");
}

async fn a_late_worker_ends_no_delivery_that_another_has(base: Base) {
    let stored = Stored::open(base).await;
    let (store, salon) = (&stored.store, tenant("salon"));
    let wanted = beginning("1", &Resource::house(), 600, 60, None, true);
    store.begin(salon.scope(), &wanted, at(0)).await.expect("begun");
    let take = async |minute: i64| -> Vec<Taken> {
        let room = Room { most: 32, each: 4, running: HashMap::new() };
        Outbox::take_due(store, at(minute), LEASE, &room).await.expect("taken")
    };
    let state = async || store.outbox(&OutboxFilter::default()).await.expect("read");
    let effects = store.effects_due(at(0), 10).await.expect("read").0;
    let expanded: Vec<_> = effects.into_iter().map(|it| (it, Expansion::To(vec![Receiver::Webhook]))).collect();
    store.expand(&expanded, at(0)).await.expect("expanded");
    let late = take(0).await.remove(0);
    let current = take(1).await.remove(0);
    store.again(&late, at(1), "late").await.expect("answered");
    assert!(take(1).await.is_empty(), "the lease of the other is as long as it was");
    store.dead(&late, "late", at(1)).await.expect("answered");
    store.superseded(&late, "late", at(1)).await.expect("answered");
    assert_eq!(state().await.iter().map(|it| it.state).collect::<Vec<_>>(), [RowState::Waiting, RowState::Done]);
    // Given up and revived: its count begins anew, and is no proof that it is the same taking.
    store.dead(&current, "gone", at(1)).await.expect("dead");
    store.revive(&Revival::One(current.id), "anna", at(2)).await.expect("revived");
    let revived = take(2).await.remove(0);
    assert_eq!(revived.attempts, late.attempts);
    store.again(&late, at(2), "late").await.expect("answered");
    store.dead(&late, "late", at(2)).await.expect("answered");
    assert!(take(2).await.is_empty());
    store.again(&revived, at(9), "answered 500").await.expect("answered");
    assert!(take(8).await.is_empty());
    assert_eq!(take(9).await.len(), 1, "who has it says when it comes again");
}

on_both!(
    a_late_worker_settles_no_intent_that_another_has,
    that_the_calendar_did_it_is_a_fact_whoever_says_so,
    news_of_a_watched_refusal_takes_nobodys_lease_and_the_watch_goes_on,
    a_backlog_of_open_intents_keeps_no_other_tenant_waiting,
    a_late_worker_ends_no_delivery_that_another_has,
);
