//! Any bytes as a NOTIFY: they are heard, refused or passed over, and no answer is ever answered.
#![no_main]

use libfuzzer_sys::fuzz_target;
use srvctl::model::RecordType;
use srvctl::protocol::notify;
use srvctl::protocol::rcode::Rcode;
use srvctl::protocol::tsig;
use srvctl::protocol::wire::{CLASS_IN, Message};

fuzz_target!(|bytes: &[u8]| {
    let split = tsig::split(bytes);
    let unsigned = match &split {
        Ok(Some((unsigned, _))) => unsigned,
        Ok(None) | Err(_) => bytes,
    };
    let read = notify::read(unsigned);
    let rcode = read.as_ref().map_or_else(notify::Refusal::rcode, |_| Rcode::NOERROR);
    let mut answer = notify::answer(unsigned, rcode);
    if let Ok(Some((_, request))) = &split {
        request.reply(tsig::BADTIME, 1_700_000_000).append(&mut answer);
    }
    assert_eq!(notify::opcode(&answer), None);
    let answered = Message::parse(&answer).expect("our own answer");
    assert!(answered.header.is_response() && answered.header.rcode() == rcode.0);
    let [answer_id, answer_opcode] = [answered.header.id, u16::from(answered.header.opcode())];
    if let Some(opcode) = notify::opcode(bytes) {
        assert_eq!([answer_id, answer_opcode], [u16::from_be_bytes([bytes[0], bytes[1]]), u16::from(opcode)]);
    }
    if let Ok(heard) = read {
        let request = Message::parse(unsigned).expect("it was heard");
        assert_eq!(request.header.opcode(), 4);
        assert_eq!(answered.questions, request.questions);
        assert!(matches!(&request.questions[..], [one] if one.name == heard.zone
            && one.record_type == RecordType::SOA && one.class == CLASS_IN));
    }
});
