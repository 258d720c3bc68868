//! A Cal.com that runs here: stateful, as strict as the real one where that is known, with faults on
//! request. It remembers what it was asked, and every way in which a request broke the contract.

mod bookings;
mod check;
mod config;
mod fault;
mod limiter;
mod listing;
mod refusal;
mod routes;
mod server;
mod slots;
mod state;
mod webhooks;

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

pub use config::{
    BookingField, Config, EventType, Host, Key, MONDAY_TO_SATURDAY, Override, Quirks, RateLimit, Schedule, Scheduling, Sees,
    Span, Team,
};
pub use fault::{ErrorAnswer, Fault, FaultKind, Route};
pub use refusal::ErrorShape;
pub use state::{Attendee, Booking, Logged, Status};
pub use webhooks::sign_webhook;

use state::State;

/// The running simulation. It ends when it is dropped.
pub struct SimulatedCalCom {
    shared: Arc<Shared>,
    address: SocketAddr,
    listening: Mutex<Option<JoinHandle<()>>>,
}

/// What the connections share.
pub(crate) struct Shared {
    state: Mutex<State>,
}

impl Shared {
    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl SimulatedCalCom {
    /// Listens on loopback. Panics when the configuration contradicts itself or the port is taken:
    /// a test cannot go on then.
    pub async fn start(config: Config) -> Self {
        if let Some(flaw) = config.flaw() {
            panic!("the simulated calendar cannot be: {flaw}");
        }
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, config.port)).await.expect("a free port on loopback");
        let address = listener.local_addr().expect("a listener has an address");
        let shared = Arc::new(Shared { state: Mutex::new(State::new(config)) });
        let listening = Mutex::new(Some(server::listen(listener, Arc::clone(&shared))));
        Self { shared, address, listening }
    }

    /// `http://127.0.0.1:PORT`.
    pub fn base_url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Makes something go wrong.
    pub fn fault(&self, fault: Fault) {
        self.shared.state().faults.add(fault);
    }

    /// Nothing goes wrong any more.
    pub fn clear_faults(&self) {
        self.shared.state().faults.clear();
    }

    /// How many faults still wait for their request.
    pub fn faults_waiting(&self) -> usize {
        self.shared.state().faults.waiting()
    }

    /// All bookings ever made, oldest first.
    pub fn bookings(&self) -> Vec<Booking> {
        self.shared.state().bookings.clone()
    }

    /// Every request so far, oldest first.
    pub fn requests(&self) -> Vec<Logged> {
        self.shared.state().requests.clone()
    }

    /// What the client did that the contract forbids.
    pub fn violations(&self) -> Vec<String> {
        self.shared.state().violations.clone()
    }

    /// Where the simulation's own answers differ from the document of the real one.
    pub fn own_violations(&self) -> Vec<String> {
        self.shared.state().own_violations.clone()
    }

    /// Something else in the host's calendar, such as a private appointment.
    pub fn add_busy(&self, host: u64, from: Timestamp, to: Timestamp) {
        self.shared.state().busy.push((host, from, to));
    }

    /// Changes the standing of a booking behind the client's back, as people do in the web page.
    pub fn set_status(&self, uid: &str, status: Status) {
        let mut state = self.shared.state();
        let now = state.now();
        if let Some(booking) = state.bookings.iter_mut().find(|booking| booking.uid == uid) {
            booking.status = status;
            booking.sequence += 1;
            booking.updated_at = Some(now);
        }
        let trigger = match status {
            Status::Accepted => "BOOKING_CREATED",
            Status::Pending => "BOOKING_REQUESTED",
            Status::Cancelled => "BOOKING_CANCELLED",
            Status::Rejected => "BOOKING_REJECTED",
        };
        state.tell_of(uid, trigger);
    }

    /// Shows a booking as it is not, or not yet, or no more: without a word and without a time of the change but
    /// the one given.
    pub fn pretend(&self, uid: &str, status: Status, updated_at: Option<Timestamp>) {
        if let Some(booking) = self.shared.state().booking_mut(uid) {
            (booking.status, booking.updated_at) = (status, updated_at);
        }
    }

    /// The webhooks that the real one would have sent since this was asked last, oldest first.
    pub fn take_webhooks(&self) -> Vec<serde_json::Value> {
        std::mem::take(&mut self.shared.state().told)
    }

    /// Books in the web page, behind the client's back; gives the uid.
    pub fn book_in_the_page(&self, event_type: u64, start: Timestamp, name: &str, phone: Option<&str>) -> String {
        self.shared.state().book_in_the_page(event_type, start, name, phone)
    }

    /// Moves a booking as the web page does: a new booking, and the old one cancelled; gives the new uid.
    pub fn move_in_the_page(&self, uid: &str, start: Timestamp) -> String {
        self.shared.state().move_in_the_page(uid, start)
    }

    /// Moves a booking behind the client's back.
    pub fn set_start(&self, uid: &str, start: Timestamp) {
        let mut state = self.shared.state();
        let now = state.now();
        if let Some(booking) = state.bookings.iter_mut().find(|booking| booking.uid == uid) {
            booking.updated_at = Some(now);
            booking.end = start + (booking.end - booking.start);
            booking.start = start;
        }
    }

    /// Refuses connections and breaks the open ones; what was begun is still carried out.
    pub async fn down(&self) {
        let listening = self.listening.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(listening) = listening {
            listening.abort();
            let _ = listening.await;
        }
    }

    /// Listens again on the same port, with the same state.
    pub async fn up(&self) {
        self.down().await;
        let listener = TcpListener::bind(self.address).await.expect("the port that it had");
        let listening = server::listen(listener, Arc::clone(&self.shared));
        *self.listening.lock().unwrap_or_else(PoisonError::into_inner) = Some(listening);
    }
}

impl Drop for SimulatedCalCom {
    fn drop(&mut self) {
        if let Some(listening) = self.listening.lock().unwrap_or_else(PoisonError::into_inner).take() {
            listening.abort();
        }
    }
}
