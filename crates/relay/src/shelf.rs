//! Blocks that are held to be served.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
};

use chain::IndexedBlock;
use wire::BlockHash;

/// Blocks to be served to whoever asks; the oldest go first.
#[derive(Debug)]
pub(crate) struct Shelved {
    capacity: usize,
    blocks: HashMap<BlockHash, Arc<IndexedBlock>>,
    order: VecDeque<BlockHash>,
}

impl Shelved {
    /// An empty shelf for so many blocks.
    pub(crate) fn of(capacity: usize) -> Self {
        Self { capacity, blocks: HashMap::new(), order: VecDeque::new() }
    }

    pub(crate) fn put(&mut self, block: Arc<IndexedBlock>) {
        if self.blocks.contains_key(&block.hash) {
            return;
        }
        if self.order.len() == self.capacity
            && let Some(oldest) = self.order.pop_front()
        {
            self.blocks.remove(&oldest);
        }
        self.order.push_back(block.hash);
        self.blocks.insert(block.hash, block);
    }

    pub(crate) fn get(&self, hash: &BlockHash) -> Option<Arc<IndexedBlock>> {
        self.blocks.get(hash).cloned()
    }

    pub(crate) fn remove(&mut self, hash: &BlockHash) {
        if self.blocks.remove(hash).is_some() {
            self.order.retain(|other| other != hash);
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use wire::Header;

    use super::*;

    #[test]
    fn a_shelf_holds_the_newest_blocks() {
        let block = |number: u8| {
            let (hash, header) = (BlockHash::from_wire([number; 32]), Header::new([0; 80]));
            Arc::new(IndexedBlock {
                hash,
                header,
                height: None,
                bytes: Bytes::new(),
                transactions: Vec::new(),
            })
        };
        let mut shelf = Shelved::of(2);
        for number in [1, 2, 2, 3] {
            shelf.put(block(number));
        }
        let held = |shelf: &Shelved| [1, 2, 3].map(|number| shelf.get(&block(number).hash).is_some());
        assert_eq!(held(&shelf), [false, true, true]);
        shelf.remove(&block(2).hash);
        shelf.put(block(1));
        assert_eq!(held(&shelf), [true, false, true]);
    }
}
