//! A simulated Retell agent: builds the requests the platform sends, and signs them.

use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use serde_json::{Map, Value, json};

use crate::signature::hmac_hex;

/// One agent during one call.
///
/// Every function request gets the next `tool_call_id`; a retry by the platform is the same bytes
/// sent again, so tests that mean a retry keep the body.
#[derive(Debug)]
pub struct SimulatedAgent {
    pub api_key: String,
    pub agent_id: String,
    /// `None` is a web call, which has no numbers at all.
    pub from_number: Option<String>,
    pub to_number: Option<String>,
    pub call_id: String,
    pub metadata: Value,
    pub dynamic_variables: Map<String, Value>,
    pub transcript: String,
    invocations: AtomicU64,
}

/// A request as it goes over the wire: the exact bytes and the header that signs them.
#[derive(Clone, Debug)]
pub struct SignedRequest {
    pub body: Bytes,
    pub signature: String,
}

/// The header that carries [`sign`]'s value.
pub const SIGNATURE_HEADER: &str = "x-retell-signature";

/// `v=<milliseconds>,d=<hex>`; the timestamp follows the body directly under the HMAC.
pub fn sign(key: &str, body: &[u8], timestamp_ms: i64) -> String {
    let stamp = timestamp_ms.to_string();
    let digest = hmac_hex(key.as_bytes(), &[body, stamp.as_bytes()]);
    format!("v={stamp},d={digest}")
}

// === impl SimulatedAgent ===

impl SimulatedAgent {
    pub fn new(api_key: &str, call_id: &str) -> Self {
        Self {
            api_key: api_key.to_owned(),
            agent_id: "agent_salon".to_owned(),
            from_number: Some("+15550001111".to_owned()),
            to_number: Some("+15550002222".to_owned()),
            call_id: call_id.to_owned(),
            metadata: json!({}),
            dynamic_variables: Map::new(),
            transcript: "Agent: Hello\nUser: I need an appointment\n".to_owned(),
            invocations: AtomicU64::new(0),
        }
    }

    #[must_use]
    pub fn agent(mut self, agent_id: &str) -> Self {
        self.agent_id = agent_id.to_owned();
        self
    }

    /// The caller's number as the carrier gives it; `"anonymous"` happens.
    #[must_use]
    pub fn from(mut self, number: &str) -> Self {
        self.from_number = Some(number.to_owned());
        self
    }

    #[must_use]
    pub fn to(mut self, number: &str) -> Self {
        self.to_number = Some(number.to_owned());
        self
    }

    #[must_use]
    pub fn web_call(mut self) -> Self {
        self.from_number = None;
        self.to_number = None;
        self
    }

    pub fn sign(&self, body: Bytes, timestamp_ms: i64) -> SignedRequest {
        let signature = sign(&self.api_key, &body, timestamp_ms);
        SignedRequest { body, signature }
    }

    /// The full envelope; its last transcript element is this very invocation.
    pub fn function_body(&self, name: &str, args: &Value) -> Bytes {
        let number = self.invocations.fetch_add(1, Ordering::Relaxed) + 1;
        let id = format!("tool_call_{}_{number}", self.call_id);
        self.function_body_as(&id, name, args)
    }

    /// As [`Self::function_body`], with a chosen `tool_call_id`.
    pub fn function_body_as(&self, tool_call_id: &str, name: &str, args: &Value) -> Bytes {
        let mut call = self.call("ongoing");
        call["retell_llm_dynamic_variables"] = Value::Object(self.dynamic_variables.clone());
        call["transcript"] = json!(self.transcript);
        call["transcript_object"] = json!([
            {"role": "agent", "content": "Hello"},
            {"role": "user", "content": "I need an appointment"},
        ]);
        call["transcript_with_tool_calls"] = json!([
            {"role": "agent", "content": "Hello"},
            {"role": "tool_call_invocation", "tool_call_id": tool_call_id, "name": name,
             "arguments": args.to_string()},
        ]);
        bytes_of(&json!({"name": name, "args": args, "call": call}))
    }

    /// The body with "Payload: args only" switched on: no name, no call.
    pub fn args_only_body(&self, args: &Value) -> Bytes {
        bytes_of(args)
    }

    pub fn call_inbound(&self, timestamp_ms: i64) -> Bytes {
        bytes_of(&json!({
            "event": "call_inbound",
            "event_timestamp": timestamp_ms,
            "call_inbound": {
                "call_id": self.call_id,
                "agent_id": self.agent_id,
                "agent_version": 4,
                "from_number": self.from_number,
                "to_number": self.to_number,
            },
        }))
    }

    pub fn call_started(&self, start_ms: i64) -> Bytes {
        let mut call = self.call("ongoing");
        call["start_timestamp"] = json!(start_ms);
        bytes_of(&json!({"event": "call_started", "call": call}))
    }

    pub fn call_ended(&self, start_ms: i64, end_ms: i64) -> Bytes {
        bytes_of(&json!({"event": "call_ended", "call": self.ended(start_ms, end_ms)}))
    }

    pub fn call_analyzed(&self, start_ms: i64, end_ms: i64, analysis: &Value) -> Bytes {
        let mut call = self.ended(start_ms, end_ms);
        call["call_analysis"] = analysis.clone();
        bytes_of(&json!({"event": "call_analyzed", "call": call}))
    }

    fn ended(&self, start_ms: i64, end_ms: i64) -> Value {
        let mut call = self.call("ended");
        call["start_timestamp"] = json!(start_ms);
        call["end_timestamp"] = json!(end_ms);
        call["duration_ms"] = json!(end_ms - start_ms);
        call["disconnection_reason"] = json!("user_hangup");
        call["transcript"] = json!(self.transcript);
        call
    }

    fn call(&self, status: &str) -> Value {
        let mut call = json!({
            "call_id": self.call_id,
            "call_type": "phone_call",
            "direction": "inbound",
            "agent_id": self.agent_id,
            "agent_version": 4,
            "call_status": status,
            "metadata": self.metadata,
        });
        match (&self.from_number, &self.to_number) {
            (None, None) => {
                call["call_type"] = json!("web_call");
                if let Some(call) = call.as_object_mut() {
                    call.remove("direction");
                }
            }
            (from, to) => {
                call["from_number"] = json!(from);
                call["to_number"] = json!(to);
            }
        }
        call
    }
}

fn bytes_of(value: &Value) -> Bytes {
    Bytes::from(value.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest(timestamp_ms: i64, body: &str) -> String {
        let header = sign("test-api-key", body.as_bytes(), timestamp_ms);
        let prefix = format!("v={timestamp_ms},d=");
        header.strip_prefix(&prefix).map(str::to_owned).unwrap_or_default()
    }

    #[test]
    fn signatures_match_the_published_vectors() {
        assert_eq!(
            digest(1_700_000_000_000, r#"{"event":"call_ended"}"#),
            "07024cabe7dd8f6d1c6e4a8324ca92c812e6ad4a7ee506c04f7e462e3321823e"
        );
        assert_eq!(digest(1_700_000_000_000, ""), "3c2757e9ff3f06dc2b4957bb8f8018c615ab2e0c6f522e1de8537bf316688224");
        assert_eq!(
            digest(
                1_800_000_000_000,
                r#"{"name":"book_appointment","args":{"slot_id":"s_7f3a"},"call":{"call_id":"call_demo_1"}}"#
            ),
            "3d0e8ca9d9584eb99f9f70d8ddbafeebf20bff237be4537cf010ea790f4cef7a"
        );
        assert_eq!(
            digest(1_800_000_000_000, r#"{"event":"call_ended","call":{"call_id":"call_ü"}}"#),
            "f8a991c8d723ea2495396046835db00b519feca3d579d041e745ad4df79cc15f"
        );
    }

    #[test]
    fn the_last_transcript_element_is_this_invocation() {
        let agent = SimulatedAgent::new("key_test", "call_1");
        for number in 1..=2 {
            let body = agent.function_body("book", &json!({"slot_id": "s_1"}));
            let body: Value = serde_json::from_slice(&body).expect("a function body is JSON");
            let last = body["call"]["transcript_with_tool_calls"]
                .as_array()
                .and_then(|all| all.last())
                .expect("the transcript has an end");
            assert_eq!(last["tool_call_id"], format!("tool_call_call_1_{number}"));
            assert_eq!(last["arguments"], r#"{"slot_id":"s_1"}"#);
            assert_eq!(body["args"]["slot_id"], "s_1");
        }
    }

    #[test]
    fn a_web_call_has_no_numbers() {
        let agent = SimulatedAgent::new("key_test", "call_1").web_call();
        let body: Value = serde_json::from_slice(&agent.call_started(0)).expect("JSON");
        assert_eq!(body["call"]["call_type"], "web_call");
        assert!(body["call"].get("from_number").is_none());
    }
}
