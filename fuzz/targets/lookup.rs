//! Any replies to a look-up: it ends in a verdict, after no more exchanges than names and servers allow.
#![no_main]

use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use srvctl::model::{RecordType, Server};
use srvctl::protocol::lookup::{Failure, Lookup, Received, Step, Verdict};

const ID: u16 = 9;

fuzz_target!(|bytes: &[u8]| {
    let Some((&choice, bytes)) = bytes.split_first() else { return };
    let servers: Vec<_> = (0..choice % 4).map(|host| Server::new(format!("10.0.0.{host}"), 53)).collect();
    let search = ["example.org".to_owned(), "not..a.name".to_owned()];
    let search = &search[..usize::from(choice / 4 % 3)];
    let name = ["_jenkins._tcp.internal.local.", "_jenkins._tcp", "jenkins", "", "."][usize::from(choice / 16 % 5)];
    // One name more than the search list; each server once, and once more over TCP when a reply was cut.
    let bound = (search.len() + 1) * (servers.len() + 1);
    let mut lookup = Lookup::new(servers, search, usize::from(choice % 2), name, RecordType::SRV);
    if choice & 0x80 != 0 {
        lookup = lookup.over_tcp();
    }
    let mut replies = Replies(bytes);
    for _ in 0..=bound {
        match lookup.next(ID) {
            Step::Exchange(exchange) => {
                let received = loop {
                    match replies.next().map(|reply| exchange.receive(&reply)) {
                        Some(Received::Ignore) => {}
                        Some(Received::Reply(response)) => break Ok(response),
                        Some(Received::Failed(failure)) => break Err(failure),
                        None => break Err(Failure::Timeout),
                    }
                };
                lookup.finish(received, Duration::ZERO);
            }
            Step::Done(verdict) => return show(&lookup, &verdict),
        }
    }
    panic!("no verdict after {bound} exchanges");
});

/// Replies, each with a byte in front: its length, and in the last bit whether it has our ID.
struct Replies<'a>(&'a [u8]);

impl Iterator for Replies<'_> {
    type Item = Vec<u8>;

    fn next(&mut self) -> Option<Vec<u8>> {
        let (&head, rest) = self.0.split_first()?;
        let (reply, rest) = rest.split_at(rest.len().min(usize::from(head)));
        self.0 = rest;
        let mut reply = reply.to_vec();
        if let ([high, low, ..], 1) = (&mut reply[..], head % 2) {
            [*high, *low] = ID.to_be_bytes();
        }
        Some(reply)
    }
}

fn show(lookup: &Lookup, verdict: &Verdict) {
    for attempt in lookup.attempts() {
        let _ = (attempt.outcome.to_string(), attempt.suspicions.iter().map(ToString::to_string).collect::<String>());
    }
    match verdict {
        Verdict::Records(answer) => assert!(!answer.targets(0).is_empty()),
        Verdict::Empty { .. } => assert!(verdict.reply().is_some()),
        Verdict::Unknown { reason, .. } => assert!(!reason.to_string().is_empty()),
    }
}
