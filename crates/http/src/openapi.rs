//! What is served here, for programs (`/api/openapi.json`) and for people (`/docs`): one document, and a
//! page made of it. The catalogue of problems is generated from the codes themselves.

mod gateway;
mod page;
mod schemas;
mod tenant;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use axum::extract::State;
use axum::http::{HeaderValue, header};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Map, Value, json};

use crate::edge::{Edge, Settings};
use crate::problem::Code;

pub(crate) fn router() -> Router<Edge> {
    Router::new().route("/api/openapi.json", get(as_json)).route("/docs", get(as_page))
}

async fn as_json(State(edge): State<Edge>) -> Response {
    Json(document(&edge.settings)).into_response()
}

/// The page asks for nothing from anywhere, and could not.
async fn as_page(State(edge): State<Edge>) -> Response {
    let mut response = Html(page::of(&document(&edge.settings))).into_response();
    let policy = HeaderValue::from_static("default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'");
    response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, policy);
    response
}

/// The whole surface as OpenAPI 3.1.
pub(crate) fn document(settings: &Settings) -> Value {
    let mut paths: BTreeMap<&'static str, Map<String, Value>> = BTreeMap::new();
    for operation in tenant::operations().into_iter().chain(gateway::operations()) {
        paths.entry(operation.path).or_default().insert(operation.method.to_owned(), operation.render());
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Frontdesk",
            "version": settings.version,
            "summary": "A gateway between voice agents and calendars.",
            "description": "Times are RFC 3339 with an offset, in and out. Failures are RFC 9457 problem details with a stable code and all violations at once. Every answer carries X-Request-Id, X-Response-Time and Server-Timing. The addresses of the gateway before this one are served as well and are not listed.",
        },
        "servers": [{ "url": settings.public_url }],
        "tags": TAGS.iter().map(|(name, description)| json!({ "name": name, "description": description })).collect::<Vec<_>>(),
        "paths": paths,
        "components": { "schemas": schemas::all(), "securitySchemes": security_schemes() },
    })
}

const TAGS: [(&str, &str); 7] = [
    ("availability", "Free times. Nothing is held."),
    ("bookings", "Appointments, under the same rules as on the phone."),
    ("callbacks", "People who wait for a call."),
    ("voice", "What voice agents call while they talk, and what their platform reports."),
    ("calendar", "What calendars report."),
    ("health", "Whether it works."),
    ("admin", "For operators. 404 unless an admin key is configured."),
];

fn security_schemes() -> Value {
    json!({
        "tenantKey": { "type": "http", "scheme": "bearer", "description": "A tenant's key, fd_…" },
        "adminKey": { "type": "http", "scheme": "bearer", "description": "An operator's key." },
        "retellSignature": {
            "type": "apiKey", "in": "header", "name": "X-Retell-Signature",
            "description": "v=<milliseconds>,d=<hex HMAC-SHA256 of body and milliseconds> under the tenant's Retell key.",
        },
        "calcomSignature": {
            "type": "apiKey", "in": "header", "name": "X-Cal-Signature-256",
            "description": "Hex HMAC-SHA256 of the body under the tenant's webhook secret.",
        },
    })
}

/// Who may ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Who {
    Anyone,
    Tenant,
    Admin,
    Retell,
    Calcom,
}

/// One operation of the surface.
struct Operation {
    tag: &'static str,
    method: &'static str,
    path: &'static str,
    /// Its id for generators.
    id: &'static str,
    summary: &'static str,
    description: &'static str,
    who: Who,
    parameters: Vec<Value>,
    body: Option<Body>,
    /// Status and response.
    answers: Vec<(&'static str, Value)>,
    problems: &'static [Code],
}

struct Body {
    schema: &'static str,
    required: bool,
    example: Value,
}

impl Operation {
    fn new(tag: &'static str, method: &'static str, path: &'static str, id: &'static str, summary: &'static str) -> Self {
        let described: Vec<Value> = path
            .split('/')
            .filter_map(|part| part.strip_prefix('{').and_then(|part| part.strip_suffix('}')))
            .map(|name| json!({ "name": name, "in": "path", "required": true, "schema": { "type": "string" } }))
            .collect();
        Self {
            tag,
            method,
            path,
            id,
            summary,
            description: "",
            who: Who::Anyone,
            parameters: described,
            body: None,
            answers: Vec::new(),
            problems: &[],
        }
    }

    fn about(mut self, description: &'static str) -> Self {
        self.description = description;
        self
    }

    fn by(mut self, who: Who) -> Self {
        self.who = who;
        self
    }

    fn takes(mut self, schema: &'static str, example: Value) -> Self {
        self.body = Some(Body { schema, required: true, example });
        self
    }

    fn may_take(mut self, schema: &'static str, example: Value) -> Self {
        self.body = Some(Body { schema, required: false, example });
        self
    }

    fn query(mut self, name: &'static str, description: &'static str, schema: Value) -> Self {
        self.parameters
            .push(json!({ "name": name, "in": "query", "required": false, "description": description, "schema": schema }));
        self
    }

    /// It writes, and does so once per key.
    fn once(mut self) -> Self {
        self.parameters.push(json!({
            "name": "Idempotency-Key", "in": "header", "required": false,
            "description": "1 to 255 visible ASCII characters. The same key with the same request gives the first answer again for 24 hours, with Idempotency-Replayed: true.",
            "schema": { "type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$" },
        }));
        self
    }

    fn answers(mut self, status: &'static str, meaning: &'static str, schema: &str, example: Value) -> Self {
        let content = json!({ "application/json": { "schema": reference(schema), "example": example } });
        self.answers.push((status, json!({ "description": meaning, "content": content })));
        self
    }

    /// Answers with a word, not with JSON.
    fn plain(mut self, status: &'static str, meaning: &'static str) -> Self {
        let content = json!({ "text/plain": { "schema": { "type": "string" } } });
        self.answers.push((status, json!({ "description": meaning, "content": content })));
        self
    }

    fn fails(mut self, problems: &'static [Code]) -> Self {
        self.problems = problems;
        self
    }

    fn render(self) -> Value {
        let security = match self.who {
            Who::Anyone => json!([]),
            Who::Tenant => json!([{ "tenantKey": [] }]),
            Who::Admin => json!([{ "adminKey": [] }]),
            Who::Retell => json!([{ "retellSignature": [] }]),
            Who::Calcom => json!([{ "calcomSignature": [] }]),
        };
        let mut responses = problem_responses(self.problems);
        responses.extend(self.answers.into_iter().map(|(status, response)| (status.to_owned(), response)));
        let mut operation = json!({
            "tags": [self.tag],
            "operationId": self.id,
            "summary": self.summary,
            "security": security,
            "responses": responses,
        });
        if !self.description.is_empty() {
            operation["description"] = json!(self.description);
        }
        if !self.parameters.is_empty() {
            operation["parameters"] = json!(self.parameters);
        }
        if let Some(body) = self.body {
            operation["requestBody"] = json!({
                "required": body.required,
                "content": { "application/json": { "schema": reference(body.schema), "example": body.example } },
            });
        }
        operation
    }
}

fn reference(schema: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{schema}") })
}

/// The problems of an operation, by status; each names its codes.
fn problem_responses(codes: &[Code]) -> Map<String, Value> {
    let mut by_status: BTreeMap<u16, Vec<Code>> = BTreeMap::new();
    // Whoever has a key has limits, and whoever sends a body may send it slowly or as something else.
    let has = |code: Code| codes.contains(&code);
    let limited = has(Code::Unauthorized).then_some(Code::RateLimitExceeded);
    let with_body = [Code::Timeout, Code::UnsupportedMediaType].into_iter().filter(|_| has(Code::MalformedJson));
    for code in codes.iter().copied().chain(limited).chain(with_body) {
        let code = &code;
        by_status.entry(code.facts().0.as_u16()).or_default().push(*code);
    }
    let response = |codes: &[Code]| {
        let words: Vec<String> = codes.iter().map(|code| format!("`{}`: {}", code.facts().1, code.facts().2)).collect();
        let mut response = json!({
            "description": words.join("; "),
            "content": { "application/problem+json": { "schema": reference("Problem") } },
        });
        if codes.iter().any(|code| matches!(code, Code::CalendarUnavailable | Code::StillRunning | Code::RateLimitExceeded)) {
            let seconds = json!({ "description": "Seconds after which to ask again.", "schema": { "type": "integer" } });
            response["headers"] = json!({ "Retry-After": seconds });
        }
        response
    };
    by_status.iter().map(|(status, codes)| (status.to_string(), response(codes))).collect()
}
