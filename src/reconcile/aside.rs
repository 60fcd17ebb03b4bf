//! Names that the server would not change: left alone for a while, so that one bad name costs an update now
//! and then and not an update per cycle.

use std::collections::BTreeMap;

use crate::model::Name;
use crate::protocol::update::NameUpdate;

/// Seconds until the first retry.
const FIRST_RETRY: u64 = 30;
/// Longest wait between retries, seconds.
const LONGEST_RETRY: u64 = 3600;

/// The names set aside, with what was wanted of them and when it is tried again.
#[derive(Debug, Clone, Default)]
pub struct SetAside(BTreeMap<Name, Entry>);

#[derive(Debug, Clone)]
struct Entry {
    update: NameUpdate,
    failures: u32,
    retry_at: u64,
    reason: String,
}

impl Entry {
    /// Seconds until the next try, 0 when it has come. One that lies further ahead than any wait was set by a clock
    /// that has been set back since, and has come too.
    fn wait(&self, now: u64) -> u64 {
        let wait = self.retry_at.saturating_sub(now);
        if wait > LONGEST_RETRY { 0 } else { wait }
    }
}

impl SetAside {
    /// Whether this very wish failed before and its next try has not come. `now` in seconds since 1970.
    pub fn holds(&self, update: &NameUpdate, now: u64) -> bool {
        self.0.get(&update.name).is_some_and(|entry| entry.wait(now) > 0 && entry.update.wish() == update.wish())
    }

    /// Remembers a failure. The wait doubles with every failure of the same wish.
    pub fn record(&mut self, update: &NameUpdate, reason: String, now: u64) {
        let failures = match self.0.get(&update.name) {
            Some(entry) if entry.update.wish() == update.wish() => entry.failures + 1,
            _ => 0,
        };
        let wait = FIRST_RETRY.saturating_mul(1 << failures.min(10)).min(LONGEST_RETRY);
        self.0.insert(update.name.clone(), Entry { update: update.clone(), failures, retry_at: now + wait, reason });
    }

    /// Whether nothing is set aside.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Forgets the names at which nothing is to do any more.
    pub fn forget_done(&mut self, is_pending: impl Fn(&Name) -> bool) {
        self.0.retain(|name, _| is_pending(name));
    }

    /// What is set aside and why, in canonical order of names.
    pub fn reasons(&self) -> impl Iterator<Item = (&Name, &str)> {
        self.0.iter().map(|(name, entry)| (name, entry.reason.as_str()))
    }

    /// How many seconds there are until the next name is due, 0 when one is. `now` in seconds since 1970.
    pub fn next_retry(&self, now: u64) -> Option<u64> {
        self.0.values().map(|entry| entry.wait(now)).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Change, Rdata, RecordType, Rrset, RrsetKey};

    fn update(host: u8) -> NameUpdate {
        let name: Name = "h.internal.local".parse().unwrap();
        let key = RrsetKey::new(name.clone(), RecordType::A);
        let after = Rrset::new(300, [Rdata::a([10, 0, 0, host].into())]);
        NameUpdate {
            name,
            prerequisites: vec![],
            changes: Change::between(key, None, after.as_ref()).into_iter().collect(),
        }
    }

    #[test]
    fn waits_longer_each_time_and_a_new_wish_goes_at_once() {
        let mut aside = SetAside::default();
        aside.record(&update(1), "REFUSED".into(), 1000);
        assert!(aside.holds(&update(1), 1029) && !aside.holds(&update(1), 1030));
        assert!(!aside.holds(&update(2), 1001));
        aside.record(&update(1), "REFUSED".into(), 1030);
        assert!(aside.holds(&update(1), 1089));
        for _ in 0..40 {
            aside.record(&update(1), "REFUSED".into(), 0);
        }
        assert_eq!(aside.next_retry(0), Some(LONGEST_RETRY));
    }

    #[test]
    fn a_clock_set_back_does_not_hold_a_name_for_ever() {
        let mut aside = SetAside::default();
        let has_due = |aside: &SetAside, now| aside.next_retry(now) == Some(0);
        aside.record(&update(1), "REFUSED".into(), 1_000_000);
        assert!(aside.holds(&update(1), 1_000_000) && !has_due(&aside, 1_000_000));
        assert!(has_due(&aside, 1_000_030));
        assert!(aside.holds(&update(1), 1_000_030 - LONGEST_RETRY), "as far ahead as a wait may be");
        assert!(!aside.holds(&update(1), 1000) && has_due(&aside, 1000));
        aside.record(&update(1), "REFUSED".into(), 1000);
        assert!(aside.holds(&update(1), 1059) && has_due(&aside, 1060));
    }

    #[test]
    fn what_is_no_longer_wanted_is_forgotten() {
        let mut aside = SetAside::default();
        aside.record(&update(1), "REFUSED".into(), 0);
        aside.forget_done(|_| true);
        assert_eq!(aside.reasons().count(), 1);
        aside.forget_done(|_| false);
        assert_eq!(aside.reasons().count(), 0);
    }
}
