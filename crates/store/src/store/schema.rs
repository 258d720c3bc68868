//! Migrations: applied in order, each whole, never changed once released. A database from a newer release,
//! or one whose applied migrations read differently, is refused; and so is one whose schema is not what its
//! migrations made of it, by the golden listing next to them.

#[cfg(test)]
mod tests;

use frontdesk_core::ports::StoreError;
use ring::digest::{SHA256, digest};

use crate::engine::{Tx, args, quoted};
use crate::rows::Reading;
use crate::vault::encode_hex;

/// Number, name, script.
type Migration = (i64, &'static str, &'static str);

/// What differs between databases.
pub(crate) struct Dialect {
    migrations: &'static [Migration],
    /// Whether there is a record of migrations.
    has_record: &'static str,
    record: &'static str,
    /// Questions for the schema as it is, one line per row.
    listing: &'static [&'static str],
    golden: &'static str,
    /// Its word in a backup.
    pub(crate) name: &'static str,
    /// Every table with its columns in order, whether the database numbers that column itself, and whether it numbers
    /// the table's rows beside the columns.
    pub(crate) columns: &'static str,
    /// Every trigger by name, with what makes it again.
    pub(crate) triggers: &'static str,
}

macro_rules! migrations {
    ($folder:literal, $($zeros:literal: $($number:literal $name:literal),*);*) => {
        &[$($(($number, $name, include_str!(concat!("../../migrations/", $folder, "/", $zeros, $number, "_", $name, ".sql")))),*),*]
    };
}

pub(crate) static SQLITE: Dialect = Dialect {
    migrations: migrations!("sqlite", "000": 1 "the_house", 2 "operations", 3 "exchanges", 4 "quicker_holds", 5 "parts", 6 "outbox", 7 "calendar_news", 8 "a_day_at_most", 9 "catching_up"; "00": 10 "revisions", 11 "alerts", 12 "fewer_indexes", 13 "neighbours_in_the_index"),
    has_record: "SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE name = 'schema_migrations')",
    record: "CREATE TABLE schema_migrations (version INTEGER PRIMARY KEY, name TEXT NOT NULL, digest TEXT NOT NULL) STRICT",
    listing: &[
        "SELECT 'table ' || name || CASE strict WHEN 1 THEN ' strict' ELSE '' END
                || CASE wr WHEN 1 THEN ' without rowid' ELSE '' END AS line
         FROM pragma_table_list WHERE schema = 'main' AND name NOT LIKE 'sqlite_%'",
        "SELECT 'column ' || at.name || '.' || it.name || ' ' || it.type || CASE it.\"notnull\" WHEN 1 THEN ' not null' ELSE '' END
                || COALESCE(' default ' || it.dflt_value, '') || CASE it.pk WHEN 0 THEN '' ELSE ' key ' || it.pk END AS line
         FROM sqlite_schema AS at JOIN pragma_table_xinfo(at.name) AS it WHERE at.type = 'table' AND at.name NOT LIKE 'sqlite_%'",
        "SELECT 'unique ' || at.name || ' (' || (SELECT group_concat(name, ', ') FROM pragma_index_info(it.name)) || ')' AS line
         FROM sqlite_schema AS at JOIN pragma_index_list(at.name) AS it WHERE at.type = 'table' AND it.origin = 'u'",
        // The texts of the statements; a table's is here for its checks.
        "SELECT type || ' ' || tbl_name || ' as ' || sql AS line FROM sqlite_schema WHERE type IN ('index', 'trigger', 'view')
         AND sql IS NOT NULL",
        "SELECT 'table ' || name || ' as ' || sql AS line FROM sqlite_schema WHERE type = 'table' AND sql LIKE '%CHECK%'",
    ],
    golden: include_str!("../../migrations/sqlite/schema.txt"),
    name: "sqlite",
    columns: "SELECT at.name AS at, it.name AS name, 0 AS serial, 1 - at.wr AS numbered FROM pragma_table_list AS at JOIN pragma_table_info(at.name) AS it
              WHERE at.schema = 'main' AND at.type = 'table' AND at.name NOT LIKE 'sqlite_%' ORDER BY at.name, it.cid",
    triggers: "SELECT name, tbl_name AS at, sql FROM sqlite_schema WHERE type = 'trigger' ORDER BY name",
};

pub(crate) static POSTGRES: Dialect = Dialect {
    migrations: migrations!("postgres", "000": 1 "the_house", 2 "operations", 3 "exchanges", 4 "quicker_holds", 5 "parts", 6 "outbox", 7 "calendar_news", 8 "a_day_at_most", 9 "catching_up"; "00": 10 "revisions", 11 "alerts", 12 "fewer_indexes", 13 "neighbours_in_the_index"),
    has_record: "SELECT to_regclass('schema_migrations') IS NOT NULL",
    record: "CREATE TABLE schema_migrations (version BIGINT PRIMARY KEY, name TEXT NOT NULL, digest TEXT NOT NULL)",
    listing: &[
        "SELECT 'table ' || at.relname || CASE at.relkind WHEN 'r' THEN '' ELSE ' of kind ' || at.relkind::text END AS line
         FROM pg_class AS at WHERE at.relnamespace = current_schema()::regnamespace AND at.relkind NOT IN ('i', 'I', 'S', 't', 'c')
           AND NOT EXISTS (SELECT 1 FROM pg_depend WHERE objid = at.oid AND classid = 'pg_class'::regclass AND deptype = 'e')",
        "SELECT 'column ' || at.relname || '.' || it.attname || ' ' || format_type(it.atttypid, it.atttypmod)
                || CASE WHEN it.attnotnull THEN ' not null' ELSE '' END
                || CASE it.attidentity WHEN '' THEN '' WHEN 'a' THEN ' identity always' ELSE ' identity' END
                || CASE it.attgenerated WHEN '' THEN '' ELSE ' generated' END
                || COALESCE(' default ' || pg_get_expr(made.adbin, made.adrelid, true), '') AS line
         FROM pg_class AS at JOIN pg_attribute AS it ON it.attrelid = at.oid
         LEFT JOIN pg_attrdef AS made ON made.adrelid = at.oid AND made.adnum = it.attnum
         WHERE at.relnamespace = current_schema()::regnamespace AND at.relkind IN ('r', 'p') AND it.attnum > 0
           AND NOT it.attisdropped
           AND NOT EXISTS (SELECT 1 FROM pg_depend WHERE objid = at.oid AND classid = 'pg_class'::regclass AND deptype = 'e')",
        "SELECT 'constraint ' || at.relname || '.' || it.conname || ' ' || pg_get_constraintdef(it.oid, true)
                || CASE WHEN it.convalidated THEN '' ELSE ' not validated' END AS line
         FROM pg_class AS at JOIN pg_constraint AS it ON it.conrelid = at.oid
         WHERE at.relnamespace = current_schema()::regnamespace AND it.contype IN ('p', 'u', 'c', 'x', 'f')
           AND NOT EXISTS (SELECT 1 FROM pg_depend WHERE objid = at.oid AND classid = 'pg_class'::regclass AND deptype = 'e')",
        "SELECT 'index ' || at.relname || ' as ' || pg_get_indexdef(it.indexrelid, 0, true)
                || CASE WHEN it.indisvalid THEN '' ELSE ' invalid' END AS line
         FROM pg_class AS at JOIN pg_index AS it ON it.indrelid = at.oid
         WHERE at.relnamespace = current_schema()::regnamespace AND at.relkind IN ('r', 'p')
           AND NOT EXISTS (SELECT 1 FROM pg_constraint WHERE conindid = it.indexrelid)
           AND NOT EXISTS (SELECT 1 FROM pg_depend WHERE objid = at.oid AND classid = 'pg_class'::regclass AND deptype = 'e')",
        "SELECT 'trigger ' || at.relname || ' as ' || pg_get_triggerdef(it.oid, true)
                || CASE it.tgenabled WHEN 'O' THEN '' ELSE ' switched off' END AS line
         FROM pg_class AS at JOIN pg_trigger AS it ON it.tgrelid = at.oid
         WHERE at.relnamespace = current_schema()::regnamespace AND NOT it.tgisinternal",
        "SELECT 'function ' || it.proname || ' as ' || it.prosrc AS line
         FROM pg_proc AS it WHERE it.pronamespace = current_schema()::regnamespace
           AND NOT EXISTS (SELECT 1 FROM pg_depend WHERE objid = it.oid AND classid = 'pg_proc'::regclass AND deptype = 'e')",
    ],
    golden: include_str!("../../migrations/postgres/schema.txt"),
    name: "postgres",
    columns: "SELECT at.relname::text AS at, it.attname::text AS name, it.attidentity <> '' AS serial, FALSE AS numbered
              FROM pg_class AS at JOIN pg_attribute AS it ON it.attrelid = at.oid
              WHERE at.relnamespace = current_schema()::regnamespace AND at.relkind = 'r' AND it.attnum > 0 AND NOT it.attisdropped
              ORDER BY at.relname, it.attnum",
    triggers: "SELECT it.tgname::text AS name, at.relname::text AS at, '' AS sql
               FROM pg_class AS at JOIN pg_trigger AS it ON it.tgrelid = at.oid
               WHERE at.relnamespace = current_schema()::regnamespace AND NOT it.tgisinternal ORDER BY it.tgname",
};

#[derive(Debug, thiserror::Error)]
enum SchemaError {
    #[error("the database was made by a newer release: migration {0} is unknown to this one")]
    FromTheFuture(i64),
    #[error("migration {0} was applied from another text than this release has")]
    Differs(i64),
    #[error("the schema is not the one that this release makes and knows: {0}")]
    Strange(String),
}

/// How a schema was found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SchemaLook {
    /// How many migrations were applied.
    pub applied: usize,
    /// Those that the next start applies, in order.
    pub pending: Vec<String>,
    /// What is not as this release makes it, a line each.
    pub strange: Vec<String>,
    /// Digest of the schema as it is.
    pub fingerprint: String,
}

fn broken(error: SchemaError) -> StoreError {
    StoreError::Broken(Box::new(error))
}

/// Brings the schema forward and makes sure of it.
pub(crate) fn prepare(tx: &mut Tx<'_>, dialect: &Dialect) -> Result<(), StoreError> {
    migrate(tx, dialect)?;
    check(tx, dialect)
}

/// Whether the database was ever prepared.
pub(crate) fn is_there(tx: &mut Tx<'_>, dialect: &Dialect) -> Result<bool, StoreError> {
    tx.exists(dialect.has_record, args![])
}

/// The migrations that were applied, with the digest of each.
fn applied(tx: &mut Tx<'_>) -> Result<Vec<(i64, String)>, StoreError> {
    let rows = tx.all("SELECT version, digest FROM schema_migrations ORDER BY version", args![])?;
    rows.iter()
        .map(|row| {
            let reading = Reading { table: "schema_migrations", row };
            Ok((reading.number("version")?, reading.text("digest")?))
        })
        .collect()
}

/// Whether this release knows the migration, and by that text.
fn known(dialect: &Dialect, version: i64, stored: &str) -> Result<(), SchemaError> {
    match dialect.migrations.iter().find(|(known, _, _)| *known == version) {
        None => Err(SchemaError::FromTheFuture(version)),
        Some((_, _, script)) if digest_of(script) != stored => Err(SchemaError::Differs(version)),
        Some(_) => Ok(()),
    }
}

/// Brings the schema forward.
pub(crate) fn migrate(tx: &mut Tx<'_>, dialect: &Dialect) -> Result<(), StoreError> {
    migrate_until(tx, dialect, dialect.migrations.len())
}

/// Brings the schema to where `count` migrations have it.
pub(crate) fn migrate_until(tx: &mut Tx<'_>, dialect: &Dialect, count: usize) -> Result<(), StoreError> {
    // Asked first: whoever may not make tables must still be able to find that all is done.
    if !is_there(tx, dialect)? {
        tx.script(dialect.record)?;
    }
    let applied = applied(tx)?;
    for (version, digest) in &applied {
        known(dialect, *version, digest).map_err(broken)?;
    }
    for (version, name, script) in dialect.migrations.iter().take(count).skip(applied.len()) {
        tx.script(script)?;
        let sql = "INSERT INTO schema_migrations (version, name, digest) VALUES (?, ?, ?)";
        tx.run(sql, args![*version, *name, digest_of(script)])?;
    }
    Ok(())
}

/// The digests of the first `count` migrations.
pub(crate) fn digests(dialect: &Dialect, count: usize) -> Vec<String> {
    dialect.migrations.iter().take(count).map(|(_, _, script)| digest_of(script)).collect()
}

/// How many migrations this release has.
pub(crate) fn migrations(dialect: &Dialect) -> usize {
    dialect.migrations.len()
}

/// Takes away every table and function that this release makes.
pub(crate) fn demolish(tx: &mut Tx<'_>, dialect: &Dialect) -> Result<(), StoreError> {
    for line in dialect.golden.lines() {
        let name = |kind: &str| line.strip_prefix(kind).and_then(|rest| rest.split_whitespace().next());
        if let Some(table) = name("table ") {
            tx.script(&format!("DROP TABLE IF EXISTS {} CASCADE", quoted(table)))?;
        } else if let Some(function) = name("function ") {
            tx.script(&format!("DROP FUNCTION IF EXISTS {} CASCADE", quoted(function)))?;
        }
    }
    Ok(())
}

/// Refuses a schema that somebody changed by hand: what it promises is then anybody's guess.
pub(crate) fn check(tx: &mut Tx<'_>, dialect: &Dialect) -> Result<(), StoreError> {
    let (lines, _) = differences(tx, dialect)?;
    if lines.is_empty() { Ok(()) } else { Err(broken(SchemaError::Strange(lines.join("; ")))) }
}

/// What the schema lacks and has too much, a line each, and the digest of how it is.
fn differences(tx: &mut Tx<'_>, dialect: &Dialect) -> Result<(Vec<String>, String), StoreError> {
    let found = listing(tx, dialect)?;
    let fingerprint = digest_of(&found.join("\n")).chars().take(12).collect();
    let wanted: Vec<&str> = dialect.golden.lines().collect();
    let missing = wanted.iter().filter(|line| !found.iter().any(|other| other == *line)).map(|line| format!("missing {line}"));
    let strange = found.iter().filter(|line| !wanted.contains(&line.as_str())).map(|line| format!("unexpected {line}"));
    Ok((missing.chain(strange).collect(), fingerprint))
}

/// Looks at the schema and changes nothing.
pub(crate) fn look(tx: &mut Tx<'_>, dialect: &Dialect) -> Result<SchemaLook, StoreError> {
    let applied = if is_there(tx, dialect)? { applied(tx)? } else { Vec::new() };
    let problems: Vec<String> = applied
        .iter()
        .filter_map(|(version, digest)| known(dialect, *version, digest).err())
        .map(|error| error.to_string())
        .collect();
    let names = dialect.migrations.iter().skip(applied.len());
    let pending: Vec<String> = names.map(|(version, name, _)| format!("{version} {name}")).collect();
    let (lines, fingerprint) = differences(tx, dialect)?;
    // What a migration has still to make is not what somebody took away.
    let strange = if problems.is_empty() && pending.is_empty() { lines } else { problems };
    Ok(SchemaLook { applied: applied.len(), pending, strange, fingerprint })
}

/// The schema as it is, one line for each thing, in alphabetical order.
fn listing(tx: &mut Tx<'_>, dialect: &Dialect) -> Result<Vec<String>, StoreError> {
    let mut lines = Vec::new();
    for question in dialect.listing {
        for row in tx.all(question, args![])? {
            lines.push(on_one_line(&Reading { table: "schema", row: &row }.text("line")?));
        }
    }
    lines.sort();
    Ok(lines)
}

/// Without comments, and with single spaces.
fn on_one_line(text: &str) -> String {
    let code = text.lines().map(|line| line.split("--").next().unwrap_or(line));
    code.flat_map(str::split_whitespace).collect::<Vec<_>>().join(" ")
}

fn digest_of(script: &str) -> String {
    encode_hex(digest(&SHA256, script.as_bytes()).as_ref())
}
