//! Values that cannot be printed: a person's data and secrets.
//!
//! Neither type has `Display`, and `Debug` prints a fixed word, so that a log line or an error text
//! cannot carry the content by accident. Reading the content is spelled out with `expose`.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A person's data: a name, a phone number, an e-mail address, a note.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Sensitive<T>(T);

impl<T> Sensitive<T> {
    /// Wraps the value.
    pub fn new(value: T) -> Self {
        Self(value)
    }

    /// The value itself. Call it only where the person's data has to leave: a calendar, a reply to
    /// the same person, a stored row.
    pub fn expose(&self) -> &T {
        &self.0
    }

    /// The value itself, giving up the wrapper.
    pub fn into_exposed(self) -> T {
        self.0
    }
}

impl<T> fmt::Debug for Sensitive<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[personal]")
    }
}

/// A key or password. It is never serialised: what stores it asks for it by name.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Wraps the text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself, for signing, sending or encrypting it.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Whether the text is empty, which no key may be.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neither_prints_its_content() {
        let name = Sensitive::new("Ada Byron".to_owned());
        let key = Secret::new("key_123");
        assert_eq!(format!("{name:?} {key:?}"), "[personal] [secret]");
    }
}
