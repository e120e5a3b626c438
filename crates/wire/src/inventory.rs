//! `inv`, `getdata` and `notfound`: lists of things by name.

use bytes::BufMut;

use crate::{BlockHash, DecodeError, Reader};

/// The most entries of one message; more costs 20 points at every daemon.
pub const MAX_INV: usize = 50_000;

/// One entry: a kind, whose numbers a chain gives ([`InvTypes`](crate::InvTypes)), and a hash in wire order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InvItem {
    /// What it is: 1 transaction, 2 block, and so on.
    pub kind: u32,
    /// Its name, in wire order.
    pub hash: [u8; 32],
}

impl InvItem {
    const SIZE: usize = 36;

    /// An entry that names a block.
    pub fn block(kind: u32, hash: BlockHash) -> Self {
        Self { kind, hash: *hash.as_wire() }
    }

    /// The hash as a block's.
    pub fn block_hash(&self) -> BlockHash {
        BlockHash::from_wire(self.hash)
    }

    pub(crate) fn read_all(reader: &mut Reader<'_>) -> Result<Vec<Self>, DecodeError> {
        let count = reader.count("inventory entries", MAX_INV, Self::SIZE)?;
        (0..count).map(|_| Ok(Self { kind: reader.u32("kind")?, hash: reader.array("hash")? })).collect()
    }

    pub(crate) fn write(&self, out: &mut impl BufMut) {
        out.put_u32_le(self.kind);
        out.put_slice(&self.hash);
    }
}
