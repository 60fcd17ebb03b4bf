//! What a daemon holds in memory for a very large zone, beside the server of that zone.

use std::thread::sleep;
use std::time::Duration;

use crate::report::{Row, Series, Target};
use crate::scale::Scale;
use crate::support::{Memory, Named, Population, Settings, Site};

const RECORDS: usize = 1_000_000;
/// What was needed to come in sync is put away by then.
const SETTLE: Duration = Duration::from_secs(5);

pub(crate) fn run(scale: Scale) -> Vec<Row> {
    let population = Population::of_records(scale.size(RECORDS), 100);
    let mut ours = Series::new("daemon in sync, VmRSS");
    let mut peak = Series::new("daemon at its highest, VmHWM");
    let mut reference = Series::new("named with the same zone, VmRSS");
    for _ in 0..scale.runs() {
        let named = Named::filled(&population);
        let site = Site::new(&named, &population, &Settings::default());
        let mut daemon = site.daemon();
        daemon.wait_in_sync();
        named.assert_untouched();
        sleep(SETTLE);
        let memory = Memory::of(daemon.pid());
        ours.push(memory.now);
        peak.push(memory.peak);
        reference.push(Memory::of(named.pid()).now);
    }
    let row = |name: &str, ours: Series| Row {
        name: name.to_owned(),
        unit: "MiB",
        ours,
        reference: reference.clone(),
        target: Target::AtMost(1.0),
        note: format!("{} records, SRV, A and TXT", population.zone_records()),
    };
    vec![row("memory", ours), row("memory-peak", peak)]
}
