//! A block that has been read.

use std::ops::Range;

use bytes::Bytes;
use wire::{BlockHash, Header, Txid, Wtxid};

use crate::{Finding, Severity};

/// What came of looking at a block.
#[derive(Debug, Clone)]
pub struct Inspection {
    /// The block's name; known as soon as its header could be read.
    pub hash: Option<BlockHash>,
    /// Everything that did not hold, in the order in which it was looked at.
    pub findings: Vec<Finding>,
    /// The block in canonical form, if it could be read to its end.
    pub block: Option<IndexedBlock>,
}

impl Inspection {
    /// Whether the block may be given to a peer: it was read to its end and no finding is an error.
    pub fn is_sound(&self) -> bool {
        self.block.is_some() && self.first_error().is_none()
    }

    /// The first finding that keeps the block off P2P.
    pub fn first_error(&self) -> Option<&Finding> {
        self.findings.iter().find(|finding| finding.severity == Severity::Error)
    }
}

/// A block in the form in which peers want it, and where its parts lie.
#[derive(Debug, Clone)]
pub struct IndexedBlock {
    /// Its name.
    pub hash: BlockHash,
    /// Its header.
    pub header: Header,
    /// Its height as its coinbase tells it (BIP34), if it does.
    pub height: Option<u32>,
    /// The whole block in canonical form. Shares the submitted buffer unless something had to be mended.
    pub bytes: Bytes,
    /// Its transactions in order.
    pub transactions: Vec<TransactionEntry>,
}

impl IndexedBlock {
    /// A transaction's bytes as they stand in the block.
    pub fn transaction(&self, index: usize) -> Option<Bytes> {
        self.transactions.get(index).map(|entry| self.bytes.slice(entry.range()))
    }

    /// What follows the last transaction: Litecoin's MWEB part, nothing elsewhere.
    pub fn tail(&self) -> Bytes {
        self.bytes.slice(self.transactions.last().map_or(self.bytes.len(), |entry| entry.range().end)..)
    }
}

/// Where a transaction lies in a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TransactionEntry {
    /// Offset in bytes from the start of the block's canonical form.
    pub offset: u32,
    /// Length in bytes.
    pub length: u32,
    /// Its name in the merkle tree.
    pub txid: Txid,
    /// Its hash with witness.
    pub wtxid: Wtxid,
}

impl TransactionEntry {
    /// Its place in the block's bytes.
    pub fn range(&self) -> Range<usize> {
        self.offset as usize..(self.offset + self.length) as usize
    }
}
