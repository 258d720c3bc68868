//! Arguments of a function call: raw JSON in, clean and bounded texts out. The table of names is the
//! one place that knows the aliases of old and German agents.

use frontdesk_core::desk::{BookWish, CallbackWish, CancelWish, CheckWish, CollectWish, Command, FindWish, MoveWish, WhenWords};
use frontdesk_core::ids::{BookingId, SlotId};
use frontdesk_core::sensitive::Sensitive;
use frontdesk_core::speech::text::clean;
use serde_json::{Map, Value};

/// A function of the desk, by the contract's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Function {
    StartCall,
    IdentifyCaller,
    ListServices,
    OpeningHours,
    ResolveDate,
    CheckAvailability,
    FindNext,
    BookAppointment,
    CollectAppointment,
    FindAppointments,
    RescheduleAppointment,
    CancelAppointment,
    RequestCallback,
    HoldSlot,
    ReleaseSlot,
}

/// Every name a function is called by, ours first.
const NAMES: &[(Function, &[&str])] = &[
    (Function::StartCall, &["start_call", "initialize_call", "get_current_context", "current_context"]),
    (Function::IdentifyCaller, &["identify_caller", "check_customer"]),
    (Function::ListServices, &["list_services", "get_available_services", "get_service_info", "get_services"]),
    (Function::OpeningHours, &["opening_hours", "get_opening_hours"]),
    (Function::ResolveDate, &["resolve_date", "parse_date", "datetime"]),
    (Function::CheckAvailability, &["check_availability"]),
    (Function::FindNext, &["find_next_available", "get_alternatives"]),
    (Function::BookAppointment, &["book_appointment", "start_booking", "confirm_booking"]),
    (Function::CollectAppointment, &["collect_appointment", "collect_appointment_data"]),
    (
        Function::FindAppointments,
        &["find_appointments", "query_appointment", "query_appointment_by_name", "get_customer_appointments", "get_appointments"],
    ),
    (Function::RescheduleAppointment, &["reschedule_appointment"]),
    (Function::CancelAppointment, &["cancel_appointment"]),
    (Function::RequestCallback, &["request_callback"]),
    (Function::HoldSlot, &["hold_slot", "reserve_slot"]),
    (Function::ReleaseSlot, &["release_slot", "release_slot_reservation"]),
];

impl Function {
    /// Finds a function by any of its names; a version suffix (`_v17`, `-v4`) is dropped.
    pub(crate) fn named(said: &str) -> Option<Self> {
        let said = said.trim().to_ascii_lowercase().replace('-', "_");
        let name = match said.rsplit_once("_v") {
            Some((name, version)) if !version.is_empty() && version.bytes().all(|byte| byte.is_ascii_digit()) => name,
            _ => &said,
        };
        NAMES.iter().find(|(_, names)| names.contains(&name)).map(|(function, _)| *function)
    }

    /// The contract's name.
    pub(crate) fn name(self) -> &'static str {
        NAMES.iter().find(|(function, _)| *function == self).and_then(|(_, names)| names.first().copied()).unwrap_or("")
    }
}

/// What an old path fixes, whatever the body says.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Fixed {
    /// The second step of the old two-step function, or the first.
    pub(crate) consent: Option<bool>,
    /// Cancels without asking first.
    pub(crate) acts_at_once: bool,
}

/// An argument that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Unusable {
    /// Its name, as we call it.
    pub(crate) field: &'static str,
}

/// The aliases of one argument, ours first, and its bound in characters.
struct Argument {
    names: &'static [&'static str],
    most: usize,
}

const SERVICE: Argument =
    Argument { names: &["service", "dienstleistung", "service_name", "service_type", "service_id"], most: 250 };
const DATE: Argument = Argument { names: &["date", "datum", "preferred_date", "date_string", "appointment_date"], most: 30 };
const TIME: Argument = Argument { names: &["time", "uhrzeit", "zeitraum", "preferred_time", "appointment_time"], most: 20 };
const DATETIME: Argument = Argument { names: &["datetime", "date_time", "start"], most: 40 };
const WORDS: Argument = Argument { names: &["wortlaut", "words", "zeitangabe"], most: 500 };
const STAFF: Argument = Argument { names: &["staff", "mitarbeiter", "preferred_staff_id", "preferred_staff"], most: 150 };
const NAME: Argument = Argument { names: &["name", "customer_name", "kundename"], most: 150 };
const EMAIL: Argument = Argument { names: &["email", "customer_email"], most: 255 };
const PHONE: Argument = Argument { names: &["phone", "customer_phone", "phone_number"], most: 500 };
const NOTES: Argument = Argument { names: &["notes", "notizen"], most: 1000 };
const REASON: Argument = Argument { names: &["reason", "grund", "notes"], most: 1000 };
const SLOT: Argument = Argument { names: &["slot_id", "slot", "reservation_uid"], most: 500 };
const BOOKING: Argument = Argument { names: &["booking_id", "appointment_id", "termin_id"], most: 500 };
const OLD_DATE: Argument = Argument { names: &["old_date", "date", "appointment_date", "datum"], most: 30 };
const NEW_DATE: Argument = Argument { names: &["new_date", "new_datum"], most: 30 };
const NEW_TIME: Argument = Argument { names: &["new_time", "new_uhrzeit"], most: 20 };
const QUERY: Argument = Argument { names: &["query", "service_name", "dienstleistung", "category"], most: 500 };
const DAY: Argument = Argument { names: &["date", "datum", "day_of_week"], most: 30 };
const SPOKEN_DATE: Argument = Argument { names: &["date", "datum", "date_string", "zeitangabe"], most: 100 };
const PREFERRED: Argument = Argument { names: &["preferred_time", "preferred_time_window", "uhrzeit"], most: 500 };
const PRIORITY: Argument = Argument { names: &["priority"], most: 500 };
const CONSENT: &[&str] = &["bestaetigung", "confirm_booking", "confirm", "confirmed"];
const CONFIRM: &[&str] = &["confirm", "bestaetigung", "confirm_reschedule", "confirm_cancel", "confirmed"];

/// What `function` is asked with these arguments.
pub(crate) fn command(function: Function, arguments: &Map<String, Value>, fixed: Fixed) -> Result<Command, Unusable> {
    let read = Reader(arguments);
    Ok(match function {
        Function::StartCall => Command::StartCall,
        Function::IdentifyCaller => Command::IdentifyCaller,
        Function::ListServices => Command::ListServices { query: read.text(&QUERY)? },
        Function::OpeningHours => Command::OpeningHours { date: read.text(&DAY)? },
        Function::ResolveDate => Command::ResolveDate(WhenWords {
            date: read.text(&SPOKEN_DATE)?,
            time: read.text(&TIME)?,
            words: read.text(&Argument { names: &["wortlaut", "words"], most: 500 })?,
        }),
        Function::CheckAvailability => Command::Check(read.check(false)?),
        Function::FindNext => Command::Check(read.check(true)?),
        Function::BookAppointment => Command::Book(read.book()?),
        Function::CollectAppointment => {
            let book = read.book()?;
            let consent = match fixed.consent {
                Some(consent) => consent,
                None => read.flag(CONSENT)?.unwrap_or(false),
            };
            Command::Collect(CollectWish { book, consent })
        }
        Function::FindAppointments => Command::Find(FindWish { date: read.text(&DATE)?, service: read.text(&SERVICE)? }),
        Function::RescheduleAppointment => Command::Reschedule(MoveWish {
            booking: read.text(&BOOKING)?.map(BookingId::new),
            date: read.text(&OLD_DATE)?,
            to: WhenWords { date: read.text(&NEW_DATE)?, time: read.text(&NEW_TIME)?, words: read.text(&WORDS)? },
            slot: read.text(&SLOT)?.map(SlotId::new),
            reason: read.text(&REASON)?.map(Sensitive::new),
            confirm: read.flag(CONFIRM)?.unwrap_or(false),
        }),
        Function::CancelAppointment => Command::Cancel(CancelWish {
            booking: read.text(&BOOKING)?.map(BookingId::new),
            date: read.text(&OLD_DATE)?,
            reason: read.text(&REASON)?.map(Sensitive::new),
            confirm: fixed.acts_at_once || read.flag(CONFIRM)?.unwrap_or(false),
        }),
        Function::RequestCallback => Command::Callback(CallbackWish {
            name: read.text(&NAME)?.map(Sensitive::new),
            phone: read.text(&PHONE)?.map(Sensitive::new),
            reason: read.text(&REASON)?.map(Sensitive::new),
            preferred_time: read.text(&PREFERRED)?.map(Sensitive::new),
            priority: read.text(&PRIORITY)?,
        }),
        Function::HoldSlot => match read.text(&SLOT)? {
            Some(slot) => Command::HoldSlot { slot: SlotId::new(slot) },
            // The old function named a time; holding is what a check does.
            None => Command::Check(read.check(false)?),
        },
        Function::ReleaseSlot => Command::ReleaseSlot { slot: read.text(&SLOT)?.map(SlotId::new) },
    })
}

struct Reader<'a>(&'a Map<String, Value>);

impl Reader<'_> {
    /// The first alias that says something. Numbers are taken as their digits; placeholders that a
    /// flow left unfilled say nothing.
    fn text(&self, argument: &Argument) -> Result<Option<String>, Unusable> {
        let field = argument.names.first().copied().unwrap_or("");
        for name in argument.names {
            let raw = match self.0.get(*name) {
                None | Some(Value::Null) => continue,
                Some(Value::String(text)) => text.clone(),
                Some(Value::Number(number)) => number.to_string(),
                Some(Value::Bool(_) | Value::Array(_) | Value::Object(_)) => return Err(Unusable { field }),
            };
            // The bound is on what was sent, so that hostile markup cannot hide behind cleaning.
            if raw.chars().count() > argument.most {
                return Err(Unusable { field });
            }
            if raw.contains("{{") {
                continue;
            }
            let text = clean(&raw);
            if !text.is_empty() && !is_placeholder(&text) {
                return Ok(Some(text));
            }
        }
        Ok(None)
    }

    fn flag(&self, names: &'static [&'static str]) -> Result<Option<bool>, Unusable> {
        for name in names {
            let Some(value) = self.0.get(*name) else { continue };
            let flag = match value {
                Value::Null => continue,
                Value::Bool(flag) => Some(*flag),
                Value::Number(number) => number.as_i64().and_then(|number| match number {
                    0 => Some(false),
                    1 => Some(true),
                    _ => None,
                }),
                Value::String(text) => match text.trim().to_lowercase().as_str() {
                    "" => continue,
                    "true" | "ja" | "yes" | "1" | "wahr" => Some(true),
                    "false" | "nein" | "no" | "0" | "falsch" => Some(false),
                    _ => None,
                },
                Value::Array(_) | Value::Object(_) => None,
            };
            return flag.map(Some).ok_or(Unusable { field: names.first().copied().unwrap_or("confirm") });
        }
        Ok(None)
    }

    fn when(&self) -> Result<WhenWords, Unusable> {
        let mut when = WhenWords { date: self.text(&DATE)?, time: self.text(&TIME)?, words: self.text(&WORDS)? };
        if when.date.is_none() {
            when.date = self.text(&DATETIME)?;
        }
        Ok(when)
    }

    fn check(&self, earliest: bool) -> Result<CheckWish, Unusable> {
        Ok(CheckWish { service: self.text(&SERVICE)?, when: self.when()?, staff: self.text(&STAFF)?, earliest })
    }

    fn book(&self) -> Result<BookWish, Unusable> {
        Ok(BookWish {
            slot: self.text(&SLOT)?.map(SlotId::new),
            check: self.check(false)?,
            name: self.text(&NAME)?.map(Sensitive::new),
            email: self.text(&EMAIL)?.map(Sensitive::new),
            phone: self.text(&PHONE)?.map(Sensitive::new),
            notes: self.text(&NOTES)?.map(Sensitive::new),
        })
    }
}

/// What models write when they have nothing to write.
fn is_placeholder(text: &str) -> bool {
    ["null", "none", "undefined", "n/a", "unknown"].contains(&text.to_lowercase().as_str())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn map(value: Value) -> Map<String, Value> {
        match value {
            Value::Object(map) => map,
            _ => panic!("an object"),
        }
    }

    #[test]
    fn old_names_and_version_suffixes_are_understood() {
        for (said, function) in [
            ("check_availability_v17", Function::CheckAvailability),
            ("initialize_call", Function::StartCall),
            ("cancel-appointment-v4", Function::CancelAppointment),
            ("Book_Appointment", Function::BookAppointment),
            ("collect_appointment_data", Function::CollectAppointment),
        ] {
            assert_eq!(Function::named(said), Some(function), "{said}");
        }
        assert_eq!(Function::named("drop_tables"), None);
        assert_eq!(Function::named("check_availability_vx"), None);
    }

    #[test]
    fn german_aliases_are_the_same_arguments() {
        let german = map(json!({"datum": "morgen", "uhrzeit": "14 Uhr", "dienstleistung": "Haarschnitt", "mitarbeiter": "Emma"}));
        let english = map(json!({"date": "morgen", "time": "14 Uhr", "service": "Haarschnitt", "staff": "Emma"}));
        let read = |arguments| command(Function::CheckAvailability, arguments, Fixed::default());
        assert_eq!(read(&german), read(&english));
    }

    #[test]
    fn what_is_no_text_or_too_long_names_its_field() {
        for (arguments, field) in [
            (json!({"service": {"a": 1}}), "service"),
            (json!({"datum": "x".repeat(31)}), "date"),
            (json!({"uhrzeit": [1]}), "time"),
            (json!({"staff": "x".repeat(151)}), "staff"),
        ] {
            let result = command(Function::CheckAvailability, &map(arguments), Fixed::default());
            assert_eq!(result, Err(Unusable { field }));
        }
    }

    #[test]
    fn identity_among_the_arguments_is_ignored() {
        let plain = map(json!({"service": "x"}));
        let forged = map(json!({"service": "x", "call_id": "other", "from_number": "+49", "tenant": "t2", "duration": 60}));
        let read = |arguments| command(Function::CheckAvailability, arguments, Fixed::default());
        assert_eq!(read(&plain), read(&forged));
    }

    #[test]
    fn unfilled_placeholders_say_nothing() {
        let arguments = map(json!({"service": "{{service}}", "dienstleistung": "Haarschnitt", "date": "null"}));
        let Ok(Command::Check(wish)) = command(Function::CheckAvailability, &arguments, Fixed::default()) else { panic!() };
        assert_eq!(wish.service.as_deref(), Some("Haarschnitt"));
        assert_eq!(wish.when.date, None);
    }

    #[test]
    fn consent_is_read_in_both_languages_and_fixed_by_old_paths() {
        let consent =
            |value: Value, fixed| match command(Function::CollectAppointment, &map(json!({"bestaetigung": value})), fixed) {
                Ok(Command::Collect(wish)) => Some(wish.consent),
                _ => None,
            };
        assert_eq!(consent(json!("ja"), Fixed::default()), Some(true));
        assert_eq!(consent(json!(false), Fixed::default()), Some(false));
        assert_eq!(consent(json!({}), Fixed::default()), None);
        assert_eq!(consent(json!(true), Fixed { consent: Some(false), ..Fixed::default() }), Some(false));
    }

    #[test]
    fn every_name_of_a_persons_data_is_known_as_such_to_the_redactor() {
        use frontdesk_core::redact::{NameKind, kind_of};

        for name in [NAME, PHONE, EMAIL, NOTES].iter().flat_map(|argument| argument.names) {
            for spelled in [(*name).to_owned(), name.to_uppercase()] {
                assert!(matches!(kind_of(&spelled), NameKind::Personal | NameKind::Email), "{spelled}");
            }
        }
    }
}
