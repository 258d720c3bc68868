//! Who is asking: a business with its services, people, hours and rules.

use std::collections::BTreeMap;
use std::fmt;

use jiff::SignedDuration;
use jiff::tz::TimeZone;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::call::Phone;
use crate::hours::{Closure, OpeningHours, WeekHours};
use crate::ids::TenantId;
use crate::sensitive::Secret;

/// The language that callers of a tenant are spoken to in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Language {
    /// German.
    De,
    /// English.
    En,
}

impl Language {
    /// The code as configured: `de` or `en`.
    pub fn code(self) -> &'static str {
        match self {
            Self::De => "de",
            Self::En => "en",
        }
    }
}

/// A time zone by its IANA name, from the bundled database.
#[derive(Clone, PartialEq, Eq)]
pub struct Zone(TimeZone);

impl Zone {
    /// `None` for a name that the bundled database does not hold; fixed offsets are not names.
    pub fn named(name: &str) -> Option<Self> {
        if !name.contains('/') && name != "UTC" {
            return None;
        }
        TimeZone::get(name).ok().map(Self)
    }

    /// The IANA name.
    pub fn name(&self) -> &str {
        self.0.iana_name().unwrap_or("UTC")
    }

    /// The rules.
    pub fn rules(&self) -> &TimeZone {
        &self.0
    }
}

impl fmt::Debug for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Serialize for Zone {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl<'de> Deserialize<'de> for Zone {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        Self::named(&name).ok_or_else(|| serde::de::Error::custom("unknown time zone"))
    }
}

/// A business, as its file describes it. Stored as JSON without the secrets, which are stored
/// encrypted beside it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Tenant {
    /// The slug; it is the tenant's identity.
    pub slug: TenantId,
    /// The name that callers hear.
    pub name: String,
    /// The zone that all its wall times are in.
    pub time_zone: Zone,
    /// The language that its callers hear.
    pub language: Language,
    /// Agents whose calls are this tenant's.
    pub agent_ids: Vec<String>,
    /// Called numbers, E.164, whose calls are this tenant's.
    pub phone_numbers: Vec<Phone>,
    /// Where its appointments live.
    pub calendar: CalendarKind,
    /// What can be booked, in the order of the file.
    pub services: Vec<Service>,
    /// Who does it, in the order of the file; empty is one nameless person.
    pub staff: Vec<Staff>,
    /// When it is open; `None` follows the calendar's own schedule.
    pub hours: Option<OpeningHours>,
    /// Days that are closed.
    pub closures: Vec<Closure>,
    /// Notice, horizon, deadlines.
    pub policy: Policy,
    /// Whom to tell about callbacks, provisional and late bookings.
    pub notify: Notify,
    /// Limits that differ from the deployment's, class to admissions per minute.
    pub rate_limit: BTreeMap<String, u32>,
    /// Keys; never serialised with the rest.
    #[serde(skip)]
    pub secrets: TenantSecrets,
}

/// A tenant's keys in the clear, in memory only.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TenantSecrets {
    /// Retell API key with the webhook badge.
    pub retell_api_key: Option<Secret>,
    /// The key before it, still accepted while keys rotate.
    pub retell_previous_api_key: Option<Secret>,
    /// Cal.com API key.
    pub calcom_api_key: Option<Secret>,
    /// Cal.com webhook secret.
    pub calcom_webhook_secret: Option<Secret>,
}

/// Where a tenant's appointments live.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum CalendarKind {
    /// Our own: the diary in the store is the calendar.
    Builtin,
    /// Cal.com v2.
    Calcom {
        /// Without a path and a trailing slash, such as `https://api.cal.com`.
        base_url: String,
        /// How old a cached slot may be and still be promised, milliseconds; 0 asks every time.
        verify_after_ms: u64,
    },
}

/// Something that can be booked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Service {
    /// The name that callers hear, unique within the tenant.
    pub name: String,
    /// Other words for it.
    pub synonyms: Vec<String>,
    /// How long it takes, minutes, 5 to 480.
    pub minutes: u32,
    /// Cal.com event type shared by all who do it.
    pub calcom_event_type_id: Option<i64>,
    /// Minutes kept free before it.
    pub buffer_before: u32,
    /// Minutes kept free after it.
    pub buffer_after: u32,
    /// Stretches of a composite service; empty for a plain one.
    pub segments: Vec<Segment>,
}

/// One stretch of a composite service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Segment {
    /// What is done.
    pub name: String,
    /// Busy minutes.
    pub minutes: u32,
    /// Minutes after it in which others may be served.
    pub gap_after: u32,
    /// Cal.com event type of this stretch alone; where one segment has it, all have it.
    #[serde(default)]
    pub calcom_event_type_id: Option<i64>,
}

/// Somebody who does services.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Staff {
    /// The name that callers hear, unique within the tenant.
    pub name: String,
    /// Exact names of the services this person does.
    pub services: Vec<String>,
    /// This person's own Cal.com event type per service name, or per [`Segment::key`].
    pub calcom_event_types: BTreeMap<String, i64>,
    /// This person's Cal.com user id.
    pub calcom_host_id: Option<i64>,
    /// Hours that stand instead of the business's on the weekdays they name.
    pub hours: Option<WeekHours>,
}

/// Notice, horizon and deadlines, all in real time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Policy {
    /// A start earlier than this from now is too short notice.
    pub min_notice: SignedDuration,
    /// A start later than this from now is too far away.
    pub horizon: SignedDuration,
    /// Cancelling later than this before the start is too late.
    pub cancel_notice: SignedDuration,
    /// Moving later than this before the start is too late.
    pub reschedule_notice: SignedDuration,
}

impl Default for Policy {
    /// No notice, 60 days, no deadlines.
    fn default() -> Self {
        Self {
            min_notice: SignedDuration::ZERO,
            horizon: SignedDuration::from_hours(60 * 24),
            cancel_notice: SignedDuration::ZERO,
            reschedule_notice: SignedDuration::ZERO,
        }
    }
}

/// Whom to tell.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notify {
    /// Mail addresses of the business.
    pub email: Vec<String>,
    /// Where to post; empty is nowhere.
    pub webhook_url: String,
}

// === impl Tenant ===

impl Tenant {
    /// The proof that a data access belongs to this tenant.
    pub fn scope(&self) -> Scope<'_> {
        Scope { tenant: &self.slug }
    }

    /// The zone's rules.
    pub fn zone(&self) -> &TimeZone {
        self.time_zone.rules()
    }

    /// The service of exactly this name.
    pub fn service(&self, name: &str) -> Option<&Service> {
        self.services.iter().find(|service| service.name == name)
    }

    /// The person of exactly this name.
    pub fn staff_member(&self, name: &str) -> Option<&Staff> {
        self.staff.iter().find(|staff| staff.name == name)
    }

    /// The people who do `service`, in the order of the file.
    pub fn staff_for<'a>(&'a self, service: &'a Service) -> impl Iterator<Item = &'a Staff> {
        self.staff.iter().filter(|staff| staff.services.contains(&service.name))
    }

    /// A number of the business, whose country national numbers are read in.
    pub fn home_number(&self) -> Option<&Phone> {
        self.phone_numbers.first()
    }
}

impl Service {
    /// The minutes from the start to the end that the customer sees.
    pub fn duration(&self) -> SignedDuration {
        SignedDuration::from_mins(i64::from(self.minutes))
    }

    /// The segments of a composite, each with when it begins after the start of the whole.
    pub fn stretches(&self) -> impl Iterator<Item = (&Segment, SignedDuration)> {
        let mut after = SignedDuration::ZERO;
        self.segments.iter().map(move |segment| {
            let begins = after;
            after += segment.duration() + SignedDuration::from_mins(i64::from(segment.gap_after));
            (segment, begins)
        })
    }
}

impl Segment {
    /// The busy minutes.
    pub fn duration(&self) -> SignedDuration {
        SignedDuration::from_mins(i64::from(self.minutes))
    }

    /// What a person's own event type for it is filed under.
    pub fn key(&self, service: &Service) -> String {
        format!("{}/{}", service.name, self.name)
    }
}

/// The proof that a data access belongs to one tenant. Every method of a data port takes one, and only
/// a [`Tenant`] makes one: a query or a cache key without a tenant cannot be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Scope<'a> {
    tenant: &'a TenantId,
}

impl<'a> Scope<'a> {
    /// The tenant's id, as the first part of a key.
    pub fn tenant(&self) -> &'a TenantId {
        self.tenant
    }
}
