//! Keeps secrets and people out of whatever is written down: logs, traces, stored exchanges, error texts.
//!
//! A name decides first (`api_key`, `telefon`), then what the text itself looks like: keys, cards, IBANs,
//! phone numbers, e-mail addresses, also where they are spoken in words. Checksums decide where there are
//! any, so that order numbers, prices, instants and UUIDs stay readable. One pass over the bytes; a text
//! without a suspicious byte is given back as it is.

mod names;
mod scan;
mod spoken;

use std::borrow::Cow;

use ring::hmac;
use serde_json::Value;

pub use names::{NameKind, kind_of};

/// What stands where a secret stood.
pub const SECRET: &str = "[REDACTED]";
/// What stands where a person's data stood.
pub const PERSONAL: &str = "[PII_REDACTED]";
/// What stands where a key of ours or of a platform stood.
pub const API_KEY: &str = "[API_KEY_REDACTED]";
/// What stands where a phone number stood.
pub const PHONE: &str = "[PHONE_REDACTED]";
/// What stands where a card number stood.
pub const CARD: &str = "[CARD_REDACTED]";
/// What stands where an IBAN stood.
pub const IBAN: &str = "[IBAN_REDACTED]";
/// What stands where digits were spoken.
pub const DIGITS: &str = "[DIGITS_REDACTED]";

/// What is looked for in a free text. Names and keys are always looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    /// People's data as well.
    Everything,
    /// Keys, tokens and what stands behind a telling name only.
    KeysOnly,
}

/// Redacts. Cheap to share; two with the same key give the same pseudonyms.
pub struct Redactor {
    key: hmac::Key,
}

impl std::fmt::Debug for Redactor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Redactor")
    }
}

impl Redactor {
    /// With a key for pseudonyms: 32 random bytes, or derived from a secret that stays.
    pub fn new(key: &[u8]) -> Self {
        Self { key: hmac::Key::new(hmac::HMAC_SHA256, key) }
    }

    /// A value under a name, as it may be written down.
    pub fn field<'t>(&self, name: &str, value: &'t str, depth: Depth) -> Cow<'t, str> {
        match kind_of(name) {
            NameKind::Secret if !value.is_empty() => Cow::Borrowed(SECRET),
            NameKind::Personal if !value.is_empty() && !names::is_technical(value) => Cow::Borrowed(PERSONAL),
            NameKind::Email if !value.is_empty() => match value.rsplit_once('@') {
                Some((local, domain)) if !domain.contains(char::is_whitespace) => Cow::Owned(self.email(local, domain)),
                _ => Cow::Borrowed(PERSONAL),
            },
            NameKind::Secret | NameKind::Personal | NameKind::Email | NameKind::Plain => self.text(value, depth),
        }
    }

    /// A free text, as it may be written down.
    pub fn text<'t>(&self, text: &'t str, depth: Depth) -> Cow<'t, str> {
        let found = scan::redact(self, text, depth);
        match (depth, found) {
            (Depth::KeysOnly, found) => found,
            (Depth::Everything, Cow::Borrowed(text)) => spoken::redact(self, text),
            (Depth::Everything, Cow::Owned(text)) => Cow::Owned(spoken::redact(self, &text).into_owned()),
        }
    }

    /// How many findings of [`Depth::Everything`] a text holds beyond those of [`Depth::KeysOnly`].
    pub fn would_find(&self, text: &str) -> bool {
        self.text(text, Depth::Everything) != self.text(text, Depth::KeysOnly)
    }

    /// A whole document, names and texts, at any depth.
    pub fn json(&self, value: &mut Value, depth: Depth) {
        match value {
            Value::String(text) => {
                if let Cow::Owned(redacted) = self.text(text, depth) {
                    *text = redacted;
                }
            }
            Value::Array(items) => items.iter_mut().for_each(|item| self.json(item, depth)),
            Value::Object(fields) => {
                for (name, value) in fields.iter_mut() {
                    self.member(name, value, depth);
                }
            }
            Value::Number(number) => {
                // A card or a phone number is no less one for being written without quotes.
                let text = number.to_string();
                if let Cow::Owned(redacted) = self.text(&text, depth) {
                    *value = Value::String(redacted);
                }
            }
            Value::Null | Value::Bool(_) => {}
        }
    }

    fn member(&self, name: &str, value: &mut Value, depth: Depth) {
        let kind = kind_of(name);
        match value {
            Value::Null | Value::Bool(_) => {}
            Value::String(text) => *text = self.field(name, text, depth).into_owned(),
            Value::Number(_) | Value::Array(_) | Value::Object(_) if kind == NameKind::Secret => *value = SECRET.into(),
            Value::Number(_) if kind != NameKind::Plain => *value = PERSONAL.into(),
            Value::Array(items) => items.iter_mut().for_each(|item| match item {
                Value::String(text) => *text = self.field(name, text, depth).into_owned(),
                other => self.json(other, depth),
            }),
            Value::Number(_) | Value::Object(_) => self.json(value, depth),
        }
    }

    /// A document with its names: every name that it calls one is also taken out of its other texts, such as a title
    /// made of it.
    pub fn document(&self, document: Value, depth: Depth) -> String {
        let names = names_in([&document]);
        self.without(document, &names, depth).to_string()
    }

    /// What was sent and what came back: the names that either calls one are taken out of both.
    pub fn exchange(&self, sent: &str, received: &str, depth: Depth) -> (String, String) {
        let read = |text: &str| serde_json::from_str::<Value>(text).map_err(|_| Value::String(text.to_owned()));
        let (sent, received) = (read(sent), read(received));
        let names = names_in([&sent, &received].into_iter().flatten());
        let redacted = |document: Result<Value, Value>| match document {
            Ok(document) => self.without(document, &names, depth).to_string(),
            Err(text) => self.without(text, &names, depth).as_str().unwrap_or("").to_owned(),
        };
        (redacted(sent), redacted(received))
    }

    fn without(&self, mut document: Value, names: &[String], depth: Depth) -> Value {
        self.json(&mut document, depth);
        without_names(&mut document, names);
        document
    }

    /// A path or query, as it may be written down: what is percent-encoded in it is looked at as well.
    pub fn address<'t>(&self, path: &'t str, depth: Depth) -> Cow<'t, str> {
        if !path.contains('%') {
            return self.text(path, depth);
        }
        let decoded = decoded(path);
        match self.text(&decoded, depth) {
            Cow::Owned(redacted) => Cow::Owned(redacted),
            Cow::Borrowed(_) => self.text(path, depth),
        }
    }

    /// A header, as it may be written down: what is not known to be harmless is treated as text.
    pub fn header<'t>(&self, name: &str, value: &'t str) -> Cow<'t, str> {
        let lower = name.to_ascii_lowercase();
        let is_secret = lower.contains("cookie")
            || lower.contains("authorization")
            || lower.contains("signature")
            || kind_of(&lower) == NameKind::Secret;
        if is_secret { Cow::Borrowed(SECRET) } else { self.field(name, value, Depth::Everything) }
    }

    /// The pseudonym of an address: the same person can be followed without being known.
    fn email(&self, local: &str, domain: &str) -> String {
        let tag = hmac::sign(&self.key, local.to_lowercase().as_bytes());
        let hash: String = tag.as_ref().iter().take(4).map(|byte| format!("{byte:02x}")).collect();
        format!("[email:{hash}@{}]", domain.to_lowercase())
    }
}

/// Without percent signs; bytes that make no text are replaced.
fn decoded(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut index = 0;
    while index < bytes.len() {
        let hex = bytes.get(index + 1..index + 3).and_then(|hex| std::str::from_utf8(hex).ok());
        match (bytes[index], hex.and_then(|hex| u8::from_str_radix(hex, 16).ok())) {
            (b'%', Some(byte)) => {
                out.push(byte);
                index += 3;
            }
            (byte, _) => {
                out.push(byte);
                index += 1;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// The names in documents, the longest first: a whole name before its words.
fn names_in<'d>(documents: impl IntoIterator<Item = &'d Value>) -> Vec<String> {
    let mut names = Vec::new();
    documents.into_iter().for_each(|document| collect_names(document, &mut names));
    names.sort_by(|one, other| other.len().cmp(&one.len()).then_with(|| one.cmp(other)));
    names.dedup();
    names
}

/// The texts under personal names, whole and by their words.
fn collect_names(value: &Value, names: &mut Vec<String>) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| collect_names(item, names)),
        Value::Object(fields) => {
            for (name, value) in fields {
                match value {
                    Value::String(said) if kind_of(name) == NameKind::Personal && !names::is_technical(said) => {
                        let parts = std::iter::once(said.trim()).chain(said.split_whitespace());
                        names.extend(parts.filter(|part| part.chars().count() >= 3).map(str::to_owned));
                    }
                    value => collect_names(value, names),
                }
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn without_names(value: &mut Value, names: &[String]) {
    match value {
        Value::String(text) => {
            for name in names.iter().filter(|name| !PERSONAL.contains(name.as_str())) {
                if text.contains(name.as_str()) {
                    *text = text.replace(name.as_str(), PERSONAL);
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| without_names(item, names)),
        Value::Object(fields) => fields.values_mut().for_each(|value| without_names(value, names)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

#[cfg(test)]
mod tests;
