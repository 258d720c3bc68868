//! What a calendar tells, applied in one transaction: once, and never over something newer.

mod marks;

use frontdesk_core::booking::{Appointment, AppointmentState, Attendee, Callback, Intent, IntentKind, IntentState};
use frontdesk_core::calendar_news::{Applied, CLOCKS_DIFFER, CalendarNews, NewsKind, Placed};
use frontdesk_core::ids::{BookingId, CallbackId, TenantId};
use frontdesk_core::outbox::{Event, Origin};
use frontdesk_core::ports::{Settlement, StoreError};
use frontdesk_core::sensitive::Sensitive;
use frontdesk_core::slot::Resource;
use frontdesk_core::tenant::Scope;
use jiff::{SignedDuration, Timestamp};

use super::diary::insert_appointment;
use super::holds::{Claimant, LONGEST_MS, delete_occupancy, occupy};
use super::{Store, callbacks, diary_rows, settle};
use crate::engine::{Tx, args};
use crate::rows::{Reading, ms};
use marks::{is_newest, is_our_own_coming, is_trace};

impl Store {
    /// What happened to an appointment, in order: one word each.
    pub async fn history(&self, scope: Scope<'_>, appointment: &BookingId) -> Result<Vec<String>, StoreError> {
        let (tenant, appointment) = (scope.tenant().clone(), appointment.clone());
        self.engine
            .read(move |tx| {
                let rows = tx.all(
                    "SELECT what FROM appointment_history WHERE tenant = ? AND appointment = ? ORDER BY id",
                    args![tenant.as_str(), appointment.as_str()],
                )?;
                rows.iter().map(|row| Reading { table: "appointment_history", row }.text("what")).collect()
            })
            .await
    }
}

/// A booking that surfaces after a refusal is looked for this much longer.
const WATCH: SignedDuration = SignedDuration::from_mins(10);

pub(super) fn apply(
    tx: &mut Tx<'_>,
    tenant: &TenantId,
    news: &CalendarNews,
    placed: Option<&Placed>,
    item: &CallbackId,
    now: Timestamp,
) -> Result<Applied, StoreError> {
    let applied = match take_up(tx, tenant, news, placed, now)? {
        Applied::Made(id) | Applied::Changed(id) if news.is_endless => Applied::Contradicts(id),
        applied => applied,
    };
    // In the same transaction: the news comes once, and so would the chance to say that somebody has to look.
    if let Applied::Overlaps(id) | Applied::Contradicts(id) = &applied {
        let row = tx.first("SELECT * FROM appointments WHERE tenant = ? AND id = ?", args![tenant.as_str(), id.as_str()])?;
        if let Some(appointment) = row.as_ref().map(diary_rows::appointment).transpose()? {
            callbacks::add(tx, tenant, &Callback::about(&appointment, item.clone(), now))?;
        }
    }
    Ok(applied)
}

fn take_up(
    tx: &mut Tx<'_>,
    tenant: &TenantId,
    news: &CalendarNews,
    placed: Option<&Placed>,
    now: Timestamp,
) -> Result<Applied, StoreError> {
    let first = tx.run(
        "INSERT INTO calendar_events (tenant, digest, kept, at) VALUES (?, ?, ?, ?) ON CONFLICT (tenant, digest) DO NOTHING",
        args![tenant.as_str(), &news.digest, news.kind.as_str(), ms(now)],
    )?;
    if first == 0 {
        return Ok(tx.undone(Applied::Repeated));
    }
    let (known, by_mark) = find(tx, tenant, news)?;
    if let (Some(listed_at), Some(appointment)) = (news.listed_at, &known)
        && is_in_flux(tx, tenant, &appointment.id, listed_at)?
    {
        return Ok(tx.undone(Applied::TooEarly));
    }
    if let (NewsKind::NoShow | NewsKind::Ended, known) = (news.kind, &known) {
        if let Some(appointment) = known {
            note(tx, tenant, &appointment.id, news.kind.as_str(), now)?;
        }
        return Ok(Applied::Nothing);
    }
    if known.is_none() && is_our_own_coming(tx, tenant, news)? {
        // A webhook comes once, and the answer says the same; a list can be heard again.
        return Ok(if news.listed_at.is_some() { tx.undone(Applied::TooEarly) } else { Applied::Nothing });
    }
    if !is_newest(tx, tenant, news)? {
        return Ok(Applied::Stale);
    }
    match known {
        Some(appointment) if has_parts(tx, tenant, &appointment.id)? => of_a_part(tx, tenant, news, &appointment, now),
        // Our mark on a booking that is not the one we know: it was stored twice, or somebody copied the mark.
        Some(appointment) if is_another(by_mark, &appointment) => match news.kind {
            NewsKind::Created | NewsKind::Rescheduled => Ok(Applied::Contradicts(appointment.id)),
            _ => Ok(Applied::Nothing),
        },
        Some(appointment) => {
            if let Some(ical) = &news.ical_uid {
                settle::name_in_calendar(tx, tenant, &appointment.id, ical)?;
            }
            match news.kind {
                NewsKind::Created | NewsKind::Rescheduled => stands(tx, tenant, news, &appointment, placed, now),
                NewsKind::Cancelled | NewsKind::Rejected => is_gone(tx, tenant, news, &appointment, now),
                NewsKind::Requested | NewsKind::NoShow | NewsKind::Ended => Ok(Applied::Nothing),
            }
        }
        None => match placed {
            Some(placed) => made_elsewhere(tx, tenant, news, placed, now),
            None => Ok(Applied::Nothing),
        },
    }
}

/// The appointment that the news is about, by whatever it can be known by; and whether that is our mark alone.
fn find(tx: &mut Tx<'_>, tenant: &TenantId, news: &CalendarNews) -> Result<(Option<Appointment>, bool), StoreError> {
    let tenant = tenant.as_str();
    let mut row = None;
    for uid in [Some(&news.uid), news.former_uid.as_ref()].into_iter().flatten() {
        if row.is_none() {
            row = tx.first("SELECT * FROM appointments WHERE tenant = ? AND calendar_uid = ?", args![tenant, uid])?;
        }
    }
    if let (None, Some(ical)) = (&row, &news.ical_uid) {
        row = tx.first("SELECT * FROM appointments WHERE tenant = ? AND ical_uid = ?", args![tenant, ical])?;
    }
    for uid in [Some(&news.uid), news.former_uid.as_ref()].into_iter().flatten() {
        if row.is_none() {
            row = tx.first(
                "SELECT appointments.* FROM appointments
                 JOIN appointment_parts ON appointment_parts.tenant = appointments.tenant
                  AND appointment_parts.appointment = appointments.id
                 WHERE appointment_parts.tenant = ? AND appointment_parts.calendar_uid = ?",
                args![tenant, uid],
            )?;
        }
    }
    let mut by_mark = false;
    if let (None, Some(intent)) = (&row, &news.intent) {
        by_mark = true;
        row = tx.first(
            "SELECT appointments.* FROM appointments
             JOIN intents ON intents.tenant = appointments.tenant AND intents.appointment = appointments.id
             WHERE intents.tenant = ? AND intents.id = ?",
            args![tenant, intent.as_str()],
        )?;
    }
    Ok((row.as_ref().map(diary_rows::appointment).transpose()?, by_mark))
}

/// Whether it is only our mark that the news and the appointment share.
fn is_another(by_mark: bool, appointment: &Appointment) -> bool {
    by_mark && appointment.calendar_uid.is_some()
}

fn has_parts(tx: &mut Tx<'_>, tenant: &TenantId, appointment: &BookingId) -> Result<bool, StoreError> {
    tx.exists(
        "SELECT EXISTS (SELECT 1 FROM appointment_parts WHERE tenant = ? AND appointment = ?)",
        args![tenant.as_str(), appointment.as_str()],
    )
}

/// One part of a composite: while an attempt is open it looks for itself. Afterwards a part that people
/// moved or cancelled alone leaves something that nobody can carry out.
fn of_a_part(
    tx: &mut Tx<'_>,
    tenant: &TenantId,
    news: &CalendarNews,
    appointment: &Appointment,
    now: Timestamp,
) -> Result<Applied, StoreError> {
    let id = &appointment.id;
    if newest_intent(tx, tenant, id)?.is_some_and(|intent| !intent.state.is_settled()) {
        return Ok(Applied::Nothing);
    }
    if appointment.state != AppointmentState::Booked {
        return Ok(Applied::Nothing);
    }
    let holds = |tx: &mut Tx<'_>, uid: &str| {
        tx.exists(
            "SELECT EXISTS (SELECT 1 FROM appointment_parts WHERE tenant = ? AND appointment = ? AND calendar_uid = ?)",
            args![tenant.as_str(), id.as_str(), uid],
        )
    };
    let is_current = holds(tx, &news.uid)?;
    match news.kind {
        NewsKind::Cancelled | NewsKind::Rejected if is_current => {
            note(tx, tenant, id, "part_cancelled", now)?;
            Ok(Applied::Contradicts(id.clone()))
        }
        NewsKind::Rescheduled if !is_current => {
            let Some(former) = &news.former_uid else { return Ok(Applied::Nothing) };
            if !holds(tx, former)? {
                return Ok(Applied::Nothing);
            }
            tx.run(
                "UPDATE appointment_parts SET calendar_uid = ?, start_ms = COALESCE(?, start_ms), end_ms = COALESCE(?, end_ms),
                        updated_at = ?
                 WHERE tenant = ? AND appointment = ? AND calendar_uid = ?",
                args![&news.uid, news.start.map(ms), news.end.map(ms), ms(now), tenant.as_str(), id.as_str(), former],
            )?;
            note(tx, tenant, id, "part_rescheduled", now)?;
            Ok(Applied::Contradicts(id.clone()))
        }
        _ => Ok(Applied::Nothing),
    }
}

/// The calendar says that it stands, at the time that the news names.
fn stands(
    tx: &mut Tx<'_>,
    tenant: &TenantId,
    news: &CalendarNews,
    appointment: &Appointment,
    placed: Option<&Placed>,
    now: Timestamp,
) -> Result<Applied, StoreError> {
    let Some(start) = news.start else { return Ok(Applied::Nothing) };
    let id = &appointment.id;
    let done = |intent: &Intent, tx: &mut Tx<'_>| {
        let settlement = Settlement::Done { uid: Some(news.uid.clone()), staff: None, ical: None };
        settle::settle(tx, tenant, &intent.id, &settlement, None, now).map(|_| Applied::Changed(id.clone()))
    };
    let newest = newest_intent(tx, tenant, id)?;
    if newest.as_ref().is_some_and(|intent| is_from_before(news, appointment, intent)) {
        return Ok(Applied::Stale);
    }
    match newest {
        Some(intent) if intent.state.is_open() || intent.state.is_handed_over() => match &intent.kind {
            // Ours, and the news is quicker than the answer, or comes where no answer came.
            IntentKind::Create if start == appointment.start => return done(&intent, tx),
            // At a time that nobody agreed to: whoever carries the intent out hands it over.
            IntentKind::Create => return Ok(Applied::Nothing),
            IntentKind::Move { start: wanted, .. } if start == *wanted => return done(&intent, tx),
            IntentKind::Move { .. } if start == appointment.start => return Ok(Applied::Nothing),
            IntentKind::Move { .. } if intent.state.is_open() => {
                let why = "moved in the calendar to another time meanwhile".to_owned();
                settle::settle(tx, tenant, &intent.id, &Settlement::Refused { why }, None, now)?;
                follow(tx, tenant, news, appointment, start, placed, now)?;
                return Ok(Applied::Contradicts(id.clone()));
            }
            IntentKind::Move { .. } | IntentKind::Cancel { .. } => {}
        },
        // We had said no, and it was stored all the same: it is taken back at once.
        Some(intent) if intent.kind == IntentKind::Create && appointment.state == AppointmentState::Refused => {
            tx.run(
                // While it is watched the lease may be somebody's, who may not lose it; else nobody works on it.
                "UPDATE intents SET state = 'watched', watch_until = ?1,
                        lease_until = CASE WHEN state = 'watched' THEN lease_until ELSE ?2 END
                 WHERE tenant = ?3 AND id = ?4",
                args![ms(now + WATCH), ms(now), tenant.as_str(), intent.id.as_str()],
            )?;
            return Ok(Applied::Nothing);
        }
        Some(_) | None => {}
    }
    let is_same = start == appointment.start && appointment.calendar_uid.as_deref() == Some(news.uid.as_str());
    match appointment.state {
        AppointmentState::Booked if is_same => Ok(Applied::Nothing),
        AppointmentState::Cancelled | AppointmentState::Refused => {
            follow(tx, tenant, news, appointment, start, placed, now)?;
            Ok(Applied::Contradicts(id.clone()))
        }
        AppointmentState::Booked | AppointmentState::Pending | AppointmentState::NeedsPerson => {
            follow(tx, tenant, news, appointment, start, placed, now)
        }
    }
}

/// Whether the news was told before our own last change, which the calendar has carried out since: the news of
/// that change may be late, or never come.
fn is_from_before(news: &CalendarNews, appointment: &Appointment, intent: &Intent) -> bool {
    let current = appointment.calendar_uid.as_deref();
    let is_of_the_current = [Some(news.uid.as_str()), news.former_uid.as_deref()].contains(&current);
    let is_overtaken = match intent.kind {
        IntentKind::Create => false,
        IntentKind::Move { .. } => !is_of_the_current,
        IntentKind::Cancel { .. } => true,
    };
    is_overtaken
        && intent.state == IntentState::Done
        && news.told_at.checked_add(CLOCKS_DIFFER).is_ok_and(|told| told < intent.created_at)
}

/// The calendar says that it does not stand.
fn is_gone(
    tx: &mut Tx<'_>,
    tenant: &TenantId,
    news: &CalendarNews,
    appointment: &Appointment,
    now: Timestamp,
) -> Result<Applied, StoreError> {
    let id = &appointment.id;
    if is_trace(tx, tenant, news, appointment)? {
        return Ok(Applied::Stale);
    }
    let newest = newest_intent(tx, tenant, id)?;
    // Somebody has been told that it would be seen to.
    let mut contradicts = appointment.state == AppointmentState::NeedsPerson
        || newest.as_ref().is_some_and(|it| it.state.is_handed_over() && !matches!(it.kind, IntentKind::Cancel { .. }));
    if let Some(intent) = newest.filter(|intent| intent.state.is_open()) {
        match intent.kind {
            // Whoever carries the intent out sees it, within the minute.
            IntentKind::Create => return Ok(Applied::Nothing),
            IntentKind::Cancel { .. } => {
                let settlement = Settlement::Done { uid: None, staff: None, ical: None };
                settle::settle(tx, tenant, &intent.id, &settlement, None, now)?;
                return Ok(Applied::Changed(id.clone()));
            }
            IntentKind::Move { .. } => {
                let why = "cancelled in the calendar meanwhile".to_owned();
                settle::settle(tx, tenant, &intent.id, &Settlement::Refused { why }, None, now)?;
                contradicts = true;
            }
        }
    }
    match appointment.state {
        AppointmentState::Cancelled | AppointmentState::Refused => return Ok(Applied::Nothing),
        AppointmentState::Pending | AppointmentState::Booked | AppointmentState::NeedsPerson => {}
    }
    delete_occupancy(tx, tenant, id.as_str())?;
    settle::set_state(tx, tenant, id, "cancelled", now)?;
    // It may have been moved before, and the news of that may never come or come too late.
    tx.run(
        "UPDATE appointments SET calendar_uid = ?, start_ms = COALESCE(?, start_ms), end_ms = COALESCE(?, end_ms)
         WHERE tenant = ? AND id = ?",
        args![&news.uid, news.start.map(ms), news.end.map(ms), tenant.as_str(), id.as_str()],
    )?;
    changed(tx, tenant, id, Event::Cancelled, now)?;
    Ok(if contradicts { Applied::Contradicts(id.clone()) } else { Applied::Changed(id.clone()) })
}

/// Takes over time, uid and person from the calendar: it is what people see.
fn follow(
    tx: &mut Tx<'_>,
    tenant: &TenantId,
    news: &CalendarNews,
    appointment: &Appointment,
    start: Timestamp,
    placed: Option<&Placed>,
    now: Timestamp,
) -> Result<Applied, StoreError> {
    let id = &appointment.id;
    let length = appointment.end.duration_since(appointment.start);
    let end = news.end.or_else(|| start.checked_add(length).ok()).unwrap_or(start);
    let busy = placed.map_or_else(|| vec![(start, end)], |placed| placed.busy.clone());
    let resources = placed.map_or_else(|| vec![appointment.resource.clone()], |placed| placed.resources.clone());
    let staff = placed.and_then(|placed| placed.staff.as_deref());
    delete_occupancy(tx, tenant, id.as_str())?;
    let resource = block(tx, tenant, id, &resources, &busy, now)?;
    let fits = resource.is_some();
    let resource = resource.unwrap_or_else(|| appointment.resource.clone());
    tx.run(
        "UPDATE appointments SET start_ms = ?, end_ms = ?, resource = ?, staff = COALESCE(?, staff), calendar_uid = ?,
                state = 'booked', updated_at = ?
         WHERE tenant = ? AND id = ?",
        args![ms(start), ms(end), resource.as_str(), staff, &news.uid, ms(now), tenant.as_str(), id.as_str()],
    )?;
    if start != appointment.start {
        changed(tx, tenant, id, Event::Rescheduled, now)?;
    }
    Ok(if fits { Applied::Changed(id.clone()) } else { Applied::Overlaps(id.clone()) })
}

/// A booking that nobody here made. One that is gone is kept as well, so that older news of it finds it so.
fn made_elsewhere(
    tx: &mut Tx<'_>,
    tenant: &TenantId,
    news: &CalendarNews,
    placed: &Placed,
    now: Timestamp,
) -> Result<Applied, StoreError> {
    let stands = match news.kind {
        NewsKind::Created | NewsKind::Rescheduled => true,
        NewsKind::Cancelled => false,
        NewsKind::Requested | NewsKind::Rejected | NewsKind::NoShow | NewsKind::Ended => return Ok(Applied::Nothing),
    };
    // Until somebody has looked it is as long as its service.
    let end = news.end.or(news.is_endless.then_some(placed.usual_end));
    let (Some(start), Some(end)) = (news.start, end) else { return Ok(Applied::Nothing) };
    let id = &placed.booking;
    let resource = if stands { block(tx, tenant, id, &placed.resources, &placed.busy, now)? } else { None };
    let fits = resource.is_some();
    let Some(resource) = resource.or_else(|| placed.resources.first().cloned()) else { return Ok(Applied::Nothing) };
    let nobody = || Attendee { name: Sensitive::new(String::new()), email: None, phone: None };
    let attendee = news.attendee.clone().unwrap_or_else(nobody);
    let appointment = Appointment {
        id: id.clone(),
        call: None,
        owner: attendee.phone.clone(),
        attendee,
        service: placed.service.clone(),
        staff: placed.staff.clone(),
        resource,
        event_type: news.event_type,
        start,
        end,
        state: if stands { AppointmentState::Booked } else { AppointmentState::Cancelled },
        calendar_uid: Some(news.uid.clone()),
        notes: None,
        created_at: now,
    };
    insert_appointment(tx, tenant, &appointment, now)?;
    tx.run(
        "UPDATE appointments SET origin = 'calendar', ical_uid = ? WHERE tenant = ? AND id = ?",
        args![&news.ical_uid, tenant.as_str(), id.as_str()],
    )?;
    note(tx, tenant, id, if stands { "booked" } else { "cancelled" }, now)?;
    Ok(match (stands, fits) {
        (true, false) => Applied::Overlaps(id.clone()),
        (true, true) | (false, _) => Applied::Made(id.clone()),
    })
}

/// Blocks the time on the first of `resources` that is free then; holds of callers give way, because the
/// calendar would refuse them anyway.
fn block(
    tx: &mut Tx<'_>,
    tenant: &TenantId,
    id: &BookingId,
    resources: &[Resource],
    busy: &[(Timestamp, Timestamp)],
    now: Timestamp,
) -> Result<Option<Resource>, StoreError> {
    let claimant = Claimant { kind: "appointment", owner: id.as_str(), call: None, until: None, replaces: None, intent: None };
    for resource in resources {
        if occupy(tx, tenant, resource, busy, &claimant, now)? {
            return Ok(Some(resource.clone()));
        }
    }
    for resource in resources {
        let taken = busy.iter().try_fold(false, |taken, (from, to)| {
            let sql = "SELECT EXISTS (SELECT 1 FROM occupancy WHERE tenant = ? AND resource = ? AND kind = 'appointment'
                       AND owner <> ? AND from_ms < ? AND from_ms > ? AND to_ms > ?)";
            let here = tx.exists(
                sql,
                args![tenant.as_str(), resource.as_str(), id.as_str(), ms(*to), ms(*from) - LONGEST_MS, ms(*from)],
            )?;
            Ok::<_, StoreError>(taken || here)
        })?;
        if taken {
            continue;
        }
        for (from, to) in busy {
            // Whole: what is left of a hold is no time that could be given away.
            tx.run(
                "DELETE FROM occupancy WHERE tenant = ?1 AND kind = 'hold' AND owner IN (
                     SELECT owner FROM occupancy
                     WHERE tenant = ?1 AND resource = ?2 AND kind = 'hold' AND from_ms < ?3 AND from_ms > ?4 AND to_ms > ?5)",
                args![tenant.as_str(), resource.as_str(), ms(*to), ms(*from) - LONGEST_MS, ms(*from)],
            )?;
        }
        if occupy(tx, tenant, resource, busy, &claimant, now)? {
            return Ok(Some(resource.clone()));
        }
    }
    Ok(None)
}

/// Whether we change the appointment, or did so around the moment at which a list was read. A list is not in
/// the order of what happens: it may be from before a change that was carried out since.
fn is_in_flux(tx: &mut Tx<'_>, tenant: &TenantId, appointment: &BookingId, listed_at: Timestamp) -> Result<bool, StoreError> {
    tx.exists(
        "SELECT EXISTS (SELECT 1 FROM intents WHERE tenant = ? AND appointment = ?
                        AND (state IN ('open', 'undoing') OR COALESCE(settled_at, created_at) > ?))",
        args![tenant.as_str(), appointment.as_str(), ms(listed_at - CLOCKS_DIFFER)],
    )
}

/// The newest intent of an appointment.
fn newest_intent(tx: &mut Tx<'_>, tenant: &TenantId, appointment: &BookingId) -> Result<Option<Intent>, StoreError> {
    let row = tx.first(
        "SELECT * FROM intents WHERE tenant = ? AND appointment = ? ORDER BY created_at DESC, rowid DESC LIMIT 1",
        args![tenant.as_str(), appointment.as_str()],
    )?;
    row.as_ref().map(diary_rows::intent).transpose()
}

/// What hangs on a change that people made in the calendar; of a booking that was made there only the
/// history.
fn changed(tx: &mut Tx<'_>, tenant: &TenantId, id: &BookingId, event: Event, now: Timestamp) -> Result<(), StoreError> {
    let ours = tx.exists(
        "SELECT EXISTS (SELECT 1 FROM appointments WHERE tenant = ? AND id = ? AND origin = 'here')",
        args![tenant.as_str(), id.as_str()],
    )?;
    if ours {
        return settle::finished(tx, tenant, id, event, Some(Origin::Calendar), now);
    }
    note(tx, tenant, id, event.as_str().trim_start_matches("appointment."), now)
}

fn note(tx: &mut Tx<'_>, tenant: &TenantId, id: &BookingId, what: &str, now: Timestamp) -> Result<(), StoreError> {
    tx.run(
        "INSERT INTO appointment_history (tenant, appointment, what, start_ms, at)
         SELECT tenant, id, CAST(? AS TEXT), start_ms, CAST(? AS BIGINT) FROM appointments WHERE tenant = ? AND id = ?",
        args![what, ms(now), tenant.as_str(), id.as_str()],
    )?;
    Ok(())
}
