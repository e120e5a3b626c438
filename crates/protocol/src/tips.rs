//! New tips of others: when one may be passed on.
//!
//! A daemon protects from eviction whoever brings it new blocks (protocol.md §2.5), so we tell peers of blocks that are
//! not ours, too. What we announce has to be good: a header that the chain rejects gets us banned. So there must be
//! [evidence](Tips::at_node) that others have judged the block: a node of ours has it in its active chain, or two peers
//! from different [networks](Group) have announced it.
//!
//! Of two blocks on one parent only one is passed on: who has the other has no use for it.
//!
//! # Security
//! Only blocks whose headers carry their work get in here, and only the last few stay. How many may be passed on in a
//! second is bounded, whatever the evidence.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use wire::BlockHash;

use crate::book::Group;

/// How many tips are remembered. Two or three rivals, and what came before.
const REMEMBERED: usize = 16;

/// How many tips may be passed on at once, and how long it takes until there may be one more.
const PACE: (u32, Duration) = (4, Duration::from_millis(500));

/// How far a tip has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// There is too little evidence, or somebody may try again.
    Open,
    /// Its body is being fetched and looked at, or peers have been told of it.
    Begun,
    /// It is no good.
    Unsound,
}

#[derive(Debug)]
struct Tip {
    block: BlockHash,
    parent: BlockHash,
    at_node: bool,
    /// The group of the first peer that announced it.
    group: Option<Group>,
    /// Whether a peer of another group did, too.
    independent: bool,
    stage: Stage,
}

/// The new tips of others.
#[derive(Debug)]
pub struct Tips {
    tips: VecDeque<Tip>,
    /// How many may begin now, and since when that is so.
    left: u32,
    since: Instant,
}

impl Tips {
    /// None yet.
    pub fn new(now: Instant) -> Self {
        Self { tips: VecDeque::new(), left: PACE.0, since: now }
    }

    /// There is a new tip: its header carries its work and extends the best chain. Whether that is news.
    pub fn learn(&mut self, block: BlockHash, parent: BlockHash) -> bool {
        if self.contains(&block) {
            return false;
        }
        if self.tips.len() == REMEMBERED {
            self.tips.pop_front();
        }
        let tip = Tip { block, parent, at_node: false, group: None, independent: false, stage: Stage::Open };
        self.tips.push_back(tip);
        true
    }

    /// Whether a block is one of them.
    pub fn contains(&self, block: &BlockHash) -> bool {
        self.tips.iter().any(|tip| tip.block == *block)
    }

    /// A node of ours has the block in its active chain.
    pub fn at_node(&mut self, block: &BlockHash) {
        self.find(block).into_iter().for_each(|tip| tip.at_node = true);
    }

    /// A peer from there has announced the block by a message that proves that it has it.
    pub fn announced(&mut self, block: &BlockHash, group: Group) {
        if let Some(tip) = self.find(block) {
            tip.independent |= *tip.group.get_or_insert_with(|| group.clone()) != group;
        }
    }

    /// Whether a block is to be passed on now, for there is evidence of it; from then on it is the caller's business, who
    /// says so should it have [failed](Self::failed). Not if that has begun before, for it or for another block on its
    /// parent, nor if there have been too many.
    pub fn begin(&mut self, block: &BlockHash, now: Instant) -> bool {
        let Some(tip) = self.tips.iter().find(|tip| tip.block == *block) else { return false };
        let due = tip.stage == Stage::Open && (tip.at_node || tip.independent);
        let parent = tip.parent;
        let rival = |other: &Tip| other.stage == Stage::Begun && other.parent == parent;
        if !due || self.tips.iter().any(rival) || !self.keeps_pace(now) {
            return false;
        }
        self.find(block).into_iter().for_each(|tip| tip.stage = Stage::Begun);
        true
    }

    /// It could not be passed on. `for_good` if it never should be; else a later piece of evidence tries again.
    pub fn failed(&mut self, block: &BlockHash, for_good: bool) {
        if let Some(tip) = self.find(block) {
            tip.stage = if for_good { Stage::Unsound } else { Stage::Open };
        }
    }

    fn find(&mut self, block: &BlockHash) -> Option<&mut Tip> {
        self.tips.iter_mut().find(|tip| tip.block == *block)
    }

    fn keeps_pace(&mut self, now: Instant) -> bool {
        let (most, refill) = PACE;
        let earned = now.saturating_duration_since(self.since).as_millis() / refill.as_millis();
        match u32::try_from(earned) {
            Ok(earned) if self.left.saturating_add(earned) < most => {
                self.left += earned;
                self.since += refill * earned;
            }
            _ => (self.left, self.since) = (most, now),
        }
        let granted = self.left > 0;
        self.left = self.left.saturating_sub(1);
        granted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn group(address: &str) -> Group {
        Group::of(address.parse().unwrap())
    }

    fn hash(number: u32) -> BlockHash {
        let mut hash = [0; 32];
        hash[..4].copy_from_slice(&number.to_le_bytes());
        BlockHash::from_wire(hash)
    }

    const PARENT: u32 = 100;

    /// Tips, with one on [`PARENT`].
    fn with_tip() -> (Tips, BlockHash, Instant) {
        let now = Instant::now();
        let (mut tips, block) = (Tips::new(now), hash(1));
        assert!(tips.learn(block, hash(PARENT)));
        assert!(!tips.learn(block, hash(PARENT)));
        (tips, block, now)
    }

    #[test]
    fn addresses_are_of_one_group_when_their_first_bits_agree() {
        assert_eq!(group("10.1.2.3"), group("10.1.200.4"));
        assert_ne!(group("10.1.2.3"), group("10.2.2.3"));
        assert_eq!(group("::ffff:10.1.2.3"), group("10.1.9.9"));
        assert_eq!(group("2001:db8:1::1"), group("2001:db8:2::1"));
        assert_ne!(group("2001:db8::1"), group("2001:db9::1"));
    }

    #[test]
    fn a_tip_at_a_node_of_ours_is_passed_on_once() {
        let (mut tips, block, now) = with_tip();
        assert!(!tips.begin(&block, now), "nobody has judged it");
        tips.at_node(&block);
        assert!(tips.begin(&block, now));
        assert!(!tips.begin(&block, now));
        tips.at_node(&hash(7));
        assert!(!tips.begin(&hash(7), now), "nobody has seen its header");
    }

    #[test]
    fn peers_of_one_group_are_one_witness_and_those_of_two_are_enough() {
        let (mut tips, block, now) = with_tip();
        tips.announced(&block, group("10.1.0.1"));
        tips.announced(&block, group("10.1.0.2"));
        assert!(!tips.begin(&block, now));
        tips.announced(&block, group("10.2.0.1"));
        assert!(tips.begin(&block, now));
    }

    #[test]
    fn of_two_on_one_parent_one_is_passed_on_unless_it_is_no_good() {
        let (mut tips, block, now) = with_tip();
        let rival = hash(2);
        tips.learn(rival, hash(PARENT));
        tips.at_node(&block);
        tips.at_node(&rival);
        assert!(tips.begin(&block, now));
        assert!(!tips.begin(&rival, now));
        tips.failed(&block, true);
        assert!(!tips.begin(&block, now), "no good is no good");
        assert!(tips.begin(&rival, now));
    }

    #[test]
    fn what_failed_for_now_may_be_tried_again() {
        let (mut tips, block, now) = with_tip();
        tips.at_node(&block);
        assert!(tips.begin(&block, now));
        tips.failed(&block, false);
        assert!(tips.begin(&block, now));
    }

    #[test]
    fn a_few_are_passed_on_at_once_and_then_two_a_second() {
        let now = Instant::now();
        let mut tips = Tips::new(now);
        for block in 0..10 {
            tips.learn(hash(block), hash(PARENT + block));
            tips.at_node(&hash(block));
        }
        let begun = |tips: &mut Tips, now| (0..10).filter(|block| tips.begin(&hash(*block), now)).count();
        assert_eq!(begun(&mut tips, now), 4);
        assert_eq!(begun(&mut tips, now + Duration::from_millis(499)), 0);
        assert_eq!(begun(&mut tips, now + Duration::from_secs(1)), 2);
        assert_eq!(begun(&mut tips, now), 0, "time that goes back earns nothing");
    }

    #[test]
    fn the_last_few_are_remembered() {
        let mut tips = Tips::new(Instant::now());
        for block in 0..1000 {
            assert!(tips.learn(hash(block), hash(PARENT + block)));
            assert!(tips.contains(&hash(block)));
        }
        assert_eq!(tips.tips.len(), REMEMBERED);
    }
}
