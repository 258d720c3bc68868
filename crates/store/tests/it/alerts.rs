//! Alerts: one gateway looks, each of them is told once, and what is asked of the store is what happened.

use std::collections::HashMap;

use frontdesk_core::alert::{Alert, Counts, Rule, Silence};
use frontdesk_core::call::{CallContext, Caller};
use frontdesk_core::ids::CallId;
use frontdesk_core::outbox::{Channel, Event, Outbox, Room};
use frontdesk_core::ports::{Calls as _, Diary as _, VoiceEvent};
use frontdesk_core::slot::Resource;
use frontdesk_core::tenant::Tenant;
use frontdesk_store::{AlertChange, AlertDelivery, Store};
use jiff::SignedDuration;

use crate::house::{Base, Stored, at, beginning, on_both, phone, tenant};

const LEASE: SignedDuration = SignedDuration::from_secs(30);

fn alert(fired: i64) -> Alert {
    Alert {
        rule: Rule::BreakerOpen,
        subject: "api.cal.example".to_owned(),
        evidence: "the breaker is open".to_owned(),
        fired_at: at(fired),
        last_seen: at(fired),
        calm_since: None,
        resolved_at: None,
        told: true,
    }
}

fn change(alert: Alert) -> AlertChange {
    let key = format!("k{}{}", alert.fired_at, alert.is_firing());
    AlertChange { alert, deliveries: vec![AlertDelivery { channel: Channel::Webhook, target: "alerts".to_owned(), key }] }
}

async fn deliveries(store: &Store) -> Vec<Event> {
    let room = Room { most: 32, each: 4, running: HashMap::new() };
    let taken = Outbox::take_due(store, at(1000), LEASE, &room).await.expect("taken");
    for row in &taken {
        assert_eq!((row.tenant.as_str(), row.facts.alert.as_ref().map(|it| it.rule)), ("", Some(Rule::BreakerOpen)));
        store.done(row, at(1000)).await.expect("done");
    }
    taken.iter().map(|row| row.event).collect()
}

async fn an_alert_is_written_once_with_its_deliveries_by_whose_turn_it_is(base: Base) {
    let stored = Stored::open(base).await;
    let store = &stored.store;
    assert!(store.take_alert_turn("one", at(0), LEASE).await.expect("asked"));
    assert!(!store.take_alert_turn("other", at(0), LEASE).await.expect("asked"));
    assert!(store.take_alert_turn("one", at(0), LEASE).await.expect("kept"));
    let fired = [change(alert(0))];
    assert!(store.change_alerts("other", &fired, at(0)).await.expect("asked").is_empty(), "it is not its turn");
    assert_eq!(store.change_alerts("one", &fired, at(0)).await.expect("written").len(), 1);
    // The turn is over, and the next one saw it fire a little later.
    assert!(store.take_alert_turn("other", at(1), LEASE).await.expect("asked"));
    assert!(store.change_alerts("one", &fired, at(1)).await.expect("asked").is_empty());
    assert!(store.change_alerts("other", &[change(alert(1))], at(1)).await.expect("asked").is_empty(), "it fires already");
    let over = Alert { resolved_at: Some(at(2)), ..alert(0) };
    assert!(store.take_alert_turn("other", at(2), LEASE).await.expect("kept"));
    assert_eq!(store.change_alerts("other", &[change(over.clone())], at(2)).await.expect("written").len(), 1);
    assert!(store.change_alerts("other", &[change(over)], at(2)).await.expect("asked").is_empty(), "it is over already");
    assert_eq!(deliveries(store).await, [Event::AlertFired], "in order: the end waits for the beginning");
    assert_eq!(deliveries(store).await, [Event::AlertResolved]);
    let kept = store.alerts().await.expect("read");
    assert_eq!((kept.len(), kept[0].fired_at, kept[0].resolved_at), (1, at(0), Some(at(2))));
    assert_eq!(store.change_alerts("other", &[change(alert(3))], at(2)).await.expect("written").len(), 1, "it fires anew");
    store.forget_alerts(at(1000), at(1000), at(1000)).await.expect("forgotten");
    assert_eq!(store.alerts().await.expect("read").len(), 1, "what fires is not forgotten");
}

async fn what_gateways_counted_adds_up_by_slot(base: Base) {
    let stored = Stored::open(base).await;
    let store = &stored.store;
    let lines = |lines| Counts { lines, ..Counts::default() };
    store.observe("one", at(0), &lines(1)).await.expect("filed");
    store.observe("one", at(0), &lines(3)).await.expect("filed again");
    store.observe("two", at(0), &lines(4)).await.expect("filed");
    store.observe("two", at(1), &lines(5)).await.expect("filed");
    assert_eq!(store.observations(at(0)).await.expect("read"), [(at(0), lines(7)), (at(1), lines(5))]);
    store.forget_alerts(at(1), at(0), at(0)).await.expect("forgotten");
    assert_eq!(store.observations(at(0)).await.expect("read"), [(at(1), lines(5))]);
}

async fn a_silence_holds_until_it_ends_and_is_in_the_audit(base: Base) {
    let stored = Stored::open(base).await;
    let store = &stored.store;
    let silence = |subject: Option<&str>, until| Silence {
        rule: Rule::Errors,
        subject: subject.map(str::to_owned),
        until: at(until),
        who: "cli:anna".to_owned(),
    };
    store.silence(&silence(None, 10), at(0)).await.expect("written");
    store.silence(&silence(Some("a"), 5), at(0)).await.expect("written");
    assert_eq!(store.silences(at(1)).await.expect("read"), [silence(None, 10), silence(Some("a"), 5)]);
    assert_eq!(store.silences(at(6)).await.expect("read"), [silence(None, 10)]);
    store.silence(&silence(None, 7), at(7)).await.expect("ended");
    assert!(store.silences(at(7)).await.expect("read").is_empty());
    let audit = store.audit(10).await.expect("read");
    assert_eq!(audit.len(), 3);
    assert_eq!((audit[0].what.as_str(), audit[0].now.as_deref()), ("alerts silence errors", Some("ended")));
}

fn told(call: &str, name: &str, minute: i64) -> VoiceEvent {
    VoiceEvent {
        name: name.to_owned(),
        call: CallId::new(call),
        started_at: None,
        ended_at: (name == "call_ended").then(|| at(minute)),
        disconnection_reason: None,
        figures: Default::default(),
        kept: "{}".to_owned(),
        digest: format!("{call}{name}"),
    }
}

async fn rings(store: &Store, salon: &Tenant, call: &str, minute: i64, events: &[(&str, i64)]) {
    let context = CallContext {
        id: Some(CallId::new(call)),
        caller: Caller::Known(phone()),
        agent_id: Some("agent".to_owned()),
        ..CallContext::none()
    };
    store.open(salon.scope(), &context, at(minute)).await.expect("opened");
    for (name, minute) in events {
        assert!(store.apply(salon.scope(), &context, &told(call, name, *minute), at(*minute)).await.expect("applied"));
    }
}

async fn calls_are_seen_with_what_was_told_of_them(base: Base) {
    let stored = Stored::open(base).await;
    let (store, salon) = (&stored.store, tenant("salon"));
    rings(store, &salon, "a", 0, &[("call_started", 1), ("call_ended", 4)]).await;
    rings(store, &salon, "b", 61, &[("call_started", 62)]).await;
    rings(store, &salon, "c", 65, &[]).await;
    let seen = store.calls_seen(salon.scope(), at(0)).await.expect("read");
    let brief: Vec<_> = seen.iter().map(|it| (it.started_at, it.told_at, it.is_over)).collect();
    assert_eq!(brief, [(at(0), Some(at(4)), true), (at(61), Some(at(62)), false), (at(65), None, false)]);
    let usual = store.agents_usual(salon.scope(), at(0)).await.expect("read").remove("agent").expect("known");
    assert_eq!((usual.with_events, usual.ended, usual.last_heard), (2, 1, Some(at(65))));
    assert_eq!(usual.by_hour, [(at(0).as_second(), 1), (at(60).as_second(), 2)]);
    assert_eq!(store.calls_and_bookings(salon.scope(), at(0)).await.expect("read"), (2, 0), "later than the beginning");
    assert_eq!(store.calls_since_booking(salon.scope(), at(61)).await.expect("read"), 1);
    assert!(store.calls_seen(tenant("practice").scope(), at(0)).await.expect("read").is_empty());
}

async fn what_is_not_settled_is_told_by_tenant(base: Base) {
    let stored = Stored::open(base).await;
    let (store, salon) = (&stored.store, tenant("salon"));
    assert!(store.unsettled().await.expect("read").is_empty());
    store.begin(salon.scope(), &beginning("1", &Resource::house(), 600, 60, None, false), at(0)).await.expect("begun");
    store.begin(salon.scope(), &beginning("2", &Resource::house(), 700, 60, None, true), at(0)).await.expect("begun");
    let found = store.unsettled().await.expect("read");
    assert_eq!(found.len(), 1);
    assert_eq!((found[0].tenant.as_str(), found[0].open, found[0].torn), ("salon", Some((1, at(0))), 0));
}

on_both!(
    an_alert_is_written_once_with_its_deliveries_by_whose_turn_it_is,
    what_gateways_counted_adds_up_by_slot,
    a_silence_holds_until_it_ends_and_is_in_the_audit,
    calls_are_seen_with_what_was_told_of_them,
    what_is_not_settled_is_told_by_tenant,
);
