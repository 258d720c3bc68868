//! What has to have held at the end, each with its evidence; what had no sample is not claimed.

use super::{Log, Look, RESPONSE_MS};

/// Whether something held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Holds {
    Yes,
    No,
    /// Nothing was seen that it could be judged by.
    Unknown,
}

impl Holds {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Yes => "held",
            Self::No => "broken",
            Self::Unknown => "no sample",
        }
    }
}

/// One of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Criterion {
    pub(crate) name: &'static str,
    pub(crate) holds: Holds,
    pub(crate) evidence: String,
}

/// All of them, in the order of the runbook.
pub(crate) fn judge(look: &Look, not_closed: &[String], log: &Log) -> Vec<Criterion> {
    let it = |name, holds, evidence| Criterion { name, holds, evidence };
    let counts = &look.counts;
    let sampled = |held: bool| match (counts.answers, held) {
        (0, true) => Holds::Unknown,
        (_, true) => Holds::Yes,
        (_, false) => Holds::No,
    };
    let none = || "nobody called".to_owned();
    let errors = match counts.answers {
        0 => none(),
        answers => format!("{} of {answers} answers were a 5xx, or a function that ended in an error", counts.errors),
    };
    let (on, shadow) = look.limited;
    let limits = match (on, shadow) {
        (0, 0) => (Holds::Unknown, "nobody went over a limit: 35 requests to /api/health within a minute show it".to_owned()),
        (0, shadow) => (Holds::No, format!("{shadow} requests over a limit were let through: it only watches")),
        (on, _) => (Holds::Yes, format!("{on} requests over a limit were refused")),
    };
    let now: Vec<String> = look.breakers.iter().map(|(account, state)| format!("{account} {}", state.as_str())).collect();
    let is_closed = now.is_empty() && not_closed.is_empty() && look.opened == 0;
    let breaker = match (look.gateways, is_closed) {
        (0, true) => (Holds::Unknown, "no gateway tells of itself".to_owned()),
        (_, true) => (Holds::Yes, "no breaker was seen open".to_owned()),
        (_, false) if now.is_empty() => {
            (Holds::No, format!("opened {} times; closed again: {}", look.opened, not_closed.join(", ")))
        }
        (_, false) => (Holds::No, now.join(", ")),
    };
    let p95 = counts.within_ms(95);
    let speed = match p95 {
        None => none(),
        Some(u64::MAX) => "95 of 100 answers took longer than the last bucket".to_owned(),
        Some(bound) => format!("95 of 100 answers came within {bound} ms; answers: {}", counts.answers),
    };
    let refused: u64 = look.refused.values().sum();
    let callers = match refused {
        0 => {
            (sampled(true), if counts.answers == 0 { none() } else { "no tenant, key or call was refused by a limit".to_owned() })
        }
        count => {
            let most = look.refused.iter().max_by_key(|(_, count)| **count).map_or("", |(key, _)| key.as_str());
            (Holds::No, format!("{count} refusals of who had proven who he is; most of them: {most}"))
        }
    };
    let (secrets, said) = log.verdict();
    vec![
        it("no new 5xx", sampled(counts.errors == 0), errors),
        it("limits answer 429", limits.0, limits.1),
        it("breaker closed", breaker.0, breaker.1),
        it("responses under 500 ms", sampled(p95.is_none_or(|bound| bound <= RESPONSE_MS)), speed),
        it("no secret in the logs", secrets, said),
        it("no legitimate caller refused", callers.0, callers.1),
    ]
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use frontdesk_core::breaker::State;
    use frontdesk_core::vitals::Counts;

    use super::*;

    fn held(look: &Look) -> Vec<&'static str> {
        judge(look, &[], &Log::default()).iter().map(|it| it.holds.as_str()).collect()
    }

    fn answered(errors: u64, place: usize) -> Counts {
        let mut took = [0; 15];
        took[place] = 100;
        Counts { answers: 100, errors, took, ..Counts::default() }
    }

    #[test]
    fn what_had_no_sample_is_not_claimed() {
        assert_eq!(held(&Look::default()), ["no sample"; 6]);
    }

    #[test]
    fn each_criterion_breaks_by_what_it_is_about() {
        let good = Look { gateways: 1, counts: answered(0, 6), limited: (5, 0), ..Look::default() };
        assert_eq!(held(&good), ["held", "held", "held", "held", "no sample", "held"]);
        assert_eq!(held(&Look { counts: answered(1, 6), ..good.clone() })[0], "broken");
        assert_eq!(held(&Look { limited: (0, 3), ..good.clone() })[1], "broken", "it only watches");
        let open = vec![("a".to_owned(), State::Open)];
        assert_eq!(held(&Look { breakers: open, ..good.clone() })[2], "broken");
        assert_eq!(held(&Look { opened: 1, ..good.clone() })[2], "broken", "it was open in between");
        assert_eq!(held(&Look { counts: answered(0, 9), ..good.clone() })[3], "held", "500 ms exactly");
        assert_eq!(held(&Look { counts: answered(0, 10), ..good.clone() })[3], "broken");
        let refused = BTreeMap::from([("rate_limit:salon:booking".to_owned(), 1)]);
        assert_eq!(held(&Look { refused, ..good })[5], "broken");
    }
}
