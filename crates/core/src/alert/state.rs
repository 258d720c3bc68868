//! An alert's life: it fires once, holds while it is in doubt, and is over when it has been calm for a while.

use jiff::{SignedDuration, Timestamp};

use super::{Notice, Rule, Stand, Verdict};

/// What goes on is written down this often.
const RENEWED: SignedDuration = SignedDuration::from_mins(1);

/// An alert that fired; there is one for each rule and subject, the newest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alert {
    /// Which rule.
    pub rule: Rule,
    /// About what.
    pub subject: String,
    /// What was seen last.
    pub evidence: String,
    /// When it fired.
    pub fired_at: Timestamp,
    /// When its rule was over the bound last.
    pub last_seen: Timestamp,
    /// Since when it is calm, while it fires.
    pub calm_since: Option<Timestamp>,
    /// When it was over; `None` while it fires.
    pub resolved_at: Option<Timestamp>,
    /// Whether anybody was told; while a silence lasts nobody is.
    pub told: bool,
}

/// Nobody is told for a while.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Silence {
    /// Of which rule.
    pub rule: Rule,
    /// About what; `None` is everything.
    pub subject: Option<String>,
    /// Until when.
    pub until: Timestamp,
    /// Who wants it so.
    pub who: String,
}

/// What becomes of an alert.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// Nothing.
    None,
    /// It is written down as it stands now.
    Keep(Alert),
    /// It fires; receivers are told unless it is silenced.
    Fire(Alert),
    /// It is over; receivers are told if they were told that it fired.
    Resolve(Alert),
}

impl Alert {
    /// What receivers are told of it.
    pub fn notice(&self) -> Notice {
        Notice {
            rule: self.rule,
            subject: self.subject.clone(),
            evidence: self.evidence.clone(),
            fired_at: self.fired_at,
            resolved_at: self.resolved_at,
        }
    }

    /// Whether it fires.
    pub fn is_firing(&self) -> bool {
        self.resolved_at.is_none()
    }
}

impl Silence {
    /// Whether it holds for that alert.
    pub fn covers(&self, rule: Rule, subject: &str, now: Timestamp) -> bool {
        self.rule == rule && self.subject.as_deref().is_none_or(|it| it == subject) && now < self.until
    }
}

/// What becomes of the alert of a rule and subject, given what the rule says now. A subject that is not there any
/// more has no verdict, which is as good as calm.
pub fn next(before: Option<&Alert>, verdict: Option<&Verdict>, silenced: bool, now: Timestamp) -> Change {
    let stand = verdict.map_or(Stand::Under, |it| it.stand);
    let firing = before.filter(|it| it.is_firing());
    let Some(firing) = firing else {
        let Some(verdict) = verdict.filter(|_| stand == Stand::Over) else { return Change::None };
        return Change::Fire(Alert {
            rule: verdict.rule,
            subject: verdict.subject.clone(),
            evidence: verdict.evidence.clone(),
            fired_at: now,
            last_seen: now,
            calm_since: None,
            resolved_at: None,
            told: !silenced,
        });
    };
    let mut alert = firing.clone();
    match stand {
        Stand::Over => {
            let is_news = now.duration_since(alert.last_seen) >= RENEWED || alert.calm_since.is_some();
            let untold = !alert.told && !silenced;
            (alert.last_seen, alert.calm_since) = (now, None);
            if let Some(verdict) = verdict {
                alert.evidence.clone_from(&verdict.evidence);
            }
            match (untold, is_news) {
                // The silence ended, and it fires still.
                (true, _) => Change::Fire(Alert { told: true, ..alert }),
                (false, true) => Change::Keep(alert),
                (false, false) => Change::None,
            }
        }
        Stand::Unsure if alert.calm_since.is_some() => Change::Keep(Alert { calm_since: None, ..alert }),
        Stand::Unsure => Change::None,
        Stand::Under => match alert.calm_since {
            None => Change::Keep(Alert { calm_since: Some(now), ..alert }),
            Some(since) if now.duration_since(since) >= alert.rule.calm() => {
                Change::Resolve(Alert { resolved_at: Some(now), calm_since: None, ..alert })
            }
            Some(_) => Change::None,
        },
    }
}
