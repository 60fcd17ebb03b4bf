//! Moments as people read them, in UTC.

use std::fmt;

/// A second of the calendar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Moment {
    year: u64,
    month: u64,
    day: u64,
    /// Days since 1970.
    days: u64,
    /// Seconds since midnight.
    second: u64,
}

impl Moment {
    /// From seconds since 1970.
    pub(super) fn at(seconds: u64) -> Self {
        let (days, second) = (seconds / 86_400, seconds % 86_400);
        // Years that begin in March have their leap day at the end. 719,468 days lie between 0000-03-01 and 1970-01-01, and
        // 146,097 are in 400 years.
        let day = days + 719_468;
        let (era, day) = (day / 146_097, day % 146_097);
        let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
        let day = day - (365 * year + year / 4 - year / 100);
        let month = (5 * day + 2) / 153;
        let day = day - (153 * month + 2) / 5 + 1;
        let month = if month < 10 { month + 3 } else { month - 9 };
        let year = era * 400 + year + u64::from(month <= 2);
        Self { year, month, day, days, second }
    }

    /// As dig writes it: `Thu Jan 01 00:00:00 UTC 1970`.
    pub(super) fn as_dig(self) -> String {
        const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
        const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
        let pick = |names: &[&'static str], index: u64| usize::try_from(index).map_or("", |index| names[index]);
        let (weekday, month) = (pick(&DAYS, self.days % 7), pick(&MONTHS, self.month - 1));
        format!("{weekday} {month} {:02} {} UTC {:04}", self.day, self.clock(), self.year)
    }

    fn clock(self) -> String {
        format!("{:02}:{:02}:{:02}", self.second / 3_600, self.second / 60 % 60, self.second % 60)
    }
}

impl fmt::Display for Moment {
    /// As ISO 8601 writes it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{:04}-{:02}-{:02}T{}Z", self.year, self.month, self.day, self.clock()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_dates() {
        for (seconds, date, as_dig) in [
            (0, "1970-01-01T00:00:00Z", "Thu Jan 01 00:00:00 UTC 1970"),
            (951_782_400, "2000-02-29T00:00:00Z", "Tue Feb 29 00:00:00 UTC 2000"),
            (1_077_926_399, "2004-02-27T23:59:59Z", "Fri Feb 27 23:59:59 UTC 2004"),
            (1_709_164_800, "2024-02-29T00:00:00Z", "Thu Feb 29 00:00:00 UTC 2024"),
            (1_767_225_599, "2025-12-31T23:59:59Z", "Wed Dec 31 23:59:59 UTC 2025"),
            (4_107_542_400, "2100-03-01T00:00:00Z", "Mon Mar 01 00:00:00 UTC 2100"),
        ] {
            assert_eq!(Moment::at(seconds).to_string(), date);
            assert_eq!(Moment::at(seconds).as_dig(), as_dig);
        }
    }
}
