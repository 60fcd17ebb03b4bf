//! The zone's secondaries, and how far they follow.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::dns::{DnsError, Options, Primary, Resolver, lookup, secondaries, soa};
use crate::model::{Finding, Name, RecordType, Serial, Server, Zone};
use crate::protocol::lookup::Verdict;
use crate::reconcile::doctor::{Reached, Seen, propagation, server, without_address};

const POLL: Duration = Duration::from_millis(100);

/// A secondary that answers for the zone.
pub(super) struct Follower {
    shown: String,
    server: Server,
    /// The primary's serial and its own at first.
    before: (u32, u32),
    last: u32,
    wanted: u32,
    /// For how long it was waited in vain.
    waited: Duration,
    /// The primary's serial and its own, when it had followed all changes but the one to a large RRset.
    stumbled: Option<(u32, u32)>,
    refused: Option<(usize, (u32, u32))>,
}

/// The secondaries that can follow, and what is wrong with all of them.
pub(super) async fn first_look(live: &Zone, primary: &Server) -> (Vec<Follower>, Vec<Finding>) {
    let (zone, mut followers, mut findings) = (live.origin(), Vec::new(), Vec::new());
    for secondary in secondaries(zone, live.name_servers(), primary).await {
        let servers = match secondary.servers {
            Ok(servers) => servers,
            Err(error) => {
                findings.push(without_address(zone, &secondary.name, &error.to_string()));
                continue;
            }
        };
        for address in servers {
            let shown = format!("{} {address}", secondary.name);
            let (udp, tcp) = (ask(&address, zone, false).await, ask(&address, zone, true).await);
            let (found, serial) = server(zone, &shown, &udp, &tcp);
            findings.extend(found);
            followers.extend(serial.map(|serial| Follower {
                shown,
                server: address,
                before: (live.serial(), serial),
                last: serial,
                wanted: live.serial(),
                waited: Duration::ZERO,
                stumbled: None,
                refused: None,
            }));
        }
    }
    (followers, findings)
}

/// Asks for the zone's SOA record over one transport.
async fn ask(server: &Server, zone: &Name, force_tcp: bool) -> Result<Seen, String> {
    let options = Options { force_tcp, ..Options::default() };
    let resolver = Resolver::Servers(vec![server.clone()]);
    let report = lookup(&resolver, &zone.to_string(), RecordType::SOA, options).await;
    match (report.reply(), &report.verdict) {
        (Some(reply), _) => Ok(Seen {
            rcode: reply.rcode(),
            authoritative: reply.message.header.is_authoritative(),
            serial: reply.message.answers.iter().find_map(|record| record.rdata.soa_serial()),
        }),
        (None, Verdict::Unknown { .. }) if !report.attempts.is_empty() => {
            Err(report.attempts.iter().map(|attempt| attempt.outcome.to_string()).collect::<Vec<_>>().join("; "))
        }
        (None, _) => Err("no answer".to_owned()),
    }
}

impl Follower {
    fn has(&self, serial: u32) -> bool {
        !Serial(serial).is_newer_than(Serial(self.last))
    }

    fn is_ahead(&self) -> bool {
        Serial(self.last).is_newer_than(Serial(self.wanted))
    }

    pub(super) fn findings(&self, zone: &Name, refresh: u32) -> Vec<Finding> {
        let Self { before, last, wanted, waited, refused, .. } = self;
        let reached = Reached { before: *before, after: (*wanted, *last), waited: *waited, refresh, refused: *refused };
        propagation(zone, &self.shown, &reached)
    }
}

/// Asks the primary again where a follower has more than was known of the primary: others may have changed the zone in
/// between. What a follower has is newer than what the primary has only when the primary says so afterwards.
pub(super) async fn compare_again(followers: &mut [Follower], primary: &Primary) -> Result<(), DnsError> {
    for follower in followers.iter_mut().filter(|follower| follower.is_ahead()) {
        let now = super::publish::serial(primary).await?;
        follower.wanted = fair_comparison(now, follower.last);
    }
    Ok(())
}

/// The primary's serial that a follower's is to be compared with, when the primary was asked after the follower: what it
/// has become since, the follower need not have.
fn fair_comparison(primary: u32, follower: u32) -> u32 {
    if Serial(primary).is_newer_than(Serial(follower)) { follower } else { primary }
}

/// Waits until those who were in step have this version, or nobody can be expected to get it any more. Who was not in
/// step is not waited for again.
pub(super) async fn wait_for(zone: &Name, followers: &mut [Follower], wanted: u32, patience: Duration) {
    let started = Instant::now();
    let mut awaited: Vec<_> = followers.iter().map(|follower| follower.waited.is_zero()).collect();
    loop {
        for (follower, awaited) in followers.iter_mut().zip(&mut awaited) {
            follower.wanted = wanted;
            if !follower.has(wanted)
                && let Ok(answer) = soa(&follower.server, zone).await
            {
                follower.last = answer.serial;
            }
            *awaited &= !follower.has(wanted);
        }
        if !awaited.contains(&true) || started.elapsed() > patience {
            break;
        }
        sleep(POLL).await;
    }
    for (follower, _) in followers.iter_mut().zip(awaited).filter(|(_, awaited)| *awaited) {
        follower.waited = patience;
    }
}

/// Waits for the version in which an RRset is large; notes who has not taken it, and had the one before.
pub(super) async fn wait_for_large(zone: &Name, followers: &mut [Follower], wanted: u32, patience: Duration) {
    let in_step: Vec<_> = followers.iter().map(|follower| follower.has(follower.wanted)).collect();
    wait_for(zone, followers, wanted, patience).await;
    for (follower, was_in_step) in followers.iter_mut().zip(in_step) {
        if was_in_step && !follower.has(wanted) {
            follower.stumbled = Some((wanted, follower.last));
            follower.waited = Duration::ZERO;
        }
    }
}

/// Waits for the version in which it is gone again: who takes that one could not take the other.
pub(super) async fn wait_for_end(
    zone: &Name,
    followers: &mut [Follower],
    (wanted, records): (u32, usize),
    patience: Duration,
) {
    // With those who took the large one, there is nothing to wait for.
    for follower in followers.iter_mut() {
        let Some(then) = follower.stumbled else { continue };
        wait_for(zone, std::slice::from_mut(follower), wanted, patience).await;
        follower.refused = follower.has(wanted).then_some((records, then));
    }
}

#[cfg(test)]
mod tests {
    use super::fair_comparison;

    #[test]
    fn what_the_primary_has_become_since_is_not_asked_of_a_follower() {
        assert_eq!(fair_comparison(80, 80), 80);
        assert_eq!(fair_comparison(95, 80), 80, "others went on changing the zone");
        assert_eq!(fair_comparison(59, 80), 59, "that one is ahead indeed");
        assert_eq!(fair_comparison(1, u32::MAX), u32::MAX);
    }
}
