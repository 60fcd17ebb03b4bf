//! What the journal says of maintenance: a line for each service, or instance, that it is about.

use super::health_board::HealthBoard;
use super::wishes::Wishes;
use super::zone_task::now;
use crate::model::health::{Maintained, Maintenance};
use crate::model::{InstanceId, ServiceKey};
use crate::store::{Announcement, HealthBatch};

/// That somebody works on something, or does not any more, with its lines for the journal.
pub(super) fn batch(
    (wishes, board): (&Wishes, &HealthBoard),
    changes: Vec<(Maintained, Option<Maintenance>)>,
    by: &str,
) -> HealthBatch {
    let (known, at) = (board.maintenance(), now());
    let mut announced = Vec::new();
    for (whom, after) in &changes {
        let before = known.get(whom);
        let line = |(service, id)| Announcement {
            service,
            id,
            before: before.cloned(),
            after: after.clone(),
            by: by.to_owned(),
            at,
        };
        announced.extend(about(wishes, whom).into_iter().map(line));
    }
    HealthBatch { maintenance: changes, announced, ..HealthBatch::default() }
}

/// The services in force that it is about, or their instances on a host.
fn about(wishes: &Wishes, whom: &Maintained) -> Vec<(ServiceKey, Option<InstanceId>)> {
    let mut found = Vec::new();
    match whom {
        Maintained::Service(name) => found.extend(ServiceKey::of_owner_name(name).map(|key| (key, None))),
        Maintained::Host(host) => wishes.view(&mut |view| {
            for (key, service) in view.in_force {
                let there = service.instances.iter().filter(|instance| instance.host == *host);
                found.extend(there.map(|one| (key.clone(), Some(InstanceId::of(&one.host, one.port)))));
            }
        }),
    }
    found
}
