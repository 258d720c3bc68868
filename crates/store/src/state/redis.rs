//! Windows and breakers over all replicas, each decision one atomic script on Redis' own clock.
//!
//! With Redis away every replica goes on with windows of its own, in which it has counted what it admitted
//! all along. Requests do not wait for Redis to come back: [`SharedState::tend`] looks, and tells Redis what
//! was admitted meanwhile before anything is asked of it again.

use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use frontdesk_core::breaker::{Ending, FEWEST_SAMPLES, Pass, Rules, SAMPLES, State};
use frontdesk_core::clock::Clock;
use frontdesk_core::shared::{BreakerRow, Bucket, BucketRow, Decision, MemoryState, SharedState, fullest};
use frontdesk_core::window::Standing;
use redis::aio::MultiplexedConnection;
use redis::sentinel::{SentinelClient, SentinelServerType};
use redis::{AsyncConnectionConfig, Client, RedisError, RedisResult, Script, ScriptInvocation};

const CONNECT_WITHIN: Duration = Duration::from_millis(500);
/// Where every breaker's keys begin; the old gateway's runbook reads them.
const BREAKERS: &str = "circuit_breaker:calcom_api";

/// The address cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("the address of the shared state cannot be used")]
pub struct OpenError(#[from] RedisError);

/// Whose clock the windows go by.
pub enum RedisClock {
    /// Redis' own: one clock for all replicas.
    Redis,
    /// Another one, for tests that cannot wait.
    Given(Arc<dyn Clock>),
}

/// Windows and breakers on Redis or Valkey.
pub struct RedisState {
    server: Server,
    clock: RedisClock,
    /// Longer than this no request waits for a decision.
    answer_within: Duration,
    link: Mutex<Option<MultiplexedConnection>>,
    /// What this process decides by while Redis is away.
    own: MemoryState,
    away: AtomicBool,
    /// When it went away, on this process's clock, microseconds.
    away_since: AtomicI64,
    alone: AtomicU64,
    scripts: Scripts,
}

enum Server {
    Standalone(Client),
    Sentinel(tokio::sync::Mutex<SentinelClient>),
}

struct Scripts {
    admit: Script,
    merge: Script,
    breaker: Script,
}

type BreakerAnswer = (String, String, i64, i64, i64);

// === impl RedisState ===

impl RedisState {
    /// Takes the address; connects at the first [`SharedState::tend`]. `redis://`, `rediss://`, or
    /// `redis+sentinel://host:port,host:port/service`. No request waits longer than `answer_within` for a decision.
    ///
    /// # Errors
    /// When the address cannot be read.
    pub fn open(url: &str, clock: RedisClock, own_clock: Arc<dyn Clock>, answer_within: Duration) -> Result<Self, OpenError> {
        let server = match url.strip_prefix("redis+sentinel://") {
            None => Server::Standalone(Client::open(url)?),
            Some(rest) => {
                let (hosts, service) = rest.split_once('/').unwrap_or((rest, "mymaster"));
                let nodes = hosts.split(',').map(|host| format!("redis://{host}")).collect();
                let client = SentinelClient::build(nodes, service, None, SentinelServerType::Master)?;
                Server::Sentinel(tokio::sync::Mutex::new(client))
            }
        };
        let scripts = Scripts {
            admit: Script::new(include_str!("admit.lua")),
            merge: Script::new(include_str!("merge.lua")),
            breaker: Script::new(include_str!("breaker.lua")),
        };
        let own = MemoryState::new(own_clock);
        let away_since = AtomicI64::new(own.now());
        let (link, away, alone) = (Mutex::default(), AtomicBool::new(true), AtomicU64::new(0));
        Ok(Self { server, clock, answer_within, link, own, away, away_since, alone, scripts })
    }

    fn link(&self) -> Option<MultiplexedConnection> {
        self.link.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn now_argument(&self) -> String {
        match &self.clock {
            RedisClock::Redis => String::new(),
            RedisClock::Given(clock) => clock.now().as_microsecond().to_string(),
        }
    }

    /// Runs a script, or notes that Redis is away.
    async fn run<T: redis::FromRedisValue>(&self, invocation: &ScriptInvocation<'_>) -> Option<T> {
        let mut link = self.link()?;
        match tokio::time::timeout(self.answer_within, invocation.invoke_async(&mut link)).await {
            Ok(Ok(answer)) => Some(answer),
            Ok(Err(error)) => {
                self.lost(error.category());
                None
            }
            Err(_) => {
                self.lost("no answer in time");
                None
            }
        }
    }

    fn lost(&self, why: &str) {
        // The connection is given up: what it still brings belongs to nobody.
        *self.link.lock().unwrap_or_else(PoisonError::into_inner) = None;
        if !self.away.swap(true, Ordering::AcqRel) {
            self.away_since.store(self.own.now(), Ordering::Release);
            tracing::error!(
                channel = "gateway",
                critical = true,
                why,
                "the shared state is away: limits and breakers are this replica's own until it is back"
            );
        }
    }

    async fn connect(&self) -> RedisResult<MultiplexedConnection> {
        let config = AsyncConnectionConfig::new()
            .set_response_timeout(Some(self.answer_within))
            .set_connection_timeout(Some(CONNECT_WITHIN));
        match &self.server {
            Server::Standalone(client) => client.get_multiplexed_async_connection_with_config(&config).await,
            Server::Sentinel(client) => client.lock().await.get_async_connection_with_config(&config).await,
        }
    }

    /// Connects, proves that writing works, and hands over what was admitted here meanwhile.
    async fn come_back(&self) -> RedisResult<()> {
        let mut link = self.connect().await?;
        let _: () = redis::cmd("SET").arg("frontdesk:probe").arg("1").arg("PX").arg(1000).query_async(&mut link).await?;
        for script in [&self.scripts.admit, &self.scripts.merge, &self.scripts.breaker] {
            script.load_async(&mut link).await?;
        }
        let away_for = self.own.now() - self.away_since.load(Ordering::Acquire);
        for (key, span, ages) in self.own.since(away_for) {
            let mut merge = self.scripts.merge.prepare_invoke();
            merge.key(key).arg(self.now_argument()).arg(span);
            for age in ages {
                merge.arg(age);
            }
            let _: i64 = merge.invoke_async(&mut link).await?;
        }
        *self.link.lock().unwrap_or_else(PoisonError::into_inner) = Some(link);
        if self.away.swap(false, Ordering::AcqRel) {
            tracing::info!(channel = "gateway", away_ms = away_for / 1000, "the shared state answers");
        }
        Ok(())
    }

    fn breaker(&self, act: &str, account: &str, rules: &Rules) -> ScriptInvocation<'_> {
        let mut script = self.scripts.breaker.prepare_invoke();
        for name in ["state", "failures", "successes", "opened_at", "trials", "samples"] {
            script.key(format!("{BREAKERS}:{account}:{name}"));
        }
        script.key(format!("{BREAKERS}:accounts")).key(format!("{BREAKERS}:state"));
        script.arg(self.now_argument()).arg(act).arg(account);
        for number in [
            i64::from(rules.failure_threshold),
            rules.recovery,
            i64::from(rules.success_threshold),
            i64::from(rules.trials),
            rules.trial_lease,
            i64::from(rules.bad_percent),
        ] {
            script.arg(number);
        }
        script.arg(SAMPLES).arg(FEWEST_SAMPLES);
        script
    }

    fn alone(&self) {
        self.alone.fetch_add(1, Ordering::Relaxed);
    }

    async fn accounts(&self) -> Option<Vec<String>> {
        let mut link = self.link()?;
        let keys: RedisResult<Vec<String>> = redis::cmd("HKEYS").arg(format!("{BREAKERS}:accounts")).query_async(&mut link).await;
        match keys {
            Ok(mut keys) => {
                keys.sort();
                Some(keys)
            }
            Err(error) => {
                self.lost(error.category());
                None
            }
        }
    }

    /// How full these buckets are over all replicas.
    async fn used(&self, keys: &[String]) -> Option<Vec<u32>> {
        let mut link = self.link()?;
        let mut lengths = redis::pipe();
        for key in keys {
            lengths.llen(key);
        }
        match tokio::time::timeout(self.answer_within, lengths.query_async(&mut link)).await {
            Ok(Ok(used)) => Some(used),
            Ok(Err(error)) => {
                self.lost(error.category());
                None
            }
            Err(_) => {
                self.lost("no answer in time");
                None
            }
        }
    }
}

fn word(ending: Ending) -> &'static str {
    match ending {
        Ending::Answered => "answered",
        Ending::Slow => "slow",
        Ending::Fault => "fault",
        Ending::Throttled => "throttled",
        Ending::Abandoned => "abandoned",
    }
}

fn state(word: &str) -> State {
    State::parse(word).unwrap_or_default()
}

#[async_trait]
impl SharedState for RedisState {
    async fn admit(&self, buckets: &[Bucket], consume: bool) -> Decision {
        if !self.is_away() {
            let mut script = self.scripts.admit.prepare_invoke();
            for bucket in buckets {
                script.key(&bucket.key);
            }
            script.arg(self.now_argument()).arg(i32::from(consume));
            for bucket in buckets {
                script.arg(bucket.limit).arg(bucket.span);
            }
            if let Some((admitted, rows)) = self.run::<(bool, Vec<(u32, i64, i64)>)>(&script).await {
                if admitted && consume {
                    self.own.mirror(buckets);
                }
                let standing = |(bucket, (used, resets_in, wait)): (&Bucket, (u32, i64, i64))| Standing {
                    limit: bucket.limit,
                    used,
                    resets_in,
                    wait,
                };
                return Decision { admitted, standings: buckets.iter().zip(rows).map(standing).collect(), shared: true };
            }
        }
        self.alone();
        Decision { shared: false, ..self.own.admit(buckets, consume).await }
    }

    async fn buckets(&self, most: usize) -> Vec<BucketRow> {
        // Those that this replica admitted to; walking through all of Redis is nobody's business once a second.
        let own = self.own.buckets(most).await;
        let keys: Vec<String> = own.iter().map(|row| row.key.clone()).collect();
        if keys.is_empty() {
            return own;
        }
        match self.used(&keys).await {
            Some(used) => fullest(keys.into_iter().zip(used).map(|(key, used)| BucketRow { key, used }).collect(), most),
            None => own,
        }
    }

    async fn empty(&self, key: &str) -> bool {
        let own = self.own.empty(key).await;
        let Some(mut link) = self.link() else { return own };
        let removed: RedisResult<i64> = redis::cmd("DEL").arg(key).query_async(&mut link).await;
        removed.is_ok_and(|removed| removed > 0) || own
    }

    async fn enter(&self, account: &str, rules: &Rules) -> (Pass, State) {
        if !self.is_away()
            && let Some((_, now, go, trial, wait)) =
                self.run::<(String, String, bool, bool, i64)>(&self.breaker("enter", account, rules)).await
        {
            let pass = if go { Pass::Go { trial } } else { Pass::Refused { wait } };
            return (pass, state(&now));
        }
        self.alone();
        self.own.enter(account, rules).await
    }

    async fn exit(&self, account: &str, rules: &Rules, trial: bool, ending: Ending) -> (State, State) {
        if !self.is_away() {
            let mut script = self.breaker("exit", account, rules);
            script.arg(i32::from(trial)).arg(word(ending));
            if let Some((before, now, ..)) = self.run::<BreakerAnswer>(&script).await {
                return (state(&before), state(&now));
            }
        }
        self.alone();
        self.own.exit(account, rules, trial, ending).await
    }

    async fn breakers(&self, rules: &Rules) -> Vec<BreakerRow> {
        let Some(accounts) = self.accounts().await else { return self.own.breakers(rules).await };
        let mut rows = Vec::with_capacity(accounts.len());
        for account in accounts {
            let Some((_, now, failures, successes, open_for)) =
                self.run::<BreakerAnswer>(&self.breaker("look", &account, rules)).await
            else {
                return self.own.breakers(rules).await;
            };
            let count = |number: i64| u32::try_from(number).unwrap_or(0);
            rows.push(BreakerRow {
                account,
                state: state(&now),
                failures: count(failures),
                successes: count(successes),
                open_for: (open_for >= 0).then_some(open_for),
            });
        }
        rows
    }

    async fn close(&self, account: Option<&str>) -> usize {
        let own = self.own.close(account).await;
        let Some(accounts) = self.accounts().await else { return own };
        // The rules do not matter for closing.
        let rules = Rules { failure_threshold: 1, recovery: 0, success_threshold: 1, trials: 1, trial_lease: 1, bad_percent: 0 };
        let mut closed = 0;
        for name in accounts.iter().filter(|name| account.is_none_or(|account| account == name.as_str())) {
            if let Some((before, ..)) = self.run::<BreakerAnswer>(&self.breaker("close", name, &rules)).await {
                closed += usize::from(state(&before) != State::Closed);
            }
        }
        closed
    }

    async fn tend(&self) {
        if self.is_away() {
            let came_back = tokio::time::timeout(CONNECT_WITHIN * 2, self.come_back()).await;
            if let Ok(Err(error)) = came_back {
                tracing::debug!(why = error.category(), "the shared state is still away");
            }
            return;
        }
        // One that went away while nobody asked is noticed here, and not by a caller.
        let Some(mut link) = self.link() else { return self.lost("no connection") };
        let ping = redis::cmd("PING");
        match tokio::time::timeout(self.answer_within, ping.query_async::<String>(&mut link)).await {
            Ok(Ok(_)) => {}
            Ok(Err(error)) => self.lost(error.category()),
            Err(_) => self.lost("no answer in time"),
        }
    }

    fn is_away(&self) -> bool {
        self.away.load(Ordering::Acquire)
    }

    fn decided_alone(&self) -> u64 {
        self.alone.load(Ordering::Relaxed)
    }

    async fn clock(&self) -> Option<jiff::Timestamp> {
        let mut link = self.link()?;
        let time = redis::cmd("TIME");
        let told = tokio::time::timeout(self.answer_within, time.query_async::<(i64, i64)>(&mut link)).await;
        let (seconds, micros) = told.ok()?.ok()?;
        jiff::Timestamp::from_microsecond(seconds.checked_mul(1_000_000)?.checked_add(micros)?).ok()
    }
}
