//! Free times for a tenant's own software. Nothing is held.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use frontdesk_core::desk::Browsed;
use frontdesk_core::policy::HoursRule;
use frontdesk_core::ports::CalendarError;
use frontdesk_core::tenant::{Service, Tenant};
use jiff::SignedDuration;
use serde_json::{Value, json};

use super::access::Asked;
use super::wishes::{self, Range};
use crate::answer::rfc3339;
use crate::edge::Edge;
use crate::problem::{Code, Problem};

/// At most so many times are listed; `total` counts all.
const MOST: usize = 200;
/// When to ask a calendar again that gave no answer, seconds.
const AGAIN_S: u64 = 5;

/// `POST /api/v2/availability/simple`.
pub(super) async fn simple(State(edge): State<Edge>, asked: Asked) -> Result<Response, Problem> {
    serve(&edge, &asked, |found, _, tenant| slot(found, tenant)).await
}

/// `POST /api/v2/availability/composite`: each time with the stretches of the service.
pub(super) async fn composite(State(edge): State<Edge>, asked: Asked) -> Result<Response, Problem> {
    serve(&edge, &asked, |found, service, tenant| {
        let mut slot = slot(found, tenant);
        slot["segments"] = segments(found, service, tenant);
        slot
    })
    .await
}

async fn serve(edge: &Edge, asked: &Asked, slot: impl Fn(&Browsed, &Service, &Tenant) -> Value) -> Result<Response, Problem> {
    let tenant = asked.access.tenant();
    let range = wishes::range(asked.fields(), tenant)?;
    let found = browse(edge, tenant, &range, asked.access.hours).await.map_err(|error| unavailable(&error))?;
    let slots: Vec<Value> = found.iter().take(MOST).map(|free| slot(free, range.service, tenant)).collect();
    Ok(Json(json!({ "slots": slots, "total": found.len(), "time_zone": tenant.time_zone.name() })).into_response())
}

/// What nobody can book is not asked for: the past, and what lies behind the horizon.
async fn browse(edge: &Edge, tenant: &Tenant, range: &Range<'_>, hours: HoursRule) -> Result<Vec<Browsed>, CalendarError> {
    let now = edge.clock.now();
    let behind = now + tenant.policy.horizon + SignedDuration::from_secs(1);
    let (from, to) = (range.from.max(now), range.to.min(behind));
    if to <= from {
        return Ok(Vec::new());
    }
    edge.desk.browse(tenant, range.service, range.staff, from, to, hours).await
}

fn unavailable(error: &CalendarError) -> Problem {
    tracing::warn!(error = %error, "a calendar gave no availability");
    let seconds = match error {
        CalendarError::Throttled { retry_after } | CalendarError::Open { retry_after } => {
            u64::try_from(retry_after.as_secs() + 1).unwrap_or(AGAIN_S)
        }
        CalendarError::Refused { .. } | CalendarError::Unavailable { .. } | CalendarError::Misconfigured { .. } => AGAIN_S,
    };
    Problem::new(Code::CalendarUnavailable, "The calendar gave no answer in time. Ask again.").retry_after(seconds)
}

fn slot(free: &Browsed, tenant: &Tenant) -> Value {
    json!({ "start": rfc3339(free.start, tenant), "end": rfc3339(free.end, tenant), "staff": free.staff })
}

fn segments(free: &Browsed, service: &Service, tenant: &Tenant) -> Value {
    if service.segments.is_empty() {
        return json!([{ "name": service.name, "start": rfc3339(free.start, tenant), "end": rfc3339(free.end, tenant) }]);
    }
    let minutes = |count: u32| SignedDuration::from_mins(i64::from(count));
    let mut at = free.start;
    let stretches = service.segments.iter().map(|segment| {
        let end = at + minutes(segment.minutes);
        let stretch = json!({ "name": segment.name, "start": rfc3339(at, tenant), "end": rfc3339(end, tenant) });
        at = end + minutes(segment.gap_after);
        stretch
    });
    stretches.collect()
}
