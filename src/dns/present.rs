//! Record data of any type as people read it.

use std::fmt::{self, Write as _};

use data_encoding::HEXUPPER;
use hickory_proto::rr::{RData, RecordType as LibraryType};
use hickory_proto::serialize::binary::{BinDecoder, Restrict};

use crate::model::{Rdata, RecordType};

/// Master-file format as dig shows it: our own for the types that srvctl publishes and those that the DNS library shows
/// otherwise, the library's for the other types it knows, RFC 3597's `\# length hex` for the rest.
pub fn presentation(rdata: &Rdata) -> String {
    if let Some(as_dig) = strings(rdata).or_else(|| digest(rdata)) {
        return as_dig;
    }
    let own = rdata.to_string();
    if !own.starts_with("\\# ") {
        return own;
    }
    let mut known = String::new();
    match read(rdata).map(|data| write!(known, "{data}")) {
        Some(Ok(())) => known,
        // The library reads some data that it cannot show.
        Some(Err(fmt::Error)) | None => own,
    }
}

/// Types that are character-strings as TXT is, which the library shows without quotes.
fn strings(rdata: &Rdata) -> Option<String> {
    let alike = [RecordType::HINFO, RecordType::SPF].contains(&rdata.record_type());
    let text = alike.then(|| Rdata::from_wire(RecordType::TXT, rdata.as_wire()))?;
    text.as_txt().is_some().then(|| text.to_string())
}

/// Hex digits between two blanks, as dig splits them.
const DIGITS: usize = 56;

/// Types that are a few numbers and a digest, which the library shows in small letters and in one piece.
fn digest(rdata: &Rdata) -> Option<String> {
    let numbers = match rdata.record_type() {
        RecordType::SSHFP => 2,
        RecordType::TLSA | RecordType::SMIMEA => 3,
        _ => return None,
    };
    let (numbers, digest) = rdata.as_wire().split_at_checked(numbers).filter(|(_, digest)| !digest.is_empty())?;
    let digits = digest.chunks(DIGITS / 2).map(|part| HEXUPPER.encode(part));
    Some(numbers.iter().map(u8::to_string).chain(digits).collect::<Vec<_>>().join(" "))
}

fn read(rdata: &Rdata) -> Option<RData> {
    let RecordType(code) = rdata.record_type();
    let length = Restrict::new(u16::try_from(rdata.as_wire().len()).ok()?);
    let mut decoder = BinDecoder::new(rdata.as_wire());
    match RData::read(&mut decoder, LibraryType::from(code), length) {
        Ok(RData::Unknown { .. } | RData::NULL(_)) | Err(_) => None,
        Ok(known) => Some(known),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_types_unknown_types_and_garbage() {
        let mx = Rdata::from_wire(RecordType::MX, *b"\0\x0a\x04mail\x05local\0");
        assert_eq!(presentation(&mx), "10 mail.local.");
        assert_eq!(presentation(&Rdata::a([10, 0, 0, 1].into())), "10.0.0.1");
        assert_eq!(presentation(&Rdata::from_wire(RecordType(65280), [1])), r"\# 1 01");
        assert_eq!(presentation(&Rdata::from_wire(RecordType::MX, [1])), r"\# 1 01");
        let hinfo = Rdata::from_wire(RecordType::HINFO, *b"\x02PC\x05a \"b\"");
        assert_eq!(presentation(&hinfo), r#""PC" "a \"b\"""#);
        let tlsa = [[3, 1, 1].as_slice(), &[0xab; 32]].concat();
        let (line, rest) = ("AB".repeat(28), "AB".repeat(4));
        assert_eq!(presentation(&Rdata::from_wire(RecordType::TLSA, tlsa)), format!("3 1 1 {line} {rest}"));
        assert_eq!(presentation(&Rdata::from_wire(RecordType::TLSA, [3])), r"\# 1 03");
        // The library reads OPT and cannot show it.
        assert_eq!(presentation(&Rdata::from_wire(RecordType::OPT, [])), r"\# 0");
    }
}
