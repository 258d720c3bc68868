//! The narrow waist to Cal.com: one request, one answer or one failure, before the deadline.
//!
//! Here and nowhere else are the address, the key, the version of each route, the limits on time and
//! size, and the line in the log.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use jiff::{SignedDuration, Timestamp};
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue, RETRY_AFTER};
use reqwest::{Method, Response, Url};
use serde::Serialize;
use serde::de::DeserializeOwned;

use frontdesk_core::breaker::Ending;
use frontdesk_core::clock::Clock;
use frontdesk_core::deadline::Deadline;
use frontdesk_core::ids::TenantId;
use frontdesk_core::meter;
use frontdesk_core::ports::{CalendarError, Journal, Refusal, Told};
use frontdesk_core::spans::{Asked, Span};
use frontdesk_core::tenant::{CalendarKind, Tenant};

use super::rejection::Rejection;
use super::wire;
use crate::guard::{Guard, Urgency};
use crate::reach::{OUT_OF_REACH, Reach};

/// Connecting takes no longer, whatever the deadline.
const CONNECT_WITHIN: Duration = Duration::from_secs(1);
/// Shorter than servers keep idle connections, so that a request rarely meets a closed one.
const IDLE_FOR: Duration = Duration::from_secs(30);
/// A longer answer is nonsense.
const MOST_BYTES: usize = 2 * 1024 * 1024;
/// How long an account is blocked after too many requests, and so the longest wait that is believed.
const BLOCKED_FOR: i64 = 60;
/// A number of seconds over this is an instant, not a wait.
const EPOCH_FROM: i64 = 1_000_000_000;
const USER_AGENT: &str = concat!("frontdesk/", env!("CARGO_PKG_VERSION"));

/// The client for all accounts.
pub(super) struct Exchange {
    client: reqwest::Client,
    clock: Arc<dyn Clock>,
    guard: Arc<Guard>,
    journal: Arc<dyn Journal>,
    reach: Reach,
}

/// Whose calendar is spoken to, and with which key.
#[derive(Clone)]
pub(super) struct Account {
    base: Url,
    bearer: HeaderValue,
    tenant: TenantId,
    /// What the account is called in limits, breakers and logs: it tells nothing of the key.
    id: String,
}

/// What is said of an answer that is longer than any is read.
pub(super) const TOO_LONG: &str = "the answer is too long";

/// What can be asked of Cal.com; a uid is data of the path and is never logged.
#[derive(Clone, Copy)]
pub(super) enum Route<'a> {
    Slots,
    Bookings,
    Booking(&'a str),
    Reschedule(&'a str),
    Cancel(&'a str),
    Me,
    EventTypes,
    EventType(i64),
}

/// One request.
pub(super) struct Request<'a> {
    method: Method,
    route: Route<'a>,
    query: Vec<(&'static str, String)>,
    body: Option<Vec<u8>>,
    urgency: Urgency,
}

/// Why there is no answer.
pub(super) enum Failure {
    /// Cal.com said no in words.
    Rejected(Rejection),
    /// Everything else.
    Trouble(CalendarError),
}

// === impl Exchange ===

impl Exchange {
    pub(super) fn open(
        clock: Arc<dyn Clock>,
        guard: Arc<Guard>,
        journal: Arc<dyn Journal>,
        reach: Reach,
    ) -> Result<Self, reqwest::Error> {
        // The client takes the process's provider; one that is installed already is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = reqwest::Client::builder()
            .user_agent(USER_AGENT)
            .redirect(reqwest::redirect::Policy::none())
            // WHY NOT the environment's proxy: requests with keys go where the tenant's file says.
            .no_proxy()
            .dns_resolver(Arc::new(reach.clone()))
            .connect_timeout(CONNECT_WITHIN)
            .pool_idle_timeout(IDLE_FOR)
            .tcp_nodelay(true)
            .build()?;
        Ok(Self { client, clock, guard, journal, reach })
    }

    /// Sends the request and reads `data` of the answer.
    pub(super) async fn ask<T: DeserializeOwned>(
        &self,
        account: &Account,
        request: Request<'_>,
        deadline: Deadline,
    ) -> Result<T, Failure> {
        self.ask_aloud(account, request, deadline).await.map(|(_, data)| data)
    }

    /// The same, with what stands around the answer.
    pub(super) async fn ask_aloud<T: DeserializeOwned>(
        &self,
        account: &Account,
        request: Request<'_>,
        deadline: Deadline,
    ) -> Result<(HeaderMap, T), Failure> {
        let (headers, body) = self.send(account, request, deadline).await?;
        let data = serde_json::from_slice(&body).map_err(|_| garbage("the answer has an unknown shape"))?;
        Ok((headers, data))
    }

    /// What time it is here.
    pub(super) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    async fn send(&self, account: &Account, request: Request<'_>, deadline: Deadline) -> Result<(HeaderMap, Bytes), Failure> {
        let budget = deadline.remaining();
        if budget.is_zero() {
            return Err(Failure::Trouble(unavailable("no time was left to ask")));
        }
        if !self.reach.allows(&account.base) {
            return Err(Failure::Trouble(misconfigured(OUT_OF_REACH)));
        }
        let ticket = self.guard.enter(&account.tenant, &account.id, request.urgency).await.map_err(Failure::Trouble)?;
        let (method, route, span) = (request.method.clone(), request.route, meter::asking());
        let sent_body = request.body.clone().unwrap_or_default();
        let sent = tokio::time::timeout_at(deadline.instant(), self.transfer(account, request, budget, span.as_deref())).await;
        let outcome = sent.unwrap_or_else(|_| Err("no answer in time"));
        let took = budget.saturating_sub(deadline.remaining());
        let duration_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        meter::note(|meter| meter.calendar(took));
        let (status, received, trouble) = match &outcome {
            Ok((status, _, body)) => (Some(*status), &body[..], None),
            Err(trouble) => (None, &[][..], Some(*trouble)),
        };
        if let Some(span) = &span {
            span.answered(&Asked {
                method: method.as_str(),
                route: route.template(),
                host: account.base.host_str().unwrap_or_default(),
                port: account.base.port_or_known_default().unwrap_or_default(),
                status,
                trouble,
                took,
            });
        }
        self.journal.keep(Told {
            tenant: &account.tenant,
            request: meter::request(),
            account: &account.id,
            method: method.as_str(),
            route: route.template(),
            status,
            trouble,
            took,
            sent: &sent_body,
            received,
            is_plain: matches!(route, Route::Slots | Route::Me | Route::EventTypes | Route::EventType(_)),
            at: self.clock.now(),
        });
        let judged = match outcome {
            Ok((status, headers, body)) => {
                let request_id = headers.get("x-request-id").and_then(|id| id.to_str().ok()).unwrap_or("");
                tracing::debug!(%method, route = route.template(), status, duration_ms, request_id, "exchange with the calendar");
                self.judge(status, &headers, body).map(|data| (headers, data))
            }
            Err(trouble) => {
                tracing::debug!(%method, route = route.template(), duration_ms, trouble, "exchange with the calendar");
                Err(Failure::Trouble(if trouble == OUT_OF_REACH { misconfigured(trouble) } else { unavailable(trouble) }))
            }
        };
        let ending = judged.as_ref().map_or_else(Failure::ending, |_| Ending::Answered);
        if let Err(Failure::Trouble(CalendarError::Throttled { retry_after })) = &judged {
            self.guard.cool_off(&account.id, *retry_after);
        }
        ticket.end(ending, took).await;
        judged
    }

    /// The error is a fixed text: those of the client name the address, and with it uids.
    async fn transfer(
        &self,
        account: &Account,
        request: Request<'_>,
        budget: Duration,
        span: Option<&dyn Span>,
    ) -> Result<(u16, HeaderMap, Bytes), &'static str> {
        let url = account.url(request.route, &request.query).ok_or("the request has no address")?;
        let mut outgoing = self
            .client
            .request(request.method, url)
            .timeout(budget)
            .header("cal-api-version", request.route.version())
            .header(AUTHORIZATION, account.bearer.clone())
            .header(ACCEPT, "application/json");
        for (name, value) in span.map(Span::headers).unwrap_or_default() {
            outgoing = outgoing.header(name, value);
        }
        if let Some(body) = request.body {
            outgoing = outgoing.header(CONTENT_TYPE, "application/json").body(body);
        }
        let mut response = outgoing.send().await.map_err(|error| wording(&error))?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Ok((status, headers, drain(&mut response).await?))
    }

    fn judge(&self, status: u16, headers: &HeaderMap, body: Bytes) -> Result<Bytes, Failure> {
        match status {
            200..=299 => match serde_json::from_slice::<wire::Envelope<'_>>(&body) {
                Ok(wire::Envelope { status: "success", data: Some(data) }) => Ok(Bytes::copy_from_slice(data.get().as_bytes())),
                // Some builds answer errors under a good status.
                Ok(wire::Envelope { status: "error", .. }) => Err(Failure::Rejected(Rejection::read(status, &body))),
                _ => Err(garbage("the answer is not the usual envelope")),
            },
            300..=399 => Err(Failure::Trouble(CalendarError::Misconfigured {
                detail: format!("{status}: the address redirects elsewhere"),
            })),
            429 => Err(Failure::Trouble(CalendarError::Throttled { retry_after: self.wait(headers) })),
            _ => Err(Failure::Rejected(Rejection::read(status, &body))),
        }
    }

    /// QUIRK: there is no `Retry-After`; the reset of the limit is seconds, or by some accounts an
    /// instant. An account over its limit is blocked for a minute.
    fn wait(&self, headers: &HeaderMap) -> SignedDuration {
        let number = |name: &str| -> Option<i64> { headers.get(name)?.to_str().ok()?.trim().parse().ok() };
        let seconds = match number("x-ratelimit-reset-default").or_else(|| number(RETRY_AFTER.as_str())) {
            Some(instant) if instant > EPOCH_FROM => instant - self.clock.now().as_second(),
            Some(seconds) => seconds,
            None => BLOCKED_FOR,
        };
        SignedDuration::from_secs(seconds.clamp(1, BLOCKED_FOR))
    }
}

// === impl Account ===

impl Account {
    pub(super) fn id(&self) -> &str {
        &self.id
    }

    pub(super) fn of(tenant: &Tenant) -> Result<Self, CalendarError> {
        let CalendarKind::Calcom { base_url, .. } = &tenant.calendar else {
            return Err(misconfigured("the tenant is not on Cal.com"));
        };
        let base = Url::parse(base_url).map_err(|_| misconfigured("the address of the calendar is not a URL"))?;
        if !matches!(base.scheme(), "http" | "https") || base.cannot_be_a_base() {
            return Err(misconfigured("the address of the calendar is not an HTTP one"));
        }
        let key = tenant.secrets.calcom_api_key.as_ref().filter(|key| !key.is_empty());
        let key = key.ok_or_else(|| misconfigured("there is no API key"))?;
        let mut bearer = HeaderValue::from_str(&format!("Bearer {}", key.expose()))
            .map_err(|_| misconfigured("the API key holds characters that no key has"))?;
        bearer.set_sensitive(true);
        let id = account_id(base_url, key.expose());
        Ok(Self { base, bearer, tenant: tenant.slug.clone(), id })
    }

    /// `None` for a uid that would make another path.
    fn url(&self, route: Route<'_>, query: &[(&'static str, String)]) -> Option<Url> {
        let mut url = self.base.clone();
        {
            let mut path = url.path_segments_mut().ok()?;
            path.pop_if_empty().push("v2");
            let number;
            let (resource, uid, act) = match route {
                Route::Me => ("me", None, None),
                Route::EventTypes => ("event-types", None, None),
                Route::EventType(id) => {
                    number = id.to_string();
                    ("event-types", Some(number.as_str()), None)
                }
                Route::Slots => ("slots", None, None),
                Route::Bookings => ("bookings", None, None),
                Route::Booking(uid) => ("bookings", Some(uid), None),
                Route::Reschedule(uid) => ("bookings", Some(uid), Some("reschedule")),
                Route::Cancel(uid) => ("bookings", Some(uid), Some("cancel")),
            };
            path.push(resource);
            if let Some(uid) = uid {
                // These would climb in the path instead of naming a booking.
                if matches!(uid, "" | "." | "..") {
                    return None;
                }
                path.push(uid);
            }
            if let Some(act) = act {
                path.push(act);
            }
        }
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query.iter().map(|(name, value)| (*name, value.as_str())));
        }
        Some(url)
    }
}

// === impl Route ===

impl Route<'_> {
    /// QUIRK: a version that a route does not have is a 404, one that nobody has is silently the
    /// oldest, with other shapes.
    fn version(self) -> &'static str {
        match self {
            Self::Slots => "2024-09-04",
            Self::EventTypes | Self::EventType(_) => "2024-06-14",
            Self::Bookings | Self::Booking(_) | Self::Reschedule(_) | Self::Cancel(_) | Self::Me => "2024-08-13",
        }
    }

    fn template(self) -> &'static str {
        match self {
            Self::Slots => "/v2/slots",
            Self::Bookings => "/v2/bookings",
            Self::Booking(_) => "/v2/bookings/{uid}",
            Self::Reschedule(_) => "/v2/bookings/{uid}/reschedule",
            Self::Cancel(_) => "/v2/bookings/{uid}/cancel",
            Self::Me => "/v2/me",
            Self::EventTypes => "/v2/event-types",
            Self::EventType(_) => "/v2/event-types/{id}",
        }
    }
}

// === impl Request ===

impl<'a> Request<'a> {
    pub(super) fn get(route: Route<'a>, query: Vec<(&'static str, String)>) -> Self {
        let urgency = if matches!(route, Route::Slots) { Urgency::Promise } else { Urgency::Booking };
        Self { method: Method::GET, route, query, body: None, urgency }
    }

    /// Nothing is promised by it.
    pub(super) fn browsing(mut self, browsing: bool) -> Self {
        if browsing {
            self.urgency = Urgency::Browse;
        }
        self
    }

    pub(super) fn post(route: Route<'a>, body: &impl Serialize) -> Result<Self, CalendarError> {
        let body = serde_json::to_vec(body).map_err(|_| misconfigured("the request could not be written"))?;
        Ok(Self { method: Method::POST, route, query: Vec::new(), body: Some(body), urgency: Urgency::Booking })
    }
}

// === impl Failure ===

impl Failure {
    /// What it says about the service: a no to one request is an answer.
    fn ending(&self) -> Ending {
        match self {
            Self::Rejected(rejection) => match rejection.verdict() {
                CalendarError::Unavailable { .. } => Ending::Fault,
                CalendarError::Refused { .. }
                | CalendarError::Throttled { .. }
                | CalendarError::Open { .. }
                | CalendarError::Misconfigured { .. } => Ending::Answered,
            },
            Self::Trouble(CalendarError::Throttled { .. }) => Ending::Throttled,
            // It is there; we asked for more than we take.
            Self::Trouble(CalendarError::Unavailable { detail }) if detail == TOO_LONG => Ending::Answered,
            Self::Trouble(CalendarError::Unavailable { .. }) => Ending::Fault,
            Self::Trouble(CalendarError::Refused { .. } | CalendarError::Open { .. } | CalendarError::Misconfigured { .. }) => {
                Ending::Answered
            }
        }
    }
}

impl From<Failure> for CalendarError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Rejected(rejection) => rejection.verdict(),
            Failure::Trouble(error) => error,
        }
    }
}

impl From<CalendarError> for Failure {
    fn from(error: CalendarError) -> Self {
        Self::Trouble(error)
    }
}

/// The same address and key are the same account, whoever uses them.
fn account_id(base_url: &str, key: &str) -> String {
    let mut digest = ring::digest::Context::new(&ring::digest::SHA256);
    digest.update(base_url.as_bytes());
    digest.update(b"\n");
    digest.update(key.as_bytes());
    let digest = digest.finish();
    let hex: String = digest.as_ref().iter().take(6).map(|byte| format!("{byte:02x}")).collect();
    format!("acct_{hex}")
}

async fn drain(response: &mut Response) -> Result<Bytes, &'static str> {
    let mut body = BytesMut::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| wording(&error))? {
        if body.len() + chunk.len() > MOST_BYTES {
            return Err(TOO_LONG);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body.freeze())
}

fn wording(error: &reqwest::Error) -> &'static str {
    if Reach::refused(error) {
        OUT_OF_REACH
    } else if error.is_timeout() && error.is_connect() {
        "connecting took too long"
    } else if error.is_timeout() {
        "no answer in time"
    } else if error.is_connect() {
        "no connection"
    } else {
        "the connection broke off"
    }
}

fn garbage(detail: &str) -> Failure {
    Failure::Trouble(unavailable(detail))
}

pub(super) fn unavailable(detail: &str) -> CalendarError {
    CalendarError::Unavailable { detail: detail.to_owned() }
}

pub(super) fn misconfigured(detail: &str) -> CalendarError {
    CalendarError::Misconfigured { detail: detail.to_owned() }
}

pub(super) fn refused(refusal: Refusal, detail: &str) -> CalendarError {
    CalendarError::Refused { refusal, detail: detail.to_owned() }
}
