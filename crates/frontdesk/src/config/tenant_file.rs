//! A tenant's file: one business.
//!
//! `tenant apply` reads it and nobody else; the gateway serves what the store holds. Names are compared
//! without regard to case and to how many spaces are between the words.

use std::collections::BTreeMap;
use std::path::Path;

use frontdesk_core::ids::TenantId;
use frontdesk_core::sensitive::Secret;
use frontdesk_core::tenant::{Language, Tenant, TenantSecrets, Zone};

mod calendar;
mod hours;
mod rules;
mod services;
mod staff;
#[cfg(test)]
mod tests;

use crate::config::deployment;
use crate::config::near;
use crate::config::problems::{Problem, Problems};
use crate::config::reader::{self, Section};
use crate::config::secrets::{Env, ReadFile, Resolved, SecretSource};

const KEYS: [&str; 13] = [
    "slug",
    "name",
    "time_zone",
    "language",
    "retell",
    "calendar",
    "services",
    "staff",
    "hours",
    "closures",
    "policy",
    "notify",
    "rate_limit",
];

/// What a tenant's file says.
#[derive(Debug, Clone)]
pub struct TenantFile {
    /// The business, without its secrets.
    pub tenant: Tenant,
    /// Where its secrets are.
    pub secrets: TenantSecretSources,
}

/// Where a tenant's secrets come from; `None` is not in the file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TenantSecretSources {
    /// Retell API key with the webhook badge.
    pub retell_api_key: Option<SecretSource>,
    /// The key before it.
    pub retell_previous_api_key: Option<SecretSource>,
    /// Cal.com API key.
    pub calcom_api_key: Option<SecretSource>,
    /// Cal.com webhook secret.
    pub calcom_webhook_secret: Option<SecretSource>,
}

/// A tenant's secrets as their sources gave them; `None` is not in the file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ResolvedTenantSecrets {
    /// See [`TenantSecretSources`].
    pub retell_api_key: Option<Resolved>,
    /// See [`TenantSecretSources`].
    pub retell_previous_api_key: Option<Resolved>,
    /// See [`TenantSecretSources`].
    pub calcom_api_key: Option<Resolved>,
    /// See [`TenantSecretSources`].
    pub calcom_webhook_secret: Option<Resolved>,
}

// === impl TenantFile ===

impl TenantFile {
    /// Reads the file.
    pub fn load(path: &Path) -> Result<Self, Problems> {
        let text = std::fs::read_to_string(path).map_err(|error| deployment::unreadable(path, &error))?;
        Self::parse(&path.display().to_string(), &text)
    }

    /// Reads the text of a file; `file` is its name in messages.
    pub fn parse(file: &str, text: &str) -> Result<Self, Problems> {
        reader::read(file, text, &KEYS, build)
    }
}

// === impl TenantSecretSources ===

impl TenantSecretSources {
    /// Fetches every secret.
    pub fn resolve(&self, env: &Env<'_>, read: &ReadFile<'_>) -> Result<ResolvedTenantSecrets, Problems> {
        let Self { retell_api_key, retell_previous_api_key, calcom_api_key, calcom_webhook_secret } = self;
        let mut problems = Vec::new();
        let mut fetch = |key, source: &Option<SecretSource>| {
            let fetched = source.as_ref().map(|source| source.resolve(key, env, read)).transpose();
            fetched.unwrap_or_else(|problem| {
                problems.push(problem);
                None
            })
        };
        let resolved = ResolvedTenantSecrets {
            retell_api_key: fetch("retell.api_key", retell_api_key),
            retell_previous_api_key: fetch("retell.previous_api_key", retell_previous_api_key),
            calcom_api_key: fetch("calendar.api_key", calcom_api_key),
            calcom_webhook_secret: fetch("calendar.webhook_secret", calcom_webhook_secret),
        };
        Problems::from(problems).into_result(resolved)
    }
}

// === impl ResolvedTenantSecrets ===

impl ResolvedTenantSecrets {
    /// The secrets to store, over those that are stored, and a warning for each unset one: an unset one
    /// keeps what is stored, one that is no longer in the file is forgotten.
    pub fn over(self, stored: &TenantSecrets) -> (TenantSecrets, Vec<String>) {
        let mut warnings = Vec::new();
        let mut choose = |resolved: Option<Resolved>, stored: &Option<Secret>| match resolved? {
            Resolved::Value(secret) => Some(secret),
            Resolved::Unset { warning } => {
                let rest = if stored.is_some() { "the stored secret is kept" } else { "and none is stored yet" };
                warnings.push(format!("{warning}; {rest}"));
                stored.clone()
            }
        };
        let secrets = TenantSecrets {
            retell_api_key: choose(self.retell_api_key, &stored.retell_api_key),
            retell_previous_api_key: choose(self.retell_previous_api_key, &stored.retell_previous_api_key),
            calcom_api_key: choose(self.calcom_api_key, &stored.calcom_api_key),
            calcom_webhook_secret: choose(self.calcom_webhook_secret, &stored.calcom_webhook_secret),
        };
        (secrets, warnings)
    }
}

/// What is wrong between tenants that are each right: nobody may share a slug, an agent or a number.
pub fn check_together<'a>(tenants: impl IntoIterator<Item = &'a Tenant>) -> Problems {
    let mut problems = Vec::new();
    let mut slugs = BTreeMap::new();
    let mut agents = BTreeMap::new();
    let mut numbers = BTreeMap::new();
    for tenant in tenants {
        let slug = tenant.slug.as_str();
        let mut clash = |path: String, found: &str, expected: String| {
            problems.push(Problem { file: format!("tenant {slug}"), line: None, path, found: format!("{found:?}"), expected });
        };
        if slugs.insert(slug, ()).is_some() {
            clash("slug".to_owned(), slug, "a slug that no other tenant has".to_owned());
            continue;
        }
        for (index, agent) in tenant.agent_ids.iter().enumerate() {
            if let Some(other) = agents.insert(agent.as_str(), slug) {
                clash(format!("retell.agent_ids[{index}]"), agent, format!("an agent that tenant {other} does not have"));
            }
        }
        for (index, number) in tenant.phone_numbers.iter().enumerate() {
            if let Some(other) = numbers.insert(number.e164(), slug) {
                clash(
                    format!("retell.phone_numbers[{index}]"),
                    number.e164(),
                    format!("a number that tenant {other} does not have"),
                );
            }
        }
    }
    problems.into()
}

fn build(root: &Section<'_>) -> Option<TenantFile> {
    let slug = "1 to 63 of a-z, 0-9 and -, with no - at either end";
    let slug = root
        .require("slug", slug)
        .and_then(|field| field.parsed(slug, |text| TenantId::is_slug(text).then(|| TenantId::new(text))));
    let name = name(root);
    let time_zone = time_zone(root);
    let language = language(root);
    let retell = calendar::retell(root);
    let calendar = calendar::calendar(root);
    let services = services::read(root);
    let noted = root.noted();
    let staff = staff::read(root, &services);
    // A mistyped name in staff is one problem, not also one of the service that it leaves without anybody.
    if root.noted() == noted {
        services::check(&services, &staff, &calendar);
    }
    let hours = hours::opening_hours(root, calendar.is_builtin());
    let closures = hours::closures(root);
    let policy = rules::policy(root);
    let notify = rules::notify(root);
    let rate_limit = rules::rate_limit(root);
    let tenant = Tenant {
        slug: slug?,
        name,
        time_zone: time_zone?,
        language: language?,
        agent_ids: retell.agent_ids,
        phone_numbers: retell.phone_numbers,
        calendar: calendar.kind?,
        services: services.into_iter().map(|listed| listed.service).collect(),
        staff,
        hours,
        closures,
        policy,
        notify,
        rate_limit,
        secrets: TenantSecrets::default(),
    };
    let secrets = TenantSecretSources {
        retell_api_key: retell.api_key,
        retell_previous_api_key: retell.previous_api_key,
        calcom_api_key: calendar.api_key,
        calcom_webhook_secret: calendar.webhook_secret,
    };
    Some(TenantFile { tenant, secrets })
}

/// The name under `name`, which must be given; empty after a problem.
fn name(at: &Section<'_>) -> String {
    let expected = "a name of 1 to 150 characters";
    at.require("name", expected).and_then(|field| field.parsed(expected, |text| plain(text, 150))).unwrap_or_default()
}

/// A trimmed text of one to `most` characters without control characters.
fn plain(text: &str, most: usize) -> Option<String> {
    let text = text.trim();
    let lawful = (1..=most).contains(&text.chars().count()) && !text.chars().any(char::is_control);
    lawful.then(|| text.to_owned())
}

/// A name as it is compared.
fn folded(name: &str) -> String {
    name.split_whitespace().map(str::to_lowercase).collect::<Vec<_>>().join(" ")
}

/// Names as they are listed in messages.
fn quoted<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    names.into_iter().map(|name| format!("{name:?}")).collect::<Vec<_>>().join(", ")
}

fn time_zone(root: &Section<'_>) -> Option<Zone> {
    let expected = "an IANA time zone such as \"Europe/Berlin\"";
    let field = root.require("time_zone", expected)?;
    let zone = field.text().and_then(Zone::named);
    if zone.is_none() {
        let known: Vec<String> = jiff::tz::db().available().map(|name| name.to_string()).collect();
        let hint = near::hint(field.text().unwrap_or_default(), known.iter().map(String::as_str));
        field.refuse(&format!("{expected}{hint}"));
    }
    zone
}

fn language(root: &Section<'_>) -> Option<Language> {
    let expected = "\"de\" or \"en\"";
    root.require("language", expected)?.parsed(expected, |text| match text {
        "de" => Some(Language::De),
        "en" => Some(Language::En),
        _ => None,
    })
}
