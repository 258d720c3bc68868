//! What callers were told, written down from their side of the line.

use std::collections::BTreeMap;

use frontdesk_core::call::Phone;
use frontdesk_core::desk::Command;
use frontdesk_core::ids::TenantId;
use frontdesk_core::outcome::{Change, Confirm, Outcome, Shown};
use jiff::Timestamp;

use super::caller::{CallStory, Caller};

/// An appointment as its caller heard of it last.
#[derive(Debug, Clone)]
pub(super) struct Said {
    pub(super) start: Timestamp,
    pub(super) gone: bool,
    pub(super) phone: Option<Phone>,
    /// Something was asked of it whose end the caller did not hear.
    pub(super) unsure: bool,
}

/// A time that was called free and is held for a call.
#[derive(Debug, Clone)]
struct Offered {
    tenant: usize,
    call: String,
    staff: String,
    start: Timestamp,
    end: Timestamp,
    until: Timestamp,
}

/// A call that is over.
#[derive(Debug, Clone)]
pub(super) struct Told {
    pub(super) tenant: usize,
    pub(super) phone: Option<Phone>,
    pub(super) story: CallStory,
}

/// All that was told.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    pub(super) said: BTreeMap<(usize, String), Said>,
    pub(super) told: Vec<Told>,
    offered: Vec<Offered>,
}

fn call_of(caller: &Caller) -> &str {
    caller.story.as_ref().map_or("", |story| story.id.as_str())
}

impl Ledger {
    /// A request of a call may let go of what it was offered before.
    pub(super) fn asked(&mut self, caller: &Caller) {
        let call = call_of(caller);
        self.offered.retain(|it| it.call != call);
    }

    /// News of a calendar goes before what is held here.
    pub(super) fn void(&mut self, tenant: &TenantId) {
        let index = ["salon", "studio", "practice"].iter().position(|slug| *slug == tenant.as_str());
        self.offered.retain(|it| Some(it.tenant) != index);
    }

    /// The answer to a request never came.
    pub(super) fn lost(&mut self, caller: &Caller) {
        for ((tenant, _), said) in &mut self.said {
            said.unsure |= *tenant == caller.tenant && said.phone == caller.phone;
        }
    }

    /// Writes an answer down; says what is wrong with it.
    pub(super) fn answered(
        &mut self,
        caller: &Caller,
        command: &Command,
        outcome: &Outcome,
        hears: bool,
        now: Timestamp,
    ) -> Option<String> {
        if !hears {
            self.lost(caller);
            return None;
        }
        match outcome {
            Outcome::Booked { appointment, .. } => self.say(caller, appointment, false, false),
            Outcome::Rescheduled { appointment, .. } => self.say(caller, appointment, false, true),
            Outcome::Cancelled(appointment) => self.say(caller, appointment, true, true),
            Outcome::Pending { change: Change::Move | Change::Cancel, .. } | Outcome::Error(_) => self.lost(caller),
            _ => {}
        }
        if matches!(command, Command::StartCall | Command::Find(_) | Command::IdentifyCaller) {
            return None;
        }
        self.offer(caller, outcome, now)
    }

    fn say(&mut self, caller: &Caller, shown: &Shown, gone: bool, settled: bool) {
        let key = (caller.tenant, shown.booking.as_str().to_owned());
        let was_unsure = self.said.get(&key).is_some_and(|said| said.unsure);
        let said = Said { start: shown.start, gone, phone: caller.phone.clone(), unsure: was_unsure && !settled };
        self.said.insert(key, said);
    }

    /// Two calls must not hear of one person's time at once.
    fn offer(&mut self, caller: &Caller, outcome: &Outcome, now: Timestamp) -> Option<String> {
        self.offered.retain(|it| it.until > now);
        let call = call_of(caller);
        for offer in outcome.offers() {
            let (Some(staff), Some(until)) = (&offer.staff, offer.held_until) else { continue };
            let fresh = Offered {
                tenant: caller.tenant,
                call: call.to_owned(),
                staff: staff.clone(),
                start: offer.start,
                end: offer.end,
                until,
            };
            let other = self.offered.iter().find(|it| {
                it.tenant == fresh.tenant
                    && it.staff == fresh.staff
                    && it.call != fresh.call
                    && it.start < fresh.end
                    && fresh.start < it.end
                    && !is_composite(outcome)
            });
            if let Some(other) = other {
                return Some(format!(
                    "{} is held for {} from {} until {}, and {} hears that it is free",
                    other.staff, other.call, other.start, other.until, fresh.call
                ));
            }
            if !is_composite(outcome) {
                self.offered.push(fresh);
            }
        }
        None
    }
}

/// The gaps of a composite are free for others.
fn is_composite(outcome: &Outcome) -> bool {
    outcome.offers().iter().any(|offer| offer.service == "Dauerwelle")
}

/// A request in a few words.
pub(super) fn asked(command: &Command) -> String {
    match command {
        Command::Check(wish) => format!("check {:?} {:?} {:?}", wish.service, wish.when.date, wish.when.time),
        Command::Book(wish) => match &wish.slot {
            Some(slot) => format!("book {slot}"),
            None => format!("book {:?} {:?} {:?}", wish.check.service, wish.check.when.date, wish.check.when.time),
        },
        Command::Reschedule(wish) => {
            format!("move {:?} to {:?} {:?} confirm {}", wish.booking, wish.to.date, wish.to.time, wish.confirm)
        }
        Command::Cancel(wish) => format!("cancel {:?} confirm {}", wish.booking, wish.confirm),
        Command::HoldSlot { slot } => format!("hold {slot}"),
        Command::ReleaseSlot { .. } => "release".to_owned(),
        Command::Callback(_) => "callback".to_owned(),
        Command::Find(_) => "find".to_owned(),
        _ => "hello".to_owned(),
    }
}

/// An answer in a few words.
pub(super) fn told(outcome: &Outcome) -> String {
    let about = match outcome {
        Outcome::Booked { appointment, .. }
        | Outcome::Pending { appointment, .. }
        | Outcome::Rescheduled { appointment, .. }
        | Outcome::Cancelled(appointment)
        | Outcome::NeedsConfirmation(Confirm::Cancel(appointment) | Confirm::Move { appointment, .. }) => {
            format!(" {} at {}", appointment.booking, appointment.start)
        }
        _ => String::new(),
    };
    let offers: Vec<String> = outcome
        .offers()
        .iter()
        .map(|offer| format!("{} {}", offer.slot.as_ref().map_or("", |slot| slot.as_str()), offer.start))
        .collect();
    format!("{}{about} {}", outcome.status(), offers.join(", "))
}
