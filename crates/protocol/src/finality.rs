//! What is final, who says so, and what follows for our blocks.
//!
//! [`Locks`] keeps two things apart. What a node of ours **confirmed** is the chain's last word: the newest lock, from
//! which follows for each block whether it is final, dead, or neither yet ([`Standing`]). What peers **claim** is a hint
//! that it is time to ask our nodes, and is held against the confirmed lock once there is one: whoever claimed
//! something else made it up.
//!
//! # Security
//! A claim changes nothing but what is thought of the peer that made it. One claim is kept for each peer, so peers
//! cannot make this grow.

use std::collections::{HashMap, HashSet};

use chain::Lock;
use wire::BlockHash;

use crate::{PeerId, headers::HeaderView};

/// How a block stands to the newest lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It is locked, or an ancestor of the locked block.
    Final,
    /// It can never be in the chain: this block is, in its place or below it.
    Dead {
        /// The block that is final instead of it, or instead of its ancestor.
        by: BlockHash,
    },
    /// Neither, as far as the known headers tell.
    Open,
}

/// What came of a node's answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Confirmed {
    /// It is newer than what was known. These peers had claimed something that is now known to be made up.
    Newer {
        /// Whose claims turned out to be false.
        forgers: Vec<PeerId>,
    },
    /// It is what was known, or older.
    Known,
    /// It locks another block at the height of the lock that is known: two nodes of ours contradict each other. What
    /// was known stays.
    Contradiction,
}

/// What came of a peer's claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Claimed {
    /// It is the confirmed lock.
    Confirmed,
    /// It says something new: our nodes should be asked.
    Hint,
    /// It is older than the confirmed lock and may well have been genuine.
    Stale,
    /// It contradicts the confirmed lock.
    Forged,
}

/// The newest confirmed lock, and what peers claim.
#[derive(Debug, Default)]
pub struct Locks {
    newest: Option<Newest>,
    claims: HashMap<PeerId, Lock>,
}

#[derive(Debug)]
struct Newest {
    lock: Lock,
    id: [u8; 32],
    node: String,
    /// The peers that have it: they announced it, sent it, or were told of it.
    holders: HashSet<PeerId>,
}

impl Locks {
    /// Nothing is confirmed, nothing claimed.
    pub fn new() -> Self {
        Self::default()
    }

    /// The newest lock that a node of ours confirmed, and which node did so first.
    pub fn newest(&self) -> Option<(&Lock, &str)> {
        self.newest.as_ref().map(|newest| (&newest.lock, newest.node.as_str()))
    }

    /// The bytes of the newest confirmed lock, if this is its name: nothing else may be passed on.
    pub fn object(&self, id: &[u8; 32]) -> Option<&Lock> {
        self.newest.as_ref().filter(|newest| newest.id == *id).map(|newest| &newest.lock)
    }

    /// A node of ours says that this is the newest lock.
    pub fn confirm(&mut self, lock: Lock, node: &str, view: &HeaderView) -> Confirmed {
        if let Some(Newest { lock: known, .. }) = &self.newest
            && lock.height <= known.height
        {
            let contradicts = lock.height == known.height && lock.block != known.block;
            return if contradicts { Confirmed::Contradiction } else { Confirmed::Known };
        }
        let (id, mut forgers, mut holders) = (lock.id(), Vec::new(), HashSet::new());
        self.claims.retain(|peer, claim| match judge(claim, &lock, view) {
            Claimed::Hint => true,
            Claimed::Stale => false,
            Claimed::Confirmed => {
                holders.insert(*peer);
                false
            }
            Claimed::Forged => {
                forgers.push(*peer);
                false
            }
        });
        self.newest = Some(Newest { lock, id, node: node.into(), holders });
        Confirmed::Newer { forgers }
    }

    /// A peer has sent a lock.
    pub fn claim(&mut self, peer: PeerId, lock: Lock, view: &HeaderView) -> Claimed {
        let Some(newest) = &mut self.newest else {
            self.claims.insert(peer, lock);
            return Claimed::Hint;
        };
        let claimed = judge(&lock, &newest.lock, view);
        match claimed {
            Claimed::Confirmed => drop(newest.holders.insert(peer)),
            Claimed::Hint => drop(self.claims.insert(peer, lock)),
            Claimed::Stale | Claimed::Forged => {}
        }
        claimed
    }

    /// A peer has announced a lock, or was told of one, by its name. Whether it is the newest confirmed one.
    pub fn note_holder(&mut self, peer: PeerId, id: &[u8; 32]) -> bool {
        let newest = self.newest.as_mut().filter(|newest| newest.id == *id);
        newest.map(|newest| newest.holders.insert(peer)).is_some()
    }

    /// Whether a peer is known to have the newest confirmed lock.
    pub fn is_holder(&self, peer: PeerId) -> bool {
        self.newest.as_ref().is_some_and(|newest| newest.holders.contains(&peer))
    }

    /// A connection has ended.
    pub fn forget(&mut self, peer: PeerId) {
        self.claims.remove(&peer);
        if let Some(newest) = &mut self.newest {
            newest.holders.remove(&peer);
        }
    }

    /// Whether a peer, at least, has said that a block is locked.
    pub fn is_claimed(&self, block: BlockHash) -> bool {
        self.claims.values().any(|claim| claim.block == block)
    }

    /// How a block stands to the newest confirmed lock. The view need not know the block itself, if it knows its parent;
    /// `height` is what the block says of itself, which counts only where the view cannot tell.
    pub fn standing(
        &self,
        block: BlockHash,
        parent: BlockHash,
        height: Option<u32>,
        view: &HeaderView,
    ) -> Standing {
        let Some(Newest { lock, .. }) = &self.newest else { return Standing::Open };
        if lock.block == block || view.descends(lock.block, block) {
            return Standing::Final;
        }
        let known = view.height(&block).or_else(|| Some(view.height(&parent)?.saturating_add(1)));
        let Some(height) = known.or(height) else { return Standing::Open };
        // Who stands where the two chains could meet: on the locked chain at the block's height, or on the block's
        // chain at the lock's height.
        let (ours, locked) = if height <= lock.height {
            (Some(block), view.ancestor(lock.block, height))
        } else {
            (view.ancestor(parent, lock.height), Some(lock.block))
        };
        // A lock's block that the view does not know yet stands where the lock says.
        let locked = locked.or((height == lock.height).then_some(lock.block));
        match (ours, locked) {
            (Some(ours), Some(locked)) if ours != locked => Standing::Dead { by: locked },
            _ => Standing::Open,
        }
    }
}

/// What a claim is worth in the light of a confirmed lock.
fn judge(claim: &Lock, confirmed: &Lock, view: &HeaderView) -> Claimed {
    match claim.height {
        height if height > confirmed.height => Claimed::Hint,
        // A block has one lock only: other bytes for the same block are as false as another block.
        height if height == confirmed.height => {
            if claim.object == confirmed.object {
                Claimed::Confirmed
            } else {
                Claimed::Forged
            }
        }
        height => match view.ancestor(confirmed.block, height) {
            Some(block) if block != claim.block => Claimed::Forged,
            _ => Claimed::Stale,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::headers::tests::{header, one, view};

    fn lock(block: BlockHash, height: u32) -> Lock {
        signed(block, height, 1)
    }

    fn signed(block: BlockHash, height: u32, signature: u8) -> Lock {
        let object = [&height.to_le_bytes()[..], block.as_wire(), &[signature]].concat();
        Lock { block, height, object: object.into() }
    }

    const PEER: PeerId = PeerId(7);
    const OTHER: PeerId = PeerId(8);

    /// A chain from 100 to 110, and a rival of its block at 105 with a child.
    fn fork() -> (HeaderView, Vec<BlockHash>, [BlockHash; 2]) {
        let (mut view, hashes) = view(100, 10);
        let (rival, rival_header) = header(hashes[4], 990);
        let (child, child_header) = header(rival, 991);
        view.insert(rival, rival_header, one());
        view.insert(child, child_header, one());
        (view, hashes, [rival, child])
    }

    #[test]
    fn a_locked_block_and_its_ancestors_are_final_and_their_rivals_and_what_is_built_on_them_dead() {
        let (view, hashes, [rival, child]) = fork();
        let mut locks = Locks::new();
        let standing = |locks: &Locks, block, parent| locks.standing(block, parent, None, &view);
        assert_eq!(standing(&locks, hashes[5], hashes[4]), Standing::Open);
        assert_eq!(locks.confirm(lock(hashes[5], 105), "a", &view), Confirmed::Newer { forgers: vec![] });
        assert_eq!(standing(&locks, hashes[5], hashes[4]), Standing::Final);
        assert_eq!(standing(&locks, hashes[4], hashes[3]), Standing::Final);
        assert_eq!(standing(&locks, hashes[6], hashes[5]), Standing::Open);
        for (block, parent) in [(rival, hashes[4]), (child, rival)] {
            assert_eq!(standing(&locks, block, parent), Standing::Dead { by: hashes[5] });
        }
        // A block that the view does not know, on a parent that it knows.
        let new = BlockHash::from_wire([0x77; 32]);
        assert_eq!(standing(&locks, new, hashes[10]), Standing::Open);
        assert_eq!(standing(&locks, new, child), Standing::Dead { by: hashes[5] });
        assert_eq!(standing(&locks, new, hashes[2]), Standing::Dead { by: hashes[3] });
        assert_eq!(standing(&locks, new, BlockHash::from_wire([0x78; 32])), Standing::Open);
    }

    #[test]
    fn a_rival_is_dead_even_if_the_locked_block_itself_is_not_known_yet() {
        let (view, hashes) = view(100, 10);
        let mut locks = Locks::new();
        let unknown = BlockHash::from_wire([0x55; 32]);
        locks.confirm(lock(unknown, 111), "a", &view);
        let ours = BlockHash::from_wire([0x44; 32]);
        assert_eq!(locks.standing(ours, hashes[10], None, &view), Standing::Dead { by: unknown });
        assert_eq!(locks.standing(unknown, hashes[10], None, &view), Standing::Final);
        // Below the lock nothing can be told until its block is known.
        assert_eq!(locks.standing(hashes[10], hashes[9], None, &view), Standing::Open);
        let stranger = BlockHash::from_wire([0x45; 32]);
        assert_eq!(locks.standing(ours, stranger, Some(111), &view), Standing::Dead { by: unknown });
        assert_eq!(locks.standing(ours, stranger, Some(112), &view), Standing::Open);
    }

    #[test]
    fn an_older_lock_changes_nothing_and_another_one_for_the_same_height_is_a_contradiction() {
        let (view, hashes, [rival, _]) = fork();
        let mut locks = Locks::new();
        locks.confirm(lock(hashes[5], 105), "a", &view);
        assert_eq!(locks.confirm(lock(hashes[4], 104), "b", &view), Confirmed::Known);
        assert_eq!(locks.confirm(lock(hashes[5], 105), "b", &view), Confirmed::Known);
        assert_eq!(locks.confirm(lock(rival, 105), "b", &view), Confirmed::Contradiction);
        assert_eq!(locks.newest(), Some((&lock(hashes[5], 105), "a")));
    }

    #[test]
    fn a_forged_claim_changes_nothing_and_names_its_forger_once_a_node_has_spoken() {
        let (view, hashes, [rival, _]) = fork();
        let mut locks = Locks::new();
        assert_eq!(locks.claim(PEER, lock(rival, 105), &view), Claimed::Hint);
        assert_eq!(locks.claim(OTHER, lock(hashes[5], 105), &view), Claimed::Hint);
        assert_eq!(locks.newest(), None);
        assert_eq!(locks.standing(rival, hashes[4], None, &view), Standing::Open);
        assert_eq!(locks.confirm(lock(hashes[5], 105), "a", &view), Confirmed::Newer { forgers: vec![PEER] });
        assert!(locks.is_holder(OTHER) && !locks.is_holder(PEER));
        // From now on a claim is judged at once.
        assert_eq!(locks.claim(PEER, lock(rival, 105), &view), Claimed::Forged);
        assert_eq!(locks.claim(PEER, signed(hashes[5], 105, 2), &view), Claimed::Forged, "another signature");
        assert_eq!(locks.claim(PEER, lock(rival, 103), &view), Claimed::Forged);
        assert_eq!(locks.claim(PEER, lock(hashes[3], 103), &view), Claimed::Stale);
        assert_eq!(locks.claim(PEER, lock(rival, 106), &view), Claimed::Hint);
        assert_eq!(locks.claim(PEER, lock(hashes[5], 105), &view), Claimed::Confirmed);
    }

    #[test]
    fn only_the_confirmed_lock_can_be_passed_on_and_a_peer_that_announced_it_has_it() {
        let (view, hashes, [rival, _]) = fork();
        let mut locks = Locks::new();
        let (genuine, forged) = (lock(hashes[5], 105), lock(rival, 105));
        locks.claim(PEER, forged.clone(), &view);
        assert!(locks.object(&forged.id()).is_none() && locks.is_claimed(rival));
        assert!(!locks.note_holder(OTHER, &genuine.id()));
        locks.confirm(genuine.clone(), "a", &view);
        assert_eq!(locks.object(&genuine.id()), Some(&genuine));
        assert!(locks.note_holder(OTHER, &genuine.id()) && locks.is_holder(OTHER));
        locks.forget(OTHER);
        assert!(!locks.is_holder(OTHER));
    }

    #[test]
    fn one_claim_is_kept_for_each_peer() {
        let (view, ..) = fork();
        let mut locks = Locks::new();
        for height in 0..1000 {
            locks.claim(PEER, lock(BlockHash::from_wire([9; 32]), height), &view);
        }
        assert_eq!(locks.claims.len(), 1);
    }
}
