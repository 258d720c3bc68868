//! How an attendee can be reached, as Cal.com will take it.
//!
//! It wants an address or a number. Whoever gave neither, and whoever is refused without an address,
//! gets one that is derived from the booking, so that it is nobody else's.

use frontdesk_core::ports::NewBooking;

use super::rejection::Rejection;

/// The domain of derived addresses: reserved, so that no mail to it ever arrives anywhere. Such an
/// address exists in Cal.com only; on our side the attendee stays without one.
///
/// WHY NOT one address for all: Cal.com takes the same attendee at the same time for a repeat, and
/// gives one caller the booking of another.
const NOBODY: &str = "noreply.frontdesk.invalid";

/// The address, the number, or both.
pub(super) struct Contact<'a> {
    email: Option<String>,
    phone: Option<&'a str>,
    booking: &'a str,
}

// === impl Contact ===

impl<'a> Contact<'a> {
    pub(super) fn of(new: &'a NewBooking) -> Self {
        let email = new.attendee.email.as_ref().map(|email| email.expose().trim().to_owned()).filter(|email| !email.is_empty());
        let phone = new.attendee.phone.as_ref().filter(|phone| phone.is_valid()).map(|phone| phone.e164());
        Self { email, phone, booking: new.booking.as_str() }.reachable()
    }

    pub(super) fn email(&self) -> Option<&str> {
        self.email.as_deref()
    }

    pub(super) fn phone(&self) -> Option<&str> {
        self.phone
    }

    /// What to send instead after `rejection`, or `None` when it is not about the contact or nothing
    /// better is known. Only a refusal of the request's form counts: it came before anything was
    /// stored.
    pub(super) fn instead(self, rejection: &Rejection) -> Option<Self> {
        if self.phone.is_some() && rejection.phone_is_refused() {
            return Some(Self { phone: None, ..self }.reachable());
        }
        if self.email.is_none() && rejection.email_is_wanted() {
            return Some(Self { email: Some(derived(self.booking)), ..self });
        }
        None
    }

    fn reachable(self) -> Self {
        if self.email.is_some() || self.phone.is_some() {
            return self;
        }
        Self { email: Some(derived(self.booking)), ..self }
    }
}

fn derived(booking: &str) -> String {
    format!("{booking}@{NOBODY}")
}
