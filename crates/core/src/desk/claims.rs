//! Was it asked before? A repeat of a tool call gets the first answer, also while it is being found.
//!
//! Kept in memory: what must survive a crash is the effect itself, and the diary knows that. A repeat
//! that reaches another process finds the appointment there and is answered from it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};

use jiff::{SignedDuration, Timestamp};
use ring::digest::{Context, SHA256};
use tokio::sync::watch;

use super::Visit;
use super::command::{Command, Repeats};
use crate::ids::CallId;
use crate::outcome::Outcome;

/// A repeat without a tool call id counts as the platform's retry this long after the first answer.
const RETRY_WINDOW: SignedDuration = SignedDuration::from_secs(5);
/// Answers to identified tool calls are kept this long; platforms retry within seconds.
const KEPT: SignedDuration = SignedDuration::from_mins(5);
/// Above this many entries, old ones are swept out before another is added. With a few more the table would double.
const SWEEP_ABOVE: usize = 3500;

/// Tenant, call, tool call and fingerprint as a digest: thousands of them are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Key([u8; 16]);

impl Key {
    fn of(visit: &Visit, fingerprint: &str) -> Self {
        let call = visit.call.id.as_ref().map_or("", CallId::as_str);
        let (named, tool_call) = visit.tool_call.as_deref().map_or(("", ""), |id| ("named", id));
        let mut whole = Context::new(&SHA256);
        for part in [visit.tenant.slug.as_str(), call, named, tool_call, fingerprint] {
            // With its length before it no part runs into the next.
            whole.update(&part.len().to_le_bytes());
            whole.update(part.as_bytes());
        }
        let mut key = [0; 16];
        key.copy_from_slice(&whole.finish().as_ref()[..16]);
        Self(key)
    }
}

struct Entry {
    answer: Answer,
    /// Whether the platform names its tool calls.
    is_identified: bool,
    done_at: Option<Timestamp>,
}

/// What is kept for minutes is the answer alone, not what it takes to wait for it.
#[derive(Clone)]
enum Answer {
    Coming(watch::Receiver<Option<Outcome>>),
    Given(Arc<Outcome>),
}

/// The requests that run or ran a moment ago.
#[derive(Default)]
pub(super) struct InFlight(Mutex<HashMap<Key, Entry>>);

/// Whether a request is the first of its kind.
pub(super) enum Claim {
    /// Do it, and say how it ended.
    First(Ticket),
    /// It was asked before.
    Repeat(Running),
}

/// The duty to answer.
pub(super) struct Ticket {
    claims: Arc<InFlight>,
    key: Option<Key>,
    keep: bool,
    answer: watch::Sender<Option<Outcome>>,
}

/// The first one's answer, which is there or will be.
pub(super) struct Running(Answer);

impl InFlight {
    pub(super) fn claim(self: &Arc<Self>, visit: &Visit, command: &Command, fingerprint: &str, now: Timestamp) -> Claim {
        let (sender, receiver) = watch::channel(None);
        // Without a call nobody knows whether two equal questions come from one person.
        let shareable = visit.call.id.is_some() || command.writes();
        if !shareable {
            return Claim::First(Ticket { claims: Arc::clone(self), key: None, keep: false, answer: sender });
        }
        let key = Key::of(visit, fingerprint);
        let mut entries = self.entries();
        if let Some(entry) = entries.get(&key)
            && entry.still_answers(now)
        {
            return Claim::Repeat(Running(entry.answer.clone()));
        }
        if entries.len() >= SWEEP_ABOVE {
            sweep(&mut entries, now);
        }
        let is_identified = visit.tool_call.is_some();
        entries.insert(key, Entry { answer: Answer::Coming(receiver), is_identified, done_at: None });
        let keep = command.repeats() == Repeats::Replay;
        Claim::First(Ticket { claims: Arc::clone(self), key: Some(key), keep, answer: sender })
    }

    fn entries(&self) -> MutexGuard<'_, HashMap<Key, Entry>> {
        self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

/// Drops what answers nobody any more, and of the rest the older half of what is done: under such a
/// load an early retry is worth more than a late one.
fn sweep(entries: &mut HashMap<Key, Entry>, now: Timestamp) {
    entries.retain(|_, entry| entry.still_answers(now));
    if entries.len() < SWEEP_ABOVE {
        return;
    }
    let mut done: Vec<Timestamp> = entries.values().filter_map(|entry| entry.done_at).collect();
    done.sort_unstable();
    if let Some(middle) = done.get(done.len() / 2).copied() {
        entries.retain(|_, entry| entry.done_at.is_none_or(|at| at > middle));
    }
}

impl Entry {
    fn still_answers(&self, now: Timestamp) -> bool {
        match (&self.answer, self.done_at) {
            (_, Some(at)) => now - at <= if self.is_identified { KEPT } else { RETRY_WINDOW },
            // The sender is gone without an answer when its task died.
            (Answer::Coming(answer), None) => answer.has_changed().is_ok(),
            (Answer::Given(_), None) => true,
        }
    }
}

impl Ticket {
    pub(super) fn done(mut self, outcome: &Outcome, now: Timestamp) {
        if let Some(key) = self.key.take() {
            let mut entries = self.claims.entries();
            if self.keep {
                if let Some(entry) = entries.get_mut(&key) {
                    entry.answer = Answer::Given(Arc::new(outcome.clone()));
                    entry.done_at = Some(now);
                }
            } else {
                entries.remove(&key);
            }
        }
        self.tell(outcome);
    }

    /// It was not done, and whoever waits hears why; the next repeat is decided afresh.
    pub(super) fn give_back(mut self, outcome: &Outcome) {
        if let Some(key) = self.key.take() {
            self.claims.entries().remove(&key);
        }
        self.tell(outcome);
    }

    fn tell(&self, outcome: &Outcome) {
        // Nearly always nobody asked twice.
        if self.answer.receiver_count() > 0 {
            self.answer.send_replace(Some(outcome.clone()));
        }
    }
}

impl Drop for Ticket {
    /// A task that died gives its key free, so that the next repeat is served.
    fn drop(&mut self) {
        if let Some(key) = self.key.take() {
            self.claims.entries().remove(&key);
        }
    }
}

impl Running {
    /// The answer; `None` when the task that was to give it died.
    pub(super) async fn outcome(&mut self) -> Option<Outcome> {
        match &mut self.0 {
            Answer::Coming(answer) => answer.wait_for(Option::is_some).await.ok().and_then(|answer| answer.clone()),
            Answer::Given(outcome) => Some(Outcome::clone(outcome)),
        }
    }
}
