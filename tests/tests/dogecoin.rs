//! Dogecoin: whole blocks and merged-mining work, through three real dogecoinds and two peers that know nobody.
//!
//! The tests are skipped, with a loud line, unless the environment variable `DOGECOIND` names a dogecoind 1.14.

#![allow(clippy::unwrap_used, reason = "the helpers of tests are tests")]

mod common;

use std::time::Duration;

use common::{PATIENCE, metric, peer, relay_connections, report_of, report_with_outcome_at};
use e2e::block::from_hex;
use e2e::dogecoind::new_address;
use e2e::http::{self, Reply};
use e2e::merged::{Parts, Proof};
use e2e::regtest::PROPAGATION;
use e2e::setup::{Node, POOL_PASSWORD, POOL_USER, Peer};
use e2e::{
    AuxWork, Base, Block, Blockcast, Daemon, Fault, Miner, Options, Setup, eventually, require_dogecoind,
};
use serde_json::{Value, json};

/// Three nodes of ours, two peers, and one apart that mines; nobody is connected to anybody.
///
/// `c` has no P2P address in the configuration: a block reaches it by RPC or not at all.
struct Network {
    a: Daemon,
    b: Daemon,
    c: Daemon,
    peers: [Daemon; 2],
    miner: Miner,
}

impl Network {
    fn start() -> Self {
        let start = |name: &str| {
            Daemon::start(Options { name: name.into(), base: Some(Base::Auxpow), ..Options::default() })
        };
        std::thread::scope(|scope| {
            let miner = scope.spawn(|| Miner::start(Base::Auxpow));
            let [a, b, c, first, second] = ["node a", "node b", "node c", "peer 0", "peer 1"]
                .map(|name| scope.spawn(move || start(name)))
                .map(|node| node.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
            let miner = miner.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            Self { a, b, c, peers: [first, second], miner }
        })
    }

    fn setup(&self) -> Setup {
        Setup {
            chain: "dogecoin".into(),
            nodes: vec![
                Node::of("a", &self.a),
                Node::of("b", &self.b).backup(),
                Node::of("c", &self.c).backup().rpc_only(),
            ],
            peers: self.peers.iter().map(|peer| Peer::of(peer, "high")).collect(),
            observers: 0,
            ..Setup::default()
        }
    }

    fn nodes(&self) -> [&Daemon; 3] {
        [&self.a, &self.b, &self.c]
    }

    /// All that Blockcast knows.
    fn all(&self) -> impl Iterator<Item = &Daemon> {
        self.nodes().into_iter().chain(&self.peers)
    }

    #[track_caller]
    fn wait_for_tip(&self, hash: &str) {
        self.all().for_each(|node| wait_for_tip(node, hash));
    }

    /// Hands a block to everybody, Blockcast apart, which may be faster at passing it on.
    #[track_caller]
    fn hand_over(&self, block: &Block) {
        self.all().for_each(|node| {
            let verdict = node.submit(&block.hex());
            let fine = verdict.is_null() || verdict == "duplicate" || verdict == "inconclusive";
            assert!(fine, "{}: {verdict}", node.name());
        });
    }

    /// Peers have not heard of the block, and none has hung up on us.
    #[track_caller]
    fn assert_kept_from_peers(&self, hash: &str) {
        for node in &self.peers {
            let unknown = node.rpc("getblockheader", json!([hash])).unwrap_err();
            assert_eq!(unknown.code, Some(-5), "{} has heard of the block", node.name());
            self.assert_connected(node);
        }
    }

    /// It has not hung up on us, nor counted anything against us. (Nobody on its own machine is banned, so a look at its
    /// list of bans would tell nothing.)
    #[track_caller]
    fn assert_connected(&self, node: &Daemon) {
        assert_eq!(relay_connections(node), 1, "{} has hung up on us", node.name());
        assert!(!node.log().contains("Misbehaving"), "{} counts something against us", node.name());
    }
}

#[track_caller]
fn wait_for_tip(node: &Daemon, hash: &str) {
    eventually(PROPAGATION, format!("block {hash} becomes the tip of {}", node.name()), || {
        node.tip() == hash
    });
}

/// Nodes and peers are connected, and each node's tip is known.
fn start(net: &Network) -> Blockcast {
    let mut bc = Blockcast::start(net.setup());
    bc.wait_ready();
    wait_for_all(&bc);
    bc
}

fn wait_for_all(bc: &Blockcast) {
    eventually(PATIENCE, "all nodes and peers connected", || {
        metric(bc, "connected_peers", &[("kind", "fixed")]) == Some(2.0)
            && metric(bc, "connected_peers", &[("kind", "own")]) == Some(2.0)
            && ["a", "b", "c"].iter().all(|name| node_is_up(bc, name))
    });
}

fn node_is_up(bc: &Blockcast, name: &str) -> bool {
    metric(bc, "node_up", &[("node", name)]) == Some(1.0)
}

/// Work that the front door gets for a pool.
#[track_caller]
fn create(bc: &Blockcast) -> AuxWork {
    AuxWork::of(&bc.front_door().call("createauxblock", json!([new_address()])).unwrap())
}

#[track_caller]
fn hand_in(bc: &Blockcast, work: &AuxWork, proof: &Proof) -> Value {
    bc.front_door().call("submitauxblock", json!([work.hash, proof.hex()])).unwrap()
}

/// The front door's reply with its headers.
#[track_caller]
fn raw_call(bc: &Blockcast, method: &str, params: &Value) -> Reply {
    let auth = http::basic_auth(POOL_USER, POOL_PASSWORD);
    let headers = [("Content-Type", "application/json"), ("Authorization", auth.as_str())];
    let body = json!({"id": 1, "method": method, "params": params}).to_string();
    let address = bc.front_door_addr();
    http::request(address, "POST", "/", &headers, body.as_bytes(), Duration::from_secs(30)).unwrap()
}

/// Lines of the log about work handed to a node, or handed in at the front door.
fn log_has(bc: &Blockcast, words: &[&str]) -> bool {
    bc.log().lines().any(|line| words.iter().all(|word| line.contains(word)))
}

/// The block is everybody's tip, and the report says of each node and peer what that one says itself.
#[track_caller]
fn assert_delivered(net: &Network, bc: &Blockcast, hash: &str, parent: Option<&str>) {
    net.wait_for_tip(hash);
    let report = eventually(PATIENCE, "the report of a delivered block", || {
        let report = report_of(bc, hash);
        let nodes = report["nodes"].as_array()?;
        let judged = nodes.len() == 3 && nodes.iter().all(|node| node["judgement"] == "accepted");
        let settled = net.peers.iter().all(|node| {
            let name = json!(node.p2p_addr().to_string());
            let peers = report["peers"].as_array().map(Vec::as_slice).unwrap_or_default();
            peers.iter().any(|peer| peer["peer"] == name && !peer["outcome"].is_null())
        });
        (judged && settled).then_some(report)
    });
    assert_eq!(report["status"], "accepted", "{report:#}");
    assert_eq!((&report["chain"], &report["findings"]), (&json!("dogecoin"), &json!([])), "{report:#}");
    for node in report["nodes"].as_array().unwrap() {
        // "duplicate" is what a node says that had the header before: it is judged, by asking the node.
        assert!(node["verdict"].is_null() || node["verdict"] == "duplicate", "{report:#}");
    }
    for node in &net.peers {
        assert_eq!(peer(&report, &node.p2p_addr().to_string())["outcome"], "accepted", "{report:#}");
        net.assert_connected(node);
    }
    for node in net.all() {
        assert_eq!(node.must("getblockheader", json!([hash]))["confirmations"], 1, "{}", node.name());
    }
    if let Some(parent) = parent {
        assert_eq!(report["merged_with"]["hash"], parent, "{report:#}");
    }
}

/// A block whose proof is of our making, mined by the node apart, which is the only one that has it; and the parent's
/// id.
#[track_caller]
fn block_of_parts(miner: &Miner) -> (Parts, String) {
    let node = miner.node();
    let work = AuxWork::of(&node.must("createauxblock", json!([new_address()])));
    let proof = work.solve();
    assert_eq!(node.must("submitauxblock", json!([work.hash, proof.hex()])), true);
    let block = Block {
        bytes: from_hex(&node.block_hex(&work.hash)),
        hash: work.hash,
        parent: String::new(),
        height: work.height,
    };
    (Parts::of(block, &proof), proof.parent)
}

// --- the harness

#[test]
fn a_real_dogecoind_takes_our_proofs_and_refuses_those_with_a_fault() {
    require_dogecoind!();
    let node = Daemon::start(Options { base: Some(Base::Auxpow), ..Options::default() });
    let work = AuxWork::of(&node.must("createauxblock", json!([new_address()])));
    let hand_in = |proof: Proof| node.must("submitauxblock", json!([work.hash, proof.hex()]));
    for fault in [Fault::WeakParent, Fault::OtherCommitment, Fault::ParentOfOurChain] {
        assert_eq!(hand_in(work.flawed(fault)), false, "{fault:?}");
    }
    assert_eq!(hand_in(work.solve()), true);
    assert_eq!((node.tip(), node.height()), (work.hash.clone(), 25));
}

// --- whole blocks

#[test]
fn a_merge_mined_block_by_the_front_door_reaches_every_node_and_peer() {
    require_dogecoind!();
    let net = Network::start();
    let bc = start(&net);
    for _ in 0..2 {
        let block = net.miner.block();
        assert_eq!(block.bytes[1] & 1, 1, "merge-mined");
        let answer = bc.front_door().call("submitblock", json!([block.hex()])).unwrap();
        assert_eq!(answer, Value::Null);
        assert_delivered(&net, &bc, &block.hash, None);
        assert!(report_of(&bc, &block.hash)["merged_with"]["hash"].is_string());
    }
    let (parts, parent) = block_of_parts(&net.miner);
    let block = parts.whole();
    assert_eq!(bc.front_door().call("submitblock", json!([block.hex()])).unwrap(), Value::Null);
    assert_delivered(&net, &bc, &block.hash, Some(&parent));
}

#[test]
fn a_block_that_a_node_has_already_is_a_duplicate_there_and_accepted_all_the_same() {
    require_dogecoind!();
    let net = Network::start();
    let bc = start(&net);
    let block = net.miner.block();
    assert_eq!(net.b.submit(&block.hex()), Value::Null);
    assert_eq!(bc.front_door().call("submitblock", json!([block.hex()])).unwrap(), Value::Null);
    assert_delivered(&net, &bc, &block.hash, None);
    let report = report_of(&bc, &block.hash);
    let b = report["nodes"].as_array().unwrap().iter().find(|node| node["node"] == "b").unwrap().clone();
    assert_eq!((&b["verdict"], &b["judgement"]), (&json!("duplicate"), &json!("accepted")));
}

#[test]
fn a_block_with_a_broken_proof_goes_to_nodes_only_with_its_fault_named() {
    require_dogecoind!();
    let net = Network::start();
    let bc = start(&net);
    let (parts, parent) = block_of_parts(&net.miner);
    for (fault, check) in [
        (Fault::WeakParent, "auxpow-parent-work"),
        (Fault::OtherCommitment, "auxpow-commitment-missing"),
        (Fault::ParentOfOurChain, "auxpow-parent-chain-id"),
    ] {
        let block = parts.clone().with_fault(fault);
        let reply = bc.post_block(&block, "wait=node");
        assert_eq!(reply.json()["status"], "refused", "{}", reply.text());
        // We look at the block beside the nodes, and may be the slower one.
        let report = eventually(PATIENCE, format!("the finding {check}"), || {
            let report = report_of(&bc, &block.hash);
            (report["findings"][0]["check"] == check).then_some(report)
        });
        let nodes = report["nodes"].as_array().unwrap();
        assert!(nodes.iter().any(|node| node["verdict"] == "high-hash"), "{report:#}");
        assert_eq!(report["peers_sent_to"], 0, "{report:#}");
        net.assert_kept_from_peers(&block.hash);
        bc.wait_logged(check, PATIENCE);
    }
    // The same block, under the same name, with a proof that holds.
    let block = parts.whole();
    assert_eq!(bc.front_door().call("submitblock", json!([block.hex()])).unwrap(), Value::Null);
    assert_delivered(&net, &bc, &block.hash, Some(&parent));
}

/// No look at the block alone shows that a coinbase takes too much.
#[test]
fn an_overpaying_block_is_refused_in_the_nodes_own_words() {
    require_dogecoind!();
    let net = Network::start();
    let bc = start(&net);
    let block = block_of_parts(&net.miner).0.overpaying();
    let answer = bc.front_door().call("submitblock", json!([block.hex()])).unwrap();
    assert_eq!(answer, "bad-cb-amount");
    assert_eq!(report_of(&bc, &block.hash)["status"], "refused");
}

#[test]
fn a_peer_that_refuses_a_block_is_heard_to_say_why() {
    require_dogecoind!();
    let net = Network::start();
    let bc = start(&net);
    let block = block_of_parts(&net.miner).0.overpaying();
    // While no node says a word, peers are not kept waiting.
    net.nodes().into_iter().for_each(Daemon::pause);
    let answer = bc.front_door().call("submitblock", json!([block.hex()])).unwrap();
    assert_eq!(answer, "inconclusive");
    for node in &net.peers {
        let name = node.p2p_addr().to_string();
        let report = report_with_outcome_at(&bc, &block.hash, &name, PATIENCE);
        let seen = peer(&report, &name);
        assert_eq!(seen["outcome"], "rejected", "{report:#}");
        assert!(seen["detail"].as_str().unwrap().contains("bad-cb-amount"), "{report:#}");
    }
    net.nodes().into_iter().for_each(Daemon::resume);
    eventually(PATIENCE, "the nodes' verdict", || report_of(&bc, &block.hash)["status"] == "refused");
    net.peers.iter().for_each(|node| assert!(node.log().contains("Misbehaving"), "the log tells"));
    // dogecoind hangs up for such a block (and would ban who is not on its own machine). Peers are dialled again.
    wait_for_all(&bc);
    let work = create(&bc);
    assert_eq!(hand_in(&bc, &work, &work.solve()), true);
    net.wait_for_tip(&work.hash);
}

// --- aux work

#[test]
fn work_solved_at_the_front_door_becomes_everybodys_block() {
    require_dogecoind!();
    let net = Network::start();
    let bc = start(&net);
    for height in [25, 26] {
        let work = create(&bc);
        assert_eq!(work.height, height);
        let proof = work.solve();
        assert_eq!(hand_in(&bc, &work, &proof), true);
        assert_delivered(&net, &bc, &work.hash, Some(&proof.parent));
        // A repeat is the truth still.
        assert_eq!(hand_in(&bc, &work, &proof), true);
    }
}

/// A dogecoind without a wallet has no address for `getauxblock` to pay to: the call is passed on, and so is the
/// refusal. The form that hands solved work in needs none.
#[test]
fn getauxblock_takes_solved_work_and_its_other_form_is_answered_by_the_node() {
    require_dogecoind!();
    let net = Network::start();
    let bc = start(&net);
    let theirs = net.a.rpc("getauxblock", json!([])).unwrap_err();
    let ours = bc.front_door().call("getauxblock", json!([])).unwrap_err();
    assert_eq!((ours.code, &ours.message), (theirs.code, &theirs.message));

    let work = create(&bc);
    let proof = work.solve();
    assert_eq!(bc.front_door().call("getauxblock", json!([work.hash, proof.hex()])).unwrap(), true);
    assert_delivered(&net, &bc, &work.hash, Some(&proof.parent));
}

#[test]
fn with_the_primary_dead_work_comes_from_the_backup_and_goes_back_to_it() {
    require_dogecoind!();
    let mut net = Network::start();
    let bc = start(&net);
    net.a.kill();
    let work = create(&bc);
    let proof = work.solve();
    assert_eq!(hand_in(&bc, &work, &proof), true);
    for node in [&net.b, &net.c, &net.peers[0], &net.peers[1]] {
        wait_for_tip(node, &work.hash);
    }
    assert!(log_has(&bc, &["node answered to solved work", "node=\"b\"", &work.hash]), "b has issued it");
    assert!(!log_has(&bc, &["node answered to solved work", "node=\"c\""]), "and nobody else was asked");
    // The primary gets it when it is back.
    net.a.start_again();
    wait_for_tip(&net.a, &work.hash);
}

#[test]
fn a_restart_between_work_and_its_solution_loses_nothing() {
    require_dogecoind!();
    let mut net = Network::start();
    let mut bc = start(&net);
    // From a backup, so that no guess leads to it.
    net.a.stop();
    let work = create(&bc);
    assert_eq!(bc.sigterm().code(), Some(0));
    net.a.start_again();
    bc.restart();
    bc.wait_ready();
    wait_for_all(&bc);

    let proof = work.solve();
    assert_eq!(hand_in(&bc, &work, &proof), true);
    assert_delivered(&net, &bc, &work.hash, Some(&proof.parent));
    assert!(log_has(&bc, &["node answered to solved work", "node=\"b\"", &work.hash]), "b has issued it");
    assert!(!log_has(&bc, &["node answered to solved work", "node=\"a\""]), "and nobody else was asked");
}

#[test]
fn a_proof_with_a_fault_is_refused_with_the_fault_named_and_a_good_one_is_taken_after_it() {
    require_dogecoind!();
    let net = Network::start();
    let bc = start(&net);
    let work = create(&bc);
    for (fault, check) in [
        (Fault::WeakParent, "auxpow-parent-work"),
        (Fault::OtherCommitment, "auxpow-commitment-missing"),
        (Fault::ParentOfOurChain, "auxpow-parent-chain-id"),
    ] {
        let reply = raw_call(&bc, "submitauxblock", &json!([work.hash, work.flawed(fault).hex()]));
        assert_eq!((reply.status, &reply.json()["result"]), (200, &json!(false)), "{fault:?}");
        let finding = reply.header("x-blockcast-finding").unwrap_or_default();
        assert!(finding.contains(check), "{fault:?}: {finding}");
        net.assert_kept_from_peers(&work.hash);
    }
    let proof = work.solve();
    assert_eq!(hand_in(&bc, &work, &proof), true);
    assert_delivered(&net, &bc, &work.hash, Some(&proof.parent));
}

#[test]
fn what_no_node_has_issued_is_answered_as_a_node_would() {
    require_dogecoind!();
    let net = Network::start();
    let bc = start(&net);
    let unknown = AuxWork { hash: "5a".repeat(32), height: 25 };
    let params = json!([unknown.hash, unknown.solve().hex()]);
    let theirs = net.a.rpc("submitauxblock", params.clone()).unwrap_err();
    let ours = bc.front_door().call("submitauxblock", params).unwrap_err();
    assert_eq!((ours.code, &ours.message), (Some(-8), &theirs.message));
    // Nor is nonsense in the place of a proof more than an error.
    let work = create(&bc);
    let theirs = net.a.rpc("submitauxblock", json!([work.hash, "00"])).unwrap_err();
    let ours = bc.front_door().call("submitauxblock", json!([work.hash, "00"])).unwrap_err();
    assert_eq!((ours.code, &ours.message), (theirs.code, &theirs.message));
}

/// The daemon says `true` to a solution that came too late. It is a block, and not the one that counts.
#[test]
fn a_solution_that_came_too_late_is_not_called_a_success() {
    require_dogecoind!();
    let net = Network::start();
    let bc = start(&net);
    let work = create(&bc);
    let other = net.miner.block();
    net.hand_over(&other);
    let late = raw_call(&bc, "submitauxblock", &json!([work.hash, work.solve().hex()]));
    assert_ne!(late.json()["result"], true);
    for node in net.all() {
        assert_eq!(node.tip(), other.hash, "{}", node.name());
    }
    net.peers.iter().for_each(|node| net.assert_connected(node));
    // The next work is on top of the block that won.
    let next = create(&bc);
    assert_eq!(next.height, 26);
    let proof = next.solve();
    assert_eq!(hand_in(&bc, &next, &proof), true);
    assert_delivered(&net, &bc, &next.hash, Some(&proof.parent));
}
