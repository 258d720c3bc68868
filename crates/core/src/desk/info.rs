//! Questions that hold nothing: services, hours, dates, who is calling.

use jiff::ToSpan as _;

use super::check::usual_service;
use super::offers::{BROWSE_AGE, Search};
use super::understand::ask_when;
use super::{Desk, Session, WhenWords};
use crate::booking::AppointmentState;
use crate::call::CallContext;
use crate::deadline::Deadline;
use crate::outcome::{Answer, CallerInfo, Missed, Need, Offer, Outcome, Question, ServiceInfo, Shown};
use crate::policy::day_info;
use crate::ports::StoreError;
use crate::sensitive::Sensitive;
use crate::slot::HOLDS_PER_CALL;
use crate::speech::service::{Match, match_service};
use crate::speech::when::{DateWish, TimeWish};
use crate::tenant::{Service, Tenant};

use super::Visit;
use crate::call::Memory;

/// How many days ahead the next free times are looked for.
const WELCOME_DAYS: i64 = 7;

impl Desk {
    pub(super) async fn start_call(&self, session: &mut Session<'_>) -> Result<Outcome, StoreError> {
        let caller = self.caller_info(session).await?;
        let next = self.next_free(session, caller.usual_service.as_deref(), session.deadline).await;
        Ok(Outcome::Ok(Answer::Welcome { caller, next }))
    }

    pub(super) async fn identify(&self, session: &mut Session<'_>) -> Result<Outcome, StoreError> {
        Ok(Outcome::Ok(Answer::Caller(self.caller_info(session).await?)))
    }

    /// What is known before the first word; within the inbound budget, whatever the calendar does.
    pub async fn preload(&self, visit: &Visit) -> (CallerInfo, Vec<Offer>) {
        let deadline = Deadline::within(self.budgets.inbound.mul_f32(0.8));
        let session = Session { visit, memory: Memory::default(), own: None, now: self.now(), deadline, fingerprint: "" };
        let caller = self.caller_info(&session).await.unwrap_or_default();
        let next = self.next_free(&session, caller.usual_service.as_deref(), deadline).await;
        (caller, next)
    }

    /// Makes the call known, whatever arrives first.
    pub async fn meet(&self, tenant: &Tenant, call: &CallContext) -> Result<(), StoreError> {
        self.parts.calls.open(tenant.scope(), call, self.now()).await.map(|_| ())
    }

    async fn caller_info(&self, session: &Session<'_>) -> Result<CallerInfo, StoreError> {
        let history = self.history(session).await?;
        let real: Vec<_> = history.iter().filter(|it| it.state != AppointmentState::Refused).collect();
        let name: Option<Sensitive<String>> = real.last().map(|it| it.attendee.name.clone());
        let kept: Vec<_> = real.iter().filter(|it| it.state == AppointmentState::Booked).map(|it| (*it).clone()).collect();
        Ok(CallerInfo {
            known: !real.is_empty(),
            name,
            usual_service: usual_service(&kept).filter(|name| session.tenant().service(name).is_some()),
            appointments: real
                .iter()
                .filter(|it| it.end > session.now && matches!(it.state, AppointmentState::Booked | AppointmentState::Pending))
                .map(|it| Shown::from(*it))
                .collect(),
            last_visit: kept.iter().filter(|it| it.start <= session.now).map(|it| it.start).max(),
            total: kept.len(),
        })
    }

    /// The next free times, shown only. No answer in time is an empty list.
    async fn next_free(&self, session: &Session<'_>, usual: Option<&str>, deadline: Deadline) -> Vec<Offer> {
        let tenant = session.tenant();
        let service: Option<&Service> = usual.and_then(|name| tenant.service(name)).or_else(|| tenant.services.first());
        let Some(service) = service else { return Vec::new() };
        let (from, to) = super::offers::window(tenant, session.now, WELCOME_DAYS, session.now);
        let search = Search {
            tenant,
            service,
            staff: None,
            call: session.visit.call.id.as_ref(),
            replaces: None,
            from,
            to,
            hours: session.visit.hours,
            now: session.now,
            deadline,
            max_age: BROWSE_AGE,
            browsing: true,
            exact: None,
        };
        let Ok(found) = self.search(&search).await else { return Vec::new() };
        found
            .earliest_of(&|_| true)
            .into_iter()
            .take(HOLDS_PER_CALL)
            .map(|start| Offer {
                slot: None,
                start,
                end: start + service.duration(),
                service: service.name.clone(),
                staff: None,
                held_until: None,
            })
            .collect()
    }

    pub(super) fn list_services(&self, session: &Session<'_>, query: Option<&str>) -> Outcome {
        let info = |service: &Service| ServiceInfo { name: service.name.clone(), minutes: service.minutes };
        let all: Vec<ServiceInfo> = session.tenant().services.iter().map(info).collect();
        let Some(query) = query.filter(|query| !query.trim().is_empty()) else {
            return Outcome::Ok(Answer::Services(all));
        };
        match match_service(query, &session.tenant().services) {
            Match::One(service) => Outcome::Ok(Answer::Services(vec![info(service)])),
            Match::Several(several) => Outcome::Ok(Answer::Services(several.into_iter().map(info).collect())),
            Match::None => Outcome::NotFound(Missed::Service(all.into_iter().map(|service| service.name).collect())),
        }
    }

    pub(super) fn opening_hours(&self, session: &Session<'_>, date: Option<&str>) -> Outcome {
        let words = WhenWords { date: date.map(str::to_owned), ..WhenWords::default() };
        let when = match session.when(&words) {
            Ok(when) => when,
            Err(question) => return ask_when(question),
        };
        let today = session.local_now().date();
        let (from, to) = match when.date {
            DateWish::On(date) => (date, date),
            DateWish::Between { from, to } => (from, to),
            DateWish::Any => (today, today.saturating_add(6.days())),
        };
        let days = from
            .series(1.day())
            .take_while(|date| *date <= to)
            .take(7)
            .filter_map(|date| day_info(session.tenant(), date))
            .collect();
        Outcome::Ok(Answer::Hours(days))
    }

    pub(super) fn resolve_date(&self, session: &Session<'_>, words: &WhenWords) -> Outcome {
        let when = match session.when(words) {
            Ok(when) => when,
            Err(question) => return ask_when(question),
        };
        let time = match when.time {
            TimeWish::At(time) => Some(time),
            TimeWish::Any | TimeWish::Window { .. } | TimeWish::Earliest => None,
        };
        match when.date {
            DateWish::On(date) => Outcome::Ok(Answer::Date { from: date, to: date, time }),
            DateWish::Between { from, to } => Outcome::Ok(Answer::Date { from, to, time }),
            DateWish::Any => super::understand::ask(&[Need::Date], Question::Missing(Need::Date)),
        }
    }
}
