//! `[retell]` and `[calendar]`: the accounts of a tenant with others.

use std::time::Duration;

use frontdesk_core::call::Phone;
use frontdesk_core::tenant::CalendarKind;

use super::plain;
use crate::config::addresses;
use crate::config::reader::Section;
use crate::config::secrets::SecretSource;

const DAY: Duration = Duration::from_secs(86_400);

/// `[retell]`.
#[derive(Default)]
pub(super) struct Retell {
    pub(super) api_key: Option<SecretSource>,
    pub(super) previous_api_key: Option<SecretSource>,
    pub(super) agent_ids: Vec<String>,
    pub(super) phone_numbers: Vec<Phone>,
}

/// `[calendar]`; without a kind after a problem.
pub(super) struct Calendar {
    pub(super) kind: Option<CalendarKind>,
    pub(super) api_key: Option<SecretSource>,
    pub(super) webhook_secret: Option<SecretSource>,
}

impl Calendar {
    pub(super) fn is_builtin(&self) -> bool {
        self.kind == Some(CalendarKind::Builtin)
    }

    pub(super) fn is_calcom(&self) -> bool {
        matches!(self.kind, Some(CalendarKind::Calcom { .. }))
    }
}

pub(super) fn retell(root: &Section<'_>) -> Retell {
    let at = root.section("retell", &["api_key", "previous_api_key", "agent_ids", "phone_numbers"]);
    let agent_ids = at.each("agent_ids", "an agent's id of 1 to 100 characters", |text| plain(text, 100));
    let phone_numbers = at.each("phone_numbers", "a number with its country such as \"+4930111111\"", |text| {
        text.starts_with('+').then(|| Phone::parse(text, None)).flatten()
    });
    refuse_repeats(&at, "agent_ids", |text| plain(text, 100));
    refuse_repeats(&at, "phone_numbers", |text| Phone::parse(text, None));
    let api_key = match at.field("api_key") {
        // Without the key no call of these agents could ever be proven.
        None if at.field("agent_ids").is_some() => at.require("api_key", "the Retell API key of these agents"),
        given => given,
    };
    Retell {
        api_key: SecretSource::read(api_key),
        previous_api_key: SecretSource::read(at.field("previous_api_key")),
        agent_ids,
        phone_numbers,
    }
}

pub(super) fn calendar(root: &Section<'_>) -> Calendar {
    let keys = ["kind", "base_url", "verify_after", "api_key", "webhook_secret"];
    let none = Calendar { kind: None, api_key: None, webhook_secret: None };
    if root.require("calendar", "a [calendar] with kind = \"calcom\" or \"builtin\"").is_none() {
        return none;
    }
    let at = root.section("calendar", &keys);
    if !at.is_given() {
        return none;
    }
    let expected = "\"calcom\" or \"builtin\"";
    let kind = at
        .require("kind", expected)
        .and_then(|field| field.parsed(expected, |text| ["calcom", "builtin"].into_iter().find(|kind| *kind == text)));
    match kind {
        Some("builtin") => {
            for key in &keys[1..] {
                if let Some(field) = at.field(key) {
                    field.refuse_unseen(&format!("no {key}: the built-in calendar is no account elsewhere"));
                }
            }
            Calendar { kind: Some(CalendarKind::Builtin), ..none }
        }
        Some(_) => calcom(&at),
        None => none,
    }
}

fn calcom(at: &Section<'_>) -> Calendar {
    let base_url = match at.field("base_url") {
        None => "https://api.cal.com".to_owned(),
        Some(field) => field
            .parsed_unseen("an http or https address without a path, such as \"https://api.cal.com\"", |text| {
                addresses::is_origin(text).then(|| text.to_owned())
            })
            .unwrap_or_default(),
    };
    let verify_after = at.duration("verify_after", Duration::ZERO..=DAY).unwrap_or_default();
    let verify_after_ms = u64::try_from(verify_after.as_millis()).unwrap_or(u64::MAX);
    Calendar {
        kind: Some(CalendarKind::Calcom { base_url, verify_after_ms }),
        api_key: SecretSource::read(at.require("api_key", "the Cal.com API key")),
        webhook_secret: SecretSource::read(at.field("webhook_secret")),
    }
}

fn refuse_repeats<T: PartialEq>(at: &Section<'_>, key: &str, parse: impl Fn(&str) -> Option<T>) {
    let Some(field) = at.field(key) else { return };
    let mut seen = Vec::new();
    for element in field.elements() {
        let Some(value) = element.text().and_then(&parse) else { continue };
        if seen.contains(&value) {
            element.refuse("each only once");
        }
        seen.push(value);
    }
}
