//! Honest replies, changed on their way, to each consumer's look-up: each ends in a verdict, after no more exchanges
//! than names, servers and rounds allow, and the verdicts can be compared.
#![no_main]

use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use srvctl::model::{Rdata, RecordType, Server, Srv};
use srvctl::protocol::lookup::{
    Exchange, Failure, GoConf, GoLookup, Lookup, Profile, Received, Release, Response, Step, Verdict, Views,
};
use srvctl::protocol::wire::{Header, RecordRef, write_header, write_opt, write_question, write_record};

const ID: u16 = 9;
const NAME: &str = "_jenkins._tcp.internal.local";

fuzz_target!(|bytes: &[u8]| {
    let Some((&choice, changes)) = bytes.split_first() else { return };
    let servers: Vec<_> = (0..=choice % 2).map(|host| Server::new(format!("10.0.0.{host}"), 53)).collect();
    let search: Vec<_> = ["corp.", "not..a.name."][..usize::from(choice / 2 % 3)].iter().map(|&s| s.to_owned()).collect();
    let profile = if choice & 0x40 == 0 { Profile::PLAIN } else { Profile::VMAGENT };
    let profile = profile.built_with(if choice & 0x80 == 0 { Release::Current } else { Release::Go1_19 });
    // Each name at each server, and once more over TCP when a reply was cut.
    let exchanges = (search.len() + 1) * servers.len() * 2;

    let mut lookup = Lookup::new(servers.clone(), &search, 1, NAME, RecordType::SRV);
    let prometheus = carry_out(changes, exchanges, |result| {
        result.into_iter().for_each(|result| lookup.finish(result, Duration::ZERO));
        lookup.next(ID)
    });
    let conf = GoConf { search, ..GoConf::of_servers(servers) };
    let rounds = conf.attempts as usize;
    let mut lookup = GoLookup::new(conf, profile, 0, NAME, RecordType::SRV);
    let go = carry_out(changes, exchanges * rounds, |result| {
        result.into_iter().for_each(|result| lookup.finish(result, Duration::ZERO));
        lookup.next(ID)
    });
    for attempt in lookup.attempts() {
        assert!(!attempt.outcome.to_string().is_empty() && !attempt.then.to_string().is_empty());
    }
    let views = Views::of(&prometheus, &go, &go);
    assert!(views.all().iter().all(|(_, view)| !view.reason.is_empty()));
});

fn carry_out(
    changes: &[u8],
    bound: usize,
    mut next: impl FnMut(Option<Result<Response, Failure>>) -> Step,
) -> Verdict {
    // What is done to each reply stands in a part of the input; the last part is for all later replies.
    let parts: Vec<_> = changes.split(|&byte| byte == 0xff).collect();
    let mut result = None;
    for turn in 0..=bound {
        match next(result.take()) {
            Step::Done(verdict) => return verdict,
            Step::Exchange(exchange) => {
                let reply = changed(honest(&exchange), parts[turn.min(parts.len() - 1)]);
                result = Some(match exchange.receive(&reply) {
                    Received::Ignore => Err(Failure::Timeout),
                    Received::Reply(response) => Ok(response),
                    Received::Failed(failure) => Err(failure),
                });
            }
        }
    }
    panic!("no verdict after {bound} exchanges");
}

fn honest(exchange: &Exchange) -> Vec<u8> {
    let name = &exchange.question.name;
    let mut bytes = Vec::new();
    write_header(&mut bytes, Header { id: exchange.id, flags: 0x8580, counts: [1, 2, 0, 1] });
    write_question(&mut bytes, name, RecordType::SRV);
    for port in 1..=2 {
        let target = format!("host-{port}.internal.local").parse().expect("a name");
        let rdata = Rdata::srv(&Srv { priority: 0, weight: 0, port, target });
        let record = RecordRef { name, record_type: RecordType::SRV, class: 1, ttl: 5, rdata: rdata.as_wire() };
        write_record(&mut bytes, name, &record);
    }
    write_opt(&mut bytes, 1232);
    bytes
}

/// Changes of three bytes each: what, where, and with what.
fn changed(mut reply: Vec<u8>, changes: &[u8]) -> Vec<u8> {
    for change in changes.chunks_exact(3) {
        let at = usize::from(change[1]) % reply.len().max(1);
        match change[0] % 5 {
            0 if !reply.is_empty() => reply[at] = change[2],
            1 if !reply.is_empty() => reply[at] ^= 1 << (change[2] % 8),
            2 => reply.truncate(at),
            3 => reply.insert(at.min(reply.len()), change[2]),
            _ => {
                let piece = reply[at.min(reply.len())..].to_vec();
                reply.extend(piece.iter().take(usize::from(change[2])));
            }
        }
    }
    reply
}
