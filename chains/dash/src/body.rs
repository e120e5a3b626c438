//! What follows a block's header: transactions, and nothing else.

use bytes::Bytes;
use chain::Finding;
use wire::{DecodeError, Reader};

use crate::transaction::Transaction;

/// The most transactions that fit into 2,000,000 bytes: each has an input (41 bytes) and an output (9) and 10 more, or
/// no input, and a payload that is longer.
const MAX_TRANSACTIONS: usize = 2_000_000 / 60;

/// A block's body as far as it could be read.
#[derive(Debug, Default)]
pub(crate) struct Body {
    /// The transactions that could be read.
    pub(crate) transactions: Vec<Transaction>,
    /// Where the block ends, in bytes from its start, if all could be.
    pub(crate) end: Option<usize>,
}

impl Body {
    /// Reads what follows the header, and says where that fails.
    pub(crate) fn read(reader: &mut Reader<'_>, findings: &mut Vec<Finding>) -> Self {
        let mut body = Self::default();
        match body.read_transactions(reader) {
            Ok(None) => {}
            Ok(Some(finding)) => {
                findings.push(finding);
                return body;
            }
            Err(error) => {
                findings.push(undecodable("transactions", &error));
                return body;
            }
        }
        body.end = Some(reader.offset());
        if reader.left() > 0 {
            let expected = format!("a block of {} bytes", reader.offset());
            let found = format!("{} bytes more (cut off for peers)", reader.left());
            findings.push(Finding::warning("trailing-bytes", expected, found));
        }
        body
    }

    fn read_transactions(&mut self, reader: &mut Reader<'_>) -> Result<Option<Finding>, DecodeError> {
        let count = reader.count("number of transactions", usize::MAX, Transaction::LEAST)?;
        if count > MAX_TRANSACTIONS {
            let expected = format!("at most {MAX_TRANSACTIONS} transactions");
            return Ok(Some(Finding::error("bad-blk-length", expected, count.to_string())));
        }
        self.transactions.reserve_exact(count);
        for _ in 0..count {
            self.transactions.push(Transaction::scan(reader)?);
        }
        Ok(None)
    }

    /// The coinbase, if the block begins with one.
    pub(crate) fn coinbase(&self, block: &Bytes) -> Option<&Transaction> {
        self.transactions.first().filter(|first| first.is_coinbase(block))
    }
}

/// dashd says "Block decode failed" (RPC error -22), and nothing at all to a peer.
pub(crate) fn undecodable(expected: &str, error: &DecodeError) -> Finding {
    Finding::error("decode-failed", expected, error.to_string())
}
