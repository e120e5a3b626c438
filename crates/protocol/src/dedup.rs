//! Recognising a block that was seen before.
//!
//! A block's name is not enough: the same header can come with another body (a missing witness, trailing bytes, a
//! forged transaction), and each body deserves its own verdict. So a submission is known by name *and* digest of the
//! bytes, and once it has been inspected also by the digest of its canonical form: a pool that sends the block bare
//! and another that sends it with its witness share one delivery.
//!
//! A block is in a hurry when it is new, and then its name alone says so. Digests are compared only for a name that was
//! seen before, and [worked out](Digest) when first asked for.

use std::{
    collections::{HashMap, VecDeque},
    fmt,
    sync::{Arc, LazyLock},
};

use bytes::Bytes;
use wire::{BlockHash, sha256d};

/// The SHA-256d of some bytes, worked out by whoever first asks for it, once; the bytes are let go of then.
///
/// A megabyte takes half a millisecond, in which a block can be on its way to several nodes.
pub struct Digest(LazyLock<[u8; 32], Box<dyn FnOnce() -> [u8; 32] + Send>>);

impl Digest {
    /// Of these bytes.
    pub fn of(bytes: Bytes) -> Self {
        Self(LazyLock::new(Box::new(move || sha256d(&bytes))))
    }

    /// The digest. Whoever asks while another works it out waits for that.
    pub fn get(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What is being done about the blocks of late, by name and bytes; of bounded size: the oldest go first.
#[derive(Debug)]
pub struct Recent<T> {
    blocks: HashMap<BlockHash, Vec<Form<T>>>,
    order: VecDeque<BlockHash>,
    capacity: usize,
}

/// A block in certain bytes, of which there are seldom more than two: bare and with witness.
#[derive(Debug)]
struct Form<T> {
    digest: Arc<Digest>,
    value: T,
}

impl<T: Clone> Recent<T> {
    /// An empty map for `capacity` forms of blocks.
    pub fn new(capacity: usize) -> Self {
        Self { blocks: HashMap::new(), order: VecDeque::new(), capacity: capacity.max(1) }
    }

    /// What is being done about this submission, if it was seen.
    pub fn get(&self, block: &BlockHash, digest: &Digest) -> Option<T> {
        let forms = self.blocks.get(block)?;
        forms.iter().find(|form| form.digest.get() == digest.get()).map(|form| form.value.clone())
    }

    /// Puts another value in the place of an earlier one, or remembers it if there is none.
    pub fn replace(&mut self, block: BlockHash, digest: &Arc<Digest>, value: T) {
        let forms = self.blocks.get_mut(&block);
        match forms.into_iter().flatten().find(|form| form.digest.get() == digest.get()) {
            Some(form) => form.value = value,
            None => self.add(block, digest, value),
        }
    }

    /// Remembers a submission; the earlier entry stays, and is returned, if there is one.
    pub fn insert(&mut self, block: BlockHash, digest: &Arc<Digest>, value: T) -> Option<T> {
        let earlier = self.get(&block, digest);
        if earlier.is_none() {
            self.add(block, digest, value);
        }
        earlier
    }

    fn add(&mut self, block: BlockHash, digest: &Arc<Digest>, value: T) {
        if self.order.len() == self.capacity {
            self.forget_oldest();
        }
        self.order.push_back(block);
        self.blocks.entry(block).or_default().push(Form { digest: digest.clone(), value });
    }

    fn forget_oldest(&mut self) {
        let Some(oldest) = self.order.pop_front() else { return };
        let Some(forms) = self.blocks.get_mut(&oldest) else { return };
        forms.remove(0);
        if forms.is_empty() {
            self.blocks.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest(bytes: &'static [u8]) -> Arc<Digest> {
        Arc::new(Digest::of(Bytes::from_static(bytes)))
    }

    /// A digest that must not be asked for.
    fn unasked() -> Arc<Digest> {
        Arc::new(Digest(LazyLock::new(Box::new(|| panic!("nobody needs it")))))
    }

    #[test]
    fn another_body_under_the_same_header_is_another_submission() {
        let block = BlockHash::from_wire([1; 32]);
        let mut recent = Recent::new(8);
        assert_eq!(recent.insert(block, &digest(b"body"), "first"), None);
        assert_eq!(recent.insert(block, &digest(b"body"), "again"), Some("first"));
        assert_eq!(recent.insert(block, &digest(b"other body"), "other"), None);
        assert_eq!(recent.get(&block, &digest(b"body")), Some("first"));
        recent.replace(block, &digest(b"body"), "instead");
        recent.replace(block, &digest(b"third body"), "third");
        let known =
            [&b"body"[..], b"other body", b"third body"].map(|body| recent.get(&block, &digest(body)));
        assert_eq!(known, [Some("instead"), Some("other"), Some("third")]);
    }

    #[test]
    fn a_name_that_is_new_says_all() {
        let mut recent = Recent::new(8);
        for name in 1..=3 {
            assert_eq!(recent.insert(BlockHash::from_wire([name; 32]), &unasked(), name), None);
        }
    }

    #[test]
    fn the_oldest_is_forgotten_when_there_are_too_many() {
        let mut recent = Recent::new(2);
        let [one, other] = [1, 2].map(|name| BlockHash::from_wire([name; 32]));
        assert_eq!(recent.insert(one, &digest(b"a"), 'a'), None);
        assert_eq!(recent.insert(one, &digest(b"b"), 'b'), None);
        assert_eq!(recent.insert(other, &digest(b"c"), 'c'), None);
        assert_eq!(recent.get(&one, &digest(b"a")), None);
        assert_eq!(recent.get(&one, &digest(b"b")), Some('b'));
        assert_eq!(recent.insert(other, &digest(b"d"), 'd'), None);
        assert!(!recent.blocks.contains_key(&one));
    }
}
