//! How good a peer is, in one number and in its terms.
//!
//! The score runs from 0 to 1000. It begins with what the [kind](super::Kind) of the peer is worth, and everything that
//! is added to that fades: what was earned or lost counts half a day later, and so does a measurement that was not made
//! anew. A peer that we have heard nothing of for long is what it was at first.
//!
//! | term | points | from |
//! |---|---|---|
//! | `start` | 100, 50; 150 and more | a peer that the operator or a node of ours named; of strangers; that the chain prefers |
//! | `deliveries` | +10 each | blocks of ours that it is proven to have |
//! | `failures` | -20 each | dials, handshakes and deliveries that failed by its doing, and faults |
//! | `early` | up to 300 | how early it announces blocks, compared with our other peers |
//! | `lead` | -200 to 200 | how much later we had heard of blocks without it |
//! | `delivery` | -150 to 150 | how soon a block of ours was in its hands |
//! | `latency` | up to 50 | handshake and pings |
//! | `uptime` | up to 50 | how long it was connected |
//! | `reliability` | -50 to 50 | how many of our dials it took |
//!
//! Two peers that are near one another, and near us, are both early, and one of them is as good as both. `lead` tells them
//! from one that hears first of what is far from all others (as Perigee scores the whole of a node's neighbours, arXiv
//! 2006.14186): it takes many blocks to be known, and counts little until then. `delivery` and `lead` can be less than
//! nothing, so that one of whom nothing is known is not taken to be as bad as the worst.
//!
//! Which of two has a place is decided by what each *promises* (`promise.rs`), not by the score; and where no blocks were
//! seen by the *merit*, which is the score without `start`, `deliveries` and `uptime`: those who are here would
//! otherwise be better than anybody by being here.

use std::time::{Duration, Instant};

use serde::Serialize;

/// The numbers that scores are made of.
#[derive(Debug, Clone, Copy)]
pub struct Score;

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
    /// Who has less, and has failed for long, is dropped.
    pub const DROPPED_BELOW: f64 = 10.0;
    /// After this long what was earned, lost and measured counts half.
    pub const HALF_LIFE: Duration = Duration::from_secs(24 * 3600);

    pub(super) const DELIVERED: f64 = 10.0;
    pub(super) const FAILED: f64 = 20.0;
}

/// One part of a score.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Term {
    /// Its name; see the [module](self).
    pub name: &'static str,
    /// What it adds.
    pub points: f64,
}

/// How much is left of something after a time.
fn faded(since: Instant, now: Instant) -> f64 {
    let halves = now.saturating_duration_since(since).as_secs_f64() / Score::HALF_LIFE.as_secs_f64();
    0.5f64.powf(halves)
}

/// A sum that fades. It cannot exceed [`Score::MAX`].
#[derive(Debug, Clone, Copy)]
pub(super) struct Fading {
    value: f64,
    since: Instant,
}

impl Fading {
    pub(super) fn new(value: f64, now: Instant) -> Self {
        Self { value: value.clamp(0.0, Score::MAX), since: now }
    }

    pub(super) fn at(&self, now: Instant) -> f64 {
        self.value * faded(self.since, now)
    }

    pub(super) fn add(&mut self, by: f64, now: Instant) {
        *self = Self::new(self.at(now) + by, now);
    }
}

/// The mean of late measurements, of which the newest count most; it fades when none comes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Average {
    pub(super) value: f64,
    /// How many there were; what was long ago counts for less.
    pub(super) count: f64,
    since: Instant,
}

/// How many measurements a mean looks back to.
const MEMORY: f64 = 64.0;
/// For what happens in few of many blocks.
pub(super) const LONG_MEMORY: f64 = 1024.0;

/// How many blocks it takes until what is known of leads counts half.
const LEADS_TAKE: f64 = 200.0;

impl Average {
    pub(super) fn new(value: f64, count: f64, now: Instant) -> Self {
        Self { value, count, since: now }
    }

    fn note(&mut self, value: f64, memory: f64, now: Instant) {
        self.count = (self.count + 1.0).min(memory);
        self.value += (value - self.value) / self.count;
        self.since = now;
    }

    /// What it is worth: `points` of the mean, as far as it is known and fresh. A single measurement counts for a third.
    pub(super) fn points(&self, now: Instant, points: impl Fn(f64) -> f64) -> f64 {
        points(self.value) * (self.count / (self.count + 2.0)) * faded(self.since, now)
    }
}

/// A measurement, if there is one.
pub(super) fn note(average: &mut Option<Average>, value: f64, now: Instant) {
    average.get_or_insert(Average::new(value, 0.0, now)).note(value, MEMORY, now);
}

/// The same with a mean that looks back for longer.
pub(super) fn note_long(average: &mut Option<Average>, value: f64, now: Instant) {
    average.get_or_insert(Average::new(value, 0.0, now)).note(value, LONG_MEMORY, now);
}

/// The newest measurement was more than was noted of it, by so much.
pub(super) fn amend(average: &mut Option<Average>, by: f64) {
    if let Some(average) = average {
        average.value += by / average.count.max(1.0);
    }
}

pub(super) fn points(average: Option<Average>, now: Instant, points: impl Fn(f64) -> f64) -> f64 {
    average.map_or(0.0, |average| average.points(now, points))
}

/// The worth of a round trip in milliseconds, from 0 to 50: half at 100 ms.
pub(super) fn latency(milliseconds: f64) -> f64 {
    50.0 * 0.5f64.powf(milliseconds / 100.0)
}

/// The worth of a delivery time in milliseconds, from -150 to 150: nothing at 250 ms.
pub(super) fn delivery(milliseconds: f64) -> f64 {
    300.0 * 0.5f64.powf(milliseconds / 250.0) - 150.0
}

/// The worth of leads in milliseconds, from -200 to 200: nothing for a mean of 4 ms, as of one that is alone by 100 ms
/// with one block in 25.
pub(super) fn lead(leads: Option<Average>, now: Instant) -> f64 {
    leads.map_or(0.0, |leads| {
        let worth = 200.0 - 400.0 * 0.5f64.powf(leads.value / 4.0);
        worth * (leads.count / (leads.count + LEADS_TAKE)) * faded(leads.since, now)
    })
}

/// The worth of announcements, from 0 to 300, by the mean of [`earliness`].
pub(super) fn early(earliness: f64) -> f64 {
    300.0 * earliness
}

/// How early an announcement was, from 0 to 1: the first of all is 1, who follows by 200 ms a half, who is silent 0.
pub(super) fn earliness(behind_first: Duration) -> f64 {
    0.5f64.powf(behind_first.as_secs_f64() / 0.2)
}

/// The worth of time spent connected, from 0 to 50: half after twelve hours.
pub(super) fn uptime(connected: Duration) -> f64 {
    50.0 - 50.0 * 0.5f64.powf(connected.as_secs_f64() / (12.0 * 3600.0))
}

/// The worth of the share of dials that were taken, from -50 to 50; none either way is worth nothing.
pub(super) fn reliability(taken: f64, refused: f64) -> f64 {
    50.0 * (taken - refused) / (taken + refused + 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_earned_is_bounded_and_fades() {
        let now = Instant::now();
        let mut earned = Fading::new(0.0, now);
        (0..200).for_each(|_| earned.add(Score::DELIVERED, now));
        assert_eq!(earned.at(now), 1000.0);
        assert_eq!(earned.at(now + Score::HALF_LIFE), 500.0);
        assert!(earned.at(now + 20 * Score::HALF_LIFE) < 0.01);
    }

    #[test]
    fn one_measurement_counts_for_less_than_many_and_the_newest_for_most() {
        let now = Instant::now();
        let mut average = None;
        note(&mut average, 0.5, now);
        let once = points(average, now, early);
        (0..100).for_each(|_| note(&mut average, 0.5, now));
        let often = points(average, now, early);
        assert!((49.0..51.0).contains(&once) && (130.0..150.0).contains(&often), "{once} {often}");
        (0..128).for_each(|_| note(&mut average, 1.0, now));
        assert!(average.is_some_and(|average| average.value > 0.9), "{average:?}");
        assert!(points(average, now + Score::HALF_LIFE, early) < 150.0);
    }

    #[test]
    fn the_first_to_announce_a_block_earns_most() {
        assert_eq!(earliness(Duration::ZERO), 1.0);
        let later = [1, 50, 100, 1000].map(|ms| earliness(Duration::from_millis(ms)));
        assert!(later[0] < 1.0 && later.is_sorted_by(|a, b| a > b), "{later:?}");
        let now = Instant::now();
        let leads = |milliseconds: f64| {
            let mut average = None;
            for n in 0..100 {
                note_long(&mut average, 0.0, now);
                amend(&mut average, if n % 10 == 0 { milliseconds } else { 0.0 });
            }
            super::lead(average, now)
        };
        let never_ahead = leads(0.0);
        assert!(
            (-70.0..-60.0).contains(&never_ahead),
            "a third of what is known once it is well known: {never_ahead}"
        );
        assert!(leads(100.0) > 30.0);
    }
}
