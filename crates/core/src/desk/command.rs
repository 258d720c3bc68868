//! What can be asked of the desk. Texts are clean and within their bounds; their meaning is found here.

use ring::digest::{SHA256, digest};

use crate::ids::{BookingId, SlotId};
use crate::limits::Class;
use crate::sensitive::Sensitive;

/// A function call, whatever dialect it came in.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Command {
    /// The conversation begins.
    StartCall,
    /// Who is calling?
    IdentifyCaller,
    /// What can be booked?
    ListServices {
        /// Words of the caller for it.
        query: Option<String>,
    },
    /// When is it open?
    OpeningHours {
        /// Words of the caller for a day.
        date: Option<String>,
    },
    /// Which day is that?
    ResolveDate(WhenWords),
    /// Is that free?
    Check(CheckWish),
    /// The old two-step function: asks without consent, books with it.
    Collect(CollectWish),
    /// Book it.
    Book(BookWish),
    /// What do I have?
    Find(FindWish),
    /// Move it.
    Reschedule(MoveWish),
    /// Give it up.
    Cancel(CancelWish),
    /// Have somebody call me.
    Callback(CallbackWish),
    /// Keep a slot for its full time again.
    HoldSlot {
        /// Which.
        slot: SlotId,
    },
    /// Let a slot go, or all of this call's.
    ReleaseSlot {
        /// Which.
        slot: Option<SlotId>,
    },
}

/// A day and a time in the caller's words.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct WhenWords {
    /// The day; may hold the time as well.
    pub date: Option<String>,
    /// The time; may hold the day as well.
    pub time: Option<String>,
    /// The caller's literal words, which win over a day that a model made of them.
    pub words: Option<String>,
}

impl WhenWords {
    /// Whether nothing was said.
    pub fn is_empty(&self) -> bool {
        [&self.date, &self.time, &self.words].into_iter().all(|text| text.as_deref().is_none_or(|text| text.trim().is_empty()))
    }
}

/// A wish to know what is free.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct CheckWish {
    /// Words for the service.
    pub service: Option<String>,
    /// When.
    pub when: WhenWords,
    /// Words for a person.
    pub staff: Option<String>,
    /// The next free time will do.
    pub earliest: bool,
}

/// A wish to book.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct BookWish {
    /// A token from this call.
    pub slot: Option<SlotId>,
    /// Without a token: what and when.
    pub check: CheckWish,
    /// Who comes.
    pub name: Option<Sensitive<String>>,
    /// Their address.
    pub email: Option<Sensitive<String>>,
    /// Their number.
    pub phone: Option<Sensitive<String>>,
    /// For the business.
    pub notes: Option<Sensitive<String>>,
}

/// The old two-step function.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct CollectWish {
    /// What, when, who.
    pub book: BookWish,
    /// Whether the caller has said yes.
    pub consent: bool,
}

/// A wish to hear of own appointments.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct FindWish {
    /// Words for a day.
    pub date: Option<String>,
    /// Words for a service.
    pub service: Option<String>,
}

/// A wish to move an appointment.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct MoveWish {
    /// Which appointment.
    pub booking: Option<BookingId>,
    /// Words for its day.
    pub date: Option<String>,
    /// When instead.
    pub to: WhenWords,
    /// A token from this call for the new time.
    pub slot: Option<SlotId>,
    /// Why.
    pub reason: Option<Sensitive<String>>,
    /// Whether the caller has said yes.
    pub confirm: bool,
}

/// A wish to give an appointment up.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct CancelWish {
    /// Which appointment.
    pub booking: Option<BookingId>,
    /// Words for its day.
    pub date: Option<String>,
    /// Why.
    pub reason: Option<Sensitive<String>>,
    /// Whether the caller has said yes.
    pub confirm: bool,
}

/// A wish to be called.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct CallbackWish {
    /// Whom to ask for.
    pub name: Option<Sensitive<String>>,
    /// Where to call; the caller's own number otherwise.
    pub phone: Option<Sensitive<String>>,
    /// What it is about.
    pub reason: Option<Sensitive<String>>,
    /// When it suits.
    pub preferred_time: Option<Sensitive<String>>,
    /// How soon.
    pub priority: Option<String>,
}

/// What a repeat of a command means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Repeats {
    /// Nothing changes: answers are shared only while they are being found.
    Share,
    /// Something is held or done: the platform's retry gets the first answer.
    Replay,
}

impl Command {
    /// Whether the caller waits for a calendar to be written.
    pub fn writes(&self) -> bool {
        match self {
            Self::Book(_) | Self::Reschedule(_) | Self::Cancel(_) => true,
            Self::Collect(wish) => wish.consent,
            Self::StartCall
            | Self::IdentifyCaller
            | Self::ListServices { .. }
            | Self::OpeningHours { .. }
            | Self::ResolveDate(_)
            | Self::Check(_)
            | Self::Find(_)
            | Self::Callback(_)
            | Self::HoldSlot { .. }
            | Self::ReleaseSlot { .. } => false,
        }
    }

    /// Which limit it counts towards.
    pub fn class(&self) -> Class {
        match self {
            Self::Book(_) => Class::Booking,
            Self::Collect(wish) if wish.consent => Class::Booking,
            Self::Check(_) | Self::Collect(_) | Self::HoldSlot { .. } => Class::Availability,
            Self::Reschedule(_) => Class::Reschedule,
            Self::Cancel(_) => Class::Cancel,
            Self::StartCall
            | Self::IdentifyCaller
            | Self::ListServices { .. }
            | Self::OpeningHours { .. }
            | Self::ResolveDate(_)
            | Self::Find(_)
            | Self::Callback(_)
            | Self::ReleaseSlot { .. } => Class::Default,
        }
    }

    /// Whether it begins with a look at what the caller has.
    pub fn asks_for_own(&self) -> bool {
        matches!(self, Self::Check(_) | Self::Collect(_) | Self::Find(_) | Self::Reschedule(_) | Self::Cancel(_))
    }

    /// Whether somebody is left without what they wanted when it is refused.
    pub fn is_wish(&self) -> bool {
        self.writes() || matches!(self, Self::Callback(_))
    }

    /// What a repeat of it means.
    pub fn repeats(&self) -> Repeats {
        match self {
            Self::Check(_)
            | Self::Collect(_)
            | Self::Book(_)
            | Self::Reschedule(_)
            | Self::Cancel(_)
            | Self::Callback(_)
            | Self::HoldSlot { .. }
            | Self::ReleaseSlot { .. } => Repeats::Replay,
            Self::StartCall
            | Self::IdentifyCaller
            | Self::ListServices { .. }
            | Self::OpeningHours { .. }
            | Self::ResolveDate(_)
            | Self::Find(_) => Repeats::Share,
        }
    }

    /// The command and its arguments as a digest: the same words again give the same one, on every
    /// replica and after a restart.
    pub fn fingerprint(&self) -> String {
        let mut canon = Canon(Vec::with_capacity(256));
        std::hash::Hash::hash(self, &mut canon);
        let digit = |value: u8| char::from_digit(value.into(), 16).unwrap_or('0');
        digest(&SHA256, &canon.0).as_ref().iter().take(16).flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
    }
}

/// Collects what `Hash` feeds it, so that a stable digest can be made of it.
struct Canon(Vec<u8>);

impl std::hash::Hasher for Canon {
    fn finish(&self) -> u64 {
        0
    }

    fn write(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
        self.0.push(0xff);
    }
}
