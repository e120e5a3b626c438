//! Which node issued which work.
//!
//! Aux work can only be handed to the node that issued it: it alone has the block that belongs to the name. So the name
//! is remembered with its issuer, for as long as there is room: daemons forget their own templates when the tip
//! changes, and a pool hands in what it got a few minutes ago.

use std::collections::{HashMap, VecDeque};

use chain::AuxTemplate;
use serde::{Deserialize, Serialize};
use wire::BlockHash;

/// Who has the block that belongs to a name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Issuer {
    /// A node of ours, by its configured name.
    Node(String),
}

/// Work that is out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Issued {
    /// The work.
    pub template: AuxTemplate,
    /// Who issued it.
    pub issuer: Issuer,
}

/// The newest work of all nodes together, by the block's name; the oldest goes first.
#[derive(Debug)]
pub struct Issuers {
    issued: HashMap<BlockHash, Issued>,
    order: VecDeque<BlockHash>,
    capacity: usize,
}

impl Issuers {
    /// With room for so many.
    pub fn new(capacity: usize) -> Self {
        Self { issued: HashMap::new(), order: VecDeque::new(), capacity: capacity.max(1) }
    }

    /// Remembers work. `None` if it was known: a node gives the same work again and again, and the first issuer stays.
    /// Else what had to make room for it, if anything.
    pub fn note(&mut self, issued: Issued) -> Option<Vec<Issued>> {
        let block = issued.template.block;
        if self.issued.contains_key(&block) {
            return None;
        }
        let mut gone = Vec::new();
        while self.order.len() >= self.capacity {
            let oldest = self.order.pop_front();
            gone.extend(oldest.and_then(|oldest| self.issued.remove(&oldest)));
        }
        self.order.push_back(block);
        self.issued.insert(block, issued);
        Some(gone)
    }

    /// The work of that name.
    pub fn get(&self, block: &BlockHash) -> Option<&Issued> {
        self.issued.get(block)
    }

    /// How much work is remembered.
    pub fn len(&self) -> usize {
        self.order.len()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.order.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn issued(number: u8, node: &str) -> Issued {
        let template = AuxTemplate { block: BlockHash::from_wire([number; 32]), bits: 1, height: 2 };
        Issued { template, issuer: Issuer::Node(node.into()) }
    }

    #[test]
    fn work_stays_with_whom_issued_it_first_until_newer_work_takes_its_room() {
        let mut issuers = Issuers::new(2);
        assert_eq!(issuers.note(issued(1, "a")), Some(vec![]));
        assert_eq!(issuers.note(issued(1, "b")), None, "known");
        assert_eq!(issuers.note(issued(2, "b")), Some(vec![]));
        assert_eq!(issuers.get(&issued(1, "a").template.block), Some(&issued(1, "a")));
        assert_eq!(issuers.note(issued(3, "b")), Some(vec![issued(1, "a")]));
        assert_eq!((issuers.get(&issued(1, "a").template.block), issuers.len()), (None, 2));
    }
}
