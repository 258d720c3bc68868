//! A simulated Cal.com and a simulated voice platform, for tests only.
//!
//! Reading order: [`calcom`] is the calendar with faults on request, [`retell`] the agent that
//! calls the gateway, [`http_client`] the smallest client that can talk to either, [`openapi`]
//! holds what both sides of a conversation with Cal.com must look like, [`redis`] and [`postgres`] start
//! real servers. [`smtp`] keeps mail, [`receiver`] keeps webhooks, [`otlp`] reads
//! spans out of what a collector is sent, [`wire`] can be cut.

pub mod calcom;
pub mod clock;
pub mod http_client;
pub mod openapi;
pub mod otlp;
pub mod postgres;
pub mod receiver;
pub mod redis;
pub mod retell;
pub mod smtp;

pub mod wire;

mod signature;

pub use tempfile::TempDir;

/// An empty folder, gone when dropped. Its name is drawn: process ids come again, and what a killed test left
/// behind under one of them must not become the next test's beginning.
///
/// # Panics
/// When the temporary folder cannot be written.
pub fn folder(what: &str) -> TempDir {
    tempfile::Builder::new().prefix(&format!("frontdesk-{what}-")).tempdir().expect("a temporary folder")
}

/// Between two looks at something outside.
#[expect(clippy::disallowed_methods, reason = "a program takes its time to start; no test waits for time itself")]
fn pause() {
    std::thread::sleep(std::time::Duration::from_millis(10));
}
