//! Retell AI: signed function calls, signed events, tool definitions.

pub(crate) mod envelope;
pub(crate) mod events;
pub(crate) mod functions;
pub(crate) mod recognise;
pub(crate) mod signature;
pub(crate) mod tools;
