//! Reading a zone over a network that lies: whole and untouched, or an error. A part of a zone taken for the
//! zone would make a plan that claims anew, or removes, what is there.
//!
//! An answer that stops without an end is not here: srvctl waits half a minute for the rest of it.

use std::fmt::Write as _;
use std::ops::Range;

use serde_json::json;

use crate::support::{EXAMPLE_RECORDS, Fault, Named, Scene, primary, runtime};

const HOSTS: usize = 20_000;

fn hosts(count: usize) -> String {
    let mut records = String::new();
    for host in 0..count {
        let _ = writeln!(records, "host{host} A 10.0.{}.{}", host / 250, host % 250);
    }
    records
}

fn large() -> Scene {
    Scene::example(Named::builder().records(&hosts(HOSTS)).start())
}

impl Scene {
    /// A transfer with this fault is an error that says why, and no plan.
    fn assert_no_plan(&self, fault: Fault, words: &[&str]) {
        self.proxy.script([fault]);
        let output = self.workspace.expect(1, &["plan"]);
        assert_eq!(output.stdout, "", "{fault:?}: no plan of any kind");
        assert!(words.iter().all(|word| output.stderr.contains(word)), "{fault:?}: {words:?} in: {}", output.stderr);
        self.proxy.script([fault]);
        let report = self.workspace.json(&["plan", "--json"]);
        let zone = &report["zones"][0];
        assert_eq!((&zone["changes"], &zone["serial"]), (&json!([]), &json!(null)), "{fault:?}: {report}");
        assert_ne!(zone["error"], json!(null), "{fault:?}");
    }

    /// The messages of the answer to one good `plan`: where each stands in the stream, its length apart.
    fn messages(&self) -> Vec<Range<usize>> {
        self.workspace.expect(3, &["plan"]);
        messages(&self.proxy.answer())
    }
}

fn messages(stream: &[u8]) -> Vec<Range<usize>> {
    let mut messages: Vec<Range<usize>> = Vec::new();
    loop {
        let at = messages.last().map_or(0, |last| last.end);
        let Some(length) = stream.get(at..at + 2) else { return messages };
        let length = usize::from(u16::from_be_bytes([length[0], length[1]]));
        messages.push(at + 2..at + 2 + length);
    }
}

#[test]
fn a_large_zone_is_read_whole() {
    let scene = large();
    let plan = scene.workspace.expect(3, &["plan", "--json"]);
    let plan: serde_json::Value = serde_json::from_str(&plan.stdout).unwrap();
    let changes = plan["zones"][0]["changes"].as_array().unwrap();
    let ours = EXAMPLE_RECORDS.len() - 2 - 2; // but the zone's own two; and two sets hold two records each
    assert_eq!(changes.len(), ours, "{plan}");
    assert!(changes.iter().all(|change| change["before"] == json!(null)), "{plan}");
    scene.workspace.converge();
    let live = runtime().block_on(primary(&scene.named, scene.named.address()).transfer()).unwrap();
    assert_eq!(live.record_count(), HOSTS + EXAMPLE_RECORDS.len() + 1); // and the SOA
}

#[test]
fn a_transfer_cut_short_is_no_zone() {
    let scene = large();
    let messages = scene.messages();
    assert!(messages.len() > 10, "the transfer takes many messages: {}", messages.len());
    let last = messages.last().unwrap();
    for (at, words) in [
        (0, "closed the connection"),
        (1, "closed the connection"),
        (messages[0].start + 5, "closed the connection"),
        (messages[0].end - 1, "closed the connection"),
        (messages[0].end, "not whole"),
        (messages[4].end, "not whole"),
        (messages[5].start + 1000, "not whole"),
        (last.start - 2, "not whole"),
        (last.end - 1, "not whole"),
    ] {
        scene.assert_no_plan(Fault::CutAnswer(at), &[words]);
    }
}

#[test]
fn one_byte_changed_in_a_large_transfer() {
    let scene = large();
    let messages = scene.messages();
    let middle = &messages[messages.len() / 2];
    for at in [
        messages[0].start,      // the ID
        messages[0].start + 7,  // the count of answers
        messages[0].start + 60, // the first SOA
        messages[0].end - 20,   // the signature
        middle.start + 500,     // a record
        middle.end - 100,       // the signature's time
        messages.last().unwrap().end - 1,
    ] {
        scene.assert_no_plan(Fault::Flip(at, 1), &[]);
    }
}

/// Every byte of a transfer in several messages, one after the other.
///
/// Not the lengths in front of the messages: a larger one is an answer that stops without an end.
#[test]
fn every_single_byte_counts() {
    let scene = Scene::example(Named::builder().records(&hosts(12)).options("transfer-message-size 512;").start());
    let primary = primary(&scene.named, scene.proxy.address());
    let runtime = runtime();
    let whole = runtime.block_on(primary.transfer()).unwrap();
    let messages = messages(&scene.proxy.answer());
    assert!(messages.len() > 1, "several messages, so that the chain of signatures counts");
    for at in messages.iter().cloned().flatten() {
        scene.proxy.script([Fault::Flip(at, 1)]);
        let read = runtime.block_on(primary.transfer());
        assert!(read.is_err(), "byte {at} of {messages:?} was changed and not missed: {read:?}");
    }
    assert_eq!(runtime.block_on(primary.transfer()).unwrap(), whole);
}
