//! Making blocks.
//!
//! A [`Mint`] makes blocks that the chain's rules find nothing wrong with, of a wished size, on any parent; and flawed
//! ones, each wrong in one way only. It needs no coins: its transactions spend outputs that never were, which no rule
//! notices that does without a set of coins, as a relay and a simulated node do.

mod coinbase;
mod draft;
mod filler;
mod flaw;
mod merged;

use bytes::{BufMut, Bytes, BytesMut};
use chain::merkle;
use rand::{Rng, SeedableRng, rngs::StdRng};
use wire::{BlockHash, Encode, Header, sha256d};

use crate::{Profile, chainstate::FEE_ALLOWANCE, profile::Merged};
use coinbase::Coinbase;
use draft::Draft;
use filler::Filler;
use merged::Elsewhere;

pub use flaw::Flaw;
pub use merged::{AuxBlock, ParentBlock, Tree};

/// How far ahead the time of a block is that is [`Flaw::TimeTooNew`], in seconds: two hours more than allowed.
const TOO_FAR_AHEAD: u32 = 4 * 3600;

/// What a block is to be built on, as a [`ChainState`](crate::ChainState) tells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Parent {
    /// The parent's name.
    pub hash: BlockHash,
    /// The parent's height.
    pub height: u32,
    /// The earliest time that a child may have, Unix seconds: one more than the median of the eleven blocks before.
    pub least_time: u32,
}

/// What block is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Order {
    /// The size wished, in bytes; transactions fill the block up to it, exactly or by a few bytes less. A coinbase
    /// alone has some 250. Nothing keeps a block from being larger than the chain allows.
    pub size: usize,
    /// What is to be wrong with it.
    pub flaw: Option<Flaw>,
}

impl Default for Order {
    /// A good block of 20 kB.
    fn default() -> Self {
        Self { size: 20_000, flaw: None }
    }
}

/// A block that was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Minted {
    /// The whole block, as a pool submits it and as a peer is sent it.
    pub bytes: Bytes,
    /// Its name.
    pub hash: BlockHash,
    /// Its header.
    pub header: Header,
    /// Its parent's name.
    pub parent: BlockHash,
    /// Its height.
    pub height: u32,
    /// Its coinbase, without witness: what its name is the hash of.
    pub coinbase: Bytes,
    /// What leads from the coinbase to the merkle root, from below.
    pub coinbase_branch: Vec<[u8; 32]>,
    /// What is wrong with it.
    pub flaw: Option<Flaw>,
}

/// Makes blocks. Two mints with the same seed make the same blocks from the same orders.
#[derive(Debug)]
pub struct Mint {
    profile: Profile,
    rng: StdRng,
    extra_nonce: u64,
}

impl Mint {
    /// A mint for a chain.
    pub fn new(profile: &Profile, seed: u64) -> Self {
        Self { profile: profile.clone(), rng: StdRng::seed_from_u64(seed), extra_nonce: 0 }
    }

    /// Makes a block whose header says `time` (Unix seconds), or the parent's
    /// [least time](Parent::least_time) if that is later. Each call gives another block, also from the same order: its
    /// coinbase has a new extra nonce.
    ///
    /// Where a chain has [merged mining](Merged), the block is merge-mined with a parent that is made up, in a tree of
    /// chains of some size.
    pub fn mint(&mut self, parent: &Parent, time: u32, order: &Order) -> Minted {
        self.mint_with(parent, time, order, &[])
    }

    /// The same, with a note in the coinbase's script: what commits the block to those of other chains. There is room for
    /// some 70 bytes.
    pub fn mint_with(&mut self, parent: &Parent, time: u32, order: &Order, note: &[u8]) -> Minted {
        let enough = order.flaw != Some(Flaw::HighHash);
        // A version from before there was merged mining tells of no proof.
        let is_old = order.flaw == Some(Flaw::BadVersion);
        match self.merged_at(parent.height + 1).filter(|_| !is_old) {
            Some(merged) => {
                let (aux, elsewhere) = self.merge(merged, parent, time, order, note);
                aux.on(&elsewhere, enough)
            }
            None => {
                let version = if is_old { 1 } else { self.profile.mining.version };
                self.draft(parent, time, order, note, version, 0).work(&*self.profile.chain, enough)
            }
        }
    }

    /// Makes a block whose work is to be done on another chain's; `None` if the chain has no such blocks at this height.
    /// What the proof adds to its size is not known yet: it is taken to be what some pool's would.
    ///
    /// Of flaws, [`Flaw::HighHash`] has no effect, since the work is the parent's; with [`Flaw::BrokenCommitment`] the
    /// block asks for the wrong [commitment](AuxBlock::commitment).
    pub fn aux(&mut self, parent: &Parent, time: u32, order: &Order) -> Option<AuxBlock> {
        let merged = self.merged_at(parent.height + 1)?;
        Some(self.merge(merged, parent, time, order, &[]).0)
    }

    fn merged_at(&self, height: u32) -> Option<Merged> {
        self.profile.mining.merged.filter(|merged| height >= merged.from)
    }

    /// An aux block, and a parent that may be made for it.
    fn merge(
        &mut self,
        merged: Merged,
        parent: &Parent,
        time: u32,
        order: &Order,
        note: &[u8],
    ) -> (AuxBlock, Elsewhere) {
        let tree = Tree::random(&mut self.rng);
        let bits = self.profile.chain.params().pow_limit_bits;
        let elsewhere = Elsewhere::random(&mut self.rng, time, bits);
        let reserve = elsewhere.reserve(&merged, &tree);
        let draft = self.draft(parent, time, order, note, merged.version, reserve);
        let astray = order.flaw == Some(Flaw::BrokenCommitment);
        (AuxBlock::new(self.profile.chain.clone(), merged, tree, draft, astray), elsewhere)
    }

    /// A block but for its work, and for `reserve` bytes that are to come behind its header.
    fn draft(
        &mut self,
        parent: &Parent,
        time: u32,
        order: &Order,
        note: &[u8],
        version: i32,
        reserve: usize,
    ) -> Draft {
        let mining = self.profile.mining;
        let height = parent.height + 1;
        self.extra_nonce += 1;
        let mut coinbase = Coinbase {
            height,
            extra_nonce: self.extra_nonce,
            value: (mining.subsidy)(height),
            payout: mining.payout,
            commitment: mining.witness_commitment.then_some([0; 32]),
            padding: Vec::new(),
            payload: (mining.payload)(height),
            note: note.to_vec(),
        };
        let room = order.size.saturating_sub(Header::LEN + reserve + 1 + coinbase.with_witness().len());
        let fillers = Filler::fill(room, mining.witness_commitment, &mut self.rng);
        coinbase.padding = fillers.padding;
        let fillers = fillers.transactions;
        if order.flaw == Some(Flaw::BadCoinbaseAmount) {
            coinbase.value += FEE_ALLOWANCE * fillers.len() as i64 + 1;
        }
        if coinbase.commitment.is_some() {
            let wtxids = std::iter::once([0; 32]).chain(fillers.iter().map(|filler| filler.wtxid)).collect();
            coinbase.commit_to(merkle::tree(wtxids).root);
        }

        let stripped = coinbase.stripped();
        let txid = sha256d(&stripped);
        let txids = std::iter::once(txid).chain(fillers.iter().map(|filler| filler.txid)).collect();
        let coinbase_branch = draft::branch_of_first(txids);
        let mut root = draft::root_above(txid, &coinbase_branch);
        if order.flaw == Some(Flaw::BadMerkleRoot) {
            root[0] ^= 1;
        }
        let parent_hash = match order.flaw {
            Some(Flaw::UnknownParent) => BlockHash::from_wire(self.rng.random()),
            _ => parent.hash,
        };
        let time = match order.flaw {
            Some(Flaw::TimeTooOld) => parent.least_time.saturating_sub(1),
            Some(Flaw::TimeTooNew) => time.saturating_add(TOO_FAR_AHEAD),
            _ => time.max(parent.least_time),
        };
        let bits = self.profile.chain.params().pow_limit_bits;
        let fixed = merged::header(version, parent_hash.as_wire(), &root, time, bits);

        let mut body = BytesMut::with_capacity(order.size);
        body.put_compact_size(1 + fillers.len() as u64);
        match order.flaw {
            Some(Flaw::MissingCoinbaseWitness) => body.put_slice(&stripped),
            _ => body.put_slice(&coinbase.with_witness()),
        }
        fillers.iter().for_each(|filler| body.put_slice(&filler.bytes));
        if order.flaw == Some(Flaw::TrailingBytes) {
            body.put_slice(&[0; 10]);
        }
        let (body, coinbase) = (body.freeze(), stripped.into());
        Draft { fixed, body, coinbase, coinbase_branch, height, flaw: order.flaw }
    }

    /// A chain of blocks without transactions on `parent`, one block spacing apart, the last not after `until` (Unix
    /// seconds): what a network has behind it before something happens.
    pub fn history(&mut self, parent: &Parent, length: u32, until: u32) -> Vec<Minted> {
        let spacing = self.profile.chain.params().block_spacing;
        let mut parent = *parent;
        let order = Order { size: 0, flaw: None };
        let blocks = (0..length).map(|index| {
            let time = until.saturating_sub(spacing.saturating_mul(length - 1 - index));
            let block = self.mint(&parent, time, &order);
            // Times only rise, so that the parent's own is above any median.
            parent = Parent { hash: block.hash, height: block.height, least_time: block.header.time() + 1 };
            block
        });
        blocks.collect()
    }
}
