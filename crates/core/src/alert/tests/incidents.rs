//! Failures that gateways had in production, replayed: which rule says so, and after how long.

use jiff::{SignedDuration, Timestamp};

use super::world::{Fault, Shop, World, at};
use crate::alert::Rule;

/// A Tuesday at half past ten, in the second week after Easter.
const SINCE: &str = "2026-04-21T10:30:00+02:00";

struct Incident {
    what: &'static str,
    per_day: f64,
    fault: Fault,
    rule: Rule,
    /// At the latest.
    within: SignedDuration,
}

fn incidents() -> Vec<Incident> {
    let it =
        |what, per_day, fault, rule, minutes| Incident { what, per_day, fault, rule, within: SignedDuration::from_mins(minutes) };
    vec![
        it("every function fails after a change", 1500.0, Fault::EverythingFails, Rule::Errors, 5),
        it("every function fails, twenty calls a day", 20.0, Fault::EverythingFails, Rule::Failing, 60),
        it("the calendar hangs", 120.0, Fault::CalendarHangs, Rule::BreakerOpen, 2),
        it("the calendar account is suspended", 400.0, Fault::AccountSuspended, Rule::Failing, 10),
        it("bookings stay open in the calendar", 120.0, Fault::CreatesHang, Rule::Unconfirmed, 30),
        it("events of the platform stop", 400.0, Fault::EventsStop, Rule::NoEvents, 10),
        it("ends of calls are not told", 120.0, Fault::EndsStop, Rule::CallsWithoutEnd, 90),
        it("our own limiter refuses callers", 400.0, Fault::LimiterTooTight, Rule::Refusals, 40),
        it("signatures fit no more", 120.0, Fault::Unproven, Rule::Rejected, 20),
        it("the mail server is away", 120.0, Fault::MailAway, Rule::OutboxOldest, 16),
        it("a receiver is gone for good", 120.0, Fault::ReceiverGone, Rule::DeadLetters, 1),
        it("no booking for a day", 400.0, Fault::NothingIsBooked, Rule::NoBookings, 120),
        it("latency triples under load", 1500.0, Fault::Slow, Rule::ResponseTime, 5),
        it("the shared state is away", 120.0, Fault::StateAway, Rule::SharedStateAway, 1),
        it("one answer of fifty fails, and nobody notices", 5000.0, Fault::SomeFail(0.02), Rule::BurnRateFast, 60),
        it("one answer of a hundred fails", 5000.0, Fault::SomeFail(0.01), Rule::BurnRateSlow, 360),
        it("the platform does not answer its numbers", 120.0, Fault::PlatformDead, Rule::SilentAgent, 240),
        it("a composite is half booked", 20.0, Fault::HalfBooked, Rule::CompensationFailed, 1),
    ]
}

/// Which rules fired, and how long after the beginning.
fn replay(incident: &Incident) -> Vec<(Rule, SignedDuration)> {
    let since = at(SINCE);
    let until = since + incident.within + SignedDuration::from_mins(1);
    // Two hours in which nothing is wrong come first.
    let from = since - SignedDuration::from_hours(2);
    let mut world = World::new(vec![Shop::new("salon", incident.per_day)], 7, from, until, incident.fault, since);
    let mut fired = Vec::new();
    let mut now: Timestamp = from;
    while now <= until {
        fired.extend(world.look(now).into_iter().map(|alert| (alert.rule, now.duration_since(since))));
        now += SignedDuration::from_secs(5);
    }
    fired
}

#[test]
#[expect(clippy::disallowed_macros, reason = "the table is what the test is for: --no-capture shows it")]
fn every_recorded_incident_is_told_in_time_and_nothing_before_it() {
    let mut missed = Vec::new();
    println!("{:<50} {:>9}  {:<20} {:>8}  also", "incident", "calls/day", "rule", "after");
    for incident in incidents() {
        let fired = replay(&incident);
        let early: Vec<_> = fired.iter().filter(|(_, after)| after.is_negative()).collect();
        let found = fired.iter().find(|(rule, _)| *rule == incident.rule);
        let also: Vec<String> = fired
            .iter()
            .filter(|(rule, _)| *rule != incident.rule)
            .map(|(rule, after)| format!("{} {} s", rule.as_str(), after.as_secs()))
            .collect();
        let after = found.map_or("never".to_owned(), |(_, after)| format!("{} s", after.as_secs()));
        println!("{:<50} {:>9}  {:<20} {after:>8}  {}", incident.what, incident.per_day, incident.rule.as_str(), also.join(", "));
        if !early.is_empty() || found.is_none_or(|(_, after)| *after > incident.within) {
            missed.push((incident.what, fired));
        }
    }
    assert!(missed.is_empty(), "{missed:?}");
}
