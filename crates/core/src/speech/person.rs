//! Names and e-mail addresses as speech recognition gives them.

use super::words::fold;
use super::{text, time, words};

/// Why a text is no name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NameProblem {
    /// Nothing is left of it.
    Empty,
    /// A word that stands for not knowing.
    Placeholder,
    /// A time, a day or a number.
    NotAName,
    /// A wish for a person ("bei Emma").
    StaffPreference,
}

/// What stands before a name in a sentence.
const INTRODUCTIONS: &[&str] = &[
    "mein name ist",
    "ich heisse",
    "ich bin der",
    "ich bin die",
    "ich bin",
    "hier ist",
    "hier spricht",
    "es ist",
    "my name is",
    "this is",
    "i am",
    "i'm",
    "it's",
    "the name is",
];
const PLACEHOLDERS: &[&str] = &[
    "anonymous",
    "anonym",
    "unbekannt",
    "unknown",
    "gast",
    "guest",
    "kunde",
    "kundin",
    "customer",
    "caller",
    "anrufer",
    "n/a",
    "na",
    "none",
    "null",
    "undefined",
    "name",
    "test user",
    "guten tag",
    "hallo",
    "hello",
];

/// A name without what surrounds it.
pub fn clean_name(said: &str) -> Result<String, NameProblem> {
    let cleaned = text::clean(said);
    let mut name = cleaned.trim_matches(|c: char| c == ',' || c == '.' || c == '-' || c.is_whitespace()).to_owned();
    let folded = fold(&name);
    if let Some(introduction) = INTRODUCTIONS.iter().find(|it| folded.starts_with(&format!("{it} "))) {
        let skip = introduction.split_whitespace().count();
        name = name.split_whitespace().skip(skip).collect::<Vec<_>>().join(" ");
    }
    let folded = fold(&name);
    if name.is_empty() || name.chars().filter(|c| c.is_alphabetic()).count() < 2 {
        return Err(if name.chars().any(|c| c.is_ascii_digit()) { NameProblem::NotAName } else { NameProblem::Empty });
    }
    if PLACEHOLDERS.contains(&folded.as_str()) {
        return Err(NameProblem::Placeholder);
    }
    let words: Vec<&str> = folded.split_whitespace().collect();
    if ["bei", "zu", "mit", "beim", "zur", "zum"].contains(&words[0]) {
        return Err(NameProblem::StaffPreference);
    }
    let is_day = |word: &str| {
        words::weekday(word).is_some_and(|_| word.len() > 3)
            || ["heute", "morgen", "uebermorgen", "today", "tomorrow"].contains(&word)
    };
    if words.iter().all(|word| is_day(word)) || time::take(&words, &mut time::Said::default(), false) == words.len() {
        return Err(NameProblem::NotAName);
    }
    Ok(name)
}

/// An e-mail address, also one that was spoken ("max punkt mueller at gmail punkt com"); `None` if it
/// is none.
pub fn read_email(said: &str) -> Option<String> {
    let folded = said.trim().to_lowercase();
    let mut out = String::with_capacity(folded.len());
    for word in folded.split_whitespace() {
        match word {
            "punkt" | "dot" | "point" => out.push('.'),
            "at" | "ät" | "ett" | "klammeraffe" | "affenschwanz" => out.push('@'),
            "minus" | "bindestrich" | "strich" | "dash" | "hyphen" => out.push('-'),
            "unterstrich" | "underscore" => out.push('_'),
            "plus" => out.push('+'),
            word => out.push_str(word),
        }
    }
    let out: String = out.trim_end_matches('.').replace(['<', '>', ','], "");
    is_email(&out).then_some(out)
}

fn is_email(text: &str) -> bool {
    let Some((local, domain)) = text.split_once('@') else { return false };
    let local_ok = !local.is_empty()
        && local.len() <= 64
        && !local.starts_with('.')
        && !local.ends_with('.')
        && !local.contains("..")
        && local.chars().all(|c| c.is_ascii_alphanumeric() || "!#$%&'*+-/=?^_`{|}~.".contains(c));
    let labels: Vec<&str> = domain.split('.').collect();
    let label_ok = |label: &&str| {
        !label.is_empty()
            && label.len() <= 63
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.chars().all(|c| c.is_alphanumeric() || c == '-')
    };
    let top_ok = labels.last().is_some_and(|top| top.chars().count() >= 2 && top.chars().all(char::is_alphabetic));
    local_ok && labels.len() >= 2 && labels.iter().all(label_ok) && top_ok && text.len() <= 255
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_what_is_left_of_the_sentence() {
        for (said, name) in [
            ("Anna Schmidt", "Anna Schmidt"),
            ("mein Name ist Anna Schmidt.", "Anna Schmidt"),
            ("Ich heiße Müller", "Müller"),
            ("this is Ada Byron", "Ada Byron"),
            ("<b>Anna</b>", "Anna"),
            ("Freitag", "err"),
            ("Robert'); DROP TABLE", "Robert'); DROP TABLE"),
        ] {
            assert_eq!(clean_name(said).unwrap_or_else(|_| "err".to_owned()), name, "{said}");
        }
        for said in ["", " ", "-", "x", "anonymous", "Unbekannt", "14 Uhr", "bei Emma", "zum Fabio", "12345", "n/a", "heute"] {
            assert!(clean_name(said).is_err(), "{said}");
        }
    }

    #[test]
    fn spoken_addresses_are_read() {
        for (said, address) in [
            ("max punkt mueller at gmail punkt com", "max.mueller@gmail.com"),
            ("Max.Mueller @ gmail . com", "max.mueller@gmail.com"),
            ("ida minus r klammeraffe web punkt de", "ida-r@web.de"),
            ("a underscore b at example dot co dot uk", "a_b@example.co.uk"),
            ("max@example.com.", "max@example.com"),
        ] {
            assert_eq!(read_email(said).as_deref(), Some(address), "{said}");
        }
        for said in ["", "max", "max@", "@gmail.com", "max@gmail", "max at gmail", "a@b@c.de", "a..b@c.de"] {
            assert_eq!(read_email(said), None, "{said}");
        }
    }
}
