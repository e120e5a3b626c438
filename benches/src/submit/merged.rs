//! Merge-mined blocks of Dogecoin's regtest, of any size, each on top of the one before.

use bytes::{BufMut, Bytes};
use chain::merkle;
use dogecoin::{MARK, expected_index, pow_hash};
use recordings::forge::{coinbase, mined};
use wire::{Encode, sha256d};

/// Version 4 with an auxpow, of Dogecoin.
const VERSION: i32 = 0x0062_0104;
const CHAIN_ID: i32 = 98;

/// Regtest's target, which every other hash meets.
const BITS: u32 = 0x207f_ffff;

/// Branches of a parent block of some thousand transactions, and of a tree of 32 chains.
const COINBASE_LEVELS: usize = 12;
const CHAIN_LEVELS: usize = 5;

/// The usual transaction: one input, two outputs.
const TRANSACTION: usize = 226;

/// A chain that grows on demand.
#[derive(Debug)]
pub(super) struct MergedBlocks {
    parent: [u8; 32],
    height: u32,
}

impl MergedBlocks {
    /// On top of a block that nobody knows, high enough for every rule.
    pub(super) fn new() -> Self {
        Self { parent: [0x5a; 32], height: 100_000 }
    }

    /// The next block, of about so many bytes.
    pub(super) fn next(&mut self, size: usize) -> Bytes {
        let number = size.saturating_sub(1_000) / TRANSACTION;
        let mut transactions = vec![coinbase(1, &script_number(self.height)).to_vec()];
        transactions.extend((0..number).map(transaction));
        let names = transactions.iter().map(|bytes| sha256d(bytes)).collect();

        let mut header = Vec::with_capacity(80);
        header.put_i32_le(VERSION);
        header.put_slice(&self.parent);
        header.put_slice(&merkle::tree(names).root);
        // Long ago, so that no clock finds a block too new, and each a minute after the one before.
        header.put_u32_le(1_600_000_000 + 60 * self.height);
        header.put_u32_le(BITS);
        header.put_u32_le(0);
        self.parent = sha256d(&header);
        self.height += 1;

        let mut block = header;
        auxpow(&self.parent, &mut block);
        block.put_compact_size(transactions.len() as u64);
        transactions.iter().for_each(|bytes| block.put_slice(bytes));
        block.into()
    }
}

/// A number of three bytes as a script that pushes it.
fn script_number(number: u32) -> Vec<u8> {
    let [a, b, c, _] = number.to_le_bytes();
    vec![3, a, b, c]
}

/// A transaction of the usual length, each with a name of its own.
fn transaction(index: usize) -> Vec<u8> {
    let mut bytes = vec![1, 0, 0, 0, 1];
    bytes.put_u64_le(index as u64);
    bytes.put_bytes(7, 28);
    bytes.put_byte_string(&[0x47; 107]);
    bytes.put_u32_le(u32::MAX);
    bytes.put_u8(2);
    for _ in 0..2 {
        bytes.put_i64_le(100);
        bytes.put_byte_string(&[0x76; 25]);
    }
    bytes.put_u32_le(0);
    bytes
}

/// The proof that a parent block was mined for this one.
fn auxpow(block: &[u8; 32], out: &mut Vec<u8>) {
    let place = expected_index(0, CHAIN_ID, CHAIN_LEVELS).expect("a small tree");
    let mut root = fold(*block, &[[2; 32]; CHAIN_LEVELS], place);
    root.reverse();
    let tail = [1u32 << CHAIN_LEVELS, 0].map(u32::to_le_bytes).concat();
    let coinbase = coinbase(1, &[&[3, 1, 2, 3], &MARK[..], &root, &tail].concat());
    out.put_slice(&coinbase);
    // The parent's name, which nobody reads.
    out.put_bytes(0, 32);
    for (hash, levels, index) in [([1; 32], COINBASE_LEVELS, 0), ([2; 32], CHAIN_LEVELS, place)] {
        out.put_compact_size(levels as u64);
        (0..levels).for_each(|_| out.put_slice(&hash));
        out.put_u32_le(index);
    }
    let mut parent = 0x2000_0000i32.to_le_bytes().to_vec();
    parent.put_bytes(0x11, 32);
    parent.put_slice(&fold(sha256d(&coinbase), &[[1; 32]; COINBASE_LEVELS], 0));
    parent.put_u32_le(1_600_000_000);
    parent.put_u32_le(0x1b00_ffff);
    parent.put_u32_le(0);
    out.put_slice(&mined(parent, pow_hash));
}

/// The root to which a branch leads from a leaf.
fn fold(leaf: [u8; 32], branch: &[[u8; 32]], index: u32) -> [u8; 32] {
    branch.iter().enumerate().fold(leaf, |hash, (level, neighbour)| {
        let is_right = index >> level & 1 == 1;
        sha256d(&if is_right { [*neighbour, hash] } else { [hash, *neighbour] }.concat())
    })
}

#[cfg(test)]
mod tests {
    use chain::{Chain, Network};
    use dogecoin::Dogecoin;

    use super::*;

    #[test]
    fn its_blocks_are_sound_of_the_size_that_was_asked_for_and_hang_together() {
        let dogecoin = Dogecoin::new(Network::Regtest);
        let mut blocks = MergedBlocks::new();
        let mut before = None;
        for (size, height) in [(20_000, 100_000), (990_000, 100_001)] {
            let block = blocks.next(size);
            assert!(block.len().abs_diff(size) < 1_000, "{}", block.len());
            let inspection = dogecoin.inspect(&block, u32::MAX);
            assert_eq!(inspection.findings, []);
            let block = inspection.block.unwrap();
            assert_eq!(block.height, Some(height));
            assert!(before.is_none_or(|before| block.header.parent() == before));
            before = Some(block.hash);
        }
    }
}
