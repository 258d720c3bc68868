//! What no sentence may ever do, whatever the ending and whatever the names; and how they sound.

mod cases;
mod english;
mod german;

use jiff::SignedDuration;

use super::fit::{AIM, MOST, words};
use super::{over_limit, sentence, shown_spoken, slot_spoken};
use crate::ids::CallbackId;
use crate::outcome::{Answer, Change, Choice, Denial, Outcome, Promise, WhyOffered};
use crate::tenant::Language;
use cases::{Names, at, every_outcome, offer, shown, tenant};

const NOW: &str = "2026-03-12T10:00:00+01:00";

fn heard(lang: Language, outcome: &Outcome) -> String {
    sentence(outcome, &tenant(lang, Names::Short), at(NOW))
}

fn everything() -> impl Iterator<Item = (Language, Names, Outcome)> {
    [Language::De, Language::En].into_iter().flat_map(|lang| {
        Names::ALL.into_iter().flat_map(move |names| every_outcome(names).into_iter().map(move |outcome| (lang, names, outcome)))
    })
}

#[test]
fn every_ending_is_among_the_cases() {
    let seen: std::collections::BTreeSet<_> = every_outcome(Names::Short).iter().map(Outcome::status).collect();
    assert_eq!(seen.len(), 19, "{seen:?}");
}

#[test]
fn no_sentence_is_longer_than_a_caller_can_hold() {
    for (lang, names, outcome) in everything() {
        let text = sentence(&outcome, &tenant(lang, names), at(NOW));
        assert!((2..=MOST).contains(&words(&text)), "{} words: {text}", words(&text));
        assert!(text.ends_with(['.', '?']) && !text.contains("  ") && !text.contains(" ."), "{text}");
    }
}

#[test]
fn no_sentence_had_to_be_cut() {
    for (lang, names, outcome) in everything() {
        let text = sentence(&outcome, &tenant(lang, names), at(NOW));
        if outcome.next_action() == "ask_caller"
            || matches!(outcome, Outcome::Offered { .. } | Outcome::Taken(_) | Outcome::Denied { .. })
        {
            assert!(text.ends_with('?'), "{text}");
        }
    }
}

#[test]
fn plain_sentences_keep_to_the_aim() {
    for (lang, _, outcome) in everything().filter(|(_, names, _)| *names == Names::Short) {
        // Dates are long: three of them, a whole week and a refusal with times may take more.
        let offers_days =
            outcome.offers().len() > 1 && matches!(outcome, Outcome::Offered { .. } | Outcome::Taken(_) | Outcome::Denied { .. });
        let lists = matches!(
            outcome,
            Outcome::Denied { .. }
                | Outcome::Ok(Answer::Hours(_) | Answer::Appointments(_))
                | Outcome::Ambiguous(Choice::Appointments(_))
                | Outcome::NeedsInput { .. }
        );
        if !offers_days && !lists {
            let text = heard(lang, &outcome);
            assert!(words(&text) <= AIM, "{} words: {text}", words(&text));
        }
    }
}

#[test]
fn at_most_one_question_is_put() {
    for (lang, names, outcome) in everything() {
        let text = sentence(&outcome, &tenant(lang, names), at(NOW));
        assert!(text.matches('?').count() <= 1, "{text}");
    }
}

#[test]
fn nothing_claims_to_be_done_that_is_not() {
    const DONE: [&str; 14] = [
        "gebucht",
        "eingetragen",
        "storniert",
        "verschoben",
        "verlegt",
        "abgesagt",
        "reserviert",
        "erledigt",
        "booked",
        "confirmed",
        "cancelled",
        "canceled",
        "moved",
        "rescheduled",
    ];
    for (lang, names, outcome) in everything() {
        if matches!(outcome, Outcome::Booked { .. } | Outcome::Cancelled(_) | Outcome::Rescheduled { .. }) {
            continue;
        }
        let text = sentence(&outcome, &tenant(lang, names), at(NOW)).to_lowercase();
        assert!(DONE.iter().all(|done| !text.contains(done)), "{text}");
    }
}

#[test]
fn nothing_technical_is_read_aloud() {
    for (lang, names, outcome) in everything() {
        let text = sentence(&outcome, &tenant(lang, names), at(NOW));
        assert!(!text.contains(|c: char| "{}[]<>_|\\`@#*".contains(c) || c.is_control()), "{text}");
        let lower = text.to_lowercase();
        for word in [
            "error",
            "fehler",
            "null",
            "undefined",
            "slot",
            "token",
            "http",
            "system",
            "calendar id",
            "bestaetigung",
            "123456",
            "z0000",
        ] {
            assert!(!lower.contains(word), "{word}: {text}");
        }
        let longest = text.split(|c: char| !c.is_ascii_digit()).map(str::len).max();
        assert!(longest <= Some(4), "{text}");
    }
}

#[test]
fn a_pending_request_says_that_a_person_will_confirm_it() {
    for change in [Change::Book, Change::Move, Change::Cancel] {
        let outcome = Outcome::Pending { appointment: shown(Names::Short, "2026-03-13T14:00+01:00"), change, promise: None };
        assert!(heard(Language::De, &outcome).contains("eine Kollegin oder ein Kollege bestätigt Ihnen das noch"));
        assert!(heard(Language::En, &outcome).contains("a colleague will confirm it"));
    }
}

#[test]
fn a_slot_on_another_day_is_never_said_without_it() {
    let slots = |times: &[&str]| times.iter().map(|time| offer(Names::Short, time)).collect::<Vec<_>>();
    let wished = at("2026-03-13T14:15+01:00");
    let mixed = slots(&["2026-03-13T14:00+01:00", "2026-03-16T09:00+01:00", "2026-03-16T10:00+01:00"]);
    let outcome = Outcome::Offered { slots: mixed, why: WhyOffered::NotFree { wished } };
    let text = heard(Language::De, &outcome);
    assert_eq!(
        text,
        "Um 14 Uhr 15 ist leider belegt. Frei wäre am Freitag, den 13. März um 14 Uhr oder am Montag, den 16. März um 9 Uhr und 10 Uhr. \
         Was passt Ihnen?"
    );
    let other = slots(&["2026-03-16T09:00+01:00", "2026-03-16T10:00+01:00"]);
    let text = heard(Language::En, &Outcome::Offered { slots: other, why: WhyOffered::NotFree { wished } });
    assert_eq!(
        text,
        "Unfortunately 2:15 pm is taken. I could offer you Monday, March 16 at 9 am or 10 am. Which would suit you?"
    );
}

#[test]
fn a_deadline_is_said_as_the_clock_on_the_wall_shows_it() {
    // 24 real hours before Sunday 10:00 summer time.
    let deadline = at("2026-03-29T10:00+02:00") - SignedDuration::from_hours(24);
    let outcome = Outcome::Denied { denial: Denial::DeadlineMissed { change: Change::Cancel, deadline }, slots: Vec::new() };
    let text = heard(Language::De, &outcome);
    assert!(text.contains("Samstag, den 28. März um 9 Uhr"), "{text}");
}

#[test]
fn a_promised_call_is_never_said_later_than_it_is_due() {
    let promise = Promise { callback: CallbackId::new("c_1"), due: at("2026-03-13T10:07:31+01:00") };
    assert_eq!(heard(Language::De, &Outcome::CallbackQueued(promise)), "Gern, wir rufen Sie bis morgen um 10 Uhr 5 zurück.");
}

#[test]
fn the_earliest_time_that_is_said_can_be_booked() {
    let denial = Denial::NoticeTooShort { earliest: at("2026-03-12T11:56:01+01:00") };
    let text = heard(Language::De, &Outcome::Denied { denial, slots: Vec::new() });
    assert!(text.contains("frühestens um 12 Uhr."), "{text}");
}

#[test]
fn labels_name_day_and_time() {
    let (de, en) = (tenant(Language::De, Names::Short), tenant(Language::En, Names::Short));
    let time = "2026-03-13T14:00+01:00";
    assert_eq!(slot_spoken(&offer(Names::Short, time), &de, at(NOW)), "Freitag, den 13. März um 14 Uhr");
    assert_eq!(shown_spoken(&shown(Names::Short, time), &en, at(NOW)), "Friday, March 13 at 2 pm");
}

#[test]
fn the_wait_is_said_in_a_useful_unit() {
    for (seconds, text) in [
        (0, "Einen Moment bitte, ich bin gleich wieder für Sie da."),
        (27, "Einen Moment bitte, gerade ist viel los. In etwa 30 Sekunden geht es weiter."),
        (60, "Gerade ist sehr viel los. Bitte versuchen Sie es in einer Minute noch einmal."),
        (61, "Gerade ist sehr viel los. Bitte versuchen Sie es in 2 Minuten noch einmal."),
    ] {
        assert_eq!(over_limit(Language::De, SignedDuration::from_secs(seconds)), text);
    }
    assert_eq!(over_limit(Language::En, SignedDuration::from_secs(-1)), "One moment please, I will be right with you.");
}
