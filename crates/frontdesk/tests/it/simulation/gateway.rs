//! One life of one gateway: a desk on the store, with a runtime of its own, so that its death takes
//! everything with it that still ran.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use frontdesk_core::clock::{Clock, CountingDice};
use frontdesk_core::desk::{Budgets, Desk, Parts, Round};
use frontdesk_core::ids::TenantId;
use frontdesk_core::limits::{Gate, Limits};
use frontdesk_core::outcome::Outcome;
use frontdesk_core::ports::{Directory, StoreError};
use frontdesk_core::protection::{Mode, Switches};
use frontdesk_core::shared::MemoryState;
use frontdesk_core::tenant::Tenant;
use frontdesk_store::{Place, Store, StoreSettings};
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinHandle;

use super::calendar::SimulatedCalendar;
use super::ports::{Planted, Ports};
use super::time::SimulatedClock;

/// The tenants of a world; they stay as they are.
pub(super) struct Tenants(pub(super) Vec<Arc<Tenant>>);

impl Directory for Tenants {
    fn tenant(&self, id: &TenantId) -> Option<Arc<Tenant>> {
        self.0.iter().find(|tenant| tenant.slug == *id).cloned()
    }
}

/// What a gateway stands in.
#[derive(Clone)]
pub(super) struct Surroundings {
    pub(super) clock: Arc<SimulatedClock>,
    pub(super) calendar: Arc<SimulatedCalendar>,
    pub(super) tenants: Arc<Tenants>,
    pub(super) planted: Planted,
}

/// How a piece of work ended.
pub(super) enum Ended {
    Answered(Outcome),
    Settled(Result<Round, StoreError>),
    Heard(Result<&'static str, StoreError>),
    Over(Result<(), StoreError>),
}

/// A running gateway.
pub(super) struct Gateway {
    runtime: Runtime,
    clock: Arc<SimulatedClock>,
    pub(super) desk: Desk,
    pub(super) ports: Arc<Ports>,
}

impl Gateway {
    /// Starts; `life` makes its ids differ from those of every other life.
    pub(super) fn start(folder: &Path, around: &Surroundings, life: u64) -> Self {
        let runtime = Builder::new_current_thread().enable_time().start_paused(true).build().expect("a runtime");
        let dice = Arc::new(CountingDice::from(life << 40));
        let place = Place::File(folder.join("frontdesk.db"));
        let settings = StoreSettings { place, master_key: None, dice: dice.clone() };
        let store = runtime.block_on(Store::open(settings)).expect("a store");
        let ports = Arc::new(Ports::over(store, around.planted));
        let clock: Arc<dyn Clock> = around.clock.clone();
        let switches = Arc::new(Switches::new([Mode::On; 8]));
        let state = Arc::new(MemoryState::new(Arc::clone(&clock)));
        let gate = Arc::new(Gate::new(state, Arc::clone(&switches), Arc::clone(&clock), Limits::default()));
        let desk = Desk::new(Parts {
            clock,
            dice,
            calendar: around.calendar.clone(),
            diary: ports.clone(),
            calls: ports.clone(),
            callbacks: ports.clone(),
            directory: around.tenants.clone(),
            gate,
            switches,
            budgets: Budgets::default(),
        });
        Self { runtime, clock: around.clock.clone(), desk, ports }
    }

    /// Begins a piece of work; it goes on while the gateway runs.
    pub(super) fn begin(&self, work: impl Future<Output = Ended> + Send + 'static) -> JoinHandle<Ended> {
        self.runtime.spawn(work)
    }

    /// Runs for so long of its own time.
    pub(super) fn run(&self, slice: Duration) {
        self.runtime.block_on(async {
            self.clock.begin_slice();
            tokio::time::sleep(slice).await;
            self.clock.end_slice();
        });
    }

    pub(super) fn is_busy(&self) -> bool {
        self.runtime.metrics().num_alive_tasks() > 0
    }

    /// What finished work left.
    pub(super) fn take(&self, task: JoinHandle<Ended>) -> Ended {
        self.runtime.block_on(task).expect("no panic in a gateway")
    }
}
