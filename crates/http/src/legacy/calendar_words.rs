//! Slots and appointments in the words of the old answers.

use frontdesk_core::outcome::{Offer, Outcome, Shown, WhyOffered};
use frontdesk_core::reply;
use frontdesk_core::spoken;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::{CLOCK, DAY, Fields, GERMAN_DAY, MOMENT, View};

impl View<'_> {
    /// Held times as the finder listed them: `time` is date and clock.
    pub(super) fn alternatives(&self) -> Value {
        self.offered(MOMENT)
    }

    /// Held times as the two-step function listed them: `time` is the clock alone.
    pub(super) fn clock_alternatives(&self) -> Value {
        self.offered(CLOCK)
    }

    fn offered(&self, time: &str) -> Value {
        self.outcome.offers().iter().map(|offer| self.alternative(offer, time)).collect()
    }

    fn alternative(&self, offer: &Offer, time: &str) -> Value {
        let spoken = reply::slot_spoken(offer, self.tenant(), self.old.now);
        json!({
            "time": self.format(offer.start, time),
            "date": self.format(offer.start, DAY),
            "spoken": spoken,
            "spoken_time": spoken::time(self.tenant().language, self.local(offer.start).time()),
            "description": spoken,
            "formatted": spoken,
            "available": true,
            "verified": offer.held_until.is_some(),
            "type": "alternative",
            "slot_id": offer.slot,
            "staff": offer.staff,
        })
    }

    /// The starts alone.
    pub(super) fn starts(&self) -> Value {
        self.outcome.offers().iter().map(|offer| json!(self.format(offer.start, MOMENT))).collect()
    }

    /// The exact time that was wished for, where one was.
    pub(super) fn wished(&self) -> Option<Timestamp> {
        match self.outcome {
            Outcome::Available(offer) => Some(offer.start),
            Outcome::Offered { why: WhyOffered::NotFree { wished }, .. } => Some(*wished),
            _ => None,
        }
    }

    pub(super) fn requested_time(&self) -> Option<String> {
        self.wished().map(|at| self.format(at, MOMENT))
    }

    /// An appointment with every name that an old answer had for its parts.
    pub(super) fn appointment(&self, shown: &Shown) -> Value {
        let tenant = self.tenant();
        let local = self.local(shown.start);
        let today = self.local(self.old.now).date();
        let minutes = (shown.end - shown.start).as_mins();
        json!({
            "id": shown.booking,
            "appointment_id": shown.booking,
            "date": self.format(shown.start, DAY),
            "time": self.format(shown.start, CLOCK),
            "datetime": self.format(shown.start, MOMENT),
            "weekday": spoken::weekday(tenant.language, local.weekday()),
            "appointment_date": self.format(shown.start, DAY),
            "appointment_date_display": self.format(shown.start, GERMAN_DAY),
            "appointment_date_day": spoken::weekday(tenant.language, local.weekday()),
            "appointment_time": self.format(shown.start, CLOCK),
            "service": shown.service,
            "service_name": shown.service,
            "staff": shown.staff,
            "branch": tenant.name,
            "status": shown.state,
            "duration_minutes": minutes,
            "human_date": spoken::date(tenant.language, local.date(), today),
            "human_time": spoken::time(tenant.language, local.time()),
            "formatted": reply::shown_spoken(shown, tenant, self.old.now),
        })
    }

    /// The parts of an appointment that a cancellation or a move named.
    pub(super) fn brief(&self, shown: &Shown) -> Fields {
        Fields::new()
            .with("id", json!(shown.booking))
            .with("date", self.format(shown.start, DAY))
            .with("time", self.format(shown.start, CLOCK))
            .with("service", shown.service.clone())
            .with("staff", json!(shown.staff))
    }
}
