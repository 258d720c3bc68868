//! Configuration to a running house; the only file that names every concrete part.

use std::path::Path;
use std::sync::Arc;

use frontdesk_calendar::Calendars;
use frontdesk_core::clock::{Clock, Dice};
use frontdesk_core::desk::{Budgets, Desk, Parts};
use frontdesk_core::ports::{Calendar, StoreError};
use frontdesk_http::{AdminKey, Edge, EdgeParts, Settings};
use frontdesk_store::{MasterKey, SqliteStore, StoreSettings, VaultError};

use crate::config::deployment::{DeploymentConfig, StoreUrl};
use crate::config::problems::{Problem, Problems};
use crate::config::secrets::{Resolved, SecretSource};
use crate::house::HouseHealth;
use crate::system::{self, SystemClock, SystemDice};
use crate::tenants::Tenants;

/// Why a house could not be put together.
#[derive(Debug, thiserror::Error)]
pub enum WiringError {
    /// The configuration says something that cannot be done.
    #[error("{0}")]
    Config(Problems),
    /// The store.
    #[error("failed to open the store {place}: {source}")]
    Store {
        /// Where it is.
        place: String,
        /// What it said.
        #[source]
        source: StoreError,
    },
    /// The master key.
    #[error("failed to take up the master key: {0}")]
    MasterKey(#[from] VaultError),
    /// The outgoing HTTP client.
    #[error("failed to make the calendar client: {0}")]
    Calendar(String),
}

impl From<Problem> for WiringError {
    fn from(problem: Problem) -> Self {
        Self::Config(problem.into())
    }
}

/// The world a house stands in; tests replace it.
#[derive(Clone)]
pub struct World {
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Ids and keys.
    pub dice: Arc<dyn Dice>,
}

impl World {
    /// The real one.
    pub fn real() -> Self {
        Self { clock: Arc::new(SystemClock), dice: Arc::new(SystemDice::new()) }
    }
}

/// A house, ready to serve.
pub struct House {
    /// The store, for commands.
    pub store: SqliteStore,
    /// The use cases.
    pub desk: Desk,
    /// The edge.
    pub edge: Edge,
    pub(crate) tenants: Arc<Tenants>,
}

impl House {
    /// Takes up changed tenants now instead of within the second.
    pub async fn refresh(&self) -> Result<(), StoreError> {
        self.tenants.refresh().await
    }

    /// Works on what calendars left open now; returns how many intents were taken on.
    pub async fn settle(&self) -> Result<usize, StoreError> {
        self.desk.settle_due().await
    }
}

/// Opens the store that the configuration names, with its master key. The key is made on first use,
/// unless the store holds secrets already.
pub async fn open_store(config: &DeploymentConfig, world: &World) -> Result<SqliteStore, WiringError> {
    let StoreUrl::Sqlite(file) = &config.store;
    let store_error = |source| WiringError::Store { place: file.display().to_string(), source };
    let master_key = Arc::new(master_key(&config.master_key, file, world).await?);
    let settings = StoreSettings { file: file.clone(), master_key: Some(master_key), dice: Arc::clone(&world.dice) };
    let store = SqliteStore::open(settings).await.map_err(store_error)?;
    store.check_master_key().await.map_err(store_error)?;
    Ok(store)
}

async fn master_key(source: &SecretSource, store: &Path, world: &World) -> Result<MasterKey, WiringError> {
    if let SecretSource::File(path) = source
        && !path.exists()
    {
        if store.exists() {
            let settings = StoreSettings { file: store.to_path_buf(), master_key: None, dice: Arc::clone(&world.dice) };
            let place = store.display().to_string();
            let opened =
                SqliteStore::open(settings).await.map_err(|source| WiringError::Store { place: place.clone(), source })?;
            let sealed = opened.holds_secrets().await.map_err(|source| WiringError::Store { place, source })?;
            opened.close().await;
            if sealed {
                return Err(VaultError::OtherKey.into());
            }
        }
        return Ok(MasterKey::create(path, &*world.dice)?);
    }
    match source.resolve("secrets.master_key", &system::env, &system::read)? {
        Resolved::Value(secret) => Ok(MasterKey::from_hex(secret.expose())?),
        Resolved::Unset { warning } => {
            let problem = Problem {
                file: "frontdesk.toml".to_owned(),
                line: None,
                path: "secrets.master_key".to_owned(),
                found: warning,
                expected: "64 hexadecimal digits".to_owned(),
            };
            Err(problem.into())
        }
    }
}

/// Puts the house together.
pub async fn build(config: &DeploymentConfig, world: &World) -> Result<House, WiringError> {
    let store = open_store(config, world).await?;
    let calendars =
        frontdesk_calendar::open(Arc::clone(&world.clock)).map_err(|error| WiringError::Calendar(error.to_string()))?;
    build_over(config, world, store, calendars).await
}

async fn build_over(
    config: &DeploymentConfig,
    world: &World,
    store: SqliteStore,
    calendars: Arc<Calendars>,
) -> Result<House, WiringError> {
    let place = config.store.to_string();
    let tenants = Tenants::open(store.clone(), Arc::clone(&calendars), Arc::clone(&world.clock))
        .await
        .map_err(|source| WiringError::Store { place, source })?;
    let tenants = Arc::new(tenants);
    let deadlines = &config.live.deadlines;
    let calendar: Arc<dyn Calendar> = calendars;
    let shared = Arc::new(store.clone());
    let desk = Desk::new(Parts {
        clock: Arc::clone(&world.clock),
        dice: Arc::clone(&world.dice),
        calendar,
        diary: shared.clone(),
        calls: shared.clone(),
        callbacks: shared.clone(),
        directory: tenants.clone(),
        budgets: Budgets { inbound: deadlines.inbound, check: deadlines.check, write: deadlines.write },
    });
    let mut admin_keys = Vec::new();
    for (name, source) in config.server.administrators() {
        match source.resolve("server.admin_key", &system::env, &system::read)? {
            Resolved::Value(key) => admin_keys.push(AdminKey { name: name.to_owned(), key }),
            Resolved::Unset { warning } => tracing::warn!(warning, "an admin key is not set"),
        }
    }
    if admin_keys.is_empty() {
        tracing::warn!("no admin key is set: the admin surface is off");
    }
    let edge = Edge::new(EdgeParts {
        desk: desk.clone(),
        recognition: tenants.clone(),
        calls: shared.clone(),
        callbacks: shared.clone(),
        diary: shared.clone(),
        claims: shared,
        health: Arc::new(HouseHealth { store: store.clone() }),
        clock: Arc::clone(&world.clock),
        dice: Arc::clone(&world.dice),
        settings: Settings {
            public_url: config.server.public_url.clone(),
            admin_keys,
            version: env!("CARGO_PKG_VERSION"),
            build: option_env!("FRONTDESK_BUILD").unwrap_or("unknown"),
        },
    });
    Ok(House { store, desk, edge, tenants })
}
