//! `frontdesk call`: plays a caller against a running gateway, so that nobody has to phone to
//! reproduce a problem. Each request is signed and sent as the voice platform does it.

use std::collections::BTreeMap;
use std::io::{BufRead as _, IsTerminal as _};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use frontdesk_core::ids::random_text;
use frontdesk_core::sensitive::Secret;
use serde_json::{Value, json};

use super::{CommandError, Context};
use crate::system;
use crate::wiring::{World, open_store};

/// Longer than any budget of the gateway.
const PATIENCE: Duration = Duration::from_secs(30);

#[derive(Debug, clap::Args)]
pub(super) struct Options {
    /// The tenant's slug.
    #[arg(long)]
    tenant: String,
    /// Lines of `function {"argument": "value"} => status`; standard input if not given.
    #[arg(long, value_name = "FILE")]
    script: Option<PathBuf>,
    /// The gateway; the configured public address if not given.
    #[arg(long)]
    url: Option<String>,
    /// The signing key; the tenant's own, out of the store, if not given. `env:NAME` and `file:PATH` work.
    #[arg(long)]
    key: Option<String>,
    /// The caller's number.
    #[arg(long, default_value = "+4915123456789")]
    from: String,
}

/// One line of a script.
#[derive(Debug, Clone, PartialEq)]
struct Turn {
    function: String,
    arguments: Value,
    expected: Vec<String>,
}

struct Line {
    url: String,
    tenant: String,
    key: Secret,
    agent: Option<String>,
    to: Option<String>,
    from: String,
    call: String,
    world: World,
    client: reqwest::Client,
}

pub(super) async fn run(context: &mut Context, options: Options) -> Result<ExitCode, CommandError> {
    let line = connect(context, &options).await?;
    let interactive = options.script.is_none() && std::io::stdin().is_terminal();
    if interactive {
        context.out.line("Type `function {\"argument\": \"value\"}`; $slot_id and $booking_id stand for those of the last answer. End with Ctrl-D.")?;
    }
    let lines: Box<dyn Iterator<Item = std::io::Result<String>>> = match &options.script {
        Some(file) => {
            let text = system::read(file)
                .map_err(|error| CommandError::Failed(format!("failed to read {}: {error}", file.display())))?;
            Box::new(text.lines().map(|line| Ok(line.to_owned())).collect::<Vec<_>>().into_iter())
        }
        None => Box::new(std::io::stdin().lock().lines()),
    };
    let mut known = BTreeMap::new();
    let (mut booked, mut failed, mut scripted, mut number) = (false, 0, false, 0);
    for text in lines {
        let text = text?;
        number += 1;
        let text = text.trim();
        if text.is_empty() || text.starts_with('#') {
            continue;
        }
        let turn = match parse(text, &known) {
            Ok(turn) => turn,
            Err(why) if interactive => {
                context.out.complain(&why)?;
                continue;
            }
            Err(why) => return Err(CommandError::Failed(format!("line {number}: {why}"))),
        };
        let (answer, millis) = line.say(&turn, number).await?;
        let status = answer["status"].as_str().unwrap_or("").to_owned();
        booked |= status == "booked";
        remember(&mut known, &answer);
        scripted |= !turn.expected.is_empty();
        let as_expected = turn.expected.is_empty() || turn.expected.contains(&status);
        failed += usize::from(!as_expected);
        if context.json {
            context.out.json(&json!({ "function": turn.function, "args": turn.arguments, "answer": answer, "ms": millis, "as_expected": as_expected }))?;
        } else {
            let mark = if as_expected { "" } else { "   << expected " };
            context.out.line(&format!("> {} {}", turn.function, turn.arguments))?;
            context.out.line(&format!(
                "< {status} ({millis} ms){mark}{}",
                if as_expected { String::new() } else { turn.expected.join("|") }
            ))?;
            context.out.line(&format!("  {}", answer["message"].as_str().unwrap_or("")))?;
            for slot in answer["slots"].as_array().into_iter().flatten() {
                context.out.line(&format!(
                    "  {}  {}",
                    slot["slot_id"].as_str().unwrap_or("-"),
                    slot["spoken"].as_str().unwrap_or("")
                ))?;
            }
        }
    }
    let went_well = failed == 0 && (scripted || booked);
    Ok(if went_well { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn connect(context: &Context, options: &Options) -> Result<Line, CommandError> {
    let world = World::real();
    let config = context.load()?;
    let (mut key, mut agent, mut to) = (options.key.clone().map(resolve).transpose()?, None, None);
    if key.is_none() {
        let store = open_store(&config, &world).await?;
        let tenants = store.tenants().await?;
        let tenant = tenants.iter().find(|it| it.slug.as_str() == options.tenant);
        let tenant = tenant.ok_or_else(|| CommandError::Failed(format!("there is no tenant {}", options.tenant)))?;
        key = tenant.secrets.retell_api_key.clone();
        agent = tenant.agent_ids.first().cloned();
        to = tenant.phone_numbers.first().map(|number| number.e164().to_owned());
        store.close().await;
    }
    let key = key.ok_or_else(|| CommandError::Failed(format!("{} has no retell.api_key; give --key", options.tenant)))?;
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = reqwest::Client::builder()
        .timeout(PATIENCE)
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .build()
        .map_err(|error| CommandError::Failed(format!("failed to make the client: {error}")))?;
    Ok(Line {
        url: options.url.clone().unwrap_or(config.server.public_url).trim_end_matches('/').to_owned(),
        tenant: options.tenant.clone(),
        key,
        agent,
        to,
        from: options.from.clone(),
        call: format!("call_{}", random_text(&*world.dice)),
        world,
        client,
    })
}

fn resolve(text: String) -> Result<Secret, CommandError> {
    use crate::config::secrets::SecretSource;

    let unset = || CommandError::Failed("--key is not set".to_owned());
    let source = SecretSource::parse(&text).ok_or_else(unset)?;
    let resolved =
        source.resolve("--key", &system::env, &system::read).map_err(|problem| CommandError::Failed(problem.to_string()))?;
    resolved.into_value().ok_or_else(unset)
}

impl Line {
    async fn say(&self, turn: &Turn, number: usize) -> Result<(Value, i64), CommandError> {
        let mut call =
            json!({ "call_id": self.call, "call_type": "phone_call", "direction": "inbound", "from_number": self.from });
        if let Value::Object(call) = &mut call {
            if let Some(agent) = &self.agent {
                call.insert("agent_id".to_owned(), json!(agent));
            }
            if let Some(to) = &self.to {
                call.insert("to_number".to_owned(), json!(to));
            }
            let invocation = json!([{ "role": "tool_call_invocation", "tool_call_id": format!("tool_{number}"), "name": turn.function, "arguments": turn.arguments.to_string() }]);
            call.insert("transcript_with_tool_calls".to_owned(), invocation);
        }
        let body = json!({ "name": turn.function, "args": turn.arguments, "call": call }).to_string();
        let began = self.world.clock.now();
        let signature = frontdesk_http::sign(&self.key, body.as_bytes(), began.as_millisecond());
        let url = format!("{}/api/t/{}/retell/functions", self.url, self.tenant);
        let answer = self
            .client
            .post(&url)
            .header("content-type", "application/json")
            .header("x-retell-signature", signature)
            .body(body)
            .send()
            .await
            .map_err(|error| CommandError::Failed(format!("failed to reach {url}: {}", super::chain(&error))))?;
        let status = answer.status();
        let text = answer.text().await.map_err(|error| CommandError::Failed(format!("failed to read the answer: {error}")))?;
        let millis = i64::try_from((self.world.clock.now() - began).as_millis()).unwrap_or(i64::MAX);
        if !status.is_success() {
            return Err(CommandError::Failed(format!("the gateway answered {status}: {text}")));
        }
        let answer =
            serde_json::from_str(&text).map_err(|_| CommandError::Failed(format!("the gateway answered no JSON: {text}")))?;
        Ok((answer, millis))
    }
}

/// Reads `function {…} => status|status`, with `$name` replaced by what the last answers said.
fn parse(text: &str, known: &BTreeMap<&'static str, String>) -> Result<Turn, String> {
    let (request, expected) = match text.rsplit_once("=>") {
        Some((request, expected)) if !expected.contains(['{', '}', '"']) => (request.trim(), expected.trim()),
        _ => (text, ""),
    };
    let (function, arguments) = request.split_once(char::is_whitespace).unwrap_or((request, "{}"));
    let mut arguments = arguments.trim().to_owned();
    for (name, value) in known {
        arguments = arguments.replace(&format!("${name}"), value);
    }
    let arguments: Value =
        serde_json::from_str(&arguments).map_err(|error| format!("the arguments are no JSON object: {error}"))?;
    if !arguments.is_object() {
        return Err("the arguments are no JSON object".to_owned());
    }
    let expected = expected.split('|').map(str::trim).filter(|status| !status.is_empty()).map(str::to_owned).collect();
    Ok(Turn { function: function.to_owned(), arguments, expected })
}

fn remember(known: &mut BTreeMap<&'static str, String>, answer: &Value) {
    if let Some(slot) = answer["slots"][0]["slot_id"].as_str() {
        known.insert("slot_id", slot.to_owned());
    }
    let booking = answer["booking_id"].as_str().or_else(|| answer["appointments"][0]["booking_id"].as_str());
    if let Some(booking) = booking {
        known.insert("booking_id", booking.to_owned());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_function_arguments_and_what_is_expected() {
        let known = BTreeMap::from([("slot_id", "s_1".to_owned())]);
        let turn =
            parse(r#"book_appointment {"slot_id": "$slot_id", "name": "A => B"} => booked|pending"#, &known).expect("a turn");
        assert_eq!(turn.function, "book_appointment");
        assert_eq!(turn.arguments["slot_id"], "s_1");
        assert_eq!(turn.expected, ["booked", "pending"]);
        assert_eq!(parse("start_call", &known).expect("a turn").arguments, json!({}));
        assert!(parse("check_availability [1]", &known).is_err());
    }
}
