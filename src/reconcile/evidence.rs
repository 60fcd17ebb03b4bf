//! What an answer says about whether something published is to be found: in sync, stale for a reason, wrong, or unknown.
//!
//! A cache that still gives what was there before is no drift, and neither is a secondary that has not transferred the
//! zone yet. Both are believed for as long as they can explain the difference, and no longer:
//!
//! ```text
//!   the answer is as it shall be ───────────────────────────────▶ in sync
//!   no answer that Prometheus would take ───────────────────────▶ unknown
//!   another answer ─┬─ authoritative ─┬─ serial behind ─────────▶ stale: a secondary that lags
//!                   │                 └─ else ──────────────────▶ wrong
//!                   └─ from a cache ──┬─ until it must be gone ─▶ stale: says when
//!                                     └─ after that ────────────▶ wrong
//! ```
//! Until when a cache must have let go of what was there before: one TTL after the change, or after some server of the
//! zone still gave it. Of several caches behind one address each may have asked at another moment before that.

use std::fmt::Write as _;

use super::verdict::{Comparison, Standing, compare};
use crate::model::{Rdata, RecordType, Rrset, Serial, State};
use crate::protocol::lookup::{Emptiness, Verdict};
use crate::protocol::wire::RawRecord;

/// Seconds by which a cache may be late in letting go: caches count whole seconds, and so do we; and a secondary that
/// hears of a change some seconds later (BIND waits five between two NOTIFYs) may have been asked meanwhile.
const SLACK: u64 = 15;
/// Records that a reason tells; the others it counts.
const TOLD: usize = 3;

/// What was seen through one server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sight {
    /// An answer that Prometheus would take, be it empty.
    Answer {
        /// The data of the type that was asked for.
        rdatas: Vec<Rdata>,
        /// In which way there is nothing, when there is nothing.
        emptiness: Option<Emptiness>,
        /// AA: the server speaks for the zone itself, and not from a cache.
        authoritative: bool,
        /// For how many more seconds a cache may give this answer (RFC 2181 section 8, RFC 2308 section 5).
        lasts: Option<u32>,
    },
    /// None, and why.
    Nothing(String),
}

impl Sight {
    /// What a look-up saw of one type.
    pub fn of(verdict: &Verdict, record_type: RecordType) -> Self {
        if let Verdict::Unknown { reason, .. } = verdict {
            return Self::Nothing(reason.to_string());
        }
        let Some(reply) = verdict.reply() else { return Self::Nothing("there is no reply".to_owned()) };
        let of_type = || reply.message.answers.iter().filter(|record| record.record_type() == record_type);
        let lasts = of_type().map(|record| record.ttl).min();
        Self::Answer {
            rdatas: of_type().map(|record| record.rdata.clone()).collect(),
            emptiness: match verdict {
                Verdict::Empty { why, .. } => Some(*why),
                _ => None,
            },
            authoritative: reply.message.header.is_authoritative(),
            lasts: lasts.or_else(|| negative_ttl(&reply.message.authorities)),
        }
    }
}

impl Sight {
    /// What several names hold together. Nobody speaks for all of them who does not speak for each, and what is seen
    /// together lasts as long as the longest.
    #[must_use]
    pub fn together(sights: Vec<Self>) -> Self {
        let nothing = Self::Nothing("nothing was looked up".to_owned());
        sights.into_iter().reduce(Self::and).unwrap_or(nothing)
    }

    fn and(self, other: Self) -> Self {
        match (self, other) {
            (nothing @ Self::Nothing(_), _) | (_, nothing @ Self::Nothing(_)) => nothing,
            (
                Self::Answer { mut rdatas, emptiness, authoritative, lasts },
                Self::Answer { rdatas: more, emptiness: other_emptiness, authoritative: also, lasts: other_lasts },
            ) => {
                rdatas.extend(more);
                Self::Answer {
                    rdatas,
                    emptiness: emptiness.and(other_emptiness),
                    authoritative: authoritative && also,
                    lasts: lasts.max(other_lasts),
                }
            }
        }
    }
}

/// How long a cache may say that there is nothing: the SOA record's TTL and its last number, whichever is smaller
/// (RFC 2308 section 5). A cache counts the TTL down.
fn negative_ttl(authorities: &[RawRecord]) -> Option<u32> {
    let soa = authorities.iter().find(|record| record.record_type() == RecordType::SOA)?;
    Some(soa.rdata.soa_minimum().map_or(soa.ttl, |minimum| minimum.min(soa.ttl)))
}

/// Serials of the zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Serials {
    /// At the primary.
    pub primary: Option<u32>,
    /// At the server that was asked; none when it does not say.
    pub here: Option<u32>,
    /// When some server of the zone was last known to be behind the primary, seconds since 1970: a cache may have asked
    /// that one then.
    pub last_lag: Option<u64>,
}

impl Serials {
    /// By how much the server is behind the primary (RFC 1982); none when it is not.
    pub fn behind(&self) -> Option<u32> {
        Serial(self.primary?).ahead_of(Serial(self.here?))
    }

    /// Whether the server has a newer zone than we know of: then what it says may be the next thing that we hear.
    pub fn is_ahead(&self) -> bool {
        let ahead = self.here.zip(self.primary).and_then(|(here, primary)| Serial(here).ahead_of(Serial(primary)));
        ahead.is_some()
    }
}

/// What shall be found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expectation {
    /// Exactly this.
    Exactly(Rrset),
    /// None of this any more. What others publish there is their business.
    NoneOf(Rrset),
}

/// How one RRset stands at one server, look after look.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Track {
    expected: Expectation,
    /// For how long a cache may have what was there before, seconds: its TTL, or the zone's negative TTL.
    ttl: u32,
    /// When it became so.
    changed: u64,
    state: Option<State>,
    since: u64,
    clears: Option<u64>,
    reason: String,
}

impl Track {
    /// Not looked at yet. It became what shall be there at `changed`, in seconds since 1970, and what was there before
    /// may be in caches for `ttl` more seconds.
    pub fn new(expected: Expectation, ttl: u32, changed: u64) -> Self {
        Self { expected, ttl, changed, state: None, since: changed, clears: None, reason: String::new() }
    }

    /// Whether nothing of it shall be there any more.
    pub fn is_gone(&self) -> bool {
        matches!(self.expected, Expectation::NoneOf(_))
    }

    /// Whether no cache can have what was there before, at `now` seconds since 1970.
    pub fn is_over(&self, now: u64) -> bool {
        now > self.changed + u64::from(self.ttl) + SLACK
    }

    /// Whether what was seen is as it shall be.
    pub fn is_met_by(&self, sight: &Sight) -> bool {
        matches!(sight, Sight::Answer { rdatas, .. } if difference(&self.expected, rdatas).is_none())
    }

    /// How it stood at the last look.
    pub fn state(&self) -> Option<State> {
        self.state
    }

    /// Since when it stands so, seconds since 1970. Between stale, wrong and unknown it is the time of the first
    /// difference: for whoever looks for the service it makes no difference.
    pub fn since(&self) -> u64 {
        self.since
    }

    /// When a cache lets go of what it has, seconds since 1970.
    pub fn clears(&self) -> Option<u64> {
        self.clears
    }

    /// What is seen there, and why.
    pub fn reason(&self) -> &str {
        &self.reason
    }

    /// Takes in another look, at `now` seconds since 1970.
    pub fn take(&mut self, sight: &Sight, serials: Serials, now: u64) -> State {
        let (state, clears, reason) = self.judge(sight, serials, now);
        let (is_good, was_good) = (state == State::InSync, self.state == Some(State::InSync));
        if is_good != was_good && (is_good || self.state.is_some()) {
            self.since = now;
        }
        (self.state, self.clears, self.reason) = (Some(state), clears, reason);
        state
    }

    fn judge(&self, sight: &Sight, serials: Serials, now: u64) -> (State, Option<u64>, String) {
        let (rdatas, emptiness, authoritative, lasts) = match sight {
            Sight::Nothing(why) => return (State::Unknown, None, why.clone()),
            Sight::Answer { rdatas, emptiness, authoritative, lasts } => (rdatas, emptiness, *authoritative, *lasts),
        };
        let Some(mut seen) = difference(&self.expected, rdatas) else {
            return (State::InSync, None, String::new());
        };
        if let Some(why) = emptiness.filter(|_| rdatas.is_empty()) {
            seen = format!("{why}: {seen}");
        }
        if authoritative {
            return match (serials.behind(), serials.here) {
                (Some(behind), Some(here)) => {
                    let primary = serials.primary.unwrap_or_default();
                    let lag = format!("it has serial {here}, {behind} behind the primary's {primary}");
                    (State::Stale, None, format!("{lag}; {seen}"))
                }
                (_, Some(here)) => (State::Wrong, None, format!("it speaks for the zone with serial {here}; {seen}")),
                _ => (State::Wrong, None, format!("it speaks for the zone; {seen}")),
            };
        }
        let Some(lasts) = lasts else {
            return (State::Wrong, None, format!("from neither the zone nor a cache (a lame server); {seen}"));
        };
        let clears = now + u64::from(lasts);
        let asked_at_the_latest = serials.last_lag.map_or(self.changed, |lag| lag.max(self.changed));
        if clears <= asked_at_the_latest + u64::from(self.ttl) + SLACK {
            return (State::Stale, Some(clears), format!("from a cache that lets go of it within {lasts} s; {seen}"));
        }
        (State::Wrong, None, format!("from a cache that should have let go of it; whom does it ask? {seen}"))
    }
}

/// In which way what was found is not what shall be; none when it is.
fn difference(expected: &Expectation, found: &[Rdata]) -> Option<String> {
    let expected = match expected {
        Expectation::Exactly(expected) => expected,
        Expectation::NoneOf(gone) => {
            let left: Vec<_> = found.iter().filter(|rdata| gone.contains(rdata)).cloned().collect();
            return (!left.is_empty()).then(|| format!("still there: {}", list(&left)));
        }
    };
    let (standing, Comparison { missing, extra, different }) = compare(expected, found);
    if standing == Standing::InSync {
        return None;
    }
    let mut text = String::new();
    for (what, rdatas) in [("missing", missing), ("extra", extra), ("with another priority or weight", different)] {
        if !rdatas.is_empty() {
            let separator = if text.is_empty() { "" } else { "; " };
            let _ = write!(text, "{separator}{what}: {}", list(&rdatas));
        }
    }
    Some(text)
}

fn list(rdatas: &[Rdata]) -> String {
    let told: Vec<_> = rdatas.iter().take(TOLD).map(ToString::to_string).collect();
    match rdatas.len().saturating_sub(TOLD) {
        0 => told.join(", "),
        more => format!("{} and {more} more", told.join(", ")),
    }
}

#[cfg(test)]
#[path = "evidence_tests.rs"]
mod tests;
