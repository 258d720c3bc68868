//! The bookings of the simulated calendar: who has time, what stands, what is told of it.

use frontdesk_core::booking::Attendee;
use frontdesk_core::calendar_news::{CalendarNews, NewsKind};
use frontdesk_core::ids::{IntentId, TenantId};
use frontdesk_core::ports::{CalendarBooking, NewBooking, Standing};
use frontdesk_core::tenant::Tenant;
use jiff::{SignedDuration, Timestamp};

use super::chance::Chance;

/// The calendar's own schedule is wider than the business's hours.
const OPENS: i8 = 8;
const CLOSES: i8 = 15;

/// A booking as the calendar has it.
#[derive(Debug, Clone)]
pub(super) struct Booked {
    pub(super) tenant: TenantId,
    pub(super) uid: String,
    pub(super) ical: String,
    pub(super) sequence: i64,
    pub(super) event_type: i64,
    pub(super) host: i64,
    pub(super) start: Timestamp,
    pub(super) end: Timestamp,
    pub(super) standing: Standing,
    pub(super) intent: Option<String>,
    pub(super) part: Option<u32>,
    pub(super) moved_to: Option<String>,
    pub(super) attendee: Attendee,
    pub(super) stored_at: Timestamp,
    /// People changed it in the calendar.
    pub(super) by_people: bool,
    /// Something of it was never told.
    pub(super) untold: bool,
}

impl Booked {
    pub(super) fn stands(&self) -> bool {
        matches!(self.standing, Standing::Accepted | Standing::AwaitsApproval)
    }

    pub(super) fn shown(&self) -> CalendarBooking {
        CalendarBooking {
            uid: self.uid.clone(),
            standing: self.standing,
            start: self.start,
            hosts: vec![self.host],
            intent: self.intent.clone(),
            part: self.part,
            moved_to: self.moved_to.clone(),
            ical_uid: Some(self.ical.clone()),
        }
    }

    /// One that stands before one that may; one that was moved before one that is gone.
    fn weight(&self) -> u8 {
        match (self.standing, &self.moved_to) {
            (Standing::Accepted, _) => 4,
            (Standing::AwaitsApproval, _) => 3,
            (Standing::Cancelled | Standing::Rejected, Some(_)) => 2,
            (Standing::Cancelled | Standing::Rejected, None) => 1,
        }
    }
}

/// All of them, in the order they were made.
#[derive(Debug, Default)]
pub(super) struct Bookings {
    all: Vec<Booked>,
}

impl Bookings {
    pub(super) fn all(&self) -> &[Booked] {
        &self.all
    }

    pub(super) fn all_mut(&mut self) -> &mut [Booked] {
        &mut self.all
    }

    pub(super) fn of_uid(&self, tenant: &TenantId, uid: &str) -> Option<&Booked> {
        self.all.iter().find(|it| it.tenant == *tenant && it.uid == uid)
    }

    pub(super) fn of_uid_mut(&mut self, tenant: &TenantId, uid: &str) -> Option<&mut Booked> {
        self.all.iter_mut().find(|it| it.tenant == *tenant && it.uid == uid)
    }

    /// The booking of that intent, as a copy of that moment shows it.
    pub(super) fn of_intent(&self, tenant: &Tenant, wanted: &NewBooking, seen: Timestamp) -> Option<&Booked> {
        let is_it = |it: &&Booked| {
            it.tenant == tenant.slug
                && it.intent.as_deref() == Some(wanted.intent.as_str())
                && it.part == wanted.part
                && it.stored_at <= seen
        };
        self.all.iter().filter(is_it).max_by_key(|it| it.weight())
    }

    /// Somebody who has time, as a copy of that moment shows it.
    pub(super) fn a_host(
        &self,
        tenant: &Tenant,
        event_type: i64,
        start: Timestamp,
        end: Timestamp,
        except: Option<&str>,
        seen: Timestamp,
    ) -> Option<i64> {
        let is_busy = |host: i64| {
            self.all.iter().any(|it| {
                it.host == host
                    && it.start < end
                    && start < it.end
                    && it.stands()
                    && it.tenant == tenant.slug
                    && it.stored_at <= seen
                    && Some(it.uid.as_str()) != except
            })
        };
        hosts(tenant, event_type).into_iter().find(|host| !is_busy(*host))
    }

    pub(super) fn store(&mut self, tenant: &Tenant, new: &NewBooking, host: i64, standing: Standing, now: Timestamp) -> Booked {
        let number = self.all.len();
        let booked = Booked {
            tenant: tenant.slug.clone(),
            uid: format!("uid-{number}"),
            ical: format!("ical-{number}"),
            sequence: 0,
            event_type: new.event_type.unwrap_or_default(),
            host,
            start: new.start,
            end: new.end,
            standing,
            intent: Some(new.intent.as_str().to_owned()),
            part: new.part,
            moved_to: None,
            attendee: new.attendee.clone(),
            stored_at: now,
            by_people: false,
            untold: false,
        };
        self.all.push(booked.clone());
        booked
    }

    /// The successor of `old`, which does not stand any more.
    pub(super) fn replace(&mut self, old: &Booked, host: i64, start: Timestamp, by_people: bool, now: Timestamp) -> Booked {
        let uid = format!("uid-{}", self.all.len());
        if let Some(old) = self.of_uid_mut(&old.tenant, &old.uid) {
            old.standing = Standing::Cancelled;
            old.moved_to = Some(uid.clone());
        }
        let moved = Booked {
            uid,
            sequence: old.sequence + 1,
            host,
            start,
            end: start + old.end.duration_since(old.start),
            stored_at: now,
            by_people: old.by_people || by_people,
            ..old.clone()
        };
        self.all.push(moved.clone());
        moved
    }
}

/// Who serves an event type.
fn hosts(tenant: &Tenant, event_type: i64) -> Vec<i64> {
    let own = tenant.staff.iter().filter(|staff| staff.calcom_event_types.values().any(|own| *own == event_type));
    let own: Vec<i64> = own.filter_map(|staff| staff.calcom_host_id).collect();
    if !own.is_empty() {
        return own;
    }
    let is_it = |service: &&frontdesk_core::tenant::Service| {
        service.calcom_event_type_id == Some(event_type)
            || service.segments.iter().any(|segment| segment.calcom_event_type_id == Some(event_type))
    };
    let Some(service) = tenant.services.iter().find(is_it) else { return Vec::new() };
    tenant.staff_for(service).filter_map(|staff| staff.calcom_host_id).collect()
}

/// Every quarter of an hour in the calendar's own schedule.
pub(super) fn starts_on_grid(tenant: &Tenant, from: Timestamp, to: Timestamp) -> impl Iterator<Item = Timestamp> {
    let (zone, quarter) = (tenant.zone().clone(), 15 * 60);
    let first = from.as_second().div_euclid(quarter) * quarter;
    let starts = (0..).map(move |index| Timestamp::from_second(first + index * quarter).expect("a near time"));
    starts.take_while(move |start| *start < to).filter(move |start| {
        let offset = zone.to_offset(*start);
        let hour = offset.to_datetime(*start).hour();
        *start >= from && (OPENS..CLOSES).contains(&hour)
    })
}

/// What the calendar tells of it.
pub(super) fn outgoing(
    booked: &Booked,
    kind: NewsKind,
    former: Option<&str>,
    now: Timestamp,
    chance: &mut Chance,
) -> CalendarNews {
    CalendarNews {
        digest: format!("{:016x}{:016x}", chance.next(), chance.next()),
        kind,
        uid: booked.uid.clone(),
        former_uid: former.map(str::to_owned),
        ical_uid: Some(booked.ical.clone()),
        sequence: Some(booked.sequence),
        told_at: now + SignedDuration::from_millis(1),
        event_type: Some(booked.event_type),
        start: Some(booked.start),
        end: Some(booked.end),
        is_endless: false,
        host: Some(booked.host),
        intent: booked.intent.as_ref().map(IntentId::new),
        attendee: Some(booked.attendee.clone()),
        listed_at: None,
    }
}
