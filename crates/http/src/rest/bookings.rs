//! Bookings of a tenant's own software, under the rules of every other channel.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use frontdesk_core::booking::{Appointment, AppointmentState};
use frontdesk_core::desk::DirectOutcome;
use frontdesk_core::ids::BookingId;
use frontdesk_core::outcome::Denial;
use frontdesk_core::tenant::Tenant;
use serde_json::{Value, json};

use super::access::{Access, Asked, Id};
use super::repeat::{Answer, once};
use super::wishes;
use crate::answer::rfc3339;
use crate::edge::Edge;
use crate::problem::{Code, Problem};

/// `POST /api/v2/bookings`.
pub(super) async fn create(State(edge): State<Edge>, asked: Asked) -> Result<Response, Problem> {
    once(&edge, asked, |edge, asked| async move {
        let tenant = asked.access.tenant();
        let wish = wishes::booking(asked.fields(), tenant)?;
        let outcome = edge.desk.book_direct(&asked.access.visit(), wish.booking).await?;
        answer(outcome, StatusCode::CREATED, tenant, &wish.contacts)
    })
    .await
}

/// `GET /api/v2/bookings/{id}`.
pub(super) async fn show(State(edge): State<Edge>, access: Access, Id(id): Id) -> Result<Response, Problem> {
    let tenant = access.tenant();
    let found = edge.desk.appointment(tenant, &BookingId::new(&id)).await?.ok_or_else(Problem::not_found)?;
    Ok(Json(booking(&found, tenant)).into_response())
}

/// `PATCH /api/v2/bookings/{id}/reschedule`.
pub(super) async fn reschedule(State(edge): State<Edge>, Id(id): Id, asked: Asked) -> Result<Response, Problem> {
    once(&edge, asked, move |edge, asked| async move {
        let (tenant, visit, id) = (asked.access.tenant(), asked.access.visit(), BookingId::new(&id));
        let wish = wishes::to_move(asked.fields(), tenant)?;
        let reason = wish.reason.as_ref().map(|reason| reason.expose().as_str());
        let outcome = edge.desk.move_direct(&visit, &id, wish.start, reason, wish.override_deadline).await?;
        answer(outcome, StatusCode::OK, tenant, &[])
    })
    .await
}

/// `DELETE /api/v2/bookings/{id}`.
pub(super) async fn cancel(State(edge): State<Edge>, Id(id): Id, asked: Asked) -> Result<Response, Problem> {
    once(&edge, asked, move |edge, asked| async move {
        let (tenant, visit, id) = (asked.access.tenant(), asked.access.visit(), BookingId::new(&id));
        let wish = wishes::to_cancel(asked.fields())?;
        let reason = wish.reason.as_ref().map(|reason| reason.expose().as_str());
        let outcome = edge.desk.cancel_direct(&visit, &id, reason, wish.override_deadline).await?;
        answer(outcome, StatusCode::OK, tenant, &[])
    })
    .await
}

/// The one place where a direct outcome becomes an answer. `contacts` are the pointers of the fields
/// that a calendar may refuse.
fn answer(outcome: DirectOutcome, done: StatusCode, tenant: &Tenant, contacts: &[String]) -> Answer {
    match outcome {
        DirectOutcome::Done(appointment) => Ok((done, booking(&appointment, tenant))),
        DirectOutcome::Pending(appointment) => {
            let mut body = booking(&appointment, tenant);
            body["status"] = json!(AppointmentState::Pending);
            Ok((StatusCode::ACCEPTED, body))
        }
        DirectOutcome::Denied(denial) => Err(denied(&denial, tenant)),
        DirectOutcome::Taken => Err(Problem::new(Code::SlotTaken, "Somebody else has the time, or nobody is there then.")),
        DirectOutcome::Attendee => {
            let refused = |pointer: &String| (pointer.clone(), "is not accepted by the calendar".to_owned());
            Err(Problem::invalid(contacts.iter().map(refused).collect()))
        }
        DirectOutcome::Unsettled => {
            let detail = "An earlier change is not settled with the calendar yet. Ask again when its status is booked.";
            Err(Problem::new(Code::StateConflict, detail))
        }
        DirectOutcome::NotAllowed => {
            Err(Problem::new(Code::StateConflict, "The calendar does not let this booking be changed like that."))
        }
        DirectOutcome::NotFound => Err(Problem::not_found()),
    }
}

fn denied(denial: &Denial, tenant: &Tenant) -> Problem {
    match denial {
        Denial::NoticeTooShort { earliest } => {
            Problem::new(Code::NoticeTooShort, format!("The earliest start is {}.", rfc3339(*earliest, tenant)))
        }
        Denial::HorizonExceeded { latest } => {
            Problem::new(Code::HorizonExceeded, format!("The latest start is {}.", rfc3339(*latest, tenant)))
        }
        Denial::OutsideBusinessHours { date, open } if open.is_empty() => {
            Problem::new(Code::OutsideBusinessHours, format!("There are no hours on {date}."))
        }
        Denial::OutsideBusinessHours { open, .. } => {
            let spans: Vec<String> =
                open.iter().map(|(from, to)| format!("{} to {}", rfc3339(*from, tenant), rfc3339(*to, tenant))).collect();
            Problem::new(Code::OutsideBusinessHours, format!("Open: {}.", spans.join(", ")))
        }
        Denial::Closed { date, reason } if reason.is_empty() => Problem::new(Code::Closed, format!("Closed on {date}.")),
        Denial::Closed { date, reason } => Problem::new(Code::Closed, format!("Closed on {date}: {reason}.")),
        Denial::DeadlineMissed { deadline, .. } => {
            let detail = format!("It was possible until {}; override_deadline does it all the same.", rfc3339(*deadline, tenant));
            Problem::new(Code::DeadlineMissed, detail)
        }
        Denial::StaffCannot { staff, service } => {
            Problem::invalid(vec![("/staff".to_owned(), format!("{staff} does not do {service}"))])
        }
    }
}

/// A booking as a tenant's software sees it.
fn booking(appointment: &Appointment, tenant: &Tenant) -> Value {
    json!({
        "booking_id": appointment.id,
        "status": appointment.state,
        "service": appointment.service,
        "staff": appointment.staff,
        "start": rfc3339(appointment.start, tenant),
        "end": rfc3339(appointment.end, tenant),
        "time_zone": tenant.time_zone.name(),
    })
}
