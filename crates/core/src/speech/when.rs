//! From words for a day and a time to what they mean, or to why they are unclear.
//!
//! Either text may hold both. The caller's literal words, where an agent passes them along, win over a
//! date that a model made of them. Time is passed in: `now` is an instant on the tenant's clock.

use jiff::civil::{Date, DateTime, Time, Weekday};
use jiff::tz::AmbiguousOffset;
use jiff::{Timestamp, ZonedDateTime};

use super::time::{Clock, Reading};
use super::words::fold;
use super::{date, time};
use crate::hours::MinuteOfDay;
use crate::tenant::Language;

/// Words for a day and a time.
#[derive(Debug, Clone, Copy, Default)]
pub struct WhenText<'a> {
    /// The day; may hold the time as well.
    pub date: Option<&'a str>,
    /// The time; may hold the day as well.
    pub time: Option<&'a str>,
    /// The caller's literal words.
    pub words: Option<&'a str>,
}

/// Which day is wished for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DateWish {
    /// None was named.
    Any,
    /// One day.
    On(Date),
    /// Any of these days, both ends included; never before today.
    Between {
        /// The first.
        from: Date,
        /// The last.
        to: Date,
    },
}

/// What time is wished for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TimeWish {
    /// None was named, or any will do.
    Any,
    /// Exactly this.
    At(Time),
    /// Within this window.
    Window {
        /// First minute.
        from: MinuteOfDay,
        /// Last minute, exclusive.
        to: MinuteOfDay,
    },
    /// The first that is free.
    Earliest,
}

/// A day and a time as meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct When {
    /// The day.
    pub date: DateWish,
    /// The time.
    pub time: TimeWish,
}

/// Which of the two was not understood.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Field {
    /// The day.
    Date,
    /// The time.
    Time,
}

/// Why words have no one meaning.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unclear {
    /// They mean nothing to us.
    NotUnderstood {
        /// Which.
        field: Field,
    },
    /// The day, or the time today, has passed.
    InThePast {
        /// The day as understood.
        date: Option<Date>,
        /// The time as understood.
        time: Option<Time>,
    },
    /// The weekday is not that date's.
    Contradiction {
        /// The date as named.
        date: Date,
        /// The weekday as named.
        said: Weekday,
        /// Days that may be meant.
        candidates: Vec<Date>,
    },
    /// Two days are usual readings.
    AmbiguousDate {
        /// Both.
        candidates: Vec<Date>,
    },
    /// Two hours are usual readings.
    AmbiguousClock {
        /// Both.
        candidates: Vec<Time>,
    },
    /// The calendar has no such day.
    NonexistentDate,
    /// The clocks skip it.
    NonexistentTime {
        /// The day.
        date: Date,
        /// The time.
        time: Time,
    },
    /// The clocks show it twice.
    AmbiguousTime {
        /// The day.
        date: Date,
        /// The time.
        time: Time,
    },
}

/// What has been read so far.
#[derive(Debug, Clone, Default)]
struct Read {
    date: date::Said,
    time: time::Said,
    exact: Option<(Date, Option<Time>)>,
}

impl Read {
    fn has_date(&self) -> bool {
        self.date.is_some() || self.exact.is_some()
    }

    fn has_time(&self) -> bool {
        self.time != time::Said::default() || self.exact.is_some_and(|(_, time)| time.is_some())
    }
}

/// What the words mean. `language` decides nothing that the words decide themselves; both languages
/// are always understood.
pub fn understand(text: &WhenText<'_>, now: &ZonedDateTime, language: Language) -> Result<When, Unclear> {
    let _ = language;
    let said = |text: Option<&str>| text.map(str::trim).filter(|text| !text.is_empty()).map(str::to_owned);
    let mut read = Read::default();
    if let Some(words) = said(text.words) {
        let mut attempt = Read::default();
        // Words around the wish ("ich hätte gern …") are no obstacle; what is left must be a day.
        if self::read(&words, Field::Date, now, &mut attempt, true).is_ok() && attempt.has_date() {
            read = attempt;
        }
    }
    if let Some(words) = said(text.date)
        && !read.has_date()
    {
        let mut attempt = read.clone();
        self::read(&words, Field::Date, now, &mut attempt, false)?;
        read = attempt;
    }
    if let Some(words) = said(text.time)
        && !read.has_time()
    {
        self::read(&words, Field::Time, now, &mut read, false)?;
    }
    meaning(&read, now)
}

/// Reads one text into `read`. `lenient` skips words of no meaning.
fn read(text: &str, field: Field, now: &ZonedDateTime, read: &mut Read, lenient: bool) -> Result<(), Unclear> {
    let lost = Err(Unclear::NotUnderstood { field });
    if let Some(exact) = machine_written(text, now) {
        read.exact = Some(exact);
        return Ok(());
    }
    let folded = fold(text);
    let spaced = folded.replace([',', ';', '!', '?', '"', '(', ')'], " ");
    let words: Vec<&str> =
        spaced.split_whitespace().map(|word| if word == "." { "" } else { word }).filter(|word| !word.is_empty()).collect();
    if words.len() > 40 {
        return lost;
    }
    let today = now.date();
    let mut at = 0;
    let mut understood = 0;
    while let Some(rest) = words.get(at..).filter(|rest| !rest.is_empty()) {
        let as_time = |read: &mut Read| time::take(rest, &mut read.time, field == Field::Time);
        let taken = match field {
            Field::Date => match date::take(rest, &mut read.date, today) {
                0 => as_time(read),
                taken => taken,
            },
            Field::Time => match as_time(read) {
                0 => date::take(rest, &mut read.date, today),
                taken => taken,
            },
        };
        if taken > 0 {
            understood += 1;
            at += taken;
        } else if rest.first() == Some(&"morgen") {
            // Behind a day, "morgen" is its morning.
            read.time.part = super::words::day_part("morgens");
            understood += 1;
            at += 1;
        } else if lenient || rest.first().is_some_and(|word| is_filler(word)) {
            at += 1;
        } else {
            return lost;
        }
    }
    if understood == 0 { lost } else { Ok(()) }
}

fn is_filler(word: &str) -> bool {
    matches!(
        word,
        "am" | "an"
            | "den"
            | "der"
            | "dem"
            | "die"
            | "das"
            | "des"
            | "the"
            | "on"
            | "of"
            | "fuer"
            | "for"
            | "vom"
            | "im"
            | "in"
            | "at"
            | "um"
            | "a"
            | "zur"
            | "zum"
            | "bitte"
            | "please"
            | "gern"
            | "gerne"
            | "termin"
            | "einen"
            | "einem"
            | "uhr"
            | "und"
            | "and"
            | "dann"
            | "then"
            | "sometime"
            | "mal"
            | "noch"
            | "gegen"
            | "about"
            | "around"
            | "circa"
            | "ca"
            | "etwa"
            | "ungefaehr"
            | "genau"
            | "exactly"
            | "time"
            | "zeit"
            | "-"
    )
}

/// ISO 8601 with or without an offset, as machines write it.
fn machine_written(text: &str, now: &ZonedDateTime) -> Option<(Date, Option<Time>)> {
    if !text.starts_with(|c: char| c.is_ascii_digit()) || text.len() < 10 || text.as_bytes().get(4) != Some(&b'-') {
        return None;
    }
    if let Ok(instant) = text.parse::<Timestamp>() {
        let local = instant.to_zoned_datetime(now.time_zone().clone());
        return Some((local.date(), Some(local.time())));
    }
    if text.len() == 10 {
        return text.parse::<Date>().ok().map(|date| (date, None));
    }
    text.parse::<DateTime>().ok().map(|datetime| (datetime.date(), Some(datetime.time())))
}

fn meaning(read: &Read, now: &ZonedDateTime) -> Result<When, Unclear> {
    let today = now.date();
    let mut wish = match read.exact {
        Some((date, _)) if date < today => return Err(Unclear::InThePast { date: Some(date), time: None }),
        Some((date, _)) => DateWish::On(date),
        None => date::resolve(&read.date, today)?,
    };
    let time = match read.exact {
        Some((_, Some(time))) if read.time == time::Said::default() => TimeWish::At(time),
        _ => time_of(&read.time)?,
    };
    // "tonight" and "heute Abend" name today along with the part of the day.
    if wish == DateWish::Any && read.time.part.is_some() && read.date.is_some() {
        wish = DateWish::On(today);
    }
    if let (DateWish::On(date), TimeWish::At(time)) = (&wish, &time) {
        exists(*date, *time, now)?;
    }
    if let (DateWish::On(date), TimeWish::Window { to, .. }) = (&wish, &time)
        && *date == today
        && MinuteOfDay::new(now.hour().unsigned_abs().into(), now.minute().unsigned_abs().into())
            .is_some_and(|minute| minute >= *to)
    {
        return Err(Unclear::InThePast { date: Some(*date), time: None });
    }
    Ok(When { date: wish, time })
}

/// A local time has to exist once, and to lie ahead.
fn exists(date: Date, time: Time, now: &ZonedDateTime) -> Result<(), Unclear> {
    let ambiguous = now.time_zone().to_ambiguous_zoned_datetime(date.to_datetime(time));
    match ambiguous.offset() {
        AmbiguousOffset::Gap { .. } => return Err(Unclear::NonexistentTime { date, time }),
        AmbiguousOffset::Fold { .. } => return Err(Unclear::AmbiguousTime { date, time }),
        AmbiguousOffset::Unambiguous { .. } => {}
    }
    match ambiguous.compatible() {
        Ok(at) if at.timestamp() <= now.timestamp() => Err(Unclear::InThePast { date: Some(date), time: Some(time) }),
        Ok(_) => Ok(()),
        Err(_) => Err(Unclear::NonexistentDate),
    }
}

fn time_of(said: &time::Said) -> Result<TimeWish, Unclear> {
    let one = |clock: Clock| match clock.read(said.part) {
        Reading::One(time) => Ok(time),
        Reading::Two(early, late) => Err(Unclear::AmbiguousClock { candidates: vec![early, late] }),
        Reading::None => Err(Unclear::NotUnderstood { field: Field::Time }),
    };
    let minute = |time: Time| MinuteOfDay::new(time.hour().unsigned_abs().into(), time.minute().unsigned_abs().into());
    if let Some(clock) = said.at {
        return one(clock).map(TimeWish::At);
    }
    if said.from.is_some() || said.to.is_some() {
        let midnight = MinuteOfDay::new(0, 0);
        let day_end = MinuteOfDay::new(24, 0);
        let from = match said.from {
            Some(clock) => minute(one(clock)?),
            None => said.part.map_or(midnight, |(from, _)| MinuteOfDay::new(from / 60, from % 60)),
        };
        let to = match said.to {
            Some(clock) => minute(one(clock)?),
            None => said.part.map_or(day_end, |(_, to)| MinuteOfDay::new(to / 60, to % 60)),
        };
        return match (from, to) {
            (Some(from), Some(to)) if from < to => Ok(TimeWish::Window { from, to }),
            _ => Err(Unclear::NotUnderstood { field: Field::Time }),
        };
    }
    if let Some((from, to)) = said.part
        && let (Some(from), Some(to)) = (MinuteOfDay::new(from / 60, from % 60), MinuteOfDay::new(to / 60, to % 60))
    {
        return Ok(TimeWish::Window { from, to });
    }
    Ok(if said.earliest { TimeWish::Earliest } else { TimeWish::Any })
}

#[cfg(test)]
mod tests;
