//! One node's view of the chain.
//!
//! [`ChainState`] is what a daemon's validation is to the outside: blocks and headers go in, [`Verdict`]s in the
//! daemon's own words come out, the first of two equal branches stays active, and the one with more work wins. It
//! remembers when each block became part of the active chain, which is the truth that a relay's reports are held
//! against.
//!
//! # What is checked
//!
//! Everything that [`Chain::inspect`] checks, in the daemon's order; then what takes the blocks
//! before: the parent, bits (simulated networks never retarget), time, height. Coins and scripts are not: a node
//! without a set of coins cannot know fees, so a coinbase may claim [`FEE_ALLOWANCE`] for every other transaction.

mod active;
mod judge;
mod lock;
#[cfg(test)]
mod tests;
mod verdict;

use std::{collections::HashMap, sync::Arc, time::Duration};

use chain::{Chain, IndexedBlock, Lock, Target, Work};
use wire::{BlockHash, Header, MAX_HEADERS};

use crate::{Inspections, Parent, Profile};

pub use verdict::{ChainTip, Door, Standing, Verdict};

/// What a coinbase may claim for each other transaction of its block, in base units: a tenth of a coin, the most that
/// the daemons' own wallets pay.
pub const FEE_ALLOWANCE: i64 = 10_000_000;

/// The median of how many blocks a block's time must be above.
const MEDIAN_SPAN: usize = 11;

#[derive(Debug)]
struct Entry {
    header: Header,
    height: u32,
    /// Sum of the work from genesis on.
    work: Work,
    standing: Standing,
    /// The body, unless it was never seen or was before the simulation began.
    block: Option<Arc<IndexedBlock>>,
    /// In which order bodies came: of equal branches the first stays.
    arrival: u64,
    /// When it became part of the active chain for the first time, since the network's start.
    connected_at: Option<Duration>,
    /// When a lock made it final.
    locked_at: Option<Duration>,
}

/// A block tree with its active chain.
#[derive(Debug)]
pub struct ChainState {
    profile: Arc<Profile>,
    inspections: Inspections,
    /// Unix seconds at the network's start.
    epoch: u32,
    entries: HashMap<BlockHash, Entry>,
    /// From genesis on; the index is the height.
    active: Vec<BlockHash>,
    arrivals: u64,
    /// The newest lock.
    lock: Option<Lock>,
    /// The block of the newest lock whose block is known.
    final_block: Option<BlockHash>,
}

impl ChainState {
    /// A node that has nothing but genesis. `epoch` is the Unix time, in seconds, at which the network starts: every
    /// `now` is counted from there.
    pub fn new(profile: Arc<Profile>, inspections: Inspections, epoch: u32) -> Self {
        let genesis = profile.chain.block_hash(&profile.genesis);
        let entry = Entry {
            header: profile.genesis.clone(),
            height: 0,
            work: work_of(&profile.genesis),
            standing: Standing::Validated,
            block: None,
            arrival: 0,
            connected_at: Some(Duration::ZERO),
            locked_at: None,
        };
        Self {
            profile,
            inspections,
            epoch,
            entries: HashMap::from([(genesis, entry)]),
            active: vec![genesis],
            arrivals: 0,
            lock: None,
            final_block: None,
        }
    }

    /// Takes these headers, from old to new, as the active chain above genesis: blocks that the node validated before
    /// the simulation began, and whose bodies it does not hold. They are trusted, not checked.
    ///
    /// # Panics
    /// When one does not have the one before it as parent: a mistake of whoever set the scene.
    pub fn adopt(&mut self, headers: &[Header]) {
        for header in headers {
            assert_eq!(header.parent(), self.tip(), "headers of the past are a chain on the tip");
            let hash = self.insert(header, Standing::Validated);
            self.entry_mut(&hash).connected_at = Some(Duration::ZERO);
            self.active.push(hash);
        }
    }

    /// The active chain's last block.
    pub fn tip(&self) -> BlockHash {
        *self.active.last().expect("genesis is always there")
    }

    /// The tip's height.
    pub fn height(&self) -> u32 {
        self.active.len() as u32 - 1
    }

    /// The work of the active chain.
    pub fn work(&self) -> Work {
        self.entry(&self.tip()).work
    }

    /// The block of the active chain at a height.
    pub fn at(&self, height: u32) -> Option<BlockHash> {
        self.active.get(height as usize).copied()
    }

    /// Whether a block is in the active chain.
    pub fn is_active(&self, hash: &BlockHash) -> bool {
        self.height_of(hash).is_some_and(|height| self.at(height) == Some(*hash))
    }

    /// Whether a block's header is known.
    pub fn knows(&self, hash: &BlockHash) -> bool {
        self.entries.contains_key(hash)
    }

    /// Where a block stands.
    pub fn standing(&self, hash: &BlockHash) -> Option<Standing> {
        self.entries.get(hash).map(|entry| entry.standing)
    }

    /// A block's height.
    pub fn height_of(&self, hash: &BlockHash) -> Option<u32> {
        self.entries.get(hash).map(|entry| entry.height)
    }

    /// The work of a block's branch from genesis up to it.
    pub fn work_at(&self, hash: &BlockHash) -> Option<Work> {
        self.entries.get(hash).map(|entry| entry.work)
    }

    /// A block's header.
    pub fn header(&self, hash: &BlockHash) -> Option<&Header> {
        self.entries.get(hash).map(|entry| &entry.header)
    }

    /// A block's body, in canonical form.
    pub fn block(&self, hash: &BlockHash) -> Option<&Arc<IndexedBlock>> {
        self.entries.get(hash)?.block.as_ref()
    }

    /// When a block became part of the active chain for the first time, since the network's start. A later
    /// reorganisation does not take that back; [`is_active`](Self::is_active) tells what is.
    pub fn connected_at(&self, hash: &BlockHash) -> Option<Duration> {
        self.entries.get(hash)?.connected_at
    }

    /// The Unix time, in seconds, at `now` since the network's start.
    pub fn unix(&self, now: Duration) -> u32 {
        self.epoch.saturating_add(u32::try_from(now.as_secs()).unwrap_or(u32::MAX))
    }

    /// The median of the times of a block and the ten before it; zero for a block that is not known.
    pub fn median_time_past(&self, hash: &BlockHash) -> u32 {
        let mut times: Vec<u32> =
            self.ancestry(*hash).take(MEDIAN_SPAN).map(|(_, entry)| entry.header.time()).collect();
        times.sort_unstable();
        times.get(times.len() / 2).copied().unwrap_or(0)
    }

    /// What a [`Mint`](crate::Mint) needs to build on a block.
    pub fn parent(&self, hash: &BlockHash) -> Option<Parent> {
        let height = self.height_of(hash)?;
        Some(Parent { hash: *hash, height, least_time: self.median_time_past(hash).saturating_add(1) })
    }

    /// What a [`Mint`](crate::Mint) needs to build on the tip.
    pub fn next(&self) -> Parent {
        self.parent(&self.tip()).expect("the tip is known")
    }

    /// The header with the most work that is not known to be invalid or forbidden; its body may be missing.
    pub fn best_header(&self) -> BlockHash {
        let candidates = self.entries.iter().filter(|(_, entry)| !entry.standing.is_hopeless());
        let rank = |(hash, entry): &(&BlockHash, &Entry)| {
            (entry.work, self.is_active(hash), std::cmp::Reverse(entry.arrival), **hash)
        };
        candidates.max_by_key(rank).map_or_else(|| self.tip(), |(hash, _)| *hash)
    }

    /// Whether `ancestor` is `block` or lies below it.
    pub fn descends(&self, block: &BlockHash, ancestor: &BlockHash) -> bool {
        let (Some(height), Some(lower)) = (self.height_of(block), self.height_of(ancestor)) else {
            return false;
        };
        if height < lower {
            return false;
        }
        if self.is_active(block) {
            return self.at(lower) == Some(*ancestor);
        }
        self.ancestry(*block).nth((height - lower) as usize).is_some_and(|(hash, _)| hash == *ancestor)
    }

    /// A block and its ancestors, from new to old.
    fn ancestry(&self, from: BlockHash) -> impl Iterator<Item = (BlockHash, &Entry)> {
        let mut next = Some(from);
        std::iter::from_fn(move || {
            let hash = next?;
            let entry = self.entries.get(&hash)?;
            next = Some(entry.header.parent());
            Some((hash, entry))
        })
    }

    /// Blocks from `from` down to genesis: twelve one by one, then in doubling steps (L chain.cpp, GetLocator).
    pub fn locator(&self, from: BlockHash) -> Vec<BlockHash> {
        let mut locator = Vec::with_capacity(32);
        let (mut step, mut due) = (1_usize, 0_usize);
        for (depth, (hash, entry)) in self.ancestry(from).enumerate() {
            if depth == due || entry.height == 0 {
                locator.push(hash);
                if locator.len() > 11 {
                    step *= 2;
                }
                due += step;
            }
        }
        locator
    }

    /// The answer to a `getheaders`: what follows the newest entry of the locator on the active chain, or genesis if
    /// none is known, at most 2000 headers, up to and including `stop`. With an empty locator: the header of `stop`.
    pub fn after(&self, locator: &[BlockHash], stop: BlockHash) -> Vec<Header> {
        if locator.is_empty() {
            return self.header(&stop).filter(|_| self.is_active(&stop)).cloned().into_iter().collect();
        }
        let fork = locator.iter().find(|hash| self.is_active(hash)).and_then(|hash| self.height_of(hash));
        let following = self.active.iter().skip(fork.unwrap_or(0) as usize + 1).take(MAX_HEADERS);
        let mut headers = Vec::new();
        for hash in following {
            headers.extend(self.header(hash).cloned());
            if *hash == stop {
                break;
            }
        }
        headers
    }

    /// The ends of all branches, the highest first.
    pub fn tips(&self) -> Vec<ChainTip> {
        let parents: std::collections::HashSet<BlockHash> =
            self.entries.values().map(|entry| entry.header.parent()).collect();
        let tip = self.tip();
        let leaves = self.entries.iter().filter(|(hash, _)| !parents.contains(hash) || **hash == tip);
        let mut tips: Vec<ChainTip> = leaves
            .map(|(hash, entry)| {
                let branch_length =
                    self.ancestry(*hash).take_while(|(hash, _)| !self.is_active(hash)).count();
                let status = match entry.standing {
                    _ if *hash == tip => "active",
                    Standing::Invalid => "invalid",
                    Standing::Conflicting => "conflicting",
                    Standing::HeaderOnly => "headers-only",
                    Standing::Stored => "valid-headers",
                    Standing::Validated => "valid-fork",
                };
                ChainTip { hash: *hash, height: entry.height, branch_length: branch_length as u32, status }
            })
            .collect();
        tips.sort_by_key(|tip| (std::cmp::Reverse(tip.height), tip.hash));
        tips
    }

    fn entry(&self, hash: &BlockHash) -> &Entry {
        self.entries.get(hash).expect("blocks that are spoken of are never removed")
    }

    fn entry_mut(&mut self, hash: &BlockHash) -> &mut Entry {
        self.entries.get_mut(hash).expect("blocks that are spoken of are never removed")
    }

    /// Adds a header whose parent is known.
    fn insert(&mut self, header: &Header, standing: Standing) -> BlockHash {
        let hash = self.profile.chain.block_hash(header);
        let parent = self.entry(&header.parent());
        let (height, work) = (parent.height + 1, parent.work + work_of(header));
        self.arrivals += 1;
        let entry = Entry {
            header: header.clone(),
            height,
            work,
            standing,
            block: None,
            arrival: self.arrivals,
            connected_at: None,
            locked_at: None,
        };
        self.entries.insert(hash, entry);
        hash
    }

    /// The chain's rules.
    fn chain(&self) -> &dyn Chain {
        &*self.profile.chain
    }
}

fn work_of(header: &Header) -> Work {
    Target::from_compact(header.bits()).map_or(Work::ZERO, Target::work)
}
