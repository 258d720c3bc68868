//! A start that is refused leaves everything as it was; a store that hangs keeps no probe waiting.

use std::sync::Arc;

use axum::body::Body;
use axum::http::{Request, StatusCode};
use frontdesk::config::deployment::{DeploymentConfig, Smtp, StateUrl, StoreUrl};
use frontdesk::config::secrets::SecretSource;
use frontdesk::wiring::{self, World};
use frontdesk_core::clock::{CountingDice, ManualClock};
use frontdesk_core::sensitive::Secret;
use frontdesk_testkit::postgres::PostgresServer;
use jiff::SignedDuration;
use tower::ServiceExt as _;

use crate::house::NOW;

type Spoil = fn(&mut DeploymentConfig);

#[tokio::test]
async fn a_configuration_that_cannot_be_used_makes_and_brings_forward_no_store() {
    let unusable: [(&str, Spoil); 3] = [
        ("smtp", |config| {
            config.smtp = Some(Smtp { url: SecretSource::Literal(Secret::new("smtp://[")), from: None });
        }),
        ("redis", |config| config.state = StateUrl::Redis(SecretSource::Literal(Secret::new("redis://[")))),
        ("admin key", |config| {
            config.server.admin_key = Some(SecretSource::File("/dev/null/nothing".into()));
        }),
    ];
    for (what, spoil) in unusable {
        let folder = frontdesk_testkit::folder("start");
        let file = folder.path().join("frontdesk.db");
        let mut config = DeploymentConfig {
            store: StoreUrl::Sqlite(file.clone()),
            master_key: SecretSource::File(folder.path().join("master.key")),
            ..DeploymentConfig::default()
        };
        spoil(&mut config);
        let clock = Arc::new(ManualClock::new(NOW.parse().expect("a timestamp")));
        let world = World { clock, dice: Arc::new(CountingDice::default()) };
        assert!(wiring::build(&config, &world).await.is_err(), "{what}");
        assert!(!file.exists(), "{what}: the store was opened");
    }
}

#[tokio::test]
async fn a_store_that_hangs_is_away_for_probes_within_seconds() {
    let folder = frontdesk_testkit::folder("start");
    let server = PostgresServer::shared();
    let url = server.database();
    let config = DeploymentConfig {
        store: StoreUrl::Postgres { url: SecretSource::Literal(Secret::new(&*url)), migrate_url: None },
        master_key: SecretSource::File(folder.path().join("master.key")),
        ..DeploymentConfig::default()
    };
    let clock = Arc::new(ManualClock::new(NOW.parse().expect("a timestamp")));
    let world = World { clock: clock.clone(), dice: Arc::new(CountingDice::default()) };
    let house = wiring::build(&config, &world).await.expect("a house");
    let app = frontdesk_http::app(house.edge.clone());
    let ask = || async {
        clock.advance(SignedDuration::from_secs(2));
        let request = Request::get("/readyz").body(Body::empty()).expect("a request");
        app.clone().oneshot(request).await.expect("infallible").status()
    };
    assert_eq!(ask().await, StatusCode::OK);
    let lock = "BEGIN; LOCK TABLE outbox IN ACCESS EXCLUSIVE MODE; SELECT pg_sleep(4); COMMIT";
    let held = std::thread::spawn(move || server.run(&url, lock));
    while ask().await != StatusCode::SERVICE_UNAVAILABLE {
        assert!(!held.is_finished(), "the probe waited for the store");
    }
    assert!(!held.is_finished(), "while the store hangs");
}
