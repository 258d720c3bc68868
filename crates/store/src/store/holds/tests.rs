//! The trigger of SQLite and the exclusions of PostgreSQL are one rule: whatever rows are put into
//! `occupancy`, in whatever order, both take the same ones. No question is asked before: the schema alone
//! answers.

use std::cell::Cell;

use frontdesk_core::sensitive::Secret;
use frontdesk_core::slot::Line;
use frontdesk_testkit::postgres::PostgresServer;
use proptest::prelude::*;

use super::*;
use crate::engine::{Durability, Engine, args};
use crate::store::place::Place;

/// A row, and how much later than the one before it comes.
#[derive(Debug, Clone)]
struct Put {
    /// Owner, its call, and for a hold what it replaces.
    hold: Option<(usize, Option<usize>)>,
    appointment: usize,
    resource: bool,
    from: i64,
    length: i64,
    later: i64,
}

/// Holds with the calls that they belong to; the last two belong to none.
const HOLDS: [(&str, Option<&str>); 6] =
    [("s_1", Some("one")), ("s_2", Some("one")), ("s_3", Some("two")), ("s_4", Some("two")), ("s_5", None), ("s_6", None)];
const APPOINTMENTS: [&str; 3] = ["b_1", "b_2", "b_3"];

fn put() -> impl Strategy<Value = Put> {
    let hold = prop_oneof![
        3 => (0..HOLDS.len(), proptest::option::of(0..APPOINTMENTS.len())).prop_map(Some),
        2 => Just(None)
    ];
    (hold, 0..APPOINTMENTS.len(), any::<bool>(), 0..12_i64, 1..4_i64, 0..3_i64)
        .prop_map(|(hold, appointment, resource, from, length, later)| Put { hold, appointment, resource, from, length, later })
}

async fn takes(engine: &Engine, tenant: &str, put: &Put, now: i64) -> bool {
    let (put, tenant) = (put.clone(), tenant.to_owned());
    let written = engine.write(Durability::Process, move |tx| {
        let (kind, owner, call, until, replaces) = match put.hold {
            Some((hold, replaces)) => {
                let (owner, call) = HOLDS[hold];
                ("hold", owner, call, Some(now + 5), replaces.map(|at| APPOINTMENTS[at]))
            }
            None => ("appointment", APPOINTMENTS[put.appointment], None, None, None),
        };
        tx.run(
            "INSERT INTO occupancy (tenant, resource, from_ms, to_ms, kind, owner, call_id, until_ms, replaces, made_ms)
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            args![
                &tenant,
                if put.resource { "Emma" } else { "Lena" },
                put.from,
                put.from + put.length,
                kind,
                owner,
                call,
                until,
                replaces,
                now
            ],
        )
        .map(drop)
    });
    written.await.is_ok()
}

#[test]
fn both_databases_take_and_refuse_the_same_stretches() {
    let folder = frontdesk_testkit::folder("holds");
    let server = PostgresServer::start();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let places =
        [Place::File(folder.path().join("holds.db")), Place::Server { url: Secret::new(server.database()), migrate_url: None }];
    let [file, shared] = places.map(|place| runtime.block_on(place.open()).unwrap());
    let (history, taken, refused) = (Cell::new(0), Cell::new(0), Cell::new(0));
    proptest!(ProptestConfig::with_cases(60), |(puts in proptest::collection::vec(put(), 1..40))| {
        history.set(history.get() + 1);
        let (tenant, mut now) = (history.get().to_string(), 0);
        for (number, put) in puts.iter().enumerate() {
            now += put.later;
            let (one, other) = runtime.block_on(async {
                (takes(&file, &tenant, put, now).await, takes(&shared, &tenant, put, now).await)
            });
            prop_assert_eq!(one, other, "row {}: SQLite {}, PostgreSQL {}", number, one, other);
            let count = if one { &taken } else { &refused };
            count.set(count.get() + 1);
        }
    });
    assert!(taken.get() > 100 && refused.get() > 100, "both happen: {taken:?} {refused:?}");
}

#[tokio::test]
async fn what_a_hold_blocks_goes_when_it_is_over_and_the_hold_two_hours_later() {
    let folder = frontdesk_testkit::folder("holds");
    let server = PostgresServer::shared();
    let shared = Place::Server { url: Secret::new(server.database()), migrate_url: None };
    for place in [Place::File(folder.path().join("holds.db")), shared] {
        let engine = place.open().await.unwrap();
        let at = |minute: i64| Timestamp::from_second(minute * 60).unwrap();
        let rows = engine.write(Durability::Process, move |tx| {
            let tenant = TenantId::new("salon");
            for (number, minute) in [(0, 0), (1, 4), (2, 8)] {
                let line = Line { staff: None, resources: vec![Resource::house()], event_type: None, parts: Vec::new() };
                let (start, end) = (at(1000 + number * 60), at(1030 + number * 60));
                let id = SlotId::new(format!("s_{number}"));
                let wish = HoldWish { id, service: "Cut".to_owned(), line, start, end, busy: vec![(start, end)], replaces: None };
                assert!(try_hold(tx, &tenant, None, &wish, at(minute))?.is_some());
            }
            let claimant = Claimant { kind: "appointment", owner: "b_1", call: None, until: None, replaces: None, intent: None };
            assert!(occupy(tx, &tenant, &Resource::house(), &[(at(2000), at(2030))], &claimant, at(0))?);
            let mut rows = Vec::new();
            let mut last = 0;
            for minute in [4, 6, 10, 14, 128, 131, 200] {
                forget_old_holds(tx, last, at(minute))?;
                last = ms(at(minute));
                let blocked = tx.number("SELECT COUNT(*) FROM occupancy", args![])?;
                rows.push((minute, blocked, tx.number("SELECT COUNT(*) FROM holds", args![])?));
            }
            // A clock that was ahead said that all of them were swept out already.
            let line = Line { staff: None, resources: vec![Resource::house()], event_type: None, parts: Vec::new() };
            let (id, start, end) = (SlotId::new("s_9"), at(3000), at(3030));
            let wish = HoldWish { id, service: "Cut".to_owned(), line, start, end, busy: vec![(start, end)], replaces: None };
            assert!(try_hold(tx, &tenant, None, &wish, at(201))?.is_some());
            for minute in [207, 330] {
                forget_old_holds(tx, ms(at(100_000)), at(minute))?;
                rows.push((minute, tx.number("SELECT COUNT(*) FROM occupancy", args![])?, 0));
            }
            Ok(rows)
        });
        let expected =
            [(4, 4, 3), (6, 3, 3), (10, 2, 3), (14, 1, 3), (128, 1, 2), (131, 1, 1), (200, 1, 0), (207, 2, 0), (330, 1, 0)];
        assert_eq!(rows.await.unwrap(), expected, "minute, rows that block, holds");
    }
}

proptest! {
    /// What is cut into days is the same time, without a gap and without a moment twice.
    #[test]
    fn a_stretch_is_cut_into_days(from in -10_000_000_000_i64..10_000_000_000, length in 1..1_000_000_000_i64) {
        let pieces: Vec<_> = day_by_day(from, from + length).collect();
        prop_assert_eq!((pieces[0].0, pieces[pieces.len() - 1].1), (from, from + length));
        prop_assert!(pieces.windows(2).all(|two| two[0].1 == two[1].0));
        prop_assert!(pieces.iter().all(|(begin, end)| end > begin && end - begin <= LONGEST_MS));
    }
}
