//! Thirty days on which nothing is wrong: busy and slow days, weekends, holidays, a closure, nights, lost events, a
//! failure here and there. Nobody is told anything.

use jiff::{SignedDuration, Timestamp};

use super::world::{Fault, Shop, World, at};

/// With Good Friday, Easter Monday, a closure, the change of the clocks and the first of May.
const FROM: &str = "2026-03-25T00:00:00+01:00";
const DAYS: i64 = 30;

fn quiet_days(seed: u64, shops: &[(&str, f64)], every: i64) -> Vec<String> {
    let from = at(FROM);
    let to = from + SignedDuration::from_hours(24 * DAYS);
    let shops = shops.iter().map(|(slug, per_day)| Shop::new(slug, *per_day)).collect();
    let mut world = World::new(shops, seed, from, to, Fault::None, to);
    let mut told = Vec::new();
    let mut now: Timestamp = from;
    while now < to {
        told.extend(world.look(now).into_iter().map(|it| format!("{now} {} {}: {}", it.rule.as_str(), it.subject, it.evidence)));
        now += SignedDuration::from_secs(every);
    }
    told
}

#[test]
fn thirty_quiet_days_at_twenty_calls_a_day_are_quiet() {
    let told: Vec<String> = (1..=3).flat_map(|seed| quiet_days(seed, &[("small", 20.0)], 60)).collect();
    assert!(told.is_empty(), "{told:#?}");
}

#[test]
fn thirty_quiet_days_of_three_businesses_are_quiet() {
    let shops = [("small", 20.0), ("middle", 150.0), ("large", 1500.0)];
    let told: Vec<String> = (4..=5).flat_map(|seed| quiet_days(seed, &shops, 60)).collect();
    assert!(told.is_empty(), "{told:#?}");
}
