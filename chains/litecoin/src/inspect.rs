//! Judging a block. What is checked, and what counts as an error, is told on the crate's front page.

use bytes::Bytes;
use chain::{Chain, Finding, IndexedBlock, Inspection, TransactionEntry, checks};
use wire::{Header, Reader};

use crate::{Litecoin, MAX_PAYLOAD, body::Body, mweb, params::Rules, weight, witness};

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
            let findings = vec![checks::undecodable("a block header of 80 bytes", &error)];
            return Inspection { hash: None, findings, block: None };
        }
    };
    let hash = litecoin.block_hash(&header);
    findings.extend(litecoin.check_work(&header).err());
    findings.extend(checks::time(&header, now));
    if let Some(finding) = checks::payload(block.len(), MAX_PAYLOAD) {
        findings.push(finding);
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
    let entries: Vec<TransactionEntry> = transactions.iter().map(|layout| layout.entry(&bytes)).collect();
    findings.extend(checks::merkle_root(&header, &entries));
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
    let spends_nothing = body.transactions.iter().map(|layout| layout.is_coinbase(block));
    findings.extend(checks::one_coinbase(spends_nothing, body.all_transactions));
    let Some((inputs, outputs)) = body.coinbase(block).and_then(|coinbase| coinbase.parts(block)) else {
        return (None, None);
    };
    let script = inputs.first().map(|input| input.script.clone()).unwrap_or_default();
    findings.extend(checks::coinbase_length(script.len(), COINBASE_SCRIPT));
    let height = checks::told_height(&script).map_err(|finding| findings.push(finding)).ok();
    (height, witness::commitment(&outputs))
}
