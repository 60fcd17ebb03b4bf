//! Serial numbers of zones, which wrap (RFC 1982).

use std::cmp::Ordering;
use std::fmt;

/// An SOA record's serial.
///
/// Without `Ord`: of three serials each can be newer than the one before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Serial(pub u32);

/// Half of the circle: so far apart, neither of two serials is the newer one.
const OPPOSITE: u32 = 1 << 31;

impl Serial {
    /// Which one is newer (RFC 1982 section 3.2); none for serials that are exactly half of the circle apart, where
    /// the standard leaves it open.
    pub fn compare(self, other: Self) -> Option<Ordering> {
        match self.0.wrapping_sub(other.0) {
            0 => Some(Ordering::Equal),
            OPPOSITE => None,
            ahead if ahead < OPPOSITE => Some(Ordering::Greater),
            _ => Some(Ordering::Less),
        }
    }

    /// How many increments this one is ahead of another; none when it is not newer.
    pub fn ahead_of(self, other: Self) -> Option<u32> {
        self.is_newer_than(other).then(|| self.0.wrapping_sub(other.0))
    }

    /// Whether this one is certainly newer.
    pub fn is_newer_than(self, other: Self) -> bool {
        self.compare(other) == Some(Ordering::Greater)
    }
}

impl fmt::Display for Serial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn newer_across_the_wrap_and_undefined_at_the_far_side() {
        let newer = |one, other| Serial(one).is_newer_than(Serial(other));
        assert!(newer(2, 1) && newer(0, u32::MAX) && newer(0x7fff_ffff, 0));
        assert!(!newer(1, 1) && !newer(u32::MAX, 0) && !newer(0, 0x7fff_ffff));
        assert_eq!([Serial(2).ahead_of(Serial(u32::MAX)), Serial(2).ahead_of(Serial(2))], [Some(3), None]);
        assert_eq!(Serial(0).compare(Serial(OPPOSITE)), None);
        assert_eq!(Serial(OPPOSITE).compare(Serial(0)), None);
    }

    proptest::proptest! {
        #[test]
        fn an_addition_within_the_standard_is_newer(serial: u32, added in 1..OPPOSITE) {
            // RFC 1982 section 3.1 defines additions of up to 2^31 - 1.
            let later = Serial(serial.wrapping_add(added));
            assert!(later.is_newer_than(Serial(serial)) && !Serial(serial).is_newer_than(later));
        }

        #[test]
        fn the_other_way_round_is_the_opposite(one: u32, other: u32) {
            let (one, other) = (Serial(one), Serial(other));
            assert_eq!(one.compare(other), other.compare(one).map(Ordering::reverse));
            assert_eq!(one.compare(other) == Some(Ordering::Equal), one == other);
        }

        #[test]
        fn only_the_distance_counts(one: u32, other: u32, by: u32) {
            let moved = |serial: u32| Serial(serial.wrapping_add(by));
            assert_eq!(moved(one).compare(moved(other)), Serial(one).compare(Serial(other)));
        }
    }
}
