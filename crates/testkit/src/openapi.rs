//! What a conversation with Cal.com must look like: requests and answers held against its document.
//!
//! The document is hand-written, as strict as the server is known to be. Of JSON Schema only what it
//! uses is understood.

use std::sync::LazyLock;

use regex::Regex;
use serde_json::{Map, Value};

static DOCUMENT: LazyLock<Value> =
    LazyLock::new(|| serde_json::from_str(include_str!("../openapi/calcom.json")).expect("INVARIANT: the document is JSON"));

/// What is wrong with a request; empty for a path that the document does not have.
pub fn objections(method: &str, path: &str, query: &Map<String, Value>, version: Option<&str>, body: &Value) -> Vec<String> {
    let mut found = Vec::new();
    let Some(operation) = operation(method, path) else { return found };
    let parameters: Vec<&Value> =
        operation["parameters"].as_array().map(|all| all.iter().map(resolved).collect()).unwrap_or_default();
    for parameter in &parameters {
        let name = parameter["name"].as_str().unwrap_or("");
        let sent = match parameter["in"].as_str() {
            Some("query") => query.get(name).cloned(),
            Some("header") if name == "cal-api-version" => version.map(Value::from),
            _ => continue,
        };
        match sent {
            Some(value) => check(&from_text(&value, &parameter["schema"]), &parameter["schema"], name, &mut found),
            None if parameter["required"] == true => found.push(format!("{name} is required")),
            None => {}
        }
    }
    let is_known = |name: &String| parameters.iter().any(|it| it["in"] == "query" && it["name"] == name.as_str());
    found.extend(query.keys().filter(|name| !is_known(name)).map(|name| format!("{name} is no parameter")));
    let request = &operation["requestBody"];
    let schema = &resolved(request)["content"]["application/json"]["schema"];
    match body {
        Value::Null if resolved(request)["required"] == true => found.push("a body is required".to_owned()),
        Value::Null => {}
        body if schema.is_null() => {
            if body.as_object().is_some_and(|object| !object.is_empty()) {
                found.push("no body is expected".to_owned());
            }
        }
        body => check(body, schema, "body", &mut found),
    }
    found
}

/// What is wrong with a good answer.
pub fn objections_to_answer(method: &str, path: &str, status: u16, body: &Value) -> Vec<String> {
    let mut found = Vec::new();
    let Some(operation) = operation(method, path) else { return found };
    let answer = resolved(&operation["responses"][status.to_string()]);
    if answer.is_null() {
        return vec![format!("status {status} is not in the document")];
    }
    let schema = &answer["content"]["application/json"]["schema"];
    if !schema.is_null() {
        check(body, schema, "answer", &mut found);
    }
    found
}

fn operation(method: &str, path: &str) -> Option<&'static Value> {
    let segments: Vec<&str> = path.split('/').collect();
    let fits = |template: &str| {
        let parts: Vec<&str> = template.split('/').collect();
        parts.len() == segments.len()
            && parts.iter().zip(&segments).all(|(part, segment)| part.starts_with('{') || part == segment)
    };
    let paths = DOCUMENT["paths"].as_object()?;
    // A literal path comes before one with a place for an id.
    let mut candidates: Vec<_> = paths.iter().filter(|(template, _)| fits(template)).collect();
    candidates.sort_by_key(|(template, _)| template.matches('{').count());
    candidates.first()?.1.get(method.to_lowercase())
}

fn resolved(value: &'static Value) -> &'static Value {
    match value["$ref"].as_str().and_then(|reference| reference.strip_prefix('#')) {
        Some(pointer) => DOCUMENT.pointer(pointer).map_or(&Value::Null, resolved),
        None => value,
    }
}

/// A parameter arrives as text whatever its type.
fn from_text(value: &Value, schema: &'static Value) -> Value {
    let Some(text) = value.as_str() else { return value.clone() };
    match resolved(schema)["type"].as_str() {
        Some("integer" | "number" | "boolean") => serde_json::from_str(text).unwrap_or_else(|_| value.clone()),
        Some("array") => text.split(',').map(|part| from_text(&Value::from(part), &resolved(schema)["items"])).collect(),
        _ => value.clone(),
    }
}

fn check(value: &Value, schema: &'static Value, at: &str, found: &mut Vec<String>) {
    let schema = resolved(schema);
    if value.is_null() && schema["nullable"] == true {
        return;
    }
    for (name, all) in [("allOf", true), ("anyOf", false), ("oneOf", false)] {
        let Some(options) = schema[name].as_array() else { continue };
        let fails = |option: &'static Value| {
            let mut inner = Vec::new();
            check(value, option, at, &mut inner);
            inner
        };
        if all {
            options.iter().for_each(|option| found.extend(fails(option)));
        } else if options.iter().all(|option| !fails(option).is_empty()) {
            found.push(format!("{at} fits none of {name}"));
        }
    }
    if let Some(expected) = schema["type"].as_str() {
        let fits = match expected {
            "object" => value.is_object(),
            "array" => value.is_array(),
            "string" => value.is_string(),
            "boolean" => value.is_boolean(),
            "integer" => value.is_i64() || value.is_u64(),
            "number" => value.is_number(),
            _ => true,
        };
        if !fits {
            found.push(format!("{at} must be of type {expected}"));
            return;
        }
    }
    if let Some(allowed) = schema["enum"].as_array()
        && !allowed.contains(value)
    {
        found.push(format!("{at} must be one of {}", Value::from(allowed.clone())));
    }
    match value {
        Value::String(text) => check_text(text, schema, at, found),
        Value::Number(number) => {
            let number = number.as_f64().unwrap_or(f64::NAN);
            if schema["minimum"].as_f64().is_some_and(|least| number < least)
                || schema["maximum"].as_f64().is_some_and(|most| number > most)
            {
                found.push(format!("{at} is out of bounds"));
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                check(item, &schema["items"], &format!("{at}[{index}]"), found);
            }
        }
        Value::Object(object) => check_object(object, schema, at, found),
        Value::Null | Value::Bool(_) => {}
    }
}

fn check_text(text: &str, schema: &Value, at: &str, found: &mut Vec<String>) {
    let length = text.chars().count() as u64;
    if schema["minLength"].as_u64().is_some_and(|least| length < least)
        || schema["maxLength"].as_u64().is_some_and(|most| length > most)
    {
        found.push(format!("{at} has {length} characters"));
    }
    if let Some(pattern) = schema["pattern"].as_str()
        && !Regex::new(pattern).is_ok_and(|pattern| pattern.is_match(text))
    {
        found.push(format!("{at} does not fit {pattern}"));
    }
}

fn check_object(object: &Map<String, Value>, schema: &'static Value, at: &str, found: &mut Vec<String>) {
    for name in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        if !object.contains_key(name) {
            found.push(format!("{at}.{name} is required"));
        }
    }
    if schema["maxProperties"].as_u64().is_some_and(|most| object.len() as u64 > most) {
        found.push(format!("{at} has too many properties"));
    }
    for (name, value) in object {
        let own = &schema["properties"][name];
        let place = format!("{at}.{name}");
        match (own.is_null(), &schema["additionalProperties"]) {
            (false, _) => check(value, own, &place, found),
            (true, Value::Bool(false)) => found.push(format!("{place} is unknown")),
            (true, other) if other.is_object() => check(value, other, &place, found),
            (true, _) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn booking() -> Value {
        json!({"start": "2030-01-07T09:00:00Z", "eventTypeId": 4711,
            "attendee": {"name": "Ida", "timeZone": "Europe/Berlin", "phoneNumber": "+4915123456789"}})
    }

    #[test]
    fn a_good_request_is_not_objected_to_and_an_odd_one_is() {
        let sent = |version: Option<&str>, body: &Value| objections("POST", "/v2/bookings", &Map::new(), version, body);
        assert_eq!(sent(Some("2024-08-13"), &booking()), Vec::<String>::new());
        assert!(!sent(None, &booking()).is_empty(), "no version");
        assert!(!sent(Some("2024-09-04"), &booking()).is_empty(), "another route's version");
        let mut odd = booking();
        odd["end"] = json!("2030-01-07T10:00:00Z");
        assert!(sent(Some("2024-08-13"), &odd).iter().any(|what| what.contains("end")), "an unknown property");
        odd = booking();
        odd["attendee"] = json!({"name": "Ida", "timeZone": "Europe/Berlin"});
        assert!(!sent(Some("2024-08-13"), &odd).is_empty(), "no way to reach the attendee");
    }

    #[test]
    fn parameters_are_held_against_the_document() {
        let query =
            |pairs: &[(&str, &str)]| pairs.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect::<Map<_, _>>();
        let good = query(&[("eventTypeId", "1"), ("start", "2030-01-07T00:00:00Z"), ("end", "2030-01-08T00:00:00Z")]);
        assert_eq!(objections("GET", "/v2/slots", &good, Some("2024-09-04"), &Value::Null), Vec::<String>::new());
        let odd = query(&[("eventTypeId", "1"), ("startTime", "2030-01-07T00:00:00Z")]);
        assert!(!objections("GET", "/v2/slots", &odd, Some("2024-09-04"), &Value::Null).is_empty());
    }
}
