//! Lengths of time as Prometheus has them written (prometheus/common `model/time.go`).

use std::time::Duration;

use crate::model::time_units::read_units;

/// Units from the longest, with their milliseconds.
const UNITS: [(&str, u64); 7] = [
    ("y", 365 * 86_400_000),
    ("w", 7 * 86_400_000),
    ("d", 86_400_000),
    ("h", 3_600_000),
    ("m", 60_000),
    ("s", 1_000),
    ("ms", 1),
];

/// `30s`, `1m30s`, `1d`: units from the longest to the shortest, each at most once. None when it is not written so.
pub fn parse_duration(text: &str) -> Option<Duration> {
    let spelt = if text == "0" { "" } else { Some(text).filter(|text| !text.is_empty())? };
    read_units(spelt, &UNITS).map(Duration::from_millis)
}

/// As Prometheus writes it: years and weeks only where nothing is left over. Less than a millisecond is dropped.
pub fn format_duration(duration: Duration) -> String {
    let mut rest = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    let mut text = String::new();
    for (unit, each) in UNITS {
        let is_only_whole = matches!(unit, "y" | "w");
        if rest >= each && (!is_only_whole || rest.is_multiple_of(each)) {
            text.extend([(rest / each).to_string().as_str(), unit]);
            rest %= each;
        }
    }
    if text.is_empty() { "0s".to_owned() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_prometheus_reads_them() {
        for (text, seconds) in [("0", 0), ("0s", 0), ("30s", 30), ("1m30s", 90), ("1w1d", 691_200), ("1y", 31_536_000)]
        {
            assert_eq!(parse_duration(text), Some(Duration::from_secs(seconds)), "{text}");
        }
        assert_eq!(parse_duration("1s500ms"), Some(Duration::from_millis(1500)));
        for text in ["", "30", "s", "1.5s", "30s1m", "1s1s", "-1s", " 1s", "99999999999999999999s"] {
            assert_eq!(parse_duration(text), None, "{text}");
        }
    }

    #[test]
    fn as_prometheus_writes_them() {
        for (text, written) in [
            ("60s", "1m"),
            ("90s", "1m30s"),
            ("0", "0s"),
            ("7d", "1w"),
            ("8d", "8d"),
            ("366d", "366d"),
            ("1500ms", "1s500ms"),
        ] {
            assert_eq!(parse_duration(text).map(format_duration).as_deref(), Some(written), "{text}");
        }
    }
}
