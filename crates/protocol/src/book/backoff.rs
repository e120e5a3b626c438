//! How long to leave a peer alone.

use std::time::Duration;

/// Exponential backoff with jitter: each failure in a row doubles the wait, success forgives all.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Backoff {
    first: Duration,
    longest: Duration,
    failures: u32,
}

impl Backoff {
    /// For strangers: 30 s to an hour.
    pub const PEER: Self = Self::new(Duration::from_secs(30), Duration::from_secs(3600));
    /// For peers that the operator named: 5 s to 10 minutes.
    pub const FIXED: Self = Self::new(Duration::from_secs(5), Duration::from_secs(600));
    /// For our own nodes: 500 ms to 15 s, for ever. They are on our own hosts, and we want them back at once.
    pub const OWN: Self = Self::new(Duration::from_millis(500), Duration::from_secs(15));

    /// Waits from `first` to `longest`.
    pub const fn new(first: Duration, longest: Duration) -> Self {
        Self { first, longest, failures: 0 }
    }

    /// Failures in a row.
    pub fn failures(&self) -> u32 {
        self.failures
    }

    /// Counts a failure and gives the wait: between half and all of the doubled time, by `jitter` in 0..1.
    pub fn fail(&mut self, jitter: f64) -> Duration {
        let doubled = self.first.saturating_mul(1 << self.failures.min(20)).min(self.longest);
        self.failures = self.failures.saturating_add(1);
        doubled.mul_f64(0.5 + 0.5 * jitter.clamp(0.0, 1.0))
    }

    /// The same with that many failures in a row behind it.
    pub const fn after(self, failures: u32) -> Self {
        Self { failures, ..self }
    }

    /// The same with so many failures behind it that it cannot be longer.
    pub const fn at_longest(self) -> Self {
        self.after(20)
    }

    /// Forgives.
    pub fn succeed(&mut self) {
        self.failures = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_longest_and_start_over_after_a_success() {
        let mut backoff = Backoff::PEER;
        let waits: Vec<u64> = (0..9).map(|_| backoff.fail(1.0).as_secs()).collect();
        assert_eq!(waits, [30, 60, 120, 240, 480, 960, 1920, 3600, 3600]);
        backoff.succeed();
        assert_eq!(backoff.fail(0.0), Duration::from_secs(15), "jitter takes off at most half");
        (0..100).for_each(|_| assert!(backoff.fail(0.5) <= Duration::from_secs(3600)));
    }
}
