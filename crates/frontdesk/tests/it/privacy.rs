//! A person's data: handed out whole, erased everywhere but where it is still needed, let go in time.

use frontdesk_core::call::Phone;
use frontdesk_core::ids::TenantId;
use jiff::SignedDuration;
use serde_json::json;

use crate::house::{ANNA, BERND, House, PRACTICE, SALON};

fn phone(text: &str) -> Phone {
    Phone::parse(text, None).expect("a number")
}

async fn export(house: &House, tenant: &str, who: &str) -> String {
    let tenant = house.inner.desk.tenant(&TenantId::new(tenant)).expect("a tenant");
    house.inner.store.export_caller(tenant.scope(), &phone(who)).await.expect("exported").to_string()
}

#[tokio::test]
async fn an_export_holds_one_caller_of_one_tenant_and_an_erasure_leaves_nothing_of_them() {
    let house = House::with(&[SALON, PRACTICE], |_| {}).await;
    house.call("salon", "c1", ANNA).booked("Beratung", "Montag", "10 Uhr", "Anna Schmidt").await;
    house.call("salon", "c2", ANNA).say("request_callback", json!({"name": "Anna Schmidt", "reason": "Farbe"})).await;
    house.call("salon", "c3", BERND).booked("Beratung", "Montag", "11 Uhr", "Bernd Maier").await;
    house.call("practice", "c4", ANNA).booked("Checkup", "Monday", "2 pm", "Anna Schmidt").await;

    let all = export(&house, "salon", ANNA).await;
    for what in ["Anna Schmidt", "Farbe", "c1", "c2", "Beratung"] {
        assert!(all.contains(what), "{what} is in {all}");
    }
    for what in ["Bernd", BERND, "Checkup", "c4"] {
        assert!(!all.contains(what), "{what} is not hers in this tenant: {all}");
    }

    let salon = house.inner.desk.tenant(&TenantId::new("salon")).expect("a tenant");
    let first = house.inner.store.erase_caller(salon.scope(), &phone(ANNA), "test", house.now()).await.expect("erased");
    assert_eq!((first.upcoming, first.callbacks, first.calls), (1, 1, 2), "{first:?}");
    house.wait(SignedDuration::from_hours(24 * 14));
    let then = house.inner.store.erase_caller(salon.scope(), &phone(ANNA), "test", house.now()).await.expect("erased");
    assert_eq!((then.upcoming, then.appointments), (0, 1), "{then:?}");
    let left = export(&house, "salon", ANNA).await;
    assert!(!left.contains("Anna") && !left.contains("Beratung"), "{left}");
    assert!(export(&house, "practice", ANNA).await.contains("Anna Schmidt"), "the other business is another matter");
    assert!(export(&house, "salon", BERND).await.contains("Bernd Maier"));
    let audit = format!("{:?}", house.inner.store.audit(10).await.expect("read"));
    assert!(audit.contains("privacy erase") && !audit.contains(ANNA), "{audit}");
}

#[tokio::test]
async fn what_is_over_long_enough_names_nobody_any_more() {
    let house = House::open().await;
    house.call("salon", "c1", ANNA).booked("Beratung", "Montag", "10 Uhr", "Anna Schmidt").await;
    house.wait(SignedDuration::from_hours(24 * 89));
    house.inner.forget().await.expect("looked");
    assert!(export(&house, "salon", ANNA).await.contains("\"c1\""), "a call is known for ninety days");
    house.wait(SignedDuration::from_hours(24 * 2));
    assert!(house.inner.forget().await.expect("looked") > 0);
    let left = export(&house, "salon", ANNA).await;
    assert!(left.contains("Anna Schmidt") && !left.contains("agent_salon"), "the appointment is, the call is not: {left}");
    house.wait(SignedDuration::from_hours(24 * 1100));
    house.inner.forget().await.expect("looked");
    let left = export(&house, "salon", ANNA).await;
    assert!(!left.contains("Anna"), "{left}");
    assert_eq!(house.inner.forget().await.expect("looked"), 0, "and nothing is done twice");
}
