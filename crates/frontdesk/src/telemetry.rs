//! Logs: one line per event, JSON unless a person is watching, on standard error or in files. Everything that is
//! written passes the redactor in the one place that makes lines, so that nothing can be logged around it.

pub(crate) mod outlet;
mod rotation;

use std::borrow::Cow;
use std::cell::RefCell;
use std::fmt::{self, Write as _};
use std::panic::PanicHookInfo;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock, PoisonError, RwLock};

use frontdesk_core::clock::Clock;
use frontdesk_core::meter;
use frontdesk_core::protection::{Mode, Protection, Switches};
use frontdesk_core::redact::{Depth, Redactor};
use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_subscriber::layer::{Context, SubscriberExt as _};
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer, Registry};

use self::outlet::Outlet;
use crate::config::deployment::log::Channel;
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

/// Starts logging, on standard error until a configuration says otherwise. `RUST_LOG` narrows or widens it, and
/// then goes before the levels of the configuration.
pub(crate) fn start() {
    let filter = system::env("RUST_LOG").and_then(|text| EnvFilter::try_new(text).ok());
    let lines = Lines { by: if filter.is_some() { By::Environment } else { By::Configuration }, to: To::Outlet };
    // A second start in one process (tests) keeps the first.
    let _ = Registry::default().with(filter).with(lines).try_init();
    std::panic::set_hook(Box::new(panicked));
}

/// A panic says where it was. What it says beyond a fixed text may hold a person's data, and is not
/// written down.
fn panicked(panic: &PanicHookInfo<'_>) {
    let place = panic.location().map_or_else(|| "unknown".to_owned(), |at| format!("{}:{}", at.file(), at.line()));
    let fixed = panic.payload().downcast_ref::<&'static str>().copied().unwrap_or("(not written down)");
    tracing::error!(place, reason = fixed, critical = true, "a part of the gateway panicked");
}

/// Makes lines of events and sends them where they belong.
struct Lines {
    by: By,
    to: To,
}

/// Who says which levels are written down.
#[derive(Clone, Copy, PartialEq, Eq)]
enum By {
    Environment,
    Configuration,
}

enum To {
    Outlet,
    #[cfg(test)]
    Pages(tests::Pages, bool),
}

thread_local! {
    /// A line is made in the room of the one before.
    static ROOM: RefCell<String> = const { RefCell::new(String::new()) };
}

impl<S: Subscriber> Layer<S> for Lines {
    fn enabled(&self, metadata: &Metadata<'_>, _context: Context<'_, S>) -> bool {
        self.by == By::Environment || *metadata.level() <= most_of(metadata, &outlet::now())
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        (self.by == By::Configuration).then(|| outlet::now().most().into())
    }

    fn on_event(&self, event: &Event<'_>, _context: Context<'_, S>) {
        let outlet = outlet::now();
        let redaction = Arc::clone(&sanitizer().now.read().unwrap_or_else(PoisonError::into_inner));
        let at = redaction.clock.now();
        let mode = redaction.switches.as_ref().map_or(Mode::On, |switches| switches.mode(Protection::LogSanitizer, None, at));
        let mut line = Line::new(&redaction.redactor, mode);
        event.record(&mut line);
        let channel = line.channel.unwrap_or_else(|| channel_of(event.metadata().target()));
        if self.by == By::Configuration && *event.metadata().level() > outlet.level(channel) {
            return;
        }
        if let Some(switches) = &redaction.switches {
            switches.count(Protection::LogSanitizer, !line.found, mode);
        }
        let is_human = match &self.to {
            To::Outlet => outlet.is_human,
            #[cfg(test)]
            To::Pages(_, is_human) => *is_human,
        };
        if *event.metadata().level() == Level::ERROR && !line.tells_of_alert && !is_of_traces(event.metadata()) {
            ERRORS.fetch_add(1, Ordering::Relaxed);
        }
        if let Some(trace) = meter::trace() {
            line.fields.push(("trace_id", Value::Text(trace)));
        }
        let write = |room: &mut String| {
            room.clear();
            // A text takes everything.
            let _ = line.write(room, event.metadata(), channel, at, is_human);
            match &self.to {
                To::Outlet => outlet.line(channel, *event.metadata().level(), at, room),
                #[cfg(test)]
                To::Pages(pages, _) => pages.put(room),
            }
        };
        ROOM.with(|room| match room.try_borrow_mut() {
            Ok(mut room) => write(&mut room),
            // A value that logs while it is shown has a line of its own.
            Err(_) => write(&mut String::new()),
        });
    }
}

/// The most that may be written down of a place in the code. A line may name another channel than its place has;
/// what others' crates say in detail is theirs alone, and only `RUST_LOG` brings it up.
fn most_of(metadata: &Metadata<'_>, outlet: &Outlet) -> Level {
    if metadata.target().starts_with("frontdesk") { outlet.most() } else { outlet.level(Channel::Gateway).min(Level::INFO) }
}

/// A collector of traces that is away is nobody's error here.
fn is_of_traces(metadata: &Metadata<'_>) -> bool {
    metadata.target().starts_with("opentelemetry")
}

/// Whose line it is, where it does not say.
fn channel_of(target: &str) -> Channel {
    if target.starts_with("frontdesk_calendar") {
        Channel::Calcom
    } else if target.starts_with("frontdesk_http::retell") || target.starts_with("frontdesk_http::legacy") {
        Channel::Voice
    } else {
        Channel::Gateway
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
    channel: Option<Channel>,
    tells_of_alert: bool,
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
            tells_of_alert: false,
            message: String::new(),
            fields: Vec::with_capacity(8),
        }
    }

    /// The line as it is written.
    fn write(
        &self,
        out: &mut String,
        metadata: &Metadata<'_>,
        channel: Channel,
        at: jiff::Timestamp,
        is_human: bool,
    ) -> fmt::Result {
        let level = match *metadata.level() {
            // A collector that takes nothing is no fault of the service.
            Level::ERROR if is_of_traces(metadata) => "WARN",
            Level::ERROR if self.critical => "CRITICAL",
            Level::ERROR => "ERROR",
            Level::WARN => "WARN",
            Level::INFO => "INFO",
            Level::DEBUG => "DEBUG",
            Level::TRACE => "TRACE",
        };
        let channel = channel.name();
        if is_human {
            write!(out, "{at} {level:<8} {channel:<7} {}", self.message)?;
            for (name, value) in &self.fields {
                write!(out, " {name}={}", value.for_people())?;
            }
        } else {
            write!(out, "{{\"timestamp\":\"{at}\",\"level\":\"{level}\",\"channel\":\"{channel}\",\"message\":")?;
            write_json(out, &self.message)?;
            for (name, value) in &self.fields {
                write!(out, ",\"{name}\":")?;
                match value {
                    Value::Bare(text) => out.write_str(text)?,
                    Value::Text(text) => write_json(out, text)?,
                }
            }
            out.write_char('}')?;
        }
        writeln!(out)
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
            self.channel = Channel::named(value);
            self.tells_of_alert = value == "alerts";
            return;
        }
        self.put(field, value);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.put(field, &format!("{value:?}"));
    }
}

/// A JSON text.
fn write_json(out: &mut String, text: &str) -> fmt::Result {
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
    use std::sync::Mutex;

    use super::*;

    /// Collects what is written.
    #[derive(Clone, Default)]
    pub(super) struct Pages(Arc<Mutex<String>>);

    impl Pages {
        pub(super) fn put(&self, line: &str) {
            self.0.lock().expect("whole").push_str(line);
        }
    }

    fn written(human: bool, work: impl FnOnce()) -> String {
        let pages = Pages::default();
        let lines = Lines { by: By::Environment, to: To::Pages(pages.clone(), human) };
        tracing::subscriber::with_default(Registry::default().with(lines), work);
        pages.0.lock().expect("whole").clone()
    }

    #[test]
    fn each_line_is_on_its_channel_by_what_it_says_or_where_it_comes_from() {
        let text = written(false, || {
            tracing::info!(target: "frontdesk_calendar::guard", "one");
            tracing::info!(target: "frontdesk_http::retell::functions", "two");
            tracing::info!(target: "frontdesk_http::legacy", "three");
            tracing::info!(target: "frontdesk_store::place", "four");
            tracing::info!(channel = "audit", "five");
            tracing::info!(target: "frontdesk_http::retell", channel = "calcom", "six");
            tracing::info!(channel = "nonsense", "seven");
        });
        let channels: Vec<String> = text
            .lines()
            .map(|line| {
                serde_json::from_str::<serde_json::Value>(line).expect("JSON")["channel"].as_str().expect("one").to_owned()
            })
            .collect();
        assert_eq!(channels, ["calcom", "voice", "voice", "gateway", "audit", "calcom", "gateway"]);
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
