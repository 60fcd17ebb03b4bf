use super::*;
use crate::model::{Name, Rdata, Srv};
use crate::protocol::lookup::{Received, Suspicion, UnpackError};
use crate::protocol::wire::{Header, RecordRef, WireError, write_header, write_record};

const NAME: &str = "_jenkins._tcp.internal.local";

fn servers(count: u16) -> Vec<Server> {
    (1..=count).map(|last| Server::new(format!("192.0.2.{last}"), 53)).collect()
}

fn lookup(count: u16, search: &[&str]) -> Lookup {
    let search: Vec<String> = search.iter().map(|&suffix| suffix.to_owned()).collect();
    Lookup::new(servers(count), &search, 1, NAME, RecordType::SRV)
}

/// A reply to the exchange: header flags with the code, and how many SRV records.
#[expect(clippy::unnecessary_wraps, reason = "it is what `finish` takes")]
fn reply(exchange: &Exchange, flags: u16, records: u16) -> Result<Response, Failure> {
    let mut bytes = exchange.message[..exchange.message.len() - if exchange.via.edns { 11 } else { 0 }].to_vec();
    let mut header = Vec::new();
    write_header(&mut header, Header { id: exchange.id, flags: 0x8000 | flags, counts: [1, records, 0, 0] });
    bytes.splice(..12, header);
    let name = &exchange.question.name;
    for port in 0..records {
        let rdata = Rdata::srv(&Srv { priority: 0, weight: 0, port, target: "host.internal.local".parse().unwrap() });
        let record = RecordRef { name, record_type: RecordType::SRV, class: 1, ttl: 5, rdata: rdata.as_wire() };
        write_record(&mut bytes, name, &record);
    }
    match exchange.receive(&bytes) {
        Received::Reply(response) => Ok(response),
        other => panic!("{other:?}"),
    }
}

const TC: u16 = 0x0200;
const SERVFAIL: u16 = 2;
const NXDOMAIN: u16 = 3;

/// Runs a lookup against an oracle; what was asked comes back beside the verdict.
fn run(mut lookup: Lookup, oracle: impl Fn(&Exchange) -> Result<Response, Failure>) -> (Verdict, Vec<String>) {
    let mut asked = Vec::new();
    for id in 0.. {
        match lookup.next(id) {
            Step::Done(verdict) => return (verdict, asked),
            Step::Exchange(exchange) => {
                asked.push(format!("{} {}", exchange.candidate, exchange.via));
                lookup.finish(oracle(&exchange), Duration::ZERO);
            }
        }
    }
    unreachable!()
}

fn found(verdict: &Verdict) -> usize {
    match verdict {
        Verdict::Records(answer) => answer.targets(0).len(),
        other => panic!("{other:?}"),
    }
}

fn emptiness(verdict: &Verdict) -> Emptiness {
    match verdict {
        Verdict::Empty { why, .. } => *why,
        other => panic!("{other:?}"),
    }
}

fn unknown(verdict: &Verdict) -> &Unknown {
    match verdict {
        Verdict::Unknown { reason, .. } => reason,
        other => panic!("{other:?}"),
    }
}

fn is_server(exchange: &Exchange, last: u16) -> bool {
    exchange.via.server.host == format!("192.0.2.{last}")
}

#[test]
fn the_query_is_prometheus_own() {
    let Step::Exchange(exchange) = lookup(1, &[]).next(0x1234) else { panic!() };
    let expected = crate::protocol::wire::query(0x1234, &NAME.parse().unwrap(), RecordType::SRV, true, Some(4096));
    assert_eq!(exchange.message, expected);
    assert_eq!((exchange.via.transport, exchange.via.edns), (Transport::Udp, true));
}

#[test]
fn the_first_viable_answer_wins() {
    let (verdict, asked) =
        run(lookup(3, &[]), |exchange| reply(exchange, if is_server(exchange, 1) { SERVFAIL } else { 0 }, 2));
    assert_eq!((found(&verdict), asked.len()), (2, 2));
}

#[test]
fn every_server_is_asked_once_in_order() {
    let (verdict, asked) = run(lookup(4, &[]), |exchange| reply(exchange, SERVFAIL, 1));
    let expected: Vec<_> = (1..=4).map(|last| format!("{NAME}. 192.0.2.{last}:53 over UDP")).collect();
    assert_eq!(asked, expected);
    assert_eq!(
        unknown(&verdict).to_string(),
        "could not resolve \"_jenkins._tcp.internal.local\": \
         all servers responded with errors to at least one search domain"
    );
}

#[test]
fn only_noerror_and_nxdomain_are_viable() {
    for code in (1..16).filter(|&code| code != NXDOMAIN) {
        let (verdict, asked) = run(lookup(2, &[]), |exchange| reply(exchange, code, 1));
        assert!(matches!(verdict, Verdict::Unknown { reply: Some(_), .. }), "{code}");
        assert_eq!(asked.len(), 2);
    }
}

#[test]
fn nxdomain_is_final_for_its_candidate() {
    let (verdict, asked) = run(lookup(2, &["corp"]), |exchange| reply(exchange, NXDOMAIN, 0));
    assert_eq!(emptiness(&verdict), Emptiness::NxDomain);
    let expected = [format!("{NAME}. 192.0.2.1:53 over UDP"), format!("{NAME}.corp. 192.0.2.1:53 over UDP")];
    assert_eq!(asked, expected);
}

#[test]
fn nodata_stops_the_search_list() {
    let (verdict, asked) = run(lookup(2, &["corp"]), |exchange| reply(exchange, 0, 0));
    assert_eq!((emptiness(&verdict), asked.len()), (Emptiness::NoData, 1));
}

#[test]
fn a_failed_candidate_makes_emptiness_unknown_but_not_records() {
    let is_corp = |exchange: &Exchange| exchange.candidate.ends_with("corp.");
    let after_failure = |flags, records| {
        run(lookup(1, &["corp"]), |exchange| {
            if is_corp(exchange) { reply(exchange, flags, records) } else { Err(Failure::Timeout) }
        })
        .0
    };
    assert_eq!(unknown(&after_failure(NXDOMAIN, 0)), &Unknown::NoAnswer(NAME.into()));
    assert_eq!(emptiness(&after_failure(0, 0)), Emptiness::NoData);
    assert_eq!(found(&after_failure(0, 1)), 1);
}

#[test]
fn a_cut_reply_is_asked_for_again_over_tcp_without_opt() {
    let (verdict, asked) = run(lookup(1, &[]), |exchange| match exchange.via.transport {
        Transport::Udp => reply(exchange, TC, 1),
        Transport::Tcp => reply(exchange, 0, 5),
    });
    assert_eq!(found(&verdict), 5);
    assert_eq!(asked[1], format!("{NAME}. 192.0.2.1:53 over TCP without EDNS"));
}

#[test]
fn truncation_counts_before_the_response_code() {
    let (_, asked) = run(lookup(1, &[]), |exchange| match exchange.via.transport {
        Transport::Udp => reply(exchange, TC | SERVFAIL, 0),
        Transport::Tcp => reply(exchange, 0, 1),
    });
    assert_eq!(asked.len(), 2);
}

#[test]
fn tcp_sticks_to_the_candidate() {
    let (verdict, asked) = run(lookup(3, &["corp"]), |exchange| match exchange.via.transport {
        Transport::Udp if is_server(exchange, 1) => reply(exchange, SERVFAIL, 0),
        Transport::Udp => reply(exchange, TC, 0),
        Transport::Tcp => Err(Failure::Io("refused".into())),
    });
    assert!(matches!(verdict, Verdict::Unknown { .. }));
    let of_candidate = |candidate: &str| {
        ["1:53 over UDP", "2:53 over UDP", "2:53 over TCP without EDNS", "3:53 over TCP"]
            .map(|via| format!("{candidate} 192.0.2.{via}"))
    };
    let expected = [of_candidate(&format!("{NAME}.")), of_candidate(&format!("{NAME}.corp."))].concat();
    assert_eq!(asked, expected);
}

#[test]
fn a_cut_reply_over_tcp_is_an_error() {
    let (verdict, asked) = run(lookup(2, &[]), |exchange| reply(exchange, TC, 1));
    let expected = ["1:53 over UDP", "1:53 over TCP without EDNS", "2:53 over TCP"];
    assert_eq!(asked, expected.map(|via| format!("{NAME}. 192.0.2.{via}")));
    assert_eq!(unknown(&verdict), &Unknown::NoAnswer(NAME.into()));
}

#[test]
fn tcp_from_the_start_keeps_opt() {
    let (_, asked) = run(lookup(1, &["corp"]).over_tcp(), |exchange| reply(exchange, NXDOMAIN, 0));
    assert_eq!(asked[0], format!("{NAME}. 192.0.2.1:53 over TCP"));
    assert_eq!(asked[1], format!("{NAME}.corp. 192.0.2.1:53 over TCP"));
}

#[test]
fn the_configured_name_is_kept_whatever_candidate_matched() {
    let (verdict, _) = run(lookup(1, &["corp"]), |exchange| {
        let found = exchange.candidate.ends_with("corp.");
        reply(exchange, if found { 0 } else { NXDOMAIN }, u16::from(found))
    });
    let Verdict::Records(answer) = verdict else { panic!() };
    assert_eq!(answer.targets(0)[0].labels["__meta_dns_name"], NAME);
    assert_eq!(answer.reply.candidate, format!("{NAME}.corp."));
}

#[test]
fn without_servers_nothing_is_known() {
    let (verdict, asked) = run(lookup(0, &["corp"]), |_| panic!());
    assert_eq!((unknown(&verdict), asked.len()), (&Unknown::NoServers, 0));
}

#[test]
fn the_search_dot_turns_emptiness_into_an_error() {
    let nxdomain = |exchange: &Exchange| reply(exchange, NXDOMAIN, 0);
    let (verdict, asked) = run(lookup(1, &["."]), nxdomain);
    assert_eq!((unknown(&verdict), asked.len()), (&Unknown::NoAnswer(NAME.into()), 1));
    let absolute = Lookup::new(servers(1), &[".".into()], 1, &format!("{NAME}."), RecordType::SRV);
    assert_eq!(emptiness(&run(absolute, nxdomain).0), Emptiness::NxDomain);
}

#[test]
fn a_name_that_cannot_be_sent_is_an_error_without_a_packet() {
    for bad in ["a..b".to_owned(), format!("{}.local", "x".repeat(64))] {
        let mut lookup = Lookup::new(servers(2), &[], 1, &bad, RecordType::SRV);
        assert!(matches!(lookup.next(1), Step::Done(Verdict::Unknown { .. })), "{bad}");
        let attempt = &lookup.attempts()[0];
        assert_eq!((&attempt.via, attempt.then), (&None, Then::Failed));
        assert!(matches!(attempt.outcome, Outcome::Failed(Failure::Unsendable(_))));
    }
}

#[test]
fn the_trace_says_what_happened_and_why() {
    let mut machine = lookup(2, &["corp"]);
    let took = Duration::from_millis(3);
    for id in 0.. {
        let Step::Exchange(exchange) = machine.next(id) else { break };
        let result = match exchange.via.transport {
            Transport::Udp if is_server(&exchange, 1) => Err(Failure::Timeout),
            Transport::Udp if exchange.candidate.ends_with("corp.") => reply(&exchange, 0, 1),
            Transport::Udp => reply(&exchange, TC, 0),
            Transport::Tcp => reply(&exchange, SERVFAIL, 0),
        };
        machine.finish(result, took);
    }
    let trace: Vec<_> =
        machine.attempts().iter().map(|attempt| format!("{}; {}", attempt.outcome, attempt.then)).collect();
    assert_eq!(
        trace,
        [
            "no answer within 2 s; no answer, asks the next server",
            "truncated at 46 bytes; asks the same server over TCP",
            "SERVFAIL, 0 records, 46 bytes; no server left, the name counts as failed",
            "no answer within 2 s; no answer, asks the next server",
            "NOERROR, 1 record, 90 bytes; NOERROR ends the lookup",
        ]
    );
    assert!(machine.into_attempts().iter().all(|attempt| attempt.took == took && attempt.suspicions.is_empty()));
}

#[test]
fn what_prometheus_overlooks_is_noted() {
    let mut machine = lookup(1, &[]);
    let Step::Exchange(exchange) = machine.next(7) else { panic!() };
    let Received::Reply(reflected) = exchange.receive(&exchange.message) else { panic!() };
    machine.finish(Ok(reflected), Duration::ZERO);
    let Step::Done(verdict) = machine.next(8) else { panic!() };
    assert_eq!(emptiness(&verdict), Emptiness::NoData);
    assert_eq!(machine.attempts()[0].suspicions, [Suspicion::NotAResponse]);
}

#[test]
fn ids_are_judged_per_transport_and_after_unpacking() {
    let mut machine = lookup(1, &[]);
    let Step::Exchange(mut exchange) = machine.next(0x0102) else { panic!() };
    let header = |id: u16| [&id.to_be_bytes()[..], &[0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0]].concat();
    let broken = Received::Failed(Failure::Unpack(UnpackError::Wire(WireError::Short)));
    assert!(matches!(exchange.receive(&header(0x0102)), Received::Reply(_)));
    assert_eq!(exchange.receive(&header(0x0103)), Received::Ignore);
    assert_eq!(exchange.receive(&header(0x0103)[..11]), broken);
    let mut cut = header(0x0103);
    cut[7] = 1;
    cut.push(3);
    assert_eq!(exchange.receive(&cut), broken);
    assert_eq!(exchange.receive(b""), broken);
    exchange.via.transport = Transport::Tcp;
    assert_eq!(exchange.receive(&header(0x0103)), Received::Failed(Failure::IdMismatch { sent: 0x0102, got: 0x0103 }));
}

#[test]
fn a_report_that_nobody_waits_for_is_ignored() {
    let mut machine = lookup(1, &[]);
    machine.finish(Err(Failure::Timeout), Duration::ZERO);
    assert!(machine.attempts().is_empty());
    let (Step::Exchange(first), Step::Exchange(second)) = (machine.next(1), machine.next(2)) else { panic!() };
    assert_eq!((first.id, second.id, &first.candidate), (1, 2, &second.candidate));
}

#[test]
fn a_long_name_is_refused_before_it_is_sent() {
    let long = vec!["x".repeat(60); 5].join(".");
    let mut machine = Lookup::new(servers(1), &[], 1, &long, RecordType::SRV);
    assert!(matches!(machine.next(1), Step::Done(Verdict::Unknown { .. })));
    assert!(long.parse::<Name>().is_err());
}

/// What a test feeds into a lookup.
#[derive(Debug, Clone)]
enum Feed {
    Bytes(Vec<u8>),
    Flags(u16, u16),
    Failure,
}

fn feed() -> impl proptest::strategy::Strategy<Value = Feed> {
    use proptest::prelude::*;
    prop_oneof![
        proptest::collection::vec(any::<u8>(), 0..200).prop_map(Feed::Bytes),
        (prop_oneof![Just(0u16), Just(TC), Just(SERVFAIL), Just(NXDOMAIN), 0u16..0x7fff], 0u16..3)
            .prop_map(|(flags, records)| Feed::Flags(flags, records)),
        Just(Feed::Failure),
    ]
}

fn result_of(exchange: &Exchange, feed: &Feed) -> Result<Response, Failure> {
    match feed {
        Feed::Failure => Err(Failure::Timeout),
        Feed::Flags(flags, records) => reply(exchange, *flags, *records),
        Feed::Bytes(tail) => {
            let bytes = [&exchange.id.to_be_bytes()[..], tail].concat();
            match exchange.receive(&bytes) {
                Received::Reply(response) => Ok(response),
                Received::Failed(failure) => Err(failure),
                Received::Ignore => unreachable!("the ID is right"),
            }
        }
    }
}

proptest::proptest! {
    #[test]
    fn every_lookup_ends(
        count in 0u16..4,
        search in proptest::collection::vec("[a-z.]{0,5}", 0..4),
        name in r"[a-z.\\]{0,8}",
        feeds in proptest::collection::vec(feed(), 1..12),
    ) {
        let mut machine = Lookup::new(servers(count), &search, 1, &name, RecordType::SRV);
        let most = usize::from(count) * (1 + search.len()) * 2;
        let mut exchanges = 0;
        let verdict = loop {
            match machine.next(u16::try_from(exchanges).unwrap()) {
                Step::Done(verdict) => break verdict,
                Step::Exchange(exchange) => machine.finish(result_of(&exchange, &feeds[exchanges % feeds.len()]), Duration::ZERO),
            }
            exchanges += 1;
            proptest::prop_assert!(exchanges <= most);
        };
        if let Verdict::Records(answer) = &verdict {
            proptest::prop_assert!(!answer.targets(1).is_empty());
        }
        for attempt in machine.attempts() {
            let _ = format!("{} {:?} {}", attempt.outcome, attempt.suspicions, attempt.then);
        }
    }

    #[test]
    fn any_bytes_are_received(bytes in proptest::collection::vec(0u8..=255, 0..300)) {
        let Step::Exchange(exchange) = lookup(1, &[]).next(1) else { panic!() };
        let _ = exchange.receive(&bytes);
    }
}
