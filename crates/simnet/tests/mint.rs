//! Minted blocks against the chain's rules and a simulated node's.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use std::time::Duration;

use bytes::Bytes;
use common::{DAEMONS, DASH, Daemon, Stage};
use proptest::prelude::*;
use simnet::{Door, Flaw, Order, Temperament, Verdict};

#[test]
fn a_good_block_of_any_size_has_that_size_and_nothing_wrong_with_it() {
    DAEMONS.into_iter().for_each(|daemon| make_each_size(daemon, 20));
    // Where coinbases have a payload.
    make_each_size(DASH, 440);
}

fn make_each_size(daemon: Daemon, history: u32) {
    let mut stage = daemon.with_history(Temperament::Honest, history);
    for size in [1_000, 20_000, 100_000, 1_000_000] {
        let block = stage.block(&Order { size, flaw: None });
        let now = stage.node.chain().unix(stage.now);
        let inspection = stage.profile.chain.inspect(&block.bytes, now);
        assert_eq!(inspection.findings, [], "{size}");
        let indexed = inspection.block.unwrap();
        assert_eq!((indexed.hash, indexed.height), (block.hash, Some(block.height)));
        assert!((size - 12..=size).contains(&block.bytes.len()), "{} for {size}", block.bytes.len());
        let transactions = indexed.transactions.len() - 1;
        let average = size / transactions.max(1);
        assert!((200..=600).contains(&average) || transactions < 3, "{average} bytes a transaction");
        assert!(stage.node.submit(&block.bytes, stage.now).is_connected());
    }
}

#[test]
fn blocks_of_one_order_are_siblings_and_blocks_of_one_seed_the_same() {
    let (mut one, mut two) = (Stage::new(Temperament::Honest), Stage::new(Temperament::Honest));
    let order = Order::default();
    let (first, second) = (one.block(&order), one.block(&order));
    assert_ne!(first.hash, second.hash);
    assert_eq!(first.parent, second.parent);
    assert_eq!((first, second), (two.block(&order), two.block(&order)));
}

#[test]
fn each_flaw_is_named_by_the_rules_that_can_see_it_and_by_the_node() {
    for (daemon, flaw) in DAEMONS.iter().flat_map(|daemon| Flaw::ALL.map(|flaw| (daemon, flaw))) {
        let mut stage = daemon.with_history(Temperament::Honest, 20);
        let has_witness = stage.profile.mining.witness_commitment;
        let block = stage.block(&Order { flaw: Some(flaw), ..Order::default() });
        let now = stage.node.chain().unix(stage.now);
        let inspection = stage.profile.chain.inspect(&block.bytes, now);
        let checks: Vec<_> = inspection.findings.iter().map(|finding| finding.check).collect();
        let is_merged = stage.profile.mining.merged.is_some();
        let expected: &[_] = match flaw {
            Flaw::BadMerkleRoot => &["bad-txnmrklroot"],
            Flaw::HighHash if is_merged => &["auxpow-parent-work"],
            Flaw::HighHash => &["high-hash"],
            Flaw::BrokenCommitment if is_merged => &["auxpow-commitment-missing"],
            Flaw::BrokenCommitment => &[],
            Flaw::TimeTooNew => &["time-too-new"],
            Flaw::BadVersion if is_merged => &["late-legacy-block"],
            Flaw::BadVersion => &["bad-version"],
            Flaw::MissingCoinbaseWitness if has_witness => &["coinbase-witness-missing"],
            Flaw::MissingCoinbaseWitness => &[],
            Flaw::TrailingBytes => &["trailing-bytes"],
            // What only a node can see: it knows the blocks before.
            Flaw::BadCoinbaseAmount | Flaw::UnknownParent | Flaw::TimeTooOld => &[],
        };
        assert_eq!(checks, expected, "{flaw:?}");
        let verdict = stage.node.submit(&block.bytes, stage.now);
        let expected = flaw.verdict(&stage.profile);
        assert_eq!(verdict.word(), expected, "{} {flaw:?}", daemon.folder);
        assert_eq!(stage.node.chain().is_active(&block.hash), expected.is_none(), "{flaw:?}");
    }
}

#[test]
fn a_missing_coinbase_witness_is_mended_by_rpc_and_refused_to_a_peer() {
    let mut stage = Stage::with_history(Temperament::Honest, 3);
    let block = stage.block(&Order { flaw: Some(Flaw::MissingCoinbaseWitness), ..Order::default() });
    let from_peer = stage.node.chain_mut().accept(&block.bytes, Door::Peer { asked: false }, stage.now);
    assert_eq!(from_peer, Verdict::Refused("bad-witness-nonce-size".into()));
    assert!(stage.node.submit(&block.bytes, stage.now).is_connected());
    let whole = &stage.node.chain().block(&block.hash).unwrap().bytes;
    assert_eq!(whole.len(), block.bytes.len() + 36, "marker, flag and 34 bytes of witness");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]
    #[test]
    fn any_size_comes_out(size in 0usize..120_000) {
        let mut stage = Stage::with_history(Temperament::Honest, 3);
        let least = stage.block(&Order { size: 0, flaw: None }).bytes.len();
        let block = stage.block(&Order { size, flaw: None });
        prop_assert!(block.bytes.len() <= size.max(least) && block.bytes.len() + 12 >= size);
        prop_assert!(stage.profile.chain.inspect(&block.bytes, u32::MAX).is_sound());
    }

    #[test]
    fn no_bytes_make_a_node_panic_or_change_its_tip(bytes: Vec<u8>, cut in 0usize..2_000, flip in 80usize..2_000) {
        let mut stage = Stage::with_history(Temperament::Honest, 3);
        let block = stage.block(&Order { size: 2_000, flaw: None });
        let tip = stage.node.chain().tip();
        let mut spoiled = block.bytes.to_vec();
        spoiled.truncate(cut);
        let mut flipped = block.bytes.to_vec();
        let last = flipped.len() - 1;
        flipped[flip.min(last)] ^= 1;
        for bytes in [bytes, spoiled, flipped] {
            let verdict = stage.node.submit(&Bytes::from(bytes), Duration::from_secs(1));
            prop_assert!(!verdict.is_connected(), "{verdict:?}");
        }
        prop_assert_eq!(stage.node.chain().tip(), tip);
    }
}
