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

#[cfg(test)]
mod tests;
