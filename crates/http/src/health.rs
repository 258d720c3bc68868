//! Is it there, can it serve, and, for operators, what is wrong.

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use frontdesk_core::tenant::CalendarKind;
use serde_json::{Map, Value, json};

use crate::admin::administrator;
use crate::edge::{Edge, HealthReport, HealthState, InForce};

pub(crate) fn router() -> Router<Edge> {
    Router::new()
        .route("/api/health", get(health))
        .route("/api/health/detailed", get(health))
        .route("/api/health/calcom", get(calcom))
}

/// What an orchestrator asks, without a limit.
pub(crate) fn probes() -> Router<Edge> {
    Router::new().route("/livez", get(|| async { "ok" })).route("/readyz", get(ready))
}

/// Strangers learn the state and the version and nothing more.
async fn health(State(edge): State<Edge>, headers: HeaderMap) -> Response {
    let began = edge.clock.now();
    let report = edge.health.report().await;
    let mut answer = basics(&edge, report.state);
    if administrator(&edge, &headers).is_ok() {
        answer.insert("healthy".to_owned(), json!(report.state != HealthState::Unhealthy));
        answer.insert("response_time_ms".to_owned(), json!((edge.clock.now() - began).as_millis() as i64));
        answer.insert("checks".to_owned(), checks(&report));
        if let Some(in_force) = &report.configuration {
            answer.insert("configuration".to_owned(), configuration(in_force));
        }
    }
    (status(report.state), Json(answer)).into_response()
}

/// The accounts that appointments are kept in.
async fn calcom(State(edge): State<Edge>, headers: HeaderMap) -> Response {
    let report = edge.health.report().await;
    let mut answer = basics(&edge, report.state);
    if administrator(&edge, &headers).is_ok() {
        let accounts: Vec<Value> = edge
            .recognition
            .tenants()
            .iter()
            .filter_map(|tenant| match &tenant.calendar {
                CalendarKind::Builtin => None,
                CalendarKind::Calcom { base_url, .. } => Some(json!({
                    "tenant": tenant.slug,
                    "base_url": base_url,
                    "has_key": tenant.secrets.calcom_api_key.is_some(),
                })),
            })
            .collect();
        answer.insert("accounts".to_owned(), json!(accounts));
    }
    (status(report.state), Json(answer)).into_response()
}

/// Whether to send traffic here.
async fn ready(State(edge): State<Edge>) -> Response {
    match edge.health.report().await.state {
        HealthState::Unhealthy => (StatusCode::SERVICE_UNAVAILABLE, "not ready").into_response(),
        HealthState::Healthy | HealthState::Degraded => "ready".into_response(),
    }
}

fn basics(edge: &Edge, state: HealthState) -> Map<String, Value> {
    let mut answer = Map::new();
    answer.insert("status".to_owned(), json!(state.as_str()));
    answer.insert("version".to_owned(), json!(edge.settings.version));
    answer.insert("build".to_owned(), json!(edge.settings.build));
    answer.insert("timestamp".to_owned(), json!(edge.clock.now().to_string()));
    answer
}

fn checks(report: &HealthReport) -> Value {
    let checks: Map<String, Value> = report
        .checks
        .iter()
        .map(|(name, state, detail)| ((*name).to_owned(), json!({ "status": state.as_str(), "detail": detail })))
        .collect();
    Value::Object(checks)
}

fn configuration(in_force: &InForce) -> Value {
    let InForce { revision, loaded_at, refused } = in_force;
    let refused = refused.as_ref().map(|(at, why)| json!({ "at": at.to_string(), "why": why }));
    json!({ "revision": revision, "loaded_at": loaded_at.to_string(), "last_refusal": refused })
}

fn status(state: HealthState) -> StatusCode {
    match state {
        HealthState::Unhealthy => StatusCode::SERVICE_UNAVAILABLE,
        HealthState::Healthy | HealthState::Degraded => StatusCode::OK,
    }
}
