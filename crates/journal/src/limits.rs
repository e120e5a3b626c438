//! Sizes and times.

use std::time::Duration;

/// Only tests use others than [`Limits::default`].
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// How long to wait after a failure before the next attempt to write.
    pub(crate) retry: Duration,
    /// How long nothing must have been asked before files are tidied.
    pub(crate) idle: Duration,
    /// How long to leave tidying alone after it failed or achieved nothing.
    pub(crate) tidy_pause: Duration,
    /// From this many bytes on disk on, files that are more than half dead are rewritten.
    pub(crate) segment_bytes: u64,
    /// The same where no block is open at all.
    pub(crate) empty_bytes: u64,
    /// More files than this are put together into one.
    pub(crate) segments: usize,
    /// Open blocks kept in memory, in bytes.
    pub(crate) memory_bytes: u64,
    /// Blocks waiting for the thread, in bytes; more are refused.
    pub(crate) backlog_bytes: u64,
    /// Blocks written with one sync, in bytes.
    pub(crate) batch_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        const MIB: u64 = 1 << 20;
        Self {
            retry: Duration::from_secs(1),
            idle: Duration::from_secs(1),
            tidy_pause: Duration::from_secs(60),
            segment_bytes: 64 * MIB,
            empty_bytes: MIB,
            segments: 8,
            memory_bytes: 256 * MIB,
            backlog_bytes: 256 * MIB,
            batch_bytes: 64 * MIB,
        }
    }
}
