//! Migrations: applied in order, each in its own transaction, never changed once released. A database
//! from a newer release, or one whose applied migrations read differently, is refused.

use frontdesk_core::ports::StoreError;
use ring::digest::{SHA256, digest};
use sqlx::Row as _;
use sqlx::sqlite::SqlitePool;

use crate::rows::failed;
use crate::vault::encode_hex;

/// Number, name, script.
const MIGRATIONS: &[(i64, &str, &str)] = &[
    (1, "the_house", include_str!("../../migrations/sqlite/0001_the_house.sql")),
    (2, "operations", include_str!("../../migrations/sqlite/0002_operations.sql")),
    (3, "exchanges", include_str!("../../migrations/sqlite/0003_exchanges.sql")),
];

#[derive(Debug, thiserror::Error)]
enum SchemaError {
    #[error("the database was made by a newer release: migration {0} is unknown to this one")]
    FromTheFuture(i64),
    #[error("migration {0} was applied from another text than this release has")]
    Differs(i64),
}

/// Brings the schema forward.
pub(crate) async fn migrate(pool: &SqlitePool) -> Result<(), StoreError> {
    let mut tx = pool.begin_with("BEGIN IMMEDIATE").await.map_err(failed)?;
    sqlx::query(
        "CREATE TABLE IF NOT EXISTS schema_migrations (
            version INTEGER PRIMARY KEY, name TEXT NOT NULL, digest TEXT NOT NULL
        ) STRICT",
    )
    .execute(&mut *tx)
    .await
    .map_err(failed)?;
    let applied = sqlx::query("SELECT version, digest FROM schema_migrations ORDER BY version")
        .fetch_all(&mut *tx)
        .await
        .map_err(failed)?;
    for row in &applied {
        let (version, stored): (i64, String) = (row.get(0), row.get(1));
        match MIGRATIONS.iter().find(|(known, _, _)| *known == version) {
            None => return Err(StoreError::Broken(Box::new(SchemaError::FromTheFuture(version)))),
            Some((_, _, script)) if digest_of(script) != stored => {
                return Err(StoreError::Broken(Box::new(SchemaError::Differs(version))));
            }
            Some(_) => {}
        }
    }
    for (version, name, script) in MIGRATIONS.iter().skip(applied.len()) {
        sqlx::raw_sql(*script).execute(&mut *tx).await.map_err(failed)?;
        sqlx::query("INSERT INTO schema_migrations (version, name, digest) VALUES (?, ?, ?)")
            .bind(version)
            .bind(name)
            .bind(digest_of(script))
            .execute(&mut *tx)
            .await
            .map_err(failed)?;
    }
    tx.commit().await.map_err(failed)
}

fn digest_of(script: &str) -> String {
    encode_hex(digest(&SHA256, script.as_bytes()).as_ref())
}
