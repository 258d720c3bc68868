//! How times and dates are said, so that every sentence and every label says them alike.
//!
//! Digits stay digits, because speech engines read "14 Uhr 30" and "2:30 pm" better than words spelled
//! out by us. The machine forms of times are made elsewhere.

use jiff::civil::{Date, Time, Weekday};
use jiff::{ToSpan, ZonedDateTime};

use crate::tenant::Language;

/// A weekday: "Freitag", "Friday".
pub fn weekday(lang: Language, weekday: Weekday) -> &'static str {
    match (lang, weekday) {
        (Language::De, Weekday::Monday) => "Montag",
        (Language::De, Weekday::Tuesday) => "Dienstag",
        (Language::De, Weekday::Wednesday) => "Mittwoch",
        (Language::De, Weekday::Thursday) => "Donnerstag",
        (Language::De, Weekday::Friday) => "Freitag",
        (Language::De, Weekday::Saturday) => "Samstag",
        (Language::De, Weekday::Sunday) => "Sonntag",
        (Language::En, Weekday::Monday) => "Monday",
        (Language::En, Weekday::Tuesday) => "Tuesday",
        (Language::En, Weekday::Wednesday) => "Wednesday",
        (Language::En, Weekday::Thursday) => "Thursday",
        (Language::En, Weekday::Friday) => "Friday",
        (Language::En, Weekday::Saturday) => "Saturday",
        (Language::En, Weekday::Sunday) => "Sunday",
    }
}

/// Every such weekday, to open a sentence: "Samstags", "On Saturdays".
pub fn every(lang: Language, day: Weekday) -> String {
    match lang {
        Language::De => format!("{}s", weekday(lang, day)),
        Language::En => format!("On {}s", weekday(lang, day)),
    }
}

/// A month: "März", "March".
pub fn month(lang: Language, date: Date) -> &'static str {
    const DE: [&str; 12] =
        ["Januar", "Februar", "März", "April", "Mai", "Juni", "Juli", "August", "September", "Oktober", "November", "Dezember"];
    const EN: [&str; 12] = [
        "January",
        "February",
        "March",
        "April",
        "May",
        "June",
        "July",
        "August",
        "September",
        "October",
        "November",
        "December",
    ];
    let names = match lang {
        Language::De => &DE,
        Language::En => &EN,
    };
    // INVARIANT: a month is 1 to 12, so the cast and the index hold.
    names[usize::from(date.month() as u8) - 1]
}

/// A day without its weekday: "13. März", "March 13"; with the year unless it is this one.
pub fn day(lang: Language, date: Date, today: Date) -> String {
    let month = month(lang, date);
    match (lang, date.year() == today.year()) {
        (Language::De, true) => format!("{}. {month}", date.day()),
        (Language::De, false) => format!("{}. {month} {}", date.day(), date.year()),
        (Language::En, true) => format!("{month} {}", date.day()),
        (Language::En, false) => format!("{month} {}, {}", date.day(), date.year()),
    }
}

/// A date: "Freitag, den 13. März", "Friday, March 13"; with the year unless it is this one. The German
/// form follows "am", "für", "bis" and verbs.
pub fn date(lang: Language, date: Date, today: Date) -> String {
    let (weekday, day) = (weekday(lang, date.weekday()), day(lang, date, today));
    match lang {
        Language::De => format!("{weekday}, den {day}"),
        Language::En => format!("{weekday}, {day}"),
    }
}

/// A date as the subject of a sentence: "Freitag, der 13. März"; in English like [`date`].
pub fn date_as_subject(lang: Language, date: Date, today: Date) -> String {
    let (weekday, day) = (weekday(lang, date.weekday()), day(lang, date, today));
    match lang {
        Language::De => format!("{weekday}, der {day}"),
        Language::En => format!("{weekday}, {day}"),
    }
}

/// A time of the day: "14 Uhr", "14 Uhr 30"; "2 pm", "2:30 pm", "noon", "midnight". "12 pm" is not
/// said, because callers take it for either end of the day.
pub fn time(lang: Language, time: Time) -> String {
    let (hour, minute) = (time.hour(), time.minute());
    match lang {
        Language::De if minute == 0 => format!("{hour} Uhr"),
        Language::De => format!("{hour} Uhr {minute}"),
        Language::En if minute == 0 && hour == 0 => "midnight".to_owned(),
        Language::En if minute == 0 && hour == 12 => "noon".to_owned(),
        Language::En => {
            let half = if hour < 12 { "am" } else { "pm" };
            let hour = if hour % 12 == 0 { 12 } else { hour % 12 };
            if minute == 0 { format!("{hour} {half}") } else { format!("{hour}:{minute:02} {half}") }
        }
    }
}

/// Date and time: "Freitag, den 13. März um 14 Uhr", "Friday, March 13 at 2 pm".
pub fn moment(lang: Language, at: &ZonedDateTime, today: Date) -> String {
    at_time(lang, &date(lang, at.date(), today), &time(lang, at.time()))
}

/// A day or a relation to today, and a time on it.
pub fn at_time(lang: Language, day: &str, time: &str) -> String {
    match lang {
        Language::De => format!("{day} um {time}"),
        Language::En => format!("{day} at {time}"),
    }
}

/// A near moment as people say it: "heute um 14 Uhr", "morgen um 10 Uhr"; "2 pm today"; further away
/// like [`moment`]. The German form follows "bis" and "frühestens".
pub fn soon(lang: Language, at: &ZonedDateTime, today: Date) -> String {
    let time = time(lang, at.time());
    match (lang, relation(lang, at.date(), today)) {
        (Language::De, Some(relation)) => format!("{relation} um {time}"),
        (Language::En, Some(relation)) => format!("{time} {relation}"),
        (_, None) => moment(lang, at, today),
    }
}

/// How near a date is: "heute", "morgen", "übermorgen"; otherwise nothing.
pub fn relation(lang: Language, date: Date, today: Date) -> Option<&'static str> {
    let words = match lang {
        Language::De => ["heute", "morgen", "übermorgen"],
        Language::En => ["today", "tomorrow", "the day after tomorrow"],
    };
    (0_i64..).zip(words).find(|(ahead, _)| today.saturating_add(ahead.days()) == date).map(|(_, word)| word)
}

/// A stretch within a day: "von 9 bis 12 Uhr", "from 9 am to noon". Midnight as its end is the end of
/// the day.
pub fn span(lang: Language, from: Time, to: Time) -> String {
    match lang {
        Language::De => {
            let to = if to == Time::midnight() { "24 Uhr".to_owned() } else { time(lang, to) };
            if from.minute() == 0 && to.ends_with("Uhr") {
                format!("von {} bis {to}", from.hour())
            } else {
                format!("von {} bis {to}", time(lang, from))
            }
        }
        Language::En => format!("from {} to {}", time(lang, from), time(lang, to)),
    }
}

/// A length: "55 Minuten", "1 Stunde", "1 Stunde 30 Minuten".
pub fn length(lang: Language, minutes: u32) -> String {
    let words = match lang {
        Language::De => ["Stunde", "Stunden", "Minute", "Minuten"],
        Language::En => ["hour", "hours", "minute", "minutes"],
    };
    let count = |count: u32, one: &str, many: &str| format!("{count} {}", if count == 1 { one } else { many });
    let [hour, hours, minute, many_minutes] = words;
    match (minutes / 60, minutes % 60) {
        (0, rest) => count(rest, minute, many_minutes),
        (full, 0) => count(full, hour, hours),
        (full, rest) => format!("{} {}", count(full, hour, hours), count(rest, minute, many_minutes)),
    }
}

/// A choice: "A, B oder C", "A, B or C".
pub fn any_of(lang: Language, parts: &[String]) -> String {
    match lang {
        Language::De => joined(parts, "oder"),
        Language::En => joined(parts, "or"),
    }
}

/// A sum: "A, B und C", "A, B and C".
pub fn all_of(lang: Language, parts: &[String]) -> String {
    match lang {
        Language::De => joined(parts, "und"),
        Language::En => joined(parts, "and"),
    }
}

fn joined(parts: &[String], last: &str) -> String {
    match parts {
        [] => String::new(),
        [only] => only.clone(),
        [most @ .., end] => format!("{} {last} {end}", most.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::{date as civil_date, time as civil_time};

    use super::*;

    const TODAY: Date = civil_date(2026, 3, 12);

    #[test]
    fn times_are_said_as_people_say_them() {
        for (hour, minute, de, en) in [
            (0, 0, "0 Uhr", "midnight"),
            (0, 30, "0 Uhr 30", "12:30 am"),
            (9, 5, "9 Uhr 5", "9:05 am"),
            (12, 0, "12 Uhr", "noon"),
            (12, 15, "12 Uhr 15", "12:15 pm"),
            (14, 0, "14 Uhr", "2 pm"),
            (14, 30, "14 Uhr 30", "2:30 pm"),
        ] {
            assert_eq!(time(Language::De, civil_time(hour, minute, 0, 0)), de);
            assert_eq!(time(Language::En, civil_time(hour, minute, 0, 0)), en);
        }
    }

    #[test]
    fn weekday_and_date_agree_on_every_day_of_five_years() {
        let mut date_on = civil_date(2024, 1, 1);
        // 2024-01-01 was a Monday; counting from there is independent of the library's weekdays.
        let (de, en) = (
            ["Montag", "Dienstag", "Mittwoch", "Donnerstag", "Freitag", "Samstag", "Sonntag"],
            ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"],
        );
        let mut leap_days = 0;
        for count in 0.. {
            if date_on.year() == 2029 {
                break;
            }
            leap_days += u32::from(date_on.month() == 2 && date_on.day() == 29);
            let german = date(Language::De, date_on, TODAY);
            let english = date(Language::En, date_on, TODAY);
            assert!(german.starts_with(&format!("{}, den {}. ", de[count % 7], date_on.day())), "{german}");
            assert!(
                english.starts_with(&format!("{}, {} {}", en[count % 7], month(Language::En, date_on), date_on.day())),
                "{english}"
            );
            assert_eq!(german.contains("20"), date_on.year() != 2026 || date_on.day() == 20, "{german}");
            date_on = date_on.tomorrow().expect("in range");
        }
        assert_eq!(leap_days, 2);
    }

    #[test]
    fn the_year_is_said_when_it_is_another_one() {
        let next_year = civil_date(2027, 3, 12);
        assert_eq!(date(Language::De, next_year, TODAY), "Freitag, den 12. März 2027");
        assert_eq!(date(Language::En, next_year, TODAY), "Friday, March 12, 2027");
        assert_eq!(date_as_subject(Language::De, civil_date(2026, 3, 13), TODAY), "Freitag, der 13. März");
    }

    #[test]
    fn only_three_days_have_a_relation_to_today() {
        let relations: Vec<_> = (-1_i64..4).map(|ahead| relation(Language::De, TODAY + ahead.days(), TODAY)).collect();
        assert_eq!(relations, [None, Some("heute"), Some("morgen"), Some("übermorgen"), None]);
        assert_eq!(relation(Language::En, civil_date(2027, 1, 1), civil_date(2026, 12, 31)), Some("tomorrow"));
    }

    #[test]
    fn a_span_says_the_hour_word_once_where_it_can() {
        let span = |lang, from: (i8, i8), to: (i8, i8)| {
            super::span(lang, civil_time(from.0, from.1, 0, 0), civil_time(to.0, to.1, 0, 0))
        };
        assert_eq!(span(Language::De, (9, 0), (12, 0)), "von 9 bis 12 Uhr");
        assert_eq!(span(Language::De, (9, 30), (12, 0)), "von 9 Uhr 30 bis 12 Uhr");
        assert_eq!(span(Language::De, (9, 0), (12, 30)), "von 9 Uhr bis 12 Uhr 30");
        assert_eq!(span(Language::De, (0, 0), (0, 0)), "von 0 bis 24 Uhr");
        assert_eq!(span(Language::En, (9, 0), (12, 0)), "from 9 am to noon");
        assert_eq!(span(Language::En, (18, 30), (0, 0)), "from 6:30 pm to midnight");
    }

    #[test]
    fn lists_end_in_one_word() {
        let parts = ["A", "B", "C"].map(str::to_owned);
        assert_eq!(any_of(Language::De, &parts), "A, B oder C");
        assert_eq!(all_of(Language::En, &parts), "A, B and C");
        assert_eq!(any_of(Language::En, &parts[..2]), "A or B");
        assert_eq!(all_of(Language::De, &[]), "");
    }

    #[test]
    fn lengths_are_counted() {
        assert_eq!(length(Language::De, 55), "55 Minuten");
        assert_eq!(length(Language::De, 60), "1 Stunde");
        assert_eq!(length(Language::En, 121), "2 hours 1 minute");
    }
}
