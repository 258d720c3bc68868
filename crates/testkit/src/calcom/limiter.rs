//! The throttler: a fixed window for each key or address, and a block for whoever goes over it.

use std::collections::HashMap;

use jiff::{SignedDuration, Timestamp};

use super::config::RateLimit;

pub(crate) const TOO_MANY: &str = "CustomThrottlerGuard - Too many requests. Please try again later.";

#[derive(Debug, Default)]
pub(crate) struct Limiter(HashMap<String, Tracker>);

#[derive(Debug)]
struct Tracker {
    window_ends: Timestamp,
    spent: u32,
    blocked_until: Option<Timestamp>,
}

/// What the rate limit headers say, and whether the request may pass.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Toll {
    pub(crate) limit: u32,
    pub(crate) remaining: u32,
    pub(crate) reset_s: i64,
    pub(crate) passes: bool,
}

// === impl Limiter ===

impl Limiter {
    pub(crate) fn take(&mut self, tracker: &str, limit: RateLimit, now: Timestamp) -> Toll {
        let later = |by| now.saturating_add(signed(by)).unwrap_or(Timestamp::MAX);
        let fresh = || Tracker { window_ends: later(limit.window), spent: 0, blocked_until: None };
        let tracker = self.0.entry(tracker.to_owned()).or_insert_with(fresh);

        match tracker.blocked_until {
            Some(until) if now < until => return Toll::refused(limit, now, until),
            Some(_) => *tracker = fresh(),
            None if now >= tracker.window_ends => *tracker = fresh(),
            None => {}
        }
        tracker.spent += 1;
        if tracker.spent > limit.requests {
            let until = later(limit.block);
            tracker.blocked_until = Some(until);
            return Toll::refused(limit, now, until);
        }
        Toll {
            limit: limit.requests,
            remaining: limit.requests - tracker.spent,
            reset_s: seconds_until(now, tracker.window_ends),
            passes: true,
        }
    }
}

// === impl Toll ===

impl Toll {
    fn refused(limit: RateLimit, now: Timestamp, until: Timestamp) -> Self {
        let reset_s = seconds_until(now, until);
        Self { limit: limit.requests, remaining: 0, reset_s, passes: false }
    }
}

fn seconds_until(now: Timestamp, then: Timestamp) -> i64 {
    (now.duration_until(then).as_millis().max(0) as f64 / 1000.0).ceil() as i64
}

fn signed(duration: std::time::Duration) -> SignedDuration {
    SignedDuration::try_from(duration).unwrap_or(SignedDuration::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn over_the_limit_is_blocked_for_a_minute_and_not_until_the_window_ends() {
        let at = |second| Timestamp::from_second(second).expect("a small number");
        let limit = RateLimit::of(2);
        let mut limiter = Limiter::default();
        assert!(limiter.take("key", limit, at(0)).passes);
        assert_eq!(limiter.take("key", limit, at(50)).remaining, 0);
        let refused = limiter.take("key", limit, at(55));
        assert!(!refused.passes);
        assert_eq!(refused.reset_s, 60);
        assert!(!limiter.take("key", limit, at(61)).passes);
        assert!(limiter.take("other", limit, at(61)).passes);
        assert!(limiter.take("key", limit, at(115)).passes);
    }
}
