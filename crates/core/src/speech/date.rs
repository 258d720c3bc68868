//! Days out of a run of words.
//!
//! A bare weekday is its next occurrence, never today. `nächsten Freitag` has two usual readings when
//! a Friday is still to come this week, and is a question then. A day and month without a year is
//! this year's, or next year's if this year's lies more than half a year back; a day that has only
//! just passed is a question. `13.` alone is the next thirteenth.

use jiff::civil::{Date, Weekday};
use jiff::{Span, ToSpan as _};

use super::when::{DateWish, Unclear};
use super::words::{month, number, ordinal, weekday};

/// Days back up to which a date without a year is taken to be this year's, long gone or not.
const RECENT_DAYS: i32 = 183;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Which {
    This,
    Next,
    Coming,
    AfterNext,
}

/// What words say about the day.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Said {
    relative: Option<Date>,
    weekday: Option<Weekday>,
    which: Option<Which>,
    week: Option<i8>,
    /// Year if said, month, day.
    explicit: Option<(Option<i16>, i8, i8)>,
    /// Two readings of `3/4`.
    slashed: Option<(Option<i16>, i8, i8)>,
    day_only: Option<i8>,
    weekend: Option<i8>,
    whole_month: Option<i8>,
    /// "in two weeks" on top of the rest.
    plus: i32,
    has_plus: bool,
}

impl Said {
    /// Whether any day was named.
    pub(super) fn is_some(&self) -> bool {
        self.relative.is_some()
            || self.weekday.is_some()
            || self.week.is_some()
            || self.explicit.is_some()
            || self.slashed.is_some()
            || self.day_only.is_some()
            || self.weekend.is_some()
            || self.whole_month.is_some()
            || self.has_plus
    }
}

/// Reads a piece of a date at the front of `words`; says how many words it took.
pub(super) fn take(words: &[&str], said: &mut Said, today: Date) -> usize {
    let Some(first) = words.first().copied() else { return 0 };
    let second = words.get(1).copied().unwrap_or("");
    if words.starts_with(&["the", "day", "after", "tomorrow"]) || words.starts_with(&["day", "after", "tomorrow"]) {
        said.relative = today.checked_add(2.days()).ok();
        return if first == "the" { 4 } else { 3 };
    }
    match first {
        "heute" | "today" | "heut" => return relative(said, today, 0),
        "tonight" => {
            said.relative = Some(today);
            return 0;
        }
        "tomorrow" => return relative(said, today, 1),
        "morgen" if !said.is_some() => return relative(said, today, 1),
        "uebermorgen" => return relative(said, today, 2),
        "gestern" | "yesterday" => return relative(said, today, -1),
        "vorgestern" => return relative(said, today, -2),
        "in" => {
            if let Some(count) = number(second).or((second == "a").then_some(1))
                && let Some(unit) = words.get(2).copied().and_then(days_of)
            {
                said.plus += i32::try_from(count).unwrap_or(0) * unit;
                said.has_plus = true;
                return 3;
            }
            return 0;
        }
        "wochenende" | "weekend" => {
            said.weekend = Some(match said.which.take() {
                Some(Which::Next) => 1,
                Some(Which::AfterNext) => 2,
                Some(Which::This | Which::Coming) | None => 0,
            });
            return 1;
        }
        "woche" | "week" | "kw" => {
            let week = match said.which.take() {
                Some(Which::This) => 0,
                Some(Which::Next | Which::Coming) => 1,
                Some(Which::AfterNext) => 2,
                None => return 0,
            };
            said.week = Some(week);
            return 1;
        }
        "monat" | "month" => {
            let ahead = match said.which.take() {
                Some(Which::This) => 0,
                Some(Which::Next | Which::Coming) => 1,
                Some(Which::AfterNext) => 2,
                None => return 0,
            };
            said.whole_month = Some(ahead);
            return 1;
        }
        _ => {}
    }
    if let Some(which) = which(first) {
        said.which = Some(which);
        return 1;
    }
    // "so" is a Sunday only where nothing else can be meant.
    if let Some(day) = weekday(first).filter(|_| words.len() == 1 || !["so", "do"].contains(&first)) {
        said.weekday = Some(day);
        return 1;
    }
    if let Some(taken) = written(first, second, words, said) {
        return taken;
    }
    if let Some(month) = month(first) {
        let after_the = usize::from(second == "the");
        let day = words.get(1 + after_the).copied().unwrap_or("");
        if let Some(day) = ordinal(day).or_else(|| number(day).filter(|day| (1..=31).contains(day))) {
            let mut taken = 2 + after_the;
            let year = words.get(taken).copied().and_then(year);
            taken += usize::from(year.is_some());
            said.explicit = Some((year, month, small(day)));
            return taken;
        }
        return 0;
    }
    if let Some(day) = ordinal(first).or_else(|| number(first).filter(|day| (1..=31).contains(day) && month(second).is_some())) {
        return spoken(day, words, said);
    }
    0
}

fn relative(said: &mut Said, today: Date, days: i32) -> usize {
    said.relative = today.checked_add(days.days()).ok();
    1
}

fn days_of(unit: &str) -> Option<i32> {
    match unit {
        "tag" | "tage" | "tagen" | "day" | "days" => Some(1),
        "woche" | "wochen" | "week" | "weeks" => Some(7),
        _ => None,
    }
}

fn which(word: &str) -> Option<Which> {
    let stem = word.strip_suffix(['r', 'n', 's', 'm']).unwrap_or(word);
    match (stem, word) {
        ("diese", _) | (_, "this") => Some(Which::This),
        ("naechste", _) | (_, "next") => Some(Which::Next),
        ("kommende" | "folgende", _) | (_, "coming") => Some(Which::Coming),
        ("uebernaechste", _) => Some(Which::AfterNext),
        _ => None,
    }
}

/// `2026-03-13`, `13.03.2026`, `13.3.`, `3/13/2026`, and `13. 3. 2026` with spaces.
fn written(first: &str, second: &str, words: &[&str], said: &mut Said) -> Option<usize> {
    if let [year, month, day] = first.split('-').collect::<Vec<_>>().as_slice()
        && year.len() == 4
    {
        said.explicit = Some((Some(year.parse().ok()?), digits(month)?, digits(day)?));
        return Some(1);
    }
    if first.contains('/') {
        let parts: Vec<&str> = first.split('/').collect();
        let (a, b, year) = match parts.as_slice() {
            [a, b] => (digits(a)?, digits(b)?, None),
            [a, b, y] => (digits(a)?, digits(b)?, Some(year(y)?)),
            _ => return None,
        };
        match (a, b) {
            (13.., 1..=12) => said.explicit = Some((year, b, a)),
            (1..=12, 13..) => said.explicit = Some((year, a, b)),
            (a, b) if a == b => said.explicit = Some((year, a, b)),
            (a, b) => said.slashed = Some((year, a, b)),
        }
        return Some(1);
    }
    if !first.contains('.') {
        return None;
    }
    let parts: Vec<&str> = first.trim_end_matches('.').split('.').collect();
    match parts.as_slice() {
        [day, month, year_text] => {
            said.explicit = Some((Some(year(year_text)?), in_year(digits(month)?)?, digits(day)?));
            Some(1)
        }
        [day, month] => {
            let (day, month) = (digits(day)?, in_year(digits(month)?)?);
            let year = year(second).filter(|_| second.len() == 4);
            said.explicit = Some((year, month, day));
            Some(1 + usize::from(year.is_some()))
        }
        // "13." "3." or "13." "03.2026"
        [day] if first.ends_with('.') => {
            let next: Vec<&str> = second.trim_matches('.').split('.').collect();
            let day = digits(day)?;
            match next.as_slice() {
                [month] if second.ends_with('.') && !second.is_empty() => {
                    let month = in_year(digits(month)?)?;
                    let year = words.get(2).copied().and_then(year).filter(|_| words.get(2).is_some_and(|text| text.len() == 4));
                    said.explicit = Some((year, month, day));
                    Some(2 + usize::from(year.is_some()))
                }
                [month, year_text] if !year_text.is_empty() => {
                    said.explicit = Some((Some(year(year_text)?), in_year(digits(month)?)?, day));
                    Some(2)
                }
                _ => None,
            }
        }
        _ => None,
    }
}

/// `dreizehnter März`, `thirteenth of March`, `dreizehnten dritten`, or the day alone.
fn spoken(day: u32, words: &[&str], said: &mut Said) -> usize {
    let mut taken = 1;
    while matches!(words.get(taken).copied(), Some("of" | "im" | "des")) {
        taken += 1;
    }
    let next = words.get(taken).copied().unwrap_or("");
    let named = month(next).or_else(|| ordinal(next).filter(|month| *month <= 12).map(small));
    match named {
        Some(month) => {
            taken += 1;
            let year = words.get(taken).copied().and_then(year).filter(|_| words.get(taken).is_some_and(|text| text.len() == 4));
            taken += usize::from(year.is_some());
            said.explicit = Some((year, month, small(day)));
        }
        None => {
            taken = 1;
            said.day_only = Some(small(day));
        }
    }
    taken
}

fn digits(text: &str) -> Option<i8> {
    (1..=2).contains(&text.len()).then(|| text.parse().ok()).flatten().filter(|number| *number > 0)
}

fn in_year(month: i8) -> Option<i8> {
    (1..=12).contains(&month).then_some(month)
}

fn year(text: &str) -> Option<i16> {
    if !text.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    match text.len() {
        4 => text.parse().ok().filter(|year| (1900..=2200).contains(year)),
        2 => text.parse::<i16>().ok().map(|year| 2000 + year),
        _ => None,
    }
}

fn small(number: u32) -> i8 {
    i8::try_from(number).unwrap_or(0)
}

/// What the words mean, seen from `today`.
pub(super) fn resolve(said: &Said, today: Date) -> Result<DateWish, Unclear> {
    let on = |date: Date| future(date, today).map(DateWish::On);
    if let Some((year, a, b)) = said.slashed {
        let mut candidates = Vec::new();
        for (month, day) in [(a, b), (b, a)] {
            if let Ok(date) = dated(year, month, day, today)
                && date >= today
            {
                candidates.push(date);
            }
        }
        candidates.sort_unstable();
        return match candidates.as_slice() {
            [] => Err(Unclear::InThePast { date: None, time: None }),
            [one] => on(*one),
            _ => Err(Unclear::AmbiguousDate { candidates }),
        };
    }
    if let Some((year, month, day)) = said.explicit {
        let date = dated(year, month, day, today)?;
        return agrees(said.weekday, date, today).and_then(on);
    }
    if let Some(day) = said.day_only {
        let date = next_day_of_month(day, today).ok_or(Unclear::NonexistentDate)?;
        return agrees(said.weekday, date, today).and_then(on);
    }
    if let Some(base) = said.relative {
        let date = shift(base, said.plus)?;
        return agrees(said.weekday, date, today).and_then(on);
    }
    if let Some(day) = said.weekday {
        return by_weekday(said, day, today);
    }
    if said.has_plus {
        return on(shift(today, said.plus)?);
    }
    if let Some(weeks) = said.weekend {
        let saturday = in_week(today, weeks, Weekday::Saturday)?;
        return between(saturday, shift(saturday, 1)?, today);
    }
    if let Some(weeks) = said.week {
        return between(in_week(today, weeks, Weekday::Monday)?, in_week(today, weeks, Weekday::Sunday)?, today);
    }
    if let Some(months) = said.whole_month {
        let first = add(today.first_of_month(), Span::new().months(i64::from(months)))?;
        return between(first, first.last_of_month(), today);
    }
    Ok(DateWish::Any)
}

fn by_weekday(said: &Said, day: Weekday, today: Date) -> Result<DateWish, Unclear> {
    if let Some(weeks) = said.week {
        return future(in_week(today, weeks, day)?, today).map(DateWish::On);
    }
    let coming = next_weekday(today, day)?;
    let date = match said.which {
        None | Some(Which::Coming) => coming,
        Some(Which::This) if today.weekday() == day => today,
        Some(Which::This) => coming,
        Some(Which::Next) => {
            let in_next_week = in_week(today, 1, day)?;
            if coming != in_next_week {
                return Err(Unclear::AmbiguousDate { candidates: vec![coming, in_next_week] });
            }
            coming
        }
        Some(Which::AfterNext) => shift(coming, 7)?,
    };
    future(shift(date, said.plus)?, today).map(DateWish::On)
}

/// The date, in this year or the next where none is said.
fn dated(year: Option<i16>, month: i8, day: i8, today: Date) -> Result<Date, Unclear> {
    if let Some(year) = year {
        return Date::new(year, month, day).map_err(|_| Unclear::NonexistentDate);
    }
    let this_year = Date::new(today.year(), month, day);
    match this_year {
        Ok(date) if date >= today => Ok(date),
        Ok(date) if (today - date).get_days() <= RECENT_DAYS => Ok(date),
        _ => Date::new(today.year() + 1, month, day).map_err(|_| Unclear::NonexistentDate),
    }
}

fn future(date: Date, today: Date) -> Result<Date, Unclear> {
    if date < today { Err(Unclear::InThePast { date: Some(date), time: None }) } else { Ok(date) }
}

/// A weekday beside a date has to be that date's.
fn agrees(said: Option<Weekday>, date: Date, today: Date) -> Result<Date, Unclear> {
    let Some(said) = said.filter(|said| *said != date.weekday()) else { return Ok(date) };
    let ahead = said.since(date.weekday());
    let nearest = if ahead <= 3 { shift(date, i32::from(ahead))? } else { shift(date, i32::from(ahead) - 7)? };
    let mut candidates = vec![date, nearest];
    candidates.retain(|candidate| *candidate >= today);
    candidates.sort_unstable();
    Err(Unclear::Contradiction { date, said, candidates })
}

fn next_weekday(today: Date, day: Weekday) -> Result<Date, Unclear> {
    let ahead = match day.since(today.weekday()) {
        0 => 7,
        ahead => ahead,
    };
    shift(today, i32::from(ahead))
}

/// That weekday of the week that begins on a Monday, `weeks` from this one.
fn in_week(today: Date, weeks: i8, day: Weekday) -> Result<Date, Unclear> {
    let since_monday = i32::from(today.weekday().to_monday_zero_offset());
    shift(today, i32::from(weeks) * 7 - since_monday + i32::from(day.to_monday_zero_offset()))
}

fn next_day_of_month(day: i8, today: Date) -> Option<Date> {
    let mut first = today.first_of_month();
    for _ in 0..12 {
        if let Ok(date) = Date::new(first.year(), first.month(), day)
            && date >= today
        {
            return Some(date);
        }
        first = first.checked_add(1.month()).ok()?;
    }
    None
}

fn between(from: Date, to: Date, today: Date) -> Result<DateWish, Unclear> {
    if to < today {
        return Err(Unclear::InThePast { date: Some(to), time: None });
    }
    Ok(DateWish::Between { from: from.max(today), to })
}

fn shift(date: Date, days: i32) -> Result<Date, Unclear> {
    add(date, days.days())
}

fn add(date: Date, span: Span) -> Result<Date, Unclear> {
    date.checked_add(span).map_err(|_| Unclear::NonexistentDate)
}
