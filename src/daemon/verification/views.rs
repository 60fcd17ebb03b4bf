//! What Prometheus, vmagent and Thanos make of the same servers' answers.

use tokio::task::JoinSet;

use super::targets::through;
use crate::dns::{self, Options};
use crate::model::{Name, RecordType, Server};
use crate::protocol::lookup::Views;
use crate::reconcile::{Check, Standing};

/// Of more names than these only those are looked at in every way that are not in sync, and no more of them.
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
    let mut left = chosen(checks).enumerate();
    let mut looking = JoinSet::new();
    let mut found = Vec::new();
    loop {
        while looking.len() < AT_ONCE
            && let Some((place, (check, name))) = left.next()
        {
            let through = through(check);
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

/// What is looked up, each name through each server. Names of instances are for who browses: none of these consumers asks
/// for them.
fn chosen(checks: &[Check]) -> impl Iterator<Item = (&Check, Name)> {
    let is_own = |check: &Check| check.service == check.name.to_string();
    let services = || checks.iter().filter(move |check| check.record_type == RecordType::SRV && is_own(check));
    let all = || services().flat_map(|check| names(check).map(move |name| (check, name)));
    let is_many = all().nth(MOST).is_some();
    all().filter(move |(check, _)| !is_many || check.verdict != Standing::InSync).take(MOST)
}

fn names(check: &Check) -> impl Iterator<Item = Name> {
    let several = !check.names.is_empty();
    check.names.iter().cloned().chain((!several).then(|| check.name.clone()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::State;
    use crate::reconcile::Comparison;

    fn check(names: usize, record_type: RecordType, verdict: Standing) -> Check {
        let name = |index| format!("_web-{index}._tcp.x").parse::<Name>().unwrap();
        Check {
            service: "_web-0._tcp.x.".to_owned(),
            server: None,
            name: name(0),
            names: if names > 1 { (0..names).map(name).collect() } else { Vec::new() },
            record_type,
            verdict,
            state: State::Unknown,
            clears_within: None,
            explanation: None,
            comparison: Comparison::default(),
            targets: Vec::new(),
            error: None,
        }
    }

    #[test]
    fn a_few_names_are_looked_at_and_of_many_those_that_are_not_in_sync_up_to_the_limit() {
        let counted = |checks: &[Check]| {
            let of = |standing| chosen(checks).filter(|(check, _)| check.verdict == standing).count();
            (of(Standing::InSync), of(Standing::Missing))
        };
        let good = |names| check(names, RecordType::SRV, Standing::InSync);
        let bad = |names| check(names, RecordType::SRV, Standing::Missing);
        assert_eq!(counted(&[good(1), check(1, RecordType::A, Standing::Missing)]), (1, 0), "services only");
        let instance = Check { service: "_other._tcp.x.".to_owned(), ..good(1) };
        assert_eq!(counted(&[instance]), (0, 0), "and no instances of theirs");
        assert_eq!(counted(&[good(MOST - 2), bad(2)]), (MOST - 2, 2));
        assert_eq!(counted(&[good(MOST - 2), bad(3)]), (0, 3), "names count, and not services");
        assert_eq!(counted(&vec![bad(2); MOST]), (0, MOST));
    }
}
