//! TXT data as a DNS-SD client reads it: whatever comes, nothing panics, keys are told apart, and no control character
//! reaches a terminal.

#![no_main]

use std::collections::BTreeSet;

use libfuzzer_sys::fuzz_target;
use srvctl::model::{Rdata, RecordType};
use srvctl::protocol::dnssd;

fuzz_target!(|data: &[u8]| {
    let (pairs, problems) = dnssd::pairs(&Rdata::from_wire(RecordType::TXT, data));
    let keys: BTreeSet<_> = pairs.iter().map(|pair| pair.key.to_ascii_lowercase()).collect();
    assert_eq!(keys.len(), pairs.len());
    let texts = pairs.iter().map(|pair| &pair.key).chain(&problems);
    assert!(texts.chain([&dnssd::readable(data)]).all(|text| !text.chars().any(char::is_control)));
});
