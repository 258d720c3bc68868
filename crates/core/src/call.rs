//! A phone call as the signed envelope tells it, and what has been said in it so far.

use jiff::Timestamp;
use phonenumber::country;
use serde::{Deserialize, Serialize};

use crate::ids::{BookingId, CallId, SlotId};
use crate::sensitive::Sensitive;

/// A phone number in E.164 form: `+` and 7 to 15 digits.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Phone(Sensitive<String>);

impl Phone {
    /// Reads a number as carriers and people write it. A number without a country prefix is read in
    /// the country of `home` (a number of the business), and refused without one.
    pub fn parse(text: &str, home: Option<&Phone>) -> Option<Self> {
        if text.len() > 50 {
            return None;
        }
        if is_e164(text) {
            return Some(Self(Sensitive::new(text.to_owned())));
        }
        let country = home.and_then(Phone::country);
        let number = phonenumber::parse(country, text).ok()?;
        let e164 = number.format().mode(phonenumber::Mode::E164).to_string();
        let digits = e164.strip_prefix('+')?;
        let plausible = (7..=15).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
        plausible.then(|| Self(Sensitive::new(e164)))
    }

    /// The number in E.164 form.
    pub fn e164(&self) -> &str {
        self.0.expose()
    }

    /// Whether the numbering plan of the country knows such a number; calendars refuse others.
    pub fn is_valid(&self) -> bool {
        phonenumber::parse(None, self.e164()).is_ok_and(|number| number.is_valid())
    }

    fn country(&self) -> Option<country::Id> {
        phonenumber::parse(None, self.e164()).ok()?.country().id()
    }
}

/// Reads the plans of all countries, which takes its time and is needed by the first number that is not in
/// form and by the first booking.
pub fn load_numbering_plans() {
    let _ = phonenumber::parse(None, "+49 30 111111").map(|number| number.is_valid());
}

/// Whether `text` is in E.164 form as it stands, as carriers send it: where no 0 follows the country code
/// there is no national prefix that a careful reading would drop. Country codes after ITU-T E.164, list
/// of assigned codes.
fn is_e164(text: &str) -> bool {
    let Some(digits) = text.strip_prefix('+').map(str::as_bytes) else { return false };
    if !(8..=15).contains(&digits.len()) || !digits.iter().all(u8::is_ascii_digit) {
        return false;
    }
    let code = match digits {
        [b'1' | b'7', ..] => 1,
        [b'2', b'0' | b'7', ..]
        | [b'3', b'0'..=b'4' | b'6' | b'9', ..]
        | [b'4', b'0' | b'1' | b'3'..=b'9', ..]
        | [b'5', b'1'..=b'8', ..]
        | [b'6', b'0'..=b'6', ..]
        | [b'8', b'1' | b'2' | b'4' | b'6', ..]
        | [b'9', b'0'..=b'5' | b'8', ..] => 2,
        // Three digits, or none that is assigned.
        _ => return false,
    };
    digits[code] != b'0'
}

/// Who is on the line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Caller {
    /// The carrier vouches for this number.
    Known(Phone),
    /// No number: withheld, a web call, or a request without a call.
    Anonymous,
}

impl Caller {
    /// Reads the number of the envelope; words like `anonymous`, and anything that is no number, are
    /// an anonymous caller.
    pub fn from_envelope(number: Option<&str>) -> Self {
        match number.and_then(|text| Phone::parse(text.trim(), None)) {
            Some(phone) => Self::Known(phone),
            None => Self::Anonymous,
        }
    }

    /// The number, if there is one.
    pub fn phone(&self) -> Option<&Phone> {
        match self {
            Self::Known(phone) => Some(phone),
            Self::Anonymous => None,
        }
    }
}

/// The call a request belongs to. Only a signed envelope makes one.
#[derive(Debug, Clone)]
pub struct CallContext {
    /// The platform's id of the call; `None` for a request that carries none.
    pub id: Option<CallId>,
    /// Who is on the line.
    pub caller: Caller,
    /// The number that was called, as sent.
    pub to_number: Option<String>,
    /// The agent that answers.
    pub agent_id: Option<String>,
    /// The version of that agent.
    pub agent_version: Option<i64>,
}

impl CallContext {
    /// A request without a call: the rules of anonymous callers apply.
    pub fn none() -> Self {
        Self { id: None, caller: Caller::Anonymous, to_number: None, agent_id: None, agent_version: None }
    }
}

/// Where a call stands. It only moves forward.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CallState {
    /// Somebody is talking.
    Ongoing,
    /// No end was ever reported; closed by us.
    Abandoned,
    /// The platform says it is over.
    Ended,
    /// The platform has looked back on it.
    Analyzed,
}

/// What has been said in a call so far, so that nothing is asked twice. A later empty value never
/// erases an earlier one.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Memory {
    /// The name that the caller gave.
    pub name: Option<Sensitive<String>>,
    /// The e-mail address that the caller gave.
    pub email: Option<Sensitive<String>>,
    /// The call-back number that the caller gave.
    pub phone: Option<Phone>,
    /// The service last resolved, by its exact name.
    pub service: Option<String>,
    /// The staff member last asked for, by exact name.
    pub staff: Option<String>,
    /// The words of the last wish, kept for a callback.
    pub wish: Option<Sensitive<String>>,
    /// The slots last offered, newest last.
    pub offered: Vec<SlotId>,
    /// What was asked back last, so that the same request again is consent.
    pub awaiting: Option<Awaiting>,
    /// What was done last, so that the same request again is answered again.
    pub done: Option<Effect>,
    /// Whether the last wish came to something: an appointment, a change, a place on the list.
    pub served: bool,
}

/// A change that this call made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Effect {
    /// What was asked for, as a fingerprint of the function and its arguments.
    pub fingerprint: String,
    /// The appointment that was changed.
    pub booking: BookingId,
    /// The start that it had.
    pub from: Timestamp,
}

/// A question that a repeat of the same request answers with yes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Awaiting {
    /// What was asked for, as a fingerprint of the function and its arguments.
    pub fingerprint: String,
    /// When the question was put.
    pub asked_at: Timestamp,
    /// The slot that is held for the answer, if any.
    pub slot: Option<SlotId>,
    /// The appointment that was named, if any: a yes is about that one.
    #[serde(default)]
    pub booking: Option<BookingId>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn withheld_numbers_are_anonymous() {
        for word in ["anonymous", "unknown", "", "withheld", "Restricted", "0", "+"] {
            assert_eq!(Caller::from_envelope(Some(word)), Caller::Anonymous, "{word}");
        }
        assert_eq!(Caller::from_envelope(None), Caller::Anonymous);
    }

    #[test]
    fn what_is_in_form_already_reads_as_the_numbering_plan_reads_it() {
        for text in [
            "+4915123456789",
            "+493011223344",
            "+12125550123",
            "+390612345678",
            "+442071234567",
            "+85212345678",
            "+358401234567",
            "+4930111111",
        ] {
            let slowly = phonenumber::parse(None, text).expect("a number").format().mode(phonenumber::Mode::E164).to_string();
            assert_eq!(Phone::parse(text, None).expect("a number").e164(), slowly, "{text}");
        }
        assert!(
            !is_e164("+4901512345678")
                && !is_e164("+49151234567890123")
                && !is_e164("+49 151 2345678")
                && !is_e164("4915123456789")
        );
    }

    #[test]
    fn national_numbers_are_read_in_the_country_of_the_business() {
        let home = Phone::parse("+4930111111", None).expect("a number");
        let phone = Phone::parse("0151 2345 6789", Some(&home)).expect("a number");
        assert_eq!(phone.e164(), "+4915123456789");
        assert!(Phone::parse("0151 2345 6789", None).is_none());
    }
}
