//! What is journaled: one found block, and the key it is known by.

use std::fmt;

use bytes::Bytes;

use crate::error::NotDurable;

/// Longest chain name, in bytes.
pub const MAX_CHAIN: usize = 255;
/// Largest `meta`, in bytes. It is the caller's note about a block, not a second place for blocks.
pub const MAX_META: usize = 64 * 1024;
/// Largest block, in bytes: twice the largest message any of the chains accepts (Litecoin, 32 MB).
pub const MAX_BLOCK: usize = 64 * 1024 * 1024;

/// Names one open block. The caller chooses it, as a digest of the chain's name and the block's bytes: the
/// header hash alone would not do, because bodies can be altered without changing it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key([u8; 32]);

impl Key {
    /// The key with these 32 bytes.
    pub const fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The 32 bytes, as given.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl From<[u8; 32]> for Key {
    fn from(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({self})")
    }
}

/// A block that the chain does not have yet.
#[derive(Clone, PartialEq, Eq)]
pub struct Entry {
    /// What the block is known by. A second entry with the same key replaces the first.
    pub key: Key,
    /// The name of its chain, at most [`MAX_CHAIN`] bytes.
    pub chain: String,
    /// The caller's own note, at most [`MAX_META`] bytes; the journal does not look into it.
    pub meta: Bytes,
    /// The block as it came; empty for a note, which is kept like a block and is none. At most [`MAX_BLOCK`] bytes. Cloning an entry shares these bytes.
    pub block: Bytes,
}

impl Entry {
    /// Refuses what could not be read back, because the reader allocates no more than these limits.
    pub(crate) fn check(&self) -> Result<(), NotDurable> {
        let parts = [
            ("chain name", self.chain.len(), MAX_CHAIN),
            ("meta", self.meta.len(), MAX_META),
            ("block", self.block.len(), MAX_BLOCK),
        ];
        for (what, length, limit) in parts {
            if length > limit {
                return Err(NotDurable::TooLarge { what, length, limit });
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Entry")
            .field("key", &self.key)
            .field("chain", &self.chain)
            .field("meta", &self.meta)
            .field("block", &format_args!("{} bytes", self.block.len()))
            .finish()
    }
}
