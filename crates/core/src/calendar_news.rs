//! What a calendar tells of its bookings without being asked.

use jiff::Timestamp;

use crate::booking::Attendee;
use crate::ids::{BookingId, IntentId};
use crate::slot::Resource;

/// What happened to a booking.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum NewsKind {
    /// Somebody asks for it; the business has not agreed.
    Requested,
    /// It stands.
    Created,
    /// It stands, at another time than before.
    Rescheduled,
    /// The business said no.
    Rejected,
    /// It does not stand any more.
    Cancelled,
    /// Nobody came.
    NoShow,
    /// It is over.
    Ended,
}

impl NewsKind {
    /// As stored.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Requested => "requested",
            Self::Created => "created",
            Self::Rescheduled => "rescheduled",
            Self::Rejected => "rejected",
            Self::Cancelled => "cancelled",
            Self::NoShow => "no_show",
            Self::Ended => "ended",
        }
    }
}

/// One piece of news, after its signature was checked.
#[derive(Debug, Clone)]
pub struct CalendarNews {
    /// SHA-256 of the body, hex: there is no id of a delivery, so a second delivery is known by this.
    pub digest: String,
    /// What happened.
    pub kind: NewsKind,
    /// The booking's uid: possession is authority, so never log or speak it.
    pub uid: String,
    /// The uid that it had before it was moved.
    pub former_uid: Option<String>,
    /// What it keeps over every move.
    pub ical_uid: Option<String>,
    /// Rises with every move and cancellation.
    pub sequence: Option<i64>,
    /// When the calendar said so.
    pub told_at: Timestamp,
    /// What was booked.
    pub event_type: Option<i64>,
    /// When it begins.
    pub start: Option<Timestamp>,
    /// When it ends.
    pub end: Option<Timestamp>,
    /// The calendar's id of who serves.
    pub host: Option<i64>,
    /// Our intent id out of its metadata.
    pub intent: Option<IntentId>,
    /// Who comes.
    pub attendee: Option<Attendee>,
}

/// Where a booking belongs that may have been made elsewhere.
#[derive(Debug, Clone)]
pub struct Placed {
    /// The id to give it, should it be new here.
    pub booking: BookingId,
    /// Exact name of the service.
    pub service: String,
    /// Who serves, where known.
    pub staff: Option<String>,
    /// What it blocks; several are alternatives.
    pub resources: Vec<Resource>,
    /// The stretches that it blocks.
    pub busy: Vec<(Timestamp, Timestamp)>,
}

/// What became of a piece of news.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Applied {
    /// It was here before.
    Repeated,
    /// Something newer was here before.
    Stale,
    /// It changes nothing.
    Nothing,
    /// An appointment of ours is as the calendar says.
    Changed(BookingId),
    /// A booking that was made elsewhere is known here now.
    Made(BookingId),
    /// As [`Applied::Changed`] or [`Applied::Made`], but somebody else has that time here.
    Overlaps(BookingId),
    /// As [`Applied::Changed`], against what we had told a caller.
    Contradicts(BookingId),
}

impl Applied {
    /// One word, for the log.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Repeated => "repeated",
            Self::Stale => "stale",
            Self::Nothing => "nothing",
            Self::Changed(_) => "changed",
            Self::Made(_) => "made",
            Self::Overlaps(_) => "overlaps",
            Self::Contradicts(_) => "contradicts",
        }
    }

    /// Whether somebody has to look at it.
    pub fn needs_a_person(&self) -> bool {
        matches!(self, Self::Overlaps(_) | Self::Contradicts(_))
    }
}
