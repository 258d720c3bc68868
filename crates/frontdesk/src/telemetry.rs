//! Logs: one line per event on standard error, JSON unless a person is watching.

use std::io::IsTerminal as _;

use tracing_subscriber::EnvFilter;

use crate::system;

/// Starts logging. `RUST_LOG` narrows or widens it; the default is `info`.
pub(crate) fn start() {
    let filter = system::env("RUST_LOG").and_then(|text| EnvFilter::try_new(text).ok()).unwrap_or_else(|| EnvFilter::new("info"));
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    // A second start in one process (tests) keeps the first.
    let _ = if std::io::stderr().is_terminal() {
        builder.compact().try_init()
    } else {
        builder.json().flatten_event(true).with_current_span(false).with_span_list(false).try_init()
    };
}
