//! What a long way does to packets: a model without clock, socket or thread.

use std::{collections::VecDeque, time::Duration};

use rand::{Rng, SeedableRng, rngs::StdRng};
use serde::{Deserialize, Serialize};

/// A way between two places. It is the same in both directions, and all connections share it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) struct Path {
    /// How long a packet travels once it is on the wire; half of the round trip.
    pub(crate) delay: Duration,
    /// How much goes onto the wire in a second, in bits.
    pub(crate) bandwidth: u64,
    /// How long packets may wait in front of the wire; one that would have to wait longer is dropped.
    pub(crate) buffer: Duration,
    /// Which share of the packets is lost on the way, from 0 to 1, each without regard to the others.
    pub(crate) loss: f64,
}

/// What becomes of a packet that is handed in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It will arrive.
    Travels,
    /// It is lost on the way, where it takes as much room as any other.
    Lost,
    /// It found the buffer full.
    Dropped,
}

/// One direction of a path, with what is on its way. Times are nanoseconds of any clock that does not go back.
#[derive(Debug)]
pub(crate) struct Line<P> {
    path: Path,
    rng: StdRng,
    /// When the wire has taken everything that was handed in so far.
    free_at: u64,
    /// What arrives when; in that order, for nothing overtakes.
    travelling: VecDeque<(u64, P)>,
}

impl<P> Line<P> {
    /// An empty line. The same seed loses the same packets, counted in the order in which they come.
    pub(crate) fn new(path: Path, seed: u64) -> Self {
        Self { path, rng: StdRng::seed_from_u64(seed), free_at: 0, travelling: VecDeque::new() }
    }

    /// Hands in a packet of so many bytes.
    pub(crate) fn hand_in(&mut self, packet: P, length: usize, now: u64) -> Fate {
        let begins = self.free_at.max(now);
        if begins - now > nanoseconds(self.path.buffer) {
            return Fate::Dropped;
        }
        let takes = u128::from(length as u64 * 8) * 1_000_000_000 / u128::from(self.path.bandwidth.max(1));
        self.free_at = begins.saturating_add(u64::try_from(takes).unwrap_or(u64::MAX));
        if self.rng.random_bool(self.path.loss.clamp(0.0, 1.0)) {
            return Fate::Lost;
        }
        self.travelling.push_back((self.free_at.saturating_add(nanoseconds(self.path.delay)), packet));
        Fate::Travels
    }

    /// When the next packet arrives.
    pub(crate) fn due(&self) -> Option<u64> {
        self.travelling.front().map(|(due, _)| *due)
    }

    /// The next packet that has arrived by now.
    pub(crate) fn take_out(&mut self, now: u64) -> Option<P> {
        self.due().filter(|due| *due <= now)?;
        self.travelling.pop_front().map(|(_, packet)| packet)
    }
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const PATH: Path = Path {
        delay: Duration::from_millis(40),
        bandwidth: 1_000_000_000,
        buffer: Duration::from_millis(80),
        loss: 0.0,
    };
    const MS: u64 = 1_000_000;

    #[test]
    fn a_packet_arrives_when_it_was_written_to_the_wire_and_has_travelled() {
        let mut line = Line::new(PATH, 1);
        assert_eq!(line.hand_in("packet", 1500, 7 * MS), Fate::Travels);
        // 12,000 bits at one bit a nanosecond.
        let due = 7 * MS + 12_000 + 40 * MS;
        assert_eq!(line.due(), Some(due));
        assert_eq!(
            (line.take_out(due - 1), line.take_out(due), line.take_out(due)),
            (None, Some("packet"), None)
        );
    }

    #[test]
    fn packets_that_come_at_once_leave_one_after_the_other() {
        let mut line = Line::new(PATH, 1);
        for packet in 0..1000 {
            line.hand_in(packet, 1500, 0);
        }
        // 12 Mbit are 12 ms of the wire.
        assert_eq!(line.travelling.back(), Some(&(12 * MS + 40 * MS, 999)));
    }

    #[test]
    fn whoever_would_have_to_wait_for_too_long_is_dropped_and_takes_no_room() {
        let mut line = Line::new(PATH, 1);
        let fates: Vec<_> = (0..10_000).map(|packet| line.hand_in(packet, 1500, 0)).collect();
        // 80 ms of waiting are 6,667 packets of 12 us, and the one that is being written.
        assert_eq!(fates.iter().position(|fate| *fate == Fate::Dropped), Some(6667));
        assert_eq!(line.hand_in(0, 1500, 12_000), Fate::Travels, "when one has left there is room for one");
        assert_eq!(line.hand_in(0, 1500, 12_000), Fate::Dropped);
    }

    #[test]
    fn as_many_are_lost_as_was_asked_for_and_a_seed_always_loses_the_same() {
        let lost = |seed| {
            let mut line = Line::new(Path { loss: 0.01, ..PATH }, seed);
            let fates = (0..100_000u64).map(|packet| line.hand_in(packet, 1500, packet * 12_000));
            fates.map(|fate| fate == Fate::Lost).collect::<Vec<_>>()
        };
        let first = lost(1);
        let count = first.iter().filter(|lost| **lost).count();
        // The standard deviation is 31.
        assert!((850..=1150).contains(&count), "{count} of 100,000");
        assert_eq!(first, lost(1));
        assert_ne!(first, lost(2));
        let bursts = first.windows(2).filter(|pair| pair[0] && pair[1]).count();
        assert!(bursts <= 30, "{bursts} of {count} right behind another: losses are to be independent");
    }

    #[test]
    fn a_path_without_loss_loses_nothing_and_one_with_nothing_but_loss_everything() {
        let mut none = Line::new(PATH, 1);
        assert!((0..1000).all(|packet| none.hand_in(packet, 100, 0) == Fate::Travels));
        let mut all = Line::new(Path { loss: 1.0, ..PATH }, 1);
        assert!((0..1000).all(|packet| all.hand_in(packet, 100, 0) == Fate::Lost));
        assert_eq!(all.due(), None);
    }

    proptest! {
        #[test]
        fn nothing_overtakes_arrives_early_or_beats_the_bandwidth(
            packets in prop::collection::vec((0u64..200_000, 20usize..1500), 1..300),
        ) {
            let mut line = Line::new(PATH, 1);
            let (mut now, mut handed_in) = (0, Vec::new());
            for (place, (pause, length)) in packets.into_iter().enumerate() {
                now += pause;
                prop_assert_eq!(line.hand_in(place, length, now), Fate::Travels);
                handed_in.push((now, length as u64));
            }
            let mut before = 0;
            for (place, (at, length)) in handed_in.into_iter().enumerate() {
                let due = line.due().expect("as many as were handed in");
                prop_assert_eq!(line.take_out(due), Some(place));
                prop_assert!(due >= at + 40 * MS + length * 8, "early");
                prop_assert!(due >= before + length * 8, "faster than the wire");
                before = due;
            }
            prop_assert_eq!(line.due(), None);
        }
    }
}
