//! Words of Cal.com without people in them: its messages repeat addresses, numbers and uids.

/// The longest text that is kept, characters.
const MOST_CHARS: usize = 200;
/// A word at least this long that looks random is a uid.
const UID_CHARS: usize = 16;

/// `text` on one line, cut, with addresses, numbers and uids replaced.
pub(super) fn mask(text: &str) -> String {
    let mut masked = String::new();
    let mut after_number = false;
    for word in text.split_whitespace() {
        if !masked.is_empty() {
            masked.push(' ');
        }
        let core = word.trim_matches(|c: char| !c.is_alphanumeric() && c != '+');
        let number = is_number(core, after_number);
        match (number, core) {
            (_, "") => masked.push_str(word),
            (true, _) => masked.push_str(&word.replace(core, "[number]")),
            (false, _) if core.contains('@') => masked.push_str("[address]"),
            (false, _) => mask_uids(word, &mut masked),
        }
        after_number = number;
    }
    masked.chars().take(MOST_CHARS).collect()
}

/// `text` without `name`, as a whole and by its words.
pub(super) fn without_name(text: &str, name: &str) -> String {
    let mut text = text.to_owned();
    for part in std::iter::once(name.trim()).chain(name.split_whitespace()) {
        if part.chars().count() >= 3 {
            text = text.replace(part, "[name]");
        }
    }
    text
}

fn is_number(word: &str, after_number: bool) -> bool {
    let digits = word.bytes().filter(u8::is_ascii_digit).count();
    let only = word.bytes().all(|b| b.is_ascii_digit() || b"+-()./".contains(&b));
    only && digits > 0 && (after_number || word.starts_with('+') || digits >= 9 || (word.starts_with('0') && digits >= 3))
}

fn mask_uids(word: &str, masked: &mut String) {
    let mut part = String::new();
    let mut named_uid = false;
    for c in word.chars().chain(std::iter::once('\0')) {
        if c.is_alphanumeric() || c == '_' || c == '-' {
            part.push(c);
            continue;
        }
        if !part.is_empty() {
            let is_uid = named_uid || looks_random(&part);
            masked.push_str(if is_uid { "[uid]" } else { &part });
        }
        named_uid = c == '=' && part.to_ascii_lowercase().ends_with("uid");
        part.clear();
        if c != '\0' {
            masked.push(c);
        }
    }
}

/// Long, and not put together of words as `no_hosts_found` and `ApiAuthStrategy` are.
fn looks_random(word: &str) -> bool {
    if word.chars().count() < UID_CHARS {
        return false;
    }
    let has_digit = word.chars().any(char::is_numeric);
    let letters: Vec<char> = word.chars().collect();
    let lone_capital = letters.windows(2).any(|pair| pair[0].is_uppercase() && !pair[1].is_lowercase());
    has_digit || lone_capital || letters.last().is_some_and(|last| last.is_uppercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_and_uids_do_not_survive() {
        let text =
            "Can't cancel booking with uid=abcdef (UID) x9KfQ2mLpZt7VnB4cR8wYs, ida@example.com +49 30 1234567 '0151-2345678'.";
        let masked = mask(text);
        for gone in ["abcdef", "x9KfQ2", "ida@", "1234567", "2345678", "+49"] {
            assert!(!masked.contains(gone), "{masked}");
        }
        assert!(masked.starts_with("Can't cancel booking with uid=[uid] (UID) [uid], [address] [number]"), "{masked}");
    }

    #[test]
    fn the_reason_survives() {
        for text in [
            "round_robin_host_unavailable_for_booking",
            "checkBookingRequiresAuthentication - 401",
            "Event type with id 4711 not found.",
            "Cannot POST /v2/bookings",
        ] {
            assert_eq!(mask(text), text);
        }
    }

    #[test]
    fn names_are_taken_out_when_they_are_known() {
        assert_eq!(without_name("Invalid option 'Ida Caller'", "Ida Caller"), "Invalid option '[name]'");
    }
}
