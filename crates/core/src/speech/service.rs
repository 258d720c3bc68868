//! Which service, or which person, is meant: exact name, synonym, normal form, close misspelling. Two
//! that fit are a question, none is none; there is no default.

use crate::tenant::{Service, Staff};

use super::words::fold;

/// How many names fit.
#[derive(Debug, PartialEq, Eq)]
pub enum Match<'a, T> {
    /// Exactly one.
    One(&'a T),
    /// More than one, in the order of the file.
    Several(Vec<&'a T>),
    /// None.
    None,
}

/// How alike two words have to be, 0 to 1, to be the same word misheard.
const ALIKE: f64 = 0.8;
/// Shorter pieces are part of too many names.
const LEAST_PART: usize = 4;

/// The service that `said` means.
pub fn match_service<'a>(said: &str, services: &'a [Service]) -> Match<'a, Service> {
    let named = |service: &'a Service| std::iter::once(service.name.as_str()).chain(service.synonyms.iter().map(String::as_str));
    find(said, services, named)
}

/// The person that `said` means; forms of address are no part of the name.
pub fn match_staff<'a>(said: &str, staff: &'a [Staff]) -> Match<'a, Staff> {
    let mut words: Vec<&str> = said.split_whitespace().collect();
    while let Some(first) = words.first().map(|word| fold(word)) {
        let is_address = [
            "bei", "zu", "mit", "beim", "frau", "herr", "herrn", "der", "dem", "die", "with", "mr", "mr.", "mrs", "mrs.", "ms",
            "dr", "dr.",
        ]
        .contains(&first.as_str());
        if !is_address || words.len() == 1 {
            break;
        }
        words.remove(0);
    }
    let said = words.join(" ");
    find(&said, staff, |person: &'a Staff| std::iter::once(person.name.as_str()))
}

fn find<'a, T, N>(said: &str, all: &'a [T], names: impl Fn(&'a T) -> N) -> Match<'a, T>
where
    N: Iterator<Item = &'a str>,
{
    let mut exact = all.iter().filter(|it| names(it).any(|name| name == said.trim()));
    if let (Some(only), None) = (exact.next(), exact.next()) {
        return Match::One(only);
    }
    let wanted = normal(said);
    if wanted.is_empty() {
        return Match::None;
    }
    let by = |fits: &dyn Fn(&str) -> bool| all.iter().filter(|it| names(it).any(fits)).collect::<Vec<_>>();
    let lower = said.trim().to_lowercase();
    for found in [
        by(&|name| name.to_lowercase() == lower),
        by(&|name| normal(name) == wanted),
        by(&|name| singular(&normal(name)) == singular(&wanted)),
        by(&|name| sorted(name) == sorted(said)),
    ] {
        if !found.is_empty() {
            return one_of(found);
        }
    }
    if wanted.chars().count() >= LEAST_PART {
        let part = by(&|name| {
            normal(name).contains(&singular(&wanted))
                || (normal(name).chars().count() >= LEAST_PART && wanted.contains(&singular(&normal(name))))
        });
        if !part.is_empty() {
            return one_of(part);
        }
    }
    // A first name is a name.
    let first = by(&|name| name.split_whitespace().any(|word| normal(word) == wanted));
    if !first.is_empty() {
        return one_of(first);
    }
    let close = by(&|name| {
        std::iter::once(normal(name)).chain(name.split_whitespace().map(normal)).any(|name| {
            let score = strsim::normalized_damerau_levenshtein(&name, &wanted);
            let least = wanted.chars().count().min(name.chars().count());
            score >= ALIKE && least >= LEAST_PART || least >= 3 && sounds(&name) == sounds(&wanted)
        })
    });
    if close.is_empty() { Match::None } else { one_of(close) }
}

fn one_of<T>(mut found: Vec<&T>) -> Match<'_, T> {
    match found.len() {
        1 => Match::One(found.remove(0)),
        _ => Match::Several(found),
    }
}

/// Letters and digits only, folded.
fn normal(text: &str) -> String {
    fold(text).chars().filter(|c| c.is_alphanumeric()).collect()
}

/// Without a usual German or English plural ending.
fn singular(normal: &str) -> String {
    for ending in ["en", "er", "e", "n", "s"] {
        if let Some(stem) = normal.strip_suffix(ending)
            && stem.chars().count() >= 5
        {
            return stem.to_owned();
        }
    }
    normal.to_owned()
}

/// The words in alphabetical order, so that their order does not matter.
fn sorted(text: &str) -> Vec<String> {
    let mut words: Vec<String> =
        fold(text).split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).map(str::to_owned).collect();
    words.sort_unstable();
    words
}

/// A coarse sound: doubled letters and letters that sound alike become one.
fn sounds(normal: &str) -> String {
    let mut out = String::with_capacity(normal.len());
    // German "-er" at the end is heard as "-a".
    let normal = normal.strip_suffix("er").map_or_else(|| normal.to_owned(), |stem| format!("{stem}a"));
    for c in normal.replace("ph", "f").replace("ck", "k").replace("th", "t").replace("ae", "e").chars() {
        let c = match c {
            'v' | 'w' => 'f',
            'c' | 'q' => 'k',
            'z' => 's',
            'y' | 'j' => 'i',
            'd' => 't',
            'b' => 'p',
            'h' => continue,
            c => c,
        };
        if !out.ends_with(c) {
            out.push(c);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn services(names: &[(&str, &[&str])]) -> Vec<Service> {
        names
            .iter()
            .map(|(name, synonyms)| Service {
                name: (*name).to_owned(),
                synonyms: synonyms.iter().map(|it| (*it).to_owned()).collect(),
                minutes: 30,
                calcom_event_type_id: None,
                buffer_before: 0,
                buffer_after: 0,
                segments: Vec::new(),
            })
            .collect()
    }

    #[test]
    fn the_very_name_is_no_question_although_another_is_spelled_alike() {
        let all = services(&[("Schnitt", &[]), ("SCHNITT", &["Kurzhaar"]), ("Farbe", &["Kurzhaar"])]);
        let found = |said: &str| match match_service(said, &all) {
            Match::One(service) => Some(service.name.as_str()),
            Match::Several(_) | Match::None => None,
        };
        assert_eq!((found(" SCHNITT"), found("Schnitt"), found("schnitt")), (Some("SCHNITT"), Some("Schnitt"), None));
        assert_eq!(found("Kurzhaar"), None, "two have that very name");
        assert_eq!(found(""), None);
    }

    #[test]
    fn names_synonyms_forms_and_misspellings_find_their_service() {
        let all = services(&[
            ("Herrenhaarschnitt", &["Männerhaarschnitt"]),
            ("Damenhaarschnitt", &[]),
            ("Dauerwelle", &[]),
            ("Färben", &[]),
            ("Beratung", &[]),
        ]);
        for (said, name) in [
            ("Herrenhaarschnitt", "Herrenhaarschnitt"),
            ("herren haarschnitt", "Herrenhaarschnitt"),
            ("Herren-Haarschnitt", "Herrenhaarschnitt"),
            ("Männerhaarschnitt", "Herrenhaarschnitt"),
            ("Maennerhaarschnitte", "Herrenhaarschnitt"),
            ("Dauerwellen", "Dauerwelle"),
            ("Dauerwele", "Dauerwelle"),
            ("faerben", "Färben"),
            ("Haare färben", "Färben"),
            ("eine Beratung", "Beratung"),
            ("Herenhaarschnit", "Herrenhaarschnitt"),
        ] {
            match match_service(said, &all) {
                Match::One(service) => assert_eq!(service.name, name, "{said}"),
                other => panic!("{said}: {other:?}"),
            }
        }
        for said in ["Massage", "", "-", "x", "Maniküre"] {
            assert_eq!(match_service(said, &all), Match::None, "{said}");
        }
        match match_service("Haarschnitt", &all) {
            Match::Several(several) => assert_eq!(several.len(), 2),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn people_are_found_by_first_name_address_and_sound() {
        let person = |name: &str| Staff {
            name: name.to_owned(),
            services: Vec::new(),
            calcom_event_types: Default::default(),
            calcom_host_id: None,
            hours: None,
        };
        let all = [person("Emma Sputer"), person("Fabio Conti"), person("Dr Patel")];
        for (said, name) in [
            ("bei Emma", "Emma Sputer"),
            ("Frau Sputa", "Emma Sputer"),
            ("fabio", "Fabio Conti"),
            ("Fabio Conti", "Fabio Conti"),
            ("Dr. Patel", "Dr Patel"),
        ] {
            match match_staff(said, &all) {
                Match::One(staff) => assert_eq!(staff.name, name, "{said}"),
                other => panic!("{said}: {other:?}"),
            }
        }
        assert_eq!(match_staff("Günther", &all), Match::None);
    }
}
