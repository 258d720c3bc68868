//! `[telemetry]`: who collects spans and measurements.

use crate::config::addresses;
use crate::config::reader::Section;

/// The section.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Telemetry {
    /// The collector, without a trailing slash; `None` leaves it to the environment.
    pub otlp_endpoint: Option<String>,
    /// What this service is called there; `None` leaves it to the environment.
    pub service_name: Option<String>,
}

impl Telemetry {
    pub(super) fn read(root: &Section<'_>) -> Self {
        let at = root.section("telemetry", &["otlp_endpoint", "service_name"]);
        let optional = |key, expected: &str, is_one: fn(&str) -> bool| {
            let read = |text: &str| match text {
                "" => Some(None),
                text => is_one(text).then(|| Some(text.to_owned())),
            };
            at.parsed(key, expected, read).flatten()
        };
        Self {
            otlp_endpoint: optional(
                "otlp_endpoint",
                "an http or https address without a trailing slash, such as \"http://127.0.0.1:4318\", or \"\" for none",
                addresses::is_base_address,
            ),
            service_name: optional("service_name", "a name of 1 to 100 characters, or \"\" for \"frontdesk\"", |text| {
                text.chars().count() <= 100 && !text.chars().any(char::is_control)
            }),
        }
    }
}
