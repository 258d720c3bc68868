//! Keeping sentences clean and short: what may be inserted, and which wording fits the ear.

/// Words that a sentence should not exceed.
pub(super) const AIM: usize = 25;
/// Words that a sentence never exceeds.
pub(super) const MOST: usize = 40;

const NAME_WORDS: usize = 8;
const NAME_CHARS: usize = 80;
const REASON_WORDS: usize = 14;
/// Words that a shortened name must not end in.
const JOINTS: [&str; 14] = ["und", "mit", "für", "bis", "am", "an", "im", "zu", "der", "and", "with", "for", "of", "the"];

/// The text without anything technical: braces, brackets, underscores, control characters, addresses,
/// long numbers and placeholder words. It changes nothing in a sentence that people wrote for people.
pub fn renderable(text: &str) -> String {
    let words = text.split(|c: char| c.is_whitespace() || is_technical(c)).filter(|word| !word.is_empty());
    let words: Vec<&str> = words.filter(|word| !is_machine_word(word)).collect();
    let mut readable = String::with_capacity(text.len());
    for run in words.chunk_by(|word, next| is_number(word) && is_number(next)).filter(|run| !is_dialled(run)) {
        for word in run {
            if !readable.is_empty() {
                readable.push(' ');
            }
            readable.push_str(word);
        }
    }
    readable
}

fn is_technical(c: char) -> bool {
    match c {
        '{' | '}' | '[' | ']' | '<' | '>' | '_' | '|' | '\\' | '`' | '*' | '#' | '$' | '^' | '~' | '=' | '"' => true,
        '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}' => true,
        c => c.is_control(),
    }
}

fn is_machine_word(word: &str) -> bool {
    const PLACEHOLDERS: [&str; 6] = ["null", "none", "undefined", "nan", "error", "exception"];
    let bare = word.trim_matches(|c: char| !c.is_alphanumeric());
    let looks_like_an_id = digits(bare) >= 6 && bare.chars().any(char::is_alphabetic);
    word.contains('@') || word.contains("://") || looks_like_an_id || PLACEHOLDERS.iter().any(|it| bare.eq_ignore_ascii_case(it))
}

fn is_number(word: &str) -> bool {
    digits(word) > 0 && !word.chars().any(char::is_alphabetic)
}

/// Whether numbers in a row are one to call, or an id; days, years, hours and prices are shorter.
fn is_dialled(run: &[&str]) -> bool {
    let count = |word: &&str| digits(word);
    let total: usize = run.iter().map(count).sum();
    let prefixed = run.first().is_some_and(|first| first.starts_with(['0', '+']));
    total >= 7 || run.iter().any(|word| digits(word) >= 5) || (prefixed && total >= 3)
}

fn digits(word: &str) -> usize {
    word.bytes().filter(u8::is_ascii_digit).count()
}

/// A name out of a file or a caller's mouth, fit to be inserted: clean, not longer than a breath, and
/// without marks that would end or turn the sentence around it. Empty when nothing is left.
pub(super) fn name(text: &str) -> String {
    let clean = phrase(text);
    let mut short = String::new();
    for word in clean.split_whitespace().take(NAME_WORDS) {
        if !short.is_empty() {
            if short.chars().count() + word.chars().count() >= NAME_CHARS {
                break;
            }
            short.push(' ');
        }
        short.extend(word.chars().take(NAME_CHARS));
    }
    if short.len() < clean.len() {
        while let Some((rest, last)) = short.rsplit_once(' ')
            && JOINTS.contains(&last)
        {
            short.truncate(rest.len());
        }
    }
    without_tail(&short)
}

/// A reason of a few words. A longer one is said up to its first comma, or not at all, because half a
/// thought sounds like a fault.
pub(super) fn reason(text: &str) -> Option<String> {
    let clean = phrase(text);
    let parts = [Some(clean.as_str()), clean.split_once([',', '.']).map(|(first, _)| first)];
    let fits = |part: &&str| (1..=REASON_WORDS).contains(&words(part));
    parts.into_iter().flatten().find(fits).map(without_tail).filter(|reason| !reason.is_empty())
}

fn phrase(text: &str) -> String {
    let softened: String = text.chars().map(|c| if "?!;:()".contains(c) { ' ' } else { c }).collect();
    renderable(&softened)
}

fn without_tail(text: &str) -> String {
    text.trim_end_matches([',', '.', '-', '–', '&', '/', ' ']).to_owned()
}

/// Whether anything is left of a name after cleaning.
pub(super) fn known(text: Option<&str>) -> Option<String> {
    text.map(name).filter(|name| !name.is_empty())
}

/// The first wording of `whole` within the aim, else the first within the limit; only if none of them
/// fits, the first of `reduced`, which leave something out, within the limit.
pub(super) fn fitting(whole: Vec<String>, reduced: Vec<String>) -> String {
    let within = |wordings: &[String], limit: usize| wordings.iter().position(|wording| words(wording) <= limit);
    let (mut wordings, at) = match within(&whole, AIM).or_else(|| within(&whole, MOST)) {
        Some(at) => (whole, at),
        None => {
            let at = within(&reduced, MOST).unwrap_or(reduced.len().saturating_sub(1));
            (if reduced.is_empty() { whole } else { reduced }, at)
        }
    };
    if at < wordings.len() { clipped(wordings.swap_remove(at)) } else { String::new() }
}

/// The words that are heard.
pub(super) fn words(text: &str) -> usize {
    text.split_whitespace().count()
}

/// The text, cut after the limit; the last resort against a name that nobody foresaw.
pub(super) fn clipped(text: String) -> String {
    if words(&text) <= MOST {
        return text;
    }
    let kept: Vec<&str> = text.split_whitespace().take(MOST).collect();
    format!("{}.", kept.join(" ").trim_end_matches([',', '.', ';', ':']))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_technical_survives() {
        assert_eq!(renderable("{{new_datum}} <b>Schnitt</b>\u{7} null"), "new datum b Schnitt /b");
        assert_eq!(renderable("Notdienst 030 12 34 56 oder +49 151, a@b.de"), "Notdienst oder");
        assert_eq!(renderable("s_7f3a9q2k1x8m4"), "s");
    }

    proptest::proptest! {
        #[test]
        fn what_is_technical_parts_words_and_is_gone(text in r"[a-zA-Zäß0-9 @./:,{}_|$~+\n\u{200b}\u{a0}-]{0,60}") {
            let technical = "{}[]<>_|\\`*#$^~=\"\n\u{200b}";
            let parted: String = text.chars().map(|c| if technical.contains(c) { ' ' } else { c }).collect();
            proptest::prop_assert_eq!(renderable(&text), renderable(&parted));
            proptest::prop_assert!(!renderable(&text).contains(|c: char| technical.contains(c)));
        }
    }

    #[test]
    fn a_sentence_for_people_stays_as_it_is() {
        for text in [
            "Am Freitag, den 13. März 2027 um 14 Uhr 30 ist frei. Soll ich das buchen?",
            "Friday, March 13, 2027 at 12:30 am, 100 Euro",
            "It's free at 12:30 am, Anna-Lena O'Neil & Co.",
        ] {
            assert_eq!(renderable(text), text);
        }
    }

    #[test]
    fn a_name_cannot_end_the_sentence_around_it() {
        assert_eq!(name("Schnitt? (kurz)!"), "Schnitt kurz");
        assert_eq!(name(" a b c d e f g h i j "), "a b c d e f g h");
        assert_eq!(name("Haarschnitt, Farbe und Pflege mit Föhnen und mit Beratung"), "Haarschnitt, Farbe und Pflege mit Föhnen");
        assert!(name(&"x".repeat(500)).len() <= 80);
        assert_eq!(known(Some("___")), None);
    }

    #[test]
    fn a_long_reason_is_not_half_said() {
        assert_eq!(reason("Betriebsferien.").as_deref(), Some("Betriebsferien"));
        let long = "ein zwei drei vier fünf sechs sieben acht neun zehn elf zwölf dreizehn vierzehn fünfzehn";
        assert_eq!(reason(&format!("Umbau, {long}")).as_deref(), Some("Umbau"));
        assert_eq!(reason(long), None);
        assert_eq!(reason(" "), None);
    }

    #[test]
    fn the_longest_wording_within_the_aim_wins() {
        let of = |count: usize| vec!["w"; count].join(" ");
        assert_eq!(words(&fitting(vec![of(30), of(20), of(10)], vec![])), 20);
        assert_eq!(words(&fitting(vec![of(45), of(38), of(30)], vec![of(10)])), 38);
        assert_eq!(words(&fitting(vec![of(45)], vec![of(41), of(39), of(10)])), 39);
        assert_eq!(words(&fitting(vec![of(45)], vec![])), 40);
    }
}
