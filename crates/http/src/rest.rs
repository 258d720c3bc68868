//! The surface for a tenant's own software: availability, bookings, and what both it and the callbacks
//! share: whose key it is, all violations at once, one effect per idempotency key.

mod access;
mod availability;
mod bookings;
mod fields;
mod repeat;
mod wishes;

#[cfg(test)]
pub(crate) mod tests;

use axum::Router;
use axum::routing::{MethodRouter, get, patch, post};

pub(crate) use access::{Access, Asked, Id};
pub(crate) use fields::{EMAIL, Fields, NAME, NOTES, OTHER, SERVICE, Violations};
pub(crate) use repeat::once;

use crate::edge::Edge;

/// Its addresses; the document is compared with them.
pub(crate) fn routes() -> [(&'static str, MethodRouter<Edge>); 5] {
    [
        ("/api/v2/availability/simple", post(availability::simple)),
        ("/api/v2/availability/composite", post(availability::composite)),
        ("/api/v2/bookings", post(bookings::create)),
        ("/api/v2/bookings/{id}", get(bookings::show).delete(bookings::cancel)),
        ("/api/v2/bookings/{id}/reschedule", patch(bookings::reschedule)),
    ]
}

pub(crate) fn router() -> Router<Edge> {
    routes().into_iter().fold(Router::new(), |router, (path, methods)| router.route(path, methods))
}
