//! What can be made to go wrong, where, and how often.

use std::time::Duration;

use serde_json::Value;

use super::refusal::{ErrorShape, Refusal, usual_message};

/// A kind of request, as faults and the log of requests name it.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Hash)]
pub enum Route {
    /// Matches every request; no request is logged under it.
    Any,
    Slots,
    Reservations,
    Create,
    List,
    Get,
    Reschedule,
    Cancel,
    Confirm,
    Decline,
    MarkAbsent,
    EventTypes,
    Schedules,
    Me,
    Webhooks,
    /// A path nobody serves.
    Unknown,
}

/// One thing that goes wrong. Built by [`Fault::on`]; happens once unless told otherwise.
#[derive(Clone, Debug)]
pub struct Fault {
    route: Route,
    kind: FaultKind,
    times: Times,
    spare: u32,
}

#[derive(Clone, Debug)]
pub enum FaultKind {
    /// The request is looked at only after this long, whether or not the caller still waits.
    DelayBefore(Duration),
    /// The request is carried out at once, the answer comes after this long.
    DelayAfter(Duration),
    /// Refused before anything is done.
    Status(ErrorAnswer),
    /// Carried out, then answered with an error.
    StoreThenStatus(ErrorAnswer),
    /// Carried out, then the connection ends without an answer.
    StoreThenDrop,
    /// Carried out, then no answer ever.
    StoreThenHang,
    /// The connection ends before anything is done.
    DropBefore,
    /// Nothing is done and no answer ever comes.
    Hang,
    /// Carried out, then 200 with a page instead of JSON.
    Garbage,
    /// A create or reschedule answers a start half an hour late.
    WrongStart,
    /// A create stores nothing and answers somebody else's booking.
    OldBooking,
    /// The times of slots have neither `Z` nor offset.
    SlotsWithoutOffset,
    /// The answer comes in small pieces, this long apart.
    SlowTrickle { chunk_bytes: usize, every: Duration },
    /// A list does not know the newest booking yet.
    StaleList,
}

/// The error a fault answers with.
#[derive(Clone, Debug)]
pub struct ErrorAnswer {
    pub status: u16,
    pub shape: ErrorShape,
    pub code: Option<String>,
    pub message: Option<String>,
}

#[derive(Clone, Copy, Debug)]
enum Times {
    Left(u32),
    Standing,
}

/// Faults that wait for their request.
#[derive(Debug, Default)]
pub(crate) struct Faults(Vec<Fault>);

/// What happens to one request: all delays that match, and the first other fault.
#[derive(Debug, Default)]
pub(crate) struct Plan {
    pub(crate) before: Duration,
    pub(crate) after: Duration,
    pub(crate) effect: Option<FaultKind>,
}

// === impl Route ===

impl Route {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Any => "any",
            Self::Slots => "slots",
            Self::Reservations => "reservations",
            Self::Create => "create",
            Self::List => "list",
            Self::Get => "get",
            Self::Reschedule => "reschedule",
            Self::Cancel => "cancel",
            Self::Confirm => "confirm",
            Self::Decline => "decline",
            Self::MarkAbsent => "mark_absent",
            Self::EventTypes => "event_types",
            Self::Schedules => "schedules",
            Self::Me => "me",
            Self::Webhooks => "webhooks",
            Self::Unknown => "unknown",
        }
    }

    fn parse(text: &str) -> Option<Self> {
        let all = [
            Self::Any,
            Self::Slots,
            Self::Reservations,
            Self::Create,
            Self::List,
            Self::Get,
            Self::Reschedule,
            Self::Cancel,
            Self::Confirm,
            Self::Decline,
            Self::MarkAbsent,
            Self::EventTypes,
            Self::Schedules,
            Self::Me,
            Self::Webhooks,
            Self::Unknown,
        ];
        all.into_iter().find(|route| route.as_str() == text)
    }
}

// === impl Fault ===

impl Fault {
    pub fn on(route: Route, kind: FaultKind) -> Self {
        Self { route, kind, times: Times::Left(1), spare: 0 }
    }

    /// Refused with this status in this shape before anything is done.
    pub fn status(route: Route, status: u16, shape: ErrorShape) -> Self {
        Self::on(route, FaultKind::Status(ErrorAnswer::new(status, shape)))
    }

    /// Carried out, then answered with 400 (shape A) or another status (shape C).
    pub fn store_then_status(route: Route, status: u16) -> Self {
        let shape = if status < 500 { ErrorShape::A } else { ErrorShape::C };
        Self::on(route, FaultKind::StoreThenStatus(ErrorAnswer::new(status, shape)))
    }

    #[must_use]
    pub fn times(mut self, times: u32) -> Self {
        self.times = Times::Left(times);
        self
    }

    /// Until [`clear_faults`](super::SimulatedCalCom::clear_faults).
    #[must_use]
    pub fn standing(mut self) -> Self {
        self.times = Times::Standing;
        self
    }

    /// Spares the first `requests` that would match.
    #[must_use]
    pub fn after(mut self, requests: u32) -> Self {
        self.spare = requests;
        self
    }

    /// `{"route", "kind", "times"?, "standing"?, "after"?}` and, by kind, `ms`, `status`, `shape`,
    /// `code`, `message`, `chunk_bytes`.
    pub fn from_json(value: &Value) -> Result<Self, String> {
        let text = |name: &str| value.get(name).and_then(Value::as_str);
        let number = |name: &str| value.get(name).and_then(Value::as_u64);
        let small = |name: &str| number(name).map(|it| u32::try_from(it).unwrap_or(u32::MAX));

        let route = text("route").unwrap_or("any");
        let route = Route::parse(route).ok_or_else(|| format!("route {route} does not exist"))?;
        let pause = Duration::from_millis(number("ms").unwrap_or(1_000));
        let answer = || ErrorAnswer::from_json(value);
        let kind = match text("kind").unwrap_or_default() {
            "delay_before" => FaultKind::DelayBefore(pause),
            "delay_after" => FaultKind::DelayAfter(pause),
            "status" => FaultKind::Status(answer()?),
            "store_then_status" => FaultKind::StoreThenStatus(answer()?),
            "store_then_drop" => FaultKind::StoreThenDrop,
            "store_then_hang" => FaultKind::StoreThenHang,
            "drop_before" => FaultKind::DropBefore,
            "hang" => FaultKind::Hang,
            "garbage" => FaultKind::Garbage,
            "wrong_start" => FaultKind::WrongStart,
            "old_booking" => FaultKind::OldBooking,
            "slots_without_offset" => FaultKind::SlotsWithoutOffset,
            "slow_trickle" => FaultKind::SlowTrickle {
                chunk_bytes: usize::try_from(number("chunk_bytes").unwrap_or(16)).unwrap_or(16),
                every: pause,
            },
            "stale_list" => FaultKind::StaleList,
            other => return Err(format!("kind {other:?} does not exist")),
        };
        let mut fault = Self::on(route, kind).after(small("after").unwrap_or(0));
        if let Some(times) = small("times") {
            fault = fault.times(times);
        }
        if value.get("standing").and_then(Value::as_bool) == Some(true) {
            fault = fault.standing();
        }
        Ok(fault)
    }

    fn matches(&self, route: Route) -> bool {
        self.route == Route::Any || self.route == route
    }

    /// Counts a matching request; true when the fault happens to it.
    fn happens(&mut self) -> bool {
        if self.spare > 0 {
            self.spare -= 1;
            return false;
        }
        match &mut self.times {
            Times::Standing => true,
            Times::Left(0) => false,
            Times::Left(left) => {
                *left -= 1;
                true
            }
        }
    }
}

// === impl FaultKind ===

impl FaultKind {
    fn is_delay(&self) -> bool {
        matches!(self, Self::DelayBefore(_) | Self::DelayAfter(_))
    }
}

// === impl ErrorAnswer ===

impl ErrorAnswer {
    pub fn new(status: u16, shape: ErrorShape) -> Self {
        Self { status, shape, code: None, message: None }
    }

    #[must_use]
    pub fn message(mut self, message: &str) -> Self {
        self.message = Some(message.to_owned());
        self
    }

    #[must_use]
    pub fn code(mut self, code: &str) -> Self {
        self.code = Some(code.to_owned());
        self
    }

    pub(crate) fn to_refusal(&self) -> Refusal {
        let usual = usual_message(self.status, self.shape);
        let message = self.message.as_deref().unwrap_or(usual);
        let refusal = Refusal::new(self.status, self.shape, message);
        match &self.code {
            Some(code) => refusal.code(code),
            None => refusal,
        }
    }

    fn from_json(value: &Value) -> Result<Self, String> {
        let text = |name: &str| value.get(name).and_then(Value::as_str).map(str::to_owned);
        let status = value.get("status").and_then(Value::as_u64).unwrap_or(500);
        let status = u16::try_from(status).ok().filter(|it| (100..1000).contains(it));
        let status = status.ok_or("status is none of HTTP's")?;
        let shape = match text("shape").as_deref() {
            Some("A") => ErrorShape::A,
            Some("A'" | "APrime") => ErrorShape::APrime,
            Some("B") => ErrorShape::B,
            Some("C") => ErrorShape::C,
            Some("D") => ErrorShape::D,
            Some("E") => ErrorShape::E,
            Some(other) => return Err(format!("shape {other} does not exist")),
            None if status < 500 => ErrorShape::A,
            None => ErrorShape::C,
        };
        Ok(Self { status, shape, code: text("code"), message: text("message") })
    }
}

// === impl Faults ===

impl Faults {
    pub(crate) fn add(&mut self, fault: Fault) {
        self.0.push(fault);
    }

    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    /// How many faults have not happened as often as they should.
    pub(crate) fn waiting(&self) -> usize {
        self.0.iter().filter(|it| matches!(it.times, Times::Left(left) if left > 0)).count()
    }

    pub(crate) fn plan(&mut self, route: Route) -> Plan {
        let mut plan = Plan::default();
        for fault in self.0.iter_mut().filter(|it| it.matches(route)) {
            // Only one effect can happen to a request, the next waits for the next one.
            if !fault.kind.is_delay() && plan.effect.is_some() {
                continue;
            }
            if !fault.happens() {
                continue;
            }
            match &fault.kind {
                FaultKind::DelayBefore(pause) => plan.before += *pause,
                FaultKind::DelayAfter(pause) => plan.after += *pause,
                effect => plan.effect = Some(effect.clone()),
            }
        }
        self.0.retain(|it| !matches!(it.times, Times::Left(0)));
        plan
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_spares_then_happens_then_is_gone() {
        let mut faults = Faults::default();
        faults.add(Fault::on(Route::Create, FaultKind::Hang).after(1).times(2));
        let happened: Vec<bool> = (0..4).map(|_| faults.plan(Route::Create).effect.is_some()).collect();
        assert_eq!(happened, [false, true, true, false]);
        assert_eq!(faults.waiting(), 0);
    }

    #[test]
    fn delays_add_up_and_effects_queue() {
        let second = Duration::from_secs(1);
        let mut faults = Faults::default();
        faults.add(Fault::on(Route::Any, FaultKind::DelayBefore(second)).standing());
        faults.add(Fault::on(Route::List, FaultKind::DelayBefore(second)));
        faults.add(Fault::on(Route::Any, FaultKind::Hang));
        faults.add(Fault::on(Route::List, FaultKind::DropBefore));
        let plan = faults.plan(Route::List);
        assert_eq!(plan.before, second * 2);
        assert!(matches!(plan.effect, Some(FaultKind::Hang)));
        assert!(matches!(faults.plan(Route::List).effect, Some(FaultKind::DropBefore)));
        assert!(faults.plan(Route::List).effect.is_none());
    }

    #[test]
    fn json_says_what_is_wrong_with_a_fault() {
        let json = serde_json::json!({"route": "create", "kind": "nonsense"});
        assert!(Fault::from_json(&json).is_err());
        let json = serde_json::json!({"kind": "status", "status": 503, "standing": true});
        assert!(Fault::from_json(&json).is_ok());
    }
}
