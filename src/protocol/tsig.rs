//! Transaction signatures as bytes: what is signed, and where the signature stands (RFC 8945).
//!
//! Computing the MAC is the caller's; this room holds no key. Own framing instead of the DNS library's
//! verifier, which reads every record of a message to find the signature and so refuses a whole transfer for
//! one record it cannot read, and which hides the server's own TSIG error (BADKEY, BADTIME) from the caller.

use super::wire::{self, CLASS_ANY, HEADER_LEN, Reader, RecordRef, WireError};
use crate::model::{Name, RecordType};

/// Seconds by which clocks may differ (RFC 8945 section 10).
pub const FUDGE: u16 = 300;

/// The TSIG error of a wrong signature (RFC 8945 section 3).
pub const BADSIG: u16 = 16;
/// The TSIG error of an unknown key.
pub const BADKEY: u16 = 17;
/// The TSIG error of clocks that differ.
pub const BADTIME: u16 = 18;

/// A TSIG record's content (RFC 8945 section 4.2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tsig {
    /// The key's name.
    pub key: Name,
    /// The algorithm's name, `hmac-sha256.`
    pub algorithm: Name,
    /// When it was signed, seconds since 1970.
    pub time: u64,
    /// Seconds by which clocks may differ.
    pub fudge: u16,
    /// The signature; empty in an error that could not be signed.
    pub mac: Vec<u8>,
    /// The message's ID when it was signed.
    pub original_id: u16,
    /// 0, or [`BADSIG`], [`BADKEY`], [`BADTIME`].
    pub error: u16,
    /// With BADTIME, the server's time in six bytes.
    pub other: Vec<u8>,
}

impl Tsig {
    /// The server's clock, when it complains about ours (RFC 8945 section 5.2.3).
    pub fn server_time(&self) -> Option<u64> {
        let bytes: [u8; 6] = self.other.as_slice().try_into().ok()?;
        Some(bytes.iter().fold(0, |time, &byte| time << 8 | u64::from(byte)))
    }

    /// Whether it was signed close enough to now, in seconds since 1970 (RFC 8945 section 5.2.3).
    pub fn is_timely(&self, now: u64) -> bool {
        self.time.abs_diff(now) <= u64::from(self.fudge)
    }

    /// The record that answers a request's, with the error or 0, still to be signed. With [`BADSIG`] and [`BADKEY`]
    /// it stays unsigned (RFC 8945 section 5.3.2); with [`BADTIME`] the client gets its own time back, and the
    /// server's beside it (section 5.2.3).
    #[must_use]
    pub fn reply(&self, error: u16, now: u64) -> Self {
        let (time, other) = match error {
            BADTIME => (self.time, now.to_be_bytes()[2..].to_vec()),
            _ => (now, Vec::new()),
        };
        Self { time, fudge: FUDGE, mac: Vec::new(), error, other, ..self.clone() }
    }

    /// The variables that are signed with a request, and with the first message of a response (section 4.3.3).
    fn variables(&self, out: &mut Vec<u8>) {
        out.extend(self.key.as_wire().iter().map(u8::to_ascii_lowercase));
        out.extend(CLASS_ANY.to_be_bytes());
        out.extend([0; 4]);
        out.extend(self.algorithm.as_wire().iter().map(u8::to_ascii_lowercase));
        self.timers(out);
        out.extend(self.error.to_be_bytes());
        write_counted(out, &self.other);
    }

    fn timers(&self, out: &mut Vec<u8>) {
        out.extend(&self.time.to_be_bytes()[2..]);
        out.extend(self.fudge.to_be_bytes());
    }

    /// What a request's MAC is computed over.
    pub fn signed_request(&self, message: &[u8]) -> Vec<u8> {
        let mut signed = message.to_vec();
        self.variables(&mut signed);
        signed
    }

    /// What a response's MAC is computed over: the MAC before it, the message without its TSIG, and the
    /// variables, of which messages after the first sign only the timers (section 5.3.1).
    pub fn signed_response(&self, previous_mac: &[u8], message: &[u8], first: bool) -> Vec<u8> {
        let mut signed = Vec::with_capacity(2 + previous_mac.len() + message.len() + 128);
        write_counted(&mut signed, previous_mac);
        signed.extend_from_slice(message);
        if first {
            self.variables(&mut signed);
        } else {
            self.timers(&mut signed);
        }
        signed
    }

    /// Appends the record to a message and counts it in the header.
    pub fn append(&self, message: &mut Vec<u8>) {
        let mut rdata = self.algorithm.as_wire().to_vec();
        self.timers(&mut rdata);
        write_counted(&mut rdata, &self.mac);
        rdata.extend(self.original_id.to_be_bytes());
        rdata.extend(self.error.to_be_bytes());
        write_counted(&mut rdata, &self.other);
        let record =
            RecordRef { name: &self.key, record_type: RecordType::TSIG, class: CLASS_ANY, ttl: 0, rdata: &rdata };
        wire::write_record(message, &Name::root(), &record);
        set_additional_count(message, |count| count + 1);
    }

    fn from_rdata(key: Name, rdata: &[u8]) -> Result<Self, WireError> {
        let mut reader = Reader::new(rdata);
        let algorithm = reader.name()?;
        let mut fields = Fields(&rdata[reader.offset()..]);
        let time = fields.take(6)?.iter().fold(0, |time, &byte| time << 8 | u64::from(byte));
        let fudge = fields.u16()?;
        let mac = fields.counted()?;
        let original_id = fields.u16()?;
        let error = fields.u16()?;
        let other = fields.counted()?;
        Ok(Self { key, algorithm, time, fudge, mac, original_id, error, other })
    }
}

struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn take(&mut self, length: usize) -> Result<&'a [u8], WireError> {
        let (taken, rest) = self.0.split_at_checked(length).ok_or(WireError::Short)?;
        self.0 = rest;
        Ok(taken)
    }

    fn u16(&mut self) -> Result<u16, WireError> {
        self.take(2).map(|bytes| u16::from_be_bytes([bytes[0], bytes[1]]))
    }

    fn counted(&mut self) -> Result<Vec<u8>, WireError> {
        let length = self.u16()?;
        self.take(usize::from(length)).map(<[u8]>::to_vec)
    }
}

fn write_counted(out: &mut Vec<u8>, bytes: &[u8]) {
    let length = u16::try_from(bytes.len()).expect("a MAC of at most 65535 bytes");
    out.extend(length.to_be_bytes());
    out.extend(bytes);
}

fn set_additional_count(message: &mut [u8], change: impl Fn(u16) -> u16) {
    let count = u16::from_be_bytes([message[10], message[11]]);
    message[10..HEADER_LEN].copy_from_slice(&change(count).to_be_bytes());
}

/// Takes the TSIG record off a message: the message as it was signed, and the record; none when the message's
/// last record is no TSIG (section 5.1 demands the last place).
///
/// The message's ID must be the one that was signed. The standard lets forwarders change it on the way, and they
/// change it back in the answer; nobody else who changes it is to be believed.
///
/// # Errors
/// When the message cannot be read up to its end, or the record is not of the form of section 4.2: no signature
/// after the first of an answer covers its class and TTL.
pub fn split(message: &[u8]) -> Result<Option<(Vec<u8>, Tsig)>, WireError> {
    let mut reader = Reader::new(message);
    let header = reader.header()?;
    for _ in 0..header.counts[0] {
        reader.question()?;
    }
    let records = header.counts[1..].iter().map(|&count| usize::from(count)).sum::<usize>();
    if header.counts[3] == 0 {
        return Ok(None);
    }
    for _ in 1..records {
        reader.skip_record()?;
    }
    let end = reader.offset();
    let last = reader.record()?;
    if last.record_type() != RecordType::TSIG || reader.offset() != message.len() {
        return Ok(None);
    }
    let form = (last.class, last.ttl);
    let tsig = Tsig::from_rdata(last.name, last.rdata.as_wire())?;
    if form != (CLASS_ANY, 0) || tsig.original_id != header.id {
        return Err(WireError::BadRdata);
    }
    let mut unsigned = message[..end].to_vec();
    set_additional_count(&mut unsigned, |count| count - 1);
    Ok(Some((unsigned, tsig)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tsig() -> Tsig {
        Tsig {
            key: "Key.example".parse().unwrap(),
            algorithm: "hmac-sha256".parse().unwrap(),
            time: 1_700_000_000,
            fudge: FUDGE,
            mac: vec![7; 32],
            original_id: 42,
            error: 0,
            other: Vec::new(),
        }
    }

    #[test]
    fn appended_and_split_off_again() {
        let name = "internal.local".parse().unwrap();
        let query = wire::query(42, &name, RecordType::AXFR, false, None);
        let mut signed = query.clone();
        tsig().append(&mut signed);
        let (unsigned, read) = split(&signed).unwrap().unwrap();
        assert_eq!((unsigned, read), (query.clone(), tsig()));
        assert_eq!(split(&query), Ok(None));
    }

    #[test]
    fn what_no_signature_covers_must_be_as_the_standard_says() {
        let name = "internal.local".parse().unwrap();
        let mut signed = wire::query(42, &name, RecordType::AXFR, false, None);
        let start = signed.len();
        tsig().append(&mut signed);
        let after_name = start + tsig().key.len();
        for at in [0, 1, after_name + 3, after_name + 4, after_name + 7] {
            let mut changed = signed.clone();
            changed[at] ^= 1;
            assert_eq!(split(&changed), Err(WireError::BadRdata), "byte {at}");
        }
    }

    #[test]
    fn the_server_clock_of_badtime() {
        let other = 1_700_003_600u64.to_be_bytes()[2..].to_vec();
        assert_eq!(Tsig { other, ..tsig() }.server_time(), Some(1_700_003_600));
        assert_eq!(tsig().server_time(), None);
    }

    #[test]
    fn timely_within_the_fudge() {
        let timely = |now| tsig().is_timely(now);
        assert!(timely(1_700_000_300) && timely(1_699_999_700));
        assert!(!timely(1_700_000_301) && !timely(1_699_999_699) && !timely(0) && !timely(u64::MAX));
    }

    #[test]
    fn a_reply_to_a_client_with_another_clock_tells_both_times() {
        let reply = tsig().reply(BADTIME, 1_700_003_600);
        assert_eq!((reply.time, reply.server_time()), (1_700_000_000, Some(1_700_003_600)));
        assert_eq!((reply.error, reply.mac.len(), reply.original_id), (BADTIME, 0, 42));
        let reply = tsig().reply(0, 1_700_000_007);
        assert_eq!((reply.time, reply.server_time(), reply.error), (1_700_000_007, None, 0));
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_split_or_fail(bytes in proptest::collection::vec(0u8..=255, 0..300)) {
            let _ = split(&bytes);
        }
    }
}
