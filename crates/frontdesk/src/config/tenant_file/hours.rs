//! `[hours]` and `[[closures]]`: when a business is open.

use frontdesk_core::holidays;
use frontdesk_core::hours::{Closure, Holidays, OpeningHours, Span, WeekHours};
use jiff::civil::Date;

use super::plain;
use crate::config::reader::{Field, Section};

/// The keys of a week, Monday first.
pub(super) const WEEKDAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

const SPAN: &str = "a span such as \"09:00-12:30\"";

/// The hours of the business; the built-in calendar has no others to follow.
pub(super) fn opening_hours(root: &Section<'_>, builtin: bool) -> Option<OpeningHours> {
    if builtin {
        root.require("hours", "[hours] with at least one weekday: the built-in calendar opens by them");
    }
    root.field("hours")?;
    let at = root.section("hours", &["mon", "tue", "wed", "thu", "fri", "sat", "sun", "holidays"]);
    let noted = at.noted();
    let week = week(&at);
    if at.is_given() && week.is_empty() && at.noted() == noted {
        let instead = if builtin { "" } else { "; without [hours] the calendar's own schedule counts" };
        at.refuse("no opening", &format!("at least one weekday with a span{instead}"));
    }
    Some(OpeningHours { week, holidays: at.field("holidays").map(|field| public_holidays(&field)).unwrap_or_default() })
}

/// The days of a week that are named.
pub(super) fn week(at: &Section<'_>) -> WeekHours {
    WeekHours(WEEKDAYS.map(|day| at.field(day).map(|field| spans(&field))))
}

pub(super) fn closures(root: &Section<'_>) -> Vec<Closure> {
    let sections = root.sections("closures", &["from", "to", "reason"]);
    sections.iter().filter(|at| at.is_given()).filter_map(closure).collect()
}

/// The spans of a day; those that touch become one.
fn spans(field: &Field<'_>) -> Vec<Span> {
    let mut spans: Vec<Span> = Vec::new();
    for element in field.list("a list of spans such as [\"09:00-12:30\", \"13:30-18:00\"], [] for closed") {
        let Some(span) = element.parsed(SPAN, Span::parse) else { continue };
        match spans.last_mut() {
            Some(last) if span.from < last.to => element.refuse(&format!("a span after {last}, in order and not overlapping")),
            Some(last) if span.from == last.to => last.to = span.to,
            _ => spans.push(span),
        }
    }
    spans
}

fn public_holidays(field: &Field<'_>) -> Holidays {
    let expected = "a region such as \"DE-BE\", or a list of dates";
    if field.is_list() {
        return Holidays::Days(field.elements().iter().filter_map(Field::date).collect());
    }
    let region = field.parsed(expected, |text| holidays::is_region(text).then(|| text.to_owned()));
    region.map(Holidays::Region).unwrap_or_default()
}

fn closure(at: &Section<'_>) -> Option<Closure> {
    let expected = "the first closed day, such as \"2026-12-24\"";
    let from = at.require("from", expected).and_then(|field| field.date());
    let to = match at.field("to") {
        Some(field) => ordered(from, &field),
        None => from,
    };
    let reason = match at.field("reason").and_then(|field| field.text()) {
        Some("") => None,
        _ => at.parsed("reason", "a text of at most 200 characters", |text| plain(text, 200)),
    };
    Some(Closure { from: from?, to: to?, reason: reason.unwrap_or_default() })
}

fn ordered(from: Option<Date>, field: &Field<'_>) -> Option<Date> {
    let to = field.date()?;
    if let Some(from) = from.filter(|from| to < *from) {
        field.refuse(&format!("a date not before {from}"));
    }
    Some(to)
}
