//! What was acknowledged is never lost.

#![allow(clippy::unwrap_used, reason = "the helpers of tests are tests")]

mod common;

use std::time::Duration;

use common::PATIENCE;
use e2e::{Base, Blockcast, Proxy, Regtest, Setup, eventually, require_litecoind, setup};
use serde_json::{Value, json};

/// An engine whose only node is reached through a proxy.
fn behind(net: &Regtest, proxy: &Proxy) -> Setup {
    let node = setup::Node {
        rpc_url: format!("http://{}", proxy.address()),
        ..setup::Node::of("a", &net.observer).rpc_only()
    };
    Setup { nodes: vec![node], ..Setup::default() }
}

#[test]
fn every_block_acknowledged_before_a_sigkill_reaches_the_node_after_the_restart_in_50_rounds() {
    require_litecoind!();
    let net = Regtest::start(Base::Segwit);
    let proxy = Proxy::start(net.observer.rpc_addr());
    let mut bc = Blockcast::start(behind(&net, &proxy));
    bc.wait_ready();
    for round in 0..50 {
        let block = net.template().block();
        // The node hears nothing of the block before the kill: only the journal has it.
        proxy.hold();
        if round % 10 == 9 {
            // The pool waits four seconds for a verdict that does not come, and is told that the block is kept.
            let answer = bc.front_door().call("submitblock", json!([block.hex()])).unwrap();
            assert_eq!(answer, json!("inconclusive"), "round {round}");
        } else {
            let reply = bc.post_block(&block, "wait=peers:0");
            assert_eq!(reply.json()["durable"], true, "round {round}: {}", reply.text());
        }
        bc.sigkill();
        assert_ne!(net.observer.tip(), block.hash, "round {round}: the node had it all the time");
        proxy.open();
        bc.restart();
        eventually(PATIENCE, format!("round {round}: the acknowledged block at the node"), || {
            net.observer.tip() == block.hash
        });
        bc.wait_ready();
        eventually(PATIENCE, format!("round {round}: nothing left in the journal"), || {
            common::plain_metric(&bc, "journal_open_blocks") == Some(0.0)
        });
    }
}

#[test]
fn a_block_that_the_node_has_is_not_sent_again_after_a_restart() {
    require_litecoind!();
    let net = Regtest::start(Base::Segwit);
    let proxy = Proxy::start(net.observer.rpc_addr());
    let mut bc = Blockcast::start(behind(&net, &proxy));
    bc.wait_ready();
    let block = net.template().block();
    assert_eq!(bc.front_door().call("submitblock", json!([block.hex()])).unwrap(), Value::Null);
    assert!(bc.sigterm().success());
    bc.restart();
    bc.wait_ready();
    // History has it, and it is on its way no more.
    let known = common::block_in_state(&bc, &block.hash, "active");
    assert_eq!(known["deliveries"].as_array().unwrap().len(), 1, "{known:#}");
    assert!(!bc.log().contains("sent again"), "{}", bc.log());
}

#[test]
fn sigterm_finishes_what_is_running_and_leaves_the_rest_to_the_journal() {
    require_litecoind!();
    let net = Regtest::start(Base::Segwit);
    let proxy = Proxy::start(net.observer.rpc_addr());
    let mut bc = Blockcast::start(behind(&net, &proxy));
    bc.wait_ready();
    let block = net.template().block();
    proxy.hold();
    assert_eq!(bc.post_block(&block, "wait=peers:0").json()["durable"], true);
    let status = bc.sigterm();
    assert_eq!(status.code(), Some(0), "{}", bc.log());
    proxy.open();
    bc.restart();
    eventually(PATIENCE, "the block after the restart", || net.observer.tip() == block.hash);
}

/// Since SIGKILL keeps the page cache, only the order of system calls shows that the disk had the block.
#[test]
fn for_each_of_200_acknowledgements_fdatasync_had_returned_before_the_reply_began() {
    require_litecoind!();
    if e2e::process::find_program("strace").is_none() {
        assert!(std::env::var_os("CI").is_none(), "strace is missing");
        eprintln!("SKIPPED: strace is missing, the order of fdatasync and reply is not tested");
        return;
    }
    let rounds = 200;
    let trace = "trace=fdatasync,fsync,write,writev,sendto,sendmsg".to_owned();
    let mut bc = Blockcast::start(Setup {
        nodes: vec![setup::Node {
            name: "nobody".into(),
            role: "primary".into(),
            rpc_url: format!("http://127.0.0.1:{}", e2e::free_port()),
            auth: e2e::Auth::Password { user: "user".into(), password: "password".into() },
            p2p: None,
        }],
        strace: Some(trace),
        ..Setup::default()
    });
    eventually(PATIENCE, "the engine listens", || bc.try_get("/livez").is_some());
    let mut block =
        recordings::read("litecoin/block_coinbase_only.json")["block_hex"].as_str().unwrap().to_owned();
    for round in 0..rounds {
        // Another nonce makes another block; whether it has its work is not what matters here.
        block.replace_range(152..160, &format!("{round:08x}"));
        let path = "/api/v1/chains/litecoin/blocks?wait=peers:0&timeout=20";
        let reply = bc.post(path, "text/plain", block.as_bytes());
        assert_eq!(
            (reply.status, &reply.json()["durable"]),
            (200, &json!(true)),
            "round {round}: {}",
            reply.text()
        );
    }
    bc.sigkill();
    let log = eventually(Duration::from_secs(10), "the trace of all replies", || {
        let log = bc.strace_log();
        (replies(&log) >= rounds).then_some(log)
    });
    // One after the other: between two replies there is exactly one block to be synced.
    let mut synced = false;
    let mut seen = 0;
    for line in log.lines() {
        if line.contains("fdatasync") && line.trim_end().ends_with("= 0") {
            synced = true;
        } else if is_reply(line) {
            assert!(synced, "reply {seen} began before its block was on disk: {line}");
            synced = false;
            seen += 1;
        }
    }
    assert!(seen >= rounds, "{seen} of {rounds} replies in the trace");
}

/// A line in which the answer to a submission (not to a probe) begins to be written.
fn is_reply(line: &str) -> bool {
    line.contains("HTTP/1.1 200")
        && !line.contains("live")
        && ["write(", "writev(", "sendto(", "sendmsg("].iter().any(|call| line.contains(call))
}

fn replies(log: &str) -> usize {
    log.lines().filter(|line| is_reply(line)).count()
}
