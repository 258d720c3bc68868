//! Durations and rates as they are written in a configuration: `2500ms`, `30/min`.

use std::time::Duration;

/// What a rate looks like, for error messages.
pub(crate) const RATE: &str = "a rate per minute such as \"30/min\"";

const UNITS: [(&str, u64); 6] = [("ms", 1), ("s", 1000), ("min", 60_000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];

/// Reads a whole number and a unit: `ms`, `s`, `m` or `min`, `h`, `d` (24 hours). A number without a
/// unit is not a duration.
pub fn parse_duration(text: &str) -> Option<Duration> {
    let (number, unit) = split(text)?;
    let (_, milliseconds) = UNITS.iter().find(|(name, _)| *name == unit)?;
    number.checked_mul(*milliseconds).map(Duration::from_millis)
}

/// Reads admissions per minute: `30/min`.
pub fn parse_rate(text: &str) -> Option<u32> {
    let (number, unit) = split(text)?;
    if unit != "/min" {
        return None;
    }
    u32::try_from(number).ok()
}

/// Reads bytes: `100MiB`.
pub fn parse_size(text: &str) -> Option<u64> {
    let (number, unit) = split(text)?;
    let shift = match unit {
        "KiB" => 10,
        "MiB" => 20,
        "GiB" => 30,
        _ => return None,
    };
    number.checked_mul(1 << shift)
}

/// A duration in its largest whole unit, as [`parse_duration`] reads it.
pub fn render_duration(duration: Duration) -> String {
    let milliseconds = duration.as_millis();
    for (name, length) in [("d", 86_400_000), ("h", 3_600_000), ("min", 60_000), ("s", 1000)] {
        if milliseconds >= length && milliseconds.is_multiple_of(length) {
            return format!("{}{name}", milliseconds / length);
        }
    }
    if milliseconds == 0 { "0s".to_owned() } else { format!("{milliseconds}ms") }
}

fn split(text: &str) -> Option<(u64, &str)> {
    let text = text.trim();
    let end = text.find(|letter: char| !letter.is_ascii_digit())?;
    let (number, unit) = text.split_at(end);
    Some((number.parse().ok()?, unit))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_unit_is_read() {
        for (text, milliseconds) in [
            ("0s", 0),
            ("2500ms", 2500),
            ("6s", 6000),
            ("5m", 300_000),
            ("5min", 300_000),
            ("2h", 7_200_000),
            ("90d", 7_776_000_000),
        ] {
            assert_eq!(parse_duration(text), Some(Duration::from_millis(milliseconds)), "{text}");
        }
    }

    #[test]
    fn what_is_not_exactly_a_duration_is_refused() {
        for text in
            ["", "5", "s", "-5s", "+5s", "1.5h", "5 min", "1h30m", "5S", "5w", "99999999999999999999d", "999999999999999999d"]
        {
            assert_eq!(parse_duration(text), None, "{text}");
        }
    }

    #[test]
    fn rates_are_per_minute_only() {
        assert_eq!(parse_rate("30/min"), Some(30));
        for text in ["30", "30/s", "30/m", "/min", "30 / min", "30/minute", "4294967296/min", "-1/min"] {
            assert_eq!(parse_rate(text), None, "{text}");
        }
    }

    #[test]
    fn a_rendered_duration_is_read_back() {
        for text in ["0s", "1ms", "2500ms", "6s", "5min", "2h", "90d", "25h"] {
            let duration = parse_duration(text).expect("a duration");
            assert_eq!(render_duration(duration), text);
        }
    }
}
