//! How early a peer is: who announced a new block, and how long after the first.
//!
//! The peers that bring blocks first are the ones to keep: what comes to us early by them goes out early by them
//! (propagation.md, Perigee and Peri). [`Announcements`] keeps, for the last blocks, when the first peer announced each
//! and who did since, and tells of each peer once per block how much later it was.
//!
//! Only what says something about the peer is counted. Whoever was told of the block by us has nothing to announce, and
//! whoever was not connected yet when the block came is not late.
//!
//! # Security
//! A hash is only a hash until somebody has seen its header: a block counts once it is [confirmed](Announcements::confirm).
//! What a peer announces before that waits among a few claims of its own, so that it can displace nobody else's, and no
//! block that is real.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    time::{Duration, Instant},
};

use wire::BlockHash;

use crate::PeerId;

/// How many blocks are remembered.
const REMEMBERED: usize = 64;

/// How many announcements of a peer wait for their blocks to be confirmed. Blocks come minutes apart, and are confirmed
/// within a second or never.
const CLAIMS: usize = 8;

/// How long after we had heard of a block somebody may still be the first to announce it, of those that we had not told.
const LATE: Duration = Duration::from_secs(1);

/// How a peer stands among those that announced a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Announcement {
    /// How long after the first; zero for the first. One that is the first of those that count, and comes more than a
    /// second after we had heard of the block, is as far behind as that.
    pub lag: Duration,
    /// Its place among those that count: 1 for the first.
    pub position: u32,
}

/// One new block, and who announced it.
#[derive(Debug)]
struct Race {
    block: BlockHash,
    /// When we heard of it, from whomever: whoever was connected then could have been first.
    known: Instant,
    /// When the first peer that counts announced it.
    first: Option<Instant>,
    /// How many that count have.
    counted: u32,
    /// Everybody who announced it, in order, whether they count or not.
    announcers: Vec<PeerId>,
    /// Who heard of it from us.
    told: HashSet<PeerId>,
}

impl Race {
    fn announced(&mut self, peer: PeerId, member: &Member, at: Instant) -> Option<Announcement> {
        if self.announcers.contains(&peer) {
            return None;
        }
        self.announcers.push(peer);
        if self.told.contains(&peer) || member.joined > self.known {
            return None;
        }
        // Who comes so late was not first: others were told before they could be.
        let late = at.saturating_duration_since(self.known) > LATE;
        let first = *self.first.get_or_insert(if late { self.known } else { at });
        self.counted = self.counted.saturating_add(1);
        Some(Announcement { lag: at.saturating_duration_since(first), position: self.counted })
    }
}

/// A connected peer.
#[derive(Debug)]
struct Member {
    joined: Instant,
    /// What it announced that is not confirmed, and when.
    claims: VecDeque<(BlockHash, Instant)>,
}

/// Who announced the last blocks, and when. Its size is bounded by the number of connected peers.
#[derive(Debug, Default)]
pub struct Announcements {
    members: HashMap<PeerId, Member>,
    races: VecDeque<Race>,
}

impl Announcements {
    /// Nobody is connected, nothing known.
    pub fn new() -> Self {
        Self::default()
    }

    /// A connection is ready. What it announces before this counts for nothing.
    pub fn joined(&mut self, peer: PeerId, now: Instant) {
        self.members.insert(peer, Member { joined: now, claims: VecDeque::new() });
    }

    /// A connection has ended.
    pub fn forget(&mut self, peer: PeerId) {
        self.members.remove(&peer);
        for race in &mut self.races {
            race.announcers.retain(|announcer| *announcer != peer);
            race.told.remove(&peer);
        }
    }

    /// A peer says, by a message that proves it, that it has a block. How early that is, once per peer and block; `None`
    /// too while the block is not confirmed, when it was told of it by us, and when it came later than the block.
    pub fn announced(&mut self, block: BlockHash, peer: PeerId, now: Instant) -> Option<Announcement> {
        let member = self.members.get_mut(&peer)?;
        if let Some(race) = self.races.iter_mut().find(|race| race.block == block) {
            return race.announced(peer, member, now);
        }
        if !member.claims.iter().any(|(claimed, _)| *claimed == block) {
            if member.claims.len() == CLAIMS {
                member.claims.pop_front();
            }
            member.claims.push_back((block, now));
        }
        None
    }

    /// A block is real and new: its header is known, carries its work and extends the recent chain. Tells how early those
    /// peers were that have announced it by now.
    pub fn confirm(&mut self, block: BlockHash, now: Instant) -> Vec<(PeerId, Announcement)> {
        if self.races.iter().any(|race| race.block == block) {
            return Vec::new();
        }
        let mut claims = Vec::new();
        for (peer, member) in &mut self.members {
            let found = member.claims.iter().position(|(claimed, _)| *claimed == block);
            let claim = found.and_then(|at| member.claims.remove(at));
            claims.extend(claim.map(|(_, at)| (at, *peer)));
        }
        claims.sort_unstable();
        let known = claims.first().map_or(now, |(at, _)| now.min(*at));
        let (announcers, told) = (Vec::new(), HashSet::new());
        let mut race = Race { block, known, first: None, counted: 0, announcers, told };
        let count = |(at, peer)| Some((peer, race.announced(peer, self.members.get(&peer)?, at)?));
        let counted = claims.into_iter().filter_map(count).collect();
        if self.races.len() == REMEMBERED {
            self.races.pop_front();
        }
        self.races.push_back(race);
        counted
    }

    /// A peer hears of a block from us, now.
    pub fn told(&mut self, block: BlockHash, peer: PeerId) {
        let race = self.races.iter_mut().find(|race| race.block == block);
        if let Some(race) = race.filter(|_| self.members.contains_key(&peer)) {
            race.told.insert(peer);
        }
    }

    /// The connected peers that announced a confirmed block, in the order in which they did.
    pub fn announcers(&self, block: &BlockHash) -> &[PeerId] {
        self.races.iter().find(|race| race.block == *block).map_or(&[], |race| &race.announcers)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MS: Duration = Duration::from_millis(1);
    const PEERS: [PeerId; 3] = [PeerId(1), PeerId(2), PeerId(3)];

    fn block(number: u32) -> BlockHash {
        let mut hash = [0; 32];
        hash[..4].copy_from_slice(&number.to_le_bytes());
        BlockHash::from_wire(hash)
    }

    fn all_joined() -> (Announcements, Instant) {
        let (mut announcements, now) = (Announcements::new(), Instant::now());
        PEERS.iter().for_each(|peer| announcements.joined(*peer, now));
        (announcements, now)
    }

    fn place(lag: Duration, position: u32) -> Option<Announcement> {
        Some(Announcement { lag, position })
    }

    #[test]
    fn who_comes_long_after_all_others_were_told_was_not_first() {
        let (mut announcements, now) = all_joined();
        announcements.confirm(block(1), now);
        PEERS[..2].iter().for_each(|peer| announcements.told(block(1), *peer));
        let at = now + 60_000 * MS;
        assert_eq!(announcements.announced(block(1), PEERS[2], at), place(60_000 * MS, 1));
        announcements.confirm(block(2), now);
        assert_eq!(announcements.announced(block(2), PEERS[2], now + 900 * MS), place(Duration::ZERO, 1));
    }

    #[test]
    fn each_peer_is_told_once_how_much_later_than_the_first_it_was() {
        let (mut announcements, now) = all_joined();
        assert_eq!(announcements.confirm(block(1), now), []);
        let [a, b, c] = PEERS;
        assert_eq!(announcements.announced(block(1), b, now + 5 * MS), place(Duration::ZERO, 1));
        assert_eq!(announcements.announced(block(1), a, now + 8 * MS), place(3 * MS, 2));
        assert_eq!(announcements.announced(block(1), b, now + 9 * MS), None);
        assert_eq!(announcements.announced(block(1), c, now + 9 * MS), place(4 * MS, 3));
        assert_eq!(announcements.announcers(&block(1)), [b, a, c]);
        announcements.forget(a);
        assert_eq!(announcements.announcers(&block(1)), [b, c]);
    }

    #[test]
    fn what_came_before_the_header_was_known_counts_from_when_it_came() {
        let (mut announcements, now) = all_joined();
        let [a, b, c] = PEERS;
        assert_eq!(announcements.announced(block(1), b, now + MS), None);
        assert_eq!(announcements.announced(block(1), a, now + 3 * MS), None);
        assert_eq!(announcements.announced(block(1), b, now + 4 * MS), None, "the first time counts");
        let zero = Announcement { lag: Duration::ZERO, position: 1 };
        let second = Announcement { lag: 2 * MS, position: 2 };
        assert_eq!(announcements.confirm(block(1), now + 6 * MS), [(b, zero), (a, second)]);
        assert_eq!(announcements.confirm(block(1), now + 7 * MS), [], "once");
        assert_eq!(announcements.announced(block(1), c, now + 8 * MS), place(7 * MS, 3));
    }

    #[test]
    fn whoever_heard_of_it_from_us_or_was_not_there_yet_is_not_late() {
        let (mut announcements, now) = all_joined();
        let [a, b, c] = PEERS;
        announcements.confirm(block(1), now + MS);
        announcements.told(block(1), a);
        announcements.joined(c, now + 2 * MS);
        assert_eq!(announcements.announced(block(1), a, now + 3 * MS), None);
        assert_eq!(announcements.announced(block(1), c, now + 3 * MS), None);
        assert_eq!(announcements.announced(block(1), b, now + 4 * MS), place(Duration::ZERO, 1));
        assert_eq!(announcements.announcers(&block(1)), [a, c, b], "that they have it is true all the same");
        assert_eq!(announcements.announced(block(1), PeerId(9), now + 4 * MS), None, "nobody knows it");
    }

    #[test]
    fn invented_hashes_displace_nothing_but_their_inventors_own_claims() {
        let (mut announcements, now) = all_joined();
        let [liar, honest, _] = PEERS;
        announcements.confirm(block(0), now);
        announcements.announced(block(1), liar, now);
        announcements.announced(block(1), honest, now + MS);
        for number in 100..10_000 {
            announcements.announced(block(number), liar, now + 2 * MS);
        }
        assert_eq!(announcements.members[&liar].claims.len(), CLAIMS);
        assert_eq!(announcements.races.len(), 1);
        let first = Announcement { lag: Duration::ZERO, position: 1 };
        assert_eq!(announcements.confirm(block(1), now + 3 * MS), [(honest, first)]);
        assert_eq!(announcements.announced(block(0), honest, now + 3 * MS), place(Duration::ZERO, 1));
    }

    #[test]
    fn the_last_blocks_are_remembered_and_no_more() {
        let (mut announcements, now) = all_joined();
        for number in 0..=REMEMBERED as u32 {
            announcements.confirm(block(number), now);
        }
        assert_eq!(announcements.races.len(), REMEMBERED);
        assert_eq!(announcements.announced(block(0), PEERS[0], now), None);
        assert!(announcements.announced(block(1), PEERS[0], now).is_some());
    }

    proptest! {
        #[test]
        fn whatever_happens_nobody_is_counted_twice_and_places_are_dense(
            steps in proptest::collection::vec((0u8..5, 0u32..6, 1u64..5, 0u64..50), 0..200),
        ) {
            let (mut announcements, start) = (Announcements::new(), Instant::now());
            let mut seen: HashMap<BlockHash, Vec<(PeerId, u32)>> = HashMap::new();
            for (step, number, peer, at) in steps {
                let (block, peer, at) = (block(number), PeerId(peer), start + MS * at as u32);
                let counted = match step {
                    0 => { announcements.joined(peer, at); Vec::new() }
                    1 => announcements.confirm(block, at),
                    2 => { announcements.told(block, peer); Vec::new() }
                    _ => {
                        let counted = announcements.announced(block, peer, at);
                        counted.into_iter().map(|counted| (peer, counted)).collect()
                    }
                };
                for (peer, counted) in counted {
                    let seen = seen.entry(block).or_default();
                    prop_assert!(seen.iter().all(|(other, _)| *other != peer));
                    prop_assert_eq!(counted.position as usize, seen.len() + 1);
                    prop_assert!(counted.position > 1 || counted.lag.is_zero());
                    seen.push((peer, counted.position));
                }
            }
        }
    }
}
