//! Posting to a business's software, signed as Standard Webhooks says, so that any of its libraries can
//! tell our requests from others.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use frontdesk_core::clock::Clock;
use frontdesk_core::ids::TenantId;
use frontdesk_core::outbox::Taken;
use frontdesk_core::ports::StoreError;
use frontdesk_core::sensitive::Secret;
use frontdesk_core::tenant::Tenant;
use frontdesk_store::Store;
use reqwest::header::CONTENT_TYPE;
use reqwest::{Response, Url};
use ring::hmac;
use serde_json::Value;

use super::Ending;
use super::targets::{Refused, Targets};

/// A receiver answers within this.
const WITHIN: Duration = Duration::from_secs(15);
const CONNECT_WITHIN: Duration = Duration::from_secs(5);
/// More of an answer is not read.
const MOST_BYTES: usize = 64 * 1024;
const USER_AGENT: &str = concat!("frontdesk/", env!("CARGO_PKG_VERSION"));

/// Posts.
#[derive(Clone)]
pub(crate) struct Webhook {
    client: reqwest::Client,
    targets: Targets,
    store: Store,
}

impl Webhook {
    pub(crate) fn open(store: Store, targets: Targets) -> Result<Self, reqwest::Error> {
        let client = client().dns_resolver(std::sync::Arc::new(targets.clone())).build()?;
        Ok(Self { client, targets, store })
    }

    /// Posts `body` under the row's key.
    pub(super) async fn post(&self, tenant: &Tenant, row: &Taken, body: &Value, clock: &dyn Clock) -> Ending {
        let Ok(url) = Url::parse(&tenant.notify.webhook_url) else { return Ending::Dead("the address is none".to_owned()) };
        if !self.targets.allows_url(&url) {
            return Ending::Dead(Refused.to_string());
        }
        let body = body.to_string();
        let timestamp = clock.now().as_second();
        let signature = match signing_key(&self.store, &tenant.slug) {
            Ok(key) => sign(&key, &row.key, timestamp, &body),
            Err(error) => return Ending::Again(format!("no signing key: {error}")),
        };
        let request = self
            .client
            .post(url)
            .header(CONTENT_TYPE, "application/json")
            .header("webhook-id", &row.key)
            .header("webhook-timestamp", timestamp)
            .header("webhook-signature", signature)
            .body(body);
        sent(request).await
    }
}

/// What all requests to software have in common.
pub(super) fn client() -> reqwest::ClientBuilder {
    // The client takes the process's provider; one that is installed already is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder()
        .user_agent(USER_AGENT)
        // WHY NOT follow: what an address redirects to was not looked at.
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .connect_timeout(CONNECT_WITHIN)
        .timeout(WITHIN)
}

/// Sends a request, and says how it ended.
pub(super) async fn sent(request: reqwest::RequestBuilder) -> Ending {
    match request.send().await {
        Ok(response) => judge(response).await,
        Err(error) if is_refused(&error) => Ending::Dead(Refused.to_string()),
        Err(error) => Ending::Again(wording(&error).to_owned()),
    }
}

/// What a tenant verifies our requests with.
pub(crate) fn webhook_secret(store: &Store, tenant: &TenantId) -> Result<Secret, StoreError> {
    Ok(Secret::new(format!("whsec_{}", STANDARD.encode(signing_key(store, tenant)?))))
}

fn signing_key(store: &Store, tenant: &TenantId) -> Result<[u8; 32], StoreError> {
    store.derived_key(&format!("webhook signatures of {tenant}"))
}

fn sign(key: &[u8; 32], id: &str, timestamp: i64, body: &str) -> String {
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), format!("{id}.{timestamp}.{body}").as_bytes());
    format!("v1,{}", STANDARD.encode(tag))
}

async fn judge(mut response: Response) -> Ending {
    let status = response.status().as_u16();
    match status {
        200..=299 => match head_of(&mut response).await {
            Ok(body) if is_error_in_disguise(&body) => Ending::Again(format!("answered {status} with an error inside")),
            Ok(_) => Ending::Delivered,
            Err(error) => Ending::Again(wording(&error).to_owned()),
        },
        410 => Ending::Dead("answered 410: it is gone for good".to_owned()),
        300..=399 => Ending::Again(format!("answered {status}: redirects are not followed")),
        _ => Ending::Again(format!("answered {status}")),
    }
}

/// What is worth reading of an answer.
async fn head_of(response: &mut Response) -> Result<Vec<u8>, reqwest::Error> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        body.extend_from_slice(chunk.get(..MOST_BYTES - body.len()).unwrap_or(&chunk));
        if body.len() >= MOST_BYTES {
            break;
        }
    }
    Ok(body)
}

/// Some receivers answer 200 and mean no.
fn is_error_in_disguise(body: &[u8]) -> bool {
    let Ok(Value::Object(said)) = serde_json::from_slice(body) else { return false };
    let is_said = |name: &str| match said.get(name) {
        None | Some(Value::Null | Value::Bool(false)) => false,
        Some(Value::String(text)) => !text.is_empty(),
        Some(Value::Array(items)) => !items.is_empty(),
        Some(Value::Object(fields)) => !fields.is_empty(),
        Some(Value::Number(number)) => number.as_f64() != Some(0.0),
        Some(Value::Bool(true)) => true,
    };
    let is_no = |name: &str| said.get(name) == Some(&Value::Bool(false));
    let is_bad = said.get("status").and_then(Value::as_str).is_some_and(|status| status.eq_ignore_ascii_case("error"));
    is_said("error") || is_said("errors") || is_no("success") || is_no("ok") || is_bad
}

fn is_refused(error: &reqwest::Error) -> bool {
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        if error.is::<Refused>() {
            return true;
        }
        cause = error.source();
    }
    false
}

/// A fixed text: those of the client name the address, which may hold a secret.
fn wording(error: &reqwest::Error) -> &'static str {
    if error.is_timeout() {
        "no answer in time"
    } else if error.is_connect() {
        "no connection"
    } else {
        "the connection broke off"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_signature_is_that_of_the_standards_own_example() {
        let key = STANDARD.decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").expect("base64");
        let tag = hmac::sign(
            &hmac::Key::new(hmac::HMAC_SHA256, &key),
            br#"msg_p5jXN8AQM9LWM0D4loKWxJek.1614265330.{"test": 2432232314}"#,
        );
        assert_eq!(STANDARD.encode(tag), "g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
        assert!(sign(&[7; 32], "evt_1", 1, "{}").starts_with("v1,"));
    }

    #[test]
    fn an_error_in_disguise_is_recognised() {
        for body in [
            r#"{"error":"no"}"#,
            r#"{"errors":[{"code":1}]}"#,
            r#"{"success":false}"#,
            r#"{"ok":false}"#,
            r#"{"status":"error"}"#,
            r#"{"error":{"code":1}}"#,
            r#"{"error":true}"#,
            r#"{"status":"ERROR"}"#,
        ] {
            assert!(is_error_in_disguise(body.as_bytes()), "{body}");
        }
        for body in [
            "",
            "ok",
            "<html>error</html>",
            r#"{"ok":true}"#,
            r#"{"error":null}"#,
            r#"{"errors":[]}"#,
            r#"{"error":""}"#,
            "[]",
            r#"{"status":"received"}"#,
            r#"{"error":false}"#,
            r#"{"error":0}"#,
        ] {
            assert!(!is_error_in_disguise(body.as_bytes()), "{body}");
        }
    }
}
