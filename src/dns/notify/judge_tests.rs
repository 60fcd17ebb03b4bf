use std::net::{IpAddr, Ipv4Addr};

use super::NotifiedZone;
use super::judge::{Judge, Judged};
use crate::dns::error::TsigProblem;
use crate::dns::key::{Algorithm, TsigKey};
use crate::dns::tsig::{Distrust, Signer, Verifier, now};
use crate::model::RecordType;
use crate::protocol::notify::{Notification, Refusal};
use crate::protocol::rcode::Rcode;
use crate::protocol::tsig::{BADKEY, BADSIG, BADTIME};
use crate::protocol::wire::{self, Header, Message};

const PRIMARY: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1));
const STRANGER: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 9));

fn key(name: &str, secret: u8) -> TsigKey {
    TsigKey::new(name.parse().unwrap(), Algorithm::HmacSha256, vec![secret; 32])
}

/// `open.local` takes unsigned messages of its primary, `closed.local` does not; the latter's key has the former's
/// name and another secret.
fn judge() -> Judge {
    let zone = |name: &str, secret, requires_tsig| NotifiedZone {
        name: name.parse().unwrap(),
        senders: vec![PRIMARY],
        keys: vec![key("updates", secret), key("transfers", secret)],
        requires_tsig,
    };
    Judge::new(vec![zone("open.local", 1, false), zone("closed.local", 2, true)])
}

fn request(zone: &str) -> Vec<u8> {
    let mut out = Vec::new();
    wire::write_header(&mut out, Header { id: 77, flags: 0x2400, counts: [1, 0, 0, 0] });
    wire::write_question(&mut out, &zone.parse().unwrap(), RecordType::SOA);
    out
}

fn signed(zone: &str, key: &TsigKey) -> (Vec<u8>, Verifier) {
    let mut out = request(zone);
    let verifier = Signer::new(key).sign(&mut out);
    (out, verifier)
}

fn judged(message: &[u8], sender: IpAddr) -> Judged {
    judge().judge(message, sender, now()).expect("a request is answered")
}

fn rcode(answer: &[u8]) -> Rcode {
    let message = Message::parse(answer).unwrap();
    assert_eq!((message.header.id, message.header.opcode(), message.header.is_response()), (77, 4, true));
    Rcode(message.rcode())
}

fn heard(zone: usize, name: &str) -> (usize, Notification) {
    (zone, Notification { zone: name.parse().unwrap(), serial: None })
}

#[test]
fn unsigned_counts_from_the_primary_unless_the_zone_demands_more() {
    for (zone, sender, outcome, code) in [
        ("open.local", PRIMARY, Ok(heard(0, "open.local")), Rcode::NOERROR),
        ("OPEN.Local", "::ffff:10.0.0.1".parse().unwrap(), Ok(heard(0, "open.local")), Rcode::NOERROR),
        ("open.local", STRANGER, Err((Some(0), Refusal::Sender)), Rcode::REFUSED),
        ("closed.local", PRIMARY, Err((Some(1), Refusal::Unsigned)), Rcode::REFUSED),
        ("a.open.local", PRIMARY, Err((None, Refusal::UnknownZone("a.open.local".parse().unwrap()))), Rcode::NOTAUTH),
    ] {
        let judged = judged(&request(zone), sender);
        assert_eq!((judged.outcome, rcode(&judged.answer)), (outcome, code), "{zone} from {sender}");
    }
}

#[test]
fn signed_counts_from_anywhere_and_is_answered_signed() {
    for (index, zone, secret) in [(0, "open.local", 1), (1, "closed.local", 2)] {
        for (name, sender) in [("updates", PRIMARY), ("Transfers", STRANGER)] {
            let (message, mut verifier) = signed(zone, &key(name, secret));
            let judged = judged(&message, sender);
            assert_eq!(judged.outcome, Ok(heard(index, zone)));
            assert_eq!(rcode(&verifier.verify(&judged.answer).unwrap()), Rcode::NOERROR);
        }
    }
}

#[test]
fn the_answer_about_an_unknown_zone_can_be_believed() {
    for secret in [1, 2] {
        let (message, mut verifier) = signed("other.local", &key("updates", secret));
        let judged = judged(&message, STRANGER);
        assert_eq!(judged.outcome, Err((None, Refusal::UnknownZone("other.local".parse().unwrap()))));
        assert_eq!(rcode(&verifier.verify(&judged.answer).unwrap()), Rcode::NOTAUTH);
    }
}

#[test]
fn a_signature_that_does_not_hold_is_refused_even_from_the_primary() {
    let sha512 = TsigKey::new("updates".parse().unwrap(), Algorithm::HmacSha512, vec![1; 32]);
    for (key, error, problem) in [
        (key("updates", 2), BADSIG, TsigProblem::WrongSecret),
        (key("unknown", 1), BADKEY, TsigProblem::UnknownKey),
        (sha512, BADKEY, TsigProblem::UnknownKey),
    ] {
        let (message, mut verifier) = signed("open.local", &key);
        let judged = judged(&message, PRIMARY);
        assert_eq!(judged.outcome, Err((Some(0), Refusal::Tsig(error))));
        assert_eq!(rcode(&judged.answer), Rcode::NOTAUTH);
        assert_eq!(verifier.verify(&judged.answer), Err(Distrust::Tsig(problem)));
    }
}

#[test]
fn every_byte_of_a_signed_message_is_signed() {
    let (message, _) = signed("closed.local", &key("updates", 2));
    for at in 0..message.len() {
        let mut changed = message.clone();
        changed[at] ^= 1;
        // A name may be spelt in either case.
        let is_letter = message[at].is_ascii_alphabetic() && changed[at].eq_ignore_ascii_case(&message[at]);
        let judged = judge().judge(&changed, PRIMARY, now());
        assert!(is_letter || judged.is_none_or(|judged| judged.outcome.is_err()), "byte {at}");
    }
}

#[test]
fn another_clock_is_told_ours_in_a_signed_answer() {
    let (message, mut verifier) = signed("open.local", &key("updates", 1));
    let judged = judge().judge(&message, PRIMARY, now() + 1000).unwrap();
    assert_eq!(judged.outcome, Err((Some(0), Refusal::Tsig(BADTIME))));
    let Err(Distrust::Tsig(TsigProblem::Clock { ahead: Some(ahead) })) = verifier.verify(&judged.answer) else {
        panic!("not believed");
    };
    assert!((990..=1001).contains(&ahead), "{ahead}");
}

#[test]
fn other_requests_are_answered_and_answers_are_not() {
    let mut update = request("open.local");
    update[2] = 0x28;
    let judged = judged(&update, PRIMARY);
    assert_eq!(judged.outcome, Err((None, Refusal::OtherOpcode(5))));
    assert_eq!(Message::parse(&judged.answer).unwrap().rcode(), Rcode::NOTIMP.0);
    let mut response = request("open.local");
    response[2] |= 0x80;
    assert!(judge().judge(&response, PRIMARY, now()).is_none());
    assert!(judge().judge(&judged.answer, PRIMARY, now()).is_none());
    assert!(judge().judge(&[0; 11], PRIMARY, now()).is_none());
}

#[test]
fn a_signature_out_of_place_is_malformed() {
    let (mut message, _) = signed("open.local", &key("updates", 1));
    message.push(0);
    assert_eq!(judged(&message, PRIMARY).outcome, Err((None, Refusal::Malformed)));
    Signer::new(&key("updates", 1)).sign(&mut message);
    assert_eq!(judged(&message, PRIMARY).outcome, Err((None, Refusal::Malformed)));
}

proptest::proptest! {
    #[test]
    fn any_bytes_are_judged(bytes in proptest::collection::vec(0u8..=255, 0..200), at in 0usize..60, byte: u8) {
        let _ = judge().judge(&bytes, PRIMARY, 0);
        let (mut message, _) = signed("closed.local", &key("updates", 2));
        message[at] = byte;
        message.extend(bytes);
        if let Some(judged) = judge().judge(&message, PRIMARY, 0) {
            proptest::prop_assert!(judged.outcome.is_err());
            proptest::prop_assert!(judge().judge(&judged.answer, PRIMARY, 0).is_none());
        }
    }
}
