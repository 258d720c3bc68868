//! Every exchange with a calendar, redacted here and nowhere later, kept under the request that caused it.
//!
//! Nobody on the phone waits for it: exchanges are queued and written together, several times a second. A
//! queue that runs over drops the oldest and says how many.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use frontdesk_core::ports::{Exchange, Journal, StoreError, Told};
use frontdesk_core::redact::{Depth, Redactor};
use frontdesk_store::Store;

/// Exchanges in the queue at most.
const MOST: usize = 2000;
/// What is kept of one answer, bytes; a whole error page of an upstream proxy fits.
const MOST_BYTES: usize = 256 * 1024;

/// Writes exchanges down.
pub(crate) struct StoredJournal {
    store: Store,
    redactor: Arc<Redactor>,
    queue: Mutex<Queue>,
}

#[derive(Default)]
struct Queue {
    waiting: VecDeque<Exchange>,
    dropped: u64,
}

impl StoredJournal {
    pub(crate) fn new(store: Store, redactor: Arc<Redactor>) -> Self {
        Self { store, redactor, queue: Mutex::default() }
    }

    /// Writes what waits.
    pub(crate) async fn write(&self) -> Result<(), StoreError> {
        let (waiting, dropped) = {
            let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
            (std::mem::take(&mut queue.waiting), std::mem::take(&mut queue.dropped))
        };
        if dropped > 0 {
            tracing::warn!(channel = "calcom", dropped, "exchanges with calendars were not written down: too many at once");
        }
        if waiting.is_empty() {
            return Ok(());
        }
        let (first, rest) = waiting.as_slices();
        self.store.keep_exchanges(&[first, rest].concat()).await
    }
}

/// As text, cut between two characters.
fn whole(body: &[u8]) -> String {
    let mut text = String::from_utf8_lossy(body).into_owned();
    if text.len() > MOST_BYTES {
        let cut = (0..=MOST_BYTES).rev().find(|index| text.is_char_boundary(*index)).unwrap_or(0);
        text.truncate(cut);
    }
    text
}

impl Journal for StoredJournal {
    fn keep(&self, told: Told<'_>) {
        let is_good = told.status.is_some_and(|status| status < 300);
        let (sent, mut received) = if told.is_plain && is_good {
            (String::new(), String::new())
        } else {
            self.redactor.exchange(&whole(told.sent), &whole(told.received), Depth::Everything)
        };
        if told.is_plain && is_good {
            // Free times are many and nobody's: how many bytes they were is enough.
            received = format!("({} bytes)", told.received.len());
        }
        let exchange = Exchange {
            tenant: told.tenant.clone(),
            request: told.request,
            account: told.account.to_owned(),
            method: told.method.to_owned(),
            route: told.route.to_owned(),
            status: told.status,
            trouble: told.trouble.map(str::to_owned),
            took_ms: u64::try_from(told.took.as_millis()).unwrap_or(u64::MAX),
            sent,
            received,
            at: told.at,
        };
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        if queue.waiting.len() >= MOST {
            queue.waiting.pop_front();
            queue.dropped += 1;
        }
        queue.waiting.push_back(exchange);
    }
}
