//! Tool definitions for Retell agents, ready to import: names, parameters, addresses, timeouts,
//! fillers, response variables. Field names are those of Retell's `custom` tool.

use frontdesk_core::tenant::{Language, Tenant};
use serde_json::{Value, json};

struct Tool {
    name: &'static str,
    de: &'static str,
    en: &'static str,
    /// Name, required, meaning.
    parameters: &'static [(&'static str, bool, &'static str)],
    /// Spoken while it runs; empty for quick ones.
    filler: (&'static str, &'static str),
    timeout_ms: u32,
}

const SERVICE: (&str, bool, &str) = ("service", false, "The service in the caller's own words.");
const DATE: (&str, bool, &str) =
    ("date", false, "The day in the caller's own words, such as 'nächste Woche Dienstag' or 'tomorrow'. Do not calculate it.");
const TIME: (&str, bool, &str) =
    ("time", false, "The time in the caller's own words, such as 'halb drei', 'vormittags', '2 pm'.");
const STAFF: (&str, bool, &str) = ("staff", false, "The person the caller asks for, if any.");
const BOOKING: (&str, bool, &str) = ("booking_id", false, "The booking_id of an earlier answer.");
const CONFIRM: (&str, bool, &str) = ("confirm", false, "true only after the caller has said yes to exactly this change.");
const CHECKING: (&str, &str) = ("Einen kleinen Moment, ich schaue nach.", "One moment, let me have a look.");
const WRITING: (&str, &str) = ("Einen Moment bitte.", "One moment please.");

const TOOLS: &[Tool] = &[
    Tool {
        name: "start_call",
        de: "Immer zuerst aufrufen: sagt, wer anruft, welcher Tag ist und was als Nächstes frei ist.",
        en: "Always call first: tells who is calling, today's date and the next free times.",
        parameters: &[],
        filler: ("", ""),
        timeout_ms: 3000,
    },
    Tool {
        name: "check_availability",
        de: "Prüft, ob eine Zeit frei ist, und hält sie für diesen Anruf frei. Sagen Sie nie ohne diese Funktion, dass etwas frei oder belegt ist.",
        en: "Checks whether a time is free and holds it for this call. Never say that a time is free or taken without it.",
        parameters: &[SERVICE, DATE, TIME, STAFF],
        filler: CHECKING,
        timeout_ms: 8000,
    },
    Tool {
        name: "book_appointment",
        de: "Bucht eine freigehaltene Zeit, nachdem der Anrufer ja gesagt hat. Nur wenn status 'booked' ist, ist der Termin gebucht.",
        en: "Books a held time after the caller has said yes. Only status 'booked' means that it is booked.",
        parameters: &[
            ("slot_id", true, "The slot_id of the slot that the caller chose."),
            ("name", false, "The caller's name."),
            ("email", false, "The caller's e-mail address, if given."),
            ("phone", false, "Another number to call back, if given."),
            ("notes", false, "What the business should know."),
        ],
        filler: WRITING,
        timeout_ms: 10_000,
    },
    Tool {
        name: "find_appointments",
        de: "Findet die eigenen Termine des Anrufers.",
        en: "Finds the caller's own appointments.",
        parameters: &[DATE, SERVICE],
        filler: CHECKING,
        timeout_ms: 8000,
    },
    Tool {
        name: "reschedule_appointment",
        de: "Verschiebt einen eigenen Termin des Anrufers.",
        en: "Moves one of the caller's own appointments.",
        parameters: &[
            BOOKING,
            ("date", false, "The day of the appointment, in the caller's words, if there is no booking_id."),
            ("new_date", false, "The new day in the caller's own words."),
            ("new_time", false, "The new time in the caller's own words."),
            ("slot_id", false, "The slot_id of a new time that was offered."),
            ("reason", false, "Why."),
            CONFIRM,
        ],
        filler: WRITING,
        timeout_ms: 10_000,
    },
    Tool {
        name: "cancel_appointment",
        de: "Sagt einen eigenen Termin des Anrufers ab.",
        en: "Cancels one of the caller's own appointments.",
        parameters: &[
            BOOKING,
            ("date", false, "The day of the appointment, in the caller's words, if there is no booking_id."),
            ("reason", false, "Why."),
            CONFIRM,
        ],
        filler: WRITING,
        timeout_ms: 10_000,
    },
    Tool {
        name: "list_services",
        de: "Nennt die Leistungen.",
        en: "Lists the services.",
        parameters: &[("query", false, "Words of the caller for a service.")],
        filler: ("", ""),
        timeout_ms: 3000,
    },
    Tool {
        name: "opening_hours",
        de: "Nennt die Öffnungszeiten.",
        en: "Tells the opening hours.",
        parameters: &[DATE],
        filler: ("", ""),
        timeout_ms: 3000,
    },
    Tool {
        name: "request_callback",
        de: "Lässt jemanden zurückrufen, wenn ein Wunsch nicht erfüllt werden kann.",
        en: "Has somebody call back when a wish cannot be met.",
        parameters: &[
            ("name", false, "The caller's name."),
            ("phone", false, "The number to call, if not the one they are calling from."),
            ("reason", false, "What it is about."),
            ("preferred_time", false, "When a call suits, in the caller's words."),
            ("priority", false, "normal, high or urgent."),
        ],
        filler: ("", ""),
        timeout_ms: 5000,
    },
];

/// The definitions for one tenant, as a JSON array of custom tools.
pub fn tool_definitions(tenant: &Tenant, public_url: &str) -> Value {
    Value::Array(TOOLS.iter().map(|tool| definition(tool, tenant, public_url)).collect())
}

fn definition(tool: &Tool, tenant: &Tenant, public_url: &str) -> Value {
    let in_german = tenant.language == Language::De;
    let services: Vec<&str> = tenant.services.iter().map(|service| service.name.as_str()).collect();
    let mut properties = serde_json::Map::new();
    for (name, _, meaning) in tool.parameters {
        let meaning =
            if *name == "service" { format!("{meaning} Known: {}.", services.join(", ")) } else { (*meaning).to_owned() };
        let kind = if *name == "confirm" { "boolean" } else { "string" };
        properties.insert((*name).to_owned(), json!({ "type": kind, "description": meaning }));
    }
    let required: Vec<&str> = tool.parameters.iter().filter(|(_, required, _)| *required).map(|(name, ..)| *name).collect();
    let filler = if in_german { tool.filler.0 } else { tool.filler.1 };
    json!({
        "type": "custom",
        "name": tool.name,
        "description": if in_german { tool.de } else { tool.en },
        "url": format!("{public_url}/api/t/{}/retell/functions", tenant.slug),
        "method": "POST",
        "args_at_root": false,
        "parameters": { "type": "object", "properties": properties, "required": required },
        "timeout_ms": tool.timeout_ms,
        "max_retry": 1,
        "speak_during_execution": !filler.is_empty(),
        "execution_message_type": "static_text",
        "execution_message_description": filler,
        "speak_after_execution": true,
        "response_variables": { "fd_status": "status", "fd_message": "message", "fd_slot_id": "slots[0].slot_id", "fd_booking_id": "booking_id" },
    })
}
