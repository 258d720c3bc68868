//! What was heard lately, for who asks whether everybody is still there.

use frontdesk_core::ports::StoreError;
use frontdesk_core::tenant::Scope;
use jiff::Timestamp;

use super::Store;
use crate::engine::args;
use crate::rows::{Reading, ms};

/// What was heard of a voice agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AgentSeen {
    /// Its id on the voice platform.
    pub agent: String,
    /// How many calls it had.
    pub calls: u64,
    /// When the newest of them began.
    pub last_call: Timestamp,
    /// When the newest event about one of them came.
    pub last_event: Option<Timestamp>,
}

impl Store {
    /// What was heard of the tenant's agents in calls that began at `since` or later.
    pub async fn agents_seen(&self, scope: Scope<'_>, since: Timestamp) -> Result<Vec<AgentSeen>, StoreError> {
        let tenant = scope.tenant().clone();
        self.engine
            .read(move |tx| {
                let rows = tx.all(
                    "SELECT calls.agent_id AS agent, COUNT(DISTINCT calls.call_id) AS calls, MAX(calls.started_at) AS last_call,
                            MAX(call_events.at) AS last_event
                     FROM calls LEFT JOIN call_events ON call_events.tenant = calls.tenant AND call_events.call_id = calls.call_id
                     WHERE calls.tenant = ? AND calls.started_at >= ? AND calls.agent_id IS NOT NULL
                     GROUP BY calls.agent_id ORDER BY calls.agent_id",
                    args![tenant.as_str(), ms(since)],
                )?;
                rows.iter()
                    .map(|row| {
                        let reading = Reading { table: "calls", row };
                        Ok(AgentSeen {
                            agent: reading.text("agent")?,
                            calls: reading.number("calls")?.unsigned_abs(),
                            last_call: reading.instant("last_call")?,
                            last_event: reading.instant_or_none("last_event")?,
                        })
                    })
                    .collect()
            })
            .await
    }
}
