//! A calendar with a memory for free times: what is young enough is answered at once, and those who
//! ask the same at the same time share one request.
//!
//! A request runs in a task of its own, so that the one who asked first may hang up without taking
//! the answer away from the others. It ends with the deadline it was begun under. Answers are kept,
//! errors are not. A composite's parts are asked for one by one before they get here, each under the key
//! of its own event type.

mod key;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use tokio::sync::watch;
use tracing::Instrument;

use frontdesk_core::calendar_news::Changes;
use frontdesk_core::clock::Clock;
use frontdesk_core::deadline::Deadline;
use frontdesk_core::meter;
use frontdesk_core::ports::{Calendar, CalendarBooking, CalendarError, Free, NewBooking, SlotAsk};
use frontdesk_core::protection::{Mode, Protection, Switches};
use frontdesk_core::slot::Starts;
use frontdesk_core::tenant::{Scope, Tenant};

use self::key::{Key, Question};

/// An answer to browsing that is older is renewed behind the one who asks.
const FRESH_FOR: SignedDuration = SignedDuration::from_secs(30);
/// How old an answer to browsing may be when the calendar gives none.
const STALE_FOR: SignedDuration = SignedDuration::from_mins(15);
/// More answers than this are not kept.
const MOST_ANSWERS: usize = 10_000;
/// More starts than this, over all answers, are not kept: 16 MB.
const MOST_STARTS: usize = 1_000_000;

/// A calendar whose free times are remembered per tenant; everything else is passed through.
pub struct Cached {
    inner: Arc<dyn Calendar>,
    clock: Arc<dyn Clock>,
    switches: Arc<Switches>,
    memory: Arc<Mutex<Memory>>,
}

type Answer = Result<Arc<[Timestamp]>, CalendarError>;

#[derive(Default)]
struct Memory {
    answers: HashMap<Key, Remembered>,
    flights: HashMap<Key, Flight>,
    starts: usize,
    begun: u64,
}

struct Remembered {
    starts: Arc<[Timestamp]>,
    said_at: Timestamp,
}

/// A request under way.
#[derive(Clone)]
struct Flight {
    number: u64,
    deadline: Deadline,
    browsing: bool,
    landed: watch::Receiver<Option<Answer>>,
}

/// Takes a flight off the list however it ends; one that was called off has been replaced or removed.
struct Landing {
    memory: Arc<Mutex<Memory>>,
    key: Key,
    number: u64,
}

/// Forgets a tenant when a change to its calendar ends, also when nobody waits for that end any more.
struct ForgetAfter<'a> {
    cache: &'a Cached,
    scope: Scope<'a>,
}

// === impl Cached ===

impl Cached {
    /// A memory over `inner`, empty.
    pub fn over(inner: Arc<dyn Calendar>, clock: Arc<dyn Clock>, switches: Arc<Switches>) -> Self {
        Self { inner, clock, switches, memory: Arc::default() }
    }

    /// Drops the tenant's answers. Requests under way still answer those who wait for them, but what
    /// they bring is not kept and nobody else joins them: it may be from before the change.
    pub fn forget(&self, scope: Scope<'_>) {
        let mut memory = lock(&self.memory);
        memory.answers.retain(|key, _| !key.is_of(scope));
        memory.flights.retain(|key, _| !key.is_of(scope));
        memory.recount();
    }

    fn recall(&self, key: &Key, ask: &SlotAsk<'_>, max_age: SignedDuration) -> Option<Free> {
        if max_age <= SignedDuration::ZERO {
            return None;
        }
        let now = self.clock.now();
        let memory = lock(&self.memory);
        let answer = memory.answers.get(key)?;
        let age = now.duration_since(answer.said_at);
        // A clock that was set back makes an answer from the future; its age is not known.
        let usable = !age.is_negative() && age <= max_age;
        usable.then(|| Free { starts: Starts::within(&answer.starts, ask.from, ask.to), age })
    }

    /// What the calendar says now, asked once for all who ask the same.
    async fn fetch(&self, tenant: &Tenant, ask: &SlotAsk<'_>, key: &Key, deadline: Deadline) -> Result<Free, CalendarError> {
        loop {
            let mut flight = self.board(tenant, ask, key, deadline);
            let landed = tokio::time::timeout_at(deadline.instant(), flight.landed.wait_for(Option::is_some)).await;
            let answer = match landed {
                Ok(Ok(answer)) => answer.clone(),
                Ok(Err(_)) => Some(Err(unavailable("the request for free times broke off"))),
                Err(_) => Some(Err(unavailable("no answer in time"))),
            };
            match answer {
                Some(Ok(starts)) => {
                    return Ok(Free { starts: Starts::within(&starts, ask.from, ask.to), age: SignedDuration::ZERO });
                }
                // Somebody less patient began that request; the patience that is left here is used.
                Some(Err(CalendarError::Unavailable { .. }))
                    if flight.deadline < deadline && flight.deadline.has_passed() && !deadline.has_passed() => {}
                Some(Err(error)) => return Err(error),
                None => return Err(unavailable("no answer in time")),
            }
        }
    }

    /// Joins the request for `key` that is under way, or begins one.
    fn board(&self, tenant: &Tenant, ask: &SlotAsk<'_>, key: &Key, deadline: Deadline) -> Flight {
        let mut memory = lock(&self.memory);
        // What was asked for browsing may be refused where a caller's question is not.
        if let Some(flight) = memory.flights.get(key).filter(|flight| ask.browsing || !flight.browsing) {
            return flight.clone();
        }
        memory.begun += 1;
        let (land, landed) = watch::channel(None);
        let flight = Flight { number: memory.begun, deadline, browsing: ask.browsing, landed };
        memory.flights.insert(key.clone(), flight.clone());
        drop(memory);

        let landing = Landing { memory: Arc::clone(&self.memory), key: key.clone(), number: flight.number };
        let (inner, clock) = (Arc::clone(&self.inner), Arc::clone(&self.clock));
        let (tenant, service, line) = (tenant.clone(), ask.service.clone(), ask.line.clone());
        let replaces = ask.replaces.map(str::to_owned);
        let browsing = ask.browsing;
        let (from, to) = key.window();
        let fetch = async move {
            let whole_days = SlotAsk {
                service: &service,
                line: &line,
                from,
                to,
                replaces: replaces.as_deref(),
                part_uids: &[],
                max_age: SignedDuration::ZERO,
                also: None,
                browsing,
            };
            let answer: Answer = inner.slots(&tenant, &whole_days, deadline).await.map(|free| free.starts.shared());
            landing.land(&answer, clock.now());
            // The receivers may all be gone; the answer is kept for whoever asks next.
            let _ = land.send(Some(answer));
        };
        detach(meter::carried(fetch).in_current_span());
        flight
    }
}

/// Runs a fetch that must not end with the request that began it: others wait for it too.
#[expect(
    clippy::disallowed_methods,
    reason = "a fetch ends by its own deadline, and nobody's hanging up may end it for the others"
)]
fn detach(fetch: impl Future<Output = ()> + Send + 'static) {
    tokio::spawn(fetch);
}

#[async_trait]
impl Calendar for Cached {
    async fn slots(&self, tenant: &Tenant, ask: &SlotAsk<'_>, deadline: Deadline) -> Result<Free, CalendarError> {
        let Some(question) = Question::of(tenant, ask) else {
            return self.inner.slots(tenant, ask, deadline).await;
        };
        let key = Key::slots(tenant.scope(), question);
        let mode = self.switches.mode(Protection::CacheIsolation, Some(&tenant.slug), self.clock.now());
        if mode == Mode::Off {
            return self.inner.slots(tenant, ask, deadline).await;
        }
        let known = self.recall(&key, ask, ask.max_age);
        self.switches.count(Protection::CacheIsolation, known.is_some(), mode);
        meter::note(|meter| meter.decision("cache", if known.is_some() { "hit" } else { "miss" }));
        match known {
            Some(free) if mode == Mode::On => {
                if ask.browsing && free.age > FRESH_FOR {
                    // The next one gets a younger answer; this one does not wait for it.
                    let _ = self.board(tenant, ask, &key, deadline);
                }
                return Ok(free);
            }
            Some(_) => return self.inner.slots(tenant, ask, deadline).await,
            None => {}
        }
        match self.fetch(tenant, ask, &key, deadline).await {
            // Where nothing is promised, an old answer is better than none.
            Err(error) if ask.browsing && mode == Mode::On => self.recall(&key, ask, STALE_FOR).ok_or(error),
            answer => answer,
        }
    }

    async fn create(&self, tenant: &Tenant, new: &NewBooking, deadline: Deadline) -> Result<CalendarBooking, CalendarError> {
        let _forget = ForgetAfter { cache: self, scope: tenant.scope() };
        self.inner.create(tenant, new, deadline).await
    }

    async fn find(
        &self,
        tenant: &Tenant,
        wanted: &NewBooking,
        deadline: Deadline,
    ) -> Result<Option<CalendarBooking>, CalendarError> {
        self.inner.find(tenant, wanted, deadline).await
    }

    async fn get(&self, tenant: &Tenant, uid: &str, deadline: Deadline) -> Result<Option<CalendarBooking>, CalendarError> {
        self.inner.get(tenant, uid, deadline).await
    }

    async fn reschedule(
        &self,
        tenant: &Tenant,
        uid: &str,
        start: Timestamp,
        reason: &str,
        deadline: Deadline,
    ) -> Result<CalendarBooking, CalendarError> {
        let _forget = ForgetAfter { cache: self, scope: tenant.scope() };
        self.inner.reschedule(tenant, uid, start, reason, deadline).await
    }

    async fn cancel(&self, tenant: &Tenant, uid: &str, reason: &str, deadline: Deadline) -> Result<(), CalendarError> {
        let _forget = ForgetAfter { cache: self, scope: tenant.scope() };
        self.inner.cancel(tenant, uid, reason, deadline).await
    }

    async fn changes(&self, tenant: &Tenant, since: Timestamp, deadline: Deadline) -> Result<Changes, CalendarError> {
        self.inner.changes(tenant, since, deadline).await
    }
}

// === impl Memory ===

impl Memory {
    fn keep(&mut self, key: Key, starts: Arc<[Timestamp]>, said_at: Timestamp) {
        if starts.len() > MOST_STARTS {
            return;
        }
        self.starts += starts.len();
        if let Some(replaced) = self.answers.insert(key, Remembered { starts, said_at }) {
            self.starts -= replaced.starts.len();
        }
        if self.answers.len() > MOST_ANSWERS || self.starts > MOST_STARTS {
            self.drop_the_older_half();
        }
    }

    /// Half at once, so that a full memory does not sort itself at every answer.
    fn drop_the_older_half(&mut self) {
        let mut ages: Vec<Timestamp> = self.answers.values().map(|answer| answer.said_at).collect();
        let middle = ages.len() / 2;
        let (_, median, _) = ages.select_nth_unstable(middle);
        let median = *median;
        self.answers.retain(|_, answer| answer.said_at > median);
        self.recount();
    }

    fn recount(&mut self) {
        self.starts = self.answers.values().map(|answer| answer.starts.len()).sum();
    }
}

// === impl Landing ===

impl Landing {
    fn land(self, answer: &Answer, now: Timestamp) {
        let mut memory = lock(&self.memory);
        let current = memory.flights.get(&self.key).is_some_and(|flight| flight.number == self.number);
        if let (true, Ok(starts)) = (current, answer) {
            memory.keep(self.key.clone(), Arc::clone(starts), now);
        }
        // Dropping `self` takes the flight off the list before anybody hears the answer.
        drop(memory);
    }
}

impl Drop for Landing {
    fn drop(&mut self) {
        let mut memory = lock(&self.memory);
        if memory.flights.get(&self.key).is_some_and(|flight| flight.number == self.number) {
            memory.flights.remove(&self.key);
        }
    }
}

// === impl ForgetAfter ===

impl Drop for ForgetAfter<'_> {
    fn drop(&mut self) {
        self.cache.forget(self.scope);
    }
}

fn lock(memory: &Mutex<Memory>) -> MutexGuard<'_, Memory> {
    memory.lock().unwrap_or_else(PoisonError::into_inner)
}

fn unavailable(detail: &str) -> CalendarError {
    CalendarError::Unavailable { detail: detail.to_owned() }
}
