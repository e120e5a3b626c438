//! Blocks whose work is done on another chain's block.
//!
//! There the *parent*: a block of the other chain, whose coinbase holds a [commitment](AuxBlock::commitment). Here the
//! *aux block*: whole but for a proof that the parent has the work and commits to it. A [`Mint`](super::Mint) makes up
//! the parent, as if it were some pool's; or it is [given](AuxBlock::seal) one that another mint has made, and then one
//! find is a block of two chains.

use std::sync::Arc;

use bytes::{BufMut, Bytes};
use chain::{Chain, Target};
use rand::Rng;
use wire::{BlockHash, Header, Reader, sha256d};

use super::{
    Minted,
    coinbase::Coinbase,
    draft::{Draft, root_above, with_nonce},
};
use crate::profile::Merged;

/// How many levels a tree of chains, and a parent's tree of transactions, has at most if nothing is asked for.
const MOST_LEVELS: usize = 3;

/// What stands in the header of a parent that is made up: a version of its chain.
const PARENT_VERSION: i32 = 0x2000_0000;

/// A block's place in the tree of chains that are mined together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tree {
    /// What stands beside the way from this chain's block to the root: blocks of other chains.
    pub branch: Vec<[u8; 32]>,
    /// The number from which each chain's place follows.
    pub nonce: u32,
}

/// A block of another chain, as far as it matters to those whose work it has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParentBlock {
    /// Its header.
    pub header: Header,
    /// Its coinbase, without witness.
    pub coinbase: Bytes,
    /// What leads from the coinbase to the header's merkle root.
    pub branch: Vec<[u8; 32]>,
}

impl From<&Minted> for ParentBlock {
    fn from(block: &Minted) -> Self {
        Self {
            header: block.header.clone(),
            coinbase: block.coinbase.clone(),
            branch: block.coinbase_branch.clone(),
        }
    }
}

/// A block that is whole but for the proof that its work was done elsewhere.
#[derive(Debug, Clone)]
pub struct AuxBlock {
    chain: Arc<dyn Chain>,
    merged: Merged,
    tree: Tree,
    draft: Draft,
    hash: BlockHash,
    commitment: Bytes,
}

impl Tree {
    pub(super) fn random(rng: &mut impl Rng) -> Self {
        Self { branch: hashes(rng), nonce: rng.random() }
    }
}

impl AuxBlock {
    /// `astray`: what it asks for commits to another block.
    pub(super) fn new(chain: Arc<dyn Chain>, merged: Merged, tree: Tree, draft: Draft, astray: bool) -> Self {
        let hash = draft.hash(&*chain);
        let mut named = *hash.as_wire();
        named[0] ^= u8::from(astray);
        let commitment = (merged.commitment)(&tree, &BlockHash::from_wire(named));
        Self { chain, merged, tree, draft, hash, commitment }
    }

    /// Its name.
    pub fn hash(&self) -> BlockHash {
        self.hash
    }

    /// Its height.
    pub fn height(&self) -> u32 {
        self.draft.height
    }

    /// Its header, without the proof.
    pub fn header(&self) -> Header {
        Header::new(self.draft.fixed)
    }

    /// What the script of the parent's coinbase must hold, somewhere behind the height: give it to
    /// [`Mint::mint_with`](super::Mint::mint_with) of the other chain.
    pub fn commitment(&self) -> &Bytes {
        &self.commitment
    }

    /// The proof, as `submitauxblock` takes it: in hex.
    pub fn proof(&self, parent: &ParentBlock) -> Bytes {
        (self.merged.proof)(&self.tree, parent)
    }

    /// The whole block, which rests on the work of this one. Whether that commits to it, and has the work, is not looked
    /// at.
    pub fn seal(&self, parent: &ParentBlock) -> Minted {
        self.with_proof(&self.proof(parent)).expect("a chain can read the proofs that its own profile makes")
    }

    /// The whole block with a proof that somebody else has made; `None` if it cannot be read as one. Bytes behind it are
    /// left away.
    pub fn with_proof(&self, proof: &[u8]) -> Option<Minted> {
        let bytes = Bytes::from([&self.draft.fixed[..], proof].concat());
        let header = Header::read(&mut Reader::new(&bytes), self.chain.dialect()).ok()?;
        Some(self.draft.finish(&*self.chain, header))
    }

    /// The block on a parent that is made up, whose work is enough, or not, as wanted.
    pub(super) fn on(&self, elsewhere: &Elsewhere, enough: bool) -> Minted {
        let target = Target::from_compact(self.header().bits()).expect("a mint knows the target it writes");
        let meets = |fixed: &[u8; Header::LEN]| target.is_met_by(&(self.merged.work)(fixed)) == enough;
        self.seal(&elsewhere.block(&self.commitment, meets))
    }
}

/// A block of a parent chain that nobody has found yet.
#[derive(Debug)]
pub(super) struct Elsewhere {
    height: u32,
    extra_nonce: u64,
    parent: [u8; 32],
    branch: Vec<[u8; 32]>,
    time: u32,
    bits: u32,
}

impl Elsewhere {
    pub(super) fn random(rng: &mut impl Rng, time: u32, bits: u32) -> Self {
        Self {
            // Three bytes to write, as today's have.
            height: rng.random_range(0x01_0000..0x7f_ffff),
            extra_nonce: rng.random(),
            parent: rng.random(),
            branch: hashes(rng),
            time,
            bits,
        }
    }

    /// How long the proof is.
    pub(super) fn reserve(&self, merged: &Merged, tree: &Tree) -> usize {
        let commitment = (merged.commitment)(tree, &BlockHash::ZERO);
        (merged.proof)(tree, &self.block(&commitment, |_| true)).len()
    }

    fn block(&self, note: &[u8], will_do: impl Fn(&[u8; Header::LEN]) -> bool) -> ParentBlock {
        let coinbase = Coinbase::elsewhere(self.height, self.extra_nonce, note).stripped();
        let root = root_above(sha256d(&coinbase), &self.branch);
        let fixed = header(PARENT_VERSION, &self.parent, &root, self.time, self.bits);
        let header = Header::new(with_nonce(fixed, will_do));
        ParentBlock { header, coinbase: coinbase.into(), branch: self.branch.clone() }
    }
}

/// The 80 bytes, with nonce 0.
pub(super) fn header(
    version: i32,
    parent: &[u8; 32],
    root: &[u8; 32],
    time: u32,
    bits: u32,
) -> [u8; Header::LEN] {
    let mut fixed = [0; Header::LEN];
    let mut out = &mut fixed[..];
    out.put_i32_le(version);
    out.put_slice(parent);
    out.put_slice(root);
    out.put_u32_le(time);
    out.put_u32_le(bits);
    fixed
}

fn hashes(rng: &mut impl Rng) -> Vec<[u8; 32]> {
    (0..rng.random_range(0..=MOST_LEVELS)).map(|_| rng.random()).collect()
}
