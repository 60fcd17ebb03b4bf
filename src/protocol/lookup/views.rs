//! What a service's targets become with each consumer, since one answer means different things to them.
//!
//! Prometheus rides out an outage with the targets that it has, where vmagent drops them all; and replies that
//! Prometheus accepts can be errors to the Go resolver that vmagent uses.

use std::collections::BTreeSet;

use serde::Serialize;

use super::answer::Verdict;

/// What becomes of the targets of one SRV name, consumer by consumer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Views {
    /// Prometheus; so do Alloy and the OpenTelemetry collector, which run its code.
    pub prometheus: View,
    /// vmagent, of `VictoriaMetrics`.
    pub vmagent: View,
    /// Thanos with the resolver `golang`. Its default, `miekgdns`, looks up as Prometheus does.
    pub thanos: View,
}

/// What becomes of the targets with one consumer, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct View {
    /// What becomes of them.
    #[serde(flatten)]
    pub fate: Fate,
    /// One sentence, without its full stop.
    pub reason: String,
}

/// What a lookup makes of a consumer's targets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum Fate {
    /// They become these: `host:port`, sorted, each once.
    Targets {
        /// The addresses.
        targets: Vec<String>,
    },
    /// The ones found before stay.
    Kept,
    /// All are gone.
    Dropped,
}

impl Views {
    /// Compares the verdict of Prometheus' lookup with those of Go's, as vmagent and as Thanos makes it.
    pub fn of(prometheus: &Verdict, vmagent: &Verdict, thanos: &Verdict) -> Self {
        Self { prometheus: of_prometheus(prometheus), vmagent: of_vmagent(vmagent), thanos: of_thanos(thanos) }
    }

    /// Each consumer's name and view.
    pub fn all(&self) -> [(&'static str, &View); 3] {
        [("Prometheus", &self.prometheus), ("vmagent", &self.vmagent), ("Thanos (golang)", &self.thanos)]
    }

    /// Whether the targets become the same with all of them.
    pub fn agree(&self) -> bool {
        let fates = self.all().map(|(_, view)| &view.fate);
        fates.iter().all(|fate| *fate == fates[0])
    }
}

fn of_prometheus(verdict: &Verdict) -> View {
    match verdict {
        Verdict::Records(_) => found(verdict),
        Verdict::Empty { why, .. } => {
            dropped(format!("{why}, and Prometheus takes that for a service without targets"))
        }
        Verdict::Unknown { reason, .. } => {
            View { fate: Fate::Kept, reason: format!("Prometheus keeps what it had when a lookup fails: {reason}") }
        }
    }
}

fn of_vmagent(verdict: &Verdict) -> View {
    match verdict {
        Verdict::Records(_) => found(verdict),
        Verdict::Empty { why, .. } => dropped(format!("{why}, and vmagent skips the name")),
        Verdict::Unknown { reason, .. } => dropped(format!("vmagent skips a name whose lookup fails: {reason}")),
    }
}

fn of_thanos(verdict: &Verdict) -> View {
    match verdict {
        Verdict::Records(_) => found(verdict),
        Verdict::Empty { why, .. } => dropped(format!("{why}, and Thanos takes that for a service without targets")),
        Verdict::Unknown { reason, .. } => {
            View { fate: Fate::Kept, reason: format!("Thanos keeps what it had when a lookup fails: {reason}") }
        }
    }
}

fn found(verdict: &Verdict) -> View {
    let addresses: BTreeSet<String> = match verdict {
        Verdict::Records(answer) => answer.addresses(0).collect(),
        Verdict::Empty { .. } | Verdict::Unknown { .. } => BTreeSet::new(),
    };
    let server = verdict.reply().map(|reply| format!(" of {}", reply.via)).unwrap_or_default();
    View { fate: Fate::Targets { targets: addresses.into_iter().collect() }, reason: format!("the answer{server}") }
}

fn dropped(reason: String) -> View {
    View { fate: Fate::Dropped, reason }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::lookup::{Emptiness, GoError, GoProblem, Unknown};

    fn unknown(reason: Unknown) -> Verdict {
        Verdict::Unknown { reason, reply: None }
    }

    fn failed(problem: GoProblem) -> Verdict {
        unknown(Unknown::Go(GoError { problem, name: "a.b".to_owned(), server: None }))
    }

    #[test]
    fn a_failure_empties_vmagent_alone() {
        let go = failed(GoProblem::TemporarilyMisbehaving);
        let views = Views::of(&unknown(Unknown::NoAnswer("a.b".to_owned())), &go, &go);
        let fates = views.all().map(|(_, view)| view.fate.clone());
        assert_eq!(fates, [Fate::Kept, Fate::Dropped, Fate::Kept]);
        assert!(!views.agree());
        assert_eq!(views.vmagent.reason, "vmagent skips a name whose lookup fails: lookup a.b: server misbehaving");
    }

    #[test]
    fn no_such_host_empties_all() {
        let go = Verdict::Empty { why: Emptiness::NoSuchHost, reply: None };
        let views = Views::of(&Verdict::Empty { why: Emptiness::NxDomain, reply: None }, &go, &go);
        assert!(views.agree());
        assert_eq!(views.thanos.fate, Fate::Dropped);
    }

    #[test]
    fn json_says_what_becomes_of_them() {
        let of = |fate| View { fate, reason: "why".to_owned() };
        let targets = Fate::Targets { targets: vec!["a:1".to_owned()] };
        let views = Views { prometheus: of(Fate::Kept), vmagent: of(Fate::Dropped), thanos: of(targets) };
        assert_eq!(
            serde_json::to_value(&views).unwrap(),
            serde_json::json!({
                "prometheus": { "outcome": "kept", "reason": "why" },
                "vmagent": { "outcome": "dropped", "reason": "why" },
                "thanos": { "outcome": "targets", "targets": ["a:1"], "reason": "why" },
            })
        );
    }
}
