//! A JSON object read field by field. What is wrong is collected, each with its pointer, so that a
//! developer mends a request once.

use frontdesk_core::call::Phone;
use frontdesk_core::hours::bounds_of;
use frontdesk_core::sensitive::Sensitive;
use frontdesk_core::slot::Line;
use frontdesk_core::speech::person::{clean_name, read_email};
use frontdesk_core::speech::text::clean;
use frontdesk_core::speech::words::fold;
use frontdesk_core::tenant::{Service, Staff, Tenant, Zone};
use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use jiff::tz::{AmbiguousOffset, TimeZone};
use serde_json::{Map, Value};

use crate::problem::{Code, Problem};

/// Longest accepted texts, in characters.
pub(crate) const NAME: usize = 150;
pub(crate) const SERVICE: usize = 250;
pub(crate) const EMAIL: usize = 255;
pub(crate) const NOTES: usize = 1000;
pub(crate) const OTHER: usize = 500;

/// Seconds between which times are read, years 5 to 8900: nothing that is added to one overflows.
const TIMES: std::ops::RangeInclusive<i64> = -62_000_000_000..=218_700_000_000;

/// What is wrong with a request: the code of the problem, and every field.
#[derive(Debug, Default)]
pub(crate) struct Violations {
    found: Vec<(String, String)>,
    unknown_service: bool,
}

impl Violations {
    pub(crate) fn add(&mut self, pointer: impl Into<String>, detail: impl Into<String>) {
        self.found.push((pointer.into(), detail.into()));
    }

    /// The value, unless something was wrong.
    pub(crate) fn then<T>(self, value: Option<T>) -> Result<T, Problem> {
        match value {
            Some(value) if self.found.is_empty() => Ok(value),
            _ if self.unknown_service && self.found.len() == 1 => {
                let detail = self.found.first().map_or_else(String::new, |(_, detail)| format!("The service {detail}."));
                Err(Problem::listing(Code::UnknownService, detail, self.found))
            }
            _ => Err(Problem::invalid(self.found)),
        }
    }
}

/// The fields of one object.
pub(crate) struct Fields<'a> {
    object: &'a Map<String, Value>,
    at: String,
    pub(crate) wrong: Violations,
}

impl<'a> Fields<'a> {
    pub(crate) fn of(object: &'a Map<String, Value>) -> Self {
        Self { object, at: String::new(), wrong: Violations::default() }
    }

    /// Reads an object inside this one; its violations are kept with the rest.
    pub(crate) fn within<T>(&mut self, name: &str, read: impl FnOnce(&mut Fields<'a>) -> T) -> Option<T> {
        let pointer = self.pointer(name);
        match self.object.get(name) {
            None | Some(Value::Null) => None,
            Some(Value::Object(inner)) => {
                let mut fields = Fields { object: inner, at: pointer, wrong: std::mem::take(&mut self.wrong) };
                let value = read(&mut fields);
                self.wrong = fields.wrong;
                Some(value)
            }
            Some(_) => {
                self.wrong.add(pointer, "must be an object");
                None
            }
        }
    }

    pub(crate) fn pointer(&self, name: &str) -> String {
        format!("{}/{name}", self.at)
    }

    /// The first of these names that is there.
    fn named(&self, names: &[&'static str]) -> Option<(&'static str, &'a Value)> {
        names.iter().find_map(|name| Some((*name, self.object.get(*name).filter(|value| !value.is_null())?)))
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.object.get(name).is_some_and(|value| !value.is_null())
    }

    /// A cleaned text, with the name it was sent under.
    fn said(&mut self, names: &[&'static str], most: usize) -> Option<(&'static str, String)> {
        let (name, value) = self.named(names)?;
        let text = match value {
            Value::String(text) => text.clone(),
            _ => {
                self.wrong.add(self.pointer(name), "must be a string");
                return None;
            }
        };
        if text.chars().count() > most {
            self.wrong.add(self.pointer(name), format!("must have at most {most} characters"));
            return None;
        }
        Some((name, clean(&text))).filter(|(_, text)| !text.is_empty())
    }

    pub(crate) fn text(&mut self, names: &[&'static str], most: usize) -> Option<String> {
        self.said(names, most).map(|(_, text)| text)
    }

    pub(crate) fn person(&mut self, names: &[&'static str], most: usize) -> Option<Sensitive<String>> {
        self.text(names, most).map(Sensitive::new)
    }

    /// A time of day in a person's words; the old gateway sent a window of several texts.
    pub(crate) fn window(&mut self, names: &[&'static str]) -> Option<Sensitive<String>> {
        let several: Vec<&Value> = match self.named(names) {
            Some((_, Value::Object(parts))) => parts.values().collect(),
            Some((_, Value::Array(parts))) => parts.iter().collect(),
            _ => return self.person(names, OTHER),
        };
        let (sent, _) = self.named(names)?;
        let texts: Option<Vec<&str>> = several.iter().map(|part| part.as_str()).collect();
        let text = texts.map(|texts| texts.join(" - ")).filter(|text| text.chars().count() <= OTHER);
        if text.is_none() {
            self.wrong.add(self.pointer(sent), format!("must be text of at most {OTHER} characters"));
        }
        text.map(|text| clean(&text)).filter(|text| !text.is_empty()).map(Sensitive::new)
    }

    fn missing(&mut self, names: &[&'static str], before: usize) {
        if self.wrong.found.len() == before {
            let name = names.first().copied().unwrap_or("");
            self.wrong.add(self.pointer(name), "is required");
        }
    }

    pub(crate) fn required(&mut self, names: &[&'static str], most: usize) -> Option<String> {
        let before = self.wrong.found.len();
        let text = self.text(names, most);
        if text.is_none() {
            self.missing(names, before);
        }
        text
    }

    pub(crate) fn flag(&mut self, name: &'static str) -> bool {
        match self.named(&[name]) {
            None => false,
            Some((_, Value::Bool(flag))) => *flag,
            Some(_) => {
                self.wrong.add(self.pointer(name), "must be true or false");
                false
            }
        }
    }

    /// A name that a person can be called by.
    pub(crate) fn name(&mut self, names: &[&'static str]) -> Option<Sensitive<String>> {
        let before = self.wrong.found.len();
        let Some((sent, text)) = self.said(names, NAME) else {
            self.missing(names, before);
            return None;
        };
        match clean_name(&text) {
            Ok(name) => Some(Sensitive::new(name)),
            Err(_) => {
                self.wrong.add(self.pointer(sent), "must be the name of a person");
                None
            }
        }
    }

    pub(crate) fn email(&mut self, names: &[&'static str]) -> Option<Sensitive<String>> {
        let (sent, text) = self.said(names, EMAIL)?;
        let email = read_email(&text);
        if email.is_none() {
            self.wrong.add(self.pointer(sent), "must be an e-mail address");
        }
        email.map(Sensitive::new)
    }

    /// A number that can be called; without a country prefix it is read in the country of the business.
    pub(crate) fn phone(&mut self, names: &[&'static str], tenant: &Tenant) -> Option<Phone> {
        let (sent, text) = self.said(names, OTHER)?;
        let phone = Phone::parse(&text, tenant.home_number());
        if phone.is_none() {
            self.wrong.add(self.pointer(sent), "must be a phone number, best in E.164 form");
        }
        phone
    }

    /// The service of that name or synonym. Software names it exactly; a near miss is not guessed.
    pub(crate) fn service<'t>(&mut self, tenant: &'t Tenant) -> Option<&'t Service> {
        const NAMES: &[&str] = &["service", "service_id"];
        let before = self.wrong.found.len();
        let Some((sent, text)) = self.said(NAMES, SERVICE) else {
            self.missing(NAMES, before);
            return None;
        };
        let found = named_exactly(&text, &tenant.services, |service| {
            std::iter::once(service.name.as_str()).chain(service.synonyms.iter().map(String::as_str))
        });
        if found.is_none() {
            let all: Vec<&str> = tenant.services.iter().map(|service| service.name.as_str()).collect();
            self.wrong.add(self.pointer(sent), format!("must be one of: {}", all.join(", ")));
            self.wrong.unknown_service = true;
        }
        found
    }

    pub(crate) fn staff<'t>(&mut self, tenant: &'t Tenant, service: Option<&Service>) -> Option<&'t Staff> {
        let (sent, text) = self.said(&["staff", "staff_id"], NAME)?;
        let is_bookable = |staff: &Staff, service: &Service| !Line::of(tenant, service, Some(&staff.name)).is_empty();
        match named_exactly(&text, &tenant.staff, |staff| std::iter::once(staff.name.as_str())) {
            None => {
                let all: Vec<&str> = tenant.staff.iter().map(|staff| staff.name.as_str()).collect();
                self.wrong.add(self.pointer(sent), format!("must be one of: {}", all.join(", ")));
                None
            }
            Some(staff) if service.is_some_and(|service| !staff.services.contains(&service.name)) => {
                self.wrong.add(self.pointer(sent), "does not do this service");
                None
            }
            Some(staff) if service.is_some_and(|service| !is_bookable(staff, service)) => {
                self.wrong.add(self.pointer(sent), "shares a calendar with others and cannot be booked by name");
                None
            }
            found => found,
        }
    }

    /// An instant: RFC 3339 with an offset, or a wall time in `zone`.
    pub(crate) fn instant(&mut self, names: &[&'static str], zone: &TimeZone) -> Option<Timestamp> {
        let before = self.wrong.found.len();
        let Some((sent, text)) = self.said(names, OTHER) else {
            self.missing(names, before);
            return None;
        };
        let found = moment(&text, zone).unwrap_or(Err(NO_TIME)).and_then(plausible);
        found.map_err(|why| self.wrong.add(self.pointer(sent), why)).ok()
    }

    /// A day, or an instant: from when, or until when. `whole` says that a day is meant to its end.
    pub(crate) fn bound(&mut self, names: &[&'static str], zone: &TimeZone, whole: bool) -> Option<Timestamp> {
        let before = self.wrong.found.len();
        let Some((sent, text)) = self.said(names, OTHER) else {
            self.missing(names, before);
            return None;
        };
        let found = match text.parse::<Date>().ok().filter(|_| text.len() == 10) {
            Some(date) => {
                bounds_of(date, zone).map(|(start, end)| if whole { end } else { start }).ok_or("is outside the calendar")
            }
            None => moment(&text, zone).unwrap_or(Err("must be a day (2026-03-13) or a time in RFC 3339")),
        };
        found.and_then(plausible).map_err(|why| self.wrong.add(self.pointer(sent), why)).ok()
    }

    /// The zone that a request reads its wall times in.
    pub(crate) fn zone(&mut self) -> Option<Zone> {
        let (sent, text) = self.said(&["timeZone", "time_zone"], OTHER)?;
        let zone = Zone::named(&text);
        if zone.is_none() {
            self.wrong.add(self.pointer(sent), "must be an IANA time zone, such as Europe/Berlin");
        }
        zone
    }
}

const NO_TIME: &str = "must be a time in RFC 3339, such as 2026-03-13T14:00:00+01:00";

/// An instant with its offset, or a wall time in `zone`; `None` for what is neither.
fn moment(text: &str, zone: &TimeZone) -> Option<Result<Timestamp, &'static str>> {
    // Annotations of a zone are no RFC 3339, and might contradict the zone that the request names.
    if text.contains('[') {
        return None;
    }
    if let Ok(at) = text.parse::<Timestamp>() {
        return Some(Ok(at));
    }
    let has_offset = text.get(10..).is_none_or(|tail| tail.contains(['+', '-', 'z', 'Z']));
    let wall = text.parse::<DateTime>().ok().filter(|_| !has_offset && text.contains(['T', 't', ' ']))?;
    Some(on_the_clock(wall, zone))
}

/// A wall time that exists once; anything else is not guessed.
fn on_the_clock(wall: DateTime, zone: &TimeZone) -> Result<Timestamp, &'static str> {
    let ambiguous = zone.to_ambiguous_zoned_datetime(wall);
    match ambiguous.offset() {
        AmbiguousOffset::Unambiguous { .. } => {
            ambiguous.compatible().map(|at| at.timestamp()).map_err(|_| "is outside the calendar")
        }
        AmbiguousOffset::Gap { .. } => Err("does not exist: the clocks are put forward over it"),
        AmbiguousOffset::Fold { .. } => Err("exists twice: the clocks are put back over it; give an offset"),
    }
}

fn plausible(at: Timestamp) -> Result<Timestamp, &'static str> {
    if TIMES.contains(&at.as_second()) { Ok(at) } else { Err("is outside the calendar") }
}

/// The one that is called exactly so, else the only one with that normal form. Software is not helped
/// with near misses: what it did not mean would be booked.
fn named_exactly<'a, T, N>(said: &str, all: &'a [T], names: impl Fn(&'a T) -> N) -> Option<&'a T>
where
    N: Iterator<Item = &'a str>,
{
    let normal = |text: &str| fold(text).chars().filter(|c| c.is_alphanumeric()).collect::<String>();
    if let Some(exact) = all.iter().find(|it| names(it).any(|name| name == said)) {
        return Some(exact);
    }
    let wanted = normal(said);
    let mut fitting = all.iter().filter(|it| !wanted.is_empty() && names(it).any(|name| normal(name) == wanted));
    fitting.next().filter(|_| fitting.next().is_none())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read<T>(json: &str, read: impl FnOnce(&mut Fields<'_>) -> T) -> (T, Vec<(String, String)>) {
        let Ok(Value::Object(object)) = serde_json::from_str(json) else { panic!("an object") };
        let mut fields = Fields::of(&object);
        let value = read(&mut fields);
        (value, fields.wrong.found)
    }

    #[test]
    fn wall_times_have_to_exist_once() {
        let berlin = Zone::named("Europe/Berlin").expect("a zone");
        let instant = |text: &str| {
            let (at, wrong) = read(&format!(r#"{{"start":"{text}"}}"#), |fields| fields.instant(&["start"], berlin.rules()));
            at.map(|at| at.to_string()).ok_or_else(|| wrong[0].1.clone())
        };
        assert_eq!(instant("2026-03-13T14:00:00-05:00").as_deref(), Ok("2026-03-13T19:00:00Z"));
        assert_eq!(instant("2026-03-13T14:00:00").as_deref(), Ok("2026-03-13T13:00:00Z"));
        assert_eq!(instant("2026-10-25T02:30:00+02:00").as_deref(), Ok("2026-10-25T00:30:00Z"), "an offset tells them apart");
        assert!(instant("2026-03-29T02:30:00").is_err_and(|why| why.contains("does not exist")));
        assert!(instant("2026-10-25T02:30:00").is_err_and(|why| why.contains("twice")));
        for no_start in
            ["soon", "2026-03-13", "14:00", "2026-03-13T14:00:00[Asia/Tokyo]", "9999-12-30T20:00:00Z", "-009999-01-02T00:00:00Z"]
        {
            assert!(instant(no_start).is_err(), "{no_start}");
        }
    }

    #[test]
    fn a_day_is_meant_to_its_end() {
        let berlin = Zone::named("Europe/Berlin").expect("a zone");
        let (until, _) = read(r#"{"to":"2026-03-28"}"#, |fields| fields.bound(&["to"], berlin.rules(), true));
        assert_eq!(until.map(|at| at.to_string()).as_deref(), Some("2026-03-28T23:00:00Z"));
    }

    #[test]
    fn everything_wrong_is_told_at_once_with_its_place() {
        let (_, wrong) = read(r#"{"customer":{"name":5,"email":"x"},"start":[],"override_deadline":"yes"}"#, |fields| {
            fields.within("customer", |inner| (inner.name(&["name"]), inner.email(&["email"])));
            fields.instant(&["start"], &TimeZone::UTC);
            fields.flag("override_deadline");
            fields.required(&["reason"], 10);
        });
        let pointers: Vec<&str> = wrong.iter().map(|(pointer, _)| pointer.as_str()).collect();
        assert_eq!(pointers, ["/customer/name", "/customer/email", "/start", "/override_deadline", "/reason"]);
    }
}
