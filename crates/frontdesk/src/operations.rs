//! What operators see and do, over the store and the shared state; and what each gateway tells of itself.

use std::sync::Arc;

use crate::activation::contents;
use async_trait::async_trait;
use frontdesk_core::alert::{Alert, Silence};
use frontdesk_core::breaker::Rules;
use frontdesk_core::clock::Clock;
use frontdesk_core::ids::{CallId, TenantId};
use frontdesk_core::limits::Gate;
use frontdesk_core::ports::{Exchange, Heard, PollRow, Polls as _, StoreError};
use frontdesk_core::protection::Switch;
use frontdesk_core::shared::{BreakerRow, BucketRow, SharedState};
use frontdesk_core::tenant::Scope;
use frontdesk_http::{Done, Operations};
use frontdesk_store::{AuditRow, Command, Store};
use serde_json::{Value, json};

/// How a gateway's description of itself is filed.
pub(crate) const SNAPSHOT: &str = "protections";
/// How what a gateway's process uses is filed.
pub(crate) const PROCESS: &str = "process";
/// At most so many buckets are described.
const BUCKETS_SHOWN: usize = 50;

/// The operator's side of a house.
pub(crate) struct HouseOperations {
    pub(crate) store: Store,
    pub(crate) state: Arc<dyn SharedState>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) rules: Rules,
}

#[async_trait]
impl Operations for HouseOperations {
    async fn features(&self) -> Result<Vec<Switch>, StoreError> {
        self.store.features().await
    }

    async fn set_feature(&self, switch: &Switch, who: &str, why: Option<&str>) -> Result<(), StoreError> {
        self.store.set_feature(switch, who, why, self.clock.now()).await.map(|_| ())
    }

    async fn breakers(&self) -> Vec<BreakerRow> {
        self.state.breakers(&self.rules).await
    }

    async fn reset_breaker(&self, account: Option<&str>, who: &str) -> Result<(), StoreError> {
        let command = Command::ResetBreaker(account.unwrap_or_default().to_owned());
        self.store.command(&command, who, self.clock.now()).await
    }

    async fn buckets(&self, most: usize) -> Vec<BucketRow> {
        of_callers(self.state.buckets(most).await)
    }

    async fn reset_bucket(&self, key: &str, who: &str) -> Result<(), StoreError> {
        self.store.command(&Command::ResetLimit(key.to_owned()), who, self.clock.now()).await
    }

    async fn exchanges(&self, scope: Scope<'_>, request: &str) -> Result<Vec<Exchange>, StoreError> {
        self.store.exchanges(scope, request).await
    }

    async fn call_events(&self, scope: Scope<'_>, call: &CallId) -> Result<Vec<Heard>, StoreError> {
        self.store.call_events(scope, call).await
    }

    async fn audit(&self, most: u32) -> Result<Vec<Done>, StoreError> {
        Ok(self.store.audit(most).await?.into_iter().map(done).collect())
    }

    async fn revisions(&self, most: u32) -> Result<Vec<Value>, StoreError> {
        Ok(self.store.revisions(most).await?.iter().map(contents::row).collect())
    }

    async fn polls(&self) -> Vec<PollRow> {
        self.store.polls().await.unwrap_or_default()
    }

    async fn alerts(&self) -> Result<(Vec<Alert>, Vec<Silence>), StoreError> {
        Ok((self.store.alerts().await?, self.store.silences(self.clock.now()).await?))
    }

    fn shared_state(&self) -> (bool, u64) {
        (self.state.is_away(), self.state.decided_alone())
    }

    fn resident_bytes(&self) -> u64 {
        resident_bytes()
    }

    fn log_lines_lost(&self) -> u64 {
        crate::telemetry::outlet::lost()
    }
}

fn done(row: AuditRow) -> Done {
    let AuditRow { at, who, what, tenant, was, now, until, why } = row;
    Done { at, who, what, tenant, was, now, until, why }
}

/// Memory of this process, out of `/proc/self/statm`: its second number, in pages of 4 KiB.
pub(crate) fn resident_bytes() -> u64 {
    let pages = std::fs::read_to_string("/proc/self/statm").ok();
    pages.and_then(|text| text.split_whitespace().nth(1)?.parse::<u64>().ok()).map_or(0, |pages| pages * 4096)
}

/// Does what an operator asked every gateway to do.
pub(crate) async fn obey(state: &dyn SharedState, command: &Command) {
    match command {
        Command::ResetBreaker(account) => {
            let account = Some(account.as_str()).filter(|account| !account.is_empty());
            let closed = state.close(account).await;
            tracing::warn!(channel = "calcom", account, closed, "Circuit breaker CLOSED by an operator");
        }
        Command::ResetLimit(key) => {
            let was_there = state.empty(key).await;
            tracing::warn!(channel = "gateway", key, was_there, "a limit was reset by an operator");
        }
    }
}

/// Without those of synthetic calls.
fn of_callers(mut rows: Vec<BucketRow>) -> Vec<BucketRow> {
    let synthetic = format!("rate_limit:{}:", TenantId::CANARY);
    rows.retain(|row| !row.key.starts_with(&synthetic));
    rows
}

/// What a gateway tells operators who ask the store.
pub(crate) async fn describe(state: &dyn SharedState, gate: &Gate, rules: &Rules) -> Value {
    let offenders = gate.offenders();
    let buckets: Vec<Value> = of_callers(state.buckets(BUCKETS_SHOWN).await)
        .into_iter()
        .map(|row| json!({ "key": row.key, "used": row.used }))
        .collect();
    let refused: Vec<Value> = offenders
        .iter()
        .take(BUCKETS_SHOWN)
        .map(|it| json!({ "key": it.key, "refusals_1h": it.refusals, "abuse": it.is_abuse }))
        .collect();
    let breakers: Vec<Value> = state
        .breakers(rules)
        .await
        .into_iter()
        .map(|row| {
            json!({
                "account": row.account,
                "state": row.state.as_str(),
                "failures": row.failures,
                "successes": row.successes,
                "open_for_s": row.open_for.map(|micros| micros / 1_000_000),
            })
        })
        .collect();
    json!({
        "buckets": buckets,
        "refused": refused,
        "breakers": breakers,
        "shared_state_away": state.is_away(),
        "decided_alone": state.decided_alone(),
    })
}

/// What this process uses.
pub(crate) fn describe_process() -> Value {
    let (open_files, most) = crate::health::open_files().unwrap_or_default();
    json!({
        "resident_bytes": resident_bytes(),
        "open_files": open_files,
        "open_files_most": most,
        "version": env!("CARGO_PKG_VERSION"),
    })
}
