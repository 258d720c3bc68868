//! What fires and what did, for operators.

use axum::Router;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use axum::routing::get;
use frontdesk_core::alert::{Alert, Silence};
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::admin::{admitted, items};
use crate::edge::Edge;
use crate::problem::Problem;

pub(crate) fn router() -> Router<Edge> {
    Router::new().route("/api/admin/alerts", get(alerts))
}

/// `GET`: those that fire first, then the newest.
async fn alerts(State(edge): State<Edge>, headers: HeaderMap) -> Result<Response, Problem> {
    admitted(&edge, &headers).await?;
    let (alerts, silences) = edge.operations.alerts().await?;
    let now = edge.clock.now();
    Ok(items(alerts.iter().map(|alert| alert_row(alert, &silences, now)).collect()))
}

/// An alert as operators see it.
pub fn alert_row(alert: &Alert, silences: &[Silence], now: Timestamp) -> Value {
    let silenced = silences.iter().filter(|it| it.covers(alert.rule, &alert.subject, now)).map(|it| it.until).max();
    let text = |at: Timestamp| at.to_string();
    json!({
        "rule": alert.rule,
        "subject": alert.subject,
        "state": if alert.is_firing() { "firing" } else { "resolved" },
        "level": alert.rule.level(),
        "evidence": alert.evidence,
        "advice": alert.rule.advice(),
        "fired_at": text(alert.fired_at),
        "last_seen": text(alert.last_seen),
        "resolved_at": alert.resolved_at.map(text),
        "silenced_until": silenced.map(text),
    })
}
