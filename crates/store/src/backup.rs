//! Backups: everything that a store holds at one moment, taken while gateways serve, and a store made of it.
//!
//! One form for both databases, written through our own SQL in one transaction that sees one state. So a backup
//! needs no program of PostgreSQL, a restore is held to the same schema as any start, and what was taken from a
//! file may be restored to a PostgreSQL.

mod file;
mod rows;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use frontdesk_core::ports::StoreError;
use jiff::Timestamp;

pub use self::file::{Manifest, TableRows};

use self::file::{Reading, Writing};
use crate::engine::postgres::session::Session;
use crate::engine::{Durability, On, Tx, args, postgres, quoted, sqlite};
use crate::rows::ms;
use crate::store::Store;
use crate::store::operations::{AuditRow, audit};
use crate::store::place::{Place, address, apart};
use crate::store::schema;
use crate::vault::MasterKey;

/// Nothing here is a visit: it takes as long as the store is large.
const UNBOUNDED: &str = "SET statement_timeout = 0; SET idle_in_transaction_session_timeout = 0; SET lock_timeout = '60s'";

/// Who takes or restores a backup, and when.
#[derive(Debug, Clone)]
pub struct About {
    /// This release.
    pub release: &'static str,
    /// This moment.
    pub now: Timestamp,
    /// Something that names no other file of that moment.
    pub mark: String,
    /// For the audit.
    pub who: String,
}

/// A backup that was taken.
#[derive(Debug, Clone)]
pub struct Taken {
    /// What it says of itself.
    pub manifest: Manifest,
    /// How long it is.
    pub bytes: u64,
    /// What its last line says.
    pub sha256: String,
}

/// What was made sure of in a restored store.
#[derive(Debug, Clone)]
pub struct Proof {
    /// What the backup says of itself; every table has as many rows as it says.
    pub manifest: Manifest,
    /// The fingerprint of the schema, which is the one that this release makes.
    pub schema: String,
    /// So many secrets were opened with the master key.
    pub secrets: u64,
    /// So many tenants were read.
    pub tenants: u64,
    /// The newest revision of a tenant.
    pub newest_revision: Option<String>,
}

/// Why there is no backup, or no store made of one. Nothing was changed then.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// A file that cannot be read or written.
    #[error("{place}: {error}", place = .0.display(), error = .1)]
    File(PathBuf, std::io::Error),
    /// The backup would overwrite something.
    #[error("{} is there already: a backup never overwrites anything", .0.display())]
    Exists(PathBuf),
    /// Another file.
    #[error("{} is no backup of frontdesk", .0.display())]
    Foreign(PathBuf),
    /// Truncated or changed.
    #[error("{} is damaged: it is not what its checksum was made of; take an older one", .0.display())]
    Damaged(PathBuf),
    /// A file of a later form.
    #[error("the backup has form {0}, which this release cannot read: use the release that wrote it, or a newer one")]
    Form(u32),
    /// A store of a later release.
    #[error(
        "the backup was written by release {release} at migration {migration}, which this release does not have: use that release, or a newer one"
    )]
    Newer {
        /// Who wrote it.
        release: String,
        /// Its last migration.
        migration: usize,
    },
    /// No store is there to be backed up.
    #[error("there is no store yet at the place that the configuration names")]
    Nothing,
    /// A schema that is not ours.
    #[error("the schema is not the one that this release makes and knows: {0}")]
    Schema(String),
    /// Rows went missing.
    #[error("the table {table} has {found} rows where the manifest says {said}")]
    Counts {
        /// Which table.
        table: String,
        /// What the manifest says.
        said: u64,
        /// What is there.
        found: u64,
    },
    /// The database found itself broken.
    #[error("the database is damaged: {0}")]
    Integrity(String),
    /// Secrets are sealed, and there is nothing to open them with.
    #[error(
        "no master key is there: a backup does not hold it; put the one that the store was made with where [secrets] master_key says"
    )]
    NoKey,
    /// Secrets are sealed with another key.
    #[error(
        "the secrets in the backup are sealed with master key {backup}, and the configured one is {configured}: bring that key back"
    )]
    OtherKey {
        /// Fingerprint of the key that is needed.
        backup: String,
        /// Fingerprint of the one that is there.
        configured: String,
    },
    /// Somebody works there.
    #[error("a gateway serves on this store ({0}): stop it first")]
    Serves(String),
    /// Something is there already.
    #[error("the store holds data: restore to an empty place, or say --force to put the backup in its stead")]
    HoldsData,
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Place {
    /// Writes everything that is there at this moment to `to`, with gateways running or not.
    pub async fn back_up(&self, to: PathBuf, about: About) -> Result<Taken, BackupError> {
        let place = self.clone();
        apart(move || match &place {
            Self::File(file) if !file.exists() => Err(BackupError::Nothing),
            Self::File(file) => sqlite::alone(file, &sqlite::Stop::default(), |tx| {
                tx.script("BEGIN")?;
                if let Some(damage) = crate::store::place::file_damage(tx)? {
                    return Err(BackupError::Integrity(damage));
                }
                taken(tx, &schema::SQLITE, &to, &about)
            }),
            Self::Server { url, .. } => {
                let mut session = Session::open(&address(url)?)?;
                session.script(UNBOUNDED)?;
                session.script("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")?;
                taken(&mut Tx::on(On::Postgres(&mut session)), &schema::POSTGRES, &to, &about)
            }
        })
        .await
    }

    /// Makes a store of the backup for a moment, in a place that is gone afterwards: next to the store's file, or
    /// in a schema of its own that is never committed.
    pub async fn prove(&self, from: PathBuf, key: Option<Arc<MasterKey>>, about: About) -> Result<Proof, BackupError> {
        let place = self.clone();
        apart(move || {
            let mut backup = Reading::open(&from)?;
            rows::acceptable(&backup.manifest, key.as_deref())?;
            match &place {
                Self::File(file) => {
                    let trial = Trial::beside(file, &about.mark)?;
                    trial.build(&mut backup, key.as_deref(), None)
                }
                Self::Server { url, migrate_url } => {
                    let mut session = Session::open(&address(migrate_url.as_ref().unwrap_or(url))?)?;
                    session.script(UNBOUNDED)?;
                    let schema = quoted(&format!("frontdesk_trial_{}", about.mark));
                    let trial = format!("BEGIN; CREATE SCHEMA {schema}; SET LOCAL search_path TO {schema}");
                    session.script(&trial)?;
                    // The connection ends without a commit.
                    rows::build(&mut Tx::on(On::Postgres(&mut session)), &schema::POSTGRES, &mut backup, key.as_deref())
                }
            }
        })
        .await
    }

    /// Makes the store of the backup. What is there already is in the way, unless `force`: then a file is set
    /// aside under another name, and tables of a server are dropped. Returns what was made sure of before anything
    /// was replaced, and where the old file is.
    pub async fn restore(
        &self,
        from: PathBuf,
        key: Option<Arc<MasterKey>>,
        force: bool,
        about: About,
    ) -> Result<(Proof, Option<PathBuf>), BackupError> {
        let place = self.clone();
        apart(move || {
            let mut backup = Reading::open(&from)?;
            rows::acceptable(&backup.manifest, key.as_deref())?;
            match &place {
                Self::File(file) => restore_file(file, &mut backup, key.as_deref(), force, &about),
                Self::Server { url, migrate_url } => {
                    let mut session = Session::open(&address(migrate_url.as_ref().unwrap_or(url))?)?;
                    session.script(UNBOUNDED)?;
                    let proof = postgres::alone_at_length(&mut session, |tx| {
                        if schema::is_there(tx, &schema::POSTGRES)? {
                            may_give_way(tx, &schema::POSTGRES, force, about.now)?;
                            schema::demolish(tx, &schema::POSTGRES)?;
                        }
                        let proof = rows::build(tx, &schema::POSTGRES, &mut backup, key.as_deref())?;
                        audit(tx, &restored(&backup, &about))?;
                        Ok::<_, BackupError>(proof)
                    })?;
                    Ok((proof, None))
                }
            }
        })
        .await
    }
}

/// Where a store remembers when it was backed up last, and that backup proved.
const PROVED: &str = "backup_proved_at";

impl Store {
    /// Remembers that a backup of that moment was proved. The schema may be of another release.
    pub async fn backup_was_proved(&self, taken_at: Timestamp) -> Result<(), StoreError> {
        self.engine
            .write(Durability::Process, move |tx| {
                tx.run(
                    "INSERT INTO meta (key, value) VALUES (?1, ?2) ON CONFLICT (key) DO UPDATE SET value = ?2",
                    args![PROVED, ms(taken_at).to_string()],
                )
                .map(drop)
            })
            .await
    }

    /// The moment of the newest backup that was proved.
    pub async fn proved_backup(&self) -> Result<Option<Timestamp>, StoreError> {
        self.engine
            .read(|tx| {
                let row = tx.first("SELECT value FROM meta WHERE key = ?", args![PROVED])?;
                let moment = |text: &str| Timestamp::from_millisecond(text.parse().ok()?).ok();
                row.map(|row| crate::rows::Reading { table: "meta", row: &row }.parsed("value", moment)).transpose()
            })
            .await
    }
}

fn taken(tx: &mut Tx<'_>, dialect: &schema::Dialect, to: &Path, about: &About) -> Result<Taken, BackupError> {
    let mut out = Writing::begin(to, &about.mark)?;
    let manifest = rows::dump(tx, dialect, about, &mut out)?;
    let (bytes, sha256) = out.finish()?;
    Ok(Taken { manifest, bytes, sha256 })
}

/// Whether what is there may be replaced.
fn may_give_way(tx: &mut Tx<'_>, dialect: &schema::Dialect, force: bool, now: Timestamp) -> Result<(), BackupError> {
    let gateways = rows::gateways(tx, now)?;
    if !gateways.is_empty() {
        return Err(BackupError::Serves(gateways.join(", ")));
    }
    if !force && rows::holds_anything(tx, dialect)? {
        return Err(BackupError::HoldsData);
    }
    Ok(())
}

fn restored(backup: &Reading, about: &About) -> AuditRow {
    AuditRow {
        at: about.now,
        who: about.who.clone(),
        what: "restore".to_owned(),
        tenant: None,
        was: None,
        now: Some(format!("backup of {}", backup.manifest.taken_at)),
        until: None,
        why: Some(format!("sha256 {}", backup.digest)),
    }
}

fn restore_file(
    file: &Path,
    backup: &mut Reading,
    key: Option<&MasterKey>,
    force: bool,
    about: &About,
) -> Result<(Proof, Option<PathBuf>), BackupError> {
    let is_there = gives_way(file, force, about.now)?;
    let trial = Trial::beside(file, &about.mark)?;
    let proof = trial.build(backup, key, Some(&restored(backup, about)))?;
    let failed = |error| BackupError::File(file.to_owned(), error);
    own_like(&trial.file, file).map_err(failed)?;
    std::fs::File::open(&trial.file).and_then(|file| file.sync_all()).map_err(failed)?;
    // Building took its time: nobody may have come meanwhile.
    if gives_way(file, force, about.now)? != is_there {
        return Err(BackupError::Serves("another process has made the file meanwhile".to_owned()));
    }
    let aside = is_there.then(|| beside(file, &format!("before-restore-{}", about.mark)));
    if let Some(aside) = &aside {
        std::fs::hard_link(file, aside).map_err(failed)?;
        // A log that belongs to the old file must not be taken for the new one's.
        for ending in ["-wal", "-shm"] {
            match std::fs::rename(with_ending(file, ending), with_ending(aside, ending)) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(failed(error)),
                _ => {}
            }
        }
    }
    std::fs::rename(&trial.file, file).map_err(failed)?;
    sync_folder(file).map_err(failed)?;
    Ok((proof, aside))
}

/// Whether a file is there; an error if it may not be replaced. Afterwards nothing of it is in a log beside it.
fn gives_way(file: &Path, force: bool, now: Timestamp) -> Result<bool, BackupError> {
    if !file.exists() {
        return Ok(false);
    }
    let looked = sqlite::alone(file, &sqlite::Stop::default(), |tx| {
        if schema::is_there(tx, &schema::SQLITE)? {
            may_give_way(tx, &schema::SQLITE, force, now)?;
        }
        // Works only for who is alone with the file, and brings what is in its log into it.
        tx.each::<StoreError>("PRAGMA journal_mode = delete", |_| Ok(()))?;
        Ok(true)
    });
    match looked {
        Err(BackupError::Store(StoreError::Busy(_))) => Err(BackupError::Serves("another process has the file open".to_owned())),
        // A file that cannot be read is what backups are for.
        Err(BackupError::Store(_)) if force => Ok(true),
        looked => looked,
    }
}

/// A database file that is not in its place yet; gone unless it was moved there.
struct Trial {
    file: PathBuf,
}

impl Trial {
    fn beside(file: &Path, mark: &str) -> Result<Self, BackupError> {
        if let Some(folder) = file.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            std::fs::create_dir_all(folder).map_err(|error| BackupError::File(folder.to_owned(), error))?;
        }
        Ok(Self { file: beside(file, &format!("trial-{mark}")) })
    }

    fn build(&self, backup: &mut Reading, key: Option<&MasterKey>, note: Option<&AuditRow>) -> Result<Proof, BackupError> {
        sqlite::apart(&self.file, |tx| {
            // Of a file that is thrown away when anything fails nothing has to be taken back.
            tx.script("PRAGMA synchronous = off; BEGIN IMMEDIATE")?;
            let proof = rows::build(tx, &schema::SQLITE, backup, key)?;
            note.map_or(Ok(()), |note| audit(tx, note))?;
            tx.script("COMMIT")?;
            Ok(proof)
        })
    }
}

impl Drop for Trial {
    fn drop(&mut self) {
        for ending in ["", "-journal", "-wal", "-shm"] {
            let _ = std::fs::remove_file(with_ending(&self.file, ending));
        }
    }
}

/// The file belongs to whom the old one does, or the folder: who restores may be root, and who serves is not.
fn own_like(file: &Path, old: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::MetadataExt as _;

    let folder = old.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let model = old.metadata().or_else(|_| folder.metadata())?;
    let own = file.metadata()?;
    if (model.uid(), model.gid()) == (own.uid(), own.gid()) {
        return Ok(());
    }
    std::os::unix::fs::chown(file, Some(model.uid()), Some(model.gid()))
}

/// Another file in the same folder.
fn beside(file: &Path, word: &str) -> PathBuf {
    with_ending(file, &format!(".{word}"))
}

fn with_ending(file: &Path, ending: &str) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(ending);
    PathBuf::from(name)
}

/// A name is on the disk when its folder is.
fn sync_folder(file: &Path) -> std::io::Result<()> {
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    std::fs::File::open(folder)?.sync_all()
}
