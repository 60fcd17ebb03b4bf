//! What keeps a name from its desired state.

use std::fmt;

use super::refusal::Refusal;
use crate::model::{Name, OwnerId, Record, RecordType, Zone};

/// A name that cannot be brought to its desired state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conflict {
    /// The owner name.
    pub name: Name,
    /// What is in the way.
    pub obstacle: Obstacle,
}

/// What keeps a name from its desired state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Obstacle {
    /// Records that we did not write, where ours should go.
    Foreign(Vec<Record>),
    /// A list of service types or domains that lacks some of ours, and the owner when another srvctl has it.
    SharedList {
        /// What is to be on it.
        missing: Vec<Record>,
        /// Whose it is; nobody's when absent.
        owner: Option<OwnerId>,
    },
    /// Instances that registered themselves and cannot be told from others by who browses, or whose names are too long.
    Unnamed {
        /// Host and port of the first.
        first: String,
        /// How many.
        count: usize,
    },
    /// Another srvctl's name.
    OtherOwner(OwnerId),
    /// A marker that cannot be read.
    DamagedMarker(String),
    /// An alias: nothing else can stand beside it (RFC 1034 section 3.6.2), and BIND drops it silently.
    Alias(Record),
    /// The name lies under a delegation or a DNAME, where this server does not answer for it.
    Hidden(Record),
    /// The desired records cannot be published.
    Refused(Refusal),
    /// The change of this one name fits no message.
    TooLarge(usize),
}

impl fmt::Display for Obstacle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Foreign(records) => {
                let shown: Vec<_> = records.iter().map(|record| format!("`{record}`")).collect();
                write!(
                    f,
                    "foreign records are in the way: {}. srvctl did not write them and does not touch them; take the \
                     name over with `srvctl adopt`, remove the records, or take them out of the services",
                    shown.join(", ")
                )
            }
            Self::SharedList { missing, owner } => shared_list(f, missing, owner.as_ref()),
            Self::Unnamed { first, count } => write!(
                f,
                "{count} of the instances, {first} first, have no name of their own that fits into DNS, and who browses \
                 does not find them: register shorter host names, or describe them in the service file with a `name`"
            ),
            Self::OtherOwner(owner) => write!(
                f,
                "the name belongs to another srvctl, owner \"{owner}\" by its marker. Publish it from there, or let \
                 that one release it first"
            ),
            Self::DamagedMarker(marker) => write!(
                f,
                "its ownership marker cannot be read: {marker}. Repair or remove the marker by hand; until then \
                 nothing at this name is touched"
            ),
            Self::Alias(record) => {
                write!(f, "an alias is in the way: `{record}`. No other record can stand beside a CNAME; remove it")
            }
            Self::Hidden(record) => write!(
                f,
                "the name is not answered from this zone, because of `{record}`. Publish it in the zone that is \
                 delegated, or remove the delegation"
            ),
            Self::Refused(refusal) => refusal.fmt(f),
            Self::TooLarge(bytes) => write!(
                f,
                "its change takes {bytes} bytes and fits no DNS message, in which what goes and what comes have to stand \
                 together: make it in two steps, some of the instances first, or spread the service over several names \
                 with `shards`"
            ),
        }
    }
}

/// Two who may each write what is theirs cannot share a set of records: each would remove what the other adds.
fn shared_list(f: &mut fmt::Formatter<'_>, missing: &[Record], owner: Option<&OwnerId>) -> fmt::Result {
    let shown: Vec<_> = missing.iter().map(|record| format!("`{record}`")).collect();
    let release = match owner {
        Some(owner) => format!("have the srvctl with owner \"{owner}\", whose it is, `release` it, and then "),
        None => String::new(),
    };
    write!(
        f,
        "this list is somebody else's and lacks {}: who browses does not find that, and who knows the service's name does. \
         A list that is nobody's and has on it what each publishes satisfies all: {release}add the record by hand",
        shown.join(", ")
    )
}

/// What makes publishing at a name pointless, whoever owns it.
pub(super) fn unpublishable(live: &Zone, name: &Name) -> Option<Obstacle> {
    let first = |name: &Name, record_type| live.rrset(name, record_type)?.records(name).into_iter().next();
    if let Some(alias) = first(name, RecordType::CNAME) {
        return Some(Obstacle::Alias(alias));
    }
    if !live.hides_names() {
        return None;
    }
    let mut ancestor = Some(name.clone());
    while let Some(at) = ancestor.filter(|at| at.is_within(live.origin())) {
        let delegated = (at != *live.origin()).then(|| first(&at, RecordType::NS)).flatten();
        let redirected = (at != *name).then(|| first(&at, RecordType::DNAME)).flatten();
        if let Some(record) = delegated.or(redirected) {
            return Some(Obstacle::Hidden(record));
        }
        ancestor = at.parent();
    }
    None
}
