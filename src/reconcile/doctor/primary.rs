//! What the primary lets us do: key and clock, updates, incremental transfers, NOTIFYs.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use super::counted;
use crate::model::{Finding, Name, OwnerId, RecordType, Server, Severity};
use crate::protocol::rcode::Rcode;
use crate::protocol::tsig::FUDGE;

/// From here on a clock is worth mending, seconds; TSIG gives up at [`FUDGE`].
const SKEW: u64 = 60;
/// A NOTIFY that comes later waited for BIND's `notify-delay`; Knot waits for a second always.
const PROMPT: Duration = Duration::from_millis(1500);
/// A zone of fewer records is sent whole at no cost.
const SMALL_ZONE: usize = 1000;

/// A key, and what it is used for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyUse {
    /// Its name, as the server's configuration spells it.
    pub name: String,
    /// Its algorithm's name.
    pub algorithm: String,
    /// `updates`, `transfers`, or both.
    pub purpose: &'static str,
}

/// A key that works, and the server's clock in seconds ahead of ours.
pub fn clock(zone: &Name, primary: &Server, key: &KeyUse, ahead: i64) -> [Finding; 2] {
    let KeyUse { name, algorithm, purpose } = key;
    let problem = format!("{primary} takes key \"{name}\" for {purpose}, {algorithm}");
    let weak = algorithm.contains("sha1");
    let tsig = if weak {
        Finding::new("tsig", Severity::Warning, zone, format!("{problem}, which is out of date (RFC 8945 section 6)"))
            .remedy(format!("make a new key, `tsig-keygen -a hmac-sha256 {name}`, for the server and for us"))
    } else {
        Finding::new("tsig", Severity::Ok, zone, problem)
    };
    [tsig, skew(zone, primary, ahead)]
}

/// How far the clocks differ.
fn skew(zone: &Name, primary: &Server, ahead: i64) -> Finding {
    let (by, way) = (ahead.unsigned_abs(), if ahead < 0 { "behind" } else { "ahead of" });
    let evidence = format!("the clock of {primary} is {by} s {way} ours, by the time in its signature");
    let severity = match by {
        _ if by > u64::from(FUDGE) => Severity::Error,
        _ if by >= SKEW => Severity::Warning,
        _ => Severity::Ok,
    };
    let problem = match severity {
        Severity::Ok => "the clocks agree".to_owned(),
        Severity::Error => {
            format!("the clocks differ by {by} s, and TSIG takes no more than {FUDGE} s: everything is refused")
        }
        _ => format!("the clocks differ by {by} s; TSIG refuses everything from {FUDGE} s on"),
    };
    let finding = Finding::new("clock", severity, zone, problem).seen(evidence);
    if severity == Severity::Ok {
        return finding;
    }
    finding.remedy(
        "have both hosts' clocks synchronised: `timedatectl set-ntp true`, or chrony; `timedatectl` on each shows which \
         one is wrong",
    )
}

/// Whether the server lets us change records of a type at a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Permission {
    /// The name that was tried.
    pub name: Name,
    /// The type.
    pub record_type: RecordType,
    /// What the server said.
    pub rcode: Rcode,
}

impl Permission {
    /// Whether the server would have done it; that a condition is not met, it says only of what it would do.
    pub fn is_granted(&self) -> bool {
        self.rcode == Rcode::NOERROR || self.rcode.is_lost_race()
    }
}

/// What the server lets us change, by the key of this name.
pub fn permissions(zone: &Name, key: &str, tried: &[Permission]) -> Finding {
    let refused: Vec<_> = tried.iter().filter(|permission| !permission.is_granted()).collect();
    let types = |of: &[&Permission]| {
        let mut types: Vec<_> = of.iter().map(|permission| permission.record_type.to_string()).collect();
        types.sort_unstable();
        types.dedup();
        types
    };
    let Permission { rcode, .. } = match refused.first() {
        None => {
            let all = types(&tried.iter().collect::<Vec<_>>()).join(", ");
            return Finding::new("update", Severity::Ok, zone, format!("key \"{key}\" may update {all}"));
        }
        Some(first) => *first,
    };
    let types = types(&refused);
    let problem = format!("the primary refuses updates of {} records", types.join(", "));
    let finding = Finding::new("update", Severity::Error, zone, problem);
    let finding = refused.iter().fold(finding, |finding, Permission { name, record_type, rcode }| {
        finding.seen(format!("{name} {record_type}: {rcode}"))
    });
    let zone = zone.without_final_dot();
    finding.remedy(if *rcode != Rcode::REFUSED {
        rcode.explain_update().to_owned()
    } else if refused.len() == tried.len() {
        let browses = tried.iter().any(|permission| permission.record_type == RecordType::PTR);
        let all = if browses { "A AAAA PTR SRV TXT" } else { "A AAAA SRV TXT" };
        format!(
            "in the primary's `zone \"{zone}\" {{ … }};`: `update-policy {{ grant \"{key}\" zonesub {all}; }};`, in place of \
             an `allow-update`; then `rndc reconfig`"
        )
    } else {
        format!(
            "in the `update-policy` of the primary's `zone \"{zone}\" {{ … }};`: `grant \"{key}\" zonesub {};`; then `rndc \
             reconfig`",
            types.join(" ")
        )
    })
}

/// Somebody else changed the scratch names while they were in the zone: the server said so of an update.
pub fn interfered(zone: &Name, owner: &OwnerId, rcode: Rcode) -> Finding {
    let problem = "somebody else changed the scratch names meanwhile, so limits and large answers were not tried";
    let finding = Finding::new("stored", Severity::Error, zone, problem);
    finding.seen(format!("an update on condition that they are still ours: {rcode}")).remedy(format!(
        "run `srvctl doctor` again when no other machine with the owner \"{owner}\" runs it: it takes our scratch names for \
         leftovers and removes them. No two machines should have one owner"
    ))
}

/// What of an accepted update is not as it was sent, line by line.
pub fn stored(zone: &Name, differences: &[String]) -> Finding {
    if differences.is_empty() {
        return Finding::new("stored", Severity::Ok, zone, "what the primary accepts, it holds");
    }
    let problem = "the primary accepted an update (NOERROR) and holds something else";
    let finding = Finding::new("stored", Severity::Error, zone, problem);
    differences.iter().fold(finding, Finding::seen).remedy(
        "look at `max-zone-ttl` (shortens TTLs), at a number in `update-policy`, as in `SRV(2)` (skips records), and for \
         another writer",
    )
}

/// What came of asking for the changes since a serial.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Incremental {
    /// The changes: so many records.
    Steps(usize),
    /// The whole zone: so many records.
    Whole(usize),
    /// Something else.
    Other(String),
}

/// Whether what has changed can be read without the rest. `asked` is the question, for people.
pub fn incremental(zone: &Name, asked: &str, got: &Incremental) -> Finding {
    let finding = |severity, problem: &str| Finding::new("ixfr", severity, zone, problem);
    let remedy = "in the primary's zone: `provide-ixfr yes;` (a `server` statement may say no), `max-ixfr-ratio unlimited;`, \
                  and a journal that is kept (`max-journal-size`)";
    match got {
        Incremental::Steps(records) => finding(Severity::Ok, "IXFR brings what has changed")
            .seen(format!("{asked}: {}", counted(*records, "record"))),
        Incremental::Whole(records) if *records < SMALL_ZONE => {
            finding(Severity::Note, "IXFR brings the whole zone, which is small: BIND prefers that by default")
                .seen(format!("{asked}: {}", counted(*records, "record")))
                .remedy(format!("nothing while the zone is small; otherwise {remedy}"))
        }
        Incremental::Whole(records) => {
            finding(Severity::Warning, "IXFR brings the whole zone for every change: slow, and load for both sides")
                .seen(format!("{asked}: {}", counted(*records, "record")))
                .remedy(remedy)
        }
        Incremental::Other(what) => {
            finding(Severity::Warning, "IXFR does not work, so the whole zone is read for every change")
                .seen(format!("{asked}: {what}"))
                .remedy(remedy)
        }
    }
}

/// What came of waiting for a NOTIFY.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Heard {
    /// One came so long after the change.
    After(Duration),
    /// One came and was refused: why.
    Refused(String),
    /// None came within so long.
    Nothing(Duration),
    /// None could come: why.
    Deaf(String),
}

/// Where NOTIFYs are awaited.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listening {
    /// `notify_listen`.
    pub address: SocketAddr,
    /// Our address as the primary sees it.
    pub own: Option<IpAddr>,
    /// The key's name.
    pub key: String,
    /// Whether a daemon listened, or we did.
    pub daemon: bool,
}

/// Whether the primary tells of changes. Without `notify_listen`, nobody listens.
pub fn notified(zone: &Name, listening: Option<&Listening>, heard: &Heard) -> Finding {
    let finding = |severity, problem: &str| Finding::new("notify", severity, zone, problem);
    let Some(Listening { address, own, key, daemon }) = listening else {
        return finding(Severity::Note, "`notify_listen` is not set, so drift is seen when the zone is polled").remedy(
            "`notify_listen = \"ADDRESS:5301\"` in the zone's table, and that address in the primary's `also-notify`",
        );
    };
    let ip = if address.ip().is_unspecified() { own.unwrap_or(address.ip()) } else { address.ip() };
    let line = format!("also-notify {{ {ip} port {} key \"{key}\"; }};", address.port());
    let who = if *daemon { "the daemon at" } else { "we listened at" };
    match heard {
        Heard::After(time) if *time <= PROMPT => finding(Severity::Ok, "the primary tells of changes at once")
            .seen(format!("{who} {address}: {} ms", time.as_millis())),
        Heard::After(time) => finding(Severity::Note, "the primary waits before it tells of a change")
            .seen(format!("{who} {address}: {:.1} s", time.as_secs_f64()))
            .remedy("`notify-delay 0;` in the primary's zone; BIND waits 5 s by default after it told of one change"),
        Heard::Nothing(time) => finding(
            Severity::Warning,
            "the primary does not tell of changes, so they are seen when the zone is polled",
        )
        .seen(format!("{who} {address}: no NOTIFY within {} s after a change", time.as_secs()))
        .remedy(format!(
            "in the primary's zone: `notify explicit; {line}`; UDP and TCP port {} must be open from the primary",
            address.port()
        )),
        Heard::Refused(why) => {
            finding(Severity::Warning, "the primary's NOTIFYs come and are refused").seen(why).remedy(format!(
                "in the primary's zone: `{line}`, with one of the zone's keys or from the primary's own address"
            ))
        }
        Heard::Deaf(why) => finding(Severity::Warning, "no NOTIFY can be received").seen(why).remedy(format!(
            "free {address}, or set another `notify_listen`; `ss -lunp sport = :{}` shows who has it",
            address.port()
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn zone() -> Name {
        "internal.local".parse().unwrap()
    }

    #[test]
    fn skew_by_size() {
        let severity = |ahead| skew(&zone(), &"192.0.2.1".parse().unwrap(), ahead).severity;
        assert_eq!([0, 59, -59].map(severity), [Severity::Ok; 3]);
        assert_eq!([60, -60, 300].map(severity), [Severity::Warning; 3]);
        assert_eq!([301, -3600, i64::MIN].map(severity), [Severity::Error; 3]);
    }

    #[test]
    fn the_exact_grant() {
        let permission = |record_type, rcode| Permission { name: zone(), record_type, rcode };
        let one = [permission(RecordType::SRV, Rcode::NOERROR), permission(RecordType::AAAA, Rcode::REFUSED)];
        let finding = permissions(&zone(), "srvctl", &one);
        assert!(finding.remedy.unwrap().contains("`grant \"srvctl\" zonesub AAAA;`"));
        let all = [permission(RecordType::SRV, Rcode::REFUSED)];
        assert!(
            permissions(&zone(), "srvctl", &all).remedy.unwrap().contains("`update-policy { grant \"srvctl\" zonesub")
        );
        assert_eq!(permissions(&zone(), "srvctl", &one[..1]).severity, Severity::Ok);
    }

    #[test]
    fn the_exact_also_notify() {
        let listening = Listening {
            address: "0.0.0.0:5301".parse().unwrap(),
            own: Some("192.0.2.7".parse().unwrap()),
            key: "srvctl".to_owned(),
            daemon: false,
        };
        let finding = notified(&zone(), Some(&listening), &Heard::Nothing(Duration::from_secs(7)));
        assert!(finding.remedy.unwrap().contains("also-notify { 192.0.2.7 port 5301 key \"srvctl\"; };"));
        let after = |millis| notified(&zone(), Some(&listening), &Heard::After(Duration::from_millis(millis))).severity;
        assert_eq!([after(1500), after(1501)], [Severity::Ok, Severity::Note]);
    }

    #[test]
    fn a_small_zone_may_come_whole() {
        let severity = |got| incremental(&zone(), "IXFR", &got).severity;
        assert_eq!(severity(Incremental::Steps(7)), Severity::Ok);
        assert_eq!(severity(Incremental::Whole(999)), Severity::Note);
        assert_eq!(severity(Incremental::Whole(1000)), Severity::Warning);
        assert_eq!(severity(Incremental::Other("nothing".to_owned())), Severity::Warning);
    }
}
