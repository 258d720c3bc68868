//! Revisions of the configuration: one truth, whoever makes it, and each ended once.

use frontdesk_core::protection::{Mode, Protection, Switch};
use frontdesk_store::{Made, NewRevision, Origin, Outcome};
use jiff::{SignedDuration, Timestamp};

use crate::house::{Base, Stored, on_both};

on_both!(
    a_revision_is_watched_and_ends_once,
    a_rollback_may_follow_whatever_is_watched,
    of_two_who_make_one_the_second_is_overtaken,
    a_feature_is_again_as_before_its_last_change,
);

fn now() -> Timestamp {
    "2026-03-12T09:00:00Z".parse().expect("a timestamp")
}

fn wanted(after: i64, body: &str, origin: Origin, token: Option<&str>) -> NewRevision {
    NewRevision {
        after,
        body: body.to_owned(),
        diff: r#"[{"key":"rate_limit.booking","was":"30/min","now":"1/min"}]"#.to_owned(),
        origin,
        restores: None,
        author: "cli:anna".to_owned(),
        why: Some("a test".to_owned()),
        token: token.map(str::to_owned),
    }
}

async fn a_revision_is_watched_and_ends_once(base: Base) {
    let stored = Stored::open(base).await;
    let store = &stored.store;
    assert_eq!(store.make_revision(&wanted(0, "A", Origin::Start, None), now()).await.expect("made"), Made::Done(1));
    let watched = wanted(1, "B", Origin::Activate, Some("token"));
    assert_eq!(store.make_revision(&watched, now()).await.expect("made"), Made::Done(2));
    let before = store.versions().await.expect("versions");
    assert_eq!((before.revision, before.beat), (2, 1));
    assert!(store.watch_revision(2).await.expect("watched"));
    assert_eq!(store.versions().await.expect("versions").beat, 2);
    let meanwhile = wanted(2, "C", Origin::Reload, None);
    assert_eq!(store.make_revision(&meanwhile, now()).await.expect("asked"), Made::Watched(2));
    store.took_up_revision(2, "one", None, now()).await.expect("told");
    store.took_up_revision(2, "two", Some("no"), now()).await.expect("told");
    store.took_up_revision(2, "two", None, now()).await.expect("told");
    let uptakes = store.revision_uptakes(2).await.expect("read");
    assert_eq!(
        uptakes.iter().map(|it| (it.replica.as_str(), it.trouble.is_none())).collect::<Vec<_>>(),
        [("one", true), ("two", true)]
    );

    let (one, two) = tokio::join!(
        store.roll_back_pending(2, "gateway one", "nobody watches", now()),
        store.roll_back_pending(2, "gateway two", "nobody watches", now())
    );
    let mut ends = [one.expect("asked"), two.expect("asked")];
    ends.sort_unstable();
    assert_eq!(ends, [None, Some(3)], "one of them");
    assert!(!store.confirm_revision(2, "cli:anna", None, "good", now()).await.expect("asked"), "it is decided");
    assert!(!store.watch_revision(2).await.expect("asked"));
    let all = store.revisions(10).await.expect("read");
    let told: Vec<_> = all.iter().map(|it| (it.number, it.body.as_str(), it.outcome, it.restores)).collect();
    let (active, back) = (Outcome::Active, Outcome::RolledBack);
    assert_eq!(told, [(3, "A", active, Some(1)), (2, "B", back, None), (1, "A", active, None)]);
    assert_eq!((all[1].reason.as_deref(), all[1].token.as_deref()), (Some("nobody watches"), None));
    assert!(all[0].diff.contains(r#""now":"30/min""#), "{}", all[0].diff);

    let good = wanted(3, "D", Origin::Activate, Some("token"));
    assert_eq!(store.make_revision(&good, now()).await.expect("made"), Made::Done(4));
    assert!(store.confirm_revision(4, "cli:anna", None, "good", now()).await.expect("ended"));
    assert_eq!(store.roll_back_pending(4, "late", "late", now()).await.expect("asked"), None);
    let audit: Vec<String> = store.audit(10).await.expect("read").into_iter().map(|row| row.what).collect();
    assert_eq!(audit, ["activated", "activate", "rollback", "activate"]);
}

async fn a_rollback_may_follow_whatever_is_watched(base: Base) {
    let stored = Stored::open(base).await;
    let store = &stored.store;
    store.make_revision(&wanted(0, "A", Origin::Start, None), now()).await.expect("made");
    store.make_revision(&wanted(1, "B", Origin::Activate, Some("token")), now()).await.expect("made");
    let back = NewRevision { restores: Some(1), ..wanted(2, "A", Origin::Rollback, None) };
    assert_eq!(store.make_revision(&back, now()).await.expect("made"), Made::Done(3));
    let all = store.revisions(10).await.expect("read");
    assert_eq!((all[1].outcome, all[1].reason.as_deref()), (Outcome::RolledBack, Some("rolled back by cli:anna: a test")));
    assert_eq!(store.versions().await.expect("versions").beat, 0);
}

async fn of_two_who_make_one_the_second_is_overtaken(base: Base) {
    let stored = Stored::open(base).await;
    let (one, two) = (wanted(0, "A", Origin::Start, None), wanted(0, "B", Origin::Start, None));
    let (one, two) = tokio::join!(stored.store.make_revision(&one, now()), stored.store.make_revision(&two, now()));
    let made = [one.expect("asked"), two.expect("asked")];
    assert!(made.contains(&Made::Done(1)) && made.contains(&Made::Overtaken), "{made:?}");
}

async fn a_feature_is_again_as_before_its_last_change(base: Base) {
    let stored = Stored::open(base).await;
    let store = &stored.store;
    let restore =
        async |later| store.restore_feature(Protection::RateLimit, None, "cli:anna", None, now() + later).await.expect("asked");
    assert_eq!(restore(SignedDuration::ZERO).await, None, "nobody ever changed it");
    let hour = SignedDuration::from_hours(1);
    let set = async |mode, until| {
        let switch = Switch { protection: Protection::RateLimit, tenant: None, mode, until };
        store.set_feature(&switch, "cli:anna", None, now()).await.expect("set");
    };
    set(Mode::Shadow, Some(now() + hour)).await;
    let first = restore(SignedDuration::ZERO).await.expect("changed");
    assert_eq!((first.was, first.now), (Some(Mode::Shadow), None));
    assert_eq!(store.features().await.expect("read"), []);
    set(Mode::Shadow, Some(now() + hour)).await;
    set(Mode::Off, None).await;
    let version = store.versions().await.expect("versions").features;
    let second = restore(SignedDuration::ZERO).await.expect("changed");
    assert_eq!((second.was, second.now, second.until), (Some(Mode::Off), Some(Mode::Shadow), Some(now() + hour)));
    assert_eq!(store.versions().await.expect("versions").features, version + 1, "gateways hear of it");
    set(Mode::Off, None).await;
    assert_eq!(restore(hour).await.expect("changed").now, None, "its hour is over");
}
