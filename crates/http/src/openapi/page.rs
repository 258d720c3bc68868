//! The document as a page for people: one file, no script, nothing fetched.

use std::fmt::Write as _;

use serde_json::Value;

const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#1b1f24;background:#fff}\
h2{margin-top:3rem;border-bottom:1px solid #d0d7de}article{border:1px solid #d0d7de;border-radius:8px;padding:0 1rem 1rem;margin:1rem 0}\
h3 code{font-size:1rem}.m{display:inline-block;min-width:4.5em;font-weight:700;text-transform:uppercase;color:#0550ae}\
table{border-collapse:collapse;width:100%}td,th{text-align:left;vertical-align:top;border-top:1px solid #eaeef2;padding:.3rem .6rem .3rem 0}\
pre{background:#f6f8fa;padding:.7rem;overflow:auto;border-radius:6px}small{color:#57606a}\
@media(prefers-color-scheme:dark){body{color:#e6edf3;background:#0d1117}pre{background:#161b22}article,h2,td,th{border-color:#30363d}.m{color:#79c0ff}small{color:#8b949e}}";

/// The page.
pub(super) fn of(document: &Value) -> String {
    let mut out = String::with_capacity(64 * 1024);
    let title = escaped(said(&document["info"], "title"));
    let _ = write!(
        out,
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">\
         <title>{title}</title><style>{STYLE}</style></head><body><h1>{title} <small>{}</small></h1><p>{}</p><p>{}</p>\
         <p>Server: <code>{}</code>. For programs: <a href=\"/api/openapi.json\">/api/openapi.json</a></p>",
        escaped(said(&document["info"], "version")),
        escaped(said(&document["info"], "summary")),
        escaped(said(&document["info"], "description")),
        escaped(said(&document["servers"][0], "url")),
    );
    for tag in document["tags"].as_array().into_iter().flatten() {
        let name = said(tag, "name");
        let _ = write!(out, "<h2 id=\"{0}\">{0}</h2><p>{1}</p>", escaped(name), escaped(said(tag, "description")));
        for (path, methods) in entries(&document["paths"]) {
            for (method, operation) in entries(methods).filter(|(_, operation)| operation["tags"][0] == name) {
                self::operation(&mut out, path, method, operation);
            }
        }
    }
    out.push_str("<h2 id=\"schemas\">schemas</h2>");
    for (name, schema) in entries(&document["components"]["schemas"]) {
        self::schema(&mut out, name, schema);
    }
    out.push_str("</body></html>");
    out
}

fn operation(out: &mut String, path: &str, method: &str, operation: &Value) {
    let _ = write!(
        out,
        "<article id=\"{}\"><h3><code><span class=\"m\">{}</span> {}</code></h3><p>{}. {}</p>",
        escaped(said(operation, "operationId")),
        escaped(method),
        escaped(path),
        escaped(said(operation, "summary")),
        escaped(said(operation, "description")),
    );
    for scheme in operation["security"].as_array().into_iter().flatten().flat_map(entries).map(|(name, _)| name) {
        let _ = write!(out, "<p><small>Authentication: {}</small></p>", escaped(scheme));
    }
    let parameters = operation["parameters"].as_array().map(Vec::as_slice).unwrap_or_default();
    if !parameters.is_empty() {
        out.push_str("<table>");
        for parameter in parameters {
            let _ = write!(
                out,
                "<tr><td><code>{}</code></td><td>{}</td><td>{}</td></tr>",
                escaped(said(parameter, "name")),
                escaped(said(parameter, "in")),
                escaped(said(parameter, "description")),
            );
        }
        out.push_str("</table>");
    }
    content(out, "Body", &operation["requestBody"]);
    out.push_str("<table>");
    for (status, response) in entries(&operation["responses"]) {
        let _ = write!(out, "<tr><th>{}</th><td>{}", escaped(status), escaped(said(response, "description")));
        content(out, "", response);
        out.push_str("</td></tr>");
    }
    out.push_str("</table></article>");
}

fn content(out: &mut String, heading: &str, part: &Value) {
    for (kind, content) in entries(&part["content"]) {
        let _ = write!(out, "<p>{heading} <small>{}</small> {}</p>", escaped(kind), shape(&content["schema"]));
        if let Some(example) = content.get("example") {
            let _ = write!(out, "<pre>{}</pre>", escaped(&serde_json::to_string_pretty(example).unwrap_or_default()));
        }
    }
}

fn schema(out: &mut String, name: &str, schema: &Value) {
    let _ = write!(
        out,
        "<article id=\"schema-{0}\"><h3>{0}</h3><p>{1}</p><table>",
        escaped(name),
        escaped(said(schema, "description"))
    );
    let required: Vec<&str> = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    for (field, kind) in entries(&schema["properties"]) {
        let _ = write!(
            out,
            "<tr><td><code>{}</code></td><td>{}</td><td>{}</td><td>{}</td></tr>",
            escaped(field),
            shape(kind),
            if required.contains(&field) { "required" } else { "" },
            escaped(said(kind, "description")),
        );
    }
    out.push_str("</table></article>");
}

/// A schema in a few words.
fn shape(schema: &Value) -> String {
    if let Some(name) = schema["$ref"].as_str().and_then(|path| path.rsplit('/').next()) {
        return format!("<a href=\"#schema-{0}\">{0}</a>", escaped(name));
    }
    if let Some(several) = schema["anyOf"].as_array() {
        return several.iter().map(shape).collect::<Vec<_>>().join(" or ");
    }
    if let Some(words) = schema["enum"].as_array() {
        return words.iter().filter_map(Value::as_str).map(escaped).collect::<Vec<_>>().join(", ");
    }
    match &schema["type"] {
        Value::String(kind) if kind == "array" => format!("list of {}", shape(&schema["items"])),
        Value::String(kind) => match schema["maxLength"].as_u64() {
            Some(most) => format!("{} of at most {most}", escaped(kind)),
            None => escaped(schema["format"].as_str().unwrap_or(kind)),
        },
        Value::Array(kinds) => kinds.iter().filter_map(Value::as_str).map(escaped).collect::<Vec<_>>().join(" or "),
        _ => "any".to_owned(),
    }
}

fn entries(value: &Value) -> impl Iterator<Item = (&str, &Value)> {
    value.as_object().into_iter().flatten().map(|(name, value)| (name.as_str(), value))
}

fn said<'v>(value: &'v Value, name: &str) -> &'v str {
    value[name].as_str().unwrap_or("")
}

fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            c => out.push(c),
        }
    }
    out
}
