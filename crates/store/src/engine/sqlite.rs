//! SQLite: one writer thread, a few readers, write-ahead log.
//!
//! Writes that wait at the same time share one commit: what it costs (system calls, and for promises a visit to
//! the disk) is paid once for all of them. Where one of them takes itself back, all are done anew, each in a
//! savepoint of its own.

use std::cell::RefCell;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use frontdesk_core::ports::StoreError;
use rusqlite::config::DbConfig;
use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{OpenFlags, ToSql};

use super::queue::{Queue, Work, shared};
use super::{Arg, Durability, Engine, On, Row, Tx, Value, listed, quoted, spawn};

/// How many threads read.
const READERS: usize = 2;
/// How long a transaction waits for another process's.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// So many pages of 4 kB wait in the log before they are carried over: a page that many commits changed is carried once.
const CHECKPOINT: u32 = 4000;
/// Kilobytes of pages that who only reads keeps: after another's commit they are read anew anyway.
const READ_CACHE: i64 = 256;
/// Of who serves writes: the pages that are always touched, and those of the commit under way. Bringing the schema
/// forward, restoring and looking have what SQLite gives them.
const WRITE_CACHE: i64 = 1024;
/// Statements that stay prepared, per connection; there are fewer in this crate.
const PREPARED: usize = 200;

/// A connection that knows the names of its statements' columns.
pub(crate) struct Connection {
    raw: rusqlite::Connection,
    columns: RefCell<HashMap<&'static str, Arc<[Box<str>]>>>,
}

impl Connection {
    fn open(file: &Path, flags: OpenFlags) -> Result<Self, StoreError> {
        let raw = rusqlite::Connection::open_with_flags(file, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX).map_err(failed)?;
        raw.busy_timeout(BUSY_TIMEOUT).map_err(failed)?;
        raw.pragma_update(None, "foreign_keys", true).map_err(failed)?;
        // What is deleted is overwritten in its page, so that an erased caller is not read out of the file. WHY NOT
        // `on`: it writes pages that are given free as a whole once more, for every hold that ends as well.
        raw.execute_batch("PRAGMA secure_delete = fast").map_err(failed)?;
        // A statement is planned once, not again for every argument.
        raw.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true).map_err(failed)?;
        raw.set_prepared_statement_cache_capacity(PREPARED);
        if flags.contains(OpenFlags::SQLITE_OPEN_READ_ONLY) {
            raw.pragma_update(None, "cache_size", -READ_CACHE).map_err(failed)?;
        }
        Ok(Self { raw, columns: RefCell::default() })
    }

    pub(crate) fn run(&self, sql: &'static str, args: &[Arg<'_>]) -> Result<u64, StoreError> {
        let mut statement = self.raw.prepare_cached(sql).map_err(failed)?;
        let touched = statement.execute(rusqlite::params_from_iter(args)).map_err(failed)?;
        Ok(u64::try_from(touched).unwrap_or(u64::MAX))
    }

    /// Runs a statement; `false` when a trigger refused it with `word`, which undoes this statement and no other.
    pub(crate) fn run_unless_refused(&self, sql: &'static str, args: &[Arg<'_>], word: &str) -> Result<bool, StoreError> {
        let mut statement = self.raw.prepare_cached(sql).map_err(failed)?;
        match statement.execute(rusqlite::params_from_iter(args)) {
            Ok(_) => Ok(true),
            Err(rusqlite::Error::SqliteFailure(error, Some(said)))
                if error.extended_code == rusqlite::ffi::SQLITE_CONSTRAINT_TRIGGER && said == word =>
            {
                Ok(false)
            }
            Err(error) => Err(failed(error)),
        }
    }

    pub(crate) fn all(&self, sql: &'static str, args: &[Arg<'_>]) -> Result<Vec<Row>, StoreError> {
        let mut statement = self.raw.prepare_cached(sql).map_err(failed)?;
        let columns =
            self.columns.borrow_mut().entry(sql).or_insert_with(|| statement.column_names().map(Box::from).collect()).clone();
        let mut found = Vec::new();
        let mut rows = statement.query(rusqlite::params_from_iter(args)).map_err(failed)?;
        while let Some(row) = rows.next().map_err(failed)? {
            let values = (0..columns.len()).map(|at| row.get_ref(at).map(read)).collect::<Result<_, _>>().map_err(failed)?;
            found.push(Row { columns: columns.clone(), values });
        }
        Ok(found)
    }

    pub(crate) fn script(&self, script: &str) -> Result<(), StoreError> {
        self.raw.execute_batch(script).map_err(failed)
    }

    pub(crate) fn each<E: From<StoreError>>(
        &self,
        sql: &str,
        mut each: impl FnMut(Vec<Value>) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut statement = self.raw.prepare(sql).map_err(failed)?;
        let width = statement.column_count();
        let mut rows = statement.query([]).map_err(failed)?;
        while let Some(row) = rows.next().map_err(failed)? {
            let values = (0..width).map(|at| row.get_ref(at).map(read)).collect::<Result<_, _>>().map_err(failed)?;
            each(values)?;
        }
        Ok(())
    }

    pub(crate) fn fill<E: From<StoreError>>(
        &self,
        table: &str,
        columns: &[String],
        mut next: impl FnMut() -> Result<Option<Vec<Value>>, E>,
    ) -> Result<u64, E> {
        let marks = vec!["?"; columns.len()].join(", ");
        let sql = format!("INSERT INTO {} ({}) VALUES ({marks})", quoted(table), listed(columns));
        let mut statement = self.raw.prepare(&sql).map_err(failed)?;
        let mut count = 0;
        while let Some(row) = next()? {
            statement.execute(rusqlite::params_from_iter(row.into_iter().map(Arg::from))).map_err(failed)?;
            count += 1;
        }
        Ok(count)
    }
}

/// Opens the file and starts its threads. `prepare` runs on the writer before anything else.
pub(crate) fn open(file: &Path, prepare: impl FnOnce(&mut Tx<'_>) -> Result<(), StoreError>) -> Result<Engine, StoreError> {
    if let Some(folder) = file.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        std::fs::create_dir_all(folder).map_err(|error| StoreError::Broken(Box::new(error)))?;
    }
    let writer = Connection::open(file, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE)?;
    writer.raw.pragma_update(None, "journal_mode", "wal").map_err(failed)?;
    writer.raw.pragma_update(None, "synchronous", "full").map_err(failed)?;
    writer.raw.pragma_update(None, "wal_autocheckpoint", CHECKPOINT).map_err(failed)?;
    writer.script("BEGIN IMMEDIATE")?;
    prepare(&mut Tx::on(On::Sqlite(&writer)))?;
    writer.script("COMMIT")?;
    writer.raw.pragma_update(None, "cache_size", -WRITE_CACHE).map_err(failed)?;

    let (reads, writes) = (Arc::new(Queue::default()), Arc::new(Queue::default()));
    let mut threads = Vec::with_capacity(READERS + 1);
    for _ in 0..READERS {
        let reader = Connection::open(file, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        let queue = reads.clone();
        threads.push(spawn("store-reader", move || {
            while let Some(work) = queue.take() {
                read_once(&reader, work);
            }
        })?);
    }
    let queue = writes.clone();
    threads.push(spawn("store-writer", move || {
        let mut writer = Writer { connection: writer, durability: Durability::Power };
        loop {
            let batch = queue.take_batch();
            if batch.is_empty() {
                break;
            }
            writer.commit(batch);
        }
    })?);
    let peeks = Peeks { file: file.to_owned(), idle: Mutex::default() };
    Ok(Engine::of_file(peeks, reads, writes, threads))
}

/// Runs `work` on the only connection to a new file, which is made here and nobody else may read.
pub(crate) fn apart<T, E: From<StoreError>>(file: &Path, work: impl FnOnce(&mut Tx<'_>) -> Result<T, E>) -> Result<T, E> {
    use std::os::unix::fs::OpenOptionsExt as _;

    let made = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(file);
    made.map_err(|error| StoreError::Broken(Box::new(error)))?;
    let connection = Connection::open(file, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    work(&mut Tx::on(On::Sqlite(&connection)))
}

/// Ends a look that takes too long.
#[derive(Clone, Default)]
pub(crate) struct Stop(Arc<Mutex<Option<rusqlite::InterruptHandle>>>);

impl Stop {
    pub(crate) fn now(&self) {
        if let Some(handle) = &*self.0.lock().unwrap_or_else(PoisonError::into_inner) {
            handle.interrupt();
        }
    }
}

/// Runs `work` on a connection of its own to a file that is there.
pub(crate) fn alone<T, E: From<StoreError>>(
    file: &Path,
    stop: &Stop,
    work: impl FnOnce(&mut Tx<'_>) -> Result<T, E>,
) -> Result<T, E> {
    let connection = Connection::open(file, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    *stop.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(connection.raw.get_interrupt_handle());
    work(&mut Tx::on(On::Sqlite(&connection)))
}

/// Connections for who reads a few rows on its own thread: as many as were ever needed at once.
pub(crate) struct Peeks {
    file: PathBuf,
    idle: Mutex<Vec<Connection>>,
}

impl Peeks {
    pub(crate) fn run<T>(&self, work: impl Fn(&mut Tx<'_>) -> Result<T, StoreError>) -> Result<T, StoreError> {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let reader = match idle {
            Some(reader) => reader,
            None => Connection::open(&self.file, OpenFlags::SQLITE_OPEN_READ_ONLY)?,
        };
        let answer = work(&mut Tx::on(On::Sqlite(&reader)));
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(reader);
        answer
    }

    /// Lets the connections go; who peeks afterwards opens one anew.
    pub(crate) fn close(&self) {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

fn read_once(reader: &Connection, mut work: Box<dyn Work>) {
    if !work.is_wanted() {
        return;
    }
    // In a transaction, so that all statements of the closure see one state.
    match reader.run("BEGIN", &[]) {
        Ok(_) => {
            work.run(&mut Tx::on(On::Sqlite(reader)));
            if let Err(error) = reader.run("COMMIT", &[]) {
                work.fail(error);
                // The transaction only read: whatever is left of it is let go.
                let _ = reader.script("ROLLBACK");
            }
        }
        Err(error) => work.fail(error),
    }
    work.answer();
}

struct Writer {
    connection: Connection,
    /// What the connection's commits survive right now.
    durability: Durability,
}

impl Writer {
    /// Does what is wanted of `batch` and commits it as one.
    fn commit(&mut self, mut batch: Vec<Box<dyn Work>>) {
        batch.retain(|work| work.is_wanted());
        let Some(durability) = batch.iter().map(|work| work.durability()).max() else { return };
        if let Err(error) = self.try_commit(durability, &mut batch) {
            if !self.connection.raw.is_autocommit() {
                // The commit failed: nothing of it may stay open. A second failure shows at the next BEGIN.
                let _ = self.connection.script("ROLLBACK");
            }
            for work in &mut batch {
                work.fail(shared(&error));
            }
        }
        for work in batch {
            work.answer();
        }
    }

    fn try_commit(&mut self, durability: Durability, batch: &mut [Box<dyn Work>]) -> Result<(), StoreError> {
        let connection = &self.connection;
        if durability != self.durability {
            let wanted = if durability == Durability::Power { "full" } else { "normal" };
            connection.raw.pragma_update(None, "synchronous", wanted).map_err(failed)?;
            self.durability = durability;
        }
        connection.run("BEGIN IMMEDIATE", &[])?;
        if !self.together(batch)? {
            connection.run("ROLLBACK", &[])?;
            if batch.len() == 1 {
                return Ok(());
            }
            // The others did nothing wrong.
            connection.run("BEGIN IMMEDIATE", &[])?;
            self.apart(batch)?;
        }
        connection.run("COMMIT", &[]).map(drop)
    }

    /// Does all of `batch` in the open transaction, as if all of it were kept, which it nearly always is: a savepoint
    /// for each costs more than many of them do. `false` when something has to be taken back.
    fn together(&self, batch: &mut [Box<dyn Work>]) -> Result<bool, StoreError> {
        for work in batch {
            let before = self.connection.raw.total_changes();
            // Whoever changed nothing leaves nothing to take back.
            if !self.once(work)? && self.connection.raw.total_changes() != before {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Does all of `batch` in the open transaction, each in a savepoint of its own.
    fn apart(&self, batch: &mut [Box<dyn Work>]) -> Result<(), StoreError> {
        for work in batch {
            self.connection.run("SAVEPOINT visit", &[])?;
            if !self.once(work)? {
                self.connection.run("ROLLBACK TO visit", &[])?;
            }
            self.connection.run("RELEASE visit", &[])?;
        }
        Ok(())
    }

    /// Whether what `work` did is to be kept.
    fn once(&self, work: &mut Box<dyn Work>) -> Result<bool, StoreError> {
        let is_kept = work.run(&mut Tx::on(On::Sqlite(&self.connection)));
        if self.connection.raw.is_autocommit() {
            // SQLite takes a whole transaction back where the disk fails it; the error is with the work.
            return Err(StoreError::Broken(Box::new(TakenBack)));
        }
        Ok(is_kept)
    }
}

#[derive(Debug, thiserror::Error)]
#[error("SQLite took the transaction back")]
struct TakenBack;

impl ToSql for Arg<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Arg::Null => ValueRef::Null,
            Arg::Int(number) => ValueRef::Integer(*number),
            Arg::Text(text) => ValueRef::Text(text.as_bytes()),
            Arg::Blob(bytes) => ValueRef::Blob(bytes),
        }))
    }
}

fn read(value: ValueRef<'_>) -> Value {
    match value {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(number) => Value::Int(number),
        // No column of ours is REAL: its digits are as good as anything for the error that follows.
        ValueRef::Real(number) => Value::Text(number.to_string()),
        ValueRef::Text(text) => {
            Value::Text(std::str::from_utf8(text).map_or_else(|_| String::from_utf8_lossy(text).into_owned(), str::to_owned))
        }
        ValueRef::Blob(bytes) => Value::Blob(bytes.to_vec()),
    }
}

/// Classifies what SQLite says: a database that is busy is passing, the rest is not.
fn failed(error: rusqlite::Error) -> StoreError {
    use rusqlite::ErrorCode::{DatabaseBusy, DatabaseLocked};

    match error.sqlite_error_code() {
        Some(DatabaseBusy | DatabaseLocked) => StoreError::Busy(Box::new(error)),
        _ => StoreError::Broken(Box::new(error)),
    }
}
