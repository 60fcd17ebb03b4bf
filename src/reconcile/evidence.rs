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
//!                                     └─ after that ────────────▶ wrong, unless some secondary lags
//! ```

use std::fmt::Write as _;

use super::verdict::{Comparison, Standing, compare};
use crate::model::{Rdata, RecordType, Rrset, Serial, State};
use crate::protocol::lookup::{Emptiness, Verdict};
use crate::protocol::wire::RawRecord;

/// Seconds by which a cache may be late in letting go: caches count whole seconds, and so do we.
const SLACK: u64 = 2;
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
    /// Whether some server of the zone is behind the primary: a cache may have asked that one.
    pub some_lag: bool,
}

impl Serials {
    /// By how much the server is behind the primary (RFC 1982); none when it is not.
    pub fn behind(&self) -> Option<u32> {
        Serial(self.primary?).ahead_of(Serial(self.here?))
    }
}

/// How one RRset stands at one server, look after look.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Track {
    /// What shall be there; nothing when it is to be gone.
    expected: Option<Rrset>,
    state: Option<State>,
    since: u64,
    /// Until when a cache may have what was there before. Set at the first look that finds it; of several caches behind
    /// one address each may have asked at another time, within one TTL before the change.
    bound: Option<u64>,
    clears: Option<u64>,
    reason: String,
}

impl Track {
    /// Not looked at yet. What shall be there has been there since `since`, in seconds since 1970.
    pub fn new(expected: Option<Rrset>, since: u64) -> Self {
        Self { expected, state: None, since, bound: None, clears: None, reason: String::new() }
    }

    /// What shall be there.
    pub fn expected(&self) -> impl Iterator<Item = &Rdata> {
        self.expected.iter().flat_map(Rrset::rdatas)
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
        if state == State::InSync {
            self.bound = None;
            if self.state != Some(State::InSync) {
                self.since = now;
            }
        } else if self.state == Some(State::InSync) {
            self.since = now;
        }
        (self.state, self.clears, self.reason) = (Some(state), clears, reason);
        state
    }

    fn judge(&mut self, sight: &Sight, serials: Serials, now: u64) -> (State, Option<u64>, String) {
        let (rdatas, emptiness, authoritative, lasts) = match sight {
            Sight::Nothing(why) => return (State::Unknown, None, why.clone()),
            Sight::Answer { rdatas, emptiness, authoritative, lasts } => (rdatas, emptiness, *authoritative, *lasts),
        };
        let Some(mut seen) = difference(self.expected.as_ref(), rdatas) else {
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
        let ttl = self.expected.as_ref().map_or(0, |expected| expected.ttl);
        let bound = *self.bound.get_or_insert(clears.max(self.since + u64::from(ttl)));
        if clears <= bound + SLACK {
            return (State::Stale, Some(clears), format!("from a cache that lets go of it within {lasts} s; {seen}"));
        }
        if serials.some_lag {
            let why =
                format!("from a cache that asked again, maybe a secondary that is behind; {lasts} s more; {seen}");
            return (State::Stale, Some(clears), why);
        }
        (State::Wrong, None, format!("from a cache that should have let go of it; whom does it ask? {seen}"))
    }
}

/// In which way what was found is not what shall be; none when it is.
fn difference(expected: Option<&Rrset>, found: &[Rdata]) -> Option<String> {
    let Some(expected) = expected else {
        return (!found.is_empty()).then(|| format!("still there: {}", list(found)));
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
