//! What a calendar tells of its bookings without being asked.

use jiff::{SignedDuration, Timestamp};

use crate::booking::Attendee;
use crate::call::Phone;
use crate::ids::{BookingId, IntentId};
use crate::sensitive::Sensitive;
use crate::slot::Resource;
use crate::speech::person::clean_name;
use crate::tenant::Tenant;

/// The key of our intent id in a booking's metadata.
pub const INTENT_MARK: &str = "frontdesk_intent";
/// No address or number is longer.
const MOST: usize = 255;

/// An instant as a calendar writes it. What is centuries off is a mistake or malice, and as good as absent: no sum
/// of what is kept leaves the range of instants then.
pub fn instant(text: &str) -> Option<Timestamp> {
    // 2000 to 2199, UTC.
    const FROM: i64 = 946_684_800;
    const TO: i64 = 7_258_118_400;
    text.trim().parse::<Timestamp>().ok().filter(|at| (FROM..TO).contains(&at.as_second()))
}

/// How far the calendar's clock may be off ours: within that nobody knows which of two changes was first.
pub const CLOCKS_DIFFER: SignedDuration = SignedDuration::from_secs(60);

/// When something was told that came at `now`. A time further ahead than clocks are apart is not believed: nothing
/// that is told later would ever count as newer.
pub fn told_by(at: Timestamp, now: Timestamp) -> Timestamp {
    at.min(now.checked_add(CLOCKS_DIFFER).unwrap_or(now))
}

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
    /// It told an end that no booking has: somebody has to look.
    pub is_endless: bool,
    /// The calendar's id of who serves.
    pub host: Option<i64>,
    /// Our intent id out of its metadata.
    pub intent: Option<IntentId>,
    /// Who comes.
    pub attendee: Option<Attendee>,
    /// When it was read out of a list; `None` where the calendar told it by itself.
    pub listed_at: Option<Timestamp>,
}

/// What a calendar lists of bookings that changed.
#[derive(Debug, Clone, Default)]
pub struct Changes {
    /// In the order in which they happened.
    pub news: Vec<CalendarNews>,
    /// Everything that changed until then, by the calendar's clock, is among them; `None` where nothing did.
    pub until: Option<Timestamp>,
    /// Whether more has changed since.
    pub more: bool,
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
    /// When it ends, if it is as long as the service is.
    pub usual_end: Timestamp,
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
    /// We are changing that appointment ourselves, or did a moment ago: a list says nothing about it yet.
    /// Nothing is kept, so that the next list is heard.
    TooEarly,
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
            Self::TooEarly => "too_early",
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

/// Who comes, by what a booking page says. Anybody may write anything there: only what is a name gets near an
/// agent's prompt.
pub fn attendee(name: Option<&str>, email: Option<&str>, phone: Option<&str>, tenant: &Tenant) -> Attendee {
    let usable = |text: Option<&str>| text.map(str::trim).filter(|it| (1..=MOST).contains(&it.len())).map(str::to_owned);
    Attendee {
        name: Sensitive::new(usable(name).as_deref().and_then(a_name).unwrap_or_default()),
        email: usable(email).map(Sensitive::new),
        phone: usable(phone).and_then(|number| Phone::parse(&number, tenant.home_number())),
    }
}

/// A name as people have them: a few words of letters. Anything else is left out, not shortened.
fn a_name(text: &str) -> Option<String> {
    const MOST_WORDS: usize = 5;
    let name = clean_name(text).ok()?;
    let is_word = |word: &str| word.chars().all(|letter| letter.is_alphabetic() || "'’.-".contains(letter));
    let plain =
        name.chars().count() <= 80 && name.split_whitespace().count() <= MOST_WORDS && name.split_whitespace().all(is_word);
    plain.then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instant_centuries_off_is_as_good_as_absent() {
        for text in ["2000-01-01T00:00:00Z", "2026-03-16T14:00:00+01:00", " 2199-12-31T23:59:59Z "] {
            assert!(instant(text).is_some(), "{text}");
        }
        let odd =
            ["-009999-01-02T02:00:00Z", "1999-12-31T23:59:59Z", "2200-01-01T00:00:00Z", "9999-12-30T22:00:00Z", "14:00", ""];
        for text in odd {
            assert_eq!(instant(text), None, "{text}");
        }
    }
}
