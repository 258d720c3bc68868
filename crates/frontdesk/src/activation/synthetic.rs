//! Synthetic calls: one caller's conversation, signed and sent to a gateway's own entry point as the voice platform
//! sends them. It asks twice, books and cancels; so a limit or a deadline that no caller could live with is met
//! without a caller.

use std::time::Duration;

use frontdesk_core::ids::{TenantId, random_text};
use frontdesk_core::sensitive::Secret;
use jiff::ToSpan as _;
use jiff::civil::time;
use jiff::tz::TimeZone;
use serde_json::{Value, json};

use super::canary::SERVICE;
use crate::cli::chain;
use crate::wiring::World;

/// Longer than any budget for an answer.
const PATIENCE: Duration = Duration::from_secs(8);
/// Nobody's number.
const CALLER: &str = "+4915123456789";
/// Times are drawn from so many days, so that conversations do not meet.
const DAYS: u8 = 50;

/// Makes synthetic calls.
#[derive(Clone)]
pub(crate) struct Prober {
    client: reqwest::Client,
    key: Secret,
    world: World,
}

/// One request of a conversation, and what it took.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Step {
    /// Which.
    pub(crate) name: &'static str,
    /// Milliseconds.
    pub(crate) ms: i64,
}

/// A whole conversation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Conversation {
    /// What was asked, as far as it came.
    pub(crate) steps: Vec<Step>,
    /// Why it went no further; `None` when all of it went well.
    pub(crate) trouble: Option<String>,
}

impl Prober {
    pub(crate) fn new(key: Secret, world: World) -> Result<Self, String> {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = reqwest::Client::builder()
            .timeout(PATIENCE)
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .build()
            .map_err(|error| format!("failed to make the client: {error}"))?;
        Ok(Self { client, key, world })
    }

    /// Asks, asks for another time, books and cancels at the gateway at `url`.
    pub(crate) async fn converse(&self, url: &str) -> Conversation {
        let mut conversation = Conversation { steps: Vec::new(), trouble: None };
        if let Err(trouble) = self.talk(url, &mut conversation.steps).await {
            conversation.trouble = Some(format!("{trouble} ({url})"));
        }
        conversation
    }

    async fn talk(&self, url: &str, steps: &mut Vec<Step>) -> Result<(), String> {
        let call = format!("call_{}", random_text(&*self.world.dice));
        let free = &["available", "offered"][..];
        let (first, second) = (self.wish(), self.wish());
        self.say(url, &call, steps, ("check", "check_availability", &first, free)).await?;
        let offered = self.say(url, &call, steps, ("check again", "check_availability", &second, free)).await?;
        let slot = offered["slots"][0]["slot_id"].as_str().ok_or("nothing was free with a tenant that nobody calls")?;
        let wish = json!({ "slot_id": slot, "name": "Synthetic Call" });
        let booked = self.say(url, &call, steps, ("book", "book_appointment", &wish, &["booked"])).await?;
        let end = json!({ "booking_id": booked["booking_id"], "confirm": true });
        self.say(url, &call, steps, ("cancel", "cancel_appointment", &end, &["cancelled"])).await.map(drop)
    }

    /// Any quarter of an hour of the days to come.
    fn wish(&self) -> Value {
        let mut drawn = [0_u8; 2];
        self.world.dice.fill(&mut drawn);
        let [day, quarter] = drawn;
        let (day, quarter) = (1 + i64::from(day % DAYS), i8::try_from(quarter % 96).unwrap_or(0));
        let date = self.world.clock.now().to_zoned_datetime(TimeZone::UTC).date().saturating_add(day.days());
        let at = time(quarter / 4, quarter % 4 * 15, 0, 0);
        json!({ "service": SERVICE, "date": date.to_string(), "time": at.strftime("%H:%M").to_string() })
    }

    async fn say(
        &self,
        url: &str,
        call: &str,
        steps: &mut Vec<Step>,
        (step, function, args, wanted): (&'static str, &str, &Value, &[&str]),
    ) -> Result<Value, String> {
        let tool = format!("tool_{}", steps.len());
        let invocation =
            json!([{ "role": "tool_call_invocation", "tool_call_id": tool, "name": function, "arguments": args.to_string() }]);
        let envelope = json!({
            "call_id": call, "call_type": "phone_call", "direction": "inbound", "from_number": CALLER,
            "transcript_with_tool_calls": invocation,
        });
        let body = json!({ "name": function, "args": args, "call": envelope }).to_string();
        let began = self.world.clock.now();
        let signature = frontdesk_http::sign(&self.key, body.as_bytes(), began.as_millisecond());
        let url = format!("{url}/api/t/{}/retell/functions", TenantId::CANARY);
        let request = self.client.post(url).header("content-type", "application/json").header("x-retell-signature", signature);
        let answer = request.body(body).send().await.map_err(|error| format!("{step}: {}", chain(&error.without_url())))?;
        let status = answer.status();
        let text = answer.text().await.map_err(|error| format!("{step}: {}", chain(&error.without_url())))?;
        let ms = i64::try_from((self.world.clock.now() - began).as_millis()).unwrap_or(i64::MAX);
        steps.push(Step { name: step, ms });
        let answer: Value = serde_json::from_str(&text).unwrap_or_default();
        let told = answer["status"].as_str().unwrap_or("no status");
        if status.is_success() && wanted.contains(&told) {
            return Ok(answer);
        }
        Err(format!("{step}: the answer is {told:?} with HTTP {}, not {}", status.as_u16(), wanted.join(" or ")))
    }
}
