//! A start that is refused leaves everything as it was.

use std::sync::Arc;

use frontdesk::config::deployment::{DeploymentConfig, Smtp, StateUrl, StoreUrl};
use frontdesk::config::secrets::SecretSource;
use frontdesk::wiring::{self, World};
use frontdesk_core::clock::{CountingDice, ManualClock};
use frontdesk_core::sensitive::Secret;

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
