//! What a call took, what it cost, and what came of it.

use serde::Serialize;

/// An amount of money, exact: no platform's price is a whole number of cents.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Money {
    /// Millionths of the currency's unit.
    pub micros: i64,
    /// ISO 4217.
    pub currency: String,
}

impl Money {
    /// Cents with a fraction, as platforms tell them; `None` for what is no price.
    pub fn of_cents(cents: f64, currency: &str) -> Option<Self> {
        const MOST_CENTS: f64 = 1e12;
        let is_price = cents.is_finite() && (0.0..=MOST_CENTS).contains(&cents);
        // In range, so that nothing is cut off but the error of the floating point.
        is_price.then(|| Self { micros: (cents * 10_000.0).round() as i64, currency: currency.to_owned() })
    }

    /// In the currency's unit, such as `0.3445`: at least two places, no more than it takes.
    pub fn amount(&self) -> String {
        let digits = format!("{:06}", self.micros.unsigned_abs() % 1_000_000);
        let short = digits.trim_end_matches('0');
        let sign = if self.micros < 0 { "-" } else { "" };
        format!("{sign}{}.{short:0<2}", self.micros.unsigned_abs() / 1_000_000)
    }
}

/// What a platform says of a call in numbers. Nothing that we know better is taken from it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Figures {
    /// How long it took, milliseconds.
    pub duration_ms: Option<i64>,
    /// What the platform charges for it.
    pub cost: Option<Money>,
    /// Whether its own analysis takes the call for a success.
    pub said_successful: Option<bool>,
}

/// What came of a call, by what is known here; a platform's opinion has no part in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Disposition {
    /// Nothing was asked for, or nothing is known.
    None,
    /// A question was answered.
    Answered,
    /// Somebody wanted an appointment and has neither that nor a promise.
    Unserved,
    /// A person will call.
    Callback,
    /// Something waits for the calendar.
    Pending,
    /// An appointment was cancelled.
    Cancelled,
    /// An appointment was moved.
    Moved,
    /// An appointment was made.
    Booked,
}

impl Disposition {
    /// What a function's ending alone says; of several the greatest counts.
    pub fn of_status(status: &str) -> Self {
        match status {
            "booked" => Self::Booked,
            "rescheduled" => Self::Moved,
            "cancelled" => Self::Cancelled,
            "pending" => Self::Pending,
            "callback_queued" => Self::Callback,
            "available"
            | "offered"
            | "unavailable"
            | "denied"
            | "needs_confirmation"
            | "taken"
            | "rate_limited"
            | "temporarily_unavailable"
            | "error" => Self::Unserved,
            "ok" | "not_found" => Self::Answered,
            _ => Self::None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cents_are_neither_dollars_nor_rounded_to_whole_ones() {
        for (cents, micros, amount) in [
            (34.45, 344_500, "0.3445"),
            (0.0, 0, "0.00"),
            (12.0, 120_000, "0.12"),
            (150.0, 1_500_000, "1.50"),
            (0.7, 7000, "0.007"),
        ] {
            let money = Money::of_cents(cents, "USD").expect("a price");
            assert_eq!((money.micros, &*money.amount()), (micros, amount), "{cents}");
        }
        for cents in [f64::NAN, f64::INFINITY, -1.0, 1e13] {
            assert_eq!(Money::of_cents(cents, "USD"), None);
        }
    }

    #[test]
    fn a_thousand_thirds_of_a_cent_add_up_as_integers() {
        let each = Money::of_cents(0.3333, "USD").expect("a price").micros;
        assert_eq!(each * 10_000, 33_330_000);
    }
}
