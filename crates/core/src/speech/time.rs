//! Clock times and parts of the day out of a run of words.
//!
//! The twelve-hour rule: a time written `HH:MM` with two digits each, or from 13 on, is meant as it
//! stands. `am`, `pm` and parts of the day decide otherwise. Of the rest, hours 1 to 5 are the
//! afternoon (nobody books at three at night), 9 to 12 are the morning and noon; `7 Uhr` and `8 Uhr`
//! are the morning, as German clocks count to 24. What remains (`6 Uhr`, a bare six, seven or eight)
//! has two usual readings and is a question.

use jiff::civil::Time;

use super::words::{day_part, number};

/// A clock time with what decides its half of the day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Clock {
    hour: u32,
    minute: u32,
    half: Half,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Half {
    /// As it stands.
    Literal,
    /// `am`.
    Morning,
    /// `pm`.
    Afternoon,
    /// Said with `Uhr`.
    Uhr,
    /// Nothing said.
    Open,
}

/// What words say about the time.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Said {
    pub(super) at: Option<Clock>,
    pub(super) from: Option<Clock>,
    pub(super) to: Option<Clock>,
    pub(super) part: Option<(u16, u16)>,
    pub(super) earliest: bool,
    pub(super) any: bool,
}

/// One or two readings of a clock.
pub(super) enum Reading {
    One(Time),
    Two(Time, Time),
    None,
}

impl Clock {
    /// What it means beside a part of the day.
    pub(super) fn read(self, part: Option<(u16, u16)>) -> Reading {
        let time = |hour: u32| {
            let hour = if hour == 24 { 0 } else { hour };
            i8::try_from(hour)
                .ok()
                .zip(i8::try_from(self.minute).ok())
                .and_then(|(hour, minute)| Time::new(hour, minute, 0, 0).ok())
        };
        let one = |hour: u32| time(hour).map_or(Reading::None, Reading::One);
        let later = if self.hour < 12 { self.hour + 12 } else { self.hour };
        match self.half {
            Half::Morning => one(if self.hour == 12 { 0 } else { self.hour }),
            Half::Afternoon => one(later),
            Half::Literal => one(self.hour),
            Half::Uhr | Half::Open if self.hour == 0 || self.hour > 12 => one(self.hour),
            Half::Uhr | Half::Open => {
                if let Some((from, to)) = part {
                    let fits = |hour: u32| (u32::from(from)..u32::from(to)).contains(&(hour * 60 + self.minute));
                    return one(if !fits(self.hour) && (fits(later) || from >= 12 * 60) { later } else { self.hour });
                }
                match (self.hour, self.half) {
                    (1..=5, _) => one(later),
                    (7 | 8, Half::Uhr) | (9..=12, _) => one(self.hour),
                    _ => match (time(self.hour), time(later)) {
                        (Some(early), Some(late)) => Reading::Two(early, late),
                        _ => Reading::None,
                    },
                }
            }
        }
    }
}

/// Reads a time at the front of `words`; says how many words it took. `alone` allows a bare number.
pub(super) fn take(words: &[&str], said: &mut Said, alone: bool) -> usize {
    let Some(first) = words.first().copied() else { return 0 };
    let rest = &words[1..];
    match first {
        "ab" | "nach" | "after" | "from" | "von" | "since" => {
            if let Some((clock, taken)) = clock(rest, true) {
                said.from = Some(clock);
                let next = &rest[taken..];
                if let Some("bis" | "to" | "until" | "till" | "-") = next.first().copied()
                    && let Some((end, more)) = self::clock(&next[1..], true)
                {
                    said.to = Some(end);
                    return 2 + taken + more;
                }
                return 1 + taken;
            }
            return 0;
        }
        "vor" | "bis" | "before" | "until" | "till" | "by" => {
            if let Some((clock, taken)) = clock(rest, true) {
                said.to = Some(clock);
                return 1 + taken;
            }
            return 0;
        }
        "zwischen" | "between" => {
            if let Some((from, taken)) = clock(rest, true)
                && let Some("und" | "and") = rest.get(taken).copied()
                && let Some((to, more)) = clock(&rest[taken + 1..], true)
            {
                (said.from, said.to) = (Some(from), Some(to));
                return 2 + taken + more;
            }
            return 0;
        }
        "um" | "gegen" | "at" | "around" | "about" | "circa" | "ca" | "ca." | "etwa" | "ungefaehr" => {
            if let Some((clock, taken)) = clock(rest, true) {
                said.at = Some(clock);
                return 1 + taken;
            }
            return 0;
        }
        "egal" | "jederzeit" | "irgendwann" | "anytime" | "whenever" => {
            said.any = true;
            return 1;
        }
        "asap" | "schnellstmoeglich" | "baldmoeglichst" | "fruehestmoeglich" | "earliest" | "soonest" | "sofort" => {
            said.earliest = true;
            return 1;
        }
        _ => {}
    }
    if words.starts_with(&["any", "time"]) {
        said.any = true;
        return 2;
    }
    for phrase in EARLIEST {
        if words.starts_with(phrase) {
            said.earliest = true;
            return phrase.len();
        }
    }
    // "14-16 uhr", "14 bis 16 uhr"
    if let Some((from, to)) = first.split_once('-')
        && let (Some(from), Some(to)) = (number(from), number(to))
        && from <= 24
        && to <= 24
        && (alone || rest.first() == Some(&"uhr"))
    {
        let is_uhr = rest.first() == Some(&"uhr");
        let half = if is_uhr { Half::Uhr } else { Half::Open };
        said.from = Some(Clock { hour: from, minute: 0, half });
        said.to = Some(Clock { hour: to, minute: 0, half });
        return 1 + usize::from(is_uhr);
    }
    if let Some((from, taken)) = clock(words, alone)
        && let Some("bis" | "to" | "-") = words.get(taken).copied()
        && let Some((to, more)) = clock(&words[taken + 1..], true)
    {
        (said.from, said.to) = (Some(from), Some(to));
        return taken + 1 + more;
    }
    if let Some((clock, taken)) = clock(words, alone) {
        said.at = Some(clock);
        return taken;
    }
    if let Some(part) = day_part(first) {
        said.part = Some(part);
        return 1;
    }
    0
}

const EARLIEST: &[&[&str]] = &[
    &["so", "frueh", "wie", "moeglich"],
    &["so", "bald", "wie", "moeglich"],
    &["so", "schnell", "wie", "moeglich"],
    &["as", "soon", "as", "possible"],
    &["as", "early", "as", "possible"],
    &["naechster", "freier", "termin"],
    &["naechsten", "freien", "termin"],
    &["next", "available"],
    &["first", "available"],
    &["moeglichst", "frueh"],
    &["moeglichst", "bald"],
];

/// A clock time at the front, and how many words it took.
fn clock(words: &[&str], alone: bool) -> Option<(Clock, usize)> {
    let first = words.first().copied()?;
    let second = words.get(1).copied().unwrap_or("");
    let third = words.get(2).copied().unwrap_or("");
    match first {
        "noon" => return Some((Clock { hour: 12, minute: 0, half: Half::Literal }, 1)),
        "midnight" | "mitternacht" => return Some((Clock { hour: 0, minute: 0, half: Half::Literal }, 1)),
        "halb" => {
            return number(second).filter(|hour| (1..=12).contains(hour)).map(|hour| (before(hour, 30), 2 + tail(&words[2..])));
        }
        "half" if second == "past" => return past(words, 2, 30),
        "quarter" if second == "past" || second == "after" => return past(words, 2, 15),
        "quarter" if second == "to" || second == "before" => return to(words, 2, 15),
        "viertel" if second == "nach" => return past(words, 2, 15),
        "viertel" if second == "vor" => return to(words, 2, 15),
        "viertel" => {
            return number(second).filter(|hour| (1..=12).contains(hour)).map(|hour| (before(hour, 45), 2 + tail(&words[2..])));
        }
        "dreiviertel" => {
            return number(second).filter(|hour| (1..=12).contains(hour)).map(|hour| (before(hour, 15), 2 + tail(&words[2..])));
        }
        _ => {}
    }
    if let Some(clock) = digital(first) {
        let (clock, more) = half_of_day(clock, &words[1..]);
        return Some((clock, 1 + more));
    }
    if let Some(clock) = glued(first) {
        return Some((clock, 1));
    }
    let value = number(first)?;
    if value <= 59 && second == "nach" && third == "halb" {
        let hour = words.get(3).copied().and_then(number).filter(|hour| (1..=12).contains(hour))?;
        return (value < 30).then(|| (before(hour, 30 - value), 4 + tail(&words[4..])));
    }
    if value <= 30 && second == "vor" && third == "halb" {
        let hour = words.get(3).copied().and_then(number).filter(|hour| (1..=12).contains(hour))?;
        return Some((before(hour, 30 + value), 4 + tail(&words[4..])));
    }
    if value <= 59 && matches!(second, "nach" | "past") && number(third).is_some() {
        return past(words, 2, value);
    }
    if (1..=59).contains(&value)
        && matches!(second, "vor" | "to")
        && number(third).is_some()
        && (second == "vor" || value > 12 || value % 5 == 0)
    {
        return to(words, 2, value);
    }
    if value > 24 {
        return None;
    }
    if second == "uhr" {
        let open = Clock {
            hour: value,
            minute: 0,
            half: if first.len() == 2 && first.starts_with('0') { Half::Literal } else { Half::Uhr },
        };
        if let Some(minute) = number(third).filter(|minute| *minute < 60 && !third.is_empty()) {
            let (clock, more) = half_of_day(Clock { minute, ..open }, &words[3..]);
            return Some((clock, 3 + more));
        }
        let (clock, more) = half_of_day(open, &words[2..]);
        return Some((clock, 2 + more));
    }
    let open = Clock { hour: value, minute: 0, half: if value > 12 || value == 0 { Half::Literal } else { Half::Open } };
    if matches!(second, "o'clock" | "oclock") {
        let (clock, more) = half_of_day(open, &words[2..]);
        return Some((clock, 2 + more));
    }
    let (clock, more) = half_of_day(open, &words[1..]);
    if more > 0 {
        return Some((clock, 1 + more));
    }
    // "two thirty", "nine fifteen"
    if !first.starts_with(|c: char| c.is_ascii_digit())
        && let Some(minute) = number(second).filter(|minute| (10..60).contains(minute))
    {
        let (clock, more) = half_of_day(Clock { minute, ..open }, &words[2..]);
        return Some((clock, 2 + more));
    }
    alone.then_some((open, 1))
}

/// `hour` o'clock less `minutes`.
fn before(hour: u32, minutes: u32) -> Clock {
    let hour = if hour == 1 { 13 } else { hour };
    Clock { hour: hour - 1, minute: 60 - minutes, half: if hour == 13 { Half::Literal } else { Half::Open } }
}

fn past(words: &[&str], at: usize, minute: u32) -> Option<(Clock, usize)> {
    let hour = words.get(at).copied().and_then(number).filter(|hour| *hour <= 24)?;
    let mut taken = at + 1;
    taken += usize::from(words.get(taken) == Some(&"uhr"));
    let (clock, more) = half_of_day(Clock { hour, minute, half: Half::Open }, &words[taken..]);
    Some((clock, taken + more))
}

fn to(words: &[&str], at: usize, minutes: u32) -> Option<(Clock, usize)> {
    let hour = words.get(at).copied().and_then(number).filter(|hour| (1..=24).contains(hour))?;
    let mut taken = at + 1;
    taken += usize::from(words.get(taken) == Some(&"uhr"));
    let (clock, more) = half_of_day(before(hour, minutes), &words[taken..]);
    Some((clock, taken + more))
}

fn tail(words: &[&str]) -> usize {
    usize::from(words.first() == Some(&"uhr"))
}

/// `14:30`, `14.30`, `14h30`; two digits each are literal.
fn digital(word: &str) -> Option<Clock> {
    let (hour, minute) = word.split_once([':', '.', 'h'])?;
    let minute = minute.split(':').next()?;
    if minute.len() != 2 || hour.is_empty() || hour.len() > 2 || !hour.bytes().chain(minute.bytes()).all(|b| b.is_ascii_digit()) {
        return None;
    }
    let (value, minute): (u32, u32) = (hour.parse().ok()?, minute.parse().ok()?);
    let half = if hour.len() == 2 || value > 12 { Half::Literal } else { Half::Open };
    (value < 24 && minute < 60 || value == 24 && minute == 0).then_some(Clock { hour: value, minute, half })
}

/// `2pm`, `2:30pm`, `14uhr`.
fn glued(word: &str) -> Option<Clock> {
    let (digits, half) = if let Some(rest) = word.strip_suffix("pm").or_else(|| word.strip_suffix("p.m.")) {
        (rest, Half::Afternoon)
    } else if let Some(rest) = word.strip_suffix("am").or_else(|| word.strip_suffix("a.m.")) {
        (rest, Half::Morning)
    } else {
        (word.strip_suffix("uhr")?, Half::Uhr)
    };
    if let Some(clock) = digital(digits) {
        return Some(Clock { half, ..clock });
    }
    let hour: u32 = digits.parse().ok().filter(|hour| *hour <= 24)?;
    Some(Clock { hour, minute: 0, half })
}

/// `pm`, `in the morning`, `nachmittags` behind a clock; how many words that took.
fn half_of_day(clock: Clock, words: &[&str]) -> (Clock, usize) {
    let uhr = usize::from(words.first() == Some(&"uhr"));
    let words = &words[uhr..];
    let half = match words.first().copied().unwrap_or("") {
        "pm" | "p.m." | "p.m" => Some((Half::Afternoon, 1)),
        "am" | "a.m." | "a.m"
            if words.get(1).is_none_or(|next| super::words::weekday(next).is_none() && super::words::ordinal(next).is_none()) =>
        {
            Some((Half::Morning, 1))
        }
        "nachmittags" | "abends" => Some((Half::Afternoon, 1)),
        "morgens" | "frueh" | "vormittags" => Some((Half::Morning, 1)),
        "mittags" => Some((if clock.hour < 11 { Half::Afternoon } else { Half::Literal }, 1)),
        "in" | "am" => {
            let skip = if words.get(1) == Some(&"the") || words.get(1) == Some(&"der") { 2 } else { 1 };
            match words.get(skip).copied().unwrap_or("") {
                "morning" | "vormittag" => Some((Half::Morning, skip + 1)),
                "afternoon" | "evening" | "nachmittag" | "abend" => Some((Half::Afternoon, skip + 1)),
                _ => None,
            }
        }
        "at" if words.get(1) == Some(&"night") => Some((Half::Afternoon, 2)),
        _ => None,
    };
    match half {
        Some((half, taken)) if clock.hour <= 12 => (Clock { half, ..clock }, uhr + taken),
        Some((_, taken)) => (clock, uhr + taken),
        None if uhr == 1 && clock.half == Half::Open => (Clock { half: Half::Uhr, ..clock }, uhr),
        None => (clock, uhr),
    }
}
