//! Making blocks.
//!
//! A [`Mint`] makes blocks that the chain's rules find nothing wrong with, of a wished size, on any parent; and flawed
//! ones, each wrong in one way only. It needs no coins: its transactions spend outputs that never were, which no rule
//! notices that does without a set of coins, as a relay and a simulated node do.

mod coinbase;
mod filler;
mod flaw;

use bytes::{BufMut, Bytes, BytesMut};
use chain::merkle;
use rand::{Rng, SeedableRng, rngs::StdRng};
use wire::{BlockHash, Encode, Header};

use crate::{Profile, chainstate::FEE_ALLOWANCE};
use coinbase::Coinbase;
use filler::Filler;

pub use flaw::Flaw;

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
    pub fn mint(&mut self, parent: &Parent, time: u32, order: &Order) -> Minted {
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
        };
        let room = order.size.saturating_sub(Header::LEN + 1 + coinbase.with_witness().len());
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

        let txids =
            std::iter::once(coinbase.txid()).chain(fillers.iter().map(|filler| filler.txid)).collect();
        let mut root = merkle::tree(txids).root;
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
        let version = if order.flaw == Some(Flaw::BadVersion) { 1 } else { mining.version };
        let header = self.mine(version, parent_hash, root, time, order.flaw != Some(Flaw::HighHash));

        let mut bytes = BytesMut::with_capacity(order.size + 64);
        header.write(&mut bytes);
        bytes.put_compact_size(1 + fillers.len() as u64);
        match order.flaw {
            Some(Flaw::MissingCoinbaseWitness) => bytes.put_slice(&coinbase.stripped()),
            _ => bytes.put_slice(&coinbase.with_witness()),
        }
        fillers.iter().for_each(|filler| bytes.put_slice(&filler.bytes));
        if order.flaw == Some(Flaw::TrailingBytes) {
            bytes.put_slice(&[0; 10]);
        }
        let hash = self.profile.chain.block_hash(&header);
        Minted { bytes: bytes.freeze(), hash, header, parent: parent_hash, height, flaw: order.flaw }
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

    /// The header whose proof of work holds, or does not, as wanted. At regtest's limit every other nonce will do.
    fn mine(&self, version: i32, parent: BlockHash, root: [u8; 32], time: u32, valid: bool) -> Header {
        let mut fixed = [0; Header::LEN];
        let mut out = &mut fixed[..];
        out.put_i32_le(version);
        out.put_slice(parent.as_wire());
        out.put_slice(&root);
        out.put_u32_le(time);
        out.put_u32_le(self.profile.chain.params().pow_limit_bits);
        (0..=u32::MAX)
            .map(|nonce| {
                fixed[76..].copy_from_slice(&nonce.to_le_bytes());
                Header::new(fixed)
            })
            .find(|header| self.profile.chain.check_work(header).is_ok() == valid)
            .expect("one of 2^32 nonces fits a target that every other hash meets")
    }
}
