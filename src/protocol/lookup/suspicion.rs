//! What a careful resolver would have held against a reply that Prometheus accepts.
//!
//! Prometheus checks the ID and nothing else: not QR, not the question, not whom the answers belong to. The
//! verdict has to follow Prometheus; these notes say when it rests on data that nobody should trust.

use std::fmt;

use crate::model::{Name, RecordType};
use crate::protocol::wire::{CLASS_IN, Message, Question};

/// One thing that Prometheus overlooks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Suspicion {
    /// QR is 0: a query, perhaps our own reflected.
    NotAResponse,
    /// The opcode is not QUERY.
    Opcode(u8),
    /// There is no question, or more than one.
    Questions(usize),
    /// The question is another than was asked.
    OtherQuestion(Question),
    /// A record that the answer holds for a name neither asked for nor reached through CNAMEs.
    OtherOwner(Name),
}

impl fmt::Display for Suspicion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Prometheus would accept this: ")?;
        match self {
            Self::NotAResponse => f.write_str("the reply is marked as a query"),
            Self::Opcode(opcode) => write!(f, "the reply has opcode {opcode}"),
            Self::Questions(0) => f.write_str("the reply does not repeat the question"),
            Self::Questions(count) => write!(f, "the reply has {count} questions"),
            Self::OtherQuestion(question) => {
                write!(f, "the reply is to another question, {} {}", question.name, question.record_type)
            }
            Self::OtherOwner(owner) => write!(f, "the reply answers for another name, {owner}"),
        }
    }
}

/// Everything to hold against a reply to the question.
pub(super) fn suspicions(asked: &Question, reply: &Message) -> Vec<Suspicion> {
    let mut found = Vec::new();
    if !reply.header.is_response() {
        found.push(Suspicion::NotAResponse);
    }
    if reply.header.opcode() != 0 {
        found.push(Suspicion::Opcode(reply.header.opcode()));
    }
    match &*reply.questions {
        [question] if question == asked => {}
        [question] => found.push(Suspicion::OtherQuestion(question.clone())),
        questions => found.push(Suspicion::Questions(questions.len())),
    }
    found.extend(first_stranger(&asked.name, reply).cloned().map(Suspicion::OtherOwner));
    found
}

/// The first owner of an answer that the CNAME chain from the asked name does not lead to.
fn first_stranger<'a>(asked: &'a Name, reply: &'a Message) -> Option<&'a Name> {
    let chain = cname_chain(asked, reply);
    let belongs = |owner: &Name| chain.iter().any(|name| name == owner);
    // A DNAME belongs to an ancestor of the name that it redirects (RFC 6672 section 3.1).
    let redirects = |owner: &Name| chain.iter().any(|name| name.is_within(owner));
    let stranger = reply.answers.iter().find(|record| match record.record_type() {
        RecordType::DNAME => !redirects(&record.name),
        _ => !belongs(&record.name),
    });
    stranger.map(|record| &record.name)
}

/// Longest chain that is followed: a longer one is no honest server's, and takes long to follow.
const MAX_CHAIN: usize = 64;

fn cname_chain(asked: &Name, reply: &Message) -> Vec<Name> {
    let mut chain = vec![asked.clone()];
    while let Some(next) = chain.last().and_then(|owner| cname_of(owner, reply)) {
        if chain.len() == MAX_CHAIN || chain.contains(&next) {
            break;
        }
        chain.push(next);
    }
    chain
}

fn cname_of(owner: &Name, reply: &Message) -> Option<Name> {
    let is_cname = |record_type| record_type == RecordType::CNAME;
    let record = reply.answers.iter().find(|record| is_cname(record.record_type()) && record.name == *owner)?;
    record.rdata.as_name()
}

/// The question that a lookup of a name and type asks.
pub(super) fn question(name: Name, record_type: RecordType) -> Question {
    Question { name, record_type, class: CLASS_IN }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Rdata;
    use crate::protocol::wire::{Header, RawRecord};

    fn name(text: &str) -> Name {
        text.parse().unwrap()
    }

    fn record(owner: &str, record_type: RecordType, target: &str) -> RawRecord {
        let rdata = Rdata::from_wire(record_type, name(target).as_wire());
        RawRecord { name: name(owner), class: CLASS_IN, ttl: 5, rdata }
    }

    fn reply(answers: Vec<RawRecord>) -> Message {
        Message {
            header: Header { id: 1, flags: 0x8000, counts: [1, 0, 0, 0] },
            questions: vec![question(name("A.example"), RecordType::NS)],
            answers,
            authorities: vec![],
            additionals: vec![],
        }
    }

    fn found(reply: &Message) -> Vec<Suspicion> {
        suspicions(&question(name("a.example"), RecordType::NS), reply)
    }

    #[test]
    fn an_honest_reply_raises_none_whatever_its_case() {
        assert!(found(&reply(vec![record("A.EXAMPLE", RecordType::NS, "ns.example")])).is_empty());
    }

    #[test]
    fn a_chain_may_lead_elsewhere_in_any_order_and_in_circles() {
        let chain = vec![
            record("c.test", RecordType::NS, "ns.example"),
            record("b.test", RecordType::CNAME, "c.test"),
            record("a.example", RecordType::CNAME, "b.test"),
            record("example", RecordType::DNAME, "test"),
            record("c.test", RecordType::CNAME, "a.example"),
        ];
        assert!(found(&reply(chain)).is_empty());
    }

    #[test]
    fn strangers_are_named() {
        let stranger = reply(vec![record("b.example", RecordType::NS, "ns.example")]);
        assert_eq!(found(&stranger), [Suspicion::OtherOwner(name("b.example"))]);
        let stranger = reply(vec![record("b.example", RecordType::DNAME, "test")]);
        assert_eq!(found(&stranger), [Suspicion::OtherOwner(name("b.example"))]);
    }

    #[test]
    fn the_header_and_the_question_are_compared() {
        let mut reflected = reply(vec![]);
        reflected.header.flags = 0x2800;
        reflected.questions.clear();
        assert_eq!(found(&reflected), [Suspicion::NotAResponse, Suspicion::Opcode(5), Suspicion::Questions(0)]);
        let mut other = reply(vec![]);
        other.questions[0].record_type = RecordType::SRV;
        assert_eq!(found(&other), [Suspicion::OtherQuestion(other.questions[0].clone())]);
        assert_eq!(
            found(&other)[0].to_string(),
            "Prometheus would accept this: the reply is to another question, A.example. SRV"
        );
    }
}
