//! A daemon with nothing to do, on a large and a very large zone: what a cycle costs in bytes and CPU time.

use std::thread::sleep;
use std::time::Duration;

use crate::report::{Row, Series, Target};
use crate::scale::Scale;
use crate::support::{Daemon, Named, Population, Relay, Settings, Site, ZONE, cpu_milliseconds, dig_to, timed};

const LARGE: usize = 100_000;
const VERY_LARGE: usize = 1_000_000;
/// The shortest that the configuration allows.
const INTERVAL: &str = "1s";
/// A daemon that has just come in sync may have something to put away.
const SETTLE: Duration = Duration::from_secs(5);

/// One zone, one daemon, and the relay between them.
struct Zone {
    named: Named,
    relay: Relay,
    /// For the reference, so that the daemon's bytes stay out of its count.
    other_relay: Relay,
    site: Site,
    records: usize,
}

/// What was counted at one zone.
struct Counted {
    bytes: Series,
    dig: Series,
    cpu: Series,
}

pub(crate) fn run(scale: Scale) -> Vec<Row> {
    let cycles: u32 = if scale.quick { 3 } else { 20 };
    let zones = [LARGE, VERY_LARGE].map(|records| Zone::new(scale.size(records)));
    let daemons = zones.each_ref().map(Zone::start);
    let mut counted = zones.each_ref().map(Counted::new);
    // Coming in sync took signed messages, whatever a poll takes.
    zones.iter().for_each(|zone| _ = zone.relay.take_signed());
    sleep(SETTLE);
    for _ in 0..scale.runs() {
        for (zone, counted) in zones.iter().zip(&mut counted) {
            counted.dig.push(zone.dig_bytes());
        }
        let before = daemons.each_ref().map(|daemon| cpu_milliseconds(daemon.pid()));
        zones.iter().for_each(|zone| _ = (zone.relay.take_bytes(), zone.relay.take_requests()));
        sleep(Duration::from_secs(1) * cycles);
        for (index, counted) in counted.iter_mut().enumerate() {
            let used = cpu_milliseconds(daemons[index].pid()) - before[index];
            counted.push(&zones[index].relay, used, cycles);
        }
    }
    rows(&zones, counted)
}

fn rows(zones: &[Zone; 2], counted: [Counted; 2]) -> Vec<Row> {
    let sizes = zones.each_ref().map(|zone| zone.records);
    let mut rows = Vec::new();
    let mut cpus = Vec::new();
    for ((Counted { bytes, dig, cpu }, records), size) in counted.into_iter().zip(sizes).zip(["large", "very-large"]) {
        let name = format!("idle-bytes-{size}");
        let note = format!("{records} records, one cycle per {INTERVAL} when all goes well");
        rows.push(Row { name, unit: "B/cycle", ours: bytes, reference: dig, target: Target::AtMost(2.0), note });
        cpus.push(cpu);
    }
    let [reference, ours] = cpus.try_into().unwrap();
    let note = format!("one cycle per {INTERVAL}; both measured at the same time");
    let target = Target::About(1.2, 1.0);
    rows.push(Row { name: "idle-cpu".to_owned(), unit: "ms/cycle", ours, reference, target, note });
    rows
}

impl Zone {
    fn new(records: usize) -> Self {
        let population = Population::of_records(records, 100);
        let named = Named::filled(&population);
        let (relay, other_relay) = (Relay::to(named.address()), Relay::to(named.address()));
        let settings =
            Settings { interval: INTERVAL, primary: Some(relay.address()), verifies: false, ..Settings::default() };
        let site = Site::new(&named, &population, &settings);
        Self { named, relay, other_relay, site, records: population.zone_records() }
    }

    fn start(&self) -> Daemon<'_> {
        let mut daemon = self.site.daemon();
        daemon.wait_in_sync();
        self.named.assert_untouched();
        daemon
    }

    /// `dig SOA`, signed when the daemon has signed since the last call.
    fn dig_bytes(&self) -> f64 {
        let signs = self.relay.take_signed();
        let mut dig = dig_to(self.other_relay.address(), &[ZONE, "SOA"]);
        if signs {
            dig.args(self.named.key_arguments());
        }
        self.other_relay.take_bytes();
        timed(&mut dig, None);
        f64::from(u32::try_from(self.other_relay.take_bytes()).unwrap())
    }
}

impl Counted {
    fn new(zone: &Zone) -> Self {
        Self {
            bytes: Series::new("daemon and BIND"),
            dig: Series::new("dig SOA"),
            cpu: Series::new(format!("daemon's CPU time at {} records", zone.records)),
        }
    }

    /// A daemon that needs longer than the interval makes fewer cycles than were due, and each has its request.
    fn push(&mut self, relay: &Relay, cpu: f64, due: u32) {
        let cycles = match relay.take_requests() {
            0 => due,
            requests => requests.min(due),
        };
        let bytes = u32::try_from(relay.take_bytes()).unwrap();
        self.bytes.push(f64::from(bytes) / f64::from(cycles));
        self.cpu.push(cpu / f64::from(cycles));
    }
}
