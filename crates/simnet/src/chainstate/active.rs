//! Which branch is active (L validation.cpp: ActivateBestChain, ConnectBlock).

use std::{cmp::Reverse, sync::Arc, time::Duration};

use chain::{
    IndexedBlock,
    transaction::{self, no_other_flags},
};
use wire::{BlockHash, Reader};

use super::{ChainState, FEE_ALLOWANCE, Standing, Verdict};

/// A block that cannot become part of the active chain.
pub(super) struct Fault {
    block: BlockHash,
    /// Where it and those on it stand from now on.
    standing: Standing,
    /// The daemon's word.
    word: String,
}

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
        let (connected, faults) = self.advance(now);
        let refusal = faults.into_iter().find(|fault| self.descends(&news, &fault.block));
        if let Some(fault) = refusal {
            return Verdict::Refused(fault.word);
        }
        if self.is_active(&news) {
            return Verdict::Connected(connected);
        }
        Verdict::Side
    }

    /// Goes over to the best branch, and tells which blocks became part of the active chain by that, from old to new,
    /// and which turned out to be of no use on the way.
    pub(super) fn advance(&mut self, now: Duration) -> (Vec<BlockHash>, Vec<Fault>) {
        let (mut connected, mut faults) = (Vec::new(), Vec::new());
        while let Some(branch) = self.better_branch() {
            match self.connect(&branch, now) {
                Ok(()) => connected.extend(branch),
                Err(fault) => {
                    self.mark(&fault.block, fault.standing);
                    faults.push(fault);
                }
            }
        }
        connected.retain(|hash| self.is_active(hash));
        (connected, faults)
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
    fn connect(&mut self, branch: &[BlockHash], now: Duration) -> Result<(), Fault> {
        for hash in branch {
            let entry = self.entry(hash);
            if self.is_forbidden(entry.height, hash) {
                let (block, word) = (*hash, self.forbidden());
                return Err(Fault { block, standing: Standing::Conflicting, word });
            }
            let block = entry.block.as_ref().expect("every body of a branch is there");
            // A body that cannot be read would not have been stored.
            let claimed = coinbase_claim(block).unwrap_or(i64::MAX);
            let others = block.transactions.len().saturating_sub(1) as i64;
            let allowed = (self.profile.mining.subsidy)(entry.height) + FEE_ALLOWANCE * others;
            if claimed > allowed {
                let (block, word) = (*hash, "bad-cb-amount".into());
                return Err(Fault { block, standing: Standing::Invalid, word });
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
