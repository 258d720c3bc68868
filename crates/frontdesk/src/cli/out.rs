//! Where answers go.

use std::io::{self, Write as _};

use serde_json::Value;

/// Standard output for answers, standard error for complaints to a person.
pub(crate) struct Out;

impl Out {
    pub(crate) fn new() -> Self {
        Self
    }

    /// One line.
    pub(crate) fn line(&mut self, text: &str) -> io::Result<()> {
        let mut out = io::stdout().lock();
        writeln!(out, "{text}")?;
        out.flush()
    }

    /// A JSON document.
    pub(crate) fn json(&mut self, value: &Value) -> io::Result<()> {
        self.line(&format!("{value:#}"))
    }

    /// What went wrong.
    pub(crate) fn complain(&mut self, text: &str) -> io::Result<()> {
        writeln!(io::stderr().lock(), "frontdesk: {text}")
    }
}
