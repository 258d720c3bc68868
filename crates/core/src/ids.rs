//! Identifiers: one type per kind, so that a call id can never stand where a slot id is expected.

use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;
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
    /// The tenant of synthetic calls. It is no slug, so no business can have it.
    pub const CANARY: &'static str = "_canary";

    /// Whether it is the tenant of synthetic calls: nobody's business, and in no list and no count.
    pub fn is_canary(&self) -> bool {
        self.as_str() == Self::CANARY
    }

    /// Whether `text` is a well-formed slug: 1 to 63 of `a-z`, `0-9`, `-`, not at the edges a `-`.
    pub fn is_slug(text: &str) -> bool {
        (1..=63).contains(&text.len())
            && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
            && !text.starts_with('-')
            && !text.ends_with('-')
    }
}

const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
/// What an identifier has of the time: milliseconds since 1970, until the year 3084.
const OF_TIME: usize = 9;

/// 130 random bits as 26 characters of Crockford's base 32 in lower case.
pub fn random_text(dice: &dyn Dice) -> String {
    let mut bytes = [0_u8; 26];
    dice.fill(&mut bytes);
    bytes.iter().map(|b| char::from(ALPHABET[usize::from(b & 31)])).collect()
}

/// The time and 85 random bits, as long as [`random_text`]. Rows that are made one after the other so stand next to
/// each other in every index, and a commit writes a few pages of it instead of one for each row.
fn ordered_text(dice: &dyn Dice, now: Timestamp) -> String {
    let mut bytes = [0_u8; 26];
    let (time, chance) = bytes.split_at_mut(OF_TIME);
    let mut rest = now.as_millisecond().max(0).unsigned_abs();
    for byte in time.iter_mut().rev() {
        *byte = (rest & 31) as u8;
        rest >>= 5;
    }
    dice.fill(chance);
    bytes.iter().map(|b| char::from(ALPHABET[usize::from(b & 31)])).collect()
}

macro_rules! fresh {
    ($($name:ident $letter:literal),*) => {$(
        impl $name {
            /// A fresh one, in the order of time.
            pub fn fresh(dice: &dyn Dice, now: Timestamp) -> Self {
                Self::new(format!(concat!($letter, "_{}"), ordered_text(dice, now)))
            }
        }
    )*};
}

fresh!(SlotId "s", BookingId "b", IntentId "i", CallbackId "c");

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;

    use super::*;
    use crate::clock::CountingDice;

    #[test]
    fn identifiers_are_in_the_order_of_time_and_differ_within_a_moment() {
        let dice = CountingDice::default();
        let begin: Timestamp = "2026-03-12T09:00:00Z".parse().expect("a timestamp");
        let mut last = BookingId::new("");
        for millisecond in 0..2000 {
            let now = begin + SignedDuration::from_millis(millisecond);
            let ids = [BookingId::fresh(&dice, now), BookingId::fresh(&dice, now)];
            assert!(ids[0] > last && ids[0] != ids[1] && ids[0].as_str().len() == 28, "{ids:?} after {last}");
            last = ids[1].clone();
        }
    }

    #[test]
    fn no_time_is_too_early_or_too_late() {
        let dice = CountingDice::default();
        for now in [Timestamp::MIN, Timestamp::UNIX_EPOCH, Timestamp::MAX] {
            assert_eq!(SlotId::fresh(&dice, now).as_str().len(), 28);
        }
    }
}
