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
