//! The blocks that are sent: realistic ones, each on top of the one before.

use chain::Chain;
use simnet::{Mint, Minted, Order, Parent, profile};

/// The first block's time, in Unix seconds: long ago, so that no clock finds a block too new.
const BEGINNING: u32 = 1_700_000_000;

/// A chain of blocks that grows on demand.
#[derive(Debug)]
pub(crate) struct Blocks {
    mint: Mint,
    tip: Parent,
}

impl Blocks {
    /// On top of regtest's genesis.
    pub(crate) fn new() -> Self {
        let tip = Parent { hash: crate::rules().params().genesis, height: 0, least_time: BEGINNING };
        Self { mint: Mint::new(&profile::litecoin::regtest(), 1), tip }
    }

    /// The next block, of about so many bytes.
    pub(crate) fn next(&mut self, size: usize) -> Minted {
        let time = self.tip.least_time;
        let block = self.mint.mint(&self.tip, time, &Order { size, ..Order::default() });
        self.tip = Parent { hash: block.hash, height: block.height, least_time: time + 150 };
        block
    }
}
