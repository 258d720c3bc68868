//! Migrations: applied in order, each in its own transaction, never changed once released. A database
//! from a newer release, or one whose applied migrations read differently, is refused.

use frontdesk_core::ports::StoreError;
use ring::digest::{SHA256, digest};

use crate::engine::{Tx, args};
use crate::rows::Reading;
use crate::vault::encode_hex;

/// Number, name, script.
const MIGRATIONS: &[(i64, &str, &str)] = &[
    (1, "the_house", include_str!("../../migrations/sqlite/0001_the_house.sql")),
    (2, "operations", include_str!("../../migrations/sqlite/0002_operations.sql")),
    (3, "exchanges", include_str!("../../migrations/sqlite/0003_exchanges.sql")),
    (4, "quicker_holds", include_str!("../../migrations/sqlite/0004_quicker_holds.sql")),
    (6, "outbox", include_str!("../../migrations/sqlite/0006_outbox.sql")),
];

#[derive(Debug, thiserror::Error)]
enum SchemaError {
    #[error("the database was made by a newer release: migration {0} is unknown to this one")]
    FromTheFuture(i64),
    #[error("migration {0} was applied from another text than this release has")]
    Differs(i64),
}

/// Brings the schema forward.
pub(crate) fn migrate(tx: &mut Tx<'_>) -> Result<(), StoreError> {
    tx.script(
        "CREATE TABLE IF NOT EXISTS schema_migrations (
            version INTEGER PRIMARY KEY, name TEXT NOT NULL, digest TEXT NOT NULL
        ) STRICT",
    )?;
    let applied = tx.all("SELECT version, digest FROM schema_migrations ORDER BY version", args![])?;
    for row in &applied {
        let reading = Reading { table: "schema_migrations", row };
        let (version, stored) = (reading.number("version")?, reading.text("digest")?);
        match MIGRATIONS.iter().find(|(known, _, _)| *known == version) {
            None => return Err(StoreError::Broken(Box::new(SchemaError::FromTheFuture(version)))),
            Some((_, _, script)) if digest_of(script) != stored => {
                return Err(StoreError::Broken(Box::new(SchemaError::Differs(version))));
            }
            Some(_) => {}
        }
    }
    for (version, name, script) in MIGRATIONS.iter().skip(applied.len()) {
        tx.script(script)?;
        let sql = "INSERT INTO schema_migrations (version, name, digest) VALUES (?, ?, ?)";
        tx.run(sql, args![*version, *name, digest_of(script)])?;
    }
    Ok(())
}

fn digest_of(script: &str) -> String {
    encode_hex(digest(&SHA256, script.as_bytes()).as_ref())
}
