//! Reading a large zone: srvctl's own transfer into memory, beside `dig`, which prints it into the void.

use std::sync::Arc;
use std::time::Instant;

use srvctl::dns::{Primary, Sha1, TsigKey};
use srvctl::model::Server;
use tokio::runtime::Builder;

use crate::report::{Row, Series, Target};
use crate::scale::Scale;
use crate::support::{Named, Population, ZONE, timed};

const RECORDS: usize = 300_000;

pub(crate) fn run(scale: Scale) -> Vec<Row> {
    let population = Population::of_records(scale.size(RECORDS), 100);
    let named = Named::filled(&population);
    let key = TsigKey::parse(&Arc::from("bench.key"), &named.key().text(), Sha1::Refused).unwrap();
    let primary = Primary::new(ZONE.parse().unwrap(), Server::from(named.address()), &key);
    let runtime = Builder::new_multi_thread().enable_all().build().unwrap();
    let records = population.zone_records();
    assert_eq!(named.lines().len(), records, "records that dig receives");
    let mut ours = Series::new("AXFR into memory, every message verified");
    let mut reference = Series::new("dig AXFR with the key, output thrown away");
    for _ in 0..scale.runs() {
        reference.push(timed(&mut named.dig_transfer(), None).as_secs_f64());
        let started = Instant::now();
        let zone = runtime.block_on(primary.transfer()).unwrap();
        ours.push(started.elapsed().as_secs_f64());
        let received = zone.record_count();
        assert!(received == records || received == records + 1, "{received} records received of {records} and the SOA");
    }
    let note = format!("{records} records");
    vec![Row { name: "transfer".to_owned(), unit: "s", ours, reference, target: Target::AtMost(1.0), note }]
}
