//! From an empty zone to 100,000 records: `srvctl apply` with everything that belongs to it, beside `nsupdate`, which is
//! told what to add and neither compares nor reads back.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use crate::report::{Row, Series, Target};
use crate::scale::Scale;
use crate::support::{Named, Population, Settings, Site};

const RECORDS: usize = 100_000;
/// As many as fit into one message.
const RECORDS_PER_SEND: usize = 1_000;

pub(crate) fn run(scale: Scale) -> Vec<Row> {
    let population = Population::of_records(scale.size(RECORDS), 100);
    let (_, expected) = apply(&population);
    assert_eq!(expected.len(), population.zone_records(), "records in the zone after apply");
    let script = additions(&expected);
    let mut ours = Series::new("srvctl apply (read, plan, push, read back)");
    let mut reference = Series::new(format!("nsupdate of the same records, {RECORDS_PER_SEND} per send"));
    for _ in 0..scale.runs() {
        let named = Named::empty();
        reference.push(named.nsupdate(&script).as_secs_f64());
        assert!(named.lines() == expected, "nsupdate did not make the same zone");
        drop(named);
        let (took, lines) = apply(&population);
        ours.push(took);
        assert!(lines == expected, "apply does not make the same zone every time");
    }
    let note = format!("{} records", expected.len());
    vec![Row { name: "converge-empty".to_owned(), unit: "s", ours, reference, target: Target::AtMost(0.9), note }]
}

/// Seconds, and the zone afterwards.
fn apply(population: &Population) -> (f64, BTreeSet<String>) {
    let named = Named::empty();
    let site = Site::new(&named, population, &Settings::default());
    let took = site.apply();
    site.assert_in_sync();
    (took.as_secs_f64(), named.lines())
}

/// Each marker beside what it marks: a thousand markers alone are too much for one message.
///
/// The zone's own NS and address are there already, and adding them again does nothing.
fn additions(lines: &BTreeSet<String>) -> String {
    let mut script = String::new();
    let mut lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    lines.sort_by_key(|line| line.strip_prefix("_srvctl.").unwrap_or(line));
    for (index, line) in lines.iter().enumerate() {
        let _ = writeln!(script, "update add {line}");
        if (index + 1) % RECORDS_PER_SEND == 0 {
            script.push_str("send\n");
        }
    }
    script + "send\n"
}
