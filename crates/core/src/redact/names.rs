//! What a name says about the value behind it. Words are compared whole, after splitting: `author` is not
//! `auth`, `capacity` is not `city`, `service_name` is nobody's name.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::LazyLock;

/// What stands behind a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NameKind {
    /// A key, a password, a cookie.
    Secret,
    /// Something about a person.
    Personal,
    /// An e-mail address.
    Email,
    /// Anything else.
    Plain,
}

const SECRET: &[&str] = &[
    "password",
    "passwd",
    "pwd",
    "passwort",
    "kennwort",
    "passphrase",
    "token",
    "secret",
    "geheimnis",
    "authorization",
    "auth",
    "bearer",
    "cookie",
    "cookies",
    "apikey",
    "credential",
    "credentials",
    "cvv",
    "cvc",
    "ssn",
    "pin",
    "otp",
    "jwt",
];
/// Before `key`, which alone is the name of many harmless things.
const KEYS: &[&str] = &["api", "access", "private", "signing", "master", "encryption", "webhook", "rest", "admin", "client"];
const PERSONAL: &[&str] = &[
    "phone",
    "telephone",
    "telefon",
    "telefonnummer",
    "tel",
    "mobile",
    "mobil",
    "mobilnummer",
    "handy",
    "handynummer",
    "rufnummer",
    "fax",
    "msisdn",
    "vorname",
    "nachname",
    "familienname",
    "kundename",
    "kundenname",
    "anrufername",
    "firstname",
    "lastname",
    "surname",
    "fullname",
    "nickname",
    "username",
    "address",
    "adresse",
    "anschrift",
    "street",
    "strasse",
    "straße",
    "hausnummer",
    "city",
    "wohnort",
    "ort",
    "plz",
    "postleitzahl",
    "postal",
    "postcode",
    "zip",
    "zipcode",
    "dob",
    "birthday",
    "birthdate",
    "birth",
    "geburtsdatum",
    "geburtstag",
    "transcript",
    "transkript",
    "utterance",
    "notes",
    "note",
    "notiz",
    "notizen",
    "bemerkung",
    "anmerkung",
    "iban",
    "card",
    "kreditkarte",
    "kreditkartennummer",
    "kontonummer",
];
const EMAIL: &[&str] = &["email", "mail", "emails", "mailadresse", "emailadresse"];
/// Whose name it is, before or after `name`.
const WHO: &[&str] = &[
    "customer",
    "caller",
    "attendee",
    "patient",
    "client",
    "contact",
    "guest",
    "user",
    "person",
    "first",
    "last",
    "full",
    "family",
    "given",
    "middle",
    "display",
    "kunde",
    "kunden",
    "anrufer",
    "gast",
    "vor",
    "nach",
    "booker",
    "recipient",
    "sender",
];
/// Before `number` or `address`, they make it a thing's and not a person's.
const CALLERS: &[&str] =
    &["from", "to", "caller", "called", "phone", "mobile", "callback", "contact", "customer", "card", "account"];
const THINGS: &[&str] = &["ip", "mac", "base", "web", "listen", "server", "bind", "memory", "peer", "local", "remote"];

/// The longest name that is looked at; longer ones are no names.
const LONGEST: usize = 80;

/// What a word says about the name that it is in, one bit each.
mod says {
    pub(super) const SECRET: u16 = 1;
    pub(super) const KEYS: u16 = 1 << 1;
    pub(super) const PERSONAL: u16 = 1 << 2;
    pub(super) const EMAIL: u16 = 1 << 3;
    pub(super) const WHO: u16 = 1 << 4;
    pub(super) const CALLERS: u16 = 1 << 5;
    pub(super) const THINGS: u16 = 1 << 6;
    pub(super) const KEY: u16 = 1 << 7;
    pub(super) const ADDRESS: u16 = 1 << 8;
    pub(super) const NUMBER: u16 = 1 << 9;
    pub(super) const NAME: u16 = 1 << 10;
}

/// All words that say anything. Every field of every line of the log is looked up here.
static WORDS: LazyLock<HashMap<&'static str, u16>> = LazyLock::new(|| {
    let lists: [(u16, &[&str]); 11] = [
        (says::SECRET, SECRET),
        (says::KEYS, KEYS),
        (says::PERSONAL, PERSONAL),
        (says::EMAIL, EMAIL),
        (says::WHO, WHO),
        (says::CALLERS, CALLERS),
        (says::THINGS, THINGS),
        (says::KEY, &["key"]),
        (says::ADDRESS, &["address"]),
        (says::NUMBER, &["number", "nummer"]),
        (says::NAME, &["name"]),
    ];
    let mut words = HashMap::new();
    for (bit, list) in lists {
        for word in list {
            *words.entry(*word).or_insert(0) |= bit;
        }
    }
    words
});

/// What stands behind `name`.
pub fn kind_of(name: &str) -> NameKind {
    if name.len() > LONGEST {
        return NameKind::Plain;
    }
    // Most names are written in small letters and need no words of their own.
    let is_small = name.bytes().all(|byte| byte.is_ascii() && !byte.is_ascii_uppercase());
    if is_small {
        return kind_of_words(name.split(|letter: char| !letter.is_ascii_alphanumeric()).filter(|it| !it.is_empty()));
    }
    kind_of_words(split(name).iter().map(String::as_str))
}

fn kind_of_words<'w>(words: impl Iterator<Item = &'w str>) -> NameKind {
    let (mut said, mut count) = (0, 0);
    for word in words {
        said |= WORDS.get(word).copied().unwrap_or(0);
        count += 1;
    }
    let has = |bit: u16| said & bit != 0;
    if has(says::SECRET) || (has(says::KEY) && has(says::KEYS)) {
        return NameKind::Secret;
    }
    if has(says::EMAIL) {
        return NameKind::Email;
    }
    if has(says::ADDRESS) && has(says::THINGS) {
        return NameKind::Plain;
    }
    if has(says::PERSONAL) || (has(says::NUMBER) && has(says::CALLERS)) {
        return NameKind::Personal;
    }
    if has(says::NAME) && (count == 1 || has(says::WHO)) {
        return NameKind::Personal;
    }
    NameKind::Plain
}

/// Whether a value under a personal name is a machine's: `address` of a listener, `to` of a redirect.
pub(super) fn is_technical(value: &str) -> bool {
    value.parse::<SocketAddr>().is_ok() || value.parse::<IpAddr>().is_ok() || value.starts_with('[') && value.ends_with(']')
}

/// The words of a name, lower case: split on case, `_`, `-`, `.`, `/`, spaces.
fn split(name: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let mut word = String::new();
    let mut before_is_lower = false;
    let letters: Vec<char> = name.chars().collect();
    for (index, letter) in letters.iter().copied().enumerate() {
        if !letter.is_alphanumeric() {
            words.extend((!word.is_empty()).then(|| std::mem::take(&mut word)));
            before_is_lower = false;
            continue;
        }
        let next_is_lower = letters.get(index + 1).is_some_and(|next| next.is_lowercase());
        // `phoneNumber` and `APIKey` alike.
        let begins = letter.is_uppercase() && (before_is_lower || (next_is_lower && !word.is_empty()));
        if begins {
            words.extend((!word.is_empty()).then(|| std::mem::take(&mut word)));
        }
        word.extend(letter.to_lowercase());
        before_is_lower = letter.is_lowercase() || letter.is_ascii_digit();
    }
    words.extend((!word.is_empty()).then_some(word));
    words
}
