//! How good a peer is, in one number.

use std::time::{Duration, Instant};

/// From 0 to 1000, beginning at a start value and decaying back towards it: yesterday's luck counts half.
#[derive(Debug, Clone, Copy)]
pub struct Score {
    start: f64,
    value: f64,
    since: Instant,
}

impl Score {
    /// What our own nodes show instead of a score, as operators of p2pool know it.
    pub const OWN: u32 = 999_999;
    /// What peers begin with that one of our nodes has, or that the operator named.
    pub const KNOWN: f64 = 100.0;
    /// What peers begin with that we heard of elsewhere.
    pub const DISCOVERED: f64 = 50.0;
    /// What a peer begins with that the chain itself prefers, and how much more each step of its weight is worth.
    pub const PREFERRED: (f64, f64) = (150.0, 50.0);
    /// The most.
    pub const MAX: f64 = 1000.0;

    const DELIVERED: f64 = 10.0;
    const FAILED: f64 = -20.0;
    const HALF_LIFE: Duration = Duration::from_secs(24 * 3600);

    /// A new score.
    pub fn new(start: f64, now: Instant) -> Self {
        Self { start, value: start, since: now }
    }

    /// Gives it another start, to which what was earned and lost so far is added.
    pub fn restart(&mut self, start: f64, now: Instant) {
        let by = start - self.start;
        self.change(by, now);
        self.start = start;
    }

    /// The score at a time, as an integer.
    pub fn at(&self, now: Instant) -> u32 {
        self.decayed(now).round() as u32
    }

    /// The score when it last changed, as an integer.
    pub fn last(&self) -> u32 {
        self.value.round() as u32
    }

    fn decayed(&self, now: Instant) -> f64 {
        let halves = now.saturating_duration_since(self.since).as_secs_f64() / Self::HALF_LIFE.as_secs_f64();
        self.start + (self.value - self.start) * 0.5f64.powf(halves)
    }

    /// A proven delivery: +10.
    pub fn reward(&mut self, now: Instant) {
        self.change(Self::DELIVERED, now);
    }

    /// A failure: -20.
    pub fn punish(&mut self, now: Instant) {
        self.change(Self::FAILED, now);
    }

    fn change(&mut self, by: f64, now: Instant) {
        self.value = (self.decayed(now) + by).clamp(0.0, Self::MAX);
        self.since = now;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_score_is_bounded_and_decays_towards_its_start() {
        let now = Instant::now();
        let mut score = Score::new(Score::KNOWN, now);
        (0..200).for_each(|_| score.reward(now));
        assert_eq!(score.at(now), 1000);
        assert_eq!(score.at(now + Score::HALF_LIFE), 550);
        (0..200).for_each(|_| score.punish(now));
        assert_eq!(score.at(now), 0);
        assert_eq!(score.at(now + 10 * Score::HALF_LIFE), 100);
        score.restart(150.0, now);
        assert_eq!((score.at(now), score.at(now + 10 * Score::HALF_LIFE)), (50, 150));
    }
}
