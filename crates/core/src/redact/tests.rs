//! What must not be readable afterwards, what must be, and that nothing falls over in between.

use proptest::prelude::*;
use serde_json::json;

use super::*;

fn redactor() -> Redactor {
    Redactor::new(&[7; 32])
}

fn all(text: &str) -> String {
    redactor().text(text, Depth::Everything).into_owned()
}

#[test]
fn keys_cards_accounts_and_numbers_are_found_wherever_they_stand() {
    for (text, secret) in [
        ("Authorization: Bearer abc.def.ghi123", "abc.def"),
        ("sent with bearer 0a1b2c3d4e", "0a1b2c3d4e"),
        ("Basic dXNlcjpwYXNzd29yZA==", "dXNlc"),
        ("key cal_live_8f7e6d5c4b3a", "8f7e6d5c4b3a"),
        ("key_2d1f0e9c8b7a6d5e is wrong", "2d1f0e9c8b7a6d5e"),
        ("fd_q1w2e3r4t5y6u7i8o9p0", "q1w2e3r4t5"),
        ("sk_test_4eC39HqLyjWDarjtT1zdp7dc", "4eC39HqLyj"),
        ("digest 9e107d9d372bb6826bd81d3542a419d6 sent", "9e107d9d372b"),
        ("redis://:hunter2secret@cache:6379/0", "hunter2secret"),
        ("https://anna:geheim@cal.example/v2", "geheim"),
        ("?token=abcdef&x=1", "abcdef"),
        ("{\"password\":\"hunter two\",\"x\":1}", "hunter two"),
        ("{\\\"api_key\\\":\\\"hunter2\\\"}", "hunter2"),
        ("Cookie: session=abc; theme=dark", "session=abc"),
        ("Set-Cookie: id=a3fWa; Path=/", "a3fWa"),
        ("pay with 4111 1111 1111 1111 please", "4111 1111"),
        ("card 5500-0055-5555-5559.", "5500-0055"),
        ("amex 378282246310005", "378282246310005"),
        ("IBAN DE89 3704 0044 0532 0130 00 bitte", "3704 0044"),
        ("GB82WEST12345698765432", "WEST12345698"),
        ("call +49 151 23456789 back", "23456789"),
        ("call +4915123456789", "15123456789"),
        ("tel 0151 23456789", "23456789"),
        ("tel (030) 1234567", "1234567"),
        ("0049 30 123456", "123456"),
        ("4915123456789", "15123456789"),
        ("415-555-2671 is hers", "555-2671"),
        ("mail anna.schmidt@example.org today", "anna"),
        ("jörg@müller.example", "jörg"),
        ("name=Anna&x=1", "Anna"),
        ("\"customer_name\": \"Anna Schmidt\"", "Schmidt"),
        ("telefon=\"030 12\"", "030 12"),
        ("null eins fünf eins zwei drei vier fünf", "zwei drei"),
        ("my number is oh one five one two three four", "one two three"),
        ("double four seven nine one two three", "seven nine"),
        ("max punkt mueller at gmail punkt com", "mueller"),
        ("alex dot rivera at gmail dot com please", "rivera"),
    ] {
        let redacted = all(text);
        assert!(!redacted.contains(secret), "{text:?} -> {redacted:?}");
        assert!(redacted.contains("REDACTED]") || redacted.contains("[email:"), "{text:?} -> {redacted:?}");
    }
}

/// Look-alikes: what operators need to read.
const READABLE: [&str; 64] = [
    "service_name=Herrenhaarschnitt",
    "author=anna",
    "capacity=12",
    "tokenizer=bpe",
    "function_name=book_appointment",
    "business_name=Salon Emma",
    "host_name=db1",
    "file_name=frontdesk.toml",
    "event_name: call_ended",
    "authority: cal.com",
    "authenticated=true",
    "velocity=3",
    "keyboard=de",
    "primary_key=id",
    "monkey=1",
    "passengers=4",
    "tokens_total is a counter",
    "secretary is a word",
    "emailed yesterday",
    "phonetic=ok",
    "ip_address=127.0.0.1",
    "f47ac10b-58cc-4372-a567-0e02b2c3d479",
    "id 12345678-1234-1234-1234-123456789012 done",
    "2026-03-13T14:00:00+01:00",
    "2026-03-13T14:00:00.123456Z",
    "2026-03-13 14:00:00",
    "2026-03-13",
    "13.03.2026 14:00",
    "1773306000000",
    "1773306000",
    "1773306000123456",
    "45,00 EUR",
    "1.234,56 €",
    "$1,299.00",
    "0.00012345",
    "3.14159265358979",
    "99.95%",
    "12 ms",
    "14:30",
    "09:00-18:00",
    "127.0.0.1:8080",
    "[::1]:8080",
    "v1.2.3",
    "0.1.0",
    "build 4f2a9c1",
    "b_8q40z9y7x6w5v4u3t2s1r0q9p8",
    "i_0000000000000000000000000c",
    "s_7f3a0b1c2d3e4f5a6b7c8d9e0f",
    "acct_0a1b2c3d4e5f",
    "rate_limit:salon:booking",
    "key_value store",
    "sk_learn",
    "cal_com",
    "fd_count=12",
    "eventTypeId=101",
    "Termin um halb drei",
    "um zwei oder drei Uhr",
    "at half past two",
    "we met at noon dot",
    "the basic plan",
    "the bearer of news",
    "order 4111 1111 1111 1112",
    "DE89 is a route",
    "Room 101, floor 3, 4 people",
];

#[test]
fn look_alikes_stay_readable() {
    for text in READABLE {
        assert_eq!(all(text), text);
    }
}

#[test]
fn a_name_decides_about_its_value() {
    let redactor = redactor();
    let field = |name: &str, value: &str| redactor.field(name, value, Depth::KeysOnly).into_owned();
    for name in ["password", "apiKey", "API_KEY", "x-api-key", "accessToken", "Authorization", "cookie", "passwort", "cvv"] {
        assert_eq!(field(name, "abc"), SECRET, "{name}");
    }
    for name in [
        "name",
        "customer_name",
        "firstName",
        "Vorname",
        "phone_number",
        "from_number",
        "Telefon",
        "strasse",
        "PLZ",
        "geburtsdatum",
        "notes",
    ] {
        assert_eq!(field(name, "abc"), PERSONAL, "{name}");
    }
    for name in ["service_name", "author", "capacity", "tokenizer", "function_name", "ip_address", "key", "zipper", "numbers"] {
        assert_eq!(field(name, "abc"), "abc", "{name}");
    }
    assert_eq!(field("address", "127.0.0.1:8080"), "127.0.0.1:8080");
    assert_eq!(field("address", "Hauptstraße 1"), PERSONAL);
}

#[test]
fn the_same_person_can_be_followed_without_being_known() {
    let one = all("anna@example.org wrote");
    assert_eq!(one, all("ANNA@Example.org wrote"));
    assert_ne!(one, all("bernd@example.org wrote"));
    assert_ne!(one, Redactor::new(&[8; 32]).text("anna@example.org wrote", Depth::Everything));
    assert!(one.ends_with("@example.org] wrote") && one.starts_with("[email:"), "{one}");
}

#[test]
fn without_free_text_findings_keys_and_names_are_still_kept_out() {
    let text = "Bearer abc123def456 of anna@example.org, +4915123456789, password=hunter2";
    let redacted = redactor().text(text, Depth::KeysOnly).into_owned();
    assert!(!redacted.contains("abc123") && !redacted.contains("hunter2"), "{redacted}");
    assert!(redacted.contains("anna@example.org") && redacted.contains("+4915123456789"), "{redacted}");
    assert!(redactor().would_find(text));
}

#[test]
fn documents_are_redacted_at_any_depth() {
    let mut document = json!({
        "attendee": {"name": "Anna Schmidt", "email": "anna@example.org", "phoneNumber": "+4915123456789", "timeZone": "Europe/Berlin"},
        "metadata": {"frontdesk_intent": "i_0000000000000000000000000c", "tokens": ["a"], "secret": {"a": [1, 2]}},
        "guests": ["bernd@example.org"],
        "message": "no user anna@example.org",
        "card": 4_111_111_111_111_111u64,
        "start": "2026-03-13T14:00:00+01:00",
        "minutes": 55,
    });
    redactor().json(&mut document, Depth::Everything);
    let text = document.to_string();
    for secret in ["Anna", "anna@", "bernd@", "491512", "4111111", "[1,2]"] {
        assert!(!text.contains(secret), "{secret}: {text}");
    }
    for kept in ["Europe/Berlin", "i_0000000000000000000000000c", "2026-03-13T14:00:00+01:00", "55"] {
        assert!(text.contains(kept), "{kept}: {text}");
    }
}

#[test]
fn headers_that_carry_keys_say_nothing() {
    let redactor = redactor();
    for name in
        ["Authorization", "Cookie", "set-cookie", "X-Api-Key", "X-Retell-Signature", "Proxy-Authorization", "x-cal-signature-256"]
    {
        assert_eq!(redactor.header(name, "whatever"), SECRET, "{name}");
    }
    assert_eq!(redactor.header("content-type", "application/json"), "application/json");
    assert!(!redactor.header("referer", "https://x.example/?email=anna@example.org").contains("anna"));
}

proptest! {
    /// Any text, in any language, broken anywhere: no panic, and a second pass finds nothing new.
    #[test]
    fn any_text_is_redacted_once_and_for_all(text in "\\PC{0,200}") {
        let once = all(&text);
        prop_assert_eq!(&all(&once), &once);
    }

    #[test]
    fn any_mixture_of_suspicious_pieces_is_survived(pieces in prop::collection::vec(prop::sample::select(vec![
        "@", ".", "+49", "0", "151", "ü", " ", "=", ":", "\"", "\\", "name", "token", "_", "cal", "key_", "Bearer ", "4111", "DE89", "-",
        "://", "null ", "eins ", "at ", "punkt ", "é", "2026-03-13", "T14", "/", "(", ")", "{", "}", "&", "ab12", "\n",
    ]), 0..40)) {
        let text = pieces.concat();
        let once = all(&text);
        let _ = redactor().text(&once, Depth::KeysOnly);
    }

    /// A planted number, whatever surrounds it, is not readable afterwards.
    #[test]
    fn a_planted_phone_number_is_found(number in 1_000_000_000u64..9_999_999_999, before in "[a-z ,.;]{0,20}", after in "[ ,;][a-z ]{0,20}") {
        let planted = format!("+49{number}");
        let text = format!("{before} {planted}{after}");
        prop_assert!(!all(&text).contains(&number.to_string()));
    }
}
