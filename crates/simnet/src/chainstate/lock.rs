//! Locks: a block that stays, and what follows for those beside it (D chainlock/handler.cpp, EnforceBestChainLock;
//! validation.cpp, EnforceBlock).

use std::time::Duration;

use chain::Lock;
use wire::{BlockHash, Header};

use super::{ChainState, Standing};

impl ChainState {
    /// The newest lock. Its block need not be known.
    pub fn lock(&self) -> Option<&Lock> {
        self.lock.as_ref()
    }

    /// Whether a block is final: the newest lock's that the node could place, or below it.
    pub fn is_locked(&self, block: &BlockHash) -> bool {
        self.final_block.is_some_and(|last| self.descends(&last, block))
    }

    /// When a block became final for this node, since the network's start.
    pub fn locked_at(&self, block: &BlockHash) -> Option<Duration> {
        self.entries.get(block)?.locked_at
    }

    /// Takes a lock that is genuine: its block wins over every other at its height, and over all that they lead to.
    /// Gives the blocks that became part of the active chain because of that, from old to new; `None` if the lock is
    /// no newer than the one that the node has.
    pub fn take_lock(&mut self, lock: Lock, now: Duration) -> Option<Vec<BlockHash>> {
        if self.lock.as_ref().is_some_and(|best| best.height >= lock.height) {
            return None;
        }
        self.lock = Some(lock);
        Some(self.enforce(now))
    }

    /// Does what the newest lock demands, as soon as its block is known.
    pub(super) fn enforce(&mut self, now: Duration) -> Vec<BlockHash> {
        let Some((block, height)) = self.lock.as_ref().map(|lock| (lock.block, lock.height)) else {
            return Vec::new();
        };
        if self.height_of(&block) != Some(height) {
            return Vec::new();
        }
        if self.final_block != Some(block) {
            self.final_block = Some(block);
            let news = self.ancestry(block).take_while(|(_, entry)| entry.locked_at.is_none());
            let news: Vec<BlockHash> = news.map(|(hash, _)| hash).collect();
            news.iter().for_each(|hash| self.entry_mut(hash).locked_at = Some(now));
        }
        let branch: Vec<(BlockHash, BlockHash)> = self
            .ancestry(block)
            .take_while(|(hash, _)| !self.is_active(hash))
            .map(|(hash, entry)| (hash, entry.header.parent()))
            .collect();
        let Some((_, fork)) = branch.last().copied() else { return Vec::new() };
        let is_rival = |hash: &BlockHash, header: &Header| {
            branch.iter().any(|(ours, parent)| header.parent() == *parent && hash != ours)
        };
        let rivals = self.entries.iter().filter(|(hash, entry)| is_rival(hash, &entry.header));
        let rivals: Vec<BlockHash> = rivals.map(|(hash, _)| *hash).collect();
        rivals.iter().for_each(|rival| self.mark(rival, Standing::Conflicting));
        // Back to where they part, even if the way from there is not known yet.
        self.active.truncate(self.entry(&fork).height as usize + 1);
        self.advance(now).0
    }

    /// Whether a lock forbids a block of this height, which need not be known.
    pub(super) fn is_forbidden(&self, height: u32, block: &BlockHash) -> bool {
        let Some((last, depth)) =
            self.final_block.and_then(|last| Some((last, self.height_of(&last)?.checked_sub(height)?)))
        else {
            return false;
        };
        let there = match self.is_active(&last) {
            true => self.at(height),
            false => self.ancestry(last).nth(depth as usize).map(|(hash, _)| hash),
        };
        there != Some(*block)
    }

    /// The daemon's word for a block that a lock forbids.
    pub(super) fn forbidden(&self) -> String {
        self.chain().finality().map_or_else(String::new, |finality| finality.conflict().into())
    }
}
