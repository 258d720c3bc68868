//! A caller finds a time and books it.

use jiff::SignedDuration;
use serde_json::json;

use crate::house::{ANNA, BERND, House, key_of};

#[tokio::test]
async fn a_german_caller_finds_and_books_a_time() {
    let house = House::open().await;
    let call = house.call("salon", "c1", ANNA);
    let free =
        call.say("check_availability", json!({"service": "Männerhaarschnitt", "date": "morgen", "time": "halb drei"})).await;
    assert_eq!(free["status"], "available", "{free}");
    assert_eq!(free["message"], "Am Freitag, den 13. März um 14 Uhr 30 ist frei. Soll ich das buchen?");
    assert_eq!(free["slots"][0]["start"], "2026-03-13T14:30:00+01:00");
    assert_eq!(free["slots"][0]["end"], "2026-03-13T15:25:00+01:00");
    assert_eq!(free["slots"][0]["held_until"], "2026-03-12T10:05:00+01:00");
    let booked = call.say("book_appointment", json!({"slot_id": free["slots"][0]["slot_id"], "name": "Anna Schmidt"})).await;
    assert_eq!(booked["status"], "booked", "{booked}");
    assert_eq!(booked["start"], "2026-03-13T14:30:00+01:00");
    assert!(booked["booking_id"].as_str().is_some_and(|id| id.starts_with("b_")));
}

#[tokio::test]
async fn an_english_caller_finds_and_books_a_time() {
    let house = House::open().await;
    let call = house.call("practice", "c1", "+447700900123");
    let free = call.say("check_availability", json!({"service": "check-up", "date": "tomorrow", "time": "half past two"})).await;
    assert_eq!(free["status"], "available", "{free}");
    assert_eq!(free["slots"][0]["start"], "2026-03-13T14:30:00+00:00");
    let booked = call.say("book_appointment", json!({"slot_id": free["slots"][0]["slot_id"], "name": "Ada Byron"})).await;
    assert_eq!(booked["status"], "booked", "{booked}");
}

#[tokio::test]
async fn what_one_caller_holds_is_not_offered_to_another() {
    let house = House::open().await;
    let (one, two) = (house.call("salon", "c1", ANNA), house.call("salon", "c2", BERND));
    let slot = one.slot("Beratung", "Freitag", "15 Uhr").await;
    let other = two.say("check_availability", json!({"service": "Beratung", "date": "Freitag", "time": "15 Uhr"})).await;
    assert_eq!(other["status"], "offered", "{other}");
    let starts: Vec<_> = other["slots"].as_array().expect("slots").iter().map(|slot| slot["start"].clone()).collect();
    assert!(!starts.contains(&json!("2026-03-13T15:00:00+01:00")), "{other}");
    house.wait(SignedDuration::from_secs(120));
    let booked = one.say("book_appointment", json!({"slot_id": slot, "name": "Anna Schmidt"})).await;
    assert_eq!(booked["status"], "booked", "{booked}");
}

#[tokio::test]
async fn fifty_callers_for_one_slot_have_one_winner_and_nobody_is_told_free_then_taken() {
    let house = House::open().await;
    let ids: Vec<String> = (0..50).map(|number| format!("c{number}")).collect();
    let asks = ids.iter().map(|id| {
        let call = house.call("salon", id, ANNA);
        async move {
            let answer =
                call.say("check_availability", json!({"service": "Damenhaarschnitt", "date": "Montag", "time": "10 Uhr"})).await;
            (call, answer)
        }
    });
    let answers = futures_util::future::join_all(asks).await;
    let mut booked = 0;
    for (call, answer) in &answers {
        let status = answer["status"].as_str().unwrap_or("");
        assert!(["available", "offered", "unavailable"].contains(&status), "{answer}");
        if status == "available" {
            let done = call.say("book_appointment", json!({"slot_id": answer["slots"][0]["slot_id"], "name": "Anna"})).await;
            assert_eq!(done["status"], "booked", "{done}");
            booked += 1;
        }
    }
    assert_eq!(booked, 1);
}

#[tokio::test]
async fn the_same_booking_twice_is_one_booking() {
    let house = House::open().await;
    let call = house.call("salon", "c1", ANNA);
    let slot = call.slot("Beratung", "Freitag", "15 Uhr").await;
    let args = json!({"slot_id": slot, "name": "Anna Schmidt"});
    let (one, two) =
        tokio::join!(call.say_as("t1", "book_appointment", args.clone()), call.say_as("t1", "book_appointment", args.clone()));
    assert_eq!(one["status"], "booked", "{one}");
    assert_eq!(one["booking_id"], two["booking_id"]);
    assert_eq!(one["message"], two["message"]);
    house.wait(SignedDuration::from_secs(60));
    let later = call.say("book_appointment", args).await;
    assert_eq!(later["status"], "booked", "{later}");
    assert_eq!(later["booking_id"], one["booking_id"]);
}

#[tokio::test]
async fn a_time_that_was_not_offered_is_held_and_asked_for_before_it_is_booked() {
    let house = House::open().await;
    let call = house.call("salon", "c1", ANNA);
    let args = json!({"service": "Beratung", "date": "Freitag", "time": "15 Uhr", "name": "Anna Schmidt"});
    let first = call.say("book_appointment", args.clone()).await;
    assert_eq!(first["status"], "needs_confirmation", "{first}");
    let retry = call.say("book_appointment", args.clone()).await;
    assert_eq!(retry["status"], "needs_confirmation", "the platform's retry is no consent: {retry}");
    house.wait(SignedDuration::from_secs(12));
    let second = call.say("book_appointment", args).await;
    assert_eq!(second["status"], "booked", "{second}");
}

#[tokio::test]
async fn a_token_of_another_call_books_nothing() {
    let house = House::open().await;
    let slot = house.call("salon", "c1", ANNA).slot("Beratung", "Freitag", "15 Uhr").await;
    let stolen = house.call("salon", "c2", BERND).say("book_appointment", json!({"slot_id": slot, "name": "Bernd"})).await;
    assert_eq!(stolen["status"], "not_found", "{stolen}");
}

#[tokio::test]
async fn a_token_and_words_for_another_service_are_a_question() {
    let house = House::open().await;
    let call = house.call("salon", "c1", ANNA);
    let slot = call.slot("Herrenhaarschnitt", "Freitag", "15 Uhr").await;
    let answer = call.say("book_appointment", json!({"slot_id": slot, "service": "Dauerwelle", "name": "Anna"})).await;
    assert_eq!(answer["status"], "ambiguous", "{answer}");
}

#[tokio::test]
async fn asked_again_for_the_same_a_call_hears_of_the_same_slot_as_long_as_it_lasts() {
    let house = House::open().await;
    let call = house.call("salon", "c1", ANNA);
    let ask = async |service: &str| {
        // So late it is no retry of the platform.
        house.wait(SignedDuration::from_secs(6));
        let args = json!({"service": service, "date": "Freitag", "time": "15 Uhr", "staff": "Emma"});
        let answer = call.say("check_availability", args).await;
        assert_eq!(answer["status"], "available", "{answer}");
        answer["slots"][0].clone()
    };
    let first = ask("Herrenhaarschnitt").await;
    assert_eq!(ask("Herrenhaarschnitt").await, first);
    let longer = ask("Beratung").await;
    assert_ne!(longer["slot_id"], first["slot_id"], "the same time for something else is another slot");
    let back = ask("Herrenhaarschnitt").await;
    assert_ne!(back["slot_id"], first["slot_id"], "that one was let go");

    house.wait(SignedDuration::from_secs(60));
    let fresh = ask("Herrenhaarschnitt").await;
    assert_ne!(fresh["slot_id"], back["slot_id"], "held for its full time again");
    let released = call.say("release_slot", json!({"slot_id": fresh["slot_id"]})).await;
    assert_eq!(released["status"], "ok", "{released}");
    let anew = ask("Herrenhaarschnitt").await;
    assert_ne!(anew["slot_id"], fresh["slot_id"], "what was let go is not held");

    let args = json!({"service": "Herrenhaarschnitt", "date": "Freitag", "time": "15 Uhr", "staff": "Emma"});
    let other = house.call("salon", "c2", BERND).say("check_availability", args).await;
    assert_eq!(other["status"], "offered", "it is held for the first call: {other}");
    let booked = call.say("book_appointment", json!({"slot_id": anew["slot_id"], "name": "Anna Schmidt"})).await;
    assert_eq!(booked["status"], "booked", "{booked}");
}

#[tokio::test]
async fn an_expired_hold_is_checked_again_and_booked_if_free() {
    let house = House::open().await;
    let call = house.call("salon", "c1", ANNA);
    let slot = call.slot("Beratung", "Freitag", "15 Uhr").await;
    house.wait(SignedDuration::from_mins(6));
    let booked = call.say("book_appointment", json!({"slot_id": slot, "name": "Anna Schmidt"})).await;
    assert_eq!(booked["status"], "booked", "{booked}");
}

#[tokio::test]
async fn an_expired_hold_that_somebody_else_took_is_taken_with_alternatives() {
    let house = House::open().await;
    let (one, two) = (house.call("salon", "c1", ANNA), house.call("salon", "c2", BERND));
    let slot = one.slot("Beratung", "Freitag", "15 Uhr").await;
    house.wait(SignedDuration::from_mins(6));
    two.booked("Beratung", "Freitag", "15 Uhr", "Bernd Beispiel").await;
    let answer = one.say("book_appointment", json!({"slot_id": slot, "name": "Anna"})).await;
    assert_eq!(answer["status"], "taken", "{answer}");
    assert!(answer["slots"].as_array().is_some_and(|slots| !slots.is_empty()), "{answer}");
}

#[tokio::test]
async fn the_caller_who_has_it_already_hears_so() {
    let house = House::open().await;
    let first = house.call("salon", "c1", ANNA).booked("Beratung", "Freitag", "15 Uhr", "Anna Schmidt").await;
    let again = house
        .call("salon", "c2", ANNA)
        .say("check_availability", json!({"service": "Beratung", "date": "Freitag", "time": "15 Uhr"}))
        .await;
    assert_eq!(again["status"], "booked", "{again}");
    assert_eq!(again["already"], true);
    assert_eq!(again["booking_id"], first["booking_id"]);
}

#[tokio::test]
async fn services_are_resolved_or_asked_for_and_never_defaulted() {
    let house = House::open().await;
    let call = house.call("salon", "c1", ANNA);
    let check =
        |service: &'static str| call.say("check_availability", json!({"service": service, "date": "Freitag", "time": "15 Uhr"}));
    for said in ["Herrenhaarschnitt", "Herren Haarschnitt", "Männerhaarschnitt", "herren-haarschnitt"] {
        let answer = check(said).await;
        assert_eq!(answer["slots"][0]["service"], "Herrenhaarschnitt", "{said}: {answer}");
    }
    let which = check("Haarschnitt").await;
    assert_eq!(which["status"], "ambiguous", "{which}");
    assert_eq!(which["candidates"], json!(["Herrenhaarschnitt", "Damenhaarschnitt"]));
    let none = check("Massage").await;
    assert_eq!(none["status"], "not_found", "{none}");
    let nothing_said =
        house.call("salon", "c2", BERND).say("check_availability", json!({"date": "Freitag", "time": "15 Uhr"})).await;
    assert_eq!(nothing_said["status"], "needs_input", "{nothing_said}");
    assert_eq!(nothing_said["missing"], json!(["service"]));
}

#[tokio::test]
async fn rules_say_no_with_a_reason_and_what_is_possible() {
    let house = House::open().await;
    let call = house.call("salon", "c1", ANNA);
    for (date, time, reason) in [
        ("heute", "10:30", "notice_too_short"),
        ("2026-11-09", "10 Uhr", "horizon_exceeded"),
        ("Samstag", "10 Uhr", "outside_business_hours"),
        ("morgen", "13:15", "outside_business_hours"),
        ("18.03.2026", "10 Uhr", "closed"),
        ("03.04.2026", "10 Uhr", "closed"),
    ] {
        let answer = call.say("check_availability", json!({"service": "Beratung", "date": date, "time": time})).await;
        assert_eq!(answer["status"], "denied", "{date} {time}: {answer}");
        assert_eq!(answer["reason"], reason, "{date} {time}: {answer}");
        assert!(answer["slots"].as_array().is_some_and(|slots| !slots.is_empty()), "{date} {time}: {answer}");
    }
}

#[tokio::test]
async fn a_person_is_checked_for_their_own_hours_and_services() {
    let house = House::open().await;
    let call = house.call("salon", "c1", ANNA);
    let cannot = call
        .say("check_availability", json!({"service": "Dauerwelle", "staff": "Fabio", "date": "Freitag", "time": "9 Uhr"}))
        .await;
    assert_eq!((cannot["status"].as_str(), cannot["reason"].as_str()), (Some("denied"), Some("staff_cannot")), "{cannot}");
    let early = call
        .say(
            "check_availability",
            json!({"service": "Herrenhaarschnitt", "staff": "Fabio", "date": "25.03.2026", "time": "9 Uhr"}),
        )
        .await;
    assert_eq!((early["status"].as_str(), early["reason"].as_str()), (Some("denied"), Some("outside_business_hours")), "{early}");
    let anyone =
        call.say("check_availability", json!({"service": "Herrenhaarschnitt", "date": "25.03.2026", "time": "9 Uhr"})).await;
    assert_eq!(anyone["status"], "available", "{anyone}");
    assert_eq!(anyone["slots"][0]["staff"], "Emma");
}

#[tokio::test]
async fn a_composite_service_leaves_its_gaps_to_others_and_blocks_the_rest() {
    let house = House::open().await;
    let one = house.call("salon", "c1", ANNA);
    let perm = one.booked("Dauerwelle", "Montag", "10 Uhr", "Anna Schmidt").await;
    assert_eq!(perm["end"], "2026-03-16T12:15:00+01:00");
    let two = house.call("salon", "c2", BERND);
    let in_the_way =
        two.say("check_availability", json!({"service": "Damenhaarschnitt", "date": "Montag", "time": "11:30"})).await;
    assert_eq!(in_the_way["status"], "offered", "{in_the_way}");
}

#[tokio::test]
async fn vague_wishes_get_up_to_three_held_times() {
    let house = House::open().await;
    let call = house.call("salon", "c1", ANNA);
    for (date, time) in [("nächste Woche", ""), ("Freitag", "vormittags"), ("", "so früh wie möglich"), ("Montag", "ab 15 Uhr")]
    {
        let answer = call.say("check_availability", json!({"service": "Beratung", "date": date, "time": time})).await;
        assert_eq!(answer["status"], "offered", "{date} {time}: {answer}");
        let slots = answer["slots"].as_array().expect("slots");
        assert!((1..=3).contains(&slots.len()), "{answer}");
        assert!(slots.iter().all(|slot| slot["slot_id"].is_string() && slot["held_until"].is_string()), "{answer}");
    }
    let nothing = call.say("check_availability", json!({"service": "Beratung"})).await;
    assert_eq!(nothing["status"], "needs_input", "{nothing}");
}

#[tokio::test]
async fn unclear_words_are_one_question() {
    let house = House::open().await;
    let call = house.call("salon", "c1", ANNA);
    for (date, time, reason) in [
        ("nächsten Freitag", "10 Uhr", "ambiguous_time"),
        ("Dienstag, 18. März", "10 Uhr", "contradiction"),
        ("Blumentag", "10 Uhr", "not_understood"),
        ("17.06.2024", "10 Uhr", "in_the_past"),
        ("29.03.2026", "02:30", "nonexistent_time"),
        ("25.10.2026", "02:30", "ambiguous_time"),
    ] {
        let answer = call.say("check_availability", json!({"service": "Beratung", "date": date, "time": time})).await;
        assert_eq!(answer["status"], "needs_input", "{date} {time}: {answer}");
        assert_eq!(answer["reason"], reason, "{date} {time}: {answer}");
    }
}

#[tokio::test]
async fn a_name_said_once_is_not_asked_for_again() {
    let house = House::open().await;
    let call = house.call("salon", "c1", ANNA);
    let slot = call.slot("Beratung", "Freitag", "15 Uhr").await;
    let unnamed = call.say("book_appointment", json!({"slot_id": slot})).await;
    assert_eq!(unnamed["status"], "needs_input", "{unnamed}");
    assert_eq!(unnamed["missing"], json!(["name"]));
    let booked = call.say("book_appointment", json!({"slot_id": slot, "name": "Anna Schmidt"})).await;
    assert_eq!(booked["status"], "booked", "{booked}");
    let next = house.call("salon", "c2", ANNA);
    let slot = next.slot("Beratung", "Freitag", "16 Uhr").await;
    let known = next.say("book_appointment", json!({"slot_id": slot})).await;
    assert_eq!(known["status"], "booked", "a known caller is not asked: {known}");
}

#[tokio::test]
async fn anonymous_callers_are_served_with_a_name_only() {
    let house = House::open().await;
    for (number, (from, time)) in [("anonymous", "9 Uhr"), ("unknown", "10 Uhr"), ("", "11 Uhr")].into_iter().enumerate() {
        let id = format!("c{number}");
        house.call("salon", &id, from).booked("Beratung", "Montag", time, "Max Muster").await;
    }
}

#[tokio::test]
async fn an_old_agents_two_step_function_books_once() {
    let house = House::open().await;
    let call = house.call("salon", "c1", ANNA);
    let args = json!({"datum": "13.03.2026", "uhrzeit": "14:00", "dienstleistung": "Herrenhaarschnitt", "name": "Anna Schmidt"});
    let mut body = json!({"name": "collect_appointment_data", "args": args, "call": call.envelope()});
    body["args"]["bestaetigung"] = json!(false);
    let first = call.post("/api/retell/collect-appointment", &body).await;
    assert_eq!(first["status"], "available", "{first}");
    assert_eq!(first["outcome"], "available", "{first}");
    assert_eq!(first["awaiting_confirmation"], true, "{first}");
    body["args"]["bestaetigung"] = json!(true);
    let second = call.post("/api/retell/collect-appointment", &body).await;
    assert_eq!(second["status"], "booked", "{second}");
    house.wait(SignedDuration::from_secs(10));
    let third = call.post("/api/retell/collect-appointment", &body).await;
    assert_eq!(third["status"], "booked", "{third}");
    assert_eq!(third["appointment_id"], second["appointment_id"]);
}

#[tokio::test]
async fn the_old_v17_pair_books_once() {
    let house = House::open().await;
    let call = house.call("salon", "c1", ANNA);
    let args = json!({"datum": "morgen", "uhrzeit": "14 Uhr", "dienstleistung": "Herrenhaarschnitt", "name": "Anna Schmidt"});
    let body = json!({"name": "check_availability_v17", "args": args, "call": call.envelope()});
    let free = call.post("/api/retell/v17/check-availability", &body).await;
    assert_eq!(free["outcome"], "available", "{free}");
    let body = json!({"name": "book_appointment_v17", "args": args, "call": call.envelope()});
    let booked = call.post("/api/retell/v17/book-appointment", &body).await;
    assert_eq!(booked["outcome"], "booked", "{booked}");
    let again = call.post("/api/retell/v17/book-appointment", &body).await;
    assert_eq!(again["booking_id"], booked["booking_id"]);
}

#[tokio::test]
async fn arguments_alone_are_a_body_when_the_address_names_the_function() {
    let house = House::open().await;
    let body = json!({"service": "Beratung", "date": "morgen", "time": "15 Uhr"});
    let (status, answer) =
        house.signed(&key_of("salon"), "/api/t/salon/retell/functions/check_availability", body.to_string()).await;
    assert_eq!(status, 200);
    assert_eq!(answer["status"], "available", "{answer}");
    let slot = answer["slots"][0]["slot_id"].clone();
    let booked = house.call("salon", "c1", ANNA).say("book_appointment", json!({"slot_id": slot, "name": "Anna"})).await;
    assert_eq!(booked["status"], "booked", "a slot without a call may be booked by any request: {booked}");
}

#[tokio::test]
async fn an_anonymous_caller_who_says_it_again_later_is_answered_again() {
    let house = House::open().await;
    let call = house.call("salon", "c1", "anonymous");
    let slot = call.slot("Beratung", "Montag", "10 Uhr").await;
    let args = json!({"slot_id": slot, "name": "Anna Schmidt"});
    let booked = call.say("book_appointment", args.clone()).await;
    assert_eq!(booked["status"], "booked", "{booked}");
    house.wait(SignedDuration::from_secs(10));
    let again = call.say("book_appointment", args).await;
    assert_eq!((&again["status"], &again["booking_id"]), (&json!("booked"), &booked["booking_id"]), "{again}");
    let words = json!({"service": "Beratung", "date": "Montag", "time": "10 Uhr", "name": "Anna Schmidt"});
    let again = call.say("book_appointment", words).await;
    assert_eq!((&again["status"], &again["booking_id"]), (&json!("booked"), &booked["booking_id"]), "{again}");
    let stranger = house
        .call("salon", "c2", "anonymous")
        .say("book_appointment", json!({"service": "Beratung", "date": "Montag", "time": "10 Uhr", "name": "Anna Schmidt"}))
        .await;
    assert_ne!(stranger["status"], "booked", "nobody else hears of it: {stranger}");
}
