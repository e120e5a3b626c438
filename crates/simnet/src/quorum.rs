//! Quorums: members of a network who make blocks final together.
//!
//! When enough members of a quorum have a block in their active chain, a *lock* comes into being: an object that says
//! that this block, and with it all below it, stays. Its form is a matter of the chain's
//! [profile](crate::profile::Locking); who gets to know of it, and what follows, of [`Node`](crate::Node).
//!
//! Members do not talk to one another here: what would be shares of a signature is counted as if by someone who sees
//! them all, and the lock appears at those who signed.

use std::{
    collections::{BTreeMap, HashMap},
    net::SocketAddr,
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use sha2::{Digest, Sha256};
use wire::BlockHash;

use crate::profile::Locking;

/// A quorum, as a network is set up with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quorum {
    /// Its members, by their place in the network's list of members (in a world: peers first, then nodes).
    pub members: Vec<usize>,
    /// Those who could be in it and are not, likewise: on Dash, the other masternodes.
    pub reserve: Vec<usize>,
    /// How many of a hundred members must have a block.
    pub threshold_percent: u32,
    /// How long it takes from there to the lock.
    pub delay: Duration,
}

impl Quorum {
    /// A quorum of these members, of whom 60 % must have a block (D llmq/params.h: 240 of 400 on mainnet), and who
    /// need 400 ms from there to a lock. How long the real ones need is not known.
    pub fn of(members: impl IntoIterator<Item = usize>) -> Self {
        Self {
            members: members.into_iter().collect(),
            reserve: Vec::new(),
            threshold_percent: 60,
            delay: Duration::from_millis(400),
        }
    }

    /// How many members must have a block. At least one.
    pub fn needed(&self) -> usize {
        let needed = (self.members.len() as u64 * u64::from(self.threshold_percent)).div_ceil(100);
        usize::try_from(needed).unwrap_or(usize::MAX).max(1)
    }
}

/// What every node of a network knows of its quorum.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Roster {
    key: [u8; 32],
    members: Vec<SocketAddr>,
    reserve: Vec<SocketAddr>,
}

impl Roster {
    /// The quorum of the network with this seed, whose members listen at these addresses, and those in
    /// [reserve](Quorum::reserve) at these.
    pub fn new(seed: u64, members: Vec<SocketAddr>, reserve: Vec<SocketAddr>) -> Self {
        Self { key: digest(&[b"quorum", &seed.to_le_bytes()]), members, reserve }
    }

    /// What its locks are made with, and recognised by.
    pub fn key(&self) -> &[u8; 32] {
        &self.key
    }

    /// Its name, in wire order.
    pub fn name(&self) -> [u8; 32] {
        digest(&[b"name", &self.key])
    }

    /// Where its members listen.
    pub fn members(&self) -> &[SocketAddr] {
        &self.members
    }

    /// Where those listen who could be members and are not.
    pub fn reserve(&self) -> &[SocketAddr] {
        &self.reserve
    }
}

fn digest(parts: &[&[u8]]) -> [u8; 32] {
    Sha256::digest(parts.concat()).into()
}

/// A lock that is about to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Decision {
    /// Where it appears.
    pub(crate) signers: Vec<usize>,
    /// The lock.
    pub(crate) object: Bytes,
    /// How long that takes.
    pub(crate) delay: Duration,
}

/// Who has signed what.
#[derive(Debug)]
pub(crate) struct Ballot {
    quorum: Quorum,
    roster: Arc<Roster>,
    locking: Locking,
    /// The last height at which a member signed. It signs the first block that it sees there, and no other.
    signed: HashMap<usize, u32>,
    /// Who signed a block that is not locked yet.
    votes: BTreeMap<(u32, BlockHash), Vec<usize>>,
    locked: u32,
}

impl Ballot {
    pub(crate) fn new(quorum: Quorum, roster: Arc<Roster>, locking: Locking) -> Self {
        Self { quorum, roster, locking, signed: HashMap::new(), votes: BTreeMap::new(), locked: 0 }
    }

    /// Someone has a block in his active chain. What comes of it, if that was the last signature that was needed.
    pub(crate) fn accepted(&mut self, member: usize, height: u32, block: BlockHash) -> Option<Decision> {
        let is_late = self.signed.get(&member).is_some_and(|last| *last >= height);
        if height <= self.locked || is_late || !self.quorum.members.contains(&member) {
            return None;
        }
        self.signed.insert(member, height);
        let votes = self.votes.entry((height, block)).or_default();
        votes.push(member);
        if votes.len() < self.quorum.needed() {
            return None;
        }
        let signers = std::mem::take(votes);
        self.locked = height;
        self.votes.retain(|(other, _), _| *other > height);
        let object = (self.locking.make)(self.roster.key(), height, &block);
        Some(Decision { signers, object, delay: self.quorum.delay })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile;

    fn ballot(members: std::ops::Range<usize>) -> Ballot {
        let locking = profile::dash::regtest().locking.unwrap();
        Ballot::new(Quorum::of(members), Arc::new(Roster::new(1, vec![], vec![])), locking)
    }

    fn signers(decision: Option<Decision>) -> Option<Vec<usize>> {
        decision.map(|decision| decision.signers)
    }

    const A: BlockHash = BlockHash::from_wire([1; 32]);
    const B: BlockHash = BlockHash::from_wire([2; 32]);

    #[test]
    fn sixty_of_a_hundred_are_needed_rounded_up_and_one_at_least() {
        for (members, needed) in [(0, 1), (1, 1), (2, 2), (3, 2), (5, 3), (10, 6), (400, 240)] {
            assert_eq!(Quorum::of(0..members).needed(), needed, "{members}");
        }
    }

    #[test]
    fn a_member_signs_the_first_block_that_it_sees_at_a_height_and_others_do_not_count() {
        let mut ballot = ballot(0..5);
        assert_eq!(ballot.accepted(0, 7, A), None);
        assert_eq!(ballot.accepted(9, 7, A), None, "no member");
        assert_eq!(ballot.accepted(1, 7, B), None);
        assert_eq!(ballot.accepted(1, 7, A), None, "signed another one");
        assert_eq!(ballot.accepted(0, 7, A), None, "signed this one");
        assert_eq!(ballot.accepted(2, 7, A), None);
        assert_eq!(signers(ballot.accepted(3, 7, A)), Some(vec![0, 2, 3]));
        assert_eq!(ballot.accepted(4, 7, A), None, "once is enough");
    }

    #[test]
    fn a_split_vote_is_decided_at_the_next_height() {
        let mut ballot = ballot(0..4);
        for (member, block) in [(0, A), (1, A), (2, B), (3, B)] {
            assert_eq!(ballot.accepted(member, 7, block), None);
        }
        let next = BlockHash::from_wire([3; 32]);
        assert_eq!(ballot.accepted(0, 8, next), None);
        assert_eq!(ballot.accepted(2, 8, next), None);
        assert_eq!(signers(ballot.accepted(1, 8, next)), Some(vec![0, 2, 1]));
        assert_eq!(ballot.accepted(3, 6, A), None, "below a lock nobody signs");
    }
}
