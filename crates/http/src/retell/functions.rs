//! Function calls of a voice agent. Once the signature is believed, every ending is HTTP 200 with a
//! sentence: the caller is on the line.

use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, Method};
use axum::response::{IntoResponse, Response};
use axum::{Extension, extract::Request};
use frontdesk_core::desk::Visit;
use frontdesk_core::limits::{Asker, Class};
use frontdesk_core::meter;
use frontdesk_core::outcome::{Missed, Outcome};
use frontdesk_core::ports::Step;
use frontdesk_core::redact::Depth;
use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::envelope::{Arguments, Envelope, Unreadable};
use super::recognise;
use crate::answer;
use crate::arguments::{Fixed, Function, command};
use crate::edge::Edge;
use crate::layers::{RequestId, read_body};
use crate::legacy::{Old, OldRoute, reshape};
use crate::problem::{Code, Problem};

/// The platform sends the whole transcript along, every time.
const MOST: usize = 4 * 1024 * 1024;
const CALL_HEADER: &str = "x-retell-call-id";
/// Of arguments the timeline keeps at most so many, and texts of at most so many characters.
const MOST_KEPT: usize = 32;
const MOST_CHARS: usize = 250;
/// Arguments that callers fill with their own words.
const OWN_WORDS: [&str; 11] =
    ["notes", "note", "notizen", "bemerkung", "reason", "grund", "message", "nachricht", "wortlaut", "words", "zeitangabe"];

/// `POST /api/t/{tenant}/retell/functions`: the body names the function.
pub(crate) async fn by_body(
    State(edge): State<Edge>,
    Path(slug): Path<String>,
    Extension(id): Extension<RequestId>,
    request: Request,
) -> Response {
    serve(&edge, Some(&slug), None, None, &id, request).await.unwrap_or_else(IntoResponse::into_response)
}

/// `POST /api/t/{tenant}/retell/functions/{name}`: the body may be the arguments alone.
pub(crate) async fn by_name(
    State(edge): State<Edge>,
    Path((slug, name)): Path<(String, String)>,
    Extension(id): Extension<RequestId>,
    request: Request,
) -> Response {
    serve(&edge, Some(&slug), Some(&name), None, &id, request).await.unwrap_or_else(IntoResponse::into_response)
}

/// The paths of the gateway that we replace.
pub(crate) async fn by_old_route(edge: Edge, route: &'static OldRoute, id: RequestId, request: Request) -> Response {
    serve(&edge, None, route.function, Some(route), &id, request).await.unwrap_or_else(IntoResponse::into_response)
}

async fn serve(
    edge: &Edge,
    slug: Option<&str>,
    name_in_url: Option<&str>,
    old: Option<&'static OldRoute>,
    id: &RequestId,
    request: Request,
) -> Result<Response, Problem> {
    let (parts, body) = request.into_parts();
    let body = whole_body(&parts.method, body).await?;
    let read = Envelope::read(&body, name_in_url.is_some());
    // Unreadable bodies are told apart only after the signature: to strangers all look the same.
    let empty = Envelope::default();
    let envelope = read.as_ref().unwrap_or(&empty);
    let tenant = match slug {
        Some(slug) => recognise::by_path(edge, slug, &parts.headers, &body)?,
        None => recognise::by_envelope(edge, envelope, &parts.headers, &body)?,
    };
    let call = envelope.context(header(&parts.headers, CALL_HEADER));
    recognise::belongs(edge, &tenant, &call)?;
    if read.as_ref().err() == Some(&Unreadable::NotJson) {
        return Err(Problem::new(Code::MalformedJson, "The body of a function call is a JSON object."));
    }
    let began = edge.clock.now();
    let visit = Arc::new(Visit {
        tenant: tenant.clone(),
        tool_call: envelope.call.as_ref().and_then(|call| call.tool_call.clone()),
        call,
        hours: edge.hours(&tenant),
    });
    let name = name_in_url.or(envelope.name.as_deref()).unwrap_or("");
    let function = Function::named(name);
    let fixed = old.map_or(Fixed::default(), |old| Fixed { consent: old.consent, acts_at_once: old.acts_at_once });
    meter::note(|meter| meter.belongs_to(&tenant.slug));
    let outcome = match (function, &envelope.arguments, &read) {
        (_, _, Err(_)) => unserved(edge, &visit, Outcome::Invalid { field: "body".to_owned() }).await,
        (None, _, _) => {
            tracing::warn!(tenant = %tenant.slug, "an agent called an unknown function");
            unserved(edge, &visit, Outcome::NotFound(Missed::Function)).await
        }
        (Some(_), Arguments::Unusable, _) => unserved(edge, &visit, Outcome::Invalid { field: "args".to_owned() }).await,
        (Some(function), Arguments::Fine(arguments), _) => match command(function, arguments, fixed) {
            Ok(command) => edge.desk.serve(Arc::clone(&visit), command).await,
            Err(unusable) => {
                // The call is known from its first request on, whatever that request was.
                let _ = edge.desk.meet(&tenant, &visit.call).await;
                unserved(edge, &visit, Outcome::Invalid { field: unusable.field.to_owned() }).await
            }
        },
    };
    let now = edge.clock.now();
    let modern = answer::render(&outcome, &tenant, now, &id.0);
    let canonical = function.map_or("unknown", Function::name);
    meter::note(|meter| meter.served(canonical, outcome.status()));
    let given = match &envelope.arguments {
        Arguments::Fine(arguments) => given(edge, arguments),
        Arguments::Unusable => "null".to_owned(),
    };
    note(edge, &visit, canonical, given, &outcome, &id.0, began).await;
    let answer = match old {
        Some(route) => {
            let took_ms = (now - began).as_millis().try_into().unwrap_or(0);
            let old = Old { route, function, name, call: &visit.call, tenant: &tenant, now, took_ms };
            reshape(&old, &outcome, &modern)
        }
        None => modern,
    };
    Ok(Json(answer).into_response())
}

/// What ends before the desk counts towards the limits all the same.
async fn unserved(edge: &Edge, visit: &Visit, outcome: Outcome) -> Outcome {
    let asker = Asker::Voice { tenant: &visit.tenant, call: visit.call.id.as_ref() };
    match edge.gate.admit(asker, Class::Default).await {
        Ok(_) => outcome,
        Err(refused) => Outcome::RateLimited { retry_after: refused.retry_after },
    }
}

/// GET and DELETE functions sign the empty body.
async fn whole_body(method: &Method, body: Body) -> Result<bytes::Bytes, Problem> {
    if matches!(*method, Method::GET | Method::DELETE | Method::HEAD) {
        return Ok(bytes::Bytes::new());
    }
    read_body(body, MOST).await
}

fn header<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

/// What the timeline keeps of arguments: redacted, and of what callers say in their own words how long it was.
fn given(edge: &Edge, arguments: &Map<String, Value>) -> String {
    let kept = arguments.iter().take(MOST_KEPT).map(|(name, value)| {
        // All of them are ASCII.
        let is_free = OWN_WORDS.iter().any(|own| own.eq_ignore_ascii_case(name.trim()));
        let value = match value {
            Value::String(text) if is_free || text.chars().count() > MOST_CHARS => {
                json!(format!("({} characters)", text.chars().count()))
            }
            Value::String(_) | Value::Bool(_) | Value::Number(_) | Value::Null => value.clone(),
            Value::Array(_) | Value::Object(_) => json!("(not a plain value)"),
        };
        (name.chars().take(MOST_CHARS).collect::<String>(), value)
    });
    edge.redactor.document(Value::Object(kept.collect()), Depth::Everything)
}

/// The line of the log and the step of the timeline; neither carries a person.
async fn note(edge: &Edge, visit: &Visit, function: &str, given: String, outcome: &Outcome, request: &str, began: Timestamp) {
    let took_ms = (edge.clock.now() - began).as_millis().try_into().unwrap_or(0);
    tracing::info!(
        request_id = request,
        tenant = %visit.tenant.slug,
        function,
        status = outcome.status(),
        duration_ms = took_ms,
        "function served"
    );
    let Some(call) = &visit.call.id else { return };
    let step = Step {
        request: request.to_owned(),
        function: function.to_owned(),
        status: outcome.status().to_owned(),
        input: given,
        output: summary(outcome),
        at: began,
        took_ms,
    };
    // The timeline is for operators; the caller does not wait for trouble with it.
    if edge.calls.note(visit.tenant.scope(), call, step).await.is_err() {
        tracing::warn!(request_id = request, "the timeline could not be written");
    }
}

/// What the timeline keeps of an answer: facts without people.
#[derive(Serialize)]
struct Summary<'a> {
    status: &'static str,
    next_action: &'static str,
    slots: Vec<Timestamp>,
    /// What the limits, the cache, the breaker and the budget decided about this request.
    decisions: &'a [Decision],
}

#[derive(Serialize)]
struct Decision {
    by: &'static str,
    decision: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    used: Option<Vec<String>>,
}

fn decisions() -> Vec<Decision> {
    let mut decisions = Vec::new();
    meter::note(|meter| {
        if let Some(verdict) = meter.verdict() {
            let standings = verdict.standings.iter().map(|(class, it)| format!("{} {}/{}", class.name(), it.used, it.limit));
            let decision = if verdict.refusal().is_some() { "refused" } else { "admitted" };
            decisions.push(Decision { by: "limits", decision, used: Some(standings.collect()) });
        }
        decisions.extend(meter.decisions().into_iter().map(|(by, decision)| Decision { by, decision, used: None }));
    });
    decisions
}

fn summary(outcome: &Outcome) -> String {
    let slots = outcome.offers().iter().map(|offer| offer.start).collect();
    let summary = Summary { status: outcome.status(), next_action: outcome.next_action(), slots, decisions: &decisions() };
    // INVARIANT: words, numbers and instants always serialise.
    serde_json::to_string(&summary).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::DECISIONS;

    #[test]
    fn what_the_timeline_keeps_of_an_answer_is_what_its_readers_look_for() {
        let outcome = Outcome::Invalid { field: "date".to_owned() };
        let kept: Value = serde_json::from_str(&summary(&outcome)).expect("JSON");
        assert_eq!(kept[DECISIONS], json!([]));
        assert_eq!((&kept["status"], &kept["slots"]), (&json!(outcome.status()), &json!([])));
        assert_eq!(kept["next_action"], json!(outcome.next_action()));
    }
}
