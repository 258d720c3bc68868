//! Exchanges with calendars, as operators look them up by request.

use frontdesk_core::ids::TenantId;
use frontdesk_core::ports::{Exchange, StoreError};
use frontdesk_core::tenant::Scope;
use jiff::Timestamp;

use super::{Durability, SqliteStore};
use crate::rows::{Reading, failed, ms};

/// At most so many of one request are shown.
const MOST: i64 = 200;

impl SqliteStore {
    /// Keeps exchanges, in one transaction.
    pub async fn keep_exchanges(&self, exchanges: &[Exchange]) -> Result<(), StoreError> {
        let mut tx = self.write(Durability::Process).await?;
        for it in exchanges {
            sqlx::query(
                "INSERT INTO exchanges (tenant, request, account, method, route, status, trouble, took_ms, sent, received, at)
                 VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            )
            .bind(it.tenant.as_str())
            .bind(&it.request)
            .bind(&it.account)
            .bind(&it.method)
            .bind(&it.route)
            .bind(it.status.map(i64::from))
            .bind(&it.trouble)
            .bind(i64::try_from(it.took_ms).unwrap_or(i64::MAX))
            .bind(&it.sent)
            .bind(&it.received)
            .bind(ms(it.at))
            .execute(&mut *tx)
            .await
            .map_err(failed)?;
        }
        tx.commit().await.map_err(failed)
    }

    /// What a request said to calendars and what they answered, in order.
    pub async fn exchanges(&self, scope: Scope<'_>, request: &str) -> Result<Vec<Exchange>, StoreError> {
        let rows = sqlx::query("SELECT * FROM exchanges WHERE tenant = ? AND request = ? ORDER BY id LIMIT ?")
            .bind(scope.tenant().as_str())
            .bind(request)
            .bind(MOST)
            .fetch_all(&self.readers)
            .await
            .map_err(failed)?;
        rows.iter()
            .map(|row| {
                let reading = Reading { table: "exchanges", row };
                Ok(Exchange {
                    tenant: TenantId::new(reading.text("tenant")?),
                    request: reading.text("request")?,
                    account: reading.text("account")?,
                    method: reading.text("method")?,
                    route: reading.text("route")?,
                    status: reading.number_or_none("status")?.and_then(|status| u16::try_from(status).ok()),
                    trouble: reading.text_or_none("trouble")?,
                    took_ms: reading.number("took_ms")?.unsigned_abs(),
                    sent: reading.text("sent")?,
                    received: reading.text("received")?,
                    at: reading.instant("at")?,
                })
            })
            .collect()
    }

    /// Lets go of exchanges from before `before`; returns how many.
    pub async fn forget_exchanges(&self, before: Timestamp) -> Result<u64, StoreError> {
        let mut writer = self.writer(Durability::Process).await?;
        let gone =
            sqlx::query("DELETE FROM exchanges WHERE at < ?").bind(ms(before)).execute(&mut *writer).await.map_err(failed)?;
        Ok(gone.rows_affected())
    }
}
