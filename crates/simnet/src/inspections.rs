//! Judging each block once, for all nodes of a network.

use std::{
    collections::{HashMap, VecDeque},
    fmt,
    sync::Arc,
};

use bytes::Bytes;
use chain::{Chain, Finding, IndexedBlock};
use parking_lot::Mutex;
use wire::BlockHash;

/// How many blocks are remembered. Longer than the interest of any network in one block, and few enough to hold.
const REMEMBERED: usize = 64;

/// What the chain's rules say of a block: an [`Inspection`](chain::Inspection) whose parts can be shared.
#[derive(Debug)]
pub struct Judgement {
    /// The block's name; known as soon as its header could be read.
    pub hash: Option<BlockHash>,
    /// Everything that did not hold.
    pub findings: Vec<Finding>,
    /// The block in canonical form, if it could be read to its end.
    pub block: Option<Arc<IndexedBlock>>,
}

/// A block's bytes and what the chain's rules say of them, shared by all nodes that have it: fifty simulated nodes
/// hold a megabyte once, and hash it once.
#[derive(Clone)]
pub struct Inspections {
    chain: Arc<dyn Chain>,
    memory: Arc<Mutex<Memory>>,
}

#[derive(Default)]
struct Memory {
    /// By length and first bytes; forms of one block, with and without witness for instance, share those.
    judged: HashMap<Key, Vec<Judged>>,
    order: VecDeque<Key>,
}

type Key = (usize, Bytes);

#[derive(Clone)]
struct Judged {
    bytes: Bytes,
    judgement: Arc<Judgement>,
}

/// How many of a block's bytes its key holds: the header.
const KEY: usize = 80;

impl Inspections {
    /// None yet.
    pub fn new(chain: Arc<dyn Chain>) -> Self {
        Self { chain, memory: Arc::default() }
    }

    /// What the rules say of a block, leaving aside the time: that is for each node's own clock.
    pub fn of(&self, block: &Bytes) -> Arc<Judgement> {
        let key = (block.len(), block.slice(..block.len().min(KEY)));
        let known = |memory: &Memory| {
            memory.judged.get(&key)?.iter().find(|judged| judged.bytes == *block).map(|j| j.judgement.clone())
        };
        if let Some(judgement) = known(&self.memory.lock()) {
            return judgement;
        }
        // Not under the lock: this hashes the whole block.
        let inspection = self.chain.inspect(block, u32::MAX);
        let block_in_common = inspection.block.map(Arc::new);
        let judgement = Arc::new(Judgement {
            hash: inspection.hash,
            findings: inspection.findings,
            block: block_in_common,
        });
        let mut memory = self.memory.lock();
        if let Some(earlier) = known(&memory) {
            return earlier;
        }
        if memory.order.len() == REMEMBERED
            && let Some(oldest) = memory.order.pop_front()
            && let Some(forms) = memory.judged.get_mut(&oldest)
        {
            forms.remove(0);
            if forms.is_empty() {
                memory.judged.remove(&oldest);
            }
        }
        memory.order.push_back(key.clone());
        let judged = Judged { bytes: block.clone(), judgement: judgement.clone() };
        memory.judged.entry(key).or_default().push(judged);
        judgement
    }
}

impl fmt::Debug for Inspections {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inspections").field("remembered", &self.memory.lock().order.len()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile;

    #[test]
    fn a_block_is_judged_once_whoever_brings_it_and_another_one_apart() {
        let inspections = Inspections::new(profile::litecoin::regtest().chain);
        let block = Bytes::from(vec![7; 300]);
        let first = inspections.of(&block);
        assert!(Arc::ptr_eq(&first, &inspections.of(&Bytes::copy_from_slice(&block))));
        let mut other = block.to_vec();
        other[299] = 8;
        assert!(
            !Arc::ptr_eq(&first, &inspections.of(&other.into())),
            "same header, same length, other bytes"
        );
    }

    #[test]
    fn only_so_many_are_remembered() {
        let inspections = Inspections::new(profile::litecoin::regtest().chain);
        for i in 0..200_u8 {
            inspections.of(&Bytes::from(vec![i; 90]));
        }
        let memory = inspections.memory.lock();
        assert_eq!((memory.order.len(), memory.judged.len()), (REMEMBERED, REMEMBERED));
    }
}
