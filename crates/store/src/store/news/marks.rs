//! Which news counts: what is only the echo of our own request, and what something newer has overtaken.

use frontdesk_core::booking::Appointment;
use frontdesk_core::calendar_news::{CLOCKS_DIFFER, CalendarNews};
use frontdesk_core::ids::TenantId;
use frontdesk_core::ports::StoreError;

use super::diary_rows;
use crate::engine::{Tx, args};
use crate::rows::{Reading, ms};

/// News without our mark that overtakes the answer to our own request: the answer itself will say so.
pub(super) fn is_our_own_coming(tx: &mut Tx<'_>, tenant: &TenantId, news: &CalendarNews) -> Result<bool, StoreError> {
    let (Some(event_type), Some(start), Some(attendee)) = (news.event_type, news.start, &news.attendee) else {
        return Ok(false);
    };
    let pending = tx.all(
        "SELECT * FROM appointments
         WHERE tenant = ? AND event_type = ? AND start_ms = ? AND state = 'pending' AND calendar_uid IS NULL",
        args![tenant.as_str(), event_type, ms(start)],
    )?;
    for row in &pending {
        let ours = diary_rows::appointment(row)?;
        // Who gave no address got one that is made of the appointment's id.
        let derived = attendee.email.as_ref().is_some_and(|email| email.expose().starts_with(ours.id.as_str()));
        let same_address = attendee.email.is_some() && attendee.email == ours.attendee.email;
        let same_number = attendee.phone.is_some() && attendee.phone == ours.attendee.phone;
        if derived || same_address || same_number || attendee.name == ours.attendee.name {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Whether nothing newer has been told of this booking; if so, this is the newest now. A list tells no sequence, and
/// takes none away.
pub(super) fn is_newest(tx: &mut Tx<'_>, tenant: &TenantId, news: &CalendarNews) -> Result<bool, StoreError> {
    let booking = news.ical_uid.as_ref().unwrap_or(&news.uid);
    let mark = tx.first(
        "SELECT sequence, told_ms, kind FROM calendar_marks WHERE tenant = ? AND booking = ?",
        args![tenant.as_str(), booking],
    )?;
    if let Some(row) = mark {
        let reading = Reading { table: "calendar_marks", row: &row };
        let (sequence, told) = (reading.number_or_none("sequence")?, reading.number("told_ms")?);
        let rank_before = rank(&reading.text("kind")?);
        let newer = match (news.sequence, sequence) {
            (Some(this), Some(before)) if this != before => this > before,
            _ => (ms(news.told_at), rank(news.kind.as_str())) > (told, rank_before),
        };
        if !newer {
            return Ok(false);
        }
    }
    tx.run(
        "INSERT INTO calendar_marks (tenant, booking, sequence, told_ms, kind) VALUES (?, ?, ?, ?, ?)
         ON CONFLICT (tenant, booking) DO UPDATE
            SET sequence = COALESCE(excluded.sequence, calendar_marks.sequence), told_ms = excluded.told_ms, kind = excluded.kind",
        args![tenant.as_str(), booking, news.sequence, ms(news.told_at), news.kind.as_str()],
    )?;
    Ok(true)
}

/// In which order things happen that were told at one moment.
fn rank(kind: &str) -> u8 {
    match kind {
        "requested" => 0,
        "created" => 1,
        "rescheduled" => 2,
        _ => 3,
    }
}

/// Whether a listed booking that is gone is the trace that a move left behind: it is neither the one that we know
/// nor has it come from that one, and it went when the appointment was last changed, or before. What was moved more
/// than once unheard, and then cancelled, went later than that.
pub(super) fn is_trace(
    tx: &mut Tx<'_>,
    tenant: &TenantId,
    news: &CalendarNews,
    appointment: &Appointment,
) -> Result<bool, StoreError> {
    let Some(current) = appointment.calendar_uid.as_deref().filter(|_| news.listed_at.is_some()) else { return Ok(false) };
    if news.uid == current || news.former_uid.as_deref() == Some(current) {
        return Ok(false);
    }
    // All that a move makes knows what it was made of.
    if news.former_uid.is_none() {
        return Ok(true);
    }
    let told = news.told_at.checked_sub(CLOCKS_DIFFER).unwrap_or(news.told_at);
    tx.exists(
        "SELECT EXISTS (SELECT 1 FROM appointments WHERE tenant = ? AND id = ? AND updated_at >= ?)",
        args![tenant.as_str(), appointment.id.as_str(), ms(told)],
    )
}
