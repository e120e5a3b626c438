//! How Dash writes transactions, and the numbers of its inventory types.

use wire::{DecodeError, Dialect, InvTypes, Reader};

use crate::transaction::Transaction;

/// A block: for an `inv`, and in a `getdata` for the whole of it.
const BLOCK: u32 = 2;

/// A compact block; other chains say 4 (protocol.md §4.1).
const COMPACT_BLOCK: u32 = 20;

/// Dash's way of writing.
#[derive(Debug, Clone, Copy, Default)]
pub struct DashDialect;

impl Dialect for DashDialect {
    fn inv_types(&self) -> &InvTypes {
        const TYPES: InvTypes = InvTypes {
            block: BLOCK,
            compact_block: COMPACT_BLOCK,
            full_block: BLOCK,
            block_requests: &[BLOCK],
        };
        &TYPES
    }

    fn skip_header_extension(&self, _: &[u8; 80], _: &mut Reader<'_>) -> Result<(), DecodeError> {
        Ok(())
    }

    fn skip_transaction(&self, reader: &mut Reader<'_>) -> Result<(), DecodeError> {
        Transaction::scan(reader).map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_compact_block_is_20_and_not_4() {
        let types = *DashDialect.inv_types();
        assert!(types.asks_for_block(2) && types.asks_for_block(20));
        // 4 is a compact block elsewhere; 29 is a ChainLock, 31 an InstantSend lock.
        assert!([1, 4, 29, 31].iter().all(|&other| !types.asks_for_block(other)));
    }
}
