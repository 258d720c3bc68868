//! Opening hours: weekly spans, closures and public holidays, as wall times of the tenant's zone.
//!
//! Wall times keep their meaning over daylight saving: 09:00 is 09:00 on both sides of a change. A span
//! that a change makes shorter or longer is exactly as long as the clock on the wall says.

use std::fmt;

use jiff::civil::{Date, Time, Weekday};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::holidays;

/// Minutes since midnight, 0 to 1440; 1440 is the end of the day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct MinuteOfDay(u16);

impl MinuteOfDay {
    /// `None` over 24:00.
    pub fn new(hour: u16, minute: u16) -> Option<Self> {
        let minutes = hour.checked_mul(60)?.checked_add(minute)?;
        (minute < 60 && minutes <= 24 * 60).then_some(Self(minutes))
    }

    /// Reads `H:MM` or `HH:MM`, up to `24:00`.
    pub fn parse(text: &str) -> Option<Self> {
        let (hour, minute) = text.trim().split_once(':')?;
        if hour.is_empty() || hour.len() > 2 || minute.len() != 2 {
            return None;
        }
        if !hour.bytes().chain(minute.bytes()).all(|b| b.is_ascii_digit()) {
            return None;
        }
        Self::new(hour.parse().ok()?, minute.parse().ok()?)
    }

    /// The minutes.
    pub fn minutes(self) -> u16 {
        self.0
    }

    /// The instant at which a wall clock in `zone` shows this on `date`; in a gap the instant after it.
    pub fn on(self, date: Date, zone: &TimeZone) -> Option<Timestamp> {
        let (date, time) = if self.0 == 24 * 60 {
            (date.tomorrow().ok()?, Time::midnight())
        } else {
            // INVARIANT: below 1440, so hour and minute are in range; the cast loses nothing.
            (date, Time::new((self.0 / 60) as i8, (self.0 % 60) as i8, 0, 0).ok()?)
        };
        zone.to_ambiguous_zoned_datetime(date.to_datetime(time)).compatible().ok().map(|zoned| zoned.timestamp())
    }
}

impl fmt::Display for MinuteOfDay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02}:{:02}", self.0 / 60, self.0 % 60)
    }
}

/// One stretch of opening within a day; the end is exclusive and after the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span {
    /// The first minute that is open.
    pub from: MinuteOfDay,
    /// The first minute that is closed again.
    pub to: MinuteOfDay,
}

impl Span {
    /// Reads `09:00-12:30`.
    pub fn parse(text: &str) -> Option<Self> {
        let (from, to) = text.split_once(['-', '–'])?;
        let span = Self { from: MinuteOfDay::parse(from)?, to: MinuteOfDay::parse(to)? };
        (span.from < span.to).then_some(span)
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.from, self.to)
    }
}

impl Serialize for Span {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| serde::de::Error::custom("expected HH:MM-HH:MM"))
    }
}

/// The hours of a week, Monday first; `None` says nothing about that day.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct WeekHours(pub [Option<Vec<Span>>; 7]);

impl WeekHours {
    /// What is said about that weekday.
    pub fn on(&self, weekday: Weekday) -> Option<&[Span]> {
        self.0[usize::from(weekday.to_monday_zero_offset() as u8)].as_deref()
    }

    /// Whether no day has any opening at all.
    pub fn is_empty(&self) -> bool {
        self.0.iter().all(|day| day.as_deref().is_none_or(<[Span]>::is_empty))
    }
}

/// Which days are public holidays.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Holidays {
    /// None.
    #[default]
    None,
    /// Those of a region that [`holidays`] knows, such as `DE-BE`.
    Region(String),
    /// Exactly these days.
    Days(Vec<Date>),
}

/// When a business is open.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpeningHours {
    /// The usual week.
    pub week: WeekHours,
    /// Days that are closed whatever the week says.
    pub holidays: Holidays,
}

/// A stretch of whole days that is closed, both ends included.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Closure {
    /// First closed day.
    pub from: Date,
    /// Last closed day.
    pub to: Date,
    /// What callers are told, in the tenant's language; may be empty.
    pub reason: String,
}

/// What a day looks like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Day {
    /// Open during these instants, in order, not touching one another.
    Open(Vec<(Timestamp, Timestamp)>),
    /// A weekday without hours.
    NoHours,
    /// A closure of the business, with its reason (may be empty).
    Closure(String),
    /// A public holiday, by its German and English name.
    Holiday {
        /// German name; empty for a day from a plain list.
        de: &'static str,
        /// English name; empty for a day from a plain list.
        en: &'static str,
    },
}

impl OpeningHours {
    /// What `date` looks like for somebody whose own hours, where given, stand instead of the
    /// business's on the weekdays that they name.
    pub fn day(&self, date: Date, closures: &[Closure], own: Option<&WeekHours>, zone: &TimeZone) -> Day {
        if let Some(closure) = closures.iter().find(|closure| closure.from <= date && date <= closure.to) {
            return Day::Closure(closure.reason.clone());
        }
        match &self.holidays {
            Holidays::None => {}
            Holidays::Days(days) => {
                if days.contains(&date) {
                    return Day::Holiday { de: "", en: "" };
                }
            }
            Holidays::Region(region) => {
                if let Some(holiday) = holidays::on(region, date) {
                    return Day::Holiday { de: holiday.de, en: holiday.en };
                }
            }
        }
        let weekday = date.weekday();
        let spans = own.and_then(|own| own.on(weekday)).or_else(|| self.week.on(weekday)).unwrap_or(&[]);
        let mut open: Vec<(Timestamp, Timestamp)> = spans
            .iter()
            .filter_map(|span| Some((span.from.on(date, zone)?, span.to.on(date, zone)?)))
            .filter(|(from, to)| from < to)
            .collect();
        open.sort_unstable();
        if open.is_empty() { Day::NoHours } else { Day::Open(open) }
    }
}

/// The instants at which the day `date` begins and ends in `zone`.
pub fn bounds_of(date: Date, zone: &TimeZone) -> Option<(Timestamp, Timestamp)> {
    let start = date.to_zoned_datetime(zone.clone()).ok()?;
    let end = date.checked_add(1.day()).ok()?.to_zoned_datetime(zone.clone()).ok()?;
    Some((start.timestamp(), end.timestamp()))
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    fn berlin() -> TimeZone {
        TimeZone::get("Europe/Berlin").expect("bundled")
    }

    fn nine_to_five() -> OpeningHours {
        let day = Some(vec![Span::parse("09:00-12:00").expect("span"), Span::parse("13:00-17:00").expect("span")]);
        OpeningHours { week: WeekHours(std::array::from_fn(|_| day.clone())), holidays: Holidays::None }
    }

    #[test]
    fn spans_are_read_strictly() {
        for bad in ["", "9", "09:00", "12:00-09:00", "09:00-09:00", "09:60-10:00", "24:01-24:02", "-1:00-2:00", "+9:00-10:00"] {
            assert!(Span::parse(bad).is_none(), "{bad}");
        }
        assert_eq!(Span::parse("9:00-24:00").expect("span").to_string(), "09:00-24:00");
    }

    #[test]
    fn opening_keeps_its_wall_time_over_a_change_of_the_clock() {
        let hours = nine_to_five();
        for day in [date(2026, 3, 28), date(2026, 3, 29), date(2026, 10, 25)] {
            let Day::Open(spans) = hours.day(day, &[], None, &berlin()) else { panic!("open") };
            let first = spans[0].0.to_zoned_datetime(berlin());
            assert_eq!((first.hour(), first.minute()), (9, 0), "{day}");
        }
    }

    #[test]
    fn a_closure_beats_the_week_and_own_hours() {
        let closures = [Closure { from: date(2026, 12, 24), to: date(2026, 12, 26), reason: "Weihnachten".into() }];
        let day = nine_to_five().day(date(2026, 12, 25), &closures, None, &berlin());
        assert_eq!(day, Day::Closure("Weihnachten".into()));
    }

    #[test]
    fn own_hours_stand_instead_of_the_business_hours_on_the_days_they_name() {
        let mut own = WeekHours::default();
        own.0[2] = Some(vec![Span::parse("10:00-16:00").expect("span")]);
        own.0[3] = Some(Vec::new());
        let hours = nine_to_five();
        let Day::Open(wednesday) = hours.day(date(2026, 3, 11), &[], Some(&own), &berlin()) else { panic!("open") };
        assert_eq!(wednesday.len(), 1);
        assert_eq!(hours.day(date(2026, 3, 12), &[], Some(&own), &berlin()), Day::NoHours);
        let Day::Open(friday) = hours.day(date(2026, 3, 13), &[], Some(&own), &berlin()) else { panic!("open") };
        assert_eq!(friday.len(), 2);
    }
}
