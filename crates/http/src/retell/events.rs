//! Events of a voice agent: stored once, applied in any order; and the pre-load before the first word.

use axum::extract::{Path, Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use frontdesk_core::call::CallContext;
use frontdesk_core::call_facts::{Figures, Money};
use frontdesk_core::desk::Visit;
use frontdesk_core::limits::{Asker, Class};
use frontdesk_core::meter;
use frontdesk_core::outcome::{CallerInfo, Offer};
use frontdesk_core::ports::VoiceEvent;
use frontdesk_core::tenant::Tenant;
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::envelope::{Envelope, Unreadable};
use super::recognise;
use crate::edge::Edge;
use crate::layers::{RequestId, read_body};
use crate::legacy::{old_call_started, old_dynamic_variables};
use crate::problem::{Code, Problem};

const MOST: usize = 8 * 1024 * 1024;
/// What is kept of an event's call: facts without people.
const KEPT: &[&str] = &[
    "call_id",
    "call_type",
    "agent_id",
    "agent_version",
    "call_status",
    "direction",
    "start_timestamp",
    "end_timestamp",
    "duration_ms",
    "disconnection_reason",
    "call_cost",
    "latency",
];
/// What is kept of the platform's own analysis.
const KEPT_OF_ANALYSIS: &[&str] = &["call_successful", "user_sentiment", "in_voicemail"];

/// `POST /api/t/{tenant}/retell/events`.
pub(crate) async fn by_path(
    State(edge): State<Edge>,
    Path(slug): Path<String>,
    Extension(id): Extension<RequestId>,
    request: Request,
) -> Response {
    serve(&edge, Some(&slug), &id, request).await.unwrap_or_else(IntoResponse::into_response)
}

/// `POST /api/webhooks/retell` and `POST /api/webhook`, as agents of the old gateway are configured.
pub(crate) async fn by_envelope(State(edge): State<Edge>, Extension(id): Extension<RequestId>, request: Request) -> Response {
    serve(&edge, None, &id, request).await.unwrap_or_else(IntoResponse::into_response)
}

async fn serve(edge: &Edge, slug: Option<&str>, id: &RequestId, request: Request) -> Result<Response, Problem> {
    let (parts, body) = request.into_parts();
    let body = read_body(body, MOST).await?;
    let read = Envelope::read(&body, false);
    let empty = Envelope::default();
    let envelope = read.as_ref().unwrap_or(&empty);
    let tenant = match slug {
        Some(slug) => recognise::by_path(edge, slug, &parts.headers, &body)?,
        None => recognise::by_envelope(edge, envelope, &parts.headers, &body)?,
    };
    let call = envelope.context(None);
    recognise::belongs(edge, &tenant, &call)?;
    if matches!(read, Err(Unreadable::NotJson | Unreadable::NoObject)) {
        return Err(Problem::new(Code::MalformedJson, "An event is a JSON object."));
    }
    // Never refused: what it says happened. Over the limit it is counted and alarmed at the edge.
    meter::note(|meter| meter.belongs_to(&tenant.slug));
    edge.gate.count(Asker::Events { tenant: &tenant }, Class::Webhooks).await;
    let event = envelope.event.clone().unwrap_or_default();
    tracing::info!(request_id = id.0, tenant = %tenant.slug, event, "event received");
    let is_old = slug.is_none();
    let visit = Visit { tenant: tenant.clone(), call, tool_call: None, hours: edge.hours(&tenant) };
    match event.as_str() {
        "call_inbound" => {
            let _ = edge.desk.meet(&tenant, &visit.call).await;
            let variables = preload(edge, &visit).await;
            let mut answer = json!({ "call_inbound": { "dynamic_variables": variables, "metadata": { "tenant": tenant.slug } } });
            if is_old && let Value::Object(answer) = &mut answer {
                answer.insert("dynamic_variables".to_owned(), json!(variables));
            }
            Ok(Json(answer).into_response())
        }
        "call_started" => {
            store(edge, &tenant, &visit.call, envelope, &event, &body).await?;
            let variables = preload(edge, &visit).await;
            let call_id = visit.call.id.as_ref().map_or("", |id| id.as_str());
            Ok(Json(old_call_started(call_id, variables)).into_response())
        }
        _ => {
            if matches!(event.as_str(), "call_ended" | "call_analyzed") {
                // Before the event is stored: one that is delivered again finds the work item.
                edge.desk.call_is_over(&tenant, &visit.call).await?;
            }
            store(edge, &tenant, &visit.call, envelope, &event, &body).await?;
            if is_old {
                return Ok(Json(json!({ "success": true, "event": event, "message": "" })).into_response());
            }
            Ok(StatusCode::NO_CONTENT.into_response())
        }
    }
}

/// Stored before it is acknowledged; a second delivery changes nothing.
async fn store(
    edge: &Edge,
    tenant: &Tenant,
    call: &CallContext,
    envelope: &Envelope,
    event: &str,
    body: &[u8],
) -> Result<(), Problem> {
    let (Some(id), false) = (&call.id, event.is_empty()) else { return Ok(()) };
    let fields = envelope.call.clone().unwrap_or_default();
    let kept = kept(body);
    let voice_event = VoiceEvent {
        name: event.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '_').take(64).collect(),
        call: id.clone(),
        started_at: instant(fields.start_ms),
        ended_at: instant(fields.end_ms),
        disconnection_reason: fields.disconnection_reason.as_deref().map(word),
        figures: figures(&kept),
        kept: kept.to_string(),
        digest: digest(body),
    };
    edge.calls.apply(tenant.scope(), call, &voice_event, edge.clock.now()).await?;
    Ok(())
}

async fn preload(edge: &Edge, visit: &Visit) -> Map<String, Value> {
    let (caller, next): (CallerInfo, Vec<Offer>) = edge.desk.preload(visit).await;
    let phone = visit.call.caller.phone();
    old_dynamic_variables(&caller, &next, &visit.tenant, phone, edge.clock.now())
}

fn instant(ms: Option<i64>) -> Option<Timestamp> {
    ms.and_then(|ms| Timestamp::from_millisecond(ms).ok())
}

/// An open list of words; nothing else is let in.
fn word(text: &str) -> String {
    text.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '_').take(64).collect()
}

/// QUIRK: durations are milliseconds, but seconds inside `call_cost`; costs are US cents, with fractions.
fn figures(kept: &Value) -> Figures {
    let cost = kept.get("call_cost");
    let number = |value: Option<&Value>| value.and_then(Value::as_f64).filter(|it| (0.0..=1e12).contains(it));
    let seconds = || number(cost.and_then(|cost| cost.get("total_duration_seconds"))).map(|seconds| seconds * 1000.0);
    Figures {
        duration_ms: number(kept.get("duration_ms")).or_else(seconds).map(|ms| ms.round() as i64),
        cost: number(cost.and_then(|cost| cost.get("combined_cost"))).and_then(|cents| Money::of_cents(cents, "USD")),
        said_successful: kept.pointer("/call_analysis/call_successful").and_then(Value::as_bool),
    }
}

/// Only fields that carry no person are kept; the transcript and the numbers are not among them.
fn kept(body: &[u8]) -> Value {
    let body: Value = serde_json::from_slice(body).unwrap_or_default();
    let call = body.get("call").or_else(|| body.get("chat")).cloned().unwrap_or_default();
    let mut kept: Map<String, Value> =
        KEPT.iter().filter_map(|name| Some(((*name).to_owned(), call.get(name)?.clone()))).collect();
    let analysis: Map<String, Value> = KEPT_OF_ANALYSIS
        .iter()
        .filter_map(|name| Some(((*name).to_owned(), call.get("call_analysis")?.get(name)?.clone())))
        .collect();
    if !analysis.is_empty() {
        kept.insert("call_analysis".to_owned(), Value::Object(analysis));
    }
    Value::Object(kept)
}

pub(crate) fn digest(body: &[u8]) -> String {
    let digest = ring::digest::digest(&ring::digest::SHA256, body);
    digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_a_person_is_kept_of_an_event() {
        let body = br#"{"event":"call_analyzed","call":{"call_id":"c","from_number":"+4915123456789","transcript":"Ada Byron",
            "transcript_object":[{"content":"Ada"}],"retell_llm_dynamic_variables":{"name":"Ada"},"duration_ms":63000,
            "call_analysis":{"call_summary":"Ada called","call_successful":false}}}"#;
        let kept = kept(body).to_string();
        assert!(!kept.contains("Ada") && !kept.contains("4915"), "{kept}");
        assert!(kept.contains("63000") && kept.contains("call_successful"), "{kept}");
    }
}
