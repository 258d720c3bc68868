//! The desk: every use case, one file each, over the ports.
//!
//! A request is served in a straight line: [`Desk::serve`] claims it (a repeat ends there), opens the
//! call's memory, asks the use case, keeps what was said. What was begun goes on without the connection
//! that asked for it, so that a platform that hangs up changes nothing.

mod answer;
mod attempt;
mod book;
mod callback;
mod cancel;
mod catch_up;
mod check;
mod claims;
mod command;
mod direct;
mod find;
mod hear;
mod held;
mod info;
mod lasting;
mod offers;
mod pieces;
mod reschedule;
mod settle;
mod understand;

use std::sync::Arc;
use std::time::Duration;

pub use catch_up::{CatchUpError, CaughtUp};
pub use command::{BookWish, CallbackWish, CancelWish, CheckWish, CollectWish, Command, FindWish, MoveWish, WhenWords};
pub use direct::{DirectBooking, DirectOutcome};
use jiff::Timestamp;
use lasting::Lasting;
pub use offers::Browsed;
pub use settle::{Round, Torn};
use tokio::sync::watch;

use crate::booking::Appointment;
use crate::call::{CallContext, Memory};
use crate::caught::{Panicked, caught};
use crate::clock::{Clock, Dice};
use crate::deadline::Deadline;
use crate::ids::TenantId;
use crate::limits::{Admission, Asker, Gate};
use crate::meter;
use crate::outcome::{Denial, Outcome};
use crate::policy::{HoursRule, refuses_hours, refuses_start};
use crate::ports::{AppointmentFilter, Calendar, Callbacks, Calls, Diary, Directory, StoreError};
use crate::protection::{Mode, Protection, Switches};
use crate::sensitive::Sensitive;
use crate::tenant::{Service, Staff, Tenant};

/// How long the caller waits before a sentence is due.
#[derive(Debug, Clone, Copy)]
pub struct Budgets {
    /// Before the first word: the pre-load.
    pub inbound: Duration,
    /// Questions.
    pub check: Duration,
    /// Bookings, moves, cancellations.
    pub write: Duration,
}

impl Default for Budgets {
    fn default() -> Self {
        Self { inbound: Duration::from_secs(1), check: Duration::from_millis(2500), write: Duration::from_secs(6) }
    }
}

/// What the desk is made of.
pub struct Parts {
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Fresh ids.
    pub dice: Arc<dyn Dice>,
    /// The tenants' calendars.
    pub calendar: Arc<dyn Calendar>,
    /// Holds, appointments, intents.
    pub diary: Arc<dyn Diary>,
    /// Calls.
    pub calls: Arc<dyn Calls>,
    /// Work items.
    pub callbacks: Arc<dyn Callbacks>,
    /// The tenants, for work that no request asked for.
    pub directory: Arc<dyn Directory>,
    /// Who may ask.
    pub gate: Arc<Gate>,
    /// Counts what the hours decide.
    pub switches: Arc<Switches>,
    /// How long callers wait.
    pub budgets: Budgets,
}

/// The use cases. Cheap to clone.
#[derive(Clone)]
pub struct Desk {
    parts: Arc<Parts>,
    gate: Arc<Gate>,
    budgets: Budgets,
    claims: Arc<claims::InFlight>,
    /// How much work runs that no connection can end.
    at_work: watch::Sender<usize>,
}

/// A recognised request: whose it is, and which call it belongs to.
#[derive(Debug, Clone)]
pub struct Visit {
    /// The tenant, proven by the signature.
    pub tenant: Arc<Tenant>,
    /// The call, from the signed envelope.
    pub call: CallContext,
    /// The platform's id of this very tool call, if it sends one.
    pub tool_call: Option<String>,
    /// Whether business hours refuse.
    pub hours: HoursRule,
}

/// What a use case works with.
struct Session<'a> {
    visit: &'a Visit,
    memory: Memory,
    /// The caller's own standing appointments as the request began, where they were read with the memory.
    own: Option<Vec<Appointment>>,
    now: Timestamp,
    deadline: Deadline,
    /// The request as a fingerprint: the same again after a question is consent.
    fingerprint: &'a str,
}

impl Session<'_> {
    fn tenant(&self) -> &Tenant {
        &self.visit.tenant
    }
}

impl Desk {
    /// Puts the desk together.
    pub fn new(parts: Parts) -> Self {
        let (gate, budgets) = (Arc::clone(&parts.gate), parts.budgets);
        Self { parts: Arc::new(parts), gate, budgets, claims: Arc::default(), at_work: watch::Sender::new(0) }
    }

    /// The same desk for requests that come from now on, with another gate and other budgets. What is being
    /// done is known to both, so that a repeat finds its first answer.
    #[must_use]
    pub fn renewed(&self, gate: Arc<Gate>, budgets: Budgets) -> Self {
        Self { gate, budgets, ..self.clone() }
    }

    /// Waits until everything has ended that goes on although nobody waits for it.
    pub async fn drain(&self) {
        // The sender is alive in this very desk: waiting cannot fail.
        let _ = self.at_work.subscribe().wait_for(|count| *count == 0).await;
    }

    /// Runs work that must not end with the connection that asked for it.
    fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        drop(self.lasting(work));
    }

    /// `work` for whoever waits for it; when they go, it goes on without them. A panic in it is an answer.
    fn lasting<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> Lasting<impl Future<Output = Result<T, Panicked>> + Send + 'static> {
        let ends = AtWork::on(self.at_work.clone());
        // In a place of its own at once: each layer around it would have room for it twice.
        let work = Box::pin(work);
        Lasting::of(meter::carried(caught(async move {
            let answer = work.await;
            drop(ends);
            answer
        })))
    }

    /// The time, as the desk sees it.
    pub fn now(&self) -> Timestamp {
        self.parts.clock.now()
    }

    /// The tenant of that id, as it is now.
    pub fn tenant(&self, id: &TenantId) -> Option<Arc<Tenant>> {
        self.parts.directory.tenant(id)
    }

    /// Serves one function call. Always ends in an outcome, within the function's budget.
    pub async fn serve(&self, visit: Arc<Visit>, command: Command) -> Outcome {
        let fingerprint = command.fingerprint();
        let claim = self.claims.claim(&visit, &command, &fingerprint, self.now());
        let asker = Asker::Voice { tenant: &visit.tenant, call: visit.call.id.as_ref() };
        match claim {
            claims::Claim::First(ticket) => match self.gate.admit(asker, command.class()).await {
                Ok(admission) => {
                    let (desk, its_visit) = (self.clone(), Arc::clone(&visit));
                    let work = async move {
                        let outcome = desk.act(&its_visit, command, &fingerprint, admission).await;
                        ticket.done(&outcome, desk.now());
                        outcome
                    };
                    match self.lasting(work).await {
                        Ok(outcome) => outcome,
                        // The caller still hears a sentence and is on a list.
                        Err(Panicked) => self.fault(&visit, &Memory::default()).await,
                    }
                }
                Err(refused) => {
                    if command.is_wish() {
                        self.over_limit(&visit).await;
                    }
                    let outcome = Outcome::RateLimited { retry_after: refused.retry_after };
                    ticket.give_back(&outcome);
                    outcome
                }
            },
            claims::Claim::Repeat(mut running) => {
                self.gate.show(asker, command.class()).await;
                match running.outcome().await {
                    Some(Outcome::Pending { appointment, change, promise }) => {
                        self.truth_about(&visit, appointment, change, promise).await
                    }
                    Some(outcome) => outcome,
                    // The first one panicked or was given up before it began.
                    None => self.fault(&visit, &Memory::default()).await,
                }
            }
        }
    }

    /// `_admission` is the proof that the limits were asked.
    async fn act(&self, visit: &Visit, command: Command, fingerprint: &str, _admission: Admission) -> Outcome {
        let now = self.now();
        let (scope, calls) = (visit.tenant.scope(), &self.parts.calls);
        let opened = if command.asks_for_own() {
            calls.open_with(scope, &visit.call, now).await.map(|(memory, own)| (memory, Some(own)))
        } else {
            calls.open(scope, &visit.call, now).await.map(|memory| (memory, None))
        };
        let Ok((memory, own)) = opened else { return self.fault(visit, &Memory::default()).await };
        let deadline = Deadline::within(if command.writes() { self.budgets.write } else { self.budgets.check });
        let before = memory.clone();
        let mut session = Session { visit, memory, own, now, deadline, fingerprint };
        let outcome = match self.dispatch(&mut session, command).await {
            Ok(outcome) => outcome,
            Err(_) => self.fault(visit, &session.memory).await,
        };
        if !matches!(outcome, Outcome::NeedsConfirmation(_)) {
            session.memory.awaiting = None;
        }
        if let Some(served) = outcome.serves() {
            session.memory.served = served;
        }
        if let Some(call) = &visit.call.id
            && session.memory != before
        {
            // What was said helps the next turn; losing it costs a repeated question, not the outcome.
            let _ = self.parts.calls.remember(visit.tenant.scope(), call, &session.memory).await;
        }
        outcome
    }

    async fn dispatch(&self, session: &mut Session<'_>, command: Command) -> Result<Outcome, StoreError> {
        // The longest ones in a place of their own: questions, which are most, need not make room for them.
        match command {
            Command::StartCall => self.start_call(session).await,
            Command::IdentifyCaller => self.identify(session).await,
            Command::ListServices { query } => Ok(self.list_services(session, query.as_deref())),
            Command::OpeningHours { date } => Ok(self.opening_hours(session, date.as_deref())),
            Command::ResolveDate(words) => Ok(self.resolve_date(session, &words)),
            Command::Check(wish) => self.check(session, &wish).await,
            Command::Collect(wish) => Box::pin(self.collect(session, wish)).await,
            Command::Book(wish) => Box::pin(self.book(session, &wish)).await,
            Command::Find(wish) => self.find(session, &wish).await,
            Command::Reschedule(wish) => Box::pin(self.reschedule(session, &wish)).await,
            Command::Cancel(wish) => Box::pin(self.cancel(session, &wish)).await,
            Command::Callback(wish) => self.request_callback(session, &wish).await,
            Command::HoldSlot { slot } => self.hold_slot(session, &slot).await,
            Command::ReleaseSlot { slot } => self.release_slot(session, slot.as_ref()).await,
        }
    }

    /// Why the rules do not allow exactly that start. What the hours say is counted, and noted where they
    /// only watch. Without a named person it is enough that somebody works then.
    fn rules(&self, visit: &Visit, service: &Service, staff: Option<&Staff>, start: Timestamp) -> Option<Denial> {
        let (tenant, length) = (&*visit.tenant, service.duration());
        if let Some(denial) = refuses_start(tenant, staff, start, length, HoursRule::Ignored, self.now()) {
            return Some(denial);
        }
        let mode = match visit.hours {
            HoursRule::Enforced => Mode::On,
            HoursRule::Watched => Mode::Shadow,
            HoursRule::Ignored => return None,
        };
        let denial = refuses_hours(tenant, staff, start, length).filter(|_| {
            let somebody_works = tenant.staff_for(service).any(|it| refuses_hours(tenant, Some(it), start, length).is_none());
            staff.is_some() || !somebody_works
        });
        self.parts.switches.count(Protection::BusinessHours, denial.is_none(), mode);
        if denial.is_some() && mode == Mode::Shadow {
            meter::note(|meter| meter.watched(Protection::BusinessHours));
        }
        denial.filter(|_| mode == Mode::On)
    }

    /// The caller's own standing appointments, by start.
    async fn own_appointments(&self, session: &Session<'_>) -> Result<Vec<Appointment>, StoreError> {
        if let Some(own) = &session.own {
            return Ok(own.clone());
        }
        let Some(owner) = session.visit.call.caller.phone() else { return Ok(Vec::new()) };
        let filter = AppointmentFilter::of_caller(owner, session.now);
        self.parts.diary.appointments(session.tenant().scope(), &filter).await
    }

    /// The name to book under when none was said: the one this call, or this number, gave before.
    async fn known_name(&self, session: &Session<'_>) -> Result<Option<Sensitive<String>>, StoreError> {
        if let Some(name) = &session.memory.name {
            return Ok(Some(name.clone()));
        }
        let history = self.history(session).await?;
        Ok(history.iter().rev().map(|it| &it.attendee.name).find(|name| !name.expose().is_empty()).cloned())
    }

    /// Everything this number ever had here, by start.
    async fn history(&self, session: &Session<'_>) -> Result<Vec<Appointment>, StoreError> {
        let Some(phone) = session.visit.call.caller.phone() else { return Ok(Vec::new()) };
        let filter = AppointmentFilter { owner: Some(phone.clone()), limit: 500, ..AppointmentFilter::default() };
        self.parts.diary.appointments(session.tenant().scope(), &filter).await
    }
}

/// Counts a piece of detached work until it ends, however it ends.
struct AtWork(watch::Sender<usize>);

impl AtWork {
    fn on(count: watch::Sender<usize>) -> Self {
        count.send_modify(|count| *count += 1);
        Self(count)
    }
}

impl Drop for AtWork {
    fn drop(&mut self) {
        self.0.send_modify(|count| *count -= 1);
    }
}
