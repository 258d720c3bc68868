//! The whole gateway in worlds out of a seed: callers with a will of their own, two gateways on one store
//! that die and come back, calendars that fail, people who work in them, clocks that are set. One seed is one
//! world, and always the same one.
//!
//! `FRONTDESK_SEEDS=1000` looks at so many worlds, `FRONTDESK_SEED=7` begins with that one.

mod bookings;
mod calendar;
mod caller;
mod chance;
mod gateway;
mod ledger;
mod ports;
mod promises;
mod time;
mod world;

use std::fmt::Write as _;

use ports::Planted;
use world::{Run, World};

/// How many worlds an ordinary test run looks at.
const SEEDS: u64 = 60;
/// Within how many worlds a planted bug has to be found.
const SOON: u64 = 150;
/// How much of a world is shown when something is wrong with it.
const LAST: usize = 60;

#[expect(clippy::disallowed_methods, reason = "the two switches of the long run")]
fn number(name: &str, otherwise: u64) -> u64 {
    match std::env::var(name) {
        Err(_) => otherwise,
        Ok(text) => text.parse().unwrap_or_else(|_| panic!("{name} is a number, not {text}")),
    }
}

fn live(seed: u64, planted: Planted) -> Run {
    World::of(seed, planted).live()
}

fn story(seed: u64, run: &Run) -> String {
    let mut text = String::new();
    let hidden = run.log.len().saturating_sub(LAST);
    for line in &run.log[hidden..] {
        let _ = writeln!(text, "  {line}");
    }
    let violation = run.violation.as_deref().unwrap_or("nothing");
    format!("seed {seed}: {violation}\n{text}again with FRONTDESK_SEED={seed} FRONTDESK_SEEDS=1")
}

#[test]
fn what_is_promised_is_so_in_every_world() {
    let (first, count) = (number("FRONTDESK_SEED", 1), number("FRONTDESK_SEEDS", SEEDS));
    let mut sum = Run::default();
    let mut wrong = Vec::new();
    for seed in first..first + count {
        let run = live(seed, Planted::Nothing);
        if run.violation.is_some() {
            wrong.push(story(seed, &run));
        }
        sum.requests += run.requests;
        sum.faults += run.faults;
        sum.crashes += run.crashes;
        sum.steps += run.steps;
        sum.booked += run.booked;
        sum.days += run.days;
    }
    let Run { requests, faults, crashes, steps, booked, days, .. } = sum;
    let figures = format!(
        "{count} seeds, {days:.0} days, {steps} answers, {booked} booked, {requests} calendar requests, {faults} faults, {crashes} crashes, {} violations",
        wrong.len()
    );
    assert!(wrong.is_empty(), "{}\n\n{figures}", wrong.join("\n\n"));
    // Shown with --nocapture.
    std::io::Write::write_all(&mut std::io::stdout(), format!("{figures}\n").as_bytes()).expect("a standard output");
}

#[test]
fn one_seed_is_one_world() {
    for seed in [3, 11, 42] {
        let (one, two) = (live(seed, Planted::Nothing), live(seed, Planted::Nothing));
        assert!(one.log.len() > 100, "{} events", one.log.len());
        for (index, (one, two)) in one.log.iter().zip(&two.log).enumerate() {
            assert_eq!(one, two, "event {index} of seed {seed}");
        }
        assert_eq!(one.log.len(), two.log.len());
    }
}

fn is_found_soon(planted: Planted, by: &str) {
    let found = (1..=SOON).find_map(|seed| live(seed, planted).violation.filter(|violation| violation.contains(by)));
    assert!(found.is_some(), "{planted:?} was not found within {SOON} seeds");
}

#[test]
fn a_hold_that_is_not_subtracted_is_found() {
    is_found_soon(Planted::HoldsForgotten, "hears that it is free");
}

#[test]
fn an_intent_that_is_written_late_is_found() {
    is_found_soon(Planted::IntentLate, "nobody here knows its intent");
}
