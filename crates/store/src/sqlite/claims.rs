//! Idempotency keys of the REST surface.

use async_trait::async_trait;
use frontdesk_core::ports::{Claimed, Claims, StoreError};
use frontdesk_core::tenant::Scope;
use jiff::{SignedDuration, Timestamp};

use super::{Durability, SqliteStore};
use crate::rows::{Reading, failed, ms};

/// How long an answer is kept.
const KEPT: SignedDuration = SignedDuration::from_hours(24);
/// A request that neither ended nor gave its key free died with its process.
const LOST: SignedDuration = SignedDuration::from_mins(2);

#[async_trait]
impl Claims for SqliteStore {
    async fn claim(&self, scope: Scope<'_>, key: &str, fingerprint: &str, now: Timestamp) -> Result<Claimed, StoreError> {
        let mut tx = self.write(Durability::Power).await?;
        sqlx::query("DELETE FROM claims WHERE claimed_at < ?1 OR (status IS NULL AND claimed_at < ?2)")
            .bind(ms(now - KEPT))
            .bind(ms(now - LOST))
            .execute(&mut *tx)
            .await
            .map_err(failed)?;
        let row = sqlx::query("SELECT fingerprint, status, body FROM claims WHERE tenant = ? AND key = ?")
            .bind(scope.tenant().as_str())
            .bind(key)
            .fetch_optional(&mut *tx)
            .await
            .map_err(failed)?;
        let claimed = match row {
            Some(row) => {
                let reading = Reading { table: "claims", row: &row };
                if reading.text("fingerprint")? != fingerprint {
                    Claimed::Mismatch
                } else {
                    match reading.number_or_none("status")? {
                        None => Claimed::Running,
                        Some(status) => Claimed::Done {
                            status: u16::try_from(status).map_err(|_| reading.corrupt("status"))?,
                            body: reading.text("body")?,
                        },
                    }
                }
            }
            None => {
                sqlx::query("INSERT INTO claims (tenant, key, fingerprint, claimed_at) VALUES (?, ?, ?, ?)")
                    .bind(scope.tenant().as_str())
                    .bind(key)
                    .bind(fingerprint)
                    .bind(ms(now))
                    .execute(&mut *tx)
                    .await
                    .map_err(failed)?;
                Claimed::First
            }
        };
        tx.commit().await.map_err(failed)?;
        Ok(claimed)
    }

    async fn conclude(&self, scope: Scope<'_>, key: &str, answer: Option<(u16, &str)>, now: Timestamp) -> Result<(), StoreError> {
        let mut tx = self.write(Durability::Power).await?;
        let query = match answer {
            Some((status, body)) => {
                sqlx::query("UPDATE claims SET status = ?1, body = ?2, claimed_at = ?5 WHERE tenant = ?3 AND key = ?4")
                    .bind(i64::from(status))
                    .bind(body)
                    .bind(scope.tenant().as_str())
                    .bind(key)
                    .bind(ms(now))
            }
            None => sqlx::query("DELETE FROM claims WHERE tenant = ? AND key = ?").bind(scope.tenant().as_str()).bind(key),
        };
        query.execute(&mut *tx).await.map_err(failed)?;
        tx.commit().await.map_err(failed)
    }
}
