//! Cal.com's webhooks: signature over the exact bytes, no delivery id, so a body is stored once by its
//! digest. What it tells is durable and in force before it is acknowledged; what is remembered of that
//! tenant's free times is dropped.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, Request, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use frontdesk_core::calendar_news::Applied;
use frontdesk_core::limits::{Asker, Class};
use frontdesk_core::meter;
use frontdesk_core::tenant::Tenant;
use ring::hmac;
use serde_json::json;

use crate::calcom_news;
use crate::edge::{Edge, find_tenant};
use crate::layers::read_body;
use crate::problem::Problem;
use crate::retell::events::digest;

const MOST: usize = 1024 * 1024;
const MOST_FOR_ALL: usize = 128 * 1024;
const HEADERS: [&str; 4] = ["x-cal-signature-256", "cal-signature-256", "x-cal-signature", "cal-signature"];

/// `GET`: Cal.com's and people's way of asking whether somebody is there.
pub(crate) async fn ping() -> Response {
    Json(json!({ "ping": "ok" })).into_response()
}

/// `POST /api/t/{tenant}/calcom/events`.
pub(crate) async fn by_path(State(edge): State<Edge>, Path(slug): Path<String>, request: Request) -> Response {
    serve(&edge, Some(&slug), request).await.unwrap_or_else(IntoResponse::into_response)
}

/// The old addresses: the only tenant whose secret fits.
pub(crate) async fn by_signature(State(edge): State<Edge>, request: Request) -> Response {
    serve(&edge, None, request).await.unwrap_or_else(IntoResponse::into_response)
}

async fn serve(edge: &Edge, slug: Option<&str>, request: Request) -> Result<Response, Problem> {
    let (parts, body) = request.into_parts();
    // Without a slug every tenant's secret is tried on it.
    let body = read_body(body, if slug.is_some() { MOST } else { MOST_FOR_ALL }).await?;
    let candidates: Vec<Arc<Tenant>> = match slug {
        Some(slug) => find_tenant(edge, slug).into_iter().collect(),
        None => edge.recognition.tenants(),
    };
    let mut fitting = candidates.iter().filter(|tenant| is_signed(tenant, &parts.headers, &body));
    let (Some(tenant), None) = (fitting.next(), fitting.next()) else { return Err(Problem::unauthorized()) };
    meter::note(|meter| meter.belongs_to(&tenant.slug));
    edge.gate.count(Asker::Events { tenant }, Class::Webhooks).await;
    let applied = match calcom_news::read(&body, digest(&body), tenant, edge.clock.now()) {
        Some(news) => {
            let applied = edge.desk.hear(tenant, &news).await;
            let applied = applied.map_err(|error| {
                tracing::error!(channel = "calcom", tenant = %tenant.slug, error = error.with_causes(), "a calendar event could not be kept");
                Problem::from(error)
            })?;
            let (what, kind) = (applied.word(), news.kind.as_str());
            if applied.needs_a_person() {
                tracing::warn!(channel = "calcom", tenant = %tenant.slug, kind, what, "the calendar and we differ: a work item was made");
            }
            tracing::info!(channel = "calcom", tenant = %tenant.slug, kind, what, "calendar event received");
            Some(applied)
        }
        None => {
            tracing::info!(channel = "calcom", tenant = %tenant.slug, "calendar event received that tells of no booking");
            None
        }
    };
    if !matches!(applied, Some(Applied::Repeated | Applied::Stale)) {
        edge.recognition.calendar_changed(tenant);
    }
    Ok(Json(json!({ "received": true, "status": "processed" })).into_response())
}

fn is_signed(tenant: &Tenant, headers: &HeaderMap, body: &[u8]) -> bool {
    let Some(secret) = tenant.secrets.calcom_webhook_secret.as_ref().filter(|secret| !secret.is_empty()) else { return false };
    let Some(header) = HEADERS.iter().find_map(|name| headers.get(*name)).and_then(|value| value.to_str().ok()) else {
        return false;
    };
    let hex = header.strip_prefix("sha256=").unwrap_or(header);
    let digest: Option<Vec<u8>> = (hex.len() == 64 && hex.is_ascii())
        .then(|| (0..32).map(|index| u8::from_str_radix(hex.get(index * 2..index * 2 + 2)?, 16).ok()).collect())
        .flatten();
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.expose().as_bytes());
    digest.is_some_and(|digest| hmac::verify(&key, body, &digest).is_ok())
}
