//! Judging a block. What is checked, and what counts as an error, is told on the crate's front page.

use bytes::Bytes;
use chain::{Chain, Finding, IndexedBlock, Inspection, TransactionEntry, checks};
use wire::{BlockHash, Header, Reader, Wtxid};

use crate::{
    Dash, MAX_PAYLOAD, body::Body, coinbase, params::Rules, pow, special, transaction::Transaction, x11,
};

pub(crate) fn inspect(dash: &Dash, block: &Bytes, now: u32) -> Inspection {
    let mut findings = Vec::new();
    let mut reader = Reader::new(block);
    let header = match Header::read(&mut reader, dash.dialect()) {
        Ok(header) => header,
        Err(error) => {
            let findings = vec![checks::undecodable("a block header of 80 bytes", &error)];
            return Inspection { hash: None, findings, block: None };
        }
    };
    let x11 = x11::hash(header.fixed());
    let hash = BlockHash::from_wire(x11);
    findings.extend(pow::check_hash(&header, &x11, dash.pow_limit).err());
    findings.extend(checks::time(&header, now));
    if let Some(finding) = checks::payload(block.len(), MAX_PAYLOAD) {
        findings.push(finding);
        return Inspection { hash: Some(hash), findings, block: None };
    }

    let rules = &dash.parameters().rules;
    let body = Body::read(&mut reader, &mut findings);
    let height = coinbase::check(block, &body, rules, &mut findings);
    findings.extend(check_version(&header, rules, height));
    let Some(end) = body.end else { return Inspection { hash: Some(hash), findings, block: None } };

    let entries: Vec<TransactionEntry> = body.transactions.iter().map(|parts| entry(parts, block)).collect();
    findings.extend(checks::merkle_root(&header, &entries));
    findings.extend(check_size(end, rules, height));
    findings.extend(special::check(block, &body.transactions, height, rules));
    let bytes = block.slice(..end);
    let block = IndexedBlock { hash, header, height, bytes, transactions: entries };
    Inspection { hash: Some(hash), findings, block: Some(block) }
}

fn entry(transaction: &Transaction, block: &[u8]) -> TransactionEntry {
    let txid = transaction.txid(block);
    // A block is at most MAX_PAYLOAD bytes long here.
    let (offset, length) = (transaction.range.start as u32, transaction.range.len() as u32);
    TransactionEntry { offset, length, txid, wtxid: Wtxid::from_wire(*txid.as_wire()) }
}

fn check_version(header: &Header, rules: &Rules, height: Option<u32>) -> Option<Finding> {
    let least = rules.least_version(height);
    (header.version() < least).then(|| {
        let expected = format!("a version of at least {least}");
        Finding::error("bad-version", expected, format!("{:#010x}", header.version()))
    })
}

fn check_size(length: usize, rules: &Rules, height: Option<u32>) -> Option<Finding> {
    let limit = rules.max_block(height);
    (length > limit)
        .then(|| Finding::error("bad-blk-length", format!("at most {limit} bytes"), length.to_string()))
}
