//! A Retell request taken apart leniently: what is of the wrong type is as good as absent, and the
//! transcript is skipped while scanning, except for the id of the tool call at its end.

use std::borrow::Cow;
use std::fmt;

use frontdesk_core::call::{CallContext, Caller};
use frontdesk_core::ids::CallId;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

/// At most so many arguments.
const MAX_ARGUMENTS: usize = 64;
/// At most so deep inside `args`.
const MAX_DEPTH: usize = 8;
/// No identifier of a platform is longer.
const MAX_ID: usize = 200;

/// The fields of an object, as they came.
struct Fields<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'a> Fields<'a> {
    /// A name that comes twice is what it is the second time.
    fn get(&self, name: &str) -> Option<&'a RawValue> {
        self.0.iter().rev().find(|(known, _)| known == name).map(|(_, value)| *value)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Fields<'a> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        /// Where a name has no escapes it stays where it is.
        #[derive(serde::Deserialize)]
        struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

        struct Whole;
        impl<'de> Visitor<'de> for Whole {
            type Value = Fields<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut fields = Vec::with_capacity(16);
                while let Some((Name(name), value)) = map.next_entry::<Name<'de>, &'de RawValue>()? {
                    fields.push((name, value));
                }
                Ok(Fields(fields))
            }
        }
        from.deserialize_map(Whole)
    }
}

/// The parts of a body, not yet believed.
#[derive(Debug, Default)]
pub(crate) struct Envelope {
    /// The function, if the body names one.
    pub(crate) name: Option<String>,
    /// The event, if it is one.
    pub(crate) event: Option<String>,
    /// The call.
    pub(crate) call: Option<CallFields>,
    /// The arguments.
    pub(crate) arguments: Arguments,
}

/// Arguments, or what is wrong with them as a whole.
#[derive(Debug)]
pub(crate) enum Arguments {
    Fine(Map<String, Value>),
    Unusable,
}

impl Default for Arguments {
    fn default() -> Self {
        Self::Fine(Map::new())
    }
}

/// The fields of a call that matter to us.
#[derive(Debug, Default, Clone)]
pub(crate) struct CallFields {
    pub(crate) id: Option<String>,
    pub(crate) agent_id: Option<String>,
    pub(crate) agent_version: Option<i64>,
    pub(crate) from_number: Option<String>,
    pub(crate) to_number: Option<String>,
    pub(crate) direction: Option<String>,
    pub(crate) start_ms: Option<i64>,
    pub(crate) end_ms: Option<i64>,
    pub(crate) disconnection_reason: Option<String>,
    pub(crate) tool_call: Option<String>,
}

/// Why a body is no request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unreadable {
    /// It is not JSON.
    NotJson,
    /// It is JSON, but no object.
    NoObject,
}

impl Envelope {
    /// Reads a body. `flat` says that a body without `call`, `args` and the like is the arguments.
    pub(crate) fn read(body: &[u8], flat: bool) -> Result<Self, Unreadable> {
        if body.is_empty() && flat {
            return Ok(Self::default());
        }
        let fields: Fields<'_> = match serde_json::from_slice(body) {
            Ok(fields) => fields,
            Err(_) => {
                let is_json = serde_json::from_slice::<serde::de::IgnoredAny>(body).is_ok();
                return Err(if is_json { Unreadable::NoObject } else { Unreadable::NotJson });
            }
        };
        let call = ["call", "call_inbound", "chat"].into_iter().find_map(|name| fields.get(name)).map(CallFields::read);
        let wrapped = ["arguments", "args", "parameters"].into_iter().find_map(|name| fields.get(name));
        let is_envelope = call.is_some() || wrapped.is_some();
        let arguments = match wrapped {
            Some(raw) => Arguments::read(raw.get()),
            None if flat || !is_envelope => Arguments::read(std::str::from_utf8(body).unwrap_or("{}")),
            None => Arguments::default(),
        };
        let name = if flat && !is_envelope { None } else { text(&fields, "name").or_else(|| text(&fields, "function_name")) };
        Ok(Self { name, event: text(&fields, "event"), call, arguments })
    }

    /// The call it belongs to; `header` is `X-Retell-Call-Id`, which never overrides a body's call.
    pub(crate) fn context(&self, header: Option<&str>) -> CallContext {
        match &self.call {
            Some(call) => call.context(),
            None => CallContext { id: header.and_then(call_id), ..CallContext::none() },
        }
    }
}

impl Arguments {
    fn read(json: &str) -> Self {
        if depth(json) > MAX_DEPTH {
            return Self::Unusable;
        }
        match serde_json::from_str(json) {
            Ok(Value::Object(map)) if map.len() <= MAX_ARGUMENTS => Self::Fine(map),
            Ok(Value::Null) => Self::default(),
            // Some agents send the object as a string.
            Ok(Value::String(inner)) if inner.trim_start().starts_with('{') => Self::read(&inner),
            Ok(_) | Err(_) => Self::Unusable,
        }
    }
}

impl CallFields {
    fn read(raw: &RawValue) -> Self {
        let Ok(fields) = serde_json::from_str::<Fields<'_>>(raw.get()) else { return Self::default() };
        let number =
            |name: &str| fields.get(name).and_then(|raw| serde_json::from_str::<f64>(raw.get()).ok()).map(|it| it as i64);
        Self {
            id: text(&fields, "call_id").or_else(|| text(&fields, "chat_id")),
            agent_id: text(&fields, "agent_id"),
            agent_version: number("agent_version"),
            from_number: text(&fields, "from_number"),
            to_number: text(&fields, "to_number"),
            direction: text(&fields, "direction"),
            start_ms: number("start_timestamp"),
            end_ms: number("end_timestamp"),
            disconnection_reason: text(&fields, "disconnection_reason"),
            tool_call: fields.get("transcript_with_tool_calls").and_then(|raw| last_tool_call(raw.get())),
        }
    }

    pub(crate) fn context(&self) -> CallContext {
        let outbound = self.direction.as_deref() == Some("outbound");
        let (ours, theirs) = if outbound { (&self.from_number, &self.to_number) } else { (&self.to_number, &self.from_number) };
        CallContext {
            id: self.id.as_deref().and_then(call_id),
            caller: Caller::from_envelope(theirs.as_deref()),
            to_number: ours.clone(),
            agent_id: self.agent_id.clone(),
            agent_version: self.agent_version,
        }
    }
}

/// A usable id, or none: empty and overlong ones are no calls.
fn call_id(text: &str) -> Option<CallId> {
    let usable = !text.is_empty() && text.len() <= MAX_ID && text.chars().all(|c| !c.is_control());
    usable.then(|| CallId::new(text))
}

fn text(fields: &Fields<'_>, name: &str) -> Option<String> {
    let text: String = serde_json::from_str(fields.get(name)?.get()).ok()?;
    (text.len() <= MAX_ID).then_some(text)
}

/// The id at the end of the transcript, if its last tool call is this very invocation.
fn last_tool_call(json: &str) -> Option<String> {
    #[derive(serde::Deserialize)]
    struct Turn {
        #[serde(default)]
        role: String,
        tool_call_id: Option<String>,
    }
    let turns: Vec<&RawValue> = serde_json::from_str(json).ok()?;
    let last: Turn = serde_json::from_str(turns.last()?.get()).ok()?;
    last.tool_call_id.filter(|id| last.role == "tool_call_invocation" && !id.is_empty() && id.len() <= MAX_ID)
}

/// How deep arrays and objects are nested in a text that is JSON.
fn depth(json: &str) -> usize {
    let (mut depth, mut deepest, mut in_string, mut escaped) = (0_usize, 0, false, false);
    for byte in json.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            b'{' | b'[' if !in_string => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b'}' | b']' if !in_string => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_whole_envelope_is_read() {
        let body = r#"{"name":"check_availability","args":{"service":"x"},"call":{"call_id":"c1","agent_id":"a","from_number":"+4915123456789","to_number":"+4930111111",
            "transcript":"…","transcript_with_tool_calls":[{"role":"agent","content":"{[\""},{"role":"tool_call_invocation","tool_call_id":"t9","name":"n","arguments":"{}"}]}}"#;
        let envelope = Envelope::read(body.as_bytes(), false).expect("readable");
        assert_eq!(envelope.name.as_deref(), Some("check_availability"));
        let call = envelope.call.clone().expect("a call");
        assert_eq!(call.tool_call.as_deref(), Some("t9"));
        assert!(envelope.context(Some("other")).id.is_some_and(|id| id.as_str() == "c1"));
    }

    #[test]
    fn a_name_that_comes_twice_or_with_escapes_is_still_that_name() {
        let body = r#"{"name":"old","n\u0061me":"new","call":{"call_id":"c1","call_id":"c2"},"args":{"a":1,"a":2}}"#;
        let envelope = Envelope::read(body.as_bytes(), false).expect("readable");
        assert_eq!(envelope.name.as_deref(), Some("new"));
        assert_eq!(envelope.context(None).id.as_ref().map(CallId::as_str), Some("c2"));
        let Arguments::Fine(arguments) = envelope.arguments else { panic!("fine") };
        assert_eq!(arguments["a"], 2);
    }

    #[test]
    fn a_flat_body_is_its_arguments() {
        let envelope = Envelope::read(br#"{"service":"x","name":"Ada"}"#, true).expect("readable");
        assert_eq!(envelope.name, None);
        let Arguments::Fine(arguments) = envelope.arguments else { panic!("fine") };
        assert_eq!(arguments["name"], "Ada");
    }

    #[test]
    fn nonsense_is_told_apart_from_what_is_no_object() {
        assert_eq!(Envelope::read(b"{", false).err(), Some(Unreadable::NotJson));
        assert_eq!(Envelope::read(b"[1]", false).err(), Some(Unreadable::NoObject));
        let deep = format!(r#"{{"name":"x","args":{}1{}}}"#, "[".repeat(5000), "]".repeat(5000));
        assert!(matches!(Envelope::read(deep.as_bytes(), false).expect("readable").arguments, Arguments::Unusable));
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(body in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..400), flat: bool) {
            if let Ok(envelope) = Envelope::read(&body, flat) {
                let _ = envelope.context(Some("header"));
            }
        }

        #[test]
        fn any_words_in_any_place_are_read_and_never_make_another_call(
            name in ".{0,40}", id in ".{0,300}", number in ".{0,60}", argument in ".{0,60}",
        ) {
            let body = serde_json::json!({"name": name, "args": {"x": argument}, "call": {"call_id": id, "from_number": number}});
            let envelope = Envelope::read(body.to_string().as_bytes(), false).expect("an object");
            let context = envelope.context(Some("header"));
            if let Some(read) = context.id {
                proptest::prop_assert_eq!(read.as_str(), id);
            }
        }
    }

    #[test]
    fn fields_of_the_wrong_type_are_as_good_as_absent() {
        let body = br#"{"name":5,"args":null,"call":{"call_id":{},"from_number":[1]}}"#;
        let envelope = Envelope::read(body, false).expect("readable");
        assert_eq!(envelope.name, None);
        assert_eq!(envelope.context(None).id, None);
    }
}
