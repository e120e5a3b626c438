//! Peers and nodes that die, stop, lag or lose a race: what the report says, and that nobody waits for them.

#![allow(clippy::unwrap_used, reason = "the helpers of tests are tests")]

mod common;

use std::time::{Duration, Instant};

use common::{PATIENCE, metric, peer, report_of, report_with_outcome_at, start, wait_for_peers};
use e2e::{Base, Blockcast, Litecoind, Options, Proxy, Regtest, Setup, eventually, require_litecoind, setup};
use serde_json::{Value, json};

#[test]
fn a_killed_and_a_stopped_peer_are_never_said_to_have_the_block_and_delay_nobody() {
    require_litecoind!();
    let mut net = Regtest::start(Base::Segwit);
    let stopped = net.plain[0].p2p_addr().to_string();
    let killed = net.observer.p2p_addr().to_string();
    let mut bc = Blockcast::start(Setup { observers: 0, ..Setup::of(&net) });
    bc.wait_ready();
    wait_for_peers(&bc, 3, 1);
    let block = net.template().block();
    net.plain[0].pause();
    net.observer.kill();

    let start = Instant::now();
    let reply = bc.post_block(&block, "wait=peers:2");
    let took = start.elapsed();
    assert_eq!(reply.status, 200, "our node and the healthy peer have it: {}", reply.text());
    assert!(took < Duration::from_secs(3), "they were not kept waiting: {took:?}");
    assert_eq!(net.plain[1].tip(), block.hash);

    let report = report_with_outcome_at(&bc, &block.hash, &stopped, Duration::from_secs(75));
    assert!(
        matches!(peer(&report, &stopped)["outcome"].as_str(), Some("timed_out" | "disconnected")),
        "{report:#}"
    );
    assert_eq!(peer(&report, &stopped)["processed_ms"], Value::Null, "{report:#}");
    if let Some(peer) = report["peers"].as_array().unwrap().iter().find(|peer| peer["peer"] == json!(killed))
    {
        assert!(matches!(peer["outcome"].as_str(), Some("disconnected" | "timed_out")), "{report:#}");
        assert_eq!(peer["processed_ms"], Value::Null);
    }
    net.plain[0].resume();
}

#[test]
fn a_peer_with_a_rival_at_the_same_height_is_outraced_and_never_accepted() {
    require_litecoind!();
    let net = Regtest::start(Base::Segwit);
    let bc = start(&net);
    let template = net.template();
    let (rival, block) = (template.block(), template.block());
    assert_eq!(net.plain[0].submit(&rival.hex()), Value::Null);
    assert_eq!(bc.front_door().call("submitblock", json!([block.hex()])).unwrap(), Value::Null);
    let name = net.plain[0].p2p_addr().to_string();
    let report = report_with_outcome_at(&bc, &block.hash, &name, PATIENCE);
    assert_eq!(peer(&report, &name)["outcome"], "outraced", "{report:#}");
    assert_eq!(peer(&report, &name)["detail"], json!(format!("by {}", rival.hash)), "{report:#}");
    assert_eq!(net.plain[0].tip(), rival.hash);
    eventually(PATIENCE, "the block at the other peer", || net.plain[1].tip() == block.hash);
}

#[test]
fn a_side_branch_is_inconclusive_to_the_pool() {
    require_litecoind!();
    let net = Regtest::start(Base::Segwit);
    let bc = start(&net);
    let template = net.template();
    let (rival, block) = (template.block(), template.block());
    assert_eq!(net.ours.submit(&rival.hex()), Value::Null);
    assert_eq!(bc.front_door().call("submitblock", json!([block.hex()])).unwrap(), json!("inconclusive"));
    assert_eq!(report_of(&bc, &block.hash)["status"], "inconclusive");
}

#[test]
fn the_pool_sees_null_although_our_push_reached_the_node_by_another_way_first() {
    require_litecoind!();
    let net = Regtest::start(Base::Segwit);
    // The line to our node's RPC is slow; a peer that we push to is its neighbour.
    net.ours.connect_to(&net.plain[0]);
    let proxy = Proxy::start(net.ours.rpc_addr());
    let mut setup = Setup::of(&net);
    setup.nodes[0] =
        setup::Node { rpc_url: format!("http://{}", proxy.address()), ..setup.nodes[0].clone().rpc_only() };
    let mut bc = Blockcast::start(setup);
    bc.wait_ready();
    wait_for_peers(&bc, 3, 0);
    let block = net.template().block();
    proxy.hold();
    let answer = std::thread::scope(|scope| {
        let pool = scope.spawn(|| bc.front_door().call("submitblock", json!([block.hex()])));
        eventually(PATIENCE, "the block at our node by way of its neighbour", || {
            net.ours.tip() == block.hash
        });
        proxy.open();
        pool.join().unwrap()
    });
    assert_eq!(answer.unwrap(), Value::Null);
    let report = report_of(&bc, &block.hash);
    assert_eq!(report["nodes"][0]["verdict"], "duplicate", "the raw verdict is kept: {report:#}");
    assert_eq!(report["nodes"][0]["judgement"], "accepted");
}

#[test]
fn a_submit_that_times_out_at_a_stopped_node_ends_accepted_when_the_node_has_taken_it() {
    require_litecoind!();
    let net = Regtest::start(Base::Segwit);
    let bc = start(&net);
    let block = net.template().block();
    net.ours.pause();
    let start = Instant::now();
    let answer = bc.front_door().call("submitblock", json!([block.hex()])).unwrap();
    assert!(start.elapsed() < Duration::from_secs(5), "the pool is answered in time: {:?}", start.elapsed());
    assert_eq!(answer, json!("inconclusive"), "on disk and with peers, and no verdict");
    // The client gives the attempt up after 30 s.
    eventually(Duration::from_secs(60), "the attempt given up", || {
        report_of(&bc, &block.hash)["nodes"][0]["verdict"]["unanswered"] == "timeout"
    });
    // Nor does it answer the question where the block stands.
    eventually(PATIENCE, "an honest status", || report_of(&bc, &block.hash)["status"] == "unanswered");
    net.ours.resume();
    eventually(PATIENCE, "the verdict after all", || report_of(&bc, &block.hash)["status"] == "accepted");
    assert_eq!(net.ours.tip(), block.hash);
}

#[test]
fn a_block_found_while_the_node_is_down_reaches_it_when_it_is_back() {
    require_litecoind!();
    let mut net = Regtest::start(Base::Segwit);
    let bc = start(&net);
    let block = net.template().block();
    net.ours.kill();
    assert_eq!(bc.front_door().call("submitblock", json!([block.hex()])).unwrap(), json!("inconclusive"));
    let report = report_of(&bc, &block.hash);
    assert_eq!(report["status"], "unanswered", "{report:#}");
    assert_eq!(net.plain[1].tip(), block.hash, "peers had it at once");
    net.ours.start_again();
    eventually(PATIENCE, "the block at the node", || net.ours.tip() == block.hash);
    eventually(PATIENCE, "its verdict", || report_of(&bc, &block.hash)["status"] == "accepted");
}

/// litecoind and dashd end only when all connections to their RPC are closed, and close idle ones after 30 s.
#[test]
fn a_node_that_is_told_to_stop_is_not_kept_waiting_for_our_idle_connections() {
    require_litecoind!();
    let mut net = Regtest::start(Base::Segwit);
    let _bc = start(&net);
    let start = Instant::now();
    net.ours.stop();
    assert!(start.elapsed() < Duration::from_secs(5), "took {:?}", start.elapsed());
}

#[test]
fn a_node_that_is_down_one_that_warms_up_and_a_wrong_password_are_told_apart() {
    require_litecoind!();
    let options = |name: &str| Options {
        name: name.into(),
        base: Some(Base::Segwit),
        password: Some(("user".into(), "right".into())),
        ..Options::default()
    };
    let (good, mut down, mut warming) = (
        Litecoind::start(options("good")),
        Litecoind::start(options("down")),
        Litecoind::start(options("warming")),
    );
    let node = |name: &str, node: &Litecoind| setup::Node::of(name, node).rpc_only();
    let mut wrong = node("wrong", &good).backup();
    wrong.auth = e2e::Auth::Password { user: "user".into(), password: "canary-wrong-password".into() };
    let nodes =
        vec![node("good", &good), wrong, node("down", &down).backup(), node("warming", &warming).backup()];
    down.kill();
    warming.stop();
    let mut bc = Blockcast::start(Setup { nodes, ..Setup::default() });
    bc.wait_ready();
    // Warming up takes a moment only: be there when it happens.
    warming.start_again_without_waiting(&["-reindex"]);
    let failed = |name: &str, kind: &str| {
        metric(&bc, "node_errors_total", &[("node", name), ("kind", kind)]).is_some_and(|count| count > 0.0)
    };
    eventually(PATIENCE, "a refused connection in the metrics", || failed("down", "refused"));
    eventually(PATIENCE, "a refused login in the metrics", || failed("wrong", "unauthorized"));
    eventually(PATIENCE, "a node back up", || metric(&bc, "node_up", &[("node", "warming")]) == Some(1.0));
    let state = |name: &str| {
        let chain = bc.get_json("/api/v1/chains/litecoin");
        let nodes = chain["nodes"].as_array().cloned().unwrap_or_default();
        nodes
            .into_iter()
            .find(|node| node["name"] == name)
            .unwrap_or_else(|| panic!("no node {name}: {chain:#}"))
    };
    assert!(state("down").to_string().contains("refused"), "{:#}", state("down"));
    assert!(state("wrong").to_string().contains("unauthorized"), "{:#}", state("wrong"));
    let log = bc.log();
    assert!(log.contains("refused") && log.contains("unauthorized"), "{log}");
    assert!(!log.contains("canary-wrong-password"), "a password in the log");
}

#[test]
fn a_node_in_warm_up_is_named_so_by_readyz_and_metrics() {
    require_litecoind!();
    // A real one warms up for a blink; this one answers with the recorded words for as long as the test wants.
    let node = setup::Node {
        name: "warming".into(),
        role: "primary".into(),
        rpc_url: format!("http://{}", common::node_that_warms_up()),
        auth: e2e::Auth::Password { user: "user".into(), password: "password".into() },
        p2p: None,
    };
    let bc = Blockcast::start(Setup { nodes: vec![node], ..Setup::default() });
    let ready = eventually(PATIENCE, "a reason that names the warm-up", || {
        let reply = bc.try_get("/readyz")?;
        reply.text().contains("warming_up").then_some(reply)
    });
    assert_eq!(ready.status, 503);
    assert!(metric(&bc, "node_errors_total", &[("node", "warming"), ("kind", "warming_up")]).is_some());
    assert_eq!(metric(&bc, "node_up", &[("node", "warming")]), Some(0.0));
}
