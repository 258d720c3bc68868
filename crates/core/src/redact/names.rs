//! What a name says about the value behind it. Words are compared whole, after splitting: `author` is not
//! `auth`, `capacity` is not `city`, `service_name` is nobody's name.

use std::net::{IpAddr, SocketAddr};

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

/// What stands behind `name`.
pub fn kind_of(name: &str) -> NameKind {
    if name.len() > LONGEST {
        return NameKind::Plain;
    }
    // Most names are written in small letters and need no words of their own.
    let is_small = name.bytes().all(|byte| byte.is_ascii() && !byte.is_ascii_uppercase());
    if is_small {
        let words: Vec<&str> = name.split(|letter: char| !letter.is_ascii_alphanumeric()).filter(|it| !it.is_empty()).collect();
        return kind_of_words(&words);
    }
    let words = split(name);
    kind_of_words(&words.iter().map(String::as_str).collect::<Vec<_>>())
}

fn kind_of_words(words: &[&str]) -> NameKind {
    let has = |list: &[&str]| words.iter().any(|word| list.contains(word));
    let is = |word: &str| words.contains(&word);
    if has(SECRET) || (is("key") && has(KEYS)) {
        return NameKind::Secret;
    }
    if has(EMAIL) || (is("e") && is("mail")) {
        return NameKind::Email;
    }
    if is("address") && has(THINGS) {
        return NameKind::Plain;
    }
    if has(PERSONAL) || (is("number") && has(CALLERS)) || (is("nummer") && has(CALLERS)) {
        return NameKind::Personal;
    }
    if is("name") && (words.len() == 1 || has(WHO)) {
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
