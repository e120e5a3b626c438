//! What follows a block's header: transactions, and nothing else.

use bytes::Bytes;
use chain::{Finding, checks, transaction::read_all};
use wire::Reader;

use crate::transaction::Transaction;

/// The most transactions that fit into 2,000,000 bytes: each has an input (41 bytes) and an output (9) and 10 more, or
/// no input, and a payload that is longer.
const MAX_TRANSACTIONS: usize = 2_000_000 / 60;

/// A block's body as far as it could be read.
#[derive(Debug)]
pub(crate) struct Body {
    /// The transactions that could be read.
    pub(crate) transactions: Vec<Transaction>,
    /// Where the block ends, in bytes from its start, if all could be.
    pub(crate) end: Option<usize>,
}

impl Body {
    /// Reads what follows the header, and says where that fails.
    pub(crate) fn read(reader: &mut Reader<'_>, findings: &mut Vec<Finding>) -> Self {
        let (transactions, complete) = read_all(reader, MAX_TRANSACTIONS, Transaction::scan, findings);
        if !complete {
            return Self { transactions, end: None };
        }
        findings.extend(checks::trailing_bytes(reader));
        Self { transactions, end: Some(reader.offset()) }
    }

    /// The coinbase, if the block begins with one.
    pub(crate) fn coinbase(&self, block: &Bytes) -> Option<&Transaction> {
        self.transactions.first().filter(|first| first.is_coinbase(block))
    }
}
