//! Rows of the diary: holds, appointments and their parts, intents.

use frontdesk_core::booking::{Appointment, AppointmentState, Attendee, Intent, IntentState, Part, PartState};
use frontdesk_core::call::Phone;
use frontdesk_core::ids::{BookingId, CallId, IntentId, SlotId};
use frontdesk_core::ports::StoreError;
use frontdesk_core::sensitive::Sensitive;
use frontdesk_core::slot::{Hold, Resource};
use jiff::SignedDuration;

use crate::engine::Row;
use crate::rows::Reading;

/// Reads a stored E.164 number without asking the numbering plan again.
pub(crate) fn phone(text: &str) -> Option<Phone> {
    serde_json::from_value(serde_json::Value::String(text.to_owned())).ok()
}

pub(crate) fn hold(row: &Row) -> Result<Hold, StoreError> {
    let reading = Reading { table: "holds", row };
    Ok(Hold {
        id: SlotId::new(reading.text("id")?),
        call: reading.text_or_none("call_id")?.map(CallId::new),
        service: reading.text("service")?,
        staff: reading.text_or_none("staff")?,
        resource: Resource::from_stored(reading.text("resource")?),
        event_type: reading.number_or_none("event_type")?,
        parts: reading.parsed_or_none("parts", |text| serde_json::from_str(text).ok())?.unwrap_or_default(),
        start: reading.instant("start_ms")?,
        end: reading.instant("end_ms")?,
        busy: reading.json("busy")?,
        until: reading.instant("until_ms")?,
        kept_until: reading.instant_or_none("kept_ms")?,
        replaces: reading.text_or_none("replaces")?.map(BookingId::new),
    })
}

pub(crate) fn appointment(row: &Row) -> Result<Appointment, StoreError> {
    let reading = Reading { table: "appointments", row };
    Ok(Appointment {
        id: BookingId::new(reading.text("id")?),
        call: reading.text_or_none("call_id")?.map(CallId::new),
        owner: reading.parsed_or_none("owner", phone)?,
        attendee: Attendee {
            name: Sensitive::new(reading.text("name")?),
            email: reading.text_or_none("email")?.map(Sensitive::new),
            phone: reading.parsed_or_none("phone", phone)?,
        },
        service: reading.text("service")?,
        staff: reading.text_or_none("staff")?,
        resource: Resource::from_stored(reading.text("resource")?),
        event_type: reading.number_or_none("event_type")?,
        start: reading.instant("start_ms")?,
        end: reading.instant("end_ms")?,
        state: reading.parsed("state", AppointmentState::from_stored)?,
        calendar_uid: reading.text_or_none("calendar_uid")?,
        notes: reading.text_or_none("notes")?.map(Sensitive::new),
        created_at: reading.instant("created_at")?,
    })
}

pub(crate) fn part(row: &Row) -> Result<Part, StoreError> {
    let reading = Reading { table: "appointment_parts", row };
    Ok(Part {
        index: u32::try_from(reading.number("part")?).map_err(|_| reading.corrupt("part"))?,
        event_type: reading.number("event_type")?,
        after: SignedDuration::from_millis(reading.number("after_ms")?),
        start: reading.instant("start_ms")?,
        end: reading.instant("end_ms")?,
        state: reading.parsed("state", PartState::from_stored)?,
        uid: reading.text_or_none("calendar_uid")?,
    })
}

pub(crate) fn intent(row: &Row) -> Result<Intent, StoreError> {
    let reading = Reading { table: "intents", row };
    Ok(Intent {
        id: IntentId::new(reading.text("id")?),
        appointment: BookingId::new(reading.text("appointment")?),
        kind: reading.json("kind")?,
        state: reading.parsed("state", IntentState::from_stored)?,
        attempts: u32::try_from(reading.number("attempts")?).map_err(|_| reading.corrupt("attempts"))?,
        created_at: reading.instant("created_at")?,
        lease_until: reading.instant("lease_until")?,
        watch_until: reading.instant_or_none("watch_until")?,
        last_error: reading.text_or_none("last_error")?,
    })
}
