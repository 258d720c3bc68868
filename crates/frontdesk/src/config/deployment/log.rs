//! `[log]`: what is written down, and where.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use tracing::Level;

use crate::config::durations;
use crate::config::reader::Section;

/// How a line is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// By a person where standard error is a terminal, else by a program.
    Auto,
    /// One JSON object.
    Json,
    /// By a person.
    Human,
}

/// Whose line it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Channel {
    /// The gateway itself.
    Gateway,
    /// What calendars are asked and say.
    Calcom,
    /// What voice agents ask.
    Voice,
    /// What operators did.
    Audit,
}

/// When a file is put away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rotate {
    /// At the first line of a day (UTC), and when it is full.
    Daily,
    /// When it is full.
    Size,
    /// By somebody else, who then sends SIGHUP.
    Never,
}

/// The section.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Log {
    /// How lines look.
    pub format: Form,
    /// What is written down.
    pub level: Level,
    /// The same for one channel.
    pub levels: BTreeMap<Channel, Level>,
    /// Where lines go; `None` is standard error.
    pub file: Option<PathBuf>,
    /// Where those of one channel go instead.
    pub channels: BTreeMap<Channel, PathBuf>,
    /// When files are put away.
    pub rotate: Rotate,
    /// When a file is full, in bytes.
    pub max_size: u64,
    /// How many that were put away are kept, of each file.
    pub keep: usize,
}

impl Channel {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Gateway, Self::Calcom, Self::Voice, Self::Audit];

    /// The word in lines and in the configuration.
    pub fn name(self) -> &'static str {
        match self {
            Self::Gateway => "gateway",
            Self::Calcom => "calcom",
            Self::Voice => "voice",
            Self::Audit => "audit",
        }
    }

    /// The channel of that name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|channel| channel.name() == name)
    }
}

impl Log {
    pub(super) fn read(root: &Section<'_>) -> Self {
        let at = root.section("log", &["format", "level", "levels", "file", "channels", "rotate", "max_size", "keep"]);
        let names = Channel::ALL.map(Channel::name);
        let (levels, channels) = (at.section("levels", &names), at.section("channels", &names));
        let path = |text: &str| (!text.is_empty() && !text.contains('\0')).then(|| PathBuf::from(text));
        let format = |text: &str| match text {
            "auto" => Some(Form::Auto),
            "json" => Some(Form::Json),
            "human" => Some(Form::Human),
            _ => None,
        };
        let rotate = |text: &str| match text {
            "daily" => Some(Rotate::Daily),
            "size" => Some(Rotate::Size),
            "never" => Some(Rotate::Never),
            _ => None,
        };
        let sizes = "a size from \"64KiB\" to \"1024GiB\", as a text with KiB, MiB or GiB";
        let size = |text: &str| durations::parse_size(text).filter(|size| (1 << 16..=1 << 40).contains(size));
        Self {
            format: at.parsed("format", "\"auto\", \"json\" or \"human\"", format).unwrap_or(Form::Auto),
            level: at.parsed("level", LEVELS, level).unwrap_or(Level::INFO),
            levels: each(|name| levels.parsed(name, LEVELS, level)),
            file: at
                .parsed("file", "the path of a file, or \"\" for standard error", |text| {
                    if text.is_empty() { Some(None) } else { path(text).map(Some) }
                })
                .flatten(),
            channels: each(|name| channels.parsed(name, "the path of a file", path)),
            rotate: at.parsed("rotate", "\"daily\", \"size\" or \"never\"", rotate).unwrap_or(Rotate::Daily),
            max_size: at.parsed("max_size", sizes, size).unwrap_or(100 << 20),
            keep: at.whole("keep", 1..=10_000).and_then(|keep| usize::try_from(keep).ok()).unwrap_or(14),
        }
    }

    /// The files that are written to, and whether all lines go to them.
    pub fn files(&self) -> (Vec<PathBuf>, bool) {
        let files: BTreeSet<PathBuf> = self.file.iter().chain(self.channels.values()).cloned().collect();
        (files.into_iter().collect(), self.file.is_some() || self.channels.len() == Channel::ALL.len())
    }

    /// What of a channel is written down.
    pub fn level_of(&self, channel: Channel) -> Level {
        self.levels.get(&channel).copied().unwrap_or(self.level)
    }
}

const LEVELS: &str = "\"error\", \"warn\", \"info\", \"debug\" or \"trace\"";

fn level(text: &str) -> Option<Level> {
    Some(match text {
        "error" => Level::ERROR,
        "warn" => Level::WARN,
        "info" => Level::INFO,
        "debug" => Level::DEBUG,
        "trace" => Level::TRACE,
        _ => return None,
    })
}

fn each<T>(of: impl Fn(&str) -> Option<T>) -> BTreeMap<Channel, T> {
    Channel::ALL.into_iter().filter_map(|channel| Some((channel, of(channel.name())?))).collect()
}
