//! Whose turn it is to ask a calendar for what changed, and from when on.

use async_trait::async_trait;
use frontdesk_core::ids::TenantId;
use frontdesk_core::ports::{PollEnd, PollRow, PollTurn, Polls, StoreError};
use frontdesk_core::tenant::Scope;
use jiff::{SignedDuration, Timestamp};

use super::Store;
use crate::engine::{Durability, args};
use crate::rows::{Reading, ms};

#[async_trait]
impl Polls for Store {
    async fn take_poll(
        &self,
        scope: Scope<'_>,
        first: Timestamp,
        now: Timestamp,
        lease: SignedDuration,
        furthest: SignedDuration,
    ) -> Result<Option<PollTurn>, StoreError> {
        let tenant = scope.tenant().clone();
        let (lease_until, too_far) = (now + lease, now + furthest);
        self.engine
            .write(Durability::Process, move |tx| {
                let row = tx.first(
                    "INSERT INTO calendar_polls (tenant, since_ms, lease_until, begun_ms) VALUES (?1, ?2, ?3, ?4)
                     ON CONFLICT (tenant) DO UPDATE SET lease_until = excluded.lease_until
                        WHERE calendar_polls.lease_until <= ?4 OR calendar_polls.lease_until > ?5
                     RETURNING since_ms, lease_until",
                    args![tenant.as_str(), ms(first), ms(lease_until), ms(now), ms(too_far)],
                )?;
                let Some(row) = row else { return Ok(None) };
                let reading = Reading { table: "calendar_polls", row: &row };
                Ok(Some(PollTurn { since: reading.instant("since_ms")?, lease_until: reading.instant("lease_until")? }))
            })
            .await
    }

    async fn end_poll(&self, scope: Scope<'_>, turn: &PollTurn, end: &PollEnd) -> Result<(), StoreError> {
        let (tenant, turn, end) = (scope.tenant().clone(), *turn, *end);
        self.engine
            .write(Durability::Process, move |tx| {
                tx.run(
                    "UPDATE calendar_polls SET since_ms = ?, lease_until = ?, answered_ms = COALESCE(?, answered_ms)
                     WHERE tenant = ? AND lease_until = ?",
                    args![ms(end.since), ms(end.next), end.answered.map(ms), tenant.as_str(), ms(turn.lease_until)],
                )
                .map(drop)
            })
            .await
    }

    async fn polls(&self) -> Result<Vec<PollRow>, StoreError> {
        self.engine
            .read(|tx| {
                let rows = tx.all("SELECT * FROM calendar_polls ORDER BY tenant", args![])?;
                rows.iter()
                    .map(|row| {
                        let reading = Reading { table: "calendar_polls", row };
                        Ok(PollRow {
                            tenant: TenantId::new(reading.text("tenant")?),
                            next: reading.instant("lease_until")?,
                            begun: reading.instant("begun_ms")?,
                            answered: reading.instant_or_none("answered_ms")?,
                        })
                    })
                    .collect()
            })
            .await
    }
}
