//! Merge-mined blocks of parts: whatever a test changes, what depends on it is computed anew.

use bytes::{BufMut, Bytes};
use dogecoin::{MARK, expected_index};
use wire::{Encode, sha256d};

use super::{block, mine};
use recordings::forge::with_witness;

/// A merge-mined regtest block. `default` gives one that is sound.
#[derive(Debug, Clone)]
pub(crate) struct Draft {
    /// The block's own version.
    pub(crate) version: i32,
    /// The coinbase script before the mark.
    pub(crate) head: Vec<u8>,
    /// The mark, if any.
    pub(crate) mark: Vec<u8>,
    /// What stands between mark and root.
    pub(crate) gap: Vec<u8>,
    /// What stands in the place of the root.
    pub(crate) root: Root,
    /// Absent: the one that fits the branch.
    pub(crate) size: Option<u32>,
    pub(crate) nonce: u32,
    /// How many bytes of size and nonce there are.
    pub(crate) size_and_nonce_len: usize,
    /// The script behind size and nonce.
    pub(crate) tail: Vec<u8>,
    /// The coinbase's witness.
    pub(crate) witness: Option<Vec<Vec<u8>>>,
    /// Whether the coinbase has its input.
    pub(crate) has_input: bool,
    pub(crate) outputs: usize,
    pub(crate) named_block: [u8; 32],
    pub(crate) coinbase_branch: Vec<[u8; 32]>,
    pub(crate) coinbase_index: i32,
    pub(crate) chain_branch: Vec<[u8; 32]>,
    /// Absent: the one that is the chain's.
    pub(crate) chain_index: Option<i32>,
    pub(crate) parent_version: i32,
    /// Absent: the one to which the coinbase's branch leads.
    pub(crate) parent_root: Option<[u8; 32]>,
    /// Whether the parent has the work.
    pub(crate) worked: bool,
    /// The transactions, with their number before them.
    pub(crate) body: Bytes,
    /// The 80 bytes but for the version.
    pub(crate) header: Bytes,
}

/// What stands in the place of the root of the tree of chains.
#[derive(Debug, Clone)]
pub(crate) enum Root {
    /// As it should be: reversed.
    Right,
    /// As it is hashed.
    NotReversed,
    /// Another, in the order of the script.
    Other([u8; 32]),
    /// What it would be with another chain index than the auxpow tells.
    At(i32),
}

impl Default for Draft {
    fn default() -> Self {
        let recorded = block("block_auxpow_simple.json").bytes;
        let auxpow = unhexed_len();
        Self {
            version: 0x0062_0104,
            head: vec![3, 1, 2, 3],
            mark: MARK.to_vec(),
            gap: vec![],
            root: Root::Right,
            size: None,
            nonce: 7,
            size_and_nonce_len: 8,
            tail: b"/pool/".to_vec(),
            witness: None,
            has_input: true,
            outputs: 1,
            named_block: [0; 32],
            coinbase_branch: vec![[0xcc; 32], [0xdd; 32]],
            coinbase_index: 0,
            chain_branch: vec![[0xaa; 32], [0xbb; 32], [0xee; 32]],
            chain_index: None,
            parent_version: 0x2000_0000,
            parent_root: None,
            worked: true,
            body: recorded.slice(80 + auxpow..),
            header: recorded.slice(..80),
        }
    }
}

/// The length of the auxpow of the recorded block that a draft begins with.
fn unhexed_len() -> usize {
    let json = block("block_auxpow_simple.json").json;
    json["submitauxblock_auxpow_hex"].as_str().expect("hex").len() / 2
}

/// Written apart from the crate's own.
fn fold(leaf: [u8; 32], branch: &[[u8; 32]], index: i32) -> [u8; 32] {
    branch.iter().enumerate().fold(leaf, |hash, (level, neighbour)| {
        let right = if level < 32 { index >> level & 1 == 1 } else { index < 0 };
        sha256d(&if right { [*neighbour, hash] } else { [hash, *neighbour] }.concat())
    })
}

impl Draft {
    /// The block's own 80 bytes.
    pub(crate) fn own_header(&self) -> [u8; 80] {
        let mut header: [u8; 80] = self.header[..].try_into().expect("80 bytes");
        header[..4].copy_from_slice(&self.version.to_le_bytes());
        header
    }

    pub(crate) fn place(&self) -> i32 {
        let id = self.version >> 16;
        expected_index(self.nonce, id, self.chain_branch.len()).map_or(0, |place| place as i32)
    }

    fn script(&self) -> Vec<u8> {
        let block = sha256d(&self.own_header());
        let root_at = |index| fold(block, &self.chain_branch, index);
        let index = self.chain_index.unwrap_or_else(|| self.place());
        let reversed = |mut root: [u8; 32]| {
            root.reverse();
            root
        };
        let root = match self.root {
            Root::Right => reversed(root_at(index)),
            Root::NotReversed => root_at(index),
            Root::Other(other) => other,
            Root::At(index) => reversed(root_at(index)),
        };
        let size = self.size.unwrap_or_else(|| 1u32.wrapping_shl(self.chain_branch.len() as u32));
        let size_and_nonce = [size.to_le_bytes(), self.nonce.to_le_bytes()].concat();
        let size_and_nonce = &size_and_nonce[..self.size_and_nonce_len];
        [&self.head, &self.mark, &self.gap, &root[..], size_and_nonce, &self.tail].concat()
    }

    /// The parent's coinbase without and with its witness.
    fn coinbase(&self) -> (Bytes, Bytes) {
        let mut bytes = vec![1, 0, 0, 0];
        if !self.has_input {
            // No inputs, which make the next byte one of flags: none, and so no outputs either.
            bytes.put_slice(&[0, 0, 0, 0, 0, 0]);
            return (bytes.clone().into(), bytes.into());
        }
        bytes.put_u8(1);
        bytes.put_bytes(0, 32);
        bytes.put_u32_le(u32::MAX);
        bytes.put_byte_string(&self.script());
        bytes.put_u32_le(u32::MAX);
        bytes.put_compact_size(self.outputs as u64);
        for _ in 0..self.outputs {
            bytes.put_i64_le(0);
            bytes.put_byte_string(&[0x51]);
        }
        bytes.put_u32_le(0);
        let marked = self.witness.as_ref().map(|items| {
            let items: Vec<&[u8]> = items.iter().map(Vec::as_slice).collect();
            with_witness(&bytes, &items)
        });
        let plain = Bytes::from(bytes);
        let whole = marked.unwrap_or_else(|| plain.clone());
        (plain, whole)
    }

    /// The auxpow.
    pub(crate) fn auxpow(&self) -> Bytes {
        let (plain, whole) = self.coinbase();
        let mut auxpow = whole.to_vec();
        auxpow.put_slice(&self.named_block);
        let index = self.chain_index.unwrap_or_else(|| self.place());
        for (branch, index) in [(&self.coinbase_branch, self.coinbase_index), (&self.chain_branch, index)] {
            auxpow.put_compact_size(branch.len() as u64);
            branch.iter().for_each(|hash| auxpow.put_slice(hash));
            auxpow.put_i32_le(index);
        }
        let root = self
            .parent_root
            .unwrap_or_else(|| fold(sha256d(&plain), &self.coinbase_branch, self.coinbase_index));
        let mut parent = self.parent_version.to_le_bytes().to_vec();
        parent.put_bytes(0x11, 32);
        parent.put_slice(&root);
        parent.put_u32_le(1_700_000_000);
        parent.put_u32_le(0x1b00_ffff);
        parent.put_u32_le(0);
        mine(&mut parent, self.worked);
        auxpow.put_slice(&parent);
        auxpow.into()
    }

    /// The block.
    pub(crate) fn bytes(&self) -> Bytes {
        [&self.own_header()[..], &self.auxpow(), &self.body].concat().into()
    }
}
