//! One SQL for every database: a transaction, its arguments, its rows, and the engine that runs it.
//!
//! A visit to the store is one closure that runs on a database's own thread, whatever number of
//! statements it has: the hand-over between a request and the database is paid once. Closures may run
//! more than once (a database that serialises by retrying does that), so they only read what they
//! captured. Text of statements is written once, with `?` or `?1`, for all databases.

pub(crate) mod postgres;
pub(crate) mod queue;
pub(crate) mod sqlite;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use frontdesk_core::ports::StoreError;
use tokio::sync::oneshot;

use crate::engine::queue::{Job, Queue};

/// What has to be on the disk before a commit returns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Durability {
    /// Survives the process being killed.
    Process,
    /// Survives the power going away.
    Power,
}

/// What a statement is given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Arg<'a> {
    Null,
    Int(i64),
    Text(Cow<'a, str>),
    Blob(Cow<'a, [u8]>),
}

impl From<i64> for Arg<'_> {
    fn from(value: i64) -> Self {
        Self::Int(value)
    }
}

impl<'a> From<&'a str> for Arg<'a> {
    fn from(value: &'a str) -> Self {
        Self::Text(Cow::Borrowed(value))
    }
}

impl<'a> From<&'a String> for Arg<'a> {
    fn from(value: &'a String) -> Self {
        Self::Text(Cow::Borrowed(value))
    }
}

impl From<String> for Arg<'_> {
    fn from(value: String) -> Self {
        Self::Text(Cow::Owned(value))
    }
}

impl<'a> From<&'a [u8]> for Arg<'a> {
    fn from(value: &'a [u8]) -> Self {
        Self::Blob(Cow::Borrowed(value))
    }
}

impl From<Vec<u8>> for Arg<'_> {
    fn from(value: Vec<u8>) -> Self {
        Self::Blob(Cow::Owned(value))
    }
}

impl<'a, T: Into<Arg<'a>>> From<Option<T>> for Arg<'a> {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

impl<'a> From<&'a Option<String>> for Arg<'a> {
    fn from(value: &'a Option<String>) -> Self {
        value.as_ref().into()
    }
}

impl From<Value> for Arg<'_> {
    fn from(value: Value) -> Self {
        match value {
            Value::Null => Self::Null,
            Value::Int(number) => Self::Int(number),
            Value::Text(text) => Self::Text(Cow::Owned(text)),
            Value::Blob(bytes) => Self::Blob(Cow::Owned(bytes)),
        }
    }
}

/// The arguments of a statement, in order.
macro_rules! args {
    ($($value:expr),* $(,)?) => { &[$($crate::engine::Arg::from($value)),*] };
}
pub(crate) use args;

/// What a row holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Value {
    Null,
    Int(i64),
    Text(String),
    Blob(Vec<u8>),
}

/// A row that was read.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    pub(crate) columns: Arc<[Box<str>]>,
    pub(crate) values: Vec<Value>,
}

impl Row {
    /// The value of a column; `None` when the statement has no such column.
    pub(crate) fn get(&self, column: &str) -> Option<&Value> {
        let position = self.columns.iter().position(|name| **name == *column)?;
        self.values.get(position)
    }

    /// The first column as a number; 0 for anything else. For `EXISTS`, `COUNT` and their like.
    pub(crate) fn number(&self) -> i64 {
        match self.values.first() {
            Some(Value::Int(number)) => *number,
            _ => 0,
        }
    }
}

/// A name of the schema as SQL writes it.
pub(crate) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// Names of columns as SQL lists them.
fn listed(columns: &[String]) -> String {
    columns.iter().map(|column| quoted(column)).collect::<Vec<_>>().join(", ")
}

/// A transaction. What it did is kept when its closure returns `Ok`, unless it was [`Tx::undone`].
pub(crate) struct Tx<'c> {
    on: On<'c>,
    keep: bool,
}

pub(crate) enum On<'c> {
    Sqlite(&'c sqlite::Connection),
    Postgres(&'c mut postgres::session::Session),
}

impl<'c> Tx<'c> {
    pub(crate) fn on(on: On<'c>) -> Self {
        Self { on, keep: true }
    }

    /// Runs a statement; returns how many rows it touched.
    pub(crate) fn run(&mut self, sql: &'static str, args: &[Arg<'_>]) -> Result<u64, StoreError> {
        match &mut self.on {
            On::Sqlite(connection) => connection.run(sql, args),
            On::Postgres(session) => session.run(sql, args),
        }
    }

    /// Runs a statement; `false` when a trigger refused it with `word`. `None` where a refusal would end the whole
    /// transaction: then nothing was run.
    pub(crate) fn run_unless_refused(
        &mut self,
        sql: &'static str,
        args: &[Arg<'_>],
        word: &str,
    ) -> Result<Option<bool>, StoreError> {
        match &mut self.on {
            On::Sqlite(connection) => connection.run_unless_refused(sql, args, word).map(Some),
            On::Postgres(_) => Ok(None),
        }
    }

    /// All rows.
    pub(crate) fn all(&mut self, sql: &'static str, args: &[Arg<'_>]) -> Result<Vec<Row>, StoreError> {
        match &mut self.on {
            On::Sqlite(connection) => connection.all(sql, args),
            On::Postgres(session) => session.all(sql, args),
        }
    }

    /// The first row, if there is one.
    pub(crate) fn first(&mut self, sql: &'static str, args: &[Arg<'_>]) -> Result<Option<Row>, StoreError> {
        Ok(self.all(sql, args)?.into_iter().next())
    }

    /// The one number that the statement answers with, 0 when it answers with nothing.
    pub(crate) fn number(&mut self, sql: &'static str, args: &[Arg<'_>]) -> Result<i64, StoreError> {
        Ok(self.first(sql, args)?.map_or(0, |row| row.number()))
    }

    /// Whether `SELECT EXISTS (…)` says yes.
    pub(crate) fn exists(&mut self, sql: &'static str, args: &[Arg<'_>]) -> Result<bool, StoreError> {
        Ok(self.number(sql, args)? != 0)
    }

    /// Runs a script of several statements.
    pub(crate) fn script(&mut self, script: &str) -> Result<(), StoreError> {
        match &mut self.on {
            On::Sqlite(connection) => connection.script(script),
            On::Postgres(session) => session.script(script),
        }
    }

    /// Hands every row of a statement to `each`, without ever holding all of them. The statement is made up at run
    /// time, which only a copy of whole tables needs.
    pub(crate) fn each<E: From<StoreError>>(
        &mut self,
        sql: &str,
        each: impl FnMut(Vec<Value>) -> Result<(), E>,
    ) -> Result<(), E> {
        match &mut self.on {
            On::Sqlite(connection) => connection.each(sql, each),
            On::Postgres(session) => session.each(sql, each),
        }
    }

    /// Puts whole rows into a table, given by `next` one by one; returns how many there were.
    pub(crate) fn fill<E: From<StoreError>>(
        &mut self,
        table: &str,
        columns: &[String],
        next: impl FnMut() -> Result<Option<Vec<Value>>, E>,
    ) -> Result<u64, E> {
        match &mut self.on {
            On::Sqlite(connection) => connection.fill(table, columns, next),
            On::Postgres(session) => session.fill(table, columns, next),
        }
    }

    /// Takes back everything that this transaction did, and answers `value` all the same.
    pub(crate) fn undone<T>(&mut self, value: T) -> T {
        self.keep = false;
        value
    }

    pub(crate) fn is_kept(&self) -> bool {
        self.keep
    }
}

/// A database with its threads. Dropped, its threads finish what was handed to them and leave.
pub(crate) struct Engine {
    /// Where the database is a file of this machine.
    peeks: Option<sqlite::Peeks>,
    reads: Arc<Queue>,
    writes: Arc<Queue>,
    /// What nobody waits for, in order.
    later: Arc<Queue>,
    /// Whether another process works on the same file right now.
    others: AtomicBool,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

impl Engine {
    /// One writer, which also writes what nobody waits for.
    pub(crate) fn of_file(peeks: sqlite::Peeks, reads: Arc<Queue>, writes: Arc<Queue>, threads: Vec<JoinHandle<()>>) -> Self {
        Self {
            peeks: Some(peeks),
            reads,
            later: writes.clone(),
            writes,
            others: AtomicBool::new(false),
            threads: Mutex::new(threads),
        }
    }

    /// Many writers, and one for what nobody waits for.
    pub(crate) fn of_server(reads: Arc<Queue>, writes: Arc<Queue>, later: Arc<Queue>, threads: Vec<JoinHandle<()>>) -> Self {
        Self { peeks: None, reads, writes, later, others: AtomicBool::new(false), threads: Mutex::new(threads) }
    }

    /// Whether other processes read what this one writes: then what was acknowledged has to be there for them.
    pub(crate) fn is_shared(&self) -> bool {
        self.peeks.is_none() || self.others.load(Ordering::Acquire)
    }

    /// Says whether another process works on this database right now.
    pub(crate) fn share(&self, others: bool) {
        self.others.store(others, Ordering::Release);
    }

    /// Runs `work`, which reads a few rows by an index: where the database is a file of this machine, on the thread
    /// that asks, because handing over would cost more than the reading. Each of its statements sees a state of its own.
    pub(crate) async fn peek<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: Fn(&mut Tx<'_>) -> Result<T, StoreError> + Send + 'static,
    {
        match &self.peeks {
            Some(peeks) => peeks.run(work),
            None => Self::ask(&self.reads, |to| Job::peek(work, to)).await,
        }
    }

    /// Runs `work` on one consistent state of the database.
    pub(crate) async fn read<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: Fn(&mut Tx<'_>) -> Result<T, StoreError> + Send + 'static,
    {
        Self::ask(&self.reads, |to| Job::awaited(Durability::Process, work, to)).await
    }

    /// Runs `work` as one transaction. Given up before its turn came, it never happens; from then on it
    /// happens whole.
    pub(crate) async fn write<T, F>(&self, durability: Durability, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: Fn(&mut Tx<'_>) -> Result<T, StoreError> + Send + 'static,
    {
        Self::ask(&self.writes, |to| Job::awaited(durability, work, to)).await
    }

    /// Hands `work` over to be written after everything that was handed over here before it; where there is
    /// one writer, before everything that comes after as well. That it failed is told to the log only; `then`
    /// runs when it is over.
    pub(crate) async fn write_later<F, G>(&self, what: &'static str, work: F, then: G) -> Result<(), StoreError>
    where
        F: Fn(&mut Tx<'_>) -> Result<(), StoreError> + Send + 'static,
        G: FnOnce() + Send + 'static,
    {
        self.later.push(Box::new(Job::deferred(what, work, Box::new(then))))
    }

    /// Waits until everything that was handed over to be written later is written.
    pub(crate) async fn settled(&self) -> Result<(), StoreError> {
        Self::ask(&self.later, |to| Job::awaited(Durability::Process, |_: &mut Tx<'_>| Ok(()), to)).await
    }

    /// Ends the threads after what was handed to them.
    pub(crate) async fn close(&self) {
        self.peeks.iter().for_each(sqlite::Peeks::close);
        let mut threads = std::mem::take(&mut *self.threads.lock().unwrap_or_else(PoisonError::into_inner));
        if self.peeks.is_some() {
            // The writer is the last one to leave a file: who only reads cannot bring over what is in its log.
            let writer = threads.pop();
            self.reads.close();
            Self::join(threads).await;
            threads = Vec::from_iter(writer);
        }
        self.close_queues();
        Self::join(threads).await;
    }

    async fn join(threads: Vec<JoinHandle<()>>) {
        for thread in threads {
            // A thread that panicked has said so already.
            let _ = tokio::task::spawn_blocking(move || thread.join()).await;
        }
    }

    fn close_queues(&self) {
        for queue in [&self.reads, &self.writes, &self.later] {
            queue.close();
        }
    }

    async fn ask<T, F>(
        queue: &Queue,
        job: impl FnOnce(oneshot::Sender<Result<T, StoreError>>) -> Job<T, F>,
    ) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: Fn(&mut Tx<'_>) -> Result<T, StoreError> + Send + 'static,
    {
        let (to, answer) = oneshot::channel();
        queue.push(Box::new(job(to)))?;
        answer.await.unwrap_or_else(|_| Err(queue::lost()))
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.close_queues();
    }
}

fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>, StoreError> {
    std::thread::Builder::new().name(name.to_owned()).spawn(work).map_err(|error| StoreError::Broken(Box::new(error)))
}
