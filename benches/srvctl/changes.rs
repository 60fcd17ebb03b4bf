//! A thousand scattered changes in a large zone under a running daemon, beside `nsupdate` told exactly these.

use std::fmt::Write as _;
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::report::{Row, Series, Target};
use crate::scale::Scale;
use crate::support::{Client, Named, Population, Settings, Site, ZONE, run as run_program, serial};

const RECORDS: usize = 100_000;
const CHANGES: usize = 1_000;
/// Each change deletes a record and adds one.
const CHANGES_PER_SEND: usize = 500;
const POLL: Duration = Duration::from_micros(500);
/// The zone is looked at when its serial has stood still so long.
const QUIET: Duration = Duration::from_millis(300);
const LIMIT: Duration = Duration::from_mins(2);

pub(crate) fn run(scale: Scale) -> Vec<Row> {
    let mut population = Population::of_records(scale.size(RECORDS), 100);
    let changed = scattered(&population, scale.size(CHANGES));
    let mut services: Vec<_> = changed.iter().map(|&instance| population.service_of(instance)).collect();
    services.dedup();
    let (own, other) = (Named::filled(&population), Named::filled(&population));
    let site = Site::new(&own, &population, &Settings::default());
    let mut daemon = site.daemon();
    daemon.wait_in_sync();
    own.assert_untouched();
    let mut ours = Series::new(format!("daemon, from the rename of the last of {} files", services.len()));
    let mut reference = Series::new("nsupdate of the same deletes and adds");
    for round in 1..=scale.runs() {
        let before = population.clone();
        for &instance in &changed {
            population.set_weight(instance, u16::try_from(round).unwrap());
        }
        reference.push(other.nsupdate(&script(&before, &population, &changed)).as_secs_f64());
        // What the last round left to do, such as BIND's journal, is done by then.
        sleep(QUIET);
        let start = own.serial();
        site.replace_services(&population, &services);
        ours.push(published(&own, start, changed.len()).as_secs_f64());
        sleep(QUIET);
    }
    drop(daemon);
    assert!(own.lines() == other.lines(), "the daemon did not make the same zone as nsupdate");
    let note =
        format!("{} changes under {} names in {} records", changed.len(), services.len(), population.zone_records());
    vec![Row { name: "converge-changes".to_owned(), unit: "s", ours, reference, target: Target::AtMost(1.2), note }]
}

/// Instances at equal distances.
fn scattered(population: &Population, count: usize) -> Vec<usize> {
    (0..count).map(|index| index * population.total_instances() / count).collect()
}

fn script(before: &Population, after: &Population, changed: &[usize]) -> String {
    let mut script = String::new();
    for part in changed.chunks(CHANGES_PER_SEND) {
        for &instance in part {
            let _ = writeln!(script, "update delete {}", before.srv(instance).line());
            let _ = writeln!(script, "update add {}", after.srv(instance).line());
        }
        script.push_str("send\n");
    }
    script
}

/// How long it takes from now until the zone has that many changes more than at `start`.
///
/// Only the serial is watched, which disturbs nobody; when it stands still, the server's journal says whether all of
/// them are in. What counts is when the last serial appeared.
fn published(named: &Named, start: u32, changes: usize) -> Duration {
    let started = Instant::now();
    let mut client = named.client();
    let (mut last, mut since, mut checked) = (start, started, start);
    while started.elapsed() < LIMIT {
        let now = ask_serial(&mut client);
        if now != last {
            (last, since) = (now, Instant::now());
        }
        if last != checked && since.elapsed() > QUIET {
            if differences(named, start) >= 2 * changes {
                return since - started;
            }
            checked = last;
        }
        sleep(POLL);
    }
    panic!("not published: {} of {} records\n{}", differences(named, start), 2 * changes, named.log());
}

fn ask_serial(client: &mut Client) -> u32 {
    client.soa(ZONE).as_deref().and_then(serial).expect("named answers")
}

/// SRV records deleted and added since that serial.
fn differences(named: &Named, start: u32) -> usize {
    let query = format!("IXFR={start}");
    let mut dig = named.dig(&["+noall", "+answer", ZONE, &query]);
    let answer = run_program(dig.args(named.key_arguments()), "").stdout;
    answer.lines().filter(|line| line.split_whitespace().nth(3) == Some("SRV")).count()
}
