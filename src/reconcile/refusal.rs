//! Why a service cannot be published at all, whatever the zone holds.

use std::fmt;

use crate::model::{MAX_SHARDS, ServiceKey};
use crate::protocol::wire;

/// Why a name is not published at all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// More records than one RRset may hold.
    TooManyRecords {
        /// Whose.
        service: ServiceKey,
        /// How many there are.
        records: usize,
        /// How many there may be.
        limit: usize,
    },
    /// More records than all shards may hold together.
    TooFewShards {
        /// Whose.
        service: ServiceKey,
        /// How many records there are.
        records: usize,
        /// How many one shard may have.
        limit: usize,
        /// How many shards there may be.
        shards: usize,
        /// How many shards it takes.
        needed: usize,
    },
    /// More services that can be browsed than the list of service types may hold.
    TooManyTypes {
        /// How many services there are.
        types: usize,
        /// How many records one RRset may hold.
        limit: usize,
    },
    /// A list for who browses that no DNS message can hold.
    ListTooLarge {
        /// Whose.
        service: ServiceKey,
        /// Bytes of the answer.
        bytes: usize,
    },
    /// An answer that no DNS message can hold.
    TooLarge {
        /// Whose.
        service: ServiceKey,
        /// Bytes of the answer.
        bytes: usize,
    },
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooManyRecords { service, records, limit } => write!(
                f,
                "{service} has {records} instances, but max_records_per_rrset is {limit} (BIND's own default for \
                 max-records-per-type is 100): nothing of it was changed. Either write `shards = \"auto\"` in the \
                 service (with `[service.browse]` removed, which does not go with it), and let Prometheus look up the names that `srvctl names {0}` prints; or raise the limit here \
                 and, as max-records-per-type, on the primary, every secondary and every resolver",
                service.name
            ),
            Self::TooFewShards { service, records, limit, shards, needed } => {
                write!(
                    f,
                    "{service} has {records} instances and needs {needed} shards of at most {limit} records, but may \
                     have {shards}: nothing of it was changed. "
                )?;
                if *needed > MAX_SHARDS {
                    write!(
                        f,
                        "srvctl makes at most {MAX_SHARDS}: spread the instances over several services, or raise \
                         max_records_per_rrset here and max-records-per-type on the primary, every secondary and \
                         every resolver"
                    )
                } else {
                    write!(f, "Write `shards = {needed}` or `shards = \"auto\"`")
                }
            }
            Self::TooManyTypes { types, limit } => write!(
                f,
                "{types} services can be browsed, but max_records_per_rrset is {limit}: the list of service types stays as \
                 it is. Remove `[service.browse]` from some, or raise the limit here and, as max-records-per-type, on the \
                 primary, every secondary and every resolver"
            ),
            Self::ListTooLarge { service, bytes } => write!(
                f,
                "the list of the instances of {service} would take {bytes} bytes, and DNS stops at {}: nothing of it is \
                 published for who browses. Give the instances shorter names, or remove `[service.browse]`",
                wire::MAX_MESSAGE
            ),
            Self::TooLarge { service, bytes } => write!(
                f,
                "the answer for {service} would take {bytes} bytes, and DNS stops at {}: nothing of it was changed. \
                 Write `shards = \"auto\"` in the service, and remove `[service.browse]` if it has that",
                wire::MAX_MESSAGE
            ),
        }
    }
}
