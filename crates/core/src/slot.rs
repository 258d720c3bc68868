//! What is free: lines of work, free stretches on them, and holds on those.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::ids::{BookingId, CallId, SlotId};
use crate::tenant::{CalendarKind, Segment, Service, Staff, Tenant};

/// How long a hold lives: longer than callers take to say yes.
pub const HOLD_TTL: SignedDuration = SignedDuration::from_mins(5);
/// How many holds one call may have at a time.
pub const HOLDS_PER_CALL: usize = 3;

/// What can serve one customer at a time: a person, or a place in a pool of nameless ones.
/// Overlapping use of one resource is what the database forbids.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Resource(String);

impl Resource {
    /// A named person.
    pub fn staff(name: &str) -> Self {
        Self(format!("staff:{name}"))
    }

    /// The only, nameless person of a tenant without staff.
    pub fn house() -> Self {
        Self("house".to_owned())
    }

    /// Place `lane` (from 0) of those who share a Cal.com event type.
    pub fn pool(event_type: i64, lane: usize) -> Self {
        Self(format!("pool:{event_type}:{lane}"))
    }

    /// As stored.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// As read back from the store.
    pub fn from_stored(text: String) -> Self {
        Self(text)
    }
}

/// One way of serving a service: a person with an own calendar, or the shared one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Who, where one person is certain.
    pub staff: Option<String>,
    /// What is blocked; several are alternatives, any one of them is enough.
    pub resources: Vec<Resource>,
    /// The Cal.com event type asked and booked; `None` on the built-in calendar, and where there are parts.
    pub event_type: Option<i64>,
    /// The parts of a composite that is booked piece by piece; empty where the whole is one booking.
    pub parts: Vec<LinePart>,
}

/// A busy stretch of a composite that is a booking of its own in the calendar, on one line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LinePart {
    /// The Cal.com event type asked and booked for it.
    pub event_type: i64,
    /// When it begins, from the start of the whole on.
    pub after: SignedDuration,
    /// How long it takes.
    pub length: SignedDuration,
}

/// A part with its place in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartWish {
    /// The Cal.com event type to book.
    pub event_type: i64,
    /// When it begins.
    pub start: Timestamp,
    /// When it ends.
    pub end: Timestamp,
}

impl Line {
    /// The ways of serving `service`, by `staff` if one is named. Empty when nobody can: a person who
    /// has neither an own event type nor the shared one to himself is not bookable by name.
    pub fn of(tenant: &Tenant, service: &Service, staff: Option<&str>) -> Vec<Self> {
        let lines = match tenant.calendar {
            CalendarKind::Builtin => Self::builtin(tenant, service),
            CalendarKind::Calcom { .. } => Self::calcom(tenant, service),
        };
        match staff {
            None => lines,
            Some(name) => lines.into_iter().filter(|line| line.staff.as_deref() == Some(name)).collect(),
        }
    }

    fn builtin(tenant: &Tenant, service: &Service) -> Vec<Self> {
        if tenant.staff.is_empty() {
            return vec![Self { staff: None, resources: vec![Resource::house()], event_type: None, parts: Vec::new() }];
        }
        tenant
            .staff_for(service)
            .map(|staff| Self {
                staff: Some(staff.name.clone()),
                resources: vec![Resource::staff(&staff.name)],
                event_type: None,
                parts: Vec::new(),
            })
            .collect()
    }

    fn calcom(tenant: &Tenant, service: &Service) -> Vec<Self> {
        let mut lines = Vec::new();
        let mut sharing = Vec::new();
        for staff in tenant.staff_for(service) {
            match Bookable::own(staff, service) {
                Some(bookable) => lines.push(bookable.line(Some(&staff.name), vec![Resource::staff(&staff.name)])),
                None => sharing.push(staff),
            }
        }
        let Some(shared) = Bookable::shared(service) else { return lines };
        let place = shared.first_event_type();
        match sharing.as_slice() {
            // Everybody has an own event type, or nobody is named at all.
            [] if lines.is_empty() => lines.push(shared.line(None, vec![Resource::pool(place, 0)])),
            [] => {}
            [only] if lines.is_empty() => lines.push(shared.line(Some(&only.name), vec![Resource::staff(&only.name)])),
            // WHY NOT a pool: each part might go to somebody else, and a customer is not handed around.
            [_, _, ..] if matches!(shared, Bookable::Parts(_)) => {}
            several => {
                lines.push(shared.line(None, (0..several.len()).map(|lane| Resource::pool(place, lane)).collect()));
            }
        }
        lines
    }

    /// Whether `hold` is of this way of serving.
    pub fn serves(&self, hold: &Hold) -> bool {
        self.staff == hold.staff
            && self.event_type == hold.event_type
            && self.resources.contains(&hold.resource)
            && self.parts_at(hold.start) == hold.parts
    }

    /// The parts of a service that begins at `start`; none where the whole is one booking.
    pub fn parts_at(&self, start: Timestamp) -> Vec<PartWish> {
        let place = |part: &LinePart| {
            let begins = start + part.after;
            PartWish { event_type: part.event_type, start: begins, end: begins + part.length }
        };
        self.parts.iter().map(place).collect()
    }
}

/// What is booked in Cal.com for a service: one event type, or one for each segment.
enum Bookable {
    Whole(i64),
    Parts(Vec<LinePart>),
}

impl Bookable {
    fn own(staff: &Staff, service: &Service) -> Option<Self> {
        match staff.calcom_event_types.get(&service.name) {
            Some(event_type) => Some(Self::Whole(*event_type)),
            None => Self::parts(service, |segment| staff.calcom_event_types.get(&segment.key(service)).copied()),
        }
    }

    fn shared(service: &Service) -> Option<Self> {
        Self::parts(service, |segment| segment.calcom_event_type_id).or(service.calcom_event_type_id.map(Self::Whole))
    }

    /// All segments or none: a piece without an event type would be a piece that nobody booked.
    fn parts(service: &Service, event_type: impl Fn(&Segment) -> Option<i64>) -> Option<Self> {
        let part = |(segment, after): (&Segment, SignedDuration)| {
            Some(LinePart { event_type: event_type(segment)?, after, length: segment.duration() })
        };
        let parts: Vec<LinePart> = service.stretches().map(part).collect::<Option<_>>()?;
        (!parts.is_empty()).then_some(Self::Parts(parts))
    }

    /// What a place in the pool is called after.
    fn first_event_type(&self) -> i64 {
        match self {
            Self::Whole(event_type) => *event_type,
            Self::Parts(parts) => parts.first().map_or(0, |part| part.event_type),
        }
    }

    fn line(&self, staff: Option<&str>, resources: Vec<Resource>) -> Line {
        let (event_type, parts) = match self {
            Self::Whole(event_type) => (Some(*event_type), Vec::new()),
            Self::Parts(parts) => (None, parts.clone()),
        };
        Line { staff: staff.map(str::to_owned), resources, event_type, parts }
    }
}

/// A start that a calendar says is free on a line.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct FreeStart {
    /// When it would begin.
    pub start: Timestamp,
    /// Index into the lines that were asked.
    pub line: usize,
}

/// A slot that is kept for one call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hold {
    /// The opaque token that the voice agent passes back.
    pub id: SlotId,
    /// The call that owns it; `None` for a request without a call, which any request may use.
    pub call: Option<CallId>,
    /// Exact name of the service.
    pub service: String,
    /// Who, where known.
    pub staff: Option<String>,
    /// What it blocks.
    pub resource: Resource,
    /// The Cal.com event type to book.
    pub event_type: Option<i64>,
    /// The parts to book instead, each on its own.
    pub parts: Vec<PartWish>,
    /// When it begins.
    pub start: Timestamp,
    /// When it ends for the customer.
    pub end: Timestamp,
    /// The stretches that are blocked, with buffers; more than one for a composite service.
    pub busy: Vec<(Timestamp, Timestamp)>,
    /// When the hold ends by itself.
    pub until: Timestamp,
    /// Until when its time is blocked for it, as it was read; `None` once it was let go.
    pub kept_until: Option<Timestamp>,
    /// The caller's own appointment that this slot would replace, and may overlap.
    pub replaces: Option<BookingId>,
}

/// A hold that is asked for; the store decides which of `line.resources` it gets.
#[derive(Debug, Clone)]
pub struct HoldWish {
    /// The token to give it.
    pub id: SlotId,
    /// The service.
    pub service: String,
    /// The line it is on.
    pub line: Line,
    /// When it begins.
    pub start: Timestamp,
    /// When it ends for the customer.
    pub end: Timestamp,
    /// The stretches to block.
    pub busy: Vec<(Timestamp, Timestamp)>,
    /// The caller's own appointment that it may overlap.
    pub replaces: Option<BookingId>,
}

/// The stretches that `service` keeps busy when it begins at `start`: buffers around it, gaps free.
pub fn busy_stretches(service: &Service, start: Timestamp) -> Vec<(Timestamp, Timestamp)> {
    let minutes = |count: u32| SignedDuration::from_mins(i64::from(count));
    let (before, after) = (minutes(service.buffer_before), minutes(service.buffer_after));
    if service.segments.is_empty() {
        return vec![(start - before, start + service.duration() + after)];
    }
    let mut stretches = Vec::with_capacity(service.segments.len());
    for (segment, after) in service.stretches() {
        stretches.push((start + after, start + after + segment.duration()));
    }
    if let Some(first) = stretches.first_mut() {
        first.0 -= before;
    }
    if let Some(last) = stretches.last_mut() {
        last.1 += after;
    }
    stretches
}

/// Free starts, ascending. Cheap to clone: who remembers them and who is told of some of them share them.
#[derive(Clone)]
pub struct Starts {
    all: Arc<[Timestamp]>,
    from: usize,
    to: usize,
}

impl Starts {
    /// Those of `all`, which are ascending, that lie in `[from, to)`.
    pub fn within(all: &Arc<[Timestamp]>, from: Timestamp, to: Timestamp) -> Self {
        let before = |end: Timestamp| all.partition_point(|start| *start < end);
        let first = before(from);
        Self { all: Arc::clone(all), from: first, to: before(to).max(first) }
    }

    /// All of them, to be remembered.
    pub fn shared(self) -> Arc<[Timestamp]> {
        if self.to - self.from == self.all.len() { self.all } else { Arc::from(&*self) }
    }
}

impl std::ops::Deref for Starts {
    type Target = [Timestamp];

    fn deref(&self) -> &[Timestamp] {
        // INVARIANT: both are made as places in it.
        self.all.get(self.from..self.to).unwrap_or_default()
    }
}

impl From<Vec<Timestamp>> for Starts {
    /// They are ascending.
    fn from(all: Vec<Timestamp>) -> Self {
        Self { from: 0, to: all.len(), all: all.into() }
    }
}

impl PartialEq for Starts {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl Eq for Starts {}

impl std::fmt::Debug for Starts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_window_shows_what_lies_in_it(
            all in proptest::collection::btree_set(0_i64..60, 0..20), from in -5_i64..70, to in -5_i64..70,
        ) {
            let at = |second: i64| Timestamp::from_second(second).expect("in range");
            let expected: Vec<Timestamp> = all.iter().filter(|it| (from..to).contains(it)).map(|it| at(*it)).collect();
            let all: Arc<[Timestamp]> = all.into_iter().map(at).collect();
            let shown = Starts::within(&all, at(from), at(to));
            prop_assert_eq!(&*shown, &*expected);
            prop_assert_eq!(&*shown.shared(), &*expected);
        }
    }
}
