//! Signing requests and verifying answers with the zone's keys, and the same the other way round for requests that
//! come to us; the MACs are ring's.

use std::time::{SystemTime, UNIX_EPOCH};

use ring::hmac;

use super::error::{DnsError, TsigProblem};
use super::key::{Algorithm, TsigKey};
use crate::model::{Name, Server};
use crate::protocol::rcode::Rcode;
use crate::protocol::tsig::{self, BADKEY, BADSIG, BADTIME, FUDGE, Tsig};
use crate::protocol::wire::{Reader, WireError};

/// Signs messages with one key. Cheap to clone.
#[derive(Clone)]
pub(super) struct Signer {
    key: Name,
    algorithm: Name,
    mac: hmac::Key,
}

impl Signer {
    pub(super) fn new(key: &TsigKey) -> Self {
        let algorithm = match key.algorithm() {
            Algorithm::HmacSha1 => hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY,
            Algorithm::HmacSha256 => hmac::HMAC_SHA256,
            Algorithm::HmacSha384 => hmac::HMAC_SHA384,
            Algorithm::HmacSha512 => hmac::HMAC_SHA512,
        };
        let mac = hmac::Key::new(algorithm, key.secret());
        let algorithm = key.algorithm().to_string().parse().expect("an algorithm's name is a domain name");
        Self { key: key.name().clone(), algorithm, mac }
    }

    /// Appends a TSIG record; the verifier checks the answers to this very message.
    pub(super) fn sign(&self, message: &mut Vec<u8>) -> Verifier {
        let original_id = u16::from_be_bytes([message[0], message[1]]);
        let mut record = Tsig {
            key: self.key.clone(),
            algorithm: self.algorithm.clone(),
            time: now(),
            fudge: FUDGE,
            mac: Vec::new(),
            original_id,
            error: 0,
            other: Vec::new(),
        };
        record.mac = hmac::sign(&self.mac, &record.signed_request(message)).as_ref().to_vec();
        record.append(message);
        Verifier { signer: self.clone(), previous_mac: record.mac, first: true }
    }
}

/// A signed request that came to us: whether its signature holds, and what the answer is signed with.
pub(super) struct Receipt<'a> {
    request: Tsig,
    error: u16,
    signer: Option<&'a Signer>,
}

impl<'a> Receipt<'a> {
    /// Checks the record that [`tsig::split`] took off the message, with one of these keys (RFC 8945 section 5.2).
    pub(super) fn of(request: Tsig, message: &[u8], keys: impl IntoIterator<Item = &'a Signer>, now: u64) -> Self {
        let is_named = |key: &&Signer| key.key == request.key && key.algorithm == request.algorithm;
        let signed = request.signed_request(message);
        // Keys of one name may have several secrets, when zones have several primaries.
        let holds = |key: &&Signer| hmac::verify(&key.mac, &signed, &request.mac).is_ok();
        let mut named = keys.into_iter().filter(is_named).peekable();
        let is_known = named.peek().is_some();
        let signer = named.find(holds);
        let error = match signer {
            None if is_known => BADSIG,
            None => BADKEY,
            Some(_) if request.is_timely(now) => 0,
            Some(_) => BADTIME,
        };
        Self { request, error, signer }
    }

    /// What is wrong with the signature: a TSIG error, which is never 0.
    pub(super) fn error(&self) -> Option<u16> {
        (self.error != 0).then_some(self.error)
    }

    /// Appends the TSIG record of the answer: signed, unless the request was not (section 5.3.2).
    pub(super) fn sign(&self, answer: &mut Vec<u8>, now: u64) {
        let mut record = self.request.reply(self.error, now);
        if let Some(signer) = self.signer {
            let signed = record.signed_response(&self.request.mac, answer, true);
            record.mac = hmac::sign(&signer.mac, &signed).as_ref().to_vec();
        }
        record.append(answer);
    }
}

/// Verifies the answers to one signed request, in order.
pub(super) struct Verifier {
    signer: Signer,
    previous_mac: Vec<u8>,
    first: bool,
}

/// Why an answer is not to be trusted.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Distrust {
    Tsig(TsigProblem),
    Wire(WireError),
}

impl From<WireError> for Distrust {
    fn from(error: WireError) -> Self {
        Self::Wire(error)
    }
}

impl Verifier {
    /// The problem in the words of an error, with the key that it is about.
    pub(super) fn error(&self, server: &Server, problem: TsigProblem) -> DnsError {
        DnsError::Tsig { server: server.clone(), key: self.signer.key.without_final_dot(), problem }
    }

    /// The message without its TSIG record, when the signature is right (RFC 8945 section 5.3).
    pub(super) fn verify(&mut self, message: &[u8]) -> Result<Vec<u8>, Distrust> {
        let Some((unsigned, record)) = tsig::split(message)? else {
            let rcode = Reader::new(message).header()?.rcode();
            return Err(Distrust::Tsig(TsigProblem::Unsigned(Rcode(rcode))));
        };
        // BADSIG and BADKEY come unsigned by nature (section 5.3.2): they can only make us fail, never succeed.
        match record.error {
            BADSIG => return Err(Distrust::Tsig(TsigProblem::WrongSecret)),
            BADKEY => return Err(Distrust::Tsig(TsigProblem::UnknownKey)),
            _ => {}
        }
        let ours = record.key == self.signer.key && record.algorithm == self.signer.algorithm;
        let signed = record.signed_response(&self.previous_mac, &unsigned, self.first);
        // Whole MACs only: a truncated one (section 5.2.2.1) would be easier to forge, and BIND sends none.
        if !ours || hmac::verify(&self.signer.mac, &signed, &record.mac).is_err() {
            return Err(Distrust::Tsig(TsigProblem::BadSignature));
        }
        match record.error {
            0 => {}
            BADTIME => {
                let ahead = record.server_time().map(|server| difference(server, now()));
                return Err(Distrust::Tsig(TsigProblem::Clock { ahead }));
            }
            other => return Err(Distrust::Tsig(TsigProblem::Other(other))),
        }
        let age = difference(now(), record.time);
        if age.unsigned_abs() > u64::from(record.fudge) {
            return Err(Distrust::Tsig(TsigProblem::Stale(age)));
        }
        self.previous_mac = record.mac;
        self.first = false;
        Ok(unsigned)
    }
}

fn difference(one: u64, other: u64) -> i64 {
    i64::try_from(i128::from(one) - i128::from(other)).unwrap_or(i64::MAX)
}

/// Seconds since 1970.
pub(super) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
