//! The clock of the old addresses, and the variables that an old agent's prompt is filled with.

use frontdesk_core::call::Phone;
use frontdesk_core::outcome::{CallerInfo, Offer};
use frontdesk_core::reply;
use frontdesk_core::spoken;
use frontdesk_core::tenant::{Language, Tenant, Zone};
use jiff::civil::Weekday;
use jiff::{Timestamp, ToSpan as _, ZonedDateTime};
use serde_json::{Map, Value, json};

use super::{CLOCK, DAY, GERMAN_DAY};

/// Two addresses have no tenant: they always told the time in Berlin.
fn in_berlin(now: Timestamp) -> ZonedDateTime {
    let zone = Zone::named("Europe/Berlin").expect("INVARIANT: the bundled time zones hold Berlin");
    now.to_zoned_datetime(zone.rules().clone())
}

/// `POST /api/retell/current-time-berlin`.
pub(crate) fn current_time_berlin(now: Timestamp) -> Value {
    let local = in_berlin(now);
    json!({
        "success": true,
        "current_time": local.strftime("%Y-%m-%dT%H:%M:%S%:z").to_string(),
        "date": local.strftime(DAY).to_string(),
        "time": local.strftime(CLOCK).to_string(),
        "weekday": spoken::weekday(Language::De, local.weekday()),
        "timezone": "Europe/Berlin",
    })
}

/// `GET /api/zeitinfo`.
pub(crate) fn zeitinfo(now: Timestamp) -> Value {
    let local = in_berlin(now);
    json!({
        "date": local.strftime(GERMAN_DAY).to_string(),
        "time": local.strftime(CLOCK).to_string(),
        "weekday": spoken::weekday(Language::De, local.weekday()),
        "iso_date": local.strftime(DAY).to_string(),
        "week_number": local.date().iso_week_date().week(),
    })
}

/// Every variable that a prompt may use, the old names and ours. The platform takes strings only.
pub(crate) fn old_dynamic_variables(
    caller: &CallerInfo,
    next: &[Offer],
    tenant: &Tenant,
    phone: Option<&Phone>,
    now: Timestamp,
) -> Map<String, Value> {
    let local = now.to_zoned_datetime(tenant.zone().clone());
    let today = local.date();
    let german = |days: i64| today.saturating_add(days.days()).strftime(GERMAN_DAY).to_string();
    let to_monday = match i64::from(Weekday::Monday.since(today.weekday())) {
        0 => 7,
        days => days,
    };
    let weekday = spoken::weekday(tenant.language, today.weekday());
    let on = |days: i64| -> String {
        let day = today.saturating_add(days.days());
        let times: Vec<String> = next
            .iter()
            .map(|offer| offer.start.to_zoned_datetime(tenant.zone().clone()))
            .filter(|start| start.date() == day)
            .map(|start| start.strftime(CLOCK).to_string())
            .collect();
        times.join(", ")
    };
    let spoken_next: Vec<String> = next.iter().map(|offer| reply::slot_spoken(offer, tenant, now)).collect();
    let name = caller.name.as_ref().map(|name| name.expose().clone()).unwrap_or_default();
    let variables = [
        ("customer_phone", phone.map(|phone| phone.e164().to_owned()).unwrap_or_default()),
        ("heute_datum", german(0)),
        ("morgen", german(1)),
        ("uebermorgen", german(2)),
        ("naechster_montag", german(to_monday)),
        ("current_date", today.to_string()),
        ("current_time", local.strftime(CLOCK).to_string()),
        ("current_weekday", weekday.to_owned()),
        ("current_year", local.strftime("%Y").to_string()),
        ("current_month", local.strftime("%m").to_string()),
        ("verfuegbare_termine_heute", on(0)),
        ("verfuegbare_termine_morgen", on(1)),
        ("naechster_freier_termin", spoken_next.first().cloned().unwrap_or_default()),
        ("caller_name", name),
        ("caller_known", caller.known.to_string()),
        ("today", today.to_string()),
        ("now", local.strftime(CLOCK).to_string()),
        ("weekday", weekday.to_owned()),
        ("time_zone", tenant.time_zone.name().to_owned()),
        ("business_name", tenant.name.clone()),
        ("next_slots", spoken_next.join("; ")),
    ];
    variables.into_iter().map(|(name, value)| (name.to_owned(), Value::String(value))).collect()
}

/// The answer to `call_started`.
pub(crate) fn old_call_started(call_id: &str, variables: Map<String, Value>) -> Value {
    let next = variables.get("next_slots").cloned().unwrap_or_default();
    let is_known = next.as_str().is_some_and(|text| !text.is_empty());
    json!({
        "success": true,
        "tracking": true,
        "call_id": call_id,
        "status": "ongoing",
        "custom_data": variables,
        "response_data": {
            "available_appointments": next,
            "booking_enabled": true,
            "calendar_status": if is_known { "active" } else { "unknown" },
        },
    })
}
