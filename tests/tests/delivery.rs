//! A found block on its way to four real litecoinds: by every door, with what the report says of it.

#![allow(clippy::unwrap_used, reason = "the helpers of tests are tests")]

mod common;

use std::time::Duration;

use common::{assert_delivered, report_of, start, wait_for_peers};
use e2e::{Base, Blockcast, Flaw, Regtest, Setup, eventually, require_litecoind};
use serde_json::{Value, json};

const SOON: Duration = Duration::from_secs(20);

#[test]
fn a_block_by_the_front_door_reaches_every_node_and_peer_and_the_pool_sees_null() {
    require_litecoind!();
    let net = Regtest::start(Base::Mweb);
    let bc = start(&net);
    let block = net.template_with_transactions(5).block();
    assert_eq!(bc.front_door().call("submitblock", json!([block.hex()])).unwrap(), Value::Null);
    assert_delivered(&net, &bc, &block);
    let seen = bc.front_door().call("getblockheader", json!([block.hash])).unwrap();
    assert_eq!(seen["confirmations"], 1);
    assert_eq!(report_of(&bc, &block.hash)["source"], "front_door");
}

#[test]
fn a_block_by_rest_in_bytes_and_the_next_in_hex_are_answered_with_their_reports() {
    require_litecoind!();
    let net = Regtest::start(Base::Segwit);
    let bc = start(&net);
    let block = net.template().block();
    let reply = bc.post_block(&block, "wait=peers:2");
    assert_eq!(reply.status, 200, "{}", reply.text());
    assert_eq!(reply.json()["hash"], json!(block.hash));
    assert_delivered(&net, &bc, &block);

    let next = net.template().block();
    let reply = bc.post("/api/v1/chains/litecoin/blocks", "text/plain", next.hex().as_bytes());
    assert_eq!((reply.status, &reply.json()["status"]), (200, &json!("accepted")), "{}", reply.text());
    assert_delivered(&net, &bc, &next);
}

#[test]
fn a_block_by_the_command_line_is_answered_with_a_report_for_people_and_exit_status_0() {
    require_litecoind!();
    let net = Regtest::start(Base::Segwit);
    let bc = start(&net);
    let block = net.template().block();
    let url = format!("http://{}", bc.http_addr());
    let output = bc.cli_with_input(&["submit", "--url", &url, "--chain", "litecoin", "-"], &block.bytes);
    let text = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{text}{}", String::from_utf8_lossy(&output.stderr));
    assert!(text.contains(&block.hash) && text.contains("accepted"), "{text}");
    assert_delivered(&net, &bc, &block);
    assert_eq!(report_of(&bc, &block.hash)["source"], "cli");

    let status = bc.cli(&["status", "--url", &url]);
    let text = String::from_utf8_lossy(&status.stdout);
    assert_eq!(status.status.code(), Some(0), "{text}{}", String::from_utf8_lossy(&status.stderr));
    assert!(text.contains(&net.observer.p2p_addr().to_string()) && text.contains("litecoin"), "{text}");
}

#[test]
fn what_a_pool_forgot_is_mended_for_peers_and_left_as_it_came_for_nodes() {
    require_litecoind!();
    let net = Regtest::start(Base::Segwit);
    let bc = start(&net);
    for (flaw, finding) in
        [(Flaw::MissingCoinbaseWitness, "coinbase-witness-missing"), (Flaw::TrailingBytes, "trailing-bytes")]
    {
        let block = net.template().flawed(flaw);
        assert_eq!(
            bc.front_door().call("submitblock", json!([block.hex()])).unwrap(),
            Value::Null,
            "{flaw:?}"
        );
        assert_delivered(&net, &bc, &block);
        let report = report_of(&bc, &block.hash);
        assert_eq!(report["size"], json!(block.bytes.len()), "the node got what came");
        assert_eq!(report["findings"][0]["check"], finding, "{report:#}");
        assert_eq!(report["findings"][0]["severity"], "warning");
    }
}

#[test]
fn a_block_that_another_miner_found_is_seen_and_the_next_of_ours_goes_on_top() {
    require_litecoind!();
    let net = Regtest::start(Base::Segwit);
    let bc = start(&net);
    let theirs = net.ours.mine(1).remove(0);
    let metric = format!("blockcast_node_tip_height{{chain=\"litecoin\",node=\"a\"}} {}", net.ours.height());
    eventually(SOON, "the node's new tip in the metrics", || bc.get("/metrics").text().contains(&metric));
    eventually(SOON, "the node's new tip in the log", || bc.log().contains(&theirs));
    // Nobody tells the others but we, and they fetch it from us.
    net.wait_for_tip(&theirs);
    let metric = "blockcast_tips_passed_on_total{chain=\"litecoin\"} 1";
    eventually(SOON, "the passing on in the metrics", || bc.get("/metrics").text().contains(metric));
    let block = net.template().block();
    assert_eq!(block.parent, theirs);
    assert_eq!(bc.front_door().call("submitblock", json!([block.hex()])).unwrap(), Value::Null);
    assert_delivered(&net, &bc, &block);
}

#[test]
fn a_hundred_callers_with_one_block_share_one_delivery_and_each_peer_gets_it_once() {
    require_litecoind!();
    let net = Regtest::start(Base::Segwit);
    let bc = start(&net);
    let block = net.template().block();
    let before: u64 = received_blocks(&net);
    std::thread::scope(|scope| {
        for _ in 0..100 {
            scope.spawn(|| {
                assert_eq!(bc.front_door().call("submitblock", json!([block.hex()])).unwrap(), Value::Null);
            });
        }
    });
    assert_delivered(&net, &bc, &block);
    assert_eq!(report_of(&bc, &block.hash)["repeats"], 99);
    assert_eq!(
        received_blocks(&net) - before,
        block.bytes.len() as u64 + 24,
        "plain[0] received one block message"
    );
}

/// How many bytes of `block` messages the first plain peer has received.
fn received_blocks(net: &Regtest) -> u64 {
    let received = |peer: &Value| peer["bytesrecv_per_msg"]["block"].as_u64();
    net.plain[0].connections().iter().filter_map(received).sum()
}

#[test]
fn without_observers_every_peer_is_pushed_to() {
    require_litecoind!();
    let net = Regtest::start(Base::Segwit);
    let mut bc = Blockcast::start(Setup { observers: 0, ..Setup::of(&net) });
    bc.wait_ready();
    wait_for_peers(&bc, 3, 1);
    let block = net.template().block();
    assert_eq!(bc.post_block(&block, "wait=peers:4").status, 200, "{:#}", report_of(&bc, &block.hash));
    net.wait_for_tip(&block.hash);
}
