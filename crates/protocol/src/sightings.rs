//! When a block of others was first heard of, and from whom.
//!
//! When a rival takes our block's place, the question is how early it was. Peers may announce whatever they like, so what
//! they say waits among a few claims of their own ([`CLAIMS`]) until a node of ours has the block; only then is it worth
//! keeping, and costs nobody else's place.

use std::{
    collections::{HashMap, VecDeque},
    time::Instant,
};

use wire::BlockHash;

use crate::PeerId;

/// How many announcements are kept for each peer until a node of ours has the block.
pub const CLAIMS: usize = 16;

/// How many blocks are kept that a node of ours had: some days of Litecoin's, a day of Dogecoin's.
pub const KEPT: usize = 2000;

/// When a block was first heard of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sighting {
    /// When.
    pub first: Instant,
    /// From whom: a node's name, or a peer's address.
    pub from: String,
    /// When a node of ours had it.
    pub at_node: Instant,
}

/// What was heard of, and when.
#[derive(Debug, Default)]
pub struct Sightings {
    claims: HashMap<PeerId, VecDeque<(BlockHash, Instant, String)>>,
    known: HashMap<BlockHash, Sighting>,
    order: VecDeque<BlockHash>,
}

impl Sightings {
    /// A peer has announced a block.
    pub fn announced(&mut self, peer: PeerId, name: &str, block: BlockHash, now: Instant) {
        if self.known.contains_key(&block) {
            return;
        }
        let claims = self.claims.entry(peer).or_default();
        if claims.iter().any(|(claimed, ..)| *claimed == block) {
            return;
        }
        if claims.len() == CLAIMS {
            claims.pop_front();
        }
        claims.push_back((block, now, name.to_owned()));
    }

    /// A node of ours has a block in its active chain: what peers said of it earlier was true.
    pub fn at_node(&mut self, node: &str, block: BlockHash, now: Instant) {
        if self.known.contains_key(&block) {
            return;
        }
        let mut sighting = Sighting { first: now, from: node.to_owned(), at_node: now };
        for claims in self.claims.values_mut() {
            let Some(place) = claims.iter().position(|(claimed, ..)| *claimed == block) else { continue };
            let Some((_, at, name)) = claims.remove(place) else { continue };
            if at < sighting.first {
                (sighting.first, sighting.from) = (at, name);
            }
        }
        if self.order.len() == KEPT
            && let Some(oldest) = self.order.pop_front()
        {
            self.known.remove(&oldest);
        }
        self.order.push_back(block);
        self.known.insert(block, sighting);
    }

    /// A connection has ended. What it announced still counts, if a node of ours has it by now.
    pub fn forget(&mut self, peer: PeerId) {
        self.claims.remove(&peer);
    }

    /// When a block was first heard of, if a node of ours has it.
    pub fn get(&self, block: &BlockHash) -> Option<&Sighting> {
        self.known.get(block)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn hash(number: u32) -> BlockHash {
        let mut bytes = [0; 32];
        bytes[..4].copy_from_slice(&number.to_le_bytes());
        BlockHash::from_wire(bytes)
    }

    #[test]
    fn the_first_to_announce_a_block_is_known_once_a_node_has_it() {
        let (mut sightings, start) = (Sightings::default(), Instant::now());
        let at = |ms| start + Duration::from_millis(ms);
        sightings.announced(PeerId(2), "two", hash(1), at(30));
        sightings.announced(PeerId(1), "one", hash(1), at(10));
        sightings.announced(PeerId(1), "one", hash(1), at(20));
        assert_eq!(sightings.get(&hash(1)), None);
        sightings.at_node("a", hash(1), at(50));
        let expected = Sighting { first: at(10), from: "one".into(), at_node: at(50) };
        assert_eq!(sightings.get(&hash(1)), Some(&expected));
        // Whoever comes later changes nothing.
        sightings.announced(PeerId(3), "three", hash(1), at(60));
        sightings.at_node("b", hash(1), at(70));
        assert_eq!(sightings.get(&hash(1)), Some(&expected));
        sightings.at_node("a", hash(2), at(80));
        assert_eq!(sightings.get(&hash(2)).map(|sighting| sighting.from.as_str()), Some("a"));
    }

    #[test]
    fn a_peer_that_makes_blocks_up_displaces_only_its_own_claims() {
        let (mut sightings, now) = (Sightings::default(), Instant::now());
        sightings.announced(PeerId(1), "one", hash(1), now);
        (0..10_000).for_each(|number| sightings.announced(PeerId(2), "liar", hash(number + 10), now));
        assert_eq!(sightings.claims.values().map(VecDeque::len).sum::<usize>(), CLAIMS + 1);
        sightings.at_node("a", hash(1), now + Duration::from_secs(1));
        assert_eq!(sightings.get(&hash(1)).map(|sighting| sighting.from.as_str()), Some("one"));
        sightings.forget(PeerId(2));
        assert_eq!(sightings.claims.len(), 1);
    }

    #[test]
    fn the_oldest_makes_room() {
        let (mut sightings, now) = (Sightings::default(), Instant::now());
        (0..KEPT as u32 + 5).for_each(|number| sightings.at_node("a", hash(number), now));
        assert_eq!(sightings.known.len(), KEPT);
        assert!(sightings.get(&hash(4)).is_none() && sightings.get(&hash(5)).is_some());
    }
}
