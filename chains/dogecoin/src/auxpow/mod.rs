//! The proof that the work was done on another chain's block.

mod branch;
mod commitment;
pub(crate) mod rules;

use bytes::Bytes;
use chain::transaction::Layout;
use wire::{BlockHash, DecodeError, Header, Reader, Txid, sha256d};

pub use branch::Branch;
pub use commitment::{Commitment, MARK, expected_index};

use crate::dialect;

/// What stands behind the 80 bytes of a merge-mined header (G auxpow.h:79-160, protocol.md §5.2).
///
/// A miner puts the root of a tree of blocks, one of each chain that he works for, into the coinbase of a block of the
/// *parent* chain. The auxpow leads from there to here: this block's hash and the chain branch give the tree's root,
/// the parent's coinbase holds that root, the coinbase and its branch give the parent's merkle root, and the parent's
/// header has the work.
///
/// A value of this type has been read, not checked: [`inspect`](crate::Dogecoin) does that.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuxPow {
    coinbase: Bytes,
    layout: Layout,
    named_block: [u8; 32],
    coinbase_branch: Branch,
    chain_branch: Branch,
    parent: Header,
}

impl AuxPow {
    /// Reads the auxpow at the reader, and moves behind it.
    ///
    /// # Errors
    /// When the bytes end too early, or a branch is longer than any that fits into a block.
    pub fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let start = reader.offset();
        dialect::scan(reader)?;
        let coinbase = reader.since(start);
        let named_block = reader.array("hash of the parent block")?;
        let coinbase_branch = Branch::read("coinbase branch", reader)?;
        let chain_branch = Branch::read("chain branch", reader)?;
        let parent = Header::new(reader.array("parent header")?);
        // Once more, so that offsets count from the coinbase's own first byte.
        let layout = dialect::scan(&mut Reader::new(&coinbase))?;
        Ok(Self { coinbase, layout, named_block, coinbase_branch, chain_branch, parent })
    }

    /// The auxpow behind a header's 80 bytes; `None` if there is none, or something else.
    pub fn of(header: &Header) -> Option<Self> {
        let mut reader = Reader::new(header.extension());
        Self::read(&mut reader).ok().filter(|_| reader.left() == 0)
    }

    /// The parent's header: the one that has the work. It is 80 bytes long whatever its version says.
    pub fn parent(&self) -> &Header {
        &self.parent
    }

    /// The parent block's name on its own chain, which names blocks by SHA-256d as all scrypt chains do.
    pub fn parent_hash(&self) -> BlockHash {
        BlockHash::from_wire(sha256d(self.parent.fixed()))
    }

    /// What stands where the parent block's hash belongs. Nobody checks it: it is often zero, and was the parent's scrypt
    /// hash in the first merge-mined block of all.
    pub fn named_block(&self) -> &[u8; 32] {
        &self.named_block
    }

    /// The parent's coinbase transaction, with its witness if it was written with one.
    pub fn coinbase(&self) -> &Bytes {
        &self.coinbase
    }

    /// The parent's coinbase's name.
    pub fn coinbase_txid(&self) -> Txid {
        self.layout.txid(&self.coinbase)
    }

    /// The script of the parent's coinbase, if it has an input.
    pub fn coinbase_script(&self) -> Option<Bytes> {
        self.layout.first_script(&self.coinbase)
    }

    /// Leads from the parent's coinbase to its merkle root; its index must be 0.
    pub fn coinbase_branch(&self) -> &Branch {
        &self.coinbase_branch
    }

    /// Leads from this chain's block to the root of the tree of chains; its index is this chain's place.
    pub fn chain_branch(&self) -> &Branch {
        &self.chain_branch
    }

    /// What the parent's coinbase says of the tree of chains, if this auxpow is one for `block`: the tree's root, its
    /// size, and the nonce from which each chain's place in it follows.
    pub fn commitment(&self, block: &BlockHash) -> Option<Commitment> {
        Commitment::find(&self.coinbase_script()?, &self.chain_branch.root(block.as_wire()))
    }

    /// The bytes that witnesses take up in the coinbase. They count for a block's weight and not for its size.
    pub(crate) fn witness_len(&self) -> usize {
        self.coinbase.len() - self.layout.stripped_len()
    }
}
