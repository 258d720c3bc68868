//! Another configuration for gateways that serve: kept as a revision, taken up by every gateway on the store, tried
//! out with synthetic calls, watched, and taken back by itself where it does harm.
//!
//! Whoever activates it watches it and says so all the while (`beat`). When nobody has said so for a while, the
//! gateways take it back: what nobody watches has stood no test.

pub(crate) mod canary;
pub(crate) mod contents;
pub(crate) mod file;
pub(crate) mod synthetic;
pub(crate) mod uptake;
pub(crate) mod watch;
