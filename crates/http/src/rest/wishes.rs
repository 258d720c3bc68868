//! What a tenant's software wants, out of the fields it sent.

use frontdesk_core::booking::Attendee;
use frontdesk_core::desk::DirectBooking;
use frontdesk_core::sensitive::Sensitive;
use frontdesk_core::tenant::{Service, Staff, Tenant};
use jiff::{SignedDuration, Timestamp};

use super::fields::{Fields, NOTES};
use crate::problem::Problem;

/// A search looks no further than this.
const WIDEST: SignedDuration = SignedDuration::from_hours(31 * 24 + 1);

/// `POST /api/v2/bookings`, also with the old gateway's `service_id`, `customer{…}` and `timeZone`.
pub(super) struct Booking {
    pub(super) booking: DirectBooking,
    /// Where the attendee's address and number stood in the request.
    pub(super) contacts: Vec<String>,
}

pub(super) fn booking<'a>(mut fields: Fields<'a>, tenant: &'a Tenant) -> Result<Booking, Problem> {
    let service = fields.service(tenant);
    let staff = fields.staff(tenant, service);
    let zone = fields.zone();
    let start = fields.instant(&["start"], zone.as_ref().map_or(tenant.zone(), |zone| zone.rules()));
    let notes = fields.person(&["notes"], NOTES);
    let attendee = if fields.has("customer") && !fields.has("name") {
        fields.within("customer", |customer| attendee(customer, tenant)).flatten()
    } else {
        attendee(&mut fields, tenant)
    };
    let wish = service.zip(start).zip(attendee).map(|((service, start), (attendee, contacts))| {
        let booking = DirectBooking { service: service.clone(), staff: staff.cloned(), start, attendee, notes };
        Booking { booking, contacts }
    });
    fields.wrong.then(wish)
}

fn attendee(fields: &mut Fields<'_>, tenant: &Tenant) -> Option<(Attendee, Vec<String>)> {
    let name = fields.name(&["name"]);
    let email = fields.email(&["email"]);
    let phone = fields.phone(&["phone"], tenant);
    let mut contacts: Vec<String> =
        ["email", "phone"].into_iter().filter(|name| fields.has(name)).map(|name| fields.pointer(name)).collect();
    if contacts.is_empty() {
        contacts.push(fields.pointer("email"));
    }
    name.map(|name| (Attendee { name, email, phone }, contacts))
}

/// `PATCH …/reschedule`.
pub(super) struct Move {
    pub(super) start: Timestamp,
    pub(super) reason: Option<Sensitive<String>>,
    pub(super) override_deadline: bool,
}

pub(super) fn to_move(mut fields: Fields<'_>, tenant: &Tenant) -> Result<Move, Problem> {
    let zone = fields.zone();
    let start = fields.instant(&["start"], zone.as_ref().map_or(tenant.zone(), |zone| zone.rules()));
    let reason = fields.person(&["reason"], NOTES);
    let override_deadline = fields.flag("override_deadline");
    fields.wrong.then(start.map(|start| Move { start, reason, override_deadline }))
}

/// `DELETE …`.
pub(super) struct Cancel {
    pub(super) reason: Option<Sensitive<String>>,
    pub(super) override_deadline: bool,
}

pub(super) fn to_cancel(mut fields: Fields<'_>) -> Result<Cancel, Problem> {
    let reason = fields.person(&["reason"], NOTES);
    let override_deadline = fields.flag("override_deadline");
    fields.wrong.then(Some(Cancel { reason, override_deadline }))
}

/// `POST …/availability/…`.
pub(super) struct Range<'a> {
    pub(super) service: &'a Service,
    pub(super) staff: Option<&'a Staff>,
    pub(super) from: Timestamp,
    pub(super) to: Timestamp,
}

pub(super) fn range<'t>(mut fields: Fields<'_>, tenant: &'t Tenant) -> Result<Range<'t>, Problem> {
    let service = fields.service(tenant);
    let staff = fields.staff(tenant, service);
    let zone = fields.zone();
    let zone = zone.as_ref().map_or(tenant.zone(), |zone| zone.rules());
    let from = fields.bound(&["from", "start_date"], zone, false);
    let to = fields.bound(&["to", "end_date"], zone, true);
    if let Some((from, to)) = from.zip(to) {
        let pointer = if fields.has("to") { "/to" } else { "/end_date" };
        if to <= from {
            fields.wrong.add(pointer, "must be later than the beginning");
        } else if to - from > WIDEST {
            fields.wrong.add(pointer, "must be at most 31 days after the beginning");
        }
    }
    let range = service.zip(from).zip(to).map(|((service, from), to)| Range { service, staff, from, to });
    fields.wrong.then(range)
}
