//! What is final, who says so, and what follows for our blocks.
//!
//! [`Locks`] keeps two things apart. What a node of ours **confirmed** is the chain's last word: the newest lock, from
//! which follows for each block whether it is final, dead, or neither yet ([`Standing`]). What peers **claim** is a hint
//! that it is time to ask our nodes, and is held against the confirmed lock once there is one: whoever claimed
//! something else made it up.
//!
//! A lock kills our block only while the node that told of it *follows* it, that is, has the locked block in its active
//! chain; and not while our nodes *contradict* each other. A lock can be old news (dashd goes on telling the last one
//! when ChainLocks are switched off, and no longer enforces it), and a node can be wrong: a good block must not be lost
//! to either.
//!
//! # Security
//! A claim changes nothing but what is thought of the peer that made it. A few claims are kept for each peer, so peers
//! cannot make this grow.

use std::collections::{HashMap, HashSet, VecDeque};

use chain::Lock;
use wire::BlockHash;

use crate::{PeerId, headers::HeaderView};

/// How many claims are kept for each peer. Those of an honest one are judged within seconds.
const CLAIMS: usize = 8;

/// How far above our tip a claim may be and still be worth a question: blocks come minutes apart.
const AHEAD: u32 = 5;

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
    /// From now on two nodes of ours contradict each other: each has locked a block that cannot be in the chain of the
    /// other's.
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
    /// What each node last told.
    told: HashMap<String, (BlockHash, u32)>,
    /// Whether nodes contradict each other.
    contested: bool,
    claims: HashMap<PeerId, VecDeque<Lock>>,
}

#[derive(Debug)]
struct Newest {
    lock: Lock,
    id: [u8; 32],
    node: String,
    /// Whether a node that told of it has the block in its active chain.
    followed: bool,
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

    /// A node of ours says that this is the newest lock, and whether it follows it: has the block in its active chain.
    pub fn confirm(&mut self, lock: Lock, node: &str, followed: bool, view: &HeaderView) -> Confirmed {
        self.told.insert(node.into(), (lock.block, lock.height));
        let told: Vec<_> = self.told.values().copied().collect();
        let clashes = |a: &(BlockHash, u32)| told.iter().any(|b| contradict(*a, *b, view));
        let before = std::mem::replace(&mut self.contested, told.iter().any(clashes));
        let newly_contested = self.contested && !before;
        match &mut self.newest {
            Some(newest) if newest.lock == lock => {
                // Whoever told of it first may leave it again; any other can only add its weight.
                if followed || newest.node == node {
                    newest.followed = followed;
                }
            }
            Some(newest) if lock.height <= newest.lock.height => {}
            _ => {
                let (forgers, holders) = self.judge_claims(&lock, view);
                let id = lock.id();
                self.newest = Some(Newest { lock, id, node: node.into(), followed, holders });
                let forgers = if self.contested { Vec::new() } else { forgers };
                return if newly_contested { Confirmed::Contradiction } else { Confirmed::Newer { forgers } };
            }
        }
        if newly_contested { Confirmed::Contradiction } else { Confirmed::Known }
    }

    /// Holds all claims against a lock that was just confirmed: who made something up, and who has the lock.
    fn judge_claims(&mut self, lock: &Lock, view: &HeaderView) -> (Vec<PeerId>, HashSet<PeerId>) {
        let (mut forgers, mut holders) = (Vec::new(), HashSet::new());
        self.claims.retain(|peer, claims| {
            claims.retain(|claim| match judge(claim, lock, view) {
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
            !claims.is_empty()
        });
        (forgers, holders)
    }

    /// A peer has sent a lock.
    pub fn claim(&mut self, peer: PeerId, lock: Lock, view: &HeaderView) -> Claimed {
        if view.tip_height().is_some_and(|tip| lock.height > tip.saturating_add(AHEAD)) {
            // From far beyond, or made up: our nodes will know in time.
            return Claimed::Stale;
        }
        let claimed = match &self.newest {
            None => Claimed::Hint,
            Some(newest) => judge(&lock, &newest.lock, view),
        };
        match claimed {
            Claimed::Confirmed => {
                if let Some(newest) = &mut self.newest {
                    newest.holders.insert(peer);
                }
            }
            Claimed::Hint => {
                let claims = self.claims.entry(peer).or_default();
                if claims.contains(&lock) {
                    return Claimed::Hint;
                }
                if claims.len() == CLAIMS {
                    claims.pop_front();
                }
                claims.push_back(lock);
            }
            // Whose word is to be believed is not known.
            Claimed::Forged if self.contested => return Claimed::Stale,
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

    /// How a block stands to the newest confirmed lock. The view need not know the block itself, if it knows its parent;
    /// `height` is what the block says of itself, which counts only where the view cannot tell.
    pub fn standing(
        &self,
        block: BlockHash,
        parent: BlockHash,
        height: Option<u32>,
        view: &HeaderView,
    ) -> Standing {
        let Some(Newest { lock, followed, .. }) = &self.newest else { return Standing::Open };
        if lock.block == block || view.descends(lock.block, block) {
            return Standing::Final;
        }
        if !followed || self.contested {
            return Standing::Open;
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

/// Whether two locked blocks cannot both be in one chain, as far as the view can tell.
fn contradict(a: (BlockHash, u32), b: (BlockHash, u32), view: &HeaderView) -> bool {
    let ((high, top), (low, height)) = if a.1 >= b.1 { (a, b) } else { (b, a) };
    let there = if top == height { Some(high) } else { view.ancestor(high, height) };
    there.is_some_and(|there| there != low)
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
        assert_eq!(
            locks.confirm(lock(hashes[5], 105), "a", true, &view),
            Confirmed::Newer { forgers: vec![] }
        );
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
        locks.confirm(lock(unknown, 111), "a", true, &view);
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
    fn an_older_lock_changes_nothing() {
        let (view, hashes, _) = fork();
        let mut locks = Locks::new();
        locks.confirm(lock(hashes[5], 105), "a", true, &view);
        assert_eq!(locks.confirm(lock(hashes[4], 104), "b", true, &view), Confirmed::Known);
        assert_eq!(locks.confirm(lock(hashes[5], 105), "b", true, &view), Confirmed::Known);
        assert_eq!(locks.newest(), Some((&lock(hashes[5], 105), "a")));
    }

    #[test]
    fn while_nodes_contradict_each_other_no_block_is_dead_and_nobody_a_forger() {
        let (view, hashes, [rival, child]) = fork();
        // Whether both lock blocks of one height, or one of them a later block, and whoever speaks first.
        for (first, second) in [
            (lock(hashes[5], 105), lock(rival, 105)),
            (lock(hashes[5], 105), lock(child, 106)),
            (lock(child, 106), lock(hashes[5], 105)),
        ] {
            let mut locks = Locks::new();
            locks.confirm(first, "a", true, &view);
            assert_eq!(locks.confirm(second.clone(), "b", true, &view), Confirmed::Contradiction);
            assert_eq!(locks.confirm(second, "b", true, &view), Confirmed::Known, "it is said once");
            for (block, parent) in [(rival, hashes[4]), (hashes[5], hashes[4])] {
                let standing = locks.standing(block, parent, None, &view);
                assert!(!matches!(standing, Standing::Dead { .. }), "{standing:?}");
            }
            assert_eq!(locks.claim(PEER, lock(hashes[8], 103), &view), Claimed::Stale);
            // Both come round.
            locks.confirm(lock(hashes[6], 106), "b", true, &view);
            locks.confirm(lock(hashes[7], 107), "a", true, &view);
            assert_eq!(locks.standing(rival, hashes[4], None, &view), Standing::Dead { by: hashes[5] });
        }
    }

    #[test]
    fn a_lock_that_its_node_does_not_follow_kills_nothing_and_makes_final_all_the_same() {
        let (view, hashes, [rival, _]) = fork();
        let mut locks = Locks::new();
        locks.confirm(lock(hashes[5], 105), "a", false, &view);
        assert_eq!(locks.standing(rival, hashes[4], None, &view), Standing::Open);
        assert_eq!(locks.standing(hashes[5], hashes[4], None, &view), Standing::Final);
        for (followed, expected) in [
            (true, Standing::Dead { by: hashes[5] }),
            (false, Standing::Open),
            (true, Standing::Dead { by: hashes[5] }),
        ] {
            let confirmed = locks.confirm(lock(hashes[5], 105), "a", followed, &view);
            assert_eq!(confirmed, Confirmed::Known);
            assert_eq!(locks.standing(rival, hashes[4], None, &view), expected);
        }
        // Another node that lags behind says nothing about the first.
        locks.confirm(lock(hashes[5], 105), "b", false, &view);
        assert_eq!(locks.standing(rival, hashes[4], None, &view), Standing::Dead { by: hashes[5] });
    }

    #[test]
    fn a_forged_claim_changes_nothing_and_names_its_forger_once_a_node_has_spoken() {
        let (view, hashes, [rival, _]) = fork();
        let mut locks = Locks::new();
        assert_eq!(locks.claim(PEER, lock(rival, 105), &view), Claimed::Hint);
        assert_eq!(locks.claim(OTHER, lock(hashes[5], 105), &view), Claimed::Hint);
        assert_eq!(locks.newest(), None);
        assert_eq!(locks.standing(rival, hashes[4], None, &view), Standing::Open);
        assert_eq!(
            locks.confirm(lock(hashes[5], 105), "a", true, &view),
            Confirmed::Newer { forgers: vec![PEER] }
        );
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
        assert!(locks.object(&forged.id()).is_none());
        assert!(!locks.note_holder(OTHER, &genuine.id()));
        locks.confirm(genuine.clone(), "a", true, &view);
        assert_eq!(locks.object(&genuine.id()), Some(&genuine));
        assert!(locks.note_holder(OTHER, &genuine.id()) && locks.is_holder(OTHER));
        locks.forget(OTHER);
        assert!(!locks.is_holder(OTHER));
    }

    #[test]
    fn a_peers_claims_are_few_and_one_from_far_beyond_is_not_worth_a_question() {
        let (view, ..) = fork();
        let mut locks = Locks::new();
        for signature in 0..100 {
            locks.claim(PEER, signed(BlockHash::from_wire([9; 32]), 111, signature), &view);
        }
        assert_eq!(locks.claims[&PEER].len(), CLAIMS);
        assert_eq!(locks.claim(OTHER, lock(BlockHash::from_wire([9; 32]), 115), &view), Claimed::Hint);
        assert_eq!(locks.claim(OTHER, lock(BlockHash::from_wire([9; 32]), 116), &view), Claimed::Stale);
    }

    #[test]
    fn who_forged_something_cannot_hide_it_behind_a_later_claim() {
        let (view, hashes, [rival, child]) = fork();
        let mut locks = Locks::new();
        locks.claim(PEER, lock(rival, 105), &view);
        locks.claim(PEER, lock(child, 106), &view);
        for height in [105, 106] {
            let confirmed = locks.confirm(lock(hashes[height - 100], height as u32), "a", true, &view);
            assert_eq!(confirmed, Confirmed::Newer { forgers: vec![PEER] });
        }
    }
}
