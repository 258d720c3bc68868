//! Exchanges with calendars, as operators look them up by request.

use frontdesk_core::ids::TenantId;
use frontdesk_core::ports::{Exchange, StoreError};
use frontdesk_core::tenant::Scope;
use jiff::Timestamp;

use super::Store;
use crate::engine::{Durability, args};
use crate::rows::{Reading, ms};

/// At most so many of one request are shown.
const MOST: i64 = 200;

impl Store {
    /// Keeps exchanges, in one transaction.
    pub async fn keep_exchanges(&self, exchanges: &[Exchange]) -> Result<(), StoreError> {
        let exchanges = exchanges.to_vec();
        self.engine.write(Durability::Process, move |tx| {
        for it in &exchanges {
            tx.run("INSERT INTO exchanges (tenant, request, account, method, route, status, trouble, took_ms, sent, received, at)
                 VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", args![it.tenant.as_str(), &it.request, &it.account, &it.method, &it.route, it.status.map(i64::from), &it.trouble, i64::try_from(it.took_ms).unwrap_or(i64::MAX), &it.sent, &it.received, ms(it.at)])?;
        }
        Ok(())
    }).await
    }

    /// What a request said to calendars and what they answered, in order.
    pub async fn exchanges(&self, scope: Scope<'_>, request: &str) -> Result<Vec<Exchange>, StoreError> {
        let (tenant, request) = (scope.tenant().clone(), request.to_owned());
        self.engine
            .read(move |tx| {
                let rows = tx.all(
                    "SELECT * FROM exchanges WHERE tenant = ? AND request = ? ORDER BY id LIMIT ?",
                    args![tenant.as_str(), &request, MOST],
                )?;
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
            })
            .await
    }

    /// Lets go of exchanges from before `before`; returns how many.
    pub async fn forget_exchanges(&self, before: Timestamp) -> Result<u64, StoreError> {
        self.engine.write(Durability::Process, move |tx| tx.run("DELETE FROM exchanges WHERE at < ?", args![ms(before)])).await
    }
}
