//! `frontdesk.toml`: one deployment. Every key is optional; the defaults are those of an empty file.
//!
//! Paths in it are relative to the folder in which the gateway is started, not to the file's.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

pub mod live;
pub mod log;
pub mod telemetry;
#[cfg(test)]
mod tests;

use crate::config::addresses::{self, Network};
use crate::config::deployment::live::Live;
use crate::config::deployment::log::Log;
use crate::config::deployment::telemetry::Telemetry;
use crate::config::problems::{Problem, Problems};
use crate::config::reader::{self, Field, Section};
use crate::config::secrets::SecretSource;

/// The file that is read when none is named.
pub const DEFAULT_FILE: &str = "frontdesk.toml";

const SECTIONS: [&str; 16] = [
    "server",
    "store",
    "state",
    "secrets",
    "protections",
    "rate_limit",
    "circuit_breaker",
    "deadlines",
    "alerts",
    "smtp",
    "outbox",
    "calendar",
    "retention",
    "health",
    "log",
    "telemetry",
];

const DAY: Duration = Duration::from_secs(86_400);

/// A deployment, as its file describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeploymentConfig {
    /// Where to listen and whom to believe.
    pub server: Server,
    /// What must never be lost.
    pub store: StoreUrl,
    /// What replicas share.
    pub state: StateUrl,
    /// How long a decision of a shared state is waited for; then each gateway decides by itself.
    pub state_within: Duration,
    /// The key that tenants' secrets are sealed with.
    pub master_key: SecretSource,
    /// The sections that may change while the gateway runs.
    pub live: Live,
    /// How mail is sent; `None` sends none.
    pub smtp: Option<Smtp>,
    /// Networks that are not public and that webhooks may be posted into all the same.
    pub private_targets: Vec<Network>,
    /// How calendars are dealt with.
    pub calendar: CalendarSettings,
    /// For how long what is kept.
    pub retention: Retention,
    /// When health says that something needs a person.
    pub health: HealthRules,
    /// What is written down, and where.
    pub log: Log,
    /// Who collects spans and measurements.
    pub telemetry: Telemetry,
}

/// `[health]`: from where on something needs a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HealthRules {
    /// Percent of a disk, or of its inodes, that are used.
    pub disk_percent: u32,
    /// Percent of the memory that are used.
    pub memory_percent: u32,
    /// Work that waits for each processor, over a quarter of an hour.
    pub load_per_core: u32,
    /// How far another clock may be from ours.
    pub clock_skew: Duration,
    /// How long nothing may be heard of an agent that had calls.
    pub silent_agent: Duration,
    /// How long a certificate has to be good still.
    pub certificate: Duration,
    /// How long a delivery may wait.
    pub outbox_age: Duration,
    /// How old the newest backup that was proved may be; `None` asks for none.
    pub backup_age: Option<Duration>,
}

/// `[calendar]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CalendarSettings {
    /// How often each Cal.com calendar is asked for what changed; `None` never is.
    pub poll_every: Option<Duration>,
    /// Networks that are not public and that calendars may be in all the same.
    pub private_targets: Vec<Network>,
}

/// `[smtp]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Smtp {
    /// `smtp://` or `smtps://`, with user and password.
    pub url: SecretSource,
    /// Who writes; `None` is the user of the address.
    pub from: Option<Sender>,
}

/// A name and a mail address, such as `Frontdesk <noreply@desk.example>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sender {
    /// The name, if one is given.
    pub name: Option<String>,
    /// The address.
    pub address: String,
}

/// `[retention]`: for how long people's data is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// Numbers, memory and timelines of calls.
    pub calls: Duration,
    /// Who an appointment was for, after its end.
    pub appointments: Duration,
    /// Work items that are closed.
    pub callbacks: Duration,
    /// Exchanges with calendars.
    pub exchanges: Duration,
}

/// `[server]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    /// Where to listen.
    pub listen: SocketAddr,
    /// The key of a nameless administrator.
    pub admin_key: Option<SecretSource>,
    /// Keys of administrators by name.
    pub admin_keys: BTreeMap<String, SecretSource>,
    /// What platforms call, without a trailing slash.
    pub public_url: String,
    /// Whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<Network>,
}

/// `[store]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoreUrl {
    /// A file.
    Sqlite(PathBuf),
    /// PostgreSQL; the addresses may hold passwords.
    Postgres {
        /// As whom the gateway serves.
        url: SecretSource,
        /// As whom it brings the schema forward; `None` is the same.
        migrate_url: Option<SecretSource>,
    },
}

/// `[state]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StateUrl {
    /// This process alone.
    Memory,
    /// Redis or Valkey; the address may hold a password.
    Redis(SecretSource),
}

impl Default for DeploymentConfig {
    fn default() -> Self {
        Self::parse("", "").expect("INVARIANT: an empty file has no problem")
    }
}

// === impl DeploymentConfig ===

impl DeploymentConfig {
    /// Reads the file. Without a name it is [`DEFAULT_FILE`], which may be absent; a named one may not.
    pub fn load(path: Option<&Path>) -> Result<Self, Problems> {
        Self::load_with_revision(path).map(|(config, _)| config)
    }

    /// The same, with the revision that operators know it by.
    pub fn load_with_revision(path: Option<&Path>) -> Result<(Self, String), Problems> {
        let named = path.unwrap_or(Path::new(DEFAULT_FILE));
        let text = match std::fs::read_to_string(named) {
            Ok(text) => text,
            Err(error) if path.is_none() && error.kind() == io::ErrorKind::NotFound => String::new(),
            Err(error) => return Err(unreadable(named, &error)),
        };
        Ok((Self::parse(&named.display().to_string(), &text)?, revision(&text)))
    }

    /// Reads the text of a file; `file` is its name in messages.
    pub fn parse(file: &str, text: &str) -> Result<Self, Problems> {
        reader::read(file, text, &SECTIONS, |root| {
            let (state, state_within) = state(root);
            Some(Self {
                server: server(root),
                store: store(root),
                state,
                state_within,
                master_key: master_key(root),
                live: Live::read(root),
                smtp: smtp(root),
                private_targets: root.section("outbox", &["private_targets"]).each(
                    "private_targets",
                    "an address or a network such as \"10.0.0.0/8\"",
                    Network::parse,
                ),
                calendar: calendar(root),
                retention: retention(root),
                health: health(root),
                log: Log::read(root),
                telemetry: Telemetry::read(root),
            })
        })
    }

    /// The keys in which `other` differs that a running gateway cannot take up.
    pub fn needs_restart(&self, other: &Self) -> Vec<&'static str> {
        let Self {
            server,
            store,
            state,
            state_within,
            master_key,
            live: _,
            smtp: _,
            private_targets: _,
            calendar,
            retention: _,
            health: _,
            log: _,
            telemetry,
        } = self;
        let Server { listen, admin_key, admin_keys, public_url, trusted_proxies } = server;
        different([
            ("server.listen", *listen == other.server.listen),
            ("server.admin_key", *admin_key == other.server.admin_key),
            ("server.admin_keys", *admin_keys == other.server.admin_keys),
            ("server.public_url", *public_url == other.server.public_url),
            ("server.trusted_proxies", *trusted_proxies == other.server.trusted_proxies),
            ("store", *store == other.store),
            ("state.url", *state == other.state),
            ("state.answer_within", *state_within == other.state_within),
            ("secrets.master_key", *master_key == other.master_key),
            ("calendar", *calendar == other.calendar),
            ("telemetry", *telemetry == other.telemetry),
        ])
    }

    /// The sections in which `other` differs that a running gateway takes up.
    pub fn changes(&self, other: &Self) -> Vec<&'static str> {
        let Self {
            server: _,
            store: _,
            state: _,
            state_within: _,
            master_key: _,
            live,
            smtp,
            private_targets,
            calendar: _,
            retention,
            health,
            log,
            telemetry: _,
        } = self;
        let Live { protections, rate_limit, circuit_breaker, deadlines, alerts } = live;
        different([
            ("protections", *protections == other.live.protections),
            ("rate_limit", *rate_limit == other.live.rate_limit),
            ("circuit_breaker", *circuit_breaker == other.live.circuit_breaker),
            ("deadlines", *deadlines == other.live.deadlines),
            ("alerts", *alerts == other.live.alerts),
            ("smtp", *smtp == other.smtp),
            ("outbox", *private_targets == other.private_targets),
            ("retention", *retention == other.retention),
            ("health", *health == other.health),
            ("log", *log == other.log),
        ])
    }
}

/// The names of those that are not the same.
fn different<const N: usize>(parts: [(&'static str, bool); N]) -> Vec<&'static str> {
    parts.into_iter().filter_map(|(name, same)| (!same).then_some(name)).collect()
}

/// What a text is known by: the beginning of what `sha256sum` says of its file.
pub(crate) fn revision(text: &str) -> String {
    let digest = ring::digest::digest(&ring::digest::SHA256, text.as_bytes());
    digest.as_ref().iter().take(6).map(|byte| format!("{byte:02x}")).collect()
}

impl Server {
    /// Whether nobody outside this machine can call here, or is told to: it is somebody's own machine then. One that
    /// has proxies is called through them, whatever address it listens on.
    pub fn is_local(&self) -> bool {
        if !self.listen.ip().is_loopback() || !self.trusted_proxies.is_empty() {
            return false;
        }
        let rest = self.public_url.split_once("://").map_or("", |(_, rest)| rest);
        let host = rest.split(['/', '?']).next().unwrap_or("");
        let host = match host.strip_prefix('[').and_then(|host| host.split_once(']')) {
            Some((host, _)) => host,
            None => host.split(':').next().unwrap_or(""),
        };
        host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
    }

    /// Every administrator's key by name; the nameless one is `admin`.
    pub fn administrators(&self) -> impl Iterator<Item = (&str, &SecretSource)> {
        let nameless = self.admin_key.iter().map(|key| ("admin", key));
        nameless.chain(self.admin_keys.iter().map(|(name, key)| (name.as_str(), key)))
    }
}

impl fmt::Display for StoreUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(path) => write!(f, "sqlite:{}", path.display()),
            Self::Postgres { .. } => f.write_str("postgres"),
        }
    }
}

impl fmt::Display for StateUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Memory => f.write_str("memory:"),
            Self::Redis(_) => f.write_str("redis"),
        }
    }
}

/// The problem of a file that cannot be opened.
pub(crate) fn unreadable(path: &Path, error: &io::Error) -> Problems {
    let found = match error.kind() {
        io::ErrorKind::NotFound => "no such file".to_owned(),
        io::ErrorKind::InvalidData => "bytes that are not UTF-8".to_owned(),
        _ => format!("a file that cannot be read ({error})"),
    };
    Problem {
        file: path.display().to_string(),
        line: None,
        path: String::new(),
        found,
        expected: "a readable TOML file".to_owned(),
    }
    .into()
}

fn server(root: &Section<'_>) -> Server {
    let at = root.section("server", &["listen", "admin_key", "admin_keys", "public_url", "trusted_proxies"]);
    let admin_key = match at.field("admin_key") {
        None => Some(SecretSource::Env("FRONTDESK_ADMIN_KEY".to_owned())),
        given => SecretSource::optional(given),
    };
    let base = |text: &str| addresses::is_base_address(text).then(|| text.to_owned());
    let public_url =
        at.parsed("public_url", "an http or https address without a trailing slash, such as \"https://desk.example\"", base);
    let listen = at
        .parsed("listen", "an address and a port such as \"127.0.0.1:8080\"", |text| text.parse().ok())
        .unwrap_or(SocketAddr::from((Ipv4Addr::LOCALHOST, 8080)));
    Server {
        listen,
        admin_key,
        admin_keys: at.field("admin_keys").map(admin_keys).unwrap_or_default(),
        // Nobody calls an address that stands for all of them.
        public_url: public_url.unwrap_or_else(|| match listen.ip().is_unspecified() {
            true => format!("http://127.0.0.1:{}", listen.port()),
            false => format!("http://{listen}"),
        }),
        trusted_proxies: at.each("trusted_proxies", "an address or a network such as \"10.0.0.0/8\"", Network::parse),
    }
}

fn admin_keys(field: Field<'_>) -> BTreeMap<String, SecretSource> {
    let mut keys = BTreeMap::new();
    for (name, key) in field.entries("a table of names and keys such as {anna = \"env:ANNA_KEY\"}") {
        if name.trim().is_empty() || name.chars().count() > 100 || name.chars().any(char::is_control) {
            key.refuse_unseen("a key under a name of 1 to 100 characters");
        } else if let Some(source) = SecretSource::optional(Some(key)) {
            keys.insert(name.to_owned(), source);
        }
    }
    keys
}

fn store(root: &Section<'_>) -> StoreUrl {
    let at = root.section("store", &["url", "migrate_url"]);
    let default = StoreUrl::Sqlite(PathBuf::from("data/frontdesk.db"));
    let migrate_url = at.field("migrate_url").and_then(|field| {
        let expected = "the address of the same PostgreSQL as its owner, \"postgres://…\", env:NAME or file:PATH";
        Some((field.clone(), field.parsed_unseen(expected, postgres)?))
    });
    let expected = "\"sqlite:PATH\" such as \"sqlite:data/frontdesk.db\" or \"sqlite:/var/lib/frontdesk/frontdesk.db\", \"postgres://ROLE:PASSWORD@HOST/DATABASE\", env:NAME or file:PATH";
    let url = at.field("url").and_then(|field| {
        field.parsed_unseen(expected, |text| {
            sqlite(text).or_else(|| Some(StoreUrl::Postgres { url: postgres(text)?, migrate_url: None }))
        })
    });
    let is_unreadable = url.is_none() && at.field("url").is_some();
    match (url.unwrap_or(default), migrate_url) {
        (StoreUrl::Postgres { url, .. }, Some((_, owner))) => StoreUrl::Postgres { url, migrate_url: Some(owner) },
        (url, owner) => {
            if let Some((field, _)) = owner.filter(|_| !is_unreadable) {
                field.refuse_unseen("none: a SQLite store has one owner, who opens it");
            }
            url
        }
    }
}

fn postgres(text: &str) -> Option<SecretSource> {
    match SecretSource::parse(text)? {
        SecretSource::Literal(_) if !text.starts_with("postgres://") && !text.starts_with("postgresql://") => None,
        source => Some(source),
    }
}

/// A path without what other programs read into it: `//` of an address, `?` of options, `:memory:`,
/// which would lose what must never be lost.
fn sqlite(text: &str) -> Option<StoreUrl> {
    let path = text.strip_prefix("sqlite:")?;
    let lawful = !path.trim().is_empty() && !path.starts_with("//") && !path.starts_with(':') && !path.contains(['?', '\0']);
    lawful.then(|| StoreUrl::Sqlite(PathBuf::from(path)))
}

fn state(root: &Section<'_>) -> (StateUrl, Duration) {
    let at = root.section("state", &["url", "answer_within"]);
    let longest = Duration::from_secs(60);
    let within = at.duration("answer_within", Duration::from_millis(1)..=longest).unwrap_or(Duration::from_millis(200));
    let Some(field) = at.field("url") else { return (StateUrl::Memory, within) };
    let schemes = ["redis://", "rediss://", "redis+sentinel://"];
    let expected = "\"memory:\", \"redis://HOST:PORT\", \"rediss://…\", \"redis+sentinel://HOST:PORT,HOST:PORT/SERVICE\", env:NAME or file:PATH";
    let state = field.parsed_unseen(expected, |text| match SecretSource::parse(text)? {
        SecretSource::Literal(_) if text == "memory:" => Some(StateUrl::Memory),
        SecretSource::Literal(url) if !schemes.iter().any(|scheme| url.expose().starts_with(scheme)) => None,
        source => Some(StateUrl::Redis(source)),
    });
    (state.unwrap_or(StateUrl::Memory), within)
}

fn master_key(root: &Section<'_>) -> SecretSource {
    let at = root.section("secrets", &["master_key"]);
    let default = SecretSource::File(PathBuf::from("data/master.key"));
    let Some(field) = at.field("master_key") else { return default };
    let source = field.parsed_unseen("env:NAME, file:PATH or 64 hexadecimal digits", |text| {
        let source = SecretSource::parse(text)?;
        match &source {
            SecretSource::Literal(key) => {
                let digits = key.expose().trim();
                (digits.len() == 64 && digits.bytes().all(|byte| byte.is_ascii_hexdigit())).then_some(source)
            }
            SecretSource::Env(_) | SecretSource::File(_) => Some(source),
        }
    });
    source.unwrap_or(default)
}

fn calendar(root: &Section<'_>) -> CalendarSettings {
    let at = root.section("calendar", &["poll_every", "private_targets"]);
    let poll_every = at.duration("poll_every", Duration::ZERO..=DAY).unwrap_or(Duration::from_secs(300));
    let expected = "an address or a network such as \"10.0.0.0/8\"";
    CalendarSettings {
        poll_every: Some(poll_every).filter(|it| !it.is_zero()),
        private_targets: at.each("private_targets", expected, Network::parse),
    }
}

fn retention(root: &Section<'_>) -> Retention {
    let at = root.section("retention", &["calls", "appointments", "callbacks", "exchanges"]);
    let days = |key, usual: u32| at.duration(key, DAY..=DAY * 3660).unwrap_or(DAY * usual);
    Retention {
        calls: days("calls", 90),
        appointments: days("appointments", 1095),
        callbacks: days("callbacks", 365),
        exchanges: days("exchanges", 14),
    }
}

fn health(root: &Section<'_>) -> HealthRules {
    let keys = [
        "disk_percent",
        "memory_percent",
        "load_per_core",
        "clock_skew",
        "silent_agent",
        "certificate",
        "outbox_age",
        "backup_age",
    ];
    let at = root.section("health", &keys);
    let whole = |key, most, usual| at.whole(key, 1..=most).and_then(|number| u32::try_from(number).ok()).unwrap_or(usual);
    let span = |key, least: Duration, usual: Duration| at.duration(key, least..=DAY * 365).unwrap_or(usual);
    const MINUTE: Duration = Duration::from_secs(60);
    HealthRules {
        disk_percent: whole("disk_percent", 100, 80),
        memory_percent: whole("memory_percent", 100, 90),
        load_per_core: whole("load_per_core", 1000, 20),
        clock_skew: span("clock_skew", Duration::from_secs(1), Duration::from_secs(5)),
        silent_agent: span("silent_agent", MINUTE, DAY * 7),
        certificate: span("certificate", MINUTE, DAY * 14),
        outbox_age: span("outbox_age", MINUTE, MINUTE * 15),
        backup_age: Some(span("backup_age", Duration::ZERO, Duration::ZERO)).filter(|age| !age.is_zero()),
    }
}

fn smtp(root: &Section<'_>) -> Option<Smtp> {
    let at = root.section("smtp", &["url", "from"]);
    let expected = "a mail address such as \"Frontdesk <noreply@desk.example>\", or \"\" for the user of the url";
    let from = at.parsed("from", expected, |text| if text.is_empty() { Some(None) } else { Sender::parse(text).map(Some) });
    let field = at.field("url")?;
    let url = match SecretSource::optional(Some(field.clone()))? {
        SecretSource::Literal(url) if !url.expose().starts_with("smtp://") && !url.expose().starts_with("smtps://") => {
            field.refuse_unseen("an address such as \"smtps://user:password@mail.example\", env:NAME or file:PATH");
            return None;
        }
        source => source,
    };
    Some(Smtp { url, from: from.flatten() })
}

impl Sender {
    /// Reads `NAME <ADDRESS>` or `ADDRESS`.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let (name, address) = match text.strip_suffix('>').and_then(|rest| rest.split_once('<')) {
            Some((name, address)) => (name.trim().trim_matches('"'), address),
            None => ("", text),
        };
        let lawful = addresses::is_mail_address(address) && name.len() <= 200 && !name.chars().any(char::is_control);
        let name = (!name.is_empty()).then(|| name.to_owned());
        lawful.then(|| Self { name, address: address.to_owned() })
    }
}
