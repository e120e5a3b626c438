//! A found block of Dash on its way to four real dashds, by every door, and a bad one that must not be on its way.
//!
//! The tests are skipped, with a loud line, unless the environment variable `DASHD` names a dashd 23.

#![allow(clippy::unwrap_used, reason = "the helpers of tests are tests")]

mod common;

use common::{
    PATIENCE, assert_delivered, assert_kept_from_peers, peer, relay_connections, report_of,
    report_with_outcome_at, start, submit,
};
use e2e::block::{hash_to_rpc, sha256d};
use e2e::regtest::PROPAGATION;
use e2e::{Base, Damage, Miner, Regtest, eventually, require_dashd};
use serde_json::{Value, json};

/// Four nodes, and one apart that mines.
fn network() -> (Regtest, Miner) {
    std::thread::scope(|scope| {
        let miner = scope.spawn(|| Miner::start(Base::Dip3));
        let net = Regtest::start(Base::Dip3);
        (net, miner.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
    })
}

// --- the harness

#[test]
fn dashd_gives_each_damaged_block_the_expected_verdict() {
    require_dashd!();
    let (net, miner) = network();
    for damage in Damage::ALL {
        let block = miner.damaged(damage);
        assert_eq!(net.ours.submit(&block.hex()), damage.verdict(), "{damage:?}");
        assert_eq!(net.ours.tip() == block.hash, damage.verdict().is_null(), "{damage:?}");
    }
}

#[test]
fn the_miner_goes_on_from_its_newest_block_whatever_else_it_made() {
    require_dashd!();
    let miner = Miner::start(Base::Dip3);
    assert_eq!(miner.node().height(), 441);
    let first = miner.block();
    let rival = miner.rival_of(&first);
    assert_eq!((&rival.parent, rival.height), (&first.parent, 442));
    assert_ne!(rival.hash, first.hash);
    let damaged = miner.damaged(Damage::OldCoinbase);
    assert_eq!((&damaged.parent, &miner.block().parent), (&first.hash, &first.hash));
}

// --- doors

#[test]
fn a_block_by_the_front_door_reaches_every_node_and_peer_under_its_x11_id() {
    require_dashd!();
    let (net, miner) = network();
    let bc = start(&net);
    // The first block holds quorum commitments, the second a coinbase only.
    for _ in 0..2 {
        let block = miner.block();
        assert_eq!(submit(&bc, &block), Value::Null);
        assert_delivered(&net, &bc, &block);
        let report = report_of(&bc, &block.hash);
        assert_eq!((&report["source"], &report["chain"]), (&json!("front_door"), &json!("dash")));
        assert_eq!(report["findings"], json!([]), "{report:#}");
        // `block.hash` is dashd's own word. What SHA-256 makes of the header is nobody's name for it.
        let other = hash_to_rpc(sha256d(block.header()));
        assert_eq!(bc.get(&format!("/api/v1/blocks/{other}")).status, 404);
    }
    let seen = bc.front_door().call("getblockheader", json!([net.ours.tip()])).unwrap();
    assert_eq!(seen["confirmations"], 1);
}

#[test]
fn a_block_by_rest_in_bytes_and_the_next_in_hex_are_answered_with_their_reports() {
    require_dashd!();
    let (net, miner) = network();
    let bc = start(&net);
    let block = miner.block();
    let reply = bc.post_block(&block, "wait=peers:2");
    assert_eq!((reply.status, &reply.json()["hash"]), (200, &json!(block.hash)), "{}", reply.text());
    assert_delivered(&net, &bc, &block);

    let next = miner.block();
    let reply = bc.post("/api/v1/chains/dash/blocks", "text/plain", next.hex().as_bytes());
    assert_eq!((reply.status, &reply.json()["status"]), (200, &json!("accepted")), "{}", reply.text());
    assert_delivered(&net, &bc, &next);
}

#[test]
fn a_block_by_the_command_line_is_answered_with_a_report_for_people_and_exit_status_0() {
    require_dashd!();
    let (net, miner) = network();
    let bc = start(&net);
    let block = miner.block();
    let url = format!("http://{}", bc.http_addr());
    let output = bc.cli_with_input(&["submit", "--url", &url, "--chain", "dash", "-"], &block.bytes);
    let text = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{text}{}", String::from_utf8_lossy(&output.stderr));
    assert!(text.contains(&block.hash) && text.contains("accepted"), "{text}");
    assert_delivered(&net, &bc, &block);
    assert_eq!(report_of(&bc, &block.hash)["source"], "cli");
    let output = bc
        .cli_with_input(&["decode", "--chain", "dash", "--network", "regtest", "-"], block.hex().as_bytes());
    let text = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{text}{}", String::from_utf8_lossy(&output.stderr));
    assert!(text.contains(&block.hash), "{text}");
}

// --- others' blocks

#[test]
fn a_block_that_another_miner_found_is_seen_and_the_next_of_ours_goes_on_top() {
    require_dashd!();
    let (net, miner) = network();
    let bc = start(&net);
    let theirs = net.ours.mine(1).remove(0);
    let metric = format!("blockcast_node_tip_height{{chain=\"dash\",node=\"a\"}} {}", net.ours.height());
    eventually(PATIENCE, "the node's new tip in the metrics", || bc.get("/metrics").text().contains(&metric));
    // The others hear of it from elsewhere, if not from us first.
    for node in [&net.plain[0], &net.plain[1], miner.node()] {
        let verdict = node.submit(&net.ours.block_hex(&theirs));
        assert!(verdict.is_null() || verdict == "duplicate" || verdict == "inconclusive", "{verdict}");
    }
    net.wait_for_tip(&theirs);
    let block = miner.block();
    assert_eq!(block.parent, theirs);
    assert_eq!(submit(&bc, &block), Value::Null);
    assert_delivered(&net, &bc, &block);
}

#[test]
fn a_block_on_a_parent_that_peers_lack_is_withheld_from_them_and_the_node_has_it() {
    require_dashd!();
    let (net, miner) = network();
    let bc = start(&net);
    let parent = miner.block();
    let block = miner.block();
    assert_eq!(net.ours.submit(&parent.hex()), Value::Null);
    assert_eq!(submit(&bc, &block), Value::Null);
    for node in &net.plain {
        let name = node.p2p_addr().to_string();
        let report = report_with_outcome_at(&bc, &block.hash, &name, PATIENCE);
        let peer = peer(&report, &name);
        assert_eq!((&peer["outcome"], &peer["detail"]), (&json!("withheld"), &json!("parent_unknown")));
        assert_eq!(relay_connections(node), 1);
    }
    assert_eq!((net.ours.tip(), net.plain[0].height()), (block.hash, 441));
}

#[test]
fn a_peer_with_a_rival_at_the_same_height_is_outraced_and_never_accepted() {
    require_dashd!();
    let (net, miner) = network();
    let bc = start(&net);
    let block = miner.block();
    let rival = miner.rival_of(&block);
    assert_eq!(net.plain[0].submit(&rival.hex()), Value::Null);
    assert_eq!(submit(&bc, &block), Value::Null);
    let name = net.plain[0].p2p_addr().to_string();
    let report = report_with_outcome_at(&bc, &block.hash, &name, PATIENCE);
    assert_eq!(peer(&report, &name)["outcome"], "outraced", "{report:#}");
    assert_eq!(peer(&report, &name)["detail"], json!(format!("by {}", rival.hash)), "{report:#}");
    assert_eq!([net.plain[0].tip(), net.plain[1].tip()], [rival.hash, block.hash]);
}

// --- bad blocks

#[test]
fn blocks_that_would_cut_us_off_go_to_the_node_and_to_no_peer() {
    require_dashd!();
    let (net, miner) = network();
    let bc = start(&net);
    for (damage, finding) in [
        (Damage::BadMerkleRoot, "bad-txnmrklroot"),
        (Damage::BadProofOfWork, "high-hash"),
        (Damage::OldCoinbase, "bad-cb-type"),
        (Damage::TimeTooOld, "time-too-old"),
    ] {
        let block = miner.damaged(damage);
        assert_kept_from_peers(&net, &bc, &block, damage.verdict(), finding);
    }
    // The engine is none the worse for it.
    let block = miner.block();
    assert_eq!(submit(&bc, &block), Value::Null);
    assert_delivered(&net, &bc, &block);
}

#[test]
fn a_child_that_comes_before_its_parent_is_withheld_and_judged_anew_after_it() {
    require_dashd!();
    let (net, miner) = network();
    let bc = start(&net);
    let (parent, child) = (miner.block(), miner.block());
    assert_kept_from_peers(&net, &bc, &child, json!("prev-blk-not-found"), "prev-blk-not-found");
    assert_eq!(submit(&bc, &parent), Value::Null);
    net.wait_for_tip(&child.hash);
    assert_eq!(submit(&bc, &child), Value::Null);
}

#[test]
fn what_is_behind_a_block_is_cut_off_for_peers_and_left_for_the_node() {
    require_dashd!();
    let (net, miner) = network();
    let bc = start(&net);
    let block = miner.damaged(Damage::TrailingBytes);
    assert_eq!(submit(&bc, &block), Value::Null);
    assert_delivered(&net, &bc, &block);
    let report = report_of(&bc, &block.hash);
    assert_eq!(report["size"], json!(block.bytes.len()), "the node got what came");
    assert_eq!(report["findings"][0]["check"], "trailing-bytes", "{report:#}");
    assert_eq!(report["findings"][0]["severity"], "warning");
}

/// No look at the block alone shows that a coinbase takes too much. dashd does not hang up for it, but forgets why: if
/// the push to the node came before the call, the call would be told `duplicate-invalid`.
#[test]
fn an_overpaying_block_is_refused_in_the_nodes_own_words_and_peers_stay() {
    require_dashd!();
    let (net, miner) = network();
    let bc = start(&net);
    let block = miner.damaged(Damage::Overpaying);
    assert_eq!(submit(&bc, &block), json!("bad-cb-amount"));
    for node in &net.plain {
        let report = report_with_outcome_at(&bc, &block.hash, &node.p2p_addr().to_string(), PATIENCE);
        assert_eq!((&report["status"], &report["peers_with_block"]), (&json!("refused"), &json!(0)));
    }
    let sound = miner.block();
    assert_eq!(submit(&bc, &sound), Value::Null);
    assert_delivered(&net, &bc, &sound);
    eventually(PROPAGATION, "every peer still there", || {
        net.plain.iter().all(|node| relay_connections(node) == 1)
    });
}
