//! The list of people who wait for a call: every wish that could not be met is on it.
//!
//! A state only moves forward (pending, assigned, contacted, then one of the ends); what would go back is
//! 409 `state_conflict`, doing the same again changes nothing and is answered as before.

use std::collections::BTreeMap;

use axum::extract::{FromRequestParts, Query, State};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get, post};
use axum::{Json, Router};
use frontdesk_core::booking::{Callback, CallbackCause, CallbackState, Priority};
use frontdesk_core::ids::CallbackId;
use frontdesk_core::ports::CallbackFilter;
use frontdesk_core::sensitive::Sensitive;
use frontdesk_core::tenant::Tenant;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::answer::rfc3339;
use crate::edge::Edge;
use crate::problem::{Code, Problem};
use crate::rest::{Access, Asked, Fields, Id, NAME, NOTES, OTHER, Violations, once};

/// How many are listed unless asked otherwise, and at most.
const LISTED: u32 = 50;
const MOST: u32 = 100;
/// How far the total is counted.
const COUNTED: u32 = 1000;
const STATES: &str = "must be pending, assigned, contacted, completed, resolved or cancelled";

/// Its addresses; the document is compared with them.
pub(crate) fn routes() -> [(&'static str, MethodRouter<Edge>); 5] {
    [
        ("/api/v1/callbacks", get(list).post(create)),
        ("/api/v1/callbacks/{id}", get(show).patch(change)),
        ("/api/v1/callbacks/{id}/assign", post(assign)),
        ("/api/v1/callbacks/{id}/contact", post(contact)),
        ("/api/v1/callbacks/{id}/complete", post(complete)),
    ]
}

pub(crate) fn router() -> Router<Edge> {
    routes().into_iter().fold(Router::new(), |router, (path, methods)| router.route(path, methods))
}

/// A work item as a tenant's software and its operator see it.
pub(crate) fn work_item(callback: &Callback, tenant: &Tenant, now: Timestamp) -> Value {
    json!({
        "callback_id": callback.id,
        "state": callback.state.as_str(),
        "priority": callback.priority.as_str(),
        "cause": callback.cause.as_str(),
        "name": callback.name.as_ref().map(|name| name.expose().clone()),
        "phone": callback.phone.as_ref().map(|phone| phone.e164()),
        "service": callback.service,
        "reason": callback.notes.as_ref().map(|notes| notes.expose().clone()),
        "preferred_time": callback.preferred_time.as_ref().map(|time| time.expose().clone()),
        "call_id": callback.call,
        "booking_id": callback.appointment,
        "assignee": callback.assigned_to,
        "due": rfc3339(callback.due_at, tenant),
        "is_overdue": !callback.state.is_closed() && callback.due_at < now,
        "created_at": rfc3339(callback.created_at, tenant),
        "updated_at": rfc3339(callback.updated_at, tenant),
    })
}

async fn list(State(edge): State<Edge>, access: Access, query: Filters) -> Result<Response, Problem> {
    let Filters { wanted, most } = query;
    let tenant = access.tenant();
    let now = edge.clock.now();
    let found = edge.callbacks.callbacks(tenant.scope(), &wanted).await?;
    let items: Vec<Value> = found.iter().take(most).map(|callback| work_item(callback, tenant, now)).collect();
    Ok(Json(json!({ "total": found.len(), "items": items })).into_response())
}

/// `?state=pending&open=true&limit=50`.
struct Filters {
    wanted: CallbackFilter,
    most: usize,
}

impl FromRequestParts<Edge> for Filters {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &Edge) -> Result<Self, Problem> {
        let unreadable = |_| Problem::invalid(vec![(String::new(), "the query cannot be read".to_owned())]);
        let Query(query) = Query::<BTreeMap<String, String>>::try_from_uri(&parts.uri).map_err(unreadable)?;
        let said = |name: &str| query.get(name).map(String::as_str).filter(|text| !text.is_empty());
        let mut wrong = Violations::default();
        let state = said("state").or_else(|| said("status")).and_then(|text| {
            let state = CallbackState::parse(text);
            if state.is_none() {
                wrong.add("/state", STATES);
            }
            state
        });
        let open_only = match said("open") {
            None | Some("false") => false,
            Some("true") => true,
            Some(_) => {
                wrong.add("/open", "must be true or false");
                false
            }
        };
        let most = match said("limit").map(str::parse::<u32>) {
            None => LISTED,
            Some(Ok(most)) if (1..=MOST).contains(&most) => most,
            Some(_) => {
                wrong.add("/limit", format!("must be 1 to {MOST}"));
                LISTED
            }
        };
        let wanted = CallbackFilter { state, open_only, call: None, limit: COUNTED };
        wrong.then(Some(Self { wanted, most: most as usize }))
    }
}

async fn find(edge: &Edge, tenant: &Tenant, id: &str) -> Result<Callback, Problem> {
    edge.callbacks.callback(tenant.scope(), &CallbackId::new(id)).await?.ok_or_else(Problem::not_found)
}

async fn show(State(edge): State<Edge>, access: Access, Id(id): Id) -> Result<Response, Problem> {
    let tenant = access.tenant();
    let found = find(&edge, tenant, &id).await?;
    Ok(Json(work_item(&found, tenant, edge.clock.now())).into_response())
}

/// Adds one. A wish that the same number had within the last half hour is brought up to date instead, and
/// answered with 200.
async fn create(State(edge): State<Edge>, asked: Asked) -> Result<Response, Problem> {
    once(&edge, asked, |edge, asked| async move {
        let (tenant, now) = (asked.access.tenant(), edge.clock.now());
        let callback = wish(asked.fields(), tenant, CallbackId::fresh(&*edge.dice, now), now)?;
        let kept = edge.callbacks.add(tenant.scope(), &callback).await?;
        let status = if kept.id == callback.id { StatusCode::CREATED } else { StatusCode::OK };
        Ok((status, work_item(&kept, tenant, now)))
    })
    .await
}

fn wish<'a>(mut fields: Fields<'a>, tenant: &'a Tenant, id: CallbackId, now: Timestamp) -> Result<Callback, Problem> {
    let name = fields.name(&["name", "customer_name"]);
    let phone = fields.phone(&["phone", "phone_number"], tenant);
    if !fields.has("phone") && !fields.has("phone_number") {
        fields.wrong.add("/phone", "is required: nobody can be called back without a number");
    }
    let notes = fields.person(&["reason", "notes"], NOTES);
    let preferred_time = fields.window(&["preferred_time", "preferred_time_window"]);
    let priority = priority(&mut fields).unwrap_or(Priority::Normal);
    let is_about_one = fields.has("service") || fields.has("service_id");
    let service = if is_about_one { fields.service(tenant).map(|service| service.name.clone()) } else { None };
    let callback = name.zip(phone).map(|(name, phone)| Callback {
        id,
        call: None,
        appointment: None,
        name: Some(name),
        phone: Some(phone),
        cause: CallbackCause::Requested,
        service,
        notes,
        preferred_time,
        priority,
        due_at: now + SignedDuration::from_hours(priority.hours()),
        state: CallbackState::Pending,
        assigned_to: None,
        created_at: now,
        updated_at: now,
    });
    fields.wrong.then(callback)
}

fn priority(fields: &mut Fields<'_>) -> Option<Priority> {
    let text = fields.text(&["priority"], OTHER)?;
    let priority = Priority::parse(&text);
    if priority.is_none() {
        fields.wrong.add("/priority", "must be normal, high or urgent");
    }
    priority
}

/// What a request changes; what is absent stays.
#[derive(Default)]
struct Changes {
    to: Option<CallbackState>,
    assignee: Option<String>,
    priority: Option<Priority>,
    due: Option<Timestamp>,
    notes: Option<Sensitive<String>>,
    /// Put behind the notes that are there.
    note: Option<Sensitive<String>>,
    preferred_time: Option<Sensitive<String>>,
}

/// What may be changed by hand; giving up is possible as long as it is open.
async fn change(State(edge): State<Edge>, Id(id): Id, asked: Asked) -> Result<Response, Problem> {
    advance(&edge, id, asked, |mut fields, tenant| {
        let state = fields.text(&["state", "status"], OTHER).map(|text| CallbackState::parse(&text));
        // Resolved is what closes by itself.
        if matches!(state, Some(None | Some(CallbackState::Resolved))) {
            fields.wrong.add("/state", "must be pending, assigned, contacted, completed or cancelled");
        }
        let changes = Changes {
            to: state.flatten(),
            assignee: fields.text(&["assignee", "assigned_to"], NAME),
            priority: priority(&mut fields),
            due: if fields.has("due") { fields.instant(&["due"], tenant.zone()) } else { None },
            notes: fields.person(&["notes", "reason"], NOTES),
            note: None,
            preferred_time: fields.window(&["preferred_time", "preferred_time_window"]),
        };
        fields.wrong.then(Some(changes))
    })
    .await
}

async fn assign(State(edge): State<Edge>, Id(id): Id, asked: Asked) -> Result<Response, Problem> {
    advance(&edge, id, asked, |mut fields, _| {
        let assignee = fields.required(&["assignee", "assigned_to"], NAME);
        let to = Some(CallbackState::Assigned);
        fields.wrong.then(assignee.map(|assignee| Changes { to, assignee: Some(assignee), ..Changes::default() }))
    })
    .await
}

async fn contact(State(edge): State<Edge>, Id(id): Id, asked: Asked) -> Result<Response, Problem> {
    advance(&edge, id, asked, |fields, _| noted(fields, CallbackState::Contacted)).await
}

async fn complete(State(edge): State<Edge>, Id(id): Id, asked: Asked) -> Result<Response, Problem> {
    advance(&edge, id, asked, |fields, _| noted(fields, CallbackState::Completed)).await
}

fn noted(mut fields: Fields<'_>, to: CallbackState) -> Result<Changes, Problem> {
    let note = fields.person(&["note", "notes"], NOTES);
    fields.wrong.then(Some(Changes { to: Some(to), note, ..Changes::default() }))
}

async fn advance(
    edge: &Edge,
    id: String,
    asked: Asked,
    read: impl FnOnce(Fields<'_>, &Tenant) -> Result<Changes, Problem> + Send + 'static,
) -> Result<Response, Problem> {
    once(edge, asked, move |edge, asked| async move {
        let (tenant, now) = (asked.access.tenant(), edge.clock.now());
        let mut callback = find(&edge, tenant, &id).await?;
        let changes = read(asked.fields(), tenant)?;
        apply(&mut callback, changes)?;
        let seen = callback.updated_at;
        // Two changes in one moment must still be told apart.
        callback.updated_at = now.max(seen + SignedDuration::from_millis(1));
        if !edge.callbacks.update(tenant.scope(), &callback, seen).await? {
            let detail = "Somebody else has changed it in this moment: read it again.";
            return Err(Problem::new(Code::StateConflict, detail.to_owned()));
        }
        Ok((StatusCode::OK, work_item(&callback, tenant, now)))
    })
    .await
}

fn apply(callback: &mut Callback, changes: Changes) -> Result<(), Problem> {
    let Changes { to, assignee, priority, due, notes, note, preferred_time } = changes;
    let to = to.unwrap_or(callback.state);
    if !may_become(callback.state, to) {
        let detail = format!("It is {} and cannot become {}.", callback.state.as_str(), to.as_str());
        return Err(Problem::new(Code::StateConflict, detail));
    }
    if to == CallbackState::Assigned && assignee.is_none() && callback.assigned_to.is_none() {
        return Err(Problem::invalid(vec![("/assignee".to_owned(), "is required: somebody has to have taken it".to_owned())]));
    }
    // Done twice is done once: the note of a repeat is not written again.
    let is_repeat = callback.state.is_closed() || (note == callback.notes && note.is_some());
    callback.state = to;
    callback.due_at = match (due, priority) {
        (Some(due), _) => due,
        (None, Some(priority)) => callback.created_at + SignedDuration::from_hours(priority.hours()),
        (None, None) => callback.due_at,
    };
    callback.priority = priority.unwrap_or(callback.priority);
    callback.assigned_to = assignee.or_else(|| callback.assigned_to.take());
    callback.preferred_time = preferred_time.or_else(|| callback.preferred_time.take());
    callback.notes = notes.or_else(|| callback.notes.take());
    if let Some(note) = note.filter(|_| !is_repeat) {
        callback.notes = Some(match callback.notes.take() {
            Some(before) => Sensitive::new(format!("{}\n{}", before.expose(), note.expose())),
            None => note,
        });
    }
    Ok(())
}

fn may_become(from: CallbackState, to: CallbackState) -> bool {
    let rank = |state| match state {
        CallbackState::Pending => 0,
        CallbackState::Assigned => 1,
        CallbackState::Contacted => 2,
        CallbackState::Completed | CallbackState::Resolved | CallbackState::Cancelled => 3,
    };
    from == to || (!from.is_closed() && rank(to) >= rank(from))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_done_stays_done() {
        use CallbackState::{Assigned, Cancelled, Completed, Contacted, Pending};
        for (from, to, may) in [
            (Pending, Assigned, true),
            (Pending, Completed, true),
            (Assigned, Assigned, true),
            (Contacted, Assigned, false),
            (Completed, Pending, false),
            (Completed, Cancelled, false),
            (Contacted, Cancelled, true),
        ] {
            assert_eq!(may_become(from, to), may, "{from:?} to {to:?}");
        }
    }
}
