//! What an operator writes: `frontdesk.toml` and one file per tenant.
//!
//! A file is read as a whole and every problem in it is reported at once, each with its line, its path
//! and what would be right. Reading touches no environment and no secret: a value such as `env:NAME`
//! stays a [`SecretSource`](secrets::SecretSource) until somebody resolves it.

pub mod addresses;
pub mod deployment;
pub mod durations;
mod near;
pub mod problems;
mod reader;
pub mod secrets;
pub mod tenant_file;
