//! Dash nodes and peers that stop, warm up and come back.
//!
//! The tests are skipped, with a loud line, unless the environment variable `DASHD` names a dashd 23.

#![allow(clippy::unwrap_used, reason = "the helpers of tests are tests")]

mod common;

use common::{
    PATIENCE, assert_delivered, metric, peer, report_of, report_with_outcome_at, start, submit,
    wait_for_peers,
};
use e2e::{Base, Miner, Regtest, eventually, require_dashd};
use serde_json::{Value, json};

#[test]
fn a_block_found_while_the_node_is_stopped_reaches_it_when_it_is_back() {
    require_dashd!();
    let (mut net, miner) = (Regtest::start(Base::Dip3), Miner::start(Base::Dip3));
    let bc = start(&net);
    let block = miner.block();
    net.ours.stop();
    let answer = submit(&bc, &block);
    assert_eq!(answer, json!("inconclusive"), "on disk and with peers, and no verdict");
    assert_eq!(report_of(&bc, &block.hash)["status"], "unanswered");
    assert_eq!(net.plain[1].tip(), block.hash, "peers had it at once");
    net.ours.start_again();
    eventually(PATIENCE, "the block at the node", || net.ours.tip() == block.hash);
    eventually(PATIENCE, "its verdict", || report_of(&bc, &block.hash)["status"] == "accepted");
    // All connections are back too.
    wait_for_peers(&bc, 3, 1);
    let next = miner.block();
    assert_eq!(submit(&bc, &next), Value::Null);
    assert_delivered(&net, &bc, &next);
}

#[test]
fn a_node_in_its_warm_up_is_named_so_and_gets_the_block_when_it_has_warmed_up() {
    require_dashd!();
    let (mut net, miner) = (Regtest::start(Base::Dip3), Miner::start(Base::Dip3));
    let bc = start(&net);
    net.ours.stop();
    let warm_up = net.ours.start_again_and_stay_in_warm_up();
    let warming = [("node", "a"), ("kind", "warming_up")];
    eventually(PATIENCE, "the warm-up in the metrics", || {
        metric(&bc, "node_errors_total", &warming).is_some()
    });
    assert_eq!(metric(&bc, "node_up", &[("node", "a")]), Some(0.0));

    let block = miner.block();
    let answer = submit(&bc, &block);
    assert_eq!(answer, json!("inconclusive"), "a warm-up is no verdict");
    net.plain.iter().for_each(|node| assert_eq!(node.tip(), block.hash));
    warm_up.end();
    eventually(PATIENCE, "the verdict after all", || report_of(&bc, &block.hash)["status"] == "accepted");
    assert_eq!(net.ours.tip(), block.hash);
}

#[test]
fn a_peer_that_was_killed_is_dialled_until_it_is_back_and_gets_the_next_block() {
    require_dashd!();
    let (mut net, miner) = (Regtest::start(Base::Dip3), Miner::start(Base::Dip3));
    let bc = start(&net);
    net.plain[0].kill();
    wait_for_peers(&bc, 2, 1);
    let failed = || metric(&bc, "connection_attempts_total", &[("result", "refused")]).unwrap_or_default();
    eventually(PATIENCE, "a dial in vain", || failed() >= 1.0);
    let block = miner.block();
    assert_eq!(submit(&bc, &block), Value::Null);
    net.plain[0].start_again();
    wait_for_peers(&bc, 3, 1);
    // What it missed it asks of us by itself, since we say which block is the best.
    let name = net.plain[0].p2p_addr().to_string();
    eventually(PATIENCE, "the block it missed", || net.plain[0].tip() == block.hash);
    let next = miner.block();
    assert_eq!(submit(&bc, &next), Value::Null);
    let report = report_with_outcome_at(&bc, &next.hash, &name, PATIENCE);
    assert_eq!(peer(&report, &name)["outcome"], "accepted", "{report:#}");
}
