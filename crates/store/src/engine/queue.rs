//! Work on its way to a database's threads.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

use frontdesk_core::ports::StoreError;
use tokio::sync::oneshot;

use super::{Durability, Tx};

/// So much may wait: more means that the disk does not follow, and that saying so is better than memory
/// without bound.
const MOST_WAITING: usize = 8192;
/// So many share one commit.
const BATCH: usize = 256;
/// So long does a write that nobody waits for look out for others to share its commit with, from its own coming on.
const COMPANY: Duration = Duration::from_millis(5);

/// Why nothing came of a piece of work.
#[derive(Debug, thiserror::Error)]
enum QueueError {
    #[error("the store is closed")]
    Closed,
    #[error("{MOST_WAITING} visits wait for the store already")]
    Full,
    #[error("the store went away with the answer")]
    Lost,
    #[error("a visit to the store panicked")]
    Panicked,
    #[error("the commit that was shared with others failed: {0}")]
    Shared(String),
}

/// A piece of work that waits for a thread.
pub(crate) trait Work: Send {
    fn durability(&self) -> Durability;
    /// Whether it has more than one statement, and all of them have to see the same state.
    fn wants_one_state(&self) -> bool;
    /// Whether anybody still waits for it.
    fn is_wanted(&self) -> bool;

    /// Whether nobody waits for it from the beginning.
    fn is_deferred(&self) -> bool;
    /// Does it; `false` when nothing of it is to be kept.
    fn run(&mut self, tx: &mut Tx<'_>) -> bool;
    /// Whatever it answered, it came to nothing.
    fn fail(&mut self, error: StoreError);
    /// Tells whoever waits.
    fn answer(self: Box<Self>);
}

/// A closure with the place where its result goes.
pub(crate) struct Job<T, F> {
    work: F,
    durability: Durability,
    is_peek: bool,
    result: Option<Result<T, StoreError>>,
    to: To<T>,
}

enum To<T> {
    Waiting(oneshot::Sender<Result<T, StoreError>>),
    /// Only the log hears of a failure, under this name; the closure runs in any case.
    Log(&'static str, Box<dyn FnOnce() + Send>),
}

impl<T, F> Job<T, F> {
    pub(crate) fn awaited(durability: Durability, work: F, to: oneshot::Sender<Result<T, StoreError>>) -> Self {
        Self { work, durability, is_peek: false, result: None, to: To::Waiting(to) }
    }

    /// Statements that read, and need not see one state.
    pub(crate) fn peek(work: F, to: oneshot::Sender<Result<T, StoreError>>) -> Self {
        Self { is_peek: true, ..Self::awaited(Durability::Process, work, to) }
    }
}

impl<F> Job<(), F> {
    pub(crate) fn deferred(what: &'static str, work: F, then: Box<dyn FnOnce() + Send>) -> Self {
        Self { work, durability: Durability::Process, is_peek: false, result: None, to: To::Log(what, then) }
    }
}

impl<T, F> Work for Job<T, F>
where
    T: Send,
    F: Fn(&mut Tx<'_>) -> Result<T, StoreError> + Send,
{
    fn durability(&self) -> Durability {
        self.durability
    }

    fn wants_one_state(&self) -> bool {
        !self.is_peek
    }

    fn is_wanted(&self) -> bool {
        match &self.to {
            To::Waiting(to) => !to.is_closed(),
            To::Log(..) => true,
        }
    }

    fn is_deferred(&self) -> bool {
        matches!(self.to, To::Log(..))
    }

    fn run(&mut self, tx: &mut Tx<'_>) -> bool {
        let result = catch_unwind(AssertUnwindSafe(|| (self.work)(tx)))
            .unwrap_or_else(|_| Err(StoreError::Broken(Box::new(QueueError::Panicked))));
        let is_kept = result.is_ok() && tx.is_kept();
        self.result = Some(result);
        is_kept
    }

    fn fail(&mut self, error: StoreError) {
        self.result = Some(Err(error));
    }

    fn answer(self: Box<Self>) {
        let result = self.result.unwrap_or_else(|| Err(lost()));
        match self.to {
            // Whoever asked may have gone in the meantime.
            To::Waiting(to) => drop(to.send(result)),
            To::Log(what, then) => {
                then();
                if let Err(error) = result {
                    tracing::warn!(what, error = error.with_causes(), "a write that nobody waited for failed");
                }
            }
        }
    }
}

/// First in, first out.
#[derive(Default)]
pub(crate) struct Queue {
    inner: Mutex<Inner>,
    ready: Condvar,
}

#[derive(Default)]
struct Inner {
    waiting: VecDeque<Box<dyn Work>>,
    /// Threads that sleep until there is work.
    idle: usize,
    /// Whether a thread with a batch that nobody waits for sleeps until its time is over: it is woken for work that
    /// somebody waits for, not for company.
    lingers: bool,
    is_closed: bool,
}

impl Queue {
    pub(crate) fn push(&self, work: Box<dyn Work>) -> Result<(), StoreError> {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        if inner.is_closed {
            return Err(StoreError::Broken(Box::new(QueueError::Closed)));
        }
        if inner.waiting.len() >= MOST_WAITING {
            return Err(StoreError::Busy(Box::new(QueueError::Full)));
        }
        let hurries = inner.lingers && (!work.is_deferred() || inner.waiting.len() + 1 >= BATCH);
        inner.waiting.push_back(work);
        let is_to_wake = inner.idle > 0 || hurries;
        drop(inner);
        // Waking is a system call even where nobody sleeps.
        if is_to_wake {
            self.ready.notify_one();
        }
        Ok(())
    }

    /// Waits for work; `None` when the queue is closed and empty.
    pub(crate) fn take(&self) -> Option<Box<dyn Work>> {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if let Some(work) = inner.waiting.pop_front() {
                return Some(work);
            }
            if inner.is_closed {
                return None;
            }
            inner.idle += 1;
            inner = self.ready.wait(inner).unwrap_or_else(PoisonError::into_inner);
            inner.idle -= 1;
        }
    }

    /// Waits for work and takes what else is there, up to what may share one commit; empty when the queue
    /// is closed and empty. As long as nobody waits for any of it, it waits a little for company. For a queue of one
    /// thread.
    pub(crate) fn take_batch(&self) -> Vec<Box<dyn Work>> {
        let Some(first) = self.take() else { return Vec::new() };
        let mut batch = vec![first];
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        fill(&mut batch, &mut inner.waiting);
        if !inner.is_closed && batch.len() < BATCH && batch.iter().all(|work| work.is_deferred()) {
            inner.lingers = true;
            let most = BATCH - batch.len();
            let alone = |inner: &mut Inner| {
                !inner.is_closed && inner.waiting.len() < most && inner.waiting.iter().all(|work| work.is_deferred())
            };
            let waited = self.ready.wait_timeout_while(inner, COMPANY, alone);
            inner = waited.unwrap_or_else(PoisonError::into_inner).0;
            inner.lingers = false;
            fill(&mut batch, &mut inner.waiting);
        }
        batch
    }

    pub(crate) fn close(&self) {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner).is_closed = true;
        self.ready.notify_all();
    }
}

fn fill(batch: &mut Vec<Box<dyn Work>>, waiting: &mut VecDeque<Box<dyn Work>>) {
    let more = waiting.len().min(BATCH - batch.len());
    batch.extend(waiting.drain(..more));
}

pub(crate) fn lost() -> StoreError {
    StoreError::Broken(Box::new(QueueError::Lost))
}

/// What others hear whose commit failed together with the one that `error` is about.
pub(crate) fn shared(error: &StoreError) -> StoreError {
    let told = Box::new(QueueError::Shared(error.with_causes()));
    if matches!(error, StoreError::Busy(_)) { StoreError::Busy(told) } else { StoreError::Broken(told) }
}
