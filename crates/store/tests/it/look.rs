//! Looking at a database changes nothing in it, and finds what somebody changed.

use std::time::Duration;

use frontdesk_core::call::{CallContext, Caller};
use frontdesk_core::ids::CallId;
use frontdesk_core::ports::{Calls as _, VoiceEvent};
use frontdesk_store::{AgentSeen, Examined, Store, StoreSettings};

use crate::house::{Base, Stored, at, on_both, tenant};

const PATIENT: Duration = Duration::from_secs(60);

async fn a_database_is_found_as_it_is(base: Base) {
    let stored = Stored::open(base).await;
    let good = stored.place.examine(PATIENT).await.expect("examined");
    assert!(good.schema.applied > 0 && good.schema.fingerprint.len() == 12, "{good:?}");
    let Examined { schema, unwritable, damage, unsure } = good.clone();
    assert_eq!((schema.pending, schema.strange, unwritable, damage, unsure), (vec![], vec![], None, None, None));
    assert_eq!(stored.place.examine(PATIENT).await.expect("examined"), good, "the look leaves nothing behind");

    stored.alter("CREATE INDEX by_hand ON calls (call_id)");
    let changed = stored.place.examine(PATIENT).await.expect("examined").schema;
    assert!(changed.strange.len() == 1 && changed.strange[0].contains("by_hand"), "{changed:?}");
    assert_ne!(changed.fingerprint, good.schema.fingerprint);
    // It can be looked into all the same, which a start refuses.
    let look = || StoreSettings { place: stored.place.clone(), master_key: None, dice: stored.dice.clone() };
    let opened = Store::look(look()).await.expect("opened");
    assert!(!opened.holds_secrets().await.expect("asked"));
    opened.close().await;
    assert!(Store::open(look()).await.is_err());

    stored
        .alter("DROP INDEX by_hand; DELETE FROM schema_migrations WHERE version = (SELECT MAX(version) FROM schema_migrations)");
    let older = stored.place.examine(PATIENT).await.expect("examined").schema;
    assert_eq!((older.pending.len(), older.strange), (1, vec![]));
    assert_eq!(older.applied, good.schema.applied - 1);
    stored.alter("INSERT INTO schema_migrations (version, name, digest) VALUES (99, 'later', 'x')");
    let newer = stored.place.examine(PATIENT).await.expect("examined").schema;
    assert!(newer.strange.iter().any(|line| line.contains("newer release")), "{newer:?}");
}

async fn agents_are_known_by_their_calls_and_events(base: Base) {
    let stored = Stored::open(base).await;
    let salon = tenant("salon");
    let call = |id: &str, agent: &str| CallContext {
        id: Some(CallId::new(id)),
        caller: Caller::from_envelope(None),
        agent_id: Some(agent.to_owned()),
        ..CallContext::none()
    };
    for (id, agent, minute) in [("c1", "one", 1), ("c2", "one", 5), ("c3", "two", 9)] {
        stored.store.open(salon.scope(), &call(id, agent), at(minute)).await.expect("known");
    }
    let event = VoiceEvent {
        name: "call_started".to_owned(),
        call: CallId::new("c1"),
        started_at: None,
        ended_at: None,
        disconnection_reason: None,
        kept: "{}".to_owned(),
        digest: "d".to_owned(),
        figures: Default::default(),
    };
    stored.store.apply(salon.scope(), &call("c1", "one"), &event, at(2)).await.expect("applied");
    let seen = |agent: &str, calls, call, event: Option<i64>| AgentSeen {
        agent: agent.to_owned(),
        calls,
        last_call: at(call),
        last_event: event.map(at),
    };
    let all = stored.store.agents_seen(salon.scope(), at(0)).await.expect("seen");
    assert_eq!(all, [seen("one", 2, 5, Some(2)), seen("two", 1, 9, None)]);
    assert_eq!(stored.store.agents_seen(salon.scope(), at(8)).await.expect("seen"), [seen("two", 1, 9, None)]);
    assert_eq!(stored.store.agents_seen(tenant("other").scope(), at(0)).await.expect("seen"), []);
}

on_both!(a_database_is_found_as_it_is, agents_are_known_by_their_calls_and_events);
