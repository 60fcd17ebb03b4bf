//! Answers to IXFR queries of every shape, and chains of zone versions that come back as they were sent.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::samples::{ANSWER, ID, a, message, origin, soa};
use super::{Refresh, Refreshed, Step, TransferError, ixfr_query};
use crate::model::{Rdata, Record, RecordType};
use crate::protocol::rcode::Rcode;
use crate::protocol::wire::{CLASS_NONE, Message};

/// What the messages bring to somebody who holds a version; none when more would have to come.
fn run(held: u32, messages: &[Vec<u8>]) -> Result<Option<Refreshed>, TransferError> {
    let mut refresh = Refresh::new(ID, origin(), held);
    for (index, message) in messages.iter().enumerate() {
        if refresh.message(message)? {
            assert_eq!(index + 1, messages.len(), "over too early");
            return Ok(Some(refresh.into_refreshed().expect("it said that it is over")));
        }
    }
    Ok(refresh.into_refreshed())
}

fn one(held: u32, records: &[Record]) -> Result<Option<Refreshed>, TransferError> {
    run(held, &[message(ID, ANSWER, records)])
}

/// The records in one message, and in one each; which must not matter.
fn both(held: u32, records: &[Record]) -> Result<Option<Refreshed>, TransferError> {
    let together = one(held, records);
    let apart: Vec<_> = records.iter().map(|record| message(ID, ANSWER, std::slice::from_ref(record))).collect();
    assert_eq!(run(held, &apart).is_ok(), together.is_ok());
    if let (Ok(apart), Ok(together)) = (run(held, &apart), &together) {
        assert_eq!(apart, *together);
    }
    together
}

fn step(from: u32, to: u32, deleted: &[Record], added: &[Record]) -> Step {
    Step { from, to, deleted: deleted.to_vec(), added: added.to_vec(), soa: soa(to) }
}

#[test]
fn the_query_names_the_serial_that_is_held() {
    let bytes = ixfr_query(0x1234, &origin(), 0x0102_0304);
    let query = Message::parse(&bytes).unwrap();
    assert_eq!((query.header.id, query.header.flags, query.header.counts), (0x1234, 0, [1, 0, 1, 0]));
    assert_eq!((&query.questions[0].name, query.questions[0].record_type), (&origin(), RecordType::IXFR));
    assert_eq!((&query.authorities[0].name, query.authorities[0].class), (&origin(), 1));
    assert_eq!(query.authorities[0].rdata.soa_serial(), Some(0x0102_0304));
}

#[test]
fn one_soa_says_that_nothing_is_newer() {
    assert_eq!(both(7, &[soa(7)]), Ok(Some(Refreshed::UpToDate)));
    assert_eq!(both(7, &[soa(6)]), Ok(Some(Refreshed::Behind(6))));
    assert_eq!(both(0, &[soa(u32::MAX)]), Ok(Some(Refreshed::Behind(u32::MAX))));
    assert_eq!(both(0, &[soa(1 << 31)]), Ok(Some(Refreshed::Behind(1 << 31))), "neither is newer");
}

#[test]
fn one_newer_soa_may_be_all_there_is() {
    let mut refresh = Refresh::new(ID, origin(), 7);
    assert!(!refresh.may_be_over());
    assert_eq!(refresh.message(&message(ID, ANSWER, &[soa(9)])), Ok(false));
    assert!(refresh.may_be_over() && !refresh.is_whole());
    assert_eq!(refresh.into_refreshed(), Some(Refreshed::NotAvailable(9)));
}

#[test]
fn steps_from_the_held_serial_to_the_newest() {
    let records = [soa(9), soa(7), a("a"), a("b"), soa(8), a("c"), soa(8), soa(9), a("a"), a("d"), soa(9)];
    let steps = vec![step(7, 8, &[a("a"), a("b")], &[a("c")]), step(8, 9, &[], &[a("a"), a("d")])];
    assert_eq!(both(7, &records), Ok(Some(Refreshed::Steps(steps))));
    let bare = [soa(8), soa(7), soa(8), soa(8)];
    assert_eq!(both(7, &bare), Ok(Some(Refreshed::Steps(vec![step(7, 8, &[], &[])]))));
}

#[test]
fn steps_across_the_wrap() {
    let records = [soa(1), soa(u32::MAX), a("a"), soa(0), soa(0), soa(1), a("b"), soa(1)];
    let steps = vec![step(u32::MAX, 0, &[a("a")], &[]), step(0, 1, &[], &[a("b")])];
    assert_eq!(both(u32::MAX, &records), Ok(Some(Refreshed::Steps(steps))));
}

#[test]
fn a_soa_record_below_the_apex_is_a_record_like_others() {
    let below = Record { name: a("sub").name, ..soa(7) };
    let records = [soa(8), soa(7), below.clone(), soa(8), soa(8)];
    assert_eq!(both(7, &records), Ok(Some(Refreshed::Steps(vec![step(7, 8, &[below], &[])]))));
}

#[test]
fn what_lies_outside_the_zone_is_left_out() {
    let outside = Record { name: "ns.example".parse().unwrap(), ..a("x") };
    let records = [soa(8), soa(7), outside.clone(), soa(8), outside, a("a"), soa(8)];
    assert_eq!(both(7, &records), Ok(Some(Refreshed::Steps(vec![step(7, 8, &[], &[a("a")])]))));
}

#[test]
fn the_whole_zone_instead() {
    for (held, records) in [(7, &[soa(9), a("a"), a("b"), soa(9)][..]), (7, &[soa(9), soa(9)])] {
        let Ok(Some(Refreshed::Whole(zone))) = both(held, records) else { panic!("{records:?}") };
        assert_eq!((zone.serial(), zone.record_count()), (9, records.len() - 1));
    }
    // A server that went back may send everything at once instead of one SOA.
    assert!(matches!(one(7, &[soa(5), a("a"), soa(5)]), Ok(Some(Refreshed::Whole(_)))));
    assert!(matches!(one(7, &[soa(7), a("a"), soa(7)]), Ok(Some(Refreshed::Whole(_)))));
}

#[test]
fn a_whole_zone_is_known_by_its_first_records() {
    let mut refresh = Refresh::new(ID, origin(), 7);
    assert_eq!(refresh.message(&message(ID, ANSWER, &[soa(9), a("a")])), Ok(false));
    assert!(refresh.is_whole() && !refresh.may_be_over());
    assert_eq!(refresh.progress(), (2, 1));
    assert_eq!(refresh.message(&message(ID, ANSWER, &[soa(9)])), Ok(true));
    assert!(refresh.is_whole());
    let mut refresh = Refresh::new(ID, origin(), 7);
    assert_eq!(refresh.message(&message(ID, ANSWER, &[soa(9), soa(7)])), Ok(false));
    assert!(!refresh.is_whole() && !refresh.may_be_over());
}

#[test]
fn cut_short_is_nothing() {
    let incremental = [soa(9), soa(7), a("a"), soa(8), a("b"), soa(8), soa(9), a("c"), soa(9)];
    let whole = [soa(9), a("a"), a("b"), soa(9)];
    for records in [&incremental[..], &whole] {
        for end in 2..records.len() {
            assert_eq!(both(7, &records[..end]), Ok(None), "{:?}", &records[..end]);
        }
    }
}

#[test]
fn refuses_steps_that_do_not_lead_from_what_is_held_to_what_there_is() {
    let other_soa =
        Record { rdata: Rdata::from_wire(RecordType::SOA, [&[0, 0, 0, 0, 0, 9][..], &[1; 16]].concat()), ..soa(9) };
    let no_serial = Record { rdata: Rdata::from_wire(RecordType::SOA, [1]), ..soa(9) };
    for wrong in [
        &[soa(9), soa(6), soa(9), soa(9)][..],                     // begins elsewhere
        &[soa(9), soa(8), soa(9), soa(9)],                         // begins later
        &[soa(9), soa(7), soa(8), soa(9), soa(9), soa(9)],         // one that starts where none ended
        &[soa(9), soa(7), soa(8), a("a"), soa(7), soa(9), soa(9)], // the first twice
        &[soa(9), soa(7), soa(7), soa(7), soa(9), soa(9)],         // one that leads nowhere
        &[soa(9), soa(7), soa(6), soa(6), soa(9), soa(9)],         // one that leads back
        &[soa(9), soa(7), soa(9), other_soa.clone()],              // another end
        &[soa(9), soa(7), other_soa, soa(9)],                      // another end, inside
        &[soa(9), soa(7), soa(9), soa(9), a("a")],                 // goes on
        &[soa(9), soa(7), soa(9), soa(9), soa(9)],                 // goes on
        &[soa(9), soa(7), no_serial.clone(), soa(9)],
        &[no_serial],
        &[soa(6), soa(7), soa(6), soa(6)], // differences to an older one
        &[a("a"), soa(9)],
        &[soa(9), a("a"), soa(8)],
        &[soa(9), a("a"), soa(9), a("b")],
    ] {
        assert!(one(7, wrong).is_err(), "{wrong:?}");
    }
}

#[test]
fn refuses_messages_that_are_no_answer() {
    let good = [soa(8), soa(7), soa(8), soa(8)];
    for wrong in [
        message(ID + 1, ANSWER, &good),
        message(ID, 0x0400, &good),
        message(ID, 0xa400, &good),
        message(ID, 0x8600, &good),
        message(ID, ANSWER, &[]),
        message(ID, ANSWER, &good)[..30].to_vec(),
        Vec::new(),
        {
            let mut other_class = message(ID, ANSWER, &good);
            let at = other_class.len() - 22 - 10 + 3;
            other_class[at] = u8::try_from(CLASS_NONE).unwrap();
            other_class
        },
    ] {
        assert!(run(7, std::slice::from_ref(&wrong)).is_err(), "{wrong:?}");
    }
    assert_eq!(run(7, &[message(ID, 0x8404, &[])]), Err(TransferError::Refused(Rcode::NOTIMP)));
}

#[test]
fn a_refused_message_ends_it_for_good() {
    let mut refresh = Refresh::new(ID, origin(), 7);
    assert_eq!(refresh.message(&message(ID, ANSWER, &[soa(8), soa(7)])), Ok(false));
    assert!(refresh.message(&message(ID, 0x8405, &[])).is_err());
    assert!(refresh.message(&message(ID, ANSWER, &[soa(8), soa(8)])).is_err());
    assert_eq!(refresh.into_refreshed(), None);
}

/// A zone's content apart from its SOA record.
type Content = BTreeSet<Record>;

fn content() -> impl Strategy<Value = Content> {
    let record = (0..12u8, 0..3u8, 1..3u32).prop_map(|(host, last, ttl)| {
        let name = format!("h{host}.internal.local").parse().unwrap();
        Record { name, ttl, rdata: Rdata::a([10, 0, 0, last].into()) }
    });
    prop::collection::btree_set(record, 0..8)
}

/// Versions of a zone with their serials, which may wrap, and where the answer is cut into messages.
fn versions() -> impl Strategy<Value = (Vec<(u32, Content)>, Vec<usize>)> {
    let versions =
        (any::<u32>(), prop::collection::vec((1..1u32 << 27, content()), 2..6)).prop_map(|(start, versions)| {
            let mut serial = start;
            let numbered = |(ahead, content)| {
                serial = serial.wrapping_add(ahead);
                (serial, content)
            };
            versions.into_iter().map(numbered).collect::<Vec<_>>()
        });
    (versions, prop::collection::vec(1..9usize, 60))
}

fn answer(versions: &[(u32, Content)]) -> Vec<Record> {
    let newest = soa(versions.last().unwrap().0);
    let mut records = vec![newest.clone()];
    for pair in versions.windows(2) {
        let [(old_serial, old), (new_serial, new)] = pair else { unreachable!() };
        records.push(soa(*old_serial));
        records.extend(old.difference(new).cloned());
        records.push(soa(*new_serial));
        records.extend(new.difference(old).cloned());
    }
    records.push(newest);
    records
}

fn messages(mut records: &[Record], cuts: &[usize]) -> Vec<Vec<u8>> {
    let mut messages = Vec::new();
    for cut in cuts {
        let (now, later) = records.split_at(records.len().min(*cut));
        if !now.is_empty() {
            messages.push(message(ID, ANSWER, now));
        }
        records = later;
    }
    if !records.is_empty() {
        messages.push(message(ID, ANSWER, records));
    }
    messages
}

fn apply(content: &mut Content, step: &Step) {
    for record in &step.deleted {
        assert!(content.remove(record), "{record} was not there");
    }
    for record in &step.added {
        assert!(content.insert(record.clone()), "{record} was there");
    }
}

proptest! {
    #[test]
    fn steps_lead_to_the_last_version((versions, cuts) in versions()) {
        let (held, mut content) = versions[0].clone();
        let brought = run(held, &messages(&answer(&versions), &cuts)).unwrap();
        let Some(Refreshed::Steps(steps)) = brought else { panic!("{brought:?}") };
        let mut serial = held;
        for step in &steps {
            prop_assert_eq!(step.from, serial);
            serial = step.to;
            prop_assert_eq!(&step.soa, &soa(serial));
            apply(&mut content, step);
        }
        prop_assert_eq!(&(serial, content), versions.last().unwrap());
    }

    #[test]
    fn a_lost_record_is_never_a_lost_step((versions, cuts) in versions(), lost: prop::sample::Index) {
        let mut records = answer(&versions);
        let lost = records.remove(lost.index(records.len()));
        // TSIG sees to other records; without an SOA record the steps do not fit together any more.
        if lost.rdata.record_type() == RecordType::SOA {
            let mut refresh = Refresh::new(ID, origin(), versions[0].0);
            let over = messages(&records, &cuts).iter().any(|message| refresh.message(message) != Ok(false));
            let brought = refresh.into_refreshed().filter(|_| over);
            prop_assert!(!matches!(brought, Some(Refreshed::Steps(_))), "{:?}", brought);
        }
    }

    #[test]
    fn a_whole_zone_comes_whole((versions, cuts) in versions()) {
        let (serial, content) = versions.last().unwrap();
        let mut records = vec![soa(*serial)];
        records.extend(content.iter().cloned());
        records.push(soa(*serial));
        let brought = run(versions[0].0, &messages(&records, &cuts)).unwrap();
        let Some(Refreshed::Whole(zone)) = brought else { panic!("{brought:?}") };
        let distinct: BTreeSet<_> = content.iter().map(|record| (&record.name, &record.rdata)).collect();
        prop_assert_eq!((zone.serial(), zone.record_count()), (*serial, distinct.len() + 1));
    }
}
