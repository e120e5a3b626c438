//! What differs from chain to chain on the wire.

use std::fmt;

use crate::{DecodeError, Reader};

/// The numbers by which a chain names blocks in `inv` and `getdata` (protocol.md §4.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InvTypes {
    /// A block, as announced by `inv`: 2 on every chain.
    pub block: u32,
    /// A compact block: 4 on Litecoin and Dogecoin, 20 on Dash.
    pub compact_block: u32,
    /// The type that makes a daemon send a block whole, so that it can be passed on: 0x60000002 on Litecoin (with
    /// witness and MWEB), 2 elsewhere.
    pub full_block: u32,
    /// Every type by which a peer may ask us for a block; it gets the whole block for each of them.
    pub block_requests: &'static [u32],
}

impl InvTypes {
    /// Whether `kind` in a `getdata` asks for a block, in whatever form.
    pub fn asks_for_block(&self, kind: u32) -> bool {
        self.block_requests.contains(&kind) || kind == self.compact_block
    }
}

/// A chain's way of writing headers, transactions and inventory types.
///
/// It answers questions of *length*: where does this end? What the bytes mean, and whether they are valid, is the
/// business of the chain's rules, not of its dialect.
pub trait Dialect: fmt::Debug + Send + Sync {
    /// The inventory types.
    fn inv_types(&self) -> &InvTypes;

    /// Moves the reader over whatever follows the 80 bytes of a header: nothing on most chains, the auxpow on
    /// Dogecoin when `fixed` says that there is one.
    ///
    /// # Errors
    /// When the bytes end too early or cannot be what `fixed` says they are.
    fn skip_header_extension(&self, fixed: &[u8; 80], reader: &mut Reader<'_>) -> Result<(), DecodeError>;

    /// Moves the reader over one transaction in the form in which it stands in blocks.
    ///
    /// # Errors
    /// When the bytes end too early or are not a transaction.
    fn skip_transaction(&self, reader: &mut Reader<'_>) -> Result<(), DecodeError>;
}
