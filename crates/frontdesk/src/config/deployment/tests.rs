//! What `frontdesk.toml` may say.

use std::time::Duration;

use super::*;
use frontdesk_core::protection::Mode;

const EXAMPLE: &str = include_str!("../../../../../examples/frontdesk.toml");

fn problems(text: &str) -> String {
    DeploymentConfig::parse("frontdesk.toml", text).expect_err(text).to_string()
}

#[test]
fn the_example_says_every_key_and_is_the_default() {
    let example = DeploymentConfig::parse("examples/frontdesk.toml", EXAMPLE).unwrap_or_else(|problems| panic!("{problems}"));
    assert_eq!(example, DeploymentConfig::default());
    let live = &example.live;
    assert_eq!((live.rate_limit.booking, live.rate_limit.admin, live.circuit_breaker.failure_threshold), (30, 200, 5));
    assert_eq!(live.deadlines.check, Duration::from_millis(2500));
    assert_eq!(example.store.to_string(), "sqlite:data/frontdesk.db");
    assert_eq!(example.master_key.to_string(), "file:data/master.key");
    assert!(example.smtp.is_none() && live.alerts.webhook_url.is_none());
    // Keys that a default could hide are in the example too: each refuses a wrong value there.
    let lines: Vec<&str> = EXAMPLE.lines().collect();
    for (index, line) in lines.iter().enumerate().filter(|(_, line)| !line.starts_with('#')) {
        let Some((key, _)) = line.split_once(" = ") else { continue };
        let wrong = format!("{key} = 1979-05-27");
        let text = [&lines[..index], &[wrong.as_str()], &lines[index + 1..]].concat().join("\n");
        let found = DeploymentConfig::parse("", &text).expect_err(key);
        assert_eq!((found.len(), found.iter().next().and_then(|problem| problem.line)), (1, Some(index + 1)), "{key}: {found}");
    }
}

#[test]
fn every_key_can_be_set() {
    let text = r#"
        [server]
        listen = "[::]:9000"
        admin_key = ""
        admin_keys = { anna = "env:ANNA", "Ben B." = "literal" }
        public_url = "https://desk.example/voice"
        trusted_proxies = ["10.0.0.0/8", "::1"]
        [store]
        url = "sqlite:/var/lib/frontdesk/frontdesk.db"
        [secrets]
        master_key = "env:MASTER"
        [protections]
        rate_limit = "shadow"
        business_hours = "off"
        [rate_limit]
        booking = "1000000/min"
        [circuit_breaker]
        recovery_timeout = "200ms"
        [deadlines]
        write = "5min"
        [alerts]
        webhook_url = "https://hooks.example/services/T/B"
        [smtp]
        url = "smtps://desk:pass@mail.example"
        from = "Front Desk <noreply@desk.example>"
        [outbox]
        private_targets = ["10.1.0.0/16"]
        [log]
        format = "human"
        level = "warn"
        levels = { calcom = "debug" }
        file = "log/desk.log"
        channels = { audit = "log/audit.log" }
        rotate = "size"
        max_size = "64KiB"
        keep = 3
    "#;
    let config = DeploymentConfig::parse("frontdesk.toml", text).unwrap_or_else(|problems| panic!("{problems}"));
    let names: Vec<&str> = config.server.administrators().map(|(name, _)| name).collect();
    assert_eq!(names, ["Ben B.", "anna"]);
    assert!(config.server.trusted_proxies[0].contains("10.1.2.3".parse().expect("an address")));
    assert_eq!(config.live.protections.rate_limit, Mode::Shadow);
    assert_eq!(config.live.deadlines.write, Duration::from_secs(300));
    assert_eq!(config.live.rate_limit.booking, 1_000_000);
    assert!(!format!("{config:?}").contains("pass@"));
    let fixed = config.needs_restart(&DeploymentConfig::default());
    for key in ["server.listen", "server.public_url", "store", "secrets.master_key"] {
        assert!(fixed.contains(&key), "{key}: {fixed:?}");
    }
    let changes = config.changes(&DeploymentConfig::default());
    assert!(changes.contains(&"smtp") && changes.contains(&"outbox"), "{changes:?}");
    let from = config.smtp.and_then(|smtp| smtp.from).expect("a sender");
    assert_eq!((from.name.as_deref(), &*from.address), (Some("Front Desk"), "noreply@desk.example"));
    assert!(config.private_targets[0].contains("10.1.2.3".parse().expect("an address")));
    let log = config.log;
    assert_eq!(
        (log.level_of(log::Channel::Calcom), log.level_of(log::Channel::Voice)),
        (tracing::Level::DEBUG, tracing::Level::WARN)
    );
    assert_eq!((log.max_size, log.keep, log.rotate), (65536, 3, log::Rotate::Size));
    assert!(log.files().0.contains(&"log/audit.log".into()));
    assert_eq!(log.files().1, log.file.is_some());
    assert_eq!(log.channels.into_iter().collect::<Vec<_>>(), [(log::Channel::Audit, "log/audit.log".into())]);
}

#[test]
fn each_wrong_value_is_told_with_its_line_and_what_would_be_right() {
    for (text, problem) in [
        (
            "[server]\nlisten = \":8080\"",
            r#"frontdesk.toml:2: server.listen: found ":8080", expected an address and a port such as "127.0.0.1:8080""#,
        ),
        (
            "[server]\npublic_url = \"https://desk.example/\"",
            r#"frontdesk.toml:2: server.public_url: found "https://desk.example/", expected an http or https address without a trailing slash, such as "https://desk.example""#,
        ),
        (
            "[server]\ntrusted_proxies = [\n  \"10.0.0.0/8\",\n  \"proxy\"\n]",
            r#"frontdesk.toml:4: server.trusted_proxies[1]: found "proxy", expected an address or a network such as "10.0.0.0/8""#,
        ),
        (
            "[server]\nadmin_key = 12345",
            "frontdesk.toml:2: server.admin_key: found a number, expected env:NAME, file:PATH or the secret itself",
        ),
        (
            "[server.admin_keys]\nanna = \"env:\"",
            "frontdesk.toml:2: server.admin_keys.anna: found a text, expected env:NAME, file:PATH or the secret itself",
        ),
        (
            "[store]\nmigrate_url = \"postgres://u:p@db/frontdesk\"",
            "frontdesk.toml:2: store.migrate_url: found a text, expected none: a SQLite store has one owner, who opens it",
        ),
        (
            "[store]\nurl = \"sqlite::memory:\"",
            r#"frontdesk.toml:2: store.url: found a text, expected "sqlite:PATH" such as "sqlite:data/frontdesk.db" or "sqlite:/var/lib/frontdesk/frontdesk.db", "postgres://ROLE:PASSWORD@HOST/DATABASE", env:NAME or file:PATH"#,
        ),
        (
            "[state]\nurl = \"memcached://:p@cache\"",
            r#"frontdesk.toml:2: state.url: found a text, expected "memory:", "redis://HOST:PORT", "rediss://…", "redis+sentinel://HOST:PORT,HOST:PORT/SERVICE", env:NAME or file:PATH"#,
        ),
        (
            "[secrets]\nmaster_key = \"short\"",
            "frontdesk.toml:2: secrets.master_key: found a text, expected env:NAME, file:PATH or 64 hexadecimal digits",
        ),
        (
            "[protections]\nerror_handling = \"shadow\"",
            r#"frontdesk.toml:2: protections.error_handling: found "shadow", expected "on", always: without it a caller would hear silence"#,
        ),
        (
            "[protections]\ninput_validation = \"off\"",
            r#"frontdesk.toml:2: protections.input_validation: found "off", expected "on", always: without it anything a caller says would reach the calendar"#,
        ),
        (
            "[protections]\nperformance = true",
            r#"frontdesk.toml:2: protections.performance: found true, expected "on", "shadow" or "off""#,
        ),
        (
            "[rate_limit]\nbooking = \"30/s\"",
            r#"frontdesk.toml:2: rate_limit.booking: found "30/s", expected a rate per minute such as "30/min", from "1/min" to "1000000/min""#,
        ),
        (
            "[circuit_breaker]\nfailure_threshold = 0",
            "frontdesk.toml:2: circuit_breaker.failure_threshold: found 0, expected a whole number from 1 to 1000",
        ),
        (
            "[deadlines]\nwrite = 6",
            r#"frontdesk.toml:2: deadlines.write: found 6, expected a duration from "1ms" to "10min", as a text with ms, s, min, h or d"#,
        ),
        (
            "[alerts]\nwebhook_url = \"hooks.example\"",
            "frontdesk.toml:2: alerts.webhook_url: found a text, expected an http or https address, env:NAME, file:PATH, or \"\" for none",
        ),
        (
            "[smtp]\nurl = \"mail.example\"",
            r#"frontdesk.toml:2: smtp.url: found a text, expected an address such as "smtps://user:password@mail.example", env:NAME or file:PATH"#,
        ),
        (
            "[smtp]\nfrom = \"Desk <nobody>\"",
            r#"frontdesk.toml:2: smtp.from: found "Desk <nobody>", expected a mail address such as "Frontdesk <noreply@desk.example>", or "" for the user of the url"#,
        ),
        (
            "[outbox]\nprivate_targets = [\"localhost\"]",
            r#"frontdesk.toml:2: outbox.private_targets[0]: found "localhost", expected an address or a network such as "10.0.0.0/8""#,
        ),
        (
            "[log]\nlevels = { calendar = \"debug\" }",
            "frontdesk.toml:2: log.levels.calendar: found an unknown key, expected one of gateway, calcom, voice, audit",
        ),
        (
            "[log]\nmax_size = \"1MB\"",
            r#"frontdesk.toml:2: log.max_size: found "1MB", expected a size from "64KiB" to "1024GiB", as a text with KiB, MiB or GiB"#,
        ),
        ("[serve]", r#"frontdesk.toml:1: serve: found an unknown key, expected a known key (did you mean "server"?)"#),
        ("store = 5", "frontdesk.toml:1: store: found 5, expected a table"),
        (
            "[store]\nurl = \"sqlite:a\"\n\ncolour = 1",
            "frontdesk.toml:4: store.colour: found an unknown key, expected one of url, migrate_url",
        ),
    ] {
        assert_eq!(problems(text), problem, "{text}");
    }
}

#[test]
fn broken_toml_is_one_problem_with_its_line() {
    let found = DeploymentConfig::parse("frontdesk.toml", "[server]\nlisten = \n[store]\nurl = 5").expect_err("broken");
    assert_eq!((found.len(), found.iter().next().and_then(|problem| problem.line)), (1, Some(2)), "{found}");
    assert!(found.to_string().starts_with("frontdesk.toml:2: found broken TOML ("), "{found}");
}

#[test]
fn a_named_file_must_exist() {
    let found = DeploymentConfig::load(Some(Path::new("no/such/file.toml"))).expect_err("absent");
    assert_eq!(found.to_string(), "no/such/file.toml: found no such file, expected a readable TOML file");
}

#[test]
fn a_stored_revision_is_read_back() {
    let mut live = DeploymentConfig::default().live;
    for budget_ppm in [1000, 100, 12_345, 99_999, 500] {
        live.alerts.budget_ppm = budget_ppm;
        let text = serde_json::to_string(&live).expect("serialises");
        assert_eq!(serde_json::from_str::<Live>(&text).expect("deserialises"), live, "{text}");
    }
    let text = serde_json::to_value(&live).expect("serialises");
    assert_eq!((&text["alerts"]["objective"], &text["alerts"]["absences"]), (&"99.95%".into(), &"on".into()), "as a file has it");
    assert!(text["alerts"].get("email").is_none() && text["alerts"].get("webhook_url").is_none(), "each gateway's own");
}

#[test]
fn the_address_of_a_postgres_may_lie_elsewhere_and_is_never_shown() {
    for (text, owner) in [
        ("[store]\nurl = \"postgres://desk:pass@db/frontdesk\"", None),
        ("[store]\nurl = \"env:STORE\"\nmigrate_url = \"postgresql://owner:pass@db/frontdesk\"", Some("the literal")),
        ("[store]\nurl = \"file:/run/secrets/store\"\nmigrate_url = \"env:OWNER\"", Some("env:OWNER")),
    ] {
        let config = DeploymentConfig::parse("frontdesk.toml", text).unwrap_or_else(|problems| panic!("{problems}"));
        let StoreUrl::Postgres { migrate_url, .. } = &config.store else { panic!("{text}") };
        assert_eq!(migrate_url.as_ref().map(ToString::to_string).as_deref(), owner);
        assert_eq!(config.store.to_string(), "postgres");
        assert!(!format!("{config:?}").contains("pass@"), "{text}");
    }
}

#[test]
fn a_gateway_is_somebodys_own_only_where_the_world_cannot_call_in() {
    let is_local = |text: &str| {
        let config = DeploymentConfig::parse("frontdesk.toml", text).unwrap_or_else(|problems| panic!("{problems}"));
        config.server.is_local()
    };
    for own in ["", "[server]\nlisten = \"[::1]:80\"", "[server]\npublic_url = \"http://localhost:8080\""] {
        assert!(is_local(own), "{own}");
    }
    let public = [
        "[server]\nlisten = \"0.0.0.0:8080\"",
        "[server]\nlisten = \"192.0.2.7:8080\"\npublic_url = \"http://127.0.0.1:8080\"",
        "[server]\npublic_url = \"https://desk.example\"",
        "[server]\ntrusted_proxies = [\"127.0.0.1\"]",
    ];
    for text in public {
        assert!(!is_local(text), "{text}");
    }
}
