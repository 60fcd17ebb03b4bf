use super::*;
use crate::model::{Name, Rdata, Srv};
use crate::protocol::lookup::{Received, VMAGENT_BUDGET};
use crate::protocol::wire::{Header, RecordRef, write_header, write_opt, write_record};

const NAME: &str = "_jenkins._tcp.internal.local";
const AA: u16 = 0x0400;
const TC: u16 = 0x0200;
const SERVFAIL: u16 = 2;
const NXDOMAIN: u16 = 3;

fn servers(count: u16) -> Vec<Server> {
    (1..=count).map(|last| Server::new(format!("192.0.2.{last}"), 53)).collect()
}

fn conf(count: u16, search: &[&str]) -> GoConf {
    let search = search.iter().map(|&suffix| suffix.to_owned()).collect();
    GoConf { search, ..GoConf::of_servers(servers(count)) }
}

fn lookup(conf: GoConf) -> GoLookup {
    GoLookup::new(conf, Profile::PLAIN, 0, NAME, RecordType::SRV)
}

fn of_profile(profile: Profile, conf: GoConf) -> GoLookup {
    GoLookup::new(conf, profile, 0, NAME, RecordType::SRV)
}

const DEBIAN: Profile = Profile::PLAIN.built_with(Release::Go1_19);

/// An authoritative reply: flags with the code, and the answers.
fn bytes(exchange: &Exchange, flags: u16, answers: &[Rdata]) -> Vec<u8> {
    let count = u16::try_from(answers.len()).unwrap();
    let name = &exchange.question.name;
    let mut bytes = Vec::new();
    write_header(&mut bytes, Header { id: exchange.id, flags: 0x8000 | AA ^ flags, counts: [1, count, 0, 0] });
    crate::protocol::wire::write_question(&mut bytes, name, exchange.question.record_type);
    for rdata in answers {
        let record = RecordRef { name, record_type: rdata.record_type(), class: 1, ttl: 5, rdata: rdata.as_wire() };
        write_record(&mut bytes, name, &record);
    }
    bytes
}

fn srv(target: &str) -> Rdata {
    Rdata::srv(&Srv { priority: 0, weight: 0, port: 8080, target: target.parse().unwrap() })
}

fn good() -> [Rdata; 1] {
    [srv("host.internal.local")]
}

/// What arrives, one message after the other, until one counts; none is silence.
fn receive(exchange: &Exchange, messages: &[Vec<u8>]) -> Result<Response, Failure> {
    for message in messages {
        match exchange.receive(message) {
            Received::Ignore => {}
            Received::Reply(response) => return Ok(response),
            Received::Failed(failure) => return Err(failure),
        }
    }
    Err(Failure::TimedOut(exchange.limit().unwrap()))
}

/// Runs a lookup against an oracle; what was asked comes back beside the verdict.
fn run(mut lookup: GoLookup, oracle: impl Fn(&Exchange) -> Vec<Vec<u8>>) -> (Verdict, Vec<String>) {
    let mut asked = Vec::new();
    for id in 0.. {
        match lookup.next(id) {
            Step::Done(verdict) => return (verdict, asked),
            Step::Exchange(exchange) => {
                asked.push(format!("{} {}", exchange.candidate, exchange.via));
                let result = receive(&exchange, &oracle(&exchange));
                let silent = matches!(result, Err(Failure::TimedOut(_)));
                lookup.finish(result, if silent { exchange.limit().unwrap() } else { Duration::ZERO });
            }
        }
    }
    unreachable!()
}

fn found(verdict: &Verdict) -> Vec<String> {
    match verdict {
        Verdict::Records(answer) => answer.addresses(0).collect(),
        other => panic!("{other:?}"),
    }
}

const FOUND: [&str; 1] = ["host.internal.local:8080"];

#[track_caller]
fn assert_no_such_host(verdict: &Verdict) {
    assert!(matches!(verdict, Verdict::Empty { why: Emptiness::NoSuchHost, .. }), "{verdict:?}");
}

fn problem(verdict: &Verdict) -> &GoProblem {
    match verdict {
        Verdict::Unknown { reason: Unknown::Go(error), .. } => &error.problem,
        other => panic!("{other:?}"),
    }
}

fn is_server(exchange: &Exchange, last: u16) -> bool {
    exchange.via.server.host == format!("192.0.2.{last}")
}

/// The first server's message, and a good answer of the others.
fn then_good(exchange: &Exchange, first: Vec<u8>) -> Vec<Vec<u8>> {
    vec![if is_server(exchange, 1) { first } else { bytes(exchange, 0, &good()) }]
}

#[test]
fn the_query_is_gos() {
    let Step::Exchange(exchange) = lookup(conf(1, &[])).next(0x1234) else { panic!() };
    let expected = crate::protocol::wire::query(0x1234, &NAME.parse().unwrap(), RecordType::SRV, true, Some(1232));
    assert_eq!((&exchange.message, exchange.via.transport), (&expected, Transport::Udp));
    assert_eq!((exchange.limit(), exchange.buffer()), (Some(Duration::from_secs(5)), 1232));
    let trusting = GoConf { trust_ad: true, use_tcp: true, ..conf(1, &[]) };
    let Step::Exchange(exchange) = lookup(trusting).next(0x1234) else { panic!() };
    assert_eq!((exchange.message[3], exchange.via.transport), (0x20, Transport::Tcp));
}

#[test]
fn servers_are_asked_in_order_and_twice() {
    let (verdict, asked) = run(lookup(conf(2, &[])), |exchange| vec![bytes(exchange, SERVFAIL, &[])]);
    let expected: Vec<_> = [1, 2, 1, 2].map(|last| format!("{NAME}. 192.0.2.{last}:53 over UDP")).into();
    assert_eq!(asked, expected);
    assert_eq!(problem(&verdict), &GoProblem::TemporarilyMisbehaving);
    let Verdict::Unknown { reason, reply: Some(_) } = verdict else { panic!() };
    assert_eq!(reason.to_string(), format!("lookup {NAME} on 192.0.2.2:53: server misbehaving"));
}

#[test]
fn rotate_begins_elsewhere_with_each_name() {
    let conf = GoConf { rotate: true, attempts: 1, ..conf(3, &["a.", "b."]) };
    let lookup = GoLookup::new(conf, Profile::PLAIN, 2, NAME, RecordType::SRV);
    let (_, asked) = run(lookup, |exchange| vec![bytes(exchange, NXDOMAIN, &[])]);
    let servers: Vec<_> = asked.iter().map(|asked| asked.split(' ').nth(1).unwrap()).collect();
    assert_eq!(servers, ["192.0.2.3:53", "192.0.2.1:53", "192.0.2.2:53"]);
}

#[test]
fn bad_codes_go_on_and_only_servfail_is_temporary() {
    for code in (1..16).filter(|&code| code != NXDOMAIN) {
        let (verdict, asked) = run(lookup(conf(1, &[])), |exchange| vec![bytes(exchange, code, &good())]);
        assert_eq!((problem(&verdict).is_temporary(), asked.len()), (code == SERVFAIL, 2), "{code}");
        let (verdict, _) = run(lookup(conf(2, &[])), |exchange| then_good(exchange, bytes(exchange, code, &[])));
        assert_eq!(found(&verdict), FOUND, "{code}");
    }
}

#[test]
fn nxdomain_and_nodata_are_no_such_host_and_go_on_in_the_search_list() {
    for flags in [NXDOMAIN, 0] {
        let (verdict, asked) =
            run(lookup(conf(2, &["corp."])), |exchange| then_good(exchange, bytes(exchange, flags, &[])));
        assert_no_such_host(&verdict);
        let expected = [NAME.to_owned() + ".", NAME.to_owned() + ".corp."];
        assert_eq!(asked, expected.map(|name| format!("{name} 192.0.2.1:53 over UDP")));
        let (verdict, _) = run(lookup(conf(1, &["corp."])), |exchange| {
            let is_corp = exchange.candidate.ends_with("corp.");
            vec![if is_corp { bytes(exchange, 0, &good()) } else { bytes(exchange, flags, &[]) }]
        });
        assert_eq!(found(&verdict), FOUND);
    }
}

#[test]
fn a_lame_server_is_skipped() {
    let (verdict, _) = run(lookup(conf(2, &[])), |exchange| then_good(exchange, bytes(exchange, AA, &[])));
    assert_eq!(found(&verdict), FOUND);
    let (verdict, _) = run(lookup(conf(1, &[])), |exchange| vec![bytes(exchange, AA, &[])]);
    assert_eq!(problem(&verdict), &GoProblem::LameReferral);
    // Now any additional record, OPT for one, speaks against lameness.
    let with_opt = |exchange: &Exchange| {
        let mut reply = bytes(exchange, AA, &[]);
        reply[11] = 1;
        write_opt(&mut reply, 1232);
        vec![reply]
    };
    assert_no_such_host(&run(lookup(conf(1, &[])), with_opt).0);
    assert_eq!(problem(&run(of_profile(DEBIAN, conf(1, &[])), with_opt).0), &GoProblem::LameReferral);
}

#[test]
fn silence_is_waited_for_as_long_as_the_file_says() {
    let conf = GoConf { timeout: Duration::from_secs(3), ..conf(2, &[]) };
    let (verdict, asked) = run(lookup(conf.clone()), |exchange| {
        assert_eq!(exchange.limit(), Some(Duration::from_secs(3)));
        if is_server(exchange, 1) { vec![] } else { vec![bytes(exchange, 0, &good())] }
    });
    assert_eq!((found(&verdict).len(), asked.len()), (1, 2));
    let (verdict, asked) = run(lookup(conf), |_| vec![]);
    assert_eq!((problem(&verdict), asked.len()), (&GoProblem::Timeout, 4));
}

#[test]
fn a_cut_reply_is_asked_for_again_over_tcp_with_opt_and_the_same_id() {
    let mut lookup = lookup(conf(2, &[]));
    let Step::Exchange(udp) = lookup.next(7) else { panic!() };
    lookup.finish(receive(&udp, &[bytes(&udp, TC, &good())]), Duration::ZERO);
    let Step::Exchange(tcp) = lookup.next(8) else { panic!() };
    assert_eq!((tcp.via.transport, tcp.via.edns, tcp.id, &tcp.message), (Transport::Tcp, true, 7, &udp.message));
    // Refused: the next server is asked over UDP again.
    lookup.finish(Err(Failure::Io("connection refused".to_owned())), Duration::ZERO);
    let Step::Exchange(next) = lookup.next(9) else { panic!() };
    assert_eq!((next.via.transport, next.via.server.host.as_str(), next.id), (Transport::Udp, "192.0.2.2", 9));
    let sequence: Vec<_> = lookup.attempts().iter().map(|attempt| attempt.then).collect();
    assert_eq!(sequence, [Then::AskedOverTcp, Then::NextServer]);
}

#[test]
fn tc_over_tcp_is_used_now_and_was_an_error() {
    let cut = |exchange: &Exchange| vec![bytes(exchange, TC, &good())];
    assert_eq!(found(&run(lookup(conf(1, &[])), cut).0), FOUND);
    let (verdict, asked) = run(of_profile(DEBIAN, conf(1, &[])), cut);
    assert_eq!((problem(&verdict), asked.len()), (&GoProblem::NoAnswer, 4));
}

#[test]
fn over_udp_what_is_no_reply_to_the_question_is_passed_over() {
    let wrong = |exchange: &Exchange| -> Vec<Vec<u8>> {
        let honest = bytes(exchange, 0, &good());
        let changed = |at: usize, byte: u8| {
            let mut bytes = honest.clone();
            bytes[at] = byte;
            bytes
        };
        vec![
            changed(1, honest[1] ^ 1),
            changed(2, 0x04),
            changed(13, b'x'),
            changed(honest.len() - good()[0].as_wire().len() - 12 - 3, 1),
            exchange.message.clone(),
            honest[..12].to_vec(),
            honest[..5].to_vec(),
            vec![],
            b"garbage".to_vec(),
        ]
    };
    let (verdict, _) = run(lookup(conf(1, &[])), wrong);
    assert_eq!(problem(&verdict), &GoProblem::Timeout);
    let (verdict, asked) = run(lookup(conf(1, &[])), |exchange| {
        let mut all = wrong(exchange);
        all.push(bytes(exchange, 0, &good()));
        all
    });
    assert_eq!((found(&verdict).len(), asked.len()), (1, 1));
}

#[test]
fn over_tcp_they_are_errors() {
    let use_tcp = || GoConf { use_tcp: true, ..conf(1, &[]) };
    let (verdict, _) = run(lookup(use_tcp()), |exchange| {
        let mut wrong = bytes(exchange, 0, &good());
        wrong[1] ^= 1;
        vec![wrong]
    });
    assert_eq!(problem(&verdict), &GoProblem::InvalidResponse);
    let (verdict, _) = run(lookup(use_tcp()), |exchange| vec![bytes(exchange, 0, &good())[..12].to_vec()]);
    assert_eq!(problem(&verdict), &GoProblem::CannotUnmarshal);
}

#[test]
fn the_question_is_compared_without_case() {
    let (verdict, _) = run(lookup(conf(1, &[])), |exchange| {
        let mut reply = bytes(exchange, 0, &good());
        reply[14] = reply[14].to_ascii_uppercase();
        vec![reply]
    });
    assert_eq!(found(&verdict), FOUND);
}

#[test]
fn two_questions_are_no_response() {
    let (verdict, _) = run(lookup(conf(1, &[])), |exchange| {
        let mut reply = bytes(exchange, 0, &good());
        reply[5] = 2;
        vec![reply]
    });
    assert_eq!(problem(&verdict), &GoProblem::InvalidResponse);
}

#[test]
fn the_upper_bits_of_the_code_count_now() {
    let badvers = |exchange: &Exchange| {
        let mut reply = bytes(exchange, 0, &good());
        reply[11] = 1;
        write_opt(&mut reply, 1232);
        let ttl = reply.len() - 6;
        reply[ttl] = 1;
        vec![reply]
    };
    assert_eq!(problem(&run(lookup(conf(1, &[])), badvers).0), &GoProblem::Misbehaving);
    assert_eq!(found(&run(of_profile(DEBIAN, conf(1, &[])), badvers).0), FOUND);
}

fn other(record_type: RecordType) -> Rdata {
    Rdata::from_wire(record_type, "other.internal.local".parse::<Name>().unwrap().as_wire())
}

#[test]
fn only_records_of_the_type_count_whosever_they_are() {
    let cname = other(RecordType::CNAME);
    let (verdict, _) = run(lookup(conf(1, &[])), |exchange| {
        vec![bytes(exchange, 0, &[cname.clone(), srv("host.internal.local"), Rdata::a([192, 0, 2, 1].into())])]
    });
    assert_eq!(found(&verdict), FOUND);
    let (verdict, _) = run(lookup(conf(1, &[])), |exchange| vec![bytes(exchange, 0, std::slice::from_ref(&cname))]);
    assert_no_such_host(&verdict);
    let (verdict, _) = run(lookup(conf(1, &[])), |exchange| {
        let mut reply = bytes(exchange, 0, &good());
        reply.swap(7, 11);
        vec![reply]
    });
    assert_no_such_host(&verdict);
}

/// `internal.local.` of the target replaced by a pointer to the question's.
fn compressed(exchange: &Exchange) -> Vec<Vec<u8>> {
    let mut reply = bytes(exchange, 0, &good());
    reply.truncate(reply.len() - 16);
    reply.extend([0xc0, 26]);
    let length_at = reply.len() - (6 + 5 + 2) - 1;
    reply[length_at] -= 14;
    vec![reply]
}

#[test]
fn a_compressed_target_is_read_now_and_ended_the_lookup() {
    assert_eq!(found(&run(lookup(conf(2, &[])), compressed).0), FOUND);
    let (verdict, asked) = run(of_profile(DEBIAN, conf(2, &["corp."])), compressed);
    assert_eq!((problem(&verdict), asked.len()), (&GoProblem::CannotUnmarshal, 1), "nobody else is asked");
}

#[test]
fn a_broken_record_before_the_first_srv_sends_to_the_next_server_and_one_after_it_does_not() {
    let broken = |exchange: &Exchange, before: bool| {
        let mut reply = bytes(exchange, 0, &good());
        reply[7] = 2;
        if before {
            let start = reply.len() - good()[0].as_wire().len() - 12;
            reply.splice(start..start, *b"\xc0");
        }
        reply
    };
    let (verdict, asked) = run(lookup(conf(2, &[])), |exchange| then_good(exchange, broken(exchange, true)));
    assert_eq!((found(&verdict).len(), asked.len()), (1, 2));
    let (verdict, asked) = run(lookup(conf(2, &[])), |exchange| then_good(exchange, broken(exchange, false)));
    assert_eq!((problem(&verdict), asked.len()), (&GoProblem::CannotUnmarshal, 1));
}

#[test]
fn what_go_never_comes_to_may_be_broken() {
    let (verdict, _) = run(lookup(conf(1, &[])), |exchange| {
        let mut reply = bytes(exchange, 0, &good());
        reply[9] = 9;
        reply.extend([0x80; 20]);
        vec![reply]
    });
    assert_eq!(found(&verdict), FOUND);
}

#[test]
fn odd_targets_fail_the_name_and_the_root_does_not() {
    let (verdict, asked) = run(lookup(conf(2, &[])), |exchange| {
        vec![bytes(exchange, 0, &[srv("10.0.0.5"), srv("host.internal.local"), srv(r"bad\ name.local")])]
    });
    let invalid = ["10.0.0.5.", r"bad\ name.local."].map(|target| target.parse::<Name>().unwrap().to_string());
    assert_eq!(problem(&verdict), &GoProblem::InvalidNames { invalid: invalid.to_vec(), remaining: 1 });
    assert_eq!(asked.len(), 1, "nobody else is asked");
    let (verdict, _) = run(lookup(conf(1, &[])), |exchange| vec![bytes(exchange, 0, &[srv(".")])]);
    assert_eq!(found(&verdict), [":8080"]);
}

#[test]
fn a_name_that_is_none_is_not_asked_for() {
    let long = "x".repeat(64);
    for name in ["a..b", &long, "", "10.0.0.5", "bad name.local"] {
        let lookup = GoLookup::new(conf(1, &["corp."]), Profile::PLAIN, 0, name, RecordType::SRV);
        let (verdict, asked) = run(lookup, |_| panic!("{name}"));
        assert_no_such_host(&verdict);
        assert!(asked.is_empty() && verdict.reply().is_none());
    }
    let onion = GoLookup::new(conf(1, &[]), Profile::PLAIN, 0, "a.onion", RecordType::SRV);
    assert_eq!(problem(&run(onion, |_| panic!()).0), &GoProblem::CannotUnmarshal);
}

#[test]
fn a_suffix_that_cannot_be_sent_is_the_last_error() {
    let (verdict, asked) = run(lookup(conf(1, &["."])), |exchange| vec![bytes(exchange, NXDOMAIN, &[])]);
    assert_eq!((problem(&verdict), asked.len()), (&GoProblem::CannotMarshal, 1));
}

/// SERVFAIL for the name as it stands, and the given code for the one with the suffix.
fn then_suffixed(exchange: &Exchange, code: u16) -> Vec<Vec<u8>> {
    let is_corp = exchange.candidate.ends_with("corp.");
    vec![if is_corp { bytes(exchange, code, &good()) } else { bytes(exchange, SERVFAIL, &[]) }]
}

#[test]
fn the_last_candidate_decides_unless_errors_are_strict() {
    let (verdict, _) = run(lookup(conf(1, &["corp."])), |exchange| then_suffixed(exchange, NXDOMAIN));
    assert_no_such_host(&verdict);
    let (verdict, _) = run(lookup(conf(1, &["corp."])), |exchange| then_suffixed(exchange, 0));
    assert_eq!(found(&verdict), FOUND);
    let mut strict = of_profile(Profile::VMAGENT, conf(1, &["corp."]));
    for _ in 0..2 {
        let Step::Exchange(exchange) = strict.next(1) else { panic!() };
        strict.finish(receive(&exchange, &then_suffixed(&exchange, 0)), Duration::ZERO);
    }
    let Step::Done(verdict) = strict.next(1) else { panic!() };
    assert_eq!(problem(&verdict), &GoProblem::TemporarilyMisbehaving);
    assert_eq!(strict.attempts()[1].then, Then::StoppedStrictly);
    // What is not temporary does not stop it, nor does no such host.
    for code in [5, NXDOMAIN] {
        let (verdict, _) = run(of_profile(Profile::VMAGENT, conf(1, &["corp."])), |exchange| {
            if exchange.candidate.ends_with("corp.") {
                vec![bytes(exchange, 0, &good())]
            } else {
                vec![bytes(exchange, code, &[])]
            }
        });
        assert_eq!(found(&verdict), FOUND, "{code}");
    }
}

#[test]
fn vmagents_time_is_over_after_ten_seconds() {
    let mut lookup = of_profile(Profile::VMAGENT, conf(3, &[]));
    let mut limits = Vec::new();
    let verdict = loop {
        match lookup.next(1) {
            Step::Done(verdict) => break verdict,
            Step::Exchange(exchange) => {
                let limit = exchange.limit().unwrap();
                limits.push(limit.as_secs());
                lookup.finish(Err(Failure::TimedOut(limit)), limit.min(Duration::from_secs(4)));
            }
        }
    };
    assert_eq!((limits, VMAGENT_BUDGET.as_secs()), (vec![5, 5, 2], 10));
    assert_eq!(problem(&verdict), &GoProblem::Timeout);
    assert_eq!(lookup.attempts().last().unwrap().then, Then::OutOfTime);
}

#[test]
fn reports_without_an_exchange_are_ignored() {
    let mut lookup = lookup(conf(1, &[]));
    lookup.finish(Err(Failure::Closed), Duration::ZERO);
    assert!(lookup.attempts().is_empty() && matches!(lookup.next(1), Step::Exchange(_)));
}

#[test]
fn rounds_are_bounded() {
    let conf = GoConf { attempts: u32::MAX, ..conf(1, &[]) };
    let (_, asked) = run(lookup(conf), |exchange| vec![bytes(exchange, SERVFAIL, &[])]);
    assert_eq!(asked.len(), 16);
}
