//! Lengths of time as Prometheus has them written.

use std::time::Duration;

use serde_saphyr::Spanned;

use super::yaml::Yaml;
use crate::model::Diagnostic;

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

/// What is no length of time is a problem, and absent; so is none at all, which stands for the default.
pub(super) fn read(yaml: &Yaml, text: &Spanned<String>, problems: &mut Vec<Diagnostic>) -> Option<Duration> {
    match parse(&text.value) {
        None => {
            let message = format!("`{}` is not a length of time", text.value);
            problems.push(yaml.about(&text.referenced, message).help("Prometheus takes `30s`, `1m30s`, `1d`"));
            None
        }
        Some(duration) => Some(duration).filter(|duration| !duration.is_zero()),
    }
}

fn parse(text: &str) -> Option<Duration> {
    let mut milliseconds = 0u64;
    let mut units = UNITS.iter();
    let mut rest = if text == "0" { "" } else { Some(text).filter(|text| !text.is_empty())? };
    while !rest.is_empty() {
        let (digits, after) = rest.split_at(rest.find(|letter: char| !letter.is_ascii_digit())?);
        let end = after.find(|letter: char| !letter.is_ascii_alphabetic()).unwrap_or(after.len());
        let (unit, after) = after.split_at(end);
        let (_, each) = units.find(|(name, _)| *name == unit)?;
        milliseconds = digits.parse::<u64>().ok()?.checked_mul(*each)?.checked_add(milliseconds)?;
        rest = after;
    }
    Some(Duration::from_millis(milliseconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_prometheus_reads_them() {
        for (text, seconds) in [("0", 0), ("0s", 0), ("30s", 30), ("1m30s", 90), ("1w1d", 691_200), ("1y", 31_536_000)]
        {
            assert_eq!(parse(text), Some(Duration::from_secs(seconds)), "{text}");
        }
        assert_eq!(parse("1s500ms"), Some(Duration::from_millis(1500)));
        for text in ["", "30", "s", "1.5s", "30s1m", "1s1s", "-1s", " 1s", "99999999999999999999s"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
