//! What becomes of an intent after the calendar was asked.

use jiff::Timestamp;

/// How an intent was settled.
#[derive(Debug, Clone)]
pub enum Settlement {
    /// The calendar did it.
    Done {
        /// The uid the booking has now; `None` keeps the one it had.
        uid: Option<String>,
        /// Who serves, if only now known.
        staff: Option<String>,
        /// What the booking keeps over every move.
        ical: Option<String>,
    },
    /// The calendar said no; keep looking until then in case it was stored all the same.
    Watch {
        /// Until when.
        until: Timestamp,
        /// The reason, without personal data.
        why: String,
    },
    /// Nothing surfaced; the refusal stands.
    Refused {
        /// The reason, without personal data.
        why: String,
    },
    /// Not settled; try again after `not_before`.
    Again {
        /// The earliest next attempt.
        not_before: Timestamp,
        /// How the attempt ended, without personal data.
        why: String,
    },
    /// The calendar said no to a part; from here on the others are only put back as they were. An appointment
    /// that was to be made is refused, its time stays blocked until its parts are gone.
    Undo {
        /// Until when that is tried.
        until: Timestamp,
        /// The reason, without personal data.
        why: String,
    },
    /// A person has to decide; the slot stays blocked.
    HandOver {
        /// The reason, without personal data.
        why: String,
    },
    /// The same, and the calendar holds some parts and not others.
    CompensationFailed {
        /// Which parts still stand, and the reason, without personal data.
        why: String,
    },
}
