//! Callers with a will of their own: they ask, choose, repeat, change their minds, hang up and ring back.

use frontdesk_core::call::{CallContext, Caller as OnTheLine, Phone};
use frontdesk_core::desk::{BookWish, CallbackWish, CancelWish, CheckWish, Command, FindWish, MoveWish, Visit, WhenWords};
use frontdesk_core::ids::{BookingId, CallId, SlotId};
use frontdesk_core::outcome::{Answer, Outcome};
use frontdesk_core::policy::HoursRule;
use frontdesk_core::sensitive::Sensitive;
use frontdesk_core::tenant::{Language, Tenant};
use jiff::civil::Weekday;
use jiff::{Timestamp, ToSpan as _};
use std::sync::Arc;

use super::chance::Chance;

/// Where a call stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Line {
    /// Not in a call.
    Away,
    Talking,
    /// An answer is being waited for.
    Waiting,
    /// Hung up, and the gateway has not been told.
    HungUp,
    /// The gateway is being told.
    Reporting,
}

/// What one call was about.
#[derive(Debug, Clone)]
pub(super) struct CallStory {
    pub(super) id: CallId,
    /// A time was asked for, and that was heard.
    pub(super) wanted: bool,
    /// It ended in an appointment, or in the change that was asked for.
    pub(super) met: bool,
    /// Its last words, for the log.
    pub(super) last: &'static str,
}

/// Somebody on the phone.
pub(super) struct Caller {
    pub(super) tenant: usize,
    pub(super) phone: Option<Phone>,
    pub(super) name: String,
    pub(super) line: Line,
    pub(super) story: Option<CallStory>,
    /// The gateway that most of the call reaches.
    pub(super) home: usize,
    offers: Vec<SlotId>,
    booking: Option<BookingId>,
    last: Option<(Command, String)>,
    /// The last answer was a question that a yes answers.
    asked: bool,
    said: u64,
}

impl Caller {
    pub(super) fn new(tenant: usize, phone: Option<Phone>, name: String) -> Self {
        Self {
            tenant,
            phone,
            name,
            line: Line::Away,
            story: None,
            home: 0,
            offers: Vec::new(),
            booking: None,
            last: None,
            asked: false,
            said: 0,
        }
    }

    pub(super) fn ring(&mut self, call: String, home: usize) {
        self.line = Line::Talking;
        self.home = home;
        self.story = Some(CallStory { id: CallId::new(call), wanted: false, met: false, last: "" });
        self.offers.clear();
        self.last = None;
        self.asked = false;
    }

    pub(super) fn context(&self) -> CallContext {
        let caller = self.phone.clone().map_or(OnTheLine::Anonymous, OnTheLine::Known);
        CallContext { id: self.story.as_ref().map(|story| story.id.clone()), caller, ..CallContext::none() }
    }

    pub(super) fn visit(&self, tenant: &Arc<Tenant>) -> Visit {
        let tool_call = self.last.as_ref().map(|(_, tool_call)| tool_call.clone());
        Visit { tenant: Arc::clone(tenant), call: self.context(), tool_call, hours: HoursRule::Enforced }
    }

    /// What is said next.
    pub(super) fn speak(&mut self, tenant: &Tenant, now: Timestamp, chance: &mut Chance) -> Command {
        if let Some((command, _)) = self.last.clone() {
            // The platform tries again: the very same tool call.
            if chance.percent(8) {
                return command;
            }
            if self.asked && chance.percent(75) {
                return self.say(yes(command, chance));
            }
        }
        if !self.offers.is_empty() && chance.percent(65) {
            let slot = chance.pick(&self.offers).cloned();
            let name = Some(Sensitive::new(self.name.clone()));
            return self.say(Command::Book(BookWish { slot, name, ..BookWish::default() }));
        }
        let command = self.fresh(tenant, now, chance);
        self.say(command)
    }

    fn say(&mut self, command: Command) -> Command {
        self.said += 1;
        let call = self.story.as_ref().map_or("", |story| story.id.as_str());
        self.last = Some((command.clone(), format!("{call}-t{}", self.said)));
        command
    }

    fn fresh(&self, tenant: &Tenant, now: Timestamp, chance: &mut Chance) -> Command {
        let check = wish(tenant, now, chance);
        // Who has nothing rarely moves or cancels it.
        let (moves, cancels) = if self.booking.is_some() { (22, 14) } else { (2, 2) };
        match chance.weighted(&[40, 16, moves, cancels, 4, 4, 2, 2, 2]) {
            0 => Command::Check(check),
            1 => {
                let name = chance.percent(80).then(|| Sensitive::new(self.name.clone()));
                Command::Book(BookWish { check, name, ..BookWish::default() })
            }
            2 => Command::Reschedule(MoveWish {
                booking: self.booking.clone().filter(|_| chance.percent(80)),
                to: check.when,
                confirm: chance.percent(50),
                ..MoveWish::default()
            }),
            3 => Command::Cancel(CancelWish {
                booking: self.booking.clone().filter(|_| chance.percent(80)),
                confirm: chance.percent(50),
                ..CancelWish::default()
            }),
            4 => Command::Find(FindWish::default()),
            5 => Command::StartCall,
            6 => Command::Callback(CallbackWish { name: Some(Sensitive::new(self.name.clone())), ..CallbackWish::default() }),
            7 => match chance.pick(&self.offers) {
                Some(slot) => Command::HoldSlot { slot: slot.clone() },
                None => Command::IdentifyCaller,
            },
            _ => Command::ReleaseSlot { slot: None },
        }
    }

    /// Takes an answer in.
    pub(super) fn hear(&mut self, command: &Command, outcome: &Outcome) {
        self.offers = outcome.offers().iter().filter_map(|offer| offer.slot.clone()).collect();
        self.asked = matches!(outcome, Outcome::NeedsConfirmation(_));
        match outcome {
            Outcome::Booked { appointment, .. }
            | Outcome::Rescheduled { appointment, .. }
            | Outcome::Pending { appointment, .. } => {
                self.booking = Some(appointment.booking.clone());
            }
            Outcome::Cancelled(_) => self.booking = None,
            Outcome::Ok(Answer::Appointments(shown)) => self.booking = shown.first().map(|it| it.booking.clone()),
            _ => {}
        }
        let Some(story) = &mut self.story else { return };
        story.last = outcome.status();
        match (command, outcome) {
            (_, Outcome::Booked { .. } | Outcome::Rescheduled { .. } | Outcome::Cancelled(_)) => story.met = true,
            (Command::Check(_), Outcome::RateLimited { .. }) => {}
            (
                Command::Reschedule(_),
                Outcome::Offered { .. }
                | Outcome::Unavailable(_)
                | Outcome::NeedsConfirmation(_)
                | Outcome::Taken(_)
                | Outcome::Denied { .. }
                | Outcome::TemporarilyUnavailable(_)
                | Outcome::Error(_)
                | Outcome::RateLimited { .. }
                | Outcome::Pending { .. },
            ) => {
                story.wanted = true;
                story.met = false;
            }
            (
                Command::Check(_) | Command::Book(_),
                Outcome::Available(_)
                | Outcome::Offered { .. }
                | Outcome::Unavailable(_)
                | Outcome::NeedsConfirmation(_)
                | Outcome::Taken(_)
                | Outcome::Denied { .. }
                | Outcome::TemporarilyUnavailable(_)
                | Outcome::Error(_)
                | Outcome::RateLimited { .. }
                | Outcome::Pending { .. },
            ) => {
                // Who asks for more after a success wants that as well.
                story.wanted = true;
                story.met = false;
            }
            _ => {}
        }
    }
}

/// The same again, as a yes.
fn yes(command: Command, chance: &mut Chance) -> Command {
    match command {
        Command::Reschedule(wish) => Command::Reschedule(MoveWish { confirm: wish.confirm || chance.percent(50), ..wish }),
        Command::Cancel(wish) => Command::Cancel(CancelWish { confirm: wish.confirm || chance.percent(50), ..wish }),
        other => other,
    }
}

fn wish(tenant: &Tenant, now: Timestamp, chance: &mut Chance) -> CheckWish {
    let service = chance.pick(&tenant.services).map(|service| service.name.clone());
    let day = now.to_zoned_datetime(tenant.zone().clone()).date().saturating_add(chance.between(0, 5).cast_signed().days());
    let date = match (chance.below(4), tenant.language) {
        (0, Language::De) => "morgen".to_owned(),
        (0, Language::En) => "tomorrow".to_owned(),
        (1, language) => weekday(day.weekday(), language).to_owned(),
        _ => day.to_string(),
    };
    let minutes = chance.between(35, 51) * 15;
    let time = match (chance.below(5), tenant.language) {
        (0, _) => None,
        (1, Language::De) => Some("vormittags".to_owned()),
        (1, Language::En) => Some("in the morning".to_owned()),
        _ => Some(format!("{:02}:{:02}", minutes / 60, minutes % 60)),
    };
    let staff = if chance.percent(15) { chance.pick(&tenant.staff).map(|staff| staff.name.clone()) } else { None };
    CheckWish { service, when: WhenWords { date: Some(date), time, words: None }, staff, earliest: false }
}

fn weekday(day: Weekday, language: Language) -> &'static str {
    let german = ["Montag", "Dienstag", "Mittwoch", "Donnerstag", "Freitag", "Samstag", "Sonntag"];
    let english = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];
    let index = usize::try_from(day.to_monday_zero_offset()).unwrap_or(0);
    match language {
        Language::De => german[index],
        Language::En => english[index],
    }
}
