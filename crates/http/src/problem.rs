//! Every failure outside voice, as RFC 9457 problem details; the one place where it becomes a response.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use frontdesk_core::ports::StoreError;
use serde_json::{Value, json};

/// The catalogue: one line makes the code, its place in the OpenAPI document, and its entry in
/// `docs/errors.md`.
macro_rules! catalogue {
    ($($name:ident, $status:ident, $code:literal, $title:literal, $advice:literal;)*) => {
        /// Every way in which a request outside voice can fail.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) enum Code {
            $(#[doc = $title] $name,)*
        }

        impl Code {
            pub(crate) const ALL: &[Self] = &[$(Self::$name,)*];

            /// Status, code, title.
            pub(crate) fn facts(self) -> (StatusCode, &'static str, &'static str) {
                match self {
                    $(Self::$name => (StatusCode::$status, $code, $title),)*
                }
            }

            /// What its receiver can do.
            fn advice(self) -> &'static str {
                match self {
                    $(Self::$name => $advice,)*
                }
            }
        }
    };
}

catalogue! {
    Unauthorized, UNAUTHORIZED, "unauthorized", "The key or signature is missing or not valid",
        "Send `Authorization: Bearer fd_…` with a key of this tenant, or sign the exact bytes of the body with the tenant's key.";
    NotFound, NOT_FOUND, "not_found", "There is nothing here",
        "Look at the path and the id. What belongs to another tenant is not found either.";
    MethodNotAllowed, METHOD_NOT_ALLOWED, "method_not_allowed", "This method is not served here",
        "Use one of the methods in the `Allow` header.";
    PayloadTooLarge, PAYLOAD_TOO_LARGE, "payload_too_large", "The body is too large",
        "Send less; `detail` says how many bytes are read.";
    UnsupportedMediaType, UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", "The body is not of a kind that is read here",
        "Send JSON with `Content-Type: application/json`.";
    Timeout, REQUEST_TIMEOUT, "request_timeout", "The body took too long to arrive",
        "Send it again, at once and as a whole.";
    MalformedJson, BAD_REQUEST, "malformed_json", "The body is not JSON",
        "Mend the body; `detail` says where it breaks.";
    ValidationFailed, UNPROCESSABLE_ENTITY, "validation_failed", "Some fields are not valid",
        "`errors` lists every field that is wrong, with its JSON pointer.";
    UnknownService, UNPROCESSABLE_ENTITY, "unknown_service", "There is no such service",
        "Name a service exactly as the tenant's file does.";
    SlotTaken, CONFLICT, "slot_taken", "The time is not free",
        "Ask for availability again and choose another time.";
    OutsideBusinessHours, UNPROCESSABLE_ENTITY, "outside_business_hours", "The business is not open at that time",
        "Choose a time within the hours.";
    Closed, UNPROCESSABLE_ENTITY, "closed", "The business is closed on that day",
        "Choose another day: this one is a holiday or a closure.";
    NoticeTooShort, UNPROCESSABLE_ENTITY, "notice_too_short", "The start is too soon",
        "Choose a later time.";
    HorizonExceeded, UNPROCESSABLE_ENTITY, "horizon_exceeded", "The start is too far away",
        "Choose an earlier time.";
    DeadlineMissed, UNPROCESSABLE_ENTITY, "deadline_missed", "It is too late to change the appointment",
        "The business itself may send `override_deadline: true`.";
    IdempotencyMismatch, UNPROCESSABLE_ENTITY, "idempotency_key_reused", "The idempotency key belongs to another request",
        "Use a new key for another method, path or body.";
    StillRunning, CONFLICT, "still_running", "The first request with this key is still running",
        "Ask again with the same key after `Retry-After`.";
    StateConflict, CONFLICT, "state_conflict", "It cannot become that any more",
        "Read the resource again: it has moved on, or its last change is not settled yet.";
    CalendarUnavailable, SERVICE_UNAVAILABLE, "calendar_unavailable", "The calendar gives no answer",
        "Ask again after `Retry-After`. Nothing was changed.";
    RateLimitExceeded, TOO_MANY_REQUESTS, "rate_limit_exceeded", "Too many requests",
        "Ask again after `Retry-After` seconds: then the same request is admitted, if no other came meanwhile.";
    Internal, INTERNAL_SERVER_ERROR, "internal_error", "Something of ours broke",
        "Report `request_id`; the operator finds what happened under it. With an idempotency key it is safe to try again.";
}

/// `docs/errors.md`, out of the catalogue.
pub fn errors_page() -> String {
    let mut page = String::from(
        "# Errors\n\nEvery failure outside voice is `application/problem+json` (RFC 9457). `code` is stable; `type` is \
         `urn:frontdesk:problem:` and the code. Voice functions answer HTTP 200 with a sentence instead.\n\n\
         This page is made from the catalogue in the code; a test compares them.\n\n\
         | status | `code` | meaning | what to do |\n| --- | --- | --- | --- |\n",
    );
    for code in Code::ALL {
        let (status, word, title) = code.facts();
        page.push_str(&format!("| {} | `{word}` | {title} | {} |\n", status.as_u16(), code.advice()));
    }
    page
}

/// A failure on its way out.
#[derive(Debug, Clone)]
pub(crate) struct Problem {
    pub(crate) code: Code,
    detail: String,
    errors: Vec<(String, String)>,
    retry_after_s: Option<u64>,
}

impl Problem {
    pub(crate) fn new(code: Code, detail: impl Into<String>) -> Self {
        Self { code, detail: detail.into(), errors: Vec::new(), retry_after_s: None }
    }

    pub(crate) fn unauthorized() -> Self {
        Self::new(Code::Unauthorized, "Send a valid key or signature.")
    }

    pub(crate) fn not_found() -> Self {
        Self::new(Code::NotFound, "Nothing by that name belongs to this key.")
    }

    /// All violations at once, each with its JSON pointer.
    pub(crate) fn invalid(errors: Vec<(String, String)>) -> Self {
        Self { errors, ..Self::new(Code::ValidationFailed, "See errors for each field.") }
    }

    /// A code of its own that still lists its fields.
    pub(crate) fn listing(code: Code, detail: impl Into<String>, errors: Vec<(String, String)>) -> Self {
        Self { errors, ..Self::new(code, detail) }
    }

    pub(crate) fn retry_after(mut self, seconds: u64) -> Self {
        self.retry_after_s = Some(seconds);
        self
    }

    /// The body, for a request with that id.
    pub(crate) fn body(&self, request_id: &str, path: &str) -> Value {
        let (status, code, title) = self.code.facts();
        let errors: Vec<Value> =
            self.errors.iter().map(|(pointer, detail)| json!({ "pointer": pointer, "detail": detail })).collect();
        json!({
            "type": format!("urn:frontdesk:problem:{code}"),
            "title": title,
            "status": status.as_u16(),
            "detail": self.detail,
            "instance": path,
            "code": code,
            "request_id": request_id,
            "errors": errors,
        })
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        tracing::error!(error = error.with_causes(), "the store failed");
        Self::new(Code::Internal, "The request could not be stored. Nothing was changed by it; try again.")
    }
}

impl IntoResponse for Problem {
    /// The body is completed by the outermost layer, which knows the request's id and path.
    fn into_response(self) -> Response {
        let (status, _, _) = self.code.facts();
        let mut response = status.into_response();
        if let Some(seconds) = self.retry_after_s {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if self.code == Code::Unauthorized {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response.extensions_mut().insert(Box::new(self));
        response
    }
}
