//! Reorganisations and what is remembered of them. Verdicts on flawed and recorded blocks are in the crate's `tests/`.

use super::*;
use crate::{Flaw, Mint, Minted, Order, profile};

const EPOCH: u32 = 1_795_000_000;

struct Scene {
    chain: ChainState,
    mint: Mint,
    now: Duration,
}

impl Scene {
    fn new() -> Self {
        let profile = Arc::new(profile::litecoin::regtest());
        let chain = ChainState::new(profile.clone(), Inspections::new(profile.chain.clone()), EPOCH);
        Self { chain, mint: Mint::new(&profile, 3), now: Duration::ZERO }
    }

    /// A block on another, which need not be known.
    fn on(&mut self, parent: &Minted, flaw: Option<Flaw>) -> Minted {
        let least_time = parent.header.time() + 1;
        let parent = Parent { hash: parent.hash, height: parent.height, least_time };
        self.mint.mint(&parent, EPOCH, &Order { size: 1_000, flaw })
    }

    fn first(&mut self) -> Minted {
        let parent = self.chain.next();
        self.mint.mint(&parent, EPOCH, &Order { size: 1_000, flaw: None })
    }

    /// A second later.
    fn give(&mut self, block: &Minted) -> Verdict {
        self.now += Duration::from_secs(1);
        self.chain.accept(&block.bytes, Door::Rpc, self.now)
    }
}

#[test]
fn the_first_of_two_equal_branches_stays_until_the_other_grows() {
    let mut scene = Scene::new();
    let (a, b) = (scene.first(), scene.first());
    assert_eq!(scene.give(&a), Verdict::Connected(vec![a.hash]));
    assert_eq!(scene.give(&b), Verdict::Side);
    assert_eq!(scene.chain.tip(), a.hash);
    let c = scene.on(&b, None);
    assert_eq!(scene.give(&c), Verdict::Connected(vec![b.hash, c.hash]));
    assert_eq!((scene.chain.tip(), scene.chain.height()), (c.hash, 2));
    assert!(!scene.chain.is_active(&a.hash));
    assert_eq!(scene.chain.connected_at(&a.hash), Some(Duration::from_secs(1)), "it was there once");
    assert_eq!(scene.chain.connected_at(&b.hash), Some(Duration::from_secs(3)), "not when it came");
    let statuses: Vec<_> =
        scene.chain.tips().iter().map(|tip| (tip.hash, tip.status, tip.branch_length)).collect();
    assert_eq!(statuses, [(c.hash, "active", 0), (a.hash, "valid-fork", 1)]);
}

#[test]
fn a_branch_with_a_bad_block_in_it_does_not_win_and_nothing_is_built_on_it() {
    let mut scene = Scene::new();
    let a = scene.first();
    let parent = scene.chain.next();
    let bad = scene.mint.mint(&parent, EPOCH, &Order { size: 1_000, flaw: Some(Flaw::BadCoinbaseAmount) });
    let child = scene.on(&bad, None);
    assert!(scene.give(&a).is_connected());
    assert_eq!(scene.give(&bad), Verdict::Side, "coins are looked at when a block is connected");
    assert_eq!(scene.give(&child), Verdict::Refused("bad-cb-amount".into()));
    assert_eq!(scene.chain.tip(), a.hash);
    assert_eq!(scene.give(&bad), Verdict::Refused("duplicate-invalid".into()));
    let grandchild = scene.on(&child, None);
    assert_eq!(scene.give(&grandchild), Verdict::Refused("bad-prevblk".into()));
    assert_eq!(scene.chain.tips().iter().filter(|tip| tip.status == "invalid").count(), 1);
}

#[test]
fn a_block_of_another_height_is_refused_for_good() {
    let mut scene = Scene::new();
    let parent = Parent { height: 41, ..scene.chain.next() };
    let block = scene.mint.mint(&parent, EPOCH, &Order::default());
    assert_eq!(scene.give(&block), Verdict::Refused("bad-cb-height".into()));
    assert_eq!(scene.give(&block), Verdict::Refused("duplicate-invalid".into()));
}

#[test]
fn an_unasked_block_is_looked_at_only_with_enough_work_and_an_asked_one_always() {
    let mut scene = Scene::new();
    let genesis_child = scene.first();
    let (a, b) = (scene.first(), scene.on(&genesis_child, None));
    for block in [&genesis_child, &b] {
        assert!(scene.give(block).is_connected());
    }
    let unasked = scene.chain.accept(&a.bytes, Door::Peer { asked: false }, scene.now);
    assert_eq!((unasked, scene.chain.standing(&a.hash)), (Verdict::Ignored, None));
    let asked = scene.chain.accept(&a.bytes, Door::Peer { asked: true }, scene.now);
    assert_eq!((asked, scene.chain.standing(&a.hash)), (Verdict::Side, Some(Standing::Stored)));
}

#[test]
fn a_header_may_come_before_its_block() {
    let mut scene = Scene::new();
    let a = scene.first();
    let b = scene.on(&a, None);
    assert_eq!(scene.chain.accept_header(&b.header, scene.now), Err(Verdict::Orphan("prev-blk-not-found")));
    assert_eq!(scene.chain.accept_header(&a.header, scene.now), Ok(true));
    assert_eq!(scene.chain.accept_header(&b.header, scene.now), Ok(true));
    assert_eq!(scene.chain.accept_header(&b.header, scene.now), Ok(false));
    assert_eq!((scene.chain.best_header(), scene.chain.height()), (b.hash, 0));
    assert_eq!(scene.chain.tips().last().map(|tip| tip.status), Some("active"));
    assert_eq!(scene.give(&b), Verdict::Side, "its parent's body is not there");
    assert_eq!(scene.give(&a), Verdict::Connected(vec![a.hash, b.hash]));
}

#[test]
fn questions_about_headers_are_answered_from_the_newest_common_block() {
    let mut scene = Scene::new();
    let history = scene.mint.history(&scene.chain.next(), 30, EPOCH);
    let headers: Vec<Header> = history.iter().map(|block| block.header.clone()).collect();
    scene.chain.adopt(&headers);
    let hash = |height: usize| history[height - 1].hash;
    let unknown = BlockHash::from_wire([7; 32]);
    let after = |locator: &[BlockHash], stop| scene.chain.after(locator, stop);
    assert_eq!(after(&[unknown, hash(28), hash(2)], BlockHash::ZERO), headers[28..]);
    assert_eq!(after(&[hash(3)], hash(5)), headers[3..5]);
    assert_eq!(after(&[hash(30)], BlockHash::ZERO), []);
    assert_eq!(after(&[unknown], BlockHash::ZERO), headers, "from genesis on");
    assert_eq!(after(&[], hash(9)), headers[8..9]);
    assert!(scene.chain.descends(&hash(30), &hash(1)) && !scene.chain.descends(&hash(1), &hash(30)));
    assert!(scene.chain.descends(&hash(4), &hash(4)) && !scene.chain.descends(&hash(4), &unknown));
}

#[test]
fn the_median_time_is_that_of_eleven_blocks() {
    let mut scene = Scene::new();
    let history = scene.mint.history(&scene.chain.next(), 20, EPOCH);
    scene.chain.adopt(&history.iter().map(|block| block.header.clone()).collect::<Vec<_>>());
    assert_eq!(scene.chain.median_time_past(&history[19].hash), history[14].header.time());
    assert_eq!(scene.chain.next().least_time, history[14].header.time() + 1);
}
