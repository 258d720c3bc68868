//! Where a store is, and how it is opened there.

use std::path::{Path, PathBuf};
use std::time::Duration;

use frontdesk_core::ports::StoreError;
use frontdesk_core::sensitive::Secret;

use super::schema;
use crate::engine::postgres::address::{Address, AddressError};
use crate::engine::postgres::session::Session;
use crate::engine::{Engine, On, Tx, args, postgres, sqlite};
use crate::rows::Reading;

/// Where a store is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// A database file of this machine; its folder is made.
    File(PathBuf),
    /// A PostgreSQL that any number of gateways share.
    Server {
        /// `postgres://ROLE:PASSWORD@HOST/DATABASE`.
        url: Secret,
        /// The same database as the owner of its tables, so that the role of `url` can do without.
        migrate_url: Option<Secret>,
    },
}

impl Place {
    /// Whether a store was ever opened there. Makes nothing.
    pub async fn is_there(&self) -> Result<bool, StoreError> {
        match self.clone() {
            Self::File(file) => Ok(file.exists()),
            Self::Server { url, .. } => {
                apart(move || {
                    let mut session = Session::open(&address(&url)?)?;
                    schema::is_there(&mut Tx::on(On::Postgres(&mut session)), &schema::POSTGRES)
                })
                .await
            }
        }
    }

    /// Looks at the database within that time: its schema, whether it can be written, whether it is sound.
    /// Makes and changes nothing.
    pub async fn examine(&self, within: Duration) -> Result<Examined, StoreError> {
        match self.clone() {
            Self::File(file) => {
                let stop = sqlite::Stop::default();
                let look = apart({
                    let stop = stop.clone();
                    move || sqlite::alone(&file, &stop, |tx| examined(tx, &schema::SQLITE, "BEGIN IMMEDIATE", file_damage))
                });
                let mut look = std::pin::pin!(look);
                match tokio::time::timeout(within, &mut look).await {
                    // What it could not look through is not sound.
                    Ok(examined) => examined.map(|it| Examined { damage: it.damage.or(it.unsure), unsure: None, ..it }),
                    Err(_) => {
                        stop.now();
                        look.await
                    }
                }
            }
            // The server ends what takes it longer than its own bound.
            Self::Server { url, .. } => {
                apart(move || {
                    let mut session = Session::open(&address(&url)?)?;
                    examined(&mut Tx::on(On::Postgres(&mut session)), &schema::POSTGRES, "BEGIN", server_damage)
                })
                .await
            }
        }
    }

    /// Opens it as it is, without bringing its schema forward.
    pub(crate) async fn open_as_it_is(self) -> Result<Engine, StoreError> {
        apart(move || match self {
            Self::File(file) => sqlite::open(&file, |_| Ok(())),
            Self::Server { url, .. } => postgres::start(&address(&url)?),
        })
        .await
    }

    pub(crate) async fn open(self) -> Result<Engine, StoreError> {
        apart(move || match self {
            Self::File(file) => open_file(&file),
            Self::Server { url, migrate_url } => open_server(&url, migrate_url.as_ref()),
        })
        .await
    }
}

/// How a database was found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Examined {
    /// Its schema.
    pub schema: schema::SchemaLook,
    /// Why it cannot be written.
    pub unwritable: Option<String>,
    /// What is damaged in it.
    pub damage: Option<String>,
    /// Why that is not known.
    pub unsure: Option<String>,
}

/// What is damaged, if anything is.
type Damage = fn(&mut Tx<'_>) -> Result<Option<String>, StoreError>;

fn examined(tx: &mut Tx<'_>, dialect: &schema::Dialect, begin: &str, damage: Damage) -> Result<Examined, StoreError> {
    let schema = schema::look(tx, dialect)?;
    let mut examined = Examined { schema, ..Examined::default() };
    if examined.schema.applied > 0 {
        let written = tx.script(begin).and_then(|()| {
            tx.run("INSERT INTO meta (key, value) VALUES ('health', 'a look') ON CONFLICT (key) DO NOTHING", args![]).map(drop)
        });
        examined.unwritable = written.err().map(|error| error.with_causes());
        // Nothing of it stays.
        let _ = tx.script("ROLLBACK");
    }
    match damage(tx) {
        Ok(damage) => examined.damage = damage,
        Err(error) => examined.unsure = Some(error.with_causes()),
    }
    Ok(examined)
}

pub(crate) fn file_damage(tx: &mut Tx<'_>) -> Result<Option<String>, StoreError> {
    let Some(row) = tx.first("SELECT quick_check AS said FROM pragma_quick_check LIMIT 3", args![])? else { return Ok(None) };
    let said = Reading { table: "quick_check", row: &row }.text("said")?;
    Ok((said != "ok").then_some(said))
}

/// Pages whose checksum did not fit since the statistics began; a server without checksums knows of none.
fn server_damage(tx: &mut Tx<'_>) -> Result<Option<String>, StoreError> {
    let sql = "SELECT COALESCE(checksum_failures, 0) FROM pg_stat_database WHERE datname = current_database()";
    let pages = tx.number(sql, args![])?;
    Ok((pages > 0).then(|| format!("{pages} pages whose checksum does not fit")))
}

/// On a thread that may wait.
pub(crate) async fn apart<T: Send + 'static, E: From<StoreError> + Send + 'static>(
    work: impl FnOnce() -> Result<T, E> + Send + 'static,
) -> Result<T, E> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| Err(StoreError::Broken(Box::new(error)).into()))
}

pub(crate) fn address(url: &Secret) -> Result<Address, StoreError> {
    Address::parse(url).map_err(|error: AddressError| StoreError::Broken(Box::new(error)))
}

fn open_file(file: &Path) -> Result<Engine, StoreError> {
    sqlite::open(file, |tx| schema::prepare(tx, &schema::SQLITE))
}

fn open_server(url: &Secret, migrate_url: Option<&Secret>) -> Result<Engine, StoreError> {
    let address = address(url)?;
    let owner = migrate_url.map(self::address).transpose()?;
    let mut session = Session::open(owner.as_ref().unwrap_or(&address))?;
    postgres::alone(&mut session, |tx| {
        schema::prepare(tx, &schema::POSTGRES)?;
        match &owner {
            Some(owner) if owner.role() != address.role() => grant(tx, address.role()),
            _ => Ok(()),
        }
    })?;
    if owner.is_some() {
        session = Session::open(&address)?;
    }
    if may_destroy(&mut Tx::on(On::Postgres(&mut session)))? {
        tracing::warn!(
            role = address.role(),
            "the store's role may change and drop the tables that it serves: set store.migrate_url to their owner, and \
             store.url to a role that owns nothing"
        );
    }
    postgres::start(&address)
}

/// Whether the role that serves could do more than serve.
fn may_destroy(tx: &mut Tx<'_>) -> Result<bool, StoreError> {
    tx.exists(
        "SELECT pg_has_role(current_user, relowner, 'USAGE') OR has_table_privilege(oid, 'TRUNCATE') FROM pg_class
         WHERE oid = 'occupancy'::regclass",
        args![],
    )
}

/// Lets `role` read and write rows: all there are, but those of the audit and of the migrations only to look
/// at and to add to.
fn grant(tx: &mut Tx<'_>, role: &str) -> Result<(), StoreError> {
    let lacks = tx.exists(
        "SELECT EXISTS (SELECT 1 FROM pg_class WHERE relnamespace = current_schema()::regnamespace AND relkind = 'r'
                          AND NOT has_table_privilege(CAST(? AS TEXT), oid, 'SELECT'))",
        args![role],
    )?;
    if !lacks {
        return Ok(());
    }
    let Some(row) =
        tx.first("SELECT quote_ident(current_schema()) AS name, quote_ident(CAST(? AS TEXT)) AS role", args![role])?
    else {
        return Ok(());
    };
    let reading = Reading { table: "schema", row: &row };
    let (schema, role) = (reading.text("name")?, reading.text("role")?);
    tx.script(&format!(
        "GRANT USAGE ON SCHEMA {schema} TO {role};
         GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA {schema} TO {role};
         GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA {schema} TO {role};
         REVOKE UPDATE, DELETE ON audit FROM {role};
         REVOKE INSERT, UPDATE, DELETE ON schema_migrations FROM {role}"
    ))
}
