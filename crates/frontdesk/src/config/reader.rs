//! Reads a TOML document key by key and notes every problem on the way instead of stopping at the first.
//!
//! A reading that noted a problem is thrown away as a whole, so whoever finds a bad value notes it and
//! goes on with any placeholder.

use std::cell::RefCell;
use std::ops::RangeInclusive;
use std::time::Duration;

use jiff::civil::Date;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::config::durations;
use crate::config::near;
use crate::config::problems::{Problem, Problems};

const LONGEST_SHOWN: usize = 60;

struct Notes<'a> {
    file: &'a str,
    text: &'a str,
    problems: RefCell<Vec<Problem>>,
}

/// A table of the document, whose keys are all known; an absent one reads like an empty one.
#[derive(Clone)]
pub(crate) struct Section<'a> {
    notes: &'a Notes<'a>,
    table: Option<&'a DeTable<'a>>,
    path: String,
    line: Option<usize>,
}

/// One value of the document.
#[derive(Clone)]
pub(crate) struct Field<'a> {
    notes: &'a Notes<'a>,
    value: &'a Spanned<DeValue<'a>>,
    path: String,
}

/// Reads `text`, whose top level may hold `keys`. `build` may give up with `None` only after a problem.
pub(crate) fn read<T>(
    file: &str,
    text: &str,
    keys: &[&str],
    build: impl FnOnce(&Section<'_>) -> Option<T>,
) -> Result<T, Problems> {
    let notes = Notes { file, text, problems: RefCell::default() };
    let root = match DeTable::parse(text) {
        Ok(root) => root,
        Err(error) => {
            notes.syntax(&error);
            return Err(notes.problems.into_inner().into());
        }
    };
    let section = Section { notes: &notes, table: Some(root.get_ref()), path: String::new(), line: None };
    section.refuse_unknown(keys);
    let built = build(&section);
    let problems = Problems::from(notes.problems.take());
    match built {
        Some(built) => problems.into_result(built),
        None if problems.is_empty() => {
            notes.note(String::new(), None, "nothing that could be read", "a complete file");
            Err(notes.problems.take().into())
        }
        None => Err(problems),
    }
}

// === impl Notes ===

impl Notes<'_> {
    fn note(&self, path: String, line: Option<usize>, found: impl Into<String>, expected: impl Into<String>) {
        self.problems.borrow_mut().push(Problem {
            file: self.file.to_owned(),
            line,
            path,
            found: found.into(),
            expected: expected.into(),
        });
    }

    fn line_at(&self, offset: usize) -> usize {
        let before = self.text.get(..offset).unwrap_or(self.text);
        before.bytes().filter(|byte| *byte == b'\n').count() + 1
    }

    fn syntax(&self, error: &toml::de::Error) {
        let line = error.span().map(|span| self.line_at(span.start));
        let (fault, expected) = error.message().split_once(", expected ").unwrap_or((error.message(), "valid TOML"));
        self.note(String::new(), line, format!("broken TOML ({fault})"), expected);
    }
}

// === impl Section ===

impl<'a> Section<'a> {
    /// The value of `key`, if it is given.
    pub(crate) fn field(&self, key: &str) -> Option<Field<'a>> {
        let value = self.table?.get(key)?;
        Some(Field { notes: self.notes, value, path: join(&self.path, key) })
    }

    /// The value of `key`, which must be given.
    pub(crate) fn require(&self, key: &str, expected: &str) -> Option<Field<'a>> {
        let field = self.field(key);
        if field.is_none() {
            self.notes.note(join(&self.path, key), self.line, "nothing", expected);
        }
        field
    }

    /// The table `key`, which may hold `keys`.
    pub(crate) fn section(&self, key: &str, keys: &[&str]) -> Section<'a> {
        match self.field(key) {
            Some(field) => field.section(keys),
            None => Section { notes: self.notes, table: None, path: join(&self.path, key), line: None },
        }
    }

    /// The tables of the list `key`, each of which may hold `keys`.
    pub(crate) fn sections(&self, key: &str, keys: &[&str]) -> Vec<Section<'a>> {
        let Some(field) = self.field(key) else { return Vec::new() };
        field.list("a list of tables").into_iter().map(|each| each.section(keys)).collect()
    }

    /// The text under `key` as `parse` reads it, if it is given and right.
    pub(crate) fn parsed<T>(&self, key: &str, expected: &str, parse: impl FnOnce(&str) -> Option<T>) -> Option<T> {
        self.field(key)?.parsed(expected, parse)
    }

    /// The whole number under `key`, if it is given and right.
    pub(crate) fn whole(&self, key: &str, range: RangeInclusive<i64>) -> Option<i64> {
        self.field(key)?.whole(range)
    }

    /// The duration under `key`, if it is given and right.
    pub(crate) fn duration(&self, key: &str, range: RangeInclusive<Duration>) -> Option<Duration> {
        self.field(key)?.duration(range)
    }

    /// Each element of the list of texts under `key` that `parse` can read.
    pub(crate) fn each<T>(&self, key: &str, expected: &str, parse: impl Fn(&str) -> Option<T>) -> Vec<T> {
        let Some(field) = self.field(key) else { return Vec::new() };
        let elements = field.list(&format!("a list, each element {expected}"));
        elements.into_iter().filter_map(|each| each.parsed(expected, &parse)).collect()
    }

    /// Whether the table is in the document at all.
    pub(crate) fn is_given(&self) -> bool {
        self.table.is_some()
    }

    /// Where the table stands.
    pub(crate) fn path(&self) -> &str {
        &self.path
    }

    /// How many problems were noted so far, anywhere in the document.
    pub(crate) fn noted(&self) -> usize {
        self.notes.problems.borrow().len()
    }

    /// Notes a problem with the table as a whole.
    pub(crate) fn refuse(&self, found: &str, expected: &str) {
        self.notes.note(self.path.clone(), self.line, found, expected);
    }

    fn refuse_unknown(&self, keys: &[&str]) {
        for (key, value) in self.table.into_iter().flatten() {
            let name: &str = key.get_ref();
            if keys.contains(&name) {
                continue;
            }
            let expected = match near::nearest(name, keys.iter().copied()) {
                Some(near) => format!("a known key (did you mean \"{near}\"?)"),
                None => format!("one of {}", keys.join(", ")),
            };
            let line = self.notes.line_at(key.span().start.min(value.span().start));
            self.notes.note(join(&self.path, name), Some(line), "an unknown key", expected);
        }
    }
}

// === impl Field ===

impl<'a> Field<'a> {
    /// Notes that the value is not what it should be.
    pub(crate) fn refuse(&self, expected: &str) {
        self.note(shown(self.value.get_ref()), expected);
    }

    /// The same without showing the value, which may be or hold a secret.
    pub(crate) fn refuse_unseen(&self, expected: &str) {
        self.note(kind(self.value.get_ref()).to_owned(), expected);
    }

    /// The text, if it is one.
    pub(crate) fn text(&self) -> Option<&'a str> {
        match self.value.get_ref() {
            DeValue::String(text) => Some(text),
            _ => None,
        }
    }

    /// The text as `parse` reads it.
    pub(crate) fn parsed<T>(&self, expected: &str, parse: impl FnOnce(&str) -> Option<T>) -> Option<T> {
        let parsed = self.text().and_then(parse);
        if parsed.is_none() {
            self.refuse(expected);
        }
        parsed
    }

    /// The same for a text that may be or hold a secret.
    pub(crate) fn parsed_unseen<T>(&self, expected: &str, parse: impl FnOnce(&str) -> Option<T>) -> Option<T> {
        let parsed = self.text().and_then(parse);
        if parsed.is_none() {
            self.refuse_unseen(expected);
        }
        parsed
    }

    /// A whole number within the range.
    pub(crate) fn whole(&self, range: RangeInclusive<i64>) -> Option<i64> {
        let number = match self.value.get_ref() {
            DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix()).ok(),
            _ => None,
        };
        let number = number.filter(|number| range.contains(number));
        if number.is_none() {
            let expected = match (*range.start(), *range.end()) {
                (from, i64::MAX) => format!("a whole number, at least {from}"),
                (from, to) => format!("a whole number from {from} to {to}"),
            };
            self.refuse(&expected);
        }
        number
    }

    /// A duration within the range.
    pub(crate) fn duration(&self, range: RangeInclusive<Duration>) -> Option<Duration> {
        let (from, to) = (durations::render_duration(*range.start()), durations::render_duration(*range.end()));
        let expected = format!("a duration from \"{from}\" to \"{to}\", as a text with ms, s, min, h or d");
        self.parsed(&expected, |text| durations::parse_duration(text).filter(|duration| range.contains(duration)))
    }

    /// A date, as TOML's own or as a text.
    pub(crate) fn date(&self) -> Option<Date> {
        let date = match self.value.get_ref() {
            DeValue::Datetime(moment) if moment.time.is_none() => moment.date.and_then(|date| {
                let (year, month, day) = (date.year.try_into(), date.month.try_into(), date.day.try_into());
                Date::new(year.ok()?, month.ok()?, day.ok()?).ok()
            }),
            DeValue::String(text) if text.len() == "2026-12-24".len() => text.parse().ok(),
            _ => None,
        };
        if date.is_none() {
            self.refuse("a date such as \"2026-12-24\"");
        }
        date
    }

    /// Whether it is a list.
    pub(crate) fn is_list(&self) -> bool {
        matches!(self.value.get_ref(), DeValue::Array(_))
    }

    /// The elements of what must be a list.
    pub(crate) fn list(&self, expected: &str) -> Vec<Field<'a>> {
        if !self.is_list() {
            self.refuse(expected);
        }
        self.elements()
    }

    /// The elements of a list; nothing else has any.
    pub(crate) fn elements(&self) -> Vec<Field<'a>> {
        let DeValue::Array(elements) = self.value.get_ref() else { return Vec::new() };
        let at = |index| format!("{}[{index}]", self.path);
        elements.iter().enumerate().map(|(index, value)| Field { notes: self.notes, value, path: at(index) }).collect()
    }

    /// The entries of a table whose keys are names that the operator chooses.
    pub(crate) fn entries(&self, expected: &str) -> Vec<(&'a str, Field<'a>)> {
        let DeValue::Table(table) = self.value.get_ref() else {
            self.refuse(expected);
            return Vec::new();
        };
        let at = |key: &str| join(&self.path, key);
        table
            .iter()
            .map(|(key, value)| {
                let key: &'a str = key.get_ref();
                (key, Field { notes: self.notes, value, path: at(key) })
            })
            .collect()
    }

    /// The table, which may hold `keys`.
    pub(crate) fn section(&self, keys: &[&str]) -> Section<'a> {
        let table = match self.value.get_ref() {
            DeValue::Table(table) => Some(table),
            _ => {
                self.refuse("a table");
                None
            }
        };
        let section = Section { notes: self.notes, table, path: self.path.clone(), line: Some(self.line()) };
        section.refuse_unknown(keys);
        section
    }

    fn line(&self) -> usize {
        self.notes.line_at(self.value.span().start)
    }

    fn note(&self, found: String, expected: &str) {
        self.notes.note(self.path.clone(), Some(self.line()), found, expected);
    }
}

fn join(path: &str, key: &str) -> String {
    let bare = !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-');
    let key = if bare { key.to_owned() } else { format!("{:?}", shortened(key)) };
    if path.is_empty() { key } else { format!("{path}.{key}") }
}

fn shown(value: &DeValue<'_>) -> String {
    match value {
        DeValue::String(text) => format!("{:?}", shortened(text)),
        DeValue::Integer(number) => number.to_string(),
        DeValue::Float(number) => number.to_string(),
        DeValue::Boolean(truth) => truth.to_string(),
        DeValue::Datetime(moment) => moment.to_string(),
        DeValue::Array(_) | DeValue::Table(_) => kind(value).to_owned(),
    }
}

fn kind(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a text",
        DeValue::Integer(_) | DeValue::Float(_) => "a number",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date or time",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}

fn shortened(text: &str) -> String {
    if text.chars().count() <= LONGEST_SHOWN {
        return text.to_owned();
    }
    text.chars().take(LONGEST_SHOWN).chain(['…']).collect()
}
