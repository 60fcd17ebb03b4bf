//! Any bytes as a DNS message: they are read or refused, and what was read can be shown.
#![no_main]

use libfuzzer_sys::fuzz_target;
use srvctl::dns::presentation;
use srvctl::protocol::tsig;
use srvctl::protocol::wire::Message;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(message) = Message::parse(bytes) {
        let Message { header, questions, answers, authorities, additionals } = &message;
        let counts = [questions.len(), answers.len(), authorities.len(), additionals.len()];
        assert!(counts.iter().zip(header.counts).all(|(&read, claimed)| read <= usize::from(claimed)));
        for record in answers.iter().chain(authorities).chain(additionals) {
            let _ = (record.name.to_string(), presentation(&record.rdata));
        }
        let _ = (message.opt(), message.rcode());
    }
    if let Ok(Some((unsigned, tsig))) = tsig::split(bytes) {
        // What was taken off can be put back, and taken off again.
        let mut again = unsigned.clone();
        tsig.append(&mut again);
        assert_eq!(tsig::split(&again), Ok(Some((unsigned, tsig))));
    }
});
