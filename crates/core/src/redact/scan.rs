//! One pass over the bytes of a text.
//!
//! Most bytes cannot begin or end anything that is looked for; a table tells them from the others.

use std::borrow::Cow;

use super::names::{NameKind, is_technical, kind_of};
use super::{API_KEY, CARD, Depth, IBAN, PERSONAL, PHONE, Redactor, SECRET};

/// Bytes at which something may begin, or by which it is recognised.
const TRIGGERS: [bool; 256] = {
    let mut table = [false; 256];
    let marks = b"@=:_+0123456789";
    let mut index = 0;
    while index < marks.len() {
        table[marks[index] as usize] = true;
        index += 1;
    }
    // Bearer, Basic, eyJ.
    table[b'B' as usize] = true;
    table[b'b' as usize] = true;
    table[b'e' as usize] = false;
    table
};
const KEY_PREFIXES: [&str; 7] = ["cal_", "key_", "fd_", "sk_", "pk_", "rk_", "whsec_"];
/// Shorter than this behind a prefix is a word and not a key.
const SHORTEST_KEY: usize = 8;
/// A run of this many hexadecimal digits is a key or a digest.
const HEX_KEY: usize = 32;

/// A finding: these bytes become that.
struct Finding {
    from: usize,
    to: usize,
    with: Cow<'static, str>,
}

pub(super) fn redact<'t>(redactor: &Redactor, text: &'t str, depth: Depth) -> Cow<'t, str> {
    let bytes = text.as_bytes();
    let mut out: Option<String> = None;
    // Up to here the text has been copied, and up to there it has been looked at.
    let (mut copied, mut at) = (0, 0);
    while at < bytes.len() {
        if !TRIGGERS[bytes[at] as usize] || !is_scheme_or_mark(bytes, at) {
            at += 1;
            continue;
        }
        match look(redactor, text, bytes, copied, at, depth) {
            Look::Nothing => at += 1,
            Look::Skip(to) => at = to.max(at + 1),
            Look::Found(finding) => {
                let out = out.get_or_insert_with(|| String::with_capacity(text.len() + 16));
                out.push_str(&text[copied..finding.from]);
                out.push_str(&finding.with);
                copied = finding.to;
                at = finding.to.max(at + 1);
            }
        }
    }
    match out {
        None => Cow::Borrowed(text),
        Some(mut out) => {
            out.push_str(&text[copied..]);
            Cow::Owned(out)
        }
    }
}

/// A `b` is looked at where "bearer" or "basic" could begin; every other mark is.
#[inline]
fn is_scheme_or_mark(bytes: &[u8], at: usize) -> bool {
    match bytes[at] {
        b'B' | b'b' => bytes.get(at + 1).is_some_and(|next| matches!(next, b'e' | b'E' | b'a' | b'A')),
        _ => true,
    }
}

enum Look {
    Nothing,
    /// Harmless up to here.
    Skip(usize),
    Found(Finding),
}

fn look(redactor: &Redactor, text: &str, bytes: &[u8], floor: usize, at: usize, depth: Depth) -> Look {
    match bytes[at] {
        b'@' if depth == Depth::Everything => email(redactor, text, bytes, floor, at),
        b'@' => url_password(bytes, floor, at),
        b'=' | b':' => pair(redactor, text, bytes, floor, at, depth),
        b'_' => prefixed_key(bytes, floor, at),
        b'B' | b'b' => scheme(bytes, at),
        b'+' if depth == Depth::Everything => phone(bytes, at),
        b'0'..=b'9' => number(bytes, at, depth),
        _ => Look::Nothing,
    }
}

fn found(from: usize, to: usize, with: &'static str) -> Look {
    Look::Found(Finding { from, to, with: Cow::Borrowed(with) })
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// Whether a word could begin at `at`.
fn starts(bytes: &[u8], at: usize) -> bool {
    at == 0 || !(is_word(bytes[at - 1]) || bytes[at - 1] >= 0x80)
}

/// The end of the longest run from `at` on for which `fits` holds.
fn run(bytes: &[u8], at: usize, fits: impl Fn(u8) -> bool) -> usize {
    bytes[at..].iter().position(|byte| !fits(*byte)).map_or(bytes.len(), |length| at + length)
}

// --- e-mail -----------------------------------------------------------------------------------

fn email(redactor: &Redactor, text: &str, bytes: &[u8], floor: usize, at: usize) -> Look {
    if let found @ Look::Found(_) = url_password(bytes, floor, at) {
        return found;
    }
    let is_local = |byte: u8| byte.is_ascii_alphanumeric() || b"._%+-'".contains(&byte) || byte >= 0x80;
    let mut from = at;
    while from > floor && is_local(bytes[from - 1]) {
        from -= 1;
    }
    let is_domain = |byte: u8| byte.is_ascii_alphanumeric() || b".-".contains(&byte) || byte >= 0x80;
    let mut to = run(bytes, at + 1, is_domain);
    while to > at + 1 && b".-".contains(&bytes[to - 1]) {
        to -= 1;
    }
    // Both ends stand between whole characters: bytes of one are taken or left together.
    let (Some(local), Some(domain)) = (text.get(from..at), text.get(at + 1..to)) else { return Look::Nothing };
    if bytes[..from].ends_with(b"[email:") {
        return Look::Skip(to);
    }
    let is_host = domain.rsplit_once('.').is_some_and(|(rest, top)| !rest.is_empty() && top.chars().count() >= 2);
    if local.is_empty() || !is_host {
        return Look::Nothing;
    }
    Look::Found(Finding { from, to, with: Cow::Owned(redactor.email(local, domain)) })
}

/// `scheme://user:password@host`.
fn url_password(bytes: &[u8], floor: usize, at: usize) -> Look {
    let mut from = at;
    while from > floor && !bytes[from - 1].is_ascii_whitespace() && !b"/\"'<>".contains(&bytes[from - 1]) {
        from -= 1;
    }
    let is_url = from >= 3 && &bytes[from - 3..from] == b"://";
    if is_url && from < at { found(from, at, SECRET) } else { Look::Nothing }
}

// --- names ------------------------------------------------------------------------------------

/// `name=value`, `"name": "value"`, `Name: value`.
fn pair(redactor: &Redactor, text: &str, bytes: &[u8], floor: usize, at: usize, depth: Depth) -> Look {
    let mut end = at;
    while end > floor && b" \"'\\".contains(&bytes[end - 1]) {
        end -= 1;
    }
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b"_-".contains(&byte) || byte >= 0x80;
    let mut from = end;
    while from > floor && is_name(bytes[from - 1]) {
        from -= 1;
    }
    let Some(name) = text.get(from..end).filter(|name| (2..=40).contains(&name.len())) else { return Look::Nothing };
    let kind = kind_of(name);
    let quoted_name = end < at;
    let is_assignment = bytes[at] == b'=' || quoted_name;
    if kind == NameKind::Plain || (kind != NameKind::Secret && !is_assignment) {
        return Look::Nothing;
    }
    let mut value = run(bytes, at + 1, |byte| b" \t".contains(&byte));
    let escaped = bytes.get(value) == Some(&b'\\');
    value += usize::from(escaped);
    let quote = bytes.get(value).copied().filter(|byte| b"\"'".contains(byte));
    let (value, to) = match quote {
        Some(quote) => {
            let from = value + 1;
            (from, run(bytes, from, |byte| byte != quote && !(escaped && byte == b'\\')))
        }
        // A header's value goes on to the end of its line.
        None if bytes[at] == b':' && kind == NameKind::Secret => {
            (value, run(bytes, value, |byte| byte != b'\n' && byte != b'\r'))
        }
        None => (value, run(bytes, value, |byte| !byte.is_ascii_whitespace() && !b"&,;}])\"'".contains(&byte))),
    };
    let Some(said) = text.get(value..to).filter(|said| !said.trim().is_empty()) else { return Look::Nothing };
    if said.starts_with('[') || matches!(said, "null" | "true" | "false" | "{" | "}") || said.starts_with('{') {
        return Look::Nothing;
    }
    if kind != NameKind::Secret && (depth == Depth::KeysOnly && quote.is_none() || is_technical(said)) {
        return Look::Nothing;
    }
    match kind {
        NameKind::Secret => found(value, to, SECRET),
        NameKind::Email => {
            Look::Found(Finding { from: value, to, with: redactor.field("email", said, depth).into_owned().into() })
        }
        NameKind::Personal | NameKind::Plain => found(value, to, PERSONAL),
    }
}

// --- keys -------------------------------------------------------------------------------------

fn is_key(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"_-".contains(&byte)
}

/// `cal_…`, `key_…`, `fd_…`, `sk_…`.
fn prefixed_key(bytes: &[u8], floor: usize, at: usize) -> Look {
    for prefix in KEY_PREFIXES {
        let Some(from) = (at + 1).checked_sub(prefix.len()).filter(|from| *from >= floor) else { continue };
        if &bytes[from..=at] != prefix.as_bytes() || !starts(bytes, from) {
            continue;
        }
        let to = run(bytes, at + 1, is_key);
        let rest = &bytes[at + 1..to];
        let looks_random = rest.iter().any(u8::is_ascii_digit) || rest.len() >= 20;
        if rest.len() >= SHORTEST_KEY && looks_random {
            return found(from, to, API_KEY);
        }
    }
    Look::Nothing
}

/// `Bearer …`, `Basic …`.
fn scheme(bytes: &[u8], at: usize) -> Look {
    if !starts(bytes, at) {
        return Look::Nothing;
    }
    for word in [&b"bearer"[..], b"basic"] {
        let Some(said) = bytes.get(at..at + word.len()) else { continue };
        if !said.eq_ignore_ascii_case(word) || bytes.get(at + word.len()) != Some(&b' ') {
            continue;
        }
        let from = run(bytes, at + word.len(), |byte| byte == b' ');
        let to = run(bytes, from, |byte| byte.is_ascii_alphanumeric() || b"-._~+/=".contains(&byte));
        let token = &bytes[from..to];
        let looks_random =
            token.iter().any(u8::is_ascii_digit) || token.len() >= 20 || token.iter().any(|byte| b"_~=/".contains(byte));
        if token.len() >= 6 && looks_random {
            return found(from, to, SECRET);
        }
    }
    Look::Nothing
}

// --- numbers ----------------------------------------------------------------------------------

/// What begins with a digit: an instant, a UUID, a long hexadecimal run, a card, an IBAN's digits, a phone
/// number, or just a number.
fn number(bytes: &[u8], at: usize, depth: Depth) -> Look {
    // The run of word characters that the digit stands in, from its beginning.
    let mut from = at;
    while from > 0 && bytes[from - 1].is_ascii_alphanumeric() {
        from -= 1;
    }
    let word_to = run(bytes, at, |byte| byte.is_ascii_alphanumeric());
    let is_free = starts(bytes, from);
    if let Some(to) = uuid(bytes, from) {
        return Look::Skip(to);
    }
    let hex = bytes[from..word_to].iter().all(u8::is_ascii_hexdigit);
    if hex && word_to - from >= HEX_KEY && is_free {
        return found(from, word_to, API_KEY);
    }
    if let Some(to) = instant(bytes, at) {
        return Look::Skip(to);
    }
    if depth == Depth::KeysOnly {
        return Look::Skip(word_to);
    }
    if at == from + 2
        && let Some(to) = iban(bytes, from)
    {
        return found(from, to, IBAN);
    }
    if at != from || !is_free {
        return Look::Skip(word_to);
    }
    if let Some(to) = card(bytes, at) {
        return found(at, to, CARD);
    }
    match phone(bytes, at) {
        Look::Nothing => Look::Skip(run(bytes, at, |byte| byte.is_ascii_digit())),
        other => other,
    }
}

/// 8-4-4-4-12.
fn uuid(bytes: &[u8], from: usize) -> Option<usize> {
    let candidate = bytes.get(from..from + 36)?;
    let fits = candidate.iter().enumerate().all(|(index, byte)| match index {
        8 | 13 | 18 | 23 => *byte == b'-',
        _ => byte.is_ascii_hexdigit(),
    });
    (fits && !bytes.get(from + 36).is_some_and(u8::is_ascii_alphanumeric)).then_some(from + 36)
}

/// `2026-03-13`, with or without a time, an offset, a zone.
fn instant(bytes: &[u8], at: usize) -> Option<usize> {
    let date = bytes.get(at..at + 10)?;
    let fits =
        date.iter().enumerate().all(|(index, byte)| if index == 4 || index == 7 { *byte == b'-' } else { byte.is_ascii_digit() });
    if !fits || bytes.get(at + 10).is_some_and(u8::is_ascii_digit) {
        return None;
    }
    match bytes.get(at + 10) {
        Some(b'T' | b't') => Some(run(bytes, at + 10, |byte| byte.is_ascii_digit() || b"Tt:.,+-Zz".contains(&byte))),
        _ => Some(at + 10),
    }
}

/// The digits from `at` on, over separators that are at most one between two digits, with where they end.
fn digits(bytes: &[u8], at: usize, separators: &[u8], most: usize) -> (Vec<u8>, usize) {
    let (mut found, mut to, mut index) = (Vec::new(), at, at);
    while let Some(byte) = bytes.get(index) {
        if byte.is_ascii_digit() {
            if found.len() == most {
                return (Vec::new(), at);
            }
            found.push(byte - b'0');
            to = index + 1;
        } else if !separators.contains(byte) || index > to + 1 {
            break;
        }
        index += 1;
    }
    (found, to)
}

/// 13 to 19 digits, in a range that issuers use, with a right check digit.
fn card(bytes: &[u8], at: usize) -> Option<usize> {
    let (digits, to) = digits(bytes, at, b" -", 19);
    let issued = match digits.get(..4)? {
        [4, ..] => matches!(digits.len(), 13 | 16 | 19),
        [5, 1..=5, ..] => digits.len() == 16,
        [2, a, b, c] => digits.len() == 16 && (221..=720).contains(&(u32::from(*a) * 100 + u32::from(*b) * 10 + u32::from(*c))),
        [3, 4 | 7, ..] => digits.len() == 15,
        [3, 0 | 6 | 8, ..] => digits.len() == 14,
        [3, 5, ..] => digits.len() == 16,
        [6, ..] => (16..=19).contains(&digits.len()),
        _ => false,
    };
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(index, digit)| {
            let digit = u32::from(*digit) * if index % 2 == 1 { 2 } else { 1 };
            digit / 10 + digit % 10
        })
        .sum();
    (issued && sum.is_multiple_of(10) && !bytes.get(to).is_some_and(|byte| is_word(*byte))).then_some(to)
}

/// Two letters, two digits, 11 to 30 letters and digits, in groups or not; the remainder by 97 is 1.
fn iban(bytes: &[u8], from: usize) -> Option<usize> {
    if !starts(bytes, from) || !bytes.get(from..from + 2)?.iter().all(u8::is_ascii_alphabetic) {
        return None;
    }
    let (mut compact, mut ends) = (Vec::with_capacity(34), Vec::with_capacity(34));
    let mut index = from;
    while let Some(byte) = bytes.get(index) {
        if byte.is_ascii_alphanumeric() && compact.len() < 34 {
            compact.push(byte.to_ascii_uppercase());
            ends.push(index + 1);
        } else if *byte != b' ' || bytes.get(index + 1) == Some(&b' ') {
            break;
        }
        index += 1;
    }
    // What follows in the sentence may look like one more group: the longest part that adds up.
    (15..=compact.len())
        .rev()
        .find(|length| checks(&compact[..*length]) && ends_a_word(bytes, ends[length - 1]))
        .map(|length| ends[length - 1])
}

fn ends_a_word(bytes: &[u8], at: usize) -> bool {
    !bytes.get(at).is_some_and(|byte| is_word(*byte))
}

fn checks(iban: &[u8]) -> bool {
    if !iban[2..4].iter().all(u8::is_ascii_digit) {
        return false;
    }
    let rearranged = iban[4..].iter().chain(&iban[..4]);
    let remainder = rearranged.fold(0u32, |remainder, byte| {
        if byte.is_ascii_digit() {
            (remainder * 10 + u32::from(byte - b'0')) % 97
        } else {
            (remainder * 100 + u32::from(byte - b'A') + 10) % 97
        }
    });
    remainder == 1
}

/// International with `+` or `00`, national with `0`, or in the groups of North America: 7 to 15 digits.
fn phone(bytes: &[u8], at: usize) -> Look {
    if !starts(bytes, at) {
        return Look::Nothing;
    }
    // The digits behind a decimal point call nobody.
    if at >= 2 && b".,".contains(&bytes[at - 1]) && bytes[at - 2].is_ascii_digit() {
        return Look::Nothing;
    }
    let plus = bytes[at] == b'+';
    let (digits, to) = digits(bytes, at + usize::from(plus), b" -/()", 15);
    let contiguous = run(bytes, at, |byte| byte.is_ascii_digit()) == to;
    let fits = match digits.as_slice() {
        _ if plus => (7..=15).contains(&digits.len()),
        [0, ..] => (7..=15).contains(&digits.len()) && digits[1..].iter().any(|digit| *digit != 0),
        [4, 9 | 3 | 1 | 4, ..] if contiguous => (11..=14).contains(&digits.len()),
        [2..=9, ..] if digits.len() == 10 && !contiguous => bytes.get(at + 3).is_some_and(|byte| b" -)".contains(byte)),
        _ => false,
    };
    if !fits || bytes.get(to).is_some_and(|byte| is_word(*byte) || *byte >= 0x80) {
        return Look::Nothing;
    }
    // `0.00012345` and `09:30` are no numbers to call.
    if bytes.get(to).is_some_and(|byte| b".:".contains(byte)) && bytes.get(to + 1).is_some_and(u8::is_ascii_digit) {
        return Look::Nothing;
    }
    found(at, to, PHONE)
}
