//! Idempotency keys of the REST surface.

use async_trait::async_trait;
use frontdesk_core::ports::{Claimed, Claims, StoreError};
use frontdesk_core::tenant::Scope;
use jiff::{SignedDuration, Timestamp};

use super::Store;
use crate::engine::{Durability, args};
use crate::rows::{Reading, ms};

/// How long an answer is kept.
const KEPT: SignedDuration = SignedDuration::from_hours(24);
/// A request that neither ended nor gave its key free died with its process.
const LOST: SignedDuration = SignedDuration::from_mins(2);

#[async_trait]
impl Claims for Store {
    async fn claim(&self, scope: Scope<'_>, key: &str, fingerprint: &str, now: Timestamp) -> Result<Claimed, StoreError> {
        let (tenant, key, fingerprint) = (scope.tenant().clone(), key.to_owned(), fingerprint.to_owned());
        self.engine
            .write(Durability::Power, move |tx| {
                tx.run(
                    "DELETE FROM claims WHERE claimed_at < ?1 OR (status IS NULL AND claimed_at < ?2)",
                    args![ms(now - KEPT), ms(now - LOST)],
                )?;
                let row = tx.first(
                    "SELECT fingerprint, status, body FROM claims WHERE tenant = ? AND key = ?",
                    args![tenant.as_str(), &key],
                )?;
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
                        tx.run(
                            "INSERT INTO claims (tenant, key, fingerprint, claimed_at) VALUES (?, ?, ?, ?)",
                            args![tenant.as_str(), &key, &fingerprint, ms(now)],
                        )?;
                        Claimed::First
                    }
                };
                Ok(claimed)
            })
            .await
    }

    async fn conclude(&self, scope: Scope<'_>, key: &str, answer: Option<(u16, &str)>, now: Timestamp) -> Result<(), StoreError> {
        let (tenant, key, answer) =
            (scope.tenant().clone(), key.to_owned(), answer.map(|(status, body)| (status, body.to_owned())));
        self.engine
            .write(Durability::Power, move |tx| {
                let (tenant, key) = (tenant.as_str(), key.as_str());
                match &answer {
                    Some((status, body)) => tx.run(
                        "UPDATE claims SET status = ?1, body = ?2, claimed_at = ?3 WHERE tenant = ?4 AND key = ?5",
                        args![i64::from(*status), body, ms(now), tenant, key],
                    ),
                    None => tx.run("DELETE FROM claims WHERE tenant = ? AND key = ?", args![tenant, key]),
                }
                .map(drop)
            })
            .await
    }
}
