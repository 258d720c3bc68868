//! What a question needs is read with one statement where several would find the same.

use frontdesk_core::booking::{Appointment, AppointmentState, IntentKind};
use frontdesk_core::call::{CallContext, Caller, Memory};
use frontdesk_core::ids::{CallId, SlotId};
use frontdesk_core::ports::{AppointmentFilter, Begun, Calls as _, Diary as _};
use frontdesk_core::slot::{HoldWish, Resource};

use crate::house::{Base, Stored, at, beginning, call, intent, on_both, phone, tenant, wish};

async fn a_call_and_its_callers_appointments_are_found_together_as_one_by_one(base: Base) {
    let stored = Stored::open(base).await;
    let (salon, other) = (tenant("salon"), tenant("other"));
    let caller = Caller::from_envelope(Some(phone().e164()));
    let context = |id: u8| CallContext { id: Some(call(id)), caller: caller.clone(), ..CallContext::none() };
    let own = |limit: u32| AppointmentFilter { limit, ..AppointmentFilter::of_caller(&phone(), at(300)) };
    let (emma, ben) = (Resource::staff("Emma"), Resource::staff("Ben"));
    // Two that begin at the same time, one before them, one that is over, one given up, one of nobody's number.
    for (id, resource, from) in [("z", &emma, 900), ("a", &ben, 900), ("m", &emma, 600), ("past", &ben, 100), ("gone", &ben, 700)]
    {
        let wanted = beginning(id, resource, from, 60, None, true);
        assert_eq!(stored.store.begin(salon.scope(), &wanted, at(0)).await.expect("answered"), Begun::Yes);
        if id == "gone" {
            let cancel = intent("i_gone_2", &wanted.appointment.id, IntentKind::Cancel { reason: "x".to_owned() }, true);
            assert_eq!(stored.store.begin_change(salon.scope(), &cancel, None, at(1)).await.expect("answered"), Begun::Yes);
        }
    }
    let mut nobodys = beginning("nobodys", &ben, 1200, 60, None, true);
    nobodys.appointment.owner = None;
    stored.store.begin(salon.scope(), &nobodys, at(0)).await.expect("begun");

    let memory = Memory { service: Some("cut".to_owned()), ..Memory::default() };
    stored.store.open(salon.scope(), &context(1), at(1)).await.expect("known");
    stored.store.remember(salon.scope(), &call(1), &memory).await.expect("kept");
    let stored = stored.reopened().await;

    let ids = |found: &[Appointment]| found.iter().map(|it| it.id.as_str().to_owned()).collect::<Vec<_>>();
    let found = stored.store.open_with(salon.scope(), &context(1), at(300)).await.expect("read");
    assert_eq!((&found.0, ids(&found.1)), (&memory, ["b_m", "b_a", "b_z"].map(str::to_owned).to_vec()));
    assert!(found.1.iter().all(|it| it.state == AppointmentState::Booked));
    assert_eq!(found.1, stored.store.appointments(salon.scope(), &own(20)).await.expect("read"));
    let two = stored.store.appointments(salon.scope(), &own(2)).await.expect("read");
    assert_eq!(ids(&two), ["b_m", "b_a"], "of two that begin together it is always the same one");
    // A call that is new is known from then on; its caller is the same.
    let new = stored.store.open_with(salon.scope(), &context(2), at(300)).await.expect("read");
    assert_eq!(new, (Memory::default(), found.1));
    assert!(stored.store.timeline(salon.scope(), &call(2)).await.expect("read").is_some());
    // Who has nothing, who has no number, and the same number elsewhere.
    let later = stored.store.open_with(salon.scope(), &context(1), at(5000)).await.expect("read");
    assert_eq!(later, (memory.clone(), vec![]));
    let hidden = CallContext { caller: Caller::from_envelope(None), ..context(1) };
    assert_eq!(stored.store.open_with(salon.scope(), &hidden, at(300)).await.expect("read"), (memory, vec![]));
    let elsewhere = stored.store.open_with(other.scope(), &context(1), at(300)).await.expect("read");
    assert_eq!(elsewhere, (Memory::default(), vec![]));
}

async fn a_calls_holds_are_found_among_what_is_blocked(base: Base) {
    let stored = Stored::open(base).await;
    let (salon, other) = (tenant("salon"), tenant("other"));
    let emma = Resource::staff("Emma");
    // Two stretches with a gap between them.
    let two = HoldWish { busy: vec![(at(600), at(620)), (at(640), at(660))], ..wish("s_two", &emma, 600, 60) };
    let hold = async |who: u8, wish: HoldWish, now: i64| {
        stored.store.hold(salon.scope(), Some(&call(who)), &[wish], 3, at(now)).await.expect("answered").len()
    };
    assert_eq!(hold(1, two, 0).await, 1);
    assert_eq!(hold(2, wish("s_other", &emma, 620, 20), 0).await, 1);
    let booked = beginning("1", &emma, 700, 60, None, true);
    stored.store.begin(salon.scope(), &booked, at(0)).await.expect("begun");

    // With more than are asked for at once, each is found once all the same.
    let crowd: Vec<Resource> = (0..11).map(|number| Resource::staff(&format!("P{number}"))).chain([emma.clone()]).collect();
    for resources in [std::slice::from_ref(&emma), &crowd] {
        let look = async |who: &CallId, now: i64| {
            stored.store.busy_and_held(salon.scope(), who, resources, at(500), at(800), at(now)).await.expect("read")
        };
        let (busy, held) = look(&call(1), 1).await;
        assert_eq!(busy, stored.store.busy(salon.scope(), resources, at(500), at(800), at(1)).await.expect("read"));
        assert_eq!(busy.len(), 4);
        let alone = stored.store.find_hold(salon.scope(), &SlotId::new("s_two")).await.expect("read").expect("known");
        assert_eq!(held, [alone], "one, with both of its stretches");
        assert_eq!(look(&call(2), 1).await.1.iter().map(|it| it.id.as_str()).collect::<Vec<_>>(), ["s_other"]);
        assert_eq!(look(&call(3), 1).await, (busy, vec![]), "another's holds are nobody's business");
        let (later, none) = look(&call(1), 6).await;
        assert_eq!((later.len(), none), (1, vec![]), "what is over is held no more");
        let elsewhere =
            stored.store.busy_and_held(other.scope(), &call(1), resources, at(500), at(800), at(1)).await.expect("read");
        assert_eq!(elsewhere, (vec![], vec![]));
    }
}

on_both!(a_call_and_its_callers_appointments_are_found_together_as_one_by_one, a_calls_holds_are_found_among_what_is_blocked);
