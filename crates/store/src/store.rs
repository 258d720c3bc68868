//! The store: every port of the core that must never lose anything, on whichever database it was opened on.

pub(crate) mod alerts;
mod busy;
mod callbacks;
pub(crate) mod calls;
pub(crate) mod claims;
pub(crate) mod diary;
pub(crate) mod diary_rows;
pub(crate) mod dispositions;
pub(crate) mod exchanges;
pub(crate) mod health;
pub(crate) mod holds;
pub(crate) mod news;
pub(crate) mod operations;
pub(crate) mod outbox;
pub(crate) mod parts;
pub(crate) mod place;
pub(crate) mod polls;
pub(crate) mod privacy;
pub(crate) mod revisions;
pub(crate) mod schema;
pub(crate) mod settle;
pub(crate) mod tenants;

use std::sync::Arc;
use std::sync::atomic::AtomicI64;

use frontdesk_core::clock::Dice;
use frontdesk_core::ports::StoreError;

use crate::engine::Engine;
use crate::vault::MasterKey;

/// Where the store is and what it needs.
pub struct StoreSettings {
    /// Where it is.
    pub place: place::Place,
    /// Opens and seals tenants' secrets; `None` where no secret is needed.
    pub master_key: Option<Arc<MasterKey>>,
    /// Nonces and keys come from here.
    pub dice: Arc<dyn Dice>,
}

/// Everything on one database. Cheap to clone.
#[derive(Clone)]
pub struct Store {
    pub(crate) engine: Arc<Engine>,
    pub(crate) safe: tenants::Safe,
    pub(crate) unsaved: calls::Unsaved,
    /// When holds that are over were swept out last, milliseconds.
    pub(crate) swept: Arc<AtomicI64>,
}

impl Store {
    /// Opens the database, makes it if it is not there, and brings its schema forward.
    pub async fn open(settings: StoreSettings) -> Result<Self, StoreError> {
        let StoreSettings { place, master_key, dice } = settings;
        Ok(Self::over(place.open().await?, master_key, dice))
    }

    /// Opens the database to look at it, as it is: its schema is neither brought forward nor compared.
    pub async fn look(settings: StoreSettings) -> Result<Self, StoreError> {
        let StoreSettings { place, master_key, dice } = settings;
        Ok(Self::over(place.open_as_it_is().await?, master_key, dice))
    }

    fn over(engine: Engine, key: Option<Arc<MasterKey>>, dice: Arc<dyn Dice>) -> Self {
        Self {
            engine: Arc::new(engine),
            safe: tenants::Safe { key, dice },
            unsaved: calls::Unsaved::default(),
            swept: Arc::default(),
        }
    }

    /// From now on another process works on the same database: what is acknowledged is there for it, and what
    /// was put off until now is written before this returns.
    pub async fn share(&self) -> Result<(), StoreError> {
        self.engine.share(true);
        self.engine.settled().await
    }

    /// The other process has gone, or never came.
    pub fn alone(&self) {
        self.engine.share(false);
    }

    /// Closes all connections; what was written stays, what was handed over is written.
    pub async fn close(&self) {
        self.engine.close().await;
    }
}
