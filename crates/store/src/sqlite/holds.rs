//! Holds, and the stretches that they and appointments block.

use frontdesk_core::ids::{BookingId, CallId, IntentId, SlotId, TenantId};
use frontdesk_core::ports::StoreError;
use frontdesk_core::slot::{HOLD_TTL, Hold, HoldWish, Resource};
use jiff::{SignedDuration, Timestamp};
use sqlx::Row as _;

use super::diary::Tx;
use super::diary_rows;
use crate::rows::{failed, ms, to_json};

/// How long a hold that ended can still be looked up, so that a late yes is understood.
const MEMORY_OF_HOLDS: SignedDuration = SignedDuration::from_hours(2);

/// Who asks for a stretch, and what it may overlap.
pub(super) struct Claimant<'a> {
    pub(super) kind: &'static str,
    pub(super) owner: &'a str,
    pub(super) call: Option<&'a CallId>,
    pub(super) until: Option<Timestamp>,
    pub(super) replaces: Option<&'a BookingId>,
    pub(super) intent: Option<&'a IntentId>,
}

pub(super) async fn try_hold(
    tx: &mut Tx,
    tenant: &TenantId,
    call: Option<&CallId>,
    wish: &HoldWish,
    now: Timestamp,
) -> Result<Option<Hold>, StoreError> {
    let until = now + HOLD_TTL;
    let claimant = Claimant {
        kind: "hold",
        owner: wish.id.as_str(),
        call,
        until: Some(until),
        replaces: wish.replaces.as_ref(),
        intent: None,
    };
    for resource in &wish.line.resources {
        if !occupy(tx, tenant, resource, &wish.busy, &claimant, now).await? {
            continue;
        }
        let hold = Hold {
            id: wish.id.clone(),
            call: call.cloned(),
            service: wish.service.clone(),
            staff: wish.line.staff.clone(),
            resource: resource.clone(),
            event_type: wish.line.event_type,
            start: wish.start,
            end: wish.end,
            busy: wish.busy.clone(),
            until,
            replaces: wish.replaces.clone(),
        };
        insert_hold(tx, tenant, &hold).await?;
        return Ok(Some(hold));
    }
    Ok(None)
}

pub(super) async fn insert_hold(tx: &mut Tx, tenant: &TenantId, hold: &Hold) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO holds (tenant, id, call_id, service, staff, resource, event_type, start_ms, end_ms, busy, until_ms, replaces)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(tenant.as_str())
    .bind(hold.id.as_str())
    .bind(hold.call.as_ref().map(CallId::as_str))
    .bind(&hold.service)
    .bind(&hold.staff)
    .bind(hold.resource.as_str())
    .bind(hold.event_type)
    .bind(ms(hold.start))
    .bind(ms(hold.end))
    .bind(to_json(&hold.busy)?)
    .bind(ms(hold.until))
    .bind(hold.replaces.as_ref().map(BookingId::as_str))
    .execute(&mut **tx)
    .await
    .map_err(failed)?;
    Ok(())
}

pub(super) async fn read_hold(tx: &mut Tx, tenant: &TenantId, id: &SlotId) -> Result<Option<Hold>, StoreError> {
    let row = sqlx::query("SELECT * FROM holds WHERE tenant = ? AND id = ?")
        .bind(tenant.as_str())
        .bind(id.as_str())
        .fetch_optional(&mut **tx)
        .await
        .map_err(failed)?;
    row.as_ref().map(diary_rows::hold).transpose()
}

/// Lets holds go: what they block at once, their description after a while.
pub(super) async fn release(
    tx: &mut Tx,
    tenant: &TenantId,
    call: Option<&CallId>,
    id: Option<&SlotId>,
) -> Result<(), StoreError> {
    let (call, id) = (call.map(CallId::as_str), id.map(SlotId::as_str));
    if call.is_none() && id.is_none() {
        return Ok(());
    }
    sqlx::query(
        "DELETE FROM occupancy WHERE tenant = ?1 AND kind = 'hold'
           AND (?2 IS NULL OR call_id = ?2) AND (?3 IS NULL OR owner = ?3)",
    )
    .bind(tenant.as_str())
    .bind(call)
    .bind(id)
    .execute(&mut **tx)
    .await
    .map_err(failed)?;
    Ok(())
}

pub(super) async fn forget_old_holds(tx: &mut Tx, now: Timestamp) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM holds WHERE until_ms < ?")
        .bind(ms(now - MEMORY_OF_HOLDS))
        .execute(&mut **tx)
        .await
        .map_err(failed)?;
    sqlx::query("DELETE FROM occupancy WHERE until_ms IS NOT NULL AND until_ms <= ?")
        .bind(ms(now))
        .execute(&mut **tx)
        .await
        .map_err(failed)?;
    Ok(())
}

/// Blocks all of `stretches` or none of them.
pub(super) async fn occupy(
    tx: &mut Tx,
    tenant: &TenantId,
    resource: &Resource,
    stretches: &[(Timestamp, Timestamp)],
    claimant: &Claimant<'_>,
    now: Timestamp,
) -> Result<bool, StoreError> {
    for (from, to) in stretches {
        let blocked: bool = sqlx::query(
            "SELECT EXISTS (SELECT 1 FROM occupancy
             WHERE tenant = ?1 AND resource = ?2 AND from_ms < ?4 AND to_ms > ?3 AND owner <> ?5
               AND (until_ms IS NULL OR until_ms > ?6)
               AND NOT (kind = 'hold' AND ?7 = 'hold' AND call_id IS NOT NULL AND call_id IS ?8)
               AND (?9 IS NULL OR owner <> ?9)
               AND (replaces IS NULL OR replaces <> ?5))",
        )
        .bind(tenant.as_str())
        .bind(resource.as_str())
        .bind(ms(*from))
        .bind(ms(*to))
        .bind(claimant.owner)
        .bind(ms(now))
        .bind(claimant.kind)
        .bind(claimant.call.map(CallId::as_str))
        .bind(claimant.replaces.map(BookingId::as_str))
        .fetch_one(&mut **tx)
        .await
        .map_err(failed)?
        .get(0);
        if blocked {
            return Ok(false);
        }
    }
    for (from, to) in stretches {
        sqlx::query(
            "INSERT INTO occupancy (tenant, resource, from_ms, to_ms, kind, owner, call_id, until_ms, replaces, intent, made_ms)
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        )
        .bind(tenant.as_str())
        .bind(resource.as_str())
        .bind(ms(*from))
        .bind(ms(*to))
        .bind(claimant.kind)
        .bind(claimant.owner)
        .bind(claimant.call.map(CallId::as_str))
        .bind(claimant.until.map(ms))
        .bind(claimant.replaces.map(BookingId::as_str))
        .bind(claimant.intent.map(IntentId::as_str))
        .bind(ms(now))
        .execute(&mut **tx)
        .await
        .map_err(failed)?;
    }
    Ok(true)
}

pub(super) async fn delete_occupancy(tx: &mut Tx, tenant: &TenantId, owner: &str) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM occupancy WHERE tenant = ? AND owner = ?")
        .bind(tenant.as_str())
        .bind(owner)
        .execute(&mut **tx)
        .await
        .map_err(failed)?;
    Ok(())
}
