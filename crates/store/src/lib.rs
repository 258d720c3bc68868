//! What must never be lost: SQLite behind the ports of the core.
//!
//! One writer, several readers, write-ahead log. A transaction that carries a promise to a caller is
//! on the disk before it is acknowledged (`sqlite::Durability`); what only helps a conversation along
//! may be lost with the power, not with the process.

mod metered;
mod rows;
mod sqlite;
mod state;
mod vault;

pub use metered::Metered;
pub use sqlite::operations::{AuditRow, Command, Snapshot, Versions};
pub use sqlite::tenants::{Applied, KeyIssued, Revision};
pub use sqlite::{SqliteStore, StoreSettings};
pub use state::{RedisClock, RedisOpenError, RedisState};
pub use vault::{MasterKey, VaultError};
