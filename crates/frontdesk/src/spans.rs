//! Who collects spans: an OpenTelemetry collector, where this binary was built for one and the configuration or the
//! environment names it.

#[cfg(feature = "otlp")]
mod otlp;

use std::sync::Arc;

use frontdesk_core::spans::Spans;

use crate::config::deployment::telemetry::Telemetry;
use crate::config::problems::Problem;

/// Starts to collect, if it is wanted. Connects to nobody yet.
#[cfg(feature = "otlp")]
pub(crate) fn open(telemetry: &Telemetry) -> Result<Option<Arc<dyn Spans>>, Problem> {
    otlp::open(telemetry)
}

/// There is nothing to collect with.
#[cfg(not(feature = "otlp"))]
pub(crate) fn open(telemetry: &Telemetry) -> Result<Option<Arc<dyn Spans>>, Problem> {
    match &telemetry.otlp_endpoint {
        None => Ok(None),
        Some(endpoint) => Err(Problem {
            file: "frontdesk.toml".to_owned(),
            line: None,
            path: "telemetry.otlp_endpoint".to_owned(),
            found: endpoint.clone(),
            expected: "\"\", for this binary was built without OpenTelemetry: build it with --features otlp".to_owned(),
        }),
    }
}

/// Sends what is left, for a short time.
pub(crate) async fn end() {
    #[cfg(feature = "otlp")]
    otlp::end().await;
}
