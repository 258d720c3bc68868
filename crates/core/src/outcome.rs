//! Everything that a use case may end in. Closed lists: a new ending does not compile until every
//! dialect and both languages say something about it.

mod conduct;

use jiff::civil::{Date, Time, Weekday};
use jiff::{SignedDuration, Timestamp};

use crate::booking::{Appointment, AppointmentState};
use crate::ids::{BookingId, CallbackId, SlotId};
use crate::sensitive::Sensitive;
use crate::slot::Hold;

/// A free time that is held for the call that asked, or, unheld, merely shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offer {
    /// The token to book it with; `None` when it is only shown.
    pub slot: Option<SlotId>,
    /// When it begins.
    pub start: Timestamp,
    /// When it ends for the customer.
    pub end: Timestamp,
    /// Exact name of the service.
    pub service: String,
    /// Who, where known.
    pub staff: Option<String>,
    /// How long it is kept; `None` when it is only shown.
    pub held_until: Option<Timestamp>,
}

impl From<&Hold> for Offer {
    fn from(hold: &Hold) -> Self {
        Self {
            slot: Some(hold.id.clone()),
            start: hold.start,
            end: hold.end,
            service: hold.service.clone(),
            staff: hold.staff.clone(),
            held_until: Some(hold.until),
        }
    }
}

/// An appointment as its owner may hear of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shown {
    /// Our id.
    pub booking: BookingId,
    /// When it begins.
    pub start: Timestamp,
    /// When it ends for the customer.
    pub end: Timestamp,
    /// Exact name of the service.
    pub service: String,
    /// Who, where known.
    pub staff: Option<String>,
    /// Where it stands.
    pub state: AppointmentState,
}

impl From<&Appointment> for Shown {
    fn from(appointment: &Appointment) -> Self {
        Self {
            booking: appointment.id.clone(),
            start: appointment.start,
            end: appointment.end,
            service: appointment.service.clone(),
            staff: appointment.staff.clone(),
            state: appointment.state,
        }
    }
}

/// What was done, or is being done, to an appointment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// Made.
    Book,
    /// Moved.
    Move,
    /// Given up.
    Cancel,
}

/// Why alternatives are offered instead of a yes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WhyOffered {
    /// The wish was open ("next week", "any time"); these fit it.
    Fits,
    /// The exact time is not free.
    NotFree {
        /// The time that was wished for.
        wished: Timestamp,
    },
    /// The day or the part of the day is full; these are the nearest.
    Full,
}

/// Why nothing can be offered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WhyNothing {
    /// Everything within reach is taken.
    Full,
}

/// A question that a yes answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Confirm {
    /// Shall this held slot be booked?
    Book(Offer),
    /// Shall the appointment be moved to this held slot?
    Move {
        /// The appointment as it stands.
        appointment: Shown,
        /// The new time, held.
        to: Offer,
    },
    /// Shall the appointment be cancelled?
    Cancel(Shown),
}

/// What is still needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Need {
    /// Which service.
    Service,
    /// Which day.
    Date,
    /// What time.
    Time,
    /// The name of the attendee.
    Name,
    /// A number to call back.
    Phone,
    /// The new day of a move.
    NewDate,
    /// The new time of a move.
    NewTime,
    /// Which slot.
    Slot,
}

impl Need {
    /// The argument it is asked for with.
    pub fn word(self) -> &'static str {
        match self {
            Self::Service => "service",
            Self::Date => "date",
            Self::Time => "time",
            Self::Name => "name",
            Self::Phone => "phone",
            Self::NewDate => "new_date",
            Self::NewTime => "new_time",
            Self::Slot => "slot_id",
        }
    }
}

/// The one question to put to the caller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Question {
    /// Something was not said yet; the first of the needs is asked for.
    Missing(Need),
    /// The time was said without a day: this is the next such time; is it meant?
    WhichDay {
        /// The next future occurrence.
        next: Timestamp,
    },
    /// The day has passed.
    InThePast {
        /// The day as understood, if one was named.
        date: Option<Date>,
        /// The time as understood, if one was named.
        time: Option<Time>,
    },
    /// The named weekday is not that date's.
    Contradiction {
        /// The date as named.
        date: Date,
        /// The weekday as named.
        said: Weekday,
        /// Dates that may be meant.
        candidates: Vec<Date>,
    },
    /// Two days are usual readings.
    WhichDate(Vec<Date>),
    /// Two hours of the day are usual readings.
    WhichClock(Vec<Time>),
    /// The calendar has no such day.
    NoSuchDate,
    /// The clocks skip that time on that day.
    NoSuchTime {
        /// The day.
        date: Date,
        /// The time that does not exist.
        time: Time,
    },
    /// The clocks show that time twice on that day.
    TimeTwice {
        /// The day.
        date: Date,
        /// The time that exists twice.
        time: Time,
    },
    /// The words for it were not understood.
    NotUnderstood(Need),
    /// What was given as a name is none.
    NotAName,
    /// What was given is not a number that can be called.
    NotANumber,
    /// Known regular: the same as usual?
    UsualService {
        /// The service that the caller had most often.
        service: String,
    },
}

impl Question {
    /// The contract's word for why something is asked.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Missing(_) | Self::WhichDay { .. } | Self::UsualService { .. } => "missing",
            Self::InThePast { .. } => "in_the_past",
            Self::Contradiction { .. } => "contradiction",
            Self::NoSuchDate | Self::NoSuchTime { .. } => "nonexistent_time",
            Self::WhichDate(_) | Self::WhichClock(_) | Self::TimeTwice { .. } => "ambiguous_time",
            Self::NotUnderstood(_) | Self::NotAName | Self::NotANumber => "not_understood",
        }
    }
}

/// A choice that only the caller can make.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Choice {
    /// Between services, by name.
    Services(Vec<String>),
    /// Between people, by name.
    Staff(Vec<String>),
    /// Between the caller's own appointments.
    Appointments(Vec<Shown>),
}

/// A rule that says no to an exact wish.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Denial {
    /// Too soon.
    NoticeTooShort {
        /// The earliest possible start.
        earliest: Timestamp,
    },
    /// Too far away.
    HorizonExceeded {
        /// The latest possible start.
        latest: Timestamp,
    },
    /// A weekday without hours, or a time outside them.
    OutsideBusinessHours {
        /// The day.
        date: Date,
        /// When it is open that day; empty on a weekday without hours.
        open: Vec<(Timestamp, Timestamp)>,
    },
    /// A closure or a public holiday.
    Closed {
        /// The day.
        date: Date,
        /// Why, in the tenant's language; may be empty.
        reason: String,
    },
    /// Too late to change the appointment.
    DeadlineMissed {
        /// What was wanted.
        change: Change,
        /// Until when it was possible.
        deadline: Timestamp,
    },
    /// That person does not do that service.
    StaffCannot {
        /// The person.
        staff: String,
        /// The service.
        service: String,
    },
}

impl Denial {
    /// The contract's word.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::NoticeTooShort { .. } => "notice_too_short",
            Self::HorizonExceeded { .. } => "horizon_exceeded",
            Self::OutsideBusinessHours { .. } => "outside_business_hours",
            Self::Closed { .. } => "closed",
            Self::DeadlineMissed { .. } => "deadline_missed",
            Self::StaffCannot { .. } => "staff_cannot",
        }
    }
}

/// A service as callers hear of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceInfo {
    /// Exact name.
    pub name: String,
    /// How long it takes, minutes.
    pub minutes: u32,
}

/// A day's hours, as wall times.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DayInfo {
    /// The day.
    pub date: Date,
    /// When it is open; empty when closed.
    pub open: Vec<(Timestamp, Timestamp)>,
    /// Why it is closed, in the tenant's language; may be empty.
    pub reason: String,
}

/// What is known of the caller.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CallerInfo {
    /// Has this number booked here before?
    pub known: bool,
    /// The name of the last booking by this number.
    pub name: Option<Sensitive<String>>,
    /// The service that this number had most often.
    pub usual_service: Option<String>,
    /// Upcoming appointments of this number.
    pub appointments: Vec<Shown>,
    /// When this number's last past appointment was.
    pub last_visit: Option<Timestamp>,
    /// How many appointments this number ever had.
    pub total: usize,
}

/// A question of the caller, answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// What can be booked; with a query, what fits it.
    Services(Vec<ServiceInfo>),
    /// When it is open: one day, or the seven days from today.
    Hours(Vec<DayInfo>),
    /// How a date was understood.
    Date {
        /// First day.
        from: Date,
        /// Last day; equal to the first for a single day.
        to: Date,
        /// The time, if one was named.
        time: Option<Time>,
    },
    /// Who is calling.
    Caller(CallerInfo),
    /// The call begins: who is calling, and what is next free.
    Welcome {
        /// Who is calling.
        caller: CallerInfo,
        /// Next free times, shown only, not verified.
        next: Vec<Offer>,
    },
    /// The caller's own upcoming appointments; never empty.
    Appointments(Vec<Shown>),
    /// A hold was given up.
    Released,
    /// A hold was renewed.
    Held(Offer),
}

/// What was looked for and is not there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Missed {
    /// A service; what there is instead.
    Service(Vec<String>),
    /// A person; who there is instead.
    Staff(Vec<String>),
    /// An appointment of this caller.
    Appointment,
    /// The slot token is not of this call, or unknown.
    Slot,
    /// A function by that name.
    Function,
}

/// A promise that a person will call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Promise {
    /// The work item.
    pub callback: CallbackId,
    /// By when.
    pub due: Timestamp,
}

/// How a function call ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The exact wish is free and held for this call.
    Available(Offer),
    /// Up to three held alternatives.
    Offered {
        /// The alternatives, best first.
        slots: Vec<Offer>,
        /// Why they are offered.
        why: WhyOffered,
    },
    /// Nothing in reach.
    Unavailable(WhyNothing),
    /// Persisted here and accepted by the calendar.
    Booked {
        /// The appointment.
        appointment: Shown,
        /// The caller had it before asking.
        already: bool,
    },
    /// Durable here, the calendar has not answered.
    Pending {
        /// The appointment.
        appointment: Shown,
        /// What will be confirmed.
        change: Change,
        /// The work item that watches it.
        promise: Option<Promise>,
    },
    /// A free, held slot or a named change that the caller has not agreed to yet.
    NeedsConfirmation(Confirm),
    /// One question.
    NeedsInput {
        /// Everything that is still missing.
        missing: Vec<Need>,
        /// What to ask first.
        question: Question,
    },
    /// One choice.
    Ambiguous(Choice),
    /// Given up, here and in the calendar.
    Cancelled(Shown),
    /// Moved, here and in the calendar.
    Rescheduled {
        /// The appointment at its new time.
        appointment: Shown,
        /// The time it had.
        from: Timestamp,
    },
    /// A rule says no.
    Denied {
        /// Which.
        denial: Denial,
        /// What would be possible, held.
        slots: Vec<Offer>,
    },
    /// A question was answered.
    Ok(Answer),
    /// Not there.
    NotFound(Missed),
    /// The slot was lost in spite of all; alternatives are held.
    Taken(Vec<Offer>),
    /// A person will call.
    CallbackQueued(Promise),
    /// Too many requests.
    RateLimited {
        /// Until the same request is admitted.
        retry_after: SignedDuration,
    },
    /// The calendar gave no answer.
    TemporarilyUnavailable(Option<Promise>),
    /// An argument cannot be used as it is.
    Invalid {
        /// The argument's name, as sent or as we call it.
        field: String,
    },
    /// Something of ours broke.
    Error(Option<Promise>),
}

impl Outcome {
    /// The contract's word.
    pub fn status(&self) -> &'static str {
        match self {
            Self::Available(_) => "available",
            Self::Offered { .. } => "offered",
            Self::Unavailable(_) => "unavailable",
            Self::Booked { .. } => "booked",
            Self::Pending { .. } => "pending",
            Self::NeedsConfirmation(_) => "needs_confirmation",
            Self::NeedsInput { .. } => "needs_input",
            Self::Ambiguous(_) => "ambiguous",
            Self::Cancelled(_) => "cancelled",
            Self::Rescheduled { .. } => "rescheduled",
            Self::Denied { .. } => "denied",
            Self::Ok(_) => "ok",
            Self::NotFound(_) => "not_found",
            Self::Taken(_) => "taken",
            Self::CallbackQueued(_) => "callback_queued",
            Self::RateLimited { .. } => "rate_limited",
            Self::TemporarilyUnavailable(_) => "temporarily_unavailable",
            Self::Invalid { .. } => "invalid",
            Self::Error(_) => "error",
        }
    }

    /// The contract's `success`.
    pub fn is_success(&self) -> bool {
        match self {
            Self::Available(_)
            | Self::Offered { .. }
            | Self::Unavailable(_)
            | Self::Booked { .. }
            | Self::Pending { .. }
            | Self::NeedsConfirmation(_)
            | Self::Cancelled(_)
            | Self::Rescheduled { .. }
            | Self::Ok(_)
            | Self::CallbackQueued(_) => true,
            Self::NeedsInput { .. }
            | Self::Ambiguous(_)
            | Self::Denied { .. }
            | Self::NotFound(_)
            | Self::Taken(_)
            | Self::RateLimited { .. }
            | Self::TemporarilyUnavailable(_)
            | Self::Invalid { .. }
            | Self::Error(_) => false,
        }
    }

    /// The slots that the answer carries.
    pub fn offers(&self) -> &[Offer] {
        match self {
            Self::Available(offer) | Self::NeedsConfirmation(Confirm::Book(offer) | Confirm::Move { to: offer, .. }) => {
                std::slice::from_ref(offer)
            }
            Self::Ok(Answer::Held(offer)) => std::slice::from_ref(offer),
            Self::Offered { slots, .. } | Self::Taken(slots) | Self::Denied { slots, .. } => slots,
            Self::Ok(Answer::Welcome { next, .. }) => next,
            _ => &[],
        }
    }
}
