//! Lengths of time as people write them in configuration: `500ms`, `30s`, `10m`, `1h30m`.

use std::fmt::Write as _;
use std::time::Duration;

use crate::model::time_units::read_units;

/// Units from the longest, with their milliseconds.
const UNITS: [(&str, u64); 5] = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

/// Reads a length of time: whole numbers, each with its unit, longest unit first, each unit once. Never zero.
///
/// # Errors
/// When it is written otherwise, zero, or too long to count in milliseconds.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let wrong = || format!("`{text}` is not a length of time: write it as `30s`, `10m`, `1h30m` or `500ms`");
    let milliseconds = read_units(text, &UNITS).ok_or_else(wrong)?;
    if text.is_empty() {
        return Err(wrong());
    }
    if milliseconds == 0 {
        return Err(format!("`{text}` is no time at all: it must be longer than zero"));
    }
    Ok(Duration::from_millis(milliseconds))
}

/// As [`parse_duration`] reads it: `1h30m`. Parts of a millisecond are not said.
pub(super) fn show_duration(duration: Duration) -> String {
    let mut rest = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    let mut text = String::new();
    for (unit, each) in UNITS {
        if rest >= each {
            let _ = write!(text, "{}{unit}", rest / each);
            rest %= each;
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_people_write() {
        for (text, milliseconds) in [
            ("30s", 30_000),
            ("10m", 600_000),
            ("1h30m", 5_400_000),
            ("500ms", 500),
            ("1s500ms", 1_500),
            ("1d", 86_400_000),
        ] {
            assert_eq!(parse_duration(text), Ok(Duration::from_millis(milliseconds)), "{text}");
            assert_eq!(show_duration(Duration::from_millis(milliseconds)), text);
        }
    }

    #[test]
    fn refuses_everything_else() {
        for text in [
            "",
            "30",
            "s",
            "-1s",
            "1.5s",
            "1 s",
            " 1s",
            "1S",
            "30m1h",
            "1s1s",
            "1y",
            "99999999999999999999s",
            "9999999999999d",
        ] {
            let error = parse_duration(text).unwrap_err();
            assert!(error.contains("is not a length of time: write it as `30s`"), "{text}: {error}");
        }
        assert!(parse_duration("0s").unwrap_err().contains("longer than zero"));
    }
}
