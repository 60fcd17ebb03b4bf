//! How long to wait after a failure.

use std::time::Duration;

/// First wait after a failure.
const FIRST: Duration = Duration::from_millis(500);
/// Doublings after which the wait stops growing.
const MOST_DOUBLINGS: u32 = 10;

/// Waits that double with every failure in a row, up to a limit.
#[derive(Debug, Clone, Default)]
pub(super) struct Backoff {
    failures: u32,
}

impl Backoff {
    /// The wait after one more failure: half of it fixed, half by `jitter` in `0.0..1.0`, so that several
    /// daemons do not come back in step.
    pub(super) fn after_failure(&mut self, limit: Duration, jitter: f64) -> Duration {
        let doubled = FIRST.saturating_mul(1 << self.failures.min(MOST_DOUBLINGS));
        self.failures = self.failures.saturating_add(1);
        let wait = doubled.min(limit);
        wait.mul_f64(0.5 + jitter / 2.0)
    }

    /// Something worked: the next failure starts from the first wait again.
    pub(super) fn reset(&mut self) {
        self.failures = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubles_up_to_the_limit_and_starts_over() {
        let mut backoff = Backoff::default();
        let limit = Duration::from_secs(3);
        let waits: Vec<_> = (0..5).map(|_| backoff.after_failure(limit, 1.0).as_millis()).collect();
        assert_eq!(waits, [500, 1000, 2000, 3000, 3000]);
        assert_eq!(backoff.after_failure(limit, 0.0).as_millis(), 1500);
        backoff.reset();
        assert_eq!(backoff.after_failure(limit, 1.0).as_millis(), 500);
    }
}
