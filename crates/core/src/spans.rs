//! What a request was part of, for whoever collects traces: the request itself, and what it asked others.
//!
//! What a span may say is a closed list of words of ours, templates of routes, and numbers. People's data has no
//! place in it, and neither have addresses with ids in them.

use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use crate::ids::TenantId;

/// Collects spans.
pub trait Spans: Send + Sync {
    /// Somebody asks us something; `header` gives what their headers say of their own trace (W3C).
    fn received(&self, header: &dyn Fn(&str) -> Option<String>) -> Arc<dyn Span>;
}

/// A span that has begun. Dropped without a word, it ends without one.
pub trait Span: Send + Sync + Debug {
    /// The trace that it belongs to, 32 hexadecimal digits.
    fn trace(&self) -> String;
    /// We ask somebody else something within it.
    fn asking(&self) -> Arc<dyn Span>;
    /// What is sent along, so that whoever is asked belongs to the same trace (W3C).
    fn headers(&self) -> Vec<(&'static str, String)>;
    /// We have answered.
    fn served(&self, said: &Served<'_>);
    /// We were answered, or not.
    fn answered(&self, said: &Asked<'_>);
}

/// A request that we answered.
#[derive(Debug, Clone, Copy)]
pub struct Served<'a> {
    /// Of the usual ones, `_OTHER` for any other.
    pub method: &'static str,
    /// Its template, none for an address that is no route.
    pub route: Option<&'a str>,
    /// Of the answer.
    pub status: u16,
    /// Whose request it was.
    pub tenant: Option<&'a TenantId>,
    /// The voice function.
    pub function: Option<&'static str>,
    /// How the function ended.
    pub outcome: Option<&'static str>,
    /// Visits to the store.
    pub store_calls: u32,
    /// How long it took.
    pub took: Duration,
}

/// A request of ours.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// As sent.
    pub method: &'a str,
    /// The template of its path.
    pub route: &'static str,
    /// Whom.
    pub host: &'a str,
    /// Where there.
    pub port: u16,
    /// Of the answer, if there was one.
    pub status: Option<u16>,
    /// Why there was none.
    pub trouble: Option<&'static str>,
    /// How long it took.
    pub took: Duration,
}

/// A method of the usual ones.
pub fn method(name: &str) -> &'static str {
    let usual = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "CONNECT", "TRACE"];
    usual.into_iter().find(|usual| *usual == name).unwrap_or("_OTHER")
}
