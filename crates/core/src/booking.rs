//! What has been given away: appointments, the intents that change calendars, and callbacks.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::call::Phone;
use crate::ids::{BookingId, CallId, CallbackId, IntentId};
pub use crate::part::{Part, PartState};
use crate::sensitive::Sensitive;
use crate::slot::Resource;

/// Where an appointment stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AppointmentState {
    /// Durable here, the calendar has not answered. Never worded as booked.
    Pending,
    /// Persisted here and accepted by the calendar.
    Booked,
    /// Given up, here and in the calendar.
    Cancelled,
    /// The calendar said no; nothing is kept.
    Refused,
    /// Could not be settled by machine; the slot stays blocked until a person decides.
    NeedsPerson,
}

impl AppointmentState {
    /// As stored.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Booked => "booked",
            Self::Cancelled => "cancelled",
            Self::Refused => "refused",
            Self::NeedsPerson => "needs_person",
        }
    }

    /// As read back from the store.
    pub fn from_stored(text: &str) -> Option<Self> {
        [Self::Pending, Self::Booked, Self::Cancelled, Self::Refused, Self::NeedsPerson]
            .into_iter()
            .find(|state| state.as_str() == text)
    }
}

/// Who an appointment is for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attendee {
    /// As the caller gave it.
    pub name: Sensitive<String>,
    /// Absent means absent: nothing is invented.
    pub email: Option<Sensitive<String>>,
    /// A number to reach them.
    pub phone: Option<Phone>,
}

/// An appointment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Appointment {
    /// Our id, kept over moves.
    pub id: BookingId,
    /// The call that made it.
    pub call: Option<CallId>,
    /// The number in the envelope of that call: whose appointment it is.
    pub owner: Option<Phone>,
    /// Who it is for.
    pub attendee: Attendee,
    /// Exact name of the service at booking time.
    pub service: String,
    /// Who serves, where known.
    pub staff: Option<String>,
    /// What it blocks.
    pub resource: Resource,
    /// The Cal.com event type; `None` where there are parts.
    pub event_type: Option<i64>,
    /// When it begins.
    pub start: Timestamp,
    /// When it ends for the customer.
    pub end: Timestamp,
    /// Where it stands.
    pub state: AppointmentState,
    /// The calendar's uid of the booking, once it has one.
    pub calendar_uid: Option<String>,
    /// What the caller wants the business to know.
    pub notes: Option<Sensitive<String>>,
    /// When the row was made.
    pub created_at: Timestamp,
}

/// What an intent wants of the calendar.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum IntentKind {
    /// Create the appointment.
    Create,
    /// Move it to `start`, from the booking with the uid it had.
    Move {
        /// The new start.
        start: Timestamp,
        /// The new end for the customer.
        end: Timestamp,
        /// The stretches blocked at the new time.
        busy: Vec<(Timestamp, Timestamp)>,
        /// The resource at the new time.
        resource: Resource,
        /// Who serves at the new time.
        staff: Option<String>,
        /// What to tell the calendar.
        reason: String,
    },
    /// Cancel it.
    Cancel {
        /// What to tell the calendar.
        reason: String,
    },
}

impl IntentKind {
    /// As stored.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Move { .. } => "move",
            Self::Cancel { .. } => "cancel",
        }
    }
}

/// Where an intent stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IntentState {
    /// Written, and the outcome is not known.
    Open,
    /// The calendar did it.
    Done,
    /// The calendar said no; watched for a while, because a refusal can still have been stored.
    Watched,
    /// The calendar said no and nothing surfaced.
    Refused,
    /// The calendar said no to a part of it; the other parts are being put back as they were.
    Undoing,
    /// Given to a person.
    HandedOver,
    /// Given to a person, with some parts in the calendar that should not be there, or not where they should.
    CompensationFailed,
}

impl IntentState {
    /// Whether its outcome is not known.
    pub fn is_open(self) -> bool {
        self == Self::Open
    }

    /// Whether no machine works on it any more.
    pub fn is_settled(self) -> bool {
        !matches!(self, Self::Open | Self::Watched | Self::Undoing)
    }

    /// Whether a person decides.
    pub fn is_handed_over(self) -> bool {
        self == Self::HandedOver
    }

    /// As stored.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Done => "done",
            Self::Watched => "watched",
            Self::Refused => "refused",
            Self::Undoing => "undoing",
            Self::HandedOver => "handed_over",
            Self::CompensationFailed => "compensation_failed",
        }
    }

    /// As read back from the store.
    pub fn from_stored(text: &str) -> Option<Self> {
        [Self::Open, Self::Done, Self::Watched, Self::Refused, Self::Undoing, Self::HandedOver, Self::CompensationFailed]
            .into_iter()
            .find(|state| state.as_str() == text)
    }
}

/// One attempt to change a calendar, committed before the attempt is made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Intent {
    /// Travels in the calendar's metadata.
    pub id: IntentId,
    /// The appointment it is about.
    pub appointment: BookingId,
    /// What is wanted.
    pub kind: IntentKind,
    /// Where it stands.
    pub state: IntentState,
    /// How often the calendar was asked.
    pub attempts: u32,
    /// When it was written.
    pub created_at: Timestamp,
    /// Nobody else works on it before this.
    pub lease_until: Timestamp,
    /// A refused one is watched until then; putting parts back is tried until then.
    pub watch_until: Option<Timestamp>,
    /// How the last attempt ended; never a person's data.
    pub last_error: Option<String>,
}

/// How soon somebody has to call back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Priority {
    /// Within a day.
    Normal,
    /// Within four hours.
    High,
    /// Within an hour.
    Urgent,
}

impl Priority {
    /// As stored and as sent.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Normal => "normal",
            Self::High => "high",
            Self::Urgent => "urgent",
        }
    }

    /// As read from outside or the store.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Normal, Self::High, Self::Urgent].into_iter().find(|priority| priority.as_str() == text)
    }

    /// Hours until it is due.
    pub fn hours(self) -> i64 {
        match self {
            Self::Normal => 24,
            Self::High => 4,
            Self::Urgent => 1,
        }
    }
}

/// Where a callback stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CallbackState {
    /// Waits for somebody.
    Pending,
    /// Somebody has taken it.
    Assigned,
    /// The caller has been reached or tried.
    Contacted,
    /// Done by a person.
    Completed,
    /// Closed by itself: the same caller got what was wanted.
    Resolved,
    /// Given up.
    Cancelled,
}

impl CallbackState {
    /// Whether nobody has to do anything any more.
    pub fn is_closed(self) -> bool {
        matches!(self, Self::Completed | Self::Resolved | Self::Cancelled)
    }

    /// As stored and as sent.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Assigned => "assigned",
            Self::Contacted => "contacted",
            Self::Completed => "completed",
            Self::Resolved => "resolved",
            Self::Cancelled => "cancelled",
        }
    }

    /// As read from outside or the store.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Pending, Self::Assigned, Self::Contacted, Self::Completed, Self::Resolved, Self::Cancelled]
            .into_iter()
            .find(|state| state.as_str() == text)
    }
}

/// A wish that a person will take care of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Callback {
    /// Its id.
    pub id: CallbackId,
    /// The call it came from.
    pub call: Option<CallId>,
    /// The appointment it is about.
    pub appointment: Option<BookingId>,
    /// Whom to ask for.
    pub name: Option<Sensitive<String>>,
    /// Where to call.
    pub phone: Option<Phone>,
    /// Why it was made, one of a closed list of words.
    pub cause: CallbackCause,
    /// The service that was wanted.
    pub service: Option<String>,
    /// What the caller said, for the person who calls.
    pub notes: Option<Sensitive<String>>,
    /// When the caller would like to be called, in the caller's words.
    pub preferred_time: Option<Sensitive<String>>,
    /// How soon.
    pub priority: Priority,
    /// By when.
    pub due_at: Timestamp,
    /// Where it stands.
    pub state: CallbackState,
    /// Who has taken it.
    pub assigned_to: Option<String>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

impl Callback {
    /// About an appointment that no machine could settle: a person decides, soon.
    pub fn about(appointment: &Appointment, id: CallbackId, now: Timestamp) -> Self {
        Self {
            id,
            call: appointment.call.clone(),
            appointment: Some(appointment.id.clone()),
            name: Some(appointment.attendee.name.clone()),
            phone: appointment.attendee.phone.clone().or_else(|| appointment.owner.clone()),
            cause: CallbackCause::Unsettled,
            service: Some(appointment.service.clone()),
            notes: None,
            preferred_time: None,
            priority: Priority::Urgent,
            due_at: now + SignedDuration::from_hours(Priority::Urgent.hours()),
            state: CallbackState::Pending,
            assigned_to: None,
            created_at: now,
            updated_at: now,
        }
    }
}

/// Why there is a callback.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CallbackCause {
    /// The caller asked for it.
    Requested,
    /// Nothing suitable was free.
    NothingFree,
    /// The calendar gave no answer to a question.
    CalendarDown,
    /// A booking, move or cancellation that the calendar has not confirmed.
    Provisional,
    /// A booking, move or cancellation that could not be settled by machine.
    Unsettled,
    /// A change that needs a verified number.
    AnonymousChange,
    /// A limit refused what the caller wanted.
    OverLimit,
    /// Something of ours broke.
    Fault,
    /// The call ended without what the caller had asked for.
    Unfinished,
}

impl CallbackCause {
    /// As stored and as sent.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Requested => "requested",
            Self::NothingFree => "nothing_free",
            Self::CalendarDown => "calendar_down",
            Self::Provisional => "provisional",
            Self::Unsettled => "unsettled",
            Self::AnonymousChange => "anonymous_change",
            Self::OverLimit => "over_limit",
            Self::Fault => "fault",
            Self::Unfinished => "unfinished",
        }
    }

    /// As read back from the store.
    pub fn from_stored(text: &str) -> Option<Self> {
        [
            Self::Requested,
            Self::NothingFree,
            Self::CalendarDown,
            Self::Provisional,
            Self::Unsettled,
            Self::AnonymousChange,
            Self::OverLimit,
            Self::Fault,
            Self::Unfinished,
        ]
        .into_iter()
        .find(|cause| cause.as_str() == text)
    }
}
