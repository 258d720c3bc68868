//! A tenant's file names its calendar's address: it does not open what only this machine or its network reaches.

use frontdesk::config::deployment::DeploymentConfig;
use frontdesk_core::breaker::State;
use frontdesk_testkit::calcom::{Config, RateLimit, SimulatedCalCom};
use serde_json::{Value, json};

use crate::house::{ANNA, House};

const TENANT: &str = include_str!("tenants/calcom.toml");

async fn asked(base_url: &str, configure: impl FnOnce(&mut DeploymentConfig)) -> (Value, House) {
    let tenant = TENANT.replace("BASE_URL", base_url);
    let house = House::with(&[&tenant], configure).await;
    let wish = json!({"service": "Herrenhaarschnitt", "staff": "Emma", "date": "Montag", "time": "14 Uhr"});
    let answer = house.call("salon", "c1", ANNA).say("check_availability", wish).await;
    (answer, house)
}

async fn calendar() -> SimulatedCalCom {
    let clock = std::sync::Arc::new(|| crate::house::NOW.parse().expect("a timestamp"));
    SimulatedCalCom::start(Config::salon().clock(clock).rate_limit(Some(RateLimit::of(100_000)))).await
}

#[tokio::test]
async fn a_gateway_that_others_call_asks_no_calendar_inside_its_network() {
    let calendar = calendar().await;
    let port = calendar.base_url().rsplit(':').next().expect("a port").to_owned();
    let addresses = [
        calendar.base_url(),
        // Only when it is resolved does it turn out to be this machine.
        format!("http://localhost:{port}"),
        format!("http://[::ffff:127.0.0.1]:{port}"),
        "http://169.254.169.254".to_owned(),
        "http://10.0.0.1".to_owned(),
    ];
    for address in addresses {
        let (answer, house) = asked(&address, |config| config.server.public_url = "https://desk.example".to_owned()).await;
        assert_ne!(answer["status"], "available", "{address}: {answer}");
        let breakers = house.inner.state.shared.breakers(&DeploymentConfig::default().live.circuit_breaker.rules()).await;
        assert!(breakers.iter().all(|it| it.state == State::Closed && it.failures == 0), "it is no fault of a calendar");
    }
    assert!(calendar.requests().is_empty(), "nothing was sent: {:?}", calendar.requests());
}

#[tokio::test]
async fn a_deployment_may_name_the_network_of_its_own_calendar() {
    let calendar = calendar().await;
    let (answer, _house) = asked(&calendar.base_url(), |config| {
        config.server.public_url = "https://desk.example".to_owned();
        let text = "[calendar]\nprivate_targets = [\"127.0.0.0/8\"]\n";
        config.calendar = DeploymentConfig::parse("frontdesk.toml", text).expect("valid").calendar;
    })
    .await;
    assert_eq!(answer["status"], "available", "{answer}");
}

#[tokio::test]
async fn on_somebodys_own_machine_that_machine_is_lawful_and_its_network_is_not() {
    let calendar = calendar().await;
    let (answer, house) = asked(&calendar.base_url(), |_| {}).await;
    assert_eq!(answer["status"], "available", "{answer}");
    drop(house);
    let (answer, _house) =
        asked("http://10.0.0.1", |config| config.live.deadlines.check = std::time::Duration::from_secs(20)).await;
    assert_ne!(answer["status"], "available", "{answer}");
}
