//! Whose look-up is made.

use std::fmt;
use std::str::FromStr;

/// Whose look-up is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Consumer {
    /// Prometheus' own, which Alloy, the OpenTelemetry collector and Thanos' `miekgdns` make too.
    #[default]
    Prometheus,
    /// Go's `net.Resolver.LookupSRV`, which vmagent and Thanos' `golang` make.
    Go,
}

impl FromStr for Consumer {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "prometheus" => Ok(Self::Prometheus),
            "go" => Ok(Self::Go),
            other => Err(format!("`{other}` is no consumer; there are prometheus and go")),
        }
    }
}

impl fmt::Display for Consumer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Prometheus => "prometheus",
            Self::Go => "go",
        })
    }
}
