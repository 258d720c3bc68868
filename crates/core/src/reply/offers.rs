//! Free times in a sentence: why they are offered, which day they are on, how many fit the ear.

use jiff::Timestamp;
use jiff::civil::Date;

use super::fit::{fitting, name, reason as reason_of};
use super::{Talk, rounded};
use crate::outcome::{Denial, Offer, WhyOffered};
use crate::spoken;

/// More than these are not remembered.
const SAID_SLOTS: usize = 3;

impl Talk<'_> {
    pub(super) fn offered(&self, slots: &[Offer], why: &WhyOffered) -> String {
        match why {
            WhyOffered::Fits if slots.is_empty() => self.proposal(&[say!(self.lang, full())], slots, None),
            WhyOffered::Fits => self.proposal(&[String::new()], slots, None),
            WhyOffered::NotFree { wished } => {
                let leads = [say!(self.lang, not_free(&self.time(*wished))), say!(self.lang, not_free_then())];
                self.proposal(&leads, slots, Some(self.local(*wished).date()))
            }
            WhyOffered::Full => self.proposal(&[say!(self.lang, full())], slots, None),
        }
    }

    pub(super) fn denied(&self, denial: &Denial, slots: &[Offer]) -> String {
        match denial {
            Denial::NoticeTooShort { earliest } => {
                self.proposal(&[say!(self.lang, notice_too_short(&self.earliest(*earliest)))], slots, None)
            }
            Denial::HorizonExceeded { latest } => {
                let latest = self.date(self.local(*latest).date());
                self.proposal(&[say!(self.lang, horizon_exceeded(&latest))], slots, None)
            }
            Denial::OutsideBusinessHours { date, open } if open.is_empty() => {
                let every = spoken::every(self.lang, date.weekday());
                self.proposal(&[say!(self.lang, weekday_closed(&every))], slots, None)
            }
            Denial::OutsideBusinessHours { date, open } => {
                self.proposal(&[say!(self.lang, open_that_day(&self.date(*date), &self.spans(open)))], slots, Some(*date))
            }
            Denial::Closed { date, reason } => {
                let plain = say!(self.lang, closed(&self.date(*date)));
                match reason_of(reason) {
                    Some(reason) => {
                        self.proposal(&[say!(self.lang, closed_because(&self.date(*date), &reason)), plain], slots, None)
                    }
                    None => self.proposal(&[plain], slots, None),
                }
            }
            Denial::DeadlineMissed { change, deadline } => {
                self.proposal(&[say!(self.lang, deadline_missed(*change, &self.moment(*deadline)))], slots, None)
            }
            Denial::StaffCannot { staff, service } => {
                let staff = name(staff);
                let short = say!(self.lang, staff_cannot_this(&staff));
                match self.service(service) {
                    Some(service) => self.proposal(&[say!(self.lang, staff_cannot(&staff, &service)), short], slots, None),
                    None => self.proposal(&[short], slots, None),
                }
            }
        }
    }

    /// A reason and what would be possible; a call back where nothing is. The first of `leads` is said
    /// unless that gets too long; then a shorter one, then fewer times. Slots that are all on `wished`,
    /// a day that the caller has just named, are said without it.
    pub(super) fn proposal(&self, leads: &[String], slots: &[Offer], wished: Option<Date>) -> String {
        let mut starts: Vec<Timestamp> = Vec::new();
        for slot in slots {
            if !starts.contains(&slot.start) && starts.len() < SAID_SLOTS {
                starts.push(slot.start);
            }
        }
        let with = |tail: &str| leads.iter().map(|lead| format!("{lead} {tail}").trim_start().to_owned()).collect::<Vec<_>>();
        let wordings: Vec<String> = if starts.is_empty() {
            with(&say!(self.lang, callback_question()))
        } else {
            (1..=starts.len()).rev().flat_map(|count| with(&self.tail(&starts[..count], wished))).collect()
        };
        fitting(Vec::new(), wordings)
    }

    fn tail(&self, starts: &[Timestamp], wished: Option<Date>) -> String {
        let said = self.starts(starts, wished);
        if starts.len() == 1 { say!(self.lang, offer_one(&said)) } else { say!(self.lang, offer_some(&said)) }
    }

    /// The times, those of one day together, each day named once.
    fn starts(&self, starts: &[Timestamp], wished: Option<Date>) -> String {
        let mut days: Vec<(Date, Vec<String>)> = Vec::new();
        for start in starts {
            let (date, time) = (self.local(*start).date(), self.time(*start));
            match days.iter_mut().find(|(day, _)| *day == date) {
                Some((_, times)) => times.push(time),
                None => days.push((date, vec![time])),
            }
        }
        if let [(date, times)] = days.as_slice() {
            let times = spoken::any_of(self.lang, times);
            return if Some(*date) == wished { times } else { say!(self.lang, slots_on(&self.date(*date), &times)) };
        }
        // Beside another day a bare time would be taken for a time on that one.
        let parts: Vec<String> = days
            .iter()
            .map(|(date, times)| say!(self.lang, slots_on(&self.date(*date), &spoken::all_of(self.lang, times))))
            .collect();
        spoken::any_of(self.lang, &parts)
    }

    /// Said five minutes exact, and rather too late than too early, so that it can be booked.
    fn earliest(&self, at: Timestamp) -> String {
        let at = self.local(rounded(at, jiff::RoundMode::Ceil));
        let time = spoken::time(self.lang, at.time());
        if at.date() == self.today {
            return say!(self.lang, at_hour(&time));
        }
        match spoken::relation(self.lang, at.date(), self.today) {
            Some(_) => spoken::soon(self.lang, &at, self.today),
            None => say!(self.lang, slots_on(&self.date(at.date()), &time)),
        }
    }
}
