//! Which branch is active (L validation.cpp: ActivateBestChain, ConnectBlock).

use std::{cmp::Reverse, sync::Arc, time::Duration};

use chain::{
    IndexedBlock,
    transaction::{self, no_other_flags},
};
use wire::{BlockHash, Reader};

use super::{ChainState, FEE_ALLOWANCE, Standing, Verdict};

impl ChainState {
    /// Keeps a block's body.
    pub(super) fn store(&mut self, hash: BlockHash, block: Arc<IndexedBlock>) {
        self.arrivals += 1;
        let arrival = self.arrivals;
        let entry = self.entry_mut(&hash);
        entry.block = Some(block);
        entry.standing = Standing::Stored;
        entry.arrival = arrival;
    }

    /// Goes over to the branch with the most work, if that is not the active one, and tells what became of `news`.
    pub(super) fn activate(&mut self, news: BlockHash, now: Duration) -> Verdict {
        let mut connected = Vec::new();
        let mut refusal = None;
        while let Some(branch) = self.better_branch() {
            match self.connect(&branch, now) {
                Ok(()) => connected.extend(branch),
                Err((block, word)) => {
                    self.condemn(&block);
                    if self.descends(&news, &block) {
                        refusal.get_or_insert(word);
                    }
                }
            }
        }
        if let Some(word) = refusal {
            return Verdict::Refused(word);
        }
        if self.is_active(&news) {
            connected.retain(|hash| self.is_active(hash));
            return Verdict::Connected(connected);
        }
        Verdict::Side
    }

    /// The blocks, from old to new, that lead from the active chain to the best tip above it of which every body is
    /// there.
    fn better_branch(&self) -> Option<Vec<BlockHash>> {
        let active = self.work();
        let mut candidates: Vec<_> = self
            .entries
            .iter()
            .filter(|(_, entry)| {
                matches!(entry.standing, Standing::Stored | Standing::Validated) && entry.work > active
            })
            .map(|(hash, entry)| (entry.work, Reverse(entry.arrival), *hash))
            .collect();
        candidates.sort_unstable();
        candidates.into_iter().rev().find_map(|(_, _, hash)| {
            let mut branch = Vec::new();
            for (hash, entry) in self.ancestry(hash) {
                if self.is_active(&hash) {
                    branch.reverse();
                    return Some(branch);
                }
                entry.block.as_ref()?;
                branch.push(hash);
            }
            None
        })
    }

    /// Makes a branch the active one. If one of its blocks turns out to be invalid, the active chain stays as it was.
    fn connect(&mut self, branch: &[BlockHash], now: Duration) -> Result<(), (BlockHash, String)> {
        for hash in branch {
            let entry = self.entry(hash);
            let block = entry.block.as_ref().expect("every body of a branch is there");
            // A body that cannot be read would not have been stored.
            let claimed = coinbase_claim(block).unwrap_or(i64::MAX);
            let others = block.transactions.len().saturating_sub(1) as i64;
            let allowed = (self.profile.mining.subsidy)(entry.height) + FEE_ALLOWANCE * others;
            if claimed > allowed {
                return Err((*hash, "bad-cb-amount".into()));
            }
        }
        let Some(first) = branch.first() else { return Ok(()) };
        self.active.truncate(self.entry(first).height as usize);
        for hash in branch {
            let entry = self.entry_mut(hash);
            entry.standing = Standing::Validated;
            entry.connected_at.get_or_insert(now);
            self.active.push(*hash);
        }
        Ok(())
    }
}

/// The sum of what a coinbase pays, in base units.
fn coinbase_claim(block: &IndexedBlock) -> Option<i64> {
    let coinbase = block.transaction(0)?;
    let layout = transaction::scan(&mut Reader::new(&coinbase), no_other_flags).ok()?;
    let (_, outputs) = layout.parts(&coinbase)?;
    outputs.iter().try_fold(0_i64, |sum, output| sum.checked_add(output.value).filter(|_| output.value >= 0))
}
