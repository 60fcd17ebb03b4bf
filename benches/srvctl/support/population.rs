//! A large site: so many services with so many instances each, as service files and as the zone that they make.

use std::fmt::Write as _;
use std::io::{self, Write};
use std::net::Ipv4Addr;

use super::wire::Srv;

/// The zone of every benchmark.
pub(crate) const ZONE: &str = "bench.test";

/// NS, and the name server's address.
const BASE_RECORDS: usize = 2;

/// Who we are in the ownership markers.
pub(crate) const OWNER: &str = "bench";

const TTL: u32 = 300;
const PORT: u16 = 9100;

/// What a site runs: every instance on a host of its own.
#[derive(Debug, Clone)]
pub(crate) struct Population {
    services: usize,
    instances: usize,
    /// Whether hosts have addresses and services metadata; else there are SRV records only.
    complete: bool,
    /// The weight of every instance, service by service.
    weights: Vec<u16>,
    /// Where the instances listen, and the first one's address; each has the next.
    port: u16,
    first: Ipv4Addr,
    /// Lines of every service, about its health.
    health: &'static str,
}

impl Population {
    /// As many services of so many instances as it takes for about `records` records, markers among them.
    pub(crate) fn of_records(records: usize, instances: usize) -> Self {
        let per_service = 2 + 3 * instances; // TXT and its marker; of each instance SRV, A and its marker
        Self::new((records / per_service).max(1), instances, true)
    }

    /// SRV records and markers only.
    pub(crate) fn of_services(services: usize) -> Self {
        Self::new(services, 1, false)
    }

    /// The same services whose instances are at this port of these addresses, with lines about their health.
    pub(crate) fn at(self, first: Ipv4Addr, port: u16, health: &'static str) -> Self {
        Self { port, first, health, ..self }
    }

    /// Services with so many instances in all, addresses among them.
    pub(crate) fn of_instances(total: usize, instances: usize) -> Self {
        Self::new(total.div_ceil(instances), instances, true)
    }

    fn new(services: usize, instances: usize, complete: bool) -> Self {
        let (weights, first) = (vec![0; services * instances], Ipv4Addr::new(10, 0, 0, 1));
        Self { services, instances, complete, weights, port: PORT, first, health: "" }
    }

    pub(crate) fn services(&self) -> usize {
        self.services
    }

    /// Instances of all services.
    pub(crate) fn total_instances(&self) -> usize {
        self.weights.len()
    }

    /// The service that an instance belongs to.
    pub(crate) fn service_of(&self, instance: usize) -> usize {
        instance / self.instances
    }

    pub(crate) fn set_weight(&mut self, instance: usize, weight: u16) {
        self.weights[instance] = weight;
    }

    /// Records of the whole zone, without its SOA.
    pub(crate) fn zone_records(&self) -> usize {
        let service = 1 + self.instances + if self.complete { 1 + 2 * self.instances } else { 0 };
        BASE_RECORDS + self.services * service
    }

    /// Owner name of a service's SRV records, without the final dot.
    pub(crate) fn owner_name(service: usize) -> String {
        format!("_svc-{service:05}._tcp.{ZONE}")
    }

    /// One instance's SRV record.
    pub(crate) fn srv(&self, instance: usize) -> Srv {
        let service = self.service_of(instance);
        let target = format!("{}.{ZONE}", self.host(instance));
        Srv { owner: Self::owner_name(service), ttl: TTL, weight: self.weights[instance], port: self.port, target }
    }

    fn host(&self, instance: usize) -> String {
        format!("host-{:05}-{}", instance / self.instances, instance % self.instances)
    }

    fn address(&self, instance: usize) -> Ipv4Addr {
        Ipv4Addr::from_bits(u32::try_from(instance).unwrap() + self.first.to_bits())
    }

    fn instances_of(&self, service: usize) -> std::ops::Range<usize> {
        service * self.instances..(service + 1) * self.instances
    }

    /// The file of one service.
    pub(crate) fn service_file(&self, service: usize) -> String {
        let mut text = format!("[[service]]\nname = \"svc-{service:05}\"\n");
        if self.complete {
            text.push_str("metadata = { team = \"bench\" }\n");
        }
        text.push_str(self.health);
        for instance in self.instances_of(service) {
            let (host, weight, port) = (self.host(instance), self.weights[instance], self.port);
            let _ = write!(text, "\n[[service.instance]]\nhost = \"{host}\"\nport = {port}\nweight = {weight}\n");
            if self.complete {
                let _ = writeln!(text, "addresses = [\"{}\"]", self.address(instance));
            }
        }
        text
    }

    /// The zone's records as srvctl publishes them, relative to the zone.
    pub(crate) fn write_records(&self, out: &mut impl Write) -> io::Result<()> {
        let txt = if self.complete { ",TXT" } else { "" };
        for service in 0..self.services {
            let owner = format!("_svc-{service:05}._tcp");
            for instance in self.instances_of(service) {
                let (host, weight, port) = (self.host(instance), self.weights[instance], self.port);
                writeln!(out, "{owner} SRV 0 {weight} {port} {host}")?;
                if self.complete {
                    writeln!(out, "{host} A {}", self.address(instance))?;
                    writeln!(out, "_srvctl.{host} TXT \"v=1 owner={OWNER} types=A\"")?;
                }
            }
            if self.complete {
                writeln!(out, "{owner} TXT \"team=bench\"")?;
            }
            writeln!(out, "_srvctl.{owner} TXT \"v=1 owner={OWNER} types=SRV{txt}\"")?;
        }
        Ok(())
    }
}
