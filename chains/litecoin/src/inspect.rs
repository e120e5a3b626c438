//! Judging a block. What is checked, and what counts as an error, is told on the crate's front page.

use bytes::Bytes;
use chain::{
    Chain, Finding, IndexedBlock, Inspection, TransactionEntry, merkle,
    transaction::{Layout, coinbase_height, height_push},
};
use wire::{Header, MerkleRoot, Reader, Wtxid};

use crate::{
    Litecoin, MAX_PAYLOAD,
    body::{Body, undecodable},
    mweb,
    params::Rules,
    weight, witness,
};

/// How far a block's time may be ahead of a node's clock, in seconds (L chain.h, MAX_FUTURE_BLOCK_TIME).
const MAX_AHEAD: u32 = 7200;

/// The least version once segwit is in force (L validation.cpp, ContextualCheckBlockHeader).
const LEAST_VERSION: i32 = 0x2000_0000;

/// How long a coinbase script may be, in bytes (L consensus/tx_check.cpp).
const COINBASE_SCRIPT: std::ops::RangeInclusive<usize> = 2..=100;

pub(crate) fn inspect(litecoin: &Litecoin, block: &Bytes, now: u32) -> Inspection {
    let mut findings = Vec::new();
    let mut reader = Reader::new(block);
    let header = match Header::read(&mut reader, litecoin.dialect()) {
        Ok(header) => header,
        Err(error) => {
            let findings = vec![undecodable("a block header of 80 bytes", &error)];
            return Inspection { hash: None, findings, block: None };
        }
    };
    let hash = litecoin.block_hash(&header);
    findings.extend(litecoin.check_work(&header).err());
    findings.extend(check_time(&header, now));
    if block.len() > MAX_PAYLOAD {
        let expected = format!("at most {MAX_PAYLOAD} bytes, the longest message that a peer reads");
        findings.push(Finding::error("bad-blk-length", expected, block.len().to_string()));
        return Inspection { hash: Some(hash), findings, block: None };
    }

    let body = Body::read(&mut reader, &mut findings);
    let (height, commitment) = check_coinbase(block, &body, &mut findings);
    let rules = &litecoin.parameters().rules;
    findings.extend(check_version(&header, rules, height));
    if !body.all_transactions {
        return Inspection { hash: Some(hash), findings, block: None };
    }

    let commitment = commitment.filter(|_| rules.segwit(height));
    let has_coinbase = body.coinbase(block).is_some();
    let Body { mut transactions, mweb, end, .. } = body;
    // What the block is for a peer. The bytes behind its end, if that is not known, matter to nobody.
    let mut bytes = block.slice(..end.unwrap_or(block.len()));
    if let Some(mended) = commitment.and_then(|_| witness::with_reserved_value(&bytes, &mut transactions)) {
        let expected = "a coinbase witness of one item of 32 bytes";
        findings.push(Finding::warning(
            "coinbase-witness-missing",
            expected,
            "none (32 zeros put in for peers)",
        ));
        bytes = mended;
    }
    let entries: Vec<TransactionEntry> = transactions.iter().map(|layout| entry(layout, &bytes)).collect();
    findings.extend(check_merkle_root(&header, &entries));
    if has_coinbase {
        findings.extend(witness::check(&bytes, &transactions, &entries, commitment));
    }
    findings.extend(weight::check(&transactions));
    if end.is_some() {
        findings.extend(mweb::check(&bytes, &transactions, mweb.as_ref(), height, rules));
    }
    let block = end.map(|_| IndexedBlock { hash, header, height, bytes, transactions: entries });
    Inspection { hash: Some(hash), findings, block }
}

fn entry(layout: &Layout, block: &[u8]) -> TransactionEntry {
    let txid = layout.txid(block);
    let wtxid = if layout.has_witness() { layout.wtxid(block) } else { Wtxid::from_wire(*txid.as_wire()) };
    // A block is at most MAX_PAYLOAD bytes long here.
    TransactionEntry { offset: layout.start as u32, length: (layout.end - layout.start) as u32, txid, wtxid }
}

fn check_time(header: &Header, now: u32) -> Option<Finding> {
    let latest = now.saturating_add(MAX_AHEAD);
    (header.time() > latest).then(|| {
        let expected = format!("a time of at most {latest}, two hours ahead of our clock");
        let found = format!("{}, {} s ahead of our clock", header.time(), header.time().saturating_sub(now));
        Finding::warning("time-too-new", expected, found)
    })
}

fn check_version(header: &Header, rules: &Rules, height: Option<u32>) -> Option<Finding> {
    (header.version() < LEAST_VERSION && rules.segwit(height)).then(|| {
        let expected = format!("a version of at least {LEAST_VERSION:#010x}");
        Finding::error("bad-version", expected, format!("{:#010x}", header.version()))
    })
}

/// Looks at the first transaction and for others like it. Gives the height that it tells and the hash that it commits
/// the witnesses to.
fn check_coinbase(
    block: &Bytes,
    body: &Body,
    findings: &mut Vec<Finding>,
) -> (Option<u32>, Option<[u8; 32]>) {
    let others = body.transactions.iter().enumerate().skip(1).filter(|(_, layout)| layout.is_coinbase(block));
    let others: Vec<usize> = others.map(|(index, _)| index).collect();
    if let Some(index) = others.first() {
        let found = format!("{} more, the first is transaction {index}", others.len());
        findings.push(Finding::error("bad-cb-multiple", "one coinbase", found));
    }
    let Some((inputs, outputs)) = body.coinbase(block).and_then(|coinbase| coinbase.parts(block)) else {
        if body.all_transactions || !body.transactions.is_empty() {
            let found =
                if body.transactions.is_empty() { "no transactions" } else { "one that spends something" };
            findings.push(Finding::error("bad-cb-missing", "a coinbase as first transaction", found));
        }
        return (None, None);
    };
    let script = inputs.first().map(|input| input.script.clone()).unwrap_or_default();
    if !COINBASE_SCRIPT.contains(&script.len()) {
        let found = format!("{} bytes", script.len());
        findings.push(Finding::error("bad-cb-length", "a coinbase script of 2 to 100 bytes", found));
    }
    let height = coinbase_height(&script).filter(|&height| script.starts_with(&height_push(height)));
    if height.is_none() {
        let start: String = script.iter().take(6).map(|byte| format!("{byte:02x}")).collect();
        let expected = "a coinbase script that begins with the block's height, in the shortest form";
        findings.push(Finding::error(
            "bad-cb-height",
            expected,
            format!("a script that begins with {start:?}"),
        ));
    }
    (height, witness::commitment(&outputs))
}

fn check_merkle_root(header: &Header, entries: &[TransactionEntry]) -> Option<Finding> {
    let tree = merkle::tree(entries.iter().map(|entry| *entry.txid.as_wire()).collect());
    let root = MerkleRoot::from_wire(tree.root);
    if root != header.merkle_root() {
        let expected = format!("transactions with merkle root {}, as the header says", header.merkle_root());
        return Some(Finding::error("bad-txnmrklroot", expected, root.to_string()));
    }
    tree.mutated.then(|| {
        let found = "the end of the list, or of a part of it, stands there twice, which leaves the merkle root as it was";
        Finding::error("bad-txns-duplicate", "each transaction once", found)
    })
}
