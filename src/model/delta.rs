//! The one noun that travels: a change of one RRset, and an ordered set of such changes.
//!
//! Drift, plan, batch, journal row and the effect of a transfer are all deltas; `after` is what
//! verification expects.

use std::fmt;

use super::rdata::Rdata;
use super::rrset::{Record, Rrset, RrsetKey};

/// One RRset's change. `before` and `after` differ.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Which RRset.
    pub key: RrsetKey,
    /// What is there now; none when there is no such RRset.
    pub before: Option<Rrset>,
    /// What shall be there; none when the RRset shall go.
    pub after: Option<Rrset>,
}

impl Change {
    /// The change from one state of an RRset to another; none when they are equal, TTL included.
    pub fn between(key: RrsetKey, before: Option<&Rrset>, after: Option<&Rrset>) -> Option<Self> {
        (before != after).then(|| Self { key, before: before.cloned(), after: after.cloned() })
    }

    /// The records to delete exactly, and then the records to add, in that order.
    ///
    /// With a new TTL every record that stays comes again, see [`Self::retimes`].
    pub fn operations(&self) -> (Vec<&Rdata>, Vec<&Rdata>) {
        let before = self.before.as_ref();
        let after = self.after.as_ref();
        let deletes = before.map_or_else(Vec::new, |set| set.minus(after).collect());
        let same_ttl = before.filter(|set| Some(set.ttl) == after.map(|after| after.ttl));
        let adds = after.map_or_else(Vec::new, |set| set.minus(same_ttl).collect());
        (deletes, adds)
    }

    /// Whether what is there gets another TTL.
    pub fn retimes(&self) -> bool {
        matches!((&self.before, &self.after), (Some(before), Some(after)) if before.ttl != after.ttl)
    }

    /// The change as lines that people read: what goes and what comes, as zone-file records.
    pub fn lines(&self) -> impl Iterator<Item = Line> {
        let (deletes, adds) = self.operations();
        let old_ttl = self.before.as_ref().map_or(0, |set| set.ttl);
        let new_ttl = self.after.as_ref().map_or(0, |set| set.ttl);
        // A TTL change shows the record at its old TTL going, which is what happens to it.
        let going = if self.retimes() { self.before.iter().flat_map(Rrset::rdatas).collect() } else { deletes };
        let line = |sign, ttl| {
            move |rdata: &Rdata| Line {
                sign,
                record: Record { name: self.key.name.clone(), ttl, rdata: rdata.clone() },
            }
        };
        let mut lines: Vec<_> = going.into_iter().map(line('-', old_ttl)).collect();
        lines.extend(adds.into_iter().map(line('+', new_ttl)));
        lines.into_iter()
    }
}

/// One line of a shown change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// `+` or `-`.
    pub sign: char,
    /// The record that comes or goes.
    pub record: Record,
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.sign, self.record)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Name, RecordType};

    fn set(ttl: u32, hosts: &[u8]) -> Option<Rrset> {
        Rrset::new(ttl, hosts.iter().map(|&host| Rdata::a([10, 0, 0, host].into())))
    }

    fn change(before: Option<&Rrset>, after: Option<&Rrset>) -> Option<Change> {
        let key = RrsetKey::new("h.internal.local".parse::<Name>().unwrap(), RecordType::A);
        Change::between(key, before, after)
    }

    #[test]
    fn equal_sets_are_no_change_and_order_does_not_matter() {
        assert_eq!(change(set(300, &[1, 2]).as_ref(), set(300, &[2, 1, 1]).as_ref()), None);
    }

    #[test]
    fn a_new_ttl_adds_all_and_deletes_only_what_goes() {
        let change = change(set(300, &[1, 2]).as_ref(), set(60, &[2, 3]).as_ref()).unwrap();
        let (deletes, adds) = change.operations();
        assert_eq!(deletes, [&Rdata::a([10, 0, 0, 1].into())]);
        assert_eq!(adds.len(), 2);
        let lines: Vec<_> = change.lines().map(|line| line.to_string()).collect();
        assert_eq!(
            lines,
            [
                "- h.internal.local. 300 IN A 10.0.0.1",
                "- h.internal.local. 300 IN A 10.0.0.2",
                "+ h.internal.local. 60 IN A 10.0.0.2",
                "+ h.internal.local. 60 IN A 10.0.0.3",
            ]
        );
    }
}
