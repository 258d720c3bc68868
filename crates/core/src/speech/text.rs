//! Text from outside, made harmless: one normal form, no control characters, no markup.

use unicode_normalization::UnicodeNormalization as _;

/// NFC, without control characters, invisible and direction marks, tags, and the characters that
/// markup and templates are made of; white space collapsed and trimmed.
pub fn clean(text: &str) -> String {
    if is_clean(text) { text.to_owned() } else { cleaned(text) }
}

fn cleaned(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut gap = false;
    for c in without_tags(text).nfc() {
        match c {
            '<' | '>' | '{' | '}' | '\\' => {}
            c if c.is_whitespace() => gap = true,
            c if c.is_control() || is_invisible(c) => {}
            c => {
                if gap && !out.is_empty() {
                    out.push(' ');
                }
                gap = false;
                out.push(c);
            }
        }
    }
    out
}

/// Whether nothing needs to be done, as far as that is seen at a glance: of other letters than English ones it is not.
fn is_clean(text: &str) -> bool {
    let bytes = text.as_bytes();
    let is_harmless = |byte: &u8| matches!(byte, b' '..=b'~') && !matches!(byte, b'<' | b'>' | b'{' | b'}' | b'\\');
    bytes.iter().all(is_harmless) && !text.starts_with(' ') && !text.ends_with(' ') && !text.contains("  ")
}

/// Drops `<...>` where it looks like a tag; a lone `<` stays for the caller to drop.
fn without_tags(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(open) = rest.find('<') {
        let (before, tail) = rest.split_at(open);
        out.push_str(before);
        let is_tag = tail[1..].starts_with(|c: char| c.is_ascii_alphabetic() || c == '/' || c == '!');
        match tail.find('>') {
            Some(close) if is_tag => {
                out.push(' ');
                rest = &tail[close + 1..];
            }
            _ => {
                out.push(' ');
                rest = &tail[1..];
            }
        }
    }
    out.push_str(rest);
    out
}

/// Zero width, bidirectional controls, variation and tag characters.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}' | '\u{ad}')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn markup_controls_and_hidden_marks_are_gone() {
        for (said, cleaned) in [
            ("  Anna \t\n Schmidt ", "Anna Schmidt"),
            ("<b>Anna</b>", "Anna"),
            ("<script>alert(1)</script>Anna", "alert(1) Anna"),
            ("a\u{0}b\u{202e}c\u{200b}d", "abcd"),
            ("{{name}}", "name"),
            ("3 < 4 > 2", "3 4 2"),
            ("Mu\u{308}ller", "Müller"),
        ] {
            assert_eq!(clean(said), cleaned, "{said:?}");
        }
    }

    proptest! {
        #[test]
        fn a_glance_is_enough_only_where_nothing_is_to_be_done(text in "[ -~äß\t\u{200b}\u{7f}]{0,12}") {
            prop_assert_eq!(clean(&text), cleaned(&text));
        }

        #[test]
        fn cleaning_twice_changes_nothing_more(text in ".{0,200}") {
            let once = clean(&text);
            prop_assert_eq!(clean(&once), once.clone());
            let has_markup = once.contains(['<', '>', '{', '}', '\0']);
            prop_assert!(!has_markup);
        }
    }
}
