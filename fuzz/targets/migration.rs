//! Any text as a file of another tool: what is made of it can be written, and says the same when it is read back.
#![no_main]

use std::path::Path;

use libfuzzer_sys::fuzz_target;
use srvctl::model::Name;
use srvctl::reconcile::migration::scrape_jobs::{self, Sorting};
use srvctl::reconcile::migration::{Outcome, Source, Terms, consul, inventory, records};
use srvctl::sources::{self, migration, prometheus};

fn can_be_written(outcome: &Outcome, zones: &[Name]) {
    for migrated in &outcome.services {
        let comments: Vec<_> = outcome.remarks.iter().map(|remark| remark.message.clone()).collect();
        let text = sources::write(&migrated.service, &comments, Path::new("fuzz.toml"), zones);
        let read = sources::parse(&"fuzz.toml".into(), &text.as_str().into(), zones).expect("it can be read");
        assert!(read.len() == 1 && read[0].is_the_same(&migrated.service), "{text}");
    }
}

fuzz_target!(|text: &str| {
    let zones: Vec<Name> = ["internal.local", "sub.internal.local"].map(|zone| zone.parse().expect("a name")).into();
    let terms = Terms {
        zones: zones.clone(),
        generate_hosts: true,
        addresses: true,
        ..Terms::of_zone(zones[0].clone())
    };
    if let Ok(file) = migration::parse_consul("fuzz.json", text, Some("vm1")) {
        can_be_written(&consul::map(&terms, &[file]), &zones);
    }
    let rules = migration::parse_rules("fuzz.toml", text).unwrap_or_default();
    if let Ok(read) = migration::parse_inventory("fuzz.json", text) {
        can_be_written(&inventory::map(&terms, &read, &rules), &zones);
    }
    for file in ["fuzz.json", "fuzz.yml"] {
        if let Ok(groups) = prometheus::parse_file_sd(file, text) {
            let sorting = Sorting { service: None, label: "job".into() };
            can_be_written(&scrape_jobs::map_groups(&terms, &groups, &sorting), &zones);
        }
    }
    if let Ok(configuration) = prometheus::parse("fuzz.yml", text) {
        can_be_written(&scrape_jobs::map(&terms, &Source::file("fuzz.yml"), &configuration, &[]), &zones);
    }
    let read = migration::parse_master_file("fuzz.zone", text, &zones[0], 300);
    can_be_written(&records::map(&terms, &records::Listing { records: read.records }), &zones);
});
