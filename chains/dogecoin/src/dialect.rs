//! How Dogecoin writes headers and transactions, and the numbers of its inventory types.

use chain::transaction::{self, Layout, no_other_flags};
use wire::{DecodeError, Dialect, Header, InvTypes, Reader};

use crate::{AuxPow, Version};

/// Dogecoin's way of writing, and its relatives'.
#[derive(Debug, Clone, Copy, Default)]
pub struct DogecoinDialect;

impl Dialect for DogecoinDialect {
    fn inv_types(&self) -> &InvTypes {
        const TYPES: InvTypes = InvTypes { block: 2, compact_block: 4, full_block: 2, block_requests: &[2] };
        &TYPES
    }

    fn skip_header_extension(&self, fixed: &[u8; 80], reader: &mut Reader<'_>) -> Result<(), DecodeError> {
        if !Version::of(&Header::new(*fixed)).has_auxpow() {
            return Ok(());
        }
        AuxPow::read(reader).map(drop)
    }

    fn skip_transaction(&self, reader: &mut Reader<'_>) -> Result<(), DecodeError> {
        scan(reader).map(drop)
    }
}

/// Finds the parts of the transaction at the reader, and moves behind it. Witnesses are understood, although no block
/// of Dogecoin may have any: a parent's coinbase does (G primitives/transaction.h:211).
pub(crate) fn scan(reader: &mut Reader<'_>) -> Result<Layout, DecodeError> {
    transaction::scan(reader, no_other_flags)
}
