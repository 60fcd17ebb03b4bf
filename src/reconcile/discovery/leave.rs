//! Who may leave the list. The guard of a zone judges what DNS has; of those whom DNS never had, because foreign records are
//! in the way or an older zone was restored, it says nothing, and so the list has a guard of its own for them.

use std::collections::BTreeSet;
use std::fmt;

use crate::model::{Name, Rdata, RecordType, ServiceKey};
use crate::reconcile::guard::MIN_OWNED_RECORDS;
use crate::reconcile::{MissingSource, Reconciler, shards};

/// An instance in DNS: its service, and host and port as a target has them.
pub type Seen = (ServiceKey, String);

/// The instances that are in DNS by our own records and shall be there no more: the guard of the zone judges them, whether
/// now or once a person accepts the plan.
pub fn leaving(reconciler: &Reconciler) -> BTreeSet<Seen> {
    let zone = reconciler.live().origin();
    let mut seen = BTreeSet::new();
    for update in reconciler.deleting() {
        let key = shards::key_of(&shards::own_name_of(&update.name, zone), zone);
        let Some(key) = key else { continue };
        for change in update.changes.iter().filter(|change| change.key.record_type == RecordType::SRV) {
            let gone = change.operations().0.into_iter().filter_map(Rdata::as_srv);
            seen.extend(gone.map(|srv| (key.clone(), endpoint(&srv.target, srv.port))));
        }
    }
    seen
}

fn endpoint(host: &Name, port: u16) -> String {
    format!("{}:{port}", host.without_final_dot()).to_ascii_lowercase()
}

/// How a zone stands when its guard holds nothing.
#[derive(Debug, Clone, Copy)]
pub struct Terms<'a> {
    /// Sources that may have gone missing.
    pub missing: &'a [MissingSource],
    /// `max_delete_percent` of the zone.
    pub percent: u8,
}

impl Terms<'_> {
    /// Why so many of so many that are listed have to stay; none when they may go.
    pub(super) fn refuse(&self, leaving: usize, listed: usize) -> Option<Stays> {
        if let Some(source) = self.missing.first() {
            return Some(Stays::Missing(source.clone()));
        }
        let is_much = listed >= MIN_OWNED_RECORDS && leaving * 100 > usize::from(self.percent) * listed;
        (leaving == listed || is_much).then_some(Stays::TooMany { leaving, listed, percent: self.percent })
    }
}

/// Why targets stay listed that are not in force any more, though nothing is held in their zone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stays {
    /// A source may have gone missing.
    Missing(MissingSource),
    /// They are too many, and the plan of the zone had nothing to say of them.
    TooMany {
        /// So many would leave.
        leaving: usize,
        /// So many are listed of the zone.
        listed: usize,
        /// The share allowed, percent.
        percent: u8,
    },
}

impl fmt::Display for Stays {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing(source) => write!(f, "{source}"),
            Self::TooMany { leaving, listed, percent } => write!(
                f,
                "{leaving} of {listed} listed targets are gone, all of them or more than max_delete_percent = {percent} \
                 allows, and none of them was in DNS where a plan could be held for them. If they are gone on purpose, stop \
                 the daemon, remove `targets.json` from its `state_dir`, and start it"
            ),
        }
    }
}
