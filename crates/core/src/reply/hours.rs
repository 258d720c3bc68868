//! Opening hours in a sentence: one day exactly, a week with equal days together.

use jiff::Timestamp;

use super::Talk;
use super::fit::{fitting, reason};
use crate::outcome::DayInfo;
use crate::spoken;

impl Talk<'_> {
    pub(super) fn hours(&self, days: &[DayInfo]) -> String {
        match days {
            [] => say!(self.lang, hours_unknown()),
            [only] => self.day(only),
            several => self.week(several),
        }
    }

    /// "von 9 bis 12 Uhr und von 13 bis 17 Uhr".
    pub(super) fn spans(&self, open: &[(Timestamp, Timestamp)]) -> String {
        let spans: Vec<String> =
            open.iter().map(|(from, to)| spoken::span(self.lang, self.local(*from).time(), self.local(*to).time())).collect();
        spoken::all_of(self.lang, &spans)
    }

    fn day(&self, day: &DayInfo) -> String {
        let date = self.date(day.date);
        match reason(&day.reason) {
            _ if !day.open.is_empty() => say!(self.lang, open_on(&date, &self.spans(&day.open))),
            Some(reason) => say!(self.lang, closed_because(&date, &reason)),
            None => say!(self.lang, closed(&date)),
        }
    }

    fn week(&self, days: &[DayInfo]) -> String {
        if days.iter().all(|day| day.open.is_empty()) {
            return self.closed_days(days);
        }
        // A closure says nothing about the weekday it falls on, so it is told by its date.
        let (usual, special): (Vec<&DayInfo>, Vec<&DayInfo>) =
            days.iter().partition(|day| !day.open.is_empty() || day.reason.is_empty());
        let hours = say!(self.lang, week(&self.grouped(&usual)));
        let with = |lead: &str, special: &[String]| {
            std::iter::once(lead.to_owned()).chain(special.iter().cloned()).collect::<Vec<_>>().join(" ")
        };
        let reasons: Vec<String> = special.iter().map(|day| self.day(day)).collect();
        let dates: Vec<String> = special.iter().map(|day| self.date(day.date)).collect();
        let closed =
            if dates.is_empty() { Vec::new() } else { vec![say!(self.lang, closed(&spoken::all_of(self.lang, &dates)))] };
        let open: Vec<u8> = offsets(usual.iter().copied().filter(|day| !day.open.is_empty()));
        let rough = say!(self.lang, open_days(&self.weekdays(&open)));
        fitting(vec![with(&hours, &reasons), with(&hours, &closed)], vec![rough])
    }

    fn closed_days(&self, days: &[DayInfo]) -> String {
        let dates: Vec<String> = days.iter().map(|day| self.date(day.date)).collect();
        match dates.as_slice() {
            [_, _] => say!(self.lang, closed(&spoken::all_of(self.lang, &dates))),
            _ => say!(self.lang, closed_those_days()),
        }
    }

    /// Days with equal hours together, from Monday on, the closed ones last.
    fn grouped(&self, days: &[&DayInfo]) -> String {
        let mut groups: Vec<(String, Vec<&DayInfo>)> = Vec::new();
        let mut sorted = days.to_vec();
        sorted.sort_by_key(|day| (day.open.is_empty(), day.date.weekday().to_monday_zero_offset()));
        for day in sorted {
            let hours = if day.open.is_empty() { say!(self.lang, closed_word()) } else { self.spans(&day.open) };
            match groups.iter_mut().find(|(of, _)| *of == hours) {
                Some((_, equal)) => equal.push(day),
                None => groups.push((hours, vec![day])),
            }
        }
        let parts: Vec<String> =
            groups.iter().map(|(hours, days)| format!("{} {hours}", self.weekdays(&offsets(days.iter().copied())))).collect();
        parts.join(", ")
    }

    /// "Montag bis Mittwoch und Freitag"; the weekdays count from Monday, in order.
    fn weekdays(&self, offsets: &[u8]) -> String {
        let word = |offset: u8| match jiff::civil::Weekday::from_monday_zero_offset(offset as i8) {
            Ok(weekday) => spoken::weekday(self.lang, weekday),
            Err(_) => "",
        };
        let mut parts: Vec<String> = Vec::new();
        for run in offsets.chunk_by(|day, next| day + 1 == *next) {
            match run {
                [first, _, .., last] => parts.push(say!(self.lang, days_through(word(*first), word(*last)))),
                short => parts.extend(short.iter().map(|day| word(*day).to_owned())),
            }
        }
        spoken::all_of(self.lang, &parts)
    }
}

fn offsets<'a>(days: impl Iterator<Item = &'a DayInfo>) -> Vec<u8> {
    let mut offsets: Vec<u8> = days.map(|day| day.date.weekday().to_monday_zero_offset() as u8).collect();
    offsets.sort_unstable();
    offsets.dedup();
    offsets
}
