//! The sections that take effect while the gateway runs.

use std::time::Duration;

use frontdesk_core::breaker::Rules;
use frontdesk_core::limits::Limits;
use frontdesk_core::protection::{Mode, Protection};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::config::addresses;
use crate::config::durations;
use crate::config::reader::Section;
use crate::config::secrets::SecretSource;

/// The most admissions per minute that a deployment may allow.
const MOST_PER_MINUTE: u32 = 1_000_000;

const MILLISECOND: Duration = Duration::from_millis(1);
const TEN_MINUTES: Duration = Duration::from_secs(600);
const DAY: Duration = Duration::from_secs(86_400);

/// What a revision holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Live {
    /// Which protections are on.
    pub protections: Protections,
    /// Admissions per minute and class.
    pub rate_limit: RateLimits,
    /// When a calendar account is left alone.
    pub circuit_breaker: BreakerSettings,
    /// How long callers wait.
    pub deadlines: Deadlines,
    /// When a person is told.
    pub alerts: Alerts,
}

/// `[protections]`. Error handling and input validation are always on and therefore not here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Protections {
    /// Off bypasses the cache.
    pub cache_isolation: Mode,
    /// Findings in free text; what is known to be secret or personal stays redacted.
    pub log_sanitizer: Mode,
    /// See [`BreakerSettings`].
    pub circuit_breaker: Mode,
    /// See [`RateLimits`].
    pub rate_limit: Mode,
    /// Off stops the detail per request.
    pub performance: Mode,
    /// In shadow, hours are not looked at.
    pub business_hours: Mode,
}

/// `[rate_limit]`: admissions in any trailing minute.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RateLimits {
    /// Bookings.
    pub booking: u32,
    /// Questions about free times.
    pub availability: u32,
    /// Moves.
    pub reschedule: u32,
    /// Cancellations.
    pub cancel: u32,
    /// Unsigned events; signed ones are counted only.
    pub webhooks: u32,
    /// Administrators.
    pub admin: u32,
    /// Health, per client address.
    pub health: u32,
    /// One phone call, all functions.
    pub call: u32,
    /// All else.
    pub default: u32,
    /// Requests of ours to one calendar account; Cal.com blocks an account that is asked more often.
    pub calendar: u32,
}

/// `[circuit_breaker]`, per calendar account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BreakerSettings {
    /// Failures in a row that open it.
    pub failure_threshold: u32,
    /// How long it stays open before a trial.
    pub recovery_timeout: Duration,
    /// Trials in a row that close it.
    pub success_threshold: u32,
    /// Percent of the last twenty answers that open it, faults and slow ones; 0 is never.
    pub failure_rate: u32,
    /// An answer that takes longer counts as bad for that rate; `None` never does.
    pub slow_call: Option<Duration>,
}

/// `[deadlines]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deadlines {
    /// Before the first word.
    pub inbound: Duration,
    /// Questions.
    pub check: Duration,
    /// Bookings, moves, cancellations.
    pub write: Duration,
}

/// `[alerts]`. A revision of an earlier release has fewer of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Alerts {
    /// Errors within five minutes.
    pub errors_5m: u32,
    /// Refusals by a limit within an hour.
    pub rate_limited_1h: u32,
    /// A slower answer is worth a line.
    pub response_time: Duration,
    /// Where to post, in Slack's form. It may be a secret, so a revision does not hold it.
    #[serde(skip)]
    pub webhook_url: Option<SecretSource>,
    /// Mailboxes of whoever runs the deployment. Like the address, each gateway's own.
    #[serde(skip)]
    pub email: Vec<String>,
    /// Requests of platforms and calendars within five minutes that cannot prove whose they are.
    pub rejected_5m: u32,
    /// Answers of a million that may fail; written as the share that must not.
    #[serde(rename = "objective", serialize_with = "objective_of", deserialize_with = "budget")]
    pub budget_ppm: u32,
    /// How long a calendar may leave a booking open.
    pub unconfirmed: Duration,
    /// How long a call may last.
    pub longest_call: Duration,
    /// Whether silence is looked at: on or off.
    pub absences: Mode,
}

// === impl Live ===

impl Live {
    pub(super) fn read(root: &Section<'_>) -> Self {
        Self {
            protections: Protections::read(root),
            rate_limit: RateLimits::read(root),
            circuit_breaker: BreakerSettings::read(root),
            deadlines: Deadlines::read(root),
            alerts: Alerts::read(root),
        }
    }
}

// === impl Protections ===

impl Protections {
    /// In the order of [`Protection::ALL`].
    pub fn modes(&self) -> [Mode; 8] {
        let Self { cache_isolation, log_sanitizer, circuit_breaker, rate_limit, performance, business_hours } = self;
        [*cache_isolation, *log_sanitizer, *circuit_breaker, *rate_limit, *performance, Mode::On, Mode::On, *business_hours]
    }

    fn read(root: &Section<'_>) -> Self {
        let at = root.section("protections", &Protection::ALL.map(Protection::name));
        for protection in Protection::ALL {
            if let Some(reason) = protection.always_on() {
                at.parsed(protection.name(), &format!("\"on\", always: {reason}"), |text| (text == "on").then_some(()));
            }
        }
        let mode = |key| at.parsed(key, "\"on\", \"shadow\" or \"off\"", Mode::parse).unwrap_or(Mode::On);
        Self {
            cache_isolation: mode("cache_isolation"),
            log_sanitizer: mode("log_sanitizer"),
            circuit_breaker: mode("circuit_breaker"),
            rate_limit: mode("rate_limit"),
            performance: mode("performance"),
            business_hours: mode("business_hours"),
        }
    }
}

// === impl RateLimits ===

impl RateLimits {
    /// In the core's terms.
    pub fn limits(&self) -> Limits {
        Limits::new(self.each().map(|(_, limit)| limit))
    }

    /// Every class with its limit.
    pub fn each(&self) -> [(&'static str, u32); 9] {
        let Self { booking, availability, reschedule, cancel, webhooks, admin, health, call, default, calendar: _ } = self;
        [
            ("booking", *booking),
            ("availability", *availability),
            ("reschedule", *reschedule),
            ("cancel", *cancel),
            ("webhooks", *webhooks),
            ("admin", *admin),
            ("health", *health),
            ("call", *call),
            ("default", *default),
        ]
    }

    fn read(root: &Section<'_>) -> Self {
        let keys =
            ["booking", "availability", "reschedule", "cancel", "webhooks", "admin", "health", "call", "default", "calendar"];
        let at = root.section("rate_limit", &keys);
        let rate = |key, default| per_minute(&at, key, MOST_PER_MINUTE).unwrap_or(default);
        Self {
            booking: rate("booking", 30),
            availability: rate("availability", 60),
            reschedule: rate("reschedule", 10),
            cancel: rate("cancel", 10),
            webhooks: rate("webhooks", 100),
            admin: rate("admin", 200),
            health: rate("health", 30),
            call: rate("call", 60),
            default: rate("default", 60),
            calendar: rate("calendar", 120),
        }
    }
}

// === impl BreakerSettings ===

impl BreakerSettings {
    fn read(root: &Section<'_>) -> Self {
        let at = root.section(
            "circuit_breaker",
            &["failure_threshold", "recovery_timeout", "success_threshold", "failure_rate", "slow_call"],
        );
        Self {
            failure_threshold: count(&at, "failure_threshold", 1000).unwrap_or(5),
            recovery_timeout: at.duration("recovery_timeout", MILLISECOND..=DAY).unwrap_or(Duration::from_secs(60)),
            success_threshold: count(&at, "success_threshold", 1000).unwrap_or(2),
            failure_rate: at.whole("failure_rate", 0..=100).and_then(|percent| u32::try_from(percent).ok()).unwrap_or(0),
            slow_call: at.duration("slow_call", MILLISECOND..=TEN_MINUTES),
        }
    }
}

impl BreakerSettings {
    /// In the core's terms. As many trials run at once as have to succeed; one that never reports gives its
    /// place back after the longest time that a request to a calendar may take.
    pub fn rules(&self) -> Rules {
        let micros = |time: Duration| i64::try_from(time.as_micros()).unwrap_or(i64::MAX);
        Rules {
            failure_threshold: self.failure_threshold,
            recovery: micros(self.recovery_timeout),
            success_threshold: self.success_threshold,
            trials: self.success_threshold,
            trial_lease: 30_000_000,
            bad_percent: self.failure_rate,
        }
    }
}

// === impl Deadlines ===

impl Deadlines {
    fn read(root: &Section<'_>) -> Self {
        let at = root.section("deadlines", &["inbound", "check", "write"]);
        let deadline = |key, default| at.duration(key, MILLISECOND..=TEN_MINUTES).unwrap_or(Duration::from_millis(default));
        Self { inbound: deadline("inbound", 1000), check: deadline("check", 2500), write: deadline("write", 6000) }
    }
}

// === impl Alerts ===

impl Alerts {
    fn read(root: &Section<'_>) -> Self {
        let keys = [
            "errors_5m",
            "rate_limited_1h",
            "response_time",
            "webhook_url",
            "email",
            "rejected_5m",
            "objective",
            "unconfirmed",
            "longest_call",
            "absences",
        ];
        let at = root.section("alerts", &keys);
        let usual = Self::default();
        let many = |key, usual| count(&at, key, 1_000_000).unwrap_or(usual);
        let span = |key, usual| at.duration(key, Duration::from_secs(1)..=DAY).unwrap_or(usual);
        let mailbox = |text: &str| addresses::is_mail_address(text).then(|| text.to_owned());
        let switch = |text: &str| Mode::parse(text).filter(|mode| *mode != Mode::Shadow);
        Self {
            errors_5m: many("errors_5m", usual.errors_5m),
            rate_limited_1h: many("rate_limited_1h", usual.rate_limited_1h),
            response_time: at.duration("response_time", MILLISECOND..=TEN_MINUTES).unwrap_or(usual.response_time),
            webhook_url: webhook_url(&at),
            email: at.each("email", "a mail address such as \"oncall@desk.example\"", mailbox),
            rejected_5m: many("rejected_5m", usual.rejected_5m),
            budget_ppm: at
                .parsed("objective", "the share of answers that must not fail, from \"90%\" to \"99.99%\"", budget_of)
                .unwrap_or(usual.budget_ppm),
            unconfirmed: span("unconfirmed", usual.unconfirmed),
            longest_call: span("longest_call", usual.longest_call),
            absences: at.parsed("absences", "\"on\" or \"off\"", switch).unwrap_or(usual.absences),
        }
    }
}

impl Default for Alerts {
    fn default() -> Self {
        const MINUTE: Duration = Duration::from_secs(60);
        Self {
            errors_5m: 5,
            rate_limited_1h: 50,
            response_time: Duration::from_secs(1),
            webhook_url: None,
            email: Vec::new(),
            rejected_5m: 10,
            budget_ppm: 1000,
            unconfirmed: MINUTE * 5,
            longest_call: MINUTE * 60,
            absences: Mode::On,
        }
    }
}

fn objective_of<S: Serializer>(budget_ppm: &u32, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&format_args!("{}%", 100.0 - f64::from(*budget_ppm) / 10_000.0))
}

fn budget<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    let text = String::deserialize(deserializer)?;
    budget_of(&text).ok_or_else(|| serde::de::Error::custom("expected a share such as 99.9%"))
}

/// What `99.9%` leaves, in answers of a million.
fn budget_of(objective: &str) -> Option<u32> {
    let percent: f64 = objective.strip_suffix('%')?.trim().parse().ok()?;
    let budget = ((100.0 - percent) * 10_000.0).round();
    // INVARIANT: between 100 and 100 000, so the cast loses nothing.
    (100.0..=100_000.0).contains(&budget).then_some(budget as u32)
}

/// The rate under `key`, up to `most`.
pub(crate) fn per_minute(at: &Section<'_>, key: &str, most: u32) -> Option<u32> {
    let expected = format!("{}, from \"1/min\" to \"{most}/min\"", durations::RATE);
    at.parsed(key, &expected, |text| durations::parse_rate(text).filter(|rate| (1..=most).contains(rate)))
}

fn count(at: &Section<'_>, key: &str, most: u32) -> Option<u32> {
    at.whole(key, 1..=i64::from(most)).and_then(|number| u32::try_from(number).ok())
}

fn webhook_url(at: &Section<'_>) -> Option<SecretSource> {
    let field = at.field("webhook_url")?;
    match SecretSource::optional(Some(field.clone()))? {
        SecretSource::Literal(url) if !addresses::is_web_address(url.expose()) => {
            field.refuse_unseen("an http or https address, env:NAME, file:PATH, or \"\" for none");
            None
        }
        source => Some(source),
    }
}
