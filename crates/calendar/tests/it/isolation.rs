//! A hundred tenants with the same event type and the same questions: nobody ever gets what was said to
//! another, however askings, changes and hangings-up mix.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use frontdesk_calendar::Cached;
use frontdesk_core::deadline::Deadline;
use frontdesk_core::ports::{Calendar, CalendarBooking, CalendarError, Free, NewBooking, SlotAsk};
use frontdesk_core::tenant::Tenant;
use futures_util::FutureExt as _;
use jiff::{SignedDuration, Timestamp};

use crate::people::{ask, at, clock, cut, line, on_calcom};

const TENANTS: usize = 100;

/// Says to each tenant a start that is only its own: the second is the tenant's number.
#[derive(Default)]
struct Telling {
    asked: AtomicUsize,
}

fn own_start(number: usize) -> Timestamp {
    at("2030-01-07T09:00:00Z") + SignedDuration::from_secs(i64::try_from(number).expect("small"))
}

#[async_trait]
impl Calendar for Telling {
    async fn slots(&self, tenant: &Tenant, _: &SlotAsk<'_>, _: Deadline) -> Result<Free, CalendarError> {
        // Others run in between, so that requests overlap and are given up in the middle.
        for _ in 0..self.asked.fetch_add(1, Ordering::Relaxed) % 4 {
            tokio::task::yield_now().await;
        }
        let number: usize = tenant.slug.as_str().trim_start_matches('t').parse().expect("a number");
        Ok(Free { starts: vec![own_start(number)].into(), age: SignedDuration::ZERO })
    }

    async fn create(&self, _: &Tenant, _: &NewBooking, _: Deadline) -> Result<CalendarBooking, CalendarError> {
        Err(CalendarError::Unavailable { detail: "not here".into() })
    }

    async fn find(&self, _: &Tenant, _: &NewBooking, _: Deadline) -> Result<Option<CalendarBooking>, CalendarError> {
        Ok(None)
    }

    async fn get(&self, _: &Tenant, _: &str, _: Deadline) -> Result<Option<CalendarBooking>, CalendarError> {
        Ok(None)
    }

    async fn reschedule(
        &self,
        _: &Tenant,
        _: &str,
        _: Timestamp,
        _: &str,
        _: Deadline,
    ) -> Result<CalendarBooking, CalendarError> {
        Err(CalendarError::Unavailable { detail: "not here".into() })
    }

    async fn cancel(&self, _: &Tenant, _: &str, _: &str, _: Deadline) -> Result<(), CalendarError> {
        Ok(())
    }
}

/// How many operations: `FRONTDESK_EVENTS`, for the long run; else as many as a test may take.
#[expect(clippy::disallowed_methods, reason = "how long a test runs is up to who starts it")]
fn operations() -> u64 {
    std::env::var("FRONTDESK_EVENTS").ok().and_then(|number| number.parse().ok()).unwrap_or(50_000)
}

#[tokio::test]
async fn no_tenant_ever_sees_what_was_said_to_another() {
    let (telling, clock) = (Arc::new(Telling::default()), clock());
    let cached = Cached::over(telling.clone(), clock.clone(), Arc::default());
    let tenants: Vec<Tenant> = (0..TENANTS).map(|number| on_calcom(&format!("t{number}"), "http://127.0.0.1:9")).collect();
    let (service, line) = (cut(), line(None, Some(4711)));
    let mut seed = 42u64;
    let mut below = |end: u64| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from((seed >> 33) % end).expect("small")
    };
    let (mut answered, mut given_up) = (0u64, 0u64);
    for operation in 0..operations() {
        let number = below(TENANTS as u64);
        let tenant = &tenants[number];
        match below(20) {
            0 => cached.forget(tenant.scope()),
            1 => clock.advance(SignedDuration::from_secs(7)),
            what => {
                let mut ask = ask(&service, &line, "2030-01-07T08:00:00Z", "2030-01-07T11:00:00Z");
                ask.max_age = SignedDuration::from_secs([0, 10, 300][what % 3]);
                ask.browsing = what % 2 == 0;
                let asking = cached.slots(tenant, &ask, Deadline::within(Duration::from_secs(60)));
                // A third hang up: at once, or after others had their turn.
                let free = match what % 3 {
                    0 => {
                        let mut asking = Box::pin(asking);
                        let mut free = asking.as_mut().now_or_never();
                        for _ in 0..below(3) {
                            if free.is_none() {
                                tokio::task::yield_now().await;
                                free = asking.as_mut().now_or_never();
                            }
                        }
                        free
                    }
                    _ => Some(asking.await),
                };
                match free {
                    Some(free) => {
                        answered += 1;
                        assert_eq!(*free.expect("slots").starts, [own_start(number)], "operation {operation}");
                    }
                    None => given_up += 1,
                }
            }
        }
    }
    let asked = telling.asked.load(Ordering::Relaxed);
    assert!(answered > operations() / 2 && given_up > operations() / 100, "{answered} answered, {given_up} given up");
    assert!((asked as u64) < answered, "{asked} asked for {answered} answers");
}
