//! What a remembered answer is filed under. Only a [`Scope`] makes a key, so that one tenant never
//! gets what was said to another, even about the same event type.

use jiff::Timestamp;
use jiff::civil::Date;

use frontdesk_core::hours;
use frontdesk_core::ids::TenantId;
use frontdesk_core::ports::SlotAsk;
use frontdesk_core::tenant::{Scope, Tenant};

/// The address of an answer: tenant first, then what kind of answer, then the question.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Key {
    tenant: TenantId,
    word: &'static str,
    question: Question,
}

/// A question for slots over whole local days, so that many askings share one answer.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) struct Question {
    event_type: i64,
    from: Timestamp,
    to: Timestamp,
    zone: String,
    replaces: Option<String>,
}

// === impl Key ===

impl Key {
    pub(super) fn slots(scope: Scope<'_>, question: Question) -> Self {
        Self { tenant: scope.tenant().clone(), word: "slots", question }
    }

    pub(super) fn is_of(&self, scope: Scope<'_>) -> bool {
        self.tenant == *scope.tenant()
    }

    pub(super) fn window(&self) -> (Timestamp, Timestamp) {
        (self.question.from, self.question.to)
    }
}

// === impl Question ===

impl Question {
    /// `None` for a question that is not worth remembering: no event type, or an empty window.
    pub(super) fn of(tenant: &Tenant, ask: &SlotAsk<'_>) -> Option<Self> {
        let event_type = ask.line.event_type?;
        if ask.to <= ask.from {
            return None;
        }
        let local = |instant: Timestamp| -> Date { instant.to_zoned_datetime(tenant.zone().clone()).date() };
        // The window is half open: its last day is the one of the instant before its end.
        let last = ask.to.as_nanosecond().checked_sub(1).and_then(|nanos| Timestamp::from_nanosecond(nanos).ok())?;
        let (from, _) = hours::bounds_of(local(ask.from), tenant.zone())?;
        let (_, to) = hours::bounds_of(local(last), tenant.zone())?;
        Some(Self { event_type, from, to, zone: tenant.time_zone.name().to_owned(), replaces: ask.replaces.map(str::to_owned) })
    }
}

impl std::fmt::Debug for Question {
    /// Without the uid that would be replaced: possession of it is authority.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Question").field("event_type", &self.event_type).field("from", &self.from).field("to", &self.to).finish()
    }
}
