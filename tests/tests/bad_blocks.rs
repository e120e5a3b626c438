//! Blocks that no peer must see: they reach the node all the same, whose verdict reaches the caller.

#![allow(clippy::unwrap_used, reason = "the helpers of tests are tests")]

mod common;

use common::{PATIENCE, report_of, start};
use e2e::{Base, Block, Blockcast, Flaw, Regtest, eventually, require_litecoind};
use serde_json::{Value, json};

/// Hands a bad block in by the front door: the caller gets the node's words and our finding beside them, and no peer
/// gets anything.
fn assert_kept_from_peers(net: &Regtest, bc: &Blockcast, block: &Block, verdict: Value, finding: &str) {
    let tip = net.plain[0].tip();
    assert_eq!(bc.front_door().call("submitblock", json!([block.hex()])).unwrap(), verdict);
    let report = eventually(PATIENCE, "the finding", || {
        let report = report_of(bc, &block.hash);
        let findings = report["findings"].as_array().cloned().unwrap_or_default();
        findings
            .iter()
            .any(|found| found["check"] == finding && found["severity"] == "error")
            .then_some(report)
    });
    assert_eq!(report["nodes"][0]["verdict"], verdict, "{report:#}");
    assert_eq!(report["status"], "refused");
    assert_eq!(report["peers_sent_to"], 0, "{report:#}");
    let peers = report["peers"].as_array().unwrap();
    assert!(peers.iter().all(|peer| peer["outcome"] == "withheld"), "{report:#}");
    for node in [&net.plain[0], &net.plain[1], &net.observer] {
        assert_eq!(node.tip(), tip);
        let unknown = node.rpc("getblockheader", json!([block.hash])).unwrap_err();
        assert_eq!(unknown.code, Some(-5), "no peer has heard of the block");
        assert_eq!(relay_connections(node), 1, "and none has hung up on us");
    }
    assert!(bc.log().contains(finding), "the log names the finding");
}

/// How many connections a node has from the engine.
fn relay_connections(node: &e2e::Litecoind) -> usize {
    let ours = |peer: &&Value| peer["subver"].as_str().is_some_and(|agent| agent.starts_with("/Blockcast:"));
    node.connections().iter().filter(ours).count()
}

#[test]
fn blocks_that_would_get_us_banned_go_to_the_node_and_to_no_peer() {
    require_litecoind!();
    let net = Regtest::start(Base::Segwit);
    let bc = start(&net);
    for (flaw, finding) in [
        (Flaw::BadMerkleRoot, "bad-txnmrklroot"),
        (Flaw::BadProofOfWork, "high-hash"),
        (Flaw::TimeTooOld, "time-too-old"),
        (Flaw::UnknownParent, "prev-blk-not-found"),
    ] {
        let block = net.template().flawed(flaw);
        assert_kept_from_peers(&net, &bc, &block, flaw.verdict(), finding);
    }
    // The engine is none the worse for it.
    let block = net.template().block();
    assert_eq!(bc.front_door().call("submitblock", json!([block.hex()])).unwrap(), Value::Null);
    net.wait_for_tip(&block.hash);
}

#[test]
fn a_block_without_its_mweb_part_goes_to_the_node_and_to_no_peer() {
    require_litecoind!();
    let net = Regtest::start(Base::Mweb);
    let bc = start(&net);
    let block = net.template().flawed(Flaw::NoMweb);
    // litecoind calls it mweb-missing; we can tell that the last transaction has lost its mark as well.
    assert_kept_from_peers(&net, &bc, &block, Flaw::NoMweb.verdict(), "hogex-missing");
}

#[test]
fn what_is_no_block_at_all_is_answered_as_the_node_answers_it() {
    require_litecoind!();
    let net = Regtest::start(Base::Segwit);
    let bc = start(&net);
    for hex in ["", "zz", "00", &"00".repeat(80), &"ff".repeat(5000)] {
        let direct = net.ours.rpc("submitblock", json!([hex])).unwrap_err();
        let through = bc.front_door().call("submitblock", json!([hex])).unwrap_err();
        assert_eq!((through.http_status, through.code), (direct.http_status, direct.code), "{hex:.20}");
        assert_eq!(through.message, direct.message, "{hex:.20}");
    }
    let probe = bc.front_door().call("submitblock", json!([])).unwrap_err();
    assert_eq!(probe.code, Some(-1), "a probe without parameters is passed on");
    assert_eq!(relay_connections(&net.plain[0]), 1);
}

#[test]
fn a_refused_block_that_becomes_valid_is_judged_anew() {
    require_litecoind!();
    let net = Regtest::start(Base::Segwit);
    let bc = start(&net);
    // The child comes before its parent: the node cannot know it yet.
    let template = net.template();
    let parent = template.block();
    let child = template.after(&parent).block();
    let answer = bc.front_door().call("submitblock", json!([child.hex()])).unwrap();
    assert_eq!(answer, json!("prev-blk-not-found"));
    assert_eq!(bc.front_door().call("submitblock", json!([parent.hex()])).unwrap(), Value::Null);
    net.wait_for_tip(&child.hash);
    assert_eq!(bc.front_door().call("submitblock", json!([child.hex()])).unwrap(), Value::Null);
}
