//! Checks of a block that are the same on every chain, in the daemons' words.

use std::ops::RangeInclusive;

use wire::{DecodeError, Header, MerkleRoot, Reader};

use crate::{
    Finding, TransactionEntry, merkle,
    transaction::{coinbase_height, height_push},
};

/// How far a block's time may be ahead of a node's clock, in seconds (L, D and G chain.h or validation.cpp,
/// MAX_FUTURE_BLOCK_TIME).
const MAX_AHEAD: u32 = 7200;

/// `decode-failed`: what was to be read could not be. The daemons say "Block decode failed" (RPC error -22).
pub fn undecodable(expected: &str, error: &DecodeError) -> Finding {
    Finding::error("decode-failed", expected, error.to_string())
}

/// `trailing-bytes`: bytes behind a block that was read to its end. A warning; the canonical form ends before them.
pub fn trailing_bytes(reader: &Reader<'_>) -> Option<Finding> {
    (reader.left() > 0).then(|| {
        let expected = format!("a block of {} bytes", reader.offset());
        Finding::warning(
            "trailing-bytes",
            expected,
            format!("{} bytes more (cut off for peers)", reader.left()),
        )
    })
}

/// `bad-blk-length`: a block that fits into no message.
pub fn payload(length: usize, limit: usize) -> Option<Finding> {
    (length > limit).then(|| {
        let expected = format!("at most {limit} bytes, the longest message that a peer reads");
        Finding::error("bad-blk-length", expected, length.to_string())
    })
}

/// `time-too-new`: a time more than two hours ahead of `now`, in Unix seconds. A warning: it costs its sender nothing,
/// and if our clock is the one that is wrong, holding the block back would lose it.
pub fn time(header: &Header, now: u32) -> Option<Finding> {
    let latest = now.saturating_add(MAX_AHEAD);
    (header.time() > latest).then(|| {
        let expected = format!("a time of at most {latest}, two hours ahead of our clock");
        let found = format!("{}, {} s ahead of our clock", header.time(), header.time().saturating_sub(now));
        Finding::warning("time-too-new", expected, found)
    })
}

/// `bad-txnmrklroot`: transactions that are not those of the header. `bad-txns-duplicate`: a list that has been
/// lengthened by repeating its end (CVE-2012-2459).
pub fn merkle_root(header: &Header, entries: &[TransactionEntry]) -> Option<Finding> {
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

/// `bad-cb-multiple`, `bad-cb-missing`: there is one coinbase, and it is the first transaction. `spends_nothing` says
/// of each transaction that could be read whether it is one, and `complete` whether these are all.
pub fn one_coinbase(mut spends_nothing: impl Iterator<Item = bool>, complete: bool) -> Vec<Finding> {
    let mut findings = Vec::new();
    let first = spends_nothing.next();
    let mut others = spends_nothing.enumerate().filter(|&(_, is_coinbase)| is_coinbase);
    if let Some((index, _)) = others.next() {
        let found = format!("{} more, the first is transaction {}", 1 + others.count(), 1 + index);
        findings.push(Finding::error("bad-cb-multiple", "one coinbase", found));
    }
    let found = match first {
        Some(false) => "one that spends something",
        None if complete => "no transactions",
        _ => return findings,
    };
    findings.push(Finding::error("bad-cb-missing", "a coinbase as first transaction", found));
    findings
}

/// `bad-cb-length`: a coinbase script of `length` bytes, where others are `allowed`.
pub fn coinbase_length(length: usize, allowed: RangeInclusive<usize>) -> Option<Finding> {
    (!allowed.contains(&length)).then(|| {
        let expected = format!("a coinbase script of {} to {} bytes", allowed.start(), allowed.end());
        Finding::error("bad-cb-length", expected, format!("{length} bytes"))
    })
}

/// The height that a coinbase script begins with, if it begins with one.
///
/// # Errors
/// `bad-cb-height`: it does not, or not in the shortest form (BIP34).
pub fn told_height(script: &[u8]) -> Result<u32, Finding> {
    coinbase_height(script).filter(|&height| script.starts_with(&height_push(height))).ok_or_else(|| {
        let start: String = script.iter().take(6).map(|byte| format!("{byte:02x}")).collect();
        let expected = "a coinbase script that begins with the block's height, in the shortest form";
        Finding::error("bad-cb-height", expected, format!("a script that begins with {start:?}"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(findings: &[Finding]) -> Vec<&'static str> {
        findings.iter().map(|finding| finding.check).collect()
    }

    #[test]
    fn one_coinbase_comes_first() {
        let check = |list: &[bool], complete| one_coinbase(list.iter().copied(), complete);
        assert_eq!(names(&check(&[true, false, false], true)), [""; 0]);
        assert_eq!(names(&check(&[false, true], true)), ["bad-cb-multiple", "bad-cb-missing"]);
        assert_eq!(names(&check(&[], true)), ["bad-cb-missing"]);
        assert_eq!(names(&check(&[], false)), [""; 0], "nothing could be read, so nothing is known");
        let twice = check(&[true, false, true, true], false);
        assert_eq!(names(&twice), ["bad-cb-multiple"]);
        assert_eq!(twice[0].found, "2 more, the first is transaction 2");
    }

    #[test]
    fn a_height_in_more_bytes_than_it_needs_is_none() {
        assert_eq!(told_height(&[2, 0xb0, 1, 0]), Ok(432));
        assert_eq!(
            told_height(&[3, 0xb0, 1, 0]).unwrap_err().found,
            "a script that begins with \"03b00100\""
        );
    }
}
