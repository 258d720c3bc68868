//! The golden listings are what the migrations make.

use frontdesk_core::sensitive::Secret;
use frontdesk_testkit::postgres::PostgresServer;

use super::*;
use crate::engine::postgres::address::Address;
use crate::engine::postgres::session::Session;
use crate::engine::{postgres, sqlite};

fn is_golden(dialect: &Dialect, database: &str, found: &[String]) {
    let text = found.iter().map(|line| format!("{line}\n")).collect::<String>();
    if text == dialect.golden {
        return;
    }
    let new = std::env::temp_dir().join(format!("frontdesk-schema-{database}.txt"));
    std::fs::write(&new, &text).unwrap();
    panic!(
        "the golden listing is not what the migrations make. To renew it, from the root of the repository:\n\
         cp {} crates/store/migrations/{database}/schema.txt",
        new.display()
    );
}

#[test]
fn the_golden_listing_is_what_the_migrations_make_on_sqlite() {
    let folder = frontdesk_testkit::folder("schema");
    let mut found = Vec::new();
    sqlite::open(&folder.path().join("schema.db"), |tx| {
        migrate(tx, &SQLITE)?;
        found = listing(tx, &SQLITE)?;
        Ok(())
    })
    .unwrap();
    is_golden(&SQLITE, "sqlite", &found);
}

#[test]
fn the_golden_listing_is_what_the_migrations_make_on_postgres() {
    let server = PostgresServer::start();
    let mut session = Session::open(&Address::parse(&Secret::new(server.database())).unwrap()).unwrap();
    let found = postgres::alone(&mut session, |tx| {
        migrate(tx, &POSTGRES)?;
        listing(tx, &POSTGRES)
    });
    is_golden(&POSTGRES, "postgres", &found.unwrap());
}

/// A database of the release before [`LONG_STRETCHES_END`], with a stretch of two and a half days; then everything.
fn cuts_long_stretches(tx: &mut Tx<'_>, dialect: &Dialect) -> Result<Vec<(i64, i64)>, StoreError> {
    const LONG_STRETCHES_END: usize = 7;
    let before = Dialect { migrations: &dialect.migrations[..LONG_STRETCHES_END], ..*dialect };
    migrate(tx, &before)?;
    tx.run(
        "INSERT INTO occupancy (tenant, resource, from_ms, to_ms, kind, owner, made_ms)
         VALUES ('salon', 'Emma', 1000, 216001000, 'appointment', 'b_1', 0), ('salon', 'Lena', 0, 86400000, 'appointment', 'b_2', 0)",
        args![],
    )?;
    migrate(tx, dialect)?;
    let rows = tx.all("SELECT from_ms, to_ms FROM occupancy WHERE owner = 'b_1' ORDER BY from_ms", args![])?;
    assert_eq!(tx.all("SELECT id FROM occupancy", args![])?.len(), rows.len() + 1, "the other one is left alone");
    let pieces = rows.iter().map(|row| {
        let reading = Reading { table: "occupancy", row };
        Ok((reading.number("from_ms")?, reading.number("to_ms")?))
    });
    pieces.collect()
}

const CUT: [(i64, i64); 3] = [(1000, 86_401_000), (86_401_000, 172_801_000), (172_801_000, 216_001_000)];

#[test]
fn stretches_of_earlier_releases_are_cut_on_sqlite() {
    let folder = frontdesk_testkit::folder("schema");
    let mut found = Vec::new();
    sqlite::open(&folder.path().join("schema.db"), |tx| {
        found = cuts_long_stretches(tx, &SQLITE)?;
        Ok(())
    })
    .unwrap();
    assert_eq!(found, CUT);
}

#[test]
fn stretches_of_earlier_releases_are_cut_on_postgres() {
    let server = PostgresServer::start();
    let mut session = Session::open(&Address::parse(&Secret::new(server.database())).unwrap()).unwrap();
    assert_eq!(postgres::alone(&mut session, |tx| cuts_long_stretches(tx, &POSTGRES)).unwrap(), CUT);
}

/// Whoever reads while a backup runs and a newer release starts is not held up by what that one waits for.
#[test]
fn a_change_of_the_schema_lets_readers_pass_while_it_waits_on_postgres() {
    let server = PostgresServer::start();
    let url = server.database();
    let session = || Session::open(&Address::parse(&Secret::new(url.clone())).unwrap()).unwrap();
    let older = Dialect { migrations: &POSTGRES.migrations[..12], ..POSTGRES };
    postgres::alone(&mut session(), |tx| migrate(tx, &older)).unwrap();

    let (mut backup, mut reader) = (session(), session());
    backup.script("BEGIN; LOCK TABLE occupancy IN ACCESS SHARE MODE").unwrap();
    let mut newer = session();
    let starting = std::thread::spawn(move || postgres::alone(&mut newer, |tx| prepare(tx, &POSTGRES)));
    let waits = "SELECT EXISTS (SELECT 1 FROM pg_locks WHERE NOT granted AND relation = 'occupancy'::regclass)";
    let mut see = || reader.all(waits, &[]).unwrap()[0].number() != 0;
    while !see() {
        assert!(!starting.is_finished(), "it went past the backup");
        std::thread::yield_now();
    }
    // It waits in line behind the newer release, which gives up sooner than it does.
    session().all("SELECT id FROM occupancy", &[]).expect("read");
    assert!(!starting.is_finished(), "the backup still runs");
    backup.script("COMMIT").unwrap();
    starting.join().unwrap().expect("brought forward");
}
