//! What Prometheus, vmagent and Thanos make of the same servers' answers.

use tokio::task::JoinSet;

use super::super::through::Through;
use crate::dns::{self, Options};
use crate::model::{Name, RecordType, Server};
use crate::protocol::lookup::Views;
use crate::reconcile::{Check, Standing};

/// Of more names than these only those are looked at in every way that are not in sync.
const MOST: usize = 256;
/// Names that are looked at at once.
const AT_ONCE: usize = 16;

/// What becomes of the targets of one service's name through one server, with each consumer.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct ServiceViews {
    /// The service.
    pub service: String,
    /// The server; none for resolv.conf.
    pub server: Option<Server>,
    /// The name that was looked up.
    pub name: Name,
    /// Whether all consumers come to the same targets.
    pub agree: bool,
    /// What becomes of them.
    #[serde(flatten)]
    pub views: Views,
}

/// Looks the services' names up as each consumer does.
pub(super) async fn of(checks: &[Check]) -> Vec<ServiceViews> {
    let services = || checks.iter().filter(|check| check.record_type == RecordType::SRV);
    let is_many = services().count() > MOST;
    let chosen = services().filter(|check| !is_many || check.verdict != Standing::InSync);
    let mut left = chosen.flat_map(|check| names(check).map(move |name| (check, name))).enumerate();
    let mut looking = JoinSet::new();
    let mut found = Vec::new();
    loop {
        while looking.len() < AT_ONCE
            && let Some((place, (check, name))) = left.next()
        {
            let through = check.server.clone().map_or(Through::System, Through::Server);
            let (service, server) = (check.service.clone(), check.server.clone());
            looking.spawn(async move {
                let views = Box::pin(dns::views(&through.resolver(), &name.to_string(), &Options::default())).await;
                (place, ServiceViews { service, server, name, agree: views.agree(), views })
            });
        }
        match looking.join_next().await {
            Some(one) => found.push(one.expect("no look-up panics, and none is cut off")),
            None => break,
        }
    }
    found.sort_by_key(|(place, _)| *place);
    found.into_iter().map(|(_, views)| views).collect()
}

fn names(check: &Check) -> impl Iterator<Item = Name> {
    let several = !check.names.is_empty();
    check.names.iter().cloned().chain((!several).then(|| check.name.clone()))
}
