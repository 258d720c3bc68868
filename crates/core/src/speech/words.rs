//! The vocabulary: numbers, ordinals, weekdays, months, and the one table of day parts.
//!
//! Words are compared in a folded form: lower case, umlauts written out, punctuation gone where it
//! means nothing.

use jiff::civil::Weekday;

/// A part of the day: its words in folded form, and its window in minutes since midnight.
pub struct DayPart {
    /// German and English words.
    pub words: &'static [&'static str],
    /// First minute.
    pub from: u16,
    /// Last minute, exclusive.
    pub to: u16,
}

/// The one table of day parts.
pub const DAY_PARTS: &[DayPart] = &[
    DayPart { words: &["frueh", "fruehmorgens", "early", "in aller fruehe"], from: 6 * 60, to: 9 * 60 },
    DayPart { words: &["morgens", "morning", "mornings"], from: 6 * 60, to: 12 * 60 },
    DayPart { words: &["vormittag", "vormittags", "forenoon"], from: 9 * 60, to: 12 * 60 },
    DayPart { words: &["mittag", "mittags", "midday", "lunchtime", "mittagszeit"], from: 11 * 60, to: 14 * 60 },
    DayPart { words: &["nachmittag", "nachmittags", "afternoon", "afternoons"], from: 12 * 60, to: 18 * 60 },
    DayPart { words: &["abend", "abends", "evening", "evenings", "tonight"], from: 17 * 60, to: 21 * 60 },
    DayPart { words: &["spaet", "late", "spaetabends"], from: 19 * 60, to: 22 * 60 },
];

/// Lower case, `ä ö ü ß` written out, accents of no meaning dropped.
pub fn fold(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 4);
    for c in text.chars().flat_map(char::to_lowercase) {
        match c {
            'ä' => out.push_str("ae"),
            'ö' => out.push_str("oe"),
            'ü' => out.push_str("ue"),
            'ß' => out.push_str("ss"),
            'é' | 'è' | 'ê' => out.push('e'),
            '’' | '‘' | '`' | '´' => out.push('\''),
            '–' | '—' | '−' => out.push('-'),
            c => out.push(c),
        }
    }
    out
}

const UNITS_DE: [&str; 20] = [
    "null",
    "eins",
    "zwei",
    "drei",
    "vier",
    "fuenf",
    "sechs",
    "sieben",
    "acht",
    "neun",
    "zehn",
    "elf",
    "zwoelf",
    "dreizehn",
    "vierzehn",
    "fuenfzehn",
    "sechzehn",
    "siebzehn",
    "achtzehn",
    "neunzehn",
];
const TENS_DE: [(&str, u32); 4] = [("zwanzig", 20), ("dreissig", 30), ("vierzig", 40), ("fuenfzig", 50)];
const UNITS_EN: [&str; 20] = [
    "zero",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
    "sixteen",
    "seventeen",
    "eighteen",
    "nineteen",
];
const TENS_EN: [(&str, u32); 4] = [("twenty", 20), ("thirty", 30), ("forty", 40), ("fifty", 50)];

/// A cardinal number up to 59, in digits or one word (`dreiundzwanzig`, `twenty-three`).
pub(super) fn number(word: &str) -> Option<u32> {
    if !word.is_empty() && word.len() <= 4 && word.bytes().all(|b| b.is_ascii_digit()) {
        return word.parse().ok();
    }
    let index = |table: &[&str]| table.iter().position(|it| *it == word).and_then(|at| u32::try_from(at).ok());
    if let Some(found) = index(&UNITS_DE).or_else(|| index(&UNITS_EN)) {
        return Some(found);
    }
    match word {
        "ein" | "eine" | "einer" | "einem" | "einen" => return Some(1),
        "zwo" => return Some(2),
        "fuffzehn" => return Some(15),
        _ => {}
    }
    for (ten, value) in TENS_DE {
        if word == ten {
            return Some(value);
        }
        if let Some(unit) = word.strip_suffix(ten).and_then(|rest| rest.strip_suffix("und")) {
            let unit = if unit == "ein" {
                Some(1)
            } else {
                UNITS_DE[..10].iter().position(|it| *it == unit).and_then(|at| u32::try_from(at).ok())
            };
            return unit.filter(|unit| *unit > 0).map(|unit| value + unit);
        }
    }
    for (ten, value) in TENS_EN {
        if word == ten {
            return Some(value);
        }
        if let Some(unit) = word.strip_prefix(ten).map(|rest| rest.trim_start_matches('-')) {
            return UNITS_EN[1..10]
                .iter()
                .position(|it| *it == unit)
                .and_then(|at| u32::try_from(at + 1).ok())
                .map(|unit| value + unit);
        }
    }
    None
}

/// An ordinal up to 31: `dreizehnten`, `13ter`, `13.`, `13th`, `thirteenth`, `twenty-first`.
pub(super) fn ordinal(word: &str) -> Option<u32> {
    let in_range = |number: u32| (1..=31).contains(&number).then_some(number);
    let digits: String = word.chars().take_while(char::is_ascii_digit).collect();
    if !digits.is_empty() {
        let rest = &word[digits.len()..];
        let is_ordinal = matches!(
            rest,
            "." | "te" | "ten" | "ter" | "tes" | "ste" | "sten" | "ster" | "st" | "nd" | "rd" | "th" | ".te" | ".ten"
        );
        return if is_ordinal && digits.len() <= 2 { digits.parse().ok().and_then(in_range) } else { None };
    }
    for (english, value) in [
        ("first", 1),
        ("second", 2),
        ("third", 3),
        ("fifth", 5),
        ("eighth", 8),
        ("ninth", 9),
        ("twelfth", 12),
        ("twentieth", 20),
        ("thirtieth", 30),
    ] {
        if word == english {
            return Some(value);
        }
        for (ten, tens) in [("twenty", 20), ("thirty", 30)] {
            if word.strip_prefix(ten).map(|rest| rest.trim_start_matches('-')) == Some(english) {
                return in_range(tens + value);
            }
        }
    }
    if let Some(found) = word.strip_suffix("th").and_then(number) {
        return in_range(found);
    }
    let stem = ["en", "er", "es", "em", "e"].iter().find_map(|ending| word.strip_suffix(ending))?;
    match stem {
        "erst" => return Some(1),
        "dritt" => return Some(3),
        "siebt" | "siebent" => return Some(7),
        "acht" => return Some(8),
        _ => {}
    }
    let cardinal =
        stem.strip_suffix("st").and_then(number).filter(|n| *n >= 20).or_else(|| stem.strip_suffix('t').and_then(number))?;
    in_range(cardinal)
}

/// A weekday by its German or English name or usual abbreviation.
pub(super) fn weekday(word: &str) -> Option<Weekday> {
    Some(match word.trim_end_matches('.') {
        "montag" | "montags" | "mo" | "monday" | "mon" => Weekday::Monday,
        "dienstag" | "dienstags" | "di" | "tuesday" | "tue" | "tues" => Weekday::Tuesday,
        "mittwoch" | "mittwochs" | "mi" | "wednesday" | "wed" => Weekday::Wednesday,
        "donnerstag" | "donnerstags" | "do" | "thursday" | "thu" | "thur" | "thurs" => Weekday::Thursday,
        "freitag" | "freitags" | "fr" | "friday" | "fri" => Weekday::Friday,
        "samstag" | "samstags" | "sonnabend" | "sa" | "saturday" | "sat" => Weekday::Saturday,
        "sonntag" | "sonntags" | "so" | "sunday" | "sun" => Weekday::Sunday,
        _ => return None,
    })
}

/// A month by its German or English name or usual abbreviation, 1 to 12.
pub(super) fn month(word: &str) -> Option<i8> {
    Some(match word.trim_end_matches('.') {
        "januar" | "jaenner" | "jan" | "january" => 1,
        "februar" | "feber" | "feb" | "february" => 2,
        "maerz" | "mrz" | "march" | "mar" => 3,
        "april" | "apr" => 4,
        "mai" | "may" => 5,
        "juni" | "juno" | "jun" | "june" => 6,
        "juli" | "julei" | "jul" | "july" => 7,
        "august" | "aug" => 8,
        "september" | "sep" | "sept" => 9,
        "oktober" | "okt" | "october" | "oct" => 10,
        "november" | "nov" => 11,
        "dezember" | "dez" | "december" | "dec" => 12,
        _ => return None,
    })
}

/// The window of a day part.
pub(super) fn day_part(word: &str) -> Option<(u16, u16)> {
    DAY_PARTS.iter().find(|part| part.words.contains(&word)).map(|part| (part.from, part.to))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_ordinals_are_told_apart() {
        for (word, value) in
            [("einundzwanzig", 21), ("fuenfundvierzig", 45), ("twenty-three", 23), ("07", 7), ("zwo", 2), ("thirty", 30)]
        {
            assert_eq!(number(word), Some(value), "{word}");
        }
        for (word, value) in [
            ("dreizehnten", 13),
            ("13.", 13),
            ("13th", 13),
            ("erster", 1),
            ("einunddreissigsten", 31),
            ("twenty-first", 21),
            ("achten", 8),
            ("siebten", 7),
            ("zwanzigster", 20),
            ("fourth", 4),
        ] {
            assert_eq!(ordinal(word), Some(value), "{word}");
        }
        for word in ["13", "drei", "freitag", "32.", "undzwanzig", "heute", "e", "en"] {
            assert_eq!(ordinal(word), None, "{word}");
        }
        assert_eq!(number("undzwanzig"), None);
    }
}
