//! Work for merged mining, as a node issues it and takes it back (G rpc/auxpow.cpp).

use std::{collections::HashMap, time::Duration};

use wire::BlockHash;

use super::Node;
use crate::{AuxBlock, Mint, Order, Verdict};

/// What a node has issued on a tip. It lasts until something is issued on another: a solution that comes after the next
/// block, but before the next question, is still taken.
#[derive(Debug, Default)]
pub(super) struct Issued {
    /// Makes what is issued; not before it is needed.
    mint: Option<Mint>,
    tip: Option<BlockHash>,
    blocks: HashMap<BlockHash, AuxBlock>,
    /// Which of them is whose.
    payees: HashMap<Option<String>, BlockHash>,
}

/// What came of a solution.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Solution {
    /// This node has not issued that work, or has forgotten it.
    Unknown,
    /// It cannot be read.
    Unreadable,
    /// It does not prove anything.
    Wrong,
    /// It holds; what the node makes of the block.
    Right(Verdict),
}

impl Node {
    /// Issues work on the tip; to one payee always the same. It pays to the simulated pool, whoever the payee is. `None` if
    /// the chain has no such work at this height.
    pub fn issue(&mut self, payee: Option<&str>, now: Duration) -> Option<AuxBlock> {
        self.tick(now);
        let parent = self.chain.next();
        let mint = match self.issued.mint.take() {
            Some(mint) => mint,
            None => Mint::new(&self.profile, self.rng.next_u64()),
        };
        let issued = &mut self.issued;
        let mint = issued.mint.insert(mint);
        if issued.tip != Some(parent.hash) {
            issued.tip = Some(parent.hash);
            issued.blocks.clear();
            issued.payees.clear();
        }
        let payee = payee.map(str::to_owned);
        if let Some(known) = issued.payees.get(&payee).and_then(|hash| issued.blocks.get(hash)) {
            return Some(known.clone());
        }
        let block = mint.aux(&parent, self.chain.unix(now), &Order { size: 0, flaw: None })?;
        issued.payees.insert(payee, block.hash());
        issued.blocks.insert(block.hash(), block.clone());
        Some(block)
    }

    /// Takes a solution of work that it has issued.
    pub fn solve(&mut self, block: &BlockHash, proof: &[u8], now: Duration) -> Solution {
        let Some(issued) = self.issued.blocks.get(block) else { return Solution::Unknown };
        let Some(block) = issued.with_proof(proof) else { return Solution::Unreadable };
        // Also of a block that it has: the proof may be another one.
        if self.profile.chain.check_work(&block.header).is_err() {
            return Solution::Wrong;
        }
        Solution::Right(self.submit(&block.bytes, now))
    }
}
