//! Several gateways on one PostgreSQL.

use std::sync::Arc;

use frontdesk_core::call::{CallContext, Caller, Memory};
use frontdesk_core::clock::CountingDice;
use frontdesk_core::ids::SlotId;
use frontdesk_core::ports::{Begun, Calls as _, Diary as _};
use frontdesk_core::protection::{Mode, Protection, Switch};
use frontdesk_core::sensitive::Secret;
use frontdesk_core::slot::Resource;
use frontdesk_store::{Place, Store, StoreSettings};
use frontdesk_testkit::postgres::PostgresServer;
use futures_util::future::join_all;

use crate::house::{Base, Stored, at, beginning, call, on_both, open, phone, tenant, wish};

fn server_at(url: &str, owner: Option<&str>) -> Place {
    Place::Server { url: Secret::new(url), migrate_url: owner.map(Secret::new) }
}

async fn refusal(place: Place) -> String {
    let opened = Store::open(StoreSettings { place, master_key: None, dice: Arc::new(CountingDice::default()) }).await;
    opened.err().expect("refused").with_causes()
}

#[tokio::test]
async fn of_two_gateways_that_want_one_time_one_gets_it() {
    let server = PostgresServer::shared();
    let place = server_at(&server.database(), None);
    let dice = Arc::new(CountingDice::default());
    let gateways = [open(&place, &dice).await, open(&place, &dice).await];
    let salon = tenant("salon");
    let resource = Resource::staff("Emma");
    for race in 0..100 {
        let from = 600 + race * 60;
        let hold = async |who: usize| {
            let wishes = [wish(&format!("s_{race}_{who}"), &resource, from, 45)];
            let caller = call(u8::try_from(who).expect("small"));
            gateways[who].hold(salon.scope(), Some(&caller), &wishes, 3, at(0)).await.expect("answered").len()
        };
        let (one, other) = tokio::join!(hold(0), hold(1));
        assert_eq!(one + other, 1, "hold {race}: {one} {other}");
    }
    for race in 0..100 {
        let from = 10_000 + race * 60;
        let book = async |who: usize| {
            // One wants a little later than the other: overlapping is enough.
            let begin = from + i64::try_from(who).expect("small") * 15;
            let wanted = beginning(&format!("{race}_{who}"), &resource, begin, 45, None::<SlotId>, true);
            gateways[who].begin(salon.scope(), &wanted, at(0)).await.expect("answered") == Begun::Yes
        };
        let (one, other) = tokio::join!(book(0), book(1));
        assert!(one != other, "booking {race}: {one} {other}");
    }
    let busy =
        gateways[0].busy(salon.scope(), std::slice::from_ref(&resource), at(10_000), at(20_000), at(0)).await.expect("read");
    assert_eq!(busy.len(), 100);
}

/// In one diary everybody is in everybody's way, and still nobody is sent away.
#[tokio::test]
async fn many_calls_of_one_business_at_once_are_all_answered() {
    let server = PostgresServer::shared();
    let place = server_at(&server.database(), None);
    let dice = Arc::new(CountingDice::default());
    let gateways = [open(&place, &dice).await, open(&place, &dice).await];
    let salon = tenant("salon");
    let calls = (0..64_usize).map(|number| {
        let (store, salon) = (&gateways[number % 2], &salon);
        async move {
            let resource = Resource::staff("Emma");
            let from = 600 + i64::try_from(number / 2).expect("small") * 60;
            let caller = call(u8::try_from(number).expect("small"));
            let wishes = [wish(&format!("s_{number}"), &resource, from, 45)];
            let held = store.hold(salon.scope(), Some(&caller), &wishes, 3, at(0)).await;
            let Some(hold) = held.expect("answered").pop() else { return 0 };
            let wanted = beginning(&number.to_string(), &resource, from, 45, Some(hold.id), true);
            usize::from(store.begin(salon.scope(), &wanted, at(0)).await.expect("answered") == Begun::Yes)
        }
    });
    let booked: usize = join_all(calls).await.into_iter().sum();
    assert_eq!(booked, 32, "one of the two for each time");
}

#[tokio::test]
async fn gateways_that_start_together_do_not_race_for_the_schema() {
    let server = PostgresServer::shared();
    let place = server_at(&server.database(), None);
    let dice = Arc::new(CountingDice::default());
    let opened = join_all((0..6).map(|_| open(&place, &dice))).await;
    let checks = join_all(opened.iter().map(Store::check_master_key)).await;
    assert!(checks.iter().all(Result::is_ok), "{checks:?}");
}

#[tokio::test]
async fn what_a_call_remembers_is_known_to_every_gateway() {
    let server = PostgresServer::shared();
    let place = server_at(&server.database(), None);
    let dice = Arc::new(CountingDice::default());
    let (one, other) = (open(&place, &dice).await, open(&place, &dice).await);
    let salon = tenant("salon");
    let context = CallContext { id: Some(call(1)), caller: Caller::Known(phone()), ..CallContext::none() };
    for round in 0..20 {
        let (here, there) = if round % 2 == 0 { (&one, &other) } else { (&other, &one) };
        let before = here.open(salon.scope(), &context, at(0)).await.expect("opened");
        let memory = Memory { offered: vec![SlotId::new(format!("s_{round}"))], ..before };
        here.remember(salon.scope(), &call(1), &memory).await.expect("remembered");
        let found = there.open(salon.scope(), &context, at(0)).await.expect("opened");
        assert_eq!(found.offered, memory.offered, "round {round}");
    }
}

#[tokio::test]
async fn the_role_that_serves_owns_nothing_and_cannot_take_the_audit_back() {
    let server = PostgresServer::shared();
    let owner = server.database();
    let name = owner.rsplit('/').next().expect("a name").to_owned();
    server.run(&owner, "CREATE ROLE \"desk-1\" LOGIN");
    let role = server.url("desk-1", &name);
    // Not before its owner made it.
    assert!(refusal(server_at(&role, None)).await.contains("permission denied"));
    let dice = Arc::new(CountingDice::default());
    let store = open(&server_at(&role, Some(&owner)), &dice).await;
    let switch = Switch { protection: Protection::RateLimit, tenant: None, mode: Mode::Off, until: None };
    store.set_feature(&switch, "anna", None, at(0)).await.expect("served");
    store.close().await;
    // With the schema there, it needs the owner no more.
    let store = open(&server_at(&role, None), &dice).await;
    assert_eq!(store.audit(10).await.expect("read").len(), 1);
    for sql in ["TRUNCATE occupancy", "DROP TABLE audit", "ALTER TABLE occupancy DISABLE TRIGGER ALL", "DELETE FROM audit"] {
        let told = server.run(
            &owner,
            &format!(
                "SET ROLE \"desk-1\"; DO $$ BEGIN {sql}; RAISE EXCEPTION 'it may'; \
                 EXCEPTION WHEN insufficient_privilege THEN END $$; SELECT 'refused'"
            ),
        );
        assert_eq!(told, "refused", "{sql}");
    }
}

#[tokio::test]
async fn a_server_is_believed_by_its_certificate_only() {
    let server = PostgresServer::that_encrypts();
    let url = server.database();
    let known = format!("{url}?sslmode=verify-full&sslrootcert={}", server.certificate().display());
    let store = open(&server_at(&known, None), &Arc::new(CountingDice::default())).await;
    let sql = "SELECT bool_and(ssl) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE application_name = 'frontdesk'";
    store.tenants().await.expect("read");
    assert_eq!(server.run(&url, sql), "t");
    // Nobody vouches for it; and sslmode=require is no weaker.
    let told = refusal(server_at(&format!("{url}?sslmode=require"), None)).await;
    assert!(told.contains("certificate"), "{told}");
    let plain = PostgresServer::shared();
    let url = format!("{}?sslmode=verify-full&sslrootcert={}", plain.database(), server.certificate().display());
    let told = refusal(server_at(&url, None)).await;
    assert!(told.contains("TLS"), "{told}");
}

async fn a_schema_that_somebody_changed_is_refused_with_the_line(base: Base) {
    let stored = Stored::open(base).await;
    stored.store.close().await;
    let strange = match base {
        Base::Sqlite => {
            stored.alter("ALTER TABLE appointments RENAME COLUMN notes TO remarks");
            "missing column appointments.notes TEXT; unexpected column appointments.remarks TEXT"
        }
        Base::Postgres => {
            stored.alter("ALTER TABLE appointments ALTER COLUMN end_ms DROP NOT NULL");
            "missing column appointments.end_ms bigint not null; unexpected column appointments.end_ms bigint"
        }
    };
    let told = refusal(stored.place.clone()).await;
    assert!(told.ends_with(strange), "{told}");
    let stored = Stored::open(base).await;
    stored.store.close().await;
    stored.alter(match base {
        Base::Sqlite => "DROP TRIGGER occupancy_excludes_overlap",
        Base::Postgres => "ALTER TABLE occupancy DROP CONSTRAINT occupancy_calls_apart",
    });
    let told = refusal(stored.place.clone()).await;
    assert!(told.contains("missing"), "{told}");
}

async fn a_store_of_a_newer_release_is_refused(base: Base) {
    let stored = Stored::open(base).await;
    stored.store.close().await;
    stored.alter("INSERT INTO schema_migrations (version, name, digest) VALUES (99, 'later', 'x')");
    let told = refusal(stored.place.clone()).await;
    assert!(told.contains("newer release"), "{told}");
}

on_both! {
    a_schema_that_somebody_changed_is_refused_with_the_line,
    a_store_of_a_newer_release_is_refused,
}
