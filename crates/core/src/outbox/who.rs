//! Who hears of what. One page, no I/O.

use super::{Channel, Event, Facts};
use crate::booking::CallbackCause;
use crate::tenant::{CalendarKind, Tenant};

/// Somebody who hears of something.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Receiver {
    /// The business's software.
    Webhook,
    /// One mailbox of the business, by a digest of its address: a row holds no address.
    Business(String),
    /// The one the appointment is for.
    Caller,
}

/// What expanding an effect depends on beside the effect and its tenant.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Circumstances {
    /// Mail can be sent at all.
    pub can_mail: bool,
    /// The appointment is known, and so is an address of the one it is for.
    pub caller_has_address: bool,
    /// The calendar has still not settled what the effect is about.
    pub is_unsettled: bool,
    /// The work item is still on the list, and why it is.
    pub open_callback: Option<CallbackCause>,
}

/// What becomes of an effect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expansion {
    /// These hear of it; perhaps nobody.
    To(Vec<Receiver>),
    /// It is over already; the reason.
    Superseded(&'static str),
}

impl Receiver {
    /// The mailbox with that address.
    pub fn business(address: &str) -> Self {
        let digest = ring::digest::digest(&ring::digest::SHA256, address.as_bytes());
        Self::Business(digest.as_ref().iter().take(6).map(|byte| format!("{byte:02x}")).collect())
    }

    /// Which way it is reached.
    pub fn channel(&self) -> Channel {
        match self {
            Self::Webhook => Channel::Webhook,
            Self::Business(_) | Self::Caller => Channel::Mail,
        }
    }

    /// As stored.
    pub fn as_stored(&self) -> String {
        match self {
            Self::Webhook => "business".to_owned(),
            Self::Business(digest) => format!("business:{digest}"),
            Self::Caller => "caller".to_owned(),
        }
    }

    /// As read back from the store.
    pub fn from_stored(channel: Channel, target: &str) -> Option<Self> {
        match (channel, target) {
            (Channel::Webhook, "business") => Some(Self::Webhook),
            (Channel::Mail, "caller") => Some(Self::Caller),
            (Channel::Mail, target) => target.strip_prefix("business:").map(|digest| Self::Business(digest.to_owned())),
            _ => None,
        }
    }
}

/// Whether who hears of `event` depends on anything but the tenant and whether mail can be sent.
pub fn asks_for_circumstances(tenant: &Tenant, event: Event, can_mail: bool) -> bool {
    match event {
        Event::Pending | Event::CallbackQueued => true,
        Event::Booked | Event::Rescheduled | Event::Cancelled => can_mail && caller_is_mailed(tenant, event),
        Event::AlertFired | Event::AlertResolved => false,
    }
}

/// Who hears of `event`.
pub fn expansion(tenant: &Tenant, event: Event, facts: &Facts, now: &Circumstances) -> Expansion {
    match event {
        Event::Pending if !now.is_unsettled => return Expansion::Superseded("the calendar has answered meanwhile"),
        // Alerts are no business's.
        Event::AlertFired | Event::AlertResolved => return Expansion::To(Vec::new()),
        Event::CallbackQueued if now.open_callback.is_none() => return Expansion::Superseded("nobody has to call any more"),
        _ => {}
    }
    let mut receivers = Vec::new();
    if !tenant.notify.webhook_url.is_empty() {
        receivers.push(Receiver::Webhook);
    }
    if now.can_mail {
        if business_is_mailed(event, facts, now) {
            receivers.extend(tenant.notify.email.iter().map(|address| Receiver::business(address)));
        }
        if now.caller_has_address && caller_is_mailed(tenant, event) {
            receivers.push(Receiver::Caller);
        }
    }
    Expansion::To(receivers)
}

/// Mail is for what somebody has to know today: ordinary bookings stand in the calendar.
fn business_is_mailed(event: Event, facts: &Facts, now: &Circumstances) -> bool {
    match event {
        Event::Pending => true,
        // The mail about the provisional booking names the same caller and the same due time.
        Event::CallbackQueued => !(now.is_unsettled && now.open_callback == Some(CallbackCause::Provisional)),
        // Who never heard of a doubt needs no all-clear.
        Event::Booked => facts.late && facts.announced,
        Event::Rescheduled | Event::Cancelled | Event::AlertFired | Event::AlertResolved => false,
    }
}

/// Cal.com writes to attendees itself; of a doubt about a booking it knows nothing.
fn caller_is_mailed(tenant: &Tenant, event: Event) -> bool {
    match (event, &tenant.calendar) {
        (Event::Booked | Event::Rescheduled | Event::Cancelled, CalendarKind::Builtin) => true,
        (Event::Booked | Event::Rescheduled | Event::Cancelled, CalendarKind::Calcom { .. }) => false,
        (Event::Pending, _) => true,
        (Event::CallbackQueued | Event::AlertFired | Event::AlertResolved, _) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::TenantId;
    use crate::tenant::{Language, Notify, Policy, TenantSecrets, Zone};

    const ONE: &str = "empfang@salon.example";

    fn tenant(is_builtin: bool) -> Tenant {
        let calcom = CalendarKind::Calcom { base_url: "https://api.cal.example".to_owned(), verify_after_ms: 0 };
        Tenant {
            slug: TenantId::new("salon"),
            name: "Salon Emma".to_owned(),
            time_zone: Zone::named("Europe/Berlin").expect("a zone"),
            language: Language::De,
            agent_ids: Vec::new(),
            phone_numbers: Vec::new(),
            calendar: if is_builtin { CalendarKind::Builtin } else { calcom },
            services: Vec::new(),
            staff: Vec::new(),
            hours: None,
            closures: Vec::new(),
            policy: Policy::default(),
            notify: Notify { email: vec![ONE.to_owned()], webhook_url: "https://hooks.example/x".to_owned() },
            rate_limit: Default::default(),
            secrets: TenantSecrets::default(),
        }
    }

    fn to(is_builtin: bool, event: Event, facts: &Facts, now: &Circumstances) -> Vec<Receiver> {
        match expansion(&tenant(is_builtin), event, facts, now) {
            Expansion::To(receivers) => receivers,
            Expansion::Superseded(why) => panic!("superseded: {why}"),
        }
    }

    const ALL: Circumstances = Circumstances {
        can_mail: true,
        caller_has_address: true,
        is_unsettled: true,
        open_callback: Some(CallbackCause::Requested),
    };

    #[test]
    fn software_hears_everything_and_callers_only_of_a_calendar_that_does_not_write_itself() {
        let plain = Facts::default();
        for event in [Event::Booked, Event::Rescheduled, Event::Cancelled] {
            assert_eq!(to(true, event, &plain, &ALL), [Receiver::Webhook, Receiver::Caller], "{event}");
            assert_eq!(to(false, event, &plain, &ALL), [Receiver::Webhook], "{event}");
        }
        let everybody = [Receiver::Webhook, Receiver::business(ONE), Receiver::Caller];
        assert_eq!(to(false, Event::Pending, &plain, &ALL), everybody);
        assert_eq!(to(false, Event::CallbackQueued, &plain, &ALL), everybody[..2]);
    }

    #[test]
    fn what_is_not_asked_for_makes_no_difference() {
        let nothing = Circumstances::default();
        for event in Event::ALL {
            for is_builtin in [true, false] {
                for can_mail in [true, false] {
                    if !asks_for_circumstances(&tenant(is_builtin), event, can_mail) {
                        let facts = Facts { late: true, announced: true, ..Facts::default() };
                        let of = |now: Circumstances| to(is_builtin, event, &facts, &Circumstances { can_mail, ..now });
                        assert_eq!(of(nothing), of(ALL), "{event}");
                    }
                }
            }
        }
    }

    #[test]
    fn without_mail_only_software_hears() {
        let no_mail = Circumstances { can_mail: false, ..ALL };
        for event in Event::ALL {
            let heard = to(true, event, &Facts::default(), &no_mail);
            match event.is_alert() {
                false => assert_eq!(heard, [Receiver::Webhook], "{event}"),
                true => assert!(heard.is_empty(), "no business hears of the deployment's alerts"),
            }
        }
    }

    #[test]
    fn an_all_clear_is_for_those_who_were_alarmed() {
        let facts = |late, announced| Facts { late, announced, ..Facts::default() };
        let business = Receiver::business(ONE);
        assert!(to(false, Event::Booked, &facts(true, true), &ALL).contains(&business));
        assert!(!to(false, Event::Booked, &facts(true, false), &ALL).contains(&business));
        assert!(!to(false, Event::Booked, &facts(false, false), &ALL).contains(&business));
    }

    #[test]
    fn what_is_mended_alarms_nobody() {
        let settled = Circumstances { is_unsettled: false, open_callback: None, ..ALL };
        for event in [Event::Pending, Event::CallbackQueued] {
            let found = expansion(&tenant(false), event, &Facts::default(), &settled);
            assert!(matches!(found, Expansion::Superseded(_)), "{event}");
        }
    }

    #[test]
    fn a_provisional_booking_is_one_mail_to_the_business() {
        let provisional = Circumstances { open_callback: Some(CallbackCause::Provisional), ..ALL };
        let plain = Facts::default();
        let business = Receiver::business(ONE);
        assert!(to(false, Event::Pending, &plain, &provisional).contains(&business));
        assert!(!to(false, Event::CallbackQueued, &plain, &provisional).contains(&business));
        // Refused in the meantime: then it is the work item that tells of it.
        let refused = Circumstances { is_unsettled: false, ..provisional };
        assert!(to(false, Event::CallbackQueued, &plain, &refused).contains(&business));
    }

    #[test]
    fn receivers_are_read_back_and_hold_no_address() {
        for receiver in [Receiver::Webhook, Receiver::Caller, Receiver::business(ONE)] {
            assert_eq!(Receiver::from_stored(receiver.channel(), &receiver.as_stored()), Some(receiver.clone()));
            assert!(!receiver.as_stored().contains('@'));
        }
    }
}
