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

/// Texts of a few words, and those without any of the telling ones, are not taken apart.
fn is_suspicious(text: &str) -> bool {
    if text.len() < 12 || !text.contains(' ') {
        return false;
    }
    let (mut telling, mut dots) = (0, false);
    for word in text.split([' ', ',', '.', '-', '\n']) {
        if !(2..=12).contains(&word.len()) {
            continue;
        }
        if is_digit(word) {
            telling += 1;
        } else if dots && ATS.iter().any(|at| word.eq_ignore_ascii_case(at)) {
            return true;
        } else if DOTS.iter().any(|dot| word.eq_ignore_ascii_case(dot)) {
            if telling_at(text) {
                return true;
            }
            dots = true;
        }
        if telling >= FEWEST.min(4) {
            return true;
        }
    }
    false
}

fn telling_at(text: &str) -> bool {
    text.split(' ').any(|word| ATS.iter().any(|at| word.eq_ignore_ascii_case(at)))
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
    let first = word.as_bytes().first().map_or(0, u8::to_ascii_lowercase);
    b"nezdvfsaot".contains(&first) && DIGIT_WORDS.iter().any(|digit| eq(word, digit))
        || word.len() == 1 && word.as_bytes()[0].is_ascii_digit()
}

fn eq(word: &str, other: &str) -> bool {
    word.eq_ignore_ascii_case(other) || (!word.is_ascii() && word.to_lowercase() == other)
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
        } else if !BETWEEN.iter().any(|between| eq(word.text, between)) {
            break;
        } else if eq(word.text, "double") || eq(word.text, "doppel") {
            count += 1;
        }
    }
    (count >= FEWEST).then(|| (last, DIGITS.to_owned()))
}

/// `max punkt mueller at gmail punkt com`.
fn email(redactor: &Redactor, words: &[Word<'_>], first: usize) -> Option<(usize, String)> {
    let is_dot = |word: &Word<'_>| DOTS.iter().any(|dot| eq(word.text, dot));
    let is_at = |word: &Word<'_>| ATS.iter().any(|at| eq(word.text, at));
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
