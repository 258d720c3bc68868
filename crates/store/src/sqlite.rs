//! SQLite: one writer connection, a few readers.

pub(crate) mod callbacks;
pub(crate) mod calls;
pub(crate) mod claims;
pub(crate) mod diary;
pub(crate) mod diary_rows;
pub(crate) mod exchanges;
pub(crate) mod holds;
pub(crate) mod operations;
pub(crate) mod schema;
pub(crate) mod settle;
pub(crate) mod tenants;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use frontdesk_core::clock::Dice;
use frontdesk_core::ports::StoreError;
use sqlx::pool::PoolConnection;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{SqlSafeStr as _, Sqlite, Transaction};

use crate::rows::failed;
use crate::vault::MasterKey;

/// How many connections read at once.
const READERS: u32 = 4;
/// How long a transaction waits for another process's.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// Where the store is and what it needs.
pub struct StoreSettings {
    /// The database file; its folder is made.
    pub file: PathBuf,
    /// Opens and seals tenants' secrets; `None` where no secret is needed.
    pub master_key: Option<Arc<MasterKey>>,
    /// Nonces and keys come from here.
    pub dice: Arc<dyn Dice>,
}

/// Everything on one SQLite file. Cheap to clone.
#[derive(Clone)]
pub struct SqliteStore {
    pub(crate) writer: SqlitePool,
    pub(crate) readers: SqlitePool,
    pub(crate) master_key: Option<Arc<MasterKey>>,
    pub(crate) dice: Arc<dyn Dice>,
    /// Whether the writer's commits survive the power going away right now.
    is_durable: Arc<AtomicBool>,
}

/// What has to be on the disk before a commit returns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Durability {
    /// Survives the power going away.
    Power,
    /// Survives the process being killed.
    Process,
}

impl SqliteStore {
    /// Opens the file, makes it if it is not there, and brings its schema forward.
    pub async fn open(settings: StoreSettings) -> Result<Self, StoreError> {
        if let Some(folder) = settings.file.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            std::fs::create_dir_all(folder).map_err(|error| StoreError::Broken(Box::new(error)))?;
        }
        let options = SqliteConnectOptions::new()
            .filename(&settings.file)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(BUSY_TIMEOUT)
            .foreign_keys(true)
            .statement_cache_capacity(200)
            .optimize_on_close(false, None);
        let writer = SqlitePoolOptions::new()
            .max_connections(1)
            .min_connections(1)
            .idle_timeout(None)
            .max_lifetime(None)
            .connect_with(options.clone())
            .await
            .map_err(failed)?;
        schema::migrate(&writer).await?;
        let readers = SqlitePoolOptions::new()
            .max_connections(READERS)
            .min_connections(1)
            .idle_timeout(None)
            .max_lifetime(None)
            .connect_with(options.read_only(true).create_if_missing(false))
            .await
            .map_err(failed)?;
        Ok(Self {
            writer,
            readers,
            master_key: settings.master_key,
            dice: settings.dice,
            is_durable: Arc::new(AtomicBool::new(true)),
        })
    }

    /// Closes all connections; what was written stays.
    pub async fn close(&self) {
        self.readers.close().await;
        self.writer.close().await;
    }

    /// Begins the one write transaction. Dropped without a commit, it leaves nothing behind.
    pub(crate) async fn write(&self, durability: Durability) -> Result<Transaction<'static, Sqlite>, StoreError> {
        let connection = self.writer(durability).await?;
        Transaction::begin(connection, Some("BEGIN IMMEDIATE".into_sql_str())).await.map_err(failed)
    }

    /// The one writer, for a single statement that is its own transaction.
    pub(crate) async fn writer(&self, durability: Durability) -> Result<PoolConnection<Sqlite>, StoreError> {
        let mut connection = self.writer.acquire().await.map_err(failed)?;
        // Only who holds the one writer looks at the note. It never claims more than the connection does,
        // also when this request is given up between the two steps.
        match (durability, self.is_durable.load(Ordering::Relaxed)) {
            (Durability::Power, false) => {
                sqlx::query("PRAGMA synchronous = FULL").execute(&mut *connection).await.map_err(failed)?;
                self.is_durable.store(true, Ordering::Relaxed);
            }
            (Durability::Process, true) => {
                self.is_durable.store(false, Ordering::Relaxed);
                sqlx::query("PRAGMA synchronous = NORMAL").execute(&mut *connection).await.map_err(failed)?;
            }
            (Durability::Power, true) | (Durability::Process, false) => {}
        }
        Ok(connection)
    }
}
