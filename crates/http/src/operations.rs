//! What operators switch and reset while the gateway runs, and who did what.

use axum::extract::{Path, Query, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post, put};
use axum::{Json, Router};
use frontdesk_core::ids::TenantId;
use frontdesk_core::limits::{Class, Limits};
use frontdesk_core::outbox::{OutboxFilter, OutboxRow, Revival, RowState};
use frontdesk_core::protection::{Mode, Protection, Switch};
use frontdesk_core::shared::BreakerRow;
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::admin::{admitted, exchange, items};
use crate::edge::{Done, Edge, find_tenant};
use crate::layers::read_body;
use crate::problem::{Code, Problem};

/// What stands for a word that this release does not know.
const UNREADABLE: &str = "unreadable";
/// No request here is larger.
const MOST: usize = 16 * 1024;
/// At most so many rows.
const ROWS: usize = 200;
/// A switch for a while is for at most this long.
const LONGEST: SignedDuration = SignedDuration::from_hours(24 * 366);

pub(crate) fn router() -> Router<Edge> {
    Router::new()
        .route("/api/admin/features", get(features))
        .route("/api/admin/features/{name}", put(set_feature))
        .route("/api/admin/breakers", get(breakers))
        .route("/api/admin/breakers/reset", post(reset_breaker))
        .route("/api/admin/limits", get(limits))
        .route("/api/admin/limits/reset", post(reset_limit))
        .route("/api/admin/audit", get(audit))
        .route("/api/admin/revisions", get(revisions))
        .route("/api/admin/outbox", get(outbox))
        .route("/api/admin/outbox/{id}/retry", post(retry))
        .route("/api/admin/exchanges/{request_id}", get(exchanges))
}

/// `GET`: every protection of the deployment, then the tenants that differ.
async fn features(State(edge): State<Edge>, headers: HeaderMap) -> Result<Response, Problem> {
    admitted(&edge, &headers).await?;
    let now = edge.clock.now();
    let set: Vec<Switch> =
        edge.operations.features().await?.into_iter().filter(|it| it.until.is_none_or(|until| now < until)).collect();
    let row = |protection: Protection, tenant: Option<&TenantId>| {
        let until = set.iter().find(|it| it.protection == protection && it.tenant.as_ref() == tenant).and_then(|it| it.until);
        json!({
            "name": protection.name(),
            "tenant": tenant,
            "state": edge.switches.mode(protection, tenant, now).as_str(),
            "until": until.map(|until| until.to_string()),
            "always_on": protection.always_on(),
        })
    };
    let mut rows: Vec<Value> = Protection::ALL.into_iter().map(|protection| row(protection, None)).collect();
    rows.extend(set.iter().filter(|it| it.tenant.is_some()).map(|it| row(it.protection, it.tenant.as_ref())));
    Ok(items(rows))
}

/// `PUT {"state": "on|shadow|off", "tenant": …, "for": "2h", "why": …}`.
async fn set_feature(
    State(edge): State<Edge>,
    headers: HeaderMap,
    Path(name): Path<String>,
    body: axum::body::Body,
) -> Result<Response, Problem> {
    let who = admitted(&edge, &headers).await?.name.clone();
    let protection = Protection::named(&name).ok_or_else(Problem::not_found)?;
    let body = object(body).await?;
    let mut wrong = Vec::new();
    let mode = text(&body, "state", &mut wrong).and_then(Mode::parse);
    if mode.is_none() {
        wrong.push(("/state".to_owned(), "must be on, shadow or off".to_owned()));
    }
    let tenant = text(&body, "tenant", &mut wrong).map(|slug| (slug, find_tenant(&edge, slug)));
    if let Some((_, None)) = &tenant {
        wrong.push(("/tenant".to_owned(), "is not a tenant".to_owned()));
    }
    let until = text(&body, "for", &mut wrong).map(|text| span(text).map(|span| edge.clock.now() + span));
    if let Some(None) = until {
        wrong.push(("/for".to_owned(), "must be a duration such as \"2h\" or \"30m\"".to_owned()));
    }
    let why = text(&body, "why", &mut wrong).map(str::to_owned);
    if let (Some(reason), true) = (protection.always_on(), mode != Some(Mode::On)) {
        wrong.push(("/state".to_owned(), format!("{} is always on: {reason}", protection.name())));
    }
    let (Some(mode), true) = (mode, wrong.is_empty()) else { return Err(Problem::invalid(wrong)) };
    let tenant = tenant.and_then(|(_, tenant)| tenant).map(|tenant| tenant.slug.clone());
    let switch = Switch { protection, tenant, mode, until: until.flatten() };
    edge.operations.set_feature(&switch, &who, why.as_deref()).await?;
    Ok(Json(json!({
        "name": protection.name(),
        "tenant": switch.tenant,
        "state": mode.as_str(),
        "until": switch.until.map(|until| until.to_string()),
    }))
    .into_response())
}

async fn breakers(State(edge): State<Edge>, headers: HeaderMap) -> Result<Response, Problem> {
    admitted(&edge, &headers).await?;
    Ok(items(edge.operations.breakers().await.iter().map(breaker).collect()))
}

/// A breaker as operators see it.
pub(crate) fn breaker(row: &BreakerRow) -> Value {
    json!({
        "account": row.account,
        "state": row.state.as_str(),
        "failures": row.failures,
        "successes": row.successes,
        "open_for_s": row.open_for.map(|micros| micros / 1_000_000),
    })
}

/// `POST {"account": …}`; without one, all.
async fn reset_breaker(State(edge): State<Edge>, headers: HeaderMap, body: axum::body::Body) -> Result<Response, Problem> {
    let who = admitted(&edge, &headers).await?.name.clone();
    let body = object(body).await?;
    let mut wrong = Vec::new();
    let account = text(&body, "account", &mut wrong);
    if !wrong.is_empty() {
        return Err(Problem::invalid(wrong));
    }
    edge.operations.reset_breaker(account, &who).await?;
    Ok(Json(json!({ "reset": account.unwrap_or("all") })).into_response())
}

/// The limits, the fullest buckets, and who was refused within the hour.
async fn limits(State(edge): State<Edge>, headers: HeaderMap) -> Result<Response, Problem> {
    admitted(&edge, &headers).await?;
    let offenders = edge.gate.offenders();
    let limits: Limits = edge.gate.limits();
    let mut rows: Vec<Value> = Vec::new();
    for bucket in edge.operations.buckets(ROWS).await {
        let offender = offenders.iter().find(|it| it.key == bucket.key);
        rows.push(json!({
            "key": bucket.key,
            "used": bucket.used,
            "refusals_1h": offender.map_or(0, |it| it.refusals),
            "abuse": offender.is_some_and(|it| it.is_abuse),
        }));
    }
    let idle = offenders.iter().filter(|it| rows.iter().all(|row| row["key"] != it.key.as_str()));
    let idle: Vec<Value> =
        idle.map(|it| json!({ "key": it.key, "used": 0, "refusals_1h": it.refusals, "abuse": it.is_abuse })).collect();
    rows.extend(idle);
    let classes: Map<String, Value> =
        Class::ALL.into_iter().map(|class| (class.name().to_owned(), json!(limits.of(class, None)))).collect();
    let (away, alone) = edge.operations.shared_state();
    Ok(Json(json!({ "items": rows, "per_minute": classes, "shared_state_away": away, "decided_alone": alone })).into_response())
}

/// `POST {"key": "rate_limit:…"}`.
async fn reset_limit(State(edge): State<Edge>, headers: HeaderMap, body: axum::body::Body) -> Result<Response, Problem> {
    let who = admitted(&edge, &headers).await?.name.clone();
    let body = object(body).await?;
    let mut wrong = Vec::new();
    let key = text(&body, "key", &mut wrong).filter(|key| key.starts_with("rate_limit:"));
    let Some(key) = key else {
        wrong.push(("/key".to_owned(), "must be a key as GET /api/admin/limits lists it".to_owned()));
        return Err(Problem::invalid(wrong));
    };
    edge.operations.reset_bucket(key, &who).await?;
    Ok(Json(json!({ "reset": key })).into_response())
}

/// What a request said to calendars, whichever tenant it was for.
async fn exchanges(State(edge): State<Edge>, headers: HeaderMap, Path(request): Path<String>) -> Result<Response, Problem> {
    admitted(&edge, &headers).await?;
    let mut rows = Vec::new();
    for tenant in edge.recognition.tenants() {
        rows.extend(edge.operations.exchanges(tenant.scope(), &request).await?.iter().map(|it| exchange(&tenant, it)));
    }
    Ok(items(rows))
}

async fn revisions(State(edge): State<Edge>, headers: HeaderMap) -> Result<Response, Problem> {
    admitted(&edge, &headers).await?;
    Ok(items(edge.operations.revisions(100).await?))
}

async fn audit(State(edge): State<Edge>, headers: HeaderMap) -> Result<Response, Problem> {
    admitted(&edge, &headers).await?;
    Ok(items(edge.operations.audit(200).await?.iter().map(done).collect()))
}

/// `?tenant=salon&state=dead`.
#[derive(Debug, Default, Deserialize)]
struct OutboxQuery {
    tenant: Option<String>,
    state: Option<String>,
}

async fn outbox(State(edge): State<Edge>, headers: HeaderMap, Query(query): Query<OutboxQuery>) -> Result<Response, Problem> {
    admitted(&edge, &headers).await?;
    let tenant = match &query.tenant {
        Some(slug) => Some(find_tenant(&edge, slug).ok_or_else(Problem::not_found)?.slug.clone()),
        None => None,
    };
    let state = match &query.state {
        Some(word) => {
            let wrong = || Problem::invalid(vec![("/state".to_owned(), "must be waiting, done, dead or superseded".to_owned())]);
            Some(RowState::parse(word).ok_or_else(wrong)?)
        }
        None => None,
    };
    let filter = OutboxFilter { tenant, state, limit: 200 };
    Ok(items(edge.outbox.outbox(&filter).await?.iter().map(outbox_row).collect()))
}

/// A row of the outbox as operators see it: it holds nobody's data.
pub fn outbox_row(it: &OutboxRow) -> Value {
    json!({
        "id": it.row.id,
        "tenant": it.row.tenant,
        "event": it.unreadable.map_or(it.row.event.as_str(), |_| UNREADABLE),
        "channel": it.unreadable.map_or(it.row.channel.as_str(), |_| UNREADABLE),
        "to": it.row.target,
        "about": it.row.ordering,
        "key": it.row.key,
        "state": it.state.as_str(),
        "attempts": it.row.attempts,
        "created_at": it.row.created_at.to_string(),
        "not_before": it.not_before.to_string(),
        "done_at": it.done_at.map(|at| at.to_string()),
        "last_error": it.last_error,
    })
}

/// `POST`: a dead delivery is tried again, at once and from the first attempt.
async fn retry(State(edge): State<Edge>, headers: HeaderMap, Path(id): Path<String>) -> Result<Response, Problem> {
    let who = admitted(&edge, &headers).await?.name.clone();
    let id: i64 = id.parse().map_err(|_| Problem::not_found())?;
    match edge.outbox.revive(&Revival::One(id), &who, edge.clock.now()).await? {
        0 => Err(Problem::not_found()),
        _ => Ok(Json(json!({ "id": id, "state": RowState::Waiting.as_str() })).into_response()),
    }
}

fn done(row: &Done) -> Value {
    json!({
        "at": row.at.to_string(),
        "who": row.who,
        "what": row.what,
        "tenant": row.tenant,
        "was": row.was,
        "now": row.now,
        "until": row.until.map(|until: Timestamp| until.to_string()),
        "why": row.why,
    })
}

async fn object(body: axum::body::Body) -> Result<Map<String, Value>, Problem> {
    let body = read_body(body, MOST).await?;
    if body.iter().all(u8::is_ascii_whitespace) {
        return Ok(Map::new());
    }
    match serde_json::from_slice(&body) {
        Ok(Value::Object(fields)) => Ok(fields),
        Ok(_) => Err(Problem::invalid(vec![(String::new(), "The body is a JSON object.".to_owned())])),
        Err(_) => Err(Problem::new(Code::MalformedJson, "The body is not JSON.")),
    }
}

/// A short text, or `None` where there is none.
fn text<'b>(body: &'b Map<String, Value>, name: &str, wrong: &mut Vec<(String, String)>) -> Option<&'b str> {
    match body.get(name)? {
        Value::Null => None,
        Value::String(text) if text.len() <= 500 => Some(text),
        _ => {
            wrong.push((format!("/{name}"), "must be a text of at most 500 bytes".to_owned()));
            None
        }
    }
}

/// `30s`, `30m`, `2h`, `7d`.
fn span(text: &str) -> Option<SignedDuration> {
    let end = text.find(|letter: char| !letter.is_ascii_digit())?;
    let (number, unit) = text.split_at(end);
    let seconds: i64 = match unit {
        "s" => 1,
        "m" | "min" => 60,
        "h" => 3600,
        "d" => 86_400,
        _ => return None,
    };
    let span = SignedDuration::from_secs(number.parse::<i64>().ok()?.checked_mul(seconds)?);
    (span > SignedDuration::ZERO && span <= LONGEST).then_some(span)
}
