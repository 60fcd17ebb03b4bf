//! Lengths of time as Go writes them: `30s`, `1m30s`, `1.5h`, `500ms`.

use std::time::Duration;

/// Units with their nanoseconds; the longer spelling first where one begins with another.
const UNITS: [(&str, f64); 8] =
    [("ns", 1.0), ("us", 1e3), ("µs", 1e3), ("μs", 1e3), ("ms", 1e6), ("s", 1e9), ("m", 6e10), ("h", 3.6e12)];

/// Reads one, to the millisecond; none when it is written otherwise or is negative.
pub(super) fn read(text: &str) -> Option<Duration> {
    let mut nanoseconds = 0.0f64;
    let mut rest = text;
    while !rest.is_empty() {
        let (number, after) = rest.split_at(rest.find(|c: char| !c.is_ascii_digit() && c != '.')?);
        let (_, (unit, each)) = (after, UNITS.iter().find(|(unit, _)| after.starts_with(unit))?);
        nanoseconds += number.parse::<f64>().ok()? * each;
        rest = &after[unit.len()..];
    }
    let duration = Duration::try_from_secs_f64(nanoseconds / 1e9).ok()?;
    (!text.is_empty()).then(|| Duration::from_millis(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_go_writes() {
        for (text, milliseconds) in
            [("30s", 30_000), ("1m30s", 90_000), ("1.5h", 5_400_000), ("500ms", 500), ("2µs", 0), ("5m0s", 300_000)]
        {
            assert_eq!(read(text), Some(Duration::from_millis(milliseconds)), "{text}");
        }
        for wrong in ["", "30", "s", "-1s", "1 s", "1d", "..s", "999999999999999999999999h"] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }
}
