//! Whether what callers heard is true, here and upstream, once all is settled.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use frontdesk::wiring;
use frontdesk_core::booking::{Appointment, AppointmentState, Intent, IntentState};
use frontdesk_core::outbox::{Outbox as _, OutboxFilter, RowState};
use frontdesk_core::ports::{AppointmentFilter, CallbackFilter, Callbacks as _, Diary as _};
use frontdesk_core::tenant::Tenant;
use frontdesk_testkit::calcom::{Booking, SimulatedCalCom, Status};
use frontdesk_testkit::receiver::WebhookReceiver;
use jiff::Timestamp;
use serde_json::Value;

use super::{ADMIN, Heard, get, within};

/// More than there can be.
const ALL: u32 = 1_000_000;
/// Taking an intent up counts as well as ending it does: one round of the reconciler.
const ONE_ROUND: u32 = 2;

/// What there is to look at when the last gateway runs undisturbed.
pub(super) struct House<'a> {
    pub(super) url: &'a str,
    pub(super) key: &'a str,
    pub(super) calendar: &'a SimulatedCalCom,
    pub(super) software: &'a WebhookReceiver,
    pub(super) books: &'a wiring::House,
}

pub(super) fn tally(heard: &[Heard]) -> BTreeMap<String, usize> {
    let mut tally = BTreeMap::new();
    for it in heard {
        *tally.entry(format!("book {}", it.book)).or_default() += 1;
        for (change, status) in &it.changes {
            *tally.entry(format!("{change} {status}")).or_default() += 1;
        }
    }
    tally
}

pub(super) fn standing(calendar: &SimulatedCalCom) -> Vec<Booking> {
    calendar.bookings().into_iter().filter(|it| matches!(it.status, Status::Accepted | Status::Pending)).collect()
}

async fn salon(books: &wiring::House) -> Arc<Tenant> {
    books.store.tenants().await.expect("read").pop().expect("the salon")
}

/// Intents whose outcome is not known.
pub(super) async fn open(books: &wiring::House) -> Vec<Intent> {
    let mut intents = books.store.intents(salon(books).await.scope(), ALL).await.expect("read");
    intents.retain(|it| matches!(it.state, IntentState::Open | IntentState::Undoing));
    intents
}

impl House<'_> {
    /// Everything that is not as it was told, not the same here and upstream, or not as promised. `left` was
    /// open when the last gateway began.
    pub(super) async fn wrong(&self, heard: &[Heard], left: &[Intent]) -> Vec<String> {
        let upstream = standing(self.calendar);
        let listed = self.listed().await;
        let mut wrong = self.calendar.violations();
        self.not_here(&upstream, &listed, &mut wrong).await;
        self.not_upstream(&upstream, &listed, &mut wrong).await;
        self.not_settled(left, &listed, &mut wrong).await;
        for it in heard {
            if let Some(lie) = self.untrue(it, &upstream, &listed).await {
                wrong.push(lie);
            }
        }
        wrong
    }

    /// The appointments that somebody has to look at.
    async fn listed(&self) -> BTreeSet<String> {
        let filter = CallbackFilter { open_only: true, limit: ALL, ..CallbackFilter::default() };
        let callbacks = self.books.store.callbacks(salon(self.books).await.scope(), &filter).await.expect("read");
        callbacks.iter().filter_map(|it| Some(it.appointment.as_ref()?.to_string())).collect()
    }

    async fn here(&self, booking: &str) -> Value {
        get(&format!("{}/api/v2/bookings/{booking}", self.url), self.key).await
    }

    /// What stands upstream stands once, overlaps nothing, and is so here.
    async fn not_here(&self, upstream: &[Booking], listed: &BTreeSet<String>, wrong: &mut Vec<String>) {
        let (mut intents, mut ids, mut numbers) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
        for it in upstream {
            let (intent, id) = (it.metadata["frontdesk_intent"].as_str(), it.metadata["frontdesk_booking"].as_str());
            if !intent.is_some_and(|intent| intents.insert(intent)) || !id.is_some_and(|id| ids.insert(id)) {
                wrong.push(format!("an intent or a booking stands twice upstream: {it:?}"));
            }
            if !numbers.insert(it.attendee.phone.clone()) {
                wrong.push(format!("a caller has two upstream: {it:?}"));
            }
            let here = self.here(id.unwrap_or("none")).await;
            let start = here["start"].as_str().and_then(|start| start.parse::<Timestamp>().ok());
            let is_listed = id.is_some_and(|id| listed.contains(id));
            if it.status != Status::Accepted || (here["status"] != "booked" || start != Some(it.start)) && !is_listed {
                wrong.push(format!("upstream {it:?}, here {here}"));
            }
        }
        for (index, one) in upstream.iter().enumerate() {
            let meets = |other: &&Booking| one.hosts == other.hosts && one.start < other.end && other.start < one.end;
            if let Some(other) = upstream[index + 1..].iter().find(meets) {
                wrong.push(format!("two overlap: {one:?} and {other:?}"));
            }
        }
    }

    /// What stands here overlaps nothing, and stands upstream, once and at that time.
    async fn not_upstream(&self, upstream: &[Booking], listed: &BTreeSet<String>, wrong: &mut Vec<String>) {
        let filter = AppointmentFilter { standing_only: true, limit: ALL, ..AppointmentFilter::default() };
        let here = self.books.store.appointments(salon(self.books).await.scope(), &filter).await.expect("read");
        for it in &here {
            let is_of_it = |booking: &&Booking| booking.metadata["frontdesk_booking"] == it.id.as_str();
            let there: Vec<&Booking> = upstream.iter().filter(is_of_it).collect();
            let is_same = it.state == AppointmentState::Booked && there.len() == 1 && there[0].start == it.start;
            if !is_same && !listed.contains(it.id.as_str()) {
                wrong.push(format!("here {it:?}, upstream {there:?}"));
            }
        }
        for (index, one) in here.iter().enumerate() {
            let meets = |other: &&Appointment| one.resource == other.resource && one.start < other.end && other.start < one.end;
            if let Some(other) = here[index + 1..].iter().find(meets) {
                wrong.push(format!("two overlap here: {one:?} and {other:?}"));
            }
        }
    }

    /// What was left open took one round; what did not come to its end says why, and is on somebody's list.
    async fn not_settled(&self, left: &[Intent], listed: &BTreeSet<String>, wrong: &mut Vec<String>) {
        let intents = self.books.store.intents(salon(self.books).await.scope(), ALL).await.expect("read");
        for it in &intents {
            let is_watched = it.state == IntentState::Watched;
            if let Some(before) = left.iter().find(|before| before.id == it.id)
                && !is_watched
                && it.attempts > before.attempts + ONE_ROUND
            {
                wrong.push(format!("it took more than a round: {before:?}, then {it:?}"));
            }
            let has_reason = it.last_error.as_ref().is_some_and(|why| !why.is_empty());
            if it.state != IntentState::Done && !has_reason {
                wrong.push(format!("nobody knows why: {it:?}"));
            }
            if it.state == IntentState::HandedOver && !listed.contains(it.appointment.as_str()) {
                wrong.push(format!("given to nobody: {it:?}"));
            }
        }
        let shown = get(&format!("{}/api/admin/intents?limit=200", self.url), ADMIN).await;
        if !shown["items"].as_array().is_some_and(|items| items.iter().all(|it| it["state"] != "open")) {
            wrong.push(format!("operators see one that is open: {shown}"));
        }
        let dead = OutboxFilter { tenant: None, state: Some(RowState::Dead), limit: 100 };
        let dead = self.books.store.outbox(&dead).await.expect("read");
        if !dead.is_empty() {
            wrong.push(format!("given up, though the receiver was there: {dead:?}"));
        }
    }

    async fn untrue(&self, it: &Heard, upstream: &[Booking], listed: &BTreeSet<String>) -> Option<String> {
        let is_theirs = |booking: &&Booking| booking.attendee.phone.as_deref() == Some(it.number.as_str());
        let theirs: Vec<&Booking> = upstream.iter().filter(is_theirs).collect();
        let is_there = |start| theirs.len() == 1 && theirs[0].start == start;
        let is_at_the_new_time = it.then.is_some_and(is_there);
        let here = match &it.booking {
            Some(id) => self.here(id).await,
            None => Value::Null,
        };
        let (is_booked, is_cancelled) = (here["status"] == "booked", here["status"] == "cancelled");
        let is_listed = it.booking.as_deref().is_some_and(|id| listed.contains(id));
        let change = it.changes.last().map(|(change, status)| (*change, status.as_str()));
        let is_right = match (it.book.as_str(), change) {
            ("booked", None) => is_booked && is_there(it.start),
            // A repeat is answered again; what was told to stand was not found by the same call.
            ("booked", Some((_, "not_found"))) => false,
            ("booked", Some(("cancel", "cancelled"))) => is_cancelled && theirs.is_empty(),
            ("booked", Some(("cancel", "pending"))) => is_cancelled && theirs.is_empty() || is_listed,
            // "booked" is the repeat of a move that was done: it stands where it was to be.
            ("booked", Some(("move", "rescheduled" | "booked"))) => is_booked && is_at_the_new_time,
            ("booked", Some(("move", "pending"))) => is_booked && is_at_the_new_time || is_listed,
            // Nothing was promised: the old one stands, or the change was made all the same.
            ("booked", Some(("cancel", _))) => is_booked && theirs.len() == 1 || is_cancelled && theirs.is_empty(),
            ("booked", Some(_)) => is_booked && (is_there(it.start) || is_at_the_new_time),
            ("pending", _) => is_booked && is_there(it.start) || is_listed,
            ("taken", _) => theirs.is_empty(),
            _ => theirs.len() <= 1,
        };
        (!is_right).then(|| format!("{it:?}: here {here}, upstream {theirs:?}"))
    }

    /// The business's software hears of everything under one key. What a dead process was carrying waits for
    /// the end of its lease, a minute, and is still written down until then.
    pub(super) async fn told(&self, heard: &[Heard]) {
        let mut due: BTreeSet<(&str, &str)> = BTreeSet::new();
        for it in heard.iter().filter(|it| it.book == "booked") {
            let id = it.booking.as_deref().expect("an id");
            due.insert(("appointment.booked", id));
            for (change, status) in &it.changes {
                match (*change, status.as_str()) {
                    ("move", "rescheduled") => _ = due.insert(("appointment.rescheduled", id)),
                    ("cancel", "cancelled") => _ = due.insert(("appointment.cancelled", id)),
                    _ => {}
                }
            }
        }
        within(40, "the software was not told", async || {
            let posted = self.software.posted();
            let told: BTreeSet<(String, String)> = posted
                .iter()
                .filter_map(|it| Some((it.event().to_owned(), it.json()["data"]["booking_id"].as_str()?.to_owned())))
                .collect();
            let filter = OutboxFilter { tenant: None, state: Some(RowState::Waiting), limit: 100_000 };
            let waiting = format!("{:?}", self.books.store.outbox(&filter).await.expect("read"));
            let is_told = |event: &str, id: &str| told.contains(&(event.to_owned(), id.to_owned()));
            let missed: Vec<_> = due.iter().filter(|(event, id)| !is_told(event, id) && !waiting.contains(*id)).collect();
            (!missed.is_empty()).then(|| format!("of {missed:?}"))
        })
        .await;
        let mut keys: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for it in self.software.posted().iter().filter(|it| it.event() == "appointment.booked") {
            let id = it.json()["data"]["booking_id"].to_string();
            keys.entry(id).or_default().insert(it.header("webhook-id").to_owned());
        }
        assert!(keys.values().all(|keys| keys.len() == 1), "one booking, one key: {keys:?}");
    }
}
