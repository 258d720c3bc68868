//! What a tenant's file may say.

use frontdesk_core::tenant::CalendarKind;
use jiff::SignedDuration;

use super::*;

const SALON: &str = include_str!("../../../../../examples/tenants/salon.toml");
const PRACTICE: &str = include_str!("../../../../../examples/tenants/practice.toml");

fn read(text: &str) -> TenantFile {
    TenantFile::parse("t.toml", text).unwrap_or_else(|problems| panic!("{problems}\n{text}"))
}

/// The problems of the example after `from` became `to`, without the name of the file.
fn broken(example: &str, from: &str, to: &str) -> Vec<String> {
    assert!(example.contains(from), "{from}");
    let text = example.replacen(from, to, 1);
    match TenantFile::parse("", &text) {
        Ok(_) => Vec::new(),
        Err(problems) => problems.iter().map(ToString::to_string).collect(),
    }
}

#[test]
fn a_salon_on_cal_com_is_read_as_written() {
    let TenantFile { tenant, secrets } = read(SALON);
    assert_eq!((tenant.slug.as_str(), tenant.name.as_str(), tenant.time_zone.name()), ("salon", "Salon Emma", "Europe/Berlin"));
    assert_eq!(tenant.phone_numbers[0].e164(), "+4930111111");
    assert_eq!(tenant.calendar, CalendarKind::Calcom { base_url: "https://api.cal.com".to_owned(), verify_after_ms: 0 });
    assert_eq!(tenant.services[2].minutes, 105);
    assert_eq!(tenant.staff[0].calcom_event_types["Herrenhaarschnitt"], 102);
    assert_eq!(tenant.staff[0].hours.as_ref().expect("own hours").0[2].as_ref().map(Vec::len), Some(1));
    assert_eq!(tenant.hours.as_ref().expect("hours").week.0[0].as_ref().map(Vec::len), Some(2));
    assert_eq!(tenant.closures[0].reason, "Weihnachten");
    assert_eq!(tenant.policy.min_notice, SignedDuration::from_hours(2));
    assert_eq!(tenant.policy.horizon, SignedDuration::from_hours(90 * 24));
    assert_eq!(tenant.rate_limit["booking"], 60);
    assert_eq!(secrets.retell_api_key, Some(SecretSource::Env("SALON_RETELL_KEY".to_owned())));
    assert_eq!(secrets.retell_previous_api_key, None);
    let rotating = SALON.replace("# previous_api_key", "previous_api_key");
    assert!(read(&rotating).secrets.retell_previous_api_key.is_some());
}

#[test]
fn a_practice_on_the_built_in_calendar_is_read_as_written() {
    let TenantFile { tenant, secrets } = read(PRACTICE);
    assert_eq!(tenant.calendar, CalendarKind::Builtin);
    assert_eq!(secrets.calcom_api_key, None);
    assert_eq!(tenant.staff[1].hours.as_ref().expect("own hours").0[0].as_deref(), Some(&[][..]));
    assert!(check_together([&tenant, &read(SALON).tenant]).is_empty());
}

#[test]
fn the_least_file_gets_the_defaults() {
    let tenant = read(
        "slug = \"a\"\nname = \"A\"\ntime_zone = \"UTC\"\nlanguage = \"en\"\n[calendar]\nkind = \"builtin\"\n\
         [[services]]\nname = \"Talk\"\nminutes = 5\n[hours]\nmon = [\"09:00-10:00\", \"10:00-11:00\"]\n",
    )
    .tenant;
    assert_eq!(tenant.policy, frontdesk_core::tenant::Policy::default());
    assert!(tenant.staff.is_empty() && tenant.agent_ids.is_empty() && tenant.rate_limit.is_empty());
    let monday = tenant.hours.expect("hours").week.0[0].clone().expect("monday");
    assert_eq!(monday.iter().map(ToString::to_string).collect::<Vec<_>>(), ["09:00-11:00"]);
}

#[test]
fn each_wrong_value_of_a_salon_is_told_with_what_would_be_right() {
    for (from, to, problem) in [
        (
            "slug = \"salon\"",
            "slug = \"Salon\"",
            r#"slug: found "Salon", expected 1 to 63 of a-z, 0-9 and -, with no - at either end"#,
        ),
        ("name = \"Salon Emma\"", "name = \"  \"", r#"name: found "  ", expected a name of 1 to 150 characters"#),
        ("slug = \"salon\"\n", "", "slug: found nothing, expected 1 to 63 of a-z, 0-9 and -, with no - at either end"),
        (
            "\"Europe/Berlin\"",
            "\"Europe/Belrin\"",
            r#"time_zone: found "Europe/Belrin", expected an IANA time zone such as "Europe/Berlin" (did you mean "Europe/Berlin"?)"#,
        ),
        ("language = \"de\"", "language = \"fr\"", r#"language: found "fr", expected "de" or "en""#),
        (
            "api_key = \"env:SALON_RETELL_KEY\"\n",
            "",
            "retell.api_key: found nothing, expected the Retell API key of these agents",
        ),
        ("[\"agent_salon\"]", "[\"\"]", r#"retell.agent_ids[0]: found "", expected an agent's id of 1 to 100 characters"#),
        ("[\"agent_salon\"]", "[\"a\", \"a\"]", r#"retell.agent_ids[1]: found "a", expected each only once"#),
        (
            "\"+4930111111\"",
            "\"030 111111\"",
            r#"retell.phone_numbers[0]: found "030 111111", expected a number with its country such as "+4930111111""#,
        ),
        ("kind = \"calcom\"", "kind = \"google\"", r#"calendar.kind: found "google", expected "calcom" or "builtin""#),
        (
            "https://api.cal.com\"",
            "https://api.cal.com/v2\"",
            r#"calendar.base_url: found a text, expected an http or https address without a path, such as "https://api.cal.com""#,
        ),
        (
            "verify_after = \"0s\"",
            "verify_after = 0",
            r#"calendar.verify_after: found 0, expected a duration from "0s" to "1d", as a text with ms, s, min, h or d"#,
        ),
        ("api_key = \"env:SALON_CALCOM_KEY\"\n", "", "calendar.api_key: found nothing, expected the Cal.com API key"),
        (
            "webhook_secret = \"env:SALON_CALCOM_WEBHOOK_SECRET\"",
            "webhook_secret = \"env:my secret\"",
            "calendar.webhook_secret: found a text, expected env:NAME, file:PATH or the secret itself",
        ),
        ("minutes = 55", "minutes = \"abc\"", r#"services[0].minutes: found "abc", expected a whole number from 5 to 480"#),
        ("minutes = 55", "minutes = 481", "services[0].minutes: found 481, expected a whole number from 5 to 480"),
        ("minutes = 55\n", "", "services[0].minutes: found nothing, expected a whole number from 5 to 480"),
        (
            "minutes = 55",
            "minuets = 55\nminutes = 55",
            r#"services[0].minuets: found an unknown key, expected a known key (did you mean "minutes"?)"#,
        ),
        ("buffer_after = 0", "buffer_after = 241", "services[0].buffer_after: found 241, expected a whole number from 0 to 240"),
        (
            "calcom_event_type_id = 103",
            "",
            "services[1].calcom_event_type_id: found nothing, expected the Cal.com event type, here or under calcom_event_types of somebody in staff",
        ),
        (
            "name = \"Damenhaarschnitt\"",
            "name = \"Damenhaarschnitt\"\ncalcom_event_type = 1",
            r#"services[1].calcom_event_type: found an unknown key, expected a known key (did you mean "calcom_event_type_id"?)"#,
        ),
        (
            "\"Frauenhaarschnitt\"",
            "\"herrenhaarschnitt\"",
            r#"services[1].synonyms[0]: found "herrenhaarschnitt", expected a word that services[0] does not have"#,
        ),
        (
            "\"Frauenhaarschnitt\"",
            "\"Haarschnitt  herren\"",
            r#"services[1].synonyms[0]: found "Haarschnitt  herren", expected a word that services[0] does not have"#,
        ),
        (
            "calcom_event_type_id = 104",
            "calcom_event_type_id = 104\nminutes = 75",
            "services[2].minutes: found 75, expected 105, the sum of its segments and gaps",
        ),
        (
            "gap_after = 30",
            "gap_after = 406",
            "services[2]: found segments of 481 minutes, expected segments of 5 to 480 minutes",
        ),
        (
            "minutes = 35",
            "minutes = 35\ngap_after = 5",
            "services[2].segments[1].gap_after: found 5, expected 0, as nothing follows the last segment",
        ),
        ("minutes = 40\n", "", "services[2].segments[0].minutes: found nothing, expected a whole number from 1 to 480"),
        (
            "services = [\"Herrenhaarschnitt\"]",
            "services = [\"Herenhaarschnitt\"]",
            r#"staff[1].services[0]: found "Herenhaarschnitt", expected one of the services "Herrenhaarschnitt", "Damenhaarschnitt", "Färben" (did you mean "Herrenhaarschnitt"?)"#,
        ),
        ("name = \"Karim\"", "name = \"EMMA\"", r#"staff[1].name: found "EMMA", expected a name that nobody else in staff has"#),
        (
            "calcom_host_id = 8",
            "calcom_event_types = { \"Färben\" = 9 }",
            r#"staff[1].calcom_event_types."Färben": found 9, expected an event type for one of this person's services "Herrenhaarschnitt""#,
        ),
        ("calcom_host_id = 8", "calcom_host_id = 0", "staff[1].calcom_host_id: found 0, expected a whole number, at least 1"),
        (
            "{ wed = [\"10:00-16:00\"] }",
            "{ wed = [\"10-16\"] }",
            r#"staff[0].hours.wed[0]: found "10-16", expected a span such as "09:00-12:30""#,
        ),
        (
            "{ wed = [\"10:00-16:00\"] }",
            "{ holidays = \"DE-BE\" }",
            "staff[0].hours.holidays: found an unknown key, expected one of mon, tue, wed, thu, fri, sat, sun",
        ),
        (
            "\"13:00-18:00\"]",
            "\"11:00-18:00\"]",
            r#"hours.mon[1]: found "11:00-18:00", expected a span after 09:00-12:00, in order and not overlapping"#,
        ),
        (
            "holidays = \"DE-BE\"",
            "holidays = \"\"",
            r#"hours.holidays: found "", expected a region such as "DE-BE", or a list of dates"#,
        ),
        ("holidays = \"DE-BE\"", "holidays = [2026-02-30]", ""),
        (
            "holidays = \"DE-BE\"",
            "holidays = [\"2026-02-30\"]",
            r#"hours.holidays[0]: found "2026-02-30", expected a date such as "2026-12-24""#,
        ),
        ("to = \"2026-12-26\"", "to = 2026-12-23", "closures[0].to: found 2026-12-23, expected a date not before 2026-12-24"),
        (
            "from = \"2026-12-24\"\n",
            "",
            r#"closures[0].from: found nothing, expected the first closed day, such as "2026-12-24""#,
        ),
        (
            "min_notice = \"2h\"",
            "min_notice = \"-2h\"",
            r#"policy.min_notice: found "-2h", expected a duration from "0s" to "730d", as a text with ms, s, min, h or d"#,
        ),
        (
            "horizon = \"90d\"",
            "horizon = \"2h\"",
            r#"policy.horizon: found "2h", expected a horizon longer than min_notice (without a horizon it is 60d)"#,
        ),
        (
            "horizon = \"90d\"",
            "horizon = \"731d\"",
            r#"policy.horizon: found "731d", expected a duration from "0s" to "730d", as a text with ms, s, min, h or d"#,
        ),
        (
            "\"empfang@salon.example\"",
            "\"empfang\"",
            r#"notify.email[0]: found "empfang", expected a mail address such as "desk@salon.example""#,
        ),
        (
            "webhook_url = \"\"",
            "webhook_url = \"ftp://x\"",
            r#"notify.webhook_url: found a text, expected an http or https address, or "" for none"#,
        ),
        (
            "booking = \"60/min\"",
            "booking = \"10001/min\"",
            r#"rate_limit.booking: found "10001/min", expected a rate per minute such as "30/min", from "1/min" to "10000/min""#,
        ),
        (
            "booking = \"60/min\"",
            "bookings = \"60/min\"",
            r#"rate_limit.bookings: found an unknown key, expected a known key (did you mean "booking"?)"#,
        ),
    ] {
        let found = broken(SALON, from, to);
        if problem.is_empty() {
            assert_eq!(found.len(), 1, "{to}");
        } else {
            assert_eq!(found, [problem], "{to}");
        }
    }
}

#[test]
fn each_wrong_value_of_a_practice_is_told_with_what_would_be_right() {
    let (before, hours) = PRACTICE.split_once("[hours]").expect("hours");
    let (_, after) = hours.split_once("[[closures]]").expect("closures");
    let without_hours = format!("{before}[[closures]]{after}");
    let with_none = format!("{before}[hours]\nmon = []\n[[closures]]{after}");
    for (text, problem) in [
        (without_hours, "hours: found nothing, expected [hours] with at least one weekday: the built-in calendar opens by them"),
        (with_none, "hours: found no opening, expected at least one weekday with a span"),
    ] {
        assert_eq!(broken(&text, "slug", "slug"), [problem]);
    }
    for (from, to, problem) in [
        (
            "kind = \"builtin\"",
            "kind = \"builtin\"\napi_key = \"secret\"",
            "calendar.api_key: found a text, expected no api_key: the built-in calendar is no account elsewhere",
        ),
        (
            "services = [\"First consultation\", \"Follow-up\"]",
            "services = [\"Follow-up\"]",
            "services[0]: found a service that nobody does, expected somebody in staff whose services name it",
        ),
        (
            "name = \"Follow-up\"",
            "name = \"Followup\"",
            r#"staff[0].services[1]: found "Follow-up", expected one of the services "First consultation", "Followup" (did you mean "Followup"?)"#,
        ),
        (
            "services = [\"Follow-up\"]",
            "services = []",
            "staff[1].services: found a list, expected a list of at least one service's name",
        ),
    ] {
        assert_eq!(broken(PRACTICE, from, to)[..1], [problem], "{to}");
    }
}

#[test]
fn as_many_problems_are_told_as_there_are_in_the_order_of_the_file() {
    let faults = [
        ("language = \"de\"", "language = \"xx\""),
        ("[\"agent_salon\"]", "[7]"),
        ("verify_after = \"0s\"", "verify_after = \"soon\""),
        ("minutes = 55", "minutes = 3"),
        ("buffer_before = 0", "buffer_before = -1"),
        ("minutes = 60", "minutes = 60\nprice = 20"),
        ("gap_after = 30", "gap_after = \"30m\""),
        ("calcom_host_id = 7", "calcom_host_id = -7"),
        ("thu = [\"09:00-20:00\"]", "thu = \"09:00-20:00\""),
        ("reason = \"Weihnachten\"", "reason = 5"),
        ("cancel_notice = \"24h\"", "cancel_notice = \"24\""),
        ("\"empfang@salon.example\"", "\"empfang@\""),
        ("booking = \"60/min\"", "booking = \"0/min\""),
    ];
    // Every subset of neighbouring faults, so that no fault hides or adds another.
    for from in 0..faults.len() {
        for to in from..faults.len() {
            let text = faults[from..=to].iter().fold(SALON.to_owned(), |text, (right, wrong)| {
                assert!(text.contains(right), "{right}");
                text.replacen(right, wrong, 1)
            });
            let problems = TenantFile::parse("t.toml", &text).expect_err("faults");
            assert_eq!(problems.len(), to - from + 1, "{problems}");
            assert!(problems.iter().is_sorted_by_key(|problem| problem.line), "{problems}");
        }
    }
}

#[test]
fn what_is_missing_is_told_with_the_line_of_its_table() {
    let text = SALON.replace("calcom_event_type_id = 103\n", "").replace("from = \"2026-12-24\"\n", "");
    let problems = TenantFile::parse("t.toml", &text).expect_err("missing");
    let line =
        |index: usize| problems.iter().nth(index).and_then(|problem| problem.line).and_then(|line| text.lines().nth(line - 1));
    assert_eq!((problems.len(), line(0), line(1)), (2, Some("[[services]]"), Some("[[closures]]")), "{problems}");
}

#[test]
fn an_empty_file_lacks_what_every_tenant_needs() {
    let problems = TenantFile::parse("t.toml", "").expect_err("empty");
    let paths: Vec<&str> = problems.iter().map(|problem| problem.path.as_str()).collect();
    assert_eq!(paths, ["slug", "name", "time_zone", "language", "calendar", "services"]);
}

#[test]
fn tenants_may_not_share_a_slug_an_agent_or_a_number() {
    let salon = read(SALON).tenant;
    let mut other = read(PRACTICE).tenant;
    other.agent_ids.push("agent_salon".to_owned());
    other.phone_numbers.push(salon.phone_numbers[0].clone());
    assert_eq!(
        check_together([&salon, &other]).to_string(),
        "tenant practice: retell.agent_ids[1]: found \"agent_salon\", expected an agent that tenant salon does not have\n\
         tenant practice: retell.phone_numbers[1]: found \"+4930111111\", expected a number that tenant salon does not have"
    );
    assert_eq!(
        check_together([&salon, &salon]).to_string(),
        "tenant salon: slug: found \"salon\", expected a slug that no other tenant has"
    );
}

#[test]
fn an_unset_secret_keeps_the_stored_one_and_a_missing_one_is_forgotten() {
    let sources = read(SALON).secrets;
    let stored = TenantSecrets {
        retell_api_key: Some(Secret::new("old")),
        retell_previous_api_key: Some(Secret::new("older")),
        ..TenantSecrets::default()
    };
    let env = |name: &str| (name == "SALON_CALCOM_KEY").then(|| "cal_live".to_owned());
    let resolved = sources.resolve(&env, &|_| Err(std::io::ErrorKind::NotFound.into())).expect("no problem");
    let (secrets, warnings) = resolved.over(&stored);
    assert_eq!(secrets.retell_api_key, Some(Secret::new("old")));
    assert_eq!(secrets.retell_previous_api_key, None);
    assert_eq!(secrets.calcom_api_key, Some(Secret::new("cal_live")));
    assert_eq!(
        warnings,
        [
            "retell.api_key: env:SALON_RETELL_KEY is not set; the stored secret is kept",
            "calendar.webhook_secret: env:SALON_CALCOM_WEBHOOK_SECRET is not set; and none is stored yet",
        ]
    );
}

#[test]
fn inline_tables_and_odd_shapes_are_read_or_refused_but_never_break() {
    let base = "slug = \"a\"\nname = \"A\"\ntime_zone = \"UTC\"\nlanguage = \"en\"\ncalendar = { kind = \"builtin\" }\nhours.mon = [\"9:00-10:00\"]\n";
    assert_eq!(read(&format!("{base}services = [{{ name = \"Talk\", minutes = 0x1e }}]")).tenant.services[0].minutes, 30);
    for rest in [
        "services = 5",
        "services = {}",
        "services = [[]]",
        "services = [5, { name = 1 }]",
        "services = [{ name = \"T\", minutes = 5, segments = 5 }]",
        "services = [{ name = \"T\", minutes = 99999999999999999999 }]",
        "[[services]]\nname = \"T\"\nminutes = 5\n[staff]",
        "[[services]]\nname = \"T\"\nminutes = 5\n[[staff]]\nname = \"\\u0007\"\nservices = [\"T\"]",
        "retell = []\n[[services]]\nname = \"T\"\nminutes = 5",
    ] {
        let problems = TenantFile::parse("t.toml", &format!("{base}{rest}")).expect_err(rest);
        assert!(!problems.to_string().contains('\u{7}'), "{problems}");
    }
}

const PERM: &str = "slug = \"a\"\nname = \"A\"\ntime_zone = \"Europe/Berlin\"\nlanguage = \"de\"\n\
    [calendar]\nkind = \"calcom\"\napi_key = \"cal_x\"\n\
    [[services]]\nname = \"Perm\"\n\
    [[services.segments]]\nname = \"Wind\"\nminutes = 50\ngap_after = 15\ncalcom_event_type_id = 301\n\
    [[services.segments]]\nname = \"Rinse\"\nminutes = 15\ncalcom_event_type_id = 302\n\
    [[staff]]\nname = \"Jo\"\nservices = [\"Perm\"]\n";

#[test]
fn segments_may_have_event_types_of_their_own() {
    use frontdesk_core::slot::Line;
    let tenant = read(PERM).tenant;
    let lines = Line::of(&tenant, &tenant.services[0], None);
    let types: Vec<i64> = lines[0].parts.iter().map(|part| part.event_type).collect();
    assert_eq!((lines.len(), lines[0].staff.as_deref(), lines[0].event_type, types), (1, Some("Jo"), None, vec![301, 302]));
    assert_eq!(lines[0].parts[1].after, SignedDuration::from_mins(65));

    let own =
        "[[staff]]\nname = \"Al\"\nservices = [\"Perm\"]\ncalcom_event_types = { \"Perm/Wind\" = 311, \"Perm/Rinse\" = 312 }\n";
    let tenant = read(&format!("{PERM}{own}")).tenant;
    let lines = Line::of(&tenant, &tenant.services[0], Some("Al"));
    assert_eq!(lines[0].parts.iter().map(|part| part.event_type).collect::<Vec<_>>(), [311, 312]);
    assert_eq!(lines[0].resources, [frontdesk_core::slot::Resource::staff("Al")]);

    let whole = PERM.replace("calcom_event_type_id = 301\n", "").replace("calcom_event_type_id = 302\n", "");
    let whole = whole.replace("name = \"Perm\"\n", "name = \"Perm\"\ncalcom_event_type_id = 300\n");
    let tenant = read(&whole).tenant;
    let lines = Line::of(&tenant, &tenant.services[0], None);
    assert_eq!((lines[0].event_type, lines[0].parts.len()), (Some(300), 0));
}

#[test]
fn event_types_of_segments_that_do_not_add_up_are_told_all_at_once() {
    for (from, to, problem) in [
        (
            "calcom_event_type_id = 302\n",
            "",
            "services[0].segments[1].calcom_event_type_id: found nothing, expected the Cal.com event type of this segment, as other segments have one",
        ),
        (
            "name = \"Perm\"\n",
            "name = \"Perm\"\ncalcom_event_type_id = 300\n",
            "services[0].calcom_event_type_id: found 300, expected no event type for the whole, as its segments have their own",
        ),
        (
            "calcom_event_type_id = 302",
            "calcom_event_type_id = 301",
            "services[0].segments[1].calcom_event_type_id: found 301, expected an event type of 15 minutes; that one has 50",
        ),
        (
            "calcom_event_type_id = 302",
            "calcom_event_type_id = 0",
            "services[0].segments[1].calcom_event_type_id: found 0, expected a whole number, at least 1",
        ),
        (
            "[[staff]]",
            "[[staff]]\nname = \"Al\"\nservices = [\"Perm\"]\n[[staff]]",
            "services[0]: found segments with event types that several people share, expected event types of their own, under calcom_event_types, for all but one of them: a customer is not handed around",
        ),
        (
            "services = [\"Perm\"]\n",
            "services = [\"Perm\"]\ncalcom_event_types = { \"Perm/Wind\" = 311 }\n",
            "staff[0].calcom_event_types: found a table, expected \"Perm/Rinse\" as well, as other segments have one",
        ),
        (
            "services = [\"Perm\"]\n",
            "services = [\"Perm\"]\ncalcom_event_types = { \"Perm\" = 310, \"Perm/Wind\" = 311, \"Perm/Rinse\" = 312 }\n",
            "staff[0].calcom_event_types: found a table, expected an event type for \"Perm\" or for its segments, not both",
        ),
        (
            "services = [\"Perm\"]\n",
            "services = [\"Perm\"]\ncalcom_event_types = { \"Perm/Wind\" = 311, \"Perm/Rinse\" = 311 }\n",
            "staff[0].calcom_event_types: found a table, expected different event types for \"Perm/Wind\" and \"Perm/Rinse\", which are not of one length",
        ),
        (
            "services = [\"Perm\"]\n",
            "services = [\"Perm\"]\ncalcom_event_types = { \"Perm/Wand\" = 311 }\n",
            "staff[0].calcom_event_types.\"Perm/Wand\": found 311, expected an event type for one of this person's services \"Perm\" (did you mean \"Perm/Wind\"?)",
        ),
    ] {
        assert_eq!(broken(PERM, from, to), [problem]);
    }
}
