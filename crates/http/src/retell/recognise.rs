//! Whose request is it? Nothing before this is believed. The tenant comes from the path, or, on old
//! paths, from agent or called number; either way the signature under that tenant's key proves it.

use std::sync::Arc;

use axum::http::HeaderMap;
use frontdesk_core::call::{CallContext, Phone};
use frontdesk_core::ids::TenantId;
use frontdesk_core::tenant::Tenant;

use super::envelope::Envelope;
use super::signature::{HEADER, verify};
use crate::edge::{Edge, find_tenant};
use crate::problem::Problem;

/// The tenant of the path, if the body was signed with one of its keys.
pub(crate) fn by_path(edge: &Edge, slug: &str, headers: &HeaderMap, body: &[u8]) -> Result<Arc<Tenant>, Problem> {
    let canary = || edge.recognition.canary().filter(|_| slug == TenantId::CANARY);
    let tenant = find_tenant(edge, slug).or_else(canary).ok_or_else(Problem::unauthorized)?;
    if is_signed(edge, &tenant, headers, body) { Ok(tenant) } else { Err(Problem::unauthorized()) }
}

/// The tenant whose agent or number the body names, or, when it names none, the only one whose key
/// fits.
pub(crate) fn by_envelope(edge: &Edge, envelope: &Envelope, headers: &HeaderMap, body: &[u8]) -> Result<Arc<Tenant>, Problem> {
    let tenants = edge.recognition.tenants();
    let call = envelope.call.as_ref().map(|call| call.context());
    let named: Vec<&Arc<Tenant>> = match &call {
        Some(call) => tenants.iter().filter(|tenant| names(tenant, call)).collect(),
        None => tenants.iter().collect(),
    };
    let mut fitting = named.into_iter().filter(|tenant| is_signed(edge, tenant, headers, body));
    match (fitting.next(), fitting.next()) {
        (Some(tenant), None) => {
            if let Some(call) = &call {
                belongs(edge, tenant, call)?;
            }
            Ok(Arc::clone(tenant))
        }
        _ => Err(Problem::unauthorized()),
    }
}

/// An envelope whose agent or called number is another tenant's is nobody's.
pub(crate) fn belongs(edge: &Edge, tenant: &Tenant, call: &CallContext) -> Result<(), Problem> {
    let others = edge.recognition.tenants();
    if others.iter().filter(|other| other.slug != tenant.slug).any(|other| names(other, call)) && !exclusively(tenant, call) {
        return Err(Problem::unauthorized());
    }
    Ok(())
}

/// Whether agent or number of the call are this tenant's.
fn names(tenant: &Tenant, call: &CallContext) -> bool {
    agent_is(tenant, call) || number_is(tenant, call)
}

/// Whether everything that the call names is this tenant's.
fn exclusively(tenant: &Tenant, call: &CallContext) -> bool {
    (call.agent_id.is_none() || agent_is(tenant, call)) && (call.to_number.is_none() || number_is(tenant, call))
}

fn agent_is(tenant: &Tenant, call: &CallContext) -> bool {
    call.agent_id.as_ref().is_some_and(|agent| tenant.agent_ids.contains(agent))
}

fn number_is(tenant: &Tenant, call: &CallContext) -> bool {
    let Some(number) = call.to_number.as_deref() else { return false };
    match Phone::parse(number, None) {
        Some(number) => tenant.phone_numbers.contains(&number),
        None => tenant.phone_numbers.iter().any(|known| known.e164() == number),
    }
}

fn is_signed(edge: &Edge, tenant: &Tenant, headers: &HeaderMap, body: &[u8]) -> bool {
    let Some(header) = headers.get(HEADER).and_then(|value| value.to_str().ok()) else { return false };
    let keys = [&tenant.secrets.retell_api_key, &tenant.secrets.retell_previous_api_key];
    verify(header, body, keys.into_iter().flatten(), edge.clock.now())
}
