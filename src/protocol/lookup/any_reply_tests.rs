//! Whatever servers reply, each machine comes to a verdict, after no more exchanges than there are to make.

use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;

use super::*;
use crate::model::{Rdata, RecordType, Server, Srv};
use crate::protocol::wire::{Header, Message, RecordRef, write_header, write_opt, write_question, write_record};

const NAME: &str = "_jenkins._tcp.internal.local";
const SERVERS: u16 = 2;
const SEARCH: [&str; 2] = ["corp.", "not..a.name."];

/// An honest reply to the exchange, with a few records and an OPT.
fn honest(exchange: &Exchange) -> Vec<u8> {
    let name = &exchange.question.name;
    let mut bytes = Vec::new();
    write_header(&mut bytes, Header { id: exchange.id, flags: 0x8580, counts: [1, 3, 0, 1] });
    write_question(&mut bytes, name, RecordType::SRV);
    for port in 1..=3 {
        let target = format!("host-{port}.internal.local").parse().unwrap();
        let rdata = Rdata::srv(&Srv { priority: 0, weight: 0, port, target });
        let record = RecordRef { name, record_type: RecordType::SRV, class: 1, ttl: 5, rdata: rdata.as_wire() };
        write_record(&mut bytes, name, &record);
    }
    write_opt(&mut bytes, 1232);
    bytes
}

/// What is done to a reply on its way.
#[derive(Debug, Clone)]
enum Mutation {
    Flip(Index, u8),
    Overwrite(Index, u8),
    Truncate(Index),
    Splice(Index, Index, Index),
    Insert(Index, Vec<u8>),
    Replace(Vec<u8>),
}

impl Mutation {
    fn apply(&self, bytes: &mut Vec<u8>) {
        if bytes.is_empty() {
            return;
        }
        let length = bytes.len();
        match self {
            Self::Flip(at, bit) => bytes[at.index(length)] ^= 1 << (bit % 8),
            Self::Overwrite(at, byte) => bytes[at.index(length)] = *byte,
            Self::Truncate(at) => bytes.truncate(at.index(length)),
            Self::Splice(from, to, into) => {
                let (from, to) = (from.index(length), to.index(length));
                let piece = bytes[from.min(to)..from.max(to)].to_vec();
                let into = into.index(length);
                bytes.splice(into..into, piece);
            }
            Self::Insert(at, new) => {
                let at = at.index(length);
                bytes.splice(at..at, new.iter().copied());
            }
            Self::Replace(new) => bytes.clone_from(new),
        }
    }
}

fn mutation() -> impl Strategy<Value = Mutation> {
    let index = any::<Index>;
    prop_oneof![
        4 => (index(), any::<u8>()).prop_map(|(at, bit)| Mutation::Flip(at, bit)),
        2 => (index(), prop_oneof![Just(0xc0), Just(0), Just(0xff), any::<u8>()])
            .prop_map(|(at, byte)| Mutation::Overwrite(at, byte)),
        1 => index().prop_map(Mutation::Truncate),
        1 => (index(), index(), index()).prop_map(|(from, to, into)| Mutation::Splice(from, to, into)),
        1 => (index(), vec(any::<u8>(), 0..40)).prop_map(|(at, new)| Mutation::Insert(at, new)),
        1 => vec(any::<u8>(), 0..200).prop_map(Mutation::Replace),
    ]
}

/// The mutations of each reply to come; the last ones are used for all further replies.
type Replies = Vec<Vec<Mutation>>;

/// Carries a lookup out; `None` when it has no verdict after as many exchanges as `bound`.
fn carry_out(
    replies: &Replies,
    bound: usize,
    mut next: impl FnMut(Option<Result<Response, Failure>>) -> Step,
) -> Option<Verdict> {
    let mut result = None;
    for turn in 0..=bound {
        match next(result.take()) {
            Step::Done(verdict) => return Some(verdict),
            Step::Exchange(exchange) => {
                let mut bytes = honest(&exchange);
                replies[turn.min(replies.len() - 1)].iter().for_each(|mutation| mutation.apply(&mut bytes));
                result = Some(match exchange.receive(&bytes) {
                    Received::Ignore => Err(Failure::Timeout),
                    Received::Reply(response) => Ok(response),
                    Received::Failed(failure) => Err(failure),
                });
            }
        }
    }
    None
}

fn assert_sound(verdict: &Verdict, attempts: &[Attempt]) {
    for Attempt { outcome, then, suspicions, .. } in attempts {
        let words = suspicions.iter().map(ToString::to_string).collect::<String>();
        assert!(!format!("{outcome}{then}{words}").is_empty());
    }
    match verdict {
        Verdict::Records(answer) => assert!(!answer.targets(0).is_empty()),
        Verdict::Empty { why, .. } => assert!(!why.to_string().is_empty()),
        Verdict::Unknown { reason, .. } => assert!(!reason.to_string().is_empty()),
    }
}

fn servers() -> Vec<Server> {
    (0..SERVERS).map(|last| Server::new(format!("192.0.2.{last}"), 53)).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1024))]

    #[test]
    fn every_lookup_ends_with_a_verdict(replies in vec(vec(mutation(), 0..5), 1..6), strict: bool, debian: bool) {
        let search = SEARCH.map(str::to_owned);
        // Each name, each server, and once more over TCP.
        let exchanges = (SEARCH.len() + 1) * usize::from(SERVERS) * 2;
        let mut lookup = Lookup::new(servers(), &search, 1, NAME, RecordType::SRV);
        let prometheus = carry_out(&replies, exchanges, |result| {
            result.into_iter().for_each(|result| lookup.finish(result, Duration::ZERO));
            lookup.next(9)
        });
        let prometheus = prometheus.expect("Prometheus' lookup ends");
        assert_sound(&prometheus, lookup.attempts());

        let profile = if strict { Profile::VMAGENT } else { Profile::PLAIN };
        let profile = profile.built_with(if debian { Release::Go1_19 } else { Release::Current });
        let conf = GoConf { search: search.into(), ..GoConf::of_servers(servers()) };
        let rounds = conf.attempts as usize;
        let mut lookup = GoLookup::new(conf, profile, 0, NAME, RecordType::SRV);
        let go = carry_out(&replies, exchanges * rounds, |result| {
            result.into_iter().for_each(|result| lookup.finish(result, Duration::ZERO));
            lookup.next(9)
        });
        let go = go.expect("Go's lookup ends");
        assert_sound(&go, lookup.attempts());
        let views = Views::of(&prometheus, &go, &go);
        prop_assert!(views.all().iter().all(|(_, view)| !view.reason.is_empty()));
    }

    #[test]
    fn a_mutated_reply_is_a_message_or_an_error(mutations in vec(mutation(), 0..6)) {
        let Step::Exchange(exchange) =
            Lookup::new(servers(), &[], 1, NAME, RecordType::SRV).next(9) else { panic!() };
        let mut bytes = honest(&exchange);
        mutations.iter().for_each(|mutation| mutation.apply(&mut bytes));
        let _ = Message::parse(&bytes);
    }
}

#[test]
fn an_honest_reply_is_what_all_find() {
    let replies = vec![vec![]];
    let mut lookup = Lookup::new(servers(), &[], 1, NAME, RecordType::SRV);
    let prometheus = carry_out(&replies, 1, |result| {
        result.into_iter().for_each(|result| lookup.finish(result, Duration::ZERO));
        lookup.next(9)
    })
    .unwrap();
    let mut lookup = GoLookup::new(GoConf::of_servers(servers()), Profile::PLAIN, 0, NAME, RecordType::SRV);
    let go = carry_out(&replies, 1, |result| {
        result.into_iter().for_each(|result| lookup.finish(result, Duration::ZERO));
        lookup.next(9)
    })
    .unwrap();
    let views = Views::of(&prometheus, &go, &go);
    assert!(views.agree(), "{views:?}");
    let Fate::Targets { targets } = &views.vmagent.fate else { panic!("{views:?}") };
    assert_eq!(targets.len(), 3);
}
