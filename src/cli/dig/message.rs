//! A reply in dig's own shape, to the column (bind9 `bin/dig/dig.c`, `printmessage`; `lib/dns/masterdump.c`).

use std::time::{Duration, SystemTime};

use super::question::Show;
use super::switches::Part;
use crate::cli::moment::Moment;
use crate::cli::output::{self, Paint};
use crate::dns::presentation;
use crate::model::{RecordType, Server};
use crate::protocol::lookup::Reply;
use crate::protocol::wire::{CLASS_IN, Header, Message, Question, RawRecord};

/// Where dig's columns begin.
const TTL_COLUMN: usize = 24;
const CLASS_COLUMN: usize = 32;
const TYPE_COLUMN: usize = 40;
const DATA_COLUMN: usize = 48;
const TAB: usize = 8;

/// Everything of a reply that is to be shown.
pub(super) fn show(show: &Show, paint: Paint, reply: &Reply, took: Duration) {
    let comments = show.has(Part::Comments);
    let message = &reply.message;
    if comments {
        header(paint, reply);
    }
    if show.has(Part::Question) {
        questions(paint, comments, &message.questions);
    }
    let sections = [
        (Part::Answer, "ANSWER", &message.answers),
        (Part::Authority, "AUTHORITY", &message.authorities),
        (Part::Additional, "ADDITIONAL", &message.additionals),
    ];
    for (part, title, records) in sections {
        if show.has(part) {
            section(paint, comments.then_some(title), records);
        }
    }
    if show.has(Part::Stats) {
        stats(paint, reply, took);
    }
}

fn header(paint: Paint, reply: &Reply) {
    let Message { header, questions, answers, authorities, additionals } = &reply.message;
    let comment = |text: String| output::line(paint.dim(text));
    comment(";; Got answer:".to_owned());
    let opcode = if header.opcode() == 0 { "QUERY".to_owned() } else { format!("OPCODE{}", header.opcode()) };
    comment(format!(";; ->>HEADER<<- opcode: {opcode}, status: {}, id: {}", reply.rcode(), header.id));
    comment(format!(
        ";; flags:{}; QUERY: {}, ANSWER: {}, AUTHORITY: {}, ADDITIONAL: {}",
        flags(*header),
        questions.len(),
        answers.len(),
        authorities.len(),
        additionals.len()
    ));
    if header.recursion_desired() && !header.recursion_available() {
        comment(";; WARNING: recursion requested but not available".to_owned());
    }
    output::line("");
    if let Some(opt) = reply.message.opt() {
        comment(";; OPT PSEUDOSECTION:".to_owned());
        let dnssec = if opt.ttl & 0x8000 == 0 { "" } else { " do" };
        comment(format!("; EDNS: version: {}, flags:{dnssec}; udp: {}", opt.ttl >> 16 & 0xff, opt.class));
    }
}

fn flags(header: Header) -> String {
    let flags = [
        ("qr", header.is_response()),
        ("aa", header.is_authoritative()),
        ("tc", header.is_truncated()),
        ("rd", header.recursion_desired()),
        ("ra", header.recursion_available()),
        ("ad", header.flags & 0x20 != 0),
        ("cd", header.flags & 0x10 != 0),
    ];
    flags.iter().filter(|(_, set)| *set).flat_map(|(name, _)| [" ", name]).collect()
}

fn questions(paint: Paint, titled: bool, questions: &[Question]) {
    if titled && !questions.is_empty() {
        output::line(paint.dim(";; QUESTION SECTION:"));
    }
    for question in questions {
        let mut row = Row::of(question.name.to_string());
        row.put(CLASS_COLUMN, &class(question.class));
        row.put(TYPE_COLUMN, &question.record_type.to_string());
        output::line(paint.dim(format_args!(";{}", row.text)));
    }
    if titled && !questions.is_empty() {
        output::line("");
    }
}

/// The records without OPT, which stands further up; nothing of a section without any.
fn section(paint: Paint, title: Option<&str>, records: &[RawRecord]) {
    let shown: Vec<_> = records.iter().filter(|record| record.record_type() != RecordType::OPT).collect();
    if shown.is_empty() {
        return;
    }
    if let Some(title) = title {
        output::line(paint.dim(format_args!(";; {title} SECTION:")));
    }
    for RawRecord { name, ttl, class: code, rdata } in shown {
        let mut row = Row::of(name.to_string());
        row.put(TTL_COLUMN, &ttl.to_string());
        row.put(CLASS_COLUMN, &class(*code));
        row.put(TYPE_COLUMN, &rdata.record_type().to_string());
        row.put(DATA_COLUMN, &presentation(rdata));
        output::line(row.text);
    }
    if title.is_some() {
        output::line("");
    }
}

fn stats(paint: Paint, reply: &Reply, took: Duration) {
    let Server { host, port } = &reply.via.server;
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    for line in [
        format!(";; Query time: {} msec", took.as_millis()),
        format!(";; SERVER: {host}#{port}({host}) ({})", reply.via.transport),
        format!(";; WHEN: {}", Moment::at(now.as_secs()).as_dig()),
        format!(";; MSG SIZE  rcvd: {}", reply.size),
    ] {
        output::line(paint.dim(line));
    }
    output::line("");
}

fn class(code: u16) -> String {
    if code == CLASS_IN { "IN".to_owned() } else { format!("CLASS{code}") }
}

/// A line whose fields begin in columns, or one blank further where the field before is too long.
struct Row {
    text: String,
    column: usize,
}

impl Row {
    fn of(first: String) -> Self {
        Self { column: first.len(), text: first }
    }

    fn put(&mut self, column: usize, field: &str) {
        let to = column.max(self.column + 1);
        let tabs = to / TAB - self.column / TAB;
        let blanks = if tabs > 0 { to % TAB } else { to - self.column };
        self.text.extend(std::iter::repeat_n('\t', tabs).chain(std::iter::repeat_n(' ', blanks)));
        self.text.push_str(field);
        self.column = to + field.len();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_digs() {
        for (name, line) in [
            ("a.", "a.\t\t\t300\tIN\tSRV"),
            ("_j._tcp.internal.local.", "_j._tcp.internal.local.\t300\tIN\tSRV"),
            ("_443._tcp.x.internal.local.", "_443._tcp.x.internal.local. 300\tIN\tSRV"),
            ("_jenkins._tcp.internal.com.au.u.", "_jenkins._tcp.internal.com.au.u. 300 IN\tSRV"),
        ] {
            let mut row = Row::of(name.to_owned());
            row.put(TTL_COLUMN, "300");
            row.put(CLASS_COLUMN, "IN");
            row.put(TYPE_COLUMN, "SRV");
            assert_eq!(row.text, line);
        }
    }
}
