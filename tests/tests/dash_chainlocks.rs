//! ChainLocks of a real quorum, of one member: what they do to blocks of ours.
//!
//! The tests are skipped, with a loud line, unless the environment variable `DASHD` names a dashd 23.

#![allow(clippy::unwrap_used, reason = "the helpers of tests are tests")]

mod common;

use common::{PATIENCE, assert_delivered, block_of, relay_connections, report_of, start, submit};
use e2e::{Base, Blockcast, Daemon, Miner, Options, Regtest, Setup, eventually, masternode, require_dashd};
use serde_json::{Value, json};

/// The network, who mines, and the masternode, which is connected to nobody yet.
fn network() -> (Regtest, Miner, Daemon) {
    let net = Regtest::start(Base::ChainLocks);
    let signer = Daemon::start(Options {
        name: "masternode".into(),
        base: Some(Base::ChainLocks),
        args: masternode::args(),
        ..Options::default()
    });
    (net, Miner::start(Base::ChainLocks), signer)
}

/// Waits until this node knows of a ChainLock for the block.
fn wait_for_lock(node: &Daemon, hash: &str) {
    eventually(PATIENCE, format!("a ChainLock for {hash} at {}", node.name()), || {
        node.rpc("getblock", json!([hash, 1])).is_ok_and(|block| block["chainlock"] == true)
    });
}

/// Waits until the report of a block of ours has the chain's last word, and gives it.
fn last_word(bc: &Blockcast, hash: &str) -> Value {
    eventually(PATIENCE, format!("the last word on {hash}"), || {
        let finality = report_of(bc, hash)["finality"].clone();
        (finality["state"] != "awaited").then_some(finality)
    })
}

#[test]
fn a_block_of_ours_is_chainlocked_and_so_is_the_next() {
    require_dashd!();
    let (net, miner, signer) = network();
    signer.connect_to(&net.ours);
    let bc = start(&net);
    for _ in 0..2 {
        let block = miner.block();
        assert_eq!(submit(&bc, &block), Value::Null);
        assert_delivered(&net, &bc, &block);
        wait_for_lock(&net.ours, &block.hash);
        let best = bc.front_door().call("getbestchainlock", json!([])).unwrap();
        assert_eq!((&best["blockhash"], &best["height"]), (&json!(block.hash), &json!(block.height)));
        let finality = last_word(&bc, &block.hash);
        assert_eq!((&finality["state"], &finality["node"]), (&json!("chainlocked"), &json!("a")));
        assert!(finality["ms"].as_f64().unwrap() > 0.0);
    }
}

#[test]
fn a_rival_of_a_chainlocked_block_is_refused_in_the_nodes_own_words() {
    require_dashd!();
    let (net, miner, signer) = network();
    signer.connect_to(&net.ours);
    let bc = start(&net);
    let block = miner.block();
    let rival = miner.rival_of(&block);
    assert_eq!(submit(&bc, &block), Value::Null);
    assert_delivered(&net, &bc, &block);
    wait_for_lock(&net.ours, &block.hash);

    assert_eq!(submit(&bc, &rival), json!("bad-chainlock"));
    let report = report_of(&bc, &rival.hash);
    assert_eq!((&report["status"], &report["peers_with_block"]), (&json!("refused"), &json!(0)));
    // A rival that is known to be dead is kept off P2P, by our own finding; if the node's word came first, by that.
    let finality = last_word(&bc, &rival.hash);
    assert_eq!((&finality["state"], &finality["by"]), (&json!("orphaned"), &json!(block.hash)));
    assert_eq!(report_of(&bc, &rival.hash)["findings"][0]["check"], "bad-chainlock");
    // To a repeat dashd says `duplicate`, of a block that it will not take either.
    assert_ne!(submit(&bc, &rival), Value::Null);
    let deliveries = &block_of(&bc, &rival.hash)["deliveries"];
    let verdicts = [0, 1].map(|number| &deliveries[number]["nodes"][0]["verdict"]);
    assert_eq!(verdicts, ["bad-chainlock", "duplicate"], "the first words stay: {deliveries:#}");
    assert_eq!(net.ours.tip(), block.hash);
    net.plain.iter().for_each(|node| assert_eq!(relay_connections(node), 1));
}

#[test]
fn our_node_leaves_our_block_for_a_rival_with_a_chainlock() {
    require_dashd!();
    let (net, miner, signer) = network();
    let bc = start(&net);
    let block = miner.block();
    let rival = miner.rival_of(&block);
    assert_eq!(submit(&bc, &block), Value::Null);
    assert_delivered(&net, &bc, &block);
    assert_eq!(signer.submit(&rival.hex()), Value::Null);
    wait_for_lock(&signer, &rival.hash);

    // The two have the same work: what decides is the lock. A node that connects later is not told of it, so it is
    // handed over.
    assert_eq!(net.ours.submit(&rival.hex()), json!("inconclusive"));
    let lock = signer.must("getbestchainlock", json!([]));
    net.ours.must("submitchainlock", json!([lock["blockhash"], lock["signature"], lock["height"]]));
    eventually(PATIENCE, "the rival is our node's tip", || net.ours.tip() == rival.hash);
    wait_for_lock(&net.ours, &rival.hash);
    let finality = last_word(&bc, &block.hash);
    assert_eq!((&finality["state"], &finality["by"]), (&json!("orphaned"), &json!(rival.hash)));
    let report = report_of(&bc, &block.hash);
    assert_eq!((&report["status"], &report["kept_off_p2p"]), (&json!("accepted"), &json!("finding")));
}

/// The one masternode is found by asking our node, and named by what it is worth most: a seat in the quorum that signs.
#[test]
fn the_member_of_the_quorum_is_found_through_our_node() {
    require_dashd!();
    let net = Regtest::start(Base::ChainLocks);
    let mut bc = Blockcast::start(Setup { discovery: vec!["chain".into()], ..Setup::of(&net) });
    bc.wait_ready();
    let masternode = json!(masternode::address().to_string());
    let found = eventually(PATIENCE, "the masternode among the peers", || {
        let peers = bc.get_json("/api/v1/chains/dash/peers")["peers"].clone();
        peers.as_array()?.iter().find(|peer| peer["address"] == masternode).cloned()
    });
    assert_eq!(found["source"], "quorum", "{found:#}");
}
