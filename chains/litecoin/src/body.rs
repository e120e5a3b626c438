//! What follows a block's header: transactions, and the MWEB part.

use bytes::Bytes;
use chain::{Finding, transaction::Layout};
use wire::{DecodeError, Reader};

use crate::{
    dialect::{self, MwebRole, mweb_role},
    mweb::{self, MwebPart},
    weight::MAX_TRANSACTIONS,
};

/// The least bytes of a transaction: version, counts of no inputs and no outputs, lock time.
const LEAST_TRANSACTION: usize = 10;

/// A block's body as far as it could be read.
#[derive(Debug, Default)]
pub(crate) struct Body {
    /// The transactions that could be read.
    pub(crate) transactions: Vec<Layout>,
    /// Whether these are all.
    pub(crate) all_transactions: bool,
    /// What was found behind a HogEx.
    pub(crate) mweb: Option<MwebPart>,
    /// Where the block ends, in bytes from its start, if it could be read so far.
    pub(crate) end: Option<usize>,
}

impl Body {
    /// Reads what follows the header, and says where that fails.
    pub(crate) fn read(reader: &mut Reader<'_>, findings: &mut Vec<Finding>) -> Self {
        let mut body = Self::default();
        if let Err(error) = body.read_transactions(reader, findings) {
            findings.push(undecodable("transactions", &error));
            return body;
        }
        if !body.all_transactions {
            return body;
        }
        if body.announces_mweb() {
            match mweb::read(reader) {
                Ok(part) => body.mweb = part,
                Err(error) => {
                    findings.push(undecodable("an MWEB part", &error));
                    return body;
                }
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

    fn read_transactions(
        &mut self,
        reader: &mut Reader<'_>,
        findings: &mut Vec<Finding>,
    ) -> Result<(), DecodeError> {
        let count = reader.count("number of transactions", usize::MAX, LEAST_TRANSACTION)?;
        if count > MAX_TRANSACTIONS {
            let expected = format!("at most {MAX_TRANSACTIONS} transactions");
            findings.push(Finding::error("bad-blk-length", expected, count.to_string()));
            return Ok(());
        }
        self.transactions.reserve_exact(count);
        for _ in 0..count {
            self.transactions.push(dialect::scan(reader)?);
        }
        self.all_transactions = true;
        Ok(())
    }

    /// A part follows if the last of at least two transactions is a HogEx (L primitives/block.h).
    fn announces_mweb(&self) -> bool {
        self.transactions.len() >= 2
            && self.transactions.last().is_some_and(|last| mweb_role(last) == MwebRole::HogEx)
    }

    /// The coinbase, if the block begins with one.
    pub(crate) fn coinbase(&self, block: &Bytes) -> Option<&Layout> {
        self.transactions.first().filter(|first| first.is_coinbase(block))
    }
}

/// litecoind says "Block decode failed" (RPC error -22), and nothing at all to a peer.
pub(crate) fn undecodable(expected: &str, error: &DecodeError) -> Finding {
    Finding::error("decode-failed", expected, error.to_string())
}
