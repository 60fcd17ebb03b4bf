//! Many RRsets looked up through many servers, a few at a time, in order.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::super::through::Through;
use super::servers::Servers;
use crate::model::{Name, Rdata, RecordType, Rrset, RrsetKey, State};
use crate::protocol::lookup::Verdict;
use crate::reconcile::{Check, Comparison, Expectation, Sight, Standing, Track, compare};

/// Look-ups under way at once.
const CONCURRENT: usize = 32;

/// Blocks of records under way at once, which share these look-ups. Each has a socket, so that the processors on both
/// sides have something to do.
const BLOCKS: usize = 4;

/// Records in a block. What lies between a record and its check is kept for the blocks under way only.
pub(super) const BLOCK: usize = 256;

/// One RRset that shall be found through one server.
pub(super) struct Wanted {
    pub(super) service: String,
    pub(super) server: Arc<Through>,
    pub(super) key: RrsetKey,
    /// Where to look; a service that is spread has several. Or why that is not known.
    pub(super) names: Result<Vec<Name>, String>,
    pub(super) rrset: Rrset,
}

impl Wanted {
    fn questions(&self) -> impl Iterator<Item = RrsetKey> {
        self.names.iter().flatten().map(|name| RrsetKey::new(name.clone(), self.key.record_type))
    }
}

/// Looks blocks of records up, a few at a time, and keeps their checks in order.
pub(super) struct Blocks {
    permits: Arc<Semaphore>,
    servers: Arc<Servers>,
    running: JoinSet<(usize, Vec<Check>)>,
    checks: Vec<Vec<Check>>,
}

impl Blocks {
    pub(super) fn new(servers: Arc<Servers>) -> Self {
        let permits = Arc::new(Semaphore::new(CONCURRENT));
        Self { permits, servers, running: JoinSet::new(), checks: Vec::new() }
    }

    pub(super) async fn start(&mut self, block: Vec<Wanted>) {
        if self.running.len() == BLOCKS {
            self.end_one().await;
        }
        let index = self.checks.len();
        self.checks.push(Vec::new());
        let (permits, servers) = (Arc::clone(&self.permits), Arc::clone(&self.servers));
        self.running.spawn(async move { (index, check_all(block, &permits, &servers).await) });
    }

    pub(super) async fn finish(mut self) -> Vec<Check> {
        while !self.running.is_empty() {
            self.end_one().await;
        }
        self.checks.into_iter().flatten().collect()
    }

    async fn end_one(&mut self) {
        if let Some(ended) = self.running.join_next().await {
            let (index, checks) = ended.expect("no block panics, and none is cut off");
            self.checks[index] = checks;
        }
    }
}

async fn check_all(block: Vec<Wanted>, permits: &Arc<Semaphore>, servers: &Servers) -> Vec<Check> {
    let found = look_up_all(&block, permits).await;
    block.into_iter().map(|wanted| check(wanted, &found, servers)).collect()
}

/// The questions to each server, sorted, and what came of each.
type Found = BTreeMap<Arc<Through>, (Vec<RrsetKey>, Vec<Verdict>)>;

async fn look_up_all(block: &[Wanted], permits: &Arc<Semaphore>) -> Found {
    let mut found = Found::new();
    for wanted in block {
        let (questions, _) = found.entry(Arc::clone(&wanted.server)).or_default();
        questions.extend(wanted.questions());
    }
    for (server, (questions, verdicts)) in &mut found {
        questions.sort_unstable();
        questions.dedup();
        *verdicts = server.resolver().look_up_all(questions, permits).await;
    }
    found
}

fn verdict<'a>(found: &'a Found, server: &Through, question: &RrsetKey) -> Option<&'a Verdict> {
    let (questions, verdicts) = found.get(server)?;
    verdicts.get(questions.binary_search(question).ok()?)
}

fn check(wanted: Wanted, found: &Found, servers: &Servers) -> Check {
    let answers: Vec<_> =
        wanted.questions().map(|question| (verdict(found, &wanted.server, &question), question.name)).collect();
    let Wanted { service, server, key, names, rrset } = wanted;
    let mut check = Check {
        service,
        server: server.server().cloned(),
        name: key.name.clone(),
        names: names.as_ref().ok().filter(|names| names.len() > 1).cloned().unwrap_or_default(),
        record_type: key.record_type,
        verdict: Standing::Unknown,
        state: State::Unknown,
        clears_within: None,
        explanation: None,
        comparison: Comparison::default(),
        targets: Vec::new(),
        error: names.err(),
    };
    let mut sights = Vec::new();
    for (verdict, name) in answers {
        match verdict {
            None => check.error = Some("was not looked up".to_owned()),
            // What one name holds stays unknown to Prometheus, whatever the others say.
            Some(Verdict::Unknown { reason, .. }) if check.names.is_empty() => check.error = Some(reason.to_string()),
            Some(Verdict::Unknown { reason, .. }) => check.error = Some(format!("{name}: {reason}")),
            Some(verdict) => {
                sights.push(Sight::of(verdict, key.record_type));
                if let (Verdict::Records(answer), true) = (verdict, key.record_type == RecordType::SRV) {
                    check.targets.extend(answer.addresses(0));
                }
            }
        }
    }
    check.targets.sort_unstable();
    if !check.names.is_empty() {
        check.targets.dedup();
    }
    if check.error.is_none() {
        judge(&mut check, &rrset, &Sight::together(sights), &server, servers);
    }
    check
}

fn judge(check: &mut Check, rrset: &Rrset, sight: &Sight, server: &Through, servers: &Servers) {
    let Sight::Answer { rdatas, .. } = sight else { return };
    let rdatas: Vec<Rdata> = rdatas.iter().cloned().collect::<BTreeSet<_>>().into_iter().collect();
    (check.verdict, check.comparison) = compare(rrset, &rdatas);
    // One look cannot tell a cache that is late from one that is not: it is taken at its word.
    let mut track = Track::new(Expectation::Exactly(rrset.clone()), u32::MAX, 0);
    check.state = track.take(sight, servers.serials(server, &check.name), 0);
    check.clears_within = track.clears();
    check.explanation = Some(track.reason().to_owned()).filter(|_| check.state != State::InSync);
}
