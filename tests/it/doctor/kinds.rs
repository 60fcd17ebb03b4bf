//! Primaries of other kinds: what is well with BIND is well with them, and refusals are told from unknown keys.

use super::site::Findings;
use crate::support::{Blueprint, Kind, Workspace};

const OTHERS: [Kind; 2] = [Kind::Knot, Kind::PowerDns];

#[test]
fn what_is_well_is_well_with_others_too() {
    for kind in OTHERS {
        let server = kind.start(&Blueprint::primary());
        let before = server.zone_text();
        let findings = Findings::of(&Workspace::new(&*server), &[]);
        for code in ["tsig", "clock", "update", "transfer", "stored", "limit-primary", "answer", "limit-resolver"] {
            findings.only(code, "ok", &[]);
        }
        assert!(findings.with("ixfr", "warning").is_empty(), "{kind:?}: {findings:#?}");
        assert_eq!(server.zone_text(), before, "{kind:?}");
    }
}

#[test]
fn what_others_refuse_is_no_unknown_key() {
    for kind in OTHERS {
        let server = kind.start(&Blueprint { updates: false, ..Blueprint::primary() });
        let findings = Findings::of(&Workspace::new(&*server), &[]);
        findings.only("tsig", "ok", &[]);
        findings.only("update", "error", &["A, AAAA, SRV, TXT"]);
        let server = kind.start(&Blueprint { transfers: false, ..Blueprint::primary() });
        let findings = Findings::of(&Workspace::new(&*server), &[]);
        findings.only("tsig", "ok", &[]);
        findings.only("transfer", "error", &["cannot be transferred"]);
    }
}
