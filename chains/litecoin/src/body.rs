//! What follows a block's header: transactions, and the MWEB part.

use bytes::Bytes;
use chain::{
    Finding, checks,
    transaction::{self, Layout},
};
use wire::Reader;

use crate::{
    dialect::{self, MwebRole, mweb_role},
    mweb::{self, MwebPart},
    weight::MAX_TRANSACTIONS,
};

/// A block's body as far as it could be read.
#[derive(Debug)]
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
        let (transactions, all_transactions) =
            transaction::read_all(reader, MAX_TRANSACTIONS, dialect::scan, findings);
        let mut body = Self { transactions, all_transactions, mweb: None, end: None };
        if !all_transactions {
            return body;
        }
        if body.announces_mweb() {
            match mweb::read(reader) {
                Ok(part) => body.mweb = part,
                Err(error) => {
                    findings.push(checks::undecodable("an MWEB part", &error));
                    return body;
                }
            }
        }
        body.end = Some(reader.offset());
        findings.extend(checks::trailing_bytes(reader));
        body
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
