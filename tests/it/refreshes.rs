//! What BIND answers to "what has changed since", in every form that it has.

use std::collections::BTreeSet;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use srvctl::model::{RecordType, Zone};
use srvctl::protocol::transfer::{Refresh, Refreshed, ixfr_query};

use crate::support::{Named, primary, runtime};

const ZONE: &str = "internal.local";
const ID: u16 = 4711;
/// A message alone in a transfer, and several in one.
const FORMATS: [&str; 2] = ["transfer-format one-answer;", "transfer-format many-answers;"];
/// Whatever the size of the zone: BIND prefers whole zones when the steps are longer.
const ALWAYS_STEPS: &str = "max-ixfr-ratio unlimited;";

fn named(options: &str) -> Named {
    let name = "srvctl-test";
    let zone_options = format!("allow-update {{ key \"{name}\"; }}; allow-transfer {{ any; }};");
    Named::builder().zone_options(&zone_options).options(options).start()
}

fn refresh(named: &Named, held: u32) -> Refreshed {
    let mut stream = TcpStream::connect(named.address()).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let query = ixfr_query(ID, &ZONE.parse().unwrap(), held);
    stream.write_all(&u16::try_from(query.len()).unwrap().to_be_bytes()).unwrap();
    stream.write_all(&query).unwrap();
    let mut refresh = Refresh::new(ID, ZONE.parse().unwrap(), held);
    loop {
        let mut length = [0; 2];
        stream.read_exact(&mut length).unwrap();
        let mut message = vec![0; usize::from(u16::from_be_bytes(length))];
        stream.read_exact(&mut message).unwrap();
        if refresh.message(&message).unwrap() {
            return refresh.into_refreshed().unwrap();
        }
    }
}

fn transfer(named: &Named) -> Zone {
    runtime().block_on(primary(named, named.address()).transfer()).unwrap()
}

/// A zone's records but for its SOA record, as lines.
fn lines(zone: &Zone) -> BTreeSet<String> {
    let records = zone.names().flat_map(|(name, sets)| sets.iter().flat_map(move |set| set.records(&name)));
    let others = records.filter(|record| record.rdata.record_type() != RecordType::SOA);
    others.map(|record| record.to_string()).collect()
}

#[test]
fn steps_make_the_zone_that_the_server_has() {
    for format in FORMATS {
        let named = named(&format!("{ALWAYS_STEPS} {format}"));
        let before = transfer(&named);
        named.nsupdate(&format!("update add a.{ZONE} 300 A 10.0.0.1\nupdate add b.{ZONE} 300 A 10.0.0.2"));
        named.nsupdate(&format!("update delete a.{ZONE}\nupdate add c.{ZONE} 300 TXT text"));
        named.nsupdate(&format!("update add b.{ZONE} 60 A 10.0.0.3"));
        let after = transfer(&named);
        let Refreshed::Steps(steps) = refresh(&named, before.serial()) else { panic!("{format} no steps") };
        assert_eq!(steps.len(), 3, "{format}");
        let mut content = lines(&before);
        for step in &steps {
            for record in &step.deleted {
                assert!(content.remove(&record.to_string()), "{record} was not there");
            }
            content.extend(step.added.iter().map(ToString::to_string));
        }
        assert_eq!(content, lines(&after), "{format}");
        let last = steps.last().unwrap();
        assert_eq!((steps[0].from, last.to), (before.serial(), after.serial()));
        assert_eq!(after.rrset(&last.soa.name, RecordType::SOA).unwrap().records(&last.soa.name)[0], last.soa);
        let Refreshed::Steps(later) = refresh(&named, steps[0].to) else { panic!("{format} no steps") };
        assert_eq!(later, steps[1..], "{format}");
    }
}

#[test]
fn nothing_is_newer() {
    for format in FORMATS {
        let named = named(format);
        let serial = named.serial();
        assert_eq!(refresh(&named, serial), Refreshed::UpToDate, "{format}");
        assert_eq!(refresh(&named, serial.wrapping_add(5)), Refreshed::Behind(serial), "{format}");
    }
}

#[test]
fn the_whole_zone_instead_of_steps_that_are_longer_or_forgotten() {
    for format in FORMATS {
        let named = named(format);
        let forgotten = named.serial().wrapping_sub(1);
        let held = named.serial();
        for host in 0..20 {
            named.nsupdate(&format!("update delete h.{ZONE}\nupdate add h.{ZONE} 300 A 10.0.0.{host}"));
        }
        for held in [held, forgotten] {
            assert_eq!(refresh(&named, held), Refreshed::Whole(transfer(&named)), "{format} since {held}");
        }
    }
}
