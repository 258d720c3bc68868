//! The edge: routes, dialects of the voice platforms, problem details.
//!
//! A request is recognised (whose is it, by signature or key), parsed into a command, served by the
//! desk, and said in the caller's dialect. Raw JSON exists only in this crate; past it there are types.

mod admin;
mod alerts;
mod answer;
mod arguments;
mod calcom_events;
mod calcom_news;
mod callbacks;
mod edge;
mod health;
mod layers;
mod legacy;
mod limits;
mod metrics;
mod openapi;
mod operations;
mod peer;
mod problem;
mod rest;
mod retell;
mod routes;

pub use admin::{call_row, timeline};
pub use alerts::alert_row;
pub use edge::{AdminKey, Done, Edge, EdgeParts, InForce, KeyOwner, Operations, Recognition, Settings, Trusts};
pub use health::{Finding, Health, HealthReport, Pick, Severity};
pub use operations::outbox_row;
pub use peer::Peer;
pub use problem::errors_page;
pub use retell::signature::{Signed, sign, verify};
pub use retell::tools::tool_definitions;
pub use routes::app;
