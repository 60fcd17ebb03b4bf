//! How long caches hold back what Prometheus would look up again.

use crate::model::{Finding, Name, Severity};

/// Times of a zone, seconds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ttls {
    /// TTL of the zone's SOA record.
    pub soa: u32,
    /// Its MINIMUM field.
    pub minimum: u32,
    /// The longest TTL of what is ours in the zone, and where; `ttl` of the configuration when nothing is.
    pub longest: (u32, String),
    /// How often Prometheus looks up.
    pub refresh: u64,
}

/// A "no" that is cached for no longer than this is no trouble, however often Prometheus looks up.
const HARMLESS: u64 = 60;
/// A record may be cached for as many look-ups.
const LOOKUPS: u64 = 10;

/// What they mean for how soon a change is seen.
pub fn ttls(zone: &Name, ttls: &Ttls) -> [Finding; 2] {
    [negative(zone, ttls), positive(zone, ttls)]
}

fn negative(zone: &Name, Ttls { soa, minimum, refresh, .. }: &Ttls) -> Finding {
    let (negative, most) = (u64::from(*soa.min(minimum)), HARMLESS.max(2 * refresh));
    let evidence =
        format!("the SOA record has TTL {soa} and MINIMUM {minimum}; the shorter counts (RFC 2308 section 5)");
    if negative <= most {
        let problem = format!("a resolver forgets that a name does not exist after {negative} s");
        return Finding::new("negative-ttl", Severity::Ok, zone, problem).seen(evidence);
    }
    let problem = format!(
        "a resolver that was asked for a name before it was published says for {negative} s that it does not exist: so \
         long can a new service stay undiscovered, with a refresh interval of {refresh} s"
    );
    Finding::new("negative-ttl", Severity::Warning, zone, problem).seen(evidence).remedy(format!(
        "lower the last number of the zone's SOA record to {most} or less, with nsupdate: `update add {zone} {soa} SOA \
         MNAME RNAME SERIAL REFRESH RETRY EXPIRE {most}`, the other fields as they are and SERIAL one more"
    ))
}

fn positive(zone: &Name, Ttls { longest: (longest, place), refresh, .. }: &Ttls) -> Finding {
    let most = LOOKUPS * refresh;
    let evidence = format!("TTL {longest} at {place}; refresh interval {refresh} s");
    if u64::from(*longest) <= most {
        return Finding::new("ttl", Severity::Ok, zone, format!("a change is seen within {longest} s")).seen(evidence);
    }
    let problem = format!(
        "resolvers keep what was published for up to {longest} s, so Prometheus, which looks up every {refresh} s, sees a \
         change that late"
    );
    let remedy = format!("set `ttl = {}` in the zone's table of srvctl.toml, or in the service", most.min(300));
    Finding::new("ttl", Severity::Warning, zone, problem).seen(evidence).remedy(remedy)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn severities(soa: u32, minimum: u32, longest: u32, refresh: u64) -> [Severity; 2] {
        let facts = Ttls { soa, minimum, longest: (longest, "srvctl.toml".to_owned()), refresh };
        ttls(&"internal.local".parse().unwrap(), &facts).map(|finding| finding.severity)
    }

    #[test]
    fn the_shorter_of_two_counts_for_a_no() {
        assert_eq!(severities(60, 86_400, 300, 30), [Severity::Ok, Severity::Ok]);
        assert_eq!(severities(86_400, 60, 300, 30), [Severity::Ok, Severity::Ok]);
        assert_eq!(severities(3600, 3600, 300, 30)[0], Severity::Warning);
        assert_eq!(severities(120, 120, 300, 60)[0], Severity::Ok, "two look-ups");
        assert_eq!(severities(120, 120, 300, 59)[0], Severity::Warning);
    }

    #[test]
    fn ten_lookups_are_patience_enough() {
        assert_eq!(severities(60, 60, 301, 30)[1], Severity::Warning);
        assert_eq!(severities(60, 60, 301, 60)[1], Severity::Ok);
    }
}
