//! Judging by TCP's own account whether a peer takes what it is sent.

use std::{
    collections::VecDeque,
    io,
    time::{Duration, Instant},
};

use wire::BlockHash;

/// How long bytes may wait without the peer's kernel acknowledging any.
pub(crate) const STANDSTILL: Duration = Duration::from_secs(5);

/// The account of one connection's outgoing bytes.
#[derive(Debug)]
pub(crate) struct Progress {
    /// What `TCP_INFO` said when the connection was fresh: our SYN.
    base: u64,
    written: u64,
    acked: u64,
    /// When the acknowledged bytes last grew, or nothing was waiting.
    moved: Instant,
    /// Blocks whose last byte is not acknowledged yet: the offset behind it.
    blocks: VecDeque<(u64, BlockHash)>,
}

impl Progress {
    pub(crate) fn new(base: u64, now: Instant) -> Self {
        Self { base, written: 0, acked: 0, moved: now, blocks: VecDeque::new() }
    }

    pub(crate) fn wrote(&mut self, bytes: usize, now: Instant) {
        if self.written == self.acked {
            self.moved = now;
        }
        self.written += bytes as u64;
    }

    /// The last byte of a block was just written.
    pub(crate) fn wrote_block(&mut self, block: BlockHash) {
        self.blocks.push_back((self.written, block));
    }

    /// Whether written bytes are unacknowledged.
    pub(crate) fn is_waiting(&self) -> bool {
        self.acked < self.written
    }

    /// Takes in what `TCP_INFO` says; returns the blocks that are wholly acknowledged now. If the kernel does not say,
    /// writing counts as progress.
    pub(crate) fn observe(&mut self, bytes_acked: io::Result<u64>, now: Instant) -> Vec<BlockHash> {
        let acked = match bytes_acked {
            Ok(total) => total.saturating_sub(self.base).min(self.written),
            Err(_) => {
                self.acked = self.written;
                self.blocks.clear();
                return Vec::new();
            }
        };
        if acked > self.acked || acked == self.written {
            self.moved = now;
        }
        self.acked = self.acked.max(acked);
        let done = self.blocks.iter().take_while(|(end, _)| *end <= self.acked).count();
        self.blocks.drain(..done).map(|(_, block)| block).collect()
    }

    /// Whether the peer is stuck. `blocked`: we have more to write and the kernel takes nothing.
    pub(crate) fn is_stuck(&self, blocked: bool, now: Instant) -> bool {
        (blocked || self.is_waiting()) && now.saturating_duration_since(self.moved) >= STANDSTILL
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_is_acknowledged_with_its_last_byte() {
        let now = Instant::now();
        let mut progress = Progress::new(1, now);
        let block = BlockHash::from_wire([1; 32]);
        progress.wrote(1000, now);
        progress.wrote_block(block);
        progress.wrote(50, now);
        assert!(progress.observe(Ok(1000), now).is_empty(), "999 bytes and the SYN");
        assert_eq!(progress.observe(Ok(1001), now), [block]);
        assert!(progress.is_waiting());
    }

    #[test]
    fn five_seconds_without_an_acknowledgement_are_a_standstill_and_a_trickle_is_not() {
        let start = Instant::now();
        let mut progress = Progress::new(1, start);
        progress.wrote(10_000, start);
        for second in 1..60 {
            let now = start + Duration::from_secs(second);
            progress.observe(Ok(1 + second), now);
            assert!(!progress.is_stuck(true, now));
        }
        assert!(progress.is_stuck(true, start + Duration::from_secs(59) + STANDSTILL));
    }

    #[test]
    fn where_the_kernel_does_not_tell_writing_is_progress_and_being_blocked_is_a_standstill() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let silent = || Err(io::ErrorKind::Unsupported.into());
        let mut progress = Progress::new(0, start);
        for second in 0..60 {
            progress.wrote(10, at(second));
            progress.wrote_block(BlockHash::ZERO);
            assert!(
                progress.observe(silent(), at(second)).is_empty(),
                "nobody says that it was acknowledged"
            );
            assert!(!progress.is_stuck(true, at(second)));
        }
        assert!(!progress.is_stuck(false, at(3600)), "nothing is known to wait");
        assert!(progress.is_stuck(true, at(59) + STANDSTILL));
    }

    #[test]
    fn an_idle_connection_is_never_stuck() {
        let start = Instant::now();
        let mut progress = Progress::new(1, start);
        progress.wrote(10, start);
        progress.observe(Ok(11), start);
        let later = start + Duration::from_secs(3600);
        assert!(!progress.is_stuck(false, later));
        progress.wrote(10, later);
        assert!(!progress.is_stuck(false, later), "the clock starts with the first byte that waits");
    }
}
