//! Which node to ask about a block that came in by this door: the one whose verdict the pool was given.
//!
//! MiningCore and NOMP ask for the block right after they have handed it in, and count it as rejected when the node
//! that they happen to ask is a moment behind.

use std::{collections::VecDeque, sync::Arc};

use parking_lot::Mutex;
use relay::Delivery;
use wire::BlockHash;

use super::call::Call;

/// How many blocks are remembered.
const CAPACITY: usize = 256;

/// The latest blocks, oldest first.
#[derive(Debug, Default)]
pub(super) struct Pins(Mutex<VecDeque<(BlockHash, Pin)>>);

/// What tells the node to ask.
#[derive(Debug, Clone)]
enum Pin {
    /// The block's delivery, once a node has judged it.
    Judged(Arc<Delivery>),
    /// The node that made the block of solved work.
    Maker(String),
}

impl Pins {
    /// A block came in.
    pub(super) fn remember(&self, delivery: &Arc<Delivery>) {
        self.put(delivery.block(), Pin::Judged(delivery.clone()));
    }

    /// A node has made a block of solved work.
    pub(super) fn remember_maker(&self, block: BlockHash, node: &str) {
        self.put(block, Pin::Maker(node.into()));
    }

    fn put(&self, block: BlockHash, pin: Pin) {
        let mut pins = self.0.lock();
        pins.retain(|(known, _)| *known != block);
        if pins.len() == CAPACITY {
            pins.pop_front();
        }
        pins.push_back((block, pin));
    }

    /// The node to ask, if the call is about one of these blocks and a node has judged it. A node that did not answer
    /// is as good as any.
    pub(super) fn node_for(&self, call: &Call<'_>, chain: &str) -> Option<String> {
        let block = call.asked_block()?;
        let pin = self.0.lock().iter().find(|(known, _)| *known == block).map(|(_, pin)| pin.clone())?;
        let delivery = match pin {
            Pin::Judged(delivery) => delivery,
            Pin::Maker(node) => return Some(node),
        };
        let judged = !matches!(delivery.report(chain).status.as_str(), "pending" | "unanswered");
        judged.then(|| delivery.judged_by())?
    }
}
