//! The simulated Cal.com by hand: `simulated-calcom [PORT]`, a salon with two people, on the machine's
//! clock. `GET /sim` shows its bookings and what was done wrong; `POST /sim/faults` takes
//! `{"route": "create", "kind": "store_then_drop"}` and the like.

use frontdesk_testkit::calcom::{Config, SimulatedCalCom};

#[tokio::main]
#[expect(clippy::disallowed_macros, reason = "the address is what this program is started for")]
async fn main() {
    let port = std::env::args().nth(1).and_then(|text| text.parse().ok()).unwrap_or(0);
    let calendar = SimulatedCalCom::start(Config { port, control: true, ..Config::salon() }).await;
    println!("{}", calendar.base_url());
    println!("key cal_test_salon; event types 101 (Emma or Fabio, 55 min), 102 (Emma, 55 min), 103 (Fabio, 45 min)");
    std::future::pending::<()>().await;
}
