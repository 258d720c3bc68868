//! An appointment as a calendar file (RFC 5545, 5546): the dozen lines that an invitation needs.

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::sensitive::Sensitive;

/// Longest line, octets, without its end.
const LONGEST: usize = 75;

/// What the receiver's calendar is asked to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// Enter it, or change what stands there.
    Request,
    /// Take it out.
    Cancel,
}

impl Method {
    /// The contract's word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Request => "REQUEST",
            Self::Cancel => "CANCEL",
        }
    }
}

/// An invitation.
#[derive(Debug, Clone)]
pub struct Invitation<'a> {
    /// What to do.
    pub method: Method,
    /// The same over all changes of one appointment.
    pub uid: &'a str,
    /// Rises with every change.
    pub sequence: u32,
    /// When the change was made.
    pub stamp: Timestamp,
    /// When the appointment begins.
    pub start: Timestamp,
    /// When it ends.
    pub end: Timestamp,
    /// In a few words.
    pub summary: &'a str,
    /// The business and the address that its mail comes from.
    pub organizer: (&'a str, &'a str),
    /// Who comes.
    pub attendee: (&'a Sensitive<String>, &'a Sensitive<String>),
}

impl Invitation<'_> {
    /// The file, every line ended by CR and LF.
    pub fn render(&self) -> Sensitive<String> {
        let status = match self.method {
            Method::Request => "CONFIRMED",
            Method::Cancel => "CANCELLED",
        };
        let (organizer, organizer_mail) = self.organizer;
        let (name, mail) = self.attendee;
        let lines = [
            "BEGIN:VCALENDAR".to_owned(),
            "VERSION:2.0".to_owned(),
            "PRODID:-//Frontdesk//Appointments//EN".to_owned(),
            format!("METHOD:{}", self.method.as_str()),
            "BEGIN:VEVENT".to_owned(),
            format!("UID:{}", escaped(self.uid)),
            format!("SEQUENCE:{}", self.sequence),
            format!("DTSTAMP:{}", utc(self.stamp)),
            format!("DTSTART:{}", utc(self.start)),
            format!("DTEND:{}", utc(self.end)),
            format!("SUMMARY:{}", escaped(self.summary)),
            format!("ORGANIZER;CN={}:mailto:{}", quoted(organizer), address(organizer_mail)),
            format!(
                "ATTENDEE;ROLE=REQ-PARTICIPANT;PARTSTAT=ACCEPTED;CN={}:mailto:{}",
                quoted(name.expose()),
                address(mail.expose())
            ),
            format!("STATUS:{status}"),
            "END:VEVENT".to_owned(),
            "END:VCALENDAR".to_owned(),
        ];
        Sensitive::new(lines.iter().map(|line| folded(line)).collect())
    }
}

fn utc(at: Timestamp) -> String {
    at.to_zoned_datetime(TimeZone::UTC).strftime("%Y%m%dT%H%M%SZ").to_string()
}

/// A text value: what would end or split it is escaped, other control characters are left out.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.replace("\r\n", "\n").chars() {
        match letter {
            '\\' | ';' | ',' => out.extend(['\\', letter]),
            '\n' | '\r' => out.push_str("\\n"),
            letter if letter.is_control() => {}
            letter => out.push(letter),
        }
    }
    out
}

/// A parameter's value: within quotes only a quote and control characters are forbidden.
fn quoted(text: &str) -> String {
    let plain: String = text.chars().filter(|letter| !letter.is_control()).map(|it| if it == '"' { '\'' } else { it }).collect();
    format!("\"{plain}\"")
}

/// An address as part of a URI.
fn address(text: &str) -> String {
    text.chars().filter(|letter| !letter.is_control() && !letter.is_whitespace()).collect()
}

/// The line with its end, continued wherever it is too long, never within a character.
fn folded(line: &str) -> String {
    let mut out = String::with_capacity(line.len() + 8);
    let mut used = 0;
    for letter in line.chars() {
        if used + letter.len_utf8() > LONGEST {
            out.push_str("\r\n ");
            used = 1;
        }
        out.push(letter);
        used += letter.len_utf8();
    }
    out.push_str("\r\n");
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn invitation(summary: &str, name: &str, method: Method) -> String {
        let (name, mail) = (Sensitive::new(name.to_owned()), Sensitive::new("anna@mail.example".to_owned()));
        Invitation {
            method,
            uid: "b_1",
            sequence: 2,
            stamp: "2026-03-12T09:00:00Z".parse().expect("an instant"),
            start: "2026-03-16T09:00:00Z".parse().expect("an instant"),
            end: "2026-03-16T09:30:00Z".parse().expect("an instant"),
            summary,
            organizer: ("Salon Emma", "noreply@desk.example"),
            attendee: (&name, &mail),
        }
        .render()
        .into_exposed()
    }

    #[test]
    fn an_invitation_reads_as_the_standard_says() {
        let expected = [
            "BEGIN:VCALENDAR",
            "VERSION:2.0",
            "PRODID:-//Frontdesk//Appointments//EN",
            "METHOD:REQUEST",
            "BEGIN:VEVENT",
            "UID:b_1",
            "SEQUENCE:2",
            "DTSTAMP:20260312T090000Z",
            "DTSTART:20260316T090000Z",
            "DTEND:20260316T093000Z",
            "SUMMARY:Beratung",
            "ORGANIZER;CN=\"Salon Emma\":mailto:noreply@desk.example",
            "ATTENDEE;ROLE=REQ-PARTICIPANT;PARTSTAT=ACCEPTED;CN=\"Anna\":mailto:anna@mail.",
            " example",
            "STATUS:CONFIRMED",
            "END:VEVENT",
            "END:VCALENDAR",
            "",
        ];
        assert_eq!(invitation("Beratung", "Anna", Method::Request), expected.join("\r\n"));
        let cancelled = invitation("Beratung", "Anna", Method::Cancel);
        assert!(cancelled.contains("METHOD:CANCEL\r\n") && cancelled.contains("STATUS:CANCELLED\r\n"));
    }

    #[test]
    fn nothing_that_is_inserted_ends_or_splits_a_value() {
        let text = invitation("Schnitt, Farbe; \\ und\r\nATTENDEE:x", "Anna \"A\"\r\nX:y;z", Method::Request);
        let unfolded = text.replace("\r\n ", "");
        assert!(unfolded.contains("SUMMARY:Schnitt\\, Farbe\\; \\\\ und\\nATTENDEE:x\r\n"), "{unfolded}");
        assert!(unfolded.contains("CN=\"Anna 'A'X:y;z\":mailto"), "{unfolded}");
        assert!(!unfolded.contains("\r\nX:y"), "{unfolded}");
    }

    #[test]
    fn long_lines_are_folded_at_75_octets_between_characters() {
        for summary in ["ä".repeat(200), "🙂".repeat(80), format!("a{}", "ß".repeat(120)), "x".repeat(500)] {
            let text = invitation(&summary, "Anna", Method::Request);
            assert!(text.split("\r\n").all(|line| line.len() <= LONGEST), "{text}");
            assert!(!text.replace("\r\n", "").contains('\n'));
            assert!(text.replace("\r\n ", "").contains(&summary));
        }
    }
}
