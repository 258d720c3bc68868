//! Whose request is it, and what does it carry? The key is looked at before a byte of the body is read.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::{FromRequest, FromRequestParts, MatchedPath, Path, Query, Request};
use axum::http::header::CONTENT_TYPE;
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, Uri};
use frontdesk_core::call::CallContext;
use frontdesk_core::desk::Visit;
use frontdesk_core::limits::{Admission, Asker, Class};
use frontdesk_core::meter;
use frontdesk_core::policy::HoursRule;
use frontdesk_core::tenant::Tenant;
use serde_json::{Map, Value};

use super::fields::Fields;
use super::repeat::KEY_HEADER;
use crate::admin::bearer;
use crate::edge::{Edge, KeyOwner};
use crate::layers::{RequestId, read_body};
use crate::limits;
use crate::problem::{Code, Problem};

/// No request of a tenant's software is larger.
const MOST: usize = 64 * 1024;

/// A request that carries a tenant's key.
#[derive(Debug, Clone)]
pub(crate) struct Access {
    pub(crate) owner: KeyOwner,
    pub(crate) class: Class,
    pub(crate) hours: HoursRule,
    pub(crate) request: RequestId,
    pub(crate) path: String,
    pub(crate) method: Method,
    pub(crate) headers: HeaderMap,
}

impl Access {
    pub(crate) fn tenant(&self) -> &Arc<Tenant> {
        &self.owner.tenant
    }

    /// The tenant's own software has no call and no caller.
    pub(crate) fn visit(&self) -> Visit {
        Visit { tenant: Arc::clone(&self.owner.tenant), call: CallContext::none(), tool_call: None, hours: self.hours }
    }

    /// A repeat costs nothing, so one that might be is admitted once that is known.
    pub(crate) fn may_be_a_repeat(&self) -> bool {
        self.headers.contains_key(KEY_HEADER)
            && !matches!(self.method, Method::GET | Method::HEAD)
            && !self.path.contains("/availability/")
    }

    /// Takes room in the key's bucket.
    pub(crate) async fn admit(&self, edge: &Edge) -> Result<Admission, Problem> {
        edge.gate.admit(self.asker(), self.class).await.map_err(|refused| limits::problem(&refused))
    }

    pub(crate) fn asker(&self) -> Asker<'_> {
        Asker::Key { tenant: &self.owner.tenant, id: &self.owner.key_id }
    }
}

impl FromRequestParts<Edge> for Access {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, edge: &Edge) -> Result<Self, Problem> {
        let key = bearer(&parts.headers).ok_or_else(Problem::unauthorized)?;
        let owner = edge.recognition.key_owner(key).await?.ok_or_else(Problem::unauthorized)?;
        meter::note(|meter| meter.belongs_to(&owner.tenant.slug));
        let class = class(parts);
        let hours = edge.hours(&owner.tenant);
        let request = parts.extensions.get::<RequestId>().cloned().unwrap_or_else(|| RequestId(String::new()));
        let access = Self {
            owner,
            class,
            hours,
            request,
            path: parts.uri.path().to_owned(),
            method: parts.method.clone(),
            headers: parts.headers.clone(),
        };
        if !access.may_be_a_repeat() {
            access.admit(edge).await?;
        }
        Ok(access)
    }
}

/// Which limit a request counts towards, by its route.
fn class(parts: &Parts) -> Class {
    let route = parts.extensions.get::<MatchedPath>().map_or("", MatchedPath::as_str);
    match (route, &parts.method) {
        ("/api/v2/availability/simple" | "/api/v2/availability/composite", _) => Class::Availability,
        ("/api/v2/bookings", &Method::POST) => Class::Booking,
        ("/api/v2/bookings/{id}", &Method::DELETE) => Class::Cancel,
        ("/api/v2/bookings/{id}/reschedule", _) => Class::Reschedule,
        _ => Class::Default,
    }
}

/// The id in a path. One that cannot be read is not there.
pub(crate) struct Id(pub(crate) String);

impl FromRequestParts<Edge> for Id {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, edge: &Edge) -> Result<Self, Problem> {
        let is_ours = |id: &str| id.len() <= 64 && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        let Path(id) = Path::<String>::from_request_parts(parts, edge).await.map_err(|_| Problem::not_found())?;
        if is_ours(&id) { Ok(Self(id)) } else { Err(Problem::not_found()) }
    }
}

/// A request with a JSON object for a body; no body is an empty object.
pub(crate) struct Asked {
    pub(crate) access: Access,
    pub(crate) body: Map<String, Value>,
}

impl Asked {
    pub(crate) fn fields(&self) -> Fields<'_> {
        Fields::of(&self.body)
    }
}

impl FromRequest<Edge> for Asked {
    type Rejection = Problem;

    async fn from_request(request: Request, edge: &Edge) -> Result<Self, Problem> {
        let (mut parts, body) = request.into_parts();
        let access = Access::from_request_parts(&mut parts, edge).await?;
        if is_of_another_kind(&parts.headers) {
            return Err(Problem::new(Code::UnsupportedMediaType, "The body is JSON; say so in Content-Type."));
        }
        let body = read_body(body, MOST).await?;
        let in_query = if access.method == Method::DELETE { said_in_query(&parts.uri)? } else { Map::new() };
        if body.iter().all(u8::is_ascii_whitespace) {
            return Ok(Self { access, body: in_query });
        }
        match serde_json::from_slice(&body) {
            Ok(Value::Object(said)) => {
                let mut body = in_query;
                body.extend(said);
                Ok(Self { access, body })
            }
            Ok(_) => Err(Problem::invalid(vec![(String::new(), "The body is a JSON object.".to_owned())])),
            Err(error) => Err(Problem::new(
                Code::MalformedJson,
                format!("The body is not JSON (line {}, column {}).", error.line(), error.column()),
            )),
        }
    }
}

/// Clients that say nothing, or what their tool says by default, are read all the same; what is said to be
/// XML, a form with files or anything else is not.
fn is_of_another_kind(headers: &HeaderMap) -> bool {
    let Some(kind) = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()) else { return false };
    let kind = kind.split(';').next().unwrap_or("").trim().to_ascii_lowercase();
    let is_read =
        kind.is_empty() || kind.ends_with("json") || matches!(kind.as_str(), "text/plain" | "application/x-www-form-urlencoded");
    !is_read
}

/// Many clients send no body with DELETE: its fields may stand in the query as well.
fn said_in_query(uri: &Uri) -> Result<Map<String, Value>, Problem> {
    let unreadable = |_| Problem::invalid(vec![(String::new(), "the query cannot be read".to_owned())]);
    let Query(pairs) = Query::<BTreeMap<String, String>>::try_from_uri(uri).map_err(unreadable)?;
    let value = |name: &str, text: String| match (name, text.as_str()) {
        ("override_deadline", "true") => Value::Bool(true),
        ("override_deadline", "false") => Value::Bool(false),
        _ => Value::String(text),
    };
    Ok(pairs.into_iter().map(|(name, text)| (name.clone(), value(&name, text))).collect())
}
