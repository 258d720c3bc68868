//! What the desk needs of the world, on one page: a [`Calendar`], a [`Diary`] that never loses
//! anything, the [`Calls`], the [`Callbacks`].
//!
//! Every method of a data port takes a [`Scope`]: a query without a tenant cannot be written. A miss is
//! `Ok(None)`. Ports are object-safe and stay small.

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};

use crate::booking::{Appointment, Attendee, Callback, CallbackState, Intent, Part};
use crate::calendar_news::{Applied, CalendarNews, Changes, Placed};
use crate::call::Phone;
pub use crate::call_log::{CallRow, Calls, Heard, Step, VoiceEvent};
use crate::deadline::Deadline;
pub use crate::journal::{Exchange, Journal, NoJournal, Told};
pub use crate::outbox::Outbox;
pub use crate::polls::{PollEnd, PollRow, PollTurn, Polls};
pub use crate::settlement::Settlement;

use crate::ids::{BookingId, CallId, CallbackId, IntentId, SlotId, TenantId};
use crate::sensitive::Sensitive;
use crate::slot::{Hold, HoldWish, Line, Resource, Starts};
use crate::tenant::{Scope, Service, Tenant};

// --- calendar -------------------------------------------------------------------------------

/// Where appointments live. All calls end before their deadline.
#[async_trait]
pub trait Calendar: Send + Sync {
    /// The starts in `[from, to)` that are free on `line`, ascending.
    async fn slots(&self, tenant: &Tenant, ask: &SlotAsk<'_>, deadline: Deadline) -> Result<Free, CalendarError>;

    /// Makes a booking. An error other than [`CalendarError::Refused`] says nothing about whether it
    /// was stored.
    async fn create(&self, tenant: &Tenant, new: &NewBooking, deadline: Deadline) -> Result<CalendarBooking, CalendarError>;

    /// Looks for the booking that carries our intent id.
    async fn find(
        &self,
        tenant: &Tenant,
        wanted: &NewBooking,
        deadline: Deadline,
    ) -> Result<Option<CalendarBooking>, CalendarError>;

    /// The booking with that uid; one that was moved names its successor.
    async fn get(&self, tenant: &Tenant, uid: &str, deadline: Deadline) -> Result<Option<CalendarBooking>, CalendarError>;

    /// Moves a booking; the answer may carry a new uid.
    async fn reschedule(
        &self,
        tenant: &Tenant,
        uid: &str,
        start: Timestamp,
        reason: &str,
        deadline: Deadline,
    ) -> Result<CalendarBooking, CalendarError>;

    /// Cancels a booking, and one that was moved where it went. One that is cancelled already is a success.
    async fn cancel(&self, tenant: &Tenant, uid: &str, reason: &str, deadline: Deadline) -> Result<(), CalendarError>;

    /// What changed at `since` or later, whoever did it. A calendar that is ours alone has nothing to tell.
    async fn changes(&self, _tenant: &Tenant, _since: Timestamp, _deadline: Deadline) -> Result<Changes, CalendarError> {
        Ok(Changes::default())
    }
}

/// A question for free starts.
#[derive(Debug, Clone)]
pub struct SlotAsk<'a> {
    /// The service.
    pub service: &'a Service,
    /// The line.
    pub line: &'a Line,
    /// From this instant on.
    pub from: Timestamp,
    /// Before this instant.
    pub to: Timestamp,
    /// The calendar's uid of a booking to treat as free, because it would be moved.
    pub replaces: Option<&'a str>,
    /// The same for each part of the line, in their order; empty when nothing would be moved.
    pub part_uids: &'a [Option<String>],
    /// How old the answer may be; zero asks the calendar itself.
    pub max_age: SignedDuration,
    /// A start that the hours do not count against, because nobody enforces them.
    pub also: Option<Timestamp>,
    /// Nothing is promised by it: such a question gives way to others, and an old answer is better than none.
    pub browsing: bool,
}

/// Free starts, and how old the knowledge is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Free {
    /// When.
    pub starts: Starts,
    /// How long ago the calendar said so.
    pub age: SignedDuration,
}

/// A booking to make.
#[derive(Debug, Clone)]
pub struct NewBooking {
    /// Travels in the metadata; what a lookup goes by.
    pub intent: IntentId,
    /// Which part of a composite, from 0; travels in the metadata and is looked for as well.
    pub part: Option<u32>,
    /// Our id of the appointment.
    pub booking: BookingId,
    /// The call, for the metadata.
    pub call: Option<CallId>,
    /// The event type; `None` on the built-in calendar.
    pub event_type: Option<i64>,
    /// When it begins.
    pub start: Timestamp,
    /// When it ends for the customer.
    pub end: Timestamp,
    /// Who comes.
    pub attendee: Attendee,
    /// For the business.
    pub notes: Option<Sensitive<String>>,
    /// When the intent was written: an older booking is not ours.
    pub intended_at: Timestamp,
}

/// How a calendar words the standing of a booking.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It stands.
    Accepted,
    /// The business still has to agree.
    AwaitsApproval,
    /// It does not stand.
    Cancelled,
    /// The business said no.
    Rejected,
}

/// A booking as the calendar has it.
#[derive(Debug, Clone)]
pub struct CalendarBooking {
    /// The calendar's uid: possession is authority, so never log or speak it.
    pub uid: String,
    /// Where it stands.
    pub standing: Standing,
    /// When it begins.
    pub start: Timestamp,
    /// The calendar's ids of those who serve; may be empty.
    pub hosts: Vec<i64>,
    /// Our intent id out of its metadata.
    pub intent: Option<String>,
    /// Which part of a composite it is, out of its metadata.
    pub part: Option<u32>,
    /// The uid of the booking that replaced it.
    pub moved_to: Option<String>,
    /// What it keeps over every move.
    pub ical_uid: Option<String>,
}

/// Why a calendar did not do what was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CalendarError {
    /// A reason about this request; nothing is wrong with the service.
    #[error("the calendar refused: {refusal:?} ({detail})")]
    Refused {
        /// Which reason.
        refusal: Refusal,
        /// The calendar's words, without personal data.
        detail: String,
    },
    /// No usable answer: timeout, connection, 5xx, nonsense. The outcome is unknown.
    #[error("the calendar gave no usable answer: {detail}")]
    Unavailable {
        /// What happened, without personal data.
        detail: String,
    },
    /// Too many requests to this account.
    #[error("the calendar is cooling off")]
    Throttled {
        /// When to ask again.
        retry_after: SignedDuration,
    },
    /// The account failed so often that it is left alone: nothing was sent.
    #[error("the circuit breaker of the calendar account is open")]
    Open {
        /// When to ask again.
        retry_after: SignedDuration,
    },
    /// The account's key is not accepted, or the event type is not there: somebody has to mend it.
    #[error("the calendar account needs mending: {detail}")]
    Misconfigured {
        /// What is wrong.
        detail: String,
    },
}

/// A calendar's reason against one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// Somebody else has the time.
    Taken,
    /// Too soon, too late, in the past.
    OutOfBounds,
    /// The attendee's data is not accepted.
    Attendee,
    /// The attendee has as many bookings as allowed.
    BookerLimit,
    /// The booking is cancelled already.
    AlreadyCancelled,
    /// There is no such booking.
    NoSuchBooking,
    /// The event type does not allow it.
    NotAllowed,
    /// Another reason about the request.
    Other,
}

// --- store ----------------------------------------------------------------------------------

/// The store failed. A miss is not a failure.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Passing: try again.
    #[error("the store is busy")]
    Busy(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// Not passing.
    #[error("the store failed")]
    Broken(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// A row cannot be read back.
    #[error("{table}.{column} holds an unreadable value")]
    Corrupt {
        /// The table.
        table: &'static str,
        /// The column.
        column: &'static str,
    },
}

impl StoreError {
    /// The error with its causes, in one line, for the log.
    pub fn with_causes(&self) -> String {
        let mut text = self.to_string();
        let mut cause = std::error::Error::source(self);
        while let Some(error) = cause {
            text = format!("{text}: {error}");
            cause = error.source();
        }
        text
    }
}

/// A stretch that something blocks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Busy {
    /// What is blocked.
    pub resource: Resource,
    /// From.
    pub from: Timestamp,
    /// Until, exclusive.
    pub to: Timestamp,
    /// The call whose hold it is; `None` for appointments and for holds without a call.
    pub held_by: Option<CallId>,
    /// The appointment that it is, or that the hold would replace.
    pub appointment: Option<BookingId>,
}

/// An appointment to begin, with the hold it consumes.
#[derive(Debug, Clone)]
pub struct Beginning {
    /// The appointment; its state says whether the calendar still has to agree.
    pub appointment: Appointment,
    /// Its parts, where it is booked piece by piece.
    pub parts: Vec<Part>,
    /// The stretches it blocks.
    pub busy: Vec<(Timestamp, Timestamp)>,
    /// The hold that becomes the appointment.
    pub hold: Option<SlotId>,
    /// The intent to write with it; open, or done on the built-in calendar.
    pub intent: Intent,
}

/// Whether something could be begun.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Begun {
    /// Durable.
    Yes,
    /// Something else blocks the time.
    Blocked,
}

/// Which appointments to list.
#[derive(Debug, Clone, Default)]
pub struct AppointmentFilter {
    /// Only those of this number.
    pub owner: Option<Phone>,
    /// Only those made in this call.
    pub call: Option<CallId>,
    /// Only those that end after this.
    pub ending_after: Option<Timestamp>,
    /// Only pending and booked ones, and those that wait for a person.
    pub standing_only: bool,
    /// At most this many, by start; 0 is 100.
    pub limit: u32,
}

impl AppointmentFilter {
    /// What a caller has: what stands and ends after `now`, the first twenty.
    pub fn of_caller(owner: &Phone, now: Timestamp) -> Self {
        Self { owner: Some(owner.clone()), ending_after: Some(now), standing_only: true, limit: 20, ..Self::default() }
    }
}

/// Holds, appointments and intents. Each method that changes anything is one transaction.
#[async_trait]
pub trait Diary: Send + Sync {
    /// What is blocked of `resources` in `[from, to)`; holds that ended by `now` are not.
    async fn busy(
        &self,
        scope: Scope<'_>,
        resources: &[Resource],
        from: Timestamp,
        to: Timestamp,
        now: Timestamp,
    ) -> Result<Vec<Busy>, StoreError>;

    /// The same, and with it the holds of `call` that are among what is blocked.
    async fn busy_and_held(
        &self,
        scope: Scope<'_>,
        call: &CallId,
        resources: &[Resource],
        from: Timestamp,
        to: Timestamp,
        now: Timestamp,
    ) -> Result<(Vec<Busy>, Vec<Hold>), StoreError>;

    /// Lets the earlier holds of `call` go, then holds what is still free of `wishes`, at most `most`,
    /// in their order. Without a call nothing is let go.
    async fn hold(
        &self,
        scope: Scope<'_>,
        call: Option<&CallId>,
        wishes: &[HoldWish],
        most: usize,
        now: Timestamp,
    ) -> Result<Vec<Hold>, StoreError>;

    /// The hold, also for a while after it ended.
    async fn find_hold(&self, scope: Scope<'_>, id: &SlotId) -> Result<Option<Hold>, StoreError>;

    /// Keeps a hold for its full time again; `false` when it is lost.
    async fn renew_hold(&self, scope: Scope<'_>, id: &SlotId, now: Timestamp) -> Result<bool, StoreError>;

    /// Lets one hold of `call`, or all of them, go.
    async fn release(&self, scope: Scope<'_>, call: Option<&CallId>, id: Option<&SlotId>) -> Result<(), StoreError>;

    /// Writes appointment, intent and blocked stretches, and consumes the hold.
    async fn begin(&self, scope: Scope<'_>, beginning: &Beginning, now: Timestamp) -> Result<Begun, StoreError>;

    /// Writes the intent to move or cancel; for a move the new time is blocked as well from here on.
    /// With `state` done the change is made at once.
    async fn begin_change(
        &self,
        scope: Scope<'_>,
        intent: &Intent,
        hold: Option<&SlotId>,
        now: Timestamp,
    ) -> Result<Begun, StoreError>;

    /// Settles an intent and what hangs on it: the appointment's state and time, blocked stretches,
    /// work items that are over. `false`, and nothing is written, when somebody else has taken the lease since
    /// `intent` was read; that the calendar did it is a fact and is written whoever says so.
    async fn settle(
        &self,
        scope: Scope<'_>,
        intent: &Intent,
        settlement: &Settlement,
        now: Timestamp,
    ) -> Result<bool, StoreError>;

    /// The parts of an appointment, in order; none where the whole is one booking.
    async fn parts(&self, scope: Scope<'_>, appointment: &BookingId) -> Result<Vec<Part>, StoreError>;

    /// Writes down where a part of `intent`'s appointment stands now. `false`, and nothing is written, when
    /// somebody else has taken the lease since `intent` was read.
    async fn record_part(&self, scope: Scope<'_>, intent: &Intent, part: &Part, now: Timestamp) -> Result<bool, StoreError>;

    /// The appointment with that uid in the calendar, its own or that of one of its parts.
    async fn appointment_of_uid(&self, scope: Scope<'_>, uid: &str) -> Result<Option<Appointment>, StoreError>;

    /// The appointment.
    async fn appointment(&self, scope: Scope<'_>, id: &BookingId) -> Result<Option<Appointment>, StoreError>;

    /// Appointments, by start.
    async fn appointments(&self, scope: Scope<'_>, filter: &AppointmentFilter) -> Result<Vec<Appointment>, StoreError>;

    /// The newest intent of an appointment.
    async fn intent_of(&self, scope: Scope<'_>, appointment: &BookingId) -> Result<Option<Intent>, StoreError>;

    /// Applies what the calendar tells, once and in the order of its sequence, whatever order it comes in.
    /// `placed` is where the booking belongs, should it be new here; `None` where nothing here is booked
    /// like that. `item` is the id of the work item that is written with it where somebody has to look.
    async fn apply_news(
        &self,
        scope: Scope<'_>,
        news: &CalendarNews,
        placed: Option<&Placed>,
        item: &CallbackId,
        now: Timestamp,
    ) -> Result<Applied, StoreError>;

    /// Takes the lease of intents that are open, watched or being undone and that nobody works on, over all tenants, and
    /// counts the attempt that follows. Of each tenant the oldest comes first, then of each the second: nobody's
    /// backlog keeps others waiting.
    /// The ids say whose they are; everything else is read within that tenant.
    async fn take_due(&self, now: Timestamp, lease: SignedDuration, most: u32) -> Result<Vec<(TenantId, IntentId)>, StoreError>;

    /// The intent.
    async fn intent(&self, scope: Scope<'_>, id: &IntentId) -> Result<Option<Intent>, StoreError>;

    /// Lists the newest intents, for operators.
    async fn intents(&self, scope: Scope<'_>, most: u32) -> Result<Vec<Intent>, StoreError>;
}

/// The tenants of this deployment, as they are now.
pub trait Directory: Send + Sync {
    /// The tenant with that slug.
    fn tenant(&self, id: &TenantId) -> Option<std::sync::Arc<Tenant>>;
}

/// Which callbacks to list.
#[derive(Debug, Clone, Default)]
pub struct CallbackFilter {
    /// Only in this state.
    pub state: Option<CallbackState>,
    /// Only those not closed.
    pub open_only: bool,
    /// Only those of this call.
    pub call: Option<CallId>,
    /// At most this many, by due time.
    pub limit: u32,
}

/// Work items for people.
#[async_trait]
pub trait Callbacks: Send + Sync {
    /// Adds one. An open one of the same call and cause, or of the same number and cause within half an
    /// hour, is kept instead and returned.
    async fn add(&self, scope: Scope<'_>, callback: &Callback) -> Result<Callback, StoreError>;

    /// One.
    async fn callback(&self, scope: Scope<'_>, id: &CallbackId) -> Result<Option<Callback>, StoreError>;

    /// Several.
    async fn callbacks(&self, scope: Scope<'_>, filter: &CallbackFilter) -> Result<Vec<Callback>, StoreError>;

    /// Replaces the row, if nobody has changed it since `seen`, when it was read; whether it did.
    async fn update(&self, scope: Scope<'_>, callback: &Callback, seen: Timestamp) -> Result<bool, StoreError>;

    /// Closes open ones about an appointment, or about unmet wishes of this call or number.
    async fn resolve(
        &self,
        scope: Scope<'_>,
        appointment: Option<&BookingId>,
        call: Option<&CallId>,
        phone: Option<&Phone>,
        now: Timestamp,
    ) -> Result<(), StoreError>;
}

/// How a REST request with an idempotency key stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Claimed {
    /// Nobody did it before: do it, then say how it ended.
    First,
    /// It runs right now.
    Running,
    /// It was done; this was the answer.
    Done {
        /// The status code.
        status: u16,
        /// The body.
        body: String,
    },
    /// The key was used for another request.
    Mismatch,
}

/// Idempotency keys of the REST surface, kept 24 hours.
#[async_trait]
pub trait Claims: Send + Sync {
    /// Claims `key` for a request with this fingerprint.
    async fn claim(&self, scope: Scope<'_>, key: &str, fingerprint: &str, now: Timestamp) -> Result<Claimed, StoreError>;

    /// Says how it ended; `None` gives the key free again.
    async fn conclude(&self, scope: Scope<'_>, key: &str, answer: Option<(u16, &str)>, now: Timestamp) -> Result<(), StoreError>;
}
