//! The zone's other servers: whether they answer, for the zone, and with its latest version.

use std::time::Duration;

use crate::model::{Finding, Name, Serial, Severity};
use crate::protocol::rcode::Rcode;

/// What a server said when it was asked for the zone's SOA record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// Its code.
    pub rcode: Rcode,
    /// Whether the answer is its own.
    pub authoritative: bool,
    /// The serial, when it told one.
    pub serial: Option<u32>,
}

fn shown(seen: &Result<Seen, String>) -> String {
    match seen {
        Err(why) => why.clone(),
        Ok(Seen { rcode, authoritative, serial }) => {
            let serial = serial.map_or("no serial".to_owned(), |serial| format!("serial {serial}"));
            format!("{rcode}, {serial}{}", if *authoritative { "" } else { ", not authoritative" })
        }
    }
}

/// Whether a server answers, over both transports, and for the zone; its serial when it can be compared.
pub fn server(
    zone: &Name,
    server: &str,
    udp: &Result<Seen, String>,
    tcp: &Result<Seen, String>,
) -> (Vec<Finding>, Option<u32>) {
    let with = |finding: Finding| finding.seen(format!("UDP: {}", shown(udp))).seen(format!("TCP: {}", shown(tcp)));
    let finding = |code, severity, problem: String| with(Finding::new(code, severity, server, problem));
    let seen = match (udp, tcp) {
        (Err(_), Err(_)) => {
            let problem = format!("the NS set of {zone} names a server that does not answer");
            let remedy = "start the server, open port 53 (UDP and TCP) on the way to it, or take it out of the NS set";
            return (vec![finding("secondary-reachable", Severity::Error, problem).remedy(remedy)], None);
        }
        (Ok(seen), _) | (Err(_), Ok(seen)) => seen,
    };
    let mut findings = vec![match (udp, tcp) {
        (Ok(_), Err(_)) => {
            finding("tcp", Severity::Error, "TCP port 53 is not reachable: no large answer gets through".into())
                .remedy("open TCP port 53 to the server, and let it listen there")
        }
        (Err(_), Ok(_)) => {
            finding("secondary-reachable", Severity::Error, "the server does not answer over UDP".into())
                .remedy("open UDP port 53 to the server, and let it listen there")
        }
        _ => finding("secondary-reachable", Severity::Ok, "answers over UDP and TCP".into()),
    }];
    let serial = seen.serial.filter(|_| seen.authoritative && seen.rcode == Rcode::NOERROR);
    findings.push(match serial {
        Some(_) => finding("secondary-authoritative", Severity::Ok, "has the zone".into()),
        None => finding(
            "secondary-authoritative",
            Severity::Error,
            "the NS set names it, and it does not have the zone (a lame delegation): resolvers that ask it fail".to_owned(),
        )
        .remedy(format!(
            "on that server: `zone \"{}\" {{ type secondary; primaries {{ PRIMARY key KEY; }}; }};`, and let the primary's \
             `allow-transfer` name it; its log says why a transfer failed. Or take it out of the NS set",
            zone.without_final_dot()
        )),
    });
    (findings, serial)
}

/// A server of the NS set that nobody can find.
pub fn without_address(zone: &Name, name: &Name, why: &str) -> Finding {
    let problem = format!("the NS set of {zone} names a server without an address");
    let remedy = format!("publish an A or AAAA record of {name}, or take it out of the NS set");
    Finding::new("secondary-reachable", Severity::Error, name, problem).seen(why).remedy(remedy)
}

/// How far a server followed the primary.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reached {
    /// The primary's serial and the server's before anything was changed.
    pub before: (u32, u32),
    /// The same when it was last asked.
    pub after: (u32, u32),
    /// For how long it was waited.
    pub waited: Duration,
    /// After how long a secondary asks by itself, seconds.
    pub refresh: u32,
    /// The SRV records of an RRset with which the server did not take the zone, as it did again without them; and both
    /// serials then.
    pub refused: Option<(usize, (u32, u32))>,
}

/// Whether a server follows the primary.
pub fn propagation(zone: &Name, server: &str, reached: &Reached) -> Vec<Finding> {
    let Reached { before, after, waited, refresh, refused } = reached;
    let gap = |(primary, secondary): (u32, u32)| Serial(primary).ahead_of(Serial(secondary));
    let shown = |when: &str, (primary, secondary): (u32, u32)| {
        format!(
            "{when}: primary {primary}, here {secondary}{}",
            gap((primary, secondary)).map_or(String::new(), |gap| format!(", {gap} behind"))
        )
    };
    let waited = format!("{:.1} s", waited.as_secs_f64());
    let finding = |severity, problem: String| {
        let finding = Finding::new("secondary-serial", severity, server, problem).seen(shown("at first", *before));
        if before == after { finding } else { finding.seen(shown(&format!("after {waited}"), *after)) }
    };
    let mut findings = Vec::new();
    if let Some((records, then)) = refused {
        let problem = format!(
            "the secondary does not take the zone while an RRset in it has {records} records, and answers with old data until \
             that RRset is gone"
        );
        findings.push(
            Finding::new("limit-secondary", Severity::Error, server, problem).seen(shown(&format!("with {records} records"), *then)).seen(shown("without them", *after)).remedy(format!(
                "on that server, in the zone or in `options`: `max-records-per-type {records};` (100 by default since BIND \
                 9.18.28), or a lower `max_records_per_rrset` in srvctl.toml"
            )),
        );
    }
    findings.push(match (gap(*before), gap(*after)) {
        (_, None) if Serial(after.1).is_newer_than(Serial(after.0)) => {
            finding(Severity::Error, "has a newer serial than the primary, so it will not take what the primary has".into())
                .remedy(format!("raise the primary's serial above {}, or transfer anew on that server: `rndc retransfer {}`", after.1, zone.without_final_dot()))
        }
        (_, None) => finding(Severity::Ok, "follows the primary".into()),
        (Some(_), Some(gap)) => finding(
            Severity::Error,
            format!("is {gap} versions behind the primary and does not catch up: who asks it gets old data"),
        )
        .remedy(format!(
            "`rndc retransfer {}` on that server, whose log says why transfers fail; the primary's `allow-transfer` must let \
             it",
            zone.without_final_dot()
        )),
        (None, Some(gap)) => finding(
            Severity::Warning,
            format!(
                "did not take a change within {waited}, {gap} versions behind: without a NOTIFY it asks every {refresh} s (the SOA \
                 record's REFRESH)"
            ),
        )
        .remedy("in the primary's zone: `notify yes;`, or `also-notify` with the secondary's address. Where its log says `refused notify`, `allow-notify` there"),
    });
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn zone() -> Name {
        "internal.local".parse().unwrap()
    }

    fn good(serial: u32) -> Seen {
        Seen { rcode: Rcode::NOERROR, authoritative: true, serial: Some(serial) }
    }

    fn bad(found: (Vec<Finding>, Option<u32>)) -> (Vec<(&'static str, Severity)>, Option<u32>) {
        let bad = found.0.into_iter().filter(|finding| finding.severity != Severity::Ok);
        (bad.map(|finding| (finding.code, finding.severity)).collect(), found.1)
    }

    #[test]
    fn who_answers_and_for_what() {
        let seen = |udp, tcp| bad(server(&zone(), "ns2", &udp, &tcp));
        let silent = || Err("no answer".to_owned());
        assert_eq!(seen(Ok(good(7)), Ok(good(7))), (vec![], Some(7)));
        assert_eq!(seen(silent(), silent()), (vec![("secondary-reachable", Severity::Error)], None));
        assert_eq!(seen(Ok(good(7)), silent()), (vec![("tcp", Severity::Error)], Some(7)));
        assert_eq!(seen(silent(), Ok(good(7))), (vec![("secondary-reachable", Severity::Error)], Some(7)));
        let refused = Ok(Seen { rcode: Rcode::REFUSED, authoritative: false, serial: None });
        assert_eq!(seen(refused.clone(), refused), (vec![("secondary-authoritative", Severity::Error)], None));
        let cached = Ok(Seen { rcode: Rcode::NOERROR, authoritative: false, serial: Some(7) });
        assert_eq!(seen(cached.clone(), cached), (vec![("secondary-authoritative", Severity::Error)], None));
    }

    #[test]
    fn who_follows() {
        let severity = |before, after| {
            let reached = Reached { before, after, waited: Duration::ZERO, refresh: 3600, refused: None };
            propagation(&zone(), "ns2", &reached)[0].severity
        };
        assert_eq!(severity((7, 7), (9, 9)), Severity::Ok);
        assert_eq!(severity((7, 5), (9, 9)), Severity::Ok);
        assert_eq!(severity((7, 7), (9, 7)), Severity::Warning);
        assert_eq!(severity((7, 5), (9, 5)), Severity::Error);
        assert_eq!(severity((7, 70), (9, 70)), Severity::Error);
        assert_eq!(severity((u32::MAX, u32::MAX), (1, 1)), Severity::Ok);
    }
}
