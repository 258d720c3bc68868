//! The document says what is served, and all of it.

use std::collections::BTreeSet;

use axum::body::Body;
use axum::http::{Request, StatusCode};
use serde_json::Value;
use tower::ServiceExt as _;

use super::document;
use crate::problem::Code;
use crate::rest::tests::{edge, settings};
use crate::{callbacks, rest, routes};

fn operations(document: &Value) -> Vec<(&str, &str, &Value)> {
    let mut all = Vec::new();
    for (path, methods) in document["paths"].as_object().expect("paths") {
        for (method, operation) in methods.as_object().expect("methods") {
            all.push((path.as_str(), method.as_str(), operation));
        }
    }
    all
}

fn references<'v>(value: &'v Value, found: &mut Vec<&'v str>) {
    match value {
        Value::Object(fields) => {
            found.extend(fields.get("$ref").and_then(Value::as_str));
            fields.values().for_each(|value| references(value, found));
        }
        Value::Array(items) => items.iter().for_each(|value| references(value, found)),
        _ => {}
    }
}

async fn status_and_allow(method: &str, path: &str) -> (StatusCode, BTreeSet<String>) {
    let path = path.replace("{tenant}", "salon").replace("{id}", "x").replace("{name}", "x").replace("{call_id}", "x");
    let request = Request::builder().method(method).uri(&path).body(Body::empty()).expect("a request");
    let answer = routes::app(edge()).oneshot(request).await.expect("an answer");
    let allow = answer.headers().get("allow").and_then(|value| value.to_str().ok()).unwrap_or("").to_lowercase();
    let allow = allow.split(',').map(str::trim).filter(|it| !it.is_empty() && *it != "head").map(str::to_owned).collect();
    (answer.status(), allow)
}

#[tokio::test]
async fn every_path_of_the_document_is_routed_with_just_its_methods() {
    let document = document(&settings());
    for (path, methods) in document["paths"].as_object().expect("paths") {
        let said: BTreeSet<String> = methods.as_object().expect("methods").keys().cloned().collect();
        let (status, served) = status_and_allow("TRACE", path).await;
        if status == StatusCode::METHOD_NOT_ALLOWED {
            assert_eq!(said, served, "{path}");
        } else {
            // Agents' functions answer to every method, so that none of them ends in silence.
            assert_eq!(status, StatusCode::UNAUTHORIZED, "{path}");
        }
        for method in said {
            let (status, _) = status_and_allow(&method.to_uppercase(), path).await;
            assert!(![StatusCode::NOT_FOUND, StatusCode::METHOD_NOT_ALLOWED].contains(&status), "{method} {path}: {status}");
        }
    }
}

#[test]
fn every_route_for_a_tenants_software_is_in_the_document() {
    let document = document(&settings());
    for path in rest::routes().iter().map(|(path, _)| *path).chain(callbacks::routes().iter().map(|(path, _)| *path)) {
        assert!(document["paths"].get(path).is_some(), "{path}");
    }
}

#[test]
fn every_reference_resolves_and_every_schema_is_used() {
    let document = document(&settings());
    let mut found = Vec::new();
    references(&document, &mut found);
    for reference in &found {
        let pointer = reference.strip_prefix('#').expect("a local reference");
        assert!(document.pointer(pointer).is_some(), "{reference}");
    }
    for name in document["components"]["schemas"].as_object().expect("schemas").keys() {
        assert!(found.iter().any(|reference| reference.ends_with(&format!("/{name}"))), "{name} is not used");
    }
}

#[test]
fn operations_have_their_own_ids_known_guards_and_examples() {
    let document = document(&settings());
    let mut ids = BTreeSet::new();
    for (path, method, operation) in operations(&document) {
        assert!(ids.insert(operation["operationId"].as_str().expect("an id")), "{method} {path}");
        for scheme in operation["security"].as_array().expect("a list").iter().flat_map(|it| it.as_object().expect("one").keys())
        {
            assert!(document["components"]["securitySchemes"].get(scheme).is_some(), "{scheme}");
        }
        for part in path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}')) {
            let parameters = operation["parameters"].as_array().expect("parameters");
            assert!(parameters.iter().any(|it| it["name"] == part && it["in"] == "path"), "{path} {part}");
        }
        if let Some(body) = operation.get("requestBody") {
            assert!(body["content"]["application/json"].get("example").is_some(), "{method} {path}");
        }
    }
}

#[test]
fn examples_have_just_the_fields_of_their_schemas() {
    let document = document(&settings());
    for (path, method, operation) in operations(&document) {
        let answers = operation["responses"].as_object().expect("answers").values();
        for content in answers.chain(operation.get("requestBody")).map(|part| &part["content"]["application/json"]) {
            let Some(pointer) = content["schema"]["$ref"].as_str().and_then(|it| it.strip_prefix('#')) else { continue };
            let schema = document.pointer(pointer).expect("a schema");
            let Some(properties) = schema["properties"].as_object() else { continue };
            let example = content["example"].as_object().expect("an example");
            for name in example.keys() {
                assert!(properties.contains_key(name), "{method} {path}: {name}");
            }
            for name in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
                assert!(example.contains_key(name), "{method} {path}: {name} is required");
            }
        }
    }
}

#[test]
fn the_catalogue_names_every_code() {
    let document = document(&settings());
    let words = document["components"]["schemas"]["Problem"]["properties"]["code"]["enum"].as_array().expect("words").clone();
    assert_eq!(words.len(), Code::ALL.len());
    assert_eq!(document["servers"][0]["url"], "https://desk.example");
}

#[test]
fn the_page_shows_every_operation_and_fetches_nothing() {
    let document = document(&settings());
    let page = super::page::of(&document);
    for (path, _, operation) in operations(&document) {
        assert!(page.contains(path) && page.contains(operation["operationId"].as_str().expect("an id")), "{path}");
    }
    for fetching in ["<script", "<link", "<img", "src=", "@import", "url("] {
        assert!(!page.contains(fetching), "{fetching}");
    }
}
