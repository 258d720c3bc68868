//! What a backup keeps, and which ones this release takes.

use std::path::PathBuf;

use frontdesk_core::sensitive::Secret;
use frontdesk_testkit::TempDir;
use frontdesk_testkit::postgres::PostgresServer;

use super::*;

/// Ten o'clock, and what is over by then.
const NOW: &str = "2026-03-12T10:00:00Z";

fn about(mark: &str) -> About {
    About { release: "0.1.0", now: NOW.parse().expect("a time"), mark: mark.to_owned(), who: "a test".to_owned() }
}

/// A file whose schema is as `count` migrations have it, with what `script` puts into it.
fn store(folder: &TempDir, count: usize, script: &str) -> Place {
    let file = folder.path().join("source.db");
    sqlite::apart::<_, StoreError>(&file, |tx| {
        schema::migrate_until(tx, &schema::SQLITE, count)?;
        tx.script(script)
    })
    .expect("a store");
    Place::File(file)
}

fn all(folder: &TempDir, file: &str, sql: &'static str) -> Vec<Vec<crate::engine::Value>> {
    let mut found = Vec::new();
    sqlite::alone::<_, StoreError>(&folder.path().join(file), &sqlite::Stop::default(), |tx| {
        tx.each(sql, |row| {
            found.push(row);
            Ok(())
        })
    })
    .expect("read");
    found
}

async fn take(place: &Place, folder: &TempDir) -> PathBuf {
    let file = folder.path().join("a.backup");
    place.back_up(file.clone(), about("one")).await.expect("taken");
    file
}

/// Two stretches of one resource that met, the first of them over since; and one that still stands.
const STRETCHES: &str = "INSERT INTO occupancy (tenant, resource, from_ms, to_ms, kind, owner, call_id, until_ms, made_ms) VALUES
     ('one', 'anna', 1773400000000, 1773403600000, 'hold', 'h1', 'c1', 1000, 1),
     ('one', 'anna', 1773400000000, 1773403600000, 'hold', 'h2', 'c2', 1873400000000, 2000);
     INSERT INTO meta (key, value) VALUES ('odd', 'a' || char(9) || '\\N' || char(10) || 'ü' || char(13));
     INSERT INTO api_keys (hash, tenant, key_id, created_at) VALUES (x'00ff10', 'one', 'k', 9223372036854775807);";

#[tokio::test]
async fn every_value_comes_back_as_it_was_and_what_is_over_stays_away() {
    let folder = frontdesk_testkit::folder("backup");
    let source = store(&folder, schema::migrations(&schema::SQLITE), STRETCHES);
    let file = take(&source, &folder).await;
    let target = Place::File(folder.path().join("target.db"));
    target.restore(file.clone(), None, false, about("two")).await.expect("restored");
    let server = PostgresServer::shared();
    let url = server.database();
    let there = Place::Server { url: Secret::new(&url), migrate_url: None };
    there.restore(file, None, false, about("two")).await.expect("restored");
    let back = folder.path().join("b.backup");
    there.back_up(back.clone(), about("three")).await.expect("taken");
    let again = Place::File(folder.path().join("again.db"));
    again.restore(back, None, false, about("four")).await.expect("restored");
    for question in [
        "SELECT * FROM meta ORDER BY key",
        "SELECT * FROM api_keys",
        "SELECT tenant, resource, from_ms, to_ms, kind, owner, call_id, until_ms FROM occupancy WHERE owner <> 'h1'",
    ] {
        let was = all(&folder, "source.db", question);
        assert!(!was.is_empty());
        assert_eq!(all(&folder, "target.db", question), was, "{question}");
        assert_eq!(all(&folder, "again.db", question), was, "{question}, by way of a server");
    }
    assert_eq!(all(&folder, "target.db", "SELECT id FROM occupancy").len(), 1);
}

#[tokio::test]
async fn a_backup_of_an_older_release_is_brought_forward_and_one_of_a_newer_is_refused() {
    let folder = frontdesk_testkit::folder("backup");
    let count = schema::migrations(&schema::SQLITE);
    let source = store(&folder, count - 1, STRETCHES);
    let file = take(&source, &folder).await;
    let target = Place::File(folder.path().join("target.db"));
    let (proof, _) = target.restore(file.clone(), None, false, about("two")).await.expect("restored");
    assert_eq!(proof.manifest.migration, count - 1);
    let place = target.examine(std::time::Duration::from_secs(30)).await.expect("examined");
    assert_eq!((place.schema.applied, place.schema.pending.len(), place.schema.strange.len()), (count, 0, 0));

    let mut newer = Reading::open(&file).expect("whole").manifest;
    newer.migration = count + 1;
    assert!(matches!(rows::acceptable(&newer, None), Err(BackupError::Newer { .. })));
    newer.migration = count - 1;
    newer.migrations[0] = "another".to_owned();
    assert!(matches!(rows::acceptable(&newer, None), Err(BackupError::Schema(_))));
}

#[tokio::test]
async fn a_file_that_cannot_be_read_is_set_aside_when_it_is_said() {
    let folder = frontdesk_testkit::folder("backup");
    let source = store(&folder, schema::migrations(&schema::SQLITE), STRETCHES);
    let file = take(&source, &folder).await;
    std::fs::write(folder.path().join("target.db"), "no database at all, whatever its name says").expect("written");
    std::fs::write(folder.path().join("target.db-wal"), "a log of it").expect("written");
    let target = Place::File(folder.path().join("target.db"));
    target.restore(file.clone(), None, false, about("two")).await.expect_err("it is something");
    let (_, aside) = target.restore(file, None, true, about("three")).await.expect("restored");
    let aside = aside.expect("a name");
    assert_eq!(std::fs::read(&aside).expect("kept")[..2], *b"no");
    assert!(!folder.path().join("target.db-wal").exists(), "no log of another file is left beside it");
    assert_eq!(all(&folder, "target.db", "SELECT id FROM occupancy").len(), 1);
}
