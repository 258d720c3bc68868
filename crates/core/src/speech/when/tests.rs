//! The table of what is understood, seen from Thursday, 12 March 2026, 10:00 in Berlin, and
//! properties over every zone of the bundled database.

use jiff::civil::{Date, date};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, ToSpan as _};
use proptest::prelude::*;

use super::*;

fn now() -> ZonedDateTime {
    date(2026, 3, 12).at(10, 0, 0, 0).to_zoned_datetime(TimeZone::get("Europe/Berlin").expect("bundled")).expect("exists")
}

fn show(result: &Result<When, Unclear>) -> String {
    match result {
        Ok(when) => {
            let date = match &when.date {
                DateWish::Any => "-".to_owned(),
                DateWish::On(date) => date.strftime("%m-%d").to_string(),
                DateWish::Between { from, to } => format!("{}..{}", from.strftime("%m-%d"), to.strftime("%m-%d")),
            };
            let time = match &when.time {
                TimeWish::Any => "-".to_owned(),
                TimeWish::At(time) => time.strftime("%H:%M").to_string(),
                TimeWish::Window { from, to } => format!("{from}-{to}"),
                TimeWish::Earliest => "earliest".to_owned(),
            };
            format!("{date} {time}")
        }
        Err(Unclear::NotUnderstood { field: Field::Date }) => "date?".to_owned(),
        Err(Unclear::NotUnderstood { field: Field::Time }) => "time?".to_owned(),
        Err(Unclear::InThePast { .. }) => "past".to_owned(),
        Err(Unclear::Contradiction { candidates, .. }) => {
            format!(
                "contradiction {}",
                candidates.iter().map(|it| it.strftime("%m-%d").to_string()).collect::<Vec<_>>().join("/")
            )
        }
        Err(Unclear::AmbiguousDate { candidates }) => {
            format!("which {}", candidates.iter().map(|it| it.strftime("%m-%d").to_string()).collect::<Vec<_>>().join("/"))
        }
        Err(Unclear::AmbiguousClock { candidates }) => {
            format!("clock {}", candidates.iter().map(|it| it.strftime("%H:%M").to_string()).collect::<Vec<_>>().join("/"))
        }
        Err(Unclear::NonexistentDate) => "no such date".to_owned(),
        Err(Unclear::NonexistentTime { .. }) => "no such time".to_owned(),
        Err(Unclear::AmbiguousTime { .. }) => "twice".to_owned(),
    }
}

/// Day, time, meaning.
type Case = (&'static str, &'static str, &'static str);

const GERMAN: &[Case] = &[
    // relative days
    ("heute", "14 Uhr", "03-12 14:00"),
    ("Heute", "", "03-12 -"),
    ("morgen", "14 Uhr", "03-13 14:00"),
    ("Morgen", "9 Uhr", "03-13 09:00"),
    ("übermorgen", "10 Uhr", "03-14 10:00"),
    ("Übermorgen", "", "03-14 -"),
    ("uebermorgen", "", "03-14 -"),
    ("gestern", "", "past"),
    ("vorgestern", "", "past"),
    ("in drei Tagen", "", "03-15 -"),
    ("in einer Woche", "", "03-19 -"),
    ("in zwei Wochen", "", "03-26 -"),
    ("heute in einer Woche", "", "03-19 -"),
    ("morgen in einer Woche", "", "03-20 -"),
    ("Freitag in einer Woche", "", "03-20 -"),
    ("in 10 Tagen", "", "03-22 -"),
    // weekdays
    ("Montag", "", "03-16 -"),
    ("am Montag", "", "03-16 -"),
    ("Dienstag", "", "03-17 -"),
    ("Mittwoch", "", "03-18 -"),
    ("Donnerstag", "", "03-19 -"),
    ("Freitag", "", "03-13 -"),
    ("Samstag", "", "03-14 -"),
    ("Sonnabend", "", "03-14 -"),
    ("Sonntag", "", "03-15 -"),
    ("diesen Freitag", "", "03-13 -"),
    ("diesen Donnerstag", "", "03-12 -"),
    ("diesen Montag", "", "03-16 -"),
    ("kommenden Freitag", "", "03-13 -"),
    ("kommenden Donnerstag", "", "03-19 -"),
    ("nächsten Freitag", "", "which 03-13/03-20"),
    ("nächsten Samstag", "", "which 03-14/03-21"),
    ("nächsten Montag", "", "03-16 -"),
    ("nächsten Donnerstag", "", "03-19 -"),
    ("nächster Dienstag", "", "03-17 -"),
    ("übernächsten Montag", "", "03-23 -"),
    ("nächste Woche Dienstag", "", "03-17 -"),
    ("Dienstag nächste Woche", "", "03-17 -"),
    ("Dienstag nächster Woche", "", "03-17 -"),
    ("nächste Woche Freitag", "", "03-20 -"),
    ("Sonntag nächste Woche", "", "03-22 -"),
    ("am Donnerstag in der nächsten Woche", "", "03-19 -"),
    ("diese Woche Freitag", "", "03-13 -"),
    ("diese Woche Montag", "", "past"),
    ("übernächste Woche Mittwoch", "", "03-25 -"),
    // stretches
    ("diese Woche", "", "03-12..03-15 -"),
    ("nächste Woche", "", "03-16..03-22 -"),
    ("in der nächsten Woche", "", "03-16..03-22 -"),
    ("übernächste Woche", "", "03-23..03-29 -"),
    ("am Wochenende", "", "03-14..03-15 -"),
    ("nächstes Wochenende", "", "03-21..03-22 -"),
    ("nächsten Monat", "", "04-01..04-30 -"),
    ("diesen Monat", "", "03-12..03-31 -"),
    ("nächste Woche", "vormittags", "03-16..03-22 09:00-12:00"),
    // dates
    ("13.03.2026", "", "03-13 -"),
    ("13.3.2026", "", "03-13 -"),
    ("13.3.26", "", "03-13 -"),
    ("13.03.", "", "03-13 -"),
    ("13.3.", "", "03-13 -"),
    ("13.3", "", "03-13 -"),
    ("am 13.03.", "", "03-13 -"),
    ("13. 3.", "", "03-13 -"),
    ("13. 03.2026", "", "03-13 -"),
    ("13. März", "", "03-13 -"),
    ("13. Maerz 2026", "", "03-13 -"),
    ("13 März", "", "03-13 -"),
    ("13ter März", "", "03-13 -"),
    ("dreizehnter März", "", "03-13 -"),
    ("den dreizehnten März", "", "03-13 -"),
    ("am dreizehnten dritten", "", "03-13 -"),
    ("zwanzigster März", "", "03-20 -"),
    ("einundzwanzigsten April", "", "04-21 -"),
    ("am ersten April", "", "04-01 -"),
    ("1. Mai", "", "05-01 -"),
    ("24. Dezember", "", "12-24 -"),
    ("7. November", "", "11-07 -"),
    ("am dreizehnten", "", "03-13 -"),
    ("am 13.", "", "03-13 -"),
    ("am zehnten", "", "04-10 -"),
    ("am 31.", "", "03-31 -"),
    ("Freitag, den 13. März", "", "03-13 -"),
    ("Freitag, 13.03.2026", "", "03-13 -"),
    ("Freitag der dreizehnte", "", "03-13 -"),
    ("Mittwoch, den 18. März", "", "03-18 -"),
    ("Dienstag, 18. März", "", "contradiction 03-17/03-18"),
    ("Montag, den 13. März", "", "contradiction 03-13/03-16"),
    ("morgen, Freitag", "", "03-13 -"),
    ("morgen, Samstag", "", "contradiction 03-13/03-14"),
    ("2026-03-13", "", "03-13 -"),
    ("2026-03-13T14:00", "", "03-13 14:00"),
    ("2026-03-13T14:00:00+01:00", "", "03-13 14:00"),
    ("2026-03-13T13:00:00Z", "", "03-13 14:00"),
    ("13.03.2026 14:00", "", "03-13 14:00"),
    ("15.1", "", "past"),
    ("15. Januar", "", "past"),
    ("1.9.", "", "09-01 -"),
    ("1.8.", "", "08-01 -"),
    ("17.06.2024", "", "past"),
    ("2023-06-13", "", "past"),
    ("29. Februar", "", "no such date"),
    ("31.04.2026", "", "no such date"),
    ("30.02.2027", "", "no such date"),
    ("Blumentag", "", "date?"),
    ("irgendwas", "", "date?"),
    ("45.13.", "", "date?"),
    // times
    ("morgen", "14:30", "03-13 14:30"),
    ("morgen", "14.30 Uhr", "03-13 14:30"),
    ("morgen", "14 Uhr 30", "03-13 14:30"),
    ("morgen", "vierzehn Uhr dreißig", "03-13 14:30"),
    ("morgen", "vierzehn Uhr", "03-13 14:00"),
    ("morgen", "10", "03-13 10:00"),
    ("morgen", "um 10", "03-13 10:00"),
    ("morgen", "9 Uhr", "03-13 09:00"),
    ("morgen", "neun Uhr fünfzehn", "03-13 09:15"),
    ("morgen", "halb drei", "03-13 14:30"),
    ("morgen", "halb zehn", "03-13 09:30"),
    ("morgen", "halb eins", "03-13 12:30"),
    ("morgen", "viertel nach neun", "03-13 09:15"),
    ("morgen", "viertel vor drei", "03-13 14:45"),
    ("morgen", "viertel vor elf", "03-13 10:45"),
    ("morgen", "dreiviertel drei", "03-13 14:45"),
    ("morgen", "viertel drei", "03-13 14:15"),
    ("morgen", "zehn nach zwei", "03-13 14:10"),
    ("morgen", "fünf vor halb drei", "03-13 14:25"),
    ("morgen", "fünf nach halb drei", "03-13 14:35"),
    ("morgen", "zwanzig vor zehn", "03-13 09:40"),
    ("morgen", "drei Uhr", "03-13 15:00"),
    ("morgen", "drei Uhr nachmittags", "03-13 15:00"),
    ("morgen", "um drei nachmittags", "03-13 15:00"),
    ("morgen", "8 Uhr", "03-13 08:00"),
    ("morgen", "acht Uhr abends", "03-13 20:00"),
    ("morgen", "um acht", "clock 08:00/20:00"),
    ("morgen", "6 Uhr", "clock 06:00/18:00"),
    ("morgen", "6 Uhr morgens", "03-13 06:00"),
    ("morgen", "02:30", "03-13 02:30"),
    ("morgen", "20 Uhr", "03-13 20:00"),
    ("morgen", "zwanzig Uhr fünfzehn", "03-13 20:15"),
    ("morgen", "mittags um zwölf", "03-13 12:00"),
    ("morgen", "zwölf Uhr mittags", "03-13 12:00"),
    ("morgen", "gegen 13 Uhr", "03-13 13:00"),
    ("morgen", "ca. 13 Uhr", "03-13 13:00"),
    ("morgen", "14uhr", "03-13 14:00"),
    ("morgen", "vormittags", "03-13 09:00-12:00"),
    ("morgen", "am Vormittag", "03-13 09:00-12:00"),
    ("morgen", "nachmittags", "03-13 12:00-18:00"),
    ("morgen", "mittags", "03-13 11:00-14:00"),
    ("morgen", "abends", "03-13 17:00-21:00"),
    ("morgen", "früh", "03-13 06:00-09:00"),
    ("morgen früh", "", "03-13 06:00-09:00"),
    ("morgen Vormittag", "", "03-13 09:00-12:00"),
    ("heute Abend", "", "03-12 17:00-21:00"),
    ("heute früh", "", "past"),
    ("Freitag Morgen", "", "03-13 06:00-12:00"),
    ("Freitagnachmittag", "", "date?"),
    ("Freitag nachmittag um drei", "", "03-13 15:00"),
    ("morgen", "ab 15 Uhr", "03-13 15:00-24:00"),
    ("morgen", "nach 15 Uhr", "03-13 15:00-24:00"),
    ("morgen", "vor 12 Uhr", "03-13 00:00-12:00"),
    ("morgen", "bis 12", "03-13 00:00-12:00"),
    ("morgen", "zwischen 14 und 16 Uhr", "03-13 14:00-16:00"),
    ("morgen", "von 14 bis 16 Uhr", "03-13 14:00-16:00"),
    ("morgen", "14-16 Uhr", "03-13 14:00-16:00"),
    ("morgen", "14 bis 16 Uhr", "03-13 14:00-16:00"),
    ("morgen", "zwischen zwei und vier", "03-13 14:00-16:00"),
    ("morgen", "so früh wie möglich", "03-13 earliest"),
    ("", "so früh wie möglich", "- earliest"),
    ("", "so bald wie möglich", "- earliest"),
    ("", "nächster freier Termin", "- earliest"),
    ("so schnell wie möglich", "", "- earliest"),
    ("morgen", "egal", "03-13 -"),
    ("morgen", "jederzeit", "03-13 -"),
    ("morgen um 14 Uhr", "", "03-13 14:00"),
    ("am Freitag um halb drei", "", "03-13 14:30"),
    ("nächste Woche Dienstag um 10", "", "03-17 10:00"),
    ("", "morgen um 14 Uhr", "03-13 14:00"),
    ("", "14 Uhr", "- 14:00"),
    ("", "", "- -"),
    ("heute", "9 Uhr", "past"),
    ("heute", "10:00", "past"),
    ("heute", "10:01", "03-12 10:01"),
    ("morgen", "25 Uhr", "time?"),
    ("morgen", "99:99", "time?"),
    ("morgen", "Blumen", "time?"),
    ("29.03.2026", "02:30", "no such time"),
    ("29.03.2026", "3 Uhr", "03-29 15:00"),
    ("25.10.2026", "02:30", "twice"),
    ("25.10.2026", "03:00", "10-25 03:00"),
];

const ENGLISH: &[Case] = &[
    ("today", "2 pm", "03-12 14:00"),
    ("Today", "", "03-12 -"),
    ("tomorrow", "2 pm", "03-13 14:00"),
    ("the day after tomorrow", "", "03-14 -"),
    ("day after tomorrow", "10 am", "03-14 10:00"),
    ("yesterday", "", "past"),
    ("in three days", "", "03-15 -"),
    ("in a week", "", "03-19 -"),
    ("in two weeks", "", "03-26 -"),
    ("Monday", "", "03-16 -"),
    ("on Monday", "", "03-16 -"),
    ("Tuesday", "", "03-17 -"),
    ("Wednesday", "", "03-18 -"),
    ("Thursday", "", "03-19 -"),
    ("Friday", "", "03-13 -"),
    ("Saturday", "", "03-14 -"),
    ("Sunday", "", "03-15 -"),
    ("this Friday", "", "03-13 -"),
    ("this Thursday", "", "03-12 -"),
    ("next Friday", "", "which 03-13/03-20"),
    ("next Monday", "", "03-16 -"),
    ("coming Friday", "", "03-13 -"),
    ("this coming Friday", "", "03-13 -"),
    ("next week Tuesday", "", "03-17 -"),
    ("Tuesday next week", "", "03-17 -"),
    ("Tuesday of next week", "", "03-17 -"),
    ("on Sunday next week", "", "03-22 -"),
    ("Friday this week", "", "03-13 -"),
    ("this week", "", "03-12..03-15 -"),
    ("next week", "", "03-16..03-22 -"),
    ("next week", "mornings", "03-16..03-22 06:00-12:00"),
    ("the weekend", "", "03-14..03-15 -"),
    ("this weekend", "", "03-14..03-15 -"),
    ("next weekend", "", "03-21..03-22 -"),
    ("next month", "", "04-01..04-30 -"),
    ("March 13", "", "03-13 -"),
    ("March 13th", "", "03-13 -"),
    ("March the 13th", "", "03-13 -"),
    ("13 March", "", "03-13 -"),
    ("13th March", "", "03-13 -"),
    ("13th of March", "", "03-13 -"),
    ("the thirteenth of March", "", "03-13 -"),
    ("the 13th of March 2026", "", "03-13 -"),
    ("March 13, 2026", "", "03-13 -"),
    ("13 March 2026", "", "03-13 -"),
    ("the twenty-first of April", "", "04-21 -"),
    ("April first", "", "04-01 -"),
    ("December 24", "", "12-24 -"),
    ("Jan 15", "", "past"),
    ("the thirteenth", "", "03-13 -"),
    ("on the 10th", "", "04-10 -"),
    ("Friday, March 13", "", "03-13 -"),
    ("Friday the 13th", "", "03-13 -"),
    ("Wednesday, March 18", "", "03-18 -"),
    ("Tuesday, March 18", "", "contradiction 03-17/03-18"),
    ("tomorrow, Saturday", "", "contradiction 03-13/03-14"),
    ("2026-03-13", "", "03-13 -"),
    ("2026-03-13 14:00", "", "03-13 14:00"),
    ("2026-03-13T14:00:00", "", "03-13 14:00"),
    ("3/13/2026", "", "03-13 -"),
    ("13/3/2026", "", "03-13 -"),
    ("3/13", "", "03-13 -"),
    ("3/4/2026", "", "04-03 -"),
    ("4/5/2026", "", "which 04-05/05-04"),
    ("5/5/2026", "", "05-05 -"),
    ("6/17/2024", "", "past"),
    ("February 30", "", "no such date"),
    ("February 29", "", "no such date"),
    ("flowerday", "", "date?"),
    ("tomorrow", "2 p.m.", "03-13 14:00"),
    ("tomorrow", "2pm", "03-13 14:00"),
    ("tomorrow", "2:30 pm", "03-13 14:30"),
    ("tomorrow", "2:30pm", "03-13 14:30"),
    ("tomorrow", "10 am", "03-13 10:00"),
    ("tomorrow", "10 a.m.", "03-13 10:00"),
    ("tomorrow", "12 pm", "03-13 12:00"),
    ("tomorrow", "12 am", "03-13 00:00"),
    ("tomorrow", "half past two", "03-13 14:30"),
    ("tomorrow", "half past nine", "03-13 09:30"),
    ("tomorrow", "quarter past nine", "03-13 09:15"),
    ("tomorrow", "a quarter past nine", "03-13 09:15"),
    ("tomorrow", "quarter to three", "03-13 14:45"),
    ("tomorrow", "ten past two", "03-13 14:10"),
    ("tomorrow", "twenty to ten", "03-13 09:40"),
    ("tomorrow", "two thirty", "03-13 14:30"),
    ("tomorrow", "nine fifteen", "03-13 09:15"),
    ("tomorrow", "three o'clock", "03-13 15:00"),
    ("tomorrow", "at three", "03-13 15:00"),
    ("tomorrow", "at 8", "clock 08:00/20:00"),
    ("tomorrow", "eight in the morning", "03-13 08:00"),
    ("tomorrow", "eight in the evening", "03-13 20:00"),
    ("tomorrow", "9 in the morning", "03-13 09:00"),
    ("tomorrow", "seven at night", "03-13 19:00"),
    ("tomorrow", "14:30", "03-13 14:30"),
    ("tomorrow", "noon", "03-13 12:00"),
    ("tomorrow", "midnight", "03-13 00:00"),
    ("tomorrow", "around 1 pm", "03-13 13:00"),
    ("tomorrow", "morning", "03-13 06:00-12:00"),
    ("tomorrow", "in the morning", "03-13 06:00-12:00"),
    ("tomorrow", "afternoon", "03-13 12:00-18:00"),
    ("tomorrow", "evening", "03-13 17:00-21:00"),
    ("tonight", "", "03-12 17:00-21:00"),
    ("tomorrow morning", "", "03-13 06:00-12:00"),
    ("tomorrow afternoon at three", "", "03-13 15:00"),
    ("tomorrow", "from 3 pm", "03-13 15:00-24:00"),
    ("tomorrow", "after 3 pm", "03-13 15:00-24:00"),
    ("tomorrow", "before noon", "03-13 00:00-12:00"),
    ("tomorrow", "between 2 and 4 pm", "03-13 14:00-16:00"),
    ("tomorrow", "from 2 pm to 4 pm", "03-13 14:00-16:00"),
    ("tomorrow", "any time", "03-13 -"),
    ("tomorrow", "anytime", "03-13 -"),
    ("", "as soon as possible", "- earliest"),
    ("", "as early as possible", "- earliest"),
    ("asap", "", "- earliest"),
    ("", "next available", "- earliest"),
    ("tomorrow at 2 pm", "", "03-13 14:00"),
    ("next week Tuesday at ten", "", "03-17 10:00"),
    ("today", "9 am", "past"),
    ("tomorrow", "25:00", "time?"),
    ("tomorrow", "purple", "time?"),
];

fn check(table: &[Case], language: Language) {
    let wrong: Vec<String> = table
        .iter()
        .filter_map(|(day, time, meaning)| {
            let text = WhenText { date: Some(day), time: Some(time), words: None };
            let understood = show(&understand(&text, &now(), language));
            (understood != *meaning).then(|| format!("{day:?} {time:?}: {understood}, not {meaning}"))
        })
        .collect();
    assert!(wrong.is_empty(), "{} of {} wrong:\n{}", wrong.len(), table.len(), wrong.join("\n"));
}

#[test]
fn german_words_mean_what_the_table_says() {
    assert!(GERMAN.len() >= 150, "{} cases", GERMAN.len());
    check(GERMAN, Language::De);
}

#[test]
fn english_words_mean_what_the_table_says() {
    assert!(ENGLISH.len() >= 110, "{} cases", ENGLISH.len());
    check(ENGLISH, Language::En);
}

#[test]
fn both_languages_are_understood_whatever_the_tenant_speaks() {
    check(GERMAN, Language::En);
    check(ENGLISH, Language::De);
}

#[test]
fn the_callers_words_win_over_a_date_that_a_model_made_of_them() {
    let text = WhenText {
        date: Some("2023-06-13"),
        time: Some("10 Uhr"),
        words: Some("ich hätte gern nächste Woche Dienstag einen Termin"),
    };
    assert_eq!(show(&understand(&text, &now(), Language::De)), "03-17 10:00");
    let nonsense = WhenText { date: Some("2026-03-13"), time: Some("10 Uhr"), words: Some("ja genau") };
    assert_eq!(show(&understand(&nonsense, &now(), Language::De)), "03-13 10:00");
}

/// Every change of the clocks in 2026 and 2027, as the instants right before and after it.
fn changes(zone: &TimeZone) -> Vec<Timestamp> {
    let from = date(2026, 1, 2).to_zoned_datetime(TimeZone::UTC).expect("exists").timestamp();
    let to = date(2028, 1, 1).to_zoned_datetime(TimeZone::UTC).expect("exists").timestamp();
    zone.following(from).map(|change| change.timestamp()).take_while(|at| *at < to).collect()
}

#[test]
fn gaps_and_folds_of_every_zone_are_questions() {
    let (mut zones, mut gaps, mut folds) = (0, 0, 0);
    for name in jiff::tz::db().available() {
        let Ok(zone) = TimeZone::get(name.as_str()) else { continue };
        zones += 1;
        for change in changes(&zone) {
            let before = (change - SignedDuration::from_secs(1)).to_zoned_datetime(zone.clone());
            let after = change.to_zoned_datetime(zone.clone());
            let shift = after.offset().seconds() - before.offset().seconds();
            if shift == 0 {
                continue;
            }
            let seen_from = (change - SignedDuration::from_hours(72)).to_zoned_datetime(zone.clone());
            let ask = |at: DateTime| {
                let (day, time) = (at.date().to_string(), at.time().strftime("%H:%M").to_string());
                understand(&WhenText { date: Some(&day), time: Some(&time), words: None }, &seen_from, Language::En)
            };
            let minutes = i64::from(shift.abs()) / 60;
            let before_local =
                (change.to_zoned_datetime(zone.clone()).datetime()).checked_sub(i64::from(shift).seconds()).expect("in range");
            if shift > 0 {
                let within = before_local.checked_add((minutes / 2).minutes()).expect("in range");
                assert!(matches!(ask(within), Err(Unclear::NonexistentTime { .. })), "{name:?} {within}");
                gaps += 1;
            } else {
                let within = after.datetime().checked_add((minutes / 2).minutes()).expect("in range");
                assert!(matches!(ask(within), Err(Unclear::AmbiguousTime { .. })), "{name:?} {within}");
                folds += 1;
            }
            let clear = after.datetime().checked_add(5.hours()).expect("in range");
            assert!(ask(clear).is_ok(), "{name:?} {clear}");
        }
    }
    assert!(zones >= 590 && gaps > 300 && folds > 300, "{zones} zones, {gaps} gaps, {folds} folds");
}

fn any_day() -> impl Strategy<Value = Date> {
    (0_i32..700).prop_map(|days| now().date().checked_add(days.days()).expect("in range"))
}

proptest! {
    #[test]
    fn nothing_that_is_said_makes_it_panic(day in ".{0,60}", time in ".{0,40}", words in ".{0,300}") {
        let text = WhenText { date: Some(&day), time: Some(&time), words: Some(&words) };
        if let Ok(When { date: DateWish::On(date), .. }) = understand(&text, &now(), Language::De) {
            prop_assert!(date >= now().date());
        }
    }

    #[test]
    fn words_of_the_trade_in_any_order_make_it_neither_panic_nor_look_back(words in proptest::collection::vec(prop_oneof![
        Just("nächste"), Just("woche"), Just("freitag"), Just("am"), Just("13."), Just("3."), Just("märz"), Just("halb"), Just("drei"),
        Just("uhr"), Just("viertel"), Just("vor"), Just("nach"), Just("zwischen"), Just("und"), Just("in"), Just("einer"), Just("morgen"),
        Just("früh"), Just("next"), Just("pm"), Just("to"), Just("99"), Just("31.12."), Just("-"), Just("the"), Just("of"),
    ], 0..8)) {
        let said = words.join(" ");
        let text = WhenText { date: Some(&said), time: None, words: None };
        if let Ok(When { date: DateWish::On(date), .. }) = understand(&text, &now(), Language::De) {
            prop_assert!(date >= now().date());
        }
    }

    #[test]
    fn written_dates_are_read_back(day in any_day()) {
        for text in [day.to_string(), day.strftime("%d.%m.%Y").to_string(), day.strftime("%-d.%-m.%Y").to_string(), day.strftime("%B %-d, %Y").to_string()] {
            let wish = understand(&WhenText { date: Some(&text), time: None, words: None }, &now(), Language::De);
            prop_assert_eq!(wish, Ok(When { date: DateWish::On(day), time: TimeWish::Any }), "{}", text);
        }
    }

    #[test]
    fn written_times_are_read_back(hour in 0_i8..24, minute in 0_i8..60) {
        let text = format!("{hour:02}:{minute:02}");
        let wish = understand(&WhenText { date: Some("Montag"), time: Some(&text), words: None }, &now(), Language::De);
        let time = Time::new(hour, minute, 0, 0).expect("in range");
        prop_assert_eq!(wish, Ok(When { date: DateWish::On(date(2026, 3, 16)), time: TimeWish::At(time) }));
    }
}
