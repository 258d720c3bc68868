//! The rules of the house that no compiler checks.

use std::fs;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().expect("the workspace")
}

fn files(folder: &Path, ending: &str, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or("");
        if path.is_dir() {
            if !["target", ".git", "data"].contains(&name) {
                files(&path, ending, found);
            }
        } else if name.ends_with(ending) {
            found.push(path);
        }
    }
}

fn rust_files() -> Vec<PathBuf> {
    let mut found = Vec::new();
    files(&root().join("crates"), ".rs", &mut found);
    assert!(found.len() > 50, "the search finds the sources");
    found
}

/// The lines above a file's own tests.
fn code_of(text: &str) -> &str {
    text.split("\n#[cfg(test)]").next().unwrap_or(text)
}

fn is_test(path: &Path) -> bool {
    path.components().any(|part| part.as_os_str() == "tests" || part.as_os_str() == "testkit" || part.as_os_str() == "benches")
        || path.ends_with("tests.rs")
}

#[test]
fn each_file_says_what_it_is_in_its_first_line() {
    for path in rust_files() {
        let text = fs::read_to_string(&path).expect("a text");
        assert!(text.starts_with("//!") || text.starts_with("#![doc"), "{} does not begin with //!", path.display());
    }
}

#[test]
fn no_file_outside_tests_is_longer_than_it_can_be_read() {
    for path in rust_files().into_iter().filter(|path| !is_test(path)) {
        let text = fs::read_to_string(&path).expect("a text");
        let lines = code_of(&text).lines().count();
        assert!(lines <= 560, "{} has {lines} lines: split it by noun", path.display());
    }
}

#[test]
fn modules_are_named_files_and_nothing_is_a_drawer() {
    for path in rust_files() {
        let name = path.file_stem().and_then(|name| name.to_str()).unwrap_or("");
        for drawer in ["mod", "utils", "util", "common", "helpers", "misc", "types", "models"] {
            assert_ne!(name, drawer, "{}", path.display());
        }
    }
}

#[test]
fn the_crates_know_only_whom_they_may_know() {
    for (name, may_know) in [
        ("core", &[][..]),
        ("store", &["frontdesk-core"][..]),
        ("calendar", &["frontdesk-core"][..]),
        ("http", &["frontdesk-core"][..]),
        ("testkit", &[][..]),
        ("frontdesk", &["frontdesk-core", "frontdesk-store", "frontdesk-calendar", "frontdesk-http"][..]),
    ] {
        let text = fs::read_to_string(root().join("crates").join(name).join("Cargo.toml")).expect("a manifest");
        let manifest: toml::Table = text.parse().expect("TOML");
        let known = manifest.get("dependencies").and_then(toml::Value::as_table).cloned().unwrap_or_default();
        for dependency in known.keys().filter(|dependency| dependency.starts_with("frontdesk")) {
            assert!(may_know.contains(&dependency.as_str()), "{name} must not know {dependency}");
        }
        if name == "core" {
            for stranger in ["axum", "hyper", "rusqlite", "postgres", "reqwest", "redis"] {
                assert!(!known.contains_key(stranger), "core must not know {stranger}");
            }
        }
    }
}

#[test]
fn exemptions_say_why_and_tests_are_never_switched_off() {
    for path in rust_files() {
        let text = fs::read_to_string(&path).expect("a text");
        if path.ends_with("tidy.rs") {
            continue;
        }
        assert!(!text.contains("#[allow("), "{}: #[expect(..., reason)] instead of #[allow]", path.display());
        assert!(!text.contains("#[ignore"), "{}: a test is switched off", path.display());
        for line in text.lines().filter(|line| line.trim_start().starts_with("#[expect(")) {
            assert!(line.contains("reason") || text.contains("reason ="), "{}: {line}", path.display());
        }
    }
}

#[test]
fn no_test_waits_on_the_wall_clock() {
    for path in rust_files().into_iter().filter(|path| path.components().any(|part| part.as_os_str() == "tests")) {
        if path.ends_with("tidy.rs") {
            continue;
        }
        let text = fs::read_to_string(&path).expect("a text");
        assert!(!text.contains("thread::sleep"), "{}", path.display());
    }
}

#[test]
fn every_table_of_peoples_data_begins_with_its_tenant() {
    for (database, end) in [("sqlite", ") STRICT"), ("postgres", "\n);")] {
        let file = root().join("crates/store/migrations").join(database).join("0001_the_house.sql");
        let text = fs::read_to_string(file).expect("a migration");
        for table in text.split("CREATE TABLE ").skip(1) {
            let name = table.split_whitespace().next().unwrap_or("");
            if ["meta", "tenants", "tenant_revisions"].contains(&name) {
                continue;
            }
            let columns = table.split(end).next().unwrap_or("");
            assert!(columns.contains("tenant "), "{name} has no tenant on {database}");
        }
    }
}

#[test]
fn the_changelog_has_this_version() {
    let text = fs::read_to_string(root().join("CHANGELOG.md")).expect("a changelog");
    assert!(text.contains(&format!("## {}", env!("CARGO_PKG_VERSION"))));
}

#[test]
fn the_continuous_check_is_the_readmes_test_command() {
    let text = fs::read_to_string(root().join(".ci/run")).expect("a script");
    assert!(text.contains("./test.sh"));
    assert!(fs::read_to_string(root().join("README.md")).expect("a readme").contains("./test.sh"));
}

#[test]
fn the_page_of_errors_is_the_catalogue() {
    let path = root().join("docs/errors.md");
    let written = fs::read_to_string(&path).unwrap_or_default();
    let page = frontdesk_http::errors_page();
    assert!(written == page, "docs/errors.md is out of date; it should read:\n{page}");
}

#[test]
fn the_page_of_faults_names_tests_that_exist() {
    let page = fs::read_to_string(root().join("docs/faults.md")).expect("a page");
    let sources: String = rust_files().iter().map(|path| fs::read_to_string(path).expect("a text")).collect();
    let names: Vec<&str> = page.split('`').skip(1).step_by(2).filter(|name| name.matches('_').count() >= 3).collect();
    assert!(names.len() > 20, "the search finds the names");
    for name in names {
        assert!(sources.contains(&format!("fn {name}(")), "docs/faults.md names {name}, which is no test");
    }
}
