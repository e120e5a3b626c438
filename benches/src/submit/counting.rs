//! A chain that counts how often something is asked of it that may cost a proof-of-work hash.

use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use chain::{AuxWork, Chain, Finality, Finding, Inspection, Params, PeerSource, SessionPolicy};
use wire::{BlockHash, Dialect, Header};

/// See the module.
#[derive(Debug)]
pub(super) struct Counting<C> {
    chain: C,
    inspections: AtomicUsize,
    work_checks: AtomicUsize,
}

impl<C> Counting<C> {
    pub(super) fn new(chain: C) -> Self {
        Self { chain, inspections: AtomicUsize::new(0), work_checks: AtomicUsize::new(0) }
    }

    /// How many blocks were inspected; each costs one hash, as [`inspection`](super::inspection) measures.
    pub(super) fn inspections(&self) -> usize {
        self.inspections.load(Ordering::Relaxed)
    }

    /// How many headers were checked for their work.
    pub(super) fn work_checks(&self) -> usize {
        self.work_checks.load(Ordering::Relaxed)
    }
}

impl<C: Chain> Chain for Counting<C> {
    fn params(&self) -> &Params {
        self.chain.params()
    }

    fn dialect(&self) -> &dyn Dialect {
        self.chain.dialect()
    }

    fn session_policy(&self) -> &SessionPolicy {
        self.chain.session_policy()
    }

    fn block_hash(&self, header: &Header) -> BlockHash {
        self.chain.block_hash(header)
    }

    fn check_work(&self, header: &Header) -> Result<(), Finding> {
        self.work_checks.fetch_add(1, Ordering::Relaxed);
        self.chain.check_work(header)
    }

    fn inspect(&self, block: &Bytes, now: u32) -> Inspection {
        self.inspections.fetch_add(1, Ordering::Relaxed);
        self.chain.inspect(block, now)
    }

    fn finality(&self) -> Option<&dyn Finality> {
        self.chain.finality()
    }

    fn peer_source(&self) -> Option<&dyn PeerSource> {
        self.chain.peer_source()
    }

    fn aux_work(&self) -> Option<&dyn AuxWork> {
        self.chain.aux_work()
    }

    fn parent_block(&self, header: &Header) -> Option<BlockHash> {
        self.chain.parent_block(header)
    }
}
