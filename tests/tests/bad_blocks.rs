//! Blocks that no peer must see: they reach the node all the same, whose verdict reaches the caller.

#![allow(clippy::unwrap_used, reason = "the helpers of tests are tests")]

mod common;

use common::{assert_kept_from_peers, relay_connections, start};
use e2e::{Base, Flaw, Regtest, require_litecoind};
use serde_json::{Value, json};

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
