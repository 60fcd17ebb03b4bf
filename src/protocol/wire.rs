//! DNS messages as bytes: reading leniently, writing small (RFC 1035 section 4).
//!
//! Own reader instead of the DNS library's because a transfer must survive any record: the library refuses a
//! whole message for one record whose data it judges malformed, and because the consumers' library (Go's
//! `miekg/dns`) forgives things that decide a verdict: counts that claim more than is there, a bare header.

use crate::model::{Name, NameError, Rdata, RecordType};

/// Class IN.
pub const CLASS_IN: u16 = 1;
/// Class NONE, used by RFC 2136.
pub const CLASS_NONE: u16 = 254;
/// Class ANY, used by RFC 2136.
pub const CLASS_ANY: u16 = 255;
/// Length of a message's header.
pub const HEADER_LEN: usize = 12;
/// Largest message over TCP (RFC 1035 section 4.2.2).
pub const MAX_MESSAGE: usize = 65_535;

/// Why bytes are not a DNS message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WireError {
    /// The bytes end inside something.
    #[error("the message ends in the middle of a record")]
    Short,
    /// A compression pointer that does not point backwards, or an unknown label type.
    #[error("the message has a broken compressed name")]
    BadName,
    /// Record data that does not fill its announced length.
    #[error("the message has record data of the wrong length")]
    BadRdata,
}

impl From<NameError> for WireError {
    fn from(_: NameError) -> Self {
        Self::BadName
    }
}

/// The fixed header (RFC 1035 section 4.1.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// Query ID.
    pub id: u16,
    /// The second 16 bits: QR, opcode, AA, TC, RD, RA, AD, CD, RCODE.
    pub flags: u16,
    /// How many records each section claims: question (zone), answer (prerequisite), authority (update), additional.
    pub counts: [u16; 4],
}

impl Header {
    /// QR: whether this is a response.
    pub fn is_response(self) -> bool {
        self.flags & 0x8000 != 0
    }

    /// The opcode: 0 QUERY, 4 NOTIFY, 5 UPDATE.
    pub fn opcode(self) -> u8 {
        (self.flags >> 11) as u8 & 0xf
    }

    /// AA: the answer is authoritative.
    pub fn is_authoritative(self) -> bool {
        self.flags & 0x0400 != 0
    }

    /// TC: the message was cut.
    pub fn is_truncated(self) -> bool {
        self.flags & 0x0200 != 0
    }

    /// RD: recursion desired.
    pub fn recursion_desired(self) -> bool {
        self.flags & 0x0100 != 0
    }

    /// RA: recursion available.
    pub fn recursion_available(self) -> bool {
        self.flags & 0x0080 != 0
    }

    /// The four bits of the response code that the header has; EDNS may extend them.
    pub fn rcode(self) -> u16 {
        self.flags & 0xf
    }
}

/// One entry of the question section.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// Query name.
    pub name: Name,
    /// Query type.
    pub record_type: RecordType,
    /// Query class.
    pub class: u16,
}

/// One record of any class, with its data decompressed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RawRecord {
    /// Owner name.
    pub name: Name,
    /// Class; for OPT the sender's UDP size.
    pub class: u16,
    /// TTL in seconds; for OPT extended RCODE, version and flags.
    pub ttl: u32,
    /// Type and data.
    pub rdata: Rdata,
}

impl RawRecord {
    /// The type.
    pub fn record_type(&self) -> RecordType {
        self.rdata.record_type()
    }
}

/// A whole message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// The header, as received.
    pub header: Header,
    /// Question section (zone section of an UPDATE).
    pub questions: Vec<Question>,
    /// Answer section.
    pub answers: Vec<RawRecord>,
    /// Authority section.
    pub authorities: Vec<RawRecord>,
    /// Additional section, OPT and TSIG included.
    pub additionals: Vec<RawRecord>,
}

impl Message {
    /// Reads a message. A section that claims more records than follow is taken as far as it goes when the
    /// bytes end between two records, and bytes after the last section are ignored.
    ///
    /// # Errors
    /// When the bytes end inside the header or a record, or a name is broken.
    pub fn parse(bytes: &[u8]) -> Result<Self, WireError> {
        let mut reader = Reader::new(bytes);
        let header = reader.header()?;
        let questions = reader.section(header.counts[0], Reader::question)?;
        let answers = reader.section(header.counts[1], Reader::record)?;
        let authorities = reader.section(header.counts[2], Reader::record)?;
        let additionals = reader.section(header.counts[3], Reader::record)?;
        Ok(Self { header, questions, answers, authorities, additionals })
    }

    /// The OPT pseudo-record (RFC 6891 section 6.1); the last one should there be several, as Go's
    /// `miekg/dns` takes it.
    pub fn opt(&self) -> Option<&RawRecord> {
        self.additionals.iter().rev().find(|record| record.record_type() == RecordType::OPT)
    }

    /// The response code with EDNS' upper eight bits (RFC 6891 section 6.1.3).
    pub fn rcode(&self) -> u16 {
        let upper = self.opt().map_or(0, |opt| (opt.ttl >> 24) as u16);
        upper << 4 | self.header.rcode()
    }
}

/// A cursor over a message's bytes.
#[derive(Debug, Clone)]
pub struct Reader<'a> {
    message: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    /// At the start of a message.
    pub fn new(message: &'a [u8]) -> Self {
        Self { message, at: 0 }
    }

    /// Byte offset of what is read next.
    pub fn offset(&self) -> usize {
        self.at
    }

    fn section<T>(&mut self, count: u16, read: fn(&mut Self) -> Result<T, WireError>) -> Result<Vec<T>, WireError> {
        let mut entries = Vec::new();
        for _ in 0..count {
            if self.at == self.message.len() {
                break;
            }
            entries.push(read(self)?);
        }
        Ok(entries)
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], WireError> {
        let taken = self.message.get(self.at..self.at + length).ok_or(WireError::Short)?;
        self.at += length;
        Ok(taken)
    }

    fn u16(&mut self) -> Result<u16, WireError> {
        let bytes = self.take(2)?;
        Ok(u16::from_be_bytes([bytes[0], bytes[1]]))
    }

    fn u32(&mut self) -> Result<u32, WireError> {
        Ok(u32::from(self.u16()?) << 16 | u32::from(self.u16()?))
    }

    /// The header.
    ///
    /// # Errors
    /// When fewer than [`HEADER_LEN`] bytes remain.
    pub fn header(&mut self) -> Result<Header, WireError> {
        let id = self.u16()?;
        let flags = self.u16()?;
        let counts = [self.u16()?, self.u16()?, self.u16()?, self.u16()?];
        Ok(Header { id, flags, counts })
    }

    /// One question. Type and class are 0 when the message ends where they would begin: the consumers'
    /// library forgives that too.
    ///
    /// # Errors
    /// When it is cut short elsewhere or its name is broken.
    pub fn question(&mut self) -> Result<Question, WireError> {
        let name = self.name()?;
        let record_type = RecordType(self.u16_or_end()?);
        Ok(Question { name, record_type, class: self.u16_or_end()? })
    }

    fn u16_or_end(&mut self) -> Result<u16, WireError> {
        if self.at == self.message.len() { Ok(0) } else { self.u16() }
    }

    /// One record.
    ///
    /// # Errors
    /// When it is cut short, a name is broken, or its data does not fill its length.
    pub fn record(&mut self) -> Result<RawRecord, WireError> {
        let name = self.name()?;
        let record_type = RecordType(self.u16()?);
        let class = self.u16()?;
        let ttl = self.u32()?;
        let length = usize::from(self.u16()?);
        let rdata = self.rdata(record_type, length)?;
        Ok(RawRecord { name, class, ttl, rdata })
    }

    /// Moves past one record without reading its data.
    ///
    /// # Errors
    /// When it is cut short or its owner name is broken.
    pub fn skip_record(&mut self) -> Result<(), WireError> {
        self.skip_name()?;
        self.take(8)?;
        let length = usize::from(self.u16()?);
        self.take(length).map(|_| ())
    }

    fn skip_name(&mut self) -> Result<(), WireError> {
        loop {
            match self.take(1)?[0] {
                0 => return Ok(()),
                length @ 1..=63 => self.take(usize::from(length))?,
                0xc0.. => return self.take(1).map(|_| ()),
                _ => return Err(WireError::BadName),
            };
        }
    }

    fn rdata(&mut self, record_type: RecordType, length: usize) -> Result<Rdata, WireError> {
        let end = self.at + length;
        if end > self.message.len() {
            return Err(WireError::Short);
        }
        // Data that ends before its name (empty data among it) has nothing to decompress.
        let layout = compressible(record_type).filter(|&(fixed, _)| length > fixed);
        let Some((fixed, names)) = layout else {
            return Ok(Rdata::from_wire(record_type, self.take(length)?));
        };
        let mut wire = Vec::with_capacity(length + 32);
        wire.extend_from_slice(self.take(fixed)?);
        for _ in 0..names {
            self.name_into(&mut wire)?;
        }
        let rest = end.checked_sub(self.at).ok_or(WireError::BadRdata)?;
        if rest > 0 && record_type != RecordType::SOA {
            return Err(WireError::BadRdata);
        }
        wire.extend_from_slice(self.take(rest)?);
        Ok(Rdata::from_wire(record_type, wire))
    }

    /// One name, decompressed (RFC 1035 section 4.1.4).
    ///
    /// # Errors
    /// When it is cut short, too long, or a pointer does not point backwards.
    pub fn name(&mut self) -> Result<Name, WireError> {
        let mut wire = Vec::with_capacity(64);
        self.name_into(&mut wire)?;
        Ok(Name::from_wire(&wire)?)
    }

    fn name_into(&mut self, wire: &mut Vec<u8>) -> Result<(), WireError> {
        let start = wire.len();
        let mut at = self.at;
        let mut followed = false;
        let mut lowest = self.at;
        loop {
            let length = *self.message.get(at).ok_or(WireError::Short)?;
            match length {
                0 => {
                    wire.push(0);
                    if !followed {
                        self.at = at + 1;
                    }
                    return Ok(());
                }
                1..=63 => {
                    let end = at + 1 + usize::from(length);
                    wire.extend_from_slice(self.message.get(at..end).ok_or(WireError::Short)?);
                    if wire.len() - start >= crate::model::MAX_NAME {
                        return Err(WireError::BadName);
                    }
                    at = end;
                }
                0xc0.. => {
                    let low = *self.message.get(at + 1).ok_or(WireError::Short)?;
                    if !followed {
                        self.at = at + 2;
                        followed = true;
                    }
                    let target = usize::from(length & 0x3f) << 8 | usize::from(low);
                    // Only backwards, below everything read so far: a loop is impossible.
                    if target >= lowest {
                        return Err(WireError::BadName);
                    }
                    lowest = target;
                    at = target;
                }
                _ => return Err(WireError::BadName),
            }
        }
    }
}

/// How much fixed data precedes the names in a type's data, and how many names there are, for the types whose
/// names a server may compress (RFC 1035, and those that RFC 3597 section 4 asks receivers to decompress).
fn compressible(record_type: RecordType) -> Option<(usize, usize)> {
    match record_type {
        // The numbers are MD, MF, MB, MG, MR.
        RecordType::NS | RecordType::CNAME | RecordType::PTR | RecordType::DNAME | RecordType(3 | 4 | 7..=9) => {
            Some((0, 1))
        }
        RecordType::SOA | RecordType::RP | RecordType(14) => Some((0, 2)), // and MINFO
        RecordType::MX | RecordType::AFSDB | RecordType::KX | RecordType(21) => Some((2, 1)), // and RT
        RecordType::SRV => Some((6, 1)),
        _ => None,
    }
}

/// Appends a record with an uncompressed or zone-relative owner name.
///
/// `zone_at_12` is the zone section's name: owner names inside it end in a pointer to offset 12, where an
/// UPDATE or query message has its first name. That keeps the size of a record independent of its place.
pub fn write_record(out: &mut Vec<u8>, zone_at_12: &Name, record: &RecordRef<'_>) {
    write_name(out, zone_at_12, record.name);
    out.extend_from_slice(&record.record_type.0.to_be_bytes());
    out.extend_from_slice(&record.class.to_be_bytes());
    out.extend_from_slice(&record.ttl.to_be_bytes());
    let length = u16::try_from(record.rdata.len()).expect("record data of at most 65535 bytes");
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(record.rdata);
}

/// A record to be written, borrowed.
#[derive(Debug, Clone, Copy)]
pub struct RecordRef<'a> {
    /// Owner name.
    pub name: &'a Name,
    /// Type.
    pub record_type: RecordType,
    /// Class.
    pub class: u16,
    /// TTL in seconds.
    pub ttl: u32,
    /// Uncompressed data; empty for RFC 2136's "no data" forms.
    pub rdata: &'a [u8],
}

fn write_name(out: &mut Vec<u8>, zone_at_12: &Name, name: &Name) {
    match name.prefix_len(zone_at_12) {
        Some(prefix) if !zone_at_12.is_root() => {
            out.extend_from_slice(&name.as_wire()[..prefix]);
            out.extend_from_slice(&[0xc0, 12]);
        }
        _ => out.extend_from_slice(name.as_wire()),
    }
}

/// Appends a header.
pub fn write_header(out: &mut Vec<u8>, header: Header) {
    out.extend_from_slice(&header.id.to_be_bytes());
    out.extend_from_slice(&header.flags.to_be_bytes());
    for count in header.counts {
        out.extend_from_slice(&count.to_be_bytes());
    }
}

/// Appends a question of class IN, its name uncompressed.
pub fn write_question(out: &mut Vec<u8>, name: &Name, record_type: RecordType) {
    out.extend_from_slice(name.as_wire());
    out.extend_from_slice(&record_type.0.to_be_bytes());
    out.extend_from_slice(&CLASS_IN.to_be_bytes());
}

/// Appends an OPT record without options (RFC 6891 section 6.1.2), for the additional section.
pub fn write_opt(out: &mut Vec<u8>, udp_size: u16) {
    let root = Name::root();
    let opt = RecordRef { name: &root, record_type: RecordType::OPT, class: udp_size, ttl: 0, rdata: &[] };
    write_record(out, &root, &opt);
}

/// A whole query: one question, and an OPT record with the given UDP size when EDNS is wanted.
pub fn query(id: u16, name: &Name, record_type: RecordType, recursion_desired: bool, edns: Option<u16>) -> Vec<u8> {
    let mut out = Vec::with_capacity(HEADER_LEN + name.len() + 4 + 11);
    let flags = u16::from(recursion_desired) << 8;
    write_header(&mut out, Header { id, flags, counts: [1, 0, 0, u16::from(edns.is_some())] });
    write_question(&mut out, name, record_type);
    if let Some(udp_size) = edns {
        write_opt(&mut out, udp_size);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unhex(text: &str) -> Vec<u8> {
        let digits: String = text.split_whitespace().collect();
        (0..digits.len()).step_by(2).map(|at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap()).collect()
    }

    /// Captured from BIND 9.18.49: three SRV and their addresses.
    const REPLY: &str = "
        123485000001000300000003085f6a656e6b696e73045f74637008696e7465726e616c056c6f63616c0000210001c00c0021000100
        0000050021000000001f900a686f73742d303030303208696e7465726e616c056c6f63616c00c00c00210001000000050021000000
        001f900a686f73742d303030303108696e7465726e616c056c6f63616c00c00c00210001000000050021000000001f900a686f7374
        2d303030303308696e7465726e616c056c6f63616c00c06d000100010000000500040a010001c040000100010000000500040a0100
        02c09a000100010000000500040a010003";

    #[test]
    fn reads_a_captured_reply() {
        let message = Message::parse(&unhex(REPLY)).unwrap();
        assert!(message.header.is_response() && message.header.is_authoritative());
        let targets: Vec<_> = message.answers.iter().map(|record| record.rdata.to_string()).collect();
        assert_eq!(
            targets,
            [
                "0 0 8080 host-00002.internal.local.",
                "0 0 8080 host-00001.internal.local.",
                "0 0 8080 host-00003.internal.local."
            ]
        );
        assert_eq!(message.additionals[0].name.to_string(), "host-00001.internal.local.");
    }

    #[test]
    fn writes_the_query_that_prometheus_sends() {
        let name = "_jenkins._tcp.internal.local.".parse().unwrap();
        let expected = unhex(
            "123401000001000000000001 085f6a656e6b696e73045f746370 08696e7465726e616c056c6f63616c00 00210001
             0000291000000000000000",
        );
        assert_eq!(query(0x1234, &name, RecordType::SRV, true, Some(4096)), expected);
    }

    #[test]
    fn every_cut_is_an_error_or_a_whole_prefix() {
        let whole = unhex(REPLY);
        for end in 0..whole.len() {
            if let Ok(message) = Message::parse(&whole[..end]) {
                let read = message.answers.len() + message.additionals.len();
                assert!(end >= HEADER_LEN && read < 6, "cut at {end}");
            }
        }
    }

    #[test]
    fn data_that_ends_before_its_name_is_kept_as_it_is() {
        for length in 0..=6u8 {
            let mut message = vec![0, 1, 0x80, 0, 0, 0, 0, 1, 0, 0, 0, 0];
            message.extend([0, 0, 33, 0, 1, 0, 0, 0, 0, 0, length]);
            message.extend((0..length).map(|_| 7));
            let read = Message::parse(&message).unwrap();
            assert_eq!(read.answers[0].rdata.as_wire().len(), usize::from(length));
        }
    }

    #[test]
    fn a_question_may_end_with_the_message() {
        let whole = query(1, &Name::root().prepend(b"a").unwrap(), RecordType::SRV, true, None);
        let type_at =
            |cut: usize| Message::parse(&whole[..whole.len() - cut]).map(|read| read.questions[0].record_type);
        assert_eq!(type_at(4), Ok(RecordType(0)));
        assert_eq!(type_at(3), Err(WireError::Short));
        assert_eq!(type_at(2), Ok(RecordType::SRV));
    }

    #[test]
    fn a_pointer_loop_is_refused() {
        let mut message = vec![0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0];
        message.extend([0xc0, 12, 0, 1, 0, 1]);
        assert_eq!(Message::parse(&message), Err(WireError::BadName));
        message.splice(12..14, [1, b'a', 0xc0, 12]);
        assert_eq!(Message::parse(&message), Err(WireError::BadName));
    }

    #[test]
    fn a_written_record_reads_back() {
        let zone: Name = "internal.local".parse().unwrap();
        let owner = "_jenkins._tcp.Internal.local".parse().unwrap();
        let mut out = Vec::new();
        write_header(&mut out, Header { id: 1, flags: 0, counts: [1, 1, 0, 0] });
        write_question(&mut out, &zone, RecordType::SOA);
        let rdata = Rdata::txt(["a=b"]);
        let record = RecordRef { name: &owner, record_type: RecordType::TXT, class: 1, ttl: 9, rdata: rdata.as_wire() };
        write_record(&mut out, &zone, &record);
        let message = Message::parse(&out).unwrap();
        assert_eq!(message.answers, [RawRecord { name: owner, class: 1, ttl: 9, rdata }]);
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_a_message_or_an_error(bytes in proptest::collection::vec(0u8..=255, 0..600)) {
            let _ = Message::parse(&bytes);
        }
    }
}
