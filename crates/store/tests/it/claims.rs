//! Idempotency keys.

use frontdesk_core::ports::{Claimed, Claims as _};

use crate::house::{Base, Stored, at, on_both, tenant};

async fn a_key_is_done_once_and_answered_again_for_a_day(base: Base) {
    let stored = Stored::open(base).await;
    let (salon, other) = (tenant("salon"), tenant("other"));
    let claim = async |fingerprint: &str, minute: i64| {
        stored.store.claim(salon.scope(), "k1", fingerprint, at(minute)).await.expect("answered")
    };
    assert_eq!(claim("a", 0).await, Claimed::First);
    assert_eq!(claim("a", 0).await, Claimed::Running);
    assert_eq!(claim("b", 0).await, Claimed::Mismatch);
    stored.store.conclude(salon.scope(), "k1", Some((201, "{}")), at(1)).await.expect("concluded");
    assert_eq!(claim("a", 60).await, Claimed::Done { status: 201, body: "{}".to_owned() });
    assert_eq!(claim("b", 60).await, Claimed::Mismatch);
    let elsewhere = stored.store.claim(other.scope(), "k1", "a", at(60)).await.expect("answered");
    assert_eq!(elsewhere, Claimed::First, "another tenant's key is another key");
    assert_eq!(claim("b", 25 * 60).await, Claimed::First, "kept for a day");
}

async fn a_key_that_came_to_nothing_is_free_again(base: Base) {
    let stored = Stored::open(base).await;
    let salon = tenant("salon");
    assert_eq!(stored.store.claim(salon.scope(), "k1", "a", at(0)).await.expect("answered"), Claimed::First);
    stored.store.conclude(salon.scope(), "k1", None, at(0)).await.expect("concluded");
    assert_eq!(stored.store.claim(salon.scope(), "k1", "b", at(1)).await.expect("answered"), Claimed::First);
}

on_both! {
    a_key_is_done_once_and_answered_again_for_a_day,
    a_key_that_came_to_nothing_is_free_again,
}
