//! Parts of a composite appointment, each a booking of its own in the calendar.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

/// Where a part of an appointment stands in the calendar, as far as it is written down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PartState {
    /// To be made; it may have been asked for.
    Wanted,
    /// There, and the business still has to agree.
    Awaiting,
    /// It stands.
    Standing,
    /// Refused, and looked up: it is not there.
    Absent,
    /// It was there and is cancelled.
    Gone,
}

impl PartState {
    /// As stored.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Wanted => "wanted",
            Self::Awaiting => "awaiting",
            Self::Standing => "standing",
            Self::Absent => "absent",
            Self::Gone => "gone",
        }
    }

    /// As read back from the store.
    pub fn from_stored(text: &str) -> Option<Self> {
        [Self::Wanted, Self::Awaiting, Self::Standing, Self::Absent, Self::Gone].into_iter().find(|state| state.as_str() == text)
    }

    /// Whether the calendar keeps a time for it.
    pub fn is_there(self) -> bool {
        matches!(self, Self::Awaiting | Self::Standing)
    }
}

/// A busy stretch of a composite appointment that is a booking of its own in the calendar.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// Its place among the parts, from 0; travels in the calendar's metadata.
    pub index: u32,
    /// The Cal.com event type.
    pub event_type: i64,
    /// When it begins, from the start of the appointment on; stays over moves.
    pub after: SignedDuration,
    /// When it begins in the calendar, as far as is known.
    pub start: Timestamp,
    /// When it ends there.
    pub end: Timestamp,
    /// Where it stands.
    pub state: PartState,
    /// The calendar's uid of it, once it has one.
    pub uid: Option<String>,
}
