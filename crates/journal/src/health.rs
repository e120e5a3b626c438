//! What the journal says about itself, for `/readyz`, metrics and the log.

use std::time::Duration;

use crate::error::Fault;

/// A snapshot, published after every change.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Health {
    /// Whether the last attempt to write succeeded *and* every open block is on disk.
    pub durable: bool,
    /// Blocks appended and not closed. Entries without a block, which are notes of the caller's, do not count here.
    pub open_blocks: usize,
    /// The size of all open entries as records on disk, in bytes.
    pub open_bytes: u64,
    /// Those of them that are only in memory, or on a file whose sync failed.
    pub unsaved_blocks: usize,
    /// Blocks that were never on disk and had to leave memory, since start.
    pub given_up: u64,
    /// The latest failure since start. It stays after writing has resumed: look at `durable` for the present.
    pub last_error: Option<Fault>,
    /// Successful syncs since start.
    pub syncs: u64,
    /// How long the latest successful sync took: data, and the directory where the file was new.
    pub last_sync: Option<Duration>,
}
