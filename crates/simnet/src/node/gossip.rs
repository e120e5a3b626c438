//! Blocks that come from other nodes of the simulated network.

use std::{
    collections::{HashMap, VecDeque},
    time::Duration,
};

use bytes::Bytes;
use wire::{BlockHash, Header};

use super::{Node, desk::Work};
use crate::{Door, Verdict};

/// How many blocks are kept whose parents are still on their way, and how many that came while the node was away. A
/// real node would fetch what it lacks; more than this never is under way in a simulation that means something.
const KEPT: usize = 1000;

#[derive(Debug, Default)]
pub(super) struct Gossip {
    /// Blocks by the parent that they wait for.
    orphans: HashMap<BlockHash, Vec<Bytes>>,
    /// What came while the node was away, in order.
    missed: VecDeque<Bytes>,
}

impl Node {
    /// A neighbour has brought a block. Nodes whose temperament does not [gossip](crate::Temperament::gossips) do not
    /// hear it. One that is away gets it when it is back.
    pub fn hear_of(&mut self, block: &Bytes, now: Duration) {
        self.tick(now);
        if !self.temperament.gossips() {
            return;
        }
        if self.away {
            if self.gossip.missed.len() < KEPT {
                self.gossip.missed.push_back(block.clone());
            }
            return;
        }
        self.put(Work::Gossip(block.clone()), now);
    }

    /// Gives the node a block as `submitblock` does: at once, whatever it is busy with. Nodes whose temperament does
    /// not [gossip](crate::Temperament::gossips) do not even look at it.
    pub fn submit(&mut self, block: &Bytes, now: Duration) -> Verdict {
        self.tick(now);
        if !self.temperament.gossips() {
            return Verdict::Ignored;
        }
        let verdict = self.chain.accept(block, Door::Rpc, now);
        if let Verdict::Connected(blocks) = &verdict {
            let blocks = blocks.clone();
            self.connected(&blocks, None, now);
        }
        verdict
    }

    pub(super) fn take_gossip(&mut self, block: Bytes, at: Duration) {
        match self.chain.accept(&block, Door::Peer { asked: true }, at) {
            Verdict::Connected(blocks) => self.connected(&blocks, None, at),
            Verdict::Orphan(_) => {
                let waiting: usize = self.gossip.orphans.values().map(Vec::len).sum();
                if let Some(fixed) = block.first_chunk().filter(|_| waiting < KEPT) {
                    self.gossip.orphans.entry(Header::new(*fixed).parent()).or_default().push(block);
                }
            }
            _ => {}
        }
    }

    /// Looks again at what was waiting for these blocks.
    pub(super) fn adopt_orphans(&mut self, blocks: &[BlockHash], at: Duration) {
        for parent in blocks {
            for orphan in self.gossip.orphans.remove(parent).unwrap_or_default() {
                self.take_gossip(orphan, at);
            }
        }
    }

    /// The node goes away: nothing that waits is dealt with, and its neighbours will say it again.
    pub(super) fn drop_work(&mut self, at: Duration) {
        for work in self.desk.clear(at) {
            if let Work::Gossip(block) = work {
                self.gossip.missed.push_back(block);
            }
        }
    }

    /// The node is back: its neighbours tell it what it missed.
    pub(super) fn catch_up(&mut self, at: Duration) {
        for block in std::mem::take(&mut self.gossip.missed) {
            self.take_gossip(block, at);
        }
        self.catch_up_with_locks(at);
    }
}
