//! How long bytes are on their way.

use std::time::Duration;

/// A node's line to everybody else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Link {
    /// One way; a round trip takes twice as long.
    pub latency: Duration,
    /// Bytes a second at which it receives; `None`: as fast as they come. Zero is taken for one.
    pub bandwidth: Option<u64>,
}

impl Link {
    /// Next door: no latency, no limit.
    pub const LOCAL: Self = Self { latency: Duration::ZERO, bandwidth: None };

    /// How long that many bytes take to pass, the latency left aside.
    pub fn transfer(&self, bytes: usize) -> Duration {
        let Some(bandwidth) = self.bandwidth else { return Duration::ZERO };
        // A megabyte is some 2^50 ns at a byte a second: no overflow for any message.
        let nanos = u128::from(bytes as u64) * 1_000_000_000 / u128::from(bandwidth.max(1));
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }
}

/// One direction of one connection: bytes leave in order, at the link's pace, and arrive a latency later.
///
/// TCP's slow start and losses are not modelled: a pipe tells the least time that a transfer can take.
#[derive(Debug, Clone, Copy)]
pub struct Pipe {
    link: Link,
    /// When the last byte that was put in has passed.
    free_at: Duration,
}

impl Pipe {
    /// An empty pipe.
    pub fn new(link: Link) -> Self {
        Self { link, free_at: Duration::ZERO }
    }

    /// Puts bytes in at `now` and tells when the last of them arrives.
    pub fn send(&mut self, now: Duration, bytes: usize) -> Duration {
        self.free_at = now.max(self.free_at) + self.link.transfer(bytes);
        self.free_at + self.link.latency
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const LINE: Link = Link { latency: Duration::from_millis(40), bandwidth: Some(1_000_000) };

    #[test]
    fn a_megabyte_takes_a_second_at_a_megabyte_a_second_and_the_latency() {
        assert_eq!(Pipe::new(LINE).send(Duration::from_secs(3), 1_000_000), Duration::from_millis(4040));
        assert_eq!(Pipe::new(Link::LOCAL).send(Duration::from_secs(3), 1_000_000), Duration::from_secs(3));
    }

    #[test]
    fn what_is_sent_behind_a_block_waits_for_it() {
        let mut pipe = Pipe::new(LINE);
        pipe.send(Duration::ZERO, 500_000);
        assert_eq!(pipe.send(Duration::ZERO, 1_000), Duration::from_millis(541));
        assert_eq!(
            pipe.send(Duration::from_secs(9), 1_000),
            Duration::from_millis(9041),
            "the pipe has run empty"
        );
    }

    proptest! {
        #[test]
        fn nothing_overtakes(messages in prop::collection::vec((0u64..10_000, 0usize..2_000_000), 1..50), bandwidth: u64) {
            let mut pipe = Pipe::new(Link { bandwidth: Some(bandwidth), ..LINE });
            let (mut now, mut last) = (Duration::ZERO, Duration::ZERO);
            for (pause, bytes) in messages {
                now += Duration::from_millis(pause);
                let arrival = pipe.send(now, bytes);
                prop_assert!(arrival >= last && arrival >= now + LINE.latency);
                last = arrival;
            }
        }
    }
}
