//! Who is told of alerts, and how: one address that takes Slack's form, and mailboxes.

use frontdesk_core::alert::{Notice, letter, said};
use frontdesk_core::outbox::{Channel, Taken};
use frontdesk_core::sensitive::Secret;
use frontdesk_store::AlertDelivery;
use jiff::Timestamp;
use reqwest::Url;
use reqwest::header::CONTENT_TYPE;
use serde_json::json;

use super::webhook::{self, sent};
use super::{Courier, Ending, Mail};
use crate::config::deployment::DeploymentConfig;
use crate::config::problems::Problem;
use crate::config::secrets::Resolved;
use crate::system;
use crate::wiring::problem;

/// How deliveries to the address are kept.
const ADDRESS: &str = "alerts";

/// Who is told. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Receivers {
    client: reqwest::Client,
    url: Option<Secret>,
    mailboxes: Vec<String>,
    /// How the deployment calls itself.
    gateway: String,
}

/// How telling one receiver ended.
pub(crate) struct Told {
    /// Whom, without a secret.
    pub(crate) whom: String,
    /// Why it failed, if it did.
    pub(crate) failed: Option<String>,
}

impl Receivers {
    /// Those that the configuration names; connects to nobody yet. WHY NOT only public addresses: who writes the
    /// deployment's file runs its network.
    pub(crate) fn of(config: &DeploymentConfig, can_mail: bool) -> Result<Self, Problem> {
        let (alerts, key) = (&config.live.alerts, "alerts.webhook_url");
        let url = match alerts.webhook_url.as_ref().map(|url| url.resolve(key, &system::env, &system::read)).transpose()? {
            Some(Resolved::Unset { warning }) => {
                tracing::warn!(warning, "nobody is posted to of alerts");
                None
            }
            url => url.and_then(Resolved::into_value),
        };
        if !can_mail && !alerts.email.is_empty() {
            tracing::warn!("[alerts] email has no effect without [smtp]");
        }
        let client = webhook::client().build().map_err(|error| problem(key, error.to_string(), "a client of webhooks"))?;
        Ok(Self { client, url, mailboxes: alerts.email.clone(), gateway: config.server.public_url.clone() })
    }

    /// Everybody who is told of `notice`.
    pub(crate) fn deliveries(&self, notice: &Notice, can_mail: bool) -> Vec<AlertDelivery> {
        let address = self.url.iter().map(|_| (Channel::Webhook, ADDRESS.to_owned()));
        let mailboxes = self.mailboxes.iter().filter(|_| can_mail).map(|it| (Channel::Mail, mailbox(it)));
        let all = address.chain(mailboxes);
        all.map(|(channel, target)| AlertDelivery { key: notice.key(channel, &target), channel, target }).collect()
    }

    async fn post(&self, key: &str, notice: &Notice) -> Ending {
        let Some(url) = &self.url else { return Ending::Again(NOT_MINE.to_owned()) };
        let Ok(url) = Url::parse(url.expose()) else { return Ending::Dead("the address is none".to_owned()) };
        let body = json!({ "text": said(notice, &self.gateway) }).to_string();
        let request = self.client.post(url).header(CONTENT_TYPE, "application/json").header("webhook-id", key);
        sent(request.body(body)).await
    }

    async fn write(&self, key: &str, to: &str, notice: &Notice, mail: &Mail, now: Timestamp) -> Ending {
        mail.send(key, "Frontdesk", (None, to), &letter(notice, &self.gateway), None, now).await
    }

    /// Tells everybody at once, without the outbox.
    pub(crate) async fn test(&self, notice: &Notice, mail: Option<&Mail>, now: Timestamp) -> Vec<Told> {
        let mut told = Vec::new();
        if self.url.is_some() {
            let ending = self.post(&notice.key(Channel::Webhook, ADDRESS), notice).await;
            told.push(Told { whom: "webhook".to_owned(), failed: why(ending) });
        }
        for to in &self.mailboxes {
            let failed = match mail {
                Some(mail) => why(self.write(&notice.key(Channel::Mail, &mailbox(to)), to, notice, mail, now).await),
                None => Some("no [smtp] url says how mail is sent".to_owned()),
            };
            told.push(Told { whom: format!("mail to {to}"), failed });
        }
        told
    }
}

/// Receivers are each gateway's own: another one may have it, and if none has, that is seen in the end.
const NOT_MINE: &str = "the gateway that took it has no such receiver of alerts";

impl Courier {
    /// Delivers what belongs to no tenant.
    pub(super) async fn deliver_alert(&self, row: &Taken) -> Ending {
        let receivers = &self.parts.receivers;
        let Some(notice) = &row.facts.alert else { return Ending::Dead("there is nothing to say".to_owned()) };
        match row.channel {
            Channel::Webhook => receivers.post(&row.key, notice).await,
            Channel::Mail => {
                let Some(to) = receivers.mailboxes.iter().find(|it| mailbox(it) == row.target) else {
                    return Ending::Again(NOT_MINE.to_owned());
                };
                let Some(mail) = &self.parts.mail else {
                    return Ending::Again("no smtp is configured any more".to_owned());
                };
                receivers.write(&row.key, to, notice, mail, self.parts.clock.now()).await
            }
            Channel::Event => Ending::Dead("an alert is not expanded".to_owned()),
        }
    }
}

/// How a mailbox is kept: a row holds no address.
fn mailbox(address: &str) -> String {
    let digest = ring::digest::digest(&ring::digest::SHA256, address.as_bytes());
    let hex: String = digest.as_ref().iter().take(6).map(|byte| format!("{byte:02x}")).collect();
    format!("{ADDRESS}:{hex}")
}

fn why(ending: Ending) -> Option<String> {
    match ending {
        Ending::Delivered => None,
        Ending::Again(why) | Ending::Dead(why) => Some(why),
        Ending::Moot(why) => Some(why.to_owned()),
    }
}
