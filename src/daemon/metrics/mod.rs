//! What `/metrics` tells: what the tasks do, counted and timed here, and how things stand, taken from the status.
//!
//! Names and units follow <https://prometheus.io/docs/practices/naming/>. Labels are zones, servers, configured files and a
//! handful of words, never names, hosts or instances: however much is published, there are no more series.

mod buckets;
mod standing;

use std::collections::BTreeSet;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use prometheus_client::encoding::{prometheus_text, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

use super::through::SYSTEM;
use super::zone_task::now;
use crate::api::Exposition;
use crate::config::{VerifyThrough, ZoneConfig};
use crate::dns::{Observer, TransferKind};
use crate::model::health::{ProbeResult, Verdict};
use crate::model::{DaemonStatus, Name, State};
use standing::Standing;

/// Types of checks that are made.
const PROBES: [&str; 5] = ["http", "tcp", "dns", "grpc", "command"];
/// The one that is waited for, and takes no time.
const LEASE: &str = "lease";

/// What everything is called before its own name.
const PREFIX: &str = "srvctl";

/// Names and values of labels.
type Labels<const N: usize> = [(&'static str, String); N];
type Counters<const N: usize> = Family<Labels<N>, Counter>;
type Histograms = Family<Labels<1>, Histogram, fn() -> Histogram>;

/// Everything that is counted and timed since the process started. It outlives a reload; only when zones or servers
/// change, it begins anew, so that nothing is told of those that are gone.
pub(super) struct Metrics {
    registry: Registry,
    started: u64,
    events: Events,
    /// Zones and servers of the configuration.
    known: Mutex<Known>,
}

#[derive(Default)]
struct Events {
    updates: Timed,
    lookups: Timed,
    lookup_states: Counters<2>,
    propagation: Slow,
    transfers: Counters<2>,
    transferred: Counters<2>,
    changed: Counters<2>,
    repaired: Counters<1>,
    probes: Timed,
    verdicts: Counters<2>,
    late: Counter<f64, AtomicU64>,
}

/// Histograms of exchanges with servers.
struct Timed(Histograms);

/// Histograms of what may take as long as a cache keeps a record.
struct Slow(Histograms);

impl Default for Timed {
    fn default() -> Self {
        Self(Family::new_with_constructor(|| Histogram::new(buckets::EXCHANGE)))
    }
}

impl Default for Slow {
    fn default() -> Self {
        Self(Family::new_with_constructor(|| Histogram::new(buckets::PROPAGATION)))
    }
}

#[derive(Default, PartialEq, Eq)]
struct Known {
    zones: BTreeSet<String>,
    servers: BTreeSet<String>,
}

impl Metrics {
    /// Nothing counted yet.
    pub(super) fn new() -> Self {
        let events = Events::default();
        let mut registry = Registry::with_prefix(PREFIX);
        events.register(&mut registry);
        Self { registry, started: now(), events, known: Mutex::default() }
    }

    /// Tells which zones there are, and through which servers they are verified. Their series are there from then on, at
    /// zero: what does not exist cannot be seen to rise.
    pub(super) fn expect(&self, zones: &[ZoneConfig]) {
        let server = |through: &VerifyThrough| match through {
            VerifyThrough::System => Some(SYSTEM.to_owned()),
            VerifyThrough::Server(server) => Some(server.to_string()),
            VerifyThrough::Secondaries => None, // who they are, the zone tells later
        };
        let new = Known {
            zones: zones.iter().map(|zone| zone.name.to_string()).collect(),
            servers: zones.iter().flat_map(|zone| &zone.verify).filter_map(server).collect(),
        };
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if *known != new {
            self.events.clear();
            *known = new;
        }
        known.zones.iter().for_each(|zone| self.events.expect_zone(zone));
        known.servers.iter().for_each(|server| self.events.expect_server(server));
        self.events.expect_probes();
    }

    /// One look-up through a server: how its answer stood to what shall be there, and how long it took.
    pub(super) fn looked_up(&self, server: &str, state: State, took: Duration) {
        self.events.lookups.0.get_or_create(&by_server(server)).observe(took.as_secs_f64());
        self.events.lookup_states.get_or_create(&of_state(server, state)).inc();
    }

    /// A change was seen at a server, so long after it was read back from the primary.
    pub(super) fn propagated(&self, server: &str, took: Duration) {
        self.events.propagation.0.get_or_create(&by_server(server)).observe(took.as_secs_f64());
    }

    /// One check of an instance: of which type, what came of it, and how long it took.
    pub(super) fn probed(&self, kind: &str, result: &ProbeResult) {
        self.events.verdicts.get_or_create(&of_verdict(kind, result.verdict)).inc();
        if kind != LEASE {
            self.events.probes.0.get_or_create(&by_type(kind)).observe(result.latency.as_secs_f64());
        }
    }

    /// A check waited so long for a place among those under way.
    pub(super) fn probed_late(&self, late: Duration) {
        self.events.late.inc_by(late.as_secs_f64());
    }

    /// Everything, with how things stand now.
    pub(super) fn render(&self, status: DaemonStatus, exposition: Exposition) -> String {
        let mut standing = Registry::with_prefix(PREFIX);
        standing.register_collector(Box::new(Standing { status, started: self.started }));
        let mut shown = String::new();
        let rendered = match exposition {
            Exposition::OpenMetrics => {
                text::encode_registry(&mut shown, &standing).and_then(|()| text::encode(&mut shown, &self.registry))
            }
            Exposition::Text => prometheus_text::encode(&mut shown, &standing)
                .and_then(|()| prometheus_text::encode(&mut shown, &self.registry)),
        };
        rendered.expect("a string takes everything");
        shown
    }

    /// What one zone's task counts.
    pub(super) fn of_zone(self: &Arc<Self>, zone: &Name) -> ZoneMetrics {
        ZoneMetrics { metrics: Arc::clone(self), zone: zone.to_string() }
    }
}

/// What is counted for one zone.
#[derive(Clone)]
pub(super) struct ZoneMetrics {
    metrics: Arc<Metrics>,
    zone: String,
}

impl ZoneMetrics {
    /// So many records were added and deleted.
    pub(super) fn changed(&self, added: usize, deleted: usize) {
        let changed = |operation, count: usize| {
            let labels = [("zone", self.zone.clone()), ("operation", String::from(operation))];
            self.metrics.events.changed.get_or_create(&labels).inc_by(count as u64);
        };
        changed("add", added);
        changed("delete", deleted);
    }

    /// So many records that somebody else had changed are again as they shall be.
    pub(super) fn repaired(&self, records: usize) {
        self.metrics.events.repaired.get_or_create(&by_zone(&self.zone)).inc_by(records as u64);
    }
}

impl Observer for ZoneMetrics {
    fn updated(&self, took: Duration) {
        self.metrics.events.updates.0.get_or_create(&by_zone(&self.zone)).observe(took.as_secs_f64());
    }

    fn transferred(&self, kind: TransferKind, bytes: u64) {
        let labels = of_kind(&self.zone, kind);
        self.metrics.events.transfers.get_or_create(&labels).inc();
        self.metrics.events.transferred.get_or_create(&labels).inc_by(bytes);
    }
}

impl Events {
    fn register(&self, registry: &mut Registry) {
        let Self { updates, lookups, lookup_states, propagation, transfers, transferred, .. } = self;
        let help = "Time from an UPDATE message to its answer";
        registry.register_with_unit("update_duration", help, Unit::Seconds, updates.0.clone());
        let help = "Time of one look-up made as Prometheus makes it";
        registry.register_with_unit("lookup_duration", help, Unit::Seconds, lookups.0.clone());
        let help = "Look-ups by how the answer stood to what shall be there";
        registry.register("lookups", help, lookup_states.clone());
        let help = "Time from when a change was read back from the primary until a look-up saw it at a server";
        registry.register_with_unit("propagation_duration", help, Unit::Seconds, propagation.0.clone());
        let help = "Transfers from the primary: of the whole zone, or of what changed in it";
        registry.register("transfers", help, transfers.clone());
        let help = "Bytes of the messages of these transfers";
        registry.register_with_unit("transfer", help, Unit::Bytes, transferred.clone());
        let help = "Records added to and deleted from the zone, ownership markers among them";
        registry.register("changed_records", help, self.changed.clone());
        let help = "Records put right that others had changed, but for what they changed while we sent";
        registry.register("drift_repaired_records", help, self.repaired.clone());
        let help = "Checks of instances, by what came of them";
        registry.register("probes", help, self.verdicts.clone());
        let help = "How long checks waited for a place among those under way, all together";
        registry.register_with_unit("probe_late", help, Unit::Seconds, self.late.clone());
        let help = "Time of one check of an instance";
        registry.register_with_unit("probe_duration", help, Unit::Seconds, self.probes.0.clone());
    }

    fn clear(&self) {
        [&self.updates.0, &self.lookups.0, &self.propagation.0].iter().for_each(|family| family.clear());
        [&self.lookup_states, &self.transfers, &self.transferred, &self.changed]
            .iter()
            .for_each(|family| family.clear());
        self.repaired.clear();
    }

    fn expect_zone(&self, zone: &str) {
        drop(self.updates.0.get_or_create(&by_zone(zone)));
        drop(self.repaired.get_or_create(&by_zone(zone)));
        for operation in ["add", "delete"] {
            drop(self.changed.get_or_create(&[("zone", zone.to_owned()), ("operation", operation.to_owned())]));
        }
        for labels in TransferKind::ALL.map(|kind| of_kind(zone, kind)) {
            drop(self.transfers.get_or_create(&labels));
            drop(self.transferred.get_or_create(&labels));
        }
    }

    fn expect_probes(&self) {
        for kind in PROBES {
            drop(self.probes.0.get_or_create(&by_type(kind)));
        }
        for (kind, verdict) in
            PROBES.iter().chain([&LEASE]).flat_map(|kind| Verdict::ALL.map(|verdict| (kind, verdict)))
        {
            drop(self.verdicts.get_or_create(&of_verdict(kind, verdict)));
        }
    }

    fn expect_server(&self, server: &str) {
        drop(self.lookups.0.get_or_create(&by_server(server)));
        drop(self.propagation.0.get_or_create(&by_server(server)));
        for state in State::ALL {
            drop(self.lookup_states.get_or_create(&of_state(server, state)));
        }
    }
}

fn by_type(kind: &str) -> Labels<1> {
    [("type", kind.to_owned())]
}

fn of_verdict(kind: &str, verdict: Verdict) -> Labels<2> {
    [("type", kind.to_owned()), ("verdict", verdict.as_str().to_owned())]
}

fn by_zone(zone: &str) -> Labels<1> {
    [("zone", zone.to_owned())]
}

fn by_server(server: &str) -> Labels<1> {
    [("server", server.to_owned())]
}

fn of_kind(zone: &str, kind: TransferKind) -> Labels<2> {
    [("zone", zone.to_owned()), ("kind", kind.as_str().to_owned())]
}

fn of_state(server: &str, state: State) -> Labels<2> {
    [("server", server.to_owned()), ("state", state.as_str().to_owned())]
}

#[cfg(test)]
mod tests;
