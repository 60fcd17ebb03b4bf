//! What becomes of an instance that fails its checks.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What a service's health changes about what is published.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "policy", rename_all = "snake_case")]
pub enum HealthPolicy {
    /// Nothing: a record that vanishes hides an outage from Prometheus.
    #[default]
    Publish,
    /// What fails leaves the SRV set, as long as enough others are healthy.
    Withdraw {
        /// How many have to be healthy for anybody to be left out.
        min_healthy: MinHealthy,
    },
    /// What fails is published with another priority or weight, for clients that choose by them (RFC 2782).
    Deprioritise {
        /// The priority that it gets, unless its own is higher still: a higher one is asked later.
        priority: Option<u16>,
        /// The weight that it gets, unless its own is lower still.
        weight: Option<u16>,
    },
}

impl HealthPolicy {
    /// As in service files.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Publish => "publish",
            Self::Withdraw { .. } => "withdraw",
            Self::Deprioritise { .. } => "deprioritise",
        }
    }

    /// How many of so many checked instances have to be healthy for anything to follow from the failure of the others.
    /// None where nothing ever follows.
    ///
    /// One is enough to move priorities: nobody disappears by it.
    pub fn floor(self, checked: usize) -> Option<usize> {
        match self {
            Self::Publish => None,
            Self::Withdraw { min_healthy } => Some(min_healthy.of(checked)),
            Self::Deprioritise { .. } => Some(1),
        }
    }
}

/// How many instances of a service have to be healthy, at least one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum MinHealthy {
    /// Percent of those that are checked, 1 to 100; rounded up.
    Percent(u8),
    /// So many.
    Count(u32),
}

impl Default for MinHealthy {
    /// Half of them.
    fn default() -> Self {
        Self::Percent(50)
    }
}

impl MinHealthy {
    /// How many that is of so many checked instances; never 0.
    pub fn of(self, checked: usize) -> usize {
        match self {
            Self::Percent(percent) => (checked * usize::from(percent)).div_ceil(100).max(1),
            Self::Count(count) => (count as usize).max(1),
        }
    }
}

impl std::fmt::Display for MinHealthy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Percent(percent) => write!(f, "{percent}%"),
            Self::Count(count) => write!(f, "{count}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_is_rounded_up_and_never_nobody() {
        let half = |checked| MinHealthy::default().of(checked);
        assert_eq!([0, 1, 2, 3, 4, 5].map(half), [1, 1, 1, 2, 2, 3]);
        assert_eq!(MinHealthy::Percent(1).of(1000), 10);
        assert_eq!(MinHealthy::Percent(100).of(3), 3);
        assert_eq!((MinHealthy::Count(0).of(9), MinHealthy::Count(4).of(2)), (1, 4));
    }
}
