//! The operator's view: calls with their timelines, tenants, open intents, work items. Off (404) unless
//! an admin key is configured.

use std::sync::Arc;

use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use frontdesk_core::booking::Intent;
use frontdesk_core::ids::CallId;
use frontdesk_core::limits::{Asker, Class};
use frontdesk_core::ports::{CallRow, CallbackFilter, Exchange, Heard, Step, StoreError};
use frontdesk_core::tenant::{CalendarKind, Tenant};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::answer::rfc3339;
use crate::callbacks::work_item;
use crate::edge::{AdminKey, Edge, find_tenant};
use crate::limits;
use crate::problem::Problem;

/// At most so many rows of a tenant.
const MOST: u32 = 200;

/// Under this name what was decided is kept with the output of a function.
pub(crate) const DECISIONS: &str = "decisions";

/// `?tenant=salon&limit=50`.
#[derive(Debug, Default, Deserialize)]
struct Filter {
    tenant: Option<String>,
    limit: Option<u32>,
}

impl Filter {
    fn most(&self) -> u32 {
        self.limit.unwrap_or(50).clamp(1, MOST)
    }

    /// The tenants asked about, by slug.
    fn tenants(&self, edge: &Edge) -> Result<Vec<Arc<Tenant>>, Problem> {
        match &self.tenant {
            Some(slug) => find_tenant(edge, slug).map(|tenant| vec![tenant]).ok_or_else(Problem::not_found),
            None => {
                let mut all = edge.recognition.tenants();
                all.sort_by(|one, other| one.slug.cmp(&other.slug));
                Ok(all)
            }
        }
    }
}

pub(crate) fn router() -> Router<Edge> {
    Router::new()
        .route("/api/admin/calls", get(calls))
        .route("/api/admin/calls/{call_id}", get(call))
        .route("/api/admin/tenants", get(tenants))
        .route("/api/admin/intents", get(intents))
        .route("/api/admin/callbacks", get(callbacks))
}

/// Whose admin key it is.
pub(crate) fn administrator<'e>(edge: &'e Edge, headers: &HeaderMap) -> Result<&'e AdminKey, Problem> {
    if edge.settings.admin_keys.is_empty() {
        return Err(Problem::not_found());
    }
    let given = bearer(headers).ok_or_else(Problem::unauthorized)?;
    // Digests are compared, so that the time it takes tells nothing about a key.
    let digest = |text: &str| ring::digest::digest(&ring::digest::SHA256, text.as_bytes());
    let given = digest(given);
    let fits = |key: &&AdminKey| digest(key.key.expose()).as_ref() == given.as_ref();
    edge.settings.admin_keys.iter().find(fits).ok_or_else(Problem::unauthorized)
}

/// Whose admin key it is, within the limit of administrators.
pub(crate) async fn admitted<'e>(edge: &'e Edge, headers: &HeaderMap) -> Result<&'e AdminKey, Problem> {
    let who = administrator(edge, headers)?;
    match edge.gate.admit(Asker::Administrator(&who.name), Class::Admin).await {
        Ok(_) => Ok(who),
        Err(refused) => Err(limits::problem(&refused)),
    }
}

/// The token of `Authorization: Bearer …`.
pub(crate) fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token.trim()).filter(|token| !token.is_empty())
}

pub(crate) fn items(items: Vec<Value>) -> Response {
    Json(json!({ "items": items })).into_response()
}

async fn calls(State(edge): State<Edge>, headers: HeaderMap, Query(filter): Query<Filter>) -> Result<Response, Problem> {
    admitted(&edge, &headers).await?;
    let mut rows: Vec<(Arc<Tenant>, CallRow)> = Vec::new();
    for tenant in filter.tenants(&edge)? {
        let calls = edge.calls.list(tenant.scope(), filter.most()).await?;
        rows.extend(calls.into_iter().map(|call| (Arc::clone(&tenant), call)));
    }
    rows.sort_by_key(|(_, call)| std::cmp::Reverse(call.started_at));
    rows.truncate(filter.most() as usize);
    Ok(items(rows.iter().map(|(tenant, row)| call_row(tenant, row)).collect()))
}

/// Call ids are the platform's: the same one in two tenants is two calls, so `?tenant=` decides.
async fn call(
    State(edge): State<Edge>,
    headers: HeaderMap,
    Path(call_id): Path<String>,
    Query(filter): Query<Filter>,
) -> Result<Response, Problem> {
    admitted(&edge, &headers).await?;
    let id = CallId::new(&call_id);
    for tenant in filter.tenants(&edge)? {
        if let Some((row, steps)) = edge.calls.timeline(tenant.scope(), &id).await? {
            let mut told = Vec::with_capacity(steps.len());
            for step in steps {
                let exchanges = edge.operations.exchanges(tenant.scope(), &step.request).await?;
                told.push((step, exchanges));
            }
            let events = edge.operations.call_events(tenant.scope(), &id).await?;
            return Ok(Json(timeline(&tenant, &row, &told, &events)).into_response());
        }
    }
    Err(Problem::not_found())
}

/// A call as operators see it: every function with what was decided and what calendars were told, and every
/// event of the platform.
pub fn timeline(tenant: &Tenant, row: &CallRow, steps: &[(Step, Vec<Exchange>)], events: &[Heard]) -> Value {
    let mut answer = call_row(tenant, row);
    let items: Vec<Value> = steps.iter().map(|(step, exchanges)| timeline_step(tenant, step, exchanges)).collect();
    let event = |it: &Heard| {
        let kept = serde_json::from_str::<Value>(&it.kept).unwrap_or_default();
        json!({ "at": rfc3339(it.at, tenant), "event": it.name, "kept": kept })
    };
    answer["items"] = json!(items);
    answer["events"] = json!(events.iter().map(event).collect::<Vec<_>>());
    answer
}

/// A call as operators list it.
pub fn call_row(tenant: &Tenant, call: &CallRow) -> Value {
    json!({
        "call_id": call.id,
        "tenant": tenant.slug,
        "state": call.state,
        "started_at": rfc3339(call.started_at, tenant),
        "ended_at": call.ended_at.map(|at| rfc3339(at, tenant)),
        "duration_ms": call.figures.duration_ms,
        "cost": call.figures.cost.as_ref().map(|cost| {
            json!({ "amount": cost.amount(), "micros": cost.micros, "currency": cost.currency })
        }),
        "disposition": call.disposition,
        "platform_says_successful": call.figures.said_successful,
    })
}

fn timeline_step(tenant: &Tenant, step: &Step, exchanges: &[Exchange]) -> Value {
    let json_of = |text: &str| serde_json::from_str::<Value>(text).unwrap_or_default();
    let mut output = json_of(&step.output);
    let decisions = output.as_object_mut().and_then(|output| output.remove(DECISIONS)).unwrap_or_else(|| json!([]));
    json!({
        "at": rfc3339(step.at, tenant),
        "request_id": step.request,
        "function": step.function,
        "status": step.status,
        "input": json_of(&step.input),
        "output": output,
        "decisions": decisions,
        "duration_ms": step.took_ms,
        "exchanges": exchanges.iter().map(|it| exchange(tenant, it)).collect::<Vec<_>>(),
    })
}

/// An exchange with a calendar as operators see it.
pub(crate) fn exchange(tenant: &Tenant, it: &Exchange) -> Value {
    let body = |text: &str| serde_json::from_str::<Value>(text).unwrap_or_else(|_| json!(text));
    json!({
        "at": rfc3339(it.at, tenant),
        "request_id": it.request,
        "account": it.account,
        "method": it.method,
        "route": it.route,
        "status": it.status,
        "trouble": it.trouble,
        "duration_ms": it.took_ms,
        "sent": body(&it.sent),
        "received": body(&it.received),
    })
}

async fn tenants(State(edge): State<Edge>, headers: HeaderMap, Query(filter): Query<Filter>) -> Result<Response, Problem> {
    admitted(&edge, &headers).await?;
    Ok(items(filter.tenants(&edge)?.iter().map(|tenant| tenant_row(tenant)).collect()))
}

/// What a tenant is, without any of its secrets: only which of them are there.
fn tenant_row(tenant: &Tenant) -> Value {
    let calendar = match tenant.calendar {
        CalendarKind::Builtin => "builtin",
        CalendarKind::Calcom { .. } => "calcom",
    };
    json!({
        "slug": tenant.slug,
        "name": tenant.name,
        "time_zone": tenant.time_zone.name(),
        "language": tenant.language.code(),
        "calendar": calendar,
        "services": tenant.services.iter().map(|service| &service.name).collect::<Vec<_>>(),
        "staff": tenant.staff.len(),
        "agent_ids": tenant.agent_ids,
        "secrets": {
            "retell_api_key": tenant.secrets.retell_api_key.is_some(),
            "retell_previous_api_key": tenant.secrets.retell_previous_api_key.is_some(),
            "calcom_api_key": tenant.secrets.calcom_api_key.is_some(),
            "calcom_webhook_secret": tenant.secrets.calcom_webhook_secret.is_some(),
        },
    })
}

async fn intents(State(edge): State<Edge>, headers: HeaderMap, Query(filter): Query<Filter>) -> Result<Response, Problem> {
    admitted(&edge, &headers).await?;
    let mut rows = Vec::new();
    for tenant in filter.tenants(&edge)? {
        let intents = edge.diary.intents(tenant.scope(), filter.most()).await?;
        rows.extend(intents.into_iter().map(|intent| (Arc::clone(&tenant), intent)));
    }
    rows.sort_by_key(|(_, intent)| std::cmp::Reverse(intent.created_at));
    rows.truncate(filter.most() as usize);
    Ok(items(rows.iter().map(|(tenant, intent)| intent_row(tenant, intent)).collect()))
}

fn intent_row(tenant: &Tenant, intent: &Intent) -> Value {
    json!({
        "intent_id": intent.id,
        "tenant": tenant.slug,
        "booking_id": intent.appointment,
        "kind": intent.kind.word(),
        "state": intent.state.as_str(),
        "attempts": intent.attempts,
        "created_at": rfc3339(intent.created_at, tenant),
        "lease_until": rfc3339(intent.lease_until, tenant),
        "watch_until": intent.watch_until.map(|at| rfc3339(at, tenant)),
        "last_error": intent.last_error,
    })
}

async fn callbacks(State(edge): State<Edge>, headers: HeaderMap, Query(filter): Query<Filter>) -> Result<Response, Problem> {
    admitted(&edge, &headers).await?;
    let now = edge.clock.now();
    let mut rows: Vec<(jiff::Timestamp, Value)> = Vec::new();
    for tenant in filter.tenants(&edge)? {
        let wanted = CallbackFilter { open_only: true, limit: filter.most(), ..CallbackFilter::default() };
        let found: Result<_, StoreError> = edge.callbacks.callbacks(tenant.scope(), &wanted).await;
        rows.extend(found?.iter().map(|callback| {
            let mut row = work_item(callback, &tenant, now);
            if let Value::Object(row) = &mut row {
                row.insert("tenant".to_owned(), json!(tenant.slug));
            }
            (callback.due_at, row)
        }));
    }
    rows.sort_by_key(|(due, _)| *due);
    Ok(items(rows.into_iter().map(|(_, row)| row).collect()))
}
