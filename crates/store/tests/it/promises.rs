//! Durability, scope and secrecy.

use frontdesk_core::booking::{AppointmentState, Callback, CallbackCause, CallbackState, IntentKind, Priority};
use frontdesk_core::call::{CallContext, CallState, Caller};
use frontdesk_core::ids::{CallId, CallbackId, SlotId};
use frontdesk_core::ports::{Begun, CallbackFilter, Callbacks as _, Calls as _, Diary as _, Settlement, VoiceEvent};
use frontdesk_core::sensitive::{Secret, Sensitive};
use frontdesk_core::slot::Resource;
use frontdesk_core::tenant::{Tenant, TenantSecrets};
use jiff::SignedDuration;

use crate::house::{Base, Stored, at, beginning, call, intent, on_both, phone, tenant, wish};

async fn what_was_begun_is_there_after_a_restart_and_is_taken_up_once(base: Base) {
    let stored = Stored::open(base).await;
    let salon = tenant("salon");
    let wanted = beginning("1", &Resource::house(), 600, 60, None, false);
    let begun = stored.store.begin(salon.scope(), &wanted, at(0)).await.expect("answered");
    assert_eq!(begun, Begun::Yes);
    let stored = stored.reopened().await;
    let found = stored.store.appointment(salon.scope(), &wanted.appointment.id).await.expect("read").expect("there");
    assert_eq!(found.state, AppointmentState::Pending);
    let lease = SignedDuration::from_secs(30);
    let due = stored.store.take_due(at(1), lease, 10).await.expect("taken");
    assert_eq!(due, [(salon.slug.clone(), wanted.intent.id.clone())]);
    assert!(stored.store.take_due(at(1), lease, 10).await.expect("taken").is_empty(), "somebody works on it");
    assert_eq!(stored.store.take_due(at(2), lease, 10).await.expect("taken").len(), 1, "its worker is gone");
    stored
        .store
        .settle(salon.scope(), &wanted.intent, &Settlement::Done { uid: Some("u1".into()), staff: None, ical: None }, at(2))
        .await
        .expect("settled");
    assert!(stored.store.take_due(at(20), lease, 10).await.expect("taken").is_empty());
}

async fn two_tenants_share_nothing_but_the_file(base: Base) {
    let stored = Stored::open(base).await;
    let (one, other) = (tenant("one"), tenant("other"));
    let resource = Resource::staff("Emma");
    let held = stored.store.hold(one.scope(), Some(&call(1)), &[wish("s_1", &resource, 600, 60)], 3, at(0)).await.expect("held");
    assert_eq!(held.len(), 1);
    assert!(stored.store.find_hold(other.scope(), &SlotId::new("s_1")).await.expect("read").is_none());
    assert!(
        stored.store.busy(other.scope(), std::slice::from_ref(&resource), at(0), at(2000), at(0)).await.expect("read").is_empty()
    );
    let same =
        stored.store.hold(other.scope(), Some(&call(1)), &[wish("s_2", &resource, 600, 60)], 3, at(0)).await.expect("held");
    assert_eq!(same.len(), 1, "the same person's name in another business is another person");
    let wanted = beginning("1", &resource, 600, 60, Some(SlotId::new("s_1")), true);
    assert_eq!(stored.store.begin(one.scope(), &wanted, at(0)).await.expect("answered"), Begun::Yes);
    assert!(stored.store.appointment(other.scope(), &wanted.appointment.id).await.expect("read").is_none());
    assert!(stored.store.intent(other.scope(), &wanted.intent.id).await.expect("read").is_none());
}

async fn a_hold_of_another_call_keeps_the_time_until_it_ends(base: Base) {
    let stored = Stored::open(base).await;
    let salon = tenant("salon");
    let hold = async |who: u8, id: &str, minute: i64| {
        let wishes = [wish(id, &Resource::house(), 600, 60)];
        stored.store.hold(salon.scope(), Some(&call(who)), &wishes, 3, at(minute)).await.expect("answered").len()
    };
    assert_eq!(hold(1, "s_1", 0).await, 1);
    assert_eq!(hold(2, "s_2", 4).await, 0);
    assert_eq!(hold(2, "s_3", 6).await, 1, "five minutes are over");
    let renewed = stored.store.renew_hold(salon.scope(), &SlotId::new("s_1"), at(6)).await.expect("answered");
    assert!(!renewed, "what somebody else holds by now is lost");
}

async fn a_hold_tells_until_when_it_is_kept(base: Base) {
    let stored = Stored::open(base).await;
    let salon = tenant("salon");
    let wishes = [wish("s_1", &Resource::house(), 600, 60)];
    let held = stored.store.hold(salon.scope(), Some(&call(1)), &wishes, 3, at(0)).await.expect("answered");
    assert_eq!(held.len(), 1);
    let id = SlotId::new("s_1");
    let renew = async |now: i64| stored.store.renew_hold(salon.scope(), &id, at(now)).await.expect("answered");
    let kept = async || stored.store.find_hold(salon.scope(), &id).await.expect("read").expect("known").kept_until;
    assert_eq!((held[0].kept_until, kept().await), (Some(at(5)), Some(at(5))));
    assert!(renew(2).await);
    assert_eq!(kept().await, Some(at(7)));
    stored.store.release(salon.scope(), Some(&call(1)), None).await.expect("let go");
    assert_eq!(kept().await, None, "it is known, and keeps nothing");
    let another = [wish("s_2", &Resource::house(), 600, 60)];
    assert_eq!(stored.store.hold(salon.scope(), Some(&call(2)), &another, 3, at(3)).await.expect("answered").len(), 1);
    assert!(!renew(3).await, "it was let go, and somebody else has the time");
}

async fn what_was_given_up_is_not_moved(base: Base) {
    let stored = Stored::open(base).await;
    let salon = tenant("salon");
    let wanted = beginning("1", &Resource::house(), 600, 60, None, true);
    stored.store.begin(salon.scope(), &wanted, at(0)).await.expect("begun");
    let cancel = intent("i_c", &wanted.appointment.id, IntentKind::Cancel { reason: "x".to_owned() }, true);
    assert_eq!(stored.store.begin_change(salon.scope(), &cancel, None, at(1)).await.expect("answered"), Begun::Yes);
    let (start, end) = (at(900), at(960));
    let kind = IntentKind::Move {
        start,
        end,
        busy: vec![(start, end)],
        resource: Resource::house(),
        staff: None,
        reason: "x".to_owned(),
    };
    let moving = intent("i_m", &wanted.appointment.id, kind, true);
    assert_eq!(stored.store.begin_change(salon.scope(), &moving, None, at(2)).await.expect("answered"), Begun::Blocked);
    let busy = stored.store.busy(salon.scope(), &[Resource::house()], at(0), at(2000), at(3)).await.expect("read");
    assert_eq!(busy, [], "nothing is blocked for it");
}

async fn a_call_is_one_in_any_order_of_its_events(base: Base) {
    let names = ["call_started", "call_ended", "call_analyzed"];
    for order in [[0, 1, 2], [2, 1, 0], [1, 2, 0], [2, 0, 1]] {
        let stored = Stored::open(base).await;
        let salon = tenant("salon");
        let context = CallContext { id: Some(call(1)), caller: Caller::Known(phone()), ..CallContext::none() };
        for index in order {
            let event = VoiceEvent {
                name: names[index].to_owned(),
                call: call(1),
                started_at: Some(at(1)),
                ended_at: (index > 0).then(|| at(5)),
                disconnection_reason: None,
                figures: Default::default(),
                kept: "{}".to_owned(),
                digest: index.to_string(),
            };
            assert!(stored.store.apply(salon.scope(), &context, &event, at(6)).await.expect("applied"), "{order:?}");
            assert!(
                !stored.store.apply(salon.scope(), &context, &event, at(7)).await.expect("applied"),
                "a replay changes nothing"
            );
        }
        let calls = stored.store.list(salon.scope(), 10).await.expect("read");
        assert_eq!(calls.len(), 1);
        assert_eq!(
            (calls[0].state, calls[0].started_at, calls[0].ended_at),
            (CallState::Analyzed, at(1), Some(at(5))),
            "{order:?}"
        );
    }
}

async fn a_call_that_nobody_ended_is_closed_and_a_late_end_still_counts(base: Base) {
    let stored = Stored::open(base).await;
    let salon = tenant("salon");
    let context = CallContext { id: Some(call(1)), caller: Caller::Anonymous, ..CallContext::none() };
    stored.store.open(salon.scope(), &context, at(0)).await.expect("opened");
    let overdue = async |before| stored.store.overdue_calls(at(before)).await.expect("read").len();
    assert_eq!((overdue(0).await, overdue(1).await), (0, 1), "at first it may still be going on");
    assert!(stored.store.abandon(&salon.slug, &call(1)).await.expect("closed"));
    assert!(!stored.store.abandon(&salon.slug, &call(1)).await.expect("closed"), "once");
    let state = async || stored.store.list(salon.scope(), 1).await.expect("read")[0].state;
    assert_eq!(state().await, CallState::Abandoned);
    let end = VoiceEvent {
        name: "call_ended".to_owned(),
        call: call(1),
        started_at: None,
        ended_at: Some(at(5)),
        disconnection_reason: None,
        figures: Default::default(),
        kept: "{}".to_owned(),
        digest: "d".to_owned(),
    };
    stored.store.apply(salon.scope(), &context, &end, at(200)).await.expect("applied");
    assert_eq!(state().await, CallState::Ended);
}

fn callback(id: &str, from: Option<CallId>) -> Callback {
    Callback {
        id: CallbackId::new(id),
        call: from,
        appointment: None,
        name: Some(Sensitive::new("Ada".to_owned())),
        phone: Some(phone()),
        cause: CallbackCause::NothingFree,
        service: Some("cut".to_owned()),
        notes: None,
        preferred_time: None,
        priority: Priority::Normal,
        due_at: at(600),
        state: CallbackState::Pending,
        assigned_to: None,
        created_at: at(0),
        updated_at: at(0),
    }
}

async fn the_same_wish_is_one_work_item_and_ends_when_it_is_met(base: Base) {
    let stored = Stored::open(base).await;
    let salon = tenant("salon");
    let first = stored.store.add(salon.scope(), &callback("c_1", Some(call(1)))).await.expect("added");
    let second = stored.store.add(salon.scope(), &callback("c_2", Some(call(1)))).await.expect("added");
    assert_eq!(first.id, second.id);
    let open = CallbackFilter { open_only: true, limit: 10, ..CallbackFilter::default() };
    assert_eq!(stored.store.callbacks(salon.scope(), &open).await.expect("read").len(), 1);
    stored.store.resolve(salon.scope(), None, Some(&call(1)), None, at(1)).await.expect("resolved");
    assert!(stored.store.callbacks(salon.scope(), &open).await.expect("read").is_empty());
    let kept = stored.store.callback(salon.scope(), &first.id).await.expect("read").expect("kept");
    assert_eq!(kept.state, CallbackState::Resolved);
}

async fn secrets_lie_encrypted_and_an_unset_one_keeps_what_was_stored(base: Base) {
    let stored = Stored::open(base).await;
    let secrets = TenantSecrets { retell_api_key: Some(Secret::new("key_very_secret")), ..TenantSecrets::default() };
    let with = Tenant { secrets, ..tenant("salon") };
    stored.store.apply_tenants(std::slice::from_ref(&with), "anna", false, at(0)).await.expect("applied");
    let changed = Tenant { name: "Salon Emma".to_owned(), ..tenant("salon") };
    stored.store.apply_tenants(std::slice::from_ref(&changed), "anna", false, at(1)).await.expect("applied");
    let stored = stored.reopened().await;
    let found = stored.store.tenants().await.expect("read");
    assert_eq!(found[0].name, "Salon Emma");
    assert_eq!(found[0].secrets.retell_api_key.as_ref().map(Secret::expose), Some("key_very_secret"));
    let lies = stored.as_it_lies();
    assert!(lies.windows(10).any(|window| window == b"Salon Emma"), "the search finds what is in the clear");
    assert!(!lies.windows(15).any(|window| window == b"key_very_secret"), "in the clear");
}

async fn two_keys_live_while_one_is_replaced(base: Base) {
    let stored = Stored::open(base).await;
    let salon = tenant("salon");
    let first = stored.store.apply_tenants(std::slice::from_ref(&salon), "anna", false, at(0)).await.expect("applied");
    let first = first[0].key.as_ref().expect("a new tenant's key").key.expose().to_owned();
    let second = stored.store.rotate_key(&salon.slug, SignedDuration::from_hours(1), at(0)).await.expect("rotated");
    let second = second.key.expose().to_owned();
    let owner =
        async |key: &str, minute: i64| stored.store.key_owner(key, at(minute)).await.expect("answered").map(|(slug, _)| slug);
    assert_eq!(owner(&first, 59).await, Some(salon.slug.clone()));
    assert_eq!(owner(&second, 59).await, Some(salon.slug.clone()));
    assert_eq!(owner(&first, 61).await, None);
    assert_eq!(owner(&second, 61).await, Some(salon.slug.clone()));
    assert_eq!(owner("fd_unknown", 1).await, None);
}

async fn what_lasts_for_days_blocks_all_of_them(base: Base) {
    const DAY: i64 = 24 * 60;
    let stored = Stored::open(base).await;
    let (salon, emma) = (tenant("salon"), Resource::from_stored("Emma".to_owned()));
    let course = beginning("course", &emma, 600, 3 * DAY, None, true);
    assert_eq!(stored.store.begin(salon.scope(), &course, at(0)).await.expect("begun"), Begun::Yes);
    for (number, from) in [600 - 30, 600 + DAY - 30, 600 + 2 * DAY + 90, 600 + 3 * DAY - 30].into_iter().enumerate() {
        let beside = beginning(&format!("{number}"), &emma, from, 60, None, true);
        assert_eq!(stored.store.begin(salon.scope(), &beside, at(0)).await.expect("answered"), Begun::Blocked, "{from}");
        let busy =
            stored.store.busy(salon.scope(), std::slice::from_ref(&emma), at(from), at(from + 60), at(0)).await.expect("read");
        assert!(!busy.is_empty(), "{from}");
    }
    for (id, from) in [("before", 540), ("after", 600 + 3 * DAY)] {
        let beside = beginning(id, &emma, from, 60, None, true);
        assert_eq!(stored.store.begin(salon.scope(), &beside, at(0)).await.expect("begun"), Begun::Yes, "{id}");
    }
    // And what lasts for days finds what stands in the middle of it.
    let longer = beginning("longer", &emma, -4 * DAY, 20 * DAY, None, true);
    assert_eq!(stored.store.begin(salon.scope(), &longer, at(0)).await.expect("answered"), Begun::Blocked);
}

async fn a_stretch_of_many_months_is_refused_and_nothing_of_it_is_kept(base: Base) {
    let stored = Stored::open(base).await;
    let salon = tenant("salon");
    let days = |days: i64| beginning("1", &Resource::house(), 600, days * 24 * 60, None, true);
    let refused = stored.store.begin(salon.scope(), &days(63), at(0)).await.expect_err("refused");
    assert!(refused.with_causes().contains("more than 62 days"), "{}", refused.with_causes());
    assert_eq!(stored.store.busy(salon.scope(), &[Resource::house()], at(0), at(100 * 24 * 60), at(0)).await.expect("read"), []);
    assert_eq!(stored.store.begin(salon.scope(), &days(62), at(0)).await.expect("answered"), Begun::Yes);
}

on_both! {
    a_stretch_of_many_months_is_refused_and_nothing_of_it_is_kept,
    what_lasts_for_days_blocks_all_of_them,
    what_was_begun_is_there_after_a_restart_and_is_taken_up_once,
    two_tenants_share_nothing_but_the_file,
    a_hold_of_another_call_keeps_the_time_until_it_ends,
    a_hold_tells_until_when_it_is_kept,
    what_was_given_up_is_not_moved,
    a_call_is_one_in_any_order_of_its_events,
    a_call_that_nobody_ended_is_closed_and_a_late_end_still_counts,
    the_same_wish_is_one_work_item_and_ends_when_it_is_met,
    secrets_lie_encrypted_and_an_unset_one_keeps_what_was_stored,
    two_keys_live_while_one_is_replaced,
}
