//! What must never be lost: a database behind the ports of the core.
//!
//! SQLite for one machine: one writer, several readers, write-ahead log. PostgreSQL for several gateways:
//! serialisable transactions that are run again. On both a transaction that carries a promise to a caller
//! is on the disk before it is acknowledged (`engine::Durability`); what only helps a conversation along
//! may be lost with the power, not with the process.

mod backup;
mod engine;
mod metered;
mod rows;
mod state;
mod store;
mod vault;

pub use backup::{About, BackupError, Manifest, Proof, TableRows, Taken};
pub use metered::Metered;
pub use state::{RedisClock, RedisOpenError, RedisState};
pub use store::alerts::{AgentUsual, AlertChange, AlertDelivery, CallSeen, Unsettled};
pub use store::health::AgentSeen;
pub use store::operations::{AuditRow, Command, Snapshot, Versions};
pub use store::place::{Examined, Place};
pub use store::privacy::{Erased, Retention};
pub use store::revisions::{ConfigRevision, Made, NewRevision, Restored, RevisionOrigin, RevisionOutcome, Uptake};
pub use store::schema::SchemaLook;
pub use store::tenants::{Applied, KeyIssued, Revision};
pub use store::{Store, StoreSettings};
pub use vault::{MasterKey, VaultError};
