//! Every failure outside voice, as RFC 9457 problem details; the one place where it becomes a response.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use frontdesk_core::ports::StoreError;
use serde_json::{Value, json};

/// The catalogue of codes: status, title, and what it means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Code {
    Unauthorized,
    NotFound,
    MethodNotAllowed,
    PayloadTooLarge,
    MalformedJson,
    ValidationFailed,
    UnknownService,
    SlotTaken,
    OutsideBusinessHours,
    Closed,
    NoticeTooShort,
    HorizonExceeded,
    DeadlineMissed,
    IdempotencyMismatch,
    StillRunning,
    StateConflict,
    CalendarUnavailable,
    RateLimitExceeded,
    UnsupportedMediaType,
    Timeout,
    Internal,
}

impl Code {
    pub(crate) const ALL: [Self; 21] = [
        Self::Unauthorized,
        Self::NotFound,
        Self::MethodNotAllowed,
        Self::PayloadTooLarge,
        Self::MalformedJson,
        Self::ValidationFailed,
        Self::UnknownService,
        Self::SlotTaken,
        Self::OutsideBusinessHours,
        Self::Closed,
        Self::NoticeTooShort,
        Self::HorizonExceeded,
        Self::DeadlineMissed,
        Self::IdempotencyMismatch,
        Self::StillRunning,
        Self::StateConflict,
        Self::CalendarUnavailable,
        Self::RateLimitExceeded,
        Self::UnsupportedMediaType,
        Self::Timeout,
        Self::Internal,
    ];

    /// Status, code, title.
    pub(crate) fn facts(self) -> (StatusCode, &'static str, &'static str) {
        match self {
            Self::Unauthorized => (StatusCode::UNAUTHORIZED, "unauthorized", "The key or signature is missing or not valid"),
            Self::NotFound => (StatusCode::NOT_FOUND, "not_found", "There is nothing here"),
            Self::MethodNotAllowed => (StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", "This method is not served here"),
            Self::PayloadTooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "payload_too_large", "The body is too large"),
            Self::MalformedJson => (StatusCode::BAD_REQUEST, "malformed_json", "The body is not JSON"),
            Self::ValidationFailed => (StatusCode::UNPROCESSABLE_ENTITY, "validation_failed", "Some fields are not valid"),
            Self::UnknownService => (StatusCode::UNPROCESSABLE_ENTITY, "unknown_service", "There is no such service"),
            Self::SlotTaken => (StatusCode::CONFLICT, "slot_taken", "The time is not free"),
            Self::OutsideBusinessHours => {
                (StatusCode::UNPROCESSABLE_ENTITY, "outside_business_hours", "The business is not open at that time")
            }
            Self::Closed => (StatusCode::UNPROCESSABLE_ENTITY, "closed", "The business is closed on that day"),
            Self::NoticeTooShort => (StatusCode::UNPROCESSABLE_ENTITY, "notice_too_short", "The start is too soon"),
            Self::HorizonExceeded => (StatusCode::UNPROCESSABLE_ENTITY, "horizon_exceeded", "The start is too far away"),
            Self::DeadlineMissed => {
                (StatusCode::UNPROCESSABLE_ENTITY, "deadline_missed", "It is too late to change the appointment")
            }
            Self::IdempotencyMismatch => {
                (StatusCode::UNPROCESSABLE_ENTITY, "idempotency_key_reused", "The idempotency key belongs to another request")
            }
            Self::StillRunning => (StatusCode::CONFLICT, "still_running", "The first request with this key is still running"),
            Self::StateConflict => (StatusCode::CONFLICT, "state_conflict", "It cannot become that any more"),
            Self::CalendarUnavailable => {
                (StatusCode::SERVICE_UNAVAILABLE, "calendar_unavailable", "The calendar gives no answer")
            }
            Self::RateLimitExceeded => (StatusCode::TOO_MANY_REQUESTS, "rate_limit_exceeded", "Too many requests"),
            Self::UnsupportedMediaType => {
                (StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", "The body is not of a kind that is read here")
            }
            Self::Timeout => (StatusCode::REQUEST_TIMEOUT, "request_timeout", "The body took too long to arrive"),
            Self::Internal => (StatusCode::INTERNAL_SERVER_ERROR, "internal_error", "Something of ours broke"),
        }
    }
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
