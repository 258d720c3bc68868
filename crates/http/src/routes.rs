//! The whole map of addresses on one page.

use axum::extract::{Request, State};
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, any, get, post};
use axum::{Extension, Json, Router};

use frontdesk_core::limits::Class;

use crate::edge::Edge;
use crate::layers::{RequestId, limit_by_address, outermost};
use crate::legacy::{OLD_ROUTES, current_time_berlin, zeitinfo};
use crate::problem::Problem;
use crate::retell::{events, functions};
use crate::{admin, alerts, calcom_events, callbacks, health, metrics, openapi, operations, rest};

/// Everything that the gateway answers to.
pub fn app(edge: Edge) -> Router {
    let mut router = Router::new()
        // --- voice ---
        .route("/api/t/{tenant}/retell/functions", post(functions::by_body))
        .route("/api/t/{tenant}/retell/functions/{name}", any(functions::by_name))
        .route("/api/t/{tenant}/retell/events", post(events::by_path))
        // --- calendars ---
        .route("/api/t/{tenant}/calcom/events", ping(&edge).post(calcom_events::by_path))
        .route("/api/calcom/webhook", ping(&edge).post(calcom_events::by_signature))
        .route("/api/webhooks/calcom", ping(&edge).post(calcom_events::by_signature))
        // --- agents of the gateway that we replace ---
        .route("/api/webhooks/retell", post(events::by_envelope))
        .route("/api/webhook", post(events::by_envelope))
        .merge(open(
            &edge,
            Class::Default,
            Router::new()
                .route("/api/zeitinfo", get(|State(edge): State<Edge>| async move { Json(zeitinfo(edge.clock.now())) }))
                .route(
                    "/api/retell/current-time-berlin",
                    post(|State(edge): State<Edge>| async move { Json(current_time_berlin(edge.clock.now())) }),
                )
                .merge(openapi::router()),
        ));
    for old in OLD_ROUTES {
        router = router.route(
            old.path,
            post(move |State(edge): State<Edge>, Extension(id): Extension<RequestId>, request: Request| {
                functions::by_old_route(edge, old, id, request)
            }),
        );
    }
    router
        // --- the tenant's own software, operators, probes ---
        .merge(rest::router())
        .merge(callbacks::router())
        .merge(admin::router())
        .merge(alerts::router())
        .merge(operations::router())
        .merge(metrics::router())
        .merge(open(&edge, Class::Health, health::router()))
        .merge(health::probes())
        .fallback(nothing_here)
        .layer(from_fn_with_state(edge.clone(), outermost))
        .with_state(edge)
}

/// Routes that anybody may ask, limited per client address.
fn open(edge: &Edge, class: Class, routes: Router<Edge>) -> Router<Edge> {
    routes.route_layer(from_fn_with_state((edge.clone(), class), limit_by_address))
}

/// Whether somebody is there; limited like everything that is open.
fn ping(edge: &Edge) -> MethodRouter<Edge> {
    get(calcom_events::ping).route_layer(from_fn_with_state((edge.clone(), Class::Default), limit_by_address))
}

async fn nothing_here() -> Response {
    Problem::not_found().into_response()
}
