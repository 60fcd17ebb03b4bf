//! A large site: so many services with so many instances each, as service files and as the zone that they make.

use std::fmt::Write as _;
use std::io::{self, Write};

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

    fn new(services: usize, instances: usize, complete: bool) -> Self {
        Self { services, instances, complete, weights: vec![0; services * instances] }
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
        Srv { owner: Self::owner_name(service), ttl: TTL, weight: self.weights[instance], port: PORT, target }
    }

    fn host(&self, instance: usize) -> String {
        format!("host-{:05}-{}", instance / self.instances, instance % self.instances)
    }

    fn address(instance: usize) -> String {
        let number = u32::try_from(instance).unwrap() + 0x0a00_0001;
        std::net::Ipv4Addr::from_bits(number).to_string()
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
        for instance in self.instances_of(service) {
            let (host, weight) = (self.host(instance), self.weights[instance]);
            let _ = write!(text, "\n[[service.instance]]\nhost = \"{host}\"\nport = {PORT}\nweight = {weight}\n");
            if self.complete {
                let _ = writeln!(text, "addresses = [\"{}\"]", Self::address(instance));
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
                let (host, weight) = (self.host(instance), self.weights[instance]);
                writeln!(out, "{owner} SRV 0 {weight} {PORT} {host}")?;
                if self.complete {
                    writeln!(out, "{host} A {}", Self::address(instance))?;
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
