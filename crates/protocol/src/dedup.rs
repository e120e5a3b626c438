//! Recognising a block that was seen before.
//!
//! A block's name is not enough: the same header can come with another body (a missing witness, trailing bytes, a
//! forged transaction), and each body deserves its own verdict. So a submission is keyed by name *and* digest of the
//! bytes, and once it has been inspected also by the digest of its canonical form: a pool that sends the block bare
//! and another that sends it with its witness share one delivery.

use std::collections::{HashMap, VecDeque};

use wire::{BlockHash, sha256d};

/// What makes two submissions the same: the block's name and the digest of its bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fingerprint {
    /// The block's name; zero when the bytes are too short to have one.
    pub block: BlockHash,
    /// SHA-256d of all the bytes.
    pub body: [u8; 32],
}

impl Fingerprint {
    /// Of a block's bytes.
    pub fn of(block: BlockHash, bytes: &[u8]) -> Self {
        Self { block, body: sha256d(bytes) }
    }
}

/// A map from fingerprints to whatever is being done about them, of bounded size: the oldest go first.
#[derive(Debug)]
pub struct Recent<T> {
    entries: HashMap<Fingerprint, T>,
    order: VecDeque<Fingerprint>,
    capacity: usize,
}

impl<T: Clone> Recent<T> {
    /// An empty map for `capacity` fingerprints.
    pub fn new(capacity: usize) -> Self {
        Self { entries: HashMap::new(), order: VecDeque::new(), capacity: capacity.max(1) }
    }

    /// What is being done about this submission, if it was seen.
    pub fn get(&self, fingerprint: &Fingerprint) -> Option<T> {
        self.entries.get(fingerprint).cloned()
    }

    /// Puts another value in the place of an earlier one, or remembers it if there is none.
    pub fn replace(&mut self, fingerprint: Fingerprint, value: T) {
        match self.entries.get_mut(&fingerprint) {
            Some(entry) => *entry = value,
            None => drop(self.insert(fingerprint, value)),
        }
    }

    /// Remembers a submission; the earlier entry stays, and is returned, if there is one.
    pub fn insert(&mut self, fingerprint: Fingerprint, value: T) -> Option<T> {
        if let Some(earlier) = self.entries.get(&fingerprint) {
            return Some(earlier.clone());
        }
        if self.order.len() == self.capacity
            && let Some(oldest) = self.order.pop_front()
        {
            self.entries.remove(&oldest);
        }
        self.order.push_back(fingerprint);
        self.entries.insert(fingerprint, value);
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_body_under_the_same_header_is_another_submission() {
        let block = BlockHash::from_wire([1; 32]);
        let mut recent = Recent::new(8);
        assert_eq!(recent.insert(Fingerprint::of(block, b"body"), "first"), None);
        assert_eq!(recent.insert(Fingerprint::of(block, b"body"), "again"), Some("first"));
        assert_eq!(recent.insert(Fingerprint::of(block, b"other body"), "other"), None);
        assert_eq!(recent.get(&Fingerprint::of(block, b"body")), Some("first"));
    }

    #[test]
    fn the_oldest_is_forgotten_when_there_are_too_many() {
        let mut recent = Recent::new(2);
        let print = |byte| Fingerprint::of(BlockHash::ZERO, &[byte]);
        (0..3).for_each(|byte| assert_eq!(recent.insert(print(byte), byte), None));
        assert_eq!(recent.get(&print(0)), None);
        assert_eq!(recent.get(&print(2)), Some(2));
    }
}
