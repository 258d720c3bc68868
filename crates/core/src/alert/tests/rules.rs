//! Bounds of single rules, and the life of an alert.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;

use super::world::at;
use crate::alert::{Alert, Breaker, Change, Counts, History, Rule, Sight, Silence, Stand, Thresholds, Verdict, judge, next};
use crate::breaker::State;
use crate::meter::About;
use crate::outbox::OutboxStanding;
use crate::vitals::{self, Limited, Pulse};

fn now() -> Timestamp {
    at("2026-03-12T10:00:00+01:00")
}

fn minutes(count: i64) -> SignedDuration {
    SignedDuration::from_mins(count)
}

fn stands(history: &History, at: Timestamp, rule: Rule) -> Stand {
    let sight = Sight { now: at, history, breakers: Vec::new(), away: 0, outbox: OutboxStanding::default(), tenants: Vec::new() };
    judge(&sight, &Thresholds::default()).into_iter().find(|it| it.rule == rule).expect("said").stand
}

fn answers(answers: u64, failed: u64) -> Counts {
    Counts { callers: vitals::Counts { answers, errors: failed, ..vitals::Counts::default() }, ..Counts::default() }
}

fn failures(count: u64) -> Counts {
    answers(count, count)
}

fn refusals(refused: u64) -> Counts {
    Counts { refused, ..Counts::default() }
}

#[test]
fn more_than_five_errors_in_five_minutes_are_too_many_and_five_are_not() {
    let mut history = History::default();
    history.put(now(), answers(1000, 0));
    history.put(now(), failures(5));
    assert_ne!(stands(&history, now(), Rule::Errors), Stand::Over);
    history.put(now() + minutes(4), failures(1));
    assert_eq!(stands(&history, now() + minutes(4), Rule::Errors), Stand::Over);
    assert_eq!(stands(&history, now() + minutes(6), Rule::Errors), Stand::Under, "one is left");
    history.put(now() + minutes(20), Counts { lines: 6, ..Counts::default() });
    assert_eq!(stands(&history, now() + minutes(20), Rule::Errors), Stand::Over, "lines of ERROR count as well");
}

#[test]
fn more_than_fifty_refusals_in_an_hour_are_too_many_and_fifty_are_not() {
    let mut history = History::default();
    history.put(now(), refusals(50));
    assert_eq!(stands(&history, now(), Rule::Refusals), Stand::Unsure);
    history.put(now() + minutes(50), refusals(1));
    assert_eq!(stands(&history, now() + minutes(50), Rule::Refusals), Stand::Over);
    assert_eq!(stands(&history, now() + minutes(61), Rule::Refusals), Stand::Under);
}

#[test]
fn a_percentile_of_few_is_none() {
    let slow = |slow: u64, answers: u64| {
        let mut history = History::default();
        let pulse = Pulse::default();
        for number in 0..answers {
            let took = if number < slow { Duration::from_millis(1001) } else { Duration::from_millis(1000) };
            pulse.answered(200, Limited::No, &About::default(), took);
        }
        history.put(now(), Counts { callers: pulse.counts(), ..Counts::default() });
        stands(&history, now(), Rule::ResponseTime)
    };
    assert_eq!(slow(1, 1), Stand::Under, "one slow answer of one");
    assert_eq!(slow(4, 4), Stand::Under);
    assert_eq!(slow(5, 5), Stand::Over, "all of five");
    assert_eq!(slow(5, 99), Stand::Unsure, "a little over one of twenty may be chance");
    assert_eq!(slow(5, 100), Stand::Under);
    assert_eq!(slow(60, 1000), Stand::Unsure);
    assert_eq!(slow(80, 1000), Stand::Over);
}

#[test]
fn ratios_wait_for_enough_answers() {
    let mut few = History::default();
    few.put(now(), answers(100, 10));
    assert_eq!(stands(&few, now(), Rule::BurnRateFast), Stand::Under, "a tenth of a hundred: the rules of few say it");
    let mut many = History::default();
    many.put(now(), answers(10_000, 150));
    assert_eq!(stands(&many, now(), Rule::BurnRateFast), Stand::Over);
    assert_eq!(stands(&many, now() + minutes(10), Rule::BurnRateFast), Stand::Under, "it is over: the short window says so");
}

#[test]
fn windows_cut_where_they_say_and_survive_letting_go() {
    let mut history = History::default();
    for slot in 0..10_000 {
        history.replace(
            now() + SignedDuration::from_secs(slot * 10),
            &[(now() + SignedDuration::from_secs(slot * 10), failures(1))],
        );
    }
    let last = now() + SignedDuration::from_secs(99_990);
    assert_eq!(history.window(last, minutes(5)).failed(), 31, "thirty slots, and the one that has just begun");
    assert_eq!(history.window(last, minutes(360)).failed(), 6 * 360 + 1);
    assert_eq!(history.window(last + minutes(400), minutes(360)), Counts::default());
}

#[test]
fn what_is_told_again_replaces_what_was_told() {
    let mut history = History::default();
    history.replace(now(), &[(now(), failures(1))]);
    history.replace(now(), &[(now(), failures(3)), (now() + minutes(1), failures(2))]);
    assert_eq!(history.window(now() + minutes(1), minutes(5)).failed(), 5);
}

#[test]
fn names_are_read_back() {
    for rule in Rule::ALL {
        assert_eq!(Rule::named(rule.as_str()), Some(rule));
        assert_eq!(serde_json::to_value(rule).expect("text"), rule.as_str());
        assert!(rule.advice().len() > 20);
    }
}

#[test]
fn a_breaker_that_tries_goes_on_firing() {
    let stand = |state| {
        let history = History::default();
        let breakers = vec![Breaker { account: "a".to_owned(), state }];
        let sight =
            Sight { now: now(), history: &history, breakers, away: 0, outbox: OutboxStanding::default(), tenants: Vec::new() };
        judge(&sight, &Thresholds::default()).pop().map(|it| (it.rule, it.subject, it.stand)).expect("said")
    };
    let it = |stand| (Rule::BreakerOpen, "a".to_owned(), stand);
    assert_eq!(stand(State::Open), it(Stand::Over));
    assert_eq!(stand(State::HalfOpen), it(Stand::Unsure));
    assert_eq!(stand(State::Closed), it(Stand::Under));
}

fn said(stand: Stand) -> Verdict {
    Verdict { rule: Rule::Errors, subject: String::new(), stand, evidence: "six".to_owned() }
}

fn firing(told: bool) -> Alert {
    let Change::Fire(alert) = next(None, Some(&said(Stand::Over)), !told, now()) else { panic!("it fires") };
    alert
}

#[test]
fn an_alert_fires_once_and_is_over_after_a_calm() {
    let alert = firing(true);
    assert_eq!(next(Some(&alert), Some(&said(Stand::Over)), false, now() + SignedDuration::from_secs(5)), Change::None);
    let Change::Keep(calm) = next(Some(&alert), Some(&said(Stand::Under)), false, now() + minutes(1)) else { panic!("calm") };
    assert_eq!(next(Some(&calm), Some(&said(Stand::Under)), false, now() + minutes(5)), Change::None);
    let Change::Keep(again) = next(Some(&calm), Some(&said(Stand::Over)), false, now() + minutes(5)) else { panic!("again") };
    assert_eq!((again.calm_since, again.fired_at), (None, alert.fired_at), "the same alert, not another one");
    let Change::Resolve(over) = next(Some(&calm), Some(&said(Stand::Under)), false, now() + minutes(6)) else { panic!("over") };
    assert_eq!(over.resolved_at, Some(now() + minutes(6)));
    assert_eq!(next(Some(&over), Some(&said(Stand::Under)), false, now() + minutes(7)), Change::None);
    let Change::Fire(new) = next(Some(&over), Some(&said(Stand::Over)), false, now() + minutes(8)) else { panic!("new") };
    assert_eq!(new.fired_at, now() + minutes(8));
}

#[test]
fn who_was_silenced_is_told_when_the_silence_ends() {
    let alert = firing(false);
    assert!(!alert.told);
    let later = now() + minutes(3);
    let Change::Fire(told) = next(Some(&alert), Some(&said(Stand::Over)), false, later) else { panic!("told") };
    assert_eq!((told.told, told.fired_at), (true, now()));
    assert!(matches!(next(Some(&alert), Some(&said(Stand::Over)), true, later), Change::Keep(it) if !it.told));
}

#[test]
fn a_subject_that_is_gone_is_calm() {
    let alert = firing(true);
    let Change::Keep(calm) = next(Some(&alert), None, false, now()) else { panic!("calm") };
    assert!(matches!(next(Some(&calm), None, false, now() + minutes(5)), Change::Resolve(_)));
}

#[test]
fn a_silence_covers_its_subject_until_it_ends() {
    let one = |subject: Option<&str>| Silence {
        rule: Rule::BreakerOpen,
        subject: subject.map(str::to_owned),
        until: now() + minutes(1),
        who: "x".to_owned(),
    };
    assert!(one(None).covers(Rule::BreakerOpen, "a", now()));
    assert!(one(Some("a")).covers(Rule::BreakerOpen, "a", now()));
    assert!(!one(Some("a")).covers(Rule::BreakerOpen, "b", now()));
    assert!(!one(None).covers(Rule::Errors, "", now()));
    assert!(!one(None).covers(Rule::BreakerOpen, "a", now() + minutes(1)));
}

proptest! {
    /// However verdicts follow one another: who is told of an end was told of a beginning, and in turns.
    #[test]
    fn fired_and_resolved_take_turns(steps in proptest::collection::vec((0_u8..3, 1_i64..400, any::<bool>()), 1..200)) {
        let (mut alert, mut time, mut is_told): (Option<Alert>, Timestamp, bool) = (None, now(), false);
        for (stand, seconds, silenced) in steps {
            time += SignedDuration::from_secs(seconds);
            let stand = [Stand::Over, Stand::Unsure, Stand::Under][usize::from(stand)];
            match next(alert.as_ref(), Some(&said(stand)), silenced, time) {
                Change::None => {}
                Change::Keep(it) => {
                    prop_assert!(it.is_firing());
                    alert = Some(it);
                }
                Change::Fire(it) => {
                    prop_assert_eq!(stand, Stand::Over);
                    prop_assert!(!is_told);
                    prop_assert!(it.is_firing());
                    is_told = it.told;
                    alert = Some(it);
                }
                Change::Resolve(it) => {
                    prop_assert_eq!(stand, Stand::Under);
                    prop_assert_eq!(it.told, is_told);
                    prop_assert!(it.resolved_at == Some(time) && it.fired_at < time);
                    is_told = false;
                    alert = Some(it);
                }
            }
        }
    }

    /// A window is the sum of what was put into it, whatever else there is.
    #[test]
    fn a_window_is_a_sum(
        puts in proptest::collection::vec((0_i64..3600, 0_u64..5), 0..200), span in 1_i64..60,
    ) {
        let mut puts = puts;
        puts.sort_unstable();
        let mut history = History::default();
        for (second, count) in &puts {
            history.put(now() + SignedDuration::from_secs(*second), failures(*count));
        }
        let end = now() + SignedDuration::from_secs(3600);
        let from = end.as_second() - span * 60;
        let sum: u64 = puts
            .iter()
            .filter(|(second, _)| (now().as_second() + second).div_euclid(10) * 10 + 10 > from)
            .map(|(_, count)| count)
            .sum();
        prop_assert_eq!(history.window(end, minutes(span)).failed(), sum);
    }
}

#[test]
fn the_defaults_are_those_of_the_contract() {
    let bounds = Thresholds::default();
    assert_eq!((bounds.errors_5m, bounds.refusals_1h, bounds.response_time), (5, 50, Duration::from_secs(1)));
}
