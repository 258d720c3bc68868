//! Everything out of a database into a file, and back into an empty one, within one transaction each.

use frontdesk_core::ids::TenantId;
use frontdesk_core::ports::StoreError;
use frontdesk_core::tenant::Tenant;
use jiff::Timestamp;

use super::file::{Manifest, Reading, TableRows, Writing};
use super::{About, BackupError, Proof};
use crate::engine::{Tx, args, quoted};
use crate::rows::{self, ms};
use crate::store::schema::{self, Dialect};
use crate::vault::{MasterKey, VaultError};

/// Not in a backup: what migrations make again, and what is true of processes that run now only.
const LEFT_OUT: [&str; 2] = ["schema_migrations", "snapshots"];
/// What a store holds before anybody has put anything into it.
const FURNITURE: [&str; 4] = ["schema_migrations", "snapshots", "meta", "kept_windows"];
/// SQLite numbers its rows; PostgreSQL has such a column where we rely on their order.
const ROW_NUMBER: &str = "rowid";

/// A table as the database has it.
struct Table {
    name: String,
    columns: Vec<String>,
    /// The column that the database numbers itself.
    serial: Option<String>,
    /// Whether the rows have numbers beside the columns.
    is_numbered: bool,
}

fn tables(tx: &mut Tx<'_>, dialect: &Dialect) -> Result<Vec<Table>, StoreError> {
    let mut found: Vec<Table> = Vec::new();
    for row in tx.all(dialect.columns, args![])? {
        let reading = rows::Reading { table: "schema", row: &row };
        let (at, name, serial) = (reading.text("at")?, reading.text("name")?, reading.number("serial")? != 0);
        if found.last().is_none_or(|table| table.name != at) {
            let is_numbered = reading.number("numbered")? != 0;
            found.push(Table { name: at, columns: Vec::new(), serial: None, is_numbered });
        }
        if let Some(table) = found.last_mut() {
            table.serial = table.serial.take().or_else(|| serial.then(|| name.clone()));
            table.columns.push(name);
        }
    }
    Ok(found)
}

fn count(tx: &mut Tx<'_>, question: &str) -> Result<u64, StoreError> {
    let mut found = 0;
    tx.each::<StoreError>(question, |row| {
        if let Some(crate::engine::Value::Int(number)) = row.first() {
            found = number.unsigned_abs();
        }
        Ok(())
    })?;
    Ok(found)
}

/// Which gateways serve on this store.
pub(super) fn gateways(tx: &mut Tx<'_>, now: Timestamp) -> Result<Vec<String>, StoreError> {
    let sql = "SELECT DISTINCT replica FROM snapshots WHERE at > ? ORDER BY replica";
    let rows = tx.all(sql, args![ms(now - crate::store::operations::GONE_AFTER)])?;
    rows.iter().map(|row| rows::Reading { table: "snapshots", row }.text("replica")).collect()
}

/// Whether anybody has put anything into this store.
pub(super) fn holds_anything(tx: &mut Tx<'_>, dialect: &Dialect) -> Result<bool, StoreError> {
    for table in tables(tx, dialect)?.iter().filter(|table| !FURNITURE.contains(&table.name.as_str())) {
        if count(tx, &format!("SELECT COUNT(*) FROM (SELECT 1 FROM {} LIMIT 1) AS one", quoted(&table.name)))? > 0 {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Writes everything that the transaction sees into `out`.
pub(super) fn dump(tx: &mut Tx<'_>, dialect: &Dialect, about: &About, out: &mut Writing) -> Result<Manifest, BackupError> {
    let look = schema::look(tx, dialect)?;
    if look.applied == 0 {
        return Err(BackupError::Nothing);
    }
    if !look.strange.is_empty() {
        return Err(BackupError::Schema(look.strange.join("; ")));
    }
    let mut found = tables(tx, dialect)?;
    found.retain(|table| !LEFT_OUT.contains(&table.name.as_str()));
    let mut listed = Vec::with_capacity(found.len());
    for table in &found {
        let rows = count(tx, &format!("SELECT COUNT(*) FROM {}", kept(table, about.now)))?;
        listed.push(TableRows { name: table.name.clone(), columns: table.columns.clone(), rows });
    }
    let manifest = Manifest {
        frontdesk_backup: Manifest::form(),
        release: about.release.to_owned(),
        taken_at: about.now,
        database: dialect.name.to_owned(),
        migration: look.applied,
        migrations: schema::digests(dialect, look.applied),
        schema: look.fingerprint,
        master_key: master_key(tx)?,
        tables: listed,
    };
    out.line(&serde_json::to_string(&manifest).map_err(|error| StoreError::Broken(Box::new(error)))?)?;
    for (table, told) in found.iter().zip(&manifest.tables) {
        let columns: Vec<String> = table.columns.iter().map(|column| quoted(column)).collect();
        let order = match &table.serial {
            Some(serial) => format!(" ORDER BY {}", quoted(serial)),
            // The order in which rows came decides between them in some places.
            None if table.is_numbered => format!(" ORDER BY {ROW_NUMBER}"),
            None => String::new(),
        };
        let sql = format!("SELECT {} FROM {}{order}", columns.join(", "), kept(table, about.now));
        let mut rows = 0;
        tx.each(&sql, |row| {
            rows += 1;
            out.row(&row)
        })?;
        if rows != told.rows {
            // One transaction sees one state: then this is not one.
            return Err(BackupError::Counts { table: table.name.clone(), said: told.rows, found: rows });
        }
    }
    Ok(manifest)
}

/// The table with what of it is worth keeping. A stretch whose hold is over blocks nothing, and PostgreSQL would
/// not take two of them at the same time.
fn kept(table: &Table, now: Timestamp) -> String {
    match table.name.as_str() {
        "occupancy" => format!("occupancy WHERE until_ms IS NULL OR until_ms > {}", ms(now)),
        name => quoted(name),
    }
}

fn master_key(tx: &mut Tx<'_>) -> Result<Option<String>, StoreError> {
    let row = tx.first("SELECT value FROM meta WHERE key = 'master_key'", args![])?;
    row.map(|row| rows::Reading { table: "meta", row: &row }.text("value")).transpose()
}

/// Whether this release, with that key, can make a store of the backup; asked before anything is touched.
pub(super) fn acceptable(manifest: &Manifest, key: Option<&MasterKey>) -> Result<(), BackupError> {
    match (&manifest.master_key, key) {
        (None, _) => {}
        (Some(_), None) => return Err(BackupError::NoKey),
        (Some(sealed_with), Some(key)) if sealed_with != key.fingerprint() => {
            return Err(BackupError::OtherKey { backup: sealed_with.clone(), configured: key.fingerprint().to_owned() });
        }
        (Some(_), Some(_)) => {}
    }
    let source = [&schema::SQLITE, &schema::POSTGRES].into_iter().find(|dialect| dialect.name == manifest.database);
    let source = source.ok_or_else(|| BackupError::Schema(format!("it was taken from {:?}", manifest.database)))?;
    if manifest.migration > schema::migrations(source) {
        return Err(BackupError::Newer { release: manifest.release.clone(), migration: manifest.migration });
    }
    if manifest.migrations != schema::digests(source, manifest.migration) {
        return Err(BackupError::Schema("its migrations are not the ones that this release knows".to_owned()));
    }
    Ok(())
}

/// Makes the store that the backup shows in a place where there is none, brings it to this release, and proves it.
pub(super) fn build(
    tx: &mut Tx<'_>,
    dialect: &Dialect,
    backup: &mut Reading,
    key: Option<&MasterKey>,
) -> Result<Proof, BackupError> {
    let manifest = backup.manifest.clone();
    schema::migrate_until(tx, dialect, manifest.migration)?;
    let fingerprint = schema::look(tx, dialect)?.fingerprint;
    if dialect.name == manifest.database && fingerprint != manifest.schema {
        return Err(BackupError::Schema(format!("its fingerprint is {}, not {fingerprint}", manifest.schema)));
    }
    let found = tables(tx, dialect)?;
    let wanted: Vec<&Table> = found.iter().filter(|table| !LEFT_OUT.contains(&table.name.as_str())).collect();
    let is_told = |table: &&Table| manifest.tables.iter().any(|told| told.name == table.name);
    if let Some(table) = wanted.iter().find(|table| !is_told(table)) {
        return Err(BackupError::Schema(format!("it lacks the table {}", table.name)));
    }
    // A rule that looks at what was there when a row came would judge by what is there now.
    let asleep = without_triggers(tx, dialect)?;
    for told in &manifest.tables {
        let table = wanted.iter().find(|table| table.name == told.name);
        let table = table.ok_or_else(|| BackupError::Schema(format!("it has a strange table {:?}", told.name)))?;
        fits(table, told, dialect)?;
        tx.script(&format!("DELETE FROM {}", quoted(&table.name)))?;
        let mut left = told.rows;
        tx.fill(&table.name, &told.columns, || {
            let row = if left == 0 { None } else { Some(backup.row(told.columns.len())?) };
            left = left.saturating_sub(1);
            Ok::<_, BackupError>(row)
        })?;
        let rows = count(tx, &format!("SELECT COUNT(*) FROM {}", quoted(&table.name)))?;
        if rows != told.rows {
            return Err(BackupError::Counts { table: told.name.clone(), said: told.rows, found: rows });
        }
        if let Some(serial) = &table.serial {
            let (table, column) = (quoted(&table.name), quoted(serial));
            let place = format!("pg_get_serial_sequence('{}', '{serial}')", table.replace('\'', "''"));
            // The next number comes after all that were given.
            tx.each(&format!("SELECT setval({place}, COALESCE(MAX({column}), 0) + 1, false) FROM {table}"), |_| {
                Ok::<_, StoreError>(())
            })?;
        }
    }
    for again in asleep {
        tx.script(&again)?;
    }
    schema::prepare(tx, dialect)?;
    proven(tx, dialect, manifest, key)
}

/// The columns are the table's. SQLite's rows have no number of their own in the file: they get one in their order.
fn fits(table: &Table, told: &TableRows, dialect: &Dialect) -> Result<(), BackupError> {
    let is_number = |column: &str| column == ROW_NUMBER;
    let known = |column: &String| table.columns.contains(column) || (dialect.name == "sqlite" && is_number(column));
    let unknown = |column: &&String| !known(column);
    let absent = |column: &&String| !told.columns.contains(column) && !is_number(column);
    match told.columns.iter().find(unknown).or_else(|| table.columns.iter().find(absent)) {
        None => Ok(()),
        Some(column) => Err(BackupError::Schema(format!("the column {:?} of the table {} does not fit", column, table.name))),
    }
}

/// Puts the triggers to sleep; returns what wakes them.
fn without_triggers(tx: &mut Tx<'_>, dialect: &Dialect) -> Result<Vec<String>, StoreError> {
    let mut again = Vec::new();
    for row in tx.all(dialect.triggers, args![])? {
        let reading = rows::Reading { table: "schema", row: &row };
        let (name, at, sql) = (quoted(&reading.text("name")?), quoted(&reading.text("at")?), reading.text("sql")?);
        if sql.is_empty() {
            tx.script(&format!("ALTER TABLE {at} DISABLE TRIGGER {name}"))?;
            again.push(format!("ALTER TABLE {at} ENABLE TRIGGER {name}"));
        } else {
            tx.script(&format!("DROP TRIGGER {name}"))?;
            again.push(sql);
        }
    }
    Ok(again)
}

/// What a gateway needs first: the secrets open, the tenants can be read.
fn proven(tx: &mut Tx<'_>, dialect: &Dialect, manifest: Manifest, key: Option<&MasterKey>) -> Result<Proof, BackupError> {
    let (mut secrets, mut tenants) = (0, 0);
    for row in tx.all("SELECT tenant, name, sealed FROM tenant_secrets", args![])? {
        let reading = rows::Reading { table: "tenant_secrets", row: &row };
        let (tenant, name) = (TenantId::new(reading.text("tenant")?), reading.text("name")?);
        let key = key.ok_or(BackupError::NoKey)?;
        key.open(&tenant, &name, reading.bytes("sealed")?).map_err(|error: VaultError| StoreError::Broken(Box::new(error)))?;
        secrets += 1;
    }
    for row in tx.all("SELECT body FROM tenants", args![])? {
        rows::Reading { table: "tenants", row: &row }.json::<Tenant>("body")?;
        tenants += 1;
    }
    let newest = tx.first("SELECT slug, revision FROM tenant_revisions ORDER BY made_at DESC, revision DESC LIMIT 1", args![])?;
    let newest_revision = newest
        .map(|row| {
            let reading = rows::Reading { table: "tenant_revisions", row: &row };
            Ok::<_, StoreError>(format!("{} {}", reading.text("slug")?, reading.number("revision")?))
        })
        .transpose()?;
    if dialect.name == "sqlite" {
        let row = tx.first("SELECT integrity_check AS said FROM pragma_integrity_check LIMIT 1", args![])?;
        let said = row.map(|row| rows::Reading { table: "integrity_check", row: &row }.text("said")).transpose()?;
        if let Some(said) = said.filter(|said| said != "ok") {
            return Err(BackupError::Integrity(said));
        }
    }
    let schema = schema::look(tx, dialect)?.fingerprint;
    Ok(Proof { manifest, schema, secrets, tenants, newest_revision })
}
