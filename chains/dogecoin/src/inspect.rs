//! Judging a block. What is checked, and what counts as an error, is told on the crate's front page.

use std::ops::RangeInclusive;

use bytes::Bytes;
use chain::{
    Chain, Finding, IndexedBlock, Inspection, TransactionEntry, checks,
    transaction::{self, Layout},
};
use wire::{BlockHash, DecodeError, Header, Reader, sha256d};

use crate::{
    AuxPow, Dogecoin, MAX_PAYLOAD, Version, dialect,
    params::{Rules, holds},
    work::{self, Claim},
};

/// The most bytes that a block may have without witnesses, its auxpow included (G consensus/consensus.h:17,
/// validation.cpp:2972).
const MAX_SIZE: usize = 1_000_000;

/// The most weight: three times the size without witnesses plus the size with them (G consensus/consensus.h:15).
const MAX_WEIGHT: usize = 4_000_000;

/// The most transactions that fit: each has an input (41 bytes) and an output (9), and 10 more.
const MAX_TRANSACTIONS: usize = MAX_SIZE / 60;

/// How long a coinbase script may be, in bytes (G validation.cpp:563).
const COINBASE_SCRIPT: RangeInclusive<usize> = 2..=100;

pub(crate) fn inspect(dogecoin: &Dogecoin, block: &Bytes, now: u32) -> Inspection {
    let mut reader = Reader::new(block);
    let header = match Header::read(&mut reader, dogecoin.dialect()) {
        Ok(header) => header,
        Err(error) => return without_header(block, &error),
    };
    let hash = dogecoin.block_hash(&header);
    let rules = &dogecoin.parameters().rules;
    let claim = Claim::read(&header, &hash, rules, dogecoin.pow_limit);
    let too_long = checks::payload(block.len(), MAX_PAYLOAD);

    // The body is read before the header is judged, because the coinbase tells the height.
    let (mut of_body, mut of_coinbase) = (Vec::new(), Vec::new());
    let body = if too_long.is_none() { Body::read(&mut reader, &mut of_body) } else { Body::default() };
    let height = body.check_coinbase(block, rules, &mut of_coinbase);

    // In the daemon's order, so that the first is the one that it names.
    let version = Version::of(&header);
    let mut findings = Vec::new();
    findings.extend(work::check_chain_id(version, rules, [rules.chain_ids.at(height)].into_iter()));
    findings.extend(claim.findings().cloned());
    findings.extend(claim.check_hash().err());
    findings.extend(check_era(version, rules, height));
    findings.extend(checks::time(&header, now));
    findings.extend(check_base_version(version, rules, height));
    findings.extend(too_long);
    findings.append(&mut of_body);
    let Some(end) = body.end else {
        findings.append(&mut of_coinbase);
        return Inspection { hash: Some(hash), findings, block: None };
    };

    let entries: Vec<TransactionEntry> = body.transactions.iter().map(|layout| layout.entry(block)).collect();
    findings.extend(checks::merkle_root(&header, &entries));
    findings.extend(check_size(end, claim.auxpow(), &body.transactions));
    findings.append(&mut of_coinbase);
    findings.extend(check_witnesses(&body.transactions, rules));
    let bytes = block.slice(..end);
    let block = IndexedBlock { hash, header, height, bytes, transactions: entries };
    Inspection { hash: Some(hash), findings, block: Some(block) }
}

/// The name is that of the 80 bytes, whatever is wrong with what follows them.
fn without_header(block: &Bytes, error: &DecodeError) -> Inspection {
    let fixed = block.first_chunk::<{ Header::LEN }>();
    let hash = fixed.map(|fixed| BlockHash::from_wire(sha256d(fixed)));
    let expected = match hash {
        Some(_) => "an auxpow behind the header, as its version says",
        None => "a block header of 80 bytes",
    };
    Inspection { hash, findings: vec![checks::undecodable(expected, error)], block: None }
}

/// A block's body as far as it could be read.
#[derive(Debug, Default)]
struct Body {
    /// The transactions that could be read.
    transactions: Vec<Layout>,
    /// Where the block ends, in bytes from its start, if all could be.
    end: Option<usize>,
}

impl Body {
    fn read(reader: &mut Reader<'_>, findings: &mut Vec<Finding>) -> Self {
        let (transactions, complete) =
            transaction::read_all(reader, MAX_TRANSACTIONS, dialect::scan, findings);
        if !complete {
            return Self { transactions, end: None };
        }
        findings.extend(checks::trailing_bytes(reader));
        Self { transactions, end: Some(reader.offset()) }
    }

    /// Looks at the first transaction and for others like it. Gives the height that it begins with, whether or not
    /// that is a rule.
    fn check_coinbase(&self, block: &Bytes, rules: &Rules, findings: &mut Vec<Finding>) -> Option<u32> {
        let spends_nothing = self.transactions.iter().map(|layout| layout.is_coinbase(block));
        findings.extend(checks::one_coinbase(spends_nothing, self.end.is_some()));
        let coinbase = self.transactions.first().filter(|first| first.is_coinbase(block))?;
        let script = coinbase.first_script(block)?;
        findings.extend(checks::coinbase_length(script.len(), COINBASE_SCRIPT));
        let height = checks::told_height(&script);
        if let Err(finding) = &height
            && holds(rules.bip34_height, None)
        {
            findings.push(finding.clone());
        }
        height.ok()
    }
}

/// Whether a version is of its time (G validation.cpp:3072-3086).
fn check_era(version: Version, rules: &Rules, height: Option<u32>) -> Option<Finding> {
    let Rules { auxpow_height, legacy_end_height, .. } = *rules;
    if let Some(from) = legacy_end_height.filter(|_| version.is_legacy() && holds(legacy_end_height, height))
    {
        let expected = format!("a version with a chain id, from height {from} on");
        return Some(Finding::error("late-legacy-block", expected, version.to_string()));
    }
    let height = height.filter(|&height| version.has_auxpow() && height < auxpow_height)?;
    let expected = format!("no auxpow below height {auxpow_height}");
    Some(Finding::error("early-auxpow-block", expected, format!("version {version} at height {height}")))
}

/// G validation.cpp:3113.
fn check_base_version(version: Version, rules: &Rules, height: Option<u32>) -> Option<Finding> {
    let least = rules.least_base_version(height).filter(|&least| version.base() < least)?;
    let expected = format!("a base version of at least {least}");
    Some(Finding::error("bad-version", expected, format!("{} in version {version}", version.base())))
}

fn check_witnesses(transactions: &[Layout], rules: &Rules) -> Option<Finding> {
    let index = transactions.iter().position(Layout::has_witness).filter(|_| rules.no_witnesses)?;
    Some(Finding::error("unexpected-witness", "no witnesses", format!("transaction {index} has one")))
}

/// `length` is that of the block in canonical form. Whatever is too large is too heavy, too; that need not be said.
fn check_size(length: usize, auxpow: Option<&AuxPow>, transactions: &[Layout]) -> Option<Finding> {
    let witnesses = transactions.iter().map(|layout| layout.end - layout.start - layout.stripped_len());
    let size = length - witnesses.sum::<usize>() - auxpow.map_or(0, AuxPow::witness_len);
    let weight = 3 * size + length;
    if size > MAX_SIZE {
        let expected = format!("at most {MAX_SIZE} bytes, with the auxpow and without witnesses");
        Some(Finding::error("bad-blk-length", expected, size.to_string()))
    } else if weight > MAX_WEIGHT {
        let expected = format!("a weight of at most {MAX_WEIGHT}");
        Some(Finding::error("bad-blk-weight", expected, weight.to_string()))
    } else {
        None
    }
}
