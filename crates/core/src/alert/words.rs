//! What receivers read of an alert, in English: the one who reads it runs the gateway.

use jiff::{SignedDuration, Timestamp};

use super::{Notice, Rule};
use crate::message::Letter;
use crate::sensitive::Sensitive;

/// In one line or two, for a chat.
pub fn said(notice: &Notice, gateway: &str) -> String {
    let Notice { rule, evidence, fired_at, resolved_at, .. } = notice;
    let what = titled(notice);
    match resolved_at {
        None => {
            format!("{} {what}: {evidence}. {} ({gateway}, since {})", rule.level().as_str(), rule.advice(), second(*fired_at))
        }
        Some(at) => format!("RESOLVED {what}, after {} ({gateway}, since {})", lasted(*fired_at, *at), second(*at)),
    }
}

/// As mail.
pub fn letter(notice: &Notice, gateway: &str) -> Letter {
    let Notice { rule, evidence, fired_at, resolved_at, .. } = notice;
    let what = titled(notice);
    let (subject, lines) = match resolved_at {
        None => (
            format!("{} {what}", rule.level().as_str()),
            vec![
                format!("Rule:     {what}"),
                format!("Seen:     {evidence}."),
                format!("Since:    {}", second(*fired_at)),
                format!("Gateway:  {gateway}"),
                String::new(),
                rule.advice().to_owned(),
                String::new(),
                "frontdesk alerts list            what fires now".to_owned(),
                format!("frontdesk alerts silence {} --for 2h", rule.as_str()),
            ],
        ),
        Some(at) => (
            format!("RESOLVED {what}"),
            vec![
                format!("Rule:     {what}"),
                format!("Was:      {evidence}."),
                format!("Since:    {}", second(*fired_at)),
                format!("Over:     {} (after {})", second(*at), lasted(*fired_at, *at)),
                format!("Gateway:  {gateway}"),
            ],
        ),
    };
    let body = lines.join("\n") + "\n";
    Letter { subject: Sensitive::new(format!("[frontdesk] {subject}")), body: Sensitive::new(body) }
}

fn titled(notice: &Notice) -> String {
    match notice.subject.as_str() {
        "" => notice.rule.as_str().to_owned(),
        subject => format!("{} {subject}", notice.rule.as_str()),
    }
}

/// To the second, in UTC.
fn second(at: Timestamp) -> String {
    Timestamp::from_second(at.as_second()).unwrap_or(at).to_string()
}

fn lasted(from: Timestamp, to: Timestamp) -> String {
    let span: SignedDuration = to.duration_since(from);
    match span.as_secs().max(0) {
        seconds if seconds < 120 => format!("{seconds} s"),
        seconds if seconds < 120 * 60 => format!("{} min", seconds / 60),
        seconds => format!("{} h", seconds / 3600),
    }
}

impl Rule {
    /// What to do.
    pub fn advice(self) -> &'static str {
        match self {
            Self::Errors => "Look for ERROR in the log; frontdesk health says what is away.",
            Self::Failing => {
                "frontdesk calls list shows the calls that ended without a result; frontdesk health says what is away."
            }
            Self::BurnRateFast | Self::BurnRateSlow => {
                "Look which route fails in /metrics (frontdesk_http_request_duration_seconds, status 5xx) and what was changed before."
            }
            Self::Refusals => "frontdesk limits show says who; if they are real callers, raise the limit.",
            Self::Abuse => "frontdesk limits show says which limit; look who it is, or raise it.",
            Self::Rejected => "A key was changed on one side only: compare [retell] api_key and the calendar's webhook secret.",
            Self::BreakerOpen => {
                "The calendar fails; callers hear that somebody confirms. frontdesk breaker show, frontdesk health --only calendars."
            }
            Self::ResponseTime => {
                "Server-Timing says whether the store or a calendar is slow; frontdesk health --only load,disk,calendars."
            }
            Self::SharedStateAway => "Start Redis again, or look at the network; until then each gateway counts alone.",
            Self::OutboxOldest => "A receiver does not answer: frontdesk outbox list --state waiting.",
            Self::DeadLetters => "frontdesk outbox list --state dead, then outbox retry or outbox dismiss.",
            Self::Unconfirmed => {
                "The calendar does not answer: frontdesk health --only calendars. Callers were told that somebody confirms."
            }
            Self::CompensationFailed => "A person has to put it right in the calendar: it is the most urgent of the work items.",
            Self::CallsWithoutEnd => "The platform does not tell when calls end: look at the agents' webhook URL.",
            Self::NoEvents => "The platform does not tell of calls: look at the agent's webhook URL and at its signatures.",
            Self::SilentAgent => "Call its number: if nobody answers, look at the agent and its number on the voice platform.",
            Self::NoBookings => "Make a test booking: frontdesk call; look at calls that ended without one.",
        }
    }
}
