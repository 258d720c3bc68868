//! What has to leave the house: effects, written in the transaction that causes them, and the deliveries
//! that each of them becomes, one per receiver, so that a repeat for one never reaches another.
//!
//! An effect is expanded once, in one transaction. A delivery is at least once, under a key that never
//! changes. Neither holds a person's data: names and addresses are read when it is delivered.

mod pace;
mod who;

use std::collections::HashMap;
use std::fmt;

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::alert::Notice;
use crate::booking::IntentKind;
use crate::ids::{BookingId, CallbackId, TenantId};
use crate::ports::StoreError;

pub use pace::{MOST_ATTEMPTS, pause, usual_pause};
pub use who::{Circumstances, Expansion, Receiver, asks_for_circumstances, expansion};

/// A provisional booking is reported after this, unless it is settled by then.
pub const GRACE: SignedDuration = SignedDuration::from_secs(60);

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Event {
    /// An appointment stands.
    Booked,
    /// It is at another time.
    Rescheduled,
    /// It is given up.
    Cancelled,
    /// The calendar has not answered in time; the caller was told that somebody confirms it.
    Pending,
    /// A person has something to do.
    CallbackQueued,
    /// Whoever runs the deployment has something to do.
    AlertFired,
    /// And now has not any more.
    AlertResolved,
}

impl Event {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Booked,
        Self::Rescheduled,
        Self::Cancelled,
        Self::Pending,
        Self::CallbackQueued,
        Self::AlertFired,
        Self::AlertResolved,
    ];

    /// As stored and as sent.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Booked => "appointment.booked",
            Self::Rescheduled => "appointment.rescheduled",
            Self::Cancelled => "appointment.cancelled",
            Self::Pending => "appointment.pending",
            Self::CallbackQueued => "callback.queued",
            Self::AlertFired => "alert.fired",
            Self::AlertResolved => "alert.resolved",
        }
    }

    /// As read back from the store.
    pub fn from_stored(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|event| event.as_str() == text)
    }

    /// Whether it is the deployment's, and no tenant's.
    pub fn is_alert(self) -> bool {
        matches!(self, Self::AlertFired | Self::AlertResolved)
    }

    /// Whether a caller's wish hangs on somebody hearing of it.
    pub fn is_wish(self) -> bool {
        matches!(self, Self::Pending | Self::CallbackQueued)
    }
}

/// Which way a row goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Channel {
    /// Nowhere yet: an effect, to be expanded.
    Event,
    /// To the business's software.
    Webhook,
    /// To a mailbox.
    Mail,
}

impl Channel {
    /// As stored.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Event => "event",
            Self::Webhook => "webhook",
            Self::Mail => "mail",
        }
    }

    /// As read back from the store.
    pub fn from_stored(text: &str) -> Option<Self> {
        [Self::Event, Self::Webhook, Self::Mail].into_iter().find(|channel| channel.as_str() == text)
    }
}

/// Where a row stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RowState {
    /// To be done, now or later.
    Waiting,
    /// Expanded or delivered.
    Done,
    /// Given up; an operator may revive it.
    Dead,
    /// Overtaken by events: nobody has to hear it any more.
    Superseded,
}

impl RowState {
    /// As stored and as shown.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Done => "done",
            Self::Dead => "dead",
            Self::Superseded => "superseded",
        }
    }

    /// As read from an operator or the store.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Waiting, Self::Done, Self::Dead, Self::Superseded].into_iter().find(|state| state.as_str() == text)
    }
}

/// Where a change came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// A phone call.
    Voice,
    /// The tenant's own software.
    Api,
    /// People, in the calendar itself.
    Calendar,
}

/// What kind of change waits for the calendar.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Wanted {
    /// A new appointment.
    Booking,
    /// Another time.
    Move,
    /// No appointment any more.
    Cancellation,
}

impl From<&IntentKind> for Wanted {
    fn from(kind: &IntentKind) -> Self {
        match kind {
            IntentKind::Create => Self::Booking,
            IntentKind::Move { .. } => Self::Move,
            IntentKind::Cancel { .. } => Self::Cancellation,
        }
    }
}

/// The facts of a row: ids and times, never a person's data.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Facts {
    /// The appointment.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub booking_id: Option<BookingId>,
    /// The work item.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub callback_id: Option<CallbackId>,
    /// When the appointment begins, or would.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start: Option<Timestamp>,
    /// When it ends.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub end: Option<Timestamp>,
    /// When it began before a move.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub old_start: Option<Timestamp>,
    /// Where the change came from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub origin: Option<Origin>,
    /// What waits for the calendar.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wanted: Option<Wanted>,
    /// It was provisional before.
    #[serde(skip_serializing_if = "is_false")]
    pub late: bool,
    /// The business has heard that it was provisional.
    #[serde(skip_serializing_if = "is_false")]
    pub announced: bool,
    /// Counts the changes of this appointment, from 0.
    pub sequence: u32,
    /// What receivers of an alert are told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alert: Option<Notice>,
}

fn is_false(value: &bool) -> bool {
    !*value
}

/// A row whose lease somebody has: the proof that nobody else works on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Taken {
    /// Its number.
    pub id: i64,
    /// Whose it is; empty where it is the deployment's.
    pub tenant: TenantId,
    /// What happened.
    pub event: Event,
    /// Which way it goes.
    pub channel: Channel,
    /// To whom, as [`Receiver::as_stored`] writes it; empty for an effect.
    pub target: String,
    /// What it is about: rows of one receiver about the same thing keep their order.
    pub ordering: String,
    /// What a receiver tells repeats by; empty for an effect.
    pub key: String,
    /// The facts.
    pub facts: Facts,
    /// How often it was taken, this time included.
    pub attempts: u32,
    /// When it happened.
    pub created_at: Timestamp,
    /// Until when whoever took it has it; it is also what that taking is known by.
    pub lease_until: Timestamp,
}

/// A row that this release cannot read: it is damaged, or a newer release wrote it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unreadable {
    /// Its number.
    pub id: i64,
    /// The column that holds what is not understood.
    pub column: &'static str,
}

/// A row as operators see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutboxRow {
    /// The row.
    pub row: Taken,
    /// Where it stands.
    pub state: RowState,
    /// Not before this.
    pub not_before: Timestamp,
    /// How the last attempt ended; never a person's data, never an address.
    pub last_error: Option<String>,
    /// When it was over.
    pub done_at: Option<Timestamp>,
    /// The column that cannot be read: then only number, tenant and state are the row's own.
    pub unreadable: Option<&'static str>,
}

/// How much may be taken at once.
#[derive(Debug, Clone)]
pub struct Room {
    /// In all.
    pub most: usize,
    /// Of one tenant on one channel, what runs already included: who is slow holds up nobody else.
    pub each: usize,
    /// What runs already.
    pub running: HashMap<(TenantId, Channel), usize>,
}

/// Which rows to list.
#[derive(Debug, Clone, Default)]
pub struct OutboxFilter {
    /// Only this tenant's.
    pub tenant: Option<TenantId>,
    /// Only in this state.
    pub state: Option<RowState>,
    /// At most this many, the newest first; 0 is 100.
    pub limit: u32,
}

/// Which dead rows to revive.
#[derive(Debug, Clone)]
pub enum Revival {
    /// One.
    One(i64),
    /// All, or all of a tenant.
    AllDead(Option<TenantId>),
}

/// How the outbox stands.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct OutboxStanding {
    /// Rows that wait.
    pub waiting: u64,
    /// Rows that were given up.
    pub dead: u64,
    /// When the oldest of those that wait was written, leaving out what waits for its grace.
    pub oldest: Option<Timestamp>,
}

/// The outbox. It is worked on for all tenants; a row says whose it is, and everything personal is read
/// within that tenant.
#[async_trait]
pub trait Outbox: Send + Sync {
    /// The effects that are due, at most `most`, in the order in which they happened; and those among them that
    /// cannot be read.
    async fn effects_due(&self, now: Timestamp, most: u32) -> Result<(Vec<Taken>, Vec<Unreadable>), StoreError>;

    /// Puts rows off that cannot be read, as if an attempt at each had failed: a release that can may come. One that
    /// was put off too often is given up, and one whose attempts cannot be read is at once.
    async fn set_aside(&self, rows: &[Unreadable], now: Timestamp) -> Result<(), StoreError>;

    /// Ends effects, all in one transaction: with a delivery per receiver, or as superseded. One that somebody else
    /// has ended meanwhile is left alone.
    async fn expand(&self, effects: &[(Taken, Expansion)], now: Timestamp) -> Result<(), StoreError>;

    /// Takes the lease of deliveries that are due, none while an earlier one of the same order still waits. What
    /// cannot be read is set aside and takes no place.
    async fn take_due(&self, now: Timestamp, lease: SignedDuration, room: &Room) -> Result<Vec<Taken>, StoreError>;

    /// It was delivered.
    async fn done(&self, row: &Taken, now: Timestamp) -> Result<(), StoreError>;

    /// Nobody has to hear it any more.
    async fn superseded(&self, row: &Taken, why: &str, now: Timestamp) -> Result<(), StoreError>;

    /// It failed; again after `not_before`.
    async fn again(&self, row: &Taken, not_before: Timestamp, why: &str) -> Result<(), StoreError>;

    /// It is given up.
    async fn dead(&self, row: &Taken, why: &str, now: Timestamp) -> Result<(), StoreError>;

    /// Lists rows, the newest first.
    async fn outbox(&self, filter: &OutboxFilter) -> Result<Vec<OutboxRow>, StoreError>;

    /// Revives dead rows and writes down who did it; returns how many.
    async fn revive(&self, which: &Revival, who: &str, now: Timestamp) -> Result<u64, StoreError>;

    /// How it stands.
    async fn outbox_standing(&self, now: Timestamp) -> Result<OutboxStanding, StoreError>;
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The key of a delivery: the same effect to the same receiver has the same one, whoever writes it.
pub fn delivery_key(tenant: &TenantId, event: Event, subject: &str, receiver: &Receiver) -> String {
    let text = [tenant.as_str(), event.as_str(), subject, receiver.channel().as_str(), &receiver.as_stored()].join("\n");
    let digest = ring::digest::digest(&ring::digest::SHA256, text.as_bytes());
    let hex: String = digest.as_ref().iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    format!("evt_{hex}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_read_back() {
        for event in Event::ALL {
            assert_eq!(Event::from_stored(event.as_str()), Some(event));
        }
        for state in [RowState::Waiting, RowState::Done, RowState::Dead, RowState::Superseded] {
            assert_eq!(RowState::parse(state.as_str()), Some(state));
        }
    }

    #[test]
    fn a_key_belongs_to_one_effect_and_one_receiver() {
        let key = |tenant: &str, subject: &str, receiver| delivery_key(&TenantId::new(tenant), Event::Booked, subject, &receiver);
        let one = key("salon", "b_1#0", Receiver::Webhook);
        assert_eq!(one, key("salon", "b_1#0", Receiver::Webhook));
        assert_eq!(one.len(), 36);
        for other in [
            key("other", "b_1#0", Receiver::Webhook),
            key("salon", "b_1#1", Receiver::Webhook),
            key("salon", "b_1#0", Receiver::Caller),
        ] {
            assert_ne!(one, other);
        }
    }

    #[test]
    fn facts_of_an_earlier_release_are_read() {
        let facts: Facts = serde_json::from_str(r#"{"booking_id":"b_1","what":"booked"}"#).expect("read");
        assert_eq!(facts, Facts { booking_id: Some(BookingId::new("b_1")), ..Facts::default() });
    }
}
