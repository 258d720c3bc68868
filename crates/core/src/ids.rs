//! Identifiers: one type per kind, so that a call id can never stand where a slot id is expected.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::clock::Dice;

macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Arc<str>);

        impl $name {
            /// Takes the text as it is.
            pub fn new(text: impl AsRef<str>) -> Self {
                Self(Arc::from(text.as_ref()))
            }

            /// The text of the identifier.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

text_id!(
    /// A tenant, by its slug: 1 to 63 of `a-z`, `0-9`, `-`.
    TenantId
);
text_id!(
    /// A phone call, by the voice platform's own id out of the signed envelope.
    CallId
);
text_id!(
    /// A held slot, `s_` and 26 characters; it is also the id of the hold.
    SlotId
);
text_id!(
    /// An appointment as callers and tenants know it, `b_` and 26 characters; kept over a move.
    BookingId
);
text_id!(
    /// One attempt to change a calendar, `i_` and 26 characters; it travels in the calendar's metadata.
    IntentId
);
text_id!(
    /// A wish that a person will take care of, `c_` and 26 characters.
    CallbackId
);

impl TenantId {
    /// Whether `text` is a well-formed slug: 1 to 63 of `a-z`, `0-9`, `-`, not at the edges a `-`.
    pub fn is_slug(text: &str) -> bool {
        (1..=63).contains(&text.len())
            && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
            && !text.starts_with('-')
            && !text.ends_with('-')
    }
}

/// 130 random bits as 26 characters of Crockford's base 32 in lower case.
pub fn random_text(dice: &dyn Dice) -> String {
    const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
    let mut bytes = [0_u8; 26];
    dice.fill(&mut bytes);
    bytes.iter().map(|b| char::from(ALPHABET[usize::from(b & 31)])).collect()
}

impl SlotId {
    /// A fresh one.
    pub fn fresh(dice: &dyn Dice) -> Self {
        Self::new(format!("s_{}", random_text(dice)))
    }
}

impl BookingId {
    /// A fresh one.
    pub fn fresh(dice: &dyn Dice) -> Self {
        Self::new(format!("b_{}", random_text(dice)))
    }
}

impl IntentId {
    /// A fresh one.
    pub fn fresh(dice: &dyn Dice) -> Self {
        Self::new(format!("i_{}", random_text(dice)))
    }
}

impl CallbackId {
    /// A fresh one.
    pub fn fresh(dice: &dyn Dice) -> Self {
        Self::new(format!("c_{}", random_text(dice)))
    }
}
