//! `[policy]`, `[notify]` and `[rate_limit]`.

use std::collections::BTreeMap;
use std::time::Duration;

use frontdesk_core::tenant::{Notify, Policy};
use jiff::SignedDuration;

use crate::config::addresses;
use crate::config::deployment::live;
use crate::config::reader::Section;

/// The most admissions per minute that a tenant may have.
const MOST_PER_MINUTE: u32 = 10_000;

const CLASSES: [&str; 7] = ["booking", "availability", "reschedule", "cancel", "webhooks", "default", "call"];

const TWO_YEARS: Duration = Duration::from_secs(730 * 86_400);

pub(super) fn policy(root: &Section<'_>) -> Policy {
    let at = root.section("policy", &["min_notice", "horizon", "cancel_notice", "reschedule_notice"]);
    let usual = Policy::default();
    let noted = at.noted();
    let duration = |key, usual| {
        let given = at.duration(key, Duration::ZERO..=TWO_YEARS);
        given.and_then(|given| SignedDuration::try_from(given).ok()).unwrap_or(usual)
    };
    let policy = Policy {
        min_notice: duration("min_notice", usual.min_notice),
        horizon: duration("horizon", usual.horizon),
        cancel_notice: duration("cancel_notice", usual.cancel_notice),
        reschedule_notice: duration("reschedule_notice", usual.reschedule_notice),
    };
    let too_short = at.noted() == noted && policy.horizon <= policy.min_notice;
    if too_short && let Some(field) = at.field("horizon").or_else(|| at.field("min_notice")) {
        field.refuse("a horizon longer than min_notice (without a horizon it is 60d)");
    }
    policy
}

pub(super) fn notify(root: &Section<'_>) -> Notify {
    let at = root.section("notify", &["email", "webhook_url"]);
    let mail = |text: &str| {
        let text = text.trim();
        addresses::is_mail_address(text).then(|| text.to_owned())
    };
    let web = |text: &str| (text.is_empty() || addresses::is_web_address(text)).then(|| text.to_owned());
    let webhook_url =
        at.field("webhook_url").and_then(|field| field.parsed_unseen("an http or https address, or \"\" for none", web));
    Notify {
        email: at.each("email", "a mail address such as \"desk@salon.example\"", mail),
        webhook_url: webhook_url.unwrap_or_default(),
    }
}

pub(super) fn rate_limit(root: &Section<'_>) -> BTreeMap<String, u32> {
    let at = root.section("rate_limit", &CLASSES);
    let rate = |class: &&str| Some(((*class).to_owned(), live::per_minute(&at, class, MOST_PER_MINUTE)?));
    CLASSES.iter().filter_map(rate).collect()
}
