//! Parts in microseconds, without a gateway around them.

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use frontdesk_core::breaker::{Ending, Rules};
use frontdesk_core::clock::ManualClock;
use frontdesk_core::redact::{Depth, Redactor};
use frontdesk_core::sensitive::Secret;
use frontdesk_core::shared::{Bucket, MemoryState, SharedState as _};
use frontdesk_core::speech::when::{WhenText, understand};
use frontdesk_core::tenant::Language;
use jiff::Timestamp;
use jiff::civil::date;
use jiff::tz::TimeZone;
use serde_json::json;

use crate::load::{KEY, envelope, now, say};

pub(crate) fn micros(name: &str, rounds: u32, mut work: impl FnMut()) {
    for _ in 0..rounds / 10 {
        work();
    }
    let began = now();
    for _ in 0..rounds {
        work();
    }
    say(&format!("{name:<44} {:>9.2} us", began.elapsed().as_secs_f64() * 1e6 / f64::from(rounds)));
}

pub(crate) fn parts() {
    let body =
        envelope("c1", "t1", "check_availability", &json!({"service": "Herrenhaarschnitt", "date": "morgen", "time": "14 Uhr"}));
    let key = Secret::new(KEY);
    let at = Timestamp::from_second(1_800_000_000).expect("in range");
    let header = frontdesk_http::sign(&key, body.as_bytes(), at.as_millisecond());
    micros("signature of a function call", 50_000, || {
        assert!(frontdesk_http::verify(black_box(&header), body.as_bytes(), [&key], at));
    });
    let large = body.replace("\"to_number\"", &format!("\"transcript\":\"{}\",\"to_number\"", "x".repeat(200_000)));
    let large_header = frontdesk_http::sign(&key, large.as_bytes(), at.as_millisecond());
    micros("signature with a transcript of 200 kB", 2_000, || {
        assert!(frontdesk_http::verify(black_box(&large_header), large.as_bytes(), [&key], at));
    });
    let zone = TimeZone::get("Europe/Berlin").expect("bundled");
    let today = date(2026, 3, 12).at(10, 0, 0, 0).to_zoned_datetime(zone).expect("exists");
    for (day, time) in
        [("2026-03-13", "14:00"), ("nächste Woche Dienstag", "halb drei"), ("Freitag, den 13. März", "viertel nach neun")]
    {
        micros(&format!("understanding {day}, {time}"), 20_000, || {
            let text = WhenText { date: Some(day), time: Some(time), words: None };
            black_box(understand(&text, &today, Language::De).is_ok());
        });
    }
}

/// The decisions of the protections, and redaction beside ten expressions in sequence.
pub(crate) fn protections() {
    let clock = Arc::new(ManualClock::new(Timestamp::from_second(1_800_000_000).expect("in range")));
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let state = MemoryState::new(clock.clone());
    let rules =
        Rules { failure_threshold: 5, recovery: 60_000_000, success_threshold: 2, trials: 2, trial_lease: 1, bad_percent: 0 };
    let buckets = ["rate_limit:salon:availability", "rate_limit:salon:call:c1"].map(|key| Bucket {
        key: key.to_owned(),
        limit: u32::MAX,
        span: 60_000_000,
    });
    runtime.block_on(async {
        let rounds = 200_000;
        let began = now();
        for _ in 0..rounds {
            black_box(state.admit(&buckets, true).await);
        }
        per_call("two buckets asked at once, in memory", began, rounds);
        let began = now();
        for _ in 0..rounds {
            let (_, _) = black_box(state.enter("acct_1", &rules).await);
            black_box(state.exit("acct_1", &rules, false, Ending::Answered).await);
        }
        per_call("a breaker around a call, in memory", began, rounds);
    });
    let redactor = Redactor::new(b"bench");
    let clean = "availability served for the salon in 12 ms, three starts were offered and one of them is held until five past ten, nothing else happened here and nobody was told about it twice";
    let dirty = "call +4915123456789 or anna.schmidt@example.org with cal_live_0a1b2c3d4e5f, IBAN DE89 3704 0044 0532 0130 00, card 4111 1111 1111 1111, Bearer abc123def456ghi789 and password=hunter2";
    let expressions: Vec<regex::Regex> = [
        r"(?i)bearer\s+[a-z0-9._~+/-]+=*",
        r"\b[0-9a-fA-F]{32,}\b",
        r"[A-Za-z0-9._%+-]+@[A-Za-z0-9.-]+\.[A-Za-z]{2,}",
        r"(\+\d{1,3}[ -]?)?\(?\d{2,4}\)?[ -]?\d{3,4}[ -]?\d{3,4}",
        r"\b(?:cal|key|fd|sk)_[A-Za-z0-9_]{8,}\b",
        r"\b(?:\d[ -]?){13,19}\b",
        r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){3,7}\b",
        r"(?i)password\s*=\s*\S+",
        r"(?i)cookie:\s*.+",
        r"://[^/@\s]+:[^/@\s]+@",
    ]
    .iter()
    .map(|text| regex::Regex::new(text).expect("an expression"))
    .collect();
    for (name, line) in [("clean", clean), ("dirty", dirty)] {
        let rounds = 20_000;
        let began = now();
        for _ in 0..rounds {
            black_box(redactor.text(black_box(line), Depth::Everything));
        }
        let ours = began.elapsed();
        let began = now();
        for _ in 0..rounds {
            let mut text = std::borrow::Cow::Borrowed(black_box(line));
            for expression in &expressions {
                text = std::borrow::Cow::Owned(expression.replace_all(&text, "[REDACTED]").into_owned());
            }
            black_box(text);
        }
        let theirs = began.elapsed();
        let speed = |took: Duration| line.len() as f64 * f64::from(rounds) / took.as_secs_f64() / 1e6;
        say(&format!(
            "redaction of a {name} line{:>22.0} MB/s; ten expressions in sequence {:.0} MB/s",
            speed(ours),
            speed(theirs)
        ));
    }
}

pub(crate) fn per_call(name: &str, began: Instant, rounds: u32) {
    say(&format!("{name:<44} {:>9.0} ns", began.elapsed().as_secs_f64() * 1e9 / f64::from(rounds)));
}
