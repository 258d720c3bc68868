//! Short rounds of each load in turn, so that what else the machine does falls on all of them alike.

use std::time::Duration;

use frontdesk_testkit::calcom::{Fault, FaultKind, Route, SimulatedCalCom};
use jiff::ToSpan as _;
use jiff::civil::Date;

use crate::floors::Nginx;
use crate::gateway::Gateway;
use crate::load::{load_for, say};
use crate::{bookings, check, slots_of, weekday_after};

const ROUNDS: u64 = 9;
const ROUND: Duration = Duration::from_millis(800);
const CONNECTIONS: usize = 16;

pub(crate) struct Around<'a> {
    pub(crate) calendar: &'a SimulatedCalCom,
    pub(crate) gateway: &'a Gateway,
    pub(crate) nginx: &'a Nginx,
    pub(crate) first: Date,
}

/// A call asks for another hour of its day each time.
pub(crate) fn another(first: Date, connection: usize, number: u64) -> Vec<u8> {
    check("warm", 100 + connection, number, weekday_after(first, connection), 9 + number as usize % 8)
}

/// Says what each load costs as a multiple of what nginx costs in the same round.
pub(crate) async fn ratios(around: &Around<'_>) {
    let Around { calendar, gateway, nginx, first } = around;
    let first = *first;
    let names = ["health", "warm, the same wish", "warm, another wish each time", "cold, 0 ms", "cold, 20 ms", "booking"];
    let mut found = vec![Vec::new(); names.len()];
    let mut floors = Vec::new();
    let of_gateway = || gateway.cpu();
    for round in 0..ROUNDS {
        // An answer is kept for its tool call: no round asks what an earlier one asked.
        let base = round * 100_000;
        let ask = slots_of(first);
        let floor = load_for(2 * ROUND, CONNECTIONS, "", &nginx.address, &|| nginx.cpu(), |_, _| ask.clone().into_bytes()).await;
        let load = async |make: &dyn Fn(usize, u64) -> Vec<u8>| {
            load_for(ROUND, CONNECTIONS, "", &gateway.address, &of_gateway, make).await
        };
        let same = |tenant: &'static str, kind: u64| {
            move |connection: usize, number: u64| {
                let day = weekday_after(first, connection / 8);
                check(tenant, connection, base + kind * 10_000 + number, day, 9 + connection % 8)
            }
        };
        let other = |connection: usize, number: u64| another(first, connection, base + number);
        let mut costs = vec![
            load(&|_, _| b"GET /api/health HTTP/1.1\r\nhost: x\r\n\r\n".to_vec()).await,
            load(&same("warm", 0)).await,
            load(&other).await,
            load(&same("cold", 1)).await,
        ];
        calendar.fault(Fault::on(Route::Slots, FaultKind::DelayBefore(Duration::from_millis(20))).standing());
        costs.push(load(&same("cold", 2)).await);
        calendar.clear_faults();
        let day = first.saturating_add((round as i64 * 20).days());
        costs.push(bookings(gateway, day, CONNECTIONS).await);
        floors.push(floor);
        for (found, cost) in found.iter_mut().zip(costs) {
            found.push((cost / floor, cost));
        }
    }
    floors.sort_unstable_by(f64::total_cmp);
    say(&format!("nginx: {:.4} CPU s per 1,000 ({:.4} to {:.4})", floors[floors.len() / 2], floors[0], floors[floors.len() - 1]));
    for (name, mut found) in names.into_iter().zip(found) {
        found.sort_unstable_by(|one, other| one.0.total_cmp(&other.0));
        let (least, middle, most) = (found[0], found[found.len() / 2], found[found.len() - 1]);
        say(&format!(
            "{name:<30} {:.2} times nginx ({:.2} to {:.2}); {:.4} CPU s per 1,000",
            middle.0, least.0, most.0, middle.1
        ));
    }
    say(&format!("resident after it: {:.1} MiB", gateway.resident()));
}
