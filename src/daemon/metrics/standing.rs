//! How things stand, from the status: what `srvctl status` shows and what Prometheus scrapes are one.

use std::fmt::Error;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Unit;

use super::Labels;
use crate::model::{DaemonStatus, HealthSummary, Outcome, ServerStatus, State, TargetFileStatus, ZoneStatus};

const OUTCOMES: [(Outcome, &str); 5] = [
    (Outcome::Pending, "pending"),
    (Outcome::InSync, "in_sync"),
    (Outcome::Held, "held"),
    (Outcome::Incomplete, "incomplete"),
    (Outcome::Failed, "failed"),
];

/// The status at the moment of a scrape.
#[derive(Debug)]
pub(super) struct Standing {
    pub(super) status: DaemonStatus,
    /// When the process started, seconds since 1970.
    pub(super) started: u64,
}

impl Collector for Standing {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), Error> {
        let page = &mut Page(&mut encoder);
        self.daemon(page)?;
        self.zones(page)?;
        self.health(page)?;
        self.discovery(page)?;
        self.notifies(page)?;
        self.servers(page)
    }
}

impl Standing {
    fn daemon(&self, page: &mut Page<'_, '_>) -> Result<(), Error> {
        let status = &self.status;
        page.info("build", "The version that runs", &[("version", status.version.clone())])?;
        page.time("start_time", "When the daemon started", [([], Some(self.started))])?;
        let help = "Whether the configuration file cannot be used since the last reload; the old one stays in force";
        page.gauge("config_error", help, [([], u64::from(status.config_error.is_some()))])?;
        let help = "Errors in service files; the last good content of these files stays in force";
        page.gauge("source_errors", help, [([], status.source_errors.len() as u64)])?;
        let help = "Whether registrations cannot be read or written; what is registered stays published";
        page.gauge("store_error", help, [([], u64::from(status.store_error.is_some()))])?;
        page.gauge("services", "Services in force", [([], status.services as u64)])?;
        page.gauge("instances", "Instances of all services in force", [([], status.instances as u64)])?;
        let leases = &status.leases;
        let current = leases.leased.saturating_sub(leases.overdue) as u64;
        let states = [("current", current), ("overdue", leases.overdue as u64)];
        let states = states.map(|(state, count)| ([("state", state.to_owned())], count));
        page.gauge("leases", "Registrations with a lease: renewed in time, or overdue", states)?;
        let help = "Zones in which so many leases ran out at once that none of them ends";
        page.gauge("leases_held", help, [([], leases.held.len() as u64)])
    }

    fn zones(&self, page: &mut Page<'_, '_>) -> Result<(), Error> {
        let each = |value: fn(&ZoneStatus) -> Option<u64>| {
            self.status.zones.iter().filter_map(move |zone| Some(([named(zone)], value(zone)?)))
        };
        let times = |value: fn(&ZoneStatus) -> Option<u64>| {
            self.status.zones.iter().map(move |zone| ([named(zone)], value(zone)))
        };
        page.gauge("zone_serial", "Serial at the last reading", each(|zone| zone.serial.map(u64::from)))?;
        let help = "Whether everything desired is published";
        page.gauge("zone_in_sync", help, each(|zone| Some((zone.outcome == Outcome::InSync).into())))?;
        let outcomes = self.status.zones.iter().flat_map(|zone| {
            OUTCOMES.map(|(outcome, word)| {
                ([named(zone), ("outcome", word.to_owned())], u64::from(zone.outcome == outcome))
            })
        });
        page.gauge("zone_outcome", "How the last reconciliation ended: 1 at one of these", outcomes)?;
        page.time(
            "zone_last_in_sync_timestamp",
            "When the zone was last known in sync",
            times(|zone| zone.last_in_sync),
        )?;
        page.time("zone_last_run_timestamp", "When the last reconciliation ended", times(|zone| zone.last_run))?;
        page.gauge("zone_records", "Records at the last reading", each(|zone| Some(zone.records as u64)))?;
        page.gauge("zone_owned_names", "Owner names that are ours", each(|zone| Some(zone.owned_names as u64)))?;
        let help = "Owner names at which something is still to do";
        page.gauge("zone_pending_names", help, each(|zone| Some(zone.pending_names as u64)))?;
        let help = "Whether a plan waits for a person";
        page.gauge("zone_held", help, each(|zone| Some(zone.held.is_some().into())))?;
        let help = "Records that the held plan would remove";
        let removed = |zone: &ZoneStatus| Some(zone.held.as_ref().map_or(0, |held| held.removed as u64));
        page.gauge("zone_held_records", help, each(removed))?;
        let help = "Obstacles in the way, such as foreign records";
        page.gauge("zone_conflicts", help, each(|zone| Some(zone.conflicts as u64)))?;
        let help = "Obstacles, and names that the server refused";
        page.gauge("zone_problems", help, each(|zone| Some(zone.problems.len() as u64)))
    }

    fn health(&self, page: &mut Page<'_, '_>) -> Result<(), Error> {
        let zones = &self.status.zones;
        let conditions = zones.iter().flat_map(|zone| {
            let health = &zone.health;
            [("passing", health.passing), ("failing", health.failing), ("unknown", health.unknown)]
                .map(|(condition, count)| ([named(zone), ("condition", condition.to_owned())], count as u64))
        });
        page.gauge("health_instances", "Instances that are checked, by what the checks say", conditions)?;
        let each = |value: fn(&HealthSummary) -> usize| {
            zones.iter().map(move |zone| ([named(zone)], value(&zone.health) as u64))
        };
        let help = "Failing instances that are left out of the SRV records";
        page.gauge("health_withdrawn_instances", help, each(|health| health.withdrawn))?;
        let help = "Failing instances that are published with another priority or weight";
        page.gauge("health_deprioritised_instances", help, each(|health| health.deprioritised))?;
        let help = "Instances that somebody works on, by their host or their service";
        page.gauge("health_maintained_instances", help, each(|health| health.in_maintenance))?;
        let help = "Services of which so much fails that nothing of it is withdrawn";
        page.gauge("health_floor_held_services", help, each(|health| health.floor_held.len()))?;
        let help = "Whether nothing more is withdrawn because most of what is checked fails at once";
        page.gauge("health_isolated", help, [([], u64::from(self.status.health.isolated))])
    }

    fn discovery(&self, page: &mut Page<'_, '_>) -> Result<(), Error> {
        let discovery = || self.status.discovery.iter();
        let help = "Whether there is a list of targets for Prometheus";
        page.gauge("discovery_ready", help, discovery().map(|it| ([], u64::from(it.waits_for.is_none()))))?;
        let help = "Targets that are listed for Prometheus over HTTP and in files";
        page.gauge("discovery_targets", help, discovery().map(|it| ([], it.targets as u64)))?;
        let help = "Listed targets that are not in force any more, and stay until their zone's plan was let pass";
        page.gauge("discovery_kept_targets", help, discovery().map(|it| ([], it.kept as u64)))?;
        let files = || discovery().flat_map(|it| &it.files);
        let of_file = |file: &TargetFileStatus| [("path", file.path.clone())];
        let targets = files().map(|file| (of_file(file), file.targets as u64));
        page.gauge("discovery_file_targets", "Targets in a file for Prometheus", targets)?;
        let errors = files().map(|file| (of_file(file), u64::from(file.error.is_some())));
        page.gauge("discovery_file_error", "Whether the file could not be written", errors)?;
        let written = files().map(|file| (of_file(file), file.written));
        page.time("discovery_file_written_timestamp", "When the file was written last, since the start", written)
    }

    fn notifies(&self, page: &mut Page<'_, '_>) -> Result<(), Error> {
        let heard = || self.status.zones.iter().filter_map(|zone| Some((zone, zone.notifies.as_ref()?)));
        let results = heard().flat_map(|(zone, notifies)| {
            [("accepted", notifies.accepted), ("refused", notifies.refused)]
                .map(|(result, count)| ([named(zone), ("result", result.to_owned())], count))
        });
        page.counter("notifies", "NOTIFYs that came, since the configuration was read last", results)?;
        let errors = heard().map(|(zone, notifies)| ([named(zone)], u64::from(notifies.error.is_some())));
        page.gauge("notify_error", "Whether no NOTIFY can be received; the zone is polled meanwhile", errors)
    }

    fn servers(&self, page: &mut Page<'_, '_>) -> Result<(), Error> {
        let zones = &self.status.zones;
        let looked_up = zones.iter().map(|zone| ([named(zone)], zone.verification.rrsets as u64));
        page.gauge("verification_looked_up_rrsets", "RRsets of ours that are looked up at each server", looked_up)?;
        let rounds = zones.iter().map(|zone| ([named(zone)], zone.verification.last_round));
        let help = "When every RRset had last been looked up at the fastest server; others may be behind";
        page.time("verification_last_round_timestamp", help, rounds)?;
        let planned = zones.iter().map(|zone| ([named(zone)], Some(zone.verification.round_seconds)));
        let help = "In how long every RRset is to be looked up once; 0: only what has changed";
        page.time("verification_round", help, planned)?;
        let servers = || zones.iter().flat_map(|zone| zone.verification.servers.iter().map(move |at| (zone, at)));
        let states = servers().flat_map(|(zone, at)| {
            State::ALL.map(|state| {
                let [zone, server] = at_server(zone, at);
                ([zone, server, ("state", state.as_str().to_owned())], count(at, state) as u64)
            })
        });
        page.gauge("verification_rrsets", "RRsets by how they stand at a server", states)?;
        let serials = servers().filter_map(|(zone, at)| Some((at_server(zone, at), at.serial?.into())));
        page.gauge("server_serial", "The zone's serial at a server, where it tells", serials)?;
        let behind = servers().filter_map(|(zone, at)| Some((at_server(zone, at), at.behind?.into())));
        page.gauge("server_behind", "Serials by which a server is behind the primary", behind)?;
        let answers = servers().map(|(zone, at)| (at_server(zone, at), at.last_answer));
        page.time("server_last_answer_timestamp", "When an answer came last that Prometheus would take", answers)
    }
}

fn named(zone: &ZoneStatus) -> (&'static str, String) {
    ("zone", zone.zone.to_string())
}

fn at_server(zone: &ZoneStatus, at: &ServerStatus) -> Labels<2> {
    [named(zone), ("server", at.server.clone())]
}

fn count(at: &ServerStatus, state: State) -> usize {
    match state {
        State::InSync => at.in_sync,
        State::Stale => at.stale,
        State::Wrong => at.wrong,
        State::Unknown => at.unknown,
    }
}

/// What is being written. A family is announced even when it has no series yet, so that whoever looks finds its name.
struct Page<'p, 'e>(&'p mut DescriptorEncoder<'e>);

impl Page<'_, '_> {
    fn gauge<const N: usize>(
        &mut self,
        name: &str,
        help: &str,
        series: impl IntoIterator<Item = (Labels<N>, u64)>,
    ) -> Result<(), Error> {
        let mut family = self.0.encode_descriptor(name, &sentence(help), None, MetricType::Gauge)?;
        for (labels, value) in series {
            family.encode_family(&labels)?.encode_gauge(&value)?;
        }
        Ok(())
    }

    /// Seconds since 1970; nothing is said of what has never been.
    fn time<const N: usize>(
        &mut self,
        name: &str,
        help: &str,
        series: impl IntoIterator<Item = (Labels<N>, Option<u64>)>,
    ) -> Result<(), Error> {
        let help = sentence(help);
        let mut family = self.0.encode_descriptor(name, &help, Some(&Unit::Seconds), MetricType::Gauge)?;
        for (labels, value) in series {
            if let Some(value) = value {
                family.encode_family(&labels)?.encode_gauge(&value)?;
            }
        }
        Ok(())
    }

    fn counter<const N: usize>(
        &mut self,
        name: &str,
        help: &str,
        series: impl IntoIterator<Item = (Labels<N>, u64)>,
    ) -> Result<(), Error> {
        let mut family = self.0.encode_descriptor(name, &sentence(help), None, MetricType::Counter)?;
        for (labels, value) in series {
            family.encode_family(&labels)?.encode_counter::<NoLabelSet, u64, u64>(&value, None)?;
        }
        Ok(())
    }

    fn info(&mut self, name: &str, help: &str, labels: &impl EncodeLabelSet) -> Result<(), Error> {
        self.0.encode_descriptor(name, &sentence(help), None, MetricType::Info)?.encode_info(labels)
    }
}

/// As the library ends what it is told of other metrics.
fn sentence(help: &str) -> String {
    format!("{help}.")
}
