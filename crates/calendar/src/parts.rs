//! Free times of a composite that is booked piece by piece: a start is free when each part is free at its
//! own time.

use std::collections::BTreeSet;

use futures_util::future::try_join_all;
use jiff::{SignedDuration, Timestamp};

use frontdesk_core::deadline::Deadline;
use frontdesk_core::ports::{Calendar, CalendarError, Free, SlotAsk};
use frontdesk_core::slot::{Line, LinePart};
use frontdesk_core::tenant::Tenant;

/// Asks for all parts at once. One that gives no answer leaves the whole unknown.
///
/// QUIRK: Cal.com takes one booking to be free at a time. While a composite is moved, each part is asked with
/// itself out of the way and the others in it, so a start that needs the old time of another part is not found.
pub(crate) async fn slots(
    calendar: &dyn Calendar,
    tenant: &Tenant,
    ask: &SlotAsk<'_>,
    deadline: Deadline,
) -> Result<Free, CalendarError> {
    let asks = ask.line.parts.iter().enumerate().map(|(index, part)| async move {
        let uid = ask.part_uids.get(index).and_then(Option::as_deref);
        let free = of_part(calendar, tenant, ask, part, uid, deadline).await?;
        Ok::<_, CalendarError>((free.starts.iter().map(|start| *start - part.after).collect(), free.age))
    });
    let answers: Vec<(BTreeSet<Timestamp>, SignedDuration)> = try_join_all(asks).await?;
    let age = answers.iter().map(|(_, age)| *age).max().unwrap_or(SignedDuration::ZERO);
    let everywhere = answers.into_iter().map(|(starts, _)| starts).reduce(|one, other| &one & &other);
    Ok(Free { starts: Vec::from_iter(everywhere.unwrap_or_default()).into(), age })
}

/// The same question about one part, as if it were all there is.
async fn of_part(
    calendar: &dyn Calendar,
    tenant: &Tenant,
    ask: &SlotAsk<'_>,
    part: &LinePart,
    replaces: Option<&str>,
    deadline: Deadline,
) -> Result<Free, CalendarError> {
    let line = Line {
        staff: ask.line.staff.clone(),
        resources: ask.line.resources.clone(),
        event_type: Some(part.event_type),
        parts: Vec::new(),
    };
    let (from, to) = (ask.from + part.after, ask.to + part.after);
    let ask = SlotAsk { line: &line, from, to, replaces, part_uids: &[], also: None, ..ask.clone() };
    calendar.slots(tenant, &ask, deadline).await
}
