//! Limits as their askers see them: headers, problems, lines in the log.

use std::fmt::Write as _;

use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use frontdesk_core::limits::{Refused, SPAN, Verdict, reset_second, whole_seconds};
use frontdesk_core::protection::Mode;
use jiff::Timestamp;

use crate::problem::{Code, Problem};

const LIMIT: HeaderName = HeaderName::from_static("x-ratelimit-limit");
const REMAINING: HeaderName = HeaderName::from_static("x-ratelimit-remaining");
const RESET: HeaderName = HeaderName::from_static("x-ratelimit-reset");
/// Structured fields of draft-ietf-httpapi-ratelimit-headers.
const POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
const STANDING: HeaderName = HeaderName::from_static("ratelimit");

/// Says how the buckets stand; one that only watches says nothing. The first line is about the bucket that
/// refuses, or else the one with the least room; the draft's fields name all.
pub(crate) fn show(verdict: &Verdict, now: Timestamp, headers: &mut HeaderMap) {
    if verdict.mode != Mode::On {
        return;
    }
    let tightest = verdict
        .standings
        .iter()
        .map(|(_, standing)| standing)
        .min_by_key(|standing| (std::cmp::Reverse(standing.wait), standing.limit.saturating_sub(standing.used)));
    let Some(tightest) = tightest else { return };
    headers.insert(LIMIT, tightest.limit.into());
    headers.insert(REMAINING, tightest.limit.saturating_sub(tightest.used).into());
    headers.insert(RESET, reset_second(tightest, now).into());
    let (mut policies, mut standings) = (String::with_capacity(64), String::with_capacity(64));
    for (class, standing) in &verdict.standings {
        let (class, limit, gap) = (class.name(), standing.limit, if policies.is_empty() { "" } else { ", " });
        let remaining = limit.saturating_sub(standing.used);
        let until = if remaining == 0 && standing.wait > 0 { standing.wait } else { standing.resets_in };
        // A text takes everything.
        let _ = write!(policies, "{gap}\"{class}\";q={limit};w={}", whole_seconds(SPAN));
        let _ = write!(standings, "{gap}\"{class}\";r={remaining};t={}", whole_seconds(until));
    }
    for (name, text) in [(POLICY, policies), (STANDING, standings)] {
        if let Ok(value) = HeaderValue::from_str(&text) {
            headers.insert(name, value);
        }
    }
    if let (true, Some((_, wait))) = (verdict.refuses(), verdict.refusal()) {
        headers.insert(header::RETRY_AFTER, Refused { retry_after: wait }.retry_after_s().into());
    }
}

/// Tells the operator of a refusal, or of one that was only watched.
pub(crate) fn tell(verdict: &Verdict, request_id: &str, path: &str) {
    let Some((bucket, wait)) = verdict.refusal() else { return };
    let retry_after_s = Refused { retry_after: wait }.retry_after_s();
    let (mode, refused) = (verdict.mode.as_str(), verdict.refuses());
    tracing::warn!(request_id, bucket, path, retry_after_s, mode, refused, "Rate limit exceeded");
    if verdict.abuse {
        tracing::error!(
            request_id,
            bucket,
            mode,
            critical = true,
            "Rate limit exceeded ten times within an hour: look who it is, or raise the limit"
        );
    }
}

/// A refusal outside voice.
pub(crate) fn problem(refused: &Refused) -> Problem {
    let seconds = refused.retry_after_s();
    Problem::new(Code::RateLimitExceeded, format!("Ask again in {seconds} s.")).retry_after(seconds)
}
