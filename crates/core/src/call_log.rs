//! What is kept of phone calls: their state, what was said in them, what the platform reports, what was done.

use async_trait::async_trait;
use jiff::Timestamp;

use crate::booking::Appointment;
use crate::call::{CallContext, CallState, Memory};
use crate::call_facts::{Disposition, Figures};
use crate::ids::CallId;
use crate::ports::StoreError;
use crate::tenant::Scope;

/// An event of the voice platform, after its signature was checked.
#[derive(Debug, Clone)]
pub struct VoiceEvent {
    /// `call_started`, `call_ended`, `call_analyzed`, or another name.
    pub name: String,
    /// The call.
    pub call: CallId,
    /// When it began, if told.
    pub started_at: Option<Timestamp>,
    /// When it ended, if told.
    pub ended_at: Option<Timestamp>,
    /// Why it ended, if told.
    pub disconnection_reason: Option<String>,
    /// What it says in numbers.
    pub figures: Figures,
    /// What to keep of the body: redacted JSON.
    pub kept: String,
    /// SHA-256 of the raw body, hex.
    pub digest: String,
}

/// A call as operators see it.
#[derive(Debug, Clone)]
pub struct CallRow {
    /// The call.
    pub id: CallId,
    /// Where it stands.
    pub state: CallState,
    /// When it began, or when we first heard of it.
    pub started_at: Timestamp,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// What the platform says of it.
    pub figures: Figures,
    /// What came of it.
    pub disposition: Disposition,
}

/// An event of a call, for its timeline.
#[derive(Debug, Clone)]
pub struct Heard {
    /// `call_started`, `call_ended`, `call_analyzed`, or another name.
    pub name: String,
    /// When it came.
    pub at: Timestamp,
    /// What is kept of it: redacted JSON.
    pub kept: String,
}

/// One function of a call, for its timeline.
#[derive(Debug, Clone)]
pub struct Step {
    /// The request id.
    pub request: String,
    /// The function's name.
    pub function: String,
    /// How it ended, the contract's word.
    pub status: String,
    /// Redacted arguments, JSON.
    pub input: String,
    /// Redacted answer, JSON.
    pub output: String,
    /// When it began.
    pub at: Timestamp,
    /// How long it took, milliseconds.
    pub took_ms: u64,
}

/// Calls, what was said in them, and what the platform reports of them.
#[async_trait]
pub trait Calls: Send + Sync {
    /// Makes the call known, whatever arrives first, and returns what was said in it so far.
    async fn open(&self, scope: Scope<'_>, call: &CallContext, now: Timestamp) -> Result<Memory, StoreError>;

    /// The same, together with what the caller has ([`AppointmentFilter::of_caller`]), read at once; nothing for a caller
    /// without a number.
    ///
    /// [`AppointmentFilter::of_caller`]: crate::ports::AppointmentFilter::of_caller
    async fn open_with(
        &self,
        scope: Scope<'_>,
        call: &CallContext,
        now: Timestamp,
    ) -> Result<(Memory, Vec<Appointment>), StoreError>;

    /// Keeps what was said.
    async fn remember(&self, scope: Scope<'_>, call: &CallId, memory: &Memory) -> Result<(), StoreError>;

    /// Stores an event and moves the call forward; `false` when the same event was there before.
    async fn apply(&self, scope: Scope<'_>, call: &CallContext, event: &VoiceEvent, now: Timestamp) -> Result<bool, StoreError>;

    /// Adds to the timeline.
    async fn note(&self, scope: Scope<'_>, call: &CallId, step: Step) -> Result<(), StoreError>;

    /// The newest calls.
    async fn list(&self, scope: Scope<'_>, most: u32) -> Result<Vec<CallRow>, StoreError>;

    /// The call with its timeline.
    async fn timeline(&self, scope: Scope<'_>, call: &CallId) -> Result<Option<(CallRow, Vec<Step>)>, StoreError>;
}
