//! Validation as Cal.com does it: every property asked for by name, all others refused, all
//! reasons collected.

use std::sync::LazyLock;

use jiff::Timestamp;
use jiff::civil::{Date, DateTime, Time};
use jiff::tz::{Offset, TimeZone};
use regex::Regex;
use serde_json::{Map, Value, json};

static INSTANT: LazyLock<Regex> = LazyLock::new(|| {
    let pattern = r"^(\d{4}-\d{2}-\d{2})T(\d{2}:\d{2}(?::\d{2}(?:\.\d{1,9})?)?)(Z|[+-]\d{2}:?\d{2})?$";
    Regex::new(pattern).expect("INVARIANT: the pattern is constant")
});

const LANGUAGES: [&str; 43] = [
    "ar", "az", "bg", "bn", "ca", "cs", "da", "de", "el", "en", "es", "es-419", "et", "eu", "fi", "fr", "he", "hr", "hu", "id",
    "it", "iw", "ja", "km", "ko", "lv", "nl", "no", "pl", "pt", "pt-BR", "ro", "ru", "sk", "sr", "sv", "ta", "th", "tr", "uk",
    "vi", "zh-CN", "zh-TW",
];

/// One property and what is wrong with it.
#[derive(Clone, Debug)]
pub(crate) struct Wrong {
    property: String,
    constraints: Vec<(&'static str, String)>,
    children: Vec<Wrong>,
}

/// An object under validation. Each accessor marks its property as known; [`Fields::finish`]
/// refuses the rest.
pub(crate) struct Fields<'a> {
    object: &'a Map<String, Value>,
    known: Vec<&'static str>,
    wrong: Vec<Wrong>,
}

// === impl Wrong ===

impl Wrong {
    pub(crate) fn to_json(&self) -> Value {
        let constraints: Map<String, Value> =
            self.constraints.iter().map(|(rule, why)| ((*rule).to_owned(), json!(why))).collect();
        let children: Vec<Value> = self.children.iter().map(Self::to_json).collect();
        json!({"property": self.property, "constraints": constraints, "children": children})
    }
}

/// `<prop> property is wrong,<reasons> `, nested properties behind their parent.
pub(crate) fn one_message(wrong: &[Wrong]) -> String {
    let sentences: Vec<String> = wrong
        .iter()
        .map(|it| {
            let reasons: Vec<&str> = it.constraints.iter().map(|(_, why)| why.as_str()).collect();
            let children = one_message(&it.children);
            format!("{} property is wrong,{} {children}", it.property, reasons.join(", "))
        })
        .collect();
    sentences.join(", ")
}

// === impl Fields ===

impl<'a> Fields<'a> {
    pub(crate) fn of(object: &'a Map<String, Value>) -> Self {
        Self { object, known: Vec::new(), wrong: Vec::new() }
    }

    /// All objections, unknown properties first.
    pub(crate) fn finish(self) -> Result<(), Vec<Wrong>> {
        let unknown = self.object.keys().filter(|name| !self.known.contains(&name.as_str()));
        let mut wrong: Vec<Wrong> = unknown
            .map(|name| Wrong {
                property: name.clone(),
                constraints: vec![("whitelistValidation", format!("property {name} should not exist"))],
                children: Vec::new(),
            })
            .collect();
        wrong.extend(self.wrong);
        if wrong.is_empty() { Ok(()) } else { Err(wrong) }
    }

    pub(crate) fn refuse(&mut self, name: &str, rule: &'static str, why: impl Into<String>) {
        let property = name.to_owned();
        let constraints = vec![(rule, why.into())];
        self.wrong.push(Wrong { property, constraints, children: Vec::new() });
    }

    /// `null` counts as absent, as in the original.
    pub(crate) fn any(&mut self, name: &'static str) -> Option<&'a Value> {
        self.known.push(name);
        self.object.get(name).filter(|value| !value.is_null())
    }

    pub(crate) fn string(&mut self, name: &'static str) -> Option<&'a str> {
        let value = self.any(name)?;
        if !value.is_string() {
            self.refuse(name, "isString", format!("{name} must be a string"));
        }
        value.as_str()
    }

    pub(crate) fn required_string(&mut self, name: &'static str) -> Option<&'a str> {
        if self.any(name).is_none() {
            self.refuse(name, "isString", format!("{name} must be a string"));
        }
        self.string(name)
    }

    pub(crate) fn boolean(&mut self, name: &'static str) -> Option<bool> {
        let value = self.any(name)?;
        if !value.is_boolean() {
            self.refuse(name, "isBoolean", format!("{name} must be a boolean value"));
        }
        value.as_bool()
    }

    /// An integer of a JSON body: digits in quotes are none.
    pub(crate) fn integer(&mut self, name: &'static str, least: u64) -> Option<u64> {
        let value = self.any(name)?;
        self.bounded(name, value.as_i64(), least, u64::MAX)
    }

    /// An integer of a query string, where everything arrives as text.
    pub(crate) fn number(&mut self, name: &'static str, least: u64, most: u64) -> Option<u64> {
        let text = self.string(name)?;
        self.bounded(name, text.parse().ok(), least, most)
    }

    fn bounded(&mut self, name: &str, value: Option<i64>, least: u64, most: u64) -> Option<u64> {
        let Some(value) = value else {
            self.refuse(name, "isInt", format!("{name} must be an integer number"));
            return None;
        };
        match u64::try_from(value).ok().filter(|value| *value >= least) {
            None => self.refuse(name, "min", format!("{name} must not be less than {least}")),
            Some(value) if value > most => {
                self.refuse(name, "max", format!("{name} must not be greater than {most}"));
            }
            Some(value) => return Some(value),
        }
        None
    }

    pub(crate) fn one_of(&mut self, name: &'static str, allowed: &[&str]) -> Option<&'a str> {
        let text = self.string(name)?;
        if allowed.contains(&text) {
            return Some(text);
        }
        let list = allowed.join(", ");
        self.refuse(name, "isEnum", format!("{name} must be one of the following values: {list}"));
        None
    }

    pub(crate) fn language(&mut self, name: &'static str) -> Option<&'a str> {
        self.one_of(name, &LANGUAGES)
    }

    /// ISO 8601 in full; a time without offset is UTC.
    pub(crate) fn instant(&mut self, name: &'static str) -> Option<Timestamp> {
        let text = self.string(name)?;
        let instant = instant(text);
        if instant.is_none() {
            self.refuse_date(name);
        }
        instant
    }

    pub(crate) fn required_instant(&mut self, name: &'static str) -> Option<Timestamp> {
        if self.any(name).is_none() {
            self.refuse_date(name);
        }
        self.instant(name)
    }

    pub(crate) fn refuse_date(&mut self, name: &str) {
        let why = format!("{name} must be a valid ISO 8601 date string");
        self.refuse(name, "isDateString", why);
    }

    pub(crate) fn zone(&mut self, name: &'static str) -> Option<TimeZone> {
        let text = self.string(name)?;
        let zone = TimeZone::get(text).ok();
        if zone.is_none() {
            let why = format!("{name} must be a valid IANA time-zone");
            self.refuse(name, "isTimeZone", why);
        }
        zone
    }

    pub(crate) fn email(&mut self, name: &'static str) -> Option<&'a str> {
        let text = self.string(name)?;
        if is_email(text) {
            return Some(text);
        }
        self.refuse(name, "isEmail", format!("{name} must be an email"));
        None
    }

    pub(crate) fn object(&mut self, name: &'static str) -> Option<&'a Map<String, Value>> {
        let value = self.any(name)?;
        if !value.is_object() {
            self.refuse(name, "isObject", format!("{name} must be an object"));
        }
        value.as_object()
    }

    pub(crate) fn array(&mut self, name: &'static str) -> Option<&'a [Value]> {
        let value = self.any(name)?;
        if !value.is_array() {
            self.refuse(name, "isArray", format!("{name} must be an array"));
        }
        value.as_array().map(Vec::as_slice)
    }

    /// Validates a nested object; its objections hang below the property.
    pub(crate) fn nested<T>(
        &mut self,
        name: &'static str,
        object: &Map<String, Value>,
        read: impl FnOnce(&mut Fields<'_>) -> T,
    ) -> T {
        let mut inner = Fields::of(object);
        let value = read(&mut inner);
        if let Err(children) = inner.finish() {
            self.wrong.push(Wrong { property: name.to_owned(), constraints: Vec::new(), children });
        }
        value
    }
}

/// A moment in strict ISO 8601; without an offset it is UTC, impossible dates are refused.
pub(crate) fn instant(text: &str) -> Option<Timestamp> {
    let parts = INSTANT.captures(text)?;
    let date: Date = parts[1].parse().ok()?;
    let time: Time = parts[2].parse().ok()?;
    let offset = match parts.get(3).map(|it| it.as_str()) {
        None | Some("Z") => Offset::UTC,
        Some(text) => {
            let digits: String = text[1..].chars().filter(char::is_ascii_digit).collect();
            let minutes = digits[..2].parse::<i32>().ok()? * 60 + digits[2..].parse::<i32>().ok()?;
            let sign = if text.starts_with('-') { -1 } else { 1 };
            Offset::from_seconds(sign * minutes * 60).ok()?
        }
    };
    offset.to_timestamp(DateTime::from_parts(date, time)).ok()
}

pub(crate) fn is_email(text: &str) -> bool {
    let Some((local, domain)) = text.split_once('@') else { return false };
    let clean = |part: &str| !part.is_empty() && !part.contains([' ', '@', ',', '<', '>']);
    clean(local) && clean(domain) && domain.contains('.') && !domain.ends_with('.')
}

/// E.164, and nothing that only looks like it.
pub(crate) fn is_e164(text: &str) -> bool {
    let Some(digits) = text.strip_prefix('+') else { return false };
    (7..=15).contains(&digits.len()) && !digits.starts_with('0') && digits.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_needs_a_time_and_a_possible_date() {
        assert!(instant("2030-01-07").is_none());
        assert!(instant("2030-02-30T09:00:00Z").is_none());
        assert!(instant("2030-01-07 09:00").is_none());
        assert!(instant("2030-01-07T09:00:00 01:00").is_none());
        let utc = instant("2030-01-07T08:00:00Z");
        assert!(utc.is_some());
        assert_eq!(instant("2030-01-07T08:00"), utc);
        assert_eq!(instant("2030-01-07T09:00:00.000+01:00"), utc);
        assert_eq!(instant("2030-01-07T09:00:00+0100"), utc);
    }

    #[test]
    fn objections_are_worded_as_the_original_words_them() {
        let body = json!({"start": "tomorrow", "attendee": {"name": 5}, "end": "x"});
        let mut fields = Fields::of(body.as_object().expect("an object"));
        fields.required_instant("start");
        let attendee = fields.object("attendee").expect("an object");
        fields.nested("attendee", attendee, |inner| inner.required_string("name").map(str::len));
        let wrong = fields.finish().expect_err("three objections");
        assert_eq!(
            one_message(&wrong),
            "end property is wrong,property end should not exist , \
             start property is wrong,start must be a valid ISO 8601 date string , \
             attendee property is wrong, name property is wrong,name must be a string "
        );
    }
}
