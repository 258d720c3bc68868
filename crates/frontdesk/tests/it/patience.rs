//! Real gateways live in real time: what the tests that start them know of it.

use std::time::Duration;

use tokio::time::{Instant, interval};

/// How long anything may take to happen on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

#[expect(clippy::disallowed_methods, reason = "real gateways live in real time")]
pub(crate) fn this_moment() -> Instant {
    Instant::now()
}

#[expect(clippy::disallowed_methods, reason = "a signature is of this moment")]
pub(crate) fn now_ms() -> i64 {
    jiff::Timestamp::now().as_millisecond()
}

/// Asks again and again until there is an answer.
pub(crate) async fn until<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let mut looks = interval(Duration::from_millis(10));
    let began = this_moment();
    loop {
        looks.tick().await;
        if let Some(found) = look().await {
            return found;
        }
        assert!(began.elapsed() < PATIENCE, "it never came to this: {what}");
    }
}

/// Asks again and again until it is so.
pub(crate) async fn until_so(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    until(what, async || is_so().await.then_some(())).await;
}
