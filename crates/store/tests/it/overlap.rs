//! Nothing is given away twice: random histories of holding, booking, moving, cancelling and settling
//! never leave two customers on one resource at one time.

use frontdesk_core::booking::{AppointmentState, IntentKind};
use frontdesk_core::ids::{BookingId, IntentId, SlotId};
use frontdesk_core::ports::{AppointmentFilter, Begun, Busy, Diary as _, Settlement};
use frontdesk_core::slot::{HOLDS_PER_CALL, Hold, Resource};
use frontdesk_core::tenant::Tenant;
use frontdesk_testkit::postgres::PostgresServer;
use proptest::prelude::*;

use crate::house::{Base, Stored, at, beginning, call, intent, tenant, wish};

/// One turn of somebody.
#[derive(Debug, Clone)]
enum Turn {
    /// A call holds a time on one of two resources.
    Hold { call: u8, resource: bool, from: i64, minutes: i64 },
    /// A call books one of its holds, with or without waiting for a calendar.
    Book { call: u8, booked: bool },
    /// Somebody books without a hold.
    Direct { resource: bool, from: i64, minutes: i64 },
    /// A call moves an appointment into its hold.
    Move { call: u8, which: usize, done: bool },
    /// An appointment is given up.
    Cancel { which: usize, done: bool },
    /// An open intent ends somehow.
    Settle { which: usize, how: u8 },
    /// A call ends.
    HangUp { call: u8 },
    /// Minutes pass.
    Wait { minutes: i64 },
}

fn turn() -> impl Strategy<Value = Turn> {
    let from = (0_i64..16).prop_map(|quarter| 600 + quarter * 15);
    let minutes = (1_i64..5).prop_map(|quarters| quarters * 15);
    prop_oneof![
        4 => (0..4_u8, any::<bool>(), from.clone(), minutes.clone())
            .prop_map(|(call, resource, from, minutes)| Turn::Hold { call, resource, from, minutes }),
        3 => (0..4_u8, any::<bool>()).prop_map(|(call, booked)| Turn::Book { call, booked }),
        2 => (any::<bool>(), from, minutes).prop_map(|(resource, from, minutes)| Turn::Direct { resource, from, minutes }),
        2 => (0..4_u8, 0..8_usize, any::<bool>()).prop_map(|(call, which, done)| Turn::Move { call, which, done }),
        1 => (0..8_usize, any::<bool>()).prop_map(|(which, done)| Turn::Cancel { which, done }),
        2 => (0..8_usize, 0..4_u8).prop_map(|(which, how)| Turn::Settle { which, how }),
        1 => (0..4_u8).prop_map(|call| Turn::HangUp { call }),
        1 => (1_i64..7).prop_map(|minutes| Turn::Wait { minutes }),
    ]
}

struct History<'a> {
    stored: &'a Stored,
    tenant: &'a Tenant,
    resources: [Resource; 2],
    clock: i64,
    holds: Vec<(u8, Hold)>,
    booked: Vec<BookingId>,
    open: Vec<IntentId>,
    count: usize,
}

impl History<'_> {
    fn fresh(&mut self) -> String {
        self.count += 1;
        self.count.to_string()
    }

    async fn take(&mut self, turn: &Turn) {
        let (store, scope, now) = (&self.stored.store, self.tenant.scope(), at(self.clock));
        match turn {
            Turn::Hold { call: who, resource, from, minutes } => {
                let id = format!("s_{}", self.fresh());
                let mut wanted = wish(&id, &self.resources[usize::from(*resource)], *from, *minutes);
                wanted.replaces = self.booked.last().filter(|_| from % 2 == 1).cloned();
                let held = store.hold(scope, Some(&call(*who)), &[wanted], HOLDS_PER_CALL, now).await.expect("held");
                self.holds.retain(|(other, _)| other != who);
                self.holds.extend(held.into_iter().map(|hold| (*who, hold)));
            }
            Turn::Book { call: who, booked } => {
                let Some(position) = self.holds.iter().position(|(other, _)| other == who) else { return };
                let (_, hold) = self.holds.remove(position);
                let from = (hold.start - at(0)).as_mins();
                let id = self.fresh();
                let wanted = beginning(&id, &hold.resource, from, (hold.end - hold.start).as_mins(), Some(hold.id), *booked);
                self.begin(wanted, *booked).await;
            }
            Turn::Direct { resource, from, minutes } => {
                let id = self.fresh();
                let wanted = beginning(&id, &self.resources[usize::from(*resource)], *from, *minutes, None::<SlotId>, true);
                self.begin(wanted, true).await;
            }
            Turn::Move { call: who, which, done } => {
                let Some(position) = self.holds.iter().position(|(other, _)| other == who) else { return };
                let Some(booking) = self.booked.get(*which).cloned() else { return };
                let (_, hold) = self.holds.remove(position);
                let id = format!("i_{}", self.fresh());
                let kind = IntentKind::Move {
                    start: hold.start,
                    end: hold.end,
                    busy: hold.busy.clone(),
                    resource: hold.resource.clone(),
                    staff: None,
                    reason: String::new(),
                };
                let change = intent(&id, &booking, kind, *done);
                let begun = store.begin_change(scope, &change, Some(&hold.id), now).await.expect("answered");
                if begun == Begun::Yes && !done {
                    self.open.push(change.id);
                }
            }
            Turn::Cancel { which, done } => {
                let Some(booking) = self.booked.get(*which).cloned() else { return };
                let id = format!("i_{}", self.fresh());
                let change = intent(&id, &booking, IntentKind::Cancel { reason: String::new() }, *done);
                let begun = store.begin_change(scope, &change, None, now).await.expect("answered");
                if begun == Begun::Yes && !done {
                    self.open.push(change.id);
                }
            }
            Turn::Settle { which, how } => {
                if *which >= self.open.len() {
                    return;
                }
                let intent = self.open.remove(*which);
                let why = "because".to_owned();
                let settlement = match how {
                    0 => Settlement::Done { uid: None, staff: None, ical: None },
                    1 => Settlement::Refused { why },
                    2 => Settlement::HandOver { why },
                    _ => Settlement::Watch { until: at(self.clock + 10), why },
                };
                let intent = store.intent(scope, &intent).await.expect("read").expect("there");
                store.settle(scope, &intent, &settlement, now).await.expect("settled");
            }
            Turn::HangUp { call: who } => {
                store.release(scope, Some(&call(*who)), None).await.expect("released");
                self.holds.retain(|(other, _)| other != who);
            }
            Turn::Wait { minutes } => self.clock += minutes,
        }
    }

    async fn begin(&mut self, wanted: frontdesk_core::ports::Beginning, booked: bool) {
        let now = at(self.clock);
        let begun = self.stored.store.begin(self.tenant.scope(), &wanted, now).await.expect("answered");
        if begun == Begun::Yes {
            self.booked.push(wanted.appointment.id);
            if !booked {
                self.open.push(wanted.intent.id);
            }
        }
    }

    async fn check(&self, after: &Turn) -> Result<(), TestCaseError> {
        let (store, scope, now) = (&self.stored.store, self.tenant.scope(), at(self.clock));
        let busy = store.busy(scope, &self.resources, at(0), at(2000), now).await.expect("read");
        for (index, one) in busy.iter().enumerate() {
            for other in &busy[index + 1..] {
                prop_assert!(may_share(one, other), "after {after:?}:\n{one:?}\n{other:?}");
            }
        }
        let filter = AppointmentFilter { standing_only: true, limit: 500, ..AppointmentFilter::default() };
        let standing = store.appointments(scope, &filter).await.expect("read");
        for (index, one) in standing.iter().enumerate() {
            for other in &standing[index + 1..] {
                let meet = one.resource == other.resource && one.start < other.end && other.start < one.end;
                prop_assert!(!meet, "after {after:?}: two on one resource\n{one:?}\n{other:?}");
            }
            if one.state == AppointmentState::Booked {
                let blocks = busy
                    .iter()
                    .any(|row| row.appointment.as_ref() == Some(&one.id) && row.from <= one.start && row.to >= one.end);
                prop_assert!(blocks, "after {after:?}: a booked appointment blocks its time\n{one:?}");
            }
        }
        Ok(())
    }
}

/// Two stretches may meet where both are holds of one call, or where both are about one appointment.
fn may_share(one: &Busy, other: &Busy) -> bool {
    let apart = one.resource != other.resource || one.to <= other.from || other.to <= one.from;
    let one_call = one.held_by.is_some() && one.held_by == other.held_by;
    let one_appointment = one.appointment.is_some() && one.appointment == other.appointment;
    apart || one_call || one_appointment
}

async fn lives(base: Base, turns: &[Turn]) -> Result<(), TestCaseError> {
    let stored = Stored::open(base).await;
    let tenant = tenant("salon");
    let mut history = History {
        stored: &stored,
        tenant: &tenant,
        resources: [Resource::staff("Emma"), Resource::staff("Lena")],
        clock: 0,
        holds: Vec::new(),
        booked: Vec::new(),
        open: Vec::new(),
        count: 0,
    };
    for turn in turns {
        history.take(turn).await;
        history.check(turn).await?;
    }
    stored.store.close().await;
    Ok(())
}

fn no_history_gives_a_time_away_twice(base: Base, cases: u32) {
    let config = ProptestConfig { cases, ..ProptestConfig::with_source_file(file!()) };
    proptest!(config, |(turns in proptest::collection::vec(turn(), 1..60))| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(lives(base, &turns))?;
    });
}

#[test]
fn no_history_gives_a_time_away_twice_on_sqlite() {
    no_history_gives_a_time_away_twice(Base::Sqlite, 40);
}

#[test]
fn no_history_gives_a_time_away_twice_on_postgres() {
    // One server for all histories.
    let _server = PostgresServer::shared();
    no_history_gives_a_time_away_twice(Base::Postgres, 24);
}
