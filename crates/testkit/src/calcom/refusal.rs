//! The error bodies of Cal.com, in all their shapes.

use serde_json::{Value, json};

use super::check::{self, Wrong};

/// The body of an error answer.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ErrorShape {
    /// An exception of the framework: `error.code`, `error.message`, `error.details`.
    A,
    /// As A, from the global validation: the message says nothing, `details.errors` does.
    APrime,
    /// A business error: `error.code` in snake case, `error.message`, `error.data`.
    B,
    /// `{"statusCode", "message"}`, for what nobody foresaw.
    C,
    /// `error.code` is `TRPCError`.
    D,
    /// From the database or the parser: `error.code` in capitals.
    E,
}

/// A request turned down.
#[derive(Clone, Debug)]
pub(crate) struct Refusal {
    pub(crate) status: u16,
    pub(crate) shape: ErrorShape,
    pub(crate) code: String,
    pub(crate) message: String,
    pub(crate) errors: Value,
    pub(crate) blame: Blame,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Blame {
    /// The request breaks the contract and would whenever it was sent.
    Request,
    /// The request is fine, the calendar says no.
    State,
}

// === impl Refusal ===

impl Refusal {
    pub(crate) fn new(status: u16, shape: ErrorShape, message: impl Into<String>) -> Self {
        Self {
            status,
            shape,
            code: usual_code(status, shape).to_owned(),
            message: message.into(),
            errors: json!([]),
            blame: Blame::State,
        }
    }

    pub(crate) fn bad(message: impl Into<String>) -> Self {
        Self::new(400, ErrorShape::A, message)
    }

    pub(crate) fn not_found(message: impl Into<String>) -> Self {
        Self::new(404, ErrorShape::A, message)
    }

    pub(crate) fn unauthorized(message: impl Into<String>) -> Self {
        Self::new(401, ErrorShape::A, message)
    }

    pub(crate) fn unprocessable(message: impl Into<String>) -> Self {
        Self::new(422, ErrorShape::A, message)
    }

    /// Blames the request instead of the calendar's state.
    pub(crate) fn malformed(mut self) -> Self {
        self.blame = Blame::Request;
        self
    }

    pub(crate) fn code(mut self, code: &str) -> Self {
        self.code = code.to_owned();
        self
    }

    /// A validation pipe of one endpoint: all reasons in one message.
    pub(crate) fn by_pipe(wrong: &[Wrong]) -> Self {
        Self::bad(check::one_message(wrong)).malformed()
    }

    /// The global validation pipe.
    pub(crate) fn by_validation(wrong: &[Wrong]) -> Self {
        let mut refusal = Self::new(400, ErrorShape::APrime, "Bad Request Exception").malformed();
        refusal.errors = wrong.iter().map(Wrong::to_json).collect();
        refusal
    }

    /// What the log of violations says.
    pub(crate) fn sentence(&self) -> String {
        match self.shape {
            ErrorShape::APrime => format!("{} {}", self.message, self.errors),
            _ => self.message.clone(),
        }
    }

    pub(crate) fn body(&self, timestamp: &str, target: &str) -> Value {
        let error = match self.shape {
            ErrorShape::C => {
                return json!({"statusCode": self.status, "message": self.message});
            }
            ErrorShape::A => json!({
                "code": self.code,
                "message": self.message,
                "details": {
                    "message": self.message,
                    "error": reason_phrase(self.status),
                    "statusCode": self.status,
                },
            }),
            ErrorShape::APrime => json!({
                "code": self.code,
                "message": self.message,
                "details": {"errors": self.errors},
            }),
            ErrorShape::B => {
                json!({"code": self.code, "message": self.message, "data": Value::Null})
            }
            ErrorShape::D | ErrorShape::E => json!({"code": self.code, "message": self.message}),
        };
        json!({"status": "error", "timestamp": timestamp, "path": target, "error": error})
    }
}

/// The sentence a fault says when the test gave none.
pub(crate) fn usual_message(status: u16, shape: ErrorShape) -> &'static str {
    match (status, shape) {
        (400, ErrorShape::APrime) => "Bad Request Exception",
        (400, _) => super::bookings::TAKEN_BY_ONE,
        (401, _) => "ApiAuthStrategy - api key - Your api key is not valid",
        (404, _) => "Event type with id 0 not found.",
        (409, ErrorShape::B) => "booking_conflict_error",
        (409, ErrorShape::E) => super::bookings::RECORD_EXISTS,
        (409, _) => "No more seats left at this seated booking.",
        (429, _) => super::limiter::TOO_MANY,
        (500, ErrorShape::E) => "There was an error, please try again later.",
        (500.., _) => "Internal server error",
        _ => "Refused",
    }
}

fn usual_code(status: u16, shape: ErrorShape) -> &'static str {
    match (shape, status) {
        (ErrorShape::D, _) => "TRPCError",
        (ErrorShape::B, _) => "booking_conflict_error",
        (ErrorShape::E, 409) => "CONFLICT",
        (ErrorShape::E, 400) => "BAD_REQUEST",
        (ErrorShape::E, _) => "INTERNAL_SERVER_ERROR",
        (_, 400) => "BadRequestException",
        (_, 401) => "UnauthorizedException",
        (_, 403) => "ForbiddenException",
        (_, 404) => "NotFoundException",
        (_, 409) => "ConflictException",
        (_, 422) => "UnprocessableEntityException",
        (_, 429) => "ThrottlerException",
        (_, 503) => "ServiceUnavailableException",
        _ => "InternalServerErrorException",
    }
}

fn reason_phrase(status: u16) -> &'static str {
    match status {
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        409 => "Conflict",
        422 => "Unprocessable Entity",
        429 => "Too Many Requests",
        503 => "Service Unavailable",
        _ => "Internal Server Error",
    }
}
