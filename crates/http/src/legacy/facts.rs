//! Questions that only read: services, hours, dates, the caller's own appointments.

use frontdesk_core::outcome::{Answer, DayInfo, Need, Outcome, Question, ServiceInfo, Shown};
use frontdesk_core::spoken;
use jiff::civil::Date;
use serde_json::{Map, Value, json};

use super::{CLOCK, Fields, GERMAN_DAY, View, flat};

/// A service goes by its name: what an old agent sends back as an id is understood as one.
pub(super) fn services(said: &View<'_>) -> Fields {
    let found: &[ServiceInfo] = match said.outcome {
        Outcome::Ok(Answer::Services(found)) => found,
        _ => &[],
    };
    let services: Vec<Value> = found
        .iter()
        .map(|service| {
            json!({
                "id": service.name,
                "name": service.name,
                "description": "",
                "duration": service.minutes,
                "duration_minutes": service.minutes,
                "price": Value::Null,
                "price_formatted": Value::Null,
                "category": Value::Null,
            })
        })
        .collect();
    Fields::new()
        .with("count", services.len())
        .with("shown", services.len())
        .with("services", json!(services))
        .with("branch_name", said.tenant().name.clone())
        .with("auto_selected", false)
        .with("message", said.message())
}

pub(super) fn hours(said: &View<'_>) -> Fields {
    let days: &[DayInfo] = match said.outcome {
        Outcome::Ok(Answer::Hours(days)) => days,
        _ => &[],
    };
    let fields = Fields::new().with("branch_name", said.tenant().name.clone()).with("message", said.message());
    let spans = |day: &DayInfo| -> Vec<String> {
        day.open.iter().map(|(from, to)| format!("{}-{}", said.format(*from, CLOCK), said.format(*to, CLOCK))).collect()
    };
    let name = |day: &DayInfo| spoken::weekday(said.tenant().language, day.date.weekday());
    match days {
        [] => fields.with("has_hours", false),
        [day] => fields
            .with("day", name(day))
            .with("is_open", !day.open.is_empty())
            .with("hours", json!(spans(day)))
            .with("formatted", spans(day).join(", ")),
        [today, ..] => {
            let week: Map<String, Value> = days.iter().map(|day| (name(day).to_owned(), json!(spans(day)))).collect();
            let is_open = today.open.iter().any(|(from, to)| (*from..*to).contains(&said.old.now));
            fields
                .with(
                    "today",
                    json!({
                        "day_name": name(today),
                        "is_open": !today.open.is_empty(),
                        "hours": spans(today),
                        "formatted": spans(today).join(", "),
                        "is_currently_open": is_open,
                    }),
                )
                .with("weekly_schedule", Value::Object(week))
        }
    }
}

/// `parse_date` of the dispatcher. The weekday is in the language of the caller, not always English.
pub(super) fn parsed_date(said: &View<'_>) -> Fields {
    let fields = Fields::new().with("success", said.outcome.is_success()).with("message", said.message());
    match said.outcome {
        Outcome::Ok(Answer::Date { from, .. }) => fields
            .with("date", from.to_string())
            .with("display_date", from.strftime(GERMAN_DAY).to_string())
            .with("day_name", spoken::weekday(said.tenant().language, from.weekday()))
            .with("next_action", "check_availability")
            .with("instruction", said.message()),
        Outcome::NeedsInput { question: Question::Missing(Need::Date), .. } => fields.with("error", "missing_date_string"),
        _ => fields.with("error", "invalid_date_format"),
    }
}

/// The short names of the `datetime` address; weekdays count from Monday, as it documented.
pub(super) fn datetime(said: &View<'_>) -> Map<String, Value> {
    let today = said.local(said.old.now).date();
    let Outcome::Ok(Answer::Date { from, to, .. }) = said.outcome else {
        return flat(
            Fields::new()
                .with("success", false)
                .with("s", false)
                .with("err", "PARSE_ERROR")
                .with("msg", said.message())
                .with("sug", json!([])),
        );
    };
    let week = from.iso_week_date();
    let fields = Fields::new().with("success", true).with("wk", week.week()).with("int", said.message());
    flat(if from == to {
        let language = said.tenant().language;
        let weekday: String = spoken::weekday(language, from.weekday()).chars().take(2).collect();
        let ahead = days_between(today, *from);
        fields
            .with("t", "single")
            .with("d", from.to_string())
            .with("wd", weekday)
            .with("wdn", from.weekday().to_monday_one_offset())
            .with("td", ahead == 0)
            .with("tm", ahead == 1)
            .with("df", ahead)
    } else {
        fields.with("t", "week").with("rs", from.to_string()).with("re", to.to_string()).with("yr", week.year())
    })
}

fn days_between(from: Date, to: Date) -> i64 {
    from.duration_until(to).as_hours() / 24
}

fn own<'a>(said: &View<'a>) -> &'a [Shown] {
    match said.outcome {
        Outcome::Ok(Answer::Appointments(several)) => several,
        _ => &[],
    }
}

pub(super) fn appointments(said: &View<'_>) -> Fields {
    let several = own(said);
    let shown: Vec<Value> = several.iter().map(|shown| said.appointment(shown)).collect();
    let fields = Fields::new()
        .with("success", said.outcome.is_success())
        .with("message", said.message())
        .with("appointment_count", shown.len())
        .with("appointments", json!(shown));
    let day = |shown: &Shown| said.local(shown.start).date();
    match several {
        [] if said.old.call.caller.phone().is_none() => {
            fields.with("error", "anonymous_caller").with("requires_phone_number", true)
        }
        [] => fields.with("error", "no_appointments"),
        [only] => fields.with("appointment", said.appointment(only)),
        [first, rest @ ..] if rest.iter().all(|other| day(other) == day(first)) => fields.with("same_day", true),
        [first, rest @ ..] => fields
            .with("showing", "next_only")
            .with("next_appointment", said.appointment(first))
            .with("remaining_count", rest.len()),
    }
}

pub(super) fn appointments_by_path(said: &View<'_>) -> Map<String, Value> {
    let status = match said.outcome {
        Outcome::Ok(_) => "success",
        Outcome::NotFound(_) => "not_found",
        _ => "error",
    };
    flat(appointments(said).with("status", status).with("customer_name", Value::Null))
}
