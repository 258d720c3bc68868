//! What callers say in words: digits one by one, and e-mail addresses with "at" and "punkt".

use std::borrow::Cow;

use super::{DIGITS, Redactor};

/// Fewer digits in a row are a time, a house number, a count.
const FEWEST: usize = 6;
const DIGIT_WORDS: [&str; 24] = [
    "null", "eins", "ein", "zwei", "zwo", "drei", "vier", "fünf", "fuenf", "sechs", "sieben", "acht", "neun", "zero", "oh",
    "one", "two", "three", "four", "five", "six", "seven", "eight", "nine",
];
/// They stand among digits without being one.
const BETWEEN: [&str; 6] = ["double", "triple", "doppel", "plus", "und", "and"];
const DOTS: [&str; 6] = ["punkt", "dot", "minus", "dash", "unterstrich", "underscore"];
const ATS: [&str; 5] = ["at", "ät", "ett", "klammeraffe", "aet"];

struct Word<'t> {
    from: usize,
    to: usize,
    text: &'t str,
}

pub(super) fn redact<'t>(redactor: &Redactor, text: &'t str) -> Cow<'t, str> {
    if !is_suspicious(text) {
        return Cow::Borrowed(text);
    }
    let words = words(text);
    let mut out: Option<String> = None;
    let (mut copied, mut index) = (0, 0);
    while index < words.len() {
        let finding = digits(&words, index).or_else(|| email(redactor, &words, index));
        let Some((last, with)) = finding else {
            index += 1;
            continue;
        };
        let out = out.get_or_insert_with(|| String::with_capacity(text.len()));
        out.push_str(&text[copied..words[index].from]);
        out.push_str(&with);
        copied = words[last].to;
        index = last + 1;
    }
    match out {
        None => Cow::Borrowed(text),
        Some(mut out) => {
            out.push_str(&text[copied..]);
            Cow::Owned(out)
        }
    }
}

/// Whether taking the text apart could find anything: enough words for digits, or an "at" with a "dot". Most
/// words are told from all of those by their first two bytes.
fn is_suspicious(text: &str) -> bool {
    let bytes = text.as_bytes();
    if bytes.len() < 12 {
        return false;
    }
    let (mut digits, mut ats, mut dots) = (0, false, false);
    let mut from = 0;
    while from < bytes.len() {
        let mut to = from;
        while to < bytes.len() && (bytes[to].is_ascii_alphanumeric() || bytes[to] >= 0x80) {
            to += 1;
        }
        let length = to - from;
        if (2..=12).contains(&length) && TELLING[usize::from(bytes[from] | 0x20)] {
            match telling(&bytes[from..to]) {
                Telling::Digit => digits += 1,
                Telling::At => ats = true,
                Telling::Dot => dots = true,
                Telling::Nothing => {}
            }
            if digits >= FEWEST - 2 || (ats && dots) {
                return true;
            }
        }
        from = to + 1;
    }
    false
}

enum Telling {
    Digit,
    At,
    Dot,
    Nothing,
}

/// First letters, lower case, of the words that are looked for.
const TELLING: [bool; 256] = {
    let mut table = [false; 256];
    let letters = b"nezdvfsaotpmuk";
    let mut index = 0;
    while index < letters.len() {
        table[letters[index] as usize] = true;
        index += 1;
    }
    table[0xe4] = true;
    table[0xc3 | 0x20] = true;
    table
};

fn telling(word: &[u8]) -> Telling {
    let Ok(text) = std::str::from_utf8(word) else { return Telling::Nothing };
    match (word[0].to_ascii_lowercase(), word[1].to_ascii_lowercase()) {
        (b'n', b'u' | b'e' | b'i') | (b'e', b'i') | (b'z', b'w' | b'e') | (b'd', b'r') | (b'v', b'i') | (b'o', b'h' | b'n') => {
            if is_digit(text) {
                Telling::Digit
            } else {
                Telling::Nothing
            }
        }
        (b'f', b'u' | b'i' | b'o' | 0xc3) | (b's', b'e' | b'i') | (b'a', b'c') | (b't', b'w' | b'h') => {
            if is_digit(text) {
                Telling::Digit
            } else {
                Telling::Nothing
            }
        }
        (b'a', b't' | b'e') | (b'e', b't') | (b'k', b'l') | (0xc3 | 0xe3, _) if is_one_of(text, &ATS) => Telling::At,
        (b'p', b'u') | (b'd', b'o' | b'a') | (b'm', b'i') | (b'u', b'n') if is_one_of(text, &DOTS) => Telling::Dot,
        _ => Telling::Nothing,
    }
}

fn words(text: &str) -> Vec<Word<'_>> {
    let mut words = Vec::new();
    let mut from = None;
    for (index, letter) in text.char_indices() {
        match (letter.is_alphanumeric(), from) {
            (true, None) => from = Some(index),
            (false, Some(start)) => {
                words.push(Word { from: start, to: index, text: &text[start..index] });
                from = None;
            }
            _ => {}
        }
    }
    if let Some(start) = from {
        words.push(Word { from: start, to: text.len(), text: &text[start..] });
    }
    words
}

fn is_digit(word: &str) -> bool {
    let first = word.as_bytes().first().map_or(0, |byte| byte | 0x20);
    word.len() == 1 && word.as_bytes()[0].is_ascii_digit() || b"nezdvfsaot".contains(&first) && is_one_of(word, &DIGIT_WORDS)
}

fn eq(word: &str, other: &str) -> bool {
    is_one_of(word, &[other])
}

fn is_one_of(word: &str, list: &[&str]) -> bool {
    if word.is_ascii() {
        return list.iter().any(|other| other.len() == word.len() && other.eq_ignore_ascii_case(word));
    }
    let lower = word.to_lowercase();
    list.contains(&lower.as_str())
}

/// A run of spoken digits, over words that stand between them: where it ends, and what stands there then.
fn digits(words: &[Word<'_>], first: usize) -> Option<(usize, String)> {
    let begins =
        |word: &Word<'_>| is_digit(word.text) || eq(word.text, "double") || eq(word.text, "plus") || eq(word.text, "doppel");
    if !begins(words.get(first)?) {
        return None;
    }
    let (mut count, mut last) = (0, first);
    for (index, word) in words.iter().enumerate().skip(first) {
        if is_digit(word.text) {
            count += 1;
            last = index;
        } else if !is_one_of(word.text, &BETWEEN) {
            break;
        } else if eq(word.text, "double") || eq(word.text, "doppel") {
            count += 1;
        }
    }
    (count >= FEWEST).then(|| (last, DIGITS.to_owned()))
}

/// `max punkt mueller at gmail punkt com`.
fn email(redactor: &Redactor, words: &[Word<'_>], first: usize) -> Option<(usize, String)> {
    let is_dot = |word: &Word<'_>| is_one_of(word.text, &DOTS);
    let is_at = |word: &Word<'_>| is_one_of(word.text, &ATS);
    // A local part: words with a dot between each two, then "at".
    let mut index = first;
    let mut local = String::new();
    loop {
        let word = words.get(index).filter(|word| !is_dot(word) && !is_at(word))?;
        local.push_str(word.text);
        let next = words.get(index + 1)?;
        if is_at(next) {
            index += 2;
            break;
        }
        if !is_dot(next) {
            return None;
        }
        local.push('.');
        index += 2;
    }
    let mut domain = String::new();
    loop {
        let word = words.get(index).filter(|word| !is_dot(word) && !is_at(word))?;
        domain.push_str(word.text);
        if !words.get(index + 1).is_some_and(is_dot) || words.get(index + 2).is_none() {
            break;
        }
        domain.push('.');
        index += 2;
    }
    domain.contains('.').then(|| (index, redactor.email(&local, &domain)))
}
