//! Record data of any type as people read it.

use std::fmt::{self, Write as _};

use hickory_proto::rr::{RData, RecordType as LibraryType};
use hickory_proto::serialize::binary::{BinDecoder, Restrict};

use crate::model::{Rdata, RecordType};

/// Master-file format: our own for the types that srvctl publishes, the DNS library's for the other types it
/// knows, RFC 3597's `\# length hex` for the rest.
pub fn presentation(rdata: &Rdata) -> String {
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
        // The library reads OPT and cannot show it.
        assert_eq!(presentation(&Rdata::from_wire(RecordType::OPT, [])), r"\# 0");
    }
}
