//! The tenant of synthetic calls: there only while a revision is watched, in no list, nobody's business.

use std::sync::Arc;

use frontdesk_core::ids::TenantId;
use frontdesk_core::ports::StoreError;
use frontdesk_core::sensitive::Secret;
use frontdesk_core::tenant::Tenant;
use frontdesk_store::Store;

use crate::config::tenant_file::TenantFile;

/// Open around the clock, on the built-in calendar, without anybody to be told.
const FILE: &str = include_str!("canary.toml");
/// What it can be booked for.
pub(crate) const SERVICE: &str = "Check";

/// The key that its calls are signed with. It is drawn for one activation: derived from the master key and the
/// activation's token, so that every gateway of the store has it and nobody else can, and nothing has to be kept.
pub(crate) fn key(store: &Store, token: &str) -> Result<Secret, StoreError> {
    let key = store.derived_key(&format!("synthetic calls of activation {token}"))?;
    Ok(Secret::new(key.iter().map(|byte| format!("{byte:02x}")).collect::<String>()))
}

/// The tenant.
pub(crate) fn tenant(store: &Store, token: &str) -> Result<Arc<Tenant>, StoreError> {
    let file = TenantFile::parse("canary.toml", FILE).map_err(|problems| StoreError::Broken(Box::new(problems)))?;
    let mut tenant = file.tenant;
    tenant.slug = TenantId::new(TenantId::CANARY);
    tenant.secrets.retell_api_key = Some(key(store, token)?);
    Ok(Arc::new(tenant))
}
