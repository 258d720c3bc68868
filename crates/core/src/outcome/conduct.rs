//! What an outcome means for how the call goes on.

use super::{Missed, Outcome};

impl Outcome {
    /// Whether a wish came to something by it, or is open after it; `None` where no wish was touched.
    pub fn serves(&self) -> Option<bool> {
        match self {
            Self::Booked { .. }
            | Self::Pending { .. }
            | Self::Cancelled(_)
            | Self::Rescheduled { .. }
            | Self::CallbackQueued(_) => Some(true),
            Self::Available(_)
            | Self::Offered { .. }
            | Self::Unavailable(_)
            | Self::NeedsConfirmation(_)
            | Self::Denied { .. }
            | Self::Taken(_)
            | Self::TemporarilyUnavailable(_) => Some(false),
            Self::NeedsInput { .. }
            | Self::Ambiguous(_)
            | Self::Ok(_)
            | Self::NotFound(_)
            | Self::RateLimited { .. }
            | Self::Invalid { .. }
            | Self::Error(_) => None,
        }
    }

    /// What the agent should do next, one word.
    pub fn next_action(&self) -> &'static str {
        match self {
            Self::Available(_) | Self::NeedsConfirmation(_) => "confirm_with_caller",
            Self::Offered { .. } | Self::Taken(_) => "let_caller_choose",
            Self::Denied { slots, .. } if !slots.is_empty() => "let_caller_choose",
            Self::Ambiguous(_) | Self::NeedsInput { .. } | Self::Invalid { .. } => "ask_caller",
            Self::Unavailable(_) | Self::Denied { .. } => "offer_callback",
            Self::NotFound(Missed::Service(_) | Missed::Staff(_) | Missed::Slot) => "ask_caller",
            Self::NotFound(_) => "continue",
            Self::RateLimited { .. } => "wait",
            Self::Booked { .. }
            | Self::Pending { .. }
            | Self::Cancelled(_)
            | Self::Rescheduled { .. }
            | Self::Ok(_)
            | Self::CallbackQueued(_)
            | Self::TemporarilyUnavailable(_)
            | Self::Error(_) => "continue",
        }
    }
}
