//! Logs: one line per event on standard error, JSON unless a person is watching. Everything that is written
//! passes the redactor in the formatter itself, so that nothing can be logged around it.

use std::borrow::Cow;
use std::fmt;
use std::io::IsTerminal as _;
use std::panic::PanicHookInfo;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock, PoisonError, RwLock};

use frontdesk_core::clock::Clock;
use frontdesk_core::protection::{Mode, Protection, Switches};
use frontdesk_core::redact::{Depth, Redactor};
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

use crate::system::{self, SystemClock};

/// What keeps secrets and people out of the lines of this process.
struct Sanitizer {
    now: RwLock<Arc<Redaction>>,
}

struct Redaction {
    redactor: Arc<Redactor>,
    clock: Arc<dyn Clock>,
    /// Before a configuration is read there is nothing to switch.
    switches: Option<Arc<Switches>>,
}

/// Lines of the level `ERROR` and above, but for those that tell of alerts: an alert is no reason for another one.
static ERRORS: AtomicU64 = AtomicU64::new(0);

/// How many lines of the level `ERROR` and above this process wrote.
pub(crate) fn errors() -> u64 {
    ERRORS.load(Ordering::Relaxed)
}

static SANITIZER: OnceLock<Sanitizer> = OnceLock::new();

fn sanitizer() -> &'static Sanitizer {
    SANITIZER.get_or_init(|| {
        let mut key = [0; 32];
        frontdesk_core::clock::Dice::fill(&system::SystemDice::new(), &mut key);
        let redaction = Redaction { redactor: Arc::new(Redactor::new(&key)), clock: Arc::new(SystemClock), switches: None };
        Sanitizer { now: RwLock::new(Arc::new(redaction)) }
    })
}

/// From here on lines go by that clock, that key for pseudonyms, and those switches.
pub(crate) fn follow(redactor: Arc<Redactor>, clock: Arc<dyn Clock>, switches: Arc<Switches>) {
    let redaction = Redaction { redactor, clock, switches: Some(switches) };
    *sanitizer().now.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(redaction);
}

/// Starts logging. `RUST_LOG` narrows or widens it; the default is `info`.
pub(crate) fn start() {
    let filter = system::env("RUST_LOG").and_then(|text| EnvFilter::try_new(text).ok()).unwrap_or_else(|| EnvFilter::new("info"));
    let human = std::io::stderr().is_terminal();
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(false);
    // A second start in one process (tests) keeps the first.
    let _ = builder.event_format(Lines { human }).try_init();
    std::panic::set_hook(Box::new(panicked));
}

/// A panic says where it was. What it says beyond a fixed text may hold a person's data, and is not
/// written down.
fn panicked(panic: &PanicHookInfo<'_>) {
    let place = panic.location().map_or_else(|| "unknown".to_owned(), |at| format!("{}:{}", at.file(), at.line()));
    let fixed = panic.payload().downcast_ref::<&'static str>().copied().unwrap_or("(not written down)");
    tracing::error!(place, reason = fixed, critical = true, "a part of the gateway panicked");
}

/// The form of a line.
struct Lines {
    human: bool,
}

impl<S, N> FormatEvent<S, N> for Lines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, _context: &FmtContext<'_, S, N>, mut writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let redaction = Arc::clone(&sanitizer().now.read().unwrap_or_else(PoisonError::into_inner));
        let mode = redaction
            .switches
            .as_ref()
            .map_or(Mode::On, |switches| switches.mode(Protection::LogSanitizer, None, redaction.clock.now()));
        let mut line = Line::new(&redaction.redactor, mode);
        event.record(&mut line);
        if let Some(switches) = &redaction.switches {
            switches.count(Protection::LogSanitizer, !line.found, mode);
        }
        let metadata = event.metadata();
        let level = match *metadata.level() {
            Level::ERROR if line.critical => "CRITICAL",
            Level::ERROR => "ERROR",
            Level::WARN => "WARN",
            Level::INFO => "INFO",
            Level::DEBUG => "DEBUG",
            Level::TRACE => "TRACE",
        };
        let channel = line.channel.unwrap_or_else(|| channel_of(metadata.target()));
        if *metadata.level() == Level::ERROR && channel != "alerts" {
            ERRORS.fetch_add(1, Ordering::Relaxed);
        }
        let at = redaction.clock.now();
        if self.human {
            write!(writer, "{at} {level:<8} {channel:<7} {}", line.message)?;
            for (name, value) in &line.fields {
                write!(writer, " {name}={}", value.for_people())?;
            }
        } else {
            write!(writer, "{{\"timestamp\":\"{at}\",\"level\":\"{level}\",\"channel\":\"{channel}\",\"message\":")?;
            write_json(&mut writer, &line.message)?;
            for (name, value) in &line.fields {
                write!(writer, ",\"{name}\":")?;
                match value {
                    Value::Bare(text) => writer.write_str(text)?,
                    Value::Text(text) => write_json(&mut writer, text)?,
                }
            }
            writer.write_char('}')?;
        }
        writeln!(writer)
    }
}

/// Whose line it is, where it does not say.
fn channel_of(target: &str) -> &'static str {
    if target.starts_with("frontdesk_calendar") {
        "calcom"
    } else if target.starts_with("frontdesk_http::retell") || target.starts_with("frontdesk_http::legacy") {
        "voice"
    } else {
        "gateway"
    }
}

enum Value {
    /// A number or a truth value, as JSON has it.
    Bare(String),
    Text(String),
}

impl Value {
    /// On one line, without what a terminal would obey.
    fn for_people(&self) -> Cow<'_, str> {
        let (Self::Bare(text) | Self::Text(text)) = self;
        if text.chars().any(|letter| letter.is_control() || letter == ' ') {
            Cow::Owned(format!("{text:?}"))
        } else {
            Cow::Borrowed(text)
        }
    }
}

/// An event on its way to a line.
struct Line<'r> {
    redactor: &'r Redactor,
    depth: Depth,
    watch: bool,
    found: bool,
    critical: bool,
    channel: Option<&'static str>,
    message: String,
    fields: Vec<(&'static str, Value)>,
}

impl<'r> Line<'r> {
    fn new(redactor: &'r Redactor, mode: Mode) -> Self {
        let depth = if mode == Mode::On { Depth::Everything } else { Depth::KeysOnly };
        Self {
            redactor,
            depth,
            watch: mode == Mode::Shadow,
            found: false,
            critical: false,
            channel: None,
            message: String::new(),
            fields: Vec::with_capacity(8),
        }
    }

    fn put(&mut self, field: &Field, text: &str) {
        let redacted = match field.name() {
            "message" => self.redactor.text(text, self.depth),
            name => self.redactor.field(name, text, self.depth),
        };
        self.found |= matches!(&redacted, Cow::Owned(_)) || (self.watch && self.redactor.would_find(text));
        let redacted = redacted.into_owned();
        match field.name() {
            "message" => self.message = redacted.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect(),
            name => self.fields.push((name, Value::Text(redacted))),
        }
    }
}

impl Visit for Line<'_> {
    fn record_bool(&mut self, field: &Field, value: bool) {
        match field.name() {
            "critical" => self.critical = value,
            name => self.fields.push((name, Value::Bare(value.to_string()))),
        }
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.fields.push((field.name(), Value::Bare(value.to_string())));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.fields.push((field.name(), Value::Bare(value.to_string())));
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        let text = value.to_string();
        let value = if value.is_finite() { Value::Bare(text) } else { Value::Text(text) };
        self.fields.push((field.name(), value));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "channel" {
            self.channel = ["gateway", "calcom", "voice", "audit"].into_iter().find(|channel| *channel == value);
            return;
        }
        self.put(field, value);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.put(field, &format!("{value:?}"));
    }
}

/// A JSON text.
fn write_json(out: &mut Writer<'_>, text: &str) -> fmt::Result {
    out.write_char('"')?;
    let mut plain = 0;
    for (index, byte) in text.bytes().enumerate() {
        let escape = match byte {
            b'"' => "\\\"",
            b'\\' => "\\\\",
            b'\n' => "\\n",
            b'\r' => "\\r",
            b'\t' => "\\t",
            0..=0x1f | 0x7f => "",
            _ => continue,
        };
        out.write_str(&text[plain..index])?;
        if escape.is_empty() {
            write!(out, "\\u{byte:04x}")?;
        } else {
            out.write_str(escape)?;
        }
        plain = index + 1;
    }
    out.write_str(&text[plain..])?;
    out.write_char('"')
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::Mutex;

    use super::*;

    /// Collects what is written.
    #[derive(Clone, Default)]
    struct Pages(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Pages {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().expect("whole").extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn written(human: bool, work: impl FnOnce()) -> String {
        let pages = Pages::default();
        let writer = pages.clone();
        let subscriber = tracing_subscriber::fmt().with_writer(move || writer.clone()).event_format(Lines { human }).finish();
        tracing::subscriber::with_default(subscriber, work);
        let bytes = pages.0.lock().expect("whole").clone();
        String::from_utf8(bytes).expect("text")
    }

    #[test]
    fn a_line_is_one_json_object_without_secrets_and_people() {
        let text = written(false, || {
            tracing::warn!(
                channel = "calcom",
                customer_name = "Anna Schmidt",
                api_key = "hunter2",
                email = "anna@example.org",
                duration_ms = 12u64,
                refused = true,
                service = "Herrenhaarschnitt",
                "call +4915123456789\nback, \u{1b}[31mred"
            );
        });
        assert_eq!(text.lines().count(), 1, "{text}");
        let line: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        assert_eq!((&line["level"], &line["channel"]), (&"WARN".into(), &"calcom".into()));
        assert_eq!((&line["duration_ms"], &line["refused"]), (&12.into(), &true.into()));
        assert_eq!(line["service"], "Herrenhaarschnitt");
        for secret in ["Anna", "hunter2", "anna@", "49151", "\u{1b}"] {
            assert!(!text.contains(secret), "{secret}: {text}");
        }
    }

    #[test]
    fn what_is_critical_says_so_and_a_terminal_obeys_nothing() {
        let json = written(false, || tracing::error!(critical = true, "Circuit breaker OPEN"));
        assert!(json.contains("\"level\":\"CRITICAL\"") && json.contains("Circuit breaker OPEN"), "{json}");
        let human = written(true, || tracing::info!(reason = "\u{1b}[2J", "a\u{7}b"));
        assert!(!human.contains('\u{1b}') && !human.contains('\u{7}'), "{human:?}");
    }

    #[test]
    fn a_panic_is_written_down_without_what_it_says_of_people() {
        let text = written(false, || {
            std::panic::set_hook(Box::new(panicked));
            let name = "Anna Schmidt";
            let _ = std::panic::catch_unwind(|| panic!("{name} broke it"));
            let _ = std::panic::catch_unwind(|| panic!("a fixed text"));
            let _ = std::panic::take_hook();
        });
        assert!(!text.contains("Anna") && !text.contains("Schmidt"), "{text}");
        assert!(text.contains("a fixed text") && text.contains("telemetry.rs") && text.contains("CRITICAL"), "{text}");
    }

    #[test]
    fn in_shadow_and_off_free_text_stays_and_keys_do_not() {
        for (mode, count) in [(Mode::Shadow, 1), (Mode::Off, 0)] {
            let switches = Arc::new(Switches::new([mode; 8]));
            follow(Arc::new(Redactor::new(b"test")), Arc::new(SystemClock), Arc::clone(&switches));
            let text = written(false, || tracing::info!(password = "hunter2", "call +4915123456789 with cal_live_0a1b2c3d"));
            assert!(text.contains("+4915123456789"), "{mode:?}: {text}");
            assert!(!text.contains("hunter2") && !text.contains("0a1b2c3d"), "{mode:?}: {text}");
            let refused = switches
                .decisions()
                .into_iter()
                .find(|(it, word, at, _)| *it == Protection::LogSanitizer && *word == "refuse" && *at == Mode::Shadow);
            assert_eq!(refused.map(|(.., refused)| refused), Some(count), "{mode:?}");
        }
    }
}
