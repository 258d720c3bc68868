//! Carries what the outbox holds: expands effects, delivers to software and mailboxes, and writes down how
//! each delivery ended. Any gateway may do it; a lease says who does.

mod alerts;
mod mail;
mod payload;
mod targets;
mod webhook;

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use frontdesk_core::alert::Notice;
use frontdesk_core::booking::{Appointment, Callback, IntentState};
use frontdesk_core::clock::{Clock, Dice};
use frontdesk_core::ics::{Invitation, Method};
use frontdesk_core::ids::TenantId;
use frontdesk_core::message::{Subject, served, to_business, to_caller};
use frontdesk_core::outbox::{
    Channel, Circumstances, Event, Expansion, MOST_ATTEMPTS, Outbox, Receiver, Room, Taken, asks_for_circumstances, expansion,
    pause,
};
use frontdesk_core::ports::{Callbacks, Diary, Directory, StoreError};
use frontdesk_core::tenant::Tenant;
use frontdesk_store::AlertDelivery;
use futures_util::future::join_all;
use jiff::SignedDuration;

pub(crate) use alerts::{Receivers, Told};
pub(crate) use mail::Mail;
pub(crate) use targets::Targets;
pub(crate) use webhook::{Webhook, webhook_secret};

use mail::Invite;

/// What a business with mailboxes is told where nobody can send mail.
pub(crate) const WITHOUT_MAIL: &str = "[notify] email has no effect without [smtp] in frontdesk.toml";
/// Nobody else takes a row for this long.
const LEASE: SignedDuration = SignedDuration::from_secs(60);
/// Every delivery ends within this; shorter than the lease.
const WITHIN: Duration = Duration::from_secs(40);
/// So many effects are expanded in one transaction.
const EFFECTS: usize = 500;
/// An effect that could not be looked up comes up again after so long, at least and at most.
const HELD_BACK: (SignedDuration, SignedDuration) = (SignedDuration::from_secs(5), SignedDuration::from_mins(10));
/// So many deliveries run at once.
const MOST: usize = 32;
/// So many of them of one tenant on one channel: who answers slowly holds up nobody else.
const EACH: usize = 4;

/// How a delivery ended.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Ending {
    Delivered,
    /// It failed and may succeed later; why, without a person's data and without an address.
    Again(String),
    /// It will never succeed; why.
    Dead(String),
    /// There is nobody any more who would hear it; why.
    Moot(&'static str),
}

/// What a courier works with.
pub(crate) struct Parts {
    pub(crate) outbox: Arc<dyn Outbox>,
    pub(crate) diary: Arc<dyn Diary>,
    pub(crate) callbacks: Arc<dyn Callbacks>,
    pub(crate) directory: Arc<dyn Directory>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) dice: Arc<dyn Dice>,
    pub(crate) webhook: Webhook,
    pub(crate) mail: Option<Mail>,
    pub(crate) receivers: Receivers,
}

/// Delivers.
pub(crate) struct Courier {
    parts: Parts,
    running: Arc<Mutex<HashMap<(TenantId, Channel), usize>>>,
}

/// A place among the running deliveries, given back when it ends however it ends.
struct Place<'c> {
    courier: &'c Courier,
    receiver: (TenantId, Channel),
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut running = self.courier.running.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = running.get_mut(&self.receiver) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                running.remove(&self.receiver);
            }
        }
    }
}

impl Courier {
    pub(crate) fn new(parts: Parts) -> Self {
        Self { parts, running: Arc::default() }
    }

    /// The same courier for what is delivered from now on, by other ways.
    pub(crate) fn renewed(&self, webhook: Webhook, mail: Option<Mail>, receivers: Receivers) -> Self {
        let Parts { outbox, diary, callbacks, directory, clock, dice, webhook: _, mail: _, receivers: _ } = &self.parts;
        let parts = Parts {
            outbox: Arc::clone(outbox),
            diary: Arc::clone(diary),
            callbacks: Arc::clone(callbacks),
            directory: Arc::clone(directory),
            clock: Arc::clone(clock),
            dice: Arc::clone(dice),
            webhook,
            mail,
            receivers,
        };
        Self { parts, running: Arc::clone(&self.running) }
    }

    /// How it posts to software.
    pub(crate) fn webhook(&self) -> Webhook {
        self.parts.webhook.clone()
    }

    /// Everybody who is told of an alert.
    pub(crate) fn receivers_of(&self, notice: &Notice) -> Vec<AlertDelivery> {
        self.parts.receivers.deliveries(notice, self.parts.mail.is_some())
    }

    /// One round, waiting for all of it; returns how many rows were worked on.
    pub(crate) async fn round(&self) -> Result<usize, StoreError> {
        let taken = self.take().await?;
        let count = taken.len();
        join_all(taken.into_iter().map(|row| self.carry(row))).await;
        Ok(count)
    }

    /// Expands what is due, and takes the deliveries that are due and for which there is room. Each has to be
    /// given to [`Self::carry`].
    pub(crate) async fn take(&self) -> Result<Vec<Taken>, StoreError> {
        loop {
            match self.expand_due().await {
                Ok(EFFECTS) => {}
                Ok(_) => break,
                // What is a delivery already does not wait for what is none yet.
                Err(error) => {
                    tracing::error!(channel = "outbox", error = error.with_causes(), "effects could not be expanded");
                    break;
                }
            }
        }
        let running = self.running.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let room = Room { most: MOST.saturating_sub(running.values().sum()), each: EACH, running };
        let taken = self.parts.outbox.take_due(self.parts.clock.now(), LEASE, &room).await?;
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        for row in &taken {
            *running.entry((row.tenant.clone(), row.channel)).or_default() += 1;
        }
        Ok(taken)
    }

    /// Does one row and writes down how it ended. A store that fails here keeps the lease, and the row comes
    /// up again.
    pub(crate) async fn carry(&self, row: Taken) {
        let _place = Place { courier: self, receiver: (row.tenant.clone(), row.channel) };
        let tenant = self.parts.directory.tenant(&row.tenant);
        let delivery = async {
            match &tenant {
                Some(tenant) if !row.event.is_alert() => self.deliver(tenant, &row).await,
                _ => Ok(self.deliver_alert(&row).await),
            }
        };
        let done = if tenant.is_none() && !row.event.is_alert() {
            self.conclude(&row, Ending::Moot("the tenant was removed")).await
        } else if row.attempts > MOST_ATTEMPTS {
            // Who works on it dies of it, or the store never hears how it ended.
            self.conclude(&row, Ending::Dead("every attempt broke off without an end".to_owned())).await
        } else {
            match tokio::time::timeout(WITHIN, delivery).await {
                Ok(Ok(ending)) => self.conclude(&row, ending).await,
                Ok(Err(error)) => Err(error),
                Err(_) => self.conclude(&row, Ending::Again("no end in time".to_owned())).await,
            }
        };
        if let Err(error) = done {
            tracing::error!(
                channel = "outbox",
                tenant = row.tenant.as_str(),
                row = row.id,
                error = error.with_causes(),
                "the outbox could not be worked on"
            );
        }
    }

    /// Turns effects into deliveries, many in one transaction; returns how many are not due any more. Any gateway may
    /// do it at the same time: an effect is ended once, and its deliveries have keys of their own.
    async fn expand_due(&self) -> Result<usize, StoreError> {
        let most = u32::try_from(EFFECTS).unwrap_or(u32::MAX);
        let (due, unreadable) = self.parts.outbox.effects_due(self.parts.clock.now(), most).await?;
        if !unreadable.is_empty() {
            self.parts.outbox.set_aside(&unreadable, self.parts.clock.now()).await?;
        }
        let mut moved_on = unreadable.len();
        let mut expanded = Vec::with_capacity(due.len());
        let mut held_back = HashSet::new();
        for effect in due {
            let about = (effect.tenant.clone(), effect.ordering.clone());
            if held_back.contains(&about) {
                continue;
            }
            let expansion = match self.parts.directory.tenant(&effect.tenant) {
                None => Ok(Expansion::Superseded("the tenant was removed")),
                Some(tenant) => self.expansion(&tenant, &effect).await,
            };
            match expansion {
                Ok(expansion) => expanded.push((effect, expansion)),
                Err(error @ StoreError::Busy(_)) => return Err(error),
                // What happened to the same appointment since waits for it; nobody else does.
                Err(error) => {
                    self.hold_back(&effect, &error).await?;
                    moved_on += 1;
                    held_back.insert(about);
                }
            }
        }
        if expanded.is_empty() {
            return Ok(moved_on);
        }
        match self.parts.outbox.expand(&expanded, self.parts.clock.now()).await {
            Ok(()) => {}
            Err(error @ StoreError::Busy(_)) => return Err(error),
            // One of them spoils it for all: each by itself, so that only that one waits.
            Err(_) => {
                for one in &expanded {
                    match self.parts.outbox.expand(std::slice::from_ref(one), self.parts.clock.now()).await {
                        Ok(()) => {}
                        Err(error @ StoreError::Busy(_)) => return Err(error),
                        Err(error) => self.hold_back(&one.0, &error).await?,
                    }
                }
            }
        }
        Ok(moved_on + expanded.len())
    }

    /// An effect comes up again later, the longer it waits the more rarely; what came after it about the same
    /// appointment waits for it.
    async fn hold_back(&self, effect: &Taken, error: &StoreError) -> Result<(), StoreError> {
        let now = self.parts.clock.now();
        let pause = (now.duration_since(effect.created_at) / 4).clamp(HELD_BACK.0, HELD_BACK.1);
        let why = error.with_causes();
        tracing::error!(
            channel = "outbox",
            tenant = effect.tenant.as_str(),
            row = effect.id,
            error = why,
            "what happened could not be looked up or written down; nobody hears of it yet"
        );
        self.parts.outbox.again(effect, now + pause, &why).await
    }

    async fn expansion(&self, tenant: &Tenant, row: &Taken) -> Result<Expansion, StoreError> {
        let can_mail = self.parts.mail.is_some();
        if !asks_for_circumstances(tenant, row.event, can_mail) {
            let plain = Circumstances { can_mail, ..Circumstances::default() };
            return Ok(expansion(tenant, row.event, &row.facts, &plain));
        }
        let (appointment, callback) = self.about(tenant, row).await?;
        let intent = match &appointment {
            Some(appointment) => self.parts.diary.intent_of(tenant.scope(), &appointment.id).await?,
            None => None,
        };
        let circumstances = Circumstances {
            can_mail,
            caller_has_address: appointment.as_ref().is_some_and(|it| it.attendee.email.is_some()),
            is_unsettled: intent.is_some_and(|it| matches!(it.state, IntentState::Open | IntentState::HandedOver)),
            open_callback: callback.as_ref().filter(|it| !it.state.is_closed()).map(|it| it.cause),
        };
        Ok(expansion(tenant, row.event, &row.facts, &circumstances))
    }

    /// What a row is about, with everything personal, read within its tenant.
    async fn about(&self, tenant: &Tenant, row: &Taken) -> Result<(Option<Appointment>, Option<Callback>), StoreError> {
        let scope = tenant.scope();
        let appointment = match &row.facts.booking_id {
            Some(id) => self.parts.diary.appointment(scope, id).await?,
            None => None,
        };
        let callback = match &row.facts.callback_id {
            Some(id) => self.parts.callbacks.callback(scope, id).await?,
            None => None,
        };
        Ok((appointment, callback))
    }

    async fn deliver(&self, tenant: &Tenant, row: &Taken) -> Result<Ending, StoreError> {
        let (appointment, callback) = self.about(tenant, row).await?;
        if appointment.is_none() && callback.is_none() {
            return Ok(Ending::Moot("nothing is known of it any more"));
        }
        let Some(receiver) = Receiver::from_stored(row.channel, &row.target) else {
            return Ok(Ending::Dead("a receiver that this release does not know".to_owned()));
        };
        if receiver == Receiver::Webhook {
            if tenant.notify.webhook_url.is_empty() {
                return Ok(Ending::Moot("the tenant has no webhook any more"));
            }
            let body = payload::payload(tenant, row, appointment.as_ref(), callback.as_ref());
            return Ok(self.parts.webhook.post(tenant, row, &body, &*self.parts.clock).await);
        }
        let Some(mail) = &self.parts.mail else { return Ok(Ending::Again("no smtp is configured any more".to_owned())) };
        let now = self.parts.clock.now();
        let about = Subject {
            tenant,
            event: row.event,
            facts: &row.facts,
            appointment: appointment.as_ref(),
            callback: callback.as_ref(),
            now,
        };
        if receiver != Receiver::Caller {
            let address = tenant.notify.email.iter().find(|address| Receiver::business(address) == receiver);
            let Some(address) = address else { return Ok(Ending::Moot("the tenant has that mailbox no more")) };
            let Some(letter) = to_business(&about) else { return Ok(Ending::Moot("there is nothing to say")) };
            return Ok(mail.send(&row.key, &tenant.name, (None, address), &letter, None, now).await);
        }
        let Some(appointment) = &appointment else { return Ok(Ending::Moot("nothing is known of it any more")) };
        let Some(address) = &appointment.attendee.email else { return Ok(Ending::Moot("there is no address any more")) };
        let Some(letter) = to_caller(&about) else { return Ok(Ending::Moot("there is nothing to say")) };
        let invite = invite(tenant, row, appointment, mail);
        let to = (Some(&appointment.attendee.name), address.expose().as_str());
        Ok(mail.send(&row.key, &tenant.name, to, &letter, invite, now).await)
    }

    async fn conclude(&self, row: &Taken, ending: Ending) -> Result<(), StoreError> {
        let now = self.parts.clock.now();
        let outbox = &self.parts.outbox;
        let (tenant, event, to) = (row.tenant.as_str(), row.event.as_str(), row.channel.as_str());
        let why = match ending {
            Ending::Delivered => {
                tracing::debug!(channel = "outbox", tenant, row = row.id, event, to, attempts = row.attempts, "delivered");
                return outbox.done(row, now).await;
            }
            Ending::Moot(why) => return outbox.superseded(row, why, now).await,
            Ending::Again(why) => match pause(row.attempts, &*self.parts.dice) {
                Some(pause) => {
                    let attempts = row.attempts;
                    tracing::warn!(
                        channel = "outbox",
                        tenant,
                        row = row.id,
                        event,
                        to,
                        attempts,
                        why,
                        "not delivered; again later"
                    );
                    return outbox.again(row, now + pause, &why).await;
                }
                None => why,
            },
            Ending::Dead(why) => why,
        };
        // A caller's wish hangs on the business hearing of it.
        let critical = row.event.is_wish() && row.target != Receiver::Caller.as_stored();
        tracing::error!(
            channel = "outbox",
            critical,
            tenant,
            row = row.id,
            event,
            to,
            attempts = row.attempts,
            why,
            "given up: frontdesk outbox retry revives it"
        );
        outbox.dead(row, &why, now).await
    }
}

/// What the caller's own calendar is told; nothing of what is not certain.
fn invite(tenant: &Tenant, row: &Taken, appointment: &Appointment, mail: &Mail) -> Option<Invite> {
    let method = match row.event {
        Event::Booked | Event::Rescheduled => Method::Request,
        Event::Cancelled => Method::Cancel,
        Event::Pending | Event::CallbackQueued | Event::AlertFired | Event::AlertResolved => return None,
    };
    let email = appointment.attendee.email.as_ref()?;
    let summary = format!("{}: {}", tenant.name, served(tenant.language, appointment));
    let sender = mail.sender();
    let invitation = Invitation {
        method,
        uid: appointment.id.as_str(),
        sequence: row.facts.sequence,
        stamp: row.created_at,
        start: row.facts.start.unwrap_or(appointment.start),
        end: row.facts.end.unwrap_or(appointment.end),
        summary: &summary,
        organizer: (&tenant.name, &sender),
        attendee: (&appointment.attendee.name, email),
    };
    Some(Invite { method, text: invitation.render() })
}
