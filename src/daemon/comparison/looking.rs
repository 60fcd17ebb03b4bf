//! Every name looked up once through each server, as Prometheus looks it up.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::super::through::{Through, Verifiers, verifiers};
use crate::config::Config;
use crate::dns::{self, Options};
use crate::model::Name;
use crate::reconcile::parity::{Found, Question, Side};

/// Look-ups under way at once.
const CONCURRENT: usize = 32;

/// Says of each side through whom it is looked up: those that a person named, or else those through whom the zone of its
/// names is verified; for names of nobody's zone the system's resolvers.
pub(super) async fn through(config: Option<&Config>, named: &[Through], sides: Vec<Side>) -> Vec<(Side, Vec<Through>)> {
    let mut known: BTreeMap<&Name, Verifiers> = BTreeMap::new();
    let mut all = Vec::with_capacity(sides.len());
    for mut side in sides {
        let zone = config.filter(|_| named.is_empty()).and_then(|config| zone_of(config, &side));
        let asked = match zone {
            _ if !named.is_empty() => named.to_vec(),
            None => vec![Through::System],
            Some(zone) => {
                if let Entry::Vacant(unknown) = known.entry(&zone.name) {
                    unknown.insert(verifiers(zone).await);
                }
                let verifiers = &known[&zone.name];
                side.lost = verifiers.lost.iter().map(|(name, why)| format!("{name}: {why}")).collect();
                verifiers.asked.iter().map(|through| Through::clone(through)).collect()
            }
        };
        side.servers = asked.iter().map(Through::label).collect();
        all.push((side, asked));
    }
    all
}

fn zone_of<'c>(config: &'c Config, side: &Side) -> Option<&'c crate::config::ZoneConfig> {
    let of_service = side.service.as_ref().map(|key| key.zone.clone());
    let name = of_service.or_else(|| side.questions().find_map(|((name, _), _)| name.parse().ok()))?;
    config.zones.iter().filter(|zone| name.is_within(&zone.name)).max_by_key(|zone| zone.name.len())
}

/// Looks everything up.
pub(super) async fn look_up(sides: &[(Side, Vec<Through>)]) -> Found {
    let questions = |(side, asked): &(Side, Vec<Through>)| {
        let asked = asked.clone();
        let each =
            move |(question, _): (Question, u16)| asked.clone().into_iter().map(move |one| (one, question.clone()));
        side.questions().flat_map(each).collect::<Vec<_>>()
    };
    let once: BTreeSet<(Through, Question)> = sides.iter().flat_map(questions).collect();
    let permits = Arc::new(Semaphore::new(CONCURRENT));
    let mut looking = JoinSet::new();
    for (through, (name, record_type)) in once {
        let permits = Arc::clone(&permits);
        looking.spawn(async move {
            let _permit = permits.acquire().await;
            let report = Box::pin(dns::lookup(&through.resolver(), &name, record_type, Options::default())).await;
            (through.label(), (name, record_type), report.verdict)
        });
    }
    let mut found = Found::new();
    for (server, question, verdict) in looking.join_all().await {
        found.entry(server).or_default().insert(question, verdict);
    }
    found
}
