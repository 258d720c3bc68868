//! What the simulated Cal.com consists of before anybody calls: hosts, event types, schedules,
//! teams, keys, and the quirks it shows.

use std::time::Duration;

use jiff::civil::{Date, Time, Weekday, time};
use jiff::tz::TimeZone;

use crate::clock::{self, Clock};

pub const MONDAY_TO_SATURDAY: [Weekday; 6] =
    [Weekday::Monday, Weekday::Tuesday, Weekday::Wednesday, Weekday::Thursday, Weekday::Friday, Weekday::Saturday];

/// Everything [`SimulatedCalCom::start`](super::SimulatedCalCom::start) needs.
#[derive(Clone)]
pub struct Config {
    pub clock: Clock,
    /// Zero takes any free port.
    pub port: u16,
    pub hosts: Vec<Host>,
    pub event_types: Vec<EventType>,
    pub teams: Vec<Team>,
    pub keys: Vec<Key>,
    /// `None` switches the throttler off, and with it its refusal of unknown keys.
    pub rate_limit: Option<RateLimit>,
    pub quirks: Quirks,
    /// Serves `/sim/…`, for people who try the simulation by hand.
    pub control: bool,
}

/// Behaviour the real service was seen to show, but not always.
#[derive(Clone, Copy, Debug)]
pub struct Quirks {
    /// Off: the answer to a create has no `hosts`.
    pub hosts_in_create: bool,
    /// The key made of start, end and host outlives a cancelled booking and blocks the next one.
    pub key_survives_cancel: bool,
    /// A booking that nobody touched since it was made has no `updatedAt`, and no filter by it finds it.
    pub untouched_without_update: bool,
    /// The hosted service refuses subscriber URLs that are not public HTTPS.
    pub local_webhooks: bool,
    /// Minutes by which its database of time zones is behind ours; 0 is the same one.
    pub zones_behind: i32,
}

#[derive(Clone, Copy, Debug)]
pub struct RateLimit {
    pub requests: u32,
    pub window: Duration,
    /// How long a tracker stays refused once it is over the limit.
    pub block: Duration,
}

#[derive(Clone, Debug)]
pub struct Host {
    pub id: u64,
    pub name: String,
    pub email: String,
    pub username: String,
    /// Takes the place of the event type's schedule.
    pub schedule: Option<Schedule>,
}

#[derive(Clone, Debug)]
pub struct Team {
    pub id: u64,
    pub slug: String,
}

#[derive(Clone, Debug)]
pub struct Key {
    pub secret: String,
    /// The host the key belongs to.
    pub user: u64,
    /// Sees everybody's bookings, as administrators do.
    pub sees: Sees,
    pub expired: bool,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Sees {
    Everything,
    OwnBookings,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Scheduling {
    /// One host.
    Individual,
    /// Any free host, the first in the list wins.
    RoundRobin,
    /// All hosts at once.
    Collective,
}

#[derive(Clone, Debug)]
pub struct EventType {
    pub id: u64,
    pub slug: String,
    pub title: String,
    pub minutes: u32,
    /// More than one length a booking may choose from; empty for the usual fixed length.
    pub length_options: Vec<u32>,
    pub hosts: Vec<u64>,
    pub scheduling: Scheduling,
    /// Team event types are listed under their team only.
    pub team: Option<u64>,
    pub schedule: Schedule,
    pub minimum_notice: Duration,
    pub buffer_before: Duration,
    pub buffer_after: Duration,
    /// How many calendar days ahead may be booked.
    pub window_days: Option<u32>,
    pub slot_interval: Option<u32>,
    pub requires_confirmation: bool,
    /// Pending bookings count as taken.
    pub blocks_unconfirmed: bool,
    pub email_required: bool,
    /// A hidden e-mail field drops the address and keeps the one made of the phone number.
    pub email_hidden: bool,
    pub phone_required: bool,
    pub fields: Vec<BookingField>,
    /// Types of location, the first is used when a booking names none.
    pub locations: Vec<String>,
    /// The same attendee at the same start gets the earlier booking as success.
    /// `None`: as the real one, for round robin and for event types that need confirmation.
    pub existing_booking_returned: Option<bool>,
    pub requires_authentication: bool,
    pub cancelling_disabled: bool,
    pub max_active_per_attendee: Option<u32>,
    pub hidden: bool,
}

#[derive(Clone, Debug)]
pub struct BookingField {
    pub slug: String,
    pub kind: String,
    pub required: bool,
    pub options: Vec<String>,
}

#[derive(Clone, Debug)]
pub struct Schedule {
    pub id: u64,
    pub name: String,
    pub time_zone: TimeZone,
    pub weekly: Vec<Span>,
    /// Take the place of the weekly hours on their dates.
    pub overrides: Vec<Override>,
}

#[derive(Clone, Debug)]
pub struct Span {
    pub days: Vec<Weekday>,
    pub from: Time,
    pub to: Time,
}

#[derive(Clone, Copy, Debug)]
pub struct Override {
    pub date: Date,
    pub from: Time,
    /// Equal to `from` is a whole day off.
    pub to: Time,
}

// === impl Config ===

impl Config {
    /// An account without anybody in it.
    pub fn empty() -> Self {
        Self {
            clock: clock::system(),
            port: 0,
            hosts: Vec::new(),
            event_types: Vec::new(),
            teams: Vec::new(),
            keys: Vec::new(),
            rate_limit: Some(RateLimit::default()),
            quirks: Quirks::default(),
            control: false,
        }
    }

    /// A salon in Berlin, open Monday to Saturday from nine to six: 101 (55 min, Emma or Fabio),
    /// 102 (55 min, Emma), 103 (45 min, Fabio). A phone number is enough to book.
    pub fn salon() -> Self {
        let open = Schedule::new(1, "Europe/Berlin").open(&MONDAY_TO_SATURDAY, time(9, 0, 0, 0), time(18, 0, 0, 0));
        Self::empty()
            .host(Host::new(7, "Emma"))
            .host(Host::new(8, "Fabio"))
            .event_type(EventType::new(101, "haircut", 55, &[7, 8], open.clone()).by_phone().every(15))
            .event_type(EventType::new(102, "haircut-emma", 55, &[7], open.clone()).by_phone().every(15))
            .event_type(EventType::new(103, "beard", 45, &[8], open).by_phone().every(15))
            .key(Key::new("cal_test_salon", 7))
    }

    #[must_use]
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    #[must_use]
    pub fn host(mut self, host: Host) -> Self {
        self.hosts.push(host);
        self
    }

    #[must_use]
    pub fn event_type(mut self, event_type: EventType) -> Self {
        self.event_types.push(event_type);
        self
    }

    #[must_use]
    pub fn team(mut self, id: u64, slug: &str) -> Self {
        self.teams.push(Team { id, slug: slug.to_owned() });
        self
    }

    #[must_use]
    pub fn key(mut self, key: Key) -> Self {
        self.keys.push(key);
        self
    }

    #[must_use]
    pub fn rate_limit(mut self, limit: Option<RateLimit>) -> Self {
        self.rate_limit = limit;
        self
    }

    #[must_use]
    pub fn quirks(mut self, quirks: Quirks) -> Self {
        self.quirks = quirks;
        self
    }

    /// What is contradictory about this configuration, if anything.
    pub(crate) fn flaw(&self) -> Option<String> {
        let known = |id: u64| self.hosts.iter().any(|host| host.id == id);
        for event_type in &self.event_types {
            if let Some(host) = event_type.hosts.iter().find(|id| !known(**id)) {
                return Some(format!("event type {} has the unknown host {host}", event_type.id));
            }
            if let Some(team) = event_type.team
                && !self.teams.iter().any(|it| it.id == team)
            {
                return Some(format!("event type {} has the unknown team {team}", event_type.id));
            }
        }
        for key in &self.keys {
            if !key.secret.starts_with("cal_") {
                return Some(format!("the key of user {} does not begin with cal_", key.user));
            }
            if !known(key.user) {
                return Some(format!("a key belongs to the unknown host {}", key.user));
            }
        }
        None
    }
}

// === impl Quirks ===

impl Default for Quirks {
    fn default() -> Self {
        Self {
            hosts_in_create: true,
            key_survives_cancel: false,
            untouched_without_update: false,
            local_webhooks: false,
            zones_behind: 0,
        }
    }
}

// === impl RateLimit ===

impl RateLimit {
    /// The documented window and block with another number of requests.
    pub fn of(requests: u32) -> Self {
        Self { requests, ..Self::default() }
    }
}

impl Default for RateLimit {
    fn default() -> Self {
        let minute = Duration::from_secs(60);
        Self { requests: 120, window: minute, block: minute }
    }
}

// === impl Host ===

impl Host {
    pub fn new(id: u64, name: &str) -> Self {
        let username = name.to_lowercase().replace(' ', "-");
        Self { id, name: name.to_owned(), email: format!("{username}@salon.example"), username, schedule: None }
    }
}

// === impl Key ===

impl Key {
    pub fn new(secret: &str, user: u64) -> Self {
        Self { secret: secret.to_owned(), user, sees: Sees::Everything, expired: false }
    }
}

// === impl EventType ===

impl EventType {
    pub fn new(id: u64, slug: &str, minutes: u32, hosts: &[u64], schedule: Schedule) -> Self {
        Self {
            id,
            slug: slug.to_owned(),
            title: slug.to_owned(),
            minutes,
            length_options: Vec::new(),
            hosts: hosts.to_vec(),
            scheduling: if hosts.len() > 1 { Scheduling::RoundRobin } else { Scheduling::Individual },
            team: None,
            schedule,
            minimum_notice: Duration::ZERO,
            buffer_before: Duration::ZERO,
            buffer_after: Duration::ZERO,
            window_days: None,
            slot_interval: None,
            requires_confirmation: false,
            blocks_unconfirmed: false,
            email_required: true,
            email_hidden: false,
            phone_required: false,
            fields: Vec::new(),
            locations: vec!["address".to_owned()],
            existing_booking_returned: None,
            requires_authentication: false,
            cancelling_disabled: false,
            max_active_per_attendee: None,
            hidden: false,
        }
    }

    /// A phone number is required and an e-mail address is not.
    #[must_use]
    pub fn by_phone(mut self) -> Self {
        self.email_required = false;
        self.phone_required = true;
        self
    }

    /// Minutes between two starts; otherwise it is the length.
    #[must_use]
    pub fn every(mut self, minutes: u32) -> Self {
        self.slot_interval = Some(minutes);
        self
    }

    pub(crate) fn returns_existing(&self) -> bool {
        self.existing_booking_returned.unwrap_or(self.scheduling == Scheduling::RoundRobin || self.requires_confirmation)
    }

    pub(crate) fn step_minutes(&self, minutes: u32) -> u32 {
        self.slot_interval.unwrap_or(minutes).max(1)
    }
}

// === impl Schedule ===

impl Schedule {
    /// Closed at all times until [`Self::open`] is called.
    pub fn new(id: u64, time_zone: &str) -> Self {
        let time_zone = TimeZone::get(time_zone).expect("the time zone is in the database");
        let name = format!("Schedule {id}");
        Self { id, name, time_zone, weekly: Vec::new(), overrides: Vec::new() }
    }

    #[must_use]
    pub fn open(mut self, days: &[Weekday], from: Time, to: Time) -> Self {
        self.weekly.push(Span { days: days.to_vec(), from, to });
        self
    }

    #[must_use]
    pub fn closed_on(mut self, date: Date) -> Self {
        self.overrides.push(Override { date, from: Time::midnight(), to: Time::midnight() });
        self
    }

    #[must_use]
    pub fn open_on(mut self, date: Date, from: Time, to: Time) -> Self {
        self.overrides.push(Override { date, from, to });
        self
    }

    pub(crate) fn spans_on(&self, date: Date) -> Vec<(Time, Time)> {
        let mut overrides = self.overrides.iter().filter(|it| it.date == date).peekable();
        if overrides.peek().is_some() {
            return overrides.filter(|it| it.from < it.to).map(|it| (it.from, it.to)).collect();
        }
        let weekday = date.weekday();
        let open = self.weekly.iter().filter(|span| span.days.contains(&weekday));
        open.map(|span| (span.from, span.to)).collect()
    }

    pub(crate) fn zone_name(&self) -> &str {
        self.time_zone.iana_name().unwrap_or("UTC")
    }
}
