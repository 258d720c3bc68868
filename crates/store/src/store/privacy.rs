//! One caller's data within one tenant, to hand out or to erase; and what is let go when its time is over.
//!
//! What stays of a person is a keyed hash where it is needed to count, and nothing else.

use frontdesk_core::booking::IntentKind;
use frontdesk_core::call::Phone;
use frontdesk_core::ids::TenantId;
use frontdesk_core::ports::StoreError;
use frontdesk_core::tenant::Scope;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value as Json, json};

use super::Store;
use super::operations::{AuditRow, audit};
use crate::engine::{Durability, Row, Tx, Value, args};
use crate::rows::{Reading, ms, to_json as rows_json};
use crate::vault::encode_hex;

/// Whose rows a caller's are, by table: the condition takes the tenant and the number.
const OF_A_CALLER: [(&str, &str); 6] = [
    ("appointments", "SELECT * FROM appointments WHERE tenant = ?1 AND (owner = ?2 OR phone = ?2) ORDER BY start_ms"),
    ("callbacks", "SELECT * FROM callbacks WHERE tenant = ?1 AND phone = ?2 ORDER BY created_at"),
    ("calls", "SELECT * FROM calls WHERE tenant = ?1 AND from_number = ?2 ORDER BY started_at"),
    (
        "call_events",
        "SELECT * FROM call_events WHERE tenant = ?1
         AND call_id IN (SELECT call_id FROM calls WHERE tenant = ?1 AND from_number = ?2) ORDER BY at",
    ),
    (
        "call_steps",
        "SELECT * FROM call_steps WHERE tenant = ?1
         AND call_id IN (SELECT call_id FROM calls WHERE tenant = ?1 AND from_number = ?2) ORDER BY id",
    ),
    (
        "appointment_history",
        "SELECT * FROM appointment_history WHERE tenant = ?1
         AND appointment IN (SELECT id FROM appointments WHERE tenant = ?1 AND (owner = ?2 OR phone = ?2)) ORDER BY id",
    ),
];

/// What an erasure did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Erased {
    /// Appointments that name nobody any more.
    pub appointments: u64,
    /// Work items that are gone.
    pub callbacks: u64,
    /// Calls that have no number any more.
    pub calls: u64,
    /// Appointments that are still to come, and were kept: cancel them first.
    pub upcoming: u64,
}

/// For how long what is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// Numbers, memory and timelines of calls.
    pub calls: SignedDuration,
    /// Who an appointment was for, after its end.
    pub appointments: SignedDuration,
    /// Work items that are closed.
    pub callbacks: SignedDuration,
    /// Exchanges with calendars.
    pub exchanges: SignedDuration,
}

impl Store {
    /// Everything that is kept of a caller, by table.
    pub async fn export_caller(&self, scope: Scope<'_>, phone: &Phone) -> Result<Json, StoreError> {
        let (tenant, phone) = (scope.tenant().clone(), phone.clone());
        self.engine.settled().await?;
        self.engine
            .read(move |tx| {
                let mut tables = Map::new();
                for (table, sql) in OF_A_CALLER {
                    let rows = tx.all(sql, args![tenant.as_str(), phone.e164()])?;
                    tables.insert(table.to_owned(), rows.iter().map(to_json).collect());
                }
                Ok(json!({ "tenant": tenant, "phone": phone.e164(), "data": tables }))
            })
            .await
    }

    /// Takes a caller out of everything, in one transaction, and writes down that it was done, without the
    /// number. Appointments that are still to come keep their customer: somebody is going to serve them.
    pub async fn erase_caller(&self, scope: Scope<'_>, phone: &Phone, who: &str, now: Timestamp) -> Result<Erased, StoreError> {
        let (tenant, phone, who) = (scope.tenant().clone(), phone.clone(), who.to_owned());
        let pseudonym = self.pseudonym(&tenant, &phone)?;
        self.engine.settled().await?;
        self.engine.write(Durability::Power, move |tx| erase(tx, &tenant, phone.e164(), &pseudonym, &who, now)).await
    }

    /// Lets go of everything whose time is over, in all tenants; returns how many rows were touched.
    pub async fn forget_old(&self, retention: &Retention, now: Timestamp) -> Result<u64, StoreError> {
        let Retention { calls, appointments, callbacks, exchanges } = *retention;
        let mut touched = self.forget_exchanges(now - exchanges).await?;
        touched += self.forget_numbers(now - calls).await?;
        touched += self
            .engine
            .write(Durability::Process, move |tx| {
                let (calls, appointments, callbacks) = (ms(now - calls), ms(now - appointments), ms(now - callbacks));
                // Who withheld the number may have said a name.
                let mut touched =
                    tx.run("UPDATE calls SET memory = '{}' WHERE started_at < ? AND memory <> '{}'", args![calls])?;
                touched += tx.run("DELETE FROM call_steps WHERE at < ?", args![calls])?;
                touched += tx.run("DELETE FROM call_events WHERE at < ?", args![calls])?;
                touched += tx.run("DELETE FROM calendar_events WHERE at < ?", args![calls])?;
                // As long as anything of the booking is kept, older news of it has to be known as such.
                touched += tx.run("DELETE FROM calendar_marks WHERE told_ms < ?", args![appointments.min(calls)])?;
                touched += tx.run(
                    "UPDATE appointments SET name = '', email = NULL, phone = NULL, owner = NULL, notes = NULL
                     WHERE end_ms < ? AND (name <> '' OR owner IS NOT NULL OR email IS NOT NULL OR phone IS NOT NULL
                                           OR notes IS NOT NULL)",
                    args![appointments],
                )?;
                touched += tx.run(
                    "DELETE FROM callbacks WHERE updated_at < ? AND state IN ('completed', 'resolved', 'cancelled')",
                    args![callbacks],
                )?;
                Ok(touched)
            })
            .await?;
        Ok(touched)
    }

    /// Turns the numbers of calls from before `before` into keyed hashes, some at a time.
    async fn forget_numbers(&self, before: Timestamp) -> Result<u64, StoreError> {
        let mut touched = 0;
        loop {
            let known = self
                .engine
                .read(move |tx| {
                    tx.all(
                        "SELECT DISTINCT tenant, from_number FROM calls WHERE started_at < ? AND from_number LIKE '+%' LIMIT 200",
                        args![ms(before)],
                    )
                })
                .await?;
            if known.is_empty() {
                return Ok(touched);
            }
            let mut renamed = Vec::with_capacity(known.len());
            for row in &known {
                if let [Value::Text(tenant), Value::Text(number)] = row.values.as_slice() {
                    let pseudonym = self.pseudonym_of(&TenantId::new(tenant), number)?;
                    renamed.push((tenant.clone(), number.clone(), pseudonym));
                }
            }
            touched += self
                .engine
                .write(Durability::Process, move |tx| {
                    let mut touched = 0;
                    for (tenant, number, pseudonym) in &renamed {
                        touched += tx.run(
                            "UPDATE calls SET from_number = ?, memory = '{}'
                             WHERE tenant = ? AND from_number = ? AND started_at < ?",
                            args![pseudonym, tenant, number, ms(before)],
                        )?;
                    }
                    Ok(touched)
                })
                .await?;
        }
    }

    /// What a number is called once it may not be known any more: the same within a tenant, and nowhere else.
    fn pseudonym(&self, tenant: &TenantId, phone: &Phone) -> Result<String, StoreError> {
        self.pseudonym_of(tenant, phone.e164())
    }

    fn pseudonym_of(&self, tenant: &TenantId, number: &str) -> Result<String, StoreError> {
        let key = self.derived_key(&format!("callers of {tenant}"))?;
        let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, &key);
        let tag = ring::hmac::sign(&key, number.as_bytes());
        let (start, _) = tag.as_ref().split_at(12);
        Ok(format!("h:{}", encode_hex(start)))
    }
}

fn erase(
    tx: &mut Tx<'_>,
    tenant: &TenantId,
    number: &str,
    pseudonym: &str,
    who: &str,
    now: Timestamp,
) -> Result<Erased, StoreError> {
    let slug = tenant.as_str();
    let upcoming = tx.number(
        "SELECT COUNT(*) FROM appointments WHERE tenant = ?1 AND (owner = ?2 OR phone = ?2) AND end_ms > ?3
         AND state IN ('pending', 'booked', 'needs_person')",
        args![slug, number, ms(now)],
    )?;
    // Answers of the tenant's own software are kept for a day: a repeat must still be known, but names nobody.
    tx.run(
        "UPDATE claims SET body = '{\"erased\":true}' WHERE tenant = ?1 AND status IS NOT NULL
         AND (body LIKE '%' || ?2 || '%'
              OR EXISTS (SELECT 1 FROM appointments AS theirs WHERE theirs.tenant = ?1
                         AND (theirs.owner = ?2 OR theirs.phone = ?2) AND claims.body LIKE '%' || theirs.id || '%')
              OR EXISTS (SELECT 1 FROM callbacks AS theirs WHERE theirs.tenant = ?1
                         AND theirs.phone = ?2 AND claims.body LIKE '%' || theirs.id || '%'))",
        args![slug, number],
    )?;
    forget_reasons(tx, slug, number)?;
    // What is about an appointment that is still to come is somebody's work.
    let callbacks = tx.run(
        "DELETE FROM callbacks WHERE tenant = ?1
         AND (phone = ?2 OR call_id IN (SELECT call_id FROM calls WHERE tenant = ?1 AND from_number = ?2)
              OR appointment IN (SELECT id FROM appointments WHERE tenant = ?1 AND (owner = ?2 OR phone = ?2)))
         AND NOT EXISTS (SELECT 1 FROM appointments WHERE appointments.tenant = ?1 AND appointments.id = callbacks.appointment
                         AND appointments.end_ms > ?3 AND appointments.state IN ('pending', 'booked', 'needs_person'))",
        args![slug, number, ms(now)],
    )?;
    // In another call, or with a withheld number, this number may have been given.
    tx.run("UPDATE calls SET memory = '{}' WHERE tenant = ? AND memory LIKE '%' || ? || '%'", args![slug, number])?;
    tx.run(
        "DELETE FROM call_steps WHERE tenant = ?1
         AND call_id IN (SELECT call_id FROM calls WHERE tenant = ?1 AND from_number = ?2)",
        args![slug, number],
    )?;
    let calls = tx.run(
        "UPDATE calls SET from_number = ?, memory = '{}' WHERE tenant = ? AND from_number = ?",
        args![pseudonym, slug, number],
    )?;
    let appointments = tx.run(
        "UPDATE appointments SET name = '', email = NULL, phone = NULL, owner = NULL, notes = NULL
         WHERE tenant = ?1 AND (owner = ?2 OR phone = ?2)
           AND NOT (end_ms > ?3 AND state IN ('pending', 'booked', 'needs_person'))",
        args![slug, number, ms(now)],
    )?;
    let row = AuditRow {
        at: now,
        who: who.to_owned(),
        what: "privacy erase".to_owned(),
        tenant: Some(slug.to_owned()),
        was: None,
        now: Some(pseudonym.to_owned()),
        until: None,
        why: None,
    };
    audit(tx, &row)?;
    let upcoming = u64::try_from(upcoming).unwrap_or(0);
    Ok(Erased { appointments, callbacks, calls, upcoming })
}

/// The caller's own words about a change that is over; the change itself stays on record.
fn forget_reasons(tx: &mut Tx<'_>, tenant: &str, number: &str) -> Result<(), StoreError> {
    let rows = tx.all(
        "SELECT id, kind FROM intents WHERE tenant = ?1 AND state NOT IN ('open', 'watched', 'undoing')
         AND appointment IN (SELECT id FROM appointments WHERE tenant = ?1 AND (owner = ?2 OR phone = ?2))",
        args![tenant, number],
    )?;
    for row in &rows {
        let reading = Reading { table: "intents", row };
        let mut kind: IntentKind = reading.json("kind")?;
        match &mut kind {
            IntentKind::Create => continue,
            IntentKind::Move { reason, .. } | IntentKind::Cancel { reason } => reason.clear(),
        }
        let id = reading.text("id")?;
        tx.run("UPDATE intents SET kind = ? WHERE tenant = ? AND id = ?", args![rows_json(&kind)?, tenant, &id])?;
    }
    Ok(())
}

/// A row as it is, except for what is nobody's business but ours.
fn to_json(row: &Row) -> Json {
    let value = |value: &Value| match value {
        Value::Null => Json::Null,
        Value::Int(number) => json!(number),
        Value::Text(text) => json!(text),
        Value::Blob(bytes) => json!(encode_hex(bytes)),
    };
    let fields = row.columns.iter().zip(&row.values);
    // The calendar's uid, which the other one is made of, is a key to the booking: whoever has it may cancel.
    let fields = fields.filter(|(name, _)| !matches!(&***name, "calendar_uid" | "ical_uid" | "rowid"));
    Json::Object(fields.map(|(name, it)| (name.to_string(), value(it))).collect())
}
