//! Is it there, can it serve, and, for operators, what is wrong and what to do about it.

use async_trait::async_trait;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use frontdesk_core::ids::TenantId;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::admin::administrator;
use crate::edge::{Edge, InForce};
use crate::problem::Problem;

/// How bad a finding is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// As it should be.
    #[default]
    Ok,
    /// It serves, but something needs a person.
    Warn,
    /// It cannot serve.
    Fail,
}

/// What a check found, in one sentence.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Finding {
    /// Which check.
    pub check: &'static str,
    /// Whose, where it is one tenant's.
    pub tenant: Option<TenantId>,
    /// How bad it is.
    pub severity: Severity,
    /// The sentence.
    pub says: String,
    /// What was seen; empty where the sentence says it all.
    pub evidence: String,
    /// What to do; empty where there is nothing to do.
    pub advice: String,
}

/// What health finds.
#[derive(Debug, Clone, Default)]
pub struct HealthReport {
    /// In the order of the checks.
    pub findings: Vec<Finding>,
    /// The configuration; `None` where none was read.
    pub configuration: Option<InForce>,
}

/// Which checks are made; both empty is all of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pick {
    /// Only these.
    pub only: Vec<String>,
    /// Not these.
    pub skip: Vec<String>,
}

/// Looks at the gateway and at what it stands on.
#[async_trait]
pub trait Health: Send + Sync {
    /// Whether it can serve: its own parts, quickly. Nobody outside is asked.
    async fn report(&self) -> HealthReport;

    /// Everything that `pick` names, the calendars of the tenants among it.
    ///
    /// # Errors
    /// The sentence about a name that no check has.
    async fn examine(&self, pick: &Pick) -> Result<HealthReport, String>;
}

// === impl Severity ===

impl Severity {
    /// One short word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warn => "warn",
            Self::Fail => "fail",
        }
    }

    /// The contract's word for a gateway whose worst finding this is.
    pub fn state(self) -> &'static str {
        match self {
            Self::Ok => "healthy",
            Self::Warn => "degraded",
            Self::Fail => "unhealthy",
        }
    }
}

// === impl Finding ===

impl Finding {
    /// As it should be.
    pub fn ok(check: &'static str, says: impl Into<String>) -> Self {
        Self { check, says: says.into(), ..Self::default() }
    }

    /// Something needs a person.
    pub fn warn(check: &'static str, says: impl Into<String>, evidence: impl Into<String>, advice: impl Into<String>) -> Self {
        let (says, evidence, advice) = (says.into(), evidence.into(), advice.into());
        Self { check, tenant: None, severity: Severity::Warn, says, evidence, advice }
    }

    /// It cannot serve.
    pub fn fail(check: &'static str, says: impl Into<String>, evidence: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { severity: Severity::Fail, ..Self::warn(check, says, evidence, advice) }
    }

    /// It is this tenant's.
    #[must_use]
    pub fn of(mut self, tenant: &TenantId) -> Self {
        self.tenant = Some(tenant.clone());
        self
    }

    /// What was seen.
    #[must_use]
    pub fn seen(mut self, evidence: impl Into<String>) -> Self {
        self.evidence = evidence.into();
        self
    }
}

// === impl HealthReport ===

impl HealthReport {
    /// The worst of its findings.
    pub fn severity(&self) -> Severity {
        self.findings.iter().map(|it| it.severity).max().unwrap_or_default()
    }

    /// In JSON: how each check stands, and what was found.
    pub fn to_json(&self) -> Map<String, Value> {
        let mut checks: Map<String, Value> = Map::new();
        for name in self.findings.iter().map(|it| it.check) {
            let of_check = || self.findings.iter().filter(|it| it.check == name);
            // The first of the worst speaks for all.
            let worst = of_check().map(|it| it.severity).max().unwrap_or_default();
            let detail = of_check().find(|it| it.severity == worst).map_or("", |it| it.says.as_str());
            checks.entry(name).or_insert_with(|| json!({ "status": worst.state(), "detail": detail }));
        }
        let findings: Vec<Value> = self
            .findings
            .iter()
            .map(|Finding { check, tenant, severity, says, evidence, advice }| {
                json!({
                    "check": check,
                    "tenant": tenant,
                    "severity": severity.as_str(),
                    "says": says,
                    "evidence": evidence,
                    "advice": advice,
                })
            })
            .collect();
        Map::from_iter([("checks".to_owned(), Value::Object(checks)), ("findings".to_owned(), json!(findings))])
    }
}

pub(crate) fn router() -> Router<Edge> {
    Router::new()
        .route("/api/health", get(health))
        .route("/api/health/detailed", get(detailed))
        .route("/api/health/calcom", get(calcom))
}

/// What an orchestrator asks, without a limit.
pub(crate) fn probes() -> Router<Edge> {
    Router::new().route("/livez", get(|| async { "ok" })).route("/readyz", get(ready))
}

/// `?only=calendars,clock&skip=load`.
#[derive(Debug, Default, Deserialize)]
struct Chosen {
    #[serde(default)]
    only: String,
    #[serde(default)]
    skip: String,
}

impl Chosen {
    fn pick(&self) -> Pick {
        let names = |text: &str| text.split(',').map(str::trim).filter(|name| !name.is_empty()).map(str::to_owned).collect();
        Pick { only: names(&self.only), skip: names(&self.skip) }
    }
}

/// Strangers learn the state and the version and nothing more.
async fn health(State(edge): State<Edge>, headers: HeaderMap) -> Response {
    let began = edge.clock.now();
    let report = edge.health.report().await;
    match administrator(&edge, &headers) {
        Ok(_) => told(&edge, &report, began),
        Err(_) => in_short(&edge, &report),
    }
}

/// Everything, for administrators. Strangers cause no question to anybody.
async fn detailed(State(edge): State<Edge>, headers: HeaderMap, Query(chosen): Query<Chosen>) -> Result<Response, Problem> {
    examined(&edge, &headers, &chosen.pick()).await
}

/// The accounts that appointments are kept in.
async fn calcom(State(edge): State<Edge>, headers: HeaderMap) -> Result<Response, Problem> {
    examined(&edge, &headers, &Pick { only: ["calendars", "calendar_polls"].map(str::to_owned).to_vec(), skip: Vec::new() }).await
}

async fn examined(edge: &Edge, headers: &HeaderMap, pick: &Pick) -> Result<Response, Problem> {
    if administrator(edge, headers).is_err() {
        return Ok(in_short(edge, &edge.health.report().await));
    }
    let began = edge.clock.now();
    let report = edge.health.examine(pick).await;
    let report = report.map_err(|unknown| Problem::invalid(vec![("/only".to_owned(), unknown)]))?;
    Ok(told(edge, &report, began))
}

/// Whether to send traffic here; a tenant whose calendar is away says nothing about that.
async fn ready(State(edge): State<Edge>) -> Response {
    match edge.health.report().await.severity() {
        Severity::Fail => (StatusCode::SERVICE_UNAVAILABLE, "not ready").into_response(),
        Severity::Ok | Severity::Warn => "ready".into_response(),
    }
}

fn in_short(edge: &Edge, report: &HealthReport) -> Response {
    (status(report.severity()), Json(basics(edge, report))).into_response()
}

fn told(edge: &Edge, report: &HealthReport, began: jiff::Timestamp) -> Response {
    let mut answer = basics(edge, report);
    answer.insert("healthy".to_owned(), json!(report.severity() != Severity::Fail));
    answer.insert("response_time_ms".to_owned(), json!((edge.clock.now() - began).as_millis() as i64));
    answer.extend(report.to_json());
    if let Some(in_force) = &report.configuration {
        answer.insert("configuration".to_owned(), configuration(in_force));
    }
    (status(report.severity()), Json(answer)).into_response()
}

fn basics(edge: &Edge, report: &HealthReport) -> Map<String, Value> {
    let mut answer = Map::new();
    answer.insert("status".to_owned(), json!(report.severity().state()));
    answer.insert("version".to_owned(), json!(edge.settings.version));
    answer.insert("build".to_owned(), json!(edge.settings.build));
    answer.insert("timestamp".to_owned(), json!(edge.clock.now().to_string()));
    answer
}

fn configuration(in_force: &InForce) -> Value {
    let InForce { revision, stored, loaded_at, refused } = in_force;
    let refused = refused.as_ref().map(|(at, why)| json!({ "at": at.to_string(), "why": why }));
    json!({ "revision": revision, "stored_revision": stored, "loaded_at": loaded_at.to_string(), "last_refusal": refused })
}

fn status(severity: Severity) -> StatusCode {
    match severity {
        Severity::Fail => StatusCode::SERVICE_UNAVAILABLE,
        Severity::Ok | Severity::Warn => StatusCode::OK,
    }
}
