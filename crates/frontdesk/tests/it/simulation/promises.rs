//! What has to be so, whatever happened.

use std::collections::{BTreeMap, BTreeSet};

use frontdesk_core::booking::{Appointment, AppointmentState, IntentState};
use frontdesk_core::clock::Clock as _;
use frontdesk_core::ids::{BookingId, IntentId};
use frontdesk_core::outcome::{Answer, Outcome};
use frontdesk_core::policy::refuses_hours;
use frontdesk_core::ports::{AppointmentFilter, CallbackFilter, Callbacks as _, Diary as _};
use frontdesk_core::slot::{Line, Resource};
use frontdesk_core::tenant::CalendarKind;
use jiff::SignedDuration;

use super::bookings::Booked;
use super::ports::at_once;
use super::world::{SURNAMES, World};

/// The contract's words.
const STATUSES: [&str; 19] = [
    "available",
    "offered",
    "unavailable",
    "booked",
    "pending",
    "needs_confirmation",
    "needs_input",
    "ambiguous",
    "cancelled",
    "rescheduled",
    "denied",
    "ok",
    "not_found",
    "taken",
    "callback_queued",
    "rate_limited",
    "temporarily_unavailable",
    "invalid",
    "error",
];
/// More than any world has.
const ALL: u32 = 100_000;

impl World {
    /// Whether an answer shows what is not its caller's.
    pub(super) fn leaks(&self, index: usize, outcome: &Outcome) -> Option<String> {
        let caller = &self.callers[index];
        if !STATUSES.contains(&outcome.status()) {
            return Some(format!("{} is no status", outcome.status()));
        }
        let text = format!("{outcome:?}");
        for (other, tenant) in self.around.tenants.0.iter().enumerate().filter(|(other, _)| *other != caller.tenant) {
            let names = tenant.services.iter().map(|it| &it.name).chain(tenant.staff.iter().map(|it| &it.name));
            if let Some(name) = names.into_iter().find(|name| text.contains(&format!("\"{name}\""))) {
                return Some(format!("an answer of tenant {} speaks of {name} of tenant {other}", caller.tenant));
            }
        }
        let shown = match outcome {
            Outcome::Booked { appointment, .. }
            | Outcome::Pending { appointment, .. }
            | Outcome::Rescheduled { appointment, .. }
            | Outcome::Cancelled(appointment) => std::slice::from_ref(appointment),
            Outcome::Ok(Answer::Appointments(shown)) => shown,
            _ => &[],
        };
        let (_, gateway) = self.gateway(0)?;
        let tenant = self.tenant(caller.tenant);
        let context = caller.context();
        for it in shown {
            let row = at_once(gateway.ports.appointment(tenant.scope(), &it.booking)).expect("a row or none");
            let is_own = row.as_ref().is_some_and(|row| {
                (row.owner.is_some() && row.owner == caller.phone) || (row.call.is_some() && row.call == context.id)
            });
            // A caller who hung up meanwhile has no call to compare with.
            if !is_own && context.id.is_some() && !matches!(row, Some(Appointment { owner: None, .. })) {
                return Some(format!("caller {index} was shown {}, which is not theirs", it.booking));
            }
        }
        None
    }

    /// What has to be so at any moment.
    pub(super) fn look(&self) -> Option<String> {
        let (_, gateway) = self.gateway(0)?;
        let now = self.around.clock.now();
        let span = SignedDuration::from_hours(24 * 40);
        for tenant in &self.around.tenants.0 {
            let lines = tenant.services.iter().flat_map(|service| Line::of(tenant, service, None));
            let resources: BTreeSet<Resource> = lines.flat_map(|line| line.resources).collect();
            let resources: Vec<Resource> = resources.into_iter().collect();
            let store = gateway.ports.store();
            let busy = at_once(store.busy(tenant.scope(), &resources, now - span, now + span, now)).expect("readable");
            for (index, one) in busy.iter().enumerate() {
                for two in &busy[index + 1..] {
                    let apart = one.resource != two.resource || one.to <= two.from || two.to <= one.from;
                    let related = one.appointment.is_some() && one.appointment == two.appointment
                        || one.held_by.is_some() && one.held_by == two.held_by;
                    if !apart && !related {
                        return Some(format!("{} is given twice from {} to {}", one.resource.as_str(), one.from, two.to));
                    }
                }
            }
        }
        let inner = self.around.calendar.inner();
        let mut seen = BTreeSet::new();
        for it in inner.bookings.all().iter().filter(|it| it.stands()) {
            if let Some(intent) = &it.intent
                && !seen.insert((it.tenant.as_str(), intent, it.part))
            {
                return Some(format!("two bookings stand upstream with the intent {intent}"));
            }
        }
        None
    }

    /// What has to be so in the end.
    pub(super) fn look_back(&self) -> Option<String> {
        let waiting = self.callers.iter().position(|caller| caller.line != super::caller::Line::Away);
        if let Some(index) = waiting {
            return Some(format!("caller {index} still waits: {:?}", self.callers[index].line));
        }
        (0..self.around.tenants.0.len()).find_map(|index| {
            self.spoken(index).or_else(|| self.rows(index)).or_else(|| self.unmet(index)).or_else(|| self.strangers(index))
        })
    }

    /// The upstream bookings of each appointment.
    fn upstream(&self, index: usize) -> Result<BTreeMap<String, Vec<Booked>>, String> {
        let tenant = self.tenant(index);
        let Some((_, gateway)) = self.gateway(0) else { return Ok(BTreeMap::new()) };
        let mut found: BTreeMap<String, Vec<Booked>> = BTreeMap::new();
        let all: Vec<Booked> = self.around.calendar.inner().bookings.all().to_vec();
        for booked in all.into_iter().filter(|it| it.tenant == tenant.slug) {
            let Some(intent) = &booked.intent else { continue };
            let intent = at_once(gateway.ports.store().intent(tenant.scope(), &IntentId::new(intent))).expect("readable");
            match intent {
                Some(intent) => found.entry(intent.appointment.as_str().to_owned()).or_default().push(booked),
                None if booked.stands() => {
                    return Err(format!("{} stands upstream, and nobody here knows its intent", booked.uid));
                }
                None => {}
            }
        }
        Ok(found)
    }

    /// What callers were told is so, unless somebody changed it since.
    fn spoken(&self, index: usize) -> Option<String> {
        let tenant = self.tenant(index);
        let (_, gateway) = self.gateway(0)?;
        let upstream = match self.upstream(index) {
            Ok(upstream) => upstream,
            Err(wrong) => return Some(wrong),
        };
        for ((_, id), said) in self.ledger.said.iter().filter(|((tenant, _), said)| *tenant == index && !said.unsure) {
            let none = Vec::new();
            let bookings = upstream.get(id).unwrap_or(&none);
            if bookings.iter().any(|it| it.by_people) {
                continue;
            }
            let row = at_once(gateway.ports.store().appointment(tenant.scope(), &BookingId::new(id))).expect("readable");
            let Some(row) = row else { return Some(format!("{id} was told and is not here")) };
            let expected = if said.gone { AppointmentState::Cancelled } else { AppointmentState::Booked };
            if row.state != expected || (!said.gone && row.start != said.start) {
                return Some(format!(
                    "a caller heard of {id} at {} (gone: {}), and here it is {} at {}",
                    said.start,
                    said.gone,
                    row.state.as_str(),
                    row.start
                ));
            }
        }
        None
    }

    /// Here and upstream agree, or a person knows.
    fn rows(&self, index: usize) -> Option<String> {
        let tenant = self.tenant(index);
        let (_, gateway) = self.gateway(0)?;
        let (store, scope) = (gateway.ports.store(), tenant.scope());
        let intents = at_once(store.intents(scope, ALL)).expect("readable");
        if let Some(open) = intents.iter().find(|it| !it.state.is_settled()) {
            return Some(format!("the intent {} of {} is {} in the end", open.id, open.appointment, open.state.as_str()));
        }
        let upstream = self.upstream(index).unwrap_or_default();
        let rows = at_once(store.appointments(scope, &AppointmentFilter { limit: ALL, ..AppointmentFilter::default() }));
        let callbacks = at_once(store.callbacks(scope, &CallbackFilter { limit: ALL, ..CallbackFilter::default() }));
        let callbacks = callbacks.expect("readable");
        for row in rows.expect("readable") {
            let id = row.id.as_str();
            let none = Vec::new();
            let bookings = upstream.get(id).unwrap_or(&none);
            let has_a_person = callbacks.iter().any(|it| it.appointment.as_ref() == Some(&row.id));
            let given_up = intents.iter().any(|it| {
                it.appointment == row.id && matches!(it.state, IntentState::HandedOver | IntentState::CompensationFailed)
            });
            if row.state == AppointmentState::Pending {
                return Some(format!("{id} is pending in the end"));
            }
            if row.state == AppointmentState::NeedsPerson || given_up {
                if !has_a_person {
                    return Some(format!("{id} needs a person, and nobody is told"));
                }
                continue;
            }
            let is_own = row.call.is_some();
            let by_people = bookings.iter().any(|it| it.by_people);
            if is_own && !by_people {
                let staff = row.staff.as_deref().and_then(|name| tenant.staff_member(name));
                if let Some(denial) = refuses_hours(&tenant, staff, row.start, row.end.duration_since(row.start)) {
                    return Some(format!("{id} begins at {}: {denial:?}", row.start));
                }
            }
            if matches!(tenant.calendar, CalendarKind::Builtin) || !is_own {
                continue;
            }
            let untold = bookings.iter().any(|it| it.untold);
            let in_parts = row.event_type.is_none();
            if by_people && (untold || in_parts || has_a_person) {
                continue;
            }
            let standing: Vec<&Booked> = bookings.iter().filter(|it| it.stands()).collect();
            let expected = match (row.state, in_parts) {
                (AppointmentState::Booked, false) => 1,
                (AppointmentState::Booked, true) => 2,
                _ => 0,
            };
            if standing.len() != expected {
                return Some(format!("{id} is {} here, and {} stand upstream", row.state.as_str(), standing.len()));
            }
            if expected > 0 && !standing.iter().any(|it| it.start == row.start) {
                return Some(format!("{id} is at {} here, and at {} upstream", row.start, standing[0].start));
            }
        }
        None
    }

    /// Whose wish was not met is on the list.
    fn unmet(&self, index: usize) -> Option<String> {
        let tenant = self.tenant(index);
        let (_, gateway) = self.gateway(0)?;
        let (store, scope) = (gateway.ports.store(), tenant.scope());
        let filter = CallbackFilter { limit: ALL, ..CallbackFilter::default() };
        let callbacks = at_once(store.callbacks(scope, &filter)).expect("readable");
        let unmet = self.ledger.told.iter().filter(|told| told.tenant == index && told.story.wanted && !told.story.met);
        for told in unmet {
            let of_call = callbacks.iter().any(|it| it.call.as_ref() == Some(&told.story.id));
            // The same wish of one number within half an hour is one work item.
            let of_number = told.phone.is_some() && callbacks.iter().any(|it| it.phone == told.phone);
            let filter = AppointmentFilter { call: Some(told.story.id.clone()), limit: ALL, ..AppointmentFilter::default() };
            let made = at_once(store.appointments(scope, &filter)).expect("readable");
            let met = made.iter().any(|it| !matches!(it.state, AppointmentState::Refused));
            if !of_call && !of_number && !met {
                return Some(format!("{} wanted a time, heard {} last, and is on no list", told.story.id, told.story.last));
            }
        }
        None
    }

    /// Nothing of another tenant's people is in a tenant's rows.
    fn strangers(&self, index: usize) -> Option<String> {
        let tenant = self.tenant(index);
        let (_, gateway) = self.gateway(0)?;
        let (store, scope) = (gateway.ports.store(), tenant.scope());
        let rows = at_once(store.appointments(scope, &AppointmentFilter { limit: ALL, ..AppointmentFilter::default() }));
        let callbacks = at_once(store.callbacks(scope, &CallbackFilter { limit: ALL, ..CallbackFilter::default() }));
        let named = rows.expect("readable").into_iter().map(|row| row.attendee.name.expose().clone());
        let waiting = callbacks.expect("readable").into_iter().filter_map(|it| it.name.map(|name| name.expose().clone()));
        let inner = self.around.calendar.inner();
        let booked = inner.bookings.all().iter().filter(|it| it.tenant == tenant.slug);
        let booked = booked.map(|it| it.attendee.name.expose().clone());
        let mut names = named.chain(waiting).chain(booked);
        let stranger = names.find(|name| !name.ends_with(SURNAMES[index]));
        stranger.map(|name| format!("{name} is no caller of {}", tenant.slug))
    }
}
