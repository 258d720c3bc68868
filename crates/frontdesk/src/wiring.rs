//! Configuration to a running house; the only file that names every concrete part.

mod renewal;

use std::sync::{Arc, Mutex, PoisonError, RwLock};

use frontdesk_calendar::{Guard, GuardRules, Reach};
use frontdesk_core::account::Accounts;
use frontdesk_core::alert::{Alert, Thresholds};
use frontdesk_core::breaker::Rules;
use frontdesk_core::clock::{Clock, Dice};
use frontdesk_core::desk::{Budgets, Desk, Parts};
use frontdesk_core::ids::random_text;
use frontdesk_core::limits::Gate;
use frontdesk_core::ports::{Calendar, StoreError};
use frontdesk_core::protection::Switches;
use frontdesk_core::redact::Redactor;
use frontdesk_core::sensitive::Secret;
use frontdesk_core::shared::{MemoryState, SharedState};
use frontdesk_http::{AdminKey, Edge, EdgeParts, Recognition, Settings, Trusts};
use frontdesk_store::{
    MasterKey, Metered, Place, RedisClock, RedisOpenError, RedisState, Retention, Store, StoreSettings, VaultError,
};
use jiff::SignedDuration;

use crate::alerts::{Lookout, bounds};
use crate::catch_up::CatchUp;
use crate::config::addresses::Network;
use crate::config::deployment::{DeploymentConfig, StateUrl, StoreUrl};
use crate::config::problems::{Problem, Problems};
use crate::config::secrets::{Resolved, SecretSource};
use crate::courier::{self, Courier, Mail, Receivers, Targets, Webhook};
use crate::house::HouseHealth;
use crate::journal::StoredJournal;
use crate::news::{self, News};
use crate::operations::HouseOperations;
use crate::spans;
use crate::standing::Standing;
use crate::system::{self, SystemClock, SystemDice};
use crate::tasks;
use crate::telemetry;
use crate::tenants::Tenants;

pub use self::renewal::Next;

use self::renewal::secrets_of_the_start;

/// Why a house could not be put together.
#[derive(Debug, thiserror::Error)]
pub enum WiringError {
    /// The configuration says something that cannot be done.
    #[error("{0}")]
    Config(Problems),
    /// The store.
    #[error("failed to open the store {place}: {source}")]
    Store {
        /// Where it is.
        place: String,
        /// What it said.
        #[source]
        source: StoreError,
    },
    /// The master key.
    #[error("failed to take up the master key: {0}")]
    MasterKey(#[from] VaultError),
    /// The shared state.
    #[error("failed to set up the shared state: {0}")]
    State(#[from] RedisOpenError),
    /// The outgoing HTTP client.
    #[error("failed to make the calendar client: {0}")]
    Calendar(String),
    /// The client of webhooks.
    #[error("failed to make the webhook client: {0}")]
    Webhook(String),
}

impl From<Problem> for WiringError {
    fn from(problem: Problem) -> Self {
        Self::Config(problem.into())
    }
}

/// The world a house stands in; tests replace it.
#[derive(Clone)]
pub struct World {
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Ids and keys.
    pub dice: Arc<dyn Dice>,
}

impl World {
    /// The real one.
    pub fn real() -> Self {
        Self { clock: Arc::new(SystemClock), dice: Arc::new(SystemDice::new()) }
    }
}

/// A house, ready to serve.
pub struct House {
    /// The store, for commands.
    pub store: Store,
    /// The use cases.
    pub desk: Desk,
    /// The edge.
    pub edge: Edge,
    /// What is shared and fast.
    pub state: State,
    /// How the protections stand.
    pub switches: Arc<Switches>,
    pub(crate) arrangement: Arc<Current<Arrangement>>,
    pub(crate) catch_up: Arc<CatchUp>,
    pub(crate) guard: Arc<Guard>,
    pub(crate) journal: Arc<StoredJournal>,
    pub(crate) lookout: Arc<Lookout>,
    pub(crate) news: Arc<News>,
    pub(crate) replica: String,
    pub(crate) standing: Arc<Standing>,
    pub(crate) clock: Arc<dyn Clock>,
    /// The revision of the configuration that is in force here; 0 before one was looked at.
    pub(crate) held: i64,
    config: Arc<Current<DeploymentConfig>>,
    /// What stood behind the keys that only a start takes up.
    fixed: Vec<(&'static str, Option<Secret>)>,
}

/// What works in the background, as the configuration in force wants it.
pub(crate) struct Arrangement {
    pub(crate) desk: Desk,
    pub(crate) gate: Arc<Gate>,
    pub(crate) courier: Arc<Courier>,
    pub(crate) rules: Rules,
    pub(crate) retention: Retention,
    pub(crate) bounds: Thresholds,
}

/// Something that is replaced as a whole.
pub(crate) struct Current<T>(RwLock<Arc<T>>);

impl<T> Current<T> {
    pub(crate) fn new(first: T) -> Self {
        Self(RwLock::new(Arc::new(first)))
    }

    pub(crate) fn now(&self) -> Arc<T> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn replace(&self, next: T) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(next);
    }
}

/// What is shared and fast.
#[derive(Clone)]
pub struct State {
    /// Windows and breakers.
    pub shared: Arc<dyn SharedState>,
    /// The same where it is in this process alone, to be kept over a restart.
    pub own: Option<Arc<MemoryState>>,
}

/// Sets up the state that the configuration names; connects to nobody yet.
pub fn open_state(config: &DeploymentConfig, world: &World) -> Result<State, WiringError> {
    match &config.state {
        StateUrl::Memory => {
            let own = Arc::new(MemoryState::new(Arc::clone(&world.clock)));
            Ok(State { shared: own.clone(), own: Some(own) })
        }
        StateUrl::Redis(source) => {
            let url = needed(source, "state.url", "an address such as redis://127.0.0.1:6379")?;
            // TLS of the client needs to know whose cryptography it uses; a second start keeps the first.
            let _ = rustls::crypto::ring::default_provider().install_default();
            let state = RedisState::open(url.expose(), RedisClock::Redis, Arc::clone(&world.clock), config.state_within)?;
            Ok(State { shared: Arc::new(state), own: None })
        }
    }
}

/// A secret without which there is no start.
fn needed(source: &SecretSource, key: &str, expected: &str) -> Result<Secret, WiringError> {
    match source.resolve(key, &system::env, &system::read)? {
        Resolved::Value(secret) => Ok(secret),
        Resolved::Unset { warning } => Err(problem(key, warning, expected).into()),
    }
}

impl House {
    /// Takes up what others changed now instead of within the second.
    pub async fn refresh(&self) -> Result<(), StoreError> {
        self.news.take_up().await
    }

    /// Writes down now what waits to be.
    pub async fn write_down(&self) -> Result<(), StoreError> {
        self.journal.write().await
    }

    /// Lets go now of what is kept for a time only; returns how many rows were touched.
    pub async fn forget(&self) -> Result<u64, StoreError> {
        self.store.forget_old(&self.arrangement.now().retention, self.desk.now()).await
    }

    /// Closes now the calls that nobody ended; returns how many.
    pub async fn close_abandoned(&self) -> Result<u64, StoreError> {
        tasks::close_abandoned(&self.store, &self.desk).await
    }

    /// Works on what calendars left open now; returns how many intents were taken on.
    pub async fn settle(&self) -> Result<usize, StoreError> {
        let round = self.desk.settle_due().await?;
        crate::tasks::tell(&round);
        round.trouble.map_or(Ok(round.taken), Err)
    }

    /// Asks calendars now what changed, those whose turn it is; returns how many answered.
    pub async fn catch_up(&self) -> Result<usize, StoreError> {
        self.catch_up.round().await
    }

    /// Files what was counted and looks now whether something fires or is over; returns what does.
    pub async fn look_out(&self) -> Result<Vec<Alert>, StoreError> {
        self.lookout.round().await
    }

    /// Works on the outbox now, one round; returns how many rows were worked on.
    pub async fn deliver(&self) -> Result<usize, StoreError> {
        self.arrangement.now().courier.round().await
    }
}

pub(crate) fn problem(key: &str, found: String, expected: &str) -> Problem {
    let file = "frontdesk.toml".to_owned();
    Problem { file, line: None, path: key.to_owned(), found, expected: expected.to_owned() }
}

/// What sends mail, if the configuration says how.
pub(crate) fn open_mail(config: &DeploymentConfig) -> Result<Option<Mail>, Problem> {
    let Some(smtp) = &config.smtp else { return Ok(None) };
    let url = match smtp.url.resolve("smtp.url", &system::env, &system::read)? {
        Resolved::Value(url) => url,
        Resolved::Unset { warning } => {
            tracing::warn!(warning, "no mail is sent");
            return Ok(None);
        }
    };
    Mail::open(&url, smtp.from.as_ref()).map(Some).map_err(|error| problem("smtp", smtp.url.to_string(), &error.to_string()))
}

fn open_webhook(config: &DeploymentConfig, store: &Store) -> Result<Webhook, WiringError> {
    let targets = Targets::new(&config.private_targets);
    Webhook::open(store.clone(), targets).map_err(|error| WiringError::Webhook(error.to_string()))
}

/// The keys of administrators that are set.
fn admin_keys(config: &DeploymentConfig) -> Result<Vec<AdminKey>, Problem> {
    let mut keys = Vec::new();
    for (name, source) in config.server.administrators() {
        match source.resolve("server.admin_key", &system::env, &system::read)? {
            Resolved::Value(key) => keys.push(AdminKey { name: name.to_owned(), key }),
            Resolved::Unset { warning } => tracing::warn!(warning, "an admin key is not set"),
        }
    }
    if keys.is_empty() {
        tracing::warn!("no admin key is set: the admin surface is off");
    }
    Ok(keys)
}

fn settings(config: &DeploymentConfig, admin_keys: Vec<AdminKey>) -> Settings {
    Settings {
        public_url: config.server.public_url.clone(),
        trusts: trusts(config),
        slow_after: config.live.alerts.response_time,
        admin_keys,
        version: env!("CARGO_PKG_VERSION"),
        build: option_env!("FRONTDESK_BUILD").unwrap_or("unknown"),
    }
}

fn guard_rules(config: &DeploymentConfig) -> GuardRules {
    let breaker = &config.live.circuit_breaker;
    GuardRules { breaker: breaker.rules(), slow_call: breaker.slow_call, budget: config.live.rate_limit.calendar }
}

fn budgets(config: &DeploymentConfig) -> Budgets {
    let deadlines = &config.live.deadlines;
    Budgets { inbound: deadlines.inbound, check: deadlines.check, write: deadlines.write }
}

/// Where the store is that the configuration names.
pub fn place_of_store(config: &DeploymentConfig) -> Result<Place, WiringError> {
    let expected = "an address such as postgres://ROLE:PASSWORD@HOST/DATABASE";
    Ok(match &config.store {
        StoreUrl::Sqlite(file) => Place::File(file.clone()),
        StoreUrl::Postgres { url, migrate_url } => Place::Server {
            url: needed(url, "store.url", expected)?,
            migrate_url: migrate_url.as_ref().map(|owner| needed(owner, "store.migrate_url", expected)).transpose()?,
        },
    })
}

/// Opens the store that the configuration names, with its master key. The key is made on first use,
/// unless the store holds secrets already.
pub async fn open_store(config: &DeploymentConfig, world: &World) -> Result<Store, WiringError> {
    let place = place_of_store(config)?;
    let master_key = Arc::new(master_key(config, &place, world).await?);
    let settings = StoreSettings { place, master_key: Some(master_key), dice: Arc::clone(&world.dice) };
    let store_error = store_error_of(config);
    let store = Store::open(settings).await.map_err(store_error)?;
    store.check_master_key().await.map_err(store_error)?;
    Ok(store)
}

/// The master key, if there is one; none is made.
pub fn master_key_that_is_there(config: &DeploymentConfig) -> Result<Option<Arc<MasterKey>>, WiringError> {
    match &config.master_key {
        SecretSource::File(path) if !path.exists() => Ok(None),
        source => {
            let key = needed(source, "secrets.master_key", "64 hexadecimal digits")?;
            Ok(Some(Arc::new(MasterKey::from_hex(key.expose())?)))
        }
    }
}

async fn master_key(config: &DeploymentConfig, place: &Place, world: &World) -> Result<MasterKey, WiringError> {
    let source = &config.master_key;
    if let SecretSource::File(path) = source
        && !path.exists()
    {
        let store_error = store_error_of(config);
        if place.is_there().await.map_err(store_error)? {
            // As it is: whether it may be brought forward is not known yet. One without tables holds no secrets.
            let settings = StoreSettings { place: place.clone(), master_key: None, dice: Arc::clone(&world.dice) };
            let looked = Store::look(settings).await.map_err(store_error)?;
            let sealed = match looked.holds_secrets().await {
                Err(StoreError::Broken(_)) => false,
                sealed => sealed.map_err(store_error)?,
            };
            looked.close().await;
            if sealed {
                return Err(VaultError::OtherKey.into());
            }
        }
        return Ok(MasterKey::create(path, &*world.dice)?);
    }
    Ok(MasterKey::from_hex(needed(source, "secrets.master_key", "64 hexadecimal digits")?.expose())?)
}

/// Puts the house together.
pub async fn build(config: &DeploymentConfig, world: &World) -> Result<House, WiringError> {
    // What of the configuration cannot be used is found before the store is opened, and with it brought forward: a
    // start that is refused leaves it to the release before.
    let state = open_state(config, world)?;
    let (mail, admin_keys, fixed) = (open_mail(config)?, admin_keys(config)?, secrets_of_the_start(config)?);
    let place_of_store = place_of_store(config)?;
    let store = open_store(config, world).await?;
    state.shared.tend().await;
    if state.shared.is_away() {
        tracing::error!(
            channel = "gateway",
            critical = true,
            "the shared state does not answer: limits and breakers are this replica's own"
        );
    }
    let switches = Arc::new(Switches::new(config.live.protections.modes()));
    let redactor = Arc::new(Redactor::new(&store.derived_key("pseudonyms in logs").map_err(store_error_of(config))?));
    telemetry::follow(Arc::clone(&redactor), Arc::clone(&world.clock), Arc::clone(&switches));
    let (shared_state, rules) = (Arc::clone(&state.shared), guard_rules(config));
    let guard = Arc::new(Guard::new(shared_state, Arc::clone(&switches), Arc::clone(&world.clock), rules));
    let journal = Arc::new(StoredJournal::new(store.clone(), Arc::clone(&redactor)));
    let calendars = frontdesk_calendar::open(
        Arc::clone(&world.clock),
        Arc::clone(&switches),
        Arc::clone(&guard),
        journal.clone(),
        reach(config),
    )
    .map_err(|error| WiringError::Calendar(error.to_string()))?;
    let place = config.store.to_string();
    let tenants = Tenants::open(store.clone(), Arc::clone(&calendars), Arc::clone(&world.clock))
        .await
        .map_err(|source| WiringError::Store { place, source })?;
    let tenants = Arc::new(tenants);
    let store_error = store_error_of(config);
    if let Some(own) = &state.own {
        own.take_over(store.kept_windows().await.map_err(store_error)?);
    }
    let replica = random_text(&*world.dice);
    let news = News::open(news::Parts {
        store: store.clone(),
        tenants: tenants.clone(),
        switches: Arc::clone(&switches),
        state: Arc::clone(&state.shared),
        clock: Arc::clone(&world.clock),
        replica: replica.clone(),
    })
    .await
    .map_err(store_error)?;
    let gate = Arc::new(Gate::new(
        Arc::clone(&state.shared),
        Arc::clone(&switches),
        Arc::clone(&world.clock),
        config.live.rate_limit.limits(),
    ));
    let rules = config.live.circuit_breaker.rules();
    let accounts: Arc<dyn Accounts> = calendars.clone();
    let calendar: Arc<dyn Calendar> = calendars;
    let shared = Arc::new(Metered::new(store.clone()));
    let desk = Desk::new(Parts {
        clock: Arc::clone(&world.clock),
        dice: Arc::clone(&world.dice),
        calendar,
        diary: shared.clone(),
        calls: shared.clone(),
        callbacks: shared.clone(),
        directory: tenants.clone(),
        gate: Arc::clone(&gate),
        switches: Arc::clone(&switches),
        budgets: budgets(config),
    });
    if mail.is_none() {
        for tenant in Recognition::tenants(&*tenants).iter().filter(|tenant| !tenant.notify.email.is_empty()) {
            tracing::warn!(tenant = tenant.slug.as_str(), "{}", courier::WITHOUT_MAIL);
        }
    }
    let courier = Arc::new(Courier::new(courier::Parts {
        outbox: Arc::new(store.clone()),
        diary: Arc::new(store.clone()),
        callbacks: Arc::new(store.clone()),
        directory: tenants.clone(),
        clock: Arc::clone(&world.clock),
        dice: Arc::clone(&world.dice),
        webhook: open_webhook(config, &store)?,
        receivers: Receivers::of(config, mail.is_some())?,
        mail,
    }));
    let standing = Arc::new(Standing::default());
    let catch_up = Arc::new(CatchUp {
        polls: Arc::new(store.clone()),
        desk: desk.clone(),
        tenants: tenants.clone(),
        clock: Arc::clone(&world.clock),
        dice: Arc::clone(&world.dice),
        standing: Arc::clone(&standing),
        every: config.calendar.poll_every,
    });
    let settings = settings(config, admin_keys);
    let in_force = Arc::new(Current::new(config.clone()));
    let edge = Edge::new(EdgeParts {
        desk: desk.clone(),
        recognition: tenants.clone(),
        calls: shared.clone(),
        callbacks: shared.clone(),
        diary: shared.clone(),
        claims: shared,
        outbox: Arc::new(store.clone()),
        health: Arc::new(HouseHealth {
            config: Arc::clone(&in_force),
            place: place_of_store,
            store: store.clone(),
            state: Arc::clone(&state.shared),
            accounts,
            tenants: tenants.clone(),
            standing: Arc::clone(&standing),
            clock: Arc::clone(&world.clock),
            last: Mutex::default(),
            looking: Default::default(),
            lately: Arc::default(),
        }),
        operations: Arc::new(HouseOperations {
            store: store.clone(),
            state: Arc::clone(&state.shared),
            clock: Arc::clone(&world.clock),
            rules,
        }),
        redactor,
        gate: Arc::clone(&gate),
        switches: Arc::clone(&switches),
        clock: Arc::clone(&world.clock),
        dice: Arc::clone(&world.dice),
        spans: spans::open(&config.telemetry)?,
        settings,
    });
    let (retention, bounds) = (retention(config), bounds(config));
    let arrangement = Arc::new(Current::new(Arrangement { desk: desk.clone(), gate, courier, rules, retention, bounds }));
    let lookout = Arc::new(Lookout {
        store: store.clone(),
        state: Arc::clone(&state.shared),
        tenants,
        clock: Arc::clone(&world.clock),
        arrangement: Arc::clone(&arrangement),
        gateway: replica.clone(),
        edge: edge.clone(),
        guard: Arc::clone(&guard),
        memory: Default::default(),
        filed: Default::default(),
    });
    Ok(House {
        store,
        desk,
        edge,
        state,
        switches,
        arrangement,
        lookout,
        catch_up,
        guard,
        journal,
        news: Arc::new(news),
        replica,
        standing,
        clock: Arc::clone(&world.clock),
        held: 0,
        config: in_force,
        fixed,
    })
}

/// Where calendars may be: public addresses and the networks that the deployment names; on somebody's own machine
/// that machine as well.
pub(crate) fn reach(config: &DeploymentConfig) -> Reach {
    let mut private = config.calendar.private_targets.clone();
    if config.server.is_local() {
        private.extend(["127.0.0.0/8", "::1"].into_iter().filter_map(Network::parse));
    }
    let targets = Targets::new(&private);
    Reach::new(move |address| targets.allows(address))
}

fn retention(config: &DeploymentConfig) -> Retention {
    let span = |span: std::time::Duration| SignedDuration::try_from(span).unwrap_or(SignedDuration::MAX);
    let kept = &config.retention;
    Retention {
        calls: span(kept.calls),
        appointments: span(kept.appointments),
        callbacks: span(kept.callbacks),
        exchanges: span(kept.exchanges),
    }
}

fn store_error_of(config: &DeploymentConfig) -> impl Fn(StoreError) -> WiringError + Copy + use<'_> {
    move |source| WiringError::Store { place: config.store.to_string(), source }
}

fn trusts(config: &DeploymentConfig) -> Trusts {
    let proxies = config.server.trusted_proxies.clone();
    Trusts::new(move |address| proxies.iter().any(|network| network.contains(address)))
}
