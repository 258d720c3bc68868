//! What this gateway counts, filed into the store slot by slot, so that whoever looks sees all gateways.

use frontdesk_core::alert::{Counts, History};
use frontdesk_core::ports::StoreError;
use jiff::Timestamp;

use super::Lookout;
use crate::telemetry;

/// What was filed: up to where, and what the slot of now holds.
#[derive(Default)]
pub(crate) struct Filed {
    seen: Counts,
    slot: Option<(Timestamp, Counts)>,
}

impl Lookout {
    fn counted(&self) -> Counts {
        Counts {
            callers: self.edge.counts(),
            refused: self.edge.refused(),
            lines: telemetry::errors(),
            abuses: self.arrangement.now().gate.refusals().1,
            rejected: self.edge.rejected(),
            opened: self.guard.opened(),
        }
    }

    /// Files what was counted since the last time, if anything was.
    pub(super) async fn file(&self) -> Result<(), StoreError> {
        let mut filed = self.filed.lock().await;
        let (seen, slot) = (self.counted(), History::slot(self.clock.now()));
        let new = seen.since(&filed.seen);
        if new == Counts::default() {
            return Ok(());
        }
        let before = filed.slot.filter(|(at, _)| *at == slot).map(|(_, counts)| counts).unwrap_or_default();
        let counts = before.plus(&new);
        // A store that is away is told later, in a later slot.
        self.store.observe(&self.gateway, slot, &counts).await?;
        *filed = Filed { seen, slot: Some((slot, counts)) };
        Ok(())
    }
}
