//! An outcome as a voice agent gets it: one flat object with a sentence to speak.

use frontdesk_core::outcome::{Answer, Choice, Confirm, DayInfo, Offer, Outcome, Promise, ServiceInfo, Shown};
use frontdesk_core::reply;
use frontdesk_core::tenant::Tenant;
use jiff::Timestamp;
use serde_json::{Map, Value, json};

/// The answer to a function call.
pub(crate) fn render(outcome: &Outcome, tenant: &Tenant, now: Timestamp, request_id: &str) -> Value {
    let mut answer = Map::new();
    answer.insert("success".into(), outcome.is_success().into());
    answer.insert("status".into(), outcome.status().into());
    answer.insert("message".into(), reply::sentence(outcome, tenant, now).into());
    answer.insert("slots".into(), outcome.offers().iter().map(|offer| slot(offer, tenant, now)).collect());
    answer.insert("next_action".into(), json!(outcome.next_action()));
    details(&mut answer, outcome, tenant, now);
    answer.insert("request_id".into(), request_id.into());
    Value::Object(answer)
}

/// A slot as the contract has it.
pub(crate) fn slot(offer: &Offer, tenant: &Tenant, now: Timestamp) -> Value {
    let mut slot = Map::new();
    if let Some(id) = &offer.slot {
        slot.insert("slot_id".into(), json!(id));
    }
    slot.insert("start".into(), rfc3339(offer.start, tenant).into());
    slot.insert("end".into(), rfc3339(offer.end, tenant).into());
    slot.insert("service".into(), offer.service.as_str().into());
    slot.insert("staff".into(), offer.staff.as_deref().into());
    slot.insert("spoken".into(), reply::slot_spoken(offer, tenant, now).into());
    match offer.held_until {
        Some(until) => slot.insert("held_until".into(), rfc3339(until, tenant).into()),
        None => slot.insert("unverified".into(), true.into()),
    };
    Value::Object(slot)
}

/// An instant on the tenant's clock, with its offset.
pub(crate) fn rfc3339(at: Timestamp, tenant: &Tenant) -> String {
    let whole = Timestamp::from_second(at.as_second()).unwrap_or(at);
    whole.display_with_offset(tenant.zone().to_offset(at)).to_string()
}

fn appointment(shown: &Shown, tenant: &Tenant, now: Timestamp) -> Value {
    json!({
        "booking_id": shown.booking,
        "start": rfc3339(shown.start, tenant),
        "end": rfc3339(shown.end, tenant),
        "service": shown.service,
        "staff": shown.staff,
        "status": shown.state,
        "spoken": reply::shown_spoken(shown, tenant, now),
    })
}

fn about(answer: &mut Map<String, Value>, shown: &Shown, tenant: &Tenant, now: Timestamp) {
    if let Value::Object(fields) = appointment(shown, tenant, now) {
        answer.extend(fields.into_iter().filter(|(name, _)| name != "status"));
    }
}

fn promised(answer: &mut Map<String, Value>, promise: Option<&Promise>, tenant: &Tenant) {
    if let Some(promise) = promise {
        answer.insert("callback_id".into(), json!(promise.callback));
        answer.insert("due".into(), json!(rfc3339(promise.due, tenant)));
    }
}

fn details(answer: &mut Map<String, Value>, outcome: &Outcome, tenant: &Tenant, now: Timestamp) {
    match outcome {
        Outcome::Booked { appointment, already } => {
            about(answer, appointment, tenant, now);
            if *already {
                answer.insert("already".into(), json!(true));
            }
        }
        Outcome::Pending { appointment, promise, .. } => {
            about(answer, appointment, tenant, now);
            promised(answer, promise.as_ref(), tenant);
        }
        Outcome::Cancelled(shown) => about(answer, shown, tenant, now),
        Outcome::Rescheduled { appointment, from } => {
            about(answer, appointment, tenant, now);
            answer.insert("old_start".into(), json!(rfc3339(*from, tenant)));
        }
        Outcome::NeedsConfirmation(Confirm::Cancel(shown) | Confirm::Move { appointment: shown, .. }) => {
            answer.insert("appointment".into(), appointment(shown, tenant, now));
        }
        Outcome::NeedsInput { missing, question } => {
            let missing: Vec<&str> = missing.iter().map(|need| need.word()).collect();
            answer.insert("missing".into(), json!(missing));
            answer.insert("reason".into(), json!(question.reason()));
        }
        Outcome::Ambiguous(choice) => {
            let candidates = match choice {
                Choice::Services(names) | Choice::Staff(names) => json!(names),
                Choice::Appointments(several) => {
                    json!(several.iter().map(|shown| appointment(shown, tenant, now)).collect::<Vec<_>>())
                }
            };
            answer.insert("candidates".into(), candidates);
        }
        Outcome::Denied { denial, .. } => {
            answer.insert("reason".into(), json!(denial.reason()));
        }
        Outcome::Ok(found) => self::answer(answer, found, tenant, now),
        Outcome::NotFound(frontdesk_core::outcome::Missed::Service(names) | frontdesk_core::outcome::Missed::Staff(names)) => {
            answer.insert("candidates".into(), json!(names));
        }
        Outcome::CallbackQueued(promise) => promised(answer, Some(promise), tenant),
        Outcome::TemporarilyUnavailable(promise) | Outcome::Error(promise) => promised(answer, promise.as_ref(), tenant),
        Outcome::RateLimited { retry_after } => {
            answer.insert("retry_after".into(), json!(retry_after.as_secs() + i64::from(retry_after.subsec_nanos() > 0)));
        }
        Outcome::Invalid { field } => {
            answer.insert("field".into(), json!(field));
            answer.insert("missing".into(), json!([field]));
        }
        Outcome::Available(_)
        | Outcome::Offered { .. }
        | Outcome::Unavailable(_)
        | Outcome::NeedsConfirmation(Confirm::Book(_))
        | Outcome::NotFound(_)
        | Outcome::Taken(_) => {}
    }
}

fn answer(answer: &mut Map<String, Value>, found: &Answer, tenant: &Tenant, now: Timestamp) {
    match found {
        Answer::Services(services) => {
            let services: Vec<Value> = services.iter().map(service).collect();
            answer.insert("services".into(), json!(services));
        }
        Answer::Hours(days) => {
            let days: Vec<Value> = days.iter().map(|day| hours(day, tenant)).collect();
            answer.insert("hours".into(), json!(days));
        }
        Answer::Date { from, to, time } => {
            answer.insert("date".into(), json!(from.to_string()));
            answer.insert("weekday".into(), json!(frontdesk_core::spoken::weekday(tenant.language, from.weekday())));
            if from != to {
                answer.insert("date_to".into(), json!(to.to_string()));
            }
            if let Some(time) = time {
                answer.insert("time".into(), json!(time.strftime("%H:%M").to_string()));
            }
        }
        Answer::Caller(caller) => {
            answer.insert("caller".into(), self::caller(caller, tenant, now));
        }
        Answer::Welcome { caller, .. } => {
            answer.insert("caller".into(), self::caller(caller, tenant, now));
            let local = now.to_zoned_datetime(tenant.zone().clone());
            answer.insert("today".into(), json!(local.date().to_string()));
            answer.insert("now".into(), json!(local.strftime("%H:%M").to_string()));
            answer.insert("weekday".into(), json!(frontdesk_core::spoken::weekday(tenant.language, local.weekday())));
            answer.insert("time_zone".into(), json!(tenant.time_zone.name()));
            answer.insert("business_name".into(), json!(tenant.name));
        }
        Answer::Appointments(several) => {
            let several: Vec<Value> = several.iter().map(|shown| appointment(shown, tenant, now)).collect();
            answer.insert("appointments".into(), json!(several));
        }
        Answer::Released => {
            answer.insert("released".into(), json!(true));
        }
        Answer::Held(_) => {
            answer.insert("held".into(), json!(true));
        }
    }
}

fn service(service: &ServiceInfo) -> Value {
    json!({ "name": service.name, "minutes": service.minutes })
}

fn hours(day: &DayInfo, tenant: &Tenant) -> Value {
    let clock = |at: Timestamp| at.to_zoned_datetime(tenant.zone().clone()).strftime("%H:%M").to_string();
    let open: Vec<String> = day.open.iter().map(|(from, to)| format!("{}-{}", clock(*from), clock(*to))).collect();
    json!({
        "date": day.date.to_string(),
        "weekday": frontdesk_core::spoken::weekday(tenant.language, day.date.weekday()),
        "open": open,
        "reason": day.reason,
    })
}

fn caller(caller: &frontdesk_core::outcome::CallerInfo, tenant: &Tenant, now: Timestamp) -> Value {
    json!({
        "known": caller.known,
        "name": caller.name.as_ref().map(|name| name.expose().clone()),
        "usual_service": caller.usual_service,
        "appointments": caller.appointments.iter().map(|shown| appointment(shown, tenant, now)).collect::<Vec<_>>(),
        "last_visit": caller.last_visit.map(|at| rfc3339(at, tenant)),
        "total": caller.total,
    })
}
